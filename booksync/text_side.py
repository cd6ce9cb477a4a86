"""
One side of a book that keeps what the venue wrote, and converts what is read.

Most levels are never read, so none is made a ``Decimal`` before it is. ``_sizes`` are
the levels, price text -> size text; ``_held`` names them by number, key -> price text,
so that ``"86700"`` and ``"86700.0"`` are one level.

A key is the float next to a price. It is another one for each price of up to 15
significant digits (``DBL_DIG`` of C). A side that meets a finer price takes ``Decimal``
keys from then on, until it is loaded anew: slower, and as right.
"""

# ruff: noqa: ANN401, S101 - numbers are of either kind; check() asserts

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from math import inf
from operator import itemgetter
from typing import Any

from booksync.errors import MalformedMessage
from booksync.exact import MAX_NUMBER_LENGTH, Level, Number, canonical, plain
from booksync.side import (
    FloatSide,
    Frozen,
    Key,
    OddLevelError,
    Side,
    SideName,
    make,
    pairs,
)

__all__ = ["TextSide", "make_side"]

REMEMBERED = 128
"""Levels that were made and are kept, in case they are read again as they are."""

_DIGITS = "0123456789."
_PLAIN = _DIGITS.encode()
_FLOAT_DIGITS = 15
_DOWN = Context(prec=_FLOAT_DIGITS, rounding=ROUND_FLOOR)
_UP = Context(prec=_FLOAT_DIGITS, rounding=ROUND_CEILING)

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

    # _made: price text -> size text, and the level that was last made of both.
    __slots__ = ("_chars", "_made", "_number", "_sizes", "_to_key")

    def __init__(
        self,
        name: SideName,
        *,
        signed: bool = False,
        number: type[Decimal | float] = Decimal,
    ) -> None:
        self._number = number
        self._chars = _DIGITS + "-" * signed
        self._to_key: type[Decimal | float] = float
        self._sizes: dict[str, str] = {}
        self._made: dict[str, tuple[str, Level]] = {}
        super().__init__(name, signed=signed)

    # -- writing --------------------------------------------------------------------

    def _write(self, levels: Any) -> None:
        _expect_digits(levels)
        sizes, held, touch = self._sizes, self._held, self._touched.append
        to_key, chars, least = self._to_key, self._chars, self._least
        low, high = (self._low, self._high) if self._order is None else (-inf, inf)
        for price, size in levels:
            if len(size) > MAX_NUMBER_LENGTH:
                raise OddLevelError
            some = float(size)
            if price in sizes:
                if some:
                    sizes[price] = size
                    continue
                del sizes[price]
                key = to_key(price)
                del held[key]
            elif (
                len(price) > _FLOAT_DIGITS
                or price.strip(chars)
                or (key := to_key(price)) <= least
                or key in held
            ):
                self._meet(price, size)
                # It may have chosen other keys, and which of them are near.
                to_key, low, high = self._to_key, -inf, inf
                continue
            elif some:
                held[key] = price
                sizes[price] = size
            else:
                continue
            if low <= key <= high:
                touch(key)

    def _meet(self, price: str, size: str) -> None:
        """Write a level whose price is not spelled as most are."""
        if len(price) > _FLOAT_DIGITS or price.strip(self._chars):
            price = self._unusual(price)
        key, held = self._to_key(price), self._held
        if key <= self._least:
            raise MalformedMessage(f"price is not positive: {price}")
        if float(size):
            if key not in held:
                held[key] = price
                self._touched.append(key)
            self._sizes[held[key]] = size
        elif key in held:
            self._drop(key)
            self._touched.append(key)

    def _unusual(self, price: object) -> str:
        """Spell a price plainly; see that keys can tell it from its neighbours."""
        text = plain(price)
        digits = len(text.replace(".", "").replace("-", "").strip("0"))
        if digits > _FLOAT_DIGITS and self._to_key is float:
            self._to_key = Decimal
            names = {Decimal(name): name for name in self._held.values()}
            self._held.clear()
            self._held.update(names)
            self._restart()
        return text

    def _careful(self, levels: Any) -> list[tuple[Any, Any]]:
        return pairs(levels, plain, _plain_size)

    def _drop(self, key: Key) -> None:
        del self._sizes[self._held.pop(key)]

    def _clear(self) -> None:
        self._held.clear()
        self._sizes.clear()
        self._to_key = float

    # -- reading --------------------------------------------------------------------

    def _level(self, key: Key) -> Level:
        price = self._held[key]
        size = self._sizes[price]
        made = self._made.get(price)
        if made is None or made[0] is not size:
            return self._remake(price, size)
        return made[1]

    def _levels(self, keys: Sequence[Key]) -> list[Level]:
        held, sizes, made, number = self._held, self._sizes, self._made, self._number
        if len(keys) > REMEMBERED:
            return [
                make(Level, (number(price), number(sizes[price])))
                for price in map(held.__getitem__, keys)
            ]
        levels = []
        for key in keys:
            price = held[key]
            size = sizes[price]
            if price in made and made[price][0] is size:
                levels.append(made[price][1])
            else:
                levels.append(self._remake(price, size))
        return levels

    def _remake(self, price: str, size: str) -> Level:
        made, number = self._made, self._number
        if price in made:
            level = make(Level, (made[price][1][0], number(size)))
        else:
            if len(made) >= REMEMBERED:
                made.clear()
            level = make(Level, (number(price), number(size)))
        made[price] = size, level
        return level

    def texts(self, count: int | None = None) -> list[tuple[str, str]]:
        """See :meth:`Side.texts`: as the venue wrote them."""
        count = len(self._held) if count is None else max(count, 0)
        held, sizes = self._held, self._sizes
        return [(held[key], sizes[held[key]]) for key in self._first(count)]

    def _bound(self, price: Number, *, up: bool) -> Key:
        exact = Decimal(canonical(price)) if isinstance(price, float) else price
        if self._to_key is Decimal:
            return exact
        return float((_UP if up else _DOWN).plus(exact))

    def check(self) -> None:
        """Assert every invariant. O(n log n); for tests."""
        super().check()
        assert len(self._sizes) == len(self._held)
        assert self._sizes.keys() == set(self._held.values())
        for key, price in self._held.items():
            assert key == self._to_key(price)
            assert plain(price) == price
            assert plain(self._sizes[price]) == self._sizes[price]
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
