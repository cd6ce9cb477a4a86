"""A venue module and its samples; a feed of one symbol without any network."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from booksync.engine import Engine
from booksync.errors import MalformedMessage
from booksync.events import FetchSnapshot, Malformed, Output
from booksync.inputs import Answered, Asked, Closed, Input, Opened
from booksync.messages import Delta, Message, Snapshot
from booksync.sync import Synchronizer
from booksync.testing.conformance.samples import Frame, Samples
from booksync.venues.base import Venue
from booksync.venues.facts import Instrument, Request, Source

__all__ = ["Drive", "Kit", "State", "require", "shown"]

Side = dict[Decimal, Decimal]
#: Seconds between two frames.
STEP = 0.01
#: Beginning of what the engine says of an exception that a module let escape.
ESCAPED = "venue module: "


def require(condition: object, message: str) -> None:
    """Raise ``AssertionError(message)`` unless ``condition``."""
    if not condition:
        raise AssertionError(message)


def shown(frame: Frame) -> str:
    """Show the beginning of a frame."""
    found = repr(frame)
    return found if len(found) <= 200 else f"{found[:200]}…"  # noqa: PLR2004


class State(NamedTuple):
    """A live book: its number and its levels."""

    sequence: int
    bids: Side
    asks: Side

    def top(self, levels: int | None) -> tuple[list[Any], list[Any]]:
        """Give the best ``levels`` of both sides, best first."""
        bids = sorted(self.bids.items(), reverse=True)
        return bids[:levels], sorted(self.asks.items())[:levels]


class Drive:
    """
    A feed of one symbol whose connection says what it is told to.

    A snapshot request is answered at once by the samples' body; one that is repeated is
    not answered any more.
    """

    def __init__(self, kit: Kit) -> None:
        self.venue = kit.made()
        self.engine = Engine(self.venue)
        self.sync: Synchronizer = self.engine.added(kit.samples.symbol)
        self.now = 1_700_000_000.0
        self.events: list[Output] = []
        self.number = 0
        self._kit = kit
        self.open()

    def open(self) -> None:
        """Open a connection; one that is open ends first."""
        if self.number:
            self.take(Closed(self.number))
        self.number += 1
        self.take(Opened(self.number, (self._kit.samples.symbol,)))

    def take(self, given: Input) -> list[Output]:
        """Give the engine an input."""
        self.now += STEP
        return self._obey(self.engine.take(given, self.now))

    def say(self, *frames: Frame) -> list[Output]:
        """Let the venue say ``frames``; what came of them is returned."""
        found: list[Output] = []
        for frame in frames:
            self.now += STEP
            outputs = self.engine.frame(self.number, frame, self.now)
            for output in outputs:
                escaped = type(output) is Malformed and output.reason.startswith(
                    ESCAPED
                )
                require(
                    not escaped, f"an exception escaped: {output}, of {shown(frame)}"
                )
            found += self._obey(outputs)
        return found

    @property
    def state(self) -> State | None:
        """The book, if it is live."""
        if not self.sync.live:
            return None
        book = self.sync.book
        bids = {level.price: level.size for level in book.bids()}
        asks = {level.price: level.size for level in book.asks()}
        return State(book.sequence, bids, asks)

    def told(self, kind: type[Any]) -> list[Any]:
        """Events of ``kind`` so far."""
        return [event for event in self.events if type(event) is kind]

    def _obey(self, outputs: list[Output]) -> list[Output]:
        found = list(outputs)
        self.events += outputs
        for output in outputs:
            if type(output) is FetchSnapshot and not output.attempt:
                found += self._fetch(output)
        return found

    def _fetch(self, wanted: FetchSnapshot) -> list[Output]:
        symbol, request = wanted.symbol, wanted.request
        if self.venue.facts.source is Source.REQUEST:
            return self.take(Asked(symbol, request))
        body = self._kit.body
        answer = Answered(symbol, request, 200, self.venue.depth, body=body)
        return self.take(answer)


class Kit:
    """
    A venue module and its samples.

    Args:
        venue: The module's class.
        samples: What the venue says.

    """

    def __init__(self, venue: type[Venue], samples: Samples) -> None:
        self.kind = venue
        self.samples = samples
        self.symbol = samples.symbol

    def made(self, numbers: type[Decimal | float] = Decimal) -> Venue:
        """Make the venue as the samples want it."""
        samples = self.samples
        return self.kind(
            numbers=numbers,
            depth=samples.depth,
            options=samples.options,
            instruments=self.instruments,
        )

    @cached_property
    def instruments(self) -> dict[str, Instrument]:
        """What the samples say of the markets."""
        if not self.samples.instruments:
            return {}
        plain = self.kind(depth=self.samples.depth, options=self.samples.options)
        bodies = self.samples.instruments
        listed = [item for body in bodies for item in plain.parse_instruments(body)]
        return {item.symbol: item for item in listed}

    @property
    def body(self) -> bytes:
        """The samples' snapshot body."""
        body = self.samples.body
        require(body is not None, "the samples have no snapshot body")
        return body.encode() if isinstance(body, str) else bytes(body or b"")

    # -- parsing alone --------------------------------------------------------------

    def session(self, venue: Venue) -> Any:  # noqa: ANN401 - the venue's own
        """Make the memory of a connection that greeted, subscribed, and asked."""
        session = venue.session()
        venue.greet(session, 0.0)
        venue.subscribe([self.symbol], session, 0.0)
        if venue.facts.source is Source.REQUEST:
            venue.snapshot_frame(self.symbol, session, 0.0)
        return session

    def parsed(
        self, venue: Venue, frames: Sequence[Frame], session: object = None
    ) -> list[list[Message]]:
        """Give the messages of each frame."""
        session = self.session(venue) if session is None else session
        found: list[list[Message]] = []
        for frame in frames:
            try:
                found.append(list(venue.parse(frame, session)))
            except MalformedMessage as error:
                raise AssertionError(
                    f"a sample does not parse: {error.reason}, of {shown(frame)}"
                ) from None
        return found

    @cached_property
    def messages(self) -> list[list[Message]]:
        """What each frame of the stream means."""
        return self.parsed(self.made(), self.samples.stream)

    @cached_property
    def deltas(self) -> list[int]:
        """Places in the stream of the frames that carry deltas, or whole books."""
        wanted = Snapshot if self.whole else Delta
        return [
            place
            for place, messages in enumerate(self.messages)
            if any(type(message) is wanted for message in messages)
        ]

    @property
    def whole(self) -> bool:
        """Whether every frame is a whole book."""
        return self.made().facts.source is Source.EVERY_FRAME

    # -- driving ---------------------------------------------------------------------

    @cached_property
    def right(self) -> list[State | None]:
        """The book after each frame of the undisturbed stream."""
        drive = Drive(self)
        states = []
        for frame in self.samples.stream:
            drive.say(frame)
            states.append(drive.state)
        return states

    def live(self) -> Drive:
        """Drive the whole stream; the book must be live at its end."""
        drive = Drive(self)
        drive.say(*self.samples.stream)
        require(drive.sync.live, f"the book is not live after the stream: {drive.sync}")
        return drive

    def among_right(self, state: State, levels: int | None = None) -> bool:
        """Say whether a book has the levels of one of the undisturbed stream's."""
        top = state.top(levels)
        return any(
            known is not None and known.top(levels) == top for known in self.right
        )

    def request(self, wanted: str) -> Request:
        """Give the venue's snapshot request; ``wanted`` says why."""
        request = self.made().snapshot_request(self.symbol)
        require(isinstance(request, Request), f"snapshot_request: {wanted}")
        return request
