"""Gemini market data v2: no numbers; the first ``l2_updates`` is the whole book."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues import Assurance, Facts, Heartbeat, Resync, Source, Venue
from booksync.venues.base import UNREADABLE

N = TypeVar("N")


class Updates(Struct, Generic[N], tag_field="type", tag="l2_updates"):
    """``{"type":"l2_updates","symbol":"ALCXUSD","changes":[["buy","301.66","1"]]}``."""

    symbol: str
    changes: list[tuple[Literal["buy", "sell"], N, N]]
    #: Only the whole book has it.
    trades: msgspec.Raw | UnsetType = UNSET


class Control(Struct):
    """``{"type":"heartbeat","timestamp":1624493666869}`` and errors."""

    type: str = ""
    symbol: str = ""
    result: str = ""
    reason: str = ""
    message: str = ""


class GeminiV2(Venue):
    """Gemini spot, market data v2; archived by the venue."""

    id = "gemini_v2"
    facts = Facts(
        markets="spot",
        source=Source.STREAM,
        assurance=Assurance.ORDERED,
        numbering=None,
        resync=Resync.RECONNECT,
        acks=False,
        verified="final books: 2021",
        unverified=("the shape of errors",),
        url="https://developer.gemini.com/websocket/archived/v2.md",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(silence=15.0)
    WS_URL = "wss://api.gemini.com/v2/marketdata"

    def setup(self) -> None:
        self._updates = self.decoder(Updates, self.text)
        self._control = self.decoder(Control)

    def session(self) -> Counter[str]:
        """Messages seen, by symbol: the venue does not count them."""
        return Counter()

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("subscribe", symbols)]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("unsubscribe", symbols)]

    def parse(self, frame: str | bytes, session: Counter[str]) -> Sequence[Message]:
        try:
            updates = self._updates.decode(frame)
        except UNREADABLE as error:
            return _other(self.decode(self._control, frame), str(error))
        symbol = updates.symbol
        session[symbol] += 1
        number = session[symbol]
        bids = [(price, size) for side, price, size in updates.changes if side == "buy"]
        asks = [
            (price, size) for side, price, size in updates.changes if side == "sell"
        ]
        if updates.trades is not UNSET:
            return (Snapshot(symbol, number, bids, asks),)
        return (Delta(symbol, number - 1, number, bids, asks),)


def _frame(operation: str, symbols: Sequence[str]) -> str:
    subscriptions = [{"name": "l2", "symbols": symbols}]
    request = {"type": operation, "subscriptions": subscriptions}
    return msgspec.json.encode(request).decode()


def _other(control: Control, reason: str) -> Sequence[Message]:
    if control.type == "l2_updates":
        raise MalformedMessage(reason, control.symbol or None)
    if control.result == "error":
        return (Rejected((), f"{control.message} ({control.reason})"),)
    if not control.type:
        raise MalformedMessage("neither a book nor an answer")
    return ()
