"""HTTP/1.1 in the small: requests, budgets, and answers that can go wrong."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from booksync.testing.dialects.base import Answer, Request, Wanted
from booksync.testing.faults import REST_FAULTS, Fault, Order

if TYPE_CHECKING:
    from booksync.testing.server import Server

__all__ = ["Budget", "Served", "serve_requests"]

_STATUS = {Fault.STATUS_429: 429, Fault.STATUS_418: 418, Fault.STATUS_500: 500}
#: Pieces that a slow body comes in.
_PIECES = 10


@dataclass(frozen=True, slots=True)
class Served:
    """
    One request in the server's log.

    Args:
        path: Path and query as asked for.
        symbol: Whose snapshot was wanted, if one was.
        time: By the budget's clock.
        weight: What it cost.
        status: Of the answer; ``None`` if none came.

    """

    path: str
    symbol: str | None
    time: float
    weight: int
    status: int | None


class Budget:
    """
    Weight in a rolling window; 429 beyond it, and 418 for who does not listen.

    Args:
        weight: Allowed in a window.
        window: Seconds.
        ban: Seconds that a 418 lasts.
        patience: Requests during a 429 that bring the 418.
        clock: Where the time comes from.

    """

    def __init__(
        self,
        weight: int,
        *,
        window: float = 60.0,
        ban: float = 120.0,
        patience: int = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.weight = weight
        self.window = window
        self.clock = clock
        #: The most that was ever used in one window.
        self.most = 0
        self._ban = ban
        self._patience = patience
        self._spent: deque[tuple[float, int]] = deque()
        self._used = 0
        self._ignored = 0
        self._banned = -math.inf

    @property
    def used(self) -> int:
        """Weight used in the window that ends now."""
        now = self.clock()
        while self._spent and self._spent[0][0] <= now - self.window:
            self._used -= self._spent.popleft()[1]
        return self._used

    def charge(self, weight: int) -> tuple[int, float] | None:
        """
        Take ``weight``; or refuse with a status and the seconds that it holds.

        Weight refused is not used.
        """
        now = self.clock()
        if now < self._banned:
            return 418, self._banned - now
        if self.used + weight <= self.weight:
            self._spent.append((now, weight))
            self._used += weight
            self._ignored = 0
            self.most = max(self.most, self._used)
            return None
        self._ignored += 1
        if self._ignored > self._patience:
            self._banned, self._ignored = now + self._ban, 0
            return 418, self._ban
        free = self.used + weight - self.weight
        for at, spent in self._spent:
            free -= spent
            if free <= 0:
                return 429, at + self.window - now
        return 429, self.window


async def serve_requests(
    server: Server,
    head: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Answer the request that begins with ``head``, and those that follow it."""
    while True:
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(
            line.lower().split(": ", 1) for line in lines[1:] if ": " in line
        )
        method, _, rest = lines[0].partition(" ")
        target = rest.rpartition(" ")[0]
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        url = urlsplit(target)
        request = Request(method, url.path, dict(parse_qsl(url.query)), body)
        if not await _answer(server, request, target, writer):
            return
        if headers.get("connection") == "close":
            return
        head = await reader.readuntil(b"\r\n\r\n")


async def _answer(
    server: Server, request: Request, target: str, writer: asyncio.StreamWriter
) -> bool:
    """Answer, and say whether the connection can go on."""
    meant = server.dialect.rest(request)
    order, refused = None, server.budget.charge(meant.weight)
    symbol = meant.symbol if isinstance(meant, Wanted) else None
    if refused:
        answer = _refusal(server, *refused)
    elif isinstance(meant, Wanted):
        order = server.faults.take(REST_FAULTS, meant.symbol)
        answer = _snapshot(server, meant, request, order)
    else:
        answer = meant
    kind = order.kind if order else None
    status = None if kind is Fault.HANG else answer.status
    now, weight = server.budget.clock(), 0 if refused else meant.weight
    server.requests.append(Served(target, symbol, now, weight, status))
    server.changed()
    if kind is Fault.HANG:
        await asyncio.sleep(order.seconds if order else 0)
        return False
    if server.dialect.weight_header:
        used = {server.dialect.weight_header: str(server.budget.used)}
        answer = replace(answer, headers={**answer.headers, **used})
    return await _write(server, answer, order, writer)


def _refusal(server: Server, status: int, seconds: float) -> Answer:
    body = server.dialect.refusal(status, server.exchange.now + seconds)
    return Answer(body, status, {"Retry-After": str(math.ceil(seconds))})


def _snapshot(
    server: Server, wanted: Wanted, request: Request, order: Order | None
) -> Answer:
    status = _STATUS.get(order.kind) if order else None
    if order and status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return Answer(b"Internal Server Error", status)
    if order and status:
        return _refusal(server, status, order.seconds)
    stale = order is not None and order.kind is Fault.STALE_SNAPSHOT
    age = order.seconds if order and stale else None
    snapshot = server.exchange.snapshot(wanted.symbol, wanted.depth, age=age)
    body = server.dialect.snapshot_body(snapshot, request)
    return Answer(body, 200, {"Content-Type": "application/json"})


async def _write(
    server: Server, answer: Answer, order: Order | None, writer: asyncio.StreamWriter
) -> bool:
    kind, body = order.kind if order else None, answer.body
    cut = body
    if kind is Fault.TRUNCATED_SNAPSHOT:
        cut = body[: len(body) // 2]
        # Either the connection ends too early, or only the JSON does.
        body = server.faults.rng.choice((body, cut))
    headers = {**answer.headers, "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    pause = order.seconds / _PIECES if order and kind is Fault.SLOW_SNAPSHOT else 0.0
    size = len(cut) // _PIECES + 1 if pause else max(len(cut), 1)
    for start in range(0, max(len(cut), 1), size):
        writer.write(cut[start : start + size])
        await writer.drain()
        await asyncio.sleep(pause)
    return len(cut) == len(body)
