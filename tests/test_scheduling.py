"""
Who is fetched next, and when: on a clock of the test's own.

The properties are those of design.md 5.3. Whatever is asked for when, however long the
answers take, whatever else the venue counts and however often it says stop: no sliding
window holds more than the budget, nothing goes during a stop, and all goes in the end.
Weight is counted where the venue counts it: at any moment of a request's journey.
"""

from __future__ import annotations

import heapq
import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from booksync.budget import Budget
from booksync.scheduling import HEAD_START, SLACK, Scheduler, Ticket

WINDOW = 60.0


class Feed:
    """Who asks; counts how often it is woken."""

    def __init__(self):
        self.woken = 0

    def wake(self):
        self.woken += 1


ME, OTHER = Feed(), Feed()


class Clock:
    """Sends what may be sent, answers it after its journey; the test's own events."""

    def __init__(self, limit=100, at_once=8, journey=lambda _: 1.0):
        self.queue = Scheduler(Budget(limit, WINDOW), at_once=at_once)
        self.now = 0.0
        self.journey = journey
        self.sent = []  # time, ticket
        self.answered = {}  # symbol: time
        self._events = []
        self._order = itertools.count()

    def ask(self, symbol, weight=10, due=None, *, read=False, owner=ME):
        due = self.now if due is None else due
        self.queue.ask(owner, symbol, weight, due, read=read)

    def at(self, when, act):
        heapq.heappush(self._events, (when, next(self._order), act))

    def _answer(self, ticket):
        self.queue.done(ticket, self.now)
        self.queue.joined(ME, ticket.symbol, self.now)
        self.answered[ticket.symbol] = self.now

    def _send(self):
        """Send all that may go; say when to look again."""
        while True:
            found = self.queue.take(ME, self.now)
            if not isinstance(found, Ticket):
                return found
            self.sent.append((self.now, found))
            end = self.now + self.journey(found)
            self.at(end, lambda ticket=found: self._answer(ticket))

    def run(self, until=1e6):
        for _ in range(100_000):
            pause = self._send()
            times = [] if pause is None else [max(self.now + pause, self.now + 1e-6)]
            times += [self._events[0][0]] if self._events else []
            if not times or min(times) > until:
                self.now = until
                return self
            self.now = min(times)
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
        raise AssertionError("no end")

    def order(self):
        return [ticket.symbol for _, ticket in self.sent]


# -- order -----------------------------------------------------------------------------


def test_first_come_is_first_served():
    clock = Clock(at_once=1)
    for symbol in "CAB":
        clock.ask(symbol)
    assert clock.run().order() == ["C", "A", "B"]


def test_books_that_are_read_go_first_and_first_come_among_them():
    clock = Clock(at_once=1)
    for symbol in "ABCDE":
        clock.ask(symbol, read=symbol in "DB")
    assert clock.run().order() == ["B", "D", "A", "C", "E"]


def test_book_that_somebody_begins_to_wait_for_goes_next():
    clock = Clock(at_once=1, limit=10)
    for symbol in "ABCD":
        clock.ask(symbol)
    clock.at(70.0, lambda: clock.queue.prefer(ME, "D"))
    assert clock.run().order() == ["A", "B", "D", "C"]


@pytest.mark.parametrize("symbol", ["A", "NEVER"])
def test_preferring_again_or_what_does_not_wait_changes_nothing(symbol):
    clock = Clock(at_once=1)
    clock.ask("A", read=True)
    clock.ask("B", read=True)
    clock.queue.prefer(ME, symbol)
    assert clock.run().order() == ["A", "B"]


def test_reader_does_not_bring_a_retry_forward_before_its_time():
    clock = Clock()
    clock.ask("A", due=30.0)
    clock.queue.prefer(ME, "A")
    assert clock.run().sent[0][0] == 30.0


def test_heavy_request_is_not_overtaken_by_light_ones():
    clock = Clock(limit=100, at_once=1, journey=lambda _: 0.0)
    clock.ask("A", 60)
    clock.ask("HEAVY", 90)
    clock.ask("B", 10)
    clock.run()
    assert [(at, t.symbol) for at, t in clock.sent] == [
        (0.0, "A"), (60.0, "HEAVY"), (60.0, "B"),
    ]  # fmt: skip


