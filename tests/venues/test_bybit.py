"""
Bybit against its sheet (bybit-exchange/docs @072c197, 2026-07-24) and frames of 2024.

Frames named SHEET are the documentation's. Vectors are those of the venue sheets'
Appendix B, numbers 11 to 14.
"""

from __future__ import annotations

import json
from decimal import Decimal

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
from booksync.venues import Assurance, Resync, Source
from booksync.venues.bybit import Bybit
from tests.captures import NaiveBook, needs_captures, oracle, replay_naively

FIFTY = Bybit(depth=50)
LOOSE = Bybit(depth=50, options={"strict_u": "no"})
FULL = Bybit(options={"channel": "full"})

SHEET_SNAPSHOT = (
    '{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1672304484978,'
    '"data":{"s":"BTCUSDT","b":[["16493.50","0.006"],["16493.00","0.100"]],'
    '"a":[["16611.00","0.029"],["16612.00","0.213"]],"u":18521288,"seq":7961638724},'
    '"cts":1672304484976}'
)
SHEET_DELTA = (
    '{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,'
    '"data":{"s":"BTCUSDT","b":[["30247.20","30.028"],["30245.40","0.224"]],'
    '"a":[["30248.70","0"],["30249.30","0.892"]],"u":177400507,"seq":66544703342},'
    '"cts":1687940967464}'
)
SHEET_FULL = (
    '{"topic":"orderbook.full.MNTUSDT","ts":1784103477732,"type":"delta",'
    '"data":{"s":"MNTUSDT","b":[["0.4758","2342.47"],["0.4757","1735.35"]],"a":[],'
    '"u":278547,"seq":1501100579},"cts":1784103477730}'
)
SHEET_REST = (
    '{"retCode":0,"retMsg":"OK","result":{"s":"BTCUSDT",'
    '"a":[["62998.2","0.198738"],["62998.3","0.088547"]],'
    '"b":[["62998.1","0.396837"],["62998","0.396838"]],"ts":1784103578352,'
    '"u":439925,"seq":2164890076,"cts":1784103578350},"retExtInfo":{},'
    '"time":1784103579732}'
)


def push(u, seq, kind="delta", *, topic="orderbook.50.BTCUSDT", **levels):
    data = {"s": topic.rpartition(".")[2], "b": (), "a": (), "u": u, "seq": seq}
    data |= levels
    data = {key: value for key, value in data.items() if value is not None}
    return json.dumps({"topic": topic, "type": kind, "ts": 1000, "data": data})


def full(u, seq, *, b=(["1.5", "2"],)):
    return push(u, seq, topic="orderbook.full.BTCUSDT", b=b)


def parse(*frames, venue=FIFTY):
    session = venue.session()
    return [message for raw in frames for message in venue.parse(raw, session)]


def ranges(*frames, venue=FIFTY):
    return [(delta.prev, delta.last) for delta in parse(*frames, venue=venue)]


# -- orderbook.{depth} --------------------------------------------------------------


@pytest.mark.parametrize(("numbers", "wire"), [(Decimal, str), (float, float)])
def test_snapshot_of_the_sheet(numbers, wire):
    assert parse(SHEET_SNAPSHOT, venue=Bybit(depth=50, numbers=numbers)) == [
        Snapshot(
            "BTCUSDT",
            18521288,
            [(wire("16493.50"), wire("0.006")), (wire("16493.00"), wire("0.100"))],
            [(wire("16611.00"), wire("0.029")), (wire("16612.00"), wire("0.213"))],
            depth=50,
            time=1672304484.976,
        )
    ]


def test_delta_of_the_sheet_follows_the_number_before_its_own():
    assert parse(SHEET_DELTA) == [
        Delta(
            "BTCUSDT",
            177400506,
            177400507,
            [("30247.20", "30.028"), ("30245.40", "0.224")],
            [("30248.70", "0"), ("30249.30", "0.892")],
            1687940967.464,
        )
    ]


