"""
What the shell logs: one record for each change of trust, never one for a delta.

Each record has a template that never changes as its ``msg`` and all that it says as
fields beside it, so that a log can be read, and grouped, counted and searched:

    WARNING booksync.feed BTCUSDT is withheld: gap
        event="desynced" venue="binance" symbol="BTCUSDT" cause="gap"
        expected=1203 got=1207 scope="symbol"

The logger is that of the module: ``booksync.feed`` for events and what becomes of them,
``booksync.keeping`` for connections, ``booksync.fetching`` for snapshots,
``booksync.sharing`` for a shared budget.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Mapping
from logging import DEBUG, INFO, WARNING
from typing import NamedTuple

from booksync.errors import legible
from booksync.events import (
    Audited,
    Desynced,
    Drift,
    Event,
    Gap,
    Halted,
    LineFilled,
    LineLost,
    Malformed,
    Rejected,
    Resumed,
    Synced,
    Verdict,
)

__all__ = ["FIELDS", "RECORDS", "Kind", "Teller", "tell"]

#: Fields of every record; ``None`` where one says nothing.
FIELDS = (
    "event", "venue", "symbol", "cause", "reason", "expected", "got", "scope",
    "sequence", "connection", "line", "succeeds", "request", "status", "compared",
    "differing", "seconds", "waiting", "path", "left_out",
)  # fmt: skip
#: Those that events have; whose it is, is told beside them.
OF_EVENTS = frozenset(FIELDS) - {"symbol"}
#: Records of one kind and symbol in a row; whoever sends rubbish fills no disk.
MOST = 10
#: Seconds after which there may be as many again.
EVERY = 60.0
#: Counts of records kept before the old ones are looked for.
ROOM = 1_000


class Kind(NamedTuple):
    """
    One kind of record.

    Args:
        logger: Which module's logger, after ``booksync.``.
        level: Of :mod:`logging`.
        text: The record's ``msg``; its fields fill it in.

    """

    logger: str
    level: int
    text: str


#: Every kind of record, by its field ``event``.
RECORDS: Mapping[str, Kind] = {
    "synced": Kind("feed", INFO, "%(symbol)s is live at %(sequence)s"),
    "desynced": Kind("feed", WARNING, "%(symbol)s is withheld: %(cause)s"),
    "removed": Kind("feed", INFO, "%(symbol)s is kept no longer"),
    "gap": Kind(
        "feed", WARNING, "%(symbol)s: expected %(expected)s, got %(got)s while syncing"
    ),
    "audit_differing": Kind(
        "feed", WARNING, "%(symbol)s: %(differing)s of %(compared)s levels are wrong"
    ),
    "audit_inconclusive": Kind("feed", INFO, "%(symbol)s: no audit: %(reason)s"),
    "line_lost": Kind("feed", WARNING, "%(symbol)s: line %(line)s: %(cause)s"),
    "line_filled": Kind("feed", INFO, "%(symbol)s is served from line %(line)s"),
    "malformed": Kind("feed", WARNING, "malformed (%(symbol)s): %(reason)s"),
    "rejected": Kind("feed", WARNING, "the venue rejects %(symbol)s: %(reason)s"),
    "refused": Kind("feed", WARNING, "the venue refuses %(symbol)s now: %(reason)s"),
    "resubscribe": Kind("feed", INFO, "%(symbol)s is to be subscribed again"),
    "parted": Kind("feed", WARNING, "%(symbol)s ends the connection of others: parted"),
    "halted": Kind("feed", INFO, "%(symbol)s is halted: %(reason)s"),
    "resumed": Kind("feed", INFO, "%(symbol)s is resumed"),
    "flight": Kind("feed", WARNING, "%(symbol)s: %(cause)s, see %(path)s"),
    "connection_opened": Kind("keeping", INFO, "connection %(connection)s is open"),
    "connection_failed": Kind("keeping", WARNING, "cannot connect: %(reason)s"),
    "connection_put_off": Kind(
        "keeping", INFO, "the venue's limit: no connection for %(seconds).3g s"
    ),
    "connection_rotating": Kind(
        "keeping", INFO, "connection %(connection)s is to be replaced"
    ),
    "connection_given_up": Kind(
        "keeping", WARNING, "connection %(connection)s is given up: %(reason)s"
    ),
    "connection_lost": Kind(
        "keeping", WARNING, "connection %(connection)s ended: %(reason)s"
    ),
    "connection_closed": Kind("keeping", INFO, "connection %(connection)s is closed"),
    "snapshot_requested": Kind(
        "fetching", DEBUG, "snapshot of %(symbol)s: requested (%(reason)s)"
    ),
    "snapshot_answered": Kind("fetching", DEBUG, "snapshot of %(symbol)s: answered"),
    "snapshot_refused": Kind(
        "fetching", WARNING, "snapshot of %(symbol)s: HTTP status %(status)s"
    ),
    "snapshot_failed": Kind("fetching", WARNING, "snapshot of %(symbol)s: %(reason)s"),
    "snapshot_put_off": Kind(
        "fetching", INFO, "the budget: %(waiting)s snapshots wait %(seconds).3g s"
    ),
    "stopped": Kind(
        "fetching", WARNING, "the venue says stop for %(seconds)g s (%(status)s)"
    ),
    "budget_unusable": Kind(
        "sharing", WARNING, "nothing is fetched: %(path)s: %(reason)s"
    ),
}

#: What each event is called here; those of :class:`Audited` and :class:`Rejected` vary.
NAMES: Mapping[type, str] = {
    Synced: "synced",
    Desynced: "desynced",
    Gap: "gap",
    LineLost: "line_lost",
    LineFilled: "line_filled",
    Malformed: "malformed",
    Halted: "halted",
    Resumed: "resumed",
}
#: An audit that matched changes no trust: it is an event, and counted.
AUDITS = {
    Verdict.DIFFERING: "audit_differing",
    Verdict.INCONCLUSIVE: "audit_inconclusive",
}


def tell(event: str, /, **fields: object) -> None:
    """
    Log one record of a kind in :data:`RECORDS`.

    Args:
        event: Which kind.
        fields: Some of :data:`FIELDS`; texts are made legible.

    """
    kind = RECORDS[event]
    log = logging.getLogger(f"booksync.{kind.logger}")
    if not log.isEnabledFor(kind.level):
        return
    said: dict[str, object] = dict.fromkeys(FIELDS)
    said.update({name: _plain(value) for name, value in fields.items()}, event=event)
    shown = {name: "-" if value is None else value for name, value in said.items()}
    log.log(kind.level, kind.text, shown, extra=said)


def _plain(value: object) -> object:
    """Make a value fit for any formatter, and a venue's words for any eye."""
    if isinstance(value, enum.Enum):
        return value.value
    if value is None or isinstance(value, int | float):
        return value
    return legible(str(value)) or None


