"""A plain client of the embedded exchange: what any program on the wire sees."""

import contextlib
import json
from contextlib import asynccontextmanager

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from booksync.testing import Exchange, serve


def names(*symbols):
    return "/".join(f"{symbol.lower()}@depth@100ms" for symbol in symbols)


async def frames(ws, count):
    """Receive ``count`` deltas."""
    return [json.loads(await ws.recv())["data"] for _ in range(count)]


async def call(ws, **request):
    """Send a request frame, and give the next frame."""
    await ws.send(json.dumps(request))
    return json.loads(await ws.recv())


def exchange_of(*symbols, **options):
    """Make a small exchange in which every interval changes something."""
    options = {"seed": 7, "levels": 40, "rate": 200} | options
    return Exchange(symbols or ("BTCUSDT",), **options)


async def closed(ws):
    """Read until the connection closes, and give the code; ``None`` for 1006."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await ws.recv()
    return ws.protocol.close_rcvd.code if ws.protocol.close_rcvd else None


@asynccontextmanager
async def rig(*symbols, dialect="binance", watch=None, exchange=None, **settings):
    """Serve an exchange that stands still, to one client that watches ``symbols``."""
    exchange = exchange or exchange_of(*symbols)
    watch = watch or exchange.symbols
    async with serve(exchange, dialect, flow=False, **settings) as server:
        url = f"{server.ws_url}/stream?streams={names(*watch)}"
        async with connect(
            url, close_timeout=1, ping_interval=None, max_queue=None
        ) as ws:
            await server.subscribed(*watch)
            yield server, ws


@asynccontextmanager
async def rest(dialect="binance", exchange=None, **settings):
    """Serve an exchange that stands still, to an HTTP client."""
    exchange = exchange or exchange_of()
    async with (
        serve(exchange, dialect, flow=False, **settings) as server,
        httpx.AsyncClient(base_url=server.rest_url, timeout=5) as http,
    ):
        yield server, http
