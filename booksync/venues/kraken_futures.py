"""
Kraken Futures: one level a message, numbered one by one for each product.

Facts: docs.kraken.com/exchange/api-reference/futures-websocket/book.md (read
2026-11), checked on 7,014 recorded deltas of 2021.

The venue calls ``seq`` the message's number in its subscription and states no rule
for gaps; that it grows by one is measured (7,014 of 7,014 steps over 10 products), and
taken strictly here. The snapshot carries the number of the last change in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE, Venue
from booksync.venues.facts import (
    Assurance,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Lists,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["KrakenFutures"]

N = TypeVar("N")
UNLISTED = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
Count = Annotated[int, Meta(ge=0, le=2**62)]


class Change(Struct, Generic[N], gc=False):
    """``{"feed":"book","product_id":"PI_XBTUSD","side":"sell","seq":326094134,…}``."""

    feed: Literal["book"]
    product_id: str
    side: Literal["buy", "sell"]
    seq: Count
    price: N
    qty: N
    timestamp: Count = 0


class Level(Struct, Generic[N], gc=False):
    """``{"price":34892.5,"qty":6385}``; ``qty`` in contracts."""

    price: N
    qty: N


class Book(Struct, Generic[N]):
    """``{"feed":"book_snapshot","product_id":"PI_XBTUSD","seq":326072249,…}``."""

    product_id: str
    seq: Count
    bids: list[Level[N]]
    asks: list[Level[N]]
    timestamp: Count = 0


class Control(Struct):
    """Whatever is not a readable change: ``{"event":"subscribed","feed":"book",…}``."""

    event: str = ""
    feed: str = ""
    product_id: str | None = None
    product_ids: tuple[str, ...] = ()
    message: str | None = None


class KrakenFutures(Venue):
    """Kraken Futures: perpetual and dated, inverse and linear."""

    id = "kraken_futures"
    facts = Facts(
        markets="futures",
        source=Source.STREAM,
        assurance=Assurance.COUNTED,
        numbering=Numbering.SYMBOL,
        lists=Lists.TOUCHED,
        resync=Resync.RESUBSCRIBE,
        verified="7,014 steps of one, acknowledgements, final books: 2021",
        unverified=(
            "that a step other than one is a loss: measured, not documented",
            "how often the heartbeat feed speaks",
            "errors and refusals",
        ),
        url="https://docs.kraken.com/exchange/api-reference/futures-websocket/book.md",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=100,
        symbols_per_frame=50,
        messages=20.0,  # of 100
        connects=60,
        weight=500,
        weight_window=10.0,
    )
    #: The venue wants a protocol ping a minute (the transport's); this is its answer
    #: in frames: a feed that speaks when no book does.
    heartbeat = Heartbeat(silence=60.0)
    WS_URL = "wss://futures.kraken.com"
    REST_URL = "https://futures.kraken.com"

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._change = self.decoder(Change, self.number)
        self._book = self.decoder(Book, self.number)
        self._control = self.decoder(Control)

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case, as in the feed; REST lists lower case."""
        return super().prepare(symbol).upper()

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """Version 1 of the protocol."""
        return f"{base}/ws/v1"

    def greet(self, session: None, now: float) -> list[str | bytes]:
        """Without a book that moves, only the heartbeat feed is heard."""
        return ['{"event":"subscribe","feed":"heartbeat"}']

    def subscribe(
        self, symbols: Sequence[str], session: None, now: float
    ) -> list[str | bytes]:
        """``{"event":"subscribe","feed":"book","product_ids":["PF_XBTUSD"]}``."""
        return self._frames("subscribe", symbols)

    def unsubscribe(
        self, symbols: Sequence[str], session: None, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        return self._frames("unsubscribe", symbols)

    def _frames(self, event: str, symbols: Sequence[str]) -> list[str | bytes]:
        frames: list[str | bytes] = []
        step = self.limits.symbols_per_frame
        for start in range(0, len(symbols), step):
            part = symbols[start : start + step]
            request = {"event": event, "feed": "book", "product_ids": part}
            frames.append(msgspec.json.encode(request).decode())
        return frames

    def parse(self, frame: str | bytes, session: None) -> Sequence[Message]:
        """Read a change, a snapshot, an acknowledgement or an error."""
        try:
            change = self._change.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, str(error))
        level = ((change.price, change.qty),)
        buying = change.side == "buy"
        return (
            Delta(
                change.product_id,
                change.seq - 1,
                change.seq,
                level if buying else (),
                () if buying else level,
                change.timestamp / 1000 if change.timestamp else None,
            ),
        )

    def _parse_other(self, frame: str | bytes, reason: str) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.event:
            return _answer(control)
        if control.feed == "book_snapshot":
            return (self._snapshot(frame, control.product_id),)
        if control.feed == "book" or not control.feed:
            raise MalformedMessage(reason, control.product_id)
        return ()  # another feed

    def _snapshot(self, frame: str | bytes, symbol: str | None) -> Snapshot:
        """Levels of size 0 occur, and mean nothing."""
        try:
            book = self._book.decode(frame)
        except UNREADABLE as error:
            raise MalformedMessage(str(error), symbol) from None
        return Snapshot(
            book.product_id,
            book.seq,
            [(level.price, level.qty) for level in book.bids if level.qty],
            [(level.price, level.qty) for level in book.asks if level.qty],
            time=book.timestamp / 1000 if book.timestamp else None,
        )

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /derivatives/api/v3/instruments``."""
        return (Request(path="/derivatives/api/v3/instruments"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``tickSize`` and ``contractValueTradePrecision``; indices have neither."""
        listing = self.decode(msgspec.json.Decoder(float_hook=Decimal), body)
        try:
            entries = listing["instruments"]
            return [_instrument(entry) for entry in entries if entry.get("tickSize")]
        except UNLISTED as error:
            raise MalformedMessage(f"instruments: {error!r}") from None


def _answer(control: Control) -> Sequence[Message]:
    """``subscribed_failed`` names products; ``error`` and ``alert`` say a sentence."""
    reason = control.message or control.event
    if control.event in {"error", "alert"}:
        return (Rejected((), reason),)
    if control.feed != "book":
        return ()  # "info" on connecting, the heartbeat feed
    if control.event == "subscribed":
        return (Subscribed(control.product_ids),)
    if control.event == "unsubscribed":
        return (Unsubscribed(control.product_ids),)
    if control.event == "subscribed_failed":
        return (Rejected(control.product_ids, reason),)
    return ()


def _instrument(entry: Mapping[str, Any]) -> Instrument:
    digits = entry.get("contractValueTradePrecision")
    return Instrument(
        symbol=entry["symbol"].upper(),
        price_step=Decimal(entry["tickSize"]),
        size_step=None if digits is None else Decimal(1).scaleb(-digits),
        active=entry.get("tradeable") is True,
    )
