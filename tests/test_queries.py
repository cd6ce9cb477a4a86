"""Every question a book answers: both sides, both numbers, empty sides, the window."""

from __future__ import annotations

import builtins
import hashlib
from decimal import Decimal, Inexact, localcontext

import pytest

from booksync.book import Book
from booksync.errors import ConfigurationError
from booksync.exact import Level, divide
from booksync.frozen import FrozenBook
from booksync.messages import Delta, Snapshot
from booksync.queries import REMEMBERED

BOTH = pytest.mark.parametrize("numbers", [Decimal, float])
BIDS = [("9", "1"), ("8", "4"), ("6", "2")]
ASKS = [("10", "3"), ("12", "1"), ("15", "6")]


def made(bids=BIDS, asks=ASKS, numbers=Decimal, depth=None, **options):
    book = Book("X", numbers=numbers, **options)
    kind = str if numbers is Decimal else float
    sides = [[(kind(p), kind(s)) for p, s in side] for side in (bids, asks)]
    book.load(Snapshot("X", 1, *sides, depth=depth))
    return book


@pytest.fixture(params=[Decimal, float], ids=["exact", "floats"])
def numbers(request):
    return request.param


@pytest.fixture(params=["live", "frozen"])
def book(request, numbers):
    """Every query answers the same on a live and on a frozen book."""
    book = made(numbers=numbers)
    return book if request.param == "live" else book.freeze()


@pytest.fixture
def empty(numbers):
    return Book("X", numbers=numbers)


def kinds(*values):
    """Types of all numbers, however deep."""
    found = set()
    for value in values:
        if isinstance(value, list | tuple):
            found |= kinds(*value)
        elif value is not None and not isinstance(value, bool | str):
            found.add(type(value))
    return found


# -- the top -------------------------------------------------------------------------


def test_best_spread_mid_and_microprice(book, numbers):
    assert book.best_bid == Level(9, 1)
    assert book.best_ask == Level(10, 3)
    assert book.spread == 1
    assert book.mid == 9.5
    assert book.microprice == 9.25
    assert kinds(book.spread, book.mid, book.microprice, book.best_bid) == {numbers}


def test_empty_book_has_no_top(empty):
    assert empty.best_bid is empty.best_ask is empty.spread is None
    assert empty.mid is empty.microprice is None
    assert not empty.crossed
    assert not empty.locked


@pytest.mark.parametrize(("bids", "asks"), [(BIDS, []), ([], ASKS)])
def test_one_side_alone_has_no_spread(bids, asks, numbers):
    book = made(bids, asks, numbers)
    assert book.spread is book.mid is book.microprice is None
    assert not book.crossed
    assert not book.locked


@pytest.mark.parametrize(
    ("bid", "crossed", "locked"),
    [("9.9", False, False), ("10", True, True), ("10.1", True, False)],
)
def test_crossed_includes_locked(bid, crossed, locked, numbers):
    book = made([(bid, "1")], [("10", "1")], numbers)
    assert (book.crossed, book.locked) == (crossed, locked)


def test_exact_answers_do_not_depend_on_the_callers_context():
    long = "0." + "0" * 30 + "1"
    book = made([("9" + long[1:], "1" + long[1:])], [("10", "3")])
    with localcontext() as context:
        context.prec = 3
        context.traps[Inexact] = True
        assert book.spread == Decimal("0." + "9" * 31)
        found = book.between("bid", 1, 100)
        tiny = "0" * 29 + "1" + "0" * 31 + "1"  # (9 + e)(1 + e) = 9 + 10 e + e e
        assert found.notional == Decimal(f"9.{tiny}")
        assert book.fill("sell", size=Decimal("0.5")).filled == Decimal("0.5")
        assert book.size_until("bid", 9).size == Decimal("1" + long[1:])
        assert book.within("ask", 3).size == 3
        assert book.depth_curve("bid")[0].size == Decimal("1" + long[1:])
        assert book.grouped("bid", Decimal("0.5"))[0].price == 9
        assert book.mid
        assert book.microprice
        assert book.imbalance()
        assert book.coverage() == (None, None)


