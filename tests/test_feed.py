"""
The shell against the embedded exchange: real sockets, real HTTP, on loopback.

The exchange is moved by ``server.step()``, so nothing depends on how fast this runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter

import msgspec
import pytest

from booksync.budget import Budget
from booksync.driving import FIRST_ATTEMPTS
from booksync.errors import (
    BookNotLive,
    ConfigurationError,
    SubscriptionRejected,
    TransportError,
)
from booksync.events import (
    Audited,
    Changed,
    Desynced,
    LineFilled,
    LineLost,
    Malformed,
    Synced,
    Verdict,
)
from booksync.feed import connect
from booksync.messages import Delta
from booksync.replaying import Replay
from booksync.states import Cause, State
from booksync.testing import Exchange, serve
from booksync.transport import Transport
from booksync.venues.binance import Binance

pytestmark = pytest.mark.anyio

VENUES = ["binance", "binance_usdm"]
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@contextlib.asynccontextmanager
async def running(
    *symbols,
    venue="binance",
    exchange=None,
    server_settings=None,
    flow=False,
    **options,
):
    """An exchange and a feed of all its symbols."""
    exchange = exchange or Exchange(symbols or SYMBOLS, seed=1, levels=30)
    settings = {"messages": None, **(server_settings or {})}
    async with serve(exchange, venue, flow=flow, **settings) as server:
        options.setdefault("transport", Transport(timeout=5.0))
        options.setdefault("policy", {"quiet_wait": 0.05, "retry_min": 0.02})
        options.setdefault("budget", Budget(1_000_000, 60.0))
        feed = connect(
            venue,
            *exchange.symbols,
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            chance=lambda: 0.0,
            **options,
        )
        async with feed:
            yield feed, server, exchange


async def quiet(feed):
    """Take events until none comes for a moment."""
    while True:
        try:
            async with asyncio.timeout(0.03):
                event = await feed.__anext__()
        except TimeoutError:
            return
        yield event


async def drive(feed, server, done):
    """Move the exchange and take events until ``done()``."""
    async with asyncio.timeout(20.0):
        while not done():
            if set(server.watched) >= set(feed.symbols):
                server.step()
            async for _ in quiet(feed):
                if done():
                    return


async def all_live(feed, server):
    """Move the exchange until every book has joined a delta."""

    def joined():
        return all(s.state is State.LIVE and not s.unbridged for s in feed.statuses())

    await drive(feed, server, joined)


async def until(feed, wanted, server=None):
    """Take events until ``wanted(event)``; keep the exchange moving if asked to."""
    seen = []
    async with asyncio.timeout(20.0):
        while True:
            if server is not None:
                server.step()
            async for event in quiet(feed):
                seen.append(event)
                if wanted(event):
                    return seen


def proves(feed, exchange, symbol):
    book = feed[symbol]
    bids, asks = exchange.truth_at(symbol, book.sequence)
    assert dict(book.bids()) == bids
    assert dict(book.asks()) == asks


def is_a(kind, symbol, **fields):
    def wanted(event):
        same = type(event) is kind and event.symbol == symbol
        return same and all(getattr(event, k) == v for k, v in fields.items())

    return wanted


# -- going live ------------------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
async def test_books_go_live_and_equal_the_truth(venue):
    async with running(venue=venue) as (feed, server, exchange):
        await all_live(feed, server)
        for symbol in feed.symbols:
            proves(feed, exchange, symbol)


@pytest.mark.parametrize("venue", VENUES)
async def test_after_each_event_the_feed_has_the_book_of_that_event(venue):
    async with running(venue=venue) as (feed, server, exchange):
        await all_live(feed, server)
        server.step(20)
        for _ in range(30):
            event = await feed.__anext__()
            if type(event) is Changed:
                assert feed[event.symbol].sequence == event.message.last
                proves(feed, exchange, event.symbol)


async def test_subscribes_before_it_fetches():
    async with running() as (feed, server, _):
        await all_live(feed, server)
        assert server.opened_count == 1
        assert len(server.requests) >= len(feed.symbols)


async def test_live_waits_until_every_book_is_live():
    async with running(flow=True) as (feed, _, exchange):
        await feed.live(timeout=10.0)
        for symbol in feed.symbols:
            proves(feed, exchange, symbol)


async def test_live_says_which_books_are_late():
    async with running() as (feed, server, _):
        server.faults.inject("status_500", times=1000)
        with pytest.raises(TimeoutError, match=r"2 of 2 books .*BTCUSDT \("):
            await feed.live(timeout=0.3)


@pytest.mark.parametrize("numbers", [float])
async def test_numbers_may_be_floats(numbers):
    async with running(numbers=numbers) as (feed, server, exchange):
        await all_live(feed, server)
        book = feed["BTCUSDT"]
        bids, _ = exchange.truth_at("BTCUSDT", book.sequence)
        assert dict(book.bids()) == {float(p): float(s) for p, s in bids.items()}


async def test_quiet_market_goes_live_unbridged():
    exchange = Exchange(["BTCUSDT"], seed=1, levels=30)
    async with running(exchange=exchange) as (feed, _, _):
        await feed.live(timeout=10.0)
        assert feed.status("BTCUSDT").unbridged
        proves(feed, exchange, "BTCUSDT")


# -- trust -----------------------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
async def test_lost_delta_withholds_that_book_at_the_very_next_one(venue):
    async with running(venue=venue) as (feed, server, exchange):
        await all_live(feed, server)
        held = feed["BTCUSDT"]
        order = server.faults.inject("drop", symbol="BTCUSDT")
        gone = is_a(Desynced, "BTCUSDT", cause=Cause.GAP)
        await until(feed, gone, server)
        assert order.count == 1
        with pytest.raises(BookNotLive, match="gap"):
            feed["BTCUSDT"]
        with pytest.raises(BookNotLive, match="gap"):
            _ = held.best_bid
        proves(feed, exchange, "ETHUSDT")
        await until(feed, is_a(Synced, "BTCUSDT"), server)
        proves(feed, exchange, "BTCUSDT")
        assert feed.status("BTCUSDT").counts.gaps == 1
        assert feed.status("ETHUSDT").counts.gaps == 0


async def test_last_book_may_be_read_by_choice():
    async with running(on_stale="last") as (feed, server, exchange):
        with pytest.raises(BookNotLive):
            feed["BTCUSDT"]
        await all_live(feed, server)
        server.faults.inject("drop", symbol="BTCUSDT")
        server.faults.inject("status_500", times=1000)
        await until(feed, is_a(Desynced, "BTCUSDT"), server)
        last = feed["BTCUSDT"]
        bids, _ = exchange.truth_at("BTCUSDT", last.sequence)
        assert dict(last.bids()) == bids


async def test_waiting_for_a_book_gives_it_once_it_is_live():
    async with running(on_stale="wait", flow=True) as (feed, _, exchange):
        book = await feed.book("BTCUSDT")
        assert book.sequence
        proves(feed, exchange, "BTCUSDT")


async def test_status_says_what_is_known():
    async with running() as (feed, server, _):
        assert feed.status("BTCUSDT").state is State.OFFLINE
        await all_live(feed, server)
        status = feed.status("BTCUSDT")
        assert status.state is State.LIVE
        assert status.age < 5
        counts = status.counts
        assert counts.received == counts.applied + counts.stale
        with pytest.raises(KeyError):
            feed.status("XRPUSDT")


MALFORMED = [
    "malformed_json",
    "malformed_missing",
    "malformed_nan",
    "malformed_negative",
    "malformed_type",
]


@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("venue", VENUES)
async def test_malformed_frame_is_reported_and_costs_one_resync_of_its_book(
    venue, kind
):
    async with running(venue=venue) as (feed, server, exchange):
        await all_live(feed, server)
        server.faults.inject(kind, symbol="BTCUSDT")
        await until(feed, lambda e: type(e) is Malformed, server)
        seen = await until(feed, is_a(Synced, "BTCUSDT"), server)
        assert sum(type(e) is Synced for e in seen) == 1
        proves(feed, exchange, "BTCUSDT")
        assert feed.status("BTCUSDT").counts.resyncs == 1
        assert feed.status("ETHUSDT").counts.resyncs == 0
        counts = feed.counts
        assert counts.malformed + feed.status("BTCUSDT").counts.refused >= 1


async def test_frame_of_another_symbol_is_reported_and_changes_nothing():
    exchange = Exchange([*SYMBOLS, "XRPUSDT"], seed=1, levels=30)
    async with (
        serve(exchange, flow=False, messages=None) as server,
        connect(
            "binance", *SYMBOLS, ws_url=server.ws_url, rest_url=server.rest_url
        ) as feed,
    ):
        await all_live(feed, server)
        server.faults.inject("foreign", symbol="BTCUSDT")
        seen = await until(feed, lambda e: type(e) is Malformed, server)
        assert "not subscribed" in seen[-1].reason
        assert feed.counts.foreign == 1
        proves(feed, exchange, "BTCUSDT")
        assert feed.status("BTCUSDT").counts.resyncs == 0


@pytest.mark.parametrize("venue", VENUES)
async def test_numbers_that_start_again_are_a_reset(venue):
    async with running(venue=venue) as (feed, server, exchange):
        await all_live(feed, server)
        server.faults.inject("sequence_reset", symbol="BTCUSDT")
        await until(feed, lambda e: type(e) is Desynced, server)
        await until(feed, is_a(Synced, "BTCUSDT"), server)
        proves(feed, exchange, "BTCUSDT")


# -- connections ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cut_clean", "cut_1006", "cut_1012"])
async def test_cut_connection_is_opened_again(kind):
    async with running() as (feed, server, exchange):
        await all_live(feed, server)
        server.faults.inject(kind)
        gone = is_a(Desynced, "BTCUSDT", cause=Cause.DISCONNECTED)
        await until(feed, gone, server)
        await until(feed, is_a(Synced, "BTCUSDT"), server)
        proves(feed, exchange, "BTCUSDT")
        assert feed.counts.disconnects == 1


@pytest.mark.parametrize(
    ("kind", "cause"),
    [("silence", Cause.SILENT), ("half_open", Cause.DISCONNECTED)],
)
async def test_dead_connection_is_found_and_replaced(kind, cause):
    silence = 0.5 if kind == "silence" else 60.0
    transport = Transport(timeout=5.0, ping=(0.3, 0.3))
    async with running(silence=silence, transport=transport) as (
        feed,
        server,
        exchange,
    ):
        await all_live(feed, server)
        server.faults.inject(kind, seconds=60.0)
        await until(feed, is_a(Desynced, "BTCUSDT", cause=cause), server)
        await until(feed, is_a(Synced, "BTCUSDT"), server)
        proves(feed, exchange, "BTCUSDT")


@pytest.mark.parametrize("lines", [1, 2])
@pytest.mark.parametrize("venue", ["binance", "okx"])
async def test_venue_that_announces_a_shutdown_costs_nothing(venue, lines):
    symbol = {"okx": "BTC-USDT", "binance": "BTCUSDT"}[venue]
    async with running(symbol, venue=venue, lines=lines) as (feed, server, exchange):
        await all_live(feed, server)
        server.announce_shutdown()
        seen = []
        async with asyncio.timeout(20.0):
            # The server accepts a connection before the feed knows that it is open.
            while (
                server.opened_count < 2 * lines
                or feed.status(symbol).rotating
                or not any(type(event) is LineFilled for event in seen)
            ):
                server.step()
                async for event in quiet(feed):
                    seen.append(event)
                    proves(feed, exchange, symbol)
        status = feed.status(symbol)
        assert status.withheld == 0.0
        assert status.desyncs_by == {}
        assert not [event for event in seen if type(event) in (Desynced, LineLost)]
        assert sum(type(event) is LineFilled for event in seen) == 1
        await server.until(lambda: len(server.connections) == lines)


async def test_forced_disconnect_is_forestalled(monkeypatch):
    limits = msgspec.structs.replace(Binance.limits, lifetime=3.0)
    monkeypatch.setattr(Binance, "limits", limits)
    settings = {"lifetime": 4.0}
    async with running(flow=True, server_settings=settings) as (feed, server, exchange):
        await feed.live(timeout=10.0)
        counts: Counter[type] = Counter()
        async with asyncio.timeout(20.0):
            while server.opened_count < 4 or counts[LineFilled] < 4:
                event = await feed.__anext__()
                counts[type(event)] += 1
                if type(event) is Changed:
                    proves(feed, exchange, event.symbol)
        assert counts[Desynced] == 0
        assert all(status.withheld == 0.0 for status in feed.statuses())


async def test_symbols_are_spread_over_connections():
    symbols = [f"S{n:03}USDT" for n in range(250)]
    exchange = Exchange(symbols, seed=1, levels=5, rate=1.0)
    async with running(exchange=exchange) as (feed, server, _):
        await drive(feed, server, lambda: set(server.watched) == set(symbols))
        assert server.opened_count == 2
        assert len(feed.symbols) == 250


async def test_symbols_come_and_go_on_a_running_feed():
    exchange = Exchange([*SYMBOLS, "XRPUSDT"], seed=1, levels=30)
    async with serve(exchange, flow=False, messages=None) as server:
        async with connect(
            "binance", *SYMBOLS, ws_url=server.ws_url, rest_url=server.rest_url
        ) as feed:
            await all_live(feed, server)
            feed.add("xrpusdt")
            await all_live(feed, server)
            proves(feed, exchange, "XRPUSDT")
            feed.remove("BTCUSDT")
            await until(feed, is_a(Desynced, "BTCUSDT"), server)
            assert "BTCUSDT" not in feed
            await drive(feed, server, lambda: "BTCUSDT" not in server.watched)
            proves(feed, exchange, "XRPUSDT")
        assert server.opened_count == 1


async def test_feed_without_symbols_takes_them_later():
    exchange = Exchange(SYMBOLS, seed=1, levels=30)
    async with (
        serve(exchange, flow=False, messages=None) as server,
        connect("binance", ws_url=server.ws_url, rest_url=server.rest_url) as feed,
    ):
        feed.add("BTCUSDT")
        await all_live(feed, server)
        proves(feed, exchange, "BTCUSDT")


# -- snapshots ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["status_429", "status_418", "status_500", "truncated_snapshot", "stale_snapshot"],
)
async def test_snapshot_that_fails_is_fetched_again(kind):
    async with running("BTCUSDT") as (feed, server, exchange):
        order = server.faults.inject(kind, seconds=1.0)
        await all_live(feed, server)
        assert order.count == 1
        proves(feed, exchange, "BTCUSDT")


async def test_snapshot_that_never_comes_is_fetched_again():
    transport = Transport(timeout=0.3)
    async with running("BTCUSDT", transport=transport) as (feed, server, exchange):
        server.faults.inject("hang", seconds=60.0)
        await all_live(feed, server)
        proves(feed, exchange, "BTCUSDT")


async def test_retry_after_stops_every_request_for_as_long_as_told():
    budget = Budget(1_000_000, 60.0)
    async with running("BTCUSDT", budget=budget) as (feed, server, _):
        server.faults.inject("status_429", symbol="BTCUSDT", seconds=1.0)
        await all_live(feed, server)
        times = [request.time for request in server.requests]
        refused = [r.time for r in server.requests if r.status == 429]
        assert len(refused) == 1
        assert not [t for t in times if refused[0] < t < refused[0] + 0.9]


class Blind(Budget):
    """A budget with a window of its own: the venue's count is of another one."""

    def observe(self, used, now):
        pass


