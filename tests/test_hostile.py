"""
A venue that means harm, seen from the feed: nothing that it sends ends the feed, is
believed beyond a limit, or reaches a log or a terminal as it came.

The embedded exchange is the honest part: every test ends with books that equal its
truth again. Hostile frames go over its own websocket connections, hostile answers
through a front (:func:`attacked`) that passes everything else on. What is below the
feed is in ``test_transport.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import json
import logging
import sys
import time
import warnings
from collections import deque
from decimal import Decimal

import msgspec
import pytest

from booksync import inputs, venues
from booksync import transport as transports
from booksync.budget import Budget
from booksync.engine import Engine, policy_of
from booksync.errors import MalformedMessage, SubscriptionRejected
from booksync.events import (
    Desynced,
    FetchSnapshot,
    Malformed,
    Reconnect,
    Rejected,
    Resubscribe,
)
from booksync.feed import connect
from booksync.messages import Delta, Snapshot
from booksync.policy import Policy
from booksync.queues import InputQueue
from booksync.states import Cause, State
from booksync.sync import Synchronizer
from booksync.testing import Exchange, serve
from booksync.transport import Transport
from tests.busy import real_time
from tests.test_feed import all_live, drive, is_a, proves, quiet, until
from tests.test_transport import (
    BINARY,
    MIB,
    OK,
    TEXT,
    Behaviour,
    bomb,
    hostile,
    memory,
)

pytestmark = pytest.mark.anyio

BTC, ETH = "BTCUSDT", "ETHUSDT"
DEEP = 100_000


class Front:
    """What tests take hold of: the feed, the honest exchange, the hostile answers."""

    def __init__(self, feed, server, exchange, scripted):
        self.feed, self.server, self.exchange = feed, server, exchange
        #: Behaviours for the next requests; the honest exchange answers the others.
        self.scripted = scripted

    def send(self, *frames):
        """Send frames to the client as they are."""
        (connection,) = self.server.connections
        for frame in frames:
            connection.write(frame)

    async def live(self):
        """Let all books go live; take what is there to be taken."""
        await all_live(self.feed, self.server)
        async for _ in quiet(self.feed):
            pass

    async def recovers(self):
        """Let all books go live again, and prove them."""
        await self.live()
        for symbol in self.feed.symbols:
            proves(self.feed, self.exchange, symbol)


def passed_on(server, scripted):
    """A behaviour: do the next scripted one, or ask the honest server."""
    host, port = server.rest_url.removeprefix("http://").split(":")

    async def behaviour(client):
        if scripted:
            await scripted.popleft()(client)
            return
        reader, writer = await asyncio.open_connection(host, int(port))
        head = client.text.replace("keep-alive", "close").encode("latin-1")
        writer.write(head)
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        await client.write(head, b"\r\nConnection: close\r\n\r\n", body)

    return behaviour


@contextlib.asynccontextmanager
async def attacked(venue="binance", symbols=(BTC, ETH), *, kind=None, **options):
    """A feed whose requests go through a front."""
    exchange = Exchange(symbols, seed=1, levels=30)
    scripted: deque[Behaviour] = deque()
    options.setdefault("transport", Transport(timeout=2.0))
    options.setdefault("policy", {"quiet_wait": 0.05, "retry_min": 0.02})
    options.setdefault("budget", Budget(1_000_000, 60.0))
    async with (
        serve(exchange, venue, flow=False, messages=None) as server,
        hostile(passed_on(server, scripted)) as front,
        connect(
            kind or venues.get(venue),
            *symbols,
            ws_url=server.ws_url,
            rest_url=front.rest_url,
            chance=lambda: 0.0,
            **options,
        ) as feed,
    ):
        yield Front(feed, server, exchange, scripted)


def update(symbol, first, last, bids=(), asks=()):
    """A delta in Binance's words."""
    data = {
        "e": "depthUpdate",
        "s": symbol,
        "U": first,
        "u": last,
        "b": bids,
        "a": asks,
    }
    return json.dumps({"stream": f"{symbol.lower()}@depth@100ms", "data": data})


def following(feed, symbol, bids=(), asks=()):
    """A delta that is just the next one."""
    number = feed[symbol].sequence + 1
    return update(symbol, number, number, bids, asks)


# -- frames that are too much ----------------------------------------------------------


