"""
Backpack: ranged deltas without acknowledgement, snapshots by REST.

Facts: docs.backpack.exchange, "Depth" (read 2026-11) and a third party's probe of
2026-09-23 (no gap in 350,000 deltas); no recorded frames were at hand.

The updates of a market are numbered one by one; a delta says ``U`` (first) and ``u``
(last), so it carries ``(U - 1, u]``. The snapshot's ``lastUpdateId`` is text, and may
be one update ahead of the stream. REST writes ``"86700"`` where the stream writes
``"86700.0"``: levels are keyed by value.

Nothing confirms a subscription, and an unknown or closed market is ignored in
silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues.base import Count
from booksync.venues.declared import DeclaredVenue, Operation, Requests, RestBook
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

__all__ = ["Backpack"]

N = TypeVar("N")
MICROSECONDS = 1_000_000
SPEEDS = ("realtime", "200ms", "600ms", "1000ms")


class Update(Struct, Generic[N], gc=False):
    """``{"e":"depth","E":1790134357267289,"s":"BTC_USDC_PERP","U":1,"u":1,…}``."""

    s: str
    U: Count
    u: Count
    b: list[tuple[N, N]]
    a: list[tuple[N, N]]
    E: Count = 0


class Combined(Struct, Generic[N], gc=False):
    """``{"stream":"depth.BTC_USDC_PERP","data":{…}}``."""

    stream: str
    data: Update[N]


class Book(Struct, Generic[N]):
    """Answer of ``/depth``; ``lastUpdateId`` is text, bids begin with the worst."""

    lastUpdateId: Count  # noqa: N815 - the venue's name
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    timestamp: Count = 0


class Problem(Struct):
    """``{"code":4006,"message":"Invalid stream"}``."""

    code: int | str = 0
    message: str = ""


class Kind(Struct, frozen=True):
    """What a frame's data is."""

    e: str = ""
    s: str = ""


class Control(Struct):
    """Whatever is not a delta."""

    stream: str | None = None
    data: Kind = Kind()
    error: Problem | None = None


class PriceFilter(Struct):
    """``{"tickSize":"0.1","minPrice":"0.1",…}``."""

    tickSize: Decimal  # noqa: N815


class SizeFilter(Struct):
    """``{"stepSize":"0.00001","maxQuantity":null,…}``."""

    stepSize: Decimal  # noqa: N815


class Filters(Struct):
    """``{"price":{…},"quantity":{…}}``."""

    price: PriceFilter
    quantity: SizeFilter


class Market(Struct):
    """``{"symbol":"BTC_USDC_PERP","filters":{…},"orderBookState":"Open",…}``."""

    symbol: str
    filters: Filters
    orderBookState: str = ""  # noqa: N815


class Backpack(DeclaredVenue):
    """Backpack spot and perpetuals."""

    id = "backpack"
    facts = Facts(
        markets="spot, perpetuals",
        source=Source.REST,
        assurance=Assurance.RANGED,
        numbering=Numbering.SYMBOL,
        resync=Resync.FETCH,
        acks=False,
        unverified=(
            "everything: no recorded frames (a probe of 2026-09-23 saw no gap)",
            "snapshot depths but 1000",
            "REST and connection limits",
            "whether deltas list touched or net levels",
        ),
        url="https://docs.backpack.exchange/#tag/Streams/Public/Depth",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=90,  # 91 streams in one frame were seen to work
        symbols_per_frame=90,
        weight=1_000,  # of 2,000 requests a minute, unconfirmed
    )
    heartbeat = Heartbeat(silence=90.0)  # protocol pings every 60 s
    WS_URL = "wss://ws.backpack.exchange"
    REST_URL = "https://api.backpack.exchange"
    REST_BOOK = RestBook(path="/api/v1/depth", depth="limit", ending="/depth")
    LISTINGS = (Request(path="/api/v1/markets"),)
    PUSH, CONTROL, BOOK, LISTING = Combined, Control, Book, list[Market]
    DEPTHS = (100, 500, 1000)
    default_depth = 1000
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": SPEEDS}

    def setup(self) -> None:
        """``depth.BTC_USDC`` or ``depth.200ms.BTC_USDC``."""
        super().setup()
        speed = self.options["speed"]
        self._prefix = "depth." if speed == "realtime" else f"depth.{speed}."

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"method":"SUBSCRIBE","params":["depth.BTC_USDC_PERP"]}``."""
        params = [self._prefix + symbol for symbol in symbols]
        return {"method": operation.upper(), "params": params}

    def read_push(self, push: Combined[Any], session: Requests) -> Sequence[Message]:
        """The range ``[U, u]`` is contiguous per market."""
        data = push.data
        symbol, first, last = data.s, data.U, data.u
        if symbol_of(push.stream) != symbol:
            raise MalformedMessage(f"{symbol!r} on the stream {push.stream!r}")
        if not 0 < first <= last:
            raise MalformedMessage(f"U={first}, u={last}", symbol)
        time = data.E / MICROSECONDS if data.E else None
        return (Delta(symbol, first - 1, last, data.b, data.a, time),)

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """An error names nobody."""
        if control.error is not None:
            reason = f"{control.error.message} (code {control.error.code})"
            return (Rejected((), reason),)
        if control.stream is None:
            raise MalformedMessage("neither a delta nor an answer")
        symbol = symbol_of(control.stream)
        if symbol is not None or control.data.e == "depth":
            raise MalformedMessage(problem, control.data.s or symbol)
        return ()  # another kind of stream

    def read_book(self, book: Book[Any], symbol: str, depth: int | None) -> Snapshot:
        """``lastUpdateId`` is the number of the last change in it."""
        time = book.timestamp / MICROSECONDS or None
        return Snapshot(symbol, book.lastUpdateId, book.bids, book.asks, depth, time)

    def listed(self, answer: list[Market]) -> Iterable[Instrument]:
        """``filters.price.tickSize``, ``filters.quantity.stepSize``."""
        for entry in answer:
            yield Instrument(
                symbol=entry.symbol,
                price_step=entry.filters.price.tickSize,
                size_step=entry.filters.quantity.stepSize,
                active=entry.orderBookState == "Open",
            )


@lru_cache(maxsize=4096)
def symbol_of(stream: str) -> str | None:
    """
    Give the symbol of a stream of updates.

    >>> symbol_of("depth.200ms.AAPL.US_USDC_PERP")
    'AAPL.US_USDC_PERP'

    """
    if not stream.startswith("depth."):
        return None
    name = stream.removeprefix("depth.")
    first, _, rest = name.partition(".")
    return rest if first in SPEEDS else name
