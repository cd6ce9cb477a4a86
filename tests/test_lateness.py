"""A book that was withheld for its age is live again once it has caught up."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booksync.book import Book
from booksync.events import Changed, Desynced, Malformed, Synced
from booksync.lateness import Lateness
from booksync.messages import Delta, Snapshot
from booksync.policy import Policy, Way
from booksync.states import Cause
from booksync.sync import Synchronizer
from tests.test_sync import adds_up, kinds

AGE = 5.0
#: What the venue's clock says is 1,000 s and the journey less than ours.
SKEW = -1000.0


def at(last, time, price="9", **fields):
    """A delta that the venue made at ``time``; by its own clock that is another."""
    theirs = None if time is None else time + SKEW
    return Delta("X", last - 1, last, [(price, str(last))], [], time=theirs, **fields)


def running(until=20, max_age=AGE, **policy):
    """A live book of one delta a second, each 0.1 s under way; and it aged."""
    sync = Synchronizer("X", Policy(max_age=max_age, **policy))
    sync.connected(now=0.0)
    sync.receive(at(1, 0.0), now=0.1)
    levels = [("9", "1")], [("10", "1")]
    sync.receive_snapshot(Snapshot("X", 0, *levels), now=0.1, request=1)
    for n in range(2, until + 1):
        sync.receive(at(n, n - 1.0), now=n - 0.9)
    assert sync.live
    return sync


def aged(**policy):
    """The last delta was of 19 s; at 25 s the book is withheld."""
    sync = running(**policy)
    assert sync.tick(25.0) == [Desynced("X", Cause.AGED)]
    return sync


def test_backlog_is_applied_out_of_sight_until_a_delta_is_recent():
    sync = aged()
    seen = [(n, sync.receive(at(n, n - 1.0), now=60.0)) for n in range(21, 61)]
    late = [n for n, outputs in seen if not outputs]
    assert late == list(range(21, 56))  # of 54 s and before, at 60 s
    assert seen[35] == (56, [Synced("X", 55), Changed("X", message=at(56, 55.0))])
    assert sync.book.sequence == 60
    assert sync.status().counts.requests == 1
    assert adds_up(sync)


def test_book_is_withheld_all_the_while():
    sync = aged()
    sync.receive(at(21, 20.0), now=60.0)
    assert not sync.live
    assert sync.book.sequence == 21
    assert sync.deadline() is None
    assert sync.status(60.0).withheld == 35.0


def test_gap_in_the_backlog_is_a_gap():
    sync = aged()
    sync.receive(at(21, 20.0), now=60.0)
    assert kinds(sync.receive(at(23, 22.0), now=60.0)) == ["Gap", "FetchSnapshot"]
    assert adds_up(sync)


def test_backlog_that_no_book_can_hold_is_refused():
    sync = aged()
    outputs = sync.receive(at(21, 20.0, price="nan"), now=60.0)
    assert kinds(outputs) == ["Malformed", "FetchSnapshot"]
    assert adds_up(sync)


def test_backlog_with_a_wrong_checksum_is_refused():
    sync = aged(checksum=lambda _bids, _asks, _symbol: 5)
    assert sync.receive(at(21, 20.0, checksum=5), now=60.0) == []
    assert kinds(sync.receive(at(22, 21.0, checksum=6), now=60.0)) == ["FetchSnapshot"]


def test_backlog_without_end_does_not_outgrow_the_book():
    sync = aged(max_levels=30)
    outputs = []
    for n in range(21, 100):
        outputs = sync.receive(at(n, 20.0, price=f"8.{n}"), now=60.0)
        if outputs:
            break
    assert kinds(outputs) == ["Malformed", "FetchSnapshot"]
    assert type(outputs[0]) is Malformed
    assert n < 21 + 60


def test_delta_without_a_time_ends_it_at_once():
    sync = aged()
    outputs = sync.receive(at(21, None), now=60.0)
    assert kinds(outputs) == ["Synced", "Changed"]


def test_book_that_never_knew_a_time_is_live_at_once():
    sync = Synchronizer("X", Policy(max_age=AGE))
    sync.connected(now=0.0)
    sync.receive(at(1, None), now=0.0)
    sync.receive_snapshot(Snapshot("X", 0, [("9", "1")], []), now=0.1, request=1)
    sync.tick(6.0)
    assert kinds(sync.receive(at(2, 1.0), now=60.0)) == ["Synced", "Changed"]


def test_what_was_received_long_before_is_late_whatever_its_time():
    """Our own queue: at 25 s the book aged; these came before, and waited in it."""
    sync = running()
    sync.tick(40.0)
    assert sync.receive(at(21, None), now=20.1) == []
    assert sync.receive(at(22, None), now=35.0) == []
    assert kinds(sync.receive(at(23, None), now=35.1)) == ["Synced", "Changed"]


def test_frames_that_are_whole_books_are_taken_out_of_sight_too():
    sync = Synchronizer("X", Policy(way=Way.WAIT, newest=True, max_age=AGE))
    sync.connected(now=0.0)

    def frame(n, time):
        return Snapshot("X", n, [("9", str(n + 1))], [("10", "1")], time=time + SKEW)

    for n in range(20):
        sync.receive_snapshot(frame(n, n), now=n + 0.1)
    assert sync.tick(25.0) == [Desynced("X", Cause.AGED)]
    assert sync.receive_snapshot(frame(20, 20.0), now=60.0) == []
    assert not sync.live
    (synced,) = sync.receive_snapshot(frame(55, 55.0), now=60.0)
    assert (type(synced), synced.sequence) == (Synced, 55)


def test_snapshot_that_was_asked_for_ends_it():
    """A resync after a gap is judged by its joining, not by its age."""
    sync = aged()
    sync.receive(at(21, 20.0), now=60.0)
    sync.receive(at(23, 22.0), now=60.0)
    found = Snapshot("X", 22, [("9", "1")], [("10", "1")])
    assert kinds(sync.receive_snapshot(found, 60.5, request=2)) == ["Synced"]


# -- clocks -----------------------------------------------------------------------


def test_what_is_usual_is_the_smallest_lag_of_late():
    late = Lateness(AGE)
    for now in range(300):
        late.heard(now - 0.3 - (now % 7), float(now))
    assert late.caught_up(300.0 - 5.2, 300.0)
    assert not late.caught_up(300.0 - 5.4, 300.0)


def test_clock_of_the_venue_that_goes_back_withholds_no_longer_than_the_age():
    """Every delta seems an hour late from then on."""
    sync = aged()
    now = 30.0
    for n in range(21, 99):
        if sync.receive(at(n, now - 3600.0), now=now):
            break
        now += 0.5
    assert now == 30.0 + AGE
    sync.receive(at(n + 1, now - 3600.0), now=now)
    sync.tick(now + AGE)
    outputs = sync.receive(at(n + 2, now + 10.0 - 3600.0), now=now + 10.0)
    assert kinds(outputs) == ["Synced", "Changed"]  # that is usual now


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_clock_that_changed_while_the_book_was_live_is_the_usual_one_soon(jump):
    sync = running()
    for n in range(21, 21 + 64 * 4):
        sync.receive(at(n, n - 1.0 + jump), now=n - 0.9)
    now = n + AGE
    sync.tick(now)
    outputs = sync.receive(at(n + 1, now + jump), now=now + 0.1)
    assert kinds(outputs) == ["Synced", "Changed"]
    assert sync.tick(now + AGE + 0.1) == [Desynced("X", Cause.AGED)]
    assert sync.receive(at(n + 2, now + jump), now=now + 60.0) == []


def test_clock_that_went_ahead_for_a_moment_is_forgotten():
    late = Lateness(AGE)
    for now in range(200):
        ahead = 3600.0 if now == 30 else 0.0
        late.heard(now - 0.1 + ahead, float(now))
        assert late.caught_up(now - 0.2, float(now)) is (now < 30 or now > 121)
        late.restart()


@given(
    seed=st.integers(0, 2**32),
    skew=st.floats(-1e6, 1e6),
    stalls=st.lists(
        st.tuples(st.floats(5.0, 60.0), st.floats(0.0, 120.0), st.floats(1.5, 1000.0)),
        min_size=1,
        max_size=3,
    ),
)
@settings(max_examples=50, deadline=None)
def test_live_book_is_never_older_than_allowed_after_a_stall(seed, skew, stalls):
    """
    A stream whose delivery stops, and comes back so many times as fast as life.

    Whatever the venue's clock says: once it is revived, a book is at most as old as
    allowed, but for its journey; and it is live again when the backlog is through.
    """
    chance = random.Random(seed)
    sync = Synchronizer("X", Policy(max_age=AGE))
    sync.connected(now=0.0)
    sync.receive(Delta("X", 0, 1, [], [], time=skew), now=0.05)
    snap = Snapshot("X", 0, [("9", "1")], [("10", "1")])
    sync.receive_snapshot(snap, now=0.05, request=1)
    made, now, last = 0.0, 0.05, 1
    for flow, stall, speed in stalls:
        ends = made + flow
        resumes = ends + stall
        while True:
            made += chance.uniform(0.05, 0.5)
            came = made + chance.uniform(0.05, 0.3)
            if made > ends:
                came = max(came, resumes + (made - ends) / speed)
            now = max(now, came)
            while (due := sync.deadline()) is not None and due <= now:
                sync.tick(due)
            last += 1
            delta = Delta("X", last - 1, last, [("9", str(last))], [], time=made + skew)
            outputs = sync.receive(delta, now=now)
            if any(type(output) is Synced for output in outputs):
                assert now - made <= AGE + 0.3
            if made > resumes and now - made <= 0.3:
                break
            assert last < 10_000
        assert sync.live
    assert sync.book.sequence == last
    assert adds_up(sync)


@given(seed=st.integers(0, 2**32), jumps=st.lists(st.floats(-1e4, 1e4), max_size=6))
@settings(max_examples=50, deadline=None)
def test_no_clock_withholds_a_book_for_ever(seed, jumps):
    """Whatever the venue's clock does: what comes in time is live soon."""
    chance = random.Random(seed)
    sync = running()
    now, last, offset = 20.0, 20, 0.0
    for jump in jumps:
        now += chance.uniform(AGE, 4 * AGE)  # nothing was heard: it ages
        sync.tick(now)
        offset += jump
        heard = now
        while not sync.live:
            last += 1
            sync.receive(at(last, now + offset - 0.1), now=now)
            now += chance.uniform(0.01, 1.0)
            assert now - heard <= AGE + 2.0
        for _ in range(chance.randrange(200)):
            last += 1
            now += chance.uniform(0.01, 1.0)
            sync.receive(at(last, now + offset - 0.1), now=now)


