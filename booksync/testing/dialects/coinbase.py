# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
Coinbase Advanced Trade, as its sheet describes it: ``venues/coinbase.md`` (11b).

``level2``: ``sequence_num`` counts every frame of a connection, from 0. An
acknowledgement comes after the snapshots that it is about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

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

__all__ = ["Coinbase"]


class Coinbase(JsonDialect):
    """``level2``, sent as ``l2_data``; ``heartbeats`` once a second."""

    name = "coinbase"
    snapshots = True
    beat_every = 1.0
    messages = 8
    essential = ("sequence_num", "events", "updates", "side", "product_id")
    level_keys = ("price_level", "new_quantity")

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Send snapshots, then the list of all subscriptions."""
        kind, channel = message.get("type"), message.get("channel")
        symbols = message.get("product_ids", [])
        known = all(symbol in self.exchange.markets for symbol in symbols)
        ours = channel in {"level2", "heartbeats"} and known
        if not ours or kind not in {"subscribe", "unsubscribe"}:
            yield from self.unreadable(session)
            return
        if channel == "heartbeats":
            session.memory["beats"] = 0
        for symbol in symbols:
            if kind == "unsubscribe":
                yield Unsubscribe(symbol)
            elif symbol not in session.streams:
                yield Subscribe(Stream(symbol, symbol))
        listed = {"level2": list(session.streams)} if session.streams else {}
        beats = {"heartbeats": ["heartbeats"]} if "beats" in session.memory else {}
        yield self._said("subscriptions", {"subscriptions": {**listed, **beats}})

    def unreadable(self, session: Session) -> Iterator[Action]:
        """It names nobody."""
        yield Send(text({"type": "error", "message": "invalid request"}))

    def beat(self, session: Session) -> Iterator[Action]:
        """``heartbeats``."""
        if "beats" in session.memory:
            session.memory["beats"] += 1
            count = {"heartbeat_counter": session.memory["beats"]}
            yield self._said("heartbeats", {**count, "current_time": "now"})

    def _said(self, channel: str, event: dict[str, Any]) -> Send:
        return Send(_frame(channel, [event], self.exchange.now))

    def seal(self, session: Session, frame: Frame) -> Frame:
        """Number every frame but an error."""
        message = json.loads(frame)
        if "channel" in message:
            message["sequence_num"] = session.memory.get("frames", 0)
            session.memory["frames"] = message["sequence_num"] + 1
        return text(message)

    def snapshot(
        self, session: Session, stream: Stream, snapshot: Snapshot, request: Any = None
    ) -> list[Frame]:
        """The whole book."""
        sides = snapshot.bids, snapshot.asks
        event = self._event("snapshot", snapshot.market, sides, snapshot.time)
        return [_frame("l2_data", [event], snapshot.time)]

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """Changed levels."""
        sides = delta.bids, delta.asks
        event = self._event("update", delta.market, sides, delta.time)
        return [_frame("l2_data", [event], delta.time)]

    def _event(
        self, kind: str, market: Market, sides: tuple[Levels, Levels], time: float
    ) -> dict[str, Any]:
        at = instant(time)
        updates = [
            {"side": side, "event_time": at, "price_level": price, "new_quantity": size}
            for side, levels in zip(("bid", "offer"), sides, strict=True)
            for price, size in self.pairs(market, levels, (None, None))
        ]
        return {"type": kind, "product_id": market.symbol, "updates": updates}

    def rest(self, request: Request) -> Answer:
        """Understand ``market/products``."""
        if request.path != "/api/v3/brokerage/market/products":
            return answer({"error": "NOT_FOUND"}, 404)
        products = [
            {
                "product_id": market.symbol,
                "price_increment": market.prices.text(1),
                "base_increment": market.sizes.text(1),
                "status": "online",
            }
            for market in self.exchange.markets.values()
        ]
        return answer({"products": products, "num_products": len(products)})


def _frame(channel: str, events: list[dict[str, Any]], time: float) -> str:
    head = {"channel": channel, "client_id": "", "timestamp": instant(time)}
    return text({**head, "sequence_num": 0, "events": events})
