"""
Gate spot. Frames: gate.com/docs/developers/apiv4/ws/en (stored copies to 2026-05, read
2026-11), shapes of the venue sheet, and the capture of 2021-04-22.
"""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

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
from booksync.venues import Assurance, Request, Resync, Source
from booksync.venues.gate import Gate
from tests import captures
from tests.captures import NaiveBook, needs_captures
from tests.venues.mangle import mangled

CAPTURE = "gateio_spot_20210422_a"

DELTA = (
    '{"time":1606294781,"channel":"spot.order_book_update","event":"update","result":'
    '{"t":1606294781123,"e":"depthUpdate","E":1606294781,"s":"BTC_USDT","U":48776301,'
    '"u":48776306,"b":[["19137.74","0.0001"],["19088.37","0"]],'
    '"a":[["19137.75","0.6135"]]}}'
)
FULL = (
    '{"channel":"spot.order_book_update","event":"update","result":{"t":1606294781123,'
    '"s":"BTC_USDT","u":48776400,"full":true,"l":"100","b":[["19137.74","1"]],"a":[]}}'
)
OBU_FULL = (
    '{"channel":"spot.obu","event":"update","time_ms":1743673026999,"result":'
    '{"t":1743673026995,"full":true,"s":"ob.BTC_USDT.400","u":79072179673,'
    '"b":[["83705.9","30166"]],"a":[["83706","4208"]]}}'
)
OBU_DELTA = (
    '{"channel":"spot.obu","event":"update","result":{"t":1743673027017,'
    '"s":"ob.BTC_USDT.400","U":79072179674,"u":79072179694,'
    '"b":[["83702.2","62"],["83702.1","0"]]}}'
)
SNAPSHOT = (
    '{"id":2691446,"current":1606294781200,"update":1606294781100,'
    '"asks":[["0.00010396","5876.967"]],"bids":[["0.00010322","5360.209"]]}'
)
ACK = (
    '{"time":1747054611,"time_ms":1747054611123,"conn_id":"c","trace_id":"t",'
    '"channel":"spot.obu","event":"EVENT","payload":["ob.BTC_USDT.400"],'
    '"result":{"status":"success"}}'
)


def obu(depth: int | None = None) -> Gate:
    return Gate(options={"channel": "obu"}, depth=depth)


def parse(*frames: str | bytes, venue: Gate | None = None) -> list[Any]:
    venue = venue or Gate()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def delta(first: int, last: int, levels: str = '["5","1"]') -> str:
    data = f'"s":"A_B","U":{first},"u":{last},"b":[{levels}],"a":[]'
    return (
        f'{{"channel":"spot.order_book_update","event":"update","result":{{{data}}}}}'
    )


# -- order_book_update ---------------------------------------------------------------


def test_delta_carries_its_range() -> None:
    assert parse(DELTA) == [
        Delta(
            "BTC_USDT",
            48776300,
            48776306,
            [("19137.74", "0.0001"), ("19088.37", "0")],
            [("19137.75", "0.6135")],
            time=1606294781.123,
        )
    ]


def test_floats_are_decoded_as_floats() -> None:
    (message,) = parse(DELTA, venue=Gate(numbers=float))
    assert message.asks == [(19137.75, 0.6135)]
    assert type(message.asks[0][1]) is float


def test_a_full_push_replaces_the_book() -> None:
    assert parse(FULL) == [
        Snapshot(
            "BTC_USDT",
            48776400,
            [("19137.74", "1")],
            [],
            depth=100,
            time=1606294781.123,
        )
    ]


def test_snapshot_counts_milliseconds() -> None:
    assert Gate().parse_snapshot(SNAPSHOT, "ETH_BTC", 100) == Snapshot(
        "ETH_BTC",
        2691446,
        [("0.00010322", "5360.209")],
        [("0.00010396", "5876.967")],
        depth=100,
        time=1606294781.1,
    )
    old = SNAPSHOT.replace('"current":1606294781200,"update":1606294781100,', "")
    assert Gate().parse_snapshot(old, "ETH_BTC", 100).time is None


