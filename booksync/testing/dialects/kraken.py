# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
Kraken spot, as its sheet describes it: ``venues/kraken_spot.md`` (``book``, v2).

No number; a checksum of the best 10 levels on each message. Nothing tells that a level
was pushed out of the subscribed depth. Numbers are JSON numbers at full precision.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, ClassVar

from booksync.testing.cut import Delta, Levels, Snapshot
from booksync.testing.dialects.base import (
    Action,
    Answer,
    Frame,
    Request,
    Send,
    Session,
    Stream,
    Subscribe,
    Unsubscribe,
)
from booksync.testing.dialects.json_stream import JsonDialect, answer, instant, text
from booksync.testing.market import Market

__all__ = ["Kraken"]


class Kraken(JsonDialect):
    """``book`` at depth 10 to 1000; ``heartbeat`` once a second."""

    name = "kraken"
    snapshots = True
    leaving = False
    path = "/v2"
    beat_every = 1.0
    essential = ("symbol", "checksum", "bids", "asks")
    DEPTHS: ClassVar[frozenset[int]] = frozenset({10, 25, 100, 500, 1000})
    CHECKED: ClassVar[int] = 10
    LOT: ClassVar[int] = 8

    def welcome(self, session: Session) -> Iterator[Action]:
        """``status``: online."""
        yield self._status("online", session)

    def shutdown(self, session: Session) -> Iterator[Action]:
        """``status``: maintenance."""
        yield self._status("maintenance", session)

    def _status(self, system: str, session: Session) -> Send:
        data = {"version": "2.0.10", "system": system, "api_version": "v2"}
        head = {"channel": "status", "type": "update"}
        return Send(text({**head, "data": [{**data, "connection_id": session.id}]}))

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer one symbol after another; ``ping`` too."""
        method, params = message.get("method"), message.get("params") or {}
        now = instant(self.exchange.now)
        tail = {"time_in": now, "time_out": now, "req_id": message.get("req_id")}
        if method == "ping":
            yield Send(text({"method": "pong", **tail}))
            return
        depth, symbols = params.get("depth", 10), params.get("symbol", [])
        known = method in {"subscribe", "unsubscribe"} and depth in self.DEPTHS
        for symbol in symbols if known and params.get("channel") == "book" else [""]:
            if symbol not in self.exchange.markets:
                why = f"Currency pair not supported {symbol}"
                wrong = {"error": why, "success": False, "symbol": symbol}
                yield Send(text({"method": method, **wrong, **tail}))
                continue
            result = {"channel": "book", "depth": depth, "symbol": symbol}
            done = {"method": method, "result": result, "success": True}
            yield Send(text({**done, **tail}))
            if method == "subscribe":
                yield Subscribe(Stream(symbol, symbol, 1, depth))
            else:
                yield Unsubscribe(symbol)

    def beat(self, session: Session) -> Iterator[Action]:
        """``heartbeat``, once something is subscribed."""
        if session.streams:
            yield Send('{"channel":"heartbeat"}')

    def snapshot(
        self, session: Session, stream: Stream, snapshot: Snapshot, request: Any = None
    ) -> list[Frame]:
        """The best levels."""
        sides = snapshot.bids, snapshot.asks
        checksum = self._checksum(snapshot.market, sides)
        return [self._book("snapshot", snapshot.market, sides, checksum, snapshot.time)]

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """What changed in the window, if anything did."""
        market, sides = delta.market, (delta.bids, delta.asks)
        if not any(sides):
            return []
        checksum = self._checksum(
            market, self.standing(market, delta.end, stream.depth)
        )
        return [self._book("update", market, sides, checksum, delta.time)]

    def _book(
        self,
        kind: str,
        market: Market,
        sides: tuple[Levels, Levels],
        checksum: int,
        time: float,
    ) -> str:
        bids, asks = (self.objects(market, levels, self.LOT) for levels in sides)
        book = {"symbol": market.symbol, "bids": bids, "asks": asks}
        data = [{**book, "checksum": checksum, "timestamp": instant(time)}]
        return text({"channel": "book", "type": kind, "data": data})

    def _checksum(self, market: Market, sides: tuple[Levels, Levels]) -> int:
        """Asks first; digits without the point and without leading zeros."""
        digits = [
            each.replace(".", "").lstrip("0")
            for levels in reversed(sides)
            for pair in self.pairs(market, levels[: self.CHECKED], (None, self.LOT))
            for each in pair
        ]
        return zlib.crc32("".join(digits).encode())

    def rest(self, request: Request) -> Answer:
        """Understand ``AssetPairs``; REST calls bitcoin XBT."""
        if request.path != "/0/public/AssetPairs":
            return answer({"error": ["EGeneral:Unknown method"]}, 404)
        pairs = {
            f"X{market.symbol.replace('/', 'Z')}": {
                "wsname": market.symbol.replace("BTC", "XBT"),
                "pair_decimals": market.prices.places,
                "lot_decimals": self.LOT,
                "tick_size": market.prices.text(1),
                "status": "online",
            }
            for market in self.exchange.markets.values()
        }
        return answer({"error": [], "result": pairs})
