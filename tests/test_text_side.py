"""Sides of text and floats: what they take, the order they keep, what they refuse."""

from __future__ import annotations

from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from booksync import side as module
from booksync import text_side
from booksync.errors import MalformedMessage
from booksync.exact import Level
from booksync.spelling import TRIMMED, fixed
from booksync.text_side import CALLED, PART, REMEMBERED, TextSide, make_side

BOTH = pytest.mark.parametrize("numbers", [Decimal, float])
SIDES = pytest.mark.parametrize("name", ["bid", "ask"])


def wire(levels, numbers):
    """Levels as a decoder gives them."""
    kind = str if numbers is Decimal else float
    return [(kind(price), kind(size)) for price, size in levels]


def loaded(name, levels, numbers=Decimal, **options):
    side = make_side(name, numbers=numbers, **options)
    side.load(wire(levels, numbers))
    return side


def of(numbers, *pairs):
    return [Level(numbers(price), numbers(size)) for price, size in pairs]


@pytest.fixture
def small(monkeypatch):
    """Few prices are kept in order, so that sides of some dozens have far ones."""
    monkeypatch.setattr(module, "REACH", 2)


# -- writing and order -------------------------------------------------------------


@BOTH
def test_best_is_highest_bid_and_lowest_ask(numbers):
    levels = [("9", "1"), ("11", "2"), ("10", "3")]
    assert loaded("bid", levels, numbers).best() == (11, 2)
    assert loaded("ask", levels, numbers).best() == (9, 1)


@BOTH
@SIDES
def test_levels_are_best_first_and_of_the_sides_numbers(name, numbers):
    side = loaded(name, [("9", "1"), ("11", "2"), ("10", "3")], numbers)
    expected = of(numbers, ("9", "1"), ("10", "3"), ("11", "2"))
    if name == "bid":
        expected.reverse()
    assert side.top() == list(side) == expected
    assert side.top(2) == expected[:2]
    assert side.top(0) == side.top(-1) == []
    assert side.top(99) == expected
    assert {type(number) for level in side.top() for number in level} == {numbers}
    assert all(type(level) is Level for level in side)


@BOTH
@SIDES
def test_sizes_are_absolute_and_zero_removes(name, numbers):
    side = loaded(name, [("9", "1"), ("10", "3")], numbers)
    side.apply(wire([("9", "5"), ("10", "0"), ("77", "0")], numbers))
    assert side.top() == of(numbers, ("9", "5"))
    side.check()


@BOTH
def test_last_of_a_price_listed_twice_counts(numbers):
    side = loaded("bid", [("9", "1"), ("9", "2")], numbers)
    assert side.top() == of(numbers, ("9", "2"))
    side.apply(wire([("9", "0"), ("9", "4"), ("8", "4"), ("8", "0")], numbers))
    assert side.top() == of(numbers, ("9", "4"))
    side.apply(wire([("9", "7"), ("9", "0")], numbers))
    assert side.top() == []
    assert side.best() is None
    side.check()


@BOTH
def test_load_forgets_what_was(numbers):
    side = loaded("bid", [("9", "1")], numbers)
    side.apply(wire([("10", "1")], numbers))
    side.load(wire([("8", "1")], numbers))
    assert side.top() == of(numbers, ("8", "1"))
    side.load([])
    assert side.best() is None
    assert len(side) == 0
    side.check()


@pytest.mark.parametrize("zero", ["0", "0.00000000", "0E-8", "-0", 0, Decimal("0.0")])
def test_zero_is_compared_as_a_number(zero):
    side = loaded("bid", [("9", "1")])
    side.apply([("9", zero)])
    assert len(side) == 0


@pytest.mark.parametrize("size", ["1E-40", "0." + "0" * 61 + "1", Decimal("1E-30"), 1])
def test_size_however_small_is_more_than_nothing(size):
    side = make_side("bid")
    side.load([("9", size)])
    assert side.best() == (9, Decimal(size))
    assert type(side.size(Decimal(9))) is Decimal


def test_negative_zero_removes_a_float_level():
    side = loaded("ask", [("9", "1")], float)
    side.apply([(9.0, -0.0)])
    assert len(side) == 0


