"""How the benchmarks measure: processor time, interleaved, medians of ratios."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping
from statistics import median

__all__ = ["best_of", "cpu_seconds", "interleaved", "ratio"]

#: Processor time of this process: what else the machine does is not in it.
cpu_seconds = time.process_time


def interleaved(
    cases: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """Run every case once a round, in order; ``case -> [seconds]``."""
    found: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case, run in cases.items():
            gc.collect()
            found[case].append(run())
    return found


def ratio(ours: Iterable[float], baseline: Iterable[float]) -> float:
    """Median of the rounds' ratios."""
    pairs = zip(ours, baseline, strict=True)
    return round(median(one / base for one, base in pairs), 3)


def best_of(repeat: int, call: Callable[[], object]) -> float:
    """Seconds of one of ``repeat`` calls in a row."""
    start = cpu_seconds()
    for _ in range(repeat):
        call()
    return (cpu_seconds() - start) / repeat
