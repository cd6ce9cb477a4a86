"""
The same frames through each peer's own handler, each in a process of its own.

What is timed: a frame's text goes into the first code of the library that a socket
would call, the library's book changes, the best bid and ask are read. ``unread`` is the
same without the last step: some peers sort when they are read. Every book must end as a
naive replay of the same texts does: wholly, or its best 25 levels a side where the peer
keeps no more.

Peers come with the extra ``bench``, or into environments of their own by
``python -m benchmarks.peers install [NAME …]``; one that is not installed is reported
as skipped.
"""

from __future__ import annotations

import contextlib
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
from statistics import median
from typing import Any

from benchmarks._peer import PEERS, TOP, Work, digest, spelled
from benchmarks._timing import ratio
from benchmarks._workers import HERE, Failed, Worker
from benchmarks.workload import Workload, generated, recorded

__all__ = ["main", "run"]

ROUNDS = 4
FRAMES = 500
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

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.worker = Worker(command)
        self.version = ""
        self.agrees = ""
        self.skipped = ""
        self.seconds: dict[bool, list[float]] = {True: [], False: []}

    def measure(self, frames: int, *, read: bool, last: list[Any]) -> None:
        """Run one round; who fails is left out from then on."""
        if self.skipped:
            return
        try:
            answer = self.worker.ask(frames=frames, read=read)
        except Failed as error:
            self.skipped = str(error)
            return
        self.agrees = agreement(answer, *last)
        self.seconds[read].append(answer["seconds"])


def entrants(path: Path, names: Sequence[str]) -> Iterator[Entrant]:
    """Start ours and every peer that is installed."""
    for numbers in NUMBERS:
        module = "benchmarks._ours"
        yield Entrant(numbers, [sys.executable, "-m", module, numbers, str(path)])
    for name in names:
        python = interpreter(name)
        if python is None:
            continue
        script = HERE / "_peer.py"
        yield Entrant(name, [str(python), "-I", str(script), name, str(path)])


def workloads_of(frames: int) -> list[Workload]:
    """The recorded spot frames where they are, and generated ones of a deep book."""
    name = "generated-5000"
    found = [
        recorded("binance_spot_btcusdt_20240808", "binance")
        or generated(levels=1_000, frames=frames, name="generated-1000"),
        generated(levels=5_000, frames=frames, seed=2, name=name),
    ]
    for workload in found:
        del workload.frames[frames:]
    return found


def run(
    *,
    rounds: int = ROUNDS,
    frames: int = FRAMES,
    names: Sequence[str] = tuple(PEERS),
    workload: Workload | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield ours to each peer's, for both number types, read and unread."""
    chosen = workloads_of(frames) if workload is None else [workload]
    for one in chosen:
        yield from records(one, measured(one, rounds, names), names)


def measured(
    workload: Workload, rounds: int, names: Sequence[str]
) -> Sequence[Entrant]:
    """Measure all, interleaved: ours first, then the peers that are installed."""
    last = list(truth(workload))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = Path(folder) / "work.json"
        work = Work(
            workload.symbol, workload.url, workload.body, workload.before,
            workload.frames,
        )  # fmt: skip
        path.write_text(json.dumps(work._asdict()))
        there = list(entrants(path, names))
        for entrant in there:
            stack.callback(entrant.worker.close)
        for entrant in there[len(NUMBERS) :]:
            try:
                entrant.version = entrant.worker.read()["version"]
            except Failed as error:
                entrant.skipped = str(error)
        for _ in range(rounds):
            for read in (True, False):
                for entrant in there:
                    entrant.measure(len(workload.frames), read=read, last=last)
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
    fastest = min(handlers, key=lambda peer: median(peer.seconds[True]))
    for one in ours:
        yield {
            "case": f"{one.name}/fastest",
            "ratio": ratio(one.seconds[True], fastest.seconds[True]),
            "peer": fastest.name,
        }


def compared(one: Entrant, peer: Entrant, frames: int) -> Iterator[dict[str, Any]]:
    for read, suffix in ((True, ""), (False, "/unread")):
        yield {
            "case": f"{one.name}/{peer.name}{suffix}",
            "ratio": ratio(one.seconds[read], peer.seconds[read]),
            "us_per_frame": per_frame(one.seconds[read], frames),
            "peer_us_per_frame": per_frame(peer.seconds[read], frames),
            "version": peer.version,
            "agrees": peer.agrees,
        }


def per_frame(seconds: Sequence[float], frames: int) -> float:
    return round(median(seconds) / frames * 1e6, 2)


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
