"""
dYdX's connection-wide numbers: messages are handed on strictly in their order.

One that comes early waits, and a number that is still missing when ``reorder`` others
have come is lost (:class:`Lost`). A book is thus never ahead of a message that it has
not seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from booksync.messages import (
    Delta,
    Levels,
    Lost,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.declared import Requests

__all__ = ["Item", "Ordered"]

#: Messages that may wait; a number that cannot is lost.
MAX_EARLY = 4096
#: What one number stands for: ``(symbol, bids, asks)`` of a delta, a message, nothing
#: that matters, or the symbol of a message that could not be read.
Item = tuple[str, Levels, Levels] | Snapshot | Unsubscribed | Rejected | str | None


class Ordered(Requests):
    """The next number, what came before its turn, and each symbol's last number."""

    __slots__ = ("_early", "_last", "_next", "_reorder")

    def __init__(self, reorder: int) -> None:
        super().__init__()
        self._reorder = reorder
        self._next = 0
        self._early: dict[int, Item] = {}
        self._last: dict[str, int] = {}

    def unreadable(self, number: int, symbol: str) -> None:
        """Let a message that cannot be read have its turn: a gap of its symbol."""
        if number >= self._next and len(self._early) < MAX_EARLY:
            self._early.setdefault(number, symbol)

    def take(self, number: int, item: Item) -> Sequence[Message]:
        """Hand on all whose turn it is."""
        early = self._early
        if number == self._next and not early:
            self._next += 1
            return self._handed(number, item)
        if number in early:
            return ()
        if number < self._next:
            # A duplicate: a delta is handed on, to be counted stale.
            if not isinstance(item, tuple):
                return ()
            symbol, bids, asks = item
            return (Delta(symbol, number - 1, number, bids, asks),)
        early[number] = item
        found: list[Message] = []
        while True:
            while self._next in early:
                found += self._handed(self._next, early.pop(self._next))
                self._next += 1
            if not early or len(early) < self._reorder:
                return found
            got = min(early)
            found.append(Lost(self._next, got))
            self._next = got

    def _handed(self, number: int, item: Item) -> Sequence[Message]:
        """Chain a symbol's deltas."""
        last = self._last
        if isinstance(item, tuple):
            symbol, bids, asks = item
            prev = last.get(symbol, number - 1)
            if symbol in last:
                last[symbol] = number
            return (Delta(symbol, prev, number, bids, asks),)
        if isinstance(item, Snapshot):
            last[item.symbol] = number
            return (Subscribed((item.symbol,)), item)
        if isinstance(item, str):
            if item in last:
                last[item] = number  # so that the symbol's next delta is a gap
            return ()
        if isinstance(item, Unsubscribed):
            last.pop(item.symbols[0], None)
        return () if item is None else (item,)
