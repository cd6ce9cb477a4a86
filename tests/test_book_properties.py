"""
A book answers as a dict that is sorted for each question, whatever came before.

Two further properties: the two kinds of numbers answer alike, and what a book says to
be complete is what the whole market says, of which the book saw only a part.

Prices are few and close to each other, so that duplicates, deletes and other spellings
of one price are frequent; the near list is small, so that its edge is crossed often.
``check()`` runs on a copy: on the side itself it would put all prices in order, and
what happens while they are not would never be tested.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from itertools import accumulate

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from booksync import side as sides
from booksync.book import Book
from booksync.exact import canonical, divide
from booksync.messages import Delta, Snapshot

BOTH = pytest.mark.parametrize("numbers", [Decimal, float])
#: What the limits of what a side keeps in order are set to.
KEPT = [pytest.param(1, id="few near"), pytest.param(None, id="default")]

SPELLINGS = [
    lambda n: f"{n / 2:.1f}",
    lambda n: f"{n / 2:.3f}",
    lambda n: f"{n * 5}E-1",
    lambda n: f"{n / 20:.2f}E+1",
]
prices = st.integers(1, 120)
sizes = st.integers(0, 6)
pair = st.tuples(prices, st.one_of(st.just(0), sizes))
levels = st.lists(pair, max_size=25)
many = st.one_of(
    st.lists(pair, max_size=120),
    # A run of neighbours: a side of some depth.
    st.tuples(st.integers(1, 20), st.integers(40, 120)).map(
        lambda ends: [(n, 1 + n % 5) for n in range(*ends)]
    ),
)
#: The best levels go: what the near list fears.
sweep = st.tuples(st.just("sweep"), st.integers(1, 60), st.booleans())
load = st.tuples(st.just("load"), many, many)
delta = st.tuples(st.just("delta"), levels, levels)
steps = st.lists(st.one_of(delta, delta, delta, sweep, load), max_size=14)
questions = st.lists(
    st.sampled_from(
        ["top", "crossed", "all", "ranks", "ranges", "groups", "fills", "whole"]
    ),
    max_size=2,
)


class Naive:
    """Two dicts."""

    def __init__(self, depth=None):
        self.sides = {"bid": {}, "ask": {}}
        self.depth = depth

    def write(self, bids, asks):
        for side, written in (("bid", bids), ("ask", asks)):
            for price, size in written:
                if size:
                    self.sides[side][Decimal(price) / 2] = Decimal(size) / 4
                else:
                    self.sides[side].pop(Decimal(price) / 2, None)
            if self.depth is not None:
                self.sides[side] = dict(self.top(side)[: self.depth])

    def load(self, bids, asks):
        self.sides = {"bid": {}, "ask": {}}
        self.write(bids, asks)

    def knows(self, side, price=None):
        """A full side that is cut says nothing of what lies beyond its worst."""
        if len(self.sides[side]) != self.depth:
            return True
        if price is None:
            return False
        worst = self.top(side)[-1][0]
        return price >= worst if side == "bid" else price <= worst

    def top(self, side):
        return sorted(self.sides[side].items(), reverse=side == "bid")


def wire(written, numbers):
    """Spell each level in one of several ways, by its place."""
    if numbers is float:
        return [(price / 2, size / 4) for price, size in written]
    return [
        (SPELLINGS[(n + price) % len(SPELLINGS)](price), f"{size / 4:.2f}")
        for n, (price, size) in enumerate(written)
    ]


def check(book):
    """Check a copy: to check puts in order what a reader would have to."""
    for side in (book._bids_held, book._asks_held):
        side.frozen().check()
        assert book._depth is None or len(side) <= book._depth


# -- one question after another --------------------------------------------------------


def ask_top(book, model, numbers):
    bids, asks = model.top("bid"), model.top("ask")
    assert book.best_bid == (bids[0] if bids else None)
    assert book.best_ask == (asks[0] if asks else None)
    assert book.bids(5) == bids[:5]
    assert book.asks(5) == asks[:5]
    both = bids and asks
    assert book.spread == (asks[0][0] - bids[0][0] if both else None)
    assert book.mid == ((asks[0][0] + bids[0][0]) / 2 if both else None)
    assert book.crossed == bool(both and bids[0][0] >= asks[0][0])
    assert book.locked == bool(both and bids[0][0] == asks[0][0])
    if both:
        (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
        weighted = bid * ask_size + ask * bid_size
        assert_near(book.microprice, weighted / (bid_size + ask_size))
    mine, theirs = (sum(s for _, s in side[:3]) for side in (bids, asks))
    if mine + theirs:
        assert_near(book.imbalance(3), divide(Decimal(mine - theirs), mine + theirs))


def ask_crossed(book, model, numbers):
    bids, asks = model.top("bid"), model.top("ask")
    assert book.crossed == bool(bids and asks and bids[0][0] >= asks[0][0])


def ask_all(book, model, numbers):
    bids, asks = model.top("bid"), model.top("ask")
    assert book.bids() == bids
    assert book.asks() == asks
    assert list(book) == [("bid", b) for b in bids] + [("ask", a) for a in asks]
    assert {type(n) for level in book.bids() for n in level} <= {numbers}
    for side, levels in (("bid", bids), ("ask", asks)):
        sums = list(accumulate(size for _, size in levels))
        assert [size for _, size in book.depth_curve(side)] == sums
        texts = [(Decimal(p), Decimal(s)) for p, s in book.texts(side, 99)]
        assert texts == levels[:99]


def ask_ranks(book, model, numbers):
    for side in ("bid", "ask"):
        levels = model.top(side)
        for rank in (0, 1, 7, 30, len(levels) - 1):
            if rank >= 0:
                expected = levels[rank] if rank < len(levels) else None
                assert book.level(side, rank) == expected
        for n in range(0, 124, 11):
            price = Decimal(n) / 2
            better = [p for p, _ in levels if (p > price) == (side == "bid")]
            assert book.rank(side, price) == len([p for p in better if p != price])
            assert book.size_at(side, price) == model.sides[side].get(price, 0)


def ask_ranges(book, model, numbers):
    for side in ("bid", "ask"):
        levels = model.top(side)
        for low, high in ((0, 99), (3, 9), (20, 30), (45, 45), (50, 61), (9, 3)):
            inside = [(p, s) for p, s in levels if low <= p <= high]
            found = book.between(side, low, high)
            assert found.levels == inside
            assert found.size == sum(s for _, s in inside)
            assert found.notional == sum(p * s for p, s in inside)
            assert found.complete == model.knows(side, low if side == "bid" else high)
        limit = 30
        until = [
            (p, s) for p, s in levels if p == limit or (p > limit) == (side == "bid")
        ]
        assert book.size_until(side, limit).levels == until
        if levels:
            best = levels[0][0]
            # Steps of a half: no price is near the end of these.
            within = [(p, s) for p, s in levels if abs(p - best) <= best * 13 / 1000]
            assert book.within(side, 130).levels == within


def ask_groups(book, model, numbers):
    for tick in (Decimal("0.5"), 1, 7, 200):
        for side in ("bid", "ask"):
            groups = {}
            for price, size in model.top(side):
                down = price // tick * tick
                up = down if down == price else down + tick
                group = down if side == "bid" else up
                groups[group] = groups.get(group, 0) + size
            assert book.grouped(side, tick) == list(groups.items())
            assert book.grouped(side, tick, 2) == list(groups.items())[:2]


def naive_fill(levels, wanted, *, by_size):
    """Take small change by small change: quarters of a size, or of a notional."""
    filled = spent = Decimal(0)
    worst = None
    for price, size in levels:
        left = wanted - (filled if by_size else spent)
        if left <= 0:
            break
        part = min(size, left if by_size else divide(left, price))
        filled, spent, worst = filled + part, spent + part * price, price
    return filled, spent, worst


def ask_fills(book, model, numbers):
    for taker, side in (("buy", "ask"), ("sell", "bid")):
        levels = model.top(side)
        for wanted in (Decimal("0.25"), Decimal(5), Decimal(60)):
            for by_size in (True, False):
                kind = {"size" if by_size else "notional": wanted}
                fill = book.fill(taker, **kind)
                filled, spent, worst = naive_fill(levels, wanted, by_size=by_size)
                assert_near(fill.filled, filled)
                assert_near(fill.notional, spent)
                assert fill.worst == worst
                assert fill.levels == len(
                    [p for p, _ in levels if worst is not None
                     and (p == worst or (p > worst) == (side == "bid"))]
                )  # fmt: skip
                total = sum(s if by_size else p * s for p, s in levels)
                assert fill.filled_all == (total >= wanted)
                assert fill.complete == (fill.filled_all or model.knows(side))
                if filled:
                    assert_near(fill.average, spent / filled)
                    worse = abs(spent / filled / levels[0][0] - 1) * 10_000
                    assert_near(fill.slippage_bps, worse)


def ask_whole(book, model, numbers):
    lines = "".join(
        f"{side[0]} {canonical(price)} {canonical(size)}\n"
        for side in ("bid", "ask")
        for price, size in model.top(side)
    )
    digest = hashlib.sha256(lines.encode()).hexdigest()
    assert book.digest() == digest
    frozen = book.freeze()
    assert frozen.digest() == digest
    assert frozen == book
    assert (frozen.bids(3), frozen.asks(3)) == (book.bids(3), book.asks(3))
    frozen._bids.check()
    frozen._asks.check()


ASK = {
    "top": ask_top,
    "crossed": ask_crossed,
    "all": ask_all,
    "ranks": ask_ranks,
    "ranges": ask_ranges,
    "groups": ask_groups,
    "fills": ask_fills,
    "whole": ask_whole,
}


def assert_near(one, other):
    assert float(one) == pytest.approx(float(other), rel=1e-9, abs=1e-9)


def swept(model, count, side):
    """The deletes of the best levels, and of some that are not there."""
    best = [(int(price * 2), 0) for price, _ in model.top(side)[:count]]
    return best + [(121, 0)]


def take(book, model, step):
    kind, first, second = step
    if kind == "sweep":
        side = "bid" if second else "ask"
        gone = swept(model, first, side)
        first, second = (gone, []) if side == "bid" else ([], gone)
    bids, asks = (wire(side, book.numbers) for side in (first, second))
    if kind == "load":
        book.load(Snapshot("X", 1, bids, asks))
        model.load(first, second)
    else:
        book.apply(Delta("X", book.sequence, book.sequence + 1, bids, asks))
        model.write(first, second)


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("depth", [None, 20], ids=["whole", "cut to 20"])
@BOTH
def test_book_answers_as_a_sorted_dict(numbers, depth, kept):
    @given(load, st.lists(st.tuples(st.one_of(delta, delta, sweep, load), questions)))
    @settings(max_examples=settings.default.max_examples // 3)
    def run(first, rest):
        book, model = Book("X", numbers=numbers, depth=depth), Naive(depth)
        for step, asked in [(first, ["top"]), *rest]:
            take(book, model, step)
            assert len(book) == sum(map(len, model.sides.values()))
            for question in asked:
                ASK[question](book, model, numbers)
            check(book)
        for question in ASK.values():
            question(book, model, numbers)
        book.check()

    with pytest.MonkeyPatch.context() as patch:
        for limit in ("REACH", "SHARE", "NEAR", "SMALL", "MANY"):
            if kept is not None:
                patch.setattr(sides, limit, kept)
        run()


@given(load, steps)
def test_changes_told_make_the_same_book(first, rest):
    book, model = Book("X", depth=30), Naive(30)
    take(book, model, first)
    mirror, version = dict(book), None
    mirror = {("bid", p): s for p, s in book.bids()}
    mirror |= {("ask", p): s for p, s in book.asks()}
    version = book.version
    book.changes_since(version)
    for n, step in enumerate(step for step in rest if step[0] != "load"):
        take(book, model, step)
        if n % 3 != 1:  # now and then, two changes at once
            for side, (price, size) in book.changes_since(version):
                mirror[side, price] = size
                if not size:
                    del mirror[side, price]
            version = book.version
            expected = {("bid", p): s for p, s in book.bids()}
            expected |= {("ask", p): s for p, s in book.asks()}
            assert mirror == expected


def text_wire(written):
    return [(f"{price / 2:.2f}", f"{size / 4:.3f}") for price, size in written]


@given(load, steps)
def test_floats_that_keep_text_hash_as_an_exact_book_does(first, rest):
    books = [Book("X"), Book("X", numbers=float, keep_text=True)]
    model = Naive()
    for kind, *written in [first, *rest]:
        if kind == "sweep":
            written = [swept(model, written[0], "bid"), []]
        bids, asks = map(text_wire, written)
        (model.load if kind == "load" else model.write)(*written)
        for book in books:
            if kind == "load":
                book.load(Snapshot("X", 1, bids, asks))
            else:
                book.apply(Delta("X", 1, 2, bids, asks))
        assert books[0].hashed(10) == books[1].hashed(10)
        assert books[0].digest() == books[1].digest()
        assert books[0] == books[1]
        for book in books:
            check(book)


@BOTH
def test_what_is_complete_is_what_the_whole_market_says(numbers):
    @given(
        many, many, st.integers(1, 40), st.lists(st.one_of(delta, sweep), max_size=8)
    )
    @settings(max_examples=settings.default.max_examples // 2)
    def run(bids, asks, depth, changes):
        whole, market = Book("X", numbers=numbers), Naive()
        take(whole, market, ("load", bids, asks))
        book = Book("X", numbers=numbers)
        known = Snapshot("X", 1, *best_of(market, depth, numbers), depth=depth)
        book.load(known)
        for step in changes:
            sides = step[1:]
            if step[0] == "sweep":
                gone = swept(market, step[1], "bid" if step[2] else "ask")
                sides = (gone, []) if step[2] else ([], gone)
            bids, asks = (wire(side, numbers) for side in sides)
            for each in (whole, book):
                each.apply(Delta("X", 1, 2, bids, asks))
            market.write(*sides)
        for question in QUESTIONS:
            part, truth = question(book), question(whole)
            assert truth.complete
            if part.complete:
                assert part == truth

    run()


QUESTIONS = [
    *(
        lambda b, s=side, p=price: b.size_until(s, p)
        for side in ("bid", "ask")
        for price in range(0, 62, 5)
    ),
    *(
        lambda b, s=side, p=price: b.between(s, p, p + 9)
        for side in ("bid", "ask")
        for price in range(0, 62, 9)
    ),
    *(
        lambda b, t=taker, w=wanted, k=kind: b.fill(t, **{k: w})
        for taker in ("buy", "sell")
        for kind in ("size", "notional")
        for wanted in (0, 1, 5, 20, 400)
    ),
]


def best_of(model, depth, numbers):
    kind = str if numbers is Decimal else float
    for side in ("bid", "ask"):
        yield [(kind(p), kind(s)) for p, s in model.top(side)[:depth]]
