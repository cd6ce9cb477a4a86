"""
What comes out of the core: events for the user, commands for the shell.

Events match by position as far as design and README promise; all the rest of an
event is keyword-only, so it may grow.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from booksync.messages import Delta, Halted, Rejected, Resumed, Snapshot
from booksync.states import Cause, Scope

__all__ = [
    "Audited",
    "Changed",
    "Check",
    "Command",
    "Desynced",
    "Drift",
    "Event",
    "FetchSnapshot",
    "Gap",
    "Halted",
    "LineFilled",
    "LineLost",
    "Malformed",
    "Output",
    "Reconnect",
    "Rejected",
    "Resubscribe",
    "Resumed",
    "Rotate",
    "Send",
    "Synced",
    "Verdict",
]


class _Of(Struct, frozen=True, gc=False):
    symbol: str


class _OfSequence(_Of, frozen=True, gc=False):
    sequence: int


class _OfCause(_Of, frozen=True, gc=False):
    cause: Cause


class Drift(Struct, frozen=True, kw_only=True, gc=False):
    """
    How far a book that was withheld had come away from the new one.

    What arrived since is written over the old book first, where it was kept (venues
    whose snapshots are fetched): what differs then was wrong or missing, and nothing
    has mended it since. Elsewhere the market's own moves count as well.

    Args:
        compared: Levels compared: the best 200 a side, inside both known windows.
        differing: How many of them differ.
        seconds: For how long the book was withheld.

    """

    compared: int
    differing: int
    seconds: float


class Synced(_OfSequence, frozen=True, kw_only=True, gc=False):
    """
    The book is live as of ``sequence``.

    Args:
        symbol: Whose book.
        sequence: The venue's number of the last change in it.
        unbridged: No delta has joined the snapshot yet: the market is quiet.
        overlap: The delta that joined the snapshot straddles it, at a venue that may
            list net changes only: an audit has yet to agree.
        drift: How wrong the book was that this one replaces; ``None`` where there was
            none, where it was not replaced, or where its levels cannot be compared
            (malformed, or numbered anew).

    """

    unbridged: bool = False
    overlap: bool = False
    drift: Drift | None = None


class Changed(_Of, frozen=True, kw_only=True, gc=False):
    """
    A live book changed.

    Args:
        symbol: Whose book.
        message: What changed it: a delta, or a snapshot that the venue sent in its
            stream. Its levels are as on the wire; ``book.changes_since`` has them as
            numbers.

    """

    message: Delta | Snapshot


class Desynced(_OfCause, frozen=True, kw_only=True, gc=False):
    """
    The book is withheld until the next :class:`Synced`.

    Args:
        symbol: Whose book.
        cause: Why.
        expected: The number that should have come (a gap: what the delta should have
            followed; a checksum: ours).
        got: The number that came instead.
        scope: Whether the whole connection is concerned.

    """

    expected: int | None = None
    got: int | None = None
    scope: Scope = Scope.SYMBOL


class Gap(_Of, frozen=True, kw_only=True, gc=False):
    """
    A delta is missing among those that wait for a snapshot.

    On a live book a gap is :class:`Desynced` instead.

    Args:
        symbol: Whose book.
        expected: What the delta should have followed.
        got: What it follows instead.

    """

    expected: int
    got: int


class _OfLine(_Of, frozen=True, gc=False):
    line: int


class LineLost(_OfLine, frozen=True, kw_only=True, gc=False):
    """
    One of several lines lost something; the book is served from another, or waits.

    Args:
        symbol: Whose book.
        line: Which line, from 0.
        cause: Why.

    """

    cause: Cause


class LineFilled(_OfLine, frozen=True, kw_only=True, gc=False):
    """
    The book is served from this line from now on.

    Args:
        symbol: Whose book.
        line: Which line, from 0.
        sequence: Where its book stands: at what was last delivered, or beyond.

    """

    sequence: int


class Verdict(enum.Enum):
    """What an audit came to."""

    #: The snapshot, brought forward, has the book's levels.
    MATCHED = "matched"
    #: It has others: the book is wrong, and withheld.
    DIFFERING = "differing"
    #: They cannot be compared exactly.
    INCONCLUSIVE = "inconclusive"


class Audited(_Of, frozen=True, kw_only=True, gc=False):
    """
    A live book was compared with a snapshot, level by level.

    Args:
        symbol: Whose book.
        verdict: What came of it.
        sequence: Where both stood.
        compared: Levels compared: those inside both known windows.
        differing: How many of them differ.
        reason: Why it is inconclusive.

    """

    verdict: Verdict
    sequence: int
    compared: int = 0
    differing: int = 0
    reason: str = ""


class Malformed(Struct, frozen=True, gc=False):
    """
    A frame, a body or a level could not be used; it was counted and dropped.

    Args:
        symbol: Whose it was; ``None`` where that much could not be read.
        reason: What is wrong with it.
        connection: The connection's number; ``None`` for an answer to a request.

    """

    symbol: str | None
    reason: str
    connection: int | None = None


class FetchSnapshot(_Of, frozen=True, gc=False):
    """
    Command: fetch a snapshot, answer with ``request``.

    Args:
        symbol: Whose.
        request: Number to answer with: an answer to an earlier one is refused.
        at: Not before this time.
        attempt: How many came to nothing since the book was last live; the shell
            spreads later ones by chance, the core knows none.

    """

    request: int
    at: float
    attempt: int = 0


class Resubscribe(_Of, frozen=True, gc=False):
    """
    Command: end the symbol's subscription and subscribe again.

    ``at`` and ``attempt`` as for :class:`FetchSnapshot`.
    """

    at: float
    attempt: int = 0


class Check(_Of, frozen=True, gc=False):
    """
    Command: fetch a snapshot to compare the live book with, if there is room for it.

    It may be left undone: where it still matters, it is asked for again.

    Args:
        symbol: Whose.
        probe: The smallest snapshot will do: is there anything new?

    """

    probe: bool = False


class Reconnect(Struct, frozen=True, gc=False):
    """Command: close this connection and open another."""

    connection: int
    cause: Cause


class Rotate(Struct, frozen=True, gc=False):
    """Command: open a connection that is to replace this one; close neither."""

    connection: int


class Send(Struct, frozen=True, gc=False):
    """Command: send these frames on this connection, in order."""

    connection: int
    frames: tuple[str | bytes, ...]


Event = (
    Synced
    | Changed
    | Desynced
    | Gap
    | Audited
    | LineLost
    | LineFilled
    | Malformed
    | Halted
    | Resumed
    | Rejected
)
Command = FetchSnapshot | Check | Resubscribe | Reconnect | Rotate | Send
Output = Event | Command
