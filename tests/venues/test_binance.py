"""
Binance spot, and what the whole family shares.

Frames are those of the venue sheet (recorded where it says so), with the page that
documents them and the date that it was read. Spot pages are files of
https://github.com/binance/binance-spot-api-docs @a5e0bc3.
"""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import (
    ConfigurationError,
    MalformedMessage,
    SubscriptionRejected,
)
from booksync.messages import (
    Closing,
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import (
    Assurance,
    Instrument,
    Lists,
    Numbering,
    Request,
    Resync,
    Source,
)
from booksync.venues.binance import Binance, BinanceUS
from booksync.venues.binance_futures import BinanceCoinM, BinanceUsdM
from tests.captures import NaiveBook, instruments, needs_captures, oracle
from tests.captures import replay_naively as replay
from tests.venues.mangle import cut, mangled

SPOT = (Binance, BinanceUS)
FUTURES = (BinanceUsdM, BinanceCoinM)
FAMILY = (*SPOT, *FUTURES)

# https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md#diff-depth-stream
# (2026-07-21); recorded 2021-10-12
DELTA = (
    '{"stream":"nknusdt@depth@100ms","data":{"e":"depthUpdate","E":1633998512068,'
    '"s":"NKNUSDT","U":499869750,"u":499869752,'
    '"b":[["0.35130000","6195.00000000"],["0.34750000","5548.00000000"]],"a":[]}}'
)
# https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#order-book
# (2026-07-21); recorded 2021-10-12
SNAPSHOT = (
    '{"lastUpdateId":499869752,"bids":[["0.35210000","672.00000000"],'
    '["0.35200000","1144.00000000"]],"asks":[["0.35250000","3959.00000000"],'
    '["0.35260000","3199.00000000"]]}'
)
# https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md#live-subscribingunsubscribing-to-streams
# (2026-07-21)
ACK = '{"result":null,"id":1}'
LISTED = '{"result":["btcusdt@depth@100ms"],"id":3}'
ERROR = '{"code":2,"msg":"Invalid request: unknown variant","id":1}'
# Unconfirmed: no page that we could read shows it (2026-11); taken in case
NESTED_ERROR = '{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":1}'
# https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md#general-wss-information
# (2026-07-21)
SHUTDOWN = '{"e":"serverShutdown","E":1770123456789}'
COMBINED_SHUTDOWN = f'{{"stream":"!serverShutdown","data":{SHUTDOWN}}}'
# https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#exchange-information
# (2026-07-21), what we read of it
LISTING: dict[str, Any] = {
    "timezone": "UTC",
    "symbols": [
        {
            "symbol": "ETHBTC",
            "status": "TRADING",
            "pricePrecision": 1,
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.00001000"},
                {"filterType": "LOT_SIZE", "stepSize": "0.00010000"},
                {"filterType": "ICEBERG_PARTS", "limit": 10},
            ],
        }
    ],
}


def parse(*frames: str | bytes, venue: Binance | None = None) -> list[Message]:
    """What the frames mean on a fresh connection."""
    venue = venue or Binance()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def after_subscribing(
    *frames: str, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
) -> list[Message]:
    """What the frames mean where request 1 subscribed and 2 unsubscribed."""
    venue = Binance()
    session = venue.session()
    venue.subscribe(symbols, session, 0.0)
    venue.unsubscribe(symbols[:1], session, 0.0)
    return [message for text in frames for message in venue.parse(text, session)]


def spot(first: Any, last: Any, symbol: str = "BTCUSDT", **fields: Any) -> str:
    """A delta as spot sends it, as deep as a test wants it."""
    data = {"e": "depthUpdate", "s": symbol, "U": first, "u": last, "b": [], "a": []}
    stream = f"{symbol.lower()}@depth@100ms"
    return json.dumps({"stream": stream, "data": {**data, **fields}})


# -- deltas ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SPOT)
def test_delta_carries_its_range(kind: type[Binance]) -> None:
    assert parse(DELTA, venue=kind()) == [
        Delta(
            "NKNUSDT",
            499869749,
            499869752,
            [("0.35130000", "6195.00000000"), ("0.34750000", "5548.00000000")],
            [],
            time=1633998512.068,
        )
    ]