def test_frame_without_the_engines_time_has_the_systems():
    [delta] = parse(push(5, 7))
    assert delta.time == 1.0


def follow(*frames, venue=FIFTY):
    """What a book makes of the frames, by the plain rule."""
    book = NaiveBook()
    for message in parse(*frames, venue=venue):
        step = book.load if isinstance(message, Snapshot) else book.take
        step(message)
    return book


def test_vector_11_a_snapshot_in_mid_stream_replaces_the_book():
    book = follow(
        push(10, 1, "snapshot", b=[["1", "1"]]),
        push(11, 2, b=[["2", "1"]]),
        push(12, 3, "snapshot", b=[["3", "1"]]),
        push(13, 4, a=[["4", "1"]]),
    )
    assert (book.sequence, book.gaps, book.applied) == (13, [], 2)
    assert book.sides == {"b": {Decimal(3): 1}, "a": {Decimal(4): 1}}


def test_vector_12_a_snapshot_numbered_one_is_a_restart():
    book = follow(
        push(10, 1, "snapshot"), push(11, 2), push(1, 3, "snapshot"), push(2, 4)
    )
    assert (book.sequence, book.gaps, book.applied) == (2, [], 2)


def test_missing_delta_shows():
    assert follow(push(10, 1, "snapshot"), push(12, 3)).gaps == [(10, 11)]


def test_delta_numbered_one_follows_nothing():
    [delta] = parse(push(1, 9))
    assert (delta.prev, delta.last, delta.reset) == (0, 1, True)


def test_depth_one_repeats_its_snapshot():
    frames = [push(9, 5, "snapshot", topic="orderbook.1.BTCUSDT")] * 2
    assert [m.sequence for m in parse(*frames, venue=Bybit(depth=1))] == [9, 9]


def test_book_of_another_depth_has_its_depth_in_its_name():
    frames = [
        push(9, 5, "snapshot", topic="orderbook.1000.BTCUSDT"),
        push(7, 5, "snapshot", topic="orderbook.500.BTCUSDT"),
        push(8, 6, topic="orderbook.500.BTCUSDT"),
    ]
    found = [(m.symbol, type(m)) for m in parse(*frames, venue=Bybit())]
    assert found == [
        ("BTCUSDT", Snapshot),
        ("500.BTCUSDT", Snapshot),
        ("500.BTCUSDT", Delta),
    ]
    [other] = parse(frames[1], venue=Bybit())
    assert other.depth == 500


def test_book_deeper_than_what_is_kept_is_not_read():
    deeper = push(7, 5, "snapshot", topic="orderbook.500.BTCUSDT")
    assert parse(deeper, venue=Bybit(depth=200)) == []


@pytest.mark.parametrize("depth", [1, 50, 200, 1000])
def test_book_is_cut_to_its_depth(depth):
    venue = Bybit(depth=depth)
    assert (venue.keep, venue.facts.levels) == (depth, depth)
    assert Bybit.facts.levels == Bybit().keep == 1000


def test_other_depths_cannot_be_asked_for():
    with pytest.raises(ConfigurationError):
        Bybit(depth=500)
    with pytest.raises(ConfigurationError, match="channel=full"):
        Bybit(depth=10_000)


def test_the_full_channel_has_no_smaller_depth():
    with pytest.raises(
        ConfigurationError, match="depth 10000 and channel=full go together"
    ):
        Bybit(depth=50, options={"channel": "full"})
    assert Bybit(depth=10_000, options={"channel": "full"}).depth == FULL.depth


# -- strict_u=no ----------------------------------------------------------------------


def test_loose_deltas_need_only_be_newer():
    frames = [push(10, 1, "snapshot"), push(14, 5), push(15, 5), push(19, 8)]
    assert ranges(*frames[1:], venue=LOOSE)[0] == (13, 14)
    assert [m.prev for m in parse(*frames, venue=LOOSE)[1:]] == [10, 14, 15]
    assert LOOSE.facts.assurance is Assurance.ORDERED
    assert FIFTY.facts.assurance is Bybit.facts.assurance is Assurance.COUNTED


