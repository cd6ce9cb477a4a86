"""
What can go wrong: the kinds, orders for one of them, and plans that order at random.

An order waits for the next frame or snapshot request that fits it; whoever holds the
bytes (:mod:`booksync.testing.outbox`, :mod:`booksync.testing.rest`) takes it and acts.
Only what was really done is counted, in :attr:`Faults.injected`.
"""

from __future__ import annotations

import enum
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from booksync.testing.cut import Delta, Levels
from booksync.testing.market import Market

__all__ = ["PRESETS", "REST_FAULTS", "STREAM_FAULTS", "Fault", "FaultPlan", "Faults"]


class Fault(enum.StrEnum):
    """Kinds of faults. The first ones act on frames, the last ones on REST answers."""

    #: A frame is never sent.
    DROP = "drop"
    #: A frame is sent twice.
    REPEAT = "repeat"
    #: A frame is sent after the next one of its symbol.
    REORDER = "reorder"
    #: All frames of the connection are held back for a moment.
    DELAY = "delay"
    #: Likewise for longer: then they all come at once.
    BURST = "burst"
    #: The socket is open, pings are answered, and no data comes.
    SILENCE = "silence"
    #: The socket is open, and nothing comes: no data, no pong, no close.
    HALF_OPEN = "half_open"
    #: The venue closes the connection (1000 or 1001).
    CUT_CLEAN = "cut_clean"
    #: The TCP connection ends, with no word.
    CUT_1006 = "cut_1006"
    #: The venue restarts.
    CUT_1012 = "cut_1012"
    #: A frame ends in the middle.
    MALFORMED_JSON = "malformed_json"
    #: A required field is not there.
    MALFORMED_MISSING = "malformed_missing"
    #: A price or a size is NaN.
    MALFORMED_NAN = "malformed_nan"
    #: A price or a size is negative.
    MALFORMED_NEGATIVE = "malformed_negative"
    #: A field has another type than documented.
    MALFORMED_TYPE = "malformed_type"
    #: A frame of a symbol that nobody here asked for comes first.
    FOREIGN = "foreign"
    #: Ids start again, lower.
    SEQUENCE_RESET = "sequence_reset"
    #: A snapshot as it was some seconds ago.
    STALE_SNAPSHOT = "stale_snapshot"
    #: A snapshot that takes its time, byte by byte.
    SLOW_SNAPSHOT = "slow_snapshot"
    #: "Too many requests", with Retry-After.
    STATUS_429 = "status_429"
    #: "You are banned", with Retry-After.
    STATUS_418 = "status_418"
    #: "Internal error".
    STATUS_500 = "status_500"
    #: No answer at all.
    HANG = "hang"
    #: The answer ends in the middle.
    TRUNCATED_SNAPSHOT = "truncated_snapshot"
    #: One level of one delta is wrong, and nothing shows it (``Faults.corrupt``).
    CORRUPT = "corrupt"


REST_FAULTS = frozenset(
    {
        Fault.STALE_SNAPSHOT,
        Fault.SLOW_SNAPSHOT,
        Fault.STATUS_429,
        Fault.STATUS_418,
        Fault.STATUS_500,
        Fault.HANG,
        Fault.TRUNCATED_SNAPSHOT,
    }
)
STREAM_FAULTS = frozenset(Fault) - REST_FAULTS - {Fault.CORRUPT}

#: Faults that take every book of a connection with them.
_WIDE = frozenset(
    {
        Fault.SILENCE,
        Fault.HALF_OPEN,
        Fault.CUT_CLEAN,
        Fault.CUT_1006,
        Fault.CUT_1012,
        Fault.BURST,
    }
)

#: A level is altered that has so many better ones: more than the first, less than the
#: second.
TOP, DEEPEST = 2, 40

#: How long a fault lasts unless told, in seconds.
_SECONDS = {
    Fault.REORDER: 2.0,
    Fault.DELAY: 0.3,
    Fault.BURST: 1.5,
    Fault.SILENCE: 5.0,
    Fault.HALF_OPEN: 10.0,
    Fault.STALE_SNAPSHOT: 3.0,
    Fault.SLOW_SNAPSHOT: 2.0,
    Fault.STATUS_429: 1.0,
    Fault.STATUS_418: 2.0,
    Fault.HANG: 5.0,
}


