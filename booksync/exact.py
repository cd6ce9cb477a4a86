"""
Numbers as venues write them: checked, exact, spelled one way.

A wire number is hostile until :func:`parse` or :func:`plain` has seen it: it may be
``"NaN"``, a billion digits long, or mean a number whose sum with another needs a
gigabyte.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Any, NamedTuple, TypeAlias

from booksync.errors import MalformedMessage

__all__ = [
    "EXACT",
    "MAX_EXPONENT",
    "MAX_NUMBER_LENGTH",
    "Level",
    "Number",
    "canonical",
    "divide",
    "parse",
    "plain",
]

MAX_NUMBER_LENGTH = 64
"""Characters of the longest number that is believed."""

MAX_EXPONENT = 40
"""Largest power of ten, either way, that a number with an exponent may have."""

Number: TypeAlias = Any
"""
``Decimal`` in an exact book, ``float`` in a book with ``numbers=float``.

Which of them is known at run time only, so type checkers are told ``Any``.
"""

#: Sums and products of believed numbers need at most some 300 digits.
EXACT = Context(prec=512)
_QUOTIENT = Context(prec=34)

_SPELLING = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Level(NamedTuple):
    """
    A price and what is offered at it.

    Args:
        price: In quote asset for one unit.
        size: In the unit the venue uses: base asset, or contracts.

    """

    price: Number
    size: Number


def parse(number: object) -> Decimal:
    """
    Read a number from the wire, exactly.

    >>> parse("0.10000000"), parse(7)
    (Decimal('0.10000000'), Decimal('7'))

    Args:
        number: Text, ``Decimal`` or ``int``.

    Raises:
        MalformedMessage: If it is anything else (``bool`` and ``float`` too), is not
            finite, is longer than ``MAX_NUMBER_LENGTH``, or has an exponent beyond
            ``MAX_EXPONENT``. Signs are accepted here.

    """
    if type(number) is str:
        if len(number) > MAX_NUMBER_LENGTH:
            raise MalformedMessage(f"number too long: {number[:24]!r}...")
        if not _SPELLING.fullmatch(number):
            raise MalformedMessage(f"not a number: {number!r}")
        value = Decimal(number)
        if number.translate(_NO_EXPONENT) == number:
            return value
    elif type(number) is Decimal or type(number) is int:
        value = _bounded(number)
    else:
        kind = type(number).__name__
        raise MalformedMessage(f"an exact book takes no {kind} for a number")
    if abs(value.adjusted()) > MAX_EXPONENT:
        raise MalformedMessage(f"number out of range: 1E{value.adjusted():+}")
    return value


_NO_EXPONENT = str.maketrans("", "", "eE")
_HUGE = 10**MAX_NUMBER_LENGTH


def _bounded(number: Decimal | int) -> Decimal:
    """Refuse what is not finite, or has too many digits to be printed cheaply."""
    if type(number) is int and abs(number) >= _HUGE:
        raise MalformedMessage("number too long: an int")
    value = Decimal(number)
    if not value.is_finite():
        raise MalformedMessage(f"not a number: {value}")
    if len(value.as_tuple().digits) > MAX_NUMBER_LENGTH:
        raise MalformedMessage("number too long: a Decimal")
    return value


def plain(number: object) -> str:
    """
    Spell a number from the wire without exponent; zeros at its end stay.

    >>> plain("1E-8"), plain("0.10"), plain(Decimal("2.50"))
    ('0.00000001', '0.10', '2.50')

    Raises:
        MalformedMessage: As :func:`parse`.

    """
    value = parse(number)
    if type(number) is str and number.translate(_NO_EXPONENT) == number:
        return number
    return format(value, "f")


def canonical(number: Number) -> str:
    """
    Spell ``number`` so that equal numbers are equal text: ``0.5``, ``100``, ``0``.

    No exponent, no trailing zeros, no ``-0``. A float is spelled by its shortest
    ``repr``. Idempotent (on ``Decimal`` of its result).

    >>> canonical(Decimal("1E+2")), canonical(Decimal("0.50")), canonical(0.1)
    ('100', '0.5', '0.1')

    """
    text = format(Decimal(repr(number) if type(number) is float else number), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def divide(dividend: Number, divisor: Number) -> Number:
    """
    Divide; a ``Decimal`` result has 34 significant digits.

    >>> divide(1.0, 4.0), divide(Decimal(1), Decimal(4))
    (0.25, Decimal('0.25'))

    """
    if isinstance(dividend, Decimal):
        return _QUOTIENT.divide(dividend, divisor)
    return dividend / divisor
