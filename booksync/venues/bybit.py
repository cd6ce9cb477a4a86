"""
Bybit v5: ``orderbook.{depth}``, counted, and ``orderbook.full``, seeded by REST.

Facts: bybit-exchange.github.io/docs/v5, websocket/public/orderbook and full-ob (repo
bybit-exchange/docs @072c197, 2026-07-24); checked on recorded frames of 2024.

**Depth.** The stream sends a snapshot first, and another whenever it likes (a restart,
``u == 1``, is one of these). ``u`` goes up by one a message: documented of SBE frames,
true of the recorded JSON frames. ``strict_u=no`` asks only for order. Each depth has
numbers of its own. A symbol alone means the depth that was asked for; a book of
another depth, which only a recording can hold, is called ``"500.XRPUSDT"``.

**Full** (option ``channel=full``) has deltas only: see ``_bybit_numbers.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, TypeVar

from msgspec import Struct, field

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues import _bybit_topics as topics
from booksync.venues._bybit_numbers import Full, Loose
from booksync.venues.base import Integer
from booksync.venues.declared import DeclaredVenue, Operation, Requests, RestBook
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

__all__ = ["Bybit"]

N = TypeVar("N")
FULL_LEVELS = 10_000


class Data(Struct, Generic[N], gc=False):
    """A book's levels and numbers; ``cts`` stands here in REST answers only."""

    s: str
    b: list[tuple[N, N]]
    a: list[tuple[N, N]]
    u: Integer
    seq: Integer
    cts: Integer = 0


class Push(Struct, Generic[N]):
    """``{"topic":"orderbook.50.BTCUSDT","type":"delta","data":{…},"cts":…}``."""

    topic: str
    type: Literal["snapshot", "delta"]
    data: Data[N]
    ts: Integer = 0
    cts: Integer = 0


class Control(Struct):
    """Whatever is not a push of a book."""

    topic: str = ""
    op: str = ""
    req_id: str = ""
    success: bool | None = None
    ret_msg: str = ""
    type: str = ""


class Answer(Struct, Generic[N]):
    """A REST answer."""

    retCode: int  # noqa: N815 - the venue's name
    result: N
    retMsg: str = ""  # noqa: N815


BookAnswer = Answer[Data[N]]


class PriceFilter(Struct):
    """Holds the price step."""

    tickSize: Decimal  # noqa: N815


class LotSizeFilter(Struct):
    """Holds the size step, by its name on spot or on futures."""

    basePrecision: Decimal | None = None  # noqa: N815
    qtyStep: Decimal | None = None  # noqa: N815


class Listed(Struct):
    """One instrument."""

    symbol: str
    status: str
    priceFilter: PriceFilter  # noqa: N815
    lotSizeFilter: LotSizeFilter  # noqa: N815


class Listing(Struct):
    """Result of ``instruments-info``."""

    entries: list[Listed] = field(name="list")


class Session(Requests):
    """One connection: its requests and last numbers."""

    __slots__ = ("full", "loose")

    def __init__(self) -> None:
        super().__init__()
        self.full = Full()
        self.loose = Loose()

    def missed(self, symbol: str | None) -> None:
        """Without strict ``u`` nothing else shows it: leave a hole."""
        self.loose.skip(symbol)


