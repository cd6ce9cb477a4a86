"""How changes become deltas: what an exchange cuts its order flow into."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from booksync.testing.market import Market

__all__ = ["Cutter", "Delta", "Levels", "Lists", "Numbering", "Placement", "Snapshot"]

#: ``(price, size)`` in whole steps; size 0 deletes.
Levels = list[tuple[int, int]]


class Numbering(enum.StrEnum):
    """How the ids of a venue run."""

    #: Each change of a symbol has the next number (Binance spot).
    SYMBOL = "symbol"
    #: One counter for the whole exchange, which counts other things too (USD-M).
    ENGINE = "engine"
    #: Each delta of a symbol has the next number (Kraken Futures).
    DELTA = "delta"
    #: Microseconds (Bitstamp).
    TIME = "time"


class Lists(enum.StrEnum):
    """What a delta lists."""

    #: Every level touched, with its final size, also one that moved and moved back.
    TOUCHED = "touched"
    #: Only levels that differ between the ends of the delta.
    NET = "net"


class Placement(enum.StrEnum):
    """Where a snapshot stands."""

    #: At the end of a delta.
    BOUNDARY = "boundary"
    #: Inside one, so that the next delta to apply straddles it.
    BETWEEN = "between"
    #: Now here, now there.
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Delta:
    """
    What happened to a symbol after ``prev``, up to ``last``.

    Args:
        market: Whose it is; its scales give prices and sizes as text.
        prev: Id of the last change before.
        first: Id of the first change in it.
        last: Id of the last change in it.
        start: Sequence before its first change.
        end: Sequence of its last change.
        bids: Levels in the order in which they were touched first.
        asks: Likewise.
        time: When, in seconds of the exchange's time.

    """

    market: Market
    prev: int
    first: int
    last: int
    start: int
    end: int
    bids: Levels
    asks: Levels
    time: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    The best levels of a symbol at one moment.

    Args:
        market: Whose it is.
        last: Id of the last change in it.
        sequence: Sequence of the last change in it.
        bids: Best first.
        asks: Best first.
        time: When it was asked for, in seconds of the exchange's time.

    """

    market: Market
    last: int
    sequence: int
    bids: Levels
    asks: Levels
    time: float


class Cutter:
    """
    Cuts one market's changes into deltas. A snapshot "at the boundary" is at ``end``.

    A cut in which nothing changed gives no delta, as at venues that only send when
    there is something to say; where ``lists`` is ``NET`` and all that moved has moved
    back, its ids go to the next delta. With ``empty`` there always is a delta.

    Args:
        market: The market.
        lists: What its deltas list.
        empty: Cut empty deltas too.

    """

    def __init__(self, market: Market, lists: Lists, *, empty: bool = False) -> None:
        self._market = market
        self._lists = lists
        self._empty = empty
        #: Sequence of the last change before the newest delta, and of its last.
        self.start = self.end = market.sequence
        self._prev = market.id_at(market.sequence)

    def cut(self, time: float, *, number: int | None = None) -> Delta | None:
        """
        Make the delta of what happened since the last one, if there is any.

        Args:
            time: Seconds of the exchange's time.
            number: Its id, where deltas are numbered and not changes.

        """
        market, log = self._market, self._market.log
        self._cross_epoch()
        stop = min(
            (e.start for e in market.epochs if e.start > self.end),
            default=market.sequence,
        )
        sides: tuple[dict[int, tuple[int, int]], ...] = ({}, {})
        for index in range(self.end - log.base, stop - log.base):
            price, side = divmod(log.keys[index], 2)
            before = sides[side].get(price, (log.olds[index], 0))[0]
            sides[side][price] = (before, log.sizes[index])
        bids, asks = (self._listed(side) for side in sides)
        if not (bids or asks or self._empty):
            return None
        first = last = self._prev if number is None else number
        if number is None and stop > self.end:
            first, last = log.ids[self.end - log.base], log.ids[stop - log.base - 1]
        delta = Delta(market, self._prev, first, last, self.end, stop, bids, asks, time)
        self.start, self.end, self._prev = self.end, stop, last
        return delta

    def _cross_epoch(self) -> None:
        epoch = self._market.epoch
        if self.end == epoch.start and self._prev > epoch.top:
            self._prev = epoch.base

    def _listed(self, side: dict[int, tuple[int, int]]) -> Levels:
        touched = self._lists is Lists.TOUCHED
        return [
            (price, size)
            for price, (before, size) in side.items()
            if touched or before != size
        ]
