"""Frames as no venue sends them: cut, or with a field missing or of another type."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

WRONG: tuple[Any, ...] = (None, True, -1, 1.5, 10**400, "", "x", "NaN", [], [[]], {})
MISSING = object()


def cut(frame: str) -> Iterator[str]:
    """Every proper beginning of a frame: none is JSON."""
    return (frame[:end] for end in range(len(frame)))


def mangled(frame: str) -> Iterator[str]:
    """The frame with each of its values, in turn, taken away or of another type."""
    document = json.loads(frame)
    yield from (json.dumps(wrong) for wrong in WRONG)
    for path in _paths(document):
        for wrong in (MISSING, *WRONG):
            changed = copy.deepcopy(document)
            parent = changed
            for key in path[:-1]:
                parent = parent[key]
            if wrong is MISSING:
                del parent[path[-1]]
            else:
                parent[path[-1]] = wrong
            yield json.dumps(changed)


def _paths(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _paths(child, *path, key)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _paths(child, *path, index)
