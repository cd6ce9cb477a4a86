"""
Binance spot, Binance US, Binance USD-M and COIN-M futures: one protocol, two rules.

Facts: binance/binance-spot-api-docs @a5e0bc3 (2026-07-21), binance-us-api-docs
@6b62304 and developers.binance.com derivatives (read 2026-11), checked on recorded
frames of 2021 and 2024.

Spot numbers each symbol's changes one by one; a delta says ``U`` (first) and ``u``
(last), so it carries ``(U - 1, u]``. The documentation wants the snapshot's id inside
``[U, u]`` of the first delta; in 11 of 11 recorded joins it was ``U - 1``, so a literal
reading would never join.

Futures ids belong to the whole matching engine and leave holes; a delta names its
predecessor ``pu``, so it carries ``(pu, u]``. The documentation's ``U <= S <= u``
rejects a snapshot that stands exactly at ``pu``, as 8 of 14 recorded ones did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage, SubscriptionRejected
from booksync.messages import (
    Closing,
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE, Count, Venue
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

__all__ = ["Binance", "BinanceCoinM", "BinanceUS", "BinanceUsdM"]

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
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    code: int | None = None
    msg: str = ""
    error: Problem | None = None


class Kind(Struct):
    """What a combined frame's data is."""

    e: str = ""
    s: str = ""


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


class Session:
    """The requests of one connection: id -> (method, symbols)."""

    __slots__ = ("requests", "streams")

    def __init__(self) -> None:
        self.requests: dict[int, tuple[str, tuple[str, ...]]] = {}
        self.streams: dict[str, str] = {}


class Binance(Venue):
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
    DEPTHS: ClassVar[tuple[int, ...]] = (100, 500, 1000, 5000)
    default_depth = 1000
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": ("100ms", "1000ms")}
    WEIGHTS: ClassVar[Mapping[int, int]] = {100: 5, 500: 25, 1000: 50, 5000: 250}
    API = "/api/v3"
    STREAM_PATH = "/stream"

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._combined = self.decoder(Combined, self.text)
        self._update = self.decoder(Update, self.text)
        self._book = self.decoder(Book, self.text)
        self._control = self.decoder(Control)
        self._kind = self.decoder(Kind)
        speed = self.options["speed"]
        self._suffix = "@depth" if speed == "1000ms" else f"@depth@{speed}"

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case, as in payloads and REST (streams are lower case)."""
        return super().prepare(symbol).upper()

    def session(self) -> Session:
        """Ids of this connection's requests."""
        return Session()

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """Combined streams, subscribed by frames."""
        return base + self.STREAM_PATH

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1}``."""
        return self._frames("SUBSCRIBE", symbols, session)

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``UNSUBSCRIBE``."""
        return self._frames("UNSUBSCRIBE", symbols, session)

    def _frames(
        self, method: str, symbols: Sequence[str], session: Session
    ) -> list[str | bytes]:
        frames: list[str | bytes] = []
        step = self.limits.symbols_per_frame
        for start in range(0, len(symbols), step):
            part = tuple(symbols[start : start + step])
            number = len(session.requests) + 1
            session.requests[number] = (method, part)
            params = [symbol.lower() + self._suffix for symbol in part]
            request = {"method": method, "params": params, "id": number}
            frames.append(msgspec.json.encode(request).decode())
        return frames

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta, an acknowledgement, an error or a shutdown notice."""
        try:
            combined = self._combined.decode(frame)
        except UNREADABLE:
            return self._parse_other(frame, session)
        update = combined.data
        stream, symbol = combined.stream, update.s
        if session.streams.get(stream) != symbol:
            if stream.partition("@")[0].upper() != symbol or "@depth" not in stream:
                raise MalformedMessage(f"{symbol!r} on the stream {stream!r}")
            session.streams[stream] = symbol
        return (self._delta(update),)

    def _delta(self, update: Any) -> Delta:
        """Spot: the range ``[U, u]`` is contiguous per symbol."""
        if not 0 < update.U <= update.u:
            raise MalformedMessage(f"U={update.U}, u={update.u}", update.s)
        return Delta(
            update.s,
            update.U - 1,
            update.u,
            update.b,
            update.a,
            update.E / 1000 if update.E else None,
        )

    def _parse_other(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        problem = control.error
        if problem is None and control.code is not None:
            problem = Problem(control.code, control.msg)
        if isinstance(control.id, int) and control.id in session.requests:
            method, symbols = session.requests[control.id]
            if problem is not None:
                return (Rejected(symbols, f"{problem.msg} (code {problem.code})"),)
            done = Subscribed if method == "SUBSCRIBE" else Unsubscribed
            return (done(symbols),)
        if problem is not None:
            return (Rejected((), f"{problem.msg} (code {problem.code})"),)
        return self._parse_stream(control, frame)

    def _parse_stream(self, control: Control, frame: str | bytes) -> Sequence[Message]:
        if control.stream and "@depth" not in control.stream:
            shutdown = control.stream == "!serverShutdown"
            return (Closing("serverShutdown"),) if shutdown else ()
        data = bytes(control.data) if control.stream else frame
        kind: Kind = self.decode(self._kind, data)
        if kind.e == "serverShutdown":
            return (Closing("serverShutdown"),)
        if kind.e == "depthUpdate" or "@depth" in control.stream:
            symbol = control.stream.partition("@")[0].upper() or kind.s or None
            try:
                return (self._delta(self._update.decode(data)),)
            except UNREADABLE as error:
                raise MalformedMessage(str(error), symbol) from None
        if kind.e or control.stream or control.id is not None:
            return ()  # another kind of stream, or an answer that is not ours
        raise MalformedMessage("neither a delta nor an answer")

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /depth``, whose weight grows with its limit."""
        depth = self.depth or self.default_depth
        return Request(
            path=f"{self.API}/depth",
            params={"symbol": symbol, "limit": str(depth)},
            weight=self.WEIGHTS[depth],
        )

    def parse_snapshot(
        self, body: bytes | str, symbol: str, depth: int | None
    ) -> Snapshot:
        """``lastUpdateId`` is the number of the last change in it."""
        try:
            book = self._book.decode(body)
        except UNREADABLE as error:
            self._raise_if_unknown(body, symbol)
            raise MalformedMessage(f"snapshot: {error}", symbol) from None
        if book.symbol not in ("", symbol):
            raise MalformedMessage(f"snapshot of {book.symbol!r}", symbol)
        time = book.T / 1000 if book.T else None
        return Snapshot(
            symbol, book.lastUpdateId, book.bids, book.asks, depth=depth, time=time
        )

    def _raise_if_unknown(self, body: bytes | str, symbol: str) -> None:
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except UNREADABLE:
            return
        if problem.code in UNKNOWN_SYMBOL:
            raise SubscriptionRejected(symbol, f"{problem.msg} (code {problem.code})")

    def snapshot_symbol(self, url: str) -> str | None:
        """Path ends in ``/depth``, whatever the host and the version."""
        parts = urlsplit(url)
        symbols = parse_qs(parts.query).get("symbol")
        return symbols[0] if symbols and parts.path.endswith("/depth") else None

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /exchangeInfo``."""
        return (Request(path=f"{self.API}/exchangeInfo", weight=20),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``PRICE_FILTER.tickSize`` and ``LOT_SIZE.stepSize``, not the precisions."""
        listing: Listing = self.decode(msgspec.json.Decoder(Listing), body)
        return [_instrument(market) for market in listing.symbols]


