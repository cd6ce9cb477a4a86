"""
The invariant: a book built from a snapshot and the deltas is the truth, always.

"Built" means the simplest client there is, which shares no code with the exchange.
"""

from itertools import pairwise

import pytest

from booksync.testing import Exchange, Lists, Numbering, Spec
from booksync.testing.cut import Cutter

BTC = "BTCUSDT"


def build(book, delta):
    for side, levels in zip(book, (delta.bids, delta.asks), strict=True):
        for price, size in levels:
            if size:
                side[price] = size
            else:
                side.pop(price, None)


def whole(exchange, sequence):
    return [dict(side) for side in exchange.levels(BTC, sequence)]


@pytest.mark.parametrize("lists", ["touched", "net"])
@pytest.mark.parametrize("numbering", list(Numbering))
def test_deltas_rebuild_the_truth_at_every_boundary(lists, numbering):
    exchange = Exchange([BTC, "ETHUSDT"], seed=5, levels=40, lists=lists, rate=150)
    exchange.number(numbering)
    book, end, last = whole(exchange, 0), 0, exchange.markets[BTC].id_at(0)
    for _ in range(300):
        for delta in exchange.advance():
            if delta.market.symbol != BTC:
                continue
            assert (delta.start, delta.prev) == (end, last)
            assert delta.prev < delta.first <= delta.last
            build(book, delta)
            end, last = delta.end, delta.last
            assert book == whole(exchange, end)
            assert exchange.sequence_of(BTC, last) == end
            assert exchange.truth_at(BTC, last) == exchange.truth(BTC, end)
    assert end > 3_000


def test_ids_of_a_symbol_are_contiguous():
    exchange = Exchange([BTC])
    deltas = [delta for _ in range(50) for delta in exchange.advance()]
    assert all(d.first == d.prev + 1 for d in deltas)
    assert all(d.last - d.first == d.end - d.start - 1 for d in deltas)


def test_engine_ids_are_shared_and_leave_holes():
    exchange = Exchange([BTC, "ETHUSDT"], rate=50)
    exchange.number(Numbering.ENGINE)
    deltas = [delta for _ in range(100) for delta in exchange.advance()]
    assert any(d.first > d.prev + 1 for d in deltas)
    spans = sorted((d.first, d.last) for d in deltas)
    ids = {symbol: set(market.log.ids) for symbol, market in exchange.markets.items()}
    assert not ids[BTC] & ids["ETHUSDT"]
    assert len(spans) > 150


def test_deltas_can_be_counted_and_can_be_empty():
    exchange = Exchange([BTC], rate=8, seed=2)
    exchange.number(Numbering.DELTA, empty=True)
    deltas = [delta for _ in range(100) for delta in exchange.advance()]
    assert [d.last - d.prev for d in deltas] == [1] * 100
    empty = [d for d in deltas if not d.bids and not d.asks]
    assert empty
    assert exchange.sequence_of(BTC, empty[-1].last) == empty[-1].end


def test_numbering_cannot_change_once_there_are_ids():
    exchange = Exchange([BTC])
    exchange.advance()
    exchange.number(Numbering.SYMBOL)
    with pytest.raises(ValueError, match="already numbers by symbol"):
        exchange.number(Numbering.ENGINE)


def flicker(lists):
    """A level that moves and moves back within one delta: 100 to 90 to 100."""
    exchange = Exchange([Spec(BTC, "1", "1", "1000")], lists=lists, levels=5)
    for size in ("100", "90"):
        exchange.set(BTC, "bid", "500", size)
    first = exchange.cut(BTC)
    exchange.set(BTC, "bid", "500", "90" if lists == "none" else "70")
    snapshot = exchange.snapshot_at(BTC, 3)
    exchange.set(BTC, "bid", "500", "90")
    exchange.set(BTC, "ask", "2000", "1")
    return exchange, first, snapshot, exchange.cut(BTC)


def test_an_overlap_is_harmless_where_touched_levels_are_listed():
    exchange, _, snapshot, delta = flicker("touched")
    book = [dict(snapshot.bids), dict(snapshot.asks)]
    build(book, delta)
    assert book == whole(exchange, delta.end)


def test_an_overlap_is_wrong_where_only_net_changes_are_listed():
    exchange, _, snapshot, delta = flicker("net")
    assert delta.prev < snapshot.last < delta.last
    assert delta.bids == []
    book = [dict(snapshot.bids), dict(snapshot.asks)]
    build(book, delta)
    assert book[0][500] == 70
    assert whole(exchange, delta.end)[0][500] == 90


def test_an_old_delta_over_a_newer_book_is_wrong_whatever_it_lists():
    exchange, first, snapshot, _ = flicker("touched")
    book = [dict(snapshot.bids), dict(snapshot.asks)]
    build(book, first)
    assert book != whole(exchange, snapshot.sequence)