async def test_frame_over_the_limit_costs_the_connection_and_nothing_else():
    kind = venues.get("binance")
    limits = msgspec.structs.replace(kind.limits, frame_bytes=256 * 1024)
    small = type("Small", (kind,), {"limits": limits})
    async with attacked(kind=small) as front:
        await front.live()
        front.send("x" * 300_000)
        gone = is_a(Desynced, BTC, cause=Cause.DISCONNECTED)
        await until(front.feed, gone, front.server)
        await front.recovers()
        assert front.feed.counts.disconnects == 1
        assert front.server.opened_count == 2


LONG = "9" * 10_000
TOO_LONG = {
    "price": ([(LONG, "1")], []),
    "size": ([], [("1", LONG)]),
    "fraction": ([("0." + LONG, "1")], []),
    "exponent": ([("1e" + LONG, "1")], []),
    "one billion digits in ten characters": ([("1e999999999", "1")], []),
    "no number": ([("sNaN", "1")], []),
    "infinity": ([("1", "Infinity")], []),
    "negative": ([("-1", "1")], []),
    "other digits": ([("\u0661", "1")], []),
}


@pytest.mark.parametrize("levels", [pytest.param(v, id=k) for k, v in TOO_LONG.items()])
async def test_level_that_no_book_can_hold_costs_one_resync(levels):
    async with attacked() as front:
        await front.live()
        front.send(following(front.feed, BTC, *levels))
        seen = await until(front.feed, is_a(Desynced, BTC, cause=Cause.MALFORMED))
        (malformed,) = (event for event in seen if type(event) is Malformed)
        assert malformed.symbol == BTC
        assert len(malformed.reason) <= 500
        await front.recovers()
        assert front.feed.status(BTC).counts.refused == 1
        assert front.feed.status(BTC).counts.resyncs == 1
        assert front.feed.status(ETH).counts.resyncs == 0


async def test_a_hundred_thousand_levels_in_one_delta_are_applied_in_time():
    count = 100_000
    async with attacked() as front:
        await front.live()
        book = front.feed[BTC]
        before = len(book)
        bids = [(f"0.{n:07}", "1") for n in range(1, count + 1)]
        frame = following(front.feed, BTC, bids)
        assert len(frame) < front.feed.venue.limits.frame_bytes
        front.send(frame)
        started = time.process_time()
        await until(front.feed, lambda event: event.symbol == BTC)
        assert len(book) == before + count
        assert book.best_bid.price > 1
        assert time.process_time() - started < 5.0
        assert book.bids()[-1] == (Decimal("0.0000001"), Decimal(1))


def test_book_does_not_grow_without_bound():
    venue = venues.get("binance")()
    engine = Engine(venue, policy=policy_of(venue, max_levels=1_000))
    sync = live_book(engine)
    outputs = []
    for part in range(11):
        number = sync.book.sequence + 1
        bids = [(str(part * 100 + n + 1), "1") for n in range(100)]
        outputs = engine.frame(1, update(BTC, number, number, bids), 2.0)
        if not sync.live:
            break
        assert part < 10
    assert not sync.live
    assert sync.cause is Cause.MALFORMED
    assert {type(output) for output in outputs} == {
        Malformed,
        Desynced,
        FetchSnapshot,
    }


def test_book_may_grow_to_its_bound_however_often_levels_come_and_go():
    """Also after a resync: what fitted the old book says nothing of the new one."""
    sync = Synchronizer("X", Policy(max_levels=10))
    sync.connected(now=0.0)

    def loaded(count):
        bids = [(str(n), "1") for n in range(1, count + 1)]
        sync.receive(Delta("X", 99, 100, [], []), now=0.0)
        snapshot = Snapshot("X", 100, bids, [("1000", "1")])
        sync.receive_snapshot(snapshot, now=0.0, request=sync.asked[0])
        assert sync.live

    def changed(number, *bids):
        sync.receive(Delta("X", 99 + number, 100 + number, list(bids), []), now=0.0)
        return sync.live

    loaded(3)
    assert all(changed(n, ("50", str(n % 2))) for n in range(1, 40))
    assert all(changed(n, (str(n), "1")) for n in range(40, 46))
    assert len(sync.book.bids()) == 10
    assert not changed(46, ("46", "1"))
    loaded(3)
    assert changed(1, ("4", "1"))
    sync.distrust(Cause.DRIFT, now=0.0)
    loaded(10)
    assert changed(1, ("10", "2"))
    assert not changed(2, ("11", "1"))