async def test_budget_is_never_exceeded_and_waited_for():
    symbols = [f"S{n}USDT" for n in range(6)]
    exchange = Exchange(symbols, seed=1, levels=5, rate=10.0)
    budget = Blind(100, 0.5)  # two snapshots of weight 50 in half a second
    async with running(exchange=exchange, budget=budget) as (feed, server, _):
        await all_live(feed, server)
        depth = [r for r in server.requests if r.path.endswith("/depth")]
        for first in depth:
            inside = [r for r in depth if 0 <= r.time - first.time < 0.5]
            assert sum(r.weight for r in inside) <= 100


async def test_feeds_of_one_venue_share_budget_queue_and_connection_attempts():
    async with serve(Exchange(SYMBOLS, seed=1, levels=5), flow=False) as server:
        urls = {"ws_url": server.ws_url, "rest_url": server.rest_url}
        async with (
            connect("binance", SYMBOLS[0], **urls) as one,
            connect("binance", SYMBOLS[1], **urls) as other,
        ):
            await one.live(timeout=20.0)
            await other.live(timeout=20.0)
            queue = one._fetcher.queue
            assert other._fetcher.queue is queue
            assert queue.budget.used(one.clock()) == 100
            assert one.connects is other.connects
            assert one.connects.used(one.clock()) == 2
        assert queue.waiting(one._fetcher) == 0


