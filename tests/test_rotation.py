"""A connection and its heir: what the user sees while one replaces the other."""

from __future__ import annotations

import msgspec
import pytest

from booksync import inputs
from booksync.engine import Engine
from booksync.errors import BookNotLive
from booksync.events import (
    Changed,
    Desynced,
    LineFilled,
    LineLost,
    Reconnect,
    Resubscribe,
    Send,
    Synced,
)
from booksync.messages import Delta, Rejected, Snapshot, Subscribed
from booksync.states import Cause, Scope, State
from booksync.venues.facts import Numbering
from tests.test_engine import FACTS, Toy, live, say, snapshot, toy


def inherit(engine, *symbols, number=2, old=1, line=0):
    """Open a connection that is to replace another, and subscribe there."""
    seen = engine.take(inputs.Opened(number, symbols, line, old), 5.0)
    assert {type(output) for output in seen} == {Send}
    return engine.frame(number, say(Subscribed(symbols)), 5.0)


def delta(engine, number, prev, last, symbol="X"):
    made = Delta(symbol, prev, last, [("9", str(last))], [])
    return engine.frame(number, say(made), 6.0)


def rotating(*symbols, **facts):
    """An engine whose books are live at 12 on connection 1, with 2 as its heir."""
    engine = live(toy(**facts), *symbols)
    for symbol in symbols:
        delta(engine, 1, 10, 12, symbol)
    assert inherit(engine, *symbols) == []
    return engine


def told(outputs):
    return [type(output) for output in outputs]


def test_heir_that_is_as_far_takes_over_and_the_first_is_let_go():
    engine = rotating("X")
    assert engine.frame(2, say(snapshot(sequence=12)), 6.0) == [
        LineFilled("X", 0, sequence=12),
        Reconnect(1, Cause.CLOSING),
    ]
    assert told(delta(engine, 2, 12, 13)) == [Changed]
    assert engine.books["X"].book.sequence == 13


def test_heir_that_is_behind_is_not_served_before_it_is_as_far():
    engine = rotating("X")
    assert engine.frame(2, say(snapshot(sequence=10)), 6.0) == []
    assert told(delta(engine, 1, 12, 13)) == [Changed]
    assert delta(engine, 2, 10, 12) == []
    assert engine.books["X"].book.sequence == 13
    assert told(delta(engine, 2, 12, 14)) == [LineFilled, Reconnect]
    assert engine.books["X"].book.sequence == 14


def test_first_that_ends_early_leaves_its_book_until_the_heir_is_as_far():
    engine = rotating("X")
    engine.frame(2, say(snapshot(sequence=10)), 6.0)
    closed = engine.take(inputs.Closed(1), 7.0)
    assert closed == [LineLost("X", 0, cause=Cause.DISCONNECTED)]
    status = engine.books["X"].status(7.0)
    assert (status.state, status.sequence) == (State.LIVE, 12)
    assert status.waiting
    assert status.rotating
    assert delta(engine, 2, 10, 13) == [LineFilled("X", 0, sequence=13)]
    status = engine.books["X"].status(8.0)
    assert (status.waiting, status.rotating, status.withheld) == (False, False, 0.0)


def test_first_that_ends_before_the_heir_has_a_book_is_a_loss_until_then():
    engine = rotating("X")
    assert engine.take(inputs.Closed(1), 7.0) == [
        Desynced("X", Cause.DISCONNECTED, scope=Scope.CONNECTION)
    ]
    assert engine.frame(2, say(snapshot(sequence=20)), 9.5) == [Synced("X", 20)]
    status = engine.books["X"].status(11.0)
    assert status.withheld == 2.5
    assert status.desyncs_by == {Cause.DISCONNECTED: 1}
    assert not status.rotating


def test_nothing_is_let_go_before_every_book_has_an_heir():
    engine = rotating("X", "Y")
    assert engine.frame(2, say(snapshot("X", 12)), 6.0) == [
        LineFilled("X", 0, sequence=12)
    ]
    assert delta(engine, 1, 12, 13) == []  # the first stands by now
    assert told(delta(engine, 1, 12, 13, "Y")) == [Changed]
    assert told(engine.frame(2, say(snapshot("Y", 13)), 6.0)) == [LineFilled, Reconnect]


