"""
The transport against a server that means harm, over real loopback sockets.

:class:`Hostile` speaks just enough HTTP and websocket to break the rules of both. What
must hold: nothing is believed beyond its limit, in bytes or seconds, and every failure
is a :exc:`TransportError` or, where the user asked for it, a :exc:`ConfigurationError`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import gzip
import hashlib
import struct
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable

import pytest

from booksync import framing, venues
from booksync import transport as transports
from booksync.errors import ConfigurationError, MalformedMessage, TransportError
from booksync.fetching import LONGEST_STOP, retry_after
from booksync.transport import Transport, checked_url
from booksync.venues import Request, Source
from booksync.venues.base import bounded_gunzip

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"
TEXT, BINARY, CLOSE = 1, 2, 8


class Client:
    """One client of the hostile server, and what it asked for."""

    def __init__(self, reader, writer, head):
        self.reader, self.writer = reader, writer
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        pairs = (line.split(": ", 1) for line in lines[1:] if ": " in line)
        self.headers = {name.lower(): value for name, value in pairs}
        self.text = head.decode("latin-1")

    async def write(self, *parts):
        for part in parts:
            self.writer.write(part)
        await self.writer.drain()

    async def body(self, body, *headers):
        """Answer with status 200."""
        length = f"Content-Length: {len(body)}".encode()
        await self.write(OK, *(h + b"\r\n" for h in (length, *headers)), b"\r\n", body)

    async def upgrade(self, *, deflate=False):
        """Agree to be a websocket."""
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        extension = (
            "Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else ""
        )
        await self.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\n",
            f"Sec-WebSocket-Accept: {accept}\r\n{extension}\r\n".encode(),
        )

    async def frame(self, payload, opcode=TEXT, *, first=0x80, length=None):
        """Send a frame; ``length`` is what its head claims."""
        size = len(payload) if length is None else length
        head = bytes([first | opcode])
        if size < 126:
            head += bytes([size])
        elif size < 2**16:
            head += b"\x7e" + struct.pack(">H", size)
        else:
            head += b"\x7f" + struct.pack(">Q", size)
        await self.write(head, payload)

    async def receive(self):
        """One frame of the client: opcode and payload, unmasked."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(await self.reader.readexactly(width))
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(size)
        return first & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(data))

    async def closed_with(self):
        """Read until the client closes; the code that it gave."""
        while True:
            opcode, payload = await self.receive()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2])


Behaviour = Callable[[Client], Awaitable[None]]


