"""
The synchronizer: one book, one state machine; no I/O, no clock, no chance.

Feed it what happened; it returns what to tell the user (events) and what the shell
must do (commands). Time is an argument, so a recorded day replays in milliseconds
and always to the same end.

    OFFLINE --connected--> SYNCING --joined--> LIVE
       ^                    |   ^               |
       |                    |   +--- gap, … ----+
       +--- disconnected, halted, rejected -----+

While SYNCING, deltas are buffered (or, where the stream itself sends the snapshot,
dropped: a new snapshot follows every subscribe). A snapshot is loaded into the
withheld book and the buffer is drained onto it:

* it does not reach the buffer's beginning: too old, fetch again, keep the buffer;
* a delta follows it, straddles it, or ends exactly at it: joined, go live;
* nothing does: the market may be quiet. Wait ``quiet_wait`` for a delta, then go live
  *unbridged*: right as of the snapshot, and the next delta must still join.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from booksync.asking import Asking
from booksync.auditing import Former, audit
from booksync.book import Book
from booksync.buffering import Buffer
from booksync.edge import Edge
from booksync.errors import MalformedMessage
from booksync.events import (
    Changed,
    Check,
    Desynced,
    Drift,
    Gap,
    Halted,
    Malformed,
    Output,
    Resumed,
    Synced,
    Verdict,
)
from booksync.frozen import FrozenBook
from booksync.lateness import Lateness
from booksync.messages import Delta, Snapshot
from booksync.policy import Policy, Way
from booksync.states import (
    FAULTS,
    TRANSITIONS,
    UNBELIEVED,
    Cause,
    Relation,
    Scope,
    State,
    relate,
)
from booksync.status import Counts, Ledger, Status

__all__ = ["TRANSITIONS", "Policy", "Relation", "Synchronizer", "Way", "relate"]


#: Looked up once: CPython 3.11 takes long for a member of an Enum.
LIVE = State.LIVE
#: Deltas between two looks at the edge of the window.
LOOK = 64
#: Recent deltas that a book remembers while it waits for an answer.
RECENT = 256


class Synchronizer:
    """
    Keeps one book equal to the venue's, or says that it is not.

    Each input returns a list of outputs: events for the user, commands for whoever
    does the I/O. Inputs that do not apply (a tick before its time, a disconnect
    while offline) return an empty list and are harmless.

    Args:
        symbol: The venue's own spelling.
        policy: See :class:`Policy`.
        book: An empty book to keep; by default an exact one.
        keep_last: Keep a frozen copy of a book that stops being live, in ``last``.

    >>> sync = Synchronizer("BTCUSDT")
    >>> sync.connected(now=0.0)
    [FetchSnapshot(symbol='BTCUSDT', request=1, at=0.0, attempt=0)]
    >>> sync.receive(Delta("BTCUSDT", 99, 101, [("9.5", "1")], []), now=0.1)
    []
    >>> snapshot = Snapshot("BTCUSDT", 100, [("9.5", "3")], [("9.6", "2")])
    >>> sync.receive_snapshot(snapshot, now=0.2, request=1)
    [Synced(symbol='BTCUSDT', sequence=101, unbridged=False, overlap=True, drift=None)]
    >>> sync.book.best_bid
    Level(price=Decimal('9.5'), size=Decimal('1'))

    """

    def __init__(  # noqa: PLR0915 - one book's life has these parts
        self,
        symbol: str,
        policy: Policy | None = None,
        *,
        book: Book | None = None,
        keep_last: bool = False,
    ) -> None:
        self.symbol = symbol
        self.policy = policy or Policy()
        self.state = State.OFFLINE
        self.cause = Cause.DISCONNECTED
        self.since: float | None = None
        #: The book; every read raises :exc:`BookNotLive` while it is withheld.
        self.book = Book(symbol) if book is None else book
        self.last: FrozenBook | None = None
        self.counts = Counts()
        self.ledger = Ledger()
        self.unbridged = False
        self.overlap = False
        #: Time of the last message for this book.
        self.heard: float | None = None
        #: Set when :meth:`deadline` may have changed; cleared by who reads it.
        self.dirty = False
        self._keep_last = keep_last
        limits = self.policy.max_buffer, self.policy.max_buffer_levels
        self._buffer = Buffer(*limits)
        self._asking = Asking(symbol, self.policy)
        # Nothing was applied since the snapshot: a straddling delta may join it.
        self._fresh = False
        # Nothing is pending on the next delta: it may take the short way.
        self._settled = False
        self._quiet_at: float | None = None
        # So many levels may come before sides are looked at for being too long.
        self._room = 0
        self._crossed = 0
        self._crossed_at: float | None = None
        self._stale = 0
        self._stale_since = 0.0
        self._time: float | None = None
        # Withheld for its age alone: a recent delta that fits ends that.
        self._aged = False
        age = self.policy.max_age
        self._lateness = None if age is None else Lateness(age)
        # The withheld book is one that was served: its drift is worth a report.
        self._served = False
        self._former: Former | None = None
        self._ring: deque[Delta] = deque(maxlen=self.policy.ring or RECENT)
        #: Whether recent deltas are remembered, so that an audit can be decided.
        self.remembers = self.policy.ring > 0
        part, pause = self.policy.refresh, self.policy.refresh_pause
        self._edge = None if part is None else Edge(part, pause)
        # A snapshot ahead of the book: to be compared once the book is there.
        self._ahead: Snapshot | None = None
        self.book.withhold(self.cause.value)

    def __repr__(self) -> str:
        """``<Synchronizer BTCUSDT live@1234>``."""
        return f"<Synchronizer {self.symbol} {self.state.value}@{self.book.sequence}>"

    # -- inputs -------------------------------------------------------------------

    def connected(self, now: float) -> list[Output]:
        """Note that the stream is open and subscribed. Idempotent."""
        if self.state is not State.OFFLINE or self.cause is Cause.REJECTED:
            return []
        self.heard = now
        self._move(Cause.CONNECTED, now)
        return self._ask(now, first=True)

    def disconnected(
        self,
        now: float,
        cause: Cause = Cause.DISCONNECTED,
        scope: Scope = Scope.CONNECTION,
    ) -> list[Output]:
        """Note that the stream is gone, and why. Idempotent."""
        if self.state is State.OFFLINE:
            return []
        outputs = self._withhold(cause, now, scope=scope)
        self._drop_buffer()
        return outputs

    def receive(self, delta: Delta, now: float) -> list[Output]:
        """
        Take a delta that arrived on the stream. O(k log n) for k levels.

        Args:
            delta: What the venue module made of the frame.
            now: When it was received, in seconds.

        """
        self.counts.received += 1
        if self._settled and delta.prev == self.book.sequence < delta.last:
            self.heard = now
            return self._apply(delta, now)
        return self._receive_slow(delta, now)

    def receive_snapshot(
        self, snapshot: Snapshot, now: float, *, request: int | None = None
    ) -> list[Output]:
        """
        Take a snapshot.

        Args:
            snapshot: What the venue module made of it.
            now: When it was received, in seconds.
            request: The number of the :class:`FetchSnapshot` that it answers; a
                number that is not the current one is refused. ``None`` for one that
                came in the stream: it replaces the book at any time.

        """
        if self.state is State.OFFLINE:
            return []
        self._hear(snapshot.time, now)
        if self._is_late(snapshot, request):
            self.counts.late += 1
            return []
        self.counts.snapshots += 1
        was_live = self.live
        caught_up = self._caught_up(snapshot.time, now)
        refused = self._load(snapshot, now)
        if refused or not caught_up:
            return refused
        if was_live:
            watched = self._watch(now)
            gone = any(type(output) is Desynced for output in watched)
            changed = Changed(self.symbol, message=snapshot)
            return watched if gone else [changed, *watched]
        if request is None and self.policy.way is not Way.FETCH:
            return self._go_live(now)
        return self._join(now)

    def snapshot_failed(self, request: int, now: float) -> list[Output]:
        """Note that a :class:`FetchSnapshot` came to nothing; another follows."""
        return self._retry(now) if self._asking.answers(request) else []

    def lost(self, expected: int, got: int, now: float) -> list[Output]:
        """Note that a message of the whole connection is missing."""
        if self.state is State.OFFLINE:
            return []
        return self._desync(Cause.LOST, now, expected=expected, got=got)

    def checked(self, checksum: int, now: float) -> list[Output]:
        """Compare the live book with a checksum that the venue sent."""
        if self.state is not State.LIVE or self._checksum_agrees(checksum):
            return []
        return self._desync(Cause.CHECKSUM, now)

    def distrust(self, cause: Cause, now: float) -> list[Output]:
        """Withhold a book that somebody else found wrong, and ask for a snapshot."""
        return [] if self.state is State.OFFLINE else self._desync(cause, now)

    def halted(self, message: Halted, now: float) -> list[Output]:
        """The venue stopped this market."""
        outputs = self._withhold(Cause.HALTED, now)
        self._drop_buffer()
        return [*outputs, message]

    def resumed(self, message: Resumed, now: float) -> list[Output]:
        """The venue reopened this market."""
        if self.state is not State.OFFLINE:
            return [message]
        self._move(Cause.RESUMED, now)
        return [message, *self._ask(now)]

    def rejected(self, now: float) -> list[Output]:
        """The venue refuses this symbol, for good."""
        outputs = self._withhold(Cause.REJECTED, now)
        self._drop_buffer()
        return outputs

    def retired(self, now: float) -> None:
        """Another took its place: nothing is lost, and nothing is said."""
        self._drop_buffer()
        self.counts.buffered = 0
        if self.state is not State.OFFLINE:
            self._move(Cause.CLOSING, now)
            self.book.withhold(self.cause.value)
            self._forget()

    def deadline(self) -> float | None:
        """When :meth:`tick` is next due, in seconds; ``None`` if nothing is."""
        due = (self._quiet_at, self._asking.due, self._crossed_at, self._aged_at())
        return min((at for at in due if at is not None), default=None)

    def tick(self, now: float) -> list[Output]:
        """Time has passed. Harmless when nothing is due."""
        if self._quiet_at is not None and now >= self._quiet_at:
            self._quiet_at = None
            self.unbridged = True
            return self._go_live(now)
        if self._crossed_at is not None and now >= self._crossed_at:
            return self._desync(Cause.CROSSED, now)
        if self._asking.due is not None and now >= self._asking.due:
            return self._retry(now, overdue=True)
        aged_at = self._aged_at()
        if aged_at is not None and now >= aged_at:
            outputs = self._withhold(Cause.AGED, now)
            self._aged = True
            if self._lateness is not None:
                self._lateness.restart()
            return outputs
        return []

    def _aged_at(self) -> float | None:
        if self.policy.max_age is None or self.heard is None or not self.live:
            return None
        return self.heard + self.policy.max_age

    def audit(self, snapshot: Snapshot, now: float) -> list[Output]:
        """
        Compare the live book with a snapshot; only if it differs it is withheld.

        A book that matches takes the snapshot's window, and with it what lies between
        its own and that. A snapshot ahead of the book waits for it.
        """
        if self.state is not State.LIVE:
            return []
        if snapshot.sequence > self.book.sequence:
            self._ahead = snapshot
            self._settled = False
            return []
        self._ahead = None
        event, shadow = audit(
            self.book,
            snapshot,
            self._ring,
            exact_overlap=self.policy.exact_overlap,
        )
        self._remember_no_more()
        if event.verdict is Verdict.INCONCLUSIVE:
            self.counts.inconclusive += 1
            return [event]
        self.counts.audits += 1
        if event.verdict is Verdict.DIFFERING:
            return [event, *self._desync(Cause.DRIFT, now)]
        self.book.adopt(shadow)
        self._room = 0
        self._see_edge()
        self.overlap = False
        return [event]

    def settle(self, now: float) -> list[Output]:
        """No more will come: take a quiet market's snapshot as it stands."""
        return [] if self._quiet_at is None else self.tick(max(now, self._quiet_at))

    def restore(
        self,
        snapshot: Snapshot | None,
        deltas: Sequence[Delta],
        asked: tuple[int, bool],
        now: float,
        *,
        fresh: bool,
    ) -> None:
        """
        Go on where a checkpoint was made (:func:`booksync.seeding.plant`).

        Args:
            snapshot: The live book; ``None`` if it was not live.
            deltas: What was buffered.
            asked: As :attr:`asked` was.
            now: Seconds.
            fresh: As :attr:`fresh` was.

        """
        self.heard = now
        self._move(Cause.CONNECTED, now)
        for delta in deltas:
            self._keep(delta)
        self.counts.received += len(deltas)
        if snapshot is not None:
            self.book.load(snapshot, now=now)
            self._fresh = fresh
            self._time = snapshot.time
            self._go_live(now)
        self._asking.request, self._asking.waiting = asked

    # -- reading ------------------------------------------------------------------

    @property
    def awaited(self) -> int | None:
        """Number of the snapshot request under way; ``None`` if there is none."""
        return self._asking.request if self._asking.waiting else None

    @property
    def asked(self) -> tuple[int, bool]:
        """Number of the last snapshot request, and whether it is awaited."""
        return self._asking.request, self._asking.waiting

    @property
    def buffered(self) -> tuple[Delta, ...]:
        """Deltas that wait for a snapshot, oldest first."""
        return tuple(self._buffer)

    @property
    def fresh(self) -> bool:
        """Whether no delta was applied since the snapshot."""
        return self._fresh

    @property
    def live(self) -> bool:
        """Whether the book can be read."""
        return self.state is LIVE

    def status(self, now: float | None = None) -> Status:
        """Return what is known of the book's trust, as one record. O(1)."""
        self.counts.buffered = len(self._buffer)
        return Status(
            symbol=self.symbol,
            state=self.state,
            cause=self.cause,
            since=self.since,
            sequence=self.book.sequence if self.live else None,
            unbridged=self.unbridged,
            overlap=self.overlap,
            age=None if now is None or self.heard is None else now - self.heard,
            counts=self.counts.copy(),
            withheld=self.ledger.withheld(now),
            desyncs_by=self.ledger.desyncs.copy(),
            resyncs_by=self.ledger.resyncs.copy(),
        )

    # -- receiving ----------------------------------------------------------------

    def _write(self, delta: Delta, now: float) -> list[Output] | None:
        """Write a delta to the book; what it returns says that this failed."""
        try:
            self.book.apply(delta, now=now)
        except MalformedMessage as error:
            self.counts.refused += 1
            return self._refuse(str(error), now)
        self.counts.applied += 1
        self._room -= len(delta.bids) + len(delta.asks)
        if self._room < 0 and not self._has_room():
            return self._refuse(f"more than {self.policy.max_levels} levels", now)
        if delta.checksum is not None and not self._checksum_agrees(delta.checksum):
            return self._desync(Cause.CHECKSUM, now, got=delta.checksum)
        self._time = delta.time
        return None

    def _apply(self, delta: Delta, now: float) -> list[Output]:
        failed = self._write(delta, now)
        if failed is not None:
            return failed
        changed: list[Output] = [Changed(self.symbol, message=delta)]
        if self.counts.applied % LOOK == 0:
            changed += self._look(now)
        if self.remembers:  # this one, too, if it was what made it ask
            self._ring.append(delta)
        if self._crossed or self.book.crossed:
            changed += self._watch(now)
            if not self.live:  # there is no book to read: it is withheld at once
                return changed[1:]
        return changed

    def _has_room(self) -> bool:
        """Look how far the larger side may grow: it gains a level at most by each."""
        self._room = self.policy.max_levels - self.book.largest
        return self._room >= 0

    def _receive_slow(self, delta: Delta, now: float) -> list[Output]:
        if self.state is State.OFFLINE:
            self.counts.discarded += 1
            return []
        self._hear(delta.time, now)
        if self.state is State.SYNCING:
            return self._hold(delta, now)
        relation = relate(delta, self.book.sequence)
        if relation is Relation.STALE:
            return self._note_stale(delta, now)
        self._stale = 0
        if relation is Relation.GAP or (
            relation is Relation.OVERLAP and not self._may_overlap
        ):
            sequence = self.book.sequence
            self.counts.gaps += 1
            outputs = self._desync(Cause.GAP, now, expected=sequence, got=delta.prev)
            self._keep(delta)
            return outputs
        self._note_joined(relation)
        return self._met(self._apply(delta, now), now)

    def _met(self, outputs: list[Output], now: float) -> list[Output]:
        """Compare with the snapshot that was ahead, once the book is there."""
        ahead = self._ahead
        if ahead is not None and self.live:
            if self.book.sequence >= ahead.sequence:
                told = self.audit(ahead, now)
                if any(type(output) is Desynced for output in told):
                    outputs.pop(0)  # no book is left that changed
                outputs += told
            else:
                self._settled = False
        return outputs

    @property
    def _may_overlap(self) -> bool:
        return self._fresh and self.policy.way is Way.FETCH

    def _note_joined(self, relation: Relation) -> None:
        self._fresh = self.unbridged = False
        self._settled = True
        if relation is Relation.OVERLAP and not self.policy.exact_overlap:
            self.overlap = True

    def _note_stale(self, delta: Delta, now: float) -> list[Output]:
        """A repeat is harmless; numbers that went back without a word are not."""
        self.counts.stale += 1
        if not self._stale:
            self._stale_since = now
        self._stale += 1
        self._settled = False  # the next delta that fits ends the run
        newer = not self._fresh and _restarted(delta, self.book.sequence, self._time)
        worn = (
            self._stale >= self.policy.stale_deltas
            or now - self._stale_since >= self.policy.stale_seconds
        )
        if newer or worn:
            sequence = self.book.sequence
            return self._desync(Cause.RESET, now, expected=sequence, got=delta.last)
        return []

    def _hold(self, delta: Delta, now: float) -> list[Output]:
        """Buffer a delta, or let it join a snapshot that waits for it."""
        if self._aged:
            return self._revive(delta, now)
        if self.policy.way is not Way.FETCH:
            self.counts.discarded += 1
            return []
        holes = self._holes(delta)
        self._keep(delta)
        return holes if self._quiet_at is None else [*holes, *self._join(now)]

    def _hear(self, time: float | None, now: float) -> None:
        self.heard = now
        if self._lateness is not None and not self._aged:
            self._lateness.heard(time, now)

    def _revive(self, delta: Delta, now: float) -> list[Output]:
        """A book that was withheld for its age catches up, if nothing is missing."""
        relation = relate(delta, self.book.sequence)
        if relation is Relation.STALE:
            self.counts.stale += 1
            return []
        if relation is Relation.NEXT:
            if self._caught_up(delta.time, now):
                return [*self._go_live(now), *self._apply(delta, now)]
            return self._bring(delta, now)
        self.counts.gaps += 1
        gap = Gap(self.symbol, expected=self.book.sequence, got=delta.prev)
        outputs = self._desync(Cause.GAP, now)
        self._keep(delta)
        return [gap, *outputs]

    def _caught_up(self, time: float | None, now: float) -> bool:
        """Whether a message of that time shows the book of now; if not, it is late."""
        if self._lateness is None or not self._aged:
            return True
        # Our own queue: it was too old when the book was found to be.
        if now <= (self.since or 0.0) - (self.policy.max_age or 0.0):
            return False
        return self._lateness.caught_up(time, now)

    def _bring(self, delta: Delta, now: float) -> list[Output]:
        """Write a delta to the withheld book; what it returns says that this failed."""
        failed = self._write(delta, now)
        if failed is None and self.remembers:
            self._ring.append(delta)
        return failed or []

    def _holes(self, delta: Delta) -> list[Output]:
        """See what is missing between the last buffered delta and this one."""
        if not self._buffer:
            return []
        newest = self._buffer.newest
        end = newest.last
        if _restarted(delta, end, newest.time):
            self._drop_buffer()
            return []
        if relate(delta, end) is not Relation.GAP:
            return []
        self.counts.gaps += 1
        return [Gap(self.symbol, expected=end, got=delta.prev)]

    def _keep(self, delta: Delta) -> None:
        fetched = self.policy.way is Way.FETCH
        self.counts.discarded += self._buffer.keep(delta) if fetched else 1

    def _drop_buffer(self) -> None:
        self.counts.discarded += self._buffer.drop()

    def _is_late(self, snapshot: Snapshot, request: int | None) -> bool:
        """Whether something newer was asked for, or is in the book already."""
        if request is not None:
            return not self._asking.answers(request)
        older = self.live and snapshot.sequence < self.book.sequence
        return self.policy.newest and older

    def _load(self, snapshot: Snapshot, now: float) -> list[Output]:
        """Replace the book's levels; what it returns says that this failed."""
        self._asking.answered()
        if self._served:
            self._former, self._served = Former(self.book), False
        try:
            self.book.load(snapshot, now=now)
        except MalformedMessage as error:
            return self._refuse(str(error), now)
        if not self._checksum_agrees(snapshot.checksum):
            return self._desync(Cause.CHECKSUM, now, got=snapshot.checksum)
        self._fresh = True
        self._room = 0
        self._settled = False
        self._quiet_at = None
        return []

    # -- joining ------------------------------------------------------------------

    def _join(self, now: float) -> list[Output]:
        """Drain the buffer onto the loaded snapshot."""
        joined = False
        while self._buffer:
            sequence = self.book.sequence
            relation = relate(self._buffer.oldest, sequence)
            if relation is Relation.GAP or (
                relation is Relation.OVERLAP and not self._may_overlap
            ):
                return self._too_old(now)
            delta = self._buffer.take()
            if self._former is not None:
                self._former.take(delta)
            if relation is Relation.STALE:
                self.counts.stale += 1
                joined = joined or delta.last == sequence
                continue
            self._note_joined(relation)
            failed = self._bring(delta, now)
            if failed:
                return failed
            joined = True
        return self._joined(now, joined=joined)

    def _too_old(self, now: float) -> list[Output]:
        """The snapshot does not reach the buffer: keep that, within reason."""
        if self._asking.too_old():
            self._drop_buffer()
        return self._retry(now)

    def _joined(self, now: float, *, joined: bool) -> list[Output]:
        if joined:
            return self._go_live(now)
        if self._quiet_at is None:
            self._quiet_at = now + self.policy.quiet_wait
            self.dirty = True
        return []

    def _go_live(self, now: float) -> list[Output]:
        self._asking.succeeded()
        self._aged = False
        self._quiet_at = None
        self._move(Cause.JOINED, now)
        self._settled = not self._fresh
        self.book.reveal()
        self._see_edge()
        drift = self._drift(now)
        self.ledger.synced(now)
        synced = Synced(
            self.symbol,
            self.book.sequence,
            unbridged=self.unbridged,
            overlap=self.overlap,
            drift=drift,
        )
        return [synced, *self._watch(now)]

    def _drift(self, now: float) -> Drift | None:
        former, self._former = self._former, None
        self._served = False
        if former is None or self.ledger.since is None:
            return None
        return former.drift(self.book, now - self.ledger.since)

    # -- the window ---------------------------------------------------------------

    def _see_edge(self) -> None:
        if self._edge is not None:
            self._edge.known(self.book)

    def _look(self, now: float) -> list[Output]:
        """Ask for a snapshot beside the live book when its window runs short."""
        self._hear(self._time, now)
        if self._edge is None or not self._edge.near(self.book, now):
            return []
        self.remembers = True
        return [Check(self.symbol)]

    def _remember_no_more(self) -> None:
        """Forget recent deltas, unless audits come at any time."""
        if not self.policy.ring:
            self.remembers = False
            self._ring.clear()

    # -- trust --------------------------------------------------------------------

    def _checksum_agrees(self, theirs: int | None) -> bool:
        compute = self.policy.checksum
        if theirs is None or compute is None:
            return True
        bids, asks = self.book.hashed(self.policy.checksum_levels)
        agrees = compute(bids, asks, self.symbol) == theirs
        if agrees:
            self.counts.checksums_passed += 1
        else:
            self.counts.checksums_failed += 1
        return agrees

    def _watch(self, now: float) -> list[Output]:
        """Give a crossed book a few messages to uncross."""
        if not (self.policy.suspicious and self.book.crossed):
            self.dirty = self.dirty or self._crossed > 0
            self._crossed = 0
            self._crossed_at = None
            return []
        self._crossed += 1
        if self._crossed >= self.policy.crossed_deltas:
            return self._desync(Cause.CROSSED, now)
        if self._crossed_at is None:
            self._crossed_at = now + self.policy.crossed_seconds
            self.dirty = True
        return []

    def _refuse(self, reason: str, now: float) -> list[Output]:
        """A message in its right place has levels that no book can hold."""
        malformed = Malformed(self.symbol, reason)
        return [malformed, *self._desync(Cause.MALFORMED, now)]

    def _desync(
        self,
        cause: Cause,
        now: float,
        *,
        expected: int | None = None,
        got: int | None = None,
    ) -> list[Output]:
        """Withhold the book, if it is not withheld yet, and ask for a snapshot."""
        was_live = self.state is State.LIVE
        scope = Scope.CONNECTION if cause is Cause.LOST else Scope.SYMBOL
        outputs = self._withhold(cause, now, scope=scope, expected=expected, got=got)
        self._drop_buffer()
        if was_live:
            return [*outputs, *self._ask(now)]
        return [*outputs, *self._retry(now)]

    def _withhold(
        self,
        cause: Cause,
        now: float,
        *,
        scope: Scope = Scope.SYMBOL,
        expected: int | None = None,
        got: int | None = None,
    ) -> list[Output]:
        was_live = self.state is State.LIVE
        if was_live:
            self.counts.desyncs += 1
            self.ledger.desynced(cause, now)
            self._served = cause not in (Cause.MALFORMED, Cause.RESET)
            if self._keep_last:
                believed = cause not in UNBELIEVED
                self.last = self.book.freeze() if believed else None
        self._move(cause, now)
        self.book.withhold(cause.value)
        self._forget()
        if not was_live:
            return []
        return [
            Desynced(self.symbol, cause, expected=expected, got=got, scope=scope),
        ]

    def _forget(self) -> None:
        self.unbridged = self.overlap = False
        self._fresh = self._settled = self._aged = False
        self._asking.answered()
        self._ahead = None
        self._ring.clear()
        self._remember_no_more()
        self._quiet_at = self._crossed_at = None
        self._crossed = self._stale = 0

    def _retry(self, now: float, *, overdue: bool = False) -> list[Output]:
        self._quiet_at = None
        self.cause = Cause.RETRY if self.cause is Cause.CONNECTED else self.cause
        return self._asked(self._asking.again(now, overdue=overdue))

    def _ask(self, now: float, *, first: bool = False) -> list[Output]:
        return self._asked(self._asking.ask(now, first=first))

    def _asked(self, commands: list[Output]) -> list[Output]:
        self.counts.requests += len(commands)
        self.dirty = True
        return commands

    def _move(self, cause: Cause, now: float) -> None:
        self.state = TRANSITIONS[self.state][cause]
        self.cause = cause
        self.since = now
        self.dirty = True
        if self.state is State.SYNCING and cause in FAULTS:
            self.counts.resyncs += 1
            self.ledger.resynced(cause)


def _restarted(delta: Delta, sequence: int, time: float | None) -> bool:
    """Newer by the venue's clock, older by its numbers: these started again."""
    older = delta.last < sequence and not delta.reset
    return older and (delta.time or 0.0) > (time or math.inf)
