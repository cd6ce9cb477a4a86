"""
A client of :mod:`benchmarks._stream` in a process of its own: ours, or a bare one.

``python -m benchmarks._client NAME``, one of ``CLIENTS``; each request is a connection.
The bare one receives with ``websockets`` as ours does, decodes with msgspec into floats
and assigns to plain dicts: no order, no checks, no events.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from websockets.asyncio.client import connect as open_websocket

import booksync.feed
from booksync.budget import Budget
from booksync.events import Changed, Synced
from booksync.transport import Transport

#: One part of so many of the delays is left out: the first.
WARM_UP = 5


class Wanted(NamedTuple):
    """One connection: where, for how many frames, and what to note."""

    port: int
    symbol: str
    frames: int
    latency: bool


class Clock:
    """Processor and wall time since :meth:`start`; delays of frames."""

    def __init__(self, wanted: Wanted) -> None:
        self._latency = wanted.latency
        self.delays: list[float] = []
        self.start()

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def result(self, frames: int) -> dict[str, Any]:
        cpu = time.process_time() - self._cpu
        wall = time.perf_counter() - self._wall
        delays = sorted(self.delays[len(self.delays) // WARM_UP :])
        found = {"frames": frames, "cpu": cpu, "wall": wall}
        for name, part in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
            if delays:
                at = min(int(len(delays) * part), len(delays) - 1)
                found[name] = round(delays[at], 1)
        return found


def micros() -> float:
    return time.monotonic_ns() / 1000


class Update(msgspec.Struct, gc=False):
    E: int
    b: list[tuple[float, float]]
    a: list[tuple[float, float]]


class Frame(msgspec.Struct, gc=False):
    data: Update


async def bare(wanted: Wanted) -> dict[str, Any]:
    """Receive and the floor of ``apply``."""
    decode = msgspec.json.Decoder(Frame, strict=False).decode
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    clock = Clock(wanted)
    left = wanted.frames
    url = f"ws://127.0.0.1:{wanted.port}/ws"
    async with open_websocket(url, proxy=None, max_size=2**24) as socket:
        await socket.send("go")
        async for raw in socket:
            data = decode(raw).data
            for price, size in data.b:
                bids[price] = size  # noqa: PERF403 - plain assignment is the floor
            for price, size in data.a:
                asks[price] = size  # noqa: PERF403
            if wanted.latency:
                clock.delays.append(micros() - data.E)
            if left == wanted.frames:
                clock.start()
            left -= 1
            if not left:
                return clock.result(wanted.frames - 1)
    raise AssertionError("the server closed early")


def opened(
    wanted: Wanted, numbers: type[Decimal | float], *, conflate: bool
) -> booksync.feed.Feed:
    address = f"127.0.0.1:{wanted.port}"
    return booksync.feed.connect(
        "binance",
        wanted.symbol,
        numbers=numbers,
        conflate=conflate,
        ws_url=f"ws://{address}",
        rest_url=f"http://{address}",
        budget=Budget(1_000_000, 60.0),
        transport=Transport(),
        # The server has one snapshot, and minutes of a market pass in a moment: a
        # window that runs short would be asked for again on these few frames.
        policy={"refresh": None},
    )


def missing(feed: booksync.feed.Feed, wanted: Wanted) -> int:
    """Frames to come. Some came before the snapshot: they are in it already."""
    counts = feed.status(wanted.symbol).counts
    return wanted.frames - counts.applied - counts.stale


async def ours(
    wanted: Wanted, numbers: type[Decimal | float], *, conflate: bool = False
) -> dict[str, Any]:
    """``connect``; the best bid and ask at each event, of a frame or of many."""
    symbol = wanted.symbol
    clock = Clock(wanted)
    count = end = 0
    async with opened(wanted, numbers, conflate=conflate) as feed:
        counts = feed.counts
        async for event in feed:
            if type(event) is Changed:
                book = feed[symbol]
                _ = book.best_bid, book.best_ask
                if wanted.latency:
                    clock.delays.append(micros() - (event.message.time or 0) * 1000)
                if counts.frames == end:
                    return clock.result(count)
            elif type(event) is Synced:
                count = missing(feed, wanted)
                assert count > 0, "every frame came before the snapshot"
                end = counts.frames + count
                clock.start()
            else:
                raise AssertionError(event)
    raise AssertionError("the feed ended early")


CLIENTS: dict[str, Callable[[Wanted], Any]] = {
    "bare": bare,
    "float": lambda wanted: ours(wanted, float),
    "decimal": lambda wanted: ours(wanted, Decimal),
    "float newest": lambda wanted: ours(wanted, float, conflate=True),
    "decimal newest": lambda wanted: ours(wanted, Decimal, conflate=True),
}


def new_loop(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes a loop: asyncio's own, or uvloop's."""
    if name == "asyncio":
        return None
    made: Callable[[], asyncio.AbstractEventLoop] = __import__(name).new_event_loop
    return made


def main() -> None:
    client = CLIENTS[sys.argv[1]]
    for line in sys.stdin:
        asked = json.loads(line)
        loop = new_loop(asked.pop("loop", "asyncio"))
        gc.collect()
        try:
            with asyncio.Runner(loop_factory=loop) as runner:
                within = asyncio.wait_for(client(Wanted(**asked)), 60.0)
                answer = runner.run(within)
        except Exception as error:  # noqa: BLE001 - told to who asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
