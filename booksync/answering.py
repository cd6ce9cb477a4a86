"""Answers to snapshot requests, offered to every line that waits for one; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from booksync import inputs
from booksync.errors import MalformedMessage, SubscriptionRejected, legible
from booksync.events import Output
from booksync.messages import Rejected, Snapshot
from booksync.shelf import Shelf
from booksync.sync import Synchronizer
from booksync.venues.base import Venue

__all__ = ["Answers", "reason_of"]

HTTP_OK = 200
UNKNOWN_STATUS = (400, 404, 422)

Noted = Callable[[Synchronizer, list[Output]], list[Output]]
Malformed = Callable[[str | None, str, int | None], list[Output]]


class Answers:
    """
    What answers to requests do to the books.

    Args:
        venue: Who answers.
        shelf: The books.
        probed: What is to be done with a snapshot that a probe brought.
        noted: What is to be done with what a book said.
        malformed: What is to be done with an answer that cannot be used.
        discover: Take in every symbol that an answer names.

    """

    def __init__(
        self,
        venue: Venue,
        shelf: Shelf,
        *,
        probed: Callable[[Snapshot, float], None],
        noted: Noted,
        malformed: Malformed,
        discover: bool,
    ) -> None:
        self._venue = venue
        self._shelf = shelf
        self._probed = probed
        self._noted = noted
        self._malformed = malformed
        self._discover = discover

    def answered(self, given: inputs.Answered, now: float) -> list[Output]:
        """Take an answer."""
        symbol, request = given.symbol, given.request
        if symbol not in self._shelf.served and self._discover:
            sync = self._shelf.added(symbol)
            self._noted(sync, sync.connected(now))
            request = sync.awaited or 0
        if symbol not in self._shelf.served:
            return []
        if given.audit or given.probe:
            return self._audited(symbol, given, now)
        if given.status not in (HTTP_OK, *UNKNOWN_STATUS):
            return self._failing(symbol, request, now)
        try:
            snapshot = self._venue.parse_snapshot(given.body, symbol, given.depth)
        except SubscriptionRejected as error:
            return [
                *self._refused(symbol, now),
                Rejected((symbol,), legible(error.reason)),
            ]
        except Exception as error:  # noqa: BLE001 - nor must what it answers
            failed = self._failing(symbol, request, now)
            return [*self._malformed(symbol, reason_of(error), None), *failed]
        return self._offered(snapshot, request, now)

    def _offered(self, snapshot: Snapshot, request: int, now: float) -> list[Output]:
        outputs: list[Output] = []
        for sync, number in self._awaiting(snapshot.symbol, request):
            found = sync.receive_snapshot(snapshot, now, request=number)
            outputs += self._noted(sync, found)
        return outputs

    def _failing(self, symbol: str, request: int, now: float) -> list[Output]:
        outputs: list[Output] = []
        for sync, number in self._awaiting(symbol, request):
            outputs += self._noted(sync, sync.snapshot_failed(number, now))
        return outputs

    def _awaiting(
        self, symbol: str, request: int
    ) -> Iterator[tuple[Synchronizer, int]]:
        """Yield whom an answer is for: of several lines, each that waits for one."""
        several = symbol in self._shelf.arbiters
        for sync in self._shelf.of(symbol):
            number = sync.awaited if several else request
            if number is not None:
                yield sync, number

    def _refused(self, symbol: str, now: float) -> list[Output]:
        outputs: list[Output] = []
        for sync in self._shelf.of(symbol):
            outputs += self._noted(sync, sync.rejected(now))
        return outputs

    def _audited(self, symbol: str, given: inputs.Answered, now: float) -> list[Output]:
        """An audit's snapshot: one that fails says nothing of the book."""
        if given.status != HTTP_OK:
            return []
        try:
            snapshot = self._venue.parse_snapshot(given.body, symbol, given.depth)
        except SubscriptionRejected:
            return []
        except Exception as error:  # noqa: BLE001 - nor must what it answers
            return self._malformed(symbol, reason_of(error), None)
        if given.probe:
            self._probed(snapshot, now)
            return []
        outputs: list[Output] = []
        several = symbol in self._shelf.arbiters
        for sync in self._shelf.of(symbol):
            # One of several lines may have asked for itself alone.
            if sync.remembers or not several:
                outputs += self._noted(sync, sync.audit(snapshot, now))
        return outputs

    def failed(self, given: inputs.Failed, now: float) -> list[Output]:
        """Take that there is none."""
        return self._failing(given.symbol, given.request, now)


def reason_of(error: Exception) -> str:
    """Say what is wrong with a message; a venue module's bug by its name."""
    if isinstance(error, MalformedMessage):
        return error.reason
    return f"venue module: {error!r}"