def test_loose_repeat_is_stale():
    frames = [push(10, 1, "snapshot"), push(14, 5), push(14, 5), push(16, 6)]
    assert ranges(*frames[1:], venue=LOOSE) == [(13, 14), (13, 14), (14, 16)]
    book = follow(*frames, venue=LOOSE)
    assert (book.sequence, book.gaps, book.applied) == (16, [], 2)


def test_loose_delta_whose_seq_went_down_follows_nothing():
    book = follow(push(10, 7, "snapshot"), push(11, 6), venue=LOOSE)
    assert book.gaps == [(10, 11)]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(push(11, 2, b=[["1"]]), id="its own"),
        pytest.param('{"topic":', id="nobody's"),
    ],
)
def test_loose_delta_after_one_that_could_not_be_read_is_a_gap(broken):
    session = LOOSE.session()
    LOOSE.parse(push(10, 1, "snapshot"), session)
    with pytest.raises(MalformedMessage):
        LOOSE.parse(broken, session)
    (delta,) = LOOSE.parse(push(12, 3), session)
    assert (delta.prev, delta.last) == (11, 12)


# -- orderbook.full -------------------------------------------------------------------


def joined(snapshot_u, snapshot_seq, *frames):
    """A book loaded from REST after the frames came."""
    body = {"s": "BTCUSDT", "b": [], "a": [], "u": snapshot_u, "seq": snapshot_seq}
    answer = json.dumps({"retCode": 0, "retMsg": "OK", "result": body})
    book = NaiveBook()
    for message in parse(*frames, venue=FULL):
        assert isinstance(message, Delta)
        book.take(message)
    book.load(FULL.parse_snapshot(answer, "BTCUSDT", 10_000))
    return book


def test_full_channel_is_seeded_by_rest():
    assert (FULL.facts.source, FULL.facts.resync) == (Source.REST, Resync.FETCH)
    assert (FIFTY.facts.source, FIFTY.facts.resync) == (
        Source.STREAM,
        Resync.RESUBSCRIBE,
    )
    assert (FULL.keep, FULL.facts.levels, FULL.depth) == (None, None, 10_000)


def test_full_delta_of_the_sheet():
    assert parse(SHEET_FULL, venue=FULL) == [
        Delta(
            "MNTUSDT",
            1501100579,
            1501100579,
            [("0.4758", "2342.47"), ("0.4757", "1735.35")],
            [],
            1784103477.73,
        )
    ]


def test_full_snapshot_of_the_sheet():
    request = FULL.snapshot_request("BTCUSDT")
    assert request.path == "/v5/market/full_orderbook"
    assert dict(request.params) == {"category": "spot", "symbol": "BTCUSDT"}
    url = "https://api.bybit.com/v5/market/full_orderbook?category=spot&symbol=BTCUSDT"
    assert FULL.snapshot_symbol(url) == "BTCUSDT"
    assert FULL.snapshot_symbol("https://x/v5/market/orderbook?symbol=X") is None
    assert FULL.snapshot_depth(url) == 10_000
    assert FULL.parse_snapshot(SHEET_REST, "BTCUSDT", 10_000) == Snapshot(
        "BTCUSDT",
        2164890076,
        [("62998.1", "0.396837"), ("62998", "0.396838")],
        [("62998.2", "0.198738"), ("62998.3", "0.088547")],
        depth=10_000,
        time=1784103578.35,
    )


def test_full_deltas_carry_what_lies_after_the_last_seq():
    frames = [full(9, 480), full(10, 500), full(11, 507)]
    assert ranges(*frames, venue=FULL) == [(480, 480), (480, 500), (500, 507)]


def test_vector_13_full():
    book = joined(10, 500, full(9, 480), full(10, 500), full(11, 507))
    assert (book.sequence, book.gaps, book.applied) == (507, [], 1)