def test_replaced_ticket_is_sent_once_and_keeps_its_place():
    clock = Clock(limit=10)
    clock.ask("FIRST")
    for symbol in "AB":
        clock.ask(symbol)
    clock.at(50.0, lambda: clock.ask("C"))
    clock.at(55.0, lambda: clock.ask("A"))  # another connection, the same need
    assert clock.run().order() == ["FIRST", "A", "B", "C"]


def test_book_that_had_its_turn_goes_to_the_end():
    clock = Clock(limit=10)
    for symbol in ("A", "B"):
        clock.ask(symbol)
    clock.at(50.0, lambda: clock.ask("C"))
    clock.at(55.0, lambda: clock.ask("A"))
    assert clock.run().order() == ["A", "B", "C", "A"]


def test_book_that_is_offline_for_a_while_keeps_its_place():
    clock = Clock(limit=10)
    for symbol in ("FIRST", "A", "B"):
        clock.ask(symbol)
    clock.at(10.0, lambda: clock.queue.withdraw(ME, "A"))
    clock.at(15.0, lambda: clock.ask("C"))
    clock.at(20.0, lambda: clock.ask("A"))
    assert clock.run().order() == ["FIRST", "A", "B", "C"]


def test_withdrawn_and_forgotten_tickets_are_not_sent():
    clock = Clock(limit=10)
    for symbol in ("FIRST", "A", "B", "C"):
        clock.ask(symbol)
    clock.at(1.0, lambda: clock.queue.withdraw(ME, "A"))
    clock.at(1.0, lambda: clock.queue.forget(ME, "B"))
    clock.at(1.0, lambda: clock.queue.forget(ME, "NEVER"))
    clock.at(2.0, lambda: clock.ask("B"))
    assert clock.run().order() == ["FIRST", "C", "B"]
    assert clock.queue.waiting(ME) == 0


def test_what_is_replaced_without_end_takes_no_room():
    clock = Clock()
    clock.queue.stop(1e5, now=0.0)
    for _ in range(5 * SLACK):
        clock.ask("A")
        clock.queue.take(ME, clock.now)
    assert len(clock.queue._later) + len(clock.queue._ready) <= SLACK + 2
    assert clock.run().order() == ["A"]


# -- several feeds ---------------------------------------------------------------------


def test_feeds_of_one_venue_take_turns_in_one_queue():
    queue = Scheduler(Budget(100, WINDOW), at_once=1)
    mine, other = Feed(), Feed()
    queue.join(mine)
    queue.join(other)
    queue.ask(mine, "A", 10, 0.0, read=False)
    queue.ask(other, "B", 10, 0.0, read=False)
    queue.ask(mine, "C", 10, 0.0, read=False)
    first = queue.take(mine, 0.0)
    assert (first.symbol, other.woken) == ("A", 1)
    assert queue.take(other, 0.0) is None  # one at once
    assert queue.take(mine, 0.0) is None  # not its turn
    queue.done(first, 1.0)
    assert other.woken == 2
    assert queue.take(mine, 1.0) is None
    assert queue.take(other, 1.0).symbol == "B"
    assert mine.woken >= 1


def test_feed_that_leaves_takes_its_tickets_along_and_lets_others_go():
    queue = Scheduler(Budget(100, WINDOW), at_once=1)
    mine, other = Feed(), Feed()
    queue.join(mine)
    queue.join(other)
    queue.ask(mine, "A", 10, 0.0, read=False)
    queue.ask(other, "B", 10, 0.0, read=False)
    queue.leave(mine)
    assert other.woken == 1
    assert queue.waiting(mine) == 0
    assert queue.take(other, 0.0).symbol == "B"


def test_feed_whose_turn_it_is_not_waits_for_the_same_budget():
    queue = Scheduler(Budget(10, WINDOW))
    for owner, symbol in ((ME, "A"), (OTHER, "B"), (ME, "C")):
        queue.ask(owner, symbol, 10, 0.0, read=False)
    queue.done(queue.take(ME, 0.0), 0.0)
    assert queue.take(ME, 20.0) == 40.0
    assert queue.take(OTHER, 20.0) == 40.0


# -- the budget, whatever arrives ------------------------------------------------------

ARRIVAL = st.tuples(
    st.floats(0, 30),  # seconds until it
    st.sampled_from(["ask", "ask", "ask", "ask", "read", "stop", "count", "prefer"]),
    st.sampled_from([1, 5, 25, 50, 100]),  # weight, or seconds of a stop
    st.floats(0, 20),  # seconds of the journey
    st.floats(0, 1),  # when on it the venue counts
)


