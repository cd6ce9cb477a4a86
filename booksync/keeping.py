"""One connection kept open for some symbols: connect, send at pace, ping, again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Coroutine
from typing import Any, Protocol

from booksync.backoff import delays
from booksync.budget import Budget
from booksync.errors import ConfigurationError, MalformedMessage, TransportError
from booksync.inputs import Closed, Input, Opened, Subscribed
from booksync.states import Cause
from booksync.transport import Rest, Stream, Transport
from booksync.venues.base import Venue

__all__ = ["Host", "Keeper", "spread"]

log = logging.getLogger("booksync.keeping")

#: Frames waiting to be sent on one connection; past it the connection is given up.
MAX_OUTBOX = 10_000
HTTP_OK = 200
#: Part of a connection's allowed life after which it is replaced.
LIFE_PART = 0.95


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


class Keeper:
    """
    Keeps one connection open for ``symbols``.

    Each connection it opens has a new number; what happened on it goes to the host as
    inputs. Backoff starts afresh when there was ``progress``: a book went live.
    """

    def __init__(self, host: Host, symbols: list[str], line: int = 0) -> None:
        self.symbols = symbols
        #: Which of several lines it is part of.
        self.line = line
        self.number: int | None = None
        #: Number of the newest connection, also when it has ended.
        self.newest: int | None = None
        self.progress = False
        self._host = host
        self._outbox: asyncio.Queue[str | bytes] = asyncio.Queue(MAX_OUTBOX)
        self._reader: asyncio.Task[None] | None = None
        self._cause = Cause.DISCONNECTED
        self._suspects: set[str] = set()

    async def run(self) -> None:
        """Connect again and again, until cancelled."""
        host = self._host
        waits = delays(host.chance)
        while True:
            await self._take_turn()
            self.progress = False
            await self._once()
            if self.progress:
                waits = delays(host.chance)
            await asyncio.sleep(next(waits))

    def subscribe(self, symbols: list[str]) -> None:
        """Carry more symbols, now if the connection is open."""
        self.symbols.extend(symbols)
        if self.number is not None:
            given = Subscribed(self.number, tuple(symbols))
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

    def send(self, frames: tuple[str | bytes, ...]) -> None:
        """Queue frames to be sent at the venue's pace."""
        try:
            for frame in frames:
                self._outbox.put_nowait(frame)
        except asyncio.QueueFull:
            log.warning("connection %s: too much to send, giving it up", self.number)
            self.drop(Cause.DISCONNECTED)

    def drop(self, cause: Cause) -> None:
        """Give the connection up; :meth:`run` opens another."""
        self._cause = cause
        if self._reader is not None:
            self._reader.cancel()

    async def _take_turn(self) -> None:
        """Wait until the venue's limit on connection attempts allows one."""
        budget, clock = self._host.connects, self._host.clock
        while True:
            pause = budget.wait(1, clock())
            if pause <= 0:
                break
            await asyncio.sleep(pause)
        budget.spend(1, clock())
        budget.settle(1, clock())

    async def _once(self) -> None:
        host = self._host
        try:
            stream, url = await self._open()
        except TransportError as error:
            log.info("cannot connect: %s", error)
            host.unreachable(error)
            return
        number = host.next_number()
        self._cause = Cause.DISCONNECTED
        self._outbox = asyncio.Queue(MAX_OUTBOX)
        host.put(Opened(number, tuple(self.symbols), self.line), host.clock())
        self.number = self.newest = number
        reason = ""
        helpers = [host.spawn(self._send_all(stream, number, url))]
        if host.venue.heartbeat.interval is not None:
            helpers.append(host.spawn(self._ping(number)))
        if host.venue.limits.lifetime is not None:
            helpers.append(host.spawn(self._retire(host.venue.limits.lifetime)))
        try:
            reason = await self._read(stream, number)
        finally:
            self.number = None
            for helper in helpers:
                helper.cancel()
            host.put(Closed(number, self._cause, reason), host.clock())
            with contextlib.suppress(Exception):
                await stream.close()

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

    async def _read(self, stream: Stream, number: int) -> str:
        """Read until the connection ends, or is given up; say why it ended."""
        reason = "closed"

        async def read() -> None:
            nonlocal reason
            host, offer = self._host, self._host.offer
            try:
                async for frame in stream:
                    if not offer(number, frame):
                        await host.put_frame(number, frame)
            except TransportError as error:
                reason = str(error)

        self._reader = reader = self._host.spawn(read())
        try:
            await asyncio.wait([reader])
        finally:
            reader.cancel()
            self._reader = None
        return self._cause.value if reader.cancelled() else reason

    async def _send_all(self, stream: Stream, number: int, url: str) -> None:
        pause = 1.0 / self._host.venue.limits.messages
        with contextlib.suppress(TransportError):
            while True:
                frame = await self._outbox.get()
                await stream.send(frame)
                self._host.sent(number, url, frame)
                await asyncio.sleep(pause)

    async def _ping(self, number: int) -> None:
        host = self._host
        interval = host.venue.heartbeat.interval or 0.0
        while True:
            await asyncio.sleep(interval)
            session = host.session_of(number)
            self.send((host.venue.ping(session, host.clock()),))

    async def _retire(self, lifetime: float) -> None:
        # Lines end at different times: one of them is always whole.
        await asyncio.sleep(lifetime * (LIFE_PART - 0.1 * self.line))
        self.drop(Cause.CLOSING)


def spread(symbols: list[str], size: int) -> list[list[str]]:
    """
    Divide ``symbols`` over connections of at most ``size``.

    >>> spread(["A", "B", "C"], 2)
    [['A', 'B'], ['C']]
    """
    return [symbols[start : start + size] for start in range(0, len(symbols), size)]
