"""Printing: foreign text is harmless, tables fit, pictures leave the terminal clean."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console
from rich.text import Text

from booksync.cli import output
from booksync.cli.output import Grid, Progress, cell, clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\n two\r\n", "one  two"),
        ("a\tb", "a\\tb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202eevil", "\\u202eevil"),
        ("  indented", "  indented"),
        ("[red]x[/]", "[red]x[/]"),
        (7, "7"),
    ],
)
def test_foreign_text_is_one_harmless_line(text, shown):
    assert clean(text) == shown


def rendered(grid, width):
    file = io.StringIO()
    Console(file=file, width=width).print(grid)
    return file.getvalue()


ROW = {"book": cell("BTCUSDT"), "much": cell("x" * 20), "more": cell(1234)}


@pytest.mark.parametrize(
    ("width", "heads"),
    [(60, ["book", "much", "more"]), (20, ["book", "more"]), (8, ["book"])],
)
def test_table_leaves_out_what_there_is_no_room_for(width, heads):
    grid = Grid([ROW], words={"book"}, spare=("much", "more"))
    assert rendered(grid, width).split("\n")[0].split() == heads


def test_empty_table_is_nothing():
    assert not rendered(Grid([], words=()), 80).strip()


def front():
    return Progress.front


def test_picture_is_drawn_again_and_taken_away():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=60, height=10)
    with Progress(lambda: Text("picture"), console=console) as progress:
        assert front() is console
        progress.tick(1.0)
        progress.tick(1.01)
        progress.tick(2.0)
        output.complain("trouble")
    assert not front()
    drawn = file.getvalue()
    assert drawn.count("picture") >= 2
    assert "booksync: trouble" in drawn
    assert drawn.endswith("\x1b[2K")


def test_lines_are_told_now_and_then_where_there_is_no_terminal():
    file = io.StringIO()
    console = Console(file=file, width=60)
    with Progress(Text, lambda: "so far", console=console, every=5.0) as progress:
        for now in (10.0, 11.0, 15.0, 16.0, 20.5):
            progress.tick(now)
    assert file.getvalue().splitlines() == ["so far", "so far"]


def test_no_line_where_nothing_is_to_be_told():
    file = io.StringIO()
    with Progress(Text, console=Console(file=file)) as progress:
        progress.tick(1.0)
        progress.tick(99.0)
    assert not file.getvalue()


@pytest.mark.usefixtures("booksync")
def test_warnings_of_ours_are_lines_on_stderr(capsys):
    output.configure(verbose=False)
    output.configure(verbose=False)
    logging.getLogger("booksync.x").warning("stop for %d s\n", 3)
    logging.getLogger("booksync.x").info("not told")
    logging.getLogger("websockets.x").error("not told")
    assert capsys.readouterr().err == "booksync: warning: stop for 3 s\n"


@pytest.mark.usefixtures("booksync")
def test_verbose_tells_more_and_is_never_hushed(capsys):
    output.configure(verbose=True)
    output.hush()
    logging.getLogger("booksync.x").info("told")
    assert capsys.readouterr().err == "booksync: info: told\n"
    output.configure(verbose=False)
    output.hush()
    logging.getLogger("booksync.x").warning("hushed")
    assert not capsys.readouterr().err
