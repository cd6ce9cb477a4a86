"""
An exchange that knows the truth: order flow, ids, deltas, snapshots.

Nothing here is a venue's: ids are numbers, levels are whole steps. A dialect
(:mod:`booksync.testing.dialects`) says how the ids run and puts it all into words.

There is no clock either: time goes on by ``advance(seconds)``, and the same seed and
the same calls always make the same deltas, byte for byte.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from booksync.testing.cut import (
    Cutter,
    Delta,
    Levels,
    Lists,
    Numbering,
    Placement,
    Snapshot,
)
from booksync.testing.market import ASKS, BIDS, Epoch, Market, Spec
from booksync.testing.truth import Cursor, Truth

__all__ = ["Exchange"]

#: Room for ids between two epochs, so that no id is ever given twice.
_STRIDE = 10**9
#: Deltas whose time is remembered, for snapshots as of some seconds ago.
_MARKS = 600


class Exchange:
    """
    Markets with a seeded order flow, the truth at every sequence, and their ids.

    Args:
        symbols: Symbols, or :class:`Spec` for markets of your own.
        seed: Same seed, same exchange.
        levels: Levels a side that each book has, roughly.
        rate: Changes a second and symbol; a mapping gives symbols their own
            (``""``: all others).
        interval: Seconds between two cuts of deltas.
        lists: What deltas list: ``"touched"`` or ``"net"``.
        snapshot: Where snapshots stand: ``"boundary"``, ``"between"``, ``"random"``.
            By default at random; at the boundary where ``lists`` is ``"net"``, for
            there no client can join between and be right at once.
        retention: Changes a symbol that are remembered (32 bytes each).

    """

    def __init__(  # noqa: PLR0913 - the options of a simulation, by keyword
        self,
        symbols: Iterable[str | Spec],
        *,
        seed: int = 0,
        levels: int = 200,
        rate: float | Mapping[str, float] = 100.0,
        interval: float = 0.1,
        lists: Lists | str = Lists.TOUCHED,
        snapshot: Placement | str | None = None,
        retention: int = 200_000,
    ) -> None:
        self.seed = seed
        self.interval = interval
        self.lists = Lists(lists)
        net = self.lists is Lists.NET
        default = Placement.BOUNDARY if net else Placement.RANDOM
        self.placement = Placement(snapshot or default)
        #: Seconds since 1970, moved by ``advance``.
        self.now = 1_760_000_000.0
        self.markets: dict[str, Market] = {}
        for each in symbols:
            spec = Spec.of(each) if isinstance(each, str) else each
            market = Market(spec, f"{seed}/{spec.symbol}", levels, retention)
            self.markets[spec.symbol] = market
        self.numbering = Numbering.SYMBOL
        self._empty = False
        self._rates = rate if isinstance(rate, Mapping) else {"": rate}
        self._rng = random.Random(f"{seed}/exchange")
        self._engine = 0
        self._cursors: dict[str, Cursor[int]] = {}
        self._truths: dict[str, Truth] = {}
        self._marks: dict[str, deque[tuple[float, int]]] = {}
        self.number(Numbering.SYMBOL)

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols, in the order in which they were given."""
        return tuple(self.markets)

    def number(self, numbering: Numbering, *, empty: bool = False) -> None:
        """
        Say how ids run, and whether empty deltas are cut. Before the first change.

        Raises:
            ValueError: If there are ids already, and they run otherwise.

        """
        if any(market.sequence for market in self.markets.values()):
            if (numbering, empty) != (self.numbering, self._empty):
                raise ValueError(f"the exchange already numbers by {self.numbering}")
            return
        self.numbering = numbering
        self._empty = empty
        everywhere = numbering is Numbering.ENGINE
        self._engine = self._base(0)
        for symbol, market in self.markets.items():
            market.epochs = []
            base = self._engine if everywhere else self._base(0)
            self._begin_epoch(market, base)
            self._marks[symbol] = deque([(self.now, 0)], maxlen=_MARKS)
        self._cutters = {symbol: self.cutter(symbol) for symbol in self.markets}

    def cutter(self, symbol: str) -> Cutter:
        """Make another cutter for ``symbol``, for a stream with its own pace."""
        return Cutter(self.markets[symbol], self.lists, empty=self._empty)

    # -- time goes on ---------------------------------------------------------------

    def advance(self, seconds: float | None = None) -> list[Delta]:
        """Let the order flow go on for ``seconds`` (an interval), and cut deltas."""
        seconds = self.interval if seconds is None else seconds
        self.now += seconds
        deltas = (self.run(symbol, seconds) for symbol in self.markets)
        return [delta for delta in deltas if delta]

    def run(self, symbol: str, seconds: float) -> Delta | None:
        """Let the order flow of one symbol go on for ``seconds``, and cut its delta."""
        rate = self._rates.get(symbol, self._rates.get("", 0.0))
        count = int(rate * seconds + self._rng.random())
        # Some changes come after the cut: snapshots taken now stand past it.
        late = int(count * self._rng.random() * 0.5)
        self.change(symbol, count - late)
        delta = self.cut(symbol)
        self.change(symbol, late)
        return delta

    def change(self, symbol: str, count: int = 1) -> None:
        """Make ``count`` changes of the order flow."""
        market = self.markets[symbol]
        for _ in range(count):
            market.set(*market.draw(), self._next_id(market))

    def set(self, symbol: str, side: str, price: str, size: str) -> None:
        """
        Make one change by hand, in whole steps of the market.

        Args:
            symbol: Which market.
            side: ``"bid"`` or ``"ask"``.
            price: As decimal text.
            size: As decimal text; zero deletes.

        """
        market = self.markets[symbol]
        market.set(
            {"bid": BIDS, "ask": ASKS}[side],
            market.prices.steps(price),
            market.sizes.steps(size),
            self._next_id(market),
        )

    def cut(self, symbol: str) -> Delta | None:
        """Cut the next delta of ``symbol``; ``None`` when there is nothing to say."""
        market, number = self.markets[symbol], None
        if self.numbering is Numbering.DELTA:
            number = market.epoch.top + 1
        delta = self._cutters[symbol].cut(self.now, number=number)
        if delta:
            market.epoch.top = number or market.epoch.top
            self._marks[symbol].append((self.now, delta.end))
        return delta

    def reset(self, symbol: str) -> None:
        """
        Let ids start again, lower. Where one counter serves all symbols, for all.

        Ids of before and after never coincide, so the truth of either can be told.
        """
        everywhere = self.numbering is Numbering.ENGINE
        markets = self.markets.values() if everywhere else [self.markets[symbol]]
        base = self._base(max(len(market.epochs) for market in markets))
        self._engine = base if everywhere else self._engine
        for market in markets:
            self._begin_epoch(market, base)
            if self.numbering is Numbering.DELTA:
                self._renumber(market)

    # -- what a checker asks --------------------------------------------------------

    def cursor(self, symbol: str) -> Truth:
        """Make a cursor of your own over the truth: cheap when moved a little."""
        return Truth(self.markets[symbol])

    def truth(
        self, symbol: str, sequence: int
    ) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        """
        Give bids and asks as ``{price: size}``, exactly at ``sequence``.

        Raises:
            Forgotten: If it is not remembered, or has not happened yet.

        """
        cursor = self._truths.get(symbol)
        if cursor is None:
            cursor = self._truths[symbol] = self.cursor(symbol)
        bids, asks = cursor.seek(sequence)
        return dict(bids), dict(asks)

    def truth_at(
        self, symbol: str, id_: int
    ) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        """As ``truth``, by the venue's id, which is what a book shows as sequence."""
        return self.truth(symbol, self.sequence_of(symbol, id_))

    def sequence_of(self, symbol: str, id_: int) -> int:
        """
        Give the sequence at which a book that shows the venue's ``id_`` stands.

        Raises:
            Forgotten: If the exchange gave no such id, or does not remember it.

        """
        return self.markets[symbol].sequence_of(id_)

    # -- snapshots ------------------------------------------------------------------

    def snapshot(
        self, symbol: str, depth: int | None = None, *, age: float | None = None
    ) -> Snapshot:
        """
        Take a snapshot where ``placement`` says.

        Args:
            symbol: Of which market.
            depth: Levels a side; all of them if not given.
            age: Take it as it was so many seconds ago.

        """
        cutter, market = self._cutters[symbol], self.markets[symbol]
        sequence = cutter.end
        between = self.placement is Placement.BETWEEN
        if self.placement is Placement.RANDOM:
            between = self._rng.random() < 0.5  # noqa: PLR2004
        low = max(cutter.start + 1, market.epoch.start, market.log.base)
        inside = market.sequence - low
        if age is not None:
            sequence = self._as_of(symbol, self.now - age)
        elif between and inside > 0:
            sequence = low + self._rng.randrange(inside)
            sequence += sequence >= cutter.end
        return self.snapshot_at(symbol, sequence, depth)

    def boundary(self, symbol: str) -> int:
        """Sequence at which the newest delta of ``symbol`` ends."""
        return self._cutters[symbol].end

    def snapshot_at(
        self, symbol: str, sequence: int, depth: int | None = None
    ) -> Snapshot:
        """Take a snapshot at ``sequence``."""
        market = self.markets[symbol]
        bids, asks = self.levels(symbol, sequence, depth)
        last = market.id_at(sequence)
        if self.numbering is Numbering.DELTA and sequence == self.boundary(symbol):
            last = market.epoch.top  # deltas without changes are counted too
        return Snapshot(market, last, sequence, bids, asks, self.now)

    def levels(
        self, symbol: str, sequence: int, depth: int | None = None
    ) -> tuple[Levels, Levels]:
        """Give the best ``depth`` levels of both sides at ``sequence``, best first."""
        market = self.markets[symbol]
        cursor = self._cursors.get(symbol)
        if cursor is None:
            cursor = self._cursors[symbol] = Cursor(market, int, int)
        bids, asks = cursor.seek(sequence)
        return sorted(bids.items(), reverse=True)[:depth], sorted(asks.items())[:depth]

    def window(self, delta: Delta, depth: int, *, leaving: bool = True) -> Delta:
        """
        Reduce ``delta`` to what a client sees whose book has ``depth`` levels a side.

        Args:
            delta: A delta of this exchange.
            depth: Levels a side.
            leaving: Whether levels that leave the window are deleted (OKX), or the
                client is to cut its book itself (Kraken).

        """
        symbol = delta.market.symbol
        before = self.levels(symbol, delta.start, depth)
        after = self.levels(symbol, delta.end, depth)
        whole = self._cursors[symbol].seek(delta.end)
        # What the delta lists counts, not the truth: one of its levels may be corrupt.
        bids, asks = (
            _difference(
                dict(old), dict(new), dict(listed), None if leaving else whole[side]
            )
            for side, (old, new, listed) in enumerate(
                zip(before, after, (delta.bids, delta.asks), strict=True)
            )
        )
        return replace(delta, bids=bids, asks=asks)

    # -- ids ------------------------------------------------------------------------

    def _as_of(self, symbol: str, time: float) -> int:
        marks = self._marks[symbol]
        return next((end for at, end in reversed(marks) if at <= time), marks[0][1])

    def _base(self, epoch: int) -> int:
        if self.numbering is Numbering.TIME:
            return int(self.now * 1e6) - epoch * 86_400_000_000
        return (1000 - epoch) * _STRIDE + self._rng.randrange(_STRIDE // 2)

    def _begin_epoch(self, market: Market, base: int) -> None:
        market.epochs.append(Epoch(market.sequence, base, base))

    def _renumber(self, market: Market) -> None:
        """Give changes that still wait for their delta its new number."""
        epoch, log = market.epoch, market.log
        epoch.start = self.boundary(market.symbol)
        for index in range(epoch.start - log.base, len(log.ids)):
            log.ids[index] = epoch.base + 1

    def _next_id(self, market: Market) -> int:
        epoch = market.epoch
        match self.numbering:
            case Numbering.SYMBOL:
                epoch.top += 1
            case Numbering.ENGINE:
                self._engine += self._rng.randint(1, 7)
                epoch.top = self._engine
            case Numbering.TIME:
                shift = (len(market.epochs) - 1) * 86_400_000_000
                epoch.top = max(epoch.top + 1, int(self.now * 1e6) - shift)
            case _:
                return epoch.top + 1
        return epoch.top


def _difference(
    old: dict[int, int],
    new: dict[int, int],
    listed: dict[int, int],
    whole: Container[int] | None,
) -> list[tuple[int, int]]:
    """List what changed; what is gone, only if it is not in ``whole`` either."""
    sizes = {price: listed.get(price, size) for price, size in new.items()}
    changed = [(p, s) for p, s in sizes.items() if old.get(p) != s]
    gone = [p for p in old if p not in new and (whole is None or p not in whole)]
    return changed + [(price, 0) for price in gone]
