"""
dYdX v4 against its sheet; no v4 frames were at hand.

SHEET frames restate docs.dydx.exchange (indexer websocket) as nautilus' and tardis'
fixtures have them, read 2026-11. The order of numbers is taken from cryptofeed's
sample of dYdX v3 (2021-10-28), whose messages come reordered.
"""

from __future__ import annotations

import json
import random
from decimal import Decimal

import pytest

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Lost,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Crossing
from booksync.venues import _dydx_order as order
from booksync.venues.dydx import Dydx
from tests.captures import NaiveBook, needs_captures, records

CONNECTED = '{"type":"connected","connection_id":"conn-abc","message_id":0}'
SNAPSHOT = (
    '{"type":"subscribed","connection_id":"conn-abc","message_id":1,'
    '"channel":"v4_orderbook","id":"BTC-USD","contents":{"bids":['
    '{"price":"43240.0","size":"1.5"},{"price":"43235.0","size":"2.3"}],'
    '"asks":[{"price":"43250.0","size":"1.2"},{"price":"43255.0","size":"2.0"}]}}'
)
SHEET_DELTA = (
    '{"type":"channel_data","connection_id":"conn-abc","message_id":2,"id":"BTC-USD",'
    '"channel":"v4_orderbook","version":"1.0.0","contents":{'
    '"bids":[["43240.0","2.0"]],"asks":[["43250.0","0"]]}}'
)


def data(number, symbol="BTC-USD", **more):
    content = {"type": "channel_data", "message_id": number, "id": symbol}
    content |= {"channel": "v4_orderbook", "contents": {"bids": [["1", "1"]]}, **more}
    return json.dumps(content)


def snapshot(number, symbol="BTC-USD"):
    contents = {"bids": [{"price": "1", "size": "5"}], "asks": []}
    return data(number, symbol, type="subscribed", contents=contents)


def parse(*frames, venue=None, session=None):
    venue = venue or Dydx()
    session = session or venue.session()
    return [message for raw in frames for message in venue.parse(raw, session)]


def live():
    """A session whose book BTC-USD stands at number 1."""
    venue = Dydx()
    session = venue.session()
    venue.parse(CONNECTED, session)
    venue.parse(SNAPSHOT, session)
    return session


def chain(found):
    return [
        (item.symbol, item.prev, item.last) for item in found if isinstance(item, Delta)
    ]


def test_answer_to_a_subscribe_is_the_snapshot():
    assert parse(CONNECTED, SNAPSHOT) == [
        Subscribed(("BTC-USD",)),
        Snapshot(
            symbol="BTC-USD",
            sequence=1,
            bids=[("43240.0", "1.5"), ("43235.0", "2.3")],
            asks=[("43250.0", "1.2"), ("43255.0", "2.0")],
            depth=100,
        ),
    ]


def test_delta_of_the_sheet():
    assert parse(SHEET_DELTA, session=live()) == [
        Delta("BTC-USD", 1, 2, [("43240.0", "2.0")], [("43250.0", "0")])
    ]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(data(2, contents={"asks": []}), id="one side"),
        pytest.param(data(2, contents={}), id="no side"),
        pytest.param(data(2, contents=None), id="null"),
    ],
)
def test_absent_sides_change_nothing_but_the_number(raw):
    assert parse(raw, session=live()) == [Delta("BTC-USD", 1, 2, [], [])]


def test_batch_is_one_delta_in_order():
    parts = [{"bids": [["5", "1"]]}, {"bids": [["5", "0"]], "asks": [["6", "1"]]}]
    raw = data(2, type="channel_batch_data", contents=parts)
    assert parse(raw, session=live()) == [
        Delta("BTC-USD", 1, 2, [("5", "1"), ("5", "0")], [("6", "1")])
    ]


def test_floats():
    found = parse(CONNECTED, SNAPSHOT, SHEET_DELTA, venue=Dydx(numbers=float))
    assert found[1].bids[0] == (43240.0, 1.5)
    assert found[2].asks == [(43250.0, 0.0)]


def test_symbols_are_chained_by_their_own_numbers():
    found = parse(
        snapshot(2, "ETH-USD"),
        data(3),
        data(4, "ETH-USD"),
        data(5, channel="v4_trades", contents={"trades": []}),
        data(6),
        session=live(),
    )
    assert chain(found) == [
        ("BTC-USD", 1, 3),
        ("ETH-USD", 2, 4),
        ("BTC-USD", 3, 6),
    ]


def test_delta_without_a_snapshot_does_not_chain():
    assert chain(parse(data(2, "X-USD"), data(3, "X-USD"), session=live())) == [
        ("X-USD", 1, 2),
        ("X-USD", 2, 3),
    ]


