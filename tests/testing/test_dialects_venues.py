"""
The dialects say what the venue sheets say: acknowledgements, refusals, pings, REST.

No venue module takes part here: expected words are those of the sheets.
"""

import gzip
import json
import random
from types import SimpleNamespace

import pytest

from booksync.testing import DIALECTS, Exchange, Fault
from booksync.testing.dialects.base import (
    Answer,
    Ask,
    Close,
    Request,
    Send,
    Session,
    Stream,
    Subscribe,
    Unsubscribe,
    Wanted,
)
from booksync.testing.dialects.json_stream import JsonDialect, changes, instant
from booksync.testing.dialects.mexc import field, varint
from booksync.testing.market import Market, Spec
from booksync.testing.outbox import Outbox

SYMBOLS = {
    "bitstamp": "btcusd",
    "bybit": "BTCUSDT",
    "coinbase": "BTC-USD",
    "coinbase_exchange": "BTC-USD",
    "deribit": "BTC-PERPETUAL",
    "htx": "btcusdt",
    "hyperliquid": "BTC",
    "kraken": "BTC/USD",
    "kraken_futures": "PF_XBTUSD",
    "kucoin": "BTC-USDT",
    "mexc": "BTCUSDT",
    "okx": "BTC-USDT",
}
SUBSCRIBE = {
    "bitstamp": lambda symbol: {
        "event": "bts:subscribe",
        "data": {"channel": f"diff_order_book_{symbol}"},
    },
    "bybit": lambda symbol: {"op": "subscribe", "args": [f"orderbook.50.{symbol}"]},
    "coinbase": lambda symbol: {
        "type": "subscribe",
        "product_ids": [symbol],
        "channel": "level2",
    },
    "coinbase_exchange": lambda symbol: {
        "type": "subscribe",
        "product_ids": [symbol],
        "channels": ["level2_batch"],
    },
    "deribit": lambda symbol: {
        "id": 1,
        "method": "public/subscribe",
        "params": {"channels": [f"book.{symbol}.100ms"]},
    },
    "htx": lambda symbol: {"sub": f"market.{symbol}.mbp.150", "id": "1"},
    "hyperliquid": lambda symbol: {
        "method": "subscribe",
        "subscription": {"type": "l2Book", "coin": symbol},
    },
    "kraken": lambda symbol: {
        "method": "subscribe",
        "params": {"channel": "book", "symbol": [symbol], "depth": 10},
    },
    "kraken_futures": lambda symbol: {
        "event": "subscribe",
        "feed": "book",
        "product_ids": [symbol.lower()],
    },
    "kucoin": lambda symbol: {
        "id": 1,
        "type": "subscribe",
        "topic": f"/market/level2:{symbol}",
    },
    "mexc": lambda symbol: {
        "method": "SUBSCRIPTION",
        "params": [f"spot@public.aggre.depth.v3.api.pb@100ms@{symbol}"],
    },
    "okx": lambda symbol: {
        "op": "subscribe",
        "args": [{"channel": "books", "instId": symbol}],
    },
}
MALFORMED = [kind for kind in Fault if "malformed" in kind]


def made(name):
    exchange = Exchange([SYMBOLS[name]], seed=3, levels=30, rate=200)
    dialect = DIALECTS[name](exchange)
    exchange.number(dialect.numbering, empty=dialect.empty)
    return dialect


def say(dialect, frame, session=None):
    """What is done when a client says ``frame``."""
    session = session or Session(1, "/", {})
    text = frame if isinstance(frame, str) else json.dumps(frame)
    return list(dialect.receive(session, text))


def sent(actions):
    return [json.loads(each.frame) for each in actions if isinstance(each, Send)]


def subscribed(dialect, symbol, name):
    """A session with one stream, its next delta and a frame of it, sealed."""
    session = Session(1, "/", {})
    actions = say(dialect, SUBSCRIBE[name](symbol), session)
    [stream] = [each.stream for each in actions if isinstance(each, Subscribe)]
    assert stream.symbol == symbol
    session.streams[stream.name] = stream
    return session, stream


