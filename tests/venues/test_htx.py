"""
HTX spot ``mbp``. Frames: htx.com/en-us/opend/newApiPages (id 7ec5362b-…) and shapes of
the venue sheet (read 2026-11); the capture of 2021-04-17 has other topics of the venue:
its compression, pings and acknowledgements are used.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import (
    Closing,
    Delta,
    Rejected,
    Reply,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Assurance, Source
from booksync.venues.htx import Htx
from tests import captures
from tests.captures import NaiveBook, needs_captures
from tests.venues.mangle import mangled

CAPTURE = "htx_spot_20210417"

DELTA = (
    '{"ch":"market.btcusdt.mbp.150","ts":1583472025885,"tick":{"seqNum":104998984994,'
    '"prevSeqNum":104998984977,"bids":[[9058.27,0]],"asks":[[9084.27,0.2]]}}'
)
SNAPSHOT = (
    '{"id":"1","rep":"market.btcusdt.mbp.150","status":"ok","ts":1583472026000,'
    '"data":{"seqNum":104999417756,"bids":[[9058.27,0.1],[9058.0,0.2]],'
    '"asks":[[9084.27,0.2],[9085.0,0.1]]}}'
)


def parse(*frames: str | bytes, venue: Htx | None = None) -> list[Any]:
    venue = venue or Htx()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def delta(prev: int, last: int) -> str:
    tick = f'"seqNum":{last},"prevSeqNum":{prev},"bids":[[5,1]],"asks":{{}}'
    return f'{{"ch":"market.ab.mbp.150","ts":1,"tick":{{{tick}}}}}'


EXPECTED = Delta(
    "btcusdt",
    104998984977,
    104998984994,
    [(Decimal("9058.27"), Decimal(0))],
    [(Decimal("9084.27"), Decimal("0.2"))],
    time=1583472025.885,
)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(DELTA, id="text"),
        pytest.param(gzip.compress(DELTA.encode()), id="gzip"),
        pytest.param(zlib.compress(DELTA.encode()), id="zlib"),
    ],
)
def test_delta_names_its_predecessor(frame: str | bytes) -> None:
    assert parse(frame) == [EXPECTED]


def test_numbers_are_exact() -> None:
    text = DELTA.replace("9058.27", "9.121E-7").replace(",0]]", ",93.3581495080]]")
    (price, size), *_ = parse(text)[0].bids
    assert (price, str(size)) == (Decimal("0.0000009121"), "93.3581495080")


def test_floats_are_decoded_as_floats() -> None:
    (message,) = parse(DELTA, venue=Htx(numbers=float))
    assert message.bids == [(9058.27, 0.0)]
    assert [type(number) for number in message.bids[0]] == [float, float]


@pytest.mark.parametrize("side", ["{}", '{"5":1}', "null", "[]", "missing"])
def test_an_unchanged_side_is_empty(side: str) -> None:
    text = DELTA.replace('"bids":[[9058.27,0]]', f'"bids":{side}')
    if side == "missing":
        text = DELTA.replace('"bids":[[9058.27,0]],', "")
    (message,) = parse(text)
    assert (message.bids, len(message.asks)) == ([], 1)


def test_an_empty_delta_advances() -> None:
    tick = '{"seqNum":9,"prevSeqNum":7,"bids":{},"asks":{}}'
    text = f'{{"ch":"market.ab.mbp.150","ts":1,"tick":{tick}}}'
    assert parse(text) == [Delta("ab", 7, 9, [], [], time=0.001)]


def test_the_snapshot_answers_a_request() -> None:
    assert parse(gzip.compress(SNAPSHOT.encode())) == [
        Snapshot(
            "btcusdt",
            104999417756,
            [
                (Decimal("9058.27"), Decimal("0.1")),
                (Decimal("9058.0"), Decimal("0.2")),
            ],
            [
                (Decimal("9084.27"), Decimal("0.2")),
                (Decimal("9085.0"), Decimal("0.1")),
            ],
            depth=150,
            time=1583472026.0,
        )
    ]


def test_a_snapshot_of_null_is_none_yet() -> None:
    text = '{"id":"1","rep":"market.btcusdt.mbp.150","status":"ok","ts":1,"data":null}'
    assert parse(text) == []


def test_the_topic_tells_the_levels() -> None:
    (snapshot,) = parse(SNAPSHOT.replace("mbp.150", "mbp.20"))
    assert snapshot.depth == 20


def test_frames_are_as_documented() -> None:
    venue = Htx()
    session = venue.session()
    assert venue.subscribe(["btcusdt", "ethbtc"], session, 0.0) == [
        '{"sub":"market.btcusdt.mbp.150","id":"1"}',
        '{"sub":"market.ethbtc.mbp.150","id":"2"}',
    ]
    assert venue.snapshot_frame("btcusdt", session, 0.0) == (
        '{"req":"market.btcusdt.mbp.150","id":"3"}'
    )
    assert venue.unsubscribe(["ethbtc"], session, 0.0) == [
        '{"unsub":"market.ethbtc.mbp.150","id":"4"}'
    ]
    assert venue.stream_url(Htx.WS_URL) == "wss://api.huobi.pro/feed"


@pytest.mark.parametrize(
    ("depth", "topic", "keep"),
    [(None, "mbp.150", 150), (20, "mbp.20", 20), (5, "mbp.5", 5)],
)
def test_the_book_is_cut_to_what_is_subscribed(
    depth: int | None, topic: str, keep: int
) -> None:
    venue = Htx(depth=depth)
    assert topic in str(venue.snapshot_frame("ab", venue.session(), 0.0))
    assert venue.keep == keep
    assert Htx(depth=depth, options={"truncate": "no"}).keep is None


def test_400_levels_can_not_be_asked_for() -> None:
    with pytest.raises(ConfigurationError):
        Htx(depth=400)


def test_answers() -> None:
    head = '{"id":"id1","status":"ok",'
    assert parse(head + '"subbed":"market.btcusdt.mbp.150","ts":1583472025885}') == [
        Subscribed(("btcusdt",))
    ]
    assert parse(head + '"unsubbed":"market.btcusdt.mbp.150","ts":1}') == [
        Unsubscribed(("btcusdt",))
    ]


def test_a_ping_is_answered_at_once() -> None:
    frame = gzip.compress(b'{"ping":1492420473027}')
    assert parse(frame) == [Reply('{"pong":1492420473027}')]


def error(number: int, code: str = "bad-request") -> str:
    text = f'"err-code":"{code}","err-msg":"invalid mbp.150.symbol linkusdt"'
    return f'{{"status":"error",{text},"id":"{number}","ts":1}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            error(1),
            [Rejected(("ab",), "invalid mbp.150.symbol linkusdt (bad-request)")],
            id="sub",
        ),
        pytest.param(
            error(2),
            [Rejected(("ab",), "invalid mbp.150.symbol linkusdt (bad-request)")],
            id="req",
        ),
        pytest.param(error(3), [], id="unsub"),
        pytest.param(
            error(9),
            [Rejected((), "invalid mbp.150.symbol linkusdt (bad-request)")],
            id="nobody's",
        ),
        pytest.param(
            error(1, "busy"),
            [Closing("invalid mbp.150.symbol linkusdt (busy)")],
            id="a sub that may work later",
        ),
        pytest.param(error(2, "busy"), [], id="a req that may work later"),
    ],
)
def test_errors(text: str, expected: list[Any]) -> None:
    venue = Htx()
    session = venue.session()
    venue.subscribe(["ab"], session, 0.0)
    venue.snapshot_frame("ab", session, 0.0)
    venue.unsubscribe(["ab"], session, 0.0)
    assert list(venue.parse(text, session)) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"ch":"market.btcusdt.depth.step0","ts":1,"tick":{"bids":[],"asks":[]}}',
        '{"ch":"market.btcusdt.mbp.refresh.20","ts":1,"tick":{"seqNum":1,"bids":[]}}',
        '{"ch":"market.btcusdt.other","tick":{"seqNum":2,"prevSeqNum":1}}',
        '{"rep":"market.btcusdt.kline.1min","status":"ok","data":[]}',
        '{"id":"1","status":"ok","subbed":"market.btcusdt.depth.step0","ts":1}',
    ],
)
def test_other_topics_are_ignored(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DELTA.replace('"prevSeqNum"', '"prev"'), id="no prevSeqNum"),
        pytest.param(DELTA.replace('"seqNum"', '"seq"'), id="no seqNum"),
        pytest.param(DELTA.replace("104998984977", "104998984995"), id="backwards"),
        pytest.param(DELTA.replace("104998984977", "-1"), id="negative"),
        pytest.param(DELTA.replace("104998984977", "1.5"), id="fraction"),
        pytest.param(DELTA.replace("[9058.27,0]", "[9058.27]"), id="no size"),
        pytest.param(DELTA.replace("[9058.27,0]", "[true,0]"), id="bool"),
        pytest.param(DELTA.replace("[[9058.27,0]]", '"x"'), id="side is a text"),
        pytest.param(DELTA.replace('"tick"', '"tock"'), id="no tick"),
        pytest.param(SNAPSHOT.replace('"seqNum"', '"seq"'), id="snapshot: no seqNum"),
        pytest.param(SNAPSHOT.replace("104999417756", "-4"), id="snapshot: negative"),
        pytest.param(SNAPSHOT.replace('"bids"', '"bid"'), id="snapshot: no bids"),
        pytest.param(SNAPSHOT.replace('"data"', '"date"'), id="snapshot: no data"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_what_does_not_decode_is_malformed(text: str, numbers: Any) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=Htx(numbers=numbers))
    assert caught.value.symbol == "btcusdt"


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param("", id="empty text"),
        pytest.param(b"", id="empty"),
        pytest.param("{", id="cut"),
        pytest.param("[]", id="list"),
        pytest.param('{"ping":"x"}', id="ping is a word"),
        pytest.param(DELTA.encode(), id="not compressed"),
        pytest.param(gzip.compress(b"\xff"), id="compressed noise"),
        pytest.param(gzip.compress(b"\0" * (17 * 1024 * 1024)), id="bomb"),
    ],
)
def test_nonsense_is_malformed(frame: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(frame)


def test_every_cut_of_a_frame_is_malformed() -> None:
    frame = gzip.compress(DELTA.encode())
    for end in range(len(frame)):
        with pytest.raises(MalformedMessage):
            parse(frame[:end])
    for end in range(len(DELTA)):
        with pytest.raises(MalformedMessage):
            parse(DELTA[:end])


def test_facts_are_honest() -> None:
    facts = Htx().facts
    assert (facts.source, facts.assurance) == (Source.REQUEST, Assurance.CHAINED)
    assert any("every mbp frame" in text for text in facts.unverified)


def test_vector_18() -> None:
    book = NaiveBook()
    book.load(Snapshot("ab", 100, [], []))
    for prev, last in ((90, 100), (100, 117), (130, 140)):
        book.take(parse(delta(prev, last))[0])
    assert (book.sequence, book.applied, book.gaps) == (117, 1, [(117, 130)])


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("price-precision", "amount-precision"), id="long"),
        pytest.param(("pp", "ap"), id="short"),
    ],
)
def test_instruments_count_decimals(names: tuple[str, str]) -> None:
    market = {"symbol": "btcusdt", "state": "online", names[0]: 2, names[1]: 6}
    ended = {"symbol": "oldusdt", "state": "offline"}
    body = json.dumps({"status": "ok", "data": [market, ended]})
    first, second = Htx().parse_instruments(body)
    assert (first.symbol, first.price_step, first.size_step, first.active) == (
        "btcusdt",
        Decimal("0.01"),
        Decimal("0.000001"),
        True,
    )
    assert (second.price_step, second.size_step, second.active) == (None, None, False)
    path = Htx().instrument_requests()[0].path
    assert path == "/v1/settings/common/market-symbols"
    with pytest.raises(MalformedMessage):
        Htx().parse_instruments('{"status":"error"}')


def test_symbols_are_lower_case() -> None:
    assert Htx.prepare("BTCUSDT") == "btcusdt"


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_no_other_error_escapes(numbers: Any) -> None:
    venue = Htx(numbers=numbers)
    for frame in (DELTA, SNAPSHOT, error(1), '{"ping":1492420473027}'):
        for text in mangled(frame):
            with contextlib.suppress(MalformedMessage):
                parse(text, venue=venue)
    market = '{"status":"ok","data":[{"symbol":"a","state":"online","pp":2,"ap":6}]}'
    for body in mangled(market):
        with contextlib.suppress(MalformedMessage):
            venue.parse_instruments(body)


def test_the_same_frames_give_the_same_messages() -> None:
    venue = Htx()
    frames = [DELTA, SNAPSHOT, '{"ping":1}', DELTA]
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue)


# -- recorded frames of other topics ---------------------------------------------------


@needs_captures
def test_recorded_frames_are_unpacked_and_pings_answered() -> None:
    venue = Htx()
    session = venue.session()
    replies = []
    for record in captures.records(CAPTURE):
        if record["dir"] == "out":
            continue
        found = venue.parse(captures.frame(record), session)
        expected: tuple[Any, ...] = ()
        if record["raw"].startswith('{"ping"'):
            expected = (Reply(record["raw"].replace("ping", "pong")),)
            replies.append(json.loads(record["raw"])["ping"])
        assert tuple(found) == expected
    assert {later - earlier for earlier, later in pairwise(replies)} == {5000}


@needs_captures
def test_recorded_instruments() -> None:
    listed = captures.instruments(CAPTURE, Htx())
    assert len(listed) == 10
    assert listed["omgbtc"].price_step == Decimal("0.000001")
    assert listed["omgbtc"].size_step == Decimal("0.0001")
    assert listed["omgbtc"].active
