"""
WhiteBIT. Frames: docs.whitebit.com/websocket/market-streams/depth.md (read 2026-11)
and the probe of 2026-09-22 that the venue sheet quotes.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Delta, Rejected, Snapshot, Subscribed, Unsubscribed
from booksync.venues import Assurance, Instrument, Resync, Source
from booksync.venues.whitebit import WhiteBIT
from tests.captures import NaiveBook

SNAPSHOT = (
    '{"id":null,"method":"depth_update","params":[true,{"timestamp":1790113267.845638,'
    '"update_id":21244231142,"asks":[["2747.93","0.2"],["2748.56","0.71"]],'
    '"bids":[["2747.92","9.31"],["2747.78","4.1"]],"event_time":1790113267.9},'
    '"ETH_PERP"]}'
)
DELTA = (
    '{"id":null,"method":"depth_update","params":[false,{"timestamp":1790113268.5,'
    '"update_id":214403,"past_update_id":214399,"asks":[["0.020861","0"]],'
    '"event_time":1790113268.6},"ETH_BTC"]}'
)


def parse(*frames: str | bytes, venue: WhiteBIT | None = None) -> list[Any]:
    venue = venue or WhiteBIT()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def delta(past: int, number: int) -> str:
    change = f'{{"update_id":{number},"past_update_id":{past}}}'
    return f'{{"id":null,"method":"depth_update","params":[false,{change},"ETH_BTC"]}}'


def test_a_true_first_parameter_is_a_whole_book() -> None:
    assert parse(SNAPSHOT) == [
        Snapshot(
            "ETH_PERP",
            21244231142,
            [("2747.92", "9.31"), ("2747.78", "4.1")],
            [("2747.93", "0.2"), ("2748.56", "0.71")],
            depth=100,
            time=1790113267.845638,
        )
    ]


def test_a_delta_names_its_predecessor_and_leaves_out_a_side() -> None:
    assert parse(DELTA) == [
        Delta("ETH_BTC", 214399, 214403, [], [("0.020861", "0")], time=1790113268.5)
    ]


def test_a_delta_without_sides_advances() -> None:
    assert parse(delta(7, 9)) == [Delta("ETH_BTC", 7, 9, [], [])]
    assert parse(delta(0, 1)) == [Delta("ETH_BTC", 0, 1, [], [])]


def test_floats_are_decoded_as_floats() -> None:
    (message,) = parse(DELTA, venue=WhiteBIT(numbers=float))
    assert message.asks == [(0.020861, 0.0)]
    assert type(message.asks[0][1]) is float


def test_books_are_cut_to_the_depth_subscribed() -> None:
    assert WhiteBIT().keep == 100
    assert WhiteBIT(depth=20).keep == 20
    (snapshot,) = parse(SNAPSHOT, venue=WhiteBIT(depth=20))
    assert snapshot.depth == 20
    with pytest.raises(ConfigurationError, match="1, 5, 10, 20, 30, 50, 100"):
        WhiteBIT(depth=25)


def test_subscriptions_never_cancel_the_others() -> None:
    venue = WhiteBIT()
    session = venue.session()
    assert venue.subscribe(["BTC_USDT", "ETH_PERP"], session, 0.0) == [
        '{"id":1,"method":"depth_subscribe","params":["BTC_USDT",100,"0",true]}',
        '{"id":2,"method":"depth_subscribe","params":["ETH_PERP",100,"0",true]}',
    ]
    assert venue.unsubscribe(["BTC_USDT"], session, 0.0) == [
        '{"id":3,"method":"depth_unsubscribe","params":["BTC_USDT"]}'
    ]


def test_answers_give_the_id_of_their_request() -> None:
    venue = WhiteBIT()
    session = venue.session()
    venue.subscribe(["BTC_USDT", "NOPE_PERP", "ETH_BTC"], session, 0.0)
    venue.unsubscribe(["BTC_USDT"], session, 0.0)
    answers = [
        '{"id":1,"result":{"status":"success"},"error":null}',
        (
            '{"id":2,"result":null,"error":{"code":9,'
            '"message":"market NOPE_PERP does not exist"}}'
        ),
        '{"id":3,"result":null,"error":{"code":7,"message":"too many requests"}}',
        '{"id":4,"result":{"status":"success"},"error":null}',
    ]
    assert [venue.parse(answer, session) for answer in answers] == [
        (Subscribed(("BTC_USDT",)),),
        (Rejected(("NOPE_PERP",), "market NOPE_PERP does not exist (code 9)"),),
        (),  # not for good
        (Unsubscribed(("BTC_USDT",)),),
    ]


def test_an_error_without_a_known_request_rejects_nobody_in_particular() -> None:
    text = '{"id":77,"result":null,"error":{"code":1,"message":"invalid argument"}}'
    assert parse(text) == [Rejected((), "invalid argument (code 1)")]
    assert parse(text.replace("77", "null")) == [
        Rejected((), "invalid argument (code 1)")
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"id":0,"result":"pong","error":null}', id="pong"),
        pytest.param(
            '{"id":null,"method":"trades_update","params":["BTC_USDT",[]]}', id="trades"
        ),
    ],
)
def test_other_frames_are_ignored(text: str) -> None:
    assert parse(text) == []


def test_the_heartbeat_is_json() -> None:
    venue = WhiteBIT()
    assert venue.ping(venue.session(), 0.0) == '{"id":0,"method":"ping","params":[]}'
    assert venue.heartbeat.interval is not None
    assert venue.heartbeat.interval <= 50


def test_facts() -> None:
    assert WhiteBIT.facts.source is Source.STREAM
    assert WhiteBIT.facts.assurance is Assurance.CHAINED
    assert WhiteBIT.facts.resync is Resync.RESUBSCRIBE
    assert WhiteBIT.facts.verified == ""
    assert WhiteBIT.prepare("btc_usdt") == "BTC_USDT"


def test_a_missing_delta_is_a_gap_and_a_whole_book_replaces() -> None:
    book = NaiveBook()
    frames = [
        SNAPSHOT.replace("21244231142", "100").replace("ETH_PERP", "ETH_BTC"),
        delta(100, 103),
        delta(105, 107),
        delta(103, 105),
        SNAPSHOT.replace("21244231142", "110").replace("ETH_PERP", "ETH_BTC"),
        delta(110, 111),
    ]
    for message in parse(*frames):
        (book.load if isinstance(message, Snapshot) else book.take)(message)
    assert (book.sequence, book.applied, book.gaps) == (111, 3, [(103, 105)])


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        pytest.param("", None, id="empty"),
        pytest.param(DELTA[:-30], None, id="cut"),
        pytest.param(b"\xff\xfe", None, id="no text"),
        pytest.param("[]", None, id="no object"),
        pytest.param("{}", None, id="says nothing"),
        pytest.param('{"id":null,"method":"depth_update"}', None, id="no params"),
        pytest.param('{"method":"depth_update","params":[]}', None, id="empty params"),
        pytest.param(
            '{"method":"depth_update","params":[true,{"update_id":1},5]}',
            None,
            id="market is no text",
        ),
        pytest.param(DELTA.replace('"update_id"', '"x"'), "ETH_BTC", id="no number"),
        pytest.param(
            DELTA.replace('"past_update_id":214399,', ""), "ETH_BTC", id="no past"
        ),
        pytest.param(delta(9, 9), "ETH_BTC", id="past not before"),
        pytest.param(delta(-5, 9), "ETH_BTC", id="past < 0"),
        pytest.param(SNAPSHOT.replace("21244231142", "-1"), "ETH_PERP", id="below 0"),
        pytest.param(DELTA.replace('["0.020861","0"]', "7"), "ETH_BTC", id="level"),
        pytest.param(DELTA.replace('"0.020861"', "null"), "ETH_BTC", id="null"),
        pytest.param(delta(5, 10**400), "ETH_BTC", id="number beyond all"),
        pytest.param(
            DELTA.replace("1790113268.5", "1e400"), None, id="time beyond all"
        ),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_malformed_frames_raise_one_error(
    text: str | bytes, symbol: str | None, numbers: type
) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=WhiteBIT(numbers=numbers))
    assert caught.value.symbol == symbol


def test_fresh_sessions_give_the_same_messages() -> None:
    frames = [SNAPSHOT, DELTA, delta(214403, 214405)]
    assert parse(*frames) == parse(*frames)
    assert len(parse(*frames)) == 3


def test_instruments_have_digits_and_a_state() -> None:
    venue = WhiteBIT()
    assert [request.path for request in venue.instrument_requests()] == [
        "/api/v4/public/markets"
    ]
    entry = {
        "name": "BTC_USDT",
        "stockPrec": "6",
        "moneyPrec": "2",
        "tradesEnabled": True,
        "type": "spot",
    }
    off = {**entry, "name": "OFF_USDT", "tradesEnabled": False, "moneyPrec": "0"}
    assert venue.parse_instruments(json.dumps([entry, off])) == [
        Instrument(
            symbol="BTC_USDT",
            price_step=Decimal("0.01"),
            size_step=Decimal("0.000001"),
        ),
        Instrument(
            symbol="OFF_USDT",
            price_step=Decimal(1),
            size_step=Decimal("0.000001"),
            active=False,
        ),
    ]
    for bad in ("{}", '[{"name":"X"}]', json.dumps([{**entry, "stockPrec": "x"}])):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(bad)
