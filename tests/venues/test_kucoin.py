"""
KuCoin spot. Frames: kucoin.com/docs-new/3470068w0 (classic) and /3470221w0 (UTA; both
read 2026-11), shapes of the venue sheet, and the capture of 2021-04-25.
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
from booksync.venues.kucoin import Kucoin
from tests import captures
from tests.captures import NaiveBook, needs_captures
from tests.venues.mangle import mangled

CAPTURE = "kucoin_spot_20210425_a"

DELTA = (
    '{"type":"message","topic":"/market/level2:BCHSV-USDT","subject":"trade.l2update",'
    '"data":{"symbol":"BCHSV-USDT","sequenceStart":1613277183875,"sequenceEnd":'
    '1613277183875,"changes":{"asks":[["244.351","150","1613277183875"]],"bids":[]}}}'
)
TIMED = (
    '{"topic":"/market/level2:BTC-USDT","type":"message","subject":"trade.l2update",'
    '"data":{"changes":{"asks":[["67993.3","1.21427407","14701689783"]],"bids":[]},'
    '"sequenceEnd":14701689783,"sequenceStart":14701689783,"symbol":"BTC-USDT",'
    '"time":1729816425625}}'
)
SNAPSHOT = (
    '{"code":"200000","data":{"time":1619378326628,"sequence":"1613277183892",'
    '"bids":[["242.649","5"],["242.646","0.68148185"]],'
    '"asks":[["242.951","4.51280965"],["243.037","4.29643855"]]}}'
)
UTA_SNAPSHOT = (
    b'{"T":"obu.SPOT","dp":"increment@10ms","t":"snapshot","P":1774624848680504909,'
    b'"d":{"s":"BTC-USDT","O":20452522782,"C":20452522782,"M":1774624848673000000,'
    b'"b":[["66532.4","0.09489"]],"a":[["66532.5","0.46243848"]]}}'
)
UTA_DELTA = (
    b'{"T":"obu.SPOT","dp":"increment@10ms","t":"delta","P":1774624848690504909,'
    b'"d":{"s":"BTC-USDT","O":20452522783,"C":20452522790,"M":1774624848683000000,'
    b'"b":[["66532.4","0"]],"a":[]}}'
)
BULLET = (
    b'{"code":"200000","data":{"token":"2neA.x==","instanceServers":[{"endpoint":'
    b'"wss://push-private.kucoin.com/endpoint","encrypt":true,"protocol":"websocket",'
    b'"pingInterval":18000,"pingTimeout":10000}]}}'
)


def uta() -> Kucoin:
    return Kucoin(options={"socket": "uta"})


def parse(*frames: str | bytes, venue: Kucoin | None = None) -> list[Any]:
    venue = venue or Kucoin()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def delta(first: int, last: int, *changes: tuple[str, str, int]) -> str:
    asks = json.dumps([[price, size, str(at)] for price, size, at in changes])
    return (
        '{"type":"message","topic":"/market/level2:A-B","subject":"trade.l2update",'
        f'"data":{{"symbol":"A-B","sequenceStart":{first},"sequenceEnd":{last},'
        f'"changes":{{"asks":{asks},"bids":[]}}}}}}'
    )


# -- classic -----------------------------------------------------------------------


def test_delta_carries_its_range_and_time() -> None:
    before, asks = 1613277183874, [("244.351", "150")]
    assert parse(DELTA) == [Delta("BCHSV-USDT", before, before + 1, [], asks)]
    assert parse(TIMED)[0].time == 1729816425.625


def test_floats_are_decoded_as_floats() -> None:
    (message,) = parse(DELTA, venue=Kucoin(numbers=float))
    assert message.asks == [(244.351, 150.0)]
    assert all(type(number) is float for number in message.asks[0])


@pytest.mark.parametrize("numbers", [Decimal, float])
@pytest.mark.parametrize("price", ["0", "0.0", "0.00000000"])
def test_price_zero_advances_without_a_level(price: str, numbers: Any) -> None:
    text = delta(101, 102, (price, "0", 101), ("0.5", "1", 102))
    (message,) = parse(text, venue=Kucoin(numbers=numbers))
    assert (message.prev, message.last) == (100, 102)
    assert [float(price) for price, _ in message.asks] == [0.5]


def test_a_marker_is_no_excuse_for_nonsense() -> None:
    (message,) = parse(delta(1, 3, ("", "0", 1), (".", "0", 2), ("-0", "0", 3)))
    assert [price for price, _ in message.asks] == ["", ".", "-0"]  # the book refuses


def test_changes_stand_in_the_order_of_their_numbers() -> None:
    text = delta(1, 3, ("7", "2", 3), ("7", "1", 1), ("8", "0", 2))
    assert parse(text)[0].asks == [("7", "1"), ("8", "0"), ("7", "2")]


def test_snapshot_has_a_textual_sequence() -> None:
    assert Kucoin().parse_snapshot(SNAPSHOT, "BCHSV-USDT", 100) == Snapshot(
        "BCHSV-USDT",
        1613277183892,
        [("242.649", "5"), ("242.646", "0.68148185")],
        [("242.951", "4.51280965"), ("243.037", "4.29643855")],
        depth=100,
        time=1619378326.628,
    )


@pytest.mark.parametrize("sequence", ["-1", "0"])
def test_new_listing_starts_at_zero_and_empty(sequence: str) -> None:
    body = f'{{"code":"200000","data":{{"sequence":"{sequence}","bids":[],"asks":[]}}}}'
    assert Kucoin().parse_snapshot(body, "N-B", 100) == Snapshot(
        "N-B", 0, [], [], depth=100
    )


def test_unknown_symbol_is_rejected_by_the_snapshot() -> None:
    body = '{"code":"900001","msg":"symbol not exists"}'
    with pytest.raises(SubscriptionRejected, match="symbol not exists"):
        Kucoin().parse_snapshot(body, "NO-PE", 100)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"code":"429000","msg":"too many requests"}', id="busy"),
        pytest.param(SNAPSHOT.replace("200000", "500000"), id="error with data"),
        pytest.param(SNAPSHOT[:-3], id="cut"),
        pytest.param(SNAPSHOT.replace('"bids"', '"bid"'), id="no bids"),
        pytest.param("<html>", id="html"),
        pytest.param(b"\xff", id="not text"),
    ],
)
def test_a_body_that_is_no_snapshot_is_malformed(body: str | bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        Kucoin().parse_snapshot(body, "BTC-USDT", 100)
    assert caught.value.symbol == "BTC-USDT"


def test_frames_are_as_documented() -> None:
    venue = Kucoin()
    session = venue.session()
    assert venue.subscribe(["BTC-USDT", "ETH-USDT"], session, 0.0) == [
        (
            '{"id":"1","type":"subscribe","topic":"/market/level2:BTC-USDT,ETH-USDT",'
            '"privateChannel":false,"response":true}'
        )
    ]
    assert venue.unsubscribe(["BTC-USDT"], session, 0.0) == [
        (
            '{"id":"2","type":"unsubscribe","topic":"/market/level2:BTC-USDT",'
            '"response":true}'
        )
    ]
    assert venue.ping(session, 1545910590.801) == '{"id":"1545910590801","type":"ping"}'


def test_many_symbols_are_split_over_frames() -> None:
    venue = Kucoin()
    symbols = [f"A{n}-B" for n in range(120)]
    frames = venue.subscribe(symbols, venue.session(), 0.0)
    topics = [json.loads(text)["topic"].partition(":")[2] for text in frames]
    assert [len(topic.split(",")) for topic in topics] == [50, 50, 20]
    assert ",".join(topics).split(",") == symbols


def test_answers_are_matched_by_their_id() -> None:
    venue = Kucoin()
    session = venue.session()
    venue.subscribe(["A-B", "C-D"], session, 0.0)
    venue.unsubscribe(["C-D"], session, 0.0)
    assert venue.parse('{"id":"1","type":"ack"}', session) == (
        Subscribed(("A-B", "C-D")),
    )
    assert venue.parse('{"id":"2","type":"ack"}', session) == (Unsubscribed(("C-D",)),)
    assert venue.parse('{"id":"3","type":"ack"}', session) == ()
    error = '{"id":"1","type":"error","code":404,"data":"topic does not exist"}'
    assert venue.parse(error, session) == (
        Rejected(("A-B", "C-D"), "topic does not exist (code 404)"),
    )
    late = '{"id":"2","type":"error","code":404,"data":"topic does not exist"}'
    assert venue.parse(late, session) == ()


def test_an_error_that_may_pass_asks_for_another_connection() -> None:
    text = '{"id":"1","type":"error","code":509,"data":"exceed max permits per second"}'
    assert parse(text) == [Closing("exceed max permits per second (code 509)")]


@pytest.mark.parametrize(
    "text",
    [
        '{"id":"hQvf8jkno","type":"welcome"}',
        '{"id":"1545910590801","type":"pong","timestamp":1545910590801000}',
        (
            '{"topic":"/market/ticker:BTC-USDT","type":"message","subject":"trade.ticker",'
            '"data":{"sequence":"1","price":"1"}}'
        ),
        (
            '{"topic":"/spotMarket/level2Depth5:BTC-USDT","type":"message",'
            '"subject":"level2","data":{"asks":[],"bids":[],"timestamp":1}}'
        ),
    ],
)
def test_what_is_not_a_book_is_ignored(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DELTA.replace('"sequenceEnd"', '"end"'), id="no end"),
        pytest.param(DELTA.replace('"changes"', '"change"'), id="no changes"),
        pytest.param(DELTA.replace('"asks"', '"ask"'), id="no asks"),
        pytest.param(DELTA.replace('"150"', "true"), id="size is a bool"),
        pytest.param(DELTA.replace('"244.351",', ""), id="no price"),
        pytest.param(
            DELTA.replace('Start":16', 'Start":"x","y":16'), id="not a number"
        ),
        pytest.param(DELTA.replace('Start":16', 'Start":26'), id="backwards"),
        pytest.param(delta(0, 0), id="zero"),
        pytest.param(delta(-5, -4), id="negative"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_a_delta_that_does_not_decode_is_malformed(text: str, numbers: Any) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=Kucoin(numbers=numbers))
    assert caught.value.symbol in {"BCHSV-USDT", "A-B"}


def test_topic_and_data_must_name_one_symbol() -> None:
    with pytest.raises(MalformedMessage, match="on the topic"):
        parse(DELTA.replace('"symbol":"BCHSV', '"symbol":"OTHER'))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", b"\xff\xfe", "[" * 5000])
@pytest.mark.parametrize("socket", ["classic", "uta"])
def test_nonsense_is_malformed(text: str | bytes, socket: str) -> None:
    with pytest.raises(MalformedMessage):
        parse(text, venue=Kucoin(options={"socket": socket}))


def test_every_cut_of_a_frame_is_malformed() -> None:
    for end in range(len(DELTA)):
        with pytest.raises(MalformedMessage):
            parse(DELTA[:end])
    for end in range(len(UTA_DELTA)):
        with pytest.raises(MalformedMessage):
            parse(UTA_DELTA[:end], venue=uta())


def test_the_token_comes_first() -> None:
    venue = Kucoin()
    assert venue.handshake() == Request(
        path="/api/v1/bullet-public", method="POST", weight=10
    )
    url = venue.stream_url(Kucoin.WS_URL, BULLET)
    endpoint, _, query = url.partition("?")
    assert endpoint == "wss://push-private.kucoin.com/endpoint"
    token, _, connection = query.partition("&")
    assert token == "token=2neA.x%3D%3D"
    assert connection.startswith("connectId=")
    other = venue.stream_url(Kucoin.WS_URL, BULLET.replace(b"2neA", b"3neA"))
    assert other.partition("&")[2] != connection


def test_a_replaced_base_url_wins_over_the_answer() -> None:
    url = Kucoin().stream_url("ws://127.0.0.1:9", BULLET)
    assert url.startswith("ws://127.0.0.1:9?token=2neA.x%3D%3D&connectId=")
    assert uta().stream_url("ws://127.0.0.1:9") == "ws://127.0.0.1:9"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="none"),
        pytest.param(b'{"code":"400","msg":"no"}', id="error"),
        pytest.param(
            b'{"code":"200000","data":{"token":"t","instanceServers":[]}}',
            id="no server",
        ),
        pytest.param(BULLET[:-4], id="cut"),
    ],
)
def test_a_token_answer_that_is_none_is_malformed(answer: bytes | None) -> None:
    with pytest.raises(MalformedMessage):
        Kucoin().stream_url(Kucoin.WS_URL, answer)


@pytest.mark.parametrize(
    ("url", "symbol", "depth"),
    [
        pytest.param(
            "https://h/api/v1/market/orderbook/level2_100?symbol=A-B",
            "A-B",
            100,
            id="100",
        ),
        pytest.param(
            "/api/v1/market/orderbook/level2_20?symbol=A-B", "A-B", 20, id="20"
        ),
        pytest.param(
            "/api/v3/market/orderbook/level2?symbol=A-B", "A-B", None, id="all"
        ),
        pytest.param("/api/v1/market/orderbook/level1?symbol=A-B", None, None, id="L1"),
        pytest.param("/api/v2/symbols", None, None, id="list"),
        pytest.param("/api/v1/market/orderbook/level2_20", None, 20, id="no symbol"),
    ],
)
def test_urls_tell_symbol_and_depth(
    url: str, symbol: str | None, depth: int | None
) -> None:
    assert Kucoin().snapshot_symbol(url) == symbol
    assert Kucoin().snapshot_depth(url) == depth


def test_snapshot_requests_name_the_depth_in_the_path() -> None:
    assert Kucoin().snapshot_request("A-B") == Request(
        path="/api/v1/market/orderbook/level2_100", params={"symbol": "A-B"}, weight=4
    )
    assert Kucoin(depth=20).snapshot_request("A-B") == Request(
        path="/api/v1/market/orderbook/level2_20", params={"symbol": "A-B"}, weight=2
    )
    with pytest.raises(ConfigurationError):
        Kucoin(depth=50)


# -- UTA ---------------------------------------------------------------------------


def test_uta_sends_snapshot_and_delta_in_binary_frames() -> None:
    assert parse(UTA_SNAPSHOT, UTA_DELTA, venue=uta()) == [
        Snapshot(
            "BTC-USDT",
            20452522782,
            [("66532.4", "0.09489")],
            [("66532.5", "0.46243848")],
            depth=500,
            time=1774624848.673,
        ),
        Delta(
            "BTC-USDT",
            20452522782,
            20452522790,
            [("66532.4", "0")],
            [],
            time=1774624848.683,
        ),
    ]


def test_uta_facts_are_its_own() -> None:
    assert Kucoin().facts.source is Source.REST
    facts = uta().facts
    assert (facts.source, facts.levels) == (Source.STREAM, 500)
    assert (facts.resync, facts.assurance) == (Resync.RESUBSCRIBE, Assurance.RANGED)
    assert not facts.verified
    options = {"socket": "uta", "resync": "reconnect"}
    assert Kucoin(options=options).facts.resync is Resync.RECONNECT
    assert Kucoin.facts.source is Source.REST


def test_uta_frames_are_as_documented() -> None:
    venue = uta()
    session = venue.session()
    rest = '"channel":"obu","tradeType":"SPOT","symbol":"{}","depth":"increment@10ms"}}'
    assert venue.subscribe(["BTC-USDT", "ETH-USDT"], session, 0.0) == [
        '{"id":"1","action":"SUBSCRIBE",' + rest.format("BTC-USDT"),
        '{"id":"2","action":"SUBSCRIBE",' + rest.format("ETH-USDT"),
    ]
    assert venue.unsubscribe(["BTC-USDT"], session, 0.0) == [
        '{"id":"3","action":"UNSUBSCRIBE",' + rest.format("BTC-USDT")
    ]
    assert venue.parse(b'{"id":"2","result":true}', session) == (
        Subscribed(("ETH-USDT",)),
    )
    assert venue.parse(b'{"id":"3","result":true}', session) == (
        Unsubscribed(("BTC-USDT",)),
    )
    assert venue.parse(
        b'{"id":"2","result":false,"message":"bad symbol"}', session
    ) == (Rejected(("ETH-USDT",), "bad symbol (code None)"),)
    assert venue.parse(b'{"id":"3","result":false,"reason":"none"}', session) == ()
    assert venue.handshake() is None
    assert venue.stream_url(Kucoin.WS_URL) == "wss://x-push-spot.kucoin.com"


@pytest.mark.parametrize(
    "text",
    [
        b'{"sessionId":"x","message":"welcome","pingInterval":18000}',
        b'{"id":"1","type":"pong","ts":1774624848673000000}',
        UTA_DELTA.replace(b"increment@10ms", b"5"),
        UTA_DELTA.replace(b"obu.SPOT", b"obu.FUTURES"),
        b'{"T":"trade.SPOT","d":[1,2]}',
    ],
)
def test_uta_ignores_what_is_not_this_book(text: bytes) -> None:
    assert parse(text, venue=uta()) == []


def test_uta_delta_without_levels_advances() -> None:
    text = UTA_DELTA.replace(b'"b":[["66532.4","0"]],"a":[]', b'"x":1')
    (message,) = parse(text, venue=uta())
    assert (message.last, message.bids, message.asks) == (20452522790, [], [])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(UTA_SNAPSHOT.replace(b'"a":', b'"x":'), id="one-sided snapshot"),
        pytest.param(UTA_DELTA.replace(b'"delta"', b'"other"'), id="unknown kind"),
        pytest.param(UTA_DELTA.replace(b'"O":', b'"o":'), id="no O"),
        pytest.param(UTA_DELTA.replace(b"20452522783", b"20452522799"), id="backwards"),
        pytest.param(UTA_DELTA.replace(b'"66532.4"', b"null"), id="price is null"),
        pytest.param(UTA_DELTA.replace(b'"M":17', b'"M":"x","N":17'), id="bad time"),
    ],
)
def test_uta_frame_that_does_not_decode_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text, venue=uta())
    assert caught.value.symbol == "BTC-USDT"


def test_uta_frame_that_names_nobody_is_malformed() -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(b'{"T":"obu.SPOT","dp":"increment@10ms","t":"delta","d":5}', venue=uta())
    assert caught.value.symbol is None


# -- both --------------------------------------------------------------------------

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
    book.load(Snapshot("A-B", 100, [], []))
    for first, last in ranges:
        (message,) = parse(delta(first, last, ("5", "1", last)))
        book.take(message)
    assert (book.sequence, book.applied, len(book.gaps)) == (sequence, applied, gaps)


def test_vector_15_a_marker_advances_only() -> None:
    book = NaiveBook()
    book.load(Snapshot("A-B", 100, [], []))
    for text in (delta(101, 101, ("0", "0", 101)), delta(102, 102, ("5", "1", 102))):
        book.take(parse(text)[0])
    assert (book.sequence, book.applied, book.gaps) == (102, 2, [])
    assert book.sides == {"b": {}, "a": {Decimal(5): Decimal(1)}}


def test_instruments() -> None:
    body = (
        '{"code":"200000","data":[{"symbol":"BTC-USDT","baseIncrement":"0.00000001",'
        '"priceIncrement":"0.1","enableTrading":true},{"symbol":"OLD-BTC",'
        '"baseIncrement":"0.1","priceIncrement":"0.01","enableTrading":false}]}'
    )
    first, second = Kucoin().parse_instruments(body)
    assert (first.symbol, first.price_step, first.size_step, first.active) == (
        "BTC-USDT",
        Decimal("0.1"),
        Decimal("0.00000001"),
        True,
    )
    assert (second.symbol, second.active) == ("OLD-BTC", False)
    assert Kucoin().instrument_requests()[0].path == "/api/v2/symbols"
    with pytest.raises(MalformedMessage):
        Kucoin().parse_instruments('{"code":"200000","data":[{"name":"x"}]}')


def test_symbols_are_upper_case() -> None:
    assert Kucoin.prepare("btc-usdt") == "BTC-USDT"


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_no_other_error_escapes(numbers: Any) -> None:
    venue = Kucoin(numbers=numbers)
    other = Kucoin(numbers=numbers, options={"socket": "uta"})
    for text in (*mangled(DELTA), *mangled(TIMED)):
        with contextlib.suppress(MalformedMessage):
            parse(text, venue=venue)
    for push in (UTA_SNAPSHOT, UTA_DELTA):
        for text in mangled(push.decode()):
            with contextlib.suppress(MalformedMessage):
                parse(text.encode(), venue=other)
    for body in mangled(SNAPSHOT):
        with contextlib.suppress(MalformedMessage):
            venue.parse_snapshot(body, "BCHSV-USDT", 100)
    for answer in mangled(BULLET.decode()):
        with contextlib.suppress(MalformedMessage):
            venue.stream_url(Kucoin.WS_URL, answer.encode())


def test_the_same_frames_give_the_same_messages() -> None:
    frames = [DELTA, TIMED, delta(1, 3, ("0", "0", 1), ("7", "2", 3), ("7", "1", 2))]
    venue = Kucoin()
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue)
    other = uta()
    pushes = [UTA_SNAPSHOT, UTA_DELTA]
    assert parse(*pushes, venue=other) == parse(*pushes, venue=other)


# -- recorded frames ---------------------------------------------------------------


@needs_captures
def test_capture_ends_in_the_books_of_the_oracle() -> None:
    books = captures.replay_naively(CAPTURE, "kucoin")
    expected = captures.oracle(CAPTURE)["instruments"]
    assert {symbol: book.digest() for symbol, book in books.items()} == {
        symbol: known["full_sha256"] for symbol, known in expected.items()
    }
    assert [book.gaps for book in books.values()] == [[]] * 5


@needs_captures
def test_capture_agrees_with_the_ticker_of_the_same_sequence() -> None:
    venue = Kucoin()
    session = venue.session()
    books: dict[str, NaiveBook] = {}
    rows = {row["record"]: row for row in captures.bbo(CAPTURE)}
    for number, record in enumerate(captures.records(CAPTURE)):
        if record["ch"] == "http":
            symbol = venue.snapshot_symbol(record["url"])
            assert symbol is not None
            snapshot = venue.parse_snapshot(record["raw"], symbol, None)
            books.setdefault(symbol, NaiveBook()).load(snapshot)
        elif record["dir"] == "in":
            for message in venue.parse(record["raw"], session):
                assert isinstance(message, Delta)
                books.setdefault(message.symbol, NaiveBook()).take(message)
        if number in rows:
            row = rows[number]
            book = books[row["instrument"]]
            bid, ask = max(book.sides["b"]), min(book.sides["a"])
            assert book.sequence == row["u"]
            assert (bid, ask) == (Decimal(row["bid"]), Decimal(row["ask"]))
            assert book.sides["b"][bid] == Decimal(row["bid_qty"])
            assert book.sides["a"][ask] == Decimal(row["ask_qty"])
    assert len(rows) == 446


@needs_captures
def test_capture_decodes_as_floats() -> None:
    exact = captures.replay_naively(CAPTURE, "kucoin")
    fast = captures.replay_naively(CAPTURE, "kucoin", numbers=float)
    for symbol, book in exact.items():
        for side, levels in book.sides.items():
            rounded = {float(price): float(size) for price, size in levels.items()}
            found = fast[symbol].sides[side]
            assert {float(p): float(s) for p, s in found.items()} == rounded


@needs_captures
def test_capture_counts_are_those_of_the_sheet() -> None:
    venue = Kucoin()
    session = venue.session()
    found: list[Any] = [
        message
        for record in captures.records(CAPTURE)
        if record["ch"] == "ws" and record["dir"] == "in"
        for message in venue.parse(record["raw"], session)
    ]
    assert len(found) == 1332
    assert all(isinstance(message, Delta) for message in found)
    assert all(message.last == message.prev + 1 for message in found)
    raw = [r["raw"] for r in captures.records(CAPTURE) if r["ch"] == "ws"]
    markers = sum('["0","0",' in text.replace(" ", "") for text in raw)
    empty = sum(not message.bids and not message.asks for message in found)
    assert markers == empty > 300


@needs_captures
def test_capture_lists_its_instruments() -> None:
    listed = captures.instruments(CAPTURE, Kucoin())
    assert len(listed) == 5
    assert listed["SNX-BTC"].price_step == Decimal("0.00000001")
    assert listed["CAPP-BTC"].size_step == Decimal("0.01")
