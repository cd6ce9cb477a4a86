"""REST over loopback: budgets, and every fault that an answer can have."""

import asyncio

import httpx
import pytest

from booksync.testing import Budget, Dialect
from booksync.testing.dialects.base import Answer
from tests.testing.client import exchange_of, rest

pytestmark = pytest.mark.anyio
DEPTH = "/api/v3/depth?symbol=BTCUSDT&limit=10"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_budget_is_a_rolling_window():
    clock = Clock()
    budget = Budget(100, clock=clock)
    assert budget.charge(60) is None
    clock.now = 30
    assert budget.charge(40) is None
    clock.now = 59
    assert budget.charge(10) == (429, 1)
    assert budget.used == 100
    clock.now = 60
    assert budget.charge(60) is None
    assert budget.charge(1) == (429, 30)
    assert budget.most == 100


def test_a_429_lasts_until_enough_weight_is_free():
    clock = Clock()
    budget = Budget(100, clock=clock)
    for clock.now in (0, 10, 20):
        assert budget.charge(30) is None
    assert budget.charge(50) == (429, 50)


def test_a_weight_beyond_the_whole_budget_is_never_allowed():
    assert Budget(10, clock=Clock()).charge(11) == (429, 60)


def test_who_does_not_listen_to_a_429_is_banned():
    clock = Clock()
    budget = Budget(1, ban=120, patience=2, clock=clock)
    budget.charge(1)
    refused = [budget.charge(1) for _ in range(4)]
    assert refused == [(429, 60), (429, 60), (418, 120), (418, 120)]
    clock.now = 119
    assert budget.charge(1) == (418, 1)
    clock.now = 120
    assert budget.charge(1) is None


async def test_weight_is_told_and_a_429_says_when_to_come_back():
    clock = Clock()
    async with rest(budget=Budget(12, patience=1, clock=clock)) as (server, http):
        answers = [await http.get(DEPTH) for _ in range(5)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [200, 200, 429, 418, 418]
        assert [a.headers["X-MBX-USED-WEIGHT-1M"] for a in answers[:3]] == [
            "5",
            "10",
            "10",
        ]
        assert answers[2].headers["Retry-After"] == "60"
        assert answers[2].json()["code"] == -1003
        assert answers[3].headers["Retry-After"] == "120"
        clock.now = 121
        assert (await http.get(DEPTH)).status_code == 200
        log = [(served.status, served.weight) for served in server.requests]
        assert log[:4] == [(200, 5), (200, 5), (429, 0), (418, 0)]
        assert server.requests[0].path == DEPTH
        assert server.requests[0].symbol == "BTCUSDT"


async def test_a_stale_snapshot_is_as_of_some_seconds_ago():
    async with rest(exchange=exchange_of(snapshot="boundary")) as (server, http):
        ends = []
        for _ in range(30):
            server.step()
            ends.append(server.exchange.boundary("BTCUSDT"))
        server.faults.inject("stale_snapshot", seconds=1.95)
        stale, fresh = [(await http.get(DEPTH)).json() for _ in range(2)]
        id_of = server.exchange.markets["BTCUSDT"].id_at
        assert stale["lastUpdateId"] == id_of(ends[-21])
        assert fresh["lastUpdateId"] == id_of(ends[-1])


async def test_a_slow_snapshot_comes_whole():
    clock = asyncio.get_running_loop().time
    async with rest() as (server, http):
        server.faults.inject("slow_snapshot", seconds=0.1)
        began = clock()
        answer = await http.get(DEPTH)
        assert clock() - began >= 0.09
        assert len(answer.json()["bids"]) == 10


@pytest.mark.parametrize(
    ("kind", "status", "wait"),
    [
        ("status_429", 429, "1"),
        ("status_418", 418, "2"),
        ("status_500", 500, None),
    ],
)
async def test_statuses(kind, status, wait):
    async with rest() as (server, http):
        server.faults.inject(kind)
        answer = await http.get(DEPTH)
        assert answer.status_code == status
        assert answer.headers.get("Retry-After") == wait
        assert (await http.get(DEPTH)).status_code == 200
        assert server.faults_injected == {kind: 1}


async def test_a_hang_never_answers():
    async with rest() as (server, http):
        server.faults.inject("hang", seconds=30)
        with pytest.raises(httpx.ReadTimeout):
            await http.get(DEPTH, timeout=0.1)
        assert server.requests[-1].status is None
        assert (await http.get(DEPTH)).status_code == 200


async def test_a_hang_ends_without_an_answer():
    async with rest() as (server, http):
        server.faults.inject("hang", seconds=0.01)
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(DEPTH)


async def test_a_truncated_snapshot_lacks_bytes_or_braces():
    ends = set()
    async with rest() as (server, http):
        server.faults.inject("truncated_snapshot", times=12)
        for _ in range(12):
            try:
                answer = await http.get(DEPTH)
            except httpx.RemoteProtocolError:
                ends.add("bytes")
            else:
                assert not answer.text.endswith("}")
                ends.add("braces")
    assert ends == {"bytes", "braces"}


async def test_a_fault_waits_for_a_snapshot_of_its_symbol():
    async with rest(exchange=exchange_of("BTCUSDT", "ETHUSDT")) as (server, http):
        server.faults.inject("status_500", symbol="ETHUSDT")
        assert (await http.get("/api/v3/exchangeInfo")).status_code == 200
        assert (await http.get(DEPTH)).status_code == 200
        other = await http.get(DEPTH.replace("BTC", "ETH"))
        assert other.status_code == 500


async def test_requests_with_a_body_and_closing_ones_are_understood():
    async with rest() as (_, http):
        assert (await http.post("/nowhere", content=b"x" * 1000)).status_code == 404
        answer = await http.get(DEPTH, headers={"Connection": "close"})
        assert answer.status_code == 200
        assert (await http.get(DEPTH)).status_code == 200


async def test_a_venue_may_tell_no_weight_and_send_no_body():
    class Silent(Dialect):
        name = "test_silent"

        def rest(self, _request):
            return Answer(b"", 204)

    async with rest(Silent) as (_, http):
        answer = await http.get("/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "X-MBX-USED-WEIGHT-1M" not in answer.headers
