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

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE, Texts, Venue
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
from booksync.venues.okx import interleaved_crc32

__all__ = ["Bitget"]

N = TypeVar("N")
#: What no number of the venue exceeds: larger ones overflow a float.
Integer = Annotated[int, Meta(ge=-(2**62), le=2**62)]
#: No such channel or instrument, bad parameter.
REFUSED = {30001, 30016}
ACKS: Mapping[str, type[Subscribed | Unsubscribed]] = {
    "subscribe": Subscribed,
    "unsubscribe": Unsubscribed,
}


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


class Bitget(Venue):
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
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "version": ("v2", "v3"),
        "market": ("spot", "usdt-futures", "usdc-futures", "coin-futures"),
        "checksum": ("verify", "ignore"),
    }

    def setup(self) -> None:
        """Make the decoders."""
        self._push = self.decoder(Push, self.text)
        self._control = self.decoder(Control)
        self._listing = self.decoder(Listing)
        self._market = self.options["market"].upper()
        self._verify = self.options["checksum"] == "verify"

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """Both generations serve the same books."""
        return f"{base}/{self.options['version']}/ws/public"

    def subscribe(
        self, symbols: Sequence[str], session: None, now: float
    ) -> list[str | bytes]:
        """``{"op":"subscribe","args":[{"instType":"SPOT","channel":"books",…}]}``."""
        return self._frames("subscribe", symbols)

    def unsubscribe(
        self, symbols: Sequence[str], session: None, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        return self._frames("unsubscribe", symbols)

    def _frames(self, operation: str, symbols: Sequence[str]) -> list[str | bytes]:
        args = [self._arg(symbol) for symbol in symbols]
        step = self.limits.symbols_per_frame
        parts = [args[start : start + step] for start in range(0, len(args), step)]
        frames = [{"op": operation, "args": part} for part in parts]
        return [msgspec.json.encode(frame).decode() for frame in frames]

    def _arg(self, symbol: str) -> dict[str, str]:
        if self.options["version"] == "v3":
            market = self.options["market"]
            return {"instType": market, "topic": "books", "symbol": symbol}
        return {"instType": self._market, "channel": "books", "instId": symbol}

    def ping(self, session: None, now: float) -> str:
        """Text, not JSON; the answer is the text ``pong``."""
        return "ping"

    def parse(self, frame: str | bytes, session: None) -> Sequence[Message]:
        """Read a push of books, an acknowledgement or an error."""
        try:
            push = self._push.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, error)
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

    def _snapshot(self, symbol: str, book: Any) -> Snapshot:
        bids, asks = self._sides(symbol, book)
        return Snapshot(
            symbol,
            book.seq,
            bids,
            asks,
            # The cut differs by product: the longer side may be cut, a shorter isn't.
            depth=max(len(bids), len(asks)) or None,
            time=book.ts / 1000,
            checksum=self._checksum(book),
        )

    def _delta(self, symbol: str, book: Any) -> Delta:
        bids, asks = self._sides(symbol, book)
        if book.pseq is None or book.pseq < 0:
            raise MalformedMessage(f"pseq={book.pseq}, seq={book.seq}", symbol)
        return Delta(
            symbol,
            book.pseq,
            book.seq,
            bids,
            asks,
            book.ts / 1000,
            self._checksum(book),
            # Chained although numbers fall ("symbol maintenance"): goes on. From 0:
            # the numbering was restarted, no book stands at 0.
            book.seq <= book.pseq or book.pseq == 0,
        )

    def _sides(self, symbol: str, book: Any) -> tuple[Any, Any]:
        bids = book.bids if book.b is None else book.b
        asks = book.asks if book.a is None else book.a
        if bids is None or asks is None or book.seq < 0:
            raise MalformedMessage("a side is missing, or seq is negative", symbol)
        return bids, asks

    def _checksum(self, book: Any) -> int | None:
        return book.checksum or None if self._verify else None

    def _parse_other(self, frame: str | bytes, error: Exception) -> Sequence[Message]:
        if frame in {"pong", b"pong"}:
            return ()
        control: Control = self.decode(self._control, frame)
        symbol = self._ours(control.arg)
        if control.event == "error":
            named = (symbol,) if symbol and control.code in REFUSED else ()
            return (Rejected(named, f"{control.msg} (code {control.code})"),)
        if control.event:
            done = ACKS.get(control.event)
            return (done((symbol,)),) if symbol and done else ()
        if symbol or control.arg == Arg():
            raise MalformedMessage(str(error), symbol)
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

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """Steps, or numbers of decimals, whichever the listing gives."""
        listing: Listing = self.decode(self._listing, body)
        if listing.code != "00000":
            raise MalformedMessage(f"instruments: code {listing.code}")
        try:
            return [_instrument(entry) for entry in listing.data]
        except ArithmeticError as error:
            raise MalformedMessage(f"instruments: {error!r}") from None


def _instrument(entry: Listed) -> Instrument:
    places = entry.pricePrecision if entry.pricePlace is None else entry.pricePlace
    price, size = entry.priceMultiplier, entry.quantityMultiplier
    if price is None and places is not None:
        price = entry.priceEndStep.scaleb(-places)
    if size is None:
        size = entry.sizeMultiplier
    if size is None and entry.quantityPrecision is not None:
        size = Decimal(1).scaleb(-entry.quantityPrecision)
    return Instrument(
        symbol=entry.symbol,
        price_step=price,
        size_step=size,
        active=(entry.status or entry.symbolStatus) in {"online", "normal"},
    )
