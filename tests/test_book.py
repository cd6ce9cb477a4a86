"""A book is what it was told, says how far that reaches, and raises when withheld."""

from __future__ import annotations

import hashlib
import sys
from decimal import Decimal, localcontext

import pytest

from booksync.book import Book, Level, Window, canonical
from booksync.errors import BookNotLive, ConfigurationError, MalformedMessage
from booksync.messages import Delta, Snapshot
from booksync.side import Side

D = Decimal
BIDS = [("100", "1"), ("99", "2"), ("98", "4")]
ASKS = [("101", "3"), ("102", "2"), ("104", "5")]


def loaded(bids=BIDS, asks=ASKS, depth=None, **options):
    book = Book("X", **options)
    book.load(Snapshot("X", 10, bids, asks, depth=depth, time=1.5), now=2.5)
    return book


def in_floats(**options):
    bids, asks = (
        [(float(price), float(size)) for price, size in side] for side in (BIDS, ASKS)
    )
    return loaded(bids, asks, numbers=float, **options)


def levels(*pairs):
    return [Level(D(price), D(size)) for price, size in pairs]


# -- what it is told ------------------------------------------------------------------


def test_snapshot_is_taken_whole():
    book = loaded()
    assert book.bids() == levels(*BIDS)
    assert book.asks() == levels(*ASKS)
    assert (book.sequence, book.version) == (10, 1)
    assert (book.time, book.received) == (1.5, 2.5)
    book.load(Snapshot("X", 3, [("7", "1")], []))
    assert book.bids() == levels(("7", "1"))
    assert book.asks() == []
    assert (book.sequence, book.version, book.time) == (3, 2, None)


def test_delta_changes_what_it_lists_and_nothing_else():
    book = loaded()
    book.apply(Delta("X", 10, 13, [("99", "0"), ("97", "1")], [], time=3.0), now=4.0)
    assert book.bids() == levels(("100", "1"), ("98", "4"), ("97", "1"))
    assert book.asks() == levels(*ASKS)
    assert (book.sequence, book.version) == (13, 2)
    assert (book.time, book.received) == (3.0, 4.0)
    book.check()


def test_sequence_is_not_judged():
    book = loaded()
    book.apply(Delta("X", 500, 7, [], []))
    assert book.sequence == 7


def test_empty_book_answers_everything():
    for book in (Book("X"), Book("X", numbers=float), Book("X").freeze()):
        assert book.best_bid is book.best_ask is None
        assert book.spread is book.mid is book.microprice is book.imbalance() is None
        assert book.crossed is book.locked is False
        assert book.bids() == book.asks(5) == list(book) == []
        assert book.level("bid", 0) is None
        assert book.rank("ask", 5) == book.size_at("bid", 5) == len(book) == 0
        assert book.within("bid", 5).levels == book.between("ask", 1, 2).levels == []
        assert book.depth_curve("bid") == book.grouped("ask", 1) == []
        fill = book.fill("buy", size=1)
        assert (fill.filled, fill.average, fill.worst) == (0, None, None)
        assert fill.slippage_bps is None
        assert not fill.filled_all
        assert book.size_until("bid", 1).size == 0
        assert book.digest() == hashlib.sha256().hexdigest()
        assert book


@pytest.mark.parametrize("numbers", [D, float])
@pytest.mark.parametrize(
    "bad",
    [
        ("1",), ("1", "2", "3"), 7, None, ("NaN", "1"), ("1", "NaN"), ("1", "-1"),
        ("-1", "1"),
    ],
    ids=repr,
)  # fmt: skip
def test_malformed_level_is_refused(numbers, bad):
    book = loaded() if numbers is D else in_floats()
    with pytest.raises(MalformedMessage):
        book.apply(Delta("X", 10, 11, [bad], []))
    assert book.sequence == 10
    with pytest.raises(MalformedMessage):
        book.load(Snapshot("X", 11, [], [bad]))
    book.load(Snapshot("X", 12, [(1, 1)], []))
    assert len(book) == 1
    book.check()


# -- the top --------------------------------------------------------------------------


