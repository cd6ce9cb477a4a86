"""One connection kept open for some symbols: connect, send at pace, ping, again."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Collection, Coroutine, Iterator
from typing import Any, Protocol

from booksync.backoff import delays
from booksync.budget import Budget
from booksync.errors import ConfigurationError, MalformedMessage, TransportError
from booksync.inputs import Closed, Compared, Input, Opened, Subscribed
from booksync.states import Cause
from booksync.telling import tell
from booksync.transport import Rest, Stream, Transport
from booksync.venues.base import Venue

__all__ = ["Host", "Keeper", "Link"]

#: Frames waiting to be sent on one connection; past it the connection is given up.
MAX_OUTBOX = 10_000
HTTP_OK = 200
#: Part of a connection's allowed life after which it is replaced.
LIFE_PART = 0.95
#: Part of it by which that is earlier, by chance.
LIFE_JITTER = 0.02
#: Seconds; a connection that must be replaced sooner is replaced with pauses.
YOUNG = 60.0


class Host(Protocol):
    """What a keeper needs of its feed."""

    venue: Venue
    transport: Transport
    ws_url: str
    connects: Budget

    def clock(self) -> float:
        """Seconds now."""

    def chance(self) -> float:
        """Return a number in ``[0, 1)``."""

    def put(self, given: Input, now: float) -> None:
        """Take an input."""

    def offer(self, number: int, raw: str | bytes) -> bool:
        """Take a frame if there is room; say whether there was."""

    async def put_frame(self, number: int, raw: str | bytes) -> None:
        """Take a frame; waits while the consumer is behind."""

    def sent(self, number: int, url: str, frame: str | bytes) -> None:
        """Note a frame that was sent."""

    def session_of(self, number: int) -> object:
        """Return the venue memory of a connection."""

    def next_number(self) -> int:
        """Return a connection number never used before."""

    def unreachable(self, error: TransportError) -> None:
        """Note that a connection did not open."""

    def rest(self) -> Rest:
        """Return the client for requests (a handshake)."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task for as long as the feed lives."""


class Link:
    """One open connection: reads, sends at the venue's pace, pings."""

    def __init__(self, host: Host, stream: Stream, url: str, line: int = 0) -> None:
        self.number = host.next_number()
        self.line = line
        self.opened = host.clock()
        #: It is to be replaced.
        self.leaving = False
        #: Done when it has ended.
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._host = host
        self._stream = stream
        self._url = url
        self._outbox: asyncio.Queue[str | bytes] = asyncio.Queue(MAX_OUTBOX)
        self._reader: asyncio.Task[None] | None = None
        self._cause = Cause.DISCONNECTED
        self._dropped = False

    async def run(self) -> None:
        """Live until the connection ends, or is dropped."""
        host = self._host
        reason = ""
        helpers = [host.spawn(self._send_all())]
        if host.venue.heartbeat.interval is not None:
            helpers.append(host.spawn(self._ping()))
        try:
            reason = await self._read()
        finally:
            for helper in helpers:
                helper.cancel()
            self.ended.set_result(None)
            host.put(Closed(self.number, self._cause, reason), host.clock())
            # Without a reason it was cancelled: the feed is being closed.
            event = "connection_lost" if reason else "connection_closed"
            if self._dropped:
                event = "connection_closed"
            self.tell(event, cause=self._cause, reason=reason or None)
            with contextlib.suppress(Exception):
                await self._stream.close()

    def send(self, frames: tuple[str | bytes, ...]) -> None:
        """Queue frames to be sent at the venue's pace."""
        try:
            for frame in frames:
                self._outbox.put_nowait(frame)
        except asyncio.QueueFull:
            self.drop(Cause.DISCONNECTED, "too much to send")

    def tell(self, event: str, **fields: object) -> None:
        """Log what becomes of this connection."""
        at = {"connection": self.number, "line": self.line}
        tell(event, venue=self._host.venue.id, **at, **fields)

    def drop(self, cause: Cause, reason: str = "") -> None:
        """Give the connection up."""
        if cause is not Cause.CLOSING and not self._dropped:
            self.tell("connection_given_up", cause=cause, reason=reason or cause.value)
        self._cause = cause
        self._dropped = True
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self) -> str:
        """Read until the connection ends, or is given up; say why it ended."""
        reason = "closed"

        async def read() -> None:
            nonlocal reason
            number, offer = self.number, self._host.offer
            try:
                async for frame in self._stream:
                    if not offer(number, frame):
                        await self._host.put_frame(number, frame)
            except TransportError as error:
                reason = str(error)

        if self._dropped:
            return self._cause.value
        self._reader = reader = self._host.spawn(read())
        try:
            await asyncio.wait([reader])
        finally:
            reader.cancel()
            self._reader = None
        return self._cause.value if reader.cancelled() else reason

    async def _send_all(self) -> None:
        pause = 1.0 / self._host.venue.limits.messages
        with contextlib.suppress(TransportError):
            while True:
                frame = await self._outbox.get()
                await self._stream.send(frame)
                self._host.sent(self.number, self._url, frame)
                await asyncio.sleep(pause)

    async def _ping(self) -> None:
        host = self._host
        interval = host.venue.heartbeat.interval or 0.0
        while True:
            await asyncio.sleep(interval)
            session = host.session_of(self.number)
            self.send((host.venue.ping(session, host.clock()),))


