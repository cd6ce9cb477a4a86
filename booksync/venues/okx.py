"""
OKX and Okcoin (API v5): deltas that name their predecessor, snapshot in the stream.

Facts: www.okx.com/docs-v5 "Order book channel" (copy of 2025-08), OKX notice on the
checksum of 2026-05-21, third parties' probes of 2026-09; checked on recorded frames
of 2022 and 2023.

A delta carries ``(prevSeqId, seqId]``. Both equal: a sign of life, about once a
minute where nothing changes. ``seqId`` below ``prevSeqId``: the venue restarts its
numbering after maintenance, in chain, and the book goes on.

Recordings from before the field existed have no ``seqId``. Such a stream is taken as
*ordered*, numbered by its millisecond timestamps, if its snapshot carried no number
either; a stream that changes its mind is malformed.

The checksum has been the number 0 since 2026-06-23: 0 is none. Others are verified.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage, SubscriptionRejected
from booksync.messages import (
    Closing,
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE, Texts, Venue
from booksync.venues.facts import (
    Assurance,
    Crossing,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["Okx", "interleaved_crc32"]

N = TypeVar("N")
#: What no number of the venue exceeds: larger ones overflow a float.
Integer = Annotated[int, Meta(ge=-(2**62), le=2**62)]
LEVELS = 400
#: Login wanted, invalid request, no such channel or instrument, conflicting channels.
REFUSED = {"60011", "60012", "60018", "64004"}
UNKNOWN_INSTRUMENT = "51001"
UPGRADE = "64008"
ACKS: Mapping[str, type[Subscribed | Unsubscribed]] = {
    "subscribe": Subscribed,
    "unsubscribe": Unsubscribed,
}


class Level(Struct, Generic[N], array_like=True, gc=False):
    """``["8476.98","415","0","13"]``: price, size, deprecated, orders."""

    price: N
    size: N


class Book(Struct, Generic[N], gc=False):
    """One element of ``data``, in the stream and in the answer of ``/books``."""

    asks: list[Level[N]]
    bids: list[Level[N]]
    ts: Integer
    checksum: int = 0
    seqId: Integer | None = None  # noqa: N815 - the venue's name
    prevSeqId: Integer | None = None  # noqa: N815


class Arg(Struct):
    """What a push belongs to."""

    channel: Literal["books"]
    instId: str  # noqa: N815


class Push(Struct, Generic[N]):
    """``{"arg":{…},"action":"update","data":[{…}]}``."""

    arg: Arg
    action: Literal["snapshot", "update"]
    data: Annotated[list[Book[N]], Meta(min_length=1)]


class AnyArg(Struct, frozen=True):
    """An ``arg`` of whatever channel."""

    channel: str = ""
    instId: str = ""  # noqa: N815


class Control(Struct):
    """Whatever is not a push of a book."""

    event: str = ""
    id: str = ""
    arg: AnyArg = AnyArg()
    code: str = ""
    msg: str = ""


class Answer(Struct, Generic[N]):
    """A REST answer."""

    code: str
    data: list[N]
    msg: str = ""


class Listed(Struct):
    """One instrument; a market that does not trade yet may have empty steps."""

    instId: str  # noqa: N815
    tickSz: str  # noqa: N815
    lotSz: str  # noqa: N815
    state: str


class Session:
    """One connection: its requests, and the streams that have no numbers."""

    __slots__ = ("ordered", "requests")

    def __init__(self) -> None:
        #: id -> (operation, symbol).
        self.requests: dict[str, tuple[str, str]] = {}
        #: Symbol -> number of its last message, where the venue gives none.
        self.ordered: dict[str, int] = {}


class Okx(Venue):
    """OKX spot, swaps, futures and options; Okcoin speaks the same."""

    id = "okx"
    facts = Facts(
        markets="spot, swaps, futures, options",
        source=Source.STREAM,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        crossing=Crossing.NORMAL,
        resync=Resync.RESUBSCRIBE,
        levels=LEVELS,
        checksum="CRC32 of the best 25 levels; sent until 2026-06",
        verified="296 checksums and 7 final books: 2022 (OKX), 2023 (Okcoin)",
        unverified=(
            "seqId chain and reset (no recorded frames have the field)",
            "seqId in the REST snapshot (option snapshot=rest, off)",
            "whether deltas list touched or net levels",
        ),
        url="https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel",
        date="2026-09-15",
    )
    limits = Limits(
        symbols=25,  # "fewer than 30" books of 400 levels
        symbols_per_frame=1,  # an error names its request, not its symbol
        messages=3.0,
        connects=2,  # of 3
        connects_window=1.0,
        weight=20,  # of 40 requests, and half for instruments
        weight_window=2.0,
    )
    heartbeat = Heartbeat(interval=20.0, silence=45.0)  # closed after 30 s of silence
    WS_URL = "wss://ws.okx.com:8443/ws/v5/public"
    REST_URL = "https://www.okx.com"
    DEPTHS = (LEVELS,)
    default_depth = LEVELS
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"snapshot": ("stream", "rest")}

    def setup(self) -> None:
        """Make the decoders; ``snapshot=rest`` is the announced REST-seeded way."""
        self._push = self.decoder(Push, self.text)
        self._control = self.decoder(Control)
        self._book = self.decoder(Answer[Book[self.text]])  # type: ignore[name-defined]
        self._listing = self.decoder(Answer[Listed])
        if self.options["snapshot"] == "rest":
            rest = {"source": Source.REST, "resync": Resync.FETCH}
            vars(self)["facts"] = msgspec.structs.replace(self.facts, **rest)

    def session(self) -> Session:
        """Ids of this connection's requests, and its numberless streams."""
        return Session()

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"id":"1","op":"subscribe","args":[{"channel":"books",…}]}``, one each."""
        return [self._frame("subscribe", symbol, session) for symbol in symbols]

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        return [self._frame("unsubscribe", symbol, session) for symbol in symbols]

    def _frame(self, operation: str, symbol: str, session: Session) -> str:
        number = str(len(session.requests) + 1)
        session.requests[number] = (operation, symbol)
        args = [{"channel": "books", "instId": symbol}]
        request = {"id": number, "op": operation, "args": args}
        return msgspec.json.encode(request).decode()

    def ping(self, session: Session, now: float) -> str:
        """Text, not JSON; the answer is the text ``pong``."""
        return "ping"

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a push of books, an acknowledgement, an error or a notice."""
        try:
            push = self._push.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, session, error)
        symbol = push.arg.instId
        if push.action == "snapshot":
            return [self._snapshot(symbol, book, session) for book in push.data]
        if len(push.data) == 1:
            return (self._delta(symbol, push.data[0], session),)
        return [self._delta(symbol, book, session) for book in push.data]

    def _snapshot(self, symbol: str, book: Any, session: Session) -> Snapshot:
        number = book.seqId
        if number is None:
            number = session.ordered[symbol] = book.ts
        else:
            session.ordered.pop(symbol, None)
        return self._made(symbol, book, number, LEVELS)

    def _made(self, symbol: str, book: Any, number: int, depth: int | None) -> Snapshot:
        if number < 0:
            raise MalformedMessage(f"seqId={number}", symbol)
        return Snapshot(
            symbol,
            number,
            [(level.price, level.size) for level in book.bids],
            [(level.price, level.size) for level in book.asks],
            depth=depth,
            time=book.ts / 1000,
            checksum=book.checksum or None,
        )

    def _delta(self, symbol: str, book: Any, session: Session) -> Delta:
        last, prev = book.seqId, book.prevSeqId
        if last is None or symbol in session.ordered:
            prev, last = self._by_order(symbol, book, session)
        elif prev is None or prev < 0 or last < 0:
            raise MalformedMessage(f"prevSeqId={prev}, seqId={last}", symbol)
        return Delta(
            symbol,
            prev,
            last,
            [(level.price, level.size) for level in book.bids],
            [(level.price, level.size) for level in book.asks],
            book.ts / 1000,
            book.checksum or None,
            # "seqId < prevSeqId", for maintenance: apply, go on. Equal: a sign of life,
            # and empty.
            last <= prev and bool(last < prev or book.bids or book.asks),
        )

    def _by_order(self, symbol: str, book: Any, session: Session) -> tuple[int, int]:
        """Number a delta without ``seqId`` by its time, always upwards."""
        prev = session.ordered.get(symbol)
        if prev is None or book.seqId is not None:
            raise MalformedMessage("seqId in some messages only", symbol)
        last = session.ordered[symbol] = max(prev + 1, book.ts)
        return prev, last

    def _parse_other(
        self, frame: str | bytes, session: Session, error: Exception
    ) -> Sequence[Message]:
        if frame in {"pong", b"pong"}:
            return ()
        control: Control = self.decode(self._control, frame)
        if control.event == "error":
            return self._parse_error(control, session)
        if control.event == "notice":
            return (Closing(control.msg),) if control.code == UPGRADE else ()
        if control.event:
            ours = control.arg.channel == "books"
            done = ACKS.get(control.event)
            return (done((control.arg.instId,)),) if ours and done else ()
        if control.arg.channel in {"", "books"}:
            raise MalformedMessage(str(error), control.arg.instId or None)
        return ()  # another channel

    def _parse_error(self, control: Control, session: Session) -> Sequence[Message]:
        """Name the symbol only where the venue refuses it for good."""
        reason = f"{control.msg} (code {control.code})"
        operation, symbol = session.requests.get(control.id, ("", ""))
        if operation == "unsubscribe":
            return ()
        refused = operation and control.code in REFUSED
        return (Rejected((symbol,) if refused else (), reason),)

    def checksum(
        self, bids: Sequence[Texts], asks: Sequence[Texts], symbol: str
    ) -> int:
        """See :func:`interleaved_crc32`."""
        return interleaved_crc32(bids, asks)

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /api/v5/market/books?instId=BTC-USDT&sz=400`` (``snapshot=rest``)."""
        params = {"instId": symbol, "sz": str(LEVELS)}
        return Request(path="/api/v5/market/books", params=params)

    def parse_snapshot(
        self, body: bytes | str, symbol: str, depth: int | None
    ) -> Snapshot:
        """``seqId`` here is announced (2026-02-12) but was never seen: required."""
        answer = self.decode(self._book, body)
        if answer.code == UNKNOWN_INSTRUMENT:
            raise SubscriptionRejected(symbol, f"{answer.msg} (code {answer.code})")
        if answer.code != "0" or len(answer.data) != 1:
            raise MalformedMessage(f"snapshot: code {answer.code}", symbol)
        if answer.data[0].seqId is None:
            raise MalformedMessage("snapshot: no seqId", symbol)
        return self._made(symbol, answer.data[0], answer.data[0].seqId, depth)

    def snapshot_symbol(self, url: str) -> str | None:
        """Path ends in ``/market/books``, whatever the host."""
        parts = urlsplit(url)
        symbols = parse_qs(parts.query).get("instId")
        return symbols[0] if symbols and parts.path.endswith("/market/books") else None

    def instrument_requests(self) -> Sequence[Request]:
        """One each for spot, swaps and futures; options want a family besides."""
        path = "/api/v5/public/instruments"
        kinds = ("SPOT", "SWAP", "FUTURES")
        return [Request(path=path, params={"instType": kind}) for kind in kinds]

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``tickSz`` and ``lotSz`` (base currency, or contracts)."""
        answer: Answer[Listed] = self.decode(self._listing, body)
        if answer.code != "0":
            raise MalformedMessage(f"instruments: {answer.msg} (code {answer.code})")
        try:
            return [_instrument(entry) for entry in answer.data]
        except ArithmeticError as error:
            raise MalformedMessage(f"instruments: {error!r}") from None


def _instrument(entry: Listed) -> Instrument:
    return Instrument(
        symbol=entry.instId,
        price_step=Decimal(entry.tickSz) if entry.tickSz else None,
        size_step=Decimal(entry.lotSz) if entry.lotSz else None,
        active=entry.state == "live",
    )


def interleaved_crc32(bids: Sequence[Texts], asks: Sequence[Texts]) -> int:
    """
    Hash ``bid:size:ask:size:…`` from the top, as a signed 32-bit number.

    Where one side ends, the other goes on alone. Source: the order book channel's
    section "Checksum" (copy of 2025-08); texts are hashed as received.

    >>> bids = [("3366.1", "7"), ("3366", "6")]
    >>> interleaved_crc32(bids, [("3366.8", "9"), ("3368", "8")])
    -1881014294
    """
    parts: list[str] = []
    for bid, ask in zip_longest(bids, asks, fillvalue=()):
        parts += bid
        parts += ask
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >> 31 else value
