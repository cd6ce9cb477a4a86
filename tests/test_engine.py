"""The engine: routing, acknowledgements, connection faults, time."""

from __future__ import annotations

import msgspec
import pytest

from booksync import inputs
from booksync.engine import ACK_WAIT, Engine, policy_of
from booksync.errors import ConfigurationError, MalformedMessage
from booksync.events import (
    Changed,
    Desynced,
    Drift,
    FetchSnapshot,
    Malformed,
    Reconnect,
    Rejected,
    Resubscribe,
    Rotate,
    Send,
    Synced,
)
from booksync.messages import (
    Checksum,
    Closing,
    Delta,
    Halted,
    Lost,
    Reply,
    Resumed,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.policy import Way
from booksync.states import Cause, Scope
from booksync.venues.base import Venue
from booksync.venues.binance import Binance
from booksync.venues.facts import (
    Assurance,
    Facts,
    Heartbeat,
    Numbering,
    Request,
    Resync,
    Source,
)

FACTS = Facts(
    markets="toys",
    source=Source.STREAM,
    assurance=Assurance.CHAINED,
    numbering=Numbering.SYMBOL,
    resync=Resync.RESUBSCRIBE,
    url="https://example.com",
    date="2026-11-22",
)
#: What the frames of the toy venue mean.
FRAMES: dict[str, list[object]] = {}


class Toy(Venue):
    """A venue whose frames are what the test says they are."""

    id = "toy"
    facts = FACTS
    heartbeat = Heartbeat(silence=30.0)
    WS_URL = "wss://example.com"

    def session(self):
        return []

    def greet(self, session, now):
        return ["hello"]

    def subscribe(self, symbols, session, now):
        return [f"+{','.join(symbols)}"]

    def unsubscribe(self, symbols, session, now):
        return [f"-{','.join(symbols)}"]

    def snapshot_frame(self, symbol, session, now):
        return f"?{symbol}"

    def parse(self, frame, session):
        session.append(frame)
        if frame.startswith("bad"):
            raise MalformedMessage("not a frame", frame.partition(" ")[2] or None)
        return FRAMES[frame]


def toy(**facts):
    kind = type("Toy", (Toy,), {"facts": msgspec.structs.replace(FACTS, **facts)})
    return Engine(kind())


def say(*messages):
    frame = str(len(FRAMES))
    FRAMES[frame] = list(messages)
    return frame


def snapshot(symbol="X", sequence=10):
    return Snapshot(symbol, sequence, [("9", "1")], [("10", "1")])


def opened(engine, *symbols, number=1, now=0.0):
    return engine.take(inputs.Opened(number, symbols), now)


def live(engine, *symbols):
    opened(engine, *symbols)
    engine.frame(1, say(Subscribed(symbols)), 0.0)
    for symbol in symbols:
        assert engine.frame(1, say(snapshot(symbol)), 0.0) == [Synced(symbol, 10)]
    return engine


def kinds(outputs):
    return [type(output).__name__ for output in outputs]


# -- connections ---------------------------------------------------------------------


def test_opening_greets_and_subscribes():
    assert opened(toy(), "X", "Y") == [Send(1, ("hello",)), Send(1, ("+X,Y",))]


def test_acknowledgement_starts_the_book():
    engine = Engine(Binance())
    opened(engine, "BTCUSDT")
    outputs = engine.frame(1, '{"result":null,"id":1}', 1.0)
    assert outputs == [FetchSnapshot("BTCUSDT", 1, 1.0)]


def test_first_delta_starts_the_book_before_the_acknowledgement():
    engine = toy()
    opened(engine, "X")
    outputs = engine.frame(1, say(snapshot()), 1.0)
    assert outputs == [Synced("X", 10)]
    assert engine.frame(1, say(Subscribed(("X",))), 1.0) == []


def test_missing_acknowledgement_does_not_hold_the_book_up():
    engine = Engine(Binance())
    opened(engine, "BTCUSDT")
    assert engine.deadline() == ACK_WAIT
    assert engine.tick(ACK_WAIT) == [FetchSnapshot("BTCUSDT", 1, ACK_WAIT)]


def test_acknowledgements_are_awaited_from_the_last_frame_on():
    engine = Engine(Binance())
    opened(engine, *(f"X{number}USDT" for number in range(300)))
    assert engine.deadline() == ACK_WAIT + 2 / 4.0  # three frames, four a second


def test_venue_without_acknowledgements_starts_at_once():
    engine = toy(source=Source.REST, acks=False)
    assert kinds(opened(engine, "X")) == ["Send", "Send", "FetchSnapshot"]


def test_closed_connection_withholds_its_books_only():
    engine = live(toy(), "X")
    opened(engine, "Y", number=2)
    engine.frame(2, say(snapshot("Y")), 0.0)
    outputs = engine.take(inputs.Closed(1), 1.0)
    assert outputs == [Desynced("X", Cause.DISCONNECTED, scope=Scope.CONNECTION)]
    assert engine.books["Y"].live
    assert engine.take(inputs.Closed(1), 1.0) == []


def test_frame_of_a_connection_that_was_given_up_is_counted_and_dropped():
    engine = live(toy(), "X")
    engine.take(inputs.Closed(1), 1.0)
    assert engine.frame(1, say(snapshot()), 1.0) == []
    assert engine.counts.late_frames == 1


def test_silent_connection_is_given_up():
    engine = live(toy(), "X")
    engine.frame(1, say(Delta("X", 10, 11, [], [])), 5.0)
    assert engine.deadline() == 35.0
    outputs = engine.tick(35.0)
    assert outputs == [
        Desynced("X", Cause.SILENT, scope=Scope.CONNECTION),
        Reconnect(1, Cause.SILENT),
    ]
    assert engine.tick(99.0) == []


def test_notice_of_closing_asks_for_another_connection_once():
    engine = live(toy(), "X")
    assert engine.frame(1, say(Closing("upgrade")), 1.0) == [Rotate(1)]
    assert engine.frame(1, say(Closing("upgrade")), 1.0) == []


def test_notice_of_closing_where_nothing_is_live_ends_the_connection():
    engine = toy()
    opened(engine, "X")
    closing = say(Closing("try later"))
    assert engine.frame(1, closing, 1.0) == [Reconnect(1, Cause.CLOSING)]
    assert engine.frame(1, closing, 1.0) == []


def test_refusal_that_may_pass_is_asked_for_again_with_more_pause_each_time():
    engine = live(toy(), "Y")
    engine.take(inputs.Subscribed(1, ("X",)), 1.0)
    later = say(Rejected(("X",), "slow down", final=False))
    told = Rejected(("X",), "slow down", final=False)
    assert engine.frame(1, later, 2.0) == [told, Resubscribe("X", 2.5, 1)]
    assert engine.frame(1, later, 2.5) == [told, Resubscribe("X", 3.5, 2)]
    again = engine.take(inputs.Resubscribed("X"), 3.5)
    assert again == [Send(1, ("+X",))]
    assert engine.frame(1, later, 3.6)[1].at == 5.6
    engine.take(inputs.Resubscribed("X"), 5.6)
    assert engine.frame(1, say(Subscribed(("X",))), 5.7) == []
    assert engine.frame(1, say(snapshot("X")), 5.8) == [Synced("X", 10)]
    assert engine.frame(1, say(Rejected(("Y",), "?", final=False)), 6.0) == [
        Rejected(("Y",), "?", final=False)
    ]  # it is live: whatever was refused, it was not needed
    assert engine.books["Y"].live


def test_pause_after_refusals_has_an_upper_end():
    engine = toy()
    opened(engine, "X")
    later = say(Rejected(("X",), "slow down", final=False))
    waits = [engine.frame(1, later, 0.0)[1].at for _ in range(40)]
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == 30.0
    assert engine.deadline() == 30.0  # silence: no acknowledgement is awaited


def test_reply_goes_out_on_the_same_connection():
    engine = live(toy(), "X")
    assert engine.frame(1, say(Reply("pong")), 1.0) == [Send(1, ("pong",))]


# -- routing -------------------------------------------------------------------------


def test_delta_changes_its_book():
    engine = live(toy(), "X", "Y")
    delta = Delta("Y", 10, 11, [("9", "2")], [])
    (changed,) = engine.frame(1, say(delta), 1.0)
    assert isinstance(changed, Changed)
    assert changed.symbol == "Y"
    assert str(engine.books["Y"].book.best_bid.size) == "2"
    assert str(engine.books["X"].book.best_bid.size) == "1"


def test_several_messages_of_one_frame_are_taken_in_order():
    engine = live(toy(), "X", "Y")
    frame = say(Delta("X", 10, 11, [], []), Delta("Y", 10, 11, [], []))
    assert [e.symbol for e in engine.frame(1, frame, 1.0)] == ["X", "Y"]


def test_message_of_another_symbol_is_reported_and_changes_nothing():
    engine = live(toy(), "X")
    outputs = engine.frame(1, say(Delta("Z", 10, 11, [], [])), 1.0)
    assert outputs == [Malformed("Z", "not subscribed here", 1)]
    assert engine.counts.foreign == 1
    assert engine.books["X"].live


def test_late_message_of_a_symbol_that_was_removed_is_no_fault():
    engine = live(toy(), "X", "Y")
    outputs = engine.take(inputs.Removed("X"), 1.0)
    assert outputs[-1] == Send(1, ("-X",))
    assert engine.frame(1, say(Delta("X", 10, 11, [], [])), 1.0) == []
    assert "X" not in engine.books


def test_more_symbols_join_an_open_connection():
    engine = live(toy(), "X")
    outputs = engine.take(inputs.Subscribed(1, ("Y",)), 1.0)
    assert outputs == [Send(1, ("+Y",))]
    assert engine.frame(1, say(snapshot("Y")), 1.0) == [Synced("Y", 10)]


def test_discovery_takes_in_whatever_a_recording_names():
    engine = Engine(Toy(), discover=True)
    opened(engine)
    assert engine.frame(1, say(snapshot("Q")), 0.0) == [Synced("Q", 10)]


# -- bad input -----------------------------------------------------------------------


def test_malformed_frame_is_counted_reported_and_changes_nothing():
    engine = live(toy(), "X")
    assert engine.frame(1, "bad", 1.0) == [Malformed(None, "not a frame", 1)]
    assert engine.counts.malformed == 1
    assert engine.books["X"].live


def test_malformed_frame_costs_a_resync_where_numbers_cannot_show_a_loss():
    engine = live(toy(numbering=None), "X", "Y")
    outputs = engine.frame(1, "bad X", 1.0)
    assert kinds(outputs) == ["Malformed", "Desynced", "Resubscribe"]
    assert not engine.books["X"].live
    assert engine.books["Y"].live


def test_malformed_frame_costs_nothing_where_numbers_show_a_loss():
    engine = live(toy(), "X")
    assert kinds(engine.frame(1, "bad X", 1.0)) == ["Malformed"]
    assert engine.books["X"].live


def test_bug_in_a_venue_module_does_not_end_the_feed():
    engine = live(toy(), "X")
    outputs = engine.frame(1, "nobody said this", 1.0)
    assert kinds(outputs) == ["Malformed"]
    assert "KeyError" in outputs[0].reason


# -- trust ---------------------------------------------------------------------------


def test_message_lost_on_a_connection_withholds_all_its_books():
    engine = live(toy(resync=Resync.RECONNECT), "X", "Y")
    outputs = engine.frame(1, say(Lost(5, 7)), 1.0)
    assert kinds(outputs) == ["Desynced", "Reconnect", "Desynced"]
    assert outputs[0] == Desynced(
        "X", Cause.LOST, expected=5, got=7, scope=Scope.CONNECTION
    )


def test_gap_resubscribes_once_the_venue_confirms_the_end():
    engine = live(toy(), "X", "Y")
    outputs = engine.frame(1, say(Delta("X", 11, 12, [], [])), 1.0)
    assert outputs[1] == Resubscribe("X", 1.0)
    assert engine.take(inputs.Resubscribed("X"), 1.0) == [Send(1, ("-X",))]
    assert engine.frame(1, say(Unsubscribed(("X",))), 1.1) == [Send(1, ("+X",))]
    drift = Drift(compared=2, differing=0, seconds=1.2 - 1.0)
    assert engine.frame(1, say(snapshot("X", 20)), 1.2) == [
        Synced("X", 20, drift=drift)
    ]


def test_resubscription_does_not_wait_for_ever_for_the_confirmation():
    engine = live(toy(), "X")
    engine.frame(1, say(Delta("X", 11, 12, [], [])), 1.0)
    engine.take(inputs.Resubscribed("X"), 1.0)
    assert engine.take(inputs.Resubscribed("X"), 12.0) == [Send(1, ("-X", "+X"))]


def test_hopeless_resubscription_ends_in_a_reconnect():
    engine = live(toy(), "X")
    outputs = engine.frame(1, say(Delta("X", 11, 12, [], [])), 1.0)
    seen = []
    for _ in range(10):
        engine.connections[1].pulse.heard = engine.deadline()  # not silent
        outputs = engine.tick(engine.deadline())
        seen += kinds(outputs)
        if "Reconnect" in seen:
            break
    assert seen == ["Resubscribe"] * 3 + ["Reconnect"]


def test_periodic_snapshot_that_does_not_come_ends_in_a_reconnect():
    facts = {"resync": Resync.WAIT, "snapshot_every": 60.0}
    engine = live(toy(**facts), "X")
    assert kinds(engine.frame(1, say(Delta("X", 11, 12, [], [])), 1.0)) == ["Desynced"]
    engine.connections[1].pulse.heard = 91.0  # not silent
    assert engine.tick(90.9) == []
    assert engine.tick(91.0) == [Reconnect(1, Cause.GAP)]


def test_checksum_message_is_for_its_book():
    engine = live(toy(checksum="all"), "X")
    engine.books["X"].policy = msgspec.structs.replace(
        engine.policy, checksum=lambda _bids, _asks, _symbol: 5
    )
    assert engine.frame(1, say(Checksum("X", 5)), 1.0) == []
    assert kinds(engine.frame(1, say(Checksum("X", 6)), 1.0)) == [
        "Desynced",
        "Resubscribe",
    ]


def test_halt_and_resumption_are_events():
    engine = live(toy(), "X")
    outputs = engine.frame(1, say(Halted("X", "delisted")), 1.0)
    assert kinds(outputs) == ["Desynced", "Halted"]
    assert kinds(engine.frame(1, say(Resumed("X")), 2.0)) == ["Resumed", "Resubscribe"]


def test_refused_symbol_is_an_event_and_stays_offline():
    engine = toy()
    opened(engine, "X")
    outputs = engine.frame(1, say(Rejected(("X",), "unknown")), 1.0)
    assert outputs == [Rejected(("X",), "unknown")]
    assert not engine.books["X"].live


# -- answers -------------------------------------------------------------------------


def fetching():
    engine = Engine(Binance())
    opened(engine, "BTCUSDT")
    engine.frame(1, '{"result":null,"id":1}', 0.0)
    return engine


def answer(status=200, body=b"{}", request=1):
    return inputs.Answered("BTCUSDT", request, status, 1000, "", body)


def test_unknown_symbol_is_refused_by_the_snapshot():
    body = b'{"code":-1121,"msg":"Invalid symbol."}'
    outputs = fetching().take(answer(400, body), 1.0)
    assert outputs == [Rejected(("BTCUSDT",), "Invalid symbol. (code -1121)")]


@pytest.mark.parametrize("status", [429, 418, 500, 503])
def test_answer_of_an_overloaded_venue_is_asked_again_later(status):
    (again,) = fetching().take(answer(status), 1.0)
    assert isinstance(again, FetchSnapshot)
    assert (again.request, again.attempt) == (2, 1)
    assert again.at > 1.0


def test_body_that_is_no_snapshot_is_reported_and_asked_again():
    outputs = fetching().take(answer(body=b'{"lastUpdateId":1,"bi'), 1.0)
    assert kinds(outputs) == ["Malformed", "FetchSnapshot"]


def test_failure_below_the_protocol_is_asked_again():
    outputs = fetching().take(inputs.Failed("BTCUSDT", 1), 1.0)
    assert kinds(outputs) == ["FetchSnapshot"]


def test_answer_for_a_symbol_that_was_removed_is_dropped():
    engine = fetching()
    engine.take(inputs.Removed("BTCUSDT"), 0.5)
    assert engine.take(answer(), 1.0) == []
    assert engine.take(inputs.Failed("BTCUSDT", 1), 1.0) == []


def test_request_frame_is_made_when_its_time_comes():
    engine = toy(source=Source.REQUEST, resync=Resync.FETCH)
    opened(engine, "X")
    (fetch,) = engine.frame(1, say(Subscribed(("X",))), 0.0)
    assert engine.take(inputs.Asked("X", fetch.request), 0.0) == [Send(1, ("?X",))]
    assert engine.take(inputs.Asked("X", 99), 0.0) == []
    assert engine.frame(1, say(snapshot()), 0.1) == []  # waits for a delta
    delta = Delta("X", 10, 11, [], [])
    assert engine.frame(1, say(delta), 0.2) == [Synced("X", 11)]


def test_answer_to_a_request_frame_that_nobody_waits_for_is_refused():
    engine = toy(source=Source.REQUEST, resync=Resync.FETCH)
    opened(engine, "X")
    engine.frame(1, say(Subscribed(("X",))), 0.0)
    engine.frame(1, say(snapshot()), 0.1)
    engine.frame(1, say(Delta("X", 10, 11, [], [])), 0.2)
    assert engine.frame(1, say(snapshot(sequence=5)), 0.3) == []
    assert engine.books["X"].book.sequence == 11


# -- policy --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "resync", "way"),
    [
        (Source.REST, Resync.FETCH, Way.FETCH),
        (Source.REQUEST, Resync.FETCH, Way.FETCH),
        (Source.STREAM, Resync.RESUBSCRIBE, Way.RESUBSCRIBE),
        (Source.STREAM, Resync.RECONNECT, Way.RECONNECT),
        (Source.EVERY_FRAME, Resync.WAIT, Way.WAIT),
    ],
)
def test_policy_follows_the_facts(source, resync, way):
    assert toy(source=source, resync=resync).policy.way is way


