"""
Who is fetched next: books that are being read, then first come, within the budget.

Pure: time is an argument. Every ticket has a key that never changes while it waits: the
time at which it was asked for, less a head start where somebody reads the book. The
smallest key goes first. So a ticket is overtaken only by books that are read and are
asked for within the head start: none waits for ever.

What will happen is found by doing it: :meth:`Scheduler.forecast` runs a copy of itself
to the end.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Hashable, Iterable
from typing import NamedTuple, Protocol

from booksync.budget import Budget

__all__ = ["Owner", "Scheduler", "Ticket"]

#: Seconds by which a book that is read goes before others.
HEAD_START = 3600.0
#: Requests under way at once.
AT_ONCE = 8
#: Seconds that an answer takes, until one has come.
FIRST_JOURNEY = 0.25
#: Newest durations whose median is expected next: one that is odd changes nothing.
MEMORY = 15
#: Tickets that were replaced and are still held.
SLACK = 1_000
#: A forecast holds so many seconds for each ticket in it, and never less than one.
FORECAST_AGE = 0.001


class Owner(Hashable, Protocol):
    """Who asks: it is told when its turn may have come."""

    def wake(self) -> None:
        """Ask :meth:`Scheduler.take` again, soon."""


class Ticket(NamedTuple):
    """
    A request that waits, in the order of its going.

    Args:
        key: The smallest goes first.
        order: Among equal keys.
        due: Not before this time.
        owner: Who sends it.
        symbol: Whose snapshot.
        weight: What the venue charges.

    """

    key: float
    order: int
    due: float
    owner: Owner
    symbol: str
    weight: int

    @property
    def whose(self) -> tuple[Owner, str]:
        """What there is one ticket for."""
        return self.owner, self.symbol


class Scheduler:
    """
    All requests that wait for one budget, of however many feeds.

    Args:
        budget: What the venue allows.
        at_once: Requests that may be under way at once.

    """

    def __init__(self, budget: Budget, *, at_once: int = AT_ONCE) -> None:
        self.budget = budget
        # Seconds from sending to the answer, and from there until the book is live.
        self._journeys: deque[float] = deque([FIRST_JOURNEY], maxlen=MEMORY)
        self._joins: deque[float] = deque([0.0], maxlen=MEMORY)
        self._answered: dict[tuple[Owner, str], float] = {}
        #: Seconds for which the budget held back what was due, as last asked.
        self.held = 0.0
        self._at_once = at_once
        self._order = itertools.count()
        self._owners: set[Owner] = set()
        self._waiting: dict[tuple[Owner, str], Ticket] = {}
        # When a symbol was first asked for since it was last sent: a ticket that
        # replaces another keeps its place.
        self._since: dict[tuple[Owner, str], tuple[float, int]] = {}
        self._later: list[tuple[float, Ticket]] = []
        self._ready: list[Ticket] = []
        self._under_way: dict[Ticket, float] = {}
        self._forecast: dict[tuple[Owner, str], float] = {}
        self._forecast_until = -math.inf

    # -- asking -----------------------------------------------------------------------

    def join(self, owner: Owner) -> None:
        """Wake ``owner`` whenever somebody else makes room."""
        self._owners.add(owner)

    def leave(self, owner: Owner) -> None:
        """Forget an owner and all that it asked for."""
        self._owners.discard(owner)
        for whose in [whose for whose in self._since if whose[0] is owner]:
            self.forget(*whose)
        for whose in [whose for whose in self._answered if whose[0] is owner]:
            del self._answered[whose]
        self._changed()

    def ask(
        self, owner: Owner, symbol: str, weight: int, due: float, *, read: bool
    ) -> None:
        """Take a ticket; it replaces the one that ``symbol`` has. O(log n)."""
        place = due, next(self._order)
        since, order = min(place, self._since.get((owner, symbol), place))
        self._since[owner, symbol] = since, order
        self._answered.pop((owner, symbol), None)
        key = since - (HEAD_START if read else 0.0)
        ticket = Ticket(key, order, due, owner, symbol, weight)
        self._waiting[ticket.whose] = ticket
        heapq.heappush(self._later, (due, ticket))
        self._forecast_until = -math.inf
        if len(self._later) + len(self._ready) > 2 * len(self._waiting) + SLACK:
            self._later = [(each.due, each) for each in self._waiting.values()]
            self._ready = []
            heapq.heapify(self._later)

    def prefer(self, owner: Owner, symbol: str) -> None:
        """Note that somebody waits for ``symbol``. O(log n)."""
        held = self._waiting.get((owner, symbol))
        if held is None or held.key <= self._since[held.whose][0] - HEAD_START:
            return
        self.ask(owner, symbol, held.weight, held.due, read=True)

    def withdraw(self, owner: Owner, symbol: str) -> None:
        """Take the ticket back; who asks again soon has its old place."""
        self._waiting.pop((owner, symbol), None)

    def forget(self, owner: Owner, symbol: str) -> None:
        """Take the ticket back for good."""
        self.withdraw(owner, symbol)
        self._since.pop((owner, symbol), None)
        self._answered.pop((owner, symbol), None)

    def waiting(self, owner: Owner) -> int:
        """Tickets of ``owner`` that wait. O(n)."""
        return sum(whose[0] is owner for whose in list(self._waiting))

    # -- sending ----------------------------------------------------------------------

    def take(self, owner: Owner, now: float) -> Ticket | float | None:
        """
        Take the ticket of ``owner`` that is to be sent now.

        Returns:
            A ticket, whose weight is spent; tell :meth:`done` of it. Or the seconds
            after which to ask again; ``None`` if nothing will change by itself.

        """
        head = self._head(now)
        if head is not None and head.owner is not owner:
            self.held = max(self.budget.wait(head.weight, now), 0.0)
            return self.held or None
        found = self._take(head, now)
        if isinstance(found, Ticket):
            self._changed(owner)
        return found

    def spare(
        self, owner: Owner, symbol: str, weight: int, now: float
    ) -> Ticket | None:
        """Take a ticket out of turn, if that delays nobody and leaves half over."""
        reserve = weight + self.budget.limit // 2
        if self._waiting or len(self._under_way) >= self._at_once:
            return None
        if self.budget.wait(reserve, now) > 0 or self.budget.take(weight, now) > 0:
            return None
        ticket = Ticket(now, next(self._order), now, owner, symbol, weight)
        self._under_way[ticket] = now
        return ticket

    def done(self, ticket: Ticket, now: float) -> None:
        """Note that what was sent is answered, or given up."""
        sent = self._under_way.pop(ticket)
        self.budget.settle(ticket.weight, now)
        self._journeys.append(now - sent)
        self._answered[ticket.whose] = now
        self._changed()

    def joined(self, owner: Owner, symbol: str, now: float) -> None:
        """Note that the book is live."""
        answered = self._answered.pop((owner, symbol), None)
        if answered is not None:
            self._joins.append(now - answered)

    def stop(self, seconds: float, now: float) -> None:
        """Send nothing for so long."""
        self.budget.stop(seconds, now)
        self._forecast_until = -math.inf

    def _changed(self, by: Owner | None = None) -> None:
        for owner in self._owners:
            if owner is not by:
                owner.wake()

    def _head(self, now: float) -> Ticket | None:
        """Return the ticket whose turn is next, if one is due."""
        later, ready = self._later, self._ready
        while later and later[0][0] <= now:
            heapq.heappush(ready, heapq.heappop(later)[1])
        while ready and self._waiting.get(ready[0].whose) is not ready[0]:
            heapq.heappop(ready)
        while later and self._waiting.get(later[0][1].whose) is not later[0][1]:
            heapq.heappop(later)
        return ready[0] if ready else None

    def _take(self, head: Ticket | None, now: float) -> Ticket | float | None:
        soon = self._later[0][0] - now if self._later else None
        self.held = 0.0
        if head is None:
            return soon
        if len(self._under_way) >= self._at_once:
            return None
        self.held = pause = self.budget.take(head.weight, now)
        if pause > 0:
            return pause if soon is None else min(pause, soon)
        heapq.heappop(self._ready)
        del self._waiting[head.whose]
        self._since.pop(head.whose, None)
        self._under_way[head] = now
        return head

    # -- looking ahead ----------------------------------------------------------------

    def expected(self, owner: Owner, symbol: str, now: float) -> float | None:
        """
        Seconds until ``symbol`` is expected to be live; ``None`` if none is asked.

        O(1), but for a forecast every second at most: O(n log n) for n tickets.
        """
        answer = self._answer_at((owner, symbol), now)
        return None if answer is None else max(0.0, answer + usual(self._joins) - now)

    def _answer_at(self, whose: tuple[Owner, str], now: float) -> float | None:
        """When the answer came, or is expected."""
        if whose in self._waiting:
            if now >= self._forecast_until:
                self._forecast = self.forecast(now)
                count = len(self._forecast)
                self._forecast_until = now + max(1.0, count * FORECAST_AGE)
            return self._forecast.get(whose, now)
        for ticket, sent in list(self._under_way.items()):
            if ticket.whose == whose:
                return max(now, sent + usual(self._journeys))
        return self._answered.get(whose)

    def forecast(self, now: float) -> dict[tuple[Owner, str], float]:
        """When each ticket that waits is expected to be answered. O(n log n)."""
        ahead, journey = self._copy(), usual(self._journeys)
        ends = [(max(now, at + journey), t) for t, at in ahead._under_way.items()]  # noqa: SLF001
        heapq.heapify(ends)
        found: dict[tuple[Owner, str], float] = {}
        while ahead._waiting:  # noqa: SLF001 - a copy of itself
            while ends and ends[0][0] <= now:
                at, ticket = heapq.heappop(ends)
                ahead.done(ticket, at)
            pause = ahead._take(ahead._head(now), now)  # noqa: SLF001
            if isinstance(pause, Ticket):
                heapq.heappush(ends, (now + journey, pause))
                found[pause.whose] = now + journey
                continue
            steps = [] if pause is None else [now + pause]
            steps += [ends[0][0]] if ends else []
            # Forward in any case: the clock's own grain may swallow a short pause.
            now = max(min(steps), math.nextafter(now, math.inf))
        return found

    def _copy(self) -> Scheduler:
        made = Scheduler(self.budget.copy(), at_once=self._at_once)
        made._waiting = dict(self._waiting)
        made._later, made._ready = list(self._later), list(self._ready)
        made._under_way = dict(self._under_way)
        return made


def usual(durations: Iterable[float]) -> float:
    """Return the median of them, the upper of two."""
    found = sorted(durations)
    return found[len(found) // 2]
