"""``booksync replay``: JSON, tables, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from booksync.cli import replay as module
from booksync.cli.output import STDERR

URL = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000"


def delta(first, last, *, bids=(("9", "1"),)):
    data = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": last}
    raw = json.dumps(
        {"stream": "btcusdt@depth@100ms", "data": {**data, "b": bids, "a": []}}
    )
    return {"t": 1.0 + last / 100, "ch": "ws", "conn": 0, "dir": "in", "raw": raw}


def snapshot(last):
    body = {"lastUpdateId": last, "bids": [["8", "1.50"]], "asks": [["10", "2"]]}
    raw = json.dumps(body)
    return {"t": 1.0, "ch": "http", "conn": 1, "url": URL, "dir": "in", "raw": raw}


@pytest.fixture
def capture(tmp_path):
    """Write a recording of others, which names no venue."""

    def write(*records, name="capture.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    return write


def test_json_says_what_design_promises(booksync, capture):
    file = capture(delta(1, 5), snapshot(5), delta(6, 7), delta(8, 9))
    result = booksync("replay", file, "--venue", "binance", "--json")
    assert result.code == 0
    [book] = result.objects
    assert len(book.pop("digest")) == 64
    assert book == {
        "file": str(file),
        "venue": "binance",
        "symbol": "BTCUSDT",
        "state": "live",
        "unbridged": False,
        "sequence": 9,
        "received": 3,
        "applied": 2,
        "stale": 1,
        "refused": 0,
        "discarded": 0,
        "buffered": 0,
        "gaps": 0,
        "gap_at": [],
        "resyncs": 0,
        "checksums": None,
        "levels": [2, 1],
        "bids": [["9", "1"], ["8", "1.5"]],
        "asks": [["10", "2"]],
    }


def test_gap_is_told_with_its_record_and_the_exit_status(booksync, capture):
    file = capture(delta(1, 5), snapshot(5), delta(6, 7), delta(9, 10))
    result = booksync("replay", file, "--venue", "binance")
    assert result.code == 1
    assert "BTCUSDT: gap at record 3: expected 7, got 8" in result.out
    assert result.errors == [
        f"booksync: {file}: BTCUSDT is not live at the end: syncing (gap)"
    ]
    [book] = booksync("replay", file, "--venue", "binance", "--json").objects
    assert book["gap_at"] == [{"record": 3, "expected": 7, "got": 8}]
    assert book["digest"] is None


def test_many_gaps_are_counted(booksync, capture):
    numbers = range(20, 40, 2)
    file = capture(delta(1, 5), snapshot(5), *(delta(n, n) for n in numbers))
    result = booksync("replay", file, "--venue", "binance")
    assert result.out.count("gap at record") == module.GAPS
    assert "BTCUSDT: 5 gaps more" in result.out


def test_book_without_a_snapshot_is_no_failure(booksync, capture):
    file = capture(delta(1, 5), delta(6, 7))
    result = booksync("replay", file, "--venue", "binance", "--json")
    assert result.code == 0
    assert result.objects[0]["state"] == "syncing"


def test_several_files_and_one_that_cannot_be_read(booksync, capture):
    good = capture(delta(1, 5), snapshot(5), delta(6, 7))
    bad = capture({"t": 1.0, "ch": "nonsense"}, name="bad.jsonl")
    result = booksync("replay", good, bad, good, "--venue", "binance", "--json")
    assert result.code == 2
    assert [book["file"] for book in result.objects] == [str(good), str(good)]
    [line] = result.errors
    assert "bad.jsonl, record 0" in line


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"venue": 7}, id="venue"),
        pytest.param({"venue": "binance", "policy": []}, id="policy"),
        pytest.param({"venue": "binance", "options": 3}, id="options"),
        pytest.param({"venue": "binance", "policy": {"no": 1}}, id="setting"),
        pytest.param({"venue": "binance", "depth": "x"}, id="depth"),
    ],
)
def test_strange_headers_are_told_in_one_line(booksync, capture, header):
    result = booksync("replay", capture({"booksync": 1, **header}))
    assert result.code == 2
    assert len(result.errors) == 1


def test_wrong_venue_is_told(booksync, capture):
    file = capture(delta(1, 5), delta(6, 7))
    result = booksync("replay", file, "--venue", "bybit")
    assert result.code == 1
    malformed, verdict = result.errors
    assert malformed == (
        f"booksync: {file}: 2 of 2 frames are malformed; "
        "the first in record 0: neither a book nor an answer"
    )
    assert verdict == f"booksync: {file}: no book of bybit in it"


def test_malformed_frame_is_told_beside_the_books(booksync, capture):
    broken = {**delta(6, 7), "raw": "{"}
    file = capture(delta(1, 5), snapshot(5), broken, delta(8, 9), broken)
    for option in (), ("--json",):
        result = booksync("replay", file, "--venue", "binance", *option)
        assert "2 of 4 frames are malformed; the first in record 2: " in result.err


def test_instruments_that_a_venue_needs_are_asked_for(booksync, capture):
    """Without the list of products nobody knows what Phemex's integers mean."""
    frames = [
        phemex(number, kind, book="book", symbol="BTCUSD")
        for number, kind in ((1, "snapshot"), (2, "incremental"))
    ]
    file = capture(*frames, name="day.jsonl")
    args = "replay", file, "--venue", "phemex"
    result = booksync(*args)
    assert result.code == 1
    malformed, missing, verdict = result.errors
    assert "BTCUSD: its price scale is not known" in malformed
    assert "option scale=wire" in malformed
    assert missing == (
        f"booksync: {file}: phemex needs its lists of instruments: there are none in "
        f"{file.with_name('day.instruments.json')}"
    )
    assert verdict == f"booksync: {file}: no book of phemex in it"
    result = booksync(*args, "--option", "scale=wire", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.objects[0]["bids"][0] == ["90000", "1"]
    product = {"symbol": "BTCUSD", "priceScale": 4, "tickSize": 0.5}
    listed = [{"url": "/public/products", "data": {"data": {"products": [product]}}}]
    file.with_name("day.instruments.json").write_text(json.dumps(listed))
    result = booksync(*args, "--json")
    assert (result.code, result.err) == (0, "")
    assert result.objects[0]["bids"][0] == ["9", "1"]
    capture(
        *frames, phemex(1, "snapshot", book="book", symbol="ETHUSD"), name=file.name
    )
    [unlisted] = booksync(*args).errors
    assert "1 of 3 frames are malformed; the first in record 2: ETHUSD: " in unlisted


def test_file_that_names_no_venue_is_told(booksync, capture):
    result = booksync("replay", capture(delta(1, 5)))
    assert result.code == 2
    assert "--venue" in result.err


def test_numbers_may_be_floats(booksync, capture):
    file = capture(delta(1, 5), snapshot(5), delta(6, 7))
    args = "replay", file, "--venue", "binance", "--json"
    assert booksync(*args).objects == booksync(*args, "--float").objects


def phemex(sequence, kind, *, book="orderbook_p", symbol="BTCUSDT"):
    texts = {"bids": [["9", "1"], ["8", "1"]], "asks": [["10", "1"], ["11", "1"]]}
    scaled = {"bids": [[90000, 1], [80000, 1]], "asks": [[100000, 1], [110000, 1]]}
    data = {
        book: texts if book == "orderbook_p" else scaled,
        "depth": 30,
        "sequence": sequence,
        "symbol": symbol,
        "type": kind,
    }
    raw = json.dumps(data)
    return {"t": 1.0 + sequence, "ch": "ws", "conn": 0, "dir": "in", "raw": raw}


@pytest.mark.parametrize(("option", "levels"), [((), 2), (("--depth", "1"), 1)])
def test_depth_is_what_the_books_are_cut_to(booksync, capture, option, levels):
    """The venue cuts its books to the depth that was subscribed: 30 if nobody says."""
    file = capture(phemex(1, "snapshot"), phemex(2, "incremental"))
    result = booksync("replay", file, "--venue", "phemex", "--json", *option)
    assert result.code == 0
    assert result.objects[0]["levels"] == [levels, levels]


@pytest.mark.parametrize("depth", ["7", "0", "-1"])
def test_depth_that_the_venue_has_not_is_told(booksync, capture, depth):
    file = capture(phemex(1, "snapshot"))
    result = booksync("replay", file, "--venue", "phemex", "--depth", depth)
    assert result.code == 2
    [line] = result.errors
    assert f"no snapshot depth {depth}: choose one of 1, 5, 10, 30" in line


def test_interrupt_is_told(booksync, capture, monkeypatch):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "Replay", interrupt)
    result = booksync("replay", capture(delta(1, 5)), "--venue", "binance")
    assert result.code == 130
    assert "interrupted" in result.err


def test_long_file_has_a_bar_on_a_terminal_only(booksync, capture, monkeypatch):
    file = capture(delta(1, 5), snapshot(5), delta(6, 7))
    args = "replay", file, "--venue", "binance", "--json"
    monkeypatch.setattr(module, "LONG", 1)
    assert module._length(Path(file)) is None
    quiet = booksync(*args)
    assert not quiet.err
    monkeypatch.setattr(STDERR, "_force_terminal", True)
    monkeypatch.setattr(STDERR, "is_interactive", True)
    assert module._length(Path(file)) == 3
    loud = booksync(*args)
    assert loud.objects == quiet.objects
    assert "capture.jsonl" in loud.err