def test_unknown_pair_is_rejected_by_the_snapshot() -> None:
    body = '{"label":"INVALID_CURRENCY_PAIR","message":"Invalid currency pair NO_PE"}'
    with pytest.raises(SubscriptionRejected, match="NO_PE"):
        Gate().parse_snapshot(body, "NO_PE", 100)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"label":"TOO_MANY_REQUESTS","message":"wait"}', id="busy"),
        pytest.param(SNAPSHOT.replace('"id":2691446,', ""), id="without with_id"),
        pytest.param(SNAPSHOT.replace('"bids"', '"bid"'), id="no bids"),
        pytest.param(SNAPSHOT[:-2], id="cut"),
        pytest.param("<html>", id="html"),
        pytest.param(b"\xff", id="not text"),
    ],
)
def test_a_body_that_is_no_snapshot_is_malformed(body: str | bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        Gate().parse_snapshot(body, "BTC_USDT", 100)
    assert caught.value.symbol == "BTC_USDT"


def test_frames_are_as_documented() -> None:
    venue = Gate()
    session = venue.session()
    assert venue.subscribe(["BTC_USDT", "ETH_USDT"], session, 1747054612.9) == [
        (
            '{"time":1747054612,"id":1,"channel":"spot.order_book_update",'
            '"event":"subscribe","payload":["BTC_USDT","100ms"]}'
        ),
        (
            '{"time":1747054612,"id":2,"channel":"spot.order_book_update",'
            '"event":"subscribe","payload":["ETH_USDT","100ms"]}'
        ),
    ]
    assert venue.unsubscribe(["BTC_USDT"], session, 1747054613.0) == [
        (
            '{"time":1747054613,"id":3,"channel":"spot.order_book_update",'
            '"event":"unsubscribe","payload":["BTC_USDT","100ms"]}'
        )
    ]
    assert venue.ping(session, 1747054611.5) == (
        '{"time":1747054611,"channel":"spot.ping"}'
    )
    assert venue.stream_url(Gate.WS_URL) == "wss://api.gateio.ws/ws/v4/"


@pytest.mark.parametrize(
    ("depth", "stream", "limit"),
    [
        pytest.param(None, ["A_B", "100ms"], "100", id="default"),
        pytest.param(100, ["A_B", "100ms"], "100", id="100"),
        pytest.param(50, ["A_B", "100ms"], "100", id="50 needs 100"),
        pytest.param(20, ["A_B", "20ms"], "20", id="20"),
    ],
)
def test_stream_snapshot_and_book_have_one_depth(
    depth: int | None, stream: list[str], limit: str
) -> None:
    venue = Gate(depth=depth)
    (frame,) = venue.subscribe(["A_B"], venue.session(), 0.0)
    assert json.loads(frame)["payload"] == stream
    assert venue.snapshot_request("A_B") == Request(
        path="/api/v4/spot/order_book",
        params={
            "currency_pair": "A_B",
            "limit": limit,
            "with_id": "true",
            "interval": "0",
        },
    )
    assert venue.keep == int(limit)
    assert Gate(depth=depth, options={"truncate": "no"}).keep is None


def test_a_depth_that_the_channel_lacks_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="400"):
        Gate(depth=400)
    with pytest.raises(ConfigurationError):
        Gate(depth=7)


def test_answers_are_matched_by_id_or_payload() -> None:
    venue = Gate()
    session = venue.session()
    venue.subscribe(["A_B", "C_D"], session, 0.0)
    head = '{"time":1,"channel":"spot.order_book_update"'
    done = '"result":{"status":"success"}}'
    assert venue.parse(f'{head},"id":2,"event":"subscribe",{done}', session) == (
        Subscribed(("C_D",)),
    )
    named = f'{head},"event":"unsubscribe","payload":["A_B","100ms"],{done}'
    assert venue.parse(named, session) == (Unsubscribed(("A_B",)),)
    # As recorded in 2021: neither.
    assert venue.parse(f'{head},"event":"subscribe",{done}', session) == ()