def test_frame_may_be_bytes() -> None:
    assert parse(DELTA.encode()) == parse(DELTA)


def test_raw_stream_means_the_same_as_a_combined_one() -> None:
    assert parse(json.dumps(json.loads(DELTA)["data"])) == parse(DELTA)


def test_delta_without_a_time_has_none() -> None:
    (message,) = parse(spot(1, 2))
    assert message == Delta("BTCUSDT", 0, 2, [], [], time=None)


def test_unknown_keys_are_ignored() -> None:
    assert parse(spot(7, 9, ps="BTC", st=1, new={"a": [1]})) == parse(spot(7, 9))


@pytest.mark.parametrize("kind", FAMILY)
def test_floats_are_the_decimals_rounded(kind: type[Binance]) -> None:
    levels = [["0.1", "0.30000000"], ["61773.6", "0.00000000"]]
    frame = spot(5, 6, b=levels, a=levels[:1], pu=4)
    (exact,) = parse(frame, venue=kind())
    (fast,) = parse(frame, venue=kind(numbers=float))
    assert isinstance(exact, Delta)
    assert isinstance(fast, Delta)
    assert exact.bids == [tuple(level) for level in levels]  # the text, untouched
    assert fast.bids == [(float(p), float(s)) for p, s in levels]
    assert fast.asks == [(0.1, 0.3)]
    assert (exact.prev, exact.last) == (fast.prev, fast.last)


def test_symbol_may_be_of_any_script() -> None:
    """Binance lists markets with Chinese names since 2025."""
    venue = Binance()
    symbol = venue.prepare("币安人生usdt")
    (frame,) = venue.subscribe([symbol], venue.session(), 0.0)
    assert json.loads(frame)["params"] == ["币安人生usdt@depth@100ms"]
    (message,) = parse(spot(1, 1, symbol))
    assert message == Delta("币安人生USDT", 0, 1, [], [])


