"""
One budget of several processes: real ones, on one file.

Times are given where they matter; where processes really run, the windows are short and
what is shown is what they did, not how fast.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from booksync import sharing
from booksync.budget import Budget
from booksync.errors import ConfigurationError
from booksync.feed import connect
from booksync.sharing import BUSY, LEASE, MAX_PENDING, SharedBudget
from booksync.testing import Exchange, serve


def pair(path, limit=100, window=60.0):
    return SharedBudget(path, limit, window), SharedBudget(path, limit, window)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "budget.db"


# -- as one budget ---------------------------------------------------------------------


def test_what_one_spends_the_other_lacks(path):
    one, other = pair(path)
    assert one.take(60, now=0.0) == 0
    assert other.take(50, now=1.0) == 60.0  # under way: ask again
    one.settle(60, now=2.0)
    assert other.wait(50, now=2.0) == 60.0
    assert other.take(40, now=2.0) == 0
    assert (one.used(3.0), other.used(3.0)) == (100, 100)
    assert one.used(62.0) == 40


def test_order_to_stop_stops_the_other_too(path):
    one, other = pair(path)
    one.stop(30.0, now=0.0)
    assert other.take(1, now=10.0) == 20.0
    assert other.stopped_until == 30.0
    assert other.take(1, now=30.0) == 0


def test_weight_that_the_venue_counts_is_known_to_both(path):
    one, other = pair(path)
    one.observe(90, now=0.0)
    assert other.wait(20, now=1.0) == 59.0


def test_venues_have_a_budget_each_in_one_file(path):
    one = SharedBudget(path, 100, 60.0, name="a")
    other = SharedBudget(path, 100, 60.0, name="b")
    one.stop(30.0, now=0.0)
    assert one.take(100, now=30.0) == 0
    assert other.take(100, now=0.0) == 0


def test_copy_is_a_plain_budget_that_leaves_the_file_alone(path):
    one, other = pair(path)
    one.take(60, now=0.0)
    copied = one.copy()
    assert type(copied) is Budget
    copied.spend(40, now=0.0)
    assert other.used(0.0) == 60


def test_what_is_in_it_is_bounded_by_the_limit(path):
    one, _ = pair(path, limit=50, window=1.0)
    for n in range(1_000):
        if one.take(1, now=n * 0.01) == 0:
            one.settle(1, now=n * 0.01)
    with contextlib.closing(sqlite3.connect(path)) as file:
        ((parts,),) = file.execute("SELECT parts FROM budgets").fetchall()
    assert len(json.loads(parts)[2]) <= 50


# -- who dies, who lies ----------------------------------------------------------------


def test_request_of_a_process_that_died_is_forgotten_after_the_lease(path):
    dead, alive = pair(path)
    dead.take(80, now=0.0)
    assert alive.take(40, now=LEASE - 1.0) > 0
    assert alive.used(LEASE) == 80  # as if answered only now
    assert alive.take(40, now=LEASE + 59.0) > 0
    assert alive.take(40, now=LEASE + 60.0) == 0


def test_requests_of_the_living_do_not_keep_those_of_the_dead(path):
    dead, alive = pair(path, limit=160)
    dead.take(80, now=0.0)
    for at in (10.0, 70.5):
        assert alive.take(80, now=at) == 0
        alive.settle(80, now=at + 0.25)
    assert alive.used(131.0) == 0


def test_times_of_a_clock_that_was_ahead_do_not_last(path):
    one, other = pair(path)
    one.take(100, now=86_400.0)
    one.settle(100, now=86_400.0)
    assert other.used(0.0) == 100
    assert other.take(100, now=60.0) == 0


def test_process_that_was_held_up_makes_no_request_of_another_older(path):
    """It read the clock, waited for a processor, and writes after the other."""
    one, other = pair(path)
    one.take(60, now=10.4)
    one.settle(60, now=10.5)
    assert other.take(40, now=10.0) == 0
    assert one.used(70.4) == 100
    assert one.take(1, now=70.4) > 0


def test_while_another_holds_the_file_nothing_is_spent_and_nothing_forgotten(path):
    one, other = pair(path)
    assert one.take(60, now=0.0) == 0
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("BEGIN EXCLUSIVE")
        assert one.take(1, now=1.0) == BUSY
        assert one.wait(1, now=1.0) == BUSY
        assert one.used(1.0) == 60
        one.settle(60, now=2.0)
        one.stop(30.0, now=2.0)
    assert other.stopped_until < 0
    assert one.wait(50, now=3.0) == 59.0  # tells what it could not tell before
    assert other.wait(1, now=3.0) == 29.0
    assert other.used(61.9) == 60
    assert other.used(62.0) == 0


def test_what_cannot_be_told_takes_bounded_room(path, monkeypatch):
    monkeypatch.setattr(sharing, "PATIENCE", 0.0)
    one, _ = pair(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("BEGIN EXCLUSIVE")
        for _ in range(100):
            one.observe(1, now=0.0)
    assert one._pending.maxlen == MAX_PENDING
    assert len(one._pending) == 100
    one.used(0.0)
    assert len(one._pending) == 0


@pytest.mark.parametrize("content", [b"no database at all, but long enough" * 100])
def test_file_that_is_none_is_an_error_for_the_caller(path, content):
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot share"):
        SharedBudget(path, 100, 60.0)


def test_folder_that_is_not_there_is_an_error_for_the_caller(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot share"):
        SharedBudget(tmp_path / "no" / "budget.db", 100, 60.0)


def test_what_is_in_it_and_no_budget_is_an_error_for_the_caller(path):
    SharedBudget(path, 100, 60.0).take(1, now=0.0)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE budgets SET parts = ?", (b"[1, 2",))
    with pytest.raises(ConfigurationError, match="cannot share"):
        SharedBudget(path, 100, 60.0)


def test_file_that_goes_bad_stops_requests_and_says_so_once(path, caplog):
    one, _ = pair(path)
    one.take(1, now=0.0)
    path.write_bytes(b"scribble" * 1_000)
    assert [one.take(1, now=1.0), one.take(1, now=2.0)] == [BUSY, BUSY]
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    path.unlink()
    assert one.take(1, now=3.0) == 0


def test_threads_may_look_at_it(path):
    one, _ = pair(path)
    one.take(60, now=0.0)
    found = []
    thread = threading.Thread(target=lambda: found.append(one.copy().used(0.0)))
    thread.start()
    thread.join()
    assert found == [60]


# -- real processes --------------------------------------------------------------------

LIMIT, WINDOW, WEIGHT = 100, 0.5, 10
SPENDER = f"""
import sys, time
from booksync.sharing import SharedBudget
budget = SharedBudget(sys.argv[1], {LIMIT}, {WINDOW})
print("ready", flush=True)
end = time.time() + float(sys.argv[2])
while (now := time.time()) < end:
    pause = budget.take({WEIGHT}, now)
    if pause > 0:
        time.sleep(min(pause, 0.02))
        continue
    time.sleep(0.003)
    done = time.time()
    budget.settle({WEIGHT}, done)
    print(now, done, flush=True)
