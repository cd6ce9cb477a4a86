"""A connection's pace: how long a silence it may make, and when one is asked about."""

from __future__ import annotations

import math

import pytest

from booksync import inputs
from booksync.connection import Connection, Pace
from booksync.engine import Engine
from booksync.events import Reconnect
from booksync.probing import Prober
from booksync.venues.binance import Binance


def paced(pause, count, until=100.0):
    """A connection that was heard every so often, the last time at 100 s."""
    at = Connection(1, None, until - pause * count)
    at.prober = Prober(1.0, 0.0)
    for n in range(1, count + 1):
        beat(at, until - pause * (count - n))
    return at


def beat(at, now):
    at.pulse.beat(now)
    at.data.beat(now)


def test_pace_is_known_after_a_hundred_frames_and_ten_seconds():
    assert paced(0.25, 100).data.usual() == 0.25
    assert paced(0.25, 99).data.usual() is None
    assert paced(0.0625, 160).data.usual() == 0.0625
    assert paced(0.0625, 159).data.usual() is None
    assert paced(0.25, 99).data.patience() == math.inf


def test_longest_pause_is_remembered_for_a_minute_or_two():
    pace = Pace(0.0)
    now = 0.0
    for n in range(2000):
        now += 20.0 if n == 200 else 0.1
        pace.beat(now)
        if n > 200:
            patience = pace.patience()
            if now < 20.0 + 20.1 + 59.0:
                assert patience == pytest.approx(40.0)
    assert now > 200.0
    assert pace.patience() == 2.5


@pytest.mark.parametrize(
    ("pause", "asked", "dead"), [(0.1, 1.0, 2.5), (0.125, 1.25, 2.5), (0.5, 5.0, 10.0)]
)
def test_silence_is_asked_about_in_time(pause, asked, dead):
    at = paced(pause, 200)
    assert at.ask_at(60.0) == 100.0 + asked
    assert at.silent_at(60.0, hard=False) == 100.0 + dead


def test_unknown_pace_is_asked_about_at_half_of_the_venues_patience():
    at = paced(1.0, 50)
    assert at.ask_at(60.0) == 130.0
    assert at.silent_at(60.0, hard=False) == 160.0


@pytest.mark.parametrize(
    ("quiet", "asked", "dead"),
    [(1.0, 1.0, 2.5), (3.0, 3.0, 6.0), (20.0, 20.0, 40.0), (900.0, 60.0, 120.0)],
)
def test_silence_that_was_vouched_for_may_be_as_long_again(quiet, asked, dead):
    at = paced(0.1, 200)
    at.vouched = 100.0 + quiet
    assert at.ask_at(60.0) == at.vouched + asked
    assert at.silent_at(60.0, hard=False) == at.vouched + dead
    assert at.silent_at(20.0, hard=True) == min(120.0, at.vouched + dead)


def test_question_without_an_answer_is_asked_again():
    at = paced(0.1, 200)
    assert at.prober is not None
    at.prober.press({}, 101.0, 100.0)
    assert at.ask_at(60.0) == 102.0


def test_nobody_is_asked_before_the_stream_is_subscribed():
    at = paced(0.1, 200)
    at.ack_at = 110.0
    assert at.ask_at(60.0) == math.inf
    at.ack_at, at.prober = None, None
    assert at.ask_at(60.0) == math.inf


def test_connection_that_is_given_up_waits_for_nothing():
    engine = Engine(Binance(depth=100))
    engine.take(inputs.Opened(1, ("X",)), 0.0)
    engine.tick(10.0)  # nothing confirmed it
    outputs = engine.tick(1000.0)
    assert [o for o in outputs if isinstance(o, Reconnect)]
    assert engine.deadline() is None


def test_answer_to_a_probe_is_for_connections_that_have_the_book():
    engine = Engine(Binance(depth=100))
    engine.take(inputs.Opened(1, ("X",)), 0.0)
    engine.take(inputs.Opened(2, ("Y",)), 0.0)
    engine.connections[1].prober = None  # as after a checkpoint
    body = b'{"lastUpdateId":1,"bids":[["9","1"]],"asks":[["10","1"]]}'
    given = inputs.Answered("X", -2, 200, 100, "", body, probe=True)
    assert engine.take(given, 1.0) == []