def error(code: int, message: str, event: str = "subscribe") -> str:
    return (
        f'{{"time":1,"id":1,"channel":"spot.order_book_update","event":"{event}",'
        f'"error":{{"code":{code},"message":"{message}"}},'
        '"result":{"status":"fail"}}'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            error(2, "unknown currency pair NO_PE"),
            [Rejected(("NO_PE",), "unknown currency pair NO_PE (code 2)")],
            id="bad argument",
        ),
        pytest.param(
            error(3, "server"), [Closing("server (code 3)")], id="server trouble"
        ),
        pytest.param(error(2, "Alert sub ob.NO_PE"), [], id="subscribed already"),
        pytest.param(error(2, "not subscribed", "unsubscribe"), [], id="unsubscribe"),
        pytest.param(
            error(2, "x").replace('"error":{"code":2,"message":"x"},', ""),
            [Rejected(("NO_PE",), "fail (code None)")],
            id="status alone",
        ),
    ],
)
def test_errors(text: str, expected: list[Any]) -> None:
    venue = Gate()
    session = venue.session()
    venue.subscribe(["NO_PE"], session, 0.0)
    assert list(venue.parse(text, session)) == expected


def test_an_upgrade_notice_closes() -> None:
    text = '{"channel":"spot.system","event":"update","result":{"type":"upgrade"}}'
    assert parse(text) == [Closing("service upgrade")]


@pytest.mark.parametrize(
    "text",
    [
        '{"time":1,"channel":"spot.pong","event":"","result":null}',
        '{"time":1,"channel":"spot.trades","event":"update","result":{"id":1}}',
        '{"time":1,"channel":"spot.trades","event":"update","result":[{"id":1}]}',
        '{"time":1,"channel":"spot.trades","event":"subscribe","result":null}',
        OBU_DELTA,
        '{"channel":"spot.order_book","event":"update","result":{"s":"A_B","u":1}}',
    ],
)
def test_what_is_not_this_book_is_ignored(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DELTA.replace('"u":', '"v":'), id="no u"),
        pytest.param(DELTA.replace('"U":48776301,', ""), id="no U, not full"),
        pytest.param(DELTA.replace("48776301", "48776307"), id="backwards"),
        pytest.param(DELTA.replace("48776301", "-1"), id="negative"),
        pytest.param(DELTA.replace("48776301", '"x"'), id="not a number"),
        pytest.param(DELTA.replace('"19137.75",', ""), id="no price"),
        pytest.param(DELTA.replace('"0.6135"', "null"), id="no size"),
        pytest.param(DELTA.replace('"b":[', '"b":[7,'), id="no level"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_a_delta_that_does_not_decode_is_malformed(text: str, numbers: Any) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=Gate(numbers=numbers))
    assert caught.value.symbol == "BTC_USDT"


