"""What a venue's protocol, and the user's patience, mean for one book."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

__all__ = ["Checksummer", "Policy", "Way"]


class Way(enum.Enum):
    """How a book gets its next snapshot."""

    #: By a request, answered with its number; deltas are buffered meanwhile.
    FETCH = "fetch"
    #: By subscribing again; deltas before it are dropped.
    RESUBSCRIBE = "resubscribe"
    #: By a new connection.
    RECONNECT = "reconnect"
    #: By waiting: each frame, or a periodic one, is a snapshot. A periodic one that is
    #: overdue is asked for.
    WAIT = "wait"


class Checksummer(Protocol):
    """Computes a venue's checksum from texts, best first."""

    def __call__(
        self,
        bids: Sequence[tuple[str, str]],
        asks: Sequence[tuple[str, str]],
        symbol: str,
    ) -> int:
        """Return the checksum as the venue would send it."""


class Policy(Struct, frozen=True, kw_only=True):
    """
    What a venue's protocol, and the user's patience, mean for one book.

    Args:
        way: How a snapshot is had.
        exact_overlap: A delta lists every level that it touched, so a straddling one
            joins a snapshot exactly; otherwise the book says *joined by overlap*.
        suspicious: A book that stays crossed costs a resync.
        checksum: Computes the venue's checksum; ``None`` where there is none.
        checksum_levels: Levels a side that it reads.
        max_buffer: Deltas held while a snapshot is on its way; the oldest go first.
        max_buffer_levels: Likewise for the levels in them.
        quiet_wait: Seconds that a snapshot waits for the first delta to join it.
        snapshot_wait: Seconds until a stream's snapshot is asked for again.
        answer_wait: Seconds until a snapshot that was asked for is asked for again;
            ``None`` where the shell reports every failure.
        newest: A snapshot older than the book is dropped (every frame is one).
        crossed_deltas: Deltas after which a crossed book is given up.
        crossed_seconds: Seconds after which it is.
        stale_deltas: Stale deltas in a row, on a live book, that mean a reset.
        stale_seconds: Seconds of nothing but stale deltas that mean the same.
        max_levels: Levels a side beyond which a book is given up as hostile.
        max_age: Seconds without a message after which a book is withheld; ``None``:
            any. A message that fits, and is no later than that, makes it live again.
        ring: Recent deltas remembered, so that an audit's snapshot can be brought
            forward; 0 where nothing is audited.
        refresh: Part of the room between the best price and the edge of the known
            window that must be left; when less is, a snapshot is asked for beside the
            live book, and widens the window. ``None``: never.
        refresh_pause: Seconds between two such questions, at least.
        probe_after: Seconds without a delta after which the venue is asked whether a
            book that was active, or a whole connection, is quiet, or its line dead;
            longer where its own pace is slow. ``None``: never.
        old_snapshots: Snapshots in a row that are older than the buffer, after which
            the buffer is given up: the numbers started again.
        retry_min: Seconds before the second attempt at a snapshot; doubles.
        retry_max: Upper end of that.

    """

    way: Way = Way.FETCH
    exact_overlap: bool = False
    suspicious: bool = True
    checksum: Checksummer | None = None
    checksum_levels: int = 25
    max_buffer: int = 10_000
    max_buffer_levels: int = 2_000_000
    quiet_wait: float = 1.0
    snapshot_wait: float = 10.0
    answer_wait: float | None = None
    newest: bool = False
    crossed_deltas: int = 5
    crossed_seconds: float = 5.0
    stale_deltas: int = 100
    stale_seconds: float = 10.0
    max_levels: int = 500_000
    max_age: float | None = None
    ring: int = 0
    refresh: float | None = None
    refresh_pause: float = 30.0
    probe_after: float | None = None
    old_snapshots: int = 5
    retry_min: float = 0.25
    retry_max: float = 30.0
