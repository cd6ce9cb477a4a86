"""
Bitstamp. Frames: www.bitstamp.net/websocket/v2/ and /api/ (read 2026-11) and the
capture of 2022-01-05.
"""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import MalformedMessage
from booksync.messages import (
    Closing,
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Assurance, Instrument, Lists, Resync, Source
from booksync.venues.bitstamp import Bitstamp
from tests.captures import (
    NaiveBook,
    frame,
    instruments,
    needs_captures,
    oracle,
    records,
    replay_naively,
)
from tests.venues.mangle import cut, mangled

NAME = "bitstamp_20220105"

# recorded 2022-01-05
BODY = (
    '{"timestamp":"1641343695","microtimestamp":"1641343695572693",'
    '"bids":[["0.14695","4567.41344936"],["0.14676","1498.00684013"]],'
    '"asks":[["0.14844","4617.85577487"],["0.14845","766.98374892"]]}'
)
UPDATE = (
    '{"data":{"timestamp":"1641343691","microtimestamp":"1641343691310202","bids":[],'
    '"asks":[["1.17438","853.01809477"],["1.17484","0.00000000"]]},'
    '"channel":"diff_order_book_adaeur","event":"data"}'
)
ACK = (
    '{"event":"bts:subscription_succeeded","channel":"diff_order_book_adaeur",'
    '"data":{}}'
)
ERROR = (
    '{"event":"bts:error","channel":"","data":{"code":null,'
    '"message":"Invalid channel provided."}}'
)
RECONNECT = '{"event":"bts:request_reconnect","channel":"","data":null}'
PONG = '{"event":"bts:heartbeat","channel":"","data":{"status":"success"}}'


def parse(*frames: str | bytes, venue: Bitstamp | None = None) -> list[Message]:
    venue = venue or Bitstamp()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def diff(time: int, symbol: str = "btcusd") -> str:
    return (
        f'{{"data":{{"timestamp":"0","microtimestamp":"{time}",'
        f'"bids":[["1","{time}"]],"asks":[]}},'
        f'"channel":"diff_order_book_{symbol}","event":"data"}}'
    )


def spans(*times: int) -> list[tuple[int, int]]:
    found = parse(*(diff(time) for time in times))
    return [(delta.prev, delta.last) for delta in found if isinstance(delta, Delta)]


def test_subscribe_and_unsubscribe_are_as_documented() -> None:
    venue = Bitstamp()
    session = venue.session()
    assert venue.subscribe(["btcusd", "btcusd-perp"], session, 0.0) == [
        '{"event":"bts:subscribe","data":{"channel":"diff_order_book_btcusd"}}',
        '{"event":"bts:subscribe","data":{"channel":"diff_order_book_btcusd-perp"}}',
    ]
    assert venue.unsubscribe(["btcusd"], session, 0.0) == [
        '{"event":"bts:unsubscribe","data":{"channel":"diff_order_book_btcusd"}}'
    ]
    assert venue.ping(session, 0.0) == '{"event":"bts:heartbeat"}'
    assert Bitstamp.heartbeat.interval == 20.0
    assert Bitstamp.prepare("BTCUSD") == "btcusd"


def test_a_frame_is_below_512_bytes_for_any_symbol() -> None:
    venue = Bitstamp()
    (asked,) = venue.unsubscribe([venue.prepare("x" * 64)], venue.session(), 0.0)
    assert len(asked) < 512


@pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "binary"])
def test_the_first_delta_begins_just_before_itself(kind: Any) -> None:
    assert parse(kind(UPDATE)) == [
        Delta(
            "adaeur",
            1641343691310201,
            1641343691310202,
            [],
            [("1.17438", "853.01809477"), ("1.17484", "0.00000000")],
            1641343691.310202,
        )
    ]


def test_deltas_chain_by_symbol() -> None:
    found = parse(diff(10), diff(13, "ethusd"), diff(20), diff(25, "ethusd"))
    assert [(m.symbol, m.prev, m.last) for m in found if isinstance(m, Delta)] == [
        ("btcusd", 9, 10),
        ("ethusd", 12, 13),
        ("btcusd", 10, 20),
        ("ethusd", 13, 25),
    ]


