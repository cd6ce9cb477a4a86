"""
One side keeps exactly the levels that it was told, in order, whoever reads when.

Invariant: after any loads, changes, cuts and reads, a side answers as a plain dict does
that is sorted at each question; and ``check()`` passes.
"""

from __future__ import annotations

import itertools
from decimal import Decimal
from functools import partial

import hypothesis.strategies as st
import pytest
from hypothesis import given

from booksync import side as sides
from booksync.errors import MalformedMessage
from booksync.exact import MAX_NUMBER_LENGTH, Level
from booksync.side import CROWD, FARTHEST, MANY, NEAR, REACH, SHARE, SMALL, FloatSide
from booksync.text_side import REMEMBERED, TextSide, make_side

KINDS = [
    pytest.param(TextSide, str, Decimal, id="exact"),
    pytest.param(FloatSide, float, float, id="float"),
    pytest.param(partial(TextSide, number=float), str, float, id="float as text"),
]


def texts(*levels):
    """A bid side of exact numbers."""
    side = TextSide("bid")
    side.load(levels)
    return side


def floats(*levels):
    side = FloatSide("bid")
    side.load(levels)
    return side


# -- what is written ------------------------------------------------------------------


def test_last_one_counts_where_a_price_is_listed_twice():
    side = texts(("9", "1"), ("9", "2"))
    assert side.texts() == [("9", "2")]
    side.apply([("9", "0"), ("9", "3"), ("8", "1"), ("8", "0")])
    assert side.texts() == [("9", "3")]
    side.check()


def test_levels_of_size_zero_are_not_loaded():
    assert len(texts(("9", "0.000"), ("8", "1"))) == 1
    assert len(floats((9.0, 0.0), (8.0, 1.0))) == 1


@pytest.mark.parametrize("zero", ["0", "0.000", "0.", ".0", "0E-8", "-0", 0])
def test_size_zero_removes_the_level_however_it_is_spelled(zero):
    side = texts(("9", "1"), ("8", "1"))
    side.apply([("9", zero)])
    assert side.texts() == [("8", "1")]
    side.apply([("8", Decimal("0E-8"))])
    assert len(side) == 0
    assert side.best() is None
    side.check()


@pytest.mark.parametrize("zero", [0.0, -0.0, 0, "0.000", Decimal("0E-8")])
def test_size_zero_removes_the_level_of_a_float_side(zero):
    side = floats((9.0, 1.0))
    side.apply([(9.0, zero)])
    assert len(side) == 0


def test_removing_a_level_that_is_not_there_is_normal():
    side = texts(("9", "1"))
    side.apply([("8", "0"), ("8.5", "0.00"), ("9.0000", "2")])
    assert side.texts() == [("9", "2")]
    side = floats((9.0, 1.0))
    side.apply([(8.0, 0.0)])
    assert side.top() == [Level(9.0, 1.0)]


@pytest.mark.parametrize("other", ["86700.0", "86700.000", "086700", "8.67E4", 86700])
def test_two_spellings_of_a_price_are_one_level(other):
    side = texts(("86700", "1"))
    side.apply([(other, "2")])
    assert side.top() == [Level(Decimal(86700), Decimal(2))]
    side.apply([(other, "0")])
    assert side.top() == []
    side.apply([(other, "1"), ("86700", "3")])
    assert side.top() == [Level(Decimal(86700), Decimal(3))]
    side.check()


def test_zeros_at_the_end_of_the_latest_size_stay():
    side = texts(("9.50", "0.1"))
    side.apply([("9.50", "0.10000000")])
    best = side.best()
    assert best is not None
    assert format(best.size, "f") == "0.10000000"
    assert format(best.price, "f") == "9.50"
    assert side.texts() == [("9.50", "0.10000000")]


def test_texts_have_no_exponent():
    side = texts(("1E-8", "2.50E+3"), (Decimal("3E-8"), Decimal("1E+1")))
    assert side.texts() == [("0.00000003", "10"), ("0.00000001", "2500")]
    assert floats((1e-8, 1e22)).texts() == [("0.00000001", "1" + 22 * "0")]


def test_prices_that_one_float_cannot_tell_apart_are_two_levels():
    close = ["0.10000000000000000", "0.10000000000000001", "0.10000000000000002"]
    side = texts((close[0], "1"), ("7", "7"))
    assert len({float(price) for price in close}) < len(close)
    side.apply([(close[2], "3"), (close[1], "2")])
    assert [size for _, size in side.texts()] == ["7", "3", "2", "1"]
    assert side.size(Decimal(close[1])) == 2
    assert side.better(Decimal(close[1])) == 2
    side.check()
    side.apply([(close[1], "0")])
    assert side.size(Decimal(close[1])) is None
    side.check()
    side.load([("0.1", "1")])
    side.check()
    assert side._to_key is float


