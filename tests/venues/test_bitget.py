"""
Bitget against its sheet (www.bitget.com/docs, probe of 2026-09-15); no v2 frames exist.

The checksum is computed on the recorded frames of v1 (2022), which hashed likewise.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Delta, Rejected, Snapshot, Subscribed, Unsubscribed
from booksync.venues.bitget import Bitget
from booksync.venues.declared import Requests
from tests.captures import manifest, needs_captures, records

FUTURES = Bitget(options={"market": "usdt-futures"})
V3 = Bitget(options={"version": "v3"})

SNAPSHOT = (
    '{"action":"snapshot","arg":{"instType":"USDT-FUTURES","channel":"books",'
    '"instId":"MAVUSDT"},"data":[{"asks":[["0.01039","4499.23"],["0.0104","116536.86"]],'
    '"bids":[["0.01038","4311.15"]],"ts":"1789456510736","seq":427583461144,"pseq":0}],'
    '"ts":1789456511968}'
)
V3_SNAPSHOT = (
    '{"action":"snapshot","arg":{"instType":"spot","topic":"books","symbol":"BTCUSDT"},'
    '"data":[{"a":[["2","1"]],"b":[["1","3"],["0.5","4"]],"ts":"1789456510736",'
    '"seq":"7","pseq":"0","checksum":0}],"ts":1789456511968}'
)


def update(pseq=10, seq=15, *, asks=(), bids=(), market="USDT-FUTURES", **more):
    book = {"asks": asks, "bids": bids, "ts": "1789456510800", "seq": seq, "pseq": pseq}
    book = {key: value for key, value in (book | more).items() if value is not None}
    arg = {"instType": market, "channel": "books", "instId": "MAVUSDT"}
    return json.dumps({"action": "update", "arg": arg, "data": [book], "ts": 1})


def parse(*frames, venue=FUTURES):
    session = venue.session()
    return [message for raw in frames for message in venue.parse(raw, session)]


def test_snapshot_of_the_sheet():
    assert parse(SNAPSHOT) == [
        Snapshot(
            "MAVUSDT",
            427583461144,
            [("0.01038", "4311.15")],
            [("0.01039", "4499.23"), ("0.0104", "116536.86")],
            depth=2,
            time=1789456510.736,
        )
    ]


def test_v3_has_other_names_and_may_send_numbers_as_text():
    assert parse(V3_SNAPSHOT, venue=V3) == [
        Snapshot(
            "BTCUSDT",
            7,
            [("1", "3"), ("0.5", "4")],
            [("2", "1")],
            depth=2,
            time=1789456510.736,
        )
    ]
    assert parse(V3_SNAPSHOT, venue=Bitget()) == parse(V3_SNAPSHOT, venue=V3)


def test_stock_snapshots_have_an_object_for_data():
    raw = json.loads(SNAPSHOT)
    raw["data"] = raw["data"][0]
    assert parse(json.dumps(raw)) == parse(SNAPSHOT)


def test_empty_snapshot_is_whole():
    raw = SNAPSHOT.replace('[["0.01038","4311.15"]]', "[]").replace(
        '[["0.01039","4499.23"],["0.0104","116536.86"]]', "[]"
    )
    [snapshot] = parse(raw)
    assert (snapshot.bids, snapshot.asks, snapshot.depth) == ([], [], None)


@pytest.mark.parametrize(
    ("pseq", "seq", "reset"),
    [
        pytest.param(10, 15, False, id="next"),
        pytest.param(15, 3, True, id="symbol maintenance"),
        pytest.param(0, 900, True, id="restarted: follows nothing"),
        pytest.param(1 << 60, (1 << 60) + 1, False, id="beyond 2^53"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_delta_carries_what_lies_after_pseq(pseq, seq, reset, numbers):
    venue = Bitget(numbers=numbers, options={"market": "usdt-futures"})
    raw = update(pseq, seq, asks=[["0.0104", "0"]], bids=[["0.01", "5"]])
    assert parse(raw, venue=venue) == [
        Delta(
            "MAVUSDT",
            pseq,
            seq,
            [("0.01", "5")],
            [("0.0104", "0")],
            1789456510.8,
            reset=reset,
        )
    ]


def test_checksum_is_verified_where_it_is_sent_unless_told_otherwise():
    options = {"market": "usdt-futures", "checksum": "ignore"}
    raw = update(checksum=-1881014294)
    assert parse(raw)[0].checksum == -1881014294
    assert parse(raw, venue=Bitget(options=options))[0].checksum is None
    assert parse(update(checksum=0))[0].checksum is None
    assert parse(update())[0].checksum is None


def test_checksum_of_the_sheet():
    bids, asks = [("3366.1", "7"), ("3366", "6")], [("3366.8", "9"), ("3368", "8")]
    assert Bitget().checksum(bids, asks, "X") == -1881014294


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(update(market="SPOT"), id="other market"),
        pytest.param(update(seq="x", market="SPOT"), id="other market, unreadable"),
        pytest.param(SNAPSHOT.replace('"books"', '"books5"'), id="other depth"),
        pytest.param(
            '{"action":"snapshot","arg":{"instType":"USDT-FUTURES","channel":"ticker",'
            '"instId":"MAVUSDT"},"data":[{"last":"1"}],"ts":1}',
            id="other channel",
        ),
        pytest.param("pong", id="pong"),
        pytest.param('{"event":"login","code":0}', id="other event"),
    ],
)
def test_frames_that_do_not_concern_our_books(raw):
    assert parse(raw) == []


# -- requests and answers -----------------------------------------------------------


@pytest.mark.parametrize("operation", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize(
    ("venue", "arg"),
    [
        pytest.param(
            Bitget(),
            '{"instType":"SPOT","channel":"books","instId":"BTCUSDT"}',
            id="v2",
        ),
        pytest.param(
            V3, '{"instType":"spot","topic":"books","symbol":"BTCUSDT"}', id="v3"
        ),
    ],
)
def test_requests_of_the_sheet(operation, venue, arg):
    frames = getattr(venue, operation)(["BTCUSDT"], Requests(), 0.0)
    assert frames == [f'{{"op":"{operation}","args":[{arg}]}}']


def test_generations_have_their_own_paths():
    urls = [venue.stream_url(venue.WS_URL) for venue in (Bitget(), V3)]
    expected = ["wss://ws.bitget.com/v2/ws/public", "wss://ws.bitget.com/v3/ws/public"]
    assert urls == expected


def test_frames_hold_ten_books_each():
    names = [f"S{number}" for number in range(25)]
    frames = [json.loads(raw) for raw in V3.subscribe(names, Requests(), 0.0)]
    assert [len(frame["args"]) for frame in frames] == [10, 10, 5]
    assert [arg["symbol"] for frame in frames for arg in frame["args"]] == names


ARG = '{"instType":"USDT-FUTURES","channel":"books","instId":"MAVUSDT"}'


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            f'{{"event":"subscribe","arg":{ARG}}}',
            [Subscribed(("MAVUSDT",))],
            id="subscribed",
        ),
        pytest.param(
            f'{{"event":"unsubscribe","arg":{ARG}}}',
            [Unsubscribed(("MAVUSDT",))],
            id="unsubscribed",
        ),
        pytest.param(
            f'{{"event":"error","arg":{ARG},"code":30001,"msg":"no such instId"}}',
            [Rejected(("MAVUSDT",), "no such instId (code 30001)")],
            id="refused for good",
        ),
        pytest.param(
            f'{{"event":"error","arg":{ARG},"code":"30007","msg":"over limit"}}',
            [Rejected((), "over limit (code 30007)")],
            id="refused for now",
        ),
        pytest.param(
            '{"event":"error","code":30016,"msg":"Param error"}',
            [Rejected((), "Param error (code 30016)")],
            id="v3 does not say whom",
        ),
    ],
)
def test_answers_of_the_sheet(raw, expected):
    assert parse(raw) == expected


def test_v3_answer_names_the_symbol_in_its_own_way():
    raw = (
        '{"event":"subscribe","arg":{"instType":"spot","topic":"books",'
        '"symbol":"BTCUSDT"},"connId":"x"}'
    )
    assert parse(raw, venue=V3) == [Subscribed(("BTCUSDT",))]


def test_heartbeat_is_a_text_every_thirty_seconds():
    assert (Bitget().ping(None, 0.0), Bitget.heartbeat.interval) == ("ping", 30.0)


def test_depth_of_unknown_options_is_refused():
    with pytest.raises(ConfigurationError):
        Bitget(options={"version": "v1"})


# -- malformed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("{}", id="nothing known"),
        pytest.param(update(pseq=None), id="no pseq"),
        pytest.param(update(seq=None), id="no seq"),
        pytest.param(update(pseq=-1), id="pseq is negative"),
        pytest.param(update(seq=-1), id="seq is negative"),
        pytest.param(update(bids=None), id="no bids"),
        pytest.param(update(bids=[["1"]]), id="level without size"),
        pytest.param(update(bids=[[1, 2]]), id="levels in numbers"),
        pytest.param(update(seq=1.5), id="seq is a fraction"),
        pytest.param(update().replace("update", "patch"), id="unknown action"),
        pytest.param(b"\x80", id="not UTF-8"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_malformed(raw):
    with pytest.raises(MalformedMessage):
        parse(raw)


def test_malformed_book_says_whose_it_is():
    for raw in (update(bids=[["1"]]), update(pseq=None)):
        with pytest.raises(MalformedMessage) as caught:
            parse(raw)
        assert caught.value.symbol == "MAVUSDT"


@pytest.mark.parametrize("whole", [SNAPSHOT, update()])
def test_cut_frames_are_malformed_and_nothing_else(whole):
    for end in range(len(whole)):
        with pytest.raises(MalformedMessage):
            parse(whole[:end])


def test_fresh_session_says_the_same():
    frames = [SNAPSHOT, update(427583461144, 427583461150), "pong"]
    assert parse(*frames) == parse(*frames)


# -- instruments --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "path", "params"),
    [
        ({}, "/api/v2/spot/public/symbols", {}),
        (
            {"market": "coin-futures"},
            "/api/v2/mix/market/contracts",
            {"productType": "COIN-FUTURES"},
        ),
        ({"version": "v3"}, "/api/v3/market/instruments", {"category": "SPOT"}),
    ],
)
def test_instrument_requests(options, path, params):
    [request] = Bitget(options=options).instrument_requests()
    assert (request.path, dict(request.params)) == (path, params)


@pytest.mark.parametrize(
    ("entry", "price", "size", "active"),
    [
        pytest.param(
            {"pricePrecision": "2", "quantityPrecision": "6", "status": "online"},
            "0.01",
            "0.000001",
            True,
            id="v2 spot",
        ),
        pytest.param(
            {
                "pricePlace": "1",
                "priceEndStep": "5",
                "volumePlace": "3",
                "sizeMultiplier": "0.001",
                "symbolStatus": "normal",
            },
            "0.5",
            "0.001",
            True,
            id="v2 futures",
        ),
        pytest.param(
            {
                "priceMultiplier": "0.05",
                "pricePrecision": "2",
                "quantityMultiplier": "0.1",
                "quantityPrecision": "1",
                "status": "offline",
            },
            "0.05",
            "0.1",
            False,
            id="v3",
        ),
    ],
)
def test_instruments_by_steps_or_decimals(entry, price, size, active):
    answer = {"code": "00000", "data": [{"symbol": "BTCUSDT", **entry}]}
    [listed] = Bitget().parse_instruments(json.dumps(answer))
    assert listed.price_step == Decimal(price)
    assert listed.size_step == Decimal(size)
    assert (listed.symbol, listed.active) == ("BTCUSDT", active)


@pytest.mark.parametrize(
    "body",
    [
        '{"code":"40034","msg":"no","data":[]}',
        '{"code":"00000","data":[{"status":"online"}]}',
        '{"code":"00000","data":[{"symbol":"X","pricePrecision":"9999999999999999999"}]}',
    ],
)
def test_malformed_instruments(body):
    with pytest.raises(MalformedMessage):
        Bitget().parse_instruments(body)


# -- the checksum on real frames ------------------------------------------------------


@needs_captures
def test_every_checksum_of_the_v1_capture_is_computed_anew():
    name = "bitget_v1_spot_20220407"
    sides: dict[tuple[str, str], dict[Decimal, list[str]]] = {}
    agreed = []
    for record in records(name):
        raw = json.loads(record["raw"]) if record["ch"] == "ws" else {}
        for book in raw.get("data", ()):
            symbol = raw["arg"]["instId"]
            best: dict[str, list[tuple[str, str]]] = {}
            for side in ("bids", "asks"):
                levels = sides.setdefault((symbol, side), {})
                levels.update({Decimal(level[0]): level for level in book[side]})
                order = sorted(levels, reverse=side == "bids")
                kept = [levels[price] for price in order if Decimal(levels[price][1])]
                best[side] = [(price, size) for price, size, *_ in kept[:25]]
            ours = Bitget().checksum(best["bids"], best["asks"], symbol)
            agreed.append(ours == book["checksum"])
    [entry] = [entry for entry in manifest() if entry["name"] == name]
    assert agreed.count(True) == entry["checksums_passed"]
    assert agreed.count(False) == entry["checksums_failed"] == 0
