"""
What the benchmarks work on: real recorded frames where they are, else seeded ones.

The generator makes Binance spot frames with the mix of the recorded ones: about
45-70 % changes, 15-30 % inserts, 15-25 % deletes, 10-50 levels a frame. What changes
lies as near the best price as in the recordings (``NEAR``), however deep the book; or,
where asked for, all over the book.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import log
from pathlib import Path
from random import Random

__all__ = ["Workload", "generated", "recorded", "workloads"]

ROOT = Path(
    os.environ.get(
        "BOOKSYNC_CAPTURES", Path(__file__).parents[2] / "shared" / "captures"
    )
)
RECORDED = {
    "binance_spot_btcusdt_20240808": "binance",
    "binance_usdm_btcusdt_20240718": "binance_usdm",
    "binance_usdm_btcusdt_20240808": "binance_usdm",
    "binance_coinm_btcusd_20240808": "binance_coinm",
}
#: Recorded sizes repeat: 83 to 95 of 100 were seen within the last few thousand.
COMMON = tuple(Random(7).randint(1, 10**6) for _ in range(500))
NEW_SIZES = 0.1
#: Parts of all levels; the rest are deletes. As many come as go: no book runs dry.
CHANGES, INSERTS = 0.58, 0.21
#: How many better levels a changed one has: the median, and how far it spreads (of a
#: log-normal law). In the recordings of 2024 a quarter has at most 28 better ones, half
#: 117, three quarters 371, nine tenths 843 (geometric means of 8 sides, of which 1,000
#: to 3,400 levels are known). Whole books recorded in 2021 and 2022 are no wider for
#: being deeper: medians are 3 and 59 at BitMEX (5,500 and 3,800 levels), 1 and 8 at
#: Bitstamp (2,700 and 2,000).
NEAR = 115
SPREAD = 1.57
#: Scattered: so many times deeper is the book than the mean changed level lies.
SCATTERED = 12
#: Levels of a frame.
FEWEST, MOST = 10, 50
#: Frames of a recording that one round takes.
MAX_FRAMES = 6_000


@dataclass
class Workload:
    """Frames of one symbol: those before the snapshot, the snapshot, those after."""

    name: str
    venue: str
    symbol: str
    url: str
    body: str
    before: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    levels: int = 0


def count_levels(frames: list[str]) -> int:
    total = 0
    for frame in frames:
        data = json.loads(frame)["data"]
        total += len(data["b"]) + len(data["a"])
    return total


def recorded(name: str, venue: str) -> Workload | None:
    """Read one recording of one symbol; ``None`` where it is not here."""
    path = ROOT / "data" / f"{name}.jsonl.gz"
    if not path.exists():
        return None
    made = Workload(name, venue, "", "", "")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if record["ch"] == "http":
                made.url, made.body = record["url"], record["raw"]
            elif made.body:
                made.frames.append(record["raw"])
            else:
                made.before.append(record["raw"])
            if len(made.frames) >= MAX_FRAMES:
                break
    made.symbol = json.loads(made.frames[0])["data"]["s"]
    made.levels = count_levels(made.frames)
    return made


def generated(
    *,
    levels: int = 2_000,
    frames: int = 3_000,
    seed: int = 1,
    name: str = "generated",
    scattered: bool = False,
) -> Workload:
    """
    Make frames of a book that keeps about ``levels`` levels a side.

    Args:
        levels: Levels a side.
        frames: How many frames.
        seed: Same seed, same frames.
        name: What to call it.
        scattered: Changes are all over the book, and farther the deeper it is.

    """
    random = Random(seed)
    mid = 6_000_000
    law = partial(all_over if scattered else near_the_best, random, levels)
    sides: list[dict[int, int]] = [
        {mid - 1 - n * 2: random.randint(1, 10**6) for n in range(levels)},
        {mid + 1 + n * 2: random.randint(1, 10**6) for n in range(levels)},
    ]
    last = 1_000
    body = json.dumps(
        {
            "lastUpdateId": last,
            "bids": [level(p, s) for p, s in sorted(sides[0].items(), reverse=True)],
            "asks": [level(p, s) for p, s in sorted(sides[1].items())],
        }
    )
    url = f"https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit={levels * 2}"
    made = Workload(name, "binance", "BTCUSDT", url, body)
    for _ in range(frames):
        count = random.randint(FEWEST, MOST)
        changed: list[dict[int, int]] = [{}, {}]
        while sum(map(len, changed)) < count:
            which = random.randrange(2)
            price, size = one_change(random, sides[which], which, mid, law)
            changed[which][price] = size
        first, last = last + 1, last + count
        data = {
            "e": "depthUpdate",
            "E": 1_700_000_000_000 + last,
            "s": "BTCUSDT",
            "U": first,
            "u": last,
            "b": [level(p, s) for p, s in changed[0].items()],
            "a": [level(p, s) for p, s in changed[1].items()],
        }
        made.levels += len(data["b"]) + len(data["a"])  # type: ignore[arg-type]
        frame = {"stream": "btcusdt@depth@100ms", "data": data}
        made.frames.append(json.dumps(frame, separators=(",", ":")))
    return made


def one_change(
    random: Random,
    side: dict[int, int],
    which: int,
    mid: int,
    law: Callable[[], float],
) -> tuple[int, int]:
    """Change, insert or delete one level, about as many from the best as law says."""
    draw = random.random()
    away = -1 if which == 0 else 1
    price = mid + away * (1 + int(2 * law()))  # every other price has a level
    gone = draw >= CHANGES + INSERTS
    if not gone and (draw >= CHANGES or not side):
        while price in side:
            price += away
    elif price not in side:
        price = random.choice(near(side, price))
    if gone:
        side.pop(price, None)
    else:
        side[price] = a_size(random)
    return price, side.get(price, 0)


def near_the_best(random: Random, levels: int) -> float:
    """Say how many better levels a changed one has: as in recordings."""
    while (rank := random.lognormvariate(log(NEAR), SPREAD)) > levels:
        pass
    return rank


def all_over(random: Random, levels: int) -> float:
    """Say the same of a book whose changes are scattered."""
    return min(random.expovariate(SCATTERED / levels), 2 * levels)


def a_size(random: Random) -> int:
    new = random.random() < NEW_SIZES
    return random.randint(1, 10**6) if new else random.choice(COMMON)


def near(side: dict[int, int], price: int) -> list[int]:
    """Some level of the side near ``price``, without sorting it."""
    for step in range(1, 50):
        found = [p for p in (price - step, price + step) if p in side]
        if found:
            return found
    return [next(iter(side))] if side else [price]


def level(price: int, size: int) -> list[str]:
    return [f"{price // 100}.{price % 100:02d}000000", f"{size / 10**5:.8f}"]


def workloads() -> list[Workload]:
    """The recordings of 2024 where they are, else generated ones of their sizes."""
    found = [recorded(name, venue) for name, venue in RECORDED.items()]
    real = [workload for workload in found if workload is not None]
    if real:
        return real
    return [
        generated(levels=1_000, name="generated-1000"),
        generated(levels=5_000, seed=2, name="generated-5000"),
    ]
