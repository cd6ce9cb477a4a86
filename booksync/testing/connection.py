"""
One websocket connection, as its venue sees it, down to the bytes.

The protocol is websockets' own, without its I/O, so that a fault can do what no
well-behaved server does: stop reading, never answer, vanish.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from websockets.exceptions import InvalidState
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from booksync.testing.cut import Delta
from booksync.testing.dialects.base import (
    Action,
    Ask,
    Frame,
    Send,
    Session,
    Stream,
    Subscribe,
    Unsubscribe,
)
from booksync.testing.outbox import Outbox

if TYPE_CHECKING:
    from booksync.testing.server import Server

__all__ = ["Connection"]

#: Bytes that may wait for a client that does not read; more, and it is dropped.
_BUFFER = 64 * 1024 * 1024
#: Seconds that a client has for its part of a close.
_CLOSING = 5.0


class Connection:
    """
    One client's websocket.

    Args:
        server: Whose client.
        id_: Its number on this server, from 1.
        reader: Of the TCP connection.
        writer: Likewise.

    """

    def __init__(
        self,
        server: Server,
        id_: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.id = id_
        self.session = Session(id_, "", {})
        #: Text and binary frames that the client sent, the newest 1,000.
        self.received: deque[Frame] = deque(maxlen=1000)
        self._server = server
        self._reader = reader
        self._writer = writer
        self._protocol = ServerProtocol(max_size=2**20)
        self._outbox = Outbox(self, self.session, server.dialect, server.faults)
        self._loop = asyncio.get_running_loop()
        self._timers: set[asyncio.TimerHandle] = set()
        self._due: dict[str, float] = {}
        self._recent: deque[float] = deque()
        self._parts: list[bytes] = []
        self._text = True
        self._frozen = False

    def __repr__(self) -> str:
        """Show path, streams and whether it is alive."""
        state = "frozen" if self._frozen else self._protocol.state.name.lower()
        streams = len(self.session.streams)
        return f"<Connection {self.id} {self.session.path} {state} {streams} streams>"

    @property
    def open(self) -> bool:
        """Whether frames can be sent."""
        return self._protocol.state is OPEN

    # -- its life -------------------------------------------------------------------

    async def run(self, head: bytes) -> None:
        """Serve the client whose HTTP request began with ``head``, until it is gone."""
        self._protocol.receive_data(head)
        for handshake in self._protocol.events_received():
            assert isinstance(handshake, Handshake)
            self._accept(handshake)
        self._flush()
        try:
            while data := await self._read():
                if not self._frozen:
                    self._receive(data)
        except ConnectionError:
            pass
        finally:
            self._end()

    def _accept(self, handshake: Handshake) -> None:
        url = urlsplit(handshake.path)
        self.session.path = url.path
        self.session.query = dict(parse_qsl(url.query))
        greeting = self._server.dialect.opens(self.session)
        if greeting is None:
            refusal = self._protocol.reject(404, "no such stream path\n")
            self._protocol.send_response(refusal)
            return
        self._protocol.send_response(self._protocol.accept(handshake))
        if not self.open:
            return
        now, server = self._loop.time(), self._server
        every = {
            "ping": server.ping_every,
            "beat": server.dialect.beat_every,
            "expire": server.lifetime,
        }
        self._due = {what: now + wait for what, wait in every.items() if wait}
        server.faults.on_calm.add(self.calm)
        server.opened(self)
        self._do(greeting)

    async def _read(self) -> bytes:
        while True:
            due = min(self._due.values(), default=math.inf)
            try:
                async with asyncio.timeout_at(None if due == math.inf else due):
                    return await self._reader.read(65536)
            except TimeoutError:
                self._fire()

    def _end(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._server.faults.on_calm.discard(self.calm)
        self._server.closed(self)
        self._writer.transport.abort()

    def _fire(self) -> None:
        """Do what has become due."""
        now, server = self._loop.time(), self._server
        for what in [what for what, due in self._due.items() if due <= now]:
            del self._due[what]
            if what == "ping" and server.ping_every:
                self._due[what] = now + server.ping_every
                self._due.setdefault("pong", now + server.pong_within)
                self.ping()
            elif what == "beat" and server.dialect.beat_every:
                self._due[what] = now + server.dialect.beat_every
                self._do(server.dialect.beat(self.session))
            elif what == "pong":
                self.close(1011, "no pong")
            else:
                self.close(1001, "lifetime is over")

    # -- what comes in --------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            assert isinstance(event, WireFrame)
            if event.opcode is Opcode.PONG:
                self._due.pop("pong", None)
            if event.opcode is not Opcode.CLOSE:
                self._count()
            if event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
                self._assemble(event)
        self._flush()
        self._server.changed()

    def _assemble(self, part: WireFrame) -> None:
        if part.opcode is not Opcode.CONT:
            self._text = part.opcode is Opcode.TEXT
            self._parts.clear()
        self._parts.append(bytes(part.data))
        if not part.fin or not self.open:
            return
        whole = b"".join(self._parts)
        frame: Frame = whole.decode(errors="replace") if self._text else whole
        self.received.append(frame)
        self._do(self._server.dialect.receive(self.session, frame))

    def _count(self) -> None:
        """Close on a client that talks too much."""
        limit = self._server.messages
        if limit is None:
            return
        now = self._loop.time()
        self._recent.append(now)
        while self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if len(self._recent) > limit:
            self.close(1008, "Too many requests")

    def _do(self, actions: Iterable[Action]) -> None:
        server, session = self._server, self.session
        for action in actions:
            match action:
                case Send(frame):
                    self._outbox.control(frame)
                case Subscribe(stream):
                    session.streams[stream.name] = stream
                    server.subscribed_to(self, stream)
                case Unsubscribe(name):
                    stream_ = session.streams.pop(name, None)
                    if stream_:
                        server.unsubscribed_from(self, stream_)
                case Ask(stream, request):
                    server.asked(self, stream, request)
                case _:
                    self.close(action.code, action.reason)

    # -- what goes out --------------------------------------------------------------

    def perform(self, actions: Iterable[Action]) -> None:
        """Do what the dialect says, of the venue's own accord."""
        self._do(actions)

    def deliver(self, frame: Frame, stream: Stream, delta: Delta | None = None) -> None:
        """Send market data; ``delta`` as :meth:`Outbox.data` takes it."""
        if self.open and not self._frozen:
            self._outbox.data(frame, stream, delta)

    def write(self, frame: Frame) -> None:
        """Send a frame now."""
        if not self.open:
            return
        if isinstance(frame, str):
            self._protocol.send_text(frame.encode())
        else:
            self._protocol.send_binary(frame)
        self._flush()

    def ping(self) -> None:
        """Send a protocol ping."""
        if self.open:
            self._protocol.send_ping(b"%d" % int(self._loop.time() * 1000))
            self._flush()

    def close(self, code: int, reason: str = "") -> None:
        """Close with the venue's word; abort if the client does not answer."""
        try:
            self._protocol.send_close(code, reason)
        except InvalidState:
            return
        self._flush()
        self.later(_CLOSING, self.abort)

    def abort(self) -> None:
        """End the TCP connection."""
        self._writer.transport.abort()

    def freeze(self, seconds: float) -> None:
        """Neither answer nor send any more; abort after ``seconds``."""
        self._frozen = True
        self._due.clear()
        self.later(seconds, self.abort)

    def calm(self) -> None:
        """End what lasts."""
        self._outbox.calm()
        if self._frozen:
            self.abort()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call back, if the connection still is there."""
        if math.isinf(seconds):
            return

        def fire() -> None:
            self._timers.discard(timer)
            call()

        timer = self._loop.call_later(seconds, fire)
        self._timers.add(timer)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if self._frozen or self._writer.is_closing():
                continue
            if data:
                self._writer.write(data)
            else:
                self._writer.close()
        if self._writer.transport.get_write_buffer_size() > _BUFFER:
            self.abort()