class Teller:
    """
    Logs the events of one feed, and no more of one kind and symbol than is of use.

    Args:
        venue: The venue's id.
        knows: Whether a symbol is one of the feed's.

    """

    def __init__(self, venue: str, knows: Callable[[object], bool]) -> None:
        self._venue = venue
        self._knows = knows
        # Since when, and how many; strangers share a key.
        self._told: dict[tuple[str, str | None], tuple[float, int]] = {}
        self._room = ROOM

    def event(self, event: Event, now: float) -> None:
        """Log an event, one record for each symbol."""
        kind = type(event)
        if isinstance(event, Rejected):
            name = "rejected" if event.final else "refused"
            for symbol in event.symbols or (None,):
                self.tell(name, now, symbol, reason=event.reason)
        elif isinstance(event, Audited):
            if event.verdict in AUDITS:
                self.tell(AUDITS[event.verdict], now, event.symbol, **_fields(event))
        elif kind in NAMES:
            gone = kind is Desynced and not self._knows(event.symbol)
            name = "removed" if gone else NAMES[kind]
            self.tell(name, now, event.symbol, **_fields(event))

    def tell(
        self, event: str, now: float, symbol: str | None, /, **fields: object
    ) -> None:
        """Log a record, unless there were too many like it lately."""
        key = event, symbol if self._knows(symbol) else None
        since, count = self._told.get(key, (now, 0))
        if now - since >= EVERY:
            fields["left_out"] = max(0, count - MOST) or None
            since, count = now, 0
        self._told[key] = since, count + 1
        if count < MOST:
            tell(event, venue=self._venue, symbol=symbol, **fields)
        if len(self._told) > self._room:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Forget what is long ago: symbols come and go."""
        told = self._told.items()
        self._told = {key: past for key, past in told if now - past[0] < EVERY}
        self._room = max(ROOM, 2 * len(self._told))


def _fields(event: Event) -> dict[str, object]:
    """Return what an event says of :data:`FIELDS`."""
    found = {
        name: getattr(event, name)
        for name in event.__struct_fields__
        if name in OF_EVENTS
    }
    drift = getattr(event, "drift", None)
    if isinstance(drift, Drift):
        found.update(
            compared=drift.compared, differing=drift.differing, seconds=drift.seconds
        )
    return found