def test_long_numbers_add_up_exactly():
    book = made([("1" * 20, "3" * 20), ("0." + "7" * 30, "0." + "1" * 30)], [])
    with localcontext() as context:
        context.prec = 200
        levels = [(Decimal(p), Decimal(s)) for p, s in book.bids()]
        notional = sum(p * s for p, s in levels)
        size = sum(s for _, s in levels)
        curve = [levels[0][1], size]
    found = book.between("bid", 0, 10**30)
    assert (found.size, found.notional) == (size, notional)
    assert [level.size for level in book.depth_curve("bid")] == curve
    assert book.fill("sell", size=size).notional == notional


# -- levels --------------------------------------------------------------------------


def test_levels_best_first(book, numbers):
    assert book.bids() == [(9, 1), (8, 4), (6, 2)]
    assert book.asks(2) == [(10, 3), (12, 1)]
    assert book.bids(0) == []
    assert book.asks(99) == book.asks()
    assert kinds(book.bids(), book.asks()) == {numbers}
    assert list(book) == [
        *(("bid", level) for level in book.bids()),
        *(("ask", level) for level in book.asks()),
    ]
    assert len(book) == 6


def test_level_by_rank_and_rank_by_price(book):
    assert book.level("bid", 1) == (8, 4)
    assert book.level("ask", 2) == (15, 6)
    assert book.level("ask", 3) is book.level("bid", -1) is None
    assert [book.rank("bid", price) for price in (10, 9, 8.5, 8, 1)] == [0, 0, 1, 1, 3]
    assert [book.rank("ask", price) for price in (9, 10, 11, 12, 99)] == [0, 0, 1, 1, 3]


def test_size_at_a_price(book, numbers):
    assert book.size_at("bid", 8) == 4
    assert book.size_at("ask", "12") == 1
    assert book.size_at("ask", 8) == 0
    assert kinds(book.size_at("bid", 8), book.size_at("bid", 7)) == {numbers}


def test_texts_of_levels(numbers):
    book = Book("X", numbers=numbers, keep_text=True)
    book.load(Snapshot("X", 1, [("9.50", "1.0")], [("1E+1", "2")]))
    for each in (book, book.freeze()):
        assert each.texts("bid", 5) == [("9.50", "1.0")]
        assert each.texts("ask", 5) == [("10", "2")]


@pytest.mark.parametrize("spelled", [0.1, "0.1", "0.10", Decimal("0.1"), "1e-1"])
def test_users_number_may_be_text_float_or_decimal(spelled, numbers):
    book = made([("0.1", "5")], [], numbers)
    assert book.size_at("bid", spelled) == 5
    assert book.rank("bid", spelled) == 0


def test_float_of_numpy_means_its_shortest_spelling(numbers):
    numpy = pytest.importorskip("numpy")
    assert made([("0.1", "5")], [], numbers).size_at("bid", numpy.float64(0.1)) == 5


# -- ranges --------------------------------------------------------------------------


def test_levels_between_two_prices(book, numbers):
    found = book.between("bid", 6, 8)
    assert found == ([(8, 4), (6, 2)], 6, 44, True)
    assert book.between("ask", 10, 12) == ([(10, 3), (12, 1)], 4, 42, True)
    assert book.between("ask", 12, 10) == ([], 0, 0, True)
    assert book.between("bid", 0, float("inf")).levels == book.bids()
    assert kinds(found[:3], book.between("bid", 1, 2)[:3]) == {numbers}


def test_levels_within_basis_points_of_the_best(numbers):
    book = made(
        [("100", "1"), ("99.5", "2"), ("99.49", "4")],
        [("200", "1"), ("201", "2"), ("201.01", "4")],
        numbers,
    )
    assert book.within("bid", 50).size == 3
    assert book.within("ask", 50).size == 3
    assert book.within("ask", 51).size == 7
    assert book.within("bid", 0).levels == [(100, 1)]


def test_negative_prices_have_levels_within_basis_points():
    book = made(
        [("-100", "1"), ("-101", "2")], [("-50", "1"), ("-49", "1")], signed=True
    )
    assert book.within("bid", 100).size == 3
    assert book.within("ask", 199).size == 1
    assert book.within("ask", 200).size == 2


def test_size_until_a_limit(book):
    assert book.size_until("bid", 8) == ([(9, 1), (8, 4)], 5, 41, True)
    assert book.size_until("ask", 12) == ([(10, 3), (12, 1)], 4, 42, True)
    assert book.size_until("ask", 9) == ([], 0, 0, True)