def test_vector_14_full_joins_by_seq_although_u_differs():
    """
    The documentation fetches again; the contract lets no snapshot see the stream.

    Joined by ``seq`` nothing is missed: what came after 500 is applied. By ``u`` the
    delta 507 would have been dropped as old.
    """
    book = joined(10, 500, full(9, 500), full(10, 507))
    assert (book.sequence, book.gaps, book.applied) == (507, [], 1)


def test_full_snapshot_older_than_the_first_delta_is_too_old():
    assert joined(8, 479, full(9, 480)).gaps == [(479, 480)]


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([full(9, 480), full(11, 507)], id="hole in u"),
        pytest.param([full(9, 480), full(1, 507)], id="restart"),
        pytest.param([full(9, 480), full(5, 507)], id="u fell"),
        pytest.param([full(1, 507)], id="the first is a restart"),
    ],
)
def test_full_delta_that_does_not_follow_needs_a_newer_snapshot(frames):
    assert ranges(*frames, venue=FULL)[-1] == (507, 507)
    assert joined(9, 480, *frames).gaps == [(480, 507)]
    assert joined(9, 507, *frames).gaps == []


def test_full_delta_whose_seq_went_down_is_stale_and_forgotten():
    frames = [full(9, 480), full(10, 470), full(10, 500), full(10, 500)]
    found = ranges(*frames, venue=FULL)
    assert found == [(480, 480), (469, 470), (480, 500), (499, 500)]
    assert joined(9, 480, *frames).applied == 1


def test_full_delta_at_the_same_seq_still_counts():
    again = parse(full(9, 480), full(10, 480), venue=FULL)[-1]
    assert (again.prev, again.last, again.reset) == (480, 480, True)


def test_full_book_that_ends_is_halted_until_it_has_levels():
    frames = [full(9, 480), full(1, 490, b=()), full(2, 495, b=()), full(3, 500)]
    messages = parse(*frames, full(4, 501), venue=FULL)
    assert messages[1] == Halted("BTCUSDT", "no book: delisted, or before its auction")
    assert [type(message) for message in messages[2:]] == [Delta, Resumed, Delta, Delta]
    assert messages[3] == Resumed("BTCUSDT")
    assert (messages[4].prev, messages[4].last) == (495, 500)


def test_full_channel_has_no_snapshots():
    raw = push(9, 480, "snapshot", topic="orderbook.full.BTCUSDT")
    with pytest.raises(MalformedMessage):
        parse(raw, venue=FULL)


def test_channels_do_not_mix():
    assert parse(SHEET_FULL, venue=FIFTY) == []
    assert parse(SHEET_DELTA, venue=FULL) == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"retCode":10001,"retMsg":"no","result":{}}', id="error"),
        pytest.param(SHEET_REST.replace('"retCode":0', '"retCode":1'), id="code"),
        pytest.param(SHEET_REST.replace("BTCUSDT", "ETHUSDT"), id="other symbol"),
        pytest.param(SHEET_REST.replace("2164890076", "-1"), id="negative"),
        pytest.param(SHEET_REST[:-4], id="cut"),
    ],
)
def test_malformed_snapshots(body):
    with pytest.raises(MalformedMessage) as caught:
        FULL.parse_snapshot(body, "BTCUSDT", 10_000)
    assert caught.value.symbol == "BTCUSDT"


# -- requests and answers -----------------------------------------------------------


@pytest.mark.parametrize(
    ("venue", "topic"),
    [(FIFTY, "orderbook.50.BTCUSDT"), (FULL, "orderbook.full.BTCUSDT")],
)
def test_requests_of_the_sheet(venue, topic):
    session = venue.session()
    subscribe = f'{{"req_id":"1","op":"subscribe","args":["{topic}"]}}'
    unsubscribe = f'{{"req_id":"2","op":"unsubscribe","args":["{topic}"]}}'
    assert venue.subscribe(["BTCUSDT"], session, 0.0) == [subscribe]
    assert venue.unsubscribe(["BTCUSDT"], session, 0.0) == [unsubscribe]


