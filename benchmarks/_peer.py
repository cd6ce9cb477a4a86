"""
The other side of ``benchmarks.peers``: one peer in a process of its own.

Run by path, isolated, by the interpreter that has the peer, so it imports nothing of
ours and nothing beyond the standard library. Frames are read from a file; each line on
standard input is a request, each line on standard output its answer.

A peer gets what it would get on the wire: the frames before the snapshot, the snapshot
as its own request would receive it, then the frames, each as text into the first code
of the peer that a socket would call. The clock is the processor time of this process,
and runs from the first frame's text to the last frame's best bid and ask.
"""

# ruff: noqa: SLF001 - what a peer calls its handler is often private

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from decimal import Decimal
from hashlib import sha256
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn, TypeVar

#: Levels a side that are compared where a peer does not keep the whole book.
TOP = 25

Pairs = Iterable[tuple[Any, Any]]
T = TypeVar("T")


class Work(NamedTuple):
    """What all are given: frames before the snapshot, the snapshot, the rest."""

    #: One of ours: ``binance``, ``binance_usdm``, ``binance_coinm``.
    venue: str
    symbol: str
    url: str
    body: str
    before: list[str]
    frames: list[str]
    #: Whether the best prices are read after each frame.
    read: bool = True


class Result(NamedTuple):
    """Seconds, and the book that the peer ended with, best level first."""

    seconds: float
    bids: Pairs
    asks: Pairs


class Refused(Exception):
    """The peer cannot do this work, and why."""


Adapter = Callable[[Work], Coroutine[Any, Any, Result]]

clock = time.process_time


def named(path: str) -> Any:
    """``package.module:Name``, imported here, where it is installed."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def of_market(work: Work, choices: Mapping[str, T]) -> T:
    """What the peer has for the work's venue; raise :exc:`Refused` if nothing."""
    if work.venue not in choices:
        raise Refused("it has no handler for this market")
    return choices[work.venue]


def dropped() -> NoReturn:
    raise Refused("its check of the sequence dropped the book")


# -- the peers ------------------------------------------------------------------------


class CcxtMarket(NamedTuple):
    """What ccxt calls a market; its handler tells spot by the socket's address."""

    kind: str
    symbol: str
    request: str
    #: How its own subscription tells which rule joins the snapshot.
    type: str
    path: str


CCXT = {
    "binance": CcxtMarket("binance", "BTC/USDT", "publicGetDepth", "spot", "stream"),
    "binance_usdm": CcxtMarket(
        "binanceusdm", "BTC/USDT:USDT", "fapiPublicGetDepth", "linear", "ws"
    ),
    "binance_coinm": CcxtMarket(
        "binancecoinm", "BTC/USD:BTC", "dapiPublicGetDepth", "inverse", "ws"
    ),
}


async def ccxt_pro(work: Work) -> Result:
    """``Client.handle_message`` → ``binance.handle_message`` → its book."""
    message_of, text = named("aiohttp:WSMessage"), named("aiohttp:WSMsgType").TEXT
    market = of_market(work, CCXT)
    symbol = market.symbol
    exchange = named(f"ccxt.pro:{market.kind}")({"enableRateLimit": False})
    exchange.set_markets([ccxt_described(market, work.symbol)])

    async def answer(_request: Any = None) -> Any:
        return json.loads(work.body)

    setattr(exchange, market.request, answer)
    client = exchange.client(f"ws://127.0.0.1:9/{market.path}")
    subscription = {"symbol": symbol, "type": market.type, "limit": 1000, "params": {}}
    joined = client.future(f"orderbook::{symbol}")

    def message(raw: str) -> Any:
        return message_of(text, raw, None)

    exchange.handle_order_book_subscription(client, {}, subscription)
    book = exchange.orderbooks[symbol]
    for raw in work.before:
        client.handle_message(message(raw))
    await joined
    handle = client.handle_message
    messages = [message(raw) for raw in work.frames]
    gc.collect()
    start = clock()
    if work.read:
        for one in messages:
            handle(one)
            _ = book["bids"][0], book["asks"][0]
    else:
        for one in messages:
            handle(one)
    seconds = clock() - start
    await exchange.close()
    if exchange.orderbooks.get(symbol) is not book:
        dropped()
    return Result(seconds, map(tuple, book["bids"]), map(tuple, book["asks"]))


