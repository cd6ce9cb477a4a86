"""
Bitvavo: deltas counted by ``nonce``, a snapshot on request over the same socket.

Facts: docs.bitvavo.com/docs/manage-order-book, book-subscription, get-order-book and
errors (read 2026-11), and a third party's probe of 2026-09-22 (no gap in 93,908
events); no recorded frames were at hand.

The documentation wants a snapshot beyond the first buffered delta; one equal to it
is fine on the wire. Prices of deltas are padded (``"75516.00"``) and those of
snapshots are not (``"75743"``): levels are keyed by value.

When the venue restarts its matching engine, the nonce begins again at a low number
while the socket stays open; whoever drops "old" nonces then freezes for ever. A
lower nonce with a *newer* timestamp is such a restart, one with an old timestamp is a
delta seen before. Each restart adds ``RESTART`` to a market's numbers, so that they
still rise: the restart is a gap, which fetches a new snapshot, and the venue's own
nonce stays readable as ``sequence % RESTART``.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Halted,
    Message,
    Rejected,
    Resumed,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE, Venue
from booksync.venues.facts import (
    Assurance,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["RESTART", "Bitvavo"]

N = TypeVar("N")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Digits = Annotated[int, msgspec.Meta(ge=0, le=32)]
RESTART = 1 << 40
Nonce = Annotated[int, msgspec.Meta(ge=1, le=RESTART - 1)]
NANOSECONDS = 1_000_000_000
INVALID_PARAMETER = 205
HALTED = 431


class Event(Struct, Generic[N], gc=False):
    """``{"event":"book","market":"BTC-EUR","nonce":413289768,"bids":[…],…}``."""

    event: Literal["book"]
    market: str
    nonce: Nonce
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    timestamp: Count = 0


class Book(Struct, Generic[N]):
    """The same in the answer to ``getBook``."""

    market: str
    nonce: Nonce
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    timestamp: Count = 0


class Answer(Struct, Generic[N]):
    """``{"action":"getBook","requestId":1,"response":{…}}``."""

    response: Book[N]


class Control(Struct):
    """Whatever is not a delta."""

    event: str = ""
    action: str = ""
    market: str = ""
    requestId: int | None = None  # noqa: N815 - the venue's name
    subscriptions: dict[str, list[str]] = {}
    errorCode: int | None = None  # noqa: N815
    error: str = ""


class Market(Struct):
    """``{"market":"BTC-EUR","status":"trading","tickSize":"1.00",…}``."""

    market: str
    status: str
    tickSize: Decimal | None = None  # noqa: N815
    quantityDecimals: Digits | None = None  # noqa: N815


class Session:
    """The requests and the numbering of one connection."""

    __slots__ = ("asked", "ending", "halted", "last", "restarts")

    def __init__(self) -> None:
        self.asked: dict[int, str] = {}
        self.ending: list[tuple[str, ...]] = []
        self.halted: set[str] = set()
        #: Market -> nonce and timestamp of its last delta.
        self.last: dict[str, tuple[int, int]] = {}
        #: Market -> what its restarts add to its numbers.
        self.restarts: dict[str, int] = {}


class Bitvavo(Venue):
    """Bitvavo spot."""

    id = "bitvavo"
    facts = Facts(
        markets="spot",
        source=Source.REQUEST,
        assurance=Assurance.COUNTED,
        numbering=Numbering.SYMBOL,
        resync=Resync.FETCH,
        unverified=(
            "everything: no recorded frames (a probe of 2026-09-22 saw no gap)",
            "a restart's timestamps are newer than those before it",
            "connections per address, lifetime",
        ),
        url="https://docs.bitvavo.com/docs/manage-order-book",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=200,  # 437 were seen to work
        symbols_per_frame=100,
        messages=10.0,  # of 5,000; each snapshot costs one of 1,000 points a minute
        weight=900,
    )
    heartbeat = Heartbeat(silence=75.0)  # protocol pings every 50 s
    WS_URL = "wss://ws.bitvavo.com/v2"
    REST_URL = "https://api.bitvavo.com"
    DEPTHS: ClassVar[tuple[int, ...]] = (10, 50, 100, 500, 1000)
    default_depth = 1000

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._event = self.decoder(Event, self.text)
        self._answer = self.decoder(Answer, self.text)
        self._control = self.decoder(Control)

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case: ``BTC-EUR``."""
        return super().prepare(symbol).upper()

    def session(self) -> Session:
        """Requests and numbering of this connection."""
        return Session()

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """``wss://ws.bitvavo.com/v2/``: the slash is part of it."""
        return base + "/"

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"action":"subscribe","channels":[{"name":"book","markets":[…]}]}``."""
        return [_channels("subscribe", part) for part in self._parts(symbols)]

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        parts = self._parts(symbols)
        session.ending.extend(parts)
        return [_channels("unsubscribe", part) for part in parts]

    def _parts(self, symbols: Sequence[str]) -> list[tuple[str, ...]]:
        step = self.limits.symbols_per_frame
        return [tuple(symbols[at : at + step]) for at in range(0, len(symbols), step)]

    def snapshot_frame(self, symbol: str, session: Session, now: float) -> str:
        """``{"action":"getBook","requestId":1,"market":"BTC-EUR","depth":1000}``."""
        number = len(session.asked) + 1
        session.asked[number] = symbol
        request = {"action": "getBook", "requestId": number, "market": symbol}
        return msgspec.json.encode({**request, "depth": self.depth}).decode()

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta, a snapshot, an acknowledgement or an error."""
        try:
            event = self._event.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, session, str(error))
        delta = _delta(event, session)
        if event.market in session.halted:
            session.halted.remove(event.market)
            return (Resumed(event.market), delta)
        return (delta,)

    def _parse_other(
        self, frame: str | bytes, session: Session, reason: str
    ) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.event == "book":
            raise MalformedMessage(reason, control.market or None)
        if control.errorCode is not None:
            return _refusal(control, session)
        if control.action == "getBook":
            return (self._snapshot(frame, control, session),)
        if control.event == "subscribed":
            return (Subscribed(tuple(control.subscriptions.get("book", ()))),)
        if control.event == "unsubscribed" and session.ending:
            return (Unsubscribed(session.ending.pop(0)),)
        if control.event or control.action:
            return ()
        raise MalformedMessage("neither a book nor an answer")

    def _snapshot(
        self, frame: str | bytes, control: Control, session: Session
    ) -> Snapshot:
        asked = session.asked.get(control.requestId or 0)
        try:
            book = self._answer.decode(frame).response
        except UNREADABLE as error:
            raise MalformedMessage(f"snapshot: {error}", asked) from None
        return Snapshot(
            book.market,
            book.nonce + session.restarts.get(book.market, 0),
            book.bids,
            book.asks,
            depth=self.depth,
            time=book.timestamp / NANOSECONDS if book.timestamp else None,
        )

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /v2/markets``."""
        return (Request(path="/v2/markets"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``tickSize`` is a step, ``quantityDecimals`` counts digits."""
        markets: list[Market] = self.decode(self.decoder(list[Market]), body)
        return [
            Instrument(
                symbol=entry.market,
                price_step=entry.tickSize,
                size_step=_step(entry.quantityDecimals),
                active=entry.status == "trading",
            )
            for entry in markets
        ]