def test_a_finer_price_is_met_in_the_middle_of_a_delta():
    side = texts(("2", "1"), ("1", "1"))
    fine = "1.0000000000000000001"
    side.apply([("3", "1"), ("2", "0"), (fine, "5"), ("1", "0"), ("3", "4")])
    assert side.texts() == [("3", "4"), (fine, "5")]
    side.check()


def test_a_fine_question_to_a_coarse_side_is_answered_exactly():
    side = texts(("2", "1"), ("1", "1"))
    above, below = Decimal("1." + "0" * 29 + "1"), Decimal("1." + "9" * 30)
    assert side.size(above) is None
    assert side.better(above) == side.better(1) == 1
    assert side.between(above, below) == []
    assert len(side.between(1, 2)) == 2
    side.check()


def test_float_side_takes_ints_texts_and_decimals():
    side = floats((9, 1), ("8", "0.5"), (Decimal("7.5"), Decimal("1E-3")))
    assert side.top() == [Level(9.0, 1.0), Level(8.0, 0.5), Level(7.5, 0.001)]
    assert all(type(number) is float for level in side.top() for number in level)
    side.apply([(9.0, 3), (8.0, "2")])
    assert all(type(number) is float for level in side.top() for number in level)
    side.check()


def test_signed_side_takes_prices_below_zero():
    for side in (TextSide("ask", signed=True), FloatSide("ask", signed=True)):
        side.load([("-1.5", "1"), ("0", "2"), ("3", "4")])
        side.check()
        assert [float(level.price) for level in side] == [-1.5, 0, 3]
        side.apply([("-1.50", "0"), ("-0.0", "5")])
        assert [float(level.size) for level in side] == [5, 4]
        side.check()


# -- what is refused ------------------------------------------------------------------

NO_NUMBERS = [
    "", " ", ".", "-", "+1", " 1 ", "1 ", "\t1", "1\n", "1_000", "1,000", "0x10", "1e",
    "e5", "1.2.3", "--1", "nan", "NaN", "sNaN", "inf", "Infinity", "-Infinity", "1e999",
    "1E+999999", "1E-999999", "1E+41", "1E-41", "0E+999999999", "\u0661", "\uff11",
    "1\u0660", "\ud800", "9" * (MAX_NUMBER_LENGTH + 1), "0." + "0" * 10_000,
    "1" * 10_000, None, True, False, [], ("1",), b"1", 10**400, 1j, Decimal("NaN"),
    Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+41"), Decimal("1." + "1" * 70),
]  # fmt: skip


@pytest.mark.parametrize("bad", [*NO_NUMBERS, "-1", -1, "0", 0], ids=ascii)
@pytest.mark.parametrize("size", ["1", "0"])
def test_bad_price_is_refused(bad, size):
    for side in (texts(("5", "1")), floats((5.0, 1.0))):
        for levels in ([(bad, size)], [("4", "1"), (bad, size), ("3", "1")]):
            with pytest.raises(MalformedMessage):
                side.apply(levels)
            side.check()


@pytest.mark.parametrize("bad", [*NO_NUMBERS, "-1", -1, "-1E-9"], ids=ascii)
@pytest.mark.parametrize("price", ["5", "6"])
def test_bad_size_is_refused(bad, price):
    for side in (texts(("5", "1")), floats((5.0, 1.0))):
        for levels in ([(price, bad)], [("4", "1"), (price, bad), ("3", "1")]):
            with pytest.raises(MalformedMessage):
                side.apply(levels)
            side.check()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0, -1e-9, True])
def test_bad_float_is_refused(bad):
    for level in ((5.0, bad), (6.0, bad), (bad, 1.0), (bad, 0.0), (0.0, 1.0)):
        side = floats((5.0, 1.0))
        with pytest.raises(MalformedMessage):
            side.apply([level])
        side.check()


def test_exact_side_takes_no_floats():
    for level in ((5.0, "1"), ("5", 1.0), (5.0, 1.0)):
        side = texts(("5", "1"))
        with pytest.raises(MalformedMessage):
            side.apply([level])


