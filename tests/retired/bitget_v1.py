"""Bitget v1 ``books``: no numbers, a signed CRC32 of the 25 best levels a side."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Assurance, Facts, Heartbeat, Resync, Source, Venue
from booksync.venues.base import UNREADABLE

Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Channel(Struct):
    """``{"instType":"sp","channel":"books","instId":"CULTUSDT"}``."""

    channel: str = ""
    instId: str = ""  # noqa: N815 - the venue's name


class Book(Struct):
    """``{"asks":[…],"bids":[…],"checksum":485516490,"ts":"1649290077496"}``."""

    asks: list[tuple[str, str]]
    bids: list[tuple[str, str]]
    checksum: int
    ts: Count


class Push(Struct):
    action: Literal["snapshot", "update"]
    arg: Channel
    data: list[Book]


class Control(Struct):
    """``{"event":"subscribe","arg":{…}}`` or ``{"event":"error",…}``."""

    event: str = ""
    action: str = ""
    arg: Channel | None = None
    msg: str = ""


class BitgetV1(Venue):
    """Bitget spot, websocket v1; superseded."""

    id = "bitget_v1"
    facts = Facts(
        markets="spot",
        source=Source.STREAM,
        assurance=Assurance.CHECKSUMMED,
        numbering=None,
        resync=Resync.RESUBSCRIBE,
        checksum="CRC32 of the 25 best levels a side",
        verified="443 checksums, final books: 2022",
        url="https://github.com/bmoscon/cryptofeed/tree/ce58c2a/sample_data",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(interval=25.0, silence=60.0)
    WS_URL = "wss://ws.bitget.com/spot/v1/stream"

    def setup(self) -> None:
        self._push = self.decoder(Push)
        self._control = self.decoder(Control)

    def session(self) -> Counter[str]:
        """Messages seen, by symbol: the venue does not count them."""
        return Counter()

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("subscribe", symbols)]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("unsubscribe", symbols)]

    def ping(self, session: Any, now: float) -> str:
        return "ping"

    def parse(self, frame: str | bytes, session: Counter[str]) -> Sequence[Message]:
        if frame in ("pong", b"pong"):
            return ()
        try:
            push = self._push.decode(frame)
        except UNREADABLE as error:
            return _answer(self.decode(self._control, frame), str(error))
        if push.arg.channel != "books":
            return ()
        return [_message(push, book, session) for book in push.data]

    def checksum(
        self,
        bids: Sequence[tuple[str, str]],
        asks: Sequence[tuple[str, str]],
        symbol: str,
    ) -> int:
        """``bid:size:ask:size:…``; a side that has ended is left out; signed."""
        ranks = zip_longest(bids[:25], asks[:25], fillvalue=())
        text = ":".join(part for rank in ranks for level in rank for part in level)
        unsigned = zlib.crc32(text.encode())
        return unsigned - (1 << 32) if unsigned >> 31 else unsigned


def _message(push: Push, book: Book, session: Counter[str]) -> Message:
    symbol = push.arg.instId
    session[symbol] += 1
    number, time = session[symbol], book.ts / 1000
    if push.action == "snapshot":
        return Snapshot(
            symbol, number, book.bids, book.asks, time=time, checksum=book.checksum
        )
    return Delta(symbol, number - 1, number, book.bids, book.asks, time, book.checksum)


def _frame(operation: str, symbols: Sequence[str]) -> str:
    args = [
        {"instType": "SP", "channel": "books", "instId": symbol} for symbol in symbols
    ]
    return msgspec.json.encode({"op": operation, "args": args}).decode()


def _answer(control: Control, reason: str) -> Sequence[Message]:
    channel = control.arg or Channel()
    symbols = (channel.instId,) if channel.instId else ()
    if control.action:
        if channel.channel == "books":
            raise MalformedMessage(reason, channel.instId)
        return ()
    if control.event == "error":
        return (Rejected(symbols, control.msg),)
    if not control.event:
        raise MalformedMessage("neither a book nor an answer")
    if channel.channel != "books":
        return ()
    return (
        Unsubscribed(symbols)
        if control.event == "unsubscribe"
        else Subscribed(symbols),
    )