def _channels(action: str, markets: Sequence[str]) -> str:
    channels = [{"name": "book", "markets": markets}]
    return msgspec.json.encode({"action": action, "channels": channels}).decode()


def _delta(event: Any, session: Session) -> Delta:
    """Each nonce is one more than the last, unless the venue restarted."""
    market, nonce, time = event.market, event.nonce, event.timestamp
    last, newest = session.last.get(market, (0, 0))
    restarts = session.restarts.get(market, 0)
    if nonce > last:
        session.last[market] = (nonce, time)
    elif time > newest or not time:
        restarts = session.restarts[market] = restarts + RESTART
        session.last[market] = (nonce, time)
    number = nonce + restarts
    stamp = time / NANOSECONDS if time else None
    return Delta(market, number - 1, number, event.bids, event.asks, stamp)


def _refusal(control: Control, session: Session) -> Sequence[Message]:
    """
    ``{"action":"subscribe","errorCode":205,"error":"market parameter X is invalid."}``.

    Only an invalid parameter is for good; a rate limit (105) is not.
    """
    reason = f"{control.error} (code {control.errorCode})"
    asked = session.asked.get(control.requestId or 0)
    if control.errorCode == HALTED and asked:
        session.halted.add(asked)
        return (Halted(asked, reason),)
    if control.errorCode != INVALID_PARAMETER:
        return ()
    words = control.error.split()
    named = words[2:3] if words[:2] == ["market", "parameter"] else []
    symbols = (asked,) if asked else tuple(named)
    return (Rejected(symbols, reason),)


def _step(digits: int | None) -> Decimal | None:
    return None if digits is None else Decimal(1).scaleb(-digits)
