"""
No sliding window holds more weight than the budget, whatever arrives when.

The property is proved on a virtual clock, with the weight counted where the venue
counts it: at any moment between a request's sending and its answer.
"""

from __future__ import annotations

import bisect

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from booksync import venues
from booksync.budget import Budget


def test_budget_is_free_at_first():
    assert Budget(100, 60.0).wait(100, now=0.0) == 0.0


def test_weight_counts_until_a_window_after_its_answer():
    budget = Budget(100, 60.0)
    budget.spend(100, now=0.0)
    budget.settle(100, now=5.0)
    assert budget.used(64.9) == 100
    assert budget.wait(1, now=64.0) == 1.0
    assert budget.used(65.0) == 0


def test_weight_under_way_counts():
    budget = Budget(100, 60.0)
    budget.spend(60, now=0.0)
    assert budget.wait(50, now=1000.0) > 0
    assert budget.wait(40, now=1000.0) == 0.0


def test_wait_is_until_enough_of_the_oldest_is_forgotten():
    budget = Budget(100, 60.0)
    for at in (0.0, 10.0, 20.0):
        budget.spend(30, now=at)
        budget.settle(30, now=at)
    assert budget.wait(10, now=30.0) == 0.0
    assert budget.wait(40, now=30.0) == 30.0
    assert budget.wait(41, now=30.0) == 40.0
    assert budget.wait(70, now=30.0) == 40.0


def test_request_heavier_than_the_budget_goes_alone():
    budget = Budget(100, 60.0)
    assert budget.wait(250, now=0.0) == 0.0
    budget.spend(1, now=0.0)
    budget.settle(1, now=0.0)
    assert budget.wait(250, now=1.0) == 59.0


def test_venues_own_count_beyond_ours_is_believed():
    budget = Budget(100, 60.0)
    budget.observe(90, now=0.0)
    assert budget.wait(20, now=1.0) == 59.0
    budget.observe(50, now=2.0)  # less than we know: ours stands
    assert budget.used(2.0) == 90
    budget.observe(91, now=3.0)
    assert budget.used(3.0) == 91


def test_stop_stops_everything_for_as_long_as_told():
    budget = Budget(100, 60.0)
    budget.stop(30.0, now=0.0)
    budget.stop(5.0, now=1.0)  # a shorter order does not shorten it
    assert budget.wait(1, now=10.0) == 20.0
    assert budget.wait(1, now=30.0) == 0.0


@pytest.mark.parametrize(("limit", "window"), [(0, 60.0), (100, 0.0), (-1, 1.0)])
def test_impossible_budget_is_refused(limit, window):
    with pytest.raises(ValueError, match="positive"):
        Budget(limit, window)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 30),  # seconds until the next one is wanted
            st.sampled_from([1, 5, 25, 50]),
            st.floats(0, 20),  # seconds that its journey takes
            st.floats(0, 1),  # when on the journey the venue counts it
        ),
        min_size=1,
        max_size=60,
    )
)
def test_no_window_of_the_venue_holds_more_than_the_budget(requests):
    budget = Budget(100, 60.0)
    now = 0.0
    counted = []
    under_way = []
    for pause, weight, journey, when in requests:
        now += pause
        while True:
            for entry in sorted(under_way):
                if entry[0] <= now:
                    budget.settle(entry[1], entry[0])
                    under_way.remove(entry)
            wait = budget.wait(weight, now)
            if wait <= 0:
                break
            ends = [entry[0] for entry in under_way]
            now = min([now + wait, *ends])
        budget.spend(weight, now)
        under_way.append((now + journey, weight))
        counted.append((now + journey * when, weight))
    for start, _ in counted:
        inside = sum(w for at, w in counted if start <= at < start + 60.0)
        assert inside <= 100


@pytest.mark.parametrize(
    ("venue", "allowed"),  # requests by seconds, as the sheets have them
    [
        ("bitstamp", {1.0: 400, 600.0: 10_000}),
        ("bitmex", {1.0: 10, 60.0: 30}),
        ("coinbase_exchange", {1.0: 10}),
        ("upbit", {1.0: 10}),
    ],
)
@given(st.lists(st.floats(0, 40), min_size=2, max_size=30))
@example([0.0] * 30)
@settings(max_examples=10)
def test_one_window_may_keep_what_a_venue_says_of_two(venue, allowed, pauses):
    """As many as fit at once, in bursts; the answers take no time."""
    limits = venues.get(venue).limits
    budget = Budget(limits.weight, limits.weight_window)
    now, sent = 0.0, []
    for pause in pauses:
        now += pause
        now += budget.wait(1, now)
        while budget.take(1, now) <= 0:
            budget.settle(1, now)
            sent.append(now)
    for window, most in allowed.items():
        for first, start in enumerate(sent):
            if first == 0 or sent[first - 1] != start:
                inside = bisect.bisect_left(sent, start + window) - first
                assert inside <= most


def test_smallest_budget_is_one():
    budget = Budget(1, 0.5)
    assert budget.take(1, 0.0) == 0.0
    assert budget.wait(1, 0.0) > 0


def test_request_of_a_process_that_died_counts_until_a_window_after_its_lease():
    budget = Budget(10, 60.0, lease=5.0)
    budget.spend(7, 0.0)
    assert budget.used(4.9) == 7
    assert budget.used(5.0) == 7  # answered from here on, for all that is known
    assert budget.used(64.9) == 7
    assert budget.used(65.0) == 0