def test_repeats_and_older_deltas_do_not_move_the_chain() -> None:
    assert spans(10, 20, 20, 15, 30) == [
        (9, 10),
        (10, 20),
        (19, 20),
        (14, 15),
        (20, 30),
    ]


def test_a_snapshot_is_the_whole_book_whatever_was_asked_for() -> None:
    venue = Bitstamp()
    assert venue.parse_snapshot(BODY, "sgbeur", 10) == Snapshot(
        "sgbeur",
        1641343695572693,
        [("0.14695", "4567.41344936"), ("0.14676", "1498.00684013")],
        [("0.14844", "4617.85577487"), ("0.14845", "766.98374892")],
        depth=None,
        time=1641343695.572693,
    )


def test_floats_are_decoded_as_floats() -> None:
    venue = Bitstamp(numbers=float)
    (delta,) = parse(UPDATE, venue=venue)
    assert isinstance(delta, Delta)
    assert delta.asks == [(1.17438, 853.01809477), (1.17484, 0.0)]
    snapshot = venue.parse_snapshot(BODY.encode(), "sgbeur", None)
    assert snapshot.bids[0] == (0.14695, 4567.41344936)


def test_the_snapshot_request_asks_for_prices_not_orders() -> None:
    request = Bitstamp().snapshot_request("btcusd")
    assert request.path == "/api/v2/order_book/btcusd/"
    assert request.params == {"group": "1"}
    assert Bitstamp().snapshot_request("btc/usd").path.endswith("/btc%2Fusd/")


@pytest.mark.parametrize(
    ("url", "symbol"),
    [
        ("https://www.bitstamp.net/api/v2/order_book/btcusd/?group=1", "btcusd"),
        ("https://www.bitstamp.net/api/v2/order_book/sgbeur", "sgbeur"),
        ("http://127.0.0.1:1/api/v2/order_book/btcusd-perp/", "btcusd-perp"),
        ("https://www.bitstamp.net/api/v2/order_book/btc%2Fusd/", "btc/usd"),
        ("https://www.bitstamp.net/api/v2/order_book/btcusd/?group=2", None),
        ("https://www.bitstamp.net/api/v2/order_book/btcusd/?group=0", None),
        ("https://www.bitstamp.net/api/v2/order_book/", None),
        ("https://www.bitstamp.net/api/v2/ticker/btcusd/", None),
    ],
)
def test_whose_snapshot_a_url_asks_for(url: str, symbol: str | None) -> None:
    assert Bitstamp().snapshot_symbol(url) == symbol


# -- joining (venues/README, appendix B) ----------------------------------------------


def joined(snapshot: int, *times: int) -> NaiveBook:
    book = NaiveBook()
    for message in parse(*(diff(time) for time in times)):
        assert isinstance(message, Delta)
        book.take(message)
    book.load(Snapshot("btcusd", snapshot, [], []))
    return book


def test_vector_20_deltas_up_to_the_snapshot_are_dropped() -> None:
    book = joined(1000, 999, 1000, 1001)
    assert (book.sequence, book.applied, book.gaps) == (1001, 1, [])
    assert book.sides["b"] == {Decimal(1): Decimal(1001)}


def test_vector_21_a_snapshot_before_the_first_delta_is_too_old() -> None:
    book = joined(1000, 1005)
    assert (book.sequence, book.applied) == (1000, 0)
    assert book.gaps == [(1000, 1004)]


def test_a_snapshot_between_two_deltas_joins_the_second() -> None:
    book = joined(1000, 999, 1002, 1005)
    assert (book.sequence, book.applied, book.gaps) == (1005, 2, [])