class Venue(Clock):
    """Counts weight as a venue does: some moment on the journey, others' too."""

    def __init__(self, arrivals, at_once):
        super().__init__(100, at_once, journey=lambda ticket: self.of(ticket)[3])
        self.arrivals = arrivals
        self.counted = []
        self.stops = []
        self.asked = set()
        when = 0.0
        for n, entry in enumerate(arrivals):
            when += entry[0]
            self.at(when, lambda n=n, entry=entry: self.happen(n, entry))

    def of(self, ticket):
        return self.arrivals[int(ticket.symbol[1:])]

    def happen(self, n, entry):
        _, kind, weight, _, part = entry
        if kind in ("ask", "read"):
            self.asked.add(f"S{n}")
            self.ask(f"S{n}", weight, read=kind == "read")
        elif kind == "stop":
            self.queue.stop(weight, self.now)
            self.stops.append((self.now, self.now + weight))
        elif kind == "prefer":
            self.queue.prefer(ME, f"S{n // 2}")
        else:
            self.elsewhere(weight, told=part < 0.5)

    def elsewhere(self, weight, *, told):
        """Somebody else spends; we hear of it by a header, or share the budget."""
        budget = self.queue.budget
        known = budget.used(self.now)
        if known + weight > budget.limit:
            return
        self.counted.append((self.now, weight))
        if told:
            budget.observe(known + weight, self.now)
        else:
            budget.spend(weight, self.now)
            budget.settle(weight, self.now)

    def all_counted(self):
        for at, ticket in self.sent:
            _, _, weight, journey, part = self.of(ticket)
            yield at + journey * part, weight
        yield from self.counted


@given(st.lists(ARRIVAL, min_size=1, max_size=40), st.integers(1, 8))
@settings(deadline=None)
def test_never_more_than_the_budget_nothing_in_a_stop_and_all_in_the_end(
    arrivals, at_once
):
    venue = Venue(arrivals, at_once).run()
    assert sorted(venue.order()) == sorted(venue.asked)  # none starves, each goes once
    for at, _ in venue.sent:
        assert not [1 for begin, end in venue.stops if begin < at < end - 1e-6]
    counted = list(venue.all_counted())
    for begin, _ in counted:
        inside = sum(w for at, w in counted if begin <= at < begin + WINDOW - 1e-6)
        assert inside <= 100


@pytest.mark.parametrize("pause", [15.0, 45.0, 60.0])
def test_readers_that_never_end_starve_nobody(pause):
    """As many readers as the budget bears, or more: others wait a bounded time."""
    clock = Clock(limit=10, journey=lambda _: 0.0)
    lonely = [f"L{n}" for n in range(5)]
    for symbol in lonely:
        clock.ask(symbol)
    for n in range(int(2 * HEAD_START / pause)):
        clock.at(n * pause, lambda n=n: clock.ask(f"R{n}", read=True))
    clock.run()
    # One goes each minute; ahead of the last lonely one: readers of the first hour.
    ahead = int(HEAD_START / pause) + len(lonely)
    assert max(clock.answered[symbol] for symbol in lonely) <= ahead * WINDOW


# -- looking ahead ---------------------------------------------------------------------


def check(clock, moments, symbols, within=0.2, grain=1.0):
    """At these moments, note what is expected; compare at the end."""
    told = []

    def note():
        for symbol in symbols:
            left = clock.queue.expected(ME, symbol, clock.now)
            if left is not None:
                told.append((clock.now, symbol, left))

    for moment in moments:
        clock.at(moment, note)
    clock.run()
    assert told
    for at, symbol, left in told:
        true = clock.answered[symbol] - at
        assert abs(left - true) <= max(within * true, grain), (at, symbol, left, true)
    return told


@pytest.mark.parametrize("seconds", [0.01, 0.4, 5.0])
def test_expected_time_is_right(seconds):
    clock = Clock(limit=100, journey=lambda _: seconds)
    symbols = [f"S{n}" for n in range(60)]
    for n, symbol in enumerate(symbols):
        clock.ask(symbol, weight=(10, 25)[n % 2], read=n % 7 == 0)
    told = check(clock, [7.0, 30.0, 61.0, 200.0, 400.0], symbols)
    assert len(told) > 150