def test_two_spellings_are_one_level():
    side = loaded("ask", [("86700", "1"), ("86700.0", "2"), ("8.67E+4", "3")])
    assert side.top() == [(86700, 3)]
    side.apply([("86700.00", "0")])
    assert len(side) == 0


@pytest.mark.parametrize("look_between", [True, False])
@pytest.mark.usefixtures("small")
def test_level_that_comes_back_has_its_new_spelling_whoever_looked_between(
    look_between,
):
    side = loaded("bid", [(str(price), "1") for price in range(1, 60)])
    assert side.at(40) is not None  # all prices are in order from now on
    for price in (59, 5):
        side.apply([(str(price), "0")])
        if look_between:
            side.top()
        side.apply([(f"{price}.00", "2")])
    assert side.texts(1) == [("59.00", "2")]
    assert side.texts(59)[54] == ("5.00", "2")
    assert str(side.at(54).price) == "5.00"


@SIDES
@BOTH
@pytest.mark.usefixtures("small")
def test_far_levels_come_near_as_the_near_ones_go(name, numbers):
    prices = list(range(1, 400))
    side = loaded(name, [(price, price) for price in prices], numbers)
    best_first = prices[::-1] if name == "bid" else prices
    assert len(side._near) < len(side)
    for n, price in enumerate(best_first[:-1]):
        side.apply(wire([(price, 0)], numbers))
        assert side.best() == of(numbers, (best_first[n + 1],) * 2)[0]
        if n % 50 == 0:
            side.check()


@SIDES
@BOTH
@pytest.mark.usefixtures("small")
def test_order_beyond_the_edge_follows_changes(name, numbers):
    side = loaded(name, [(price, 1) for price in range(2, 800, 2)], numbers)
    assert side._order is None
    assert side.better(numbers(400)) in {199, 200}
    assert side._order is not None
    side.apply(wire([(401, 2), (400, 0), (3, 1), (797, 1)], numbers))
    side.check()
    assert side.size(numbers(400)) is None
    assert [level.price for level in side.between(399, 403)] in ([402, 401], [401, 402])


@SIDES
@BOTH
@pytest.mark.usefixtures("small")
def test_load_forgets_the_order_of_what_was(name, numbers):
    side = loaded(name, [(price, 1) for price in range(1, 400)], numbers)
    assert side.at(300)
    side.load(wire([(price, 1) for price in range(1_000, 1_500)], numbers))
    prices = list(range(1_000, 1_500))[:: -1 if name == "bid" else 1]
    assert side.best().price == prices[0]
    assert [level.price for level in side] == prices
    side.check()


@BOTH
@pytest.mark.usefixtures("small")
def test_order_is_given_up_when_too_much_changed_unseen(numbers):
    side = loaded("bid", [(price, 1) for price in range(1, 400)], numbers)
    assert side.at(300) == (99, 1)
    for price in range(1, 200):
        side.apply(wire([(price, 0)], numbers))
        side.best()
    assert side._order is None
    side.check()
    assert side.at(199) == (200, 1)


# -- reading ------------------------------------------------------------------------


@SIDES
@BOTH
def test_rank_and_price_are_inverse(name, numbers):
    side = loaded(name, [(price, price) for price in range(1, 900)], numbers)
    for rank in (0, 1, 100, 500, 898):
        level = side.at(rank)
        assert side.better(level.price) == rank
    assert side.at(-1) is None
    assert side.at(899) is None
    worse = -1 if name == "bid" else 1000
    assert side.better(numbers(worse)) == 899
    assert side.better(numbers(999 - worse)) == 0


@SIDES
@BOTH
def test_range_includes_both_ends(name, numbers):
    side = loaded(name, [(price, 1) for price in range(1, 900)], numbers)
    found = [level.price for level in side.between(numbers(300), numbers(302))]
    assert found == ([302, 301, 300] if name == "bid" else [300, 301, 302])
    assert len(side.between(None, numbers(10))) == 10
    assert len(side.between(numbers(890), None)) == 10
    assert len(side.between(None, None)) == 899
    assert side.between(numbers(302), numbers(300)) == []


