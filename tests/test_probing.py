"""Quiet or dead: what a probe asks, and what its answer proves."""

from __future__ import annotations

import heapq
import itertools
import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booksync import inputs
from booksync.engine import Engine, policy_of
from booksync.events import Check, Desynced, Reconnect, Send
from booksync.messages import Delta, Snapshot
from booksync.policy import Policy
from booksync.probing import Prober
from booksync.states import Cause, Scope
from booksync.sync import Synchronizer
from booksync.venues.binance import Binance
from booksync.venues.bitstamp import Bitstamp
from booksync.venues.okx import Okx


def book(symbol="X"):
    """A live book at 0, of which nothing was heard yet."""
    sync = Synchronizer(symbol, Policy())
    sync.connected(now=0.0)
    sync.receive(Delta(symbol, -1, 0, [], []), now=0.0)
    levels = [("9", "1")], [("10", "1")]
    sync.receive_snapshot(Snapshot(symbol, 0, *levels), now=0.0, request=1)
    return sync


def speak(sync, now, times=1):
    for _ in range(times):
        last = sync.book.sequence
        delta = Delta(sync.symbol, last, last + 1, [("9", str(last + 1))], [])
        sync.receive(delta, now=now)


def watched(until=10.0, **paces):
    """Books and their prober; each was heard every so often, the last time at 10 s."""
    books = {symbol: book(symbol) for symbol in paces}
    prober = Prober(1.0, 0.0)
    assert prober.look(books, 0.0) is None
    for symbol, pace in paces.items():
        count = round(until / pace)
        for n in range(count):
            speak(books[symbol], until - pace * (count - 1 - n))
    return prober, books


def snapshot(sequence, size="7", symbol="X"):
    return Snapshot(symbol, sequence, [("9", size)], [("10", "1")], depth=5)


def asked(now=11.1):
    """A prober that asked about a book at 100."""
    prober, books = watched(X=0.1)
    assert prober.look(books, now) == "X"
    return prober, books


def test_book_that_was_active_is_asked_about_once_it_is_quiet():
    prober, books = watched(X=0.1)
    assert prober.look(books, 10.0) is None
    assert prober.deadline() == 11.0
    assert prober.look(books, 10.9) is None
    assert prober.look(books, 11.0) == "X"


def test_most_overdue_of_many_is_asked_about_first():
    prober, books = watched(X=0.1, Y=0.01)
    speak(books["X"], 10.5)
    assert prober.look(books, 12.0) == "Y"
    assert prober.look(books, 13.0) == "X"


def test_slow_book_is_given_its_own_time():
    prober, books = watched(X=0.5)  # ten pauses are 5 s
    assert prober.look(books, 14.9) is None
    assert prober.look(books, 15.9) == "X"


def test_pace_is_that_of_this_connection():
    """A book that had a busy life before is not active for that."""
    sync = book()
    speak(sync, 1.0, times=10_000)
    prober = Prober(1.0, 2.0)
    assert prober.look({"X": sync}, 2.0) is None
    for n in range(20):
        speak(sync, 3.0 + n)  # the last one at 22 s
    assert prober.look({"X": sync}, 31.0) is None
    assert prober.look({"X": sync}, 33.0) == "X"


def test_pace_of_long_ago_counts_less_and_less():
    prober, books = watched(X=0.01)
    now = 10.0
    while now < 3000.0:
        now += 5.0
        speak(books["X"], now)
        prober.look(books, now)
    assert prober.look(books, now + 20.0) is None
    assert prober.look(books, now + 60.0) == "X"


def test_book_that_never_was_active_is_not_asked_about():
    prober, books = watched(X=1.0)
    assert prober.look(books, 99.0) is None


def test_burst_on_a_new_connection_is_no_pace():
    prober, books = watched(until=0.5, X=0.01)
    assert prober.look(books, 4.0) is None


def test_withheld_book_is_not_asked_about():
    prober, books = watched(X=0.1)
    books["X"].disconnected(now=11.0)
    assert prober.look(books, 99.0) is None


def test_book_that_stays_quiet_is_asked_about_ever_more_rarely():
    prober, books = watched(X=0.1)
    now, times = 10.0, []
    while now < 400.0:
        if prober.look(books, now) is not None:
            times.append(now)
        assert prober.deadline() > now
        now = prober.deadline()
    pauses = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0, 60.0]


def test_book_that_was_found_quiet_may_be_so_again_for_a_while():
    prober, books = watched(X=0.01)
    assert prober.look(books, 14.0) == "X"
    prober.answered(books["X"], snapshot(1000), now=14.1)
    speak(books["X"], 20.0)
    assert prober.look(books, 23.9) is None
    assert prober.look(books, 25.0) == "X"  # 4 s were right before
    speak(books["X"], 100.0)
    assert prober.look(books, 103.0) == "X"  # long forgotten


