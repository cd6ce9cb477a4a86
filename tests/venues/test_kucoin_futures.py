"""
KuCoin futures. Frames: kucoin.com/docs-new/3470082w0 and the venue sheet's shapes of
both sockets (read 2026-11); no recording.
"""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import ConfigurationError, MalformedMessage, SubscriptionRejected
from booksync.messages import Delta, Snapshot, Subscribed
from booksync.venues import Assurance, Lists, Request, Source
from booksync.venues.kucoin_futures import KucoinFutures
from tests.captures import NaiveBook
from tests.venues.mangle import mangled

SELL = (
    '{"subject":"level2","topic":"/contractMarket/level2:XBTUSDTM","type":"message",'
    '"data":{"sequence":18,"change":"5000.0,sell,83","timestamp":1551770400000}}'
)
BUY = (
    '{"topic":"/contractMarket/level2:XBTUSDTM","type":"message","subject":"level2",'
    '"sn":1709400450243,"data":{"sequence":1709400450243,"change":"90631.2,buy,2",'
    '"timestamp":1731897467182}}'
)
SNAPSHOT = (
    '{"code":"200000","data":{"symbol":"XBTUSDTM","sequence":16,'
    '"asks":[["3988.59",3],["3988.60",47]],"bids":[[3988.51,56],["3988.50",15]],'
    '"ts":1731897467182063000}}'
)
UTA = (
    b'{"T":"obu.FUTURES","dp":"increment@10ms","t":"snapshot","P":1774624848680504909,'
    b'"d":{"s":"XBTUSDTM","O":7,"C":7,"M":1774624848673000000,'
    b'"b":[["66532.4","9"]],"a":[]}}'
)


def parse(*frames: str | bytes, venue: KucoinFutures | None = None) -> list[Any]:
    venue = venue or KucoinFutures()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def change(sequence: int, text: str) -> str:
    return SELL.replace('"sequence":18', f'"sequence":{sequence}').replace(
        "5000.0,sell,83", text
    )


def test_a_change_is_one_level() -> None:
    assert parse(SELL, BUY) == [
        Delta("XBTUSDTM", 17, 18, [], [("5000.0", "83")], time=1551770400.0),
        Delta(
            "XBTUSDTM",
            1709400450242,
            1709400450243,
            [("90631.2", "2")],
            [],
            time=1731897467.182,
        ),
    ]


def test_floats_are_floats() -> None:
    (message,) = parse(SELL, venue=KucoinFutures(numbers=float))
    assert message.asks == [(5000.0, 83.0)]
    assert type(message.asks[0][0]) is float


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_price_zero_advances_without_a_level(numbers: Any) -> None:
    (message,) = parse(change(19, "0,buy,0"), venue=KucoinFutures(numbers=numbers))
    assert message == Delta("XBTUSDTM", 18, 19, [], [], time=1551770400.0)


def test_snapshot_mixes_text_and_numbers() -> None:
    snapshot = KucoinFutures().parse_snapshot(SNAPSHOT, "XBTUSDTM", None)
    assert snapshot == Snapshot(
        "XBTUSDTM",
        16,
        [(Decimal("3988.51"), Decimal(56)), (Decimal("3988.50"), Decimal(15))],
        [(Decimal("3988.59"), Decimal(3)), (Decimal("3988.60"), Decimal(47))],
        depth=None,
        time=1731897467.182063,
    )
    (best, _) = (
        KucoinFutures(numbers=float).parse_snapshot(SNAPSHOT, "XBTUSDTM", None).bids
    )
    assert best == (3988.51, 56.0)


def test_unknown_symbol_is_rejected_by_the_snapshot() -> None:
    body = '{"code":"900001","msg":"symbol not exists"}'
    with pytest.raises(SubscriptionRejected):
        KucoinFutures().parse_snapshot(body, "NOPE", None)
    with pytest.raises(MalformedMessage):
        KucoinFutures().parse_snapshot(SNAPSHOT[:-2], "XBTUSDTM", None)


@pytest.mark.parametrize("numbers", [Decimal, float])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(change(18, "5000.0,sell"), id="two parts"),
        pytest.param(change(18, "5000.0,sell,83,1"), id="four parts"),
        pytest.param(change(18, "5000.0,hold,83"), id="no such side"),
        pytest.param(change(0, "5000.0,sell,83"), id="sequence 0"),
        pytest.param(change(-1, "5000.0,sell,83"), id="negative"),
        pytest.param(SELL.replace('"sequence"', '"number"'), id="no sequence"),
        pytest.param(SELL.replace('"5000.0,sell,83"', "83"), id="not a text"),
    ],
)
def test_a_change_that_does_not_decode_is_malformed(text: str, numbers: Any) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=KucoinFutures(numbers=numbers))
    assert caught.value.symbol == "XBTUSDTM"


def test_a_price_that_is_no_float_is_malformed() -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(change(18, "x,buy,1"), venue=KucoinFutures(numbers=float))
    assert caught.value.symbol == "XBTUSDTM"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", b"\xff"])
