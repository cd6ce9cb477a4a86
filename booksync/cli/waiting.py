"""Says so when books do not go live: a feed tries for ever, a user wants to know."""

from __future__ import annotations

import signal

from booksync.cli.ladder import trust
from booksync.cli.output import complain
from booksync.events import Event, Synced
from booksync.feed import Feed

__all__ = ["Patience"]

#: Seconds until the first word, and between two.
PATIENCE = 10.0


class Patience:
    """
    Which books never were live.

    Args:
        feed: Whose books.

    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._live: set[str] = set()
        self._next: float | None = None

    @property
    def missing(self) -> list[str]:
        """Symbols of the books that never were live."""
        return [symbol for symbol in self._feed.symbols if symbol not in self._live]

    def note(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Synced):
            self._live.add(event.symbol)

    def tick(self, now: float) -> None:
        """Say what is waited for, every now and then."""
        if self._next is None:
            self._next = now + PATIENCE
        if now < self._next:
            return
        self._next = now + PATIENCE
        for symbol in self.missing[:10]:
            complain(f"still waiting for {self._why(symbol)}")

    def verdict(self, stopped: signal.Signals | None) -> int:
        """Give the exit status; complain of books that never were live."""
        if stopped is not None:
            return 0
        for symbol in self.missing[:10]:
            complain(f"never live: {self._why(symbol)}")
        return 1 if self.missing else 0

    def _why(self, symbol: str) -> str:
        status = self._feed.status(symbol)
        counts = status.counts
        asked = f"{counts.requests} snapshots asked for, {counts.snapshots} came"
        return f"{symbol}: {trust(status)}, {asked}"