@pytest.mark.parametrize(
    ("frame", "symbol"),
    [
        pytest.param(spot(3, 2), "BTCUSDT", id="backwards"),
        pytest.param(spot(0, 2), "BTCUSDT", id="from zero"),
        pytest.param(spot(-1, 2), "BTCUSDT", id="from below zero"),
        pytest.param(spot(1, 2**63), "BTCUSDT", id="a number too large"),
        pytest.param(spot(1.5, 2), "BTCUSDT", id="no whole number"),
        pytest.param(spot(1, 2, E=-1), "BTCUSDT", id="a time before 1970"),
        pytest.param(spot(1, 2, b=None), "BTCUSDT", id="no bids"),
        pytest.param(spot(1, 2, a={}), "BTCUSDT", id="asks are no list"),
        pytest.param(spot(1, 2, b=[["1"]]), "BTCUSDT", id="half a level"),
        pytest.param(spot(1, 2, b=[["1", "2", "3"]]), "BTCUSDT", id="one and a half"),
        pytest.param(spot(1, 2, a=[["1", None]]), "BTCUSDT", id="no size"),
        pytest.param(spot(1, 2, a=[[1, True]]), "BTCUSDT", id="size is a truth"),
        pytest.param(
            DELTA.replace('"U":499869750,', ""), "NKNUSDT", id="says not from where"
        ),
        pytest.param(
            DELTA.replace('"u":499869752,', ""), "NKNUSDT", id="says not how far"
        ),
        pytest.param(
            DELTA.replace('"s":"NKNUSDT",', ""), "NKNUSDT", id="says not whose"
        ),
        pytest.param(
            '{"e":"depthUpdate","s":"BTCUSDT","U":1}', "BTCUSDT", id="raw, cut short"
        ),
        pytest.param(
            '{"stream":"btcusdt@depth@100ms","data":{}}', "BTCUSDT", id="no data"
        ),
        pytest.param(DELTA.replace("nkn", "btc"), None, id="another's stream"),
        pytest.param(
            DELTA.replace('"NKNUSDT"', '"nknusdt"'), None, id="symbol in lower case"
        ),
        pytest.param(DELTA.replace("@depth", "@trade"), None, id="stream of trades"),
        pytest.param(
            DELTA.replace("@depth@100ms", "@rpiDepth@500ms"), None, id="another book"
        ),
        pytest.param("", None, id="empty"),
        pytest.param("{}", None, id="says nothing"),
        pytest.param("[]", None, id="no object"),
        pytest.param("null", None, id="null"),
        pytest.param(b"\xff\xfe", None, id="no text"),
        pytest.param("[" * 100_000, None, id="too deep"),
        pytest.param(DELTA + DELTA, None, id="two frames"),
        pytest.param('{"result":null,"id":null}', None, id="answer to nobody"),
        pytest.param('{"result":null,"id":true}', None, id="id is a truth"),
        pytest.param('{"stream":"btcusdt@depth@100ms"}', None, id="stream alone"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_malformed_frames_raise_one_error(
    frame: str | bytes, symbol: str | None, numbers: type
) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(frame, venue=Binance(numbers=numbers))
    assert caught.value.symbol == symbol


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_every_cut_frame_is_malformed(numbers: type) -> None:
    venue = Binance(numbers=numbers)
    for text in (*cut(DELTA), *cut(ACK), *cut(ERROR), *cut(COMBINED_SHUTDOWN)):
        with pytest.raises(MalformedMessage):
            parse(text, venue=venue)


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_mangled_frames_are_malformed_or_fit_to_apply(
    kind: type[Binance], numbers: type
) -> None:
    """Nothing else escapes, and what is taken has its numbers in order."""
    venue = kind(numbers=numbers)
    delta = spot(5, 9, "NKNUSDT", pu=4, E=1633998512068, b=[["1", "2"]])
    refused = taken = 0
    for text in (
        *mangled(delta),
        *mangled(json.dumps(json.loads(delta)["data"])),
        *mangled(ACK),
        *mangled(ERROR),
        *mangled(NESTED_ERROR),
        *mangled(COMBINED_SHUTDOWN),
    ):
        try:
            messages = parse(text, venue=venue)
        except MalformedMessage:
            refused += 1
            continue
        for message in messages:
            if isinstance(message, Delta):
                taken += 1
                assert message.symbol in {"NKNUSDT", "x", "NaN", ""}
                assert 0 <= message.prev < message.last <= 2**62
                assert all(len(level) == 2 for level in message.bids)
    assert refused > 100
    assert taken > 10


def test_broken_frame_leaves_the_connection_as_it_was() -> None:
    venue = Binance()
    session = venue.session()
    venue.subscribe(["NKNUSDT"], session, 0.0)
    for text in ("{}", DELTA[:-9], DELTA.replace("nkn", "btc")):
        with pytest.raises(MalformedMessage):
            venue.parse(text, session)
    assert list(venue.parse(DELTA, session)) == parse(DELTA)
    with pytest.raises(MalformedMessage):  # still no friend of the stream's
        venue.parse(DELTA.replace('"NKNUSDT"', '"BTCUSDT"'), session)
    assert list(venue.parse(ACK, session)) == [Subscribed(("NKNUSDT",))]


# -- what else arrives -----------------------------------------------------------------


@pytest.mark.parametrize("text", [SHUTDOWN, COMBINED_SHUTDOWN])
def test_notice_of_shutdown_closes_the_connection(text: str) -> None:
    assert parse(text) == [Closing("serverShutdown")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT",'
            '"p":"0.001","q":"100"}}',
            id="trade",
        ),
        pytest.param(
            '{"stream":"btcusdt@bookTicker","data":{"u":400900217,"s":"BTCUSDT",'
            '"b":"25.35190000","B":"31.21","a":"25.36520000","A":"40.66"}}',
            id="best price",
        ),
        pytest.param(
            '{"stream":"btcusdt@kline_1m","data":{"e":"kline","s":"BTCUSDT","k":{}}}',
            id="candle",
        ),
        pytest.param('{"e":"trade","s":"BTCUSDT","p":"0.001"}', id="raw"),
        pytest.param(LISTED, id="list of subscriptions"),
        pytest.param('{"result":null,"id":"theirs"}', id="answer to another"),
    ],
)
def test_other_streams_and_answers_are_ignored(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize("kind", FAMILY)
def test_stream_of_all_markets_is_ignored(kind: type[Binance]) -> None:
    text = '{"stream":"!miniTicker@arr","data":[{"e":"24hrMiniTicker","s":"A"}]}'
    assert parse(text, venue=kind()) == []


# -- subscriptions ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "speed", "stream"),
    [
        pytest.param(Binance, None, "btcusdt@depth@100ms", id="spot"),
        pytest.param(Binance, "1000ms", "btcusdt@depth", id="spot, slow"),
        pytest.param(BinanceUS, None, "btcusdt@depth@100ms", id="US"),
        pytest.param(BinanceUS, "1000ms", "btcusdt@depth", id="US, slow"),
        pytest.param(BinanceUsdM, None, "btcusdt@depth@100ms", id="USD-M"),
        pytest.param(BinanceUsdM, "250ms", "btcusdt@depth", id="USD-M, 250 ms"),
        pytest.param(BinanceUsdM, "500ms", "btcusdt@depth@500ms", id="USD-M, slow"),
        pytest.param(BinanceCoinM, None, "btcusdt@depth@100ms", id="COIN-M"),
        pytest.param(BinanceCoinM, "250ms", "btcusdt@depth", id="COIN-M, 250 ms"),
        pytest.param(BinanceCoinM, "500ms", "btcusdt@depth@500ms", id="COIN-M, slow"),
    ],
)
def test_subscriptions_are_as_documented(
    kind: type[Binance], speed: str | None, stream: str
) -> None:
    venue = kind(options={} if speed is None else {"speed": speed})
    session = venue.session()
    assert venue.subscribe(["BTCUSDT"], session, 0.0) == [
        f'{{"method":"SUBSCRIBE","params":["{stream}"],"id":1}}'
    ]
    assert venue.unsubscribe(["BTCUSDT"], session, 0.0) == [
        f'{{"method":"UNSUBSCRIBE","params":["{stream}"],"id":2}}'
    ]
    data = '{"e":"depthUpdate","s":"BTCUSDT","U":2,"u":3,"pu":1,"b":[],"a":[]}'
    (message,) = venue.parse(f'{{"stream":"{stream}","data":{data}}}', session)
    assert message == Delta("BTCUSDT", 1, 3, [], [])


def test_several_symbols_share_a_frame() -> None:
    venue = Binance()
    assert venue.subscribe(["BTCUSDT", "ETHUSDT"], venue.session(), 0.0) == [
        (
            '{"method":"SUBSCRIBE",'
            '"params":["btcusdt@depth@100ms","ethusdt@depth@100ms"],"id":1}'
        )
    ]


def test_no_symbols_need_no_frame() -> None:
    venue = Binance()
    assert venue.subscribe([], venue.session(), 0.0) == []


@pytest.mark.parametrize("kind", FAMILY)
def test_many_symbols_are_split_over_frames_with_ids_of_their_own(
    kind: type[Binance],
) -> None:
    venue = kind()
    session = venue.session()
    symbols = [f"A{n}USDT" for n in range(venue.limits.symbols + 1)]
    frames = [json.loads(text) for text in venue.subscribe(symbols, session, 0.0)]
    assert [len(frame["params"]) for frame in frames] == [100, 100, 1]
    assert [frame["id"] for frame in frames] == [1, 2, 3]
    names = [name for frame in frames for name in frame["params"]]
    assert names == [f"{symbol.lower()}@depth@100ms" for symbol in symbols]
    done: list[str] = []
    for number in (1, 2, 3):
        (message,) = venue.parse(f'{{"result":null,"id":{number}}}', session)
        assert isinstance(message, Subscribed)
        done += message.symbols
    assert done == symbols


def test_a_refused_end_rejects_nobody() -> None:
    text = '{"error":{"code":1,"msg":"Invalid value type"},"id":2}'
    assert after_subscribing(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(ACK, Subscribed(("BTCUSDT", "ETHUSDT")), id="subscribed"),
        pytest.param(
            '{"result":null,"id":2}', Unsubscribed(("BTCUSDT",)), id="unsubscribed"
        ),
        pytest.param(
            ERROR,
            Rejected(
                ("BTCUSDT", "ETHUSDT"), "Invalid request: unknown variant (code 2)"
            ),
            id="refused",
        ),
        pytest.param(
            NESTED_ERROR,
            Rejected(
                ("BTCUSDT", "ETHUSDT"), "Invalid request: unknown variant (code 2)"
            ),
            id="refused, the other shape",
        ),
        pytest.param(
            '{"code":3,"msg":"Invalid JSON: expected value"}',
            Rejected((), "Invalid JSON: expected value (code 3)"),
            id="nobody's",
        ),
        pytest.param(
            '{"error":{"code":0,"msg":"Unknown property"},"id":"theirs"}',
            Rejected((), "Unknown property (code 0)"),
            id="another's",
        ),
        pytest.param(
            '{"code":2,"msg":"Invalid request: duplicate id","id":7}',
            Rejected((), "Invalid request: duplicate id (code 2)"),
            id="of a request that was never made",
        ),
    ],
)
def test_answers_are_for_the_symbols_of_their_request(
    text: str, message: Message
) -> None:
    assert after_subscribing(text) == [message]