def test_empty_side_has_empty_ranges(empty, numbers):
    for found in (
        empty.between("bid", 1, 2),
        empty.within("ask", 10),
        empty.size_until("bid", 1),
    ):
        assert found == ([], 0, 0, True)
        assert kinds(found[:3]) == {numbers}


def test_imbalance(book, numbers):
    assert book.imbalance() == -0.5
    assert book.imbalance(2) == divide(numbers(1), numbers(9))
    assert book.imbalance(0) is None
    assert kinds(book.imbalance(3)) == {numbers}
    assert made(BIDS, [], numbers).imbalance(9) == 1
    assert made([], ASKS, numbers).imbalance(9) == -1
    assert made([], [], numbers).imbalance() is None


def test_depth_curve_is_cumulative(book, empty):
    assert book.depth_curve("bid") == [(9, 1), (8, 5), (6, 7)]
    assert book.depth_curve("ask", 2) == [(10, 3), (12, 4)]
    assert empty.depth_curve("bid") == []


def test_grouped_rounds_bids_down_and_asks_up(book, numbers):
    assert book.grouped("bid", 5) == [(5, 7)]
    assert book.grouped("ask", 5) == [(10, 3), (15, 7)]
    assert book.grouped("bid", 4) == [(8, 5), (4, 2)]
    assert book.grouped("bid", 4, 1) == [(8, 5)]
    assert book.grouped("ask", 1, 0) == []
    assert kinds(book.grouped("ask", "0.5")) == {numbers}


def test_price_on_a_multiple_of_the_tick_stays_there(numbers):
    prices = ["0.3", "0.6", "0.7", "1.1", "8.2", "86700.3", "0.30000001"]
    book = made([(p, "1") for p in prices], [(p, "1") for p in prices], numbers)
    on = sorted(map(float, prices[:-1]))
    down = [float(price) for price, _ in book.grouped("bid", "0.1")]
    assert down == on[::-1]
    up = [float(price) for price, _ in book.grouped("ask", "0.1")]
    assert up == sorted([*on, 0.4])
    assert book.grouped("bid", 0.1)[-1].size == 2


def test_negative_prices_are_grouped_away_from_the_other_side():
    book = made([("-1", "1")], [("-1", "1")], signed=True)
    assert book.grouped("bid", 5) == [(-5, 1)]
    assert book.grouped("ask", 5) == [(0, 1)]


# -- taking ----------------------------------------------------------------------------


def test_fill_of_a_size(book, numbers):
    fill = book.fill("buy", size=4)
    assert fill.filled == 4
    assert fill.notional == 42
    assert fill.average == 10.5
    assert fill.worst == 12
    assert fill.levels == 2
    assert fill.slippage_bps == 500
    assert fill.filled_all
    assert fill.complete
    assert kinds(fill.filled, fill.notional, fill.average, fill.slippage_bps) == {
        numbers
    }
    fill = book.fill("sell", size="2")
    assert fill[:5] == (2, 17, 8.5, 8, 2)
    assert float(fill.slippage_bps) == pytest.approx(555.5555555)


def test_fill_of_a_notional(book):
    fill = book.fill("buy", notional=36)
    assert fill[:5] == (3.5, 36, quotient(book, 36, "3.5"), 12, 2)
    assert book.fill("buy", notional=30)[:5] == (3, 30, 10, 10, 1)


def quotient(book, dividend, divisor):
    return divide(book.numbers(dividend), book.numbers(divisor))


def test_notional_is_spent_to_the_last(numbers):
    book = made([], [("3", "100")], numbers)
    fill = book.fill("buy", notional=10)
    assert fill.notional == 10
    assert float(fill.filled) == pytest.approx(10 / 3)


def test_fill_beyond_the_book_takes_what_there_is(book):
    for fill in (book.fill("sell", size=8), book.fill("sell", notional=54)):
        assert fill[:5] == (7, 53, quotient(book, 53, 7), 6, 3)
        assert not fill.filled_all
        assert fill.complete  # the whole book is known: there is no more
    assert book.fill("sell", size=7).filled_all
    assert book.fill("sell", notional=53).filled_all
    assert not book.fill("buy", size=float("inf")).filled_all


def test_fill_of_nothing_and_of_an_empty_side(book, empty):
    nothing = (0, 0, None, None, 0, None, True, True)
    assert book.fill("buy", size=0) == nothing
    assert book.fill("sell", notional=0) == nothing
    assert empty.fill("sell", size=1) == (0, 0, None, None, 0, None, False, True)
    assert empty.fill("sell", size=0) == nothing


