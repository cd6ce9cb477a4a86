"""The names of Gate's ``obu`` streams (Order Book V2), alike on spot and futures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from booksync.errors import MalformedMessage

__all__ = ["named", "stream", "streams"]

LEVEL = re.compile(r"[0-9]{1,5}")


def streams(symbols: Iterable[str], levels: int | None) -> list[str]:
    """
    Give the names of streams.

    >>> streams(["BTC_USDT"], 400)
    ['ob.BTC_USDT.400']

    """
    return [f"ob.{symbol}.{levels}" for symbol in symbols]


@lru_cache(maxsize=4096)
def stream(name: str) -> tuple[str, int]:
    """
    Give symbol and levels of a stream.

    Raises:
        MalformedMessage: If it is none.

    >>> stream("ob.BTC_USDT.400")
    ('BTC_USDT', 400)

    """
    start, _, rest = name.partition(".")
    symbol, _, levels = rest.rpartition(".")
    if start != "ob" or not symbol or not LEVEL.fullmatch(levels):
        raise MalformedMessage(f"not an order book stream: {name!r}")
    return symbol, int(levels)


def named(names: Iterable[str]) -> tuple[str, ...]:
    """Whose those streams are; raises like :func:`stream`."""
    return tuple(stream(name)[0] for name in names)
