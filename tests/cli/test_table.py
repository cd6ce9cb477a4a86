"""The table of venues, as records and in Markdown, without typer or rich."""

from __future__ import annotations

import subprocess
import sys

import pytest

from booksync import venues
from booksync.cli.table import COLUMNS, markdown, record, records

FIELDS = [
    "id", "markets", "snapshot", "assurance", "levels", "checksum", "numbering",
    "limits", "default_depth", "verified", "unverified", "source", "date",
]  # fmt: skip


def test_every_venue_is_listed_in_order():
    assert [each["id"] for each in records()] == list(venues.available())


@pytest.mark.parametrize("name", list(venues.available()))
def test_records_say_what_design_promises(name):
    found = record(venues.get(name))
    assert list(found) == FIELDS
    assert found["snapshot"] in {"rest", "stream", "request", "every-frame"}
    assert found["numbering"] in {"symbol", "connection", None}
    assert isinstance(found["unverified"], list)
    assert found["limits"]["symbols"] > 0


def test_markdown_has_a_line_for_each_venue():
    head, rule, *rows = markdown().splitlines()
    assert len(rows) == len(venues.available())
    assert head.startswith("| Venue | Markets | Snapshot | Assurance |")
    columns = len(COLUMNS)
    assert rule == "|" + " --- |" * columns
    for row in rows:
        assert row.replace("\\|", "").count("|") == columns + 1
    assert any("| ranged |" in row for row in rows)


def test_table_needs_no_extra():
    code = (
        "import sys; sys.modules.update(typer=None, rich=None); "
        "from booksync.cli.table import markdown; print(markdown())"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
