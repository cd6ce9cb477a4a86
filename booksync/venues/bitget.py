"""
Bitget (v2 classic, v3 UTA): deltas that name their predecessor, snapshot in the stream.

Facts: www.bitget.com/docs "Order-Book-Channel", classic and UTA (read 2026-09), and a
third party's probe of 2026-09-15 (no gap in 280,000 updates). No recorded frames of
v2 or v3 were at hand; the checksum was computed on those of v1 (2022).

A delta carries ``(pseq, seq]``. ``pseq`` 0 in an update: the venue restarted its
numbering, which is a gap. v3 says ``topic``, ``symbol``, ``a`` and ``b`` where v2 says
``channel``, ``instId``, ``asks`` and ``bids``; both are read whatever was asked for.

The checksum was gone from every frame by 2026-09; where it is present, and not 0, it
is verified (option ``checksum=ignore`` to leave it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, TypeVar

from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues._interleaved import interleaved_crc32
from booksync.venues.base import Integer, Texts
from booksync.venues.declared import (
    DeclaredVenue,
    Operation,
    Requests,
    acknowledged,
    step,
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

__all__ = ["Bitget"]

N = TypeVar("N")
#: No such channel or instrument, bad parameter.
REFUSED = {30001, 30016}


class Arg(Struct, frozen=True):
    """What a frame belongs to, in either generation's words."""

    instType: str = ""  # noqa: N815 - the venue's name
    channel: str = ""
    topic: str = ""
    instId: str = ""  # noqa: N815
    symbol: str = ""


class Book(Struct, Generic[N], gc=False):
    """An element of ``data``; numbers may be text."""

    seq: Integer
    ts: Integer
    pseq: Integer | None = None
    asks: list[tuple[N, N]] | None = None
    bids: list[tuple[N, N]] | None = None
    a: list[tuple[N, N]] | None = None
    b: list[tuple[N, N]] | None = None
    checksum: int = 0


class Push(Struct, Generic[N]):
    """``{"action":"update","arg":{…},"data":[{…}]}``; stocks: ``"data":{…}``."""

    action: Literal["snapshot", "update"]
    arg: Arg
    data: list[Book[N]] | Book[N]


class Control(Struct):
    """Whatever is not a push of a book."""

    event: str = ""
    arg: Arg = Arg()
    code: int = 0
    msg: str = ""


class Listed(Struct):
    """An instrument, in the words of v2 spot, v2 futures or v3."""

    symbol: str
    status: str = ""
    symbolStatus: str = ""  # noqa: N815
    pricePrecision: int | None = None  # noqa: N815
    pricePlace: int | None = None  # noqa: N815
    priceEndStep: Decimal = Decimal(1)  # noqa: N815
    priceMultiplier: Decimal | None = None  # noqa: N815
    quantityPrecision: int | None = None  # noqa: N815
    quantityMultiplier: Decimal | None = None  # noqa: N815
    sizeMultiplier: Decimal | None = None  # noqa: N815


class Listing(Struct):
    """Answer of the three listings; ``code`` "00000" is success."""

    code: str
    data: list[Listed]