@dataclass(slots=True, eq=False)
class Order:
    """
    A fault to come.

    Args:
        kind: Which.
        seconds: How long it lasts.
        symbol: Whose frames or requests; anyone's if not given.
        connection: Which connection's frames; any if not given.
        after: How many that fit are let pass first.
        times: How often it is still to happen.
        count: How often it has happened.

    """

    kind: Fault
    seconds: float = 0.0
    symbol: str | None = None
    connection: int | None = None
    after: int = 0
    times: int = 1
    count: int = 0

    def fits(self, symbol: str, connection: int | None) -> bool:
        """Say whether it is meant for this frame or request."""
        return self.symbol in {None, symbol} and self.connection in {None, connection}


class Faults:
    """
    Orders that wait, and what was done so far.

    Args:
        seed: For the choices inside a fault (which field is broken, and how).

    """

    def __init__(self, seed: int = 0) -> None:
        #: How many faults really happened, by name of their kind.
        self.injected: Counter[str] = Counter()
        self.rng = random.Random(f"{seed}/faults")
        #: Called when all faults are to end.
        self.on_calm: set[Callable[[], None]] = set()
        self._orders: list[Order] = []
        # By symbol: the connection whose frames are to be wrong; None = all of them.
        self._corrupt: dict[str, int | None] = {}

    def inject(
        self,
        kind: Fault | str,
        *,
        symbol: str | None = None,
        connection: int | None = None,
        after: int = 0,
        times: int = 1,
        seconds: float | None = None,
    ) -> Order:
        """
        Order a fault for the next frame or snapshot request that fits.

        Args:
            kind: Which, also by name.
            symbol: Only for this symbol.
            connection: Only on the connection with this id (frames only).
            after: Let so many that fit pass first.
            times: For so many frames or requests in a row.
            seconds: How long it lasts, where it does.

        Returns:
            The order; its ``count`` goes up when it happens.

        Raises:
            ValueError: If there is no such kind.

        """
        kind = Fault(kind)
        if kind is Fault.CORRUPT:
            raise ValueError("use corrupt(symbol, connection=...)")
        seconds = _SECONDS.get(kind, 0.0) if seconds is None else seconds
        order = Order(kind, seconds, symbol, connection, after, times)
        self._orders.append(order)
        return order

    def take(
        self, kinds: Collection[Fault], symbol: str, connection: int | None = None
    ) -> Order | None:
        """Take the first order of one of ``kinds`` that fits, and count it."""
        for order in self._orders:
            if order.kind not in kinds or not order.fits(symbol, connection):
                continue
            if order.after:
                order.after -= 1
                continue
            order.times -= 1
            order.count += 1
            if not order.times:
                self._orders.remove(order)
            self.injected[order.kind.value] += 1
            return order
        return None

    @property
    def pending(self) -> Sequence[Order]:
        """Orders that have not (all) happened yet."""
        return tuple(self._orders)

    def calm(self) -> None:
        """Forget all orders and end what lasts, so that everything can heal."""
        self._orders.clear()
        for call in tuple(self.on_calm):
            call()

    # -- the one fault that must be found by comparison ------------------------------

    def corrupt(self, symbol: str, *, connection: int | None = None) -> None:
        """
        Make one level of one of the next deltas of ``symbol`` wrong, for good.

        The order flow leaves that level alone from then on. Only a new snapshot, or
        a comparison with the truth or with another connection, can tell.

        Args:
            symbol: Whose delta.
            connection: Only on the connection with this id; on all if not given.

        """
        self._corrupt[symbol] = connection

    def corrupted(
        self, delta: Delta, seen: Mapping[int, int | None]
    ) -> dict[int, Delta]:
        """
        Give the wrong form of ``delta``, by connection, if it is to be and can be.

        Args:
            delta: As it happened.
            seen: By connection, the levels a side that it sees; ``None`` = all.

        """
        market = delta.market
        if market.symbol not in self._corrupt:
            return {}
        only = self._corrupt[market.symbol]
        harmed = [each for each in seen if only in {None, each}]
        depth = min([DEEPEST, *(seen[each] or DEEPEST for each in harmed)])
        found = _steady(market, (delta.bids, delta.asks), depth) if harmed else None
        if not found:
            return {}
        side, price = found
        market.pinned.add(price * 2 + side)
        del self._corrupt[market.symbol]
        self.injected[Fault.CORRUPT.value] += 1
        sides = [
            [(p, s + 1 if (index, p) == (side, price) else s) for p, s in levels]
            for index, levels in enumerate((delta.bids, delta.asks))
        ]
        wrong = replace(delta, bids=sides[0], asks=sides[1])
        return dict.fromkeys(harmed, wrong)


def _steady(
    market: Market, sides: tuple[Levels, Levels], depth: int
) -> tuple[int, int] | None:
    """Choose a level that is still so, near enough to be seen, not at the very top."""
    choice = [
        (rank, side, price)
        for side, levels in enumerate(sides)
        for price, size in levels
        if size and market.sides[side].get(price) == size
        if TOP < (rank := market.rank(side, price)) < depth
    ]
    return max(choice)[1:] if choice else None


