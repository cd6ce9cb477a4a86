"""``booksync replay``: recordings through the core; the same books, counts and gaps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from booksync import venues
from booksync.cli.ladder import STYLES
from booksync.cli.options import (
    AsJson,
    Numbers,
    Settings,
    examples,
    grouped,
    load_plugins,
)
from booksync.cli.output import (
    STDERR,
    Grid,
    cell,
    clean,
    complain,
    emit,
    live,
    say,
    show,
)
from booksync.errors import BookSyncError, ConfigurationError, RecordingError
from booksync.recording import Recording
from booksync.replaying import Replay
from booksync.states import State

__all__ = ["EPILOG", "replay"]

EPILOG = examples(
    "booksync replay day.jsonl.gz",
    "booksync replay capture.jsonl.gz --venue binance --json",
    "booksync replay monday.jsonl tuesday.jsonl",
)

#: Size of a file, in bytes, from which its records are counted first, for a bar.
LONG = 1_000_000
#: Records between two moves of the bar; gaps told of one book.
STEP, GAPS = 500, 5


@grouped
def replay(
    *,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Recordings.")],
    venue: Annotated[
        str | None,
        typer.Option("--venue", help="Whose frames; needed if a file does not say it."),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            "--depth", help="Levels a side that were subscribed or asked for."
        ),
    ] = None,
    settings: Settings,
    numbers: Numbers,
    as_json: AsJson = False,
) -> int:
    """
    Replay recordings through the core: no network, no waiting, the same books again.

    Exit status: 0, or 1 if a book that had a snapshot is not live at the end of its
    file (or there was no book in it), 2 if a file cannot be read, 130 after Ctrl-C.
    """
    load_plugins(settings.plugin)
    if venue is not None:
        venues.get(venue)
    status = 0
    for file in files:
        try:
            found = _replayed(file, venue, depth, settings, numbers)
        except BookSyncError as error:
            complain(error)
            wrong = isinstance(error, ConfigurationError | RecordingError)
            status = max(status, 2 if wrong else 1)
            continue
        _tell(found, as_json=as_json)
        _tell_malformed(found)
        status = max(status, _verdict(found))
    return status


def _replayed(
    file: Path,
    venue: str | None,
    depth: int | None,
    settings: Settings,
    numbers: Numbers,
) -> Replay:
    """Replay one file to its end, with a bar if it is a long one."""
    with _bar(file) as on_record:
        try:
            made = Replay(
                file,
                venue=venue,
                numbers=numbers.kind,
                depth=depth,
                options=settings.options or None,
                on_record=on_record,
            )
            made.run()
        except KeyboardInterrupt:
            complain(f"{file}: interrupted")
            raise
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise RecordingError(f"{file}: not a recording ({error!r})") from None
    return made


@contextlib.contextmanager
def _bar(file: Path) -> Iterator[Callable[[int], None] | None]:
    """Show a bar while a long file is replayed; gives what moves it."""
    total = _length(file)
    if total is None:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=STDERR, transient=True) as bar:
        task = bar.add_task(clean(file.name), total=total)

        def on_record(number: int) -> None:
            if number % STEP == 0:
                bar.update(task, completed=number)

        yield on_record


def _length(file: Path) -> int | None:
    """Count the records of a long file, where somebody looks at the bar."""
    if not live(STDERR) or not file.is_file() or file.stat().st_size < LONG:
        return None
    return sum(1 for _ in Recording(file))


def _verdict(made: Replay) -> int:
    """Give the exit status; complain of what is not live."""
    path = made.recording.path
    if not made.books:
        complain(f"{path}: no book of {made.venue.id} in it")
        return 1
    late = [
        sync
        for sync in made.books.values()
        if sync.counts.snapshots and sync.state is not State.LIVE
    ]
    for sync in late:
        state, cause = sync.state.value, sync.cause.value
        complain(f"{path}: {sync.symbol} is not live at the end: {state} ({cause})")
    return 1 if late else 0


def _tell(made: Replay, *, as_json: bool) -> None:
    books = made.summary()
    if as_json:
        for book in books:
            emit(book)
        return
    counts = made.engine.counts
    path = made.recording.path
    say(
        f"{path}: {made.venue.id}, {made.record + 1} records, {counts.frames} frames "
        f"({counts.malformed} malformed, {counts.foreign} foreign); {len(books)} books",
        style="bold",
    )
    spare = ("received", "stale", "resyncs", "checksums", "levels", "applied")
    rows = [_row(book) for book in books]
    if rows:
        show(Grid(rows, words={"book", "state", "digest"}, spare=spare))
    for book in books:
        _tell_gaps(book)


def _tell_malformed(made: Replay) -> None:
    """Say why a frame could not be used, and whether it is for want of instruments."""
    if made.malformed is None:
        return
    counts, path, kind = made.engine.counts, made.recording.path, made.venue
    record, event = made.malformed
    reason = f"{event.symbol}: {event.reason}" if event.symbol else event.reason
    complain(
        f"{path}: {counts.malformed} of {counts.frames} frames are malformed; "
        f"the first in record {record}: {reason}"
    )
    if kind.needs_instruments and not kind.instruments:
        complain(
            f"{path}: {kind.id} needs its lists of instruments: there are none in "
            f"{made.recording.instruments}"
        )


def _row(book: dict[str, Any]) -> dict[str, Text]:
    state = f"{book['state']}{', unbridged' if book['unbridged'] else ''}"
    checks = book["checksums"]
    row = {
        "book": cell(book["symbol"]),
        "state": cell(state, STYLES[State(book["state"])]),
        "sequence": cell(book["sequence"]),
        "bid": cell(" x ".join(book["bids"][0]) if book["bids"] else None),
        "ask": cell(" x ".join(book["asks"][0]) if book["asks"] else None),
        "levels": cell("+".join(map(str, book["levels"] or ()))),
    }
    for name in ("received", "applied", "stale", "gaps", "resyncs"):
        row[name] = cell(book[name])
    row["checksums"] = cell(checks and f"{checks['passed']}/{sum(checks.values())}")
    row["digest"] = cell((book["digest"] or "")[:12])
    return row


def _tell_gaps(book: dict[str, Any]) -> None:
    gaps = book["gap_at"]
    for gap in gaps[:GAPS]:
        say(
            f"{book['symbol']}: gap at record {gap['record']}: "
            f"expected {gap['expected']}, got {gap['got']}"
        )
    if len(gaps) > GAPS:
        say(f"{book['symbol']}: {len(gaps) - GAPS} gaps more")
