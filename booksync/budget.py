"""
A venue's request budget: so much weight in any window, and silence when told.

Pure: time is an argument. A request weighs from the moment it is sent until one
window after it was answered, whatever its journey took: no sliding window on the
venue's side can hold more than the budget.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Budget"]


class Budget:
    """
    Weight spent against a limit per window.

    Args:
        limit: Weight that the venue allows in any window.
        window: Its length in seconds.

    >>> budget = Budget(limit=100, window=60.0)
    >>> budget.spend(80, now=0.0)
    >>> budget.settle(80, now=1.0)
    >>> budget.wait(50, now=2.0)
    59.0
    >>> budget.wait(20, now=2.0)
    0.0

    """

    def __init__(self, limit: int, window: float) -> None:
        if limit <= 0 or window <= 0:
            raise ValueError("a budget needs a positive limit and window")
        self.limit = limit
        self.window = window
        #: Nothing may be sent before this time: the venue said so.
        self.stopped_until = float("-inf")
        self._open = 0
        self._settled: deque[tuple[float, int]] = deque()
        self._sum = 0

    def used(self, now: float) -> int:
        """Weight that counts at ``now``. Amortised O(1)."""
        while self._settled and self._settled[0][0] + self.window <= now:
            self._sum -= self._settled.popleft()[1]
        return self._open + self._sum

    def wait(self, weight: int, now: float) -> float:
        """
        Seconds until ``weight`` may be spent, as far as is known now.

        A request heavier than the whole budget may go when nothing else counts.
        """
        held = max(0.0, self.stopped_until - now)
        excess = self.used(now) + min(weight, self.limit) - self.limit
        if excess <= 0:
            return held
        for at, settled in self._settled:
            excess -= settled
            if excess <= 0:
                return max(held, at + self.window - now)
        # What is under way must be answered first: ask again when it is.
        return max(held, self.window)

    def spend(self, weight: int, now: float) -> None:
        """Note a request that is being sent."""
        self.used(now)
        self._open += weight

    def settle(self, weight: int, now: float) -> None:
        """Note that a request was answered, or given up."""
        self._open -= weight
        self._settled.append((now, weight))
        self._sum += weight

    def observe(self, used: int, now: float) -> None:
        """
        Take the venue's own count; what it has beyond ours was spent elsewhere.

        Args:
            used: Weight used in the window, as the venue says.
            now: Seconds.

        """
        missing = used - self.used(now)
        if missing > 0:
            self._settled.append((now, missing))
            self._sum += missing

    def stop(self, seconds: float, now: float) -> None:
        """Send nothing for so long: the venue said so (429, 418)."""
        self.stopped_until = max(self.stopped_until, now + seconds)