def test_order_to_stop_is_in_the_expected_time():
    clock = Clock(limit=50, journey=lambda _: 0.5)
    symbols = [f"S{n}" for n in range(40)]
    for symbol in symbols:
        clock.ask(symbol)
    clock.at(70.0, lambda: clock.queue.stop(300.0, clock.now))
    told = check(clock, [71.0, 200.0, 400.0], symbols)
    assert min(left for at, _, left in told if at == 71.0) > 295


def test_weight_of_others_is_in_the_expected_time():
    clock = Clock(limit=50, journey=lambda _: 0.5)
    clock.at(1.0, lambda: clock.queue.budget.observe(50, clock.now))
    clock.at(2.0, lambda: clock.ask("A"))
    ((_, _, left),) = check(clock, [3.0], ["A"])
    assert left == pytest.approx(58.5, abs=1.0)


def test_request_on_its_way_is_expected_in_what_is_left_of_the_usual_time():
    clock = Clock(journey=lambda _: 8.0)
    clock.ask("A")
    clock.at(20.0, lambda: clock.ask("B"))
    clock.at(22.0, lambda: clock.ask("C", due=25.0))
    told = check(clock, [23.0], ["A", "B", "C"], grain=0.01)
    assert told == [(23.0, "B", 5.0), (23.0, "C", 10.0)]


def test_time_from_the_answer_to_a_live_book_is_expected_too():
    clock = Clock(journey=lambda _: 2.0)
    queue = clock.queue
    clock.ask("A")
    ticket = queue.take(ME, 0.0)
    queue.done(ticket, 2.0)
    assert queue.expected(ME, "A", 2.5) == 0.0  # any moment
    queue.joined(ME, "A", 5.0)
    queue.joined(ME, "NEVER", 5.0)
    assert queue.expected(ME, "A", 5.0) is None
    clock.ask("B", due=5.0)
    assert queue.expected(ME, "B", 5.0) == 5.0
    queue.done(queue.take(ME, 5.0), 7.0)
    assert queue.expected(ME, "B", 8.0) == 2.0
    queue.forget(ME, "B")
    assert queue.expected(ME, "B", 8.0) is None


def test_one_slow_answer_changes_no_expectation():
    clock = Clock(limit=10_000, journey=lambda t: 60.0 if t.symbol == "S9" else 0.5)
    for n in range(40):
        clock.at(float(n), lambda n=n: clock.ask(f"S{n}"))
    clock.at(100.0, lambda: clock.ask("LAST"))
    ((_, _, left),) = check(clock, [100.0], ["LAST"], grain=0.01)
    assert left == 0.5


def test_nothing_is_expected_of_what_is_not_asked_for():
    clock = Clock()
    assert clock.queue.expected(ME, "A", 0.0) is None
    clock.ask("A")
    assert clock.queue.expected(OTHER, "A", 0.0) is None
    clock.queue.withdraw(ME, "A")
    assert clock.queue.expected(ME, "A", 0.0) is None


def test_looking_ahead_changes_nothing():
    clock = Clock(limit=30)
    for n in range(20):
        clock.ask(f"S{n}", read=n % 3 == 0)
    plain = Clock(limit=30)
    for n in range(20):
        plain.ask(f"S{n}", read=n % 3 == 0)
    for at in range(0, 300, 7):
        clock.at(at, lambda: clock.queue.forecast(clock.now))
    sent = [(at, t.symbol) for at, t in clock.run().sent]
    assert sent == [(at, t.symbol) for at, t in plain.run().sent]


def test_forecast_ends_on_a_clock_of_coarse_grain():
    """Seconds since 1970 have a grain of a quarter of a microsecond."""
    now = 1_793_400_000.123456
    queue = Scheduler(Budget(10, WINDOW))
    for n in range(20):
        queue.ask(ME, f"S{n}", 10, now, read=False)
    assert len(queue.forecast(now)) == 20


# -- out of turn -----------------------------------------------------------------------


def test_spare_request_goes_only_if_nobody_waits_and_half_is_left():
    clock = Clock(limit=40)
    queue = clock.queue
    tickets = [queue.spare(ME, "A", 10, 0.0) for _ in range(3)]
    assert [ticket is not None for ticket in tickets] == [True, True, False]
    for ticket in tickets[:2]:
        queue.done(ticket, 0.0)
    assert queue.spare(ME, "A", 10, 59.0) is None
    clock.ask("B", due=1e4)
    assert queue.spare(ME, "A", 10, 61.0) is None
    queue.forget(ME, "B")
    assert queue.spare(ME, "A", 10, 61.0) is not None
