"""Help, versions, and one clear line for whatever a user can do wrong."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from booksync.cli import app
from booksync.errors import BookSyncError

COMMANDS = (
    "demo",
    "watch",
    "record",
    "replay",
    "venues",
    "instruments",
    "simulate",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(booksync, command):
    result = booksync(command, "--help")
    assert result.code == 0
    assert f"booksync {command}" in result.out.partition("Examples:")[2]
    assert not result.err


def test_every_command_is_listed_by_help_and_by_no_argument(booksync):
    result = booksync()
    assert result.code == 0
    assert result.out == booksync("-h").out
    assert all(command in result.out for command in COMMANDS)


def test_version_is_told(booksync):
    result = booksync("--version")
    assert result.code == 0
    assert result.out.startswith("booksync ")


WRONG = [
    pytest.param(["nosuch"], "No such command", id="command"),
    pytest.param(["demo", "--nosuch"], "No such option", id="option name"),
    pytest.param(["demo", "--faults", "x"], "'--faults'", id="choice"),
    pytest.param(["demo", "--seconds", "soon"], "'--seconds'", id="number"),
    pytest.param(["demo", "--symbols", "0"], "1 to 50 markets", id="no market"),
    pytest.param(["demo", "--symbols", "51"], "1 to 50 markets", id="markets"),
    pytest.param(["demo", "--symbols", "a b"], "not a symbol", id="market name"),
    pytest.param(["demo", "--depth", "3"], "no snapshot depth 3", id="demo depth"),
    pytest.param(["demo", "--dialect", "x"], "does not speak 'x'", id="dialect"),
    pytest.param(["demo", "--dialect", "kraken"], "sequence", id="no sequence"),
    pytest.param(["watch"], "Missing argument 'VENUE'", id="no venue"),
    pytest.param(["watch", "binance"], "Missing argument 'SYMBOL", id="no symbol"),
    pytest.param(["watch", "binanc", "X"], "did you mean binance", id="venue"),
    pytest.param(
        ["watch", "binance", "B\x1bC"], "not a symbol: 'B\\x1bC'", id="symbol"
    ),
    pytest.param(["watch", "binance", "X", "--depth", "7"], "depth 7", id="depth"),
    pytest.param(["watch", "binance", "X", "--option", "a"], "key=value", id="pair"),
    pytest.param(
        ["watch", "binance", "X", "--option", "a=b"], "no option 'a'", id="key"
    ),
    pytest.param(
        ["watch", "binance", "X", "--option", "speed=1ms"], "must be one of", id="value"
    ),
    pytest.param(
        ["watch", "binance", "X", "--ws-url", "http://x"], "wss://", id="scheme"
    ),
    pytest.param(
        ["watch", "binance", "X", "--ws-url", "ws://example.com"],
        "encrypted",
        id="plain",
    ),
    pytest.param(["watch", "binance", "X", "--proxy", "me"], "not a proxy", id="proxy"),
    pytest.param(
        ["watch", "x", "X", "--plugin", "nosuch:Venue"], "cannot load", id="plugin"
    ),
    pytest.param(
        ["watch", "x", "X", "--plugin", "json:dumps"],
        "not a subclass",
        id="no venue class",
    ),
    pytest.param(["record", "binance", "X"], "'--output'", id="no file"),
    pytest.param(
        ["record", "binance", "X", "-o", "/nosuch/x.jsonl"],
        "cannot record",
        id="folder",
    ),
    pytest.param(["replay", "nosuch.jsonl"], "no recording", id="no recording"),
    pytest.param(["replay", __file__], "not a recording", id="not a recording"),
    pytest.param(["replay", "x", "--venue", "y"], "no venue 'y'", id="replay venue"),
    pytest.param(["instruments", "nosuch"], "no venue", id="instruments venue"),
    pytest.param(["simulate", "--port", "-1"], "'--port'", id="port"),
]


@pytest.mark.parametrize(("args", "told"), WRONG)
def test_wrong_command_lines_are_told_in_one_line(booksync, args, told):
    result = booksync(*args)
    assert result.code == 2
    assert not result.out
    [line] = result.errors
    assert line.startswith("booksync: ")
    assert told in line


def test_trouble_at_run_time_has_another_exit_status(booksync, monkeypatch):
    def fail():
        raise BookSyncError("[bold]no\n\x1b[31mway")

    monkeypatch.setattr("booksync.cli.venues.records", fail)
    result = booksync("venues")
    assert result.code == 1
    assert result.errors == ["booksync: [bold]no \\x1b[31mway"]


def test_interrupt_outside_of_a_run_is_quiet(booksync, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("booksync.cli.venues.records", interrupt)
    assert booksync("venues").code == 130


def test_bugs_are_not_hidden(booksync, monkeypatch):
    monkeypatch.setattr("booksync.cli.venues.records", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        booksync("venues")


def test_version_of_a_copy_that_is_not_installed(booksync, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(app, "version", missing)
    assert booksync("--version").out == "booksync (not installed)\n"


def test_interrupt_while_it_starts_is_quiet():
    code = """
import sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "booksync.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
from booksync.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False
    )
    assert done.returncode == 130
    assert not done.stderr


@pytest.mark.parametrize("extra", ["typer", "rich"])
def test_missing_extra_is_told_with_the_way_to_install_it(extra):
    code = (
        f"import sys; sys.modules[{extra!r}] = None; "
        "from booksync.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("booksync: ")
    assert "pip install 'booksync[cli]'" in line


def test_reader_that_has_enough_ends_it_quietly(spawn, exchange):
    process = spawn("watch", "binance", "BTCUSDT", *exchange.urls, "--json")
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(20.0) == 1
    assert not process.stderr.read()


def test_module_runs_as_the_command_does(spawn):
    out, err = spawn("venues", "--markdown").communicate(timeout=20.0)
    assert out.startswith("| Venue |")
    assert not err
