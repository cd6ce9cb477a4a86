"""The checksum that OKX thought of, and that Bitget and Bitfinex took over."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import zip_longest

from booksync.venues.base import Texts

__all__ = ["interleaved_crc32"]


def interleaved_crc32(bids: Sequence[Texts], asks: Sequence[Texts]) -> int:
    """
    Hash ``bid:size:ask:size:…`` from the top, as a signed 32-bit number.

    Where one side ends, the other goes on alone. Source: the order book channel's
    section "Checksum" (copy of 2025-08); texts are hashed as received.

    >>> bids = [("3366.1", "7"), ("3366", "6")]
    >>> interleaved_crc32(bids, [("3366.8", "9"), ("3368", "8")])
    -1881014294
    """
    parts: list[str] = []
    for bid, ask in zip_longest(bids, asks, fillvalue=()):
        parts += bid
        parts += ask
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >> 31 else value
