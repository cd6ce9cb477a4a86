"""Kraken websocket v1: arrays, no numbers, a CRC32 of the ten best levels a side."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct, field

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


class Level(Struct, array_like=True):
    """``["27129.40000","0.00000000","1693415333.750918"]``, sometimes ``,"r"``."""

    price: str
    size: str


class Part(Struct):
    """``{"as":[…],"bs":[…]}`` or ``{"a":[…],"b":[…],"c":"3572756970"}``."""

    all_asks: list[Level] | None = field(name="as", default=None)
    all_bids: list[Level] | None = field(name="bs", default=None)
    a: list[Level] = []
    b: list[Level] = []
    c: int | None = None


class Book(Struct, array_like=True):
    """``[336,{"b":[…],"c":"…"},"book-10","XBT/USD"]``."""

    channel: int
    part: Part
    name: str
    pair: str


class TwoPartBook(Struct, array_like=True):
    """``[336,{"a":[…]},{"b":[…],"c":"…"},"book-10","XBT/USD"]``."""

    channel: int
    first: Part
    part: Part
    name: str
    pair: str


class Control(Struct):
    """``{"event":"subscriptionStatus","pair":"XBT/USD","status":"subscribed",…}``."""

    event: str
    pair: str = ""
    status: str = ""
    errorMessage: str = ""  # noqa: N815 - the venue's name


class KrakenV1(Venue):
    """Kraken spot, websocket v1; superseded by v2."""

    id = "kraken_v1"
    facts = Facts(
        markets="spot",
        source=Source.STREAM,
        assurance=Assurance.CHECKSUMMED,
        numbering=None,
        resync=Resync.RESUBSCRIBE,
        checksum="CRC32 of the 10 best levels a side",
        verified="5,248 checksums, final books: 2021, 2023",
        url="https://docs.kraken.com/api/docs/websocket-v1/book",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(silence=10.0)
    WS_URL = "wss://ws.kraken.com"
    DEPTHS: ClassVar[tuple[int, ...]] = (10, 25, 100, 500, 1000)
    default_depth = 1000
    checksum_levels = 10

    def setup(self) -> None:
        self._book = self.decoder(Book)
        self._two = self.decoder(TwoPartBook)
        self._control = self.decoder(Control)
        self.keep = self.depth

    def session(self) -> Counter[str]:
        """Messages seen, by pair: the venue does not count them."""
        return Counter()

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [self._frame("subscribe", symbols)]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [self._frame("unsubscribe", symbols)]

    def _frame(self, event: str, symbols: Sequence[str]) -> str:
        subscription = {"name": "book", "depth": self.depth}
        request = {"event": event, "pair": symbols, "subscription": subscription}
        return msgspec.json.encode(request).decode()

    def parse(self, frame: str | bytes, session: Counter[str]) -> Sequence[Message]:
        for decoder in (self._book, self._two):
            try:
                book = decoder.decode(frame)
            except UNREADABLE:
                continue
            return self._messages(book, session)
        return _control(self.decode(self._control, frame))

    def _messages(self, book: Any, session: Counter[str]) -> Sequence[Message]:
        pair, part = book.pair, book.part
        if not book.name.startswith("book-"):
            return ()
        session[pair] += 1
        number = session[pair]
        if part.all_bids is not None and part.all_asks is not None:
            bids, asks = _levels(part.all_bids), _levels(part.all_asks)
            return (Snapshot(pair, number, bids, asks, depth=self.depth),)
        first = getattr(book, "first", part)
        bids = _levels(part.b if first is part else [*first.b, *part.b])
        asks = _levels(part.a if first is part else [*first.a, *part.a])
        if part.c is None:
            raise MalformedMessage("an update without a checksum", pair)
        return (Delta(pair, number - 1, number, bids, asks, checksum=part.c),)

    def checksum(
        self,
        bids: Sequence[tuple[str, str]],
        asks: Sequence[tuple[str, str]],
        symbol: str,
    ) -> int:
        """Asks, then bids; of each number the digits, without leading zeros."""
        digits = [
            number.replace(".", "").lstrip("0")
            for side in (asks[:10], bids[:10])
            for level in side
            for number in level
        ]
        return zlib.crc32("".join(digits).encode())


def _levels(levels: Sequence[Level]) -> list[tuple[str, str]]:
    return [(level.price, level.size) for level in levels]


def _control(control: Control) -> Sequence[Message]:
    if control.event != "subscriptionStatus":
        return ()  # heartbeat, pong, systemStatus
    if control.status == "error":
        pairs = (control.pair,) if control.pair else ()
        return (Rejected(pairs, control.errorMessage),)
    done = Subscribed if control.status == "subscribed" else Unsubscribed
    return (done((control.pair,)),)