def test_answer_on_another_connection_confirms_nothing() -> None:
    venue = Binance()
    venue.subscribe(["BTCUSDT"], venue.session(), 0.0)
    assert list(venue.parse(ACK, venue.session())) == []


@pytest.mark.parametrize("kind", FAMILY)
def test_fresh_sessions_give_the_same_messages(kind: type[Binance]) -> None:
    frames = [spot(n, n, pu=n - 1) for n in range(1, 9)]
    frames += [ACK, ERROR, SHUTDOWN, spot(1, 1, "ETHUSDT", pu=0)]
    venue = kind()

    def heard() -> list[Message]:
        session = venue.session()
        venue.subscribe(["BTCUSDT"], session, 0.0)
        return [message for text in frames for message in venue.parse(text, session)]

    first = heard()
    assert len(first) == 12
    assert heard() == first


# -- snapshots -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "path", "weights"),
    [
        pytest.param(
            Binance, "/api/v3", {100: 5, 500: 25, 1000: 50, 5000: 250}, id="spot"
        ),
        pytest.param(
            BinanceUS, "/api/v3", {100: 1, 500: 5, 1000: 10, 5000: 50}, id="US"
        ),
        pytest.param(
            BinanceUsdM,
            "/fapi/v1",
            {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20},
            id="USD-M",
        ),
        pytest.param(
            BinanceCoinM,
            "/dapi/v1",
            {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20},
            id="COIN-M",
        ),
    ],
)
def test_snapshot_request_has_the_weight_of_its_depth(
    kind: type[Binance], path: str, weights: dict[int, int]
) -> None:
    assert tuple(weights) == kind.DEPTHS
    for depth, weight in weights.items():
        assert kind(depth=depth).snapshot_request("BTCUSDT") == Request(
            path=f"{path}/depth",
            params={"symbol": "BTCUSDT", "limit": str(depth)},
            weight=weight,
        )
        assert weight <= kind.limits.weight
    assert kind().snapshot_request("X") == kind(depth=1000).snapshot_request("X")


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize("depth", [0, -1, 7, 10_000])
def test_depth_that_has_no_weight_is_refused(kind: type[Binance], depth: int) -> None:
    with pytest.raises(ConfigurationError, match="choose one of"):
        kind(depth=depth)


