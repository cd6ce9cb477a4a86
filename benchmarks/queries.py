"""
Each question that can be asked of a book, at 1,000 and 10,000 levels a side.

The baseline is what one writes without a library: a ``dict`` for each side, sorted when
asked. Two figures for us: on a book that has not changed since the last call, and on
one that has changed by one level near the best price. ``growth`` is the latter at
10,000 levels over that at 1,000, for questions about the same number of levels.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from statistics import median
from typing import Any

from benchmarks.workload import generated
from booksync.book import Book
from booksync.messages import Delta, Snapshot

__all__ = ["run"]

ROUNDS = 3
SIZES = (1_000, 10_000)
CALLS = 150
NUMBERS: tuple[type[Decimal | float], ...] = (float, Decimal)

Query = Callable[["Case"], Callable[[], Any]]


class Naive:
    """A ``dict`` for each side, sorted when asked."""

    def __init__(self, snapshot: Snapshot, numbers: type[Any]) -> None:
        self.sides = {
            "bid": {numbers(price): numbers(size) for price, size in snapshot.bids},
            "ask": {numbers(price): numbers(size) for price, size in snapshot.asks},
        }
        self.zero = numbers(0)

    def ordered(self, side: str) -> list[tuple[Any, Any]]:
        return sorted(self.sides[side].items(), reverse=side == "bid")

    def top(self, side: str, count: int) -> list[tuple[Any, Any]]:
        return self.ordered(side)[:count]

    def best(self) -> tuple[Any, Any]:
        return max(self.sides["bid"]), min(self.sides["ask"])

    def between(self, side: str, low: Any, high: Any) -> tuple[Any, Any, Any]:
        found = [level for level in self.ordered(side) if low <= level[0] <= high]
        return (
            found,
            sum((size for _, size in found), self.zero),
            sum((price * size for price, size in found), self.zero),
        )

    def fill(self, size: Any) -> tuple[Any, Any]:
        left, spent = size, self.zero
        for price, available in self.ordered("ask"):
            taken = min(left, available)
            spent += taken * price
            left -= taken
            if not left:
                break
        return size - left, spent

    def imbalance(self, count: int) -> Any:
        bids, asks = (
            sum((size for _, size in self.top(side, count)), self.zero)
            for side in ("bid", "ask")
        )
        return (bids - asks) / (bids + asks)

    def curve(self, count: int) -> list[tuple[Any, Any]]:
        levels = self.top("ask", count)
        totals = itertools.accumulate(size for _, size in levels)
        return [(price, total) for (price, _), total in zip(levels, totals)]  # noqa: B905

    def grouped(self, tick: Any, count: int) -> list[tuple[Any, Any]]:
        groups: dict[Any, Any] = {}
        for price, size in self.ordered("bid"):
            group = price // tick * tick
            if group not in groups and len(groups) == count:
                break
            groups[group] = groups.get(group, self.zero) + size
        return list(groups.items())


class Case:
    """A book with ``levels`` a side, the same levels naively, prices to ask for."""

    def __init__(self, levels: int, numbers: type[Any]) -> None:
        data = json.loads(generated(levels=levels, frames=0).body)
        wire = float if numbers is float else str
        bids, asks = (
            [(wire(price), wire(size)) for price, size in data[side]]
            for side in ("bids", "asks")
        )
        snapshot = Snapshot("BTCUSDT", data["lastUpdateId"], bids, asks)
        self.book = Book("BTCUSDT", numbers=numbers)
        self.book.load(snapshot)
        self.naive = Naive(snapshot, numbers)
        self.near = self.naive.top("ask", 100)[-1][0]
        self.best = self.naive.top("ask", 1)[0][0]
        self.size = sum((size for _, size in self.naive.top("ask", 20)), numbers(0))
        self.notional = self.size * self.best
        self.tick = numbers(1)
        self._changes = self._flip(asks)

    def _flip(self, asks: list[Any]) -> Iterator[Delta]:
        """Delete and restore a level near the best price, for ever."""
        price, size = asks[3]
        gone = type(size)(0)
        for sequence in itertools.count(self.book.sequence):
            new = gone if sequence % 2 else size
            yield Delta("BTCUSDT", sequence, sequence + 1, [], [(price, new)])

    def change(self) -> None:
        self.book.apply(next(self._changes))


#: name -> (ours, the same naively, levels it is about; None: all)
QUERIES: dict[str, tuple[Query, Query, int | None]] = {
    "best": (
        lambda c: lambda: (c.book.best_bid, c.book.best_ask),
        lambda c: c.naive.best,
        1,
    ),
    "spread": (
        lambda c: lambda: c.book.spread,
        lambda c: lambda: min(c.naive.sides["ask"]) - max(c.naive.sides["bid"]),
        1,
    ),
    "microprice": (
        lambda c: lambda: c.book.microprice,
        lambda c: lambda: (c.naive.best(), c.naive.sides["bid"]),
        1,
    ),
    "top 10": (
        lambda c: lambda: (c.book.bids(10), c.book.asks(10)),
        lambda c: lambda: (c.naive.top("bid", 10), c.naive.top("ask", 10)),
        10,
    ),
    "top 100": (
        lambda c: lambda: (c.book.bids(100), c.book.asks(100)),
        lambda c: lambda: (c.naive.top("bid", 100), c.naive.top("ask", 100)),
        100,
    ),
    "level 500": (
        lambda c: lambda: c.book.level("ask", 500),
        lambda c: lambda: c.naive.ordered("ask")[500],
        1,
    ),
    "rank": (
        lambda c: lambda: c.book.rank("ask", c.near),
        lambda c: lambda: sum(price < c.near for price in c.naive.sides["ask"]),
        1,
    ),
    "size_at": (
        lambda c: lambda: c.book.size_at("ask", c.near),
        lambda c: lambda: c.naive.sides["ask"].get(c.near),
        1,
    ),
    "between (100 levels)": (
        lambda c: lambda: c.book.between("ask", c.best, c.near),
        lambda c: lambda: c.naive.between("ask", c.best, c.near),
        100,
    ),
    "size_until (100 levels)": (
        lambda c: lambda: c.book.size_until("ask", c.near),
        lambda c: lambda: c.naive.between("ask", c.best, c.near),
        100,
    ),
    "within 3 bps": (
        lambda c: lambda: c.book.within("ask", 3),
        lambda c: lambda: c.naive.between("ask", c.best, c.best + c.best * 3 / 10_000),
        None,
    ),
    "fill size (20 levels)": (
        lambda c: lambda: c.book.fill("buy", size=c.size),
        lambda c: lambda: c.naive.fill(c.size),
        20,
    ),
    "fill notional (20 levels)": (
        lambda c: lambda: c.book.fill("buy", notional=c.notional),
        lambda c: lambda: c.naive.fill(c.size),
        20,
    ),
    "imbalance 10": (
        lambda c: lambda: c.book.imbalance(10),
        lambda c: lambda: c.naive.imbalance(10),
        10,
    ),
    "depth_curve 100": (
        lambda c: lambda: c.book.depth_curve("ask", 100),
        lambda c: lambda: c.naive.curve(100),
        100,
    ),
    "grouped (20 groups)": (
        lambda c: lambda: c.book.grouped("bid", c.tick, 20),
        lambda c: lambda: c.naive.grouped(c.tick, 20),
        None,
    ),
    "iterate all": (
        lambda c: lambda: list(c.book),
        lambda c: lambda: (c.naive.ordered("bid"), c.naive.ordered("ask")),
        None,
    ),
    "freeze": (
        lambda c: c.book.freeze,
        lambda c: lambda: (c.naive.ordered("bid"), c.naive.ordered("ask")),
        None,
    ),
}
#: These read every level.
WHOLE = {"iterate all", "freeze"}


def timed(call: Callable[[], Any], before: Callable[[], Any], count: int) -> float:
    """Median seconds of one call, ``before`` it not counted; nor is the timer."""
    clock = time.perf_counter_ns
    spent, empty = [], []
    for _ in range(count):
        before()
        start = clock()
        call()
        end = clock()
        spent.append(end - start)
        empty.append(clock() - end)
    return max(median(spent) - median(empty), 1.0) / 1e9


def nothing() -> None:
    """Change nothing."""


def measure(case: Case, name: str, rounds: int, calls: int) -> dict[str, float]:
    """Medians over rounds of: ours, ours after a change, the naive one."""
    ours, naive, _ = QUERIES[name]
    call, baseline = ours(case), naive(case)
    few = max(calls // 10, 3)
    ours_calls = few if name in WHOLE else calls
    call(), baseline()
    found: dict[str, list[float]] = {"us": [], "us_after_change": [], "naive_us": []}
    for _ in range(rounds):
        found["us"].append(timed(call, nothing, ours_calls))
        found["us_after_change"].append(timed(call, case.change, ours_calls))
        found["naive_us"].append(timed(baseline, nothing, few))
    return {key: median(values) * 1e6 for key, values in found.items()}


def run(
    *, rounds: int = ROUNDS, calls: int = CALLS, sizes: tuple[int, ...] = SIZES
) -> Iterator[dict[str, Any]]:
    """Yield one record for each question, number type and size."""
    for numbers in NUMBERS:
        cases = {levels: Case(levels, numbers) for levels in sizes}
        for name in QUERIES:
            smaller: float | None = None
            for levels, case in cases.items():
                found = measure(case, name, rounds, calls)
                changed = found["us_after_change"]
                yield {
                    "benchmark": "queries",
                    "case": f"{numbers.__name__.lower()}/{name}",
                    "workload": f"generated-{levels}",
                    "ratio": round(changed / found["naive_us"], 4),
                    **{key: round(value, 2) for key, value in found.items()},
                    "growth": None if smaller is None else round(changed / smaller, 2),
                }
                smaller = changed
