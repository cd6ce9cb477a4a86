"""All books of a feed, on all lines: which is served, when each is due; pure."""

from __future__ import annotations

import heapq
import itertools

from booksync.arbitration import Arbiter
from booksync.book import Book
from booksync.events import Output
from booksync.policy import Policy
from booksync.sync import Synchronizer
from booksync.venues.base import Venue
from booksync.venues.facts import Numbering

__all__ = ["Shelf"]


class Shelf:
    """
    A synchronizer for each symbol and line.

    Args:
        venue: Whose books.
        policy: What governs each of them.
        lines: Lines of each symbol.
        keep_last: Keep a frozen copy of each book that stops being live.

    """

    def __init__(
        self, venue: Venue, policy: Policy, *, lines: int = 1, keep_last: bool = False
    ) -> None:
        self.lines: list[dict[str, Synchronizer]] = [{} for _ in range(lines)]
        #: What is served, by symbol.
        self.served: dict[str, Synchronizer | Arbiter] = {}
        #: Those of it that are chosen from several lines.
        self.arbiters: dict[str, Arbiter] = {}
        self._venue = venue
        self._policy = policy
        self._keep_last = keep_last
        self._timers: list[tuple[float, str, int, Synchronizer]] = []
        self._numbers = itertools.count()

    def added(self, symbol: str) -> Synchronizer:
        """Make a book for ``symbol`` on every line; return the first. Idempotent."""
        if symbol in self.served:
            return self.lines[0][symbol]
        for line in self.lines:
            line[symbol] = self._made(symbol)
        lines = [line[symbol] for line in self.lines]
        if len(lines) == 1:
            self.served[symbol] = lines[0]
        else:
            arbiter = Arbiter(symbol, lines, comparable=self.comparable)
            self.served[symbol] = self.arbiters[symbol] = arbiter
        return lines[0]

    def of(self, symbol: str) -> list[Synchronizer]:
        """Return the synchronizers of ``symbol``, one for each line."""
        arbiter = self.arbiters.get(symbol)
        if arbiter is not None:
            return list(arbiter.lines)
        return [line[symbol] for line in self.lines if symbol in line]

    def removed(self, symbol: str) -> None:
        """Forget ``symbol``."""
        for line in self.lines:
            line.pop(symbol, None)
        self.served.pop(symbol, None)
        self.arbiters.pop(symbol, None)

    def seen(self, sync: Synchronizer, outputs: list[Output]) -> list[Output]:
        """Return what the user sees of ``outputs``: all, if no line else has a say."""
        arbiter = self.arbiters.get(sync.symbol)
        if arbiter is None or sync not in arbiter.lines:
            return outputs
        return arbiter.take(arbiter.lines.index(sync), outputs)

    # -- a line and its heir ---------------------------------------------------------

    def heir(self, symbol: str, line: int, *, auditing: bool) -> Synchronizer:
        """Make the book of the connection that is to replace, or to check, a line's."""
        arbiter = self.arbiters.get(symbol)
        if arbiter is None:
            sync = self.lines[0][symbol]
            arbiter = Arbiter(
                symbol,
                [sync],
                comparable=self.comparable,
                ledger=sync.ledger.copy(),
            )
            self.served[symbol] = self.arbiters[symbol] = arbiter
        made = self._made(symbol)
        arbiter.expect(line, made, auditing=auditing)
        return made

    def ready(self, symbol: str) -> bool:
        """Whether the line that has an heir is needed no more."""
        arbiter = self.arbiters.get(symbol)
        return arbiter is None or arbiter.ready

    def succeeded(self, symbol: str, line: int, heir: Synchronizer, now: float) -> None:
        """Put the heir in its line's place."""
        arbiter = self.arbiters.get(symbol)
        if arbiter is not None and heir in arbiter.lines:
            arbiter.succeeded(now)
            self.lines[line][symbol] = heir
            self._simplify(arbiter)

    def abandoned(self, symbol: str, heir: Synchronizer, now: float) -> None:
        """Forget the heir: its connection ended."""
        arbiter = self.arbiters.get(symbol)
        if arbiter is not None and heir in arbiter.lines:
            arbiter.abandoned(now)
            self._simplify(arbiter)

    def _simplify(self, arbiter: Arbiter) -> None:
        """Where only one line is left, nothing is to be decided any more."""
        if len(arbiter.lines) > 1 or arbiter.waiting:
            return
        (sync,) = arbiter.lines
        resyncs = sync.ledger.resyncs
        sync.ledger = arbiter.ledger
        sync.ledger.resyncs = resyncs
        sync.counts.desyncs = sum(sync.ledger.desyncs.values())
        self.served[arbiter.symbol] = sync
        del self.arbiters[arbiter.symbol]

    # -- time -----------------------------------------------------------------------

    def note(self, sync: Synchronizer) -> None:
        """Set the timer of a book whose deadline may have changed."""
        sync.dirty = False
        deadline = sync.deadline()
        if deadline is not None:
            entry = (deadline, sync.symbol, next(self._numbers), sync)
            heapq.heappush(self._timers, entry)

    def deadline(self) -> float | None:
        """When the next book is due, in seconds; ``None`` if none is."""
        timers = self._timers
        while timers:
            at, symbol, number, sync = timers[0]
            now_due = sync.deadline()
            if now_due == at:
                return at
            heapq.heappop(timers)
            if now_due is not None and now_due > at:  # it was put off meanwhile
                heapq.heappush(timers, (now_due, symbol, number, sync))
        return None

    def due(self, now: float) -> Synchronizer | None:
        """Take the next book that is due; ``None`` if none is."""
        timers = self._timers
        if timers and timers[0][0] <= now:
            return heapq.heappop(timers)[3]
        return None

    @property
    def comparable(self) -> bool:
        """Whether sequences mean the same on every connection."""
        return self._venue.facts.numbering is Numbering.SYMBOL

    def _made(self, symbol: str) -> Synchronizer:
        book = Book(
            symbol,
            numbers=self._venue.numbers,
            depth=self._venue.keep,
            signed=self._venue.signed,
            keep_text=self._policy.checksum is not None,
        )
        return Synchronizer(symbol, self._policy, book=book, keep_last=self._keep_last)
