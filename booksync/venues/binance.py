"""
Binance spot and Binance US; what the futures share is here, too.

Facts: binance/binance-spot-api-docs @a5e0bc3 (2026-07-21), binance-us-api-docs
@6b62304, checked on recorded frames of 2021 and 2024.

Spot numbers each symbol's changes one by one; a delta says ``U`` (first) and ``u``
(last), so it carries ``(U - 1, u]``. The documentation wants the snapshot's id inside
``[U, u]`` of the first delta; in 11 of 11 recorded joins it was ``U - 1``, so a literal
reading would never join.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Closing, Delta, Message, Snapshot
from booksync.venues.base import UNREADABLE, Count
from booksync.venues.declared import DeclaredVenue, Operation, Requests, RestBook
from booksync.venues.facts import (
    Assurance,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Lists,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["Binance", "BinanceUS", "Combined", "symbol_of"]

N = TypeVar("N")
UNKNOWN_SYMBOL = {-1121, -1122, -1220}


class Update(Struct, Generic[N], gc=False):
    """``depthUpdate``; spot has no ``pu``."""

    s: str
    U: Count
    u: Count
    b: list[tuple[N, N]]
    a: list[tuple[N, N]]
    E: Count = 0
    pu: Count = 2**62  # spot has none


class Combined(Struct, Generic[N], gc=False):
    """``{"stream":"btcusdt@depth@100ms","data":{…}}``, how we subscribe."""

    stream: str
    data: Update[N]


class Book(Struct, Generic[N]):
    """Answer of ``/depth``."""

    lastUpdateId: Count  # noqa: N815 - the venue's name
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    T: Count = 0
    symbol: str = ""  # COIN-M only


class Problem(Struct):
    """``{"code":2,"msg":"Invalid request: …"}``."""

    code: int
    msg: str = ""


class Control(Struct):
    """Whatever is not a combined ``depthUpdate``."""

    id: int | str | None = None
    e: str = ""
    s: str = ""
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    code: int | None = None
    msg: str = ""
    error: Problem | None = None


class Kind(Struct):
    """What a combined frame's data is."""

    e: str = ""


class Filter(Struct):
    """``PRICE_FILTER`` and ``LOT_SIZE`` have steps, others other fields."""

    filterType: str  # noqa: N815 - the venue's name
    tickSize: Decimal | None = None  # noqa: N815
    stepSize: Decimal | None = None  # noqa: N815


class Market(Struct):
    """One of ``symbols``; COIN-M says ``contractStatus``."""

    symbol: str
    filters: list[Filter]
    status: str = ""
    contractStatus: str = ""  # noqa: N815


class Listing(Struct):
    """Answer of ``/exchangeInfo``."""

    symbols: list[Market]


