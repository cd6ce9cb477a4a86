"""Pictures of books: ladders, overviews, words of trust."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from booksync.cli.ladder import Rates, ladders, overview, spell, trust
from booksync.cli.waiting import PATIENCE, Patience
from booksync.exact import Level
from booksync.feed import connect
from booksync.states import Cause, State
from booksync.status import Counts, Status
from booksync.testing import Exchange, serve


def drawn(picture, width=100):
    file = io.StringIO()
    Console(file=file, width=width).print(picture)
    return file.getvalue()


def feed_of(*symbols):
    return connect("binance", *symbols)


def test_ladder_shows_levels_best_prices_inside():
    async def main():
        exchange = Exchange(["BTCUSDT"], seed=1, levels=10)
        async with (
            serve(exchange) as server,
            connect(
                "binance", "BTCUSDT", ws_url=server.ws_url, rest_url=server.rest_url
            ) as feed,
        ):
            await feed.live(timeout=5.0)
            book = feed["BTCUSDT"]
            picture = ladders(feed, Rates(), depth=2, size=(100, 30))
            return drawn(picture), book.asks(2)[::-1], book.bids(2), book.sequence

    text, asks, bids, sequence = asyncio.run(main())
    lines = text.splitlines()
    assert "BTCUSDT live" in lines[0]
    assert str(sequence) in lines[3]
    for line, level in zip([*lines[1:3], *lines[4:6]], [*asks, *bids], strict=True):
        _, size, price, *_ = line.split()
        assert (float(price), float(size)) == (float(level.price), float(level.size))
    assert "0 gaps" in lines[6]


def test_withheld_book_shows_no_price():
    text = drawn(ladders(feed_of("X"), Rates(), depth=3, size=(80, 30)))
    assert "X offline (disconnected)" in text
    assert "no price: withheld" in text


@pytest.mark.parametrize("rows", [1, 5, 7])
def test_ladders_without_room_become_lines(rows):
    text = drawn(ladders(feed_of("X", "Y"), Rates(), depth=10, size=(80, rows)))
    assert text.split()[:2] == ["book", "state"]


def test_overview_has_a_line_for_each_book():
    text = drawn(overview(feed_of("X", "Y")))
    assert "per s" not in text
    assert [line.split()[:2] for line in text.splitlines()[2:]] == [
        ["X", "offline"],
        ["Y", "offline"],
    ]
    assert "per s" in drawn(overview(feed_of("X"), Rates()))


def test_rates_are_changes_a_second():
    rates = Rates()
    rates.tick(100.0)
    for _ in range(30):
        rates.count("X")
    rates.tick(101.0)
    assert rates["X"] == 0.0
    rates.tick(103.0)
    assert rates["X"] == 10.0
    rates.tick(106.0)
    assert rates["X"] == 0.0
    assert rates.totals == {"X": 30}


def test_level_that_is_not_there():
    assert spell(None) == "-"
    assert spell(Level(1.5, 2.0)) == "1.5 x 2"


def status(state, **more):
    usual = {"unbridged": False, "overlap": False}
    return Status(
        symbol="X", state=state, cause=Cause.GAP, since=None, sequence=None, age=None,
        counts=Counts(), **{**usual, **more},
    )  # fmt: skip


def test_trust_is_told_with_its_doubts():
    assert trust(status(State.LIVE)) == "live"
    assert trust(status(State.LIVE, unbridged=True)) == "live (unbridged)"
    assert trust(status(State.LIVE, overlap=True)) == "live (joined by overlap)"
    assert trust(status(State.SYNCING)) == "syncing (gap)"
    assert trust(status(State.SYNCING, live_in=0.4)) == "syncing (gap)"
    assert trust(status(State.SYNCING, live_in=12.4)) == "syncing (gap), live in 12 s"


def test_patience_says_what_is_waited_for_now_and_then(capsys):
    patience = Patience(feed_of("X"))
    patience.tick(0.0)
    patience.tick(PATIENCE - 1)
    assert not capsys.readouterr().err
    patience.tick(PATIENCE)
    patience.tick(PATIENCE + 1)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("booksync: still waiting for X: offline (disconnected)")
