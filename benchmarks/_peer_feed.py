"""
A peer as a client of :mod:`benchmarks._stream`: its own socket, its own handler.

Run by path, isolated, by the interpreter that has the peer (as :mod:`_peer`).
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any

#: One part of so many of the delays is left out: the first.
WARM_UP = 5


def named(path: str) -> Any:
    """``package.module:Name``, imported here, where it is installed."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


class Clock:
    """Processor and wall time since :meth:`start`; delays of frames."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.start()

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seen(self, stamp: float) -> None:
        self.delays.append(time.monotonic_ns() / 1000 - stamp)

    def result(self, frames: int) -> dict[str, Any]:
        cpu = time.process_time() - self._cpu
        wall = time.perf_counter() - self._wall
        delays = sorted(self.delays[len(self.delays) // WARM_UP :])
        found = {"frames": frames, "cpu": cpu, "wall": wall}
        for name, part in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
            if delays:
                at = min(int(len(delays) * part), len(delays) - 1)
                found[name] = round(delays[at], 1)
        return found


async def ccxt_pro(
    *, port: int, symbol: str, frames: int, latency: bool
) -> dict[str, Any]:
    """
    ``await watch_order_book`` in a loop, as documented.

    It gives the newest book: frames that came meanwhile are in it, and are counted.
    """
    name = "BTC/USDT"
    exchange = named("ccxt.pro:binance")({"enableRateLimit": False})
    exchange.set_markets([
        {"id": symbol, "lowercaseId": symbol.lower(), "symbol": name, "base": "BTC",
         "quote": "USDT", "type": "spot", "spot": True, "contract": False,
         "option": False, "linear": None, "inverse": None},
    ])  # fmt: skip
    exchange.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{port}/stream"
    exchange.urls["api"]["public"] = f"http://127.0.0.1:{port}/api/v3"
    clock, handled = Clock(), 0
    inner = exchange.handle_order_book_message

    def handle(*given: Any) -> Any:
        nonlocal handled
        handled += 1
        done = inner(*given)
        if handled == 1:  # the server pauses before it: that is not the client's time
            clock.start()
        return done

    exchange.handle_order_book_message = handle
    try:
        await exchange.watch_order_book(name)
        handled = 0
        while handled < frames - 1:
            book = await exchange.watch_order_book(name)
            _ = book["bids"][0], book["asks"][0]
            if latency:
                clock.seen(book["timestamp"])
        return clock.result(handled - 1)
    finally:
        await exchange.close()


async def cryptofeed(
    *, port: int, symbol: str, frames: int, latency: bool
) -> dict[str, Any]:
    """A feed with a book callback, as documented."""
    l2_book = named("cryptofeed.defines:L2_BOOK")
    binance = named("cryptofeed.exchanges:Binance")
    socket = named("cryptofeed.connection:WebsocketEndpoint")
    rest = named("cryptofeed.connection:RestEndpoint")
    routes = named("cryptofeed.connection:Routes")
    info = {"tick_size": {}, "instrument_type": {"BTC-USDT": "spot"}}
    named("cryptofeed.symbols:Symbols").set(binance.id, {"BTC-USDT": symbol}, info)

    class Local(binance):  # type: ignore[misc, valid-type]
        """The same feed at another address."""

        websocket_endpoints = (socket(f"wss://127.0.0.1:{port}"),)
        rest_endpoints = (
            rest(
                f"http://127.0.0.1:{port}",
                routes=routes("/exchangeInfo", l2book="/depth?symbol={}&limit={}"),
            ),
        )

        def connect(self) -> Any:
            made = super().connect()
            for connection, *_ in made:  # it insists on TLS when it is made
                connection.address = connection.address.replace("wss://", "ws://")
            return made

    clock, seen, done = Clock(), 0, asyncio.Event()

    async def on_book(book: Any, _receipt: float) -> None:
        nonlocal seen
        _ = book.book.bids.index(0), book.book.asks.index(0)
        seen += 1
        if seen == 3:  # the snapshot, the frame that made it ask, a pause, a frame
            clock.start()
        elif latency and book.timestamp:
            clock.seen(book.timestamp * 1000)
        if seen == frames + 1:
            done.set()

    feed = Local(symbols=["BTC-USDT"], channels=[l2_book], callbacks={l2_book: on_book})
    feed.start(asyncio.get_running_loop())
    await done.wait()
    found = clock.result(frames - 2)
    feed.stop()
    await feed.shutdown()
    return found


CLIENTS: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
    "ccxt.pro": ccxt_pro,
    "cryptofeed": cryptofeed,
}


def main() -> None:
    logging.disable(logging.CRITICAL)
    client = CLIENTS[sys.argv[1]]
    for line in sys.stdin:
        asked = json.loads(line)
        asked.pop("loop", None)
        gc.collect()
        try:
            answer = asyncio.run(asyncio.wait_for(client(**asked), 60.0))
        except Exception as error:  # noqa: BLE001 - told to who asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
