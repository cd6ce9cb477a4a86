"""
The core of a feed: all books of one venue, driven by inputs; pure.

The engine owns a :class:`~booksync.sync.Synchronizer` for each symbol and a session
for each connection. A live feed and a replay drive it by the same inputs, so the
same recording gives the same events:

    frame                     one frame of a connection
    take                      anything else (see :mod:`booksync.inputs`)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from booksync import inputs
from booksync.answering import Answers, reason_of
from booksync.connection import Connection, connection_of
from booksync.errors import (
    ConfigurationError,
    MalformedMessage,
    legible,
)
from booksync.events import (
    Malformed,
    Output,
    Reconnect,
    Resubscribe,
    Rotate,
    Send,
)
from booksync.listening import Listener
from booksync.messages import (
    Checksum,
    Closing,
    Delta,
    Halted,
    Lost,
    Message,
    Rejected,
    Reply,
    Resumed,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.policy import Policy, Way
from booksync.probing import Prober
from booksync.seeding import plant, seed_of
from booksync.shelf import Shelf
from booksync.states import ENDINGS, Cause, Scope
from booksync.status import FeedCounts
from booksync.succession import Succession
from booksync.sync import Synchronizer
from booksync.venues.base import Venue
from booksync.venues.facts import Crossing, Lists, Resync, Source

__all__ = ["Engine", "FeedCounts", "policy_of"]

#: Seconds to wait for an acknowledgement before the stream is taken as subscribed.
ACK_WAIT = 10.0
#: Resubscriptions without a snapshot before the connection is given up.
RESUBSCRIPTIONS = 3
#: Messages for symbols that were not subscribed, until a connection is given up.
STRANGERS = 10_000
#: Characters of a symbol that are.
SYMBOL = 64
#: Periods until a periodic snapshot is overdue.
PATIENCE = 1.5
#: Part of the known window that must be left ahead of the best price.
REFRESH = 0.5
#: Seconds after which a book that was active may be called quiet: an answer, and what
#: is still on its way, must fit into three seconds.
PROBE_AFTER = 1.0


def policy_of(venue: Venue, **overrides: Any) -> Policy:  # noqa: ANN401
    """
    Derive a book's policy from a venue's facts.

    Args:
        venue: Whose facts.
        overrides: Fields of :class:`Policy` to replace.

    Raises:
        ConfigurationError: If an override is not a field of the policy.

    """
    facts = venue.facts
    fetched = facts.source in (Source.REST, Source.REQUEST)
    way = Way.FETCH if fetched else Way(facts.resync.value)
    derived: dict[str, Any] = {
        "way": way,
        "exact_overlap": facts.lists is Lists.TOUCHED,
        "suspicious": facts.crossing is Crossing.SUSPICIOUS,
        "checksum": venue.checksum if facts.checksum is not None else None,
        "checksum_levels": venue.checksum_levels,
        "answer_wait": 10.0 if facts.source is Source.REQUEST else None,
        "refresh": REFRESH if facts.source is Source.REST else None,
        "probe_after": PROBE_AFTER if _may_probe(venue) else None,
        "newest": facts.source is Source.EVERY_FRAME,
    }
    if facts.snapshot_every is not None:
        derived["snapshot_wait"] = PATIENCE * facts.snapshot_every
    unknown = overrides.keys() - set(Policy.__struct_fields__)
    if unknown:
        raise ConfigurationError(f"no such setting: {', '.join(sorted(unknown))}")
    return Policy(**{**derived, **overrides})


def _may_probe(venue: Venue) -> bool:
    """Whether the venue has a small snapshot that tells a quiet market."""
    small = venue.facts.source is Source.REST and bool(venue.DEPTHS)
    return small and venue.facts.comparable


class Engine:
    """
    All books of one venue.

    Args:
        venue: The venue, made with the wanted numbers, depth and options.
        policy: What governs each book; by default the venue's facts.
        silence: Seconds without a frame after which a connection is given up; by
            default the venue's.
        keep_last: Keep a frozen copy of each book that stops being live.
        lines: Lines of each symbol, over connections of their own.
        discover: Take in every symbol that a frame or an answer names (replays of
            recordings that do not say what was subscribed).

    """

    def __init__(
        self,
        venue: Venue,
        *,
        policy: Policy | None = None,
        silence: float | None = None,
        keep_last: bool = False,
        lines: int = 1,
        discover: bool = False,
    ) -> None:
        self.venue = venue
        self.policy = policy or policy_of(venue)
        self.shelf = Shelf(venue, self.policy, lines=lines, keep_last=keep_last)
        #: What is served, by symbol.
        self.books = self.shelf.served
        self._arbiters = self.shelf.arbiters
        self.connections: dict[int, Connection] = {}
        self._succession = Succession(
            self.shelf, self.connections, noted=self._noted, give_up=self._give_up
        )
        self._listener = Listener(
            venue,
            self.shelf,
            self.connections,
            silence=silence,
            lost=self._lost,
            renewed=self._renew,
        )
        self.counts = FeedCounts()
        self._discover = discover
        self._parse = venue.parse
        self._shows_loss = venue.facts.numbering is not None
        answers = Answers(
            venue,
            self.shelf,
            probed=self._listener.probed,
            noted=self._noted,
            malformed=self._malformed,
            discover=discover,
        )
        self._takers: dict[type, Callable[[Any, float], list[Output]]] = {
            inputs.Opened: self._opened,
            inputs.Closed: self._closed,
            inputs.Subscribed: self._subscribed,
            inputs.Removed: self._removed,
            inputs.Asked: self._asked,
            inputs.Compared: self._succession.compare,
            inputs.Resubscribed: self._resubscribed,
            inputs.Answered: answers.answered,
            inputs.Failed: answers.failed,
            inputs.Ticked: lambda _ticked, now: self.tick(now),
        }
        self._handlers: dict[
            type, Callable[[Connection, Any, float], Iterable[Output]]
        ] = {
            Delta: self._on_delta,
            Snapshot: self._on_snapshot,
            Checksum: self._on_checksum,
            Subscribed: self._on_subscribed,
            Unsubscribed: self._on_unsubscribed,
            Rejected: self._on_rejected,
            Reply: lambda at, message, _now: (Send(at.number, (message.frame,)),),
            Lost: self._on_lost,
            Closing: lambda at, _message, _now: self._on_closing(at),
            Halted: self._on_halted,
            Resumed: self._on_resumed,
        }

    # -- what the user wants --------------------------------------------------------

    def added(self, symbol: str) -> Synchronizer:
        """Make a book for ``symbol`` on every line; return the first. Idempotent."""
        return self.shelf.added(symbol)

    def take(self, given: inputs.Input, now: float) -> list[Output]:
        """
        Take an input that is not a frame.

        Args:
            given: What happened.
            now: When, in seconds.

        """
        return [*self._takers[type(given)](given, now), *self._succession.settle(now)]

    def plant(self, number: int, seed: inputs.Seed, now: float) -> None:
        """Take a book as its checkpoint has it; one that is known already stays."""
        at = self.connections.get(number)
        known = at is not None and seed.symbol in at.books
        if known or seed.state == "offline" or seed.line >= len(self.shelf.lines):
            return
        if at is None:
            at = Connection(number, self.venue.session(), now)
            at.line = seed.line
            self._carry(at, seed.succeeds, audits=seed.audits)
        sync = self._taken_in(at, seed.symbol)
        plant(sync, seed, now)
        self.shelf.note(sync)

    def seeds(self) -> list[tuple[int, inputs.Seed]]:
        """Make a checkpoint of every book on an open connection. O(all levels)."""
        return [
            (
                at.number,
                replace(
                    seed_of(sync),
                    line=at.line,
                    succeeds=at.succeeds,
                    audits=at.audits,
                ),
            )
            for at in self.connections.values()
            for sync in at.books.values()
        ]

    def frame(self, number: int, raw: str | bytes, now: float) -> list[Output]:
        """
        Take one frame of a connection.

        Args:
            number: The connection's number.
            raw: Text of a text frame, bytes of a binary one.
            now: When it was received, in seconds.

        """
        at = self.connections.get(number)
        if at is None:
            self.counts.late_frames += 1
            return []
        at.pulse.beat(now)
        self.counts.frames += 1
        try:
            messages = self._parse(raw, at.session)
        except MalformedMessage as error:
            return self._unreadable(at, error, now)
        except Exception as error:  # noqa: BLE001 - a venue's bug must not end a feed
            return self._malformed(None, reason_of(error), number)
        simple = len(messages) == 1 and not self._arbiters and not at.waiting
        if simple and type(messages[0]) is Delta:
            delta = messages[0]
            sync = at.books.get(delta.symbol)
            if sync is not None:
                at.data.beat(now)
                outputs = sync.receive(delta, now)
                if sync.dirty:
                    self.shelf.note(sync)
                return outputs
        return [*self._handle(at, messages, now), *self._succession.settle(now)]

    # -- time -----------------------------------------------------------------------

    def deadline(self) -> float | None:
        """When :meth:`tick` is next due, in seconds; ``None`` if nothing is."""
        first = (self.shelf.deadline(), self._succession.deadline())
        due = [at for at in first if at is not None]
        due += self._listener.deadline()
        due += [at.ack_at for at in self.connections.values() if at.ack_at is not None]
        return min(due, default=None)

    def tick(self, now: float) -> list[Output]:
        """Time has passed. Harmless when nothing is due."""
        outputs: list[Output] = []
        while (sync := self.shelf.due(now)) is not None:
            outputs += self._noted(sync, sync.tick(now))
        for at in list(self.connections.values()):
            if at.ack_at is not None and now >= at.ack_at:
                outputs += self._start_all(at, now)
            if at.books and not at.closing:
                outputs += self._listener.listen(at, now)
        return [*outputs, *self._listener.compare(now)]

    def _lost(self, at: Connection, now: float) -> list[Output]:
        """Give up a connection on which nothing is heard."""
        outputs: list[Output] = []
        for sync in at.books.values():
            outputs += self._noted(sync, sync.disconnected(now, Cause.SILENT))
        return [*outputs, *self._give_up(at, Cause.SILENT)]

    def _renew(self, at: Connection, symbol: str, now: float) -> list[Output]:
        """Subscribe a book again of which nothing is heard, beside others that are."""
        hopeless = self.venue.facts.resync is Resync.RECONNECT
        at.renewed[symbol] = at.renewed.get(symbol, 0) + 1
        if hopeless or at.renewed[symbol] > RESUBSCRIPTIONS:
            return self._lost(at, now)
        sync = at.books[symbol]
        found = sync.disconnected(now, Cause.SILENT, Scope.SYMBOL)
        outputs = [*self._noted(sync, found), self._again(at, symbol, now)]
        at.waiting.add(symbol)
        if self.venue.facts.acks:  # it may be that none of this is confirmed
            at.ack_at = now + ACK_WAIT
            return outputs
        return [*outputs, *self._start(at, symbol, now)]

    # -- inputs -----------------------------------------------------------------------

    def _opened(self, given: inputs.Opened, now: float) -> list[Output]:
        number = given.conn
        at = Connection(number, self.venue.session(), now)
        at.line = given.line if given.line < len(self.shelf.lines) else 0
        if self.policy.probe_after is not None:
            at.prober = Prober(self.policy.probe_after, now)
        self.counts.connects += 1
        if self._succession.is_heir(given.succeeds):
            # That has no place of its own yet: nothing can take it. Later.
            self.connections[number] = at
            return self._give_up(at, Cause.CLOSING)
        self._carry(at, given.succeeds, audits=given.audits)
        greeting = self.venue.greet(at.session, now)
        outputs: list[Output] = [Send(number, tuple(greeting))] if greeting else []
        return [*outputs, *self._subscribe(at, given.symbols, now)]

    def _carry(self, at: Connection, succeeds: int | None, *, audits: bool) -> None:
        self.connections[at.number] = at
        self._succession.opened(at, succeeds, audits=audits)

    def _taken_in(self, at: Connection, symbol: str) -> Synchronizer:
        """Give a connection its book of ``symbol``: its line's, or an heir to that."""
        self.added(symbol)
        sync = (
            self._succession.heir(at, symbol)
            or at.books.get(symbol)
            or self.shelf.lines[at.line][symbol]
        )
        at.books[symbol] = sync
        return sync

    def _subscribed(self, given: inputs.Subscribed, now: float) -> list[Output]:
        at = self.connections.get(given.conn)
        return [] if at is None else self._subscribe(at, given.symbols, now)

    def _subscribe(
        self, at: Connection, symbols: Sequence[str], now: float
    ) -> list[Output]:
        if not symbols:
            return []
        for symbol in symbols:
            self._taken_in(at, symbol)
            at.ended.discard(symbol)
        at.waiting.update(symbols)
        frames = self.venue.subscribe(symbols, at.session, now)
        outputs: list[Output] = [Send(at.number, tuple(frames))]
        if self.venue.facts.acks:
            # The last frame is sent that much later than the first.
            sending = (len(frames) - 1) / self.venue.limits.messages
            at.ack_at = now + ACK_WAIT + sending
            return outputs
        return [*outputs, *self._start_all(at, now)]

    def _closed(self, given: inputs.Closed, now: float) -> list[Output]:
        at = self.connections.pop(given.conn, None)
        if at is None:
            return []
        self.counts.disconnects += 1
        # Why a connection was given up need not be how a book's stream ends.
        cause = given.cause if given.cause in ENDINGS else Cause.DISCONNECTED
        outputs: list[Output] = []
        for sync in at.books.values():
            outputs += self._noted(sync, sync.disconnected(now, cause))
        return [*outputs, *self._succession.ended(at, now)]

    def _removed(self, given: inputs.Removed, now: float) -> list[Output]:
        symbol = given.symbol
        outputs: list[Output] = []
        for sync in self.shelf.of(symbol):
            outputs += self._noted(sync, sync.disconnected(now))
        self.shelf.removed(symbol)
        self._succession.forget(symbol)
        for at in self.connections.values():
            if at.books.pop(symbol, None) is not None:
                at.waiting.discard(symbol)
                at.ended.add(symbol)
                at.another_pace(now)
                frames = self.venue.unsubscribe((symbol,), at.session, now)
                outputs.append(Send(at.number, tuple(frames)))
        return outputs

    def _asked(self, given: inputs.Asked, now: float) -> list[Output]:
        outputs: list[Output] = []
        for at in self.connections.values():
            sync = at.books.get(given.symbol)
            if sync is not None and sync.awaited == given.request and not at.closing:
                frame = self.venue.snapshot_frame(given.symbol, at.session, now)
                outputs.append(Send(at.number, (frame,)))
        return outputs

    def _resubscribed(self, given: inputs.Resubscribed, now: float) -> list[Output]:
        """End the subscription; its confirmation starts it again."""
        symbol = given.symbol
        outputs: list[Output] = []
        for at in self.connections.values():
            sync = at.books.get(symbol)
            if sync is None or sync.live or at.closing or symbol in at.waiting:
                continue
            if symbol in at.refused:  # nothing is to be ended first
                outputs += self._subscribe(at, (symbol,), now)
                continue
            outputs.append(self._again(at, symbol, now))
        return outputs

    def _again(self, at: Connection, symbol: str, now: float) -> Send:
        """End a subscription; once the venue confirms that, it is made again."""
        frames = list(self.venue.unsubscribe((symbol,), at.session, now))
        if symbol in at.resubscribing or not self.venue.facts.acks:
            frames += self.venue.subscribe((symbol,), at.session, now)
            at.resubscribing.discard(symbol)
        else:
            at.resubscribing.add(symbol)
        return Send(at.number, tuple(frames))

    # -- messages -------------------------------------------------------------------

    def _handle(
        self, at: Connection, messages: Sequence[Message], now: float
    ) -> list[Output]:
        outputs: list[Output] = []
        for message in messages:
            outputs += self._handlers[type(message)](at, message, now)
        return outputs

    def _on_delta(self, at: Connection, delta: Delta, now: float) -> list[Output]:
        sync, outputs = self._route(at, delta.symbol, now)
        if sync is None:
            return outputs
        return [*outputs, *self._noted(sync, sync.receive(delta, now))]

    def _on_snapshot(
        self, at: Connection, snapshot: Snapshot, now: float
    ) -> list[Output]:
        sync, outputs = self._route(at, snapshot.symbol, now)
        if sync is None:
            return outputs
        request = None
        if self.venue.facts.source is Source.REQUEST:
            request = -1 if sync.awaited is None else sync.awaited
        found = sync.receive_snapshot(snapshot, now, request=request)
        return [*outputs, *self._noted(sync, found)]

    def _on_checksum(
        self, at: Connection, message: Checksum, now: float
    ) -> list[Output]:
        sync = at.books.get(message.symbol)
        if sync is None:
            return []
        return self._noted(sync, sync.checked(message.value, now))

    def _on_subscribed(
        self, at: Connection, message: Subscribed, now: float
    ) -> list[Output]:
        outputs: list[Output] = []
        for symbol in message.symbols:
            at.refused.pop(symbol, None)
            outputs += self._start(at, symbol, now)
        return outputs

    def _on_unsubscribed(
        self, at: Connection, message: Unsubscribed, now: float
    ) -> list[Output]:
        again = [symbol for symbol in message.symbols if symbol in at.resubscribing]
        if not again:
            return []
        at.resubscribing.difference_update(again)
        frames = self.venue.subscribe(again, at.session, now)
        return [Send(at.number, tuple(frames))]

    def _on_rejected(
        self, at: Connection, message: Rejected, now: float
    ) -> list[Output]:
        if not message.final:
            return self._put_off(at, message, now)
        if at.succeeds in self.connections:
            # What the other connection carries is not refused for good: try again.
            said = Rejected(message.symbols, legible(message.reason), final=False)
            return [said, *self._give_up(at, Cause.CLOSING)]
        outputs: list[Output] = []
        for symbol in message.symbols:
            at.waiting.discard(symbol)
            sync = at.books.get(symbol)
            if sync is not None:
                outputs += self._noted(sync, sync.rejected(now))
        return [*outputs, Rejected(message.symbols, legible(message.reason))]

    def _put_off(self, at: Connection, message: Rejected, now: float) -> list[Output]:
        """Subscribe later what the venue refuses now, each time with more pause."""
        reason = legible(message.reason)
        outputs: list[Output] = [Rejected(message.symbols, reason, final=False)]
        for symbol in message.symbols:
            if symbol not in at.books or at.books[symbol].live:
                continue
            at.waiting.discard(symbol)
            attempt = at.refused[symbol] = at.refused.get(symbol, 0) + 1
            wait = self.policy.retry_min * 2 ** min(attempt, 30)
            again = now + min(self.policy.retry_max, wait)
            outputs.append(Resubscribe(symbol, again, attempt))
        if not at.waiting:
            at.ack_at = None
        return outputs

    def _on_lost(self, at: Connection, message: Lost, now: float) -> list[Output]:
        outputs: list[Output] = []
        for sync in at.books.values():
            found = sync.lost(message.expected, message.got, now)
            outputs += self._noted(sync, found)
        return outputs

    def _on_closing(self, at: Connection) -> list[Output]:
        """Have another connection ready before the venue closes this one."""
        if not any(sync.live for sync in at.books.values()):
            return self._give_up(at, Cause.CLOSING)
        if at.rotating or at.closing:
            return []
        at.rotating = True
        return [Rotate(at.number)]

    def _on_halted(self, at: Connection, message: Halted, now: float) -> list[Output]:
        sync = at.books.get(message.symbol)
        if sync is None:
            return []
        at.another_pace(now)
        said = Halted(message.symbol, legible(message.reason))
        return self._noted(sync, sync.halted(said, now))

    def _on_resumed(self, at: Connection, message: Resumed, now: float) -> list[Output]:
        sync = at.books.get(message.symbol)
        return [] if sync is None else self._noted(sync, sync.resumed(message, now))

    # -- shared ---------------------------------------------------------------------

    def _route(
        self, at: Connection, symbol: str, now: float
    ) -> tuple[Synchronizer | None, list[Output]]:
        """Find whose message it is; a first message starts its book."""
        sync = at.books.get(symbol)
        if sync is None and self._discover:
            self.added(symbol)
            sync = at.books[symbol] = self.shelf.lines[at.line][symbol]
            return sync, self._noted(sync, sync.connected(now))
        if sync is None:
            if symbol in at.ended:
                return None, []
            self.counts.foreign += 1
            at.strangers += 1
            if at.strangers > STRANGERS:
                return None, self._give_up(at, Cause.MALFORMED)
            return None, self._malformed(symbol, "not subscribed here", at.number)
        at.data.beat(now)
        return sync, self._start(at, symbol, now) if at.waiting else []

    def _start(self, at: Connection, symbol: str, now: float) -> list[Output]:
        if symbol not in at.waiting:
            return []
        at.waiting.discard(symbol)
        if not at.waiting:
            at.ack_at = None
        sync = at.books[symbol]
        return self._noted(sync, sync.connected(now))

    def _start_all(self, at: Connection, now: float) -> list[Output]:
        at.ack_at = None
        outputs: list[Output] = []
        for symbol in sorted(at.waiting):
            outputs += self._start(at, symbol, now)
        return outputs

    def _noted(self, sync: Synchronizer, outputs: list[Output]) -> list[Output]:
        """Set the book's timer; let its line and its connection have their say."""
        if sync.dirty:
            self.shelf.note(sync)
        if any(type(output) is Resubscribe for output in outputs):
            outputs = self._escalated(sync, outputs)
        return self.shelf.seen(sync, outputs)

    def _escalated(self, sync: Synchronizer, outputs: list[Output]) -> list[Output]:
        """Turn a hopeless resubscription into a reconnect."""
        at = connection_of(self.connections, sync)
        hopeless = self.venue.facts.resync is not Resync.RESUBSCRIBE
        found: list[Output] = []
        for output in outputs:
            if type(output) is not Resubscribe:
                found.append(output)
            elif at is None:
                continue  # its connection is being given up: another will subscribe
            elif hopeless or output.attempt > RESUBSCRIPTIONS:
                found += self._give_up(at, sync.cause)
            else:
                found.append(output)
        return found

    def _give_up(self, at: Connection, cause: Cause) -> list[Output]:
        if at.closing:
            return []
        at.closing = True
        return [Reconnect(at.number, cause)]

    def _unreadable(
        self, at: Connection, error: MalformedMessage, now: float
    ) -> list[Output]:
        """
        Count a frame that does not parse.

        Where numbers would show that it was a delta, they will. Where they can't, its
        book (if it says whose it is) may have lost a change and is built again.
        """
        outputs = self._malformed(error.symbol, error.reason, at.number)
        sync = at.books.get(error.symbol or "")
        if sync is not None and not self._shows_loss:
            outputs += self._noted(sync, sync.distrust(Cause.MALFORMED, now))
        return outputs

    def _malformed(
        self, symbol: str | None, reason: str, number: int | None
    ) -> list[Output]:
        self.counts.malformed += 1
        named = None if symbol is None else legible(symbol[:SYMBOL])
        return [Malformed(named, legible(reason), number)]