async def test_book_that_is_offline_asks_for_nothing_and_tells_no_time():
    async with running("BTCUSDT", budget=Budget(50, 60.0)) as (feed, server, _):
        feed._fetcher.queue.stop(1_000.0, feed.clock())
        await drive(feed, server, lambda: feed.status("BTCUSDT").live_in is not None)
        assert 900 < feed.status("BTCUSDT").live_in < 1_010
        assert feed._fetcher.waiting == 1
        server.faults.inject("cut_1006", symbol="BTCUSDT")
        offline = []

        def cut():
            status = feed.status("BTCUSDT")
            if status.state is State.OFFLINE:
                offline.append((status.live_in, feed._fetcher.waiting))
            return offline

        await drive(feed, server, cut)
        assert offline[0] == (None, 0)
        await drive(feed, server, lambda: feed.status("BTCUSDT").live_in is not None)
        assert feed._fetcher.waiting == 1


async def test_used_weight_of_the_venue_is_believed():
    budget = Budget(6_000, 60.0)
    async with running("BTCUSDT", budget=budget) as (feed, server, _):
        server.budget.charge(1_000)
        await all_live(feed, server)
        assert budget.used(feed.clock()) >= 1_050


# -- errors of the caller -------------------------------------------------------------


async def test_unknown_symbol_is_an_error_for_the_caller():
    exchange = Exchange(["BTCUSDT"], seed=1)
    async with serve(exchange) as server:
        feed = connect(
            "binance", "NOPEUSDT", ws_url=server.ws_url, rest_url=server.rest_url
        )
        async with feed:
            with pytest.raises(SubscriptionRejected, match=r"NOPEUSDT: Invalid symbol"):
                await feed.live(timeout=10.0)