@pytest.mark.parametrize(
    "levels", [None, 7, [7], [()], [("1",)], [("1", "2", "3")], [None], ["1"]], ids=repr
)
def test_what_is_no_list_of_pairs_is_refused(levels):
    for side in (texts(("5", "1")), floats((5.0, 1.0))):
        with pytest.raises(MalformedMessage):
            side.apply(levels)
        side.check()


@pytest.mark.parametrize(
    "number",
    ["1E+40", "1e-40", "9" * MAX_NUMBER_LENGTH, "0." + "1" * (MAX_NUMBER_LENGTH - 2)],
)
def test_long_number_is_taken_up_to_the_limit(number):
    side = texts((number, number))
    assert side.top() == [Level(Decimal(number), Decimal(number))]
    side.check()


def test_failed_load_leaves_a_side_that_holds_together():
    side = texts(*((str(price), "1") for price in range(1, 500)))
    with pytest.raises(MalformedMessage):
        side.load([("1", "1"), ("2", "bad"), ("3", "1")])
    side.check()
    assert len(side) <= 2


# -- order ----------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "wire", "number"), KINDS)
@pytest.mark.parametrize("name", ["bid", "ask"])
def test_order_is_right_beyond_the_edge(make, wire, number, name):
    side = make(name)
    prices = list(range(1, 8 * SMALL))
    side.load([(wire(price), wire(1)) for price in prices])
    best_first = sorted(prices, reverse=name == "bid")
    assert len(side.top(3)) == 3
    # Take the best ones away until the near ones are used up, twice.
    for price in best_first[: 3 * SMALL]:
        side.apply([(wire(price), wire(0))])
        best = side.best()
        assert best is not None
    rest = best_first[3 * SMALL :]
    assert side.best() == Level(number(rest[0]), number(1))
    assert side.at(0) == side.best()
    assert side.at(len(rest) - 1) == Level(number(rest[-1]), number(1))
    assert side.at(len(rest)) is side.at(-1) is None
    assert [level.price for level in side] == [number(price) for price in rest]
    side.check()
    # And bring new ones, far from the edge and near.
    side.apply([(wire(f"{price}.5"), wire(1)) for price in prices])
    assert len(side) == len(rest) + len(prices)
    side.check()


@pytest.mark.parametrize(("make", "wire", "number"), KINDS)
@pytest.mark.parametrize("name", ["bid", "ask"])
def test_a_better_level_is_told_also_where_a_later_one_is_odd(make, wire, number, name):
    side = make(name)
    side.load([(wire(9), wire(1))])
    assert side.best() == (number(9), number(1))
    better = 10 if name == "bid" else 8
    side.apply([(wire(better), wire(2)), (Decimal(9), 3)])
    assert side.best() == (number(better), number(2))
    side.check()


@pytest.mark.parametrize(("make", "wire", "number"), KINDS)
def test_every_key_may_go_at_once(make, wire, number):
    side = make("bid")
    levels = [(wire(price), wire(1)) for price in range(1, 5 * SMALL)]
    side.load(levels)
    side.apply([(price, wire(0)) for price, _ in levels])
    assert side.best() is None
    assert side.top() == side.top(5) == list(side) == []
    side.check()
    side.apply(levels[:2])
    assert side.best() == Level(number(2), number(1))


def test_order_survives_many_changes_between_two_questions():
    side = floats(*((float(price), 1.0) for price in range(1, 2000)))
    assert side.better(1500.0) == 499
    for step in range(1, 2000, 2):
        side.apply([(float(step), 0.0)])
        side.best()
    assert side.better(1500.0) == 249
    side.check()


@pytest.mark.parametrize("name", ["bid", "ask"])
def test_nobody_reads_for_long(name):
    side = FloatSide(name, signed=True)
    side.load([(float(price), 1.0) for price in range(3 * SMALL)])
    assert side.better(1.5) + side.better(2.5) > 0  # now all of it is in order
    for price in range(3000):
        side.apply([(-price - 1.0, 1.0), (4000.0 + price, 1.0), (price - 0.5, 0.0)])
        assert len(side._touched) <= MANY + 3  # notes are bounded
        assert len(side._noted) <= REACH + len(side) // 4
        assert len(side._near) <= MANY + 2 * SMALL
    assert side._order is None
    assert len(side) == 3 * SMALL + 6000
    best = -3000.0 if name == "ask" else 6999.0
    assert side.best() == Level(best, 1.0)
    side.check()


