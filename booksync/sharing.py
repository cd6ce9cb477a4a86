"""
A budget that processes of one machine share by a file (SQLite).

The file holds what :meth:`Budget.parts` says, nothing else: each use of the budget is
one short transaction that reads it, does what :class:`Budget` does, and writes it back.
Nothing stays locked or open between two uses, so a process may die at any time: SQLite
rolls its transaction back, and what it had under way is forgotten after the lease.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from booksync.budget import Budget, Entries
from booksync.errors import ConfigurationError
from booksync.telling import tell

__all__ = ["SharedBudget"]

#: Seconds that a use waits for other processes; then it comes again after ``BUSY``.
PATIENCE = 0.01
BUSY = 0.1
#: Seconds after which what a process has under way counts as answered.
LEASE = 60.0
#: Seconds by which what others wrote may be later than our own reading of the clock.
LATE = 5.0
#: Orders that could not be written yet: the oldest go first.
MAX_PENDING = 10_000

_SCHEMA = "CREATE TABLE IF NOT EXISTS budgets (name TEXT PRIMARY KEY, parts BLOB)"
_Parts = tuple[float | None, Entries, Entries]
Found = TypeVar("Found")

#: What a use of the file may fail with; it is tried again at the next.
FAILURES = (sqlite3.Error, msgspec.DecodeError)
BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SharedBudget(Budget):
    """
    A :class:`Budget` of all processes that name the same file.

    Every use takes a file transaction (below a millisecond); while another process is
    in one for long, nothing is spent. Times must be of a clock that the processes
    share: seconds since 1970.

    Args:
        path: The file, on a local disk; made if it is not there.
        limit: Weight allowed in any window: the same in every process.
        window: Its length in seconds.
        name: Whose budget: one file can hold those of several venues.

    Raises:
        ConfigurationError: If the file cannot be used.

    """

    def __init__(
        self, path: str | Path, limit: int, window: float, *, name: str = ""
    ) -> None:
        super().__init__(limit, window, lease=LEASE)
        self.path = Path(path)
        self.name = name
        self._pending: deque[Callable[[], None]] = deque(maxlen=MAX_PENDING)
        self._inside = False
        self._warned = False
        try:
            with contextlib.closing(self._begin()) as file:
                self._read(file)
        except FAILURES as error:
            if not _busy(error):
                raise ConfigurationError(
                    f"cannot share a budget in {self.path}: {error}"
                ) from None

    def used(self, now: float) -> int:
        """Weight that counts at ``now``; as last known while others hold the file."""
        try:
            return self._alone(lambda: super(SharedBudget, self).used(now), now)
        except FAILURES:
            return super().used(now)

    def wait(self, weight: int, now: float) -> float:
        """Seconds until ``weight`` may be spent, as far as is known now."""
        try:
            return self._alone(lambda: super(SharedBudget, self).wait(weight, now), now)
        except FAILURES:
            return BUSY

    def take(self, weight: int, now: float) -> float:
        """Spend ``weight`` if it may be; never while others hold the file."""
        try:
            return self._alone(lambda: super(SharedBudget, self).take(weight, now), now)
        except FAILURES:
            return BUSY

    def spend(self, weight: int, now: float) -> None:
        """Note a request that is being sent."""
        self._note(lambda: super(SharedBudget, self).spend(weight, now), now)

    def settle(self, weight: int, now: float) -> None:
        """Note that a request was answered, or given up."""
        self._note(lambda: super(SharedBudget, self).settle(weight, now), now)

    def observe(self, used: int, now: float) -> None:
        """Take the venue's own count; what it has beyond ours was spent elsewhere."""
        self._note(lambda: super(SharedBudget, self).observe(used, now), now)

    def stop(self, seconds: float, now: float) -> None:
        """Send nothing for so long, in any process."""
        self._note(lambda: super(SharedBudget, self).stop(seconds, now), now)

    def _note(self, action: Callable[[], None], now: float) -> None:
        """Do it now; if others hold the file, again on what it says later."""
        try:
            self._alone(action, now)
        except FAILURES:
            self._pending.append(action)

    def _alone(self, action: Callable[[], Found], now: float) -> Found:
        """Do it in one transaction; one use within another is part of it."""
        if self._inside:
            return action()
        self._inside = True
        try:
            with contextlib.closing(self._begin()) as file:
                before = self._load(file, now)
                found = action()
                after = msgspec.json.encode(self.parts())
                if after != before:
                    file.execute(
                        "INSERT OR REPLACE INTO budgets VALUES (?, ?)",
                        (self.name, after),
                    )
                file.execute("COMMIT")
            self._pending.clear()
        except FAILURES as error:
            if not (_busy(error) or self._warned):
                self._warned = True
                tell("budget_unusable", path=self.path, reason=error)
            raise
        finally:
            self._inside = False
        return found

    def _begin(self) -> sqlite3.Connection:
        file = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        try:
            # What is in it is over in minutes: no need to wait for the disk.
            file.execute("PRAGMA synchronous = OFF")
            file.execute("BEGIN IMMEDIATE")
            file.execute(_SCHEMA)
        except sqlite3.Error:
            file.close()
            raise
        return file

    def _read(self, file: sqlite3.Connection) -> tuple[bytes | None, _Parts]:
        query = "SELECT parts FROM budgets WHERE name = ?"
        row = file.execute(query, (self.name,)).fetchone()
        if row is None:
            return None, (None, [], [])
        return row[0], msgspec.json.decode(row[0], type=_Parts)

    def _load(self, file: sqlite3.Connection, now: float) -> bytes | None:
        """Know what the file says, and what could not be written to it before."""
        raw, (stopped, under_way, done) = self._read(file)
        self.restore(
            -math.inf if stopped is None else stopped,
            [(_believed(at, now), weight) for at, weight in under_way],
            [(_believed(at, now), weight) for at, weight in done],
        )
        for action in self._pending:
            action()
        return raw


def _believed(at: float, now: float) -> float:
    """
    Take a time as it is, unless the clock it was read from was ahead of ours.

    A little later than ``now`` is usual: ours was read before we had the file.
    """
    return at if at <= now + LATE else now


def _busy(error: Exception) -> bool:
    """Whether others hold the file: nothing is wrong."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in BUSY_CODES
