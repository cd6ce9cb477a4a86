"""The Binance dialects, word for word as the sheets have them."""

import json
from decimal import Decimal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from booksync.testing import Spec
from tests.testing.client import call, closed, exchange_of, frames, names, rest, rig

pytestmark = pytest.mark.anyio
BTC, ETH = "BTCUSDT", "ETHUSDT"


def build(book, data):
    for side, key in zip(book, ("b", "a"), strict=True):
        for price, size in data[key]:
            if Decimal(size):
                side[Decimal(price)] = Decimal(size)
            else:
                side.pop(Decimal(price), None)


# -- synchronisation, by the sheets' own predicates ------------------------------------


@pytest.mark.parametrize("placement", ["boundary", "between"])
@pytest.mark.parametrize("dialect", ["binance", "binance_usdm"])
async def test_a_book_joined_by_the_sheets_predicates_is_the_truth(dialect, placement):
    exchange = exchange_of(snapshot=placement, levels=100)
    path = "/api/v3/depth" if dialect == "binance" else "/fapi/v1/depth"
    async with (
        rig(dialect=dialect, exchange=exchange) as (server, ws),
        rest(exchange=exchange, dialect=dialect) as (_, http),
    ):
        server.step(10)
        answer = await http.get(path, params={"symbol": BTC, "limit": 1000})
        snapshot = answer.json()
        server.step(10)
        got = await frames(ws, 20)
    last = snapshot["lastUpdateId"]
    book = [{Decimal(p): Decimal(s) for p, s in snapshot[k]} for k in ("bids", "asks")]
    assert tuple(book) == exchange.truth_at(BTC, last)
    kept = [data for data in got if data["u"] > last]
    first = kept[0]
    if dialect == "binance":
        assert first["U"] <= last + 1 <= first["u"]
        assert (first["U"] == last + 1) == (placement == "boundary")
    else:
        assert first["pu"] <= last < first["u"]
        assert (first["pu"] == last) == (placement == "boundary")
    for data in kept:
        build(book, data)
        assert tuple(book) == exchange.truth_at(BTC, data["u"])


# -- shapes ----------------------------------------------------------------------------


async def test_spot_shapes():
    async with rig() as (server, ws):
        server.step()
        frame = json.loads(await ws.recv())
    assert list(frame) == ["stream", "data"]
    assert list(frame["data"]) == ["e", "E", "s", "U", "u", "b", "a"]
    level = (frame["data"]["b"] + frame["data"]["a"])[0]
    assert [len(number.partition(".")[2]) for number in level] == [8, 8]


async def test_usdm_shapes():
    async with rig(dialect="binance_usdm") as (server, ws):
        server.step()
        frame = json.loads(await ws.recv())
    assert list(frame["data"]) == ["e", "E", "T", "s", "U", "u", "pu", "b", "a"]
    level = (frame["data"]["b"] + frame["data"]["a"])[0]
    assert [len(number.partition(".")[2]) for number in level] == [2, 5]


async def test_coinm_tells_the_pair():
    exchange = exchange_of(Spec("BTCUSD_PERP", "0.1", "1", "61000"))
    async with rig(dialect="binance_coinm", exchange=exchange) as (server, ws):
        server.step()
        (data,) = await frames(ws, 1)
    assert (data["ps"], data["s"]) == ("BTCUSD", "BTCUSD_PERP")
    async with rest("binance_coinm", exchange) as (_, http):
        body = (await http.get("/dapi/v1/depth?symbol=BTCUSD_PERP")).json()
    assert (body["pair"], body["symbol"]) == ("BTCUSD", "BTCUSD_PERP")


async def test_raw_streams_are_not_wrapped():
    async with (
        rig() as (server, _),
        connect(f"{server.ws_url}/ws/btcusdt@depth@100ms") as ws,
    ):
        await server.until(lambda: len(server.connections) == 2)
        server.step()
        assert json.loads(await ws.recv())["e"] == "depthUpdate"


async def test_event_time_in_microseconds_on_demand():
    async with rig() as (server, _):
        url = f"{server.ws_url}/ws/btcusdt@depth@100ms?timeUnit=MICROSECOND"
        async with connect(url) as ws:
            await server.until(lambda: len(server.connections) == 2)
            server.step()
            event = json.loads(await ws.recv())
    assert event["E"] == int(server.exchange.now * 1e6)


