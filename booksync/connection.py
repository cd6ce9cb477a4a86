"""One connection as the core knows it: its books, its venue memory, its pace; pure."""

from __future__ import annotations

from typing import Any

from booksync.probing import Prober
from booksync.sync import Synchronizer

__all__ = ["Connection"]

#: The shortest silence, in seconds, that may mean a dead connection.
STALL = 2.5
#: Frames and seconds after which a connection's own pace is known.
KNOWN_FRAMES = 100
KNOWN_SECONDS = 10.0
#: Seconds for which the longest pause of a connection is remembered, at least.
PAUSES = 60.0


class Pace:
    """How often something was heard, and the longest pause that it made lately."""

    __slots__ = ("count", "heard", "longest", "opened", "paused_since", "previous")

    def __init__(self, now: float) -> None:
        self.opened = self.heard = self.paused_since = now
        self.count = 0
        #: The longest pause, lately and before that.
        self.longest = self.previous = 0.0

    def beat(self, now: float) -> None:
        """Something was heard."""
        pause = now - self.heard
        if pause > self.longest:  # noqa: PLR1730 - half the price of max(), each frame
            self.longest = pause
        self.heard = now
        self.count += 1

    def patience(self) -> float | None:
        """
        Seconds of silence that are no wonder; ``None`` while the pace is not known.

        An active connection that falls silent is dead long before a quiet one may be
        called so: what counts is its own pace, and the longest pause it made lately.
        """
        if self.heard - self.paused_since > PAUSES:
            self.paused_since = self.heard
            self.previous, self.longest = self.longest, 0.0
        lived = self.heard - self.opened
        if self.count < KNOWN_FRAMES or lived < KNOWN_SECONDS:
            return None
        usual = 20 * lived / self.count
        return max(STALL, usual, 2 * max(self.longest, self.previous))


class Connection:
    """One connection's books and its venue memory."""

    __slots__ = (
        "ack_at",
        "audits",
        "books",
        "closing",
        "data",
        "ended",
        "line",
        "number",
        "prober",
        "pulse",
        "refused",
        "resubscribing",
        "rotating",
        "session",
        "strangers",
        "succeeds",
        "waiting",
    )

    def __init__(self, number: int, session: Any, now: float) -> None:  # noqa: ANN401
        self.number = number
        self.line = 0
        self.session = session
        #: Of all frames, and of those with a message for a book: heartbeats may go on
        #: where nothing else does.
        self.pulse, self.data = Pace(now), Pace(now)
        #: Messages for symbols that were not subscribed here.
        self.strangers = 0
        self.books: dict[str, Synchronizer] = {}
        #: Subscribed, but nothing has confirmed it.
        self.waiting: set[str] = set()
        self.ack_at: float | None = None
        #: Unsubscribed, to be subscribed again once the venue confirms.
        self.resubscribing: set[str] = set()
        #: How often in a row the venue refused to subscribe a symbol just now.
        self.refused: dict[str, int] = {}
        #: Unsubscribed for good: late frames of them are no fault.
        self.ended: set[str] = set()
        self.closing = False
        #: Another is to be opened in its place.
        self.rotating = False
        #: Which connection it is to replace; or, as an auditor, only to check.
        self.succeeds: int | None = None
        self.audits = False
        #: Asks about books that fell quiet; ``None`` where nobody can be asked.
        self.prober: Prober | None = None

    def another_pace(self, now: float) -> None:
        """Forget the pace: the connection carries less from now on."""
        self.pulse, self.data = Pace(now), Pace(now)

    def silent_at(self, limit: float) -> float:
        """
        Say when this connection is dead if nothing is heard until then.

        Args:
            limit: Seconds of silence after which any connection is.

        """
        pulse = self.pulse.patience()
        ends = self.pulse.heard + (limit if pulse is None else min(limit, pulse))
        data = self.data.patience()
        return ends if data is None else min(ends, self.data.heard + data)
