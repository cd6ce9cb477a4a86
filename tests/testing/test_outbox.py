"""Every stream fault, seen by a plain client over loopback."""

import asyncio
import json
import math
from itertools import pairwise

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.testing.client import exchange_of, frames, rig

pytestmark = pytest.mark.anyio
BTC, ETH = "BTCUSDT", "ETHUSDT"


async def test_without_faults_deltas_are_contiguous():
    async with rig() as (server, ws):
        server.step(5)
        got = await frames(ws, 5)
    assert all(b["U"] == a["u"] + 1 for a, b in pairwise(got))
    assert server.faults_injected == {}


async def test_drop():
    async with rig() as (server, ws):
        server.faults.inject("drop", after=1)
        server.step(3)
        one, three = await frames(ws, 2)
    assert three["U"] > one["u"] + 1
    assert server.faults_injected == {"drop": 1}


async def test_repeat():
    async with rig() as (server, ws):
        server.faults.inject("repeat")
        server.step(2)
        one, again, two = await frames(ws, 3)
    assert one == again
    assert two["U"] == one["u"] + 1


async def test_reorder_swaps_with_the_next_frame_of_the_symbol():
    async with rig(BTC, ETH) as (server, ws):
        server.faults.inject("reorder", symbol=BTC)
        server.step(2)
        got = await frames(ws, 4)
    assert [frame["s"] for frame in got] == [ETH, BTC, BTC, ETH]
    later, earlier = (frame for frame in got if frame["s"] == BTC)
    assert later["U"] == earlier["u"] + 1


async def test_a_reordered_frame_comes_though_no_other_follows():
    async with rig() as (server, ws):
        server.faults.inject("reorder", seconds=0.01)
        server.step()
        assert len(await frames(ws, 1)) == 1


@pytest.mark.parametrize("kind", ["delay", "burst"])
async def test_delay_and_burst_hold_frames_back_and_keep_their_order(kind):
    clock = asyncio.get_running_loop().time
    async with rig() as (server, ws):
        server.faults.inject(kind, seconds=0.1)
        began = clock()
        server.step(4)
        got = await frames(ws, 4)
        assert clock() - began >= 0.09
    assert all(b["U"] == a["u"] + 1 for a, b in pairwise(got))


async def test_silence_answers_pings_and_sends_no_data_until_it_ends():
    async with rig() as (server, ws):
        server.step()
        (before,) = await frames(ws, 1)
        server.faults.inject("silence", seconds=math.inf)
        server.step(5)
        await (await ws.ping())
        server.faults.calm()
        server.step()
        (after,) = await frames(ws, 1)
    assert after["U"] > before["u"] + 1


async def test_silence_of_one_symbol_ends_by_itself():
    async with rig(BTC, ETH) as (server, ws):
        order = server.faults.inject("silence", symbol=BTC, seconds=0.02)
        server.step(2)
        assert [frame["s"] for frame in await frames(ws, 2)] == [ETH, ETH]
        assert order.count == 1
        await asyncio.sleep(0.05)
        server.step()
        assert [frame["s"] for frame in await frames(ws, 2)] == [BTC, ETH]


async def test_half_open_answers_nothing_and_ends_in_1006():
    async with rig() as (server, ws):
        server.faults.inject("half_open", seconds=math.inf)
        server.step()
        pong = await ws.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(pong), 0.1)
        assert server.connections[0].open
        server.faults.calm()
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
    assert caught.value.rcvd is None
    pong.cancel()


@pytest.mark.parametrize(
    ("kind", "codes"),
    [("cut_clean", {1000, 1001}), ("cut_1012", {1012}), ("cut_1006", {None})],
)
async def test_cuts(kind, codes):
    async with rig() as (server, ws):
        server.faults.inject(kind)
        server.step(3)
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
        await server.until(lambda: not server.connections)
    close = caught.value.rcvd
    assert (close.code if close else None) in codes
    assert server.faults_injected == {kind: 1}


async def malformed(kind):
    """Frames malformed in this way, of several seeds, and frames that follow."""
    broken = []
    for seed in range(8):
        async with rig(exchange=exchange_of(seed=seed)) as (server, ws):
            server.faults.rng.seed(seed)
            server.faults.inject(kind)
            server.step(2)
            broken.append(await ws.recv())
            assert (await frames(ws, 1))[0]["e"] == "depthUpdate"
    return broken


async def test_malformed_json():
    for text in await malformed("malformed_json"):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


