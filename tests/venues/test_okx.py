"""
OKX against its sheet (www.okx.com/docs-v5, copy of 2025-08; read 2026-09) and frames.

Frames named SHEET are the documentation's, shortened; those named RECORDED are of
cryptofeed's OKX sample of 2022-05-13, shortened.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from booksync.errors import ConfigurationError, MalformedMessage, SubscriptionRejected
from booksync.messages import (
    Closing,
    Delta,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Resync, Source
from booksync.venues._interleaved import interleaved_crc32
from booksync.venues.okx import Okx
from tests.captures import (
    frame,
    instruments,
    manifest,
    needs_captures,
    oracle,
    records,
    replay_naively,
)

SHEET_SNAPSHOT = (
    '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{'
    '"asks":[["8476.98","415","0","13"],["8477","7","0","2"]],'
    '"bids":[["8476.97","256","0","12"],["8475.55","101","0","1"]],'
    '"ts":"1597026383085","checksum":0,"prevSeqId":-1,"seqId":123456}]}'
)
RECORDED_SNAPSHOT = (
    '{"arg":{"channel":"books","instId":"BTC-USD-220527"},"action":"snapshot",'
    '"data":[{"asks":[["30238.8","2","0","1"]],"bids":[["30182.6","1","0","1"]],'
    '"ts":"1652459225393","checksum":1054815633}]}'
)
RECORDED_DELTA = (
    '{"arg":{"channel":"books","instId":"BTC-USD-220527"},"action":"update",'
    '"data":[{"asks":[["30249.4","0","0","0"],["30261","4","0","1"]],'
    '"bids":[["30182.6","452","0","1"]],"ts":"1652459225464","checksum":-914047754}]}'
)


def push(action="update", prev=10, last=15, *, asks=(), bids=(), **more):
    book = {"asks": asks, "bids": bids, "ts": "1597026383085", "checksum": 0}
    book |= {"prevSeqId": prev, "seqId": last, **more}
    arg = {"channel": "books", "instId": "BTC-USDT"}
    return json.dumps({"arg": arg, "action": action, "data": [book]})


def parse(*frames, venue=None):
    venue = venue or Okx()
    session = venue.session()
    return [message for raw in frames for message in venue.parse(raw, session)]


def test_snapshot_of_the_sheet():
    assert parse(SHEET_SNAPSHOT) == [
        Snapshot(
            "BTC-USDT",
            123456,
            [("8476.97", "256"), ("8475.55", "101")],
            [("8476.98", "415"), ("8477", "7")],
            depth=400,
            time=1597026383.085,
        )
    ]


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_numbers_stay_text_because_the_text_is_hashed(numbers):
    [snapshot] = parse(SHEET_SNAPSHOT, venue=Okx(numbers=numbers))
    assert snapshot.bids[0] == ("8476.97", "256")


@pytest.mark.parametrize(
    ("prev", "last", "levels", "reset"),
    [
        pytest.param(10, 15, [["1.5", "2", "0", "1"]], False, id="next"),
        pytest.param(15, 15, [], False, id="sign of life"),
        pytest.param(15, 3, [["1.5", "2", "0", "1"]], True, id="maintenance"),
        pytest.param(3, 3, [["1.5", "2", "0", "1"]], True, id="equal, not empty"),
    ],
)
def test_delta_carries_what_lies_after_prev_seq_id(prev, last, levels, reset):
    expected = [(price, size) for price, size, _, _ in levels]
    assert parse(push(prev=prev, last=last, asks=levels)) == [
        Delta("BTC-USDT", prev, last, [], expected, 1597026383.085, None, reset)
    ]


def test_every_book_of_a_frame_is_read():
    raw = json.loads(push(prev=10, last=15))
    raw["data"] += json.loads(push(prev=15, last=20))["data"]
    assert [(m.prev, m.last) for m in parse(json.dumps(raw))] == [(10, 15), (15, 20)]


def test_bytes_are_read_like_text():
    assert parse(SHEET_SNAPSHOT.encode()) == parse(SHEET_SNAPSHOT)


def test_longer_levels_are_read_by_their_first_two_items():
    [delta] = parse(push(bids=[["1.5", "2", "0", "1", "new"]]))
    assert delta.bids == [("1.5", "2")]


def test_checksum_is_passed_on_unless_it_is_zero():
    assert parse(push(checksum=0))[0].checksum is None
    assert parse(push(checksum=-855196043))[0].checksum == -855196043


@pytest.mark.parametrize(
    ("bids", "asks", "expected"),
    [
        pytest.param(
            [("3366.1", "7"), ("3366", "6")],
            [("3366.8", "9"), ("3368", "8")],
            -1881014294,
            id="both sides",
        ),
        pytest.param(
            [("3366.1", "7")],
            [("3366.8", "9"), ("3368", "8"), ("3372", "8")],
            831078360,
            id="bids end first",
        ),
        pytest.param([], [], 0, id="empty"),
    ],
)
def test_checksum_of_the_sheet(bids, asks, expected):
    assert interleaved_crc32(bids, asks) == expected
    assert Okx().checksum(bids, asks, "BTC-USDT") == expected


# -- streams of 2022, without seqId ------------------------------------------------


def test_stream_without_seq_id_is_numbered_by_its_times():
    later = RECORDED_DELTA.replace("1652459225464", "1652459225570")
    snapshot, first, second = parse(RECORDED_SNAPSHOT, RECORDED_DELTA, later)
    assert (snapshot.sequence, snapshot.checksum) == (1652459225393, 1054815633)
    assert (first.prev, first.last) == (1652459225393, 1652459225464)
    assert (second.prev, second.last) == (1652459225464, 1652459225570)
    assert first.checksum == -914047754


def test_equal_times_still_number_upwards():
    _, first, second = parse(RECORDED_SNAPSHOT, RECORDED_DELTA, RECORDED_DELTA)
    assert (second.prev, second.last) == (first.last, first.last + 1)


def test_delta_without_seq_id_is_refused_if_its_snapshot_had_one():
    numbered = RECORDED_SNAPSHOT.replace('"checksum"', '"seqId":7,"checksum"')
    with pytest.raises(MalformedMessage) as caught:
        parse(numbered, RECORDED_DELTA)
    assert caught.value.symbol == "BTC-USD-220527"


def test_delta_without_seq_id_is_refused_without_a_snapshot():
    with pytest.raises(MalformedMessage):
        parse(RECORDED_DELTA)


def test_delta_with_seq_id_is_refused_if_its_snapshot_had_none():
    numbered = RECORDED_DELTA.replace(
        '"checksum"', '"prevSeqId":6,"seqId":7,"checksum"'
    )
    with pytest.raises(MalformedMessage):
        parse(RECORDED_SNAPSHOT, numbered)


def test_numbered_snapshot_ends_the_numbering_by_time():
    numbered = RECORDED_SNAPSHOT.replace('"checksum"', '"seqId":7,"checksum"')
    delta = RECORDED_DELTA.replace('"checksum"', '"prevSeqId":7,"seqId":9,"checksum"')
    assert parse(RECORDED_SNAPSHOT, numbered, delta)[-1].last == 9


# -- requests and answers -----------------------------------------------------------


def test_requests_of_the_sheet():
    venue = Okx()
    session = venue.session()
    assert venue.subscribe(["BTC-USDT", "ETH-USDT"], session, 0.0) == [
        '{"id":"1","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}',
        '{"id":"2","op":"subscribe","args":[{"channel":"books","instId":"ETH-USDT"}]}',
    ]
    assert venue.unsubscribe(["BTC-USDT"], session, 0.0) == [
        '{"id":"3","op":"unsubscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}'
    ]
    assert venue.stream_url(venue.WS_URL) == "wss://ws.okx.com:8443/ws/v5/public"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"id":"1512","event":"subscribe","arg":{"channel":"books",'
            '"instId":"BTC-USDT"},"connId":"a4d3ae55"}',
            [Subscribed(("BTC-USDT",))],
            id="subscribed",
        ),
        pytest.param(
            '{"event":"unsubscribe","arg":{"channel":"books","instId":"BTC-USDT"}}',
            [Unsubscribed(("BTC-USDT",))],
            id="unsubscribed, of 2022",
        ),
        pytest.param(
            '{"event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USDT"}}',
            [],
            id="other channel",
        ),
        pytest.param(
            '{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[],'
            '"bids":[],"ts":"1","seqId":79706756139}]}',
            [],
            id="other book channel",
        ),
        pytest.param('{"event":"channel-conn-count","connCount":"3"}', [], id="other"),
        pytest.param("pong", [], id="pong"),
        pytest.param(b"pong", [], id="pong in bytes"),
        pytest.param(
            '{"event":"notice","code":"64008","msg":"The connection will soon be '
            'closed for a service upgrade. Please reconnect.","connId":"a4d3ae55"}',
            [
                Closing(
                    "The connection will soon be closed for a service upgrade. "
                    "Please reconnect."
                )
            ],
            id="upgrade",
        ),
        pytest.param('{"event":"notice","code":"1","msg":"x"}', [], id="other notice"),
        pytest.param(
            '{"id":"1512","event":"error","code":"60012","msg":"Invalid request"}',
            [Rejected((), "Invalid request (code 60012)")],
            id="error of a request that is not ours",
        ),
    ],
)
def test_control_frames(raw, expected):
    assert parse(raw) == expected


@pytest.mark.parametrize(
    ("code", "final"),
    [
        pytest.param("60018", True, id="for good"),
        pytest.param("60014", False, id="may pass"),
    ],
)
def test_error_names_the_symbol_of_its_request(code, final):
    venue = Okx()
    session = venue.session()
    venue.subscribe(["BTC-USDT", "ETH-USDTT"], session, 0.0)
    raw = f'{{"id":"2","event":"error","code":"{code}","msg":"no"}}'
    expected = Rejected(("ETH-USDTT",), f"no (code {code})", final)
    assert venue.parse(raw, session) == (expected,)


def test_error_on_unsubscribe_rejects_nothing():
    venue = Okx()
    session = venue.session()
    venue.unsubscribe(["BTC-USDT"], session, 0.0)
    raw = '{"id":"1","event":"error","code":"60018","msg":"no"}'
    assert venue.parse(raw, session) == ()


def test_heartbeat_is_a_text_before_the_thirty_seconds():
    assert Okx().ping(Okx().session(), 0.0) == "ping"
    assert (Okx.heartbeat.interval or 99) < 30 <= Okx.heartbeat.silence


# -- malformed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("ping", id="text"),
        pytest.param("[]", id="array"),
        pytest.param("{}", id="nothing known"),
        pytest.param('{"arg":{"channel":"books","instId":"X"}}', id="no data"),
        pytest.param(push().replace('"ts"', '"tx"'), id="no time"),
        pytest.param(push().replace('"asks"', '"as"'), id="no side"),
        pytest.param(push(action="partial"), id="unknown action"),
        pytest.param(push(bids=[["1.5"]]), id="level without size"),
        pytest.param(push(bids=[[1.5, 2]]), id="levels in numbers"),
        pytest.param(push(bids={"1": "2"}), id="levels in an object"),
        pytest.param(push(last="x"), id="seqId is a word"),
        pytest.param(push(last=-2), id="seqId is negative"),
        pytest.param(push(prev=-1), id="prevSeqId is negative"),
        pytest.param(push(prev=None), id="no prevSeqId"),
        pytest.param(push("snapshot", last=-2), id="snapshot is negative"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param(
            '{"arg":{"channel":"books","instId":"X"},"action":"update","data":[]}',
            id="data is empty",
        ),
    ],
)
def test_malformed(raw):
    with pytest.raises(MalformedMessage):
        parse(raw)


def test_malformed_book_says_whose_it_is():
    with pytest.raises(MalformedMessage) as caught:
        parse(push(bids=[["1.5"]]))
    assert caught.value.symbol == "BTC-USDT"


@pytest.mark.parametrize("whole", [SHEET_SNAPSHOT, RECORDED_DELTA, push()])
def test_cut_frames_are_malformed_and_nothing_else(whole):
    for end in range(len(whole)):
        with pytest.raises(MalformedMessage):
            parse(RECORDED_SNAPSHOT, whole[:end])


def test_fresh_session_says_the_same():
    frames = [RECORDED_SNAPSHOT, RECORDED_DELTA, SHEET_SNAPSHOT, push(), "pong"]
    venue = Okx()
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue) == parse(*frames)


# -- REST ---------------------------------------------------------------------------


def test_announced_rest_snapshot_is_an_option():
    venue = Okx(options={"snapshot": "rest"})
    assert (venue.facts.source, venue.facts.resync) == (Source.REST, Resync.FETCH)
    assert (Okx().facts.source, Okx.facts.source) == (Source.STREAM, Source.STREAM)
    request = venue.snapshot_request("BTC-USDT")
    assert (request.path, dict(request.params)) == (
        "/api/v5/market/books",
        {"instId": "BTC-USDT", "sz": "400"},
    )
    url = "https://www.okx.com/api/v5/market/books?instId=BTC-USDT&sz=400"
    assert (venue.snapshot_symbol(url), venue.snapshot_depth(url)) == ("BTC-USDT", 400)
    assert venue.snapshot_symbol("https://x/api/v5/market/books-full?instId=X") is None


def test_rest_snapshot_needs_its_number():
    body = (
        '{"code":"0","msg":"","data":[{"asks":[["2","1","0","1"]],"bids":[],'
        '"ts":"1629966436396","seqId":7}]}'
    )
    snapshot = Okx().parse_snapshot(body, "BTC-USDT", 400)
    assert snapshot == Snapshot(
        "BTC-USDT", 7, [], [("2", "1")], depth=400, time=1629966436.396
    )
    for bad in (
        body.replace(',"seqId":7', ""),
        body.replace('"code":"0"', '"code":"50011"'),
        body.replace("7}]", "-7}]"),
        body[:-9],
    ):
        with pytest.raises(MalformedMessage):
            Okx().parse_snapshot(bad, "BTC-USDT", 400)
    with pytest.raises(SubscriptionRejected):
        Okx().parse_snapshot('{"code":"51001","msg":"no","data":[]}', "X", 400)


def test_other_depths_are_refused():
    with pytest.raises(ConfigurationError):
        Okx(depth=50)


def test_instruments_are_asked_for_by_kind():
    found = [dict(request.params) for request in Okx().instrument_requests()]
    assert found == [{"instType": kind} for kind in ("SPOT", "SWAP", "FUTURES")]


@needs_captures
def test_instruments_of_the_capture():
    listed = instruments("okx_v5_20220513", Okx())
    assert listed["BTC-USDT"].price_step == Decimal("0.1")
    assert listed["BTC-USDT"].size_step == Decimal("0.00000001")
    assert listed["UNI-USD-SWAP"].size_step == 1
    assert listed["UNI-USD-SWAP"].active


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"code":"50011","msg":"Too Many Requests","data":[]}', id="busy"),
        pytest.param('{"code":"0","data":[{"instId":"X"}]}', id="fields missing"),
        pytest.param(
            '{"code":"0","data":[{"instId":"X","tickSz":"a","lotSz":"1","state":"live"}]}',
            id="step is a word",
        ),
    ],
)
def test_malformed_instruments(body):
    with pytest.raises(MalformedMessage):
        Okx().parse_instruments(body)


def test_market_that_is_not_open_yet_may_have_no_steps():
    body = (
        '{"code":"0","data":[{"instId":"X","tickSz":"","lotSz":"","state":"preopen"}]}'
    )
    [listed] = Okx().parse_instruments(body)
    assert (listed.price_step, listed.size_step, listed.active) == (None, None, False)


# -- captures -----------------------------------------------------------------------

CAPTURES = ["okx_v5_20220513", "okcoin_v5_20230527"]


@needs_captures
@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_capture_ends_in_the_oracles_books(name, numbers):
    books = replay_naively(name, "okx", numbers=numbers)
    expected = oracle(name)["instruments"]
    assert books.keys() == expected.keys()
    for symbol, book in books.items():
        assert book.gaps == []
        assert book.applied == expected[symbol]["deltas"]
        assert str(book.sequence) == expected[symbol]["last_seq"]
        assert book.digest() == expected[symbol]["full_sha256"]


class TextBook:
    """Levels with their texts, keyed by value; what a checksum is computed of."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, tuple[str, str]]] = {"bids": {}, "asks": {}}

    def take(self, message: Snapshot | Delta) -> None:
        for side, levels in self.sides.items():
            if isinstance(message, Snapshot):
                levels.clear()
            for price, size in getattr(message, side):
                levels[Decimal(price)] = (price, size)
                if not Decimal(size):
                    del levels[Decimal(price)]

    def best(self, side: str, count: int) -> list[tuple[str, str]]:
        levels = self.sides[side]
        prices = sorted(levels, reverse=side == "bids")
        return [levels[price] for price in prices[:count]]


@needs_captures
@pytest.mark.parametrize("name", CAPTURES)
def test_every_checksum_of_the_capture_is_computed_anew(name):
    venue = Okx()
    session = venue.session()
    books: dict[str, TextBook] = {}
    agreed = []
    for record in records(name):
        raw = (
            frame(record) if record["ch"] == "ws" and record["dir"] == "in" else "pong"
        )
        for message in venue.parse(raw, session):
            if isinstance(message, Snapshot | Delta):
                book = books.setdefault(message.symbol, TextBook())
                book.take(message)
                bids, asks = book.best("bids", 25), book.best("asks", 25)
                ours = venue.checksum(bids, asks, message.symbol)
                agreed.append(ours == message.checksum)
    [entry] = [entry for entry in manifest() if entry["name"] == name]
    assert agreed.count(True) == entry["checksums_passed"]
    assert agreed.count(False) == entry["checksums_failed"] == 0
