"""Fuzzing without atheris: seeds, changed at random; the same seed, the same run."""

from __future__ import annotations

import random
import time
import traceback
from pathlib import Path
from typing import NamedTuple

import booksync
from tests.fuzz import seeds
from tests.fuzz.cases import Case
from tests.fuzz.mutate import Mutator
from tests.fuzz.target import Finding, Target

PACKAGE = Path(booksync.__file__).parent
#: Different findings after which it ends.
ENOUGH = 10


class Found(NamedTuple):
    """A case that did what it must not, as short as could be made."""

    case: Case
    text: str


def fuzz(
    venue: str,
    *,
    seed: int,
    cases: int | None = None,
    seconds: float | None = None,
    recorded: bool = True,
    target: Target | None = None,
) -> tuple[int, list[Found]]:
    """
    Feed changed seeds to ``venue``.

    Args:
        venue: Its id.
        seed: Of all that is random.
        cases: How many at most.
        seconds: For how long at most.
        recorded: Begin with recorded frames too, where they are at hand.
        target: What is fed; by default the venue as it is.

    Returns:
        How many cases were fed, and what happened that must not, each once.

    """
    target = target or Target(venue)
    own = seeds.of(venue, recorded=recorded)
    chance = random.Random(f"{venue} {seed}")
    mutator = Mutator(chance, own, seeds.tokens(venue))
    end = None if seconds is None else time.monotonic() + seconds
    kept = list(own)
    found: dict[str, Found] = {}
    count = 0
    while (cases is None or count < cases) and (end is None or time.monotonic() < end):
        case = own[count] if count < len(own) else mutator.mutated(chance.choice(kept))
        if count >= len(own) and chance.random() < 0.2:
            kept[chance.randrange(len(kept))] = case  # walk on from here
            kept[chance.randrange(len(kept))] = chance.choice(own)
        count += 1
        finding = fails(target, case)
        if finding is not None and signature(finding) not in found:
            found[signature(finding)] = Found(shortened(target, case), told(finding))
            if len(found) == ENOUGH:
                break
    return count, list(found.values())


def fails(target: Target, case: Case) -> Finding | None:
    """Say what happens that must not; ``None`` if all is well."""
    try:
        target.run(case)
    except Finding as finding:
        return finding
    return None


def signature(finding: Finding) -> str:
    """Tell findings apart: by the line of booksync where it happened."""
    error = finding.__cause__ or finding
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    if not ours:
        return f"{type(error).__name__} {str(finding)[:40]}"
    where = Path(ours[-1].filename).relative_to(PACKAGE)
    return f"{type(error).__name__} in {where}:{ours[-1].lineno}"


def told(finding: Finding) -> str:
    """Give the whole trace of a finding."""
    return "".join(traceback.format_exception(finding))


def shortened(target: Target, case: Case) -> Case:
    """Leave records out for as long as it still fails."""
    at = 0
    while at < len(case.records) and len(case.records) > 1:
        fewer = case._replace(records=case.records[:at] + case.records[at + 1 :])
        if fails(target, fewer) is None:
            at += 1
        else:
            case = fewer
    return case
