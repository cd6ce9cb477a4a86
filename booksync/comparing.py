"""
Two books of one symbol from two connections, compared with each other; pure.

Two connections carry the same changes. Where numbers run per symbol, both books are
compared once they stand at one sequence: if they differ then, one of them is wrong,
though nothing says which. Elsewhere they match if they ever have the same levels. A
level that differs all the while proves nothing as long as it may only be late: it must
be untouched in both for a while, and differ in the same way in two audits.
"""

from __future__ import annotations

import math

from booksync.auditing import Difference, differences
from booksync.book import Book
from booksync.events import Audited, Verdict

__all__ = ["Comparison"]

#: Seconds between two looks at books without common numbers: O(n) each.
LOOK = 0.1
#: Seconds for which a level must not change, to be held against a book.
UNTOUCHED = 1.0

NEVER_MET = "the books never stood at one sequence"
NEVER_ALIKE = "the books never had the same levels"


class Comparison:
    """
    One audit of a symbol by two connections.

    Args:
        symbol: Whose books.
        comparable: Sequences mean the same on both connections.
        doubted: What differed in the audit before, as :attr:`doubts` had it.

    """

    def __init__(
        self,
        symbol: str,
        *,
        comparable: bool,
        doubted: frozenset[Difference] = frozenset(),
    ) -> None:
        self._symbol = symbol
        self._comparable = comparable
        self._doubted = doubted
        self._constant: frozenset[Difference] | None = None
        self._began = math.inf
        self._looked = -math.inf
        self._compared = 0

    def look(
        self, one: Book, other: Book, now: float, *, again: bool = False
    ) -> Audited | None:
        """
        Compare two live books; ``None`` if that decides nothing yet. O(n).

        Args:
            one: A book.
            other: Another.
            now: Seconds.
            again: Even if they were looked at just now.

        """
        if self._comparable:
            if one.sequence != other.sequence:
                return None
            compared, found = differences(one, other)
            return self._verdict(one.sequence, compared, len(found))
        if now - self._looked < LOOK and not again:
            return None
        self._looked = now
        self._compared, found = differences(one, other)
        if not found:
            return self._verdict(one.sequence, self._compared, 0)
        if self._constant is None:
            self._constant, self._began = frozenset(found), now
        else:
            self._constant &= found
        return None

    def end(self, sequence: int) -> Audited:
        """Say what came of it, though the two books never stood alike."""
        wrong = len(self.doubts & self._doubted)
        if wrong:
            return self._verdict(sequence, self._compared, wrong)
        return Audited(
            self._symbol,
            verdict=Verdict.INCONCLUSIVE,
            sequence=sequence,
            reason=NEVER_MET if self._comparable else NEVER_ALIKE,
        )

    @property
    def doubts(self) -> frozenset[Difference]:
        """Levels that differed all the while, untouched, if that was long enough."""
        if self._constant is None or self._looked - self._began < UNTOUCHED:
            return frozenset()
        return self._constant

    def _verdict(self, sequence: int, compared: int, differing: int) -> Audited:
        return Audited(
            self._symbol,
            verdict=Verdict.DIFFERING if differing else Verdict.MATCHED,
            sequence=sequence,
            compared=compared,
            differing=differing,
        )
