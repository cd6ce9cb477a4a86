"""
Kraken Futures: one level a message, numbered one by one for each product.

Facts: docs.kraken.com/exchange/api-reference/futures-websocket/book.md (read
2026-11), checked on 7,014 recorded deltas of 2021.

The venue calls ``seq`` the message's number in its subscription and states no rule
for gaps; that it grows by one is measured (7,014 of 7,014 steps over 10 products), and
taken strictly here. The snapshot carries the number of the last change in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct, field

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues.base import Count
from booksync.venues.declared import (
    DeclaredVenue,
    Operation,
    Requests,
    acknowledged,
    pairs,
    step,
)
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
    size: N = field(name="qty")


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


class Listed(Struct):
    """An instrument; an index has no step."""

    symbol: str
    tickSize: Decimal | None = None  # noqa: N815 - the venue's names
    contractValueTradePrecision: int | None = None  # noqa: N815
    tradeable: bool = False


class Listing(Struct):
    """Answer of ``/instruments``."""

    instruments: list[Listed]


class KrakenFutures(DeclaredVenue):
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
    PUSH, WHOLE, CONTROL, LISTING = Change, Book, Control, Listing
    JSON_NUMBERS = True
    LISTINGS = (Request(path="/derivatives/api/v3/instruments"),)
    CASE = "upper"  # as in the feed; REST lists lower case
    STREAM_PATH = "/ws/v1"

    def greet(self, session: Requests, now: float) -> list[str | bytes]:
        """Without a book that moves, only the heartbeat feed is heard."""
        return ['{"event":"subscribe","feed":"heartbeat"}']

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"event":"subscribe","feed":"book","product_ids":["PF_XBTUSD"]}``."""
        return {"event": operation, "feed": "book", "product_ids": symbols}

    def read_push(self, push: Change[Any], session: Requests) -> Sequence[Message]:
        """One level."""
        level, number = ((push.price, push.qty),), push.seq
        time = push.timestamp / 1000 if push.timestamp else None
        bids, asks = (level, ()) if push.side == "buy" else ((), level)
        return (Delta(push.product_id, number - 1, number, bids, asks, time),)

    def whose(self, control: Control, session: Requests) -> str | None:
        """``"feed":"book_snapshot"``."""
        whole = control.feed == "book_snapshot" and not control.event
        return control.product_id or "" if whole else None

    def read_whole(self, whole: Book[Any], session: Requests) -> Sequence[Message]:
        """Levels of size 0 occur, and mean nothing."""
        bids = pairs(level for level in whole.bids if level.size)
        asks = pairs(level for level in whole.asks if level.size)
        time = whole.timestamp / 1000 if whole.timestamp else None
        return (Snapshot(whole.product_id, whole.seq, bids, asks, time=time),)

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """``subscribed_failed`` names products; ``error``, ``alert`` say a sentence."""
        named, reason = control.product_ids, control.message or control.event
        if not control.event and control.feed in {"", "book"}:
            raise MalformedMessage(problem, control.product_id)
        if control.event in {"error", "alert"}:
            return (Rejected((), reason),)
        if control.feed != "book":
            return ()  # "info" on connecting, the heartbeat feed
        if control.event == "subscribed_failed":
            return (Rejected(named, reason),)
        if control.event in {"subscribed", "unsubscribed"}:
            return (acknowledged(control.event.removesuffix("d"), named),)
        return ()

    def listed(self, answer: Listing) -> Iterable[Instrument]:
        """``tickSize`` and ``contractValueTradePrecision``; indices have neither."""
        for entry in answer.instruments:
            if entry.tickSize:
                yield Instrument(
                    symbol=entry.symbol.upper(),
                    price_step=entry.tickSize,
                    size_step=step(entry.contractValueTradePrecision),
                    active=entry.tradeable,
                )
