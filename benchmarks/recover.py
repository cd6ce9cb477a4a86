"""
From a gap to a live book.

``bridge``: a gap, then so many deltas are buffered until the snapshot comes; what
taking that snapshot costs, against loading it into a bare book and applying the same
deltas. ``gap to live``: over loopback against the embedded exchange, one frame is
dropped; the time from ``Desynced`` to ``Synced``, against a bare HTTP request of the
same snapshot, parsed and loaded.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from statistics import median
from typing import Any

import httpx

from benchmarks._timing import cpu_seconds, interleaved, ratio
from benchmarks.apply import primed
from benchmarks.workload import Workload, generated
from booksync import inputs, venues
from booksync.book import Book
from booksync.budget import Budget
from booksync.engine import Engine
from booksync.events import Desynced, FetchSnapshot, Output, Synced
from booksync.feed import Feed, connect
from booksync.messages import Delta
from booksync.testing import Budget as Plenty
from booksync.testing import Exchange, serve
from booksync.testing.server import Server

__all__ = ["run"]

ROUNDS = 7
BUFFERS = (1, 10, 100, 1_000)
LEVELS = 1_000
DROPS = 15
SYMBOL = "BTCUSDT"


# -- the bridge -----------------------------------------------------------------------


def body_at(workload: Workload, frames: int) -> bytes:
    """Make the snapshot as of the first ``frames`` frames."""
    data = json.loads(workload.body)
    sides = {
        short: {Decimal(price): (price, size) for price, size in data[long]}
        for short, long in (("b", "bids"), ("a", "asks"))
    }
    last = data["lastUpdateId"]
    for raw in workload.frames[:frames]:
        update = json.loads(raw)["data"]
        last = update["u"]
        for short, side in sides.items():
            for price, size in update[short]:
                side[Decimal(price)] = (price, size)
    bids, asks = (
        [level for level in side.values() if float(level[1])] for side in sides.values()
    )
    answer = {"lastUpdateId": last, "bids": bids, "asks": asks}
    return json.dumps(answer).encode()


def gapped(
    workload: Workload, numbers: type[Decimal | float], buffered: int
) -> tuple[Engine, FetchSnapshot]:
    """An engine that has missed the third frame and buffered those after it."""
    engine = primed(workload, numbers)
    outputs: list[Output] = []
    for raw in [*workload.frames[:2], *workload.frames[3 : 3 + buffered]]:
        outputs += engine.frame(1, raw, 0.0)
    asked = [each for each in outputs if type(each) is FetchSnapshot]
    return engine, asked[-1]


def bridged(
    workload: Workload, numbers: type[Decimal | float], buffered: int, body: bytes
) -> float:
    engine, command = gapped(workload, numbers, buffered)
    given = inputs.Answered(SYMBOL, command.request, 200, None, workload.url, body)
    start = cpu_seconds()
    outputs = engine.take(given, 0.0)
    seconds = cpu_seconds() - start
    assert any(type(each) is Synced for each in outputs), outputs
    last = json.loads(workload.frames[2 + buffered])["data"]["u"]
    assert engine.books[SYMBOL].book.sequence == last
    return seconds


def applied(
    workload: Workload, numbers: type[Decimal | float], buffered: int, body: bytes
) -> float:
    venue = venues.get(workload.venue)(numbers=numbers)
    session = venue.session()
    deltas: list[Delta] = []
    for raw in workload.frames[3 : 3 + buffered]:
        deltas += (m for m in venue.parse(raw, session) if isinstance(m, Delta))
    book = Book(SYMBOL, numbers=numbers)
    start = cpu_seconds()
    book.load(venue.parse_snapshot(body, SYMBOL, None))
    for delta in deltas:
        book.apply(delta)
    return cpu_seconds() - start


def bridges(
    rounds: int, buffers: Sequence[int], levels: int
) -> Iterator[dict[str, Any]]:
    workload = generated(levels=levels, frames=max(buffers) + 4)
    body = body_at(workload, 3)
    for numbers in (float, Decimal):
        for count in buffers:
            found = interleaved(
                {
                    "bare": lambda n=numbers, c=count: applied(workload, n, c, body),
                    "ours": lambda n=numbers, c=count: bridged(workload, n, c, body),
                },
                rounds,
            )
            yield {
                "case": f"{numbers.__name__.lower()}/bridge of {count}",
                "workload": f"generated-{levels}",
                "ratio": ratio(found["ours"], found["bare"]),
                "us": round(median(found["ours"]) * 1e6, 1),
                "bare_us": round(median(found["bare"]) * 1e6, 1),
                "us_per_buffered": round(median(found["ours"]) / count * 1e6, 2),
            }


# -- over loopback --------------------------------------------------------------------


async def stepped(server: Server) -> None:
    """Let the exchange go on, a little at a time."""
    while True:
        server.step()
        await asyncio.sleep(0.002)


async def healed(feed: Feed, server: Server) -> float:
    """Drop a frame; seconds from the loss of trust to the return of it."""
    server.faults.inject("drop", symbol=SYMBOL)
    lost = 0.0
    async for event in feed:
        if type(event) is Desynced:
            lost = time.perf_counter()
        elif type(event) is Synced and lost:
            return time.perf_counter() - lost
    raise AssertionError("the feed ended")


async def fetched(client: httpx.AsyncClient, numbers: type[Decimal | float]) -> float:
    """One bare request, parsed and loaded."""
    venue = venues.get("binance")(numbers=numbers)
    request = venue.snapshot_request(SYMBOL)
    start = time.perf_counter()
    answer = await client.get(request.path, params=dict(request.params))
    book = Book(SYMBOL, numbers=numbers)
    book.load(venue.parse_snapshot(answer.content, SYMBOL, venue.depth))
    return time.perf_counter() - start


def proves(feed: Feed, exchange: Exchange) -> None:
    """The book is the exchange's truth, as far as the book is complete."""
    book = feed[SYMBOL]
    bids, asks = exchange.truth_at(SYMBOL, book.sequence)
    for levels, truth in ((book.bids(100), bids), (book.asks(100), asks)):
        assert all(truth[Decimal(str(price))] == Decimal(str(size))
                   for price, size in levels)  # fmt: skip


