"""
What a book holds in memory, in a process of its own: what books share counts, too.

``_memory {float,decimal} CASE LEVELS FRAMES`` prints one record.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from statistics import median
from typing import Any

from benchmarks._ours import NUMBERS
from benchmarks.apply import primed
from benchmarks.workload import Workload, generated
from booksync import venues
from booksync.book import Book
from booksync.engine import Engine
from booksync.messages import Delta

Ask = Callable[[Book], None]


def used(make: Callable[[], Any]) -> tuple[int, Any]:
    """Bytes that ``make`` leaves allocated, and what it made."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        made = make()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        return after - before, made
    finally:
        tracemalloc.stop()


def booked(
    workload: Workload, numbers: type[Decimal | float], *, ask: Ask | None = None
) -> Book:
    """A book after all frames, decoded from bytes as a feed does."""
    venue = venues.get(workload.venue)(numbers=numbers)
    session = venue.session()
    book = Book(workload.symbol, numbers=numbers)
    book.load(venue.parse_snapshot(workload.body.encode(), workload.symbol, None))
    for raw in workload.frames:
        if ask is not None:
            ask(book)
        for message in venue.parse(raw, session):
            assert isinstance(message, Delta)
            book.apply(message)
        _ = book.best_bid, book.best_ask
    return book


def read(book: Book) -> None:
    book.bids()
    book.asks()


def ranked(book: Book) -> None:
    book.rank("bid", 1)
    book.rank("ask", 1)


def remembered(book: Book) -> None:
    book.changes_since(book.version)


def plain(workload: Workload, numbers: type[Any]) -> list[dict[Any, Any]]:
    """Two dicts with the same levels."""
    data = json.loads(workload.body)
    sides = [
        {numbers(price): numbers(size) for price, size in data[side]}
        for side in ("bids", "asks")
    ]
    for raw in workload.frames:
        update = json.loads(raw)["data"]
        for side, levels in zip(sides, (update["b"], update["a"]), strict=True):
            for price, size in levels:
                side[numbers(price)] = numbers(size)
    return [{p: size for p, size in side.items() if size} for side in sides]


ASKS: dict[str, Ask | None] = {
    "levels": None,
    "levels, all just read": read,
    "levels, all in order": ranked,
    "levels, recent deltas": remembered,
}


def sizes(
    workload: Workload, numbers: type[Decimal | float], case: str
) -> dict[str, Any]:
    base, sides = used(partial(plain, workload, numbers))
    levels = sum(map(len, sides))
    del sides
    booked(generated(levels=10, frames=1, seed=3), numbers)  # imports are no levels
    total, book = used(partial(booked, workload, numbers, ask=ASKS[case]))
    assert len(book) == levels, f"{len(book)} levels, {levels} in the dicts"
    return {
        "ratio": round(total / base, 3),
        "bytes_per_level": round(total / levels, 1),
        "dict_bytes_per_level": round(base / levels, 1),
        "levels": levels,
    }


def allocated(engine: Engine, frames: list[str], count: Callable[[], int]) -> list[int]:
    """How much ``count`` goes up with each frame, its outputs held."""
    held = []
    found = []
    frame = engine.frame
    for raw in frames:
        before = count()
        outputs = frame(1, raw, 0.0)
        found.append(count() - before)
        held.append(outputs)
        if len(held) == 100:
            held.clear()
    return found


def tracked() -> int:
    return gc.get_count()[0]


def objects(workload: Workload, numbers: type[Decimal | float]) -> dict[str, Any]:
    half = len(workload.frames) // 2
    engine = primed(workload, numbers)
    gc.collect()
    gc.disable()
    try:
        blocks = allocated(engine, workload.frames[:half], sys.getallocatedblocks)
        objs = allocated(engine, workload.frames[half:], tracked)
    finally:
        gc.enable()
    per_frame = workload.levels / len(workload.frames)
    return {
        "ratio": round(median(blocks) / per_frame, 3),
        "blocks_per_delta": median(blocks),
        "tracked_per_delta": median(objs),
        "levels_per_delta": round(per_frame, 1),
    }


def main() -> None:
    name, case, levels, frames = sys.argv[1:]
    numbers = NUMBERS[name]
    workload = generated(levels=int(levels), frames=int(frames))
    found = objects(workload, numbers) if case not in ASKS else sizes(
        workload, numbers, case
    )  # fmt: skip
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
