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

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, TypeVar

from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Message, Rejected
from booksync.venues._bitmex_ladder import Ladder, Row
from booksync.venues.declared import (
    DeclaredVenue,
    Operation,
    Requests,
    acknowledged,
    concerned,
)
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
RETRY = 429  # too many requests: not a refusal for good


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


class Contract(Struct):
    """One of ``/instrument/active``; indices have neither step."""

    symbol: str
    state: str
    tickSize: Decimal | None = None  # noqa: N815 - the venue's name
    lotSize: Decimal | None = None  # noqa: N815


class Session(Requests):
    """The keys of each book."""

    __slots__ = ("ladders",)

    def __init__(self) -> None:
        super().__init__()
        self.ladders: dict[str, Ladder] = {}

    def missed(self, symbol: str | None) -> None:
        """The next delta is a gap: everybody's, if nobody knows whose frame it was."""
        for name in concerned(self.ladders, symbol):
            self.ladders[name].prices = None


class Bitmex(DeclaredVenue):
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
        weight=10,  # a second,
        weight_window=20.0,  # and 30 a minute
    )
    heartbeat = Heartbeat(interval=5.0, silence=15.0)
    WS_URL = "wss://ws.bitmex.com/realtime"
    REST_URL = "https://www.bitmex.com"
    PING, PONG = "ping", "pong"  # text, not JSON
    PUSH, CONTROL, LISTING = Table, Control, list[Contract]
    SESSION = Session
    JSON_NUMBERS = True
    LISTINGS = (Request(path="/api/v1/instrument/active"),)
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"table": TABLES}

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"op":"subscribe","args":["orderBookL2:XBTUSD"]}``."""
        topics = [f"{self.options['table']}:{symbol}" for symbol in symbols]
        return {"op": operation, "args": topics}

    def read_push(self, push: Table[Any], session: Session) -> Sequence[Message]:
        """A partial is a snapshot; other rows change the levels that it named."""
        rows, ladders = push.data, session.ladders
        symbol = rows[0].symbol if rows else push.filter and push.filter.symbol
        if push.action == "partial":
            if not symbol:
                raise MalformedMessage("a partial of nobody")
            ladder = ladders.setdefault(symbol, Ladder())
            depth = 25 if push.table == "orderBookL2_25" else None
            return (ladder.partial(symbol, rows, depth),)
        if not rows or symbol not in ladders:
            return ()  # no partial yet: to be discarded, as the venue says
        return (ladders[symbol].delta(push.action, rows, self.number(0)),)

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """Broken rows, an answer, an error, a greeting."""
        if control.table in TABLES:
            symbol = control.data[0].symbol if control.data else None
            raise MalformedMessage(problem, symbol or None)
        if control.error:
            return _refusal(control)
        if control.success:
            topic = control.subscribe or control.unsubscribe
            operation = "subscribe" if control.subscribe else "unsubscribe"
            table, _, symbol = topic.partition(":")
            return (acknowledged(operation, [symbol]),) if table in TABLES else ()
        if control.table or control.info:
            return ()
        raise MalformedMessage("neither rows nor an answer")

    def listed(self, answer: list[Contract]) -> Iterable[Instrument]:
        """``tickSize`` and ``lotSize``; the state ``Open`` trades."""
        for entry in answer:
            yield Instrument(
                symbol=entry.symbol,
                price_step=entry.tickSize,
                size_step=entry.lotSize,
                active=entry.state == "Open",
            )


def _refusal(control: Control) -> Sequence[Message]:
    """A request of ours has one topic, so its refusal is about that one."""
    if control.status == RETRY:
        return ()
    args = control.request.args if control.request else ""
    topics = [args] if isinstance(args, str) else args
    symbols = [topic.partition(":")[2] for topic in topics] if len(topics) == 1 else []
    return (Rejected(tuple(filter(None, symbols)), control.error),)
