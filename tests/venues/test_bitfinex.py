"""
Bitfinex against its sheet, published vectors and recorded frames.

SHEET frames restate docs.bitfinex.com (ws-general, ws-public, ws-websocket-checksum)
and the probe of 2026-09-22 in nemanull/arbitrage-observatory; RECORDED ones are of
cryptofeed's sample of 2021-04-17, shortened. Read 2026-11.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import (
    Checksum,
    Closing,
    Delta,
    Halted,
    Lost,
    Rejected,
    Resumed,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.bitfinex import Bitfinex
from tests.captures import (
    instruments,
    needs_captures,
    oracle,
    records,
    replay_naively,
)

CAPTURE = "bitfinex_20210417"
CONF = '{"event":"conf","status":"OK","flags":196608}'
SUBSCRIBED = (  # SHEET
    '{"event":"subscribed","channel":"book","chanId":10092,"symbol":"tETHUSD",'
    '"prec":"P0","freq":"F0","len":"25","pair":"ETHUSD"}'
)
SNAPSHOT = (  # SHEET
    "[10092,[[60400,1,0.68826974],[60397,1,1.17989099],[60401,1,-0.5]],1]"
)
RECORDED_DELTAS = (
    "[225206,[274020,0,1],58]",
    "[225206,[274490,1,0.00848971],60]",
    "[232956,[0.00002528,1,-421.95851711],72]",
    "[232956,[0.0000253,0,-1],71]",
)
GONE = Decimal(0)


def number(text):
    return Decimal(text)


def parse(*frames, venue=None, session=None):
    venue = venue or Bitfinex()
    session = session or venue.session()
    return [message for raw in frames for message in venue.parse(raw, session)]


def session(*frames, venue=None):
    """A session that has seen these frames."""
    venue = venue or Bitfinex()
    made = venue.session()
    for raw in frames:
        venue.parse(raw, made)
    return made


def live():
    """A session whose book tETHUSD stands at number 1."""
    return session(CONF, SUBSCRIBED, SNAPSHOT)


def test_snapshot_after_the_answer_takes_its_depth_from_it():
    assert parse(SUBSCRIBED, SNAPSHOT) == [
        Subscribed(("tETHUSD",)),
        Snapshot(
            symbol="tETHUSD",
            sequence=1,
            bids=[
                (number("60400"), number("0.68826974")),
                (number("60397"), number("1.17989099")),
            ],
            asks=[(number("60401"), number("0.5"))],
            depth=25,
        ),
    ]


@pytest.mark.parametrize(
    ("entry", "bids", "asks"),
    [
        pytest.param("[274490,1,0.5]", [("274490", "0.5")], [], id="sets a bid"),
        pytest.param("[274490,2,-1.50]", [], [("274490", "1.50")], id="sets an ask"),
        pytest.param("[274020,0,1]", [("274020", "0")], [], id="deletes a bid"),
        pytest.param("[274020,0,-1]", [], [("274020", "0")], id="deletes an ask"),
        pytest.param("[7e-7,1,10]", [("0.0000007", "10")], [], id="tiny price"),
    ],
)
def test_delta(entry, bids, asks):
    def levels(pairs):
        return [(number(price), number(size)) for price, size in pairs]

    assert parse(f"[10092,{entry},2]", session=live()) == [
        Delta("tETHUSD", 1, 2, levels(bids), levels(asks))
    ]


def test_sizes_keep_the_zeros_that_were_sent():
    (delta,) = parse("[10092,[6,1,-1.50],2]", session=live())
    assert str(delta.asks[0][1]) == "1.50"


def test_deltas_are_chained_by_the_numbers_of_their_own_channel():
    other = SUBSCRIBED.replace("10092", "7").replace("ETH", "BTC")
    found = parse(
        other,
        '[10092,"hb",2]',
        "[7,[[1,1,1],[2,1,-1]],3]",
        "[10092,[5,1,1],4]",
        "[7,[1,0,1],5]",
        "[10092,[5,0,1],6]",
        session=live(),
    )
    chain = [
        (item.symbol, item.prev, item.last) for item in found if isinstance(item, Delta)
    ]
    assert chain == [("tETHUSD", 1, 4), ("tBTCUSD", 3, 5), ("tETHUSD", 4, 6)]
    assert not [item for item in found if isinstance(item, Lost)]


def test_bulk_update_after_the_snapshot_is_a_delta():
    (delta,) = parse("[10092,[[86717,0,1],[86816,3,-2]],2]", session=live())
    assert delta == Delta(
        "tETHUSD", 1, 2, [(number("86717"), GONE)], [(number("86816"), number("2"))]
    )


def test_empty_book():
    (snapshot,) = parse("[10092,[],1]", session=session(SUBSCRIBED))
    assert snapshot == Snapshot("tETHUSD", 1, [], [], depth=25)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("[10092,[5,1,1],4]", id="delta"),
        pytest.param('[10092,"hb",4]', id="heartbeat"),
        pytest.param('[10092,"cs",-5,4]', id="checksum"),
        pytest.param('[99,"hb",4]', id="unknown channel"),
        pytest.param("[99,[5,1,1],4]", id="delta of an unknown channel"),
    ],
)
def test_missing_number_of_the_connection_is_lost_before_all_else(raw):
    assert parse(raw, session=live())[0] == Lost(2, 4)


def test_first_number_must_be_one():
    assert parse('[5,"hb",3]') == [Lost(1, 3)]


def test_after_a_loss_counting_goes_on_from_what_came():
    found = parse('[10092,"hb",4]', "[10092,[5,1,1],5]", session=live())
    assert found == [
        Lost(2, 4),
        Delta("tETHUSD", 1, 5, [(number("5"), number("1"))], []),
    ]


def test_duplicate_delta_is_stale_and_other_duplicates_are_nothing():
    made = live()
    (first,) = parse("[10092,[5,1,1],2]", session=made)
    (again,) = parse("[10092,[5,1,1],2]", session=made)
    assert again.last == first.last == 2
    assert parse('[10092,"hb",2]', session=made) == []
    assert parse("[99,[5,1,1],2]", session=made) == []
    assert parse("[10092,[5,1,2],3]", session=made)[0].prev == 2


def test_frames_of_unknown_channels_count_but_say_nothing():
    ticker = SUBSCRIBED.replace('"book"', '"ticker"')
    raw = ticker.replace("10092", "3")
    assert parse(raw, "[3,[1,2,3,4],2]", "[4,[1,1,1],3]", session=live()) == []
    assert parse(SUBSCRIBED.replace("P0", "R0"), "[10092,[[1,2,3]],1]") == []


def test_checksum_frame_of_the_sheet():
    assert parse('[10092,"cs",-890884919,2]', session=live()) == [
        Checksum("tETHUSD", -890884919)
    ]


def test_checksum_of_the_sheet():
    bids = [("6000", "1"), ("5900", "2")]
    asks = [("6100", "3"), ("6200", "4")]
    assert Bitfinex().checksum(bids, asks, "tBTCUSD") == 1756193398


@pytest.mark.parametrize(
    ("bids", "asks", "expected"),
    [
        # 7e-7:10000:0.00000122:-312043.19:6.6e-7:0.000001:0.0000015:-2.5e-7
        pytest.param(
            [("0.0000007", "10000"), ("0.00000066", "0.000001")],
            [("0.00000122", "312043.19"), ("0.0000015", "0.00000025")],
            1301265857,
            id="exponents as the venue writes them",
        ),
        # 3:1:4:-1:2:1
        pytest.param(
            [("3", "1"), ("2", "1")], [("4", "1")], 140526964, id="unequal sides"
        ),
        # 4:-1.50
        pytest.param([], [("4", "1.50")], -1554213003, id="zeros as they were sent"),
        pytest.param([], [], 0, id="empty"),
    ],
)
def test_checksum_is_that_of_the_text(bids, asks, expected):
    assert Bitfinex().checksum(bids, asks, "tX") == expected


def test_checksum_reads_25_levels_a_side():
    deep = [(str(1000 - rank), "1") for rank in range(30)]
    short = Bitfinex().checksum(deep[:25], [], "tX")
    assert Bitfinex().checksum(deep, [], "tX") == short
    assert Bitfinex().checksum(deep[:24], [], "tX") != short


def test_frames_with_a_time():
    venue = Bitfinex(options={"timestamp": "yes"})
    assert json.loads(venue.greet(venue.session(), 0.0)[0])["flags"] == 196608 + 32768
    found = parse(
        '{"event":"conf","status":"OK","flags":229376}',
        SUBSCRIBED,
        "[10092,[[1,1,1],[2,1,-1]],1,1790134414850]",
        "[10092,[1,0,1],2,1790134415000]",
        venue=venue,
    )
    assert [(item.sequence, item.time) for item in found[1:2]] == [(1, 1790134414.85)]
    assert (found[2].prev, found[2].last, found[2].time) == (1, 2, 1790134415.0)


def test_flags_are_those_that_the_venue_confirmed():
    made = session('{"event":"conf","status":"OK","flags":98304}', SUBSCRIBED)
    (snapshot,) = parse("[10092,[[1,1,1]],1,1790134414850]", session=made)
    assert (snapshot.sequence, snapshot.time) == (1, 1790134414.85)


def test_longer_arrays_are_read_from_their_end():
    timed = Bitfinex(options={"timestamp": "yes"})
    made = session(SUBSCRIBED, "[10092,[[5,1,1]],1,1790134414850]", venue=timed)
    (delta,) = parse("[10092,[5,1,1],7,2,1790134415000]", venue=timed, session=made)
    assert (delta.prev, delta.last, delta.time) == (1, 2, 1790134415.0)
    (delta,) = parse('[10092,[5,1,1],"new",2]', session=live())
    assert (delta.prev, delta.last) == (1, 2)
    assert parse('[10092,[5,1,1],{"new":1},3]', session=live())[0] == Lost(2, 3)


def test_frame_without_the_confirmed_time_is_malformed():
    made = session('{"event":"conf","status":"OK","flags":98304}', SUBSCRIBED)
    with pytest.raises(MalformedMessage):
        parse("[10092,[5,1,1],1]", session=made)


def test_malformed_snapshot_leaves_the_channel_without_one():
    made = session(SUBSCRIBED)
    with pytest.raises(MalformedMessage):
        parse("[10092,[[5,1]],1]", session=made)
    (snapshot,) = parse("[10092,[[5,1,1]],2]", session=made)
    assert isinstance(snapshot, Snapshot)


def test_greeting_and_requests_are_those_of_the_sheet():
    venue = Bitfinex()
    made = session(CONF, SUBSCRIBED)
    assert venue.greet(made, 0.0) == ['{"event":"conf","flags":196608}']
    frames = venue.subscribe(["tBTCUSD", "tDOGE:USD"], made, 0.0)
    assert frames[0] == (
        '{"event":"subscribe","channel":"book","symbol":"tBTCUSD",'
        '"prec":"P0","freq":"F0","len":"100"}'
    )
    assert [json.loads(raw)["symbol"] for raw in frames] == ["tBTCUSD", "tDOGE:USD"]
    assert venue.unsubscribe(["tETHUSD", "tNONE"], made, 0.0) == [
        '{"event":"unsubscribe","chanId":10092}'
    ]


def test_unsubscribed_channel_says_nothing_more():
    made = live()
    ended = '{"event":"unsubscribed","status":"OK","chanId":10092}'
    assert parse(ended, session=made) == [Unsubscribed(("tETHUSD",))]
    assert parse("[10092,[5,1,1],2]", ended, session=made) == []


def test_new_channel_of_a_symbol_replaces_the_old_one():
    again = SUBSCRIBED.replace("10092", "10093")
    found = parse(again, "[10092,[5,1,1],2]", "[10093,[[5,1,1]],3]", session=live())
    assert [type(item) for item in found] == [Subscribed, Snapshot]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"channel":"book","symbol":"tNOPE","prec":"P0","len":"25","event":"error",'
            '"msg":"symbol: invalid","code":10300,"pair":"NOPE"}',
            [Rejected(("tNOPE",), "symbol: invalid (code 10300)")],
            id="unknown symbol",
        ),
        pytest.param(
            '{"event":"error","msg":"subscribe: limit","code":10305}',
            [Rejected((), "subscribe: limit (code 10305)")],
            id="too many channels",
        ),
        pytest.param(
            '{"event":"error","msg":"subscribe: dup","code":10301,"symbol":"tETHUSD"}',
            [],
            id="subscribed already",
        ),
        pytest.param(
            '{"event":"error","msg":"invalid","code":10400,"chanId":10092}',
            [Unsubscribed(("tETHUSD",))],
            id="unsubscribed already",
        ),
        pytest.param(
            '{"event":"info","version":2,"serverId":"x","platform":{"status":1}}',
            [],
            id="greeting",
        ),
        pytest.param(
            '{"event":"info","version":2,"serverId":"x","platform":{"status":0}}',
            [Closing("maintenance (code 0)")],
            id="greeting in maintenance",
        ),
        pytest.param(
            '{"event":"info","code":20051,"msg":"Stopping"}',
            [Closing("Stopping (code 20051)")],
            id="reconnect",
        ),
        pytest.param(
            '{"event":"info","code":20060,"msg":"m"}',
            [Halted("tETHUSD", "maintenance")],
            id="maintenance begins",
        ),
        pytest.param(
            '{"event":"info","code":20061,"msg":"m"}',
            [Resumed("tETHUSD"), Closing("maintenance ended")],
            id="maintenance ends: subscribe again",
        ),
        pytest.param('{"event":"info","code":1,"msg":"m"}', [], id="other notice"),
        pytest.param('{"event":"pong","ts":1,"cid":1}', [], id="pong"),
    ],
)
def test_events(raw, expected):
    assert parse(raw, session=live()) == expected


@pytest.mark.parametrize(
    "raw",
    [
        '{"event":"conf","status":"FAILED","flags":0}',
        '{"event":"conf","status":"OK","flags":131072}',
    ],
)
def test_refused_numbers_are_an_error(raw):
    with pytest.raises(MalformedMessage, match="conf"):
        parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "[",
        "5",
        "null",
        "[10092,[5,1,1",
        "[10092]",
        "[10092,2]",
        '[10092,"hb"]',
        "[10092,[5,1,1]]",
        '["x",[5,1,1],2]',
        '[10092,[5,1,1],"x"]',
        "{}",
        '{"event":5}',
        '{"event":"subscribed","chanId":"x"}',
        b"\xff",
        "[" * 5000,
    ],
)
def test_malformed_frame(raw):
    with pytest.raises(MalformedMessage):
        parse(raw, session=live())


@pytest.mark.parametrize(
    "payload",
    [
        "[5,1]",
        "[5,1,1,1]",
        "[[5,1]]",
        '["x",1,1]',
        "[5,1.5,1]",
        "[5,-1,1]",
        "[5,1,0]",
        '[5,1,"NaN"]',
        '"other"',
        '"cs"',
        '"cs","x"',
        "5",
        "null",
        "{}",
    ],
)
def test_malformed_payload_names_its_symbol_and_breaks_its_chain_only(payload):
    made = live()
    with pytest.raises(MalformedMessage) as caught:
        parse(f"[10092,{payload},2]", session=made)
    assert caught.value.symbol == "tETHUSD"
    (delta,) = parse("[10092,[5,1,1],3]", session=made)
    assert (delta.prev, delta.last) == (2, 3)  # the book stands at 1: a gap


def test_malformed_payload_after_a_loss_still_tells_the_loss():
    assert parse("[10092,[5],7]", session=live()) == [Lost(2, 7)]


def test_single_entry_before_the_snapshot_does_not_chain():
    found = parse(
        "[10092,[5,1,1],1]", "[10092,[[5,1,1]],2]", session=session(SUBSCRIBED)
    )
    assert (found[0].prev, found[0].last) == (0, 1)
    assert isinstance(found[1], Snapshot)


def test_symbols():
    assert Bitfinex.prepare("tBTCF0:USTF0") == "tBTCF0:USTF0"
    assert Bitfinex.prepare("BTCUSD") == "tBTCUSD"
    with pytest.raises(ConfigurationError, match="funding"):
        Bitfinex.prepare("fUSD")
    with pytest.raises(ConfigurationError):
        Bitfinex(depth=50)


def test_same_frames_give_the_same_messages():
    frames = [CONF, SUBSCRIBED, SNAPSHOT, '[1,"hb",2]', "[10092,[5,0,1],4]"]
    assert parse(*frames) == parse(*frames)
    as_bytes = [raw.encode() for raw in frames]
    assert parse(*frames) == parse(*as_bytes)


def test_instruments():
    venue = Bitfinex()
    assert [request.path for request in venue.instrument_requests()] == [
        "/v2/conf/pub:list:pair:exchange"
    ]
    (one, two) = venue.parse_instruments('[["BTCUSD","TESTBTC:TESTUSD"]]')
    assert (one.symbol, two.symbol) == ("tBTCUSD", "tTESTBTC:TESTUSD")
    assert one.size_step == Decimal("0.00000001")
    for body in ("", "{}", "[5]", '[["x",5]]'):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(body)


@needs_captures
def test_final_books_of_the_capture():
    books = replay_naively(CAPTURE, "bitfinex")
    expected = oracle(CAPTURE)["instruments"]
    assert len(books) == len(expected) == 7
    for symbol, book in books.items():
        assert book.digest() == expected[symbol]["full_sha256"], symbol
        assert book.gaps == []
        assert str(book.sequence) == expected[symbol]["last_seq"]
        assert book.applied == expected[symbol]["deltas"]
    assert sum(book.applied for book in books.values()) == 1593


@needs_captures
def test_floats_give_the_same_books():
    books = replay_naively(CAPTURE, "bitfinex", numbers=float)
    expected = oracle(CAPTURE)["instruments"]
    for symbol, book in books.items():  # hashed text stays exact
        assert book.digest() == expected[symbol]["full_sha256"], symbol


@needs_captures
def test_any_missing_array_frame_is_lost_at_the_next_one():
    inbound = [item["raw"] for item in records(CAPTURE) if item["dir"] == "in"]
    arrays = [at for at, raw in enumerate(inbound) if raw.startswith("[")]
    assert len(arrays) == 1670
    for removed in range(0, len(arrays) - 1, 7):
        made = session(*inbound[: arrays[removed]])
        found = parse(
            *inbound[arrays[removed] + 1 : arrays[removed + 1] + 1], session=made
        )
        assert [item for item in found if isinstance(item, Lost)] == [
            Lost(removed + 1, removed + 2)
        ]


@needs_captures
def test_instruments_of_the_capture():
    found = instruments(CAPTURE, Bitfinex())
    assert set(oracle(CAPTURE)["instruments"]) == set(found)
