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

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from msgspec import Meta, Struct

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Closing, Delta, Levels, Message, Snapshot
from booksync.venues import _gate_answers as answers
from booksync.venues import _gate_obu as obu
from booksync.venues._gate_answers import Control, Problem
from booksync.venues.base import Count
from booksync.venues.declared import (
    DeclaredVenue,
    Operation,
    Requests,
    RestBook,
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

__all__ = ["Gate"]

N = TypeVar("N")
L = TypeVar("L")
UNKNOWN_SYMBOL = {"INVALID_CURRENCY_PAIR", "INVALID_CURRENCY", "CONTRACT_NOT_FOUND"}


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


PairPush = Push[tuple[N, N]]
PairBook = Book[tuple[N, N]]


class Pair(Struct):
    """``{"id":"BTC_USDT","precision":1,"amount_precision":6,…}``."""

    id: str
    precision: int
    amount_precision: int
    trade_status: str = "tradable"


class Gate(DeclaredVenue):
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
    REST_BOOK = RestBook(
        path="/api/v4/spot/order_book",
        symbol="currency_pair",
        depth="limit",
        params={"with_id": "true", "interval": "0"},  # without id there is no sequence
        ending="/order_book",
    )
    LISTINGS = (Request(path="/api/v4/spot/currency_pairs"),)
    PUSH, CONTROL, BOOK, PROBLEM = PairPush, Control, PairBook, Problem
    LISTING: ClassVar[Any] = list[Pair]
    CASE = "upper"
    STREAM_PATH = "/"  # part of it
    DEPTHS: ClassVar[tuple[int, ...]] = (20, 50, 100, 400)
    default_depth = 100
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "channel": ("order_book_update", "obu"),
        "truncate": ("yes", "no"),
    }
    MARKET = "spot"
    #: Levels that each channel follows, least first.
    LEVELS: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "order_book_update": (20, 100),
        "obu": (50, 400),
    }
    #: REST times a second.
    TIME_UNIT = 1000.0

    def setup(self) -> None:
        """Choose the channel and its levels: the least that hold the depth."""
        super().setup()
        channel = self.options["channel"]
        self._obu = channel == "obu"
        self._channel = f"{self.MARKET}.{channel}"
        wanted = self.depth or 0
        fit = [levels for levels in self.LEVELS[channel] if levels >= wanted]
        if not fit:
            raise ConfigurationError(f"{self.id}: {channel} has no {wanted} levels")
        self.depth = fit[0]
        if self._obu:
            source, resync = Source.STREAM, Resync.RESUBSCRIBE
            self.amend(source=source, resync=resync, levels=self.depth, verified="")
        else:
            self.symbols_per_frame = 1
            self.keep = self.depth if self.options["truncate"] == "yes" else None

    def levels(self, levels: list[Any]) -> Levels:
        """Make ``(price, size)`` of levels of ``order_book_update`` or REST."""
        return levels

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"time":…,"id":1,"channel":"spot.obu","event":"subscribe",…}``."""
        return {
            "time": int(now),
            "id": number,
            "channel": self._channel,
            "event": operation,
            "payload": self.payload(symbols),
        }

    def payload(self, symbols: Sequence[str]) -> list[str]:
        """``["ob.BTC_USDT.400"]`` or ``["BTC_USDT","100ms"]``."""
        if self._obu:
            return obu.streams(symbols, self.depth)
        return [*symbols, "20ms" if self.depth == 20 else "100ms"]  # noqa: PLR2004

    def ping(self, session: Requests, now: float) -> str:
        """``{"time":1747054611,"channel":"spot.ping"}``."""
        return f'{{"time":{int(now)},"channel":"{self.MARKET}.ping"}}'

    def read_push(self, push: Push[Any], session: Requests) -> Sequence[Message]:
        """A full push is a snapshot; any other has a range."""
        if push.channel != self._channel:
            return ()
        update = push.result
        symbol, depth = update.s, self.depth
        if self._obu:
            symbol, depth = obu.stream(symbol)
        bids, asks = self.levels(update.b), self.levels(update.a)
        time = update.t / 1000 or None
        if update.full:
            return (Snapshot(symbol, update.u, bids, asks, depth, time),)
        if not 0 < update.U <= update.u:
            raise MalformedMessage(f"U={update.U}, u={update.u}", symbol)
        return (Delta(symbol, update.U - 1, update.u, bids, asks, time),)

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """Answers repeat the id or the payload of the request."""
        result = answers.result_of(control)
        if result.type == "upgrade":
            return (Closing("service upgrade"),)
        if control.channel != self._channel:
            return ()  # pong, another channel
        if control.event in {"subscribe", "unsubscribe"}:
            symbols = session.of(control.id)[1] or self._named(control)
            return answers.meaning(control, result, symbols)
        symbol = obu.stream(result.s)[0] if self._obu else result.s
        raise MalformedMessage(problem, symbol or None)

    def _named(self, control: Control) -> tuple[str, ...]:
        """Whom an answer is about by its payload, where it does not repeat the id."""
        payload = control.payload if isinstance(control.payload, list) else []
        names = [name for name in payload if isinstance(name, str)]
        return obu.named(names) if self._obu else tuple(names[:1])

    def read_book(self, book: Book[Any], symbol: str, depth: int | None) -> Snapshot:
        """``id`` is the number of the last change in it."""
        bids, asks = self.levels(book.bids), self.levels(book.asks)
        time = book.update / self.TIME_UNIT or None
        return Snapshot(symbol, book.id, bids, asks, depth, time)

    def unknown(self, problem: Problem) -> str | None:
        """By its label."""
        reason = f"{problem.message} ({problem.label})"
        return reason if problem.label in UNKNOWN_SYMBOL else None

    def listed(self, answer: list[Any]) -> Iterable[Instrument]:
        """``precision`` and ``amount_precision`` are decimals."""
        for pair in answer:
            yield Instrument(
                symbol=pair.id,
                price_step=step(pair.precision),
                size_step=step(pair.amount_precision),
                active=pair.trade_status == "tradable",
            )