def frames_of(dialect, session, stream, delta):
    if dialect.whole:
        end = dialect.exchange.boundary(stream.symbol)
        snapshot = dialect.exchange.snapshot_at(stream.symbol, end, stream.depth)
        return dialect.snapshot(session, stream, snapshot)
    return dialect.delta(session, stream, delta)


each_dialect = pytest.mark.parametrize("name", SYMBOLS)


# -- all of them -----------------------------------------------------------------------


def test_every_dialect_but_binance_is_here():
    others = {name for name in DIALECTS if not name.startswith(("binance", "test_"))}
    assert set(SYMBOLS) == others


@each_dialect
@pytest.mark.parametrize("frame", ["", "[]", "{", "x", "null", "{}", '{"a":1}'])
def test_nonsense_is_answered_or_ignored_and_never_breaks_the_server(name, frame):
    dialect = made(name)
    session = Session(1, "/", {})
    for action in dialect.receive(session, frame):
        assert isinstance(action, Send | Close)


@each_dialect
@pytest.mark.parametrize("kind", MALFORMED)
def test_frames_can_be_malformed_in_every_way(name, kind):
    dialect = made(name)
    session, stream = subscribed(dialect, SYMBOLS[name], name)
    for seed in range(10):
        [delta] = dialect.exchange.advance()
        frame, *_ = frames_of(dialect, session, stream, delta)
        sealed = dialect.seal(session, frame)
        broken = dialect.malform(sealed, kind, random.Random(seed))
        assert broken != sealed
        assert type(broken) is type(sealed)


@each_dialect
def test_delta_of_a_stranger_can_be_written(name):
    """The fault ``foreign``: a market that the exchange does not know."""
    dialect = made(name)
    session, stream = subscribed(dialect, SYMBOLS[name], name)
    written = []
    wire = SimpleNamespace(write=written.append)
    outbox = Outbox(wire, session, dialect, SimpleNamespace())  # type: ignore[arg-type]
    [delta] = dialect.exchange.advance()
    outbox._foreign(stream, delta)
    assert len(written) >= 1


@each_dialect
def test_requests_that_nobody_knows_are_answered(name):
    dialect = made(name)
    found = dialect.rest(Request("GET", "/no/such/path", {}))
    assert isinstance(found, Answer)
    assert found.status in {400, 404, 422}


@each_dialect
def test_connections_elsewhere_are_refused(name):
    assert made(name).opens(Session(1, "/no/such/path", {})) is None


def test_dialect_of_this_kind_says_itself_what_it_answers():
    with pytest.raises(NotImplementedError):
        say(JsonDialect(Exchange(["X"])), "{}")


# -- words of the sheets ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "frame", "expected"),
    [
        ("okx", "nonsense", {"event": "error", "code": "60012"}),
        (
            "okx",
            {"op": "subscribe", "args": [{"channel": "books", "instId": "NO-NO"}]},
            {"event": "error", "code": "60018"},
        ),
        (
            "kraken_futures",
            {"event": "subscribe", "feed": "book", "product_ids": ["NO"]},
            {"event": "subscribed_failed", "product_ids": ["NO"]},
        ),
        (
            "kraken_futures",
            {"event": "subscribe", "feed": "heartbeat"},
            {"event": "subscribed", "feed": "heartbeat"},
        ),
        ("coinbase", {"type": "x"}, {"type": "error"}),
        (
            "coinbase",
            {"type": "subscribe", "channel": "heartbeats"},
            {"events": [{"subscriptions": {"heartbeats": ["heartbeats"]}}]},
        ),
        (
            "coinbase_exchange",
            {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2"]},
            {"type": "error"},  # wants credentials
        ),
        ("kraken", {"method": "ping", "req_id": 1}, {"method": "pong", "req_id": 1}),
        (
            "kraken",
            {"method": "subscribe", "params": {"channel": "book", "symbol": ["A/B"]}},
            {"success": False, "symbol": "A/B"},
        ),
        ("bitstamp", {"event": "bts:heartbeat"}, {"data": {"status": "success"}}),
        (
            "bitstamp",
            {"event": "bts:subscribe", "data": {"channel": "diff_order_book_BTCUSD"}},
            {"event": "bts:error"},
        ),
        ("hyperliquid", {"method": "ping"}, {"channel": "pong"}),
        ("hyperliquid", "nonsense", {"channel": "error"}),
        ("htx", {"sub": "market.no.mbp.150"}, {"err-code": "bad-request"}),
        ("htx", {"req": "market.btcusdt.mbp.400"}, {"err-code": "bad-request"}),
        ("htx", "nonsense", {"err-code": "bad-request"}),
        ("mexc", {"method": "PING"}, {"id": 0, "code": 0, "msg": "PONG"}),
        (
            "deribit",
            {"id": 3, "method": "public/subscribe",
             "params": {"channels": ["book.NO.100ms", "platform_state"]}},
            {"id": 3, "result": ["platform_state"]},  # silently missing
        ),
        ("deribit", {"id": 1, "method": "public/test"}, {"id": 1}),
        ("deribit", {"id": 1, "method": "x"}, {"id": 1, "result": None}),
        ("bybit", {"op": "ping", "req_id": "1"}, {"op": "ping", "ret_msg": "pong"}),
        ("bybit", {"op": "subscribe", "args": ["orderbook.50.NO"]}, {"success": False}),
        (
            "bybit",  # at most ten on spot
            {"op": "subscribe", "args": ["orderbook.50.BTCUSDT"] * 11},
            {"success": False},
        ),
        ("kucoin", {"id": "7", "type": "ping"}, {"id": "7", "type": "pong"}),
        ("kucoin", {"id": "7", "type": "subscribe", "topic": "x"}, {"code": 404}),
    ],
)  # fmt: skip
def test_answer_is_the_venue_s(name, frame, expected):
    [found] = sent(say(made(name), frame))
    assert {key: found.get(key) for key in expected} == expected


