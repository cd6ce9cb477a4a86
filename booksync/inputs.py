"""
What drives an engine, besides frames: made by the shell, recorded, replayed.

Each is one ``{"ch": "event", "event": …}`` record of a recording.
"""

from __future__ import annotations

from msgspec import Struct

from booksync.states import Cause

__all__ = [
    "Answered",
    "Asked",
    "Closed",
    "Compared",
    "Failed",
    "Held",
    "Input",
    "Opened",
    "Removed",
    "Resubscribed",
    "Seed",
    "Subscribed",
    "Ticked",
]


class _Input(Struct, frozen=True, tag_field="event", omit_defaults=True):
    pass


class Opened(_Input, frozen=True, tag="open"):
    """
    A connection opened; it is to carry ``symbols``. ``conn`` was never used.

    ``succeeds`` is the open connection of the same line that it is to replace; with
    ``audits``, that its books are only to be compared with.
    """

    conn: int
    symbols: tuple[str, ...]
    line: int = 0
    succeeds: int | None = None
    audits: bool = False


class Closed(_Input, frozen=True, tag="close"):
    """A connection ended."""

    conn: int
    cause: Cause = Cause.DISCONNECTED
    reason: str = ""


class Subscribed(_Input, frozen=True, tag="subscribe"):
    """More symbols are to be subscribed on an open connection."""

    conn: int
    symbols: tuple[str, ...]


class Removed(_Input, frozen=True, tag="remove"):
    """The user wants a symbol no longer."""

    symbol: str


class Asked(_Input, frozen=True, tag="ask"):
    """The time of a ``FetchSnapshot`` by request frame has come."""

    symbol: str
    request: int


class Compared(_Input, frozen=True, tag="compare"):
    """
    It is time to compare the books of a symbol's lines.

    A comparison that is under way comes to its end, whatever it found so far.
    """

    symbol: str


class Resubscribed(_Input, frozen=True, tag="resubscribe"):
    """The time of a ``Resubscribe`` has come."""

    symbol: str


class Answered(_Input, frozen=True, tag="answer"):
    """
    A snapshot request was answered; in a recording the body follows it.

    ``audit`` says that it was asked for to check the live book, not to replace it;
    ``probe``, that the book was quiet, and the smallest depth was asked for.
    """

    symbol: str
    request: int
    status: int
    depth: int | None = None
    url: str = ""
    body: bytes = b""
    audit: bool = False
    probe: bool = False


class Failed(_Input, frozen=True, tag="failed"):
    """A snapshot request came to nothing below the venue's protocol."""

    symbol: str
    request: int
    reason: str = ""


class Ticked(_Input, frozen=True, tag="tick"):
    """Time passed: a deadline of the engine came."""


class Held(Struct, frozen=True):
    """A delta that waited for a snapshot when the checkpoint was made."""

    prev: int
    last: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    time: float | None = None


class Seed(Struct, frozen=True):
    """
    One book at one moment, so that a recording can be cut there.

    Args:
        symbol: Whose.
        state: ``"live"`` or ``"syncing"``.
        sequence: Of a live book.
        bids: ``(price, size)`` texts of a live book, best first.
        asks: Likewise.
        window: Worst known prices, ``(bid, ask)``.
        time: Venue time of its last change.
        fresh: No delta was applied since its snapshot.
        unbridged: No delta has joined its snapshot yet.
        request: Number of the last snapshot request.
        waiting: Whether its answer is awaited.
        buffered: Deltas that wait for it.
        line: Which line's book.
        succeeds: The connection that its connection is to replace.
        audits: Or only to be compared with.

    """

    symbol: str
    state: str
    sequence: int = 0
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []
    window: tuple[str | None, str | None] = (None, None)
    time: float | None = None
    fresh: bool = False
    unbridged: bool = False
    request: int = 0
    waiting: bool = False
    buffered: list[Held] = []
    line: int = 0
    succeeds: int | None = None
    audits: bool = False


Input = (
    Opened
    | Closed
    | Subscribed
    | Removed
    | Asked
    | Compared
    | Resubscribed
    | Answered
    | Failed
    | Ticked
)
