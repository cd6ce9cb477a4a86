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
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

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
from booksync.venues.base import Instant
from booksync.venues.declared import Counted, DeclaredVenue, Operation
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


class Session(Counted):
    """Messages so far, by symbol, and what was subscribed."""

    __slots__ = ("members",)

    def __init__(self) -> None:
        super().__init__()
        self.members = Membership()

    def add(self, operation: str, symbols: Sequence[str]) -> int:
        """A list without them confirms that they are gone."""
        if operation == "unsubscribe":
            self.members.leave(symbols)
        return super().add(operation, symbols)


class CoinbaseExchange(DeclaredVenue):
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
        weight=5,  # of about 10 a second
        weight_window=1.0,
        frame_bytes=64 * 1024 * 1024,  # whole books
    )
    heartbeat = Heartbeat(silence=15.0)
    WS_URL = "wss://ws-feed.exchange.coinbase.com"
    REST_URL = "https://api.exchange.coinbase.com"
    SESSION = Session
    PUSH, WHOLE, CONTROL, LISTING = Update, Book, Control, list[Product]
    LISTINGS = (Request(path="/products"),)
    CASE = "upper"

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"type":"subscribe","product_ids":[…],"channels":["level2_batch",…]}``."""
        beat = ["heartbeat"] if operation == "subscribe" else []  # may beat on
        channels = ["level2_batch", *beat]
        return {"type": operation, "product_ids": symbols, "channels": channels}

    def read_push(self, push: Update[Any], session: Session) -> Sequence[Message]:
        """Number a symbol's messages."""
        symbol, changes = push.product_id, push.changes
        number = session.count(symbol)
        bids = [(price, size) for side, price, size in changes if side == "buy"]
        asks = [(price, size) for side, price, size in changes if side == "sell"]
        time = seconds(push.time)
        return (Delta(symbol, number - 1, number, bids, asks, time),)

    def whose(self, control: Control, session: Session) -> str | None:
        """A snapshot."""
        return control.product_id or "" if control.type == "snapshot" else None

    def read_whole(self, whole: Book[Any], session: Session) -> Sequence[Message]:
        """It takes a number, too."""
        symbol, time = whole.product_id, seconds(whole.time)
        number = session.count(symbol)
        return (Snapshot(symbol, number, whole.bids, whole.asks, time=time),)

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """A list of subscriptions or an error."""
        if control.type == "subscriptions":
            books = (x for x in control.channels if x.name.startswith("level2"))
            return session.members.listed(s for book in books for s in book.product_ids)
        if control.type == "error":
            reason = ": ".join(filter(None, (control.message, control.reason)))
            words = reason.split()
            named = tuple(name for name in session.numbers if name in words)
            return (Rejected(named, reason),)
        if control.type in {"l2update", ""}:
            raise MalformedMessage(problem, control.product_id)
        return ()  # a heartbeat, another channel

    def listed(self, answer: list[Product]) -> Iterable[Instrument]:
        """``quote_increment`` is the price step, ``base_increment`` the size step."""
        for product in answer:
            yield Instrument(
                symbol=product.id,
                price_step=product.quote_increment,
                size_step=product.base_increment,
                active=product.status == "online" and not product.trading_disabled,
            )


def seconds(instant: Any) -> float | None:
    """Seconds since 1970; ``None`` for none and for the year 1, which occurs."""
    return None if instant is None or instant.year == 1 else instant.timestamp()