class Hostile:
    """A server whose every connection does what a test says."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._tasks: set[asyncio.Task[None]] = set()
        self.ws_url = self.rest_url = ""
        self.clients: list[Client] = []
        self.failures: list[Exception] = []

    async def serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            client = Client(reader, writer, head)
            self.clients.append(client)
            await self._behaviour(client)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the peer left, or the test is over
        except Exception as error:  # noqa: BLE001 - fails the test
            self.failures.append(error)
        finally:
            self._tasks.discard(asyncio.current_task())
            writer.transport.abort()

    async def stop(self):
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.failures:
            raise self.failures[0]


@contextlib.asynccontextmanager
async def hostile(behaviour: Behaviour):
    """Serve for as long as the context lasts."""
    server = Hostile(behaviour)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server.ws_url, server.rest_url = (
        f"ws://127.0.0.1:{port}",
        f"http://127.0.0.1:{port}",
    )
    try:
        yield server
    finally:
        listener.close()
        await server.stop()


@contextlib.contextmanager
def memory(most):
    """Fail if more than ``most`` bytes are allocated at some moment."""
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most, f"{peak / MIB:.0f} MiB"


@functools.cache
def bomb(size, *, wbits=31, times=1):
    """``size`` zeros, compressed ``times`` over, without holding them at once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    block = bytes(MIB)
    packed = b"".join(packer.compress(block) for _ in range(size // MIB))
    packed += packer.flush()
    for _ in range(times - 1):
        packed = gzip.compress(packed, 9)
    return packed


# -- websockets ------------------------------------------------------------------------


async def first_frame(server, *, frame_bytes=MIB):
    """Open a stream, return its first frame, close it."""
    transport = Transport()
    async with asyncio.timeout(10):
        stream = await transport.stream(
            server.ws_url, headers={}, frame_bytes=frame_bytes
        )
        try:
            return await anext(aiter(stream))
        finally:
            await stream.close()


def talk(send, *, deflate=False):
    """A behaviour: upgrade, ``send(client)``, then wait for the close code."""
    codes = []

    async def behaviour(client):
        await client.upgrade(deflate=deflate)
        await send(client)
        codes.append(await client.closed_with())

    return behaviour, codes


async def test_largest_frame_that_is_allowed_is_taken():
    behaviour, _ = talk(lambda client: client.frame(b"x" * MIB))
    async with hostile(behaviour) as server:
        assert await first_frame(server) == "x" * MIB


TOO_LARGE = {
    "one frame": lambda client: client.frame(b"x" * (MIB + 1)),
    "a head that claims 4 EiB": lambda client: client.frame(b"x", length=2**62),
}


@pytest.mark.parametrize("send", [pytest.param(v, id=k) for k, v in TOO_LARGE.items()])
async def test_frame_that_is_too_large_ends_the_connection(send):
    behaviour, codes = talk(send)
    async with hostile(behaviour) as server:
        with pytest.raises(TransportError, match="1009"), memory(8 * MIB):
            await first_frame(server)
    assert codes == [1009]


async def test_message_of_small_fragments_may_not_be_too_large_either():
    async def send(client):
        await client.frame(b"x" * 60_000, first=0)
        for _ in range(40):
            await client.frame(b"x" * 60_000, opcode=0, first=0)

    behaviour, codes = talk(send)
    async with hostile(behaviour) as server:
        with pytest.raises(TransportError, match="1009"), memory(12 * MIB):
            await first_frame(server)
    assert codes == [1009]


async def test_compressed_frame_is_measured_after_decompression():
    packed = bomb(64 * MIB, wbits=-15)[:-1]
    assert len(packed) < MIB  # fits, as it comes

    behaviour, codes = talk(
        lambda client: client.frame(packed, first=0x80 | 0x40), deflate=True
    )
    async with hostile(behaviour) as server:
        with pytest.raises(TransportError, match="1009"), memory(16 * MIB):
            await first_frame(server)
    assert codes == [1009]


async def test_compressed_frame_within_the_limit_is_taken():
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(b"x" * 1000) + packer.flush(zlib.Z_SYNC_FLUSH)
    behaviour, _ = talk(
        lambda client: client.frame(packed[:-4], first=0x80 | 0x40), deflate=True
    )
    async with hostile(behaviour) as server:
        assert await first_frame(server) == "x" * 1000


async def test_text_that_is_no_utf8_ends_the_connection():
    behaviour, codes = talk(lambda client: client.frame(b'{"a":"\xc3\x28"}'))
    async with hostile(behaviour) as server:
        with pytest.raises(TransportError, match="1007"):
            await first_frame(server)
    assert codes == [1007]


async def test_binary_frame_is_told_from_a_text_frame():
    behaviour, _ = talk(lambda client: client.frame(b"\xc3\x28", BINARY))
    async with hostile(behaviour) as server:
        assert await first_frame(server) == b"\xc3\x28"


async def test_handshake_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(transports, "OPEN_TIMEOUT", 0.2)

    async def drip(client):
        await client.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        while True:
            await client.write(b"X: y\r\n")
            await asyncio.sleep(0.02)

    async with hostile(drip) as server:
        with pytest.raises(TransportError, match=r"(?i)time|many"):
            await first_frame(server)


ANSWERS = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "no upgrade": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "no accept": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "nothing": b"",
    "an endless line": b"HTTP/1.1 101 " + b"x" * 100_000 + b"\r\n\r\n",
    "a thousand headers": b"HTTP/1.1 101 X\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
}


@pytest.mark.parametrize("answer", [pytest.param(v, id=k) for k, v in ANSWERS.items()])
async def test_handshake_that_is_none_is_a_transport_error(answer):
    async with hostile(lambda client: client.write(answer)) as server:
        with pytest.raises(TransportError):
            await first_frame(server)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_websocket_is_not_redirected(status):
    behaviour, _ = talk(lambda client: client.frame(b"from elsewhere"))
    async with hostile(behaviour) as elsewhere:
        location = f"Location: {elsewhere.ws_url}/".encode()
        head = f"HTTP/1.1 {status} Moved\r\nContent-Length: 0\r\n".encode()

        async def redirect(client):
            await client.write(head, location, b"\r\n\r\n")

        async with hostile(redirect) as server:
            with pytest.raises(TransportError, match=str(status)):
                await first_frame(server)
        assert elsewhere.clients == []


async def test_pings_of_a_venue_that_never_reads_are_not_answered_without_end(
    monkeypatch,
):
    monkeypatch.setattr(framing, "MAX_UNSENT", 2 * MIB)
    pings = (bytes([0x89, 125]) + bytes(125)) * 5_000
    sent = 0

    async def flood(client):
        nonlocal sent
        await client.upgrade()
        client.writer.transport.pause_reading()
        for _ in range(50):
            await client.write(pings)
            sent += len(pings)
        await client.frame(b"done")
        await asyncio.Event().wait()

    async with hostile(flood) as server, asyncio.timeout(30):
        with pytest.raises(TransportError):
            await first_frame(server)
    assert sent < 24 * MIB


EVIL_HEADS = {
    "in a header": b"HTTP/1.1 101 X\r\nUpgrade: \x9b2Jred\r\nConnection: x\r\n\r\n",
    "in the status": b"HTTP/1.1 403 \x9b2J\x1b[31mred\r\n\r\n",
    "in the first line": b"\x1b[31mred\r\n\r\n",
    "in a name": b"HTTP/1.1 101 X\r\n\x1b[31m: red\r\n\r\n",
}


@pytest.mark.parametrize("head", [pytest.param(v, id=k) for k, v in EVIL_HEADS.items()])
async def test_what_is_told_of_a_handshake_is_fit_to_print(head):
    async with hostile(lambda client: client.write(head)) as server:
        with pytest.raises(TransportError) as raised:
            await first_frame(server)
    assert str(raised.value).isprintable()


SECRET = "user:hunter2@127.0.0.1:1/x?token=hunter2"


async def test_websocket_that_cannot_be_opened_names_no_secret():
    with pytest.raises(TransportError) as caught:
        async with asyncio.timeout(10):
            await Transport().stream(f"ws://{SECRET}", headers={}, frame_bytes=1_000)
    assert "127.0.0.1:1/x" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_request_that_cannot_be_sent_names_no_secret():
    rest = Transport().rest(f"http://{SECRET}")
    with pytest.raises(TransportError) as caught:
        await rest.request(Request(path=""))
    await rest.close()
    assert "127.0.0.1:1/x" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", [f"ftp://{SECRET}", "ws://h/?token=hunter2", "ws://[h?token=hunter2"]
)
def test_url_that_is_refused_names_no_secret(url):
    with pytest.raises(ConfigurationError) as caught:
        checked_url(url, ("wss", "ws"), plain=False)
    assert "hunter2" not in str(caught.value)


