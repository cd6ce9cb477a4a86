"""
What a case is fed to, and what must not happen.

* ``parse``, ``parse_snapshot`` and ``parse_instruments`` raise nothing but
  ``MalformedMessage`` (and, where a venue says no, ``SubscriptionRejected``);
* each message has the types that it declares, and finite times;
* an engine that takes them raises nothing at all, and keeps its counts: deltas
  received = applied + stale + refused + discarded + buffered;
* no record takes longer than ``PATIENCE``.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from booksync import inputs, venues
from booksync.engine import Engine, policy_of
from booksync.errors import (
    ConfigurationError,
    MalformedMessage,
    SubscriptionRejected,
    VenueError,
)
from booksync.events import FetchSnapshot, Output, Reconnect, Resubscribe
from booksync.messages import Delta, Message, Rejected, Reply, Snapshot
from booksync.venues import Source
from tests.fuzz.cases import Case, Kind, Record

#: Seconds of processor time that a record may take.
PATIENCE = 1.0
#: Commands carried out after one record: more would be a loop.
MOST_COMMANDS = 1_000


class Finding(BaseException):
    """Something happened that must not; no ``except Exception`` stops it."""


class Target:
    """
    One venue.

    Args:
        venue: Its id, or its class.
        patience: Seconds of processor time that a record may take.

    """

    def __init__(
        self, venue: str | type[venues.Venue], *, patience: float = PATIENCE
    ) -> None:
        self.kind = venues.get(venue) if isinstance(venue, str) else venue
        self.patience = patience
        self._choices = list(_choices(self.kind))
        self._made: dict[tuple[bool, int], venues.Venue] = {}

    def run(self, case: Case) -> None:
        """
        Feed ``case``.

        Raises:
            Finding: If something happened that must not.

        """
        run = _Run(self._venue(case), case)
        for record in case.records:
            started = time.process_time()
            self._step(run.feed, record)
            took = time.process_time() - started
            if took > self.patience:
                raise Finding(
                    f"{record.kind} of {len(record.data)} bytes: {took:.2f} s"
                )
        self._step(run.end)

    def _step(self, step: Callable[..., None], *given: Record) -> None:
        try:
            step(*given)
        except Exception as error:
            raise Finding(f"{type(error).__name__}: {error}") from error

    def _venue(self, case: Case) -> venues.Venue:
        """Make the venue that the case wants; each once."""
        chosen = case.options % len(self._choices)
        if (case.floats, chosen) not in self._made:
            numbers = float if case.floats else Decimal
            made = self.kind(numbers=numbers, options=self._choices[chosen])
            self._made[case.floats, chosen] = made
        return self._made[case.floats, chosen]


def _choices(kind: type[venues.Venue]) -> Iterator[dict[str, str]]:
    """Options: none, then each alternative by itself, where it can be."""
    yield {}
    for name, values in kind.OPTIONS.items():
        for value in values[1:]:
            with contextlib.suppress(ConfigurationError):
                kind(options={name: value})
                yield {name: value}


class _Run:
    """A small shell around an engine: it does at once what it is told."""

    def __init__(self, venue: venues.Venue, case: Case) -> None:
        self._case = case
        self._now = 1_700_000_000.0
        self._symbols: tuple[str, ...] = ("BTC-USD", "BTCUSDT")
        self._start(venue)

    def _start(self, venue: venues.Venue) -> None:
        self.venue = venue
        self.engine = Engine(
            venue,
            policy=policy_of(venue, ring=8, max_age=20.0),
            discover=self._case.discover,
            lines=self._case.lines,
        )
        self.engine._parse = self._parse  # type: ignore[method-assign]
        for symbol in self._symbols:
            self.engine.added(symbol)
        self._numbers = itertools.count(1)
        #: The connection of each line.
        self._open_lines: dict[int, int] = {}
        for line in range(self._case.lines):
            self._open(line)

    def feed(self, record: Record) -> None:
        """Take one record, then all that follows from it."""
        self._now += 0.2
        if record.kind in (Kind.SNAPSHOT, Kind.AUDIT):
            self._obey(self._answer(record.data, audit=record.kind is Kind.AUDIT))
        elif record.kind is Kind.INSTRUMENTS:
            self._instruments(record.data)
        else:
            for line in self._lines_of(record):
                number = self._open_lines[line]
                self._obey(self.engine.frame(number, record.wire, self._now))
        deadline = self.engine.deadline()
        if deadline is not None and deadline <= self._now:
            self._obey(self.engine.tick(self._now))

    def _lines_of(self, record: Record) -> Sequence[int]:
        """Most frames come on all lines, some on one of them; the frame decides."""
        if self._case.lines == 1:
            return (0,)
        return ((0,), (1,), (0, 1), (1, 0))[zlib.crc32(record.data) % 4]

    def end(self) -> None:
        """Let time pass, end it all, and check what is left."""
        self._now += 30.0
        self._obey(self.engine.tick(self._now))
        for book in self.engine.books.values():
            counts = book.status(self._now).counts
            told = counts.applied + counts.stale + counts.refused
            told += counts.discarded + counts.buffered
            if counts.received != told:
                raise Finding(f"counts of {book.symbol!r} do not add up: {counts}")
            if book.live:
                book.book.freeze().digest()
        for symbol in list(self.engine.books)[:3]:
            self.engine.take(inputs.Removed(symbol), self._now)

    # -- steps ------------------------------------------------------------------------

    def _open(self, line: int) -> None:
        number = self._open_lines[line] = next(self._numbers)
        given = inputs.Opened(number, self._symbols, line)
        self._obey(self.engine.take(given, self._now))

    def _parse(self, frame: str | bytes, session: Any) -> Sequence[Message]:
        """The venue's ``parse``, watched."""
        parse = self.venue.parse
        messages: Sequence[Message] = _only(MalformedMessage, parse, frame, session)
        for message in messages:
            _check(message)
        return messages

    def _answer(self, body: bytes, *, audit: bool) -> list[Output]:
        symbol = next(iter(self.engine.books))
        parse, depth = self.venue.parse_snapshot, self.venue.depth
        if self.venue.facts.source is not Source.REST:
            return []
        with contextlib.suppress(MalformedMessage, SubscriptionRejected):
            _check(_only(VenueError, parse, body, symbol, depth))
        (sync, *_) = self.engine.shelf.of(symbol)
        awaited = sync.awaited or 0
        given = inputs.Answered(symbol, awaited, 200, depth, "", body, audit=audit)
        return self.engine.take(given, self._now)

    def _instruments(self, body: bytes) -> None:
        """Where the venue is made of what the answer says, start again with it."""
        if not self.venue.instrument_requests():
            return
        kind, venue = type(self.venue), self.venue
        try:
            found = _only(MalformedMessage, self.venue.parse_instruments, body)
            for item in found:
                _check_instrument(item)
            made = kind(
                numbers=venue.numbers,
                depth=venue.depth,
                options=venue.options,
                instruments={item.symbol: item for item in found},
            )
        except (MalformedMessage, ConfigurationError):
            return
        if made.needs_instruments:
            self._symbols = tuple(made.instruments)[:3] or self._symbols
            self._start(made)

    def _obey(self, outputs: list[Output]) -> None:
        """Do what the engine says, as a shell without a network would."""
        waiting = list(outputs)
        for _ in range(MOST_COMMANDS):
            if not waiting:
                return
            output = waiting.pop(0)
            if isinstance(output, Rejected):
                _check(output)
            elif isinstance(output, Reconnect):
                waiting += self._reopened(output)
            elif isinstance(output, Resubscribe):
                self._now = max(self._now, output.at)
                resubscribed = inputs.Resubscribed(output.symbol)
                waiting += self.engine.take(resubscribed, self._now)
            elif isinstance(output, FetchSnapshot):
                waiting += self._ask(output)
        raise Finding(f"more than {MOST_COMMANDS} commands")

    def _reopened(self, command: Reconnect) -> list[Output]:
        given = inputs.Closed(command.connection, command.cause)
        outputs = self.engine.take(given, self._now)
        for line, number in self._open_lines.items():
            if number == command.connection:
                self._open(line)
        return outputs

    def _ask(self, command: FetchSnapshot) -> list[Output]:
        if self.venue.facts.source is not Source.REQUEST:
            self.venue.snapshot_request(command.symbol)
            return []
        return self.engine.take(
            inputs.Asked(command.symbol, command.request), self._now
        )


