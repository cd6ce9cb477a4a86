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

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct, field

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
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

__all__ = ["Poloniex"]

N = TypeVar("N")
#: What no number of the venue exceeds: larger ones overflow a float.
Integer = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
CHANNEL = "book_lv2"
LEVELS = 20
Places = Annotated[int, msgspec.Meta(ge=0, le=30)]


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


class SpotFrame(Struct, Generic[N], gc=False):
    """``{"channel":"book_lv2","data":[{…}],"action":"update"}``."""

    channel: str
    action: str
    data: list[Spot[N]]


class FuturesFrame(Struct, Generic[N], gc=False):
    """The same of the v3 futures."""

    channel: str
    action: str
    data: list[Futures[N]]


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

    priceScale: Places  # noqa: N815 - the venue's name
    quantityScale: Places  # noqa: N815


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


class Poloniex(Venue):
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
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"market": ("spot", "futures")}

    def setup(self) -> None:
        """Make the decoders for the market and the number type."""
        self._futures = self.options["market"] == "futures"
        kind = FuturesFrame if self._futures else SpotFrame
        self._frame = self.decoder(kind, self.text)
        self._control = self.decoder(Control)
        self._named = self.decoder(list[Named])

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case."""
        return super().prepare(symbol).upper()

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """Spot and futures have paths of their own."""
        return base + ("/ws/v3/public" if self._futures else "/ws/public")

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        """``{"event":"subscribe","channel":["book_lv2"],"symbols":["BTC_USDT"]}``."""
        return [_request("subscribe", symbol) for symbol in symbols]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        return [_request("unsubscribe", symbol) for symbol in symbols]

    def ping(self, session: Any, now: float) -> str:
        """Due within 30 s of the last *client* frame, whatever the server sends."""
        return '{"event":"ping"}'

    def parse(self, frame: str | bytes, session: Any) -> Sequence[Message]:
        """Read updates, snapshots, an answer or an error."""
        try:
            book = self._frame.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, str(error))
        if book.channel != CHANNEL:
            return ()
        if book.action == "update":
            return [_delta(row) for row in book.data]
        if book.action == "snapshot":
            return [_snapshot(row) for row in book.data]
        raise MalformedMessage(f"action {book.action!r}")

    def _parse_other(self, frame: str | bytes, reason: str) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        symbols = tuple(control.symbols)
        if control.event == "error":
            return (Rejected((), control.message),)
        if control.channel == CHANNEL and control.event == "subscribe":
            return (Subscribed(symbols),)
        if control.channel == CHANNEL and control.event == "unsubscribe":
            return (Unsubscribed(symbols),)
        if control.channel == CHANNEL:
            try:
                named = self._named.decode(control.data)
            except UNREADABLE:
                raise MalformedMessage(reason) from None
            symbol = named[0].symbol or named[0].s if len(named) == 1 else ""
            raise MalformedMessage(reason, symbol or None)
        if control.event or control.channel:
            return ()  # a pong, another channel
        raise MalformedMessage("neither a book nor an answer")

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /markets`` or ``GET /v3/market/allInstruments``."""
        path = "/v3/market/allInstruments" if self._futures else "/markets"
        return (Request(path=path),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """Spot gives decimal places, futures steps."""
        if self._futures:
            contracts = self.decode(self.decoder(Contracts), body).data
            return [
                Instrument(
                    symbol=entry.symbol,
                    price_step=entry.tSz,
                    size_step=entry.lotSz,
                    active=entry.status == "OPEN",
                )
                for entry in contracts
            ]
        return [
            Instrument(
                symbol=entry.symbol,
                price_step=Decimal((0, (1,), -entry.symbolTradeLimit.priceScale)),
                size_step=Decimal((0, (1,), -entry.symbolTradeLimit.quantityScale)),
                active=entry.state == "NORMAL",
            )
            for entry in self.decode(self.decoder(list[Market]), body)
        ]


def _request(event: str, symbol: str) -> str:
    content = {"event": event, "channel": [CHANNEL], "symbols": [symbol]}
    return msgspec.json.encode(content).decode()


def _delta(row: Any) -> Delta:
    if not 0 <= row.last < row.id:
        raise MalformedMessage(f"lastId={row.last}, id={row.id}", row.symbol)
    time = row.ts / 1000 if row.ts else None
    return Delta(row.symbol, row.last, row.id, row.bids, row.asks, time)


def _snapshot(row: Any) -> Snapshot:
    if row.id < 0:
        raise MalformedMessage(f"id={row.id}", row.symbol)
    time = row.ts / 1000 if row.ts else None
    return Snapshot(row.symbol, row.id, row.bids, row.asks, depth=LEVELS, time=time)