async def test_words_of_a_close_are_fit_to_print():
    words = (1008).to_bytes(2) + "\x1b[31mred\r\n\u202e".encode()
    behaviour, _ = talk(lambda client: client.frame(words, CLOSE))
    async with hostile(behaviour) as server:
        with pytest.raises(TransportError, match="1008") as raised:
            await first_frame(server)
    assert str(raised.value).isprintable()


# -- requests --------------------------------------------------------------------------


async def get(server, *, patience=5.0):
    rest = Transport(timeout=patience).rest(server.rest_url)
    try:
        return await rest.request(Request(path="/depth"))
    finally:
        await rest.close()


async def test_answer_is_given_whole():
    async with hostile(lambda client: client.body(b"{}", b"X-Weight: 3")) as server:
        answer = await get(server)
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["x-weight"] == "3"


async def test_body_compressed_by_gzip_is_unpacked():
    packed = gzip.compress(b'{"a":1}')
    encoded = b"Content-Encoding: gzip"
    async with hostile(lambda client: client.body(packed, encoded)) as server:
        assert (await get(server)).body == b'{"a":1}'


async def test_body_that_is_too_large_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(transports, "MAX_BODY", MIB)
    sent = 0

    async def endless(client):
        nonlocal sent
        await client.write(OK, b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            await client.write(b"10000\r\n", bytes(0x10000), b"\r\n")
            sent += 0x10000

    async with hostile(endless) as server:
        with pytest.raises(TransportError, match="more than"), memory(16 * MIB):
            await get(server)
    assert sent < 32 * MIB  # as much as sockets hold


ENCODINGS = {
    "gzip": (bomb, b"gzip"),
    "deflate": (lambda size: bomb(size, wbits=15), b"deflate"),
    "raw deflate": (lambda size: bomb(size, wbits=-15), b"deflate"),
}


@pytest.mark.parametrize(
    ("pack", "encoding"), [pytest.param(*v, id=k) for k, v in ENCODINGS.items()]
)
async def test_compressed_body_is_measured_after_decompression(
    pack, encoding, monkeypatch
):
    monkeypatch.setattr(transports, "MAX_BODY", 4 * MIB)
    packed = pack(64 * MIB)
    header = b"Content-Encoding: " + encoding
    async with hostile(lambda client: client.body(packed, header)) as server:
        with pytest.raises(TransportError):
            await get(server)


NESTED = {
    "gzip": (lambda: bomb(64 * MIB), b"gzip"),
    "gzip of gzip": (lambda: bomb(128 * MIB, times=2), b"gzip, gzip"),
    "gzip of deflate": (
        lambda: gzip.compress(bomb(64 * MIB, wbits=15)),
        b"deflate, gzip",
    ),
}


@pytest.mark.parametrize(
    ("pack", "encoding"), [pytest.param(*v, id=k) for k, v in NESTED.items()]
)
async def test_bomb_is_not_unpacked_before_it_is_measured(pack, encoding, monkeypatch):
    monkeypatch.setattr(transports, "MAX_BODY", 4 * MIB)
    packed = pack()
    header = b"Content-Encoding: " + encoding
    async with hostile(lambda client: client.body(packed, header)) as server:
        with pytest.raises(TransportError), memory(24 * MIB):
            await get(server)


async def test_only_gzip_is_asked_for_and_taken():
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor().compress(b"{}")
    encoded = b"Content-Encoding: zstd"
    async with hostile(lambda client: client.body(packed, encoded)) as server:
        with pytest.raises(TransportError, match="zstd"):
            await get(server)
    assert server.clients[0].headers["accept-encoding"] == "gzip"


async def test_broken_compression_is_a_transport_error():
    encoded = b"Content-Encoding: gzip"
    async with hostile(lambda client: client.body(b"not gzip", encoded)) as server:
        with pytest.raises(TransportError):
            await get(server)


SLOW = {
    "no answer": b"",
    "half a head": OK + b"Content-",
    "half a body": OK + b"Content-Length: 100\r\n\r\n{",
}


@pytest.mark.parametrize("begin", [pytest.param(v, id=k) for k, v in SLOW.items()])
async def test_answer_that_drips_is_given_up_as_a_whole(begin):
    async def drip(client):
        await client.write(begin)
        while True:  # always in time for a timeout between bytes
            await asyncio.sleep(0.01)
            await client.write(b" " if begin else b"")

    async with hostile(drip) as server:
        with pytest.raises(TransportError, match=r"within 0\.2 s"):
            await get(server, patience=0.2)


@pytest.mark.parametrize("status", [429, 418, 403, 503])
async def test_status_that_says_stop_counts_whatever_its_body(status):
    """Who cannot read a refusal must not ask again at once."""
    heads = f"HTTP/1.1 {status} Stop\r\nRetry-After: 30\r\n".encode()

    async def drip(client):
        await client.write(heads, b"Content-Length: 100\r\n\r\n")
        await client.reader.read()

    async def cut(client):
        await client.write(heads, b"Content-Length: 100\r\n\r\nno")

    async def empty(client):
        await client.write(
            heads, b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"
        )

    async def strange(client):
        await client.write(heads, b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx")

    for behaviour in (drip, cut, empty, strange):
        async with hostile(behaviour) as server:
            # The head comes at once, however busy the machine; the body never does.
            answer = await get(server, patience=2.0 if behaviour is drip else 10.0)
            assert answer.status == status
            assert answer.headers["retry-after"] == "30"


CUT = {
    "in the body": OK + b"Content-Length: 100\r\n\r\n{",
    "in a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
    "in the head": OK + b"Content-Len",
    "before all": b"",
}


@pytest.mark.parametrize("answer", [pytest.param(v, id=k) for k, v in CUT.items()])
async def test_answer_that_is_cut_is_a_transport_error(answer):
    async with hostile(lambda client: client.write(answer)) as server:
        with pytest.raises(TransportError):
            await get(server)


BROKEN = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "escapes in the status": b"\x1b[31mHTTP/1.1 200 OK\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a negative length": OK + b"Content-Length: -1\r\n\r\n",
    "a head without end": OK + b"X: " + b"y" * MIB,
    "a bad chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("answer", [pytest.param(v, id=k) for k, v in BROKEN.items()])
async def test_answer_that_is_not_http_is_a_transport_error_fit_to_print(answer):
    async with hostile(lambda client: client.write(answer)) as server:
        with pytest.raises(TransportError) as raised:
            await get(server)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_request_is_not_redirected(status):
    async with hostile(lambda client: client.body(b"{}")) as elsewhere:
        location = f"Location: {elsewhere.rest_url}/depth\r\n".encode()
        head = f"HTTP/1.1 {status} Moved\r\nContent-Length: 0\r\n".encode()

        async def redirect(client):
            await client.write(head, location, b"\r\n")

        async with hostile(redirect) as server:
            answer = await get(server)
        assert answer.status == status
        assert answer.url.startswith(server.rest_url)
        assert elsewhere.clients == []


# -- URLs ------------------------------------------------------------------------------

PLAIN = [
    "ws://example.com/x",
    "ws://10.0.0.1",
    "ws://127.0.0.1.example.com",
    "ws://[::2]",
]


@pytest.mark.parametrize("url", PLAIN)
async def test_plain_text_beyond_this_machine_is_refused(url):
    with pytest.raises(ConfigurationError, match="not encrypted"):
        await Transport().stream(url, headers={}, frame_bytes=MIB)
    with pytest.raises(ConfigurationError, match="not encrypted"):
        Transport().rest(url.replace("ws", "http", 1))
    assert checked_url(url, ("wss", "ws"), plain=True)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_plain_text_on_this_machine_is_allowed(host):
    assert checked_url(f"ws://{host}:1", ("wss", "ws"), plain=False)


NO_URLS = [
    "", "x", "ws://", "//host", "http://host", "file:///etc/passwd", "javascript:1",
    "wss://[::1", "wss:/host", "wss:host", "unix:///s",
]  # fmt: skip


@pytest.mark.parametrize("url", NO_URLS)
async def test_what_is_no_websocket_url_is_refused(url):
    with pytest.raises(ConfigurationError):
        await Transport().stream(url, headers={}, frame_bytes=MIB)


SYMBOLS = {
    "query": "A?limit=1&x=2#frag",
    "path": "../../admin/A",
    "host": "@evil.example/A",
    "percent": "A%2e%2e%2fB",
    "space and unicode": "\u00c4\u20ac",
    "line break": "A\r\nX-Injected: yes",
    "plus and ampersand": "A+B&C=D;E",
    "backslash": "..\\..\\A",
}
FETCHING = [
    pytest.param(kind, id=name)
    for name, kind in venues.available().items()
    if kind.facts.source is Source.REST
]


@pytest.mark.parametrize("kind", FETCHING)
async def test_symbol_is_a_value_and_never_syntax_of_a_request(kind):
    """Whatever the symbol: one line, the same path, and the venue reads it back."""
    venue = kind()
    plain = venue.snapshot_request("PLAIN")
    async with hostile(lambda client: client.body(b"{}")) as server:
        rest = Transport().rest(server.rest_url)
        for symbol in SYMBOLS.values():
            answer = await rest.request(venue.snapshot_request(symbol))
            client = server.clients[-1]
            assert "x-injected" not in client.headers
            assert client.headers["host"] == server.rest_url.removeprefix("http://")
            path, _, query = client.target.partition("?")
            assert path.count("/") == plain.path.count("/")
            assert "#" not in client.target
            pairs = [pair.partition("=")[0] for pair in query.split("&")]
            assert len(pairs) == len(set(pairs)) <= len(plain.params) or not query
            assert venue.snapshot_symbol(answer.url) == symbol
        await rest.close()


@pytest.mark.parametrize(
    "symbol", ["A\r\nB", "A\x1b[31m", "A B", "", "A" * 65, "A\x00"]
)
@pytest.mark.parametrize("kind", venues.available().values(), ids=lambda kind: kind.id)
def test_what_is_no_symbol_is_refused_before_it_goes_anywhere(kind, symbol):
    with pytest.raises(ConfigurationError):
        kind.prepare(symbol)


# -- what else a venue says ------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "9" * 400,
        "9" * 10_000,
        "-5",
        "1e9",
        "nan",
        "٣",
        "²",
        "Mon, 01 Jan 0001 00:00:00 -0000",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "\x00",
        "1;" * 1000,
        "Mon, 99 Foo 2020 99:99:99 +9999",
    ],
)
def test_retry_after_is_a_time_within_reason_or_none(text):
    found = retry_after(text, now=1_700_000_000.0)
    assert found is None or 0 <= found <= LONGEST_STOP


