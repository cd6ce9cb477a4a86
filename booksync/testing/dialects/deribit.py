# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
Deribit, as its sheet describes it: ``venues/deribit.md`` (JSON-RPC, ``book.X.100ms``).

A snapshot on subscribe, then deltas that name their predecessor; levels say what was
done. A channel that is not there is missing from the answer. Who asked for heartbeats
must answer ``test_request``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

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
)
from booksync.testing.dialects.json_stream import JsonDialect, answer, text
from booksync.testing.market import Market

__all__ = ["Deribit"]

_BOOK = re.compile(r"book\.([^.]+)\.(100ms|agg2)")
_SPEEDS = {"100ms": 1, "agg2": 10}


class Deribit(JsonDialect):
    """``public/subscribe`` of books; ``public/set_heartbeat``."""

    name = "deribit"
    numbering = Numbering.ENGINE
    snapshots = True
    base_path = path = "/ws/api/v2"
    beat_every = 10.0
    essential = ("change_id", "prev_change_id", "bids", "asks", "data")

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer a call; an answered ``test_request`` is one, too."""
        method, params = message.get("method"), message.get("params") or {}
        channels = params.get("channels", [])
        if method == "public/set_heartbeat":
            session.memory["waiting"] = False
            yield _result(message, "ok")
        elif method == "public/test":
            session.memory["waiting"] = False
            yield _result(message, {"version": "1.2.26"})
        elif method == "public/subscribe":
            streams = [self._stream(channel) for channel in channels]
            found = [stream for stream in streams if stream is not None]
            yield _result(message, [stream.name for stream in reversed(found)])
            new = [stream for stream in found if stream.name not in session.streams]
            yield from (Subscribe(stream) for stream in new)
        elif method == "public/unsubscribe":
            known = [channel for channel in channels if channel in session.streams]
            yield from (Unsubscribe(channel) for channel in known)
            yield _result(message, known)
        else:
            wrong = {"code": -32601, "message": "Method not found"}
            id_ = {"id": message["id"]} if "id" in message else {}
            yield Send(text({"jsonrpc": "2.0", **id_, "error": wrong}))

    def unreadable(self, session: Session) -> Iterator[Action]:
        """An error without an id."""
        wrong = {"code": -32700, "message": "Parse error"}
        yield Send(text({"jsonrpc": "2.0", "error": wrong}))

    def _stream(self, channel: str) -> Stream | None:
        if channel == "platform_state":
            return Stream(channel, None)
        found = _BOOK.fullmatch(channel)
        if found is None or found[1] not in self.exchange.markets:
            return None
        return Stream(channel, found[1], _SPEEDS[found[2]])

    def beat(self, session: Session) -> Iterator[Action]:
        """``test_request``; close on who did not answer the one before."""
        waiting = session.memory.get("waiting")
        if waiting:
            yield Close(4000, "heartbeat close")
        elif waiting is not None:
            session.memory["waiting"] = True
            params = {"type": "test_request"}
            yield Send(_notice("heartbeat", params))

    def snapshot(
        self, session: Session, stream: Stream, snapshot: Snapshot, request: Any = None
    ) -> list[Frame]:
        """All levels are new."""
        market = snapshot.market
        bids, asks = (
            self._rows(market, levels, {}) for levels in (snapshot.bids, snapshot.asks)
        )
        numbers = {"change_id": snapshot.last}
        sides = {"bids": bids, "asks": asks}
        return [_push(stream, "snapshot", market, {**numbers, **sides}, snapshot.time)]

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """Each level is new, changed or deleted."""
        market = delta.market
        bids, asks = (
            self._rows(market, levels, dict(before))
            for levels, before in zip(
                (delta.bids, delta.asks),
                self.standing(market, delta.start),
                strict=True,
            )
        )
        numbers = {"change_id": delta.last, "prev_change_id": delta.prev}
        sides = {"bids": bids, "asks": asks}
        return [_push(stream, "change", market, {**numbers, **sides}, delta.time)]

    def _rows(
        self, market: Market, levels: Levels, before: dict[int, int]
    ) -> list[Any]:
        """``[action, price, amount]``."""
        return [
            (
                "delete" if not level[1] else "change" if level[0] in before else "new",
                *self.numbers(market, level),
            )
            for level in levels
        ]

    def rest(self, request: Request) -> Answer:
        """Understand ``get_instruments``."""
        if request.path != "/public/get_instruments":
            return answer({"error": {"code": -32601, "message": "not found"}}, 404)
        listed = [
            {
                "instrument_name": market.symbol,
                "tick_size": self.numbers(market, (1, 1))[0],
                "min_trade_amount": self.numbers(market, (1, 1))[1],
                "is_active": True,
            }
            for market in self.exchange.markets.values()
        ]
        return answer({"jsonrpc": "2.0", "result": listed})


def _result(message: dict[str, Any], result: Any) -> Send:
    return Send(text({"jsonrpc": "2.0", "id": message.get("id"), "result": result}))


def _notice(method: str, params: dict[str, Any]) -> str:
    return text({"jsonrpc": "2.0", "method": method, "params": params})


def _push(
    stream: Stream, kind: str, market: Market, rest: dict[str, Any], time: float
) -> str:
    head = {"type": kind, "timestamp": int(time * 1000)}
    data = {**head, "instrument_name": market.symbol, **rest}
    return _notice("subscription", {"channel": stream.name, "data": data})
