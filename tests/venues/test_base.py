"""What every venue inherits: checks of its arguments, decoding, unpacking."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from decimal import Decimal

import msgspec
import pytest

from booksync import venues
from booksync.errors import ConfigurationError, MalformedMessage
from booksync.venues import (
    Assurance,
    Facts,
    Heartbeat,
    Instrument,
    Numbering,
    Request,
    Resync,
    Source,
    Venue,
    bounded_gunzip,
)

FACTS = Facts(
    markets="spot",
    source=Source.REST,
    assurance=Assurance.COUNTED,
    numbering=Numbering.SYMBOL,
    resync=Resync.FETCH,
    url="https://example.com",
    date="2026-11-01",
)


class Plain(Venue):
    """No choices at all."""

    id = "plain"
    facts = FACTS


class Choosy(Plain):
    """Every kind of choice."""

    id = "choosy"
    DEPTHS = (10, 50)
    default_depth = 50
    OPTIONS = {"speed": ("fast", "slow"), "note": ()}


class Open(Plain):
    """Any depth, within reason."""

    id = "open"
    default_depth = 500


class Summed(Plain):
    """A venue with a checksum."""

    id = "summed"
    facts = msgspec.structs.replace(FACTS, checksum="crc32")


# -- numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "numbers", "text", "number"),
    [
        pytest.param(Plain, Decimal, str, Decimal, id="exact"),
        pytest.param(Plain, float, float, float, id="fast"),
        pytest.param(Summed, Decimal, str, Decimal, id="exact, summed"),
        pytest.param(Summed, float, str, Decimal, id="the text is what is hashed"),
    ],
)
def test_numbers_say_what_to_decode_into(kind, numbers, text, number):
    venue = kind(numbers=numbers)
    assert (venue.numbers, venue.text, venue.number) == (numbers, text, number)


@pytest.mark.parametrize("numbers", [int, str, None, "float", Decimal(1)])
def test_other_numbers_are_refused(numbers):
    with pytest.raises(ConfigurationError, match="numbers must be"):
        Plain(numbers=numbers)


def test_venue_is_made_again_but_for_what_is_given():
    instruments = {"X": Instrument(symbol="X")}
    first = Choosy(
        numbers=float, depth=10, options={"speed": "slow"}, instruments=instruments
    )
    again, other = first.again(), first.again(depth=50, instruments={})
    assert type(again) is Choosy
    assert (again.numbers, again.depth, again.options) == (float, 10, first.options)
    assert again.instruments == instruments
    assert (other.numbers, other.depth, other.instruments) == (float, 50, {})


# -- depth -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "asked", "depth"),
    [
        pytest.param(Plain, None, None, id="no choice"),
        pytest.param(Choosy, None, 50, id="the default"),
        pytest.param(Choosy, 10, 10, id="one of them"),
        pytest.param(Open, None, 500, id="open, the default"),
        pytest.param(Open, 7, 7, id="open, any"),
    ],
)
def test_depth_is_what_was_asked_or_the_default(kind, asked, depth):
    assert kind(depth=asked).depth == depth


@pytest.mark.parametrize(
    ("kind", "depth", "message"),
    [
        pytest.param(
            Plain, 10, "plain has no choice of snapshot depth", id="no choice"
        ),
        pytest.param(
            Choosy,
            11,
            "choosy has no snapshot depth 11: choose one of 10, 50",
            id="none of them",
        ),
        pytest.param(Choosy, 0, "choose one of 10, 50", id="zero"),
        pytest.param(Choosy, -10, "choose one of 10, 50", id="below zero"),
        pytest.param(Choosy, "10", "choose one of 10, 50", id="text"),
    ],
)
def test_depth_that_is_none_is_refused(kind, depth, message):
    with pytest.raises(ConfigurationError, match=message):
        kind(depth=depth)


@pytest.mark.parametrize("kind", venues.available().values(), ids=lambda kind: kind.id)
@pytest.mark.parametrize("depth", [0, -1])
def test_no_venue_takes_a_depth_below_one(kind, depth):
    with pytest.raises(ConfigurationError):
        kind(depth=depth)


@pytest.mark.parametrize(
    ("query", "depth"),
    [
        ("limit=5", 5),
        ("depth=5", 5),
        ("sz=5", 5),
        ("count=5", 5),
        ("symbol=A&limit=5&depth=7", 5),
        ("limit=x&depth=7", 7),
        ("limit=-5", 50),
        ("limit=", 50),
        ("symbol=A", 50),
        ("", 50),
    ],
)
def test_depth_of_a_url_is_in_its_query(query, depth):
    assert Choosy().snapshot_depth(f"https://host/depth?{query}") == depth


# -- options ---------------------------------------------------------------------------


def test_options_have_defaults_and_may_be_free_text():
    assert Choosy().options == {"speed": "fast"}
    chosen = Choosy(options={"speed": "slow", "note": "any text"})
    assert chosen.options == {"speed": "slow", "note": "any text"}
    assert Plain().options == {}


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        pytest.param(
            Choosy,
            {"sped": "fast"},
            r"choosy has no option 'sped' \(it has: note, speed\)",
            id="unknown",
        ),
        pytest.param(
            Plain, {"x": "y"}, r"no option 'x' \(it has: none\)", id="none at all"
        ),
        pytest.param(
            Choosy, {"speed": "FAST"}, "speed must be one of fast, slow", id="value"
        ),
        pytest.param(Choosy, {"speed": 1}, "must be one of", id="no text"),
    ],
)
def test_options_that_are_none_are_refused(kind, options, message):
    with pytest.raises(ConfigurationError, match=message):
        kind(options=options)


def test_arguments_are_not_shared_with_the_caller():
    options = {"speed": "slow"}
    instruments = {"A": Instrument(symbol="A")}
    venue = Choosy(options=options, instruments=instruments)
    options["speed"] = "fast"
    instruments.clear()
    assert venue.options == {"speed": "slow"}
    assert venue.instruments == {"A": Instrument(symbol="A")}


# -- symbols ---------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", ["BTC-USD", "XBT/USD", "a" * 64, "币安人生USDT"])
def test_symbol_is_kept_as_it_is(symbol):
    assert Plain.prepare(symbol) == symbol


@pytest.mark.parametrize("symbol", ["", "a" * 65, "A B", "A\n", "A\x00", "A\u200b"])
def test_what_is_no_symbol_is_refused(symbol):
    with pytest.raises(ConfigurationError, match="not a symbol") as caught:
        Plain.prepare(symbol)
    assert str(caught.value).isprintable()


# -- what a venue need not say ---------------------------------------------------------


def test_defaults_ask_for_nothing():
    venue = Plain()
    assert venue.session() is None
    assert venue.handshake() is None
    assert venue.greet(None, 0.0) == []
    assert venue.stream_url("wss://host", b"ignored") == "wss://host"
    assert venue.snapshot_symbol("https://host/depth?symbol=A") is None
    assert venue.instrument_requests() == ()
    assert venue.heartbeat == Heartbeat(interval=None, silence=60.0)
    assert (venue.keep, venue.signed) == (None, False)
    assert Request(path="/x") == Request(path="/x", method="GET", weight=1)


def test_setup_comes_last():
    class Late(Choosy):
        id = "late"

        def setup(self):
            self.seen = (self.depth, self.options["speed"], self.text, self.keep)
            self.keep = 25

    venue = Late(numbers=float)
    assert venue.seen == (50, "fast", float, None)
    assert venue.keep == 25


# -- decoding --------------------------------------------------------------------------


class Levels(msgspec.Struct):
    """Something with a number in it."""

    n: int


def test_decoder_takes_numbers_in_text():
    decoder = Venue.decoder(Levels)
    assert Venue.decode(decoder, '{"n":"5"}') == Venue.decode(decoder, b'{"n":5}')


@pytest.mark.parametrize(
    "data",
    [
        "", "{", '{"n":}', "{}", '{"n":"x"}', '{"n":1.5}', "[]", "null", b"\xff",
        b'{"n":"\xc3\x28"}', "[" * 100_000, '{"n":' + "9" * 5000 + "}", "\ud800",
    ],
)  # fmt: skip
def test_every_failure_to_decode_is_one_error(data):
    with pytest.raises(MalformedMessage) as caught:
        Venue.decode(Venue.decoder(Levels), data)
    assert caught.value.symbol is None
    assert caught.value.__cause__ is None


def test_depth_of_brackets_is_bounded_where_a_decoder_takes_anything():
    with pytest.raises(MalformedMessage):
        Venue.decode(msgspec.json.Decoder(), "[" * 100_000)


# -- unpacking -------------------------------------------------------------------------

TEXT = b'{"tick":{"bids":[[1,2]]}}'
PACKERS = [pytest.param(gzip.compress, id="gzip"), pytest.param(zlib.compress, id="z")]


@pytest.mark.parametrize("pack", PACKERS)
def test_packed_text_is_unpacked(pack):
    assert bounded_gunzip(pack(TEXT), 1000) == TEXT
    assert bounded_gunzip(pack(b""), 1000) == b""


@pytest.mark.parametrize("pack", PACKERS)
def test_limit_is_the_largest_text_that_is_taken(pack):
    for text in (TEXT, b"\x00" * 5000, bytes(range(256)) * 20):
        packed = pack(text)
        assert bounded_gunzip(packed, len(text)) == text
        with pytest.raises(MalformedMessage, match="too large"):
            bounded_gunzip(packed, len(text) - 1)


@pytest.mark.parametrize("pack", PACKERS)
def test_bomb_is_not_unpacked(pack):
    packed = pack(bytes(64 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedMessage, match="too large"):
            bounded_gunzip(packed, 1024)
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pack", PACKERS)
def test_text_that_was_cut_is_malformed(pack):
    packed = pack(TEXT)
    for end in range(len(packed)):
        with pytest.raises(MalformedMessage, match="compressed frame"):
            bounded_gunzip(packed[:end], 1000)


@pytest.mark.parametrize("pack", PACKERS)
def test_every_broken_byte_is_malformed_or_harmless(pack):
    packed = pack(TEXT)
    caught = 0
    for place in range(len(packed)):
        broken = bytearray(packed)
        broken[place] ^= 0xFF
        try:
            assert bounded_gunzip(bytes(broken), 1000) == TEXT
        except MalformedMessage:
            caught += 1
    assert caught > len(packed) // 2


@pytest.mark.parametrize("data", [b"", b"{}", TEXT, b"\x00" * 50, b"\x1f\x8b", b"PK"])
def test_what_is_not_packed_is_malformed(data):
    with pytest.raises(MalformedMessage, match="compressed frame"):
        bounded_gunzip(data, 1000)


def test_raw_deflate_is_not_taken_for_zlib():
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    with pytest.raises(MalformedMessage):
        bounded_gunzip(packer.compress(TEXT) + packer.flush(), 1000)
