from collections import Counter
from itertools import pairwise

import pytest

from booksync.testing import (
    PRESETS,
    REST_FAULTS,
    STREAM_FAULTS,
    Exchange,
    Fault,
    FaultPlan,
    Faults,
)

BTC, ETH = "BTCUSDT", "ETHUSDT"


def test_an_order_waits_for_the_symbol_and_connection_it_is_meant_for():
    faults = Faults()
    order = faults.inject("drop", symbol=BTC, connection=2)
    assert faults.take(STREAM_FAULTS, ETH, 2) is None
    assert faults.take(STREAM_FAULTS, BTC, 1) is None
    assert faults.take(REST_FAULTS, BTC, 2) is None
    assert faults.take(STREAM_FAULTS, BTC, 2) is order
    assert faults.take(STREAM_FAULTS, BTC, 2) is None
    assert (order.count, faults.injected) == (1, Counter(drop=1))


def test_an_order_lets_some_pass_and_can_come_several_times():
    faults = Faults()
    faults.inject(Fault.DROP, after=2, times=2)
    took = [bool(faults.take(STREAM_FAULTS, BTC)) for _ in range(6)]
    assert took == [False, False, True, True, False, False]


def test_calm_forgets_orders_and_tells_who_must_end_something():
    faults, told = Faults(), []
    faults.on_calm.add(lambda: told.append(1))
    faults.inject("drop")
    faults.calm()
    assert faults.pending == ()
    assert told == [1]


@pytest.mark.parametrize("kind", ["corrupt", "nonsense"])
def test_only_kinds_that_act_on_frames_or_answers_can_be_ordered(kind):
    with pytest.raises(ValueError, match=kind):
        Faults().inject(kind)


def deal(plan, seconds, *, answer=True):
    """Let ``plan`` deal for some seconds, each fault taken at once."""
    faults, dealt = Faults(), []
    for tenth in range(seconds * 10):
        plan.tick(tenth / 10, faults, [BTC, ETH])
        for order in faults.pending:
            dealt.append((tenth, order.kind, order.symbol))
            if answer:
                faults.take({order.kind}, order.symbol or BTC)
    return dealt


def test_hostile_deals_eight_kinds_in_ten_seconds_whatever_the_seed():
    for seed in range(50):
        dealt = deal(FaultPlan.preset("hostile", seed), 10)
        assert len({kind for _, kind, _ in dealt}) >= 8


def test_hostile_deals_every_kind_in_a_minute():
    kinds = {kind for _, kind, _ in deal(FaultPlan.preset("hostile", 1), 60)}
    assert kinds == set(Fault) - {Fault.CORRUPT}


def test_faults_of_a_whole_connection_leave_time_to_recover():
    wide = {"silence", "half_open", "cut_clean", "cut_1006", "cut_1012", "burst"}
    dealt = deal(FaultPlan.preset("hostile", 3), 60)
    times = [time for time, kind, _ in dealt if kind.value in wide]
    assert all(b - a >= 30 for a, b in pairwise(times))


def test_orders_that_nobody_takes_do_not_pile_up():
    dealt = deal(FaultPlan.preset("hostile", 3), 30, answer=False)
    assert max(Counter(time for time, _, _ in dealt).values()) <= FaultPlan.WAITING


def test_the_same_seed_deals_the_same_faults():
    one, two, other = (deal(FaultPlan.preset("hostile", s), 20) for s in (5, 5, 6))
    assert one == two != other


def test_a_stopped_plan_deals_nothing_and_forgets_what_waits():
    plan, faults = FaultPlan.preset("hostile", 1), Faults()
    plan.tick(0, faults, [BTC])
    plan.tick(5, faults, [BTC])
    assert faults.pending
    plan.stop()
    plan.tick(9, faults, [BTC])
    assert plan.stopped
    assert faults.pending == ()


def test_a_plan_can_be_stopped_before_it_began():
    plan = FaultPlan.preset("hostile", 1)
    plan.stop()
    assert plan.stopped


def test_corruption_waits_for_a_level_that_will_stay():
    faults, exchange = Faults(), Exchange([BTC])
    faults.corrupt(BTC)
    (price, _), *_ = exchange.levels(BTC, 0)[0]
    exchange.set(BTC, "bid", exchange.markets[BTC].prices.text(price), "0")
    delta = exchange.cut(BTC)
    assert delta is not None
    assert faults.corrupted(delta, {1: None}) == {}
    assert any(
        faults.corrupted(delta, {1: None})
        for _ in range(9)
        for delta in exchange.advance()
    )
    assert faults.injected == {"corrupt": 1}


def corrupted(faults, seen):
    exchange = Exchange([BTC], levels=60, rate=300)
    for delta in (delta for _ in range(90) for delta in exchange.advance()):
        found = faults.corrupted(delta, seen)
        if found:
            return exchange.markets[BTC], delta, found
    raise AssertionError


def altered(right, wrong):
    return [
        (side, price)
        for side in (0, 1)
        for (price, size), (_, other) in zip(
            (right.bids, right.asks)[side], (wrong.bids, wrong.asks)[side], strict=True
        )
        if size != other
    ]


def test_corruption_may_be_meant_for_one_connection():
    faults = Faults()
    faults.corrupt(BTC, connection=2)
    exchange = Exchange([BTC], levels=60, rate=300)
    assert not any(faults.corrupted(d, {1: None}) for d in exchange.advance())
    _, right, found = corrupted(faults, {1: None, 2: None})
    assert list(found) == [2]
    assert len(altered(right, found[2])) == 1


def test_corruption_of_all_connections_is_the_same_on_each():
    faults = Faults()
    faults.corrupt(BTC)
    _, right, found = corrupted(faults, {1: None, 2: None})
    assert found[1] == found[2] != right


def test_corruption_is_where_it_can_be_seen():
    faults = Faults()
    faults.corrupt(BTC)
    market, right, found = corrupted(faults, {1: None, 2: 10})
    ((side, price),) = altered(right, found[2])
    assert 2 < market.rank(side, price) < 10


def test_nothing_is_dealt_while_nobody_watches():
    plan, faults = FaultPlan.preset("hostile", 1), Faults()
    plan.tick(0, faults, [])
    plan.tick(9, faults, [])
    assert not faults.pending


def test_presets_have_names():
    assert list(PRESETS) == ["none", "default", "hostile"]
    assert FaultPlan.preset("none").stopped
    with pytest.raises(ValueError, match="choose none, default, hostile"):
        FaultPlan.preset("nice")