def live_book(engine):
    """Bring the engine's one book to live at 100."""
    engine.added(BTC)
    engine.take(inputs.Opened(1, (BTC,)), 0.0)
    engine.frame(1, '{"result":null,"id":1}', 0.0)
    body = b'{"lastUpdateId":100,"bids":[],"asks":[]}'
    engine.take(inputs.Answered(BTC, 1, 200, 1000, "", body), 0.5)
    engine.frame(1, update(BTC, 101, 101), 1.0)
    (sync,) = engine.shelf.of(BTC)
    assert sync.live
    return sync


NESTED = {
    "lists": "[" * DEEP,
    "closed lists": "[" * DEEP + "]" * DEEP,
    "objects": '{"data":' * DEEP,
    "in the data": '{"stream":"btcusdt@depth@100ms","data":' + "[" * DEEP,
    "in an unknown field": '{"x":' + "[" * DEEP + "]" * DEEP + "}",
    "in the levels": update(BTC, 1, 2, "@").replace('"@"', "[" * DEEP + "]" * DEEP),
}


@pytest.mark.parametrize("frame", [pytest.param(v, id=k) for k, v in NESTED.items()])
async def test_deeply_nested_frame_is_malformed(frame):
    async with attacked() as front:
        await front.live()
        front.send(frame)
        front.send(frame.encode())
        for _ in range(2):
            await until(front.feed, lambda event: type(event) is Malformed)
        await front.recovers()
        assert front.feed.counts.malformed == 2


JUNK = {
    "no UTF-8": b"\xff\xfe\x00",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "half a character": update(BTC, 1, 2).encode()[:-9] + b"\xe2\x82",
    "a surrogate": b'{"stream":"\xed\xa0\x80@depth","data":{}}',
    "gzip": gzip.compress(b"{}"),
    "nothing": b"",
    "zeros": bytes(100_000),
}


@pytest.mark.parametrize("frame", [pytest.param(v, id=k) for k, v in JUNK.items()])
async def test_binary_frame_where_text_is_expected_is_malformed(frame):
    async with attacked() as front:
        await front.live()
        front.send(frame)
        await until(front.feed, lambda event: type(event) is Malformed)
        await front.recovers()
        assert front.feed.counts.malformed == 1
        assert front.feed.counts.disconnects == 0


async def test_text_that_is_no_utf8_costs_the_connection():
    async with attacked() as front:
        await front.live()
        (connection,) = front.server.connections
        connection._protocol.send_text(b'{"a":"\xc3\x28"}')
        connection._flush()
        await until(front.feed, is_a(Desynced, BTC, cause=Cause.DISCONNECTED))
        await front.recovers()


async def test_bomb_in_a_compressed_frame_is_malformed():
    symbols = ("btcusdt", "ethusdt")
    async with attacked("htx", symbols) as front:
        await front.live()
        packed = bomb(64 * MIB)
        with memory(40 * MIB):  # the limit of a frame is 16
            front.send(packed)
            await until(front.feed, lambda event: type(event) is Malformed)
        await front.live()
        assert front.feed.counts.malformed == 1


async def test_venue_that_asks_for_answers_without_end_is_given_up():
    symbols = ("btcusdt", "ethusdt")
    async with attacked("htx", symbols) as front:
        await front.live()
        ping = gzip.compress(b'{"ping":1}', 1)
        front.send(*[ping] * 11_000)
        await until(front.feed, is_a(Desynced, "btcusdt"))
        await front.live()
        assert front.feed.counts.disconnects == 1


async def test_silly_numbers_of_frames_are_never_out_of_bounds():
    """Ids at and beyond 64 bits are numbers like others, or malformed."""
    async with attacked() as front:
        await front.live()
        front.send(
            *(
                update(BTC, first, last)
                for first, last in [
                    (2**63, 2**63),
                    (2**64, 2**64 + 1),
                    (10**400, 10**400),
                    (-1, 5),
                    (0, 0),
                    (5, 4),
                ]
            )
        )
        async for _ in quiet(front.feed):
            pass
        await front.recovers()


async def test_venue_whose_clock_is_mad_ends_no_feed():
    """``E`` is in milliseconds; this one divides into no float."""
    async with attacked() as front:
        await front.live()
        frame = following(front.feed, BTC).replace('"e":', f'"E": {10**400}, "e":')
        front.send(frame)
        await until(front.feed, lambda event: type(event) is Malformed)
        await front.recovers()


