"""BitMEX's rows, and the keys by which they name levels whose price is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Snapshot
from booksync.venues.base import Instant

__all__ = ["Ladder", "Row"]

N = TypeVar("N")
INSERT = "insert"


class Row(Struct, Generic[N], gc=False):
    """One level; since 2023 updates and deletes repeat price and size, too."""

    symbol: str
    id: int
    side: Literal["Buy", "Sell"]
    size: N | None = None
    price: N | None = None
    timestamp: Instant | None = None


class Ladder:
    """
    The keys of one book, and the number of its last message.

    ``prices`` is ``None`` from a loss to the next partial: so long a message takes two
    numbers, so that none matches the one before it.
    """

    __slots__ = ("count", "prices")

    def __init__(self) -> None:
        self.count = 0
        self.prices: dict[tuple[str, int], Any] | None = None

    def partial(
        self, symbol: str, rows: Sequence[Row[Any]], depth: int | None
    ) -> Snapshot:
        """
        Begin anew with ``rows``: a level each, all of ``symbol``.

        Raises:
            MalformedMessage: If one is somebody else's, or says too little.

        """
        self.count += 1
        self.prices = None
        prices: dict[tuple[str, int], Any] = {}
        sides: dict[str, list[tuple[Any, Any]]] = {"Buy": [], "Sell": []}
        for row in rows:
            if row.symbol != symbol or row.price is None or row.size is None:
                raise MalformedMessage(f"partial with {row}", symbol)
            prices[row.side, row.id] = row.price
            sides[row.side].append((row.price, row.size))
        self.prices = prices
        bids, asks = sides["Buy"], sides["Sell"]
        return Snapshot(symbol, self.count, bids, asks, depth, _seconds(rows))

    def delta(self, action: str, rows: Sequence[Row[Any]], gone: Any) -> Delta:
        """
        Resolve ``rows`` (one at least) into levels.

        Args:
            action: ``"insert"``, ``"update"`` or ``"delete"``.
            rows: Of one symbol.
            gone: The size of a level that is deleted.

        Returns:
            The levels; nothing, and no number that matches, if a key is inserted twice
            or changed without being known.

        Raises:
            MalformedMessage: If a row is somebody else's, or has no size.

        """
        symbol = rows[0].symbol
        prices, self.prices = self.prices, None  # unknown, until all is resolved
        sides: dict[str, list[tuple[Any, Any]]] = {"Buy": [], "Sell": []}
        for row in rows:
            if row.symbol != symbol or (row.size is None and action != "delete"):
                raise MalformedMessage(f"{action} of {row}", symbol)
            key = (row.side, row.id)
            known = None if prices is None else prices.get(key)
            price = known if row.price is None else row.price
            if prices is None or price is None or (known is None) is (action != INSERT):
                self.count += 2
                return Delta(symbol, self.count - 1, self.count, (), ())
            side = sides[row.side]
            if action == "delete" or known not in (None, price):
                side.append((known, gone))
            if action == "delete":
                del prices[key]
            else:
                prices[key] = price
                side.append((price, row.size))
        self.prices = prices
        self.count += 1
        time, count = _seconds(rows), self.count
        return Delta(symbol, count - 1, count, sides["Buy"], sides["Sell"], time)


def _seconds(rows: Sequence[Row[Any]]) -> float | None:
    at = rows[-1].timestamp if rows else None
    return at.timestamp() if at else None
