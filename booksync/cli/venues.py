"""``booksync venues``: what is supported, and with which assurance."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from booksync.cli.options import AsJson, examples, grouped, load_plugins
from booksync.cli.output import Grid, cell, emit, show
from booksync.cli.table import markdown, records

__all__ = ["EPILOG", "venues"]

EPILOG = examples(
    "booksync venues",
    "booksync venues --json",
    "booksync venues --markdown",
)

#: Head of a column -> field of a record.
COLUMNS = {
    "venue": "id",
    "markets": "markets",
    "snapshot": "snapshot",
    "assurance": "assurance",
    "numbers by": "numbering",
    "levels": "levels",
    "depth": "default_depth",
    "checksum": "checksum",
    "facts as of": "date",
}


@grouped
def venues(
    *,
    plugin: Annotated[
        list[str] | None,
        typer.Option("--plugin", metavar="MODULE:ATTRIBUTE", help="Add a venue."),
    ] = None,
    as_json: AsJson = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table of the README.")
    ] = False,
) -> int:
    """
    List the venues: where snapshots come from, and how a lost delta shows itself.

    Assurance: `chained` (a delta names the one before), `counted` (numbers go up by
    one), `ranged` (first to last number), `checksummed`, or `ordered` (a loss cannot be
    seen).
    """
    load_plugins(plugin)
    if as_markdown:
        sys.stdout.write(markdown())
        return 0
    found = records()
    if as_json:
        for record in found:
            emit(record)
        return 0
    spare = ("facts as of", "checksum", "depth", "levels", "numbers by")
    words = set(COLUMNS) - {"levels", "depth"}
    show(Grid([_row(record) for record in found], words=words, spare=spare))
    return 0


def _row(record: dict[str, Any]) -> dict[str, Text]:
    told = {head: record[name] for head, name in COLUMNS.items()}
    return {head: cell("-" if v is None else v) for head, v in told.items()}
