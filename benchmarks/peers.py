"""
The same frames through each peer's own handler, each in a process of its own.

What is timed: a frame's text goes into the first code of the library that a socket
would call, the library's book changes, the best bid and ask are read. ``unread`` is the
same without the last step: some peers sort when they are read. Every book must end as a
naive replay of the same texts does: wholly, or its best 25 levels a side where the peer
keeps no more. A peer that has no handler for a market, or whose own check refuses the
frames, or whose book ends wrong, is reported as skipped, with that reason.

All do the same frames. Figures are the fastest of :data:`ROUNDS` interleaved rounds;
who has spent :data:`BUDGET` seconds on a workload starts no other round of it.

Peers come with the extra ``bench``, or into environments of their own by
``python -m benchmarks.peers install [NAME …]``; one that is not installed is reported
as skipped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator, Sequence
from decimal import Decimal
from importlib import metadata
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from benchmarks._peer import PEERS, TOP, Work, digest, spelled
from benchmarks._workers import HERE, Failed, Worker
from benchmarks.workload import MAX_FRAMES, Workload, workloads

__all__ = ["main", "run"]

ROUNDS = 5
#: Seconds of one entrant on one workload after which it starts no other round.
BUDGET = 10.0
NUMBERS = ("float", "decimal")
#: Where ``install`` makes an environment for each peer.
ROOT = Path(os.environ.get("BOOKSYNC_PEERS", HERE.parent / ".peers"))
#: What a peer needs besides its own distribution.
ALSO = {"order-book": ("orjson",)}
#: Not a handler: a book that others put a handler around.
BOOKS_ONLY = {"order-book"}


# -- where the peers are --------------------------------------------------------------


def python_of(root: Path, name: str) -> Path:
    folder = "Scripts" if os.name == "nt" else "bin"
    return root / name / folder / "python"


def interpreter(name: str) -> Path | None:
    """Who can run the peer: this Python, or that of its own environment."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        metadata.version(PEERS[name][0])
        return Path(sys.executable)
    own = python_of(ROOT, name)
    return own if own.exists() else None


def pinned(name: str) -> list[str]:
    """Return the requirements of a peer, as the extra ``bench`` has them."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))
    wanted = (PEERS[name][0], *ALSO.get(name, ()))
    return [
        line
        for line in project["project"]["optional-dependencies"]["bench"]
        if re.split(r"[^\w.-]", line, maxsplit=1)[0] in wanted
    ]


def install(names: Sequence[str]) -> None:
    """Make an environment for each of ``names``, with the pinned release."""
    ROOT.mkdir(parents=True, exist_ok=True)
    (ROOT / ".gitignore").write_text("*\n")
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}"
                      + os.environ.get("PATH", ""))  # fmt: skip
    for name in names:
        venv.create(ROOT / name, with_pip=uv is None, clear=True)
        python = python_of(ROOT, name)
        pip = [uv, "pip", "install", "--python", python] if uv else [
            python, "-m", "pip", "install"]  # fmt: skip
        print(f"installing {name} into {ROOT / name}", file=sys.stderr)
        subprocess.run([*map(str, pip), "--quiet", *pinned(name)], check=True)


# -- measuring ------------------------------------------------------------------------


def begun(workload: Workload) -> Workload:
    """
    Have the snapshot come before the first frame that goes past it.

    Recorded is its answer's arrival, some frames later. ccxt.pro applies but one of
    the frames that a coin margined book held back for it: its check would then drop
    the book, and there is no second snapshot.
    """
    last = json.loads(workload.body)["lastUpdateId"]
    every = [*workload.before, *workload.frames]
    stale = [raw for raw in every if json.loads(raw)["data"]["u"] <= last]
    return dataclasses.replace(workload, before=stale, frames=every[len(stale) :])


def work_of(workload: Workload) -> Work:
    """Make what a process of its own is given."""
    return Work(
        workload.venue, workload.symbol, workload.url, workload.body,
        workload.before, workload.frames,
    )  # fmt: skip


def truth(workload: Workload) -> tuple[list[list[str]], list[list[str]]]:
    """Replay the texts naively, in exact numbers; no code of ours or a peer's."""
    snapshot = json.loads(workload.body)
    sides: dict[str, dict[Decimal, Decimal]] = {
        short: {Decimal(p): Decimal(s) for p, s in snapshot[long]}
        for short, long in (("b", "bids"), ("a", "asks"))
    }
    for raw in [*workload.before, *workload.frames]:
        data = json.loads(raw)["data"]
        if data["u"] <= snapshot["lastUpdateId"]:
            continue
        for short, side in sides.items():
            for price, size in data[short]:
                side[Decimal(price)] = Decimal(size)
    bids, asks = (
        sorted((level for level in side.items() if level[1]), reverse=reverse)
        for side, reverse in ((sides["b"], True), (sides["a"], False))
    )
    return spelled(bids), spelled(asks)


def agreement(answer: dict[str, Any], bids: list[Any], asks: list[Any]) -> str:
    """How far the book is the naive one."""
    if answer["digest"] == digest(bids, asks):
        return "whole book"
    if answer["top"] == [bids[:TOP], asks[:TOP]]:
        return f"top {TOP}"
    return "no"