@pytest.mark.parametrize("wbits", [31, 15], ids=["gzip", "zlib"])
def test_bounded_gunzip_stops_at_its_limit(wbits):
    packed = bomb(64 * MIB, wbits=wbits)
    with memory(4 * MIB), pytest.raises(MalformedMessage, match="too large"):
        bounded_gunzip(packed, MIB)


@pytest.mark.parametrize("wbits", [31, 15], ids=["gzip", "zlib"])
def test_bounded_gunzip_takes_what_is_just_within_its_limit(wbits):
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    packed = packer.compress(b"x" * 1000) + packer.flush()
    assert bounded_gunzip(packed, 1000) == b"x" * 1000
    with pytest.raises(MalformedMessage):
        bounded_gunzip(packed, 999)
    with pytest.raises(MalformedMessage):
        bounded_gunzip(packed[:-1], 1000)


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b", b"{}", b"\x00" * 100, b"\x78\x9c"])
def test_bounded_gunzip_refuses_what_is_not_compressed(data):
    with pytest.raises(MalformedMessage, match="compressed"):
        bounded_gunzip(data, MIB)


async def test_close_that_is_cancelled_cuts_the_connection():
    """A feed that ends at once leaves no socket behind."""
    heard = asyncio.Event()

    async def deaf(client):
        await client.reader.read(1)
        heard.set()
        await client.reader.read()  # until the client is gone
        gone.set()

    gone = asyncio.Event()
    behaviour, _ = talk(deaf)
    async with hostile(behaviour) as server:
        stream = await Transport().stream(server.ws_url, headers={}, frame_bytes=MIB)
        closing = asyncio.create_task(stream.close())
        await asyncio.wait_for(heard.wait(), 5)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await asyncio.wait_for(gone.wait(), 5)
