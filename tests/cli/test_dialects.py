"""The commands for live books, against each dialect of the embedded exchange."""

from __future__ import annotations

import pytest

from tests.busy import real_time
from tests.cli.conftest import Running
from tests.test_feed_dialects import CASES


@pytest.fixture(params=CASES, ids=lambda case: case.venue)
def case(request):
    with Running(request.param.symbols, request.param.venue) as running:
        yield request.param, running


@real_time
def test_books_are_recorded_replayed_watched_and_listed(booksync, case, tmp_path):
    (dialect, running), file = case, tmp_path / "day.jsonl"
    names = dialect.venue, *dialect.symbols
    recorded = booksync(
        "record", *names, *running.urls, "-o", file, "--seconds", 2, "--json"
    )
    assert recorded.code == 0
    [summary] = recorded.objects
    assert {book["state"] for book in summary["books"]} == {"live"}

    replayed = booksync("replay", file, "--json")
    assert replayed.code == 0
    books = {book["symbol"]: book for book in replayed.objects}
    assert set(books) == set(dialect.symbols)
    for book in summary["books"]:
        again = books[book["symbol"]]
        for name in ("symbol", "state", "sequence", "applied", "levels", "digest"):
            assert book[name] == again[name]

    watched = booksync("watch", *names, *running.urls, "--seconds", 1, "--json")
    assert watched.code == 0
    assert {told.get("symbol") for told in watched.objects} >= set(dialect.symbols)

    listed = booksync("instruments", dialect.venue, *running.urls[2:], "--json")
    assert listed.code == 0
    assert {market["symbol"] for market in listed.objects} == set(dialect.symbols)