def test_slippage_of_signed_prices():
    asks = [("-100", "1"), ("-90", "1")]
    book = made([("-110", "1")], asks, signed=True)
    assert book.fill("buy", size=2).slippage_bps == 500
    assert made([("0", "1")], [], signed=True).fill("sell", size=1).slippage_bps is None


# -- the known window ------------------------------------------------------------------


@pytest.fixture
def cut(numbers):
    """Known from 8 to 12; deltas wrote levels beyond, at 7, 6, 13 and 15."""
    book = made([("9", "1"), ("8", "4")], [("10", "3"), ("12", "1")], numbers, depth=2)
    kind = str if numbers is Decimal else float
    far = [("7", "1"), ("6", "2")], [("13", "5"), ("15", "6")]
    book.apply(Delta("X", 1, 2, *([(kind(p), kind(s)) for p, s in s_] for s_ in far)))
    assert book.window == (8, 12)
    return book


def test_levels_inside_the_window_are_known_and_beyond_it_are_not(cut):
    for book in (cut, cut.freeze()):
        for side in ("bid", "ask"):
            assert [book.knows(side, n) for n in (1, 2, 3, 5, None)] == [
                True, True, False, False, False,
            ]  # fmt: skip
    whole = made([("9", "1")], [], cut.numbers)
    assert whole.knows("bid", 5)
    assert whole.knows("ask")


def test_ranges_inside_the_window_are_complete_and_beyond_it_are_not(cut):
    for book in (cut, cut.freeze()):
        assert book.between("bid", 8, 9).complete
        assert book.between("bid", 8, 99).complete
        assert not book.between("bid", 7.9, 9).complete
        assert book.between("ask", 1, 12).complete
        assert not book.between("ask", 1, 12.1).complete
        assert book.size_until("bid", 8).complete
        assert not book.size_until("bid", 7).complete
        assert book.size_until("ask", 12).complete
        assert not book.size_until("ask", 13).complete
        assert book.within("bid", 1_000).complete  # to 8.1
        assert not book.within("bid", 1_200).complete  # to 7.92
        assert book.within("ask", 2_000).complete  # to 12
        assert not book.within("ask", 2_001).complete


def test_fill_that_leaves_the_window_is_not_complete(cut):
    assert cut.fill("sell", size=5).complete
    assert not cut.fill("sell", size=5.1).complete
    assert cut.fill("buy", notional=42).complete
    assert not cut.fill("buy", notional=43).complete
    beyond = cut.fill("sell", size=999)
    assert not beyond.filled_all
    assert not beyond.complete  # perhaps there is more that is not known
    assert cut.fill("buy", size=0).complete
    assert cut.fill("sell", size=0).complete


def test_side_that_left_its_window_is_not_complete(cut):
    kind = str if cut.numbers is Decimal else float
    gone = [(kind(price), kind(0)) for price in (9, 8, 10, 12)]
    cut.apply(Delta("X", 2, 3, gone[:2], gone[2:]))
    assert not cut.within("bid", 0).complete
    assert not cut.within("ask", 0).complete
    assert not cut.fill("sell", size=1).complete
    gone = [(kind(price), kind(0)) for price in (7, 6, 13, 15)]
    cut.apply(Delta("X", 3, 4, gone[:2], gone[2:]))
    assert not cut.within("bid", 5).complete
    assert not cut.fill("buy", size=1).complete


def test_one_side_may_be_known_and_the_other_cut(numbers):
    book = made([("9", "1")], [("10", "3"), ("12", "1")], numbers, depth=2)
    assert book.size_until("bid", 1).complete
    assert not book.size_until("ask", 13).complete
    assert book.fill("sell", size=9).complete
    assert not book.fill("buy", size=9).complete


# -- asked again -----------------------------------------------------------------------

#: What is remembered until the book changes.
TOTALS = {
    "between": lambda book: book.between("bid", 8, 100),
    "within": lambda book: book.within("bid", 2000),
    "size_until": lambda book: book.size_until("bid", 8),
    "depth_curve": lambda book: book.depth_curve("bid"),
    "depth_curve 2": lambda book: book.depth_curve("bid", 2),
}
asking = pytest.mark.parametrize("ask", TOTALS.values(), ids=TOTALS)


