"""``booksync record`` against the embedded exchange, and ``replay`` of what it made."""

from __future__ import annotations

import signal

import pytest

from tests.busy import real_time


@real_time
@pytest.mark.parametrize("name", ["day.jsonl", "day.jsonl.gz"])
def test_recording_replays_to_the_same_books_without_naming_the_venue(
    booksync, exchange, tmp_path, name
):
    file = tmp_path / name
    result = booksync(
        "record", "binance", "BTCUSDT", "ETHUSDT", *exchange.urls, "-o", file,
        "--seconds", 1.5, "--json",
    )  # fmt: skip
    assert result.code == 0
    [summary] = result.objects
    assert summary["file"] == str(file)
    assert summary["venue"] == "binance"
    assert summary["frames"] > 10
    assert summary["malformed"] == 0
    assert summary["bytes"] == file.stat().st_size

    again = booksync("replay", file, "--json")
    assert again.code == 0
    for book, replayed in zip(summary["books"], again.objects, strict=True):
        assert book["state"] == "live"
        assert book["applied"] > 0
        for name_ in ("symbol", "state", "sequence", "applied", "levels", "digest"):
            assert book[name_] == replayed[name_]


@real_time
def test_summary_is_a_table_and_a_line(booksync, exchange, tmp_path):
    file = tmp_path / "day.jsonl"
    result = booksync(
        "record", "binance", "BTCUSDT", *exchange.urls, "-o", file, "--seconds", 1
    )
    assert result.code == 0
    assert "BTCUSDT   live" in result.out
    assert f"{file}: " in result.out
    assert "1 of 1 books live" in result.out


@real_time
def test_file_is_not_replaced_unless_forced(booksync, exchange, tmp_path):
    file = tmp_path / "day.jsonl"
    file.write_text("precious")
    args = "record", "binance", "BTCUSDT", *exchange.urls, "-o", file, "--seconds", 1
    result = booksync(*args)
    assert result.code == 2
    assert "--force" in result.err
    assert file.read_text() == "precious"
    assert booksync(*args, "--force").code == 0
    assert booksync("replay", file).code == 0


def test_file_that_was_there_is_never_removed(booksync, tmp_path):
    file = tmp_path / "day.jsonl"
    file.write_text("precious")
    urls = "--ws-url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1"
    args = "record", "binance", "BTCUSDT", *urls, "-o"
    assert booksync(*args, file, "--force").code == 1
    assert file.exists()
    assert booksync(*args, tmp_path, "--force").code == 2


def test_nothing_is_left_where_nothing_came(booksync, tmp_path):
    file = tmp_path / "day.jsonl"
    urls = "--ws-url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1"
    result = booksync("record", "binance", "BTCUSDT", *urls, "-o", file)
    assert result.code == 1
    assert len(result.errors) == 1
    assert not file.exists()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_with_a_summary_and_a_whole_file(
    spawn, booksync, exchange, tmp_path, sign
):
    file = tmp_path / "day.jsonl"
    process = spawn("-v", "record", "binance", "BTCUSDT", *exchange.urls, "-o", file)
    while "HTTP/1.1 200 OK" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(sign)
    out, _ = process.communicate(timeout=60.0)
    assert process.returncode == 0
    assert "books live" in out
    assert booksync("replay", file).code in {0, 1}  # live or not yet: whole