def test_okx_pings_in_text():
    assert say(made("okx"), "ping") == [Send("pong")]


def test_okx_repeats_the_last_number_as_a_sign_of_life():
    dialect = made("okx")
    session, stream = subscribed(dialect, "BTC-USDT", "okx")
    [frame] = dialect.delta(session, stream, dialect.exchange.advance()[0])
    [alive] = sent(dialect.beat(session))
    last = json.loads(frame)["data"][0]["seqId"]
    book = alive["data"][0]
    assert book["prevSeqId"] == book["seqId"] == last
    assert book["bids"] == book["asks"] == []


def test_bitstamp_closes_on_a_long_frame():
    [action] = say(made("bitstamp"), " " * 512)
    assert isinstance(action, Close)


def test_bitstamp_acknowledges_an_unknown_pair_and_stays_silent():
    channel = {"channel": "diff_order_book_nopenope"}
    actions = say(made("bitstamp"), {"event": "bts:subscribe", "data": channel})
    assert actions[-1] == Subscribe(Stream("diff_order_book_nopenope", None))


def test_hyperliquid_ends_the_connection_for_an_unknown_coin():
    asked = {"type": "l2Book", "coin": "NOPE"}
    [action] = say(made("hyperliquid"), {"method": "subscribe", "subscription": asked})
    assert isinstance(action, Close)


def test_hyperliquid_sends_five_levels_when_they_are_to_be_fast():
    asked = {"type": "l2Book", "coin": "BTC", "fast": True}
    actions = say(made("hyperliquid"), {"method": "subscribe", "subscription": asked})
    assert actions[-1] == Subscribe(Stream("BTC", "BTC", 1, 5))


@pytest.mark.parametrize(
    ("name", "last"), [("htx", "ping check expired"), ("deribit", "heartbeat close")]
)
def test_client_that_does_not_answer_is_left(name, last):
    dialect, session = made(name), Session(1, "/", {})
    if name == "deribit":
        assert list(dialect.beat(session)) == []  # nobody asked for heartbeats
        say(dialect, {"id": 1, "method": "public/set_heartbeat"}, session)
    beats = [action for _ in range(3) for action in dialect.beat(session)]
    assert isinstance(beats[-1], Close)
    assert beats[-1].reason == last


@pytest.mark.parametrize("name", ["deribit", "bybit", "coinbase", "coinbase_exchange"])
def test_second_subscribe_brings_no_second_snapshot(name):
    dialect = made(name)
    session, _ = subscribed(dialect, SYMBOLS[name], name)
    again = say(dialect, SUBSCRIBE[name](SYMBOLS[name]), session)
    assert not any(isinstance(action, Subscribe) for action in again)


