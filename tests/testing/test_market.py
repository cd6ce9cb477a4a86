from collections import Counter
from decimal import Decimal

import pytest

from booksync.testing import Forgotten, Spec
from booksync.testing.market import ASKS, BIDS, Epoch, Log, Market, Scale


def market(levels=200, seed="1", retention=100_000):
    made = Market(Spec.of("BTCUSDT"), seed, levels, retention)
    made.epochs.append(Epoch(0, 0, 0))
    return made


def run(made, count):
    for _ in range(count):
        made.epoch.top += 1
        made.set(*made.draw(), made.epoch.top)


@pytest.mark.parametrize(
    ("step", "steps", "places", "text"),
    [
        ("0.01", 6173763, 8, "61737.63000000"),
        ("0.01", 6173763, None, "61737.63"),
        ("0.05", 7, None, "0.35"),
        ("0.00000001", 1, 8, "0.00000001"),
        ("1", 12, None, "12"),
        ("1", 12, 2, "12.00"),
        ("10", 12, None, "120"),
        ("0.5", 0, 3, "0.000"),
    ],
)
def test_a_scale_writes_exact_text(step, steps, places, text):
    scale = Scale(step)
    assert scale.text(steps, places) == text
    assert scale.decimal(steps) == Decimal(text)
    assert scale.steps(text) == steps


def test_made_up_markets_are_always_the_same():
    assert Spec.of("XYZUSDT") == Spec.of("XYZUSDT")


@pytest.mark.parametrize("levels", [50, 500])
def test_the_flow_changes_inserts_and_deletes_in_realistic_shares(levels):
    made = market(levels)
    run(made, 20_000)
    kinds = Counter(
        "insert" if not old else "delete" if not size else "resize"
        for old, size in zip(made.log.olds, made.log.sizes, strict=True)
    )
    share = {kind: count / 20_000 for kind, count in kinds.items()}
    assert 0.45 < share["resize"] < 0.70
    assert 0.15 < share["insert"] < 0.30
    assert 0.15 < share["delete"] < 0.25
    assert 0.8 * levels < len(made.sides[BIDS]) < 1.3 * levels
    assert 0.8 * levels < len(made.sides[ASKS]) < 1.3 * levels


def test_the_flow_moves_the_best_prices_and_never_crosses_them():
    made = market(60)
    bests = set()
    for _ in range(5_000):
        run(made, 1)
        bid, ask = max(made.sides[BIDS]), min(made.sides[ASKS])
        assert bid < ask
        bests.add(bid)
    assert len(bests) > 50


def test_every_change_changes_something():
    made = market()
    run(made, 5_000)
    pairs = zip(made.log.olds, made.log.sizes, strict=True)
    assert all(old != size for old, size in pairs)


def test_a_pinned_level_is_left_alone():
    made = market(20)
    price = sorted(made.sides[BIDS])[-4]
    size = made.sides[BIDS][price]
    made.pinned.add(price * 2 + BIDS)
    run(made, 5_000)
    assert made.sides[BIDS][price] == size


def test_the_same_seed_gives_the_same_changes():
    one, two, other = market(seed="1"), market(seed="1"), market(seed="2")
    for made in (one, two, other):
        run(made, 1_000)
    assert one.log.keys == two.log.keys
    assert one.log.sizes == two.log.sizes
    assert one.log.keys != other.log.keys


def test_a_rank_counts_the_better_levels():
    made = market()
    for side in (BIDS, ASKS):
        ranked = sorted(made.sides[side], reverse=side == BIDS)
        assert [made.rank(side, price) for price in ranked[:5]] == [0, 1, 2, 3, 4]


def test_the_log_forgets_the_oldest_changes():
    log = Log(100)
    for number in range(1, 501):
        log.append(number, 2, 3, 4)
    assert 100 <= len(log.ids) <= 126
    assert log.ids[0] == log.base + 1
    assert log.ids[-1] == 500


def test_ids_and_sequences_are_each_others_inverse():
    made = market()
    made.epochs[:] = [Epoch(0, 1000, 1000)]
    run(made, 10)
    made.epochs.append(Epoch(10, 500, 500))
    run(made, 5)
    assert made.id_at(0) == 1000
    assert made.id_at(9) == 1009
    assert made.id_at(10) == 500
    assert made.id_at(15) == 505
    assert [made.sequence_of(made.id_at(each)) for each in range(16)] == list(range(16))
    assert made.sequence_of(1010) == 10
    for unknown in (499, 506, 999, 1011):
        with pytest.raises(Forgotten):
            made.sequence_of(unknown)


def test_ids_that_the_log_dropped_are_forgotten():
    made = market(retention=100)
    run(made, 1_000)
    with pytest.raises(Forgotten):
        made.sequence_of(3)
    with pytest.raises(Forgotten):
        made.id_at(3)
    assert made.sequence_of(1_000) == 1_000


def test_a_scale_forgets_decimals_before_they_are_too_many(monkeypatch):
    monkeypatch.setattr("booksync.testing.market._MEMO", 10)
    scale = Scale("0.1")
    for steps in range(100):
        assert scale.decimal(steps) == Decimal(steps) / 10
    assert len(scale._memo) <= 10


def test_deleting_a_level_that_is_not_there_is_a_change_too():
    made = market()
    before = [dict(side) for side in made.sides]
    made.set(BIDS, 1, 0, 1)
    assert made.sequence == 1
    assert [dict(side) for side in made.sides] == before


def test_a_market_near_zero_has_the_levels_that_fit():
    made = Market(Spec("X", "0.01", "1", "0.05"), "1", 50, 100)
    made.epochs.append(Epoch(0, 0, 0))
    assert 0 < len(made.sides[BIDS]) < 6
    for _ in range(2_000):
        run(made, 1)
        assert min(made.sides[BIDS]) > 0
        assert max(made.sides[BIDS]) < min(made.sides[ASKS])


def test_a_thin_side_never_runs_dry():
    made = market(levels=2)
    for _ in range(3_000):
        run(made, 1)
        assert min(len(side) for side in made.sides) >= 2
