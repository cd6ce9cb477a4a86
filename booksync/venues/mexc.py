"""
MEXC spot: protobuf deltas, a REST snapshot (needs the extra ``booksync[mexc]``).

Facts: mexc.com/api-docs/spot-v3/websocket-market-streams (copy of 2026-04-04) and its
page on keeping a local book, mexcdevelop/websocket-proto @7b8ac7a (2026-06-17; right
where the documentation's JSON names differ). No recorded frames were at hand.

Data are binary frames, answers are JSON text: never is one read as the other. A delta
says its versions as decimal text: it carries ``(fromVersion - 1, toVersion]``. The
documentation starts over unless the next ``fromVersion`` is exactly one more.

The message classes are made when a venue is first made. Of an empty text proto3 sends
nothing, so a missing version or number reads as ``""``: an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Closing, Delta, Levels, Message, Rejected, Snapshot
from booksync.venues._mexc_protobuf import messages
from booksync.venues.base import Count
from booksync.venues.declared import (
    DeclaredVenue,
    Operation,
    Requests,
    RestBook,
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

__all__ = ["Mexc"]

N = TypeVar("N")
CHANNEL = "spot@public.aggre.depth.v3.api.pb@"
UNKNOWN_SYMBOL = -1121
#: Of the largest 64-bit number.
DIGITS = 19


class Book(Struct, Generic[N], rename="camel"):
    """Answer of ``/depth``."""

    last_update_id: Count
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    timestamp: Count = 0


class Control(Struct):
    """``{"id":0,"code":0,"msg":"<channel>"}``; a REST error has the same shape."""

    code: int | None = None
    msg: str = ""


class Market(Struct, rename="camel"):
    """``{"symbol":"BTCUSDT","status":"1","baseSizePrecision":"0.00001",…}``."""

    symbol: str
    status: str = "1"
    base_asset_precision: int | None = None
    base_size_precision: str = ""
    quote_precision: int | None = None
    quote_asset_precision: int | None = None


class Listing(Struct):
    """Answer of ``/exchangeInfo``."""

    symbols: list[Market]


class Session(Requests):
    """What each symbol was asked, oldest first: an answer repeats only its channel."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, list[str]] = {}

    def add(self, operation: str, symbols: Sequence[str]) -> int:
        """One symbol a frame, so that each is answered for itself."""
        for symbol in symbols:
            self.asked.setdefault(symbol, []).append(operation)
        return super().add(operation, symbols)

    def answered(self, symbol: str) -> str | None:
        """Give the oldest request that waits for an answer."""
        waiting = self.asked[symbol]
        return waiting.pop(0) if waiting else None