def test_coinbase_counts_every_frame_of_a_connection():
    dialect = made("coinbase")
    session, _ = subscribed(dialect, "BTC-USD", "coinbase")
    say(dialect, {"type": "subscribe", "channel": "heartbeats"}, session)
    frames = [each.frame for each in dialect.beat(session)] * 3
    sealed = [json.loads(dialect.seal(session, frame)) for frame in frames]
    assert [each["sequence_num"] for each in sealed] == [0, 1, 2]
    error = dialect.seal(session, '{"type":"error","message":"x"}')
    assert "sequence_num" not in json.loads(error)


def test_htx_zips_what_it_says():
    dialect = made("htx")
    session, stream = subscribed(dialect, "btcusdt", "htx")
    [frame] = dialect.delta(session, stream, dialect.exchange.advance()[0])
    assert gzip.decompress(dialect.seal(session, frame)).decode() == frame


def test_htx_answers_a_request_with_its_id():
    dialect = made("htx")
    asked = say(dialect, {"req": "market.btcusdt.mbp.20", "id": "9"})
    assert asked == [Ask(Stream("market.btcusdt.mbp.20", "btcusdt", 1, 20), "9")]


def test_kraken_hashes_as_its_guide_does():
    """The docs' guide example: asks, then bids; precision 1 and 8."""
    asks = [("45285.2", "0.00100000"), ("45286.4", "1.54571953"),
            ("45286.6", "1.54571109"), ("45289.6", "1.54560911"),
            ("45290.2", "0.15890660"), ("45291.8", "1.54553491"),
            ("45294.7", "0.04454749"), ("45296.1", "0.35380000"),
            ("45297.5", "0.09945542"), ("45299.5", "0.18772827")]  # fmt: skip
    bids = [("45283.5", "0.10000000"), ("45283.4", "1.54582015"),
            ("45282.1", "0.10000000"), ("45281.0", "0.10000000"),
            ("45280.3", "1.54592586"), ("45279.0", "0.07990000"),
            ("45277.6", "0.03310103"), ("45277.5", "0.30000000"),
            ("45277.3", "1.54602737"), ("45276.6", "0.15445238")]  # fmt: skip
    market = Market(Spec("BTC/USD", "0.1", "0.00000001"), "", 2, 10)
    sides = tuple(
        [(market.prices.steps(p), market.sizes.steps(s)) for p, s in side]
        for side in (bids, asks)
    )
    assert made("kraken")._checksum(market, sides) == 3310070434  # type: ignore[attr-defined]


def test_kraken_writes_numbers_at_full_precision():
    dialect = made("kraken")
    session, stream = subscribed(dialect, "BTC/USD", "kraken")
    snapshot = dialect.exchange.snapshot("BTC/USD", 10)
    [frame] = dialect.snapshot(session, stream, snapshot)
    assert isinstance(frame, str)
    level = frame.partition('"qty":')[2].partition("}")[0]
    assert len(level.partition(".")[2]) == 8


def test_mexc_encodes_the_sheet_s_example():
    assert varint(2506) == b"\xca\x13"
    assert field(313, b"")[:2] == b"\xca\x13"
    assert field(4, "43296363236") == b"\x22\x0b43296363236"
    assert field(6, 1754741322152) == b"\x30" + varint(1754741322152)


def test_kucoin_wants_its_token():
    dialect = made("kucoin")
    answer = dialect.rest(Request("POST", "/api/v1/bullet-public", {}))
    assert isinstance(answer, Answer)
    token = json.loads(answer.body)["data"]["token"]
    query = {"token": token, "connectId": "1"}
    assert dialect.opens(Session(1, "/", query)) is not None
    assert dialect.opens(Session(1, "/", {"token": "x", "connectId": "1"})) is None


def test_kucoin_marks_numbers_that_changed_no_level():
    dialect = made("kucoin")
    session, stream = subscribed(dialect, "BTC-USDT", "kucoin")
    delta = dialect.exchange.advance()[0]
    bare = SimpleNamespace(**{k: getattr(delta, k) for k in delta.__slots__})
    bare.bids, bare.asks = [], []
    [frame] = dialect.delta(session, stream, bare)  # type: ignore[arg-type]
    changes_ = json.loads(frame)["data"]["changes"]
    assert changes_["asks"] == [["0", "0", str(delta.last)]]


