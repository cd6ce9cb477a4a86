"""
Quiet or dead: asking the venue, when a book that was active says no more; pure.

A socket can stay open and answer pings while no data flows. The venue's own snapshot
tells the two apart: if it has what the book has, the market is quiet. If it is ahead,
other levels stand on top, and after that still nothing comes, the line is dead.

A book is asked about when it is silent for unusually long. When a whole connection is,
several are asked about at once, as many as it takes to tell: a slow book would often be
quiet for so long, whatever became of the line.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from booksync.auditing import compare
from booksync.book import Book
from booksync.errors import MalformedMessage
from booksync.messages import Snapshot
from booksync.sync import Synchronizer

__all__ = ["RARELY", "UNUSUAL", "Prober"]

#: Deltas after which a book counts as active.
ACTIVE = 20
#: Times ``after``, in which the pace of a book becomes known.
KNOWN = 5.0
#: Seconds after which what was heard of a book counts half for its pace.
MEMORY = 300.0
#: Usual pauses between two deltas that make an unusual one.
UNUSUAL = 10
#: Longest time between two probes of a book that stays quiet, in seconds.
RARELY = 60.0
#: Seconds between two looks at a connection's books, at least.
LOOK = 1.0
#: Seconds that what the venue has ahead may still be on its way.
IN_FLIGHT = 1.5
#: Books of a silent connection that are asked about at once, at most.
AT_ONCE = 5
#: Deltas that these should have had meanwhile: by chance all are quiet once in 150.
EXPECTED = 5.0
#: Seconds of the shortest pause that a pace may have.
LEAST = 1e-6


class _Asked:
    """What is known of one book's pace, and of the last question about it."""

    __slots__ = ("applied", "at", "heard", "quiet", "quiet_at", "since", "times")

    def __init__(self, sync: Synchronizer, now: float) -> None:
        #: Since when its deltas are counted, and how many it had before.
        self.since, self.applied = now, sync.counts.applied
        #: When it was heard last, when it was asked about, how often since then.
        self.heard: float | None = None
        self.at, self.times = 0.0, 0
        #: Seconds of silence that the venue said was right, and when.
        self.quiet, self.quiet_at = 0.0, -math.inf

    def pause(self, sync: Synchronizer) -> float:
        """Seconds of a usual pause; infinite while it is not known. O(1)."""
        count, heard = sync.counts.applied - self.applied, sync.heard or 0.0
        if count < ACTIVE:
            return math.inf
        lived = heard - self.since
        if lived > MEMORY and count >= 2 * ACTIVE:
            self.applied = sync.counts.applied - count // 2
            self.since = heard - lived / 2
        return lived / count