def test_a_delta_that_names_nobody_is_malformed() -> None:
    for text in (DELTA.replace('"s"', '"x"'), DELTA.replace('"BTC_USDT"', "7")):
        with pytest.raises(MalformedMessage) as caught:
            parse(text)
        assert caught.value.symbol is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", b"\xff", "[" * 5000])
@pytest.mark.parametrize("channel", ["order_book_update", "obu"])
def test_nonsense_is_malformed(text: str | bytes, channel: str) -> None:
    with pytest.raises(MalformedMessage):
        parse(text, venue=Gate(options={"channel": channel}))


def test_every_cut_of_a_frame_is_malformed() -> None:
    for text, venue in ((DELTA, Gate()), (OBU_FULL, obu())):
        for end in range(len(text)):
            with pytest.raises(MalformedMessage):
                parse(text[:end], venue=venue)


@pytest.mark.parametrize(
    ("url", "symbol", "depth"),
    [
        pytest.param(
            "https://api.gateio.ws/api/v4/spot/order_book?currency_pair=A_B&limit=20",
            "A_B",
            20,
            id="snapshot",
        ),
        pytest.param(
            "/api/v4/spot/order_book?currency_pair=A_B", "A_B", 100, id="bare"
        ),
        pytest.param("/api/v4/spot/order_book", None, 100, id="nobody"),
        pytest.param("/api/v4/spot/trades?currency_pair=A_B", None, 100, id="trades"),
    ],
)
def test_urls_tell_symbol_and_depth(url: str, symbol: str | None, depth: int) -> None:
    assert Gate().snapshot_symbol(url) == symbol
    assert Gate().snapshot_depth(url) == depth


# -- obu -----------------------------------------------------------------------------


def test_obu_sends_snapshot_and_delta() -> None:
    assert parse(OBU_FULL, OBU_DELTA, venue=obu()) == [
        Snapshot(
            "BTC_USDT",
            79072179673,
            [("83705.9", "30166")],
            [("83706", "4208")],
            depth=400,
            time=1743673026.995,
        ),
        Delta(
            "BTC_USDT",
            79072179673,
            79072179694,
            [("83702.2", "62"), ("83702.1", "0")],
            [],
            time=1743673027.017,
        ),
    ]


def test_obu_facts_are_its_own() -> None:
    assert Gate().facts.source is Source.REST
    facts = obu().facts
    assert (facts.source, facts.resync) == (Source.STREAM, Resync.RESUBSCRIBE)
    assert (facts.assurance, facts.levels) == (Assurance.RANGED, 400)
    assert not facts.verified
    assert obu().keep is None
    assert Gate.facts.source is Source.REST


@pytest.mark.parametrize(
    ("depth", "level"), [(None, 400), (100, 400), (400, 400), (50, 50), (20, 50)]
)
def test_obu_streams_hold_the_depth(depth: int | None, level: int) -> None:
    venue = obu(depth)
    (frame,) = venue.subscribe(["A_B", "C_D"], venue.session(), 0.0)
    assert json.loads(frame)["payload"] == [f"ob.A_B.{level}", f"ob.C_D.{level}"]


def test_obu_frames_and_answers() -> None:
    venue = obu()
    session = venue.session()
    assert venue.subscribe(["BTC_USDT"], session, 1747054611.0) == [
        (
            '{"time":1747054611,"id":1,"channel":"spot.obu","event":"subscribe",'
            '"payload":["ob.BTC_USDT.400"]}'
        )
    ]
    assert venue.unsubscribe(["BTC_USDT"], session, 1747054613.0) == [
        (
            '{"time":1747054613,"id":2,"channel":"spot.obu","event":"unsubscribe",'
            '"payload":["ob.BTC_USDT.400"]}'
        )
    ]
    assert venue.parse(ACK.replace("EVENT", "subscribe"), session) == (
        Subscribed(("BTC_USDT",)),
    )
    assert venue.parse(ACK.replace("EVENT", "unsubscribe"), session) == (
        Unsubscribed(("BTC_USDT",)),
    )


@pytest.mark.parametrize("name", ["BTC_USDT", "ob.BTC_USDT", "ob..400", "ob.A_B.x", ""])
def test_obu_streams_that_are_none_are_malformed(name: str) -> None:
    with pytest.raises(MalformedMessage):
        parse(OBU_DELTA.replace("ob.BTC_USDT.400", name), venue=obu())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(OBU_DELTA.replace('"U":79072179674,', ""), id="no U, not full"),
        pytest.param(OBU_DELTA.replace("79072179674", "79072179695"), id="backwards"),
        pytest.param(OBU_DELTA.replace('"62"', "{}"), id="bad size"),
        pytest.param(OBU_FULL.replace('"u":', '"v":'), id="no u"),
    ],
)
def test_obu_frame_that_does_not_decode_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=obu())
    assert caught.value.symbol == "BTC_USDT"


# -- both ----------------------------------------------------------------------------

#: Appendix B of the venue sheets: ranges on a snapshot of 100.
VECTORS = [
    pytest.param([(95, 98), (99, 100), (101, 103), (104, 104)], 104, 2, 0, id="1"),
    pytest.param([(99, 102), (103, 105)], 105, 2, 0, id="2"),
    pytest.param([(102, 105)], 100, 0, 1, id="3"),
    pytest.param([(101, 101), (101, 101), (102, 102)], 102, 2, 0, id="4"),
    pytest.param([(101, 102), (104, 106)], 102, 1, 1, id="5"),
    pytest.param([(101, 101)], 101, 1, 0, id="6"),
]


@pytest.mark.parametrize(("ranges", "sequence", "applied", "gaps"), VECTORS)
def test_vectors(
    ranges: list[tuple[int, int]], sequence: int, applied: int, gaps: int
) -> None:
    book = NaiveBook()
    book.load(Snapshot("A_B", 100, [], []))
    for first, last in ranges:
        book.take(parse(delta(first, last))[0])
    assert (book.sequence, book.applied, len(book.gaps)) == (sequence, applied, gaps)


