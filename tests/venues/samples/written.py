"""
Samples written by hand from the venue sheets (``shared/venues/*.md``).

All tell the same little story, each in its venue's words: ``START``, then ``CHANGES``.
Each change shows in the book until another one, so that none can be lost unseen; sizes
are absolute, zero is spelled in several ways.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import zip_longest
from typing import Any

from booksync.testing.conformance import Samples
from booksync.testing.conformance.samples import Book

__all__ = ["WRITTEN"]

Levels = list[list[str]]
START: tuple[Levels, Levels] = (
    [["100.5", "1"], ["100.0", "2"], ["99.5", "3"]],
    [["101.0", "15"], ["101.5", "25"], ["102.0", "3"]],
)
CHANGES: list[tuple[Levels, Levels]] = [
    ([["100.5", "4"]], []),
    ([], [["101.0", "0"]]),
    ([["99.0", "7"]], [["101.2", "5"]]),
    ([["100.0", "0.00"]], [["102.0", "9"]]),
    ([["100.6", "12"]], []),
    ([["99.5", "8"]], [["101.5", "1"]]),
    ([], [["101.4", "6"], ["102.0", "0"]]),
]
#: Another book, for those that are seeded anew.
LATER: tuple[Levels, Levels] = ([["90.5", "1"]], [["91.0", "2"], ["92.0", "3"]])
TIME = 1_790_134_357


def grown(*changes: tuple[Levels, Levels]) -> Book:
    """The book after ``START`` and ``changes``."""
    sides: list[dict[str, str]] = [dict(side) for side in START]  # type: ignore[arg-type]
    for change in changes:
        for side, levels in zip(sides, change, strict=True):
            for price, size in levels:
                if float(size):
                    side[price] = size
                else:
                    side.pop(price, None)
    return sides[0], sides[1]


BOOK = grown(*CHANGES)


def text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def single() -> Iterator[tuple[str, str, str]]:
    """``CHANGES`` level by level: side, price, size."""
    for bids, asks in CHANGES:
        yield from (("buy", *level) for level in bids)
        yield from (("sell", *level) for level in asks)


def numbers(levels: Levels) -> list[list[float]]:
    return [[float(price), float(size)] for price, size in levels]


def objects(levels: Levels, price: str, size: str) -> list[dict[str, str]]:
    return [{price: level[0], size: level[1]} for level in levels]


def ranges(first: int) -> Iterator[tuple[int, int, tuple[Levels, Levels]]]:
    """``CHANGES`` with contiguous ranges of ids of many lengths."""
    for length, change in enumerate(CHANGES, 1):
        yield first, first + length - 1, change
        first += length


def links(last: int) -> Iterator[tuple[int, int, tuple[Levels, Levels]]]:
    """``CHANGES`` with ids that jump, each with the one before."""
    for jump, change in enumerate(CHANGES, 3):
        yield last, last + jump, change
        last += jump


def crc(sides: Book, levels: int = 25) -> int:
    """``bid:size:ask:-size`` in turn (Bitfinex); signed."""
    bids = sorted(sides[0].items(), key=lambda level: -float(level[0]))[:levels]
    asks = sorted(sides[1].items(), key=lambda level: float(level[0]))[:levels]
    parts: list[str] = []
    for bid, ask in zip_longest(bids, asks):
        parts += bid or ()
        parts += (ask[0], f"-{ask[1]}") if ask else ()
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >> 31 else value


# -- one by one ------------------------------------------------------------------------


def backpack() -> Samples:
    symbol, stream = "SOL_USDC", []
    for first, last, (bids, asks) in ranges(1_001):
        data = {"e": "depth", "E": TIME * 10**6, "T": TIME * 10**6 - 9, "s": symbol}
        data |= {"U": first, "u": last, "a": asks, "b": bids}
        stream.append(text({"stream": f"depth.{symbol}", "data": data}))
    ascending = START[0][::-1], START[1]
    body = {"asks": ascending[1], "bids": ascending[0], "lastUpdateId": "1000"}
    market = {
        "symbol": symbol,
        "orderBookState": "Open",
        "filters": {
            "price": {"tickSize": "0.1", "minPrice": "0.1"},
            "quantity": {"stepSize": "0.01"},
        },
    }
    return Samples(
        symbol=symbol,
        stream=stream,
        body=text({**body, "timestamp": TIME * 10**6}),
        refused=['{"id":null,"error":{"code":4006,"message":"Invalid stream"}}'],
        instruments=[text([market])],
        book=BOOK,
    )


def bitfinex(timestamp: str = "no") -> Samples:
    symbol, channel = "tBTCUSD", 10092
    flags = 196608 + (32768 if timestamp == "yes" else 0)
    count = 0

    def array(*payload: Any) -> str:
        nonlocal count
        count += 1
        timed = [TIME * 1000] if timestamp == "yes" else []
        # prices as JavaScript writes them: what is hashed is the text
        return text([channel, *payload, count, *timed]).replace('"', "")

    def entry(side: str, price: str, size: str) -> list[str]:
        sign = "" if side == "buy" else "-"
        if not float(size):
            return [price, "0", f"{sign}1"]
        return [price, "1", sign + size]

    whole = [
        entry(side, *level)
        for side, levels in zip(("buy", "sell"), START, strict=True)
        for level in levels
    ]
    ack = {"event": "subscribed", "channel": "book", "chanId": channel}
    ack |= {"symbol": symbol, "prec": "P0", "freq": "F0", "len": "100"}
    stream = [
        '{"event":"info","version":2,"serverId":"x","platform":{"status":1}}',
        text({"event": "conf", "status": "OK", "flags": flags}),
        text({**ack, "pair": "BTCUSD"}),
        array(whole),
    ]
    stream += [array(entry(*change)) for change in single()]
    heartbeat, checksum = array("hb"), array("cs", crc(BOOK))
    stream += [
        heartbeat.replace("hb", '"hb"'),
        checksum.replace("cs", '"cs"'),
        array(entry("buy", "98.5", "1")),
    ]
    again = [array([entry("buy", "90.5", "1"), entry("sell", "91", "2")])]
    ended = f'{{"event":"unsubscribed","status":"OK","chanId":{channel}}}'
    second = {**ack, "chanId": 10093}
    seeded = again[0].replace(str(channel), "10093")
    error = {"event": "error", "msg": "symbol: invalid", "code": 10300}
    notice = {"event": "info", "msg": "Entering in Maintenance mode"}
    bids, asks = BOOK
    return Samples(
        symbol=symbol,
        stream=stream,
        again=[ended, text(second), seeded],
        ended=[ended],
        refused=[text({**error, "symbol": symbol})],
        ignored=['{"event":"pong","ts":1511545528111,"cid":1}'],
        closing=['{"event":"info","code":20051,"msg":"Stopping. Please reconnect."}'],
        halted=[text({**notice, "code": 20060})],
        instruments=['[["BTCUSD","ETHUSD"]]'],
        book=({**bids, "98.5": "1"}, asks),
        options={"timestamp": timestamp},
    )


def bitget(version: str = "v2") -> Samples:
    symbol = "BTCUSDT"
    arg = {"instType": "SPOT", "channel": "books", "instId": symbol}
    names = "bids", "asks"
    if version == "v3":
        arg = {"instType": "spot", "topic": "books", "symbol": symbol}
        names = "b", "a"

    def push(action: str, sides: tuple[Levels, Levels], prev: int, last: int) -> str:
        book = {names[0]: sides[0], names[1]: sides[1], "ts": str(TIME * 1000)}
        data = [{**book, "seq": last, "pseq": prev}]
        head = {"action": action, "arg": arg, "data": data}
        return text({**head, "ts": TIME * 1000 + 3})

    stream = [text({"event": "subscribe", "arg": arg}), push("snapshot", START, 0, 500)]
    stream += [push("update", change, *ids) for *ids, change in links(500)]
    wrong = {"event": "error", "arg": arg, "code": 30001, "msg": "doesn't exist"}
    market = {"symbol": symbol, "status": "online", "pricePrecision": "1"}
    listing = {"code": "00000", "data": [{**market, "quantityPrecision": "2"}]}
    return Samples(
        symbol=symbol,
        stream=stream,
        again=[push("snapshot", LATER, 0, 900)],
        ended=[text({"event": "unsubscribe", "arg": arg})],
        refused=[text(wrong)],
        ignored=["pong"],
        instruments=[text(listing)],
        book=BOOK,
        options={"version": version},
    )


def bitmart_futures() -> Samples:
    symbol = "BTCUSDT"
    group = f"futures/depthIncrease50:{symbol}@100ms"

    def push(kind: str, sides: tuple[Levels, Levels], version: int) -> str:
        bids, asks = (objects(side, "price", "vol") for side in sides)
        data = {"symbol": symbol, "asks": asks, "bids": bids, "ms_t": TIME * 1000}
        return text(
            {"group": group, "data": {**data, "version": version, "type": kind}}
        )

    def said(action: str, **rest: Any) -> str:
        request = {"action": action, "args": [group]}
        return text({"action": action, "group": group, **rest, "request": request})

    stream = [said("subscribe", success=True), push("snapshot", START, 70)]
    stream += [push("update", change, n) for n, change in enumerate(CHANGES, 71)]
    contract = {"symbol": symbol, "contract_size": "0.001", "price_precision": "0.1"}
    contract |= {"vol_precision": "1", "status": "Trading"}
    return Samples(
        symbol=symbol,
        stream=stream,
        ended=[said("unsubscribe", success=True)],
        refused=[said("subscribe", success=False, error="Invalid channel: not found")],
        ignored=['{"group":"System","data":"pong+3ab"}'],
        instruments=[text({"code": 1000, "data": {"symbols": [contract]}})],
        book=BOOK,
    )


def bitmex() -> Samples:
    symbol = "XBTUSD"
    at = "2026-09-15T12:00:00.000Z"

    def ident(price: str) -> int:
        return 8_800_000_000 - int(float(price) * 100)

    def row(side: str, price: str, size: str | None, *, named: bool) -> dict[str, Any]:
        found: dict[str, Any] = {"symbol": symbol, "id": ident(price), "side": side}
        if size is not None:
            found["size"] = int(float(size))
        return {**found, **({"price": float(price)} if named else {}), "timestamp": at}

    def push(action: str, rows: list[dict[str, Any]]) -> str:
        return text({"table": "orderBookL2", "action": action, "data": rows})

    known = {
        (side, level[0])
        for side, levels in (("Buy", START[0]), ("Sell", START[1]))
        for level in levels
    }
    whole = [
        row(side, *level, named=True)
        for side, levels in (  # type: ignore[misc]
            ("Buy", START[0]),
            ("Sell", START[1]),
        )
        for level in levels
    ]
    topic = f"orderBookL2:{symbol}"
    asked = {"op": "subscribe", "args": [topic]}
    stream = [
        text({"info": "Welcome to the BitMEX Realtime API.", "version": "2.0.0"}),
        text({"success": True, "subscribe": topic, "request": asked}),
        text(
            {
                "table": "orderBookL2",
                "action": "partial",
                "keys": ["symbol", "id", "side"],
                "filter": {"symbol": symbol},
                "data": whole,
            }
        ),
    ]
    for buying, price, size in single():
        side = {"buy": "Buy", "sell": "Sell"}[buying]
        if not float(size):  # deletes have had a size since 2023
            known.discard((side, price))
            stream.append(push("delete", [row(side, price, "3", named=True)]))
        elif (side, price) in known:
            stream.append(push("update", [row(side, price, size, named=False)]))
        else:
            known.add((side, price))
            stream.append(push("insert", [row(side, price, size, named=True)]))
    later = [row("Buy", "90.5", "1", named=True), row("Sell", "91", "2", named=True)]
    partial_ = {"table": "orderBookL2", "action": "partial", "data": later}
    wrong = {"status": 400, "error": "Unknown or expired symbol.", "meta": {}}
    entry = {"symbol": symbol, "state": "Open", "tickSize": 0.5, "lotSize": 100}
    return Samples(
        symbol=symbol,
        stream=stream,
        again=[text(partial_)],
        ended=[text({"success": True, "unsubscribe": topic})],
        refused=[text({**wrong, "request": asked})],
        ignored=["pong"],
        instruments=[text([entry])],
        book=BOOK,
    )


def bitvavo() -> Samples:
    market = "BTC-EUR"
    ack = text({"event": "subscribed", "subscriptions": {"book": [market]}})

    def book(nonce: int, sides: tuple[Levels, Levels], time: int = 0) -> dict[str, Any]:
        at = {"timestamp": TIME * 10**9 + (time or nonce)}
        return {
            "market": market,
            "nonce": nonce,
            "bids": sides[0],
            "asks": sides[1],
        } | at

    def event(nonce: int, sides: tuple[Levels, Levels], time: int = 0) -> str:
        padded = [[[f"{p}0", s] for p, s in side] for side in sides]
        return text({"event": "book", **book(nonce, (padded[0], padded[1]), time)})

    def answer(nonce: int, sides: tuple[Levels, Levels], time: int = 0) -> str:
        response = book(nonce, sides, time)
        return text({"action": "getBook", "requestId": 1, "response": response})

    deltas = [event(nonce, change) for nonce, change in enumerate(CHANGES, 301)]
    wrong = {"errorCode": 205, "error": f"market parameter {market} is invalid."}
    halted = {"errorCode": 431, "error": "getBook is not allowed in this state."}
    listing = {"market": market, "status": "trading", "tickSize": "0.1"}
    return Samples(
        symbol=market,
        stream=[ack, deltas[0], answer(303, grown_at(3)), *deltas[1:]],
        again=[  # the matching engine starts again: a lower nonce, a newer time
            event(4, CHANGES[0], 900),
            answer(4, LATER, 901),
            event(5, CHANGES[1], 902),
        ],
        ended=[text({"event": "unsubscribed", "subscriptions": {}})],
        refused=[text({"action": "subscribe", **wrong})],
        ignored=['{"action":"getTime","response":{"time":1}}'],
        halted=[text({"action": "getBook", "requestId": 1, **halted})],
        instruments=[text([{**listing, "quantityDecimals": 2}])],
        book=BOOK,
    )


def grown_at(count: int) -> tuple[Levels, Levels]:
    """``START`` after ``count`` changes, as lists."""
    bids, asks = grown(*CHANGES[:count])
    return [[*level] for level in bids.items()], [[*level] for level in asks.items()]


def crypto_com() -> Samples:
    symbol = "BTCUSD-PERP"

    def rows(levels: Levels) -> Levels:
        return [[*level, "1"] for level in levels]

    def push(channel: str, item: dict[str, Any]) -> str:
        item |= {"t": TIME * 1000, "tt": TIME * 1000 - 9, "cs": -1183713967}
        head = {"instrument_name": symbol, "subscription": f"book.{symbol}.50"}
        result = {**head, "channel": channel, "depth": 50, "data": [item]}
        return text({"id": -1, "method": "subscribe", "code": 0, "result": result})

    def sides(both: tuple[Levels, Levels]) -> dict[str, Any]:
        return {"asks": rows(both[1]), "bids": rows(both[0])}

    channel = f"book.{symbol}.50"
    stream = [
        text({"id": 1, "method": "subscribe", "code": 0, "channel": channel}),
        push("book", {**sides(START), "u": 10**9}),
    ]
    for prev, last, change in links(10**9):
        item = {"update": sides(change), "u": last, "pu": prev}
        stream.append(push("book.update", item))
    wrong = {"id": 1, "code": 40003, "method": "subscribe", "message": "Unknown symbol"}
    entry = {"symbol": symbol, "price_tick_size": "0.1", "qty_tick_size": "0.0001"}
    beat = '{"id":1587523073344,"method":"public/heartbeat","code":0}'
    answer = '{"id":1587523073344,"method":"public/respond-heartbeat"}'
    return Samples(
        symbol=symbol,
        stream=stream,
        again=[push("book", {**sides(LATER), "u": 10**9 + 999})],
        ended=['{"id":2,"method":"unsubscribe","code":0}'],
        refused=[text(wrong)],
        asks=[(beat, answer)],
        instruments=[
            text({"code": 0, "result": {"data": [{**entry, "tradable": True}]}})
        ],
        book=BOOK,
    )


def dydx(reorder: str = "50", batched: str = "no") -> Samples:
    symbol, count = "BTC-USD", 0

    def message(kind: str, **rest: Any) -> str:
        nonlocal count
        found = {"type": kind, "connection_id": "conn-abc", "message_id": count, **rest}
        count += 1
        return text(found)

    of = {"channel": "v4_orderbook", "id": symbol}

    def whole(sides: tuple[Levels, Levels]) -> dict[str, Any]:
        bids, asks = (objects(side, "price", "size") for side in sides)
        return {"bids": bids, "asks": asks}

    def delta(bids: Levels, asks: Levels) -> str:
        contents: Any = {"bids": bids, "asks": asks}
        contents = {side: levels for side, levels in contents.items() if levels}
        if batched == "yes":
            return message("channel_batch_data", **of, contents=[contents])
        return message("channel_data", **of, version="1.0.0", contents=contents)

    stream = [message("connected"), message("subscribed", **of, contents=whole(START))]
    stream += [delta(*change) for change in CHANGES]
    # a loss shows itself when so many more have come, and holds the book until then
    more = int(reorder) + 10 if int(reorder) else 1
    stream += [delta([["98.0", str(size + 1)]], []) for size in range(more)]
    here = count
    ended = message("unsubscribed", **of)
    again = [ended, message("subscribed", **of, contents=whole(LATER))]
    count = 0
    greeting = message("connected")
    refused = message("error", message="Invalid subscription id BTC-USD")
    count = here
    other = message("unsubscribed", channel="v4_markets", id="x")
    markets = {symbol: {"status": "ACTIVE", "tickSize": "0.1", "stepSize": "0.01"}}
    assert greeting == stream[0]
    return Samples(
        symbol=symbol,
        stream=stream,
        again=again,
        ended=[ended],
        refused=[refused.replace('"message_id":1', '"message_id":0')],
        ignored=[other],
        instruments=[text({"markets": markets})],
        book=({**BOOK[0], "98.0": str(more)}, BOOK[1]),
        options={"reorder": reorder, "batched": batched},
    )


def gate(
    symbol: str = "BTC_USDT", market: str = "spot", channel: str = "obu"
) -> Samples:
    name = f"{market}.{channel}"
    obu, futures = channel == "obu", market == "futures"
    payload = [symbol, "100ms"] + (["100"] if futures else [])
    payload = [f"ob.{symbol}.100"] if obu else payload

    def push(result: dict[str, Any]) -> str:
        head = {"time": TIME, "time_ms": TIME * 1000, "channel": name}
        return text({**head, "event": "update", "result": {"t": TIME * 1000, **result}})

    def levels(side: Levels) -> Any:
        if obu or not futures:
            return side
        return [{"p": price, "s": float(size)} for price, size in side]

    def sides(both: tuple[Levels, Levels]) -> dict[str, Any]:
        return {"b": levels(both[0]), "a": levels(both[1])}

    of = payload[0] if obu else symbol
    head = {"time": TIME, "id": 1, "channel": name}
    ack = {**head, "event": "subscribe", "payload": payload}
    stream = [text({**ack, "result": {"status": "success"}})]
    if obu:
        stream.append(push({"full": True, "s": of, "u": 1_000, **sides(START)}))
    for first, last, change in ranges(1_001):
        both = {key: side for key, side in sides(change).items() if side or not obu}
        stream.append(push({"s": of, "U": first, "u": last, **both}))
    body = {"id": 1_000, "current": TIME, "update": TIME}
    body |= {"asks": levels(START[1]), "bids": levels(START[0])}
    wrong = {"error": {"code": 2, "message": f"unknown currency pair {symbol}"}}
    pair = {"id": symbol, "precision": 1, "amount_precision": 2}
    contract = {"name": symbol, "order_price_round": "0.1", "quanto_multiplier": "0.01"}
    upgrade = {"type": "upgrade", "msg": "The connection will soon be closed"}
    return Samples(
        symbol=symbol,
        stream=stream,
        body=None if obu else text(body),
        again=[push({"full": True, "s": of, "u": 2_000, **sides(LATER)})],
        ended=[
            text(
                {
                    **ack,
                    "id": 2,
                    "event": "unsubscribe",
                    "result": {"status": "success"},
                }
            )
        ],
        refused=[text({**ack, **wrong, "result": {"status": "fail"}})],
        ignored=[text({"time": TIME, "channel": f"{market}.pong", "event": ""})],
        closing=[text({"channel": f"{market}.system", "event": "", "result": upgrade})],
        instruments=[text([contract if futures else pair])],
        book=BOOK,
        options={"channel": channel},
    )


def gemini() -> Samples:
    symbol = "btcusd"

    def push(first: int, last: int, sides: tuple[Levels, Levels]) -> str:
        head = {"e": "depthUpdate", "E": TIME * 10**9, "s": symbol}
        return text({**head, "U": first, "u": last, "b": sides[0], "a": sides[1]})

    ids = {"id": 1, "status": 200}
    stream = [push(10**12, 10**12, START), text(ids)]
    stream += [push(prev, last, change) for prev, last, change in links(10**12)]
    problem = {"code": -1013, "msg": "Invalid stream name: btcusd@depth@100ms"}
    details = {"symbol": "BTCUSD", "tick_size": 1e-8, "quote_increment": 0.01}
    return Samples(
        symbol=symbol,
        stream=stream,
        ended=[text({"id": 2, "status": 200})],
        refused=[text({"id": 1, "status": 400, "error": problem})],
        ignored=[text({"id": 100, "status": 200})],
        instruments=[text([{**details, "status": "open"}])],
        book=BOOK,
    )


def kucoin_futures() -> Samples:
    symbol = "XBTUSDTM"
    topic = f"/contractMarket/level2:{symbol}"
    stream = ['{"id":"hQvf8jkno","type":"welcome"}', '{"id":"1","type":"ack"}']
    for number, (side, price, size) in enumerate(single(), 501):
        data = {"sequence": number, "change": f"{price},{side},{size}"}
        head = {"subject": "level2", "topic": topic, "type": "message"}
        stream.append(text({**head, "data": {**data, "timestamp": TIME * 1000}}))
    bids, asks = (numbers(side) for side in START)
    book = {"symbol": symbol, "sequence": 500, "bids": bids, "asks": asks}
    contract = {"symbol": symbol, "tickSize": 0.1, "lotSize": 1, "multiplier": 0.001}
    return Samples(
        symbol=symbol,
        stream=stream,
        body=text({"code": "200000", "data": {**book, "ts": TIME * 10**9}}),
        ended=['{"id":"2","type":"ack"}'],
        refused=['{"id":"1","type":"error","code":404,"data":"topic does not exist"}'],
        ignored=['{"id":"17","type":"pong","timestamp":1}'],
        instruments=[
            text({"code": "200000", "data": [{**contract, "status": "Open"}]})
        ],
        token=TOKEN,
        book=BOOK,
    )


TOKEN = (
    b'{"code":"200000","data":{"token":"2neAiuYvAU61Z/+=","instanceServers":[{"endpoint'
    b'":"wss://ws-api-futures.kucoin.com/","encrypt":true,"protocol":"websocket",'
    b'"pingInterval":18000,"pingTimeout":10000}]}}'
)


def kucoin_uta(symbol: str = "BTC-USDT", kind: str = "SPOT") -> Samples:
    def push(t: str, first: int, last: int, sides: tuple[Levels, Levels]) -> bytes:
        d = {"s": symbol, "O": first, "C": last, "M": TIME * 10**9}
        d |= {"b": sides[0], "a": sides[1]}
        head = {"T": f"obu.{kind}", "dp": "increment@10ms", "t": t, "P": TIME * 10**9}
        return text({**head, "d": d}).encode()  # binary frames of text

    stream: list[str | bytes] = [
        '{"sessionId":"a","message":"welcome","pingInterval":18000}',
        '{"id":"1","result":true}',
        push("snapshot", 500, 500, START),
    ]
    stream += [
        push("delta", first, last, change) for first, last, change in ranges(501)
    ]
    return Samples(
        symbol=symbol,
        stream=stream,
        again=[push("snapshot", 900, 900, LATER)],
        ended=['{"id":"2","result":true}'],
        refused=['{"id":"1","result":false,"message":"symbol not exists"}'],
        ignored=['{"id":"17","type":"pong","ts":1}'],
        book=BOOK,
        options={"socket": "uta"},
    )


def phemex(symbol: str = "BTCUSDT", scale: int | None = None) -> Samples:
    key = "orderbook_p" if scale is None else "book"

    def levels(side: Levels) -> Any:
        if scale is None:
            return side
        return [[int(float(p) * scale), int(float(s))] for p, s in side]

    def push(kind: str, sides: tuple[Levels, Levels], number: int) -> str:
        book = {"asks": levels(sides[1]), "bids": levels(sides[0])}
        head = {"depth": 30, key: book, "sequence": number, "symbol": symbol}
        return text({**head, "timestamp": TIME * 10**9 + number, "type": kind})

    stream = ['{"error":null,"id":1,"result":{"status":"success"}}']
    stream.append(push("snapshot", START, 7_000))
    stream += [push("incremental", change, last) for _, last, change in links(7_000)]
    listed = {"symbol": symbol, "status": "Listed", "tickSize": "0.1"}
    linear = {"products": [], "perpProductsV2": [{**listed, "qtyStepSize": "0.001"}]}
    inverse = {"products": [{**listed, "lotSize": 1, "priceScale": 4}]}
    products = linear if scale is None else inverse
    return Samples(
        symbol=symbol,
        stream=stream,
        again=[push("snapshot", LATER, 8_000)],
        ended=['{"error":null,"id":2,"result":{"status":"success"}}'],
        refused=[
            '{"error":{"code":6001,"message":"invalid argument"},"id":1,"result":null}'
        ],
        ignored=['{"error":null,"id":0,"result":"pong"}'],
        instruments=[text({"code": 0, "data": products})],
        book=BOOK,
    )


def poloniex(market: str = "spot") -> Samples:
    futures = market == "futures"
    symbol = "BTC_USDT_PERP" if futures else "BTC_USDT"
    names = ("s", "lid", "cT") if futures else ("symbol", "lastId", "createTime")

    def push(action: str, prev: int, last: int, sides: tuple[Levels, Levels]) -> str:
        row = {names[0]: symbol, names[2]: TIME * 1000, "asks": sides[1]}
        row |= {"bids": sides[0], names[1]: prev, "id": last, "ts": TIME * 1000}
        return text({"channel": "book_lv2", "data": [row], "action": action})

    def said(event: str) -> str:
        return text({"event": event, "channel": "book_lv2", "symbols": [symbol]})

    stream = [said("subscribe"), push("snapshot", 98, 99, START)]
    stream += [push("update", prev, last, change) for prev, last, change in links(99)]
    limits = {"priceScale": 1, "quantityScale": 2}
    spot = [{"symbol": symbol, "state": "NORMAL", "symbolTradeLimit": limits}]
    contract = {"symbol": symbol, "status": "OPEN", "tSz": "0.1", "lotSz": "1"}
    return Samples(
        symbol=symbol,
        stream=stream,
        again=[push("snapshot", 900, 901, LATER)],
        ended=[said("unsubscribe")],
        refused=['{"event":"error","message":"Symbol not found"}'],
        ignored=['{"event":"pong"}'],
        instruments=[text({"data": [contract]} if futures else spot)],
        book=BOOK,
        options={"market": market},
    )


def upbit() -> Samples:
    code = "KRW-BTC"

    def push(place: int) -> bytes:
        """A whole book; the shorter side is filled with zeros."""
        bids, asks = grown(*CHANGES[:place])
        best = (
            sorted(bids.items(), key=lambda level: -float(level[0])),
            sorted(asks.items(), key=lambda level: float(level[0])),
        )
        units = [
            {"ap": float(ask[0]), "bp": float(bid[0]), "as": float(ask[1])}
            | {"bs": float(bid[1])}
            for bid, ask in zip_longest(*best, fillvalue=("0", "0"))
        ]
        totals = {"tas": 10.5, "tbs": 8.25}
        head = {"ty": "orderbook", "cd": code, "tms": TIME * 1000 + place, **totals}
        kind = "REALTIME" if place else "SNAPSHOT"
        return text({**head, "obu": units, "lv": 0, "st": kind}).encode()

    return Samples(
        symbol=code,
        stream=[push(place) for place in range(len(CHANGES) + 1)],
        refused=[
            '{"error":{"name":"NO_CODES","message":"codes do not exist"}}',
        ],
        ignored=['{"status":"UP"}'],
        instruments=[text([{"market": code, "english_name": "Bitcoin"}])],
        book=BOOK,
    )


def whitebit() -> Samples:
    market = "BTC_USDT"

    def push(number: int, sides: Any, past: int | None = None) -> str:
        change: dict[str, Any] = {"timestamp": TIME + 0.25, "update_id": number}
        whole = past is None
        if not whole:
            change["past_update_id"] = past
        change |= {n: s for n, s in zip(("bids", "asks"), sides, strict=True) if s}
        params = [whole, {**change, "event_time": TIME + 0.3}, market]
        return text({"id": None, "method": "depth_update", "params": params})

    success = {"result": {"status": "success"}, "error": None}
    stream = [text({"id": 1, **success}), push(214_399, START)]
    stream += [push(last, change, prev) for prev, last, change in links(214_399)]
    problem = {"code": 9, "message": f"market {market} does not exist"}
    listing = {
        "name": market,
        "stockPrec": "2",
        "moneyPrec": "1",
        "tradesEnabled": True,
    }
    return Samples(
        symbol=market,
        stream=stream,
        again=[push(300_000, LATER)],
        ended=[text({"id": 2, **success})],
        refused=[text({"id": 1, "result": None, "error": problem})],
        ignored=['{"id":0,"result":"pong","error":null}'],
        instruments=[text([listing])],
        book=BOOK,
    )


_update = "order_book_update"
#: Samples by name: the venue's id, and what is special.
WRITTEN: Mapping[str, Callable[[], Samples]] = {
    name: cache(make)
    for name, make in {
        "backpack": backpack,
        "bitfinex": bitfinex,
        "bitfinex timestamp": partial(bitfinex, "yes"),
        "bitget": bitget,
        "bitget v3": partial(bitget, "v3"),
        "bitmart_futures": bitmart_futures,
        "bitmex": bitmex,
        "bitvavo": bitvavo,
        "crypto_com": crypto_com,
        "dydx": dydx,
        "dydx in order": partial(dydx, "0"),
        "dydx batched": partial(dydx, "0", "yes"),
        "gate": partial(gate, channel=_update),
        "gate obu": gate,
        "gate_futures": partial(gate, market="futures", channel=_update),
        "gate_futures obu": partial(gate, market="futures"),
        "gemini": gemini,
        "kucoin uta": kucoin_uta,
        "kucoin_futures": kucoin_futures,
        "kucoin_futures uta": partial(kucoin_uta, "XBTUSDTM", "FUTURES"),
        "phemex": phemex,
        "phemex scaled": partial(phemex, "BTCUSD", 10_000),
        "poloniex": poloniex,
        "poloniex futures": partial(poloniex, "futures"),
        "upbit": upbit,
        "whitebit": whitebit,
    }.items()
}
