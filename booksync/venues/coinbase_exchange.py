"""
Coinbase Exchange (``level2_batch``): no numbers at all; only the order is known.

Facts: docs.cdp.coinbase.com/exchange/websocket-feed/channels, …/overview and
…/rate-limits (read 2026-11), checked on 6,471 recorded deltas of 2021.

The venue describes the channel as having guaranteed delivery; a loss cannot be seen.
Deltas are numbered here, one by one, in the order of the connection; a frame that
cannot be read takes a number too, so the next delta is a gap and not a guess.

``level2`` needs credentials; ``level2_batch`` sends the same messages, 50 ms apart,
without. The ``heartbeat`` channel beats once a second and product; its ``sequence``
belongs to another channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
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
    Request,
    Resync,
    Source,
)

__all__ = ["CoinbaseExchange", "Instant", "Membership", "seconds"]

N = TypeVar("N")
Instant = Annotated[datetime, Meta(tz=True)]


class Update(Struct, Generic[N], gc=False):
    """``{"type":"l2update","product_id":"SKL-BTC","changes":[…],"time":"…Z"}``."""

    type: Literal["l2update"]
    product_id: str
    changes: list[tuple[Literal["buy", "sell"], N, N]]
    time: Instant | None = None


class Book(Struct, Generic[N]):
    """``{"type":"snapshot","product_id":"BAND-GBP","asks":[…],"bids":[…]}``."""

    product_id: str
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    time: Instant | None = None


class Channel(Struct):
    """``{"name":"level2","product_ids":["ETH-USD"]}``."""

    name: str
    product_ids: list[str] = []


class Control(Struct):
    """Whatever is not a readable delta."""

    type: str = ""
    product_id: str | None = None
    channels: list[Channel] = []
    message: str | None = None
    reason: str | None = None


class Product(Struct):
    """An entry of ``/products``."""

    id: str
    quote_increment: Decimal
    base_increment: Decimal
    status: str = "online"
    trading_disabled: bool = False


class Membership:
    """Subscriptions of a connection: the venue confirms by listing all it sends."""

    __slots__ = ("leaving",)

    def __init__(self) -> None:
        self.leaving: dict[str, None] = {}

    def leave(self, symbols: Iterable[str]) -> None:
        """Note that these are no longer wanted: gone once a list is without them."""
        self.leaving.update(dict.fromkeys(symbols))

    def listed(self, symbols: Iterable[str]) -> list[Message]:
        """Say what a list of the subscribed symbols confirms."""
        found = tuple(dict.fromkeys(symbols))
        gone = tuple(symbol for symbol in self.leaving if symbol not in found)
        for symbol in gone:
            del self.leaving[symbol]
        messages: list[Message] = [Subscribed(found)] if found else []
        return [*messages, Unsubscribed(gone)] if gone else messages


class Session:
    """Messages so far, by symbol, and what was asked for."""

    __slots__ = ("members", "numbers", "wanted")

    def __init__(self) -> None:
        self.members = Membership()
        self.numbers: dict[str, int] = {}
        self.wanted: dict[str, None] = {}

    def skip(self, symbol: str | None) -> None:
        """Leave a hole where a message could not be read: anybody's, if unknown."""
        for name in self.numbers:
            if name == symbol or symbol not in self.numbers:
                self.numbers[name] += 1


