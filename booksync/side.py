"""
One side of a book: what is offered at each price, best price first.

The levels are a ``dict``. To keep thousands of keys in order at each change would cost
more than all the rest, and hardly anybody looks beyond the best few. So no more keys
are kept in order than are read, and when they are:

* ``_near`` are the best keys (those between ``_edges``), in a plain list of some
  dozens. The top of a book needs no more. Of a deep book, ``_spare`` are the next ones
  (all others within ``_bounds``), in no order, and with some that are gone: where
  ``_near`` is used up, they fill it again. ``_touched`` are those of both that came or
  went since. Keys beyond are written to the ``dict`` and to nothing else; where the
  spare ones are used up, too, one walk over all keys finds others.
* ``_order`` are all keys, in a ``SortedList``. It is made when somebody asks for ranks
  or ranges beyond the near ones; from then on every key that comes or goes is touched
  (``_watched`` says which are), and ``_noted`` are those of which it has not heard yet.
  If these become too many because nobody asks again, the order is dropped: to sort anew
  will cost less than those changes have saved.

No order at all is needed while the best level stays, or a better one comes:
``best_bound`` is a price that none is better than, and a level at it is the best one.

A name is what a level is held under, and a key what it is ordered by. Both are the
price itself where numbers come as floats; see :mod:`booksync.text_side` where they come
as text.
"""

# ruff: noqa: ANN401, S101 - keys are of either number; check() asserts

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from math import inf, isfinite
from typing import Any, ClassVar, Literal, TypeAlias

from sortedcontainers import SortedList

from booksync.errors import MalformedMessage
from booksync.exact import Level, Number, canonical, parse
from booksync.messages import Levels

__all__ = ["FloatSide", "Side", "SideName"]

SideName: TypeAlias = Literal["bid", "ask"]
"""Which side: of the buyers or of the sellers."""

Name: TypeAlias = Any  # float or str
Key: TypeAlias = Any  # float or Decimal

REACH = 16
"""Levels from the best one that are put in order at first."""

SHARE = 128
"""Of a deep book, one level in so many is: to walk over it is to pay off."""

NEAR = 64
"""Levels that are put in order for that, at most; those beyond are spare."""

CROWD = 4
"""Times as many keys may gather before they are cut again."""

SMALL = 128
"""Sides with no more levels than this are put in order wholly."""

MANY = 256
"""Keys that may come and go before they are put in their places, if nobody reads."""

FEW = 16
"""Levels that who walks a side gets made at first; then twice as many, and so on."""

FARTHER = (4, 32)
"""How far beyond them the next keys are looked for, in widths of the last ones."""

FARTHEST = 1024
"""Levels that are kept in order at most, where somebody reads the top that deep."""

ALL = -inf, inf
UNREAD: Any = object()
make: Callable[..., Level] = tuple.__new__  # make(Level, ...) halves Level(...)


class OddLevelError(Exception):
    """A level is not what the fast path takes."""


