"""
MEXC spot. Frames are encoded here, byte by byte, from the field numbers and the decoded
example of the venue sheet (mexcdevelop/websocket-proto @7b8ac7a, 2026-06-17) and
mexc.com/api-docs/spot-v3/websocket-market-streams (copy of 2026-04-04); no recording.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
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
from booksync.venues import Assurance, Request, Source
from booksync.venues._mexc_protobuf import messages
from booksync.venues.mexc import Mexc
from tests.captures import NaiveBook
from tests.venues.mangle import mangled

pytest.importorskip("google.protobuf", reason="needs the extra booksync[mexc]")

CHANNEL = "spot@public.aggre.depth.v3.api.pb@100ms@BTCUSDT"
ACK = f'{{"id":0,"code":0,"msg":"{CHANNEL}"}}'
SNAPSHOT = (
    '{"lastUpdateId":43296363240,"bids":[["117053.41","1.86837271"],'
    '["117053.40","0.5"]],"asks":[["117145.49","0.2"],["117145.50","0.1"]],'
    '"timestamp":1754741322000}'
)


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def item(price: str | None, quantity: str | None) -> bytes:
    first = b"" if price is None else field(1, price)
    return first + (b"" if quantity is None else field(2, quantity))


def depths(
    first: str | None = "43296363236",
    last: str | None = "43296363255",
    *,
    asks: tuple[bytes, ...] = (),
    bids: tuple[bytes, ...] = (),
) -> bytes:
    out = b"".join(field(1, ask) for ask in asks)
    out += b"".join(field(2, bid) for bid in bids)
    out += field(3, "spot@public.aggre.depth.v3.api.pb@100ms")
    out += b"" if first is None else field(4, first)
    return out + (b"" if last is None else field(5, last))


def push(
    body: bytes, *, channel: str = CHANNEL, symbol: str = "BTCUSDT", number: int = 313
) -> bytes:
    return (
        field(1, channel)
        + field(3, symbol)
        + field(6, 1754741322152)
        + field(number, body)
    )


DELTA = push(
    depths(asks=(item("117145.49", "0"),), bids=(item("117053.41", "1.86837271"),))
)
EXPECTED = Delta(
    "BTCUSDT",
    43296363235,
    43296363255,
    [("117053.41", "1.86837271")],
    [("117145.49", "0")],
    time=1754741322.152,
)


def parse(*frames: str | bytes, venue: Mexc | None = None) -> list[Any]:
    venue = venue or Mexc()
    session = venue.session()
    return [message for data in frames for message in venue.parse(data, session)]


def test_the_body_has_the_key_of_the_sheet() -> None:
    assert varint(313 << 3 | 2) == bytes.fromhex("CA13")
    assert bytes.fromhex("CA13") in DELTA


def test_delta_carries_its_versions() -> None:
    assert parse(DELTA) == [EXPECTED]


def test_floats_are_floats() -> None:
    (message,) = parse(DELTA, venue=Mexc(numbers=float))
    assert message.asks == [(117145.49, 0.0)]
    assert [type(number) for number in message.asks[0]] == [float, float]


def test_empty_sides_are_not_sent_and_mean_no_change() -> None:
    (message,) = parse(push(depths("5", "5")))
    assert (message.prev, message.last, message.bids, message.asks) == (4, 5, [], [])


def test_unknown_fields_are_skipped() -> None:
    body = depths("5", "6", bids=(item("1", "2") + field(9, "new"),))
    frame = field(4, "id") + push(body + field(6, 1) + field(77, b"x")) + field(99, 7)
    assert parse(frame)[0].bids == [("1", "2")]


def test_levels_keep_their_order_and_need_none() -> None:
    bids = (item("1", "2"), item("3", "4"), item("2", "0"))
    (message,) = parse(push(depths("5", "6", bids=bids)))
    assert message.bids == [("1", "2"), ("3", "4"), ("2", "0")]


@pytest.mark.parametrize("numbers", [Decimal, float])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(depths(None, "6"), id="no fromVersion"),
        pytest.param(depths("5", None), id="no toVersion"),
        pytest.param(depths("7", "6"), id="backwards"),
        pytest.param(depths("0", "6"), id="zero"),
        pytest.param(depths("-5", "6"), id="negative"),
        pytest.param(depths("x", "6"), id="a word"),
        pytest.param(depths("٣", "6"), id="another script"),
        pytest.param(depths("9" * 5000, "6"), id="endless"),
        pytest.param(depths("5", "6", bids=(item("1", None),)), id="no quantity"),
        pytest.param(depths("5", "6", asks=(item(None, "1"),)), id="no price"),
        pytest.param(depths("5", "6", asks=(item("1", ""),)), id="empty quantity"),
    ],
)
def test_a_delta_that_says_nonsense_is_malformed(body: bytes, numbers: Any) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(push(body), venue=Mexc(numbers=numbers))
    assert caught.value.symbol == "BTCUSDT"


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xff\xff", id="noise"),
        pytest.param(b"\x0a\xff\x01", id="length beyond the end"),
        pytest.param(field(1, b"\xff\xfe"), id="text is no text"),
        pytest.param(field(1, CHANNEL), id="no body"),
        pytest.param(push(depths(), number=302), id="another body"),
        pytest.param(push(b"\x0a\xff"), id="broken body"),
        pytest.param(push(depths(bids=(b"\x0a\xff",))), id="broken level"),
        pytest.param(push(depths(), symbol="ETHUSDT"), id="two symbols"),
        pytest.param(push(depths(), channel=""), id="no channel"),
        pytest.param("", id="empty text"),
        pytest.param("{", id="cut text"),
        pytest.param(b"{\xff", id="bytes that begin like text"),
        pytest.param("[]", id="list"),
        pytest.param('{"code":"x"}', id="code is a word"),
    ],
)
def test_nonsense_is_malformed(frame: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(frame)


def test_no_cut_of_a_frame_passes_for_a_delta() -> None:
    for end in range(len(DELTA)):
        with pytest.raises(MalformedMessage):
            parse(DELTA[:end])


def test_other_channels_are_ignored() -> None:
    other = "spot@public.limit.depth.v3.api.pb@BTCUSDT@5"
    assert parse(push(b"", channel=other, number=303)) == []


def test_frames_are_as_documented() -> None:
    venue = Mexc()
    session = venue.session()
    assert venue.subscribe(["BTCUSDT", "ETHUSDT"], session, 0.0) == [
        f'{{"method":"SUBSCRIPTION","params":["{CHANNEL}"]}}',
        (
            '{"method":"SUBSCRIPTION","params":'
            '["spot@public.aggre.depth.v3.api.pb@100ms@ETHUSDT"]}'
        ),
    ]
    assert venue.unsubscribe(["BTCUSDT"], session, 0.0) == [
        f'{{"method":"UNSUBSCRIPTION","params":["{CHANNEL}"]}}'
    ]
    assert venue.ping(session, 0.0) == '{"method":"PING"}'
    assert venue.stream_url(Mexc.WS_URL) == "wss://wbs-api.mexc.com/ws"
    fast = Mexc(options={"speed": "10ms"})
    (frame,) = fast.subscribe(["BTCUSDT"], fast.session(), 0.0)
    assert "pb@10ms@BTCUSDT" in str(frame)


@pytest.mark.parametrize("data", [ACK, ACK.encode()])
def test_answers_repeat_the_channel(data: str | bytes) -> None:
    venue = Mexc()
    session = venue.session()
    venue.subscribe(["BTCUSDT"], session, 0.0)
    venue.unsubscribe(["BTCUSDT"], session, 0.0)
    assert venue.parse(data, session) == (Subscribed(("BTCUSDT",)),)
    assert venue.parse(data, session) == (Unsubscribed(("BTCUSDT",)),)
    assert parse(data) == []  # nobody asked
    assert parse('{"id":0,"code":0,"msg":"PONG"}') == []


@pytest.mark.parametrize(
    ("msg", "code", "expected"),
    [
        pytest.param(
            f"Not Subscribed successfully! [{CHANNEL}].  Reason: Blocked! ",
            0,
            "rejected",
            id="refused with code 0",
        ),
        pytest.param(CHANNEL, 1, "rejected", id="the channel with another code"),
        pytest.param("too busy", 1, "closing", id="an error of nobody"),
        pytest.param("welcome", 0, "nothing", id="a word"),
    ],
)
def test_errors(msg: str, code: int, expected: str) -> None:
    venue = Mexc()
    session = venue.session()
    venue.subscribe(["ETHUSDT", "BTCUSDT"], session, 0.0)
    found = list(venue.parse(f'{{"id":0,"code":{code},"msg":"{msg}"}}', session))
    reason = f"{msg} (code {code})"
    assert (
        found
        == {
            "rejected": [Rejected(("BTCUSDT",), reason)],
            "closing": [Closing(reason)],
            "nothing": [],
        }[expected]
    )


def test_an_error_that_nobody_waits_for_is_told() -> None:
    text = '{"id":0,"code":1,"msg":"no"}'
    assert parse(text) == [Rejected((), "no (code 1)")]
    venue = Mexc()
    session = venue.session()
    venue.subscribe(["BTCUSDT"], session, 0.0)
    venue.parse(ACK, session)
    assert list(venue.parse(text, session)) == [Rejected((), "no (code 1)")]
    venue.unsubscribe(["BTCUSDT"], session, 0.0)
    refused = f'{{"id":0,"code":1,"msg":"{CHANNEL}"}}'
    assert list(venue.parse(refused, session)) == []


def test_snapshot() -> None:
    assert Mexc().parse_snapshot(SNAPSHOT, "BTCUSDT", 5000) == Snapshot(
        "BTCUSDT",
        43296363240,
        [("117053.41", "1.86837271"), ("117053.40", "0.5")],
        [("117145.49", "0.2"), ("117145.50", "0.1")],
        depth=5000,
        time=1754741322.0,
    )


def test_unknown_symbol_is_rejected_by_the_snapshot() -> None:
    with pytest.raises(SubscriptionRejected, match="Invalid symbol"):
        Mexc().parse_snapshot('{"code":-1121,"msg":"Invalid symbol."}', "NO", 5000)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"code":429,"msg":"Too Many Requests"}', id="busy"),
        pytest.param(SNAPSHOT.replace("43296363240", "null"), id="no number"),
        pytest.param(SNAPSHOT.replace('"bids"', '"bid"'), id="no bids"),
        pytest.param(SNAPSHOT[:-2], id="cut"),
        pytest.param(b"\xff", id="not text"),
    ],
)
def test_a_body_that_is_no_snapshot_is_malformed(body: str | bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        Mexc().parse_snapshot(body, "BTCUSDT", 5000)
    assert caught.value.symbol == "BTCUSDT"


def test_snapshot_requests() -> None:
    request = Mexc().snapshot_request("BTCUSDT")
    assert request == Request(
        path="/api/v3/depth", params={"symbol": "BTCUSDT", "limit": "5000"}, weight=3
    )
    url = "https://api.mexc.com/api/v3/depth?symbol=BTCUSDT&limit=1000"
    assert Mexc().snapshot_symbol(url) == "BTCUSDT"
    assert Mexc().snapshot_depth(url) == 1000
    assert Mexc().snapshot_symbol("/api/v3/trades?symbol=BTCUSDT") is None
    with pytest.raises(ConfigurationError):
        Mexc(depth=7)


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
    book.load(Snapshot("BTCUSDT", 100, [], []))
    for first, last in ranges:
        body = depths(str(first), str(last), bids=(item("5", "1"),))
        book.take(parse(push(body))[0])
    assert (book.sequence, book.applied, len(book.gaps)) == (sequence, applied, gaps)


def test_facts_are_honest() -> None:
    facts = Mexc().facts
    assert (facts.source, facts.assurance) == (Source.REST, Assurance.RANGED)
    assert not facts.verified
    assert any("every frame" in text for text in facts.unverified)


def test_instruments() -> None:
    body = (
        '{"symbols":[{"symbol":"BTCUSDT","status":"1","baseAssetPrecision":8,'
        '"quotePrecision":2,"quoteAssetPrecision":2,"baseSizePrecision":"0.00001"},'
        '{"symbol":"OLDUSDT","status":"3","baseAssetPrecision":2,'
        '"quoteAssetPrecision":6,"baseSizePrecision":"0"}]}'
    )
    first, second = Mexc().parse_instruments(body)
    assert (first.price_step, first.size_step, first.active) == (
        Decimal("0.01"),
        Decimal("0.00001"),
        True,
    )
    assert (second.price_step, second.size_step, second.active) == (
        Decimal("0.000001"),
        Decimal("0.01"),
        False,
    )
    assert Mexc().instrument_requests()[0].path == "/api/v3/exchangeInfo"
    for broken in ("{}", body.replace("0.00001", "x")):
        with pytest.raises(MalformedMessage):
            Mexc().parse_instruments(broken)


def test_without_protobuf_the_module_imports_and_use_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messages.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf.descriptor_pb2", None)
    with pytest.raises(ConfigurationError, match=r"booksync\[mexc\]"):
        Mexc()
    monkeypatch.undo()
    assert parse(DELTA) == [EXPECTED]


def test_importing_the_venue_does_not_import_protobuf() -> None:
    code = (
        "import sys, booksync.venues.mexc\n"
        "sys.exit(any(name.startswith('google') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_symbols_are_upper_case() -> None:
    assert Mexc.prepare("btcusdt") == "BTCUSDT"


@pytest.mark.parametrize("numbers", [Decimal, float])
def test_no_other_error_escapes(numbers: Any) -> None:
    venue = Mexc(numbers=numbers)
    for at, byte in itertools.product(range(len(DELTA)), (0, 1, 0x7F, 0x80, 0xFF)):
        with contextlib.suppress(MalformedMessage):
            parse(DELTA[:at] + bytes([byte]) + DELTA[at + 1 :], venue=venue)
    for text in mangled(ACK):
        with contextlib.suppress(MalformedMessage):
            parse(text, venue=venue)
    for body in mangled(SNAPSHOT):
        with contextlib.suppress(MalformedMessage):
            venue.parse_snapshot(body, "BTCUSDT", 5000)


def test_the_same_frames_give_the_same_messages() -> None:
    venue = Mexc()
    frames: list[str | bytes] = [DELTA, ACK, push(depths("5", "5"))]
    assert parse(*frames, venue=venue) == parse(*frames, venue=venue)
