"""The turn of a feed: one input into the core, and what comes of it done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from booksync.arbitration import Arbiter
from booksync.engine import Engine
from booksync.errors import SubscriptionRejected, TransportError, redacted
from booksync.events import (
    Changed,
    Check,
    Command,
    Desynced,
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
from booksync.inputs import (
    Answered,
    Asked,
    Closed,
    Failed,
    Input,
    Resubscribed,
    Ticked,
)
from booksync.noting import Notes
from booksync.queues import EventQueue, InputQueue, Item
from booksync.spreading import Keepers
from booksync.states import Cause, State
from booksync.sync import Synchronizer
from booksync.telling import Teller

__all__ = ["Contact", "Driver", "Owner"]

#: Inputs taken in a row before timers are looked at.
TURN = 256
#: Attempts to reach a venue that never answered, before the caller is told.
FIRST_ATTEMPTS = 3


class Owner(Protocol):
    """What a driver needs of its feed."""

    def clock(self) -> float:
        """Seconds now."""

    def put(self, given: Input, now: float) -> None:
        """Take an input."""

    def audit(self, symbol: str, *, probe: bool = False) -> None:
        """Fetch a snapshot to check a live book, if there is room for it."""

    def fail(self, error: BaseException) -> None:
        """Tell the caller."""


class Contact:
    """
    Whether the venue ever answered: if it never does, the caller is told.

    Args:
        rest_url: Whom requests ask.
        fail: Tells the caller.

    """

    def __init__(self, rest_url: str, fail: Callable[[BaseException], None]) -> None:
        #: Whether a frame ever came, or a book was live.
        self.reached = False
        self._rest_url = rest_url
        self._fail = fail
        self._failures = 0
        self._answered = False
        self._unanswered = 0

    def unreachable(self, error: TransportError) -> None:
        """Note a connection that did not open."""
        self._failures += 1
        if not self.reached and self._failures >= FIRST_ATTEMPTS:
            self._fail(error)

    def heed(self, given: Failed | Answered) -> None:
        """Note what came of a request."""
        if isinstance(given, Answered):
            self._answered = True
            return
        self._unanswered += 1
        if not self._answered and self._unanswered >= FIRST_ATTEMPTS:
            rest = redacted(self._rest_url)
            self._fail(TransportError(f"{rest}: {given.reason}"))


class Driver:
    """
    Takes the inputs of one feed, one by one.

    Args:
        owner: The feed.
        engine: The core.
        events: Where what the user is to know goes.
        notes: What is kept of all inputs.
        keepers: The connections.
        contact: Told of what came of requests.

    """

    def __init__(
        self,
        owner: Owner,
        engine: Engine,
        *,
        events: EventQueue,
        notes: Notes,
        keepers: Keepers,
        contact: Contact,
    ) -> None:
        self.engine = engine
        self.inputs = InputQueue()
        #: Fetches snapshots, once it is there; ``None`` where they are not fetched.
        self.fetcher: Fetcher | None = None
        #: How often some book's trust moved.
        self.moves = 0
        self._owner = owner
        self._events = events
        self._notes = notes
        self._keepers = keepers
        self._contact = contact
        self._taken = 0
        self._venue = engine.venue.id
        self._teller = Teller(self._venue, lambda symbol: symbol in self.engine.books)
        self._commands: dict[type, Callable[[Any], None]] = {
            Send: keepers.send,
            FetchSnapshot: self._do_fetch,
            Check: self._do_check,
            Resubscribe: self._do_resubscribe,
            Reconnect: keepers.reconnect,
            Rotate: keepers.rotate,
            Rejected: self._do_reject,
            Synced: self._do_synced,
            Desynced: self._do_desynced,
        }

    # -- turns ------------------------------------------------------------------------

    def step(self) -> bool:
        """Take one input, if there is one."""
        item = self.inputs.take()
        if item is None:
            return False
        self._drive(item)
        self._taken += 1
        if not self._taken % TURN:
            self._tick()
        return True

    async def idle(self) -> None:
        """Wait for an input, or for a deadline."""
        pause = self._tick()
        if pause != 0.0:
            await self.inputs.wait(pause)

    async def run(self) -> None:
        """Drive whatever the consumer does (``conflate``), until cancelled."""
        while True:
            taken = self.step()
            if taken and self._taken % TURN:
                continue  # nobody else runs meanwhile
            self.inputs.wake()
            await (asyncio.sleep(0) if taken else self.idle())

    def finish(self) -> None:
        """Take all that is left."""
        while (item := self.inputs.take()) is not None:
            self._drive(item)
        self.inputs.wake()

    def _tick(self) -> float | None:
        """Let pass what time is due; return the seconds until the next deadline."""
        now = self._owner.clock()
        deadline = self.engine.deadline()
        if deadline is not None and deadline <= now:
            self._drive((Ticked(), now))
            return 0.0
        return None if deadline is None else deadline - now

    def _drive(self, item: Item) -> None:
        if self._notes.on:
            self._notes.note(item)
        if len(item) == 3:  # noqa: PLR2004 - a frame: number, raw, now
            number, raw, now = item
            self._emit(self.engine.frame(number, raw, now))
        else:
            given, now = item
            if isinstance(given, Failed | Answered):
                self._contact.heed(given)
            elif isinstance(given, Closed):
                self._part(given)
            self._emit(self.engine.take(given, now))
            if isinstance(given, Closed) and self.fetcher is not None:
                self._withdraw(self.fetcher)

    def _emit(self, outputs: list[Output]) -> None:
        for output in outputs:
            if type(output) is Changed:
                self._events.change(output)
                continue
            self.moves += 1
            command = self._commands.get(type(output))
            if command is not None:
                command(output)
            if not isinstance(output, Command):
                self._events.add(output)
                self._teller.event(output, self._owner.clock())

    # -- connections that ended -------------------------------------------------------

    def _part(self, given: Closed) -> None:
        """A symbol that ends the connection of others gets one of its own."""
        at = self.engine.connections.get(given.conn)
        if at is None or given.cause is not Cause.DISCONNECTED:
            return
        if at.succeeds is not None:  # what it was to replace carries them all
            return
        for symbol in self._keepers.part(given.conn, at.waiting):
            self._teller.tell("parted", self._owner.clock(), symbol)

    def _withdraw(self, fetcher: Fetcher) -> None:
        """Ask no snapshot of a book that cannot take it: it is offline."""
        for symbol, sync in self.engine.books.items():
            lines = sync.lines if isinstance(sync, Arbiter) else (sync,)
            if all(line.state is State.OFFLINE for line in lines):
                fetcher.withdraw(symbol)

    # -- commands ---------------------------------------------------------------------

    def _do_fetch(self, command: FetchSnapshot) -> None:
        if self.fetcher is not None:
            self.fetcher.ask(command)
            return
        symbol, request = command.symbol, command.request
        asked = {"request": request, "reason": "to be live"}
        self._teller.tell("snapshot_requested", self._owner.clock(), symbol, **asked)
        self._later(command.at, Asked(symbol, request))

    def _do_check(self, command: Check) -> None:
        self._owner.audit(command.symbol, probe=command.probe)

    def _do_resubscribe(self, command: Resubscribe) -> None:
        self._teller.tell("resubscribe", self._owner.clock(), command.symbol)
        self._later(command.at, Resubscribed(command.symbol))

    def _later(self, at: float, given: Input) -> None:
        owner = self._owner
        pause = max(0.0, at - owner.clock())
        loop = asyncio.get_running_loop()
        loop.call_later(pause, lambda: owner.put(given, owner.clock()))

    # -- events that concern the shell, too -------------------------------------------

    def _do_reject(self, message: Rejected) -> None:
        """Tell the caller of a symbol that never worked; others see the event."""
        if not message.final:
            return
        books = self.engine.books
        for symbol in message.symbols or (None,):
            sync = books.get(symbol or "")
            known = symbol is None and any(map(_worked, books.values()))
            if not known and not (sync is not None and _worked(sync)):
                self._owner.fail(SubscriptionRejected(symbol, message.reason))

    def _do_synced(self, event: Synced) -> None:
        self._contact.reached = True
        if self.fetcher is not None:
            self.fetcher.joined(event.symbol)
        self._keepers.progressed(event.symbol)

    def _do_desynced(self, event: Desynced) -> None:
        now = self._owner.clock()
        path = self._notes.desynced(self._venue, event, now)
        if path is not None:
            told = {"cause": event.cause, "path": path}
            self._teller.tell("flight", now, event.symbol, **told)


def _worked(sync: Synchronizer | Arbiter) -> bool:
    return sync.counts.snapshots > 0
