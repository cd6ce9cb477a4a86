"""A book that the module feeds: it goes live, and never is live and wrong."""

from __future__ import annotations

from decimal import Decimal

from booksync.events import Desynced, Malformed, Rejected
from booksync.inputs import Removed
from booksync.messages import Snapshot
from booksync.testing.conformance.kit import Drive, Kit, State, require, shown
from booksync.testing.conformance.mangle import mangled
from booksync.testing.conformance.samples import Frame
from booksync.venues.facts import Assurance, Numbering

__all__ = ["CHECKS"]

#: Where a lost delta shows itself at the next one.
CERTAIN = {Assurance.CHAINED, Assurance.COUNTED, Assurance.RANGED}


def book_goes_live(kit: Kit) -> None:
    """The stream makes a live book that equals the samples' and a naive one."""
    drive = kit.live()
    for kind in (Desynced, Malformed, Rejected):
        require(not drive.told(kind), f"the stream costs {drive.told(kind)[:1]}")
    drive.sync.book.check()
    counts = drive.sync.counts
    rest = counts.refused + counts.discarded + len(kit.messages) * 0
    known = counts.applied + counts.stale + rest + drive.sync.status().counts.buffered
    require(counts.received == known, f"counts do not add up: {counts}")
    state = drive.state
    wanted = kit.samples.book
    if state is not None and wanted is not None:
        sides = [
            {Decimal(price): Decimal(size) for price, size in side.items()}
            for side in wanted
        ]
        require([state.bids, state.asks] == sides, f"the book is {state}, not {wanted}")


def lost_delta_is_noticed(kit: Kit) -> None:
    """
    Any delta that is taken away withholds the book at the next one, at the latest.

    Where the assurance is a checksum: unless the checksum cannot show it. Where it is
    the order alone: nothing is asked for.
    """
    assurance = kit.made().facts.assurance
    if assurance is Assurance.ORDERED and not kit.whole:
        return
    levels = kit.made().checksum_levels if assurance not in CERTAIN else None
    levels = None if kit.whole else levels
    for place in _between(kit):
        before, after = kit.samples.stream[:place], kit.samples.stream[place + 1 :]
        drive = Drive(kit)
        drive.say(*before)
        was = drive.state
        for frame in after:
            drive.say(frame)
            state = drive.state
            if state is None:
                break
            what = f"delta {place} of the stream was lost, and nobody noticed it"
            right = kit.among_right(state, levels)
            require(right, f"{what} at {shown(frame)}")
            held = assurance not in CERTAIN or kit.whole or state == was
            joins = was is None  # lost before the book was live: the join shows it
            require(held or joins, f"{what} at {shown(frame)}")


def repeats_change_nothing(kit: Kit) -> None:
    """
    Each delta twice, and old deltas again: the same book, and no resync.

    Where nothing is numbered a repeat may cost a resync (it cannot be told from a
    change that does not fit), but no wrong book; old deltas are not sent.
    """
    numbered = kit.made().facts.numbering is not None
    wanted = kit.live().state
    drive = Drive(kit)
    for place, frame in enumerate(kit.samples.stream):
        drive.say(frame)
        if place in kit.deltas:
            drive.say(frame)
        if drive.told(Desynced) and not numbered:
            return
    _unharmed(drive, wanted, "each delta came twice")
    if numbered:
        drive = kit.live()
        drive.say(*(kit.samples.stream[place] for place in kit.deltas[:-1]))
        _unharmed(drive, wanted, "old deltas came again")


