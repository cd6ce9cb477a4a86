"""The server's own life: flow, pings, lifetimes, many symbols, and a clean end."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from itertools import pairwise

import pytest
from websockets.asyncio.client import connect

from booksync.testing import DIALECTS, Exchange, Fault, FaultPlan, serve
from booksync.testing.dialects.binance import Binance
from tests.testing.client import closed, exchange_of, frames, names, rig

pytestmark = pytest.mark.anyio
BTC = "BTCUSDT"


async def test_many_symbols_take_turns():
    symbols = [f"S{number}USDT" for number in range(150)]
    async with (
        serve(Exchange(symbols, levels=5, interval=0.01, rate=200)) as server,
        connect(
            f"{server.ws_url}/stream?streams={names(*symbols)}", max_queue=None
        ) as ws,
    ):
        assert len({data["s"] for data in await frames(ws, 300)}) == 150


async def test_time_goes_on_by_itself():
    async with (
        serve(Exchange([BTC], interval=0.01, rate=1000)) as server,
        connect(f"{server.ws_url}/stream?streams={names(BTC)}", max_queue=None) as ws,
    ):
        got = await frames(ws, 10)
    assert all(b["U"] == a["u"] + 1 for a, b in pairwise(got))


@pytest.mark.parametrize("faults", [None, "hostile"])
async def test_the_end_leaves_no_task_and_no_connection(faults):
    before = asyncio.all_tasks()
    exchange = Exchange([BTC], interval=0.01, rate=1000)
    async with serve(exchange, faults=faults) as server:
        ws = await connect(f"{server.ws_url}/stream?streams={names(BTC)}")
        reader, writer = await asyncio.open_connection(*address(server))
        server.faults.inject("hang")
        writer.write(b"GET /api/v3/depth?symbol=BTCUSDT HTTP/1.1\r\n\r\n")
        await server.until(lambda: server.requests)
        await ws.recv()
    assert await closed(ws) in {None, 1000, 1001, 1012}
    assert await reader.read() == b""
    writer.close()
    await ws.close()
    for task in asyncio.all_tasks() - before:
        assert "websockets" in repr(task)  # the client's own, about to end
        await asyncio.wait([task])
    assert asyncio.all_tasks() == before
    assert server.connections == ()


def address(server):
    host, port = server.rest_url.removeprefix("http://").split(":")
    return host, int(port)


async def test_an_error_inside_comes_out_as_it_is():
    with pytest.raises(KeyError):
        async with serve(exchange_of()):
            raise KeyError


class Broken(Binance):
    name = "test_broken"

    def receive(self, _session, _frame):
        raise ZeroDivisionError


async def test_an_error_of_a_dialect_comes_out_at_the_end():
    async def run():
        async with rig(dialect=Broken) as (_, ws):
            await ws.send("x")
            await closed(ws)

    with pytest.raises(ZeroDivisionError):
        await run()


async def test_protocol_pings_are_sent_and_pongs_awaited():
    async with rig(ping_every=0.02, pong_within=0.05, messages=None) as (server, ws):
        connection = server.connections[0]
        # A client that answers stays; one whose pongs never come is closed.
        await asyncio.sleep(0.2)
        assert connection.open
        ws.protocol.recv_frame = ignore_pings(ws.protocol.recv_frame)
        assert await closed(ws) == 1011


def ignore_pings(receive):
    def received(frame):
        if frame.opcode != 9:
            receive(frame)

    return received


async def test_a_connection_lives_as_long_as_it_may():
    async with rig(lifetime=0.05) as (_, ws):
        assert await closed(ws) == 1001


async def test_a_client_that_does_not_read_is_dropped_in_the_end():
    async with rig() as (server, _ws):
        connection = server.connections[0]
        for _ in range(100):
            connection.write("x" * 2**20)
        await server.until(lambda: not server.connections)


async def test_a_client_that_vanishes_is_struck():
    async with rig() as (server, ws):
        sock = ws.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.transport.abort()
        await server.until(lambda: not server.connections)
        server.step()
    assert server.watched == []


async def test_a_connection_that_closes_takes_no_more_orders():
    async with rig() as (server, ws):
        (connection,) = server.connections
        connection.close(1000)
        connection.close(1001)
        connection.ping()
        server.step()
        assert await closed(ws) == 1000


async def test_only_the_messages_of_the_last_second_count():
    async with rig() as (server, ws):
        server.connections[0]._recent.extend([0.0] * 5)
        await (await ws.ping())
        assert server.connections[0].open


async def test_fragments_are_put_together():
    async with rig() as (server, ws):
        await ws.send(iter(['{"method":"LIST_', 'SUBSCRIPTIONS","id":1}']))
        assert json.loads(await ws.recv())["id"] == 1
        assert len(server.connections[0].received) == 1
        assert "open 1 streams" in repr(server.connections[0])


@pytest.mark.parametrize(
    "request_",
    [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"", b"GET"],
)
async def test_nonsense_ends_a_connection_and_nothing_else(request_):
    async with rig() as (server, ws):
        reader, writer = await asyncio.open_connection(*address(server))
        writer.write(request_)
        writer.write_eof()
        await reader.read()
        writer.close()
        server.step()
        assert await frames(ws, 1)


async def test_a_handshake_without_a_key_is_refused():
    async with rig() as (server, _):
        reader, writer = await asyncio.open_connection(*address(server))
        writer.write(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
        assert b" 426 " in await reader.readline()
        writer.close()
        assert len(server.connections) == 1


async def test_until_gives_up_in_time():
    async with rig() as (server, _):
        with pytest.raises(TimeoutError):
            await server.until(lambda: False, timeout=0.01)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"dialect": "nobody"}, "no dialect 'nobody'"), ({"faults": "x"}, "called 'x'")],
)
async def test_unknown_names_are_refused(options, error):
    with pytest.raises(ValueError, match=error):
        async with serve(exchange_of(), **options):
            pass


def test_dialects_have_the_names_of_their_venues():
    known = {"binance", "binance_coinm", "binance_us", "binance_usdm"}
    assert known <= set(DIALECTS)
    assert all(name == dialect.name for name, dialect in DIALECTS.items())


async def test_the_same_seed_gives_the_same_bytes():
    kinds = ("drop", "repeat", "reorder", "malformed_nan", "malformed_type", "foreign")

    async def run():
        plan = FaultPlan(5, deck=dict.fromkeys(map(Fault, kinds), 1), every=0.3)
        exchange = exchange_of(BTC, "ETHUSDT", seed=5)
        async with rig(exchange=exchange, faults=plan) as (server, ws):
            server.step(60)
            plan.stop()
            server.step()
            server.announce_shutdown()
            got: list[str] = []
            while not got or "serverShutdown" not in got[-1]:
                got.append(str(await ws.recv()))
            return got, server.faults_injected

    got, injected = await run()
    assert len(injected) == len(kinds)
    assert (got, injected) == await run()


async def test_a_thousand_symbols_over_several_connections():
    symbols = [f"S{number}USDT" for number in range(1000)]
    exchange = Exchange(symbols, levels=20, rate=2, interval=1.0)
    async with (
        serve(exchange, flow=False) as server,
        contextlib.AsyncExitStack() as all_,
    ):
        clients = []
        for start in range(0, 1000, 200):
            url = f"{server.ws_url}/stream"
            opening = connect(url, max_queue=None, open_timeout=None)
            ws = await all_.enter_async_context(opening)
            params = names(*symbols[start : start + 200]).split("/")
            await ws.send(
                json.dumps({"method": "SUBSCRIBE", "params": params, "id": 1})
            )
            clients.append(ws)
        await server.subscribed(*symbols, timeout=100.0)
        # Processor time: what else the machine does is not the server's fault.
        began = time.process_time()
        server.step(10)
        assert time.process_time() - began < 5
        for ws in clients:
            assert json.loads(await ws.recv()) == {"result": None, "id": 1}
            got = await frames(ws, 1000)
            assert len({data["s"] for data in got}) == 200
