"""
booksync keeps a local order book equal to the venue's, or says that it is not.

    async with booksync.connect("binance", "BTCUSDT") as feed:
        async for event in feed:
            ...
"""

from booksync.book import Book
from booksync.errors import (
    BookNotLive,
    BookSyncError,
    ConfigurationError,
    MalformedMessage,
    RecordingError,
    SubscriptionRejected,
    TransportError,
    VenueError,
)
from booksync.events import (
    Audited,
    Changed,
    Desynced,
    Drift,
    Event,
    Gap,
    Halted,
    LineFilled,
    LineLost,
    Malformed,
    Rejected,
    Resumed,
    Synced,
    Verdict,
)
from booksync.exact import Level
from booksync.feed import Feed, connect
from booksync.frozen import FrozenBook
from booksync.messages import Delta, Snapshot
from booksync.policy import Policy
from booksync.replaying import Replay, replay
from booksync.states import Cause, Scope, State
from booksync.status import Counts, Status
from booksync.sync import Synchronizer

__all__ = [
    "Audited",
    "Book",
    "BookNotLive",
    "BookSyncError",
    "Cause",
    "Changed",
    "ConfigurationError",
    "Counts",
    "Delta",
    "Desynced",
    "Drift",
    "Event",
    "Feed",
    "FrozenBook",
    "Gap",
    "Halted",
    "Level",
    "LineFilled",
    "LineLost",
    "Malformed",
    "MalformedMessage",
    "Policy",
    "RecordingError",
    "Rejected",
    "Replay",
    "Resumed",
    "Scope",
    "Snapshot",
    "State",
    "Status",
    "SubscriptionRejected",
    "Synced",
    "Synchronizer",
    "TransportError",
    "VenueError",
    "Verdict",
    "connect",
    "replay",
]
