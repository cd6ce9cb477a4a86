"""
BitMEX against its sheet and recorded frames.

SHEET frames restate www.bitmex.com/app/wsAPI and nautilus' notes of rows since 2023;
RECORDED ones are of cryptofeed's sample of 2021-07-22, shortened. Read 2026-11.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Rejected, Snapshot, Subscribed, Unsubscribed
from booksync.venues.bitmex import Bitmex
from booksync.venues.declared import Requests
from tests.captures import (
    NaiveBook,
    frame,
    instruments,
    needs_captures,
    oracle,
    records,
    replay_naively,
)

CAPTURE = "bitmex_20210722"
PARTIAL = (  # RECORDED, three rows
    '{"table":"orderBookL2","action":"partial","keys":["symbol","id","side"],'
    '"types":{"symbol":"symbol","id":"long","side":"symbol","size":"long",'
    '"price":"float"},"filter":{"symbol":"XRPU21"},"data":['
    '{"symbol":"XRPU21","id":56799989301,"side":"Sell","size":3000,"price":0.00010699},'
    '{"symbol":"XRPU21","id":56799992101,"side":"Sell","size":4000,"price":0.00007899},'
    '{"symbol":"XRPU21","id":56799998186,"side":"Buy","size":5000,"price":1.814e-05}]}'
)
SELL, BUY = 56799989301, 56799998186


def rows(action, *found, table="orderBookL2"):
    data = [{"symbol": "XRPU21", **row} for row in found]
    return json.dumps({"table": table, "action": action, "data": data})


def row(number, side="Sell", **more):
    return {"id": number, "side": side, **more}


def parse(*frames, venue=None, session=None):
    venue = venue or Bitmex()
    session = venue.session() if session is None else session
    return [message for raw in frames for message in venue.parse(raw, session)]


def live():
    venue = Bitmex()
    session = venue.session()
    venue.parse(PARTIAL, session)
    return session


def levels(*pairs):
    return [(Decimal(price), Decimal(size)) for price, size in pairs]


def test_partial_is_a_snapshot():
    assert parse(PARTIAL) == [
        Snapshot(
            symbol="XRPU21",
            sequence=1,
            bids=levels(("0.00001814", "5000")),
            asks=levels(("0.00010699", "3000"), ("0.00007899", "4000")),
        )
    ]


def test_partial_of_the_best_25_says_so():
    (snapshot,) = parse(PARTIAL.replace("orderBookL2", "orderBookL2_25"))
    assert snapshot.depth == 25


def test_empty_partial_is_named_by_its_filter():
    raw = (
        '{"table":"orderBookL2","action":"partial","filter":{"symbol":"XRPU21"},'
        '"data":[]}'
    )
    assert parse(raw) == [Snapshot("XRPU21", 1, [], [])]


@pytest.mark.parametrize(
    ("raw", "bids", "asks"),
    [
        pytest.param(
            rows("insert", row(7, "Buy", size=10, price=2e-05)),
            [("0.00002", "10")],
            [],
            id="insert",
        ),
        pytest.param(
            rows("update", row(SELL, size=12)),
            [],
            [("0.00010699", "12")],
            id="update without price, as of 2021",
        ),
        pytest.param(
            rows("update", row(SELL, size=12, price=0.00010699)),
            [],
            [("0.00010699", "12")],
            id="update with price, since 2023",
        ),
        pytest.param(
            rows("update", row(SELL, size=12, price=0.5)),
            [],
            [("0.00010699", "0"), ("0.5", "12")],
            id="update that moves the price",
        ),
        pytest.param(
            rows("delete", row(BUY, "Buy")),
            [("0.00001814", "0")],
            [],
            id="delete without size",
        ),
        pytest.param(
            rows("delete", row(BUY, "Buy", size=5000, price=1.814e-05)),
            [("0.00001814", "0")],
            [],
            id="delete with a size that is not zero",
        ),
        pytest.param(
            rows("delete", row(SELL), row(56799992101)),
            [],
            [("0.00010699", "0"), ("0.00007899", "0")],
            id="several rows",
        ),
    ],
)
def test_delta(raw, bids, asks):
    assert parse(raw, session=live()) == [
        Delta("XRPU21", 1, 2, levels(*bids), levels(*asks))
    ]


def test_time_is_that_of_the_rows():
    at = "2026-09-22T22:36:07.500Z"
    (delta,) = parse(rows("update", row(SELL, size=1, timestamp=at)), session=live())
    assert delta.time == 1790116567.5


def test_ids_of_both_sides_are_apart():
    found = parse(rows("insert", row(BUY, size=1, price=0.5)), session=live())
    assert found == [Delta("XRPU21", 1, 2, [], levels(("0.5", "1")))]


def test_key_is_free_again_after_its_delete():
    session = live()
    parse(rows("delete", row(SELL)), session=session)
    (delta,) = parse(rows("insert", row(SELL, size=1, price=0.5)), session=session)
    assert (delta.prev, delta.last) == (2, 3)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(rows("insert", row(SELL, size=1, price=1)), id="known insert"),
        pytest.param(rows("update", row(7, size=1)), id="unknown update"),
        pytest.param(rows("update", row(SELL, "Buy", size=1)), id="other side"),
        pytest.param(rows("update", row(7, size=1, price=5)), id="with a price"),
        pytest.param(rows("delete", row(7)), id="unknown delete"),
        pytest.param(rows("delete", row(SELL), row(SELL)), id="deleted twice"),
        pytest.param(rows("insert", row(7, size=1)), id="insert without price"),
    ],
)
def test_contradiction_can_not_match_until_the_next_partial(raw):
    session = live()
    book = NaiveBook()
    book.load(parse(PARTIAL, session=session)[0])
    before = book.digest()
    found = parse(raw, rows("update", row(SELL, size=9)), session=session)
    for delta in found:
        book.take(delta)
    assert len(book.gaps) == 2
    assert book.digest() == before
    (snapshot,) = parse(PARTIAL, session=session)
    assert snapshot.sequence > found[-1].last
    book.load(snapshot)
    (delta,) = parse(rows("update", row(SELL, size=9)), session=session)
    book.take(delta)
    assert len(book.gaps) == 2
    assert book.sides["a"][Decimal("0.00010699")] == 9


def test_rows_before_the_partial_are_discarded():
    assert parse(rows("update", row(SELL, size=9))) == []
    assert parse(rows("update"), session=live()) == []


def test_requests_are_those_of_the_sheet():
    venue = Bitmex(options={"table": "orderBookL2_25"})
    assert venue.subscribe(["XBTUSD"], Requests(), 0.0) == [
        '{"op":"subscribe","args":["orderBookL2_25:XBTUSD"]}'
    ]
    assert Bitmex().subscribe(["XBTUSD", "ETHUSD"], Requests(), 0.0) == [
        '{"op":"subscribe","args":["orderBookL2:XBTUSD"]}',
        '{"op":"subscribe","args":["orderBookL2:ETHUSD"]}',
    ]
    assert venue.unsubscribe(["XBTUSD"], Requests(), 0.0) == [
        '{"op":"unsubscribe","args":["orderBookL2_25:XBTUSD"]}'
    ]
    assert venue.ping({}, 0.0) == "ping"
    assert venue.heartbeat.interval == 5.0


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"success":true,"subscribe":"orderBookL2_25:XBTUSD","request":{"op":'
            '"subscribe","args":["orderBookL2_25:XBTUSD"]}}',
            [Subscribed(("XBTUSD",))],
            id="subscribed",
        ),
        pytest.param(
            '{"success":true,"unsubscribe":"orderBookL2:XBTUSD","request":{}}',
            [Unsubscribed(("XBTUSD",))],
            id="unsubscribed",
        ),
        pytest.param(
            '{"success":true,"subscribe":"quote:XBTUSD","request":{}}',
            [],
            id="another table's answer",
        ),
        pytest.param(
            '{"status":400,"error":"Unknown table: x","meta":{},"request":{"op":'
            '"subscribe","args":["orderBookL2:NOPE"]}}',
            [Rejected(("NOPE",), "Unknown table: x")],
            id="error",
        ),
        pytest.param(
            '{"status":400,"error":"e","request":{"args":"orderBookL2:NOPE"}}',
            [Rejected(("NOPE",), "e")],
            id="error of a request with plain text",
        ),
        pytest.param(
            '{"status":400,"error":"e","request":{"args":["orderBookL2:A","x:B"]}}',
            [Rejected((), "e")],
            id="error that does not say which",
        ),
        pytest.param(
            '{"status":400,"error":"e"}', [Rejected((), "e")], id="bare error"
        ),
        pytest.param('{"status":429,"error":"e"}', [], id="too many requests"),
        pytest.param(
            '{"info":"Welcome to the BitMEX Realtime API.","version":"2021",'
            '"timestamp":"2021-07-22T22:36:07.865Z","limit":{"remaining":39}}',
            [],
            id="greeting",
        ),
        pytest.param("pong", [], id="pong"),
        pytest.param(b"pong", [], id="binary pong"),
        pytest.param(
            '{"table":"quote","action":"insert","data":[{"symbol":"XRPU21"}]}',
            [],
            id="another table",
        ),
    ],
)
def test_other_frames(raw, expected):
    assert parse(raw, session=live()) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "[]",
        "ping",
        "{}",
        PARTIAL[:-10],
        '{"table":"orderBookL2","action":"partial","data":[]}',
        '{"table":"orderBookL2","action":"partial","filter":{},"data":[]}',
        '{"table":"orderBookL2","action":"partial","data":5}',
        '{"table":5}',
        b"\xff",
    ],
)
def test_malformed_frame(raw):
    with pytest.raises(MalformedMessage):
        parse(raw, session=live())


@pytest.mark.parametrize(
    "raw",
    [
        rows("other", row(SELL, size=1)),
        rows("update", row(SELL)),
        rows("update", row("x", size=1)),
        rows("update", row(SELL, "Both", size=1)),
        rows("update", row(SELL, size="x")),
        rows("update", {"id": SELL}),
        rows("update", row(SELL, size=1, timestamp="2026-09-22T22:36:07")),
        rows("update", row(SELL, size=1), row(SELL, size=1, symbol="OTHER")),
        rows("update", row(SELL, size=7), row(SELL)),
        rows("partial", row(SELL, size=1)),
        rows("partial", row(SELL, price=1)),
    ],
)
def test_malformed_rows_name_their_symbol_and_can_not_be_passed_over(raw):
    session = live()
    with pytest.raises(MalformedMessage) as caught:
        parse(raw, session=session)
    assert caught.value.symbol == "XRPU21"
    (delta,) = parse(rows("update", row(SELL, size=9)), session=session)
    assert delta.prev > 1


@pytest.mark.parametrize("symbol", [7, "", "XRPU2!"])
def test_malformed_rows_of_nobody_known_may_be_anybodys(symbol):
    session = live()
    with pytest.raises(MalformedMessage):
        parse(rows("update", row(SELL, size="x", symbol=symbol)), session=session)
    (delta,) = parse(rows("update", row(SELL, size=9)), session=session)
    assert delta.prev > 1


def test_malformed_rows_before_any_partial():
    session = Bitmex().session()
    with pytest.raises(MalformedMessage):
        parse(rows("update", row(SELL, size="x")), session=session)
    assert session.ladders == {}


def test_same_frames_give_the_same_messages():
    frames = [PARTIAL, rows("update", row(SELL, size=9)), rows("delete", row(7))]
    assert parse(*frames) == parse(*frames)
    assert parse(*frames) == parse(*(raw.encode() for raw in frames))


def test_floats():
    venue = Bitmex(numbers=float)
    found = parse(PARTIAL, rows("delete", row(SELL)), venue=venue)
    assert found[0].bids == [(1.814e-05, 5000.0)]
    assert found[1].asks == [(0.00010699, 0.0)]


@needs_captures
def test_final_books_of_the_capture():
    books = replay_naively(CAPTURE, "bitmex")
    expected = oracle(CAPTURE)["instruments"]
    assert len(books) == len(expected) == 10
    for symbol, book in books.items():
        assert book.digest() == expected[symbol]["full_sha256"], symbol
        assert book.gaps == []
        assert book.applied == expected[symbol]["deltas"]
    assert sum(book.applied for book in books.values()) == 1969


@needs_captures
def test_floats_give_the_same_levels():
    exact = replay_naively(CAPTURE, "bitmex")
    for symbol, book in replay_naively(CAPTURE, "bitmex", numbers=float).items():
        for side in "ba":
            wanted = {float(p): float(s) for p, s in exact[symbol].sides[side].items()}
            found = {float(p): float(s) for p, s in book.sides[side].items()}
            assert found == wanted


@needs_captures
def test_missing_insert_is_noticed_when_its_key_is_next_named():
    """The only loss that can be seen; most others can't, and the facts say so."""
    inbound = [frame(item) for item in records(CAPTURE) if item["dir"] == "in"]
    tables = [json.loads(raw) for raw in inbound]
    named: dict[tuple[str, str, int], int] = {}
    noticed = 0
    for at, table in enumerate(tables):
        if table.get("table") != "orderBookL2" or table["action"] == "partial":
            continue
        for item in table["data"]:
            key = (item["symbol"], item["side"], item["id"])
            if key in named and table["action"] in {"update", "delete"}:
                removed = named.pop(key)
                if noticed >= 12:
                    continue
                noticed += 1
                kept = [*inbound[:removed], *inbound[removed + 1 : at + 1]]
                last = parse(*kept)[-1]
                assert (last.bids, last.asks) == ((), ())
            if table["action"] == "insert":
                named[key] = at
    assert noticed == 12


@needs_captures
def test_instruments_of_the_capture():
    found = instruments(CAPTURE, Bitmex())
    assert set(oracle(CAPTURE)["instruments"]) == set(found)
    assert found["XRPU21"].price_step == Decimal("0.00000001")
    assert found["TRXU21"].price_step == Decimal("0.0000000001")
    assert found["TRXU21"].size_step == 100
    assert found["XBTUSD"].active


def test_instruments():
    venue = Bitmex()
    (request,) = venue.instrument_requests()
    assert request.path == "/api/v1/instrument/active"
    (item,) = venue.parse_instruments('[{"symbol":".BXBT","state":"Unlisted"}]')
    assert (item.price_step, item.active) == (None, False)
    for body in ("", "{}", '[{"symbol":5}]'):
        with pytest.raises(MalformedMessage):
            venue.parse_instruments(body)
