"""
KuCoin futures: as spot, but classic frames hold one change and sizes are lots.

Facts: kucoin.com/docs-new/3470082w0 (futures increment), /3470221w0 (UTA ``obu``; both
read 2026-11), a third party's probe of the UTA socket (2026-09-22: no gap in 8,650
deltas); no recorded frames were at hand.

Classic: the symbol stands in the topic only, ``"change": "5000.0,sell,83"`` is one
level, and its ``sequence`` counts up by one: it carries ``(sequence - 1, sequence]``.
The snapshot is the whole book and public.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message
from booksync.venues.base import Count
from booksync.venues.declared import Requests
from booksync.venues.facts import Assurance, Instrument, Lists, Request
from booksync.venues.kucoin import Answer, Kucoin, is_marker

__all__ = ["KucoinFutures"]


class Change(Struct, gc=False):
    """``{"sequence":18,"change":"5000.0,sell,83","timestamp":1551770400000}``."""

    sequence: Count
    change: str
    timestamp: Count = 0


class Push(Struct, gc=False):
    """``{"topic":"/contractMarket/level2:XBTUSDTM","type":"message","data":{…}}``."""

    topic: str
    data: Change


class Contract(Struct, rename="camel"):
    """``{"symbol":"XBTUSDTM","tickSize":0.1,"lotSize":1,"multiplier":0.001,…}``."""

    symbol: str
    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    multiplier: Decimal | None = None
    status: str = "Open"


class KucoinFutures(Kucoin):
    """KuCoin futures; sizes in lots of ``multiplier`` (-1: one USD a lot)."""

    id = "kucoin_futures"
    facts = msgspec.structs.replace(
        Kucoin.facts,
        markets="futures",
        assurance=Assurance.COUNTED,
        lists=Lists.TOUCHED,
        verified="",
        unverified=(
            "every frame (no recording)",
            "option socket=uta: whether unsubscribe and subscribe bring a snapshot",
            "REST weights and their budget",
        ),
        url="https://www.kucoin.com/docs-new/3470082w0",
    )
    # Whether one frame may name several futures is not said.
    limits = msgspec.structs.replace(Kucoin.limits, symbols_per_frame=1)
    WS_URL = "wss://ws-api-futures.kucoin.com"
    REST_URL = "https://api-futures.kucoin.com"
    default_depth = None  # the whole book
    PUSH, LISTING = Push, Answer[list[Contract]]
    JSON_NUMBERS = True  # of the snapshot
    LISTINGS = (Request(path="/api/v1/contracts/active", weight=5),)
    UTA_URL = "wss://x-push-futures.kucoin.com"
    TOPIC = "/contractMarket/level2:"
    TRADE_TYPE = "FUTURES"

    def setup(self) -> None:
        """A UTA delta covers a range, and nobody says what it lists."""
        super().setup()
        if self._uta:
            self.amend(assurance=Assurance.RANGED, lists=Lists.UNKNOWN)

    def read_push(self, push: Any, session: Requests) -> Sequence[Message]:
        """``"price,side,size"``."""
        if self._uta:
            return super().read_push(push, session)
        sequence, topic = push.data.sequence, push.topic
        symbol = topic.removeprefix(self.TOPIC)
        if symbol == topic:
            return ()
        parts = push.data.change.split(",")
        if len(parts) != 3 or parts[1] not in {"buy", "sell"}:  # noqa: PLR2004
            raise MalformedMessage(f"change {push.data.change!r}", symbol)
        if not sequence:
            raise MalformedMessage(f"sequence={sequence}", symbol)
        price, side, size = parts
        try:
            level = (self.text(price), self.text(size))
        except ValueError as error:
            raise MalformedMessage(f"change: {error}", symbol) from None
        levels: list[Any] = [] if is_marker(price) else [level]
        bids, asks = (levels, []) if side == "buy" else ([], levels)
        time = push.data.timestamp / 1000 or None
        return (Delta(symbol, sequence - 1, sequence, bids, asks, time),)

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /api/v1/level2/snapshot?symbol=XBTUSDTM``, or ``depth20``, …."""
        part = f"depth{self.depth}" if self.depth else "snapshot"
        path = f"/api/v1/level2/{part}"
        return Request(path=path, params={"symbol": symbol}, weight=5)

    def listed(self, answer: Answer[Any]) -> Iterable[Instrument]:
        """``tickSize`` and ``lotSize``; ``multiplier`` in ``extra``."""
        for contract in answer.data:
            yield Instrument(
                symbol=contract.symbol,
                price_step=contract.tick_size,
                size_step=contract.lot_size,
                active=contract.status == "Open",
                extra={"multiplier": contract.multiplier},
            )