"""
HOLDER = """
import sqlite3, sys, time
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("BEGIN EXCLUSIVE")
file.execute("UPDATE budgets SET parts = 'half'")
print("ready", flush=True)
time.sleep(60)
"""


def started(code, path, *arguments):
    command = [sys.executable, "-c", code, str(path), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_processes_together_never_spend_more_than_the_budget(path):
    processes = [started(SPENDER, path, 3.0) for _ in range(3)]
    time.sleep(1.0)
    processes[0].kill()  # whatever it is doing
    log, each = [], []
    for process in processes:
        lines = process.communicate(timeout=60)[0].splitlines()
        spans = [tuple(map(float, line.split())) for line in lines]
        each.append(len(spans))
        log += spans
    assert min(each) > 0
    for _, end in log:
        inside = [1 for sent, done in log if sent <= end and done > end - WINDOW]
        assert len(inside) * WEIGHT <= LIMIT
    # And it is used: 10 requests in each half second, but for what the dead one held.
    assert sum(each) >= 25


def test_process_that_dies_in_the_middle_leaves_nothing_locked(path):
    budget = SharedBudget(path, LIMIT, 60.0)
    budget.take(60, now=0.0)
    holder = started(HOLDER, path)
    try:
        assert budget.take(1, now=1.0) == BUSY
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert budget.take(1, now=2.0) == 0
    assert budget.used(2.0) == 61


# -- in a feed -------------------------------------------------------------------------


@pytest.mark.anyio
async def test_feed_shares_its_budget_by_a_path(path):
    exchange = Exchange(["BTCUSDT"], seed=1, levels=5, rate=20.0)
    async with serve(exchange) as server:
        urls = {"ws_url": server.ws_url, "rest_url": server.rest_url}
        async with connect("binance", "BTCUSDT", budget=path, **urls) as feed:
            await feed.live(timeout=20.0)
            limits = feed.venue.limits
            name = f"binance {server.rest_url}"
            other = SharedBudget(path, limits.weight, limits.weight_window, name=name)
            assert other.used(feed.clock()) >= 50
