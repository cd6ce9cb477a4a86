"""
dYdX v3: one counter for all messages of a connection, and an offset on each level.

The counter is complete but not in order: the answers to subscriptions (11 to 20 in
the recorded session) came after data numbered 21 to 32. A number is lost only when it
is still missing ``PATIENCE`` messages later. A level is taken only if its offset is
not older than the one it has: 34 of 5,122 recorded changes were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Lost, Message, Rejected, Snapshot, Unsubscribed
from booksync.venues import (
    Assurance,
    Crossing,
    Facts,
    Heartbeat,
    Numbering,
    Resync,
    Source,
    Venue,
)
from booksync.venues.base import UNREADABLE

CHANNEL = "v3_orderbook"
PATIENCE = 50

Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Level(Struct):
    """``{"price":"4322.8","offset":"2672997821","size":"19.12"}``."""

    price: str
    offset: int
    size: str


class Whole(Struct):
    bids: list[Level]
    asks: list[Level]


class Subscription(Struct, tag_field="type", tag="subscribed"):
    """``{"type":"subscribed","message_id":1,"channel":…,"id":…,"contents":{…}}``."""

    message_id: Count
    id: str
    contents: Whole


class Changes(Struct):
    """``{"offset":"2693988265","bids":[],"asks":[["4219.5","1.511"]]}``."""

    offset: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Data(Struct, tag_field="type", tag="channel_data"):
    message_id: Count
    id: str
    contents: Changes


class Header(Struct):
    type: str
    message_id: Count
    channel: str = ""
    id: str = ""
    message: str = ""


class Session:
    def __init__(self) -> None:
        self.next = 0
        self.missing: dict[int, int] = {}
        self.last: dict[str, int] = {}
        self.offsets: dict[tuple[str, str, str], int] = {}

    def account(self, number: int) -> tuple[bool, list[Message]]:
        """Whether ``number`` is new here, and what must be given up."""
        if number > self.next + PATIENCE:
            expected, self.next = self.next, number + 1
            return True, [Lost(expected, number)]
        if number >= self.next:
            self.missing.update(dict.fromkeys(range(self.next, number), number))
            self.next = number + 1
        elif self.missing.pop(number, None) is None:
            return False, []
        overdue = [n for n, seen in self.missing.items() if number - seen >= PATIENCE]
        for lost in overdue:
            del self.missing[lost]
        return True, [Lost(min(overdue), number)] if overdue else []


class DYdXV3(Venue):
    """dYdX v3 perpetuals; shut down."""

    id = "dydx_v3"
    facts = Facts(
        markets="perpetuals",
        source=Source.STREAM,
        assurance=Assurance.COUNTED,
        numbering=Numbering.CONNECTION,
        crossing=Crossing.NORMAL,
        resync=Resync.RECONNECT,
        verified="numbers complete, final books: 2021",
        url="https://github.com/bmoscon/cryptofeed/tree/ce58c2a/sample_data",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(silence=60.0)
    WS_URL = "wss://api.dydx.exchange/v3/ws"

    def setup(self) -> None:
        self._header = self.decoder(Header)
        self._data = self.decoder(Data)
        self._subscription = self.decoder(Subscription)

    def session(self) -> Session:
        return Session()

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("subscribe", symbol, includeOffsets=True) for symbol in symbols]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("unsubscribe", symbol) for symbol in symbols]

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        header: Header = self.decode(self._header, frame)
        new, messages = session.account(header.message_id)
        if header.type == "error":
            messages.append(Rejected((header.id,) if header.id else (), header.message))
        if not new or header.channel != CHANNEL:
            return messages
        if header.type == "unsubscribed":
            return [*messages, Unsubscribed((header.id,))]
        return [*messages, self._book(frame, header, session)]

    def _book(self, frame: str | bytes, header: Header, session: Session) -> Message:
        whole = header.type == "subscribed"
        try:
            book = (self._subscription if whole else self._data).decode(frame)
        except UNREADABLE as error:
            raise MalformedMessage(str(error), header.id or None) from None
        prev = session.last.get(book.id, -1)
        # A late one takes the next number: its offsets tell what of it still counts.
        number = session.last[book.id] = max(book.message_id, prev + 1)
        if whole:
            return _snapshot(book, number, session)
        return _delta(book, prev, number, session)


def _frame(operation: str, symbol: str, **extra: bool) -> str:
    request = {"type": operation, "channel": CHANNEL, "id": symbol, **extra}
    return msgspec.json.encode(request).decode()


def _snapshot(book: Subscription, number: int, session: Session) -> Snapshot:
    sides: dict[str, list[tuple[str, str]]] = {}
    for side, levels in (("b", book.contents.bids), ("a", book.contents.asks)):
        sides[side] = [(level.price, level.size) for level in levels]
        for level in levels:
            session.offsets[book.id, side, level.price] = level.offset
    return Snapshot(book.id, number, sides["b"], sides["a"])


def _delta(book: Data, prev: int, number: int, session: Session) -> Delta:
    sides: dict[str, list[tuple[str, str]]] = {}
    offset = book.contents.offset
    for side, levels in (("b", book.contents.bids), ("a", book.contents.asks)):
        kept = sides[side] = []
        for price, size in levels:
            key = book.id, side, price
            if session.offsets.get(key, 0) <= offset:
                session.offsets[key] = offset
                kept.append((price, size))
    return Delta(book.id, prev, number, sides["b"], sides["a"])
