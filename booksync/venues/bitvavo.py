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

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

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
from booksync.venues.base import Count
from booksync.venues.declared import DeclaredVenue, Operation, Requests, step
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
RESTART = 1 << 40
Nonce = Annotated[int, Meta(ge=1, le=RESTART - 1)]
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
    quantityDecimals: int | None = None  # noqa: N815


class Session(Requests):
    """The requests and the numbering of one connection."""

    __slots__ = ("ending", "halted", "last", "restarts", "snapshots")

    def __init__(self) -> None:
        super().__init__()
        #: Only these requests have ids.
        self.snapshots = Requests()
        self.ending: list[tuple[str, ...]] = []
        self.halted: set[str] = set()
        #: Market -> nonce and timestamp of its last delta.
        self.last: dict[str, tuple[int, int]] = {}
        #: Market -> what its restarts add to its numbers.
        self.restarts: dict[str, int] = {}

    def add(self, operation: str, symbols: Sequence[str]) -> int:
        """Answers come in the order of the requests, and name nobody."""
        if operation == "unsubscribe":
            self.ending.append(tuple(symbols))
        return super().add(operation, symbols)


class Bitvavo(DeclaredVenue):
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
    SESSION = Session
    PUSH, WHOLE, CONTROL, LISTING = Event, Answer, Control, list[Market]
    LISTINGS = (Request(path="/v2/markets"),)
    CASE = "upper"
    STREAM_PATH = "/"  # part of it
    DEPTHS: ClassVar[tuple[int, ...]] = (10, 50, 100, 500, 1000)
    default_depth = 1000

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"action":"subscribe","channels":[{"name":"book","markets":[…]}]}``."""
        channel = {"name": "book", "markets": symbols}
        return {"action": operation, "channels": [channel]}

    def snapshot_frame(self, symbol: str, session: Session, now: float) -> str:
        """``{"action":"getBook","requestId":1,"market":"BTC-EUR","depth":1000}``."""
        number = session.snapshots.add("snapshot", [symbol])
        request = {"action": "getBook", "requestId": number, "market": symbol}
        return msgspec.json.encode({**request, "depth": self.depth}).decode()

    def read_push(self, push: Event[Any], session: Session) -> Sequence[Message]:
        """A market that moves again was reopened."""
        delta = _delta(push, session)
        if push.market in session.halted:
            session.halted.remove(push.market)
            return (Resumed(push.market), delta)
        return (delta,)

    def whose(self, control: Control, session: Session) -> str | None:
        """The answer to ``getBook``."""
        if control.action != "getBook" or control.errorCode is not None:
            return None
        _, asked = session.snapshots.of(control.requestId)
        return asked[0] if asked else ""

    def read_whole(self, whole: Answer[Any], session: Session) -> Sequence[Message]:
        """Of the run of numbers that is going on."""
        book = whole.response
        market, time = book.market, book.timestamp / NANOSECONDS or None
        number = book.nonce + session.restarts.get(market, 0)
        return (Snapshot(market, number, book.bids, book.asks, self.depth, time),)

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """An acknowledgement or an error."""
        if control.event == "book":
            raise MalformedMessage(problem, control.market or None)
        if control.errorCode is not None:
            return _refusal(control, session)
        if control.event == "subscribed":
            return (Subscribed(tuple(control.subscriptions.get("book", ()))),)
        if control.event == "unsubscribed" and session.ending:
            return (Unsubscribed(session.ending.pop(0)),)
        if control.event or control.action:
            return ()
        raise MalformedMessage("neither a book nor an answer")

    def listed(self, answer: list[Market]) -> Iterable[Instrument]:
        """``tickSize`` is a step, ``quantityDecimals`` counts digits."""
        for entry in answer:
            yield Instrument(
                symbol=entry.market,
                price_step=entry.tickSize,
                size_step=step(entry.quantityDecimals),
                active=entry.status == "trading",
            )


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
    _, asked = session.snapshots.of(control.requestId)
    if control.errorCode == HALTED and asked:
        session.halted.update(asked)
        return tuple(Halted(symbol, reason) for symbol in asked)
    if control.errorCode != INVALID_PARAMETER:
        return ()
    words = control.error.split()
    named = words[2:3] if words[:2] == ["market", "parameter"] else []
    return (Rejected(asked or tuple(named), reason),)
