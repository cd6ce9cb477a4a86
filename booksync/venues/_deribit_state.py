"""Deribit's channel ``platform_state``: locks of an index, maintenance of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from booksync.messages import Message
from booksync.venues.base import Venue
from booksync.venues.declared import halts

__all__ = ["CHANNEL", "meaning"]

CHANNEL = "platform_state"


class State(Struct, frozen=True):
    """``{"price_index":"sol_usdc","locked":true}``, ``{"maintenance":true}``."""

    price_index: str = ""
    locked: bool | None = None
    maintenance: bool | None = None


STATE = Venue.decoder(State)


def meaning(data: msgspec.Raw, books: Iterable[str]) -> Sequence[Message]:
    """
    Say which of ``books`` a notice halts, or lets go on.

    Raises:
        MalformedMessage: If it is no notice.

    """
    state: State = Venue.decode(STATE, bytes(data))
    if state.maintenance is not None:
        return halts(books, "maintenance" if state.maintenance else None)
    if state.locked is None:
        return ()
    index = state.price_index
    concerned = (symbol for symbol in books if _index(symbol) == index)
    return halts(concerned, f"{index} is locked" if state.locked else None)


def _index(symbol: str) -> str:
    """``BTC-PERPETUAL`` follows ``btc_usd``, ``SOL_USDC-PERPETUAL`` ``sol_usdc``."""
    root = symbol.partition("-")[0].lower()
    return root if "_" in root else f"{root}_usd"