@asking
def test_answer_is_remembered_until_the_book_changes(book, ask, monkeypatch):
    sides = type(book._bids)
    first = ask(book)
    with monkeypatch.context() as patch:
        patch.setattr(sides, "_levels", None)  # nobody can read a level
        assert ask(book) == first
        with pytest.raises(TypeError):
            book.bids(1)
    assert ask(book) == first


@asking
def test_answer_follows_every_kind_of_change(ask, numbers):
    def fresh(book):
        twin = Book("X", numbers=numbers)
        twin.adopt(book)
        return ask(twin)

    book = made(numbers=numbers)
    kind = str if numbers is Decimal else float
    told = [ask(book)]
    for size in ("7", "3", "0"):
        delta = Delta("X", 1, 2, [(kind("8.5"), kind(size))], [])
        book.apply(delta)
        assert ask(book) == fresh(book)
        told.append(ask(book))
    assert told[0] == told[3]
    assert told[1] != told[2] != told[3]
    book.load(Snapshot("X", 3, [(kind("9"), kind("5"))], []))
    assert ask(book) == fresh(book) != told[0]
    book.adopt(made(numbers=numbers))
    assert ask(book) == told[0]


@pytest.mark.parametrize("question", ["between", "within", "size_until"])
def test_answer_follows_the_window(question, numbers):
    ask = TOTALS[question]
    book = made(numbers=numbers)
    assert ask(book).complete
    book.limit(numbers(9), None)
    assert not ask(book).complete
    book.limit(None, None)
    assert ask(book).complete


def test_who_changes_an_answer_changes_no_other(book):
    for ask in (lambda: book.depth_curve("ask"), lambda: book.size_until("ask", 99)[0]):
        before = list(ask())
        ask().clear()
        assert ask() == before != []


def test_few_answers_are_remembered(book):
    for n in range(100):
        book.depth_curve("bid", n)
        book.within("ask", n)
        assert len(book._answers) <= REMEMBERED
    assert book.depth_curve("bid", 1) == book.bids(1)


def test_negative_width_holds_nothing(book):
    assert book.within("bid", -10).levels == book.within("ask", -10).levels == []


# -- the whole -------------------------------------------------------------------------


def test_frozen_book_does_not_change_with_the_live_one(numbers):
    book = made(numbers=numbers, depth=3)
    frozen = book.freeze()
    before = (frozen.bids(), frozen.asks(), frozen.digest(), hash(frozen))
    kind = str if numbers is Decimal else float
    book.apply(Delta("X", 1, 2, [(kind(9), kind(0))], [], time=9.0))
    book.load(Snapshot("X", 3, [], []))
    assert before == (frozen.bids(), frozen.asks(), frozen.digest(), hash(frozen))
    assert (frozen.symbol, frozen.sequence, frozen.numbers) == ("X", 1, numbers)
    assert frozen.window == (6, 15)
    assert frozen.time is None
    assert repr(frozen) == "<FrozenBook X 9 x 10 at 1>"
    for side in (frozen._bids, frozen._asks):
        side.check()


def test_frozen_book_of_a_large_one_is_the_same(numbers):
    levels = [(str(price), "1") for price in range(1, 2_000)]
    book = made(levels, levels, numbers)
    kind = str if numbers is Decimal else float
    book.level("bid", 1_500)  # all prices are in order
    book.apply(Delta("X", 1, 2, [(kind(1_999), kind(0)), (kind(3), kind(0))], []))
    frozen = book.freeze()
    assert frozen == book
    assert frozen.level("bid", 1_500) == book.level("bid", 1_500)
    book.apply(Delta("X", 2, 3, [(kind(1_998), kind(0)), (kind(4), kind(0))], []))
    assert book.level("bid", 1_500) == (497, 1)  # what is in order has changed
    assert frozen.best_bid == (1_998, 1)
    assert frozen.rank("bid", 1) == 1_996
    frozen._bids.check()
    frozen._asks.check()


@pytest.mark.parametrize("change", ["apply", "load", "truncate"])
def test_frozen_side_refuses_changes_and_stays_whole(book, change):
    frozen = book.freeze()
    with pytest.raises(TypeError, match="a frozen book does not change"):
        getattr(frozen._bids, change)([])
    assert len(frozen.bids()) == 3


