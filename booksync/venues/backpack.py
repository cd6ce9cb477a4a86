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

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
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

__all__ = ["Backpack"]

N = TypeVar("N")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
MICROSECONDS = 1_000_000


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


class Session:
    """Streams seen on one connection, with the market that each one carries."""

    __slots__ = ("streams",)

    def __init__(self) -> None:
        self.streams: dict[str, str] = {}


class Backpack(Venue):
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
    DEPTHS: ClassVar[tuple[int, ...]] = (100, 500, 1000)
    default_depth = 1000
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "speed": ("realtime", "200ms", "600ms", "1000ms")
    }

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._combined = self.decoder(Combined, self.text)
        self._book = self.decoder(Book, self.text)
        self._control = self.decoder(Control)
        speed = self.options["speed"]
        self._prefix = "depth." if speed == "realtime" else f"depth.{speed}."

    def session(self) -> Session:
        """Streams of this connection."""
        return Session()

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"method":"SUBSCRIBE","params":["depth.BTC_USDC_PERP"]}``."""
        return self._frames("SUBSCRIBE", symbols)

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``UNSUBSCRIBE``."""
        return self._frames("UNSUBSCRIBE", symbols)

    def _frames(self, method: str, symbols: Sequence[str]) -> list[str | bytes]:
        step = self.limits.symbols_per_frame
        parts = (symbols[at : at + step] for at in range(0, len(symbols), step))
        return [
            msgspec.json.encode(
                {"method": method, "params": [self._prefix + name for name in part]}
            ).decode()
            for part in parts
        ]

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta or an error."""
        try:
            combined = self._combined.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, str(error))
        update, stream = combined.data, combined.stream
        if session.streams.get(stream) != update.s:
            if not stream.startswith("depth.") or _symbol(stream) != update.s:
                raise MalformedMessage(f"{update.s!r} on the stream {stream!r}")
            session.streams[stream] = update.s
        return (_delta(update),)

    def _parse_other(self, frame: str | bytes, reason: str) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        problem = control.error
        if problem is not None:
            return (Rejected((), f"{problem.message} (code {problem.code})"),)
        if control.stream is None:
            raise MalformedMessage("neither a delta nor an answer")
        if control.stream.startswith("depth.") or control.data.e == "depth":
            raise MalformedMessage(reason, control.data.s or _symbol(control.stream))
        return ()  # another kind of stream

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /api/v1/depth?symbol=…&limit=1000``."""
        params = {"symbol": symbol, "limit": str(self.depth)}
        return Request(path="/api/v1/depth", params=params)

    def parse_snapshot(
        self, body: bytes | str, symbol: str, depth: int | None
    ) -> Snapshot:
        """``lastUpdateId`` is the number of the last change in it."""
        try:
            book = self._book.decode(body)
        except UNREADABLE as error:
            raise MalformedMessage(f"snapshot: {error}", symbol) from None
        return Snapshot(
            symbol,
            book.lastUpdateId,
            book.bids,
            book.asks,
            depth=depth,
            time=book.timestamp / MICROSECONDS if book.timestamp else None,
        )

    def snapshot_symbol(self, url: str) -> str | None:
        """Path ends in ``/depth``."""
        parts = urlsplit(url)
        symbols = parse_qs(parts.query).get("symbol")
        return symbols[0] if symbols and parts.path.endswith("/depth") else None

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /api/v1/markets``."""
        return (Request(path="/api/v1/markets"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``filters.price.tickSize``, ``filters.quantity.stepSize``."""
        markets: list[Market] = self.decode(self.decoder(list[Market]), body)
        return [
            Instrument(
                symbol=entry.symbol,
                price_step=entry.filters.price.tickSize,
                size_step=entry.filters.quantity.stepSize,
                active=entry.orderBookState == "Open",
            )
            for entry in markets
        ]


def _symbol(stream: str) -> str:
    """``AAPL.US_USDC_PERP`` of ``depth.200ms.AAPL.US_USDC_PERP``."""
    name = stream.removeprefix("depth.")
    first, _, rest = name.partition(".")
    return rest if first in Backpack.OPTIONS["speed"] else name


def _delta(update: Any) -> Delta:
    """The range ``[U, u]`` is contiguous per market."""
    if not 0 < update.U <= update.u:
        raise MalformedMessage(f"U={update.U}, u={update.u}", update.s)
    return Delta(
        update.s,
        update.U - 1,
        update.u,
        update.b,
        update.a,
        update.E / MICROSECONDS if update.E else None,
    )