def test_nonsense_is_malformed(text: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(text)


def test_every_cut_of_a_frame_is_malformed() -> None:
    for end in range(len(SELL)):
        with pytest.raises(MalformedMessage):
            parse(SELL[:end])


@pytest.mark.parametrize(
    "text",
    [
        '{"id":"x","type":"welcome"}',
        '{"id":"1","type":"pong"}',
        SELL.replace("/contractMarket/level2:", "/contractMarket/other:"),
    ],
)
def test_what_is_not_a_book_is_ignored(text: str) -> None:
    assert parse(text) == []


def test_frames_are_as_documented() -> None:
    venue = KucoinFutures()
    session = venue.session()
    first, second = venue.subscribe(["XBTUSDTM", "ETHUSDTM"], session, 0.0)
    assert first == (
        '{"id":"1","type":"subscribe","topic":"/contractMarket/level2:XBTUSDTM",'
        '"privateChannel":false,"response":true}'
    )
    assert venue.parse('{"id":"2","type":"ack"}', session) == (
        Subscribed(("ETHUSDTM",)),
    )
    assert '"/contractMarket/level2:ETHUSDTM"' in str(second)


@pytest.mark.parametrize(
    ("depth", "path"),
    [
        pytest.param(None, "/api/v1/level2/snapshot", id="whole book"),
        pytest.param(20, "/api/v1/level2/depth20", id="20"),
        pytest.param(100, "/api/v1/level2/depth100", id="100"),
    ],
)
def test_snapshot_requests(depth: int | None, path: str) -> None:
    venue = KucoinFutures(depth=depth)
    request = venue.snapshot_request("XBTUSDTM")
    assert request == Request(path=path, params={"symbol": "XBTUSDTM"}, weight=5)
    url = f"https://api-futures.kucoin.com{path}?symbol=XBTUSDTM"
    assert KucoinFutures().snapshot_symbol(url) == "XBTUSDTM"
    assert KucoinFutures().snapshot_depth(url) == depth
    with pytest.raises(ConfigurationError):
        KucoinFutures(depth=50)


def test_uta_speaks_of_futures() -> None:
    venue = KucoinFutures(options={"socket": "uta"})
    assert parse(UTA, venue=venue) == [
        Snapshot("XBTUSDTM", 7, [("66532.4", "9")], [], depth=500, time=1774624848.673)
    ]
    assert parse(UTA.replace(b"FUTURES", b"SPOT"), venue=venue) == []
    (frame,) = venue.subscribe(["XBTUSDTM"], venue.session(), 0.0)
    assert '"tradeType":"FUTURES"' in str(frame)
    assert venue.stream_url(venue.WS_URL) == "wss://x-push-futures.kucoin.com"
    assert venue.facts.source is Source.STREAM
    assert (venue.facts.assurance, venue.facts.lists) == (
        Assurance.RANGED,
        Lists.UNKNOWN,
    )


def test_facts_are_honest() -> None:
    facts = KucoinFutures().facts
    assert (facts.source, facts.assurance) == (Source.REST, Assurance.COUNTED)
    assert not facts.verified
    assert any("every frame" in text for text in facts.unverified)


def test_one_number_missing_is_a_gap_and_an_old_one_is_not() -> None:
    book = NaiveBook()
    book.load(Snapshot("XBTUSDTM", 16, [], []))
    for number in (15, 16, 17, 17, 18, 20):
        book.take(parse(change(number, f"{number},buy,1"))[0])
    assert (book.sequence, book.applied, book.gaps) == (18, 2, [(18, 19)])


def test_instruments() -> None:
    body = (
        '{"code":"200000","data":[{"symbol":"XBTUSDTM","tickSize":0.1,"lotSize":1,'
        '"multiplier":0.001,"status":"Open"},{"symbol":"XBTUSDM","tickSize":1E-8,'
        '"lotSize":1,"multiplier":-1.0,"status":"Paused"}]}'
    )
    linear, inverse = KucoinFutures().parse_instruments(body)
    assert (linear.price_step, linear.size_step, linear.active) == (
        Decimal("0.1"),
        Decimal(1),
        True,
    )
    assert linear.extra == {"multiplier": Decimal("0.001")}
    assert (inverse.price_step, inverse.active) == (Decimal("0.00000001"), False)
    assert KucoinFutures().instrument_requests()[0].path == "/api/v1/contracts/active"
    with pytest.raises(MalformedMessage):
        KucoinFutures().parse_instruments("[]")


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_no_other_error_escapes(numbers: Any) -> None:
    venue = KucoinFutures(numbers=numbers)
    for text in (*mangled(SELL), *mangled(BUY)):
        with contextlib.suppress(MalformedMessage):
            parse(text, venue=venue)
    for body in mangled(SNAPSHOT):
        with contextlib.suppress(MalformedMessage):
            venue.parse_snapshot(body, "XBTUSDTM", None)


def test_the_same_frames_give_the_same_messages() -> None:
    venue = KucoinFutures()
    assert parse(SELL, BUY, venue=venue) == parse(SELL, BUY, venue=venue)