@pytest.mark.parametrize("make", [loaded, in_floats, lambda: loaded().freeze()])
def test_top_of_the_book(make):
    book = make()
    assert book.best_bid == (100, 1)
    assert book.best_ask == (101, 3)
    assert book.spread == 1
    assert book.mid == 100.5
    assert book.microprice == (100 * 3 + 101 * 1) / 4
    assert book.bids(2) == [(100, 1), (99, 2)]
    assert book.asks(0) == []
    assert len(book.asks(99)) == 3
    assert book.imbalance() == (1 - 3) / 4
    assert float(book.imbalance(3)) == pytest.approx((7 - 10) / 17)


def test_numbers_are_of_the_kind_that_was_asked_for():
    for book, kind in ((loaded(), D), (in_floats(), float)):
        fill = book.fill("sell", size=2)
        within = book.within("bid", 100)
        found = [
            book.spread, book.mid, book.microprice, book.imbalance(), fill.average,
            fill.filled, fill.notional, fill.slippage_bps, within.size, within.notional,
            book.size_at("bid", 1), book.grouped("bid", 5)[0].price, *book.bids()[0],
            book.depth_curve("ask")[0].size, book.between("bid", 1, 2).size,
        ]  # fmt: skip
        assert {type(number) for number in found} == {kind}


def test_crossed_and_locked():
    book = loaded()
    assert (book.crossed, book.locked) == (False, False)
    book.apply(Delta("X", 10, 11, [("101", "1")], []))
    assert (book.crossed, book.locked) == (True, True)
    book.apply(Delta("X", 11, 12, [("101.5", "1")], []))
    assert (book.crossed, book.locked) == (True, False)
    assert book.spread == D("-0.5")


@pytest.mark.parametrize(
    ("finer_bids", "finer_asks"),
    [([("0.05000000000000000001", "1")], []), ([], [("9.00000000000000000001", "1")])],
    ids=["bid", "ask"],
)
def test_a_price_in_common_crosses_also_where_one_side_has_finer_ones(
    finer_bids, finer_asks
):
    """A price is then held under another key on each side, and no float is 0.1."""
    book = loaded([("0.1", "1"), *finer_bids], [("0.1", "1"), *finer_asks])
    assert book.crossed
    book.apply(Delta("X", 10, 11, [("0.1", "2")], [("0.1", "3")]))
    assert book.crossed
    book.apply(Delta("X", 11, 12, [], [("0.1", "0")]))
    assert not book.crossed
    book.apply(Delta("X", 12, 13, [], [("0.10", "3")]))
    assert book.crossed


def test_a_price_in_common_crosses_also_once_one_side_met_a_finer_one():
    book = loaded([("0.04", "1")], [("0.1", "1")])
    assert not book.crossed
    book.apply(Delta("X", 10, 11, [("0.05000000000000000001", "1")], []))
    assert not book.crossed
    book.apply(Delta("X", 11, 12, [("0.1", "1")], []))
    assert book.crossed


@pytest.mark.parametrize("make", [loaded, in_floats])
def test_who_only_asks_whether_it_is_crossed_puts_nothing_in_order(make, monkeypatch):
    book = make()
    assert not book.crossed
    monkeypatch.setattr(Side, "_catch_up", None)
    kind = float if make is in_floats else str
    for last, price, size in ((11, 97, 1), (12, 98, 0), (13, 100.5, 1), (14, 102, 0)):
        level = (kind(price), kind(size))
        bids, asks = ([], [level]) if price > 101 else ([level], [])
        book.apply(Delta("X", last - 1, last, bids, asks))
        assert not book.crossed
    best = (book.best_bid, book.best_ask)
    assert best == (Level(100.5, 1), Level(101, 3))
    book.apply(Delta("X", 14, 15, [(kind(101), kind(1))], []))
    assert book.crossed


# -- levels ---------------------------------------------------------------------------


def test_level_by_rank_and_rank_of_a_price():
    book = loaded()
    assert book.level("bid", 1) == (99, 2)
    assert book.level("ask", 2) == (104, 5)
    assert book.level("ask", 3) is book.level("ask", -1) is None
    assert [book.rank("bid", price) for price in (101, 100, "99.5", 99, 0)] == [
        0, 0, 1, 1, 3,
    ]  # fmt: skip
    assert [book.rank("ask", price) for price in (101, 102, 103, 200)] == [0, 1, 2, 3]