def ccxt_described(market: CcxtMarket, exchange_id: str) -> dict[str, Any]:
    """Describe the market as ``load_markets`` would."""
    pair, _, settle = market.symbol.partition(":")
    base, quote = pair.split("/")
    spot = market.type == "spot"
    return {
        "id": exchange_id, "lowercaseId": exchange_id.lower(), "symbol": market.symbol,
        "base": base, "quote": quote, "settle": settle or None,
        "type": "spot" if spot else "swap", "spot": spot, "swap": not spot,
        "contract": not spot, "option": False,
        "linear": None if spot else market.type == "linear",
        "inverse": None if spot else market.type == "inverse",
    }  # fmt: skip


CRYPTOFEED = {
    "binance": ("Binance", "BTC-USDT", "spot"),
    "binance_usdm": ("BinanceFutures", "BTC-USDT-PERP", "perpetual"),
    "binance_coinm": ("BinanceDelivery", "BTC-USD-PERP", "perpetual"),
}


async def cryptofeed(work: Work) -> Result:
    """``Binance.message_handler`` → ``_book`` → its C book → the user's callback."""
    l2_book = named("cryptofeed.defines:L2_BOOK")
    kind, symbol, instrument = of_market(work, CRYPTOFEED)
    binance = named(f"cryptofeed.exchanges:{kind}")
    info = {"tick_size": {}, "instrument_type": {symbol: instrument}}
    named("cryptofeed.symbols:Symbols").set(binance.id, {symbol: work.symbol}, info)
    found: list[Any] = []

    async def on_book(book: Any, _receipt: float) -> None:
        if work.read:
            _ = book.book.bids.index(0), book.book.asks.index(0)
        found[:] = [book]

    feed = binance(symbols=[symbol], channels=[l2_book], callbacks={l2_book: on_book})
    asked = 0

    async def answer(*_given: Any, **_more: Any) -> str:
        nonlocal asked
        asked += 1
        return work.body

    feed.http_conn = SimpleNamespace(read=answer)
    handle = feed.message_handler
    for raw in work.before:
        await handle(raw, None, 0.0)
    if not work.before:
        await feed._snapshot(work.symbol)
    gc.collect()
    start = clock()
    for raw in work.frames:
        await handle(raw, None, 0.0)
    seconds = clock() - start
    if asked > 1:
        raise Refused("its check of the sequence asked for another snapshot")
    book = found[0].book
    return Result(seconds, book.bids.to_list(), book.asks.to_list())


async def python_binance(work: Work) -> Result:
    """
    ``ReconnectingWebsocket._handle_message`` → ``DepthCacheManager._depth_event``.

    It subscribes to the raw stream, so its frames come without the wrapper. What it
    has for futures, ``FuturesDepthCacheManager``, subscribes to partial books: it takes
    every frame for a whole one.
    """
    if work.venue != "binance":
        raise Refused("its manager for futures takes partial books, no differences")
    stream = named("binance.ws.reconnecting_websocket:ReconnectingWebsocket")

    async def answer(**_request: Any) -> Any:
        return json.loads(work.body)

    client = SimpleNamespace(get_order_book=answer)
    cache_of = named("binance.ws.depthcache:DepthCacheManager")
    manager = cache_of(client, work.symbol, bm=object(), limit=1000)
    decode = stream("ws://127.0.0.1:9")._handle_message
    await manager._init_cache()
    event = manager._depth_event
    for raw in map(unwrapped, work.before):
        await event(decode(raw))
    frames = [unwrapped(raw) for raw in work.frames]
    gc.collect()
    start = clock()
    for raw in frames:
        cache = await event(decode(raw))
        if work.read and cache is not None:
            _ = cache.get_bids()[0], cache.get_asks()[0]
    seconds = clock() - start
    cache = manager.get_depth_cache()
    return Result(seconds, cache.get_bids(), cache.get_asks())


#: Coin margined: its websocket manager knows this name.
UBLDC = {
    "binance": "binance.com",
    "binance_usdm": "binance.com-futures",
    "binance_coinm": "binance.com-coin_futures",
}


