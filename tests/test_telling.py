"""
Every change of trust is one log record with fields; a delta is none.

Records are compared with literals, and on loopback with what the embedded exchange was
made to do.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import Counter

import pytest

from booksync.budget import Budget
from booksync.cli import output
from booksync.errors import TransportError
from booksync.events import (
    Audited,
    Changed,
    Desynced,
    Drift,
    FetchSnapshot,
    Gap,
    Halted,
    LineFilled,
    LineLost,
    Malformed,
    Rejected,
    Resubscribe,
    Resumed,
    Synced,
    Verdict,
)
from booksync.feed import connect
from booksync.messages import Delta
from booksync.sharing import SharedBudget
from booksync.states import Cause, Scope
from booksync.telling import EVERY, FIELDS, MOST, RECORDS, ROOM, Teller, tell
from tests.test_feed import all_live, is_a, running, until
from tests.test_fetching import on_bench
from tests.test_hostile import EVIL
from tests.test_keeping import FakeVenue, keep
from tests.test_readme import TEXT


@pytest.fixture
def told(caplog):
    """All that is logged, from the least."""
    caplog.set_level(logging.DEBUG, "booksync")
    return caplog


def said(record):
    """What a record says, less what is the same in all."""
    found = {name: getattr(record, name) for name in FIELDS}
    assert found.pop("venue") in (None, "acme", "binance")
    return {name: value for name, value in found.items() if value is not None}


def of(told, *names):
    """What the records of these kinds say."""
    return [said(r) for r in told.records if getattr(r, "event", None) in names]


def names(told, symbol=None):
    every = [r for r in told.records if r.name.startswith("booksync.")]
    return [r.event for r in every if symbol is None or r.symbol == symbol]


# -- one record for each event ---------------------------------------------------------

EVENTS = [
    (
        Synced("X", 7),
        "INFO",
        "X is live at 7",
        {"event": "synced", "symbol": "X", "sequence": 7},
    ),
    (
        Synced("X", 7, drift=Drift(compared=9, differing=2, seconds=0.5)),
        "INFO",
        "X is live at 7",
        {
            "event": "synced",
            "symbol": "X",
            "sequence": 7,
            "compared": 9,
            "differing": 2,
            "seconds": 0.5,
        },
    ),
    (
        Desynced("X", Cause.GAP, expected=5, got=6),
        "WARNING",
        "X is withheld: gap",
        {
            "event": "desynced",
            "symbol": "X",
            "cause": "gap",
            "expected": 5,
            "got": 6,
            "scope": "symbol",
        },
    ),
    (
        Desynced("X", Cause.LOST, expected=0, got=6, scope=Scope.CONNECTION),
        "WARNING",
        "X is withheld: lost",
        {
            "event": "desynced",
            "symbol": "X",
            "cause": "lost",
            "expected": 0,
            "got": 6,
            "scope": "connection",
        },
    ),
    (
        Desynced("GONE", Cause.DISCONNECTED),
        "INFO",
        "GONE is kept no longer",
        {
            "event": "removed",
            "symbol": "GONE",
            "cause": "disconnected",
            "scope": "symbol",
        },
    ),
    (
        Gap("X", expected=5, got=6),
        "WARNING",
        "X: expected 5, got 6 while syncing",
        {"event": "gap", "symbol": "X", "expected": 5, "got": 6},
    ),
    (
        Audited("X", verdict=Verdict.DIFFERING, sequence=7, compared=9, differing=2),
        "WARNING",
        "X: 2 of 9 levels are wrong",
        {
            "event": "audit_differing",
            "symbol": "X",
            "sequence": 7,
            "compared": 9,
            "differing": 2,
        },
    ),
    (
        Audited("X", verdict=Verdict.INCONCLUSIVE, sequence=7, reason="too old"),
        "INFO",
        "X: no audit: too old",
        {
            "event": "audit_inconclusive",
            "symbol": "X",
            "sequence": 7,
            "compared": 0,
            "differing": 0,
            "reason": "too old",
        },
    ),
    (
        LineLost("X", 1, cause=Cause.SILENT),
        "WARNING",
        "X: line 1: silent",
        {"event": "line_lost", "symbol": "X", "line": 1, "cause": "silent"},
    ),
    (
        LineFilled("X", 0, sequence=7),
        "INFO",
        "X is served from line 0",
        {"event": "line_filled", "symbol": "X", "line": 0, "sequence": 7},
    ),
    (
        Malformed(None, "no JSON", 3),
        "WARNING",
        "malformed (-): no JSON",
        {"event": "malformed", "connection": 3, "reason": "no JSON"},
    ),
    (
        Rejected(("X",), "too many", final=False),
        "WARNING",
        "the venue refuses X now: too many",
        {"event": "refused", "symbol": "X", "reason": "too many"},
    ),
    (
        Rejected((), "no such stream"),
        "WARNING",
        "the venue rejects -: no such stream",
        {"event": "rejected", "reason": "no such stream"},
    ),
    (
        Halted("X", "delisted"),
        "INFO",
        "X is halted: delisted",
        {"event": "halted", "symbol": "X", "reason": "delisted"},
    ),
    (
        Resumed("X"),
        "INFO",
        "X is resumed",
        {"event": "resumed", "symbol": "X"},
    ),
    (
        Resubscribe("X", 1.0),
        "INFO",
        "X is to be subscribed again",
        {"event": "resubscribe", "symbol": "X"},
    ),
]


@pytest.fixture
async def idle():
    """A feed of one book that nobody opened: its loop never turns."""
    return connect("binance", "X")


@pytest.mark.anyio
@pytest.mark.parametrize(("event", "level", "text", "fields"), EVENTS)
async def test_each_event_is_one_record(told, idle, event, level, text, fields):
    idle._driver._emit([event])
    (record,) = told.records
    assert record.name == "booksync.feed"
    assert record.levelname == level
    assert record.getMessage() == text
    assert record.venue == "binance"
    assert said(record) == fields


@pytest.mark.anyio
async def test_snapshot_that_is_asked_for_by_a_frame_is_told(told, idle):
    idle._driver._emit([FetchSnapshot("X", 4, 0.0)])
    (record,) = told.records
    assert (record.name, record.levelname) == ("booksync.fetching", "DEBUG")
    asked = {"event": "snapshot_requested", "symbol": "X", "request": 4}
    assert said(record) == {**asked, "reason": "to be live"}


@pytest.mark.anyio
async def test_rejected_symbols_are_one_record_each(told, idle):
    idle._driver._emit([Rejected(("X", "Y"), "no", final=False)])
    assert [r["symbol"] for r in of(told, "refused")] == ["X", "Y"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "event",
    [
        Changed("X", message=Delta("X", 1, 2, [], [])),
        Audited("X", verdict=Verdict.MATCHED, sequence=7, compared=9),
    ],
    ids=["delta", "audit that matched"],
)
async def test_what_changes_no_trust_is_no_record(told, idle, event):
    idle._driver._emit([event] * 100)
    assert not told.records


def test_every_kind_has_a_text_that_its_fields_fill_in():
    shown = {**dict.fromkeys(FIELDS, "?"), "seconds": 1.0}
    for name, kind in RECORDS.items():
        assert kind.text % shown, name
        assert set(re.findall(r"%\((\w+)\)", kind.text)) <= set(FIELDS)
        assert name.isidentifier()


def test_hidden_level_costs_no_formatting(caplog):
    caplog.set_level(logging.ERROR, "booksync")

    class Loud:
        def __str__(self):
            raise AssertionError("formatted")

    tell("connection_failed", reason=Loud())
    assert not caplog.records


# -- who sends rubbish -----------------------------------------------------------------


def test_flood_is_told_a_few_times_and_counted(told):
    teller = Teller("acme", {"X"}.__contains__)
    for n in range(1_000):
        teller.event(Malformed(None, f"no {n}", 1), n / 1_000)
    assert [r["reason"] for r in of(told, "malformed")] == [
        f"no {n}" for n in range(MOST)
    ]
    teller.event(Malformed(None, "later", 1), EVERY)
    assert of(told, "malformed")[MOST:] == [
        {
            "event": "malformed",
            "connection": 1,
            "reason": "later",
            "left_out": 1_000 - MOST,
        }
    ]


def test_flood_of_one_kind_or_book_hides_no_other(told):
    teller = Teller("acme", {"X", "Y"}.__contains__)
    for _ in range(100):
        teller.event(Desynced("X", Cause.GAP), 0.0)
    teller.event(Desynced("Y", Cause.GAP), 0.0)
    teller.event(Synced("X", 1), 0.0)
    assert Counter(names(told, "X")) == {"desynced": MOST, "synced": 1}
    assert names(told, "Y") == ["desynced"]


def test_strangers_share_one_bound(told):
    teller = Teller("acme", {"X"}.__contains__)
    for n in range(100):
        teller.event(Malformed(f"S{n}", "not subscribed here", 1), 0.0)
    assert len(told.records) == MOST
    teller.event(Malformed("X", "no price", 1), 0.0)
    assert told.records[-1].symbol == "X"


def test_symbols_that_come_and_go_leave_nothing_behind():
    here = set()
    teller = Teller("acme", here.__contains__)
    for n in range(10 * ROOM):
        here.add(f"S{n}")
        teller.event(Resumed(f"S{n}"), float(n))
        here.discard(f"S{n}")
    assert len(teller._told) <= 2 * ROOM


@pytest.mark.anyio
@pytest.mark.parametrize(
    "event",
    [Malformed(EVIL, EVIL, 1), Rejected((EVIL,), EVIL), Halted(EVIL, EVIL)],
    ids=["malformed", "rejected", "halted"],
)
async def test_words_and_symbols_are_fit_to_print(told, idle, event):
    idle._driver._emit([event])
    (record,) = told.records
    assert "forged line" in record.reason
    for text in (record.getMessage(), record.reason, record.symbol):
        assert text.isprintable()


def test_endless_words_are_cut(told):
    tell("connection_failed", reason="x" * 100_000)
    assert len(told.records[0].reason) <= 500


# -- connections -----------------------------------------------------------------------

FIRST = {"connection": 1, "line": 1}


def test_connection_that_the_venue_ends_is_told(told):
    async def script(host, keeper):
        host.transport.streams[0].end(TransportError("code 1006"))
        await asyncio.sleep(1.0)

    keep(script, line=1)
    assert [(r.levelname, r.getMessage()) for r in told.records] == [
        ("INFO", "connection 1 is open"),
        ("WARNING", "connection 1 ended: code 1006"),
        ("INFO", "connection 2 is open"),
        ("INFO", "connection 2 is closed"),
    ]
    assert {r.name for r in told.records} == {"booksync.keeping"}
    lost = {"event": "connection_lost", "cause": "disconnected", "reason": "code 1006"}
    assert of(told, "connection_lost") == [{**lost, **FIRST}]


def test_connection_given_up_is_told_once_with_its_cause(told):
    async def script(host, keeper):
        link = keeper.link(1)
        link.drop(Cause.SILENT)
        link.drop(Cause.SILENT)
        await asyncio.sleep(0.01)

    keep(script, line=1)
    assert names(told) == [
        "connection_opened",
        "connection_given_up",
        "connection_closed",
    ]
    why = {"cause": "silent", "reason": "silent"}
    given_up = of(told, "connection_given_up")
    assert given_up == [{"event": "connection_given_up", **why, **FIRST}]


def test_too_much_to_send_is_told(told, monkeypatch):
    monkeypatch.setattr("booksync.keeping.MAX_OUTBOX", 2)

    async def script(host, keeper):
        keeper.link(1).send(("a",) * 10)

    keep(script)
    (given_up,) = of(told, "connection_given_up")
    assert given_up["reason"] == "too much to send"


def test_rotation_is_told_from_both_ends(told):
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        keeper.rotate(1)
        await asyncio.sleep(1.0)
        keeper.link(1).drop(Cause.CLOSING)
        await asyncio.sleep(0.01)

    keep(script, line=1)
    assert names(told)[:4] == [
        "connection_opened",
        "connection_rotating",
        "connection_opened",
        "connection_closed",
    ]
    assert of(told, "connection_opened")[1] == {
        "event": "connection_opened",
        "connection": 2,
        "line": 1,
        "succeeds": 1,
    }
    assert not [r for r in told.records if r.levelno > logging.INFO]


def test_connection_that_only_audits_says_so(told):
    async def script(host, keeper):
        audit = asyncio.create_task(keeper.audit(5.0))
        await asyncio.sleep(0.01)
        keeper.link(2).drop(Cause.CLOSING)
        await audit

    keep(script)
    audits = {"event": "connection_opened", "reason": "audit"}
    assert of(told, "connection_opened")[1] == {**audits, "connection": 2, "line": 0}
    assert not of(told, "connection_given_up", "connection_lost")


def test_connection_that_cannot_be_is_told_and_so_is_the_limit(told):
    async def script(host, keeper):
        host.transport.errors += [TransportError("refused\x1b[31m")] * 3
        host.transport.streams[0].end()
        await asyncio.sleep(70.0)

    keep(script, FakeVenue(), connects=Budget(2, 60.0))
    failed = of(told, "connection_failed")
    assert {each["reason"] for each in failed} == {"refused?[31m"}
    put_off = of(told, "connection_put_off")
    assert 1 <= len(put_off) <= 2
    assert 58.0 < put_off[0]["seconds"] <= 60.0


class Slow(Budget):
    """One that must be asked again and again."""

    def __init__(self, *pauses):
        super().__init__(1_000, 1.0)
        self.pauses = list(pauses)

    def take(self, weight, now):
        return self.pauses.pop(0) if self.pauses else super().take(weight, now)


def test_limit_that_holds_for_long_is_told_once(told):
    async def script(host, keeper):
        await asyncio.sleep(20.0)
        assert keeper.number == 1

    keep(script, connects=Slow(5.0, 4.0, 3.0))
    assert [each["seconds"] for each in of(told, "connection_put_off")] == [5.0]


# -- snapshots -------------------------------------------------------------------------


def test_snapshots_are_told_as_they_go(told):
    def prepare(bench):
        bench.rest.script["Y"] = [(500, {})]
        bench.rest.script["Z"] = [TransportError("no route")]
        for symbol in "XYZ":
            bench.ask(symbol, 4)

    on_bench(prepare=prepare, seconds=1.0)
    assert {r.name for r in told.records} == {"booksync.fetching"}
    asked = of(told, "snapshot_requested")
    assert [each["symbol"] for each in asked] == ["X", "Y", "Z"]
    assert {each["reason"] for each in asked} == {"to be live"}
    assert of(told, "snapshot_answered", "snapshot_refused", "snapshot_failed") == [
        {"event": "snapshot_answered", "symbol": "X", "request": 4, "status": 200},
        {"event": "snapshot_refused", "symbol": "Y", "request": 4, "status": 500},
        {
            "event": "snapshot_failed",
            "symbol": "Z",
            "request": 4,
            "reason": "no route",
        },
    ]
    levels = {r.event: r.levelname for r in told.records}
    assert levels == {
        "snapshot_requested": "DEBUG",
        "snapshot_answered": "DEBUG",
        "snapshot_refused": "WARNING",
        "snapshot_failed": "WARNING",
    }


def test_budget_that_is_spent_is_told_once_for_all_that_wait(told):
    def prepare(bench):
        for n in range(5):
            bench.ask(f"S{n}")

    then = [(200.0, lambda bench: [bench.ask(f"T{n}") for n in range(4)])]
    on_bench(prepare=prepare, then=then, limit=20, window=60.0, seconds=400.0)
    put_off = of(told, "snapshot_put_off")
    assert [each["waiting"] for each in put_off] == [3, 2]
    assert all(59.0 < each["seconds"] <= 60.0 for each in put_off)


def test_budget_that_holds_anew_after_nobody_waited_is_told_anew(told):
    def prepare(bench):
        bench.budget.spend(20, 0.0)
        bench.ask("X")

    then = [
        (5.0, lambda bench: bench.fetcher.forget("X")),
        (10.0, lambda bench: bench.ask("Y")),
    ]
    on_bench(prepare=prepare, then=then, limit=20, window=60.0, seconds=30.0)
    assert [each["waiting"] for each in of(told, "snapshot_put_off")] == [1, 1]


def test_venue_that_says_stop_is_told(told):
    def prepare(bench):
        bench.rest.script["X"] = [(429, {"retry-after": "7"})]
        bench.ask("X")

    on_bench(prepare=prepare, seconds=1.0)
    (stopped,) = of(told, "stopped")
    assert stopped == {"event": "stopped", "seconds": 7.0, "status": 429}


def test_shared_budget_that_cannot_be_used_is_told(told, tmp_path):
    path = tmp_path / "budget.db"
    budget = SharedBudget(path, 100, 60.0)
    path.write_bytes(b"no database" * 1_000)
    budget.take(1, 0.0)
    (record,) = told.records
    assert record.event == "budget_unusable"
    assert record.path == str(path)


# -- on loopback -----------------------------------------------------------------------


@pytest.mark.anyio
async def test_loss_and_recovery_are_told_in_order_and_deltas_are_not(told):
    async with running("BTCUSDT") as (feed, server, _):
        await all_live(feed, server)
        for _ in range(20):
            await until(feed, is_a(Changed, "BTCUSDT"), server)
        server.faults.inject("drop", symbol="BTCUSDT")
        (*_, gone) = await until(feed, is_a(Desynced, "BTCUSDT"), server)
        (*_, back) = await until(feed, is_a(Synced, "BTCUSDT"), server)
    assert feed.status("BTCUSDT").counts.applied > 20
    live = names(told).index("synced")
    assert names(told)[:live] == [
        "connection_opened",
        "snapshot_requested",
        "snapshot_answered",
    ]
    (record,) = (r for r in told.records if getattr(r, "event", "") == "desynced")
    assert (record.expected, record.got) == (gone.expected, gone.got)
    assert record.venue == "binance"
    after = names(told)[names(told).index("desynced") :]
    assert [n for n in after if not n.startswith("snapshot")] == [
        "desynced",
        "synced",
        "connection_closed",
    ]
    assert of(told, "synced")[-1]["sequence"] == back.sequence


def files(folder):
    return [str(path) for path in folder.iterdir()]


@pytest.mark.anyio
async def test_flight_that_was_written_is_told(told, tmp_path):
    async with running("BTCUSDT", flight=tmp_path) as (feed, server, _):
        await all_live(feed, server)
        server.faults.inject("drop", symbol="BTCUSDT")
        await until(feed, is_a(Desynced, "BTCUSDT"), server)
    (flight,) = of(told, "flight")
    assert flight["path"] in files(tmp_path)
    assert (flight["symbol"], flight["cause"]) == ("BTCUSDT", "gap")


# -- for whom it is --------------------------------------------------------------------


def test_command_line_shows_what_it_does_not_tell_in_its_own_way(capsys):
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        output.configure(verbose=False)
        tell("desynced", symbol="X", cause=Cause.GAP)
        tell("parted", symbol="X")
    finally:
        root.handlers[:], root.level = before
    line = "booksync: warning: X ends the connection of others: parted\n"
    assert capsys.readouterr().err == line


def test_fields_are_json_with_the_readme_formatter(capsys):
    (block,) = re.findall(r"```python\n([^`]*JSONFormatter.*?)```", TEXT, re.DOTALL)
    log = logging.getLogger("booksync")
    before = log.handlers[:], log.level
    try:
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
        tell("desynced", venue="acme", symbol="X", cause=Cause.GAP, expected=5, got=6)
    finally:
        log.handlers[:], log.level = before
    told = json.loads(capsys.readouterr().err)
    assert told.pop("time") > 0
    assert told == {
        "level": "WARNING",
        "message": "X is withheld: gap",
        "event": "desynced",
        "venue": "acme",
        "symbol": "X",
        "cause": "gap",
        "expected": 5,
        "got": 6,
    }
