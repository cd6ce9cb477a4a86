"""
The README's sections on speed and on faults, from stored results, and a chart.

``python -m benchmarks.readme`` runs every benchmark (some eight minutes), stores what
they found in ``benchmarks/results.jsonl`` and writes the sections and the chart;
``--stored`` writes them again from what is there. ``--faults`` runs the long ones
instead, ``faults`` and ``soak`` (some fifteen minutes), kept in ``faults.jsonl``.
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.__main__ import LONG, machine, names

__all__ = ["chart", "main", "section"]

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
FAULTS = HERE / "faults.jsonl"
CHART = HERE / "speed.svg"
README = HERE.parent / "README.md"
FAULTS_PART = re.compile(r"(<!-- faults -->\n).*?(<!-- /faults -->)", re.DOTALL)
PART = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)

T = TypeVar("T")
Record = dict[str, Any]
Row = Sequence[object]

GROWN = """\
Per level changed, in books of so many levels a side. Changes are as near the best price
as in the recordings; or scattered all over the book, in memory that is in no cache:"""

# -- tables ---------------------------------------------------------------------------


def short(value: object) -> str:
    """Three digits are all that a benchmark knows."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "" if value is None else str(value)
    if value and abs(value) < 0.1:
        return f"{value:.3f}"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}"


def table(head: Row, rows: Iterable[Row]) -> str:
    """Write a Markdown table; the first column is text."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(map(short, line))} |\n" for line in lines)


def by(records: Iterable[Record], *keys: str) -> dict[tuple[str, ...], Record]:
    """``(case's parts, …) -> record``, in order."""
    return {tuple(record[key] for key in keys): record for record in records}


def unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))


def split(case: str) -> tuple[str, str]:
    """``float/top 10`` -> ``float``, ``top 10``."""
    numbers, _, rest = case.partition("/")
    return numbers, rest


def apply(records: list[Record]) -> str:
    grown = [r for r in records if split(r["case"])[1].startswith("growth")]
    found = by(records, "workload", "case")
    rows = [
        [
            workload,
            *(found[workload, case]["ratio"] for case in CASES),
            *(found[workload, case].get("us_per_frame") for case in CASES[::2]),
        ]
        for workload, case in found
        if case == CASES[0]
    ]
    curve = table(
        ["times 1,000 levels", *(f"{n:,}" for n in unique(r["levels"] for r in grown))],
        [
            [
                case.replace("/growth", ""),
                *(r["ratio"] for r in grown if r["case"] == case),
            ]
            for case in unique(r["case"] for r in grown)
        ],
    )
    head = ["times the floor", *CASES, "float, µs a frame", "decimal, µs a frame"]
    return table(head, rows) + f"\n{GROWN}\n\n{curve}"


def queries(records: list[Record]) -> str:
    large = records[-1]["workload"]
    found = by(records, "case", "workload")
    rows = []
    for name in unique(split(record["case"])[1] for record in records):
        both = [found[f"{numbers}/{name}", large] for numbers in NUMBERS]
        keys = ("us_after_change", "us", "growth")
        rows.append([
            f"`{name}`", *(one[key] for one in both for key in keys), both[0]["ratio"],
        ])  # fmt: skip
    head = ["query", "float, µs", "again", "growth", "decimal, µs", "again", "growth",
            "times naive"]  # fmt: skip
    return table(head, rows)


def stages(records: list[Record]) -> str:
    found = by(records, "case", "workload")
    frames = unique(record["workload"] for record in records)
    rows = [
        [case.replace("/", ", "), *(found[case, on]["us_per_frame"] for on in frames)]
        for case in unique(record["case"] for record in records)
    ]
    return table(["µs a frame", *frames], rows)


def peers(records: list[Record]) -> str:
    cases: dict[str, list[Record]] = {}
    for record in records:
        if "skipped" not in record:
            cases.setdefault(record["case"], []).append(record)
    rows = []
    for name in unique(split(case)[1] for case in cases):
        if name.endswith("/unread"):
            continue
        *each, mean = cases[f"float/{name}"]
        ratios = [averaged(cases[f"{numbers}/{name}"]) for numbers in NUMBERS]
        if name == "fastest":
            who = f"fastest of each: {', '.join(unique(r['peer'] for r in each))}"
            rows.append([who, None, *ratios, None, str(mean["workloads"]), None])
            continue
        rows.append([
            f"{name} {each[0]['version']}",
            spread(record["peer_us_per_frame"] for record in each), *ratios,
            averaged(cases[f"float/{name}/unread"]), str(mean["workloads"]),
            ", ".join(unique(record["agrees"] for record in each)),
        ])  # fmt: skip
    head = ["peer", "its µs a frame", "float, times it", "decimal, times it",
            "float, unread", "workloads", "same book"]  # fmt: skip
    return table(head, rows) + absent(records)