def test_unknown_setting_is_refused():
    with pytest.raises(ConfigurationError, match="no such setting: patience"):
        policy_of(Toy(), patience=3)


def test_handshake_request_is_relative():
    assert Request(path="/x").method == "GET"


# -- silence -------------------------------------------------------------------


def paced(pause, count=200):
    engine = live(toy(), "X")
    now = 0.0
    for n in range(count):
        now += pause
        engine.frame(1, say(Delta("X", 10 + n, 11 + n, [], [])), now)
    return engine, now


def test_active_connection_that_falls_silent_is_dead_within_three_seconds():
    engine, now = paced(0.1)
    assert engine.deadline() - now <= 3.0
    assert kinds(engine.tick(now + 3.0)) == ["Desynced", "Reconnect"]


def test_quiet_connection_is_given_the_venues_patience():
    engine, now = paced(2.0)
    assert engine.deadline() - now == 30.0


def test_connection_that_paused_before_may_pause_again():
    engine, now = paced(0.1)
    now += 2.4
    engine.frame(1, say(Delta("X", 210, 211, [], [])), now)
    assert engine.deadline() - now == pytest.approx(4.8)


def test_heartbeats_do_not_hide_that_the_books_fell_silent():
    engine, now = paced(0.1)
    for _ in range(4):
        now += 0.5
        assert not engine.frame(1, say(), now)
    assert engine.deadline() - now <= 1.0
    assert kinds(engine.tick(now + 1.0)) == ["Desynced", "Reconnect"]


def test_heartbeats_keep_a_connection_whose_books_are_quiet():
    engine, now = paced(20.0)
    for _ in range(40):
        now += 1.0
        engine.frame(1, say(), now)
        assert not engine.tick(now)
    assert engine.deadline() > now


@pytest.mark.parametrize("end", ["removed", "halted"])
def test_connection_that_carries_less_has_another_pace(end):
    engine = live(toy(), "X", "Y")
    now = 0.0
    for n in range(200):
        now += 0.1
        engine.frame(1, say(Delta("X", 10 + n, 11 + n, [], [])), now)
    if end == "removed":
        engine.take(inputs.Removed("X"), now)
    else:
        engine.frame(1, say(Halted("X", "lunch")), now)
    assert engine.deadline() - now == 30.0


def test_new_connection_has_no_pace_yet():
    engine, now = paced(0.1, count=50)
    assert engine.deadline() - now == 30.0
