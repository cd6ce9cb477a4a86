# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
Hyperliquid, as its sheet describes it: ``venues/hyperliquid.md`` (``l2Book``).

Every frame is a whole book of 20 levels a side (5 with ``fast``), with a time in
milliseconds. An unknown coin ends the connection without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from booksync.testing.cut import Levels, Snapshot
from booksync.testing.dialects.base import (
    Action,
    Answer,
    Close,
    Frame,
    Request,
    Send,
    Session,
    Stream,
    Subscribe,
    Unsubscribe,
)
from booksync.testing.dialects.json_stream import JsonDialect, answer, text
from booksync.testing.market import Market

__all__ = ["Hyperliquid"]


class Hyperliquid(JsonDialect):
    """``l2Book``, at each interval of the exchange in which the book changed."""

    name = "hyperliquid"
    snapshots = True
    whole = True
    base_path = path = "/ws"
    weight = 1200
    essential = ("coin", "time", "levels")
    level_keys = ("px", "sz")
    LEVELS: ClassVar[int] = 20
    FAST: ClassVar[int] = 5

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer, then send the book."""
        method, asked = message.get("method"), message.get("subscription") or {}
        if method == "ping":
            yield Send('{"channel":"pong"}')
            return
        coin, fast = asked.get("coin"), asked.get("fast") is True
        if asked.get("type") != "l2Book" or coin not in self.exchange.markets:
            yield Close(1000)
            return
        if method == "subscribe":
            extra = {"nSigFigs": None, "mantissa": None, "fast": fast}
            done = {"method": method, "subscription": {**asked, **extra}}
            yield Send(text({"channel": "subscriptionResponse", "data": done}))
            depth = self.FAST if fast else self.LEVELS
            yield Subscribe(Stream(coin, coin, 1, depth))
        elif method == "unsubscribe":
            done = {"method": method, "subscription": asked}
            yield Unsubscribe(coin)
            yield Send(text({"channel": "subscriptionResponse", "data": done}))

    def unreadable(self, session: Session) -> Iterator[Action]:
        """``error``."""
        yield Send(text({"channel": "error", "data": "Error parsing JSON"}))

    def snapshot(
        self, session: Session, stream: Stream, snapshot: Snapshot, request: Any = None
    ) -> list[Frame]:
        """A frame."""
        book = self._book(snapshot.market, snapshot.bids, snapshot.asks, snapshot.time)
        return [text({"channel": "l2Book", "data": book})]

    def _book(
        self, market: Market, bids: Levels, asks: Levels, time: float
    ) -> dict[str, Any]:
        sides = [
            [
                {"px": price, "sz": size, "n": 1}
                for price, size in self.pairs(market, levels, (None, None))
            ]
            for levels in (bids, asks)
        ]
        return {"coin": market.symbol, "time": int(time * 1000), "levels": sides}

    def rest(self, request: Request) -> Answer:
        """Understand ``meta`` and ``spotMeta``; all markets are perpetuals."""
        try:
            asked = msgspec.json.decode(request.body, type=dict[str, Any])
        except msgspec.DecodeError:
            asked = {}
        if request.path != "/info" or asked.get("type") not in {"meta", "spotMeta"}:
            return answer("Failed to deserialize the JSON body", 422)
        if asked["type"] == "spotMeta":
            return answer({"universe": [], "tokens": []}, weight=20)
        markets = self.exchange.markets.values()
        listed = [{"name": m.symbol, "szDecimals": m.sizes.places} for m in markets]
        return answer({"universe": listed}, weight=20)