def test_size_at_a_price():
    book = loaded()
    assert book.size_at("bid", 99) == book.size_at("bid", "99.000") == 2
    assert book.size_at("bid", D("99.00000000000000000001")) == 0
    assert in_floats().size_at("bid", 98.0) == 4


def test_wrong_side_or_number_is_a_configuration_error():
    book = loaded()
    for ask in (
        lambda: book.level("buy", 0),  # type: ignore[arg-type]
        lambda: book.fill("bid", size=1),  # type: ignore[arg-type]
        lambda: book.size_at("bid", float("nan")),
        lambda: book.between("bid", "one", 2),
        lambda: book.grouped("bid", 0),
        lambda: book.grouped("bid", -1),
        lambda: book.fill("buy"),
        lambda: book.fill("buy", size=1, notional=1),
        lambda: book.fill("buy", size=-1),
    ):
        with pytest.raises(ConfigurationError):
            ask()


def test_texts_are_as_the_venue_wrote_them():
    book = loaded([("5.10", "0.10000000"), (D("5.0"), D("1E+2"))], [])
    assert book.texts("bid", 2) == [("5.10", "0.10000000"), ("5.0", "100")]
    assert book.hashed(1) == ([("5.10", "0.10000000")], [])
    kept = loaded([("5.10", "0.10000000")], [], numbers=float, keep_text=True)
    assert kept.bids() == [(5.1, 0.1)]
    assert kept.texts("bid", 5) == [("5.10", "0.10000000")]
    kept.apply(Delta("X", 10, 11, [("5.10", "0.20")], []))
    assert kept.texts("bid", 5) == [("5.10", "0.20")]
    kept.check()
    assert kept.freeze().texts("bid", 1) == [("5.10", "0.20")]


def test_walk_goes_through_bids_and_then_asks():
    assert list(loaded(BIDS[:2], ASKS[:1])) == [
        ("bid", (100, 1)), ("bid", (99, 2)), ("ask", (101, 3)),
    ]  # fmt: skip


# -- ranges ---------------------------------------------------------------------------


def test_between_includes_both_ends():
    found = loaded().between("bid", "98", 99)
    assert found.levels == levels(("99", "2"), ("98", "4"))
    assert (found.size, found.notional) == (6, 99 * 2 + 98 * 4)
    assert loaded().between("ask", 103, 200).levels == levels(("104", "5"))
    assert loaded().between("bid", 99, 98).levels == []


def test_within_counts_from_the_best_price():
    book = loaded()
    assert [price for price, _ in book.within("bid", 100).levels] == [100, 99]
    assert [price for price, _ in book.within("ask", 100).levels] == [101, 102]
    assert [price for price, _ in book.within("ask", 0).levels] == [101]


def test_size_until_a_limit():
    book = loaded()
    assert book.size_until("ask", 102).size == 5
    assert book.size_until("bid", 99).size == 3
    assert book.size_until("bid", "100.5").size == 0


def test_depth_curve_adds_up():
    assert loaded().depth_curve("bid") == [(100, 1), (99, 3), (98, 7)]
    assert loaded().depth_curve("ask", 2) == [(101, 3), (102, 5)]


def test_grouped_rounds_bids_down_and_asks_up():
    book = loaded()
    assert book.grouped("bid", 2) == [(100, 1), (98, 6)]
    assert book.grouped("ask", 2) == [(102, 5), (104, 5)]
    assert book.grouped("ask", 2, n=1) == [(102, 5)]
    assert book.grouped("bid", "0.5", n=1) == [(100, 1)]


def test_grouped_floats_are_where_their_decimals_are():
    book = loaded([(0.3, 1.0), (0.7, 2.0)], [(0.6, 1.0)], numbers=float)
    assert book.grouped("bid", 0.1) == [(0.7, 2.0), (0.3, 1.0)]
    assert book.grouped("ask", 0.1) == [(0.6, 1.0)]


# -- taking ---------------------------------------------------------------------------


def test_fill_by_size():
    fill = loaded().fill("buy", size=4)
    assert (fill.filled, fill.notional) == (4, 101 * 3 + 102)
    assert (fill.average, fill.worst, fill.levels) == (D("101.25"), 102, 2)
    assert float(fill.slippage_bps) == pytest.approx(0.25 / 101 * 10_000)
    assert fill.filled_all
    assert fill.complete


