"""
Each benchmark with tiny settings: its records' shape, and that the books agree.

Nothing here looks at a time: each benchmark itself raises if a book is not the naive
one, or if a frame was not applied.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import itertools
import json
import math
import statistics
import subprocess
import sys
from decimal import Decimal

import pytest

from benchmarks import apply, feed, memory, peers, queries, recover, scale, stages
from benchmarks.__main__ import main, names, show
from benchmarks._peer import PEERS, Work, canonical, described
from benchmarks._stream import Frames, pieces
from benchmarks._workers import HERE, Failed, Worker
from benchmarks.workload import generated, workloads
from booksync.errors import ConfigurationError
from tests.captures import needs_captures

TINY = {"levels": 40, "frames": 30}


def tiny(**settings):
    return generated(**{**TINY, **settings})


def checked(records, benchmark):
    """Every record is one JSON object with the fields that all have."""
    found = [json.loads(json.dumps(record)) for record in records]
    assert found
    for record in found:
        assert record["benchmark"] == benchmark
        assert record["case"]
        assert record["workload"]
        assert record["ratio"] is None or record["ratio"] > 0
        assert show(record)
    cases = [(record["case"], record["workload"]) for record in found]
    assert len(cases) == len(set(cases))
    return found


def cases_of(records):
    return {record["case"] for record in records}


# -- the workload ---------------------------------------------------------------------


def test_same_seed_makes_the_same_frames():
    assert tiny().frames == tiny().frames
    assert tiny().frames != tiny(seed=2).frames


@pytest.mark.parametrize(("levels", "seed"), [(1_000, 1), (2_000, 1), (5_000, 2)])
def test_generated_mix_is_that_of_recorded_frames(levels, seed):
    workload = generated(levels=levels, seed=seed)
    data = json.loads(workload.body)
    held = {
        "b": {price for price, _ in data["bids"]},
        "a": {price for price, _ in data["asks"]},
    }
    assert {len(side) for side in held.values()} == {levels}
    changes = inserts = deletes = 0
    for raw in workload.frames:
        update = json.loads(raw)["data"]
        assert 10 <= len(update["b"]) + len(update["a"]) <= 50
        for side in "ba":
            for price, size in update[side]:
                if not Decimal(size):
                    deletes += 1
                    held[side].discard(price)
                elif price in held[side]:
                    changes += 1
                else:
                    inserts += 1
                    held[side].add(price)
    total = changes + inserts + deletes
    assert total == workload.levels
    assert 0.45 <= changes / total <= 0.70
    assert 0.15 <= inserts / total <= 0.30
    assert 0.15 <= deletes / total <= 0.25
    # As many come as go: the book that was asked for is what is measured.
    assert all(0.75 <= len(side) / levels <= 1.25 for side in held.values())


def ranks(workload):
    """How many better levels the changed ones have: a model of its own."""
    body = json.loads(workload.body)
    sides = {
        "b": sorted((-float(price), price) for price, *_ in body["bids"]),
        "a": sorted((float(price), price) for price, *_ in body["asks"]),
    }
    found = []
    for raw in workload.frames:
        update = json.loads(raw)["data"]
        for name, side in sides.items():
            for price, size in update[name]:
                level = (-float(price) if name == "b" else float(price), price)
                at = bisect.bisect_left(side, level)
                found.append(at)
                if at < len(side) and side[at] == level:
                    del side[at]
                if float(size):
                    side.insert(at, level)
    return statistics.quantiles(found, n=20)


@needs_captures
def test_generated_changes_are_as_near_the_best_price_as_recorded_ones():
    real = [dataclasses.replace(w, frames=w.frames[:1500]) for w in workloads()]
    found = [ranks(workload) for workload in real]
    for levels in (1_000, 5_000, 20_000):
        made = ranks(generated(levels=levels, frames=600))
        for twentieths in (5, 10, 15, 18):
            low, *_, high = sorted(one[twentieths - 1] for one in found)
            assert low <= made[twentieths - 1] <= high, (levels, twentieths)


def test_scattered_changes_are_the_farther_the_deeper_the_book_is():
    for levels in (1_000, 20_000):
        made = ranks(generated(levels=levels, frames=600, scattered=True))
        assert 0.03 <= made[9] / levels <= 0.1
        assert 0.15 <= made[18] / levels <= 0.4


def test_generated_ids_follow_each_other():
    workload = tiny()
    last = json.loads(workload.body)["lastUpdateId"]
    for raw in workload.frames:
        update = json.loads(raw)["data"]
        assert update["U"] == last + 1
        last = update["u"]


# -- apply ----------------------------------------------------------------------------


def test_apply_measures_every_case_and_proves_every_frame():
    found = apply.measure(tiny(), rounds=2)
    assert set(found) == set(apply.CASES)
    assert all(len(pairs) == 2 for pairs in found.values())


def test_apply_tells_every_figure_and_the_means_of_all_workloads(monkeypatch):
    monkeypatch.setattr(apply, "workloads", lambda: [tiny(), tiny(name="other")])
    grow = functools.partial(apply.growth, sizes=(20, 40), frames=10)
    monkeypatch.setattr(apply, "growth", grow)
    found = checked(apply.run(rounds=1), "apply")
    ratios = {(r["case"], r["workload"]): r["ratio"] for r in found}
    for case in apply.CASES:
        one, two = ratios[case, "generated"], ratios[case, "other"]
        mean = ratios[case, "geometric mean"]
        assert mean == pytest.approx(math.sqrt(one * two), abs=0.01)
    grown = {case for case, on in ratios if on == "generated-20"}
    assert grown == {
        f"{numbers}/growth{where}"
        for numbers in ("floor", "float", "decimal")
        for where in ("", ", scattered")
    }
    assert all(ratios[case, "generated-40"] == 1.0 for case in grown)


def test_apply_answers_a_book_that_wants_to_be_checked():
    workload = tiny()
    engine = apply.primed(workload, float)
    sync = engine.books[workload.symbol]
    assert apply.checked(engine, workload) < 1.0
    assert sync.counts.audits == 0  # it did not ask
    for raw in workload.frames:
        engine.frame(1, raw, 0.0)
    sync.remembers = True
    apply.checked(engine, workload)
    assert sync.counts.audits == 1
    assert not sync.remembers
    apply.proved(engine, workload)


def test_apply_notices_a_frame_that_was_not_applied():
    workload = tiny()
    engine = apply.primed(workload, float)
    for raw in workload.frames[1:]:
        engine.frame(1, raw, 0.0)
    with pytest.raises(AssertionError):
        apply.proved(engine, workload)


def test_every_stage_of_a_frame_is_measured_for_both_numbers():
    found = checked(stages.run(rounds=1, workload=tiny()), "stages")
    ours = ("parse", "book", "receive", "frame", "best")
    assert cases_of(found) == {"floor/decode", "floor/floor"} | {
        f"{numbers}/{part}" for numbers in ("float", "decimal") for part in ours
    }


# -- peers ----------------------------------------------------------------------------


def test_missing_peer_is_reported_as_skipped(monkeypatch):
    monkeypatch.setattr(peers, "interpreter", lambda _name: None)
    found = checked(
        peers.run(rounds=1, names=("ccxt.pro", "cryptofeed"), workload=tiny()), "peers"
    )
    assert [record["skipped"] for record in found] == ["not installed"] * 2
    assert cases_of(found) == {"ccxt.pro", "cryptofeed"}


def test_broken_peer_is_reported_as_skipped(monkeypatch):
    monkeypatch.setattr(peers, "interpreter", lambda _name: sys.executable)
    monkeypatch.setitem(PEERS, "nobody", ("no-such-distribution", None))
    found = checked(peers.run(rounds=1, names=("nobody",), workload=tiny()), "peers")
    assert "skipped" in found[0]
    assert found[0]["skipped"]


def futures(workload, venue, symbol):
    """The same frames as those of a perpetual: each tells which went before it."""
    snapshot = json.loads(workload.body)
    before, frames = snapshot["lastUpdateId"], []
    for raw in workload.frames:
        data = json.loads(raw)["data"]
        data |= {"s": symbol, "pu": before, "U": data["U"] + 1, "T": data["E"]}
        data |= {"ps": symbol.partition("_")[0]}
        frames.append({"stream": f"{symbol.lower()}@depth@0ms", "data": data})
        before = data["u"]
    joined = frames[0]["data"]["U"]  # the first frame spans the snapshot
    body = json.dumps({**snapshot, "lastUpdateId": joined, "E": 1, "T": 1})
    return dataclasses.replace(
        workload, venue=venue, symbol=symbol, body=body,
        url=f"https://fapi.binance.com/fapi/v1/depth?symbol={symbol}&limit=1000",
        frames=[json.dumps(frame, separators=(",", ":")) for frame in frames],
    )  # fmt: skip


SYMBOLS = {
    "binance": "BTCUSDT", "binance_usdm": "BTCUSDT", "binance_coinm": "BTCUSD_PERP",
}  # fmt: skip
#: A peer and a market that it cannot do, and what it says.
REFUSED = {
    ("python-binance", "binance_usdm"): "partial books",
    ("python-binance", "binance_coinm"): "partial books",
    ("ubldc", "binance_coinm"): "no snapshot",
}


@pytest.mark.parametrize("venue", SYMBOLS)
@pytest.mark.parametrize("name", PEERS)
def test_peer_ends_in_the_naive_book(name, venue):
    if peers.interpreter(name) is None:
        pytest.skip(f"{name} is not installed: python -m benchmarks.peers install")
    workload = generated(levels=60, frames=40)
    if venue != "binance":
        workload = futures(workload, venue, SYMBOLS[venue])
    found = checked(peers.run(rounds=1, names=(name,), workload=workload), "peers")
    skipped = [record["skipped"] for record in found if "skipped" in record]
    if (name, venue) in REFUSED:
        (reason,) = skipped
        assert REFUSED[name, venue] in reason
        return
    assert not skipped
    agrees = {record["agrees"] for record in found if "agrees" in record}
    assert agrees in ({"whole book"}, {"top 25"})
    wanted = {f"{n}/{name}{u}" for n in peers.NUMBERS for u in ("", "/unread")}
    assert wanted <= cases_of(found)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ccxt.pro", "its check of the sequence dropped the book"),
        ("cryptofeed", "its check of the sequence asked for another snapshot"),
        ("ubldc", "its check of the sequence dropped the book"),
    ],
)
@pytest.mark.parametrize("venue", ["binance", "binance_usdm"])
def test_peer_that_misses_a_frame_says_so(name, reason, venue, tmp_path):
    python = peers.interpreter(name)
    if python is None:
        pytest.skip(f"{name} is not installed: python -m benchmarks.peers install")
    made = tiny()
    if venue != "binance":
        made = futures(made, venue, SYMBOLS[venue])
    del made.frames[9]
    work = Work(venue, made.symbol, made.url, made.body, [], made.frames)
    path = tmp_path / "work.json"
    path.write_text(json.dumps(work._asdict()))
    with Worker([str(python), "-I", str(HERE / "_peer.py"), name, str(path)]) as worker:
        worker.read()
        with pytest.raises(Failed, match=reason):
            worker.ask(frames=29, read=True)


class Answering:
    """In place of a worker: a book, and how long each round took."""

    def __init__(self, sides, seconds=0.5):
        self.asked = []
        self._answer = {**described(peers_result(*sides)), "seconds": seconds}

    def ask(self, *, frames, read):
        self.asked.append((frames, read))
        return self._answer


def test_wrong_book_is_skipped():
    bids, asks = peers.truth(tiny())
    worker = Answering((bids[1:], asks))
    entrant = peers.Entrant("wrong", worker)
    entrant.measure(30, [bids, asks])
    assert entrant.skipped == "its book ends wrong"
    assert entrant.seconds == {True: [], False: []}
    entrant.measure(30, [bids, asks])
    assert worker.asked == [(30, True)]


def test_slow_entrant_starts_no_round_when_its_time_is_up(monkeypatch):
    monkeypatch.setattr(peers, "BUDGET", 2.0)
    last = list(peers.truth(tiny()))
    worker = Answering(last, seconds=0.5)
    entrant = peers.Entrant("slow", worker)
    for _ in range(4):
        entrant.measure(30, last)
    assert worker.asked == [(30, True), (30, False)] * 2
    assert entrant.seconds == {True: [0.5] * 2, False: [0.5] * 2}


def test_figures_are_of_the_fastest_rounds():
    ours, peer = (peers.Entrant(name, None) for name in ("float", "other"))
    ours.seconds = {True: [0.3, 0.1, 0.2], False: [0.1, 0.1, 0.1]}
    peer.seconds = {True: [0.8, 0.4], False: [0.2, 0.5]}
    read, unread = peers.compared(ours, peer, 1_000)
    assert (read["ratio"], unread["ratio"]) == (0.25, 0.5)
    assert (read["us_per_frame"], read["peer_us_per_frame"]) == (100.0, 400.0)
    assert read["rounds"] == 2


def test_fastest_is_a_handler_and_not_a_bare_book():
    ours, *others = (
        peers.Entrant(name, None) for name in ("float", "slow", "fast", "order-book")
    )
    for entrant, seconds in zip((ours, *others), (0.1, 0.8, 0.4, 0.2), strict=True):
        entrant.seconds = {True: [seconds], False: [0.01]}
    (found,) = peers.against_fastest([ours], others)
    assert found == {"case": "float/fastest", "ratio": 0.25, "peer": "fast"}


def test_geometric_mean_is_of_the_workloads_that_a_peer_did():
    found = [
        {"case": "float/one", "ratio": 0.1}, {"case": "float/two", "ratio": 0.5},
        {"case": "float/one", "ratio": 0.4}, {"case": "two", "ratio": None},
    ]  # fmt: skip
    one, two = checked(peers.means(found), "peers")
    assert {one["workload"], two["workload"]} == {"geometric mean"}
    assert (one["case"], one["ratio"], one["workloads"]) == ("float/one", 0.2, 2)
    assert (two["case"], two["ratio"], two["workloads"]) == ("float/two", 0.5, 1)


def test_snapshot_comes_before_the_first_frame_that_goes_past_it():
    made = tiny()
    body = json.loads(made.body)
    body["lastUpdateId"] = json.loads(made.frames[4])["data"]["u"]
    late = dataclasses.replace(
        made, body=json.dumps(body), before=made.frames[:9], frames=made.frames[9:]
    )
    found = peers.begun(late)
    assert (found.before, found.frames) == (made.frames[:5], made.frames[5:])
    assert peers.truth(found) == peers.truth(late)


def test_every_peer_is_pinned():
    for name, (distribution, _) in PEERS.items():
        lines = peers.pinned(name)
        assert any(line.startswith(f"{distribution}==") for line in lines)
    assert "orjson" in peers.pinned("order-book")[0]


def test_truth_is_the_naive_replay():
    workload = tiny(frames=1)
    update = json.loads(workload.frames[0])["data"]
    bids, asks = peers.truth(workload)
    held = dict([*bids, *asks])
    for price, size in [*update["b"], *update["a"]]:
        text, wanted = canonical(Decimal(price)), canonical(Decimal(size))
        assert held.get(text, "0") == wanted
    assert bids == sorted(bids, key=lambda level: Decimal(level[0]), reverse=True)
    assert asks == sorted(asks, key=lambda level: Decimal(level[0]))


@pytest.mark.parametrize(
    ("alter", "expected"),
    [
        pytest.param(lambda bids: bids, "whole book", id="same"),
        pytest.param(lambda bids: bids[:30], "top 25", id="cut"),
        pytest.param(lambda bids: bids[1:], "no", id="best missing"),
    ],
)
def test_agreement_tells_a_wrong_book(alter, expected):
    bids, asks = peers.truth(tiny(levels=200, frames=5))
    answer = described(peers_result(alter(bids), asks))
    assert peers.agreement(answer, bids, asks) == expected


def peers_result(bids, asks):
    from benchmarks._peer import Result  # noqa: PLC0415

    exact = [[(Decimal(p), Decimal(s)) for p, s in side] for side in (bids, asks)]
    return Result(0.0, *exact)


@pytest.mark.parametrize(
    ("number", "text"),
    [(1.5, "1.5"), (1e-7, "0.0000001"), (Decimal("1.500"), "1.5"), (100.0, "100")],
)
def test_equal_numbers_are_equal_text(number, text):
    assert canonical(number) == text


# -- the others -----------------------------------------------------------------------


def test_queries_answers_every_question_for_both_number_types():
    found = checked(queries.run(rounds=1, calls=3, sizes=(600, 700)), "queries")
    wanted = {f"{n}/{name}" for n in ("float", "decimal") for name in queries.QUERIES}
    assert cases_of(found) == wanted
    assert all((r["growth"] is None) == r["workload"].endswith("600") for r in found)


@pytest.mark.parametrize("numbers", [float, Decimal])
def test_questions_have_the_naive_answers(numbers):
    case = queries.Case(600, numbers)
    answers = {
        name: (ours(case)(), naive(case)())
        for name, (ours, naive, _) in queries.QUERIES.items()
    }

    def near(one, other):
        assert float(one) == pytest.approx(float(other))

    ours, naive = answers["best"]
    assert [level.price for level in ours] == list(naive)
    for name in ("top 10", "top 100"):
        ours, naive = answers[name]
        assert [list(map(tuple, side)) for side in ours] == list(naive)
    for name in ("between (100 levels)", "size_until (100 levels)", "within 3 bps"):
        ours, naive = answers[name]
        assert len(ours.levels) == len(naive[0]) > 1
        near(ours.size, naive[1])
        near(ours.notional, naive[2])
    ours, naive = answers["fill size (20 levels)"]
    near(ours.filled, naive[0])
    near(ours.notional, naive[1])
    for name in ("imbalance 10", "spread"):
        near(*answers[name])
    ours, naive = answers["level 500"]
    assert tuple(ours) == naive
    for name in ("rank", "size_at"):
        ours, naive = answers[name]
        assert ours == naive
    ours, naive = answers["depth_curve 100"]
    assert [price for price, _ in ours] == [price for price, _ in naive]
    near(ours[-1].size, naive[-1][1])
    ours, naive = answers["grouped (20 groups)"]
    assert len(ours) == len(naive)


def test_memory_counts_levels_and_allocations():
    found = checked(memory.run(levels=60, frames=60), "memory")
    assert {r["case"].partition("/")[0] for r in found} == {"float", "decimal"}
    for record in found:
        assert ("bytes_per_level" in record) != ("blocks_per_delta" in record)


def test_scale_brings_all_books_live_and_applies_every_frame():
    found = checked(scale.run(rounds=1, frames=12, books=(3,), levels=30), "scale")
    wanted = {f"{n}/{c} books" for n in ("float", "decimal") for c in (1, 3)}
    assert cases_of(found) == wanted


def test_recover_bridges_and_heals():
    settings = {"rounds": 1, "buffers": (1, 5), "levels": 40, "count": 2}
    found = checked(recover.run(**settings), "recover")
    for numbers in ("float", "decimal"):
        assert f"{numbers}/bridge of 5" in cases_of(found)
        assert f"{numbers}/gap to live" in cases_of(found)


def test_feed_compares_with_the_bare_client_and_reports_missing_peers(monkeypatch):
    monkeypatch.setattr(feed, "interpreter", lambda _name: None)
    settings = {"rounds": 1, "frames": 900, "rates": (500,), "fewest": 2}
    found = checked(feed.run(**settings, seconds=0.1, workload=tiny()), "feed")
    skipped = {r["case"] for r in found if "skipped" in r}
    assert skipped == set(feed.PEERS)
    for numbers in ("float", "decimal"):
        assert f"{numbers}/saturated" in cases_of(found)
    late = [r for r in found if r["case"].endswith("/latency")]
    assert [r["case"] for r in late] == ["float/latency", "decimal/latency"]
    for record in late:
        assert record["p50"] <= record["p99"] <= record["p999"]


@pytest.mark.parametrize("name", feed.PEERS)
def test_feed_takes_the_peer_along(name, monkeypatch):
    if peers.interpreter(name) is None:
        pytest.skip(f"{name} is not installed: python -m benchmarks.peers install")
    monkeypatch.setattr(feed, "PEERS", (name,))
    settings = {"rounds": 1, "frames": 900, "rates": (500,), "fewest": 60}
    found = checked(feed.run(**settings, seconds=0.1, workload=tiny()), "feed")
    assert not any("skipped" in record for record in found), found
    assert {f"float/{name}", f"{name}/latency"} <= cases_of(found)
    told = f"float newest/{name}" in cases_of(found)
    assert told == (name in feed.GIVE_NEWEST)


def test_feed_tells_once_of_a_peer_that_fails_and_never_goes_on_without_us():
    (one,) = feed.fell({"ccxt.pro": "gone"}, (), "x")
    assert (one["case"], one["workload"], one["skipped"]) == ("ccxt.pro", "x", "gone")
    assert not list(feed.fell({"ccxt.pro": "gone"}, {"ccxt.pro"}, "y"))
    with pytest.raises(AssertionError, match="float/uvloop: gone"):
        list(feed.fell({"float/uvloop": "gone"}, (), "x"))


# -- what they stand on ---------------------------------------------------------------


def payload(frame):
    head = 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10
    return json.loads(frame[head:])["data"]


def test_stream_goes_round_without_a_gap_and_back_to_the_snapshot():
    workload = tiny(frames=5)
    work = Work("binance", workload.symbol, "", workload.body, [], workload.frames)
    sent = [payload(f) for f in itertools.islice(Frames(work), 12)]
    snapshot = json.loads(workload.body)
    last = snapshot["lastUpdateId"]
    for update in sent:
        assert update["U"] == last + 1
        last = update["u"]
    held = dict(snapshot["bids"])
    for update in sent[:6]:
        held.update(update["b"])
    back = {price: size for price, size in held.items() if Decimal(size)}
    assert back == dict(snapshot["bids"])
    assert [u["b"] for u in sent[6:11]] == [u["b"] for u in sent[:5]]


def test_pieces_put_together_are_the_frame():
    raw = tiny().frames[0]
    head, middle, first, last, tail = pieces(raw)
    time = json.loads(raw)["data"]["E"]
    assert f'{head}{time}{middle}{first},"u":{last}{tail}' == raw


def test_worker_that_dies_says_why():
    script = "import sys; sys.exit('no such thing')"
    with (
        Worker([sys.executable, "-c", script]) as worker,
        pytest.raises(Failed, match="no such thing"),
    ):
        worker.ask(frames=1)


def test_worker_that_cannot_says_why():
    script = 'print(\'{"error": "cannot"}\')'
    with (
        Worker([sys.executable, "-c", script]) as worker,
        pytest.raises(Failed, match="cannot"),
    ):
        worker.read()


def test_peers_command_knows_its_names(capsys):
    assert peers.main(["install", "nobody"]) == 2
    assert "ccxt.pro" in capsys.readouterr().out


def test_helpers_are_no_benchmarks():
    assert set(names()) == {
        "apply", "feed", "memory", "peers", "queries", "recover", "scale", "stages",
    }  # fmt: skip


# -- the command ----------------------------------------------------------------------


def commanded(monkeypatch, capsys, *given):
    """``python -m benchmarks …``: exit code, its lines, those on standard error."""
    monkeypatch.setattr(sys, "argv", ["benchmarks", *given])
    code = main()
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err.splitlines()


def test_json_prints_one_object_a_line(monkeypatch, capsys):
    monkeypatch.setattr(stages, "workloads", lambda: [tiny()])
    given = ("stages", "--json", "--rounds", "1")
    code, lines, told = commanded(monkeypatch, capsys, *given)
    assert code == 0
    assert len(checked(map(json.loads, lines), "stages")) == 12
    (head,) = map(json.loads, told)
    assert {"python", "cpu", "msgspec", "websockets"} <= set(head)


def test_without_json_the_same_is_text(monkeypatch, capsys):
    monkeypatch.setattr(stages, "workloads", lambda: [tiny()])
    code, lines, _ = commanded(monkeypatch, capsys, "stages", "--rounds", "1")
    assert code == 0
    assert len(lines) == 12
    assert lines[1].startswith("stages   floor/floor ")
    assert " 1.00x " in lines[1]


def test_unknown_name_is_told_with_the_known_ones():
    command = [sys.executable, "-m", "benchmarks", "nothing"]
    done = subprocess.run(
        command, cwd=HERE.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there are" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigurationError("it needs x: pip install x"), 1, "stages: it needs x: pip"),
        (Failed("MemoryError"), 1, "stages: MemoryError"),
        (KeyboardInterrupt(), 130, None),
    ],
)
def test_what_ends_a_benchmark_is_one_line(error, code, said, monkeypatch, capsys):
    def run():
        raise error

    monkeypatch.setattr(stages, "run", run)
    found, lines, (_, *told) = commanded(monkeypatch, capsys, "stages")
    assert (found, lines) == (code, [])
    assert [line[: len(said)] for line in told] == [said] if said else not told


@pytest.mark.parametrize("number", ["0", "-1", "few"])
def test_number_of_rounds_that_is_none_is_refused(number, monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        commanded(monkeypatch, capsys, "stages", "--rounds", number)
    assert ended.value.code == 2
    assert "--rounds" in capsys.readouterr().err
