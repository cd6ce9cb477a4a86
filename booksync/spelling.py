"""How a venue spells prices, so that most equal ones are the same text; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from booksync.exact import canonical

__all__ = ["EXACT_KEYS", "FLOAT_DIGITS", "TRIMMED", "Spelling", "fixed", "spelling_of"]

FLOAT_DIGITS = 15
"""Significant digits that any float tells apart (``DBL_DIG`` of C)."""


class Spelling(NamedTuple):
    """
    How a venue spells prices, so that equal ones are the same text.

    Args:
        fits: Whether a text is spelled so, and has no more digits than a key tells.
        spell: Spells a key so.

    """

    fits: Callable[[str], object]
    spell: Callable[[Any], str]


EXACT_KEYS = Spelling(re.compile(r"(?!)").fullmatch, "".format)
"""Nothing is spelled so."""


@lru_cache(maxsize=256)
def fixed(places: int, zeros: int) -> Spelling:
    """
    Spell with so many digits after the point, the last of them always zeros.

    At most 15 of them are no zeros.

    >>> fixed(8, 6).spell(1680000000.25), bool(fixed(8, 6).fits("1680000000.25000000"))
    ('1680000000.25000000', True)

    """
    digits = places - zeros
    whole = rf"[1-9]\d{{0,{FLOAT_DIGITS - digits - 1}}}|" * (digits < FLOAT_DIGITS)
    part = rf"\.\d{{{digits}}}0{{{zeros}}}" if places else ""
    point = "." if zeros == places > 0 else ""  # "%.0f" writes none
    return Spelling(
        re.compile(f"(?:{whole}0){part}", re.ASCII).fullmatch,
        f"%.{digits}f{point}{'0' * zeros}".__mod__,
    )


TRIMMED = Spelling(
    re.compile(
        rf"(?!.{{{FLOAT_DIGITS + 2}}})"  # no longer than the digits and a point
        rf"(?:[1-9]\d{{0,{FLOAT_DIGITS - 1}}}|0)(?:\.\d*[1-9])?",
        re.ASCII,
    ).fullmatch,
    canonical,
)
"""No zero at the end, nor a point."""


def spelling_of(texts: Iterable[str]) -> Spelling:
    """Say how most of these are spelled. O(n log n)."""
    found = [(len(text.partition(".")[2]), len(text), text) for text in texts]
    ((places, count),) = Counter(each for each, _, _ in found).most_common(1)
    if sum(1 for each, _, text in found if not each or text[-1] not in "0.") > count:
        return TRIMMED
    lengths = sorted(length for each, length, _ in found if each == places)
    digits = lengths[len(lengths) * 15 // 16] - 1  # a few may have more
    # Where keys cannot tell so many digits apart, the last ones must be zeros.
    return fixed(places, min(max(digits - FLOAT_DIGITS, 0), places))