def test_books_with_the_same_levels_are_equal(numbers):
    book = made(numbers=numbers)
    assert book == made(numbers=Decimal)
    assert book == made([*BIDS[::-1]], ASKS, numbers)
    assert book == book.freeze()
    assert isinstance(book.freeze(), FrozenBook)
    assert hash(book.freeze()) == hash(made().freeze())
    assert book != made(BIDS[:2], ASKS, numbers)
    assert book != made(BIDS, ASKS[:2], numbers)
    assert book != made([("9", "2"), *BIDS[1:]], ASKS, numbers)
    assert book != "X"
    assert book.__eq__("X") is NotImplemented


def test_digest_is_of_canonical_decimals(numbers):
    book = made([("9.50", "1E+2"), ("8", "0.10")], [("1E+1", "1E-7")], numbers)
    lines = "b 9.5 100\nb 8 0.1\na 10 0.0000001\n"
    assert book.digest() == hashlib.sha256(lines.encode()).hexdigest()
    assert book.freeze().digest() == book.digest()
    assert made([], [], numbers).digest() == hashlib.sha256(b"").hexdigest()


# -- exports ---------------------------------------------------------------------------


def test_numpy_arrays_have_two_columns(book, empty):
    pytest.importorskip("numpy")
    bids, asks = book.to_numpy(2)
    assert bids.tolist() == [[9.0, 1.0], [8.0, 4.0]]
    assert asks.tolist() == [[10.0, 3.0], [12.0, 1.0]]
    assert bids.dtype == float
    assert [array.shape for array in empty.to_numpy()] == [(0, 2), (0, 2)]
    assert {array.dtype for array in empty.to_numpy()} == {bids.dtype}


def test_data_frame_has_a_row_for_each_level(book, empty, numbers):
    pytest.importorskip("pandas")
    frame = book.to_frame(1)
    assert frame.to_dict("list") == {
        "side": ["bid", "ask"],
        "price": [9, 10],
        "size": [1, 3],
    }
    assert kinds(list(frame["price"])) == {numbers}
    assert len(book.to_frame()) == 6
    assert list(empty.to_frame().columns) == ["side", "price", "size"]


@pytest.mark.parametrize(
    ("name", "export"), [("numpy", "to_numpy"), ("pandas", "to_frame")]
)
def test_missing_extra_is_named(book, name, export, monkeypatch):
    original = builtins.__import__

    def without(wanted, *rest, **more):
        if wanted == name:
            raise ImportError(wanted)
        return original(wanted, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=rf"{name}: pip install 'booksync\[fr"):
        getattr(book, export)()


# -- what makes no sense ---------------------------------------------------------------

WRONG = {
    "side": (lambda b: b.level("bids", 0), "a side is 'bid' or 'ask', not 'bids'"),
    "no side": (lambda b: b.depth_curve(None), "a side is .* not None"),
    "range side": (lambda b: b.between("buy", 1, 2), "not 'buy'"),
    "within side": (lambda b: b.within("buy", 1), "not 'buy'"),
    "until side": (lambda b: b.size_until("buy", 1), "not 'buy'"),
    "taker": (lambda b: b.fill("bid", size=1), "'buy' or 'sell', not 'bid'"),
    "both": (lambda b: b.fill("buy", size=1, notional=1), "either size= or notional="),
    "neither": (lambda b: b.fill("buy"), "either size= or notional="),
    "negative": (lambda b: b.fill("buy", size=-1), "cannot take -1"),
    "spent": (lambda b: b.fill("buy", notional=-0.5), "cannot take -0.5"),
    "tick": (lambda b: b.grouped("bid", 0), "a tick must be positive, not 0"),
    "minus": (lambda b: b.grouped("bid", -1), "a tick must be positive, not -1"),
    "endless": (lambda b: b.grouped("bid", "inf"), "a tick must be positive, not inf"),
    "word": (lambda b: b.rank("bid", "ten"), "not a number: 'ten'"),
    "None": (lambda b: b.size_at("bid", None), "not a number: None"),
    "nested": (lambda b: b.between("bid", [1], 2), r"not a number: \[1\]"),
    "nan": (lambda b: b.within("bid", float("nan")), "not a number: nan"),
    "NaN": (lambda b: b.fill("buy", size="NaN"), "not a number: 'NaN'"),
}


@pytest.mark.parametrize(("ask", "message"), WRONG.values(), ids=WRONG.keys())
def test_question_without_sense_is_refused_in_words(book, ask, message):
    with pytest.raises(ConfigurationError, match=message):
        ask(book)