def averaged(records: Sequence[Record]) -> str:
    """Write the mean of a case, and in brackets the least and the most, if many."""
    *each, mean = (record["ratio"] for record in records)
    return f"{short(mean)} ({spread(each)})" if len(each) > 1 else short(mean)


def spread(values: Iterable[float]) -> str:
    ordered = sorted(values)
    return " to ".join(unique(map(short, (ordered[0], ordered[-1]))))


def absent(records: list[Record]) -> str:
    """Name who could not be measured and why; and where, if elsewhere it could."""
    gone: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if "skipped" in record:
            gone.setdefault((record["case"], record["skipped"]), []).append(
                record["workload"]
            )
    there = {split(record["case"])[1] for record in records}
    missing = [
        f"{name}{' on ' + ', '.join(on) if name in there else ''} ({reason})"
        for (name, reason), on in gone.items()
    ]
    return "\n" + wrapped(f"Not measured: {'; '.join(missing)}.") if missing else ""


def feed(records: list[Record]) -> str:
    flood = [record for record in records if "frames_per_second" in record]
    rows = [
        [
            r["case"].replace("/saturated", ", bare client").replace("/", ", "),
            r["ratio"], r["us_per_frame"], r["frames_per_second"],
            r.get("bare_us_per_frame", r.get("peer_us_per_frame")),
            r.get("bare_frames_per_second", r.get("peer_frames_per_second")),
        ]
        for r in flood
    ]  # fmt: skip
    head = ["ours, against", "ratio", "our µs a frame", "our frames/s",
            "its µs a frame", "its frames/s"]  # fmt: skip
    paced = [record for record in records if "p99" in record]
    late = [
        [
            f"{split(r['case'])[0]}, {r['rate']:,} frames/s",
            *(r[f"{who}{part}"] for part in ("p50", "p99", "p999")
              for who in ("", "bare_")),
            "yes" if r["sustained"] else "no",
        ]
        for r in paced
    ]  # fmt: skip
    tall = ["delay in µs", *(f"{who}{part}" for part in ("p50", "p99", "p99.9")
            for who in ("", "bare ")), "sustained"]  # fmt: skip
    return f"{table(head, rows)}{absent(records)}\n{table(tall, late)}"


def scale(records: list[Record]) -> str:
    head = ["", "µs a frame", "times one book", "kB a book", "MB in all",
            "all live, CPU s", "all live by the venue's limit, s"]  # fmt: skip
    keys = ("us_per_frame", "ratio", "kb_per_book", "mb", "all_live_s", "budget_s")
    rows = [[r["case"].replace("/", ", "), *(r.get(key) for key in keys)]
            for r in records]  # fmt: skip
    return table(head, rows)


def memory(records: list[Record]) -> str:
    sizes = [record for record in records if "bytes_per_level" in record]
    rows = [[r["case"].replace("/", ", "), r["bytes_per_level"],
             r["dict_bytes_per_level"], r["ratio"]] for r in sizes]  # fmt: skip
    deltas = [
        f"{split(r['case'])[0]} {r['blocks_per_delta']:.0f} blocks, "
        f"{r['tracked_per_delta']:.0f} of them seen by the garbage collector"
        for r in records
        if "blocks_per_delta" in r
    ]
    count = next(r["levels_per_delta"] for r in records if "levels_per_delta" in r)
    head = ["", "bytes a level", "two dicts alone", "ratio"]
    kept = f"\nA delta of {count:.0f} levels allocates: {'; '.join(deltas)}.\n"
    return table(head, rows) + kept


def recover(records: list[Record]) -> str:
    rows = [
        [
            f"{r['case'].replace('/', ', ')}",
            r.get("us", r.get("ms", 0) * 1000),
            r.get("bare_us", r.get("bare_fetch_ms", 0) * 1000),
            r["ratio"],
        ]
        for r in records
        if "us" in r or "ms" in r
    ]
    crowds = [
        f"\n{r['case']} ({r['workload']}): the last is live after "
        f"{r['seconds']:,.0f} s, {r['ratio']} of the least that the budget allows; "
        f"expected times were wrong by {r['expected_wrong_by']:.1%} at most.\n"
        for r in records
        if "expected_wrong_by" in r
    ]
    return table(["", "µs", "bare, µs", "ratio"], rows) + "".join(crowds)


