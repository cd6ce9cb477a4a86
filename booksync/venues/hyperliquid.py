"""
Hyperliquid ``l2Book``: every frame is the whole book, 20 levels a side.

Facts: hyperliquid.gitbook.io (websocket subscriptions, timeouts and heartbeats, rate
limits) and the probe of 2026-09-24 in nemanull/arbitrage-observatory, read 2026-11;
checked on frames of 2025.

There is no delta and no number: a lost frame costs freshness, nothing else. A book's
sequence is its ``time``, so that an older one is told from a newer. Since 2026 the
default stream comes every 5.4 s only, and ``fast=yes`` every 0.54 s with 5 levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Message, Rejected, Snapshot, Subscribed, Unsubscribed
from booksync.venues.base import UNREADABLE, Venue
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

    px: N
    sz: N


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


class Hyperliquid(Venue):
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
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "fast": ("no", "yes"),
        "nSigFigs": ("all", "2", "3", "4", "5"),
        "mantissa": ("none", "1", "2", "5"),
    }

    def setup(self) -> None:
        """
        Make the decoders, and what a subscription asks for.

        A bad parameter closes the whole connection without a word.
        """
        self._frame = self.decoder(Frame, self.text)
        self._control = self.decoder(Control)
        self._answer = self.decoder(Answer)
        self._named = self.decoder(Named)
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

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        """``{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}``."""
        return self._frames("subscribe", symbols)

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        return self._frames("unsubscribe", symbols)

    def _frames(self, method: str, symbols: Sequence[str]) -> list[str | bytes]:
        return [
            msgspec.json.encode(
                {
                    "method": method,
                    "subscription": {"type": CHANNEL, "coin": symbol, **self._extra},
                }
            ).decode()
            for symbol in symbols
        ]

    def ping(self, session: Any, now: float) -> str:
        """Answered by ``{"channel":"pong"}``."""
        return '{"method":"ping"}'

    def parse(self, frame: str | bytes, session: Any) -> Sequence[Message]:
        """Read a book, an answer or an error."""
        try:
            found = self._frame.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, str(error))
        book = found.data
        if found.channel != CHANNEL:
            return ()
        bids, asks = book.levels
        return (
            Snapshot(
                book.coin,
                book.time,
                [(level.px, level.sz) for level in bids],
                [(level.px, level.sz) for level in asks],
                FAST_LEVELS if self._fast or book.fast else LEVELS,
                book.time / 1000,
            ),
        )

    def _parse_other(self, frame: str | bytes, reason: str) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.channel == CHANNEL:
            named = self.decode(self._named, bytes(control.data))
            raise MalformedMessage(reason, named.coin or None)
        if control.channel == "error":
            return (Rejected((), self.decode(self._word, bytes(control.data))),)
        if control.channel != "subscriptionResponse":
            return ()  # a pong, another channel
        answer: Answer = self.decode(self._answer, bytes(control.data))
        if answer.subscription.type != CHANNEL:
            return ()
        done = Subscribed if answer.method == "subscribe" else Unsubscribed
        return (done((answer.subscription.coin,)),)

    def instrument_requests(self) -> Sequence[Request]:
        """``POST /info``, once for perpetuals, once for spot."""
        return [
            Request(
                path="/info",
                method="POST",
                body=msgspec.json.encode({"type": kind}),
                headers={"Content-Type": "application/json"},
                weight=20,
            )
            for kind in ("meta", "spotMeta")
        ]

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """At most 5 significant figures, and ``6 - szDecimals`` decimals (spot 8)."""
        meta: Meta = self.decode(self.decoder(Meta), body)
        sizes = {token.index: token.szDecimals for token in meta.tokens or ()}
        most = PERPETUAL_DECIMALS if meta.tokens is None else SPOT_DECIMALS
        found = []
        for asset in meta.universe:
            places = asset.szDecimals
            if meta.tokens is not None:
                places = sizes.get(asset.tokens[0], 0) if asset.tokens else 0
            found.append(
                Instrument(
                    symbol=asset.name,
                    price_step=Decimal((0, (1,), min(places - most, 0))),
                    size_step=Decimal((0, (1,), -places)),
                    active=not asset.isDelisted,
                )
            )
        return found
