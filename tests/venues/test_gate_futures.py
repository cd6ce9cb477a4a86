"""
Gate futures. Frames: gate.com/docs/developers/apiv4/futures/ws/en (stored copies to
2026-05, read 2026-11), shapes of the venue sheet, and the capture of 2023-05-24.
"""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import ConfigurationError, MalformedMessage, SubscriptionRejected
from booksync.messages import Delta, Snapshot, Subscribed
from booksync.venues import Request, Source
from booksync.venues.gate_futures import GateFutures
from tests import captures
from tests.captures import NaiveBook, needs_captures
from tests.venues.mangle import mangled

CAPTURE = "gateio_futures_20230524_a"

DELTA = (
    '{"channel":"futures.order_book_update","event":"update","result":'
    '{"t":1684930165217,"s":"RDNT_USDT","U":203083177,"u":203083177,'
    '"a":[{"p":"0.2983","s":0}],"b":[]}}'
)
SNAPSHOT = (
    '{"current":1684930166.384,"update":1684930166.35,"id":203083287,'
    '"asks":[{"s":803,"p":"0.2974"}],"bids":[{"s":5302,"p":"0.2969"}]}'
)
OBU_FULL = (
    '{"channel":"futures.obu","event":"update","time_ms":1743673026999,"result":'
    '{"t":1743673026995,"full":true,"s":"ob.BTC_USDT.400","u":79072179673,'
    '"b":[["83705.9","30166"]],"a":[["83706","4208"]]}}'
)
OBU_DELTA = (
    '{"channel":"futures.obu","event":"update","result":{"t":1743673027017,'
    '"s":"ob.BTC_USDT.400","U":79072179674,"u":79072179694,'
    '"b":[["83702.2","62"],["83702.1","0"]]}}'
)


def parse(*frames: str | bytes, venue: GateFutures | None = None) -> list[Any]:
    venue = venue or GateFutures()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def test_levels_are_objects() -> None:
    assert parse(DELTA) == [
        Delta(
            "RDNT_USDT",
            203083176,
            203083177,
            [],
            [("0.2983", Decimal(0))],
            time=1684930165.217,
        )
    ]


def test_fractional_sizes_may_be_text_or_numbers() -> None:
    for spelled in ("0.1", '"0.1"', "1e-1"):
        (message,) = parse(DELTA.replace('"s":0}', f'"s":{spelled}}}'))
        assert message.asks == [("0.2983", Decimal("0.1"))]


def test_floats_are_decoded_as_floats() -> None:
    (message,) = parse(DELTA, venue=GateFutures(numbers=float))
    assert message.asks == [(0.2983, 0.0)]
    assert [type(number) for number in message.asks[0]] == [float, float]


def test_snapshot_counts_seconds() -> None:
    assert GateFutures().parse_snapshot(SNAPSHOT, "RDNT_USDT", 100) == Snapshot(
        "RDNT_USDT",
        203083287,
        [("0.2969", Decimal(5302))],
        [("0.2974", Decimal(803))],
        depth=100,
        time=1684930166.35,
    )


def test_unknown_contract_is_rejected_by_the_snapshot() -> None:
    body = '{"label":"CONTRACT_NOT_FOUND","message":"no NO_PE"}'
    with pytest.raises(SubscriptionRejected, match="NO_PE"):
        GateFutures().parse_snapshot(body, "NO_PE", 100)
    with pytest.raises(MalformedMessage):
        GateFutures().parse_snapshot(SNAPSHOT[:-1], "RDNT_USDT", 100)


def test_a_full_push_replaces_the_book() -> None:
    full = DELTA.replace('"U":203083177', '"full":true')
    (message,) = parse(full)
    assert message == Snapshot(
        "RDNT_USDT",
        203083177,
        [],
        [("0.2983", Decimal(0))],
        depth=100,
        time=1684930165.217,
    )


