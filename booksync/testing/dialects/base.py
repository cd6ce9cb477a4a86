# ruff: noqa: ANN401, ARG002 - requests are the dialect's own, and it may ignore them
"""
The contract of a dialect: a venue's protocol, seen from the venue.

**To add one**, write one file beside this with a subclass of :class:`Dialect`; it is
found by itself. Write it from the venue's sheet alone: it must import nothing of
``booksync`` outside ``booksync.testing``, or one misreading would hide in both.

Say how ids run (``numbering``), then fill in what the venue has:

========================== ========================================================
snapshots by REST          ``rest`` answers a path with :class:`Wanted`,
                           ``snapshot_body`` writes it (Binance, KuCoin, Bitstamp)
snapshots in the stream    ``snapshots = True``; ``snapshot`` writes the frame that
                           follows each subscribe (OKX, Kraken, Coinbase)
snapshots by request frame ``receive`` yields :class:`Ask` (HTX, Bitvavo)
every frame a whole book   ``whole = True``; ``snapshot`` writes each of them
                           (Hyperliquid, Upbit)
a window of n levels       ``Stream.depth``; ``leaving`` says who deletes (Kraken)
a number per connection    in ``seal``: it sees every frame once, in the order of
                           sending, before any fault (Coinbase Advanced, Bitfinex)
gzip                       ``seal`` compresses; ``unseal`` and ``reseal`` too, so
                           that frames can be malformed
protobuf                   ``delta`` returns ``bytes``; ``malform`` of your own
client pings               ``receive`` yields :class:`Send` (OKX's ``pong``)
server pings, heartbeats   ``beat_every`` and ``beat`` (HTX, Kraken)
checksums                  in ``delta``, from ``self.exchange.levels(...)``
========================== ========================================================

A delta has ``prev``, ``first`` and ``last`` ids, so ``U``/``u``, ``pu``, ``prevSeqId``
and ``seq`` are all there. ``market.prices.text`` and ``market.sizes.text`` give the
exact text, padded to as many places as the venue pads to.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from booksync.testing.cut import Delta, Levels, Numbering, Snapshot
from booksync.testing.exchange import Exchange
from booksync.testing.faults import Fault
from booksync.testing.market import Market

__all__ = [
    "Action",
    "Answer",
    "Ask",
    "Close",
    "Dialect",
    "Frame",
    "Request",
    "Send",
    "Session",
    "Stream",
    "Subscribe",
    "Unsubscribe",
    "Wanted",
]

#: A text frame or a binary one.
Frame = str | bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """
    What one subscription gets.

    Args:
        name: How the venue calls it; unique on a connection.
        symbol: Of the exchange; ``None`` for a stream that stays silent.
        every: Deltas come at every so many intervals of the exchange.
        depth: Levels a side that it shows; all if not given.

    """

    name: str
    symbol: str | None
    every: int = 1
    depth: int | None = None


@dataclass(slots=True)
class Session:
    """
    What a dialect knows of one connection.

    Args:
        id: Its number on this server.
        path: Of the URL.
        query: Of the URL, the last of each name.
        streams: What it is subscribed to, by name.
        sent: Frames sealed so far.
        memory: The dialect's own.

    """

    id: int
    path: str
    query: Mapping[str, str]
    streams: dict[str, Stream] = field(default_factory=dict)
    sent: int = 0
    memory: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame that is no market data: an acknowledgement, a pong."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Begin a stream; where ``Dialect.snapshots``, its snapshot comes first."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """End the stream of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a snapshot of ``stream``, in answer to ``request``."""

    stream: Stream
    request: Any = None


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection."""

    code: int
    reason: str = ""


Action = Send | Subscribe | Unsubscribe | Ask | Close