@BOTH
def test_who_reads_the_first_levels_does_not_put_all_in_order(numbers):
    side = loaded("bid", [(price, 1) for price in range(1, 5_000)], numbers)
    side.top(10)
    side.best()
    next(iter(side))
    assert side._order is None
    assert len(list(side)) == 4_999


@BOTH
@SIDES
def test_empty_side_answers(name, numbers):
    side = make_side(name, numbers=numbers)
    assert side.best() is None
    assert side.top() == side.texts(5) == list(side) == side.between(None, None) == []
    assert side.at(0) is None
    assert side.size(numbers(1)) is None
    assert side.better(numbers(1)) == len(side) == 0
    assert side.truncate(0) == []
    side.check()


@BOTH
@SIDES
def test_truncation_drops_the_worst_and_names_them(name, numbers):
    side = loaded(name, [(price, 1) for price in range(1, 700)], numbers)
    assert side.truncate(699) == []
    gone = side.truncate(600)
    side.check()
    kept = range(100, 700) if name == "bid" else range(1, 601)
    assert sorted(level.price for level in side) == list(kept)
    assert set(gone) == set(range(1, 700)) - set(kept)
    assert side.truncate(0)
    assert side.best() is None
    side.check()


def test_a_price_too_fine_for_floats_within_a_message_leaves_the_rest_in_order():
    side = loaded("bid", [(price, "1") for price in range(1000, 2000)])
    best = [str(price) for price in range(1999, 1980, -1)]
    fine = "1000.00000000000001"
    # From the fine price on, keys are exact, and others are near than before.
    later = [("1980.10", "2"), ("1979", "0"), ("1978", "7")]
    side.apply([*((price, "0") for price in best), (fine, "1"), *later])
    side.check()
    side.apply([("1980.1", "3"), ("1970.5", "4")])
    side.check()
    assert side.top(2) == of(Decimal, ("1980.10", "3"), (1980, 1))
    assert len(side) == 1000 - len(best) + 3 - 1


# -- texts --------------------------------------------------------------------------


@BOTH
def test_texts_keep_zeros_and_lose_exponents(numbers):
    side = make_side("bid", numbers=numbers, texts=True)
    side.load([("9.50", "1.000"), ("9.40", "1E-7"), ("1E+1", "2")])
    assert side.texts(9) == [("10", "2"), ("9.50", "1.000"), ("9.40", "0.0000001")]
    assert side.texts(1) == [("10", "2")]
    assert side.texts(0) == side.texts(-1) == []
    side.apply([("9.5", "2.0"), ("9.40", "0.0"), ("77", "0")])
    assert side.texts(9) == [("10", "2"), ("9.50", "2.0")]
    side.truncate(1)
    assert side.texts(9) == [("10", "2")]
    side.check()
    side.load([("8.0", "1.0")])
    assert side.texts(9) == [("8.0", "1.0")]
    side.check()


def test_texts_of_floats_that_kept_none_are_canonical():
    side = loaded("bid", [("0.00000001", "100"), ("9.50", "1e-7")], float)
    assert side.texts(5) == [("9.5", "0.0000001"), ("0.00000001", "100")]


# -- hostile numbers ----------------------------------------------------------------

HOSTILE = [
    pytest.param("NaN", id="NaN"),
    pytest.param("Infinity", id="Infinity"),
    pytest.param("-1", id="negative"),
    pytest.param("", id="empty"),
    pytest.param(" 1 ", id="spaces"),
    pytest.param("1_000", id="underscore"),
    pytest.param(".", id="point"),
    pytest.param("1.2.3", id="two points"),
    pytest.param("1" * 10_000, id="10,000 digits"),
    pytest.param("1E+999999", id="huge exponent"),
    pytest.param("1." + "1" * 40 + "E-40", id="long without its exponent"),
    pytest.param("\u0661", id="Arabic digit"),
    pytest.param("one", id="word"),
    pytest.param(True, id="bool"),
    pytest.param(None, id="None"),
    pytest.param(["1"], id="list"),
    pytest.param({"1": 1}, id="dict"),
    pytest.param(b"1", id="bytes"),
    pytest.param(float("nan"), id="float nan"),
    pytest.param(float("inf"), id="float inf"),
    pytest.param(float("-inf"), id="float -inf"),
    pytest.param(-1.0, id="negative float"),
    pytest.param(Decimal("NaN"), id="Decimal NaN"),
    pytest.param(Decimal("sNaN"), id="Decimal sNaN"),
    pytest.param(Decimal("Infinity"), id="Decimal infinity"),
    pytest.param(Decimal(-1), id="negative Decimal"),
]
KINDS = pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        pytest.param(Decimal, False, id="exact"),
        pytest.param(float, False, id="floats"),
        pytest.param(float, True, id="floats with texts"),
    ],
)


