"""
Hyperliquid ``l2Book``: every frame is the whole book, 20 levels a side.

Facts: hyperliquid.gitbook.io (websocket subscriptions, timeouts and heartbeats, rate
limits) and the probe of 2026-09-24 in nemanull/arbitrage-observatory, read 2026-11;
checked on frames of 2025.

There is no delta and no number: a lost frame costs freshness, nothing else. A book's
sequence is its ``time``, so that an older one is told from a newer. Since 2026 the
default stream comes every 5.4 s only, and ``fast=yes`` every 0.54 s with 5 levels.

An unknown coin closes the whole connection without a word: a feed gives such a coin a
connection of its own, so that the others live.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct, field

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Message, Rejected, Snapshot
from booksync.venues.declared import (
    DeclaredVenue,
    Operation,
    Requests,
    acknowledged,
    pairs,
    partly,
)
from booksync.venues.facts import (
    Assurance,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Request,
    Resync,
    Source,
)

__all__ = ["Hyperliquid"]

N = TypeVar("N")
CHANNEL = "l2Book"
LEVELS, FAST_LEVELS = 20, 5
PERPETUAL_DECIMALS, SPOT_DECIMALS = 6, 8
Places = Annotated[int, msgspec.Meta(ge=0, le=30)]
Time = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Level(Struct, Generic[N], gc=False):
    """``{"px":"84143.0","sz":"10.25923","n":25}``; ``n`` counts orders."""

    price: N = field(name="px")
    size: N = field(name="sz")


class Book(Struct, Generic[N], gc=False):
    """Bids and asks, both best first; ``time`` in milliseconds."""

    coin: str
    time: Time
    levels: tuple[list[Level[N]], list[Level[N]]]
    fast: bool | None = None


class Frame(Struct, Generic[N], gc=False):
    """``{"channel":"l2Book","data":{…}}``."""

    channel: str
    data: Book[N]


class Subscription(Struct):
    """What an answer repeats."""

    type: str = ""
    coin: str = ""


class Answer(Struct):
    """``subscriptionResponse``."""

    method: str
    subscription: Subscription


class Control(Struct):
    """Everything else."""

    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class Named(Struct):
    """What can still be read of a broken book."""

    coin: str = ""


class Token(Struct):
    """A spot asset."""

    index: int
    szDecimals: Places  # noqa: N815 - the venue's name


class Asset(Struct):
    """A perpetual, or a spot pair of two ``tokens``."""

    name: str
    szDecimals: Places = 0  # noqa: N815 - the venue's name
    tokens: list[int] = []
    isDelisted: bool = False  # noqa: N815


class Meta(Struct):
    """Answer to ``{"type":"meta"}`` and to ``{"type":"spotMeta"}``."""

    universe: list[Asset]
    tokens: list[Token] | None = None


class Hyperliquid(DeclaredVenue):
    """Hyperliquid perpetuals (``BTC``, ``xyz:SP500``) and spot (``@107``)."""

    id = "hyperliquid"
    facts = Facts(
        markets="perpetuals, spot",
        source=Source.EVERY_FRAME,
        assurance=Assurance.ORDERED,
        numbering=None,
        resync=Resync.WAIT,
        levels=LEVELS,
        verified="whole books: BTC perpetual, 2025",
        unverified=(
            "fast, nSigFigs and mantissa",
            "answers and errors",
            "spot and HIP-3 symbols (the latter are not listed as instruments)",
        ),
        url="https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions",
        date="2026-11-01",
    )
    limits = Limits(
        symbols_per_frame=1,
        messages=10.0,  # of 33
        connects=15,  # of 30
        connects_window=60.0,
        weight=1200,
    )
    heartbeat = Heartbeat(interval=20.0, silence=45.0)
    WS_URL = "wss://api.hyperliquid.xyz/ws"
    REST_URL = "https://api.hyperliquid.xyz"
    PING = '{"method":"ping"}'
    PUSH, CONTROL, LISTING = Frame, Control, Meta
    LISTINGS = tuple(
        Request(
            path="/info",
            method="POST",
            body=msgspec.json.encode({"type": kind}),
            headers={"Content-Type": "application/json"},
            weight=20,
        )
        for kind in ("meta", "spotMeta")
    )
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "fast": ("no", "yes"),
        "nSigFigs": ("all", "2", "3", "4", "5"),
        "mantissa": ("none", "1", "2", "5"),
    }

    def setup(self) -> None:
        """
        Say what a subscription asks for.

        A bad parameter closes the whole connection without a word.
        """
        super().setup()
        self._answer = self.decoder(Answer)
        self._word = self.decoder(str)
        self._fast = self.options["fast"] == "yes"
        figures, mantissa = self.options["nSigFigs"], self.options["mantissa"]
        if mantissa != "none" and figures != "5":
            raise ConfigurationError("hyperliquid: mantissa goes with nSigFigs=5 only")
        self._extra: dict[str, Any] = {"fast": True} if self._fast else {}
        if figures != "all":
            self._extra["nSigFigs"] = int(figures)
        if mantissa != "none":
            self._extra["mantissa"] = int(mantissa)

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}``."""
        (symbol,) = symbols
        wanted = {"type": CHANNEL, "coin": symbol, **self._extra}
        return {"method": operation, "subscription": wanted}

    def read_push(self, push: Frame[Any], session: Requests) -> Sequence[Message]:
        """A whole book."""
        if push.channel != CHANNEL:
            return ()
        book = push.data
        bids, asks = map(pairs, book.levels)
        depth = FAST_LEVELS if self._fast or book.fast else LEVELS
        return (Snapshot(book.coin, book.time, bids, asks, depth, book.time / 1000),)

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """A broken book, an error in words, or an answer."""
        data = bytes(control.data)
        if control.channel == CHANNEL:
            raise MalformedMessage(problem, partly(data, Named).coin or None)
        if control.channel == "error":
            return (Rejected((), self.decode(self._word, data)),)
        if control.channel != "subscriptionResponse":
            return ()  # a pong, another channel
        answer: Answer = self.decode(self._answer, data)
        if answer.subscription.type != CHANNEL:
            return ()
        return (acknowledged(answer.method, [answer.subscription.coin]),)

    def listed(self, answer: Meta) -> Iterable[Instrument]:
        """At most 5 significant figures, and ``6 - szDecimals`` decimals (spot 8)."""
        sizes = {token.index: token.szDecimals for token in answer.tokens or ()}
        most = PERPETUAL_DECIMALS if answer.tokens is None else SPOT_DECIMALS
        for asset in answer.universe:
            places = asset.szDecimals
            if answer.tokens is not None:
                places = sizes.get(asset.tokens[0], 0) if asset.tokens else 0
            yield Instrument(
                symbol=asset.name,
                price_step=Decimal((0, (1,), min(places - most, 0))),
                size_step=Decimal((0, (1,), -places)),
                active=not asset.isDelisted,
            )
