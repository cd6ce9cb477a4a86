"""
dYdX v4 (the indexer): one number for all messages of a connection, perhaps reordered.

Facts: docs.dydx.exchange (indexer websocket, uncross order book), docs.dydx.xyz, read
2026-11; shapes only: no v4 frames were at hand.

``message_id`` counts every message of the connection from 0. On v3 none was missing,
but answers to subscribes came up to 21 numbers late; whether v4 does that is not known.
So :mod:`booksync.venues._dydx_order` hands messages on in the order of their numbers.

Books cross as a matter of course: there is no canonical book, and readers uncross.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import Message, Rejected, Snapshot, Unsubscribed
from booksync.venues._dydx_order import Item, Ordered
from booksync.venues.declared import DeclaredVenue, Operation, pairs
from booksync.venues.facts import (
    Assurance,
    Crossing,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["Dydx"]

N = TypeVar("N")
CHANNEL = "v4_orderbook"
LEVELS = 100
Number = Annotated[int, Meta(ge=0)]


class Changes(Struct, Generic[N], gc=False):
    """Changed levels; a side may be absent."""

    bids: list[tuple[N, N]] = []
    asks: list[tuple[N, N]] = []


#: Contents of ``"type":"channel_batch_data"``.
Batch = list[Changes[N]]


class Data(Struct, Generic[N], gc=False):
    """``{"type":"channel_data","message_id":2,"id":"BTC-USD","contents":{…}}``."""

    type: Literal["channel_data"]
    channel: Literal["v4_orderbook"]
    id: str
    message_id: Number
    contents: Changes[N] | None = None


class Level(Struct, Generic[N]):
    """A snapshot's level is an object."""

    price: N
    size: N


class Whole(Struct, Generic[N]):
    """``"type":"subscribed"``: the answer to a subscribe is the snapshot."""

    bids: list[Level[N]] = []
    asks: list[Level[N]] = []


class Header(Struct):
    """What every message has."""

    type: str
    message_id: Number
    channel: str = ""
    id: str = ""
    message: str = ""
    contents: msgspec.Raw = msgspec.Raw(b"")


class Market(Struct):
    """One of ``/v4/perpetualMarkets``."""

    status: str
    tickSize: Decimal  # noqa: N815 - the venue's name
    stepSize: Decimal  # noqa: N815


class Markets(Struct):
    """Answer of ``/v4/perpetualMarkets``, by id."""

    markets: dict[str, Market]


class Dydx(DeclaredVenue):
    """dYdX v4 perpetuals."""

    id = "dydx"
    facts = Facts(
        markets="perpetuals",
        source=Source.STREAM,
        assurance=Assurance.COUNTED,
        numbering=Numbering.CONNECTION,
        crossing=Crossing.UNCROSS,
        resync=Resync.RESUBSCRIBE,
        verified="reordered numbers lose nothing: frames of v3, 2021",
        unverified=(
            "all else: no v4 frames were at hand (shapes follow the documentation)",
            "whether messages come reordered (option reorder)",
            "how many levels a snapshot has (100 are assumed)",
            "the REST limit",
        ),
        url="https://docs.dydx.exchange/api_integration-indexer/indexer_websocket",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=32,
        symbols_per_frame=1,
        messages=1.5,  # of 2 subscribes a second
        weight=50,
        weight_window=10.0,
    )
    heartbeat = Heartbeat(silence=60.0)  # the venue's own pings are protocol pings
    WS_URL = "wss://indexer.dydx.trade/v4/ws"
    REST_URL = "https://indexer.dydx.trade"
    PUSH, CONTROL, LISTING = Data, Header, Markets
    LISTINGS = (Request(path="/v4/perpetualMarkets"),)
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "reorder": ("50", "0"),
        "batched": ("no", "yes"),
    }

    def setup(self) -> None:
        """A batch is several changes under one number."""
        super().setup()
        self._whole = self.wire_decoder(Whole)
        self._batch = self.wire_decoder(Batch)

    def session(self) -> Ordered:
        """Numbers of this connection."""
        return Ordered(int(self.options["reorder"]))

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"type":"subscribe","channel":"v4_orderbook","id":…,"batched":false}``."""
        (symbol,) = symbols
        batched = {"batched": self.options["batched"] == "yes"}
        rest = batched if operation == "subscribe" else {}
        return {"type": operation, "channel": CHANNEL, "id": symbol, **rest}

    def read_push(self, push: Data[Any], session: Ordered) -> Sequence[Message]:
        """A change, and all that waited for it."""
        changes = push.contents or Changes()
        item = (push.id, changes.bids, changes.asks)
        return session.take(push.message_id, item)

    def read_control(
        self, control: Header, session: Ordered, problem: str
    ) -> Sequence[Message]:
        """Whatever it is, its number counts."""
        try:
            item = self._item(control, problem)
        except MalformedMessage as error:
            session.unreadable(control.message_id, control.id)
            raise MalformedMessage(error.reason, control.id or None) from None
        return session.take(control.message_id, item)

    def _item(self, control: Header, problem: str) -> Item:
        symbol, contents = control.id, bytes(control.contents)
        if control.type == "error":
            return Rejected((), control.message)
        if control.channel != CHANNEL:
            return None
        match control.type:
            case "channel_data":
                raise MalformedMessage(problem)
            case "channel_batch_data":
                parts = self.decode(self._batch, contents or b"[]")
                bids = [level for part in parts for level in part.bids]
                asks = [level for part in parts for level in part.asks]
                return (symbol, bids, asks)
            case "subscribed":
                whole = self.decode(self._whole, contents)
                bids, asks = pairs(whole.bids), pairs(whole.asks)
                return Snapshot(symbol, control.message_id, bids, asks, LEVELS)
            case "unsubscribed":
                return Unsubscribed((symbol,))
            case _:
                return None

    def listed(self, answer: Markets) -> Iterable[Instrument]:
        """``tickSize`` and ``stepSize``; the status ``ACTIVE`` trades."""
        for symbol, market in answer.markets.items():
            yield Instrument(
                symbol=symbol,
                price_step=market.tickSize,
                size_step=market.stepSize,
                active=market.status == "ACTIVE",
            )