@KINDS
@pytest.mark.parametrize("where", ["price", "removed price", "size", "size of known"])
@pytest.mark.parametrize("number", HOSTILE)
def test_hostile_number_is_refused_and_leaves_the_side_whole(
    number, where, numbers, texts
):
    side = make_side("bid", numbers=numbers, texts=texts)
    good = ("5", "1") if numbers is Decimal or texts else (5.0, 1.0)
    side.load([good])
    level = {
        "price": (number, good[1]),
        "removed price": (number, type(good[1])(0)),
        "size": ("7" if numbers is Decimal or texts else 7.0, number),
        "size of known": (good[0], number),
    }[where]
    with pytest.raises(MalformedMessage):
        side.apply([level])
    side.check()
    assert side.top() == of(numbers, ("5", "1"))


@KINDS
@pytest.mark.parametrize("price", ["0", "-0", "0.0", 0.0, -0.0, "-5", -5.0])
def test_price_must_be_positive(price, numbers, texts):
    side = make_side("ask", numbers=numbers, texts=texts)
    size = 1.0 if type(price) is float else "1"
    with pytest.raises(MalformedMessage):
        side.load([(price, size)])


@KINDS
def test_signed_side_takes_prices_below_zero(numbers, texts):
    side = make_side("bid", numbers=numbers, signed=True, texts=texts)
    prices = ["-37.63", "0", "1.5"]
    side.load([(p, "1") for p in prices])
    assert [level.price for level in side] == [numbers(p) for p in prices[::-1]]
    side.apply([("0.0", "0"), ("-37.630", "2")])
    assert side.top() == of(numbers, ("1.5", "1"), ("-37.63", "2"))
    side.check()
    with pytest.raises(MalformedMessage):
        side.apply([("-Infinity", "1")])
    with pytest.raises(MalformedMessage):
        side.apply([(float("-inf"), 1.0)])


@pytest.mark.parametrize("numbers", [Decimal])
def test_signed_prices_are_not_remembered_for_unsigned_sides(numbers):
    loaded("bid", [("-12.25", "1"), ("0.000", "1")], numbers, signed=True)
    side = make_side("bid")
    for price in ("-12.25", "0.000"):
        with pytest.raises(MalformedMessage, match="price is not positive"):
            side.apply([(price, "1")])


@KINDS
@pytest.mark.parametrize(
    "levels",
    [
        pytest.param([()], id="empty level"),
        pytest.param([("1",)], id="no size"),
        pytest.param([("1", "2", "3")], id="three parts"),
        pytest.param([None], id="None"),
        pytest.param([7], id="number"),
        pytest.param(7, id="no list"),
    ],
)
def test_what_is_no_level_is_refused(levels, numbers, texts):
    side = make_side("bid", numbers=numbers, texts=texts)
    with pytest.raises(MalformedMessage, match="not a price and a size"):
        side.apply(levels)
    side.check()


@pytest.mark.parametrize(
    "level",
    [("5", "2"), (5, 2), (Decimal(5), Decimal(2)), ("5", 2.0), (5.0, "2"), (5, 2.0)],
)
@pytest.mark.parametrize("known", [True, False])
def test_floats_are_made_of_whatever_comes(level, known):
    side = make_side("bid", numbers=float)
    side.load([(5.0, 1.0)] if known else [])
    side.apply([level])
    assert side.top() == [(5.0, 2.0)]
    assert {type(number) for number in side.best()} == {float}
    side.apply([(level[0], type(level[1])(0))])
    assert len(side) == 0


def test_mixed_kinds_in_one_list_are_all_read():
    side = loaded("bid", [("1", "1")], float)
    side.apply([(2.0, 2.0), ("3", 3.0), ("1", 0.0)])
    assert side.top() == [(3.0, 3.0), (2.0, 2.0)]
    side.check()


