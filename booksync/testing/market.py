"""
One market: a seeded order flow, and the log from which the truth is read.

Prices and sizes are whole numbers here: ``price`` counts price steps, ``size`` counts
size steps. :class:`Scale` turns them into the venue's decimal text and back to exact
``Decimal``. Every change has a *sequence*: the first one is 1, and it goes up by one.
What a venue calls it (its *id*) stands beside it in the log.
"""

from __future__ import annotations

import bisect
import random
from array import array
from collections import deque
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["ASKS", "BIDS", "Epoch", "Forgotten", "Log", "Market", "Scale", "Spec"]

BIDS, ASKS = 0, 1

#: Shares of the kinds of change: flickers (a recent change undone), then inserts and
#: deletes when a side has too few levels, or enough of them. The rest are resizes.
_FLICKER = 0.06
_SHARES = {True: (0.27, 0.16), False: (0.18, 0.24)}
_MEMO = 1_024


@dataclass(frozen=True, slots=True)
class Spec:
    """
    A market as its venue lists it.

    Args:
        symbol: The venue's spelling in REST requests and payloads.
        tick: Smallest price step, as decimal text.
        step: Smallest size step, as decimal text.
        price: Where the market starts.

    """

    symbol: str
    tick: str = "0.01"
    step: str = "0.001"
    price: str = "100"

    @classmethod
    def of(cls, symbol: str) -> Spec:
        """Make up a plausible market for ``symbol``; always the same one."""
        known = {
            "BTCUSDT": ("0.01", "0.00001", "61737.63"),
            "ETHUSDT": ("0.01", "0.0001", "2543.11"),
            "SOLUSDT": ("0.01", "0.001", "148.27"),
        }
        made_up = (
            ("0.01", "0.001", "431.07"),
            ("0.0001", "0.01", "7.6110"),
            ("0.00001", "1", "0.35210"),
            ("0.05", "0.1", "982.35"),
            ("0.00000001", "1", "0.00132718"),
        )
        choice = random.Random(symbol).choice(made_up)
        return cls(symbol, *known.get(symbol, choice))


class Scale:
    """
    Whole steps to decimals: ``Scale("0.05").text(7) == "0.35"``.

    Args:
        step: The value of one step, as decimal text.

    """

    def __init__(self, step: str) -> None:
        self.step = step
        exponent = Decimal(step).as_tuple().exponent
        assert isinstance(exponent, int), step
        self.places = max(-exponent, 0)
        self._unit = int(Decimal(step).scaleb(self.places))
        self._ten = 10**self.places
        self._memo: dict[int, Decimal] = {}

    def text(self, steps: int, places: int | None = None) -> str:
        """Write ``steps`` with the step's own decimal places, or padded to more."""
        whole, part = divmod(steps * self._unit, self._ten)
        digits = f"{part:0{self.places}d}" if self.places else ""
        if places is not None:
            digits = digits.ljust(places, "0")
        return f"{whole}.{digits}" if digits else str(whole)

    def decimal(self, steps: int) -> Decimal:
        """Give the exact value of ``steps``."""
        value = self._memo.get(steps)
        if value is None:
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            value = self._memo[steps] = Decimal(self.text(steps))
        return value

    def steps(self, value: str) -> int:
        """Count the steps nearest to ``value``."""
        return int(Decimal(value) / Decimal(self.step))


class Forgotten(LookupError):
    """The sequence is not (or no longer) one that the exchange remembers."""


@dataclass(slots=True)
class Epoch:
    """
    A run of ids that go up. A sequence reset begins the next one, below.

    Args:
        start: Sequence at which it begins.
        base: The id that stands for ``start``; the first change has a higher one.
        top: The highest id given so far.

    """

    start: int
    base: int
    top: int


class Log:
    """
    Every change still remembered: 32 bytes each, both directions.

    A change is its venue id, its key (``price * 2 + side``), the size that it set and
    the size that it replaced, so that the truth can be walked forwards and backwards.

    Args:
        retention: Changes kept at least; a quarter more are kept at most.

    """

    def __init__(self, retention: int) -> None:
        self.retention = retention
        #: Sequence of the last change forgotten: the truth can be had from here on.
        self.base = 0
        self.ids = array("q")
        self.keys = array("q")
        self.sizes = array("q")
        self.olds = array("q")

    def append(self, id_: int, key: int, size: int, old: int) -> None:
        """Remember one change, and forget the oldest when there are too many."""
        self.ids.append(id_)
        self.keys.append(key)
        self.sizes.append(size)
        self.olds.append(old)
        extra = len(self.ids) - self.retention
        if extra * 4 > self.retention:
            self.base += extra
            for column in (self.ids, self.keys, self.sizes, self.olds):
                del column[:extra]


