"""
Poloniex ``book_lv2``: 20 levels, each update names its predecessor.

Facts: api-docs.poloniex.com (spot websocket, book level 2; v3 futures websocket) and
the probe of 2026-09-23 in nemanull/arbitrage-observatory, read 2026-11; checked on spot
frames of 2022.

"If id of the last message does not match lastId of the current message then the client
has lost connection with the server and must re-subscribe": an update carries
``(lastId, id]``; ids jump. Futures spell the same fields ``s``, ``lid``, ``cT``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct, field

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues.base import Integer
from booksync.venues.declared import (
    DeclaredVenue,
    Operation,
    Requests,
    acknowledged,
    partly,
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

__all__ = ["Poloniex"]

N = TypeVar("N")
R = TypeVar("R")
CHANNEL = "book_lv2"
LEVELS = 20


class Spot(Struct, Generic[N], gc=False):
    """A snapshot or an update of one symbol; ``ts`` is the time of the push."""

    symbol: str
    id: Integer
    last: Integer = field(name="lastId")
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    ts: Integer = 0


class Futures(Struct, Generic[N], gc=False):
    """The same as the v3 futures spell it."""

    symbol: str = field(name="s")
    id: Integer
    last: Integer = field(name="lid")
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    ts: Integer = 0


class Frame(Struct, Generic[R], gc=False):
    """``{"channel":"book_lv2","data":[{…}],"action":"update"}``."""

    channel: str
    action: str
    data: list[R]


SpotFrame = Frame[Spot[N]]
FuturesFrame = Frame[Futures[N]]


class Named(Struct):
    """What can still be read of a broken book."""

    symbol: str = ""
    s: str = ""


class Control(Struct):
    """Answers, errors, other channels, broken books."""

    channel: str = ""
    event: str = ""
    symbols: list[str] = []
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


class Trade(Struct):
    """Decimal places of a spot market."""

    priceScale: int  # noqa: N815 - the venue's name
    quantityScale: int  # noqa: N815


class Market(Struct):
    """One of ``/markets``."""

    symbol: str
    state: str
    symbolTradeLimit: Trade  # noqa: N815 - the venue's name


class Contract(Struct):
    """One of ``/v3/market/allInstruments``."""

    symbol: str
    status: str
    tSz: Decimal  # noqa: N815 - the venue's name
    lotSz: Decimal  # noqa: N815


class Contracts(Struct):
    """Answer of ``/v3/market/allInstruments``."""

    data: list[Contract]


class Poloniex(DeclaredVenue):
    """Poloniex spot (``BTC_USDT``), or futures (``BTC_USDT_PERP``) by option."""

    id = "poloniex"
    facts = Facts(
        markets="spot, futures",
        source=Source.STREAM,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        resync=Resync.RESUBSCRIBE,
        levels=LEVELS,
        verified="snapshots, continuity, final books: spot, 2022",
        unverified=(
            "futures (market=futures)",
            "answers to unsubscribe",
            "shape of the futures' instrument list",
        ),
        url="https://api-docs.poloniex.com/spot/websocket/market-data#book-level-2",
        date="2026-11-01",
    )
    limits = Limits(
        symbols_per_frame=1,  # an error does not name its symbol
        messages=50.0,  # of 500
    )
    heartbeat = Heartbeat(interval=15.0, silence=40.0)
    WS_URL = "wss://ws.poloniex.com"
    REST_URL = "https://api.poloniex.com"
    PING = '{"event":"ping"}'  # due 30 s after the last *client* frame
    PUSH, CONTROL, LISTING = SpotFrame, Control, list[Market]
    LISTINGS = (Request(path="/markets"),)
    CASE = "upper"
    STREAM_PATH = "/ws/public"
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"market": ("spot", "futures")}

    def setup(self) -> None:
        """Futures have a stream, a spelling and a listing of their own."""
        super().setup()
        self._futures = self.options["market"] == "futures"
        if self._futures:
            self._push = self.wire_decoder(FuturesFrame)
            self._listing = self.decoder(Contracts)

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """Spot and futures have paths of their own."""
        return base + ("/ws/v3/public" if self._futures else self.STREAM_PATH)

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"event":"subscribe","channel":["book_lv2"],"symbols":["BTC_USDT"]}``."""
        return {"event": operation, "channel": [CHANNEL], "symbols": symbols}

    def read_push(self, push: SpotFrame[Any], session: Requests) -> Sequence[Message]:
        """Updates and snapshots."""
        if push.channel != CHANNEL:
            return ()
        if push.action == "update":
            return [_delta(row) for row in push.data]
        if push.action == "snapshot":
            return [_snapshot(row) for row in push.data]
        raise MalformedMessage(f"action {push.action!r}")

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """An acknowledgement lists its symbols, an error names none."""
        if control.event == "error":
            return (Rejected((), control.message),)
        if control.channel == CHANNEL:
            if control.event in {"subscribe", "unsubscribe"}:
                return (acknowledged(control.event, control.symbols),)
            rows = partly(control.data, list[Named])
            symbols = [row.symbol or row.s or None for row in rows]
            raise MalformedMessage(problem, symbols[0] if len(rows) == 1 else None)
        if control.event or control.channel:
            return ()  # a pong, another channel
        raise MalformedMessage("neither a book nor an answer")

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /markets`` or ``GET /v3/market/allInstruments``."""
        futures = (Request(path="/v3/market/allInstruments"),)
        return futures if self._futures else self.LISTINGS

    def listed(self, answer: list[Market] | Contracts) -> Iterable[Instrument]:
        """Spot gives decimal places, futures steps."""
        if isinstance(answer, Contracts):
            for contract in answer.data:
                yield Instrument(
                    symbol=contract.symbol,
                    price_step=contract.tSz,
                    size_step=contract.lotSz,
                    active=contract.status == "OPEN",
                )
            return
        for market in answer:
            yield Instrument(
                symbol=market.symbol,
                price_step=step(market.symbolTradeLimit.priceScale),
                size_step=step(market.symbolTradeLimit.quantityScale),
                active=market.state == "NORMAL",
            )


def _delta(row: Spot[Any]) -> Delta:
    if not 0 <= row.last < row.id:
        raise MalformedMessage(f"lastId={row.last}, id={row.id}", row.symbol)
    time = row.ts / 1000 if row.ts else None
    return Delta(row.symbol, row.last, row.id, row.bids, row.asks, time)


def _snapshot(row: Spot[Any]) -> Snapshot:
    if row.id < 0:
        raise MalformedMessage(f"id={row.id}", row.symbol)
    time = row.ts / 1000 if row.ts else None
    return Snapshot(row.symbol, row.id, row.bids, row.asks, LEVELS, time)
