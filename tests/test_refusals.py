"""
A venue that refuses a subscription for now, over loopback: the feed asks again.

The refusals are the venues' own words (OKX's rate limit, Deribit's 10028), written
beside their dialects; each test says when the venue relents.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging

import pytest

from benchmarks._arena import quick
from booksync.errors import BookNotLive
from booksync.events import Changed, Desynced, LineLost, Rejected, Synced
from booksync.feed import connect
from booksync.states import Cause, State
from booksync.testing import Exchange, serve
from booksync.testing.dialects.base import Send
from booksync.testing.dialects.deribit import Deribit
from booksync.testing.dialects.json_stream import JsonDialect, text
from booksync.testing.dialects.okx import Okx
from booksync.transport import Transport
from tests.test_feed import all_live, is_a, proves, quiet, until

pytestmark = pytest.mark.anyio

RETRY = 0.02


class Busy(JsonDialect):
    """What both have in common: some symbols are refused until the venue relents."""

    def __init__(self, exchange):
        super().__init__(exchange)
        #: Symbols that are refused, or the connections on which all are.
        self.refused = set()
        self.asked = []

    def subscribes(self, message):
        """Symbols that a frame subscribes."""
        raise NotImplementedError

    def words(self):
        """The refusal, less the id of what it answers."""
        raise NotImplementedError

    def request(self, session, message):
        wanted = self.subscribes(message)
        if wanted:
            self.asked.append((asyncio.get_running_loop().time(), wanted))
        if wanted and self.refused & {*wanted, session.id}:
            yield Send(text({**self.words(), "id": message["id"]}))
        else:
            yield from super().request(session, message)


class BusyOkx(Busy, Okx):
    def subscribes(self, message):
        args = message["args"] if message.get("op") == "subscribe" else ()
        return [arg["instId"] for arg in args]

    def words(self):
        return {"event": "error", "code": "50011", "msg": "Rate limit reached."}


class BusyDeribit(Busy, Deribit):
    def subscribes(self, message):
        subscribe = message.get("method") == "public/subscribe"
        channels = message["params"]["channels"] if subscribe else ()
        return [c.split(".")[1] for c in channels if c.startswith("book.")]

    def words(self):
        error = {"code": 10028, "message": "too_many_requests"}
        return {"jsonrpc": "2.0", "error": error}


OKX = ("okx", BusyOkx, ("BTC-USDT", "ETH-USDT"), "Rate limit reached. (code 50011)")
DERIBIT = (
    "deribit",
    BusyDeribit,
    ("BTC-PERPETUAL", "ETH-PERPETUAL"),
    "too_many_requests (code 10028)",
)
each = pytest.mark.parametrize(
    ("venue", "dialect", "symbols", "reason"), [OKX, DERIBIT], ids=["okx", "deribit"]
)


@contextlib.asynccontextmanager
async def running(venue, dialect, symbols, *, refused, **options):
    """A venue that refuses these from the start, and a feed of its symbols."""
    exchange = Exchange(symbols, seed=1, levels=30)
    options.setdefault("policy", {"quiet_wait": 0.05, "retry_min": RETRY})
    async with serve(exchange, dialect, flow=False, messages=None) as server:
        busy = server.dialect
        assert isinstance(busy, Busy)
        busy.refused |= set(refused)
        feed = connect(
            quick(venue),
            *symbols,
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            transport=Transport(timeout=5.0),
            chance=lambda: 0.0,
            **options,
        )
        async with feed:
            yield feed, server, exchange


def refusals(count):
    """Wanted: so many refusals, of whatever symbols."""
    seen = itertools.count(1)
    return lambda event: type(event) is Rejected and next(seen) == count


@each
async def test_feed_asks_again_until_the_venue_relents(
    venue, dialect, symbols, reason, caplog
):
    caplog.set_level(logging.WARNING, "booksync.feed")
    one = symbols[:1]
    async with running(venue, dialect, one, refused=one) as (feed, server, exchange):
        seen = await until(feed, refusals(4))
        assert seen == [Rejected(one, reason, final=False)] * 4
        status = feed.status(one[0])
        assert status.state is State.OFFLINE
        with pytest.raises(BookNotLive):
            feed[one[0]]
        server.dialect.refused.clear()
        await all_live(feed, server)
        proves(feed, exchange, one[0])
        assert server.opened_count == 1
    said = [r for r in caplog.records if getattr(r, "event", "") == "refused"]
    assert [(r.symbol, r.reason) for r in said[:4]] == [(one[0], reason)] * 4


@each
async def test_each_refusal_is_followed_by_a_longer_pause(
    venue, dialect, symbols, reason
):
    """The lower ends are exact, the upper ones are the machine's."""
    one = symbols[:1]
    async with running(venue, dialect, one, refused=one) as (feed, server, _):
        await until(feed, refusals(5))
        times = [at for at, _ in server.dialect.asked]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert len(pauses) == 4
    for place, pause in enumerate(pauses, start=1):
        assert pause >= RETRY * 2**place - 0.002


@each
async def test_symbol_that_is_refused_takes_no_other_with_it(
    venue, dialect, symbols, reason
):
    """They are asked for in one frame, which is refused; then each by itself."""
    good, bad = symbols
    async with running(venue, dialect, symbols, refused=[bad]) as (
        feed,
        server,
        exchange,
    ):
        await until(feed, is_a(Synced, good), server)
        await until(feed, is_a(Changed, good), server)
        proves(feed, exchange, good)
        assert feed.status(bad).state is State.OFFLINE
        seen = await until(feed, refusals(2), server)
        assert not [e for e in seen if type(e) is Desynced]
        assert {e.symbols for e in seen if type(e) is Rejected} == {(bad,)}
        server.dialect.refused.clear()
        await all_live(feed, server)
        proves(feed, exchange, bad)


@each
async def test_refusal_after_a_gap_delays_the_recovery_and_no_more(
    venue, dialect, symbols, reason
):
    one = symbols[:1]
    async with running(venue, dialect, one, refused=()) as (feed, server, exchange):
        await all_live(feed, server)
        server.dialect.refused |= set(one)
        server.faults.inject("drop", symbol=one[0])
        await until(feed, is_a(Desynced, one[0], cause=Cause.GAP), server)
        seen = await until(feed, refusals(3), server)
        assert not [e for e in seen if type(e) in (Synced, Changed)]
        with pytest.raises(BookNotLive, match="gap"):
            feed[one[0]]
        server.dialect.refused.clear()
        await until(feed, is_a(Synced, one[0]), server)
        proves(feed, exchange, one[0])
        assert feed.status(one[0]).counts.resyncs == 1


@each
async def test_line_that_is_refused_costs_the_other_nothing(
    venue, dialect, symbols, reason
):
    one = symbols[:1]
    async with running(venue, dialect, one, refused=[2], lines=2) as (
        feed,
        server,
        exchange,
    ):
        await all_live(feed, server)
        seen = await until(feed, refusals(3), server)
        server.dialect.refused.clear()

        def both():
            streams = [len(each.session.streams) for each in server.connections]
            return len(streams) == 2 and min(streams) > 0

        async with asyncio.timeout(20.0):
            while not both():
                server.step()
                seen += [event async for event in quiet(feed)]
        assert not [e for e in seen if type(e) in (Desynced, LineLost)]
        assert feed.status(one[0]).withheld == 0.0
        proves(feed, exchange, one[0])
