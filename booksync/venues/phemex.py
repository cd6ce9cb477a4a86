"""
Phemex: numbers that only rise, and a whole snapshot every 60 seconds.

Facts: phemex-docs.github.io (subscribe-orderbook, products) and the probe of 2026-09-23
in nemanull/arbitrage-observatory, read 2026-11; checked on frames of 2021.

``sequence`` is shared by groups of symbols: between two deltas of one symbol it jumps,
so a missing delta cannot be seen. The venue's own check is the periodic snapshot, which
replaces the book here. The session chains a symbol's deltas in the order they come.

USDT-M and USDC-M books (``orderbook_p``) are decimal text. COIN-M and spot books
(``orderbook``) are integers, price times 10^scale, and what the scale is stands in the
product list alone: without it such a frame is refused, never guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Levels, Message, Snapshot
from booksync.venues._phemex_products import Listing, instrument, units
from booksync.venues.declared import DeclaredVenue, Operation, Requests, concerned
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

__all__ = ["Phemex"]

N = TypeVar("N")
USUAL = 30  # levels
LOST = -1  # something could not be read: until the next snapshot nothing matches
Scaled = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Number = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class Sides(Struct, Generic[N], gc=False):
    """Levels in no order that could be relied on."""

    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]


class Frame(Struct, Generic[N], gc=False):
    """``{"orderbook_p":{…},"sequence":…,"symbol":…,"type":"incremental"}``."""

    sequence: Number
    symbol: str
    type: str
    orderbook_p: Sides[N] | None = None
    book: Sides[Scaled] | None = None
    depth: int | None = None
    timestamp: Number = 0


class Problem(Struct):
    """``{"code":6001,"message":"invalid argument"}``."""

    code: int
    message: str = ""


class Control(Struct):
    """An answer, another channel, or a broken book."""

    id: int | None = None
    error: Problem | None = None
    result: Any = None
    symbol: Any = None
    book: Any = None
    orderbook_p: Any = None


class Session(Requests):
    """Requests, each symbol's last number, and who was unsubscribed."""

    __slots__ = ("ended", "last", "wanted")

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[str, int] = {}
        self.wanted: set[str] = set()
        self.ended: set[str] = set()

    def missed(self, symbol: str | None) -> None:
        """Until the next snapshot nothing matches: anybody's, if nobody is named."""
        for name in concerned(self.last, symbol):
            self.last[name] = LOST


