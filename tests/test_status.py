"""A status is a record of one moment: it says all and changes no more."""

from __future__ import annotations

import msgspec
import pytest

from booksync.messages import Delta, Snapshot
from booksync.policy import Policy
from booksync.states import Cause, State
from booksync.status import Counts, Status
from booksync.sync import Synchronizer


def live():
    sync = Synchronizer("X", Policy())
    sync.connected(now=1.0)
    sync.receive(Delta("X", 4, 5, [], []), now=2.0)
    book = Snapshot("X", 5, [("9", "1")], [("10", "1")])
    sync.receive_snapshot(book, now=3.0, request=1)
    return sync


def test_counts_begin_at_zero():
    assert set(msgspec.structs.astuple(Counts())) == {0}


def test_copy_of_counts_no_longer_changes():
    counts = Counts(received=3)
    copied = counts.copy()
    counts.received += 1
    counts.gaps = 7
    assert copied == Counts(received=3)
    assert type(copied) is Counts


def test_counts_have_a_fixed_set_of_names():
    with pytest.raises(AttributeError):
        Counts().recieved = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        Counts(recieved=1)  # type: ignore[call-arg]


def test_status_of_one_moment_stays_as_it_was():
    sync = live()
    before = sync.status(now=4.0)
    sync.receive(Delta("X", 7, 8, [], []), now=5.0)
    after = sync.status(now=5.0)
    assert (before.state, before.cause) == (State.LIVE, Cause.JOINED)
    assert (before.sequence, before.counts.gaps) == (5, 0)
    assert (after.state, after.cause) == (State.SYNCING, Cause.GAP)
    assert (after.sequence, after.counts.gaps) == (None, 1)


def test_status_cannot_be_changed():
    status = live().status(now=4.0)
    with pytest.raises(AttributeError):
        status.state = State.OFFLINE  # type: ignore[misc]


def test_status_says_when_and_how_long_ago():
    status = live().status(now=4.5)
    assert status.symbol == "X"
    assert status.since == 3.0
    assert status.age == 1.5


def test_book_that_heard_nothing_has_no_age():
    status = Synchronizer("X").status()
    assert status.state is State.OFFLINE
    assert (status.age, status.sequence) == (None, None)
    assert not status.unbridged
    assert not status.overlap


def test_time_withheld_runs_from_the_first_time_live_and_adds_up():
    sync = live()
    assert sync.status(now=9.0).withheld == 0.0
    sync.receive(Delta("X", 7, 8, [], []), now=10.0)
    assert sync.status(now=10.5).withheld == 0.5
    sync.receive_snapshot(Snapshot("X", 8, [], []), now=12.0, request=2)
    assert sync.status(now=12.0).withheld == sync.status(now=99.0).withheld == 2.0
    sync.disconnected(now=100.0)
    sync.connected(now=101.0)  # it stays withheld
    assert sync.status(now=103.0).withheld == 5.0
    assert sync.status().withheld == 2.0  # who says no time gets what is over


def test_causes_are_counted_apart_and_a_status_keeps_its_own():
    sync = live()
    before = sync.status()
    sync.receive(Delta("X", 7, 8, [], []), now=10.0)
    sync.receive_snapshot(Snapshot("X", 8, [], []), now=12.0, request=2)
    sync.disconnected(now=13.0)
    sync.disconnected(now=14.0)
    after = sync.status()
    assert (before.desyncs_by, before.resyncs_by) == ({}, {})
    assert after.desyncs_by == {Cause.GAP: 1, Cause.DISCONNECTED: 1}
    assert after.resyncs_by == {Cause.GAP: 1}  # an end is no fault


def test_status_of_one_line_says_nothing_of_others():
    status = live().status(now=4.0)
    assert (status.waiting, status.line, status.lines) == (False, 0, ())


def test_status_becomes_json():
    """As ``booksync watch --json`` prints it."""
    found = msgspec.to_builtins(live().status(now=4.0))
    assert found["state"] == "live"
    assert found["cause"] == "joined"
    assert found["counts"]["received"] == 1
    assert found.keys() == set(Status.__struct_fields__)
    assert msgspec.json.encode(found)
