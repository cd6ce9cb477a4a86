"""
One side of a book: what is offered at each price, best price first.

``_held`` is the truth, a ``dict`` of key -> level. Changes go there and nowhere else,
and the keys that came or went are noted in ``_touched``: keeping thousands of keys in
order at each change would cost more than all the rest, and hardly anybody looks beyond
the best few. Order is made from the notes, when it is read, in two steps:

* ``_near`` are the keys from the best one to an edge, ``_low`` to ``_high``, in a plain
  list: at most some hundreds. The top of a book needs no more.
* ``_order`` are all keys in a ``SortedList``, for ranks and ranges beyond the edge.
  ``_noted`` are the keys that it has not heard of. Where there are too many of them
  because nobody asks, it is dropped; who asks next pays for sorting anew, which those
  many changes had saved.

A key is what a price is found and ordered by: the price itself where numbers arrive as
floats. Where they arrive as text, levels stay text and are converted when they are
read, and a key is the float next to the price: another one for each price of up to 15
significant digits (C's ``DBL_DIG``). A side that meets a finer price takes ``Decimal``
keys from then on, which is slower, and right.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from math import inf, isfinite
from typing import Any, Literal, TypeAlias

from sortedcontainers import SortedList

from booksync.exact import Level, Number
from booksync.messages import Levels

__all__ = ["FloatSide", "Side", "SideName", "TextSide"]

SideName: TypeAlias = Literal["bid", "ask"]

Key: TypeAlias = Any  # float, or Decimal

REACH = 32
"""Levels, from the best one, that a refill puts in order."""

FARTHEST = 1024
"""The most that it puts in order, where deep tops are read."""

_UNREAD: Any = object()
_PLAIN = b"0123456789."
_DIGITS = 15

_make = tuple.__new__  # Level(...) at half the price
_decimal = lru_cache(1024)(Decimal)


class _Odd(Exception):
    """Some level is not what the fast path takes."""


class Side:
    """
    The levels of one side. Use :class:`FloatSide` or :class:`TextSide`.

    Args:
        name: ``"bid"`` (best is highest) or ``"ask"`` (best is lowest).
        signed: Prices may be zero or negative.

    """

    __slots__ = (
        "_best",
        "_bid",
        "_held",
        "_high",
        "_limit",
        "_low",
        "_near",
        "_noted",
        "_order",
        "_reach",
        "_signed",
        "_touched",
    )

    def __init__(self, name: SideName, *, signed: bool = False) -> None:
        self._bid = name == "bid"
        self._signed = signed
        self._reach = REACH
        self._held: dict[Key, Any] = {}
        self._touched: list[Key] = []
        self._noted: list[Key] = []
        self._order: SortedList[Key] | None = None
        self._best: Any = _UNREAD
        self._refill([])

    # -- for the two kinds ----------------------------------------------------------

    def apply(self, levels: Levels) -> None:
        """
        Write ``levels`` over the side: sizes are absolute, 0 removes the level.

        Where a price is listed twice, the last one counts. O(k) for k levels; the next
        read pays at most O(log n) for each.

        Raises:
            MalformedMessage: If some level is none. Others may have been written.

        """
        raise NotImplementedError

    def _levels(self, keys: Iterable[Key]) -> list[Level]:
        """Make the levels that are held under ``keys``."""
        raise NotImplementedError

    def _key(self, price: Number) -> Key:
        """Say what a price, in this book's numbers, is held under."""
        raise NotImplementedError

    # -- writing --------------------------------------------------------------------

    def load(self, levels: Levels) -> None:
        """
        Forget every level and take these. O(n log n).

        Raises:
            MalformedMessage: As :meth:`apply`.

        """
        self._held.clear()
        self.apply(levels)
        self._order = None
        self._noted.clear()
        self._touched.clear()
        self._refill(sorted(self._held))

    def truncate(self, count: int) -> list[Level]:
        """
        Drop the levels worse than the best ``count``; return them.

        O(log n) for each level dropped, or changed since order was last needed.
        """
        excess = len(self._held) - count
        if excess <= 0:
            return []
        keys = self._ordered()
        worst = keys[:excess] if self._bid else keys[count:]
        dropped = self._levels(worst)
        for key in worst:
            del self._held[key]
        self._touched += worst
        self._best = _UNREAD
        return dropped

    # -- keeping order --------------------------------------------------------------

    def _catch_up(self) -> None:
        """Put what came and went into ``_near``. O(log n) for each."""
        held, near, low, high = self._held, self._near, self._low, self._high
        for key in self._touched:
            if low <= key <= high:
                index = bisect_left(near, key)
                if index < len(near) and near[index] == key:
                    if key not in held:
                        del near[index]
                elif key in held:
                    near.insert(index, key)
        if self._order is not None:
            self._noted += self._touched
            if len(self._noted) > self._limit:
                self._order = None
                self._noted.clear()
        self._touched.clear()
        if len(near) > 4 * self._reach:
            self._refill(near, cut=True)

    def _refill(self, keys: Any, *, cut: bool = False) -> None:
        """Take the best of ``keys``, which are sorted, as the near ones."""
        reach = self._reach
        self._low, self._high = -inf, inf
        if len(keys) <= 2 * reach and not cut:
            self._near: list[Key] = list(keys)
        elif self._bid:
            self._near = list(keys[-reach:])
            self._low = self._near[0]
        else:
            self._near = list(keys[:reach])
            self._high = self._near[-1]
        self._limit = REACH + len(self._held) // 4

    def _ordered(self) -> Any:
        """Return all keys, sorted: O(log n) for each change since this was asked."""
        if self._touched:
            self._catch_up()
        if len(self._near) == len(self._held):
            return self._near
        order, held = self._order, self._held
        if order is None:
            order = self._order = SortedList(held)
            self._limit = REACH + len(held) // 4
        for key in self._noted:
            if key in held:
                if key not in order:
                    order.add(key)
            else:
                order.discard(key)
        self._noted.clear()
        return order

    def _first(self, count: int) -> list[Key]:
        """Return the keys of the best ``count`` levels, best first."""
        if self._touched:
            self._catch_up()
        keys: Any = self._near
        if len(keys) < count and len(keys) < len(self._held):
            keys = self._ordered()
            if 2 * count <= FARTHEST:
                self._reach = max(self._reach, 2 * count)
                self._refill(keys)
        return keys[: -count - 1 : -1] if self._bid else keys[:count]

    def _walk(self) -> Iterator[Key]:
        """Yield all keys, best first; only who listens beyond the edge pays for it."""
        near = self._first(1) and self._near
        yield from reversed(near) if self._bid else near
        if len(near) < len(self._held):
            keys, known = self._ordered(), len(near)
            yield from islice(reversed(keys) if self._bid else keys, known, None)

    # -- reading, best first --------------------------------------------------------

    def best(self) -> Level | None:
        """Return the best level. O(1), but after changes as :meth:`apply` says."""
        best: Level | None = self._best
        if best is _UNREAD:
            if self._touched:
                self._catch_up()
            near = self._near or self._first(1)
            if near:
                best = self._level(near[-1] if self._bid else near[0])
            else:
                best = None
            self._best = best
        return best

    def top(self, count: int | None = None) -> list[Level]:
        """Return the best ``count`` levels, or all. O(count)."""
        return self._levels(
            self._first(len(self._held) if count is None else max(count, 0))
        )

    def __len__(self) -> int:
        """Count the levels. O(1)."""
        return len(self._held)

    def __iter__(self) -> Iterator[Level]:
        """Walk the levels. The side must not change meanwhile."""
        for key in self._walk():
            yield from self._levels((key,))

    def at(self, rank: int) -> Level | None:
        """Return the level that has ``rank`` better ones. O(log n)."""
        if not 0 <= rank < len(self._held):
            return None
        keys = self._ordered()
        return self._levels((keys[-1 - rank if self._bid else rank],))[0]

    def size(self, price: Number) -> Number | None:
        """Return the size at ``price``; ``None`` where there is no level. O(1)."""
        key = self._bound(price, up=False)
        if key not in self._held or key != self._bound(price, up=True):
            return None
        return self._levels((key,))[0].size

    def better(self, price: Number) -> int:
        """Count the levels that are better than ``price``. O(log n)."""
        keys = self._ordered()
        if self._bid:
            return len(keys) - _right(keys, self._bound(price, up=False))
        return _left(keys, self._bound(price, up=True))

    def between(self, low: Number | None, high: Number | None) -> list[Level]:
        """Return the levels from ``low`` to ``high``, both included. O(log n + k)."""
        keys = self._ordered()
        start = 0 if low is None else _left(keys, self._bound(low, up=True))
        stop = len(keys) if high is None else _right(keys, self._bound(high, up=False))
        found = keys[start:stop]
        return self._levels(reversed(found) if self._bid else found)

    # -- checking -------------------------------------------------------------------

    def check(self) -> None:
        """Assert every invariant. O(n log n); for tests."""
        held = self._held
        if self._touched:
            self._catch_up()
        every = sorted(held)
        assert self._near == [key for key in every if self._low <= key <= self._high]
        assert self._low == -inf if not self._bid else self._high == inf
        if self._order is not None:
            noted = set(self._noted)
            assert set(self._order) ^ held.keys() <= noted
        else:
            assert not self._noted
        assert list(self._ordered()) == every
        assert self.best() == next(iter(self), None)
        for key, level in zip(every, self._levels(every), strict=True):
            assert self._bound(level.price, up=True) == key
            assert isfinite(level.price)
            assert self._signed or level.price > 0
            assert isfinite(level.size)
            assert level.size > 0