async def drops(
    numbers: type[Decimal | float], count: int, levels: int
) -> tuple[list[float], list[float]]:
    ours, bare = [], []
    exchange = Exchange([SYMBOL], seed=1, levels=levels)
    plenty = Plenty(10**9)
    async with serve(exchange, "binance", flow=False, budget=plenty) as server:
        feed = connect(
            "binance", SYMBOL, numbers=numbers, ws_url=server.ws_url,
            rest_url=server.rest_url, budget=Budget(10**9, 60.0), chance=lambda: 0.0,
        )  # fmt: skip
        async with feed, httpx.AsyncClient(base_url=server.rest_url) as client:
            moving = asyncio.create_task(stepped(server))
            try:
                await feed.live(timeout=20.0)
                for _ in range(count):
                    ours.append(await healed(feed, server))
                    bare.append(await fetched(client, numbers))
                proves(feed, exchange)
            finally:
                moving.cancel()
    return ours, bare


def loopback(count: int, levels: int) -> Iterator[dict[str, Any]]:
    for numbers in (float, Decimal):
        ours, bare = asyncio.run(drops(numbers, count, levels))
        yield {
            "case": f"{numbers.__name__.lower()}/gap to live",
            "workload": f"exchange-{levels}",
            "ratio": ratio(ours, bare),
            "ms": round(median(ours) * 1e3, 2),
            "bare_fetch_ms": round(median(bare) * 1e3, 2),
        }


def run(
    *,
    rounds: int = ROUNDS,
    buffers: Sequence[int] = BUFFERS,
    levels: int = LEVELS,
    count: int = DROPS,
) -> Iterator[dict[str, Any]]:
    """Yield the bridge's cost by buffer length, then the time from gap to live."""
    for found in bridges(rounds, buffers, levels):
        yield {"benchmark": "recover", **found}
    for found in loopback(count, levels):
        yield {"benchmark": "recover", **found}