@pytest.mark.parametrize(("make", "wire", "number"), KINDS)
@pytest.mark.parametrize("name", ["bid", "ask"])
def test_spare_levels_of_a_deep_book_become_the_best(make, wire, number, name):
    side = make(name)
    deep = 200 * SHARE  # there are spare ones from NEAR * SHARE on
    best_first = sorted(range(1, deep + 1), reverse=name == "bid")
    side.load([(wire(price), wire(1)) for price in best_first])
    assert len(side._near) + len(side._spare) == deep // SHARE
    gone = best_first[NEAR + 5 : NEAR + 30 : 3]
    side.apply([(wire(price), wire(0)) for price in gone])
    side.check()
    left = [price for price in best_first if price not in gone]
    come = [f"{price}.5" for price in left[NEAR + 10 : NEAR + 20]]
    side.apply([(wire(price), wire(1)) for price in come])
    left += map(float, come)
    left.sort(reverse=name == "bid")
    for price, following in itertools.pairwise(left[: 3 * deep // SHARE]):
        side.apply([(wire(price), wire(0))])
        assert side.best() == Level(number(following), number(1))
    side.check()


@pytest.mark.parametrize("name", ["bid", "ask"])
def test_spare_levels_are_bounded_however_many_come_and_go(name):
    side = FloatSide(name)
    deep = 100 * SHARE
    side.load([(float(price), 1.0) for price in range(1, deep + 1)])
    best = side.best()
    assert best is not None
    away = -1 if name == "bid" else 1
    for step in range(2_000):
        price = best.price + away * (NEAR + step % 30 + 0.5)
        side.apply([(price, 1.0), (price + away, 0.0)])
        assert side.best() == best
        assert len(side._spare) <= CROWD * (100 - NEAR)
    side.check()


@pytest.mark.parametrize("name", ["bid", "ask"])
def test_what_comes_beyond_the_edge_is_found_once_it_is_best(name):
    side = FloatSide(name, signed=True)
    near = [float(price) for price in range(-SMALL, SMALL)]
    side.load([(price, 1.0) for price in near])
    sign = -1 if name == "bid" else 1
    far = [sign * 10.0**power for power in range(3, 30)]
    side.apply([(price, 2.0) for price in far])
    side.apply([(price, 0.0) for price in near])
    assert [level.price for level in side.top(3)] == far[:3]
    for price in far:
        assert side.best() == Level(price, 2.0)
        side.apply([(price, 0.0)])
        side.check()
    assert side.best() is None


@pytest.mark.parametrize("count", [1, 10, SMALL, 2 * SMALL, FARTHEST, 3000, 9999])
def test_top_of_any_depth_is_right_again_and_again(count):
    side = floats(*((float(price), 1.0) for price in range(1, 4000)))
    for step in range(5):
        side.apply([(3999.0 - step, 0.0)])
        assert [price for price, _ in side.top(count)] == [
            float(price) for price in range(3998 - step, 0, -1)[:count]
        ]
    side.check()


def test_no_levels_are_asked_for():
    side = texts(("9", "1"))
    assert side.top(0) == side.top(-1) == side.texts(0) == side.texts(-5) == []


def test_level_is_made_anew_when_its_size_changed():
    side = texts(*((str(price), "1") for price in range(1, 2 * REMEMBERED)))
    for size in ("1", "2", "2.0"):
        side.apply([("200", size), ("7", size)])
        assert format(side.size(Decimal(200)), "f") == size
        assert {level.price: level.size for level in side.top()}[7] == Decimal(size)
        assert len(side._made) <= REMEMBERED


# -- cutting and copying --------------------------------------------------------------


@pytest.mark.parametrize(("make", "wire", "number"), KINDS)
def test_truncate_drops_the_worst_and_says_which(make, wire, number):
    for name, dropped in (("bid", [1, 2, 3]), ("ask", [498, 499, 500])):
        side = make(name)
        side.load([(wire(price), wire(1)) for price in range(1, 501)])
        assert side.truncate(500) == []
        assert sorted(side.truncate(497)) == [number(price) for price in dropped]
        assert len(side) == 497
        side.check()
        side.apply([(wire(dropped[0]), wire(2))])
        side.check()
        assert len(side.truncate(0)) == 498
        assert side.best() is None
        side.check()


@pytest.mark.parametrize(("make", "wire", "number"), KINDS)
def test_frozen_side_does_not_follow_and_does_not_change(make, wire, number):
    side = make("ask")
    side.load([(wire(price), wire(1)) for price in range(1, 400)])
    side.better(number(200))
    side.apply([(wire(1), wire(0))])
    twin = side.frozen()
    side.apply([(wire(2), wire(0)), (wire(300), wire(0))])
    assert twin.best() == Level(number(2), number(1))
    assert twin.better(number(301)) == 299
    for change in (twin.apply, twin.load, twin.truncate):
        with pytest.raises(TypeError):
            change([])
    assert len(twin) == 398
    assert twin.frozen().best() == twin.best()
    assert side.best() == Level(number(3), number(1))
    side.check()
    twin.check()


def test_kind_is_chosen_by_what_comes_and_what_is_read():
    assert type(make_side("bid")) is TextSide
    assert type(make_side("bid", numbers=float)) is FloatSide
    side = make_side("bid", numbers=float, texts=True, signed=True)
    side.load([("-1.10", "2.00")])
    assert side.top() == [Level(-1.1, 2.0)]
    assert side.texts() == [("-1.10", "2.00")]


# -- against a model ------------------------------------------------------------------

TICKS = st.integers(1, 40)
SPELLINGS = [
    "{:.2f}".format,
    "{:.1f}".format,
    "{:.4f}".format,
    lambda price: "0" + f"{price:.1f}",
    Decimal,
    lambda price: f"{int(price * 10)}E-1",
]


@st.composite
def changes(draw):
    """Levels as ``(tick, size, how the price is spelled)``."""
    return draw(st.lists(st.tuples(TICKS, st.integers(0, 4), st.integers(0, 5))))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("apply"), changes()),
        st.tuples(st.just("load"), changes()),
        st.tuples(st.just("best"), st.none()),
        st.tuples(st.just("top"), st.integers(0, 50)),
        st.tuples(st.just("better"), TICKS),
        st.tuples(st.just("between"), st.tuples(TICKS, TICKS)),
        st.tuples(st.just("truncate"), st.integers(0, 30)),
    ),
    max_size=15,
)


