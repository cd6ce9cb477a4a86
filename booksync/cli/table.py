"""What ``booksync venues`` says, as records and as the table of the README."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from booksync import venues
from booksync.venues.base import Venue

__all__ = ["markdown", "record", "records"]


def record(venue: type[Venue]) -> dict[str, Any]:
    """Say what is known of ``venue``, as ``booksync venues --json``."""
    facts = venue.facts
    return {
        "id": venue.id,
        "markets": facts.markets,
        "snapshot": facts.source.value,
        "assurance": facts.assurance.value,
        "levels": facts.levels,
        "checksum": facts.checksum,
        "numbering": None if facts.numbering is None else facts.numbering.value,
        "limits": msgspec.to_builtins(venue.limits),
        "default_depth": venue.default_depth,
        "verified": facts.verified,
        "unverified": list(facts.unverified),
        "source": facts.url,
        "date": facts.date,
    }


def records() -> list[dict[str, Any]]:
    """Say what is known of every venue, in order of their ids."""
    return [record(venue) for venue in venues.available().values()]


def _source(given: dict[str, Any]) -> str:
    return f"[{given['date']}]({given['source']})"


#: Heading, and what stands under it.
COLUMNS: tuple[tuple[str, Callable[[dict[str, Any]], Any]], ...] = (
    ("Venue", lambda given: f"`{given['id']}`"),
    ("Markets", lambda given: given["markets"]),
    ("Snapshot", lambda given: given["snapshot"]),
    ("Assurance", lambda given: given["assurance"]),
    ("Numbers run by", lambda given: given["numbering"]),
    ("Checksum", lambda given: given["checksum"]),
    ("Levels", lambda given: given["levels"]),
    ("Default depth", lambda given: given["default_depth"]),
    ("Checked on real frames", lambda given: given["verified"]),
    ("Not verified", lambda given: "; ".join(given["unverified"])),
    ("Facts as of", _source),
)


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text.replace("|", "\\|") or "-"


def markdown() -> str:
    """Make the table of all venues in Markdown; ends with a newline."""
    heads = [head for head, _ in COLUMNS]
    rows = [heads, ["---"] * len(heads)]
    rows += [[_cell(tell(given)) for _, tell in COLUMNS] for given in records()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
