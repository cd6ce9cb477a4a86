"""Whether what arrives is recent, by the venue's own clock; pure."""

from __future__ import annotations

import math

__all__ = ["Lateness"]

#: Seconds for which the smallest lag is remembered, at least.
MEMORY = 60.0
#: Part of the allowed lag by which a backlog must shrink, each time that long.
SHRINKS = 0.1


class Lateness:
    """
    Tells a backlog from what was just said, whatever the venue's clock shows.

    What lies between a message's time and its receipt is its journey, and the
    difference of two clocks. The smallest such lag of late is the usual one; what it is
    exceeded by is how late a message is.

    Args:
        allowed: Seconds that a message may be late.

    """

    __slots__ = ("_allowed", "_least", "_least_at", "_previous", "_smallest", "_turned")

    def __init__(self, allowed: float) -> None:
        self._allowed = allowed
        # The smallest lag since it was turned, and before that.
        self._smallest = self._previous = math.inf
        self._turned = -math.inf
        self.restart()

    def restart(self) -> None:
        """A backlog may begin here."""
        # The smallest lag of the backlog, and when it was that.
        self._least = self._least_at = math.inf

    def heard(self, time: float | None, now: float) -> None:
        """
        Take a message that came in its time. O(1).

        Args:
            time: When the venue made it, by its clock; ``None`` if it does not say.
            now: When it was received.

        """
        if time is None:
            return
        if now - self._turned > MEMORY:
            self._turned = now
            self._previous, self._smallest = self._smallest, math.inf
        self._smallest = min(self._smallest, now - time)

    def caught_up(self, time: float | None, now: float) -> bool:
        """
        Whether a message after a silence is recent, and the backlog over. O(1).

        A backlog shrinks. Where it does not, for as long as a message may be late, it
        is the clock that is another than before: that lag is the usual one from now on.

        Args:
            time: As for :meth:`heard`.
            now: Likewise.

        """
        usual = min(self._smallest, self._previous)
        if time is None or usual == math.inf:
            return True
        lag = now - time
        if lag - usual <= self._allowed:
            return True
        if lag <= self._least - SHRINKS * self._allowed:
            self._least, self._least_at = lag, now
        elif now - self._least_at >= self._allowed:
            self._previous = math.inf
            self._smallest, self._turned = lag, now
            return True
        return False