def test_frames_hold_ten_topics_each():
    names = [f"S{number}" for number in range(25)]
    found = [json.loads(raw) for raw in FIFTY.subscribe(names, FIFTY.session(), 0.0)]
    assert [len(raw["args"]) for raw in found] == [10, 10, 5]
    assert [raw["req_id"] for raw in found] == ["1", "2", "3"]


@pytest.mark.parametrize("market", ["spot", "linear", "inverse"])
def test_market_is_in_the_path(market):
    venue = Bybit(options={"market": market})
    url = f"wss://stream.bybit.com/v5/public/{market}"
    assert venue.stream_url(venue.WS_URL) == url
    [request] = venue.instrument_requests()
    assert request.params["category"] == market


def test_symbols_are_upper_case():
    assert Bybit.prepare("btcusdt") == "BTCUSDT"


def answers(raw):
    """What an answer means after two subscribes and an unsubscribe."""
    session = FIFTY.session()
    names = ["BTCUSDT", "BTCUSDT-27MAR26", *(f"S{number}" for number in range(8))]
    FIFTY.subscribe([*names, "ETHUSDT"], session, 0.0)
    FIFTY.unsubscribe(["ETHUSDT"], session, 0.0)
    return list(FIFTY.parse(raw, session))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"success":true,"ret_msg":"subscribe","conn_id":"x","req_id":"2",'
            '"op":"subscribe"}',
            [Subscribed(("ETHUSDT",))],
            id="subscribed, spot",
        ),
        pytest.param(
            '{"success":true,"ret_msg":"","conn_id":"x","req_id":"2","op":"subscribe"}',
            [Subscribed(("ETHUSDT",))],
            id="subscribed, linear",
        ),
        pytest.param(
            '{"success":true,"ret_msg":"","req_id":"3","op":"unsubscribe"}',
            [Unsubscribed(("ETHUSDT",))],
            id="unsubscribed",
        ),
        pytest.param(
            '{"success":true,"ret_msg":"","req_id":"test","op":"subscribe"}',
            [],
            id="not our request",
        ),
        pytest.param(
            '{"success":false,"ret_msg":"Invalid symbol","req_id":"2"}',
            [Rejected(("ETHUSDT",), "Invalid symbol")],
            id="one symbol refused",
        ),
        pytest.param(
            '{"success":false,"ret_msg":"no [orderbook.50.BTCUSDT-27MAR26]",'
            '"req_id":"1"}',
            [Rejected(("BTCUSDT-27MAR26",), "no [orderbook.50.BTCUSDT-27MAR26]")],
            id="one of ten refused",
        ),
        pytest.param(
            '{"success":false,"ret_msg":"busy","req_id":"1"}',
            [Rejected((), "busy")],
            id="ten refused",
        ),
        pytest.param(
            '{"success":false,"ret_msg":"no","req_id":"3"}', [], id="not subscribed"
        ),
        pytest.param(
            '{"success":true,"ret_msg":"pong","conn_id":"x","req_id":"ping",'
            '"op":"ping"}',
            [],
            id="pong",
        ),
        pytest.param('{"args":["1672916271846"],"op":"pong"}', [], id="other pong"),
        pytest.param(
            '{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT"}}',
            [],
            id="other topic",
        ),
        pytest.param(
            '{"topic":"orderbook.rpi.BTCUSDT","type":"delta","ts":1,"data":{'
            '"s":"BTCUSDT","b":[["1","2","0"]],"a":[],"u":2,"seq":3}}',
            [],
            id="RPI book",
        ),
    ],
)
def test_answers_of_the_sheet(raw, expected):
    assert answers(raw) == expected


def test_heartbeat_of_the_sheet():
    ping = json.loads(FIFTY.ping(FIFTY.session(), 0.0))
    assert (ping["op"], Bybit.heartbeat.interval) == ("ping", 20.0)


