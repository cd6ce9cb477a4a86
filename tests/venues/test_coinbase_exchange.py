"""
Coinbase Exchange. Frames: docs.cdp.coinbase.com/exchange/websocket-feed (read 2026-11)
and the capture of 2021-04-17.
"""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Assurance, Instrument, Resync, Source
from booksync.venues.coinbase_exchange import CoinbaseExchange
from tests.captures import (
    frame,
    instruments,
    needs_captures,
    oracle,
    records,
    replay_naively,
)
from tests.venues.mangle import cut, mangled

NAME = "coinbase_exchange_20210417_a"

# the documentation's shape, two levels a side
SNAPSHOT = (
    '{"type":"snapshot","product_id":"SKL-BTC",'
    '"asks":[["14.8024","12.77"],["14.8069","12.49"]],'
    '"bids":[["14.7693","27.51"],["14.7659","12.48"]]}'
)
# recorded 2021-04-17
UPDATE = (
    '{"type":"l2update","product_id":"SKL-BTC",'
    '"changes":[["sell","0.00001306","660.5"]],"time":"2021-04-17T16:43:37.075687Z"}'
)
LIST = (
    '{"type":"subscriptions","channels":[{"name":"level2","product_ids":[%s]},'
    '{"name":"heartbeat","product_ids":["ETH-USD"]}]}'
)
HEARTBEAT = (
    '{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD",'
    '"time":"2014-11-07T08:19:28.464459Z"}'
)
# coinbase/coinbase-pro-node and gocryptotrader issues, 2017 to 2023
REFUSED = (
    '{"type":"error","message":"Failed to subscribe",'
    '"reason":"NOPE-USD is not a valid product"}'
)


def parse(*frames: str | bytes, venue: CoinbaseExchange | None = None) -> list[Message]:
    venue = venue or CoinbaseExchange()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def update(*changes: tuple[str, str, str], product: str = "SKL-BTC") -> str:
    return json.dumps({"type": "l2update", "product_id": product, "changes": changes})


def test_subscribe_and_unsubscribe_are_as_documented() -> None:
    venue = CoinbaseExchange()
    session = venue.session()
    (asked,) = venue.subscribe(["ETH-USD"], session, 0.0)
    assert asked == (
        '{"type":"subscribe","product_ids":["ETH-USD"],'
        '"channels":["level2_batch","heartbeat"]}'
    )
    (ended,) = venue.unsubscribe(["ETH-USD"], session, 0.0)
    assert ended == (
        '{"type":"unsubscribe","product_ids":["ETH-USD"],"channels":["level2_batch"]}'
    )


def test_many_symbols_are_split_over_frames() -> None:
    venue = CoinbaseExchange()
    names = [f"A{number}-USD" for number in range(30)]
    frames = venue.subscribe(names, venue.session(), 0.0)
    asked = [json.loads(text)["product_ids"] for text in frames]
    assert [len(part) for part in asked] == [25, 5]
    assert asked[0] + asked[1] == names


def test_symbols_are_upper_case() -> None:
    assert CoinbaseExchange.prepare("eth-usd") == "ETH-USD"
    venue = CoinbaseExchange()
    assert venue.stream_url(venue.WS_URL) == "wss://ws-feed.exchange.coinbase.com"


@pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "binary"])
def test_a_snapshot_and_what_follows_are_numbered_in_order(kind: Any) -> None:
    assert parse(kind(SNAPSHOT), kind(UPDATE)) == [
        Snapshot(
            "SKL-BTC",
            1,
            [("14.7693", "27.51"), ("14.7659", "12.48")],
            [("14.8024", "12.77"), ("14.8069", "12.49")],
        ),
        Delta("SKL-BTC", 1, 2, [], [("0.00001306", "660.5")], 1618677817.075687),
    ]


def test_a_batch_keeps_its_order_on_both_sides() -> None:
    changes = (("buy", "1", "2"), ("sell", "3", "4"), ("buy", "1", "0.00"))
    (delta,) = parse(update(*changes))
    assert delta == Delta("SKL-BTC", 0, 1, [("1", "2"), ("1", "0.00")], [("3", "4")])


def test_each_product_counts_for_itself_and_a_new_snapshot_counts_on() -> None:
    found = parse(SNAPSHOT, update(product="A-B"), UPDATE, SNAPSHOT, UPDATE)
    numbers = [
        m.sequence if isinstance(m, Snapshot) else (m.prev, m.last)
        for m in found
        if isinstance(m, Snapshot | Delta)
    ]
    assert numbers == [1, (0, 1), (1, 2), 3, (3, 4)]


