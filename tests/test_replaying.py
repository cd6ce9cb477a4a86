"""
Every recorded frame that we have, through the core, against what others made of it.

Expected values are the oracles': final books by an independent replayer, checksums by
the manifest's count, and the venue's own best prices by sequence.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from decimal import Decimal

import pytest

from booksync.errors import ConfigurationError, RecordingError
from booksync.events import Changed, Synced
from booksync.replaying import Replay, replay
from booksync.states import State
from tests.capture_table import CASES
from tests.captures import ROOT, bbo, manifest, needs_captures, oracle

ENTRIES = {entry["name"]: entry for entry in manifest()}
NAMES = sorted(CASES)
WITH_BBO = sorted(n for n, e in ENTRIES.items() if e.get("bbo_oracle"))
#: Whose loss numbers show; of the others a checksum shows a part, or nothing does.
NUMBERED = ("chained", "counted", "ranged")


def path_of(name):
    return ROOT / "data" / f"{name}.jsonl.gz"


def replaying(name, path=None, **more):
    case = CASES[name]
    case.load()
    return Replay(
        path or path_of(name),
        venue=case.venue,
        depth=case.depth,
        options=case.options,
        **more,
    )


def replayed(name, path=None, **more):
    run = replaying(name, path, **more)
    run.run()
    return run


@needs_captures
def test_every_capture_has_its_row():
    assert sorted(CASES) == sorted(ENTRIES)


@needs_captures
@pytest.mark.parametrize("name", NAMES)
def test_final_books_are_the_oracles(name):
    run = replayed(name)
    found = {book["symbol"]: book for book in run.summary()}
    for symbol, wanted in oracle(name)["instruments"].items():
        book = found[symbol]
        assert book["state"] == "live"
        assert book["digest"] == wanted["full_sha256"], symbol
        assert book["bids"] == [list(level) for level in wanted["bids"]]
        assert book["asks"] == [list(level) for level in wanted["asks"]]
        assert book["levels"] == [wanted["n_bids"], wanted["n_asks"]]


@needs_captures
@pytest.mark.parametrize("name", NAMES)
def test_books_are_the_oracles_at_each_tenth_of_the_file(name):
    """Its books begin with their snapshots, ours once a delta has joined."""
    points = {at["after_record"]: at["books"] for at in oracle(name)["checkpoints"]}
    compared = set()

    def compare(after):
        for symbol, wanted in points.get(after, {}).items():
            sync = run.books[symbol]
            if sync.live:
                assert sync.book.digest() == wanted["sha256"], (after, symbol)
                compared.add(after)
            else:
                assert (sync.state, sync.counts.applied) == (State.SYNCING, 0)

    run = replaying(name, on_record=lambda number: compare(number - 1))
    run.run()
    compare(run.record)
    assert len(compared) >= 0.8 * sum(map(bool, points.values()))


@needs_captures
@pytest.mark.parametrize("name", NAMES)
def test_no_gap_is_reported_and_counts_add_up(name):
    for book in replayed(name).summary():
        assert book["gaps"] == book["resyncs"] == 0, book
        assert book["gap_at"] == []
        parts = ("applied", "stale", "refused", "discarded", "buffered")
        assert book["received"] == sum(book[part] for part in parts)


@needs_captures
@pytest.mark.parametrize(
    "name", [n for n in NAMES if (ENTRIES.get(n) or {}).get("checksum")]
)
def test_every_checksum_passes(name):
    books = [book for book in replayed(name).summary() if book["checksums"]]
    passed = sum(book["checksums"]["passed"] for book in books)
    assert passed == ENTRIES[name]["checksums_passed"]
    assert sum(book["checksums"]["failed"] for book in books) == 0


@needs_captures
@pytest.mark.parametrize("name", WITH_BBO)
def test_best_prices_are_the_venues_own_at_every_sequence(name):
    """The venue's best-price stream is no product of any book."""
    known = oracle(name)["bbo"]["mismatches"]
    excused = {(row["rec"], row["inst"]) for row in known}
    wanted = {(row["record"], row["instrument"]): row for row in bbo(name)}
    case = CASES[name]
    run = Replay(path_of(name), venue=case.venue, options=case.options)
    seen = 0
    for event in run:
        if not isinstance(event, Synced | Changed):
            continue
        row = wanted.get((run.record, event.symbol))
        if row is None or (run.record, event.symbol) in excused:
            continue
        book = run.books[event.symbol].book
        if book.sequence != row["u"] or isinstance(event, Synced):
            continue
        best = [*book.best_bid, *book.best_ask]
        given = [Decimal(row[k]) for k in ("bid", "bid_qty", "ask", "ask_qty")]
        assert best == given, (run.record, event.symbol)
        seen += 1
    assert seen >= 0.9 * ENTRIES[name]["bbo_oracle"]["matched"]


