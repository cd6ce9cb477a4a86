"""Pictures of live books: a ladder each, or one line each where room is short."""

from __future__ import annotations

from collections.abc import Sequence

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from booksync.cli.output import Grid, cell, clean
from booksync.errors import BookNotLive
from booksync.exact import Level, canonical
from booksync.feed import Feed
from booksync.states import State
from booksync.status import Status

__all__ = ["Rates", "best", "ladders", "overview", "spell", "trust"]

STYLES = {State.LIVE: "green", State.SYNCING: "yellow", State.OFFLINE: "red"}
#: Columns and rows of a ladder besides its levels.
WIDTH, FRAME_ROWS = 44, 4
#: Columns of the longest bar.
BAR = 10
#: Seconds over which rates are taken.
SPAN = 2.0


class Rates:
    """Changes a second, by symbol."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self._since = 0.0
        self._before: dict[str, int] = {}
        self._rates: dict[str, float] = {}

    def __getitem__(self, symbol: str) -> float:
        """Changes a second lately."""
        return self._rates.get(symbol, 0.0)

    def count(self, symbol: str) -> None:
        """Note one change."""
        self.totals[symbol] = self.totals.get(symbol, 0) + 1

    def tick(self, now: float) -> None:
        """Take stock, every now and then."""
        passed = now - self._since
        if passed < SPAN:
            return
        self._rates = {
            symbol: (total - self._before.get(symbol, 0)) / passed
            for symbol, total in self.totals.items()
        }
        self._before, self._since = dict(self.totals), now


def spell(level: Level | None) -> str:
    """Write a level as ``price x size``."""
    if level is None:
        return "-"
    return f"{canonical(level.price)} x {canonical(level.size)}"


def best(feed: Feed, symbol: str) -> tuple[Level | None, Level | None]:
    """Return best bid and ask; nothing of a book that is withheld."""
    try:
        book = feed[symbol]
    except BookNotLive:
        return None, None
    return book.best_bid, book.best_ask


def trust(status: Status) -> str:
    """Say in a few words how far a book can be trusted."""
    if status.state is not State.LIVE:
        soon = status.live_in or 0.0
        wait = f", live in {soon:.0f} s" if soon >= 1 else ""
        return f"{status.state.value} ({status.cause.value}){wait}"
    doubts = [
        word
        for word, holds in (
            ("unbridged", status.unbridged),
            ("joined by overlap", status.overlap),
            ("waiting", status.waiting),
        )
        if holds
    ]
    return f"live ({', '.join(doubts)})" if doubts else "live"


def overview(feed: Feed, rates: Rates | None = None) -> Grid:
    """Make a table of all books, a line each."""
    return Grid(
        [_row(feed, status, rates) for status in feed.statuses()],
        words={"book", "state"},
        spare=("applied", "resyncs", "gaps", "sequence", "age", "per s"),
    )


def _row(feed: Feed, status: Status, rates: Rates | None) -> dict[str, Text]:
    counts = status.counts
    bid, ask = best(feed, status.symbol)
    row = {
        "book": cell(status.symbol),
        "state": cell(trust(status), STYLES[status.state]),
        "sequence": cell(status.sequence),
        "bid": cell(spell(bid)),
        "ask": cell(spell(ask)),
        "applied": cell(counts.applied),
        "gaps": cell(counts.gaps),
        "resyncs": cell(counts.resyncs),
    }
    if rates is not None:
        row["per s"] = cell(f"{rates[status.symbol]:.1f}")
        row["age"] = cell(age(status))
    return row


def age(status: Status) -> str:
    """Say how long ago the venue spoke of this book."""
    return "-" if status.age is None else f"{max(0.0, status.age):.1f} s"


def ladders(
    feed: Feed, rates: Rates, *, depth: int, size: tuple[int, int]
) -> RenderableType:
    """
    Draw every book as a ladder; as an overview where they would have no room.

    Args:
        feed: Whose books.
        rates: Their rates.
        depth: Levels a side at most.
        size: Columns and rows there are.

    """
    statuses = feed.statuses()
    across = max(1, size[0] // WIDTH)
    rows = -(-len(statuses) // across)
    room = ((size[1] - 1) // max(rows, 1) - FRAME_ROWS) // 2
    if room < min(depth, 2):
        return overview(feed, rates)
    shown = min(depth, room)
    panels = [_ladder(feed, status, rates, shown) for status in statuses]
    return Group(Columns(panels, width=WIDTH - 1))


def _ladder(feed: Feed, status: Status, rates: Rates, depth: int) -> Panel:
    try:
        book = feed[status.symbol]
        bids, asks = list(book.bids(depth)), list(book.asks(depth))
    except BookNotLive:
        bids, asks = [], []
    style = STYLES[status.state]
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, width=BAR)
    _add(table, [*[None] * (depth - len(asks)), *asks[::-1]], "red")
    middle = f"at {status.sequence}" if bids or asks else "no price: withheld"
    table.add_row("", Text(middle, style="dim"), "")
    _add(table, [*bids, *[None] * (depth - len(bids))], "green")
    counts = status.counts
    foot = (
        f"{rates[status.symbol]:.0f}/s  {age(status)} ago  "
        f"{counts.gaps} gaps  {counts.resyncs} resyncs"
    )
    title = Text.assemble((clean(status.symbol), "bold"), " ", (trust(status), style))
    return Panel(
        table, title=title, subtitle=Text(foot, style="dim"), border_style=style,
        padding=(0, 1),
    )  # fmt: skip


def _add(table: Table, levels: Sequence[Level | None], style: str) -> None:
    shown = [level for level in levels if level]
    longest = max((level.size for level in shown), default=1)
    prices = {level.price: canonical(level.price) for level in shown}
    places = max((len(text.partition(".")[2]) for text in prices.values()), default=0)
    for level in levels:
        if level is None:
            table.add_row("", "", "")
            continue
        whole, _, part = prices[level.price].partition(".")
        price = f"{whole}.{part:0<{places}}" if places else whole
        bar = "▇" * int(level.size * BAR / longest)
        size = Text(canonical(level.size))
        table.add_row(size, Text(price, style=style), Text(bar, style=style))
