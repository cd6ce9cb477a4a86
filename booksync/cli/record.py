"""``booksync record``: everything that a venue sends, to a file that replays."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from booksync.cli.ladder import overview
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
from booksync.cli.output import Progress, clean, emit, say, show
from booksync.cli.running import drive, run
from booksync.cli.waiting import Patience
from booksync.errors import BookNotLive, ConfigurationError
from booksync.feed import Feed

__all__ = ["EPILOG", "record"]

EPILOG = examples(
    "booksync record binance BTCUSDT ETHUSDT -o day.jsonl.gz",
    "booksync record kraken BTC/USD -o hour.jsonl.zst --seconds 3600",
    "booksync replay day.jsonl.gz",
)

TICK = 0.1


@grouped
def record(  # noqa: PLR0913 - what the command line takes
    *,
    venue: VenueId,
    symbols: Symbols,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="A .jsonl, .jsonl.gz or .jsonl.zst."
        ),
    ],
    settings: Settings,
    network: Network,
    numbers: Numbers,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if there is one.")
    ] = False,
    seconds: Seconds = None,
    as_json: AsJson = False,
) -> int:
    """
    Record raw frames, and whatever else drives the books, for `booksync replay`.

    Exit status: 0 after Ctrl-C or --seconds, 1 if the venue cannot be reached or
    refuses a symbol, or if a book was not live for once, 2 if the options are wrong.
    """
    existed = output.exists()
    if output.is_dir() or (existed and not force):
        raise ConfigurationError(
            f"{output} is there already: use --force to replace a file"
        )
    feed = opened(venue, symbols, settings, network, numbers, record=output)
    recording = Recording(feed, output)
    try:
        with Progress(recording.picture, recording.line) as progress:
            stopped = run(recording.run(seconds, progress))
    finally:
        if not feed.counts.frames and not existed:
            with contextlib.suppress(OSError):
                output.unlink()
    if as_json:
        emit(recording.summary())
    else:
        show(overview(feed))
        say(recording.line())
    return recording.patience.verdict(stopped)


class Recording:
    """
    One run; what it counted stays readable when it is over.

    Args:
        feed: Records; not entered yet.
        path: Where to.

    """

    def __init__(self, feed: Feed, path: Path) -> None:
        self.feed = feed
        self.path = path
        self.patience = Patience(feed)
        self._seconds = 0.0

    async def run(self, seconds: float | None, progress: Progress) -> None:
        """Record for so long, or for ever."""
        start: float | None = None

        def tick(now: float) -> bool:
            nonlocal start
            start = now if start is None else start
            self._seconds = now - start
            progress.tick(now)
            self.patience.tick(now)
            return seconds is not None and self._seconds >= seconds

        async with self.feed:
            await drive(self._consume(), tick, TICK)

    async def _consume(self) -> None:
        async for event in self.feed:
            self.patience.note(event)

    def _bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def line(self) -> str:
        """Say in a line how far it is."""
        states = [status.state.value for status in self.feed.statuses()]
        return (
            f"{self.path}: {self._seconds:.0f} s, {self.feed.counts.frames} frames, "
            f"{self._bytes()} bytes, {states.count('live')} of {len(states)} books live"
        )

    def picture(self) -> RenderableType:
        """Draw how far it is."""
        head = Text(f"recording {clean(self.line())}", style="bold")
        return Group(head, overview(self.feed))

    def summary(self) -> dict[str, Any]:
        """Tell all, as ``booksync record --json``."""
        return {
            "file": str(self.path),
            "venue": self.feed.venue.id,
            "seconds": round(self._seconds, 3),
            "frames": self.feed.counts.frames,
            "malformed": self.feed.counts.malformed,
            "bytes": self._bytes(),
            "books": [self._book(symbol) for symbol in self.feed.symbols],
        }

    def _book(self, symbol: str) -> dict[str, Any]:
        status = self.feed.status(symbol)
        levels: list[int] | None = None
        digest: str | None = None
        with contextlib.suppress(BookNotLive):
            book = self.feed[symbol]
            levels, digest = [len(book.bids()), len(book.asks())], book.digest()
        return {
            "symbol": symbol,
            "state": status.state.value,
            "sequence": status.sequence,
            "applied": status.counts.applied,
            "gaps": status.counts.gaps,
            "resyncs": status.counts.resyncs,
            "levels": levels,
            "digest": digest,
        }
