"""What is known of a book's trust, as plain records."""

from __future__ import annotations

import copy

from msgspec import Struct

from booksync.states import Cause, State

__all__ = ["Counts", "FeedCounts", "Ledger", "Status"]


class Counts(Struct):
    """
    What happened to a book's messages since it was made.

    For deltas: ``received = applied + stale + refused + discarded + buffered``.

    Args:
        received: Deltas that arrived.
        applied: Deltas written into the book.
        stale: Deltas that the book already had.
        refused: Deltas in their right place with levels that no book can hold.
        discarded: Deltas dropped: no connection, no snapshot yet, buffer full.
        buffered: Deltas waiting for a snapshot now.
        gaps: Deltas that showed a hole before them.
        desyncs: Times that the live book was withheld.
        resyncs: Times that a snapshot was needed again, a fault being the cause.
        requests: Snapshots asked for.
        snapshots: Snapshots received.
        late: Answers refused because something newer had been asked for.
        audits: Audits that matched or differed.
        inconclusive: Audits that could not be decided.
        checksums_passed: Checksums that agreed.
        checksums_failed: Checksums that did not.

    """

    received: int = 0
    applied: int = 0
    stale: int = 0
    refused: int = 0
    discarded: int = 0
    buffered: int = 0
    gaps: int = 0
    desyncs: int = 0
    resyncs: int = 0
    requests: int = 0
    snapshots: int = 0
    late: int = 0
    audits: int = 0
    inconclusive: int = 0
    checksums_passed: int = 0
    checksums_failed: int = 0

    def add(self, other: Counts) -> None:
        """Count also what ``other`` counted."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def copy(self) -> Counts:
        """Return a copy that no longer changes."""
        return copy.copy(self)


class FeedCounts(Struct):
    """
    What happened on all connections.

    Args:
        frames: Frames received.
        malformed: Frames, bodies and levels that could not be used.
        foreign: Messages for symbols that were not subscribed.
        late_frames: Frames of a connection that had been given up.
        connects: Connections opened.
        disconnects: Connections that ended.

    """

    frames: int = 0
    malformed: int = 0
    foreign: int = 0
    late_frames: int = 0
    connects: int = 0
    disconnects: int = 0


class Ledger:
    """
    Why, how often and for how long one book was taken from its readers.

    Time runs from the first time live on: before that nobody had a book to lose.
    """

    def __init__(self) -> None:
        #: Times that the live book was withheld, by cause.
        self.desyncs: dict[Cause, int] = {}
        #: Times that a fault cost a snapshot, by cause.
        self.resyncs: dict[Cause, int] = {}
        #: Since when it is withheld; ``None`` while live, and before that.
        self.since: float | None = None
        self._over = 0.0

    def copy(self) -> Ledger:
        """Return a copy that goes its own way."""
        made = copy.copy(self)
        made.desyncs, made.resyncs = self.desyncs.copy(), self.resyncs.copy()
        return made

    def desynced(self, cause: Cause, now: float) -> None:
        """Note that the live book is withheld from ``now`` on."""
        self.desyncs[cause] = self.desyncs.get(cause, 0) + 1
        self.since = now

    def resynced(self, cause: Cause) -> None:
        """Note that a fault costs a snapshot."""
        self.resyncs[cause] = self.resyncs.get(cause, 0) + 1

    def synced(self, now: float) -> None:
        """Note that the book is live again. Idempotent."""
        self._over = self.withheld(now)
        self.since = None

    def withheld(self, now: float | None) -> float:
        """Seconds withheld in all; without ``now`` only what is over."""
        if now is None or self.since is None:
            return self._over
        return self._over + now - self.since


class Status(Struct, frozen=True, kw_only=True):
    """
    How far a book can be trusted.

    Args:
        symbol: Whose book.
        state: Whether it can be read.
        cause: Why it is in this state.
        since: When it came into it, in seconds.
        sequence: The venue's number of its last change; ``None`` unless live.
        unbridged: Live, but no delta has joined its snapshot yet.
        overlap: Joined by a straddling delta where that may be inexact.
        age: Seconds since the last message for it.
        counts: See :class:`Counts`.
        withheld: Seconds that it could not be read since it first was live, with those
            that run.
        desyncs_by: Times that the live book was withheld, by cause.
        resyncs_by: Times that a fault cost a snapshot, by cause.
        waiting: Served as it was, until another line has caught up with it.
        rotating: Another connection is made ready to replace that of one line.
        line: Which line is served, where there are several.
        lines: The states of all lines, likewise; the last of them is the one made ready
            while ``rotating``.
        live_in: Seconds until it is expected to be live, by its place in the queue for
            snapshots, the weights before it and the venue's orders to stop; ``None``
            if it is live, or nothing is asked for it now.

    """

    symbol: str
    state: State
    cause: Cause
    since: float | None
    sequence: int | None
    unbridged: bool
    overlap: bool
    age: float | None
    counts: Counts
    withheld: float = 0.0
    desyncs_by: dict[Cause, int] = {}
    resyncs_by: dict[Cause, int] = {}
    waiting: bool = False
    rotating: bool = False
    line: int = 0
    lines: tuple[State, ...] = ()
    live_in: float | None = None