def test_late_message_is_waited_for_and_handed_on_in_its_turn():
    found = parse(data(3), data(5), data(2), data(4), session=live())
    assert chain(found) == [
        ("BTC-USD", 1, 2),
        ("BTC-USD", 2, 3),
        ("BTC-USD", 3, 4),
        ("BTC-USD", 4, 5),
    ]
    assert not [item for item in found if isinstance(item, Lost)]


def test_late_snapshot_comes_before_the_deltas_that_follow_it():
    found = parse(data(3, "ETH-USD"), snapshot(2, "ETH-USD"), session=live())
    assert [type(item) for item in found] == [Subscribed, Snapshot, Delta]
    assert chain(found) == [("ETH-USD", 2, 3)]


def test_lost_only_when_50_others_have_come():
    session = live()
    early = [data(number) for number in range(3, 53)]
    assert parse(*early[:49], session=session) == []
    found = parse(early[49], session=session)
    assert found[0] == Lost(2, 3)
    assert chain(found)[0] == ("BTC-USD", 1, 3)
    assert len(found) == 51
    assert chain(parse(data(53), session=session)) == [("BTC-USD", 52, 53)]


def test_two_holes_are_two_losses():
    early = [data(number) for number in range(4, 104, 2)]
    found = parse(*early, session=live())
    assert [item for item in found if isinstance(item, Lost)] == [Lost(2, 4)]
    session = live()
    found = parse(*early, data(104), data(106), session=session)
    assert [item for item in found if isinstance(item, Lost)] == [
        Lost(2, 4),
        Lost(5, 6),
        Lost(7, 8),
    ]


def test_without_reordering_a_hole_is_lost_at_once():
    venue = Dydx(options={"reorder": "0"})
    found = parse(CONNECTED, SNAPSHOT, data(4), data(5), venue=venue)
    assert found[2:] == [
        Lost(2, 4),
        Delta("BTC-USD", 1, 4, [("1", "1")], []),
        Delta("BTC-USD", 4, 5, [("1", "1")], []),
    ]


def test_duplicates_change_nothing():
    session = live()
    parse(data(2), session=session)
    stale = Delta("BTC-USD", 1, 2, [("1", "1")], [])  # the book stands at 2
    assert parse(data(2), session=session) == [stale]
    assert parse(SNAPSHOT, session=session) == []
    assert parse(data(4), data(4), session=session) == []
    assert chain(parse(data(3), session=session)) == [
        ("BTC-USD", 2, 3),
        ("BTC-USD", 3, 4),
    ]


def test_any_order_within_the_window_gives_the_same_messages():
    frames = [snapshot(2, "ETH-USD")]
    frames += [data(at, ("BTC-USD", "ETH-USD")[at % 2]) for at in range(3, 40)]
    wanted = parse(*frames, session=live())
    for seed in range(20):
        shuffled = frames[:]
        random.Random(seed).shuffle(shuffled)
        assert parse(*shuffled, session=live()) == wanted


@pytest.mark.parametrize("seed", range(5))
def test_missing_delta_is_never_passed_over(seed):
    """The book stands still at the hole until it is lost, whatever comes."""
    pick = random.Random(seed)
    frames = [data(at) for at in range(2, 90)]
    removed = pick.randrange(30)
    book = NaiveBook()
    (_, first) = parse(CONNECTED, SNAPSHOT)
    book.load(first)
    for item in parse(*frames[:removed], *frames[removed + 1 :], session=live()):
        if isinstance(item, Lost):
            assert item == Lost(removed + 2, removed + 3)
            break
        book.take(item)
    else:
        pytest.fail("nothing was lost")
    assert book.sequence == removed + 1


@pytest.mark.parametrize(("room", "handed"), [(4, 9), (3, 4)])
def test_unreadable_messages_wait_in_bounded_room(monkeypatch, room, handed):
    monkeypatch.setattr(order, "MAX_EARLY", room)
    session = live()
    for number in range(5, 9):
        with pytest.raises(MalformedMessage):
            parse(data(number, contents=5), session=session)
    found = parse(data(2), data(3), data(4), data(9), session=session)
    assert chain(found)[-1][2] == handed


def test_requests_are_those_of_the_sheet():
    venue = Dydx()
    session = venue.session()
    assert venue.subscribe(["BTC-USD"], session, 0.0) == [
        '{"type":"subscribe","channel":"v4_orderbook","id":"BTC-USD","batched":false}'
    ]
    batched = Dydx(options={"batched": "yes"}).subscribe(["BTC-USD"], session, 0.0)
    assert json.loads(batched[0])["batched"] is True
    assert venue.unsubscribe(["BTC-USD"], session, 0.0) == [
        '{"type":"unsubscribe","channel":"v4_orderbook","id":"BTC-USD"}'
    ]
    assert venue.facts.crossing is Crossing.UNCROSS


