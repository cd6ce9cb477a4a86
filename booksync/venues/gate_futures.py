"""
Gate futures: the spot protocol on other URLs; ``order_book_update`` sends objects.

Facts: gate.com/docs/developers/apiv4/futures/ws/en (stored copies of 2025-06 to
2026-05, read 2026-11) and recorded ``order_book_update`` frames of 2023.

Levels of ``order_book_update`` and of REST are ``{"p":"0.2983","s":0}``, those of
``obu`` pairs as on spot. Sizes are contracts. Where a contract trades in fractions,
sizes come rounded down unless the header ``X-Gate-Size-Decimal: 1`` is sent, on the
socket's handshake and on requests: so it always is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct

from booksync.messages import Levels
from booksync.venues.declared import RestBook
from booksync.venues.facts import Instrument, Request
from booksync.venues.gate import Book, Gate, Push

__all__ = ["GateFutures"]

N = TypeVar("N")
S = TypeVar("S")


class Entry(Struct, Generic[N, S], gc=False):
    """``{"p":"0.2983","s":0}``."""

    p: N
    s: S


class Contract(Struct):
    """``{"name":"BTC_USDT","order_price_round":"0.1","quanto_multiplier":…}``."""

    name: str
    order_price_round: Decimal
    quanto_multiplier: Decimal = Decimal(0)
    enable_decimal: bool = False
    in_delisting: bool = False
    status: str = "trading"


class GateFutures(Gate):
    """Gate perpetual futures, one settle currency a connection (option ``settle``)."""

    id = "gate_futures"
    facts = msgspec.structs.replace(
        Gate.facts,
        markets="perpetual futures",
        verified="order_book_update: joins, continuity, final books, best prices: 2023",
        unverified=(
            *Gate.facts.unverified,
            "how fractional sizes are spelled with X-Gate-Size-Decimal",
        ),
        url="https://www.gate.com/docs/developers/apiv4/futures/ws/en/",
    )
    WS_URL = "wss://fx-ws.gateio.ws/v4/ws"
    STREAM_PATH = "/{settle}"
    WS_HEADERS: ClassVar[Mapping[str, str]] = {"X-Gate-Size-Decimal": "1"}
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **Gate.OPTIONS,
        "settle": ("usdt", "btc", "usd1"),
    }
    MARKET = "futures"
    REST_BOOK = RestBook(
        path="/order_book",
        symbol="contract",
        depth="limit",
        params={"with_id": "true", "interval": "0"},
    )
    LISTING = list[Contract]
    LEVELS: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "order_book_update": (20, 50, 100),
        "obu": (50, 400),
    }
    TIME_UNIT = 1.0

    def setup(self) -> None:
        """Sizes are JSON numbers, or text: decoded as numbers either way."""
        super().setup()
        self._api = f"/api/v4/futures/{self.options['settle']}"
        entry = Entry[self.text, self.number]  # type: ignore[name-defined]
        if not self._obu:
            self._push = self.decoder(Push, entry)
            self._book = self.decoder(Book, entry)

    def levels(self, levels: list[Any]) -> Levels:
        """They are objects, but for ``obu``."""
        return levels if self._obu else [(level.p, level.s) for level in levels]

    def payload(self, symbols: Sequence[str]) -> list[str]:
        """``["BTC_USDT","100ms","100"]``; ``obu`` as on spot."""
        payload = super().payload(symbols)
        return payload if self._obu else [*payload, str(self.depth)]

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /futures/usdt/order_book?contract=BTC_USDT&…``."""
        asked = super().snapshot_request(symbol)
        path, headers = self._api + asked.path, self.WS_HEADERS
        return msgspec.structs.replace(asked, path=path, headers=headers)

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /futures/usdt/contracts``."""
        return (Request(path=f"{self._api}/contracts"),)

    def listed(self, answer: list[Any]) -> Iterable[Instrument]:
        """``order_price_round``; a size step of one contract, unless fractional."""
        for contract in answer:
            yield Instrument(
                symbol=contract.name,
                price_step=contract.order_price_round,
                size_step=None if contract.enable_decimal else Decimal(1),
                active=contract.status == "trading" and not contract.in_delisting,
                extra={"multiplier": contract.quanto_multiplier},
            )