@needs_captures
@pytest.mark.parametrize("name", ["binance_spot_20211012", "okx_v5_20220513"])
def test_float_books_have_the_same_best_prices(name):
    exact, fast = replayed(name), replayed(name, numbers=float)
    for symbol, sync in exact.books.items():
        if sync.live:
            book = fast.books[symbol].book
            assert [(float(p), float(s)) for p, s in sync.book.bids(25)] == book.bids(
                25
            )


@needs_captures
@pytest.mark.parametrize("name", NAMES)
def test_the_same_recording_gives_the_same_events(name):
    if ENTRIES[name]["records"] > 5_000:
        pytest.skip("the same code runs on the smaller recordings")
    case = CASES[name]
    case.load()

    def run():
        settings = {"venue": case.venue, "depth": case.depth, "options": case.options}
        return [repr(event) for event in Replay(path_of(name), **settings)]

    assert run() == run()


# -- one delta removed ---------------------------------------------------------


def applied_at(name):
    """``symbol -> records`` whose one delta was applied, in order."""
    case = CASES[name]
    case.load()
    run = Replay(
        path_of(name), venue=case.venue, depth=case.depth, options=case.options
    )
    found = {}
    before = {}
    for event in run:
        if isinstance(event, Changed | Synced):
            sync = run.books[event.symbol]
            applied = sync.status().counts.applied
            if (
                isinstance(event, Changed)
                and applied == before.get(event.symbol, 0) + 1
            ):
                found.setdefault(event.symbol, []).append(run.record)
            before[event.symbol] = applied
    return found


def without(name, record, path):
    with gzip.open(path_of(name), "rt", encoding="utf-8") as source:
        lines = list(source)
    del lines[record]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def detects(name):
    """Whether numbers show a loss; a recording without them has its checksums."""
    checksums = (ENTRIES.get(name) or {}).get("checksum")
    return CASES[name].load().facts.assurance.value in NUMBERED and not checksums


def small(name):
    return ENTRIES.get(name, {}).get("records", 0) <= 8_000


@needs_captures
@pytest.mark.parametrize("name", [n for n in NAMES if small(n) and detects(n)])
def test_a_removed_delta_is_noticed_at_the_symbols_next_delta(name, tmp_path):
    rng = random.Random(name)
    candidates = [
        (symbol, records[n], records[n + 1])
        for symbol, records in applied_at(name).items()
        for n in range(1, len(records) - 1)
        if records[n] != records[n + 1]
    ]
    if not candidates:
        pytest.skip("no symbol has three deltas in a row here")
    for symbol, gone, following in rng.sample(candidates, min(3, len(candidates))):
        path = without(name, gone, tmp_path / "cut.jsonl")
        side = path_of(name).with_name(f"{name}.instruments.json")
        if side.exists():
            (tmp_path / "cut.instruments.json").write_bytes(side.read_bytes())
        run = replayed(name, path)
        holes = run.holes.get(symbol, [])
        assert holes, (symbol, gone)
        if CASES[name].load().facts.numbering.value == "connection":
            # Another symbol's frame may show it first; a venue that sends its
            # numbers out of order is given 50 messages to mend a hole.
            assert gone <= holes[0].record <= following + 60
        else:
            assert holes[0].record == following - 1  # one line is gone before it


@needs_captures
@pytest.mark.parametrize(
    "name", [n for n in NAMES if (ENTRIES.get(n) or {}).get("checksum") and small(n)]
)
def test_a_checksum_shows_most_removed_deltas_and_never_a_wrong_one(name, tmp_path):
    """It reads the best levels only: what changes beyond them it cannot show."""
    rng = random.Random(name)
    every = [
        (symbol, record)
        for symbol, records in applied_at(name).items()
        for record in records[1:-1]
    ]
    tried = rng.sample(every, min(12, len(every)))
    noticed = 0
    for symbol, gone in tried:
        path = without(name, gone, tmp_path / "cut.jsonl")
        side = path_of(name).with_name(f"{name}.instruments.json")
        if side.exists():
            (tmp_path / "cut.instruments.json").write_bytes(side.read_bytes())
        run = replayed(name, path)
        failed = run.books[symbol].status().counts.checksums_failed
        noticed += failed > 0
        others = [s for s in run.books.values() if s.symbol != symbol]
        assert not any(s.status().counts.checksums_failed for s in others)
    assert noticed >= len(tried) / 3


