"""AscendEX: ``depth`` counted by ``seqnum``, a snapshot on request, JSON pings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Message,
    Rejected,
    Reply,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
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


class Book(Struct, Generic[N]):
    """``{"ts":1618677609116,"seqnum":21034366119,"asks":[…],"bids":[]}``."""

    ts: Count
    seqnum: Count
    asks: list[tuple[N, N]]
    bids: list[tuple[N, N]]


class Push(Struct, Generic[N]):
    """``{"m":"depth","symbol":"CHZ/USDT","data":{…}}``."""

    m: Literal["depth", "depth-snapshot"]
    symbol: str
    data: Book[N]


class Control(Struct):
    """``{"m":"sub","ch":"depth:DIVI/USDT","code":0}``, ``{"m":"ping","hp":3}``."""

    m: str
    ch: str = ""
    code: int = 0
    symbol: str = ""
    reason: str = ""


class AscendEX(Venue):
    """AscendEX spot, API pro v1."""

    id = "ascendex"
    facts = Facts(
        markets="spot",
        source=Source.REQUEST,
        assurance=Assurance.COUNTED,
        numbering=Numbering.SYMBOL,
        resync=Resync.FETCH,
        verified="joins, numbers, final books: 2021",
        url="https://github.com/bmoscon/cryptofeed/tree/3525dc8/sample_data",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(silence=45.0)
    WS_URL = "wss://ascendex.com/1/api/pro/v1/stream"

    def setup(self) -> None:
        self._push = self.decoder(Push, self.text)
        self._control = self.decoder(Control)

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame({"op": "sub", "ch": "depth:" + ",".join(symbols)})]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame({"op": "unsub", "ch": "depth:" + ",".join(symbols)})]

    def snapshot_frame(self, symbol: str, session: Any, now: float) -> str:
        args = {"symbol": symbol}
        return _frame({"op": "req", "action": "depth-snapshot", "args": args})

    def parse(self, frame: str | bytes, session: Any) -> Sequence[Message]:
        try:
            push = self._push.decode(frame)
        except UNREADABLE as error:
            return _other(self.decode(self._control, frame), str(error))
        symbol, book = push.symbol, push.data
        number, time = book.seqnum, book.ts / 1000
        if push.m == "depth-snapshot":
            return (Snapshot(symbol, number, book.bids, book.asks, time=time),)
        return (Delta(symbol, number - 1, number, book.bids, book.asks, time),)


def _frame(request: dict[str, Any]) -> str:
    return msgspec.json.encode(request).decode()


def _other(control: Control, reason: str) -> Sequence[Message]:
    symbols = tuple(control.ch.removeprefix("depth:").split(","))
    match control.m:
        case "ping":
            return (Reply('{"op":"pong"}'),)
        case "depth" | "depth-snapshot":
            raise MalformedMessage(reason, control.symbol or None)
        case "sub" if control.code:
            return (Rejected(symbols, f"{control.reason} (code {control.code})"),)
        case "sub":
            return (Subscribed(symbols),)
        case "unsub":
            return (Unsubscribed(symbols),)
        case _:
            return ()
