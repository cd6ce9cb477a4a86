"""Two lines: one that stays behind the other and hears nothing is dead, alone."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booksync import inputs
from booksync.engine import ACK_WAIT, Engine
from booksync.events import (
    Changed,
    LineFilled,
    LineLost,
    Reconnect,
    Send,
)
from booksync.messages import Delta, Subscribed, Unsubscribed
from booksync.states import Cause, State
from booksync.straggling import Stragglers
from booksync.venues.facts import Numbering, Resync
from tests.test_engine import FACTS, Toy, say, snapshot


class Two:
    """An engine of two lines, whose books are live at 10, at 0 s."""

    def __init__(self, *symbols, **facts):
        kind = type("Toy", (Toy,), {"facts": msgspec.structs.replace(FACTS, **facts)})
        self.engine = Engine(kind(), lines=2)
        self.symbols = symbols
        self.number, self.last = {}, {}
        for line in (1, 2):
            self.open(line, line, 0.0)

    def open(self, number, line, now):
        self.number[line] = number
        self.last.update({(line, symbol): 10 for symbol in self.symbols})
        self.engine.take(inputs.Opened(number, self.symbols, line - 1), now)
        self.engine.frame(number, say(Subscribed(self.symbols)), now)
        for symbol in self.symbols:
            self.engine.frame(number, say(snapshot(symbol)), now)

    def delta(self, line, symbol, now):
        """The next delta of a line."""
        last = self.last[line, symbol]
        self.last[line, symbol] = last + 1
        made = Delta(symbol, last, last + 1, [("9", str(last))], [])
        return self.engine.frame(self.number[line], say(made), now)

    def wait(self, now, until):
        """Let time pass; return what was said, and when."""
        told = []
        while now < until:
            now = round(now + 0.1, 6)
            told += [(now, output) for output in self.engine.tick(now)]
        return told

    def lines(self, symbol):
        return self.engine.books[symbol].status().lines


def stalled(**facts):
    """At 1.0 s one line of X gets what the other never does; Y is heard on both."""
    two = Two("X", "Y", **facts)
    two.delta(1, "X", 0.9)
    two.delta(2, "X", 0.95)
    assert [type(o) for o in two.delta(1, "X", 1.0)] == [Changed]
    return two


def lively(two, now, until):
    """Y goes on, on both lines."""
    told = []
    while now < until:
        told += two.wait(now, now + 0.5)
        now += 0.5
        for line in (1, 2):
            told += [
                (now, output)
                for output in two.delta(line, "Y", now)
                if type(output) is not Changed
            ]
    return told


def test_line_that_is_behind_and_hears_nothing_is_subscribed_again():
    two = stalled()
    told = lively(two, 1.0, 4.0)
    assert [output for _, output in told] == [
        LineLost("X", 1, cause=Cause.SILENT),
        Send(2, ("-X",)),
    ]
    assert 3.5 <= told[0][0] <= 4.0
    assert two.lines("X") == (State.LIVE, State.OFFLINE)
    assert two.engine.books["X"].book.sequence == 12
    assert two.engine.frame(2, say(Unsubscribed(("X",))), 4.1) == [Send(2, ("+X",))]
    two.engine.frame(2, say(Subscribed(("X",))), 4.2)
    two.engine.frame(2, say(snapshot("X", 12)), 4.3)
    assert two.lines("X") == (State.LIVE, State.LIVE)
    assert two.engine.books["X"].status(5.0).withheld == 0.0


def test_line_that_is_served_gives_way_to_the_one_ahead():
    two = Two("X", "Y")
    assert two.delta(2, "X", 1.0) == []
    told = lively(two, 1.0, 4.0)
    assert [output for _, output in told] == [
        LineLost("X", 0, cause=Cause.SILENT),
        LineFilled("X", 1, sequence=11),
        Send(1, ("-X",)),
    ]
    assert [type(o) for o in two.delta(2, "X", 4.0)] == [Changed]
    assert two.engine.books["X"].status(5.0).withheld == 0.0


def test_line_that_is_behind_but_hears_is_on_its_way():
    two = stalled()
    now = 1.0
    while now < 20.0:
        now += 1.0
        assert [type(o) for o in two.delta(1, "X", now)] == [Changed]
        assert two.delta(2, "X", now) == []
        assert lively(two, now, now) == []
        assert two.wait(now, now + 0.5) == []
    assert two.lines("X") == (State.LIVE, State.LIVE)


def test_lines_that_are_as_far_may_be_quiet():
    two = Two("X", "Y")
    for line in (1, 2):
        two.delta(line, "X", 1.0)
    assert lively(two, 1.0, 25.0) == []


def test_number_of_a_snapshot_alone_proves_nothing():
    """It may be that of a change which no delta tells."""
    two = Two("X", "Y")
    two.engine.frame(1, say(snapshot("X", 20)), 1.0)
    assert lively(two, 1.0, 25.0) == []


def test_connection_on_which_nothing_is_heard_is_given_up():
    two = stalled()
    told = two.wait(1.0, 4.0)
    assert [output for _, output in told] == [
        LineLost("X", 1, cause=Cause.SILENT),
        LineLost("Y", 1, cause=Cause.SILENT),
        Reconnect(2, Cause.SILENT),
    ]


def test_venue_that_sends_no_second_snapshot_is_connected_again():
    two = stalled(resync=Resync.RECONNECT)
    outputs = [output for _, output in lively(two, 1.0, 4.0)]
    assert outputs[-1] == Reconnect(2, Cause.SILENT)


def test_venue_that_confirms_nothing_is_not_waited_for():
    two = stalled(acks=False)
    outputs = [output for _, output in lively(two, 1.0, 4.0)]
    assert outputs[-1] == Send(2, ("-X", "+X"))
    two.engine.frame(2, say(snapshot("X", 12)), 4.3)
    assert two.lines("X") == (State.LIVE, State.LIVE)


def test_confirmation_that_does_not_come_is_not_waited_for():
    two = stalled()
    ((at, _), *_) = lively(two, 1.0, 4.0)
    lively(two, 4.0, at + ACK_WAIT + 0.5)
    assert two.lines("X") == (State.LIVE, State.SYNCING)
    two.engine.frame(2, say(snapshot("X", 12)), at + ACK_WAIT + 1.0)
    assert two.lines("X") == (State.LIVE, State.LIVE)


@pytest.mark.parametrize("numbering", [Numbering.CONNECTION, None])
def test_numbers_that_mean_nothing_elsewhere_prove_nothing(numbering):
    two = stalled(numbering=numbering)
    assert lively(two, 1.0, 25.0) == []


def test_one_line_has_nothing_to_be_behind():
    kind = type("Toy", (Toy,), {"facts": FACTS})
    engine = Engine(kind())
    engine.take(inputs.Opened(1, ("X",)), 0.0)
    engine.frame(1, say(Subscribed(("X",))), 0.0)
    engine.frame(1, say(snapshot()), 0.0)
    assert engine.deadline() == 30.0


def test_line_that_is_behind_again_and_again_is_given_ever_more_time():
    """And once its connection is given up for it, not every time."""
    two = stalled()
    now, lost, dropped = 1.0, [], 0
    while not dropped:
        told = lively(two, now, now + 0.5)
        now += 0.5
        for at, output in told:
            if type(output) is LineLost and output.symbol == "X":
                lost.append(at)
            elif type(output) is Send:
                two.engine.frame(2, say(Unsubscribed(("X",))), now)
                two.engine.frame(2, say(Subscribed(("X",))), now)
                last = two.last[1, "X"] - 1  # a snapshot, and then nothing
                two.engine.frame(2, say(snapshot("X", last)), now)
            dropped += type(output) is Reconnect
        two.delta(1, "X", now)
        assert now < 100.0
    assert len(lost) == 4
    pauses = [b - a for a, b in zip(lost, lost[1:], strict=False)]
    assert pauses == pytest.approx([5.5, 10.5, 20.5], abs=1.0)


def test_line_that_caught_up_once_is_not_as_good_as_new():
    two = stalled()
    assert lively(two, 1.0, 4.0)
    two.engine.frame(2, say(Unsubscribed(("X",))), 4.0)
    two.engine.frame(2, say(Subscribed(("X",))), 4.0)
    two.engine.frame(2, say(snapshot("X", 12)), 4.0)
    assert lively(two, 4.0, 20.0) == []  # it is as far, though it hears nothing
    two.delta(1, "X", 20.0)
    ((at, _), *_) = lively(two, 20.0, 40.0)
    assert 25.0 <= at <= 25.5


def test_line_that_nothing_was_ahead_of_for_a_while_has_all_the_time_again():
    two = stalled()
    assert lively(two, 1.0, 4.0)
    two.engine.frame(2, say(Unsubscribed(("X",))), 4.0)
    two.engine.frame(2, say(Subscribed(("X",))), 4.0)
    two.engine.frame(2, say(snapshot("X", 11)), 4.0)
    assert lively(two, 4.0, 6.0) == []
    two.engine.take(inputs.Closed(1), 6.0)
    assert lively(two, 6.0, 12.0) == []
    two.open(3, 1, 12.0)
    two.engine.frame(3, say(snapshot("X", 12)), 12.0)
    two.engine.frame(3, say(Delta("X", 12, 13, [], [])), 12.0)
    ((at, _), *_) = lively(two, 12.0, 20.0)
    assert 17.0 <= at <= 17.5


def test_books_are_not_looked_at_more_often_than_that():
    two = Two("X", "Y")
    stragglers = Stragglers()
    arbiters = two.engine.shelf.arbiters.values()
    assert stragglers.look(arbiters, 1.0) == []
    assert stragglers.look_at == 1.5
    two.delta(1, "X", 1.2)
    assert stragglers.look(arbiters, 1.4) == []
    assert stragglers.look_at == 1.5
    assert stragglers.look(arbiters, 1.5) == []
    assert stragglers.look(arbiters, 3.9) == []
    (sync,) = stragglers.look(arbiters, 4.5)
    assert sync is two.engine.shelf.lines[1]["X"]


def test_lines_of_which_no_delta_came_are_not_behind():
    two = Two("X", "Y")
    for line in (1, 2):
        two.engine.frame(line, say(snapshot("X", 0)), 1.0)
    assert lively(two, 1.0, 20.0) == []


def test_line_that_went_well_for_a_while_is_as_good_as_new():
    two = stalled()
    assert lively(two, 1.0, 4.0)
    two.engine.frame(2, say(Unsubscribed(("X",))), 4.0)
    two.engine.frame(2, say(Subscribed(("X",))), 4.0)
    two.engine.frame(2, say(snapshot("X", 12)), 4.0)
    two.last[2, "X"] = 12
    for n in range(20):
        for line in (1, 2):
            two.delta(line, "X", 4.0 + n / 10)
    two.delta(1, "X", 6.0)
    ((at, _), *_) = lively(two, 6.0, 20.0)
    assert 8.5 <= at <= 9.0


@given(
    seed=st.integers(0, 2**32),
    pauses=st.lists(st.sampled_from([0.05, 0.5, 5.0]), min_size=2, max_size=2),
    dies=st.sampled_from(["X", "Y", None]),
)
@settings(max_examples=60, deadline=None)
def test_dead_stream_of_one_line_is_found_and_no_other(seed, pauses, dies):
    """Whatever the paces, and journeys of up to two seconds to the second line."""
    chance = random.Random(seed)
    two = Two("X", "Y", "Z")
    todo = [(n / 2, line, "Z") for n in range(1, 81) for line in (1, 2)]
    for symbol, usual in zip("XY", pauses, strict=True):
        at = 0.1
        while (at := at + chance.expovariate(1 / usual)) < 40.0:
            todo += [(at, 1, symbol), (at + chance.uniform(0.0, 2.0), 2, symbol)]
    todo.sort()
    cut, told, now = 20.0, [], 0.1
    for at, line, symbol in todo:
        while now + 0.1 < min(at, 40.0):
            now += 0.1
            told += [(now, output) for output in two.engine.tick(now)]
        if at < 40.0 and not (line == 2 and symbol == dies and at > cut):
            two.delta(line, symbol, at)
    lost = [(at, o.symbol) for at, o in told if isinstance(o, LineLost)]
    # What line 1 had of it that was not under way to line 2 any more.
    ahead = [at for at, line, s in todo if s == dies and line == 1 and cut < at < 36.0]
    assert {symbol for _, symbol in lost} <= {dies}
    if ahead:
        assert min(lost)[0] <= min(ahead) + 3.5
    assert not any(isinstance(output, Reconnect) for _, output in told)
