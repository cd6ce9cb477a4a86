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

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from booksync.errors import MalformedMessage, SubscriptionRejected
from booksync.messages import Closing, Delta, Message, Snapshot
from booksync.venues._interleaved import interleaved_crc32
from booksync.venues.base import Integer, Texts
from booksync.venues.declared import (
    DeclaredVenue,
    Operation,
    Requests,
    RestBook,
    Row,
    acknowledged,
    pairs,
)
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

__all__ = ["Okx"]

N = TypeVar("N")
LEVELS = 400
#: Login wanted, invalid request, no such channel or instrument, conflicting channels.
REFUSED = {"60011", "60012", "60018", "64004"}
UNKNOWN_INSTRUMENT = "51001"
UPGRADE = "64008"


class Book(Struct, Generic[N], gc=False):
    """One element of ``data``, in the stream and in the answer of ``/books``."""

    asks: list[Row[N]]  # ["8476.98","415","0","13"]: the last two are of no use
    bids: list[Row[N]]
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


BookAnswer = Answer[Book[N]]


class Listed(Struct):
    """One instrument; a market that does not trade yet may have empty steps."""

    instId: str  # noqa: N815
    tickSz: str  # noqa: N815
    lotSz: str  # noqa: N815
    state: str


class Session(Requests):
    """One connection: its requests, and the streams that have no numbers."""

    __slots__ = ("ordered",)

    def __init__(self) -> None:
        super().__init__()
        #: Symbol -> number of its last message, where the venue gives none.
        self.ordered: dict[str, int] = {}


class Okx(DeclaredVenue):
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
    REST_BOOK = RestBook(
        path="/api/v5/market/books", symbol="instId", depth="sz", ending="/market/books"
    )
    LISTINGS = tuple(
        Request(path="/api/v5/public/instruments", params={"instType": kind})
        for kind in ("SPOT", "SWAP", "FUTURES")  # options want a family besides
    )
    PING, PONG = "ping", "pong"  # text, not JSON
    SESSION = Session
    PUSH, CONTROL = Push, Control
    BOOK, LISTING = BookAnswer, Answer[Listed]
    DEPTHS = (LEVELS,)
    default_depth = LEVELS
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"snapshot": ("stream", "rest")}

    def setup(self) -> None:
        """``snapshot=rest`` is the announced REST-seeded way."""
        super().setup()
        if self.options["snapshot"] == "rest":
            self.amend(source=Source.REST, resync=Resync.FETCH)

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"id":"1","op":"subscribe","args":[{"channel":"books",…}]}``."""
        args = [{"channel": "books", "instId": symbol} for symbol in symbols]
        return {"id": str(number), "op": operation, "args": args}

    def read_push(self, push: Push[Any], session: Session) -> Sequence[Message]:
        """Usually ``data`` has one element."""
        make = self._snapshot if push.action == "snapshot" else self._delta
        return [make(push.arg.instId, book, session) for book in push.data]

    def _snapshot(self, symbol: str, book: Book[Any], session: Session) -> Snapshot:
        session.ordered.pop(symbol, None)
        if book.seqId is None:
            book.seqId = session.ordered[symbol] = book.ts
        return self.read_book(Answer("0", [book]), symbol, LEVELS)

    def _delta(self, symbol: str, book: Book[Any], session: Session) -> Delta:
        last, prev = book.seqId, book.prevSeqId
        if last is None or symbol in session.ordered:
            prev, last = self._by_order(symbol, book, session)
        elif prev is None or prev < 0 or last < 0:
            raise MalformedMessage(f"prevSeqId={prev}, seqId={last}", symbol)
        bids, asks = pairs(book.bids), pairs(book.asks)
        # "seqId < prevSeqId", for maintenance: apply, go on. Equal: a sign of life,
        # and empty.
        reset = last <= prev and bool(last < prev or bids or asks)
        check = book.checksum or None
        return Delta(symbol, prev, last, bids, asks, book.ts / 1000, check, reset)

    def _by_order(
        self, symbol: str, book: Book[Any], session: Session
    ) -> tuple[int, int]:
        """Number a delta without ``seqId`` by its time, always upwards."""
        prev = session.ordered.get(symbol)
        if prev is None or book.seqId is not None:
            raise MalformedMessage("seqId in some messages only", symbol)
        last = session.ordered[symbol] = max(prev + 1, book.ts)
        return prev, last

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """A refusal names the symbol only if it is for good."""
        reason = f"{control.msg} (code {control.code})"
        ours = control.arg.channel == "books"
        match control.event:
            case "error":
                return session.refused(
                    control.id, reason, final=control.code in REFUSED
                )
            case "notice":
                return (Closing(control.msg),) if control.code == UPGRADE else ()
            case "subscribe" | "unsubscribe" if ours:
                return (acknowledged(control.event, [control.arg.instId]),)
            case "" if ours or not control.arg.channel:
                raise MalformedMessage(problem, control.arg.instId or None)
        return ()  # another channel

    def checksum(
        self, bids: Sequence[Texts], asks: Sequence[Texts], symbol: str
    ) -> int:
        """Hash both sides in turn, from the top, as a signed 32-bit number."""
        return interleaved_crc32(bids, asks)

    def read_book(
        self, book: Answer[Book[Any]], symbol: str, depth: int | None
    ) -> Snapshot:
        """``seqId`` in REST is announced (2026-02-12) but was never seen: required."""
        if book.code == UNKNOWN_INSTRUMENT:
            raise SubscriptionRejected(symbol, f"{book.msg} (code {book.code})")
        if book.code != "0" or len(book.data) != 1:
            raise MalformedMessage(f"snapshot: code {book.code}", symbol)
        data = book.data[0]
        if data.seqId is None or data.seqId < 0:
            raise MalformedMessage(f"snapshot: seqId={data.seqId}", symbol)
        bids, asks = pairs(data.bids), pairs(data.asks)
        check = data.checksum or None
        return Snapshot(symbol, data.seqId, bids, asks, depth, data.ts / 1000, check)

    def listed(self, answer: Answer[Listed]) -> Iterable[Instrument]:
        """``tickSz`` and ``lotSz`` (base currency, or contracts)."""
        if answer.code != "0":
            raise ValueError(f"{answer.msg} (code {answer.code})")
        for entry in answer.data:
            yield Instrument(
                symbol=entry.instId,
                price_step=Decimal(entry.tickSz) if entry.tickSz else None,
                size_step=Decimal(entry.lotSz) if entry.lotSz else None,
                active=entry.state == "live",
            )
