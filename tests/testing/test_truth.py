import random

import pytest

from booksync.testing import Exchange, Forgotten


@pytest.fixture
def history():
    """An exchange, and the book after each of its changes, kept the simple way."""
    exchange = Exchange(["ETHUSDT"], seed=3, levels=30)
    market = exchange.markets["ETHUSDT"]
    books = [[dict(side) for side in market.sides]]
    for _ in range(400):
        exchange.change("ETHUSDT")
        books.append([dict(side) for side in market.sides])
    price, size = market.prices.decimal, market.sizes.decimal
    exact = [
        tuple({price(p): size(s) for p, s in side.items()} for side in book)
        for book in books
    ]
    return exchange, exact


def test_a_cursor_goes_to_any_sequence_in_either_direction(history):
    exchange, books = history
    cursor = exchange.cursor("ETHUSDT")
    rng = random.Random(1)
    for sequence in [0, 400, 0, *rng.choices(range(401), k=100)]:
        assert cursor.seek(sequence) == books[sequence]
        assert cursor.sequence == sequence


def test_the_truth_is_found_by_sequence_and_by_id(history):
    exchange, books = history
    market = exchange.markets["ETHUSDT"]
    for sequence in (0, 17, 400):
        id_ = market.id_at(sequence)
        assert exchange.truth("ETHUSDT", sequence) == books[sequence]
        assert exchange.truth_at("ETHUSDT", id_) == books[sequence]
        assert exchange.cursor("ETHUSDT").at(id_) == books[sequence]


def test_what_truth_gives_is_a_copy(history):
    exchange, books = history
    exchange.truth("ETHUSDT", 5)[0].clear()
    assert exchange.truth("ETHUSDT", 5) == books[5]


def test_a_book_without_a_sequence_is_found_by_its_levels(history):
    exchange, books = history
    cursor = exchange.cursor("ETHUSDT")
    found = cursor.find(*books[123])
    assert found is not None
    assert books[found] == books[123]
    wrong = dict(books[123][0])
    wrong.popitem()
    assert cursor.find(wrong, books[123][1]) is None
    assert cursor.find(*books[123], changes=10) is None


def test_a_book_that_is_cut_is_found_by_its_best_levels(history):
    exchange, books = history
    cursor = exchange.cursor("ETHUSDT")

    def cut(sequence):
        bids, asks = books[sequence]
        return (
            {price: bids[price] for price in sorted(bids)[-3:]},
            {price: asks[price] for price in sorted(asks)[:3]},
        )

    found = cursor.find(*cut(123), best=3)
    assert found is not None
    assert found >= 123
    assert cut(found) == cut(123)
    assert all(cut(later) != cut(123) for later in range(found + 1, 401))
    assert cursor.find(*books[123], best=3) is None
    assert cursor.find(*cut(123), best=3, changes=400 - found - 1) is None


@pytest.mark.parametrize("sequence", [-1, 401])
def test_what_has_not_happened_is_not_known(history, sequence):
    with pytest.raises(Forgotten):
        history[0].cursor("ETHUSDT").seek(sequence)


def test_a_cursor_left_behind_by_the_retention_recovers():
    exchange = Exchange(["ETHUSDT"], levels=20, retention=50)
    cursor = exchange.cursor("ETHUSDT")
    cursor.seek(0)
    exchange.change("ETHUSDT", 500)
    with pytest.raises(Forgotten):
        cursor.seek(0)
    assert cursor.seek(480) == exchange.truth("ETHUSDT", 480)
