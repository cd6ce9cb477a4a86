"""How near the best prices have come to the edge of what a book knows; pure."""

from __future__ import annotations

from booksync.book import Book
from booksync.exact import Number

__all__ = ["Edge"]


class Edge:
    """
    Watches the part of the known window that is left ahead of the best prices.

    It warns once, then not again for ``pause`` seconds, whatever the market does; a
    wider window (:meth:`known`) begins anew.

    Args:
        part: Of the room that a side had at first, so much must be left.
        pause: Seconds between two warnings.

    """

    def __init__(self, part: float, pause: float) -> None:
        self._part = part
        self._pause = pause
        self._room: tuple[Number | None, Number | None] = (None, None)
        self._again = float("-inf")

    def known(self, book: Book) -> None:
        """Take the room that ``book`` has as the whole. O(1)."""
        self._room = book.coverage()

    def near(self, book: Book, now: float) -> bool:
        """Whether a side has too little room left, and nobody was told. O(1)."""
        if now < self._again:
            return False
        for whole, left in zip(self._room, book.coverage(), strict=True):
            if whole is None or left is None:
                continue
            if float(left) < self._part * float(whole):
                self._again = now + self._pause
                return True
        return False
