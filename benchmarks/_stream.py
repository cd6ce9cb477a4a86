"""
A bare ``websockets`` server that sends a workload's frames, in a process of its own.

``python -m benchmarks._stream FILE``. It answers subscriptions and depth requests as
far as clients need them, and streams once a client has its snapshot (or says ``go``).
Each frame's ``E`` is the time at which it was written, in microseconds of the
monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from benchmarks._peer import Work

BATCH = 64
STEP = 0.0005
#: Seconds from the snapshot to the frames: it reaches the client first.
PAUSE = 0.2
NUMBERS = re.compile(r'^(.*?"E":)\d+(,"s":"[^"]*","U":)(\d+),"u":(\d+)(.*)$', re.DOTALL)

Piece = tuple[str, str, int, int, str]


def micros() -> int:
    return time.monotonic_ns() // 1000


def pieces(raw: str) -> Piece:
    """Split a frame around its time and its ids."""
    found = NUMBERS.match(raw)
    assert found is not None, raw[:200]
    head, middle, first, last, tail = found.groups()
    return head, middle, int(first), int(last), tail


def closing(work: Work) -> str:
    """Make a frame that leads from the last book back to the snapshot's."""
    snapshot = json.loads(work.body)
    data: dict[str, Any] = {
        "e": "depthUpdate",
        "E": 0,
        "s": work.symbol,
        "U": 0,
        "u": 0,
    }
    for short, long in (("b", "bids"), ("a", "asks")):
        first = {Decimal(price): (price, size) for price, size in snapshot[long]}
        last: dict[Decimal, tuple[str, str]] = dict(first)
        for raw in work.frames:
            for price, size in json.loads(raw)["data"][short]:
                last[Decimal(price)] = (price, size)
        gone = [(text, "0.00000000") for p, (text, _) in last.items() if p not in first]
        back = [level for p, level in first.items() if last[p] != level]
        data[short] = [*gone, *back]
    frame = {"stream": f"{work.symbol.lower()}@depth@100ms", "data": data}
    return json.dumps(frame, separators=(",", ":"))


class Frames:
    """The workload's frames, again and again, numbered on without a gap."""

    def __init__(self, work: Work) -> None:
        self._pieces = [pieces(raw) for raw in work.frames]
        self._closing = pieces(closing(work))

    def __iter__(self) -> Iterator[bytes]:
        shift = 0
        start = self._pieces[0][2]
        while True:
            last = 0
            for head, middle, low, high, tail in self._pieces:
                last = high + shift
                text = f'{head}{micros()}{middle}{low + shift},"u":{last}{tail}'
                yield framed(text.encode())
            last += 1
            head, middle, _, _, tail = self._closing
            yield framed(f'{head}{micros()}{middle}{last},"u":{last}{tail}'.encode())
            shift = last + 1 - start


def framed(payload: bytes) -> bytes:
    """Put an unmasked text frame's header before ``payload``."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class Server:
    """Serves one client at a time, as the last request on standard input says."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._frames = Frames(work)
        self._ready = asyncio.Event()
        self.rate: float | None = None
        self.count = 0
        self.behind = 0.0

    def plan(self, rate: float | None, frames: int) -> None:
        """Say what the next client gets."""
        self.rate, self.count, self.behind = rate, frames, 0.0
        self._ready.clear()

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer ``GET …/depth``; all else is a websocket."""
        if "upgrade" in request.headers:
            return None
        body = self._work.body.encode()
        if "/depth" not in request.path:
            return connection.respond(404, "")  # type: ignore[arg-type]
        self._ready.set()
        kind, size = "application/json", str(len(body))
        headers = Headers({"Content-Type": kind, "Content-Length": size})
        headers["Connection"] = "close"
        return Response(200, "OK", headers, body)

    async def stream(self, connection: ServerConnection) -> None:
        """Acknowledge, then send."""
        listening = asyncio.create_task(self._listen(connection))
        frames = iter(self._frames)
        left = self.count
        path = connection.request.path if connection.request else ""
        if "streams=" in path:  # asks for its snapshot when the first frame comes
            connection.transport.write(next(frames))
            left -= 1
        try:
            await self._ready.wait()
            await asyncio.sleep(PAUSE)
            if self.rate is None:
                await self._flood(connection, frames, left)
            else:
                await self._pace(connection, frames, left, self.rate)
            await connection.wait_closed()
        except (ConnectionClosed, OSError):
            pass
        finally:
            listening.cancel()

    async def _listen(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                if message == "go":
                    self._ready.set()
                else:
                    asked = json.loads(message)
                    done = {"result": None, "id": asked.get("id")}
                    await connection.send(json.dumps(done))

    async def _flood(
        self, connection: ServerConnection, frames: Iterator[bytes], left: int
    ) -> None:
        while left > 0:
            size = min(BATCH, left)
            batch = b"".join(next(frames) for _ in range(size))
            connection.transport.write(batch)
            left -= size
            await connection.drain()
            await asyncio.sleep(0)

    async def _pace(
        self,
        connection: ServerConnection,
        frames: Iterator[bytes],
        left: int,
        rate: float,
    ) -> None:
        start, sent = time.monotonic(), 0
        while sent < left:
            due = min(int((time.monotonic() - start) * rate) + 1, left)
            for _ in range(due - sent):
                connection.transport.write(next(frames))
            sent = max(sent, due)
            await connection.drain()
            await asyncio.sleep(STEP)
        self.behind = time.monotonic() - start - left / rate


async def requests(server: Server) -> None:
    """Take ``{"rate": …, "frames": n}`` and ``{"report": true}``, a line each."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        if "frames" in asked:
            server.plan(asked["rate"], asked["frames"])
        used = time.process_time()
        print(json.dumps({"cpu": used, "behind": server.behind}), flush=True)


async def main(work: Work) -> None:
    server = Server(work)
    async with serve(
        server.stream,
        "127.0.0.1",
        0,
        process_request=server.answer,
        compression=None,
        ping_interval=None,
        close_timeout=0.5,
    ) as listener:
        port = next(iter(listener.sockets)).getsockname()[1]
        print(json.dumps({"port": port}), flush=True)
        await requests(server)


if __name__ == "__main__":
    asyncio.run(main(Work(**json.loads(Path(sys.argv[1]).read_text()))))
