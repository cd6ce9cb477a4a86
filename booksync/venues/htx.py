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
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

from msgspec import Struct, field

from booksync.errors import MalformedMessage
from booksync.messages import Closing, Delta, Levels, Message, Reply, Snapshot
from booksync.venues.base import Count, bounded_gunzip
from booksync.venues.declared import (
    DeclaredVenue,
    Operation,
    Requests,
    acknowledged,
    step,
)
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

__all__ = ["Htx"]

N = TypeVar("N")
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
    code: str = field(name="err-code", default="")
    text: str = field(name="err-msg", default="")


class Market(Struct):
    """``{"symbol":"btcusdt","state":"online","pp":2,"ap":6}``, or the long names."""

    symbol: str
    state: str = "online"
    pp: int | None = None
    ap: int | None = None
    price: int | None = field(name="price-precision", default=None)
    amount: int | None = field(name="amount-precision", default=None)


class Listing(Struct):
    """``{"status":"ok","data":[…]}``."""

    data: list[Market]


class Htx(DeclaredVenue):
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
    PUSH, WHOLE, CONTROL, LISTING = Push, Answer, Control, Listing
    JSON_NUMBERS = True
    LISTINGS = (Request(path="/v1/settings/common/market-symbols"),)
    CASE = "lower"
    STREAM_PATH = "/feed"  # the other socket refuses incremental topics
    DEPTHS: ClassVar[tuple[int, ...]] = (5, 20, 150)
    default_depth = 150
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"truncate": ("yes", "no")}

    def setup(self) -> None:
        """Nobody knows whether the venue deletes what leaves the depth."""
        super().setup()
        if self.options["truncate"] == "yes":
            self.keep = self.depth

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"sub":"market.btcusdt.mbp.150","id":"1"}``."""
        (symbol,) = symbols
        word = "sub" if operation == "subscribe" else "unsub"
        return {word: self._topic(symbol), "id": str(number)}

    def _topic(self, symbol: str) -> str:
        return f"market.{symbol}.mbp.{self.depth}"

    def snapshot_frame(self, symbol: str, session: Requests, now: float) -> str:
        """``{"req":"market.btcusdt.mbp.150","id":"2"}``."""
        number = session.add("snapshot", [symbol])
        return f'{{"req":"{self._topic(symbol)}","id":"{number}"}}'

    def parse(self, frame: str | bytes, session: Requests) -> Sequence[Message]:
        """Read a frame, packed or not."""
        if isinstance(frame, bytes):
            frame = bounded_gunzip(frame, self.limits.frame_bytes)
        return super().parse(frame, session)

    def read_push(self, push: Push[Any], session: Requests) -> Sequence[Message]:
        """``prevSeqNum`` is the number of the change before."""
        symbol, _ = _topic(push.ch)
        if not symbol:
            return ()
        tick = push.tick
        prev, last = tick.prev_seq_num, tick.seq_num
        if prev > last:
            raise MalformedMessage(f"prevSeqNum={prev}, seqNum={last}", symbol)
        bids, asks = _side(tick.bids), _side(tick.asks)
        return (Delta(symbol, prev, last, bids, asks, push.ts / 1000 or None),)

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """A ping, an acknowledgement or an error."""
        if control.ping is not None:
            return (Reply(f'{{"pong":{control.ping}}}'),)
        if control.status == "error":
            return self._refused(control, session)
        symbol, _ = _topic(control.subbed or control.unsubbed)
        if symbol:
            operation = "subscribe" if control.subbed else "unsubscribe"
            return (acknowledged(operation, [symbol]),)
        symbol, _ = _topic(control.ch)
        if symbol:
            raise MalformedMessage(problem, symbol)
        return ()  # another channel

    def whose(self, control: Control, session: Requests) -> str | None:
        """An answer without error; one about another topic is nobody's."""
        if not control.rep or control.status == "error":
            return None
        return _topic(control.rep)[0] or None

    def read_whole(self, whole: Answer[Any], session: Requests) -> Sequence[Message]:
        """``data`` may be null: not yet; the engine asks again in its own time."""
        book, time = whole.data, whole.ts / 1000 or None
        if book is None:
            return ()
        symbol, depth = _topic(whole.rep)
        return (Snapshot(symbol, book.seq_num, book.bids, book.asks, depth, time),)

    def _refused(self, control: Control, session: Requests) -> Sequence[Message]:
        """A bad request stays bad; after other errors a new connection tries again."""
        reason = f"{control.text} ({control.code})"
        if control.code.startswith(("bad", "invalid")):
            return session.refused(control.id, reason)
        operation, _ = session.of(control.id)
        return (Closing(reason),) if operation == "subscribe" else ()

    def listed(self, answer: Listing) -> Iterable[Instrument]:
        """``pp`` and ``ap`` are decimals; so were the long names of 2021."""
        for market in answer.data:
            yield Instrument(
                symbol=market.symbol,
                price_step=step(market.price if market.pp is None else market.pp),
                size_step=step(market.amount if market.ap is None else market.ap),
                active=market.state == "online",
            )


def _side(levels: Any) -> Levels:
    """Accept only a list; anything else says that nothing changed."""
    return levels if isinstance(levels, list) else []


@lru_cache(maxsize=4096)
def _topic(topic: str) -> tuple[str, int]:
    """``market.btcusdt.mbp.150`` → ``("btcusdt", 150)``; no symbol for another one."""
    found = TOPIC.fullmatch(topic)
    return (found[1], int(found[2])) if found else ("", 0)
