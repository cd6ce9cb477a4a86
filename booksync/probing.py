"""
Quiet or dead: asking the venue, when a book that was active says no more; pure.

A socket can stay open and answer pings while no data flows. The venue's own snapshot
tells the two apart: if it has what the book has, the market is quiet. If it is ahead,
other levels stand on top, and after that still nothing comes, the line is dead.
"""

from __future__ import annotations

from collections.abc import Mapping

from booksync.auditing import compare
from booksync.book import Book
from booksync.errors import MalformedMessage
from booksync.messages import Snapshot
from booksync.sync import Synchronizer

__all__ = ["Prober"]

#: Deltas after which a book counts as active, and its pace is known.
ACTIVE = 20
#: Times ``after``, in which the pace of a new connection's books becomes known.
KNOWN = 5.0
#: Usual pauses between two deltas of a book that make it quiet.
PAUSES = 20
#: Longest time between two probes of a book that stays quiet, in seconds.
RARELY = 60.0
#: Seconds between two looks at a connection's books, at least.
LOOK = 1.0
#: Seconds that what the venue has ahead may still be on its way.
IN_FLIGHT = 1.5


class Prober:
    """
    Finds which book of one connection to ask about, and what the answer proves.

    Args:
        after: Seconds without a delta after which a book may be called quiet.
        now: Seconds.

    """

    def __init__(self, after: float, now: float) -> None:
        self._after = after
        self._opened = now
        self._look_at = now + KNOWN * after
        #: Of each book that was asked about: when it was last heard, when it was asked
        #: about, and how often since it was heard.
        self._asked: dict[str, tuple[float | None, float, int]] = {}
        self._doubted: str | None = None
        self._until = 0.0

    def deadline(self) -> float:
        """When :meth:`look` or :meth:`dead` is next due, in seconds."""
        return self._look_at if self._doubted is None else self._until

    def look(self, books: Mapping[str, Synchronizer], now: float) -> str | None:
        """Name the book to ask about, if one is due. O(books), not often."""
        if now < self._look_at or self._doubted is not None:
            return None
        due = {s: self._due(sync) for s, sync in books.items() if _is_active(sync)}
        first = min(due, key=lambda symbol: due[symbol], default=None)
        at = now + RARELY if first is None else due[first]
        self._look_at = max(now + LOOK, min(at, now + self._after))
        if first is None or at > now:
            return None
        heard, _, times = self._asked.get(first, (None, 0.0, 0))
        times = times + 1 if heard == books[first].heard else 1
        self._asked[first] = (books[first].heard, now, times)
        return first

    def _due(self, sync: Synchronizer) -> float:
        heard = sync.heard or 0.0
        usual = (heard - self._opened) / sync.counts.applied
        before, at, times = self._asked.get(sync.symbol, (None, 0.0, 0))
        if before == heard:
            return at + min(RARELY, self._after * 2.0**times)
        return heard + max(self._after, PAUSES * usual)

    def answered(self, sync: Synchronizer, snapshot: Snapshot, now: float) -> None:
        """Take what the venue has: it may be ahead of a book that heard nothing."""
        heard, _, _ = self._asked.get(sync.symbol, (None, 0.0, 0))
        if sync.live and sync.heard == heard and _is_ahead(snapshot, sync.book):
            self._doubted = sync.symbol
            self._until = now + IN_FLIGHT

    def dead(self, books: Mapping[str, Synchronizer], now: float) -> bool:
        """Whether what the venue has ahead never came."""
        if self._doubted is None or now < self._until:
            return False
        symbol, self._doubted = self._doubted, None
        sync, (heard, _, _) = books.get(symbol), self._asked[symbol]
        return sync is not None and sync.live and sync.heard == heard


def _is_active(sync: Synchronizer) -> bool:
    return sync.live and sync.counts.applied >= ACTIVE


def _is_ahead(snapshot: Snapshot, book: Book) -> bool:
    """Numbers may go on for changes that no delta tells: levels must differ, too."""
    if snapshot.sequence <= book.sequence:
        return False
    theirs = book.shadow()
    try:
        theirs.load(snapshot)
    except MalformedMessage:
        return False
    return compare(book, theirs)[1] > 0
