"""The way of a frame to the socket, and what can happen to it on that way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from booksync.testing.cut import Delta, Snapshot
from booksync.testing.dialects.base import Dialect, Frame, Session, Stream
from booksync.testing.faults import STREAM_FAULTS, Fault, Faults, Order
from booksync.testing.market import Market, Spec

__all__ = ["Outbox", "Wire"]

_STRANGER = Spec("STRANGERUSDT")


class Wire(Protocol):
    """What an outbox does with a connection."""

    def write(self, frame: Frame) -> None:
        """Send a frame now."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call back, if the connection still is there."""

    def close(self, code: int, reason: str = "") -> None:
        """Close with the venue's word."""

    def abort(self) -> None:
        """End the TCP connection."""

    def freeze(self, seconds: float) -> None:
        """Neither read nor write any more; abort after ``seconds``."""


class Outbox:
    """
    One connection's frames, sealed and in order, with faults.

    Args:
        wire: The connection.
        session: What the dialect knows of it.
        dialect: Whose frames they are.
        faults: Orders to be carried out.

    """

    def __init__(
        self, wire: Wire, session: Session, dialect: Dialect, faults: Faults
    ) -> None:
        self._wire = wire
        self._session = session
        self._dialect = dialect
        self._faults = faults
        self._held: list[Frame] | None = None
        self._behind: dict[str, Frame] = {}
        self._silent: set[str | None] = set()

    def control(self, frame: Frame) -> None:
        """Send a frame that faults leave alone, though not before older ones."""
        self._emit(self._seal(frame))

    def data(self, frame: Frame, stream: Stream, delta: Delta | None = None) -> None:
        """
        Send market data, unless something happens to it.

        Args:
            frame: As the dialect wrote it.
            stream: Which stream it is of.
            delta: What it says; ``None`` if it is to arrive unharmed.

        """
        frame = self._seal(frame)
        symbol = stream.symbol or ""
        if self._silent & {None, symbol}:
            return
        order = None
        if delta is not None:
            order = self._faults.take(STREAM_FAULTS, symbol, self._session.id)
        if order is None:
            self._emit(frame)
        elif delta is not None and order.kind in {Fault.FOREIGN, Fault.SEQUENCE_RESET}:
            self._besides(order, frame, stream, delta)
        else:
            self._harm(order, frame, symbol)
        if symbol in self._behind and not (order and order.kind is Fault.REORDER):
            self._release(symbol)

    def calm(self) -> None:
        """End what lasts."""
        self._silent.clear()
        self._flush()

    # -- what happens ---------------------------------------------------------------

    def _harm(self, order: Order, frame: Frame, symbol: str) -> None:
        match order.kind:
            case Fault.DROP:
                pass
            case Fault.REPEAT:
                self._emit(frame)
                self._emit(frame)
            case Fault.REORDER:
                self._release(symbol)
                self._behind[symbol] = frame
                self._wire.later(order.seconds, lambda: self._release(symbol))
            case Fault.DELAY | Fault.BURST:
                self._held = [] if self._held is None else self._held
                self._emit(frame)
                self._wire.later(order.seconds, self._flush)
            case Fault.SILENCE:
                self._silent.add(order.symbol)
                self._wire.later(
                    order.seconds, lambda: self._silent.discard(order.symbol)
                )
            case _:
                self._break(order, frame)

    def _break(self, order: Order, frame: Frame) -> None:
        match order.kind:
            case Fault.HALF_OPEN:
                self._wire.freeze(order.seconds)
            case Fault.CUT_CLEAN:
                self._wire.close(self._faults.rng.choice((1000, 1001)))
            case Fault.CUT_1012:
                self._wire.close(1012, "service restart")
            case Fault.CUT_1006:
                self._wire.abort()
            case _:
                rng = self._faults.rng
                self._emit(self._dialect.malform(frame, order.kind, rng))

    def _besides(
        self, order: Order, frame: Frame, stream: Stream, delta: Delta
    ) -> None:
        if order.kind is Fault.SEQUENCE_RESET:
            self._dialect.exchange.reset(delta.market.symbol)
        else:
            self._foreign(stream, delta)
        self._emit(frame)

    def _foreign(self, stream: Stream, delta: Delta) -> None:
        """Write the delta once more, as if it were of another symbol."""
        mine = delta.market.symbol
        here = {each.symbol for each in self._session.streams.values()}
        markets = self._dialect.exchange.markets.values()
        others = [market for market in markets if market.symbol not in here]
        other = others[0] if others else Market(_STRANGER, "", 2, 1)
        name = stream.name.replace(mine, other.symbol)
        name = name.replace(mine.lower(), other.symbol.lower())
        strange = replace(stream, name=name, symbol=other.symbol)
        for frame in self._written(strange, replace(delta, market=other)):
            self._emit(self._seal(frame))

    def _written(self, stream: Stream, delta: Delta) -> list[Frame]:
        if not self._dialect.whole:
            return self._dialect.delta(self._session, stream, delta)
        sides = delta.bids, delta.asks
        snapshot = Snapshot(delta.market, delta.last, delta.end, *sides, delta.time)
        return self._dialect.snapshot(self._session, stream, snapshot)

    # -- the way out ----------------------------------------------------------------

    def _seal(self, frame: Frame) -> Frame:
        frame = self._dialect.seal(self._session, frame)
        self._session.sent += 1
        return frame

    def _release(self, symbol: str) -> None:
        frame = self._behind.pop(symbol, None)
        if frame is not None:
            self._emit(frame)

    def _flush(self) -> None:
        held, self._held = self._held, None
        for frame in held or ():
            self._wire.write(frame)

    def _emit(self, frame: Frame) -> None:
        if self._held is None:
            self._wire.write(frame)
        else:
            self._held.append(frame)
