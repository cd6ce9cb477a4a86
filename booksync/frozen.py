"""A book at one moment, for good."""

from __future__ import annotations

from typing import Self

from booksync.exact import Number
from booksync.queries import Queries, quoted
from booksync.side import SideName

__all__ = ["FrozenBook"]


class FrozenBook(Queries):
    """
    An immutable copy of both sides at one moment; made by ``Book.freeze``.

    Hashable, comparable, and answers every query.
    """

    __slots__ = (
        "_answers",
        "_asks",
        "_bids",
        "_edges",
        "numbers",
        "sequence",
        "symbol",
        "time",
        "window",
    )

    def __init__(self, book: Queries) -> None:
        self.symbol = book.symbol
        self.sequence = book.sequence
        self.numbers = book.numbers
        self.window = book.window
        self.time = getattr(book, "time", None)
        self._bids, self._asks = book.frozen_sides()
        self._answers = {}
        self._edges = book.edge("bid"), book.edge("ask")

    def edge(self, side: SideName) -> Number | None:
        """As of the moment of the copy."""
        return self._edges[side == "ask"]

    def _moment(self) -> int:
        return 0

    def __hash__(self) -> int:  # type: ignore[override]
        """Hash of the levels. O(n)."""
        return hash((tuple(self.bids()), tuple(self.asks())))

    def __repr__(self) -> str:
        """``<FrozenBook X 9 x 10 at 1>``."""
        return f"<FrozenBook {quoted(self)}>"

    def freeze(self) -> Self:
        """Return itself. O(1)."""
        return self
