"""
What venues that speak JSON have in common, so that each says only what is its own.

A :class:`DeclaredVenue` names the structs of its frames and answers; decoding, request
ids, acknowledgements, REST addresses and errors are done here. Whatever a venue does
otherwise it overrides: the contract is :class:`~booksync.venues.base.Venue`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from booksync.errors import MalformedMessage, SubscriptionRejected
from booksync.messages import (
    Halted,
    Message,
    Rejected,
    Resumed,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE, Venue
from booksync.venues.facts import Instrument, Request

__all__ = [
    "Counted",
    "DeclaredVenue",
    "Operation",
    "Requests",
    "RestBook",
    "Row",
    "acknowledged",
    "concerned",
    "halts",
    "pairs",
    "partly",
    "step",
]

N = TypeVar("N")
T = TypeVar("T")
Operation = Literal["subscribe", "unsubscribe"]

#: Requests of one connection that may wait for an answer; the oldest is forgotten.
MAX_WAITING = 4096
#: Decimal places that any venue's numbers have.
MAX_PLACES = 64


class Row(Struct, Generic[N], array_like=True, gc=False):
    """A level that is a row of price, size and perhaps more: ``["8.5","415","0"]``."""

    price: N
    size: N


def pairs(levels: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Make ``(price, size)`` of levels that name theirs so."""
    return [(level.price, level.size) for level in levels]