def test_vector_16_a_range_without_levels_advances() -> None:
    head = '{"channel":"spot.obu","event":"update","result":{"s":"ob.A_B.400",'
    frames = [
        head + '"full":true,"u":100,"b":[["5","1"]],"a":[]}}',
        head + '"U":101,"u":110}}',
        head + '"U":111,"u":111,"b":[["5","2"]]}}',
    ]
    snapshot, *deltas = parse(*frames, venue=obu())
    book = NaiveBook()
    book.load(snapshot)
    for message in deltas:
        book.take(message)
    assert (book.sequence, book.applied, book.gaps) == (111, 2, [])
    assert book.sides["b"] == {Decimal(5): Decimal(2)}


def test_instruments_are_checked() -> None:
    body = (
        '[{"id":"A_B","precision":2,"amount_precision":3,"trade_status":"untradable"}]'
    )
    (pair,) = Gate().parse_instruments(body)
    assert (pair.price_step, pair.size_step) == (Decimal("0.01"), Decimal("0.001"))
    assert not pair.active
    assert Gate().instrument_requests()[0].path == "/api/v4/spot/currency_pairs"
    with pytest.raises(MalformedMessage):
        Gate().parse_instruments('{"label":"x"}')


def test_symbols_are_upper_case() -> None:
    assert Gate.prepare("btc_usdt") == "BTC_USDT"


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_no_other_error_escapes(numbers: Any) -> None:
    venue = Gate(numbers=numbers)
    other = Gate(numbers=numbers, options={"channel": "obu"})
    for text in (*mangled(DELTA), *mangled(FULL), *mangled(error(2, "x"))):
        with contextlib.suppress(MalformedMessage):
            parse(text, venue=venue)
    for text in (*mangled(OBU_FULL), *mangled(OBU_DELTA), *mangled(ACK)):
        with contextlib.suppress(MalformedMessage):
            parse(text, venue=other)
    for body in mangled(SNAPSHOT):
        with contextlib.suppress(MalformedMessage):
            venue.parse_snapshot(body, "ETH_BTC", 100)


def test_the_same_frames_give_the_same_messages() -> None:
    venue = Gate()
    assert parse(DELTA, FULL, venue=venue) == parse(DELTA, FULL, venue=venue)
    other = obu()
    frames = [OBU_FULL, OBU_DELTA]
    assert parse(*frames, venue=other) == parse(*frames, venue=other)


# -- recorded frames -----------------------------------------------------------------


@needs_captures
@pytest.mark.parametrize("truncate", ["yes", "no"])
def test_capture_ends_in_the_books_of_the_oracle(truncate: str) -> None:
    books = captures.replay_naively(CAPTURE, "gate", options={"truncate": truncate})
    expected = captures.oracle(CAPTURE)["instruments"]
    assert {symbol: book.digest() for symbol, book in books.items()} == {
        symbol: known["full_sha256"] for symbol, known in expected.items()
    }
    assert [book.gaps for book in books.values()] == [[]] * 5


@needs_captures
def test_capture_decodes_as_floats() -> None:
    exact = captures.replay_naively(CAPTURE, "gate")
    fast = captures.replay_naively(CAPTURE, "gate", numbers=float)
    for symbol, book in exact.items():
        for side, levels in book.sides.items():
            rounded = {float(price): float(size) for price, size in levels.items()}
            found = fast[symbol].sides[side]
            assert {float(p): float(s) for p, s in found.items()} == rounded


@needs_captures
def test_capture_counts_are_those_of_the_manifest() -> None:
    venue = Gate()
    session = venue.session()
    found: list[Any] = [
        message
        for record in captures.records(CAPTURE)
        if record["ch"] == "ws" and record["dir"] == "in"
        for message in venue.parse(record["raw"], session)
    ]
    assert len(found) == 81
    assert all(isinstance(message, Delta) for message in found)


@needs_captures
def test_capture_lists_its_instruments() -> None:
    listed = captures.instruments(CAPTURE, Gate())
    assert len(listed) == 5
    assert listed["BTC_USDC"].price_step == Decimal("0.01")
    assert listed["NEO_BTC"].size_step == Decimal("0.001")
    assert all(pair.active for pair in listed.values())
