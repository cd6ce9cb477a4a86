"""
BitMart futures: deltas counted by ``version``, a snapshot on request.

Facts: developer-pro.bitmart.com/en/futuresv2 (read 2026-11) and a third party's probe
of 2026-09-23 (no gap in 10,462 updates); no recorded frames were at hand.

``version`` is the only number and goes up by one, also for an update without levels.
A subscription is answered by a snapshot; so is a ``request`` frame, at any time and on
the same group, which is what a gap costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Message,
    Rejected,
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

__all__ = ["BitMartFutures"]

N = TypeVar("N")
Count = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
CHANNEL = "futures/depthIncrease"


class Level(Struct, Generic[N], gc=False):
    """``{"price":"86659","vol":"18074"}``; ``vol`` in contracts."""

    price: N
    vol: N


class Book(Struct, Generic[N], gc=False):
    """``{"symbol":"BTCUSDT","ms_t":…,"version":5158588,"type":"snapshot",…}``."""

    symbol: str
    version: Count
    type: Literal["snapshot", "update"]
    asks: list[Level[N]]
    bids: list[Level[N]]
    ms_t: Count | None = None


class Grouped(Struct, Generic[N], gc=False):
    """``{"group":"futures/depthIncrease50:BTCUSDT@100ms","data":{…}}``."""

    group: str
    data: Book[N]


class Asked(Struct):
    """The request that an answer repeats."""

    args: list[str] = []


class Control(Struct):
    """``{"action":"subscribe","group":…,"success":true,"request":{…}}`` and others."""

    action: str = ""
    group: str = ""
    success: bool = True
    error: str = ""
    request: Asked | None = None


class Contract(Struct):
    """``{"symbol":"BTCUSDT","contract_size":"0.001","price_precision":"0.1",…}``."""

    symbol: str
    contract_size: str
    price_precision: Decimal
    vol_precision: Decimal
    status: str = "Trading"


class Contracts(Struct):
    """``{"symbols":[…]}``."""

    symbols: list[Contract]


class Details(Struct):
    """Answer of ``/contract/public/details``: ``{"code":1000,"data":{…}}``."""

    data: Contracts


class Session:
    """Groups seen on one connection, with the symbol that each one carries."""

    __slots__ = ("groups",)

    def __init__(self) -> None:
        self.groups: dict[str, str] = {}


class BitMartFutures(Venue):
    """BitMart perpetuals; sizes in contracts."""

    id = "bitmart_futures"
    facts = Facts(
        markets="perpetuals",
        source=Source.REQUEST,
        assurance=Assurance.COUNTED,
        numbering=Numbering.SYMBOL,
        resync=Resync.FETCH,
        levels=50,
        unverified=(
            "everything: no recorded frames (a probe of 2026-09-23 saw no gap)",
            "message rate, symbols per connection",
        ),
        url="https://developer-pro.bitmart.com/en/futuresv2/",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=100,
        symbols_per_frame=20,  # a frame of 2,186 bytes closed the socket
        messages=4.0,
    )
    heartbeat = Heartbeat(interval=10.0, silence=30.0)  # closed after 20 s idle
    WS_URL = "wss://openapi-ws-v2.bitmart.com/api?protocol=1.1"
    REST_URL = "https://api-cloud-v2.bitmart.com"
    DEPTHS: ClassVar[tuple[int, ...]] = (5, 20, 50)
    default_depth = 50
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": ("100ms", "200ms")}

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._grouped = self.decoder(Grouped, self.text)
        self._control = self.decoder(Control)

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case: ``BTCUSDT``."""
        return super().prepare(symbol).upper()

    def session(self) -> Session:
        """Groups of this connection."""
        return Session()

    def _group(self, symbol: str) -> str:
        return f"{CHANNEL}{self.depth}:{symbol}@{self.options['speed']}"

    def _frame(self, action: str, symbols: Sequence[str]) -> str:
        args = [self._group(symbol) for symbol in symbols]
        return msgspec.json.encode({"action": action, "args": args}).decode()

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"action":"subscribe","args":["futures/depthIncrease50:…@100ms"]}``."""
        return self._frames("subscribe", symbols)

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        return self._frames("unsubscribe", symbols)

    def _frames(self, action: str, symbols: Sequence[str]) -> list[str | bytes]:
        step = self.limits.symbols_per_frame
        return [
            self._frame(action, symbols[at : at + step])
            for at in range(0, len(symbols), step)
        ]

    def snapshot_frame(self, symbol: str, session: Session, now: float) -> str:
        """The same with ``request``; the answer is a snapshot on the same group."""
        return self._frame("request", (symbol,))

    def ping(self, session: Session, now: float) -> str:
        """JSON: the text ``ping`` is refused."""
        return '{"action":"ping"}'

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a snapshot, a delta, an acknowledgement or an error."""
        try:
            grouped = self._grouped.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, str(error))
        book, group = grouped.data, grouped.group
        if session.groups.get(group) != book.symbol:
            if not group.startswith(CHANNEL) or _symbol(group) != book.symbol:
                raise MalformedMessage(f"{book.symbol!r} in the group {group!r}")
            session.groups[group] = book.symbol
        return (self._message(book),)

    def _message(self, book: Any) -> Message:
        version, symbol = book.version, book.symbol
        bids = [(level.price, level.vol) for level in book.bids]
        asks = [(level.price, level.vol) for level in book.asks]
        time = book.ms_t / 1000 if book.ms_t else None
        if book.type == "snapshot":
            return Snapshot(symbol, version, bids, asks, depth=self.depth, time=time)
        return Delta(symbol, version - 1, version, bids, asks, time)

    def _parse_other(self, frame: str | bytes, reason: str) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if not control.action and control.group.startswith(CHANNEL):
            raise MalformedMessage(reason, _symbol(control.group))
        if control.action in ("subscribe", "unsubscribe"):
            return _answer(control)
        if control.action or control.group:
            return ()  # a pong, the receipt of a request, another channel
        raise MalformedMessage("neither a book nor an answer")

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /contract/public/details``."""
        return (Request(path="/contract/public/details"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``price_precision`` and ``vol_precision`` are steps, not digits."""
        details: Details = self.decode(self.decoder(Details), body)
        return [
            Instrument(
                symbol=entry.symbol,
                price_step=entry.price_precision,
                size_step=entry.vol_precision,
                active=entry.status == "Trading",
                extra={"contract_size": entry.contract_size},
            )
            for entry in details.data.symbols
        ]


def _symbol(group: str) -> str:
    """``BTCUSDT`` of ``futures/depthIncrease50:BTCUSDT@100ms``."""
    return group.partition(":")[2].partition("@")[0]


def _answer(control: Control) -> Sequence[Message]:
    """One answer a topic; a refusal may name it only in the request it repeats."""
    asked = control.request.args if control.request else []
    groups = [control.group] if control.group else asked
    symbols = tuple(filter(None, map(_symbol, groups)))
    if not control.success:
        if control.action == "unsubscribe":
            return ()
        return (Rejected(symbols, control.error or "no reason given"),)
    if control.action == "subscribe":
        return (Subscribed(symbols),)
    return (Unsubscribed(symbols),)
