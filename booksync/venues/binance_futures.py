"""
Binance USD-M and COIN-M futures: the spot protocol with another rule.

Facts: developers.binance.com derivatives (read 2026-11), checked on recorded frames of
2021 and 2024.

Futures ids belong to the whole matching engine and leave holes; a delta names its
predecessor ``pu``, so it carries ``(pu, u]``. The documentation's ``U <= S <= u``
rejects a snapshot that stands exactly at ``pu``, as 8 of 14 recorded ones did.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from booksync.errors import MalformedMessage
from booksync.venues.binance import Binance, Update
from booksync.venues.declared import RestBook
from booksync.venues.facts import Assurance, Request

__all__ = ["BinanceCoinM", "BinanceUsdM"]


class BinanceUsdM(Binance):
    """Binance USD-M futures: ids of the whole engine, chained by ``pu``."""

    id = "binance_usdm"
    facts = msgspec.structs.replace(
        Binance.facts,
        markets="USD-M futures",
        assurance=Assurance.CHAINED,
        url="https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams",
        date="2026-11-01",
    )
    limits = msgspec.structs.replace(Binance.limits, messages=8.0, weight=2_400)
    WS_URL = "wss://fstream.binance.com"
    REST_URL = "https://fapi.binance.com"
    DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "speed": ("100ms", "250ms", "500ms")
    }
    WEIGHTS: ClassVar[Mapping[int, int]] = {
        5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20,
    }  # fmt: skip
    PLAIN_SPEED = "250ms"
    REST_BOOK = RestBook(path="/fapi/v1/depth", depth="limit", ending="/depth")
    LISTINGS = (Request(path="/fapi/v1/exchangeInfo", weight=20),)
    STREAM_PATH = "/public/stream"  # a book on another route stays silent

    def previous(self, data: Update[Any]) -> int:
        """``pu`` is the previous delta's ``u``; between them are holes."""
        if not data.pu < data.u:
            raise MalformedMessage(f"pu={data.pu}, u={data.u}", data.s)
        return data.pu


class BinanceCoinM(BinanceUsdM):
    """Binance COIN-M futures: the USD-M protocol; sizes in contracts."""

    id = "binance_coinm"
    facts = msgspec.structs.replace(
        BinanceUsdM.facts,
        markets="COIN-M futures",
        unverified=(
            *BinanceUsdM.facts.unverified,
            "streams per connection and message rate",
            "whether dstream moves to the routed layout",
        ),
        url="https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams/Connect",
    )
    WS_URL = "wss://dstream.binance.com"
    REST_URL = "https://dapi.binance.com"
    REST_BOOK = RestBook(path="/dapi/v1/depth", depth="limit", ending="/depth")
    LISTINGS = (Request(path="/dapi/v1/exchangeInfo", weight=20),)
    STREAM_PATH = "/stream"
