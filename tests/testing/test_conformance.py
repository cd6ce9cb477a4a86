"""
The conformance kit finds what is wrong with a venue module.

``Toy`` does everything right; each of the others has one fault, and one check that says
so.
"""

import contextlib
import gzip
import json
import subprocess
import sys
import zlib
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import (
    Closing,
    Delta,
    Halted,
    Rejected,
    Reply,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.testing.conformance import CHECKS, Samples, VenueConformance, check
from booksync.testing.conformance.mangle import cuts, kind_of, mangled
from booksync.venues import (
    Assurance,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Numbering,
    Request,
    Resync,
    Source,
    Venue,
)


class Toy(Venue):
    """A venue of one page: linked deltas, snapshot in the stream."""

    id = "toy"
    facts = Facts(
        markets="toys",
        source=Source.STREAM,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        resync=Resync.RESUBSCRIBE,
        unverified=("everything",),
        url="https://example.com/docs",
        date="2026-11-01",
    )
    limits = Limits(symbols=10, symbols_per_frame=5)
    heartbeat = Heartbeat(interval=20.0)
    WS_URL = "wss://example.com"
    REST_URL = "https://example.com"
    DEPTHS: ClassVar[tuple[int, ...]] = (5, 50)
    default_depth: ClassVar[int | None] = 50
    OPTIONS: ClassVar[Any] = {"speed": ("fast", "slow")}

    def subscribe(self, symbols, session, now):
        return self.frames("sub", symbols)

    def unsubscribe(self, symbols, session, now):
        return self.frames("unsub", symbols)

    def frames(self, word, symbols):
        parts = [symbols[at : at + 5] for at in range(0, len(symbols), 5)]
        return [json.dumps({word: part}) for part in parts]

    def ping(self, session, now):
        return "ping"

    def parse(self, frame, session):
        if frame == "pong":
            return ()
        found = self.decode(self.decoder(dict[str, Any]), frame)
        try:
            return self.read(found, session)
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            raise MalformedMessage("not a toy's frame") from None

    def read(self, found, session):
        of = found["of"]
        said = {
            "ok": Subscribed((of,)),
            "end": Unsubscribed((of,)),
            "no": Rejected((of,), "no such toy"),
            "ask": Reply("here"),
            "bye": Closing("bye"),
            "stop": Halted(of, "stop"),
        }.get(found["is"])
        return (said,) if said else self.book(found, session)

    def book(self, found, session):
        last, symbol = found["id"], found["of"]
        prev = found.get("prev")
        if type(last) is not int or type(symbol) is not str or not 0 <= last < 2**60:
            raise ValueError(last)
        bids, asks = (
            [(self.text(price), self.text(size)) for price, size in found[side]]
            for side in ("bids", "asks")
        )
        if prev is None:
            return (Snapshot(symbol, last, bids, asks),)
        if type(prev) is not int or not 0 <= prev < last:
            raise ValueError(prev)
        return (Delta(symbol, prev, last, bids, asks),)

    def instrument_requests(self):
        return (Request(path="/toys"),)

    def parse_instruments(self, body):
        listed = self.decode(
            msgspec.json.Decoder(dict[str, Decimal], strict=False), body
        )
        for step in listed.values():
            if not step.is_finite() or step <= 0:
                raise MalformedMessage("a step")
        return [Instrument(symbol=name, price_step=x) for name, x in listed.items()]


def text(**fields):
    return json.dumps({"of": "TOY", **fields})


def books(*spans, **fields):
    return [
        text(**{"is": "book", "id": last, **({} if prev is None else {"prev": prev})},
             bids=[[f"1.{last}", "2"]], asks=[["9.5", str(last)]], **fields)
        for prev, last in spans
    ]  # fmt: skip


SAMPLES = Samples(
    symbol="TOY",
    stream=[
        text(**{"is": "ok"}),
        *books((None, 3), (3, 4), (4, 7), (7, 8), (8, 9), (9, 20)),
    ],
    again=books((None, 30)),
    ended=[text(**{"is": "end"})],
    refused=[text(**{"is": "no"})],
    asks=[(text(**{"is": "ask"}), "here")],
    ignored=["pong"],
    closing=[text(**{"is": "bye"})],
    halted=[text(**{"is": "stop"})],
    instruments=['{"TOY":"0.1"}'],
    book=(
        {f"1.{last}": "2" for last in (3, 4, 7, 8, 9, 20)},
        {"9.5": "20"},
    ),
)


def test_right_module_passes_every_check():
    check(Toy, SAMPLES)


class TestToy(VenueConformance):
    """As a third party would write it."""

    venue = Toy
    samples = SAMPLES


def test_mixin_has_a_test_for_each_check():
    names = {name.removeprefix("test_") for name in dir(TestToy) if "test_" in name}
    assert names == set(CHECKS)
    assert "\n" not in TestToy.test_book_goes_live.__doc__  # type: ignore[attr-defined]


def test_kit_needs_no_pytest():
    code = (
        "import sys; sys.modules['pytest'] = None; sys.modules['anyio'] = None;"
        "import booksync.testing.conformance"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_check_is_an_error():
    with pytest.raises(KeyError):
        check(Toy, SAMPLES, "no such check")


# -- modules with one fault each ------------------------------------------------------


def facts(**changes):
    return msgspec.structs.replace(Toy.facts, **changes)


class Plain(Toy):
    """Facts from a page that anybody could have changed."""

    facts = facts(url="http://example.com")


class Undated(Toy):
    """Nobody knows of when its facts are."""

    facts = facts(date="lately")


class Slash(Toy):
    """Its paths would have two."""

    WS_URL = "wss://example.com/"


class Boaster(Toy):
    """Numbered, and yet it says that losses stay unseen."""

    facts = facts(assurance=Assurance.ORDERED)


class Fetching(Toy):
    """Snapshots come in the stream, and are fetched."""

    facts = facts(resync=Resync.FETCH)


class Patient(Toy):
    """Waits for a snapshot that nobody knows to come."""

    facts = facts(resync=Resync.WAIT)


class Hashless(Toy):
    """Promises a checksum that it cannot compute."""

    facts = facts(checksum="CRC32")


class Starved(Toy):
    """Allows no message."""

    limits = Limits(symbols=10, symbols_per_frame=5, messages=0.0)


class Deep(Toy):
    """Its default is none of its depths."""

    default_depth = 7


class Lofty(Toy):
    """What it makes of its depth is none that it takes: no recording replays."""

    def setup(self):
        self.depth = 51


class Rising(Toy):
    """The depth that it makes of one means another."""

    def setup(self):
        if self.options["speed"] == "slow":
            self.keep = self.depth
            self.depth = 5


class Careless(Toy):
    """Takes any option."""

    def _checked_options(self, options):
        return dict(options)


class Shouting(Toy):
    """Spells its symbols otherwise than its frames do."""

    @classmethod
    def prepare(cls, symbol):
        return super().prepare(symbol).lower()


class Credulous(Toy):
    """Anything is a symbol."""

    @classmethod
    def prepare(cls, symbol):
        return symbol


class Stubborn(Toy):
    """Connects to its own host whatever the user says."""

    def stream_url(self, base, answer=None):
        return "wss://example.com"


class Remembering(Toy):
    """Keeps in its class what belongs to a connection."""

    seen: ClassVar[set[str]] = set()

    def parse(self, frame, session):
        if frame in self.seen:
            return ()
        self.seen.add(frame)
        return super().parse(frame, session)


class Rounding(Toy):
    """Rounds floats."""

    def book(self, found, session):
        (message,) = super().book(found, session)
        if self.numbers is Decimal:
            return (message,)
        bids = [(round(price), size) for price, size in message.bids]
        return (msgspec.structs.replace(message, bids=bids),)


class Deaf(Toy):
    """Does not answer the venue."""

    def read(self, found, session):
        return () if found["is"] == "ask" else super().read(found, session)


class Greedy(Toy):
    """Puts all symbols into one frame."""

    def frames(self, word, symbols):
        return [json.dumps({word: list(symbols)})]


class Forgetful(Toy):
    """Subscribes the first five symbols only."""

    def frames(self, word, symbols):
        return super().frames(word, symbols)[:1]


class Naked(Toy):
    """Lets its own exceptions out."""

    def parse(self, frame, session):
        if frame == "pong":
            return ()
        return self.read(self.decode(self.decoder(dict[str, Any]), frame), session)


class Mute(Toy):
    """Gives ``None`` for frames that mean nothing."""

    def parse(self, frame, session):
        try:
            return super().parse(frame, session)
        except MalformedMessage:
            return None


class Free(Toy):
    """Its steps may be anything."""

    def parse_instruments(self, body):
        return [Instrument(symbol="TOY", price_step=Decimal(-1))]


class Crossed(Toy):
    """Takes bids for asks."""

    def book(self, found, session):
        found["bids"], found["asks"] = found["asks"], found["bids"]
        return super().book(found, session)


class Blind(Toy):
    """Numbers deltas itself, so that none is ever missing."""

    def session(self):
        return {"last": 0}

    def book(self, found, session):
        (message,) = super().book(found, session)
        prev, session["last"] = session["last"], message_number(message)
        if type(message) is Snapshot:
            return (message,)
        return (msgspec.structs.replace(message, prev=prev),)


def message_number(message):
    return message.last if type(message) is Delta else message.sequence


class Unnumbered(Toy):
    """Numbers deltas by their arrival, and counts none that it cannot read."""

    facts = facts(assurance=Assurance.ORDERED, numbering=None)

    def session(self):
        return {"count": 0}

    def book(self, found, session):
        (message,) = super().book(found, session)
        prev = session["count"]
        session["count"] += 1
        if type(message) is Snapshot:
            return (msgspec.structs.replace(message, sequence=prev + 1),)
        return (msgspec.structs.replace(message, prev=prev, last=prev + 1),)


class Eager(Toy):
    """Takes old deltas for new ones."""

    def book(self, found, session):
        (message,) = super().book(found, session)
        old = type(message) is Delta and message.last == 4 and session.get("seen")
        if type(session) is dict and type(message) is Delta and message.last == 20:
            session["seen"] = True
        if old:
            return (msgspec.structs.replace(message, prev=20, last=21),)
        return (message,)

    def session(self):
        return {}


class Once(Toy):
    """Reads the first snapshot only."""

    def session(self):
        return {"snapshots": 0}

    def book(self, found, session):
        (message,) = super().book(found, session)
        if type(message) is Snapshot:
            session["snapshots"] += 1
        late = type(message) is Snapshot and session["snapshots"] > 1
        return () if late else (message,)


class Endless(Toy):
    """Its answers to requests may be anything."""

    def parse_instruments(self, body):
        listed = json.loads(body)
        return [Instrument(symbol=name) for name in listed]


@pytest.mark.parametrize(
    ("venue", "name", "message"),
    [
        (Plain, "facts_are_complete", "is not https"),
        (Undated, "facts_are_complete", "not YYYY-MM-DD"),
        (Slash, "facts_are_complete", "end without a slash"),
        (Boaster, "facts_agree", "does not go with numbering"),
        (Fetching, "facts_agree", "does not go with"),
        (Patient, "facts_agree", "snapshot_every None does not go with"),
        (Hashless, "facts_agree", r"checksum\(\) is not there"),
        (Starved, "limits_are_positive", "limits.messages is 0.0"),
        (Deep, "depths_and_options_are_checked", "not in DEPTHS"),
        (Careless, "depths_and_options_are_checked", "option that is none"),
        (Lofty, "depths_and_options_are_checked", "it is another"),
        (Rising, "depths_and_options_are_checked", "speed=slow: .* it is another"),
        (Shouting, "symbols_are_prepared", "gives 'toy'"),
        (Credulous, "symbols_are_prepared", "is not refused"),
        (Stubborn, "urls_are_made", "leaves its base"),
        (Remembering, "fresh_session_gives_the_same_messages", "differs"),
        (Rounding, "floats_equal_decimals", "as Decimal"),
        (Deaf, "other_frames_are_understood", "answers"),
        (Greedy, "subscriptions_begin_and_end", "10 symbols in one frame"),
        (Forgetful, "subscriptions_begin_and_end", "5 are named"),
        (Naked, "malformed_frames_raise_nothing_else", "escaped"),
        (Mute, "malformed_frames_raise_nothing_else", "not a list or tuple"),
        (Free, "instruments_are_listed", "a step of"),
        (Endless, "malformed_bodies_raise_nothing_else", "escaped"),
        (Crossed, "book_goes_live", "the book is"),
        (Blind, "lost_delta_is_noticed", "nobody noticed"),
        (Unnumbered, "unreadable_delta_is_never_passed_over", "was passed over"),
        (Eager, "repeats_change_nothing", "old deltas came again"),
        (Once, "snapshot_begins_anew", "changed nothing"),
    ],
)
def test_fault_is_found(venue, name, message):
    with pytest.raises(AssertionError, match=message):
        check(venue, SAMPLES, name)


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({"stream": SAMPLES.stream[1:]}, "stream_says_everything", "confirms"),
        ({"stream": SAMPLES.stream[:4]}, "stream_says_everything", "4 are needed"),
        (
            {"stream": [SAMPLES.stream[0], *SAMPLES.stream[2:]]},
            "stream_says_everything",
            "none did",
        ),
        ({"symbol": "OTHER"}, "stream_says_everything", "confirms"),
        ({"stream": ["{}"]}, "stream_says_everything", "a sample does not parse"),
        ({"refused": SAMPLES.ended}, "other_frames_are_understood", "not refused"),
        ({"ignored": SAMPLES.closing}, "other_frames_are_understood", "makes"),
        ({"closing": SAMPLES.ignored}, "other_frames_are_understood", "see the end"),
        ({"halted": SAMPLES.ignored}, "other_frames_are_understood", "not halted"),
        ({"ended": SAMPLES.ignored}, "subscriptions_begin_and_end", "not confirmed"),
        ({"instruments": ['{"X":"1"}']}, "instruments_are_listed", "is not among"),
        ({"stream": SAMPLES.stream[:2]}, "new_connection_begins_anew", None),
        ({"again": SAMPLES.stream[-1:]}, "snapshot_begins_anew", "changed nothing"),
    ],
)
def test_samples_that_do_not_fit_are_named(changes, name, message):
    samples = replace(SAMPLES, **changes)
    if message is None:
        check(Toy, samples, name)
        return
    with pytest.raises(AssertionError, match=message):
        check(Toy, samples, name)


