# ruff: noqa: ANN401, ARG002 - the base class says what a dialect is given
"""
HTX, as its sheet describes it: ``venues/htx.md`` (``mbp`` on ``/feed``).

Deltas name their predecessor; the snapshot is asked for on the same socket, and stands
exactly at the end of a delta. Server frames are gzip; the server pings in JSON, and
leaves who does not answer.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from typing import Any

from booksync.testing.cut import Delta, Levels, Numbering, Placement, Snapshot
from booksync.testing.dialects.base import (
    Action,
    Answer,
    Ask,
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
from booksync.testing.exchange import Exchange
from booksync.testing.market import Market

__all__ = ["Htx"]

_TOPIC = re.compile(r"market\.([a-z0-9]+)\.mbp\.(5|20|150|400)")
_PINGS = 2


class Htx(JsonDialect):
    """``market.<symbol>.mbp.<levels>``; ``req`` answers all levels but 400."""

    name = "htx"
    numbering = Numbering.ENGINE
    path = "/feed"
    beat_every = 5.0
    essential = ("seqNum", "prevSeqNum", "tick")

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        # "Find the delta whose prevSeqNum equals the snapshot's seqNum": there is one.
        exchange.placement = Placement.BOUNDARY

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer ``sub``, ``unsub``, ``req`` and ``pong``."""
        if "pong" in message:
            session.memory["pings"] = 0
            return
        words = [word for word in ("sub", "unsub", "req") if word in message]
        word = words[0] if words else "sub"
        topic, id_ = str(message.get(word, "")), message.get("id")
        found = _TOPIC.fullmatch(topic)
        if found is None or found[1] not in self.exchange.markets:
            yield self._refused(f"invalid topic {topic}", id_)
            return
        stream = Stream(topic, found[1], 1, int(found[2]))
        if word == "req" and stream.depth != 400:  # noqa: PLR2004 - "not 400"
            yield Ask(stream, id_ or "")
        elif word == "req":
            yield self._refused(f"invalid req {topic}", id_)
        else:
            done = {"id": id_, "status": "ok", f"{word}bed": topic}
            yield Send(text({**done, "ts": int(self.exchange.now * 1000)}))
            yield Subscribe(stream) if word == "sub" else Unsubscribe(topic)

    def unreadable(self, session: Session) -> Iterator[Action]:
        """``bad-request``."""
        yield self._refused("invalid json", None)

    def _refused(self, why: str, id_: Any) -> Send:
        error = {"status": "error", "err-code": "bad-request", "err-msg": why}
        return Send(text({**error, "id": id_, "ts": int(self.exchange.now * 1000)}))

    def beat(self, session: Session) -> Iterator[Action]:
        """Ping; close when two pings were not answered."""
        if session.memory.get("pings", 0) >= _PINGS:
            yield Close(1003, "ping check expired")
            return
        session.memory["pings"] = session.memory.get("pings", 0) + 1
        yield Send(text({"ping": int(self.exchange.now * 1000)}))

    def snapshot(
        self, session: Session, stream: Stream, snapshot: Snapshot, request: Any = None
    ) -> list[Frame]:
        """Answer to a ``req``."""
        time = int(snapshot.time * 1000)
        market = snapshot.market
        bids, asks = (self._rows(market, x) for x in (snapshot.bids, snapshot.asks))
        data = {"seqNum": snapshot.last, "bids": bids, "asks": asks}
        head = {"id": request, "rep": stream.name, "status": "ok", "ts": time}
        return [text({**head, "data": data})]

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """A side without changes is a blank object."""
        bids, asks = (self._rows(delta.market, x) for x in (delta.bids, delta.asks))
        numbers = {"seqNum": delta.last, "prevSeqNum": delta.prev}
        tick: dict[str, Any] = {**numbers, "bids": bids or {}, "asks": asks or {}}
        head = {"ch": stream.name, "ts": int(delta.time * 1000)}
        return [text({**head, "tick": tick})]

    def _rows(self, market: Market, levels: Levels) -> list[Any]:
        return [self.numbers(market, level) for level in levels]

    def seal(self, session: Session, frame: Frame) -> Frame:
        """Compress."""
        return gzip.compress(frame.encode() if isinstance(frame, str) else frame, 1)

    def unseal(self, frame: Frame) -> str:
        """Decompress."""
        assert isinstance(frame, bytes)
        return zlib.decompress(frame, 47).decode()

    def reseal(self, text: str, like: Frame) -> Frame:
        """Compress again."""
        return gzip.compress(text.encode())

    def rest(self, request: Request) -> Answer:
        """Understand ``market-symbols``."""
        if request.path != "/v1/settings/common/market-symbols":
            return answer({"status": "error"}, 404)
        listed = [
            {
                "symbol": market.symbol,
                "state": "online",
                "pp": market.prices.places,
                "ap": market.sizes.places,
            }
            for market in self.exchange.markets.values()
        ]
        return answer({"status": "ok", "data": listed})
