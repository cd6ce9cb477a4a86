"""``python -m tests.fuzz [venue ...] [--seconds N]``: see :mod:`tests.fuzz`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from booksync import venues
from booksync.errors import ConfigurationError
from tests.fuzz import chance
from tests.fuzz.cases import Case
from tests.fuzz.target import Target


def main() -> int:
    """Fuzz; 1 if something happened that must not."""
    chosen = _arguments()
    names = chosen.venue or list(venues.available())
    if chosen.replay is not None:
        return _replay(names[0], chosen.replay)
    guided = not chosen.chance and importlib.util.find_spec("atheris") is not None
    how = "guided by coverage (atheris)" if guided else "by chance"
    _say(f"fuzzing {len(names)} venues, {how}, {chosen.seconds} s each")
    folder = Path(chosen.folder or tempfile.mkdtemp(prefix="booksync-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)

    def fuzz(name: str) -> int:
        work = _guided if guided else _by_chance
        return work(name, chosen.seconds, chosen.seed, folder)

    with ThreadPoolExecutor(chosen.jobs) as pool:
        found = sum(pool.map(fuzz, names))
    _say(f"{found or 'no'} findings{f' in {folder}' if found else ''}")
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Feed the venues what no venue would send.",
    )
    parser.add_argument("venue", nargs="*", help="ids of venues; by default all")
    parser.add_argument("--seconds", type=int, default=20, help="for each venue")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once")
    parser.add_argument("--folder", help="for findings and corpus; kept")
    parser.add_argument("--chance", action="store_true", help="without atheris")
    parser.add_argument("--replay", type=Path, help="a finding's file: feed it again")
    chosen = parser.parse_args()
    try:
        for name in chosen.venue:
            venues.get(name)
    except ConfigurationError as error:
        parser.error(str(error))
    if chosen.replay is not None and len(chosen.venue) != 1:
        parser.error("--replay needs the venue that the file is for")
    return chosen


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _replay(venue: str, path: Path) -> int:
    case = Case.decode(path.read_bytes())
    for record in case.records:
        _say(f"{record.kind.name.lower():12} {record.data[:2_000]!r}")
    finding = chance.fails(Target(venue), case)
    _say("nothing happens" if finding is None else chance.told(finding))
    return 0 if finding is None else 1


def _guided(venue: str, seconds: int, seed: int, folder: Path) -> int:
    """Fuzz in a process of its own; findings are files."""
    command = [sys.executable, "-m", "tests.fuzz.guided", venue]
    done = subprocess.run(
        [*command, str(seconds), str(seed), str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    found = sorted(folder.glob(f"{venue}-*.case")) + sorted(
        folder.glob(f"{venue}-*-*")  # libFuzzer's own: timeouts, memory, crashes
    )
    cases = next((line for line in done.stderr.splitlines() if "executed" in line), "")
    _say(f"{venue:18} {cases.rpartition(' ')[2]:>9} cases, {len(found)} findings")
    for path in found:
        text = path.with_suffix(".txt")
        trace = text.read_text() if text.exists() else done.stderr[-2_000:]
        _tell(venue, path, trace)
    if done.returncode and not found:
        _say(done.stderr[-2_000:])
    return len(found) or abs(done.returncode)


def _by_chance(venue: str, seconds: int, seed: int, folder: Path) -> int:
    """Fuzz in a process of its own: threads would share one processor."""
    code = "import sys; from tests.fuzz.__main__ import alone; alone(*sys.argv[1:])"
    command = [sys.executable, "-c", code, venue, str(seconds), str(seed), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    _say(done.stdout.rstrip() or done.stderr[-2_000:])
    return abs(done.returncode)


def alone(venue: str, seconds: str, seed: str, folder: str) -> None:
    """Fuzz by chance; the exit status is the number of findings."""
    count, found = chance.fuzz(venue, seed=int(seed), seconds=int(seconds))
    _say(f"{venue:18} {count:>9} cases, {len(found)} findings")
    for number, finding in enumerate(found, 1):
        path = Path(folder) / f"{venue}-{number}.case"
        path.write_bytes(finding.case.encode())
        _tell(venue, path, finding.text)
    sys.exit(len(found))


def _tell(venue: str, path: Path, trace: str) -> None:
    _say("\n".join(f"    {line}" for line in trace.rstrip().splitlines()[-8:]))
    _say(f"    again: python -m tests.fuzz {venue} --replay {path}")


if __name__ == "__main__":
    sys.exit(main())
