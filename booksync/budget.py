"""
A venue's request budget: so much weight in any window, and silence when told.

Pure: time is an argument. A request weighs from the moment it is sent until one
window after it was answered, whatever its journey took: no sliding window on the
venue's side can hold more than the budget.
"""

from __future__ import annotations

import math
from collections import deque

__all__ = ["Budget"]

#: Weights and their times, oldest first.
Entries = list[tuple[float, int]]


class Budget:
    """
    Weight spent against a limit per window.

    Args:
        limit: Weight that the venue allows in any window.
        window: Its length in seconds.
        lease: Seconds after which a request counts as answered, though nobody said
            so: whoever sent it is gone.

    >>> budget = Budget(limit=100, window=60.0)
    >>> budget.spend(80, now=0.0)
    >>> budget.settle(80, now=1.0)
    >>> budget.wait(50, now=2.0)
    59.0
    >>> budget.wait(20, now=2.0)
    0.0

    """

    def __init__(self, limit: int, window: float, *, lease: float = math.inf) -> None:
        if limit <= 0 or window <= 0:
            raise ValueError("a budget needs a positive limit and window")
        self.limit = limit
        self.window = window
        self.lease = lease
        #: Nothing may be sent before this time: the venue said so.
        self.stopped_until = float("-inf")
        # Under way: when sent, and the weight.
        self._open: deque[tuple[float, int]] = deque()
        self._open_sum = 0
        self._settled: deque[tuple[float, int]] = deque()
        self._sum = 0

    def used(self, now: float) -> int:
        """Weight that counts at ``now``. Amortised O(1)."""
        while self._open and self._open[0][0] + self.lease <= now:
            self._close(self._open.popleft()[1], now)
        while self._settled and self._settled[0][0] + self.window <= now:
            self._sum -= self._settled.popleft()[1]
        return self._open_sum + self._sum

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

    def take(self, weight: int, now: float) -> float:
        """
        Spend ``weight`` if it may be.

        Returns:
            0 if it was spent, else the seconds to wait before asking again.

        """
        pause = self.wait(weight, now)
        if pause <= 0:
            self.spend(weight, now)
        return pause

    def spend(self, weight: int, now: float) -> None:
        """Note a request that is being sent."""
        self._open.append((now, weight))
        self._open_sum += weight

    def settle(self, weight: int, now: float) -> None:
        """Note that a request was answered, or given up."""
        # The newest of its weight: what a process that died left behind stays old.
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place][1] == weight:
                del self._open[place]
                self._close(weight, now)
                return

    def _close(self, weight: int, now: float) -> None:
        self._open_sum -= weight
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

    def copy(self) -> Budget:
        """Return a copy, to look ahead with; may be made in any thread."""
        made = Budget(self.limit, self.window, lease=self.lease)
        made.restore(*self.parts())
        return made

    def parts(self) -> tuple[float, Entries, Entries]:
        """Return all that is known: the stop, what is under way, what was answered."""
        return self.stopped_until, list(self._open), list(self._settled)

    def restore(self, stopped_until: float, under_way: Entries, done: Entries) -> None:
        """Know what :meth:`parts` said, and nothing else."""
        self.stopped_until = stopped_until
        self._open, self._settled = deque(under_way), deque(done)
        self._open_sum = sum(weight for _, weight in under_way)
        self._sum = sum(weight for _, weight in done)
