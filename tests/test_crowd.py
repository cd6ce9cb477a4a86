"""
A thousand books disconnected at once: a whole feed, on a virtual clock and live.

The venue allows 6,000 weight a minute and charges 250 for a snapshot, so that the last
book waits for 40 minutes. Weight is counted where the venue may count it: at any moment
between a request's sending and its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random

import pytest

from booksync.budget import Budget
from booksync.errors import BookNotLive, TransportError
from booksync.events import Synced
from booksync.feed import connect
from booksync.states import State
from booksync.testing import Budget as Allowance
from booksync.testing import Exchange, serve
from booksync.transport import Answer, Transport
from tests.busy import real_time
from tests.virtual import run

COUNT, WEIGHT, LIMIT, WINDOW = 1_000, 250, 6_000, 60.0
SYMBOLS = [f"S{n}USDT" for n in range(COUNT)]
READ = SYMBOLS[7::10]


class Stream:
    """Acknowledges subscriptions; gives a delta for each symbol, then nothing."""

    def __init__(self, venue):
        self._venue = venue
        self.frames = asyncio.Queue()

    async def send(self, frame):
        told = json.loads(frame)
        self.frames.put_nowait(json.dumps({"result": None, "id": told["id"]}))
        for name in told["params"]:
            symbol = name.partition("@")[0].upper()
            at = self._venue.sequence
            data = {"e": "depthUpdate", "E": 1, "s": symbol, "U": at, "u": at + 1,
                    "b": [["1", "2"]], "a": []}  # fmt: skip
            self.frames.put_nowait(json.dumps({"stream": name, "data": data}))

    async def close(self):
        pass

    async def __aiter__(self):
        while (frame := await self.frames.get()) is not None:
            yield frame
        raise TransportError("cut")


class Venue:
    """A transport to a venue that answers in a fifth of a second to a second."""

    allow_plain = True

    def __init__(self):
        self.chance = random.Random(5)
        self.streams = []
        self.sequence = 100
        self.sent = []
        self.log = []  # sent, answered

    async def stream(self, url, *, headers, frame_bytes):
        await asyncio.sleep(0.1)
        self.streams.append(Stream(self))
        return self.streams[-1]

    def cut(self):
        self.sequence += 100
        self.sent.clear()
        self.log.clear()
        for stream in self.streams:
            stream.frames.put_nowait(None)
        self.streams.clear()

    def rest(self, base):
        return self

    async def close(self):
        pass

    async def request(self, request):
        assert request.weight == WEIGHT
        symbol = request.params["symbol"]
        self.sent.append(symbol)
        sent = now()
        await asyncio.sleep(self.chance.uniform(0.2, 1.0))
        self.log.append((sent, now()))
        body = {"lastUpdateId": self.sequence, "bids": [["1", "1"]],
                "asks": [["2", "1"]]}  # fmt: skip
        url = f"https://x{request.path}?symbol={symbol}"
        return Answer(200, {}, json.dumps(body).encode(), url)


def in_turn(symbols):
    """Connection by connection as they opened, on each in order."""
    numbers = [int(symbol[1:-4]) for symbol in symbols]
    blocks = [list(run) for _, run in itertools.groupby(numbers, lambda n: n // 100)]
    return len(blocks) == 10 and all(block == sorted(block) for block in blocks)


def now():
    return asyncio.get_running_loop().time()


class Run:
    """What happened, and what had been expected."""

    def __init__(self, feed, venue):
        self.feed, self.venue = feed, venue
        self.live_at = {}
        self.told = []

    async def consume(self):
        async for event in self.feed:
            if type(event) is Synced:
                self.live_at[event.symbol] = now()

    async def read(self):
        while True:
            for symbol in READ:
                with contextlib.suppress(BookNotLive):
                    self.feed[symbol]
            await asyncio.sleep(30.0)

    def expect(self):
        """Note what each status expects, of each book that is not live."""
        for status in self.feed.statuses():
            live = status.state is State.LIVE
            assert (status.live_in is None) == live, status
            if not live:
                self.told.append((now(), status.symbol, status.live_in))

    def prove_budget(self):
        log = self.venue.log
        assert len(log) == COUNT  # one snapshot each
        for _, end in log:
            inside = [1 for sent, at in log if sent <= end and at > end - WINDOW]
            assert len(inside) * WEIGHT <= LIMIT

    def prove_expectations(self):
        for at, symbol, left in self.told:
            true = self.live_at[symbol] - at
            assert abs(left - true) <= max(0.2 * true, 1.0), (at, symbol, left, true)


@contextlib.asynccontextmanager
async def crowd():
    venue = Venue()
    feed = connect(
        "binance", *SYMBOLS, depth=5000, conflate=True, on_stale="wait", silence=1e9,
        ws_url="wss://crowd", rest_url="https://crowd", transport=venue,
        chance=venue.chance.random,
    )  # fmt: skip
    assert feed.venue.limits.weight == LIMIT
    assert feed.venue.limits.weight_window == WINDOW
    async with feed, asyncio.TaskGroup() as group:
        made = Run(feed, venue)
        tasks = [group.create_task(made.consume())]
        yield made, lambda work: tasks.append(group.create_task(work))
        for task in tasks:
            task.cancel()


def test_a_thousand_books_disconnected_at_once_recover_within_the_budget():
    async def main():
        async with crowd() as (made, also):
            feed = made.feed
            await feed.live()
            assert in_turn(made.venue.sent)  # first come: nobody read any
            made.prove_budget()
            started = now()
            also(made.read())
            await asyncio.sleep(1.0)
            made.venue.cut()
            for minute in (1, 5, 10, 20, 30, 40):
                await asyncio.sleep(started + 60 * minute - now())
                if minute == 10:
                    # What was expected of it holds no more: somebody waits for it.
                    made.told = [each for each in made.told if each[1] != SYMBOLS[-1]]
                    asked = now()
                    await feed.book(SYMBOLS[-1])
                    assert now() - asked < WINDOW + 2
                made.expect()
            await feed.live()
        made.prove_budget()
        made.prove_expectations()
        assert len(made.told) > 2_500
        order = made.venue.sent
        first, rest = order[: len(READ)], order[len(READ) :]
        assert set(first) == set(READ)
        assert in_turn(first)
        # One that somebody began to wait for went next; the others in their turn.
        assert rest.index(SYMBOLS[-1]) < 250
        assert in_turn([symbol for symbol in rest if symbol != SYMBOLS[-1]])
        # No time is wasted: so many windows, and a second for each one's answers.
        windows = COUNT * WEIGHT / LIMIT
        assert max(made.live_at.values()) - started < windows * (WINDOW + 2)

    run(main())


class Counting(Transport):
    """Keeps the order in which requests are sent."""

    def rest(self, base):
        rest = super().rest(base)
        whole, self.sent = rest.request, []

        async def request(asked):
            self.sent.append(asked.params["symbol"])
            return await whole(asked)

        rest.request = request
        return rest


async def cut(feed, server):
    """Cut all connections; return when every book has asked again."""
    queue = feed._fetcher.queue
    queue.stop(1e6, feed.clock())
    for first in SYMBOLS[::200]:
        server.faults.inject("cut_1006", symbol=first)
    server.step(3)
    async with asyncio.timeout(100):
        while feed._fetcher.waiting < COUNT:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    queue.budget.stopped_until = feed.clock()
    queue.stop(0.0, feed.clock())
    feed._fetcher.wake()


async def recovery(feed):
    """When each book was live again, and what was expected."""
    live_at, told = {}, []
    while len(live_at) < COUNT:
        await asyncio.sleep(0.1)
        for status in feed.statuses():
            if status.state is State.LIVE:
                live_at.setdefault(status.symbol, now())
            else:
                told.append((now(), status.symbol, status.live_in))
    return live_at, told


@real_time
@pytest.mark.anyio
async def test_the_same_live_over_loopback():
    """Weight 5, and what a minute allows in three seconds: two windows of it."""
    limit, window = 3_000, 3.0
    exchange = Exchange(SYMBOLS, seed=3, levels=5, rate=20, interval=1.0)
    allowance, budget = Allowance(limit, window=window), Budget(limit, window)
    transport = Counting(timeout=60.0)
    async with serve(exchange, flow=False, messages=None, budget=allowance) as server:
        feed = connect(
            "binance", *SYMBOLS, depth=100, conflate=True, silence=1e9,
            ws_url=server.ws_url, rest_url=server.rest_url,
            budget=budget, transport=transport,
        )  # fmt: skip
        async with feed:
            await feed.live(timeout=100.0)
            for symbol in READ:
                feed[symbol]
            server.requests.clear()
            transport.sent.clear()
            await cut(feed, server)
            live_at, told = await recovery(feed)
    assert allowance.most <= limit
    asked = [request for request in server.requests if request.symbol]
    assert {request.status for request in asked} == {200}
    assert sorted(transport.sent) == sorted(SYMBOLS)
    assert set(transport.sent[: len(READ)]) == set(READ)
    wrong = sum(
        abs(left - (live_at[symbol] - at)) > max(0.2 * (live_at[symbol] - at), 1.0)
        for at, symbol, left in told
    )
    # Loopback itself may lose a packet, and find out a second later.
    assert wrong <= 0.1 * len(told)
    assert len(told) > COUNT