def test_snapshot_keeps_the_text_of_its_numbers() -> None:
    assert Binance().parse_snapshot(SNAPSHOT, "NKNUSDT", 500) == Snapshot(
        "NKNUSDT",
        499869752,
        [("0.35210000", "672.00000000"), ("0.35200000", "1144.00000000")],
        [("0.35250000", "3959.00000000"), ("0.35260000", "3199.00000000")],
        depth=500,
        time=None,
    )


def test_snapshot_in_floats_is_the_snapshot_rounded() -> None:
    exact = Binance().parse_snapshot(SNAPSHOT.encode(), "NKNUSDT", None)
    fast = Binance(numbers=float).parse_snapshot(SNAPSHOT.encode(), "NKNUSDT", None)
    assert fast.bids == [(float(p), float(s)) for p, s in exact.bids]
    assert fast.asks == [(0.3525, 3959.0), (0.3526, 3199.0)]
    assert (fast.sequence, fast.depth) == (exact.sequence, None)


def test_empty_book_is_a_snapshot() -> None:
    found = Binance().parse_snapshot('{"lastUpdateId":5,"bids":[],"asks":[]}', "A", 100)
    assert found == Snapshot("A", 5, [], [], depth=100)


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param(-1121, "Invalid symbol.", id="-1121"),
        pytest.param(-1122, "Invalid symbolStatus.", id="-1122"),
        pytest.param(-1220, "symbolStatus does not match.", id="-1220"),
    ],
)
def test_unknown_symbol_is_an_error_for_the_caller(
    kind: type[Binance], code: int, reason: str
) -> None:
    body = json.dumps({"code": code, "msg": reason})
    with pytest.raises(SubscriptionRejected) as caught:
        kind().parse_snapshot(body, "NOSUCH", 100)
    assert caught.value.symbol == "NOSUCH"
    assert caught.value.reason == f"{reason} (code {code})"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="empty"),
        pytest.param("<html>502 Bad Gateway</html>", id="no json"),
        pytest.param("[]", id="no object"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(
            '{"code":-1003,"msg":"Way too much request weight used"}', id="too many"
        ),
        pytest.param('{"code":"-1121","msg":5}', id="a problem with a problem"),
        pytest.param(SNAPSHOT.replace("499869752", '"x"'), id="id is no number"),
        pytest.param(SNAPSHOT.replace("499869752", "-1"), id="id < 0"),
        pytest.param(SNAPSHOT.replace("499869752", "1e300"), id="id too large"),
        pytest.param(SNAPSHOT.replace('"lastUpdateId":499869752,', ""), id="no id"),
        pytest.param(SNAPSHOT.replace('"bids"', '"b"'), id="no bids"),
        pytest.param(SNAPSHOT.replace('"672.00000000"', "null"), id="no size"),
        pytest.param(SNAPSHOT.replace(',"672.00000000"', ""), id="half a level"),
        pytest.param(SNAPSHOT.replace('"0.35210000"', "{}"), id="price is no text"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_malformed_snapshots_raise_one_error(body: str | bytes, numbers: type) -> None:
    with pytest.raises(MalformedMessage) as caught:
        Binance(numbers=numbers).parse_snapshot(body, "NKNUSDT", 1000)
    assert caught.value.symbol == "NKNUSDT"


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_cut_and_mangled_snapshots_raise_nothing_else(numbers: type) -> None:
    venue = Binance(numbers=numbers)
    for body in cut(SNAPSHOT):
        with pytest.raises(MalformedMessage):
            venue.parse_snapshot(body, "NKNUSDT", 1000)
    for body in mangled(SNAPSHOT):
        with contextlib.suppress(MalformedMessage):
            assert venue.parse_snapshot(body, "NKNUSDT", 1000).sequence >= 0


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize(
    ("url", "symbol", "depth"),
    [
        ("https://api.binance.com/api/v3/depth?symbol=A&limit=500", "A", 500),
        ("https://www.binance.com/api/v1/depth?symbol=A&limit=5000", "A", 5000),
        ("http://127.0.0.1:8080/dapi/v1/depth?limit=5&symbol=BTCUSD_PERP",
         "BTCUSD_PERP", 5),
        ("https://elsewhere/fapi/v1/depth?symbol=A", "A", 1000),
        ("https://elsewhere/depth?symbol=%E5%B8%81USDT&limit=x", "币USDT", 1000),
        ("https://api.binance.com/api/v3/depth", None, 1000),
        ("https://api.binance.com/api/v3/depth?symbol=", None, 1000),
        ("https://fapi.binance.com/fapi/v1/rpiDepth?symbol=A", None, 1000),
        ("https://api.binance.com/api/v3/exchangeInfo?symbol=A", None, 1000),
        ("https://depth/api/v3/ticker?symbol=A&path=/depth", None, 1000),
    ],
)  # fmt: skip
def test_snapshot_is_known_by_path_and_query(
    kind: type[Binance], url: str, symbol: str | None, depth: int
) -> None:
    assert kind().snapshot_symbol(url) == symbol
    assert kind().snapshot_depth(url) == depth


def test_url_that_is_silent_about_depth_means_what_was_chosen() -> None:
    assert Binance(depth=100).snapshot_depth("https://x/depth?symbol=A") == 100


# -- venues/README.md, Appendix B ------------------------------------------------------


@pytest.mark.parametrize("kind", SPOT)
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
    kind: type[Binance],
    deltas: list[tuple[int, int]],
    sequence: int,
    applied: int,
    gaps: list[tuple[int, int]],
) -> None:
    book, venue = NaiveBook(), kind()
    body = '{"lastUpdateId":100,"bids":[],"asks":[]}'
    book.load(venue.parse_snapshot(body, "BTCUSDT", 1000))
    for message in parse(*(spot(*pair) for pair in deltas), venue=venue):
        book.take(message)
    assert (book.sequence, book.applied, book.gaps) == (sequence, applied, gaps)


# -- the venue itself ------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAMILY)
def test_symbols_are_upper_case(kind: type[Binance]) -> None:
    assert kind.prepare("btcUsd_perp") == "BTCUSD_PERP"
    for impossible in ("", "BTC USDT", "BTC\nUSDT", "A" * 65):
        with pytest.raises(ConfigurationError, match="not a symbol"):
            kind.prepare(impossible)


@pytest.mark.parametrize(
    ("kind", "ws", "rest"),
    [
        (Binance, "wss://stream.binance.com:9443/stream", "https://api.binance.com"),
        (BinanceUS, "wss://stream.binance.us:9443/stream", "https://api.binance.us"),
        (
            BinanceUsdM,
            "wss://fstream.binance.com/public/stream",
            "https://fapi.binance.com",
        ),
        (BinanceCoinM, "wss://dstream.binance.com/stream", "https://dapi.binance.com"),
    ],
)
def test_urls(kind: type[Binance], ws: str, rest: str) -> None:
    venue = kind()
    assert venue.stream_url(venue.WS_URL) == ws
    path = ws.partition("//")[2].partition("/")[2]
    assert venue.stream_url("ws://127.0.0.1:9") == f"ws://127.0.0.1:9/{path}"
    assert rest == venue.REST_URL
    assert venue.handshake() is None
    assert venue.greet(venue.session(), 0.0) == []


@pytest.mark.parametrize("kind", FAMILY)
def test_facts_and_limits_stay_below_the_documented_ones(kind: type[Binance]) -> None:
    facts, limits = kind.facts, kind.limits
    assert facts.source is Source.REST
    assert facts.numbering is Numbering.SYMBOL
    assert facts.lists is Lists.UNKNOWN  # so a straddling join says that it is one
    assert facts.resync is Resync.FETCH
    assert facts.checksum is None
    assert facts.acks
    assert facts.levels is None
    assert facts.unverified
    assert facts.url.startswith("https://")
    assert limits.symbols <= 200  # of 1,024; older texts of the futures say 200
    assert limits.lifetime == 24 * 3600
    assert limits.connects / limits.connects_window <= 1
    assert limits.used_weight_header == "x-mbx-used-weight-1m"
    assert limits.weight_window == 60
    assert kind.heartbeat.interval is None  # only protocol pings
    assert not kind.needs_instruments


@pytest.mark.parametrize(
    ("kind", "assurance", "messages", "weight"),
    [
        (Binance, Assurance.RANGED, 5, 6_000),
        (BinanceUS, Assurance.RANGED, 5, 1_200),
        (BinanceUsdM, Assurance.CHAINED, 10, 2_400),
        (BinanceCoinM, Assurance.CHAINED, 10, 2_400),
    ],
)
def test_each_has_its_own_limits(
    kind: type[Binance], assurance: Assurance, messages: int, weight: int
) -> None:
    assert kind.facts.assurance is assurance
    assert kind.limits.messages < messages  # pongs count, too
    assert kind.limits.weight == weight


@pytest.mark.parametrize("kind", FAMILY)
def test_unknown_options_are_refused(kind: type[Binance]) -> None:
    with pytest.raises(ConfigurationError, match="speed must be one of"):
        kind(options={"speed": "0ms"})
    with pytest.raises(ConfigurationError, match="no option 'channel'"):
        kind(options={"channel": "depth"})


# -- instruments -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "path", "status"),
    [
        (Binance, "/api/v3/exchangeInfo", "status"),
        (BinanceUS, "/api/v3/exchangeInfo", "status"),
        (BinanceUsdM, "/fapi/v1/exchangeInfo", "status"),
        (BinanceCoinM, "/dapi/v1/exchangeInfo", "contractStatus"),
    ],
)
def test_instruments_have_steps_and_a_state(
    kind: type[Binance], path: str, status: str
) -> None:
    venue = kind()
    assert [request.path for request in venue.instrument_requests()] == [path]
    (entry,) = LISTING["symbols"]
    entry = {key: value for key, value in entry.items() if key != "status"}
    states = ("TRADING", "HALT", "BREAK", "CANCEL_ONLY", "PENDING_TRADING")
    body = json.dumps({"symbols": [{**entry, status: state} for state in states]})
    found = venue.parse_instruments(body)
    assert [item.active for item in found] == [True, False, False, False, False]
    assert found[0] == Instrument(
        symbol="ETHBTC", price_step=Decimal("0.00001"), size_step=Decimal("0.0001")
    )
    assert venue.parse_instruments('{"symbols":[]}') == []


