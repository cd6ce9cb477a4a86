"""``booksync simulate``: for other clients, as a process of its own."""

from __future__ import annotations

import json
import signal
import socket

import pytest

from booksync.testing import DIALECTS
from tests.busy import real_time


@real_time
def test_other_commands_connect_as_it_says(spawn, booksync):
    process = spawn("simulate", "--symbols", "BTCUSDT", "--seed", 7)
    head = process.stdout.readline()
    assert head == "binance, seed 7: BTCUSDT\n"
    command = ""
    while "booksync watch" not in command:
        command = process.stdout.readline()
    args = command.split()[1:]
    result = booksync(*args, "--seconds", 2, "--json")
    assert result.code == 0
    assert result.objects[0]["event"] == "synced"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60.0)
    assert process.returncode == 0
    assert "1 connections, 1 requests, faults: none" in out
    assert not err


def test_json_says_where_it_is_and_what_happened(booksync):
    result = booksync(
        "simulate", "--json", "--seconds", 0.3, "--dialect", "binance_usdm",
        "--symbols", 7, "--seed", 1, "--rest-port", 0,
    )  # fmt: skip
    assert result.code == 0
    first, last = result.objects
    assert first["event"] == "serving"
    assert first["dialect"] == "binance_usdm"
    assert first["seed"] == 1
    assert len(first["symbols"]) == 7
    port = first["ws_url"].rpartition(":")[2]
    assert not first["rest_url"].endswith(port)
    assert last["event"] == "stopped"
    assert last["changes"] > 0
    assert last["connections"] == last["requests"] == 0
    assert last["faults"] == {}


def test_port_in_use_is_told_in_one_line(booksync):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = booksync("simulate", "--port", port)
        assert result.code == 1
        assert len(result.errors) == 1
        assert result.errors[0].startswith("booksync: cannot listen: ")
        result = booksync("simulate", "--rest-port", port, "--json")
        assert result.code == 1
        assert len(result.errors) == 1


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_every_dialect_is_served_with_symbols_of_its_own(booksync, dialect):
    result = booksync(
        "simulate", "--dialect", dialect, "--symbols", 9, "--seconds", 0, "--json"
    )
    assert result.code == 0
    symbols = json.loads(result.out.splitlines()[0])["symbols"]
    assert len(set(symbols)) == 9
    assert any("BTC" in symbol.upper() for symbol in symbols)


def test_many_symbols_are_named_by_some(booksync):
    result = booksync("simulate", "--symbols", 8, "--seconds", 0, "--seed", 1)
    assert "SOLUSDT, XRPUSDT, BNBUSDT and 3 more" in result.out