async def test_venue_that_cannot_be_reached_is_an_error_for_the_caller():
    feed = connect(
        "binance",
        "BTCUSDT",
        ws_url="ws://127.0.0.1:9",
        rest_url="http://127.0.0.1:9",
        chance=lambda: 0.0,
    )
    async with feed:
        with pytest.raises(TransportError, match=r"127\.0\.0\.1"):
            await feed.live(timeout=10.0)


class Once:
    """A stream of one frame."""

    async def send(self, frame):
        pass

    async def close(self):
        pass

    async def __aiter__(self):
        yield "{}"


class Vanishing(Transport):
    """A venue that sends one frame, and is never seen again."""

    def __init__(self):
        super().__init__()
        self.attempts = 0
        self.tried = asyncio.Event()

    async def stream(self, url, *, headers, frame_bytes):
        del headers, frame_bytes
        self.attempts += 1
        if self.attempts == 1:
            return Once()
        if self.attempts > 2 * FIRST_ATTEMPTS:
            self.tried.set()
        raise TransportError(f"{url} is gone")


async def test_venue_that_was_reached_once_is_waited_for():
    urls = {"ws_url": "ws://127.0.0.1:9", "rest_url": "http://127.0.0.1:9"}
    transport = Vanishing()
    feed = connect(
        "binance", "BTCUSDT", transport=transport, chance=lambda: 0.0, **urls
    )
    async with feed:
        live = asyncio.create_task(feed.live())
        tried = asyncio.create_task(transport.tried.wait())
        await asyncio.wait((live, tried), return_when=asyncio.FIRST_COMPLETED)
        assert tried.done()
        assert not live.done()
        live.cancel()


