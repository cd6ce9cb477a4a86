"""
Numbers as venues write them: checked, exact, spelled one way.

A number from the wire is hostile until :func:`parse` or :func:`plain` has seen it: it
may be ``"NaN"``, a megabyte long, or so large that adding 1 to it takes a gigabyte.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from decimal import Context, Decimal, localcontext
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
    "exactly",
    "parse",
    "plain",
]

MAX_NUMBER_LENGTH = 64
"""Characters of the longest number that is taken, spelled without exponent."""

MAX_EXPONENT = 40
"""Largest power of ten, either way, of a number that is written with an exponent."""

Number: TypeAlias = Any
"""
``Decimal`` in an exact book, ``float`` in a book with ``numbers=float``.

Only the running program knows which, so type checkers are told ``Any``.
"""

EXACT = Context(prec=512)
"""Adds and multiplies any numbers that are taken without rounding."""

_QUOTIENTS = Context(prec=34)
_SPELLING = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DIGITS = "0123456789."


class Level(NamedTuple):
    """
    A price and what is offered at it.

    Args:
        price: In quote asset for one unit.
        size: In the venue's unit: base asset, or contracts.

    """

    price: Number
    size: Number


def parse(number: object) -> Decimal:
    """
    Read a number from the wire, exactly. A sign is accepted here.

    >>> parse("0.10000000"), parse(7), parse("1e-8")
    (Decimal('0.10000000'), Decimal('7'), Decimal('1E-8'))

    Args:
        number: Text, ``Decimal`` or ``int``.

    Raises:
        MalformedMessage: If it is anything else (``bool`` and ``float`` too), is not
            finite, is longer than ``MAX_NUMBER_LENGTH`` without exponent, or has an
            exponent beyond ``MAX_EXPONENT``.

    """
    if type(number) is str:
        if len(number) > MAX_NUMBER_LENGTH:
            raise MalformedMessage(f"number too long: {number[:24]!r}...")
        if not _SPELLING.fullmatch(number):
            raise MalformedMessage(f"not a number: {number!r}")
        value = Decimal(number)
    elif type(number) is Decimal and number.is_finite():
        value = number
    elif type(number) is int and number.bit_length() <= 4 * MAX_NUMBER_LENGTH:
        value = Decimal(number)
    else:
        raise MalformedMessage(f"not a number here: {type(number).__name__}")
    if type(number) is not str or not _is_plain(number):
        _refuse_far(value)
    return value


def _refuse_far(value: Decimal) -> None:
    exponent = value.adjusted()
    if abs(exponent) > MAX_EXPONENT:
        raise MalformedMessage(f"number out of range: 1E{exponent:+}")
    text = format(value, "f")
    if len(text) > MAX_NUMBER_LENGTH:
        raise MalformedMessage(f"number too long: {text[:24]!r}...")


def plain(number: object) -> str:
    """
    Spell a number from the wire without exponent; the zeros at its end stay.

    >>> plain("1E-8"), plain("0.10"), plain(Decimal("2.50")), plain(7)
    ('0.00000001', '0.10', '2.50', '7')

    Raises:
        MalformedMessage: As :func:`parse`.

    """
    if type(number) is str and len(number) <= MAX_NUMBER_LENGTH and _is_plain(number):
        return number
    return format(parse(number), "f")


def _is_plain(text: str) -> bool:
    """Whether ``text`` has digits only, and perhaps one point among or beside them."""
    return not text.strip(_DIGITS) and text.count(".") < min(len(text), 2)


def canonical(number: Number) -> str:
    """
    Spell a number so that equal numbers are equal text: ``0.5``, ``100``, ``0``.

    No exponent, no zeros at the end, no ``-0``. A float is its shortest ``repr``.

    >>> canonical(Decimal("1E+2")), canonical(Decimal("0.50")), canonical(0.1)
    ('100', '0.5', '0.1')

    """
    text = format(Decimal(repr(number) if isinstance(number, float) else number), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def exactly() -> AbstractContextManager[Context]:
    """Compute with :data:`EXACT` in a ``with`` block, whatever the caller's context."""
    return localcontext(EXACT)


def divide(dividend: Number, divisor: Number) -> Number:
    """
    Divide; a ``Decimal`` quotient has 34 significant digits.

    >>> divide(1.0, 4.0), divide(Decimal(2), Decimal(3))
    (0.25, Decimal('0.6666666666666666666666666666666667'))

    """
    if isinstance(dividend, float):
        return dividend / divisor
    return _QUOTIENTS.divide(dividend, divisor)
