"""The asyncio shell: connections and requests in, one ordered run of events out."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from booksync import venues
from booksync.book import Book
from booksync.budget import Budget
from booksync.driving import Contact, Driver
from booksync.engine import Engine, FeedCounts, policy_of
from booksync.errors import (
    BookNotLive,
    BookSyncError,
    ConfigurationError,
    TransportError,
)
from booksync.events import Event
from booksync.fetching import Fetcher, fetch_instruments
from booksync.frozen import FrozenBook
from booksync.inputs import Compared, Input, Removed, Seed
from booksync.keeping import Keeper
from booksync.noting import Notes
from booksync.pooling import budget_of, queue_of
from booksync.queues import EventQueue
from booksync.scheduling import Scheduler
from booksync.settings import OnStale, Settings
from booksync.spreading import Keepers
from booksync.states import State
from booksync.status import Status
from booksync.transport import Rest, Transport, checked_url
from booksync.venues.base import Venue
from booksync.venues.facts import Source

__all__ = ["Feed", "connect"]

#: Seconds in which the books of two connections may come to stand alike, at least and
#: at most.
PATIENCE = (3.0, 30.0)


def connect(  # noqa: PLR0913 - the options of design.md 7
    venue: str | type[Venue],
    *symbols: str,
    numbers: type[Decimal | float] = Decimal,
    depth: int | None = None,
    lines: int = 1,
    on_stale: OnStale = "raise",
    max_age: float | None = None,
    audit_every: float | None = None,
    conflate: bool = False,
    record: str | Path | None = None,
    flight: str | Path | None = None,
    proxy: str | None = None,
    ws_url: str | None = None,
    rest_url: str | None = None,
    options: Mapping[str, str] | None = None,
    silence: float | None = None,
    policy: Mapping[str, Any] | None = None,
    budget: Budget | str | Path | None = None,
    transport: Transport | None = None,
    chance: Callable[[], float] = random.random,
) -> Feed:
    """
    Make a feed of live books; enter it with ``async with``.

    Args:
        venue: Id of a venue (``booksync venues`` lists them), or a venue class.
        symbols: The venue's own spelling.
        numbers: ``Decimal``, exact, or ``float``, faster.
        depth: Levels a side to ask snapshots for; by default the venue's best value
            for its weight.
        lines: Connections that carry each symbol, 1 or 2: with two, a loss or a
            disconnect on one costs nothing while the other is whole.
        on_stale: What reading a withheld book does: ``"raise"`` raises
            :exc:`BookNotLive`; ``"wait"`` makes ``await feed.book(symbol)`` wait until
            it is live; ``"last"`` gives the last live book, frozen.
        max_age: Seconds without a message after which a book is withheld, until one
            that is no later than that; by default any.
        audit_every: Seconds in which each live book is compared, level by level, with
            a snapshot once (:class:`~booksync.events.Audited`); only one that differs
            is withheld. Snapshots by REST use at most half the budget. Where they come
            in the stream, a second connection is opened to compare with, and closed
            again; with ``lines=2``, the lines are compared with each other.
        conflate: For a consumer that may be slow: events of a book that were not taken
            in time become one. Otherwise the sockets are read only as fast as events
            are taken (backpressure).
        record: File to record everything to (``.jsonl``, ``.jsonl.gz``,
            ``.jsonl.zst``).
        flight: Folder for the flight recorder: when a live book goes wrong, the last
            30 to 60 seconds of everything are written there, as a recording that
            replays to the same event. Not for venues whose session holds levels.
        proxy: URL of a proxy; by default what the environment says.
        ws_url: In place of the venue's websocket base URL.
        rest_url: In place of the venue's REST base URL.
        options: The venue's own options.
        silence: Seconds without any frame after which a connection is given up; by
            default the venue's.
        policy: Fields of :class:`~booksync.policy.Policy` to replace.
        budget: Snapshot budget; by default one for each venue in this process. A path:
            shared by all processes of this machine that name it, whatever their venues.
        transport: How to reach the network; by default as ``proxy`` says.
        chance: Returns a number in ``[0, 1)``: jitter.

    Raises:
        ConfigurationError: If a venue, symbol, option, depth or URL is impossible.

    """
    kind = venues.get(venue) if isinstance(venue, str) else venue
    made = kind(numbers=numbers, depth=depth, options=options)
    settings = Settings(
        audit_every=audit_every,
        flight=flight,
        lines=lines,
        on_stale=on_stale,
        conflate=conflate,
        record=record,
        ws_url=ws_url or "",
        rest_url=rest_url or "",
        silence=silence,
        policy=policy or {},
        budget=budget,
    )
    return Feed(
        made,
        [kind.prepare(symbol) for symbol in symbols],
        settings=settings.fit(made, max_age=max_age),
        transport=transport or Transport(proxy=proxy),
        chance=chance,
    )


class Feed:
    """
    Live books of one venue; made by :func:`connect`.

    Iterate it for events. One consumer at a time drives the books: after each event
    ``feed[symbol]`` is exactly the book of that event (unless ``conflate``: then it
    is the book of now).
    """

    def __init__(
        self,
        venue: Venue,
        symbols: list[str],
        *,
        settings: Settings,
        transport: Transport,
        chance: Callable[[], float],
    ) -> None:
        plain = transport.allow_plain
        self.ws_url = checked_url(settings.ws_url, ("wss", "ws"), plain=plain)
        if settings.rest_url:
            checked_url(settings.rest_url, ("https", "http"), plain=plain)
        self.venue = venue
        self.transport = transport
        self.chance = chance
        self._settings = settings
        limits = venue.limits
        self.connects = self._shared(
            self.ws_url, limits.connects, limits.connects_window
        )
        self._symbols = list(dict.fromkeys(symbols))
        self._error: BaseException | None = None
        self._open = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._offset = 0.0
        self._clock: Callable[[], float] = time.monotonic
        self._rest: Rest | None = None
        self._fetcher: Fetcher | None = None
        self._events = EventQueue(conflate=settings.conflate)
        self._contact = Contact(settings.rest_url, self.fail)
        self._keepers = Keepers(self, settings.lines)
        self._notes = Notes(
            settings.flight,
            self.ws_url,
            header=self._header,
            seeds=self._seeds,
        )
        self._driver = Driver(
            self,
            self._make_engine(),
            events=self._events,
            notes=self._notes,
            keepers=self._keepers,
            contact=self._contact,
        )
        self._inputs = self._driver.inputs

    @property
    def _engine(self) -> Engine:
        return self._driver.engine

    def _seeds(self) -> list[tuple[int, Seed]]:
        return self._engine.seeds()

    def _make_engine(self) -> Engine:
        engine = Engine(
            self.venue,
            policy=policy_of(self.venue, **self._settings.policy),
            silence=self._settings.silence,
            keep_last=self._settings.on_stale == "last",
            lines=self._settings.lines,
        )
        for symbol in self._symbols:
            engine.added(symbol)
        return engine

    def __repr__(self) -> str:
        """``<Feed binance BTCUSDT live@1234>``."""
        books = " ".join(
            f"{sync.symbol} {sync.state.value}@{sync.book.sequence}"
            for sync in itertools.islice(self._engine.books.values(), 5)
        )
        more = len(self._engine.books) - 5
        return f"<Feed {self.venue.id} {books}{f' +{more}' if more > 0 else ''}>"

    # -- life -----------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """
        Start connecting; does not wait for books (see :meth:`live`).

        Raises:
            TransportError: If the venue's instruments are needed and cannot be had.
            ConfigurationError: If the recording cannot be written.

        """
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        self._offset = time.time() - loop.time()
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._open = True
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def _start(self) -> None:
        if self._settings.rest_url:
            self._rest = self.transport.rest(self._settings.rest_url)
        if self.venue.needs_instruments:
            await self._load_instruments()
        if self._settings.record is not None:
            self._notes.record(self._settings.record, self.clock())
        if self.venue.facts.source is Source.REST:
            self._fetcher = self._driver.fetcher = self._make_fetcher()
            self.spawn(self._fetcher.run(self._group))
        if self._settings.audit_every is not None:
            self.spawn(self._audit(self._settings.audit_every))
        self._keepers.start(self._symbols)
        if self._settings.conflate:
            self.spawn(self._driver.run())

    async def _audit(self, every: float) -> None:
        """Check one live book after another, each once in ``every`` seconds."""
        alone = self._fetcher is None and self._settings.lines == 1
        while True:
            live = [s.symbol for s in self._engine.books.values() if s.live]
            of: list[Any] = list(self._keepers.all) if alone else live
            if not live:
                await asyncio.sleep(min(every, 1.0))
                continue
            for one in of:
                await asyncio.sleep(every / len(of))
                if isinstance(one, Keeper):
                    await one.audit(min(max(every, PATIENCE[0]), PATIENCE[1]))
                else:
                    self._compare(one)

    def _compare(self, symbol: str) -> None:
        """Compare a live book with a snapshot, or with the other line's."""
        sync = self._engine.books.get(symbol)
        if sync is None or not sync.live:
            return
        if self._fetcher is not None:
            self.audit(symbol)
        else:
            self.put(Compared(symbol), self.clock())

    def audit(self, symbol: str, *, probe: bool = False) -> None:
        """Fetch a snapshot to check a live book, if there is room for it."""
        if self._fetcher is not None:
            self._fetcher.audit(symbol, self._group, probe=probe)

    def _make_fetcher(self) -> Fetcher:
        return Fetcher(
            self.venue,
            self.rest(),
            self._queue(),
            put=self.put,
            clock=self.clock,
            chance=self.chance,
        )

    def _shared(self, host: str, limit: int, window: float) -> Budget:
        """Return the budget of all feeds of this venue here, or on this machine."""
        file = self._settings.budget_file
        return budget_of(self.venue.id, host, limit, window, file=file)

    def _queue(self) -> Scheduler:
        """Return the queue of all feeds that share this budget."""
        limits, host = self.venue.limits, self._settings.rest_url
        budget = self._settings.own_budget
        if budget is None:
            budget = self._shared(host, limits.weight, limits.weight_window)
        return queue_of(budget)

    def _header(self) -> dict[str, Any]:
        known = [i for s, i in self.venue.instruments.items() if s in self._symbols]
        return {
            "venue": self.venue.id,
            "symbols": self._symbols,
            "depth": self.venue.depth,
            "options": self.venue.options,
            "policy": msgspec.to_builtins(self._settings.policy),
            "silence": self._settings.silence,
            "lines": self._settings.lines,
            "instruments": msgspec.to_builtins(known, str_keys=True),
        }

    async def _load_instruments(self) -> None:
        found = {
            item.symbol: item
            for item in await fetch_instruments(self.venue, self.rest())
        }
        self.venue = self.venue.again(instruments=found)
        self._driver.engine = self._make_engine()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection; leaves no task behind."""
        await self._stop()

    async def _stop(self) -> None:
        self._open = False
        for task in self._tasks:
            task.cancel()
        try:
            await self._group.__aexit__(None, None, None)
        finally:
            self._driver.finish()
            if self._rest is not None:
                await self._rest.close()
            self._notes.close()

    # -- reading --------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[Event]:
        """Iterate events."""
        return self

    async def __anext__(self) -> Event:
        """
        Return the next event; ends when the feed is closed.

        Raises:
            SubscriptionRejected: If the venue refuses a symbol that never was live.
            TransportError: If the venue cannot be reached at all.

        """
        while True:
            event = self._events.take()
            if event is not None:
                return event
            if self._error is not None:
                raise self._error
            if not self._open:
                raise StopAsyncIteration
            if self._settings.conflate:
                await self._inputs.wait(None)
            elif not self._driver.step():
                await self._driver.idle()

    def __getitem__(self, symbol: str) -> Book | FrozenBook:
        """
        Return the book of ``symbol``.

        Raises:
            BookNotLive: If it is withheld (``on_stale="last"``: if it never was
                live). Also raised by every read of a book that is withheld later.
            KeyError: If the feed has no such symbol.

        """
        sync = self._engine.books[symbol]
        fetcher = self._fetcher
        if sync.live:
            if fetcher is not None:
                fetcher.reads.add(symbol)
            return sync.book
        if fetcher is not None:
            fetcher.prefer(symbol)
        if self._settings.on_stale == "last" and sync.last is not None:
            return sync.last
        raise BookNotLive(symbol, sync.cause.value)

    def __contains__(self, symbol: object) -> bool:
        """Whether the feed keeps a book of ``symbol``."""
        return symbol in self._engine.books

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols of the feed."""
        return tuple(self._engine.books)

    @property
    def counts(self) -> FeedCounts:
        """What happened on all connections."""
        return self._engine.counts

    @property
    def conflated(self) -> int:
        """Changes that a slow consumer did not see as events of their own."""
        return self._events.conflated

    def status(self, symbol: str) -> Status:
        """
        Return how far the book of ``symbol`` can be trusted. O(1).

        Raises:
            KeyError: If the feed has no such symbol.

        """
        now = self.clock()
        return self._told(self._engine.books[symbol].status(now), now)

    def statuses(self) -> list[Status]:
        """Return the status of every book."""
        now = self.clock()
        every = self._engine.books.values()
        return [self._told(sync.status(now), now) for sync in every]

    def _told(self, status: Status, now: float) -> Status:
        """Say in how long the book is expected to be live, if it waits for that."""
        if self._fetcher is None or status.state is not State.SYNCING:
            return status
        live_in = self._fetcher.expected(status.symbol, now)
        return msgspec.structs.replace(status, live_in=live_in)

    async def live(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """
        Wait until every book is live.

        Changes up to then are not seen as events; other events are kept.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: If it took longer; names the books that are not live.
            SubscriptionRejected: If the venue refuses a symbol.
            TransportError: If the venue cannot be reached at all.

        """
        try:
            async with asyncio.timeout(timeout):
                await self._until(self._all_live)
        except TimeoutError:
            late = [s for s in self._engine.books.values() if not s.live]
            named = ", ".join(f"{s.symbol} ({s.cause.value})" for s in late[:10])
            raise TimeoutError(
                f"{len(late)} of {len(self._engine.books)} books not live after "
                f"{timeout:g} s: {named}"
            ) from None

    async def book(self, symbol: str) -> Book | FrozenBook:
        """
        Return the book of ``symbol``; with ``on_stale="wait"`` wait until it is live.

        Raises:
            BookNotLive: As for ``feed[symbol]``.
            KeyError: If the feed has no such symbol.

        """
        if self._settings.on_stale == "wait":
            await self._until(lambda: self._readable(symbol))
        return self[symbol]

    def _readable(self, symbol: str) -> bool:
        """Whether the book is live; if it is not, somebody waits for it."""
        live = self._engine.books[symbol].live
        if not live and self._fetcher is not None:
            self._fetcher.prefer(symbol)
        return live

    def _all_live(self) -> bool:
        return all(sync.live for sync in self._engine.books.values())

    async def _until(self, reached: Callable[[], bool]) -> None:
        moves = -1  # asked again only when some book's trust moved
        while moves == self._driver.moves or not reached():
            moves = self._driver.moves
            if self._error is not None:
                raise self._error
            if not self._open:
                raise BookSyncError("the feed is closed")
            if self._settings.conflate:
                await self._inputs.wait(None)
                continue
            if not self._driver.step():
                await self._driver.idle()
            self._events.drop_changes()

    # -- symbols of a running feed --------------------------------------------------

    def add(self, *symbols: str) -> None:
        """
        Keep books of more symbols.

        Raises:
            ConfigurationError: If one cannot be a symbol of this venue.

        """
        wanted = [self.venue.prepare(symbol) for symbol in symbols]
        new = [s for s in dict.fromkeys(wanted) if s not in self._engine.books]
        for symbol in new:
            self._engine.added(symbol)
        self._keepers.add(new)

    def remove(self, *symbols: str) -> None:
        """Forget symbols; unknown ones are ignored."""
        for symbol in symbols:
            self._keepers.remove(symbol)
            if self._fetcher is not None:
                self._fetcher.forget(symbol)
            self.put(Removed(symbol), self.clock())

    # -- the host of keepers, fetcher and driver ------------------------------------

    def clock(self) -> float:
        """Seconds since 1970 that never go back (anchored when the feed opened)."""
        return self._offset + self._clock()

    def put(self, given: Input, now: float) -> None:
        """Take an input."""
        if self._open:
            self._inputs.put(given, now)

    def offer(self, number: int, raw: str | bytes) -> bool:
        """Take a frame if there is room; say whether there was."""
        self._contact.reached = True
        return self._inputs.offer(number, raw, self.clock())

    async def put_frame(self, number: int, raw: str | bytes) -> None:
        """Take a frame; waits while the consumer is behind."""
        await self._inputs.put_frame(number, raw, self.clock())

    def sent(self, number: int, url: str, frame: str | bytes) -> None:
        """Record a frame that was sent."""
        self._notes.sent(number, url, frame, self.clock())

    def session_of(self, number: int) -> object:
        """Return the venue memory of a connection."""
        at = self._engine.connections.get(number)
        return None if at is None else at.session

    def next_number(self) -> int:
        """Return a connection number never used before."""
        return next(self._numbers)

    def rest(self) -> Rest:
        """Return the client for requests."""
        if self._rest is None:
            raise ConfigurationError(f"{self.venue.id} needs a rest_url")
        return self._rest

    def unreachable(self, error: TransportError) -> None:
        """Tell the caller, if the venue never was reached."""
        self._contact.unreachable(error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task for as long as the feed lives; its failure is the feed's."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - handed to the consumer
                self.fail(error)

        task = self._group.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step never began its work.
        task.add_done_callback(lambda _task: work.close())
        return task

    def fail(self, error: BaseException) -> None:
        """Have the caller see ``error`` instead of the next event."""
        if self._error is None:
            self._error = error
        self._inputs.wake()
