"""
Where the time of a frame goes: each stage with all before it, on the same frames.

``decode`` and ``floor`` are the two steps of the floor of ``apply``. Ours: ``parse``
makes a delta of a frame; ``book`` writes it over a bare book; ``receive`` relates it to
the book first, and makes an event; ``frame`` finds whose it is, and notes the pace;
``best`` reads the best prices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from benchmarks._timing import cpu_seconds, interleaved
from benchmarks.apply import FloorFrame, best, checked, floor, primed
from benchmarks.workload import Workload, workloads
from booksync.engine import Engine
from booksync.sync import Synchronizer

__all__ = ["run"]

ROUNDS = 5
STAGES = ("parse", "book", "receive", "frame")
NUMBERS: tuple[type[Decimal | float], ...] = (float, Decimal)


def decode(workload: Workload) -> float:
    read = msgspec.json.Decoder(FloorFrame, strict=False).decode
    start = cpu_seconds()
    for raw in workload.frames:
        read(raw)
    return cpu_seconds() - start


def steps(engine: Engine, symbol: str) -> dict[str, Callable[[str], Sequence[object]]]:
    """``stage -> what takes a frame through it and all before it``."""
    parse, session = engine.venue.parse, engine.connections[1].session
    sync = engine.books[symbol]
    assert isinstance(sync, Synchronizer)
    apply, receive, frame = sync.book.apply, sync.receive, engine.frame

    def book(raw: str) -> Sequence[object]:
        apply(parse(raw, session)[0])  # type: ignore[arg-type]
        return ()

    return {
        "parse": lambda raw: parse(raw, session),
        "book": book,
        "receive": lambda raw: receive(parse(raw, session)[0], 0.0),  # type: ignore[arg-type]
        "frame": lambda raw: frame(1, raw, 0.0),
    }


def stage(workload: Workload, numbers: type[Decimal | float], name: str) -> float:
    engine = primed(workload, numbers)
    step = steps(engine, workload.symbol)[name]
    aside = 0.0
    start = cpu_seconds()
    for raw in workload.frames:
        if len(step(raw)) > 1:
            aside += checked(engine, workload)
    return cpu_seconds() - start - aside


def cases(workload: Workload) -> dict[str, Callable[[], float]]:
    """``number type/stage -> run``, from the first stage to the last."""
    made: dict[str, Callable[[], float]] = {
        "floor/decode": partial(decode, workload),
        "floor/floor": partial(floor, workload),
    }
    for numbers in NUMBERS:
        name = numbers.__name__.lower()
        for part in STAGES:
            made[f"{name}/{part}"] = partial(stage, workload, numbers, part)
        made[f"{name}/best"] = partial(best, workload, numbers)
    return made


def run(
    *, rounds: int = ROUNDS, workload: Workload | None = None
) -> Iterator[dict[str, Any]]:
    """Yield one record for each stage, number type and workload."""
    for one in workloads() if workload is None else [workload]:
        found = interleaved(cases(one), rounds)
        least = min(found["floor/floor"])
        for case, seconds in found.items():
            yield {
                "benchmark": "stages",
                "case": case,
                "workload": one.name,
                "ratio": round(min(seconds) / least, 3),
                "us_per_frame": round(min(seconds) / len(one.frames) * 1e6, 2),
            }
