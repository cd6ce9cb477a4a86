"""
The flight recorder: the last seconds of a feed, in memory, written on a fault.

Two stretches are kept, each with a checkpoint of every book at its beginning; when
the newer one has lasted long enough, or holds too much, the older one goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from booksync.inputs import Answered, Input, Seed
from booksync.recording import Recorder

__all__ = ["Flight"]

Seeds = list[tuple[int, Seed]]
Item = tuple[int, str | bytes, float] | tuple[Input, float]


class Flight:
    """
    Remembers at least ``seconds`` of inputs, if they fit into ``max_bytes``.

    Args:
        folder: Where recordings are written.
        seconds: How much to remember.
        max_bytes: Frames remembered, in bytes, at the most.
        max_files: Recordings written at the most: a fault that repeats fills no disk.

    """

    def __init__(
        self,
        folder: str | Path,
        *,
        seconds: float = 30.0,
        max_bytes: int = 64 * 1024 * 1024,
        max_files: int = 20,
    ) -> None:
        self.folder = Path(folder)
        self.seconds = seconds
        self.written: list[Path] = []
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._old: tuple[Seeds, list[Item]] = ([], [])
        self._new: tuple[Seeds, list[Item]] = ([], [])
        self._began: float | None = None
        self._bytes = 0

    def due(self, now: float) -> bool:
        """Whether :meth:`turn` is due."""
        if self._began is None or self._bytes > self._max_bytes // 2:
            return True
        return now - self._began >= self.seconds

    def turn(self, seeds: Iterable[tuple[int, Seed]], now: float) -> None:
        """Begin a new stretch with a checkpoint of every book."""
        self._old = self._new
        self._new = (list(seeds), [])
        self._began = now
        self._bytes = 0

    def note(self, item: Item) -> None:
        """Remember an input."""
        self._new[1].append(item)
        if len(item) == 3:  # noqa: PLR2004 - a frame
            self._bytes += len(item[1])
        elif isinstance(item[0], Answered):
            self._bytes += len(item[0].body)

    def dump(self, name: str, header: Mapping[str, Any], url: str) -> Path | None:
        """
        Write what is remembered as a recording.

        Args:
            name: The file's name, without its ending.
            header: The recording's first line.
            url: Of the frames.

        Returns:
            The file; ``None`` if ``max_files`` are written already.

        """
        if len(self.written) >= self._max_files:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.jsonl"
        seeds, items = self._old if self._old[0] else self._new
        later = [] if items is self._new[1] else self._new[1]
        every = [*items, *later]
        recorder = Recorder(path, {**header, "cut": True})
        for connection, seed in seeds:
            recorder.book(every[0][-1] if every else 0.0, connection, seed)
        for item in every:
            if len(item) == 3:  # noqa: PLR2004 - a frame
                number, raw, now = item
                recorder.frame(now, number, url, raw)
            else:
                given, now = item
                recorder.event(now, given)
        recorder.close()
        self.written.append(path)
        return path
