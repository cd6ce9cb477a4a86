"""What declared venues share: requests and their answers, REST addresses, listings."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import ClassVar, Generic, TypeVar

import pytest
from msgspec import Struct

from booksync.errors import MalformedMessage, SubscriptionRejected
from booksync.messages import (
    Delta,
    Halted,
    Rejected,
    Resumed,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Instrument, Limits, Request
from booksync.venues import declared as shared
from booksync.venues.declared import (
    Counted,
    DeclaredVenue,
    Requests,
    RestBook,
    halts,
    partly,
    step,
)
from tests.venues.test_base import FACTS

N = TypeVar("N")


class Push(Struct, Generic[N]):
    """A change of the bids."""

    s: str
    n: int
    b: list[tuple[N, N]]


class Control(Struct):
    """Anything else."""

    id: int | None = None
    error: str | None = None


class Book(Struct, Generic[N]):
    """A snapshot."""

    n: int
    b: list[tuple[N, N]]


class Problem(Struct):
    """A refused snapshot."""

    code: int


class Market(Struct):
    """A market."""

    name: str
    places: int


class Small(DeclaredVenue):
    """As little as a venue can be."""

    id = "small"
    facts = FACTS
    limits = Limits(symbols_per_frame=2)
    PUSH, CONTROL, BOOK, LISTING, PROBLEM = Push, Control, Book, list[Market], Problem
    REST_BOOK = RestBook(
        path="/v2/book", depth="limit", params={"id": "yes"}, weight=5, ending="/book"
    )
    LISTINGS = (Request(path="/markets"),)
    CASE = "upper"
    STREAM_PATH = "/ws"
    default_depth = 50

    def request(self, operation, symbols, number, now):
        return [operation, symbols, number, now]

    def read_push(self, push, session):
        return (Delta(push.s, push.n - 1, push.n, push.b, []),)

    def read_control(self, control, session, problem):
        if control.id is None:
            raise MalformedMessage(problem, "X")
        if control.error:
            return session.refused(control.id, control.error)
        return session.confirmed(control.id)

    def read_book(self, book, symbol, depth):
        return Snapshot(symbol, book.n, book.b, [], depth)

    def unknown(self, problem):
        return "who?" if problem.code == 404 else None

    def listed(self, answer):
        for market in answer:
            yield Instrument(symbol=market.name, price_step=step(market.places))


# -- requests --------------------------------------------------------------------------


def test_symbols_are_split_over_numbered_frames():
    venue = Small()
    session = venue.session()
    asked = [json.loads(f) for f in venue.subscribe(["A", "B", "C"], session, 7.0)]
    ended = [json.loads(f) for f in venue.unsubscribe(["A"], session, 8.0)]
    assert asked == [["subscribe", ["A", "B"], 1, 7.0], ["subscribe", ["C"], 2, 7.0]]
    assert ended == [["unsubscribe", ["A"], 3, 8.0]]


def test_an_option_may_change_how_many_symbols_a_frame_holds():
    venue = Small()
    venue.symbols_per_frame = 1
    frames = venue.subscribe(["A", "B"], venue.session(), 0.0)
    assert [json.loads(frame)[1] for frame in frames] == [["A"], ["B"]]


@pytest.mark.parametrize(
    ("frame", "messages"),
    [
        ('{"id":1}', (Subscribed(("A", "B")),)),
        ('{"id":2}', (Unsubscribed(("A",)),)),
        ('{"id":3}', ()),
        ('{"id":1,"error":"no"}', (Rejected(("A", "B"), "no"),)),
        ('{"id":2,"error":"no"}', ()),
        ('{"id":3,"error":"no"}', (Rejected((), "no"),)),
    ],
)
def test_answer_means_what_was_asked(frame, messages):
    venue = Small()
    session = venue.session()
    venue.subscribe(["A", "B"], session, 0.0)
    venue.unsubscribe(["A"], session, 0.0)
    assert venue.parse(frame, session) == messages


def test_snapshot_that_was_asked_for_needs_no_consent_but_may_be_refused():
    session = Requests()
    session.add("snapshot", ["A"])
    assert session.confirmed(1) == ()
    assert session.refused(1, "no") == (Rejected(("A",), "no"),)


def test_refusal_for_now_names_whom_to_ask_for_later():
    session = Requests()
    session.add("subscribe", ["A"])
    later = Rejected(("A",), "later", final=False)
    assert session.refused("1", "later", final=False) == (later,)


def test_refusal_for_now_that_names_nobody_is_none_for_good():
    """A limit on requests that no subscription was part of: a ping, a heartbeat."""
    session = Requests()
    number = session.add("heartbeat", [])
    for unnamed in (number, "7"):
        (refused,) = session.refused(unnamed, "too many requests", final=False)
        assert refused == Rejected((), "too many requests", final=False)


def test_requests_that_are_never_answered_are_forgotten(monkeypatch):
    monkeypatch.setattr(shared, "MAX_WAITING", 2)
    session = Requests()
    for symbol in "ABC":
        session.add("subscribe", [symbol])
    assert session.of(1) == (None, ())
    assert session.of(2) == ("subscribe", ("B",))
    assert session.number == 3


@pytest.mark.parametrize(
    ("symbol", "other"),
    [
        pytest.param("A", 1, id="known"),
        pytest.param("Z", 2, id="of nobody who was asked for"),
        pytest.param(None, 2, id="unknown"),
    ],
)
def test_message_that_cannot_be_read_takes_a_number(symbol, other):
    session = Counted()
    session.add("subscribe", ["A", "B"])
    assert session.count("A") == 1
    session.missed(symbol)
    assert [session.count(name) for name in "ABC"] == [3, other, 1]


def test_symbols_are_counted_from_their_first_subscription():
    session = Counted()
    session.add("subscribe", ["A"])
    assert session.count("A") == 1
    session.add("unsubscribe", ["A"])
    session.add("subscribe", ["A"])
    assert session.count("A") == 2
    assert session.of(3) == ("subscribe", ("A",))


def test_halt_has_a_reason_and_its_end_has_none():
    assert halts(iter("AB"), "lock") == [Halted("A", "lock"), Halted("B", "lock")]
    assert halts(["A"], None) == [Resumed("A")]


def test_broken_data_are_read_as_far_as_they_go():
    assert partly(b'{"id":3,"b":[1]}', Control).id == 3
    assert partly(b'{"id":"x"}', Control) == partly(b"{", Control) == Control()
    assert partly(b"{}", list[Control]) == []


def test_stream_is_where_the_options_say():
    class Chosen(Small):
        OPTIONS: ClassVar = {"market": ("spot", "swap")}
        STREAM_PATH = "/v5/{market}"

    assert Small().stream_url("wss://x") == "wss://x/ws"
    assert Chosen().stream_url("wss://x") == "wss://x/v5/spot"
    swap = Chosen(options={"market": "swap"})
    assert swap.stream_url("wss://y") == "wss://y/v5/swap"


def test_ping_may_be_always_the_same():
    class Beating(Small):
        PING = '{"op":"ping"}'

    assert Beating().ping(Requests(), 0.0) == '{"op":"ping"}'


# -- frames ----------------------------------------------------------------------------


@pytest.mark.parametrize(("numbers", "kind"), [(Decimal, str), (float, float)])
def test_numbers_are_read_as_the_book_wants_them(numbers, kind):
    venue = Small(numbers=numbers)
    (delta,) = venue.parse('{"s":"A","n":3,"b":[["1.50","2"]]}', venue.session())
    assert [type(value) for value in delta.bids[0]] == [kind, kind]
    assert delta.bids == [(kind("1.50"), kind("2"))]


def test_json_numbers_stay_exact():
    class Numeric(Small):
        JSON_NUMBERS = True

    venue = Numeric()
    (delta,) = venue.parse('{"s":"A","n":3,"b":[[0.1,2.50]]}', venue.session())
    assert str(delta.bids[0]) == "(Decimal('0.1'), Decimal('2.50'))"


@pytest.mark.parametrize(
    ("frame", "symbol"), [("{}", "X"), ('{"s":', None), ('{"id":[]}', None)]
)
def test_unreadable_frame_is_told_of_before_it_is_raised(frame, symbol):
    told = []

    class Watched(Requests):
        def missed(self, symbol):
            told.append(symbol)

    with pytest.raises(MalformedMessage):
        Small().parse(frame, Watched())
    assert told == [symbol]


class Whole(Struct, Generic[N]):
    """A snapshot in the stream."""

    whole: str
    n: int
    b: list[tuple[N, N]]


class Seeded(Small):
    """A venue whose stream has snapshots of another shape."""

    WHOLE = Whole

    class Control(Control):
        """May be the head of a snapshot."""

        whole: str | None = None

    CONTROL = Control

    def whose(self, control, session):
        return control.whole

    def read_whole(self, whole, session):
        return (Snapshot(whole.whole, whole.n, whole.b, []),)


def test_snapshot_in_the_stream_is_read_as_what_it_is():
    venue = Seeded()
    frame = '{"whole":"A","n":3,"b":[["1.50","2"]]}'
    assert venue.parse(frame, venue.session()) == (
        Snapshot("A", 3, [("1.50", "2")], []),
    )
    assert venue.parse('{"id":9}', venue.session()) == ()


@pytest.mark.parametrize(("whose", "symbol"), [("A", "A"), ("", None)])
def test_snapshot_that_cannot_be_read_names_whom_it_can(whose, symbol):
    with pytest.raises(MalformedMessage, match="snapshot") as raised:
        Seeded().parse(json.dumps({"whole": whose, "n": "x"}), Requests())
    assert raised.value.symbol == symbol


@pytest.mark.parametrize(
    ("symbol", "names"), [("A", ("A",)), ("C", ("A", "B")), (None, ("A", "B"))]
)
def test_unreadable_frame_concerns_whom_it_names_or_everybody(symbol, names):
    assert shared.concerned({"A": 1, "B": 2}, symbol) == names


# -- REST ------------------------------------------------------------------------------


def test_snapshot_is_asked_for_as_declared():
    request = Small(depth=20).snapshot_request("A/B")
    params = {"symbol": "A/B", "id": "yes", "limit": "20"}
    assert request == Request(path="/v2/book", params=params, weight=5)


@pytest.mark.parametrize(
    ("url", "symbol"),
    [
        ("https://a.example/v1/book?symbol=A%2FB", "A/B"),
        ("/v2/book?limit=5&symbol=A", "A"),
        ("/v2/books?symbol=A", None),
        ("/v2/book?limit=5", None),
    ],
)
def test_snapshot_is_known_by_the_end_of_its_path(url, symbol):
    assert Small().snapshot_symbol(url) == symbol


def test_venue_without_rest_knows_no_snapshot():
    class Streaming(Small):
        REST_BOOK = None

    assert Streaming().snapshot_symbol("/v2/book?symbol=A") is None


def test_snapshot_is_read():
    snapshot = Small().parse_snapshot(b'{"n":7,"b":[["1","2"]]}', "A", 50)
    assert snapshot == Snapshot("A", 7, [("1", "2")], [], 50)


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ('{"code":404}', SubscriptionRejected, "who"),
        ('{"code":500}', MalformedMessage, "snapshot"),
        ("{", MalformedMessage, "snapshot"),
    ],
)
def test_snapshot_that_is_none_is_refused(body, error, words):
    with pytest.raises(error, match=words) as raised:
        Small().parse_snapshot(body, "A", 50)
    assert raised.value.symbol == "A"


@pytest.mark.parametrize("places", [-65, 65, 10**9])
def test_listing_with_impossible_steps_is_malformed(places):
    with pytest.raises(MalformedMessage, match="instruments"):
        Small().parse_instruments(json.dumps([{"name": "A", "places": places}]))


@pytest.mark.parametrize("price", ["NaN", "-1", "Infinity"])
def test_step_that_is_none_is_malformed(price):
    class Stepped(Small):
        def listed(self, answer):
            yield Instrument(symbol="A", price_step=Decimal(price))

    with pytest.raises(MalformedMessage, match="'A' has the step"):
        Stepped().parse_instruments("[]")


def test_listing_is_read():
    markets = Small().parse_instruments('[{"name":"A","places":2}]')
    assert markets == [Instrument(symbol="A", price_step=Decimal("0.01"))]
    assert step(None) is None
