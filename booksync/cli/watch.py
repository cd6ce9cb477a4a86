"""``booksync watch``: live books, how far to trust them, how fast they move."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.console import RenderableType

from booksync.cli.ladder import Rates, best, ladders, overview, spell, trust
from booksync.cli.options import (
    AsJson,
    Network,
    Numbers,
    Seconds,
    Settings,
    Symbols,
    VenueId,
    examples,
    grouped,
    opened,
)
from booksync.cli.output import (
    STDOUT,
    Progress,
    complain,
    emit,
    live,
    say,
    show,
)
from booksync.cli.running import drive, run
from booksync.cli.waiting import Patience
from booksync.errors import BookNotLive
from booksync.events import Changed, Desynced, Drift, Event, Rejected, Synced
from booksync.exact import Level, canonical
from booksync.feed import Feed

__all__ = ["EPILOG", "watch"]

EPILOG = examples(
    "booksync watch binance BTCUSDT ETHUSDT",
    "booksync watch bybit BTCUSDT --option market=linear --depth-shown 20",
    "booksync watch binance BTCUSDT --seconds 60 --json > events.jsonl",
    "booksync watch my_venue XYZ --plugin my_module:MyVenue",
)

#: Seconds between two looks at the clock, and between two plain lines of one book.
TICK, LINE = 0.05, 1.0
#: Levels a side unless told: of a ladder, of a JSON object.
LADDER, TOP = 10, 1


@grouped
def watch(  # noqa: PLR0913 - what the command line takes
    *,
    venue: VenueId,
    symbols: Symbols,
    settings: Settings,
    network: Network,
    numbers: Numbers,
    depth_shown: Annotated[
        int | None,
        typer.Option(
            "--depth-shown", min=1, help="Levels a side; else 10, or 1 with --json."
        ),
    ] = None,
    seconds: Seconds = None,
    as_json: AsJson = False,
) -> int:
    """
    Watch live books: a ladder each on a terminal, plain lines elsewhere.

    A book that cannot be trusted shows no price but the cause; it heals by itself.

    Exit status: 0 after Ctrl-C or --seconds, 1 if the venue cannot be reached or
    refuses a symbol, or if a book was not live for once, 2 if the options are wrong.
    """
    feed = opened(venue, symbols, settings, network, numbers)
    watching = Watching(feed, depth_shown, as_json=as_json)
    stopped = run(watching.run(seconds))
    if live(STDOUT) and not as_json:
        show(overview(feed))
    else:
        watching.summarize()
    return watching.patience.verdict(stopped)


class Watching:
    """
    One run; what it counted stays readable when it is over.

    Args:
        feed: The books; not entered yet.
        depth: Levels a side that are shown; ``None`` = as usual.
        as_json: An object for each event, and nothing else.

    """

    def __init__(self, feed: Feed, depth: int | None, *, as_json: bool) -> None:
        self.feed = feed
        self.rates = Rates()
        self.patience = Patience(feed)
        self._as_json = as_json
        self._drawn = live(STDOUT) and not as_json
        self._depth = depth or (TOP if as_json else LADDER)
        self._tops: dict[str, tuple[Level | None, Level | None]] = {}
        self._next: dict[str, float] = {}

    async def run(self, seconds: float | None) -> None:
        """Watch for so long, or for ever."""
        end: float | None = None
        with Progress(self._picture, console=STDOUT) as progress:

            def tick(now: float) -> bool:
                nonlocal end
                end = now + seconds if end is None and seconds is not None else end
                self.rates.tick(now)
                if self._drawn:
                    progress.tick(now)
                elif not self._as_json:
                    self._tell_tops(now)
                self.patience.tick(now)
                return end is not None and now >= end

            async with self.feed:
                await drive(self._consume(), tick, TICK)

    async def _consume(self) -> None:
        async for event in self.feed:
            self.patience.note(event)
            if isinstance(event, Changed):
                self.rates.count(event.symbol)
            if self._as_json:
                emit(self._record(event))
            elif not self._drawn and not isinstance(event, Changed):
                say(f"{self._time()} {_told(event)}")

    def _picture(self) -> RenderableType:
        size = STDOUT.size
        area = size.width, size.height
        return ladders(self.feed, self.rates, depth=self._depth, size=area)

    def _time(self) -> str:
        now = datetime.fromtimestamp(self.feed.clock(), UTC).astimezone()
        return now.strftime("%H:%M:%S")

    def _tell_tops(self, now: float) -> None:
        """Print each best bid and ask that is new, not too often."""
        for symbol in self.feed.symbols:
            if now < self._next.get(symbol, 0.0):
                continue
            top = best(self.feed, symbol)
            if top != self._tops.get(symbol) and any(top):
                self._tops[symbol] = top
                self._next[symbol] = now + LINE
                at = self.feed.status(symbol).sequence
                bid, ask = map(spell, top)
                say(f"{self._time()} {symbol} {bid} | {ask} at {at}")

    def _record(self, event: Event) -> dict[str, Any]:
        """Make the JSON object of an event."""
        kind = type(event).__name__.lower()
        record: dict[str, Any] = {"event": kind, "t": round(self.feed.clock(), 6)}
        fields = msgspec.structs.asdict(event)
        fields.pop("message", None)
        record |= msgspec.to_builtins(fields)
        if isinstance(event, Changed):
            record["venue_t"] = event.message.time
            record |= self._levels(event.symbol)
        elif isinstance(event, Desynced):
            # It may have been removed since.
            held = event.symbol in self.feed
            status = self.feed.status(event.symbol) if held else None
            record["live_in"] = status and status.live_in
        return record

    def _levels(self, symbol: str) -> dict[str, Any]:
        try:
            book = self.feed[symbol]
            sides = book.bids(self._depth), book.asks(self._depth)
        except BookNotLive:  # the very change after which it is withheld
            return {"sequence": None, "bids": None, "asks": None}
        bids, asks = (
            [[canonical(level.price), canonical(level.size)] for level in side]
            for side in sides
        )
        return {"sequence": book.sequence, "bids": bids, "asks": asks}

    def summarize(self) -> None:
        """Say in a line for each book how it went."""
        for status in self.feed.statuses():
            counts = status.counts
            complain(
                f"{status.symbol}: {trust(status)}, "
                f"{self.rates.totals.get(status.symbol, 0)} changes, "
                f"{counts.gaps} gaps, {counts.resyncs} resyncs"
            )


def _drifted(drift: Drift) -> str:
    """Tell how wrong the book before was."""
    return (
        f" ({drift.differing} of {drift.compared} levels were off, "
        f"withheld {drift.seconds:.1f} s)"
    )


def _told(event: Event) -> str:
    """Write an event of trust as a line."""
    match event:
        case Synced(symbol, sequence):
            doubts = [n for n in ("unbridged", "overlap") if getattr(event, n)]
            said = " ".join((f"{symbol} live at {sequence}", *doubts))
            return said if event.drift is None else f"{said}{_drifted(event.drift)}"
        case Desynced(symbol, cause):
            missing = (
                ""
                if event.expected is None and event.got is None
                else f" (expected {event.expected}, got {event.got})"
            )
            return f"{symbol} withheld: {cause.value}{missing}"
        case Rejected(symbols, reason):
            named = ", ".join(symbols) or "a symbol"
            return f"{named} rejected{'' if event.final else ' for now'}: {reason}"
        case _:
            fields = msgspec.to_builtins(msgspec.structs.asdict(event))
            symbol = fields.pop("symbol", None) or "-"
            told = ", ".join(
                f"{k} {v}" for k, v in fields.items() if v not in (None, "")
            )
            return f"{symbol} {type(event).__name__.lower()}: {told}"