def test_fill_by_notional():
    fill = loaded().fill("sell", notional=199)
    assert (fill.filled, fill.notional, fill.worst) == (2, 199, 99)
    assert fill.average == D("99.5")
    assert fill.filled_all


def test_fill_of_more_than_there_is():
    fill = loaded().fill("sell", size=100)
    assert (fill.filled, fill.worst, fill.levels) == (7, 98, 3)
    assert not fill.filled_all


def test_fill_of_nothing():
    fill = loaded().fill("buy", size=0)
    assert (fill.filled, fill.average, fill.levels) == (0, None, 0)
    assert fill.filled_all


def test_sums_are_exact_in_whatever_context():
    bids = [("1." + "0" * 30 + "1", "1." + "0" * 20 + "7"), ("1", "3E-20")]
    with localcontext() as context:
        context.prec = 3
        book = loaded(bids, [("2", "1")])
        total = D("1." + "0" * 19 + "37")
        assert str(book.size_until("bid", 1).size) == str(total)
        assert book.depth_curve("bid")[-1].size == total
        assert book.fill("sell", size=total).filled == total
        assert str(book.spread) == "0." + "9" * 31
        assert book.grouped("bid", 1) == [(1, total)]


# -- the window -----------------------------------------------------------------------


def test_window_is_where_the_venue_cut_the_snapshot():
    assert loaded().window == Window(None, None)
    assert loaded(depth=3).window == Window(D(98), D(104))
    assert loaded(BIDS[:2], depth=3).window == Window(None, D(104))
    assert loaded([], [], depth=3).window == Window(None, None)


def test_levels_beyond_the_window_are_kept_and_do_not_widen_it():
    book = loaded(depth=3)
    book.apply(Delta("X", 10, 11, [("90", "1"), ("98", "0")], []))
    assert book.bids() == levels(("100", "1"), ("99", "2"), ("90", "1"))
    assert book.window.bid == 98


def test_answers_from_beyond_the_window_say_so():
    book = loaded(depth=3)
    assert book.between("bid", 98, 200).complete
    assert not book.between("bid", 97, 200).complete
    assert book.within("ask", 290).complete
    assert not book.within("ask", 300).complete
    assert book.size_until("ask", 104).complete
    assert not book.size_until("ask", "104.01").complete
    assert book.fill("buy", size=10).complete
    assert not book.fill("buy", size=11).complete
    book.apply(Delta("X", 10, 11, [], [("110", "5")]))
    fill = book.fill("buy", size=11)
    assert (fill.filled_all, fill.complete) == (True, False)
    assert not book.freeze().fill("buy", size=11).complete


def test_coverage_is_from_the_best_price_to_the_edge():
    bid, ask = loaded(depth=3).coverage()
    assert bid == 200
    assert float(ask) == pytest.approx(3 / 101 * 10_000)
    assert loaded().coverage() == (None, None)


def test_book_is_cut_to_its_depth_after_each_change():
    book = loaded()
    cut = Book("X", depth=2)
    cut.load(Snapshot("X", 10, BIDS, ASKS))
    assert (len(cut.bids()), len(cut.asks())) == (2, 2)
    cut.apply(Delta("X", 10, 11, [("100.5", "1")], [("101", "0")]))
    assert cut.bids() == levels(("100.5", "1"), ("100", "1"))
    assert cut.asks() == levels(("102", "2"))
    cut.check()
    assert len(book.bids()) == 3


# -- trust ----------------------------------------------------------------------------

