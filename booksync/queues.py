"""What waits: inputs for the core, bounded by backpressure; events for the user."""

from __future__ import annotations

import asyncio
from collections import deque

from booksync.events import Changed, Event
from booksync.inputs import Input

__all__ = ["EventQueue", "InputQueue"]

#: Frames that may wait for the consumer; past it the sockets are not read.
MAX_INPUTS = 10_000
#: Likewise in bytes (characters) of those frames.
MAX_INPUT_BYTES = 64 * 1024 * 1024
#: Events kept for a consumer that does not take them, besides one change a book.
MAX_EVENTS = 10_000

Frame = tuple[int, str | bytes, float]
Item = Frame | tuple[Input, float]


class InputQueue:
    """Frames and other inputs in order of arrival; one task takes them."""

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self._bytes = 0
        self._room = asyncio.Event()
        # Someone may be waiting for room.
        self._full = False
        self._waiter: asyncio.Future[None] | None = None

    def put(self, given: Input, now: float) -> None:
        """Add an input that is not a frame: these are few and never wait."""
        self.items.append((given, now))
        self.wake()

    async def put_frame(self, number: int, raw: str | bytes, now: float) -> None:
        """Add a frame; waits while the consumer is behind."""
        while not self.offer(number, raw, now):
            self._full = True
            self._room.clear()
            await self._room.wait()

    def offer(self, number: int, raw: str | bytes, now: float) -> bool:
        """Add a frame if there is room; say whether there was."""
        items = self.items
        if len(items) >= MAX_INPUTS or self._bytes >= MAX_INPUT_BYTES:
            return False
        items.append((number, raw, now))
        self._bytes += len(raw)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        return True

    def take(self) -> Item | None:
        """Remove the oldest; ``None`` if there is none."""
        items = self.items
        if not items:
            return None
        item = items.popleft()
        if len(item) == 3:  # noqa: PLR2004 - a frame
            self._bytes -= len(item[1])
        if self._full:
            self._make_room()
        return item

    def _make_room(self) -> None:
        """Read the sockets again once half of what waited is gone."""
        few = len(self.items) <= MAX_INPUTS // 2
        if few and self._bytes <= MAX_INPUT_BYTES // 2:
            self._full = False
            self._room.set()

    async def wait(self, seconds: float | None) -> None:
        """Sleep until something is put or woken, or for so long."""
        loop = asyncio.get_running_loop()
        if self._waiter is None or self._waiter.done():
            self._waiter = loop.create_future()
        timer = None
        if seconds is not None:
            timer = loop.call_later(max(0.0, seconds), self.wake)
        try:
            await asyncio.shield(self._waiter)
        finally:
            if timer is not None:
                timer.cancel()

    def wake(self) -> None:
        """End :meth:`wait`."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class EventQueue:
    """
    Events that the user has not taken.

    Args:
        conflate: Changes of one book that wait become one, the newest.

    """

    def __init__(self, *, conflate: bool) -> None:
        self._conflate = conflate
        self._events: deque[Event] = deque()
        self._newest: dict[str, Changed] = {}
        #: Events that were not delivered, each as its own.
        self.conflated = 0

    def __len__(self) -> int:
        """Events that wait."""
        return len(self._events)

    def change(self, event: Changed) -> None:
        """Add a change."""
        if not self._conflate:
            self._events.append(event)
            return
        if event.symbol in self._newest:
            self.conflated += 1
        else:
            self._events.append(event)
        self._newest[event.symbol] = event

    def add(self, event: Event) -> None:
        """Add an event that says something of trust; the oldest go if too many wait."""
        if len(self._events) >= MAX_EVENTS + len(self._newest):
            oldest = self._events.popleft()
            if type(oldest) is Changed:
                self._newest.pop(oldest.symbol, None)
            self.conflated += 1
        self._events.append(event)

    def take(self) -> Event | None:
        """Remove the oldest; ``None`` if there is none."""
        if not self._events:
            return None
        event = self._events.popleft()
        if self._conflate and type(event) is Changed:
            return self._newest.pop(event.symbol)
        return event

    def drop_changes(self) -> None:
        """Forget waiting changes: their books have moved on."""
        if not self._events or type(self._events[-1]) is not Changed:
            return
        kept = [event for event in self._events if type(event) is not Changed]
        self.conflated += len(self._events) - len(kept)
        self._events = deque(kept)
        self._newest.clear()
