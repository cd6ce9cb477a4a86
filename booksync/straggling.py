"""
Two lines of one book: the one that stays behind the other, and hears nothing; pure.

Where both count alike, no pace and no guess is needed: what one line has in a delta,
the other must get, too. If for some seconds it gets nothing at all, its stream of that
symbol is dead, however lively the others on the same connection are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from booksync.arbitration import Arbiter
from booksync.sync import Synchronizer

__all__ = ["Stragglers"]

#: Seconds that what the other line has may still be on its way.
BEHIND = 2.5
#: Seconds between two looks at all books.
LOOK = 0.5
#: Longest time that a line is given which was behind again and again.
RARELY = 300.0
#: Deltas that a line must have had since then to be as good as new.
GOOD = 20


class _Behind:
    """A line that was behind, since when, and how often it was given up."""

    __slots__ = ("applied", "heard", "since", "times")

    def __init__(self) -> None:
        self.heard: float | None = None
        self.since = -math.inf
        self.times = self.applied = 0


class Stragglers:
    """Finds lines whose book stays behind that of another line."""

    def __init__(self) -> None:
        self.look_at = -math.inf
        self._behind: dict[Synchronizer, _Behind] = {}

    def look(self, arbiters: Iterable[Arbiter], now: float) -> list[Synchronizer]:
        """
        Name the lines that are behind for too long. O(books), every half second.

        Args:
            arbiters: Of all symbols; their lines' numbers can be compared.
            now: Seconds.

        """
        if now < self.look_at:
            return []
        self.look_at = now + LOOK
        known, self._behind = self._behind, {}
        dead: list[Synchronizer] = []
        for arbiter in arbiters:
            live = [sync for sync in arbiter.lines if sync.live]
            # A snapshot's number may be that of a change which no delta tells.
            told = [sync.book.sequence for sync in live if not sync.fresh]
            ahead = max(told, default=0)
            for sync in arbiter.lines:
                was = known.get(sync)
                behind = sync.live and sync.book.sequence < ahead
                if (behind or was is not None) and self._is_dead(
                    sync, was or _Behind(), now, behind=behind
                ):
                    dead.append(sync)
        return dead

    def _is_dead(
        self, sync: Synchronizer, was: _Behind, now: float, *, behind: bool
    ) -> bool:
        if sync.counts.applied >= was.applied + GOOD:
            was.times = 0
        if not behind:
            was.heard = None
        elif was.heard != sync.heard:
            was.heard, was.since = sync.heard, now
        if behind or was.times:
            self._behind[sync] = was
        if not behind or now - was.since < min(RARELY, BEHIND * 2.0**was.times):
            return False
        was.times, was.applied = was.times + 1, sync.counts.applied
        return True