def partly(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Read as much of a broken ``data`` as ``kind`` says; its defaults if nothing."""
    try:
        return msgspec.json.decode(data, type=kind)
    except UNREADABLE:
        return kind()


class Requests:
    """
    What one connection has asked and the venue not yet answered: the plain session.

    A venue that must remember more subclasses it.
    """

    __slots__ = ("_waiting", "number")

    def __init__(self) -> None:
        #: Id of the last request; the first is 1.
        self.number = 0
        self._waiting: dict[str, tuple[str, tuple[str, ...]]] = {}

    def add(self, operation: str, symbols: Sequence[str]) -> int:
        """Give a request its id; ``"snapshot"`` is an operation too."""
        self.number += 1
        self._waiting[str(self.number)] = (operation, tuple(symbols))
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        return self.number

    def of(self, number: object) -> tuple[str | None, tuple[str, ...]]:
        """Operation and symbols of a request; ``(None, ())`` if it is not known."""
        return self._waiting.get(str(number), (None, ()))

    def confirmed(self, number: object) -> Sequence[Message]:
        """Say what the venue's consent to a request means; nothing if unknown."""
        operation, symbols = self.of(number)
        if operation not in {"subscribe", "unsubscribe"}:
            return ()
        return (acknowledged(operation, symbols),)

    def refused(
        self, number: object, reason: str, *, final: bool = True
    ) -> Sequence[Message]:
        """
        Say what the venue's refusal of a request means.

        Args:
            number: The request's id, as the venue repeats it.
            reason: Its words.
            final: Asking again is hopeless; if not, its symbols are asked for later.
                A request that is not known, or was for none, names no symbol.

        """
        operation, symbols = self.of(number)
        if operation == "unsubscribe":
            return ()
        return (Rejected(symbols, reason, final=final),)

    def missed(self, symbol: str | None) -> None:
        """Remember that a frame could not be read (``None``: nobody knows whose)."""


class Counted(Requests):
    """
    The session of a venue without numbers: each symbol's messages are counted here.

    One that cannot be read takes a number too: the next delta is a gap, not a guess.
    """

    __slots__ = ("numbers",)

    def __init__(self) -> None:
        super().__init__()
        #: Symbol -> number of its last message; everybody's who was asked for.
        self.numbers: dict[str, int] = {}

    def add(self, operation: str, symbols: Sequence[str]) -> int:
        """Count from here."""
        for symbol in symbols:
            self.numbers.setdefault(symbol, 0)
        return super().add(operation, symbols)

    def count(self, symbol: str) -> int:
        """Give the next message of ``symbol`` its number."""
        number = self.numbers[symbol] = self.numbers.get(symbol, 0) + 1
        return number

    def missed(self, symbol: str | None) -> None:
        """Leave a hole: everybody's, if nobody knows whose."""
        for name in concerned(self.numbers, symbol):
            self.numbers[name] += 1


def concerned(known: Collection[str], symbol: str | None) -> tuple[str, ...]:
    """Say whom an unreadable frame concerns: everybody, if nobody known is named."""
    return (symbol,) if symbol is not None and symbol in known else tuple(known)


def acknowledged(operation: str, symbols: Sequence[str]) -> Message:
    """Make the message that ``operation`` was done."""
    done = Subscribed if operation == "subscribe" else Unsubscribed
    return done(tuple(symbols))


def halts(symbols: Iterable[str], reason: str | None) -> Sequence[Message]:
    """Say of each symbol that it is halted for ``reason``, or goes on if ``None``."""
    if reason is None:
        return [Resumed(symbol) for symbol in symbols]
    return [Halted(symbol, reason) for symbol in symbols]


class RestBook(Struct, frozen=True, kw_only=True):
    """
    Where a snapshot is asked for.

    Args:
        path: Of the request.
        symbol: Name of the parameter that holds the symbol.
        depth: Name of the parameter that holds the levels a side, if there is one.
        params: Further parameters.
        weight: What the venue charges.
        ending: How the path of such a request ends, also in recordings of other hosts
            and versions; ``path`` if empty.

    """

    path: str
    symbol: str = "symbol"
    depth: str | None = None
    params: Mapping[str, str] = {}
    weight: int = 1
    ending: str = ""


class DeclaredVenue(Venue):
    """A venue of JSON frames, made of its declared structs. One file a venue."""

    #: Struct of a frame that changes a book, generic in its numbers; tried first.
    PUSH: ClassVar[Any]
    #: Struct of a snapshot in the stream, generic, where it is no ``PUSH``.
    WHOLE: ClassVar[Any] = None
    #: Struct of every other frame: acknowledgements, errors, notices, other channels.
    CONTROL: ClassVar[Any]
    #: Struct of the answer to a snapshot request, generic in its numbers.
    BOOK: ClassVar[Any] = None
    #: Struct of an answer that refuses a snapshot, where it names a reason.
    PROBLEM: ClassVar[Any] = None
    #: Struct of the answer to an instrument request.
    LISTING: ClassVar[Any] = None
    #: What a connection remembers.
    SESSION: ClassVar[type[Requests]] = Requests
    #: The venue sends prices and sizes as JSON numbers, not as text.
    JSON_NUMBERS: ClassVar[bool] = False
    #: Where snapshots are asked for (``Source.REST``).
    REST_BOOK: ClassVar[RestBook | None] = None
    #: Requests that list the markets.
    LISTINGS: ClassVar[Sequence[Request]] = ()
    #: How symbols are spelled.
    CASE: ClassVar[Literal["upper", "lower", "as-is"]] = "as-is"
    #: What :meth:`ping` sends, where it is always the same.
    PING: ClassVar[str] = ""
    #: Text that answers a ping, where it is not JSON.
    PONG: ClassVar[str | None] = None
    #: What is put behind the base URL of the stream; ``{name}`` is an option's value.
    STREAM_PATH: ClassVar[str] = ""

    def setup(self) -> None:
        """Make the decoders; a subclass goes on from here."""
        self._push = self.wire_decoder(self.PUSH)
        self._whole = self.wire_decoder(self.WHOLE)
        self._control = self.wire_decoder(self.CONTROL)
        self._book = self.wire_decoder(self.BOOK)
        self._listing = self.wire_decoder(self.LISTING)
        #: Where an option changes what ``limits`` says.
        self.symbols_per_frame = self.limits.symbols_per_frame

    def wire_decoder(self, kind: Any) -> msgspec.json.Decoder[Any]:
        """Make a decoder of ``kind``, with its numbers as this venue reads them."""
        number = self.number if self.JSON_NUMBERS else self.text
        generic = getattr(kind, "__parameters__", ())
        return self.decoder(kind[(number,) * len(generic)] if generic else kind)

    def amend(self, **facts: Any) -> None:
        """Say of this instance what an option makes true: fields of ``facts``."""
        vars(self)["facts"] = msgspec.structs.replace(self.facts, **facts)

    # -- requests -------------------------------------------------------------------

    def session(self) -> Any:
        """Make a ``SESSION``."""
        return self.SESSION()

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Spell ``symbol`` in the venue's case."""
        symbol = super().prepare(symbol)
        spell = {"upper": str.upper, "lower": str.lower}.get(cls.CASE, str)
        return spell(symbol)

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """Put ``STREAM_PATH`` behind ``base``."""
        return base + self.STREAM_PATH.format(**self.options)

    def ping(self, session: Any, now: float) -> str | bytes:
        """Send ``PING``."""
        return self.PING

    def subscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        """One :meth:`request` for every ``symbols_per_frame`` symbols."""
        return self._frames("subscribe", symbols, session, now)

    def unsubscribe(
        self, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        """Likewise."""
        return self._frames("unsubscribe", symbols, session, now)

    def _frames(
        self, operation: Operation, symbols: Sequence[str], session: Any, now: float
    ) -> list[str | bytes]:
        size = self.symbols_per_frame
        frames: list[str | bytes] = []
        for start in range(0, len(symbols), size):
            part = symbols[start : start + size]
            number = session.add(operation, part)
            request = self.request(operation, part, number, now)
            frames.append(msgspec.json.encode(request).decode())
        return frames

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """
        Say what one frame asks, as JSON.

        Args:
            operation: ``"subscribe"`` or ``"unsubscribe"``.
            symbols: At most ``symbols_per_frame``.
            number: The request's id on this connection.
            now: Seconds since 1970.

        """
        raise AssertionError

    # -- frames -----------------------------------------------------------------------

    def parse(self, frame: str | bytes, session: Any) -> Sequence[Message]:
        """
        Read a frame: :meth:`read_push`, :meth:`read_whole` or :meth:`read_control`.

        In this order, whichever struct it fits.
        """
        try:
            push = self._push.decode(frame)
        except UNREADABLE as error:
            return self.parse_control(frame, session, str(error))
        return self.read_push(push, session)

    def parse_control(
        self, frame: str | bytes, session: Any, problem: str
    ) -> Sequence[Message]:
        """
        Read a frame that is no ``PUSH``: :meth:`read_whole` or :meth:`read_control`.

        Args:
            frame: As for :meth:`parse`.
            session: The connection's memory.
            problem: Why it is no ``PUSH``.

        """
        if self.PONG is not None and frame in {self.PONG, self.PONG.encode()}:
            return ()
        try:
            control = self.decode(self._control, frame)
            whose = None if self.WHOLE is None else self.whose(control, session)
            if whose is None:
                return self.read_control(control, session, problem)
            return self.read_whole(self._decoded(frame, whose), session)
        except MalformedMessage as error:
            session.missed(error.symbol)
            raise

    def _decoded(self, frame: str | bytes, whose: str) -> Any:
        try:
            return self._whole.decode(frame)
        except UNREADABLE as error:
            raise MalformedMessage(f"snapshot: {error}", whose or None) from None

    def whose(self, control: Any, session: Any) -> str | None:
        """
        Say whose a ``WHOLE`` is, as far as ``CONTROL`` tells.

        Returns:
            Its symbol, ``""`` if that is not known, ``None`` if it is no ``WHOLE``.

        """
        raise AssertionError

    def read_whole(self, whole: Any, session: Any) -> Sequence[Message]:
        """Say what a ``WHOLE`` means."""
        raise AssertionError

    def read_push(self, push: Any, session: Any) -> Sequence[Message]:
        """Say what a frame that changes books means."""
        raise AssertionError

    def read_control(
        self, control: Any, session: Any, problem: str
    ) -> Sequence[Message]:
        """
        Say what another frame means.

        Args:
            control: The frame, as ``CONTROL``.
            session: The connection's memory.
            problem: Why it is no ``PUSH``: the reason of the
                :exc:`~booksync.MalformedMessage` for a book that cannot be read.

        """
        raise AssertionError

    # -- REST -------------------------------------------------------------------------

    def snapshot_request(self, symbol: str) -> Request:
        """As ``REST_BOOK`` says."""
        place = self._rest_book()
        params = {place.symbol: symbol, **place.params}
        if place.depth is not None:
            params[place.depth] = str(self.depth)
        return Request(path=place.path, params=params, weight=place.weight)

    def _rest_book(self) -> RestBook:
        if self.REST_BOOK is None:
            raise AssertionError
        return self.REST_BOOK

    def snapshot_symbol(self, url: str) -> str | None:
        """By ``REST_BOOK``'s path and parameter."""
        if self.REST_BOOK is None:
            return None
        parts = urlsplit(url)
        ending = self.REST_BOOK.ending or self.REST_BOOK.path
        symbols = parse_qs(parts.query).get(self.REST_BOOK.symbol)
        return symbols[0] if symbols and parts.path.endswith(ending) else None

    def parse_snapshot(
        self, body: bytes | str, symbol: str, depth: int | None
    ) -> Snapshot:
        """Read ``BOOK``: :meth:`read_book`, or if it is none, :meth:`unknown`."""
        try:
            book = self._book.decode(body)
        except UNREADABLE as error:
            reason = self._unknown(body)
            if reason is not None:
                raise SubscriptionRejected(symbol, reason) from None
            raise MalformedMessage(f"snapshot: {error}", symbol) from None
        return self.read_book(book, symbol, depth)

    def read_book(self, book: Any, symbol: str, depth: int | None) -> Snapshot:
        """Make a snapshot of a ``BOOK``."""
        raise AssertionError

    def _unknown(self, body: bytes | str) -> str | None:
        if self.PROBLEM is None:
            return None
        try:
            problem = msgspec.json.decode(body, type=self.PROBLEM, strict=False)
        except UNREADABLE:
            return None
        return self.unknown(problem)

    def unknown(self, problem: Any) -> str | None:
        """Say why, if a ``PROBLEM`` means that there is no such symbol."""
        raise AssertionError

    def instrument_requests(self) -> Sequence[Request]:
        """Give ``LISTINGS``."""
        return self.LISTINGS

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """Read ``LISTING``; steps that no market can have make it malformed."""
        answer = self.decode(self._listing, body)
        try:
            found = list(self.listed(answer))
        except (ArithmeticError, LookupError, ValueError) as error:
            raise MalformedMessage(f"instruments: {error!r}") from None
        for instrument in found:
            for value in (instrument.price_step, instrument.size_step):
                if value is not None and not (value.is_finite() and value >= 0):
                    reason = f"{instrument.symbol!r} has the step {value}"
                    raise MalformedMessage(f"instruments: {reason}")
        return found

    def listed(self, answer: Any) -> Iterable[Instrument]:
        """Make the instruments of a ``LISTING``; may raise ``ValueError``."""
        raise AssertionError


def step(places: int | None) -> Decimal | None:
    """
    Give the step of numbers with so many decimal places.

    Raises:
        ValueError: If no venue's number has so many.

    >>> step(2)
    Decimal('0.01')

    """
    if places is None:
        return None
    if not -MAX_PLACES <= places <= MAX_PLACES:
        raise ValueError(f"{places} decimal places")
    return Decimal(1).scaleb(-places)
