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

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import Closing, Delta, Message, Rejected, Snapshot
from booksync.venues.declared import (
    DeclaredVenue,
    Operation,
    Requests,
    acknowledged,
    concerned,
    step,
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

__all__ = ["Bitstamp"]

N = TypeVar("N")
CHANNEL = "diff_order_book_"
Microseconds = Annotated[int, Meta(ge=1, le=2**62)]


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


class Listed(Struct):
    """``{"url_symbol":"btcusd","counter_decimals":0,"base_decimals":8,…}``."""

    url_symbol: str
    counter_decimals: int
    base_decimals: int
    trading: str = ""


class Session(Requests):
    """Time of each symbol's last delta, in microseconds."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[str, int] = {}

    def missed(self, symbol: str | None) -> None:
        """Forget the delta before the next one: anybody's, if it is not known whose."""
        for name in concerned(self.last, symbol):
            del self.last[name]


class Bitstamp(DeclaredVenue):
    """Bitstamp spot and perpetuals."""

    id = "bitstamp"
    facts = Facts(
        markets="spot, perpetuals",
        source=Source.REST,
        assurance=Assurance.ORDERED,
        numbering=None,
        comparable=False,
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
        weight=400,  # a second,
        weight_window=24.0,  # and 10,000 in ten minutes
    )
    heartbeat = Heartbeat(interval=20.0, silence=60.0)
    WS_URL = "wss://ws.bitstamp.net"
    REST_URL = "https://www.bitstamp.net"
    PING = '{"event":"bts:heartbeat"}'  # its answer has a status
    SESSION = Session
    PUSH, CONTROL, BOOK, LISTING = Update, Control, Book, list[Listed]
    LISTINGS = (Request(path="/api/v2/trading-pairs-info/"),)
    CASE = "lower"  # btcusd, btcusd-perp; the venue confirms also what it has not

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"event":"bts:subscribe","data":{"channel":"diff_order_book_btcusd"}}``."""
        (symbol,) = symbols  # one channel a frame, below 512 bytes
        return {"event": f"bts:{operation}", "data": {"channel": CHANNEL + symbol}}

    def read_push(self, push: Update[Any], session: Session) -> Sequence[Message]:
        """Chain a delta to the one before it."""
        if not push.channel.startswith(CHANNEL):
            return ()  # a whole book of another channel
        symbol, book = push.channel.removeprefix(CHANNEL), push.data
        time = book.microtimestamp
        prev = session.last.get(symbol, time - 1)
        if time <= prev:
            prev = time - 1  # a repeat, or older: stale to any book that has it
        else:
            session.last[symbol] = time
        return (Delta(symbol, prev, time, book.bids, book.asks, time / 1e6),)

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """An acknowledgement, an error or a request to reconnect."""
        event, channel = control.event, control.channel
        symbol = channel.removeprefix(CHANNEL) if CHANNEL in channel else None
        named = () if symbol is None else (symbol,)
        match event:
            case "bts:request_reconnect":
                return (Closing(event),)
            case "bts:error":
                return (Rejected(named, _reason(control.data)),)
            case "bts:subscription_succeeded" if named:
                return (acknowledged("subscribe", named),)
            case "bts:unsubscription_succeeded" if named:
                return (acknowledged("unsubscribe", named),)
        if not event or (event == "data" and (symbol is not None or not channel)):
            raise MalformedMessage(problem, symbol)
        return ()  # a heartbeat's answer, another channel

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /api/v2/order_book/btcusd/?group=1``: the whole book, by price."""
        path = f"/api/v2/order_book/{quote(symbol, safe='')}/"
        return Request(path=path, params={"group": "1"})

    def read_book(self, book: Book[Any], symbol: str, depth: int | None) -> Snapshot:
        """``microtimestamp`` is the time of the last change in it."""
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

    def listed(self, answer: list[Listed]) -> Iterable[Instrument]:
        """``counter_decimals`` and ``base_decimals`` are digits after the point."""
        for entry in answer:
            yield Instrument(
                symbol=entry.url_symbol,
                price_step=step(entry.counter_decimals),
                size_step=step(entry.base_decimals),
                active=entry.trading == "Enabled",
            )


def _reason(data: Any) -> str:
    """``{"code":4009,"message":"…"}``; the code may be null."""
    if not isinstance(data, dict):
        return "bts:error"
    code = data.get("code")
    message = str(data.get("message"))
    return message if code is None else f"{message} (code {code})"