@pytest.mark.parametrize("kind", FAMILY)
def test_mangled_instruments_raise_one_error(kind: type[Binance]) -> None:
    venue, body = kind(), json.dumps(LISTING)
    for text in mangled(body):
        with contextlib.suppress(MalformedMessage):
            venue.parse_instruments(text)
    for text in cut(body):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(text)
    for text in (
        "{}",
        '{"code":-1003,"msg":"Too many requests"}',
        body.replace('"PRICE_FILTER"', '"OTHER"'),
        body.replace('"LOT_SIZE"', '"OTHER"'),
        body.replace('"0.00001000"', '"x"'),
        body.replace('"filterType": "ICEBERG_PARTS", ', ""),
    ):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"ETHBTC"', "5", id="symbol is no text"),
        pytest.param('"0.00001000"', '"NaN"', id="step is no number"),
        pytest.param('"0.00001000"', '"Infinity"', id="step is endless"),
    ],
)
def test_impossible_instruments_are_malformed(old: str, new: str) -> None:
    with pytest.raises(MalformedMessage):
        Binance().parse_instruments(json.dumps(LISTING).replace(old, new))


# -- recorded frames -------------------------------------------------------------------


def check_capture(name: str, kind: type[Binance]) -> None:
    """The venue module and a naive book end in the oracle's books."""
    expected = oracle(name)["instruments"]
    exact = replay(name, kind.id)
    assert exact.keys() == expected.keys()
    for symbol, book in exact.items():
        assert book.digest() == expected[symbol]["full_sha256"], symbol
        assert str(book.sequence) == expected[symbol]["last_seq"]
        assert 0 < book.applied <= expected[symbol]["deltas"]  # all that came
        assert book.gaps == []


