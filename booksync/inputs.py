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
    "Failed",
    "Input",
    "Opened",
    "Removed",
    "Resubscribed",
    "Subscribed",
    "Ticked",
]


class _Input(Struct, frozen=True, tag_field="event", omit_defaults=True):
    pass


class Opened(_Input, frozen=True, tag="open"):
    """A connection opened; it is to carry ``symbols``. ``conn`` was never used."""

    conn: int
    symbols: tuple[str, ...]


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


class Resubscribed(_Input, frozen=True, tag="resubscribe"):
    """The time of a ``Resubscribe`` has come."""

    symbol: str


class Answered(_Input, frozen=True, tag="answer"):
    """
    A snapshot request was answered; in a recording the body follows it.

    ``audit`` says that it was asked for to check the live book, not to replace it.
    """

    symbol: str
    request: int
    status: int
    depth: int | None = None
    url: str = ""
    body: bytes = b""
    audit: bool = False


class Failed(_Input, frozen=True, tag="failed"):
    """A snapshot request came to nothing below the venue's protocol."""

    symbol: str
    request: int
    reason: str = ""


class Ticked(_Input, frozen=True, tag="tick"):
    """Time passed: a deadline of the engine came."""


Input = (
    Opened
    | Closed
    | Subscribed
    | Removed
    | Asked
    | Resubscribed
    | Answered
    | Failed
    | Ticked
)