async def test_slower_streams_gather_several_intervals():
    async with (
        rig() as (server, _),
        connect(f"{server.ws_url}/stream?streams=btcusdt@depth") as ws,
    ):
        await server.until(lambda: len(server.connections) == 2)
        server.step(30)
        slow = await frames(ws, 3)
        async with connect(f"{server.ws_url}/ws/btcusdt@depth") as other:
            await server.until(lambda: len(server.connections) == 3)
            server.step(10)
            again = json.loads(await other.recv())
    assert again["U"] == slow[2]["u"] + 1
    assert slow[1]["U"] == slow[0]["u"] + 1
    assert slow[1]["E"] - slow[0]["E"] == pytest.approx(1000, abs=1)


# -- requests on the stream ------------------------------------------------------------


async def test_a_quiet_symbol_is_silent_on_slow_streams_too():
    async with (
        rig(exchange=exchange_of(BTC, "ETHUSDT", rate={"ETHUSDT": 100})) as (server, _),
        connect(f"{server.ws_url}/stream?streams=btcusdt@depth/ethusdt@depth") as ws,
    ):
        await server.until(lambda: len(server.connections) == 2)
        server.step(20)
        assert {data["s"] for data in await frames(ws, 2)} == {"ETHUSDT"}


async def test_unsubscribing_what_was_not_subscribed_is_acknowledged():
    async with rig() as (_, ws):
        params = ["ethusdt@depth@100ms"]
        ack = await call(ws, method="UNSUBSCRIBE", params=params, id=3)
        assert ack == {"result": None, "id": 3}


async def test_two_names_of_one_stream_are_two_streams():
    async with rig() as (server, ws):
        await call(ws, method="UNSUBSCRIBE", params=[names(BTC)], id=1)
        both = ["btcusdt@depth", "btcusdt@depth@1000ms"]
        await call(ws, method="SUBSCRIBE", params=[*both, "nonsense"], id=2)
        server.step(10)
        assert len(await frames(ws, 2)) == 2
        await call(ws, method="UNSUBSCRIBE", params=[both[0], "nonsense"], id=3)
        server.step(10)
        assert json.loads(await ws.recv())["stream"] == both[1]


async def test_subscribe_and_unsubscribe_are_acknowledged():
    async with rig(BTC, ETH, watch=(BTC,)) as (server, ws):
        params = [names(ETH)]
        ack = await call(ws, method="SUBSCRIBE", params=params, id=7)
        assert ack == {"result": None, "id": 7}
        server.step()
        assert {data["s"] for data in await frames(ws, 2)} == {BTC, ETH}
        ack = await call(ws, method="UNSUBSCRIBE", params=params, id="x")
        assert ack == {"result": None, "id": "x"}
        assert server.watched == [BTC]
        listed = await call(ws, method="LIST_SUBSCRIPTIONS", id=None)
        assert listed == {"result": [names(BTC)], "id": None}


@pytest.mark.parametrize(
    "stream",
    [
        "nonsense",
        "xxxusdt@depth@100ms",
        "BTCUSDT@depth@100ms",
        "btcusdt@depth@7ms",
        "btcusdt@trade",
    ],
)
async def test_unknown_streams_are_acknowledged_and_silent(stream):
    async with rig(BTC, ETH) as (server, ws):
        await call(ws, method="UNSUBSCRIBE", params=[names(BTC)], id=1)
        ack = await call(ws, method="SUBSCRIBE", params=[stream], id=2)
        assert ack == {"result": None, "id": 2}
        server.step(2)
        assert {data["s"] for data in await frames(ws, 2)} == {ETH}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 3),
        ("[1]", 2),
        ('{"method":"SUBSCRIBE","params":"x","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2),
        ('{"method":"subscribe","params":[],"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[],"id":1.5}', 2),
        ('{"method":"SUBSCRIBE","params":[],"id":"' + "x" * 37 + '"}', 2),
    ],
)
async def test_bad_requests_get_an_error_frame(text, code):
    async with rig() as (_, ws):
        await ws.send(text)
        error = json.loads(await ws.recv())
    assert error["code"] == code
    assert error["msg"].startswith("Invalid")


@pytest.mark.parametrize(("dialect", "limit"), [("binance", 5), ("binance_usdm", 10)])
async def test_too_many_client_messages_close_with_1008(dialect, limit):
    async with rig(dialect=dialect) as (server, ws):
        for _ in range(limit):
            await ws.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        await server.until(lambda: len(server.connections[0].received) == limit)
        await ws.ping()
        assert await closed(ws) == 1008


async def test_the_message_limit_can_be_lifted():
    async with rig(messages=None) as (_, ws):
        for number in range(30):
            assert (await call(ws, method="LIST_SUBSCRIPTIONS", id=number))[
                "id"
            ] == number