class Prober:
    """
    Finds which books of one connection to ask about, and what the answers prove.

    Args:
        after: Seconds without a delta after which a book may be called quiet.
        now: Seconds.

    """

    def __init__(self, after: float, now: float) -> None:
        self.after = after
        self._look_at = now
        self._books: dict[str, _Asked] = {}
        self._doubted: str | None = None
        self._until = 0.0
        #: When the whole connection was asked about last.
        self.pressed_at = -math.inf
        #: Of each book whose answer is awaited for that: deltas it should have had.
        self._pressed: dict[str, float] = {}
        #: Likewise of those that are quiet; and whether there are no other books.
        self._proven, self._whole = 0.0, False

    def deadline(self) -> float:
        """When :meth:`look` or :meth:`dead` is next due, in seconds."""
        return self._look_at if self._doubted is None else self._until

    # -- asking -----------------------------------------------------------------------

    def look(self, books: Mapping[str, Synchronizer], now: float) -> str | None:
        """Name the book to ask about, if one is due. O(books), not often."""
        if now < self._look_at or self._doubted is not None:
            return None
        due = {s: self._due(sync, now) for s, sync in books.items()}
        first = min(due, key=lambda symbol: due[symbol], default=None)
        at = math.inf if first is None else due[first]
        self._look_at = max(now + LOOK, min(at, now + self.after))
        if len(self._books) > len(books):
            self._books = {s: self._books[s] for s in books}
        if first is None or at > now:
            return None
        self._ask(books[first], now)
        return first

    def press(
        self, books: Mapping[str, Synchronizer], now: float, since: float
    ) -> Collection[str]:
        """
        Name the books to ask about, all at once, of a connection that fell silent.

        O(n log n) for n books.

        Args:
            books: All of its books.
            now: Seconds.
            since: When it was last heard.

        """
        self.pressed_at = now
        if self._doubted is not None:
            return ()
        paces = {s: self._of(sync, now).pause(sync) for s, sync in books.items()}
        # A book that had been quiet for long before says nothing of the line.
        spoke = [
            symbol
            for symbol, sync in books.items()
            if sync.live and since - (sync.heard or 0.0) <= UNUSUAL * paces[symbol]
        ]
        self._pressed, expected = {}, 0.0
        for symbol in sorted(spoke, key=lambda symbol: paces[symbol])[:AT_ONCE]:
            if expected < EXPECTED:
                self._pressed[symbol] = (now - since) / max(paces[symbol], LEAST)
                expected += self._pressed[symbol]
                self._ask(books[symbol], now)
        self._proven, self._whole = 0.0, len(self._pressed) == len(books)
        return tuple(self._pressed)

    def _of(self, sync: Synchronizer, now: float) -> _Asked:
        known = self._books.get(sync.symbol)
        if known is None:
            known = self._books[sync.symbol] = _Asked(sync, now)
        return known

    def _ask(self, sync: Synchronizer, now: float) -> None:
        known = self._of(sync, now)
        known.times = known.times + 1 if known.heard == sync.heard else 1
        known.heard, known.at = sync.heard, now

    def _due(self, sync: Synchronizer, now: float) -> float:
        known, heard = self._of(sync, now), sync.heard or 0.0
        pause = known.pause(sync)
        if not sync.live or heard < known.since + KNOWN * self.after:
            return math.inf
        if known.heard == heard:
            return known.at + min(RARELY, self.after * 2.0**known.times)
        lately = heard - known.quiet_at < RARELY
        usual = max(UNUSUAL * pause, known.quiet if lately else 0.0)
        return heard + max(self.after, usual)

    # -- what the answers prove -------------------------------------------------------

    def answered(self, sync: Synchronizer, snapshot: Snapshot, now: float) -> bool:
        """
        Take what the venue has: it may be ahead of a book that heard nothing.

        Returns:
            Whether the silence of the whole connection is explained: the venue has
            nothing new of any book that was asked about for its sake.

        """
        known = self._books.get(sync.symbol)
        if known is None or not sync.live or sync.heard != known.heard:
            return False
        ahead = _is_ahead(snapshot, sync.book)
        if ahead and self._doubted is None:
            self._doubted, self._until = sync.symbol, now + IN_FLIGHT
        if ahead is not False:
            return False
        known.quiet, known.quiet_at = known.at - (known.heard or 0.0), now
        self._proven += self._pressed.pop(sync.symbol, 0.0)
        told = self._proven >= EXPECTED or (self._whole and not self._pressed)
        return told and self._doubted is None

    def dead(self, books: Mapping[str, Synchronizer], now: float) -> str | None:
        """Name the book of which what the venue has ahead never came."""
        if self._doubted is None or now < self._until:
            return None
        symbol, self._doubted = self._doubted, None
        sync = books.get(symbol)
        if sync is None or not sync.live or sync.heard != self._books[symbol].heard:
            return None
        return symbol


def _is_ahead(snapshot: Snapshot, book: Book) -> bool | None:
    """
    Say whether the venue has what the book lacks; ``None`` where nothing tells.

    Numbers may go on for changes that no delta tells: levels must differ, too.
    """
    if snapshot.sequence <= book.sequence:
        return None if snapshot.sequence < book.sequence else False
    theirs = book.shadow()
    try:
        theirs.load(snapshot)
    except MalformedMessage:
        return None
    return compare(book, theirs)[1] > 0
