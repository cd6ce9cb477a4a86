"""
The contract can express the venues that are not Binance.

Four small dialects, each with what one real venue has and Binance has not.
"""

import gzip
import json
import random
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from websockets.asyncio.client import connect

from booksync.testing import Dialect, Numbering, dialects, serve
from booksync.testing.dialects.base import (
    Answer,
    Ask,
    Close,
    Request,
    Send,
    Session,
    Stream,
    Subscribe,
    Unsubscribe,
)
from booksync.testing.faults import Fault
from tests.testing.client import closed, exchange_of

pytestmark = pytest.mark.anyio
BTC = "BTCUSDT"


class Linked(Dialect):
    """As OKX: a snapshot on subscribe, linked ids, a window, a text ping."""

    name = "test_linked"
    numbering = Numbering.ENGINE
    snapshots = True
    base_path = "/public"
    depth: int | None = 10

    def receive(self, session, frame):
        if frame == "ping":
            yield Send("pong")
            return
        request = json.loads(frame)
        if request["symbol"] not in self.exchange.markets:
            yield Close(1008, "no such symbol")
        elif request["op"] == "subscribe":
            yield Subscribe(Stream(request["symbol"], request["symbol"], 1, self.depth))
        else:
            yield Unsubscribe(request["symbol"])

    def text(self, market, last, prev, bids, asks):
        return json.dumps(
            {
                "symbol": market.symbol,
                "id": last,
                "prev": prev,
                "bids": self.pairs(market, bids, (None, None)),
                "asks": self.pairs(market, asks, (None, None)),
            }
        )

    def snapshot(self, session, stream, snapshot, request=None):
        sides = snapshot.bids, snapshot.asks
        return [self.text(snapshot.market, snapshot.last, request or -1, *sides)]

    def delta(self, session, stream, delta):
        sides = delta.bids, delta.asks
        return [self.text(delta.market, delta.last, delta.prev, *sides)]


class Truncating(Linked):
    """As Kraken Futures and Kraken: deltas are counted, the client cuts its book."""

    name = "test_truncating"
    numbering = Numbering.DELTA
    empty = True
    leaving = False


class Counting(Linked):
    """As Coinbase Advanced, zipped as HTX: every frame of a connection has a number."""

    name = "test_counting"
    depth = None
    beat_every: ClassVar[float | None] = 0.02

    def beat(self, session):
        yield Send('{"beat":true}')

    def seal(self, session, frame):
        message = json.loads(frame)
        message["number"] = session.sent
        return gzip.compress(json.dumps(message).encode())

    def unseal(self, frame):
        return gzip.decompress(frame).decode()

    def reseal(self, text, like):
        assert isinstance(like, bytes)
        return gzip.compress(text.encode())


class Asking(Linked):
    """As HTX: the snapshot is asked for, on the stream."""

    name = "test_asking"
    snapshots = False

    def receive(self, session, frame):
        request = json.loads(frame)
        stream = Stream(BTC, BTC)
        if request["op"] == "subscribe":
            yield Subscribe(stream)
        else:
            yield Ask(stream, request["number"])


class Whole(Linked):
    """As Hyperliquid: every frame is the whole book."""

    name = "test_whole"
    whole = True
    snapshots = False
    numbering = Numbering.TIME


@asynccontextmanager
async def rig(dialect, **options):
    exchange = exchange_of(BTC, "ETHUSDT", **options)
    async with (
        serve(exchange, dialect, flow=False) as server,
        connect(server.ws_url, close_timeout=1, max_queue=None) as ws,
    ):
        await ws.send(json.dumps({"op": "subscribe", "symbol": BTC}))
        await server.subscribed(BTC)
        yield server, ws


async def receive(ws, count):
    return [json.loads(await ws.recv()) for _ in range(count)]


def empty() -> list[dict[Decimal, Decimal]]:
    return [{}, {}]


def build(book, message):
    for side, key in zip(book, ("bids", "asks"), strict=True):
        for price, size in message[key]:
            if Decimal(size):
                side[Decimal(price)] = Decimal(size)
            else:
                side.pop(Decimal(price), None)


def top(exchange, id_, depth=10):
    bids, asks = exchange.truth_at(BTC, id_)
    return [
        dict(sorted(bids.items(), reverse=True)[:depth]),
        dict(sorted(asks.items())[:depth]),
    ]


async def test_a_snapshot_on_subscribe_and_linked_deltas():
    async with rig(Linked) as (server, ws):
        server.step(20)
        messages = await receive(ws, 21)
        book, last = empty(), -1
        for message in messages:
            assert message["prev"] == last
            build(book, message)
            last = message["id"]
            assert book == top(server.exchange, last)


async def test_a_second_subscribe_brings_a_second_snapshot():
    async with rig(Linked) as (server, ws):
        server.step(3)
        for op in ("unsubscribe", "subscribe"):
            await ws.send(json.dumps({"op": op, "symbol": BTC}))
        await server.until(lambda: len(server.connections[0].received) == 3)
        server.step()
        *_, last, snapshot, delta = await receive(ws, 6)
    assert snapshot["prev"] == -1
    assert delta["prev"] == snapshot["id"] == last["id"]


async def test_a_text_ping_and_an_unknown_symbol():
    async with rig(Linked) as (_, ws):
        await ws.recv()
        await ws.send("ping")
        assert await ws.recv() == "pong"
        await ws.send(json.dumps({"op": "subscribe", "symbol": "NOBODY"}))
        assert await closed(ws) == 1008