ODD = (
    OddLevelError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class Side(ABC):
    """
    The levels of one side. Made as :class:`FloatSide` or :class:`TextSide`.

    Args:
        name: ``"bid"`` (best is highest) or ``"ask"`` (best is lowest).
        signed: Prices may be zero or negative.

    """

    #: What :meth:`frozen` makes.
    FROZEN: ClassVar[type[Side]]

    __slots__ = (
        "_best",
        "_bid",
        "_bounds",
        "_edges",
        "_held",
        "_least",
        "_most",
        "_near",
        "_noted",
        "_number",
        "_order",
        "_patience",
        "_reach",
        "_signed",
        "_spare",
        "_touched",
        "_watched",
        "_width",
        "best_bound",
    )

    def __init__(self, name: SideName, *, signed: bool = False) -> None:
        self._bid = name == "bid"
        self._signed = signed
        self._number: type[Decimal | float] = float
        self._least = -inf if signed else 0.0
        self._reach = REACH
        self._held: dict[Name, Any] = {}
        self._touched: dict[Key, Name] = {}
        self._noted: dict[Key, Name] = {}
        self._order: SortedList[Key] | None = None
        self._best: Any = None
        self._width = 0.0
        #: The key of the best level, or one that is better than all.
        self.best_bound: float = self._boundless
        self._take([], whole=True)

    # -- what the two kinds do differently ------------------------------------------

    @abstractmethod
    def _write(self, levels: Any) -> None:
        """Write levels; raise one of ``ODD`` where they want a closer look."""

    @abstractmethod
    def _careful(self, levels: Any) -> list[tuple[Any, Any]]:
        """Make what ``_write`` takes of whatever means the same, or say what is bad."""

    @abstractmethod
    def _keys(self) -> Iterable[Key]:
        """Return the keys of all levels."""

    @abstractmethod
    def _name(self, key: Key) -> Name | None:
        """Say what the level of ``key`` is held under; ``None`` if there is none."""

    @abstractmethod
    def best(self) -> Level | None:
        """
        Return the best level. O(1) but for what :meth:`apply` left to do.

        One at ``best_bound`` is the best one; only if there is none, order is asked.
        """

    @abstractmethod
    def _level(self, key: Key) -> Level:
        """Make the level of ``key``."""

    @abstractmethod
    def _levels(self, keys: Sequence[Key]) -> list[Level]:
        """Make the levels of ``keys``."""

    @abstractmethod
    def _drop(self, key: Key) -> Name:
        """Forget the level of ``key``; return what it was held under."""

    @abstractmethod
    def _clear(self) -> None:
        """Forget every level."""

    @abstractmethod
    def _bound(self, price: Number, *, up: bool) -> Key:
        """
        Say which key is next to ``price``: at or above it, or at or below it.

        It is the same one both ways if and only if there could be a level at it.
        """

    @abstractmethod
    def texts(self, count: int | None = None) -> list[tuple[str, str]]:
        """
        Return price and size of the best ``count`` levels, or of all. O(count).

        Without exponent; zeros at the end as sent, where numbers come as text.
        """

    # -- writing --------------------------------------------------------------------

    def apply(self, levels: Levels) -> None:
        """
        Write levels over the side: sizes are absolute, 0 removes the level. Idempotent.

        The last one counts where a price is listed twice; removing a level that is
        not there is normal. O(k) for k levels, and O(log n) each for those that came
        or went, once, when order is next needed.

        Raises:
            MalformedMessage: If one of them is no level. Others may have been written.

        """
        self._best = UNREAD
        try:
            self._write(levels)
        except ODD:
            # To write again what was written is harmless: sizes are absolute.
            self.best_bound = self._boundless
            self._write(self._careful(levels))
        if len(self._touched) > self._patience:
            self._catch_up()

    def load(self, levels: Levels) -> None:
        """
        Forget every level and take these. O(n log n).

        Raises:
            MalformedMessage: As :meth:`apply`.

        """
        self._clear()
        try:
            self.apply(levels)
        finally:
            self._restart()

    def truncate(self, count: int) -> list[Number]:
        """
        Drop the levels worse than the best ``count``; return their prices.

        O(log n) for each, and for each that came or went since order was last needed.
        """
        excess = len(self._held) - count
        if excess <= 0:
            return []
        keys = self._ordered()
        worst = keys[:excess] if self._bid else keys[count:]
        prices = [level.price for level in self._levels(worst)]
        for key in worst:
            self._touched[key] = self._drop(key)
        self._best = UNREAD
        return prices

    def frozen(self) -> Side:
        """Make a side with the same levels that refuses changes. O(n)."""
        if self._touched:
            self._catch_up()
        twin = object.__new__(self.FROZEN)
        for kind in type(self).__mro__[:-1]:
            for name in getattr(kind, "__slots__", ()):
                value = getattr(self, name)
                kept = value.copy() if isinstance(value, (dict, list)) else value
                setattr(twin, name, {} if name == "_noted" else kept)
        # Sorted anew if somebody asks: that costs less than to copy it always.
        setattr(twin, "_order", None)  # noqa: B010
        twin._watch()
        return twin

    @property
    def _boundless(self) -> float:
        """What no price is better than."""
        return inf if self._bid else -inf

    # -- keeping order --------------------------------------------------------------

    def _restart(self) -> None:
        """Make order anew. O(n log n)."""
        self._order = None
        self._noted.clear()
        self._best = UNREAD
        self.best_bound = self._boundless
        self._take(sorted(self._keys()), whole=True)

    def _take(self, keys: list[Key], *, whole: bool) -> None:
        """Take the best of ``keys``, in order; ``whole``: there are no others."""
        self._touched.clear()
        near, spare = self._wanted()
        if whole and len(keys) <= max(2 * near, SMALL):
            self._near, self._spare = keys, {}
            self._edges = self._bounds = ALL
            self._watch()
            self._most = max(CROWD * near, 2 * SMALL), 0
            return
        self._most = CROWD * near, CROWD * spare
        last = min(near + spare, len(keys))
        if self._bid:
            self._near, spared = keys[-near:], keys[-last:-near]
            self._edges, self._bounds = (keys[-near], inf), (keys[-last], inf)
            self._width = float(keys[-1]) - float(keys[-last])
        else:
            self._near, spared = keys[:near], keys[near:last]
            self._edges, self._bounds = (-inf, keys[near - 1]), (-inf, keys[last - 1])
            self._width = float(keys[last - 1]) - float(keys[0])
        self._watch()
        self._spare = {key: self._name(key) for key in spared}

    def _watch(self) -> None:
        """Say which keys that come and go are touched, and how many before a look."""
        if self._order is None:
            self._watched, self._patience = self._bounds, MANY
        else:
            self._watched, self._patience = ALL, REACH

    def _came(self, key: Key, name: Name) -> None:
        """Note a new level, as ``_write`` does for most."""
        self._touched[key] = name
        if (key > self.best_bound) is self._bid:
            self.best_bound = key

    def _wanted(self) -> tuple[int, int]:
        """Say how many keys are to be near, and how many spare."""
        share = len(self._held) // SHARE
        return max(self._reach, min(share, NEAR)), max(share - NEAR, 0)

    def _catch_up(self) -> None:  # noqa: C901 - in one place: it is part of each frame
        """Make ``_near`` right: O(log n) for each near key that came or went."""
        if self._order is not None:
            self._note()
        held, near = self._held, self._near
        low, high = self._edges
        lowest, highest = self._bounds
        for key, name in self._touched.items():
            if low <= key <= high:
                index = bisect_left(near, key)
                if index < len(near) and near[index] == key:
                    if name not in held:
                        del near[index]
                elif name in held:
                    near.insert(index, key)
            elif lowest <= key <= highest:
                self._spare[key] = name
        self._touched.clear()
        most_near, most_spare = self._most
        if len(near) > most_near or len(self._spare) > most_spare:
            self._refill()

    def _note(self) -> None:
        """Remember what the order has not heard of, or drop it."""
        self._noted.update(self._touched)
        if len(self._noted) > REACH + len(self._held) // 4:
            self._order = None
            self._noted.clear()
            self._watch()

    def _known(self) -> list[Key]:
        """Return the near and the spare keys in order."""
        held, spare = self._held, self._spare.items()
        return sorted([*self._near, *[key for key, name in spare if name in held]])

    def _refill(self) -> None:
        """Find the near keys again, where they are used up. O(n), but seldom."""
        held = self._held
        wanted, _ = self._wanted()
        keys = self._known()
        if len(keys) < wanted and len(held) > max(2 * wanted, SMALL):
            # What is best now is likely not much farther than what was near.
            for times in FARTHER:
                if self._bid:
                    edge = float(self._bounds[0]) - times * self._width
                    keys = [key for key in self._keys() if key >= edge]
                else:
                    edge = float(self._bounds[1]) + times * self._width
                    keys = [key for key in self._keys() if key <= edge]
                if len(keys) >= wanted:
                    break
            keys.sort()
        if len(keys) < wanted:
            keys = sorted(self._keys())
        self._take(keys, whole=len(keys) == len(held))

    def _ordered(self) -> Any:
        """Return all keys in order: O(log n) for each that came or went."""
        if self._touched:
            self._catch_up()
        held, order = self._held, self._order
        if len(self._near) == len(held):
            return self._near
        if order is None:
            order = self._order = SortedList(self._keys())
            self._watch()
        for key, name in self._noted.items():
            if name not in held:
                order.discard(key)
            elif key not in order:
                order.add(key)
        self._noted.clear()
        return order

    def _first(self, count: int) -> list[Key]:
        """Return the keys of the best ``count`` levels, best first."""
        if self._touched:
            self._catch_up()
        keys: Any = self._near
        if len(keys) < count and len(keys) < len(self._held):
            if 2 * count <= FARTHEST:
                self._reach = max(self._reach, 2 * count)
                self._refill()
                keys = self._near
            else:
                keys = self._ordered()
        first: list[Key] = keys[: -count - 1 : -1] if self._bid else keys[:count]
        return first

    # -- reading, best first --------------------------------------------------------

    def _in_order(self) -> Level | None:
        """Find the best level in order."""
        if self._touched:
            self._catch_up()
        keys = self._near or self._first(1)
        if not keys:
            return None
        key = keys[-1 if self._bid else 0]
        # Another side's key of the same price may be another one, where not both float.
        self.best_bound = key if type(key) is float else self._boundless
        return self._level(key)

    def top(self, count: int | None = None) -> list[Level]:
        """Return the best ``count`` levels, or all. O(count)."""
        count = len(self._held) if count is None else max(count, 0)
        return self._levels(self._first(count))

    def __len__(self) -> int:
        """Count the levels. O(1)."""
        return len(self._held)

    def __iter__(self) -> Iterator[Level]:
        """Walk the levels. The side must not change meanwhile."""
        return chain.from_iterable(self._walk())

    def _walk(self) -> Iterator[list[Level]]:
        """Yield some levels, then more; only who walks so far pays for it."""
        if self._touched:
            self._catch_up()
        start, total, count = 0, len(self._held), FEW
        while start < total:
            stop = min(start + count, total)
            keys: Any = self._near
            if stop > len(keys):
                keys = self._ordered()
            if self._bid:
                last = len(keys) - start
                some = keys[max(last - count, 0) : last]
                some.reverse()
            else:
                some = keys[start:stop]
            yield self._levels(some)
            start, count = stop, min(2 * count, FARTHEST)

    def at(self, rank: int) -> Level | None:
        """Return the level that has ``rank`` better ones. O(log n)."""
        if not 0 <= rank < len(self._held):
            return None
        keys = self._ordered()
        return self._level(keys[-1 - rank if self._bid else rank])

    def size(self, price: Number) -> Number | None:
        """Return the size at ``price``; ``None`` where there is no level. O(1)."""
        key = self._bound(price, up=False)
        name = self._name(key)
        if name is None or key != self._bound(price, up=True):
            return None
        return self._number(self._held[name])

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
        return self._levels(found[::-1] if self._bid else found)

    # -- checking -------------------------------------------------------------------

    def check(self) -> None:
        """Assert every invariant. O(n log n); for tests."""
        keys = sorted(self._keys())
        for key in keys:
            assert key <= self.best_bound if self._bid else key >= self.best_bound
        if self._touched:
            self._catch_up()
        low, high = self._edges
        assert self._near == [k for k in keys if low <= k <= high]
        low, high = self._bounds
        assert self._known() == [k for k in keys if low <= k <= high]
        assert self._watched == (ALL if self._order is not None else self._bounds)
        assert not set(self._near) & set(self._spare)
        if self._order is not None:
            assert set(self._order) ^ set(keys) <= set(self._noted)
        assert list(self._ordered()) == keys
        assert self.best() == next(iter(self), None)
        for key in keys:
            price, size = self._level(key)
            assert self._bound(price, up=True) == self._bound(price, up=False) == key
            assert isfinite(price)
            assert self._signed or price > 0
            assert isfinite(size)
            assert size > 0


def _left(keys: Any, key: Key) -> int:
    found: int
    found = bisect_left(keys, key) if type(keys) is list else keys.bisect_left(key)
    return found


def _right(keys: Any, key: Key) -> int:
    found: int
    found = bisect_right(keys, key) if type(keys) is list else keys.bisect_right(key)
    return found


class Frozen(Side):
    """Refuses changes. Mixed into each kind of side."""

    __slots__ = ()

    def apply(self, levels: Levels) -> None:
        """Refuse."""
        del levels
        raise TypeError("a frozen book does not change")

    load = apply
    truncate = apply  # type: ignore[assignment]


class FloatSide(Side):
    """
    A side of floats, which come as floats. Ints, texts and ``Decimal`` cost more.

    >>> side = FloatSide("ask")
    >>> side.load([(61602.5, 2.0), (61602.0, 0.5)])
    >>> side.apply([(61602.0, 0.0), (61603.0, 1)])
    >>> side.top()
    [Level(price=61602.5, size=2.0), Level(price=61603.0, size=1.0)]

    """

    __slots__ = ()

    def _write(self, levels: Any) -> None:  # noqa: C901 - the hot loop, in one place
        held, touched, least = self._held, self._touched, self._least
        (low, high), bound, bid = self._watched, self.best_bound, self._bid
        for price, size in levels:
            if not 0.0 <= size < inf or type(size) is not float:
                raise OddLevelError
            if price in held:
                if size:
                    held[price] = size
                    continue
                del held[price]
            elif not least < price < inf or type(price) is not float:
                raise OddLevelError
            elif size:
                held[price] = size
            else:
                continue
            if low <= price <= high:
                touched[price] = price
                if (price > bound) is bid:
                    bound = price
        self.best_bound = bound

    def _careful(self, levels: Any) -> list[tuple[Any, Any]]:
        return pairs(levels, self._price, _size)

    def _price(self, number: object) -> float:
        price = _float(number)
        if price <= 0 and not self._signed:
            raise MalformedMessage(f"price is not positive: {price}")
        return price

    def _keys(self) -> Iterable[Key]:
        return self._held

    def _name(self, key: Key) -> Name | None:
        return key if key in self._held else None

    def best(self) -> Level | None:
        """See :meth:`Side.best`."""
        best: Level | None = self._best
        if best is UNREAD:
            bound = self.best_bound
            size = self._held.get(bound)
            best = self._in_order() if size is None else make(Level, (bound, size))
            self._best = best
        return best

    def _level(self, key: Key) -> Level:
        return make(Level, (key, self._held[key]))

    def _levels(self, keys: Sequence[Key]) -> list[Level]:
        held = self._held
        return [make(Level, (key, held[key])) for key in keys]

    def _drop(self, key: Key) -> Name:
        del self._held[key]
        return key

    def _clear(self) -> None:
        self._held.clear()

    def _bound(self, price: Number, *, up: bool) -> Key:
        del up
        return price

    def texts(self, count: int | None = None) -> list[tuple[str, str]]:
        """See :meth:`Side.texts`: as canonical decimals."""
        return [(canonical(price), canonical(size)) for price, size in self.top(count)]


class FrozenFloatSide(Frozen, FloatSide):
    """A float side that does not change."""

    __slots__ = ()


FloatSide.FROZEN = FrozenFloatSide


def pairs(
    levels: Any, price: Callable[[object], Any], size: Callable[[object], Any]
) -> list[tuple[Any, Any]]:
    """Convert levels number by number, and say what is wrong with them."""
    try:
        return [(price(left), size(right)) for left, right in levels]
    except (TypeError, ValueError):
        raise MalformedMessage("a level is not a price and a size") from None


def _float(number: object) -> float:
    if not isinstance(number, float):
        return float(parse(number))
    if not isfinite(number):
        raise MalformedMessage(f"not a number: {number}")
    return float(number)


def _size(number: object) -> float:
    size = _float(number)
    if size < 0:
        raise MalformedMessage(f"size is negative: {size}")
    return size
