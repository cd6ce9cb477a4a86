"""
The metrics tell what happened, as the other end of the socket saw it.

Numbers are compared with the embedded exchange's own count of connections, requests
and faults, or with the recording, never with the counts that the metrics are made of.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import re
import subprocess
import sys
import threading
from collections import Counter

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from booksync import metrics
from booksync.engine import FeedCounts
from booksync.errors import ConfigurationError
from booksync.events import (
    Audited,
    Desynced,
    Gap,
    LineLost,
    Malformed,
    Synced,
    Verdict,
)
from booksync.metrics import METRICS, collect, dashboard, uncollect
from booksync.recording import Recording
from booksync.status import Counts
from booksync.testing import Exchange
from tests.test_feed import all_live, drive, is_a, quiet, running, until

pytestmark = pytest.mark.anyio

BINANCE = {"venue": "binance", "feed": "binance"}


class Scrape:
    """All samples of a registry at one moment."""

    def __init__(self, registry):
        self.samples = [
            sample
            for family in registry.collect()
            for sample in family.samples
            if sample.name.startswith("booksync_")
        ]

    @property
    def names(self):
        return {sample.name.removesuffix("_total") for sample in self.samples}

    def sum(self, name, **labels):
        """Sum of all samples that have these labels; at least one must."""
        found = [
            sample.value
            for sample in self.samples
            if sample.name in (name, f"{name}_total")
            and labels.items() <= sample.labels.items()
        ]
        assert found, f"no {name} with {labels}"
        return sum(found)

    def by(self, label, name, **labels):
        """Values other than 0 by one label."""
        found: Counter[str] = Counter()
        for sample in self.samples:
            fits = labels.items() <= sample.labels.items()
            if fits and sample.name in (name, f"{name}_total") and sample.value:
                found[sample.labels[label]] += sample.value
        return dict(found)


@pytest.fixture
def registry():
    return CollectorRegistry()


async def turns(reached):
    """Let the loop turn, and nobody take events, until ``reached()``."""
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - other people's sockets
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def live():
    """A feed of two live books."""
    async with running() as (feed, server, _):
        await all_live(feed, server)
        yield feed


# -- what is told ----------------------------------------------------------------------


async def test_all_metrics_are_told_and_no_other(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        assert Scrape(registry).names == METRICS.keys()


def test_no_count_is_left_out():
    assert set(FeedCounts.__struct_fields__) == set(metrics.FEED_COUNTS)
    told = {*metrics.OUTCOMES, "checksums_passed", "checksums_failed"}
    told |= {"received", "buffered", "gaps", "desyncs", "resyncs"}
    told |= {"requests", "snapshots", "late", "audits", "inconclusive"}
    assert set(Counts.__struct_fields__) == told


async def test_metrics_have_the_labels_they_declare(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        for sample in Scrape(registry).samples:
            meaning = METRICS[sample.name.removesuffix("_total")]
            assert meaning.counter == sample.name.endswith("_total")
            assert set(sample.labels) == {"venue", "feed", *meaning.labels}
            assert sample.labels.items() >= BINANCE.items()


async def test_state_of_each_book_and_number_of_books_by_state(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        before = Scrape(registry)
        assert before.by("state", "booksync_books") == {"offline": 2}
        await all_live(feed, server)
        scrape = Scrape(registry)
        assert scrape.by("state", "booksync_books") == {"live": 2}
        assert scrape.sum("booksync_books", state="syncing") == 0
        for symbol in feed.symbols:
            why = {"symbol": symbol, "state": "live", "cause": "joined"}
            assert scrape.sum("booksync_book_state", **why) == 1
            assert scrape.sum("booksync_book_state", symbol=symbol) == 1
            assert 0 <= scrape.sum("booksync_book_message_age_seconds") < 20


async def test_book_of_a_quiet_market_is_told_to_be_unbridged(registry):
    async with running() as (feed, _, _):
        collect(feed, registry)
        await feed.live(timeout=10.0)
        scrape = Scrape(registry)
        assert scrape.sum("booksync_book_unbridged") == 2
        assert scrape.sum("booksync_book_overlap") == 0
        assert scrape.sum("booksync_book_waiting") == 0


async def test_lost_deltas_are_counted_for_the_book_that_lost_them(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        for _ in range(3):
            server.faults.inject("drop", symbol="BTCUSDT")
            await until(feed, is_a(Desynced, "BTCUSDT"), server)
            await until(feed, is_a(Synced, "BTCUSDT"), server)
        assert server.faults_injected == {"drop": 3}
        scrape = Scrape(registry)
        for name in ("gaps", "desyncs", "resyncs"):
            assert scrape.by("symbol", f"booksync_book_{name}") == {"BTCUSDT": 3}
        server.faults.inject("malformed_nan", symbol="BTCUSDT")  # no gap
        await until(feed, is_a(Desynced, "BTCUSDT"), server)
        scrape = Scrape(registry)
        assert scrape.by("symbol", "booksync_book_gaps") == {"BTCUSDT": 3}
        for name in ("desyncs", "resyncs"):
            assert scrape.by("symbol", f"booksync_book_{name}") == {"BTCUSDT": 4}


async def test_every_delta_received_is_told_once_again_by_what_became_of_it(registry):
    seen = []
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        for kind in ("drop", "repeat", "malformed_nan", "cut_1006", "burst"):
            server.faults.inject(kind, symbol="BTCUSDT")
            server.step(5)
        seen += await until(feed, is_a(Desynced, "BTCUSDT"), server)
        await all_live(feed, server)
        scrape = Scrape(registry)
        for symbol in feed.symbols:
            named = {"symbol": symbol}
            received = scrape.sum("booksync_book_deltas_received", **named)
            outcomes = scrape.sum("booksync_book_deltas", **named)
            waiting = scrape.sum("booksync_book_deltas_buffered", **named)
            assert received == outcomes + waiting > 0
        assert scrape.sum("booksync_book_deltas", outcome="stale") > 0


async def test_frames_are_as_many_as_were_recorded(registry, tmp_path):
    path = tmp_path / "day.jsonl"
    async with running(record=path) as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        server.step(30)

        def enough(_):
            return feed.counts.frames > 30 and not feed._inputs.items

        await until(feed, enough)
        told = Scrape(registry).sum("booksync_frames", **BINANCE)
        feed._notes.recorder._file.flush()
        came = [r for r in Recording(path) if r.get("ch") == "ws" and r["dir"] == "in"]
        assert told == len(came) > 30


async def test_malformed_and_foreign_frames_are_counted(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        for kind in ("malformed_json", "malformed_missing", "foreign"):
            server.faults.inject(kind, symbol="BTCUSDT")
            await until(feed, lambda e: type(e) is Malformed, server)
        assert server.faults_injected == {
            "malformed_json": 1,
            "malformed_missing": 1,
            "foreign": 1,
        }
        scrape = Scrape(registry)
        assert scrape.sum("booksync_malformed") == 3
        assert scrape.sum("booksync_foreign") == 1


async def test_connections_are_counted_as_the_venue_counts_them(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        assert Scrape(registry).sum("booksync_connections") == 0
        await all_live(feed, server)
        server.faults.inject("cut_1006")
        await until(feed, is_a(Desynced, "BTCUSDT"), server)
        await all_live(feed, server)
        scrape = Scrape(registry)
        assert scrape.sum("booksync_connects") == server.opened_count == 2
        assert scrape.sum("booksync_disconnects") == 1
        assert scrape.sum("booksync_connections") == len(server.connections) == 1


async def test_snapshots_are_counted_as_the_venue_counts_them(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        server.faults.inject("drop", symbol="ETHUSDT")
        server.faults.inject("status_500", symbol="ETHUSDT")
        await until(feed, is_a(Desynced, "ETHUSDT"), server)
        await until(feed, is_a(Synced, "ETHUSDT"), server)
        served = Counter(request.status for request in server.requests)
        scrape = Scrape(registry)
        assert served[500] == 1
        asked = scrape.sum("booksync_book_snapshot_requests")
        assert asked == served.total() == len(server.requests)
        assert scrape.sum("booksync_book_snapshots") == served[200]


async def test_budget_is_told_with_the_venues_order_to_stop(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        before = Scrape(registry)
        assert before.sum("booksync_budget_stopped_seconds") == 0
        assert before.sum("booksync_budget_limit") == 1_000_000
        weight = 50 * len(server.requests)
        assert before.sum("booksync_budget_used") == weight
        server.faults.inject("drop", symbol="BTCUSDT")
        server.faults.inject("status_429", symbol="BTCUSDT", seconds=30.0)

        def stopped():
            # The order is obeyed before the book that hears of it asks again.
            scrape = Scrape(registry)
            halted = scrape.sum("booksync_budget_stopped_seconds") > 0
            return halted and scrape.sum("booksync_requests_waiting") > 0

        await drive(feed, server, stopped)
        after = Scrape(registry)
        assert 20 < after.sum("booksync_budget_stopped_seconds") <= 30
        assert after.sum("booksync_requests_waiting") == 1


async def test_reading_the_budget_leaves_it_as_it_is(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        budget = feed._fetcher.queue.budget
        budget.window = 1e-9  # all of it is over
        before = tuple(budget._settled)
        assert Scrape(registry).sum("booksync_budget_used") == 0
        assert tuple(budget._settled) == before != ()
        assert budget.used(feed.clock()) == 0


async def test_inputs_that_wait_are_told(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        assert Scrape(registry).sum("booksync_inputs_waiting") == 0
        server.step(25)
        await turns(lambda: len(feed._inputs.items) >= 50)  # nobody takes them
        assert Scrape(registry).sum("booksync_inputs_waiting") == 50


async def test_changes_that_became_one_are_told(registry):
    async with running(conflate=True) as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        async for _ in quiet(feed):
            pass
        frames = Scrape(registry).sum("booksync_frames")
        server.step(25)
        await turns(lambda: Scrape(registry).sum("booksync_frames") == frames + 50)
        scrape = Scrape(registry)
        assert scrape.sum("booksync_events_waiting") == 2
        assert scrape.sum("booksync_conflated") >= 48


async def test_checksums_are_counted(registry):
    symbols = ("BTC/USD", "ETH/USD")
    async with running(*symbols, venue="kraken") as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        server.faults.inject("drop", symbol="BTC/USD")
        await until(feed, is_a(Desynced, "BTC/USD"), server)
        scrape = Scrape(registry)
        assert scrape.by("symbol", "booksync_book_checksums", result="failed") == {
            "BTC/USD": 1
        }
        assert scrape.sum("booksync_book_checksums", result="passed") > 2
        assert "booksync_budget_used" not in scrape.names  # nothing is fetched


async def test_audits_are_counted(registry):
    async with running(audit_every=0.05) as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        decided = []
        async with asyncio.timeout(20):
            while len(decided) < 3:
                server.step()
                async for event in quiet(feed):
                    if type(event) is Audited:
                        decided.append(event.verdict is not Verdict.INCONCLUSIVE)
                        told = Scrape(registry)
                        told_decided = told.sum(
                            "booksync_book_audits", result="decided"
                        )
                        assert told_decided >= sum(decided)
        assert Scrape(registry).sum("booksync_book_audits") >= 3


async def test_desyncs_and_resyncs_are_told_by_cause(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        for kind in ("drop", "malformed_nan", "cut_1006"):
            server.faults.inject(kind, symbol="BTCUSDT")
            await until(feed, is_a(Desynced, "BTCUSDT"), server)
            await all_live(feed, server)
        scrape = Scrape(registry)
        caused = {"gap": 1, "malformed": 1, "disconnected": 1}
        btc = {"symbol": "BTCUSDT"}
        assert scrape.by("cause", "booksync_book_desyncs", **btc) == caused
        del caused["disconnected"]
        assert scrape.by("cause", "booksync_book_resyncs", **btc) == caused
        eth = {"symbol": "ETHUSDT"}
        assert scrape.by("cause", "booksync_book_desyncs", **eth) == {"disconnected": 1}


async def test_loss_on_one_of_two_lines_is_told_as_a_resync_and_no_desync(registry):
    async with running(lines=2) as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        assert Scrape(registry).sum("booksync_connections") == 2
        server.faults.inject("drop", symbol="BTCUSDT", connection=1)
        await until(feed, is_a(LineLost, "BTCUSDT"), server)
        await all_live(feed, server)
        scrape = Scrape(registry)
        assert scrape.by("symbol", "booksync_book_gaps") == {"BTCUSDT": 1}
        caused = {"gap": 1}
        assert scrape.by("cause", "booksync_book_resyncs", symbol="BTCUSDT") == caused
        assert not scrape.by("cause", "booksync_book_desyncs", symbol="BTCUSDT")
        assert not scrape.by("symbol", "booksync_book_withheld_seconds")


async def test_withheld_time_runs_from_the_first_time_live_on(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)

        def withheld(symbol):
            return Scrape(registry).sum("booksync_book_withheld_seconds", symbol=symbol)

        assert withheld("BTCUSDT") == 0
        await all_live(feed, server)
        assert withheld("BTCUSDT") == 0
        server.faults.inject("drop", symbol="BTCUSDT")
        server.faults.inject("status_500", symbol="BTCUSDT", times=2)
        (gone,) = [
            e
            for e in await until(feed, is_a(Desynced, "BTCUSDT"), server)
            if type(e) in (Desynced, Gap)
        ]
        assert gone.symbol == "BTCUSDT"
        since = feed.status("BTCUSDT").since
        running_now = withheld("BTCUSDT")
        assert 0 < running_now <= feed.clock() - since
        await until(feed, is_a(Synced, "BTCUSDT"), server)
        total = feed.status("BTCUSDT").since - since
        assert withheld("BTCUSDT") == pytest.approx(total)
        assert total > running_now
        assert withheld("ETHUSDT") == 0


# -- registries, feeds, threads --------------------------------------------------------


async def test_default_registry_is_prometheus_clients_own():
    async with live() as feed:
        collect(feed)
        text = generate_latest(prometheus_client.REGISTRY).decode()
        assert 'booksync_books{feed="binance",state="live",venue="binance"} 2' in text
        uncollect(feed)
        assert "booksync" not in generate_latest(prometheus_client.REGISTRY).decode()


async def test_feeds_of_one_venue_are_told_apart(registry):
    async with live() as one, live() as two:
        collect(one, registry)
        collect(two, registry)
        collect(two, registry)  # again: harmless
        assert Scrape(registry).by("feed", "booksync_books") == {
            "binance": 2,
            "binance-2": 2,
        }
        text = generate_latest(registry).decode()
        assert text.count("# TYPE booksync_books gauge") == 1
        uncollect(one, registry)
        assert Scrape(registry).by("feed", "booksync_books") == {"binance-2": 2}
        collect(one, registry, name="desk")
        assert Scrape(registry).by("feed", "booksync_books") == {
            "binance-2": 2,
            "desk": 2,
        }


async def test_name_of_another_feed_is_refused(registry):
    async with live() as one, live() as two:
        collect(one, registry, name="desk")
        with pytest.raises(ConfigurationError, match="'desk'"):
            collect(two, registry, name="desk")


async def test_feed_that_is_gone_is_forgotten(registry):
    async with live() as feed:
        collect(feed, registry)
        assert Scrape(registry).samples
    del feed
    gc.collect()
    assert not Scrape(registry).samples


async def test_uncollect_is_idempotent(registry):
    async with live() as feed:
        uncollect(feed, registry)
        collect(feed, registry)
        uncollect(feed, registry)
        uncollect(feed, registry)
        assert not Scrape(registry).samples
        collect(feed, registry)
        assert Scrape(registry).samples


async def test_removed_symbol_is_told_no_longer(registry):
    async with running() as (feed, server, _):
        collect(feed, registry)
        await all_live(feed, server)
        feed.remove("BTCUSDT")
        await drive(feed, server, lambda: "BTCUSDT" not in feed)
        assert Scrape(registry).by("symbol", "booksync_book_state") == {"ETHUSDT": 1}


async def test_symbol_removed_while_it_is_read_is_left_out(registry, monkeypatch):
    async with live() as feed:
        collect(feed, registry)
        monkeypatch.setattr(type(feed), "symbols", ("BTCUSDT", "GONE", "ETHUSDT"))
        assert Scrape(registry).by("symbol", "booksync_book_state") == {
            "BTCUSDT": 1,
            "ETHUSDT": 1,
        }


async def test_another_thread_may_scrape_while_symbols_come_and_go(registry):
    exchange = Exchange(["BTCUSDT", "ETHUSDT"], seed=1, levels=30)
    async with running(exchange=exchange, flow=True) as (feed, _, _):
        collect(feed, registry)
        await feed.live(timeout=10.0)
        texts = []
        done = threading.Event()

        def scrape_on():
            while not done.is_set():
                texts.append(generate_latest(registry))

        scraping = asyncio.create_task(asyncio.to_thread(scrape_on))
        try:
            async with asyncio.timeout(20):
                for _ in range(10):
                    feed.remove("ETHUSDT")
                    while "ETHUSDT" in feed:
                        await feed.__anext__()
                    feed.add("ETHUSDT")
        finally:
            done.set()
            await scraping
        assert texts
        assert all(b'symbol="BTCUSDT"' in text for text in texts)


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.setitem(sys.modules, "prometheus_client.core", None)
    with pytest.raises(ConfigurationError, match=r"booksync\[metrics\]"):
        collect(None)  # type: ignore[arg-type]


def test_prometheus_is_imported_when_it_is_needed():
    code = "import sys, booksync.metrics; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"


# -- the dashboard ---------------------------------------------------------------------


def board():
    return json.loads(dashboard().read_text(encoding="utf-8"))


def queries():
    return [
        pytest.param(target["expr"], target["legendFormat"], id=panel["title"])
        for panel in board()["panels"]
        for target in panel["targets"]
    ]


def named(expression):
    return re.findall(r"\bbooksync_\w+", expression)


@pytest.mark.parametrize(("expression", "legend"), queries())
def test_dashboard_asks_for_what_is_told(expression, legend):
    asked = named(expression)
    assert len(asked) == 1
    (name,) = asked
    meaning = METRICS[name.removesuffix("_total")]
    assert meaning.counter == name.endswith("_total")
    assert meaning.counter == bool(re.search(r"\b(rate|increase)\(", expression))
    labels = {"venue", "feed", *meaning.labels}
    selected = re.search(r"\{(.*?)\}", expression)
    assert selected
    assert set(re.findall(r"(\w+)\s*(?:=~|!=|=)", selected[1])) <= labels
    grouped = re.search(r"\bby \(([^)]*)\)", expression)
    if grouped:
        kept = set(re.findall(r"\w+", grouped[1]))
    else:
        kept = labels if "topk" in expression else set()
    assert kept <= labels
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= kept
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)


def test_dashboard_variables_are_taken_from_metrics():
    variables = {v["name"]: v for v in board()["templating"]["list"]}
    assert list(variables) == ["datasource", "venue", "feed", "symbol"]
    for name in ("venue", "feed", "symbol"):
        (metric,) = named(variables[name]["query"]["query"])
        assert name in ("venue", "feed", *METRICS[metric].labels)


@pytest.mark.parametrize(
    "name",
    [
        "booksync_books",
        "booksync_book_gaps_total",
        "booksync_book_desyncs_total",
        "booksync_book_resyncs_total",
        "booksync_book_withheld_seconds_total",
        "booksync_book_message_age_seconds",
        "booksync_budget_used",
        "booksync_malformed_total",
        "booksync_frames_total",
        "booksync_inputs_waiting",
    ],
)
def test_dashboard_shows(name):
    panels = [p for p in board()["panels"] if p["type"] == "timeseries"]
    shown = {n for p in panels for t in p["targets"] for n in named(t["expr"])}
    assert name in shown


def test_panels_do_not_overlap():
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = Counter(
        (x, y)
        for panel in panels
        for x in range(
            panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"]
        )
        for y in range(
            panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"]
        )
    )
    assert max(taken.values()) == 1
    assert max(x for x, _ in taken) < 24


def test_dashboard_belongs_to_no_installation():
    found = board()
    assert found["id"] is None
    uids = {panel["datasource"]["uid"] for panel in found["panels"]}
    assert uids == {"${datasource}"}


def test_command_prints_the_dashboard():
    command = [sys.executable, "-m", "booksync.metrics"]
    done = subprocess.run([*command, "--dashboard"], capture_output=True, check=True)
    assert json.loads(done.stdout) == board()
    done = subprocess.run([*command, "--path"], capture_output=True, check=True)
    assert done.stdout.decode().strip() == str(dashboard())