class Mexc(DeclaredVenue):
    """MEXC spot."""

    id = "mexc"
    facts = Facts(
        markets="spot",
        source=Source.REST,
        assurance=Assurance.RANGED,
        numbering=Numbering.SYMBOL,
        resync=Resync.FETCH,
        verified="",
        unverified=(
            "every frame (no recording)",
            "whether deltas list touched or net levels",
            "how a refused channel is answered",
            "REST weight of a snapshot, connections per address",
        ),
        url="https://www.mexc.com/api-docs/spot-v3/websocket-market-streams",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=30,
        symbols_per_frame=1,
        messages=20.0,  # of 100
        connects=30,
        connects_window=60.0,
        lifetime=24 * 3600.0,
        weight=300,
        weight_window=10.0,
    )
    # Closed after 60 s without traffic.
    heartbeat = Heartbeat(interval=20.0, silence=50.0)
    WS_URL = "wss://wbs-api.mexc.com"
    REST_URL = "https://api.mexc.com"
    STREAM_PATH = "/ws"
    REST_BOOK = RestBook(path="/api/v3/depth", depth="limit", weight=3, ending="/depth")
    LISTINGS = (Request(path="/api/v3/exchangeInfo", weight=10),)
    PING = '{"method":"PING"}'
    SESSION = Session
    PUSH = None  # is not JSON
    CONTROL, BOOK, PROBLEM, LISTING = Control, Book, Control, Listing
    CASE = "upper"
    DEPTHS = (100, 500, 1000, 5000)
    default_depth = 5000  # the weight is one and the same
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": ("100ms", "10ms")}

    def setup(self) -> None:
        """Fails here where ``protobuf`` is missing."""
        super().setup()
        self._wrapper, self._unreadable = messages()

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"method":"SUBSCRIPTION","params":["spot@…@100ms@BTCUSDT"]}``."""
        method = "SUBSCRIPTION" if operation == "subscribe" else "UNSUBSCRIPTION"
        return {"method": method, "params": [self._channel(name) for name in symbols]}

    def _channel(self, symbol: str) -> str:
        return f"{CHANNEL}{self.options['speed']}@{symbol}"

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta, or an answer (text, or bytes that begin with ``{``)."""
        if isinstance(frame, str) or frame[:1] == b"{":
            return self.parse_control(frame, session, "")
        try:
            push = self._wrapper.FromString(frame)
        except self._unreadable as error:
            raise MalformedMessage(f"protobuf: {error}") from None
        if not push.channel:
            raise MalformedMessage("protobuf: no channel")
        return self.read_push(push, session) if push.channel.startswith(CHANNEL) else ()

    def read_push(self, push: Any, session: Session) -> Sequence[Message]:
        """Both versions are contained in the delta."""
        symbol = push.channel.rpartition("@")[2]
        if push.symbol not in {symbol, ""}:
            raise MalformedMessage(f"{push.symbol!r} on {push.channel!r}", symbol)
        depths = push.publicAggreDepths
        first = _version(depths.fromVersion, symbol)
        last = _version(depths.toVersion, symbol)
        if not 0 < first <= last:
            raise MalformedMessage(f"versions {first} to {last}", symbol)
        bids = self._levels(depths.bids, symbol)
        asks = self._levels(depths.asks, symbol)
        time = push.sendTime / 1000 or None
        return (Delta(symbol, first - 1, last, bids, asks, time),)

    def _levels(self, items: Any, symbol: str) -> Levels:
        """A missing text reads as ``""``: no size, not a size of 0."""
        convert = self.text
        try:
            levels = [(convert(item.price), convert(item.quantity)) for item in items]
        except ValueError as error:
            raise MalformedMessage(f"protobuf: {error}", symbol) from None
        if any("" in level for level in levels):
            raise MalformedMessage("a level without price or quantity", symbol)
        return levels

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """A refusal is a text that is not what was asked; it may quote a channel."""
        reason = f"{control.msg} (code {control.code})"
        for symbol in session.asked:
            channel = self._channel(symbol)
            if control.code == 0 and control.msg == channel:
                operation = session.answered(symbol) or "subscribe"
                return (acknowledged(operation, [symbol]),)
            if control.msg == channel or f"[{channel}]" in control.msg:
                refused = session.answered(symbol) == "subscribe"
                return (Rejected((symbol,), reason),) if refused else ()
        if not control.code:
            return ()  # a pong, or what nobody asked
        waiting = any(session.asked.values())
        return (Closing(reason) if waiting else Rejected((), reason),)

    def read_book(self, book: Book[Any], symbol: str, depth: int | None) -> Snapshot:
        """``lastUpdateId`` is the version of the last change in it."""
        time = book.timestamp / 1000 or None
        return Snapshot(symbol, book.last_update_id, book.bids, book.asks, depth, time)

    def unknown(self, problem: Control) -> str | None:
        """By its code."""
        reason = f"{problem.msg} (code {problem.code})"
        return reason if problem.code == UNKNOWN_SYMBOL else None

    def listed(self, answer: Listing) -> Iterable[Instrument]:
        """``baseSizePrecision`` is a step, the others are decimals."""
        for market in answer.symbols:
            places = market.quote_precision
            if places is None:
                places = market.quote_asset_precision
            size_step = Decimal(market.base_size_precision or "0")
            yield Instrument(
                symbol=market.symbol,
                price_step=step(places),
                size_step=size_step or step(market.base_asset_precision),
                active=market.status == "1",
            )


def _version(text: str, symbol: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS):
        raise MalformedMessage(f"not a version: {text!r}", symbol)
    return int(text)
