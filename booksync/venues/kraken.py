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
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct, field

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Halted,
    Message,
    Rejected,
    Resumed,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE, Texts, Venue
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
MAX_DIGITS = 30
UNLISTED = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
#: REST names these two assets in the old way, the stream does not.
RENAMED = {"XBT": "BTC", "XDG": "DOGE"}


class Level(Struct, gc=False):
    """``{"price":85600.4,"qty":0.20401971}``: JSON numbers at full precision."""

    price: Decimal
    qty: Decimal


class Book(Struct, gc=False):
    """One book's levels, or its changed levels, and the checksum after them."""

    symbol: str
    bids: list[Level]
    asks: list[Level]
    checksum: Annotated[int, Meta(ge=0, lt=2**32)]
    timestamp: Annotated[datetime, Meta(tz=True)] | None = None


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


class Session:
    """Messages so far, by symbol; whether the venue has stopped; request ids."""

    __slots__ = ("numbers", "requests", "stopped")

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.requests = 0
        self.stopped = False

    def skip(self, symbol: str | None) -> None:
        """Leave a hole where a message could not be read: anybody's, if unknown."""
        for name in self.numbers:
            if name == symbol or symbol not in self.numbers:
                self.numbers[name] += 1


class Kraken(Venue):
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
    DEPTHS: ClassVar[tuple[int, ...]] = (10, 25, 100, 500, 1000)
    default_depth = 10
    checksum_levels = CHECKED

    def setup(self) -> None:
        """Cut books to the subscribed depth."""
        self._update = self.decoder(Update)
        self._control = self.decoder(Control)
        self.keep = self.depth

    def session(self) -> Session:
        """Counters of this connection."""
        return Session()

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """Version 2 of the protocol."""
        return f"{base}/v2"

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"method":"subscribe","params":{"channel":"book",…},"req_id":1}``."""
        for symbol in symbols:
            session.numbers.setdefault(symbol, 0)
        return self._frames("subscribe", symbols, session, snapshot=True)

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``, without ``snapshot``."""
        return self._frames("unsubscribe", symbols, session)

    def _frames(
        self, method: str, symbols: Sequence[str], session: Session, **rest: bool
    ) -> list[str | bytes]:
        frames: list[str | bytes] = []
        step = self.limits.symbols_per_frame
        for start in range(0, len(symbols), step):
            part = symbols[start : start + step]
            params = {"channel": "book", "symbol": part, "depth": self.depth, **rest}
            session.requests += 1
            request = {"method": method, "params": params, "req_id": session.requests}
            frames.append(msgspec.json.encode(request).decode())
        return frames

    def ping(self, session: Session, now: float) -> str:
        """``{"method":"ping","req_id":101}``."""
        session.requests += 1
        return f'{{"method":"ping","req_id":{session.requests}}}'

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a book, an acknowledgement, an error or a status message."""
        try:
            update = self._update.decode(frame)
        except UNREADABLE as error:
            try:
                return self._parse_other(frame, session, str(error))
            except MalformedMessage as failure:
                session.skip(failure.symbol)
                raise
        whole = update.type == "snapshot"
        return [self._book(book, session, whole=whole) for book in update.data]

    def _book(self, book: Book, session: Session, *, whole: bool) -> Message:
        symbol = book.symbol
        prev = session.numbers.get(symbol, 0)
        session.numbers[symbol] = prev + 1
        time = book.timestamp.timestamp() if book.timestamp is not None else None
        bids, asks = _levels(book.bids), _levels(book.asks)
        if not whole:
            return Delta(symbol, prev, prev + 1, bids, asks, time, book.checksum)
        return Snapshot(symbol, prev + 1, bids, asks, self.depth, time, book.checksum)

    def _parse_other(
        self, frame: str | bytes, session: Session, reason: str
    ) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.channel == "book":
            raise MalformedMessage(reason, _first(control.data, "symbol"))
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

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /0/public/AssetPairs``."""
        return (Request(path="/0/public/AssetPairs"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """
        Read ``AssetPairs``, or ``pairs`` of the stream's ``instrument`` channel.

        A pair without ``wsname`` (a dark pool) has no stream.
        """
        listing = self.decode(msgspec.json.Decoder(float_hook=Decimal), body)
        try:
            if isinstance(listing, dict):
                pairs = listing["result"].values()
                listing = [pair for pair in pairs if pair.get("wsname")]
            return [_instrument(pair) for pair in listing]
        except UNLISTED as error:
            raise MalformedMessage(f"instruments: {error!r}") from None


def _levels(levels: Iterable[Level]) -> list[tuple[Decimal, Decimal]]:
    return [(level.price, level.qty) for level in levels]


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
    if stopped:
        return [Halted(symbol, "maintenance") for symbol in session.numbers]
    return [Resumed(symbol) for symbol in session.numbers]


def _answer(control: Control, session: Session) -> Sequence[Message]:
    """Each symbol of a request is answered on its own."""
    result = control.result
    if control.success and result is not None:
        if result.channel != "book":
            return ()
        done = Subscribed if control.method == "subscribe" else Unsubscribed
        return (done((result.symbol,)),)
    reason = control.error or "refused"
    if control.method == "unsubscribe" or "msg rate" in reason:
        return ()  # not for good
    named = [control.symbol] if control.symbol else reason.split()
    return (Rejected(tuple(x for x in named if x in session.numbers), reason),)


def _instrument(pair: Mapping[str, Any]) -> Instrument:
    words = pair.get("symbol", pair.get("wsname")).split("/")
    price_digits = pair.get("price_precision", pair.get("pair_decimals"))
    size_digits = pair.get("qty_precision", pair.get("lot_decimals"))
    price_step = pair.get("price_increment", pair.get("tick_size"))
    if not (0 <= price_digits <= MAX_DIGITS and 0 <= size_digits <= MAX_DIGITS):
        raise ValueError(f"digits {price_digits}, {size_digits}")
    return Instrument(
        symbol="/".join(RENAMED.get(word, word) for word in words),
        price_step=Decimal(price_step or Decimal(1).scaleb(-price_digits)),
        size_step=Decimal(1).scaleb(-size_digits),
        active=pair.get("status", "online") == "online",
        extra={"digits": (price_digits, size_digits)},
    )
