# ruff: noqa: ANN401, ARG002 - JSON is anything, and a dialect may ignore what it gets
"""
What many dialects share: JSON both ways, exact numbers, single changes.

A dialect of this kind says its ``path``, greets in ``welcome`` and answers a client's
JSON object in ``request``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple

import msgspec

from booksync.testing.cut import Delta, Levels
from booksync.testing.dialects.base import Action, Answer, Dialect, Frame, Session
from booksync.testing.faults import Fault
from booksync.testing.market import Forgotten, Market

__all__ = ["Change", "JsonDialect", "answer", "changes", "instant", "number", "text"]


class Change(NamedTuple):
    """One change of one level, with the id that the venue gives it."""

    id: int
    side: int
    price: int
    size: int


def text(value: Any) -> str:
    """Write JSON."""
    return msgspec.json.encode(value).decode()


def answer(value: Any, status: int = 200, *, weight: int = 1) -> Answer:
    """Answer a REST request with JSON."""
    headers = {"Content-Type": "application/json"}
    return Answer(msgspec.json.encode(value), status, headers, weight)


def number(digits: str) -> msgspec.Raw:
    """Make a JSON number of exactly these digits, trailing zeros too."""
    return msgspec.Raw(digits.encode())


def instant(time: float) -> str:
    """Write a time with microseconds: ``2026-09-07T01:57:58.894355Z``."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def changes(delta: Delta) -> list[Change]:
    """
    Take a delta apart into the changes that it is made of, in order.

    Sizes are as ``delta`` lists them where it does; of a market that remembers no such
    changes (a stranger's) each level counts as one.
    """
    log, sides = delta.market.log, (dict(delta.bids), dict(delta.asks))
    if not log.base <= delta.start <= delta.end <= log.base + len(log.ids):
        levels = [(s, p, size) for s in (0, 1) for p, size in sides[s].items()]
        return [Change(delta.first + n, *level) for n, level in enumerate(levels)]
    found = []
    for index in range(delta.start - log.base, delta.end - log.base):
        price, side = divmod(log.keys[index], 2)
        found.append(Change(log.ids[index], side, price, log.sizes[index]))
    last = {(change.side, change.price): n for n, change in enumerate(found)}
    for (side, price), index in last.items():
        size = sides[side].get(price, found[index].size)
        found[index] = found[index]._replace(size=size)
    return found


class JsonDialect(Dialect):
    """A protocol whose client frames are JSON objects."""

    #: Path that connections are made to.
    path: ClassVar[str] = "/"
    #: Names of price and size, where levels are objects.
    level_keys: ClassVar[tuple[str, str]] = ("price", "qty")

    def opens(self, session: Session) -> Iterable[Action] | None:
        """Accept connections to ``path`` alone."""
        return self.welcome(session) if session.path == self.path else None

    def welcome(self, session: Session) -> Iterable[Action]:
        """Greet a new connection."""
        return ()

    def receive(self, session: Session, frame: Frame) -> Iterator[Action]:
        """Read a JSON object."""
        try:
            message = msgspec.json.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            message = None
        if isinstance(message, dict):
            yield from self.request(session, message)
        else:
            yield from self.unreadable(session)

    def request(self, session: Session, message: dict[str, Any]) -> Iterable[Action]:
        """Answer a client's object."""
        raise NotImplementedError

    def unreadable(self, session: Session) -> Iterable[Action]:
        """Answer what is no JSON object."""
        return ()

    # -- for subclasses -------------------------------------------------------------

    def numbers(
        self, market: Market, level: tuple[int, int], places: int | None = None
    ) -> tuple[msgspec.Raw, msgspec.Raw]:
        """Write a level as two JSON numbers, the size padded to ``places``."""
        price, size = market.prices.text(level[0]), market.sizes.text(level[1], places)
        return number(price), number(size)

    def objects(
        self, market: Market, levels: Levels, places: int | None = None
    ) -> list[dict[str, msgspec.Raw]]:
        """Write levels as objects with two JSON numbers."""
        pairs = (self.numbers(market, level, places) for level in levels)
        return [dict(zip(self.level_keys, pair, strict=True)) for pair in pairs]

    def standing(
        self, market: Market, sequence: int, depth: int | None = None
    ) -> tuple[Levels, Levels]:
        """Give the best levels at ``sequence``; none of a stranger's market."""
        try:
            return self.exchange.levels(market.symbol, sequence, depth)
        except (KeyError, Forgotten):
            return [], []

    def malform(self, frame: Frame, kind: Fault, rng: random.Random) -> Frame:
        """Break numbers where levels are objects, too."""
        if kind not in {Fault.MALFORMED_NAN, Fault.MALFORMED_NEGATIVE}:
            return super().malform(frame, kind, rng)
        message = json.loads(self.unseal(frame))
        levels = list(_objects(message, set(self.level_keys)))
        if not levels:
            return super().malform(frame, kind, rng)
        wrong = "NaN" if kind is Fault.MALFORMED_NAN else -1.5
        rng.choice(levels)[rng.choice(self.level_keys)] = wrong
        return self.reseal(text(message), frame)


def _objects(message: Any, keys: set[str]) -> Iterator[dict[str, Any]]:
    """Find objects that have ``keys``."""
    if isinstance(message, dict):
        if keys <= message.keys():
            yield message
        message = list(message.values())
    for value in message if isinstance(message, list) else ():
        yield from _objects(value, keys)
