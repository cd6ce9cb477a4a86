"""
Kraken Futures. Frames: docs.kraken.com/exchange/api-reference/futures-websocket/book.md
(read 2026-11) and the capture of 2021-07-22.
"""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Assurance, Instrument, Numbering, Resync, Source
from booksync.venues.declared import Requests
from booksync.venues.kraken_futures import KrakenFutures
from tests.captures import (
    frame,
    instruments,
    needs_captures,
    oracle,
    records,
    replay_naively,
)
from tests.venues.mangle import cut, mangled

NAME = "kraken_futures_20210722"

# the documentation's example of 2021-02-02, two levels a side, one of them empty
SNAPSHOT = (
    '{"feed":"book_snapshot","product_id":"PI_XBTUSD","timestamp":1612269825817,'
    '"seq":326072249,"tickSize":null,"bids":[{"price":34892.5,"qty":6385},'
    '{"price":34892,"qty":10924}],"asks":[{"price":34911.5,"qty":20598},'
    '{"price":34912,"qty":0.0}]}'
)
SELL = (
    '{"feed":"book","product_id":"PI_XBTUSD","side":"sell","seq":326094134,'
    '"price":34981.0,"qty":0.0,"timestamp":1612269953629}'
)
# recorded 2021-07-22
BUY = (
    '{"feed":"book","product_id":"PI_LTCUSD","side":"buy","seq":3423037,'
    '"price":119.21,"qty":24508.0,"timestamp":1626994927751}'
)
ACK = '{"event":"subscribed","feed":"book","product_ids":["FI_ETHUSD_211231"]}'


def parse(*frames: str | bytes, venue: KrakenFutures | None = None) -> list[Message]:
    venue = venue or KrakenFutures()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def test_subscribe_and_unsubscribe_are_as_documented() -> None:
    venue = KrakenFutures()
    (asked,) = venue.subscribe(["PF_XBTUSD", "PF_ETHUSD"], Requests(), 0.0)
    assert asked == (
        '{"event":"subscribe","feed":"book","product_ids":["PF_XBTUSD","PF_ETHUSD"]}'
    )
    (ended,) = venue.unsubscribe(["PF_XBTUSD"], Requests(), 0.0)
    assert ended == '{"event":"unsubscribe","feed":"book","product_ids":["PF_XBTUSD"]}'
    assert venue.greet(None, 0.0) == ['{"event":"subscribe","feed":"heartbeat"}']


def test_many_symbols_are_split_over_frames() -> None:
    names = [f"PF_{number}" for number in range(70)]
    frames = KrakenFutures().subscribe(names, Requests(), 0.0)
    asked = [json.loads(text)["product_ids"] for text in frames]
    assert [len(part) for part in asked] == [50, 20]
    assert asked[0] + asked[1] == names


def test_the_url_and_the_spelling_are_the_venues() -> None:
    venue = KrakenFutures()
    assert venue.stream_url(venue.WS_URL) == "wss://futures.kraken.com/ws/v1"
    assert KrakenFutures.prepare("pf_xbtusd") == "PF_XBTUSD"


@pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "binary"])
def test_a_snapshot_is_the_whole_book_without_empty_levels(kind: Any) -> None:
    assert parse(kind(SNAPSHOT)) == [
        Snapshot(
            "PI_XBTUSD",
            326072249,
            [
                (Decimal("34892.5"), Decimal(6385)),
                (Decimal(34892), Decimal(10924)),
            ],
            [(Decimal("34911.5"), Decimal(20598))],
            depth=None,
            time=1612269825.817,
        )
    ]


def test_a_delta_is_one_level_and_follows_the_number_before() -> None:
    assert parse(SELL, BUY) == [
        Delta(
            "PI_XBTUSD",
            326094133,
            326094134,
            (),
            ((Decimal("34981.0"), Decimal("0.0")),),
            1612269953.629,
        ),
        Delta(
            "PI_LTCUSD",
            3423036,
            3423037,
            ((Decimal("119.21"), Decimal("24508.0")),),
            (),
            1626994927.751,
        ),
    ]


