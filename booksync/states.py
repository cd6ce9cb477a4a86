"""States, causes and the one table of moves; how a delta stands to a book."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from booksync.messages import Delta

__all__ = [
    "ENDINGS",
    "FAULTS",
    "TRANSITIONS",
    "UNBELIEVED",
    "Cause",
    "Relation",
    "Scope",
    "State",
    "relate",
]


class State(enum.Enum):
    """Whether a book can be trusted, and if not, what it waits for."""

    #: No connection, or no market. The book is withheld.
    OFFLINE = "offline"
    #: Connected; waiting for a snapshot that joins the stream. Withheld.
    SYNCING = "syncing"
    #: The book equals the venue's book as of ``book.sequence``.
    LIVE = "live"


class Cause(enum.Enum):
    """Why a state changed. Also the label in logs and metrics."""

    #: The stream is open and subscribed.
    CONNECTED = "connected"
    #: The connection ended.
    DISCONNECTED = "disconnected"
    #: A snapshot and the stream fit together.
    JOINED = "joined"
    #: A delta is missing.
    GAP = "gap"
    #: A message of the whole connection is missing.
    LOST = "lost"
    #: The book stayed crossed.
    CROSSED = "crossed"
    #: The venue's checksum differs from ours.
    CHECKSUM = "checksum"
    #: The venue's numbering went back without a word.
    RESET = "reset"
    #: An audit found other levels than the book has.
    DRIFT = "drift"
    #: The last message is older than the user allows.
    AGED = "aged"
    #: A delta in its right place has levels that no book can hold.
    MALFORMED = "malformed"
    #: Nothing was heard for too long.
    SILENT = "silent"
    #: No snapshot came, or it was refused, or too old: another is asked for.
    RETRY = "retry"
    #: The venue announces that it will close the connection.
    CLOSING = "closing"
    #: The venue halted the market.
    HALTED = "halted"
    #: The venue reopened the market.
    RESUMED = "resumed"
    #: The venue refuses the symbol.
    REJECTED = "rejected"


class Scope(enum.Enum):
    """How far a fault reaches."""

    SYMBOL = "symbol"
    CONNECTION = "connection"


#: Causes that withhold a live book and ask for a snapshot.
FAULTS = (
    Cause.GAP,
    Cause.LOST,
    Cause.CROSSED,
    Cause.CHECKSUM,
    Cause.RESET,
    Cause.MALFORMED,
    Cause.DRIFT,
)
#: Faults that show wrong levels in the book itself: it is not served again in any way.
UNBELIEVED = (Cause.CROSSED, Cause.CHECKSUM, Cause.MALFORMED, Cause.DRIFT)
#: Causes that end a book's stream.
ENDINGS = (
    Cause.DISCONNECTED,
    Cause.SILENT,
    Cause.CLOSING,
    Cause.HALTED,
    Cause.REJECTED,
)

TRANSITIONS: Mapping[State, Mapping[Cause, State]] = {
    State.OFFLINE: {
        Cause.CONNECTED: State.SYNCING,
        Cause.RESUMED: State.SYNCING,
        **dict.fromkeys(ENDINGS, State.OFFLINE),
    },
    State.SYNCING: {
        Cause.JOINED: State.LIVE,
        Cause.RETRY: State.SYNCING,
        **dict.fromkeys(FAULTS, State.SYNCING),
        **dict.fromkeys(ENDINGS, State.OFFLINE),
    },
    State.LIVE: {
        Cause.AGED: State.SYNCING,
        **dict.fromkeys(FAULTS, State.SYNCING),
        **dict.fromkeys(ENDINGS, State.OFFLINE),
    },
}
"""Every legal move. Any other is a bug and raises :exc:`KeyError`."""


class Relation(enum.Enum):
    """How a delta stands to a book. See :func:`relate`."""

    #: The book already has all of it.
    STALE = "stale"
    #: The book has some of it.
    OVERLAP = "overlap"
    #: It starts where the book ends.
    NEXT = "next"
    #: Something between the book and the delta is missing.
    GAP = "gap"


def relate(delta: Delta, sequence: int) -> Relation:
    """
    Say how the changes ``(delta.prev, delta.last]`` stand to ``sequence``.

    An empty delta that begins and ends at ``sequence`` is a venue's sign of life.

    >>> relate(Delta("X", 100, 102, [], []), 100)
    <Relation.NEXT: 'next'>
    """
    if delta.reset:
        return Relation.NEXT if delta.prev == sequence else Relation.GAP
    if delta.last <= sequence:
        alive = delta.prev == delta.last == sequence
        empty = not delta.bids and not delta.asks
        return Relation.NEXT if alive and empty else Relation.STALE
    if delta.prev < sequence:
        return Relation.OVERLAP
    return Relation.NEXT if delta.prev == sequence else Relation.GAP
