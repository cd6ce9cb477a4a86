# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
Coinbase Exchange, as its sheet describes it: ``venues/coinbase.md`` (11a).

``level2_batch``: a snapshot on subscribe, then deltas without any number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from booksync.testing.cut import Delta, Snapshot
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

__all__ = ["CoinbaseExchange"]


class CoinbaseExchange(JsonDialect):
    """``level2_batch``, confirmed as ``level2``; ``heartbeat`` once a second."""

    name = "coinbase_exchange"
    snapshots = True
    beat_every = 1.0
    messages = 20
    essential = ("product_id", "changes")
    PLACES: ClassVar[tuple[int | None, int | None]] = (8, 8)

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer with the list of all subscriptions; data follow it."""
        kind, symbols = message.get("type"), message.get("product_ids", [])
        channels = message.get("channels", [])
        unknown = [symbol for symbol in symbols if symbol not in self.exchange.markets]
        if unknown or kind not in {"subscribe", "unsubscribe"} or "level2" in channels:
            why = f"{unknown[0]} is not a valid product" if unknown else "bad request"
            wrong = {"message": "Failed to subscribe", "reason": why}
            yield Send(text({"type": "error", **wrong}))
            return
        for channel in channels:
            listed = session.memory.setdefault(channel, {})
            for symbol in symbols:
                if kind == "subscribe":
                    listed[symbol] = None
                else:
                    listed.pop(symbol, None)
        yield Send(text({"type": "subscriptions", "channels": self._all(session)}))
        for symbol in symbols if "level2_batch" in channels else ():
            if kind == "unsubscribe":
                yield Unsubscribe(symbol)
            elif symbol not in session.streams:
                yield Subscribe(Stream(symbol, symbol))

    def _all(self, session: Session) -> list[dict[str, Any]]:
        names = {"level2_batch": "level2"}
        return [
            {"name": names.get(channel, channel), "product_ids": list(listed)}
            for channel, listed in session.memory.items()
            if listed
        ]

    def unreadable(self, session: Session) -> Iterator[Action]:
        """``error``."""
        wrong = {"message": "Malformed JSON", "reason": "not an object"}
        yield Send(text({"type": "error", **wrong}))

    def beat(self, session: Session) -> Iterator[Action]:
        """``sequence`` is another channel's."""
        time = instant(self.exchange.now)
        for symbol in session.memory.get("heartbeat", ()):
            numbers = {"sequence": 90, "last_trade_id": 20}
            named = {"product_id": symbol, "time": time}
            yield Send(text({"type": "heartbeat", **numbers, **named}))

    def snapshot(
        self, session: Session, stream: Stream, snapshot: Snapshot, request: Any = None
    ) -> list[Frame]:
        """No number, no time."""
        bids, asks = (
            self.pairs(snapshot.market, levels, self.PLACES)
            for levels in (snapshot.bids, snapshot.asks)
        )
        head = {"type": "snapshot", "product_id": stream.symbol}
        return [text({**head, "asks": asks, "bids": bids})]

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """Absolute sizes with their side; zero deletes."""
        rows = [
            [side, *pair]
            for side, levels in (("buy", delta.bids), ("sell", delta.asks))
            for pair in self.pairs(delta.market, levels, self.PLACES)
        ]
        head = {"type": "l2update", "product_id": delta.market.symbol}
        return [text({**head, "changes": rows, "time": instant(delta.time)})]

    def rest(self, request: Request) -> Answer:
        """Understand ``/products``."""
        if request.path != "/products":
            return answer({"message": "NotFound"}, 404)
        return answer(
            [
                {
                    "id": market.symbol,
                    "quote_increment": market.prices.text(1),
                    "base_increment": market.sizes.text(1),
                    "status": "online",
                }
                for market in self.exchange.markets.values()
            ]
        )
