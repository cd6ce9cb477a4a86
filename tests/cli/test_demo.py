"""``booksync demo``: proves the books, and can fail."""

from __future__ import annotations

import signal

import pytest

from tests.busy import real_time

BOOK = [
    "symbol", "state", "sequence", "gaps", "resyncs", "withheld_s", "applied",
    "checked", "wrong",
]  # fmt: skip


@real_time
@pytest.mark.parametrize(
    ("dialect", "lists"), [("binance", "touched"), ("binance_usdm", "net")]
)
def test_books_survive_hostile_faults(booksync, dialect, lists):
    result = booksync(
        "demo", "--seconds", 3, "--faults", "hostile", "--seed", 11, "--json",
        "--dialect", dialect, "--lists", lists,
    )  # fmt: skip
    assert result.code == 0
    assert "seed 11" in result.errors[0]
    [summary] = result.objects
    assert list(summary) == ["seed", "faults", "books"]
    assert summary["seed"] == 11
    assert summary["faults"]
    assert len(summary["books"]) == 3
    for book in summary["books"]:
        assert list(book) == BOOK
        assert book["state"] == "live"
        assert book["wrong"] == 0
        assert book["applied"] > 0
        assert book["checked"] >= 9 * (3.0 - book["withheld_s"])


@real_time
def test_altered_level_is_found(booksync):
    result = booksync(
        "demo",
        "--seconds",
        2,
        "--faults",
        "none",
        "--symbols",
        1,
        "--corrupt",
        "--json",
    )
    assert result.code == 1
    [summary] = result.objects
    assert summary["faults"]["corrupt"] >= 1
    [book] = summary["books"]
    assert book["state"] == "live"
    assert 0 < book["wrong"] < book["checked"]
    assert f"repeat this run with --seed {summary['seed']}" in result.errors[0]
    assert result.errors[1].startswith("booksync: BTCUSDT was wrong at sequence ")
    assert "should be" in result.errors[1]


@real_time
def test_table_ends_with_the_proof(booksync):
    result = booksync(
        "demo", "--seconds", 1, "--faults", "none", "--symbols", "BTCUSDT,ETHUSDT"
    )
    assert result.code == 0
    assert "BTCUSDT   live" in result.out
    assert "no faults" in result.out
    assert "All 2 books are live and equal to the exchange's own" in result.out


@real_time
def test_altered_level_is_told_at_the_end(booksync):
    result = booksync(
        "demo", "--seconds", 1.5, "--faults", "none", "--symbols", 1, "--corrupt"
    )
    assert result.code == 1
    assert "live reads were WRONG" in result.out


@real_time
def test_book_cut_by_its_snapshot_is_compared_where_it_is_known(booksync):
    result = booksync(
        "demo", "--seconds", 1.5, "--faults", "none", "--symbols", 1, "--depth", 100,
        "--json",
    )  # fmt: skip
    assert result.code == 0
    assert result.objects[0]["books"][0]["checked"] > 9


def test_interrupt_ends_with_the_summary_and_proves_nothing(spawn):
    process = spawn("-v", "demo", "--json", "--symbols", 1)
    while "HTTP/1.1 200 OK" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60.0)
    assert process.returncode == 130
    assert out.startswith('{"seed":')
    assert "interrupted" in err