# -- answers that are too much ---------------------------------------------------------


def answering(body, *headers):
    return lambda client: client.body(body, *headers)


async def drip(client):
    await client.write(OK, b"Content-Length: 1000\r\n\r\n")
    while True:
        await client.write(b" ")
        await asyncio.sleep(0.01)


async def cut(client):
    await client.write(OK, b'Content-Length: 1000\r\n\r\n{"lastUpdateId":')


async def nothing(client):
    await client.reader.read()


SNAPSHOT = b'{"lastUpdateId":1,"bids":[],"asks":[]}'
HUGE = str(10**400).encode()
HOSTILE_ANSWERS = {
    "a body that drips": drip,
    "no answer": nothing,
    "a body that is cut": cut,
    "a bomb": answering(bomb(64 * MIB), b"Content-Encoding: gzip"),
    "lists in lists": answering(b"[" * DEEP),
    "not UTF-8": answering(b'{"lastUpdateId":1,"bids":[["\xff","1"]],"asks":[]}'),
    "a page": answering(b"<html>\x1b[31mmaintenance</html>"),
    "nothing in it": answering(b""),
    "a price of 10,000 digits": answering(
        b'{"lastUpdateId":1,"bids":[["%s","1"]],"asks":[]}' % (b"9" * 10_000)
    ),
    "a number of 10,000 digits": answering(
        b'{"lastUpdateId":%s,"bids":[],"asks":[]}' % (b"9" * 10_000)
    ),
    "a code of 400 digits": answering(b'{"code":%s,"msg":""}' % HUGE),
    "a redirect to itself": lambda client: client.write(
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    ),
    "not HTTP": lambda client: client.write(b"\x00" * 1000),
}


@pytest.mark.parametrize(
    "behaviour", [pytest.param(v, id=k) for k, v in HOSTILE_ANSWERS.items()]
)
async def test_hostile_snapshot_is_asked_for_again(behaviour, monkeypatch):
    monkeypatch.setattr(transports, "MAX_BODY", 4 * MIB)
    options = {"transport": Transport(timeout=0.3)}
    async with attacked(**options) as front:
        front.scripted += [behaviour, behaviour]
        await front.recovers()
        assert not front.scripted


async def test_venue_module_that_fails_on_an_answer_ends_no_feed():
    kind = venues.get("binance")
    failures = [OverflowError("too large"), RecursionError(), KeyError("x")]

    class Buggy(kind):  # type: ignore[misc, valid-type]
        def parse_snapshot(self, body, symbol, depth):
            if failures:
                raise failures.pop()
            return super().parse_snapshot(body, symbol, depth)

    async with attacked(kind=Buggy) as front:
        await front.recovers()
        assert not failures
        assert front.feed.counts.malformed == 3


async def test_redirect_to_another_host_is_not_followed():
    async with hostile(answering(SNAPSHOT)) as elsewhere, attacked() as front:
        location = f"Location: {elsewhere.rest_url}/api/v3/depth\r\n".encode()
        head = b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n"
        front.scripted += [lambda client: client.write(head, location, b"\r\n")]
        await front.recovers()
        assert not front.scripted
        assert elsewhere.clients == []


HEADERS = {
    "a weight of 10,000 digits": b"X-MBX-USED-WEIGHT-1M: " + b"9" * 10_000,
    "a weight of 400 digits": b"X-MBX-USED-WEIGHT-1M: " + HUGE,
    "a negative weight": b"X-MBX-USED-WEIGHT-1M: -1",
    "no date": b"Retry-After: Mon, 99 Foo 2020 99:99:99 +9999",
    "a date of old": b"Retry-After: Mon, 01 Jan 0001 00:00:00 -0000",
    "escapes": b"X-Evil: \x1b[31m",
}


@pytest.mark.parametrize("header", [pytest.param(v, id=k) for k, v in HEADERS.items()])
async def test_hostile_header_does_no_harm(header):
    async with attacked(budget=Budget(1_000_000, 0.5)) as front:
        front.scripted += [answering(SNAPSHOT, header)]
        await front.recovers()


def bullet(body, status=b"200 OK"):
    async def behaviour(client):
        head = b"HTTP/1.1 " + status + b"\r\n"
        await client.write(head, f"Content-Length: {len(body)}\r\n\r\n".encode(), body)

    return behaviour


