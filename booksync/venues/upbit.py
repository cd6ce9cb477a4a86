"""
Upbit: every frame is a whole book; no deltas, no numbers, nothing to lose.

Facts: global-docs.upbit.com/reference/websocket-orderbook and
docs.upbit.com/kr/reference/websocket-guide (read 2026-11), checked on 145 recorded
frames of 2021.

A frame says when it was made (``timestamp``, ms); a newer one replaces an older one.
The first frame after a subscription *may* be tagged ``SNAPSHOT``: the 145 recorded
ones are all ``REALTIME``, and whole, so nothing waits for the tag.

A request replaces all subscriptions of its connection, so each one names every
market; there is no unsubscribe and no acknowledgement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from booksync.errors import MalformedMessage
from booksync.messages import Message, Rejected, Snapshot
from booksync.venues.base import UNREADABLE, Venue
from booksync.venues.facts import (
    Assurance,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Request,
    Resync,
    Source,
)

__all__ = ["Upbit"]

N = TypeVar("N")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Unit(Struct, Generic[N], gc=False):
    """``{"ap":127.0,"bp":126.0,"as":280460.37,"bs":688682.44}``: one level a side."""

    ap: N
    bp: N
    asize: N = field(name="as")
    bs: N


class Book(Struct, Generic[N], gc=False):
    """``{"ty":"orderbook","cd":"KRW-BTC","tms":1618678262640,"obu":[…],"lv":0}``."""

    ty: Literal["orderbook"]
    cd: str
    tms: Count
    obu: list[Unit[N]]
    lv: float = 0.0


class LongUnit(Struct, Generic[N], gc=False):
    """The same as :class:`Unit` in ``"format":"DEFAULT"``."""

    ap: N = field(name="ask_price")
    bp: N = field(name="bid_price")
    asize: N = field(name="ask_size")
    bs: N = field(name="bid_size")


class LongBook(Struct, Generic[N], gc=False):
    """The same as :class:`Book` in ``"format":"DEFAULT"``."""

    ty: Literal["orderbook"] = field(name="type")
    cd: str = field(name="code")
    tms: Count = field(name="timestamp")
    obu: list[LongUnit[N]] = field(name="orderbook_units")
    lv: float = field(name="level", default=0.0)


class Problem(Struct):
    """``{"name":"WRONG_FORMAT","message":"…"}``."""

    name: str = ""
    message: str = ""


class Control(Struct):
    """Whatever is not a book: ``{"status":"UP"}``, ``{"error":{…}}``, a trade."""

    ty: str = ""
    type: str = ""
    cd: str = ""
    code: str = ""
    status: str = ""
    error: Problem | None = None


class Market(Struct):
    """``{"market":"KRW-WAVES","korean_name":"…","english_name":"Waves"}``."""

    market: str


class Session:
    """What one connection asked for, and the newest book of each market."""

    __slots__ = ("codes", "ended", "newest", "requests")

    def __init__(self) -> None:
        self.codes: dict[str, None] = {}
        self.ended: set[str] = set()
        self.newest: dict[str, int] = {}
        self.requests = 0


class Upbit(Venue):
    """Upbit spot (Korea; ``ws_url`` takes another region's host)."""

    id = "upbit"
    facts = Facts(
        markets="spot",
        source=Source.EVERY_FRAME,
        assurance=Assurance.ORDERED,
        numbering=None,
        resync=Resync.WAIT,
        levels=30,
        acks=False,
        verified="whole books, times, final books: 2021 (15 levels, short keys)",
        unverified=(
            "30 levels and long keys on the wire",
            "a side with fewer levels than the other is filled with zeros",
            "connection and message limits",
        ),
        url="https://global-docs.upbit.com/reference/websocket-orderbook",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=100,
        symbols_per_frame=100,  # each request replaces the one before
        messages=1.0,  # of 5 a second and 100 a minute, unconfirmed
        weight=300,  # of 600 requests a minute
    )
    #: After a ``PING`` the venue says ``{"status":"UP"}``, again every 10 s; it
    #: closes what was idle for 120 s.
    heartbeat = Heartbeat(interval=30.0, silence=60.0)
    WS_URL = "wss://api.upbit.com/websocket/v1"
    REST_URL = "https://api.upbit.com"
    DEPTHS: ClassVar[tuple[int, ...]] = (1, 5, 15, 30)
    default_depth = 30

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._book = self.decoder(Book, self.number)
        self._long = self.decoder(LongBook, self.number)
        self._control = self.decoder(Control)

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case, quote first: ``KRW-BTC``."""
        return super().prepare(symbol).upper()

    def session(self) -> Session:
        """Markets of this connection."""
        return Session()

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``[{"ticket":…},{"type":"orderbook","codes":["KRW-BTC.30"]},{"format":…}]``."""
        session.codes.update(dict.fromkeys(symbols))
        session.ended.difference_update(symbols)
        return self._request(session)

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """
        Ask for the markets that are left.

        Where none is left the venue offers no request: what it still sends is
        ignored.
        """
        session.ended.update(symbols)
        for symbol in symbols:
            session.codes.pop(symbol, None)
        return self._request(session) if session.codes else []

    def _request(self, session: Session) -> list[str | bytes]:
        session.requests += 1
        codes = [f"{code}.{self.depth}" for code in session.codes]
        request = (
            {"ticket": f"booksync-{session.requests}"},
            {"type": "orderbook", "codes": codes, "is_only_realtime": False},
            {"format": "SIMPLE"},
        )
        return [msgspec.json.encode(request).decode()]

    def ping(self, session: Session, now: float) -> str:
        """Text, not JSON."""
        return "PING"

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a book (short or long keys) or an error."""
        try:
            book = self._book.decode(frame)
        except UNREADABLE:
            control: Control = self.decode(self._control, frame)
            if "orderbook" not in (control.ty, control.type):
                return _control(control)
            symbol = control.cd or control.code or None
            try:
                book = (self._book if control.ty else self._long).decode(frame)
            except UNREADABLE as error:
                raise MalformedMessage(str(error), symbol) from None
        return self._snapshot(book, session)

    def _snapshot(self, book: Any, session: Session) -> Sequence[Message]:
        if book.lv or book.cd in session.ended:
            return ()  # prices grouped by another request, or no longer wanted
        if book.tms < session.newest.get(book.cd, 0):
            return ()
        session.newest[book.cd] = book.tms
        units = book.obu
        return (
            Snapshot(
                book.cd,
                book.tms,
                _levels((unit.bp, unit.bs) for unit in units),
                _levels((unit.ap, unit.asize) for unit in units),
                depth=len(units) or None,  # a side with fewer levels is whole
                time=book.tms / 1000,
            ),
        )

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /v1/market/all``, which gives no steps."""
        return (Request(path="/v1/market/all"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """Names only."""
        markets: list[Market] = self.decode(self.decoder(list[Market]), body)
        return [Instrument(symbol=entry.market) for entry in markets]


def _levels(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Leave out what fills a side that has fewer levels: price and size 0."""
    return [pair for pair in pairs if pair[1]]


def _control(control: Control) -> Sequence[Message]:
    if control.error is not None:
        return (Rejected((), f"{control.error.message} ({control.error.name})"),)
    if control.ty or control.type or control.status:
        return ()
    raise MalformedMessage("neither a book nor an answer")
