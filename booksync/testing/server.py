"""
The exchange on a loopback port: HTTP and websocket, both real.

Either the order flow runs by itself, in real time (``flow=True``), or a test moves it
with :meth:`Server.step`, and then the same calls always give the same bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypedDict, Unpack

from booksync.testing.connection import Connection
from booksync.testing.cut import Cutter, Delta, Snapshot
from booksync.testing.dialects import DIALECTS
from booksync.testing.dialects.base import Dialect, Stream
from booksync.testing.exchange import Exchange
from booksync.testing.faults import FaultPlan, Faults
from booksync.testing.rest import Budget, Served, serve_requests

__all__ = ["Server", "Settings", "serve"]

#: Markets served between two moments at which others may run.
_SLICE = 100


class Settings(TypedDict, total=False):
    """
    What can be set otherwise than the venue has it.

    Args:
        messages: Client frames a second; ``None`` = any number.
        ping_every: Seconds between protocol pings; ``None`` = none.
        pong_within: Seconds for which a pong may be missing.
        lifetime: Seconds after which a connection is closed; ``None`` = never.
        budget: The REST budget, for another weight, ban or clock.

    """

    messages: int | None
    ping_every: float | None
    pong_within: float
    lifetime: float | None
    budget: Budget


class Server:
    """
    What :func:`serve` gives: addresses, logs, and the reins.

    Args:
        exchange: Whose truth is served.
        dialect: In which words.
        plan: Faults at random.
        settings: As :class:`Settings`.

    """

    def __init__(
        self, exchange: Exchange, dialect: Dialect, plan: FaultPlan, settings: Settings
    ) -> None:
        self.exchange = exchange
        self.dialect = dialect
        self.plan = plan
        self.faults = Faults(plan.seed)
        self.messages = settings.get("messages", dialect.messages)
        self.ping_every = settings.get("ping_every", dialect.ping_every)
        self.pong_within = settings.get("pong_within", dialect.pong_within)
        self.lifetime = settings.get("lifetime")
        self.budget = settings.get("budget") or Budget(dialect.weight)
        #: REST requests, the newest 10,000.
        self.requests: deque[Served] = deque(maxlen=10_000)
        #: Websocket connections ever opened.
        self.opened_count = 0
        self.ws_url = ""
        self.rest_url = ""
        self._connections: dict[int, Connection] = {}
        # Who wants which symbol at which pace.
        self._wanted: dict[tuple[str, int], dict[Connection, list[Stream]]] = {}
        self._cutters: dict[str, dict[int, Cutter]] = {}
        self._steps = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Future[None]] = set()
        self._errors: list[BaseException] = []

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Websocket connections there are now, oldest first."""
        return tuple(self._connections.values())

    @property
    def faults_injected(self) -> dict[str, int]:
        """How many faults really happened, by kind."""
        return dict(self.faults.injected)

    @property
    def watched(self) -> list[str]:
        """Symbols that some client is subscribed to."""
        return sorted({symbol for (symbol, _), who in self._wanted.items() if who})

    # -- the reins ------------------------------------------------------------------

    def step(self, count: int = 1) -> None:
        """Let ``count`` intervals pass: changes, deltas, frames. Nothing waits."""
        for _ in range(count):
            self._begin()
            for symbol in self.exchange.symbols:
                self._turn(symbol)

    def announce_shutdown(self) -> None:
        """Tell every client that the venue is about to restart."""
        for connection in self.connections:
            connection.perform(self.dialect.shutdown(connection.session))

    async def until(
        self,
        condition: Callable[[], object],
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> None:
        """
        Wait until ``condition()`` is true, looking whenever a client did something.

        Raises:
            TimeoutError: If it is not within ``timeout`` seconds.

        """
        async with asyncio.timeout(timeout):
            while not condition():
                future = asyncio.get_running_loop().create_future()
                self._waiting.add(future)
                await future

    async def subscribed(self, *symbols: str, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Wait until some client is subscribed to each of ``symbols``."""
        await self.until(lambda: set(symbols) <= set(self.watched), timeout)

    def changed(self) -> None:
        """Wake who waits in :meth:`until`."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    # -- connections tell -----------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """Enter a new connection."""
        self._connections[connection.id] = connection
        self.changed()

    def closed(self, connection: Connection) -> None:
        """Strike a connection that is gone."""
        self._connections.pop(connection.id, None)
        for wanted in self._wanted.values():
            wanted.pop(connection, None)
        self.changed()

    def subscribed_to(self, connection: Connection, stream: Stream) -> None:
        """Begin a stream, with a snapshot where the venue sends one."""
        if stream.symbol is None:
            return
        key = stream.symbol, stream.every
        streams = self._wanted.setdefault(key, {}).setdefault(connection, [])
        if stream not in streams:
            streams.append(stream)
        if stream.every > 1:
            cutters = self._cutters.setdefault(stream.symbol, {})
            if stream.every not in cutters:
                cutters[stream.every] = self.exchange.cutter(stream.symbol)
        if self.dialect.snapshots:
            self.asked(connection, stream)

    def unsubscribed_from(self, connection: Connection, stream: Stream) -> None:
        """End a stream."""
        wanted = self._wanted.get((stream.symbol or "", stream.every), {})
        streams = wanted.get(connection, [])
        if stream in streams:
            streams.remove(stream)
        if not streams:
            wanted.pop(connection, None)

    def asked(
        self, connection: Connection, stream: Stream, request: object = None
    ) -> None:
        """Send a snapshot in the stream; where no request asked, at the boundary."""
        if stream.symbol is None:
            return
        exchange, symbol, depth = self.exchange, stream.symbol, stream.depth
        if request is None:
            end = exchange.boundary(symbol)
            snapshot = exchange.snapshot_at(symbol, end, depth)
        else:
            snapshot = exchange.snapshot(symbol, depth)
        session = connection.session
        for frame in self.dialect.snapshot(session, stream, snapshot, request):
            connection.deliver(frame, stream)

    # -- deltas ---------------------------------------------------------------------

    def _begin(self) -> None:
        self._steps += 1
        self.exchange.now += self.exchange.interval
        self.plan.tick(self.exchange.now, self.faults, self.watched)

    def _turn(self, symbol: str) -> None:
        """Let one symbol go on, and send its deltas at once to all who want them."""
        exchange = self.exchange
        delta = exchange.run(symbol, exchange.interval)
        if delta:
            self._send(delta, self._wanted.get((symbol, 1), {}))
        for every, cutter in self._cutters.get(symbol, {}).items():
            if self._steps % every == 0:
                slow = cutter.cut(exchange.now)
                if slow:
                    self._send(slow, self._wanted.get((symbol, every), {}))

    def _send(self, delta: Delta, wanted: dict[Connection, list[Stream]]) -> None:
        if not wanted:
            return
        harmed = self.faults.corrupted(
            delta, {each.id: _depth(streams) for each, streams in wanted.items()}
        )
        for connection, streams in tuple(wanted.items()):
            wrong = harmed.get(connection.id)
            for stream in tuple(streams):
                for frame in self._frames(connection, stream, wrong or delta):
                    connection.deliver(frame, stream, None if wrong else delta)

    def _frames(
        self, connection: Connection, stream: Stream, delta: Delta
    ) -> list[str | bytes]:
        session, exchange = connection.session, self.exchange
        if self.dialect.whole:
            symbol = delta.market.symbol
            snapshot = exchange.snapshot_at(symbol, delta.end, stream.depth)
            return self.dialect.snapshot(session, stream, _as_listed(snapshot, delta))
        if stream.depth is not None:
            leaving = self.dialect.leaving
            delta = exchange.window(delta, stream.depth, leaving=leaving)
        return self.dialect.delta(session, stream, delta)

    # -- tasks ----------------------------------------------------------------------

    async def flow(self) -> None:
        """Let the order flow go on in real time, for ever."""
        interval = self.exchange.interval
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + interval, loop.time())
            await asyncio.sleep(due - loop.time())
            self.exchange.now = max(self.exchange.now, time.time() - interval)
            self._begin()
            for index, symbol in enumerate(self.exchange.symbols):
                self._turn(symbol)
                if index % _SLICE == _SLICE - 1:
                    await asyncio.sleep(0)

    def accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve a new TCP connection, in a task of its own."""
        self.start(self._serve(reader, writer))

    def start(self, work: Coroutine[object, None, None]) -> None:
        """Run ``work`` until it ends or the server does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"\r\nupgrade: websocket" in head.lower():
                self.opened_count += 1
                await Connection(self, self.opened_count, reader, writer).run(head)
            else:
                await serve_requests(self, head, reader, writer)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._errors.append(error)

    def check(self) -> None:
        """Raise what went wrong in the server itself, in a dialect for instance."""
        if self._errors:
            raise self._errors[0]

    async def stop(self) -> None:
        """End every connection and task. Idempotent."""
        for connection in self.connections:
            connection.abort()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _depth(streams: Iterable[Stream]) -> int | None:
    """Levels a side that a connection sees on every one of its streams."""
    return min((each.depth for each in streams if each.depth), default=None)


def _as_listed(snapshot: Snapshot, delta: Delta) -> Snapshot:
    """Give the levels the sizes of ``delta``: one of them may be corrupt."""
    bids, asks = (
        [(price, listed.get(price, size)) for price, size in levels]
        for levels, listed in (
            (snapshot.bids, dict(delta.bids)),
            (snapshot.asks, dict(delta.asks)),
        )
    )
    return replace(snapshot, bids=bids, asks=asks)


@asynccontextmanager
async def serve(
    exchange: Exchange,
    dialect: str | type[Dialect] = "binance",
    *,
    faults: FaultPlan | str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    flow: bool = True,
    **settings: Unpack[Settings],
) -> AsyncIterator[Server]:
    """
    Serve ``exchange`` over loopback while the context lasts.

    Args:
        exchange: Markets with their truth. Not yet moved, or moved by this dialect.
        dialect: A venue's name in :data:`DIALECTS`, or a dialect of your own.
        faults: A plan, or the name of one in :data:`PRESETS`.
        host: Where to listen.
        port: Likewise; 0 = any free one.
        flow: Whether time goes on by itself, or by :meth:`Server.step`.
        **settings: See :class:`Settings`.

    Raises:
        ValueError: If there is no such dialect or preset.

    """
    kind = DIALECTS.get(dialect) if isinstance(dialect, str) else dialect
    if kind is None:
        raise ValueError(f"no dialect {dialect!r}: choose {', '.join(DIALECTS)}")
    if not isinstance(faults, FaultPlan):
        faults = FaultPlan.preset(faults or "none", exchange.seed)
    exchange.number(kind.numbering, empty=kind.empty)
    server = Server(exchange, kind(exchange), faults, settings)
    listener = await asyncio.start_server(server.accept, host, port)
    host, port = listener.sockets[0].getsockname()[:2]
    server.ws_url = f"ws://{host}:{port}{kind.base_path}"
    server.rest_url = f"http://{host}:{port}"
    if flow:
        server.start(server.flow())
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
    server.check()