async def test_snapshots_that_cannot_be_reached_are_an_error_for_the_caller():
    exchange = Exchange(["BTCUSDT"], seed=1)
    async with serve(exchange) as server:
        feed = connect(
            "binance",
            "BTCUSDT",
            ws_url=server.ws_url,
            rest_url="http://127.0.0.1:9",
            chance=lambda: 0.0,
        )
        async with feed:
            with pytest.raises(TransportError, match=r"127\.0\.0\.1:9"):
                await feed.live(timeout=10.0)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        pytest.param(("binanse", "BTCUSDT"), {}, "did you mean binance", id="venue"),
        pytest.param(("binance", ""), {}, "not a symbol", id="symbol"),
        pytest.param(("binance", "BTC USDT"), {}, "not a symbol", id="space"),
        pytest.param(("binance", "X"), {"depth": 7}, "no snapshot depth 7", id="depth"),
        pytest.param(
            ("binance", "X"), {"options": {"a": "b"}}, "no option 'a'", id="option"
        ),
        pytest.param(
            ("binance", "X"),
            {"options": {"speed": "1ms"}},
            "speed must be one of",
            id="value",
        ),
        pytest.param(("binance", "X"), {"on_stale": "no"}, "on_stale", id="on_stale"),
        pytest.param(("binance", "X"), {"ws_url": "no"}, "not a URL", id="ws_url"),
        pytest.param(
            ("binance", "X"),
            {"ws_url": "ws://example.com"},
            "not encrypted",
            id="plain",
        ),
        pytest.param(
            ("binance", "X"),
            {"rest_url": "http://example.com"},
            "not encrypted",
            id="plain REST",
        ),
        pytest.param(("binance", "X"), {"numbers": int}, "numbers", id="numbers"),
        pytest.param(
            ("binance", "X"), {"policy": {"no": 1}}, "setting: no", id="policy"
        ),
    ],
)
async def test_impossible_argument_is_refused_in_one_line(arguments, options, message):
    with pytest.raises(ConfigurationError, match=message):
        connect(*arguments, **options)


# -- consumers ------------------------------------------------------------------------


async def test_slow_consumer_loses_nothing(monkeypatch):
    monkeypatch.setattr("booksync.queues.MAX_INPUTS", 20)
    async with running("BTCUSDT") as (feed, server, exchange):
        await all_live(feed, server)
        before = feed.status("BTCUSDT").counts.applied
        server.step(200)
        await asyncio.sleep(0)
        applied = lambda: feed.status("BTCUSDT").counts.applied - before  # noqa: E731
        await until(feed, lambda _: applied() >= 199)
        proves(feed, exchange, "BTCUSDT")
        assert feed.status("BTCUSDT").counts.gaps == 0