# -- control --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(ACK, Subscribed(("adaeur",)), id="subscribed"),
        pytest.param(
            ACK.replace("subscription", "unsubscription"),
            Unsubscribed(("adaeur",)),
            id="unsubscribed",
        ),
        pytest.param(ERROR, Rejected((), "Invalid channel provided."), id="error"),
        pytest.param(
            ERROR.replace("null", "4009").replace('"channel":""', '"channel":"diff_o"'),
            Rejected((), "Invalid channel provided. (code 4009)"),
            id="error with a code",
        ),
        pytest.param(
            ERROR.replace('"channel":""', '"channel":"diff_order_book_x"'),
            Rejected(("x",), "Invalid channel provided."),
            id="error with a channel",
        ),
        pytest.param(
            '{"event":"bts:error","channel":"","data":null}',
            Rejected((), "bts:error"),
            id="error without a word",
        ),
        pytest.param(RECONNECT, Closing("bts:request_reconnect"), id="reconnect"),
    ],
)
def test_control_frames_are_told(text: str, expected: Message) -> None:
    assert parse(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PONG, id="pong"),
        pytest.param(ACK.replace("diff_order_book", "live_trades"), id="other ack"),
        pytest.param(UPDATE.replace("diff_order_book", "order_book"), id="whole book"),
        pytest.param(
            '{"data":{"price":1},"channel":"live_trades_btcusd","event":"trade"}',
            id="trade",
        ),
        pytest.param(
            '{"data":{"bids":1},"channel":"order_book_btcusd","event":"data"}',
            id="other channel",
        ),
    ],
)
def test_what_does_not_concern_books_is_ignored(text: str) -> None:
    assert parse(text) == []


# -- malformed ------------------------------------------------------------------------


@pytest.mark.parametrize("text", [UPDATE, ACK, ERROR, RECONNECT])
def test_a_cut_frame_is_malformed(text: str) -> None:
    for part in cut(text):
        with pytest.raises(MalformedMessage):
            parse(part)


def test_a_cut_snapshot_is_malformed() -> None:
    for part in cut(BODY):
        with pytest.raises(MalformedMessage) as caught:
            Bitstamp().parse_snapshot(part, "btcusd", None)
        assert caught.value.symbol == "btcusd"


@pytest.mark.parametrize("numbers", [Decimal, float])
@pytest.mark.parametrize("text", [UPDATE, ACK, ERROR, RECONNECT, BODY])
def test_a_mangled_frame_raises_nothing_else(text: str, numbers: Any) -> None:
    venue = Bitstamp(numbers=numbers)
    for part in mangled(text):
        for read in (
            lambda part: parse(part, venue=venue),
            lambda part: venue.parse_snapshot(part, "btcusd", None),
        ):
            try:
                read(part)
            except MalformedMessage:
                continue


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"microtimestamp":"1641343691310202",', "", id="no time"),
        pytest.param('"1641343691310202"', '"0"', id="time 0"),
        pytest.param('"1641343691310202"', "1" * 400, id="time beyond floats"),
        pytest.param('"1641343691310202"', '"soon"', id="time is a word"),
        pytest.param('"bids"', '"buys"', id="no bids"),
        pytest.param(',"0.00000000"', "", id="no size"),
        pytest.param('"0.00000000"', "null", id="size is null"),
    ],
)
def test_a_delta_that_does_not_decode_names_its_symbol(old: str, new: str) -> None:
    assert old in UPDATE
    with pytest.raises(MalformedMessage) as caught:
        parse(UPDATE.replace(old, new))
    assert caught.value.symbol == "adaeur"


@pytest.mark.parametrize(
    "text", ["", "[]", "1", "{}", "null", b"\xff", '{"data":{},"event":"data"}']
)
def test_what_is_nothing_known_is_malformed(text: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(text)


def test_after_an_unreadable_delta_the_next_is_a_gap() -> None:
    venue = Bitstamp()
    session = venue.session()
    for symbol in ("adaeur", "btcusd"):
        venue.parse(diff(10, symbol), session)
    with pytest.raises(MalformedMessage):
        venue.parse(UPDATE.replace("asks", "sales"), session)
    assert _span(venue, session, "adaeur", 20) == (19, 20)  # the book is at 10
    assert _span(venue, session, "btcusd", 20) == (10, 20)
    with pytest.raises(MalformedMessage):
        venue.parse(UPDATE[:-1], session)  # anybody's
    assert _span(venue, session, "adaeur", 30) == (29, 30)
    assert _span(venue, session, "btcusd", 30) == (29, 30)


def _span(venue: Bitstamp, session: Any, symbol: str, time: int) -> tuple[int, int]:
    (delta,) = venue.parse(diff(time, symbol), session)
    assert isinstance(delta, Delta)
    return delta.prev, delta.last


def test_the_same_frames_give_the_same_messages() -> None:
    venue = Bitstamp()
    frames = (ACK, UPDATE, diff(10), diff(20), diff(20), PONG, ERROR, RECONNECT)
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue)


