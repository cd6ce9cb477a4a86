"""
Many books in one engine, in a process of its own: ``_scale {float,decimal} BOOKS``.

The first line it prints says what the books cost; each request ``{"frames": n}`` sends
``n`` more frames, one book after another, and says what they cost.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks._ours import NUMBERS
from benchmarks.workload import Workload, generated
from booksync import inputs, venues
from booksync.book import Book
from booksync.budget import Budget
from booksync.engine import Engine
from booksync.events import FetchSnapshot
from booksync.venues.base import Venue

CONNECTION = 200
#: Frames of the one market that all books are copies of.
MARKET = 2_000


def resident() -> int:
    """Bytes of this process in memory (Linux), else 0."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def symbols_of(books: int) -> list[str]:
    return [f"S{number:04}USDT" for number in range(books)]


def engine_with(
    venue: Venue, symbols: list[str]
) -> tuple[Engine, list[FetchSnapshot], dict[str, int]]:
    """An engine with all symbols subscribed; its requests; symbol -> connection."""
    engine = Engine(venue)
    asked: list[FetchSnapshot] = []
    where: dict[str, int] = {}
    for number, start in enumerate(range(0, len(symbols), CONNECTION), 1):
        part = tuple(symbols[start : start + CONNECTION])
        engine.take(inputs.Opened(number, part), 0.0)
        where.update(dict.fromkeys(part, number))
        ids = range(1, 1 + len(part) // venue.limits.symbols_per_frame + 1)
        for one in ids:
            done = json.dumps({"result": None, "id": one})
            outputs = engine.frame(number, done, 0.0)
            asked += [each for each in outputs if type(each) is FetchSnapshot]
    return engine, asked, where


def priced(text: str, symbol: str) -> str:
    """Put the symbol's number before each price: no two books share one."""
    return text.replace('["', f'["{1_000 + int(symbol[1:5])}')


def of_symbol(raw: str, symbol: str) -> str:
    named = raw.replace("BTCUSDT", symbol).replace("btcusdt", symbol.lower())
    return priced(named, symbol)


def budgeted(venue: Venue, asked: list[FetchSnapshot]) -> float:
    """Seconds until the venue's weight limit lets the last snapshot be fetched."""
    budget = Budget(venue.limits.weight, venue.limits.weight_window)
    now = 0.0
    for command in asked:
        weight = venue.snapshot_request(command.symbol).weight
        while (pause := budget.wait(weight, now)) > 0:
            now += pause
        budget.spend(weight, now)
        budget.settle(weight, now)
    return now


class Books:
    """``books`` copies of one market, each at prices of its own."""

    def __init__(self, books: int, numbers: type[Decimal | float], levels: int) -> None:
        self.market: Workload = generated(levels=levels, frames=MARKET)
        self.venue = venues.get("binance")(numbers=numbers)
        self.symbols = symbols_of(books)
        before = resident()
        start = time.process_time()
        self.engine, asked, self._where = engine_with(self.venue, self.symbols)
        self._take_snapshots(asked)
        spent = time.process_time() - start
        gc.collect()
        live = sum(sync.live for sync in self.engine.books.values())
        assert live == books, f"{live} of {books} books are live"
        self.facts: dict[str, Any] = {
            "books": books,
            "levels": sum(len(sync.book) for sync in self.engine.books.values()),
            "bytes": resident() - before,
            "live_s": spent,
            "budget_s": budgeted(self.venue, asked),
        }
        self._order = self._endless()

    def _take_snapshots(self, asked: list[FetchSnapshot]) -> None:
        """Answer each request; the first frame joins."""
        depth = self.venue.snapshot_depth(self.market.url)
        for command in asked:
            body = priced(self.market.body, command.symbol).encode()
            given = inputs.Answered(
                command.symbol, command.request, 200, depth, self.market.url, body
            )
            self.engine.take(given, 0.0)
            first = of_symbol(self.market.frames[0], command.symbol)
            self.engine.frame(self._where[command.symbol], first, 0.0)

    def _endless(self) -> Iterator[tuple[int, Book, str]]:
        """Frames of all books in turn, while the market's last."""
        for raw in self.market.frames[1:]:
            for symbol in self.symbols:
                book = self.engine.books[symbol].book
                yield self._where[symbol], book, of_symbol(raw, symbol)

    def run(self, frames: int) -> dict[str, Any]:
        """
        Take so many frames, the best prices read after each; texts are made before.

        Who does not read leaves work undone, with many books more than with one.
        """
        part = list(itertools.islice(self._order, frames))
        frame, books = self.engine.frame, self.engine.books
        applied = sum(sync.counts.applied for sync in books.values())
        gc.collect()
        start = time.process_time()
        for number, book, raw in part:
            frame(number, raw, 0.0)
            _ = book.best_bid, book.best_ask
        spent = time.process_time() - start
        done = sum(sync.counts.applied for sync in books.values()) - applied
        assert done == len(part), f"{done} of {len(part)} frames were applied"
        return {"seconds": spent, "frames": len(part)}


def main() -> None:
    numbers, count, levels = sys.argv[1:]
    books = Books(int(count), NUMBERS[numbers], int(levels))
    print(json.dumps(books.facts), flush=True)
    for line in sys.stdin:
        print(json.dumps(books.run(json.loads(line)["frames"])), flush=True)


if __name__ == "__main__":
    main()