async def test_conflating_consumer_sees_the_newest_book():
    async with running("BTCUSDT", conflate=True, flow=True) as (feed, server, exchange):
        await feed.live(timeout=10.0)
        sequence = feed["BTCUSDT"].sequence
        # The books are driven though nobody takes events.
        while feed.conflated < 3:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)
        assert feed["BTCUSDT"].sequence > sequence
        seen = 0
        async for event in feed:
            if type(event) is Changed:
                seen += 1
                break
        assert seen == 1
        proves(feed, exchange, "BTCUSDT")
        assert server.opened_count == 1


async def test_closing_leaves_no_task_behind():
    before = asyncio.all_tasks()
    exchange = Exchange(SYMBOLS, seed=1, levels=30)
    async with serve(exchange, flow=False, messages=None) as server:
        inside = asyncio.all_tasks()
        async with connect(
            "binance", *SYMBOLS, ws_url=server.ws_url, rest_url=server.rest_url
        ) as feed:
            await all_live(feed, server)
            assert asyncio.all_tasks() > inside
        async for _ in feed:
            pass  # what was left; then it ends by itself
    assert asyncio.all_tasks() == before


async def test_error_of_the_user_leaves_as_it_is():
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - raised inside the feed
        async with running() as (feed, server, _):
            await all_live(feed, server)
            _ = 1 / 0


async def test_cancellation_closes_the_feed():
    started = asyncio.Event()
    before = asyncio.all_tasks()

    async def watch():
        async with running(flow=True) as (feed, _, _):
            async for _ in feed:
                started.set()

    task = asyncio.create_task(watch())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


# -- recording ------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
async def test_recording_replays_to_the_same_events_and_books(tmp_path, suffix):
    path = tmp_path / f"day.{suffix}"
    seen = []
    async with running(record=path) as (feed, server, _):
        await all_live(feed, server)
        for kind in ("drop", "malformed_nan", "cut_1006", "status_500"):
            server.faults.inject(kind, symbol=None if "cut" in kind else "BTCUSDT")
        seen += await until(feed, is_a(Desynced, "ETHUSDT"), server)
        seen += await until(feed, is_a(Synced, "ETHUSDT"), server)
        books = {symbol: feed._engine.books[symbol] for symbol in feed.symbols}
    replay = Replay(path)
    again = list(replay)
    tail = [repr(event) for event in seen]
    found = [repr(event) for event in again]
    start = len(found) - len(tail)
    assert tail in [found[n : n + len(tail)] for n in range(start + 1)]
    for symbol, sync in books.items():
        assert replay.books[symbol].book.sequence == sync.book.sequence
        assert replay.books[symbol].status().counts == sync.status().counts


async def test_recording_that_cannot_be_written_is_an_error(tmp_path):
    feed = connect("binance", "X", record=tmp_path / "no" / "such" / "folder.jsonl")
    with pytest.raises(ConfigurationError, match="cannot record"):
        async with feed:
            pass


# -- audits ----------------------------------------------------------------------------


async def test_audit_finds_a_book_that_went_wrong_unseen():
    """A level altered in the right place shows in no number: only an audit sees it."""
    exchange = Exchange(["BTCUSDT"], seed=1, levels=30, snapshot="boundary")
    async with running(exchange=exchange, audit_every=0.05) as (feed, server, _):
        await all_live(feed, server)
        await until(feed, is_a(Audited, "BTCUSDT", verdict=Verdict.MATCHED), server)
        server.faults.corrupt("BTCUSDT")
        gone = is_a(Desynced, "BTCUSDT", cause=Cause.DRIFT)
        seen = await until(feed, gone, server)
        verdicts = [event.verdict for event in seen if type(event) is Audited]
        assert verdicts[-1] is Verdict.DIFFERING
        assert feed.status("BTCUSDT").counts.resyncs == 1


async def test_probe_finds_a_line_that_only_seems_alive():
    policy = {"quiet_wait": 0.05, "retry_min": 0.02, "probe_after": 0.1}
    async with running(policy=policy, depth=500) as (feed, server, _):
        await all_live(feed, server)
        for _ in range(30):
            server.step()
            async for _ in quiet(feed):
                pass
        asked = len(server.requests)
        server.faults.inject("silence", seconds=60.0)
        server.step(5)  # the exchange goes on, and nothing of it arrives
        seen = await until(feed, is_a(Desynced, "BTCUSDT"))
        assert seen[-1].cause is Cause.SILENT
        probes = list(server.requests)[asked:]
        assert probes
        assert all("limit=100" in request.path for request in probes)
        await all_live(feed, server)


