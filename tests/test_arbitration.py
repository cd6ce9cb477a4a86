"""Two lines, one book: what the user sees, and never a guess."""

from __future__ import annotations

import pytest

from booksync.arbitration import Arbiter
from booksync.errors import BookNotLive
from booksync.events import (
    Changed,
    Desynced,
    Drift,
    LineFilled,
    LineLost,
    Malformed,
    Resubscribe,
    Synced,
)
from booksync.messages import Delta, Snapshot
from booksync.policy import Policy, Way
from booksync.states import Cause, State
from booksync.sync import Synchronizer


class Lines:
    """An arbiter over two lines that are fed by hand."""

    def __init__(self, *, comparable=True):
        policy = Policy(way=Way.RESUBSCRIBE)
        self.syncs = [Synchronizer("X", policy) for _ in range(2)]
        self.arbiter = Arbiter("X", self.syncs, comparable=comparable)
        for line, sync in enumerate(self.syncs):
            self.do(line, sync.connected(0.0))

    def do(self, line, outputs):
        found = self.arbiter.take(line, outputs)
        return [f for f in found if type(f).__name__ != "Resubscribe"]

    def snapshot(self, line, sequence):
        made = Snapshot("X", sequence, [("9", str(sequence))], [("10", "1")])
        return self.do(line, self.syncs[line].receive_snapshot(made, 0.0))

    def delta(self, line, prev, last):
        made = Delta("X", prev, last, [("9", str(last))], [])
        return self.do(line, self.syncs[line].receive(made, 0.0))


def both(at=10, **more):
    lines = Lines(**more)
    assert lines.snapshot(0, at) == [Synced("X", at)]
    assert lines.snapshot(1, at) == []
    return lines


def test_only_the_active_line_is_seen():
    lines = both()
    assert [type(e) for e in lines.delta(0, 10, 11)] == [Changed]
    assert lines.delta(1, 10, 11) == []
    assert lines.arbiter.book.sequence == 11


def test_first_line_that_is_live_is_served():
    lines = Lines()
    assert lines.snapshot(1, 7) == [Synced("X", 7)]
    assert lines.arbiter.active == 1
    assert lines.snapshot(0, 7) == []
    assert lines.arbiter.book.sequence == 7


def test_loss_on_the_active_line_costs_nothing_if_the_other_is_as_far():
    lines = both()
    lines.delta(0, 10, 11)
    lines.delta(1, 10, 11)
    assert lines.delta(0, 12, 13) == [
        LineLost("X", 0, cause=Cause.GAP),
        LineFilled("X", 1, sequence=11),
    ]
    assert lines.arbiter.live
    assert str(lines.arbiter.book.best_bid.size) == "11"
    assert [type(e) for e in lines.delta(1, 11, 12)] == [Changed]


def test_old_book_stays_until_the_other_line_has_caught_up():
    lines = both()
    lines.delta(0, 10, 11)
    lines.delta(0, 11, 12)
    assert lines.delta(0, 13, 14) == [LineLost("X", 0, cause=Cause.GAP)]
    arbiter = lines.arbiter
    assert arbiter.waiting
    assert arbiter.live
    assert arbiter.book.sequence == 12
    assert str(arbiter.book.best_bid.size) == "12"
    assert arbiter.state is State.LIVE
    status = arbiter.status()
    assert status.waiting
    assert (status.state, status.sequence) == (State.LIVE, 12)
    assert lines.delta(1, 10, 11) == []
    assert arbiter.book.sequence == 12  # never back
    assert lines.delta(1, 11, 12) == [LineFilled("X", 1, sequence=12)]
    assert not arbiter.waiting
    assert arbiter.status().line == 1


def test_line_that_is_lost_again_ends_no_waiting_for_the_other():
    lines = both()
    lines.delta(0, 10, 12)
    lines.delta(0, 13, 14)
    assert lines.arbiter.waiting
    assert lines.snapshot(0, 11) == []
    assert lines.delta(0, 13, 14) == [LineLost("X", 0, cause=Cause.GAP)]
    assert lines.arbiter.waiting
    assert lines.arbiter.book.sequence == 12


def test_line_that_lost_is_served_again_if_it_gets_there_first():
    lines = both()
    lines.delta(0, 10, 12)
    lines.delta(0, 13, 14)
    assert lines.snapshot(0, 15) == [LineFilled("X", 0, sequence=15)]
    assert not lines.arbiter.waiting
    assert lines.arbiter.active == 0


def test_heir_that_is_served_and_ends_gives_back_to_its_line():
    lines = both()
    heir = Synchronizer("X", Policy(way=Way.RESUBSCRIBE))
    lines.syncs.append(heir)
    lines.arbiter.expect(0, heir)
    lines.do(2, heir.connected(0.0))
    assert lines.snapshot(2, 10) == [LineFilled("X", 0, sequence=10)]
    assert lines.arbiter.active == 2
    lines.arbiter.abandoned(1.0)
    assert lines.arbiter.active == 0
    assert lines.arbiter.sync is lines.syncs[0]


@pytest.mark.parametrize("line", [0, 1])
def test_commands_of_every_line_are_obeyed(line):
    lines = both()
    made = Delta("X", 12, 13, [], [])
    outputs = lines.arbiter.take(line, lines.syncs[line].receive(made, 0.0))
    assert Resubscribe in [type(output) for output in outputs]


