"""
One side of a book: what is offered at each price, best price first.

``_held`` is the truth: a ``dict`` of price -> size. Changes go there and nowhere else,
and prices that came or went are noted in ``_touched``: keeping thousands of prices in
order at each change would cost more than all the rest, and hardly anybody looks beyond
the best few. Order is made from the notes when it is read, in two steps:

* ``_near``: the prices from the best one to an edge, in a plain sorted list of some
  hundreds at most. The top of a book needs no more.
* ``_order``: all prices, in a ``SortedList``, made when a rank or a range beyond the
  edge is asked for, and then kept up by what was touched since.

Numbers are checked once, where they are taken. An exact side keeps sizes as the venue
wrote them and converts those that are read.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import chain, islice
from math import inf, isfinite, isqrt
from typing import Any, Literal, TypeAlias

from sortedcontainers import SortedList

from booksync.errors import MalformedMessage
from booksync.exact import (
    MAX_NUMBER_LENGTH,
    Level,
    Number,
    canonical,
    parse,
    plain,
)
from booksync.messages import Levels

__all__ = ["Ladder", "SideName"]

SideName: TypeAlias = Literal["bid", "ask"]

#: Texts remembered with what they mean, for prices and for sizes, by all books
#: together: some 20 MB at the most.
MEMORY = 65_536
#: Prices, from the best one, that a refill puts in order; grows with the side's root.
REACH = 128
#: A refill is due when so few are left.
FEW = 8

_UNREAD: Any = object()
_PLAIN = "0123456789."
_make = tuple.__new__  # Level(...) at half the price


#: Texts of positive numbers, and what they mean.
_prices: dict[Any, Decimal] = {}
#: Texts of sizes, and whether they are more than nothing.
_sizes: dict[Any, bool] = {}


@lru_cache(4_096)
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
        "_edge",
        "_exact",
        "_held",
        "_least",
        "_near",
        "_noted",
        "_order",
        "_texts",
        "_touched",
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
        self._touched: list[Any] = []
        self._near: list[Any] = []
        self._edge: Any = None
        self._order: SortedList[Any] | None = None
        self._noted: list[Any] = []
        self._best: Any = None
        keep = texts and not self._exact
        self._texts: dict[float, tuple[str, str]] | None = {} if keep else None

    # -- writing --------------------------------------------------------------------

    def apply(self, levels: Levels) -> None:
        """
        Write ``levels`` over the side: sizes are absolute, 0 removes the level.

        Where a price is listed twice, the last one counts. O(k) for k levels; the next
        read pays O(log n) for each that came or went.

        Raises:
            MalformedMessage: If some level is none. Others may have been written.

        """
        self._best = _UNREAD
        self._write(levels)
        if len(self._touched) > MEMORY:
            self._catch_up()

    def _write(self, levels: Levels) -> None:
        try:
            if self._exact:
                self._apply_exact(levels)
            elif self._texts is None:
                self._apply_floats(levels)
            else:
                self._apply_texts(levels)
        except (TypeError, ValueError, LookupError) as error:
            raise MalformedMessage(f"not levels: {error}") from None

    def _apply_floats(self, levels: Any) -> None:
        # Decoders make all of a list the same kind: the first stands for the rest.
        if levels and type(levels[0][1]) is not float:
            levels = [self._checked_floats(p, s) for p, s in levels]
        try:
            self._write_floats(levels)
        except TypeError:
            # Writing again what was written is harmless: sizes are absolute.
            self._write_floats([self._checked_floats(p, s) for p, s in levels])

    def _write_floats(self, levels: Any) -> None:
        held, touch, least = self._held, self._touched.append, self._least
        for price, size in levels:
            if 0.0 < size < inf:
                if price not in held:
                    if type(price) is not float or type(size) is not float:
                        raise TypeError
                    if not least < price < inf:
                        raise MalformedMessage(f"not a price: {price}")
                    touch(price)
                held[price] = size
            elif size == 0.0:
                if price in held:
                    del held[price]
                    touch(price)
                else:
                    self._check_float(price)
            else:
                raise MalformedMessage(f"not a size: {size}")

    def _check_float(self, price: Any) -> None:
        if type(price) is not float:
            raise TypeError
        if not self._least < price < inf:
            raise MalformedMessage(f"not a price: {price}")

    def _checked_floats(self, price: object, size: object) -> tuple[float, float]:
        read = [
            parse(repr(number) if type(number) is float else number)
            for number in (price, size)
        ]
        if not self._least < read[0]:
            raise MalformedMessage(f"not a price: {read[0]}")
        if read[1] < 0:
            raise MalformedMessage(f"not a size: {read[1]}")
        return float(read[0]), float(read[1])

    def _apply_texts(self, levels: Levels) -> None:
        texts = self._texts
        for price, size in levels:
            key, number = self._checked_floats(price, size)
            spelled = format(parse(price), "f"), plain(size)
            self._apply_floats([(key, number)])
            if texts is not None and number:
                # As an exact side: the price is spelled as when the level came.
                texts[key] = texts.get(key, spelled)[0], spelled[1]
            elif texts is not None:
                texts.pop(key, None)

    def _apply_exact(self, levels: Any) -> None:
        held, touch = self._held, self._touched.append
        known_price, known_size = _prices.get, _sizes.get
        for price, size in levels:
            key = known_price(price)
            if key is None:
                key = self._admit(price)
            positive = known_size(size)
            if positive is None:
                positive = _believe(size)
            if positive:
                if key not in held:
                    touch(key)
                held[key] = size
            elif key in held:
                del held[key]
                touch(key)

    def _admit(self, price: Any) -> Decimal:
        """Take a price that was not seen lately."""
        if (
            type(price) is str
            and len(price) <= MAX_NUMBER_LENGTH
            and price
            and not price.strip(_PLAIN)
            and price.count(".") <= 1
            and price != "."
        ):
            number = Decimal(price)
        else:
            number = parse(price)
        if not self._least < number:
            raise MalformedMessage(f"not a price: {number}")
        if type(price) is str and number > 0:
            if len(_prices) >= MEMORY:
                _prices.clear()
            _prices[price] = number
        return number

    def load(self, levels: Levels) -> None:
        """
        Forget every level and take these. O(n log n).

        Raises:
            MalformedMessage: As :meth:`apply`.

        """
        self._held.clear()
        if self._texts is not None:
            self._texts.clear()
        self._touched.clear()
        try:
            self.apply(levels)
        finally:
            self._rebuild()

    def truncate(self, count: int) -> list[Any]:
        """Drop the levels worse than the best ``count``; return their prices. O(k)."""
        excess = len(self._held) - count
        if excess <= 0:
            return []
        keys = self._ordered()
        worst = list(keys[:excess] if self._bid else keys[count:])
        for price in worst:
            del self._held[price]
            if self._texts is not None:
                self._texts.pop(price, None)
        self._touched += worst
        self._best = _UNREAD
        return worst

    # -- keeping order --------------------------------------------------------------

    def _catch_up(self) -> None:
        """Put what came and went into ``_near``. O(log n) for each."""
        if len(self._touched) > REACH + len(self._held) // 4:
            self._rebuild()
            return
        edge, near = self._edge, self._near
        if edge is None:
            self._place(self._touched)
        elif self._bid:
            self._place([price for price in self._touched if price >= edge])
        else:
            self._place([price for price in self._touched if price <= edge])
        if self._order is not None:
            self._noted += self._touched
            if len(self._noted) > REACH + len(self._held) // 4:
                self._order = None
                self._noted.clear()
        self._touched.clear()
        if len(near) > 4 * self._reach():
            self._keep_near(near)
        elif len(near) < FEW and len(near) < len(self._held):
            self._refill()

    def _rebuild(self) -> None:
        """Forget the order and what it was made from; make it anew. O(n)."""
        self._touched.clear()
        self._noted.clear()
        self._order = None
        self._refill()

    def _place(self, touched: list[Any]) -> None:
        """Insert into ``_near`` what is held, and delete from it what is not."""
        held, near = self._held, self._near
        for price in touched:
            at = bisect_left(near, price)
            there = at < len(near) and near[at] == price
            if price in held:
                if there:
                    near[at] = price  # it came back, spelled in another way perhaps
                else:
                    near.insert(at, price)
            elif there:
                del near[at]

    def _reach(self) -> int:
        return REACH + 2 * isqrt(len(self._held))

    def _refill(self) -> None:
        """Put the best prices in order."""
        held, reach = self._held, self._reach()
        if len(held) <= 2 * reach:
            self._near = sorted(held)
            self._edge = None
        elif self._order is not None:
            self._keep_near(self._ordered())
        else:
            pick = heapq.nlargest if self._bid else heapq.nsmallest
            self._keep_near(sorted(pick(reach, held)))

    def _keep_near(self, keys: Any) -> None:
        """Keep the best of ``keys``, which are sorted, in order."""
        reach = self._reach()
        self._near = list(keys[-reach:] if self._bid else keys[:reach])
        self._edge = self._near[0 if self._bid else -1]

    def _ordered(self) -> Any:
        """Return all prices, sorted; O(log n) for each change since it was asked."""
        if self._touched:
            self._catch_up()
        if self._edge is None:
            return self._near
        order, held = self._order, self._held
        if order is None:
            self._noted.clear()
            order = self._order = SortedList(held)
        for price in self._noted:
            order.discard(price)
            if price in held:
                order.add(price)
        self._noted.clear()
        return order

    def _first(self, count: int) -> list[Any]:
        """Return the best ``count`` prices, best first."""
        if self._touched:
            self._catch_up()
        near: list[Any] = self._near
        if len(near) < count and self._edge is not None:
            if count <= self._reach():
                self._refill()
                near = self._near
            else:
                near = self._ordered()
        return near[: -count - 1 : -1] if self._bid else near[:count]

    # -- reading, best first --------------------------------------------------------

    def _level(self, price: Any) -> Level:
        size = self._held[price]
        if type(size) is str:
            size = _number(size) if self._exact else float(size)
        elif self._exact and type(size) is not Decimal:
            size = Decimal(size)
        return _make(Level, (price, size))

    def best(self) -> Level | None:
        """Return the best level. O(1), but after changes as :meth:`apply` says."""
        best: Level | None = self._best
        if best is _UNREAD:
            if self._touched:
                self._catch_up()
            near = self._near
            best = self._level(near[-1 if self._bid else 0]) if near else None
            self._best = best
        return best

    def top(self, count: int | None = None) -> list[Level]:
        """Return the best ``count`` levels, or all. O(count)."""
        if count is None or count > len(self._held):
            count = len(self._held)
        found = self._first(max(count, 0))
        if self._exact:
            return list(map(self._level, found))
        held = self._held
        return [_make(Level, (price, held[price])) for price in found]

    def texts(self, count: int) -> list[tuple[str, str]]:
        """Return the best ``count`` levels as text without exponent. O(count)."""
        found = self._first(max(count, 0))
        held, texts = self._held, self._texts
        if texts is not None:
            return [texts[price] for price in found]
        if not self._exact:
            return [(canonical(price), canonical(held[price])) for price in found]
        return [(format(price, "f"), plain(held[price])) for price in found]

    def _walk(self) -> Iterator[Any]:
        """Yield all prices, best first; who stops early pays for little."""
        if self._touched:
            self._catch_up()
        near = self._near
        start: Iterable[Any] = reversed(near) if self._bid else iter(near)
        return chain(start, self._beyond(len(near)))

    def _beyond(self, known: int) -> Iterator[Any]:
        if self._edge is not None:
            keys = self._ordered()
            yield from islice(reversed(keys) if self._bid else keys, known, None)

    def __len__(self) -> int:
        """Count the levels. O(1)."""
        return len(self._held)

    def __iter__(self) -> Iterator[Level]:
        """Walk the levels. The side must not change meanwhile."""
        return map(self._level, self._walk())

    def at(self, rank: int) -> Level | None:
        """Return the level that has ``rank`` better ones. O(log n)."""
        if not 0 <= rank < len(self._held):
            return None
        return self._level(self._ordered()[-1 - rank if self._bid else rank])

    def size(self, price: Number) -> Number | None:
        """Return the size at ``price``; ``None`` where there is no level. O(1)."""
        return self._level(price).size if price in self._held else None

    def better(self, price: Number) -> int:
        """Count the levels that are better than ``price``. O(log n)."""
        keys = self._ordered()
        if self._bid:
            return len(keys) - _right(keys, price)
        return _left(keys, price)

    def between(self, low: Number | None, high: Number | None) -> list[Level]:
        """Return the levels from ``low`` to ``high``, both included. O(log n + k)."""
        keys = self._ordered()
        start = 0 if low is None else _left(keys, low)
        stop = len(keys) if high is None else _right(keys, high)
        found = keys[start:stop]
        return list(map(self._level, reversed(found) if self._bid else found))

    # -- checking -------------------------------------------------------------------

    def check(self) -> None:
        """Assert every invariant. O(n log n); for tests."""
        every = sorted(self._held)
        if self._touched:
            self._catch_up()
        edge = self._edge
        if edge is not None:
            near = [p for p in every if (p >= edge if self._bid else p <= edge)]
            assert self._near == near
        assert list(self._ordered()) == every
        assert self.best() == next(iter(self), None)
        assert [level.price for level in self] == every[:: -1 if self._bid else 1]
        for price, size in self:
            assert isfinite(price)
            assert price > self._least
            assert isfinite(size)
            assert size > 0
        if self._texts is not None:
            assert self._texts.keys() == self._held.keys()


def _believe(size: Any) -> bool:
    """Say whether a size that was not seen lately is more than nothing."""
    if type(size) is not str:
        return _believed(size)
    # Plain digits need no more than C's float to tell zero; others a closer look.
    plain_digits = size and not size.strip(_PLAIN)
    positive = _positive(size) if plain_digits else _believed(size)
    if len(_sizes) >= MEMORY:
        _sizes.clear()
    _sizes[size] = positive
    return positive


def _positive(size: str) -> bool:
    """Whether a size of plain digits is more than nothing."""
    if len(size) > MAX_NUMBER_LENGTH:
        raise MalformedMessage(f"number too long: {size[:24]!r}...")
    try:
        return float(size) > 0.0
    except ValueError:
        raise MalformedMessage(f"not a number: {size!r}") from None


def _believed(size: object) -> bool:
    """Whether a size of any other spelling is more than nothing."""
    number = parse(size)
    if number < 0:
        raise MalformedMessage(f"not a size: {number}")
    return bool(number)


def _left(keys: Any, price: Any) -> int:
    return bisect_left(keys, price) if type(keys) is list else keys.bisect_left(price)


def _right(keys: Any, price: Any) -> int:
    return bisect_right(keys, price) if type(keys) is list else keys.bisect_right(price)