@pytest.mark.parametrize("levels", [[("5", "1"), ("NaN", "1")], [("5", "1"), "xyz"]])
def test_side_can_be_read_and_loaded_after_a_load_that_failed(levels):
    side = loaded("bid", [(str(price), "1") for price in range(1, 900)])
    side.top()
    with pytest.raises(MalformedMessage):
        side.load(levels)
    side.check()
    assert side.top() in ([], [(5, 1)])
    side.load([("6", "1")])
    assert side.top() == [(6, 1)]


@pytest.mark.parametrize("break_it", ["_near", "_held", "_best"])
def test_check_notices_a_broken_side(break_it):
    side = loaded("bid", [("1", "1"), ("2", "1"), ("3", "1")])
    if break_it == "_near":
        side._near.reverse()
    elif break_it == "_held":
        side._held[Decimal(9)] = "1"
    else:
        side._best = Level(Decimal(1), Decimal(1))
    with pytest.raises(AssertionError):
        side.check()


# -- the text of a price --------------------------------------------------------------


def spellings(price):
    """Texts of a price, none of which has an exponent."""
    texts = [f"{price:.2f}", f"{price:.3f}", f"{price:.8f}", f"{price:.20f}"]
    texts.append(format(price.normalize(), "f"))
    if price > 0:
        texts += [f"0{price:.2f}", f"00000000000000000{price:.2f}"]
    if 0 < abs(price) < 1:
        texts.append(f"{price:.2f}".replace("0", "", 1))
    if price == 0:
        texts += ["-0.00", "-0"]
    return texts


@st.composite
def spelled(draw, prices, usual):
    """Levels of a message, and of each (price, its text, size)."""
    levels = []
    for price in draw(st.lists(prices, max_size=8)):
        most = st.just(spellings(price)[usual])
        text = draw(st.one_of(most, most, st.sampled_from(spellings(price))))
        levels.append((price, text, draw(st.sampled_from(["0", "0.0", "1", "2.50"]))))
    return levels


@SIDES
@BOTH
@pytest.mark.parametrize("signed", [False, True])
@given(data=st.data())
def test_each_price_is_one_level_and_told_as_it_was_first_written(
    name, numbers, signed, data
):
    """Invariant: a dict by number, whose levels keep the text that brought them."""
    few = data.draw(st.sampled_from([0, 2, None]), "few")
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("ODD_FEW", "REMEMBERED", "CALLED") if few is not None else ():
            patch.setattr(text_side, limit, few)
        for limit in ("REACH", "SHARE", "NEAR", "SMALL", "MANY"):
            patch.setattr(module, limit, 3)
        side = make_side(name, numbers=numbers, signed=signed, texts=True)
        model = {}
        # At 15 digits, keys end; some venues write eight places whatever the price.
        high = data.draw(st.sampled_from([0, 0, 999_995, 10**9]), "high")
        prices = st.integers(-8 if signed else 1, 30).map(
            lambda quarters: high + Decimal(quarters) / 4
        )
        usual = data.draw(st.integers(0, 4), "usual")
        for _ in range(data.draw(st.integers(1, 8), "messages")):
            levels = data.draw(spelled(prices, usual))
            if data.draw(st.integers(0, 9)) == 0:
                model.clear()
                side.load([level[1:] for level in levels])
            else:
                side.apply([level[1:] for level in levels])
            for price, text, size in levels:
                if Decimal(size):
                    told = text.replace("-.", "-0.")
                    model[price] = model.get(price, (told,))[0], size
                else:
                    model.pop(price, None)
            told = [model[one] for one in sorted(model, reverse=name == "bid")]
            count = data.draw(st.integers(0, 40), "read")
            assert side.texts(count) == told[:count]
            assert side.top(count) == [
                (numbers(price), numbers(size)) for price, size in told[:count]
            ]
            assert [str(level.price) for level in side.top(count)] == [
                str(numbers(price)) for price, _ in told[:count]
            ]
            asked = data.draw(prices, "asked")
            size = model.get(asked, (None, None))[1]
            assert side.size(numbers(asked)) == (size and numbers(size))
            side.check()


