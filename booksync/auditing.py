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
from booksync.events import Audited, Verdict
from booksync.exact import Level, Number
from booksync.messages import Delta, Snapshot

__all__ = ["audit"]


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


def compare(one: Book, other: Book) -> tuple[int, int]:
    """Count the levels inside both windows, and those of them that differ. O(n)."""
    compared = differing = 0
    for side, lower_is_worse in (("bid", True), ("ask", False)):
        edges = [w[0 if lower_is_worse else 1] for w in (one.window, other.window)]
        known = [edge for edge in edges if edge is not None]
        edge = (max if lower_is_worse else min)(known) if known else None
        mine = _inside(
            one.bids() if side == "bid" else one.asks(), edge, lower_is_worse
        )
        theirs = _inside(
            other.bids() if side == "bid" else other.asks(), edge, lower_is_worse
        )
        prices = mine.keys() | theirs.keys()
        compared += len(prices)
        differing += sum(mine.get(price) != theirs.get(price) for price in prices)
    return compared, differing


def _inside(
    levels: list[Level],
    edge: Number | None,
    lower_is_worse: bool,  # noqa: FBT001
) -> dict[Number, Number]:
    if edge is None:
        return dict(levels)
    return {p: s for p, s in levels if (p >= edge if lower_is_worse else p <= edge)}
