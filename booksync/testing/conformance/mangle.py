"""Frames as no venue sends them: cut, or with a value missing or of another kind."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from booksync.testing.conformance.samples import Frame

__all__ = ["cuts", "kind_of", "mangled"]

#: Most places at which a frame is cut or flipped, and most elements of a list touched.
PLACES = 100
ELEMENTS = 2
MISSING = object()
#: What stands in place of a value.
WRONG: tuple[Any, ...] = (
    MISSING,
    None,
    True,
    0,
    -1,
    1.5,
    10**400,
    "",
    "x",
    "-1",
    "NaN",
    "Infinity",
    "1e999",
    "9" * 80,
    "\ud800",
    float("nan"),
    [],
    [[]],
    {},
    [["1", "1"]],
)
#: Whole frames of nonsense.
NONSENSE: tuple[Frame, ...] = (
    "",
    " ",
    "null",
    "0",
    "[]",
    "{}",
    '""',
    "[" * 100_000,
    '{"a":' * 5_000,
    "\x00",
    "\ufeff{}",
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\x1f\x8b",
    b"{}",
)


def opened(frame: Frame) -> tuple[str, Callable[[str], Frame]] | None:
    """Give the JSON text in a frame, and what makes a frame of such a text."""
    if isinstance(frame, str):
        return frame, str
    for unpack, pack in ((bytes, bytes), (_inflated, gzip.compress)):
        try:
            text = unpack(frame).decode()
            json.loads(text)
        except (ValueError, zlib.error):
            continue
        return text, _packer(pack)
    return None


def _inflated(data: bytes) -> bytes:
    return zlib.decompress(data, wbits=47)


def _packer(pack: Callable[[bytes], bytes]) -> Callable[[str], Frame]:
    return lambda text: pack(text.encode(errors="surrogatepass"))


def cuts(frame: Frame) -> Iterator[Frame]:
    """Give beginnings of a frame: none is a whole one."""
    step = len(frame) // PLACES + 1
    yield from (frame[:end] for end in range(0, len(frame), step))


def mangled(frame: Frame) -> Iterator[Frame]:
    """Give broken forms of a frame: cut, flipped, each value missing or wrong."""
    yield from NONSENSE
    yield from cuts(frame)
    yield from _flipped(frame.encode() if isinstance(frame, str) else frame)
    found = opened(frame)
    if found is None:
        return
    text, pack = found
    yield from (pack(cut) for cut in cuts(text) if isinstance(cut, str))
    yield from (pack(changed) for changed in _changed(text))


def kind_of(frame: Frame) -> str:
    """Say of what kind a frame is: two of one kind have the same keys and types."""
    found = opened(frame)
    try:
        return str(_shape(json.loads(found[0]))) if found else "binary"
    except ValueError:
        return str(frame)


def _flipped(data: bytes) -> Iterator[bytes]:
    for place in range(0, len(data), len(data) // PLACES + 1):
        for mask in (0x01, 0x80, 0xFF):
            yield data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


def _changed(text: str) -> Iterator[str]:
    try:
        document = json.loads(text)
    except ValueError:
        return
    for path in _paths(document):
        for wrong in WRONG:
            changed = copy.deepcopy(document)
            parent = changed
            for key in path[:-1]:
                parent = parent[key]
            if wrong is MISSING:
                del parent[path[-1]]
            else:
                parent[path[-1]] = wrong
            yield json.dumps(changed)


def _paths(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    if path:
        yield path
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = list(enumerate(value))[:ELEMENTS]
    for key, child in children:
        yield from _paths(child, *path, key)


def _shape(value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    if isinstance(value, dict):
        short = {"type", "event", "action", "channel", "method", "op", "feed", "e"}
        return {
            key: child if key in short and isinstance(child, str) else _shape(child)
            for key, child in sorted(value.items())
        }
    if isinstance(value, list):
        return [_shape(child) for child in value[:1]]
    return type(value).__name__
