"""
BitMEX: rows keyed by (side, id), no number, no checksum: only the order is known.

Facts: bitmex.com/app/wsAPI, blog.bitmex.com on rate limits, ccxt pull 17355, read
2026-11; checked on frames of 2021.

A row's ``id`` stands for its price, which an update or a delete need not repeat, so
the session remembers ``id -> price``. The same memory shows the only loss that can be
seen here: a key that is inserted twice, or changed without being known. The session
counts messages (the venue does not); from a contradiction to the next partial it
counts two for each message, so that no delta can match and the book is withheld.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

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

__all__ = ["Bitmex"]

N = TypeVar("N")
TABLES = ("orderBookL2", "orderBookL2_25")
INSERT = "insert"
RETRY = 429  # too many requests: not a refusal for good
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Row(Struct, Generic[N], gc=False):
    """One level; since 2023 updates and deletes repeat price and size, too."""

    symbol: str
    id: int
    side: Literal["Buy", "Sell"]
    size: N | None = None
    price: N | None = None
    timestamp: Instant | None = None


class Filter(Struct):
    """Whom an empty ``partial`` is about."""

    symbol: str = ""


class Table(Struct, Generic[N], gc=False):
    """``{"table":"orderBookL2","action":"update","data":[…]}``."""

    table: Literal["orderBookL2", "orderBookL2_25"]
    action: Literal["partial", "insert", "update", "delete"]
    data: list[Row[N]]
    filter: Filter | None = None


class Named(Struct):
    """What can still be read of a bad row."""

    symbol: str = ""


class Ask(Struct):
    """The request that an answer repeats."""

    op: str = ""
    args: list[str] | str = ""


class Control(Struct):
    """Everything else: greeting, answers, errors, other tables, broken rows."""

    table: str = ""
    data: list[Named] = []
    info: str = ""
    success: bool = False
    subscribe: str = ""
    unsubscribe: str = ""
    error: str = ""
    status: int = 0
    request: Ask | None = None


class Ladder:
    """The keys of one book; ``prices`` is ``None`` from a loss to the next partial."""

    __slots__ = ("count", "prices")

    def __init__(self) -> None:
        self.count = 0
        self.prices: dict[tuple[str, int], Any] | None = None


class Bitmex(Venue):
    """BitMEX derivatives and spot; sizes in contracts (spot: scaled units)."""

    id = "bitmex"
    facts = Facts(
        markets="derivatives, spot",
        source=Source.STREAM,
        assurance=Assurance.ORDERED,
        numbering=None,
        resync=Resync.RESUBSCRIBE,
        verified="snapshots, keys, final books: 2021 (table orderBookL2)",
        unverified=(
            "table orderBookL2_25",
            "rows that repeat price and size (since 2023)",
            "answers to unsubscribe",
            "how many connections are allowed (20 an hour are made at most)",
        ),
        url="https://www.bitmex.com/app/wsAPI",
        date="2026-11-01",
    )
    limits = Limits(
        symbols_per_frame=1,  # an error does not say which of several it means
        messages=10.0,  # subscriptions to public tables are not limited
        connects=20,
        connects_window=3600.0,
        weight=30,
    )
    heartbeat = Heartbeat(interval=5.0, silence=15.0)
    WS_URL = "wss://ws.bitmex.com/realtime"
    REST_URL = "https://www.bitmex.com"
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"table": TABLES}

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._table = self.decoder(Table, self.number)
        self._control = self.decoder(Control)
        self._gone = self.number(0)

    def session(self) -> dict[str, Ladder]:
        """Keys by symbol."""
        return {}

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        """``{"op":"subscribe","args":["orderBookL2:XBTUSD"]}``."""
        return self._frames("subscribe", symbols)

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        return self._frames("unsubscribe", symbols)

    def _frames(self, op: str, symbols: Sequence[str]) -> list[str | bytes]:
        topics = [f"{self.options['table']}:{symbol}" for symbol in symbols]
        requests = [{"op": op, "args": [topic]} for topic in topics]
        return [msgspec.json.encode(request).decode() for request in requests]

    def ping(self, session: Any, now: float) -> str:
        """Text, not JSON; so is the answer."""
        return "ping"

    def parse(
        self, frame: str | bytes, session: dict[str, Ladder]
    ) -> Sequence[Message]:
        """Read rows, an answer, an error or ``pong``."""
        try:
            table = self._table.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, session, str(error))
        rows = table.data
        if table.action == "partial":
            return (_partial(table, session),)
        ladder = session.get(rows[0].symbol) if rows else None
        if ladder is None:
            return ()  # no partial yet: to be discarded, as the venue says
        prices, ladder.prices = ladder.prices, None
        return (self._delta(table.action, rows, ladder, prices),)

    def _delta(
        self, action: str, rows: list[Any], ladder: Ladder, prices: Any
    ) -> Delta:
        """Resolve rows into levels; whatever cannot be leaves the ladder unknown."""
        symbol = rows[0].symbol
        sides: dict[str, list[tuple[Any, Any]]] = {"Buy": [], "Sell": []}
        for row in rows:
            if row.symbol != symbol or (row.size is None and action != "delete"):
                raise MalformedMessage(f"{action} of {row}", symbol)
            key = (row.side, row.id)
            known = None if prices is None else prices.get(key)
            price = known if row.price is None else row.price
            if prices is None or price is None or (known is None) is (action != INSERT):
                ladder.count += 2
                return Delta(symbol, ladder.count - 1, ladder.count, (), ())
            side = sides[row.side]
            if action == "delete" or known not in (None, price):
                side.append((known, self._gone))
            if action == "delete":
                del prices[key]
            else:
                prices[key] = price
                side.append((price, row.size))
        ladder.prices = prices
        ladder.count += 1
        time, count = _seconds(rows), ladder.count
        return Delta(symbol, count - 1, count, sides["Buy"], sides["Sell"], time)

    def _parse_other(
        self, frame: str | bytes, session: dict[str, Ladder], reason: str
    ) -> Sequence[Message]:
        if frame in ("pong", b"pong"):
            return ()
        control = self._read(frame, session)
        if control.table in TABLES:
            symbol = control.data[0].symbol if control.data else None
            if symbol in session:
                session[symbol].prices = None  # the next delta is a gap
            raise MalformedMessage(reason, symbol or None)
        if control.error:
            return _refusal(control)
        if control.success:
            table, _, symbol = (control.subscribe or control.unsubscribe).partition(":")
            done = Subscribed if control.subscribe else Unsubscribed
            return (done((symbol,)),) if table in TABLES else ()
        if control.table or control.info:
            return ()
        raise MalformedMessage("neither rows nor an answer")

    def _read(self, frame: str | bytes, session: dict[str, Ladder]) -> Control:
        """Whose an unreadable frame is, nobody knows: all next deltas are gaps."""
        try:
            control: Control = self.decode(self._control, frame)
        except MalformedMessage:
            for ladder in session.values():
                ladder.prices = None
            raise
        return control

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /api/v1/instrument/active``."""
        return (Request(path="/api/v1/instrument/active"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``tickSize`` and ``lotSize``; the state ``Open`` trades."""
        listing: list[Contract] = self.decode(self.decoder(list[Contract]), body)
        return [
            Instrument(
                symbol=entry.symbol,
                price_step=entry.tickSize,
                size_step=entry.lotSize,
                active=entry.state == "Open",
            )
            for entry in listing
        ]


class Contract(Struct):
    """One of ``/instrument/active``; indices have neither step."""

    symbol: str
    state: str
    tickSize: Decimal | None = None  # noqa: N815 - the venue's name
    lotSize: Decimal | None = None  # noqa: N815


def _partial(table: Any, session: dict[str, Ladder]) -> Snapshot:
    rows = table.data
    symbol = rows[0].symbol if rows else table.filter and table.filter.symbol
    if not symbol:
        raise MalformedMessage("a partial of nobody")
    ladder = session.setdefault(symbol, Ladder())
    ladder.count += 1
    ladder.prices = None
    prices = {}
    sides: dict[str, list[tuple[Any, Any]]] = {"Buy": [], "Sell": []}
    for row in rows:
        if row.symbol != symbol or row.price is None or row.size is None:
            raise MalformedMessage(f"partial with {row}", symbol)
        prices[row.side, row.id] = row.price
        sides[row.side].append((row.price, row.size))
    ladder.prices = prices
    return Snapshot(
        symbol=symbol,
        sequence=ladder.count,
        bids=sides["Buy"],
        asks=sides["Sell"],
        depth=25 if table.table == "orderBookL2_25" else None,
        time=_seconds(rows),
    )


def _seconds(rows: list[Any]) -> float | None:
    at = rows[-1].timestamp if rows else None
    return at.timestamp() if at else None


def _refusal(control: Control) -> Sequence[Message]:
    """A request of ours has one topic, so its refusal is about that one."""
    if control.status == RETRY:
        return ()
    args = control.request.args if control.request else ""
    topics = [args] if isinstance(args, str) else args
    symbols = [topic.partition(":")[2] for topic in topics] if len(topics) == 1 else []
    return (Rejected(tuple(filter(None, symbols)), control.error),)