class Binance(DeclaredVenue):
    """Binance spot."""

    id = "binance"
    facts = Facts(
        markets="spot",
        source=Source.REST,
        assurance=Assurance.RANGED,
        numbering=Numbering.SYMBOL,
        lists=Lists.UNKNOWN,
        resync=Resync.FETCH,
        verified="joins, continuity, final books and best prices: 2021, 2024",
        unverified=("whether deltas list touched or net levels",),
        url="https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
        date="2026-07-21",
    )
    limits = Limits(
        symbols=200,  # of 1,024: what one disconnection may take down
        symbols_per_frame=100,
        messages=4.0,  # of 5, pings and pongs count
        connects=300,
        connects_window=300.0,
        lifetime=24 * 3600.0,
        weight=6_000,
        used_weight_header="x-mbx-used-weight-1m",
    )
    heartbeat = Heartbeat(silence=60.0)  # the venue's own pings are protocol pings
    WS_URL = "wss://stream.binance.com:9443"
    REST_URL = "https://api.binance.com"
    STREAM_PATH = "/stream"  # combined streams, subscribed by frames
    REST_BOOK = RestBook(path="/api/v3/depth", depth="limit", ending="/depth")
    LISTINGS = (Request(path="/api/v3/exchangeInfo", weight=20),)
    PUSH, CONTROL = Combined, Control
    BOOK, PROBLEM, LISTING = Book, Problem, Listing
    CASE = "upper"  # as in payloads and REST; streams are lower case
    DEPTHS: ClassVar[tuple[int, ...]] = (100, 500, 1000, 5000)
    default_depth = 1000
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": ("100ms", "1000ms")}
    WEIGHTS: ClassVar[Mapping[int, int]] = {100: 5, 500: 25, 1000: 50, 5000: 250}
    #: The speed that a stream's name does not say.
    PLAIN_SPEED = "1000ms"

    def setup(self) -> None:
        """Make the decoders, and the name of the stream's speed."""
        super().setup()
        self._update = self.wire_decoder(Update)
        self._kind = self.decoder(Kind)
        speed = self.options["speed"]
        self._suffix = "@depth" if speed == self.PLAIN_SPEED else f"@depth@{speed}"

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1}``."""
        params = [symbol.lower() + self._suffix for symbol in symbols]
        return {"method": operation.upper(), "params": params, "id": number}

    def read_push(self, push: Any, session: Requests) -> Sequence[Message]:
        """An update of a combined stream."""
        data: Update[Any] = push.data
        symbol, time = data.s, data.E / 1000 or None
        if symbol_of(push.stream) != symbol:
            raise MalformedMessage(f"{symbol!r} on the stream {push.stream!r}")
        prev = self.previous(data)
        return (Delta(symbol, prev, data.u, data.b, data.a, time),)

    def previous(self, data: Update[Any]) -> int:
        """Give the number of the change before: the range ``[U, u]`` has no hole."""
        if not 0 < data.U <= data.u:
            raise MalformedMessage(f"U={data.U}, u={data.u}", data.s)
        return data.U - 1

    def parse_control(
        self, frame: str | bytes, session: Requests, problem: str
    ) -> Sequence[Message]:
        """An update of a stream that is not combined is bare."""
        control: Control = self.decode(self._control, frame)
        if control.e != "depthUpdate":
            return self.read_control(control, session, problem)
        try:
            update = self._update.decode(frame)
        except UNREADABLE as error:
            raise MalformedMessage(str(error), control.s or None) from None
        return self.read_push(Combined(f"{update.s}@depth", update), session)

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """Answers give the request's id; a shutdown is announced in two ways."""
        refusal = control.error
        if refusal is None and control.code is not None:
            refusal = Problem(control.code, control.msg)
        if refusal is not None:
            reason = f"{refusal.msg} (code {refusal.code})"
            return session.refused(control.id, reason)
        kind, stream = control.e, control.stream
        if "@depth" in stream:
            kind = self.decode(self._kind, bytes(control.data)).e
        if "serverShutdown" in {kind, stream.removeprefix("!")}:
            return (Closing("serverShutdown"),)
        if "@depth" in stream:
            raise MalformedMessage(problem, stream.partition("@")[0].upper() or None)
        if not kind and not stream and control.id is None:
            raise MalformedMessage("neither a delta nor an answer")
        return session.confirmed(control.id)

    def snapshot_request(self, symbol: str) -> Request:
        """The weight grows with the limit."""
        asked = super().snapshot_request(symbol)
        weight = self.WEIGHTS[int(asked.params["limit"])]
        return msgspec.structs.replace(asked, weight=weight)

    def read_book(self, book: Book[Any], symbol: str, depth: int | None) -> Snapshot:
        """``lastUpdateId`` is the number of the last change in it."""
        if book.symbol not in ("", symbol):
            raise MalformedMessage(f"snapshot of {book.symbol!r}", symbol)
        time = book.T / 1000 or None
        return Snapshot(symbol, book.lastUpdateId, book.bids, book.asks, depth, time)

    def unknown(self, problem: Problem) -> str | None:
        """By its code."""
        reason = f"{problem.msg} (code {problem.code})"
        return reason if problem.code in UNKNOWN_SYMBOL else None

    def listed(self, answer: Listing) -> Iterable[Instrument]:
        """``PRICE_FILTER.tickSize`` and ``LOT_SIZE.stepSize``, not the precisions."""
        for market in answer.symbols:
            filters = {item.filterType: item for item in market.filters}
            yield Instrument(
                symbol=market.symbol,
                price_step=_needed(filters["PRICE_FILTER"].tickSize),
                size_step=_needed(filters["LOT_SIZE"].stepSize),
                active=(market.status or market.contractStatus) == "TRADING",
            )


def _needed(step: Decimal | None) -> Decimal:
    if step is None:
        raise ValueError("a filter without its step")
    return step


@lru_cache(maxsize=8192)
def symbol_of(stream: str) -> str | None:
    """
    Give the symbol of a stream of updates.

    >>> symbol_of("btcusdt@depth@100ms")
    'BTCUSDT'

    """
    return stream.partition("@")[0].upper() if "@depth" in stream else None


class BinanceUS(Binance):
    """Binance US: the spot protocol, other weights."""

    id = "binance_us"
    facts = msgspec.structs.replace(
        Binance.facts,
        verified="joins, continuity, final books and best prices: 2021",
        url="https://github.com/binance-us/binance-us-api-docs",
    )
    limits = msgspec.structs.replace(Binance.limits, weight=1_200)
    heartbeat = Heartbeat(silence=60.0)
    WS_URL = "wss://stream.binance.us:9443"
    REST_URL = "https://api.binance.us"
    WEIGHTS: ClassVar[Mapping[int, int]] = {100: 1, 500: 5, 1000: 10, 5000: 50}