READS = {
    "best_bid": lambda book: book.best_bid,
    "best_ask": lambda book: book.best_ask,
    "spread": lambda book: book.spread,
    "mid": lambda book: book.mid,
    "microprice": lambda book: book.microprice,
    "crossed": lambda book: book.crossed,
    "locked": lambda book: book.locked,
    "bids": lambda book: book.bids(),
    "asks": lambda book: book.asks(1),
    "texts": lambda book: book.texts("bid", 1),
    "level": lambda book: book.level("bid", 0),
    "rank": lambda book: book.rank("bid", 1),
    "size_at": lambda book: book.size_at("bid", 1),
    "between": lambda book: book.between("bid", 1, 2),
    "within": lambda book: book.within("bid", 1),
    "fill": lambda book: book.fill("buy", size=1),
    "fill nothing": lambda book: book.fill("buy", size=0),
    "size_until": lambda book: book.size_until("bid", 1),
    "edge": lambda book: book.edge("ask"),
    "knows": lambda book: book.knows("bid"),
    "imbalance": lambda book: book.imbalance(),
    "depth_curve": lambda book: book.depth_curve("bid"),
    "grouped": lambda book: book.grouped("bid", 1),
    "window": lambda book: book.window,
    "coverage": lambda book: book.coverage(),
    "changes_since": lambda book: book.changes_since(book.version),
    "digest": lambda book: book.digest(),
    "freeze": lambda book: book.freeze(),
    "to_numpy": lambda book: book.to_numpy(),
    "to_frame": lambda book: book.to_frame(),
    "len": len,
    "list": list,
    "equality": lambda book: book == loaded(),
    "equality of a withheld one": lambda book: loaded() == book,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_withheld_book_raises_on_every_read(read):
    book = loaded()
    read(book)
    book.withhold("gap")
    with pytest.raises(BookNotLive, match="X is withheld: gap") as caught:
        read(book)
    assert (caught.value.symbol, caught.value.cause) == ("X", "gap")
    book.reveal()
    read(book)


def test_every_public_query_is_among_the_withheld_reads():
    ours = {"apply", "load", "check", "withhold", "reveal", "withheld", "hashed"}
    ours |= {"sequence", "version", "time", "received", "symbol", "numbers"}
    ours |= {"shadow", "adopt", "frozen_sides", "freeze_withheld", "limit", "largest"}
    ours |= {"part"}
    public = {name for name in dir(Book) if not name.startswith("_")}
    assert public - ours <= set(READS)


def test_withheld_book_says_what_it_is_and_is_kept_up():
    book = loaded()
    book.withhold("gap")
    assert book.withheld == "gap"
    assert repr(book) == "<Book X withheld: gap>"
    book.apply(Delta("X", 10, 11, [("100", "0")], []))
    assert (book.sequence, book.version) == (11, 2)
    assert book.hashed(1) == ([("99", "2")], [("101", "3")])
    book.withhold("checksum")
    assert book.withheld == "checksum"
    book.load(Snapshot("X", 20, [("5", "1")], []))
    assert book.withheld == "checksum"
    book.reveal()
    assert book.withheld is None
    assert book.best_bid == (5, 1)
    book.check()


def test_repr_is_short():
    assert repr(loaded([("61602.010", "1")], [("61602.02", "1")])) == (
        "<Book X 61602.01 x 61602.02 at 10>"
    )
    assert repr(Book("X")) == "<Book X - x - at 0>"


# -- the whole ------------------------------------------------------------------------


def test_frozen_book_does_not_follow():
    book = loaded(depth=3)
    frozen = book.freeze()
    book.apply(Delta("X", 10, 11, [("100", "0")], [("101", "9")]))
    book.withhold("gap")
    assert frozen.best_bid == (100, 1)
    assert frozen.asks() == levels(*ASKS)
    assert (frozen.sequence, frozen.time, frozen.window) == (10, 1.5, (98, 104))
    assert frozen.freeze() is frozen
    assert frozen == loaded()
    assert hash(frozen) == hash(loaded().freeze())
    assert len({frozen, loaded().freeze(), Book("X").freeze()}) == 2


def test_books_with_the_same_levels_are_equal():
    other = loaded([("98.0", "4.00"), *BIDS[:2]], ASKS[::-1], numbers=D)
    other.symbol = "Y"
    assert loaded() == other
    assert loaded() == loaded().freeze()
    other.apply(Delta("Y", 1, 2, [("98", "5")], []))
    assert loaded() != other
    assert loaded() != 7
    with pytest.raises(TypeError):
        hash(loaded())


def test_digest_is_of_canonical_lines():
    book = loaded([("0.50", "1E+2"), (".5000001", "100.0")], [("1E-7", "3")])
    lines = "b 0.5000001 100\nb 0.5 100\na 0.0000001 3\n"
    assert book.digest() == hashlib.sha256(lines.encode()).hexdigest()
    assert in_floats().digest() == loaded().digest() == loaded().freeze().digest()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (D("1E+2"), "100"), (D("100.00"), "100"), (D("0.50"), "0.5"), (D("-0.0"), "0"),
        (D(".5"), "0.5"), (D("0E-8"), "0"), (D("1E-10"), "0.0000000001"),
        (1e22, "1" + 22 * "0"), (0.1, "0.1"), (1e-7, "0.0000001"), (100.0, "100"),
        (7, "7"), (D("-1.50"), "-1.5"),
    ],
)  # fmt: skip
def test_canonical_spells_equal_numbers_alike(number, text):
    assert canonical(number) == text