def test_heir_that_fails_after_it_took_over_gives_back():
    engine = rotating("X", "Y")
    engine.frame(2, say(snapshot("X", 12)), 6.0)
    assert engine.take(inputs.Closed(2), 7.0) == [
        LineLost("X", 0, cause=Cause.DISCONNECTED),
        LineFilled("X", 0, sequence=12),
    ]
    assert told(delta(engine, 1, 12, 13)) == [Changed]
    for symbol in "XY":
        assert not engine.books[symbol].status().rotating
    assert inherit(engine, "X", "Y", number=3) == []  # and another may try
    engine.frame(3, say(snapshot("X", 13)), 8.0)
    assert told(engine.frame(3, say(snapshot("Y", 12)), 8.0))[-1] is Reconnect


def test_heir_that_fails_before_it_took_over_is_not_seen():
    engine = rotating("X")
    engine.frame(2, say(snapshot(sequence=10)), 6.0)
    assert engine.take(inputs.Closed(2), 7.0) == []
    assert engine.books["X"].status().counts.snapshots == 2  # it did receive one
    assert told(delta(engine, 1, 12, 13)) == [Changed]


def test_refusal_on_the_second_connection_leaves_the_first():
    engine = rotating("X")
    assert engine.frame(2, say(Rejected(("X",), "no")), 6.0) == [
        Rejected(("X",), "no", final=False),
        Reconnect(2, Cause.CLOSING),
    ]
    assert told(delta(engine, 1, 12, 13)) == [Changed]
    assert engine.take(inputs.Closed(2, Cause.CLOSING), 7.0) == []
    assert not engine.books["X"].status().rotating


def test_heir_gets_no_heir_before_it_has_its_place():
    engine = rotating("X")
    engine.frame(2, say(snapshot(sequence=10)), 6.0)
    engine.take(inputs.Closed(1), 7.0)  # served as of 12, until the heir is there
    again = engine.take(inputs.Opened(3, ("X",), 0, 2), 7.5)
    assert again == [Reconnect(3, Cause.CLOSING)]
    assert engine.take(inputs.Closed(3, Cause.CLOSING), 8.0) == []
    assert told(delta(engine, 2, 10, 12)) == [LineFilled]
    assert inherit(engine, "X", number=4, old=2) == []


def test_refusal_after_the_first_ended_is_one_for_good():
    engine = rotating("X")
    engine.take(inputs.Closed(1), 6.0)
    assert engine.frame(2, say(Rejected(("X",), "no")), 6.0) == [Rejected(("X",), "no")]


def test_book_that_is_not_live_waits_for_whichever_line_is_first():
    engine = rotating("X")
    assert told(delta(engine, 1, 15, 16)) == [Desynced, Resubscribe]
    with pytest.raises(BookNotLive):
        _ = engine.books["X"].book.best_bid
    assert engine.frame(2, say(snapshot(sequence=20)), 6.0) == [
        Synced("X", 20),
        Reconnect(1, Cause.CLOSING),
    ]


def whole(engine, number, sequence, size, now=6.0):
    """A snapshot on the connection whose best bid has this size."""
    made = Snapshot("X", sequence, [("9", size)], [("10", "1")])
    return engine.frame(number, say(made), now)


def best_bid(engine):
    return str(engine.books["X"].book.best_bid.size)


@pytest.mark.parametrize("numbering", [Numbering.CONNECTION, None])
def test_heir_without_common_numbers_is_served_once_it_has_the_same_levels(numbering):
    engine = rotating("X", numbering=numbering)
    assert whole(engine, 2, 30, "11") == []  # further or behind: nothing says which
    assert told(delta(engine, 1, 12, 13)) == [Changed]
    assert best_bid(engine) == "13"
    made = Delta("X", 30, 31, [("9", "13")], [])
    assert engine.frame(2, say(made), 6.2) == [
        LineFilled("X", 0, sequence=31),
        Reconnect(1, Cause.CLOSING),
    ]
    assert best_bid(engine) == "13"


def test_line_that_catches_up_with_its_heir_hands_over_too():
    engine = rotating("X", numbering=None)
    assert whole(engine, 2, 3, "13") == []
    made = say(Delta("X", 12, 13, [("9", "13")], []))
    assert told(engine.frame(1, made, 6.2)) == [Changed, LineFilled, Reconnect]
    assert engine.books["X"].book.sequence == 3


def test_heir_that_never_had_the_levels_served_is_another_beginning():
    """Bitstamp, after ``request_reconnect``: the book went from 3000 back to 2800."""
    engine = rotating("X", numbering=None)
    whole(engine, 2, 8, "8")
    assert engine.take(inputs.Closed(1), 7.0) == [
        Desynced("X", Cause.DISCONNECTED, scope=Scope.CONNECTION),
        Synced("X", 8),
    ]
    status = engine.books["X"].status(9.0)
    assert (status.withheld, status.desyncs_by) == (0.0, {Cause.DISCONNECTED: 1})
    assert not status.rotating