def test_a_net_delta_of_nothing_is_left_out_and_its_ids_go_to_the_next():
    exchange = Exchange([Spec(BTC, "1", "1", "1000")], lists=Lists.NET, levels=5)
    base = exchange.markets[BTC].id_at(0)
    exchange.set(BTC, "bid", "500", "1")
    exchange.set(BTC, "bid", "500", "0")
    assert exchange.cut(BTC) is None
    exchange.set(BTC, "bid", "501", "1")
    delta = exchange.cut(BTC)
    assert delta is not None
    assert (delta.prev, delta.first, delta.last) == (base, base + 1, base + 3)
    assert delta.bids == [(501, 1)]


def test_a_quiet_symbol_has_no_deltas():
    exchange = Exchange([BTC, "ETHUSDT"], rate={BTC: 50.0})
    deltas = [delta for _ in range(20) for delta in exchange.advance()]
    assert {delta.market.symbol for delta in deltas} == {BTC}


@pytest.mark.parametrize(
    ("placement", "inside"),
    [("boundary", {False}), ("between", {True}), ("random", {True, False})],
)
def test_snapshots_stand_where_they_are_told_to(placement, inside):
    exchange = Exchange([BTC], snapshot=placement, rate=300, levels=30)
    ends, found = {0}, set()
    for _ in range(60):
        ends |= {delta.end for delta in exchange.advance()}
        snapshot = exchange.snapshot(BTC)
        assert exchange.sequence_of(BTC, snapshot.last) == snapshot.sequence
        found.add(snapshot.sequence)
    ends |= {delta.end for _ in range(2) for delta in exchange.advance()}
    assert {sequence not in ends for sequence in found} == inside


def test_a_snapshot_is_the_best_levels_first():
    exchange = Exchange([BTC], levels=100)
    exchange.advance()
    snapshot = exchange.snapshot(BTC, 10)
    bids, asks = exchange.levels(BTC, snapshot.sequence)
    assert snapshot.bids == bids[:10] == sorted(bids, reverse=True)[:10]
    assert snapshot.asks == asks[:10] == sorted(asks)[:10]


def test_a_snapshot_can_be_as_of_some_seconds_ago():
    exchange = Exchange([BTC])
    ends = [delta.end for _ in range(50) for delta in exchange.advance()]
    assert exchange.snapshot(BTC, age=2.95).sequence == ends[-31]
    assert exchange.snapshot(BTC, age=1e6).sequence == 0


@pytest.mark.parametrize("numbering", list(Numbering))
def test_after_a_reset_ids_are_lower_and_old_ones_still_known(numbering):
    exchange = Exchange([BTC, "ETHUSDT"], seed=4)
    exchange.number(numbering)
    old = [d for _ in range(5) for d in exchange.advance() if d.market.symbol == BTC]
    before = exchange.truth_at(BTC, old[-1].last)
    exchange.change(BTC)
    exchange.reset(BTC)
    exchange.reset(BTC)
    new = [d for _ in range(5) for d in exchange.advance() if d.market.symbol == BTC]
    if numbering is not Numbering.DELTA:
        # What was not yet cut at the reset still is in the old ids.
        assert new[0].prev == old[-1].last < new.pop(0).last
    assert new[-1].last < old[0].first
    assert all(a.last == b.prev and a.end == b.start for a, b in pairwise(new))
    assert all(exchange.sequence_of(BTC, d.last) == d.end for d in (*old, *new))
    assert exchange.truth_at(BTC, old[-1].last) == before
    assert exchange.sequence_of(BTC, new[-1].last) == new[-1].end
    others = exchange.markets["ETHUSDT"].epochs
    assert len(others) == (3 if numbering is Numbering.ENGINE else 1)


@pytest.mark.parametrize("leaving", [True, False])
def test_a_window_is_kept_right_by_its_own_deltas(leaving):
    exchange = Exchange([BTC], levels=30, rate=200, seed=9)
    book = [dict(side[:10]) for side in exchange.levels(BTC, 0)]
    for _ in range(200):
        for delta in exchange.advance():
            build(book, exchange.window(delta, 10, leaving=leaving))
            if not leaving:
                bids = sorted(book[0].items(), reverse=True)[:10]
                book = [dict(bids), dict(sorted(book[1].items())[:10])]
            truth = exchange.levels(BTC, delta.end, 10)
            assert book == [dict(side) for side in truth]


def test_a_slower_stream_has_its_own_cuts():
    exchange = Exchange([BTC], levels=30)
    slow, book = exchange.cutter(BTC), whole(exchange, 0)
    assert isinstance(slow, Cutter)
    for _ in range(10):
        for _ in range(5):
            exchange.advance()
        delta = slow.cut(exchange.now)
        assert delta is not None
        build(book, delta)
        assert book == whole(exchange, delta.end)


def test_the_same_seed_gives_the_same_deltas():
    def deltas():
        exchange = Exchange([BTC, "ETHUSDT"], seed=11)
        return [
            (d.market.symbol, d.prev, d.last, d.bids, d.asks, d.time)
            for _ in range(20)
            for d in exchange.advance()
        ]

    assert deltas() == deltas()
