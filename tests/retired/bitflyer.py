"""bitFlyer ``lightning_board``: no numbers; a snapshot now and then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues import Assurance, Facts, Heartbeat, Resync, Source, Venue
from booksync.venues.base import UNREADABLE

N = TypeVar("N")
BOARD = "lightning_board_"
SNAPSHOT = "lightning_board_snapshot_"


class Level(Struct, Generic[N]):
    """``{"price":5853547.0,"size":0.0267539}``."""

    price: N
    size: N


class Book(Struct, Generic[N]):
    bids: list[Level[N]]
    asks: list[Level[N]]


class Params(Struct, Generic[N]):
    channel: str
    message: Book[N]


class Push(Struct, Generic[N]):
    """``{"jsonrpc":"2.0","method":"channelMessage","params":{…}}``."""

    method: Literal["channelMessage"]
    params: Params[N]


class Channel(Struct):
    channel: str = ""


class Problem(Struct):
    code: int = 0
    message: str = ""


class Control(Struct):
    method: str = ""
    params: Channel | None = None
    result: Any = None
    error: Problem | None = None


class BitFlyer(Venue):
    """bitFlyer spot and FX."""

    id = "bitflyer"
    facts = Facts(
        markets="spot, FX, futures",
        source=Source.STREAM,
        assurance=Assurance.ORDERED,
        numbering=None,
        resync=Resync.RESUBSCRIBE,
        acks=False,
        verified="final books: 2021",
        unverified=("how far a snapshot reaches: 300 levels a side, often less",),
        url="https://github.com/bmoscon/cryptofeed/tree/ce58c2a/sample_data",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(silence=60.0)
    WS_URL = "wss://ws.lightstream.bitflyer.com/json-rpc"

    def setup(self) -> None:
        self._push = self.decoder(Push, self.number)
        self._control = self.decoder(Control)

    def session(self) -> Counter[str]:
        """Messages seen, by symbol: the venue does not count them."""
        return Counter()

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return _frames("subscribe", symbols)

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return _frames("unsubscribe", symbols)

    def parse(self, frame: str | bytes, session: Counter[str]) -> Sequence[Message]:
        try:
            push = self._push.decode(frame)
        except UNREADABLE as error:
            return _other(self.decode(self._control, frame), str(error))
        channel, book = push.params.channel, push.params.message
        if not channel.startswith(BOARD):
            return ()
        symbol = channel.removeprefix(SNAPSHOT).removeprefix(BOARD)
        session[symbol] += 1
        number = session[symbol]
        bids = [(level.price, level.size) for level in book.bids]
        asks = [(level.price, level.size) for level in book.asks]
        if channel.startswith(SNAPSHOT):
            return (Snapshot(symbol, number, bids, asks, depth=300),)
        return (Delta(symbol, number - 1, number, bids, asks),)


def _frames(method: str, symbols: Sequence[str]) -> list[str | bytes]:
    return [
        msgspec.json.encode({"method": method, "params": {"channel": name}}).decode()
        for symbol in symbols
        for name in (SNAPSHOT + symbol, BOARD + symbol)
    ]


def _other(control: Control, reason: str) -> Sequence[Message]:
    channel = control.params.channel if control.params else ""
    if channel.startswith(BOARD):
        symbol = channel.removeprefix(SNAPSHOT).removeprefix(BOARD)
        raise MalformedMessage(reason, symbol)
    if control.error is not None:
        return (Rejected((), f"{control.error.message} (code {control.error.code})"),)
    if not control.method and control.result is None:
        raise MalformedMessage("neither a book nor an answer")
    return ()
