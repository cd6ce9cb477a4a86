"""
BitMart futures: deltas counted by ``version``, a snapshot on request.

Facts: developer-pro.bitmart.com/en/futuresv2 (read 2026-11) and a third party's probe
of 2026-09-23 (no gap in 10,462 updates); no recorded frames were at hand.

``version`` is the only number and goes up by one, also for an update without levels.
A subscription is answered by a snapshot; so is a ``request`` frame, at any time and on
the same group, which is what a gap costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues.declared import (
    DeclaredVenue,
    Requests,
    acknowledged,
    pairs,
)
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
Count = Annotated[int, Meta(ge=1, le=2**62)]
CHANNEL = "futures/depthIncrease"


class Level(Struct, Generic[N], gc=False):
    """``{"price":"86659","vol":"18074"}``; ``vol`` in contracts."""

    price: N
    size: N = field(name="vol")


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


class BitMartFutures(DeclaredVenue):
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
    PING = '{"action":"ping"}'  # the text "ping" is refused
    PUSH, CONTROL, LISTING = Grouped, Control, Details
    LISTINGS = (Request(path="/contract/public/details"),)
    CASE = "upper"
    DEPTHS: ClassVar[tuple[int, ...]] = (5, 20, 50)
    default_depth = 50
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": ("100ms", "200ms")}

    def request(
        self, operation: str, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"action":"subscribe","args":["futures/depthIncrease50:…@100ms"]}``."""
        speed = self.options["speed"]
        args = [f"{CHANNEL}{self.depth}:{symbol}@{speed}" for symbol in symbols]
        return {"action": operation, "args": args}

    def snapshot_frame(self, symbol: str, session: Requests, now: float) -> str:
        """The same with ``request``; the answer is a snapshot on the same group."""
        request = self.request("request", (symbol,), 0, now)
        return msgspec.json.encode(request).decode()

    def read_push(self, push: Grouped[Any], session: Requests) -> Sequence[Message]:
        """A group carries one symbol."""
        book, group = push.data, push.group
        if not group.startswith(CHANNEL) or _symbol(group) != book.symbol:
            raise MalformedMessage(f"{book.symbol!r} in the group {group!r}")
        version, symbol = book.version, book.symbol
        bids, asks = pairs(book.bids), pairs(book.asks)
        time = book.ms_t / 1000 if book.ms_t else None
        if book.type == "snapshot":
            return (Snapshot(symbol, version, bids, asks, self.depth, time),)
        return (Delta(symbol, version - 1, version, bids, asks, time),)

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """One answer a topic; a refusal may name it only in the request it repeats."""
        if not control.action and control.group.startswith(CHANNEL):
            raise MalformedMessage(problem, _symbol(control.group))
        if not control.action and not control.group:
            raise MalformedMessage("neither a book nor an answer")
        if control.action not in {"subscribe", "unsubscribe"}:
            return ()  # a pong, the receipt of a request, another channel
        asked = control.request.args if control.request else []
        groups = [control.group] if control.group else asked
        symbols = tuple(filter(None, map(_symbol, groups)))
        if control.success:
            return (acknowledged(control.action, symbols),)
        if control.action == "unsubscribe":
            return ()
        return (Rejected(symbols, control.error or "no reason given"),)

    def listed(self, answer: Details) -> Iterable[Instrument]:
        """``price_precision`` and ``vol_precision`` are steps, not digits."""
        for entry in answer.data.symbols:
            yield Instrument(
                symbol=entry.symbol,
                price_step=entry.price_precision,
                size_step=entry.vol_precision,
                active=entry.status == "Trading",
                extra={"contract_size": entry.contract_size},
            )


def _symbol(group: str) -> str:
    """``BTCUSDT`` of ``futures/depthIncrease50:BTCUSDT@100ms``."""
    return group.partition(":")[2].partition("@")[0]
