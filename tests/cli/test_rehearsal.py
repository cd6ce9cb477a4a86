"""The checker of the demo: right books pass it, and no wrong one does."""

from __future__ import annotations

import pytest

from booksync.book import Book
from booksync.cli.checker import Checker
from booksync.cli.demo import _verdict
from booksync.cli.rehearsal import Rehearsal
from booksync.messages import Delta, Snapshot
from booksync.testing import Exchange


@pytest.fixture
def exchange():
    made = Exchange(["BTCUSDT"], seed=1, levels=10)
    made.advance(1.0)
    return made


def snapshot(exchange, depth=None):
    taken = exchange.snapshot("BTCUSDT", depth)
    market = taken.market
    bids, asks = (
        [(market.prices.text(p), market.sizes.text(s)) for p, s in side]
        for side in (taken.bids, taken.asks)
    )
    return Snapshot("BTCUSDT", taken.last, bids, asks, depth=depth)


def checked(exchange, message, *deltas, keep=None):
    book = Book("BTCUSDT")
    book.load(message)
    for delta in deltas:
        book.apply(delta)
    checker = Checker("BTCUSDT", exchange.cursor("BTCUSDT"), keep)
    checker.check(book, 0.0)
    assert checker.checked == 1
    return checker


def changed(message, bids):
    last = message.sequence
    return Delta("BTCUSDT", last, last, bids, [])


def test_right_book_passes(exchange):
    message = snapshot(exchange)
    checker = checked(exchange, message)
    assert checker.wrong == 0
    truth = exchange.truth_at("BTCUSDT", message.sequence)
    assert checker.levels == tuple(map(len, truth))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        pytest.param(lambda p: [(p, "7777")], "x 7777 should be", id="size"),
        pytest.param(lambda p: [(p, "0")], "should be", id="level gone"),
        pytest.param(lambda _: [("0.01", "1")], "levels should be", id="level more"),
    ],
)
def test_wrong_level_is_found(exchange, harm, told):
    message = snapshot(exchange)
    price, _ = message.bids[3]
    checker = checked(exchange, message, changed(message, harm(price)))
    assert checker.wrong == 1
    assert told in checker.fault


def test_wrong_sequence_is_found(exchange):
    message = snapshot(exchange)
    never = message.sequence + 10_000
    checker = checked(
        exchange, message, Delta("BTCUSDT", message.sequence, never, [], [])
    )
    assert checker.wrong == 1
    assert "does not know the id" in checker.fault


def test_top_that_is_not_the_first_level_is_found(exchange, monkeypatch):
    monkeypatch.setattr(Book, "best_bid", None)
    checker = checked(exchange, snapshot(exchange))
    assert checker.wrong == 1
    assert "the levels begin with" in checker.fault


def test_only_what_the_book_knows_is_compared(exchange):
    checker = checked(exchange, snapshot(exchange, 5))
    assert checker.wrong == 0
    assert checker.levels == (5, 5)
    message = snapshot(exchange, 5)
    price, _ = message.bids[4]
    assert checked(exchange, message, changed(message, [(price, "7777")])).wrong == 1


def test_book_that_its_venue_cuts_is_compared_as_far_as_it_goes(exchange):
    message = snapshot(exchange, 5)
    whole = Snapshot("BTCUSDT", message.sequence, message.bids, message.asks)
    assert checked(exchange, whole).wrong == 1
    assert checked(exchange, whole, keep=5).wrong == 0


def test_time_that_the_book_is_withheld_is_added_up(exchange):
    checker = Checker("BTCUSDT", exchange.cursor("BTCUSDT"))
    checker.withheld(1.0)
    checker.withheld(2.0)
    assert checker.withheld_s(3.0) == 2.0
    checker.revealed(3.5)
    checker.revealed(4.0)
    assert checker.withheld_s(9.0) == 2.5


def test_books_that_are_not_live_at_the_end_are_a_failure(exchange, capsys):
    rehearsal = Rehearsal(
        exchange, "binance", faults="none", seconds=1.0, corrupt=False
    )
    assert _verdict(rehearsal) == 1
    assert "BTCUSDT is not live" in capsys.readouterr().err
    assert rehearsal.record()["books"][0]["state"] == "offline"


def test_alteration_that_nobody_saw_is_a_failure(exchange, capsys, monkeypatch):
    rehearsal = Rehearsal(exchange, "binance", faults="none", seconds=1.0, corrupt=True)
    monkeypatch.setattr(Rehearsal, "late", [])
    assert _verdict(rehearsal) == 1
    assert "no read was wrong" in capsys.readouterr().err
