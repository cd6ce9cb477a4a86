"""The real frames of the shared folder, and a replayer that shares none of our code."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from booksync import venues
from booksync.errors import MalformedMessage
from booksync.messages import Delta, Lost, Message, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(
    os.environ.get(
        "BOOKSYNC_CAPTURES", Path(__file__).parents[2] / "shared" / "captures"
    )
)
REASON = (
    "the recorded frames of ../shared/captures are not here (they are not ours to "
    "distribute); set BOOKSYNC_CAPTURES to a folder that has them"
)

needs_captures = pytest.mark.skipif(not ROOT.is_dir(), reason=REASON)


def records(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(ROOT / "data" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def oracle(name: str) -> Any:
    return json.loads((ROOT / "oracle" / f"{name}.json").read_text())


def bbo(name: str) -> list[dict[str, Any]]:
    with gzip.open(ROOT / "oracle" / f"{name}.bbo.json.gz", "rt") as file:
        table = json.load(file)
    columns = table["columns"]
    return [dict(zip(columns, row, strict=True)) for row in table["rows"]]


def manifest() -> Any:
    if not ROOT.is_dir():
        return []
    return json.loads((ROOT / "MANIFEST.json").read_text())["files"]


def instruments(name: str, venue: Any) -> dict[str, Any]:
    """What the venue module reads from the capture's side file; empty if it can't."""
    path = ROOT / "data" / f"{name}.instruments.json"
    found = {}
    if path.exists():
        for answer in json.loads(path.read_text()):
            try:
                listed = venue.parse_instruments(json.dumps(answer["data"]))
            except (MalformedMessage, AssertionError):
                continue
            found.update({item.symbol: item for item in listed})
    return found


def frame(record: dict[str, Any]) -> str | bytes:
    """A record's frame as it came off the wire."""
    if "b64" in record:
        return base64.b64decode(record["b64"])
    return str(record["raw"])


class NaiveBook:
    """Two dicts and a number; nothing is clever here."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
        self.sequence: int | None = None
        self.buffer: list[Delta] = []
        self.gaps: list[tuple[int, int]] = []
        self.applied = 0

    def load(self, snapshot: Snapshot) -> None:
        self.sides = {"b": {}, "a": {}}
        self.sequence = snapshot.sequence
        self._write(snapshot)
        buffered, self.buffer = self.buffer, []
        for delta in buffered:
            self.take(delta)

    def take(self, delta: Delta) -> None:
        if self.sequence is None:
            self.buffer.append(delta)
        elif delta.last <= self.sequence and not delta.reset:
            return
        elif delta.prev > self.sequence:
            self.gaps.append((self.sequence, delta.prev))
        else:
            self._write(delta)
            self.sequence = delta.last
            self.applied += 1

    def _write(self, message: Snapshot | Delta) -> None:
        for side, levels in (("b", message.bids), ("a", message.asks)):
            for price, size in levels:
                if Decimal(size) == 0:
                    self.sides[side].pop(Decimal(price), None)
                else:
                    self.sides[side][Decimal(price)] = Decimal(size)

    def cut(self, keep: int) -> None:
        for side, best_is_high in (("b", True), ("a", False)):
            prices = sorted(self.sides[side], reverse=best_is_high)
            for price in prices[keep:]:
                del self.sides[side][price]

    def digest(self) -> str:
        lines = [
            f"{side} {plain(price)} {plain(self.sides[side][price])}\n"
            for side, best_is_high in (("b", True), ("a", False))
            for price in sorted(self.sides[side], reverse=best_is_high)
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def replay_naively(name: str, venue_id: str, **kwargs: Any) -> dict[str, NaiveBook]:
    """Drive a venue module by a capture; every other step is this file's own."""
    kind = venues.get(venue_id)
    venue = kind(instruments=instruments(name, kind(**kwargs)), **kwargs)
    sessions: dict[int, Any] = {}
    books: dict[str, NaiveBook] = {}
    for record in records(name):
        for message in _messages(venue, sessions, record):
            assert not isinstance(message, Lost), message
            if isinstance(message, Snapshot | Delta):
                book = books.setdefault(message.symbol, NaiveBook())
                step = book.load if isinstance(message, Snapshot) else book.take
                step(message)  # type: ignore[arg-type]
                if venue.keep is not None:
                    book.cut(venue.keep)
    return books


def _messages(
    venue: Any, sessions: dict[int, Any], record: dict[str, Any]
) -> Sequence[Message]:
    if record["dir"] == "out":
        return ()
    if record["ch"] == "http":
        symbol = venue.snapshot_symbol(record["url"])
        if symbol is None:
            return ()
        depth = venue.snapshot_depth(record["url"])
        return (venue.parse_snapshot(record["raw"], symbol, depth),)
    session = sessions.setdefault(record["conn"], None) or venue.session()
    sessions[record["conn"]] = session
    found: Sequence[Message] = venue.parse(frame(record), session)
    return found