class Entrant:
    """Someone who is measured: its process, its rounds."""

    def __init__(self, name: str, worker: Worker) -> None:
        self.name = name
        self.worker = worker
        self.version = ""
        self.agrees = ""
        self.skipped = ""
        #: Of each round; by whether the best prices were read.
        self.seconds: dict[bool, list[float]] = {True: [], False: []}

    @property
    def spent(self) -> float:
        return sum(sum(seconds) for seconds in self.seconds.values())

    def measure(self, frames: int, last: list[Any]) -> None:
        """Run one round, if there is time; who fails is left out from then on."""
        if self.skipped or self.spent >= BUDGET:
            return
        try:
            for read, seconds in self.seconds.items():
                answer = self.worker.ask(frames=frames, read=read)
                self.agrees = agreement(answer, *last)
                if self.agrees == "no":
                    self.skipped = "its book ends wrong"
                    return
                seconds.append(answer["seconds"])
        except Failed as error:
            self.skipped = str(error)


def entrants(path: Path, names: Sequence[str]) -> Iterator[Entrant]:
    """Start ours and every peer that is installed."""
    for numbers in NUMBERS:
        command = [sys.executable, "-m", "benchmarks._ours", numbers, str(path)]
        yield Entrant(numbers, Worker(command))
    for name in names:
        python = interpreter(name)
        if python is None:
            continue
        command = [str(python), "-I", str(HERE / "_peer.py"), name, str(path)]
        yield Entrant(name, Worker(command))


def run(
    *,
    rounds: int = ROUNDS,
    frames: int = MAX_FRAMES,
    names: Sequence[str] = tuple(PEERS),
    workload: Workload | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield ours to each peer's, for both number types, read and unread."""
    found = []
    for given in workloads() if workload is None else [workload]:
        one = begun(given)
        del one.frames[frames:]
        for record in records(one, measured(one, rounds, names), names):
            found.append(record)
            yield record
    yield from means(found)


def measured(
    workload: Workload, rounds: int, names: Sequence[str]
) -> Sequence[Entrant]:
    """Measure all, interleaved: ours first, then the peers that are installed."""
    last = list(truth(workload))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = Path(folder) / "work.json"
        path.write_text(json.dumps(work_of(workload)._asdict()))
        there = list(entrants(path, names))
        for entrant in there:
            stack.callback(entrant.worker.close)
        for entrant in there[len(NUMBERS) :]:
            try:
                entrant.version = entrant.worker.read()["version"]
            except Failed as error:
                entrant.skipped = str(error)
        for at in range(rounds):
            told = f"{workload.name}, round {at + 1} of {rounds}"
            print(told, file=sys.stderr, flush=True)
            for entrant in there:
                entrant.measure(len(workload.frames), last)
    return there


def records(
    workload: Workload, there: Sequence[Entrant], names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    ours, theirs = there[: len(NUMBERS)], there[len(NUMBERS) :]
    for one in ours:
        if one.skipped or one.agrees != "whole book":
            raise AssertionError(f"ours {one.name}: {one.skipped or one.agrees}")
    common = {"benchmark": "peers", "workload": workload.name}
    count = len(workload.frames)
    there_too = {peer.name: peer for peer in theirs if not peer.skipped}
    failed = {peer.name: peer.skipped for peer in theirs if peer.skipped}
    for name in names:
        if name not in there_too:
            reason = failed.get(name, "not installed")
            yield {**common, "case": name, "ratio": None, "skipped": reason}
            continue
        for one in ours:
            for found in compared(one, there_too[name], count):
                yield {**common, **found}
    for found in against_fastest(ours, list(there_too.values())):
        yield {**common, **found}


def against_fastest(
    ours: Sequence[Entrant], peers: Sequence[Entrant]
) -> Iterator[dict[str, Any]]:
    handlers = [peer for peer in peers if peer.name not in BOOKS_ONLY]
    if not handlers:
        return
    fastest = min(handlers, key=lambda peer: min(peer.seconds[True]))
    for one in ours:
        yield {
            "case": f"{one.name}/fastest",
            "ratio": of_fastest(one, fastest, read=True),
            "peer": fastest.name,
        }


def compared(one: Entrant, peer: Entrant, frames: int) -> Iterator[dict[str, Any]]:
    for read, suffix in ((True, ""), (False, "/unread")):
        yield {
            "case": f"{one.name}/{peer.name}{suffix}",
            "ratio": of_fastest(one, peer, read=read),
            "us_per_frame": per_frame(one.seconds[read], frames),
            "peer_us_per_frame": per_frame(peer.seconds[read], frames),
            "rounds": len(peer.seconds[read]),
            "version": peer.version,
            "agrees": peer.agrees,
        }


def of_fastest(one: Entrant, peer: Entrant, *, read: bool) -> float:
    """Ratio of the fastest rounds: not all did as many."""
    return round(min(one.seconds[read]) / min(peer.seconds[read]), 4)


def per_frame(seconds: Sequence[float], frames: int) -> float:
    return round(min(seconds) / frames * 1e6, 2)


def means(found: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the geometric mean of each case, over the workloads that have it."""
    ratios: dict[str, list[float]] = {}
    for record in found:
        if record["ratio"] is not None:
            ratios.setdefault(record["case"], []).append(record["ratio"])
    for case, every in ratios.items():
        yield {
            "benchmark": "peers",
            "workload": "geometric mean",
            "case": case,
            "ratio": round(geometric_mean(every), 4),
            "workloads": len(every),
        }


def main(given: Sequence[str]) -> int:
    """``install [NAME …]``."""
    names = list(given[1:]) or list(PEERS)
    if given[:1] != ["install"] or set(names) - set(PEERS):
        print(f"usage: python -m benchmarks.peers install [{' '.join(PEERS)}]")
        return 2
    install(names)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
