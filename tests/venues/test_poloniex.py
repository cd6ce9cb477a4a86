"""
Poloniex against its sheet and recorded frames.

SHEET frames restate api-docs.poloniex.com and the probe of 2026-09-23 in
nemanull/arbitrage-observatory, shortened; RECORDED ones are of cryptofeed's sample of
2022-08-21. Read 2026-11.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Rejected, Snapshot, Subscribed, Unsubscribed
from booksync.venues.poloniex import Poloniex
from tests.captures import (
    NaiveBook,
    instruments,
    needs_captures,
    oracle,
    records,
    replay_naively,
)

CAPTURE = "poloniex_spot_20220821_a"
SHEET_SNAPSHOT = (
    '{"channel":"book_lv2","data":[{"symbol":"USDJ_USDT","createTime":1661123485852,'
    '"asks":[["0.9998","264.0257"],["0.9999","216.5843"]],'
    '"bids":[["0.9996","67.2"],["0.9977","1.3686"]],"lastId":74229,"id":74230,'
    '"ts":1661123517823}],"action":"snapshot"}'
)
RECORDED_DELTA = (
    '{"channel":"book_lv2","data":[{"symbol":"BTC_USDT","createTime":1661123519265,'
    '"asks":[["21649.24","0"],["21663.62","0.34"]],"bids":[],"lastId":4485686,'
    '"id":4485687,"ts":1661123519270}],"action":"update"}'
)
FUTURES_SNAPSHOT = (
    '{"channel":"book_lv2","data":[{"asks":[["86657.22","1098"]],'
    '"bids":[["86651.86","1"]],"lid":6284171741,"id":6284171742,"ts":1790134293641,'
    '"s":"BTC_USDT_PERP","cT":1790134293558}],"action":"snapshot"}'
)
FUTURES_DELTA = (
    '{"channel":"book_lv2","data":[{"asks":[],"bids":[["86581.72","545"],'
    '["86571.74","0"]],"lid":6284171742,"id":6284171757,"ts":1790134293834,'
    '"s":"BTC_USDT_PERP","cT":1790134293821}],"action":"update"}'
)


MARKET = (
    '[{"symbol":"BTC_USDT","state":"PAUSE",'
    '"symbolTradeLimit":{"priceScale":2,"quantityScale":6}}]'
)


def push(action="update", **more):
    row = {"symbol": "BTC_USDT", "asks": [], "bids": [], "lastId": 10, "id": 15}
    row |= {"createTime": 1, "ts": 2000, **more}
    return json.dumps({"channel": "book_lv2", "data": [row], "action": action})


def parse(*frames, venue=None):
    venue = venue or Poloniex()
    session = venue.session()
    return [message for raw in frames for message in venue.parse(raw, session)]


def futures():
    return Poloniex(options={"market": "futures"})


def test_snapshot_of_the_sheet():
    assert parse(SHEET_SNAPSHOT) == [
        Snapshot(
            symbol="USDJ_USDT",
            sequence=74230,
            bids=[("0.9996", "67.2"), ("0.9977", "1.3686")],
            asks=[("0.9998", "264.0257"), ("0.9999", "216.5843")],
            depth=20,
            time=1661123517.823,
        )
    ]


def test_recorded_delta():
    assert parse(RECORDED_DELTA) == [
        Delta(
            "BTC_USDT",
            4485686,
            4485687,
            [],
            [("21649.24", "0"), ("21663.62", "0.34")],
            1661123519.27,
        )
    ]


def test_futures_spell_the_same_otherwise():
    assert parse(FUTURES_SNAPSHOT, FUTURES_DELTA, venue=futures()) == [
        Snapshot(
            symbol="BTC_USDT_PERP",
            sequence=6284171742,
            bids=[("86651.86", "1")],
            asks=[("86657.22", "1098")],
            depth=20,
            time=1790134293.641,
        ),
        Delta(
            "BTC_USDT_PERP",
            6284171742,
            6284171757,
            [("86581.72", "545"), ("86571.74", "0")],
            [],
            1790134293.834,
        ),
    ]


def test_numbers_may_begin_at_zero():
    first, second = parse(push("snapshot", id=0), push(lastId=0, id=1))
    assert (first.sequence, second.prev, second.last) == (0, 0, 1)


def test_several_rows_are_several_messages():
    content = json.loads(push())
    content["data"] *= 2
    content["data"][1] = {**content["data"][0], "symbol": "ETH_USDT"}
    found = parse(json.dumps(content))
    assert [item.symbol for item in found] == ["BTC_USDT", "ETH_USDT"]


def test_floats():
    (delta,) = parse(RECORDED_DELTA, venue=Poloniex(numbers=float))
    assert delta.asks == [(21649.24, 0.0), (21663.62, 0.34)]


def test_urls_and_requests_are_those_of_the_sheet():
    spot = Poloniex()
    assert spot.stream_url(spot.WS_URL) == "wss://ws.poloniex.com/ws/public"
    assert futures().stream_url("ws://x") == "ws://x/ws/v3/public"
    assert spot.subscribe(["BTC_USDT", "ETH_USDT"], spot.session(), 0.0) == [
        '{"event":"subscribe","channel":["book_lv2"],"symbols":["BTC_USDT"]}',
        '{"event":"subscribe","channel":["book_lv2"],"symbols":["ETH_USDT"]}',
    ]
    assert spot.unsubscribe(["BTC_USDT"], spot.session(), 0.0) == [
        '{"event":"unsubscribe","channel":["book_lv2"],"symbols":["BTC_USDT"]}'
    ]
    assert spot.ping(None, 0.0) == '{"event":"ping"}'
    interval = spot.heartbeat.interval
    assert interval is not None
    assert interval <= 20
    assert Poloniex.prepare("btc_usdt") == "BTC_USDT"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"event":"subscribe","channel":"book_lv2","symbols":["BTC_USDT","A_B"]}',
            [Subscribed(("BTC_USDT", "A_B"))],
            id="subscribed",
        ),
        pytest.param(
            '{"event":"unsubscribe","channel":"book_lv2","symbols":["BTC_USDT"]}',
            [Unsubscribed(("BTC_USDT",))],
            id="unsubscribed",
        ),
        pytest.param(
            '{"event":"subscribe","channel":"trades","symbols":["BTC_USDT"]}',
            [],
            id="another channel's answer",
        ),
        pytest.param(
            '{"message":"no valid symbols","event":"error"}',
            [Rejected((), "no valid symbols")],
            id="error",
        ),
        pytest.param('{"event":"pong"}', [], id="pong"),
        pytest.param(
            '{"channel":"trades","data":[{"symbol":"BTC_USDT","price":"1"}]}',
            [],
            id="trades",
        ),
        pytest.param(
            '{"channel":"book","data":[{"symbol":"BTC_USDT","asks":[],"bids":[],'
            '"id":1,"ts":1,"createTime":1}]}',
            [],
            id="whole books of the other channel",
        ),
        pytest.param(
            push().replace("book_lv2", "book"), [], id="the other channel, same shape"
        ),
    ],
)
def test_other_frames(raw, expected):
    assert parse(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "5",
        "[]",
        "{}",
        RECORDED_DELTA[:-12],
        b"\xff",
        push("other"),
        '{"channel":"book_lv2","data":[],"action":5}',
        '{"channel":"book_lv2","data":5,"action":"update"}',
        '{"channel":"book_lv2"}',
    ],
)
def test_malformed_frame(raw):
    with pytest.raises(MalformedMessage):
        parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        push(lastId=15),
        push(lastId=16),
        push(lastId=-1),
        push(lastId=None),
        push(id="x"),
        push(bids=[["1"]]),
        push(bids=[["1", "2", "3"]]),
        push(bids=[[1, 2]]),
        push(asks=None),
        push("snapshot", id=-1),
    ],
)
def test_malformed_book_names_its_symbol(raw):
    with pytest.raises(MalformedMessage) as caught:
        parse(raw)
    assert caught.value.symbol == "BTC_USDT"


def test_malformed_books_of_several_name_nobody():
    rows = json.dumps([{"symbol": "BTC_USDT"}, {"symbol": "ETH_USDT"}])
    with pytest.raises(MalformedMessage) as caught:
        parse(f'{{"channel":"book_lv2","action":"update","data":{rows}}}')
    assert caught.value.symbol is None


def test_malformed_futures_book_names_its_symbol():
    with pytest.raises(MalformedMessage) as caught:
        parse(FUTURES_DELTA.replace('"lid"', '"lost"'), venue=futures())
    assert caught.value.symbol == "BTC_USDT_PERP"


def test_same_frames_give_the_same_messages():
    frames = [SHEET_SNAPSHOT, RECORDED_DELTA]
    assert parse(*frames) == parse(*frames)
    assert parse(*frames) == parse(*(raw.encode() for raw in frames))


def test_instruments():
    (request,) = Poloniex().instrument_requests()
    assert request.path == "/markets"
    (item,) = Poloniex().parse_instruments(MARKET)
    assert (item.price_step, item.size_step) == (Decimal("0.01"), Decimal("0.000001"))
    assert not item.active


def test_futures_instruments():
    body = (
        '{"code":200,"msg":"","data":[{"symbol":"BTC_USDT_PERP","tSz":"0.01",'
        '"lotSz":"1","ctVal":"0.001","status":"OPEN"}]}'
    )
    (request,) = futures().instrument_requests()
    assert request.path == "/v3/market/allInstruments"
    (item,) = futures().parse_instruments(body)
    assert (item.symbol, item.active) == ("BTC_USDT_PERP", True)
    assert (item.price_step, item.size_step) == (Decimal("0.01"), Decimal(1))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        '[{"symbol":"A","state":"NORMAL"}]',
        MARKET.replace("2", "99"),
    ],
)
def test_malformed_instruments(body):
    with pytest.raises(MalformedMessage):
        Poloniex().parse_instruments(body)
    with pytest.raises(MalformedMessage):
        futures().parse_instruments(body)


@needs_captures
def test_final_books_of_the_capture():
    books = replay_naively(CAPTURE, "poloniex")
    expected = oracle(CAPTURE)["instruments"]
    assert len(books) == len(expected) == 6
    for symbol, book in books.items():
        assert book.digest() == expected[symbol]["full_sha256"], symbol
        assert book.gaps == []
        assert str(book.sequence) == expected[symbol]["last_seq"]
        assert book.applied == expected[symbol]["deltas"]
    assert sum(book.applied for book in books.values()) == 224


@needs_captures
def test_floats_give_the_same_levels():
    exact = replay_naively(CAPTURE, "poloniex")
    for symbol, book in replay_naively(CAPTURE, "poloniex", numbers=float).items():
        for side in "ba":
            wanted = {float(p): float(s) for p, s in exact[symbol].sides[side].items()}
            found = {float(p): float(s) for p, s in book.sides[side].items()}
            assert found == wanted


@needs_captures
def test_any_missing_delta_of_the_capture_is_a_gap_at_the_next():
    inbound = [item["raw"] for item in records(CAPTURE) if item["dir"] == "in"]
    messages = parse(*inbound)
    chains: dict[str, list[Delta]] = {}
    first = {}
    for item in messages:
        if isinstance(item, Delta):
            chains.setdefault(item.symbol, []).append(item)
        elif isinstance(item, Snapshot):
            first[item.symbol] = item
    tried = 0
    for symbol, chain in chains.items():
        for removed in range(len(chain) - 1):
            book = NaiveBook()
            book.load(first[symbol])
            for item in chain[:removed]:
                book.take(item)
            book.take(chain[removed + 1])
            assert book.gaps == [(chain[removed].prev, chain[removed + 1].prev)]
            tried += 1
    assert tried == 220


@needs_captures
def test_instruments_of_the_capture():
    found = instruments(CAPTURE, Poloniex())
    assert set(oracle(CAPTURE)["instruments"]) == set(found)
    assert found["SOL_USDT"].price_step == Decimal("0.001")
    assert found["BCH_BTC"].size_step == Decimal("0.01")
    assert all(item.active for item in found.values())
