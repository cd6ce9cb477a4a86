"""
Recordings: raw frames and whatever else drove the core, one JSON object a line.

A record is ``{"t": seconds, "ch": "ws" | "http" | "event", "conn": n, "url": …,
"dir": "in" | "out", "raw": text}``; ``b64`` is a binary frame's bytes. The first line
names the venue and how it was made. Files that end in ``.gz`` or ``.zst`` are
compressed. Bytes are recorded, never parsed objects: a venue module mended tomorrow
replays yesterday's frames.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from booksync.errors import ConfigurationError, RecordingError, redacted
from booksync.inputs import Answered, Input, Seed

__all__ = ["FORMAT", "Recorder", "Recording", "frame_of"]

#: Version of the format, in the first line.
FORMAT = 1
#: Longest line read from a recording, in characters.
MAX_LINE = 64 * 1024 * 1024


def _open(path: Path, mode: str) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.open(path, mode)  # type: ignore[return-value]
    if path.suffix == ".zst":
        try:
            import zstandard  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError(
                "a .zst recording needs the extra: pip install 'booksync[zstd]'"
            ) from None
        opened: IO[bytes] = zstandard.open(path, mode)
        return opened
    return path.open(mode)


class Recorder:
    """
    Writes a recording.

    Args:
        path: Where to; an existing file is replaced.
        header: Fields of the first line (``venue``, ``symbols``, …).

    Raises:
        ConfigurationError: If the file cannot be made.

    """

    def __init__(self, path: str | Path, header: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.records = 0
        try:
            self._file = _open(self.path, "wb")
        except OSError as error:
            raise ConfigurationError(f"cannot record to {path}: {error}") from None
        self._encode = msgspec.json.Encoder().encode
        self._write({"booksync": FORMAT, **header})

    def _write(self, record: Mapping[str, Any]) -> None:
        self._file.write(self._encode(record) + b"\n")
        self.records += 1

    def frame(
        self,
        now: float,
        connection: int,
        url: str,
        raw: str | bytes,
        *,
        out: bool = False,
    ) -> None:
        """Record one frame, in or out."""
        record: dict[str, Any] = {
            "t": now,
            "ch": "ws",
            "conn": connection,
            "url": redacted(url),
            "dir": "out" if out else "in",
        }
        if isinstance(raw, str):
            record["raw"] = raw
        else:
            record["b64"] = base64.b64encode(raw).decode()
        self._write(record)

    def event(self, now: float, given: Input) -> None:
        """Record anything else that drives the core; an answer's body after it."""
        body = given.body if isinstance(given, Answered) else None
        if isinstance(given, Answered):
            given = msgspec.structs.replace(given, url=redacted(given.url), body=b"")
        self._write({"t": now, "ch": "event", **msgspec.to_builtins(given)})
        if body is not None and isinstance(given, Answered):
            text = body.decode("utf-8", "replace")
            record = {"t": now, "ch": "http", "conn": 0, "url": given.url}
            self._write({**record, "dir": "in", "raw": text})

    def book(self, now: float, connection: int, seed: Seed) -> None:
        """Record a checkpoint: what a recording cut here needs to go on."""
        body = msgspec.to_builtins(seed)
        self._write({"t": now, "ch": "book", "conn": connection, **body})

    def write(self, record: Mapping[str, Any]) -> None:
        """Write a record that was made before (:meth:`Flight.dump`)."""
        self._write(record)

    def close(self) -> None:
        """Finish the file. Idempotent."""
        if not self._file.closed:
            self._file.close()


class Recording:
    """
    Reads a recording, ours or one of plain frames.

    Args:
        path: A ``.jsonl``, ``.jsonl.gz`` or ``.jsonl.zst`` file.

    Raises:
        RecordingError: If there is no such file, or it is not a recording.

    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise RecordingError(f"there is no recording {path}")
        self.header: dict[str, Any] = {}
        first = next(iter(self._lines()), None)
        if first is None:
            raise RecordingError(f"{path} is empty")
        if "booksync" in first:
            self.header = first
            if first["booksync"] != FORMAT:
                raise RecordingError(
                    f"{path} has format {first['booksync']}, not {FORMAT}: it was made "
                    f"by another version of booksync"
                )

    @property
    def ours(self) -> bool:
        """Whether booksync made it: it then says all that drove the core."""
        return bool(self.header)

    @property
    def instruments(self) -> Path:
        """Where the venue's own instrument answers stand beside it, if they do."""
        name = self.path.name
        for suffix in (".gz", ".zst", ".jsonl"):
            name = name.removesuffix(suffix)
        return self.path.with_name(f"{name}.instruments.json")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield every line as an object, the header included; numbered from 0."""
        return self._lines()

    def _lines(self) -> Iterator[dict[str, Any]]:
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        number = 0
        try:
            with _open(self.path, "rb") as file:
                reader = io.BufferedReader(cast("io.RawIOBase", file))
                while line := reader.readline(MAX_LINE):
                    yield decode(line)
                    number += 1
        except (OSError, EOFError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RecordingError(
                f"{self.path}, line {number + 1}: not a recording ({error})"
            ) from None


def frame_of(record: Mapping[str, Any]) -> str | bytes:
    """
    Return the frame of a ``ws`` record as it came off the wire.

    Raises:
        RecordingError: If the record has none.

    """
    try:
        if "b64" in record:
            return base64.b64decode(record["b64"], validate=True)
        return str(record["raw"])
    except (KeyError, TypeError, binascii.Error) as error:
        raise RecordingError(f"a record without a frame: {error!r}") from None
