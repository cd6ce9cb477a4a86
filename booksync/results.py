"""What a book answers with, where a level or a number does not do."""

from __future__ import annotations

from typing import NamedTuple

from booksync.exact import Level, Number

__all__ = ["Fill", "Range", "Window"]


class Window(NamedTuple):
    """The worst prices up to which a book is complete; ``None``: all is known."""

    bid: Number | None
    ask: Number | None


class Range(NamedTuple):
    """
    Levels of one side between two prices.

    Args:
        levels: Best first.
        size: Their total size.
        notional: Their total price times size.
        complete: Whether all of it lies inside the known window.

    """

    levels: list[Level]
    size: Number
    notional: Number
    complete: bool


class Fill(NamedTuple):
    """
    What taking liquidity would come to.

    Args:
        filled: Size taken.
        notional: Price times size of it.
        average: Average price; ``None`` if nothing was taken.
        worst: Worst price reached; ``None`` likewise.
        levels: Levels reached.
        slippage_bps: How much worse the average is than the best price.
        filled_all: Whether all that was asked for could be taken.
        complete: Whether the book is known as far as this reached.

    """

    filled: Number
    notional: Number
    average: Number | None
    worst: Number | None
    levels: int
    slippage_bps: Number | None
    filled_all: bool
    complete: bool