class Keeper:
    """
    Keeps one connection open for ``symbols``, and replaces it before the venue ends it.

    Each connection it opens has a new number; what happened on it goes to the host as
    inputs. Backoff starts afresh when there was ``progress``: a book went live.

    To replace one, a second is opened, and the host drops the first once every book of
    the second is as far. If the second fails, the first stays for as long as it lives.
    To check one, a second is opened, and the host drops it once it has compared them.

    Args:
        host: Its feed.
        symbols: What it carries.
        line: Which of several lines it is part of.
        turn: Held while a connection is replaced: lines that share one do so one
            after another.

    """

    def __init__(
        self,
        host: Host,
        symbols: list[str],
        line: int = 0,
        turn: asyncio.Lock | None = None,
    ) -> None:
        self.symbols = symbols
        #: Which of several lines it is part of.
        self.line = line
        #: Number of the newest connection, also when it has ended.
        self.newest: int | None = None
        self.progress = False
        self._host = host
        self._turn = turn or asyncio.Lock()
        self._link: Link | None = None
        self._heir: Link | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pauses: Iterator[float] | None = None
        self._suspects: set[str] = set()

    @property
    def number(self) -> int | None:
        """Number of the connection that is open; of two, of the older."""
        return None if self._link is None else self._link.number

    def link(self, number: int) -> Link | None:
        """Return the open connection of that number."""
        found = (k for k in (self._link, self._heir) if k is not None)
        return next((link for link in found if link.number == number), None)

    async def run(self) -> None:
        """Connect again and again, until cancelled."""
        host = self._host
        waits = delays(host.chance)
        try:
            while True:
                await self._take_turn()
                self.progress = False
                await self._opened()
                while self._link is not None:
                    await asyncio.wait([self._link.ended])
                    self._adopt()
                if self.progress:
                    waits = delays(host.chance)
                await asyncio.sleep(next(waits))
        finally:
            for task in self._tasks:
                if not task.cancelling():  # it may be closing its connection by now
                    task.cancel()

    def _adopt(self) -> None:
        """The connection ended: its heir, if there is one, takes its place."""
        self._link, self._heir = self._heir, None
        if self._link is not None and self._link.leaving:
            self._start(self._rotate(self._link))

    def rotate(self, number: int) -> None:
        """Replace a connection that will end soon, while it lives. Idempotent."""
        link = self.link(number)
        if link is None or link.leaving:
            return
        link.leaving = True
        link.tell("connection_rotating")
        if link is self._link:
            self._start(self._rotate(link))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._host.spawn(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def subscribe(self, symbols: list[str]) -> None:
        """Carry more symbols, now if the connection is open."""
        self.symbols.extend(symbols)
        for link in (self._link, self._heir):
            if link is not None:
                given = Subscribed(link.number, tuple(symbols))
                self._host.put(given, self._host.clock())

    def blamed(self, waiting: Collection[str]) -> str | None:
        """
        Give up the symbol for which the venue seems to close the connection.

        Some venues do so without a word for a symbol that they do not know. The first
        of ``waiting`` goes to the end, so that all others are subscribed before it; if
        it is the first again, on a connection that confirmed others, it must go.

        Args:
            waiting: What the venue has not confirmed on the connection that it closed.

        Returns:
            The symbol, which this keeper has no more; usually there is none.

        """
        left = [symbol for symbol in self.symbols if symbol in waiting]
        self._suspects.intersection_update(left)
        if not left:
            return None
        first = left[0]
        self.symbols.remove(first)
        if first in self._suspects and len(left) <= len(self.symbols):
            return first
        self.symbols.append(first)
        self._suspects.add(first)
        return None

    def _tell(self, event: str, **fields: object) -> None:
        tell(event, venue=self._host.venue.id, line=self.line, **fields)

    async def _take_turn(self) -> None:
        """Wait until the venue's limit on connection attempts allows one."""
        budget, clock = self._host.connects, self._host.clock
        told = False
        while (pause := budget.take(1, clock())) > 0:
            if not told:
                self._tell("connection_put_off", seconds=pause)
            told = True
            await asyncio.sleep(pause)
        budget.settle(1, clock())

    async def _open(self) -> tuple[Stream, str]:
        host = self._host
        request = host.venue.handshake()
        if request is None:
            return await self._connect(host.venue.stream_url(host.ws_url))
        answer = await host.rest().request(request)
        if answer.status != HTTP_OK:
            raise TransportError(f"{request.path}: HTTP status {answer.status}")
        try:
            return await self._connect(host.venue.stream_url(host.ws_url, answer.body))
        except (MalformedMessage, ConfigurationError) as error:
            # What an answer names is the venue's fault, and may be right next time.
            raise TransportError(f"{request.path}: {error}") from None

    async def _connect(self, url: str) -> tuple[Stream, str]:
        venue = self._host.venue
        stream = await self._host.transport.stream(
            url, headers=venue.WS_HEADERS, frame_bytes=venue.limits.frame_bytes
        )
        return stream, url

    async def _opened(
        self, old: Link | None = None, *, audits: bool = False
    ) -> Link | None:
        """Open a connection, in place of ``old`` if that lives; it runs by itself."""
        host = self._host
        try:
            stream, url = await self._open()
        except TransportError as error:
            self._tell("connection_failed", reason=error)
            host.unreachable(error)
            return None
        if old is not None and old.ended.done():  # too late: another is opened for it
            with contextlib.suppress(Exception):
                await stream.close()
            return None
        link = Link(host, stream, url, self.line)
        self.newest = link.number
        succeeds = None if old is None else old.number
        why = {"reason": "audit"} if audits else {"succeeds": succeeds}
        link.tell("connection_opened", **why)
        given = Opened(link.number, tuple(self.symbols), self.line, succeeds, audits)
        host.put(given, host.clock())
        if old is None:
            self._link = link
        else:
            self._heir = link
        self._start(link.run())
        if host.venue.limits.lifetime is not None:
            self._start(self._retire(link, host.venue.limits.lifetime))
        return link

    async def _rotate(self, old: Link) -> None:
        """Have another connection ready before ``old`` ends."""
        waits = delays(self._host.chance)
        async with self._turn:
            await self._hesitate(old)
            while not old.ended.done():
                await self._take_turn()
                heir = None if old.ended.done() else await self._opened(old)
                if heir is not None:
                    ends = (old.ended, heir.ended)
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if old.ended.done():
                    return
                self._heir = None  # it failed: the old one stays
                await asyncio.sleep(next(waits))

    async def audit(self, patience: float) -> None:
        """
        Open another connection, for the host to compare its books with this one's.

        Returns when that has ended, or has taken the place of one that ended.

        Args:
            patience: Seconds after which what could not be compared never will be.

        """
        async with self._turn:
            old = self._link
            if old is None or old.leaving:
                return
            await self._take_turn()
            heir = None if old.ended.done() else await self._opened(old, audits=True)
            if heir is None:
                return
            ends = (old.ended, heir.ended)
            await asyncio.wait(
                ends, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            if not (old.ended.done() or heir.ended.done()):
                for symbol in self.symbols:
                    self._host.put(Compared(symbol), self._host.clock())
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not old.ended.done():
                self._heir = None

    async def _hesitate(self, old: Link) -> None:
        """A venue that says farewell again and again is not asked at once each time."""
        lifetime = self._host.venue.limits.lifetime or math.inf
        if self._host.clock() - old.opened >= min(YOUNG, lifetime / 2):
            self._pauses = None
            return
        self._pauses = self._pauses or delays(self._host.chance)
        await asyncio.sleep(next(self._pauses))

    async def _retire(self, link: Link, lifetime: float) -> None:
        # Lines end at different times; those of many feeds, too.
        part = LIFE_PART - 0.1 * self.line - LIFE_JITTER * self._host.chance()
        await asyncio.wait([link.ended], timeout=lifetime * part)
        self.rotate(link.number)
