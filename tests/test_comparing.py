"""Two connections compared with each other: what the user sees of it."""

from __future__ import annotations

import msgspec
import pytest

from booksync import inputs
from booksync.engine import Engine
from booksync.events import (
    Audited,
    Changed,
    Desynced,
    LineFilled,
    LineLost,
    Reconnect,
    Resubscribe,
    Send,
    Synced,
    Verdict,
)
from booksync.messages import Delta, Halted, Rejected, Resumed, Snapshot, Subscribed
from booksync.states import Cause, Scope, State
from booksync.sync import Synchronizer
from booksync.venues.facts import Numbering
from tests.test_engine import Toy, live, say, snapshot, toy


def both():
    engine = Engine(Toy(), lines=2)
    for number in (1, 2):
        engine.take(inputs.Opened(number, ("X",), number - 1), 0.0)
        engine.frame(number, say(Subscribed(("X",))), 0.0)
        engine.frame(number, say(snapshot()), 0.0)
    return engine


def delta(engine, number, prev, last, size="5", now=1.0):
    made = Delta("X", prev, last, [("9", size)], [])
    return engine.frame(number, say(made), now)


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
    assert delta(engine, 1, 12, 13) != []
    assert delta(engine, 2, 12, 13) == []  # they meet again: compared once


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


def test_line_that_is_not_live_is_waited_for():
    engine = both()
    delta(engine, 2, 11, 12)  # a gap: its book is withheld, at 10 as the other's
    assert compare(engine) == []
    engine.frame(2, say(snapshot(sequence=12)), 3.0)
    (_, found) = delta(engine, 1, 10, 12, size="1")
    assert (found.verdict, found.sequence) == (Verdict.MATCHED, 12)


def test_heir_of_a_line_is_not_compared():
    engine = both()
    engine.take(inputs.Opened(3, ("X",), 1, 2), 1.0)
    (event,) = compare(engine)
    assert event.verdict is Verdict.MATCHED


def test_symbol_that_was_removed_is_compared_no_more():
    engine = both()
    delta(engine, 1, 10, 12)
    compare(engine)
    engine.take(inputs.Removed("X"), 3.0)
    assert engine.frame(2, say(), 4.0) == []


# -- an auditor: a second connection beside the only line -----------------------------


def auditing(*symbols, numbers=(2,), now=5.0, engine=None, **facts):
    """An engine whose books are live at 10 on connection 1, and an auditor's."""
    engine = engine or live(toy(**facts), *symbols)
    for number in numbers:
        given = inputs.Opened(number, symbols, 0, 1, audits=True)
        assert set(told(engine.take(given, now))) == {Send}
        engine.frame(number, say(Subscribed(symbols)), now)
    return engine


def bid(sequence, *sizes, symbol="X"):
    levels = [(str(9 - n), size) for n, size in enumerate(sizes)]
    return say(Snapshot(symbol, sequence, levels, [("10", "1")]))


def test_auditor_that_agrees_is_let_go():
    engine = auditing("X")
    assert engine.frame(2, say(snapshot(sequence=10)), 6.0) == [
        Audited("X", verdict=Verdict.MATCHED, sequence=10, compared=2),
        Reconnect(2, Cause.CLOSING),
    ]
    assert engine.take(inputs.Closed(2, Cause.CLOSING), 7.0) == []
    assert told(delta(engine, 1, 10, 11)) == [Changed]
    book = engine.books["X"]
    assert isinstance(book, Synchronizer)  # one line, as before
    counts = book.status().counts
    assert (counts.audits, counts.desyncs, counts.snapshots) == (1, 0, 2)


def test_books_of_an_auditor_are_compared_where_they_meet():
    engine = auditing("X")
    assert told(delta(engine, 1, 10, 12)) == [Changed]
    assert engine.frame(2, say(snapshot(sequence=10)), 6.0) == []
    assert delta(engine, 2, 10, 11) == []
    assert told(delta(engine, 2, 11, 12)) == [Audited, Reconnect]


def test_auditor_is_kept_until_each_book_has_its_verdict():
    engine = auditing("X", "Y")
    assert told(engine.frame(2, bid(10, "1"), 6.0)) == [Audited]
    assert told(engine.frame(2, bid(10, "1", symbol="Y"), 6.0)) == [Audited, Reconnect]


def test_what_an_auditor_says_of_a_book_it_has_judged_is_nobodys():
    engine = auditing("X", "Y")
    assert told(engine.frame(2, bid(10, "1"), 6.0)) == [Audited]
    assert told(delta(engine, 1, 10, 11)) == [Changed]
    for late in (Halted("X", "maintenance"), Resumed("X"), Delta("X", 10, 11, [], [])):
        assert engine.frame(2, say(late), 7.0) == []
    assert engine.books["X"].status().counts.received == 1
    assert engine.counts.foreign == 0


def test_status_knows_no_second_line_while_there_is_an_auditor():
    engine = auditing("X")
    delta(engine, 1, 10, 12)
    engine.frame(2, say(snapshot(sequence=10)), 6.0)
    status = engine.books["X"].status()
    assert (status.rotating, status.waiting) == (False, False)
    assert status.lines == (State.LIVE,)


