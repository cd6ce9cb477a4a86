"""The edge of the known window: a warning in time, and only one."""

from __future__ import annotations

from booksync.book import Book
from booksync.edge import Edge
from booksync.messages import Delta, Snapshot


def book(bid="100", *, depth=3):
    """Bids from 100 down to 98, asks from 101 up to 103: the window ends there."""
    made = Book("X")
    bids = [("100", "1"), ("99", "1"), ("98", "1")]
    asks = [("101", "1"), ("102", "1"), ("103", "1")]
    made.load(Snapshot("X", 1, bids, asks, depth=depth))
    gone = [(p, "0") for p, _ in bids if float(p) > float(bid)]
    made.apply(Delta("X", 1, 2, [*gone, (bid, "1")], []))
    return made


def edge(part=0.6, pause=30.0):
    made = Edge(part, pause)
    made.known(book())
    return made


def test_room_that_is_left_warns_of_nothing():
    assert not edge().near(book("100"), now=1.0)
    assert not edge().near(book("99.3"), now=1.0)


def test_best_price_that_walked_most_of_the_way_does():
    assert edge().near(book("99"), now=1.0)


def test_asks_are_watched_too():
    near = book()
    near.apply(Delta("X", 2, 3, [], [("101", "0"), ("102", "0")]))
    assert edge().near(near, now=1.0)


def test_best_price_beyond_the_edge_does():
    assert edge().near(book("97"), now=1.0)


def test_warning_is_not_repeated_before_the_pause_is_over():
    watched = edge(pause=30.0)
    assert watched.near(book("99"), now=1.0)
    assert not watched.near(book("98"), now=30.9)
    assert watched.near(book("98"), now=31.0)


def test_wider_window_begins_anew():
    watched = edge(pause=0.0)
    assert watched.near(book("99"), now=1.0)
    watched.known(book("99"))
    assert not watched.near(book("99"), now=2.0)


def test_book_that_is_wholly_known_has_no_edge():
    whole = book(depth=None)
    watched = Edge(0.6, 0.0)
    watched.known(whole)
    whole.apply(Delta("X", 2, 3, [("100", "0"), ("99", "0")], []))
    assert not watched.near(whole, now=1.0)


def test_side_that_is_empty_has_no_room_to_lose():
    watched, empty = edge(), book()
    empty.apply(Delta("X", 2, 3, [("100", "0"), ("99", "0"), ("98", "0")], []))
    assert not watched.near(empty, now=1.0)
