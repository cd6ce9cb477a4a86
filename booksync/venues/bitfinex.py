"""
Bitfinex: every array frame of a connection is numbered, and books are hashed.

Facts: docs.bitfinex.com (ws-general, ws-public, ws-websocket-checksum) and the probe of
2026-09-22 in nemanull/arbitrage-observatory, read 2026-11; checked on frames of 2021.

The flag ``SEQ_ALL`` puts a number at the end of every array frame: data, heartbeats
and checksums of all channels alike, from 1, by one. A book has no number of its own,
so its deltas are chained by the numbers of its own frames, and a hole in the
connection's numbers makes every book on it suspect (:class:`Lost`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Checksum, Lost, Message
from booksync.venues._bitfinex_books import Channel, Entry
from booksync.venues._bitfinex_events import EVENTS, SEQ_ALL, Event, Session
from booksync.venues._interleaved import interleaved_crc32
from booksync.venues.base import UNREADABLE, Texts
from booksync.venues.declared import DeclaredVenue
from booksync.venues.facts import (
    Assurance,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["Bitfinex"]

TIMESTAMP, OB_CHECKSUM = 1 << 15, 1 << 17


class Update(Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """``[10092,[86664,0,1],57]``, and a time where ``TIMESTAMP`` is on."""

    channel: int
    entry: Entry
    number: int
    time: int | None = None


class Bitfinex(DeclaredVenue):
    """Bitfinex spot and derivatives (``tBTCUSD``, ``tBTCF0:USTF0``)."""

    id = "bitfinex"
    facts = Facts(
        markets="spot, derivatives",
        source=Source.STREAM,
        assurance=Assurance.COUNTED,
        numbering=Numbering.CONNECTION,
        resync=Resync.RESUBSCRIBE,
        checksum="CRC32 of the best 25 levels, in frames of its own",
        verified="numbers, snapshots, continuity, final books: 2021 (100 levels)",
        unverified=(
            "checksum frames (the venue's own two test vectors agree)",
            "frames with a time (option timestamp)",
            "checksums of prec P1 to P4",
            "shape of an empty book",
            "answers to unsubscribe, maintenance notices",
        ),
        url="https://docs.bitfinex.com/reference/ws-public-books",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=25,  # one page says 25, another 30
        symbols_per_frame=1,
        connects=15,  # of 20, then blocked for a minute
        connects_window=60.0,
        weight=10,
    )
    heartbeat = Heartbeat(silence=30.0)  # "hb" comes every 15 s on each channel
    WS_URL = "wss://api-pub.bitfinex.com/ws/2"
    REST_URL = "https://api-pub.bitfinex.com"
    PUSH, CONTROL, LISTING = Update, Event, list[list[str]]
    LISTINGS = (Request(path="/v2/conf/pub:list:pair:exchange"),)
    DEPTHS: ClassVar[tuple[int, ...]] = (25, 100, 250)
    default_depth = 100
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "prec": ("P0", "P1", "P2", "P3", "P4"),
        "freq": ("F0", "F1"),
        "timestamp": ("no", "yes"),
    }

    def setup(self) -> None:
        """Numbers are JSON numbers, hashed as they are written."""
        super().setup()
        self._parts = self.decoder(list[msgspec.Raw])
        self._entry = self.decoder(Entry)
        self._entries = self.decoder(list[Entry])
        self._integer = self.decoder(int)
        timed = TIMESTAMP if self.options["timestamp"] == "yes" else 0
        self._flags = SEQ_ALL | OB_CHECKSUM | timed

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Trading pairs begin with ``t``; funding books are not kept."""
        symbol = super().prepare(symbol)
        if symbol[0] == "f":
            raise ConfigurationError(f"funding books are not kept: {symbol}")
        return symbol if symbol[0] == "t" else "t" + symbol

    def session(self) -> Session:
        """Channels of this connection."""
        return Session(self._flags)

    def greet(self, session: Session, now: float) -> list[str | bytes]:
        """``{"event":"conf","flags":196608}``: numbers and checksums."""
        return [_frame(event="conf", flags=self._flags)]

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """One ``{"event":"subscribe","channel":"book","symbol":…}`` each."""
        tail = {key: self.options[key] for key in ("prec", "freq")}
        tail["len"] = str(self.depth)
        return [
            _frame(event="subscribe", channel="book", symbol=symbol, **tail)
            for symbol in symbols
        ]

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"event":"unsubscribe","chanId":10092}``, for acknowledged books only."""
        return [
            _frame(event="unsubscribe", chanId=number)
            for number, channel in session.channels.items()
            if channel.symbol in symbols
        ]

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta of one level; everything else goes the longer way."""
        try:
            update = self._push.decode(frame)
        except UNREADABLE:
            return self._parse_other(frame, session)
        if (update.time is None) is bool(session.flags & TIMESTAMP):
            return self._parse_other(frame, session)  # the array grew
        entry, time = (update.entry,), update.time
        return self._numbered(update.channel, update.number, entry, time, session)

    def _parse_other(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        try:
            parts = self._parts.decode(frame)
        except UNREADABLE:
            event = self.decode(self._control, frame)
            handler = EVENTS.get(event.event)
            return handler(event, session) if handler else ()
        time = None
        if session.flags & TIMESTAMP and parts:
            time = self.decode(self._integer, parts.pop())
        if len(parts) < 3:  # noqa: PLR2004 - channel, payload, number
            raise MalformedMessage("an array frame without its number")
        channel, number = (self.decode(self._integer, parts[at]) for at in (0, -1))
        return self._numbered(channel, number, parts[1:-1], time, session)

    def _numbered(
        self, chan: int, number: int, payload: Any, time: int | None, session: Session
    ) -> Sequence[Message]:
        """Check the connection's number, then read the payload of a known channel."""
        channel = session.channels.get(chan)
        seconds = None if time is None else time / 1000
        expected = session.number + 1
        if number < expected:  # a duplicate; a delta is handed on, to be counted stale
            if channel is None or not isinstance(payload, tuple):
                return ()
            return (channel.delta(number, payload, seconds),)
        session.number = number
        lost = () if number == expected else (Lost(expected, number),)
        if channel is None:
            return lost  # not a book, or one that has ended
        try:
            if isinstance(payload, tuple):
                return (*lost, channel.delta(number, payload, seconds))
            return (*lost, *self._payload(channel, number, payload, seconds))
        except MalformedMessage as error:
            channel.skip(number)
            if lost:
                return lost
            raise MalformedMessage(error.reason, channel.symbol) from None

    def _payload(
        self,
        channel: Channel,
        number: int,
        payload: list[msgspec.Raw],
        time: float | None,
    ) -> Sequence[Message]:
        """A snapshot, a delta, ``"hb"`` or ``"cs",-890884919``."""
        head = bytes(payload[0])
        if head == b'"cs"':
            value = self.decode(self._integer, payload[-1])
            return (Checksum(channel.symbol, value),)
        if head == b'"hb"':
            return ()
        try:
            entries = self._entries.decode(head)
        except UNREADABLE:
            entry: Entry = self.decode(self._entry, head)
            return (channel.delta(number, (entry,), time),)
        if channel.last is not None:  # BULK_UPDATES: a snapshot is sent only once
            return (channel.delta(number, entries, time),)
        return (channel.snapshot(number, entries, time),)

    def checksum(
        self, bids: Sequence[Texts], asks: Sequence[Texts], symbol: str
    ) -> int:
        """
        Join the best 25 of both sides, bid and ask in turn; ask sizes are negative.

        ``6000:1:6100:-3:5900:2:6200:-4`` gives 1756193398. Signed 32 bits.
        """
        bids, asks = bids[: self.checksum_levels], asks[: self.checksum_levels]
        return interleaved_crc32(
            [(_spelled(price), _spelled(size)) for price, size in bids],
            [(_spelled(price), "-" + _spelled(size)) for price, size in asks],
        )

    def listed(self, answer: list[list[str]]) -> Iterable[Instrument]:
        """``[["BTCUSD",…]]``: prices have 5 significant digits, sizes 8 decimals."""
        for name in chain.from_iterable(answer):
            yield Instrument(symbol="t" + name, size_step=Decimal("1E-8"))


def _frame(**content: Any) -> str:
    return msgspec.json.encode(content).decode()


def _spelled(text: str) -> str:
    """Write a number as the venue (JavaScript) does: 7e-7, but 0.000001."""
    if not text.startswith("0.000000"):
        return text
    number = Decimal(text)
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    mantissa = f"{digits[0]}.{digits[1:]}" if digits[1:] else digits
    return f"{mantissa}e{number.adjusted()}"
