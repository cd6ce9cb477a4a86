"""Where things are printed: results on stdout, progress and troubles on stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

__all__ = [
    "STDERR",
    "STDOUT",
    "Grid",
    "Progress",
    "cell",
    "clean",
    "complain",
    "configure",
    "emit",
    "hush",
    "live",
    "say",
    "show",
]

#: Both find out at each use where the stream goes, and whether that is a terminal.
STDOUT = Console(highlight=False)
STDERR = Console(highlight=False, stderr=True)
#: Columns of a table that goes to a file: nothing is folded.
WIDE = 400
#: Columns between two columns of a table.
GUTTER = 3
#: Seconds between two pictures on a terminal.
FRAME = 0.125


def clean(text: object) -> str:
    r"""
    Make foreign text fit to be printed: one line, no control characters.

    >>> clean("bad \x1b[31m symbol\n")
    'bad \\x1b[31m symbol'
    """
    line = " ".join(part.strip("\r\n") for part in str(text).splitlines())
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in line
    )


def complain(text: object) -> None:
    """Print one line of trouble on stderr."""
    _above(f"booksync: {clean(text)}")


def _above(line: str, style: str = "") -> None:
    """Print a line of trouble; above the picture where there is one."""
    console = Progress.front or STDERR
    console.print(Text(line, style=style), soft_wrap=True)


def say(text: str, *, style: str = "") -> None:
    """Print one line on stdout."""
    STDOUT.print(Text(clean(text), style), soft_wrap=True)


def emit(record: dict[str, Any]) -> None:
    """Print one JSON object on stdout, at once."""
    sys.stdout.write(json.dumps(record, default=str, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def show(picture: RenderableType) -> None:
    """Print a table on stdout; as wide as it is where that is no terminal."""
    console = STDOUT if STDOUT.is_terminal else Console(highlight=False, width=WIDE)
    console.print(picture)


def live(console: Console) -> bool:
    """Whether a picture can be drawn again and again on ``console``."""
    return console.is_terminal and not console.is_dumb_terminal


class Grid:
    """
    A table that leaves out what there is no room for.

    Args:
        rows: Texts by head; all have the same heads.
        words: Heads of columns of words; the others are numbers, to the right.
        spare: Heads of columns that can be left out, the first one first.

    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Text]],
        *,
        words: Collection[str],
        spare: Iterable[str] = (),
    ) -> None:
        self._rows = rows
        self._words = words
        self._spare = spare

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterable[RenderableType]:
        """Draw it on as many columns as there are."""
        widths = {
            head: max(len(head), *(row[head].cell_len for row in self._rows))
            for head in (self._rows[0] if self._rows else ())
        }
        for head in self._spare:
            if sum(widths.values()) + GUTTER * len(widths) <= options.max_width:
                break
            widths.pop(head, None)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for head in widths:
            words = head in self._words
            table.add_column(head, justify="left" if words else "right", no_wrap=True)
        for row in self._rows:
            table.add_row(*(row[head] for head in widths))
        yield table


def cell(value: object, style: str = "") -> Text:
    """Make a cell of a table; empty of ``None``."""
    return Text("" if value is None else clean(value), style=style)


#: Warnings that no command shows in its own way.
TOLD = {"parted", "flight", "stopped", "budget_unusable"}


def untold(record: logging.LogRecord) -> bool:
    """Whether a command says nothing of this by itself: trust, it shows."""
    return getattr(record, "event", None) in {None, *TOLD}


class Handler(logging.Handler):
    """Prints log records above the live picture, one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print ``record``."""
        text = f"booksync: {record.levelname.lower()}: {record.getMessage()}"
        _above(clean(text), "dim")


def configure(*, verbose: bool) -> None:
    """Send log records to stderr: our warnings, or all from ``INFO`` up."""
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, Handler)]:
        root.removeHandler(handler)
    handler = Handler()
    if not verbose:
        handler.addFilter(untold)
    root.addHandler(handler)
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    for noisy in ("httpx", "httpcore", "websockets"):
        level = logging.INFO if verbose else logging.CRITICAL
        logging.getLogger(noisy).setLevel(level)
    logging.getLogger("booksync").setLevel(logging.NOTSET)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def hush() -> None:
    """Log no warnings of ours from now on: what goes wrong here is meant to."""
    if logging.getLogger().level > logging.INFO:
        logging.getLogger("booksync").setLevel(logging.ERROR)


class Progress:
    """
    Shows on a console how a run goes: a picture on a terminal, now and then a line.

    Args:
        picture: Draws it.
        line: Says it in one line, for files and pipes; ``None`` = says nothing there.
        console: Where; stderr unless told.
        every: Seconds between two lines.

    """

    #: The console whose picture is on the terminal now.
    front: ClassVar[Console | None] = None

    def __init__(
        self,
        picture: Callable[[], RenderableType],
        line: Callable[[], str] | None = None,
        *,
        console: Console = STDERR,
        every: float = 5.0,
    ) -> None:
        self._picture = picture
        self._line = line
        self._console = console
        self._every = every
        self._next = 0.0
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Begin to show it."""
        if live(self._console):
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            Progress.front = self._console
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the picture away; the terminal is as it was."""
        if self._live is not None:
            self._live.stop()
            Progress.front = None

    def tick(self, now: float) -> None:
        """Show it again, if it is time to."""
        if now < self._next:
            return
        if self._live is not None:
            self._next = now + FRAME
            self._live.update(self._picture(), refresh=True)
        elif self._line is not None:
            if self._next:
                self._console.print(Text(clean(self._line())), soft_wrap=True)
            self._next = now + self._every
