"""One connection as the core knows it: its books, its venue memory, its pace; pure."""

from __future__ import annotations

from typing import Any

from booksync.sync import Synchronizer

__all__ = ["Connection"]

#: The shortest silence, in seconds, that may mean a dead connection.
STALL = 2.5
#: Frames and seconds after which a connection's own pace is known.
KNOWN_FRAMES = 100
KNOWN_SECONDS = 10.0
#: Seconds for which the longest pause of a connection is remembered, at least.
PAUSES = 60.0


class Connection:
    """One connection's books and its venue memory."""

    __slots__ = (
        "ack_at",
        "books",
        "closing",
        "ended",
        "frames",
        "heard",
        "line",
        "longest",
        "number",
        "opened",
        "paused_since",
        "previous",
        "resubscribing",
        "session",
        "strangers",
        "waiting",
    )

    def __init__(self, number: int, session: Any, now: float) -> None:  # noqa: ANN401
        self.number = number
        self.line = 0
        self.session = session
        self.opened = self.heard = self.paused_since = now
        self.frames = 0
        #: Messages for symbols that were not subscribed here.
        self.strangers = 0
        #: The longest pause between two frames, lately and before that.
        self.longest = self.previous = 0.0
        self.books: dict[str, Synchronizer] = {}
        #: Subscribed, but nothing has confirmed it.
        self.waiting: set[str] = set()
        self.ack_at: float | None = None
        #: Unsubscribed, to be subscribed again once the venue confirms.
        self.resubscribing: set[str] = set()
        #: Unsubscribed for good: late frames of them are no fault.
        self.ended: set[str] = set()
        self.closing = False

    def patience(self, limit: float) -> float:
        """
        Seconds of silence that this connection is allowed, at most ``limit``.

        An active connection that falls silent is dead long before a quiet one may be
        called so: what counts is its own pace, and the longest pause it made lately.
        """
        if self.heard - self.paused_since > PAUSES:
            self.paused_since = self.heard
            self.previous, self.longest = self.longest, 0.0
        lived = self.heard - self.opened
        if self.frames < KNOWN_FRAMES or lived < KNOWN_SECONDS:
            return limit
        usual = 20 * lived / self.frames
        return min(limit, max(STALL, usual, 2 * max(self.longest, self.previous)))
