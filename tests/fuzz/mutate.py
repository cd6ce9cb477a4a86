"""Makes of a case another one: values of JSON, bytes, and the order of records."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

from tests.fuzz.cases import MOST_RECORDS, Case, Kind, Record

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

#: Records longer than this are not made longer.
LONGEST = 64 * 1024

WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63),
    10**400, 1.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"),
    "", " ", "0", "-0", "-1", "1", "x", "NaN", "sNaN", "Infinity", "1e5", "1E-400",
    "1e999999999", "0x10", "1_000", " 1 ", "\u0661", "0." + "1" * 60, "9" * 10_000,
    "\x1b[31m", "\x00", "\r\n", "\ud800", "../..", "A" * 5_000, "true", "null",
    [], [[]], [[], []], [None], {}, {"": None}, [["1", "1"]], [["1", "0"], ["1", "2"]],
)  # fmt: skip
JUNK = (
    b"", b"null", b"[]", b"{}", b"[" * 5_000, b'{"a":' * 2_000, b'"\xed\xa0\x80"',
    b"\xff", b"\x00", b"0" * 5_000, b"ping", b"pong", b"1e400", b"-", b"NaN",
    b"\x1f\x8b\x08",
)  # fmt: skip


class Mutator:
    """
    Changes cases.

    Args:
        chance: Whatever is random.
        seeds: Cases whose parts may be borrowed.
        tokens: Texts that the venue's module knows.

    """

    def __init__(
        self, chance: random.Random, seeds: Sequence[Case], tokens: Sequence[str]
    ) -> None:
        self.chance = chance
        self._seeds = seeds
        self._tokens = tokens or ("",)
        self._pool = [record for case in seeds for record in case.records]

    def fresh(self) -> Case:
        """Change one of the seeds."""
        return self.mutated(self.chance.choice(self._seeds))

    def mutated(self, case: Case) -> Case:
        """Change ``case`` in one to four places."""
        choice, records = case.choice, list(case.records)
        if self.chance.random() < 0.1:
            choice = self.chance.randrange(256)
        for _ in range(self.chance.choice((1, 1, 1, 2, 3, 4))):
            if not records or self.chance.random() < 0.2:
                self._reorder(records)
                continue
            at = self.chance.randrange(len(records))
            records[at] = self._changed(records[at])
        return Case(choice, tuple(records[:MOST_RECORDS]))

    def _reorder(self, records: list[Record]) -> None:
        chance = self.chance
        at = chance.randrange(len(records) + 1)
        what = chance.randrange(4)
        if what == 0 and records:
            del records[at % len(records)]
        elif what == 1 and records:
            records.insert(at, chance.choice(records))
        elif what == 2 and len(records) > 1:
            other = chance.randrange(len(records))
            at %= len(records)
            records[at], records[other] = records[other], records[at]
        elif self._pool:
            records.insert(at, chance.choice(self._pool))

    def _changed(self, record: Record) -> Record:
        chance = self.chance
        data = record.data
        if chance.random() < 0.02:
            return record._replace(kind=chance.choice(list(Kind)))
        packed = data[:2] == b"\x1f\x8b"
        if packed and chance.random() < 0.9:
            inside = self._changed(record._replace(data=_unpacked(data)))
            return record._replace(data=gzip.compress(inside.data, 1, mtime=0))
        if chance.random() < 0.75:
            changed = self._change_json(data)
            if changed is not None:
                return record._replace(data=changed)
        return record._replace(data=self._change_bytes(data))

    # -- JSON -----------------------------------------------------------------------

    def _change_json(self, data: bytes) -> bytes | None:
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            return None
        if not isinstance(document, dict | list):
            document = [document]
        paths = list(_paths(document))
        if not paths:
            return self._text(self._wrong(None))
        path = self.chance.choice(paths)
        parent: Any = document
        for key in path[:-1]:
            parent = parent[key]
        self._change_at(parent, path[-1])
        return self._text(document)[:LONGEST]

    def _change_at(self, parent: Any, key: Any) -> None:
        """Change one value: make it wrong, or right and another."""
        chance = self.chance
        value = parent[key]
        what = chance.randrange(6)
        if what == 0:
            del parent[key]
        elif what == 1 and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(value))
        elif what == 1:
            parent[chance.choice(self._tokens)] = parent.pop(key)
        elif what == 2:
            parent[key] = self._near(value)
        elif what == 3 and isinstance(value, list) and value:
            parent[key] = value * chance.choice((2, 3, 50))
        else:
            parent[key] = self._wrong(value)

    def _near(self, value: Any) -> Any:
        """Make a value that may be right."""
        chance = self.chance
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return value + chance.choice((-1000, -2, -1, 1, 2, 1000))
        if isinstance(value, str) and value.isdecimal() and len(value) < 30:
            return str(int(value) + chance.choice((-2, -1, 1, 2)))
        if isinstance(value, str):
            return chance.choice(self._tokens)
        if isinstance(value, list):
            mixed = list(value)
            chance.shuffle(mixed)
            return mixed
        return value

    def _wrong(self, value: Any) -> Any:
        chance = self.chance
        what = chance.randrange(8)
        if what == 0:
            return chance.choice(self._tokens)
        if what == 1:
            return {chance.choice(self._tokens): value}
        if what == 2:
            return [value]
        if what == 3:
            return json.dumps(value) if value is not None else ""
        return copy.deepcopy(chance.choice(WRONG))

    def _text(self, document: Any) -> bytes:
        ascii_only = self.chance.random() < 0.5
        text = json.dumps(document, ensure_ascii=ascii_only, separators=(",", ":"))
        return text.encode("utf-8", "replace")

    # -- bytes ----------------------------------------------------------------------

    def _change_bytes(self, data: bytes) -> bytes:
        chance = self.chance
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 4, 16, 200)))
        makers: tuple[Callable[[], bytes], ...] = (
            lambda: b"",
            lambda: bytes([chance.randrange(256)]),
            lambda: chance.choice(self._tokens).encode("utf-8", "replace"),
            lambda: chance.choice(JUNK),
            lambda: data[start:end] * chance.choice((2, 3, 100)),
            self._borrowed,
            lambda: bytes(reversed(data[start:end])),
        )
        whole = data[:start] + chance.choice(makers)() + data[end:]
        if chance.random() < 0.1:
            whole = whole[: chance.randrange(len(whole) + 1)]
        return whole[:LONGEST]

    def _borrowed(self) -> bytes:
        if not self._pool:
            return b""
        data = self.chance.choice(self._pool).data
        start = self.chance.randrange(len(data) + 1)
        return data[start : start + self.chance.choice((4, 32, 256))]


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=47).decompress(data, LONGEST)
    except zlib.error:
        return data[2:]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """Every way to a value inside; the first 2,000, not deeper than 50."""
    stack = [(value, path)]
    found = 0
    while stack and found < 2_000:
        inside, way = stack.pop()
        if way:
            found += 1
            yield way
        if len(way) >= 50:
            continue
        if isinstance(inside, dict):
            stack += [(child, (*way, key)) for key, child in inside.items()]
        elif isinstance(inside, list):
            stack += [(child, (*way, at)) for at, child in enumerate(inside[:200])]
