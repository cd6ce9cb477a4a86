"""
Feeds against exchanges that are harmed on purpose, every live read compared.

A :class:`Bout` is one exchange, one feed and what became of it. Books whose numbers are
the exchange's own are compared with the truth at that number; the others must equal
something that was true of late. The truth never comes from the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from booksync import venues
from booksync.budget import Budget
from booksync.errors import BookNotLive
from booksync.events import Audited, Changed, Desynced, LineLost, Synced
from booksync.feed import Feed, connect
from booksync.states import State
from booksync.testing import Budget as Plenty
from booksync.testing import Exchange, FaultPlan, Forgotten, Server, serve
from booksync.transport import Transport
from booksync.venues import Assurance, Source, Venue

__all__ = ["DIALECTS", "Bout", "Dialect", "bout", "quick"]

#: Changes back to which a book without numbers is looked for in the truth.
LOOK_BACK = 400
#: Seconds between two comparisons of one book.
PAUSE = 0.02
LEVELS = 30

Sides = tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]


def quick(name: str) -> type[Venue]:
    """Return a venue without its pauses between frames and connections."""
    kind = venues.get(name)
    limits = msgspec.structs.replace(kind.limits, messages=10_000.0, connects=10_000)
    return type("Quick", (kind,), {"limits": limits})


@dataclass(frozen=True)
class Dialect:
    """
    One dialect of the embedded exchange.

    Args:
        venue: Its id.
        symbols: Two of its markets.
        numbered: Its books show the exchange's own numbers.
        cut: Levels a side, where the book is a window.

    """

    venue: str
    symbols: tuple[str, str]
    numbered: bool = True
    cut: int | None = None

    @property
    def kind(self) -> type[Venue]:
        """The venue, without its pauses between frames and connections."""
        return quick(self.venue)

    @property
    def blind(self) -> bool:
        """A lost delta cannot be seen: only audits find it."""
        facts = venues.get(self.venue).facts
        whole = facts.source is Source.EVERY_FRAME
        return facts.assurance is Assurance.ORDERED and not whole

    @property
    def audited(self) -> bool:
        """Snapshots can be asked for beside the stream."""
        return venues.get(self.venue).facts.source is Source.REST


DIALECTS = (
    Dialect("binance", ("BTCUSDT", "ETHUSDT")),
    Dialect("binance_usdm", ("BTCUSDT", "ETHUSDT")),
    Dialect("okx", ("BTC-USDT", "ETH-USDT")),
    Dialect("bybit", ("BTCUSDT", "ETHUSDT")),
    Dialect("coinbase", ("BTC-USD", "ETH-USD"), numbered=False),
    Dialect("kraken", ("BTC/USD", "ETH/USD"), numbered=False, cut=10),
    Dialect("hyperliquid", ("BTC", "ETH"), numbered=False, cut=20),
    Dialect("htx", ("btcusdt", "ethusdt")),
    Dialect("mexc", ("BTCUSDT", "ETHUSDT")),
    Dialect("bitstamp", ("btcusd", "ethusd")),
)


@dataclass
class Watch:
    """
    One book's reads, and how long it could not be read.

    Args:
        checked: Live reads compared, ``wrong`` those that differed.
        wrong_s: Seconds from each first wrong read to the next right or withheld one.
        withheld_s: Seconds withheld.
        recoveries: Each time that it was withheld: the fault that the exchange had
            dealt last (or our cause, if none), and seconds.

    """

    checked: int = 0
    wrong: int = 0
    wrong_s: float = 0.0
    withheld_s: float = 0.0
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    gone: float | None = None
    why: str = ""
    wrong_since: float | None = None
    looked: float = 0.0

    def withheld(self, now: float, why: str) -> None:
        self._right(now)
        if self.gone is None:
            self.gone, self.why = now, why

    def revealed(self, now: float) -> None:
        if self.gone is not None:
            self.withheld_s += now - self.gone
            self.recoveries.append((self.why, now - self.gone))
            self.gone = None

    def compared(self, now: float, *, right: bool) -> None:
        self.checked += 1
        self.looked = now
        if right:
            self._right(now)
            return
        self.wrong += 1
        if self.wrong_since is None:
            self.wrong_since = now

    def _right(self, now: float) -> None:
        if self.wrong_since is not None:
            self.wrong_s += now - self.wrong_since
            self.wrong_since = None


class Bout:
    """One feed and one exchange; made by :func:`bout`."""

    def __init__(
        self, dialect: Dialect, exchange: Exchange, server: Server, feed: Feed
    ) -> None:
        self.dialect = dialect
        self.exchange = exchange
        self.server = server
        self.feed = feed
        self.watches = {symbol: Watch() for symbol in exchange.symbols}
        self.truths = {symbol: exchange.cursor(symbol) for symbol in exchange.symbols}
        #: When the first event since :meth:`listen` told of a fault, and what it said.
        self.told: tuple[float, str] | None = None
        self.audits = 0
        self.waiting_s = 0.0
        #: Each time that one of several lines was not live: as ``recoveries``.
        self.line_recoveries: list[tuple[str, float]] = []
        self._lost: dict[tuple[str, int], tuple[str, float]] = {}
        self._waits: dict[str, float] = {}
        self._known: dict[str, int] = defaultdict(int)
        self._last = ""
        self._clock = asyncio.get_running_loop().time
        self._taking = asyncio.create_task(self._consume())

    @property
    def now(self) -> float:
        return self._clock()

    @property
    def wrong(self) -> int:
        return sum(watch.wrong for watch in self.watches.values())

    @property
    def snapshots(self) -> int:
        return sum(status.counts.snapshots for status in self.feed.statuses())

    @property
    def live(self) -> bool:
        """Whether every book is live, on every line, and none waits."""
        return all(
            status.sequence is not None
            and not status.waiting
            and all(line.value == "live" for line in status.lines)
            for status in self.feed.statuses()
        )

    def listen(self) -> None:
        """Wait for the next event that tells of a fault."""
        self.told = None

    async def _consume(self) -> None:
        """Take every event; compare the book of each change, not too often."""
        async for event in self.feed:
            now = self.now
            match event:
                case Desynced(symbol, cause):
                    why = self._dealt() or cause.value
                    self.watches[symbol].withheld(now, why)
                    self._tell(now, cause.value)
                case Synced(symbol):
                    self.watches[symbol].revealed(now)
                    self._compare(symbol, now)
                case Changed(symbol):
                    if now - self.watches[symbol].looked >= PAUSE:
                        self._compare(symbol, now)
                case LineLost(symbol, line, cause=cause):
                    self._tell(now, f"line {line}: {cause.value}")
                case Audited():
                    self.audits += 1
                case _:
                    pass

    def _dealt(self) -> str:
        """Name the kind of fault that was dealt last, as far as anybody looked."""
        injected = self.server.faults.injected
        for kind, count in injected.items():
            if count > self._known[kind]:
                self._last = kind
        self._known.update({kind: injected[kind] for kind in injected})
        return self._last

    def _tell(self, now: float, what: str) -> None:
        if self.told is None:
            self.told = (now, what)

    def check(self) -> None:
        """Raise what went wrong in the exchange or the feed itself."""
        self.server.check()
        if self._taking.done():
            self._taking.result()

    async def end(self) -> None:
        """Take no more events."""
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)

    def look(self) -> None:
        """Note which books wait for another line, and what was dealt."""
        now = self.now
        self._dealt()
        for status in self.feed.statuses():
            since = self._waits.pop(status.symbol, None)
            if since is not None:
                self.waiting_s += now - since
            if status.waiting:
                self._waits[status.symbol] = now
            for line, state in enumerate(status.lines):
                self._look_at(status.symbol, line, state, now)

    def _look_at(self, symbol: str, line: int, state: State, now: float) -> None:
        if state is not State.LIVE:
            self._lost.setdefault((symbol, line), (self._last, now))
            return
        kind, since = self._lost.pop((symbol, line), ("", 0.0))
        if kind:
            self.line_recoveries.append((kind, now - since))

    def _compare(self, symbol: str, now: float) -> None:
        try:
            book = self.feed[symbol]
            sides = dict(book.bids()), dict(book.asks())
        except BookNotLive:
            return
        right = self._is_true(symbol, book.sequence, sides)
        self.watches[symbol].compared(now, right=right)

    def _is_true(self, symbol: str, sequence: int, sides: Sides) -> bool:
        truth = self.truths[symbol]
        if not self.dialect.numbered:
            best = self.dialect.cut
            return truth.find(*sides, changes=LOOK_BACK, best=best) is not None
        try:
            return truth.at(sequence) == sides
        except Forgotten:
            return False


@contextlib.asynccontextmanager
async def bout(  # noqa: PLR0913 - by keyword
    dialect: Dialect,
    *,
    lines: int = 1,
    seed: int = 1,
    faults: FaultPlan | None = None,
    rate: float = 100.0,
    interval: float = 0.05,
    retention: int = 20_000,
    **options: Any,
) -> AsyncIterator[Bout]:
    """Serve an exchange, follow it, take every event meanwhile."""
    exchange = Exchange(
        dialect.symbols,
        seed=seed,
        levels=LEVELS,
        rate=rate,
        interval=interval,
        retention=retention,
    )
    chance = random.Random(seed)
    if dialect.audited:
        options.setdefault("audit_every", 1.0)
    async with (
        serve(
            exchange, dialect.venue, faults=faults, messages=None, budget=Plenty(10**9)
        ) as server,
        connect(
            dialect.kind,
            *dialect.symbols,
            lines=lines,
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            silence=2.0,
            policy={"quiet_wait": 0.1, "retry_min": 0.02, "retry_max": 1.0},
            transport=Transport(timeout=2.0, ping=(1.0, 1.0)),
            budget=Budget(10**9, 60.0),
            chance=chance.random,
            **options,
        ) as feed,
    ):
        one = Bout(dialect, exchange, server, feed)
        try:
            yield one
            one.check()
        finally:
            await one.end()