async def test_malformed_missing():
    fields = {"e", "E", "s", "U", "u", "b", "a"}
    gone = set()
    for text in await malformed("malformed_missing"):
        (field,) = fields - json.loads(text)["data"].keys()
        gone.add(field)
    assert len(gone) > 1


async def test_malformed_type():
    for text in await malformed("malformed_type"):
        data = json.loads(text)["data"]
        numbers = [type(data[key]) is int for key in ("U", "u")]
        lists = [isinstance(data[key], list) for key in ("b", "a")]
        assert (*numbers, *lists).count(False) == 1


@pytest.mark.parametrize(
    ("kind", "sign"), [("malformed_nan", "N"), ("malformed_negative", "-")]
)
async def test_malformed_numbers(kind, sign):
    places = set()
    for text in await malformed(kind):
        data = json.loads(text)["data"]
        wrong = [
            place
            for level in (*data["b"], *data["a"])
            for place, number in enumerate(level)
            if number.startswith(sign)
        ]
        assert len(wrong) == 1
        places.update(wrong)
    assert places == {0, 1}


async def test_foreign_brings_a_frame_of_a_symbol_nobody_asked_for():
    async with rig(BTC, ETH, watch=(BTC,)) as (server, ws):
        server.faults.inject("foreign")
        server.step()
        foreign, own = [json.loads(await ws.recv()) for _ in range(2)]
    assert foreign["stream"] == "ethusdt@depth@100ms"
    assert (foreign["data"]["s"], own["data"]["s"]) == (ETH, BTC)


async def test_foreign_makes_up_a_symbol_where_all_are_watched():
    async with rig() as (server, ws):
        server.faults.inject("foreign")
        server.step()
        foreign, own = await frames(ws, 2)
    assert (foreign["s"], own["s"]) == ("STRANGERUSDT", BTC)


@pytest.mark.parametrize("dialect", ["binance", "binance_usdm"])
async def test_sequence_reset_starts_ids_again_and_keeps_the_truth(dialect):
    async with rig(dialect=dialect) as (server, ws):
        server.faults.inject("sequence_reset", after=1)
        server.step(6)
        old, *_, new = await frames(ws, 6)
        truth = server.exchange.truth_at
        assert new["u"] < old["U"]
        assert truth(BTC, new["u"]) == truth(
            BTC, server.exchange.boundary(BTC) and new["u"]
        )
        assert server.exchange.sequence_of(BTC, old["u"]) < 100
        assert truth(BTC, old["u"]) != truth(BTC, new["u"])


async def test_corrupt_makes_one_level_wrong_for_good_and_nothing_shows_it():
    exchange = exchange_of(levels=60, rate=300)
    snapshot = exchange.snapshot_at(BTC, 0)
    market = exchange.markets[BTC]
    book = [dict(snapshot.bids), dict(snapshot.asks)]
    async with rig(exchange=exchange) as (server, ws):
        server.faults.corrupt(BTC)
        server.step(200)
        got = await frames(ws, 200)
    for frame in got:
        for side, key in enumerate(("b", "a")):
            for price, size in frame[key]:
                book[side][market.prices.steps(price)] = market.sizes.steps(size)
    truth = exchange.levels(BTC, exchange.boundary(BTC))
    wrong = [
        price
        for side in (0, 1)
        for price, size in book[side].items()
        if dict(truth[side]).get(price, 0) != size
    ]
    assert len(wrong) == 1
    assert server.faults_injected == {"corrupt": 1}
    assert all(b["U"] == a["u"] + 1 for a, b in pairwise(got))


async def test_corrupt_on_one_connection_leaves_the_other_right():
    async with rig(exchange=exchange_of(levels=60, rate=300)) as (server, first):
        url = f"{server.ws_url}/stream?streams=btcusdt@depth@100ms"
        async with connect(url, ping_interval=None, max_queue=None) as second:
            await server.until(lambda: len(server.connections) == 2)
            server.faults.corrupt(BTC, connection=2)
            server.step(50)
            one, two = await frames(first, 50), await frames(second, 50)
    ((right, wrong),) = ((a, b) for a, b in zip(one, two, strict=True) if a != b)
    altered = [
        (level, other)
        for side in ("b", "a")
        for level, other in zip(right.pop(side), wrong.pop(side), strict=True)
        if level != other
    ]
    ((level, other),) = altered
    assert level[0] == other[0]
    assert right == wrong
    assert server.faults_injected == {"corrupt": 1}


async def test_a_fault_can_be_meant_for_one_connection():
    async with rig() as (server, ws):
        server.faults.inject("drop", connection=99)
        server.step()
        assert await frames(ws, 1)
    assert server.faults_injected == {}