def _left(keys: Any, key: Key) -> int:
    return bisect_left(keys, key) if type(keys) is list else keys.bisect_left(key)


def _right(keys: Any, key: Key) -> int:
    return bisect_right(keys, key) if type(keys) is list else keys.bisect_right(key)


class FloatSide(Side):
    """A side of floats, taken as floats."""

    __slots__ = ()

    def apply(self, levels: Levels) -> None:
        """See :meth:`Side.apply`. Also takes ints, texts and ``Decimal``, slower."""
        self._best = _UNREAD
        held, touch = self._held, self._touched.append
        least = -inf if self._signed else 0.0
        try:
            for price, size in levels:
                if not 0.0 <= size < inf or type(size) is not float:
                    raise _Odd
                if price in held:
                    if size:
                        held[price] = size
                    else:
                        del held[price]
                        touch(price)
                elif not least < price < inf or type(price) is not float:
                    raise _Odd
                elif size:
                    held[price] = size
                    touch(price)
        except (_Odd, TypeError, ValueError):
            # Writing again what was written is harmless: sizes are absolute.
            self.apply([(float(p), float(q)) for p, q in self._careful(levels)])
        if len(self._touched) > self._limit:
            self._catch_up()

    def _level(self, key: Key) -> Level:
        return _make(Level, (key, self._held[key]))

    def _levels(self, keys: Iterable[Key]) -> list[Level]:
        held = self._held
        return [_make(Level, (key, held[key])) for key in keys]

    def _bound(self, price: Number, *, up: bool) -> Key:
        del up
        return float(price)


