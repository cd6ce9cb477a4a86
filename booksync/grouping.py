"""Levels grouped to multiples of a price step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from booksync.exact import EXACT, Level, Number

__all__ = ["grouped"]

#: Relative error of the quotient of two floats that stand for decimals, and more.
ULPS = 1e-15


def grouped(
    levels: Iterable[Level], tick: Number, n: int | None, *, down: bool
) -> list[Level]:
    """
    Group levels to multiples of ``tick``. O(levels read).

    Args:
        levels: Best first, in one kind of number; the caller computes exactly.
        tick: Width of a group, of the same kind.
        n: How many groups at most.
        down: To the multiple below (bids, which fall), or above (asks, which rise).

    """
    numbers = type(tick)
    exact = Decimal(repr(tick)) if numbers is float else tick
    groups: list[Level] = []
    edge: Number | None = None  # the multiple that the last level went to
    total: Number = numbers(0)
    for price, size in levels:
        # Within the edge a level is of its group: only beyond it must be divided.
        if edge is None or (price < edge if down else price > edge):
            to = numbers(_steps(price, tick, down=down) * exact)
            if to != edge:
                if edge is not None:
                    groups.append(Level(edge, total))
                if n is not None and len(groups) >= n:
                    return groups
                edge, total = to, numbers(0)
        total += size
    if edge is not None:
        groups.append(Level(edge, total))
    return groups


def _steps(price: Number, tick: Number, *, down: bool) -> int:
    """Count the ticks from 0 to the multiple of ``tick`` at ``price``, or beside it."""
    if isinstance(price, Decimal):
        mode = ROUND_FLOOR if down else ROUND_CEILING
        return int(EXACT.divide(price, tick).to_integral_value(mode))
    ratio: float = price / tick
    # As floats, 0.3 / 0.1 is below 3: what is so near a multiple is meant as one.
    steps = round(ratio)
    if abs(ratio - steps) <= ULPS * abs(ratio):
        return steps
    return math.floor(ratio) if down else math.ceil(ratio)
