"""The asyncio shell: connections and requests in, one ordered run of events out."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from booksync import venues
from booksync.arbitration import Arbiter
from booksync.book import Book
from booksync.budget import Budget
from booksync.engine import Engine, FeedCounts, policy_of
from booksync.errors import (
    BookNotLive,
    BookSyncError,
    ConfigurationError,
    SubscriptionRejected,
    TransportError,
    redacted,
)
from booksync.events import (
    Changed,
    Check,
    Command,
    Desynced,
    Event,
    FetchSnapshot,
    Output,
    Reconnect,
    Rejected,
    Resubscribe,
    Rotate,
    Send,
    Synced,
)
from booksync.fetching import Fetcher
from booksync.flight import Flight
from booksync.inputs import (
    Answered,
    Asked,
    Closed,
    Compared,
    Failed,
    Input,
    Removed,
    Resubscribed,
    Ticked,
)
from booksync.keeping import Keeper, Link, spread
from booksync.pooling import budget_of, queue_of
from booksync.queries import FrozenBook
from booksync.queues import EventQueue, InputQueue, Item
from booksync.recording import Recorder
from booksync.scheduling import Scheduler
from booksync.states import FAULTS, Cause, State
from booksync.status import Status
from booksync.sync import Synchronizer
from booksync.telling import Teller
from booksync.transport import Rest, Transport, checked_url
from booksync.venues.base import Venue
from booksync.venues.facts import Numbering, Source

__all__ = ["Feed", "connect"]

OnStale = Literal["raise", "wait", "last"]

#: Inputs taken in a row before timers are looked at.
TURN = 256
#: Seconds between two checkpoints of all books in a recording.
CHECKPOINT_EVERY = 300.0
#: Deltas of each book remembered where books are audited.
RING = 256
#: Seconds in which the books of two connections may come to stand alike, at least and
#: at most.
PATIENCE = (3.0, 30.0)
#: Attempts to reach a venue that never answered, before the caller is told.
FIRST_ATTEMPTS = 3


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
    if on_stale not in ("raise", "wait", "last"):
        raise ConfigurationError(
            f"on_stale cannot be {on_stale!r}: raise, wait or last"
        )
    if lines not in (1, 2):
        raise ConfigurationError(f"lines must be 1 or 2, not {lines}")
    by_symbol = made.facts.numbering is Numbering.SYMBOL
    if lines > 1 and made.facts.source is Source.REST and not by_symbol:
        raise ConfigurationError(f"{made.id} does not number its deltas: lines=1 only")
    chosen = dict(policy or {})
    if max_age is not None:
        chosen["max_age"] = max_age
    if audit_every is not None:
        chosen.setdefault("ring", RING)
    settings = _Settings(
        audit_every=audit_every,
        flight=flight,
        lines=lines,
        on_stale=on_stale,
        conflate=conflate,
        record=record,
        ws_url=ws_url or made.WS_URL,
        rest_url=rest_url or made.REST_URL,
        silence=silence,
        policy=chosen,
        budget=budget,
    )
    return Feed(
        made,
        [kind.prepare(symbol) for symbol in symbols],
        settings=settings,
        transport=transport or Transport(proxy=proxy),
        chance=chance,
    )


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    audit_every: float | None
    flight: str | Path | None
    lines: int
    on_stale: OnStale
    conflate: bool
    record: str | Path | None
    ws_url: str
    rest_url: str
    silence: float | None
    policy: dict[str, Any]
    budget: Any


class Feed:
    """
    Live books of one venue; made by :func:`connect`.

    Iterate it for events. One consumer at a time drives the books: after each event
    ``feed[symbol]`` is exactly the book of that event (unless ``conflate``: then it
    is the book of now).
    """

    def __init__(  # noqa: PLR0915 - one feed has these parts
        self,
        venue: Venue,
        symbols: list[str],
        *,
        settings: _Settings,
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
        self._inputs = InputQueue()
        self._events = EventQueue(conflate=settings.conflate)
        self._taken = 0
        self._moves = 0
        self._error: BaseException | None = None
        self._open = False
        self._reached = False
        self._failures = 0
        self._answered = False
        self._unanswered = 0
        self._keepers: list[Keeper] = []
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._offset = 0.0
        self._clock: Callable[[], float] = time.monotonic
        self._recorder: Recorder | None = None
        self._checkpoint_at = math.inf
        flight = settings.flight
        self._flight = None if flight is None else Flight(flight)
        self._rest: Rest | None = None
        self._fetcher: Fetcher | None = None
        self._engine = self._make_engine()
        self._teller = Teller(venue.id, self.__contains__)
        self._commands: dict[type, Callable[[Any], None]] = {
            Send: self._do_send,
            FetchSnapshot: self._do_fetch,
            Check: self._do_check,
            Resubscribe: self._do_resubscribe,
            Reconnect: self._do_reconnect,
            Rotate: self._do_rotate,
            Rejected: self._do_reject,
            Synced: self._do_synced,
            Desynced: self._do_desynced,
        }

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
            self._recorder = Recorder(self._settings.record, self._header())
            self._checkpoint_at = self.clock() + CHECKPOINT_EVERY
        if self.venue.facts.source is Source.REST:
            self._fetcher = self._make_fetcher()
            self.spawn(self._fetcher.run(self._group))
        if self._settings.audit_every is not None:
            self.spawn(self._audit(self._settings.audit_every))
        size = self.venue.limits.symbols
        for symbols in spread(self._symbols, size):
            self._keep(symbols)
        if self._settings.conflate:
            self.spawn(self._drive_always())

    async def _audit(self, every: float) -> None:
        """Check one live book after another, each once in ``every`` seconds."""
        alone = self._fetcher is None and self._settings.lines == 1
        while True:
            live = [s.symbol for s in self._engine.books.values() if s.live]
            of: list[Any] = list(self._keepers) if alone else live
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
            self._fetcher.audit(symbol, self._group)
        else:
            self.put(Compared(symbol), self.clock())

    def _make_fetcher(self) -> Fetcher:
        queue = self._queue()
        return Fetcher(
            self.venue,
            self.rest(),
            queue,
            put=self.put,
            clock=self.clock,
            chance=self.chance,
        )

    def _shared(self, host: str, limit: int, window: float) -> Budget:
        """Return the budget of all feeds of this venue here, or on this machine."""
        path = self._settings.budget
        file = "" if path is None or isinstance(path, Budget) else path
        return budget_of(self.venue.id, host, limit, window, file=file)

    def _queue(self) -> Scheduler:
        """Return the queue of all feeds that share this budget."""
        limits, budget = self.venue.limits, self._settings.budget
        if not isinstance(budget, Budget):
            host = self._settings.rest_url
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
            "silence": self._engine.silence,
            "lines": self._settings.lines,
            "instruments": msgspec.to_builtins(known, str_keys=True),
        }

    async def _load_instruments(self) -> None:
        found = {item.symbol: item for item in await fetch_instruments(self)}
        self.venue = self.venue.again(instruments=found)
        self._engine = self._make_engine()

    def _keep(self, symbols: list[str], line: int | None = None) -> None:
        """Keep a connection for ``symbols`` on one line, or on each."""
        lines = range(self._settings.lines) if line is None else (line,)
        # Lines are replaced one after another; one line's connections as they must.
        turn = self._turn if self._settings.lines > 1 else None
        for each in lines:
            keeper = Keeper(self, list(symbols), each, turn)
            self._keepers.append(keeper)
            self.spawn(keeper.run())

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
            while (item := self._inputs.take()) is not None:
                self._drive(item)
            if self._rest is not None:
                await self._rest.close()
            if self._recorder is not None:
                self._recorder.close()
            self._inputs.wake()

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
            elif not self._step():
                await self._idle()

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
        while moves == self._moves or not reached():
            moves = self._moves
            if self._error is not None:
                raise self._error
            if not self._open:
                raise BookSyncError("the feed is closed")
            if self._settings.conflate:
                await self._inputs.wait(None)
                continue
            if not self._step():
                await self._idle()
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
        size = self.venue.limits.symbols
        for line in range(self._settings.lines):
            left = list(new)
            for keeper in [k for k in self._keepers if k.line == line]:
                room = size - len(keeper.symbols)
                part, left = left[:room], left[room:]
                if part:
                    keeper.subscribe(part)
            for part in spread(left, size):
                self._keep(part, line)

    def remove(self, *symbols: str) -> None:
        """Forget symbols; unknown ones are ignored."""
        for symbol in symbols:
            for keeper in self._keepers:
                if symbol in keeper.symbols:
                    keeper.symbols.remove(symbol)
            if self._fetcher is not None:
                self._fetcher.forget(symbol)
            self.put(Removed(symbol), self.clock())

    # -- driving --------------------------------------------------------------------

    def _step(self) -> bool:
        """Take one input, if there is one."""
        item = self._inputs.take()
        if item is None:
            return False
        self._drive(item)
        self._taken += 1
        if not self._taken % TURN:
            self._tick()
        return True

    def _tick(self) -> float | None:
        """Let pass what time is due; return the seconds until the next deadline."""
        now = self.clock()
        deadline = self._engine.deadline()
        if deadline is not None and deadline <= now:
            self._drive((Ticked(), now))
            return 0.0
        return None if deadline is None else deadline - now

    async def _idle(self) -> None:
        """Wait for an input, or for a deadline."""
        pause = self._tick()
        if pause != 0.0:
            await self._inputs.wait(pause)

    async def _drive_always(self) -> None:
        """Drive the books whatever the consumer does (``conflate``)."""
        while True:
            if not self._step():
                await self._idle()
            self._inputs.wake()
            if self._taken % TURN == 0:
                await asyncio.sleep(0)

    def _drive(self, item: Item) -> None:
        if self._recorder is not None or self._flight is not None:
            self._note(item)
        if len(item) == 3:  # noqa: PLR2004 - a frame: number, raw, now
            number, raw, now = item
            self._emit(self._engine.frame(number, raw, now))
        else:
            given, now = item
            if isinstance(given, Failed | Answered):
                self._heed(given)
            elif isinstance(given, Closed):
                self._part(given)
            self._emit(self._engine.take(given, now))
            if isinstance(given, Closed) and self._fetcher is not None:
                self._withdraw(self._fetcher)

    def _withdraw(self, fetcher: Fetcher) -> None:
        """Ask no snapshot of a book that cannot take it: it is offline."""
        for symbol, sync in self._engine.books.items():
            lines = sync.lines if isinstance(sync, Arbiter) else (sync,)
            if all(line.state is State.OFFLINE for line in lines):
                fetcher.withdraw(symbol)

    def _heed(self, given: Failed | Answered) -> None:
        """Tell the caller, if no request ever was answered."""
        if isinstance(given, Answered):
            self._answered = True
            return
        self._unanswered += 1
        if not self._answered and self._unanswered >= FIRST_ATTEMPTS:
            rest = self._settings.rest_url
            self._fail(TransportError(f"{redacted(rest)}: {given.reason}"))

    def _part(self, given: Closed) -> None:
        """A symbol that ends the connection of others gets one of its own."""
        at = self._engine.connections.get(given.conn)
        if at is None or given.cause is not Cause.DISCONNECTED:
            return
        if at.succeeds is not None:  # what it was to replace carries them all
            return
        for keeper in [k for k in self._keepers if k.newest == given.conn]:
            symbol = keeper.blamed(at.waiting)
            if symbol is not None:
                self._teller.tell("parted", self.clock(), symbol)
                self._keep([symbol], keeper.line)

    def _note(self, item: Item) -> None:
        """Record an input, before it is taken."""
        now = item[-1]
        if self._flight is not None:
            if self._flight.due(now):
                self._flight.turn(self._engine.seeds(), now)
            self._flight.note(item)
        recorder = self._recorder
        if recorder is None:
            return
        if now >= self._checkpoint_at:
            self._checkpoint_at = now + CHECKPOINT_EVERY
            for number, seed in self._engine.seeds():
                recorder.book(now, number, seed)
        if len(item) == 3:  # noqa: PLR2004 - a frame
            recorder.frame(now, item[0], self.ws_url, item[1])
        else:
            recorder.event(now, item[0])

    def _do_desynced(self, event: Desynced) -> None:
        """Write what led to a fault of a live book."""
        if self._flight is None or event.cause not in FAULTS:
            return
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self.clock()))
        safe = "".join(c if c.isalnum() else "-" for c in event.symbol)
        name = f"{self.venue.id}-{safe}-{event.cause.value}-{moment}"
        path = self._flight.dump(name, self._header(), self.ws_url)
        if path is not None:
            told = {"cause": event.cause, "path": path}
            self._teller.tell("flight", self.clock(), event.symbol, **told)

    def _emit(self, outputs: list[Output]) -> None:
        for output in outputs:
            if type(output) is Changed:
                self._events.change(output)
                continue
            self._moves += 1
            command = self._commands.get(type(output))
            if command is not None:
                command(output)
            if not isinstance(output, Command):
                self._events.add(output)
                self._teller.event(output, self.clock())

    # -- commands -------------------------------------------------------------------

    def _link_of(self, number: int) -> Link | None:
        links = (keeper.link(number) for keeper in self._keepers)
        return next((link for link in links if link is not None), None)

    def _do_send(self, command: Send) -> None:
        link = self._link_of(command.connection)
        if link is not None:
            link.send(command.frames)

    def _do_fetch(self, command: FetchSnapshot) -> None:
        if self._fetcher is not None:
            self._fetcher.ask(command)
        else:
            symbol, request = command.symbol, command.request
            self._teller.tell(
                "snapshot_requested",
                self.clock(),
                symbol,
                request=request,
                reason="to be live",
            )
            self._later(command.at, Asked(symbol, request))

    def _do_check(self, command: Check) -> None:
        if self._fetcher is not None:
            self._fetcher.audit(command.symbol, self._group, probe=command.probe)

    def _do_resubscribe(self, command: Resubscribe) -> None:
        self._teller.tell("resubscribe", self.clock(), command.symbol)
        self._later(command.at, Resubscribed(command.symbol))

    def _later(self, at: float, given: Input) -> None:
        loop = asyncio.get_running_loop()
        pause = max(0.0, at - self.clock())
        loop.call_later(pause, lambda: self.put(given, self.clock()))

    def _do_reconnect(self, command: Reconnect) -> None:
        link = self._link_of(command.connection)
        if link is not None:
            link.drop(command.cause)

    def _do_rotate(self, command: Rotate) -> None:
        for keeper in self._keepers:
            keeper.rotate(command.connection)

    def _do_reject(self, message: Rejected) -> None:
        """Tell the caller of a symbol that never worked; others see the event."""
        if not message.final:
            return
        symbols = message.symbols or (None,)
        for symbol in symbols:
            sync = self._engine.books.get(symbol or "")
            worked = sync is not None and sync.counts.snapshots > 0
            known = symbol is None and any(map(_worked, self._engine.books.values()))
            if not worked and not known:
                self._fail(SubscriptionRejected(symbol, message.reason))

    def _do_synced(self, event: Synced) -> None:
        self._reached = True
        if self._fetcher is not None:
            self._fetcher.joined(event.symbol)
        for keeper in self._keepers:
            keeper.progress = keeper.progress or event.symbol in keeper.symbols

    # -- the host of keepers and fetcher ---------------------------------------------

    def clock(self) -> float:
        """Seconds since 1970 that never go back (anchored when the feed opened)."""
        return self._offset + self._clock()

    def put(self, given: Input, now: float) -> None:
        """Take an input."""
        if self._open:
            self._inputs.put(given, now)

    def offer(self, number: int, raw: str | bytes) -> bool:
        """Take a frame if there is room; say whether there was."""
        self._reached = True
        return self._inputs.offer(number, raw, self.clock())

    async def put_frame(self, number: int, raw: str | bytes) -> None:
        """Take a frame; waits while the consumer is behind."""
        await self._inputs.put_frame(number, raw, self.clock())

    def sent(self, number: int, url: str, frame: str | bytes) -> None:
        """Record a frame that was sent."""
        if self._recorder is not None:
            self._recorder.frame(self.clock(), number, url, frame, out=True)

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
        self._failures += 1
        if not self._reached and self._failures >= FIRST_ATTEMPTS:
            self._fail(error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task for as long as the feed lives; its failure is the feed's."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - handed to the consumer
                self._fail(error)

        task = self._group.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step never began its work.
        task.add_done_callback(lambda _task: work.close())
        return task

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._inputs.wake()


def _worked(sync: Synchronizer | Arbiter) -> bool:
    return sync.counts.snapshots > 0


async def fetch_instruments(feed: Feed) -> list[Any]:
    """
    Ask the venue for its markets.

    Raises:
        TransportError: If it does not answer.

    """
    found: list[Any] = []
    for request in feed.venue.instrument_requests():
        answer = await feed.rest().request(request)
        if answer.status != 200:  # noqa: PLR2004
            raise TransportError(f"{request.path}: HTTP status {answer.status}")
        found += feed.venue.parse_instruments(answer.body)
    return found
