"""
What a level costs in memory, and what a delta allocates.

``tracemalloc`` on a book of 5,000 levels a side after some thousand deltas, each figure
in a process of its own. The baseline is the least that holds the same numbers: a
``dict`` for each side. Three cases: as it is; with all its prices in order, because a
rank was asked for; and with its recent deltas, because ``changes_since`` was. For
deltas, the interpreter's own counts: blocks that stay allocated while the user holds
the event, and containers that the garbage collector must look at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from benchmarks._memory import ASKS
from benchmarks._workers import Worker

__all__ = ["run"]

LEVELS = 5_000
FRAMES = 3_000


def run(
    *, rounds: int = 1, levels: int = LEVELS, frames: int = FRAMES
) -> Iterator[dict[str, Any]]:
    """Yield sizes and counts for both number types; nothing here needs rounds."""
    del rounds
    for numbers in ("float", "decimal"):
        for case in (*ASKS, "allocated per delta"):
            module = "benchmarks._memory"
            given = [numbers, case, str(levels), str(frames)]
            with Worker([sys.executable, "-m", module, *given]) as worker:
                found = worker.read()
            yield {
                "benchmark": "memory",
                "case": f"{numbers}/{case}",
                "workload": f"generated-{levels}",
                **found,
            }
