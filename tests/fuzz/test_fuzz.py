"""
A short run of the fuzzers over every venue, the same each time, and what they found.

It begins with frames that are in the repository alone, so it does not depend on which
recordings are at hand. ``python -m tests.fuzz`` is the long run.
"""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys

import msgspec
import pytest

from booksync import venues
from booksync.messages import Delta
from tests.fuzz import chance, seeds
from tests.fuzz.cases import MOST_RECORDS, Case, Kind, Record
from tests.fuzz.mutate import Mutator
from tests.fuzz.target import Finding, Target

#: Cases of each venue.
CASES = 150


def text(*frames: str) -> tuple[Record, ...]:
    return tuple(Record(Kind.TEXT, frame.encode()) for frame in frames)


@pytest.mark.parametrize("venue", venues.available())
def test_venue_and_engine_take_whatever_comes(venue):
    count, found = chance.fuzz(venue, seed=0, cases=CASES, recorded=False)
    for finding in found:
        pytest.fail(f"{finding.text}\n{finding.case}")
    assert count == CASES


HUGE = "1" + "0" * 400
LISTED = (
    '{"symbols":[{"symbol":["X"],"status":"TRADING","filters":'
    '[{"filterType":"PRICE_FILTER","tickSize":"0.01"},'
    '{"filterType":"LOT_SIZE","stepSize":"0.00001"}]}]}'
)
#: What the fuzzers found once: venue, kind of record, frame.
FOUND = [
    pytest.param(
        "kraken",
        Kind.TEXT,
        '{"channel":"book","type":"snapshot","data":[{"symbol":"BTC-USD","bids":'
        '[{"price":"1.5","qty":"sNaN"}],"asks":[{"price":"1.5","qty":"1.5"}],'
        '"checksum":5,"timestamp":null}]}',
        id="a signaling NaN cannot be hashed",
    ),
    pytest.param(
        "upbit",
        Kind.TEXT,
        '{"ty":"orderbook","cd":"BTC-PAX","tms":1618678283902,"tas":18.1,"tbs":60.9,'
        '"obu":[{"ap":1.6,"bp":"sNaN","as":746.8,"bs":72.9}]}',
        id="a price that is a signaling NaN",
    ),
    *(
        pytest.param(venue, Kind.TEXT, frame, id=f"{venue}: a time beyond all floats")
        for venue, frame in {
            "bybit": '{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1,"data":'
            f'{{"s":"BTCUSDT","b":[],"a":[],"u":1,"seq":7}},"cts":{HUGE}}}',
            "crypto_com": '{"id":"-1","method":"subscribe","code":0,"result":'
            '{"instrument_name":"X","subscription":"1","channel":"book","depth":50,'
            f'"data":[{{"asks":[],"bids":[],"t":{HUGE},"tt":1,"u":1,"cs":1}}]}}}}',
            "deribit": '{"jsonrpc":"2.0","method":"subscription","params":{"channel":'
            f'"book.X.raw","data":{{"type":"snapshot","timestamp":{HUGE},'
            '"instrument_name":"X","change_id":8,"bids":[],"asks":[]}}}',
            "okx": '{"arg":{"channel":"books","instId":"X"},"action":"snapshot","data":'
            f'[{{"asks":[],"bids":[],"ts":{HUGE},"checksum":1,"prevSeqId":-1,'
            '"seqId":5}]}',
            "poloniex": '{"channel":"book_lv2","data":[{"symbol":"X","createTime":1,'
            f'"asks":[],"bids":[],"lastId":1,"id":2,"ts":{HUGE}}}],'
            '"action":"update"}',
        }.items()
    ),
    pytest.param(
        "whitebit",
        Kind.TEXT,
        '{"id":null,"method":"depth_update","params":[false,{"timestamp":"NaN",'
        '"update_id":214403,"past_update_id":214399,"asks":[["0.02","0"]]},"ETH_BTC"]}',
        id="whitebit: a time that is NaN",
    ),
    pytest.param(
        "binance",
        Kind.INSTRUMENTS,
        LISTED,
        id="binance: a symbol that is a list",
    ),
    pytest.param(
        "bitstamp",
        Kind.INSTRUMENTS,
        '[{"trading":"Enabled","base_decimals":8,"url_symbol":["x"],"name":"X/Y",'
        '"counter_decimals":5}]',
        id="bitstamp: a symbol that is a list",
    ),
]


@pytest.mark.parametrize("choice", range(8))
@pytest.mark.parametrize(("venue", "kind", "frame"), FOUND)
def test_what_was_found_once_is_not_found_again(venue, kind, frame, choice):
    record = Record(kind, frame.encode())
    Target(venue).run(Case(choice, (record, record)))


