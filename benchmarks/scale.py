"""
One to two thousand books on one core, through one engine.

The ratio is processor time per frame, the best prices read after each, with so many
books over that with one book, in the same run: what it costs that the books do not fit
into the cache. ``all_live_s`` is the processor time from subscribing to the last live
book; ``budget_s`` is how long the venue's own weight limit makes it last at the default
depth, whoever the client is.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks._timing import ratio
from benchmarks._workers import Worker

__all__ = ["run"]

ROUNDS = 3
FRAMES = 2_000
BOOKS = (100, 2_000)
LEVELS = 1_000


def started(
    stack: contextlib.ExitStack, numbers: str, books: int, levels: int
) -> tuple[Worker, dict[str, Any]]:
    module = "benchmarks._scale"
    command = [sys.executable, "-m", module, numbers, str(books), str(levels)]
    worker = stack.enter_context(Worker(command))
    return worker, worker.read()


def per_frame(worker: Worker, frames: int) -> float:
    answer = worker.ask(frames=frames)
    return float(answer["seconds"] / answer["frames"])


def run(
    *,
    rounds: int = ROUNDS,
    frames: int = FRAMES,
    books: Sequence[int] = BOOKS,
    levels: int = LEVELS,
) -> Iterator[dict[str, Any]]:
    """Yield one record for each number type and number of books."""
    for numbers in ("float", "decimal"):
        with contextlib.ExitStack() as stack:
            one, facts = started(stack, numbers, 1, levels)
            yield described(numbers, facts, levels)
            few = max(frames // len(books) // rounds, 1)
            for count in books:
                with contextlib.ExitStack() as inner:
                    many, facts = started(inner, numbers, count, levels)
                    alone, together = [], []
                    for _ in range(rounds):
                        together.append(per_frame(many, max(frames // rounds, 1)))
                        alone.append(per_frame(one, few))
                yield {
                    **described(numbers, facts, levels),
                    "ratio": ratio(together, alone),
                    "us_per_frame": round(median(together) * 1e6, 2),
                    "one_book_us_per_frame": round(median(alone) * 1e6, 2),
                }


def described(numbers: str, facts: dict[str, Any], levels: int) -> dict[str, Any]:
    count = facts["books"]
    return {
        "benchmark": "scale",
        "case": f"{numbers}/{count} books",
        "workload": f"generated-{levels}",
        "ratio": 1.0,
        "mb": round(facts["bytes"] / 1e6, 1),
        "kb_per_book": round(facts["bytes"] / count / 1e3, 1),
        "bytes_per_level": round(facts["bytes"] / max(facts["levels"], 1), 1),
        "all_live_s": round(facts["live_s"], 3),
        "budget_s": round(facts["budget_s"], 1),
    }