class Bybit(DeclaredVenue):
    """Bybit spot, linear or inverse, one market by option."""

    id = "bybit"
    facts = Facts(
        markets="spot, linear, inverse",
        source=Source.STREAM,
        assurance=Assurance.COUNTED,
        numbering=Numbering.SYMBOL,
        resync=Resync.RESUBSCRIBE,
        levels=1000,
        verified="depth: continuity and final book (linear, depth 500, 2024)",
        unverified=(
            "that u is contiguous on every JSON depth (option strict_u)",
            "the full channel (no recorded frames)",
            "whether a level that leaves the depth is announced (so it is cut here)",
            "whether deltas list touched or net levels",
        ),
        url="https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook",
        date="2026-07-24",
    )
    limits = Limits(
        symbols=200,  # topics of one connection: 21,000 characters
        symbols_per_frame=10,
        connects=500,
        connects_window=300.0,
        weight=500,  # of 600
        weight_window=5.0,
    )
    heartbeat = Heartbeat(interval=20.0, silence=50.0)
    WS_URL = "wss://stream.bybit.com"
    REST_URL = "https://api.bybit.com"
    PING = '{"req_id":"ping","op":"ping"}'  # its answer says "op":"ping", too
    SESSION = Session
    PUSH, CONTROL, BOOK, LISTING = Push, Control, BookAnswer, Answer[Listing]
    REST_BOOK = RestBook(
        path="/v5/market/full_orderbook", ending="/market/full_orderbook"
    )
    CASE = "upper"
    STREAM_PATH = "/v5/public/{market}"
    DEPTHS = (1, 50, 200, 1000, FULL_LEVELS)
    default_depth = 1000
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "market": ("spot", "linear", "inverse"),
        "channel": ("depth", "full"),
        "strict_u": ("yes", "no"),
    }

    def setup(self) -> None:
        """Say what the chosen channel promises."""
        super().setup()
        self._full = self.options["channel"] == "full"
        self._loose = not self._full and self.options["strict_u"] == "no"
        new: dict[str, Any] = {"levels": self.depth}
        if self.depth not in ((1000, FULL_LEVELS) if self._full else self.DEPTHS[:-1]):
            raise ConfigurationError("bybit: depth 10000 and channel=full go together")
        if self._full:
            self.depth = FULL_LEVELS
            new = {"source": Source.REST, "resync": Resync.FETCH, "levels": None}
        else:
            self.keep = self.depth
        if self._loose:
            new |= {"assurance": Assurance.ORDERED, "numbering": None}
        self.amend(**new)

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"req_id":"1","op":"subscribe","args":["orderbook.50.BTCUSDT"]}``."""
        args = [topics.topic(symbol, self.keep) for symbol in symbols]
        return {"req_id": str(number), "op": operation, "args": args}

    def read_push(self, push: Push[Any], session: Session) -> Sequence[Message]:
        """A snapshot or a delta of a topic that is read."""
        data = push.data
        channel = topics.channel(push.topic, self.keep)
        name = channel.name
        if not name:
            return ()
        if channel.symbol != data.s or data.u < 1 or data.seq < 0:
            reason = f"{data.s!r}, u={data.u}, seq={data.seq} on {push.topic!r}"
            raise MalformedMessage(reason, name)
        time = (push.cts or push.ts) / 1000 or None
        if self._full:
            return session.full.read(name, push.type, data, time)
        if push.type == "snapshot":
            session.loose.begin(name, data)
            return (Snapshot(name, data.u, data.b, data.a, channel.depth, time),)
        if self._loose:
            return (session.loose.delta(name, data, time),)
        # "u == 1" in a delta is not documented: it follows nothing.
        first = data.u == 1
        return (Delta(name, data.u - 1, data.u, data.b, data.a, time, reset=first),)

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """A broken book, a pong, an answer or an error."""
        if control.topic:
            name = topics.channel(control.topic, self.keep).name
            if name:
                raise MalformedMessage(problem, name)
            return ()
        if control.op in {"ping", "pong"}:
            return ()
        if control.success is None:
            raise MalformedMessage("neither a book nor an answer")
        if control.success:
            return session.confirmed(control.req_id)
        operation, symbols = session.of(control.req_id)
        if operation == "unsubscribe":
            return ()
        reason = control.ret_msg
        return (Rejected(topics.refused(reason, symbols, self.keep), reason),)

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /v5/market/full_orderbook`` (``channel=full``)."""
        params = {"category": self.options["market"], "symbol": symbol}
        return Request(path=self.REST_BOOK.path, params=params)

    def read_book(
        self, book: Answer[Data[Any]], symbol: str, depth: int | None
    ) -> Snapshot:
        """``{"retCode":0,"result":{"s":…,"a":…,"b":…,"u":…,"seq":…,"cts":…}}``."""
        data = book.result
        if book.retCode or data.s != symbol or data.seq < 0:
            reason = f"snapshot: {data.s!r}, code {book.retCode} {book.retMsg}"
            raise MalformedMessage(reason, symbol)
        time = data.cts / 1000 or None
        return Snapshot(symbol, data.seq, data.b, data.a, depth, time)

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /v5/market/instruments-info``: the first thousand."""
        params = {"category": self.options["market"], "limit": "1000"}
        return (Request(path="/v5/market/instruments-info", params=params),)

    def listed(self, answer: Answer[Listing]) -> Iterable[Instrument]:
        """``tickSize``, and ``basePrecision`` (spot) or ``qtyStep`` (futures)."""
        if answer.retCode:
            raise ValueError(answer.retMsg)
        for entry in answer.result.entries:
            size = entry.lotSizeFilter
            yield Instrument(
                symbol=entry.symbol,
                price_step=entry.priceFilter.tickSize,
                size_step=size.qtyStep or size.basePrecision,
                active=entry.status == "Trading",
            )
