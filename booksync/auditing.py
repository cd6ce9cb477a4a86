"""
The shadow of a live book: a snapshot brought forward, compared level by level.

Exact only where the snapshot's sequence is one that the remembered deltas reach: a
snapshot that stands inside a delta which may list net changes proves nothing if it
differs.
"""

from __future__ import annotations

from collections.abc import Iterable

from booksync.book import Book
from booksync.errors import MalformedMessage
from booksync.events import Audited, Drift, Verdict
from booksync.exact import Level, Number
from booksync.messages import Delta, Snapshot

__all__ = ["Difference", "Former", "alike", "audit", "compare", "differences"]

#: ``(side is bids, price, size in one, size in the other)``; ``None``: no such level.
Difference = tuple[bool, Number, Number | None, Number | None]

#: Levels a side that a drift report reads: a resync must not be slow for it.
DRIFT_LEVELS = 200


def audit(
    book: Book, snapshot: Snapshot, recent: Iterable[Delta], *, exact_overlap: bool
) -> tuple[Audited, Book]:
    """
    Bring ``snapshot`` forward to ``book`` and compare. O(n) levels.

    Args:
        book: A live book at or beyond the snapshot.
        snapshot: Of the same symbol.
        recent: The deltas that led to the book, oldest first.
        exact_overlap: Deltas list every level that they touched.

    Returns:
        The event, and the snapshot brought forward.

    """
    shadow = book.shadow()

    def verdict(found: Verdict, **more: object) -> Audited:
        return Audited(book.symbol, verdict=found, sequence=book.sequence, **more)  # type: ignore[arg-type]

    try:
        shadow.load(snapshot)
    except MalformedMessage as error:
        return verdict(Verdict.INCONCLUSIVE, reason=str(error)), shadow
    later = [delta for delta in recent if delta.last > snapshot.sequence]
    if snapshot.sequence < book.sequence and (
        not later or later[0].prev > snapshot.sequence
    ):
        reason = "the snapshot is older than what is remembered"
        return verdict(Verdict.INCONCLUSIVE, reason=reason), shadow
    inside = bool(later) and later[0].prev < snapshot.sequence
    for delta in later:
        shadow.apply(delta)
    compared, differing = compare(book, shadow)
    counted = {"compared": compared, "differing": differing}
    if not differing:
        return verdict(Verdict.MATCHED, **counted), shadow
    if inside and not exact_overlap:
        reason = "the snapshot stands inside a delta"
        return verdict(Verdict.INCONCLUSIVE, reason=reason, **counted), shadow
    return verdict(Verdict.DIFFERING, **counted), shadow


class Former:
    """
    A book as it was when it was withheld, to be compared with the one after it.

    Args:
        book: Whose levels it takes over; that book is to be loaded next.

    """

    def __init__(self, book: Book) -> None:
        self._book: Book | None = book.part()

    def take(self, delta: Delta) -> None:
        """Write ``delta`` over it, unless it has that already. O(k log n)."""
        if self._book is None or delta.last <= self._book.sequence:
            return
        try:
            self._book.apply(delta)
        except MalformedMessage:
            self._book = None

    def drift(self, book: Book, seconds: float) -> Drift | None:
        """Compare it with ``book``; ``None`` if that cannot be done. O(200)."""
        if self._book is None:
            return None
        compared, differing = compare(self._book, book, best=DRIFT_LEVELS)
        return Drift(compared=compared, differing=differing, seconds=seconds)


def compare(one: Book, other: Book, *, best: int | None = None) -> tuple[int, int]:
    """
    Count the levels inside both windows, and those of them that differ. O(n).

    Args:
        one: A book.
        other: Another.
        best: Levels a side to read of each, best first; by default all.

    """
    compared, found = differences(one, other, best=best)
    return compared, len(found)


def differences(
    one: Book, other: Book, *, best: int | None = None
) -> tuple[int, set[Difference]]:
    """Count the levels inside both windows; collect those that differ. O(n)."""
    compared, found = 0, set()
    for bids in (True, False):
        edges = [book.window[0 if bids else 1] for book in (one, other)]
        sides = [book.bids(best) if bids else book.asks(best) for book in (one, other)]
        edges += [side[-1].price for side in sides if len(side) == best]
        known = [edge for edge in edges if edge is not None]
        edge = (max if bids else min)(known) if known else None
        mine, theirs = (_inside(side, edge, bids) for side in sides)
        prices = mine.keys() | theirs.keys()
        compared += len(prices)
        found |= {
            (bids, price, mine.get(price), theirs.get(price))
            for price in prices
            if mine.get(price) != theirs.get(price)
        }
    return compared, found


def alike(one: Book, other: Book) -> bool:
    """Whether two live books have the same levels inside both windows. O(n)."""
    if one.best_bid != other.best_bid or one.best_ask != other.best_ask:
        return False
    return not compare(one, other)[1]


def _inside(
    levels: list[Level],
    edge: Number | None,
    lower_is_worse: bool,  # noqa: FBT001
) -> dict[Number, Number]:
    if edge is None:
        return dict(levels)
    return {p: s for p, s in levels if (p >= edge if lower_is_worse else p <= edge)}
