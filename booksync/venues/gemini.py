"""
Gemini (the API of 2026, ``wss://ws.gemini.com``): each delta names its predecessor.

Facts: developer.gemini.com/websocket/streams.md (read 2026-11) and a third party's
probe of 2026-09-15; no recorded frames of this API were at hand.

Ids come from one counter for all symbols, so they jump. A delta's ``U`` is the ``u``
of the one before (5,489 of 5,489 in the probe), not one more: it carries ``(U, u]``.

A snapshot has no mark of its own: with ``?snapshot=-1`` it is the first frame of a
symbol after its subscription, and has ``U == u``, which no delta has. Only a frame
that is both is taken as one; without it the symbol stays without a book.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Snapshot
from booksync.venues.declared import DeclaredVenue, Operation, Requests
from booksync.venues.facts import (
    Assurance,
    Crossing,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["Gemini"]

N = TypeVar("N")
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
TOO_MANY_REQUESTS = -1003
NANOSECONDS = 10**9


class Update(Struct, Generic[N], gc=False):
    """``{"e":"depthUpdate","E":…,"s":"gusdgbp","U":…,"u":…,"b":[],"a":[[…]]}``."""

    e: Literal["depthUpdate"]
    s: str
    U: Count
    u: Count
    b: list[tuple[N, N]]
    a: list[tuple[N, N]]
    E: Count = 0


class Problem(Struct):
    """``{"code":-1013,"msg":"Invalid stream name: …"}``."""

    code: int = 0
    msg: str = ""


class Control(Struct):
    """``{"id":1,"status":200}`` and whatever else is not a readable book."""

    id: int | str | None = None
    status: int | None = None
    error: Problem | None = None
    e: str = ""
    s: str | None = None


class Details(Struct):
    """Names are misleading: ``tick_size`` is the size step."""

    symbol: str
    tick_size: Decimal
    quote_increment: Decimal
    status: str = "open"


Listing = Details | list[Details | str]


class Session(Requests):
    """Symbols that were heard since their subscription, and open requests."""

    __slots__ = ("heard",)

    def __init__(self) -> None:
        super().__init__()
        self.heard: set[str] = set()


class Gemini(DeclaredVenue):
    """Gemini spot and perpetuals."""

    id = "gemini"
    facts = Facts(
        markets="spot, perpetuals",
        source=Source.STREAM,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        crossing=Crossing.NORMAL,  # auctions
        resync=Resync.RECONNECT,
        unverified=(
            "everything: no recorded frames of this API (a probe of 2026-09 agrees)",
            "whether subscribing again sends a snapshot: reconnects instead",
            "streams per connection, lifetime",
            "/v1/symbols/details/all (seen in other clients, not in the docs read)",
        ),
        url="https://developer.gemini.com/websocket/streams.md",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=20,  # what the probe had
        symbols_per_frame=1,  # one bad stream refuses the whole frame
        messages=10.0,
        connects=200,  # of 300
        weight=60,  # of 120 requests a minute
    )
    heartbeat = Heartbeat(interval=20.0, silence=60.0)
    WS_URL = "wss://ws.gemini.com"
    REST_URL = "https://api.gemini.com"
    SESSION = Session
    PUSH, CONTROL, LISTING = Update, Control, Listing
    LISTINGS = (Request(path="/v1/symbols/details/all"),)
    CASE = "lower"
    STREAM_PATH = "?snapshot=-1"  # whole books
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": ("100ms", "1s")}

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """What comes first is a snapshot again."""
        session.heard.difference_update(symbols)
        return super().subscribe(symbols, session, now)

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"id":1,"method":"subscribe","params":["btcusd@depth@100ms"]}``."""
        suffix = "@depth" if self.options["speed"] == "1s" else "@depth@100ms"
        params = [symbol + suffix for symbol in symbols]
        return {"id": number, "method": operation, "params": params}

    def ping(self, session: Session, now: float) -> str:
        """``{"id":100,"method":"ping"}``: quiet books are silent, the answer is not."""
        session.number += 1
        return f'{{"id":{session.number},"method":"ping"}}'

    def read_push(self, push: Update[Any], session: Session) -> Sequence[Message]:
        """The first one of a subscription, of one number, is the snapshot."""
        symbol, first, last = push.s, push.U, push.u
        if first > last:
            raise MalformedMessage(f"U={first}, u={last}", symbol)
        time = push.E / NANOSECONDS if push.E else None
        if symbol not in session.heard:
            session.heard.add(symbol)
            if first == last:
                return (Snapshot(symbol, last, push.b, push.a, time=time),)
        return (Delta(symbol, first, last, push.b, push.a, time),)

    def read_control(
        self, control: Control, session: Session, problem: str
    ) -> Sequence[Message]:
        """An answer gives the request's id."""
        if control.e == "depthUpdate":
            raise MalformedMessage(problem, control.s)
        if control.e:
            return ()  # another stream
        if control.status is None:
            raise MalformedMessage("neither a book nor an answer")
        if control.error is None:
            return session.confirmed(control.id)
        if control.error.code == TOO_MANY_REQUESTS:
            return ()  # not for good
        reason = f"{control.error.msg} (code {control.error.code})"
        return session.refused(control.id, reason)

    def listed(self, answer: Listing) -> Iterable[Instrument]:
        """Details of one symbol or of all, or ``/v1/symbols``: bare names."""
        for entry in [answer] if isinstance(answer, Details) else answer:
            if isinstance(entry, str):
                yield Instrument(symbol=entry)
                continue
            yield Instrument(
                symbol=entry.symbol.lower(),
                price_step=entry.quote_increment,
                size_step=entry.tick_size,
                active=entry.status == "open",
            )
