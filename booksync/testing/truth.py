"""What a book was, exactly, at any sequence still remembered."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from decimal import Decimal
from typing import Generic, TypeVar

from booksync.testing.market import Forgotten, Market

__all__ = ["Cursor", "Truth"]

Number = TypeVar("Number", int, Decimal)


class Cursor(Generic[Number]):
    """
    A book that can be moved to any sequence of a market, forwards and backwards.

    It costs O(changes between), so a checker keeps one for each book that it watches.

    Args:
        market: Whose book.
        price: Converts a price in steps.
        size: Converts a size in steps.

    """

    def __init__(
        self,
        market: Market,
        price: Callable[[int], Number],
        size: Callable[[int], Number],
    ) -> None:
        self._market = market
        self._price: Callable[[int], Number] = price
        self._size: Callable[[int], Number] = size
        self._restart()

    def _restart(self) -> None:
        self.sequence = self._market.sequence
        bids, asks = (
            {self._price(price): self._size(size) for price, size in side.items()}
            for side in self._market.sides
        )
        self._sides: tuple[dict[Number, Number], dict[Number, Number]] = bids, asks

    def seek(self, sequence: int) -> tuple[dict[Number, Number], dict[Number, Number]]:
        """
        Move to ``sequence``.

        Returns:
            ``{price: size}`` of bids and asks; the cursor's own, so read them before
            the next ``seek`` and do not change them.

        Raises:
            Forgotten: If it lies beyond the retention, or has not happened yet.

        """
        log = self._market.log
        if not log.base <= sequence <= self._market.sequence:
            raise Forgotten(f"{self._market.symbol} does not remember {sequence}")
        if self.sequence < log.base:
            self._restart()
        start, stop = self.sequence - log.base, sequence - log.base
        if start <= stop:
            self._play(range(start, stop), log.sizes)
        else:
            self._play(range(start - 1, stop - 1, -1), log.olds)
        self.sequence = sequence
        return self._sides

    def _play(self, indices: range, sizes: array[int]) -> None:
        keys, sides = self._market.log.keys, self._sides
        for index in indices:
            price, side = divmod(keys[index], 2)
            size = sizes[index]
            if size:
                sides[side][self._price(price)] = self._size(size)
            else:
                sides[side].pop(self._price(price), None)


class Truth(Cursor[Decimal]):
    """
    The truth in ``Decimal``: what a correct local book must equal.

    Args:
        market: Whose truth.

    """

    def __init__(self, market: Market) -> None:
        super().__init__(market, market.prices.decimal, market.sizes.decimal)

    def at(self, id_: int) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        """
        Move to where a book stands that shows the venue's ``id_``; else as ``seek``.

        Raises:
            Forgotten: If the exchange gave no such id, or does not remember it.

        """
        return self.seek(self._market.sequence_of(id_))

    def find(
        self,
        bids: dict[Decimal, Decimal],
        asks: dict[Decimal, Decimal],
        *,
        changes: int = 10_000,
        best: int | None = None,
    ) -> int | None:
        """
        Find the newest sequence at which the truth is exactly this book.

        For venues whose books show no sequence. Costs O(levels + ``changes``).

        Args:
            bids: ``{price: size}``.
            asks: ``{price: size}``.
            changes: How far to look back from now.
            best: The book is cut to so many levels a side; O(n log n) a step then.

        """
        market = self._market
        oldest = max(market.sequence - changes, market.log.base)
        if best is not None:
            steps = range(market.sequence, oldest - 1, -1)
            return next(
                (at for at in steps if self._best(at, best) == (bids, asks)), None
            )
        self.seek(market.sequence)
        book = (bids, asks)
        wrong = {
            (side, price)
            for side in (0, 1)
            for price in book[side].keys() | self._sides[side].keys()
            if book[side].get(price) != self._sides[side].get(price)
        }
        while wrong and self.sequence > oldest:
            key = market.log.keys[self.sequence - market.log.base - 1]
            self.seek(self.sequence - 1)
            side, price = key % 2, self._price(key // 2)
            if book[side].get(price) == self._sides[side].get(price):
                wrong.discard((side, price))
            else:
                wrong.add((side, price))
        return None if wrong else self.sequence

    def _best(
        self, sequence: int, count: int
    ) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        bids, asks = self.seek(sequence)
        return (
            dict(sorted(bids.items(), reverse=True)[:count]),
            dict(sorted(asks.items())[:count]),
        )
