"""Delta Exchange ``l2_orderbook``: every frame is a whole book."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Message, Rejected, Snapshot, Subscribed
from booksync.venues import Assurance, Facts, Heartbeat, Resync, Source, Venue
from booksync.venues.base import UNREADABLE

T = TypeVar("T")
N = TypeVar("N")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
CHANNEL = "l2_orderbook"


class Level(Struct, Generic[T, N]):
    """``{"depth":"1432","limit_price":"1241.00","size":1432}``: size in contracts."""

    limit_price: T
    size: N


class Book(Struct, Generic[T, N]):
    """``{"buy":[…],"sell":[…],"last_sequence_no":…,"symbol":…,"timestamp":…}``."""

    type: Literal["l2_orderbook"]
    symbol: str
    last_sequence_no: Count
    timestamp: Count
    buy: list[Level[T, N]]
    sell: list[Level[T, N]]


class Channel(Struct):
    name: str
    symbols: list[str] = []
    error: str = ""


class Control(Struct):
    """``{"type":"subscriptions","channels":[{"name":…,"symbols":[…]}]}``."""

    type: str
    symbol: str = ""
    channels: list[Channel] = []


class DeltaExchange(Venue):
    """Delta Exchange options and futures."""

    id = "delta"
    facts = Facts(
        markets="options, futures",
        source=Source.EVERY_FRAME,
        assurance=Assurance.ORDERED,
        numbering=None,
        resync=Resync.WAIT,
        verified="whole books, final books: 2021",
        url="https://github.com/bmoscon/cryptofeed/tree/ce58c2a/sample_data",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(silence=60.0)
    WS_URL = "wss://socket.delta.exchange"

    def setup(self) -> None:
        kind: Any = Book[self.text, self.number]  # type: ignore[name-defined]
        self._book = self.decoder(kind)
        self._control = self.decoder(Control)

    def session(self) -> dict[str, int]:
        """Newest number by symbol."""
        return {}

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("subscribe", symbols)]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("unsubscribe", symbols)]

    def parse(self, frame: str | bytes, session: dict[str, int]) -> Sequence[Message]:
        try:
            book = self._book.decode(frame)
        except UNREADABLE as error:
            return _other(self.decode(self._control, frame), str(error))
        symbol, number = book.symbol, book.last_sequence_no
        if number < session.get(symbol, 0):
            return ()
        session[symbol] = number
        bids = [(level.limit_price, level.size) for level in book.buy]
        asks = [(level.limit_price, level.size) for level in book.sell]
        return (Snapshot(symbol, number, bids, asks, time=book.timestamp / 1e6),)


def _frame(operation: str, symbols: Sequence[str]) -> str:
    channels = [{"name": CHANNEL, "symbols": symbols}]
    request = {"type": operation, "payload": {"channels": channels}}
    return msgspec.json.encode(request).decode()


def _other(control: Control, reason: str) -> Sequence[Message]:
    if control.type == CHANNEL:
        raise MalformedMessage(reason, control.symbol or None)
    books = [channel for channel in control.channels if channel.name == CHANNEL]
    return [
        Rejected(tuple(channel.symbols), channel.error)
        if channel.error
        else Subscribed(tuple(channel.symbols))
        for channel in books
    ]