def test_floats_are_decoded_as_floats() -> None:
    snapshot, delta = parse(SNAPSHOT, UPDATE, venue=CoinbaseExchange(numbers=float))
    assert isinstance(snapshot, Snapshot)
    assert isinstance(delta, Delta)
    assert snapshot.bids == [(14.7693, 27.51), (14.7659, 12.48)]
    assert delta.asks == [(0.00001306, 660.5)]


@pytest.mark.parametrize(
    ("old", "new", "time"),
    [
        pytest.param("2021-04-17T16:43:37.075687Z", "0001-01-01T00:00:00Z", None),
        pytest.param(',"time":"2021-04-17T16:43:37.075687Z"', "", None),
        pytest.param(".075687Z", "+02:00", 1618670617.0),
    ],
)
def test_times_of_the_year_1_are_none(old: str, new: str, time: float | None) -> None:
    assert old in UPDATE
    (delta,) = parse(UPDATE.replace(old, new))
    assert isinstance(delta, Delta)
    assert delta.time == time


def test_lists_confirm_what_they_name() -> None:
    venue = CoinbaseExchange()
    session = venue.session()
    venue.subscribe(["A-USD", "B-USD"], session, 0.0)
    both = LIST % '"B-USD","A-USD"'
    assert venue.parse(both, session) == [Subscribed(("B-USD", "A-USD"))]
    venue.unsubscribe(["A-USD"], session, 0.0)
    assert venue.parse(both, session) == [Subscribed(("B-USD", "A-USD"))]
    only = [Subscribed(("B-USD",)), Unsubscribed(("A-USD",))]
    assert venue.parse(LIST % '"B-USD"', session) == only
    assert venue.parse(LIST % '"B-USD"', session) == [Subscribed(("B-USD",))]
    venue.unsubscribe(["B-USD"], session, 0.0)
    nothing = '{"type":"subscriptions","channels":[]}'
    assert venue.parse(nothing, session) == [Unsubscribed(("B-USD",))]


def test_lists_may_name_the_channel_as_it_was_asked_for() -> None:
    text = (LIST % '"B-USD"').replace('"level2"', '"level2_batch"')
    assert parse(text) == [Subscribed(("B-USD",))]


def test_a_refusal_names_the_product_where_the_venue_does() -> None:
    venue = CoinbaseExchange()
    session = venue.session()
    venue.subscribe(["BTC-USD", "NOPE-USD"], session, 0.0)
    reason = "Failed to subscribe: NOPE-USD is not a valid product"
    assert venue.parse(REFUSED, session) == (Rejected(("NOPE-USD",), reason),)
    vague = '{"type":"error","message":"slow down"}'
    assert venue.parse(vague, session) == (Rejected((), "slow down"),)


@pytest.mark.parametrize(
    "text", [HEARTBEAT, '{"type":"ticker","product_id":"A-B","price":"1"}']
)
def test_what_does_not_concern_books_is_ignored(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize("text", [SNAPSHOT, UPDATE, LIST % '"A-B"', REFUSED])
def test_a_cut_frame_is_malformed(text: str) -> None:
    for part in cut(text):
        with pytest.raises(MalformedMessage):
            parse(part)


@pytest.mark.parametrize("numbers", [Decimal, float])
@pytest.mark.parametrize("text", [SNAPSHOT, UPDATE, LIST % '"A-B"', REFUSED, HEARTBEAT])
def test_a_mangled_frame_raises_nothing_else(text: str, numbers: Any) -> None:
    for part in mangled(text):
        try:
            parse(part, venue=CoinbaseExchange(numbers=numbers))
        except MalformedMessage:
            continue


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        pytest.param(UPDATE, '"changes"', '"change"', id="no changes"),
        pytest.param(UPDATE, '"sell"', '"offer"', id="unknown side"),
        pytest.param(UPDATE, ',"660.5"', "", id="no size"),
        pytest.param(UPDATE, '"660.5"', "null", id="size is null"),
        pytest.param(UPDATE, "04-17T", "04-31T", id="no such day"),
        pytest.param(SNAPSHOT, '"bids"', '"buys"', id="no bids"),
        pytest.param(SNAPSHOT, '"12.77"', "[]", id="size is a list"),
    ],
)
def test_a_book_that_does_not_decode_names_its_symbol(
    text: str, old: str, new: str
) -> None:
    assert old in text
    with pytest.raises(MalformedMessage) as caught:
        parse(text.replace(old, new))
    assert caught.value.symbol == "SKL-BTC"


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", "null", b"\xff"])
def test_what_is_nothing_known_is_malformed(text: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(text)


def test_after_an_unreadable_delta_the_next_is_a_gap() -> None:
    venue = CoinbaseExchange()
    session = venue.session()
    for text in (SNAPSHOT, SNAPSHOT.replace("SKL", "ETH")):
        venue.parse(text, session)
    with pytest.raises(MalformedMessage):
        venue.parse(UPDATE.replace("changes", "change"), session)
    assert _prev(venue, session, "SKL") == 2  # the book is at 1
    assert _prev(venue, session, "ETH") == 1
    with pytest.raises(MalformedMessage):
        venue.parse(UPDATE[:-1], session)  # anybody's
    assert _prev(venue, session, "SKL") == 4
    assert _prev(venue, session, "ETH") == 3


def _prev(venue: CoinbaseExchange, session: Any, base: str) -> int:
    (delta,) = venue.parse(UPDATE.replace("SKL", base), session)
    assert isinstance(delta, Delta)
    assert delta.last == delta.prev + 1
    return delta.prev


def test_the_same_frames_give_the_same_messages() -> None:
    venue = CoinbaseExchange()
    frames = (LIST % '"SKL-BTC"', SNAPSHOT, UPDATE, HEARTBEAT, UPDATE, REFUSED)
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue)


