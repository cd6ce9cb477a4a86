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

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE, Venue
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


class Session:
    """Symbols that were heard since their subscription, and open requests."""

    __slots__ = ("asked", "heard", "requests")

    def __init__(self) -> None:
        self.asked = 0
        self.requests: dict[int, tuple[str, tuple[str, ...]]] = {}
        self.heard: set[str] = set()


class Gemini(Venue):
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
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": ("100ms", "1s")}

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._update = self.decoder(Update, self.text)
        self._control = self.decoder(Control)
        slow = self.options["speed"] == "1s"
        self._suffix = "@depth" if slow else "@depth@100ms"

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Lower case: ``btcusd``."""
        return super().prepare(symbol).lower()

    def session(self) -> Session:
        """Ids of this connection."""
        return Session()

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """-1 asks for whole books."""
        return f"{base}?snapshot=-1"

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"id":1,"method":"subscribe","params":["btcusd@depth@100ms"]}``."""
        session.heard.difference_update(symbols)
        return self._frames("subscribe", symbols, session)

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        return self._frames("unsubscribe", symbols, session)

    def _frames(
        self, method: str, symbols: Sequence[str], session: Session
    ) -> list[str | bytes]:
        frames: list[str | bytes] = []
        step = self.limits.symbols_per_frame
        for start in range(0, len(symbols), step):
            part = tuple(symbols[start : start + step])
            session.asked += 1
            session.requests[session.asked] = (method, part)
            params = [symbol + self._suffix for symbol in part]
            request = {"id": session.asked, "method": method, "params": params}
            frames.append(msgspec.json.encode(request).decode())
        return frames

    def ping(self, session: Session, now: float) -> str:
        """``{"id":100,"method":"ping"}``: quiet books are silent, the answer is not."""
        session.asked += 1
        return f'{{"id":{session.asked},"method":"ping"}}'

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a book, an acknowledgement or an error."""
        try:
            update = self._update.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, session, str(error))
        symbol, first, last = update.s, update.U, update.u
        if first > last:
            raise MalformedMessage(f"U={first}, u={last}", symbol)
        time = update.E / NANOSECONDS if update.E else None
        if symbol not in session.heard:
            session.heard.add(symbol)
            if first == last:
                return (Snapshot(symbol, last, update.b, update.a, time=time),)
        return (Delta(symbol, first, last, update.b, update.a, time),)

    def _parse_other(
        self, frame: str | bytes, session: Session, reason: str
    ) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.e:
            if control.e == "depthUpdate":
                raise MalformedMessage(reason, control.s)
            return ()  # another stream
        if control.status is None:
            raise MalformedMessage("neither a book nor an answer")
        number = control.id if isinstance(control.id, int) else 0
        method, symbols = session.requests.pop(number, ("", ()))
        if control.error is not None:
            if method == "unsubscribe" or control.error.code == TOO_MANY_REQUESTS:
                return ()  # not for good
            text = f"{control.error.msg} (code {control.error.code})"
            return (Rejected(symbols, text),)
        if not method:
            return ()  # a pong
        done = Subscribed if method == "subscribe" else Unsubscribed
        return (done(symbols),)

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /v1/symbols/details/all``."""
        return (Request(path="/v1/symbols/details/all"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """Read details of one symbol or of all, or ``/v1/symbols``: bare names."""
        listing = self.decode(self.decoder(Details | list[Details | str]), body)
        entries = [listing] if isinstance(listing, Details) else listing
        return [
            Instrument(symbol=entry)
            if isinstance(entry, str)
            else Instrument(
                symbol=entry.symbol.lower(),
                price_step=entry.quote_increment,
                size_step=entry.tick_size,
                active=entry.status == "open",
            )
            for entry in entries
        ]
