"""
Deribit against its sheet (docs.deribit.com, probe of 2026-09-22) and frames of 2021.

Frames named SHEET are the documentation's; the recorded delta is of cryptofeed's
sample of 2021-04-05, shortened.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from booksync.errors import MalformedMessage
from booksync.messages import (
    Closing,
    Delta,
    Halted,
    Rejected,
    Reply,
    Resumed,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.deribit import Deribit
from tests.captures import instruments, needs_captures, oracle, replay_naively

SHEET_SNAPSHOT = (
    '{"jsonrpc":"2.0","method":"subscription","params":{'
    '"channel":"book.BTC-PERPETUAL.100ms","data":{"type":"snapshot",'
    '"timestamp":1699999999000,"instrument_name":"BTC-PERPETUAL",'
    '"change_id":123456789,"bids":[["new",42500.0,1000.0],["new",42499.5,2.2e3]],'
    '"asks":[["new",42501.0,800.0]]}}}'
)
RECORDED_DELTA = (
    '{"jsonrpc":"2.0","method":"subscription","params":{'
    '"channel":"book.ETH-30APR21-2240-P.raw","data":{"type":"change",'
    '"timestamp":1617644866387,"prev_change_id":8973367846,'
    '"instrument_name":"ETH-30APR21-2240-P","change_id":8973368942,'
    '"bids":[["new",0.0255,299.0],["delete",0.026,0.0],["change",0.025,1.5]],'
    '"asks":[]}}}'
)


def push(prev=10, last=15, kind="change", *, bids=(), name="BTC-PERPETUAL", **more):
    data = {"type": kind, "timestamp": 1699999999000, "instrument_name": name}
    data |= {"prev_change_id": prev, "change_id": last, "bids": bids, "asks": []}
    data = {key: value for key, value in (data | more).items() if value != "absent"}
    params = {"channel": "book.BTC-PERPETUAL.100ms", "data": data}
    return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params})


def notice(channel, data):
    params = {"channel": channel, "data": data}
    return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params})


def parse(*frames, venue=None):
    venue = venue or Deribit()
    session = venue.session()
    return [message for raw in frames for message in venue.parse(raw, session)]


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_snapshot_of_the_sheet(numbers):
    [snapshot] = parse(SHEET_SNAPSHOT, venue=Deribit(numbers=numbers))
    assert snapshot == Snapshot(
        "BTC-PERPETUAL",
        123456789,
        [(numbers("42500"), numbers("1000")), (numbers("42499.5"), numbers("2200"))],
        [(numbers("42501"), numbers("800"))],
        time=1699999999.0,
    )
    assert {type(number) for level in snapshot.bids for number in level} == {numbers}


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_delta_carries_what_lies_after_prev_change_id(numbers):
    assert parse(RECORDED_DELTA, venue=Deribit(numbers=numbers)) == [
        Delta(
            "ETH-30APR21-2240-P",
            8973367846,
            8973368942,
            [
                (numbers("0.0255"), numbers("299")),
                (numbers("0.026"), numbers("0")),
                (numbers("0.025"), numbers("1.5")),
            ],
            [],
            1617644866.387,
        )
    ]


def test_delete_means_zero_whatever_the_amount():
    [delta] = parse(push(bids=[["delete", 5, 7]]))
    assert delta.bids == [(Decimal(5), Decimal(0))]


def test_empty_book_is_a_book():
    raw = push(kind="snapshot", last=0, prev=None)
    assert parse(raw) == [Snapshot("BTC-PERPETUAL", 0, [], [], time=1699999999.0)]


@pytest.mark.parametrize("last", [10, 9])
def test_numbers_that_do_not_rise_follow_nothing(last):
    [delta] = parse(push(10, last))
    assert (delta.prev, delta.last, delta.reset) == (-1, last, True)


def test_prices_may_be_negative_only_where_the_user_says_so():
    assert not Deribit().signed
    assert Deribit(options={"combos": "yes"}).signed


# -- requests and answers -----------------------------------------------------------


def test_requests_of_the_sheet():
    venue = Deribit()
    session = venue.session()
    heartbeat, state = venue.greet(session, 0.0)
    assert heartbeat == (
        '{"jsonrpc":"2.0","id":1,"method":"public/set_heartbeat",'
        '"params":{"interval":30}}'
    )
    assert state == (
        '{"jsonrpc":"2.0","id":2,"method":"public/subscribe",'
        '"params":{"channels":["platform_state"]}}'
    )
    frames = [
        *venue.subscribe(["BTC-PERPETUAL"], session, 0.0),
        *venue.unsubscribe(["BTC-PERPETUAL"], session, 0.0),
    ]
    channels = '"params":{"channels":["book.BTC-PERPETUAL.100ms"]}}'
    assert frames == [
        f'{{"jsonrpc":"2.0","id":3,"method":"public/subscribe",{channels}',
        f'{{"jsonrpc":"2.0","id":4,"method":"public/unsubscribe",{channels}',
    ]


def test_interval_is_chosen():
    venue = Deribit(options={"interval": "agg2"})
    [raw] = venue.subscribe(["SOL_USDC-PERPETUAL"], venue.session(), 0.0)
    assert json.loads(raw)["params"]["channels"] == ["book.SOL_USDC-PERPETUAL.agg2"]


def test_frames_hold_a_hundred_channels_each():
    venue = Deribit()
    names = [f"S{number}" for number in range(150)]
    found = [json.loads(raw) for raw in venue.subscribe(names, venue.session(), 0.0)]
    assert [len(raw["params"]["channels"]) for raw in found] == [100, 50]


def answers(raw):
    """What an answer means after subscribe 3 (A, B) and unsubscribe 4 (A)."""
    venue = Deribit()
    session = venue.session()
    venue.greet(session, 0.0)
    venue.subscribe(["A", "B"], session, 0.0)
    venue.unsubscribe(["A"], session, 0.0)
    return list(venue.parse(raw, session))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"jsonrpc":"2.0","id":3,"result":["book.B.100ms","book.A.100ms"],'
            '"usIn":1,"usOut":2,"usDiff":1,"testnet":false}',
            [Subscribed(("A", "B"))],
            id="subscribed, in another order",
        ),
        pytest.param(
            '{"jsonrpc":"2.0","id":3,"result":["book.B.100ms"]}',
            [
                Subscribed(("B",)),
                Rejected(("A",), "missing from the answer: no such book"),
            ],
            id="unknown channel is missing",
        ),
        pytest.param(
            '{"jsonrpc":"2.0","id":3,"result":[]}',
            [Rejected(("A", "B"), "missing from the answer: no such book")],
            id="all are missing",
        ),
        pytest.param(
            '{"jsonrpc":"2.0","id":4,"result":["book.A.100ms"]}',
            [Unsubscribed(("A",))],
            id="unsubscribed",
        ),
        pytest.param('{"jsonrpc":"2.0","id":1,"result":"ok"}', [], id="set_heartbeat"),
        pytest.param(
            '{"jsonrpc":"2.0","id":9,"result":{"version":"1.2.26"}}', [], id="test"
        ),
        pytest.param(
            '{"jsonrpc":"2.0","id":3,"error":{"code":13778,'
            '"message":"raw_subscriptions_not_available_for_unauthorized"}}',
            [
                Rejected(
                    ("A", "B"),
                    "raw_subscriptions_not_available_for_unauthorized (code 13778)",
                )
            ],
            id="refused for good",
        ),
        pytest.param(
            '{"jsonrpc":"2.0","id":3,"error":{"code":10028,'
            '"message":"too_many_requests"}}',
            [Rejected(("A", "B"), "too_many_requests (code 10028)", final=False)],
            id="refused for now",
        ),
        pytest.param(
            '{"jsonrpc":"2.0","id":4,"error":{"code":11051,"message":"x"}}',
            [],
            id="unsubscribe refused",
        ),
        pytest.param(
            '{"jsonrpc":"2.0","error":{"code":1,"message":"connection_too_slow"}}',
            [Closing("connection_too_slow")],
            id="too slow",
        ),
        pytest.param(
            notice("ticker.A.100ms", {"last_price": 1.0}), [], id="other channel"
        ),
        pytest.param(
            notice("book.A.none.20.100ms", {"bids": [[1.0, 2.0]], "asks": []}),
            [],
            id="grouped book",
        ),
    ],
)
def test_answers_of_the_sheet(raw, expected):
    assert answers(raw) == expected


def test_heartbeat_wants_an_answer_only_when_it_tests():
    alive = '{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}'
    test = alive.replace('"heartbeat"}', '"test_request"}')
    assert parse(alive, test, test) == [
        Reply('{"jsonrpc":"2.0","id":1,"method":"public/test","params":{}}'),
        Reply('{"jsonrpc":"2.0","id":2,"method":"public/test","params":{}}'),
    ]


# -- platform_state (docs.deribit.com/subscriptions/platform/platform_state) ----------


def told(*states, names=("BTC-PERPETUAL", "SOL_USDC-PERPETUAL", "BTC_USDC-PERPETUAL")):
    books = []
    for name in names:
        data = {"type": "snapshot", "timestamp": 1, "instrument_name": name}
        data |= {"change_id": 1, "bids": [], "asks": []}
        books.append(notice(f"book.{name}.100ms", data))
    frames = [notice("platform_state", state) for state in states]
    return parse(*books, *frames)[len(names) :]


def test_locked_index_halts_its_books_until_it_is_unlocked():
    lock = {"price_index": "sol_usdc", "locked": True}
    assert told(lock, lock | {"locked": False}) == [
        Halted("SOL_USDC-PERPETUAL", "sol_usdc is locked"),
        Resumed("SOL_USDC-PERPETUAL"),
    ]


def test_inverse_books_follow_the_dollar_index():
    found = told({"price_index": "btc_usd", "locked": True})
    assert found == [Halted("BTC-PERPETUAL", "btc_usd is locked")]


def test_maintenance_halts_every_book():
    names = ("A", "B")
    found = told({"maintenance": True}, {"maintenance": False}, names=names)
    assert found == [
        Halted("A", "maintenance"),
        Halted("B", "maintenance"),
        Resumed("A"),
        Resumed("B"),
    ]


def test_other_states_of_the_platform_are_ignored():
    assert told({"allow_unauthenticated_public_requests": True}) == []
    assert told({"price_index": "btc_usd"}) == []


def test_book_that_was_unsubscribed_is_not_halted():
    venue = Deribit()
    session = venue.session()
    venue.unsubscribe(["BTC-PERPETUAL"], session, 0.0)
    frames = [
        SHEET_SNAPSHOT,
        '{"jsonrpc":"2.0","id":1,"result":["book.BTC-PERPETUAL.100ms"]}',
        notice("platform_state", {"maintenance": True}),
    ]
    found = [message for raw in frames for message in venue.parse(raw, session)]
    assert [type(message) for message in found] == [Snapshot, Unsubscribed]


# -- malformed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("{}", id="nothing known"),
        pytest.param(push(prev="absent"), id="no prev_change_id"),
        pytest.param(push(prev=None), id="prev_change_id is null"),
        pytest.param(push(prev=-1), id="prev_change_id is negative"),
        pytest.param(push(last="absent"), id="no change_id"),
        pytest.param(push(last=-1), id="change_id is negative"),
        pytest.param(push(kind="update"), id="unknown type"),
        pytest.param(push(bids="absent"), id="no bids"),
        pytest.param(push(bids=[["add", 1, 2]]), id="unknown action"),
        pytest.param(push(bids=[["new", 1]]), id="level without size"),
        pytest.param(push(bids=[["new", [], 2]]), id="price is a list"),
        pytest.param(push(bids=[["new", True, 2]]), id="price is a bool"),
        pytest.param(push(name="ETH-PERPETUAL"), id="not the channel's instrument"),
        pytest.param(push().replace("book.BTC", "book.x.BTC"), id="grouped channel"),
        pytest.param(notice("platform_state", []), id="state is a list"),
        pytest.param('{"jsonrpc":"2.0","result":[]}', id="answer to nothing"),
        pytest.param(b"\x80", id="not UTF-8"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_malformed(raw, numbers):
    with pytest.raises(MalformedMessage):
        parse(raw, venue=Deribit(numbers=numbers))


def test_malformed_answer():
    with pytest.raises(MalformedMessage):
        answers('{"jsonrpc":"2.0","id":3,"result":"ok"}')


def test_malformed_book_says_whose_it_is():
    for raw in (push(bids=[["new", 1]]), push(prev=None), push(last=-1)):
        with pytest.raises(MalformedMessage) as caught:
            parse(raw)
        assert caught.value.symbol == "BTC-PERPETUAL"


@pytest.mark.parametrize("whole", [SHEET_SNAPSHOT, RECORDED_DELTA])
def test_cut_frames_are_malformed_and_nothing_else(whole):
    for end in range(len(whole)):
        with pytest.raises(MalformedMessage):
            parse(whole[:end])


def test_fresh_session_says_the_same():
    test = '{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
    maintenance = notice("platform_state", {"maintenance": True})
    frames = [SHEET_SNAPSHOT, test, RECORDED_DELTA, maintenance, test]
    assert parse(*frames) == parse(*frames)


# -- instruments --------------------------------------------------------------------


@needs_captures
def test_instruments_of_the_capture():
    [request] = Deribit().instrument_requests()
    assert request.path == "/public/get_instruments"
    assert dict(request.params) == {"currency": "any", "expired": "false"}
    listed = instruments("deribit_20210405", Deribit())
    assert listed["BTC-25MAR22-400000-C"].price_step == Decimal("0.0005")
    assert listed["BTC-25MAR22-400000-C"].size_step == Decimal("0.1")
    assert listed["ETH-24SEP21-320-P"].size_step == 1
    assert listed["ETH-24SEP21-320-P"].active


@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc":"2.0","error":{"code":10028,"message":"too_many_requests"}}',
        '{"jsonrpc":"2.0","result":[{"instrument_name":"X"}]}',
        "<html>",
    ],
)
def test_malformed_instruments(body):
    with pytest.raises(MalformedMessage):
        Deribit().parse_instruments(body)


# -- captures -----------------------------------------------------------------------


@needs_captures
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_capture_ends_in_the_oracles_books(numbers):
    name = "deribit_20210405"
    books = replay_naively(name, "deribit", numbers=numbers)
    expected = oracle(name)["instruments"]
    assert books.keys() == expected.keys()
    assert sum(book.applied for book in books.values()) == 177
    for symbol, book in books.items():
        assert book.gaps == []
        assert book.applied == expected[symbol]["deltas"]
        assert str(book.sequence) == expected[symbol]["last_seq"]
        if numbers is Decimal:
            assert book.digest() == expected[symbol]["full_sha256"]