def test_a_side_learns_how_most_prices_are_spelled():
    side = TextSide("ask")
    side.load([(f"{price}.50", "1") for price in range(1, 200)])
    assert not side._names  # none but those that are unlike the others
    side.apply([("7.5", "2"), ("8", "3"), ("9.000", "4")])
    assert sorted(side._names.values()) == ["8", "9.000"]
    assert side.texts(10)[6:] == [
        ("7.50", "2"),
        ("8", "3"),
        ("8.50", "1"),
        ("9.000", "4"),
    ]
    side.apply([("8.00", "0"), ("9", "0")])
    assert not side._names
    side.check()
    side.load([(f"0.{price:04}", "1") for price in range(1, 200)])
    assert not side._names
    side.apply([(".0199", "2"), ("0.02050", "3"), (".021", "4")])
    last = [("0.0199", "2"), ("0.02050", "3"), (".021", "4")]
    assert side.texts()[-3:] == last
    side.check()


@pytest.mark.parametrize("least", [1, 999_900, 10_000_000, 1_680_000_000])
def test_zeros_that_a_venue_always_writes_are_no_digits(least):
    side = TextSide("ask")
    prices = [Decimal(least) + Decimal(n) / 10 for n in range(200)]
    side.load([(f"{price:.8f}", "1") for price in prices])
    assert not side._names
    odd = "1680000000.12345000"
    side.apply([(odd, "2"), (f"{prices[0]:.2f}", "0"), (f"{prices[1]:.8f}", "0")])
    assert set(side._names.values()) <= {odd}
    told = sorted([*((p, f"{p:.8f}") for p in prices[2:]), (Decimal(odd), odd)])
    assert [text for text, _ in side.texts()] == [text for _, text in told]
    assert [level.price for level in side.top()] == [price for price, _ in told]
    side.check()


def test_prices_of_many_places_are_told_apart():
    coarse = [f"0.0000000000000{n:03}00" for n in range(1, 100)]
    fine = [f"0.12345678901234567{n}" for n in range(1, 9)]
    side = TextSide("ask")
    side.load([(price, "1") for price in coarse])
    assert [price for price, _ in side.texts()] == coarse
    side.check()
    side.apply([(price, "2") for price in fine])
    assert [price for price, _ in side.texts()] == [*coarse, *fine]
    side.check()


def test_zero_has_no_sign():
    side = TextSide("ask", signed=True)
    side.load([(f"{n}.00", "1") for n in range(1, 50)])
    side.apply([("-0.00", "1")])
    side.apply([("-0.00", "0"), ("0.00", "2")])
    assert side.texts(2) == [("0.00", "2"), ("1.00", "1")]
    assert side.top(1) == of(Decimal, ("0", "2"))
    assert side.size(Decimal("-0")) == 2
    side.check()


def test_a_few_long_prices_are_the_odd_ones():
    side = TextSide("ask")
    long = [f"00000000000000000{price}.25" for price in range(1, 5)]
    side.load([(price, "1") for price in long])
    side.apply([(f"{price}.50", "1") for price in range(1, 200)])
    assert sorted(side._names.values()) == long
    side.check()


@pytest.mark.parametrize(
    "tick", ["1", "0.1", "0.25", "0.00001", "0.0000000001", "1000000"]
)
def test_prices_without_zeros_at_the_end_are_alike(tick):
    side = TextSide("bid")
    prices = [Decimal(tick) * n for n in range(1, 300)]
    texts = [format(price.normalize(), "f") for price in prices]
    side.load([(text, "1") for text in texts])
    assert not side._names
    assert [text for text, _ in side.texts()] == texts[::-1]
    side.apply([(texts[9] + ("0" if "." in texts[9] else ".0"), "2")])
    assert side.size(prices[9]) == 2
    assert not side._names
    side.check()


