"""The ``booksync`` command: its subcommands, and how its troubles are told."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from booksync.cli import (
    demo,
    instruments,
    output,
    record,
    replay,
    simulate,
    venues,
    watch,
)
from booksync.errors import BookSyncError, ConfigurationError, RecordingError

__all__ = ["app", "run"]

#: Exit statuses: the answer is no, or it failed; the command line or a file is wrong.
FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130
#: What typer raises on a wrong command line (``UsageError``, whoever's it is).
Misused: type[Exception] = typer.BadParameter.__mro__[1]


def flowing(text: str) -> str:
    """Make each paragraph of a docstring one line: the terminal decides on folds."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


app = typer.Typer(
    name="booksync",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (demo, watch, record, replay, venues, instruments, simulate):
    name = module.__name__.rpartition(".")[2]
    command = getattr(module, name)
    app.command(name, help=flowing(command.__doc__), epilog=module.EPILOG)(command)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        try:
            output.say(f"booksync {version('booksync')}")
        except PackageNotFoundError:
            output.say("booksync (not installed)")
        raise typer.Exit


@app.callback()
def main(
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what happens, on stderr.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - done by its callback
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """
    Local order books that equal the venue's, or say that they do not.

    Start with `booksync demo`: it needs no network.
    """
    output.configure(verbose=verbose)


def run(args: Sequence[str]) -> int:
    """
    Run the command line.

    Args:
        args: What stands after ``booksync``; nothing = ``--help``.

    Returns:
        The exit status. Errors were told in one line on stderr; bugs are raised.

    """
    output.configure(verbose=False)
    try:
        result = app(
            list(args) or ["--help"], prog_name="booksync", standalone_mode=False
        )
    except BrokenPipeError:
        return _silence()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Misused as error:
        return _misused(error)
    except (BookSyncError, OSError) as error:
        output.complain(error)
        wrong = isinstance(error, ConfigurationError | RecordingError)
        return UNUSABLE if wrong else FAILED
    return result if isinstance(result, int) else 0


def _misused(error: Exception) -> int:
    text = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    path = "booksync" if context is None else context.command_path
    output.complain(f"{text} (see `{path} --help`)")
    return UNUSABLE


def _silence() -> int:
    """Whoever read our output has enough of it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED
