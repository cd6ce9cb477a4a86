"""
A matrix of faults: kind x dialect x one or two lines, each dealt alone, over loopback.

One fault is dealt to a feed of two live books; then the run waits until all is live
again. ``outcome`` says what became of it:

* ``withheld``: noticed, the book was withheld, and a resync brought it back;
* ``filled``: noticed on one of two lines, and the other line's book was served;
* ``harmless``: nothing was withheld, and no read was wrong: the fault cost nothing;
* ``audited``: nothing in the stream can show it; an audit found the wrong book;
* ``healed``: nothing showed it, and later changes overwrote what was wrong;
* ``unseen``: reads were wrong and nothing found it;
* ``-``: this dialect has nothing that this fault could happen to.

``notice_s`` runs from the fault to the first event that tells of it, ``withheld_s`` is
the time without a readable book, ``waiting_s`` that at an older sequence (two lines),
``wrong`` counts wrong reads, of ``checked``. ``after_s`` is how long the worst book was
wrong. Audits run once a second where the venue has REST snapshots.

``corrupt`` alters a level on the first of two lines, or all that the venue sends on a
single one: every book is audited every two seconds, by REST, by the other line, or by
a second connection.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks._arena import DIALECTS, Bout, Dialect, bout
from booksync.testing import REST_FAULTS, Fault
from booksync.venues import Assurance

__all__ = ["run"]

#: Bouts at the same time.
TOGETHER = 10
#: Seconds for books to go live, for a fault to happen, and to heal.
START, HAPPEN, HEAL = 10.0, 2.0, 12.0
#: Seconds that a bout goes on before its fault, and after it at least.
BEFORE, AFTER = 0.3, 1.5
#: Until a connection's own pace is known.
PACE = 10.5
#: As long as a silent connection is borne here, and some more.
SILENT = 4.0
LOOK = 0.005
#: Seconds between two audits of a book that is corrupted.
AUDIT = 2.0
#: A whole connection's.
WIDE = {
    Fault.SILENCE, Fault.HALF_OPEN, Fault.BURST, Fault.DELAY,
    Fault.CUT_CLEAN, Fault.CUT_1006, Fault.CUT_1012,
}  # fmt: skip
#: These last longer than any patience here.
LONG = {Fault.SILENCE: 8.0, Fault.HALF_OPEN: 8.0, Fault.HANG: 3.0}


def run(
    rounds: int = 1, only: str = "", dialects: Sequence[Dialect] = DIALECTS
) -> Iterator[dict[str, Any]]:
    """
    Deal every fault to every dialect.

    Args:
        rounds: How often each, with another seed.
        only: Deal only to cases whose name (``okx/drop/lines=2``) contains this.
        dialects: Which.

    """
    cases = [
        (dialect, kind, lines, seed)
        for seed in range(1, rounds + 1)
        for dialect in dialects
        for kind in Fault
        for lines in (1, 2)
        if only in _name(dialect, kind, lines) and _can(dialect, kind, lines)
    ]
    found = []
    for start in range(0, len(cases), TOGETHER):
        some = cases[start : start + TOGETHER]
        print(f"{start} of {len(cases)} bouts", end="\r", file=sys.stderr, flush=True)
        records = asyncio.run(_together(some))
        found += records
        yield from records
    yield _summary(found)


def _summary(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    done = [record for record in records if record["outcome"] != "-"]
    outcomes = Counter(record["outcome"] for record in records)
    seen = [record for record in done if not record["expected_wrong"]]
    return {
        "benchmark": "faults",
        "case": "all",
        "workload": "loopback",
        "bouts": len(done),
        **outcomes,
        "checked": sum(record["checked"] for record in done),
        "wrong_where_it_shows": sum(record["wrong"] for record in seen),
        "not_live_at_the_end": [r["case"] for r in done if not r["live"]],
    }


def _name(dialect: Dialect, kind: Fault, lines: int) -> str:
    return f"{dialect.venue}/{kind.value}/lines={lines}"


def _can(dialect: Dialect, kind: Fault, lines: int) -> bool:
    if lines == 2 and (dialect.blind or kind in REST_FAULTS):
        return False  # no numbers to hand over by; not a line's fault
    return kind not in REST_FAULTS or dialect.audited


async def _together(
    cases: Sequence[tuple[Dialect, Fault, int, int]],
) -> list[dict[str, Any]]:
    return await asyncio.gather(*(_case(*case) for case in cases))


async def _case(dialect: Dialect, kind: Fault, lines: int, seed: int) -> dict[str, Any]:
    audits = {"audit_every": AUDIT} if kind is Fault.CORRUPT else {}
    async with bout(dialect, lines=lines, seed=seed, **audits) as one:
        record: dict[str, Any] = {
            "benchmark": "faults",
            "case": _name(dialect, kind, lines),
            "workload": "loopback",
        }
        await _until(one, lambda: one.live, START)
        await _for(one, PACE if kind in LONG else BEFORE)
        before = one.snapshots
        one.listen()
        happened = await _deal(one, kind, lines)
        if happened is None:
            return {**record, "outcome": "-"}
        await _for(one, SILENT if kind in LONG else AFTER)
        await _until(one, lambda: one.live and not _still_wrong(one), HEAL)
        await _for(one, BEFORE)
        return {**record, **_told(one, kind, happened, before)}


async def _deal(one: Bout, kind: Fault, lines: int) -> float | None:
    """Deal the fault; return when it happened."""
    faults, (symbol, _) = one.server.faults, one.exchange.symbols
    connection = one.server.connections[0].id if lines > 1 else None
    if kind is Fault.CORRUPT:
        faults.corrupt(symbol, connection=connection)
    else:
        faults.inject(
            kind,
            symbol=symbol if kind not in WIDE and lines == 1 else None,
            connection=connection,
            seconds=LONG.get(kind),
        )
    if kind in REST_FAULTS:
        faults.inject(Fault.CUT_1006)  # so that somebody asks
    if await _until(one, lambda: faults.injected[kind.value], HAPPEN):
        return one.now
    faults.calm()
    return None


async def _until(one: Bout, condition: Any, seconds: float) -> bool:
    end = one.now + seconds
    while not condition() and one.now < end:
        one.look()
        await asyncio.sleep(LOOK)
    return bool(condition())


async def _for(one: Bout, seconds: float) -> None:
    await _until(one, lambda: False, seconds)


def _still_wrong(one: Bout) -> bool:
    return any(watch.wrong_since is not None for watch in one.watches.values())


def _told(one: Bout, kind: Fault, happened: float, before: int) -> dict[str, Any]:
    watches, now = one.watches.values(), one.now
    for watch in watches:
        if watch.gone is not None:
            watch.withheld_s += now - watch.gone
        if watch.wrong_since is not None:
            watch.wrong_s += now - watch.wrong_since
    withheld = max(watch.withheld_s for watch in watches)
    told, cause = one.told or (None, "")
    if one.wrong and not cause:
        outcome = "unseen" if _still_wrong(one) else "healed"
    elif one.wrong:
        outcome = "audited"
    elif withheld:
        outcome = "withheld"
    else:
        outcome = "filled" if cause else "harmless"
    return {
        "outcome": outcome,
        "cause": cause,
        "notice_s": None if told is None else round(max(told - happened, 0.0), 3),
        "withheld_s": round(withheld, 3),
        "waiting_s": round(one.waiting_s, 3),
        "snapshots": one.snapshots - before,
        "wrong": one.wrong,
        "after_s": round(max(watch.wrong_s for watch in watches), 3),
        "checked": sum(watch.checked for watch in watches),
        "live": one.live,
        "expected_wrong": _may_be_wrong(one.dialect, kind),
    }


def _may_be_wrong(dialect: Dialect, kind: Fault) -> bool:
    """Whether nothing in the stream can show the fault."""
    hashed = dialect.kind.facts.assurance is Assurance.CHECKSUMMED
    return dialect.blind or (kind is Fault.CORRUPT and not hashed)
