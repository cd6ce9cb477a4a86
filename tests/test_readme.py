"""Every block of the README runs; every table in it is the one that the code makes."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

import booksync.venues
from booksync.cli.table import markdown
from booksync.states import TRANSITIONS
from booksync.telling import RECORDS

#: Plug-ins that other tests register are not in the README.
SHIPPED = {
    name
    for name, kind in booksync.venues.available().items()
    if kind.__module__.startswith("booksync.")
}
README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def between(name):
    match = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", TEXT, re.DOTALL)
    assert match, f"no part {name!r} in the README"
    return match.group(1)


def transitions():
    """The table of moves: one row for each state and target."""
    rows = ["| from | cause | to |\n", "|---|---|---|\n"]
    for state, moves in TRANSITIONS.items():
        for target in dict.fromkeys(moves.values()):
            causes = ", ".join(
                f"`{c.value}`" for c, to in moves.items() if to is target
            )
            rows.append(f"| {state.value} | {causes} | {target.value} |\n")
    return "".join(rows)


BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def records():
    """The table of log records: one row for each event."""
    rows = ["| event | logger | level | message |\n", "|---|---|---|---|\n"]
    for name, kind in RECORDS.items():
        level = logging.getLevelName(kind.level)
        rows.append(f"| `{name}` | `{kind.logger}` | {level} | `{kind.text}` |\n")
    return "".join(rows)


@pytest.fixture
def own_log():
    """Whoever sets up logging there does so for itself."""
    log = logging.getLogger("booksync")
    before = log.handlers[:], log.level
    yield
    log.handlers[:], log.level = before


@pytest.mark.usefixtures("own_log")
@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_python_block_runs(code):
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_there_are_python_blocks():
    assert len(BLOCKS) >= 3


def test_transitions_are_those_of_the_core():
    assert between("transitions") == transitions()


def test_log_records_are_those_of_the_shell():
    """After one changed: python -m tests.test_readme."""
    assert between("records") == records()


def test_both_commands_are_one_line():
    for name in ("demo", "test"):
        block = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```", TEXT, re.DOTALL)
        assert block
        assert len(block.group(1).splitlines()) == 1


def test_venues_are_those_that_are_there():
    """After a venue changed: python -m tests.test_readme."""
    shipped = [
        line
        for line in markdown().splitlines(keepends=True)
        if not line.startswith("| `") or line.split("`")[1] in SHIPPED
    ]
    assert between("venues") == "".join(shipped)


def write():
    """Renew the tables of the README."""
    text = TEXT
    tables = {
        "transitions": transitions(),
        "records": records(),
        "venues": markdown(),
    }
    for name, made in tables.items():
        part = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text = re.sub(part, lambda m, t=made: m[1] + t + m[2], text, flags=re.DOTALL)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
