"""
Two lines, one book: a loss on one line costs nothing while the other is whole.

Each line keeps its own book, and one of them is served. When it loses something, the
other's is served as soon as its sequence has reached what was last delivered; until
then the old book stays as it was, and the status says ``waiting``. Nothing is guessed
and nothing is mixed: what two lines cut differently cannot be put together.

Where numbers cannot be compared across connections, the other line is a hot standby:
it is served at once, with its own numbers.

A line may get an *heir*: another connection that is to take its place before the venue
ends it. The heir is served as soon as its book has reached what was last delivered, and
the line it replaces stands by until :meth:`Arbiter.succeeded`. Where numbers cannot be
compared, nothing but its levels shows how far the heir is: it is served once they are
those of the book that is served. If the line ends before, the heir's book is another
beginning, and the user is told so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import msgspec

from booksync.auditing import alike
from booksync.book import Book
from booksync.events import (
    Changed,
    Command,
    Desynced,
    LineFilled,
    LineLost,
    Output,
    Synced,
)
from booksync.frozen import FrozenBook
from booksync.states import UNBELIEVED, Cause, State
from booksync.status import Counts, Ledger, Status
from booksync.sync import Synchronizer

__all__ = ["Arbiter"]

#: Seconds between two looks at whether two books have the same levels: O(n) each.
LOOK = 0.1


class Arbiter:
    """
    Serves one symbol's book from several lines.

    Args:
        symbol: The venue's own spelling.
        lines: A synchronizer for each line.
        comparable: Sequences mean the same on every line.
        ledger: What the user lost so far.

    """

    def __init__(
        self,
        symbol: str,
        lines: Sequence[Synchronizer],
        *,
        comparable: bool,
        ledger: Ledger | None = None,
    ) -> None:
        self.symbol = symbol
        #: A synchronizer for each line; the heir of one of them is the last.
        self.lines = tuple(lines)
        #: The line that is served.
        self.active = 0
        self._comparable = comparable
        self._held: FrozenBook | None = None
        #: What the user lost, and for how long.
        self.ledger = ledger or Ledger()
        #: The line that has an heir.
        self._replaced: int | None = None
        #: The heir is only there to be compared with its line.
        self.auditing = False
        #: When it was last looked at whether the heir's levels are those served.
        self._looked = -math.inf
        #: When that is due again, in seconds; ``None`` if nothing happened since.
        self.look_at: float | None = None

    # -- reading --------------------------------------------------------------------

    @property
    def sync(self) -> Synchronizer:
        """The synchronizer of the line that is served."""
        return self.lines[self.active]

    @property
    def waiting(self) -> bool:
        """Whether the old book stays until the other line has caught up."""
        return self._held is not None

    @property
    def live(self) -> bool:
        """Whether there is a book to read."""
        return self.waiting or self.sync.live

    @property
    def state(self) -> State:
        """State of what is served."""
        return State.LIVE if self.live else self.sync.state

    @property
    def cause(self) -> Cause:
        """Why it is in this state."""
        return self.sync.cause

    @property
    def book(self) -> Book | FrozenBook:
        """The book that is served."""
        return self.sync.book if self._held is None else self._held

    @property
    def last(self) -> FrozenBook | None:
        """The last book that was live."""
        return self.sync.last

    @property
    def counts(self) -> Counts:
        """Counts of all lines together."""
        total = Counts()
        for sync in self.lines:
            total.add(sync.status().counts)
        return total

    @property
    def resyncs(self) -> dict[Cause, int]:
        """Times that a fault cost a snapshot, by cause, on all lines together."""
        total: Counter[Cause] = Counter()
        for sync in self.lines:
            total.update(sync.ledger.resyncs)
        return dict(total)

    def status(self, now: float | None = None) -> Status:
        """Status of what is served, with the counts of all lines."""
        status = self.sync.status(now)
        lines = self.lines[:-1] if self.auditing else self.lines
        return msgspec.structs.replace(
            status,
            state=self.state,
            sequence=self.book.sequence if self.live else None,
            waiting=self.waiting,
            line=self._named(self.active),
            rotating=self._replaced is not None and not self.auditing,
            lines=tuple(sync.state for sync in lines),
            counts=self.counts,
            withheld=self.ledger.withheld(now),
            desyncs_by=self.ledger.desyncs.copy(),
            resyncs_by=self.resyncs,
        )

    # -- a line and its heir ---------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the line that has an heir is needed no more."""
        line = self._replaced
        if line is None or self.waiting:
            return False
        if self.lines[line].state is State.OFFLINE:
            return True
        return self.lines[-1].live and self.active != line

    def expect(self, line: int, heir: Synchronizer, *, auditing: bool = False) -> None:
        """Let ``heir`` take the place of ``line`` as soon as its book is as far."""
        self.lines = (*self.lines, heir)
        self._replaced = line
        self.auditing = auditing

    @property
    def by_heir(self) -> bool:
        """Whether the heir is served, or waited for."""
        return self._is_heir(self.active)

    def succeeded(self, now: float) -> None:
        """Put the heir in its place; what was there is withheld."""
        line = self._replaced
        if line is None:
            return
        heir, old = self.lines[-1], self.lines[line]
        _absorb(heir, old, now)
        lines = (heir if sync is old else sync for sync in self.lines[:-1])
        self._end(line, tuple(lines))

    def abandoned(self, now: float) -> None:
        """Forget the heir, whose connection ended: the line itself goes on."""
        line = self._replaced
        if line is None:
            return
        _absorb(self.lines[line], self.lines[-1], now)
        self._end(line, self.lines[:-1])

    def _end(self, line: int, lines: tuple[Synchronizer, ...]) -> None:
        """Go on with ``lines``, without an heir; who was served by it has ``line``."""
        if self._is_heir(self.active):
            self.active = line
        self.lines, self._replaced, self.auditing = lines, None, False

    def _is_heir(self, line: int) -> bool:
        return self._replaced is not None and line == len(self.lines) - 1

    def _named(self, line: int) -> int:
        """Return a line's number as the user knows it: an heir has its line's."""
        replaced = self._replaced
        return line if replaced is None or not self._is_heir(line) else replaced

    def _inherits(self, now: float) -> bool:
        """Whether the line that is served has an heir, and that is as far."""
        self.look_at = None
        if self._replaced != self.active or self.waiting or self.auditing:
            return False
        served, heir = self.sync, self.lines[-1]
        if not (served.live and heir.live):
            return False
        if self._comparable:
            return heir.book.sequence >= served.book.sequence
        if now < self._looked + LOOK:
            self.look_at = self._looked + LOOK
            return False
        self._looked = now
        return alike(served.book, heir.book)

    # -- deciding -------------------------------------------------------------------

    def take(self, line: int, outputs: list[Output]) -> list[Output]:
        """
        Decide what the user sees of what happened on ``line``.

        Args:
            line: Whose outputs.
            outputs: What its synchronizer said.

        """
        found: list[Output] = []
        for output in outputs:
            if isinstance(output, Command):
                found.append(output)
            elif line == self.active and not self.waiting:
                found += self._from_active(output)
            else:
                found += self._from_other(line, output)
        if self._inherits(self.lines[line].heard or 0.0):
            found += self._switch(len(self.lines) - 1)
        self._account(line, found)
        return found

    def tick(self, now: float) -> list[Output]:
        """Look again what could not be looked at when something happened last."""
        due = self.look_at is not None and now >= self.look_at
        return self._switch(len(self.lines) - 1) if due and self._inherits(now) else []

    def _account(self, line: int, told: list[Output]) -> None:
        """Keep account of what the user is told; it happened on ``line`` just now."""
        since = self.lines[line].since or 0.0
        for output in told:
            if isinstance(output, Desynced):
                self.ledger.desynced(output.cause, since)
            elif isinstance(output, Synced):
                self.ledger.synced(since)

    def _from_active(self, output: Output) -> list[Output]:
        if not isinstance(output, Desynced):
            return [output]
        lost = LineLost(self.symbol, self._named(self.active), cause=output.cause)
        other = self._whole()
        if other is None:
            return [output]
        delivered = self.sync.book.sequence
        # An heir that never had the levels served may be behind them.
        unknown = not self._comparable and self._is_heir(other)
        reached = not self._comparable or self.lines[other].book.sequence >= delivered
        if reached and not unknown:
            return [lost, *self._switch(other)]
        if unknown or output.cause in UNBELIEVED:
            # Nothing that is right stands where the user was: say so.
            self.active = other
            return [output, Synced(self.symbol, self.sync.book.sequence)]
        self._held = self.sync.book.freeze_withheld()
        self.active = other
        return [lost]

    def _from_other(self, line: int, output: Output) -> list[Output]:
        """The line that is waited for, or one that stands by."""
        sync = self.lines[line]
        if isinstance(output, Desynced):
            return self._other_lost(line, output)
        if isinstance(output, Changed | Synced):
            if self._held is not None:  # whichever line gets there first
                if sync.book.sequence < self._held.sequence:
                    return []
                return self._switch(line)
            if isinstance(output, Synced) and not self.live:
                self.active = line
                return [output]
            return []
        return [output]

    def _other_lost(self, line: int, output: Desynced) -> list[Output]:
        if self._held is None or line != self.active:
            if self._is_heir(line):
                return []  # no line of the user's: the one it was to replace goes on
            return [LineLost(self.symbol, self._named(line), cause=output.cause)]
        # What was waited for is lost, too: nothing whole is left.
        self._held = None
        lost = LineLost(self.symbol, self._named(line), cause=output.cause)
        other = self._whole()
        return [lost, output] if other is None else [lost, *self._switch(other)]

    def _whole(self) -> int | None:
        """Return a line whose book is live."""
        for line, sync in enumerate(self.lines):
            if sync.live:
                return line
        return None

    def _switch(self, line: int) -> list[Output]:
        self._held = None
        self.active = line
        sequence = self.sync.book.sequence
        return [LineFilled(self.symbol, self._named(line), sequence=sequence)]


def _absorb(stays: Synchronizer, goes: Synchronizer, now: float) -> None:
    """Retire one synchronizer; what it counted is not forgotten."""
    goes.retired(now)
    stays.counts.add(goes.counts)
    for cause, times in goes.ledger.resyncs.items():
        stays.ledger.resyncs[cause] = stays.ledger.resyncs.get(cause, 0) + times
