"""
Kraken spot v2. Frames: docs.kraken.com/exchange/api-reference/spot-websocket-v2/book
and guides/websockets/book-checksum-v2.md (read 2026-11), the capture of 2023-07-30.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import (
    Delta,
    Halted,
    Message,
    Rejected,
    Resumed,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Assurance, Instrument, Resync, Source
from booksync.venues.kraken import Kraken
from tests.captures import (
    NaiveBook,
    frame,
    instruments,
    needs_captures,
    oracle,
    records,
    replay_naively,
)
from tests.venues.mangle import cut, mangled

NAME = "kraken_v2_spot_btcusd_20230730"

# the documentation's shape, 2026-10-06, two levels a side
SNAPSHOT = (
    '{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD",'
    '"bids":[{"price":85600.4,"qty":0.20401971},{"price":85599.6,"qty":0.04385864}],'
    '"asks":[{"price":85600.5,"qty":0.90679198},{"price":85601.6,"qty":0.21608516}],'
    '"checksum":817831036,"timestamp":"2026-10-06T08:04:57.750392Z"}]}'
)
# recorded 2023-07-30
UPDATE = (
    '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],'
    '"asks":[{"price":29431.1,"qty":0.0},{"price":29433.3,"qty":0.8}],'
    '"checksum":3547452596,"timestamp":"2023-07-30T15:29:58.343415Z"}]}'
)
ACK = (
    '{"method":"subscribe","result":{"channel":"book","depth":10,"snapshot":true,'
    '"symbol":"BTC/USD"},"success":true,"time_in":"2026-10-06T08:04:57.7Z",'
    '"time_out":"2026-10-06T08:04:57.7Z","req_id":1}'
)
UNSUBSCRIBED = (
    '{"method":"unsubscribe","result":{"channel":"book","depth":10,'
    '"symbol":"BTC/USD"},"success":true,"req_id":2}'
)
# docs.kraken.com, spot-websocket-v2 (another channel's example), read 2026-11
REFUSED = (
    '{"method":"subscribe","success":false,"error":"Currency pair not supported '
    'XBT/USD","symbol":"XBT/USD","req_id":1}'
)
STATUS = (
    '{"channel":"status","type":"update","data":[{"version":"2.0.10",'
    '"system":"%s","api_version":"v2","connection_id":13834774380200032777}]}'
)
HEARTBEAT = '{"channel":"heartbeat"}'
PONG = '{"method":"pong","req_id":101,"time_in":"…","time_out":"…"}'

# guides/websockets/book-checksum-v2.md, read 2026-11
GUIDE_ASKS = [
    ("45285.2", "0.00100000"), ("45286.4", "1.54571953"), ("45286.6", "1.54571109"),
    ("45289.6", "1.54560911"), ("45290.2", "0.15890660"), ("45291.8", "1.54553491"),
    ("45294.7", "0.04454749"), ("45296.1", "0.35380000"), ("45297.5", "0.09945542"),
    ("45299.5", "0.18772827"),
]  # fmt: skip
GUIDE_BIDS = [
    ("45283.5", "0.10000000"), ("45283.4", "1.54582015"), ("45282.1", "0.10000000"),
    ("45281.0", "0.10000000"), ("45280.3", "1.54592586"), ("45279.0", "0.07990000"),
    ("45277.6", "0.03310103"), ("45277.5", "0.30000000"), ("45277.3", "1.54602737"),
    ("45276.6", "0.15445238"),
]  # fmt: skip
GUIDE = 3310070434


def parse(*frames: str | bytes, venue: Kraken | None = None) -> list[Message]:
    venue = venue or Kraken()
    session = venue.session()
    return [message for text in frames for message in venue.parse(text, session)]


def subscribed(*symbols: str) -> tuple[Kraken, Any]:
    venue = Kraken()
    session = venue.session()
    venue.subscribe(symbols, session, 0.0)
    return venue, session


# -- frames out -----------------------------------------------------------------------


def test_subscribe_and_unsubscribe_are_as_documented() -> None:
    venue = Kraken()
    session = venue.session()
    (asked,) = venue.subscribe(["BTC/USD", "ETH/USD"], session, 0.0)
    assert asked == (
        '{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD",'
        '"ETH/USD"],"depth":10,"snapshot":true},"req_id":1}'
    )
    (ended,) = venue.unsubscribe(["BTC/USD"], session, 0.0)
    assert ended == (
        '{"method":"unsubscribe","params":{"channel":"book","symbol":["BTC/USD"],'
        '"depth":10},"req_id":2}'
    )
    assert venue.ping(session, 0.0) == '{"method":"ping","req_id":3}'


def test_many_symbols_are_split_over_frames() -> None:
    venue = Kraken()
    names = [f"A{number}/USD" for number in range(120)]
    frames = venue.subscribe(names, venue.session(), 0.0)
    asked = [json.loads(text) for text in frames]
    assert [len(request["params"]["symbol"]) for request in asked] == [50, 50, 20]
    assert [name for one in asked for name in one["params"]["symbol"]] == names
    assert [request["req_id"] for request in asked] == [1, 2, 3]


def test_the_depth_is_subscribed_and_kept() -> None:
    venue = Kraken(depth=100)
    (request,) = venue.subscribe(["BTC/USD"], venue.session(), 0.0)
    assert json.loads(request)["params"]["depth"] == 100
    assert venue.keep == 100
    assert Kraken().keep == 10
    with pytest.raises(ConfigurationError, match="10, 25, 100, 500, 1000"):
        Kraken(depth=50)


def test_symbols_keep_their_case() -> None:
    assert Kraken.prepare("AAPLx/USD") == "AAPLx/USD"


def test_the_url_names_the_version() -> None:
    assert Kraken().stream_url(Kraken.WS_URL) == "wss://ws.kraken.com/v2"


# -- books ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "binary"])
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_a_snapshot_is_the_best_levels(kind: Any, numbers: Any) -> None:
    assert parse(kind(SNAPSHOT), venue=Kraken(numbers=numbers)) == [
        Snapshot(
            "BTC/USD",
            1,
            [
                (Decimal("85600.4"), Decimal("0.20401971")),
                (Decimal("85599.6"), Decimal("0.04385864")),
            ],
            [
                (Decimal("85600.5"), Decimal("0.90679198")),
                (Decimal("85601.6"), Decimal("0.21608516")),
            ],
            depth=10,
            time=1791273897.750392,
            checksum=817831036,
        )
    ]


def test_deltas_are_numbered_in_order_and_carry_their_checksum() -> None:
    first, second, third = parse(UPDATE, UPDATE, UPDATE.replace("BTC", "ETH"))
    assert first == Delta(
        "BTC/USD",
        0,
        1,
        [],
        [
            (Decimal("29431.1"), Decimal("0.0")),
            (Decimal("29433.3"), Decimal("0.8")),
        ],
        1690730998.343415,
        3547452596,
    )
    assert isinstance(second, Delta)
    assert isinstance(third, Delta)
    assert (second.prev, second.last) == (1, 2)
    assert (third.symbol, third.prev, third.last) == ("ETH/USD", 0, 1)


def test_a_later_snapshot_goes_on_counting() -> None:
    first, delta, again, after = parse(SNAPSHOT, UPDATE, SNAPSHOT, UPDATE)
    assert isinstance(first, Snapshot)
    assert isinstance(delta, Delta)
    assert isinstance(again, Snapshot)
    assert isinstance(after, Delta)
    assert (first.sequence, delta.prev, delta.last) == (1, 1, 2)
    assert (again.sequence, after.prev, after.last) == (3, 3, 4)


def test_zeros_at_the_end_of_a_number_are_kept() -> None:
    text = SNAPSHOT.replace("0.20401971", "0.10000000").replace("85600.4", "5.1e-05")
    (snapshot,) = parse(text)
    assert isinstance(snapshot, Snapshot)
    price, size = snapshot.bids[0]
    assert format(size, "f") == "0.10000000"
    assert format(price, "f") == "0.000051"


def test_older_frames_have_no_time_and_one_frame_may_hold_two_books() -> None:
    document = json.loads(SNAPSHOT)
    del document["data"][0]["timestamp"]
    document["data"].append({**document["data"][0], "symbol": "ETH/USD"})
    found = parse(json.dumps(document))
    assert [(type(book), book.symbol, book.time) for book in found] == [  # type: ignore[union-attr]
        (Snapshot, "BTC/USD", None),
        (Snapshot, "ETH/USD", None),
    ]


# -- checksum -------------------------------------------------------------------------


def test_the_guides_example_has_the_guides_checksum() -> None:
    assert Kraken().checksum(GUIDE_BIDS, GUIDE_ASKS, "BTC/USD") == GUIDE


def test_only_the_best_ten_levels_count() -> None:
    deeper = [*GUIDE_BIDS, ("45276.5", "1.00000000")]
    assert Kraken().checksum(deeper, GUIDE_ASKS, "BTC/USD") == GUIDE
    assert Kraken().checksum_levels == 10


def test_known_precisions_put_zeros_back() -> None:
    known = Instrument(symbol="BTC/USD", extra={"digits": (1, 8)})
    venue = Kraken(instruments={"BTC/USD": known})
    bids = [(price.removesuffix(".0"), _short(size)) for price, size in GUIDE_BIDS]
    asks = [(price, _short(size)) for price, size in GUIDE_ASKS]
    assert ("45281", "0.1") in bids
    assert venue.checksum(bids, asks, "BTC/USD") == GUIDE
    assert venue.checksum(GUIDE_BIDS, GUIDE_ASKS, "BTC/USD") == GUIDE
    assert Kraken().checksum(bids, asks, "BTC/USD") != GUIDE


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".")


# -- control --------------------------------------------------------------------------


def test_acknowledgements_name_the_symbol() -> None:
    assert parse(ACK) == [Subscribed(("BTC/USD",))]
    assert parse(UNSUBSCRIBED) == [Unsubscribed(("BTC/USD",))]
    assert parse(ACK.replace('"book"', '"ticker"')) == []


def test_a_refusal_names_the_symbol() -> None:
    venue, session = subscribed("XBT/USD", "ETH/USD")
    refused = Rejected(("XBT/USD",), "Currency pair not supported XBT/USD")
    assert venue.parse(REFUSED, session) == (refused,)
    unnamed = REFUSED.replace('"symbol":"XBT/USD",', "")
    assert venue.parse(unnamed, session) == (refused,)
    vague = '{"method":"subscribe","success":false,"error":"No"}'
    assert venue.parse(vague, session) == (Rejected((), "No"),)
    silent = '{"method":"subscribe","success":false}'
    assert venue.parse(silent, session) == (Rejected((), "refused"),)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"Error":"Exceeded msg rate"}', id="flood"),
        pytest.param(REFUSED.replace("Currency", "Exceeded msg rate"), id="too fast"),
        pytest.param(REFUSED.replace('"subscribe"', '"unsubscribe"'), id="not there"),
        pytest.param(HEARTBEAT, id="heartbeat"),
        pytest.param(PONG, id="pong"),
        pytest.param(STATUS % "online", id="online from the start"),
        pytest.param('{"channel":"ticker","type":"update","data":[{}]}', id="ticker"),
        pytest.param('{"channel":"instrument","data":{"pairs":[]}}', id="instrument"),
    ],
)
def test_what_does_not_concern_books_for_good_is_ignored(text: str) -> None:
    venue, session = subscribed("XBT/USD")
    assert list(venue.parse(text, session)) == []


def test_maintenance_halts_every_book_until_it_ends() -> None:
    venue, session = subscribed("BTC/USD", "ETH/USD")
    halted = [Halted("BTC/USD", "maintenance"), Halted("ETH/USD", "maintenance")]
    assert venue.parse(STATUS % "maintenance", session) == halted
    assert venue.parse(STATUS % "maintenance", session) == ()
    resumed = [Resumed("BTC/USD"), Resumed("ETH/USD")]
    assert venue.parse(STATUS % "post_only", session) == resumed
    assert venue.parse(STATUS % "online", session) == ()


# -- malformed ------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SNAPSHOT, UPDATE, ACK, STATUS % "online"])
def test_a_cut_frame_is_malformed(text: str) -> None:
    for part in cut(text):
        with pytest.raises(MalformedMessage):
            parse(part)


@pytest.mark.parametrize("text", [SNAPSHOT, UPDATE, ACK, REFUSED, STATUS % "online"])
def test_a_mangled_frame_raises_nothing_else(text: str) -> None:
    for part in mangled(text):
        try:
            parse(part)
        except MalformedMessage:
            continue


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(('"checksum":817831036,', ""), id="no checksum"),
        pytest.param(("817831036", "-1"), id="negative checksum"),
        pytest.param(("817831036", "4294967296"), id="checksum of 33 bits"),
        pytest.param(('"asks"', '"sks"'), id="no asks"),
        pytest.param(('"qty":0.20401971', '"qty":null'), id="no size"),
        pytest.param(('"snapshot"', '"sketch"'), id="unknown type"),
        pytest.param(("57.750392Z", "57.750392"), id="time without zone"),
    ],
)
def test_a_book_that_does_not_decode_names_its_symbol(change: tuple[str, str]) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(SNAPSHOT.replace(*change))
    assert caught.value.symbol == "BTC/USD"


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", "null", b"\xff", '{"data":[]}'])
def test_what_is_nothing_known_is_malformed(text: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(text)
    with pytest.raises(MalformedMessage):
        parse('{"channel":"book","type":"update","data":[]}')


def test_after_an_unreadable_delta_the_next_is_a_gap() -> None:
    venue = Kraken()
    session = venue.session()
    other = SNAPSHOT.replace("BTC", "ETH")
    for text in (SNAPSHOT, other):
        venue.parse(text, session)
    with pytest.raises(MalformedMessage):
        venue.parse(UPDATE.replace('"checksum"', '"sum"'), session)
    (delta,) = venue.parse(UPDATE, session)
    assert (delta.prev, delta.last) == (2, 3)  # type: ignore[union-attr]
    (delta,) = venue.parse(UPDATE.replace("BTC", "ETH"), session)
    assert (delta.prev, delta.last) == (1, 2)  # type: ignore[union-attr]
    with pytest.raises(MalformedMessage):
        venue.parse(UPDATE[:-1], session)  # anybody's
    for name, prev in (("BTC", 4), ("ETH", 3)):
        (delta,) = venue.parse(UPDATE.replace("BTC", name), session)
        assert delta.prev == prev  # type: ignore[union-attr]


def test_the_same_frames_give_the_same_messages() -> None:
    frames = [ACK, SNAPSHOT, UPDATE, STATUS % "maintenance", UPDATE, SNAPSHOT]
    venue = Kraken()
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue)


# -- instruments ----------------------------------------------------------------------


def test_asset_pairs_are_named_as_the_stream_names_them() -> None:
    venue = Kraken()
    (request,) = venue.instrument_requests()
    assert request.path == "/0/public/AssetPairs"
    body = json.dumps(
        {
            "error": [],
            "result": {
                "XXBTZUSD": {
                    "altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1,
                    "lot_decimals": 8, "tick_size": "0.1", "status": "online",
                },
                "XDGUSD": {
                    "wsname": "XDG/USD", "pair_decimals": 7, "lot_decimals": 8,
                    "status": "cancel_only",
                },
                "XBTUSD.d": {"pair_decimals": 1, "lot_decimals": 8},
            },
        }
    )  # fmt: skip
    assert venue.parse_instruments(body) == [
        Instrument(
            symbol="BTC/USD",
            price_step=Decimal("0.1"),
            size_step=Decimal("0.00000001"),
            extra={"digits": (1, 8)},
        ),
        Instrument(
            symbol="DOGE/USD",
            price_step=Decimal("0.0000001"),
            size_step=Decimal("0.00000001"),
            active=False,
            extra={"digits": (7, 8)},
        ),
    ]


def test_pairs_of_the_instrument_channel_have_steps_of_their_own() -> None:
    """A price may move in steps of more than its last digit."""
    body = (
        '[{"symbol":"EUR/USD","price_precision":5,"qty_precision":8,'
        '"price_increment":0.00005,"qty_increment":1e-08,"status":"maintenance"}]'
    )
    assert Kraken().parse_instruments(body) == [
        Instrument(
            symbol="EUR/USD",
            price_step=Decimal("0.00005"),
            size_step=Decimal("0.00000001"),
            active=False,
            extra={"digits": (5, 8)},
        )
    ]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[1]",
        "5",
        '{"error":["EGeneral:Temporary lockout"]}',
        '{"result":[]}',
        '{"result":{"A":{"wsname":"A/B"}}}',
        '[{"symbol":"A/B","price_precision":-1,"qty_precision":8}]',
        '[{"symbol":"A/B","price_precision":1,"qty_precision":999999999}]',
        '[{"symbol":"A/B","price_precision":"x","qty_precision":8}]',
        '[{"symbol":5,"price_precision":1,"qty_precision":8}]',
    ],
)
def test_what_lists_no_instruments_is_malformed(body: str) -> None:
    with pytest.raises(MalformedMessage):
        Kraken().parse_instruments(body)


def test_facts_are_honest() -> None:
    facts = Kraken.facts
    assert facts.source is Source.STREAM
    assert facts.assurance is Assurance.CHECKSUMMED
    assert facts.resync is Resync.RESUBSCRIBE
    assert facts.numbering is None
    assert facts.checksum is not None
    assert Kraken.default_depth == Kraken.checksum_levels  # all of it is checked


# -- the capture ----------------------------------------------------------------------


@needs_captures
def test_the_captures_side_file_gives_the_precisions() -> None:
    assert instruments(NAME, Kraken()) == {
        "BTC/USD": Instrument(
            symbol="BTC/USD",
            price_step=Decimal("0.1"),
            size_step=Decimal("0.00000001"),
            extra={"digits": (1, 8)},
        )
    }


@needs_captures
@pytest.mark.parametrize("numbers", [Decimal, float])
def test_the_capture_ends_in_the_oracles_book(numbers: Any) -> None:
    books = replay_naively(NAME, "kraken", numbers=numbers)
    expected = oracle(NAME)["instruments"]["BTC/USD"]
    assert books.keys() == {"BTC/USD"}
    assert books["BTC/USD"].digest() == expected["full_sha256"]
    assert books["BTC/USD"].gaps == []
    assert books["BTC/USD"].applied == expected["deltas"] == 509


@needs_captures
def test_all_510_checksums_of_the_capture_agree() -> None:
    venue, messages = _capture()
    book = NaiveBook()
    for message in messages:
        _write(book, message)
        assert _checksum(venue, book) == message.checksum
    assert len(messages) == oracle(NAME)["checksums"]["passed"] == 510


@needs_captures
def test_a_lost_delta_that_matters_fails_the_next_checksum() -> None:
    """
    At depth 10 the checksum reads the whole book: it agrees where the book is right.

    Of 508 deltas 388 are missed at once; the levels of the other 120 are written again
    by the next delta, so that nothing is wrong.
    """
    venue, messages = _capture()
    missed = 0
    truth = NaiveBook()
    for number in range(1, 509):
        _write(truth, messages[number - 1])
        right, ours = _copy(truth), _copy(truth)
        _write(right, messages[number])  # lost to ours
        _write(right, messages[number + 1])
        _write(ours, messages[number + 1])
        agrees = _checksum(venue, ours) == messages[number + 1].checksum
        assert agrees == (ours.sides == right.sides)
        missed += not agrees
    assert missed == 388


def _copy(book: NaiveBook) -> NaiveBook:
    copied = NaiveBook()
    copied.sides = {side: dict(levels) for side, levels in book.sides.items()}
    return copied


def _capture() -> tuple[Kraken, list[Snapshot | Delta]]:
    venue = Kraken(instruments=instruments(NAME, Kraken()))
    session = venue.session()
    found = [venue.parse(frame(record), session) for record in records(NAME)]
    return venue, [message for (message,) in found]  # type: ignore[misc]


def _write(book: NaiveBook, message: Snapshot | Delta) -> None:
    book._write(message)
    book.cut(10)


def _checksum(venue: Kraken, book: NaiveBook) -> int:
    return venue.checksum(_best(book, "b"), _best(book, "a"), "BTC/USD")


def _best(book: NaiveBook, side: str) -> list[tuple[str, str]]:
    levels = sorted(book.sides[side].items(), reverse=side == "b")
    return [(format(price, "f"), format(size, "f")) for price, size in levels]
