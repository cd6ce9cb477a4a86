"""
The contract between booksync and a venue: one class, one file, no global state.

A venue says four things: its **facts** (what it promises, with date and source), its
**requests** (subscribe frames, snapshot request, heartbeat), how a **frame becomes
messages**, and how its numbering reduces to ``(prev, last]``. It never touches a
book, a socket, a clock or a log.

What a connection must remember (Bitfinex's channel map, an id given to a request) is
the :meth:`Venue.session`: made anew for each connection, changed by ``subscribe``,
``unsubscribe`` and ``parse`` only. The same frames on a fresh session give the same
messages.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Message, Snapshot

__all__ = [
    "Assurance",
    "Crossing",
    "Facts",
    "Heartbeat",
    "Instrument",
    "Limits",
    "Lists",
    "Numbering",
    "Request",
    "Resync",
    "Source",
    "Venue",
]


class Assurance(enum.Enum):
    """How a lost delta of this venue shows itself."""

    #: Each delta names its predecessor.
    CHAINED = "chained"
    #: Numbers go up by one.
    COUNTED = "counted"
    #: Each delta covers a contiguous range of numbers.
    RANGED = "ranged"
    #: Deltas carry a checksum of the best levels, and no number.
    CHECKSUMMED = "checksummed"
    #: Only the order is known: a loss cannot be detected.
    ORDERED = "ordered"


class Lists(enum.Enum):
    """What a delta lists; decides whether an overlap with a snapshot is exact."""

    #: Every level that was touched, also those that moved and moved back.
    TOUCHED = "touched"
    #: Only levels that differ between its ends.
    NET = "net"
    #: Nobody knows: treated as ``NET``.
    UNKNOWN = "unknown"


class Crossing(enum.Enum):
    """What a crossed book means here."""

    #: A fault if it persists: costs a resync.
    SUSPICIOUS = "suspicious"
    #: Part of the market (auctions).
    NORMAL = "normal"
    #: Always present: readers want the uncrossed view.
    UNCROSS = "uncross"


class Numbering(enum.Enum):
    """What one run of sequence numbers covers."""

    SYMBOL = "symbol"
    CONNECTION = "connection"


class Source(enum.Enum):
    """Where a snapshot comes from."""

    #: A REST request.
    REST = "rest"
    #: The stream sends it after each subscribe.
    STREAM = "stream"
    #: A request frame on the stream's own connection.
    REQUEST = "request"
    #: Every frame is a whole book.
    EVERY_FRAME = "every-frame"


class Resync(enum.Enum):
    """What brings a new snapshot after a gap."""

    #: Fetch one (``Source.REST`` and ``Source.REQUEST``).
    FETCH = "fetch"
    #: Unsubscribe, wait for the answer, subscribe again.
    RESUBSCRIBE = "resubscribe"
    #: Open another connection.
    RECONNECT = "reconnect"
    #: Nothing to do: the next frame or a periodic snapshot replaces the book.
    WAIT = "wait"


class Limits(Struct, frozen=True, kw_only=True):
    """
    What the venue allows. Every number is the venue's own, or a safe guess below it.

    Args:
        symbols: Symbols put on one connection.
        symbols_per_frame: Symbols in one subscribe frame.
        messages: Client messages a second on one connection.
        connects: Connection attempts, per ``connects_window`` seconds.
        connects_window: See ``connects``.
        lifetime: Seconds after which the venue closes a connection by force.
        weight: REST weight allowed per ``weight_window`` seconds.
        weight_window: See ``weight``.
        used_weight_header: Response header that tells the weight used.
        frame_bytes: Largest frame accepted from the venue, after decompression.

    """

    symbols: int = 100
    symbols_per_frame: int = 50
    messages: float = 4.0
    connects: int = 60
    connects_window: float = 300.0
    lifetime: float | None = None
    weight: int = 600
    weight_window: float = 60.0
    used_weight_header: str | None = None
    frame_bytes: int = 16 * 1024 * 1024


class Facts(Struct, frozen=True, kw_only=True):
    """
    What is known of a venue's protocol, and how.

    Args:
        markets: For people: ``"spot"``, ``"USD-M futures"``.
        source: Where snapshots come from.
        assurance: How a loss shows itself.
        numbering: What the numbers run over; ``None`` where there are none.
        lists: What deltas list.
        crossing: What a crossed book means.
        resync: What brings a new snapshot.
        levels: Levels a side that the venue keeps, where it limits them.
        checksum: For people: what is hashed; ``None`` where there is none.
        acks: The venue confirms subscriptions.
        verified: What was checked on real frames, for people.
        unverified: What could not be confirmed: each is an option or unused.
        url: Where the facts stand.
        date: When they were read, ``YYYY-MM-DD``.

    """

    markets: str
    source: Source
    assurance: Assurance
    numbering: Numbering | None
    lists: Lists = Lists.UNKNOWN
    crossing: Crossing = Crossing.SUSPICIOUS
    resync: Resync
    levels: int | None = None
    checksum: str | None = None
    acks: bool = True
    verified: str = ""
    unverified: tuple[str, ...] = ()
    url: str
    date: str


class Request(Struct, frozen=True, kw_only=True):
    """
    One REST request, relative to the venue's REST base URL.

    ``path`` begins with a slash and is already escaped; ``weight`` is what the venue
    charges for it.
    """

    path: str
    params: Mapping[str, str] = {}
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    weight: int = 1


class Heartbeat(Struct, frozen=True, kw_only=True):
    """
    How a connection is kept, and found dead.

    Args:
        interval: Seconds between two frames made by :meth:`Venue.ping`; ``None``
            where the venue wants none.
        silence: Seconds without any frame after which the connection is presumed
            dead.

    """

    interval: float | None = None
    silence: float = 60.0


class Instrument(Struct, frozen=True, kw_only=True):
    """
    One market of a venue.

    Args:
        symbol: The venue's own spelling, as ``connect`` takes it.
        price_step: Smallest price step, where the venue gives one.
        size_step: Smallest size step, where the venue gives one.
        active: Whether it trades now.
        extra: What else the venue module itself needs (scales, precisions).

    """

    symbol: str
    price_step: Decimal | None = None
    size_step: Decimal | None = None
    active: bool = True
    extra: Mapping[str, Any] = {}


class Venue:
    """
    One venue's protocol; immutable once made. Subclass it, one file a venue.

    Args:
        numbers: ``Decimal`` (exact) or ``float``: what the book will hold.
        depth: Levels a side to ask a snapshot for; ``None`` = ``default_depth``.
        options: The venue's own options, checked against ``OPTIONS``.
        instruments: What the venue said of its markets, by symbol, where
            ``needs_instruments``.

    Raises:
        ConfigurationError: If an option or the depth is not one of this venue's.

    """

    #: How users name it. Lower case, unique.
    id: ClassVar[str]
    facts: ClassVar[Facts]
    limits: ClassVar[Limits] = Limits()
    heartbeat: ClassVar[Heartbeat] = Heartbeat()
    #: Base URLs, without a trailing slash.
    WS_URL: ClassVar[str]
    REST_URL: ClassVar[str] = ""
    #: Depths a snapshot may be asked for; empty where the venue gives no choice.
    DEPTHS: ClassVar[tuple[int, ...]] = ()
    #: The best value for its weight; ``None`` where the venue gives no choice.
    default_depth: ClassVar[int | None] = None
    #: Option name -> allowed values (empty tuple: any text), the default first.
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: Whether ``instruments`` must be loaded before the first frame is parsed.
    needs_instruments: ClassVar[bool] = False

    def __init__(
        self,
        *,
        numbers: type[Decimal | float] = Decimal,
        depth: int | None = None,
        options: Mapping[str, str] | None = None,
        instruments: Mapping[str, Instrument] | None = None,
    ) -> None:
        if numbers not in (Decimal, float):
            raise ConfigurationError("numbers must be decimal.Decimal or float")
        self.numbers = numbers
        self.depth = self._checked_depth(depth)
        self.options = self._checked_options(options or {})
        self.instruments: Mapping[str, Instrument] = dict(instruments or {})
        #: What a number that the venue sends as JSON *text* is decoded into.
        self.text: type = float if numbers is float else str
        #: What a number that the venue sends as a JSON *number* is decoded into.
        self.number: type = float if numbers is float else Decimal
        self.setup()

    # -- for subclasses to fill in ------------------------------------------------

    def setup(self) -> None:
        """Make decoders and the like. Called once, last in ``__init__``."""

    def session(self) -> Any:
        """Make the memory of one new connection."""
        return None

    def handshake(self) -> Request | None:
        """REST request to be made before each connection (KuCoin's token)."""
        return None

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """
        URL to connect to.

        Args:
            base: ``WS_URL``, or what the user put in its place.
            answer: Body of the answer to :meth:`handshake`, where there is one.

        """
        del answer
        return base

    def subscribe(self, symbols: Sequence[str], session: Any) -> list[str | bytes]:
        """Frames that subscribe ``symbols`` (at most ``limits.symbols`` of them)."""
        raise AssertionError

    def unsubscribe(self, symbols: Sequence[str], session: Any) -> list[str | bytes]:
        """Frames that end ``symbols``."""
        raise AssertionError

    def parse(self, frame: str | bytes, session: Any) -> Sequence[Message]:
        """
        Say what a frame means.

        Args:
            frame: Text of a text frame, bytes of a binary one.
            session: The memory of the connection that it came on.

        Returns:
            Messages in order; none for a frame that does not concern books.

        Raises:
            MalformedMessage: If it is not what the venue documents. Nothing else.

        """
        raise AssertionError

    def ping(self, session: Any) -> str | bytes:
        """Frame to send every ``heartbeat.interval`` seconds."""
        raise AssertionError

    def snapshot_request(self, symbol: str) -> Request:
        """REST request for a snapshot (``Source.REST``)."""
        raise AssertionError

    def snapshot_frame(self, symbol: str, session: Any) -> str | bytes:
        """Request frame for a snapshot (``Source.REQUEST``); ``parse`` answers."""
        raise AssertionError

    def parse_snapshot(self, body: bytes, symbol: str) -> Snapshot:
        """
        Read the answer to :meth:`snapshot_request`.

        Raises:
            SubscriptionRejected: If the venue says that there is no such symbol.
            MalformedMessage: If it is anything else but a snapshot.

        """
        raise AssertionError

    def snapshot_symbol(self, url: str) -> str | None:
        """
        Whose snapshot ``url`` asks for; ``None`` if it asks for something else.

        By path and query, never by host: hosts and old paths differ in recordings.
        """
        del url
        return None

    def instrument_requests(self) -> Sequence[Request]:
        """REST requests that list the venue's markets."""
        return ()

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """
        Read one answer to :meth:`instrument_requests`.

        Raises:
            MalformedMessage: If it is not one.

        """
        raise AssertionError

    #: ``checksum(bids, asks, symbol)`` computes the venue's checksum from levels best
    #: first, as ``(price text, size text)``; ``None`` where the venue has none.
    checksum: Callable[..., int] | None = None
    #: Levels a side that ``checksum`` reads.
    checksum_levels: ClassVar[int] = 25

    # -- shared ---------------------------------------------------------------------

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """
        Spell ``symbol`` as this venue does; raise on what can't be one.

        Raises:
            ConfigurationError: If it is empty or has characters no symbol has.

        """
        if not symbol or len(symbol) > 64 or not symbol.isprintable() or " " in symbol:  # noqa: PLR2004
            raise ConfigurationError(f"not a symbol: {symbol!r}")
        return symbol

    def _checked_depth(self, depth: int | None) -> int | None:
        if depth is None:
            return self.default_depth
        if self.DEPTHS and depth not in self.DEPTHS:
            allowed = ", ".join(map(str, self.DEPTHS))
            raise ConfigurationError(
                f"{self.id} has no snapshot depth {depth}: choose one of {allowed}"
            )
        return depth

    def _checked_options(self, options: Mapping[str, str]) -> dict[str, str]:
        for name, value in options.items():
            if name not in self.OPTIONS:
                known = ", ".join(sorted(self.OPTIONS)) or "none"
                raise ConfigurationError(
                    f"{self.id} has no option {name!r} (it has: {known})"
                )
            allowed = self.OPTIONS[name]
            if allowed and value not in allowed:
                raise ConfigurationError(
                    f"{self.id}: {name} must be one of {', '.join(allowed)}"
                )
        defaults = {name: values[0] for name, values in self.OPTIONS.items() if values}
        return {**defaults, **options}

    @staticmethod
    def decode(decoder: msgspec.json.Decoder[Any], data: str | bytes) -> Any:
        """Decode ``data``; every failure becomes :exc:`MalformedMessage`."""
        try:
            return decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedMessage(str(error)) from None
