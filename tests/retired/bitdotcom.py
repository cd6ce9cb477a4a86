"""Bit.com spot and derivatives ``depth``: chained by ``prev_sequence``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Rejected, Snapshot
from booksync.venues import (
    Assurance,
    Facts,
    Heartbeat,
    Numbering,
    Resync,
    Source,
    Venue,
)
from booksync.venues.base import UNREADABLE

N = TypeVar("N")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Whole(Struct, Generic[N], tag_field="type", tag="snapshot"):
    """``{"type":"snapshot","pair":"ORDI-USDT","sequence":17,"bids":[],"asks":[]}``."""

    sequence: Count
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    pair: str = ""
    instrument_id: str = ""


class Change(Struct, Generic[N], tag_field="type", tag="update"):
    """``{"type":"update","sequence":18,"prev_sequence":17,"changes":[["sell",…]]}``."""

    sequence: Count
    prev_sequence: Count
    changes: list[tuple[Literal["buy", "sell"], N, N]]
    pair: str = ""
    instrument_id: str = ""


class Push(Struct, Generic[N]):
    """``{"channel":"depth","timestamp":1704643984569,"data":{…},"module":"spot"}``."""

    channel: Literal["depth"]
    timestamp: Count
    data: Whole[N] | Change[N]


class Status(Struct):
    code: int = 0


class Control(Struct):
    """``{"channel":"subscription","data":{"code":0,"subscription":["depth"]}}``."""

    channel: str
    data: Any = None


class BitDotCom(Venue):
    """Bit.com; closed."""

    id = "bitdotcom"
    facts = Facts(
        markets="spot, options, futures",
        source=Source.STREAM,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        resync=Resync.RESUBSCRIBE,
        acks=False,
        verified="numbers, final books: 2021 (derivatives), 2024 (spot)",
        url="https://github.com/bmoscon/cryptofeed/tree/ce58c2a/sample_data",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(silence=60.0)
    WS_URL = "wss://spot-ws.bit.com"
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "market": ("spot", "derivatives")
    }

    def setup(self) -> None:
        self._push = self.decoder(Push, self.text)
        self._control = self.decoder(Control)

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        spot = self.options["market"] == "spot"
        return base if spot else base.replace("spot-ws.", "ws.")

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [self._frame("subscribe", symbols)]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [self._frame("unsubscribe", symbols)]

    def _frame(self, operation: str, symbols: Sequence[str]) -> str:
        kind = "pairs" if self.options["market"] == "spot" else "instruments"
        request = {"type": operation, "channels": ["depth"], kind: symbols}
        return msgspec.json.encode(request).decode()

    def parse(self, frame: str | bytes, session: Any) -> Sequence[Message]:
        try:
            push = self._push.decode(frame)
        except UNREADABLE as error:
            return _other(self.decode(self._control, frame), str(error))
        return (_message(push.data, push.timestamp / 1000),)


def _message(data: Any, time: float) -> Message:
    symbol = data.pair or data.instrument_id
    if not symbol:
        raise MalformedMessage("whose book?")
    if isinstance(data, Whole):
        return Snapshot(symbol, data.sequence, data.bids, data.asks, time=time)
    if data.prev_sequence >= data.sequence:
        reason = f"prev_sequence={data.prev_sequence}, sequence={data.sequence}"
        raise MalformedMessage(reason, symbol)
    bids = [(price, size) for side, price, size in data.changes if side == "buy"]
    asks = [(price, size) for side, price, size in data.changes if side == "sell"]
    return Delta(symbol, data.prev_sequence, data.sequence, bids, asks, time)


def _other(control: Control, reason: str) -> Sequence[Message]:
    data = control.data if isinstance(control.data, dict) else {}
    if control.channel == "depth":
        symbol = data.get("pair") or data.get("instrument_id")
        raise MalformedMessage(reason, symbol if isinstance(symbol, str) else None)
    if control.channel == "subscription" and data.get("code"):
        return (Rejected((), f"{data.get('message', '')} (code {data['code']})"),)
    return ()
