"""Snapshot requests of one feed: in time, within the venue's budget, a few at once."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from booksync.errors import BookSyncError, TransportError
from booksync.events import FetchSnapshot
from booksync.inputs import Answered, Failed, Input
from booksync.scheduling import Scheduler, Ticket
from booksync.telling import tell
from booksync.transport import Answer, Rest
from booksync.venues.base import Venue

__all__ = ["Fetcher", "fetch_instruments"]

#: The number of a request that no book waits for.
AUDIT = -1
PROBE = -2
PURPOSES = {AUDIT: "audit", PROBE: "probe"}
HTTP_OK = 200
#: Statuses that stop all requests to the venue, and for how long without Retry-After.
STOPS = {429: 10.0, 418: 120.0, 403: 60.0}
#: Digits of the largest weight, or pause, that a header is believed to say.
MOST_DIGITS = 9
#: Longest time that a venue's Retry-After is believed, in seconds: three days.
LONGEST_STOP = 3 * 24 * 3600.0
#: Longest sleep while requests wait, in seconds: others may use the same budget.
POLL = 1.0
#: Seconds after which a book that is not read again counts as read no longer; it may
#: take twice as long.
READ_WITHIN = 60.0


class Fetcher:
    """
    Fetches snapshots as the scheduler of the venue says: never over the budget.

    Args:
        venue: Makes the requests.
        rest: Sends them.
        queue: Says which is next; shared by all feeds of a venue.
        put: Takes what a request came to.
        clock: Seconds now.
        chance: Returns a number in ``[0, 1)``; spreads repeated attempts.

    """

    def __init__(
        self,
        venue: Venue,
        rest: Rest,
        queue: Scheduler,
        *,
        put: Callable[[Input, float], None],
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self.queue = queue
        #: Symbols that were read lately: whoever reads one adds it.
        self.reads: set[str] = set()
        self._venue = venue
        self._rest = rest
        self._put = put
        self._clock = clock
        self._chance = chance
        self._read_before: set[str] = set()
        self._commands: dict[str, FetchSnapshot] = {}
        self._wake = asyncio.Event()
        self._held = False

    @functools.cached_property
    def _least(self) -> Venue:
        """The venue, asking for the smallest depth that it has."""
        venue = self._venue
        if not venue.DEPTHS or venue.depth == min(venue.DEPTHS):
            return venue
        return venue.again(depth=min(venue.DEPTHS))

    def ask(self, command: FetchSnapshot) -> None:
        """Take a command; it replaces an earlier one of the same symbol."""
        symbol = command.symbol
        self._commands[symbol] = command
        due = command.at + min(command.attempt, 4) * 0.25 * self._chance()
        read = symbol in self.reads or symbol in self._read_before
        weight = self._venue.snapshot_request(symbol).weight
        self.queue.ask(self, symbol, weight, due, read=read)
        self._wake.set()

    def prefer(self, symbol: str) -> None:
        """Note that somebody wants to read ``symbol``, which is not live."""
        self.reads.add(symbol)
        self.queue.prefer(self, symbol)

    def audit(
        self, symbol: str, group: asyncio.TaskGroup, *, probe: bool = False
    ) -> bool:
        """
        Fetch a snapshot to check a live book, unless that could delay another.

        Audits use at most half of the budget, and none while a snapshot waits. A probe
        asks for the smallest depth that the venue has.

        Returns:
            Whether it was sent.

        """
        now = self._clock()
        venue = self._least if probe else self._venue
        request = venue.snapshot_request(symbol)
        ticket = self.queue.spare(self, symbol, request.weight, now)
        if ticket is None:
            return False
        number = PROBE if probe else AUDIT
        group.create_task(self._fetch(FetchSnapshot(symbol, number, now), ticket))
        return True

    def withdraw(self, symbol: str) -> None:
        """Do not ask for ``symbol`` now; it keeps its place in the queue."""
        self.queue.withdraw(self, symbol)

    def forget(self, symbol: str) -> None:
        """Drop what is asked for ``symbol``."""
        self.queue.forget(self, symbol)
        self._commands.pop(symbol, None)
        self.reads.discard(symbol)

    def joined(self, symbol: str) -> None:
        """Note that the book of ``symbol`` is live."""
        self.queue.joined(self, symbol, self._clock())

    def expected(self, symbol: str, now: float) -> float | None:
        """Seconds until ``symbol`` is expected to be live, if one is asked for."""
        return self.queue.expected(self, symbol, now)

    @property
    def waiting(self) -> int:
        """Requests not sent yet, less those that something newer replaced."""
        return self.queue.waiting(self)

    def wake(self) -> None:
        """Look at the queue again."""
        self._wake.set()

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Send requests as they come due, until cancelled."""
        self.queue.join(self)
        turn_at = self._clock() + READ_WITHIN
        try:
            while True:
                self._wake.clear()
                now = self._clock()
                if now >= turn_at:
                    turn_at = now + READ_WITHIN
                    self._read_before = set(self.reads)
                    self.reads.clear()
                pause = self._send_due(group)
                await self._sleep(turn_at - now if pause is None else min(pause, POLL))
        finally:
            self.queue.leave(self)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _send_due(self, group: asyncio.TaskGroup) -> float | None:
        """Send what may go now; say how long to wait for the next."""
        while True:
            found = self.queue.take(self, self._clock())
            if not isinstance(found, Ticket):
                self._tell_held(self.queue.held)
                return found
            group.create_task(self._fetch(self._commands[found.symbol], found))

    def _tell(self, event: str, **fields: object) -> None:
        tell(event, venue=self._venue.id, **fields)

    def _tell_held(self, seconds: float) -> None:
        """Say that the budget lets nothing go: once, until it holds nothing back."""
        if seconds > 0 and not self._held:
            self._tell("snapshot_put_off", seconds=seconds, waiting=self.waiting)
        self._held = seconds > 0

    async def _fetch(self, command: FetchSnapshot, ticket: Ticket) -> None:
        symbol, number = command.symbol, command.request
        venue = self._least if number == PROBE else self._venue
        asked = {"symbol": symbol, "request": number}
        why = PURPOSES.get(number, "to be live")
        self._tell("snapshot_requested", **asked, reason=why)
        try:
            answer = await self._rest.request(venue.snapshot_request(symbol))
        except BookSyncError as error:
            self._tell("snapshot_failed", **asked, reason=error)
            if number > 0:
                self._put(Failed(symbol, number, str(error)), self._clock())
            if not isinstance(error, TransportError):
                raise
        else:
            self._obey(answer)
            came = "answered" if answer.status == HTTP_OK else "refused"
            self._tell(f"snapshot_{came}", **asked, status=answer.status)
            given = Answered(
                symbol,
                number,
                answer.status,
                venue.depth,
                answer.url,
                answer.body,
                audit=number == AUDIT,
                probe=number == PROBE,
            )
            self._put(given, self._clock())
        finally:
            self.queue.done(ticket, self._clock())
            self._wake.set()

    def _obey(self, answer: Answer) -> None:
        """Take the venue's own count of our weight, and its orders to stop."""
        now = self._clock()
        header = self._venue.limits.used_weight_header
        used = answer.headers.get(header, "") if header else ""
        if used.isdecimal() and len(used) <= MOST_DIGITS:
            self.queue.budget.observe(int(used), now)
        if answer.status in STOPS or "retry-after" in answer.headers:
            told = retry_after(answer.headers.get("retry-after", ""), now)
            pause = STOPS.get(answer.status, 1.0) if told is None else told
            self._tell("stopped", seconds=pause, status=answer.status)
            self.queue.stop(pause, now)


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


async def fetch_instruments(venue: Venue, rest: Rest) -> list[Any]:
    """
    Ask the venue for its markets.

    Raises:
        TransportError: If it does not answer.

    """
    found: list[Any] = []
    for request in venue.instrument_requests():
        answer = await rest.request(request)
        if answer.status != HTTP_OK:
            raise TransportError(f"{request.path}: HTTP status {answer.status}")
        found += venue.parse_instruments(answer.body)
    return found
