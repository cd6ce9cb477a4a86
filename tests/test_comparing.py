"""Two lines compared with each other: what the user sees of it."""

from __future__ import annotations

from booksync import inputs
from booksync.engine import Engine
from booksync.events import Audited, Desynced, LineLost, Resubscribe, Verdict
from booksync.messages import Delta, Subscribed
from booksync.states import Cause
from tests.test_engine import Toy, say, snapshot


def both():
    engine = Engine(Toy(), lines=2)
    for number in (1, 2):
        engine.take(inputs.Opened(number, ("X",), number - 1), 0.0)
        engine.frame(number, say(Subscribed(("X",))), 0.0)
        engine.frame(number, say(snapshot()), 0.0)
    return engine


def delta(engine, number, prev, last, size="5"):
    made = Delta("X", prev, last, [("9", size)], [])
    return engine.frame(number, say(made), 1.0)


def compare(engine):
    return engine.take(inputs.Compared("X"), 2.0)


def told(outputs):
    return [type(output) for output in outputs]


def test_books_at_one_sequence_are_compared_at_once():
    engine = both()
    assert compare(engine) == [
        Audited("X", verdict=Verdict.MATCHED, sequence=10, compared=2)
    ]
    assert engine.books["X"].status().counts.audits == 1


def test_books_that_stand_apart_are_compared_when_they_meet():
    engine = both()
    delta(engine, 1, 10, 12)
    assert compare(engine) == []
    assert delta(engine, 2, 10, 11) == []
    found = Audited("X", verdict=Verdict.MATCHED, sequence=12, compared=2)
    assert delta(engine, 2, 11, 12) == [found]
    assert delta(engine, 2, 12, 13) == []  # once


def test_books_that_never_meet_are_inconclusive_and_served_on():
    engine = both()
    delta(engine, 1, 10, 12)
    assert compare(engine) == []
    (found,) = compare(engine)
    assert (found.verdict, found.sequence) == (Verdict.INCONCLUSIVE, 12)
    assert engine.books["X"].live
    assert engine.books["X"].status().counts.inconclusive == 1


def test_books_that_differ_are_both_withheld():
    engine = both()
    delta(engine, 1, 10, 12)
    delta(engine, 2, 10, 12, size="6")
    outputs = compare(engine)
    assert told(outputs) == [Audited, LineLost, Resubscribe, Desynced, Resubscribe]
    assert outputs[0] == Audited(
        "X", verdict=Verdict.DIFFERING, sequence=12, compared=2, differing=1
    )
    assert outputs[1] == LineLost("X", 1, cause=Cause.DRIFT)
    assert outputs[3] == Desynced("X", Cause.DRIFT)
    assert not engine.books["X"].live


def test_book_that_is_not_live_is_not_compared():
    engine = Engine(Toy(), lines=2)
    engine.added("X")
    assert compare(engine) == []
    assert engine.take(inputs.Compared("Y"), 2.0) == []


def test_symbol_that_was_removed_is_compared_no_more():
    engine = both()
    delta(engine, 1, 10, 12)
    compare(engine)
    engine.take(inputs.Removed("X"), 3.0)
    assert engine.frame(2, say(), 4.0) == []
