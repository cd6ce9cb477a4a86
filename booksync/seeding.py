"""Checkpoints: a synchronizer as plain text, and back."""

from __future__ import annotations

from collections.abc import Iterable

from booksync.exact import canonical
from booksync.inputs import Held, Seed
from booksync.messages import Delta, Levels, Snapshot
from booksync.sync import Synchronizer

__all__ = ["plant", "seed_of"]


def _texts(levels: Iterable[tuple[object, object]]) -> list[tuple[str, str]]:
    return [(str(price), str(size)) for price, size in levels]


def seed_of(sync: Synchronizer) -> Seed:
    """
    Say all that ``sync`` needs to go on elsewhere. O(n) levels.

    Returns:
        The checkpoint; for a book that is neither live nor syncing, an empty one.

    """
    held = [Held(d.prev, d.last, _texts(d.bids), _texts(d.asks), d.time)
            for d in sync.buffered]  # fmt: skip
    request, waiting = sync.asked
    seed = Seed(
        sync.symbol, sync.state.value, request=request, waiting=waiting, buffered=held
    )
    if not sync.live:
        return seed
    book = sync.book
    bid, ask = (None if p is None else canonical(p) for p in book.window)
    bids, asks = book.hashed(len(book))
    return Seed(
        sync.symbol,
        sync.state.value,
        sequence=book.sequence,
        bids=bids,
        asks=asks,
        window=(bid, ask),
        time=book.time,
        fresh=sync.fresh,
        unbridged=sync.unbridged,
        request=request,
        waiting=waiting,
        buffered=held,
    )


def _levels(sync: Synchronizer, levels: list[tuple[str, str]]) -> Levels:
    if sync.book.numbers is float:
        return [(float(price), float(size)) for price, size in levels]
    return levels


def plant(sync: Synchronizer, seed: Seed, now: float) -> None:
    """Make a new ``sync`` what another one was at its checkpoint. O(n log n)."""
    deltas = [
        Delta(
            seed.symbol,
            held.prev,
            held.last,
            _levels(sync, held.bids),
            _levels(sync, held.asks),
            held.time,
        )
        for held in seed.buffered
    ]
    snapshot = None
    if seed.state == "live":
        bids, asks = _levels(sync, seed.bids), _levels(sync, seed.asks)
        snapshot = Snapshot(seed.symbol, seed.sequence, bids, asks, time=seed.time)
    asked = seed.request, seed.waiting
    sync.restore(snapshot, deltas, asked, now, fresh=seed.fresh)
    sync.unbridged = seed.unbridged
    if snapshot is not None:
        number = sync.book.numbers
        bid, ask = (None if text is None else number(text) for text in seed.window)
        sync.book.limit(bid, ask)
