"""
Deribit (JSON-RPC v2): deltas that name their predecessor, snapshot in the stream.

Facts: docs.deribit.com, "book.{instrument_name}.{interval}", "set_heartbeat",
"Notifications" and "platform_state" (read 2026-11), a third party's probe of
2026-09-22; checked on recorded frames of 2021.

A delta carries ``(prev_change_id, change_id]``; the counter is shared by many books and
jumps. Levels come as ``[action, price, amount]``; what was "new" and what a "change" is
ignored. A channel that does not exist is missing from the answer, without an error. A
second subscribe to the same channel sends no second snapshot.

On ``test_request`` the client must call ``public/test`` or is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Closing,
    Delta,
    Levels,
    Message,
    Rejected,
    Reply,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import _deribit_state as platform
from booksync.venues.base import Integer
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

__all__ = ["Deribit"]

N = TypeVar("N")
#: Raw without login, closed book, bad parameter.
REFUSED = {13778, 13019, -32602}
HEARTBEAT = 30
#: The instrument and the interval; grouped channels have more.
CHANNEL = re.compile(r"book\.([^.]*)\.[^.]*")
EVERY = {"currency": "any", "expired": "false"}


class Book(Struct, Generic[N], gc=False):
    """``data`` of a book channel; a snapshot has no ``prev_change_id``."""

    type: Literal["snapshot", "change"]
    timestamp: Integer
    instrument_name: str
    change_id: Integer
    bids: list[tuple[Literal["new", "change", "delete"], N, N]]
    asks: list[tuple[Literal["new", "change", "delete"], N, N]]
    prev_change_id: Integer | None = None


class Params(Struct, Generic[N]):
    """``{"channel":"book.BTC-PERPETUAL.100ms","data":{…}}``."""

    channel: str
    data: Book[N]


class Push(Struct, Generic[N]):
    """``{"jsonrpc":"2.0","method":"subscription","params":{…}}``."""

    params: Params[N]


class AnyParams(Struct, frozen=True):
    """``params`` of whatever notification."""

    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


class Problem(Struct):
    """``{"code":10028,"message":"too_many_requests"}``."""

    code: int
    message: str = ""


class Control(Struct):
    """Whatever is not a push of a book."""

    id: int | None = None
    method: str = ""
    params: AnyParams = AnyParams()
    result: msgspec.Raw = msgspec.Raw(b"")
    error: Problem | None = None


class Listed(Struct):
    """One instrument."""

    instrument_name: str
    tick_size: Decimal
    min_trade_amount: Decimal
    is_active: bool


class Listing(Struct):
    """Answer of ``get_instruments``."""

    result: list[Listed]


class Session(Requests):
    """One connection: its requests, and the books seen on it."""

    __slots__ = ("books",)

    def __init__(self) -> None:
        super().__init__()
        #: Symbols that had a snapshot, in order; whom a halt may concern.
        self.books: dict[str, None] = {}

    def call(self, method: str, **params: Any) -> str:
        """Make a request with the next id."""
        call = _call(self.add(method, ()), method, params)
        return msgspec.json.encode(call).decode()


def _call(number: int, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    method = f"public/{method}"
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


class Deribit(DeclaredVenue):
    """Deribit options, futures, perpetuals and spot."""

    id = "deribit"
    facts = Facts(
        markets="options, futures, perpetuals, spot",
        source=Source.STREAM,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        resync=Resync.RESUBSCRIBE,
        verified="continuity (177 deltas) and 10 final books, raw channel: 2021",
        unverified=(
            "which books a lock of platform_state concerns (taken from their names)",
            "negative prices of combos (option combos, off)",
            "whether deltas list touched or net levels",
        ),
        url="https://docs.deribit.com/subscriptions/orderbook/bookinstrument_nameinterval.md",
        date="2026-09-22",
    )
    limits = Limits(
        symbols=200,
        symbols_per_frame=100,
        messages=3.0,  # of 3.3 subscribes
        connects=30,
        connects_window=60.0,
        weight=10,  # of 20 calls
        weight_window=1.0,
    )
    heartbeat = Heartbeat(silence=65.0)  # the venue's own, every 30 s, by greet
    WS_URL = "wss://www.deribit.com/ws/api/v2"
    REST_URL = "https://www.deribit.com/api/v2"
    SESSION = Session
    PUSH, CONTROL, LISTING = Push, Control, Listing
    JSON_NUMBERS = True
    LISTINGS = (Request(path="/public/get_instruments", params=EVERY),)
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "interval": ("100ms", "agg2"),
        "combos": ("no", "yes"),
    }

    def setup(self) -> None:
        """Prices of combos may be negative."""
        super().setup()
        self._channels = self.decoder(list[str])
        self.signed = self.options["combos"] == "yes"

    def greet(self, session: Session, now: float) -> list[str | bytes]:
        """Turn the venue's heartbeat on, and hear of locks and maintenance."""
        return [
            session.call("set_heartbeat", interval=HEARTBEAT),
            session.call("subscribe", channels=[platform.CHANNEL]),
        ]

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``public/subscribe`` with ``{"channels":["book.BTC-PERPETUAL.100ms"]}``."""
        channels = [self._channel(symbol) for symbol in symbols]
        return _call(number, operation, {"channels": channels})

    def _channel(self, symbol: str) -> str:
        return f"book.{symbol}.{self.options['interval']}"

    def read_push(self, push: Push[Any], session: Session) -> Sequence[Message]:
        """A snapshot or a change."""
        channel, book = push.params.channel, push.params.data
        symbol, last, time = book.instrument_name, book.change_id, book.timestamp / 1000
        named = CHANNEL.fullmatch(channel)
        if named is None or named[1] != symbol:
            raise MalformedMessage(f"{symbol!r} on the channel {channel!r}")
        if last < 0:
            raise MalformedMessage(f"change_id={last}", symbol)
        bids, asks = self._levels(book.bids), self._levels(book.asks)
        if book.type == "snapshot":
            session.books[symbol] = None
            return (Snapshot(symbol, last, bids, asks, time=time),)
        prev = book.prev_change_id
        if prev is None or prev < 0:
            raise MalformedMessage(f"prev_change_id={prev}", symbol)
        # Numbers that do not rise are documented nowhere: that follows nothing.
        broken = last <= prev
        prev = -1 if broken else prev
        return (Delta(symbol, prev, last, bids, asks, time, reset=broken),)

    def _levels(self, rows: Any) -> Levels:
        zero = self.number(0)
        return [
            (price, zero if action == "delete" else size)
            for action, price, size in rows
        ]

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """A heartbeat, a notice of the platform, an error or an answer."""
        if control.method == "heartbeat":
            asked = control.params.type == "test_request"
            return (Reply(session.call("test")),) if asked else ()
        if control.error is not None:
            reason, code = control.error.message, control.error.code
            if reason == "connection_too_slow":
                return (Closing(reason),)
            reason = f"{reason} (code {code})"
            return session.refused(control.id, reason, final=code in REFUSED)
        if control.method == "subscription":
            return self._noticed(control.params, session, problem)
        if control.id is None:
            raise MalformedMessage("neither a notification nor an answer")
        return self._answered(control, session)

    def _answered(self, control: Control, session: Session) -> Sequence[Message]:
        operation, symbols = session.of(control.id)
        if not symbols:
            return ()  # a heartbeat's, or not ours
        if operation == "unsubscribe":
            for symbol in symbols:
                session.books.pop(symbol, None)
            return (Unsubscribed(symbols),)
        channels = set(self.decode(self._channels, bytes(control.result)))
        done = tuple(name for name in symbols if self._channel(name) in channels)
        missing = tuple(name for name in symbols if name not in done)
        messages: list[Message] = [Subscribed(done)] if done else []
        if missing:
            messages.append(Rejected(missing, "missing from the answer: no such book"))
        return messages

    def _noticed(
        self, params: AnyParams, session: Session, problem: str
    ) -> Sequence[Message]:
        named = CHANNEL.fullmatch(params.channel)
        if named is not None:
            raise MalformedMessage(problem, named[1])
        if params.channel != platform.CHANNEL:
            return ()
        return platform.meaning(params.data, session.books)

    def listed(self, answer: Listing) -> Iterable[Instrument]:
        """``tick_size`` and ``min_trade_amount``."""
        for entry in answer.result:
            yield Instrument(
                symbol=entry.instrument_name,
                price_step=entry.tick_size,
                size_step=entry.min_trade_amount,
                active=entry.is_active,
            )
