"""
One side of a book: a ``dict`` of price -> size, and its prices in a ``SortedList``.

A change of size touches the ``dict`` alone. Numbers are checked once, where they are
taken: an exact side keeps sizes as the venue wrote them and converts those that are
read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from math import inf, isfinite
from typing import Any, Literal, TypeAlias

from sortedcontainers import SortedList

from booksync.errors import MalformedMessage
from booksync.exact import Level, Number, parse, plain
from booksync.messages import Levels

__all__ = ["Ladder", "SideName"]

SideName: TypeAlias = Literal["bid", "ask"]

#: Texts remembered with what they mean, for prices and for sizes each.
MEMORY = 4_096

_UNREAD: Any = object()
_make = tuple.__new__  # Level(...) at half the price


@lru_cache(MEMORY)
def _number(text: str) -> Decimal:
    return Decimal(text)


class Ladder:
    """
    The levels of one side, best first.

    Args:
        name: ``"bid"`` (best is highest) or ``"ask"`` (best is lowest).
        numbers: ``Decimal`` or ``float``.
        signed: Prices may be zero or negative.
        texts: Keep what the venue wrote beside the floats (checksums hash it).

    """

    __slots__ = (
        "_best",
        "_bid",
        "_exact",
        "_held",
        "_least",
        "_order",
        "_prices",
        "_sizes",
        "_texts",
    )

    def __init__(
        self,
        name: SideName,
        *,
        numbers: type[Decimal | float] = Decimal,
        signed: bool = False,
        texts: bool = False,
    ) -> None:
        self._bid = name == "bid"
        self._exact = numbers is Decimal
        self._least = -inf if signed else 0.0
        self._held: dict[Any, Any] = {}
        self._order: SortedList[Any] = SortedList()
        self._best: Any = None
        self._prices: dict[Any, Decimal] = {}
        self._sizes: dict[Any, bool] = {}
        keep = texts and not self._exact
        self._texts: dict[float, tuple[str, str]] | None = {} if keep else None

    # -- writing --------------------------------------------------------------------

    def apply(self, levels: Levels) -> None:
        """
        Write ``levels`` over the side: sizes are absolute, 0 removes the level.

        Where a price is listed twice, the last one counts. O(k log n) for k levels.

        Raises:
            MalformedMessage: If some level is none. Others may have been written.

        """
        self._best = _UNREAD
        if self._exact:
            self._apply_exact(levels)
        elif self._texts is not None:
            self._apply_texts(levels)
        else:
            self._apply_floats(levels)

    def _apply_floats(self, levels: Any) -> None:
        held, order, least = self._held, self._order, self._least
        for price, size in levels:
            if type(price) is not float or type(size) is not float:
                self._apply_floats([self._checked_float(price, size)])
            elif 0.0 < size < inf:
                if price not in held:
                    if not least < price < inf:
                        raise MalformedMessage(f"not a price: {price}")
                    order.add(price)
                held[price] = size
            elif size == 0.0:
                if held.pop(price, None) is not None:
                    order.remove(price)
            else:
                raise MalformedMessage(f"not a size: {size}")

    def _checked_float(self, price: object, size: object) -> tuple[float, float]:
        numbers = [
            parse(repr(number) if type(number) is float else number)
            for number in (price, size)
        ]
        self._check(*numbers)
        return float(numbers[0]), float(numbers[1])

    def _apply_texts(self, levels: Levels) -> None:
        for price, size in levels:
            key, number = self._checked_float(price, size)
            self._apply_floats([(key, number)])
            assert self._texts is not None
            if number:
                self._texts[key] = plain(price), plain(size)
            else:
                self._texts.pop(key, None)

    def _apply_exact(self, levels: Any) -> None:
        held, order = self._held, self._order
        prices, sizes = self._prices, self._sizes
        for price, size in levels:
            key = prices.get(price)
            if key is None:
                key = self._admit(price)
            positive = sizes.get(size)
            if positive is None:
                positive = self._believe(size)
            if positive:
                if key not in held:
                    order.add(key)
                held[key] = size
            elif held.pop(key, None) is not None:
                order.remove(key)

    def _admit(self, price: Any) -> Decimal:
        """Take a price that was not seen before."""
        number = parse(price)
        if not self._least < number:
            raise MalformedMessage(f"not a price: {number}")
        if len(self._prices) >= MEMORY:
            self._prices.clear()
        if type(price) is str:
            self._prices[price] = number
        return number

    def _believe(self, size: Any) -> bool:
        """Say whether a size that was not seen before is positive."""
        number = parse(size)
        if number < 0:
            raise MalformedMessage(f"not a size: {number}")
        positive = bool(number)
        if len(self._sizes) >= MEMORY:
            self._sizes.clear()
        if type(size) is str:
            self._sizes[size] = positive
        return positive

    def _check(self, price: Decimal, size: Decimal) -> None:
        if not self._least < price:
            raise MalformedMessage(f"not a price: {price}")
        if size < 0:
            raise MalformedMessage(f"not a size: {size}")

    def load(self, levels: Levels) -> None:
        """
        Forget every level and take these. O(n log n).

        Raises:
            MalformedMessage: As :meth:`apply`.

        """
        self._held.clear()
        self._order.clear()
        if self._texts is not None:
            self._texts.clear()
        self.apply(levels)

    def truncate(self, count: int) -> None:
        """Drop the levels worse than the best ``count``. O(log n) for each."""
        excess = len(self._order) - count
        for _ in range(excess):
            price = self._order.pop(0 if self._bid else -1)
            del self._held[price]
            if self._texts is not None:
                self._texts.pop(price, None)
        if excess > 0:
            self._best = _UNREAD

    # -- reading, best first --------------------------------------------------------

    def _level(self, price: Any) -> Level:
        size = self._held[price]
        if type(size) is str:
            size = _number(size)
        elif self._exact and type(size) is not Decimal:
            size = Decimal(size)
        return _make(Level, (price, size))

    def best(self) -> Level | None:
        """Return the best level. O(1)."""
        best: Level | None = self._best
        if best is _UNREAD:
            order = self._order
            best = None if not order else self._level(order[-1 if self._bid else 0])
            self._best = best
        return best

    def top(self, count: int | None = None) -> list[Level]:
        """Return the best ``count`` levels, or all. O(count)."""
        order = self._order
        total = len(order)
        count = total if count is None else max(count, 0)
        if count >= total:
            return list(self)
        found: Iterable[Any]
        found = order[-count:] if self._bid and count else order[:count]
        if self._bid:
            found = reversed(found)
        if not self._exact:
            held = self._held
            return [_make(Level, (price, held[price])) for price in found]
        return [self._level(price) for price in found]

    def texts(self, count: int) -> list[tuple[str, str]]:
        """Return the best ``count`` levels as text without exponent. O(count)."""
        found = islice(self._walk(), count)
        if self._texts is not None:
            return [self._texts[price] for price in found]
        return [
            (format(level.price, "f"), plain(self._held[level.price]))
            for level in map(self._level, found)
        ]

    def _walk(self) -> Iterator[Any]:
        return reversed(self._order) if self._bid else iter(self._order)

    def __len__(self) -> int:
        """Count the levels. O(1)."""
        return len(self._held)

    def __iter__(self) -> Iterator[Level]:
        """Walk the levels. The side must not change meanwhile."""
        return map(self._level, self._walk())

    def at(self, rank: int) -> Level | None:
        """Return the level that has ``rank`` better ones. O(log n)."""
        if not 0 <= rank < len(self._order):
            return None
        return self._level(self._order[-1 - rank if self._bid else rank])

    def size(self, price: Number) -> Number | None:
        """Return the size at ``price``; ``None`` where there is no level. O(1)."""
        return self._level(price).size if price in self._held else None

    def better(self, price: Number) -> int:
        """Count the levels that are better than ``price``. O(log n)."""
        if self._bid:
            return len(self._order) - self._order.bisect_right(price)
        return self._order.bisect_left(price)

    def between(self, low: Number | None, high: Number | None) -> list[Level]:
        """Return the levels from ``low`` to ``high``, both included. O(log n + k)."""
        found = self._order.irange(low, high, reverse=self._bid)
        return list(map(self._level, found))

    # -- checking -------------------------------------------------------------------

    def check(self) -> None:
        """Assert every invariant. O(n log n); for tests."""
        assert list(self._order) == sorted(self._held)
        assert self.best() == next(iter(self), None)
        for price, size in self:
            assert isfinite(price)
            assert price > self._least
            assert isfinite(size)
            assert size > 0
        if self._texts is not None:
            assert self._texts.keys() == self._held.keys()
