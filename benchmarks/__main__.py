"""``python -m benchmarks [NAME …] [--json] [--rounds N]``."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import benchmarks

NOT_BENCHMARKS = {"workload", "readme", "__main__"}


def names() -> list[str]:
    found = (info.name for info in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(
        name for name in found if name not in NOT_BENCHMARKS and name[0] != "_"
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


def main() -> int:
    known = names()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"any of: {', '.join(known)}")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement")
    given = parser.parse_args()
    unknown = set(given.name) - set(known)
    if unknown:
        print(
            f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(known)}",
            file=sys.stderr,
        )
        return 2
    settings = {} if given.rounds is None else {"rounds": given.rounds}
    print(json.dumps(machine()), file=sys.stderr)
    try:
        for name in given.name or known:
            module = importlib.import_module(f"benchmarks.{name}")
            for record in module.run(**settings):
                line = json.dumps(record) if given.json else show(record)
                print(line, flush=True)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
