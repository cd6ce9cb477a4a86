"""
Frames cut from bytes: whatever the chunks, the messages that were sent, in order.

The bytes are made here, by RFC 6455; what is expected is what they were made of.
"""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from booksync import framing
from booksync.framing import FramedConnection

pytestmark = pytest.mark.anyio

LIMIT = 70_000
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80


def frame(payload, opcode=TEXT, *, first=FIN, length=None, second=0):
    size = len(payload) if length is None else length
    head = bytes([first | opcode])
    if size < 126:
        head += bytes([second | size])
    elif size < 2**16:
        head += bytes([second | 126]) + struct.pack(">H", size)
    else:
        head += bytes([second | 127]) + struct.pack(">Q", size)
    return head + payload


class Socket(asyncio.Transport):
    """Remembers what was written, and whether it is read."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.reading = True
        self.closing = False

    def write(self, data):
        self.written += data

    def writelines(self, parts):
        self.written += b"".join(parts)

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return self.closing

    def can_write_eof(self):
        return False

    def close(self):
        self.closing = True

    abort = close

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


def connected():
    """A connection that has sent its request, its socket, and the server's answer."""
    ours = ClientProtocol(parse_uri("ws://x/"), max_size=LIMIT)
    theirs = ServerProtocol()
    made, socket = FramedConnection(ours, limit=LIMIT), Socket()
    made.response_rcvd = asyncio.get_running_loop().create_future()
    made.connection_made(socket)
    ours.send_request(ours.connect())
    theirs.receive_data(b"".join(ours.data_to_send()))
    theirs.send_response(theirs.accept(theirs.events_received()[0]))
    return made, socket, b"".join(theirs.data_to_send())


async def fed(chunks):
    """Give an open connection these bytes; it and its socket."""
    made, socket, answer = connected()
    made.data_received(answer)
    for chunk in chunks:
        made.data_received(chunk)
    return made, socket


async def taken(connection, count):
    found = []
    while len(found) < count:
        while connection.frames:
            found.append(connection.frames.popleft())
        if len(found) < count:
            async with asyncio.timeout(5):
                await connection.more()
    return found


def pieces(data, cuts):
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


PAYLOADS = st.one_of(
    st.text(max_size=20),
    st.binary(max_size=20),
    st.integers(120, 140).map("x".__mul__),
    st.integers(65_530, 65_540).map(b"y".__mul__),
)


@given(
    messages=st.lists(st.tuples(PAYLOADS, st.booleans(), st.booleans()), max_size=8),
    cuts=st.lists(st.integers(0, 10**6), max_size=12),
)
def test_messages_are_those_that_were_sent(messages, cuts):
    """Whole or in fragments, with pings between, the handshake in the same bytes."""
    sent = b""
    for payload, whole, pinged in messages:
        text = isinstance(payload, str)
        raw = payload.encode() if text else payload
        kind = TEXT if text else BINARY
        if whole:
            sent += frame(raw, kind)
        else:
            sent += frame(raw[:3], kind, first=0) + frame(raw[3:], CONT)
        if pinged:
            sent += frame(b"?", PING)

    async def run():
        made, socket, answer = connected()
        for chunk in pieces(answer + sent, cuts):
            made.data_received(chunk)
        found = await taken(made, len(messages))
        assert found == [payload for payload, *_ in messages]
        assert not made.frames
        pings = sum(pinged for *_, pinged in messages)
        # The request is no frame; a pong is 2 bytes, 4 of mask and the payload.
        pongs = socket.written.count(bytes([FIN | PONG, FIN | 1]))
        assert (pongs > 0) == (pings > 0)

    asyncio.run(run())


async def test_plain_frames_never_reach_websockets_own_parser(monkeypatch):
    def refuse(*_):
        raise AssertionError

    made, _ = await fed([])
    monkeypatch.setattr(made.protocol, "receive_data", refuse)
    made.data_received(frame(b"a") + frame(b"b", BINARY) + frame(b"c" * 200))
    assert list(made.frames) == ["a", b"b", "c" * 200]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        pytest.param(frame(b"", length=LIMIT + 1), 1009, id="too-large"),
        pytest.param(frame(b"\xff\xfe"), 1007, id="no-utf8"),
        pytest.param(
            frame(bytes(11) + b"\1?", length=9, second=FIN), 1002, id="masked"
        ),
        pytest.param(frame(b"hi", first=FIN | 0x40), 1002, id="compressed-unasked"),
        pytest.param(frame(b"hi", 3), 1002, id="unknown-kind"),
        pytest.param(frame(b"hi", CONT), 1002, id="continues-nothing"),
        pytest.param(frame(b"x" * 200, PING), 1002, id="long-ping"),
    ],
)
async def test_what_breaks_the_protocol_ends_it_after_what_came_before(bad, code):
    made, _, answer = connected()
    made.data_received(answer + frame(b"good") + bad + frame(b"after"))
    assert made.frames.popleft() == "good"
    closing = asyncio.create_task(made.more())
    await asyncio.sleep(0)
    made.connection_lost(None)
    with pytest.raises(ConnectionClosed) as caught:
        await closing
    assert caught.value.sent.code == code
    assert not made.frames


async def test_large_frame_in_many_chunks_is_looked_at_a_few_times(monkeypatch):
    """Each look would copy what is there of it."""
    looks, span = [], framing.span
    monkeypatch.setattr(
        framing,
        "span",
        lambda *given, **named: looks.append(1) or span(*given, **named),
    )
    sent = frame(b"z" * LIMIT, BINARY) + frame(b"next")
    made, _ = await fed(sent[at : at + 500] for at in range(0, len(sent), 500))
    assert list(made.frames) == [b"z" * LIMIT, "next"]
    assert len(looks) < 6


async def test_handshake_may_be_cut_anywhere():
    for cut in range(1, 8):
        made, _, answer = connected()
        sent = answer + frame(b"a")
        made.data_received(sent[:-cut])
        made.data_received(sent[-cut:])
        assert list(made.frames) == ["a"]


async def test_socket_is_read_no_further_until_frames_are_taken():
    many = framing.MAX_FRAMES
    made, socket = await fed([frame(b"a") * (many - 1)])
    assert socket.reading
    made.data_received(frame(b"a"))
    assert not socket.reading
    assert await taken(made, many) == ["a"] * many
    waiting = asyncio.create_task(made.more())
    await asyncio.sleep(0)
    assert socket.reading
    made.data_received(frame(b"b"))
    await waiting
    assert list(made.frames) == ["b"]


async def test_close_of_the_server_ends_it_after_the_last_frame():
    made, _ = await fed([frame(b"last") + frame(b"\x03\xe8bye", CLOSE)])
    made.connection_lost(None)
    assert made.frames.popleft() == "last"
    with pytest.raises(ConnectionClosed) as caught:
        await made.more()
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1000, "bye")


async def test_connection_that_is_lost_wakes_who_waits():
    made, _ = await fed([])
    waiting = asyncio.create_task(made.more())
    await asyncio.sleep(0)
    made.connection_lost(OSError("gone"))
    with pytest.raises(ConnectionClosed):
        await waiting


async def test_frames_after_our_close_are_left_to_websockets():
    made, _ = await fed([frame(b"abc")[:3]])
    made.protocol.send_close(1000, "")
    made.data_received(frame(b"abc")[3:])
    await made.more()
    assert list(made.frames) == ["abc"]


async def test_handshake_that_is_refused_is_left_to_websockets():
    made, _, _ = connected()
    body = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\n\x81\x02hi"
    made.data_received(body)
    assert made.response.status_code == 403
    assert not made.frames
