"""Budgets and queues that all feeds of a process share."""

from __future__ import annotations

import asyncio
import time
import weakref
from pathlib import Path

from booksync.budget import Budget
from booksync.scheduling import Scheduler
from booksync.sharing import SharedBudget

__all__ = ["budget_of", "queue_of"]

#: Budgets kept before those are looked for that nobody needs any more.
ROOM = 64

#: One budget of requests, or of connection attempts, for each venue, host and file.
_budgets: dict[tuple[str, str, str], Budget] = {}
#: One queue for each budget, in each event loop; it goes with the last feed.
_queues: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, weakref.WeakValueDictionary[Budget, Scheduler]
] = weakref.WeakKeyDictionary()


def budget_of(
    venue: str, host: str, limit: int, window: float, *, file: str | Path = ""
) -> Budget:
    """
    Return the budget of all feeds of this venue here, or on this machine.

    It outlives its feeds for as long as something in it counts: whoever closes one feed
    and opens the next must not spend anew, nor forget that the venue said stop.

    Args:
        venue: The venue's id.
        host: To whom the requests, or the connections, go.
        limit: Weight that the venue allows in any window, where there is none yet.
        window: Its length in seconds.
        file: Shared by all processes that name it.

    Raises:
        ConfigurationError: If the file cannot be used.

    """
    key = venue, host, str(file)
    found = _budgets.get(key)
    if found is None:
        if len(_budgets) >= ROOM:
            _forget(time.time())
        found = (
            SharedBudget(file, limit, window, name=f"{venue} {host}")
            if file
            else Budget(limit, window)
        )
        _budgets[key] = found
    return found


def _forget(now: float) -> None:
    """Forget budgets in which nothing counts, and that no feed holds."""
    idle = [key for key, budget in _budgets.items() if _idle(budget.copy(), now)]
    # Whatever is still there once we hold it no longer, somebody else holds.
    seen = {key: weakref.ref(_budgets.pop(key)) for key in idle}
    for key, reference in seen.items():
        held = reference()
        if held is not None:
            _budgets[key] = held


def _idle(budget: Budget, now: float) -> bool:
    return budget.used(now) == 0 and budget.stopped_until <= now


def queue_of(budget: Budget) -> Scheduler:
    """Return the queue of all feeds of this event loop that share ``budget``."""
    loop = asyncio.get_running_loop()
    queues = _queues.setdefault(loop, weakref.WeakValueDictionary())
    return queues.setdefault(budget, Scheduler(budget))
