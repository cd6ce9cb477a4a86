"""Deltas that wait: in order, and never more than allowed."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from booksync.buffering import Buffer
from booksync.messages import Delta


def delta(last, bids=0, asks=0):
    level = ("9", "1")
    return Delta("X", last - 1, last, [level] * bids, [level] * asks)


def test_what_was_kept_first_is_taken_first():
    buffer = Buffer(10, 100)
    for last in (1, 2, 3):
        assert buffer.keep(delta(last)) == 0
    assert (buffer.oldest.last, buffer.newest.last, len(buffer)) == (1, 3, 3)
    assert buffer.take().last == 1
    assert [each.last for each in buffer] == [2, 3]


def test_limits_may_be_reached():
    assert Buffer(1, 0).keep(delta(1)) == 0
    buffer = Buffer(10, 6)
    assert [buffer.keep(delta(last, bids=1, asks=2)) for last in (1, 2)] == [0, 0]
    assert buffer.keep(delta(3, asks=1)) == 1
    assert buffer.drop() == 2
    assert [buffer.keep(delta(last, bids=1, asks=2)) for last in (1, 2)] == [0, 0]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from("ktd"))),
    st.integers(1, 5),
    st.integers(0, 12),
)
def test_buffer_is_a_queue_whose_oldest_go(steps, size, levels):
    buffer, model = Buffer(size, levels), deque()
    for last, (bids, asks, what) in enumerate(steps):
        if what == "k":
            model.append((last, bids + asks))
            gone = 0
            while len(model) > size or sum(count for _, count in model) > levels:
                model.popleft()
                gone += 1
            assert buffer.keep(delta(last, bids, asks)) == gone
        elif what == "d":
            assert buffer.drop() == len(model)
            model.clear()
        elif model:
            assert buffer.take().last == model.popleft()[0]
        assert [each.last for each in buffer] == [last for last, _ in model]