def test_venue_that_is_ahead_while_nothing_comes_proves_the_line_dead():
    prober, books = asked()
    assert not prober.answered(books["X"], snapshot(105), now=11.2)
    assert prober.deadline() == 11.2 + 1.5
    assert not prober.dead(books, 12.6)
    assert prober.dead(books, 12.7)


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
    prober, books = asked()
    prober.answered(books["X"], found, now=11.2)
    assert not prober.dead(books, 99.0)


def test_what_is_on_its_way_is_no_alarm():
    prober, books = asked()
    prober.answered(books["X"], snapshot(105), now=11.2)
    books["X"].receive(Delta("X", 100, 105, [("9", "7")], []), now=11.9)
    assert not prober.dead(books, 99.0)


def test_answer_that_comes_after_the_next_delta_proves_nothing():
    prober, books = asked()
    speak(books["X"], 11.15)
    assert not prober.answered(books["X"], snapshot(105), now=11.2)
    assert not prober.dead(books, 99.0)


def test_book_that_was_removed_meanwhile_is_no_alarm():
    prober, books = asked()
    prober.answered(books["X"], snapshot(105), now=11.2)
    assert not prober.dead({}, 99.0)


# -- a whole connection ------------------------------------------------------------


def test_only_book_tells_of_its_connection():
    prober, books = watched(X=0.1)
    assert prober.press(books, 10.6, 10.0) == ("X",)
    assert prober.answered(books["X"], snapshot(100), now=10.7)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(snapshot(90), id="behind"),
        pytest.param(snapshot(105), id="ahead"),
        pytest.param(snapshot(105, "nan"), id="unreadable"),
    ],
)
def test_venue_vouches_for_nothing_else(found):
    prober, books = watched(X=0.1)
    prober.press(books, 11.0, 10.0)
    assert not prober.answered(books["X"], found, now=11.1)


def test_fast_book_tells_of_its_connection():
    prober, books = watched(X=0.1, Y=1.0, Z=1.0)
    assert prober.press(books, 11.0, 10.0) == ("X",)
    assert prober.answered(books["X"], snapshot(100), now=11.1)


def test_slow_books_tell_of_their_connection_together():
    prober, books = watched(A=0.4, B=0.4, C=0.4, D=0.4)
    assert prober.press(books, 11.0, 10.0) == ("A", "B")  # 2.5 deltas each
    for symbol, told in (("A", False), ("B", True)):
        got = snapshot(25, "25", symbol)
        assert prober.answered(books[symbol], got, now=11.1) is told


def test_very_slow_books_tell_nothing_of_their_connection():
    books = {f"S{n}": 1.0 for n in range(9)}
    prober, books = watched(until=30.0, **books)
    names = prober.press(books, 30.5, 30.0)
    assert len(names) == 5
    for symbol in names:
        got = snapshot(30, "30", symbol)
        assert not prober.answered(books[symbol], got, now=30.6)


def test_book_that_was_quiet_for_long_tells_nothing_of_its_connection():
    prober, books = watched(X=0.01, Y=0.1)
    for n in range(50):
        speak(books["Y"], 10.0 + n / 10)
    assert prober.press(books, 16.0, 14.9) == ("Y",)


def test_one_book_that_is_behind_outweighs_all_that_are_quiet():
    prober, books = watched(A=0.4, B=0.4)
    prober.press(books, 11.0, 10.0)
    assert not prober.answered(books["A"], snapshot(30, "30", "A"), now=11.1)
    assert not prober.answered(books["B"], snapshot(25, "25", "B"), now=11.1)
    assert prober.dead(books, 12.6)


# -- by the engine ---------------------------------------------------------------------


def answer(sequence, size):
    body = {"lastUpdateId": sequence, "bids": [["9", size]], "asks": [["10", "1"]]}
    return msgspec.json.encode(body)


