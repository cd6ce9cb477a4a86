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
from typing import Any, ClassVar, Generic, Literal, TypeVar

from msgspec import Struct, field

from booksync.errors import MalformedMessage
from booksync.messages import Message, Rejected, Snapshot
from booksync.venues.base import UNREADABLE, Count
from booksync.venues.declared import DeclaredVenue, Operation, Requests
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


class Session(Requests):
    """What one connection asked for, and the newest book of each market."""

    __slots__ = ("codes", "ended", "newest")

    def __init__(self) -> None:
        super().__init__()
        self.codes: dict[str, None] = {}
        self.ended: set[str] = set()
        self.newest: dict[str, int] = {}


class Upbit(DeclaredVenue):
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
        weight=5,  # of 10 requests a second
        weight_window=1.0,
    )
    #: After a ``PING`` the venue says ``{"status":"UP"}``, again every 10 s; it
    #: closes what was idle for 120 s.
    heartbeat = Heartbeat(interval=30.0, silence=60.0)
    WS_URL = "wss://api.upbit.com/websocket/v1"
    REST_URL = "https://api.upbit.com"
    PING = "PING"  # text, not JSON
    SESSION = Session
    PUSH, CONTROL, LISTING = Book, Control, list[Market]
    JSON_NUMBERS = True
    LISTINGS = (Request(path="/v1/market/all"),)  # which gives no steps
    CASE = "upper"
    DEPTHS: ClassVar[tuple[int, ...]] = (1, 5, 15, 30)
    default_depth = 30

    def setup(self) -> None:
        """A client that asked for long keys gets them."""
        super().setup()
        self._long = self.wire_decoder(LongBook)

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``[{"ticket":…},{"type":"orderbook","codes":["KRW-BTC.30"]},{"format":…}]``."""
        session.codes.update(dict.fromkeys(symbols))
        session.ended.difference_update(symbols)
        return self._frames("subscribe", tuple(session.codes), session, now)

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
        return self._frames("subscribe", tuple(session.codes), session, now)

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """Each request replaces the one before."""
        codes = [f"{code}.{self.depth}" for code in symbols]
        return (
            {"ticket": f"booksync-{number}"},
            {"type": "orderbook", "codes": codes, "is_only_realtime": False},
            {"format": "SIMPLE"},
        )

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a book (short or long keys) or an error."""
        try:
            book = self._push.decode(frame)
        except UNREADABLE:
            control: Control = self.decode(self._control, frame)
            if "orderbook" not in (control.ty, control.type):
                return _control(control)
            symbol = control.cd or control.code or None
            try:
                book = (self._push if control.ty else self._long).decode(frame)
            except UNREADABLE as error:
                raise MalformedMessage(str(error), symbol) from None
        return self._snapshot(book, session)

    def _snapshot(self, book: Any, session: Session) -> Sequence[Message]:
        if book.lv or book.cd in session.ended:
            return ()  # prices grouped by another request, or no longer wanted
        if book.tms < session.newest.get(book.cd, 0):
            return ()
        session.newest[book.cd] = book.tms
        bids = _levels((unit.bp, unit.bs) for unit in book.obu)
        asks = _levels((unit.ap, unit.asize) for unit in book.obu)
        depth = len(book.obu) or None  # a side with fewer levels is whole
        return (Snapshot(book.cd, book.tms, bids, asks, depth, book.tms / 1000),)

    def listed(self, answer: list[Market]) -> Iterable[Instrument]:
        """Names only."""
        return [Instrument(symbol=entry.market) for entry in answer]


def _levels(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Leave out what fills a side that has fewer levels: price and size 0."""
    return [pair for pair in pairs if pair[1]]


def _control(control: Control) -> Sequence[Message]:
    if control.error is not None:
        return (Rejected((), f"{control.error.message} ({control.error.name})"),)
    if control.ty or control.type or control.status:
        return ()
    raise MalformedMessage("neither a book nor an answer")