def test_levels_are_not_looked_at_for_every_frame(monkeypatch):
    monkeypatch.setattr("booksync.arbitration.LOOK", 0.125)
    engine = rotating("X", numbering=None)
    whole(engine, 2, 3, "11", now=6.0)
    assert whole(engine, 2, 4, "12", now=6.12) == []  # equal now, but looked at lately
    assert told(whole(engine, 2, 5, "12", now=6.125)) == [LineFilled, Reconnect]


def test_late_frames_of_what_was_replaced_are_no_fault():
    engine = rotating("X")
    engine.frame(2, say(snapshot(sequence=12)), 6.0)
    assert delta(engine, 1, 12, 13) == []
    assert engine.take(inputs.Closed(1, Cause.CLOSING), 7.0) == []
    assert (engine.counts.foreign, engine.counts.malformed) == (0, 0)


def test_counts_go_on_and_add_up():
    engine = rotating("X")
    delta(engine, 1, 12, 13)
    engine.frame(2, say(snapshot(sequence=12)), 6.0)
    delta(engine, 2, 12, 14)
    delta(engine, 2, 14, 15)
    counts = engine.books["X"].status().counts
    assert (counts.received, counts.applied, counts.desyncs) == (4, 4, 0)
    assert counts.snapshots == 2


@pytest.mark.parametrize("lost", [((2, 10), (1, 12), (1, 12)), ((1, 12),)])
def test_resyncs_of_a_line_and_of_its_heir_are_added(lost):
    engine = rotating("X")
    engine.frame(2, say(snapshot(sequence=10)), 6.0)
    for number, sequence in lost:
        delta(engine, number, 30, 31)
        engine.frame(number, say(snapshot(sequence=sequence)), 6.0)
    status = engine.books["X"].status()
    assert (status.rotating, status.resyncs_by) == (True, {Cause.GAP: len(lost)})
    assert told(delta(engine, 2, 10, 14))[-1] is Reconnect
    status = engine.books["X"].status()
    assert (status.rotating, status.resyncs_by) == (False, {Cause.GAP: len(lost)})


def test_old_book_cannot_be_read_once_it_is_replaced():
    engine = rotating("X")
    held = engine.books["X"].book
    engine.frame(2, say(snapshot(sequence=12)), 6.0)
    with pytest.raises(BookNotLive, match="closing"):
        _ = held.best_bid


def test_one_of_two_lines_is_replaced_while_the_other_serves():
    kind = type("Toy", (Toy,), {"facts": FACTS})
    engine = Engine(kind(), lines=2)
    for number, line in ((1, 0), (2, 1)):
        engine.take(inputs.Opened(number, ("X",), line), 0.0)
        engine.frame(number, say(Subscribed(("X",))), 0.0)
        engine.frame(number, say(snapshot()), 0.0)
    assert inherit(engine, "X", number=3, old=2, line=1) == []
    assert engine.books["X"].status().line == 0
    assert engine.frame(3, say(snapshot(sequence=10)), 6.0) == [
        Reconnect(2, Cause.CLOSING)
    ]
    assert engine.books["X"].status().lines == (State.LIVE, State.LIVE)
    assert engine.take(inputs.Closed(2, Cause.CLOSING), 7.0) == []
    assert delta(engine, 1, 11, 12) == [
        LineLost("X", 0, cause=Cause.GAP),
        LineFilled("X", 1, sequence=10),
        Resubscribe("X", 6.0),
    ]


def test_checkpoint_during_it_goes_on_from_there():
    engine = rotating("X", "Y")
    engine.frame(2, say(snapshot("X", 10)), 6.0)
    seeds = engine.seeds()
    assert [(number, seed.succeeds) for number, seed in seeds] == [
        (1, None),
        (1, None),
        (2, 1),
        (2, 1),
    ]
    again = toy()
    for number, seed in seeds:
        given = msgspec.json.decode(msgspec.json.encode(seed), type=inputs.Seed)
        again.plant(number, given, 6.5)
    assert again.books["X"].book.sequence == 12
    assert delta(again, 2, 10, 12) == [LineFilled("X", 0, sequence=12)]
    assert told(again.frame(2, say(snapshot("Y", 12)), 7.0)) == [LineFilled, Reconnect]
