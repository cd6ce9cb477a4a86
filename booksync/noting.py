"""What is kept of all that a feed took in: a recording, and the last seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from booksync.events import Desynced
from booksync.flight import Flight
from booksync.inputs import Seed
from booksync.queues import Item
from booksync.recording import Recorder
from booksync.states import FAULTS

__all__ = ["Notes"]

#: Seconds between two checkpoints of all books in a recording.
CHECKPOINT_EVERY = 300.0


class Notes:
    """
    Notes each input before it is taken.

    Args:
        flight: Folder for the flight recorder; ``None`` = there is none.
        url: Of the frames.
        header: Makes a recording's first line.
        seeds: Makes a checkpoint of every book.

    """

    def __init__(
        self,
        flight: str | Path | None,
        url: str,
        *,
        header: Callable[[], dict[str, Any]],
        seeds: Callable[[], list[tuple[int, Seed]]],
    ) -> None:
        self.recorder: Recorder | None = None
        self._flight = None if flight is None else Flight(flight)
        #: Whether there is anything to note.
        self.on = self._flight is not None
        self._url = url
        self._header = header
        self._seeds = seeds
        self._checkpoint_at = math.inf

    def record(self, path: str | Path, now: float) -> None:
        """
        Record from now on.

        Raises:
            ConfigurationError: If the file cannot be written.

        """
        self.recorder = Recorder(path, self._header())
        self.on = True
        self._checkpoint_at = now + CHECKPOINT_EVERY

    def note(self, item: Item) -> None:
        """Note an input, before it is taken."""
        now = item[-1]
        if self._flight is not None:
            if self._flight.due(now):
                self._flight.turn(self._seeds(), now)
            self._flight.note(item)
        recorder = self.recorder
        if recorder is None:
            return
        if now >= self._checkpoint_at:
            self._checkpoint_at = now + CHECKPOINT_EVERY
            for number, seed in self._seeds():
                recorder.book(now, number, seed)
        if len(item) == 3:  # noqa: PLR2004 - a frame
            recorder.frame(now, item[0], self._url, item[1])
        else:
            recorder.event(now, item[0])

    def sent(self, number: int, url: str, frame: str | bytes, now: float) -> None:
        """Note a frame that was sent."""
        if self.recorder is not None:
            self.recorder.frame(now, number, url, frame, out=True)

    def desynced(self, venue: str, event: Desynced, now: float) -> Path | None:
        """Write what led to a fault of a live book; say where."""
        if self._flight is None or event.cause not in FAULTS:
            return None
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
        safe = "".join(c if c.isalnum() else "-" for c in event.symbol)
        name = f"{venue}-{safe}-{event.cause.value}-{moment}"
        return self._flight.dump(name, self._header(), self._url)

    def close(self) -> None:
        """End the recording."""
        if self.recorder is not None:
            self.recorder.close()