@dataclass(frozen=True, slots=True)
class Request:
    """A REST request; ``query`` has the last of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """A REST answer and what it costs."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """A REST request for a snapshot: of what, how deep, and what it costs."""

    symbol: str
    depth: int | None
    weight: int = 1


class Dialect:
    """
    One venue's protocol; it keeps nothing but what is in a :class:`Session`.

    Args:
        exchange: Whose markets it speaks of.

    """

    #: The venue's id, as ``booksync.connect`` takes it.
    name: ClassVar[str]
    #: How ids run, and whether a delta is sent when nothing changed.
    numbering: ClassVar[Numbering] = Numbering.SYMBOL
    empty: ClassVar[bool] = False
    #: A subscribe is answered with a snapshot in the stream.
    snapshots: ClassVar[bool] = False
    #: Every frame is a whole book.
    whole: ClassVar[bool] = False
    #: Levels that leave a stream's window are deleted by the venue.
    leaving: ClassVar[bool] = True
    #: Path of ``Server.ws_url``, where the venue's base URL has one.
    base_path: ClassVar[str] = ""
    #: Seconds between protocol pings, and for how long a pong may be missing.
    ping_every: ClassVar[float | None] = None
    pong_within: ClassVar[float] = 60.0
    #: Seconds between calls of ``beat``.
    beat_every: ClassVar[float | None] = None
    #: Client frames allowed in a second, pings and pongs too.
    messages: ClassVar[int | None] = None
    #: REST weight allowed in any 60 seconds, and the header that tells it.
    weight: ClassVar[int] = 6000
    weight_header: ClassVar[str | None] = None
    #: Keys whose absence or wrong type makes a frame worthless.
    essential: ClassVar[tuple[str, ...]] = ()

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    # -- the stream -----------------------------------------------------------------

    def opens(self, session: Session) -> Iterable[Action] | None:
        """Greet a new connection; ``None`` refuses it (HTTP 404)."""
        return ()

    def receive(self, session: Session, frame: Frame) -> Iterable[Action]:
        """Answer a client's frame. Lazy: each action is done before the next one."""
        raise NotImplementedError

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """Write a delta."""
        raise NotImplementedError

    def snapshot(
        self, session: Session, stream: Stream, snapshot: Snapshot, request: Any = None
    ) -> list[Frame]:
        """Write a snapshot for the stream, in answer to ``request`` if it was one."""
        raise NotImplementedError

    def beat(self, session: Session) -> Iterable[Action]:
        """Do what the venue does of its own accord, every ``beat_every`` seconds."""
        return ()

    def shutdown(self, session: Session) -> Iterable[Action]:
        """Tell a client that the venue is about to restart."""
        return ()

    def seal(self, session: Session, frame: Frame) -> Frame:
        """Do the last step before the socket: number the frame, compress it."""
        return frame

    def unseal(self, frame: Frame) -> str:
        """Give the JSON text of a sealed frame."""
        return frame if isinstance(frame, str) else frame.decode()

    def reseal(self, text: str, like: Frame) -> Frame:
        """Turn JSON text that was unsealed, and changed, into a frame again."""
        return text if isinstance(like, str) else text.encode()

    # -- REST -----------------------------------------------------------------------

    def rest(self, request: Request) -> Answer | Wanted:
        """Understand a request."""
        return Answer(b"not found", 404)

    def snapshot_body(self, snapshot: Snapshot, request: Request) -> bytes:
        """Write the answer to a request that wanted a snapshot."""
        raise NotImplementedError

    def refusal(self, status: int, until: float) -> bytes:
        """Write the body of a 429 or 418 that holds ``until`` (seconds since 1970)."""
        return b""

    # -- for faults -----------------------------------------------------------------

    def malform(self, frame: Frame, kind: Fault, rng: random.Random) -> Frame:
        """Break a frame as ``kind`` says, or cut it in two if it has no such part."""
        if kind is Fault.MALFORMED_JSON:
            return frame[: len(frame) // 2]
        message = json.loads(self.unseal(frame))
        if kind in {Fault.MALFORMED_MISSING, Fault.MALFORMED_TYPE}:
            places: list[tuple[Any, Any]] = list(_fields(message, self.essential))
        else:
            levels = list(_levels(message)) or list(_new_level(message))
            places = [(level, place) for level in levels for place in (0, 1)]
        if not places:
            return frame[: len(frame) // 2]
        holder, key = rng.choice(places)
        match kind:
            case Fault.MALFORMED_MISSING:
                del holder[key]
            case Fault.MALFORMED_TYPE:
                holder[key] = rng.choice(({"is": "wrong"}, True, 1.5))
            case Fault.MALFORMED_NAN:
                holder[key] = "NaN"
            case _:
                holder[key] = f"-{holder[key] if key == 0 else '1.5'}"
        return self.reseal(json.dumps(message, separators=(",", ":")), frame)

    # -- for subclasses -------------------------------------------------------------

    @staticmethod
    def pairs(
        market: Market, levels: Levels, places: tuple[int | None, int | None]
    ) -> list[list[str]]:
        """Write levels as ``[price, size]``, padded to ``places``."""
        price, size = market.prices.text, market.sizes.text
        return [[price(p, places[0]), size(s, places[1])] for p, s in levels]


def _children(message: Any) -> Iterable[Any]:
    if isinstance(message, dict):
        return message.values()
    return message if isinstance(message, list) else ()


def _fields(message: Any, keys: tuple[str, ...]) -> Iterable[tuple[Any, str]]:
    if isinstance(message, dict):
        yield from ((message, key) for key in keys if key in message)
    for value in _children(message):
        yield from _fields(value, keys)


def _levels(message: Any) -> Iterable[list[Any]]:
    """Find what looks like ``[price, size]``."""
    scalars = all(isinstance(value, str | int | float) for value in _children(message))
    if isinstance(message, list) and scalars and len(message) > 1:
        yield message
    else:
        for value in _children(message):
            yield from _levels(value)


def _new_level(message: Any) -> Iterable[list[Any]]:
    """Put a level into the first empty list."""
    for value in _children(message):
        if value == []:
            value.append(["1", "1"])
            yield value[0]
            return
        for level in _new_level(value):
            yield level
            return
