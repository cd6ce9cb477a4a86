"""
Coinbase Advanced Trade. Frames: docs.cdp.coinbase.com, api-reference/
advanced-trade-api/websocket/level2.md (read 2026-11), and a third party's of 2026-09.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Lost,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Assurance, Instrument, Numbering, Resync, Source
from booksync.venues.coinbase import Coinbase
from tests.venues.mangle import cut, mangled

TIME = 1788746278.894355  # 2026-09-07T01:57:58.894355Z

# a third party's frame of 2026-09-07, cut to two levels
SNAPSHOT = (
    '{"channel":"l2_data","client_id":"","timestamp":"2026-09-07T01:57:58.894355Z",'
    '"sequence_num":0,"events":[{"type":"snapshot","product_id":"BTC-PERP-INTX",'
    '"updates":[{"side":"offer","event_time":"1970-01-01T00:00:00Z",'
    '"price_level":"79944.1","new_quantity":"1.2"},{"side":"bid",'
    '"event_time":"1970-01-01T00:00:00Z","price_level":"79943.9",'
    '"new_quantity":"3.0105"}]}]}'
)
ACK = (
    '{"channel":"subscriptions","timestamp":"2026-09-07T01:57:58.9Z",'
    '"sequence_num":1,"events":[{"subscriptions":{"level2":["ETH-USD","BTC-USD"]}}]}'
)
HEARTBEAT = (
    '{"channel":"heartbeats","client_id":"","timestamp":"2026-09-07T01:57:59Z",'
    '"sequence_num":2,"events":[{"current_time":"2026-09-07 01:57:59 +0000 UTC",'
    '"heartbeat_counter":3049}]}'
)
ERROR = '{"type":"error","message":"authentication failure"}'


def book(
    number: int, kind: str = "update", *levels: tuple[str, str, str], **more: Any
) -> str:
    product = more.get("product", "A-B")
    return frame(number, (kind, product, levels))


def frame(number: int, *events: Any) -> str:
    return json.dumps(
        {
            "channel": "l2_data",
            "timestamp": "2026-09-07T01:57:58.894355Z",
            "sequence_num": number,
            "events": [
                {
                    "type": kind,
                    "product_id": product,
                    "updates": [
                        {"side": side, "price_level": price, "new_quantity": size}
                        for side, price, size in levels
                    ],
                }
                for kind, product, levels in events
            ],
        }
    )


def beat(number: int) -> str:
    return HEARTBEAT.replace('"sequence_num":2', f'"sequence_num":{number}')


def parse(*frames: str | bytes, venue: Coinbase | None = None) -> list[Message]:
    venue = venue or Coinbase()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


BID = ("bid", "1.0", "2")
OFFER = ("offer", "1.1", "0.00")


def test_subscribe_and_unsubscribe_are_as_documented() -> None:
    venue = Coinbase()
    session = venue.session()
    assert venue.greet(session, 0.0) == ['{"type":"subscribe","channel":"heartbeats"}']
    (asked,) = venue.subscribe(["ETH-USD", "BTC-USD"], session, 0.0)
    assert asked == (
        '{"type":"subscribe","product_ids":["ETH-USD","BTC-USD"],"channel":"level2"}'
    )
    (ended,) = venue.unsubscribe(["ETH-USD"], session, 0.0)
    assert ended == (
        '{"type":"unsubscribe","product_ids":["ETH-USD"],"channel":"level2"}'
    )


def test_many_symbols_are_split_over_frames() -> None:
    venue = Coinbase()
    names = [f"A{number}-USD" for number in range(12)]
    frames = venue.subscribe(names, venue.session(), 0.0)
    asked = [json.loads(text)["product_ids"] for text in frames]
    assert [len(part) for part in asked] == [10, 2]
    assert asked[0] + asked[1] == names


def test_symbols_are_upper_case() -> None:
    assert Coinbase.prepare("eth-usd") == "ETH-USD"
    venue = Coinbase()
    assert venue.stream_url(venue.WS_URL) == "wss://advanced-trade-ws.coinbase.com"


@pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "binary"])
def test_a_snapshot_is_the_whole_book(kind: Any) -> None:
    assert parse(kind(SNAPSHOT)) == [
        Snapshot(
            "BTC-PERP-INTX", 0, [("79943.9", "3.0105")], [("79944.1", "1.2")], time=TIME
        )
    ]


def test_deltas_chain_over_the_frames_of_others() -> None:
    found = parse(
        book(0, "snapshot", BID),
        book(1, "snapshot", BID, product="C-D"),
        book(2, "update", OFFER, BID),
        beat(3),
        book(4, "update", product="C-D"),
        book(5, "update"),
    )
    assert found == [
        Snapshot("A-B", 0, [("1.0", "2")], [], time=TIME),
        Snapshot("C-D", 1, [("1.0", "2")], [], time=TIME),
        Delta("A-B", 0, 2, [("1.0", "2")], [("1.1", "0.00")], TIME),
        Delta("C-D", 1, 4, [], [], TIME),
        Delta("A-B", 2, 5, [], [], TIME),
    ]


def test_one_frame_may_hold_several_products() -> None:
    first = frame(0, ("snapshot", "A-B", [BID]), ("snapshot", "C-D", [OFFER]))
    second = frame(1, ("update", "C-D", [BID]), ("update", "A-B", [OFFER]))
    numbers = [
        (m.symbol, m.sequence)
        if isinstance(m, Snapshot)
        else (m.symbol, m.prev, m.last)
        for m in parse(first, second)
        if isinstance(m, Snapshot | Delta)
    ]
    assert numbers == [("A-B", 0), ("C-D", 0), ("C-D", 0, 1), ("A-B", 0, 1)]


def test_several_events_of_one_product_are_one_delta_in_order() -> None:
    later = ("bid", "1.0", "5")
    text = frame(7, ("update", "A-B", [BID, OFFER]), ("update", "A-B", [later]))
    assert parse(book(6, "snapshot"), text)[1:] == [
        Delta("A-B", 6, 7, [("1.0", "2"), ("1.0", "5")], [("1.1", "0.00")], TIME)
    ]


def test_a_snapshot_and_its_delta_in_one_frame_stay_two() -> None:
    old = ("update", "A-B", [("bid", "9", "9")])
    text = frame(7, old, ("snapshot", "A-B", [BID]), ("update", "A-B", [OFFER]))
    found = parse(text, book(8, "update"))
    assert found == [
        Snapshot("A-B", 6, [("1.0", "2")], [], time=TIME),
        Delta("A-B", 6, 7, [], [("1.1", "0.00")], TIME),
        Delta("A-B", 7, 8, [], [], TIME),
    ]


def test_floats_are_decoded_as_floats() -> None:
    (snapshot,) = parse(SNAPSHOT, venue=Coinbase(numbers=float))
    assert isinstance(snapshot, Snapshot)
    assert snapshot.bids == [(79943.9, 3.0105)]
    assert all(type(number) is float for level in snapshot.asks for number in level)


# -- the count of the connection ------------------------------------------------------


def test_vector_19_a_hole_in_any_channel_is_lost_for_all() -> None:
    """Numbers 0 snapshot, 1 acknowledgement, 2 heartbeat, 4 delta (venues/README B)."""
    found = parse(book(0, "snapshot"), ACK, HEARTBEAT, book(4))
    assert [type(message) for message in found] == [Snapshot, Subscribed, Lost, Delta]
    assert found[2] == Lost(3, 4)


@pytest.mark.parametrize(
    "late", [beat(3), ACK.replace('m":1', 'm":3')], ids=["heartbeat", "ack"]
)
def test_the_hole_shows_itself_on_any_frame(late: str) -> None:
    found = parse(book(0, "snapshot"), late)
    assert found[1] == Lost(1, 3)


def test_after_a_loss_the_count_goes_on_from_the_newest() -> None:
    found = parse(book(0, "snapshot"), book(3), beat(4), book(5))
    assert [type(message) for message in found] == [Snapshot, Lost, Delta, Delta]
    deltas = [message for message in found if isinstance(message, Delta)]
    assert [(delta.prev, delta.last) for delta in deltas] == [(2, 3), (3, 5)]


def test_the_first_number_may_be_any() -> None:
    assert parse(beat(17), book(18, "snapshot")) == [
        Snapshot("A-B", 18, [], [], time=TIME)
    ]


def test_repeats_and_older_frames_are_dropped() -> None:
    found = parse(book(0, "snapshot"), book(1, "update", BID), book(1), beat(0), ACK)
    assert [type(message) for message in found] == [Snapshot, Delta]
    assert parse(book(0, "snapshot"), beat(0), book(1))[1:] == [
        Delta("A-B", 0, 1, [], [], TIME)
    ]


def test_a_count_that_starts_again_is_a_loss_before_long() -> None:
    """A hundred old numbers in a row (venues/README A: the safety net)."""
    frames = [book(1000, "snapshot"), *(beat(number) for number in range(100))]
    assert len(parse(*frames)) == 1
    found = parse(*frames, book(100), book(101))
    assert found[1:] == [
        Lost(1001, 100),
        Delta("A-B", 99, 100, [], [], TIME),
        Delta("A-B", 100, 101, [], [], TIME),
    ]
    again = parse(*frames[:100], beat(1001), *frames[1:])
    assert len(again) == 1  # not in a row


def test_an_unreadable_book_shows_itself_on_the_next_frame() -> None:
    venue = Coinbase()
    session = venue.session()
    venue.parse(book(0, "snapshot"), session)
    with pytest.raises(MalformedMessage) as caught:
        venue.parse(book(1, "update", ("ask", "1", "1")), session)
    assert caught.value.symbol == "A-B"
    assert venue.parse(beat(2), session) == [Lost(1, 2)]


# -- control --------------------------------------------------------------------------


def test_acknowledgements_name_the_products() -> None:
    assert parse(ACK) == [Subscribed(("ETH-USD", "BTC-USD"))]
    venue = Coinbase()
    session = venue.session()
    venue.unsubscribe(["ETH-USD"], session, 0.0)
    without = ACK.replace('"ETH-USD",', "")
    assert venue.parse(without, session) == [
        Subscribed(("BTC-USD",)),
        Unsubscribed(("ETH-USD",)),
    ]


def test_an_acknowledgement_of_heartbeats_ends_nothing() -> None:
    text = ACK.replace('"level2":["ETH-USD","BTC-USD"]', '"heartbeats":["heartbeats"]')
    venue = Coinbase()
    session = venue.session()
    venue.subscribe(["ETH-USD"], session, 0.0)
    assert venue.parse(text, session) == []


def test_the_book_of_a_usdc_product_comes_by_the_name_of_usd() -> None:
    venue = Coinbase()
    session = venue.session()
    (asked,) = venue.subscribe(["BTC-USDC", "USDT-USDC", "ETH-USD"], session, 0.0)
    assert json.loads(str(asked))["product_ids"] == ["BTC-USDC", "USDT-USDC", "ETH-USD"]
    names = ["BTC-USD", "USDT-USDC", "ETH-USD"]
    text = frame(0, *(("snapshot", name, ()) for name in names))
    found = [message.symbol for message in venue.parse(text, session)]  # type: ignore[union-attr]
    assert found == ["BTC-USDC", "USDT-USDC", "ETH-USD"]
    ack = ACK.replace('"ETH-USD","BTC-USD"', '"BTC-USD"')
    assert venue.parse(ack, session) == [Subscribed(("BTC-USDC",))]


def test_a_usdc_market_of_its_own_is_not_the_usd_market() -> None:
    venue = Coinbase()
    session = venue.session()
    names = ["USDT-USDC", "USDT-USD", "EURC-USDC", "EURC-USD"]
    venue.subscribe(names, session, 0.0)
    text = frame(0, *(("snapshot", name, ()) for name in names))
    assert [message.symbol for message in venue.parse(text, session)] == names  # type: ignore[union-attr]


def test_both_names_of_one_book_are_served() -> None:
    venue = Coinbase()
    session = venue.session()
    venue.subscribe(["BTC-USD", "BTC-USDC"], session, 0.0)
    venue.parse(book(0, "snapshot", product="BTC-USD"), session)
    found = venue.parse(book(1, "update", BID, product="BTC-USD"), session)
    assert found == [
        Delta("BTC-USD", 0, 1, [("1.0", "2")], [], TIME),
        Delta("BTC-USDC", 0, 1, [("1.0", "2")], [], TIME),
    ]


def test_errors_are_told_and_do_not_count() -> None:
    found = parse(book(0, "snapshot"), ERROR, book(1))
    assert found[1] == Rejected((), "authentication failure")
    assert isinstance(found[2], Delta)
    assert len(found) == 3


def test_other_channels_only_count() -> None:
    assert parse(beat(0), '{"channel":"ticker","sequence_num":1,"events":[{}]}') == []


# -- malformed ------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SNAPSHOT, ACK, HEARTBEAT])
def test_a_cut_frame_is_malformed(text: str) -> None:
    for part in cut(text):
        with pytest.raises(MalformedMessage):
            parse(part)


@pytest.mark.parametrize("numbers", [Decimal, float])
@pytest.mark.parametrize("text", [SNAPSHOT, ACK, HEARTBEAT, ERROR])
def test_a_mangled_frame_raises_nothing_else(text: str, numbers: Any) -> None:
    for part in mangled(text):
        try:
            parse(part, venue=Coinbase(numbers=numbers))
        except MalformedMessage:
            continue


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"sequence_num":0,', "", id="no number"),
        pytest.param('"snapshot"', '"sketch"', id="unknown type"),
        pytest.param('"offer"', '"sell"', id="unknown side"),
        pytest.param('"new_quantity":"1.2"', '"new_quantity":null', id="no size"),
        pytest.param('"updates"', '"changes"', id="no levels"),
        pytest.param("58.894355Z", "58.894355", id="time without zone"),
    ],
)
def test_a_book_that_does_not_decode_names_its_symbol(old: str, new: str) -> None:
    assert old in SNAPSHOT
    with pytest.raises(MalformedMessage) as caught:
        parse(SNAPSHOT.replace(old, new))
    assert caught.value.symbol == "BTC-PERP-INTX"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", "{}", "null", b"\xff", '{"sequence_num":0}', beat(-1), book(-1)],
)
def test_what_is_nothing_known_is_malformed(text: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(text)


def test_the_same_frames_give_the_same_messages() -> None:
    venue = Coinbase()
    frames = (book(0, "snapshot", BID), ACK, HEARTBEAT, book(4), book(4), ERROR)
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue)


# -- instruments ----------------------------------------------------------------------


def test_instruments_have_steps() -> None:
    venue = Coinbase()
    (request,) = venue.instrument_requests()
    assert request.path == "/api/v3/brokerage/market/products"
    body = (
        '{"products":[{"product_id":"BTC-USD","price_increment":"0.01",'
        '"base_increment":"0.00000001","status":"online"},{"product_id":"OLD-USD",'
        '"price_increment":"0.1","base_increment":"1","is_disabled":true}],'
        '"num_products":2}'
    )
    assert venue.parse_instruments(body) == [
        Instrument(
            symbol="BTC-USD", price_step=Decimal("0.01"), size_step=Decimal("1e-8")
        ),
        Instrument(
            symbol="OLD-USD",
            price_step=Decimal("0.1"),
            size_step=Decimal(1),
            active=False,
        ),
    ]
    for wrong in ("", "[]", "{}", '{"products":[{"product_id":"A"}]}'):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(wrong)


def test_facts_are_honest() -> None:
    facts = Coinbase.facts
    assert facts.source is Source.STREAM
    assert facts.assurance is Assurance.COUNTED
    assert facts.numbering is Numbering.CONNECTION
    assert facts.resync is Resync.RESUBSCRIBE
    assert facts.verified == ""
