"""
Kraken spot (WebSocket v2): no numbers, but a checksum on every message.

Facts: docs.kraken.com/exchange/api-reference/spot-websocket-v2/book and the guide
book-checksum-v2.md (read 2026-11), checked on 510 recorded frames of 2023.

A lost delta shows itself only when a checksum fails, and that reads the best 10
levels: hence the default depth of 10, where it covers the whole book. Deltas are
numbered here, one by one, in the order of the connection; a frame that cannot be read
takes a number too, so the next delta is a gap and not a guess.

The venue sends no delete for a level pushed out of the subscribed depth: the book is
cut to it after each change.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, field

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues.base import Instant, Texts
from booksync.venues.declared import (
    Counted,
    DeclaredVenue,
    Operation,
    acknowledged,
    halts,
    pairs,
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

__all__ = ["Kraken"]

CHECKED = 10
#: REST names these two assets in the old way, the stream does not.
RENAMED = {"XBT": "BTC", "XDG": "DOGE"}


class Level(Struct, gc=False):
    """``{"price":85600.4,"qty":0.20401971}``: JSON numbers at full precision."""

    price: Decimal
    size: Decimal = field(name="qty")


class Book(Struct, gc=False):
    """One book's levels, or its changed levels, and the checksum after them."""

    symbol: str
    bids: list[Level]
    asks: list[Level]
    checksum: Annotated[int, Meta(ge=0, lt=2**32)]
    timestamp: Instant | None = None


class Update(Struct, gc=False):
    """``{"channel":"book","type":"update","data":[{…}]}``."""

    channel: Literal["book"]
    type: Literal["snapshot", "update"]
    data: Annotated[list[Book], Meta(min_length=1)]


class Result(Struct):
    """What an acknowledgement confirms: ``{"channel":"book","symbol":"BTC/USD"}``."""

    channel: str = ""
    symbol: str = ""


class Control(Struct):
    """Whatever is not a readable book."""

    channel: str = ""
    method: str = ""
    success: bool = True
    error: str | None = None
    symbol: str | None = None
    result: Result | None = None
    data: Any = None
    flood: str | None = field(name="Error", default=None)


class Pair(Struct):
    """A pair in REST's words, or in those of the stream's ``instrument`` channel."""

    wsname: str = ""
    symbol: str = ""
    status: str = "online"
    pair_decimals: int | None = None
    price_precision: int | None = None
    lot_decimals: int | None = None
    qty_precision: int | None = None
    tick_size: Decimal | None = None
    price_increment: Decimal | None = None


class Pairs(Struct):
    """Answer of ``AssetPairs``."""

    result: dict[str, Pair]


class Session(Counted):
    """Messages so far, by symbol; whether the venue has stopped."""

    __slots__ = ("stopped",)

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False


