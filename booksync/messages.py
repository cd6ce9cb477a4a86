"""
What a venue said, once parsed: venue-neutral, immutable.

Every venue numbers its updates differently (``U``/``u``, ``pu``, ``prevSeqId``).
A venue module reduces all of them to one shape: a delta carries the changes
numbered ``(prev, last]``, so it continues a book exactly when
``delta.prev == book.sequence``.

Levels stay as the venue wrote them (text where the book is exact, float where the
user chose float); the book converts and checks each one once, when it applies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

__all__ = [
    "Checksum",
    "Closing",
    "Delta",
    "Halted",
    "Levels",
    "Lost",
    "Message",
    "Rejected",
    "Reply",
    "Resumed",
    "Snapshot",
    "Subscribed",
    "Unsubscribed",
    "Wire",
]

Wire = str | float | Decimal
"""A price or a size as decoded: text, ``Decimal`` or (``numbers=float``) float."""

Levels = Sequence[tuple[Wire, Wire]]
"""``(price, size)`` pairs in any order. Sizes are absolute; 0 removes the level."""


class Snapshot(Struct, frozen=True, gc=False):
    """
    The whole book, or its best levels, as of ``sequence``.

    Args:
        symbol: The venue's own spelling.
        sequence: Number of the last change that it contains.
        bids: Buy levels in any order.
        asks: Sell levels in any order.
        depth: Levels a side at which the venue cut it; ``None`` where it is the
            whole book. A side with fewer levels than this is whole, too.
        time: Venue time in seconds since 1970, where the venue says it.
        checksum: The venue's checksum of this state, where it sends one.

    """

    symbol: str
    sequence: int
    bids: Levels
    asks: Levels
    depth: int | None = None
    time: float | None = None
    checksum: int | None = None


class Delta(Struct, frozen=True, gc=False):
    """
    The changes numbered ``(prev, last]``.

    Args:
        symbol: The venue's own spelling.
        prev: Number of the last change before these.
        last: Number of the last of these.
        bids: Changed buy levels.
        asks: Changed sell levels.
        time: Venue time in seconds since 1970, where the venue says it.
        checksum: The venue's checksum of the book after this delta.
        reset: The venue restarts its numbering here, on purpose and in chain:
            ``last`` may be below ``prev``.

    """

    symbol: str
    prev: int
    last: int
    bids: Levels
    asks: Levels
    time: float | None = None
    checksum: int | None = None
    reset: bool = False


class Checksum(Struct, frozen=True):
    """The venue's checksum of a book as it stands after all that came before."""

    symbol: str
    value: int


class Subscribed(Struct, frozen=True):
    """The venue confirms these symbols."""

    symbols: tuple[str, ...]


class Unsubscribed(Struct, frozen=True):
    """The venue confirms that these symbols ended."""

    symbols: tuple[str, ...]


class Rejected(Struct, frozen=True):
    """
    The venue refuses these symbols.

    ``symbols`` is empty where the venue does not say which. Unless ``final`` (as for a
    limit on requests, or trouble of the server), they are subscribed again later.
    """

    symbols: tuple[str, ...]
    reason: str
    final: bool = True


class Reply(Struct, frozen=True):
    """The venue wants this frame at once, on the same connection (a pong)."""

    frame: str | bytes


class Lost(Struct, frozen=True):
    """
    A message of the *connection* is missing: every book on it is suspect.

    Only where the venue numbers per connection. ``expected`` and ``got`` are its
    numbers.
    """

    expected: int
    got: int


class Closing(Struct, frozen=True):
    """The venue announces that it will close this connection."""

    reason: str


class Halted(Struct, frozen=True):
    """The venue stopped this market (halt, delisting): its book says nothing."""

    symbol: str
    reason: str


class Resumed(Struct, frozen=True):
    """The venue reopened a halted market; a snapshot follows or is fetched."""

    symbol: str


Message = (
    Snapshot
    | Delta
    | Checksum
    | Subscribed
    | Unsubscribed
    | Rejected
    | Reply
    | Lost
    | Closing
    | Halted
    | Resumed
)