async def ubldc(work: Work) -> Result:
    """``_manage_depth_cache_async``, fed by its websocket manager's queue."""
    kind = "unicorn_binance_local_depth_cache:BinanceLocalDepthCacheManager"
    market, exchange = work.symbol.lower(), of_market(work, UBLDC)
    rest = ubldc_rest(work.body)
    manager = named(kind)(exchange=exchange, ubra_manager=rest, warn_on_update=False)

    def read() -> None:
        if work.read and manager.depth_caches[market]["is_synchronized"]:
            _ = manager.get_bids(market, limit_count=1)
            _ = manager.get_asks(market, limit_count=1)

    waiting: list[str] = []
    real, manager.ubwa = manager.ubwa, ubldc_queue(waiting, read)
    try:
        manager._add_depthcache(market)
        manager.depth_caches[market]["refresh_request"] = False
        waiting += reversed(work.before)
        await manager._manage_depth_cache_async(stream_id="1")
        if not manager._init_depth_cache(market):
            raise Refused(f"it asks for no snapshot of {exchange}")
        waiting += reversed(work.frames)
        gc.collect()
        start = clock()
        await manager._manage_depth_cache_async(stream_id="1")
        spent = clock() - start
        if not manager.depth_caches[market]["is_synchronized"]:
            dropped()
        return Result(spent, manager.get_bids(market), manager.get_asks(market))
    finally:
        manager.ubwa = real
        manager.stop_manager()


def ubldc_rest(body: str) -> Any:
    """Its REST manager; before it asks for another snapshot, it asks for a weight."""

    def answer(**_request: Any) -> Any:
        return json.loads(body)

    return SimpleNamespace(
        get_order_book=answer, futures_order_book=answer, get_used_weight=dropped,
        stop_manager=lambda: None,
    )  # fmt: skip


def ubldc_queue(waiting: list[str], read: Callable[[], None]) -> Any:
    """Its websocket manager, which gives the last of ``waiting`` until none is left."""
    loads = named("orjson:loads")  # what the manager decodes with

    def stopped(stream_id: Any = None) -> bool:  # noqa: ARG001
        return not waiting

    async def next_frame(stream_id: Any = None) -> Any:  # noqa: ARG001
        return loads(waiting.pop())

    def done(stream_id: Any = None) -> bool:  # noqa: ARG001
        read()
        return True

    return SimpleNamespace(
        is_stop_request=stopped,
        get_stream_data_from_asyncio_queue=next_frame,
        asyncio_queue_task_done=done,
        get_stream_label=lambda stream_id=None: "",  # noqa: ARG005
    )


#: Where its client is, and its account type.
NAUTILUS = {
    "binance": ("spot.data:BinanceSpotDataClient", "SPOT"),
    "binance_usdm": ("futures.data:BinanceFuturesDataClient", "USDT_FUTURES"),
    "binance_coinm": ("futures.data:BinanceFuturesDataClient", "COIN_FUTURES"),
}


async def nautilus(work: Work) -> Result:
    """
    ``BinanceCommonDataClient._handle_ws_message`` → bus → ``OrderBook.apply``.

    What it hands to the data engine goes straight to the engine's own book type.
    """
    name, book, client = nautilus_client(work.symbol, of_market(work, NAUTILUS))
    asked, ready = asyncio.Event(), asyncio.Event()

    async def answer(_symbol: str, _limit: int | None = None) -> Any:
        asked.set()
        await ready.wait()
        decode = client._http_market._endpoint_depth._get_resp_decoder.decode
        return decode(work.body)

    client._http_market.query_depth = answer
    client._book_depths[name] = 1000
    joined = asyncio.ensure_future(client._order_book_snapshot_then_deltas(name))
    await asked.wait()
    handle = client._handle_ws_message
    for raw in work.before:
        handle(raw.encode())
    ready.set()
    await joined
    frames = [raw.encode() for raw in work.frames]  # as its socket gives them
    gc.collect()
    start = clock()
    if work.read:
        for one in frames:
            handle(one)
            _ = book.best_bid_price(), book.best_bid_size()
            _ = book.best_ask_price(), book.best_ask_size()
    else:
        for one in frames:
            handle(one)
    seconds = clock() - start
    bids = [(level.price.as_decimal(), size_of(level)) for level in book.bids()]
    asks = [(level.price.as_decimal(), size_of(level)) for level in book.asks()]
    return Result(seconds, bids, asks)


