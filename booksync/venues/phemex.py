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

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Levels,
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
    Request,
    Resync,
    Source,
)

__all__ = ["Phemex"]

N = TypeVar("N")
EXACT = Context(prec=60)
USUAL = 30  # levels
LOST = -1  # something could not be read: until the next snapshot nothing matches
Scaled = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


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


class Product(Struct):
    """A market: perpetuals have steps as numbers, spot as ``"0.01 LINK"``."""

    symbol: str
    status: str = ""
    priceScale: int | None = None  # noqa: N815 - the venue's names
    tickSize: Decimal | None = None  # noqa: N815
    lotSize: Decimal | None = None  # noqa: N815
    qtyStepSize: Decimal | None = None  # noqa: N815
    quoteTickSize: str = ""  # noqa: N815
    quoteTickSizeEv: Decimal | None = None  # noqa: N815
    baseTickSize: str = ""  # noqa: N815
    baseTickSizeEv: Decimal | None = None  # noqa: N815


class Products(Struct):
    """COIN-M and spot stand apart from USDT-M and USDC-M."""

    products: list[Product] = []
    perpProductsV2: list[Product] = []  # noqa: N815


class Listing(Struct):
    """Answer of ``/public/products``."""

    data: Products


class Session:
    """Requests by id, each symbol's last number, and who was unsubscribed."""

    __slots__ = ("ended", "last", "requests", "wanted")

    def __init__(self) -> None:
        self.requests: list[tuple[type[Subscribed | Unsubscribed], Sequence[str]]] = []
        self.last: dict[str, int] = {}
        self.wanted: set[str] = set()
        self.ended: set[str] = set()


