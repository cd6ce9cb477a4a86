"""HitBTC API 2: ``snapshotOrderbook``, then ``updateOrderbook`` counted by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues import (
    Assurance,
    Facts,
    Heartbeat,
    Numbering,
    Resync,
    Source,
    Venue,
)
from booksync.venues.base import UNREADABLE

N = TypeVar("N")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Level(Struct, Generic[N]):
    """``{"price":"1.18784","size":"11596.00"}``."""

    price: N
    size: N


class Book(Struct, Generic[N]):
    ask: list[Level[N]]
    bid: list[Level[N]]
    symbol: str
    sequence: Count
    timestamp: datetime


class Push(Struct, Generic[N]):
    """``{"jsonrpc":"2.0","method":"updateOrderbook","params":{…}}``."""

    method: Literal["snapshotOrderbook", "updateOrderbook"]
    params: Book[N]


class Problem(Struct):
    code: int = 0
    message: str = ""


class Control(Struct):
    """``{"jsonrpc":"2.0","result":true,"id":…}``: does not say for whom."""

    method: str = ""
    result: Any = None
    error: Problem | None = None


class HitBTCV2(Venue):
    """HitBTC spot, API 2; superseded."""

    id = "hitbtc_v2"
    facts = Facts(
        markets="spot",
        source=Source.STREAM,
        assurance=Assurance.COUNTED,
        numbering=Numbering.SYMBOL,
        resync=Resync.RESUBSCRIBE,
        acks=False,
        verified="numbers, repeated snapshots, final books: 2021",
        url="https://github.com/bmoscon/cryptofeed/tree/ce58c2a/sample_data",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(silence=60.0)
    WS_URL = "wss://api.hitbtc.com/api/2/ws/public"

    def setup(self) -> None:
        self._push = self.decoder(Push, self.text)
        self._control = self.decoder(Control)

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("subscribeOrderbook", symbol) for symbol in symbols]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("unsubscribeOrderbook", symbol) for symbol in symbols]

    def parse(self, frame: str | bytes, session: Any) -> Sequence[Message]:
        try:
            push = self._push.decode(frame)
        except UNREADABLE as error:
            return _other(self.decode(self._control, frame), str(error))
        book = push.params
        number, time = book.sequence, book.timestamp.timestamp()
        bids = [(level.price, level.size) for level in book.bid]
        asks = [(level.price, level.size) for level in book.ask]
        if push.method == "snapshotOrderbook":
            return (Snapshot(book.symbol, number, bids, asks, time=time),)
        return (Delta(book.symbol, number - 1, number, bids, asks, time),)


def _frame(method: str, symbol: str) -> str:
    request = {"method": method, "params": {"symbol": symbol}, "id": "booksync"}
    return msgspec.json.encode(request).decode()


def _other(control: Control, reason: str) -> Sequence[Message]:
    if control.method.endswith("Orderbook"):
        raise MalformedMessage(reason)
    if control.error is not None:
        return (Rejected((), f"{control.error.message} (code {control.error.code})"),)
    if not control.method and control.result is None:
        raise MalformedMessage("neither a book nor an answer")
    return ()
