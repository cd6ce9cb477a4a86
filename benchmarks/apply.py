"""
From a raw frame to an event and the best prices, every check on.

Ours: frame -> venue -> synchronizer -> book -> event, then best bid and ask (or ten
levels a side). A book that asks for a snapshot to check its window gets one, as from a
venue, off the clock. The floor, in the same run and interleaved: msgspec typed float
decode and a plain dict assignment of every level: no order, no checks, no deletes.
``growth``: time per level changed in books of 100 to 100,000 levels a side, over that
at 1,000; and the floor's own with dicts as large. Once with changes as near the best
price as recorded ones; once with changes ``scattered`` all over the book, most of which
are in no cache: memory far away is slow for anybody.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from statistics import geometric_mean, median
from typing import Any

import msgspec

from benchmarks._timing import cpu_seconds, interleaved
from benchmarks.workload import Workload, generated, workloads
from booksync import inputs, venues
from booksync.engine import Engine
from booksync.events import Audited, Verdict
from booksync.sync import Synchronizer

__all__ = ["run"]

ROUNDS = 9
#: Levels a side of the growth curve; its ratios are to the second of them.
GROWTH = (100, 1_000, 10_000, 100_000)
GROWTH_ROUNDS = 3
#: Levels a side of a snapshot, at most.
DEEPEST = 5_000


class FloorUpdate(msgspec.Struct, gc=False):
    b: list[tuple[float, float]]
    a: list[tuple[float, float]]


class FloorFrame(msgspec.Struct, gc=False):
    data: FloorUpdate


class FloorBook(msgspec.Struct):
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


def floor(workload: Workload, *, filled: bool = False) -> float:
    decode = msgspec.json.Decoder(FloorFrame, strict=False).decode
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    if filled:
        whole = msgspec.json.decode(workload.body, type=FloorBook, strict=False)
        bids, asks = dict(whole.bids), dict(whole.asks)
        del whole
    start = cpu_seconds()
    for raw in workload.frames:
        data = decode(raw).data
        for price, size in data.b:
            bids[price] = size  # plain assignment is the floor
        for price, size in data.a:
            asks[price] = size
    return cpu_seconds() - start


def primed(workload: Workload, numbers: type[Decimal | float]) -> Engine:
    """An engine whose book is live at the snapshot."""
    venue = venues.get(workload.venue)(numbers=numbers)
    engine = Engine(venue, discover=True)
    engine.take(inputs.Opened(1, ()), 0.0)
    for raw in workload.before:
        engine.frame(1, raw, 0.0)
    depth = venue.snapshot_depth(workload.url)
    body = workload.body.encode()
    given = inputs.Answered(workload.symbol, 1, 200, depth, workload.url, body)
    engine.take(given, 0.0)
    return engine


def checked(engine: Engine, workload: Workload) -> float:
    """
    Answer a book that wants to be checked, as a venue would; return how long it took.

    A book remembers its deltas until then. With us as in a feed, that is soon.
    """
    start = cpu_seconds()
    sync = engine.books[workload.symbol]
    assert isinstance(sync, Synchronizer)
    if sync.remembers:
        said = {"lastUpdateId": sync.book.sequence}
        levels = {f"{side}s": sync.book.texts(side, DEEPEST) for side in ("bid", "ask")}
        body = msgspec.json.encode({**said, **levels})
        given = inputs.Answered(workload.symbol, 0, 200, DEEPEST, "", body, audit=True)
        (told,) = engine.take(given, 0.0)
        assert isinstance(told, Audited), told
        assert told.verdict is Verdict.MATCHED, told
    return cpu_seconds() - start


def best(workload: Workload, numbers: type[Decimal | float]) -> float:
    engine = primed(workload, numbers)
    book = engine.books[workload.symbol].book
    frame = engine.frame
    aside = 0.0
    start = cpu_seconds()
    for raw in workload.frames:
        if len(frame(1, raw, 0.0)) > 1:
            aside += checked(engine, workload)
        _ = book.best_bid
        _ = book.best_ask
    elapsed = cpu_seconds() - start - aside
    proved(engine, workload)
    return elapsed


def top10(workload: Workload, numbers: type[Decimal | float]) -> float:
    engine = primed(workload, numbers)
    book = engine.books[workload.symbol].book
    frame = engine.frame
    aside = 0.0
    start = cpu_seconds()
    for raw in workload.frames:
        if len(frame(1, raw, 0.0)) > 1:
            aside += checked(engine, workload)
        book.bids(10)
        book.asks(10)
    elapsed = cpu_seconds() - start - aside
    proved(engine, workload)
    return elapsed


def proved(engine: Engine, workload: Workload) -> None:
    """Every frame was applied, or was older than the snapshot; none was skipped."""
    status = engine.books[workload.symbol].status()
    counts = status.counts
    total = len(workload.frames) + len(workload.before)
    assert status.sequence is not None, status
    assert counts.applied + counts.stale == total, counts


CASES: dict[str, Callable[[Workload], float]] = {
    "float/best": lambda w: best(w, float),
    "float/top10": lambda w: top10(w, float),
    "decimal/best": lambda w: best(w, Decimal),
    "decimal/top10": lambda w: top10(w, Decimal),
}


def measure(workload: Workload, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """``case -> [(floor seconds, our seconds)]``, interleaved."""
    found: dict[str, list[tuple[float, float]]] = {case: [] for case in CASES}
    for _ in range(rounds):
        for case, ours in CASES.items():
            gc.collect()
            base = floor(workload)
            gc.collect()
            found[case].append((base, ours(workload)))
    return found


def run(*, rounds: int = ROUNDS) -> Iterator[dict[str, Any]]:
    """Yield one record for each case and workload, then the geometric means."""
    ratios: dict[str, list[float]] = {case: [] for case in CASES}
    for workload in workloads():
        for case, pairs in measure(workload, rounds).items():
            ratio = median(ours / base for base, ours in pairs)
            fastest = min(ours for _, ours in pairs)
            ratios[case].append(ratio)
            yield {
                "benchmark": "apply",
                "case": case,
                "workload": workload.name,
                "ratio": round(ratio, 3),
                "us_per_frame": round(fastest / len(workload.frames) * 1e6, 3),
                "ns_per_level": round(fastest / workload.levels * 1e9, 1),
                "floor_us_per_frame": round(
                    min(base for base, _ in pairs) / len(workload.frames) * 1e6, 3
                ),
                "levels_per_frame": round(workload.levels / len(workload.frames), 1),
            }
    for case, found in ratios.items():
        yield {
            "benchmark": "apply",
            "case": case,
            "workload": "geometric mean",
            "ratio": round(geometric_mean(found), 3),
        }
    for numbers in ("float", "decimal"):
        tops, bests = ratios[f"{numbers}/top10"], ratios[f"{numbers}/best"]
        yield {
            "benchmark": "apply",
            "case": f"{numbers}/top10 to best",
            "workload": "geometric mean",
            "ratio": round(
                geometric_mean(t / b for t, b in zip(tops, bests, strict=True)), 3
            ),
        }
    yield from growth(rounds=min(rounds, GROWTH_ROUNDS))


def growth(
    *, rounds: int, sizes: Sequence[int] = GROWTH, frames: int = 600
) -> Iterator[dict[str, Any]]:
    """Yield what a level costs by the size of the book; of the floor, too."""
    for case, scattered in (("growth", False), ("growth, scattered", True)):
        make = partial(generated, frames=frames, scattered=scattered)
        made = [make(levels=size, name=f"generated-{size}") for size in sizes]
        yield from curve(case, made, sizes, rounds)


def curve(
    case: str, made: list[Workload], sizes: Sequence[int], rounds: int
) -> Iterator[dict[str, Any]]:
    """Yield what a level costs in each workload, over what it costs in the second."""
    measured: dict[str, Callable[[Workload], float]] = {
        "floor": partial(floor, filled=True),
        "float": CASES["float/best"],
        "decimal": CASES["decimal/best"],
    }
    for numbers, run in measured.items():
        found = interleaved(
            {str(size): partial(run, w) for size, w in zip(sizes, made, strict=True)},
            rounds,
        )
        per_level = [
            min(found[str(size)]) / workload.levels * 1e9
            for size, workload in zip(sizes, made, strict=True)
        ]
        for size, workload, ns in zip(sizes, made, per_level, strict=True):
            yield {
                "benchmark": "apply",
                "case": f"{numbers}/{case}",
                "workload": workload.name,
                "ratio": round(ns / per_level[1], 3),
                "ns_per_level": round(ns, 1),
                "levels": size,
            }
