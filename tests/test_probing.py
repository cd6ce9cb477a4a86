"""Quiet or dead: what a probe asks, and what its answer proves."""

from __future__ import annotations

import msgspec
import pytest

from booksync import inputs
from booksync.engine import Engine, policy_of
from booksync.events import Check, Desynced, Reconnect
from booksync.messages import Delta, Snapshot
from booksync.policy import Policy
from booksync.probing import Prober
from booksync.states import Cause
from booksync.sync import Synchronizer
from booksync.venues.binance import Binance
from booksync.venues.bitstamp import Bitstamp
from booksync.venues.okx import Okx


def book(symbol="X", *, pace=0.1, deltas=100):
    """A live book; its last delta came at 10 s, one every ``pace`` seconds."""
    sync = Synchronizer(symbol, Policy())
    sync.connected(now=0.0)
    sync.receive(Delta(symbol, -1, 0, [], []), now=0.0)
    levels = [("9", "1")], [("10", "1")]
    sync.receive_snapshot(Snapshot(symbol, 0, *levels), now=0.0, request=1)
    for n in range(deltas):
        at = 10.0 - pace * (deltas - 1 - n)
        sync.receive(Delta(symbol, n, n + 1, [("9", str(n + 1))], []), now=at)
    return sync


def snapshot(sequence, size="7", symbol="X"):
    return Snapshot(symbol, sequence, [("9", size)], [("10", "1")], depth=5)


def asked(sync, now=12.1):
    prober = Prober(2.0, 0.0)
    assert prober.look({sync.symbol: sync}, now) == sync.symbol
    return prober


def test_book_that_was_active_is_asked_about_once_it_is_quiet():
    books = {"X": book()}
    prober = Prober(2.0, 0.0)
    assert prober.look(books, 10.0) is None
    assert prober.deadline() == 12.0
    assert prober.look(books, 11.9) is None
    assert prober.look(books, 12.0) == "X"


def test_most_overdue_of_many_is_asked_about_first():
    books = {"X": book("X"), "Y": book("Y", pace=0.01)}
    books["X"].receive(Delta("X", 100, 101, [], []), now=10.5)
    prober = asked(books["Y"])
    assert prober.look(books, 13.2) == "X"


def test_slow_book_is_given_its_own_time():
    slow = book(pace=0.5, deltas=21)  # 10 s for 21 deltas: 20 pauses are 9.5 s
    prober = Prober(2.0, 0.0)
    assert prober.look({"X": slow}, 19.0) is None
    assert prober.look({"X": slow}, 20.0) == "X"


def test_book_that_never_was_active_is_not_asked_about():
    assert Prober(2.0, 0.0).look({"X": book(deltas=5)}, 99.0) is None


def test_withheld_book_is_not_asked_about():
    gone = book()
    gone.disconnected(now=11.0)
    assert Prober(2.0, 0.0).look({"X": gone}, 99.0) is None


def test_book_that_stays_quiet_is_asked_about_ever_more_rarely():
    books, prober, times = {"X": book()}, Prober(2.0, 0.0), []
    now = 10.0
    while now < 400.0:
        if prober.look(books, now) is not None:
            times.append(now)
        assert prober.deadline() > now
        now = prober.deadline()
    pauses = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert pauses == [4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0, 60.0]


def test_venue_that_is_ahead_while_nothing_comes_proves_the_line_dead():
    sync = book()
    prober = asked(sync)
    prober.answered(sync, snapshot(105), now=12.2)
    assert prober.deadline() == 12.2 + 1.5
    assert not prober.dead({"X": sync}, 13.6)
    assert prober.dead({"X": sync}, 13.7)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(snapshot(100), id="equal"),
        pytest.param(snapshot(90), id="behind"),
        pytest.param(snapshot(105, "100"), id="ahead, with the levels of the book"),
        pytest.param(snapshot(105, "nan"), id="ahead, but unreadable"),
    ],
)
def test_quiet_market_is_no_alarm(found):
    sync = book()
    prober = asked(sync)
    prober.answered(sync, found, now=12.2)
    assert not prober.dead({"X": sync}, 99.0)