# -- instruments ----------------------------------------------------------------------


def test_instruments_have_steps() -> None:
    venue = Bitstamp()
    (request,) = venue.instrument_requests()
    assert request.path == "/api/v2/trading-pairs-info/"
    body = (
        '[{"trading":"Enabled","base_decimals":8,"url_symbol":"xrpeur",'
        '"name":"XRP/EUR","counter_decimals":5},{"trading":"Disabled",'
        '"base_decimals":0,"url_symbol":"a","counter_decimals":2}]'
    )
    assert venue.parse_instruments(body) == [
        Instrument(
            symbol="xrpeur", price_step=Decimal("0.00001"), size_step=Decimal("1e-8")
        ),
        Instrument(
            symbol="a",
            price_step=Decimal("0.01"),
            size_step=Decimal(1),
            active=False,
        ),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "5",
        "null",
        '{"code":"400"}',
        "[5]",
        '[{"url_symbol":"a"}]',
        '[{"url_symbol":"a","counter_decimals":"x","base_decimals":1}]',
        json.dumps(
            [{"url_symbol": "a", "counter_decimals": 10**9, "base_decimals": 1}]
        ),
    ],
)
def test_what_lists_no_instruments_is_malformed(body: str) -> None:
    with pytest.raises(MalformedMessage):
        Bitstamp().parse_instruments(body)


def test_facts_are_honest() -> None:
    facts = Bitstamp.facts
    assert facts.source is Source.REST
    assert facts.assurance is Assurance.ORDERED
    assert facts.numbering is None
    assert facts.lists is Lists.UNKNOWN
    assert facts.resync is Resync.FETCH


# -- the capture ----------------------------------------------------------------------


@needs_captures
def test_the_capture_ends_in_the_oracles_books() -> None:
    books = replay_naively(NAME, "bitstamp")
    expected = oracle(NAME)["instruments"]
    assert books.keys() == expected.keys()
    for symbol, book in books.items():
        assert book.digest() == expected[symbol]["full_sha256"]
        assert str(book.sequence) == expected[symbol]["last_seq"]
        assert book.gaps == []
    assert sum(book.applied for book in books.values()) == 615


@needs_captures
def test_the_capture_has_the_same_books_in_floats() -> None:
    exact = replay_naively(NAME, "bitstamp")
    fast = replay_naively(NAME, "bitstamp", numbers=float)
    for symbol, book in exact.items():
        for side, levels in book.sides.items():
            rounded = {float(price): float(size) for price, size in levels.items()}
            assert fast[symbol].sides[side] == rounded


@needs_captures
def test_recorded_times_only_grow() -> None:
    venue = Bitstamp()
    session = venue.session()
    deltas: dict[str, list[Delta]] = {}
    confirmed: list[str] = []
    for record in records(NAME):
        if (record["dir"], record["ch"]) != ("in", "ws"):
            continue
        for message in venue.parse(frame(record), session):
            if isinstance(message, Subscribed):
                confirmed += message.symbols
            else:
                assert isinstance(message, Delta)
                deltas.setdefault(message.symbol, []).append(message)
    assert sorted(confirmed) == sorted(oracle(NAME)["instruments"])
    assert sum(map(len, deltas.values())) == 717
    for found in deltas.values():
        assert all(a.last == b.prev for a, b in itertools.pairwise(found))


@needs_captures
def test_the_captures_instruments_have_steps() -> None:
    found = instruments(NAME, Bitstamp())
    assert found.keys() == oracle(NAME)["instruments"].keys()
    assert found["usdtusd"] == Instrument(
        symbol="usdtusd", price_step=Decimal("1e-5"), size_step=Decimal("1e-5")
    )
