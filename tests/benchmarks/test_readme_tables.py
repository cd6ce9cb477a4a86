"""The README's figures are the stored ones: python -m benchmarks.readme --stored."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from benchmarks import readme
from benchmarks.__main__ import names


def test_section_and_chart_are_those_of_the_stored_results():
    lines = readme.stored()
    found = readme.PART.search(readme.README.read_text("utf-8"))
    assert found is not None
    assert found[0] == found[1] + readme.section(lines) + found[2]
    assert readme.CHART.read_text("utf-8") == readme.chart(lines)


def test_every_benchmark_has_a_table_with_results():
    assert set(readme.TABLES) == set(readme.MEANING) == set(names())
    assert {line["benchmark"] for line in readme.stored()[1:]} == set(names())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), ("whole book", "whole book"), (0, "0.00"), (0.0391, "0.039"),
        (1.504, "1.50"), (46.3, "46.3"), (3167.2, "3,167"),
    ],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert readme.short(value) == text


def line(case, ours, theirs, workload="recorded"):
    return {
        "benchmark": "peers", "workload": workload, "case": case, "version": "1.2",
        "us_per_frame": ours, "peer_us_per_frame": theirs,
    }  # fmt: skip


def test_chart_has_a_bar_for_everyone_on_the_first_workload():
    lines = [
        {"date": "2026-11-23"},
        {"benchmark": "peers", "case": "gone", "workload": "recorded", "skipped": "?"},
        line("float/slow", 20.0, 80.0),
        line("float/slow/unread", 1.0, 2.0),
        line("decimal/slow", 40.0, 80.0),
        line("float/slow", 5.0, 6.0, workload="generated"),
    ]
    assert readme.bars(lines[1:]) == [
        ("booksync, float", 20.0), ("booksync, decimal", 40.0), ("slow 1.2", 80.0),
    ]  # fmt: skip
    drawn = ElementTree.fromstring(readme.chart(lines))
    bars = [e for e in drawn if e.tag.endswith("rect")]
    wide = [float(bar.get("width")) for bar in bars]
    assert wide[0] * 4 == wide[1] * 2 == wide[2]


def peer(case, workload, ratio, **more):
    given = {"benchmark": "peers", "workload": workload, "case": case, "ratio": ratio}
    return {**given, **more}


def round_of(workload, theirs, ratios):
    """What is told of one peer, the fastest, that needs ``theirs`` µs a frame."""
    more = {"version": "1.2", "agrees": "whole book", "peer": "slow"}
    for case, ratio in ratios.items():
        us = 9.0 if case.endswith("/unread") else theirs
        yield peer(case, workload, ratio, peer_us_per_frame=us, **more)


def test_table_of_peers_has_a_row_for_each_with_mean_and_range():
    records = [
        *round_of("spot", 80.0, {
            "float/slow": 0.1, "float/slow/unread": 0.5,
            "decimal/slow": 0.2, "decimal/slow/unread": 0.6,
            "float/fastest": 0.1, "decimal/fastest": 0.2,
        }),
        *round_of("usdm", 20.0, {
            "float/slow": 0.4, "float/slow/unread": 0.5,
            "decimal/slow": 0.8, "decimal/slow/unread": 0.6,
            "float/fastest": 0.4, "decimal/fastest": 0.8,
        }),
        peer("slow", "coinm", None, skipped="refused"),
        peer("gone", "spot", None, skipped="not installed"),
        peer("gone", "usdm", None, skipped="not installed"),
        *(
            peer(case, "geometric mean", mean, workloads=2)
            for case, mean in (
                ("float/slow", 0.21), ("float/slow/unread", 0.5),
                ("decimal/slow", 0.41), ("decimal/slow/unread", 0.6),
                ("float/fastest", 0.22), ("decimal/fastest", 0.42),
            )
        ),
    ]  # fmt: skip
    _, _, slow, fastest, _, absent = readme.peers(records).splitlines()
    assert slow == (
        "| slow 1.2 | 20.0 to 80.0 | 0.21 (0.10 to 0.40) | 0.41 (0.20 to 0.80) "
        "| 0.50 (0.50) | 2 | whole book |"
    )
    assert fastest == (
        "| fastest of each: slow |  | 0.22 (0.10 to 0.40) | 0.42 (0.20 to 0.80) "
        "|  | 2 |  |"
    )
    assert absent == "Not measured: slow on coinm (refused); gone (not installed)."


def test_stored_results_are_written_again_without_measuring(tmp_path, monkeypatch):
    for name in ("RESULTS", "CHART", "README"):
        path = tmp_path / name
        path.write_text(getattr(readme, name).read_text("utf-8"), "utf-8")
        monkeypatch.setattr(readme, name, path)
    text = (tmp_path / "README").read_text("utf-8")
    emptied = readme.PART.sub(r"\1\2", text)
    assert emptied != text
    (tmp_path / "README").write_text(emptied, "utf-8")
    assert readme.main(["--stored"]) == 0
    written = (tmp_path / "README").read_text("utf-8")
    machine = json.loads((tmp_path / "RESULTS").read_text("utf-8").splitlines()[0])
    assert machine["date"] in written
    assert "## Speed" in written


def test_unknown_option_is_refused(capsys):
    assert readme.main(["--all"]) == 2
    assert "usage" in capsys.readouterr().err
