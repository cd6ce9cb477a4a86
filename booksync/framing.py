"""
Plain frames cut from a websocket's bytes at once; all else is left to ``websockets``.

Nearly every frame of a venue is whole, neither masked nor compressed, and within the
limit: two bytes of header say so. Such frames are cut here. A control frame is handed
to ``websockets`` as it stands. At anything else (a fragment, a compressed frame, one
that is too large, a text that is none, bytes that break the protocol) this steps aside
for good: what follows goes through ``websockets`` as if nothing were between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.protocol import State

__all__ = ["FramedConnection"]

TEXT, BINARY = 0x81, 0x82
CONTROL = (0x88, 0x89, 0x8A)
END_OF_HEAD = b"\r\n\r\n"
#: Frames that may wait to be taken; past it the socket is not read.
MAX_FRAMES = 16
#: Bytes written that a peer has not read: one that never reads is given up.
MAX_UNSENT = 16 * 1024 * 1024


class FramedConnection(ClientConnection):
    """
    A client's connection; read it by :meth:`more` and ``frames``, not by ``recv``.

    Args:
        *given: As for ``ClientConnection``.
        limit: Largest frame, in bytes, that is cut here.
        **named: As for ``ClientConnection``.

    """

    def __init__(self, *given: Any, limit: int, **named: Any) -> None:  # noqa: ANN401
        super().__init__(*given, **named)
        #: Frames that were received: text of a text frame, bytes of a binary one.
        self.frames: deque[str | bytes] = deque()
        self._limit = limit
        #: The last bytes of the handshake's head; ``None`` once that has ended.
        self._head: bytes | None = b""
        #: Whether ``websockets`` does it all.
        self._aside = False
        #: The beginning of a frame, and how many bytes of it must be there.
        self._rest = bytearray()
        self._needed = 2
        self._held = False
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        if self._head is not None:
            data = self._after_head(data)
            if self._head is not None:
                return
        if self._aside:
            super().data_received(data)
        elif self.protocol.state is not State.OPEN:
            self._step_aside(data)
        else:
            self._cut(data)
        self._wake()
        # Pongs must not wait without bound for a deaf peer.
        if self.transport.get_write_buffer_size() > MAX_UNSENT:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that no bytes follow."""
        super().connection_lost(exc)
        self._lost = True
        self._wake()

    async def more(self) -> None:
        """
        Wait until there are ``frames``.

        Raises:
            ConnectionClosed: If there will be none.

        """
        if self._held:
            self._held = False
            self.transport.resume_reading()
        while not self.frames:
            if self._aside or self._lost:
                self.frames.append(await self.recv())
                return
            self._waiter = self.loop.create_future()
            await self._waiter

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _after_head(self, data: bytes) -> bytes:
        """Leave the handshake to ``websockets``; return what follows it."""
        before = self._head or b""
        at = (before + data).find(END_OF_HEAD)
        if at < 0:
            self._head = (before + data)[1 - len(END_OF_HEAD) :]
            end = len(data)
        else:
            self._head = None
            end = at + len(END_OF_HEAD) - len(before)
        super().data_received(data[:end])
        return data[end:]

    def _step_aside(self, data: bytes) -> None:
        self._aside = True
        whole = bytes(self._rest) + data
        self._rest.clear()
        if whole:
            super().data_received(whole)

    def _cut(self, data: bytes) -> None:
        """Take the whole frames of ``data``, keep the beginning of another."""
        rest = self._rest
        if rest:
            rest += data
            if len(rest) < self._needed:
                return
            data = bytes(rest)
            rest.clear()
        at = self._take(data)
        if self._aside:
            return
        if at < len(data):
            rest += data[at:]
        if len(self.frames) >= MAX_FRAMES and not self._held:
            self._held = True
            self.transport.pause_reading()

    def _take(self, data: bytes) -> int:
        """Take whole frames; return where the one begins that is not whole."""
        size, at, limit = len(data), 0, self._limit
        take = self.frames.append
        self._needed = 2
        while size - at >= 2:  # noqa: PLR2004 - the shortest header
            start, end = span(data, at, limit)
            if end > size:
                self._needed = end - at
                break
            kind = data[at]
            if kind == TEXT and end:
                try:
                    take(data[start:end].decode())
                except UnicodeDecodeError:
                    self._step_aside(data[at:])
                    break
            elif kind == BINARY and end:
                take(data[start:end])
            elif not self._controlled(data, at, end):
                break
            at = end
        return at

    def _controlled(self, data: bytes, at: int, end: int) -> bool:
        """Hand over a control frame, or step aside and return false."""
        if end and data[at] in CONTROL:
            super().data_received(data[at:end])
            if self.protocol.state is State.OPEN:
                return True
            at = end
        self._step_aside(data[at:])
        return False


def span(data: bytes, at: int, limit: int) -> tuple[int, int]:
    r"""
    Say where the payload of the frame at ``at`` begins and ends.

    It ends past ``data`` if not all of it is there, and at 0 if it is masked or
    longer than ``limit``.

    >>> span(b"\x81\x02hi", 0, limit=9)
    (2, 4)
    """
    length, start = data[at + 1], at + 2
    if length > 125:  # noqa: PLR2004 - RFC 6455, 5.2
        if length > 127:  # noqa: PLR2004
            return start, 0
        start = at + (4 if length == 126 else 10)  # noqa: PLR2004
        if start > len(data):
            return start, start
        length = int.from_bytes(data[at + 2 : start])
    return start, (start + length if length <= limit else 0)