def test_line_that_cuts_otherwise_is_served_once_it_is_past():
    lines = both()
    lines.delta(0, 10, 12)
    lines.delta(0, 13, 14)
    assert lines.delta(1, 10, 11) == []
    assert lines.delta(1, 11, 13) == [LineFilled("X", 1, sequence=13)]
    assert lines.arbiter.book.sequence == 13


def test_loss_on_the_line_that_stands_by_is_said_and_costs_nothing():
    lines = both()
    assert lines.delta(1, 12, 13) == [LineLost("X", 1, cause=Cause.GAP)]
    assert lines.arbiter.active == 0
    assert lines.arbiter.live
    assert lines.snapshot(1, 15) == []


def test_loss_on_both_withholds_the_book():
    lines = both()
    lines.delta(1, 12, 13)
    outputs = lines.delta(0, 12, 13)
    assert outputs == [Desynced("X", Cause.GAP, expected=10, got=12)]
    assert not lines.arbiter.live
    status = lines.arbiter.status()
    assert lines.arbiter.state is status.state is State.SYNCING
    assert status.sequence is None
    with pytest.raises(BookNotLive):
        _ = lines.arbiter.book.best_bid
    drift = Drift(compared=2, differing=1, seconds=0.0)
    assert lines.snapshot(1, 20) == [Synced("X", 20, drift=drift)]
    assert lines.arbiter.active == 1


def test_line_that_is_waited_for_may_be_lost_too():
    lines = both()
    lines.delta(0, 10, 12)
    lines.delta(0, 13, 14)
    outputs = lines.delta(1, 12, 13)
    assert [type(e) for e in outputs] == [LineLost, Desynced]
    assert not lines.arbiter.live
    drift = Drift(compared=2, differing=1, seconds=0.0)
    assert lines.snapshot(0, 30) == [Synced("X", 30, drift=drift)]


def test_line_that_lost_comes_back_as_the_standby():
    lines = both()
    lines.delta(0, 12, 13)
    assert lines.arbiter.active == 1
    assert lines.snapshot(0, 13) == []
    assert lines.delta(1, 10, 13) != []
    assert lines.delta(1, 14, 15) == [
        LineLost("X", 1, cause=Cause.GAP),
        LineFilled("X", 0, sequence=13),
    ]


def test_disconnect_of_one_line_is_a_loss_like_any_other():
    lines = both()
    outputs = lines.do(0, lines.syncs[0].disconnected(1.0))
    assert outputs == [
        LineLost("X", 0, cause=Cause.DISCONNECTED),
        LineFilled("X", 1, sequence=10),
    ]


def test_numbers_that_cannot_be_compared_make_a_hot_standby():
    lines = both(comparable=False)
    lines.delta(0, 10, 50)
    assert lines.delta(0, 60, 61) == [
        LineLost("X", 0, cause=Cause.GAP),
        LineFilled("X", 1, sequence=10),
    ]


def test_status_tells_of_all_lines():
    lines = both()
    lines.delta(0, 10, 11)
    lines.delta(1, 10, 11)
    status = lines.arbiter.status()
    assert status.lines == (State.LIVE, State.LIVE)
    assert (status.counts.received, status.counts.applied) == (2, 2)


def test_only_what_the_user_lost_counts_as_withheld():
    lines = both()
    lines.do(0, lines.syncs[0].lost(1, 2, 5.0))  # the other line is served
    status = lines.arbiter.status(now=7.0)
    assert (status.desyncs_by, status.withheld) == ({}, 0.0)
    assert status.resyncs_by == {Cause.LOST: 1}
    lines.do(1, lines.syncs[1].disconnected(8.0))  # nothing is left
    status = lines.arbiter.status(now=9.5)
    assert (status.desyncs_by, status.withheld) == ({Cause.DISCONNECTED: 1}, 1.5)
    made = Snapshot("X", 20, [("9", "1")], [("10", "1")])
    lines.do(0, lines.syncs[0].receive_snapshot(made, 11.0))
    assert lines.arbiter.status(now=50.0).withheld == 3.0


def test_half_a_change_is_not_served_while_the_other_line_is_behind():
    """The active line's book took the first level of a frame and broke at the next."""
    lines = both()
    lines.delta(0, 10, 11)
    broken = Delta("X", 11, 12, [("9", "77"), ("8", "NaN")], [])
    outputs = lines.do(0, lines.syncs[0].receive(broken, 0.0))
    assert [type(e) for e in outputs] == [Malformed, Desynced, Synced]
    assert outputs[1].cause is Cause.MALFORMED
    assert outputs[2] == Synced("X", 10)
    assert not lines.arbiter.waiting
    assert str(lines.arbiter.book.best_bid.size) == "10"
    assert [type(e) for e in lines.delta(1, 10, 11)] == [Changed]


def test_broken_line_is_left_at_no_cost_where_the_other_is_as_far():
    lines = both()
    broken = Delta("X", 10, 11, [("9", "77"), ("8", "NaN")], [])
    outputs = lines.do(0, lines.syncs[0].receive(broken, 0.0))
    assert [type(e) for e in outputs] == [Malformed, LineLost, LineFilled]
    assert str(lines.arbiter.book.best_bid.size) == "10"