def test_option_that_cannot_be_is_not_the_kit_s_business():
    class Choosy(Toy):
        """An option that goes with another one only."""

        def setup(self):
            if self.options["speed"] == "slow" and self.depth == 50:
                raise ConfigurationError("too slow")

    check(Choosy, SAMPLES)


# -- broken frames -------------------------------------------------------------------


def test_every_value_is_broken_once():
    broken = {repr(frame) for frame in mangled('{"a":[1,2],"b":{"c":"x"}}')}
    for wanted in (
        "",
        '{"b": {"c": "x"}}',
        '{"a": [1, 2], "b": {}}',
        '{"a": [null, 2], "b": {"c": "x"}}',
        '{"a": [1, 2], "b": {"c": "NaN"}}',
    ):
        assert repr(wanted) in broken
    assert len(broken) > 100


def test_zipped_frames_are_broken_inside_too():
    inside = set()
    for broken in mangled(gzip.compress(b'{"a":1}')):
        with contextlib.suppress(OSError, EOFError, TypeError, zlib.error):
            inside.add(gzip.decompress(broken))  # type: ignore[arg-type]
    assert {b'{"a": null}', b"{}"} <= inside


def test_long_frames_are_cut_in_a_hundred_places():
    assert 90 <= len(list(cuts("x" * 10_000))) <= 100


def test_frames_of_one_kind_have_the_same_keys_and_types():
    assert kind_of('{"type":"a","x":[1]}') == kind_of('{"x":[2,3],"type":"a"}')
    assert kind_of('{"type":"a","x":[1]}') != kind_of('{"type":"b","x":[1]}')
    assert kind_of('{"x":"1"}') != kind_of('{"x":1}')
    assert kind_of(b"\x00\xff") == kind_of(b"\x01\xfe") == "binary"
    assert kind_of("pong") != kind_of("ping")
