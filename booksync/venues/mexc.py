"""
MEXC spot: protobuf deltas, a REST snapshot (needs the extra ``booksync[mexc]``).

Facts: mexc.com/api-docs/spot-v3/websocket-market-streams (copy of 2026-04-04) and its
page on keeping a local book, mexcdevelop/websocket-proto @7b8ac7a (2026-06-17; right
where the documentation's JSON names differ). No recorded frames were at hand.

Data are binary frames, answers are JSON text: never is one read as the other. A delta
says its versions as decimal text: it carries ``(fromVersion - 1, toVersion]``. The
documentation starts over unless the next ``fromVersion`` is exactly one more.

The message classes are made from the field numbers below when a venue is first made, in
a pool of their own: no generated code, and nothing is imported before that. Of an empty
text proto3 sends nothing, so a missing version or number reads as ``""``: an error.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta, Struct

from booksync.errors import (
    ConfigurationError,
    MalformedMessage,
    SubscriptionRejected,
)
from booksync.messages import (
    Closing,
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
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["Mexc", "Session", "messages"]

N = TypeVar("N")
Count = Annotated[int, Meta(ge=0, le=2**62)]
Digits = Annotated[int, Meta(ge=0, le=32)]
CHANNEL = "spot@public.aggre.depth.v3.api.pb@"
UNKNOWN_SYMBOL = -1121
#: Of the largest 64-bit number.
DIGITS = 19
PACKAGE = "booksync.mexc"
#: Message -> field -> (number, type); a message's name stands for itself, repeated
#: where its name ends in ``[]``. Fields that are not here are skipped.
SCHEMA: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Item": {"price": (1, "string"), "quantity": (2, "string")},
    "Depths": {
        "asks": (1, "Item[]"),
        "bids": (2, "Item[]"),
        "eventType": (3, "string"),
        "fromVersion": (4, "string"),
        "toVersion": (5, "string"),
    },
    "Wrapper": {
        "channel": (1, "string"),
        "symbol": (3, "string"),
        "createTime": (5, "int64"),
        "sendTime": (6, "int64"),
        "publicAggreDepths": (313, "Depths"),
    },
}


@cache
def messages() -> tuple[type[Any], type[Exception]]:
    """
    Make the class of a whole frame, and name the error of an unreadable one.

    Raises:
        ConfigurationError: If ``protobuf`` is not installed.

    """
    try:
        descriptors = importlib.import_module("google.protobuf.descriptor_pb2")
        pools = importlib.import_module("google.protobuf.descriptor_pool")
        factory = importlib.import_module("google.protobuf.message_factory")
        errors = importlib.import_module("google.protobuf.message")
    except ImportError as error:
        raise ConfigurationError(
            f"mexc speaks protobuf: pip install 'booksync[mexc]' ({error})"
        ) from None
    file = descriptors.FileDescriptorProto(
        name="booksync_mexc.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            message.field.add(name=field, number=number, **_field(descriptors, kind))
    pool = pools.DescriptorPool()
    pool.Add(file)
    wrapper = pool.FindMessageTypeByName(f"{PACKAGE}.Wrapper")
    return factory.GetMessageClass(wrapper), errors.DecodeError


def _field(descriptors: Any, kind: str) -> dict[str, Any]:
    kinds = descriptors.FieldDescriptorProto
    label = kinds.LABEL_REPEATED if kind.endswith("[]") else kinds.LABEL_OPTIONAL
    name = kind.removesuffix("[]")
    if name in SCHEMA:
        type_name = f".{PACKAGE}.{name}"
        return {"type": kinds.TYPE_MESSAGE, "type_name": type_name, "label": label}
    scalar = kinds.TYPE_STRING if name == "string" else kinds.TYPE_INT64
    return {"type": scalar, "label": label}


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
    base_asset_precision: Digits | None = None
    base_size_precision: str = ""
    quote_precision: Digits | None = None
    quote_asset_precision: Digits | None = None


class Listing(Struct):
    """Answer of ``/exchangeInfo``."""

    symbols: list[Market]


class Session:
    """What each channel was asked, oldest first: the answer repeats only its name."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked: dict[str, list[str]] = {}


