"""
One side of a book that keeps what the venue wrote, and converts what is read.

Most levels are never read, so none is made a ``Decimal`` before it is. A level is held
under the text of its price. A venue spells nearly all prices of a book alike: with so
many digits after the point, or with no zero at the end. So spelled, the same price is
the same text, and one look at the text is enough. ``_names`` are the other ones, key ->
text, so that ``"86700"`` and ``"86700.0"`` are one level; the text of any other key is
made where it is asked for.

A key is the float next to a price. It is another one for each price of up to 15
significant digits (``DBL_DIG`` of C). A side that meets a finer price takes ``Decimal``
keys from then on, until it is loaded anew, and ``_names`` has them all: slower, and as
right.
"""

# ruff: noqa: ANN401, S101 - numbers are of either kind; check() asserts

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from operator import itemgetter
from typing import Any

from booksync.errors import MalformedMessage
from booksync.exact import MAX_NUMBER_LENGTH, Level, Number, canonical, plain
from booksync.side import (
    UNREAD,
    FloatSide,
    Frozen,
    Key,
    OddLevelError,
    Side,
    SideName,
    make,
    pairs,
)
from booksync.spelling import EXACT_KEYS, FLOAT_DIGITS, fixed, spelling_of

__all__ = ["TextSide", "make_side"]

REMEMBERED = 128
"""Levels that were made and are kept, in case they are read again as they are."""

CALLED = 8 * REMEMBERED
"""Prices that were made text again and are kept so; all, where so many are read."""

PART = 16
"""Who reads one level in so many at once is taken to read all."""

ODD_FEW = 16
"""Prices that may be spelled unlike the others before these are counted."""

_DIGITS = "0123456789."
_PLAIN = _DIGITS.encode()
_DOWN = Context(prec=FLOAT_DIGITS, rounding=ROUND_FLOOR)
_UP = Context(prec=FLOAT_DIGITS, rounding=ROUND_CEILING)

_second = itemgetter(1)


def make_side(
    name: SideName,
    *,
    numbers: type[Decimal | float] = Decimal,
    signed: bool = False,
    texts: bool = False,
) -> Side:
    """
    Make an empty side.

    Args:
        name: ``"bid"`` (best is highest) or ``"ask"`` (best is lowest).
        numbers: ``Decimal`` or ``float``: what is read.
        signed: Prices may be zero or negative.
        texts: Numbers come as text, and are kept so, also where floats are read.

    """
    if numbers is float and not texts:
        return FloatSide(name, signed=signed)
    return TextSide(name, signed=signed, number=numbers)


