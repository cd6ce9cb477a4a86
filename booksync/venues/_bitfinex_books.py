"""A Bitfinex book on its channel: numbered frames, and levels by sign and count."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Snapshot

__all__ = ["Channel", "Entry"]

#: ``[PRICE, COUNT, AMOUNT]``.
Entry = tuple[Decimal, int, Decimal]
GONE = Decimal(0)


class Channel:
    """
    A subscribed book.

    Args:
        symbol: Whose it is.
        length: Levels a side that the venue sends; 0 if it did not say.

    """

    __slots__ = ("last", "length", "symbol")

    def __init__(self, symbol: str, length: int) -> None:
        self.symbol = symbol
        self.length = length
        #: Number of its last frame; ``None`` before the snapshot.
        self.last: int | None = None

    def snapshot(
        self, number: int, entries: Sequence[Entry], time: float | None
    ) -> Snapshot:
        """Begin with ``entries``, sent as frame ``number``; raises as :meth:`delta`."""
        bids, asks = _sides(entries)
        self.last = number
        return Snapshot(self.symbol, number, bids, asks, self.length or None, time)

    def delta(self, number: int, entries: Sequence[Entry], time: float | None) -> Delta:
        """
        Chain frame ``number`` to the one before it; one that is older changes nothing.

        Raises:
            MalformedMessage: If no level can be like that.

        """
        bids, asks = _sides(entries)
        prev = number - 1
        if self.last is not None and self.last < number:
            prev, self.last = self.last, number
        return Delta(self.symbol, prev, number, bids, asks, time)

    def skip(self, number: int) -> None:
        """Frame ``number`` could not be read: the next delta is a gap."""
        if self.last is not None:
            self.last = number


def _sides(
    entries: Sequence[Entry],
) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
    """``AMOUNT`` > 0 is a bid, < 0 an ask; ``COUNT`` = 0 removes the level."""
    bids: list[tuple[Decimal, Decimal]] = []
    asks: list[tuple[Decimal, Decimal]] = []
    for price, count, amount in entries:
        if count < 0 or not amount.is_finite() or not amount:
            raise MalformedMessage(f"count {count}, amount {amount}")
        side = asks if amount.is_signed() else bids
        side.append((price, amount.copy_abs() if count else GONE))
    return bids, asks
