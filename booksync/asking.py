"""How a book gets its next snapshot: in the venue's way, and not too often; pure."""

from __future__ import annotations

from booksync.events import FetchSnapshot, Output, Resubscribe
from booksync.policy import Policy, Way

__all__ = ["Asking"]


class Asking:
    """
    Numbers one book's requests, and spaces them.

    Args:
        symbol: Whose book.
        policy: How snapshots are had here, and how often at most.

    """

    __slots__ = ("_attempt", "_old", "_policy", "_symbol", "due", "request", "waiting")

    def __init__(self, symbol: str, policy: Policy) -> None:
        self._symbol = symbol
        self._policy = policy
        #: Number of the last request, and whether its answer is awaited.
        self.request, self.waiting = 0, False
        #: When a snapshot is overdue, in seconds; ``None`` while none is awaited.
        self.due: float | None = None
        self._attempt = self._old = 0

    def ask(
        self, now: float, *, first: bool = False, overdue: bool = False
    ) -> list[Output]:
        """
        Ask, unless a snapshot comes by itself.

        Args:
            now: Seconds.
            first: The stream was subscribed just now.
            overdue: What should have come by itself did not.

        """
        policy, attempt = self._policy, self._attempt
        wait = min(policy.retry_max, policy.retry_min * 2 ** min(attempt - 1, 30))
        at = now + (wait if attempt else 0.0)
        if policy.way is Way.FETCH:
            self.request += 1
            self.waiting = True
            if policy.answer_wait is not None:
                self.due = at + policy.answer_wait
            return [FetchSnapshot(self._symbol, self.request, at, attempt)]
        self.due = at + policy.snapshot_wait
        comes = policy.way is Way.WAIT and (policy.newest or not overdue)
        return [] if first or comes else [Resubscribe(self._symbol, at, attempt)]

    def again(self, now: float, *, overdue: bool = False) -> list[Output]:
        """Ask after an attempt that came to nothing, with more pause each time."""
        self._attempt += 1
        return self.ask(now, overdue=overdue)

    def answers(self, request: int) -> bool:
        """Whether ``request`` is the one whose answer is awaited."""
        return self.waiting and request == self.request

    def too_old(self) -> bool:
        """Note a snapshot before the buffer's beginning; say if it was one too many."""
        self._old += 1
        if self._old < self._policy.old_snapshots:
            return False
        self._old = 0
        return True

    def answered(self) -> None:
        """Wait no more: there is a snapshot, or none is wanted."""
        self.waiting, self.due = False, None

    def succeeded(self) -> None:
        """Note that the book is live: the next trouble is a new one."""
        self._attempt = self._old = 0