CASES = ("float/best", "float/top10", "decimal/best", "decimal/top10")
NUMBERS = ("float", "decimal")
#: What each benchmark's figures are.
MEANING = {
    "apply": """
        A raw frame until its event, every check on, then the best bid and ask (or ten
        levels a side) are read. The floor: a typed float decode by msgspec and a plain
        dict assignment of every level; no order, no checks.""",
    "peers": """
        The same frames through each library's own handler, the best prices read after
        each (but where it says unread); our time over its time: the geometric mean over
        those of the workloads above that it can do, and in brackets the least and the
        most. Snapshots are answered at once. Each book is compared at the end.""",
    "feed": """
        Over loopback: processor time a frame against a bare `websockets` client with
        the floor's decode, and against peers at the same server; `newest`: told of the
        newest book only (`conflate=True`), as the users of ccxt.pro are; else of each
        frame. Then the delay from the moment a frame is written until its event.""",
    "queries": """
        At 10,000 levels a side, after a change of one level, and asked again. Growth is
        over 1,000 levels; the naive way sorts plain dicts.""",
    "stages": """
        Where the time of a frame goes: each stage with all before it. The floor decodes
        and assigns; ours parses, writes the book, relates and tells, finds whose frame
        it is, and has its best prices read.""",
    "scale": "One engine on one core, books of 1,000 levels a side.",
    "memory": "A book of 5,000 levels a side, after some thousand deltas.",
    "recover": """
        From a gap to a live book: so many deltas were buffered, against loading and
        applying them to a bare book; over loopback, against the bare request.""",
}
TABLES: dict[str, Callable[[list[Record]], str]] = {
    "apply": apply,
    "stages": stages,
    "peers": peers,
    "feed": feed,
    "queries": queries,
    "scale": scale,
    "memory": memory,
    "recover": recover,
}


# -- the section and the chart --------------------------------------------------------


def section(lines: Sequence[Record]) -> str:
    """Write the README's part: machine, chart and tables."""
    made, *records = lines
    versions = ", ".join(f"{name} {v}" for name, v in made["versions"].items())
    intro = f"""
        Lower is better, but for frames a second. Made on {made["date"]} with CPython
        {made["python"]}, {versions} on {made["cores"]} shared cores of {made["cpu"]} by
        `python -m benchmarks.readme`, after `python -m benchmarks.peers install`.
        `binance_…` are recordings; without them, frames of the same kind are made by a
        seed."""
    parts = [wrapped(intro), f"![µs a frame](benchmarks/{CHART.name})\n"]
    for name, write in TABLES.items():
        found = [record for record in records if record["benchmark"] == name]
        if found:
            head = f"**`python -m benchmarks {name}`** {MEANING[name].strip()}"
            parts += [wrapped(head), write(found)]
    return "\n".join(parts)


OUTCOMES = """
    One fault at a time, dealt to two live books: `withheld` was noticed, with the
    longest time without a readable book; `filled` was noticed on one of two lines, and
    nothing was withheld; `harmless` cost nothing; `audited` cannot be seen in the
    stream, and an audit found it after that time; `healed` was overwritten before one
    came; `unseen` was not found. `corrupt` alters one level in a believable way, for
    good: on one of two lines, or in all that a single line brings. Without audits only
    a checksum shows that; here each book is audited every two seconds.
    Small: two lines."""


def matrix(records: Sequence[Record]) -> str:
    """Write what became of each fault in each dialect."""
    cells: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if record["benchmark"] == "faults" and record["case"].count("/") == 2:
            venue, kind, lines = record["case"].split("/")
            text = _cell(record)
            if lines != "lines=1":
                text = f"<small>{text}</small>"
            cells.setdefault((kind, venue), []).append(text)
    venues = unique(venue for _, venue in cells)
    rows = [
        [f"`{kind}`", *("<br>".join(cells.get((kind, venue), [])) for venue in venues)]
        for kind in unique(kind for kind, _ in cells)
    ]
    return table(["fault", *venues], rows)


def _cell(record: Record) -> str:
    seconds = {"withheld": "withheld_s", "audited": "after_s", "healed": "after_s"}
    key = seconds.get(record["outcome"])
    return f"{record['outcome']} {record[key]:.2f} s" if key else str(record["outcome"])