class Mexc(Venue):
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
    DEPTHS: ClassVar[tuple[int, ...]] = (100, 500, 1000, 5000)
    default_depth = 5000  # the weight is one and the same
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": ("100ms", "10ms")}

    def setup(self) -> None:
        """Make the decoders; fails here where ``protobuf`` is missing."""
        self._wrapper, self._unreadable = messages()
        self._book = self.decoder(Book, self.text)
        self._control = self.decoder(Control)
        self._listing = self.decoder(Listing)

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case: ``BTCUSDT``."""
        return super().prepare(symbol).upper()

    def session(self) -> Session:
        """What this connection asked."""
        return Session()

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """``/ws``."""
        return base + "/ws"

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"method":"SUBSCRIPTION","params":["spot@…@100ms@BTCUSDT"]}``."""
        return self._frames("SUBSCRIPTION", symbols, session)

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``UNSUBSCRIPTION``."""
        return self._frames("UNSUBSCRIPTION", symbols, session)

    def _frames(
        self, method: str, symbols: Sequence[str], session: Session
    ) -> list[str | bytes]:
        """One channel a frame, so that each is answered for itself."""
        frames: list[str | bytes] = []
        for symbol in symbols:
            channel = f"{CHANNEL}{self.options['speed']}@{symbol}"
            session.asked.setdefault(channel, []).append(method)
            request = {"method": method, "params": [channel]}
            frames.append(msgspec.json.encode(request).decode())
        return frames

    def ping(self, session: Session, now: float) -> str:
        """Answered by ``{"id":0,"code":0,"msg":"PONG"}``."""
        return '{"method":"PING"}'

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta, or an answer (text, or bytes that begin with ``{``)."""
        if isinstance(frame, str) or frame[:1] == b"{":
            return self._parse_text(frame, session)
        try:
            push = self._wrapper.FromString(frame)
        except self._unreadable as error:
            raise MalformedMessage(f"protobuf: {error}") from None
        if not push.channel:
            raise MalformedMessage("protobuf: no channel")
        if not push.channel.startswith(CHANNEL):
            return ()
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

    def _parse_text(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.msg == "PONG":
            return ()
        if control.code == 0 and control.msg in session.asked:
            methods = session.asked[control.msg]
            method = methods.pop(0) if methods else "SUBSCRIPTION"
            done = Subscribed if method == "SUBSCRIPTION" else Unsubscribed
            return (done((control.msg.rpartition("@")[2],)),)
        return self._refused(control, session)

    def _refused(self, control: Control, session: Session) -> Sequence[Message]:
        """A text that is not what was asked, with any code; it may quote a channel."""
        reason = f"{control.msg} (code {control.code})"
        for channel, methods in session.asked.items():
            quoted = f"[{channel}]" in control.msg or channel == control.msg
            if quoted and methods and methods.pop(0) == "SUBSCRIPTION":
                return (Rejected((channel.rpartition("@")[2],), reason),)
            if quoted:
                return ()
        if not control.code:
            return ()
        waiting = any(session.asked.values())
        return (Closing(reason) if waiting else Rejected((), reason),)

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /api/v3/depth?symbol=BTCUSDT&limit=5000``."""
        params = {"symbol": symbol, "limit": str(self.depth)}
        return Request(path="/api/v3/depth", params=params, weight=3)

    def parse_snapshot(
        self, body: bytes | str, symbol: str, depth: int | None
    ) -> Snapshot:
        """``lastUpdateId`` is the version of the last change in it."""
        try:
            book = self._book.decode(body)
        except UNREADABLE as error:
            self._raise_if_unknown(body, symbol)
            raise MalformedMessage(f"snapshot: {error}", symbol) from None
        time = book.timestamp / 1000 or None
        return Snapshot(symbol, book.last_update_id, book.bids, book.asks, depth, time)

    def _raise_if_unknown(self, body: bytes | str, symbol: str) -> None:
        try:
            problem: Control = self._control.decode(body)
        except UNREADABLE:
            return
        if problem.code == UNKNOWN_SYMBOL:
            raise SubscriptionRejected(symbol, f"{problem.msg} (code {problem.code})")

    def snapshot_symbol(self, url: str) -> str | None:
        """Path ends in ``/depth``."""
        parts = urlsplit(url)
        symbols = parse_qs(parts.query).get("symbol")
        return symbols[0] if symbols and parts.path.endswith("/depth") else None

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /api/v3/exchangeInfo``."""
        return (Request(path="/api/v3/exchangeInfo", weight=10),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``baseSizePrecision`` is a step, the others are decimals."""
        listing: Listing = self.decode(self._listing, body)
        try:
            return [_instrument(market) for market in listing.symbols]
        except ArithmeticError as error:
            raise MalformedMessage(f"exchangeInfo: {error!r}") from None


def _instrument(market: Market) -> Instrument:
    size_step = Decimal(market.base_size_precision or "0")
    decimals = market.quote_precision
    if decimals is None:
        decimals = market.quote_asset_precision
    return Instrument(
        symbol=market.symbol,
        price_step=_step(decimals),
        size_step=size_step or _step(market.base_asset_precision),
        active=market.status == "1",
    )


def _step(decimals: int | None) -> Decimal | None:
    return None if decimals is None else Decimal(1).scaleb(-decimals)


def _version(text: str, symbol: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS):
        raise MalformedMessage(f"not a version: {text!r}", symbol)
    return int(text)