class World:
    """
    An engine, its connection and a venue, on a virtual clock.

    Args:
        changes: When each book changes at the venue.
        cut: From then on nothing of that arrives.
        journey: Seconds from a probe to its answer; ``None``: none comes.
        pulse: Seconds between two frames that are no delta; ``None``: none come.

    """

    def __init__(self, changes, *, cut=None, journey=0.2, pulse=0.5, **options):
        self.engine = Engine(Binance(depth=100), **options)
        self.found = []
        self.now = 0.0
        self._journey = journey
        self._pulse = pulse
        self._sent = dict.fromkeys(changes, 1)
        self._told = dict.fromkeys(changes, 1)
        self._todo = []
        self._order = itertools.count()
        for symbol, times in changes.items():
            for at in times:
                self._later(at, "change", symbol)
        self._cut = math.inf if cut is None else cut
        if pulse is not None:
            self._later(pulse, "pulse")
        self.engine.take(inputs.Opened(1, tuple(changes)), 0.0)
        for symbol in changes:
            self._deliver(symbol)
            given = inputs.Answered(symbol, 1, 200, 100, "", answer(1, "1"))
            self.engine.take(given, 0.0)
        assert all(sync.live for sync in self.engine.books.values())

    def _later(self, at, what, *about):
        heapq.heappush(self._todo, (at, next(self._order), what, *about))

    def _deliver(self, symbol):
        last = self._told[symbol]
        update = {
            "e": "depthUpdate", "E": 0, "s": symbol, "U": last, "u": last,
            "b": [["9", str(last)]], "a": [],
        }  # fmt: skip
        raw = msgspec.json.encode(update).decode()
        self._note(self.engine.frame(1, raw, self.now))

    def _note(self, outputs):
        for output in outputs:
            if isinstance(output, Check):
                self.found.append((self.now, output))
                if self._journey is not None:
                    made = self.now + self._journey / 2
                    self._later(made, "look", output.symbol)
            elif isinstance(output, Desynced | Reconnect | Send):
                self.found.append((self.now, output))

    def _do(self, what, symbol=None, last=None):
        if what == "pulse":
            self.engine.connections[1].pulse.beat(self.now)
            self._later(self.now + self._pulse, "pulse")
        elif what == "change":
            self._sent[symbol] += 1
            if self.now < self._cut:
                self._told[symbol] = self._sent[symbol]
                self._deliver(symbol)
        elif what == "look":
            arrives = self.now + self._journey / 2
            self._later(arrives, "answer", symbol, self._sent[symbol])
        else:
            body = answer(last, str(last))
            given = inputs.Answered(symbol, -2, 200, 100, "", body, probe=True)
            self._note(self.engine.take(given, self.now))

    def run(self, until):
        """Let time pass; end when the connection is given up."""
        while not self.lost:
            due = self.engine.deadline()
            assert due is not None
            if self._todo and self._todo[0][0] < due:
                if self._todo[0][0] > until:
                    break
                self.now, _, *what = heapq.heappop(self._todo)
                self._do(*what)
            elif due > until:
                break
            else:
                assert due >= self.now, "it is due for ever"
                self.now = due
                self._note(self.engine.tick(due))
        return self

    @property
    def lost(self):
        """When the connection was given up."""
        times = [at for at, output in self.found if isinstance(output, Reconnect)]
        return times[0] if times else None

    @property
    def probes(self):
        return [(at, o.symbol) for at, o in self.found if isinstance(o, Check)]


def every(pause, *, since=0.0, until):
    """Return times that are ``pause`` apart."""
    return [since + n * pause for n in range(1, int((until - since) / pause) + 1)]


def test_line_that_only_answers_pings_is_given_up():
    world = World({"X": every(0.1, until=60.0)}, cut=20.05).run(60.0)
    (asked, _), *_ = world.probes
    assert asked == pytest.approx(21.0)
    assert world.lost == pytest.approx(22.5)  # the first of the two
    assert [type(o) for _, o in world.found[-2:]] == [Desynced, Reconnect]
    assert {o.cause for _, o in world.found[-2:]} == {Cause.SILENT}


def test_pause_before_does_not_hide_a_dead_line():
    """What only the pace says must wait; that the venue is ahead need not."""
    times = every(0.1, until=15.0) + every(0.1, since=19.0, until=60.0)
    world = World({"X": times}, cut=40.05).run(60.0)
    assert 42.5 < world.lost < 43.0


@pytest.mark.parametrize("pulse", [0.5, None])
def test_active_market_that_falls_quiet_costs_no_reconnect(pulse):
    world = World({"X": every(0.1, until=20.0)}, pulse=pulse).run(3600.0)
    assert world.lost is None
    assert world.engine.books["X"].live
    times = [at for at, _ in world.probes]
    assert times[0] == pytest.approx(21.0)
    assert sum(at < 80.0 for at in times) <= 12
    assert len(times) <= 12 + 2 * 60  # of the book and of the connection


def test_books_that_never_spoke_are_vouched_for_before_the_venues_patience_ends():
    world = World({"X": (), "Y": ()}, pulse=None).run(3600.0)
    assert world.lost is None
    assert {symbol for _, symbol in world.probes} == {"X", "Y"}
    assert len(world.probes) <= 2 * 62


