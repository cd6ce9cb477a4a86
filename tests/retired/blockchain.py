"""Blockchain.com ``l2``: one number over all frames of a connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Lost,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
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


class Level(Struct, Generic[N]):
    """``{"num":1,"px":2.138E-5,"qty":20.000001}``."""

    px: N
    qty: N


class Book(Struct, Generic[N]):
    """``{"seqnum":30,"event":"updated","channel":"l2","symbol":"ENJ-USDT",…}``."""

    seqnum: Count
    event: Literal["snapshot", "updated"]
    channel: Literal["l2"]
    symbol: str
    bids: list[Level[N]]
    asks: list[Level[N]]
    timestamp: datetime


class Header(Struct):
    """What every frame has."""

    seqnum: Count
    event: str = ""
    channel: str = ""
    symbol: str = ""
    text: str = ""


class Session:
    def __init__(self) -> None:
        self.next = 0
        self.last: dict[str, int] = {}


class BlockchainCom(Venue):
    """Blockchain.com exchange, spot."""

    id = "blockchain"
    facts = Facts(
        markets="spot",
        source=Source.STREAM,
        assurance=Assurance.COUNTED,
        numbering=Numbering.CONNECTION,
        resync=Resync.RECONNECT,
        verified="numbers, final books: 2021",
        url="https://github.com/bmoscon/cryptofeed/tree/ce58c2a/sample_data",
        date="2026-11-22",
    )
    heartbeat = Heartbeat(silence=60.0)
    WS_URL = "wss://ws.prod.blockchain.info/mercury-gateway/v1/ws"

    def setup(self) -> None:
        self._book = self.decoder(Book, self.number)
        self._header = self.decoder(Header)

    def session(self) -> Session:
        return Session()

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("subscribe", symbol) for symbol in symbols]

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        return [_frame("unsubscribe", symbol) for symbol in symbols]

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        header: Header = self.decode(self._header, frame)
        number, expected = header.seqnum, session.next
        if number < expected:
            return ()
        session.next = number + 1
        lost: list[Message] = [Lost(expected, number)] if number > expected else []
        if header.channel != "l2":
            return lost
        if header.event in ("snapshot", "updated"):
            return [*lost, self._message(frame, header, session)]
        return [*lost, *_answer(header)]

    def _message(self, frame: str | bytes, header: Header, session: Session) -> Message:
        symbol, number = header.symbol, header.seqnum
        try:
            book = self._book.decode(frame)
        except UNREADABLE as error:
            raise MalformedMessage(str(error), symbol or None) from None
        prev = session.last.get(symbol, max(number - 1, 0))
        session.last[symbol] = number
        bids = [(level.px, level.qty) for level in book.bids]
        asks = [(level.px, level.qty) for level in book.asks]
        time = book.timestamp.timestamp()
        if book.event == "snapshot":
            return Snapshot(symbol, number, bids, asks, time=time)
        return Delta(symbol, prev, number, bids, asks, time)


def _frame(action: str, symbol: str) -> str:
    request = {"action": action, "symbol": symbol, "channel": "l2"}
    return msgspec.json.encode(request).decode()


def _answer(header: Header) -> Sequence[Message]:
    match header.event:
        case "subscribed":
            return (Subscribed((header.symbol,)),)
        case "unsubscribed":
            return (Unsubscribed((header.symbol,)),)
        case "rejected":
            return (Rejected((header.symbol,) if header.symbol else (), header.text),)
        case _:
            return ()