class CoinbaseExchange(Venue):
    """Coinbase Exchange spot."""

    id = "coinbase_exchange"
    facts = Facts(
        markets="spot",
        source=Source.STREAM,
        assurance=Assurance.ORDERED,
        numbering=None,
        resync=Resync.RESUBSCRIBE,
        verified="acknowledgements, final books: 2021 (level2, 6,471 deltas)",
        unverified=(
            "level2_batch: the frames at hand are of level2, the same by the docs",
            "the error that names an unknown product",
            "that lists confirm level2_batch as level2",
        ),
        url="https://docs.cdp.coinbase.com/exchange/websocket-feed/channels",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=50,
        symbols_per_frame=25,  # one bad product refuses the frame
        messages=4.0,  # of 8 requests a second
        weight=300,  # of about 10 a second
        frame_bytes=64 * 1024 * 1024,  # whole books
    )
    heartbeat = Heartbeat(silence=15.0)
    WS_URL = "wss://ws-feed.exchange.coinbase.com"
    REST_URL = "https://api.exchange.coinbase.com"

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._update = self.decoder(Update, self.text)
        self._book = self.decoder(Book, self.text)
        self._control = self.decoder(Control)

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case: ``BTC-USD``."""
        return super().prepare(symbol).upper()

    def session(self) -> Session:
        """Counters of this connection."""
        return Session()

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"type":"subscribe","product_ids":[…],"channels":["level2_batch",…]}``."""
        session.wanted.update(dict.fromkeys(symbols))
        return self._frames("subscribe", symbols, ["level2_batch", "heartbeat"])

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``; the heart may beat on."""
        session.members.leave(symbols)
        return self._frames("unsubscribe", symbols, ["level2_batch"])

    def _frames(
        self, kind: str, symbols: Sequence[str], channels: Sequence[str]
    ) -> list[str | bytes]:
        frames: list[str | bytes] = []
        step = self.limits.symbols_per_frame
        for start in range(0, len(symbols), step):
            part = symbols[start : start + step]
            request = {"type": kind, "product_ids": part, "channels": channels}
            frames.append(msgspec.json.encode(request).decode())
        return frames

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta, a snapshot, a list of subscriptions or an error."""
        try:
            update = self._update.decode(frame)
        except UNREADABLE as error:
            try:
                return self._parse_other(frame, session, str(error))
            except MalformedMessage as failure:
                session.skip(failure.symbol)
                raise
        symbol, changes = update.product_id, update.changes
        prev = session.numbers.get(symbol, 0)
        session.numbers[symbol] = prev + 1
        bids = [(price, size) for side, price, size in changes if side == "buy"]
        asks = [(price, size) for side, price, size in changes if side == "sell"]
        return (Delta(symbol, prev, prev + 1, bids, asks, seconds(update.time)),)

    def _parse_other(
        self, frame: str | bytes, session: Session, reason: str
    ) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.type == "snapshot":
            return (self._snapshot(frame, control.product_id, session),)
        if control.type == "subscriptions":
            books = (x for x in control.channels if x.name.startswith("level2"))
            return session.members.listed(s for book in books for s in book.product_ids)
        if control.type == "error":
            reason = ": ".join(filter(None, (control.message, control.reason)))
            words = reason.split()
            named = tuple(name for name in session.wanted if name in words)
            return (Rejected(named, reason),)
        if control.type in {"l2update", ""}:
            raise MalformedMessage(reason, control.product_id)
        return ()  # a heartbeat, another channel

    def _snapshot(
        self, frame: str | bytes, symbol: str | None, session: Session
    ) -> Snapshot:
        try:
            book = self._book.decode(frame)
        except UNREADABLE as error:
            raise MalformedMessage(str(error), symbol) from None
        symbol = book.product_id
        number = session.numbers[symbol] = session.numbers.get(symbol, 0) + 1
        return Snapshot(symbol, number, book.bids, book.asks, time=seconds(book.time))

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /products``."""
        return (Request(path="/products"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``quote_increment`` is the price step, ``base_increment`` the size step."""
        products = self.decode(self.decoder(list[Product]), body)
        return [
            Instrument(
                symbol=product.id,
                price_step=product.quote_increment,
                size_step=product.base_increment,
                active=product.status == "online" and not product.trading_disabled,
            )
            for product in products
        ]


def seconds(instant: Any) -> float | None:
    """Seconds since 1970; ``None`` for none and for the year 1, which occurs."""
    return None if instant is None or instant.year == 1 else instant.timestamp()
