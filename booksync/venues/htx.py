"""
HTX (Huobi) spot ``mbp``: chained deltas, the snapshot asked for on the same socket.

Facts: htx.com/en-us/opend/newApiPages (id 7ec5362b-7773-11ed-9966-0242ac110003) and
huobiapi.github.io/docs/spot/v1/en (read 2026-11). No ``mbp`` frames were at hand;
recordings of other channels (2021) show the compression, pings and acknowledgements.

A delta names its predecessor: it carries ``(prevSeqNum, seqNum]``. The documentation
wants a delta whose ``prevSeqNum`` equals the snapshot's ``seqNum``; where none does, a
straddling one joins.

Each server frame is gzip in a binary frame; client frames are text. Whether a level
that leaves the 5, 20 or 150 subscribed is deleted is not known, so the book is cut to
them (option ``truncate``). 400 can be subscribed and not asked for, hence is not
offered. REST snapshots carry another numbering: never used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

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
from booksync.venues.base import UNREADABLE, Venue, bounded_gunzip
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

__all__ = ["Htx", "Session"]

N = TypeVar("N")
Count = Annotated[int, Meta(ge=0, le=2**62)]
Digits = Annotated[int, Meta(ge=0, le=32)]
TOPIC = re.compile(r"market\.([a-z0-9]+)\.mbp\.(\d{1,4})")


class Tick(Struct, Generic[N], gc=False, rename="camel"):
    """A delta; an unchanged side is ``{}`` (150) or missing (5, 20)."""

    seq_num: Count
    prev_seq_num: Count
    bids: list[tuple[N, N]] | dict[str, Any] | None = None
    asks: list[tuple[N, N]] | dict[str, Any] | None = None


class Push(Struct, Generic[N], gc=False):
    """``{"ch":"market.btcusdt.mbp.150","ts":1583472025885,"tick":{…}}``."""

    ch: str
    tick: Tick[N]
    ts: Count = 0


class Book(Struct, Generic[N], rename="camel"):
    """``data`` of a snapshot."""

    seq_num: Count
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]


class Answer(Struct, Generic[N]):
    """``{"id":"2","rep":"market.btcusdt.mbp.150","status":"ok","data":{…}}``."""

    rep: str
    data: Book[N] | None
    ts: Count = 0


class Control(Struct):
    """Whatever is not a delta."""

    ping: Count | None = None
    ch: str = ""
    rep: str = ""
    id: int | str | None = None
    status: str = ""
    subbed: str = ""
    unsubbed: str = ""
    code: str = msgspec.field(name="err-code", default="")
    text: str = msgspec.field(name="err-msg", default="")


class Market(Struct):
    """``{"symbol":"btcusdt","state":"online","pp":2,"ap":6}``, or the long names."""

    symbol: str
    state: str = "online"
    pp: Digits | None = None
    ap: Digits | None = None
    price: Digits | None = msgspec.field(name="price-precision", default=None)
    amount: Digits | None = msgspec.field(name="amount-precision", default=None)


class Listing(Struct):
    """``{"status":"ok","data":[…]}``."""

    data: list[Market]


class Session:
    """The requests of one connection: id -> (word, symbol)."""

    __slots__ = ("requests", "topics")

    def __init__(self) -> None:
        self.requests: dict[str, tuple[str, str]] = {}
        #: Topic -> symbol and levels.
        self.topics: dict[str, tuple[str, int]] = {}


class Htx(Venue):
    """HTX spot."""

    id = "htx"
    facts = Facts(
        markets="spot",
        source=Source.REQUEST,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        resync=Resync.FETCH,
        verified="compression, server pings and acknowledgements of other topics: 2021",
        unverified=(
            "every mbp frame (no recording)",
            "whether levels that leave the window are deleted",
            "whether deltas list touched or net levels",
            "limits of subscriptions, connections and lifetime",
            "names of the precisions in the list of instruments",
        ),
        url="https://www.htx.com/en-us/opend/newApiPages/?id=7ec5362b-7773-11ed-9966-0242ac110003",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=50, symbols_per_frame=1, messages=5.0, weight=50, weight_window=10.0
    )
    # The venue's own ping comes every 5 s.
    heartbeat = Heartbeat(silence=20.0)
    WS_URL = "wss://api.huobi.pro"
    REST_URL = "https://api.huobi.pro"
    DEPTHS: ClassVar[tuple[int, ...]] = (5, 20, 150)
    default_depth = 150
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"truncate": ("yes", "no")}

    def setup(self) -> None:
        """Make the decoders; levels are JSON numbers."""
        self._push = self.decoder(Push, self.number)
        self._answer = self.decoder(Answer, self.number)
        self._control = self.decoder(Control)
        self._listing = self.decoder(Listing)
        if self.options["truncate"] == "yes":
            self.keep = self.depth

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Lower case: ``btcusdt``."""
        return super().prepare(symbol).lower()

    def session(self) -> Session:
        """Ids of this connection's requests."""
        return Session()

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """``/feed``: the other socket refuses incremental topics."""
        return base + "/feed"

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"sub":"market.btcusdt.mbp.150","id":"1"}``."""
        return [self._frame("sub", symbol, session) for symbol in symbols]

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``unsub``."""
        return [self._frame("unsub", symbol, session) for symbol in symbols]

    def snapshot_frame(self, symbol: str, session: Session, now: float) -> str:
        """The same with ``req``."""
        return self._frame("req", symbol, session)

    def _frame(self, word: str, symbol: str, session: Session) -> str:
        number = str(len(session.requests) + 1)
        session.requests[number] = (word, symbol)
        request = {word: f"market.{symbol}.mbp.{self.depth}", "id": number}
        return msgspec.json.encode(request).decode()

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta, a snapshot, a ping, an acknowledgement or an error."""
        if isinstance(frame, bytes):
            frame = bounded_gunzip(frame, self.limits.frame_bytes)
        try:
            push: Push[Any] = self._push.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, session, str(error))
        symbol, _ = _topic(push.ch, session)
        if not symbol:
            return ()
        tick = push.tick
        prev, last = tick.prev_seq_num, tick.seq_num
        if prev > last:
            raise MalformedMessage(f"prevSeqNum={prev}, seqNum={last}", symbol)
        bids, asks = _side(tick.bids), _side(tick.asks)
        return (Delta(symbol, prev, last, bids, asks, push.ts / 1000 or None),)

    def _parse_other(
        self, frame: str | bytes, session: Session, problem: str
    ) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.ping is not None:
            return (Reply(f'{{"pong":{control.ping}}}'),)
        if control.status == "error":
            return self._refused(control, session)
        if control.rep:
            return self._snapshot(frame, control, session)
        symbol, _ = _topic(control.subbed or control.unsubbed, session)
        if symbol:
            done = Subscribed if control.subbed else Unsubscribed
            return (done((symbol,)),)
        symbol, _ = _topic(control.ch, session)
        if symbol:
            raise MalformedMessage(problem, symbol)
        return ()  # another channel

    def _snapshot(
        self, frame: str | bytes, control: Control, session: Session
    ) -> Sequence[Message]:
        """``data`` may be null: not yet; the engine asks again in its own time."""
        symbol, depth = _topic(control.rep, session)
        if not symbol:
            return ()
        try:
            answer: Answer[Any] = self._answer.decode(frame)
        except UNREADABLE as error:
            raise MalformedMessage(f"snapshot: {error}", symbol) from None
        book = answer.data
        if book is None:
            return ()
        time = answer.ts / 1000 or None
        return (Snapshot(symbol, book.seq_num, book.bids, book.asks, depth, time),)

    def _refused(self, control: Control, session: Session) -> Sequence[Message]:
        """A bad request stays bad; after other errors a new connection tries again."""
        word, symbol = session.requests.get(str(control.id), ("", ""))
        reason = f"{control.text} ({control.code})"
        if word == "unsub":
            return ()
        if control.code.startswith(("bad", "invalid")):
            return (Rejected((symbol,) if symbol else (), reason),)
        return (Closing(reason),) if word == "sub" else ()

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /v1/settings/common/market-symbols``."""
        return (Request(path="/v1/settings/common/market-symbols"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``pp`` and ``ap`` are decimals; so were the long names of 2021."""
        listing: Listing = self.decode(self._listing, body)
        return [
            Instrument(
                symbol=market.symbol,
                price_step=_step(market.price if market.pp is None else market.pp),
                size_step=_step(market.amount if market.ap is None else market.ap),
                active=market.state == "online",
            )
            for market in listing.data
        ]


def _step(decimals: int | None) -> Decimal | None:
    return None if decimals is None else Decimal(1).scaleb(-decimals)


def _side(levels: Any) -> Levels:
    """Accept only a list; anything else says that nothing changed."""
    return levels if isinstance(levels, list) else []


def _topic(topic: str, session: Session) -> tuple[str, int]:
    """``market.btcusdt.mbp.150`` → ``("btcusdt", 150)``; no symbol for another one."""
    known = session.topics.get(topic)
    if known is None:
        found = TOPIC.fullmatch(topic)
        known = (found[1], int(found[2])) if found else ("", 0)
        session.topics[topic] = known
    return known