def nautilus_client(symbol: str, market: tuple[str, str]) -> tuple[Any, Any, Any]:
    """Make the instrument's id, its book, and the data client that feeds it."""
    kind, account = market
    common, adapter = "nautilus_trader.common", "nautilus_trader.adapters.binance"
    model = "nautilus_trader.model"
    trader = named(f"{model}.identifiers:TraderId")("BENCH-001")
    timer = named(f"{common}.component:LiveClock")()
    bus = named(f"{common}.component:MessageBus")(trader, timer)
    account_type = named(f"{adapter}.common.enums:BinanceAccountType")[account]
    own = named(f"{adapter}.common.symbol:BinanceSymbol")(symbol)
    own = own.parse_as_nautilus(account_type)
    name = named(f"{model}.identifiers:InstrumentId").from_str(f"{own}.BINANCE")
    book_type = named(f"{model}.enums:BookType").L2_MBP
    book = named(f"{model}.book:OrderBook")(name, book_type)
    bus.register("DataEngine.process", book.apply)
    rest = named(f"{adapter}.http.client:BinanceHttpClient")
    client = named(f"{adapter}.{kind}")(
        loop=asyncio.get_running_loop(),
        client=rest(timer, "", "", "http://127.0.0.1:9"),
        msgbus=bus,
        cache=named("nautilus_trader.cache.cache:Cache")(),
        clock=timer,
        instrument_provider=named(f"{common}.providers:InstrumentProvider")(),
        base_url_ws="ws://127.0.0.1:9",
        account_type=account_type,
        config=named(f"{adapter}.config:BinanceDataClientConfig")(),
    )
    return name, book, client


def size_of(level: Any) -> Decimal:
    return sum((order.size.as_decimal() for order in level.orders()), Decimal(0))


async def order_book(work: Work) -> Result:
    """
    Only a book: it is given a fast decoder and float keys, and no check at all.

    That is the least that must be put around it, not what anybody should.
    """
    loads = named("orjson:loads") if find_spec("orjson") else json.loads
    book = named("order_book:OrderBook")()
    handle = glue(book, loads, json.loads(work.body))
    for raw in work.before:
        handle(raw)
    gc.collect()
    start = clock()
    for raw in work.frames:
        handle(raw)
        if work.read:
            _ = book.bids.index(0), book.asks.index(0)
    seconds = clock() - start
    return Result(seconds, book.bids.to_list(), book.asks.to_list())


def glue(book: Any, loads: Any, snapshot: Any) -> Callable[[str], None]:
    """Load the snapshot; return what takes a frame."""
    book.bids, book.asks = (
        {float(price): float(size) for price, size in snapshot[side]}
        for side in ("bids", "asks")
    )
    sides = (("b", book.bids), ("a", book.asks))
    last = snapshot["lastUpdateId"]

    def handle(raw: str) -> None:
        data = loads(raw)["data"]
        if data["u"] <= last:
            return
        for name, side in sides:
            for text, amount in data[name]:
                price, size = float(text), float(amount)
                if size:
                    side[price] = size
                elif price in side:
                    del side[price]

    return handle


def unwrapped(raw: str) -> str:
    """``{"stream":…,"data":X}`` → X."""
    return raw[raw.index('"data":') + len('"data":') : -1]


#: name -> (distribution, adapter)
PEERS: dict[str, tuple[str, Adapter]] = {
    "ccxt.pro": ("ccxt", ccxt_pro),
    "cryptofeed": ("cryptofeed", cryptofeed),
    "python-binance": ("python-binance", python_binance),
    "ubldc": ("unicorn-binance-local-depth-cache", ubldc),
    "nautilus_trader": ("nautilus_trader", nautilus),
    "order-book": ("order-book", order_book),
}


# -- the protocol ---------------------------------------------------------------------


def canonical(number: Any) -> str:
    """Spell a number so that equal numbers are equal text."""
    text = format(Decimal(repr(number) if type(number) is float else number), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def spelled(levels: Pairs) -> list[list[str]]:
    return [[canonical(price), canonical(size)] for price, size in levels]


def digest(bids: list[list[str]], asks: list[list[str]]) -> str:
    """design.md 8: the SHA-256 of all levels, best first."""
    lines = [f"b {price} {size}\n" for price, size in bids]
    lines += [f"a {price} {size}\n" for price, size in asks]
    return sha256("".join(lines).encode()).hexdigest()


def described(result: Result) -> dict[str, Any]:
    bids, asks = spelled(result.bids), spelled(result.asks)
    return {
        "seconds": result.seconds,
        "levels": [len(bids), len(asks)],
        "top": [bids[:TOP], asks[:TOP]],
        "digest": digest(bids, asks),
    }


def serve(work: Work, adapter: Adapter) -> None:
    """Answer requests ``{"read": bool, "frames": n}`` until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        part = work._replace(
            frames=work.frames[: request["frames"]], read=request["read"]
        )
        try:
            result = asyncio.run(adapter(part))
            answer = described(result)
        except Refused as error:
            answer = {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - told to who asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def main() -> None:
    name, path = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    work = Work(**json.loads(Path(path).read_text()))
    distribution, adapter = PEERS[name]
    print(json.dumps({"version": metadata.version(distribution)}), flush=True)
    serve(work, adapter)


if __name__ == "__main__":
    main()