class Bitget(DeclaredVenue):
    """Bitget spot and futures, one market by option."""

    id = "bitget"
    facts = Facts(
        markets="spot, USDT, USDC and coin futures",
        source=Source.STREAM,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        resync=Resync.RESUBSCRIBE,
        checksum="CRC32 of the best 25 levels, where it is sent; gone by 2026-09",
        verified="checksum: 443 frames of v1 (2022)",
        unverified=(
            "pseq chain and all of v2 and v3 (no recorded frames)",
            "whether v3 hashed as v1 did (option checksum=ignore)",
            "a first update that straddles the snapshot (refused as a gap)",
            "levels at which a product's book is cut (200, 500 or 1000)",
            "whether deltas list touched or net levels",
        ),
        url="https://www.bitget.com/docs/classic/websocket/contract/public/Order-Book-Channel",
        date="2026-09-15",
    )
    limits = Limits(
        symbols=50,
        symbols_per_frame=10,  # v3 cuts the connection at 25
        messages=1.0,
        connects=300,
        connects_window=300.0,
        weight=20,
        weight_window=1.0,
    )
    #: Without pings the venue closes after two minutes, though data flow.
    heartbeat = Heartbeat(interval=30.0, silence=75.0)
    WS_URL = "wss://ws.bitget.com"
    REST_URL = "https://api.bitget.com"
    STREAM_PATH = "/{version}/ws/public"  # both serve the same books
    PING = "ping"  # text, not JSON; so is the answer
    PONG = "pong"
    PUSH, CONTROL, LISTING = Push, Control, Listing
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "version": ("v2", "v3"),
        "market": ("spot", "usdt-futures", "usdc-futures", "coin-futures"),
        "checksum": ("verify", "ignore"),
    }

    def setup(self) -> None:
        """Each connection serves one market of one generation."""
        super().setup()
        self._market = self.options["market"].upper()
        self._verify = self.options["checksum"] == "verify"

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"op":"subscribe","args":[{"instType":"SPOT","channel":"books",…}]}``."""
        return {"op": operation, "args": [self._arg(symbol) for symbol in symbols]}

    def _arg(self, symbol: str) -> dict[str, str]:
        if self.options["version"] == "v3":
            market = self.options["market"]
            return {"instType": market, "topic": "books", "symbol": symbol}
        return {"instType": self._market, "channel": "books", "instId": symbol}

    def read_push(self, push: Push[Any], session: Requests) -> Sequence[Message]:
        """Nothing of another market or channel."""
        symbol = self._ours(push.arg)
        if symbol is None:
            return ()
        books = push.data if isinstance(push.data, list) else [push.data]
        make = self._snapshot if push.action == "snapshot" else self._delta
        return [make(symbol, book) for book in books]

    def _ours(self, arg: Arg) -> str | None:
        """Whose book a frame is about, if it is about one of this market."""
        if (arg.channel or arg.topic) != "books":
            return None
        symbol = arg.instId or arg.symbol
        return symbol if symbol and arg.instType.upper() == self._market else None

    def _snapshot(self, symbol: str, book: Book[Any]) -> Snapshot:
        bids, asks = self._sides(symbol, book)
        # The cut differs by product: the longer side may be cut, a shorter isn't.
        depth = max(len(bids), len(asks)) or None
        check = self._checksum(book)
        return Snapshot(symbol, book.seq, bids, asks, depth, book.ts / 1000, check)

    def _delta(self, symbol: str, book: Book[Any]) -> Delta:
        bids, asks = self._sides(symbol, book)
        prev, last, check = book.pseq, book.seq, self._checksum(book)
        if prev is None or prev < 0:
            raise MalformedMessage(f"pseq={prev}, seq={last}", symbol)
        # Chained although numbers fall ("symbol maintenance"): goes on. From 0: the
        # numbering was restarted, no book stands at 0.
        reset = last <= prev or prev == 0
        return Delta(symbol, prev, last, bids, asks, book.ts / 1000, check, reset)

    def _sides(self, symbol: str, book: Any) -> tuple[Any, Any]:
        bids = book.bids if book.b is None else book.b
        asks = book.asks if book.a is None else book.a
        if bids is None or asks is None or book.seq < 0:
            raise MalformedMessage("a side is missing, or seq is negative", symbol)
        return bids, asks

    def _checksum(self, book: Any) -> int | None:
        return book.checksum or None if self._verify else None

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """Each answer repeats its ``arg``; ids are not sent."""
        symbol = self._ours(control.arg)
        if control.event == "error":
            named = (symbol,) if symbol and control.code in REFUSED else ()
            return (Rejected(named, f"{control.msg} (code {control.code})"),)
        if control.event:
            if symbol is None or control.event not in {"subscribe", "unsubscribe"}:
                return ()
            return (acknowledged(control.event, [symbol]),)
        if symbol or control.arg == Arg():
            raise MalformedMessage(problem, symbol)
        return ()  # another channel or market

    def checksum(
        self, bids: Sequence[Texts], asks: Sequence[Texts], symbol: str
    ) -> int:
        """``bid:size:ask:size:…`` of the best 25, signed CRC32."""
        return interleaved_crc32(bids, asks)

    def instrument_requests(self) -> Sequence[Request]:
        """One listing a market, by generation."""
        if self.options["version"] == "v3":
            category = {"category": self._market}
            return (Request(path="/api/v3/market/instruments", params=category),)
        if self._market == "SPOT":
            return (Request(path="/api/v2/spot/public/symbols"),)
        product = {"productType": self._market}
        return (Request(path="/api/v2/mix/market/contracts", params=product),)

    def listed(self, answer: Listing) -> Iterable[Instrument]:
        """Steps, or numbers of decimals, whichever the listing gives."""
        if answer.code != "00000":
            raise ValueError(f"code {answer.code}")
        return map(_instrument, answer.data)


def _instrument(entry: Listed) -> Instrument:
    places = entry.pricePrecision if entry.pricePlace is None else entry.pricePlace
    price, size = entry.priceMultiplier, entry.quantityMultiplier
    unit = step(places)
    if price is None and unit is not None:
        price = entry.priceEndStep * unit
    return Instrument(
        symbol=entry.symbol,
        price_step=price,
        size_step=size or entry.sizeMultiplier or step(entry.quantityPrecision),
        active=(entry.status or entry.symbolStatus) in {"online", "normal"},
    )
