"""Ours, in a process of its own, asked like a peer: ``_ours {float,decimal} FILE``."""

from __future__ import annotations

import gc
import json
import sys
from decimal import Decimal
from functools import partial
from pathlib import Path

from benchmarks._peer import Result, Work, clock, serve
from benchmarks.apply import checked, primed, proved
from benchmarks.workload import Workload

NUMBERS: dict[str, type[Decimal | float]] = {"float": float, "decimal": Decimal}


async def ours(work: Work, *, numbers: type[Decimal | float]) -> Result:
    """``Engine.frame``: parse, route, relate, apply, event; every check on."""
    workload = Workload(
        "", work.venue, work.symbol, work.url, work.body, work.before, work.frames
    )
    engine = primed(workload, numbers)
    book = engine.books[work.symbol].book
    frame = engine.frame
    gc.collect()
    aside = 0.0
    start = clock()
    if work.read:
        for raw in work.frames:
            if len(frame(1, raw, 0.0)) > 1:
                aside += checked(engine, workload)
            _ = book.best_bid, book.best_ask
    else:
        for raw in work.frames:
            if len(frame(1, raw, 0.0)) > 1:
                aside += checked(engine, workload)
    seconds = clock() - start - aside
    proved(engine, workload)
    return Result(seconds, book.bids(), book.asks())


def main() -> None:
    name, path = sys.argv[1:]
    work = Work(**json.loads(Path(path).read_text()))
    serve(work, partial(ours, numbers=NUMBERS[name]))


if __name__ == "__main__":
    main()
