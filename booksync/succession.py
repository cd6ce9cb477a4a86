"""
A line's second connection: an heir that takes its place, or an auditor; pure.

An heir's books take over from those of a connection that will end. An auditor's are
compared with them, and then it is let go; if one of them had to be served meanwhile,
because the first connection lost something, the auditor becomes an heir.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from booksync import inputs
from booksync.arbitration import Arbiter
from booksync.auditing import Difference
from booksync.comparing import Comparison
from booksync.connection import Connection
from booksync.events import Audited, Output, Verdict
from booksync.shelf import Shelf
from booksync.states import Cause
from booksync.sync import Synchronizer

__all__ = ["Succession"]

Noted = Callable[[Synchronizer, list[Output]], list[Output]]
GiveUp = Callable[[Connection, Cause], list[Output]]


class Succession:
    """
    Which connections stand beside another, and what is to be done once they can.

    Args:
        shelf: The books.
        connections: Those that are open, by number.
        noted: What is to be done with what a book said.
        give_up: How a connection is ended.

    """

    def __init__(
        self,
        shelf: Shelf,
        connections: Mapping[int, Connection],
        *,
        noted: Noted,
        give_up: GiveUp,
    ) -> None:
        self._shelf = shelf
        self._connections = connections
        self._noted = noted
        self._give_up = give_up
        #: Those that stand beside another, by number.
        self._heirs: dict[int, Connection] = {}
        self._comparisons: dict[str, Comparison] = {}
        #: By symbol, what differed in the last audit that decided nothing.
        self._doubts: dict[str, frozenset[Difference]] = {}

    # -- what happens to connections ------------------------------------------------

    def opened(self, at: Connection, succeeds: int | None, *, audits: bool) -> None:
        """Take in a connection, which may stand beside another that is open."""
        if succeeds in self._connections:
            at.succeeds, at.audits = succeeds, audits
            self._heirs[at.number] = at

    def is_heir(self, number: int | None) -> bool:
        """Whether this connection stands beside another, or has not got its place."""
        return number in self._heirs

    def heir(self, at: Connection, symbol: str) -> Synchronizer | None:
        """Make the connection's book of ``symbol``, if the other one has one."""
        old = self._old(at)
        if old is None or symbol not in old.books or symbol in at.books:
            return None
        if at.audits:
            self._begin(symbol)
        return self._shelf.heir(symbol, at.line, auditing=at.audits)

    def ended(self, at: Connection, now: float) -> list[Output]:
        """Forget the books of a connection that ended, if they were not needed yet."""
        if self._heirs.pop(at.number, None) is None:
            return []
        outputs: list[Output] = []
        for symbol, sync in list(at.books.items()):
            if at.audits:
                outputs += self._end(symbol, now)
            self._shelf.abandoned(symbol, sync, now)
        return outputs

    def settle(self, now: float) -> list[Output]:
        """Do what waited until some books stand as they do now."""
        outputs: list[Output] = []
        for symbol in sorted(self._comparisons):
            outputs += self._look(symbol, now)
        for at in list(self._heirs.values()):
            outputs += self._audited(at, now) if at.audits else self._succeed(at, now)
        return outputs

    def deadline(self) -> float | None:
        """When :meth:`settle` is next due, in seconds; ``None`` if nothing is."""
        arbiters = self._shelf.arbiters
        due = [
            arbiters[symbol].look_at
            for at in self._heirs.values()
            for symbol in at.books
            if symbol in arbiters
        ]
        return min((at for at in due if at is not None), default=None)

    def forget(self, symbol: str) -> None:
        """The user wants the symbol no longer."""
        self._comparisons.pop(symbol, None)
        self._doubts.pop(symbol, None)

    # -- heirs ----------------------------------------------------------------------

    def _old(self, at: Connection) -> Connection | None:
        return None if at.succeeds is None else self._connections.get(at.succeeds)

    def _succeed(self, at: Connection, now: float) -> list[Output]:
        """Let the other connection go if all its books have heirs that are as far."""
        outputs: list[Output] = []
        for symbol in at.books:
            arbiter = self._shelf.arbiters.get(symbol)
            outputs += [] if arbiter is None else arbiter.tick(now)
        if not at.books or not all(map(self._shelf.ready, at.books)):
            return outputs
        for symbol, sync in at.books.items():
            self._shelf.succeeded(symbol, at.line, sync, now)
        old = self._old(at)
        at.succeeds = None
        del self._heirs[at.number]
        if old is None:
            return outputs
        old.ended.update(old.books)
        old.books.clear()
        old.waiting.clear()
        return [*outputs, *self._give_up(old, Cause.CLOSING)]

    # -- auditors -------------------------------------------------------------------

    def compare(self, given: inputs.Compared, now: float) -> list[Output]:
        """Compare two lines as soon as they can be; say so if they never could."""
        symbol = given.symbol
        outputs = self._end(symbol, now)
        arbiter = self._shelf.arbiters.get(symbol)
        if len(self._shelf.lines) > 1 and arbiter is not None and arbiter.live:
            self._begin(symbol)
        return outputs

    def _audited(self, at: Connection, now: float) -> list[Output]:
        """Let an auditor go that has done its work; or keep it, if it is needed."""
        known = self._shelf.arbiters
        arbiters = [known[symbol] for symbol in at.books if symbol in known]
        if self._old(at) is None or any(arbiter.by_heir for arbiter in arbiters):
            at.audits = False
            for arbiter in arbiters:
                arbiter.auditing = False
                self._comparisons.pop(arbiter.symbol, None)
            return self._succeed(at, now)
        if at.books.keys() & self._comparisons.keys():
            return []
        return self._give_up(at, Cause.CLOSING)

    def _dismiss(self, symbol: str, now: float) -> None:
        """An auditor has done its work for this book: late frames are no fault."""
        for at in self._heirs.values():
            sync = at.books.pop(symbol, None)
            if sync is not None:
                at.waiting.discard(symbol)
                at.ended.add(symbol)
                self._shelf.abandoned(symbol, sync, now)

    def _begin(self, symbol: str) -> None:
        self._comparisons[symbol] = Comparison(
            symbol,
            comparable=self._shelf.comparable,
            doubted=self._doubts.pop(symbol, frozenset()),
        )

    def _look(self, symbol: str, now: float, *, last: bool = False) -> list[Output]:
        """Look whether a comparison can be decided; at the last, it is."""
        comparison = self._comparisons[symbol]
        arbiter = self._shelf.arbiters.get(symbol)
        if arbiter is None:
            del self._comparisons[symbol]
            return []
        one, other = arbiter.lines[:2]
        found = None
        if one.live and other.live:
            found = comparison.look(one.book, other.book, now, again=last)
        if found is None and not last:
            return []
        del self._comparisons[symbol]
        if found is None and not arbiter.live:
            if arbiter.auditing:
                self._dismiss(symbol, now)
            return []
        if found is None:
            found = comparison.end(arbiter.book.sequence)
            if found.verdict is Verdict.INCONCLUSIVE:
                self._doubts[symbol] = comparison.doubts
        return self._concluded(arbiter, found, now)

    def _end(self, symbol: str, now: float) -> list[Output]:
        known = symbol in self._comparisons
        return self._look(symbol, now, last=True) if known else []

    def _concluded(self, arbiter: Arbiter, found: Audited, now: float) -> list[Output]:
        counts = arbiter.sync.counts
        if arbiter.auditing:
            self._dismiss(arbiter.symbol, now)
        if found.verdict is Verdict.INCONCLUSIVE:
            counts.inconclusive += 1
            return [found]
        counts.audits += 1
        outputs: list[Output] = [found]
        if found.verdict is Verdict.DIFFERING:
            # Nothing says which line is wrong; the one that stands by goes first, so
            # that none is served in place of the other.
            served = arbiter.sync
            for sync in sorted(arbiter.lines, key=lambda sync: sync is served):
                outputs += self._noted(sync, sync.distrust(Cause.DRIFT, now))
        return outputs
