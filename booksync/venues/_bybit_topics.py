"""Bybit's topics ``orderbook.{depth}.{symbol}`` and ``orderbook.full.{symbol}``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Channel", "channel", "refused", "topic"]

TOPIC = re.compile(r"orderbook\.(\d{1,5}|full)\.([^.\s]+)")
NAMED = re.compile(r"orderbook\.[^\s,\]\"]+")


class Channel(NamedTuple):
    """What a topic means; ``name`` is the book's, empty where none is read."""

    name: str
    symbol: str
    depth: int | None


NONE = Channel("", "", None)


def topic(symbol: str, depth: int | None) -> str:
    """
    Give the topic of a depth, or of the full channel (``None``).

    >>> topic("BTCUSDT", 50), topic("BTCUSDT", None)
    ('orderbook.50.BTCUSDT', 'orderbook.full.BTCUSDT')

    """
    return f"orderbook.{depth or 'full'}.{symbol}"


@lru_cache(maxsize=4096)
def channel(name: str, depth: int | None) -> Channel:
    """
    Say what the topic ``name`` means where ``depth`` is kept (``None``: full).

    A deeper book than is kept would be cut: it is not read. Nor is a depth where the
    full channel is, and the other way round.

    >>> channel("orderbook.50.BTCUSDT", 50)
    Channel(name='BTCUSDT', symbol='BTCUSDT', depth=50)
    >>> channel("orderbook.1.BTCUSDT", 50).name
    '1.BTCUSDT'

    """
    found = TOPIC.fullmatch(name)
    if found is None or (found[1] == "full") != (depth is None):
        return NONE
    symbol = found[2]
    if depth is None:
        return Channel(symbol, symbol, None)
    own = int(found[1])
    if own > depth:
        return NONE
    return Channel(symbol if own == depth else f"{own}.{symbol}", symbol, own)


def refused(
    reason: str, symbols: tuple[str, ...], depth: int | None
) -> tuple[str, ...]:
    """Say which of a request's symbols an error means; it names their topics."""
    topics = set(NAMED.findall(reason))
    named = tuple(symbol for symbol in symbols if topic(symbol, depth) in topics)
    return named or (symbols if len(symbols) == 1 else ())
