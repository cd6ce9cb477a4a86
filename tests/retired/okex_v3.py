"""OKEx v3 ``depth_l2_tbt``: raw deflate frames, a signed CRC32, no numbers."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any, Literal

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

CHANNEL = "/depth_l2_tbt"
LARGEST = 16 * 1024 * 1024


class Level(Struct, array_like=True):
    """``["0.258","201","0","1"]``: price, size, liquidated, orders."""

    price: str
    size: str


class Book(Struct):
    """``{"instrument_id":"LON-ETH","asks":[…],"bids":[…],"checksum":-1968485154,…}``."""

    instrument_id: str
    asks: list[Level]
    bids: list[Level]
    timestamp: datetime
    checksum: int


class Push(Struct):
    """``{"table":"option/depth_l2_tbt","action":"partial","data":[…]}``."""

    table: str
    action: Literal["partial", "update"]
    data: list[Book]


class Control(Struct):
    """``{"event":"subscribe","channel":"spot/depth_l2_tbt:LON-ETH"}``."""

    event: str = ""
    channel: str = ""
    table: str = ""
    message: str = ""


class OKExV3(Venue):
    """OKEx spot, swaps and options, websocket v3; switched off."""

    id = "okex_v3"
    facts = Facts(
        markets="spot, swaps, options",
        source=Source.STREAM,
        assurance=Assurance.CHECKSUMMED,
        numbering=None,
        resync=Resync.RESUBSCRIBE,
        checksum="CRC32 of the 25 best levels a side",
        verified="2,398 checksums, final books: 2021",
        url="https://github.com/bmoscon/cryptofeed/tree/3525dc8/sample_data",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(interval=20.0, silence=30.0)
    WS_URL = "wss://real.okex.com:8443/ws/v3"

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
        text = _inflate(frame) if isinstance(frame, bytes) else frame
        if text in ("pong", b"pong"):
            return ()
        try:
            push = self._push.decode(text)
        except UNREADABLE as error:
            return _answer(self.decode(self._control, text), str(error))
        if not push.table.endswith(CHANNEL):
            return ()
        return [_message(push.action, book, session) for book in push.data]

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


def _inflate(frame: bytes) -> bytes:
    """Raw deflate: no header, no trailer."""
    inflater = zlib.decompressobj(wbits=-15)
    try:
        text = inflater.decompress(frame, LARGEST)
    except zlib.error as error:
        raise MalformedMessage(f"deflate: {error}") from None
    if not inflater.eof:
        raise MalformedMessage("deflate: cut short, or too large")
    return text


def _message(action: str, book: Book, session: Counter[str]) -> Message:
    symbol = book.instrument_id
    session[symbol] += 1
    number, time = session[symbol], book.timestamp.timestamp()
    bids = [(level.price, level.size) for level in book.bids]
    asks = [(level.price, level.size) for level in book.asks]
    if action == "partial":
        return Snapshot(symbol, number, bids, asks, time=time, checksum=book.checksum)
    return Delta(symbol, number - 1, number, bids, asks, time, book.checksum)


def _frame(operation: str, symbols: Sequence[str]) -> str:
    args = [f"{_market(symbol)}{CHANNEL}:{symbol}" for symbol in symbols]
    return msgspec.json.encode({"op": operation, "args": args}).decode()


def _market(symbol: str) -> str:
    """``BTC-USD-210418-63000-P`` is an option, ``UNI-USD-SWAP`` a swap."""
    if symbol.endswith("-SWAP"):
        return "swap"
    if symbol.endswith(("-C", "-P")):
        return "option"
    return "futures" if symbol.count("-") > 1 else "spot"


def _answer(control: Control, reason: str) -> Sequence[Message]:
    channel, _, symbol = control.channel.partition(":")
    if control.table:
        if control.table.endswith(CHANNEL):
            raise MalformedMessage(reason)
        return ()
    if control.event == "error":
        return (Rejected((), control.message),)
    if not control.event:
        raise MalformedMessage("neither a book nor an answer")
    if not channel.endswith(CHANNEL):
        return ()
    done = Unsubscribed if control.event == "unsubscribe" else Subscribed
    return (done((symbol,)),)
