"""
``python -m tests.mutants [MODULE …] [--every N] [--jobs N] [--list]``.

Copies the project, tells one small lie in the copy (a comparison, a condition, a
number, a statement left out), and runs the tests of that module. A lie that no test
notices *survives*: either a test is missing, or the lie makes no difference, and then
``equivalent.py`` says why. Exit code 1 if one survives that is not named there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.mutations import Mutation, mutations

ROOT = Path(__file__).parents[2]
#: The tests of each module, quickest first.
TESTS = {
    "sync": [
        "test_sync",
        "test_lateness",
        "test_engine",
        "test_auditing",
        "test_sync_stateful",
    ],
    "asking": ["test_sync", "test_sync_stateful"],
    "buffering": ["test_buffering"],
    "lateness": ["test_lateness"],
    "straggling": ["test_straggling"],
    "probing": ["test_probing"],
    "connection": ["test_connection", "test_probing"],
    "listening": [
        "test_connection",
        "test_straggling",
        "test_probing",
        "test_engine",
    ],
    "arbitration": [
        "test_arbitration",
        "test_rotation",
        "test_comparing",
        "test_engine",
    ],
    "comparing": ["test_comparing"],
    "succession": ["test_rotation", "test_comparing", "test_engine"],
    "budget": ["test_budget", "test_fetching", "test_scheduling"],
    "states": ["test_states", "test_sync"],
}
#: Lies of each module that are told by default: these many at least.
USUAL = 20
#: Seconds after which tests that do not end have noticed.
PATIENCE = 180.0
COPIED = ("booksync", "tests", "benchmarks", "pyproject.toml", "README.md")


def main() -> int:
    """Tell them; 1 if one survives."""
    given = _arguments()
    chosen = [
        (module, mutation)
        for module in given.module or TESTS
        for mutation in _spread(module, given.every)
    ]
    if given.list:
        for module, mutation in chosen:
            _say(f"{module}.{mutation.name}")
        return 0
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(given.jobs):
            copies.put(_copy(Path(folder) / str(number) / "main"))
        with ThreadPoolExecutor(given.jobs) as pool:
            results = pool.map(lambda one: _tell(copies, *one), chosen)
            for number, ((module, mutation), noticed) in enumerate(
                zip(chosen, results, strict=True), 1
            ):
                name = f"{module}.{mutation.name}"
                reason = EQUIVALENT.get(name)
                word = "killed" if noticed else "equivalent" if reason else "SURVIVED"
                survived += word == "SURVIVED"
                why = f" ({reason})" if word == "equivalent" else ""
                _say(f"{number}/{len(chosen)} {word:10} {name}{why}")
    _say(f"{len(chosen)} mutants, {survived} survived")
    return 1 if survived else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("module", nargs="*", help=f"any of: {', '.join(TESTS)}")
    parser.add_argument(
        "--every", type=int, help=f"each Nth; by default some {USUAL} of each module"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="name them only")
    given = parser.parse_args()
    unknown = set(given.module) - set(TESTS)
    if unknown:
        parser.error(f"no module {', '.join(sorted(unknown))} here")
    return given


def _spread(module: str, every: int | None) -> list[Mutation]:
    """Take mutations from all over a module, the same each time."""
    source = (ROOT / "booksync" / f"{module}.py").read_text("utf-8")
    return list(mutations(source, every=every, count=USUAL))


def _copy(target: Path) -> Path:
    target.mkdir(parents=True)
    for name in COPIED:
        path = ROOT / name
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, target / name, ignore=ignored)
        else:
            shutil.copy(path, target / name)
    return target


def _tell(copies: SimpleQueue[Path], module: str, mutation: Mutation) -> bool:
    """Whether the tests notice."""
    copy = copies.get()
    path = copy / "booksync" / f"{module}.py"
    truth = path.read_text("utf-8")
    try:
        path.write_text(mutation.source, "utf-8")
        return any(_fails(copy, test) for test in TESTS[module])
    finally:
        path.write_text(truth, "utf-8")
        copies.put(copy)


def _fails(copy: Path, test: str) -> bool:
    command = [
        sys.executable, "-m", "pytest", "-q", "-x", "--reruns=0",
        "-p", "no:cacheprovider", f"tests/{test}.py",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, timeout=PATIENCE,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