async def test_probes_leave_a_quiet_market_alone():
    policy = {"quiet_wait": 0.05, "retry_min": 0.02, "probe_after": 0.1}
    async with running("BTCUSDT", policy=policy) as (feed, server, exchange):
        await all_live(feed, server)
        for _ in range(30):
            server.step()
            async for _ in quiet(feed):
                pass
        asked = len(server.requests)
        seen = []
        async with asyncio.timeout(20):
            while len(server.requests) < asked + 2:
                seen += [event async for event in quiet(feed)]
        seen += [event async for event in quiet(feed)]
        assert seen == []
        proves(feed, exchange, "BTCUSDT")


async def test_window_is_refreshed_while_the_book_stays_live():
    exchange = Exchange(["BTCUSDT"], seed=1, levels=300)
    async with running(exchange=exchange, depth=100) as (feed, server, _):
        await all_live(feed, server)
        book = feed["BTCUSDT"]
        edge, asked = book.window.ask, len(server.requests)
        bought, seen = book.asks()[80].price, []
        async with asyncio.timeout(20.0):
            while not any(type(event) is Audited for event in seen):
                # Somebody buys all of these, and what is offered there again.
                _, offers = exchange.truth_at("BTCUSDT", book.sequence)
                for price in [price for price in offers if price < bought]:
                    exchange.set("BTCUSDT", "ask", f"{price:f}", "0")
                server.step()
                seen += [event async for event in quiet(feed)]
        while type(seen[-1]) is not Audited:
            seen.pop()
        assert {type(e) for e in seen} == {Changed, Audited}
        assert seen[-1].verdict is Verdict.MATCHED
        assert book.window.ask > edge
        assert len(server.requests) == asked + 1
        _, truth = exchange.truth_at("BTCUSDT", book.sequence)
        known = {p: s for p, s in truth.items() if p <= book.window.ask}
        found = {p: s for p, s in book.asks() if p <= book.window.ask}
        assert found == known
        assert max(known) > edge


async def test_lines_audit_each_other_where_snapshots_come_in_the_stream():
    symbol = "BTCUSDT"
    async with running(symbol, venue="bybit", lines=2, audit_every=0.05) as (
        feed,
        server,
        exchange,
    ):
        await all_live(feed, server)
        await until(feed, is_a(Audited, symbol, verdict=Verdict.MATCHED), server)
        # Wrong on one line only: what the venue tells both wrongly, no line can show.
        wrong = feed._engine.shelf.lines[1][symbol].book
        last, price = wrong.sequence, wrong.bids()[-1].price
        wrong.apply(Delta(symbol, last, last, [(str(price), "12345")], []))
        seen = await until(feed, is_a(Desynced, symbol, cause=Cause.DRIFT), server)
        verdicts = [event.verdict for event in seen if type(event) is Audited]
        assert verdicts[-1] is Verdict.DIFFERING
        await until(feed, is_a(Synced, symbol), server)
        proves(feed, exchange, symbol)


async def test_old_book_is_withheld_by_choice():
    async with running("BTCUSDT", max_age=0.2) as (feed, server, exchange):
        await all_live(feed, server)
        await until(feed, is_a(Desynced, "BTCUSDT", cause=Cause.AGED))
        with pytest.raises(BookNotLive, match="aged"):
            feed["BTCUSDT"]
        await until(feed, is_a(Synced, "BTCUSDT"), server)
        proves(feed, exchange, "BTCUSDT")
        assert feed.status("BTCUSDT").counts.requests == 1


@pytest.mark.parametrize("venue", ["binance", "okx"])
async def test_symbol_that_one_line_gets_no_more_is_subscribed_there_again(venue):
    policy = {"quiet_wait": 0.05, "retry_min": 0.02, "snapshot_wait": 0.5}
    async with running(venue=venue, lines=2, flow=True, policy=policy) as (
        feed,
        server,
        exchange,
    ):
        await feed.live(timeout=10.0)
        symbol = exchange.symbols[0]
        opened = server.opened_count
        server.faults.inject(
            "silence", symbol=symbol, connection=server.connections[0].id, seconds=4.0
        )
        seen = await until(feed, is_a(LineLost, symbol))
        assert seen[-1].cause is Cause.SILENT
        async with asyncio.timeout(20.0):
            while set(feed.status(symbol).lines) != {State.LIVE}:
                seen.append(await anext(feed))
        assert Desynced not in {type(event) for event in seen}
        assert feed.status(symbol).withheld == 0.0
        assert server.opened_count == opened
        proves(feed, exchange, symbol)


