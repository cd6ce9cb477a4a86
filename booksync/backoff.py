"""How long to wait before trying again: exponential, capped, spread by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["delays"]


def delays(
    chance: Callable[[], float], *, first: float = 0.25, last: float = 30.0
) -> Iterator[float]:
    """
    Yield waiting times in seconds, for ever.

    Each is drawn between half and all of a span that doubles from ``first`` up to
    ``last``. Make a new one when there was progress: a book went live. That a socket
    opened is none.

    Args:
        chance: Returns a number in ``[0, 1)``.
        first: Longest first wait, in seconds.
        last: Longest wait ever, in seconds.

    >>> waits = delays(lambda: 0.0)
    >>> [next(waits) for _ in range(4)]
    [0.125, 0.25, 0.5, 1.0]

    """
    span = first
    while True:
        yield span / 2 + chance() * span / 2
        span = min(last, span * 2)
