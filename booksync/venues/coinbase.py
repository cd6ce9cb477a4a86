"""
Coinbase Advanced Trade (``level2``): one count over every message of a connection.

Facts: docs.cdp.coinbase.com, coinbase-app/advanced-trade-apis/websocket and
api-reference/advanced-trade-api/websocket/level2.md (read 2026-11), and a third
party's frames of 2026-09; no recorded frames were at hand.

``sequence_num`` starts at 0 and grows by one on *every* frame of the connection:
books, heartbeats, acknowledgements (frames of 2026-09: snapshot 0, acknowledgements 1
and 2, heartbeat 3, delta 4). The documentation can be read as if it counted each
product; it does not. So a hole makes every book of the connection suspect, and a
product's deltas are chained here: from its last message's number to this one's.

Asked for ``XXX-USDC``, the venue sends the book of ``XXX-USD`` under that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Levels, Lost, Message, Rejected, Snapshot
from booksync.venues.coinbase_exchange import Instant, Membership, seconds
from booksync.venues.declared import DeclaredVenue, Operation, Requests
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

__all__ = ["Coinbase"]

N = TypeVar("N")
#: Markets of their own; all other ``-USDC`` are ``-USD``.
OWN_USDC = {"USDT-USDC", "EURC-USDC"}
#: Old numbers in a row after which the venue is taken to have started again.
RESTARTED = 100


class Level(Struct, Generic[N], gc=False):
    """``{"side":"offer","price_level":"79944.1","new_quantity":"1.2"}``."""

    side: Literal["bid", "offer"]
    price_level: N
    new_quantity: N


class Change(Struct, Generic[N], gc=False):
    """``{"type":"update","product_id":"BTC-USD","updates":[…]}``."""

    type: Literal["snapshot", "update"]
    product_id: str
    updates: list[Level[N]]


class Update(Struct, Generic[N], gc=False):
    """``{"channel":"l2_data","timestamp":"…Z","sequence_num":0,"events":[…]}``."""

    channel: Literal["l2_data"]
    sequence_num: Annotated[int, Meta(ge=0)]
    events: list[Change[N]]
    timestamp: Instant | None = None


class Event(Struct):
    """An event of any channel: ``{"subscriptions":{"level2":["ETH-USD"]}}``."""

    product_id: str | None = None
    subscriptions: dict[str, list[str]] = {}


class Control(Struct):
    """Whatever is not a readable book."""

    channel: str = ""
    sequence_num: Annotated[int, Meta(ge=0)] | None = None
    events: list[Event] = []
    type: str = ""
    message: str | None = None


class Product(Struct):
    """An entry of ``products``."""

    product_id: str
    price_increment: Decimal
    base_increment: Decimal
    status: str = "online"
    trading_disabled: bool = False
    is_disabled: bool = False


class Products(Struct):
    """Answer of ``/market/products``."""

    products: list[Product]


class Session(Requests):
    """The connection's count, each book's last number, and what was subscribed."""

    __slots__ = ("last", "members", "names", "numbers", "older")

    def __init__(self) -> None:
        super().__init__()
        self.last: int | None = None
        self.older = 0
        self.numbers: dict[str, int] = {}
        self.members = Membership()
        self.names: dict[str, dict[str, None]] = {}

    def add(self, operation: str, symbols: Sequence[str]) -> int:
        """Remember whom a product means, and who leaves."""
        if operation == "unsubscribe":
            self.members.leave(symbols)
        for symbol in symbols:
            shared = symbol.endswith("-USDC") and symbol not in OWN_USDC
            product = symbol.removesuffix("C") if shared else symbol
            self.names.setdefault(product, {})[symbol] = None
        return super().add(operation, symbols)

    def named(self, product: str) -> Sequence[str]:
        """Whose book the venue means by ``product``."""
        return tuple(self.names.get(product, (product,)))

    def count(self, number: int | None) -> list[Message] | None:
        """Take a frame's number, say what it lost; ``None`` to drop a repeat."""
        last = self.last
        if number is None or last is None or number == last + 1:
            self.last = last if number is None else number
            self.older = 0
            return []
        if number <= last and self.older < RESTARTED:
            self.older += 1
            return None
        self.last = number
        self.older = 0
        self.numbers.clear()
        return [Lost(last + 1, number)]