# -- malformed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("{}", id="nothing known"),
        pytest.param(push(None, 1), id="no u"),
        pytest.param(push(1, None), id="no seq"),
        pytest.param(push(0, 1), id="u is zero"),
        pytest.param(push(5, -1), id="seq is negative"),
        pytest.param(push(5.5, 1), id="u is a fraction"),
        pytest.param(push(5, 1, "partial"), id="unknown type"),
        pytest.param(push(5, 1, s="ETHUSDT"), id="other symbol than the topic"),
        pytest.param(push(5, 1, b=None), id="no bids"),
        pytest.param(push(5, 1, b=[["1"]]), id="level without size"),
        pytest.param(push(5, 1, b=[["1", "2", "3"]]), id="level too long"),
        pytest.param(push(5, 1, b=[[1, 2]]), id="levels in numbers"),
        pytest.param('{"topic":"orderbook.50.BTCUSDT"}', id="no data"),
        pytest.param(b"\x80", id="not UTF-8"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_malformed(raw):
    with pytest.raises(MalformedMessage):
        parse(raw)


def test_malformed_book_says_whose_it_is():
    for raw in (push(5, 1, b=[["1"]]), push(0, 1)):
        with pytest.raises(MalformedMessage) as caught:
            parse(raw)
        assert caught.value.symbol == "BTCUSDT"


@pytest.mark.parametrize("whole", [SHEET_SNAPSHOT, SHEET_DELTA])
def test_cut_frames_are_malformed_and_nothing_else(whole):
    for end in range(len(whole)):
        with pytest.raises(MalformedMessage):
            parse(whole[:end])


@pytest.mark.parametrize("venue", [FIFTY, LOOSE])
def test_fresh_session_says_the_same(venue):
    frames = [SHEET_SNAPSHOT, push(18521289, 7961638725), SHEET_DELTA]
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue)


def test_fresh_full_session_says_the_same():
    frames = [full(9, 480), full(1, 490, b=()), full(2, 500), full(3, 501)]
    assert parse(*frames, venue=FULL) == parse(*frames, venue=FULL)


# -- instruments --------------------------------------------------------------------


@pytest.mark.parametrize("size", ["basePrecision", "qtyStep"])
def test_instruments_of_spot_and_futures(size):
    body = (
        '{"retCode":0,"retMsg":"OK","result":{"category":"x","list":[{"symbol":"BTCUSDT",'
        '"status":"Trading","priceFilter":{"tickSize":"0.01","minPrice":"1"},'
        f'"lotSizeFilter":{{"{size}":"0.000001"}}}}],"nextPageCursor":""}}}}'
    )
    [listed] = Bybit().parse_instruments(body)
    assert (listed.symbol, listed.active) == ("BTCUSDT", True)
    assert (listed.price_step, listed.size_step) == (
        Decimal("0.01"),
        Decimal("0.000001"),
    )


@pytest.mark.parametrize(
    "body",
    [
        '{"retCode":10001,"retMsg":"no","result":{"list":[]}}',
        '{"retCode":0,"result":{"list":[{"symbol":"X"}]}}',
        '{"retCode":0,"result":{}}',
    ],
)
def test_malformed_instruments(body):
    with pytest.raises(MalformedMessage):
        Bybit().parse_instruments(body)


# -- captures -----------------------------------------------------------------------


@needs_captures
@pytest.mark.parametrize("numbers", [Decimal, float])
@pytest.mark.parametrize("strict", ["yes", "no"])
def test_capture_ends_in_the_oracles_book(numbers, strict):
    name = "bybit_v5_xrpusdt_20241201"
    options = {"strict_u": strict, "market": "linear"}
    books = replay_naively(name, "bybit", numbers=numbers, options=options)
    expected = oracle(name)["instruments"]
    assert books.keys() == expected.keys() == {"500.XRPUSDT"}
    for symbol, book in books.items():
        assert book.gaps == []
        assert book.applied == expected[symbol]["deltas"] == 49
        assert str(book.sequence) == expected[symbol]["last_seq"]
        if numbers is Decimal:
            assert book.digest() == expected[symbol]["full_sha256"]