def test_floats_are_decoded_as_floats() -> None:
    venue = KrakenFutures(numbers=float)
    snapshot, delta = parse(SNAPSHOT, BUY, venue=venue)
    assert isinstance(snapshot, Snapshot)
    assert isinstance(delta, Delta)
    assert snapshot.bids == [(34892.5, 6385.0), (34892.0, 10924.0)]
    assert delta.bids == ((119.21, 24508.0),)
    assert all(type(x) is float for level in snapshot.bids for x in level)


def test_a_book_may_begin_at_0() -> None:
    snapshot, delta = parse(
        SNAPSHOT.replace("326072249", "0"), SELL.replace("326094134", "1")
    )
    assert isinstance(snapshot, Snapshot)
    assert isinstance(delta, Delta)
    assert (snapshot.sequence, delta.prev, delta.last) == (0, 0, 1)


def test_what_has_no_time_has_none() -> None:
    (delta,) = parse(BUY.replace(',"timestamp":1626994927751', ""))
    assert isinstance(delta, Delta)
    assert delta.time is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(ACK, Subscribed(("FI_ETHUSD_211231",)), id="subscribed"),
        pytest.param(
            '{"event":"unsubscribed","feed":"book","product_ids":["A","B"]}',
            Unsubscribed(("A", "B")),
            id="unsubscribed",
        ),
        pytest.param(
            '{"event":"subscribed_failed","feed":"book","product_ids":["A"]}',
            Rejected(("A",), "subscribed_failed"),
            id="refused",
        ),
        pytest.param(
            '{"event":"error","message":"Invalid product id"}',
            Rejected((), "Invalid product id"),
            id="error",
        ),
        pytest.param('{"event":"alert"}', Rejected((), "alert"), id="alert"),
    ],
)
def test_answers_are_told(text: str, expected: Message) -> None:
    assert parse(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        '{"event":"info","version":1}',
        '{"event":"subscribed","feed":"heartbeat"}',
        '{"event":"unsubscribed_failed","feed":"book","product_ids":["A"]}',
        '{"feed":"heartbeat","time":1534262350627}',
        '{"feed":"ticker_lite","product_id":"PI_XBTUSD","bid":34932}',
    ],
)
def test_what_does_not_concern_books_is_ignored(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize("text", [SNAPSHOT, SELL, ACK])
def test_a_cut_frame_is_malformed(text: str) -> None:
    for part in cut(text):
        with pytest.raises(MalformedMessage):
            parse(part)


@pytest.mark.parametrize("numbers", [Decimal, float])
@pytest.mark.parametrize("text", [SNAPSHOT, SELL, ACK])
def test_a_mangled_frame_raises_nothing_else(text: str, numbers: Any) -> None:
    for part in mangled(text):
        try:
            parse(part, venue=KrakenFutures(numbers=numbers))
        except MalformedMessage:
            continue


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        pytest.param(SELL, '"seq":326094134,', "", id="no number"),
        pytest.param(SELL, '"seq":326094134', '"seq":-1', id="negative number"),
        pytest.param(SELL, '"sell"', '"ask"', id="unknown side"),
        pytest.param(SELL, '"qty":0.0', '"qty":null', id="no size"),
        pytest.param(SELL, "1612269953629", "1" * 400, id="time beyond floats"),
        pytest.param(SNAPSHOT, '"bids"', '"buys"', id="no bids"),
        pytest.param(SNAPSHOT, "326072249", '"x"', id="number is a word"),
        pytest.param(SNAPSHOT, '"price":34892,', "", id="level without price"),
    ],
)
def test_a_book_that_does_not_decode_names_its_symbol(
    text: str, old: str, new: str
) -> None:
    assert old in text
    with pytest.raises(MalformedMessage) as caught:
        parse(text.replace(old, new))
    assert caught.value.symbol == "PI_XBTUSD"


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", "null", b"\xff", '{"seq":1}'])
def test_what_is_nothing_known_is_malformed(text: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(text)


def test_the_same_frames_give_the_same_messages() -> None:
    venue = KrakenFutures()
    frames = (ACK, SNAPSHOT, SELL, BUY)
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue)


