# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
OKX, as its sheet describes it: ``venues/okx.md`` (API v5, ``books``).

A snapshot on subscribe, then deltas that name their predecessor. Numbers are shared
and jump. After a reset the chain goes on: ``prevSeqId`` is the last number sent,
``seqId`` a lower one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

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
)
from booksync.testing.dialects.json_stream import JsonDialect, answer, text
from booksync.testing.market import Market

__all__ = ["Okx"]


class Okx(JsonDialect):
    """``books``: 400 levels; a sign of life each minute."""

    name = "okx"
    numbering = Numbering.ENGINE
    snapshots = True
    base_path = path = "/ws/v5/public"
    beat_every = 60.0
    essential = ("seqId", "prevSeqId", "bids", "asks", "data")
    LEVELS: ClassVar[int] = 400

    def receive(self, session: Session, frame: Frame) -> Iterator[Action]:
        """Answer the text ``ping`` too."""
        if frame == "ping":
            yield Send("pong")
        else:
            yield from super().receive(session, frame)

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer each of ``args``; one that is not there with an error."""
        op, tail = message.get("op"), {"connId": f"{session.id:08x}"}
        head = {"id": message["id"]} if "id" in message else {}
        if op not in {"subscribe", "unsubscribe"}:
            wrong = {"event": "error", "code": "60012", "msg": "Invalid request"}
            yield Send(text(head | wrong | tail))
            return
        for arg in message.get("args", ()):
            symbol = arg.get("instId")
            if arg.get("channel") != "books" or symbol not in self.exchange.markets:
                why = f"Wrong URL or channel:books,instId:{symbol} doesn't exist."
                wrong = {"event": "error", "code": "60018", "msg": why}
                yield Send(text(head | wrong | tail))
                continue
            yield Send(text({**head, "event": op, "arg": arg, **tail}))
            if op == "subscribe":
                yield Subscribe(Stream(symbol, symbol, 1, self.LEVELS))
            else:
                yield Unsubscribe(symbol)

    def unreadable(self, session: Session) -> Iterator[Action]:
        """``60012``."""
        yield from self.request(session, {})

    def snapshot(
        self, session: Session, stream: Stream, snapshot: Snapshot, request: Any = None
    ) -> list[Frame]:
        """``prevSeqId`` is -1."""
        session.memory[stream.name] = snapshot.last
        sides = snapshot.bids, snapshot.asks
        book = self._book(snapshot.market, sides, snapshot.time)
        return [_push(stream, "snapshot", book, -1, snapshot.last)]

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """``prevSeqId`` is the ``seqId`` sent before."""
        prev = session.memory.get(stream.name, delta.prev)
        session.memory[stream.name] = delta.last
        book = self._book(delta.market, (delta.bids, delta.asks), delta.time)
        return [_push(stream, "update", book, prev, delta.last)]

    def _book(
        self, market: Market, sides: tuple[Levels, Levels], time: float
    ) -> dict[str, Any]:
        """``[price, size, "0", orders]``."""
        bids, asks = (
            [
                [*pair, "0", str(min(size, 1))]
                for pair, (_, size) in zip(
                    self.pairs(market, levels, (None, None)), levels, strict=True
                )
            ]
            for levels in sides
        )
        return {"asks": asks, "bids": bids, "ts": str(int(time * 1000)), "checksum": 0}

    def beat(self, session: Session) -> Iterator[Action]:
        """Repeat the last number, without levels."""
        for name, stream in session.streams.items():
            last, time = session.memory[name], str(int(self.exchange.now * 1000))
            book = {"asks": [], "bids": [], "ts": time, "checksum": 0}
            yield Send(_push(stream, "update", book, last, last))

    def shutdown(self, session: Session) -> Iterable[Action]:
        """About a minute before the connection is closed."""
        why = "The connection will soon be closed for a service upgrade."
        yield Send(text({"event": "notice", "code": "64008", "msg": why}))

    def rest(self, request: Request) -> Answer:
        """Understand ``public/instruments``; all markets are spot."""
        if request.path != "/api/v5/public/instruments":
            return Answer(b"{}", 404)
        spot = request.query.get("instType") == "SPOT"
        markets = self.exchange.markets.values() if spot else ()
        listed = [
            {
                "instType": "SPOT",
                "instId": market.symbol,
                "tickSz": market.prices.text(1),
                "lotSz": market.sizes.text(1),
                "state": "live",
            }
            for market in markets
        ]
        return answer({"code": "0", "msg": "", "data": listed})


def _push(
    stream: Stream, action: str, book: dict[str, Any], prev: int, last: int
) -> str:
    arg = {"channel": "books", "instId": stream.symbol}
    data = [{**book, "prevSeqId": prev, "seqId": last}]
    return text({"arg": arg, "action": action, "data": data})