def check_floats(name: str, kind: type[Binance]) -> None:
    """The books of a capture in floats are the exact ones, rounded."""
    exact = replay(name, kind.id)
    fast = replay(name, kind.id, numbers=float)
    assert fast.keys() == exact.keys()
    for symbol, book in exact.items():
        for side, levels in book.sides.items():
            rounded = {float(price): float(size) for price, size in levels.items()}
            assert fast[symbol].sides[side] == rounded
        assert fast[symbol].sequence == book.sequence


def check_instruments(name: str, kind: type[Binance]) -> dict[str, Instrument]:
    """Every market of the capture has steps that divide the prices of its book."""
    found: dict[str, Instrument] = instruments(name, kind())
    expected = oracle(name)["instruments"]
    assert found.keys() >= expected.keys()
    for symbol, book in expected.items():
        item = found[symbol]
        assert item.active
        price_step, size_step = item.price_step, item.size_step
        assert price_step is not None
        assert size_step is not None
        for price, size in (*book["bids"], *book["asks"]):
            assert Decimal(price) % price_step == 0
            assert Decimal(size) % size_step == 0
    return found


@needs_captures
@pytest.mark.parametrize(
    "name",
    [
        "binance_spot_20210404",
        "binance_spot_20210417",
        "binance_spot_20211012",
        "binance_spot_btcusdt_20240808",
    ],
)
def test_captures_end_in_the_oracles_books(name: str) -> None:
    check_capture(name, Binance)


@needs_captures
@pytest.mark.parametrize(
    "name", ["binance_spot_20210404", "binance_spot_20210417", "binance_spot_20211012"]
)
def test_instruments_of_the_captures_fit_their_books(name: str) -> None:
    assert check_instruments(name, Binance)


@needs_captures
def test_capture_has_the_same_books_in_floats() -> None:
    check_floats("binance_spot_20211012", Binance)
