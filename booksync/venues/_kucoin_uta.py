"""
KuCoin's UTA socket (channel ``obu``), the same for spot and futures.

It needs no token and sends its own snapshot of 500 levels; the venue deletes what
leaves them. A second subscribe gives no second snapshot, so a resync unsubscribes
first; that this is enough is not confirmed, hence the option ``resync``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Snapshot
from booksync.venues.base import Count
from booksync.venues.declared import partly
from booksync.venues.facts import Source

__all__ = ["DEPTH", "FACTS", "NANO", "Push", "named", "read", "request"]

N = TypeVar("N")
DEPTH = "increment@10ms"
LEVELS = 500
#: What differs from the classic socket.
FACTS = {"source": Source.STREAM, "levels": LEVELS, "verified": ""}
NANO = 1_000_000_000


class Window(Struct, Generic[N], gc=False):
    """``{"s":"BTC-USDT","O":5,"C":7,"M":<ns>,"b":[["66532.4","0.09"]],"a":[]}``."""

    s: str
    O: Count  # noqa: E741 - the venue's name
    C: Count
    b: list[tuple[N, N]] | None = None
    a: list[tuple[N, N]] | None = None
    M: Count = 0


class Push(Struct, Generic[N], gc=False):
    """``{"T":"obu.SPOT","dp":"increment@10ms","t":"delta","d":{…}}``."""

    T: str
    dp: str
    t: Literal["snapshot", "delta"]
    d: Window[N]


class Named(Struct):
    """As much of ``d`` as tells whose it is."""

    s: str = ""


def request(operation: str, symbol: str, number: int, kind: str) -> object:
    """``{"id":"1","action":"SUBSCRIBE","channel":"obu","tradeType":"SPOT",…}``."""
    return {
        "id": str(number),
        "action": operation.upper(),
        "channel": "obu",
        "tradeType": kind,
        "symbol": symbol,
        "depth": DEPTH,
    }


def read(push: Push[Any], kind: str) -> Sequence[Message]:
    """``"t":"snapshot"`` replaces the book; its ``O`` equals its ``C``."""
    if (push.T, push.dp) != (f"obu.{kind}", DEPTH):
        return ()
    data = push.d
    if not data.O <= data.C:
        raise MalformedMessage(f"O={data.O}, C={data.C}", data.s)
    time = data.M / NANO or None
    if push.t == "delta":
        bids, asks = data.b or [], data.a or []
        return (Delta(data.s, data.O - 1, data.C, bids, asks, time),)
    if data.b is None or data.a is None:
        raise MalformedMessage("a snapshot without one of its sides", data.s)
    return (Snapshot(data.s, data.C, data.b, data.a, LEVELS, time),)


def named(data: msgspec.Raw) -> str:
    """Whose ``data`` is, if that much of it can be read."""
    return partly(data, Named).s