def test_instruments_have_steps_and_indices_are_none() -> None:
    venue = KrakenFutures()
    (request,) = venue.instrument_requests()
    assert request.path == "/derivatives/api/v3/instruments"
    body = (
        '{"result":"success","instruments":['
        '{"symbol":"PF_XBTUSD","tickSize":0.5,"contractSize":1,"tradeable":true,'
        '"contractValueTradePrecision":4},'
        '{"symbol":"pf_pepeusd","tickSize":1e-10,"tradeable":false,'
        '"contractValueTradePrecision":-3},'
        '{"symbol":"in_xbtusd","type":"spot index","tradeable":false}]}'
    )
    assert venue.parse_instruments(body) == [
        Instrument(
            symbol="PF_XBTUSD", price_step=Decimal("0.5"), size_step=Decimal("0.0001")
        ),
        Instrument(
            symbol="PF_PEPEUSD",
            price_step=Decimal("1e-10"),
            size_step=Decimal(1000),
            active=False,
        ),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"instruments":[5]}',
        '{"instruments":[{"tickSize":1}]}',
        '{"instruments":[{"symbol":"A","tickSize":"x"}]}',
        '{"instruments":[{"symbol":"A","tickSize":[1]}]}',
        '{"instruments":[{"symbol":"A","tickSize":1,"contractValueTradePrecision":""}]}',
    ],
)
def test_what_lists_no_instruments_is_malformed(body: str) -> None:
    with pytest.raises(MalformedMessage):
        KrakenFutures().parse_instruments(body)


def test_facts_are_honest() -> None:
    facts = KrakenFutures.facts
    assert facts.source is Source.STREAM
    assert facts.assurance is Assurance.COUNTED
    assert facts.numbering is Numbering.SYMBOL
    assert facts.resync is Resync.RESUBSCRIBE
    assert facts.checksum is None


@needs_captures
def test_the_capture_ends_in_the_oracles_books() -> None:
    books = replay_naively(NAME, "kraken_futures")
    expected = oracle(NAME)["instruments"]
    assert books.keys() == expected.keys()
    for symbol, book in books.items():
        assert book.digest() == expected[symbol]["full_sha256"]
        assert str(book.sequence) == expected[symbol]["last_seq"]
        assert book.applied == expected[symbol]["deltas"]
        assert book.gaps == []
    assert sum(book.applied for book in books.values()) == 7014


@needs_captures
def test_the_capture_has_the_same_books_in_floats() -> None:
    exact = replay_naively(NAME, "kraken_futures")
    fast = replay_naively(NAME, "kraken_futures", numbers=float)
    for symbol, book in exact.items():
        for side, levels in book.sides.items():
            rounded = {float(price): float(size) for price, size in levels.items()}
            assert fast[symbol].sides[side] == rounded


@needs_captures
def test_each_recorded_delta_follows_the_one_before() -> None:
    venue = KrakenFutures()
    session = venue.session()
    heard: dict[str, list[Any]] = {}
    confirmed: list[str] = []
    for record in records(NAME):
        if record["dir"] == "in":
            for message in venue.parse(frame(record), session):
                if isinstance(message, Subscribed):
                    confirmed += message.symbols
                    continue
                assert isinstance(message, Snapshot | Delta)
                heard.setdefault(message.symbol, []).append(message)
    assert sorted(confirmed) == sorted(heard)
    for snapshot, *deltas in heard.values():
        assert isinstance(snapshot, Snapshot)
        assert deltas[0].prev == snapshot.sequence
        assert all(a.last == b.prev for a, b in itertools.pairwise(deltas))


@needs_captures
def test_the_captures_instruments_have_price_steps() -> None:
    found = instruments(NAME, KrakenFutures())
    assert found.keys() == oracle(NAME)["instruments"].keys()
    assert found["PI_XRPUSD"].price_step == Decimal("0.0001")
    assert all(item.active for item in found.values())