class Market:
    """
    The truth of one symbol now, how it came about, and how it goes on.

    Args:
        spec: The market's symbol, steps and first price.
        seed: Same seed, same changes.
        levels: Levels a side that the flow keeps around.
        retention: Changes that the log remembers.

    """

    def __init__(self, spec: Spec, seed: str, levels: int, retention: int) -> None:
        self.spec = spec
        self.symbol = spec.symbol
        self.prices = Scale(spec.tick)
        self.sizes = Scale(spec.step)
        self.levels = levels
        self.sequence = 0
        self.log = Log(retention)
        #: Runs of ids, oldest first. They never share an id.
        self.epochs: list[Epoch] = []
        #: Size by price, by side.
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        #: Levels that the flow leaves alone (keys).
        self.pinned: set[int] = set()
        self._rng = random.Random(seed)
        # Prices by side, ascending in how good they are: bids by price, asks by its
        # negative. The best is last in both.
        self._ranked: tuple[list[int], list[int]] = ([], [])
        self._recent: deque[tuple[int, int, int]] = deque(maxlen=8)
        self._trend: int | None = None
        self._open(max(self.prices.steps(spec.price), 2))

    # -- changes --------------------------------------------------------------------

    def set(self, side: int, price: int, size: int, id_: int) -> None:
        """Change one level; ``size`` 0 deletes it. The next sequence is its."""
        book, ranked = self.sides[side], self._ranked[side]
        old = book.get(price, 0)
        score = -price if side else price
        if size:
            book[price] = size
            if not old:
                bisect.insort(ranked, score)
        elif old:
            del book[price]
            del ranked[bisect.bisect_left(ranked, score)]
        self.sequence += 1
        self.log.append(id_, price * 2 + side, size, old)

    # -- ids ------------------------------------------------------------------------

    @property
    def epoch(self) -> Epoch:
        """The run of ids that is going on."""
        return self.epochs[-1]

    def id_at(self, sequence: int) -> int:
        """
        Give the id of the last change up to ``sequence``.

        Raises:
            Forgotten: If the log does not reach back to it.

        """
        epoch = next(e for e in reversed(self.epochs) if e.start <= sequence)
        if epoch.start == sequence:
            return epoch.base
        self._check(sequence - 1)
        return self.log.ids[sequence - self.log.base - 1]

    def sequence_of(self, id_: int) -> int:
        """
        Give the sequence at which a book that shows ``id_`` stands.

        Raises:
            Forgotten: If there is no such id, or not any more.

        """
        end = self.sequence
        for epoch in reversed(self.epochs):
            if epoch.base <= id_ <= epoch.top:
                base, ids = self.log.base, self.log.ids
                low, high = max(epoch.start - base, 0), max(end - base, 0)
                index = bisect.bisect_right(ids, id_, low, high)
                if index or epoch.start == base:
                    return base + index
            end = epoch.start
        raise Forgotten(f"{self.symbol} does not know the id {id_}")

    def _check(self, sequence: int) -> None:
        if not self.log.base <= sequence <= self.sequence:
            raise Forgotten(f"{self.symbol} does not remember {sequence}")

    # -- the order flow -------------------------------------------------------------

    def draw(self) -> tuple[int, int, int]:
        """Decide on the next change of the order flow: side, price, size."""
        rng = self._rng
        roll = rng.random()
        if roll < _FLICKER and (change := self._flicker()):
            return change
        if roll > 0.997:  # noqa: PLR2004 - a trend lasts some 300 changes
            self._trend = rng.choice((BIDS, ASKS, None))
        side = rng.getrandbits(1)
        count = len(self._ranked[side])
        inserts, deletes = _SHARES[count < self.levels]
        roll = rng.random()
        if roll < inserts and (price := self._vacant(side)):
            size = self._size()
        else:
            price = self._occupied(side)
            old = self.sides[side][price]
            few = count < 3  # noqa: PLR2004 - a side never runs dry
            shrinks = inserts <= roll < inserts + deletes and not few
            size = 0 if shrinks else self._size(other_than=old)
        if price * 2 + side in self.pinned:
            return self.draw()
        self._recent.append((side, price, self.sides[side].get(price, 0)))
        return side, price, size

    def rank(self, side: int, price: int) -> int:
        """Count the levels of ``side`` that are better than ``price``."""
        ranked = self._ranked[side]
        return len(ranked) - bisect.bisect_right(ranked, -price if side else price)

    # -- how the flow chooses -------------------------------------------------------

    def _open(self, middle: int) -> None:
        rng = self._rng
        for side, sign in ((BIDS, -1), (ASKS, 1)):
            distance = rng.randint(1, 2)
            for _ in range(self.levels):
                price = middle + sign * distance
                if price < 1:
                    break
                self.sides[side][price] = self._size()
                distance += 1 + int(rng.expovariate(1.2))
            ranked = self._ranked[side]
            ranked.extend(sorted(-sign * price for price in self.sides[side]))

    def _size(self, other_than: int = 0) -> int:
        size = int(10 ** self._rng.uniform(0, 4.5))
        return size + 1 if size == other_than else size

    def _rank(self, side: int) -> int:
        rng = self._rng
        if self._trend == 1 - side and rng.random() < 0.3:  # noqa: PLR2004
            return 0
        count = len(self._ranked[side])
        mean = 3.0 if rng.random() < 0.35 else count / 6 + 1  # noqa: PLR2004
        return min(int(rng.expovariate(1 / mean)), count - 1)

    def _occupied(self, side: int) -> int:
        ranked = self._ranked[side]
        return abs(ranked[-1 - self._rank(side)])

    def _vacant(self, side: int) -> int:
        """Price for a new level that does not cross; 0 if there is none."""
        rng, ranked = self._rng, self._ranked[side]
        best, limit = ranked[-1], -self._ranked[1 - side][-1]
        room = limit - best - 1
        if room > 0 and rng.random() < (0.5 if self._trend == side else 0.15):
            return abs(best + min(1 + int(rng.expovariate(0.5)), room))
        score = ranked[-1 - self._rank(side)] - 1 - int(rng.expovariate(0.4))
        book = self.sides[side]
        while abs(score) in book:
            score -= 1
        return max(score, 0) if side == BIDS else -score

    def _flicker(self) -> tuple[int, int, int] | None:
        """Undo a recent change, where that still is one and does not cross."""
        if not self._recent:
            return None
        side, price, size = self._recent.popleft()
        if self.sides[side].get(price, 0) == size or price * 2 + side in self.pinned:
            return None
        score = -price if side else price
        if size and score >= -self._ranked[1 - side][-1]:
            return None
        if not size and len(self._ranked[side]) < 3:  # noqa: PLR2004
            return None
        return side, price, size