HANDSHAKES = {
    "a page": bullet(b"<html>", b"502 Bad Gateway"),
    "no server": bullet(b'{"code":"200000","data":{"token":"x","instanceServers":[]}}'),
}


async def test_handshake_that_is_cut_is_tried_again():
    await _tries_the_handshake_again(cut)


@pytest.mark.parametrize(
    "behaviour", [pytest.param(v, id=k) for k, v in HANDSHAKES.items()]
)
async def test_hostile_handshake_is_tried_again(behaviour):
    await _tries_the_handshake_again(behaviour)


async def _tries_the_handshake_again(behaviour):
    symbols = ("BTC-USDT", "ETH-USDT")
    async with attacked("kucoin", symbols) as front:
        await front.live()
        front.scripted += [behaviour, behaviour]
        front.server.connections[0].abort()
        await until(front.feed, is_a(Desynced, "BTC-USDT"))
        await front.recovers()
        assert not front.scripted


async def test_handshake_that_names_a_server_in_plain_text_is_tried_again():
    """The venue's own URL is asked for, so that the answer's server is believed."""
    answer = {
        "code": "200000",
        "data": {
            "token": "x",
            "instanceServers": [{"endpoint": "ws://example.com/evil"}],
        },
    }
    kind = venues.get("kucoin")
    async with attacked("kucoin", ("BTC-USDT",)) as front:
        await front.live()
        moved = type("Moved", (kind,), {"WS_URL": front.server.ws_url})
        front.feed.venue = moved()
        evil = bullet(json.dumps(answer).encode())
        front.scripted += [evil] * 1_000  # never the true one, which is elsewhere
        front.server.connections[0].abort()

        def tried():
            return len(front.scripted) < 998

        await drive(front.feed, front.server, tried)
        assert front.feed.status("BTC-USDT").state is State.OFFLINE


# -- texts -----------------------------------------------------------------------------

EVIL = "\x1b[31mred\x1b]0;title\x07\r\nINFO forged line\x9b2J\u202e\u2028"


def refusing(reason):
    return json.dumps({"error": {"code": 2, "msg": reason}, "id": 1})


