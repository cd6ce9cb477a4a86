"""
Gate spot: ``order_book_update`` with a REST snapshot, or Order Book V2, by option.

Facts: gate.com/docs/developers/apiv4/ws/en (stored copies of 2025-06 to 2026-05, read
2026-11), a third party's probe of ``obu`` (2026-09-15: no gap in 39,466 futures deltas)
and recorded frames of 2021 (spot) and 2023 (futures).

Both number each symbol's changes one by one: a delta says ``U`` and ``u`` and carries
``(U - 1, u]``. A push with ``"full":true`` replaces the book at any time.

**order_book_update** (the default: seen on frames) follows 20 or 100 levels. Whether
the venue deletes what leaves them is not known, so the snapshot has the stream's depth
and the book is cut to it after each change (option ``truncate``).

**obu** sends its own snapshot of 50 or 400 levels and does delete. Many of its deltas
hold a range and no level at all; they count like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta, Struct

from booksync.errors import ConfigurationError, MalformedMessage, SubscriptionRejected
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

__all__ = ["Gate", "Session"]

L = TypeVar("L")
Count = Annotated[int, Meta(ge=0, le=2**62)]
Digits = Annotated[int, Meta(ge=0, le=32)]
UNKNOWN_SYMBOL = {"INVALID_CURRENCY_PAIR", "INVALID_CURRENCY", "CONTRACT_NOT_FOUND"}
#: The one error that says nothing of what was asked: the server's own.
SERVER_ERROR = 3
ALREADY_SUBSCRIBED = "Alert sub"
LEVEL = re.compile(r"[0-9]{1,5}")


class Update(Struct, Generic[L], gc=False):
    """``result`` of a push; a full one has no ``U``, many others no ``a`` and ``b``."""

    s: str
    u: Count
    U: Count = 0
    b: list[L] = []
    a: list[L] = []
    t: Count = 0
    full: bool = False


class Push(Struct, Generic[L], gc=False):
    """``{"time":1606294781,"channel":"spot.obu","event":"update","result":{…}}``."""

    channel: str
    event: str
    result: Update[L]


class Book(Struct, Generic[L]):
    """``{"id":2691446,"current":…,"update":…,"asks":[…],"bids":[…]}``."""

    id: Count
    asks: list[L]
    bids: list[L]
    update: Annotated[float, Meta(ge=0, lt=1e15)] = 0.0


class Problem(Struct):
    """``{"code":2,"message":"…"}`` in frames, ``{"label":…,"message":…}`` in REST."""

    code: int | None = None
    label: str = ""
    message: str = ""


class Result(Struct):
    """As much of ``result`` as tells what a frame is about."""

    s: str = ""
    type: str = ""
    status: str = ""


class Control(Struct):
    """Whatever is not a readable push."""

    channel: str = ""
    event: str = ""
    id: int | None = None
    payload: Any = None
    error: Problem | None = None
    result: msgspec.Raw = msgspec.Raw(b"{}")


class Pair(Struct):
    """``{"id":"BTC_USDT","precision":1,"amount_precision":6,…}``."""

    id: str
    precision: Digits
    amount_precision: Digits
    trade_status: str = "tradable"


class Session:
    """Requests of one connection, and whose each ``obu`` stream is."""

    __slots__ = ("requests", "streams")

    def __init__(self) -> None:
        #: Id -> symbols.
        self.requests: dict[int, tuple[str, ...]] = {}
        #: ``ob.BTC_USDT.400`` -> symbol and levels.
        self.streams: dict[str, tuple[str, int]] = {}


class Gate(Venue):
    """Gate spot."""

    id = "gate"
    facts = Facts(
        markets="spot",
        source=Source.REST,
        assurance=Assurance.RANGED,
        numbering=Numbering.SYMBOL,
        resync=Resync.FETCH,
        verified="order_book_update: joins, continuity, final books: 2021",
        unverified=(
            "whether order_book_update deletes levels that leave its window",
            "whether its deltas list touched or net levels",
            "its pushes with full=true",
            "option channel=obu: every frame of it (no recording)",
            "REST budget",
        ),
        url="https://www.gate.com/docs/developers/apiv4/ws/en/",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=100,  # not published; 150 were seen to work
        symbols_per_frame=50,
        messages=5.0,
        connects=30,
        connects_window=60.0,
        weight=100,  # of 200 requests, unconfirmed
        weight_window=10.0,
    )
    # An idle socket closes after some 30 s; the answer resets that.
    heartbeat = Heartbeat(interval=12.0, silence=40.0)
    WS_URL = "wss://api.gateio.ws/ws/v4"
    REST_URL = "https://api.gateio.ws"
    DEPTHS: ClassVar[tuple[int, ...]] = (20, 50, 100, 400)
    default_depth = 100
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "channel": ("order_book_update", "obu"),
        "truncate": ("yes", "no"),
    }
    MARKET = "spot"
    SYMBOL_PARAM = "currency_pair"
    #: Levels that each channel follows, least first.
    LEVELS: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "order_book_update": (20, 100),
        "obu": (50, 400),
    }
    #: REST times a second.
    TIME_UNIT = 1000.0
    SNAPSHOT_PATH = "/api/v4/spot/order_book"

    def setup(self) -> None:
        """Choose the channel and its levels: the least that hold the depth."""
        channel = self.options["channel"]
        self._obu = channel == "obu"
        self._channel = f"{self.MARKET}.{channel}"
        wanted = self.depth or 0
        fit = [levels for levels in self.LEVELS[channel] if levels >= wanted]
        if not fit:
            raise ConfigurationError(f"{self.id}: {channel} has no {wanted} levels")
        self.depth = fit[0]
        pair: Any = GenericAlias(tuple, (self.text, self.text))
        level = pair if self._obu else self.level()
        self._push = self.decoder(Push, level)
        self._book = self.decoder(Book, self.level())
        self._control = self.decoder(Control)
        if self._obu:
            vars(self)["facts"] = msgspec.structs.replace(
                self.facts,
                source=Source.STREAM,
                resync=Resync.RESUBSCRIBE,
                levels=self.depth,
                verified="",
            )
        elif self.options["truncate"] == "yes":
            self.keep = self.depth

    def level(self) -> Any:
        """Type of one level in a delta of ``order_book_update``, and in REST."""
        return GenericAlias(tuple, (self.text, self.text))

    def levels(self, levels: list[Any]) -> Levels:
        """Make ``(price, size)`` of such levels."""
        return levels

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case, with an underscore: ``BTC_USDT``."""
        return super().prepare(symbol).upper()

    def session(self) -> Session:
        """Ids of this connection's requests."""
        return Session()

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """``wss://api.gateio.ws/ws/v4/``: the slash is part of it."""
        return base + "/"

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"time":…,"id":1,"channel":"spot.obu","event":"subscribe",…}``."""
        return self._frames("subscribe", symbols, session, now)

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        return self._frames("unsubscribe", symbols, session, now)

    def _frames(
        self, event: str, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        frames: list[str | bytes] = []
        step = self.limits.symbols_per_frame if self._obu else 1
        for start in range(0, len(symbols), step):
            part = tuple(symbols[start : start + step])
            number = len(session.requests) + 1
            session.requests[number] = part
            request = {
                "time": int(now),
                "id": number,
                "channel": self._channel,
                "event": event,
                "payload": self.payload(part),
            }
            frames.append(msgspec.json.encode(request).decode())
        return frames

    def payload(self, symbols: Sequence[str]) -> list[str]:
        """``["ob.BTC_USDT.400"]`` or ``["BTC_USDT","100ms"]``."""
        if self._obu:
            return [f"ob.{symbol}.{self.depth}" for symbol in symbols]
        return [*symbols, "20ms" if self.depth == 20 else "100ms"]  # noqa: PLR2004

    def ping(self, session: Session, now: float) -> str:
        """``{"time":1747054611,"channel":"spot.ping"}``."""
        return f'{{"time":{int(now)},"channel":"{self.MARKET}.ping"}}'

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta, a snapshot, an acknowledgement, an error or a notice."""
        try:
            push = self._push.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, session, str(error))
        if push.channel != self._channel:
            return ()
        update: Update[Any] = push.result
        symbol, depth = update.s, self.depth
        if self._obu:
            symbol, depth = _stream(symbol, session)
        time = update.t / 1000 or None
        bids, asks = update.b, update.a
        if not self._obu:
            bids, asks = self.levels(bids), self.levels(asks)  # type: ignore[assignment]
        if update.full:
            return (Snapshot(symbol, update.u, bids, asks, depth, time),)
        if not 0 < update.U <= update.u:
            raise MalformedMessage(f"U={update.U}, u={update.u}", symbol)
        return (Delta(symbol, update.U - 1, update.u, bids, asks, time),)

    def _parse_other(
        self, frame: str | bytes, session: Session, problem: str
    ) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        try:
            result = msgspec.json.decode(control.result, type=Result)
        except UNREADABLE:
            result = Result()
        if result.type == "upgrade":
            return (Closing("service upgrade"),)
        if control.channel != self._channel:
            return ()  # pong, another channel
        if control.event in {"subscribe", "unsubscribe"}:
            return self._answered(control, result, session)
        symbol = _stream(result.s, session)[0] if self._obu else result.s
        raise MalformedMessage(problem, symbol or None)

    def _answered(
        self, control: Control, result: Result, session: Session
    ) -> Sequence[Message]:
        symbols = session.requests.get(control.id or 0) or self._named(control, session)
        problem = control.error
        if problem is None and result.status != "fail":
            done = Subscribed if control.event == "subscribe" else Unsubscribed
            return (done(symbols),) if symbols else ()
        problem = problem or Problem()
        reason = f"{problem.message or result.status} (code {problem.code})"
        if problem.code == SERVER_ERROR:
            return (Closing(reason),)
        again = problem.message.startswith(ALREADY_SUBSCRIBED)
        if control.event == "unsubscribe" or again:
            return ()
        return (Rejected(symbols, reason),)

    def _named(self, control: Control, session: Session) -> tuple[str, ...]:
        """Whom an answer is about by its payload, where it does not repeat the id."""
        payload = control.payload if isinstance(control.payload, list) else []
        names = [name for name in payload if isinstance(name, str)]
        if self._obu:
            return tuple(_stream(name, session)[0] for name in names)
        return tuple(names[:1])

    def snapshot_request(self, symbol: str) -> Request:
        """``GET …/order_book?currency_pair=BTC_USDT&limit=100&with_id=true``."""
        params = {
            self.SYMBOL_PARAM: symbol,
            "limit": str(self.depth),
            "with_id": "true",  # otherwise there is no sequence
            "interval": "0",
        }
        return Request(path=self.SNAPSHOT_PATH, params=params, headers=self.WS_HEADERS)

    def parse_snapshot(
        self, body: bytes | str, symbol: str, depth: int | None
    ) -> Snapshot:
        """``id`` is the number of the last change in it."""
        try:
            book = self._book.decode(body)
        except UNREADABLE as error:
            self._raise_if_unknown(body, symbol)
            raise MalformedMessage(f"snapshot: {error}", symbol) from None
        bids, asks = self.levels(book.bids), self.levels(book.asks)
        time = book.update / self.TIME_UNIT or None
        return Snapshot(symbol, book.id, bids, asks, depth, time)

    def _raise_if_unknown(self, body: bytes | str, symbol: str) -> None:
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except UNREADABLE:
            return
        if problem.label in UNKNOWN_SYMBOL:
            raise SubscriptionRejected(symbol, f"{problem.message} ({problem.label})")

    def snapshot_symbol(self, url: str) -> str | None:
        """Path ends in ``/order_book``."""
        parts = urlsplit(url)
        symbols = parse_qs(parts.query).get(self.SYMBOL_PARAM)
        return symbols[0] if symbols and parts.path.endswith("/order_book") else None

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /spot/currency_pairs``."""
        return (Request(path="/api/v4/spot/currency_pairs"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``precision`` and ``amount_precision`` are decimals."""
        pairs: list[Pair] = self.decode(self.decoder(list[Pair]), body)
        return [
            Instrument(
                symbol=pair.id,
                price_step=Decimal(1).scaleb(-pair.precision),
                size_step=Decimal(1).scaleb(-pair.amount_precision),
                active=pair.trade_status == "tradable",
            )
            for pair in pairs
        ]


def _stream(name: str, session: Session) -> tuple[str, int]:
    """``ob.BTC_USDT.400`` → ``("BTC_USDT", 400)``, remembered."""
    known = session.streams.get(name)
    if known is None:
        start, _, rest = name.partition(".")
        symbol, _, levels = rest.rpartition(".")
        if start != "ob" or not symbol or not LEVEL.fullmatch(levels):
            raise MalformedMessage(f"not an order book stream: {name!r}")
        known = session.streams[name] = (symbol, int(levels))
    return known