def unreadable_delta_is_never_passed_over(kit: Kit) -> None:
    """A delta cut in two is a lost one, also where a lost one could not be seen."""
    for place in _between(kit):
        stream = list(kit.samples.stream)
        stream[place] = stream[place][: len(stream[place]) // 2]
        drive = Drive(kit)
        drive.say(*stream[: place + 1])
        told = drive.told(Malformed)
        require(told, f"cut in two, and not malformed: {shown(stream[place])}")
        for frame in stream[place + 1 :]:
            drive.say(frame)
            state = drive.state
            if state is None:
                break
            require(
                kit.among_right(state),
                f"a delta that could not be read was passed over: {place}",
            )


def mangled_delta_spoils_no_book(kit: Kit) -> None:
    """Whatever is in a delta: a live book holds numbers that a book may hold."""
    place = kit.deltas[len(kit.deltas) // 2]
    stream = list(kit.samples.stream)
    for broken in mangled(stream[place]):
        drive = Drive(kit)
        drive.say(*stream[:place], broken, *stream[place + 1 : place + 2])
        state = drive.state
        if state is None:
            continue
        drive.sync.book.check()
        _plausible(state, broken, signed=drive.venue.signed)


def snapshot_begins_anew(kit: Kit) -> None:
    """A snapshot in mid-stream replaces the book; numbers may start again."""
    if not kit.samples.again:
        return
    drive = kit.live()
    before = drive.state
    drive.say(*kit.samples.again)
    after = drive.state
    require(after is not None, "the book is not live after being seeded anew")
    require(after != before, "what should seed the book anew changed nothing")
    venue = kit.made()
    session = kit.session(venue)
    kit.parsed(venue, kit.samples.stream, session)
    parsed = kit.parsed(venue, kit.samples.again, session)
    found = [message for messages in parsed for message in messages]
    last = found[-1] if found else None
    if type(last) is Snapshot and after is not None:
        sides = [
            {Decimal(price): Decimal(size) for price, size in side if Decimal(size)}
            for side in (last.bids, last.asks)
        ]
        keep = venue.keep
        wanted = State(last.sequence, sides[0], sides[1]).top(keep)
        require(after.top(keep) == wanted, f"the book is not the snapshot: {after}")


def new_connection_begins_anew(kit: Kit) -> None:
    """The connection ends and another opens: offline, then the same book again."""
    drive = kit.live()
    wanted = drive.state
    drive.open()
    told = drive.told(Desynced)
    require(told, "a connection that ended does not withhold the book")
    drive.say(*kit.samples.stream)
    require(drive.state == wanted, f"another connection, another book: {drive.state}")


def removed_symbol_is_left_in_peace(kit: Kit) -> None:
    """Late frames of a symbol that was left are no fault."""
    drive = kit.live()
    drive.take(Removed(kit.symbol))
    late = [] if _by_connection(kit) else [kit.samples.stream[kit.deltas[-1]]]
    drive.say(*late, *kit.samples.ended)
    require(not drive.told(Malformed), f"late frames: {drive.told(Malformed)[:1]}")


def _by_connection(kit: Kit) -> bool:
    return kit.made().facts.numbering is Numbering.CONNECTION


def _between(kit: Kit) -> list[int]:
    """Places of all deltas but the last one."""
    return kit.deltas[:-1]


def _unharmed(drive: Drive, wanted: State | None, why: str) -> None:
    require(not drive.told(Desynced), f"{why}: {drive.told(Desynced)[:1]}")
    state = drive.state
    same = state is not None and wanted is not None and state[1:] == wanted[1:]
    require(same, f"{why}: the book is {state}, not {wanted}")


def _plausible(state: State, frame: Frame, *, signed: bool) -> None:
    for side in (state.bids, state.asks):
        for price, size in side.items():
            finite = price.is_finite() and size.is_finite()
            right = finite and size > 0 and (price > 0 or signed)
            require(right, f"a level {price}: {size} is in the book, of {shown(frame)}")


CHECKS = (
    book_goes_live,
    lost_delta_is_noticed,
    repeats_change_nothing,
    unreadable_delta_is_never_passed_over,
    snapshot_begins_anew,
    new_connection_begins_anew,
    removed_symbol_is_left_in_peace,
    mangled_delta_spoils_no_book,
)