def soaked(records: Sequence[Record]) -> str:
    """Write what a soak came to."""
    found = {r["case"]: r for r in records if r["benchmark"] == "soak"}
    run, left = found["all"], found["left behind"]
    summary = f"""
        {run["frames"]:,} frames of nine dialects on two lines each, {run["faults"]:,}
        faults of {run["kinds"]} kinds: {run["checked"]:,} live reads compared,
        {run["wrong"]} wrong; {run["audits"]:,} audits. Memory after the warm-up
        {left["memory_warm_mb"]} MB, at the end {left["memory_end_mb"]} MB; tasks left
        behind {left["tasks_left"]}, files {left["files_left"]}. Seconds in which a book
        was withheld, or one of two lines not live, by the fault dealt last:"""
    rows = [
        [case.replace("/", ", "), r["times"], r["median_s"], r["p99_s"]]
        for case, r in found.items()
        if "median_s" in r
    ]
    return f"{wrapped(summary)}\n{table(['', 'times', 'median', 'p99'], rows)}"


def faults(records: Sequence[Record]) -> str:
    """Write the README's part on faults."""
    total = next(r for r in records if (r["benchmark"], r["case"]) == ("faults", "all"))
    summary = f"""
        **`python -m benchmarks faults`** {total["bouts"]} runs against the embedded
        exchange; {total["checked"]:,} live reads compared with its truth,
        {total["wrong_where_it_shows"]} wrong wherever the venue's numbers or checksums
        can show it. {OUTCOMES}"""
    parts = [wrapped(summary), matrix(records), "**`python -m benchmarks soak`**"]
    return "\n".join([*parts[:2], f"{parts[2]} {soaked(records)}"])


def wrapped(text: str) -> str:
    flat = " ".join(text.split())
    return textwrap.fill(flat, 88, break_on_hyphens=False) + "\n"


def bars(records: Iterable[Record]) -> list[tuple[str, float]]:
    """Microseconds a frame of ours and each peer, on the first workload."""
    found: dict[str, float] = {}
    workload = None
    for record in records:
        if record["benchmark"] != "peers" or "peer_us_per_frame" not in record:
            continue
        workload = workload or record["workload"]
        numbers, name = split(record["case"])
        if record["workload"] == workload and not name.endswith("/unread"):
            found[f"booksync, {numbers}"] = record["us_per_frame"]
            found[f"{name} {record['version']}"] = record["peer_us_per_frame"]
    return sorted(found.items(), key=lambda bar: bar[1])


def chart(lines: Sequence[Record]) -> str:
    """Draw the bars as SVG; readable on light and on dark pages."""
    found = bars(lines[1:])
    height = 28 * len(found) + 34
    most = max((value for _, value in found), default=1.0)
    rows = []
    for at, (label, value) in enumerate(found):
        y, wide = 34 + 28 * at, max(1.0, 380 * value / most)
        fill = "#2f81f7" if label.startswith("booksync") else "#8b949e"
        rows.append(
            f'<text x="250" y="{y + 14}" text-anchor="end">{label}</text>\n'
            f'<rect x="260" y="{y}" width="{wide:.1f}" height="20" fill="{fill}"/>\n'
            f'<text x="{266 + wide:.1f}" y="{y + 14}">{short(value)}</text>\n'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" '
        'font-family="sans-serif" font-size="13" fill="#768390">\n'
        '<text x="10" y="18">µs a frame: decode, apply, read the best bid and ask '
        f"(lower is better)</text>\n{''.join(rows)}</svg>\n"
    )


def measured() -> list[Record]:
    """Run every benchmark."""
    facts = machine()
    known = {key: facts.pop(key) for key in ("python", "cpu")}
    lines = [{
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **known, "cores": os.cpu_count(), "versions": facts,
    }]  # fmt: skip
    for name in names():
        print(name, file=sys.stderr)
        lines += importlib.import_module(f"benchmarks.{name}").run()
    return lines


def stored(path: Path | None = None) -> list[Record]:
    text = (path or RESULTS).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def store(path: Path, records: Iterable[Record]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")


def main(given: Sequence[str]) -> int:
    if len(given) > 1 or set(given) - {"--stored", "--faults"}:
        usage = "usage: python -m benchmarks.readme [--stored | --faults]"
        print(usage, file=sys.stderr)
        return 2
    if not given:
        store(RESULTS, measured())
    elif given[0] == "--faults":
        found = [importlib.import_module(f"benchmarks.{name}") for name in sorted(LONG)]
        store(FAULTS, [record for module in found for record in module.run()])
    CHART.write_text(chart(stored()), "utf-8")
    text = README.read_text("utf-8")
    part = section(stored())
    text = PART.sub(lambda m: m[1] + part + m[2], text)
    part = faults(stored(FAULTS))
    README.write_text(FAULTS_PART.sub(lambda m: m[1] + part + m[2], text), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
