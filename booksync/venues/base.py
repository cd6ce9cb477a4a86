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

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import Message, Snapshot
from booksync.venues.facts import Facts, Heartbeat, Instrument, Limits, Request

#: What msgspec raises on bytes that are not what its decoder wants.
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)

__all__ = ["Count", "Instant", "Integer", "Venue", "bounded_gunzip"]

#: A number or a time as venues send them: never negative, never huge.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
#: One that may be negative, never huge: larger ones overflow a float.
Integer = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
#: A time as text, with its zone.
Instant = Annotated[datetime, msgspec.Meta(tz=True)]

Texts = tuple[str, str]


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
    #: What is known of the protocol; ``setup`` may narrow it to what an option chose.
    facts: Facts
    limits: ClassVar[Limits] = Limits()
    heartbeat: ClassVar[Heartbeat] = Heartbeat()
    #: Base URLs, without a trailing slash.
    WS_URL: ClassVar[str]
    REST_URL: ClassVar[str] = ""
    #: Headers of the websocket handshake.
    WS_HEADERS: ClassVar[Mapping[str, str]] = {}
    #: Depths a snapshot may be asked for; empty where the venue gives no choice.
    DEPTHS: ClassVar[tuple[int, ...]] = ()
    #: The best value for its weight; ``None`` where the venue gives no choice.
    default_depth: ClassVar[int | None] = None
    #: Option name -> allowed values (empty tuple: any text), the default first.
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: Whether ``instruments`` must be loaded before the first frame is parsed.
    needs_instruments: ClassVar[bool] = False
    #: Levels a side that :meth:`checksum` reads.
    checksum_levels: ClassVar[int] = 25

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
        fast = numbers is float and self.facts.checksum is None
        #: What a number that the venue sends as JSON *text* is decoded into. Where
        #: there is a checksum it stays text: that is what is hashed.
        self.text: type = float if fast else str
        #: What a number that the venue sends as a JSON *number* is decoded into.
        self.number: type = float if fast else Decimal
        #: Levels a side that the book is cut to after each change, where the venue
        #: sends no delete for a level that leaves its window. ``setup`` may set it.
        self.keep: int | None = None
        #: Prices may be zero or negative (options, spreads). ``setup`` may set it.
        self.signed = False
        self.setup()

    def again(
        self,
        *,
        depth: int | None = None,
        instruments: Mapping[str, Instrument] | None = None,
    ) -> Self:
        """Make the same venue once more, but for what is given."""
        return type(self)(
            numbers=self.numbers,
            depth=self.depth if depth is None else depth,
            options=self.options,
            instruments=self.instruments if instruments is None else instruments,
        )

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

    def greet(self, session: Any, now: float) -> list[str | bytes]:
        """Frames to send once, before the first subscribe (Bitfinex's ``conf``)."""
        return []

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        """
        Frames that subscribe ``symbols``.

        Args:
            symbols: At most ``limits.symbols`` of them; split over frames as
                ``limits.symbols_per_frame`` says.
            session: The connection's memory.
            now: Seconds since 1970, for venues that want it in their frames.

        """
        raise AssertionError

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
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

    def ping(self, session: Any, now: float) -> str | bytes:
        """Frame to send every ``heartbeat.interval`` seconds."""
        raise AssertionError

    def snapshot_request(self, symbol: str) -> Request:
        """REST request for a snapshot (``Source.REST``)."""
        raise AssertionError

    def snapshot_frame(self, symbol: str, session: Any, now: float) -> str | bytes:
        """Request frame for a snapshot (``Source.REQUEST``); ``parse`` answers."""
        raise AssertionError

    def parse_snapshot(
        self, body: bytes | str, symbol: str, depth: int | None
    ) -> Snapshot:
        """
        Read the answer to :meth:`snapshot_request`.

        Args:
            body: What the venue answered.
            symbol: Whom was asked for (many answers do not say).
            depth: Levels a side that were asked for: becomes ``Snapshot.depth``.

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

    def snapshot_depth(self, url: str) -> int | None:
        """Levels a side that ``url`` asks for; ``self.depth`` where it is silent."""
        query = parse_qs(urlsplit(url).query)
        for name in ("limit", "depth", "sz", "count"):
            if query.get(name, [""])[0].isdecimal():
                return int(query[name][0])
        return self.depth

    def instrument_requests(self) -> Sequence[Request]:
        """REST requests that list the venue's markets."""
        return ()

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """
        Read one answer to :meth:`instrument_requests`.

        Raises:
            MalformedMessage: If it is not one.

        """
        raise AssertionError

    def checksum(
        self, bids: Sequence[Texts], asks: Sequence[Texts], symbol: str
    ) -> int:
        """
        Compute the venue's checksum of a book (only where ``facts.checksum``).

        Args:
            bids: The best ``checksum_levels`` as ``(price, size)`` text without
                exponent, trailing zeros as received; best first.
            asks: Likewise.
            symbol: Whose book it is.

        """
        raise AssertionError

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
        if not self.DEPTHS and self.default_depth is None:
            raise ConfigurationError(f"{self.id} has no choice of snapshot depth")
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
    def decoder(kind: Any, *wire: type) -> msgspec.json.Decoder[Any]:
        """Make a decoder of ``kind``, or of ``kind[wire]``; numbers in text allowed."""
        return msgspec.json.Decoder(kind[wire] if wire else kind, strict=False)

    @staticmethod
    def decode(decoder: msgspec.json.Decoder[Any], data: str | bytes) -> Any:
        """Decode ``data``; every failure becomes :exc:`MalformedMessage`."""
        try:
            return decoder.decode(data)
        except UNREADABLE as error:
            raise MalformedMessage(str(error)) from None


def bounded_gunzip(data: bytes, limit: int) -> bytes:
    """
    Decompress gzip or zlib ``data``.

    Raises:
        MalformedMessage: If it is neither, is cut short, or holds more than ``limit``
            bytes (a bomb).

    """
    inflater = zlib.decompressobj(wbits=47)
    try:
        text = inflater.decompress(data, limit)
    except zlib.error as error:
        raise MalformedMessage(f"compressed frame: {error}") from None
    if not inflater.eof:
        raise MalformedMessage("compressed frame: cut short, or too large")
    return text
