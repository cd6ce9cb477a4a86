"""Snapshot requests on a virtual clock: in time, within the budget, a few at once."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from booksync.budget import Budget
from booksync.errors import ConfigurationError, TransportError
from booksync.events import FetchSnapshot
from booksync.fetching import AUDIT, LONGEST_STOP, Fetcher, retry_after
from booksync.inputs import Answered, Failed
from booksync.scheduling import AT_ONCE, Scheduler
from booksync.transport import Answer
from booksync.venues.facts import Limits, Request
from tests.virtual import run


class FakeVenue:
    id = "acme"
    depth = 1000
    limits = Limits(used_weight_header="x-used")

    def __init__(self, weight=10):
        self.weight = weight

    def snapshot_request(self, symbol):
        weight = self.weight if symbol != "HEAVY" else 10 * self.weight
        return Request(path=f"/depth/{symbol}", weight=weight)


class FakeRest:
    """Answers each request after ``seconds``, with what is scripted for its symbol."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.script = {}
        self.times = []
        self.spans = []
        self.under_way = self.most = 0

    async def request(self, request):
        loop = asyncio.get_running_loop()
        symbol = request.path.rpartition("/")[2]
        start = loop.time()
        self.times.append((round(start, 6), symbol))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.under_way -= 1
        self.spans.append((start, loop.time(), request.weight))
        answers = self.script.get(symbol)
        answer = answers.pop(0) if answers else (200, {})
        if isinstance(answer, Exception):
            raise answer
        status, headers = answer
        return Answer(status, headers, b"{}", f"https://host{request.path}")