async def test_counted_deltas_and_a_client_that_cuts_its_book():
    async with rig(Truncating, rate=6) as (server, ws):
        server.step(100)
        snapshot, *deltas = await receive(ws, 101)
        book = empty()
        build(book, snapshot)
        for number, message in enumerate(deltas, snapshot["id"] + 1):
            assert message["id"] == number
            build(book, message)
            book = [
                dict(sorted(book[0].items(), reverse=True)[:10]),
                dict(sorted(book[1].items())[:10]),
            ]
            assert book == top(server.exchange, number)


async def test_a_snapshot_after_empty_deltas_continues_their_count():
    async with rig(Truncating, rate=0) as (server, ws):
        server.step(5)
        await ws.send(json.dumps({"op": "subscribe", "symbol": BTC}))
        await server.until(lambda: len(server.connections[0].received) == 2)
        server.step()
        *_, snapshot, delta = await receive(ws, 8)
    assert delta["id"] == snapshot["id"] + 1


async def test_numbers_of_a_connection_are_given_before_faults():
    async with rig(Counting) as (server, ws):
        server.faults.inject("drop", after=2)
        server.step(5)
        numbers, beats = [], 0
        while beats < 2:
            message = json.loads(gzip.decompress(await ws.recv()))
            numbers.append(message["number"])
            beats += "beat" in message
    assert [number for number in range(numbers[-1] + 1) if number not in numbers] == [3]


async def test_zipped_frames_can_be_malformed():
    class Zipped(Counting):
        name = "test_zipped"
        beat_every = None
        essential = ("id",)

    async with rig(Zipped) as (server, ws):
        server.faults.inject(Fault.MALFORMED_MISSING)
        server.faults.inject(Fault.MALFORMED_JSON)
        server.step(2)
        await ws.recv()
        assert "id" not in json.loads(gzip.decompress(await ws.recv()))
        with pytest.raises(EOFError):
            gzip.decompress(await ws.recv())


async def test_a_snapshot_can_be_asked_for_on_the_stream():
    async with rig(Asking, snapshot="between") as (server, ws):
        server.step(3)
        await ws.send(json.dumps({"op": "snapshot", "number": 77}))
        await server.until(lambda: len(server.connections[0].received) == 2)
        server.step(3)
        messages = await receive(ws, 7)
        snapshot = messages.pop(3)
        assert snapshot["prev"] == 77
        book = empty()
        build(book, snapshot)
        for message in messages:
            if message["id"] > snapshot["id"]:
                build(book, message)
        assert tuple(book) == server.exchange.truth_at(BTC, messages[-1]["id"])


async def test_who_asks_for_what_is_not_there_gets_nothing():
    async with rig(Asking) as (server, ws):
        server.asked(server.connections[0], Stream("nothing", None))
        server.step()
        assert (await receive(ws, 1))[0]["symbol"] == BTC


async def test_numbers_are_malformed_even_where_a_delta_has_none():
    async with rig(Truncating, rate=0) as (server, ws):
        server.faults.inject(Fault.MALFORMED_NAN)
        server.faults.inject(Fault.MALFORMED_NEGATIVE)
        server.step(2)
        _, nan, negative = await receive(ws, 3)
    assert "NaN" in nan["bids"][0]
    assert any(number.startswith("-") for number in negative["bids"][0])


def test_numbers_are_malformed_wherever_the_lists_are():
    frame, dialect = '{"data":{"id":1,"b":[]}}', Dialect(exchange_of())
    kind = Fault.MALFORMED_NEGATIVE
    broken = json.loads(dialect.malform(frame, kind, random.Random(1)))
    assert broken["data"]["b"] in ([["-1", "1"]], [["1", "-1.5"]])


def test_a_frame_without_any_numbers_is_cut_in_two():
    dialect = Dialect(exchange_of())
    for kind in (Fault.MALFORMED_NAN, Fault.MALFORMED_TYPE):
        frame = '{"a":{"b":{}},"c":1}'
        assert dialect.malform(frame, kind, random.Random(1)) == frame[:10]


def test_dialects_without_a_name_are_bases_of_others():
    class Base(Dialect):
        pass

    class Derived(Base):
        name = "test_derived"

    found = dialects._found()
    assert found["test_derived"] is Derived
    assert Base not in found.values()
    assert list(found) == sorted(found)


async def test_every_frame_can_be_a_whole_book():
    async with rig(Whole) as (server, ws):
        server.faults.inject("foreign", after=4)
        server.step(5)
        *messages, foreign, last = await receive(ws, 6)
    for message in (*messages, last):
        book = empty()
        build(book, message)
        assert book == top(server.exchange, message["id"])
    assert foreign["symbol"] == "ETHUSDT"


def test_a_dialect_says_itself_what_it_has_not():
    dialect, session = Dialect(exchange_of()), Session(1, "/", {})
    request = Request("GET", "/", {})
    snapshot: Any = dialect.exchange.snapshot(BTC)
    assert (dialect.opens(session), dialect.beat(session)) == ((), ())
    assert dialect.shutdown(session) == ()
    assert dialect.rest(request) == Answer(b"not found", 404)
    assert dialect.refusal(429, 0) == b""
    for call in (
        lambda: dialect.receive(session, ""),
        lambda: dialect.delta(session, Stream("", None), snapshot),
        lambda: dialect.snapshot(session, Stream("", None), snapshot),
        lambda: dialect.snapshot_body(snapshot, request),
    ):
        with pytest.raises(NotImplementedError):
            call()
