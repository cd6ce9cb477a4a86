# ruff: noqa: ARG002 - the base class says what a dialect is given
"""
MEXC spot, as its sheet describes it: ``venues/mexc.md`` (``aggre.depth``, protobuf).

Binary deltas, each with the range of versions that it covers; the snapshot is by REST.
The encoder is written out: wire types 0 (varint) and 2 (length-delimited) are enough.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
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
    Wanted,
)
from booksync.testing.dialects.json_stream import JsonDialect, answer, text
from booksync.testing.faults import Fault
from booksync.testing.market import Market

__all__ = ["Mexc", "field", "varint"]

_CHANNEL = re.compile(r"spot@public\.aggre\.depth\.v3\.api\.pb@10{1,2}ms@(\w+)")
#: The versions at the end of a delta: fields 4 and 5, both text.
_VERSIONS = re.compile(rb"\x22(?=.\d+\x2a)", re.DOTALL)
#: A price or a size: field 1 or 2, text that begins with a digit.
_NUMBER = re.compile(rb"[\x0a\x12].(\d[\d.]*)", re.DOTALL)


def varint(number: int) -> bytes:
    """Write seven bits a byte, the lowest first."""
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def field(key: int, value: int | str | bytes) -> bytes:
    """Write one field."""
    if isinstance(value, int):
        return varint(key << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(key << 3 | 2) + varint(len(data)) + data


class Mexc(JsonDialect):
    """``spot@public.aggre.depth.v3.api.pb@100ms@<symbol>``."""

    name = "mexc"
    numbering = Numbering.SYMBOL
    path = "/ws"
    messages = 100
    weight = 1800
    STREAMS: ClassVar[int] = 30
    LIMIT: ClassVar[int] = 5000

    def request(self, session: Session, message: dict[str, Any]) -> Iterator[Action]:
        """Answer one channel after another, by its name."""
        method = message.get("method")
        if method == "PING":
            yield _said("PONG")
            return
        for channel in message.get("params", ()):
            found = _CHANNEL.fullmatch(channel)
            known = found is not None and found[1] in self.exchange.markets
            if method == "UNSUBSCRIPTION" and channel in session.streams:
                yield Unsubscribe(channel)
                yield _said(channel)
            elif method == "SUBSCRIPTION" and found is not None and known:
                yield _said(channel)
                yield Subscribe(Stream(channel, found[1]))
            else:
                yield _said(f"Not Subscribed successfully! [{channel}]. Blocked!")

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """Write a ``PushDataV3ApiWrapper``; versions are decimal text."""
        market, time = delta.market, int(delta.time * 1000)
        depths = b"".join(
            field(key, field(1, price) + field(2, size))
            for key, levels in ((1, delta.asks), (2, delta.bids))
            for price, size in self.pairs(market, levels, (None, None))
        )
        depths += field(3, "spot@public.aggre.depth.v3.api.pb@100ms")
        depths += field(4, str(delta.first)) + field(5, str(delta.last))
        head = field(1, stream.name) + field(3, market.symbol)
        return [head + field(5, time) + field(6, time) + field(313, depths)]

    def malform(self, frame: Frame, kind: Fault, rng: random.Random) -> Frame:
        """Break fields in place, so that no length is wrong."""
        assert isinstance(frame, bytes)
        start = frame.rfind(b"spot@public")  # after the levels
        numbers = list(_NUMBER.finditer(frame, frame.find(b"\xca\x13") + 2, start))
        if kind is Fault.MALFORMED_MISSING:  # another key: nobody knows field 7
            return frame[:start] + _VERSIONS.sub(b"\x3a", frame[start:])
        if kind is Fault.MALFORMED_TYPE:  # a varint
            return frame[:start] + _VERSIONS.sub(b"\x20", frame[start:])
        if kind is Fault.MALFORMED_JSON or not numbers:
            return frame[: len(frame) // 2]
        at, end = rng.choice(numbers).span(1)
        wrong = b"NaN" if kind is Fault.MALFORMED_NAN else b"-"
        return frame[:at] + (wrong + frame[at + len(wrong) :])[: end - at] + frame[end:]

    def rest(self, request: Request) -> Answer | Wanted:
        """Understand ``depth`` and ``exchangeInfo``."""
        if request.path == "/api/v3/exchangeInfo":
            listed = [self._listed(m) for m in self.exchange.markets.values()]
            return answer({"symbols": listed}, weight=10)
        symbol, limit = request.query.get("symbol"), request.query.get("limit", "100")
        if request.path != "/api/v3/depth" or not limit.isdecimal():
            return answer({"code": -1100, "msg": "Illegal request"}, 400)
        if symbol not in self.exchange.markets:
            return answer({"code": -1121, "msg": "Invalid symbol."}, 400)
        return Wanted(symbol, min(int(limit), self.LIMIT), 3)

    def _listed(self, market: Market) -> dict[str, Any]:
        return {
            "symbol": market.symbol,
            "status": "1",
            "baseAssetPrecision": market.sizes.places,
            "baseSizePrecision": market.sizes.text(1),
            "quotePrecision": market.prices.places,
        }

    def snapshot_body(self, snapshot: Snapshot, request: Request) -> bytes:
        """``lastUpdateId`` is the version of the last change."""
        return text(
            {
                "lastUpdateId": snapshot.last,
                "bids": self._pairs(snapshot.market, snapshot.bids),
                "asks": self._pairs(snapshot.market, snapshot.asks),
                "timestamp": int(snapshot.time * 1000),
            }
        ).encode()

    def _pairs(self, market: Market, levels: Levels) -> list[list[str]]:
        return self.pairs(market, levels, (None, None))


def _said(message: str) -> Send:
    return Send(text({"id": 0, "code": 0, "msg": message}))