class Words(logging.Handler):
    """Keeps what is logged, as it would be written."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def logged():
    log, words = logging.getLogger("booksync"), Words()
    level = log.level
    log.addHandler(words)
    log.setLevel(logging.DEBUG)
    try:
        yield words.lines
    finally:
        log.removeHandler(words)
        log.setLevel(level)


async def test_words_of_a_refusal_are_fit_to_print():
    async with attacked() as front:
        await front.live()
        front.send(refusing(EVIL))
        (*_, event) = await until(front.feed, lambda event: type(event) is Rejected)
        assert event.reason.isprintable()
        assert "forged line" in event.reason


@pytest.mark.parametrize("symbol", ["A", EVIL, None])
def test_errors_are_fit_to_print(symbol):
    assert str(SubscriptionRejected(symbol, EVIL)).isprintable()
    assert str(MalformedMessage(EVIL, symbol)).isprintable()


async def test_words_of_a_malformed_message_are_fit_to_print():
    async with attacked() as front:
        await front.live()
        front.send(update(EVIL, 1, 1))
        (*_, event) = await until(front.feed, lambda event: type(event) is Malformed)
        assert event.symbol is None or event.symbol.isprintable()
        assert event.reason.isprintable()


async def test_symbol_of_a_stranger_is_not_kept_at_any_length():
    name = "A" * MIB
    async with attacked() as front:
        await front.live()
        front.send(update(name, 1, 1))
        (*_, event) = await until(front.feed, lambda event: type(event) is Malformed)
        assert len(event.symbol or "") <= 100


async def test_what_is_logged_is_fit_to_print():
    async def evil(client):
        text = EVIL.encode("latin-1", "replace").replace(b"\r\n", b"")
        await client.write(b"HTTP/1.1 418 " + text + b"\r\nRetry-After: 0\r\n\r\n")

    with logged() as lines:
        async with attacked(transport=Transport(timeout=0.3)) as front:
            front.scripted += [evil, nothing, cut]
            await front.live()
            (connection,) = front.server.connections
            connection.close(1008, "\x1b[31mred\x07")
            await until(front.feed, is_a(Desynced, BTC))
            await front.recovers()
    assert len(lines) >= 3
    for line in lines:
        assert line.isprintable()


@real_time
async def test_what_a_venue_says_reaches_no_terminal_as_it_came():
    async def refuse(client):
        if client.headers.get("upgrade") != "websocket":
            await client.body(b'{"code":-1121,"msg":"%s"}' % b"\\u001b[31mno")
            return
        await client.upgrade()
        await client.receive()
        await client.frame(b'{"result":null,"id":1}')
        await client.frame(update(EVIL, 1, 1).encode(), TEXT)
        await client.frame(EVIL.encode(), BINARY)
        await client.frame(refusing(EVIL).encode())
        await client.receive()

    async with hostile(refuse) as server:
        urls = ["--ws-url", server.ws_url, "--rest-url", server.rest_url]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "booksync", "watch", "binance", BTC, "--seconds", "1",
            *urls,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(20):
            texts = await process.communicate()
    assert any(b"forged line" in text or b"no" in text for text in texts)
    for text in texts:
        for line in text.decode().split("\n"):
            assert line.isprintable(), ascii(line)


# -- floods ----------------------------------------------------------------------------


async def test_frames_that_wait_are_bounded_in_bytes():
    queue = InputQueue()
    frame = "x" * MIB
    count = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            while count < 1_000:
                await queue.put_frame(1, frame, 0.0)
                count += 1
    assert 16 <= count <= 256


async def test_frame_that_is_taken_makes_room_for_others():
    queue = InputQueue()
    frame = "x" * MIB
    putting = asyncio.create_task(_put(queue, frame, 1_000))
    taken = 0
    async with asyncio.timeout(10):
        while taken < 1_000:
            await asyncio.sleep(0)
            assert len(queue.items) <= 256
            while queue.take() is not None:
                taken += 1
    await putting


async def _put(queue, frame, times):
    for _ in range(times):
        await queue.put_frame(1, frame, 0.0)


def test_connection_that_talks_of_strangers_without_end_is_given_up():
    venue = venues.get("binance")()
    engine = Engine(venue)
    live_book(engine)
    outputs = []
    for number in range(20_000):
        outputs += engine.frame(1, update(f"X{number}", 1, 1), 2.0)
    assert [o for o in outputs if type(o) is Reconnect] == [
        Reconnect(1, Cause.MALFORMED)
    ]


# -- what fuzzing found in the core ----------------------------------------------------


@pytest.mark.parametrize("quiet_at_first", [True, False])
def test_book_whose_resubscriptions_are_hopeless_goes_offline(quiet_at_first):
    symbol = "BTC/USD"
    engine = Engine(venues.get("kraken")(), silence=1e9)
    engine.added(symbol)
    (sync,) = engine.shelf.of(symbol)
    outputs = engine.take(inputs.Opened(1, (symbol,)), 0.0)
    outputs += engine.tick(10.0)  # no acknowledgement: taken as subscribed
    if not quiet_at_first:
        outputs = sync.distrust(Cause.GAP, 10.0)
    for now in range(15, 600, 5):
        for output in outputs:
            if isinstance(output, Resubscribe):
                engine.take(inputs.Resubscribed(symbol), now)
        for output in outputs:
            if isinstance(output, Reconnect):
                engine.take(inputs.Closed(1, output.cause), now)
                assert sync.status().state is State.OFFLINE
                engine.take(inputs.Opened(2, (symbol,)), now)
                engine.tick(now + 10.0)
                assert sync.status().state is State.SYNCING
                return
        outputs = engine.tick(now)
    pytest.fail("it never gave up")


async def test_feed_that_is_left_at_once_leaves_nothing_behind():
    exchange = Exchange([BTC], seed=1, levels=5)
    async with serve(exchange, "binance", flow=False) as server:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            async with connect(
                "binance", BTC, ws_url=server.ws_url, rest_url=server.rest_url
            ):
                pass
            gc.collect()
    assert [str(warning.message) for warning in caught] == []


async def test_nothing_hostile_leaves_a_task_behind():
    before = asyncio.all_tasks()
    async with attacked(transport=Transport(timeout=0.3)) as front:
        front.scripted += [drip, cut]
        await front.live()
        front.send("[" * DEEP, update(EVIL, 1, 1))
        await drive(front.feed, front.server, lambda: front.feed.counts.malformed == 2)
    assert asyncio.all_tasks() == before
