"""
Crypto.com against its sheet (exchange-docs.crypto.com, probe of 2026-09-22).

The snapshot is a recorded one (2026-09, quoted in the probe), shortened; the delta is
the documentation's. No capture of this protocol exists.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import (
    Delta,
    Rejected,
    Reply,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.crypto_com import CryptoCom

SNAPSHOT = (
    '{"id":-1,"method":"subscribe","code":0,"result":{"instrument_name":"ETHUSD-PERP",'
    '"subscription":"book.ETHUSD-PERP.50","channel":"book","depth":50,"data":[{'
    '"asks":[["2749.62","0.2008","2"],["2749.79","0.0001","1"]],'
    '"bids":[["2749.61","0.0786","2"]],'
    '"t":1790114273395,"tt":1790114273346,"u":375554806244928,"cs":-1183713967}]}}'
)


def update(pu=375554806244928, u=375554806300000, *, asks=(), bids=(), depth=50):
    item = {"update": {"asks": asks, "bids": bids}, "t": 1790114273500, "tt": 1}
    item |= {"u": u, "pu": pu, "cs": 1985787755}
    item = {key: value for key, value in item.items() if value is not None}
    result = {
        "instrument_name": "ETHUSD-PERP",
        "subscription": "book.ETHUSD-PERP.50",
        "channel": "book.update",
        "depth": depth,
        "data": [item],
    }
    return json.dumps({"id": -1, "method": "subscribe", "code": 0, "result": result})


def parse(*frames, venue=None):
    venue = venue or CryptoCom()
    session = venue.session()
    return [message for raw in frames for message in venue.parse(raw, session)]


@pytest.mark.parametrize(("numbers", "wire"), [(Decimal, str), (float, float)])
def test_snapshot_of_the_sheet(numbers, wire):
    assert parse(SNAPSHOT, venue=CryptoCom(numbers=numbers)) == [
        Snapshot(
            "ETHUSD-PERP",
            375554806244928,
            [(wire("2749.61"), wire("0.0786"))],
            [(wire("2749.62"), wire("0.2008")), (wire("2749.79"), wire("0.0001"))],
            depth=50,
            time=1790114273.395,
        )
    ]


@pytest.mark.parametrize(
    ("pu", "u", "bids", "reset"),
    [
        pytest.param(10, 20, [["1.5", "0", "0"]], False, id="next"),
        pytest.param("10", "20", [["1.5", "0", "0"]], False, id="numbers in text"),
        pytest.param(20, 20, [], False, id="sign of life"),
        pytest.param(20, 20, [["1.5", "0", "0"]], True, id="equal, not empty"),
    ],
)
def test_delta_carries_what_lies_after_pu(pu, u, bids, reset):
    expected = [(price, size) for price, size, _ in bids]
    assert parse(update(pu, u, bids=bids)) == [
        Delta("ETHUSD-PERP", int(pu), int(u), expected, [], 1790114273.5, reset=reset)
    ]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(update(depth=10), id="other depth"),
        pytest.param(
            '{"id":-1,"method":"subscribe","code":0,"result":{"channel":"ticker",'
            '"instrument_name":"ETHUSD-PERP","data":[{"a":"1"}]}}',
            id="other channel",
        ),
        pytest.param(
            '{"id":7,"method":"subscribe","code":0,"channel":"ticker.ETHUSD-PERP"}',
            id="acknowledgement of another channel",
        ),
        pytest.param(
            '{"id":7,"method":"subscribe","code":0,"channel":"book.ETHUSD-PERP.10"}',
            id="acknowledgement of another depth",
        ),
        pytest.param('{"id":7,"method":"unsubscribe","code":0}', id="not our request"),
    ],
)
def test_frames_that_do_not_concern_our_books(raw):
    assert parse(raw) == []


# -- requests and answers -----------------------------------------------------------


SUBSCRIBE = (
    '{"id":1,"method":"subscribe","params":{"channels":["book.BTCUSD-PERP.50"],'
    '"book_subscription_type":"SNAPSHOT_AND_UPDATE","book_update_frequency":10},'
    '"nonce":1790114272304}'
)
UNSUBSCRIBE = (
    '{"id":2,"method":"unsubscribe","params":{"channels":["book.BTCUSD-PERP.50"]},'
    '"nonce":1790114280000}'
)


def test_requests_of_the_sheet():
    venue = CryptoCom()
    session = venue.session()
    symbols = ["BTCUSD-PERP"]
    assert venue.subscribe(symbols, session, 1790114272.304) == [SUBSCRIBE]
    assert venue.unsubscribe(symbols, session, 1790114280.0) == [UNSUBSCRIBE]


def test_depth_and_speed_are_chosen():
    venue = CryptoCom(depth=10, options={"speed": "100ms"})
    [frame] = venue.subscribe(["BTC_USD"], venue.session(), 0.0)
    params = json.loads(frame)["params"]
    assert params["channels"] == ["book.BTC_USD.10"]
    assert params["book_update_frequency"] == 100
    assert (venue.facts.levels, CryptoCom.facts.levels) == (10, 50)
    assert parse(update(depth=10), venue=venue)
    with pytest.raises(ConfigurationError):
        CryptoCom(depth=150)


def answers(raw):
    """What an answer means after subscribe 1 (BTC_USD), 2 (NOPE), unsubscribe 3."""
    venue = CryptoCom()
    session = venue.session()
    venue.subscribe(["BTC_USD", "NOPE"], session, 0.0)
    venue.unsubscribe(["BTC_USD"], session, 0.0)
    return list(venue.parse(raw, session))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"id":1,"method":"subscribe","code":0,"channel":"book.BTC_USD.50"}',
            [Subscribed(("BTC_USD",))],
            id="subscribed",
        ),
        pytest.param(
            '{"id":3,"method":"unsubscribe","code":0}',
            [Unsubscribed(("BTC_USD",))],
            id="unsubscribed",
        ),
        pytest.param(
            '{"id":2,"code":40003,"method":"subscribe","message":"Unknown symbol"}',
            [Rejected(("NOPE",), "Unknown symbol (code 40003)")],
            id="refused for good",
        ),
        pytest.param(
            '{"id":2,"code":40107,"method":"subscribe","message":"limit"}',
            [Rejected(("NOPE",), "limit (code 40107)", final=False)],
            id="refused for now",
        ),
        pytest.param(
            '{"id":-9007199254740991,"code":40003,"method":"subscribe","message":"x"}',
            [Rejected((), "x (code 40003)")],
            id="not our request",
        ),
        pytest.param(
            '{"id":3,"code":40003,"method":"unsubscribe","message":"x"}',
            [],
            id="unsubscribe refused",
        ),
    ],
)
def test_answers_of_the_sheet(raw, expected):
    assert answers(raw) == expected


def test_heartbeat_is_answered_with_its_id():
    raw = '{"id":1587523073344,"method":"public/heartbeat","code":0}'
    assert parse(raw) == [
        Reply('{"id":1587523073344,"method":"public/respond-heartbeat"}')
    ]


# -- malformed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("{}", id="nothing known"),
        pytest.param(update(pu=None), id="no pu"),
        pytest.param(update(u=None), id="no u"),
        pytest.param(update(pu=30, u=20), id="numbers fall"),
        pytest.param(update(pu=-1), id="pu is negative"),
        pytest.param(update(u=1.5), id="u is a fraction"),
        pytest.param(update(bids=[["1"]]), id="level without size"),
        pytest.param(update(bids=[[1, 2, 3]]), id="levels in numbers"),
        pytest.param(update().replace('"update"', '"up"'), id="no sides"),
        pytest.param(SNAPSHOT.replace('"bids"', '"b"'), id="no bids"),
        pytest.param(SNAPSHOT.replace("375554806244928", "-1"), id="u is negative"),
        pytest.param(SNAPSHOT.replace('"u"', '"s"'), id="of 2022, without u"),
        pytest.param(
            '{"method":"subscribe","result":{"channel":"book","depth":50,'
            '"instrument_name":"X","data":[]}}',
            id="data is empty",
        ),
        pytest.param(b"\x80", id="not UTF-8"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_malformed(raw):
    with pytest.raises(MalformedMessage):
        parse(raw)


def test_malformed_book_says_whose_it_is():
    for raw in (update(bids=[["1"]]), update(pu=None)):
        with pytest.raises(MalformedMessage) as caught:
            parse(raw)
        assert caught.value.symbol == "ETHUSD-PERP"


@pytest.mark.parametrize("whole", [SNAPSHOT, update()])
def test_cut_frames_are_malformed_and_nothing_else(whole):
    for end in range(len(whole)):
        with pytest.raises(MalformedMessage):
            parse(whole[:end])


def test_fresh_session_says_the_same():
    heartbeat = '{"id":15,"method":"public/heartbeat","code":0}'
    frames = [SNAPSHOT, heartbeat, update()]
    assert parse(*frames) == parse(*frames)


# -- instruments --------------------------------------------------------------------

LISTING = (
    '{"id":-1,"method":"public/get-instruments","code":0,"result":{"data":[{'
    '"symbol":"BTCUSD-PERP","inst_type":"PERPETUAL_SWAP","quote_decimals":1,'
    '"quantity_decimals":4,"price_tick_size":"0.5","qty_tick_size":"0.0001",'
    '"tradable":true}]}}'
)


def test_instruments():
    [request] = CryptoCom().instrument_requests()
    assert request.path == "/exchange/v1/public/get-instruments"
    [listed] = CryptoCom().parse_instruments(LISTING)
    assert listed.symbol == "BTCUSD-PERP"
    assert (listed.price_step, listed.size_step) == (Decimal("0.5"), Decimal("0.0001"))
    assert listed.active


@pytest.mark.parametrize(
    "body",
    [
        LISTING.replace('"code":0', '"code":42901'),
        LISTING.replace('"symbol"', '"instrument"'),
        LISTING.replace('"0.5"', '"half"'),
        LISTING[:-3],
    ],
)
def test_malformed_instruments(body):
    with pytest.raises(MalformedMessage):
        CryptoCom().parse_instruments(body)