class Phemex(Venue):
    """Phemex spot (``sBTCUSDT``), COIN-M (``BTCUSD``) and USDT-M (``BTCUSDT``)."""

    id = "phemex"
    facts = Facts(
        markets="spot, COIN-M, USDT-M, USDC-M",
        source=Source.STREAM,
        assurance=Assurance.ORDERED,
        numbering=None,  # numbers jump: they show the order, not a loss
        resync=Resync.WAIT,
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
    DEPTHS: ClassVar[tuple[int, ...]] = (1, 5, 10, 30)
    default_depth = USUAL
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "full": ("no", "yes"),
        "scale": ("units", "wire"),
    }
    needs_instruments = True

    def setup(self) -> None:
        """Make the decoder; keep no more levels than the venue maintains."""
        self._frame = self.decoder(Frame, self.text)
        self._control = self.decoder(Control)
        self._full = self.options["full"] == "yes"
        self.keep = None if self._full else self.depth
        self._scales: dict[str, tuple[int, int]] = {
            symbol: (market.extra["price_scale"], market.extra["size_scale"])
            for symbol, market in self.instruments.items()
            if "price_scale" in market.extra
        }

    def session(self) -> Session:
        """Numbers and requests of this connection."""
        return Session()

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"id":1,"method":"orderbook_p.subscribe","params":["BTCUSDT"]}``."""
        extra = [False, self.depth] if self.depth != USUAL else []
        extra = [True] if self._full else extra
        session.wanted.update(symbols)
        session.ended.difference_update(symbols)
        return [
            _request(
                f"{_channel(symbol)}.subscribe",
                [symbol, *extra],
                (Subscribed, [symbol]),
                session,
            )
            for symbol in symbols
        ]

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
        ended = sorted({_channel(symbol) for symbol in symbols} - needed)
        return [
            _request(
                f"{channel}.unsubscribe",
                [],
                (Unsubscribed, [name for name in symbols if _channel(name) == channel]),
                session,
            )
            for channel in ended
        ]

    def ping(self, session: Session, now: float) -> str:
        """Without it the connection is closed after 31 s, however busy."""
        return '{"id":0,"method":"server.ping","params":[]}'

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a snapshot or a delta; everything else goes the longer way."""
        try:
            book = self._frame.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, session, str(error))
        symbol, number = book.symbol, book.sequence
        if symbol in session.ended or (
            book.depth is None and not (book.book or book.orderbook_p)
        ):
            return ()  # left, or another channel
        try:
            bids, asks = self._levels(book)
        except MalformedMessage:
            session.last[symbol] = LOST
            raise
        time = book.timestamp / 10**9 if book.timestamp else None
        if book.type == "snapshot":
            session.last[symbol] = number
            depth = book.depth or None
            return (Snapshot(symbol, number, bids, asks, depth=depth, time=time),)
        prev = session.last.get(symbol)
        if prev == LOST:
            return (Delta(symbol, number, number + 1, (), (), time),)  # a gap
        if prev is None or number <= prev:  # before the snapshot, or old
            return (Delta(symbol, number - 1, number, bids, asks, time),)
        session.last[symbol] = number
        return (Delta(symbol, prev, number, bids, asks, time),)

    def _levels(self, book: Any) -> tuple[Levels, Levels]:
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
            raise MalformedMessage("its price scale is not known", book.symbol)
        return self._units(book.book.bids, *scales), self._units(
            book.book.asks, *scales
        )

    def _units(
        self, pairs: list[tuple[int, int]], price_scale: int, size_scale: int
    ) -> Levels:
        if self.numbers is float:
            prices, sizes = 10**price_scale, 10**size_scale
            return [(price / prices, size / sizes) for price, size in pairs]
        return [
            (
                Decimal(price).scaleb(-price_scale, EXACT),
                Decimal(size).scaleb(-size_scale, EXACT),
            )
            for price, size in pairs
        ]

    def _parse_other(
        self, frame: str | bytes, session: Session, reason: str
    ) -> Sequence[Message]:
        try:
            control: Control = self.decode(self._control, frame)
        except MalformedMessage:  # anybody's
            session.last = dict.fromkeys(session.last, LOST)
            raise
        if control.book is not None or control.orderbook_p is not None:
            symbol = control.symbol if isinstance(control.symbol, str) else None
            if symbol in session.last:
                session.last[symbol] = LOST
            raise MalformedMessage(reason, symbol)
        known = control.id is not None and 0 < control.id <= len(session.requests)
        done, symbols = (
            session.requests[(control.id or 0) - 1] if known else (Subscribed, ())
        )
        if control.error is not None:
            code = f"(code {control.error.code})"
            return (Rejected(tuple(symbols), f"{control.error.message} {code}"),)
        return (done(tuple(symbols)),) if known else ()

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /public/products``."""
        return (Request(path="/public/products"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """Steps and, for scaled markets, ``price_scale`` and ``size_scale``."""
        data = self.decode(self.decoder(Listing), body).data
        try:
            return [
                *(_instrument(product, scaled=True) for product in data.products),
                *(
                    _instrument(product, scaled=False)
                    for product in data.perpProductsV2
                ),
            ]
        except (ArithmeticError, ValueError) as error:
            raise MalformedMessage(f"products: {error!r}") from None


def _channel(symbol: str) -> str:
    """By spelling: ``BTCUSDT`` is decimal text, ``BTCUSD`` and ``sBTCUSDT`` are not."""
    spot = symbol[0] == "s" and symbol[1:2].isupper()
    linear = symbol.endswith(("USDT", "USDC")) and not spot
    return "orderbook_p" if linear else "orderbook"


def _request(method: str, params: list[Any], answer: Any, session: Session) -> str:
    session.requests.append(answer)
    content = {"id": len(session.requests), "method": method, "params": params}
    return msgspec.json.encode(content).decode()


def _power(ratio: Decimal) -> int:
    power = ratio.adjusted()
    if ratio != Decimal((0, (1,), power)):
        raise ValueError(f"{ratio} is not a power of ten")
    return power


def _instrument(product: Product, *, scaled: bool) -> Instrument:
    price, size = product.tickSize, product.qtyStepSize or product.lotSize
    price_scale, size_scale = product.priceScale, 0
    if product.quoteTickSizeEv and product.baseTickSizeEv:  # spot
        price = Decimal(product.quoteTickSize.partition(" ")[0])
        size = Decimal(product.baseTickSize.partition(" ")[0])
        price_scale = _power(product.quoteTickSizeEv / price)
        size_scale = _power(product.baseTickSizeEv / size)
    scales = {"price_scale": price_scale, "size_scale": size_scale}
    return Instrument(
        symbol=product.symbol,
        price_step=price,
        size_step=size,
        active=product.status == "Listed",
        extra=scales if scaled and price_scale is not None else {},
    )
