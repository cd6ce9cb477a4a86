"""
Backpack. Frames: docs.backpack.exchange/#tag/Streams/Public/Depth (read 2026-11) and
the probe of 2026-09-23 that the venue sheet quotes.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Delta, Rejected, Snapshot
from booksync.venues import Assurance, Instrument, Source
from booksync.venues.backpack import Backpack
from tests.captures import NaiveBook

DELTA = (
    '{"stream":"depth.BTC_USDC_PERP","data":{"e":"depth","E":1790134357267289,'
    '"T":1790134357267074,"s":"BTC_USDC_PERP","U":6730019258,"u":6730019260,'
    '"a":[],"b":[["86655.9","1.94230"]]}}'
)
SNAPSHOT = (
    '{"asks":[["86700","1.2"],["86701.5","0.3"]],"bids":[["86600","2"],["86655.9","1"]],'
    '"lastUpdateId":"6729962806","timestamp":1790134357267289}'
)


def parse(*frames: str | bytes, venue: Backpack | None = None) -> list[Any]:
    venue = venue or Backpack()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def delta(first: int, last: int, *, symbol: str = "SOL_USDC", levels: str = "") -> str:
    data = f'"s":"{symbol}","U":{first},"u":{last},"b":[{levels}],"a":[]'
    return f'{{"stream":"depth.{symbol}","data":{{"e":"depth",{data}}}}}'


def test_delta_carries_its_range() -> None:
    assert parse(DELTA) == [
        Delta(
            "BTC_USDC_PERP",
            6730019257,
            6730019260,
            [("86655.9", "1.94230")],
            [],
            time=1790134357.267289,
        )
    ]


def test_floats_are_decoded_as_floats() -> None:
    (message,) = parse(DELTA, venue=Backpack(numbers=float))
    assert message.bids == [(86655.9, 1.9423)]


def test_snapshot_id_is_text_and_depth_is_what_was_asked() -> None:
    assert Backpack().parse_snapshot(SNAPSHOT, "BTC_USDC_PERP", 1000) == Snapshot(
        "BTC_USDC_PERP",
        6729962806,
        [("86600", "2"), ("86655.9", "1")],
        [("86700", "1.2"), ("86701.5", "0.3")],
        depth=1000,
        time=1790134357.267289,
    )


@pytest.mark.parametrize(
    ("stream", "symbol"),
    [
        pytest.param("depth.SOL_USDC", "SOL_USDC", id="realtime"),
        pytest.param("depth.200ms.SOL_USDC", "SOL_USDC", id="windowed"),
        pytest.param("depth.AAPL.US_USDC_PERP", "AAPL.US_USDC_PERP", id="dot"),
        pytest.param("depth.600ms.AAPL.US_USDC", "AAPL.US_USDC", id="windowed dot"),
    ],
)
def test_the_stream_names_the_market(stream: str, symbol: str) -> None:
    text = delta(1, 1, symbol=symbol).replace(f"depth.{symbol}", stream)
    assert parse(text) == [Delta(symbol, 0, 1, [], [])]
    broken = text.replace('"U":1', '"U":"x"')
    with pytest.raises(MalformedMessage) as caught:
        parse(broken)
    assert caught.value.symbol == symbol
    nameless = broken.replace(f'"s":"{symbol}",', "")
    with pytest.raises(MalformedMessage) as caught:
        parse(nameless)
    assert caught.value.symbol == symbol


@pytest.mark.parametrize(
    ("speed", "stream"),
    [
        pytest.param("realtime", "depth.SOL_USDC", id="realtime"),
        pytest.param("1000ms", "depth.1000ms.SOL_USDC", id="windowed"),
    ],
)
def test_subscriptions_name_streams(speed: str, stream: str) -> None:
    venue = Backpack(options={"speed": speed})
    session = venue.session()
    assert venue.subscribe(["SOL_USDC"], session, 0.0) == [
        f'{{"method":"SUBSCRIBE","params":["{stream}"]}}'
    ]
    assert venue.unsubscribe(["SOL_USDC"], session, 0.0) == [
        f'{{"method":"UNSUBSCRIBE","params":["{stream}"]}}'
    ]


def test_many_symbols_are_split_over_frames() -> None:
    venue = Backpack()
    symbols = [f"A{n}_USDC" for n in range(200)]
    frames = venue.subscribe(symbols, venue.session(), 0.0)
    found = [json.loads(text)["params"] for text in frames]
    assert [len(params) for params in found] == [90, 90, 20]
    assert [name for part in found for name in part] == [f"depth.{s}" for s in symbols]


def test_symbols_keep_their_case() -> None:
    assert Backpack.prepare("kSHIB_USDC_PERP") == "kSHIB_USDC_PERP"


def test_snapshot_request_and_its_symbol() -> None:
    venue = Backpack()
    request = venue.snapshot_request("BTC_USDC_PERP")
    assert request.path == "/api/v1/depth"
    assert request.params == {"symbol": "BTC_USDC_PERP", "limit": "1000"}
    assert Backpack(depth=100).snapshot_request("A").params["limit"] == "100"
    url = "https://elsewhere/api/v1/depth?symbol=BTC_USDC_PERP&limit=500"
    assert venue.snapshot_symbol(url) == "BTC_USDC_PERP"
    assert venue.snapshot_depth(url) == 500
    assert venue.snapshot_symbol("https://x/api/v1/markets?symbol=A") is None
    assert venue.snapshot_symbol("https://x/api/v1/depth") is None
    with pytest.raises(ConfigurationError):
        Backpack(depth=7)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(
            '{"id":null,"error":{"code":4006,"message":"Invalid stream"}}',
            "Invalid stream (code 4006)",
            id="4006",
        ),
        pytest.param(
            '{"id":null,"error":{"code":4002,"message":"Parse error"}}',
            "Parse error (code 4002)",
            id="4002",
        ),
    ],
)
def test_errors_are_rejections_of_nobody_in_particular(text: str, reason: str) -> None:
    assert parse(text) == [Rejected((), reason)]


def test_other_streams_are_ignored() -> None:
    text = '{"stream":"trade.SOL_USDC","data":{"e":"trade","s":"SOL_USDC"}}'
    assert parse(text) == []


def test_facts() -> None:
    assert Backpack.facts.source is Source.REST
    assert Backpack.facts.assurance is Assurance.RANGED
    assert not Backpack.facts.acks
    assert Backpack.facts.verified == ""
    assert Backpack.heartbeat.interval is None  # protocol pings only
    assert Backpack.heartbeat.silence > 60


def vector(deltas: list[tuple[int, int]], snapshot: int = 100) -> NaiveBook:
    """A row of venues/README.md, Appendix B: deltas in order, on a snapshot."""
    book = NaiveBook()
    body = f'{{"asks":[],"bids":[],"lastUpdateId":"{snapshot}"}}'
    book.load(Backpack().parse_snapshot(body, "SOL_USDC", 1000))
    for message in parse(*(delta(first, last) for first, last in deltas)):
        book.take(message)
    return book


@pytest.mark.parametrize(
    ("deltas", "sequence", "applied", "gaps"),
    [
        pytest.param([(95, 98), (99, 100), (101, 103), (104, 104)], 104, 2, [], id="1"),
        pytest.param([(99, 102), (103, 105)], 105, 2, [], id="2"),
        pytest.param([(102, 105)], 100, 0, [(100, 101)], id="3"),
        pytest.param([(101, 101), (101, 101), (102, 102)], 102, 2, [], id="4"),
        pytest.param([(101, 102), (104, 106)], 102, 1, [(102, 103)], id="5"),
        pytest.param([(101, 101)], 101, 1, [], id="6"),
    ],
)
def test_vectors(
    deltas: list[tuple[int, int]],
    sequence: int,
    applied: int,
    gaps: list[tuple[int, int]],
) -> None:
    book = vector(deltas)
    assert (book.sequence, book.applied, book.gaps) == (sequence, applied, gaps)


def test_levels_of_both_spellings_are_one_level() -> None:
    book = NaiveBook()
    book.load(Backpack().parse_snapshot(SNAPSHOT, "SOL_USDC", 1000))
    levels = '["86600.0","0.00000"]'
    (message,) = parse(delta(6729962807, 6729962807, levels=levels))
    book.take(message)
    assert book.sides["b"] == {Decimal("86655.9"): Decimal(1)}


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        pytest.param("", None, id="empty"),
        pytest.param(DELTA[:-30], None, id="cut"),
        pytest.param(b"\xff\xfe", None, id="no text"),
        pytest.param("[]", None, id="no object"),
        pytest.param("{}", None, id="says nothing"),
        pytest.param(
            '{"stream":"depth.SOL_USDC","data":{}}', "SOL_USDC", id="empty data"
        ),
        pytest.param(DELTA.replace('"u"', '"x"'), "BTC_USDC_PERP", id="no u"),
        pytest.param(DELTA.replace('"b"', '"x"'), "BTC_USDC_PERP", id="no b"),
        pytest.param(
            DELTA.replace('["86655.9","1.94230"]', '["86655.9"]'),
            "BTC_USDC_PERP",
            id="half a level",
        ),
        pytest.param(
            DELTA.replace('[["86655.9"', "[[null"), "BTC_USDC_PERP", id="null"
        ),
        pytest.param(
            DELTA.replace("1790134357267289", "1" * 400),
            "BTC_USDC_PERP",
            id="time beyond all floats",
        ),
        pytest.param(delta(-3, 2), "SOL_USDC", id="from below zero"),
        pytest.param(delta(3, 2), "SOL_USDC", id="backwards"),
        pytest.param(delta(0, 2), "SOL_USDC", id="from zero"),
        pytest.param(DELTA.replace("depth.BTC", "depth.ETH"), None, id="other market"),
        pytest.param(DELTA.replace("depth.BTC", "trade.BTC"), None, id="other stream"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_malformed_frames_raise_one_error(
    text: str | bytes, symbol: str | None, numbers: type
) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=Backpack(numbers=numbers))
    assert caught.value.symbol == symbol


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="empty"),
        pytest.param("<html>", id="no json"),
        pytest.param(SNAPSHOT[:-9], id="cut"),
        pytest.param(SNAPSHOT.replace('"6729962806"', '"x"'), id="id is no number"),
        pytest.param(SNAPSHOT.replace('"6729962806"', '"-6"'), id="id < 0"),
        pytest.param(SNAPSHOT.replace('"bids"', '"b"'), id="no bids"),
    ],
)
def test_malformed_snapshots_raise_one_error(body: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        Backpack().parse_snapshot(body, "SOL_USDC", 1000)
    assert caught.value.symbol == "SOL_USDC"


def test_fresh_sessions_give_the_same_messages() -> None:
    frames = [delta(n, n) for n in range(1, 9)] + [DELTA]
    assert parse(*frames) == parse(*frames)
    assert len(parse(*frames)) == 9


def test_instruments_have_steps_and_a_state() -> None:
    venue = Backpack()
    assert [request.path for request in venue.instrument_requests()] == [
        "/api/v1/markets"
    ]
    entry = {
        "symbol": "BTC_USDC_PERP",
        "filters": {
            "price": {"tickSize": "0.1", "minPrice": "0.1"},
            "quantity": {"stepSize": "0.00001", "maxQuantity": None},
        },
        "orderBookState": "Open",
    }
    body = json.dumps([entry, {**entry, "symbol": "X", "orderBookState": "Closed"}])
    steps: dict[str, Any] = {
        "price_step": Decimal("0.1"),
        "size_step": Decimal("0.00001"),
    }
    assert venue.parse_instruments(body) == [
        Instrument(symbol="BTC_USDC_PERP", **steps),
        Instrument(symbol="X", active=False, **steps),
    ]
    for bad in ("{}", '[{"symbol":"X"}]', body.replace('"0.1"', '"x"'), "<html>"):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(bad)
