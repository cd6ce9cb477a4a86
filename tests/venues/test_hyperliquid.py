"""
Hyperliquid against its sheet and recorded frames.

SHEET frames restate hyperliquid.gitbook.io (websocket subscriptions) and the probe of
2026-09-24 in nemanull/arbitrage-observatory, shortened. The recorded ones are
hftbacktest's, of 2025-01-26. Read 2026-11.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Rejected, Snapshot, Subscribed, Unsubscribed
from booksync.venues.declared import Requests
from booksync.venues.hyperliquid import Hyperliquid
from tests.captures import needs_captures, oracle, records, replay_naively

CAPTURE = "hyperliquid_btc_20250126"
SHEET_BOOK = (
    '{"channel":"l2Book","data":{"coin":"BTC","time":1789000000000,"levels":['
    '[{"px":"84143.0","sz":"10.25923","n":25},{"px":"84142.0","sz":"0.5","n":2}],'
    '[{"px":"84144.0","sz":"1.2","n":3},{"px":"84145.0","sz":"0.1","n":1}]]}}'
)
ANSWER = (
    '{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":'
    '{"type":"l2Book","coin":"BTC","nSigFigs":null,"mantissa":null,"fast":false}}}'
)


def book(**more):
    data = {"coin": "BTC", "time": 5, "levels": [[], []], **more}
    return json.dumps({"channel": "l2Book", "data": data})


def parse(*frames, venue=None):
    venue = venue or Hyperliquid()
    session = venue.session()
    return [message for raw in frames for message in venue.parse(raw, session)]


def test_every_frame_is_a_snapshot():
    assert parse(SHEET_BOOK) == [
        Snapshot(
            symbol="BTC",
            sequence=1789000000000,
            bids=[("84143.0", "10.25923"), ("84142.0", "0.5")],
            asks=[("84144.0", "1.2"), ("84145.0", "0.1")],
            depth=20,
            time=1789000000.0,
        )
    ]


def test_floats():
    (snapshot,) = parse(SHEET_BOOK, venue=Hyperliquid(numbers=float))
    assert snapshot.bids == [(84143.0, 10.25923), (84142.0, 0.5)]


def test_sequence_is_the_time_so_that_an_older_book_shows():
    found = parse(book(), book(time=4), book(coin="ETH", time=1))
    assert [(item.symbol, item.sequence) for item in found] == [
        ("BTC", 5),
        ("BTC", 4),
        ("ETH", 1),
    ]


def test_fast_book_has_5_levels():
    assert parse(book(fast=True))[0].depth == 5
    assert parse(book(fast=False))[0].depth == 20
    venue = Hyperliquid(options={"fast": "yes"})
    assert parse(book(), venue=venue)[0].depth == 5
    (raw,) = venue.subscribe(["BTC"], Requests(), 0.0)
    assert raw == (
        '{"method":"subscribe","subscription":'
        '{"type":"l2Book","coin":"BTC","fast":true}}'
    )


def test_requests_are_those_of_the_sheet():
    venue = Hyperliquid()
    assert venue.subscribe(["BTC"], Requests(), 0.0) == [
        '{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}'
    ]
    assert venue.unsubscribe(["@107"], Requests(), 0.0) == [
        '{"method":"unsubscribe","subscription":{"type":"l2Book","coin":"@107"}}'
    ]
    assert venue.ping({}, 0.0) == '{"method":"ping"}'
    assert Hyperliquid.prepare("kPEPE") == "kPEPE"


def test_aggregation_is_checked_before_the_venue_closes_the_connection():
    options = {"nSigFigs": "5", "mantissa": "2"}
    (raw,) = Hyperliquid(options=options).subscribe(["BTC"], Requests(), 0.0)
    assert json.loads(raw)["subscription"] == {
        "type": "l2Book",
        "coin": "BTC",
        "nSigFigs": 5,
        "mantissa": 2,
    }
    for bad in ({"mantissa": "2"}, {"nSigFigs": "4", "mantissa": "2"}):
        with pytest.raises(ConfigurationError, match="mantissa"):
            Hyperliquid(options=bad)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(ANSWER, [Subscribed(("BTC",))], id="subscribed"),
        pytest.param(
            ANSWER.replace('"subscribe"', '"unsubscribe"'),
            [Unsubscribed(("BTC",))],
            id="unsubscribed",
        ),
        pytest.param(
            ANSWER.replace("l2Book", "trades"), [], id="another channel's answer"
        ),
        pytest.param(
            '{"channel":"error","data":"Invalid \\"x\\""}',
            [Rejected((), 'Invalid "x"')],
            id="error",
        ),
        pytest.param('{"channel":"pong"}', [], id="pong"),
        pytest.param('{"channel":"trades","data":[{"coin":"BTC"}]}', [], id="trades"),
        pytest.param(
            SHEET_BOOK.replace("l2Book", "other"), [], id="another channel, same shape"
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
        b"\xff",
        SHEET_BOOK[:-9],
        '{"channel":"l2Book"}',
        '{"channel":"l2Book","data":5}',
        '{"channel":"error","data":5}',
        '{"channel":"subscriptionResponse","data":{}}',
    ],
)
def test_malformed_frame(raw):
    with pytest.raises(MalformedMessage):
        parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        book(time=-1),
        book(time=None),
        book(levels=[[]]),
        book(levels=[[], [], []]),
        book(levels=[[{"px": "1"}], []]),
        book(levels=[[{"px": 1, "sz": "1"}], []]),
        book(levels=[[["1", "1"]], []]),
    ],
)
def test_malformed_book_names_its_coin(raw):
    with pytest.raises(MalformedMessage) as caught:
        parse(raw)
    assert caught.value.symbol == "BTC"


def test_same_frames_give_the_same_messages():
    frames = [ANSWER, book(), book(time=4), SHEET_BOOK]
    assert parse(*frames) == parse(*frames)
    assert parse(*frames) == parse(*(raw.encode() for raw in frames))


def test_perpetuals_are_listed():
    body = (
        '{"universe":[{"name":"BTC","szDecimals":5,"maxLeverage":40},'
        '{"name":"MATIC","szDecimals":1,"maxLeverage":20,"isDelisted":true}]}'
    )
    first, second = Hyperliquid().parse_instruments(body)
    assert (first.symbol, first.active) == ("BTC", True)
    assert (first.price_step, first.size_step) == (Decimal("0.1"), Decimal("0.00001"))
    assert (second.price_step, second.active) == (Decimal("0.00001"), False)


def test_spot_is_listed_by_its_first_token():
    body = (
        '{"universe":[{"name":"PURR/USDC","tokens":[1,0],"index":0},'
        '{"name":"@9","tokens":[7,0],"index":9}],'
        '"tokens":[{"name":"USDC","szDecimals":8,"index":0},'
        '{"name":"PURR","szDecimals":0,"index":1},'
        '{"name":"X","szDecimals":2,"index":7}]}'
    )
    first, second = Hyperliquid().parse_instruments(body)
    assert (first.price_step, first.size_step) == (Decimal("0.00000001"), Decimal(1))
    assert (second.price_step, second.size_step) == (
        Decimal("0.000001"),
        Decimal("0.01"),
    )


def test_instrument_requests():
    bodies = [item.body for item in Hyperliquid().instrument_requests()]
    assert bodies == [b'{"type":"meta"}', b'{"type":"spotMeta"}']


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        '{"universe":[{}]}',
        '{"universe":[{"name":"A","szDecimals":-1}]}',
    ],
)
def test_malformed_instruments(body):
    with pytest.raises(MalformedMessage):
        Hyperliquid().parse_instruments(body)


@needs_captures
def test_final_book_of_the_capture():
    books = replay_naively(CAPTURE, "hyperliquid")
    expected = oracle(CAPTURE)["instruments"]
    assert list(books) == list(expected) == ["BTC"]
    assert books["BTC"].digest() == expected["BTC"]["full_sha256"]
    assert str(books["BTC"].sequence) == expected["BTC"]["last_seq"]


@needs_captures
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_every_frame_of_the_capture_is_a_whole_book(numbers):
    inbound = [item["raw"] for item in records(CAPTURE) if item["dir"] == "in"]
    found = parse(*inbound, venue=Hyperliquid(numbers=numbers))
    assert len(found) == 46
    assert {(len(item.bids), len(item.asks)) for item in found} == {(20, 20)}