def test_export():
    bids, asks = loaded().to_numpy(2)
    assert bids.tolist() == [[100.0, 1.0], [99.0, 2.0]]
    assert asks.shape == (2, 2)
    assert Book("X").to_numpy()[0].shape == (0, 2)
    frame = loaded().to_frame()
    assert list(frame.columns) == ["side", "price", "size"]
    assert list(frame["side"]) == ["bid"] * 3 + ["ask"] * 3
    assert len(Book("X").to_frame()) == 0


@pytest.mark.parametrize(
    ("name", "call"), [("numpy", "to_numpy"), ("pandas", "to_frame")]
)
def test_missing_library_is_named(monkeypatch, name, call):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=r"frames"):
        getattr(loaded(), call)()


# -- changes --------------------------------------------------------------------------


def test_changes_are_those_since_a_version():
    book = loaded()
    seen = book.version
    assert book.changes_since(seen) == []
    book.apply(Delta("X", 10, 11, [("100", "5"), ("97", "1")], [("101", "0")]))
    book.apply(Delta("X", 11, 12, [("97.0", "0")], []))
    assert sorted(book.changes_since(seen)) == [
        ("ask", (101, 0)), ("bid", (97, 0)), ("bid", (100, 5)),
    ]  # fmt: skip
    assert book.changes_since(seen + 1) == [("bid", (97, 0))]
    assert book.changes_since(book.version) == []


def test_changes_list_what_was_cut():
    book = Book("X", depth=2)
    book.load(Snapshot("X", 1, BIDS[:2], []))
    book.changes_since(book.version)
    book.apply(Delta("X", 1, 2, [("101", "1")], []))
    assert sorted(book.changes_since(book.version - 1)) == [
        ("bid", (99, 0)), ("bid", (101, 1)),
    ]  # fmt: skip


def test_changes_that_are_not_known_are_refused():
    book = loaded()
    for version in (book.version - 1, book.version + 1):
        with pytest.raises(ConfigurationError):
            book.changes_since(version)
    book.apply(Delta("X", 10, 11, [], []))
    book.load(Snapshot("X", 12, [], []))
    with pytest.raises(ConfigurationError):
        book.changes_since(book.version - 1)


def test_old_changes_are_forgotten(monkeypatch):
    monkeypatch.setattr("booksync.book.MEMORY", 3)
    book = loaded()
    book.changes_since(book.version)
    for n in range(1, 6):
        book.apply(Delta("X", 9 + n, 10 + n, [("99", str(n))], []))
    assert book.changes_since(3) == [("bid", (99, 5))]
    with pytest.raises(ConfigurationError, match="version 2 is not remembered"):
        book.changes_since(2)


# -- for who keeps it ------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["gap", None])
def test_another_books_levels_are_adopted_with_their_window(cause):
    book, other = loaded(), loaded(BIDS[:2], ASKS[:1], depth=2)
    if cause is not None:
        book.withhold(cause)
    book.adopt(other)
    assert book.withheld == cause
    book.check()
    book.reveal()
    assert book == other
    assert book.window == (99, None)
    assert book.sequence == 10


def test_adopted_levels_are_no_change_that_could_be_told():
    book = loaded()
    version = book.version
    book.changes_since(version)
    book.apply(Delta("X", 10, 11, [("99", "3")], []))
    book.adopt(loaded(BIDS[:2], depth=2))
    for old in (version, version + 1):
        with pytest.raises(ConfigurationError, match="not remembered"):
            book.changes_since(old)
    assert book.changes_since(book.version) == []


