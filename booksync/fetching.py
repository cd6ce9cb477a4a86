"""Snapshot requests of one feed: in time, within the venue's budget, a few at once."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from booksync.budget import Budget
from booksync.errors import BookSyncError, TransportError
from booksync.events import FetchSnapshot
from booksync.inputs import Answered, Failed, Input
from booksync.transport import Answer, Rest
from booksync.venues.base import Venue
from booksync.venues.facts import Request

__all__ = ["Fetcher"]

log = logging.getLogger("booksync.fetching")

#: The number of a request that no book waits for.
AUDIT = -1
#: Requests under way at once.
CONCURRENCY = 8
#: Statuses that stop all requests to the venue, and for how long without Retry-After.
STOPS = {429: 10.0, 418: 120.0, 403: 60.0}
#: Digits of the largest weight, or pause, that a header is believed to say.
MOST_DIGITS = 9
#: Longest time that a venue's Retry-After is believed, in seconds: three days.
LONGEST_STOP = 3 * 24 * 3600.0


class Fetcher:
    """
    Fetches snapshots one after another, or a few at once, never over the budget.

    Args:
        venue: Makes the requests.
        rest: Sends them.
        budget: What the venue allows; shared by all feeds of a venue in a process.
        put: Takes what a request came to.
        clock: Seconds now.
        chance: Returns a number in ``[0, 1)``; spreads repeated attempts.

    """

    def __init__(
        self,
        venue: Venue,
        rest: Rest,
        budget: Budget,
        *,
        put: Callable[[Input, float], None],
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._venue = venue
        self._rest = rest
        self._budget = budget
        self._put = put
        self._clock = clock
        self._chance = chance
        self._due: list[tuple[float, int, FetchSnapshot]] = []
        self._newest: dict[str, int] = {}
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self._under_way = 0

    def ask(self, command: FetchSnapshot) -> None:
        """Take a command; it replaces an earlier one of the same symbol."""
        self._newest[command.symbol] = command.request
        spread = min(command.attempt, 4) * 0.25 * self._chance()
        entry = (command.at + spread, next(self._order), command)
        heapq.heappush(self._due, entry)
        self._wake.set()

    def audit(self, symbol: str, group: asyncio.TaskGroup) -> bool:
        """
        Fetch a snapshot to check a live book, unless that could delay another.

        Audits use at most half of the budget, and none while a snapshot waits.

        Returns:
            Whether it was sent.

        """
        now = self._clock()
        request = self._venue.snapshot_request(symbol)
        reserve = request.weight + self._budget.limit // 2
        busy = self._due or self._under_way >= CONCURRENCY
        if busy or self._budget.wait(reserve, now) > 0:
            return False
        self._under_way += 1
        self._budget.spend(request.weight, now)
        group.create_task(self._fetch(FetchSnapshot(symbol, AUDIT, now), request))
        return True

    def forget(self, symbol: str) -> None:
        """Drop what is asked for ``symbol``."""
        self._newest.pop(symbol, None)

    @property
    def waiting(self) -> int:
        """Requests not sent yet, less those that something newer replaced."""
        return sum(self._wanted(command) for _, _, command in self._due)

    def _wanted(self, command: FetchSnapshot) -> bool:
        return self._newest.get(command.symbol) == command.request

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Send requests as they come due, until cancelled."""
        while True:
            self._wake.clear()
            pause = self._send_due(group)
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _send_due(self, group: asyncio.TaskGroup) -> float | None:
        """Send what may go now; say how long to wait for the next."""
        while self._due:
            at, _, command = self._due[0]
            if not self._wanted(command):
                heapq.heappop(self._due)
                continue
            if self._under_way >= CONCURRENCY:
                return None
            now = self._clock()
            request = self._venue.snapshot_request(command.symbol)
            pause = max(at - now, self._budget.wait(request.weight, now))
            if pause > 0:
                return pause
            heapq.heappop(self._due)
            self._under_way += 1
            self._budget.spend(request.weight, now)
            group.create_task(self._fetch(command, request))
        return None

    async def _fetch(self, command: FetchSnapshot, request: Request) -> None:
        symbol, number = command.symbol, command.request
        try:
            answer = await self._rest.request(request)
        except BookSyncError as error:
            log.info("snapshot of %s: %s", symbol, error)
            if number != AUDIT:
                self._put(Failed(symbol, number, str(error)), self._clock())
            if not isinstance(error, TransportError):
                raise
        else:
            self._obey(answer)
            given = Answered(
                symbol,
                number,
                answer.status,
                self._venue.depth,
                answer.url,
                answer.body,
                audit=number == AUDIT,
            )
            self._put(given, self._clock())
        finally:
            self._under_way -= 1
            self._budget.settle(request.weight, self._clock())
            self._wake.set()

    def _obey(self, answer: Answer) -> None:
        """Take the venue's own count of our weight, and its orders to stop."""
        now = self._clock()
        header = self._venue.limits.used_weight_header
        used = answer.headers.get(header, "") if header else ""
        if used.isdecimal() and len(used) <= MOST_DIGITS:
            self._budget.observe(int(used), now)
        if answer.status in STOPS or "retry-after" in answer.headers:
            told = retry_after(answer.headers.get("retry-after", ""), now)
            pause = STOPS.get(answer.status, 1.0) if told is None else told
            log.warning("the venue says stop for %g s (%d)", pause, answer.status)
            self._budget.stop(pause, now)


def retry_after(text: str, now: float) -> float | None:
    """
    Read a ``Retry-After`` header: seconds, or a date.

    >>> retry_after("3", now=0.0)
    3.0
    >>> retry_after("soon", now=0.0) is None
    True

    Args:
        text: The header.
        now: Seconds since 1970.

    """
    text = text.strip()
    if text.isdecimal() and len(text) <= MOST_DIGITS:
        return min(float(text), LONGEST_STOP)
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, until - now), LONGEST_STOP)
