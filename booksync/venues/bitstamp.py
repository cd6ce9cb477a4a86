"""
Bitstamp: deltas with a time and no number, snapshots by REST.

Facts: www.bitstamp.net/websocket/v2/ and /api/ (read 2026-11), checked on 717 recorded
deltas of 2022.

The only order is ``microtimestamp``; a lost delta cannot be seen. A delta carries the
changes since the one before it, so the session remembers that one's time: the chain
makes a snapshot older than the first delta show itself as too old, and drops deltas
at or before the snapshot's time (2 of 9 recorded joins had equal times). Seconds
(``timestamp``) would apply older deltas again.

A delta that cannot be read breaks the chain: the next one starts a new one just before
itself, so it is a gap and not a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Closing,
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

__all__ = ["Bitstamp"]

N = TypeVar("N")
CHANNEL = "diff_order_book_"
Microseconds = Annotated[int, Meta(ge=1, le=2**62)]
UNLISTED = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)


class Book(Struct, Generic[N], gc=False):
    """``{"microtimestamp":"1641343695572693","bids":[["0.14695","45.6"]],…}``."""

    microtimestamp: Microseconds
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]


class Update(Struct, Generic[N], gc=False):
    """``{"data":{…},"channel":"diff_order_book_adaeur","event":"data"}``."""

    data: Book[N]
    channel: str
    event: Literal["data"]


class Control(Struct):
    """Whatever is not a readable delta."""

    event: str = ""
    channel: str = ""
    data: Any = None


class Session:
    """Time of each symbol's last delta, in microseconds."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: dict[str, int] = {}

    def skip(self, symbol: str | None) -> None:
        """Forget the delta before the next one: anybody's, if it is not known whose."""
        if symbol in self.last:
            del self.last[symbol]
        else:
            self.last.clear()


class Bitstamp(Venue):
    """Bitstamp spot and perpetuals."""

    id = "bitstamp"
    facts = Facts(
        markets="spot, perpetuals",
        source=Source.REST,
        assurance=Assurance.ORDERED,
        numbering=None,
        resync=Resync.FETCH,
        verified="joins, order of times, acknowledgements, final books: 2022",
        unverified=(
            "whether deltas (sampled) list touched or net levels",
            "the answer of REST to an unknown market; the stream accepts one silently",
            "message rate, connections per address",
        ),
        url="https://www.bitstamp.net/websocket/v2/",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=200,  # of 1,024 channels; one more closes the socket without a word
        symbols_per_frame=1,
        messages=10.0,
        lifetime=90 * 24 * 3600.0,
        weight=1_000,
        weight_window=60.0,  # of 10,000 requests in ten minutes
    )
    heartbeat = Heartbeat(interval=20.0, silence=60.0)
    WS_URL = "wss://ws.bitstamp.net"
    REST_URL = "https://www.bitstamp.net"

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._update = self.decoder(Update, self.text)
        self._book = self.decoder(Book, self.text)
        self._control = self.decoder(Control)

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Lower case: ``btcusd``, ``btcusd-perp``; the venue acks what it has not."""
        return super().prepare(symbol).lower()

    def session(self) -> Session:
        """Times of this connection."""
        return Session()

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"event":"bts:subscribe","data":{"channel":"diff_order_book_btcusd"}}``."""
        return [_frame("bts:subscribe", symbol) for symbol in symbols]

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``bts:unsubscribe``."""
        return [_frame("bts:unsubscribe", symbol) for symbol in symbols]

    def ping(self, session: Session, now: float) -> str:
        """Answered by the same event with a status."""
        return '{"event":"bts:heartbeat"}'

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta, an acknowledgement, an error or a request to reconnect."""
        try:
            update = self._update.decode(frame)
            if not update.channel.startswith(CHANNEL):
                return ()  # a whole book of another channel
        except UNREADABLE as error:
            try:
                return self._parse_other(frame, str(error))
            except MalformedMessage as failure:
                session.skip(failure.symbol)
                raise
        symbol = update.channel.removeprefix(CHANNEL)
        book: Book[Any] = update.data
        time = book.microtimestamp
        prev = session.last.get(symbol, time - 1)
        if time <= prev:
            prev = time - 1  # a repeat, or older: stale to any book that has it
        else:
            session.last[symbol] = time
        return (Delta(symbol, prev, time, book.bids, book.asks, time / 1e6),)

    def _parse_other(self, frame: str | bytes, reason: str) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        event, channel = control.event, control.channel
        symbol = channel.removeprefix(CHANNEL) if CHANNEL in channel else None
        if event == "bts:request_reconnect":
            return (Closing(event),)
        if event == "bts:error":
            named = () if symbol is None else (symbol,)
            return (Rejected(named, _reason(control.data)),)
        if event == "bts:subscription_succeeded" and symbol is not None:
            return (Subscribed((symbol,)),)
        if event == "bts:unsubscription_succeeded" and symbol is not None:
            return (Unsubscribed((symbol,)),)
        if not event or (event == "data" and (symbol is not None or not channel)):
            raise MalformedMessage(reason, symbol)
        return ()  # a heartbeat's answer, another channel

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /api/v2/order_book/btcusd/?group=1``: the whole book, by price."""
        path = f"/api/v2/order_book/{quote(symbol, safe='')}/"
        return Request(path=path, params={"group": "1"})

    def parse_snapshot(
        self, body: bytes | str, symbol: str, depth: int | None
    ) -> Snapshot:
        """``microtimestamp`` is the time of the last change in it."""
        try:
            book = self._book.decode(body)
        except UNREADABLE as error:
            raise MalformedMessage(f"snapshot: {error}", symbol) from None
        time = book.microtimestamp
        return Snapshot(symbol, time, book.bids, book.asks, time=time / 1e6)

    def snapshot_symbol(self, url: str) -> str | None:
        """``…/order_book/<symbol>[/]``, not by order (``group`` 0 and 2)."""
        parts = urlsplit(url)
        head, _, symbol = parts.path.rstrip("/").rpartition("/")
        grouped = parse_qs(parts.query).get("group", ["1"]) == ["1"]
        if not (head.endswith("/order_book") and symbol and grouped):
            return None
        return unquote(symbol)

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /api/v2/trading-pairs-info/``."""
        return (Request(path="/api/v2/trading-pairs-info/"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``counter_decimals`` and ``base_decimals`` are digits after the point."""
        listing = self.decode(msgspec.json.Decoder(), body)
        try:
            return [_instrument(entry) for entry in listing]
        except UNLISTED as error:
            raise MalformedMessage(f"trading-pairs-info: {error!r}") from None


def _frame(event: str, symbol: str) -> str:
    """Make a frame: one channel each, below 512 bytes."""
    request = {"event": event, "data": {"channel": CHANNEL + symbol}}
    return msgspec.json.encode(request).decode()


def _reason(data: Any) -> str:
    """``{"code":4009,"message":"…"}``; the code may be null."""
    if not isinstance(data, dict):
        return "bts:error"
    code = data.get("code")
    message = str(data.get("message"))
    return message if code is None else f"{message} (code {code})"


def _instrument(entry: Mapping[str, Any]) -> Instrument:
    return Instrument(
        symbol=entry["url_symbol"],
        price_step=Decimal(1).scaleb(-entry["counter_decimals"]),
        size_step=Decimal(1).scaleb(-entry["base_decimals"]),
        active=entry.get("trading") == "Enabled",
    )