def test_what_is_on_its_way_is_no_alarm():
    sync = book()
    prober = asked(sync)
    prober.answered(sync, snapshot(105), now=12.2)
    sync.receive(Delta("X", 100, 105, [("9", "7")], []), now=12.9)
    assert not prober.dead({"X": sync}, 99.0)


def test_answer_that_comes_after_the_next_delta_proves_nothing():
    sync = book()
    prober = asked(sync)
    sync.receive(Delta("X", 100, 101, [], []), now=12.15)
    prober.answered(sync, snapshot(105), now=12.2)
    assert not prober.dead({"X": sync}, 99.0)


def test_book_that_was_removed_meanwhile_is_no_alarm():
    sync = book()
    prober = asked(sync)
    prober.answered(sync, snapshot(105), now=12.2)
    assert not prober.dead({}, 99.0)


# -- by the engine ---------------------------------------------------------------------


def answer(sequence, size):
    body = {"lastUpdateId": sequence, "bids": [["9", size]], "asks": [["10", "1"]]}
    return msgspec.json.encode(body)


def feed_of(*symbols):
    """An engine whose books heard something every 0.4 s, up to 18 s."""
    engine = Engine(Binance(depth=100))
    engine.take(inputs.Opened(1, symbols), 0.0)
    for n in range(45):
        now = (n + 1) * 0.4
        for symbol in symbols:
            update = {
                "e": "depthUpdate", "E": 0, "s": symbol, "U": n + 1, "u": n + 1,
                "b": [["9", "1"]], "a": [],
            }  # fmt: skip
            engine.frame(1, msgspec.json.encode(update).decode(), now)
            if n == 0:
                given = inputs.Answered(symbol, 1, 200, 100, "", answer(1, "1"))
                engine.take(given, now)
    assert all(sync.live for sync in engine.books.values())
    return engine


def on(engine, until):
    """Let time pass, with a frame that is no delta every half second."""
    found, now = [], 18.0
    while now < until:
        now += 0.25
        found += engine.tick(now)
        engine.connections[1].pulse.beat(now)
    return found


def test_line_that_only_answers_pings_is_given_up():
    engine = feed_of("X")
    assert on(engine, 26.0) == []
    assert on(engine, 26.5) == [Check("X", probe=True)]
    given = inputs.Answered("X", -2, 200, 100, "", answer(300, "2"), probe=True)
    assert engine.take(given, 26.6) == []
    assert engine.books["X"].live
    outputs = engine.tick(28.2)
    assert [type(o) for o in outputs] == [Desynced, Reconnect]
    assert outputs[0].cause is outputs[1].cause is Cause.SILENT


def test_quiet_market_stays_live_and_costs_few_requests():
    engine = feed_of("X", "Y")
    found = []
    now = 18.0
    while now < 318.0:
        now += 0.25
        for output in engine.tick(now):
            found.append(output)
            given = inputs.Answered(
                output.symbol, -2, 200, 100, "", answer(45, "1"), probe=True
            )
            assert engine.take(given, now) == []
        engine.connections[1].pulse.beat(now)
    assert {type(o) for o in found} == {Check}
    assert len(found) <= 2 * 10
    assert all(sync.live for sync in engine.books.values())


def test_probe_that_fails_proves_nothing():
    engine = feed_of("X")
    on(engine, 26.5)
    given = inputs.Answered("X", -2, 500, 100, "", b"", probe=True)
    assert engine.take(given, 26.6) == []
    assert not any(type(o) is Desynced for o in on(engine, 40.0))


def test_venues_are_asked_only_where_the_answer_says_something():
    assert policy_of(Binance()).probe_after == 2.0
    assert policy_of(Okx()).probe_after is None  # no request
    assert policy_of(Bitstamp()).probe_after is None  # other numbers
    assert not Bitstamp.facts.comparable