def test_nothing_is_remembered_where_no_age_is_set():
    sync = running(max_age=None)
    assert sync.deadline() is None
    assert isinstance(sync.book, Book)


@pytest.mark.parametrize("time", [None, 1.0])
def test_message_without_a_time_says_nothing(time):
    late = Lateness(AGE)
    late.heard(None, 0.0)
    assert late.caught_up(time, 100.0)


def test_limits_of_what_is_late_and_of_what_shrinks():
    late = Lateness(10.0)
    late.heard(0.0, 0.0)
    assert late.caught_up(90.0, 100.0)
    assert not late.caught_up(0.0, 100.0)
    assert not late.caught_up(10.0, 109.0)  # one second less: it shrinks
    assert not late.caught_up(11.5, 110.5)
    assert late.caught_up(20.0, 119.0)  # for ten seconds no more


def test_clock_that_is_another_is_so_at_once():
    """What was usual under the old one is forgotten, in both halves of the memory."""
    late = Lateness(5.0)
    for now in (0.0, 61.0, 100.0):
        late.heard(now, now)
    assert not late.caught_up(0.0, 3600.0)
    assert late.caught_up(5.0, 3605.0)
    assert late.caught_up(100.0, 3700.0)
    late.restart()
    assert late.caught_up(200.0, 3800.0)
