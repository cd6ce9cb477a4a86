# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
Bybit, as its sheet describes it: ``venues/bybit.md`` (v5, ``orderbook.{depth}``).

A snapshot on subscribe (before the acknowledgement), then deltas counted by ``u``; when
``u`` starts again, the stream sends another snapshot by itself. ``orderbook.full`` has
deltas only; its snapshot is by REST and as of ``seq``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from booksync.testing.cut import Delta, Levels, Numbering, Snapshot
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
from booksync.testing.dialects.json_stream import JsonDialect, answer, text
from booksync.testing.market import Market

__all__ = ["Bybit"]

_TOPIC = re.compile(r"orderbook\.(50|200|1000|full)\.([^.]+)")
_PATH = re.compile(r"/v5/public/(spot|linear|inverse)")
#: Topics in one request, on spot.
_ARGS = 10


class Bybit(JsonDialect):
    """Windows of 50, 200 or 1000 levels, and the full book."""

    name = "bybit"
    numbering = Numbering.DELTA
    empty = True
    snapshots = True
    weight = 7200
    essential = ("u", "seq", "b", "a", "s")

    def opens(self, session: Session) -> tuple[Action, ...] | None:
        """One market a connection."""
        return () if _PATH.fullmatch(session.path) else None

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer a request; one bad topic refuses it."""
        op, args = message.get("op"), message.get("args", [])
        if op == "ping":
            yield _said(message, session, said="pong")
            return
        streams = [self._stream(topic) for topic in args]
        bad = [t for t, stream in zip(args, streams, strict=True) if stream is None]
        if op not in {"subscribe", "unsubscribe"} or bad or len(args) > _ARGS:
            why = f"error:handler not found,topic:{','.join(bad)}"
            yield _said(message, session, said=why, success=False)
            return
        for stream in filter(None, streams):
            if op == "unsubscribe":
                yield Unsubscribe(stream.name)
            elif stream.name not in session.streams:
                yield Subscribe(stream)
        yield _said(message, session, said=op)

    def _stream(self, topic: str) -> Stream | None:
        found = _TOPIC.fullmatch(topic)
        if found is None or found[2] not in self.exchange.markets:
            return None
        return Stream(topic, found[2], 1, None if found[1] == "full" else int(found[1]))

    def snapshot(
        self, session: Session, stream: Stream, snapshot: Snapshot, request: Any = None
    ) -> list[Frame]:
        """The full channel has none."""
        session.memory[stream.name] = snapshot.last
        if stream.depth is None:
            return []
        numbers = snapshot.last, snapshot.sequence
        sides = snapshot.bids, snapshot.asks
        data = self._data(snapshot.market, sides, *numbers)
        return [_push(stream, "snapshot", data, snapshot.time)]

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """``u`` counts deltas, ``seq`` changes."""
        market, memory = delta.market, session.memory
        if stream.depth and delta.last < memory.get(stream.name, delta.last):
            sides = self.standing(market, delta.end, stream.depth)
            whole = Snapshot(market, delta.last, delta.end, *sides, delta.time)
            return self.snapshot(session, stream, whole)
        memory[stream.name] = delta.last
        data = self._data(market, (delta.bids, delta.asks), delta.last, delta.end)
        return [_push(stream, "delta", data, delta.time)]

    def _data(
        self, market: Market, sides: tuple[Levels, Levels], last: int, seq: int
    ) -> dict[str, Any]:
        bids, asks = (self.pairs(market, levels, (None, None)) for levels in sides)
        return {"s": market.symbol, "b": bids, "a": asks, "u": last, "seq": seq}

    def rest(self, request: Request) -> Answer | Wanted:
        """Understand ``full_orderbook`` and ``instruments-info``."""
        symbol = request.query.get("symbol", "")
        if request.path == "/v5/market/full_orderbook":
            if symbol in self.exchange.markets:
                return Wanted(symbol, 10_000)
            return _result({}, 10001, "params error: symbol invalid")
        if request.path != "/v5/market/instruments-info":
            return answer({}, 404)
        listed = [
            {
                "symbol": market.symbol,
                "status": "Trading",
                "priceFilter": {"tickSize": market.prices.text(1)},
                "lotSizeFilter": {"basePrecision": market.sizes.text(1)},
            }
            for market in self.exchange.markets.values()
        ]
        return _result({"category": request.query.get("category"), "list": listed})

    def snapshot_body(self, snapshot: Snapshot, request: Request) -> bytes:
        """The full book; ``cts`` stands inside."""
        numbers = snapshot.last, snapshot.sequence
        data = self._data(snapshot.market, (snapshot.bids, snapshot.asks), *numbers)
        time = int(snapshot.time * 1000)
        return _result({**data, "ts": time, "cts": time - 2}).body


def _push(stream: Stream, kind: str, data: dict[str, Any], time: float) -> str:
    at = int(time * 1000)
    head = {"topic": stream.name, "ts": at, "type": kind}
    return text({**head, "data": data, "cts": at - 2})


def _said(
    message: dict[str, Any], session: Session, *, said: str, success: bool = True
) -> Send:
    head = {"success": success, "ret_msg": said, "conn_id": str(session.id)}
    tail = {"req_id": message.get("req_id", ""), "op": message.get("op", "")}
    return Send(text({**head, **tail}))


def _result(result: dict[str, Any], code: int = 0, message: str = "OK") -> Answer:
    return answer({"retCode": code, "retMsg": message, "result": result, "time": 0})
