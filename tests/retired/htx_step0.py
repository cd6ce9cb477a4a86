"""HTX ``depth.step0``: gzip frames, each one a whole book; JSON pings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Message,
    Rejected,
    Reply,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import (
    Assurance,
    Facts,
    Heartbeat,
    Resync,
    Source,
    Venue,
    bounded_gunzip,
)
from booksync.venues.base import UNREADABLE

N = TypeVar("N")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Tick(Struct, Generic[N]):
    """Swaps count books in ``mrid``, spot counts them in ``version``."""

    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    version: Count
    mrid: Count | None = None


class Push(Struct, Generic[N]):
    """``{"ch":"market.trioeth.depth.step0","ts":1618678069870,"tick":{…}}``."""

    ch: str
    ts: Count
    tick: Tick[N]


class Control(Struct, rename={"err": "err-msg"}):
    """``{"ping":…}``, ``{"status":"ok","subbed":…}``, ``{"status":"error",…}``."""

    ping: Count | None = None
    ch: str = ""
    status: str = ""
    subbed: str = ""
    unsubbed: str = ""
    err: str = ""


class HTXStep0(Venue):
    """HTX spot and linear swaps, whole books."""

    id = "htx_step0"
    facts = Facts(
        markets="spot, linear swaps",
        source=Source.EVERY_FRAME,
        assurance=Assurance.ORDERED,
        numbering=None,
        resync=Resync.WAIT,
        levels=150,
        verified="whole books, order, final books: 2021 (spot), 2022 (swaps)",
        url="https://huobiapi.github.io/docs/spot/v1/en/",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(silence=15.0)
    WS_URL = "wss://api.huobi.pro"
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"market": ("spot", "swap")}

    def setup(self) -> None:
        self._push = self.decoder(Push, self.number)
        self._control = self.decoder(Control)

    def session(self) -> dict[str, int]:
        """Newest number by symbol."""
        return {}

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        if self.options["market"] == "spot":
            return base + "/ws"
        return base.replace("api.huobi.pro", "api.hbdm.com") + "/linear-swap-ws"

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return _frames("sub", symbols)

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return _frames("unsub", symbols)

    def parse(self, frame: str | bytes, session: dict[str, int]) -> Sequence[Message]:
        text: str | bytes = frame
        if isinstance(frame, bytes):
            text = bounded_gunzip(frame, self.limits.frame_bytes)
        try:
            push = self._push.decode(text)
        except UNREADABLE as error:
            return _other(self.decode(self._control, text), str(error))
        symbol = _symbol(push.ch)
        if symbol is None:
            return ()
        tick = push.tick
        number = tick.version if tick.mrid is None else tick.mrid
        if number < session.get(symbol, 0):
            return ()
        session[symbol] = number
        time = push.ts / 1000
        return (Snapshot(symbol, number, tick.bids, tick.asks, depth=150, time=time),)


def _symbol(channel: str) -> str | None:
    """``trioeth`` of ``market.trioeth.depth.step0``; ``None`` of another channel."""
    name = channel.removeprefix("market.").removesuffix(".depth.step0")
    return name if len(channel) == len(name) + 19 else None


def _frames(operation: str, symbols: Sequence[str]) -> list[str | bytes]:
    return [
        msgspec.json.encode(
            {operation: f"market.{symbol}.depth.step0", "id": "booksync"}
        ).decode()
        for symbol in symbols
    ]


def _other(control: Control, reason: str) -> Sequence[Message]:
    if control.ping is not None:
        return (Reply(f'{{"pong":{control.ping}}}'),)
    if control.ch.endswith(".depth.step0"):
        raise MalformedMessage(reason, _symbol(control.ch))
    if control.status == "error":
        return (Rejected((), control.err),)
    symbol = _symbol(control.subbed or control.unsubbed)
    if symbol is not None:
        return (Subscribed((symbol,)) if control.subbed else Unsubscribed((symbol,)),)
    if not control.ch and not control.status:
        raise MalformedMessage("neither a book nor an answer")
    return ()
