"""How Bybit's messages are numbered where ``u`` alone does not tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Halted, Message, Resumed
from booksync.venues.declared import concerned

__all__ = ["Full", "Loose"]


class Full:
    """
    The channel ``orderbook.full`` on one connection: deltas only, seeded by REST.

    ``u`` starts at 1 again when the service restarts, ``seq`` (the matching engine's)
    does not, so the book is numbered by ``seq``: a delta whose ``u`` follows carries
    ``(seq of the last one, seq]``. A hole in ``u``, or ``u == 1``, becomes a delta
    that follows nothing: a gap, and then a snapshot that is no older than it, as the
    documentation demands.
    """

    __slots__ = ("_halted", "_last")

    def __init__(self) -> None:
        #: Symbol -> (u, seq) of its last delta.
        self._last: dict[str, tuple[int, int]] = {}
        self._halted: set[str] = set()

    def read(
        self, symbol: str, kind: str, data: Any, time: float | None
    ) -> Sequence[Message]:
        """Say what a push means; an empty first one is a market without a book."""
        u, seq, empty = data.u, data.seq, not data.b and not data.a
        if kind != "delta":
            raise MalformedMessage("the full channel has deltas only", symbol)
        if u == 1 and empty:
            self._last[symbol] = (u, seq)
            self._halted.add(symbol)
            return (Halted(symbol, "no book: delisted, or before its auction"),)
        delta = self._delta(symbol, data, time)
        if symbol not in self._halted or empty:
            return (delta,)
        self._halted.discard(symbol)
        return (Resumed(symbol), delta)

    def _delta(self, symbol: str, data: Any, time: float | None) -> Delta:
        u, seq = data.u, data.seq
        last_u, last_seq = self._last.get(symbol, (-1, -1))
        if seq < last_seq or (seq == last_seq and u <= last_u):
            # "A packet whose seq went down is thrown away"; so is a repeat.
            return Delta(symbol, seq - 1, seq, data.b, data.a, time)
        self._last[symbol] = (u, seq)
        follows = u == last_u + 1
        prev = last_seq if follows else seq
        again = follows and seq == last_seq
        return Delta(symbol, prev, seq, data.b, data.a, time, reset=again)


class Loose:
    """Without strict ``u``: whatever is newer follows, if ``seq`` agrees."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        #: Name -> (u, seq) of its last message.
        self._last: dict[str, tuple[int, int]] = {}

    def begin(self, name: str, data: Any) -> None:
        """Go on from a snapshot."""
        self._last[name] = (data.u, data.seq)

    def delta(self, name: str, data: Any, time: float | None) -> Delta:
        """Number a delta."""
        prev, seq = self._last.get(name, (data.u - 1, 0))
        if data.u <= prev:
            prev = data.u - 1  # stale
        else:
            self._last[name] = (data.u, data.seq)
        if data.seq < seq and data.u > prev:
            prev = data.u  # follows nothing
        return Delta(name, prev, data.u, data.b, data.a, time)

    def skip(self, symbol: str | None) -> None:
        """Leave a hole where a message could not be read: anybody's, if unknown."""
        for name in concerned(self._last, symbol):
            u, seq = self._last[name]
            self._last[name] = (u + 1, seq)
