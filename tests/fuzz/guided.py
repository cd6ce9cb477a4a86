"""
Fuzzing one venue with atheris, which sees what of booksync a case reaches.

``python -m tests.fuzz.guided VENUE SECONDS SEED FOLDER`` is a process of its own:
atheris must see booksync's modules being imported, and ends the process when it is
done.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Bytes of the longest case.
LONGEST = 128 * 1024
#: Part of the cases that are changed as JSON and records, the others as bytes.
BY_RECORDS = 0.7


def main(venue: str, seconds: int, seed: int, folder: Path) -> None:
    """Fuzz until the time is over, and end the process; what is found is a file."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["booksync"]):
        importlib.import_module("booksync.feed")
        importlib.import_module("booksync.venues").available()
    corpus = folder / venue
    corpus.mkdir(parents=True, exist_ok=True)
    options = (
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-max_len={LONGEST}",
        f"-artifact_prefix={folder}/{venue}-",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    )
    run, change = _work(atheris, venue, folder, corpus)
    arguments = [sys.argv[0], *options, str(corpus)]
    atheris.Setup(arguments, run, custom_mutator=change)
    atheris.Fuzz()


def _work(
    atheris: Any, venue: str, folder: Path, corpus: Path
) -> tuple[Callable[[bytes], None], Callable[[bytes, int, int], bytes]]:
    """Make what atheris calls: to feed a case, and to change one."""
    from tests.fuzz import chance, seeds  # noqa: PLC0415 - booksync is instrumented
    from tests.fuzz.cases import Case  # noqa: PLC0415
    from tests.fuzz.mutate import Mutator  # noqa: PLC0415
    from tests.fuzz.target import Target  # noqa: PLC0415

    own = seeds.of(venue)
    target = Target(venue, patience=10.0)  # instrumented code is slow
    mutator = Mutator(random.Random(0), own, seeds.tokens(venue))
    for number, case in enumerate(own):
        (corpus / f"seed-{number}").write_bytes(case.encode())
    known: set[str] = set()

    def run(data: bytes) -> None:
        case = Case.decode(data)
        finding = chance.fails(target, case)
        if finding is None or chance.signature(finding) in known:
            return
        known.add(chance.signature(finding))
        path = folder / f"{venue}-{len(known)}.case"
        path.write_bytes(chance.shortened(target, case).encode())
        path.with_suffix(".txt").write_text(chance.told(finding))

    def change(data: bytes, most: int, number: int) -> bytes:
        mutator.chance.seed(number)
        if mutator.chance.random() > BY_RECORDS:
            changed: bytes = atheris.Mutate(data, most)
            return changed
        return mutator.mutated(Case.decode(data)).encode()[:most]

    return run, change


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