def test_auditor_is_not_served_because_it_is_further():
    engine = auditing("X")
    assert engine.frame(2, say(snapshot(sequence=11)), 6.0) == []
    assert delta(engine, 2, 11, 13) == []
    assert engine.books["X"].book.sequence == 10


def test_book_that_an_auditor_refutes_is_withheld_and_built_again():
    engine = auditing("X")
    outputs = engine.frame(2, bid(10, "7"), 6.0)
    assert outputs[0] == Audited(
        "X", verdict=Verdict.DIFFERING, sequence=10, compared=2, differing=1
    )
    assert outputs[1:] == [
        Desynced("X", Cause.DRIFT),
        Resubscribe("X", 6.0),
        Reconnect(2, Cause.CLOSING),
    ]
    assert not engine.books["X"].live
    engine.take(inputs.Closed(2, Cause.CLOSING), 7.0)
    assert told(engine.frame(1, bid(12, "7"), 7.0)) == [Synced]


@pytest.mark.parametrize(
    "end", [inputs.Compared("X"), inputs.Closed(2)], ids=["patience", "close"]
)
def test_auditor_that_never_met_the_book_decides_nothing(end):
    engine = auditing("X")
    delta(engine, 1, 10, 12)
    engine.frame(2, say(snapshot(sequence=11)), 6.0)
    outputs = engine.take(end, 9.0)
    assert outputs[0] == Audited(
        "X",
        verdict=Verdict.INCONCLUSIVE,
        sequence=12,
        reason="the books never stood at one sequence",
    )
    gone = [Reconnect(2, Cause.CLOSING)] if type(end) is inputs.Compared else []
    assert outputs[1:] == gone
    assert engine.books["X"].live


def test_refusal_on_the_auditors_connection_decides_nothing():
    engine = auditing("X")
    refused = told(engine.frame(2, say(Rejected(("X",), "no")), 6.0))
    assert refused == [Rejected, Reconnect]
    (found,) = engine.take(inputs.Closed(2, Cause.CLOSING), 9.0)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert engine.books["X"].live


def test_book_that_is_withheld_at_the_end_of_patience_has_no_verdict():
    engine = auditing("X")
    delta(engine, 1, 11, 12)
    assert engine.take(inputs.Compared("X"), 9.0) == [Reconnect(2, Cause.CLOSING)]


def test_auditor_is_nobodys_for_a_book_that_had_no_verdict():
    engine = auditing("X", "Y")
    delta(engine, 1, 11, 12)
    assert engine.take(inputs.Compared("X"), 9.0) == []  # it goes on for the other
    assert engine.frame(2, say(snapshot("X", 20)), 9.5) == []
    assert not engine.books["X"].live
    assert engine.counts.foreign == 0


def test_auditor_of_a_book_that_lost_something_is_its_heir():
    engine = auditing("X")
    delta(engine, 1, 10, 12)
    engine.frame(2, say(snapshot(sequence=11)), 6.0)
    assert delta(engine, 1, 13, 14)[0] == LineLost("X", 0, cause=Cause.GAP)
    status = engine.books["X"].status()
    assert (status.waiting, status.rotating, len(status.lines)) == (True, True, 2)
    assert told(delta(engine, 2, 11, 12)) == [LineFilled, Reconnect]
    assert not engine.books["X"].status().rotating


def test_auditor_that_must_be_served_becomes_the_heir():
    engine = auditing("X", "Y")
    delta(engine, 1, 10, 12)
    engine.frame(2, say(snapshot(sequence=11)), 6.0)
    assert engine.take(inputs.Closed(1), 7.0) == [
        LineLost("X", 0, cause=Cause.DISCONNECTED),
        Desynced("Y", Cause.DISCONNECTED, scope=Scope.CONNECTION),
    ]
    assert engine.books["X"].status().waiting
    assert told(delta(engine, 2, 11, 13)) == [LineFilled]
    assert told(engine.frame(2, bid(30, "1", symbol="Y"), 8.0)) == [Synced]
    assert told(delta(engine, 2, 13, 14)) == [Changed]
    status = engine.books["X"].status()
    assert (status.waiting, status.rotating, status.sequence) == (False, False, 14)


def test_symbol_that_is_removed_meanwhile_keeps_no_auditor():
    engine = auditing("X", "Y")
    assert told(engine.frame(2, bid(10, "1"), 6.0)) == [Audited]
    gone = told(engine.take(inputs.Removed("Y"), 7.0))
    assert gone == [Desynced, Send, Send, Reconnect]


def test_checkpoint_knows_an_auditor():
    engine = auditing("X")
    delta(engine, 1, 10, 12)
    engine.frame(2, say(snapshot(sequence=10)), 6.0)
    seeds = engine.seeds()
    assert [(number, seed.audits) for number, seed in seeds] == [(1, False), (2, True)]
    again = toy()
    for number, seed in seeds:
        given = msgspec.json.decode(msgspec.json.encode(seed), type=inputs.Seed)
        again.plant(number, given, 6.5)
    assert told(delta(again, 2, 10, 12)) == [Audited, Reconnect]


