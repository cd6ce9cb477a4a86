"""What is silent for too long: a connection, or one book on it; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from booksync.connection import Connection, connection_of
from booksync.events import Check, Output
from booksync.messages import Snapshot
from booksync.probing import IN_FLIGHT, Prober
from booksync.shelf import Shelf
from booksync.straggling import BEHIND, Stragglers
from booksync.venues.base import Venue
from booksync.venues.facts import Numbering

__all__ = ["Listener"]


class Listener:
    """
    Finds connections, and single books on them, that are dead.

    Args:
        venue: Whose.
        shelf: All books.
        connections: Those that are open, by number.
        silence: Seconds without a frame after which a connection is given up; by
            default the venue's.
        lost: What is to be done with a connection that is dead.
        renewed: What is to be done with a book that is, on one that is not.

    """

    def __init__(
        self,
        venue: Venue,
        shelf: Shelf,
        connections: Mapping[int, Connection],
        *,
        silence: float | None,
        lost: Callable[[Connection, float], list[Output]],
        renewed: Callable[[Connection, str, float], list[Output]],
    ) -> None:
        self._shelf = shelf
        self._connections = connections
        self._silence = venue.heartbeat.silence if silence is None else silence
        # Silence for so long is a fault, however quiet the market is: the user says
        # so, or the venue answers our pings by frames.
        self._hard = silence is not None or venue.heartbeat.interval is not None
        self._lost = lost
        self._renewed = renewed
        numbered = venue.facts.numbering is Numbering.SYMBOL
        several = numbered and len(shelf.lines) > 1
        self._stragglers = Stragglers() if several else None

    def deadline(self) -> list[float]:
        """When something is next due, in seconds; empty if nothing is."""
        due: list[float] = []
        for at in self._connections.values():
            if at.books and not at.closing:
                due.append(at.silent_at(self._silence, hard=self._hard))
                due.append(at.ask_at(self._silence))
                if at.prober is not None and at.ack_at is None:
                    due.append(at.prober.deadline())
        if due and self._stragglers is not None:
            due.append(self._stragglers.look_at)
        return due

    def listen(self, at: Connection, now: float) -> list[Output]:
        """Give up what is silent for too long; ask about what is quiet."""
        if now >= at.silent_at(self._silence, hard=self._hard):
            return self._lost(at, now)
        prober = at.prober
        if prober is None:
            return []
        symbol = prober.dead(at.books, now)
        if symbol is not None:
            return self._dead(at, symbol, now - IN_FLIGHT, now)
        return self._doubt(at, prober, now)

    def compare(self, now: float) -> list[Output]:
        """Give up lines whose books stay behind those of other lines."""
        if self._stragglers is None:
            return []
        outputs: list[Output] = []
        for sync in self._stragglers.look(self._shelf.arbiters.values(), now):
            at = connection_of(self._connections, sync)
            if at is not None and sync.live:
                outputs += self._dead(at, sync.symbol, now - BEHIND, now)
        return outputs

    def probed(self, snapshot: Snapshot, now: float) -> None:
        """Tell every line of the symbol what the venue has."""
        for at in self._connections.values():
            sync = at.books.get(snapshot.symbol)
            if sync is not None and at.prober is not None:
                quiet = at.prober.answered(sync, snapshot, now)
                at.vouched = now if quiet else at.vouched

    def _dead(
        self, at: Connection, symbol: str, since: float, now: float
    ) -> list[Output]:
        """One book is dead: alone, if others were heard on its connection since."""
        if at.data.heard < since:
            return self._lost(at, now)
        return self._renewed(at, symbol, now)

    def _doubt(self, at: Connection, prober: Prober, now: float) -> list[Output]:
        """Ask about what is silent for unusually long."""
        asked: list[str] = []
        if now >= at.ask_at(self._silence):
            asked += prober.press(at.books, now, at.data.heard)
        symbol = prober.look(at.books, now)
        if symbol is not None:
            asked.append(symbol)
        return [Check(symbol, probe=True) for symbol in asked]