def _only(wanted: type[VenueError], call: Callable[..., Any], *given: Any) -> Any:
    """Call; an exception of another kind is a finding."""
    try:
        return call(*given)
    except wanted:
        raise
    except Exception as error:
        raise Finding(f"{call.__qualname__}: {error!r}") from error


def _check(message: Message) -> None:
    """Say where a message is not what it declares to be."""
    wrong = ""
    if isinstance(message, Delta | Snapshot):
        wrong = _wrong_numbers(message) or _wrong_levels(message)
    if isinstance(message, Reply) and type(message.frame) not in (str, bytes):
        wrong = "a reply that is no frame"
    for name in ("symbol", "reason"):
        if type(getattr(message, name, "")) is not str:
            wrong = f"{name} is no text"
    if wrong:
        raise Finding(f"{wrong}: {str(message)[:500]}")


def _wrong_numbers(message: Delta | Snapshot) -> str:
    if isinstance(message, Snapshot):
        return "" if type(message.sequence) is int else "a number that is none"
    if type(message.prev) is not int or type(message.last) is not int:
        return "a number that is none"
    back = message.last < message.prev and not message.reset
    return "numbers that go back" if back else ""


def _wrong_levels(message: Delta | Snapshot) -> str:
    at: Any = message.time
    if at is not None and (type(at) not in (float, int) or not math.isfinite(at)):
        return "a time that is none"
    level: Any
    for level in (*message.bids, *message.asks):
        if len(level) != 2 or any(type(n) not in (str, float, Decimal) for n in level):
            return "levels that are none"
    return ""


def _check_instrument(item: venues.Instrument) -> None:
    steps = (item.price_step, item.size_step)
    known = all(step is None or type(step) is Decimal for step in steps)
    if type(item.symbol) is not str or not known:
        raise Finding(f"an instrument that is none: {str(item)[:500]}")
