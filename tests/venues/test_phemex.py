"""
Phemex against its sheet and recorded frames.

SHEET frames restate phemex-docs.github.io and the probe of 2026-09-23 in
nemanull/arbitrage-observatory, shortened; RECORDED ones are of cryptofeed's sample of
2021-07-03, shortened. Read 2026-11.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Delta, Rejected, Snapshot, Subscribed, Unsubscribed
from booksync.venues import Instrument
from booksync.venues.phemex import Phemex
from tests.captures import (
    NaiveBook,
    instruments,
    needs_captures,
    oracle,
    records,
    replay_naively,
)

CAPTURE = "phemex_20210703_a"
SHEET_SNAPSHOT = (
    '{"depth":30,"orderbook_p":{"asks":[["2763.87","0.06"],["2764.45","0.04"]],'
    '"bids":[["2763.86","32.22"],["2763.83","0.04"]]},"sequence":68604886383,'
    '"symbol":"ETHUSDT","timestamp":1790133513660305085,"dts":1790133513685489850,'
    '"mts":1790133513662974773,"type":"snapshot"}'
)
RECORDED_SNAPSHOT = (
    '{"book":{"asks":[[329915000,1559],[329970000,2184]],"bids":[[329360000,5488]]},'
    '"depth":30,"sequence":17652788970,"symbol":"YFIUSD",'
    '"timestamp":1625342241885000000,"type":"snapshot"}'
)
SCALES = {
    "YFIUSD": Instrument(symbol="YFIUSD", extra={"price_scale": 4, "size_scale": 0}),
    "sLINKUSDT": Instrument(
        symbol="sLINKUSDT", extra={"price_scale": 8, "size_scale": 8}
    ),
    "ETHUSDT": Instrument(symbol="ETHUSDT"),
}
PRODUCTS = json.dumps(
    {
        "code": 0,
        "data": {
            "products": [
                {
                    "symbol": "BTCUSD",
                    "type": "Perpetual",
                    "tickSize": 0.5,
                    "lotSize": 1,
                    "priceScale": 4,
                    "status": "Listed",
                },
                {
                    "symbol": "sLINKUSDT",
                    "type": "Spot",
                    "baseTickSize": "0.01 LINK",
                    "baseTickSizeEv": 1000000,
                    "quoteTickSize": "0.0001 USDT",
                    "quoteTickSizeEv": 10000,
                    "status": "Delisted",
                },
            ],
            "perpProductsV2": [
                {
                    "symbol": "BTCUSDT",
                    "type": "PerpetualV2",
                    "priceScale": 0,
                    "tickSize": "0.1",
                    "qtyStepSize": "0.001",
                    "status": "Listed",
                }
            ],
        },
    }
)


def delta(number, *, bids=(), asks=(), symbol="ETHUSDT", **more):
    book = {"asks": asks, "bids": bids}
    content = {"depth": 30, "orderbook_p": book, "sequence": number, "symbol": symbol}
    content |= {"timestamp": 1790133513674330491, "type": "incremental", **more}
    return json.dumps(content)


def make(**kwargs):
    return Phemex(instruments=SCALES, **kwargs)


def parse(*frames, venue=None, session=None):
    venue = venue or make()
    session = session or venue.session()
    return [message for raw in frames for message in venue.parse(raw, session)]


def live():
    venue = make()
    session = venue.session()
    venue.parse(SHEET_SNAPSHOT, session)
    return session


def test_snapshot_of_the_sheet():
    assert parse(SHEET_SNAPSHOT) == [
        Snapshot(
            symbol="ETHUSDT",
            sequence=68604886383,
            bids=[("2763.86", "32.22"), ("2763.83", "0.04")],
            asks=[("2763.87", "0.06"), ("2764.45", "0.04")],
            depth=30,
            time=1790133513.660305085,
        )
    ]


def test_recorded_integers_become_prices_by_the_scale_of_the_product():
    (snapshot,) = parse(RECORDED_SNAPSHOT)
    assert snapshot.asks == [
        (Decimal("32991.5"), Decimal(1559)),
        (Decimal(32997), Decimal(2184)),
    ]
    assert snapshot.bids == [(Decimal(32936), Decimal(5488))]


def test_spot_sizes_are_scaled_too():
    raw = RECORDED_SNAPSHOT.replace("YFIUSD", "sLINKUSDT")
    (snapshot,) = parse(raw.replace("[329360000,5488]", "[1869650000,66088000000]"))
    assert snapshot.bids == [(Decimal("18.6965"), Decimal("660.88"))]


def test_floats_are_the_nearest_to_the_exact_price():
    (snapshot,) = parse(RECORDED_SNAPSHOT, venue=make(numbers=float))
    assert snapshot.asks[0] == (32991.5, 1559.0)
    (snapshot,) = parse(SHEET_SNAPSHOT, venue=make(numbers=float))
    assert snapshot.asks[0] == (2763.87, 0.06)


def test_unknown_scale_is_refused_never_guessed():
    with pytest.raises(MalformedMessage, match="scale") as caught:
        parse(RECORDED_SNAPSHOT, venue=Phemex())
    assert caught.value.symbol == "YFIUSD"


def test_integers_stay_as_they_are_where_that_is_asked_for():
    venue = Phemex(options={"scale": "wire"})
    (snapshot,) = parse(RECORDED_SNAPSHOT, venue=venue)
    assert snapshot.bids == [(Decimal(329360000), Decimal(5488))]


def test_deltas_are_chained_in_the_order_they_come():
    first, second = parse(
        delta(68604886390, bids=[["2763.86", "0"]]),
        delta(68604887000, asks=[["2763.87", "1"]]),
        session=live(),
    )
    assert first == Delta(
        "ETHUSDT",
        68604886383,
        68604886390,
        [("2763.86", "0")],
        [],
        1790133513.674330491,
    )
    assert (second.prev, second.last) == (68604886390, 68604887000)


def test_old_delta_is_stale_and_does_not_move_the_chain():
    session = live()
    (old,) = parse(delta(68604886383), session=session)
    assert old.last == 68604886383
    (new,) = parse(delta(68604886384), session=session)
    assert new.prev == 68604886383


def test_periodic_snapshot_replaces_and_may_repeat_the_number():
    session = live()
    parse(delta(68604886390), session=session)
    again = SHEET_SNAPSHOT.replace("68604886383", "68604886390")
    (snapshot,) = parse(again, session=session)
    assert snapshot.sequence == 68604886390
    (new,) = parse(delta(68604886391), session=session)
    assert new.prev == 68604886390


def test_delta_before_the_snapshot_does_not_chain():
    first, second = parse(delta(5, bids=[["1", "2"]]), delta(9))
    assert (first.prev, first.last, first.bids) == (4, 5, [("1", "2")])
    assert (second.prev, second.last) == (8, 9)


def test_frame_that_does_not_say_its_depth_is_a_book_all_the_same():
    (first,) = parse(delta(5, depth=None))
    assert (first.symbol, first.last) == ("ETHUSDT", 5)


def test_full_book_has_no_depth():
    venue = make(options={"full": "yes"})
    (snapshot,) = parse(SHEET_SNAPSHOT.replace(":30,", ":0,", 1), venue=venue)
    assert snapshot.depth is None
    assert venue.keep is None


def test_answers_go_by_the_id_of_their_request():
    venue = make()
    session = venue.session()
    venue.subscribe(["BTCUSDT", "ETHUSDT", "BTCUSD"], session, 0.0)
    second = '{"error":null,"id":2,"result":{"status":"success"}}'
    assert parse(second, venue=venue, session=session) == [Subscribed(("ETHUSDT",))]


def test_product_list_is_needed_before_the_first_frame():
    assert Phemex.needs_instruments


def test_requests_are_those_of_the_sheet():
    venue = make()
    session = venue.session()
    assert venue.subscribe(["BTCUSDT", "BTCUSD", "sBTCUSDT"], session, 0.0) == [
        '{"id":1,"method":"orderbook_p.subscribe","params":["BTCUSDT"]}',
        '{"id":2,"method":"orderbook.subscribe","params":["BTCUSD"]}',
        '{"id":3,"method":"orderbook.subscribe","params":["sBTCUSDT"]}',
    ]
    assert venue.unsubscribe(["BTCUSDT"], session, 0.0) == [
        '{"id":4,"method":"orderbook_p.unsubscribe","params":[]}'
    ]
    assert venue.ping(session, 0.0) == '{"id":0,"method":"server.ping","params":[]}'
    assert venue.keep == 30


@pytest.mark.parametrize(
    ("symbol", "channel"),
    [
        ("u1000PEPEUSDT", "orderbook_p"),
        ("BTCUSDC", "orderbook_p"),
        ("SUIUSDT", "orderbook_p"),
        ("ETHUSD", "orderbook"),
        ("sETHUSDC", "orderbook"),
    ],
)
def test_channel_goes_by_the_spelling(symbol, channel):
    venue = make()
    (raw,) = venue.subscribe([symbol], venue.session(), 0.0)
    assert json.loads(raw)["method"] == f"{channel}.subscribe"


def test_depth_and_full_books_are_asked_for():
    venue = make(depth=10)
    (raw,) = venue.subscribe(["BTCUSDT"], venue.session(), 0.0)
    assert json.loads(raw)["params"] == ["BTCUSDT", False, 10]
    assert venue.keep == 10
    venue = make(options={"full": "yes"})
    (raw,) = venue.subscribe(["BTCUSDT"], venue.session(), 0.0)
    assert json.loads(raw)["params"] == ["BTCUSDT", True]
    with pytest.raises(ConfigurationError):
        make(depth=20)


def test_leaving_one_of_several_symbols_does_not_end_the_others():
    venue = make()
    session = venue.session()
    venue.subscribe(["ETHUSDT", "BTCUSDT", "BTCUSD"], session, 0.0)
    assert venue.unsubscribe(["ETHUSDT"], session, 0.0) == []
    assert parse(SHEET_SNAPSHOT, venue=venue, session=session) == []
    (raw,) = venue.unsubscribe(["BTCUSDT"], session, 0.0)
    assert json.loads(raw)["method"] == "orderbook_p.unsubscribe"
    done = '{"error":null,"id":4,"result":{"status":"success"}}'
    assert parse(done, venue=venue, session=session) == [Unsubscribed(("BTCUSDT",))]
    venue.subscribe(["ETHUSDT"], session, 0.0)
    assert len(parse(SHEET_SNAPSHOT, venue=venue, session=session)) == 1


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"error":null,"id":1,"result":{"status":"success"}}',
            [Subscribed(("ETHUSDT",))],
            id="answer",
        ),
        pytest.param(
            '{"error":{"code":6001,"message":"invalid argument"},"id":1,"result":null}',
            [Rejected(("ETHUSDT",), "invalid argument (code 6001)")],
            id="error",
        ),
        pytest.param(
            '{"error":{"code":6001,"message":"bad"},"id":null,"result":null}',
            [Rejected((), "bad (code 6001)")],
            id="error of nobody",
        ),
        pytest.param(
            '{"error":null,"id":9,"result":{"status":"success"}}', [], id="not ours"
        ),
        pytest.param('{"error":null,"id":0,"result":"pong"}', [], id="pong"),
        pytest.param(
            '{"sequence":5,"symbol":"ETHUSDT","trades_p":[],"type":"snapshot"}',
            [],
            id="another channel",
        ),
        pytest.param('{"tick":{"last":1,"symbol":".BTC"}}', [], id="ticks"),
    ],
)
def test_other_frames(raw, expected):
    venue = make()
    session = venue.session()
    venue.subscribe(["ETHUSDT"], session, 0.0)
    assert parse(raw, venue=venue, session=session) == expected


@pytest.mark.parametrize(
    "raw", ["", "{", "5", "[]", SHEET_SNAPSHOT[:-9], b"\xff", '{"id":"x"}']
)
def test_malformed_frame(raw):
    with pytest.raises(MalformedMessage):
        parse(raw, session=live())


@pytest.mark.parametrize(
    "raw",
    [
        delta(68604886390, type="other"),
        delta(-1),
        delta(None),
        delta("x"),
        delta(68604886390, bids=5),
        delta(68604886390, bids=[["1"]]),
        delta(68604886390, bids=[["1", 2]]),
        delta(68604886390, bids=[["1", "2", "3"]]),
        delta(68604886390, orderbook_p={"bids": []}),
        delta(68604886390, orderbook_p=None),
        delta(68604886390, orderbook_p=None, book={"bids": [[-1, 1]], "asks": []}),
        delta(68604886390, orderbook_p=None, book={"bids": [[1.5, 1]], "asks": []}),
        delta(68604886390, orderbook_p=None, book={"bids": [[2**63, 1]], "asks": []}),
        delta(68604886390, orderbook_p=None, book={"bids": [], "asks": []}),
    ],
)
def test_malformed_book_names_its_symbol_and_can_not_be_passed_over(raw):
    session = live()
    with pytest.raises(MalformedMessage) as caught:
        parse(raw, session=session)
    assert caught.value.symbol == "ETHUSDT"
    book = NaiveBook()
    book.load(parse(SHEET_SNAPSHOT)[0])
    for item in parse(delta(68604886384), delta(68604886385), session=session):
        book.take(item)
    assert len(book.gaps) == 2
    book.load(parse(SHEET_SNAPSHOT, session=session)[0])
    book.take(parse(delta(68604886384), session=session)[0])
    assert len(book.gaps) == 2


def test_malformed_book_before_any_snapshot():
    with pytest.raises(MalformedMessage) as caught:
        parse(delta(5, bids=5))
    assert caught.value.symbol == "ETHUSDT"


@pytest.mark.parametrize("symbol", [7, "ETHUSD!"])
def test_malformed_book_of_nobody_known_may_be_anybodys(symbol):
    session = live()
    with pytest.raises(MalformedMessage):
        parse(delta(68604886390, bids=5, symbol=symbol), session=session)
    (after,) = parse(delta(68604886391), session=session)
    assert after.prev == 68604886391


def test_malformed_symbol_is_not_named():
    with pytest.raises(MalformedMessage) as caught:
        parse(delta(5, symbol=7))
    assert caught.value.symbol is None


def test_same_frames_give_the_same_messages():
    frames = [delta(1), SHEET_SNAPSHOT, delta(68604886390), RECORDED_SNAPSHOT]
    assert parse(*frames) == parse(*frames)
    assert parse(*frames) == parse(*(raw.encode() for raw in frames))


def test_instruments():
    venue = Phemex()
    (request,) = venue.instrument_requests()
    assert request.path == "/public/products"
    coin, spot, linear = venue.parse_instruments(PRODUCTS)
    assert coin == Instrument(
        symbol="BTCUSD",
        price_step=Decimal("0.5"),
        size_step=Decimal(1),
        extra={"price_scale": 4, "size_scale": 0},
    )
    assert spot == Instrument(
        symbol="sLINKUSDT",
        price_step=Decimal("0.0001"),
        size_step=Decimal("0.01"),
        active=False,
        extra={"price_scale": 8, "size_scale": 8},
    )
    assert linear == Instrument(
        symbol="BTCUSDT", price_step=Decimal("0.1"), size_step=Decimal("0.001")
    )


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        '{"data":5}',
        PRODUCTS.replace('"0.0001 USDT"', '"x"'),
        PRODUCTS.replace('"0.0001 USDT"', '"0 USDT"'),
        PRODUCTS.replace('"0.01 LINK"', '"NaN LINK"'),
    ],
)
def test_malformed_instruments(body):
    with pytest.raises(MalformedMessage):
        Phemex().parse_instruments(body)


@needs_captures
def test_final_books_of_the_capture_as_integers():
    """The oracle's books are the venue's integers."""
    books = replay_naively(CAPTURE, "phemex", options={"scale": "wire"})
    expected = oracle(CAPTURE)["instruments"]
    assert len(books) == len(expected) == 5
    for symbol, book in books.items():
        assert book.digest() == expected[symbol]["full_sha256"], symbol
        assert book.gaps == []
        assert str(book.sequence) == expected[symbol]["last_seq"]
        assert book.applied == expected[symbol]["deltas"]
    assert sum(book.applied for book in books.values()) == 586


@needs_captures
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_final_books_of_the_capture_in_units(numbers):
    """The same books, scaled by what the recorded product list says."""
    scales = dict.fromkeys(("ATOMUSD", "XMRUSD", "YFIUSD"), (4, 0))
    scales |= dict.fromkeys(("sENJUSDT", "sLINKUSDT"), (8, 8))
    raw = replay_naively(CAPTURE, "phemex", options={"scale": "wire"})
    books = replay_naively(CAPTURE, "phemex", numbers=numbers)
    assert set(books) == set(scales)
    for symbol, book in books.items():
        price_scale, size_scale = scales[symbol]
        for side in "ba":
            wanted = {
                numbers(price.scaleb(-price_scale)): numbers(size.scaleb(-size_scale))
                for price, size in raw[symbol].sides[side].items()
            }
            found = {
                numbers(price): numbers(size)
                for price, size in book.sides[side].items()
            }
            assert found == wanted
    assert max(books["ATOMUSD"].sides["b"]) == numbers("11.915")
    assert max(books["sLINKUSDT"].sides["b"]) == numbers("18.6965")


@needs_captures
def test_periodic_snapshot_of_the_capture_equals_the_book():
    venue = Phemex(options={"scale": "wire"})
    session = venue.session()
    books: dict[str, NaiveBook] = {}
    compared = 0
    for record in records(CAPTURE):
        if record["dir"] == "out":
            continue
        for message in venue.parse(record["raw"], session):
            assert isinstance(message, Snapshot | Delta)
            book = books.setdefault(message.symbol, NaiveBook())
            if isinstance(message, Delta):
                book.take(message)
                book.cut(30)
                continue
            before, at = book.digest(), book.sequence
            book.load(message)
            if at is not None:
                compared += 1
                assert book.digest() == before
    assert compared == 1


@needs_captures
def test_instruments_of_the_capture():
    found = instruments(CAPTURE, Phemex())
    assert set(oracle(CAPTURE)["instruments"]) == set(found)
    assert found["YFIUSD"].extra == {"price_scale": 4, "size_scale": 0}
    assert found["YFIUSD"].price_step == Decimal("0.5")
    assert found["sENJUSDT"].extra == {"price_scale": 8, "size_scale": 8}
    assert found["sENJUSDT"].price_step == Decimal("0.00001")


@pytest.mark.parametrize("scale", [19, -19, 10**9])
def test_scales_beyond_reason_are_malformed(scale):
    listing = {"data": {"products": [{"symbol": "BTCUSD", "priceScale": scale}]}}
    with pytest.raises(MalformedMessage, match="BTCUSD: scales"):
        Phemex().parse_instruments(json.dumps(listing))
