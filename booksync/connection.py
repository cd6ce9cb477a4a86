"""One connection as the core knows it: its books, its venue memory, its pace; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from booksync.probing import RARELY, UNUSUAL, Prober
from booksync.sync import Synchronizer

__all__ = ["Connection", "connection_of"]

#: The shortest silence, in seconds, that may mean a dead connection.
STALL = 2.5
#: Frames and seconds after which a connection's own pace is known.
KNOWN_FRAMES = 100
KNOWN_SECONDS = 10.0
#: Seconds for which the longest pause of a connection is remembered, at least.
PAUSES = 60.0


class Pace:
    """How often something was heard, and the longest pause that it made lately."""

    __slots__ = ("count", "heard", "longest", "opened", "paused_since", "previous")

    def __init__(self, now: float) -> None:
        self.opened = self.heard = self.paused_since = now
        self.count = 0
        #: The longest pause, lately and before that.
        self.longest = self.previous = 0.0

    def beat(self, now: float) -> None:
        """Something was heard."""
        pause = now - self.heard
        if pause > self.longest:  # noqa: PLR1730 - half the price of max(), each frame
            self.longest = pause
        self.heard = now
        self.count += 1

    def usual(self) -> float | None:
        """Seconds of a usual pause; ``None`` while the pace is not known."""
        lived = self.heard - self.opened
        if self.count < KNOWN_FRAMES or lived < KNOWN_SECONDS:
            return None
        return lived / self.count

    def patience(self) -> float:
        """
        Seconds of silence that are no wonder; infinite while the pace is not known.

        An active connection that falls silent is dead long before a quiet one may be
        called so: what counts is its own pace, and the longest pause it made lately.
        """
        if self.heard - self.paused_since > PAUSES:
            self.paused_since = self.heard
            self.previous, self.longest = self.longest, 0.0
        usual = self.usual()
        if usual is None:
            return math.inf
        return max(STALL, 20 * usual, 2 * max(self.longest, self.previous))


class Connection:
    """One connection's books and its venue memory."""

    __slots__ = (
        "ack_at",
        "audits",
        "books",
        "closing",
        "data",
        "ended",
        "line",
        "number",
        "prober",
        "pulse",
        "refused",
        "renewed",
        "resubscribing",
        "rotating",
        "session",
        "strangers",
        "succeeds",
        "vouched",
        "waiting",
    )

    def __init__(self, number: int, session: Any, now: float) -> None:  # noqa: ANN401
        self.number = number
        self.line = 0
        self.session = session
        #: Of all frames, and of those with a message for a book: heartbeats may go on
        #: where nothing else does.
        self.pulse, self.data = Pace(now), Pace(now)
        #: When the venue itself last said that there was nothing to hear.
        self.vouched = now
        #: Messages for symbols that were not subscribed here.
        self.strangers = 0
        self.books: dict[str, Synchronizer] = {}
        #: Subscribed, but nothing has confirmed it.
        self.waiting: set[str] = set()
        self.ack_at: float | None = None
        #: Unsubscribed, to be subscribed again once the venue confirms.
        self.resubscribing: set[str] = set()
        #: How often in a row the venue refused to subscribe a symbol just now.
        self.refused: dict[str, int] = {}
        #: How often a symbol was subscribed again because nothing was heard of it.
        self.renewed: dict[str, int] = {}
        #: Unsubscribed for good: late frames of them are no fault.
        self.ended: set[str] = set()
        self.closing = False
        #: Another is to be opened in its place.
        self.rotating = False
        #: Which connection it is to replace; or, as an auditor, only to check.
        self.succeeds: int | None = None
        self.audits = False
        #: Asks about books that fell quiet; ``None`` where nobody can be asked.
        self.prober: Prober | None = None

    def another_pace(self, now: float) -> None:
        """Forget the pace: the connection carries less from now on."""
        self.pulse, self.data = Pace(now), Pace(now)

    def silent_at(self, limit: float, *, hard: bool) -> float:
        """
        Say when this connection is dead if nothing is heard until then.

        A venue that vouches for the silence (:meth:`ask_at`) gives it more time.

        Args:
            limit: Seconds of silence after which any connection is.
            hard: Nothing puts that off: frames come, however quiet the market is.

        """
        quiet = 2 * self._quiet()
        pulse, data = max(self.pulse.heard, self.vouched), self.data.patience()
        ends = min(
            pulse + max(self.pulse.patience(), quiet),
            max(self.data.heard, self.vouched) + max(data, quiet),
        )
        if hard:
            return min(ends, self.pulse.heard + limit)
        return min(ends, pulse + max(limit, quiet))

    def ask_at(self, limit: float) -> float:
        """
        Say when the venue is to be asked whether there is anything to hear.

        In time for an answer before :meth:`silent_at`; and the longer it has been
        quiet, the later again.

        Args:
            limit: Seconds of silence after which any connection is dead.

        """
        if self.prober is None or self.ack_at is not None:
            return math.inf
        usual = self.data.usual()
        wait = limit / 2 if usual is None else max(self.prober.after, UNUSUAL * usual)
        heard = max(self.data.heard, self.vouched)
        return max(heard + max(wait, self._quiet()), self.prober.pressed_at + wait)

    def _quiet(self) -> float:
        """Seconds for which the venue says that there was nothing to hear."""
        return min(RARELY, max(0.0, self.vouched - self.data.heard))


def connection_of(
    connections: Mapping[int, Connection], sync: Synchronizer
) -> Connection | None:
    """Find the open connection that carries a book; ``None`` if it is given up."""
    for at in connections.values():
        if at.books.get(sync.symbol) is sync and not at.closing:
            return at
    return None
