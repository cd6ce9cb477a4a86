# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
KuCoin spot, as its sheet describes it: ``venues/kucoin.md`` (the classic socket).

A token by REST before each connection, deltas with the range of numbers that they
cover, a snapshot of 100 or 20 levels by REST. A number that changed no level is sent as
a level of price 0.
"""

from __future__ import annotations

import re
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
    Wanted,
)
from booksync.testing.dialects.json_stream import JsonDialect, answer, changes, text
from booksync.testing.market import Market

__all__ = ["Kucoin"]

_TOPIC = "/market/level2:"
_TOKEN = "2neAiuYvAU61ZDXANAGAsiL4"  # noqa: S105 - every client gets this one
_BOOK = re.compile(r"/api/v1/market/orderbook/level2_(20|100)")


class Kucoin(JsonDialect):
    """``/market/level2:<symbols>``."""

    name = "kucoin"
    numbering = Numbering.SYMBOL
    weight = 4000
    essential = ("sequenceStart", "sequenceEnd", "changes", "symbol")

    def opens(self, session: Session) -> Iterator[Action] | None:
        """Without the token there is no connection."""
        if session.query.get("token") != _TOKEN or "connectId" not in session.query:
            return None
        welcome = {"id": session.query["connectId"], "type": "welcome"}
        return iter((Send(text(welcome)),))

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer by the request's id; symbols that are not there stay silent."""
        kind, id_ = message.get("type"), message.get("id")
        topic = str(message.get("topic", ""))
        if kind == "ping":
            yield Send(text({"id": id_, "type": "pong"}))
            return
        known = kind in {"subscribe", "unsubscribe"} and topic.startswith(_TOPIC)
        if not known:
            wrong = {"type": "error", "code": 404, "data": "topic does not exist"}
            yield Send(text({"id": id_, **wrong}))
            return
        if message.get("response"):
            yield Send(text({"id": id_, "type": "ack"}))
        for symbol in topic.removeprefix(_TOPIC).split(","):
            there = symbol if symbol in self.exchange.markets else None
            stream = Stream(_TOPIC + symbol, there)
            subscribe = kind == "subscribe"
            yield Subscribe(stream) if subscribe else Unsubscribe(stream.name)

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """Each level with the number of its own last change."""
        market = delta.market
        last = {(each.side, each.price): each for each in changes(delta)}
        bids, asks = (
            [
                [
                    *self.pairs(market, [(price, each.size)], (None, None))[0],
                    str(each.id),
                ]
                for (side_, price), each in last.items()
                if side_ == side and price in dict(levels)
            ]
            for side, levels in enumerate((delta.bids, delta.asks))
        )
        if not bids and not asks:
            asks = [["0", "0", str(delta.last)]]
        data = {
            "symbol": market.symbol,
            "sequenceStart": delta.first,
            "sequenceEnd": delta.last,
            "changes": {"asks": asks, "bids": bids},
            "time": int(delta.time * 1000),
        }
        head = {"type": "message", "topic": stream.name, "subject": "trade.l2update"}
        return [text({**head, "data": data})]

    def rest(self, request: Request) -> Answer | Wanted:
        """Understand ``bullet-public``, ``level2_…`` and ``symbols``."""
        if request.path == "/api/v1/bullet-public" and request.method == "POST":
            return _data({"token": _TOKEN, "instanceServers": [_SERVER]}, weight=10)
        if request.path == "/api/v2/symbols":
            return _data([self._listed(m) for m in self.exchange.markets.values()], 4)
        found = _BOOK.fullmatch(request.path)
        symbol = request.query.get("symbol", "")
        if found is None:
            return answer({"code": "404", "msg": "Not Found"}, 404)
        if symbol not in self.exchange.markets:
            return answer({"code": "900001", "msg": "symbol not exists"})
        return Wanted(symbol, int(found[1]), 4 if found[1] == "100" else 2)

    def _listed(self, market: Market) -> dict[str, Any]:
        return {
            "symbol": market.symbol,
            "priceIncrement": market.prices.text(1),
            "baseIncrement": market.sizes.text(1),
            "enableTrading": True,
        }

    def snapshot_body(self, snapshot: Snapshot, request: Request) -> bytes:
        """``sequence`` is text."""
        bids, asks = (
            self.pairs(snapshot.market, levels, (None, None))
            for levels in (snapshot.bids, snapshot.asks)
        )
        book = {"time": int(snapshot.time * 1000), "sequence": str(snapshot.last)}
        return _data({**book, "bids": bids, "asks": asks}).body


_SERVER = {
    "endpoint": "wss://ws-api-spot.kucoin.com/",
    "encrypt": True,
    "protocol": "websocket",
    "pingInterval": 18000,
    "pingTimeout": 10000,
}


def _data(data: Any, weight: int = 1) -> Answer:
    return answer({"code": "200000", "data": data}, weight=weight)
