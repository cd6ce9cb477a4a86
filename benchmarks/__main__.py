"""``python -m benchmarks [NAME …] [--json] [--rounds N]``."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import logging
import pkgutil
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks._workers import Failed
from booksync.errors import ConfigurationError

NOT_BENCHMARKS = {"workload", "readme", "__main__"}
#: Run only when named.
LONG = {"faults", "soak"}


def names() -> list[str]:
    """Benchmarks that run unless others are named."""
    found = (info.name for info in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(
        name for name in found if name not in NOT_BENCHMARKS | LONG and name[0] != "_"
    )


def cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "cpu": cpu(),
        **{
            name: version(name)
            for name in ("msgspec", "sortedcontainers", "websockets")
        },
    }


def show(record: dict[str, Any]) -> str:
    head = f"{record['benchmark']:8} {record['case']:24} {record['workload']:32}"
    rest = "  ".join(
        f"{key}={value}"
        for key, value in record.items()
        if key not in ("benchmark", "case", "workload", "ratio")
    )
    ratio = record.get("ratio")
    return f"{head} {'' if ratio is None else f'{ratio:7.2f}x'}  {rest}"


def count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"not a count: {text}")
    return number


def main() -> int:
    known = [*names(), *sorted(LONG)]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"any of: {', '.join(known)}")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--rounds", type=count, help="rounds of each measurement")
    parser.add_argument("--only", help="faults: cases whose name contains this")
    parser.add_argument(
        "--frames", type=count, help="feed, memory, peers, scale, soak: how many frames"
    )
    given = parser.parse_args()
    unknown = set(given.name) - set(known)
    if unknown:
        print(
            f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(known)}",
            file=sys.stderr,
        )
        return 2
    wanted = {"rounds": given.rounds, "only": given.only, "frames": given.frames}
    print(json.dumps(machine()), file=sys.stderr)
    # That books are withheld is what some of them are about.
    logging.getLogger("booksync").addHandler(logging.NullHandler())
    name = ""
    try:
        for name in given.name or names():
            module = importlib.import_module(f"benchmarks.{name}")
            takes = inspect.signature(module.run).parameters
            settings = {
                key: value
                for key, value in wanted.items()
                if key in takes and value is not None
            }
            for record in module.run(**settings):
                line = json.dumps(record) if given.json else show(record)
                print(line, flush=True)
    except KeyboardInterrupt:
        return 130
    except (ConfigurationError, Failed) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
