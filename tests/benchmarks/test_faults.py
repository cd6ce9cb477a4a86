"""The matrix of faults and the soak, in small: what they say is what happened."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks import faults, readme, soak
from benchmarks._arena import DIALECTS, Watch, bout
from booksync.testing import Fault


def dealt(only, **more):
    *records, total = faults.run(only=only, **more)
    assert total["case"] == "all"
    assert total["bouts"] == len(records)
    assert total["wrong_where_it_shows"] == 0
    assert not total["not_live_at_the_end"]
    for record in records:
        assert record["checked"] > 10, record
        assert record["live"]
    return {record["case"]: record for record in records}


def test_lost_delta_is_noticed_and_costs_two_lines_nothing():
    found = dealt("okx/drop")
    one, two = found["okx/drop/lines=1"], found["okx/drop/lines=2"]
    assert (one["outcome"], one["cause"]) == ("withheld", "gap")
    assert one["withheld_s"] > 0
    assert (two["outcome"], two["withheld_s"]) == ("filled", 0.0)


def test_altered_level_is_found_by_whatever_can_find_it(monkeypatch):
    """A checksum at once; else audits: by REST, the other line, another connection."""
    monkeypatch.setattr(faults, "AUDIT", 0.5)
    some = ("binance", "okx", "kraken", "hyperliquid")
    dialects = [each for each in DIALECTS if each.venue in some]
    found = dealt("corrupt/", dialects=dialects)
    assert [(case, found[case]["outcome"], found[case]["cause"]) for case in found] == [
        ("binance/corrupt/lines=1", "audited", "drift"),
        ("binance/corrupt/lines=2", "audited", "line 0: drift"),
        ("okx/corrupt/lines=1", "audited", "drift"),
        ("okx/corrupt/lines=2", "audited", "line 1: drift"),
        ("kraken/corrupt/lines=1", "withheld", "checksum"),
        ("kraken/corrupt/lines=2", "filled", "line 0: checksum"),
        # Every frame is a whole book: the next one is right.
        ("hyperliquid/corrupt/lines=1", "healed", ""),
        ("hyperliquid/corrupt/lines=2", "healed", ""),
    ]
    for record in found.values():
        wrong = record["outcome"] in {"audited", "healed"}
        assert (record["wrong"] > 0, record["after_s"] > 0) == (wrong, wrong)
        assert record["expected_wrong"] == wrong


def test_fault_that_cannot_happen_is_told_as_such(monkeypatch):
    monkeypatch.setattr(faults, "HAPPEN", 0.05)
    monkeypatch.setattr(faults, "_can", lambda *_: True)
    *found, _ = faults.run(only="hyperliquid/status_500/lines=1")
    assert [record["outcome"] for record in found] == ["-"]


def test_comparison_bites():
    """A truth that is another market's shows as wrong reads."""

    async def compared():
        async with bout(DIALECTS[0]) as one:
            one.truths = dict(
                zip(one.truths, reversed(one.truths.values()), strict=True)
            )
            async with asyncio.timeout(10):
                while not one.wrong:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(compared())


def test_watch_counts_how_long_a_book_was_wrong_and_withheld():
    watch = Watch()
    watch.compared(1.0, right=False)
    watch.compared(2.0, right=False)
    watch.withheld(4.0, "drop")
    watch.withheld(5.0, "cut")
    watch.revealed(7.0)
    watch.compared(8.0, right=True)
    assert (watch.checked, watch.wrong, watch.wrong_s) == (3, 2, 3.0)
    assert (watch.withheld_s, watch.recoveries) == (3.0, [("drop", 3.0)])


def test_soak_ends_with_every_book_right_and_nothing_left(monkeypatch):
    monkeypatch.setattr(soak, "DIALECTS", DIALECTS[:3])
    monkeypatch.setattr(soak, "EVERY", 0.2)
    found = {record["case"]: record for record in soak.run(frames=1_500)}
    assert found["all"]["frames"] >= 1_500
    assert found["all"]["checked"] > 100
    assert found["all"]["faults"] > 0
    assert found["all"]["wrong"] == 0
    assert found["all"]["not_live"] == []
    left = found["left behind"]
    assert left["tasks_left"] <= 0
    assert left["files_left"] <= 0


def test_soak_deals_every_kind_but_the_one_that_only_comparison_finds():
    assert set(soak._plan(1).deck) == set(Fault) - {Fault.CORRUPT}


# -- the README's part -----------------------------------------------------------------


def test_part_of_the_readme_is_that_of_the_stored_results():
    found = readme.FAULTS_PART.search(readme.README.read_text("utf-8"))
    assert found is not None
    part = readme.faults(readme.stored(readme.FAULTS))
    assert found[0] == found[1] + part + found[2]


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        ("withheld", "withheld 0.25 s"),
        ("audited", "audited 1.50 s"),
        ("filled", "filled"),
        ("-", "-"),
    ],
)
def test_cell_tells_what_matters_of_an_outcome(outcome, text):
    record = {"outcome": outcome, "withheld_s": 0.25, "after_s": 1.5}
    assert readme._cell(record) == text
