"""
Whatever connections come and go, the book that is served never goes back by itself.

Invariants: a live book has exactly the levels that the venue had at some moment (where
numbers run per symbol: at its sequence); that moment is never before the last one that
was served, unless a ``Desynced`` told so; every delta that was received is accounted
for; no second connection outlives its work.

The venue is a list of books. Each connection tells it from some moment on, as fast as
the test lets it, and numbers its messages from a beginning of its own where numbers do
not run per symbol.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from booksync import inputs
from booksync.engine import Engine
from booksync.errors import MalformedMessage
from booksync.events import Audited, Desynced, Reconnect, Resubscribe, Verdict
from booksync.messages import Delta, Snapshot, Subscribed
from booksync.states import Cause
from booksync.venues.facts import Crossing, Numbering
from tests.test_engine import FACTS, Toy


class Direct(Toy):
    """A venue whose frames are the messages themselves."""

    def parse(self, frame, session):
        if isinstance(frame, bytes):
            raise MalformedMessage("not a message")
        return [frame]


class Wire:
    """What one connection has told so far."""

    def __init__(self, number, base):
        self.number = number
        self.base = base
        self.at = None
        self.drops = False


class Connections(RuleBasedStateMachine):
    numbering = Numbering.SYMBOL

    @initialize(seed=st.integers(0, 1_000))
    def start(self, seed):
        self.random = Random(seed)
        facts = msgspec.structs.replace(
            FACTS, numbering=self.numbering, crossing=Crossing.NORMAL
        )
        self.engine = Engine(type("Direct", (Direct,), {"facts": facts})())
        self.books = [({Decimal(9): Decimal(1)}, {Decimal(10): Decimal(1)})]
        self.wires = {}
        self.numbers = 0
        self.now = 0.0
        self.served = 0
        self.open()

    # -- the venue ------------------------------------------------------------------

    def change(self):
        """The next book differs from all before: a level has a size of its own."""
        sides = tuple(dict(side) for side in self.books[-1])
        side, n = self.random.randrange(2), self.random.randrange(3)
        price = Decimal(10 + n) if side else Decimal(9 - n)
        sides[side][price] = Decimal(len(self.books) + 1)
        self.books.append(sides)

    def snapshot(self, wire):
        wire.at = len(self.books) - 1 - self.random.randrange(min(3, len(self.books)))
        bids, asks = (
            [(f"{p}", f"{s}") for p, s in side.items()] for side in self.books[wire.at]
        )
        return Snapshot("X", wire.base + wire.at, bids, asks)

    def delta(self, wire):
        before, after = self.books[wire.at], self.books[wire.at + 1]
        wire.at += 1
        bids, asks = (
            [(f"{p}", f"{s}") for p, s in new.items() if old.get(p) != s]
            for old, new in zip(before, after, strict=True)
        )
        last = wire.base + wire.at
        return Delta("X", last - 1, last, bids, asks)

    # -- what happens ---------------------------------------------------------------

    def do(self, outputs):
        for output in outputs:
            if type(output) is Desynced:
                self.served = 0
            elif type(output) is Audited:
                assert output.verdict is not Verdict.DIFFERING
            elif type(output) is Resubscribe:
                for wire in self.wires.values():
                    wire.at = None
        for output in outputs:  # as the shell does at once
            if type(output) is Reconnect and output.connection in self.wires:
                self.close(output.connection, output.cause)

    def open(self, old=None, *, audits=False):
        self.numbers += 1
        base = 0
        if self.numbering is not Numbering.SYMBOL:
            base = 1_000_000 * self.random.randrange(5)
        wire = self.wires[self.numbers] = Wire(self.numbers, base)
        given = inputs.Opened(wire.number, ("X",), 0, old, audits=audits)
        self.do(self.engine.take(given, self.now))
        self.do(self.engine.frame(wire.number, Subscribed(("X",)), self.now))

    def close(self, number, cause=Cause.DISCONNECTED):
        del self.wires[number]
        self.do(self.engine.take(inputs.Closed(number, cause), self.now))
        if not self.wires:
            self.open()

    @rule(times=st.integers(1, 3))
    def trade(self, times):
        for _ in range(times):
            self.change()

    @rule(first=st.booleans(), times=st.integers(1, 4))
    def tell(self, first, times):
        """A connection tells what is next; its snapshot may be some changes old."""
        for _ in range(times):
            numbers = list(self.wires)
            wire = self.wires[numbers[0] if first else numbers[-1]]
            self.now += 0.06
            if wire.at is None:
                message = self.snapshot(wire)
            elif wire.at < len(self.books) - 1:
                message = self.delta(wire)
            else:
                return
            self.do(self.engine.frame(wire.number, message, self.now))

    @precondition(lambda self: len(self.wires) == 1)
    @rule(audits=st.booleans())
    def second(self, audits):
        self.open(next(iter(self.wires)), audits=audits)

    @rule(first=st.booleans())
    def end(self, first):
        numbers = list(self.wires)
        self.close(numbers[0] if first else numbers[-1])

    @rule()
    def impatient(self):
        self.do(self.engine.take(inputs.Compared("X"), self.now))

    @precondition(lambda self: self.numbering is Numbering.SYMBOL)
    @rule(first=st.booleans())
    def lose(self, first):
        numbers = list(self.wires)
        wire = self.wires[numbers[0] if first else numbers[-1]]
        if wire.at is not None and wire.at < len(self.books) - 1:
            wire.at += 1

    # -- what holds -----------------------------------------------------------------

    @invariant()
    def served_book_is_right_and_never_goes_back(self):
        book = self.engine.books["X"]
        if not book.live:
            return
        levels = dict(book.book.bids()), dict(book.book.asks())
        if self.numbering is Numbering.SYMBOL:
            moment = book.book.sequence
            assert levels == self.books[moment]
        else:
            moment = self.books.index(levels)
        assert moment >= self.served
        self.served = moment

    @invariant()
    def deltas_add_up(self):
        counts = self.engine.books["X"].status(self.now).counts
        assert counts.received == (
            counts.applied
            + counts.stale
            + counts.refused
            + counts.discarded
            + counts.buffered
        )

    def teardown(self):
        """Once all is told, one connection is left, and its book is the venue's."""
        for _ in range(4 * len(self.books) + 20):
            self.now += 1.0
            self.do(self.engine.take(inputs.Ticked(), self.now))
            self.impatient()
            for wire in list(self.wires.values()):
                if wire.number not in self.wires:
                    continue
                behind = wire.at is not None and wire.at < len(self.books) - 1
                if wire.at is None or behind:
                    message = self.delta(wire) if behind else self.snapshot(wire)
                    self.do(self.engine.frame(wire.number, message, self.now))
                    self.served_book_is_right_and_never_goes_back()
            self.change() if self.random.random() < 0.2 else None
        assert len(self.wires) == 1
        assert self.engine.books["X"].live


class ByConnection(Connections):
    numbering = Numbering.CONNECTION


@pytest.mark.parametrize("kind", [Connections, ByConnection])
def test_second_connections(kind):
    case = kind.TestCase
    case.settings = settings(stateful_step_count=40)
    case("runTest").runTest()
