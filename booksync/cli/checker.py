"""Compares one live book with what the exchange itself knows to be true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from booksync.book import Book, Window
from booksync.exact import Level
from booksync.frozen import FrozenBook
from booksync.status import Status
from booksync.testing import Forgotten, Truth

__all__ = ["Checker"]

#: Seconds after which a live book is compared again if no event did it: 13 a second.
PAUSE = 0.075

Levels = Sequence[tuple[Any, Any]]


class Checker:
    """
    One book's comparisons with the truth.

    Args:
        symbol: Whose book.
        truth: The exchange's own knowledge of it.
        keep: Levels a side to which the venue itself limits its books.

    """

    def __init__(self, symbol: str, truth: Truth, keep: int | None = None) -> None:
        self.symbol = symbol
        #: Live reads compared, and those of them that differed.
        self.checked = 0
        self.wrong = 0
        #: What the first wrong read was, for people.
        self.fault = ""
        #: Its newest status, and levels a side when it was last compared.
        self.status: Status | None = None
        self.levels = (0, 0)
        self.best: tuple[Level | None, Level | None] = (None, None)
        self._truth = truth
        self._keep = keep
        self._last = float("-inf")
        self._withheld = 0.0
        self._withheld_since: float | None = None

    def withheld(self, now: float) -> None:
        """Note that the book cannot be read from now on."""
        if self._withheld_since is None:
            self._withheld_since = now

    def revealed(self, now: float) -> None:
        """Note that it can be read again."""
        if self._withheld_since is not None:
            self._withheld += now - self._withheld_since
            self._withheld_since = None

    def withheld_s(self, now: float) -> float:
        """Seconds for which the book could not be read."""
        since = self._withheld_since
        return self._withheld + (0.0 if since is None else now - since)

    def due(self, now: float) -> bool:
        """Whether it is time to compare again."""
        return now >= self._last + PAUSE

    def check(self, book: Book | FrozenBook, now: float) -> None:
        """Read the live ``book`` and compare it with the truth. O(n log n)."""
        self.checked += 1
        self._last = now
        problem = self._compare(book)
        if problem:
            self.wrong += 1
            self.fault = self.fault or f"at sequence {book.sequence}: {problem}"

    def _compare(self, book: Book | FrozenBook) -> str:
        try:
            bids, asks = self._truth.at(book.sequence)
        except Forgotten as error:
            return str(error)
        ours: tuple[Levels, Levels] = (book.bids(), book.asks())
        truth: tuple[Levels, Levels] = (
            sorted(bids.items(), reverse=True)[: self._keep],
            sorted(asks.items())[: self._keep],
        )
        self.best = book.best_bid, book.best_ask
        first = next(iter(ours[0]), None), next(iter(ours[1]), None)
        if self.best != first:
            return f"best {self.best}, but the levels begin with {first}"
        if any(book.window):
            ours, truth = _known(ours, book.window), _known(truth, book.window)
        self.levels = len(ours[0]), len(ours[1])
        return _differing("bid", ours[0], truth[0]) or (
            _differing("ask", ours[1], truth[1])
        )


def _known(sides: tuple[Levels, Levels], window: Window) -> tuple[Levels, Levels]:
    """Cut both sides to what the book says that it knows; usually that is all."""
    bids, asks = sides
    low, high = window
    return (
        [level for level in bids if low is None or level[0] >= low],
        [level for level in asks if high is None or level[0] <= high],
    )


def _differing(side: str, ours: Levels, truth: Levels) -> str:
    """Say where two sides first differ; nothing if they are equal."""
    if ours == truth:
        return ""
    for mine, right in zip(ours, truth, strict=False):
        if mine != right:
            return f"{side} {mine[0]} x {mine[1]} should be {right[0]} x {right[1]}"
    return f"{len(ours)} {side} levels should be {len(truth)}"