@pytest.mark.parametrize("cause", ["gap", None])
def test_keeper_freezes_a_book_and_leaves_its_trust_as_it_was(cause):
    book = loaded()
    if cause is not None:
        book.withhold(cause)
    frozen = book.freeze_withheld()
    assert book.withheld == cause
    book.check()
    assert frozen == loaded()


def test_shadow_is_an_empty_book_of_the_same_kind():
    book = Book("X", numbers=float, depth=1, signed=True, keep_text=True)
    book.load(Snapshot("X", 1, [("5", "1")], []))
    shadow = book.shadow()
    assert (shadow.symbol, shadow.numbers, len(shadow)) == ("X", float, 0)
    shadow.load(Snapshot("X", 1, [("-5.00", "1.0"), ("-6", "1")], []))
    assert shadow.bids() == [(-5, 1)]
    assert shadow.hashed(9) == ([("-5.00", "1.0")], [])


def test_window_set_by_the_keeper_holds():
    book = loaded()
    book.limit(D(98), None)
    assert book.window == (98, None)
    assert not book.size_until("bid", 97).complete
    book.limit(None, None)
    assert book.window == (None, None)


def test_largest_side_is_known_also_of_a_withheld_book():
    book = loaded(BIDS, ASKS[:1])
    book.withhold("gap")
    assert book.largest == 3
    assert Book().largest == 0


# -- further windows -------------------------------------------------------------------


def test_repeated_level_does_not_hide_that_the_venue_cut_the_side():
    assert loaded([("9", "1"), ("8", "1"), ("8.0", "2")], [], depth=3).window.bid == 8


def test_book_that_is_cut_has_no_window_and_is_known_as_far_as_it_goes():
    book = Book("X", depth=3)
    book.load(Snapshot("X", 1, BIDS, ASKS, depth=3))
    worst = book.bids()[-1].price
    for each in (book, book.freeze()):
        assert each.window == (None, None)
        assert each.size_until("bid", worst).complete
        assert not each.size_until("bid", worst - 1).complete
        assert each.edge("bid") == worst
        assert each.knows("bid", 3)
        assert not each.knows("bid")
    book.apply(Delta("X", 1, 2, [(str(worst), "0")], []))
    assert book.size_until("bid", 1).complete  # the venue has no more to tell


@pytest.mark.parametrize(
    ("bids", "asks"),
    [([("99", "1"), ("98", "x")], []), ([("99", "1")], [("103", "NaN")])],
)
def test_half_a_change_is_not_read(bids, asks):
    book = loaded()
    with pytest.raises(MalformedMessage):
        book.apply(Delta("X", 10, 11, bids, asks))
    assert book.withheld == "malformed"
    with pytest.raises(BookNotLive):
        book.bids()
    with pytest.raises(MalformedMessage):
        book.load(Snapshot("X", 12, bids, asks))
    assert book.withheld == "malformed"
    book.load(Snapshot("X", 12, BIDS, ASKS))
    assert book.withheld is None
    assert book == loaded()


def test_keeper_that_withheld_a_book_reveals_it():
    book = loaded()
    book.withhold("gap")
    with pytest.raises(MalformedMessage):
        book.apply(Delta("X", 10, 11, [("99", "x")], []))
    assert book.withheld == "gap"
    book.load(Snapshot("X", 12, BIDS, ASKS))
    assert book.withheld == "gap"


@pytest.mark.parametrize("numbers", [D, float])
def test_coverage_is_negative_once_the_market_left_the_window(numbers):
    kind = str if numbers is D else float
    book = Book("X", numbers=numbers, signed=True)

    def wire(*pairs):
        return [(kind(price), kind(size)) for price, size in pairs]

    def load(bids, asks):
        book.load(Snapshot("X", 1, wire(*bids), wire(*asks), depth=2))

    load([(100, 1), (99, 1)], [(200, 1), (210, 1)])
    assert book.coverage() == (100, 500)
    gone = wire((100, 0), (99, 0), (90, 1)), wire((200, 0), (210, 0), (250, 1))
    book.apply(Delta("X", 1, 2, *gone))
    assert book.coverage() == (-1000, -1600)
    load([(-100, 1), (-110, 1)], [(-50, 1), (-45, 1)])
    assert book.coverage() == (1000, 1000)
    load([(0, 1), (-5, 1)], [])
    assert book.coverage() == (None, None)