async def test_too_many_streams_close_with_1008():
    async with rig() as (_, ws):
        await ws.send(
            json.dumps(
                {
                    "method": "SUBSCRIBE",
                    "params": [f"x{number}@depth" for number in range(1024)],
                    "id": 1,
                }
            )
        )
        assert await closed(ws) == 1008


@pytest.mark.parametrize(
    ("dialect", "path"),
    [("binance", "/other"), ("binance", "/public/ws"), ("binance_usdm", "/public")],
)
async def test_unknown_paths_are_refused(dialect, path):
    async with rig(dialect=dialect) as (server, _):
        with pytest.raises(InvalidStatus, match="404"):
            await connect(server.ws_url + path)


async def test_usdm_routes():
    async with rig(dialect="binance_usdm") as (server, _):
        for route in ("/public", "/market"):
            async with connect(f"{server.ws_url}{route}/ws") as ws:
                params = [names(BTC)]
                await call(ws, method="SUBSCRIBE", params=params, id=1)
                (stream,) = server.connections[-1].session.streams.values()
                assert stream.symbol == (BTC if route == "/public" else None)


async def test_a_shutdown_is_announced():
    async with rig() as (server, ws), connect(server.ws_url + "/ws") as raw:
        await server.until(lambda: len(server.connections) == 2)
        server.announce_shutdown()
        wrapped, plain = json.loads(await ws.recv()), json.loads(await raw.recv())
    assert wrapped["stream"] == "!serverShutdown"
    assert wrapped["data"] == plain
    assert plain["e"] == "serverShutdown"


# -- REST ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "limit", "levels", "weight"),
    [
        ("binance", None, 100, 5),
        ("binance", 100, 100, 5),
        ("binance", 101, 101, 25),
        ("binance", 1000, 1000, 50),
        ("binance", 5000, 1100, 250),
        ("binance", 9000, 1100, 250),
        ("binance_us", 1000, 1000, 10),
        ("binance_us", 5000, 1100, 50),
        ("binance_usdm", None, 500, 10),
        ("binance_usdm", 50, 50, 2),
        ("binance_usdm", 100, 100, 5),
        ("binance_usdm", 1000, 1000, 20),
    ],
)
async def test_depth_and_weight(dialect, limit, levels, weight):
    exchange = exchange_of(levels=1100)
    path = "/fapi/v1/depth" if dialect == "binance_usdm" else "/api/v3/depth"
    params = {"symbol": BTC} | ({"limit": limit} if limit else {})
    async with rest(dialect, exchange) as (server, http):
        answer = await http.get(path, params=params)
        body = answer.json()
    assert [len(body["bids"]), len(body["asks"])] == [levels, levels]
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)
    assert server.requests[0].weight == weight


@pytest.mark.parametrize(
    ("dialect", "url", "status", "code"),
    [
        ("binance", "/api/v3/depth?symbol=XXXUSDT", 400, -1121),
        ("binance", "/api/v3/depth?symbol=btcusdt", 400, -1100),
        ("binance", "/api/v3/depth", 400, -1102),
        ("binance", "/api/v3/depth?symbol=BTCUSDT&limit=x", 400, -1100),
        ("binance", "/api/v3/exchangeInfo?symbol=XXX", 400, -1121),
        ("binance", "/fapi/v1/depth?symbol=BTCUSDT", 404, -1000),
        ("binance_usdm", "/fapi/v1/depth?symbol=BTCUSDT&limit=7", 400, -4021),
    ],
)
async def test_refused_requests(dialect, url, status, code):
    async with rest(dialect) as (_, http):
        answer = await http.get(url)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("dialect", "url", "tick"),
    [
        ("binance", "/api/v3/exchangeInfo", "0.01000000"),
        ("binance_usdm", "/fapi/v1/exchangeInfo", "0.01"),
    ],
)
async def test_instruments(dialect, url, tick):
    async with rest(dialect, exchange_of(BTC, ETH)) as (_, http):
        body = (await http.get(url)).json()
    assert [each["symbol"] for each in body["symbols"]] == [BTC, ETH]
    first = body["symbols"][0]
    assert first["status"] == "TRADING"
    price, size = first["filters"]
    assert (price["filterType"], price["tickSize"]) == ("PRICE_FILTER", tick)
    assert size["filterType"] == "LOT_SIZE"


async def test_one_instrument_of_many():
    async with rest(exchange=exchange_of(BTC, ETH)) as (_, http):
        body = (await http.get("/api/v3/exchangeInfo?symbol=ETHUSDT")).json()
    assert [each["symbol"] for each in body["symbols"]] == [ETH]
