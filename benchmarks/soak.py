"""
Soak: a million frames of several dialects at once, two lines, audits, random faults.

Every kind of fault is dealt at random for as long as it takes; every live book is
compared with the truth at most fifty times a second. Printed are the wrong reads (none
may be), how long books were withheld, and single lines not live, after each kind of
fault (the one that the exchange had dealt last), the snapshots that this took, and what
grew: memory after the warm-up and at the end, tasks and open files before and after.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._arena import DIALECTS, Bout, bout
from booksync.testing import PRESETS, Fault, FaultPlan

__all__ = ["run"]

FRAMES = 1_000_000
#: Part of the frames after which nothing may grow any more.
WARM = 0.25
#: Changes a second of each market, and seconds between two deltas.
RATE, INTERVAL = 150.0, 0.01
#: Changes that an exchange remembers: as many as the warm-up surely makes.
RETENTION = 4_000
#: Seconds between two faults of one exchange, and for all to heal at the end.
EVERY, HEAL = 1.5, 30.0
LOOK = 0.02
#: Those that only audits could find.
BLIND = {"bitstamp"}


def run(frames: int = FRAMES) -> Iterator[dict[str, Any]]:
    """Soak until ``frames`` frames have been taken."""
    yield from asyncio.run(_soak(frames))


async def _soak(frames: int) -> list[dict[str, Any]]:
    before = _tasks(), _files()
    async with contextlib.AsyncExitStack() as stack:
        bouts = [
            await stack.enter_async_context(
                bout(
                    dialect,
                    lines=2,
                    seed=seed,
                    rate=RATE,
                    interval=INTERVAL,
                    retention=RETENTION,
                )
            )
            for seed, dialect in enumerate(DIALECTS, 1)
            if dialect.venue not in BLIND
        ]
        await _healed(bouts)  # a feed that cannot even begin tells its caller
        for seed, one in enumerate(bouts, 1):
            one.server.plan = _plan(seed)
        start = bouts[0].now
        await _until(bouts, frames * WARM, frames)
        warm = _memory()
        await _until(bouts, frames, frames)
        seconds = bouts[0].now - start
        for one in bouts:
            one.server.plan.stop()
        await _healed(bouts)
        end = _memory()
        records = [
            *_recoveries(bouts),
            _all(bouts, seconds),
            *({"benchmark": "soak", "case": f"{one.dialect.venue}", **_of(one)}
              for one in bouts),
        ]  # fmt: skip
    await asyncio.sleep(LOOK)
    gc.collect()
    after = _tasks(), _files()
    growth = {
        "memory_warm_mb": round(warm / 1e6, 1),
        "memory_end_mb": round(end / 1e6, 1),
        "growth_percent": round((end / warm - 1) * 100, 2),
        "tasks_left": after[0] - before[0],
        "files_left": after[1] - before[1],
    }
    return [*records, _record("left behind", **growth)]


def _plan(seed: int) -> FaultPlan:
    deck = {kind: 1 for kind in Fault if kind is not Fault.CORRUPT}
    return replace(PRESETS["hostile"], seed=seed, deck=deck, every=EVERY)


def _record(case: str, **found: Any) -> dict[str, Any]:
    return {"benchmark": "soak", "case": case, "workload": "loopback", **found}


def _taken(bouts: Sequence[Bout]) -> int:
    return sum(one.feed.counts.frames for one in bouts)


async def _until(bouts: Sequence[Bout], frames: float, of: int) -> None:
    while (taken := _taken(bouts)) < frames:
        wrong = sum(one.wrong for one in bouts)
        words = f"  {taken:,} of {of:,} frames, {wrong} wrong reads"
        print(words, end="\r", file=sys.stderr, flush=True)
        for one in bouts:
            one.look()
            one.check()
        await asyncio.sleep(LOOK)


async def _healed(bouts: Sequence[Bout]) -> None:
    end = bouts[0].now + HEAL
    while bouts[0].now < end and not all(one.live for one in bouts):  # noqa: ASYNC110
        await asyncio.sleep(LOOK)
    await asyncio.sleep(1.0)  # to compare all once more


def _recoveries(bouts: Sequence[Bout]) -> Iterator[dict[str, Any]]:
    found: dict[str, list[float]] = defaultdict(list)
    for one in bouts:
        for watch in one.watches.values():
            for kind, seconds in watch.recoveries:
                found[f"withheld/{kind}"].append(seconds)
        for kind, seconds in one.line_recoveries:
            found[f"line not live/{kind}"].append(seconds)
    for case, times in sorted(found.items()):
        times.sort()
        yield _record(
            case,
            times=len(times),
            median_s=round(median(times), 3),
            p99_s=round(times[min(len(times) * 99 // 100, len(times) - 1)], 3),
        )


def _all(bouts: Sequence[Bout], seconds: float) -> dict[str, Any]:
    faults: Counter[str] = Counter()
    for one in bouts:
        faults.update(one.server.faults.injected)
    return _record(
        "all",
        frames=_taken(bouts),
        seconds=round(seconds, 1),
        faults=faults.total(),
        kinds=len(faults),
        checked=sum(w.checked for one in bouts for w in one.watches.values()),
        wrong=sum(one.wrong for one in bouts),
        snapshots=sum(one.snapshots for one in bouts),
        audits=sum(one.audits for one in bouts),
        not_live=[one.dialect.venue for one in bouts if not one.live],
    )


def _of(one: Bout) -> dict[str, Any]:
    counts = one.feed.counts
    return {
        "workload": "loopback",
        "frames": counts.frames,
        "wrong": one.wrong,
        "withheld_s": round(sum(w.withheld_s for w in one.watches.values()), 1),
        "waiting_s": round(one.waiting_s, 2),
        "snapshots": one.snapshots,
        "disconnects": counts.disconnects,
    }


def _memory() -> int:
    """Bytes resident now."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _tasks() -> int:
    return len(asyncio.all_tasks())


def _files() -> int:
    try:
        return len(list(Path("/proc/self/fd").iterdir()))
    except OSError:
        return 0
