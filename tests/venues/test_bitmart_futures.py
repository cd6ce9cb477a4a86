"""
BitMart futures. Frames: developer-pro.bitmart.com/en/futuresv2 (read 2026-11) and the
probe of 2026-09-23 that the venue sheet quotes.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Delta, Rejected, Snapshot, Subscribed, Unsubscribed
from booksync.venues import Assurance, Instrument, Resync, Source
from booksync.venues.bitmart_futures import BitMartFutures
from tests.captures import NaiveBook

GROUP = "futures/depthIncrease50:BTCUSDT@100ms"
SNAPSHOT = (
    f'{{"group":"{GROUP}","data":{{"symbol":"BTCUSDT",'
    '"asks":[{"price":"86659","vol":"18074"}],'
    '"bids":[{"price":"86658.9","vol":"120"}],'
    '"ms_t":1790134356628,"version":5158588,"type":"snapshot"}}'
)
UPDATE = SNAPSHOT.replace("snapshot", "update").replace("5158588", "5158589")


def parse(*frames: str | bytes, venue: BitMartFutures | None = None) -> list[Any]:
    venue = venue or BitMartFutures()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def empty(version: int, kind: str = "update") -> str:
    data = f'"symbol":"BTCUSDT","asks":[],"bids":[],"version":{version},"type":"{kind}"'
    return f'{{"group":"{GROUP}","data":{{{data}}}}}'


def test_a_snapshot_is_the_best_levels() -> None:
    assert parse(SNAPSHOT) == [
        Snapshot(
            "BTCUSDT",
            5158588,
            [("86658.9", "120")],
            [("86659", "18074")],
            depth=50,
            time=1790134356.628,
        )
    ]


def test_an_update_is_counted_by_its_version() -> None:
    assert parse(UPDATE) == [
        Delta(
            "BTCUSDT",
            5158588,
            5158589,
            [("86658.9", "120")],
            [("86659", "18074")],
            time=1790134356.628,
        )
    ]


def test_an_update_without_levels_advances() -> None:
    assert parse(empty(7)) == [Delta("BTCUSDT", 6, 7, [], [])]


def test_floats_are_decoded_as_floats() -> None:
    (message,) = parse(UPDATE, venue=BitMartFutures(numbers=float))
    assert message.bids == [(86658.9, 120.0)]
    assert type(message.bids[0][1]) is float


@pytest.mark.parametrize(
    ("action", "make"),
    [
        pytest.param("subscribe", BitMartFutures.subscribe, id="subscribe"),
        pytest.param("unsubscribe", BitMartFutures.unsubscribe, id="unsubscribe"),
    ],
)
def test_subscriptions_name_groups(action: str, make: Any) -> None:
    venue = BitMartFutures()
    assert make(venue, ["BTCUSDT"], venue.session(), 0.0) == [
        f'{{"action":"{action}","args":["{GROUP}"]}}'
    ]


def test_options_choose_the_group() -> None:
    venue = BitMartFutures(depth=20, options={"speed": "200ms"})
    (text,) = venue.subscribe(["ETHUSDT"], venue.session(), 0.0)
    assert json.loads(text)["args"] == ["futures/depthIncrease20:ETHUSDT@200ms"]
    with pytest.raises(ConfigurationError, match="5, 20, 50"):
        BitMartFutures(depth=10)


def test_a_frame_stays_below_what_closes_the_socket() -> None:
    venue = BitMartFutures()
    symbols = [f"{n:060d}USDT" for n in range(50)]  # as long as a symbol may be
    frames = venue.subscribe(symbols, venue.session(), 0.0)
    assert all(len(text) < 2000 for text in frames)
    found = [name for text in frames for name in json.loads(text)["args"]]
    assert found == [f"futures/depthIncrease50:{name}@100ms" for name in symbols]


def test_a_snapshot_is_requested_on_the_same_group() -> None:
    venue = BitMartFutures()
    assert venue.snapshot_frame("BTCUSDT", venue.session(), 0.0) == (
        f'{{"action":"request","args":["{GROUP}"]}}'
    )
    assert BitMartFutures.facts.source is Source.REQUEST
    assert BitMartFutures.facts.resync is Resync.FETCH
    assert BitMartFutures.facts.assurance is Assurance.COUNTED
    assert BitMartFutures.facts.verified == ""
    assert BitMartFutures.prepare("btcusdt") == "BTCUSDT"


def test_answers_name_their_group() -> None:
    answer = (
        f'{{"action":"subscribe","group":"{GROUP}","success":true,'
        f'"request":{{"action":"subscribe","args":["{GROUP}"]}}}}'
    )
    assert parse(answer, answer.replace('"subscribe"', '"unsubscribe"')) == [
        Subscribed(("BTCUSDT",)),
        Unsubscribed(("BTCUSDT",)),
    ]


def refusal(action: str) -> str:
    args = '"args":["futures/depthIncrease50:NOPE@100ms"]'
    return (
        f'{{"action":"{action}","success":false,"request":{{"action":"{action}",{args}'
        '},"error":"Invalid channel: not found"}'
    )


def test_refusals_are_told_by_the_request_they_repeat() -> None:
    assert parse(refusal("subscribe")) == [
        Rejected(("NOPE",), "Invalid channel: not found")
    ]
    bare = '{"action":"subscribe","success":false,"error":"Invalid args"}'
    assert parse(bare) == [Rejected((), "Invalid args")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"group":"System","data":"pong+5f1c"}', id="pong"),
        pytest.param('{"group":"futures/trade:BTCUSDT","data":[]}', id="trades"),
        pytest.param(refusal("request"), id="a request is retried"),
        pytest.param(refusal("unsubscribe"), id="not subscribed anyway"),
        pytest.param('{"action":"access","success":true}', id="another action"),
    ],
)
def test_other_frames_are_ignored(text: str) -> None:
    assert parse(text) == []


def test_the_heartbeat_is_json() -> None:
    venue = BitMartFutures()
    assert venue.ping(venue.session(), 0.0) == '{"action":"ping"}'
    assert venue.heartbeat.interval is not None
    assert venue.heartbeat.interval < 20


def test_versions_count_by_one() -> None:
    book = NaiveBook()
    frames = [
        empty(100, "snapshot"),
        empty(100),
        empty(101),
        empty(103),
        empty(103, "snapshot"),
        empty(104),
    ]
    for message in parse(*frames):
        (book.load if isinstance(message, Snapshot) else book.take)(message)
    assert (book.sequence, book.applied, book.gaps) == (104, 2, [(101, 102)])


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        pytest.param("", None, id="empty"),
        pytest.param(UPDATE[:-30], None, id="cut"),
        pytest.param(b"\xff\xfe", None, id="no text"),
        pytest.param("[]", None, id="no object"),
        pytest.param("{}", None, id="says nothing"),
        pytest.param(UPDATE.replace('"version"', '"x"'), "BTCUSDT", id="no version"),
        pytest.param(UPDATE.replace('"vol"', '"v"'), "BTCUSDT", id="no size"),
        pytest.param(UPDATE.replace('"update"', '"other"'), "BTCUSDT", id="type"),
        pytest.param(UPDATE.replace('"86659"', "null"), "BTCUSDT", id="null"),
        pytest.param(f'{{"group":"{GROUP}","data":[]}}', "BTCUSDT", id="data"),
        pytest.param(f'{{"group":"{GROUP}"}}', "BTCUSDT", id="no data"),
        pytest.param(
            UPDATE.replace("1790134356628", "1" * 400), "BTCUSDT", id="time beyond all"
        ),
        pytest.param(empty(0), "BTCUSDT", id="version 0"),
        pytest.param(empty(-3, "snapshot"), "BTCUSDT", id="version < 0"),
        pytest.param(UPDATE.replace(":BTCUSDT@", ":ETHUSDT@"), None, id="other symbol"),
        pytest.param(UPDATE.replace("depthIncrease", "depth"), None, id="channel"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_malformed_frames_raise_one_error(
    text: str | bytes, symbol: str | None, numbers: type
) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=BitMartFutures(numbers=numbers))
    assert caught.value.symbol == symbol


def test_fresh_sessions_give_the_same_messages() -> None:
    frames = [SNAPSHOT, UPDATE, empty(5158590)]
    assert parse(*frames) == parse(*frames)
    assert len(parse(*frames)) == 3


def test_instruments_have_steps_and_a_state() -> None:
    venue = BitMartFutures()
    assert [request.path for request in venue.instrument_requests()] == [
        "/contract/public/details"
    ]
    entry = {
        "symbol": "BTCUSDT",
        "contract_size": "0.001",
        "price_precision": "0.1",
        "vol_precision": "1",
        "status": "Trading",
    }
    off = {**entry, "symbol": "OLDUSDT", "status": "Delisted"}
    body = json.dumps({"code": 1000, "data": {"symbols": [entry, off]}})
    steps: dict[str, Any] = {"price_step": Decimal("0.1"), "size_step": Decimal(1)}
    extra = {"contract_size": "0.001"}
    assert venue.parse_instruments(body) == [
        Instrument(symbol="BTCUSDT", extra=extra, **steps),
        Instrument(symbol="OLDUSDT", active=False, extra=extra, **steps),
    ]
    for bad in ("[]", '{"data":{}}', body.replace('"0.1"', '"x"'), "<html>"):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(bad)
