"""``booksync watch``, against the embedded exchange."""

from __future__ import annotations

import re
import signal

from booksync.cli.watch import Watching, _told
from booksync.events import (
    Audited,
    Changed,
    Desynced,
    Drift,
    Event,
    Gap,
    Halted,
    LineFilled,
    LineLost,
    Malformed,
    Rejected,
    Synced,
    Verdict,
)
from booksync.feed import connect
from booksync.messages import Delta
from booksync.states import Cause
from tests.busy import real_time


@real_time
def test_plain_lines_tell_trust_and_best_prices(booksync, exchange):
    result = booksync(
        "watch", "binance", "btcusdt", "ETHUSDT", *exchange.urls, "--seconds", 1.5
    )
    assert result.code == 0
    lines = result.out.splitlines()
    time, price = r"\d\d:\d\d:\d\d", r"[\d.]+ x [\d.]+"
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert any(re.match(f"{time} {symbol} live at \\d+", line) for line in lines)
        top = re.compile(f"{time} {symbol} {price} \\| {price} at \\d+")
        assert 1 <= sum(bool(top.match(line)) for line in lines) <= 3
    assert all(re.match(time, line) for line in lines)
    assert [line.split(":")[1] for line in result.errors] == [" BTCUSDT", " ETHUSDT"]


@real_time
def test_json_is_an_object_an_event(booksync, exchange):
    result = booksync(
        "watch", "binance", "BTCUSDT", *exchange.urls, "--seconds", 1.5, "--json"
    )
    assert result.code == 0
    first, *others = result.objects
    assert first.pop("t") > 0
    assert first.pop("sequence") > 0
    assert first.pop("overlap") in {True, False}
    assert first == {
        "event": "synced",
        "symbol": "BTCUSDT",
        "unbridged": False,
        "drift": None,
    }
    assert others
    for event in others:
        assert event["event"] == "changed"
        assert event["sequence"] > 0
        assert [len(event["bids"]), len(event["asks"])] == [1, 1]
        [[price, size]] = event["bids"]
        assert float(price) < float(event["asks"][0][0])
        assert isinstance(size, str)
    [line] = result.errors
    assert re.match(r"booksync: BTCUSDT: live.*, \d+ changes, 0 gaps, 0 resync", line)


@real_time
def test_depth_shown_is_the_number_of_levels(booksync, exchange):
    result = booksync(
        "watch", "binance", "BTCUSDT", *exchange.urls, "--seconds", 1.5, "--json",
        "--depth-shown", 3, "--float",
    )  # fmt: skip
    changes = [each for each in result.objects if each["event"] == "changed"]
    assert changes
    assert {len(each["bids"]) for each in changes} == {3}


def test_wrong_symbol_is_told_in_one_line(booksync, exchange):
    result = booksync("watch", "binance", "NOPE", *exchange.urls, "--json")
    assert result.code == 1
    assert [each["event"] for each in result.objects] == ["rejected"]
    assert result.errors == [
        "booksync: the venue rejects NOPE: Invalid symbol. (code -1121)"
    ]


def test_unreachable_host_is_told_in_one_line(booksync):
    urls = "--ws-url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1"
    result = booksync("watch", "binance", "BTCUSDT", *urls)
    assert result.code == 1
    [line] = result.errors
    assert "ws://127.0.0.1:1" in line


@real_time
def test_book_that_never_was_live_is_told(booksync, exchange):
    urls = "--ws-url", exchange.server.ws_url, "--rest-url", "http://127.0.0.1:1"
    result = booksync("watch", "binance", "BTCUSDT", *urls, "--seconds", 0.5, "--json")
    assert result.code == 1
    line = result.errors[-1]
    assert re.match(
        r"booksync: never live: BTCUSDT: syncing \(\w+\), \d snapshots asked for, 0",
        line,
    )


def test_interrupt_ends_with_a_summary(spawn, exchange):
    process = spawn("watch", "binance", "BTCUSDT", *exchange.urls)
    assert "BTCUSDT live at" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60.0)
    assert process.returncode == 0
    assert re.fullmatch(
        r"booksync: BTCUSDT: live.*, \d+ changes, 0 gaps, 0 resyncs\n", err
    )


def test_change_after_which_the_book_is_withheld_shows_no_level():
    watching = Watching(connect("binance", "X"), None, as_json=True)
    change = Changed("X", message=Delta("X", 1, 2, [("1", "2")], [], time=3.0))
    record = watching._record(change)
    assert record.pop("t") > 0
    assert record == {
        "event": "changed",
        "symbol": "X",
        "venue_t": 3.0,
        "sequence": None,
        "bids": None,
        "asks": None,
    }


def test_every_event_of_trust_is_a_line():
    events: dict[Event, str] = {
        Synced("X", 7): "X live at 7",
        Synced("X", 7, unbridged=True): "X live at 7 unbridged",
        Desynced("X", Cause.SILENT): "X withheld: silent",
        Desynced("X", Cause.GAP, expected=3, got=5): (
            "X withheld: gap (expected 3, got 5)"
        ),
        Gap("X", expected=3, got=5): "X gap: expected 3, got 5",
        Malformed(None, "bad JSON"): "- malformed: reason bad JSON",
        Rejected(("X", "Y"), "no"): "X, Y rejected: no",
        Synced("X", 7, drift=Drift(compared=9, differing=2, seconds=0.26)): (
            "X live at 7 (2 of 9 levels were off, withheld 0.3 s)"
        ),
        Audited("X", verdict=Verdict.MATCHED, sequence=7, compared=9): (
            "X audited: verdict matched, sequence 7, compared 9, differing 0"
        ),
        LineLost("X", 1, cause=Cause.GAP): "X linelost: line 1, cause gap",
        LineFilled("X", 0, sequence=7): "X linefilled: line 0, sequence 7",
        Halted("X", "news"): "X halted: reason news",
    }
    for event, line in events.items():
        assert _told(event) == line


@real_time
def test_two_lines_are_watched_and_audited(booksync, exchange, tmp_path):
    more = ["--lines", 2, "--audit-every", 0.3, "--max-age", 60, "--flight", tmp_path]
    result = booksync(
        "watch", "binance", "BTCUSDT", *exchange.urls, *more, "--seconds", 2, "--json"
    )
    assert result.code == 0
    audits = [each for each in result.objects if each["event"] == "audited"]
    assert audits
    assert {each["verdict"] for each in audits} <= {"matched", "inconclusive"}


def test_third_line_is_refused(booksync, exchange):
    result = booksync("watch", "binance", "X", *exchange.urls, "--lines", 3)
    assert result.code == 2
    assert "lines must be 1 or 2" in result.err