class Bench:
    """A fetcher, what it needs, and what came of it."""

    def __init__(self, *, limit=1_000, window=60.0, seconds=0.0, chance=0.0, weight=10):
        self.clock = asyncio.get_running_loop().time
        self.budget = Budget(limit, window)
        self.rest = FakeRest(seconds)
        self.put = []
        self.fetcher = Fetcher(
            FakeVenue(weight),
            self.rest,
            Scheduler(self.budget),
            put=lambda given, now: self.put.append((round(now, 6), given)),
            clock=self.clock,
            chance=lambda: chance,
        )

    def ask(self, symbol, request=1, at=0.0, attempt=0):
        self.fetcher.ask(FetchSnapshot(symbol, request, at, attempt))

    async def until(self, seconds, *then):
        """Run the fetcher; ``then`` are ``(time, action)``."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.fetcher.run(group))
            for at, action in then:
                loop.call_at(at, action, group)
            await asyncio.sleep(seconds)
            task.cancel()
        return self.rest.times

    def symbols(self):
        return [symbol for _, symbol in self.rest.times]


def on_bench(*, seconds=1_000.0, then=(), prepare, **options):
    """Prepare a bench, run it, return it."""

    async def main():
        bench = Bench(**options)
        prepare(bench)
        actions = [(at, lambda _, act=act: act(bench)) for at, act in then]
        await bench.until(seconds, *actions)
        return bench

    return run(main())


# -- when ------------------------------------------------------------------------------


def test_request_is_sent_at_its_time_and_answered():
    bench = on_bench(prepare=lambda b: b.ask("X", 7, at=5.0), seconds=100.0)
    assert bench.rest.times == [(5.0, "X")]
    answer = Answered("X", 7, 200, 1000, "https://host/depth/X", b"{}")
    assert bench.put == [(5.0, answer)]


def test_requests_go_in_the_order_of_their_times():
    def prepare(bench):
        for symbol, at in (("C", 3.0), ("A", 1.0), ("B", 2.0), ("B2", 2.0)):
            bench.ask(symbol, at=at)
        assert bench.fetcher.waiting == 4

    bench = on_bench(prepare=prepare)
    assert bench.rest.times == [(1.0, "A"), (2.0, "B"), (2.0, "B2"), (3.0, "C")]
    assert bench.fetcher.waiting == 0


def test_earlier_command_that_comes_later_is_not_late():
    def later(bench):
        bench.ask("SOON", at=1.0)

    bench = on_bench(prepare=lambda b: b.ask("X", at=50.0), then=[(1.0, later)])
    assert bench.rest.times == [(1.0, "SOON"), (50.0, "X")]


@pytest.mark.parametrize(("attempt", "at"), [(0, 1.0), (1, 1.125), (4, 1.5), (9, 1.5)])
def test_repeated_attempts_are_spread_by_chance(attempt, at):
    bench = on_bench(prepare=lambda b: b.ask("X", 1, 1.0, attempt), chance=0.5)
    assert bench.rest.times == [(at, "X")]


def test_replaced_command_is_not_sent():
    def prepare(bench):
        bench.ask("X", 1, at=1.0)
        bench.ask("X", 2, at=3.0)
        assert bench.fetcher.waiting == 1

    bench = on_bench(prepare=prepare)
    assert bench.rest.times == [(3.0, "X")]
    assert [given.request for _, given in bench.put] == [2]


def test_command_replaced_while_it_waits_is_not_sent():
    bench = on_bench(
        prepare=lambda b: b.ask("X", 1, at=5.0),
        then=[(4.0, lambda b: b.ask("X", 2, at=6.0))],
    )
    assert bench.rest.times == [(6.0, "X")]


def test_forgotten_symbol_is_not_fetched():
    def prepare(bench):
        bench.ask("X", at=5.0)
        bench.ask("Y", at=6.0)

    def later(bench):
        bench.fetcher.forget("X")
        bench.fetcher.forget("NEVER")
        assert bench.fetcher.waiting == 1

    bench = on_bench(prepare=prepare, then=[(4.0, later)])
    assert bench.symbols() == ["Y"]


# -- books that are read ---------------------------------------------------------------


def one_after_another(read, then=()):
    """Ask for A, B and C, of which only one goes each minute."""

    def prepare(bench):
        read(bench)
        for symbol in "ABC":
            bench.ask(symbol)

    return on_bench(prepare=prepare, limit=10, then=then).symbols()


def test_book_that_was_read_lately_goes_first():
    assert one_after_another(lambda b: b.fetcher.reads.add("C")) == ["C", "A", "B"]


def test_book_that_somebody_waits_for_goes_next():
    then = [(70.0, lambda b: b.fetcher.prefer("C"))]
    assert one_after_another(lambda _: None, [])[1] == "B"
    found = one_after_another(lambda b: b.ask("FIRST"), then)
    assert found == ["FIRST", "A", "C", "B"]


@pytest.mark.parametrize(("at", "first"), [(1.0, "C"), (115.0, "C"), (125.0, "A")])
def test_book_counts_as_read_for_a_minute_or_two(at, first):
    def ask(bench):
        for symbol in "ABC":
            bench.ask(symbol, at=at)

    bench = on_bench(
        prepare=lambda b: b.fetcher.reads.add("C"), then=[(at, ask)], limit=10
    )
    assert bench.symbols()[0] == first


def test_book_that_is_read_no_longer_is_forgotten():
    def prepare(bench):
        bench.fetcher.reads.add("C")
        bench.fetcher.forget("C")
        bench.ask("A")
        bench.ask("C")

    assert on_bench(prepare=prepare, limit=10).symbols() == ["A", "C"]


# -- how many --------------------------------------------------------------------------


def test_only_a_few_are_under_way_at_once():
    def prepare(bench):
        for n in range(3 * AT_ONCE + 1):
            bench.ask(f"S{n}")

    bench = on_bench(prepare=prepare, seconds=100.0)
    assert bench.rest.most == AT_ONCE
    assert len(bench.rest.times) == 3 * AT_ONCE + 1


def test_next_goes_as_soon_as_one_was_answered():
    def prepare(bench):
        bench.rest.seconds = 2.0
        for n in range(2 * AT_ONCE):
            bench.ask(f"S{n}")

    times = [at for at, _ in on_bench(prepare=prepare).rest.times]
    assert times == [0.0] * AT_ONCE + [2.0] * AT_ONCE


def test_failure_makes_room_too():
    def prepare(bench):
        for n in range(2 * AT_ONCE):
            bench.rest.script[f"S{n}"] = [TransportError("cut")]
            bench.ask(f"S{n}")

    assert len(on_bench(prepare=prepare).rest.times) == 2 * AT_ONCE


# -- the budget ------------------------------------------------------------------------


def test_budget_is_waited_for_and_no_longer():
    def prepare(bench):
        for n in range(5):
            bench.ask(f"S{n}")

    bench = on_bench(prepare=prepare, limit=20, window=60.0, seconds=1_000)
    times = [at for at, _ in bench.rest.times]
    assert times == [0.0, 0.0, 60.0, 60.0, 120.0]


def test_weight_counts_until_a_window_after_the_answer():
    def prepare(bench):
        for n in range(2):
            bench.ask(f"S{n}")

    bench = on_bench(prepare=prepare, limit=10, window=60.0, seconds=1_000)
    assert [at for at, _ in bench.rest.times] == [0.0, 60.0]

    def slowly(bench):
        bench.rest.seconds = 5.0
        prepare(bench)

    bench = on_bench(prepare=slowly, limit=10, window=60.0, seconds=1_000)
    assert [at for at, _ in bench.rest.times] == [0.0, 65.0]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=25),
    st.integers(10, 60),
    st.integers(0, 8),
)
@settings(max_examples=settings.default.max_examples // 4)
def test_no_window_holds_more_than_the_budget(commands, limit, seconds):
    def prepare(bench):
        bench.rest.seconds = float(seconds)
        for n, (at, fails) in enumerate(commands):
            if fails:
                bench.rest.script[f"S{n}"] = [TransportError("cut")]
            bench.ask(f"S{n}", at=float(at))

    bench = on_bench(prepare=prepare, limit=limit, window=20.0, seconds=3_000)
    spans = bench.rest.spans
    assert len(spans) == len(bench.put) == len(commands)
    for _, end, _ in spans:
        # All that the venue may have counted in the window that ends here.
        inside = [w for start, until, w in spans if until > end - 20.0 and start <= end]
        assert sum(inside) <= limit


def test_used_weight_that_the_venue_tells_is_believed():
    def prepare(bench):
        bench.rest.script["S0"] = [(200, {"x-used": "990"})]
        bench.ask("S0")
        bench.ask("S1", at=1.0)
        bench.ask("HEAVY", at=1.0)

    bench = on_bench(prepare=prepare)
    assert bench.rest.times == [(0.0, "S0"), (1.0, "S1"), (60.0, "HEAVY")]


@pytest.mark.parametrize("used", ["", "many", "-5", "9.5", "1e3", "9" * 5_000])
def test_used_weight_that_is_no_number_is_ignored(used):
    def prepare(bench):
        bench.rest.script["S0"] = [(200, {"x-used": used})]
        bench.ask("S0")

    bench = on_bench(prepare=prepare, seconds=1.0)
    assert bench.budget.used(1.0) == 10
    assert len(bench.put) == 1


# -- orders to stop --------------------------------------------------------------------


def stopped(status, headers):
    """When the next request went, after an answer at 0."""

    def prepare(bench):
        bench.rest.script["S0"] = [(status, headers)]
        bench.ask("S0")
        bench.ask("S1", at=0.5)

    bench = on_bench(prepare=prepare, seconds=2 * LONGEST_STOP)
    (_, first), (at, second) = bench.rest.times
    assert (first, second) == ("S0", "S1")
    assert bench.put[0][1].status == status
    return at


@pytest.mark.parametrize(
    ("status", "headers", "at"),
    [
        pytest.param(200, {}, 0.5, id="no order"),
        pytest.param(500, {}, 0.5, id="error"),
        pytest.param(429, {}, 10.0, id="429"),
        pytest.param(418, {}, 120.0, id="418"),
        pytest.param(403, {}, 60.0, id="403"),
        pytest.param(429, {"retry-after": "7"}, 7.0, id="seconds"),
        pytest.param(503, {"retry-after": " 7 "}, 7.0, id="any status"),
        pytest.param(429, {"retry-after": "0"}, 0.5, id="at once"),
        pytest.param(429, {"retry-after": "soon"}, 10.0, id="nonsense"),
        pytest.param(429, {"retry-after": "-5"}, 10.0, id="negative"),
        pytest.param(503, {"retry-after": "soon"}, 1.0, id="nonsense, any status"),
        pytest.param(429, {"retry-after": "9" * 9}, LONGEST_STOP, id="for ever"),
        pytest.param(429, {"retry-after": "9" * 5000}, 10.0, id="endless"),
        pytest.param(
            429, {"retry-after": formatdate(33, usegmt=True)}, 33.0, id="date"
        ),
        pytest.param(429, {"retry-after": formatdate(0, usegmt=True)}, 0.5, id="past"),
    ],
)
def test_order_to_stop_is_obeyed(status, headers, at):
    assert stopped(status, headers) == pytest.approx(at, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        (" 3 ", 3.0),
        ("0", 0.0),
        ("999999999", LONGEST_STOP),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 01:01:40 +0100", 90.0),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_STOP),
        ("", None),
        ("1.5", None),
        ("-1", None),
        ("soon", None),
        ("Thu, 99 Jan 1970 00:00:05 GMT", None),
        ("2024-01-01T00:00:00Z", None),
        ("9" * 5_000, None),
        ("1 Jan 99999999999999999999 00:00:00 GMT", None),
        ("1 Jan 1970 00:00:05 +99999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry_after(text, now=10.0) == seconds


# -- what came of it -------------------------------------------------------------------


def test_failure_below_the_protocol_is_reported():
    def prepare(bench):
        bench.rest.script["X"] = [TransportError("cut")]
        bench.ask("X", 7)
        bench.ask("Y", 8, at=1.0)

    bench = on_bench(prepare=prepare, seconds=10.0)
    assert bench.put[0] == (0.0, Failed("X", 7, "cut"))
    assert type(bench.put[1][1]) is Answered
    assert bench.budget.used(10.0) == 20


def test_other_errors_are_reported_and_raised():
    async def main():
        bench = Bench()
        bench.rest.script["X"] = [ConfigurationError("no such host")]
        bench.ask("X", 7)
        with pytest.raises(ExceptionGroup) as caught:
            await bench.until(10.0)
        assert caught.group_contains(ConfigurationError, match="no such host")
        assert bench.put == [(0.0, Failed("X", 7, "no such host"))]

    run(main())


def test_error_status_is_an_answer():
    def prepare(bench):
        bench.rest.script["X"] = [(500, {})]
        bench.ask("X", 7)

    ((_, given),) = on_bench(prepare=prepare, seconds=1.0).put
    assert (given.status, given.request) == (500, 7)


# -- audits ----------------------------------------------------------------------------


def audit_at(seconds, **options):
    """Bench and results of audits of A asked for at these times."""
    results = []
    prepare = options.pop("prepare", lambda _: None)

    async def main():
        bench = Bench(**options)
        prepare(bench)
        await bench.until(
            500.0,
            *[
                (at, lambda group: results.append(bench.fetcher.audit("A", group)))
                for at in seconds
            ],
        )
        return bench

    return run(main()), results


def test_audit_is_fetched_and_marked():
    bench, sent = audit_at([1.0])
    assert sent == [True]
    ((_, given),) = bench.put
    assert (given.audit, given.request, given.symbol) == (True, AUDIT, "A")
    assert bench.budget.used(1.0) == 10


def test_audits_take_half_of_the_budget_at_most():
    bench, sent = audit_at([1.0, 1.0, 1.0, 100.0], limit=40)
    assert sent == [True, True, False, True]
    assert len(bench.rest.times) == 3


def test_audit_does_not_go_before_a_snapshot_that_waits():
    bench, sent = audit_at([1.0, 6.0], prepare=lambda b: b.ask("X", at=5.0))
    assert sent == [False, True]
    assert [given.audit for _, given in bench.put] == [False, True]


def test_audit_waits_while_all_places_are_taken():
    def prepare(bench):
        bench.rest.seconds = 2.0
        for n in range(AT_ONCE):
            bench.ask(f"S{n}")

    assert audit_at([1.0, 3.0], prepare=prepare)[1] == [False, True]


def test_failed_audit_says_nothing():
    def prepare(bench):
        bench.rest.script["A"] = [TransportError("cut")]

    bench, sent = audit_at([1.0], prepare=prepare)
    assert sent == [True]
    assert bench.put == []
    assert bench.fetcher.queue._under_way == {}


def test_fetcher_ends_when_it_is_cancelled_and_settles_what_was_under_way():
    async def main():
        bench = Bench(seconds=50.0)
        bench.ask("X")
        with pytest.raises(ExceptionGroup):  # noqa: PT012 - the group is the feed's
            async with asyncio.TaskGroup() as group:
                group.create_task(bench.fetcher.run(group))
                await asyncio.sleep(1.0)
                raise ZeroDivisionError
        assert bench.budget.used(2.0) == 10
        assert bench.budget.used(61.1) == 0
        assert bench.put == []

    run(main())


def test_log_names_the_stop(caplog):
    caplog.set_level("WARNING", "booksync.fetching")
    stopped(429, {"retry-after": "7"})
    assert "the venue says stop for 7 s (429)" in caplog.text
