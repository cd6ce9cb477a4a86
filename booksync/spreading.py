"""Symbols spread over connections, on one line or two."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from booksync.events import Reconnect, Rotate, Send
from booksync.keeping import Host, Keeper, Link

__all__ = ["Keepers", "spread"]


class Keepers:
    """
    Keeps every connection of a feed.

    Args:
        host: Their feed.
        lines: Connections that carry each symbol.

    """

    def __init__(self, host: Host, lines: int) -> None:
        self.all: list[Keeper] = []
        self._host = host
        self._lines = range(lines)
        # Lines are replaced one after another; one line's connections as they must.
        self._turn = asyncio.Lock() if lines > 1 else None

    def start(self, symbols: list[str]) -> None:
        """Keep connections for ``symbols``, on each line."""
        for part in spread(symbols, self._host.venue.limits.symbols):
            for line in self._lines:
                self._keep(part, line)

    def _keep(self, symbols: list[str], line: int) -> None:
        keeper = Keeper(self._host, list(symbols), line, self._turn)
        self.all.append(keeper)
        self._host.spawn(keeper.run())

    def add(self, symbols: list[str]) -> None:
        """Carry more symbols, where there is room before elsewhere."""
        size = self._host.venue.limits.symbols
        for line in self._lines:
            left = list(symbols)
            for keeper in [k for k in self.all if k.line == line]:
                room = size - len(keeper.symbols)
                part, left = left[:room], left[room:]
                if part:
                    keeper.subscribe(part)
            for part in spread(left, size):
                self._keep(part, line)

    def remove(self, symbol: str) -> None:
        """Carry a symbol no more, on what is opened from now on."""
        for keeper in self.all:
            if symbol in keeper.symbols:
                keeper.symbols.remove(symbol)

    def part(self, number: int, waiting: Collection[str]) -> list[str]:
        """
        Give a symbol that ends the connection of others one of its own.

        Args:
            number: The connection that its venue closed.
            waiting: What the venue had not confirmed on it.

        Returns:
            The symbol; usually there is none.

        """
        found = []
        for keeper in [k for k in self.all if k.newest == number]:
            symbol = keeper.blamed(waiting)
            if symbol is not None:
                found.append(symbol)
                self._keep([symbol], keeper.line)
        return found

    def progressed(self, symbol: str) -> None:
        """Note that the book of ``symbol`` went live."""
        for keeper in self.all:
            keeper.progress = keeper.progress or symbol in keeper.symbols

    # -- commands -------------------------------------------------------------------

    def send(self, command: Send) -> None:
        """Send frames on a connection, if it is open."""
        link = self._link(command.connection)
        if link is not None:
            link.send(command.frames)

    def reconnect(self, command: Reconnect) -> None:
        """Give a connection up, if it is open; another follows."""
        link = self._link(command.connection)
        if link is not None:
            link.drop(command.cause)

    def rotate(self, command: Rotate) -> None:
        """Open a connection that is to replace another."""
        for keeper in self.all:
            keeper.rotate(command.connection)

    def _link(self, number: int) -> Link | None:
        links = (keeper.link(number) for keeper in self.all)
        return next((link for link in links if link is not None), None)


def spread(symbols: list[str], size: int) -> list[list[str]]:
    """
    Divide ``symbols`` over connections of at most ``size``.

    >>> spread(["A", "B", "C"], 2)
    [['A', 'B'], ['C']]
    """
    return [symbols[start : start + size] for start in range(0, len(symbols), size)]