class Model:
    """A dict that is sorted at each question."""

    def __init__(self, name):
        self.high = name == "bid"
        self.levels = {}

    def write(self, levels):
        for tick, size, _ in levels:
            self.levels[tick] = size
            if not size:
                del self.levels[tick]

    def best_first(self):
        return sorted(self.levels.items(), reverse=self.high)

    def cut(self, count):
        self.levels = dict(self.best_first()[:count])


def wire(levels, *, exact):
    price = {tick: Decimal(tick) / 10 for tick, _, _ in levels}
    if exact:
        return [(SPELLINGS[how](price[tick]), str(size)) for tick, size, how in levels]
    return [(float(price[tick]), float(size)) for tick, size, _ in levels]


def ask(side, model, expected, step, what):
    """Put one question to both."""
    if step == "best":
        assert side.best() == (expected[0] if expected else None)
    elif step == "top":
        assert side.top(what) == expected[:what]
        assert len(side.texts(what)) == len(expected[:what])
    elif step == "better":
        prices = [price for price, _ in expected]
        assert side.better(what) == len(
            [p for p in prices if (p > what if model.high else p < what)]
        )
        assert side.size(what) == dict(expected).get(what)
    elif step == "between":
        low, high = what
        assert side.between(low, high) == [
            (price, size) for price, size in expected if low <= price <= high
        ]


@pytest.mark.parametrize("name", ["bid", "ask"])
@pytest.mark.parametrize("exact", [True, False])
@given(steps=STEPS, reach=st.sampled_from([1, 2, 5, None]))
def test_side_answers_as_its_model_does(name, exact, steps, reach):
    with pytest.MonkeyPatch.context() as patch:
        if reach is not None:  # so that few levels have an edge, too
            for limit in ("REACH", "SHARE", "NEAR", "SMALL", "MANY"):
                patch.setattr(sides, limit, reach)
        compare(name, steps, exact=exact)


def compare(name, steps, *, exact):
    side, model = make_side(name, numbers=Decimal if exact else float), Model(name)

    def number(tick):
        return Decimal(tick) / 10 if exact else tick / 10

    def expected():
        return [(number(tick), size) for tick, size in model.best_first()]

    for step, what in steps:
        if step in {"apply", "load"}:
            model.levels = {} if step == "load" else model.levels
            model.write(what)
            getattr(side, step)(wire(what, exact=exact))
        elif step == "truncate":
            model.cut(what)
            side.truncate(what)
        elif step == "better":
            ask(side, model, expected(), step, number(what))
        elif step == "between":
            ask(side, model, expected(), step, tuple(map(number, what)))
        else:
            ask(side, model, expected(), step, what)
    assert list(side) == side.top() == side.between(None, None) == expected()
    assert len(side) == len(expected())
    side.check()
