"""
The order book of one instrument: two sides, a sequence number, a known window.

A book never judges what it is given; :class:`~booksync.sync.Synchronizer` decides what
to apply. It works alone as well, in a notebook or a back-test.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any, Self

from msgspec import structs

from booksync.errors import BookNotLive, ConfigurationError, MalformedMessage
from booksync.exact import Level, Number, canonical, divide, exactly
from booksync.frozen import FrozenBook
from booksync.messages import Delta, Snapshot
from booksync.queries import BASIS, Queries, quoted
from booksync.results import Window
from booksync.side import Side, SideName
from booksync.text_side import make_side

__all__ = ["Book", "Level", "Window", "canonical"]

#: Changes that a book remembers once :meth:`Book.changes_since` was asked.
MEMORY = 1_024


class _Withheld:
    """Stands where a side was: every use of it raises."""

    __slots__ = ("_cause", "_symbol")

    def __init__(self, symbol: str, cause: str) -> None:
        self._symbol = symbol
        self._cause = cause

    def _refuse(self) -> BookNotLive:
        return BookNotLive(self._symbol, self._cause)

    def __getattr__(self, name: str) -> Any:
        raise self._refuse()

    def __len__(self) -> int:
        raise self._refuse()

    def __iter__(self) -> Any:
        raise self._refuse()


class Book(Queries):
    """
    Bids and asks by price, as of one sequence number.

    Args:
        symbol: The venue's own spelling.
        numbers: ``Decimal``, exact, or ``float``.
        depth: Levels a side to which the book is cut after each change, for venues
            that send no delete for a level that leaves their window.
        signed: Prices may be zero or negative.
        keep_text: Keep the wire text beside floats (checksums hash it).

    >>> book = Book("X")
    >>> book.load(Snapshot("X", 7, [("9.50", "1")], [("9.60", "2"), ("9.70", "1")]))
    >>> book.apply(Delta("X", 7, 8, [("9.55", "4")], [("9.60", "0")]))
    >>> book
    <Book X 9.55 x 9.7 at 8>

    """

    __slots__ = (
        "_answers",
        "_asks",
        "_asks_held",
        "_bids",
        "_bids_held",
        "_cause",
        "_depth",
        "_keep_text",
        "_recent",
        "_signed",
        "_spoiled",
        "_window",
        "numbers",
        "received",
        "sequence",
        "symbol",
        "time",
        "version",
    )

    def __init__(
        self,
        symbol: str = "",
        *,
        numbers: type[Decimal | float] = Decimal,
        depth: int | None = None,
        signed: bool = False,
        keep_text: bool = False,
    ) -> None:
        self.symbol = symbol
        self.numbers = numbers
        #: The venue's number of the last change.
        self.sequence = 0
        #: Goes up by one with each change.
        self.version = 0
        #: Venue time of the last change, in seconds, where the venue says it.
        self.time: float | None = None
        #: When the last change was received, in seconds.
        self.received: float | None = None
        self._depth = depth
        self._signed = signed
        self._keep_text = keep_text
        self._bids_held, self._asks_held = self._empty()
        self._bids = self._bids_held
        self._asks = self._asks_held
        self._answers = {}
        self._cause: str | None = None
        #: Withheld by itself: half a change was written.
        self._spoiled = False
        self._window: Window | None = None
        # Made by the first changes_since: who never asks does not pay for memory.
        self._recent: deque[Delta | Snapshot] | None = None

    # -- writing --------------------------------------------------------------------

    def load(self, snapshot: Snapshot, *, now: float | None = None) -> None:
        """
        Forget every level and take ``snapshot``. O(n log n).

        Raises:
            MalformedMessage: If a level is none; the book is then withheld until the
                next ``load``.

        """
        try:
            self._bids_held.load(snapshot.bids)
            self._asks_held.load(snapshot.asks)
        except MalformedMessage:
            self._spoil()
            raise
        if self._spoiled:
            self.reveal()
        self._took(snapshot, snapshot.sequence, now)
        self._window = self._window_of(snapshot)

    def apply(self, delta: Delta, *, now: float | None = None) -> None:
        """
        Write ``delta`` over the book. O(k log n) for k levels.

        Raises:
            MalformedMessage: If a level is none; the book is then withheld until the
                next ``load``.

        """
        try:
            if delta.bids:
                self._bids_held.apply(delta.bids)
            if delta.asks:
                self._asks_held.apply(delta.asks)
        except MalformedMessage:
            self._spoil()
            raise
        self.sequence = delta.last
        self.version += 1
        self.time = delta.time
        self.received = now
        if self._depth is not None:
            delta = self._cut(self._depth, delta)
        if self._recent is not None:
            self._recent.append(delta)

    def _spoil(self) -> None:
        """Let nobody read half a change."""
        if self._cause is None:
            self.withhold("malformed")
            self._spoiled = True

    def _took(self, message: Snapshot, sequence: int, now: float | None) -> None:
        self.sequence = sequence
        self.version += 1
        self.time = message.time
        self.received = now
        if self._recent is not None:
            self._recent.append(message)
        if self._depth is not None:
            self._bids_held.truncate(self._depth)
            self._asks_held.truncate(self._depth)

    def _cut(self, depth: int, delta: Delta) -> Delta:
        """Drop the levels beyond ``depth``; return ``delta`` with them as changed."""
        bids = self._bids_held.truncate(depth)
        asks = self._asks_held.truncate(depth)
        if not bids and not asks:
            return delta
        return structs.replace(
            delta,
            bids=[*delta.bids, *((price, 0) for price in bids)],
            asks=[*delta.asks, *((price, 0) for price in asks)],
        )

    def _window_of(self, snapshot: Snapshot) -> Window | None:
        """Only a side that the venue cut has an edge."""
        if snapshot.depth is None or self._depth is not None:
            return None
        edges = []
        for side, listed in (
            (self._bids_held, snapshot.bids),
            (self._asks_held, snapshot.asks),
        ):
            worst = side.at(len(side) - 1) if len(listed) >= snapshot.depth else None
            edges.append(None if worst is None else worst.price)
        return Window(*edges)

    def shadow(self) -> Book:
        """Make an empty book of the same kind. O(1)."""
        return Book(
            self.symbol,
            numbers=self.numbers,
            depth=self._depth,
            signed=self._signed,
            keep_text=self._keep_text,
        )

    def part(self) -> Book:
        """
        Hand all levels over to another book, and keep none. O(1).

        For who keeps the book: it must be withheld, and loaded before it is read.
        """
        other = self.shadow()
        other.sequence = self.sequence
        other.adopt(self)
        self._bids_held, self._asks_held = self._empty()
        return other

    def _empty(self) -> tuple[Side, Side]:
        options: dict[str, Any] = {"numbers": self.numbers, "signed": self._signed}
        texts = self._keep_text
        bids = make_side("bid", texts=texts, **options)
        return bids, make_side("ask", texts=texts, **options)

    @property
    def largest(self) -> int:
        """Levels of the larger side, also while withheld. O(1)."""
        return max(len(self._bids_held), len(self._asks_held))

    def freeze_withheld(self) -> FrozenBook:
        """
        Copy a withheld book as it was when it was live, immutable. O(n).

        For who keeps the book, before anything else is loaded into it.
        """
        cause = self._cause
        self.reveal()
        frozen = self.freeze()
        if cause is not None:
            self.withhold(cause)
        return frozen

    def limit(self, bid: Number | None, ask: Number | None) -> None:
        """Say how far the book is complete, as its checkpoint knew it. O(1)."""
        known = bid is None and ask is None
        self._window = None if known else Window(bid, ask)
        self._answers.clear()

    def adopt(self, other: Book) -> None:
        """Take the levels and the window of ``other``, which ends with this. O(1)."""
        self._bids_held, self._asks_held = other._bids_held, other._asks_held
        self._window = other._window
        # Levels beyond the old window may differ, and nobody knows which.
        self.version += 1
        if self._recent is not None:
            self._recent.clear()
        if self._cause is None:
            self.reveal()

    # -- trust ------------------------------------------------------------------------

    def withhold(self, cause: str) -> None:
        """Make every read raise :exc:`BookNotLive`, until :meth:`reveal`. O(1)."""
        self._cause = cause
        self._spoiled = False
        guard: Any = _Withheld(self.symbol, cause)
        self._bids = self._asks = guard
        self._answers.clear()

    def _refuse_if_withheld(self) -> None:
        if self._cause is not None:
            raise BookNotLive(self.symbol, self._cause)

    def reveal(self) -> None:
        """Allow reads again. O(1)."""
        self._cause = None
        self._spoiled = False
        self._bids = self._bids_held
        self._asks = self._asks_held

    @property
    def withheld(self) -> str | None:
        """Why reads raise; ``None`` if they do not."""
        return self._cause

    def hashed(self, n: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """
        Return the best ``n`` bids and asks as text, for a checksum. O(n).

        For who keeps the book: works on a withheld book, too.
        """
        return self._bids_held.texts(n), self._asks_held.texts(n)

    # -- reading ----------------------------------------------------------------------

    def _moment(self) -> int:
        return self.version

    def freeze(self) -> FrozenBook:
        """
        Copy both sides as they are now, immutable. O(n).

        >>> book = Book("X")
        >>> book.freeze() == book
        True
        """
        return FrozenBook(self)

    @property
    def window(self) -> Window:  # type: ignore[override]
        """
        The worst prices up to which the book is complete. O(1).

        ``None`` for a side that is wholly known, or that is cut to its best levels
        after each change: then it is complete as far as it goes.
        """
        self._refuse_if_withheld()
        return Window(None, None) if self._window is None else self._window

    def edge(self, side: SideName) -> Number | None:
        """See :meth:`Queries.edge`."""
        held = self._side(side)
        if self._depth is not None and len(held) >= self._depth:
            worst = held.at(self._depth - 1)
            return None if worst is None else worst.price
        return super().edge(side)

    def coverage(self) -> tuple[Number | None, Number | None]:
        """
        Basis points from each best price to the window's edge, ``(bid, ask)``. O(1).

        Negative where the best price has left the window; ``None`` where there is no
        edge, or no level.
        """
        found: list[Number | None] = []
        bests, window = (self.best_bid, self.best_ask), self.window
        for best, edge, sign in zip(bests, window, (BASIS, -BASIS), strict=True):
            if best is None or edge is None or not best.price:
                found.append(None)
                continue
            with exactly():
                found.append(divide((best.price - edge) * sign, abs(best.price)))
        return found[0], found[1]

    def changes_since(self, version: int) -> list[tuple[SideName, Level]]:
        """
        Levels that changed after ``version``, with their sizes of now (0 = gone).

        O(k) for k changed levels. The first call makes the book remember; say
        ``book.changes_since(book.version)`` to begin.

        Raises:
            ConfigurationError: If ``version`` is not remembered (too old, ahead, or
                from before the first call), or a snapshot replaced the book since.

        >>> book = Book("X")
        >>> book.changes_since(book.version)
        []
        >>> book.apply(Delta("X", 0, 1, [("9", "1")], []))
        >>> book.changes_since(0)
        [('bid', Level(price=Decimal('9'), size=Decimal('1')))]

        """
        self._refuse_if_withheld()
        if self._recent is None:
            self._recent = deque(maxlen=MEMORY)
        steps = self.version - version
        if not 0 <= steps <= len(self._recent):
            raise ConfigurationError(f"version {version} is not remembered")
        recent = list(self._recent)[len(self._recent) - steps :]
        if any(type(message) is Snapshot for message in recent):
            raise ConfigurationError(f"a snapshot replaced the book since {version}")
        changed: dict[tuple[SideName, Number], None] = {}
        for message in recent:
            for price, _ in message.bids:
                changed[("bid", self._in_number(price))] = None
            for price, _ in message.asks:
                changed[("ask", self._in_number(price))] = None
        return [(s, Level(p, self.size_at(s, p))) for s, p in changed]

    def __repr__(self) -> str:
        """``<Book X 9 x 10 at 1>`` or ``<Book X withheld: gap>``."""
        if self._cause is not None:
            return f"<Book {self.symbol} withheld: {self._cause}>"
        return f"<Book {quoted(self)}>"

    def __copy__(self) -> Self:
        """Refuse: say ``freeze()``."""
        raise TypeError("a live book is not copied: use freeze()")

    def check(self) -> None:
        """Assert every invariant. O(n log n); for tests."""
        for side in (self._bids_held, self._asks_held):
            side.check()
            assert self._depth is None or len(side) <= self._depth
        assert (self._cause is None) == (self._bids is self._bids_held)