@dataclass
class FaultPlan:
    """
    Deals faults from a shuffled deck, so that every kind gets its turn.

    Args:
        seed: Same seed, same faults.
        deck: Kinds, and how many of each are in the deck.
        every: Seconds between two faults, on average.
        rest: Seconds between two that take a whole connection down.
        seconds: How long each kind lasts, where not as usual.

    """

    seed: int = 0
    deck: Mapping[Fault, int] = field(default_factory=dict[Fault, int])
    every: float = 1.0
    rest: float = 3.0
    seconds: Mapping[Fault, float] = field(default_factory=dict)

    #: Orders that may wait at the same time.
    WAITING: ClassVar[int] = 4

    def __post_init__(self) -> None:
        """Shuffle nothing yet: the first ``tick`` starts the clock."""
        self._rng = random.Random(f"{self.seed}/plan")
        self._cards: list[Fault] = []
        self._next: float | None = None
        self._wide = 0.0
        self._faults: Faults | None = None
        #: Whether it has been stopped.
        self.stopped = not self.deck

    @classmethod
    def preset(cls, name: str, seed: int = 0) -> FaultPlan:
        """
        Make the plan called ``none``, ``default`` or ``hostile``.

        Raises:
            ValueError: If there is no such preset.

        """
        if name not in PRESETS:
            raise ValueError(f"no faults called {name!r}: choose {', '.join(PRESETS)}")
        return replace(PRESETS[name], seed=seed)

    def stop(self) -> None:
        """Deal no more, forget what waits and end what lasts. Idempotent."""
        self.stopped = True
        if self._faults:
            self._faults.calm()

    def tick(self, now: float, faults: Faults, symbols: Sequence[str]) -> None:
        """Order what is due at ``now``, for one of the ``symbols`` being watched."""
        self._faults = faults
        if self.stopped or not symbols:
            return
        if self._next is None:
            self._next = now + self._pause()
        while now >= self._next:
            self._next += self._pause()
            self._deal(now, faults, symbols)

    def _pause(self) -> float:
        return self.every * self._rng.uniform(0.5, 1.5)

    def _deal(self, now: float, faults: Faults, symbols: Sequence[str]) -> None:
        if len(faults.pending) >= self.WAITING:
            return
        busy = any(order.kind in REST_FAULTS for order in faults.pending)
        for _ in range(sum(self.deck.values())):
            if not self._cards:
                self._cards = [k for k, n in self.deck.items() for _ in range(n)]
                self._rng.shuffle(self._cards)
            kind = self._cards.pop()
            too_soon = kind in _WIDE and now < self._wide
            if too_soon or (kind in REST_FAULTS and busy):
                self._cards.insert(0, kind)
                continue
            if kind in _WIDE:
                self._wide = now + self.rest + self.seconds.get(kind, 0.0)
            # Of these, the next one will do, whose ever it is.
            anyone = kind in REST_FAULTS or kind in _WIDE
            symbol = None if anyone else self._rng.choice(symbols)
            faults.inject(kind, symbol=symbol, seconds=self.seconds.get(kind))
            return


#: Plans by name, for ``serve(faults=...)`` and the command line.
PRESETS: dict[str, FaultPlan] = {
    "none": FaultPlan(),
    "default": FaultPlan(
        deck={
            Fault.DROP: 3,
            Fault.REPEAT: 2,
            Fault.REORDER: 2,
            Fault.DELAY: 1,
            Fault.CUT_1006: 1,
            Fault.CUT_CLEAN: 1,
            Fault.STALE_SNAPSHOT: 1,
            Fault.SLOW_SNAPSHOT: 1,
            Fault.STATUS_500: 1,
        },
        every=2.0,
        rest=5.0,
        seconds={Fault.SLOW_SNAPSHOT: 0.5},
    ),
    "hostile": FaultPlan(
        deck={
            kind: 3 if kind in {Fault.DROP, Fault.REORDER, Fault.REPEAT} else 1
            for kind in Fault
            if kind is not Fault.CORRUPT
        },
        every=0.5,
        rest=3.0,
        seconds={
            Fault.DELAY: 0.2,
            Fault.BURST: 0.8,
            Fault.SILENCE: 1.5,
            Fault.HALF_OPEN: 2.0,
            Fault.SLOW_SNAPSHOT: 1.0,
            Fault.STATUS_429: 1.0,
            Fault.STATUS_418: 1.0,
            Fault.HANG: 1.5,
        },
    ),
}