class Phemex(DeclaredVenue):
    """Phemex spot (``sBTCUSDT``), COIN-M (``BTCUSD``) and USDT-M (``BTCUSDT``)."""

    id = "phemex"
    facts = Facts(
        markets="spot, COIN-M, USDT-M, USDC-M",
        source=Source.STREAM,
        assurance=Assurance.ORDERED,
        numbering=None,  # numbers jump: they show the order, not a loss
        resync=Resync.WAIT,
        snapshot_every=60.0,
        levels=USUAL,
        verified="snapshots, order, final books: spot and COIN-M, 2021",
        unverified=(
            "orderbook_p (USDT-M, USDC-M), depths other than 30, the full book",
            "that a subscribed symbol can be left without ending the others",
            "products of today (spot scales are read from the tick sizes)",
        ),
        url="https://phemex-docs.github.io/#subscribe-orderbook",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=20,
        symbols_per_frame=1,
        messages=10.0,  # of 20
        connects=100,  # of 200
        connects_window=300.0,
        weight=5000,
        weight_window=300.0,
    )
    heartbeat = Heartbeat(interval=5.0, silence=20.0)
    WS_URL = "wss://ws.phemex.com"
    REST_URL = "https://api.phemex.com"
    PUSH, CONTROL, LISTING = Frame, Control, Listing
    LISTINGS = (Request(path="/public/products"),)
    DEPTHS: ClassVar[tuple[int, ...]] = (1, 5, 10, 30)
    default_depth = USUAL
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "full": ("no", "yes"),
        "scale": ("units", "wire"),
    }
    needs_instruments = True
    #: Without it the connection is closed after 31 s, however busy.
    PING = '{"id":0,"method":"server.ping","params":[]}'
    SESSION = Session

    def setup(self) -> None:
        """Keep no more levels than the venue maintains."""
        super().setup()
        self._full = self.options["full"] == "yes"
        self.keep = None if self._full else self.depth
        self._scales: dict[str, tuple[int, int]] = {
            symbol: (market.extra["price_scale"], market.extra["size_scale"])
            for symbol, market in self.instruments.items()
            if "price_scale" in market.extra
        }

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """Remember who is wanted: what else comes is ignored."""
        session.wanted.update(symbols)
        session.ended.difference_update(symbols)
        return super().subscribe(symbols, session, now)

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"id":1,"method":"orderbook_p.subscribe","params":["BTCUSDT"]}``."""
        extra = [False, self.depth] if self.depth != USUAL else []
        params = [*symbols, *([True] if self._full else extra)]
        method = f"{_channel(symbols[0])}.{operation}"
        wanted = params if operation == "subscribe" else []
        return {"id": number, "method": method, "params": wanted}

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """
        ``{"id":3,"method":"orderbook_p.unsubscribe","params":[]}``: a whole channel.

        So it is sent for the channel's last symbol only; until then the frames of a
        symbol that was left are ignored, and nothing confirms it.
        """
        session.wanted.difference_update(symbols)
        session.ended.update(symbols)
        needed = {_channel(symbol) for symbol in session.wanted}
        frames: list[str | bytes] = []
        for channel in sorted({_channel(symbol) for symbol in symbols} - needed):
            names = [name for name in symbols if _channel(name) == channel]
            number = session.add("unsubscribe", names)
            request = self.request("unsubscribe", names, number, now)
            frames.append(msgspec.json.encode(request).decode())
        return frames

    def read_push(self, push: Frame[Any], session: Session) -> Sequence[Message]:
        """A snapshot or a delta."""
        symbol, number = push.symbol, push.sequence
        other = push.depth is None and not (push.book or push.orderbook_p)
        if symbol in session.ended or other:
            return ()  # left, or another channel
        try:
            bids, asks = self._levels(push)
        except MalformedMessage:
            session.last[symbol] = LOST
            raise
        time = push.timestamp / 10**9 if push.timestamp else None
        if push.type == "snapshot":
            session.last[symbol] = number
            return (Snapshot(symbol, number, bids, asks, push.depth or None, time),)
        prev = session.last.get(symbol)
        if prev == LOST:
            return (Delta(symbol, number, number + 1, (), (), time),)  # a gap
        if prev is None or number <= prev:  # before the snapshot, or old
            return (Delta(symbol, number - 1, number, bids, asks, time),)
        session.last[symbol] = number
        return (Delta(symbol, prev, number, bids, asks, time),)

    def _levels(self, book: Frame[Any]) -> tuple[Levels, Levels]:
        if book.type not in {"snapshot", "incremental"}:
            raise MalformedMessage(f"type {book.type!r}", book.symbol)
        if book.orderbook_p is not None:
            return book.orderbook_p.bids, book.orderbook_p.asks
        if book.book is None:
            raise MalformedMessage("a book without levels", book.symbol)
        scales = self._scales.get(book.symbol)
        if self.options["scale"] == "wire":
            scales = (0, 0)
        if scales is None:
            reason = "its price scale is not known (option scale=wire keeps integers)"
            raise MalformedMessage(reason, book.symbol)
        bids, asks = book.book.bids, book.book.asks
        return units(bids, *scales, self.numbers), units(asks, *scales, self.numbers)

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """A broken book, an error or an answer."""
        if control.book is not None or control.orderbook_p is not None:
            symbol = control.symbol if isinstance(control.symbol, str) else None
            raise MalformedMessage(problem, symbol)
        if control.error is not None:
            reason = f"{control.error.message} (code {control.error.code})"
            return session.refused(control.id, reason)
        return session.confirmed(control.id)

    def listed(self, answer: Listing) -> Iterable[Instrument]:
        """Steps and, for scaled markets, ``price_scale`` and ``size_scale``."""
        for product in answer.data.products:
            yield instrument(product, scaled=True)
        for product in answer.data.perpProductsV2:
            yield instrument(product, scaled=False)


def _channel(symbol: str) -> str:
    """By spelling: ``BTCUSDT`` is decimal text, ``BTCUSD`` and ``sBTCUSDT`` are not."""
    spot = symbol[0] == "s" and symbol[1:2].isupper()
    linear = symbol.endswith(("USDT", "USDC")) and not spot
    return "orderbook_p" if linear else "orderbook"
