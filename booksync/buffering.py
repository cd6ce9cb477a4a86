"""Deltas that wait for a snapshot, within limits; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from booksync.messages import Delta

__all__ = ["Buffer"]


class Buffer:
    """
    A queue of deltas, oldest first.

    Args:
        size: Deltas at most; the oldest go first.
        levels: Likewise for the levels in them.

    """

    __slots__ = ("_deltas", "_held", "_levels", "_size")

    def __init__(self, size: int, levels: int) -> None:
        self._deltas: deque[Delta] = deque()
        self._held = 0
        self._size = size
        self._levels = levels

    def __len__(self) -> int:
        """Count the deltas."""
        return len(self._deltas)

    def __iter__(self) -> Iterator[Delta]:
        """Yield the deltas, oldest first."""
        return iter(self._deltas)

    @property
    def oldest(self) -> Delta:
        """The delta that is taken next."""
        return self._deltas[0]

    @property
    def newest(self) -> Delta:
        """The delta that was kept last."""
        return self._deltas[-1]

    def keep(self, delta: Delta) -> int:
        """Append a delta; return how many had to go. O(1), amortised."""
        self._deltas.append(delta)
        self._held += len(delta.bids) + len(delta.asks)
        gone = 0
        while len(self._deltas) > self._size or self._held > self._levels:
            self.take()
            gone += 1
        return gone

    def take(self) -> Delta:
        """Remove the oldest."""
        delta = self._deltas.popleft()
        self._held -= len(delta.bids) + len(delta.asks)
        return delta

    def drop(self) -> int:
        """Remove all; return how many there were."""
        gone = len(self._deltas)
        self._deltas.clear()
        self._held = 0
        return gone