class TextSide(Side):
    """
    A side that keeps what the venue wrote.

    Args:
        name: As for :class:`Side`.
        signed: As for :class:`Side`.
        number: What a text becomes when it is read: ``Decimal`` or ``float``.

    """

    __slots__ = ("_believed", "_last", "_number", "_sizes", "_to_key")

    def __init__(
        self,
        name: SideName,
        *,
        signed: bool = False,
        number: type[Decimal | float] = Decimal,
    ) -> None:
        self._number: Any = _decimal if number is Decimal else float
        self._to_key: type[float | Decimal] = float
        self._sizes = {}
        self._believed = {}
        self._last=None,None,None
        super().__init__(name, signed=signed)

    def apply(self, levels: Levels) -> None:
        """See :meth:`Side.apply`. Also takes ints and ``Decimal``, slower."""
        self._best = _UNREAD
        sizes, believed = self._sizes, self._believed
        try:
            for price, size in levels:
                if believed[size] if size in believed else self._believe(size):
                    if price in sizes:
                        sizes[price] = size
                    else:
                        sizes[self._admit(price)] = size
                elif price in sizes:
                    del sizes[price]
                    key = self._to_key(price)
                    del self._held[key]
                    self._touched.append(key)
                else:
                    self._absent(price)
        except (_Odd, TypeError, ValueError, AttributeError):
            self.apply(self._careful(levels))
        if len(self._touched) > self._limit:
            self._catch_up()

    def _believe(self, size):
        if len(size)>64 or size.strip("0123456789."): raise _Odd
        believed=self._believed
        if len(believed)>=1024: believed.clear()
        believed[size]=positive=float(size)>0
        return positive

    def _admit(self, price):
        if len(price)>15 or price.strip("0123456789."): raise _Odd
        key=self._to_key(price)
        if not key: raise _Odd
        held=self._held
        if key in held:
            return held[key]
        held[key]=price
        self._touched.append(key)
        return price

    def _absent(self, price):
        if len(price)>15 or price.strip("0123456789."): raise _Odd
        key=self._to_key(price)
        if not key: raise _Odd
        if key in self._held:
            del self._sizes[self._held.pop(key)]
            self._touched.append(key)

    def _level(self, key: Key) -> Level:
        price=self._held[key]
        size=self._sizes[price]
        last=self._last
        if last[1] is size and last[0] is price: return last[2]
        number = self._number
        level= _make(Level, (number(price), number(size)))
        self._last=price,size,level
        return level
    def _levels(self, keys: Iterable[Key]) -> list[Level]:
        number,sizes,held = self._number,self._sizes,self._held
        return [_make(Level, (number(price:=held[key]),number(sizes[price]))) for key in keys]

