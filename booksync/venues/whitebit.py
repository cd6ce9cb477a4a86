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

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Message, Snapshot
from booksync.venues.base import Count
from booksync.venues.declared import DeclaredVenue, Operation, Requests, step
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
TOO_MANY_REQUESTS = 7


class Change(Struct, Generic[N], gc=False):
    """``{"timestamp":…,"update_id":214403,"past_update_id":214399,"asks":[…]}``."""

    update_id: Count
    past_update_id: Count = -1  # a snapshot has none
    #: A side without changes is left out.
    bids: list[tuple[N, N]] = []
    asks: list[tuple[N, N]] = []
    timestamp: Annotated[float, Meta(ge=0, lt=1e12)] = 0.0


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
    stockPrec: int  # noqa: N815 - the venue's name
    moneyPrec: int  # noqa: N815
    tradesEnabled: bool = False  # noqa: N815


class WhiteBIT(DeclaredVenue):
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
    PING = '{"id":0,"method":"ping","params":[]}'  # other than JSON closes
    PUSH, CONTROL, LISTING = Update, Control, list[Market]
    LISTINGS = (Request(path="/api/v4/public/markets"),)
    CASE = "upper"
    DEPTHS: ClassVar[tuple[int, ...]] = (1, 5, 10, 20, 30, 50, 100)
    default_depth = 100

    def setup(self) -> None:
        """Keep as many levels as subscribed: the documentation asks for the cut."""
        super().setup()
        self.keep = self.depth

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"id":1,"method":"depth_subscribe","params":["BTC_USDT",100,"0",true]}``."""
        rest = (self.depth, "0", True) if operation == "subscribe" else ()
        params = (*symbols, *rest)
        return {"id": number, "method": f"depth_{operation}", "params": params}

    def read_push(self, push: Update[Any], session: Requests) -> Sequence[Message]:
        """``past_update_id`` is the number of the change before."""
        market, change = push.params.market, push.params.change
        number, past = change.update_id, change.past_update_id
        bids, asks, time = change.bids, change.asks, change.timestamp or None
        if push.params.whole:
            return (Snapshot(market, number, bids, asks, self.depth, time),)
        if not 0 <= past < number:
            reason = f"past_update_id={past}, update_id={number}"
            raise MalformedMessage(reason, market)
        return (Delta(market, past, number, bids, asks, time),)

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """Answers give the request's id (0 is the ping's)."""
        if control.method == "depth_update":
            last = control.params[-1:] if isinstance(control.params, list) else []
            named = [market for market in last if isinstance(market, str)]
            raise MalformedMessage(problem, *named)
        if control.method:
            return ()  # another channel
        if control.error is None and control.id is None:
            raise MalformedMessage("neither a book nor an answer")
        if control.error is None:
            return session.confirmed(control.id)
        code = control.error.code
        if code == TOO_MANY_REQUESTS:
            return ()  # not for good
        return session.refused(control.id, f"{control.error.message} (code {code})")

    def listed(self, answer: list[Market]) -> Iterable[Instrument]:
        """``moneyPrec`` and ``stockPrec`` are digits after the point."""
        for entry in answer:
            yield Instrument(
                symbol=entry.name,
                price_step=step(entry.moneyPrec),
                size_step=step(entry.stockPrec),
                active=entry.tradesEnabled,
            )
