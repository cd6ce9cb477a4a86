"""
The main job, rehearsed: an exchange that we can break, a feed, and a checker.

All of it is real but the market: HTTP and websocket on loopback, the same feed as for
any venue. While the exchange harms its frames and answers, the checker reads each live
book many times a second and compares it, level by level, with what the exchange itself
knows to be true at the book's sequence.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from booksync import venues
from booksync.cli.checker import Checker
from booksync.cli.running import drive
from booksync.errors import BookNotLive, ConfigurationError
from booksync.events import Changed, Desynced, Synced
from booksync.feed import Feed, connect
from booksync.testing import Exchange, Forgotten, Server, serve
from booksync.transport import Transport
from booksync.venues import Numbering, Source, Venue

__all__ = ["Rehearsal"]

#: Seconds between two looks at the clock.
TICK = 0.025
#: Seconds without faults at the end, and the part of a short run that they take.
CALM, CALM_PART = 5.0, 0.4
#: Seconds that books may need at the end to go live.
GRACE = 15.0
#: Part of the run after which ``corrupt`` acts, and seconds until it acts again where
#: a new snapshot mended the book before anybody could have read it.
CORRUPT_PART, CORRUPT_AGAIN = 0.4, 1.5


class Rehearsal:
    """
    One run of the demo; what it found stays readable when it is over.

    Args:
        exchange: The markets.
        dialect: Whose protocol.
        faults: Name of a plan of faults.
        seconds: How long.
        corrupt: Alter one level of one book in the stream, silently.
        depth: Levels a side to ask snapshots for; by default enough for whole books.

    Raises:
        ConfigurationError: If the venue has no such depth, or its books show no
            sequence at which they could be compared.

    """

    def __init__(
        self,
        exchange: Exchange,
        dialect: str,
        *,
        faults: str,
        seconds: float,
        corrupt: bool,
        depth: int | None = None,
    ) -> None:
        self.exchange = exchange
        self.dialect = dialect
        self.preset = faults
        self.seconds = seconds
        self.corrupt = corrupt
        self.venue = venues.get(dialect)
        if self.venue.facts.numbering is not Numbering.SYMBOL:
            raise ConfigurationError(
                f"the demo compares books at their sequence, and those of {dialect} "
                f"show none of their own: try `booksync simulate --dialect {dialect}`"
            )
        made = self.venue(depth=depth or _enough(self.venue, exchange))
        self.depth = made.depth
        keep = made.keep or made.facts.levels
        self.checkers = {
            symbol: Checker(symbol, exchange.cursor(symbol), keep)
            for symbol in exchange.symbols
        }
        self.faults: dict[str, int] = {}
        #: Seconds since the feed opened, and those of them in which no fault is dealt.
        self.elapsed = 0.0
        self.calm = min(CALM, seconds * CALM_PART)
        self._goals: dict[str, int] | None = None
        self._asked = 0
        self._ask_after = seconds * CORRUPT_PART

    # -- what came of it --------------------------------------------------------------

    @property
    def wrong(self) -> int:
        """Live reads that differed from the truth."""
        return sum(checker.wrong for checker in self.checkers.values())

    @property
    def late(self) -> list[str]:
        """Symbols whose book is not live, or lags behind the exchange."""
        return [c.symbol for c in self.checkers.values() if not self._reached(c)]

    @property
    def phase(self) -> str:
        """What goes on now, for people."""
        if self.elapsed >= self.seconds:
            return f"waiting for {', '.join(self.late) or 'the last check'}"
        healing = self.elapsed >= self.seconds - self.calm
        return "no more faults" if healing else f"faults: {self.preset}"

    def record(self) -> dict[str, Any]:
        """Tell all, as ``booksync demo --json``."""
        return {
            "seed": self.exchange.seed,
            "faults": self.faults,
            "books": [self._book(checker) for checker in self.checkers.values()],
        }

    def _book(self, checker: Checker) -> dict[str, Any]:
        status = checker.status
        counts = None if status is None else status.counts
        return {
            "symbol": checker.symbol,
            "state": "offline" if status is None else status.state.value,
            "sequence": None if status is None else status.sequence,
            "gaps": counts.gaps if counts else 0,
            "resyncs": counts.resyncs if counts else 0,
            "withheld_s": round(checker.withheld_s(self.elapsed), 3),
            "applied": counts.applied if counts else 0,
            "checked": checker.checked,
            "wrong": checker.wrong,
        }

    # -- the run ----------------------------------------------------------------------

    async def run(self, progress: Callable[[float], None]) -> None:
        """Do it. ``progress`` is called many times a second, with the loop's time."""
        async with (
            serve(self.exchange, self.dialect, faults=self.preset) as server,
            self._connect(server) as feed,
        ):
            start = asyncio.get_running_loop().time()
            for checker in self.checkers.values():
                checker.withheld(0.0)

            def tick(now: float) -> bool:
                self.elapsed = now - start
                self._check_due(feed)
                self._note(feed, server)
                progress(now)
                return self._is_over(server, feed)

            try:
                await drive(self._consume(feed, start), tick, TICK)
            finally:
                self._check_all(feed)
                self._note(feed, server)

    def _connect(self, server: Server) -> Feed:
        """Connect as anybody would, but less patiently: a demo is short."""
        return connect(
            self.venue,
            *self.exchange.symbols,
            depth=self.depth,
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            silence=2.0,
            policy={"quiet_wait": 0.3, "retry_max": 2.0},
            transport=Transport(timeout=2.0, ping=(1.0, 1.0)),
            chance=random.Random(self.exchange.seed).random,  # noqa: S311
        )

    async def _consume(self, feed: Feed, start: float) -> None:
        """Take every event; compare the book of each change."""
        clock = asyncio.get_running_loop().time
        async for event in feed:
            if not isinstance(event, Changed | Synced | Desynced):
                continue
            checker, now = self.checkers[event.symbol], clock() - start
            if isinstance(event, Desynced):
                checker.withheld(now)
                continue
            if isinstance(event, Synced):
                checker.revealed(now)
            self._check(checker, feed, now)

    def _check_due(self, feed: Feed) -> None:
        for checker in self.checkers.values():
            if checker.due(self.elapsed):
                self._check(checker, feed, self.elapsed)

    def _check_all(self, feed: Feed) -> None:
        """Prove each book once more, at the end."""
        for checker in self.checkers.values():
            self._check(checker, feed, self.elapsed)

    def _check(self, checker: Checker, feed: Feed, now: float) -> None:
        try:
            book = feed[checker.symbol]
        except BookNotLive:
            return
        checker.check(book, now)

    def _note(self, feed: Feed, server: Server) -> None:
        self.faults = server.faults_injected
        for status in feed.statuses():
            self.checkers[status.symbol].status = status

    # -- its end ----------------------------------------------------------------------

    def _is_over(self, server: Server, feed: Feed) -> bool:
        if self.corrupt:
            self._do_corrupt(server, feed)
        if self.elapsed >= self.seconds - self.calm and not server.plan.stopped:
            server.plan.stop()
        if self.elapsed < self.seconds:
            return False
        if self._goals is None:
            boundary = self.exchange.boundary
            self._goals = {symbol: boundary(symbol) for symbol in self.checkers}
        done = not self.late and (self.wrong > 0 or not self.corrupt)
        return done or self.elapsed >= self.seconds + GRACE

    def _reached(self, checker: Checker) -> bool:
        """Whether a book is live and has all that had happened when time was over."""
        sequence = None if checker.status is None else checker.status.sequence
        if sequence is None:
            return False
        try:
            at = self.exchange.sequence_of(checker.symbol, sequence)
        except Forgotten:
            return False
        return at >= (self._goals or {}).get(checker.symbol, 0)

    def _do_corrupt(self, server: Server, feed: Feed) -> None:
        """Have one level altered; once more if a new snapshot came too soon."""
        symbol = self.exchange.symbols[0]
        if self.wrong or self.elapsed < self._ask_after:
            return
        if (
            not feed.status(symbol).sequence
            or self.faults.get("corrupt", 0) < self._asked
        ):
            return
        server.faults.corrupt(symbol)
        self._asked += 1
        self._ask_after = self.elapsed + CORRUPT_AGAIN


def _enough(venue: type[Venue], exchange: Exchange) -> int | None:
    """Choose the cheapest snapshot that has every level, where there is a choice."""
    most = max(market.levels for market in exchange.markets.values())
    enough = [depth for depth in venue.DEPTHS if depth >= 2 * most]
    return min(enough, default=None) if venue.facts.source is Source.REST else None
