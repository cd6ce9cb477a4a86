"""
Crypto.com Exchange v1: deltas that name their predecessor, snapshot in the stream.

Facts: exchange-docs.crypto.com "book.{instrument_name}.{depth}" and a third party's
probe of 2026-09-22 (no break in 90,000 deltas); no recorded frames were at hand.

A delta carries ``(pu, u]``; numbers jump by thousands, only ``pu`` links. An empty
delta with ``u == pu`` is a sign of life, every five seconds. The parameters of the
subscription are snake_case: with any others the venue sends whole books instead.

Every frame has a ``cs``, whose algorithm nobody knows: it is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Reply, Snapshot, Subscribed
from booksync.venues.base import Integer
from booksync.venues.declared import DeclaredVenue, Operation, Requests, Row, pairs
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

__all__ = ["CryptoCom"]

N = TypeVar("N")
#: Unknown symbol, depth or channel.
REFUSED = 40003


class Sides(Struct, Generic[N], gc=False):
    """The levels of a delta."""

    asks: list[Row[N]]
    bids: list[Row[N]]


class Item(Struct, Generic[N], gc=False):
    """An element of ``data``; a delta has its sides in ``update``."""

    u: Integer
    t: Integer
    pu: Integer | None = None
    update: Sides[N] | None = None
    asks: list[Row[N]] | None = None
    bids: list[Row[N]] | None = None


class Result(Struct, Generic[N], gc=False):
    """``{"instrument_name":…,"channel":"book.update","depth":50,"data":[{…}]}``."""

    instrument_name: str
    channel: Literal["book", "book.update"]
    depth: int
    data: Annotated[list[Item[N]], Meta(min_length=1)]


class Push(Struct, Generic[N]):
    """``{"id":-1,"method":"subscribe","code":0,"result":{…}}``."""

    result: Result[N]


class Kind(Struct, frozen=True):
    """What a result is about."""

    channel: str = ""
    instrument_name: str | None = None


class Control(Struct):
    """Whatever is not a push of a book."""

    id: int = 0
    method: str = ""
    code: int = 0
    message: str = ""
    channel: str = ""
    result: Kind | None = None


class Listed(Struct):
    """One instrument."""

    symbol: str
    price_tick_size: Decimal
    qty_tick_size: Decimal
    tradable: bool


class Listings(Struct):
    """Holds the instruments."""

    data: list[Listed]


class Listing(Struct):
    """Answer of ``get-instruments``."""

    code: int
    result: Listings


class CryptoCom(DeclaredVenue):
    """Crypto.com Exchange: spot, perpetuals, futures."""

    id = "crypto_com"
    facts = Facts(
        markets="spot, perpetuals, futures",
        source=Source.STREAM,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        resync=Resync.RESUBSCRIBE,
        levels=50,
        verified="nothing: no recorded frames",
        unverified=(
            "the whole protocol (a third party's probe of 2026-09-22 saw no break)",
            "the checksum cs, which is not read",
            "whether deltas list touched or net levels",
        ),
        url="https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html#book-instrument_name-depth",
        date="2026-09-22",
    )
    limits = Limits(
        symbols=200,  # of 400 channels
        symbols_per_frame=1,  # an error names its request, not its symbol
        messages=10.0,  # of 100, less in the second of the connect
        weight=50,  # of 100
        weight_window=1.0,
    )
    heartbeat = Heartbeat(silence=65.0)  # the venue asks every 30 s
    WS_URL = "wss://stream.crypto.com/exchange/v1/market"
    REST_URL = "https://api.crypto.com"
    PUSH, CONTROL, LISTING = Push, Control, Listing
    LISTINGS = (Request(path="/exchange/v1/public/get-instruments"),)
    DEPTHS = (10, 50)
    default_depth = 50
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": ("10ms", "100ms")}

    def setup(self) -> None:
        """The venue keeps as many levels as it is asked for."""
        super().setup()
        self.amend(levels=self.depth)

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"id":1,"method":"subscribe","params":{…},"nonce":1790114272304}``."""
        params: dict[str, object] = {
            "channels": [f"book.{symbol}.{self.depth}" for symbol in symbols]
        }
        if operation == "subscribe":
            params["book_subscription_type"] = "SNAPSHOT_AND_UPDATE"
            params["book_update_frequency"] = int(self.options["speed"][:-2])
        nonce = round(now * 1000)
        return {"id": number, "method": operation, "params": params, "nonce": nonce}

    def read_push(self, push: Push[Any], session: Requests) -> Sequence[Message]:
        """Another depth has the same numbers, but is another book."""
        result = push.result
        if result.depth != self.depth:
            return ()
        make = self._delta if result.channel == "book.update" else self._snapshot
        return [make(result.instrument_name, item) for item in result.data]

    def _snapshot(self, symbol: str, item: Item[Any]) -> Snapshot:
        if item.bids is None or item.asks is None or item.u < 0:
            raise MalformedMessage("a side is missing, or u is negative", symbol)
        bids, asks = pairs(item.bids), pairs(item.asks)
        return Snapshot(symbol, item.u, bids, asks, self.depth, item.t / 1000)

    def _delta(self, symbol: str, item: Item[Any]) -> Delta:
        update, prev, last = item.update, item.pu, item.u
        if update is None or prev is None or not 0 <= prev <= last:
            raise MalformedMessage(f"pu={prev}, u={last}", symbol)
        bids, asks = pairs(update.bids), pairs(update.asks)
        # Equal numbers are a sign of life, and empty; if not, it still counts.
        reset = prev == last and bool(bids or asks)
        return Delta(symbol, prev, last, bids, asks, item.t / 1000, reset=reset)

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """A heartbeat wants an answer; a refusal names its request."""
        if control.method == "public/heartbeat":
            answer = {"id": control.id, "method": "public/respond-heartbeat"}
            return (Reply(msgspec.json.encode(answer).decode()),)
        kind = control.result
        if kind is not None:
            if kind.channel in {"book", "book.update"}:
                raise MalformedMessage(problem, kind.instrument_name)
            return ()  # another channel
        if not control.method:
            raise MalformedMessage("neither a book nor an answer")
        if control.code:
            reason = f"{control.message} (code {control.code})"
            return session.refused(control.id, reason, final=control.code == REFUSED)
        if control.method == "unsubscribe":
            return session.confirmed(control.id)
        name, _, depth = control.channel.removeprefix("book.").rpartition(".")
        ours = control.channel.startswith("book.") and depth == str(self.depth)
        return (Subscribed((name,)),) if ours and control.method == "subscribe" else ()

    def listed(self, answer: Listing) -> Iterable[Instrument]:
        """``price_tick_size`` and ``qty_tick_size``."""
        if answer.code:
            raise ValueError(f"code {answer.code}")
        for entry in answer.result.data:
            yield Instrument(
                symbol=entry.symbol,
                price_step=entry.price_tick_size,
                size_step=entry.qty_tick_size,
                active=entry.tradable,
            )