def test_patience_that_the_user_set_is_the_last_word():
    world = World({"X": every(0.1, until=20.0)}, pulse=None, silence=7.0).run(99.0)
    assert world.lost == pytest.approx(27.0)


@pytest.mark.parametrize("cut", [None, 20.05])
def test_unanswered_probe_leaves_what_the_pace_says(cut):
    times = every(0.1, until=20.0 if cut is None else 60.0)
    world = World({"X": times}, cut=cut, journey=None).run(60.0)
    assert world.lost == pytest.approx(22.5)


def beside(**options):
    """X goes on at the venue, but nothing of it comes after 20 s; Y is heard."""
    changes = {"X": every(0.1, until=20.05), "Y": every(0.1, until=200.0)}
    world = World(changes, **options).run(20.06)
    world._sent["X"] += 1
    return world


def test_one_dead_stream_beside_a_lively_one_is_subscribed_again():
    world = beside().run(23.0)
    assert {symbol for _, symbol in world.probes} == {"X"}
    (_, gone), (at, sent) = world.found[-2:]
    assert gone == Desynced("X", Cause.SILENT, scope=Scope.SYMBOL)
    assert at - 20.0 < 3.0
    assert (sent.connection, len(sent.frames)) == (1, 1)
    assert "UNSUBSCRIBE" in sent.frames[0]
    assert world.engine.books["Y"].live
    (again,) = world.engine.frame(1, '{"result":null,"id":2}', 23.1)
    assert '"SUBSCRIBE"' in again.frames[0]
    (fetch,) = world.engine.frame(1, '{"result":null,"id":3}', 23.2)
    assert (fetch.symbol, fetch.request) == ("X", 2)


def test_probe_that_fails_proves_nothing():
    world = World({"X": every(0.2, until=20.0)}, journey=None).run(22.0)
    assert world.probes
    given = inputs.Answered("X", -2, 500, 100, "", b"", probe=True)
    assert world.engine.take(given, 22.1) == []
    assert world.run(60.0).lost == pytest.approx(24.0, abs=0.1)  # 20 pauses


@given(
    seed=st.integers(0, 2**32),
    pauses=st.lists(st.sampled_from([0.01, 0.1, 0.5, 3.0]), min_size=1, max_size=4),
    spells=st.lists(st.floats(0.5, 200.0), max_size=5),
    journey=st.floats(0.05, 1.0),
    pulse=st.sampled_from([None, 0.5, 20.0]),
)
@settings(max_examples=60, deadline=None)
def test_no_pace_and_no_quiet_spell_costs_a_reconnect(
    seed, pauses, spells, journey, pulse
):
    """Of markets that all fall quiet together, again and again."""
    chance = random.Random(seed)
    changes = {f"S{n}": [] for n in range(len(pauses))}
    began = 0.0
    for spell in [*spells, 600.0]:
        ended = began + chance.uniform(5.0, 20.0)
        for symbol, pause in zip(changes, pauses, strict=True):
            at = began
            while (at := at + chance.expovariate(1 / pause)) < ended:
                changes[symbol].append(at)
        began = ended + spell
    world = World(changes, journey=journey, pulse=pulse).run(began)
    assert world.lost is None
    # At most one a second, and the five of a connection that is silent.
    assert len(world.probes) <= 6 * began


@given(
    seed=st.integers(0, 2**32),
    pause=st.floats(0.01, 0.1),
    journey=st.floats(0.05, 0.45),
    pulse=st.sampled_from([None, 0.5, 20.0]),
    others=st.lists(st.floats(0.1, 3.0), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_dead_line_of_active_books_is_noticed_within_three_seconds(
    seed, pause, journey, pulse, others
):
    chance = random.Random(seed)
    changes = {}
    for n, usual in enumerate([pause, *others]):
        at, times = 0.0, changes.setdefault(f"S{n}", [])
        while (at := at + chance.expovariate(1 / usual)) < 50.0:
            times.append(at)
    cut = chance.uniform(20.0, 40.0)
    world = World(changes, cut=cut, journey=journey, pulse=pulse).run(50.0)
    last = max(at for times in changes.values() for at in times if at < cut)
    assert world.lost is not None
    assert world.lost - last <= 3.0 + 1e-9


def test_venues_are_asked_only_where_the_answer_says_something():
    assert policy_of(Binance()).probe_after == 1.0
    assert policy_of(Okx()).probe_after is None  # no request
    assert policy_of(Bitstamp()).probe_after is None  # other numbers
    assert not Bitstamp.facts.comparable
