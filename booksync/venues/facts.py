"""What a venue states about itself: facts, limits, requests, instruments."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

__all__ = [
    "Assurance",
    "Crossing",
    "Facts",
    "Heartbeat",
    "Instrument",
    "Limits",
    "Lists",
    "Numbering",
    "Request",
    "Resync",
    "Source",
]


class Assurance(enum.Enum):
    """How a lost delta of this venue shows itself."""

    #: Each delta names its predecessor.
    CHAINED = "chained"
    #: Numbers go up by one.
    COUNTED = "counted"
    #: Each delta covers a contiguous range of numbers.
    RANGED = "ranged"
    #: Deltas carry a checksum of the best levels, and no number.
    CHECKSUMMED = "checksummed"
    #: Only the order is known: a loss cannot be detected.
    ORDERED = "ordered"


class Lists(enum.Enum):
    """What a delta lists; decides whether an overlap with a snapshot is exact."""

    #: Every level that was touched, also those that moved and moved back.
    TOUCHED = "touched"
    #: Only levels that differ between its ends.
    NET = "net"
    #: Nobody knows: treated as ``NET``.
    UNKNOWN = "unknown"


class Crossing(enum.Enum):
    """What a crossed book means here."""

    #: A fault if it persists: costs a resync.
    SUSPICIOUS = "suspicious"
    #: Part of the market (auctions).
    NORMAL = "normal"
    #: Always present: readers want the uncrossed view.
    UNCROSS = "uncross"


class Numbering(enum.Enum):
    """What one run of sequence numbers covers."""

    SYMBOL = "symbol"
    CONNECTION = "connection"


class Source(enum.Enum):
    """Where a snapshot comes from."""

    #: A REST request.
    REST = "rest"
    #: The stream sends it after each subscribe.
    STREAM = "stream"
    #: A request frame on the stream's own connection.
    REQUEST = "request"
    #: Every frame is a whole book.
    EVERY_FRAME = "every-frame"


class Resync(enum.Enum):
    """What brings a new snapshot after a gap."""

    #: Fetch one (``Source.REST`` and ``Source.REQUEST``).
    FETCH = "fetch"
    #: Unsubscribe, wait for the answer, subscribe again.
    RESUBSCRIBE = "resubscribe"
    #: Open another connection.
    RECONNECT = "reconnect"
    #: Nothing to do: the next frame or a periodic snapshot replaces the book.
    WAIT = "wait"


class Limits(Struct, frozen=True, kw_only=True):
    """
    What the venue allows. Every number is the venue's own, or a safe guess below it.

    Args:
        symbols: Symbols put on one connection.
        symbols_per_frame: Symbols in one subscribe frame.
        messages: Client messages a second on one connection.
        connects: Connection attempts, per ``connects_window`` seconds.
        connects_window: See ``connects``.
        lifetime: Seconds after which the venue closes a connection by force.
        weight: REST weight allowed per ``weight_window`` seconds.
        weight_window: See ``weight``.
        used_weight_header: Response header that tells the weight used.
        frame_bytes: Largest frame accepted from the venue, after decompression.

    """

    symbols: int = 100
    symbols_per_frame: int = 50
    messages: float = 4.0
    connects: int = 60
    connects_window: float = 300.0
    lifetime: float | None = None
    weight: int = 600
    weight_window: float = 60.0
    used_weight_header: str | None = None
    frame_bytes: int = 16 * 1024 * 1024


class Facts(Struct, frozen=True, kw_only=True):
    """
    What is known of a venue's protocol, and how.

    Args:
        markets: For people: ``"spot"``, ``"USD-M futures"``.
        source: Where snapshots come from.
        assurance: How a loss shows itself.
        numbering: What the numbers run over; ``None`` where there are none.
        comparable: Numbers of snapshots and of deltas are of one run: a snapshot that
            is ahead of the stream has what the stream has yet to tell.
        lists: What deltas list.
        crossing: What a crossed book means.
        resync: What brings a new snapshot.
        snapshot_every: Seconds between the snapshots that a stream sends of itself;
            ``Resync.WAIT`` waits one and a half times as long, then reconnects.
        levels: Levels a side that the venue keeps, where it limits them.
        checksum: For people: what is hashed; ``None`` where there is none.
        acks: The venue confirms subscriptions.
        verified: What was checked on real frames, for people.
        unverified: What could not be confirmed: each is an option or unused.
        url: Where the facts stand.
        date: When they were read, ``YYYY-MM-DD``.

    """

    markets: str
    source: Source
    assurance: Assurance
    numbering: Numbering | None
    comparable: bool = True
    lists: Lists = Lists.UNKNOWN
    crossing: Crossing = Crossing.SUSPICIOUS
    resync: Resync
    snapshot_every: float | None = None
    levels: int | None = None
    checksum: str | None = None
    acks: bool = True
    verified: str = ""
    unverified: tuple[str, ...] = ()
    url: str
    date: str


class Request(Struct, frozen=True, kw_only=True):
    """
    One REST request, relative to the venue's REST base URL.

    ``path`` begins with a slash and is already escaped; ``weight`` is what the venue
    charges for it.
    """

    path: str
    params: Mapping[str, str] = {}
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    weight: int = 1


class Heartbeat(Struct, frozen=True, kw_only=True):
    """
    How a connection is kept, and found dead.

    Args:
        interval: Seconds between two frames made by :meth:`Venue.ping`; ``None``
            where the venue wants none.
        silence: Seconds without any frame after which the connection is presumed
            dead.

    """

    interval: float | None = None
    silence: float = 60.0


class Instrument(Struct, frozen=True, kw_only=True):
    """
    One market of a venue.

    Args:
        symbol: The venue's own spelling, as ``connect`` takes it.
        price_step: Smallest price step, where the venue gives one.
        size_step: Smallest size step, where the venue gives one.
        active: Whether it trades now.
        extra: What else the venue module itself needs (scales, precisions).

    """

    symbol: str
    price_step: Decimal | None = None
    size_step: Decimal | None = None
    active: bool = True
    extra: Mapping[str, Any] = {}