def test_obu_levels_are_pairs() -> None:
    venue = GateFutures(options={"channel": "obu"})
    assert parse(OBU_FULL, OBU_DELTA, venue=venue) == [
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
    assert venue.facts.source is Source.STREAM


@pytest.mark.parametrize(
    ("depth", "payload", "keep"),
    [
        pytest.param(None, ["BTC_USDT", "100ms", "100"], 100, id="default"),
        pytest.param(50, ["BTC_USDT", "100ms", "50"], 50, id="50"),
        pytest.param(20, ["BTC_USDT", "20ms", "20"], 20, id="20"),
    ],
)
def test_frames_are_as_documented(
    depth: int | None, payload: list[str], keep: int
) -> None:
    venue = GateFutures(depth=depth)
    session = venue.session()
    (frame,) = venue.subscribe(["BTC_USDT"], session, 1747054612.0)
    assert json.loads(frame) == {
        "time": 1747054612,
        "id": 1,
        "channel": "futures.order_book_update",
        "event": "subscribe",
        "payload": payload,
    }
    assert venue.keep == keep
    ack = (
        '{"time":1684930165,"time_ms":0,"channel":"futures.order_book_update",'
        '"id":1,"event":"subscribe","result":{"status":"success"}}'
    )
    assert venue.parse(ack, session) == (Subscribed(("BTC_USDT",)),)
    assert venue.ping(session, 5.0) == '{"time":5,"channel":"futures.ping"}'


def test_obu_frames() -> None:
    venue = GateFutures(options={"channel": "obu"}, depth=50)
    (frame,) = venue.subscribe(["A_USDT", "B_USDT"], venue.session(), 0.0)
    assert json.loads(frame)["channel"] == "futures.obu"
    assert json.loads(frame)["payload"] == ["ob.A_USDT.50", "ob.B_USDT.50"]


def test_settle_currency_is_in_the_urls() -> None:
    venue = GateFutures(options={"settle": "btc"})
    assert venue.stream_url(venue.WS_URL) == "wss://fx-ws.gateio.ws/v4/ws/btc"
    assert venue.instrument_requests()[0].path == "/api/v4/futures/btc/contracts"
    assert venue.snapshot_request("BTC_USD") == Request(
        path="/api/v4/futures/btc/order_book",
        params={
            "contract": "BTC_USD",
            "limit": "100",
            "with_id": "true",
            "interval": "0",
        },
        headers={"X-Gate-Size-Decimal": "1"},
    )
    with pytest.raises(ConfigurationError):
        GateFutures(options={"settle": "eur"})


def test_sizes_are_never_rounded_by_the_venue() -> None:
    assert GateFutures.WS_HEADERS == {"X-Gate-Size-Decimal": "1"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DELTA.replace('"p"', '"price"'), id="no price"),
        pytest.param(DELTA.replace('"s":0}', '"z":0}'), id="no size"),
        pytest.param(DELTA.replace('"s":0}', '"s":"x"}'), id="size is a word"),
        pytest.param(DELTA.replace('"s":0}', '"s":null}'), id="size is null"),
        pytest.param(
            DELTA.replace('{"p":"0.2983","s":0}', '["0.2983","0"]'), id="a pair"
        ),
        pytest.param(DELTA.replace('"u":203083177', '"u":203083176'), id="backwards"),
        pytest.param(DELTA.replace('"U":203083177,', ""), id="no U"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_a_delta_that_does_not_decode_is_malformed(text: str, numbers: Any) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=GateFutures(numbers=numbers))
    assert caught.value.symbol == "RDNT_USDT"


def test_every_cut_of_a_frame_is_malformed() -> None:
    for end in range(len(DELTA)):
        with pytest.raises(MalformedMessage):
            parse(DELTA[:end])


def test_what_is_not_this_book_is_ignored() -> None:
    assert parse(OBU_DELTA, '{"channel":"futures.pong","event":""}') == []
    assert parse(DELTA.replace("futures.", "spot.")) == []


def test_urls_name_the_contract() -> None:
    url = "https://h/api/v4/futures/usdt/order_book?contract=RDNT_USDT&limit=50"
    assert GateFutures().snapshot_symbol(url) == "RDNT_USDT"
    assert GateFutures().snapshot_depth(url) == 50
    assert GateFutures().snapshot_symbol(url.replace("contract", "pair")) is None


def test_instruments_have_a_step_of_one_contract_unless_fractional() -> None:
    body = (
        '[{"name":"A_USDT","order_price_round":"0.01","quanto_multiplier":"0.0001"},'
        '{"name":"B_USDT","order_price_round":"0.1","enable_decimal":true},'
        '{"name":"C_USDT","order_price_round":"1","in_delisting":true},'
        '{"name":"D_USDT","order_price_round":"1","status":"delisted"}]'
    )
    found = GateFutures().parse_instruments(body)
    assert [item.size_step for item in found] == [Decimal(1), None, *[Decimal(1)] * 2]
    assert [item.active for item in found] == [True, True, False, False]
    assert found[0].price_step == Decimal("0.01")
    assert found[0].extra == {"multiplier": Decimal("0.0001")}
    with pytest.raises(MalformedMessage):
        GateFutures().parse_instruments("{}")


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_no_other_error_escapes(numbers: Any) -> None:
    venue = GateFutures(numbers=numbers)
    for text in mangled(DELTA):
        with contextlib.suppress(MalformedMessage):
            parse(text, venue=venue)
    for body in mangled(SNAPSHOT):
        with contextlib.suppress(MalformedMessage):
            venue.parse_snapshot(body, "RDNT_USDT", 100)


def test_the_same_frames_give_the_same_messages() -> None:
    venue = GateFutures()
    assert parse(DELTA, DELTA, venue=venue) == parse(DELTA, DELTA, venue=venue)


# -- recorded frames -----------------------------------------------------------------


@needs_captures
@pytest.mark.parametrize("truncate", ["yes", "no"])
def test_capture_ends_in_the_books_of_the_oracle(truncate: str) -> None:
    options = {"truncate": truncate}
    books = captures.replay_naively(CAPTURE, "gate_futures", options=options)
    expected = captures.oracle(CAPTURE)["instruments"]
    assert {symbol: book.digest() for symbol, book in books.items()} == {
        symbol: known["full_sha256"] for symbol, known in expected.items()
    }
    assert [book.gaps for book in books.values()] == [[]] * 5


@needs_captures
def test_capture_agrees_with_the_ticker_of_the_same_sequence() -> None:
    venue = GateFutures()
    session = venue.session()
    books: dict[str, NaiveBook] = {}
    rows = {row["record"]: row for row in captures.bbo(CAPTURE)}
    deltas = 0
    for number, record in enumerate(captures.records(CAPTURE)):
        if record["ch"] == "http":
            symbol = venue.snapshot_symbol(record["url"])
            assert symbol is not None
            snapshot = venue.parse_snapshot(record["raw"], symbol, 100)
            books.setdefault(symbol, NaiveBook()).load(snapshot)
        elif record["dir"] == "in":
            for message in venue.parse(record["raw"], session):
                assert isinstance(message, Delta)
                books.setdefault(message.symbol, NaiveBook()).take(message)
                deltas += 1
        if number in rows:
            row = rows[number]
            book = books[row["instrument"]]
            bid, ask = max(book.sides["b"]), min(book.sides["a"])
            assert book.sequence == row["u"]
            assert (bid, ask) == (Decimal(row["bid"]), Decimal(row["ask"]))
            assert book.sides["b"][bid] == Decimal(row["bid_qty"])
            assert book.sides["a"][ask] == Decimal(row["ask_qty"])
    assert (len(rows), deltas) == (189, 210)


@needs_captures
def test_capture_decodes_as_floats() -> None:
    exact = captures.replay_naively(CAPTURE, "gate_futures")
    fast = captures.replay_naively(CAPTURE, "gate_futures", numbers=float)
    for symbol, book in exact.items():
        for side, levels in book.sides.items():
            rounded = {float(price): float(size) for price, size in levels.items()}
            found = fast[symbol].sides[side]
            assert {float(p): float(s) for p, s in found.items()} == rounded


@needs_captures
def test_capture_lists_its_instruments() -> None:
    listed = captures.instruments(CAPTURE, GateFutures())
    assert len(listed) == 5
    assert listed["LIT_USDT"].price_step == Decimal("0.0001")
    assert listed["LIT_USDT"].extra == {"multiplier": Decimal(1)}
