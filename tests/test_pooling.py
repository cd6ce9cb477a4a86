"""Feeds share budgets; what nobody needs any more is forgotten, what counts is not."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from booksync import pooling
from booksync.budget import Budget
from booksync.feed import connect
from booksync.pooling import ROOM, budget_of, queue_of


@pytest.fixture(autouse=True)
def budgets(monkeypatch):
    """A process that has no budget yet."""
    found = {}
    monkeypatch.setattr(pooling, "_budgets", found)
    return found


def many(count=3 * ROOM):
    for n in range(count):
        budget_of("acme", f"wss://other{n}", 10, 60.0)


def test_budget_is_of_the_venue_and_the_host():
    one = budget_of("acme", "https://a", 100, 60.0)
    assert (one.limit, one.window) == (100, 60.0)
    assert budget_of("acme", "https://a", 100, 60.0) is one
    assert budget_of("acme", "https://b", 100, 60.0) is not one
    assert budget_of("other", "https://a", 100, 60.0) is not one


def test_budget_of_a_file_is_another(tmp_path):
    path = tmp_path / "budget.db"
    one = budget_of("acme", "https://a", 100, 60.0, file=path)
    assert budget_of("acme", "https://a", 100, 60.0, file=str(path)) is one
    assert budget_of("acme", "https://a", 100, 60.0) is not one


def test_hosts_without_end_leave_no_more_than_a_few_budgets(budgets):
    many(20 * ROOM)
    assert len(budgets) <= ROOM


def test_budget_that_somebody_holds_stays_the_same():
    held = budget_of("acme", "https://a", 100, 60.0)
    many()
    assert budget_of("acme", "https://a", 100, 60.0) is held


@pytest.mark.parametrize("settled", [False, True], ids=["under way", "answered"])
def test_weight_that_still_counts_is_not_forgotten(settled):
    now = time.time()
    budget_of("acme", "https://a", 100, 60.0).spend(80, now)
    if settled:
        budget_of("acme", "https://a", 100, 60.0).settle(80, now)
    many()
    assert budget_of("acme", "https://a", 100, 60.0).used(now) == 80


def test_order_to_stop_is_not_forgotten():
    now = time.time()
    budget_of("acme", "https://a", 100, 60.0).stop(3600.0, now)
    many()
    assert budget_of("acme", "https://a", 100, 60.0).wait(1, now) == 3600.0


def test_what_counted_once_goes_when_its_window_is_over(budgets):
    long_ago = time.time() - 61.0
    for n in range(5 * ROOM):
        budget = budget_of("acme", f"https://{n}", 100, 60.0)
        budget.spend(80, long_ago)
        budget.settle(80, long_ago)
        budget.stop(30.0, long_ago)
    assert len(budgets) <= ROOM


def test_feeds_of_hosts_without_end_leave_no_more_than_a_few_budgets(budgets):
    for n in range(2 * ROOM):
        connect("binance", "BTCUSDT", ws_url=f"wss://host{n}")
    gc.collect()
    connect("binance", "BTCUSDT", ws_url="wss://host")
    assert len(budgets) <= ROOM


def test_queue_goes_with_the_last_who_holds_it():
    async def main():
        budget = Budget(10, 60.0)
        queue = queue_of(budget)
        assert queue_of(budget) is queue
        assert queue_of(Budget(10, 60.0)) is not queue
        del queue
        gc.collect()
        assert not len(pooling._queues[asyncio.get_running_loop()])

    asyncio.run(main())


def test_each_event_loop_has_a_queue_of_its_own():
    budget = Budget(10, 60.0)

    async def main():
        return queue_of(budget)

    assert asyncio.run(main()) is not asyncio.run(main())
