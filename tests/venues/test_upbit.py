"""
Upbit. Frames: global-docs.upbit.com/reference/websocket-orderbook (read 2026-11), and
one of the capture of 2021-04-17, cut to two levels.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Rejected, Snapshot
from booksync.venues import Instrument, Source
from booksync.venues.upbit import Upbit
from tests.captures import (
    frame,
    instruments,
    needs_captures,
    oracle,
    records,
    replay_naively,
)

NAME = "upbit_20210417"

# recorded 2021-04-17 ("format":"SIMPLE")
SIMPLE = (
    '{"ty":"orderbook","cd":"KRW-LAMB","tms":1618678262640,"tas":25752275.55420627,'
    '"tbs":14407925.20098682,"obu":[{"ap":127.0,"bp":126.0,"as":280460.37885666,'
    '"bs":688682.44561413},{"ap":128.0,"bp":125.0,"as":502824.98156754,'
    '"bs":1924299.53689703}],"st":"REALTIME"}'
)
# the reference's example ("format":"DEFAULT")
DEFAULT = (
    '{"type":"orderbook","code":"KRW-BTC","timestamp":1618678262640,'
    '"total_ask_size":25752275.5,"total_bid_size":14407925.2,"orderbook_units":['
    '{"ask_price":127.0,"bid_price":126.0,"ask_size":280460.37,"bid_size":688682.44},'
    '{"ask_price":128.0,"bid_price":125.0,"ask_size":502824.98,'
    '"bid_size":1924299.53}],"level":0,"stream_type":"SNAPSHOT"}'
)


def parse(*frames: str | bytes, venue: Upbit | None = None) -> list[Any]:
    venue = venue or Upbit()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def short(tms: int, *, code: str = "KRW-BTC", units: str = "", level: str = "") -> str:
    units = units or '{"ap":2,"bp":1,"as":1,"bs":1}'
    return f'{{"ty":"orderbook","cd":"{code}","tms":{tms},"obu":[{units}]{level}}}'


@pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "binary"])
def test_short_keys_are_a_whole_book(kind: Any) -> None:
    assert parse(kind(SIMPLE)) == [
        Snapshot(
            "KRW-LAMB",
            1618678262640,
            [
                (Decimal("126.0"), Decimal("688682.44561413")),
                (Decimal("125.0"), Decimal("1924299.53689703")),
            ],
            [
                (Decimal("127.0"), Decimal("280460.37885666")),
                (Decimal("128.0"), Decimal("502824.98156754")),
            ],
            depth=2,
            time=1618678262.64,
        )
    ]


def test_long_keys_are_the_same_book() -> None:
    assert parse(DEFAULT.encode()) == [
        Snapshot(
            "KRW-BTC",
            1618678262640,
            [
                (Decimal("126.0"), Decimal("688682.44")),
                (Decimal("125.0"), Decimal("1924299.53")),
            ],
            [
                (Decimal("127.0"), Decimal("280460.37")),
                (Decimal("128.0"), Decimal("502824.98")),
            ],
            depth=2,
            time=1618678262.64,
        )
    ]


def test_floats_are_decoded_as_floats() -> None:
    (snapshot,) = parse(SIMPLE, venue=Upbit(numbers=float))
    assert snapshot.bids == [(126.0, 688682.44561413), (125.0, 1924299.53689703)]
    assert all(type(number) is float for level in snapshot.asks for number in level)


def test_zeros_that_fill_the_shorter_side_are_no_levels() -> None:
    units = '{"ap":2,"bp":1,"as":5,"bs":6},{"ap":3,"bp":0,"as":7,"bs":0.0}'
    (snapshot,) = parse(short(1, units=units))
    assert snapshot.bids == [(1, 6)]
    assert snapshot.asks == [(2, 5), (3, 7)]
    assert snapshot.depth == 2  # so that the bid side, with one level, is whole


def test_an_empty_book_is_whole() -> None:
    (snapshot,) = parse('{"ty":"orderbook","cd":"KRW-BTC","tms":1,"obu":[]}')
    assert (snapshot.bids, snapshot.asks, snapshot.depth) == ([], [], None)


def test_older_books_are_dropped_per_market() -> None:
    found = parse(short(5), short(4), short(5), short(3, code="KRW-ETH"), short(6))
    assert [(book.symbol, book.sequence) for book in found] == [
        ("KRW-BTC", 5),
        ("KRW-BTC", 5),
        ("KRW-ETH", 3),
        ("KRW-BTC", 6),
    ]


def test_grouped_prices_are_another_subscription() -> None:
    assert parse(short(1, level=',"lv":100000.0')) == []
    assert len(parse(short(1, level=',"lv":0.0'))) == 1


def test_each_request_names_all_markets() -> None:
    venue = Upbit(depth=15)
    session = venue.session()
    first = venue.subscribe(["KRW-BTC"], session, 0.0)
    second = venue.subscribe(["KRW-ETH", "KRW-BTC"], session, 1.0)
    third = venue.unsubscribe(["KRW-BTC"], session, 2.0)
    assert first == [
        (
            '[{"ticket":"booksync-1"},{"type":"orderbook","codes":["KRW-BTC.15"],'
            '"is_only_realtime":false},{"format":"SIMPLE"}]'
        )
    ]
    codes = [json.loads(frames[0])[1]["codes"] for frames in (second, third)]
    assert codes == [["KRW-BTC.15", "KRW-ETH.15"], ["KRW-ETH.15"]]
    tickets = [json.loads(frames[0])[0]["ticket"] for frames in (first, second, third)]
    assert len(set(tickets)) == 3


def test_the_last_market_ends_without_a_request() -> None:
    venue = Upbit()
    session = venue.session()
    venue.subscribe(["KRW-BTC"], session, 0.0)
    assert venue.unsubscribe(["KRW-BTC"], session, 0.0) == []
    assert venue.parse(short(1), session) == ()
    venue.subscribe(["KRW-BTC"], session, 0.0)
    assert len(venue.parse(short(2), session)) == 1


def test_symbols_are_upper_case() -> None:
    assert Upbit.prepare("krw-btc") == "KRW-BTC"


def test_depths_are_those_of_the_venue() -> None:
    assert Upbit().depth == 30
    with pytest.raises(ConfigurationError, match="1, 5, 15, 30"):
        Upbit(depth=20)


def test_errors_are_rejections_of_nobody_in_particular() -> None:
    text = '{"error":{"name":"WRONG_FORMAT","message":"bad request"}}'
    assert parse(text) == [Rejected((), "bad request (WRONG_FORMAT)")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"status":"UP"}', id="answer to a ping"),
        pytest.param('{"ty":"trade","cd":"KRW-BTC","tp":1.0}', id="short trade"),
        pytest.param('{"type":"ticker","code":"KRW-BTC"}', id="long ticker"),
    ],
)
def test_other_frames_are_ignored(text: str) -> None:
    assert parse(text) == []


def test_the_heartbeat_is_a_text_ping() -> None:
    venue = Upbit()
    assert venue.ping(venue.session(), 0.0) == "PING"
    assert venue.heartbeat.interval is not None
    assert venue.heartbeat.interval < 120  # the venue closes after 120 s idle
    assert Upbit.facts.source is Source.EVERY_FRAME


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        pytest.param("", None, id="empty"),
        pytest.param(SIMPLE[:-20], None, id="cut"),
        pytest.param(b"\xff\xfe", None, id="no text"),
        pytest.param("[]", None, id="list format"),
        pytest.param("{}", None, id="says nothing"),
        pytest.param('{"error":5}', None, id="error of another type"),
        pytest.param(SIMPLE.replace('"tms"', '"t"'), "KRW-LAMB", id="no time"),
        pytest.param(SIMPLE.replace('"obu"', '"o"'), "KRW-LAMB", id="no levels"),
        pytest.param(SIMPLE.replace("127.0", "null"), "KRW-LAMB", id="null price"),
        pytest.param(SIMPLE.replace("127.0", '"x"'), "KRW-LAMB", id="text price"),
        pytest.param(SIMPLE.replace("1618678262640", "-1"), "KRW-LAMB", id="time < 0"),
        pytest.param(DEFAULT.replace('"ask_size"', '"a"'), "KRW-BTC", id="no size"),
        pytest.param(short(10**400), "KRW-BTC", id="time beyond all floats"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_malformed_frames_raise_one_error(
    text: str | bytes, symbol: str | None, numbers: type
) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=Upbit(numbers=numbers))
    assert caught.value.symbol == symbol


def test_instruments_are_names_without_steps() -> None:
    venue = Upbit()
    assert [request.path for request in venue.instrument_requests()] == [
        "/v1/market/all"
    ]
    body = '[{"market":"KRW-WAVES","korean_name":"x","english_name":"Waves"}]'
    assert venue.parse_instruments(body) == [Instrument(symbol="KRW-WAVES")]
    for bad in ("{}", '[{"name":"x"}]', "<html>"):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(bad)


@needs_captures
def test_capture_ends_in_the_oracles_books() -> None:
    expected = oracle(NAME)["instruments"]
    books = replay_naively(NAME, "upbit")
    assert {symbol: book.digest() for symbol, book in books.items()} == {
        symbol: final["full_sha256"] for symbol, final in expected.items()
    }
    sequences = {symbol: str(book.sequence) for symbol, book in books.items()}
    assert sequences == {name: final["last_seq"] for name, final in expected.items()}
    assert set(instruments(NAME, Upbit())) == set(expected)


@needs_captures
def test_fresh_sessions_give_the_same_messages() -> None:
    frames = [frame(record) for record in records(NAME) if record["dir"] == "in"]
    first = parse(*frames)
    assert len(first) == 145  # the manifest's snapshots
    assert all(book.depth == 15 for book in first)
    assert parse(*frames) == first
    floats = parse(*frames, venue=Upbit(numbers=float))
    assert [book.sequence for book in floats] == [book.sequence for book in first]