class TextSide(Side):
    """
    A side that keeps what the venue wrote. Ints and ``Decimal`` cost more than text.

    Args:
        name: As for :class:`Side`.
        signed: As for :class:`Side`.
        number: What a text becomes when it is read: ``Decimal`` or ``float``.

    >>> side = TextSide("bid")
    >>> side.load([("61602.10", "0.50000000"), ("61602.00", "2")])
    >>> side.apply([("61602.1", "0.25"), ("61602.00", "0.000")])
    >>> side.best()
    Level(price=Decimal('61602.10'), size=Decimal('0.25'))
    >>> side.texts()
    [('61602.10', '0.25')]

    """

    # _called: key -> price text, as it was when levels were read; see _take.
    # _made: key -> texts of price and size, and the level that was last made of both.
    __slots__ = (
        "_called",
        "_keep",
        "_made",
        "_names",
        "_odd",
        "_reread",
        "_spelling",
        "_to_key",
        "_usual",
    )

    def __init__(
        self,
        name: SideName,
        *,
        signed: bool = False,
        number: type[Decimal | float] = Decimal,
    ) -> None:
        self._to_key: type[Decimal | float] = float
        self._names: dict[Key, str] = {}
        self._called: dict[Key, Any] = {}
        self._keep = CALLED
        self._reread = False
        self._made: dict[Key, tuple[str, str, Level]] = {}
        super().__init__(name, signed=signed)
        self._number = number
        self._odd = ODD_FEW
        self._usual = self._spelling = fixed(0, 0)

    # -- how prices are spelled -----------------------------------------------------

    def _recount(self) -> None:
        """See how most prices are spelled. O(n), once odd ones are four times more."""
        held, names = self._held, self._names
        self._usual = self._spelling = spelling_of(held)
        odd = [
            (k, n)
            for k, n in zip(self._keys(), held, strict=True)
            if self._call(k) != n
        ]
        names.clear()
        names.update(odd)
        self._odd = max(ODD_FEW, 4 * len(names))

    def _take(self, keys: list[Key], *, whole: bool) -> None:
        super()._take(keys, whole=whole)
        # Where nobody read many levels since the last time, they need no memory.
        if not self._reread:
            self._called.clear()
            self._keep = CALLED
        self._reread = False

    def _call(self, key: Key) -> str:
        """Spell the price of ``key`` as most are; ``""`` where keys are exact."""
        return self._spelling.spell(key or 0)  # one zero for both

    def _name(self, key: Key) -> str | None:
        name = self._names.get(key)
        if name is None:
            name = self._call(key)
            if name not in self._held or self._to_key(name) != key:
                return None
        return name

    # -- writing --------------------------------------------------------------------

    def _write(self, levels: Any) -> None:  # noqa: C901 - the hot loop, in one place
        _expect_digits(levels)
        held, names, touched = self._held, self._names, self._touched
        to_key, least, usual = self._to_key, self._least, self._spelling.fits
        (low, high), bid = self._watched, self._bid
        bound: Key = self.best_bound
        for price, size in levels:
            if len(size) > MAX_NUMBER_LENGTH:
                raise OddLevelError
            some = float(size)
            if price in held:
                if some:
                    held[price] = size
                    continue
                del held[price]
                key = to_key(price)
                names.pop(key, None)
            elif not usual(price) or (key := to_key(price)) <= least or key in names:
                self.best_bound = bound
                self._meet(price, size)
                # It may have chosen spelling and keys anew, and which are near.
                usual, to_key = self._spelling.fits, self._to_key
                (low, high), bound = self._watched, self.best_bound
                continue
            elif some:
                held[price] = size
            else:
                continue
            if low <= key <= high:
                touched[key] = price
                if (key > bound) is bid:
                    bound = key
        self.best_bound = bound

    def _meet(self, price: str, size: str) -> None:
        """Write a level whose price is not spelled as most are."""
        if len(price) > FLOAT_DIGITS or price.strip(_DIGITS):
            price = self._unusual(price)
        key, held, names = self._to_key(price), self._held, self._names
        if key <= self._least:
            raise MalformedMessage(f"price is not positive: {price}")
        name = self._name(key)
        if float(size):
            held[name or price] = size
            if name is None:
                self._came(key, price)
                if price != self._call(key):
                    names[key] = price
                    if len(names) > self._odd and self._to_key is float:
                        self._recount()
        elif name is not None:
            self._touched[key] = self._drop(key)

    def _unusual(self, price: object) -> str:
        """Spell a price plainly; see that keys can tell it from its neighbours."""
        text = plain(price)
        digits = len(text.replace(".", "").replace("-", "").strip("0"))
        if digits > FLOAT_DIGITS and self._to_key is float:
            self._to_key = Decimal
            self._spelling = EXACT_KEYS
            self._called.clear()
            self._names.clear()
            self._names.update((Decimal(name), name) for name in self._held)
            self._restart()
        return text

    def _careful(self, levels: Any) -> list[tuple[Any, Any]]:
        return pairs(levels, plain, _plain_size)

    def _drop(self, key: Key) -> str | None:
        name = self._name(key)
        del self._held[name]
        self._names.pop(key, None)
        return name

    def _clear(self) -> None:
        self._held.clear()
        self._names.clear()
        self._to_key = float
        self._spelling = self._usual
        self._odd = ODD_FEW

    # -- reading --------------------------------------------------------------------

    def _keys(self) -> Iterable[Key]:
        return map(self._to_key, self._held)

    def best(self) -> Level | None:
        """See :meth:`Side.best`."""
        best: Level | None = self._best
        if best is UNREAD:
            bound = self.best_bound
            best = self._kept(bound)
            if best is None:
                there = self._name(bound) is not None
                best = self._remake(bound) if there else self._in_order()
            self._best = best
        return best

    def _kept(self, key: Key) -> Level | None:
        """Return the level last made of ``key``, if it is there as it was."""
        known = self._made.get(key)
        if known is not None and self._held.get(known[0]) is known[1]:
            return known[2]
        return None

    def _level(self, key: Key) -> Level:
        return self._kept(key) or self._remake(key)

    def _levels(self, keys: Sequence[Key]) -> list[Level]:
        held, made, number = self._held, self._made, self._number
        if len(keys) > REMEMBERED:
            many = self._pairs(keys)
            return [make(Level, (number(price), number(size))) for price, size in many]
        levels = []
        for key in keys:
            if key in made:
                price, size, level = made[key]
                if held.get(price) is size:
                    levels.append(level)
                    continue
            levels.append(self._remake(key))
        return levels

    def _remake(self, key: Key) -> Level:
        held, made, number = self._held, self._made, self._number
        known = made.get(key)
        if known is not None and known[0] in held:
            price = known[0]
            level = make(Level, (known[2][0], number(held[price])))
        else:
            if len(made) >= REMEMBERED:
                made.clear()
            price = self._recall(key)
            level = make(Level, (number(price), number(held[price])))
        made[key] = price, held[price], level
        return level

    def _recall(self, key: Key) -> Any:
        """Say what the level of ``key``, which is there, is held under."""
        called = self._called
        price = called.get(key)
        if price not in self._held:
            price = self._name(key)
            if len(called) >= self._keep:
                called.clear()
                self._keep = CALLED
            called[key] = price
        return price

    def _pairs(self, keys: Sequence[Key]) -> Iterable[tuple[str, str]]:
        """Return price and size as they were sent, of many levels."""
        held, called = self._held, self._called
        self._reread = True
        prices: list[Any] = list(map(called.get, keys))
        sizes: list[Any] = list(map(held.get, prices))
        if None in sizes:
            self._learn(keys, prices, sizes)
        return zip(prices, sizes, strict=True)

    def _learn(
        self, keys: Sequence[Key], prices: list[Any], sizes: list[str | None]
    ) -> None:
        """Fill in what was not called so before; O(n) once, where it is a good part."""
        held, called = self._held, self._called
        if PART * sizes.count(None) > len(held):
            called.clear()
            called.update(zip(self._keys(), held, strict=True))
            self._keep = 2 * len(held) + CALLED
        for index, size in enumerate(sizes):
            if size is None:
                price = self._recall(keys[index])
                prices[index], sizes[index] = price, held[price]

    def texts(self, count: int | None = None) -> list[tuple[str, str]]:
        """See :meth:`Side.texts`: as the venue wrote them."""
        count = len(self._held) if count is None else max(count, 0)
        return list(self._pairs(self._first(count)))

    def _bound(self, price: Number, *, up: bool) -> Key:
        exact = Decimal(canonical(price)) if isinstance(price, float) else price
        if self._to_key is Decimal:
            return exact
        return float((_UP if up else _DOWN).plus(exact))

    def check(self) -> None:
        """Assert every invariant. O(n log n); for tests."""
        super().check()
        assert len(set(self._keys())) == len(self._held)
        assert set(self._names.values()) <= self._held.keys()
        for price, size in self._held.items():
            key = self._to_key(price)
            assert self._name(key) == price
            assert plain(price) == price
            assert plain(size) == size
            fine = _DOWN.plus(Decimal(price)) != Decimal(price)
            assert self._to_key is Decimal or not fine


class FrozenTextSide(Frozen, TextSide):
    """A text side that does not change."""

    __slots__ = ()


TextSide.FROZEN = FrozenTextSide


def _expect_digits(levels: Any) -> None:
    """Leave to others what float() takes and hardly a venue writes: "1_0", "nan"."""
    if "".join(map(_second, levels)).encode().translate(None, _PLAIN):
        raise OddLevelError


def _plain_size(number: object) -> str:
    text = plain(number)
    if text[0] != "-":
        return text
    if float(text):
        raise MalformedMessage(f"size is negative: {text}")
    return text[1:]