def test_unsubscribed_and_errors_take_their_number():
    ended = (
        '{"type":"unsubscribed","message_id":2,"channel":"v4_orderbook","id":"BTC-USD"}'
    )
    error = '{"type":"error","message":"no","connection_id":"c","message_id":3}'
    found = parse(ended, error, data(4), session=live())
    assert found[:2] == [Unsubscribed(("BTC-USD",)), Rejected((), "no")]
    assert chain(found) == [("BTC-USD", 3, 4)]


def test_unknown_messages_take_their_number():
    raw = '{"type":"new","message_id":2,"channel":"v4_orderbook","id":"BTC-USD"}'
    assert chain(parse(raw, data(3), session=live())) == [("BTC-USD", 1, 3)]


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "5",
        "[]",
        "{}",
        b"\xff",
        SHEET_DELTA[:-8],
        '{"type":"connected"}',
        data(-1),
        data("x"),
        data(2, type=5),
        data(2, id=5),
    ],
)
def test_malformed_frame(raw):
    with pytest.raises(MalformedMessage):
        parse(raw, session=live())


@pytest.mark.parametrize(
    "raw",
    [
        data(2, contents={"bids": [["1"]]}),
        data(2, contents={"bids": [["1", "2", "3"]]}),
        data(2, contents={"bids": [[1, 2]]}),
        data(2, contents=5),
        data(2, type="subscribed", contents=None),
        data(2, type="subscribed", contents={"bids": [{"price": "1"}]}),
        data(2, type="channel_batch_data", contents={"bids": []}),
    ],
)
def test_malformed_book_names_its_symbol_and_breaks_its_chain_only(raw):
    session = live()
    with pytest.raises(MalformedMessage) as caught:
        parse(raw, session=session)
    assert caught.value.symbol == "BTC-USD"
    found = parse(snapshot(3, "ETH-USD"), data(4), data(5, "ETH-USD"), session=session)
    # BTC-USD stands at 1: its next delta is a gap; nothing of the connection is lost
    assert chain(found) == [("BTC-USD", 2, 4), ("ETH-USD", 3, 5)]
    assert not [item for item in found if isinstance(item, Lost)]


def test_malformed_delta_without_a_snapshot_starts_nothing():
    session = live()
    with pytest.raises(MalformedMessage):
        parse(data(2, "X-USD", contents=5), session=session)
    assert chain(parse(data(3, "X-USD"), session=session)) == [("X-USD", 2, 3)]


def test_malformed_duplicate_is_no_news():
    session = live()
    parse(data(2), session=session)
    with pytest.raises(MalformedMessage):
        parse(data(2, contents=5), session=session)
    assert chain(parse(data(3), session=session)) == [("BTC-USD", 2, 3)]


def test_same_frames_give_the_same_messages():
    frames = [CONNECTED, SNAPSHOT, data(3), SHEET_DELTA, data(9)]
    assert parse(*frames) == parse(*frames)
    assert parse(*frames) == parse(*(raw.encode() for raw in frames))


def test_instruments():
    venue = Dydx()
    (request,) = venue.instrument_requests()
    assert request.path == "/v4/perpetualMarkets"
    body = (
        '{"markets":{"BTC-USD":{"ticker":"BTC-USD","status":"ACTIVE","tickSize":"1",'
        '"stepSize":"0.0001"},"X-USD":{"status":"FINAL_SETTLEMENT","tickSize":"0.1",'
        '"stepSize":"10"}}}'
    )
    first, second = venue.parse_instruments(body)
    assert (first.symbol, first.active) == ("BTC-USD", True)
    assert (first.price_step, first.size_step) == (Decimal(1), Decimal("0.0001"))
    assert (second.symbol, second.active) == ("X-USD", False)
    for bad in ("", "{}", '{"markets":{"A":{}}}', '{"markets":5}'):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(bad)


@needs_captures
def test_reordered_numbers_of_v3_lose_nothing():
    """The v3 recording's numbers, in the order they came, under v4's names."""
    inbound = [
        item["raw"].replace('"v3_orderbook"', '"v4_orderbook"')
        for item in records("dydx_v3_20211028")
        if item["dir"] == "in" and item["ch"] == "ws"
    ]
    numbers = [json.loads(raw)["message_id"] for raw in inbound]
    assert numbers != sorted(numbers)
    found = parse(*inbound)
    assert not [item for item in found if isinstance(item, Lost)]
    assert len([item for item in found if isinstance(item, Snapshot)]) == 10
    lasts = [item.last for item in found if isinstance(item, Delta)]
    assert len(lasts) == 4687
    assert lasts == sorted(lasts)
    strict = parse(*inbound, venue=Dydx(options={"reorder": "0"}))
    assert [item for item in strict if isinstance(item, Lost)]