def test_instruments_have_steps() -> None:
    venue = CoinbaseExchange()
    (request,) = venue.instrument_requests()
    assert request.path == "/products"
    body = (
        '[{"id":"NMR-EUR","quote_increment":"0.0001","base_increment":"0.001",'
        '"status":"online","trading_disabled":false},'
        '{"id":"OLD-EUR","quote_increment":"0.01","base_increment":"0.1",'
        '"status":"delisted"},'
        '{"id":"OFF-EUR","quote_increment":"0.01","base_increment":"0.1",'
        '"status":"online","trading_disabled":true}]'
    )
    found = venue.parse_instruments(body)
    assert found[0] == Instrument(
        symbol="NMR-EUR", price_step=Decimal("0.0001"), size_step=Decimal("0.001")
    )
    assert [item.active for item in found] == [True, False, False]


@pytest.mark.parametrize(
    "body", ["", "{}", "[5]", '[{"id":"A"}]', '{"message":"NotFound"}']
)
def test_what_lists_no_instruments_is_malformed(body: str) -> None:
    with pytest.raises(MalformedMessage):
        CoinbaseExchange().parse_instruments(body)


def test_facts_are_honest() -> None:
    facts = CoinbaseExchange.facts
    assert facts.source is Source.STREAM
    assert facts.assurance is Assurance.ORDERED
    assert facts.numbering is None
    assert facts.resync is Resync.RESUBSCRIBE


@needs_captures
def test_the_capture_ends_in_the_oracles_books() -> None:
    books = replay_naively(NAME, "coinbase_exchange")
    expected = oracle(NAME)["instruments"]
    assert books.keys() == expected.keys()
    for symbol, book in books.items():
        assert book.digest() == expected[symbol]["full_sha256"]
        assert book.applied == expected[symbol]["deltas"]
        assert book.gaps == []
    assert sum(book.applied for book in books.values()) == 6471


@needs_captures
def test_the_capture_has_the_same_books_in_floats() -> None:
    exact = replay_naively(NAME, "coinbase_exchange")
    fast = replay_naively(NAME, "coinbase_exchange", numbers=float)
    for symbol, book in exact.items():
        for side, levels in book.sides.items():
            rounded = {float(price): float(size) for price, size in levels.items()}
            assert fast[symbol].sides[side] == rounded


@needs_captures
def test_the_capture_is_confirmed_and_its_times_never_go_back() -> None:
    venue = CoinbaseExchange()
    session = venue.session()
    deltas: dict[str, list[Delta]] = {}
    lists: list[Subscribed] = []
    for record in records(NAME):
        if record["dir"] == "out":
            continue
        for message in venue.parse(frame(record), session):
            if isinstance(message, Delta):
                deltas.setdefault(message.symbol, []).append(message)
            elif isinstance(message, Subscribed):
                lists.append(message)
    assert len(lists) == 3
    assert all(set(message.symbols) >= deltas.keys() for message in lists)
    for found in deltas.values():
        assert all(a.last == b.prev for a, b in itertools.pairwise(found))
        times = [delta.time for delta in found if delta.time is not None]
        assert len(times) == len(found)
        assert times == sorted(times)


@needs_captures
def test_the_captures_instruments_have_steps() -> None:
    found = instruments(NAME, CoinbaseExchange())
    assert found.keys() == oracle(NAME)["instruments"].keys()
    assert found["SKL-BTC"] == Instrument(
        symbol="SKL-BTC", price_step=Decimal("1e-8"), size_step=Decimal("0.1")
    )
