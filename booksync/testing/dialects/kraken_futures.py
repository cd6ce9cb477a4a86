# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
Kraken Futures, as its sheet describes it: ``venues/kraken_futures.md`` (``book``).

One level a message, numbered by one for each product: here each single change of the
order flow is a message, and its number is the change's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from booksync.testing.cut import Delta, Numbering, Snapshot
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
from booksync.testing.dialects.json_stream import JsonDialect, answer, changes, text

__all__ = ["KrakenFutures"]


class KrakenFutures(JsonDialect):
    """The ``book`` feed, and ``heartbeat`` once a second."""

    name = "kraken_futures"
    numbering = Numbering.SYMBOL
    snapshots = True
    path = "/ws/v1"
    beat_every = 1.0
    messages = 100
    essential = ("seq", "side", "product_id")

    def welcome(self, session: Session) -> Iterator[Action]:
        """``info``."""
        yield Send(text({"event": "info", "version": 1}))

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer one product after another."""
        event, feed = message.get("event"), message.get("feed")
        if event not in {"subscribe", "unsubscribe"}:
            yield from self.unreadable(session)
            return
        if feed == "heartbeat":
            session.memory["beats"] = event == "subscribe"
            yield Send(text({"event": f"{event}d", "feed": feed}))
            return
        for asked in message.get("product_ids", ()) if feed == "book" else ():
            symbol = str(asked).upper()
            done = {"feed": "book", "product_ids": [symbol]}
            if symbol not in self.exchange.markets:
                why = {"message": "Invalid product id"}
                yield Send(text({"event": f"{event}d_failed", **done, **why}))
                continue
            yield Send(text({"event": f"{event}d", **done}))
            if event == "subscribe":
                yield Subscribe(Stream(symbol, symbol))
            else:
                yield Unsubscribe(symbol)

    def unreadable(self, session: Session) -> Iterator[Action]:
        """``error``."""
        yield Send(text({"event": "error", "message": "Invalid request"}))

    def beat(self, session: Session) -> Iterator[Action]:
        """The ``heartbeat`` feed."""
        if session.memory.get("beats"):
            time = int(self.exchange.now * 1000)
            yield Send(text({"feed": "heartbeat", "time": time}))

    def snapshot(
        self, session: Session, stream: Stream, snapshot: Snapshot, request: Any = None
    ) -> list[Frame]:
        """The whole book."""
        return [
            text(
                {
                    "feed": "book_snapshot",
                    "product_id": stream.symbol,
                    "timestamp": int(snapshot.time * 1000),
                    "seq": snapshot.last,
                    "tickSize": None,
                    "bids": self.objects(snapshot.market, snapshot.bids),
                    "asks": self.objects(snapshot.market, snapshot.asks),
                }
            )
        ]

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """One message a change."""
        market, time = delta.market, int(delta.time * 1000)
        return [
            text(
                {
                    "feed": "book",
                    "product_id": market.symbol,
                    "side": ("buy", "sell")[change.side],
                    "seq": change.id,
                    **self.objects(market, [(change.price, change.size)])[0],
                    "timestamp": time,
                }
            )
            for change in changes(delta)
        ]

    def rest(self, request: Request) -> Answer:
        """Understand ``instruments``."""
        if request.path != "/derivatives/api/v3/instruments":
            return Answer(b"{}", 404)
        listed = [
            {
                "symbol": market.symbol.lower(),
                "tickSize": self.numbers(market, (1, 1))[0],
                "contractSize": 1,
                "contractValueTradePrecision": market.sizes.places,
                "tradeable": True,
            }
            for market in self.exchange.markets.values()
        ]
        return answer({"result": "success", "instruments": listed})