class Coinbase(DeclaredVenue):
    """Coinbase Advanced Trade: spot and perpetuals."""

    id = "coinbase"
    facts = Facts(
        markets="spot, perpetuals",
        source=Source.STREAM,
        assurance=Assurance.COUNTED,
        numbering=Numbering.CONNECTION,
        resync=Resync.RESUBSCRIBE,
        unverified=(
            "everything: no recorded frames (a third party's, of 2026-09, agree)",
            "whether an acknowledgement lists all subscriptions or only the new ones",
            "how an acknowledgement spells a -USDC product",
        ),
        url="https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/websocket/level2.md",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=30,  # one lost message takes them all
        symbols_per_frame=10,
        messages=4.0,  # of 8 an address
        connects=60,
        weight=300,
        frame_bytes=64 * 1024 * 1024,  # whole books
    )
    heartbeat = Heartbeat(silence=15.0)
    WS_URL = "wss://advanced-trade-ws.coinbase.com"
    REST_URL = "https://api.coinbase.com"
    SESSION = Session
    PUSH, CONTROL, LISTING = Update, Control, Products
    LISTINGS = (Request(path="/api/v3/brokerage/market/products"),)
    CASE = "upper"

    def greet(self, session: Session, now: float) -> list[str | bytes]:
        """A channel without updates is closed after 60 to 90 s, unless it beats."""
        return ['{"type":"subscribe","channel":"heartbeats"}']

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"type":"subscribe","product_ids":["ETH-USD"],"channel":"level2"}``."""
        return {"type": operation, "product_ids": symbols, "channel": "level2"}

    def read_push(self, push: Update[Any], session: Session) -> Sequence[Message]:
        """Count the frame, and read its books."""
        messages = session.count(push.sequence_num)
        if messages is None:
            return ()
        found: dict[str, list[Change[Any]]] = {}
        for change in push.events:
            found.setdefault(change.product_id, []).append(change)
        for product, changes in found.items():
            messages += _book(product, changes, push, session)
        return messages

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """Leave an unreadable book uncounted: the next frame shows the hole."""
        if control.channel == "l2_data" or not (control.channel or control.type):
            products = [event.product_id for event in control.events]
            symbol = session.named(products[0])[0] if products and products[0] else None
            raise MalformedMessage(problem, symbol)
        messages = session.count(control.sequence_num)
        if messages is None:
            return ()
        if control.type == "error":
            messages.append(Rejected((), control.message or "error"))
        if control.channel == "subscriptions":
            lists = (event.subscriptions.get("level2", ()) for event in control.events)
            messages += session.members.listed(
                symbol for names in lists for x in names for symbol in session.named(x)
            )
        return messages

    def listed(self, answer: Products) -> Iterable[Instrument]:
        """``price_increment`` and ``base_increment``."""
        for product in answer.products:
            stopped = product.trading_disabled or product.is_disabled
            yield Instrument(
                symbol=product.product_id,
                price_step=product.price_increment,
                size_step=product.base_increment,
                active=product.status == "online" and not stopped,
            )


def _book(
    product: str, changes: list[Change[Any]], update: Any, session: Session
) -> Iterator[Message]:
    """
    One frame's events of one product: its last snapshot, and what follows that.

    All have the frame's number; a snapshot that something follows gets the one before.
    """
    number, time = update.sequence_num, seconds(update.timestamp)
    prev = session.numbers.get(product, number - 1)
    session.numbers[product] = number
    wholes = [at for at, change in enumerate(changes) if change.type == "snapshot"]
    start = wholes[-1] + 1 if wholes else 0
    rest = changes[start:]
    if wholes:
        prev = number - 1 if rest else number
    for symbol in session.named(product):
        if wholes:
            bids, asks = _sides(changes[start - 1 : start])
            yield Snapshot(symbol, prev, bids, asks, time=time)
        if rest:
            bids, asks = _sides(rest)
            yield Delta(symbol, prev, number, bids, asks, time)


def _sides(changes: list[Change[Any]]) -> tuple[Levels, Levels]:
    levels = [level for change in changes for level in change.updates]
    return (
        [(x.price_level, x.new_quantity) for x in levels if x.side == "bid"],
        [(x.price_level, x.new_quantity) for x in levels if x.side == "offer"],
    )