# -- without common numbers ------------------------------------------------------------


def test_books_without_common_numbers_match_once_they_are_alike():
    engine = auditing("X", numbering=None)
    assert engine.frame(2, bid(3, "7"), 6.0) == []
    assert told(delta(engine, 1, 10, 11, size="7", now=6.2)) == [
        Changed,
        Audited,
        Reconnect,
    ]


def doubt(engine, number, *sizes, seconds=2.0, now=10.0):
    """An audit in which the auditor's best bids have these sizes all the while."""
    auditing("X", numbers=(number,), engine=engine, now=now)
    outputs = engine.frame(number, bid(3, *sizes), now)
    outputs += engine.frame(number, bid(4, *sizes), now + seconds)
    outputs += engine.take(inputs.Compared("X"), now + seconds)
    engine.take(inputs.Closed(number, Cause.CLOSING), now + seconds)
    return [output for output in outputs if type(output) is not Reconnect]


def test_level_that_differs_alike_in_two_audits_is_wrong():
    engine = live(toy(numbering=None), "X")
    (first,) = doubt(engine, 2, "7", seconds=1.0)  # as long as it must be
    assert first == Audited(
        "X",
        verdict=Verdict.INCONCLUSIVE,
        sequence=10,
        reason="the books never had the same levels",
    )
    outputs = doubt(engine, 3, "7", now=20.0)
    assert outputs[0] == Audited(
        "X", verdict=Verdict.DIFFERING, sequence=10, compared=2, differing=1
    )
    assert told(outputs[1:]) == [Desynced, Resubscribe]


@pytest.mark.parametrize(
    ("second", "seconds"),
    [("8", 2.0), ("7", 0.5)],
    ids=["differs otherwise", "not for long enough"],
)
def test_level_that_may_only_be_late_is_not_held_against_a_book(second, seconds):
    engine = live(toy(numbering=None), "X")
    doubt(engine, 2, "7", seconds=seconds)
    (found,) = doubt(engine, 3, second, seconds=seconds, now=20.0)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert engine.books["X"].live


def test_level_that_changed_during_an_audit_is_not_held_against_a_book():
    engine = live(toy(numbering=None), "X")
    doubt(engine, 2, "7")
    auditing("X", numbers=(3,), engine=engine, now=20.0)
    engine.frame(3, bid(3, "7", "2"), 20.0)
    engine.frame(3, bid(4, "8", "2"), 21.0)
    engine.frame(3, bid(5, "7", "2"), 22.0)
    found, _ = engine.take(inputs.Compared("X"), 23.0)
    assert found.verdict is Verdict.INCONCLUSIVE
    # What did not change all the while is doubted from now on, and nothing else.
    engine.take(inputs.Closed(3, Cause.CLOSING), 23.0)
    outputs = doubt(engine, 4, "7", "2", now=30.0)
    assert (outputs[0].verdict, outputs[0].differing) == (Verdict.DIFFERING, 1)


def test_last_look_decides_where_nothing_moves_any_more():
    engine = auditing("X", numbering=None)
    engine.frame(2, bid(3, "7"), 6.0)
    engine.frame(2, bid(4, "1"), 6.05)  # alike, and nothing comes after that
    found, gone = engine.take(inputs.Compared("X"), 9.0)
    assert found.verdict is Verdict.MATCHED
    assert type(gone) is Reconnect


def test_level_is_untouched_as_long_as_nothing_moves():
    engine = live(toy(numbering=None), "X")
    outputs = []
    for number in (2, 3):
        now = 10.0 * number
        auditing("X", numbers=(number,), engine=engine, now=now)
        engine.frame(number, bid(3, "7"), now)
        outputs = engine.take(inputs.Compared("X"), now + 3.0)
        engine.take(inputs.Closed(number, Cause.CLOSING), now + 3.0)
    assert outputs[0].verdict is Verdict.DIFFERING


def test_levels_are_not_compared_at_every_frame(monkeypatch):
    monkeypatch.setattr("booksync.comparing.LOOK", 0.125)
    engine = auditing("X", numbering=None, now=6.0)
    assert engine.frame(2, bid(3, "7"), 6.0) == []
    assert engine.frame(2, bid(4, "1"), 6.12) == []  # alike, but looked at lately
    assert told(engine.frame(2, bid(5, "1"), 6.125)) == [Audited, Reconnect]


def test_match_ends_all_doubt():
    engine = live(toy(numbering=None), "X")
    doubt(engine, 2, "7")
    auditing("X", numbers=(3,), engine=engine, now=15.0)
    assert told(engine.frame(3, bid(3, "1"), 15.0)) == [Audited, Reconnect]
    engine.take(inputs.Closed(3, Cause.CLOSING), 15.0)
    (found,) = doubt(engine, 4, "7", now=20.0)
    assert found.verdict is Verdict.INCONCLUSIVE


def test_numbers_of_a_connection_are_not_compared():
    engine = auditing("X", numbering=Numbering.CONNECTION)
    assert told(engine.frame(2, say(snapshot(sequence=3)), 6.0)) == [Audited, Reconnect]
