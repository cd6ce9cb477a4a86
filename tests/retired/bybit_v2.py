"""Bybit v2 ``orderBookL2_25``: an increasing number that leaves holes; order only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot, Subscribed
from booksync.venues import Assurance, Facts, Heartbeat, Resync, Source, Venue
from booksync.venues.base import UNREADABLE

N = TypeVar("N")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
TOPIC = "orderBookL2_25."


class Entry(Struct, Generic[N]):
    """``{"price":"1053.05","symbol":"BCHUSDT","id":…,"side":"Buy","size":2.63}``."""

    price: str
    side: Literal["Buy", "Sell"]
    size: N | None = None


class Whole(Struct, Generic[N]):
    order_book: list[Entry[N]]


class WholeBook(Struct, Generic[N], tag_field="type", tag="snapshot"):
    """``{"topic":"orderBookL2_25.BCHUSDT","type":"snapshot","cross_seq":"864",…}``."""

    topic: str
    data: Whole[N]
    cross_seq: Count


class Changes(Struct, Generic[N]):
    """A delete has no size."""

    delete: list[Entry[N]]
    update: list[Entry[N]]
    insert: list[Entry[N]]


class Change(Struct, Generic[N], tag_field="type", tag="delta"):
    topic: str
    data: Changes[N]
    cross_seq: Count


class Asked(Struct):
    op: str = ""
    args: list[str] = []


class Control(Struct):
    """``{"success":true,"ret_msg":"","request":{"op":"subscribe","args":[…]}}``."""

    topic: str = ""
    success: bool | None = None
    ret_msg: str = ""
    request: Asked | None = None


class BybitV2(Venue):
    """Bybit linear, websocket v2; switched off."""

    id = "bybit_v2"
    facts = Facts(
        markets="linear",
        source=Source.STREAM,
        assurance=Assurance.ORDERED,
        numbering=None,
        resync=Resync.RESUBSCRIBE,
        levels=25,
        verified="final books: 2021",
        url="https://github.com/bmoscon/cryptofeed/tree/3525dc8/sample_data",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(interval=30.0, silence=60.0)
    WS_URL = "wss://stream.bybit.com/realtime_public"

    def setup(self) -> None:
        self._whole = self.decoder(WholeBook, self.number)
        self._change = self.decoder(Change, self.number)
        self._control = self.decoder(Control)

    def session(self) -> dict[str, int]:
        """Last ``cross_seq`` by symbol."""
        return {}

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("subscribe", symbols)]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("unsubscribe", symbols)]

    def ping(self, session: Any, now: float) -> str:
        return '{"op":"ping"}'

    def parse(self, frame: str | bytes, session: dict[str, int]) -> Sequence[Message]:
        for decoder in (self._change, self._whole):
            try:
                book = decoder.decode(frame)
            except UNREADABLE:
                continue
            if book.topic.startswith(TOPIC):
                return (_message(book, session),)
        control: Control = self.decode(self._control, frame)
        if control.topic.startswith(TOPIC):
            raise MalformedMessage("not a book", control.topic.removeprefix(TOPIC))
        return _answer(control)


def _message(book: Any, session: dict[str, int]) -> Message:
    symbol, number = book.topic.removeprefix(TOPIC), book.cross_seq
    prev = session.get(symbol, 0)
    if isinstance(book, WholeBook):
        session[symbol] = number
        bids, asks = _sides(book.data.order_book, symbol)
        return Snapshot(symbol, number, bids, asks, depth=25)
    data = book.data
    entries = [Entry(entry.price, entry.side, 0) for entry in data.delete]
    bids, asks = _sides([*entries, *data.update, *data.insert], symbol)
    if number <= prev:
        return Delta(symbol, number - 1, number, bids, asks)  # an old one
    session[symbol] = number
    return Delta(symbol, prev, number, bids, asks)


def _sides(entries: Sequence[Entry[Any]], symbol: str) -> tuple[list[Any], list[Any]]:
    bids: list[Any] = []
    asks: list[Any] = []
    for entry in entries:
        if entry.size is None:
            raise MalformedMessage("a level without a size", symbol)
        (bids if entry.side == "Buy" else asks).append((entry.price, entry.size))
    return bids, asks


def _frame(operation: str, symbols: Sequence[str]) -> str:
    args = [TOPIC + symbol for symbol in symbols]
    return msgspec.json.encode({"op": operation, "args": args}).decode()


def _answer(control: Control) -> Sequence[Message]:
    if control.success is None:
        if not control.topic:
            raise MalformedMessage("neither a book nor an answer")
        return ()
    args = control.request.args if control.request else []
    symbols = tuple(arg.removeprefix(TOPIC) for arg in args if arg.startswith(TOPIC))
    if not control.success:
        return (Rejected(symbols, control.ret_msg),)
    return (Subscribed(symbols),) if symbols else ()