# -- the fuzzers bite ------------------------------------------------------------------


BINANCE = venues.get("binance")


class Careless(BINANCE):  # type: ignore[misc, valid-type]
    """A plausible mistake: whatever ``E`` is, it is divided."""

    def read_push(self, push, session):
        (delta,) = super().read_push(push, session)
        time = 1000 / (push.data.E % 1000 - 136)
        return (msgspec.structs.replace(delta, time=time),)


class Trusting(BINANCE):  # type: ignore[misc, valid-type]
    """Another: numbers that go back are let through."""

    def read_push(self, push, session):
        update = push.data
        return (Delta(update.s, update.U - 1, update.u, update.b, update.a),)


class Forgetful(BINANCE):  # type: ignore[misc, valid-type]
    """And one that only an answer shows."""

    def parse_snapshot(self, body, symbol, depth):
        snapshot = super().parse_snapshot(body, symbol, depth)
        assert snapshot.bids
        return snapshot


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        pytest.param(Careless, "ZeroDivisionError", id="divides"),
        pytest.param(Trusting, "numbers that go back", id="trusts"),
        pytest.param(Forgetful, "AssertionError", id="asserts"),
    ],
)
def test_mistake_of_a_venue_module_is_found(kind, text):
    target = Target(kind)
    for seed in range(40):
        _, found = chance.fuzz(
            "binance", seed=seed, cases=500, recorded=False, target=target
        )
        if any(text in finding.text for finding in found):
            return
    pytest.fail("not in 20,000 cases")


def test_record_that_takes_too_long_is_found():
    case = seeds.of("binance", recorded=False)[0]
    with pytest.raises(Finding, match="bytes"):
        Target("binance", patience=0.0).run(case)


def test_same_seed_gives_the_same_cases():
    own, tokens = seeds.of("binance", recorded=False), seeds.tokens("binance")
    runs = [
        [Mutator(random.Random(5), own, tokens).fresh() for _ in range(20)]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_finding_is_made_short():
    bad = Record(Kind.INSTRUMENTS, b"bad")

    class Only(Target):
        def run(self, case):
            if bad in case.records:
                raise Finding("bad")

    padded = Case(0, (*text("{}", "[]"), bad, *text("5")))
    assert chance.shortened(Only("binance"), padded).records == (bad,)


@pytest.mark.parametrize("venue", venues.available())
def test_seeds_of_a_venue_reach_its_book(venue):
    """At least one built-in seed becomes a message with levels."""
    kind = venues.get(venue)
    reached = []

    class Watched(kind):  # type: ignore[misc, valid-type]
        def parse(self, frame, session):
            messages = super().parse(frame, session)
            reached.extend(m for m in messages if hasattr(m, "bids"))
            return messages

    target = Target(Watched)
    for case in seeds.of(venue, recorded=False):
        for options in range(len(target._choices)):
            chance.fails(target, case._replace(choice=2 | options << 3))
    assert reached or kind.needs_instruments


# -- cases -----------------------------------------------------------------------------


def test_case_is_read_back_as_it_was_written():
    case = Case(
        0b1011_0110,
        (
            Record(Kind.TEXT, b'{"a":"\n"}'),
            Record(Kind.BINARY, bytes(range(255))),
            Record(Kind.SNAPSHOT, b""),
            Record(Kind.AUDIT, b"{}"),
            Record(Kind.INSTRUMENTS, b"[]"),
        ),
    )
    assert Case.decode(case.encode()) == case
    assert (case.floats, case.discover, case.lines) == (False, True, 2)


def test_any_bytes_are_a_case():
    chance_ = random.Random(1)
    for size in range(200):
        case = Case.decode(chance_.randbytes(size))
        assert len(case.records) <= MOST_RECORDS
        assert all(isinstance(record.wire, str | bytes) for record in case.records)


# -- the command -----------------------------------------------------------------------


def run(*arguments):
    command = [sys.executable, "-m", "tests.fuzz", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_fuzzes_a_venue(tmp_path):
    """Guided by coverage where atheris is installed, else by chance."""
    done = run("upbit", "--seconds", "1", "--folder", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    guided = importlib.util.find_spec("atheris") is not None
    assert ("guided by coverage" if guided else "by chance") in done.stdout
    assert "0 findings" in done.stdout


def test_command_feeds_a_finding_again(tmp_path):
    path = tmp_path / "x.case"
    path.write_bytes(Case(2, text('{"result":null,"id":1}')).encode())
    done = run("binance", "--replay", str(path))
    assert done.returncode == 0
    assert "nothing happens" in done.stdout


@pytest.mark.parametrize("arguments", [["binnance"], ["--replay", "x"]])
def test_command_says_what_is_wrong_with_it(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
