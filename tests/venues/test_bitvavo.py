"""
Bitvavo. Frames: docs.bitvavo.com/docs/websocket-api/book-subscription and
get-order-book (read 2026-11) and the probe of 2026-09-22 that the venue sheet quotes.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import (
    Delta,
    Halted,
    Rejected,
    Resumed,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Assurance, Instrument, Resync, Source
from booksync.venues.bitvavo import RESTART, Bitvavo
from tests.captures import NaiveBook

DELTA = (
    '{"event":"book","market":"BTC-EUR","nonce":413289768,'
    '"bids":[["74968.00","0"],["75516.00","0.00058294"]],"asks":[],'
    '"timestamp":1790126693594483831}'
)
SNAPSHOT = (
    '{"action":"getBook","requestId":1,"response":{"market":"BTC-EUR",'
    '"nonce":413297445,"bids":[["75521","0.05641959"],["75518","0.09937661"]],'
    '"asks":[["75522","0.0235618"],["75523","0.05786289"]],'
    '"timestamp":1790127496313579360}}'
)


def parse(*frames: str | bytes, venue: Bitvavo | None = None) -> list[Any]:
    venue = venue or Bitvavo()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def delta(nonce: int, time: int, market: str = "BTC-EUR") -> str:
    return (
        f'{{"event":"book","market":"{market}","nonce":{nonce},"bids":[],"asks":[],'
        f'"timestamp":{time}}}'
    )


def snapshot(nonce: int, time: int = 1) -> str:
    return (
        '{"action":"getBook","requestId":1,"response":{"market":"BTC-EUR",'
        f'"nonce":{nonce},"bids":[],"asks":[],"timestamp":{time}}}}}'
    )


def run(*frames: str) -> NaiveBook:
    book = NaiveBook()
    for message in parse(*frames):
        (book.load if isinstance(message, Snapshot) else book.take)(message)
    return book


def test_a_delta_is_counted_by_its_nonce() -> None:
    assert parse(DELTA) == [
        Delta(
            "BTC-EUR",
            413289767,
            413289768,
            [("74968.00", "0"), ("75516.00", "0.00058294")],
            [],
            time=1790126693.5944839,
        )
    ]


def test_an_answer_is_a_snapshot() -> None:
    assert parse(SNAPSHOT) == [
        Snapshot(
            "BTC-EUR",
            413297445,
            [("75521", "0.05641959"), ("75518", "0.09937661")],
            [("75522", "0.0235618"), ("75523", "0.05786289")],
            depth=1000,
            time=1790127496.3135793,
        )
    ]


def test_floats_are_decoded_as_floats() -> None:
    (message,) = parse(DELTA, venue=Bitvavo(numbers=float))
    assert message.bids == [(74968.0, 0.0), (75516.0, 0.00058294)]
    (message,) = parse(SNAPSHOT, venue=Bitvavo(numbers=float))
    assert message.asks[0] == (75522.0, 0.0235618)


@pytest.mark.parametrize(
    ("action", "make"),
    [
        pytest.param("subscribe", Bitvavo.subscribe, id="subscribe"),
        pytest.param("unsubscribe", Bitvavo.unsubscribe, id="unsubscribe"),
    ],
)
def test_one_frame_names_many_markets(action: str, make: Any) -> None:
    venue = Bitvavo()
    assert make(venue, ["BTC-EUR", "ETH-EUR"], venue.session(), 0.0) == [
        (
            f'{{"action":"{action}","channels":'
            '[{"name":"book","markets":["BTC-EUR","ETH-EUR"]}]}'
        )
    ]
    frames = make(venue, [f"A{n}-EUR" for n in range(150)], venue.session(), 0.0)
    parts = [json.loads(text)["channels"][0]["markets"] for text in frames]
    assert [len(part) for part in parts] == [100, 50]


def test_a_snapshot_is_requested_by_frame() -> None:
    venue = Bitvavo()
    session = venue.session()
    assert venue.snapshot_frame("BTC-EUR", session, 0.0) == (
        '{"action":"getBook","requestId":1,"market":"BTC-EUR","depth":1000}'
    )
    assert json.loads(venue.snapshot_frame("ETH-EUR", session, 0.0))["requestId"] == 2
    assert Bitvavo.facts.source is Source.REQUEST
    assert Bitvavo.facts.resync is Resync.FETCH
    assert Bitvavo.facts.assurance is Assurance.COUNTED
    assert Bitvavo.facts.verified == ""
    assert Bitvavo.prepare("btc-eur") == "BTC-EUR"
    with pytest.raises(ConfigurationError):
        Bitvavo(depth=1001)


def test_acknowledgements_list_all_markets() -> None:
    text = '{"event":"subscribed","subscriptions":{"book":["BTC-EUR","ETH-EUR"]}}'
    assert parse(text) == [Subscribed(("BTC-EUR", "ETH-EUR"))]


def test_ends_are_confirmed_in_order() -> None:
    venue = Bitvavo()
    session = venue.session()
    venue.unsubscribe(["BTC-EUR"], session, 0.0)
    venue.unsubscribe(["ETH-EUR", "ADA-EUR"], session, 0.0)
    text = '{"event":"unsubscribed","subscriptions":{"book":["XRP-EUR"]}}'
    assert [venue.parse(text, session) for _ in range(3)] == [
        (Unsubscribed(("BTC-EUR",)),),
        (Unsubscribed(("ETH-EUR", "ADA-EUR")),),
        (),
    ]


def test_an_invalid_market_is_rejected() -> None:
    text = (
        '{"action":"subscribe","errorCode":205,'
        '"error":"market parameter NOPE-EUR is invalid."}'
    )
    reason = "market parameter NOPE-EUR is invalid. (code 205)"
    assert parse(text) == [Rejected(("NOPE-EUR",), reason)]
    other = '{"action":"subscribe","errorCode":205,"error":"name is invalid."}'
    assert parse(other) == [Rejected((), "name is invalid. (code 205)")]


def test_an_error_to_a_request_belongs_to_its_market() -> None:
    venue = Bitvavo()
    session = venue.session()
    venue.snapshot_frame("BTC-EUR", session, 0.0)
    venue.snapshot_frame("ETH-EUR", session, 0.0)
    halted = (
        '{"action":"getBook","requestId":1,"errorCode":431,"error":"market halted"}'
    )
    invalid = '{"action":"getBook","requestId":2,"errorCode":205,"error":"invalid"}'
    assert venue.parse(halted, session) == (
        Halted("BTC-EUR", "market halted (code 431)"),
    )
    assert venue.parse(invalid, session) == (
        Rejected(("ETH-EUR",), "invalid (code 205)"),
    )
    first = venue.parse(delta(1, 1), session)
    assert first == (
        Resumed("BTC-EUR"),
        Delta("BTC-EUR", 0, 1, [], [], time=1e-9),
    )
    assert len(venue.parse(delta(2, 2), session)) == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            '{"action":"getBook","errorCode":105,"error":"rate limit"}',
            id="a rate limit is not for good",
        ),
        pytest.param('{"event":"ticker","market":"BTC-EUR"}', id="ticker"),
        pytest.param('{"action":"getTime","response":{"time":1}}', id="time"),
    ],
)
def test_other_frames_are_ignored(text: str) -> None:
    assert parse(text) == []


def test_the_heartbeat_is_the_websockets_own() -> None:
    assert Bitvavo.heartbeat.interval is None
    assert Bitvavo.heartbeat.silence > 50


def test_vector_17_a_lower_nonce_is_a_gap() -> None:
    # venues/README.md, Appendix B: snapshot 100; 101, 102, 5
    book = run(snapshot(100), delta(101, 11), delta(102, 12), delta(5, 13))
    assert (book.sequence, book.applied) == (102, 2)
    assert len(book.gaps) == 1


def test_after_a_restart_a_new_snapshot_joins() -> None:
    book = run(
        *(snapshot(100), delta(101, 11), delta(102, 12)),
        *(delta(5, 13), delta(6, 14)),
        *(snapshot(6), delta(7, 15), delta(9, 16)),
    )
    assert book.sequence == RESTART + 7
    assert book.sequence % RESTART == 7
    assert [(got % RESTART) for _, got in book.gaps] == [4, 5, 8]


def test_a_second_restart_rises_again() -> None:
    found = parse(delta(50, 1), delta(3, 2), delta(4, 3), delta(2, 4))
    assert [message.last for message in found] == [
        50,
        RESTART + 3,
        RESTART + 4,
        2 * RESTART + 2,
    ]


def test_the_same_nonce_at_a_newer_time_is_a_restart() -> None:
    book = run(snapshot(100), delta(101, 11), delta(101, 12))
    assert (book.sequence, len(book.gaps)) == (101, 1)


def test_a_restart_concerns_its_own_market() -> None:
    found = parse(
        delta(50, 1), delta(70, 1, "ETH-EUR"), delta(3, 2), delta(71, 2, "ETH-EUR")
    )
    assert [message.last for message in found] == [50, 70, RESTART + 3, 71]


def test_a_delta_seen_before_is_stale_and_no_restart() -> None:
    again = [delta(101, 11), delta(101, 11), delta(102, 12), delta(101, 11)]
    book = run(snapshot(100), *again, delta(103, 13))
    assert (book.sequence, book.applied, book.gaps) == (103, 3, [])


def test_a_lower_nonce_without_a_time_is_a_restart() -> None:
    frames = [text.replace(',"timestamp":0', "") for text in (delta(9, 0), delta(3, 0))]
    assert [message.last for message in parse(*frames)] == [9, RESTART + 3]


def test_a_hole_is_a_gap_and_old_deltas_are_dropped_while_joining() -> None:
    book = run(delta(99, 1), delta(100, 2), snapshot(100), delta(101, 3), delta(103, 4))
    assert (book.sequence, book.applied, book.gaps) == (101, 1, [(101, 102)])


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        pytest.param("", None, id="empty"),
        pytest.param(DELTA[:-30], None, id="cut"),
        pytest.param(b"\xff\xfe", None, id="no text"),
        pytest.param("[]", None, id="no object"),
        pytest.param("{}", None, id="says nothing"),
        pytest.param(DELTA.replace('"nonce"', '"x"'), "BTC-EUR", id="no nonce"),
        pytest.param(DELTA.replace('"asks"', '"x"'), "BTC-EUR", id="no asks"),
        pytest.param(DELTA.replace('["74968.00","0"]', "7"), "BTC-EUR", id="level"),
        pytest.param(DELTA.replace('"74968.00"', "null"), "BTC-EUR", id="null"),
        pytest.param(delta(0, 1), "BTC-EUR", id="nonce 0"),
        pytest.param(delta(-4, 1), "BTC-EUR", id="nonce < 0"),
        pytest.param(delta(RESTART, 1), "BTC-EUR", id="nonce too large"),
        pytest.param(delta(4, 10**400), "BTC-EUR", id="time beyond all floats"),
        pytest.param(delta(4, -1), "BTC-EUR", id="time < 0"),
        pytest.param(SNAPSHOT.replace('"nonce"', '"x"'), None, id="answer, no nonce"),
        pytest.param(snapshot(-1), None, id="answer below 0"),
        pytest.param(snapshot(5, 10**400), None, id="answer beyond all floats"),
        pytest.param('{"action":"getBook","requestId":1}', None, id="no response"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_malformed_frames_raise_one_error(
    text: str | bytes, symbol: str | None, numbers: type
) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=Bitvavo(numbers=numbers))
    assert caught.value.symbol == symbol


def test_a_malformed_answer_belongs_to_the_market_asked_for() -> None:
    venue = Bitvavo()
    session = venue.session()
    venue.snapshot_frame("BTC-EUR", session, 0.0)
    with pytest.raises(MalformedMessage) as caught:
        venue.parse(SNAPSHOT.replace('"bids"', '"b"'), session)
    assert caught.value.symbol == "BTC-EUR"


def test_fresh_sessions_give_the_same_messages() -> None:
    frames = [delta(50, 1), snapshot(60), delta(3, 2), snapshot(4), delta(5, 3), DELTA]
    assert parse(*frames) == parse(*frames)
    assert len(parse(*frames)) == 6


def test_instruments_have_steps_and_a_state() -> None:
    venue = Bitvavo()
    assert [request.path for request in venue.instrument_requests()] == ["/v2/markets"]
    entry = {
        "market": "BTC-EUR",
        "status": "trading",
        "pricePrecision": None,
        "quantityDecimals": 8,
        "tickSize": "1.00",
    }
    off = {**entry, "market": "OLD-EUR", "status": "halted", "quantityDecimals": "4"}
    bare = {"market": "NEW-EUR", "status": "auction"}
    assert venue.parse_instruments(json.dumps([entry, off, bare])) == [
        Instrument(
            symbol="BTC-EUR",
            price_step=Decimal("1.00"),
            size_step=Decimal("0.00000001"),
        ),
        Instrument(
            symbol="OLD-EUR",
            price_step=Decimal("1.00"),
            size_step=Decimal("0.0001"),
            active=False,
        ),
        Instrument(symbol="NEW-EUR", active=False),
    ]
    for bad in ("{}", '[{"market":"X"}]', json.dumps([{**entry, "tickSize": "x"}])):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(bad)
