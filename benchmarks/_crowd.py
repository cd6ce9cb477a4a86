"""
A thousand books disconnected at once, on a clock of its own: the scheduler alone.

``ratio``: the time until the last is live over the least that the budget allows. Weight
counts where the venue may count it: anywhere between a request and its answer.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from typing import Any

from booksync.budget import Budget
from booksync.scheduling import Scheduler, Ticket

__all__ = ["crowd"]

WINDOW = 60.0
#: When everything is asked what it expects, in seconds.
MOMENTS = (30.0, 300.0, 900.0, 1_800.0)


class Owner:
    """Who asks for all of them."""

    def wake(self) -> None:
        """Nobody sleeps here."""


class Clock:
    """Sends what may go, answers it in a fifth of a second to a second."""

    def __init__(self, books: int, weight: int, limit: int) -> None:
        self.queue = Scheduler(Budget(limit, WINDOW))
        self.owner = Owner()
        self.books = [f"S{n}" for n in range(books)]
        self.read = set(self.books[7::10])
        self.spans: list[tuple[float, float, str]] = []
        self.told: list[tuple[float, str, float]] = []
        self._chance = random.Random(5)
        self._under_way: list[tuple[float, Ticket, float]] = []
        for symbol in self.books:
            read = symbol in self.read
            self.queue.ask(self.owner, symbol, weight, 0.0, read=read)

    def run(self) -> None:
        now, moments = 0.0, [*MOMENTS]
        while len(self.spans) < len(self.books):
            found = self.queue.take(self.owner, now)
            if isinstance(found, Ticket):
                end = now + self._chance.uniform(0.2, 1.0)
                heapq.heappush(self._under_way, (end, found, now))
                continue
            times = [now + found + 1e-6] if found else []
            now = min(times + [each[0] for each in self._under_way[:1]] + moments[:1])
            if moments and now >= moments[0]:
                self._ask(moments.pop(0))
            while self._under_way and self._under_way[0][0] <= now:
                end, ticket, sent = heapq.heappop(self._under_way)
                self.queue.done(ticket, end)
                self.queue.joined(self.owner, ticket.symbol, end)
                self.spans.append((sent, end, ticket.symbol))

    def _ask(self, now: float) -> None:
        for symbol in self.books:
            left = self.queue.expected(self.owner, symbol, now)
            if left is not None:
                self.told.append((now, symbol, left))

    def wrong(self) -> float:
        """Return by how much an expected time was wrong at worst, a second aside."""
        live = {symbol: end for _, end, symbol in self.spans}
        return max(
            (abs(left - (live[s] - at)) - 1.0) / (live[s] - at)
            for at, s, left in self.told
        )

    def most(self) -> int:
        """Return the most requests that one window can have held."""
        return max(
            sum(sent <= end and until > end - WINDOW for sent, until, _ in self.spans)
            for _, end, _ in self.spans
        )


def crowd(
    books: int = 1_000, weight: int = 250, limit: int = 6_000
) -> Iterator[dict[str, Any]]:
    clock = Clock(books, weight, limit)
    clock.run()
    order = [symbol for _, _, symbol in sorted(clock.spans)]
    last = max(end for _, end, _ in clock.spans)
    least = (-(-books * weight // limit) - 1) * WINDOW
    assert clock.most() * weight <= limit
    yield {
        "case": f"{books} at once",
        "workload": f"weight {weight} of {limit} a minute",
        "ratio": round(last / least, 3),
        "seconds": round(last, 1),
        "most_weight_a_minute": clock.most() * weight,
        "read_first": set(order[: len(clock.read)]) == clock.read,
        "expected_wrong_by": round(clock.wrong(), 3),
        "expectations": len(clock.told),
    }
