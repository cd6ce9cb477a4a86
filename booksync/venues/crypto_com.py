"""
Crypto.com Exchange v1: deltas that name their predecessor, snapshot in the stream.

Facts: exchange-docs.crypto.com "book.{instrument_name}.{depth}" and a third party's
probe of 2026-09-22 (no break in 90,000 deltas); no recorded frames were at hand.

A delta carries ``(pu, u]``; numbers jump by thousands, only ``pu`` links. An empty
delta with ``u == pu`` is a sign of life, every five seconds. The parameters of the
subscription are snake_case: with any others the venue sends whole books instead.

Every frame has a ``cs``, whose algorithm nobody knows: it is not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import (
    Delta,
    Message,
    Rejected,
    Reply,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE, Venue
from booksync.venues.facts import (
    Assurance,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["CryptoCom"]

N = TypeVar("N")
#: What no number of the venue exceeds: larger ones overflow a float.
Integer = Annotated[int, Meta(ge=-(2**62), le=2**62)]
#: Unknown symbol, depth or channel.
REFUSED = 40003
SUBSCRIBE = "subscribe"


class Level(Struct, Generic[N], array_like=True, gc=False):
    """``["2749.62","0.2008","2"]``: price, size, orders."""

    price: N
    size: N


class Sides(Struct, Generic[N], gc=False):
    """The levels of a delta."""

    asks: list[Level[N]]
    bids: list[Level[N]]


class Item(Struct, Generic[N], gc=False):
    """An element of ``data``; a delta has its sides in ``update``."""

    u: Integer
    t: Integer
    pu: Integer | None = None
    update: Sides[N] | None = None
    asks: list[Level[N]] | None = None
    bids: list[Level[N]] | None = None


class Result(Struct, Generic[N], gc=False):
    """``{"instrument_name":…,"channel":"book.update","depth":50,"data":[{…}]}``."""

    instrument_name: str
    channel: Literal["book", "book.update"]
    depth: int
    data: Annotated[list[Item[N]], Meta(min_length=1)]


class Push(Struct, Generic[N]):
    """``{"id":-1,"method":"subscribe","code":0,"result":{…}}``."""

    result: Result[N]


class Kind(Struct, frozen=True):
    """What a result is about."""

    channel: str = ""
    instrument_name: str | None = None


class Control(Struct):
    """Whatever is not a push of a book."""

    id: int = 0
    method: str = ""
    code: int = 0
    message: str = ""
    channel: str = ""
    result: Kind | None = None


class Listed(Struct):
    """One instrument."""

    symbol: str
    price_tick_size: Decimal
    qty_tick_size: Decimal
    tradable: bool


class Listings(Struct):
    """Holds the instruments."""

    data: list[Listed]


class Listing(Struct):
    """Answer of ``get-instruments``."""

    code: int
    result: Listings


class Session:
    """The requests of one connection: id -> (method, symbol)."""

    __slots__ = ("requests",)

    def __init__(self) -> None:
        self.requests: dict[int, tuple[str, str]] = {}


class CryptoCom(Venue):
    """Crypto.com Exchange: spot, perpetuals, futures."""

    id = "crypto_com"
    facts = Facts(
        markets="spot, perpetuals, futures",
        source=Source.STREAM,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        resync=Resync.RESUBSCRIBE,
        levels=50,
        verified="nothing: no recorded frames",
        unverified=(
            "the whole protocol (a third party's probe of 2026-09-22 saw no break)",
            "the checksum cs, which is not read",
            "whether deltas list touched or net levels",
        ),
        url="https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html#book-instrument_name-depth",
        date="2026-09-22",
    )
    limits = Limits(
        symbols=200,  # of 400 channels
        symbols_per_frame=1,  # an error names its request, not its symbol
        messages=10.0,  # of 100, less in the second of the connect
        weight=50,  # of 100
        weight_window=1.0,
    )
    heartbeat = Heartbeat(silence=65.0)  # the venue asks every 30 s
    WS_URL = "wss://stream.crypto.com/exchange/v1/market"
    REST_URL = "https://api.crypto.com"
    DEPTHS = (10, 50)
    default_depth = 50
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"speed": ("10ms", "100ms")}

    def setup(self) -> None:
        """Make the decoders for the number type."""
        self._push = self.decoder(Push, self.text)
        self._control = self.decoder(Control)
        self._listing = self.decoder(Listing)
        self._speed = int(self.options["speed"].removesuffix("ms"))
        vars(self)["facts"] = msgspec.structs.replace(self.facts, levels=self.depth)

    def session(self) -> Session:
        """Ids of this connection's requests."""
        return Session()

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"id":1,"method":"subscribe","params":{…},"nonce":1790114272304}``."""
        mode = {
            "book_subscription_type": "SNAPSHOT_AND_UPDATE",
            "book_update_frequency": self._speed,
        }
        return [self._frame(SUBSCRIBE, name, mode, session, now) for name in symbols]

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``, without the mode."""
        return [self._frame("unsubscribe", name, {}, session, now) for name in symbols]

    def _frame(
        self,
        method: str,
        symbol: str,
        mode: Mapping[str, Any],
        session: Session,
        now: float,
    ) -> str:
        number = len(session.requests) + 1
        session.requests[number] = (method, symbol)
        params = {"channels": [f"book.{symbol}.{self.depth}"], **mode}
        nonce = round(now * 1000)
        request = {"id": number, "method": method, "params": params, "nonce": nonce}
        return msgspec.json.encode(request).decode()

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a push, a heartbeat, an acknowledgement or an error."""
        try:
            result = self._push.decode(frame).result
        except UNREADABLE as error:
            return self._parse_other(frame, session, error)
        if result.depth != self.depth:
            return ()  # the same numbers, but another book
        make = self._delta if result.channel == "book.update" else self._snapshot
        return [make(result.instrument_name, item) for item in result.data]

    def _snapshot(self, symbol: str, item: Any) -> Snapshot:
        if item.bids is None or item.asks is None or item.u < 0:
            raise MalformedMessage("a side is missing, or u is negative", symbol)
        return Snapshot(
            symbol,
            item.u,
            [(level.price, level.size) for level in item.bids],
            [(level.price, level.size) for level in item.asks],
            depth=self.depth,
            time=item.t / 1000,
        )

    def _delta(self, symbol: str, item: Any) -> Delta:
        update = item.update
        if update is None or item.pu is None or not 0 <= item.pu <= item.u:
            raise MalformedMessage(f"pu={item.pu}, u={item.u}", symbol)
        return Delta(
            symbol,
            item.pu,
            item.u,
            [(level.price, level.size) for level in update.bids],
            [(level.price, level.size) for level in update.asks],
            item.t / 1000,
            # Equal numbers are a sign of life, and empty; if not, it still counts.
            reset=item.pu == item.u and bool(update.bids or update.asks),
        )

    def _parse_other(
        self, frame: str | bytes, session: Session, error: Exception
    ) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.method == "public/heartbeat":
            answer = {"id": control.id, "method": "public/respond-heartbeat"}
            return (Reply(msgspec.json.encode(answer).decode()),)
        kind = control.result
        if kind is not None:
            if kind.channel in {"book", "book.update"}:
                raise MalformedMessage(str(error), kind.instrument_name)
            return ()  # another channel
        if not control.method:
            raise MalformedMessage("neither a book nor an answer")
        return self._parse_answer(control, session)

    def _parse_answer(self, control: Control, session: Session) -> Sequence[Message]:
        method, symbol = session.requests.get(control.id, ("", ""))
        if control.code:
            if method == "unsubscribe":
                return ()
            refused = method and control.code == REFUSED
            reason = f"{control.message} (code {control.code})"
            return (Rejected((symbol,) if refused else (), reason),)
        if method == "unsubscribe":
            return (Unsubscribed((symbol,)),)
        name, _, depth = control.channel.removeprefix("book.").rpartition(".")
        ours = control.channel.startswith("book.") and depth == str(self.depth)
        return (Subscribed((name,)),) if ours and control.method == SUBSCRIBE else ()

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /exchange/v1/public/get-instruments``."""
        return (Request(path="/exchange/v1/public/get-instruments"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``price_tick_size`` and ``qty_tick_size``."""
        listing: Listing = self.decode(self._listing, body)
        if listing.code:
            raise MalformedMessage(f"instruments: code {listing.code}")
        return [
            Instrument(
                symbol=entry.symbol,
                price_step=entry.price_tick_size,
                size_step=entry.qty_tick_size,
                active=entry.tradable,
            )
            for entry in listing.result.data
        ]
