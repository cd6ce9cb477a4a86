"""``booksync demo``: the main job on the embedded exchange, proved."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from booksync.cli.checker import Checker
from booksync.cli.options import AsJson, examples, grouped
from booksync.cli.output import Grid, Progress, cell, complain, emit, hush, say, show
from booksync.cli.rehearsal import Rehearsal
from booksync.cli.running import run
from booksync.cli.simulation import FaultPreset, Market
from booksync.exact import canonical
from booksync.status import Counts, Status

__all__ = ["EPILOG", "demo"]

#: Markets at most: each is compared with the truth many times a second.
MOST = 50

EPILOG = examples(
    "booksync demo",
    "booksync demo --faults hostile --seed 7 --json",
    "booksync demo --corrupt",
    "booksync demo --dialect binance_usdm --lists net --symbols 5",
)


@grouped
def demo(
    *,
    market: Market,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.5, help="How long it takes.")
    ] = 20.0,
    faults: Annotated[
        FaultPreset,
        typer.Option("--faults", help="What the exchange does to frames and answers."),
    ] = FaultPreset.DEFAULT,
    corrupt: Annotated[
        bool,
        typer.Option(
            "--corrupt", help="Alter one level silently: the check must find it."
        ),
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option(
            "--depth", help="Levels a side of a snapshot; by default all there are."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """
    Keep books of an embedded exchange that breaks things, and prove each of them.

    It is served on loopback, by real HTTP and websocket. While faults are injected,
    each live book is compared, many times a second, with what the exchange knows to be
    true. The last seconds are without faults: all books must be live and right at the
    end.

    Exit status: 0 if they are, 1 if any read was wrong or any book is not live, 2 if
    the options are wrong, 130 after Ctrl-C.
    """
    exchange = market.exchange(most=MOST)
    rehearsal = Rehearsal(
        exchange,
        market.dialect,
        faults=faults.value,
        seconds=seconds,
        corrupt=corrupt,
        depth=depth,
    )
    hush()
    complain(f"seed {exchange.seed} (repeat this run with --seed {exchange.seed})")
    with Progress(lambda: _picture(rehearsal), lambda: _line(rehearsal)) as progress:
        stopped = run(rehearsal.run(progress.tick))
    if as_json:
        emit(rehearsal.record())
    else:
        show(Group(_table(rehearsal), _faults(rehearsal)))
    for checker in rehearsal.checkers.values():
        if checker.wrong:
            complain(f"{checker.symbol} was wrong {checker.fault}")
    if stopped is not None:
        complain("interrupted: nothing is proved")
        return 128 + stopped
    if not as_json:
        _conclude(rehearsal)
    return _verdict(rehearsal)


def _verdict(rehearsal: Rehearsal) -> int:
    """Give the exit status; complain of what is not as it should be."""
    late = rehearsal.late
    for symbol in late:
        complain(f"{symbol} is not live, or behind, at the end")
    if rehearsal.corrupt and not rehearsal.wrong:
        complain("no read was wrong, though a level was to be altered")
        return 1
    return 1 if late or rehearsal.wrong else 0


def _table(rehearsal: Rehearsal) -> Grid:
    checkers = rehearsal.checkers.values()
    return Grid(
        [_row(checker, rehearsal.elapsed) for checker in checkers],
        words={"book", "state"},
        spare=("levels", "applied", "resyncs", "bid", "ask"),
    )


def _row(checker: Checker, now: float) -> dict[str, Text]:
    status = checker.status
    live = status is not None and status.sequence is not None
    counts = Counts() if status is None else status.counts
    bid, ask = (
        canonical(level.price) if level and live else None for level in checker.best
    )
    return {
        "book": cell(checker.symbol),
        "state": cell(_state(status), "green" if live else "yellow"),
        "sequence": cell(None if status is None else status.sequence),
        "bid": cell(bid),
        "ask": cell(ask),
        "levels": cell("{}+{}".format(*checker.levels) if live else None),
        "gaps": cell(counts.gaps),
        "resyncs": cell(counts.resyncs),
        "withheld": cell(f"{checker.withheld_s(now):.1f} s"),
        "applied": cell(counts.applied),
        "checked": cell(checker.checked),
        "wrong": cell(checker.wrong, "bold red" if checker.wrong else "green"),
    }


def _state(status: Status | None) -> str:
    """Say the state, and its cause unless it is a good one."""
    if status is None:
        return "offline"
    state = status.state.value
    return state if status.sequence is not None else f"{state} ({status.cause.value})"


def _faults(rehearsal: Rehearsal) -> Text:
    found = sorted(rehearsal.faults.items())
    if not found:
        return Text("no faults")
    told = ", ".join(f"{kind} {count}" for kind, count in found)
    kinds = "kind" if len(found) == 1 else "kinds"
    total = sum(rehearsal.faults.values())
    return Text(f"{total} faults of {len(found)} {kinds}: {told}")


def _picture(rehearsal: Rehearsal) -> RenderableType:
    time = f"{rehearsal.elapsed:.1f} of {rehearsal.seconds:g} s"
    head = f"{rehearsal.dialect}  {time}  {rehearsal.phase}"
    return Group(Text(head, style="bold"), _table(rehearsal), _faults(rehearsal))


def _line(rehearsal: Rehearsal) -> str:
    checkers = rehearsal.checkers.values()
    live = sum(1 for c in checkers if c.status and c.status.sequence is not None)
    return (
        f"{rehearsal.elapsed:.0f} s: {live} of {len(checkers)} books live, "
        f"{sum(c.checked for c in checkers)} reads compared, {rehearsal.wrong} wrong, "
        f"{sum(rehearsal.faults.values())} faults of {len(rehearsal.faults)} kinds"
    )


def _conclude(rehearsal: Rehearsal) -> None:
    checkers = rehearsal.checkers.values()
    checked = sum(checker.checked for checker in checkers)
    if rehearsal.wrong:
        say(f"{rehearsal.wrong} of {checked} live reads were WRONG.", style="bold red")
    elif not rehearsal.late:
        levels = sum(sum(checker.levels) for checker in checkers)
        say(
            f"All {len(checkers)} books are live and equal to the exchange's own, "
            f"{levels} levels; so was each of {checked} live reads.",
            style="green",
        )
