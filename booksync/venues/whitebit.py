"""
WhiteBIT: deltas chained by ``past_update_id``, the snapshot first on the stream.

Facts: docs.whitebit.com/websocket/market-streams/depth.md and rate-limits (read
2026-11), and a third party's probe of 2026-09-22 (no gap in 56,000 deltas); no
recorded frames were at hand.

``params[0]`` says whether a frame is a whole book. One comes after each subscription,
and again after 10 s without a change, as a sign of life: it replaces the book and is
not a resync. The fourth parameter of a subscription must be ``true``, or it cancels
all others of the connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct

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
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["WhiteBIT"]

N = TypeVar("N")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Digits = Annotated[int, msgspec.Meta(ge=0, le=32)]
TOO_MANY_REQUESTS = 7


class Change(Struct, Generic[N], gc=False):
    """``{"timestamp":…,"update_id":214403,"past_update_id":214399,"asks":[…]}``."""

    update_id: Count
    past_update_id: Count = -1  # a snapshot has none
    #: A side without changes is left out.
    bids: list[tuple[N, N]] = []
    asks: list[tuple[N, N]] = []
    timestamp: float = 0.0


class Params(Struct, Generic[N], array_like=True, gc=False):
    """``[true,{…},"ETH_PERP"]``: whole or not, the levels, the market."""

    whole: bool
    change: Change[N]
    market: str


class Update(Struct, Generic[N], tag_field="method", tag="depth_update", gc=False):
    """``{"id":null,"method":"depth_update","params":[…]}``."""

    params: Params[N]


class Problem(Struct):
    """``{"code":9,"message":"market NOPE_PERP does not exist"}``."""

    code: int = 0
    message: str = ""


class Control(Struct):
    """``{"id":12,"result":{"status":"success"},"error":null}`` and all others."""

    id: int | None = None
    method: str = ""
    params: Any = None
    result: Any = None
    error: Problem | None = None


class Market(Struct):
    """``{"name":"BTC_USDT","stockPrec":"6","moneyPrec":"2","tradesEnabled":true}``."""

    name: str
    stockPrec: Digits  # noqa: N815 - the venue's name
    moneyPrec: Digits  # noqa: N815
    tradesEnabled: bool = False  # noqa: N815


class Session:
    """The requests of one connection: id -> (subscribing, market)."""

    __slots__ = ("requests",)

    def __init__(self) -> None:
        self.requests: dict[int, tuple[bool, str]] = {}


class WhiteBIT(Venue):
    """WhiteBIT spot and futures."""

    id = "whitebit"
    facts = Facts(
        markets="spot, futures",
        source=Source.STREAM,
        assurance=Assurance.CHAINED,
        numbering=Numbering.SYMBOL,
        resync=Resync.RESUBSCRIBE,
        levels=100,
        unverified=(
            "everything: no recorded frames (a probe of 2026-09-22 saw no gap)",
            "whether the venue deletes all levels that leave the window",
        ),
        url="https://docs.whitebit.com/websocket/market-streams/depth.md",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=100,
        symbols_per_frame=1,  # parameters are positional
        messages=3.0,  # of 200 a minute by the older page
    )
    #: Every 50 s at most; the venue closes after 60 s without a client's message.
    heartbeat = Heartbeat(interval=20.0, silence=40.0)
    WS_URL = "wss://wss.whitebit.com/ws"
    REST_URL = "https://whitebit.com"
    DEPTHS: ClassVar[tuple[int, ...]] = (1, 5, 10, 20, 30, 50, 100)
    default_depth = 100

    def setup(self) -> None:
        """Keep as many levels as subscribed: the documentation asks for the cut."""
        self._update = self.decoder(Update, self.text)
        self._control = self.decoder(Control)
        self.keep = self.depth

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case: ``BTC_USDT``, ``ETH_PERP``."""
        return super().prepare(symbol).upper()

    def session(self) -> Session:
        """Ids of this connection's requests; 0 is the ping's."""
        return Session()

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"id":1,"method":"depth_subscribe","params":["BTC_USDT",100,"0",true]}``."""
        rest = (self.depth, "0", True)
        return [self._frame(session, name, "depth_subscribe", rest) for name in symbols]

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"id":2,"method":"depth_unsubscribe","params":["BTC_USDT"]}``."""
        return [self._frame(session, name, "depth_unsubscribe", ()) for name in symbols]

    @staticmethod
    def _frame(
        session: Session, symbol: str, method: str, rest: tuple[object, ...]
    ) -> str:
        number = len(session.requests) + 1
        session.requests[number] = (method == "depth_subscribe", symbol)
        request = {"id": number, "method": method, "params": (symbol, *rest)}
        return msgspec.json.encode(request).decode()

    def ping(self, session: Session, now: float) -> str:
        """Text that is not JSON would close the socket."""
        return '{"id":0,"method":"ping","params":[]}'

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a snapshot, a delta, an acknowledgement or an error."""
        try:
            params = self._update.decode(frame).params
        except UNREADABLE as error:
            return self._parse_other(frame, session, str(error))
        return (self._book(params.change, params.market, whole=params.whole),)

    def _book(self, change: Any, market: str, *, whole: bool) -> Message:
        time = change.timestamp or None
        number, past = change.update_id, change.past_update_id
        if whole:
            return Snapshot(
                market, number, change.bids, change.asks, depth=self.depth, time=time
            )
        if not 0 <= past < number:
            reason = f"past_update_id={past}, update_id={number}"
            raise MalformedMessage(reason, market)
        return Delta(market, past, number, change.bids, change.asks, time)

    def _parse_other(
        self, frame: str | bytes, session: Session, reason: str
    ) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.method == "depth_update":
            last = control.params[-1:] if isinstance(control.params, list) else []
            named = [market for market in last if isinstance(market, str)]
            raise MalformedMessage(reason, *named)
        if control.method:
            return ()  # another channel
        if control.id is None and control.error is None:
            raise MalformedMessage("neither a book nor an answer")
        return _answer(control, session)

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /api/v4/public/markets``."""
        return (Request(path="/api/v4/public/markets"),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``moneyPrec`` and ``stockPrec`` are digits after the point."""
        markets: list[Market] = self.decode(self.decoder(list[Market]), body)
        return [
            Instrument(
                symbol=entry.name,
                price_step=Decimal(1).scaleb(-entry.moneyPrec),
                size_step=Decimal(1).scaleb(-entry.stockPrec),
                active=entry.tradesEnabled,
            )
            for entry in markets
        ]


def _answer(control: Control, session: Session) -> Sequence[Message]:
    """Answers give the request's id; "too many requests" (7) is not for good."""
    subscribing, market = session.requests.get(control.id or 0, (False, ""))
    problem = control.error
    if problem is not None:
        if problem.code == TOO_MANY_REQUESTS or (market and not subscribing):
            return ()
        symbols = (market,) if market else ()
        return (Rejected(symbols, f"{problem.message} (code {problem.code})"),)
    if not market:
        return ()  # a pong
    return (Subscribed((market,)) if subscribing else Unsubscribed((market,)),)