@pytest.mark.parametrize("spelling", [fixed(2, 0), fixed(8, 6), TRIMMED])
@given(
    whole=st.integers(0, 10**16), places=st.integers(0, 12), cents=st.integers(0, 99)
)
def test_what_is_spelled_alike_is_spelled_so_again_from_its_key(
    spelling, whole, places, cents
):
    """Invariant: of a text that fits, the key alone makes the same text."""
    text = f"{whole}.{cents:02}{'0' * places}"
    for one in (text, text.rstrip("0"), text.rstrip("0").rstrip("."), f"0{text}"):
        if spelling.fits(one):
            assert spelling.spell(float(one) or 0) == one
    short = f"{whole % 10**8}.{cents:02}"
    fitting = {2: short, 8: f"{short}000000"}
    if spelling is TRIMMED:
        assert spelling.fits(short.rstrip("0").rstrip("."))
    else:
        assert spelling.fits(fitting[2 if spelling is fixed(2, 0) else 8])


@pytest.mark.parametrize(
    "text",
    ["", ".", "5.", ".50", "-1.00", "+1.00", "1e2", "1_0.00", "1.0", "007.10", "1.2.3",
     "\u0661.00", "1.00\n", " 1.00", "1234567890123456.00", "nan", "00.10", "-0.00",
     "12345678.123456789", "1234567890123456"],
)  # fmt: skip
def test_what_is_spelled_otherwise_does_not_fit(text):
    assert not fixed(2, 0).fits(text)
    if text not in {"1.0", "5."}:
        assert not TRIMMED.fits(text)


def test_a_long_price_is_spelled_as_the_others_are():
    side = TextSide("ask")
    side.load([(f"{price}.50", "1") for price in range(1, 100)])
    side.apply([("1234567890123.50", "2")])
    assert not side._names
    assert side.texts()[-1] == ("1234567890123.50", "2")
    side.check()


def test_prices_too_fine_for_floats_are_all_told_until_the_side_is_loaded_anew():
    side = TextSide("bid")
    side.load([(f"{price}.5", "1") for price in range(1, 20)])
    fine = "7.00000000000000001"
    side.apply([(fine, "2"), *((f"{price}.25", "3") for price in range(1, 100))])
    assert set(side._names.values()) == set(side._held)
    assert ("7.5", "1") in side.texts()
    assert (fine, "2") in side.texts()
    side.check()
    side.load([("2.5", "1"), ("1.5", "1")])
    assert not side._names
    assert side.texts() == [("2.5", "1"), ("1.5", "1")]
    side.check()


def test_spellings_are_counted_anew_only_where_odd_ones_are_many_more(monkeypatch):
    counted = []
    recount = TextSide._recount
    monkeypatch.setattr(
        TextSide, "_recount", lambda side: [counted.append(len(side)), recount(side)]
    )
    side = TextSide("bid")
    side.load([(f"{n}.250" if n % 2 else f"{n}.50", "1") for n in range(1, 4001)])
    assert len(side._names) == 2000
    assert 1 <= len(counted) <= 8  # each time four times as many, not at each
    side.check()


def test_prices_that_are_rounded_to_a_known_text_are_others():
    side = loaded("bid", [(f"{price}.00", "1") for price in range(1, 50)])
    assert side.size(Decimal("7.004")) is None
    side.apply([("7.004", "2"), ("7.0", "3"), ("8.996", "0")])
    assert side.size(Decimal(7)) == 3
    assert side.size(Decimal("7.004")) == 2
    assert side.size(Decimal(9)) == 1
    side.check()


@pytest.mark.parametrize("count", [10, 100, 200, 3000])
def test_what_prices_were_called_is_bounded(count):
    side = TextSide("bid")
    side.load([(f"{price}.5", "1") for price in range(1, 4001)])
    for low in range(0, 4000, 200):
        assert side.between(low, low + count)
        side.truncate(4000 - low // 20)
        assert len(side._made) <= REMEMBERED
        if count < 4000 // PART:
            assert len(side._called) <= CALLED
        else:  # who reads nearly all will do so again
            assert CALLED < len(side._called) <= 4000
    side.check()


def test_who_read_the_whole_side_once_leaves_no_memory_behind():
    side = TextSide("bid")
    side.load([(f"{price}.5", "1") for price in range(1, 4001)])
    for price in range(4000, 3000, -1):
        if price > 3500:
            side.top()
        side.apply([(f"{price}.5", "0")])
        assert side.best() == of(Decimal, (f"{price - 1}.5", "1"))[0]
        if price > 3500:  # somebody reads it all again and again
            assert len(side._called) >= price - 1
    assert len(side._called) <= CALLED
    side.check()
