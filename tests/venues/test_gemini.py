"""
Gemini, the API of 2026. Frames: developer.gemini.com/websocket/streams.md (read
2026-11) and tardis-node's fixture of 2026-07. The capture is of an older API.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import (
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import (
    Assurance,
    Crossing,
    Instrument,
    Numbering,
    Resync,
    Source,
)
from booksync.venues.gemini import Gemini
from tests.captures import instruments, needs_captures
from tests.venues.mangle import cut, mangled

# the fixture's first frame of a symbol, and one that follows it
SNAPSHOT = (
    '{"e":"depthUpdate","E":1784851199088426630,"s":"gusdgbp","U":1764550512767893,'
    '"u":1764550512767893,"b":[],"a":[["0.75196","1325.49900000"]]}'
)
UPDATE = (
    '{"e":"depthUpdate","E":1784851200088426630,"s":"gusdgbp","U":1764550512767893,'
    '"u":1764550512767990,"b":[["0.74","1"]],"a":[["0.75196","0.00000000"]]}'
)
REFUSED = (
    '{"id":%d,"status":400,"error":{"code":%d,"msg":"Invalid stream name: nope@depth"}}'
)


def parse(*frames: str | bytes, venue: Gemini | None = None) -> list[Message]:
    venue = venue or Gemini()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def book(first: int, last: int, symbol: str = "btcusd") -> str:
    return (
        f'{{"e":"depthUpdate","E":0,"s":"{symbol}","U":{first},"u":{last},'
        '"b":[["1","2"]],"a":[]}'
    )


def test_subscribe_and_unsubscribe_are_as_documented() -> None:
    venue = Gemini()
    session = venue.session()
    assert venue.subscribe(["btcusd", "ethusd"], session, 0.0) == [
        '{"id":1,"method":"subscribe","params":["btcusd@depth@100ms"]}',
        '{"id":2,"method":"subscribe","params":["ethusd@depth@100ms"]}',
    ]
    assert venue.unsubscribe(["btcusd"], session, 0.0) == [
        '{"id":3,"method":"unsubscribe","params":["btcusd@depth@100ms"]}'
    ]
    assert venue.ping(session, 0.0) == '{"id":4,"method":"ping"}'


def test_the_url_asks_for_whole_books_and_the_option_for_the_speed() -> None:
    venue = Gemini(options={"speed": "1s"})
    assert venue.stream_url(venue.WS_URL) == "wss://ws.gemini.com?snapshot=-1"
    (asked,) = venue.subscribe(["btcusd"], venue.session(), 0.0)
    assert json.loads(str(asked))["params"] == ["btcusd@depth"]
    with pytest.raises(ConfigurationError):
        Gemini(options={"speed": "10ms"})
    assert Gemini.prepare("BTCUSD") == "btcusd"


@pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "binary"])
def test_the_first_frame_is_the_book_and_the_next_follows_it(kind: Any) -> None:
    assert parse(kind(SNAPSHOT), kind(UPDATE)) == [
        Snapshot(
            "gusdgbp",
            1764550512767893,
            [],
            [("0.75196", "1325.49900000")],
            time=1784851199.0884266,
        ),
        Delta(
            "gusdgbp",
            1764550512767893,
            1764550512767990,
            [("0.74", "1")],
            [("0.75196", "0.00000000")],
            1784851200.0884266,
        ),
    ]


def test_floats_are_decoded_as_floats() -> None:
    (snapshot,) = parse(SNAPSHOT, venue=Gemini(numbers=float))
    assert isinstance(snapshot, Snapshot)
    assert snapshot.asks == [(0.75196, 1325.499)]
    assert all(type(number) is float for level in snapshot.asks for number in level)


def test_a_first_frame_that_covers_changes_is_no_book() -> None:
    """Without ``snapshot=-1`` a delta comes first: the symbol stays without a book."""
    found = parse(book(5, 8), book(9, 9), book(8, 12))
    assert [type(message) for message in found] == [Delta, Delta, Delta]


def test_later_frames_are_deltas_whatever_their_ids() -> None:
    snapshot, repeat, missing = parse(book(5, 5), book(5, 5), book(9, 12))
    assert snapshot == Snapshot("btcusd", 5, [("1", "2")], [])
    assert repeat == Delta("btcusd", 5, 5, [("1", "2")], [])  # stale
    assert missing == Delta("btcusd", 9, 12, [("1", "2")], [])  # a gap


def test_each_subscription_begins_with_a_book_again() -> None:
    venue = Gemini()
    session = venue.session()
    venue.subscribe(["btcusd", "ethusd"], session, 0.0)
    for symbol in ("btcusd", "ethusd"):
        venue.parse(book(5, 5, symbol), session)
    venue.unsubscribe(["btcusd"], session, 0.0)
    (late,) = venue.parse(book(5, 7), session)
    assert isinstance(late, Delta)
    venue.subscribe(["btcusd"], session, 0.0)
    (again,) = venue.parse(book(9, 9), session)
    (other,) = venue.parse(book(9, 9, "ethusd"), session)
    assert isinstance(again, Snapshot)
    assert isinstance(other, Delta)


def test_answers_name_the_request() -> None:
    venue = Gemini()
    session = venue.session()
    venue.subscribe(["btcusd", "nope"], session, 0.0)
    assert venue.parse('{"id":1,"status":200}', session) == (Subscribed(("btcusd",)),)
    refused = Rejected(("nope",), "Invalid stream name: nope@depth (code -1013)")
    assert venue.parse(REFUSED % (2, -1013), session) == (refused,)
    venue.unsubscribe(["btcusd"], session, 0.0)
    assert venue.parse('{"id":3,"status":200}', session) == (Unsubscribed(("btcusd",)),)


def test_refusals_that_are_not_for_good_are_none() -> None:
    venue = Gemini()
    session = venue.session()
    venue.subscribe(["btcusd"], session, 0.0)
    assert venue.parse(REFUSED % (1, -1003), session) == ()  # too many requests
    venue.unsubscribe(["btcusd"], session, 0.0)
    assert venue.parse(REFUSED % (2, -1013), session) == ()
    unasked = Rejected((), "Invalid stream name: nope@depth (code -1013)")
    assert venue.parse(REFUSED % (9, -1013), session) == (unasked,)


def test_a_pong_and_other_streams_are_ignored() -> None:
    venue = Gemini()
    session = venue.session()
    venue.subscribe(["btcusd"], session, 0.0)
    venue.ping(session, 0.0)
    assert venue.parse('{"id":2,"status":200}', session) == ()
    assert venue.parse('{"id":"x","status":200}', session) == ()
    assert venue.parse('{"e":"trade","s":"btcusd","p":"1"}', session) == ()
    assert session.of(1) == ("subscribe", ("btcusd",))


@pytest.mark.parametrize("text", [SNAPSHOT, UPDATE, REFUSED % (1, -1013)])
def test_a_cut_frame_is_malformed(text: str) -> None:
    for part in cut(text):
        with pytest.raises(MalformedMessage):
            parse(part)


@pytest.mark.parametrize("numbers", [Decimal, float])
@pytest.mark.parametrize("text", [SNAPSHOT, UPDATE, REFUSED % (1, -1013)])
def test_a_mangled_frame_raises_nothing_else(text: str, numbers: Any) -> None:
    for part in mangled(text):
        try:
            parse(part, venue=Gemini(numbers=numbers))
        except MalformedMessage:
            continue


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"u":1764550512767990,', "", id="no last id"),
        pytest.param('"u":1764550512767990', '"u":1764550512767892', id="backwards"),
        pytest.param('"U":1764550512767893', '"U":-1', id="negative id"),
        pytest.param('"u":1764550512767990', '"u":"x"', id="id is a word"),
        pytest.param("1784851200088426630", "1" * 400, id="time beyond floats"),
        pytest.param('"b"', '"bids"', id="no bids"),
        pytest.param(',"0.00000000"', "", id="no size"),
    ],
)
def test_a_book_that_does_not_decode_names_its_symbol(old: str, new: str) -> None:
    assert old in UPDATE
    with pytest.raises(MalformedMessage) as caught:
        parse(UPDATE.replace(old, new))
    assert caught.value.symbol == "gusdgbp"


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", "null", b"\xff", '{"id":1}'])
def test_what_is_nothing_known_is_malformed(text: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(text)


def test_the_same_frames_give_the_same_messages() -> None:
    venue = Gemini()
    frames = (SNAPSHOT, UPDATE, book(5, 5), book(5, 8), '{"id":1,"status":200}')
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue)


def test_instruments_have_steps() -> None:
    venue = Gemini()
    (request,) = venue.instrument_requests()
    assert request.path == "/v1/symbols/details/all"
    details = (
        '{"symbol":"BTCUSD","base_currency":"BTC","quote_currency":"USD",'
        '"tick_size":1e-8,"quote_increment":0.01,"min_order_size":"0.00001",'
        '"status":"open"}'
    )
    bitcoin = Instrument(
        symbol="btcusd", price_step=Decimal("0.01"), size_step=Decimal("1e-8")
    )
    assert venue.parse_instruments(details) == [bitcoin]
    closed = details.replace("open", "closed")
    both = venue.parse_instruments(f"[{details},{closed}]")
    assert both[0] == bitcoin
    assert [item.active for item in both] == [True, False]
    assert venue.parse_instruments('["btcusd"]') == [Instrument(symbol="btcusd")]
    for wrong in ("", "{}", "[5]", '{"result":"error","reason":"InvalidSymbol"}'):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(wrong)


@needs_captures
def test_recorded_details_are_read() -> None:
    """Answers of 2021, recorded beside an older stream."""
    found = instruments("gemini_20210624", Gemini())
    assert found["ethbtc"] == Instrument(
        symbol="ethbtc", price_step=Decimal("1e-5"), size_step=Decimal("1e-6")
    )
    assert not found["btcgusd"].active


def test_facts_are_honest() -> None:
    facts = Gemini.facts
    assert facts.source is Source.STREAM
    assert facts.assurance is Assurance.CHAINED
    assert facts.numbering is Numbering.SYMBOL
    assert facts.resync is Resync.RECONNECT
    assert facts.crossing is Crossing.NORMAL
    assert facts.verified == ""