def _instrument(market: Market) -> Instrument:
    filters = {item.filterType: item for item in market.filters}
    price, size = filters.get("PRICE_FILTER"), filters.get("LOT_SIZE")
    return Instrument(
        symbol=market.symbol,
        price_step=_step(market, price.tickSize if price else None),
        size_step=_step(market, size.stepSize if size else None),
        active=(market.status or market.contractStatus) == "TRADING",
    )


def _step(market: Market, step: Decimal | None) -> Decimal:
    if step is None or not step.is_finite() or step < 0:
        raise MalformedMessage(f"exchangeInfo: {market.symbol!r} has no step: {step}")
    return step


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


class BinanceUsdM(Binance):
    """Binance USD-M futures: ids of the whole engine, chained by ``pu``."""

    id = "binance_usdm"
    facts = msgspec.structs.replace(
        Binance.facts,
        markets="USD-M futures",
        assurance=Assurance.CHAINED,
        url="https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams",
        date="2026-11-01",
    )
    limits = msgspec.structs.replace(Binance.limits, messages=8.0, weight=2_400)
    WS_URL = "wss://fstream.binance.com"
    REST_URL = "https://fapi.binance.com"
    DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "speed": ("100ms", "250ms", "500ms")
    }
    WEIGHTS: ClassVar[Mapping[int, int]] = {
        5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20,
    }  # fmt: skip
    API = "/fapi/v1"
    STREAM_PATH = "/public/stream"  # a book on another route stays silent

    def setup(self) -> None:
        """Spell the 250 ms stream as the venue does."""
        super().setup()
        if self.options["speed"] == "250ms":
            self._suffix = "@depth"

    def _delta(self, update: Any) -> Delta:
        """Futures: ``pu`` is the previous delta's ``u``; between them are holes."""
        if not update.pu < update.u:
            raise MalformedMessage(f"pu={update.pu}, u={update.u}", update.s)
        return Delta(
            update.s,
            update.pu,
            update.u,
            update.b,
            update.a,
            update.E / 1000 if update.E else None,
        )


class BinanceCoinM(BinanceUsdM):
    """Binance COIN-M futures: the USD-M protocol; sizes in contracts."""

    id = "binance_coinm"
    facts = msgspec.structs.replace(
        BinanceUsdM.facts,
        markets="COIN-M futures",
        unverified=(
            *BinanceUsdM.facts.unverified,
            "streams per connection and message rate",
            "whether dstream moves to the routed layout",
        ),
        url="https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams/Connect",
    )
    WS_URL = "wss://dstream.binance.com"
    REST_URL = "https://dapi.binance.com"
    API = "/dapi/v1"
    STREAM_PATH = "/stream"
