"""
dYdX v4 (the indexer): one number for all messages of a connection, perhaps reordered.

Facts: docs.dydx.exchange (indexer websocket, uncross order book), docs.dydx.xyz, read
2026-11; shapes only: no v4 frames were at hand.

``message_id`` counts every message of the connection from 0. On v3 none was missing,
but answers to subscribes came up to 21 numbers late; whether v4 does that is not known.
So messages are handed on strictly in the order of their numbers: one that comes early
waits, and a number that is still missing when ``reorder`` others have come is lost
(:class:`Lost`). A book is thus never ahead of a message that it has not seen.

Books cross as a matter of course: there is no canonical book, and readers uncross.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Lost,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE
from booksync.venues.declared import DeclaredVenue, Operation, Requests, pairs
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


class Data(Struct, Generic[N], gc=False):
    """``{"type":"channel_data","message_id":2,"id":"BTC-USD","contents":{…}}``."""

    type: str
    channel: str
    id: str
    message_id: Number
    contents: Changes[N] | None = None


class Level(Struct, Generic[N]):
    """A snapshot's level is an object."""

    price: N
    size: N


class Whole(Struct, Generic[N]):
    """A snapshot's contents."""

    bids: list[Level[N]] = []
    asks: list[Level[N]] = []


class Answer(Struct, Generic[N]):
    """``"type":"subscribed"``: the answer to a subscribe is the snapshot."""

    contents: Whole[N]


class Batch(Struct, Generic[N]):
    """``"type":"channel_batch_data"``: several changes under one number."""

    contents: list[Changes[N]] = []


class Header(Struct):
    """What every message has."""

    type: str
    message_id: Number
    channel: str = ""
    id: str = ""
    message: str = ""


class Market(Struct):
    """One of ``/v4/perpetualMarkets``."""

    status: str
    tickSize: Decimal  # noqa: N815 - the venue's name
    stepSize: Decimal  # noqa: N815


class Markets(Struct):
    """Answer of ``/v4/perpetualMarkets``, by id."""

    markets: dict[str, Market]


class Session(Requests):
    """The next number, what came before its turn, and each symbol's last number."""

    __slots__ = ("early", "last", "next")

    def __init__(self) -> None:
        super().__init__()
        self.next = 0
        self.early: dict[int, Any] = {}
        self.last: dict[str, int] = {}


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
        """An answer and a batch are read again, for what they hold."""
        super().setup()
        self._answer = self.wire_decoder(Answer)
        self._batch = self.wire_decoder(Batch)
        self._reorder = int(self.options["reorder"])

    def session(self) -> Session:
        """Numbers of this connection."""
        return Session()

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"type":"subscribe","channel":"v4_orderbook","id":…,"batched":false}``."""
        (symbol,) = symbols
        batched = {"batched": self.options["batched"] == "yes"}
        rest = batched if operation == "subscribe" else {}
        return {"type": operation, "channel": CHANNEL, "id": symbol, **rest}

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a message, and hand on all whose turn it is."""
        try:
            data = self._push.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, session, str(error))
        if data.type != "channel_data" or data.channel != CHANNEL:
            return self._parse_other(frame, session, f"type {data.type!r}")
        number = data.message_id
        if number == session.next and not session.early:
            session.next += 1
            return _messages(data, number, session)
        return self._in_turn(number, data, session)

    def _parse_other(
        self, frame: str | bytes, session: Session, reason: str
    ) -> Sequence[Message]:
        header: Header = self.decode(self._control, frame)
        number, symbol = header.message_id, header.id
        try:
            item = self._item(header, frame, reason)
        except MalformedMessage as error:
            if number >= session.next:
                session.early.setdefault(number, symbol)
            raise MalformedMessage(error.reason, symbol or None) from None
        return self._in_turn(number, item, session)

    def _item(self, header: Header, frame: str | bytes, reason: str) -> Any:
        """What is to be handed on in turn: a message, data, or nothing."""
        if header.type == "error":
            return Rejected((), header.message)
        if header.channel != CHANNEL:
            return None
        match header.type:
            case "channel_data":
                raise MalformedMessage(reason)
            case "channel_batch_data":
                parts = self.decode(self._batch, frame).contents
                bids = [level for part in parts for level in part.bids]
                asks = [level for part in parts for level in part.asks]
                changes = Changes(bids, asks)
                return Data(header.type, CHANNEL, header.id, header.message_id, changes)
            case "subscribed":
                whole = self.decode(self._answer, frame).contents
                bids, asks = pairs(whole.bids), pairs(whole.asks)
                return Snapshot(header.id, header.message_id, bids, asks, LEVELS)
            case "unsubscribed":
                return Unsubscribed((header.id,))
            case _:
                return None

    def _in_turn(self, number: int, item: Any, session: Session) -> Sequence[Message]:
        early = session.early
        if number < session.next or number in early:
            return () if number in early else _stale(item, number)
        early[number] = item
        found: list[Message] = []
        while True:
            while session.next in early:
                item = early.pop(session.next)
                found += _messages(item, session.next, session)
                session.next += 1
            if not early or len(early) < self._reorder:
                break
            got = min(early)
            found.append(Lost(session.next, got))
            session.next = got
        return found

    def listed(self, answer: Markets) -> Iterable[Instrument]:
        """``tickSize`` and ``stepSize``; the status ``ACTIVE`` trades."""
        for symbol, market in answer.markets.items():
            yield Instrument(
                symbol=symbol,
                price_step=market.tickSize,
                size_step=market.stepSize,
                active=market.status == "ACTIVE",
            )


def _stale(item: Any, number: int) -> Sequence[Message]:
    """A duplicate: a delta is handed on, to be counted stale."""
    if not isinstance(item, Data):
        return ()
    changes = item.contents or Changes()
    return (Delta(item.id, number - 1, number, changes.bids, changes.asks),)


def _messages(item: Any, number: int, session: Session) -> Sequence[Message]:
    """Chain a symbol's deltas, in the order of the connection's numbers."""
    last = session.last
    if isinstance(item, Data):
        symbol, changes = item.id, item.contents or Changes()
        prev = last.get(symbol, number - 1)
        if symbol in last:
            last[symbol] = number
        return (Delta(symbol, prev, number, changes.bids, changes.asks),)
    if isinstance(item, Snapshot):
        last[item.symbol] = number
        return (Subscribed((item.symbol,)), item)
    if isinstance(item, str):  # a message that could not be read
        if item in last:
            last[item] = number  # so that the symbol's next delta is a gap
        return ()
    if isinstance(item, Unsubscribed):
        last.pop(item.symbols[0], None)
    return () if item is None else (item,)
