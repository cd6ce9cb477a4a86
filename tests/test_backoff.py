"""Waiting times double up to a bound, and are spread by chance below it."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from booksync.backoff import delays


def first(count, waits):
    return [next(waits) for _ in range(count)]


def test_waits_double_until_the_longest():
    waits = delays(lambda: 0.0, first=1.0, last=6.0)
    assert first(6, waits) == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]


def test_chance_spreads_each_wait_over_the_upper_half_of_its_span():
    chances = iter([0.0, 0.5, 0.999, 0.25])
    waits = delays(lambda: next(chances), first=1.0, last=100.0)
    assert first(4, waits) == [0.5, 1.5, 2.0 + 1.998, 5.0]


def test_chance_is_asked_anew_each_time():
    asked = []
    waits = delays(lambda: asked.append(1) or 0.0)
    first(5, waits)
    assert len(asked) == 5


def test_defaults_begin_at_a_quarter_and_end_at_half_a_minute():
    waits = first(40, delays(lambda: 0.999_999))
    assert 0.24 < waits[0] < 0.25
    assert 29.9 < waits[-1] < 30.0


def test_new_one_begins_afresh():
    waits = delays(lambda: 0.0, first=1.0)
    first(5, waits)
    assert next(delays(lambda: 0.0, first=1.0)) == 0.5


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=50))
def test_wait_is_never_zero_nor_beyond_the_longest(chances):
    drawn = iter(chances)
    waits = delays(lambda: next(drawn), first=0.25, last=8.0)
    for n in range(len(chances)):
        wait = next(waits)
        span = min(8.0, 0.25 * 2**n)
        assert span / 2 <= wait <= span