class Kraken(DeclaredVenue):
    """Kraken spot."""

    id = "kraken"
    facts = Facts(
        markets="spot",
        source=Source.STREAM,
        assurance=Assurance.CHECKSUMMED,
        numbering=None,
        resync=Resync.RESUBSCRIBE,
        levels=1000,
        checksum="CRC32 of the best 10 levels a side, on every message",
        verified="510 of 510 checksums, losses noticed, final book: 2023 (depth 10)",
        unverified=(
            "numbers at full precision on the wire (the frames at hand lost zeros)",
            "a lost delta below the best 10 levels shows itself late or never",
            "acknowledgements, errors and status messages",
        ),
        url="https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=100,
        symbols_per_frame=50,
        messages=4.0,  # the venue's limit is dynamic
        connects=100,  # of about 150
        connects_window=600.0,
    )
    #: The venue says ``heartbeat`` each second when there is nothing else to say.
    heartbeat = Heartbeat(interval=30.0, silence=10.0)
    WS_URL = "wss://ws.kraken.com"
    REST_URL = "https://api.kraken.com"
    SESSION = Session
    PUSH, CONTROL, LISTING = Update, Control, Pairs | list[Pair]
    LISTINGS = (Request(path="/0/public/AssetPairs"),)
    STREAM_PATH = "/v2"
    DEPTHS: ClassVar[tuple[int, ...]] = (10, 25, 100, 500, 1000)
    default_depth = 10
    checksum_levels = CHECKED

    def setup(self) -> None:
        """Cut books to the subscribed depth."""
        super().setup()
        self.keep = self.depth

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"method":"subscribe","params":{"channel":"book",…},"req_id":1}``."""
        rest = {"snapshot": True} if operation == "subscribe" else {}
        params = {"channel": "book", "symbol": symbols, "depth": self.depth, **rest}
        return {"method": operation, "params": params, "req_id": number}

    def ping(self, session: Session, now: float) -> str:
        """``{"method":"ping","req_id":101}``."""
        session.number += 1
        return f'{{"method":"ping","req_id":{session.number}}}'

    def read_push(self, push: Update, session: Session) -> Sequence[Message]:
        """One book or several."""
        whole = push.type == "snapshot"
        return [self._message(book, session, whole=whole) for book in push.data]

    def _message(self, book: Book, session: Session, *, whole: bool) -> Message:
        symbol = book.symbol
        number = session.count(symbol)
        time = book.timestamp.timestamp() if book.timestamp is not None else None
        bids, asks = pairs(book.bids), pairs(book.asks)
        if not whole:
            return Delta(symbol, number - 1, number, bids, asks, time, book.checksum)
        return Snapshot(symbol, number, bids, asks, self.depth, time, book.checksum)

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """An acknowledgement, an error or a status message."""
        if control.channel == "book":
            raise MalformedMessage(problem, _first(control.data, "symbol"))
        if control.channel == "status":
            return _status(_first(control.data, "system"), session)
        if control.method in {"subscribe", "unsubscribe"}:
            return _answer(control, session)
        if control.channel or control.method or control.flood is not None:
            return ()  # heartbeat, pong, another channel; "Exceeded msg rate"
        raise MalformedMessage("neither a book nor an answer")

    def checksum(
        self, bids: Sequence[Texts], asks: Sequence[Texts], symbol: str
    ) -> int:
        """
        CRC32 of prices and sizes without point and leading zeros, asks first.

        The digits are hashed as the venue prints them; where the precisions are known
        (``instruments``), zeros that a recorder dropped are put back.
        """
        known = self.instruments.get(symbol)
        price_digits, size_digits = known.extra["digits"] if known else (0, 0)
        text = "".join(
            _digits(price, price_digits) + _digits(size, size_digits)
            for side in (asks, bids)
            for price, size in side[:CHECKED]
        )
        return zlib.crc32(text.encode())

    def listed(self, answer: Pairs | list[Pair]) -> Iterable[Instrument]:
        """A pair of ``AssetPairs`` without ``wsname`` (a dark pool) has no stream."""
        for pair in answer if isinstance(answer, list) else answer.result.values():
            words = (pair.symbol or pair.wsname).split("/")
            price = _either(pair.price_precision, pair.pair_decimals)
            size = _either(pair.qty_precision, pair.lot_decimals)
            if words != [""]:
                yield Instrument(
                    symbol="/".join(RENAMED.get(word, word) for word in words),
                    price_step=pair.price_increment or pair.tick_size or step(price),
                    size_step=step(size),
                    active=pair.status == "online",
                    extra={"digits": (price, size)},
                )


def _either(one: int | None, other: int | None) -> int:
    places = other if one is None else one
    if places is None or places < 0:
        raise ValueError(f"{places} digits")
    return places


def _digits(text: str, places: int) -> str:
    whole, _, part = text.partition(".")
    return (whole + part.ljust(places, "0")).lstrip("0")


def _first(data: Any, key: str) -> str | None:
    """Find ``key`` in the data of a frame of any kind."""
    items = data if isinstance(data, list) else ()
    found = [item.get(key) for item in items if isinstance(item, dict)]
    return next((value for value in found if isinstance(value, str)), None)


def _status(system: str | None, session: Session) -> Sequence[Message]:
    """In ``maintenance`` nothing moves; ``cancel_only`` and ``post_only`` books do."""
    stopped = system == "maintenance"
    if stopped == session.stopped:
        return ()
    session.stopped = stopped
    return halts(session.numbers, "maintenance" if stopped else None)


def _answer(control: Control, session: Session) -> Sequence[Message]:
    """Each symbol of a request is answered on its own."""
    result = control.result
    if control.success and result is not None:
        if result.channel != "book":
            return ()
        return (acknowledged(control.method, [result.symbol]),)
    reason = control.error or "refused"
    if control.method == "unsubscribe" or "msg rate" in reason:
        return ()  # not for good
    named = [control.symbol] if control.symbol else reason.split()
    return (Rejected(tuple(x for x in named if x in session.numbers), reason),)