# -- files ---------------------------------------------------------------------


def delta(first, last, symbol="XUSDT"):
    data = {"e": "depthUpdate", "E": 1, "s": symbol, "U": first, "u": last}
    levels = {"b": [["9", "1"]], "a": []}
    stream = f"{symbol.lower()}@depth@100ms"
    raw = json.dumps({"stream": stream, "data": {**data, **levels}})
    return {"t": 1.0, "ch": "ws", "conn": 1, "url": None, "dir": "in", "raw": raw}


def answer(sequence, symbol="XUSDT", t=2.0):
    body = {"lastUpdateId": sequence, "bids": [["8", "1"]], "asks": [["10", "2"]]}
    url = f"https://x/api/v3/depth?symbol={symbol}&limit=1000"
    raw = json.dumps(body)
    return {"t": t, "ch": "http", "conn": 0, "url": url, "dir": "in", "raw": raw}


def write(path, *records):
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


def test_quiet_market_is_live_at_the_end_of_the_file(tmp_path):
    path = write(tmp_path / "a.jsonl", answer(100))
    (book,) = _summary(path)
    assert (book["state"], book["unbridged"], book["sequence"]) == ("live", True, 100)


def test_without_times_no_timer_fires(tmp_path):
    path = write(tmp_path / "a.jsonl", answer(100, t=None))
    (book,) = _summary(path)
    assert (book["state"], book["digest"]) == ("syncing", None)


def test_gap_among_deltas_before_the_snapshot_is_reported_where_it_shows(tmp_path):
    path = write(tmp_path / "a.jsonl", delta(99, 101), delta(104, 105), answer(100))
    (book,) = _summary(path)
    assert book["state"] == "syncing"
    assert book["gap_at"] == [{"record": 1, "expected": 101, "got": 103}]
    assert book["buffered"] == 1
    assert book["digest"] is None


def test_digest_is_over_canonical_decimals_best_first(tmp_path):
    """The digest's text by hand: see design.md 8."""
    path = write(tmp_path / "a.jsonl", delta(101, 101), answer(100))
    (book,) = _summary(path)
    text = "b 8 1\na 10 2\n"
    assert book["digest"] != hashlib.sha256(text.encode()).hexdigest()
    path = write(tmp_path / "b.jsonl", delta(99, 100), answer(100))
    (book,) = _summary(path)
    assert book["digest"] == hashlib.sha256(text.encode()).hexdigest()


def _summary(path):
    run = replay(path, venue="binance")
    run.run()
    return run.summary()


def test_unknown_urls_and_outgoing_frames_are_passed_over(tmp_path):
    other = {**answer(1), "url": "https://x/api/v3/time"}
    out = {**delta(1, 2), "dir": "out"}
    run = replay(write(tmp_path / "a.jsonl", other, out, answer(100)), venue="binance")
    run.run()
    assert [s.state for s in run.books.values()] == [State.LIVE]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("nonsense\n", "line 1: not a recording", id="not JSON"),
        pytest.param('{"ch":"ws"}\n', "record 0", id="fields missing"),
        pytest.param('{"ch":"no","dir":"in"}\n', "record 0", id="unknown channel"),
        pytest.param('{"booksync":9,"venue":"binance"}\n', "format 9", id="version"),
        pytest.param(
            '{"booksync":1,"venue":"binance"}\n{"ch":"event","event":"no"}\n',
            "record 1",
            id="unknown event",
        ),
    ],
)
def test_file_that_is_no_recording_is_refused(tmp_path, text, message):
    path = tmp_path / "a.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError, match=message):
        replay(path, venue="binance").run()


def test_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="no recording"):
        replay(tmp_path / "none.jsonl", venue="binance")


def test_compressed_file_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    whole = gzip.compress(json.dumps(delta(1, 2)).encode() * 50)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match="not a recording"):
        replay(path, venue="binance").run()


def test_venue_must_be_known_from_somewhere(tmp_path):
    path = write(tmp_path / "a.jsonl", delta(1, 2))
    with pytest.raises(ConfigurationError, match="does not name its venue"):
        replay(path)
