# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
Bitstamp, as its sheet describes it: ``venues/bitstamp.md`` (``diff_order_book``).

Deltas with a ``microtimestamp`` and no number; the snapshot is by REST. An unknown pair
is acknowledged and stays silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from booksync.testing.cut import Delta, Levels, Numbering, Snapshot
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
    Wanted,
)
from booksync.testing.dialects.json_stream import JsonDialect, answer, text
from booksync.testing.market import Market

__all__ = ["Bitstamp"]

_CHANNEL = "diff_order_book_"
_LONGEST = 512


class Bitstamp(JsonDialect):
    """``diff_order_book_<pair>`` and ``order_book/<pair>/``."""

    name = "bitstamp"
    numbering = Numbering.TIME
    weight = 1000
    essential = ("microtimestamp", "bids", "asks")
    PLACES: ClassVar[tuple[int | None, int | None]] = (None, 8)

    def receive(self, session: Session, frame: Frame) -> Iterator[Action]:
        """Close on a frame of 512 bytes."""
        if len(frame) >= _LONGEST:
            yield Close(1009, "message too big")
        else:
            yield from super().receive(session, frame)

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer one channel a frame."""
        event, data = message.get("event"), message.get("data") or {}
        if event == "bts:heartbeat":
            yield Send(_event(event, "", {"status": "success"}))
            return
        channel = str(data.get("channel", ""))
        symbol = channel.removeprefix(_CHANNEL)
        ours = channel.startswith(_CHANNEL) and symbol == symbol.lower()
        if event == "bts:subscribe" and ours:
            yield Send(_event("bts:subscription_succeeded", channel, {}))
            known = symbol in self.exchange.markets
            yield Subscribe(Stream(channel, symbol if known else None))
        elif event == "bts:unsubscribe" and ours:
            yield Unsubscribe(channel)
            yield Send(_event("bts:unsubscription_succeeded", channel, {}))
        else:
            yield from self.unreadable(session)

    def unreadable(self, session: Session) -> Iterator[Action]:
        """``bts:error``."""
        why = {"code": None, "message": "Invalid channel provided."}
        yield Send(_event("bts:error", "", why))

    def shutdown(self, session: Session) -> Iterator[Action]:
        """``bts:request_reconnect``."""
        yield Send(_event("bts:request_reconnect", "", None))

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """The symbol is in the channel only."""
        data = self._book(delta.market, delta.last, delta.bids, delta.asks)
        return [_event("data", stream.name, data)]

    def snapshot_body(self, snapshot: Snapshot, request: Request) -> bytes:
        """The whole book."""
        book = self._book(snapshot.market, snapshot.last, snapshot.bids, snapshot.asks)
        return text(book).encode()

    def _book(
        self, market: Market, time: int, bids: Levels, asks: Levels
    ) -> dict[str, Any]:
        return {
            "timestamp": str(time // 1_000_000),
            "microtimestamp": str(time),
            "bids": self.pairs(market, bids, self.PLACES),
            "asks": self.pairs(market, asks, self.PLACES),
        }

    def rest(self, request: Request) -> Answer | Wanted:
        """Understand ``order_book`` and ``trading-pairs-info``."""
        if request.path == "/api/v2/trading-pairs-info/":
            return answer([self._listed(m) for m in self.exchange.markets.values()])
        symbol = request.path.removeprefix("/api/v2/order_book/").rstrip("/")
        if symbol not in self.exchange.markets:
            return answer({"code": "404.001", "message": "not found"}, 404)
        return Wanted(symbol, None)

    def _listed(self, market: Market) -> dict[str, Any]:
        return {
            "url_symbol": market.symbol,
            "name": market.symbol.upper(),
            "counter_decimals": market.prices.places,
            "base_decimals": self.PLACES[1],
            "trading": "Enabled",
        }


def _event(event: str, channel: str, data: Any) -> str:
    return text({"data": data, "channel": channel, "event": event})