@pytest.mark.parametrize("venue", ["binance", "okx", "bybit"])
async def test_backlog_after_a_stall_is_not_shown(venue):
    """1.5 s of frames come at once: the book is live as of now, or withheld."""
    async with running("BTCUSDT", venue=venue, max_age=0.5, flow=True) as (
        feed,
        server,
        exchange,
    ):
        await feed.live(timeout=10.0)
        await until(feed, is_a(Changed, "BTCUSDT"))
        order = server.faults.inject("burst", seconds=1.5)
        await until(feed, is_a(Desynced, "BTCUSDT", cause=Cause.AGED))
        before = feed.status("BTCUSDT").counts
        await until(feed, is_a(Synced, "BTCUSDT"))
        assert order.count
        assert exchange.now - feed["BTCUSDT"].time < 1.2
        counts = feed.status("BTCUSDT").counts
        assert counts.applied - before.applied > 3
        assert (counts.snapshots, counts.requests) == (
            before.snapshots,
            before.requests,
        )
        proves(feed, exchange, "BTCUSDT")


@pytest.mark.parametrize("silence", [None, 7.0])
async def test_recording_says_what_silence_the_user_set(tmp_path, silence):
    """The venue's own patience may be put off by a probe; the user's may not."""
    path = tmp_path / "day.jsonl"
    async with running("BTCUSDT", record=path, silence=silence) as (feed, server, _):
        await all_live(feed, server)
    with path.open() as lines:
        assert msgspec.json.decode(next(lines))["silence"] == silence


# -- flight recorder ------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
async def test_fault_leaves_a_recording_that_replays_to_the_same_event(
    tmp_path, monkeypatch, venue
):
    """Cut from the middle: it begins with a checkpoint, not with a connection."""
    turns = itertools.count()
    often = lambda _flight, _now: next(turns) % 25 == 0  # noqa: E731
    monkeypatch.setattr("booksync.flight.Flight.due", often)
    async with running(venue=venue, flight=tmp_path) as (feed, server, _):
        await all_live(feed, server)
        for _ in range(30):
            server.step()
            async for _ in quiet(feed):
                pass
        server.faults.inject("drop", symbol="BTCUSDT")
        seen = await until(feed, is_a(Desynced, "BTCUSDT"), server)
    (path,) = tmp_path.iterdir()
    assert "BTCUSDT-gap" in path.name
    lines = path.read_text().splitlines()
    assert '"ch":"book"' in lines[1]
    replay = Replay(path)
    events = list(replay)
    assert events[-1] == seen[-1]
    other = replay.books["ETHUSDT"].book
    assert other.sequence
    other.check()


async def test_recording_cut_from_the_middle_goes_on_from_its_checkpoint(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("booksync.noting.CHECKPOINT_EVERY", 0.5)
    path = tmp_path / "day.jsonl"
    async with running(record=path) as (feed, server, _):
        await all_live(feed, server)
        async with asyncio.timeout(10.0):
            while '"ch":"book"' not in path.read_text():
                server.step()
                async for _ in quiet(feed):
                    pass
                feed._notes.recorder._file.flush()
        server.step(3)
        async for _ in quiet(feed):
            pass
        books = {symbol: feed[symbol].digest() for symbol in feed.symbols}
    header, *lines = path.read_text().splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if '"ch":"book"' in line)
    cut = tmp_path / "cut.jsonl"
    cut.write_text(header + "".join(lines[first:]))
    replay = Replay(cut)
    seen = [e for e in replay if type(e) is not Desynced]  # the end: disconnected
    assert seen
    changed = {s: replay.books[s].book.sequence for s in books}
    assert changed == {s: feed._engine.books[s].book.sequence for s in books}


# -- two lines ------------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["drop", "cut_1006", "malformed_nan"])
async def test_fault_on_one_of_two_lines_withholds_nothing(venue, kind):
    async with running(venue=venue, lines=2) as (feed, server, exchange):

        def whole():
            return all(
                status.lines == (State.LIVE, State.LIVE) for status in feed.statuses()
            )

        await drive(feed, server, whole)
        assert server.opened_count == 2
        active = feed.status("BTCUSDT").line
        server.faults.inject(kind, connection=server.connections[active].id)
        lost = await until(feed, lambda e: type(e) is LineLost, server)
        symbol = lost[-1].symbol
        seen = await until(feed, is_a(LineFilled, symbol), server)
        assert not [e for e in lost + seen if type(e) is Desynced]
        proves(feed, exchange, symbol)
        await drive(feed, server, whole)
        for each in feed.symbols:
            proves(feed, exchange, each)


async def test_lines_must_be_one_or_two():
    with pytest.raises(ConfigurationError, match="lines must be"):
        connect("binance", "X", lines=3)
    with pytest.raises(ConfigurationError, match="lines=1 only"):
        connect("bitstamp", "btcusd", lines=2)
