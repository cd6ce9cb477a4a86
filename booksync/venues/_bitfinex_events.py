"""Bitfinex's JSON objects (answers, errors, notices), and what a connection is."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Closing,
    Message,
    Rejected,
    Subscribed,
    Unsubscribed,
)
from booksync.venues._bitfinex_books import Channel
from booksync.venues.declared import halts

__all__ = ["EVENTS", "SEQ_ALL", "Event", "Session"]

#: Flag: every array has the connection's number.
SEQ_ALL = 1 << 16
DUPLICATE, NOT_SUBSCRIBED = 10301, 10400
RECONNECT, MAINTENANCE, MAINTENANCE_ENDED = 20051, 20060, 20061


class Platform(Struct):
    """1 is operative, 0 is maintenance."""

    status: int = 1


class Event(Struct):
    """Every JSON object: answers, errors, notices. Objects have no number."""

    event: str
    channel: str = ""
    chanId: int = -1  # noqa: N815 - the venue's name
    symbol: str = ""
    prec: str = "P0"
    len: int = 0
    status: str = ""
    flags: int = 0
    msg: str = ""
    code: int = 0
    platform: Platform | None = None


class Session:
    """Books by channel, flags and the last number of one connection."""

    __slots__ = ("channels", "flags", "number")

    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.channels: dict[int, Channel] = {}
        self.number = 0


def _conf(event: Event, session: Session) -> Sequence[Message]:
    if event.status != "OK" or not event.flags & SEQ_ALL:
        raise MalformedMessage(f"conf: {event.status}, flags {event.flags}")
    session.flags = event.flags
    return ()


def _subscribed(event: Event, session: Session) -> Sequence[Message]:
    if event.channel != "book" or event.prec == "R0":
        return ()
    for number, channel in list(session.channels.items()):
        if channel.symbol == event.symbol:
            del session.channels[number]
    session.channels[event.chanId] = Channel(event.symbol, event.len)
    return (Subscribed((event.symbol,)),)


def _ended(event: Event, session: Session) -> Sequence[Message]:
    channel = session.channels.pop(event.chanId, None)
    return () if channel is None else (Unsubscribed((channel.symbol,)),)


def _problem(event: Event, session: Session) -> Sequence[Message]:
    if event.code == DUPLICATE:
        return ()  # the first subscription goes on
    if event.code == NOT_SUBSCRIBED:
        return _ended(event, session)
    symbols = (event.symbol,) if event.symbol else ()
    return (Rejected(symbols, f"{event.msg} (code {event.code})"),)


def _notice(event: Event, session: Session) -> Sequence[Message]:
    symbols = [channel.symbol for channel in session.channels.values()]
    if event.code == RECONNECT or (event.platform and not event.platform.status):
        return (Closing(f"{event.msg or 'maintenance'} (code {event.code})"),)
    if event.code == MAINTENANCE:
        return halts(symbols, "maintenance")
    if event.code == MAINTENANCE_ENDED:  # every channel must be subscribed again
        return (*halts(symbols, None), Closing("maintenance ended"))
    return ()


EVENTS = {
    "conf": _conf,
    "error": _problem,
    "info": _notice,
    "subscribed": _subscribed,
    "unsubscribed": _ended,
}