def test_bybit_sends_a_snapshot_when_numbers_start_again():
    dialect = made("bybit")
    session, stream = subscribed(dialect, "BTCUSDT", "bybit")
    kinds = []
    for step in range(6):
        if step == 3:
            dialect.exchange.reset("BTCUSDT")
        for delta in dialect.exchange.advance():
            [frame] = dialect.delta(session, stream, delta)
            kinds.append(json.loads(frame)["type"])
    assert kinds.count("snapshot") == 1


def test_bybit_full_snapshot_is_a_request_away():
    dialect = made("bybit")
    path, query = "/v5/market/full_orderbook", {"symbol": "BTCUSDT"}
    assert dialect.rest(Request("GET", path, query)) == Wanted("BTCUSDT", 10_000)
    refused = dialect.rest(Request("GET", path, {"symbol": "NO"}))
    assert isinstance(refused, Answer)
    assert json.loads(refused.body)["retCode"] == 10001


@pytest.mark.parametrize(
    ("name", "path", "query"),
    [
        ("mexc", "/api/v3/depth", {"symbol": "NO"}),
        ("mexc", "/api/v3/depth", {"symbol": "BTCUSDT", "limit": "x"}),
        ("kucoin", "/api/v1/market/orderbook/level2_100", {"symbol": "NO"}),
        ("bitstamp", "/api/v2/order_book/no/", {}),
        ("hyperliquid", "/info", {}),
        ("okx", "/api/v5/public/instruments", {"instType": "SWAP"}),
    ],
)
def test_requests_for_what_is_not_there(name, path, query):
    assert isinstance(made(name).rest(Request("GET", path, query)), Answer)


@pytest.mark.parametrize("name", ["mexc", "bitstamp", "kraken_futures", "hyperliquid"])
def test_streams_end(name):
    dialect = made(name)
    session, stream = subscribed(dialect, SYMBOLS[name], name)
    frames = {
        "mexc": {"method": "UNSUBSCRIPTION", "params": [stream.name]},
        "bitstamp": {"event": "bts:unsubscribe", "data": {"channel": stream.name}},
        "kraken_futures": {"event": "unsubscribe", "feed": "book",
                           "product_ids": [stream.name]},
        "hyperliquid": {"method": "unsubscribe",
                        "subscription": {"type": "l2Book", "coin": "BTC"}},
    }  # fmt: skip
    assert Unsubscribe(stream.name) in say(dialect, frames[name], session)


# -- single changes --------------------------------------------------------------------


def test_delta_is_taken_apart_into_its_changes():
    exchange = Exchange(["BTCUSDT"], seed=3, levels=10, rate=300)
    before = exchange.truth("BTCUSDT", 0)
    deltas = [exchange.advance()[0] for _ in range(5)]
    market = exchange.markets["BTCUSDT"]
    book = [dict(side) for side in before]
    number = deltas[0].prev
    for delta in deltas:
        for change in changes(delta):
            number += 1
            assert change.id == number
            price = market.prices.decimal(change.price)
            book[change.side][price] = market.sizes.decimal(change.size)
            book[change.side] = {p: s for p, s in book[change.side].items() if s}
            assert tuple(book) == exchange.truth_at("BTCUSDT", number)
    assert number == deltas[-1].last


def test_wrong_level_of_a_delta_is_wrong_in_its_changes():
    """The fault ``corrupt``."""
    exchange = Exchange(["BTCUSDT"], seed=3, levels=10, rate=300)
    [delta] = exchange.advance()
    price, size = delta.bids[0]
    wrong = SimpleNamespace(**{k: getattr(delta, k) for k in delta.__slots__})
    wrong.bids = [(price, size + 7), *delta.bids[1:]]
    found = [x for x in changes(wrong) if (x.side, x.price) == (0, price)]  # type: ignore[arg-type]
    assert found[-1].size == size + 7


def test_instants_have_microseconds():
    assert instant(1.25) == "1970-01-01T00:00:01.250000Z"
