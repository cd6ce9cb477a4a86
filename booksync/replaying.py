"""A recording through the core again: no network, no waiting, the same events."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from booksync import inputs, venues
from booksync.arbitration import Arbiter
from booksync.book import canonical
from booksync.engine import Engine, policy_of
from booksync.errors import ConfigurationError, MalformedMessage, RecordingError
from booksync.events import Changed, Command, Desynced, Event, Gap, Malformed, Output
from booksync.recording import Recording, frame_of
from booksync.states import Cause, State
from booksync.sync import Synchronizer
from booksync.venues.base import Venue
from booksync.venues.facts import Instrument

__all__ = ["Replay", "replay"]

HTTP_OK = 200
#: Causes of a Desynced that name what was missing.
HOLES = (Cause.GAP, Cause.LOST)


class Found(msgspec.Struct):
    """Where a hole showed itself."""

    record: int
    expected: int | None
    got: int | None


class Replay:
    """
    Drives the core by a recording; iterate it for the events.

    Args:
        path: The recording.
        venue: Id of its venue; needed where the recording does not name one.
        numbers: ``Decimal`` or ``float``.
        depth: Levels a side that were subscribed or asked for; by default as the
            recording says, else the venue's default.
        options: Venue options; by default those of the recording.
        on_record: Called with the number of each record (progress).

    Raises:
        RecordingError: If the file cannot be read.
        ConfigurationError: If the venue is unknown or not named.

    After (or during) iteration ``books`` has the synchronizers by symbol and
    ``holes`` says at which record a gap was noticed.

    """

    def __init__(
        self,
        path: str | Path,
        *,
        venue: str | None = None,
        numbers: type[Decimal | float] = Decimal,
        depth: int | None = None,
        options: Mapping[str, str] | None = None,
        on_record: Callable[[int], object] | None = None,
    ) -> None:
        self.recording = Recording(path)
        header = self.recording.header
        name = venue or header.get("venue")
        if not name:
            raise ConfigurationError(
                f"{path} does not name its venue: say --venue (venue=)"
            )
        settings = {"numbers": numbers, "depth": depth, "options": options}
        self.venue = self._venue(str(name), settings)
        self.engine = Engine(
            self.venue,
            policy=policy_of(self.venue, **header.get("policy", {})),
            silence=header.get("silence", math.inf),
            lines=header.get("lines", 1),
            discover=not self.recording.ours,
        )
        self.holes: dict[str, list[Found]] = {}
        #: The first frame or body that could not be used, and its record's number.
        self.malformed: tuple[int, Malformed] | None = None
        #: Number of the record in hand, from 0.
        self.record = -1
        self._on_record = on_record
        self._channels = {
            "ws": self._frame,
            "http": self._body,
            "event": self._event,
            "book": self._plant,
        }
        self._now = 0.0
        self._answer: inputs.Answered | None = None

    def _venue(self, name: str, settings: dict[str, Any]) -> Venue:
        kind = venues.get(name)
        header = self.recording.header
        for key in ("depth", "options"):
            if settings[key] is None:
                settings[key] = header.get(key)
        path = self.recording.instruments
        if header.get("instruments"):
            listed = msgspec.convert(header["instruments"], list[Instrument])
            settings["instruments"] = {item.symbol: item for item in listed}
        elif path.is_file():
            settings["instruments"] = _instruments(path, kind(**settings))
        return kind(**settings)

    @property
    def books(self) -> dict[str, Synchronizer | Arbiter]:
        """Synchronizers by symbol."""
        return self.engine.books

    def __iter__(self) -> Iterator[Event]:
        """
        Yield the events, in order.

        Raises:
            RecordingError: If a record does not follow the format.

        """
        for number, record in enumerate(self.recording):
            self.record = number
            if self._on_record is not None:
                self._on_record(number)
            try:
                outputs = self._step(record)
            except (
                AttributeError,
                KeyError,
                TypeError,
                ValueError,
                MalformedMessage,
            ) as error:
                raise RecordingError(
                    f"{self.recording.path}, record {number}: {error!r}"
                ) from None
            yield from self._events(outputs)
        if not self.recording.ours and self._now:
            for sync in list(self.books.values()):
                if isinstance(sync, Synchronizer):
                    yield from self._events(sync.settle(self._now))

    def run(self) -> None:
        """Replay it all, for the books alone."""
        for _ in self:
            pass

    def _events(self, outputs: list[Output]) -> Iterator[Event]:
        for output in outputs:
            if type(output) is Changed:
                yield output
            elif not isinstance(output, Command):
                self._note(output)
                yield output

    def _note(self, event: Event) -> None:
        if isinstance(event, Malformed) and self.malformed is None:
            self.malformed = (self.record, event)
        hole = isinstance(event, Gap) or (
            isinstance(event, Desynced) and event.cause in HOLES
        )
        if hole and isinstance(event, Gap | Desynced):
            found = Found(self.record, event.expected, event.got)
            self.holes.setdefault(event.symbol, []).append(found)

    def _step(self, record: dict[str, Any]) -> list[Output]:
        if "booksync" in record and "ch" not in record:
            return []
        now = record.get("t")
        outputs: list[Output] = []
        if now is not None:
            if not self.recording.ours:
                outputs = self._pass_time(now)
            self._now = float(now)
        return [*outputs, *self._channels[record["ch"]](record)]

    def _pass_time(self, now: float) -> list[Output]:
        outputs: list[Output] = []
        due = self.engine.deadline()
        while due is not None and due <= now:
            outputs += self.engine.tick(due)
            due = self.engine.deadline()
        return outputs

    def _frame(self, record: dict[str, Any]) -> list[Output]:
        if record["dir"] == "out":
            return []
        number = record["conn"]
        if not self.recording.ours and number not in self.engine.connections:
            self.engine.take(inputs.Opened(number, ()), self._now)
        return self.engine.frame(number, frame_of(record), self._now)

    def _body(self, record: dict[str, Any]) -> list[Output]:
        given, self._answer = self._answer, None
        if given is None:
            given = self._match(record["url"] or "")
        if given is None or record["dir"] == "out":
            return []
        body = record["raw"].encode()
        return self.engine.take(msgspec.structs.replace(given, body=body), self._now)

    def _plant(self, record: dict[str, Any]) -> list[Output]:
        """Take a book that a recording cut here begins with."""
        seed = msgspec.convert(record, inputs.Seed)
        self.engine.plant(record["conn"], seed, self._now)
        return []

    def _match(self, url: str) -> inputs.Answered | None:
        """Take an answer for the one that its symbol waits for."""
        symbol = self.venue.snapshot_symbol(url)
        if symbol is None:
            return None
        sync = self.books.get(symbol)
        waits = isinstance(sync, Synchronizer) and sync.awaited
        request = waits or 0
        depth = self.venue.snapshot_depth(url)
        return inputs.Answered(symbol, request, HTTP_OK, depth, url)

    def _event(self, record: dict[str, Any]) -> list[Output]:
        """Do what the shell did."""
        given = msgspec.convert(record, inputs.Input)
        if isinstance(given, inputs.Answered):
            self._answer = given
            return []
        found: list[Output] = self.engine.take(given, self._now)
        return found

    def summary(self) -> list[dict[str, Any]]:
        """
        Say how each book ended: one record a symbol, as ``booksync replay --json``.

        ``digest`` is the SHA-256 over the lines ``b <price> <size>`` best bid first,
        then ``a <price> <size>`` best ask first: all levels, canonical decimals.
        """
        return [self._book(sync) for _, sync in sorted(self.books.items())]

    def _book(self, sync: Synchronizer | Arbiter) -> dict[str, Any]:
        counts = sync.status().counts
        checks = counts.checksums_passed, counts.checksums_failed
        return {
            "file": str(self.recording.path),
            "venue": self.venue.id,
            "symbol": sync.symbol,
            "state": sync.state.value,
            "unbridged": sync.status().unbridged,
            "received": counts.received,
            "applied": counts.applied,
            "stale": counts.stale,
            "refused": counts.refused,
            "discarded": counts.discarded,
            "buffered": counts.buffered,
            "gaps": counts.gaps,
            "gap_at": [
                msgspec.structs.asdict(hole) for hole in self.holes.get(sync.symbol, [])
            ],
            "resyncs": counts.resyncs,
            "checksums": None
            if self.venue.facts.checksum is None
            else {"passed": checks[0], "failed": checks[1]},
            **_levels(sync),
        }


def _levels(sync: Synchronizer | Arbiter) -> dict[str, Any]:
    if sync.state is not State.LIVE:
        names = ("sequence", "levels", "bids", "asks", "digest")
        return dict.fromkeys(names)
    book = sync.book
    return {
        "sequence": book.sequence,
        "levels": [len(book.bids()), len(book.asks())],
        "bids": [[canonical(p), canonical(s)] for p, s in book.bids(25)],
        "asks": [[canonical(p), canonical(s)] for p, s in book.asks(25)],
        "digest": book.digest(),
    }


def _instruments(path: Path, venue: Venue) -> dict[str, Any]:
    """Read the answers beside a recording: a list of ``{"url": …, "data": …}``."""
    found: dict[str, Any] = {}
    try:
        answers = json.loads(path.read_text(encoding="utf-8"))
        bodies = [json.dumps(answer["data"]) for answer in answers]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path}: {error!r}") from None
    for body in bodies:
        try:
            listed = venue.parse_instruments(body)
        except (MalformedMessage, AssertionError):
            continue  # another answer of the venue's, or one it has no use for
        found.update({item.symbol: item for item in listed})
    return found


def replay(path: str | Path, *, venue: str | None = None, **options: Any) -> Replay:  # noqa: ANN401
    """
    Replay a recording: iterate what this returns for the same events again.

    Args:
        path: The recording.
        venue: Id of its venue, where the recording does not name it.
        options: As for :class:`Replay`.

    Raises:
        RecordingError: If the file cannot be read.
        ConfigurationError: If the venue is unknown or not named.

    """
    return Replay(path, venue=venue, **options)
