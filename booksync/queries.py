"""
What can be asked of a book, live or frozen; everything is best first.

Sides are ``"bid"`` and ``"ask"``; who takes liquidity says ``"buy"`` (takes asks) or
``"sell"`` (takes bids). Numbers are ``Decimal`` in an exact book and float in a float
book. Empty sides give ``None`` or empty lists, never an exception.

A book knows each side up to the worst price of its last snapshot, where the venue cut
that (:attr:`Queries.window`). Results that depend on what lies beyond say
``complete=False``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import repeat
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from booksync.errors import ConfigurationError
from booksync.exact import EXACT, Level, Number, canonical, divide, exactly
from booksync.exporting import as_array, as_frame
from booksync.grouping import grouped
from booksync.results import Fill, Range, Window
from booksync.side import Side, SideName

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = [
    "Fill",
    "Level",
    "Queries",
    "Range",
    "Taker",
    "Window",
]

Taker = Literal["buy", "sell"]
BASIS = 10_000
#: Answers of which a book knows that they are still right, if they are asked again.
REMEMBERED = 8

T = TypeVar("T")


class Queries:
    """
    Read-only questions, shared by live and frozen books.

    The examples below go on from this one.

    >>> from booksync.book import Book
    >>> from booksync.messages import Snapshot
    >>> book = Book("X", numbers=float)
    >>> bids, asks = [(9.0, 1.0), (8.0, 4.0)], [(10.0, 3.0), (12.0, 1.0)]
    >>> book.load(Snapshot("X", 1, bids, asks))
    >>> book
    <Book X 9 x 10 at 1>
    """

    __slots__ = ()

    symbol: str
    sequence: int
    numbers: type[Decimal | float]
    window: Window
    _bids: Side
    _asks: Side
    #: Question -> the moment it was asked, and the answer.
    _answers: dict[tuple[Any, ...], tuple[int, Any]]

    def _moment(self) -> int:
        """Count what may have changed answers."""
        raise NotImplementedError

    def _once(self, question: tuple[Any, ...], answer: Callable[[], T]) -> T:
        """Answer, or say again what was answered since the last change."""
        moment, answers = self._moment(), self._answers
        known = answers.get(question)
        if known is not None and known[0] == moment:
            last: T = known[1]
            return last
        found = answer()
        answers.pop(question, None)
        if len(answers) >= REMEMBERED:
            del answers[next(iter(answers))]
        answers[question] = moment, found
        return found

    def _side(self, side: SideName) -> Side:
        if side == "bid":
            return self._bids
        if side == "ask":
            return self._asks
        raise ConfigurationError(f"a side is 'bid' or 'ask', not {side!r}")

    def _takes(self, taker: Taker) -> SideName:
        if taker == "buy":
            return "ask"
        if taker == "sell":
            return "bid"
        raise ConfigurationError(f"a taker says 'buy' or 'sell', not {taker!r}")

    def _zero(self) -> Number:
        return Decimal(0) if self.numbers is Decimal else 0.0

    def _in_number(self, value: Number) -> Number:
        """Take a user's number into the book's numbers; a float means its ``repr``."""
        number: Number
        try:
            if self.numbers is float:
                number = float(value)
            elif isinstance(value, float):
                number = Decimal(repr(float(value)))
            else:
                number = Decimal(value)
        except (ArithmeticError, TypeError, ValueError):
            raise ConfigurationError(f"not a number: {value!r}") from None
        if number != number:  # noqa: PLR0124 - only NaN
            raise ConfigurationError(f"not a number: {value!r}")
        return number

    # -- the top ---------------------------------------------------------------------

    @property
    def best_bid(self) -> Level | None:
        """
        Highest bid; ``None`` if there is none. O(1).

        >>> book.best_bid
        Level(price=9.0, size=1.0)
        """
        return self._bids.best()

    @property
    def best_ask(self) -> Level | None:
        """
        Lowest ask; ``None`` if there is none. O(1).

        >>> book.best_ask.price
        10.0
        """
        return self._asks.best()

    @property
    def spread(self) -> Number | None:
        """
        Best ask less best bid, in price; ``None`` if a side is empty. O(1).

        >>> book.spread
        1.0
        """
        bid, ask = self._bids.best(), self._asks.best()
        if bid is None or ask is None:
            return None
        exact = self.numbers is Decimal
        return EXACT.subtract(ask[0], bid[0]) if exact else ask[0] - bid[0]

    @property
    def mid(self) -> Number | None:
        """
        Mean of the best prices; ``None`` if a side is empty. O(1).

        >>> book.mid
        9.5
        """
        bid, ask = self._bids.best(), self._asks.best()
        if bid is None or ask is None:
            return None
        exact = self.numbers is Decimal
        return divide(EXACT.add(bid[0], ask[0]) if exact else bid[0] + ask[0], 2)

    @property
    def microprice(self) -> Number | None:
        """
        Mean of the best prices, each weighted by the other side's size. O(1).

        >>> book.microprice
        9.25
        """
        bid, ask = self._bids.best(), self._asks.best()
        if bid is None or ask is None:
            return None
        with exactly():
            weighted = bid[0] * ask[1] + ask[0] * bid[1]
            return divide(weighted, bid[1] + ask[1])

    @property
    def crossed(self) -> bool:
        """
        Whether the best bid is above the best ask, or at it. O(1).

        >>> book.crossed
        False
        """
        # Asked after each change: sides that nobody reads are not put in order for it.
        if self._bids.best_bound < self._asks.best_bound:
            return False
        bid, ask = self._bids.best(), self._asks.best()
        return bid is not None and ask is not None and bid[0] >= ask[0]

    @property
    def locked(self) -> bool:
        """
        Whether the best bid is exactly at the best ask. O(1).

        >>> book.locked
        False
        """
        bid, ask = self._bids.best(), self._asks.best()
        return bid is not None and ask is not None and bid[0] == ask[0]

    # -- levels ----------------------------------------------------------------------

    def bids(self, n: int | None = None) -> list[Level]:
        """
        Return the best ``n`` bids, or all. O(n).

        Beyond :meth:`knows` there may be more between them.

        >>> book.bids(1)
        [Level(price=9.0, size=1.0)]
        """
        return self._bids.top(n)

    def asks(self, n: int | None = None) -> list[Level]:
        """
        Return the best ``n`` asks, or all. O(n).

        Beyond :meth:`knows` there may be more between them.

        >>> [price for price, size in book.asks()]
        [10.0, 12.0]
        """
        return self._asks.top(n)

    def texts(self, side: SideName, n: int) -> list[tuple[str, str]]:
        """
        Return the best ``n`` levels as text: no exponent, zeros as sent. O(n).

        >>> book.texts("ask", 1)
        [('10', '3')]
        """
        return self._side(side).texts(n)

    def level(self, side: SideName, rank: int) -> Level | None:
        """
        Return the level that has ``rank`` better ones (0 = best). O(log n).

        >>> book.level("bid", 1)
        Level(price=8.0, size=4.0)
        """
        return self._side(side).at(rank)

    def rank(self, side: SideName, price: Number) -> int:
        """
        Count the levels that are better than ``price``. O(log n).

        >>> book.rank("ask", 12), book.rank("ask", 100)
        (1, 2)
        """
        return self._side(side).better(self._in_number(price))

    def size_at(self, side: SideName, price: Number) -> Number:
        """
        Return the size at ``price``; 0 where there is no level. O(1).

        >>> book.size_at("bid", 8), book.size_at("bid", 8.5)
        (4.0, 0.0)
        """
        size = self._side(side).size(self._in_number(price))
        return self._zero() if size is None else size

    def __iter__(self) -> Iterator[tuple[SideName, Level]]:
        """
        Yield ``("bid", level)`` best first, then ``("ask", level)`` best first.

        >>> [(side, price) for side, (price, size) in book][1:3]
        [('bid', 8.0), ('ask', 10.0)]
        """
        bid: SideName = "bid"
        ask: SideName = "ask"
        yield from zip(repeat(bid), self._bids)
        yield from zip(repeat(ask), self._asks)

    # -- ranges ----------------------------------------------------------------------

    def between(self, side: SideName, low: Number, high: Number) -> Range:
        """
        Return the levels from ``low`` to ``high``, both included. O(log n + k).

        The same question again, before the book changes, costs a copy of ``levels``.

        >>> levels, size, notional, complete = book.between("bid", 8, 100)
        >>> size, notional, complete
        (5.0, 41.0, True)
        """
        low, high = self._in_number(low), self._in_number(high)
        question = ("between", side, low, high)
        return self._range(question, lambda: self._between(side, low, high))

    def within(self, side: SideName, bps: Number) -> Range:
        """
        Return the levels within ``bps`` basis points of the side's best price.

        O(log n + k).

        >>> book.within("ask", 100).levels
        [Level(price=10.0, size=3.0)]
        """
        width = self._in_number(bps)
        return self._range(("within", side, width), lambda: self._within(side, width))

    def _within(self, side: SideName, bps: Number) -> Range:
        best = self._side(side).best()
        if best is None:
            return self._summed([], complete=self.edge(side) is None)
        with exactly():
            reach = divide(abs(best.price) * bps, BASIS)
            if side == "bid":
                return self._between(side, best.price - reach, best.price)
            return self._between(side, best.price, best.price + reach)

    def _between(
        self, side: SideName, low: Number | None, high: Number | None
    ) -> Range:
        levels = self._side(side).between(low, high)
        limit = low if side == "bid" else high
        return self._summed(levels, complete=self._known(side, limit))

    def _range(self, question: tuple[Any, ...], answer: Callable[[], Range]) -> Range:
        """Answer; nobody who changes the list of levels changes another's."""
        found = self._once(question, answer)
        return found._replace(levels=found.levels.copy())

    def _summed(self, levels: list[Level], *, complete: bool) -> Range:
        size = notional = self._zero()
        with exactly():
            for price, amount in levels:
                size += amount
                notional += price * amount
        return Range(levels, size, notional, complete)

    def edge(self, side: SideName) -> Number | None:
        """
        Return the price up to which a side is complete; ``None`` if wholly. O(log n).

        It is that of :attr:`window`, or of a book that is cut to its best levels, the
        worst one that is left.

        >>> book.edge("bid") is None
        True
        """
        return self.window.bid if side == "bid" else self.window.ask

    def _known(self, side: SideName, price: Number) -> bool:
        """Whether the side is complete from its best price to ``price``."""
        edge = self.edge(side)
        if edge is None:
            return True
        return bool(price >= edge if side == "bid" else price <= edge)

    def knows(self, side: SideName, n: int | None = None) -> bool:
        """
        Say whether the best ``n`` levels, or all, lie in the known window. O(log n).

        Beyond it a book holds what deltas brought, not what no snapshot showed.

        >>> cut = Book("X", numbers=float)
        >>> cut.load(Snapshot("X", 1, bids, asks, depth=2))
        >>> cut.knows("bid", 2), cut.knows("bid", 3)
        (True, False)

        """
        edge = self.edge(side)
        if edge is None:
            return True
        last = None if n is None else self._side(side).at(n - 1)
        return last is not None and self._known(side, last.price)

    def imbalance(self, n: int = 1) -> Number | None:
        """
        Return ``(bids - asks) / (bids + asks)`` over the best ``n`` sizes. O(n).

        ``None`` if both sides are empty; 1 is all bids, -1 all asks. Beyond
        :meth:`knows` it is of the levels that are known.

        >>> book.imbalance(), round(book.imbalance(2), 2)
        (-0.5, 0.11)
        """
        with exactly():
            bids = sum((size for _, size in self._bids.top(n)), self._zero())
            asks = sum((size for _, size in self._asks.top(n)), self._zero())
            total = bids + asks
            return divide(bids - asks, total) if total else None

    def depth_curve(self, side: SideName, n: int | None = None) -> list[Level]:
        """
        Return ``(price, size of all levels up to it)``, best first. O(n).

        The same question again, before the book changes, costs a copy.

        Beyond :meth:`knows` it is of the levels that are known.

        >>> book.depth_curve("bid")
        [Level(price=9.0, size=1.0), Level(price=8.0, size=5.0)]
        """
        return self._once(("curve", side, n), lambda: self._curve(side, n)).copy()

    def _curve(self, side: SideName, n: int | None) -> list[Level]:
        total = self._zero()
        curve = []
        with exactly():
            for price, size in self._side(side).top(n):
                total += size
                curve.append(Level(price, total))
        return curve

    def grouped(
        self, side: SideName, tick: Number, n: int | None = None
    ) -> list[Level]:
        """
        Group levels to multiples of ``tick``: bids down, asks up. O(n) levels read.

        Groups beyond the window hold the levels that are known.

        Args:
            side: Which side.
            tick: Width of a group, in price.
            n: How many groups at most.

        Raises:
            ConfigurationError: If ``tick`` is not positive.

        >>> book.grouped("ask", 5)
        [Level(price=10.0, size=3.0), Level(price=15.0, size=1.0)]

        """
        width = self._in_number(tick)
        if not 0 < width < math.inf:
            raise ConfigurationError(f"a tick must be positive, not {tick}")
        with exactly():
            return grouped(self._side(side), width, n, down=side == "bid")

    # -- taking ----------------------------------------------------------------------

    def fill(
        self,
        taker: Taker,
        *,
        size: Number | None = None,
        notional: Number | None = None,
    ) -> Fill:
        """
        Say what taking ``size``, or ``notional``, would come to. O(k) levels reached.

        Args:
            taker: ``"buy"`` takes asks, ``"sell"`` takes bids.
            size: How much to take, in the book's size unit.
            notional: How much to spend or receive, price times size.

        Raises:
            ConfigurationError: Unless exactly one of them is given, and not negative.

        >>> fill = book.fill("buy", size=4)
        >>> fill.average, fill.worst, fill.slippage_bps
        (10.5, 12.0, 500.0)
        >>> book.fill("sell", notional=25).filled
        3.0

        """
        wanted = size if notional is None else notional
        if wanted is None or (size is not None and notional is not None):
            raise ConfigurationError("say either size= or notional=")
        left = self._in_number(wanted)
        if not left >= 0:
            raise ConfigurationError(f"cannot take {wanted}")
        side = self._takes(taker)
        with exactly():
            taken, left = self._take(side, left, by_size=notional is None)
            return self._filled(side, taken, done=not left > 0)

    def _take(
        self, side: SideName, left: Number, *, by_size: bool
    ) -> tuple[tuple[Number, ...], Number]:
        filled = spent = self._zero()
        worst: Number | None = None
        reached = 0
        for price, available in self._side(side):
            if not left > 0:
                break
            worst, reached = price, reached + 1
            cost = price * available
            if (available if by_size else cost) <= left:
                filled, spent = filled + available, spent + cost
                left -= available if by_size else cost
            else:
                filled += left if by_size else divide(left, price)
                spent += price * left if by_size else left
                left = self._zero()
        return (filled, spent, worst, reached), left

    def _filled(self, side: SideName, taken: tuple[Number, ...], *, done: bool) -> Fill:
        filled, spent, worst, reached = taken
        best = self._side(side).best()
        average = divide(spent, filled) if filled else None
        slippage = None
        if average is not None and best is not None:
            worse = abs(average - best.price)
            slippage = divide(worse * BASIS, abs(best.price)) if best.price else None
        known = self.edge(side) is None
        complete = known if not done else worst is None or self._known(side, worst)
        return Fill(filled, spent, average, worst, reached, slippage, done, complete)

    def size_until(self, side: SideName, price: Number) -> Range:
        """
        Return what stands from the best price to a limit ``price``. O(log n + k).

        >>> book.size_until("ask", 11).size
        3.0
        """
        limit = self._in_number(price)
        low, high = (limit, None) if side == "bid" else (None, limit)
        question = ("until", side, limit)
        return self._range(question, lambda: self._between(side, low, high))

    # -- the whole -------------------------------------------------------------------

    def frozen_sides(self) -> tuple[Side, Side]:
        """Copy both sides, for :class:`~booksync.frozen.FrozenBook`. O(n)."""
        return self._bids.frozen(), self._asks.frozen()

    def digest(self) -> str:
        """
        SHA-256 over all levels as canonical decimals, best first, bids first. O(n).

        The lines are ``b <price> <size>`` and ``a <price> <size>``.

        >>> book.digest()[:8]
        '60e91f3e'
        """
        sha = hashlib.sha256()
        for mark, side in (("b", self._bids), ("a", self._asks)):
            for price, size in side:
                line = f"{mark} {canonical(price)} {canonical(size)}\n"
                sha.update(line.encode("ascii"))
        return sha.hexdigest()

    def __len__(self) -> int:
        """
        Count the levels of both sides. O(1).

        >>> len(book)
        4
        """
        return len(self._bids) + len(self._asks)

    def __bool__(self) -> bool:
        """A book is true, also an empty one."""
        return True

    def __eq__(self, other: object) -> bool:
        """
        Whether both have the same levels. O(n).

        >>> book == Book("Y")
        False
        """
        if not isinstance(other, Queries):
            return NotImplemented
        return self.bids() == other.bids() and self.asks() == other.asks()

    __hash__ = None  # type: ignore[assignment]

    def to_numpy(self, n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """
        Export ``(bids, asks)`` as arrays of shape ``(levels, 2)``, float64. O(n).

        Raises:
            ConfigurationError: If numpy is not installed.

        >>> bids, asks = book.to_numpy()  # doctest: +SKIP
        >>> asks.shape  # doctest: +SKIP
        (2, 2)

        """
        return as_array(self.bids(n)), as_array(self.asks(n))

    def to_frame(self, n: int | None = None) -> pd.DataFrame:
        """
        Export a data frame with the columns side, price and size. O(n).

        Raises:
            ConfigurationError: If pandas is not installed.

        >>> list(book.to_frame())  # doctest: +SKIP
        ['side', 'price', 'size']

        """
        return as_frame(self.bids(n), self.asks(n))


def quoted(book: Queries) -> str:
    bid, ask = book.best_bid, book.best_ask
    left = "-" if bid is None else canonical(bid.price)
    right = "-" if ask is None else canonical(ask.price)
    return f"{book.symbol} {left} x {right} at {book.sequence}"
