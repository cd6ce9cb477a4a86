"""
The shell against every dialect of the embedded exchange, over loopback, with faults.

What a venue can show decides what is promised: where a lost delta shows itself, the
book is withheld before the next change, and goes live again equal to the truth; where
it does not (``ordered``), a wrong book is possible, and these tests say so.

Books that show the venue's own numbers are compared with the truth at that number, the
others with all that was true of late.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from decimal import Decimal

import pytest

from benchmarks._arena import quick
from booksync.budget import Budget
from booksync.errors import BookNotLive, SubscriptionRejected
from booksync.events import (
    Audited,
    Changed,
    Desynced,
    LineFilled,
    Malformed,
    Synced,
    Verdict,
)
from booksync.feed import connect
from booksync.messages import Delta
from booksync.replaying import Replay
from booksync.states import Cause, State
from booksync.testing import (
    DIALECTS,
    REST_FAULTS,
    Exchange,
    Fault,
    FaultPlan,
    serve,
)
from booksync.testing.dialects.base import Answer
from booksync.transport import Transport
from booksync.venues import Assurance, Source
from tests.test_feed import all_live, drive, is_a, until

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Case:
    """
    One dialect, and what is promised of its books.

    ``numbered``: books show the exchange's own ids. ``lossy``: a lost delta may stay
    unseen. ``cut``: levels a side, where the book is a window.
    """

    venue: str
    symbols: tuple[str, str]
    numbered: bool = True
    lossy: bool = False
    cut: int | None = None
    cause: Cause = Cause.GAP

    @property
    def kind(self):
        """The venue, without its pauses between frames and connections."""
        return quick(self.venue)

    @property
    def whole(self):
        return self.kind.facts.source is Source.EVERY_FRAME


CASES = [
    Case("binance", ("BTCUSDT", "ETHUSDT")),
    Case("binance_usdm", ("BTCUSDT", "ETHUSDT")),
    Case("bitstamp", ("btcusd", "ethusd"), lossy=True),
    Case("bybit", ("BTCUSDT", "ETHUSDT")),
    Case("coinbase", ("BTC-USD", "ETH-USD"), numbered=False, cause=Cause.LOST),
    Case("coinbase_exchange", ("BTC-USD", "ETH-USD"), numbered=False, lossy=True),
    Case("deribit", ("BTC-PERPETUAL", "ETH-PERPETUAL")),
    Case("htx", ("btcusdt", "ethusdt")),
    Case("hyperliquid", ("BTC", "ETH"), numbered=False, cut=20),
    Case(
        "kraken", ("BTC/USD", "ETH/USD"), numbered=False, cut=10, cause=Cause.CHECKSUM
    ),
    Case("kraken_futures", ("PF_XBTUSD", "PF_ETHUSD")),
    Case("kucoin", ("BTC-USDT", "ETH-USDT")),
    Case("mexc", ("BTCUSDT", "ETHUSDT")),
    Case("okx", ("BTC-USDT", "ETH-USDT")),
]
SAME = {"binance_us", "binance_coinm"}  # other URLs and weights of a case above


def each(wanted=None):
    cases = CASES if wanted is None else filter(wanted, CASES)
    found = [pytest.param(case, id=case.venue) for case in cases]
    return pytest.mark.parametrize("case", found)


def test_every_dialect_has_its_case():
    tested = {name for name in DIALECTS if not name.startswith("test_")}
    assert {case.venue for case in CASES} | SAME == tested


@contextlib.asynccontextmanager
async def running(case, *, seed=1, faults=None, **options):
    """An exchange that stands still until it is told to step, and a feed."""
    exchange = Exchange(case.symbols, seed=seed, levels=30)
    async with serve(
        exchange, case.venue, flow=False, faults=faults, messages=None
    ) as server:
        options.setdefault("policy", {"quiet_wait": 0.05, "retry_min": 0.02})
        options.setdefault("symbols", case.symbols)
        feed = connect(
            case.kind,
            *options.pop("symbols"),
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            chance=lambda: 0.0,
            transport=Transport(timeout=5.0),
            budget=Budget(1_000_000, 60.0),
            **options,
        )
        async with feed:
            yield feed, server, exchange


def found(exchange, symbol, book, cut, changes=3_000):
    """The newest sequence at which the best ``cut`` levels were exactly these."""
    return exchange.cursor(symbol).find(*book, changes=changes, best=cut)


def is_right(case, feed, exchange, symbol):
    book = feed[symbol]
    levels = dict(book.bids()), dict(book.asks())
    if case.numbered:
        return levels == exchange.truth_at(symbol, book.sequence)
    return found(exchange, symbol, levels, case.cut) is not None


def proves(case, feed, exchange, *symbols):
    for symbol in symbols or feed.symbols:
        assert is_right(case, feed, exchange, symbol), symbol


async def watched(case, feed, server, exchange, wanted):
    """Take events until ``wanted(event)``; each change on the way is a right book."""

    def checked(event):
        if type(event) is Changed:
            proves(case, feed, exchange, event.symbol)
        return wanted(event)

    return await until(feed, checked, server)


# -- going live ------------------------------------------------------------------------


@each()
async def test_books_go_live_and_equal_the_truth_after_each_event(case):
    async with running(case) as (feed, server, exchange):
        await all_live(feed, server)
        proves(case, feed, exchange)
        server.step(20)
        changed = 0
        while changed < 30:
            event = await feed.__anext__()
            if type(event) is Changed:
                changed += 1
                proves(case, feed, exchange, event.symbol)
        counts = [status.counts for status in feed.statuses()]
        assert all(
            count.desyncs == count.gaps == count.refused == 0 for count in counts
        )
        assert feed.counts.malformed == feed.counts.foreign == 0


@each(lambda case: case.kind.facts.source is not Source.REST)
async def test_second_connection_audits_a_book_where_no_snapshot_can_be_fetched(
    case, tmp_path
):
    symbol = case.symbols[0]
    options = {"audit_every": 0.05, "record": tmp_path / "day.jsonl"}
    async with running(case, symbols=(symbol,), **options) as started:
        feed, server, exchange = started
        await all_live(feed, server)
        matched = is_a(Audited, symbol, verdict=Verdict.MATCHED)
        seen = await watched(case, feed, server, exchange, matched)
        assert not [event for event in seen if type(event) in (Desynced, LineFilled)]
        assert feed.status(symbol).counts.audits == 1
    again = [event for event in Replay(options["record"]) if matched(event)]
    assert again[:1] == seen[-1:]


@each(lambda case: case.venue in {"bybit", "coinbase_exchange", "htx"})
async def test_second_connection_finds_a_book_that_went_wrong_unseen(case):
    symbol = case.symbols[0]
    async with running(case, audit_every=1.5, symbols=(symbol,)) as started:
        feed, server, exchange = started
        await all_live(feed, server)
        wrong = feed[symbol]
        last, price = wrong.sequence, wrong.bids()[-1].price / 2  # where no market is
        wrong.apply(Delta(symbol, last, last, [(str(price), "12345")], []))
        seen = await until(feed, is_a(Desynced, symbol, cause=Cause.DRIFT), server)
        verdicts = [event.verdict for event in seen if type(event) is Audited]
        assert verdicts[-1] is Verdict.DIFFERING
        await until(feed, is_a(Synced, symbol), server)
        proves(case, feed, exchange)


@each(lambda case: case.venue in {"kraken", "okx", "mexc", "hyperliquid", "coinbase"})
async def test_numbers_may_be_floats(case):
    async with running(case, numbers=float) as (feed, server, exchange):
        await all_live(feed, server)
        symbol = case.symbols[0]
        book = feed[symbol]
        sides = [
            {Decimal(repr(level.price)): Decimal(repr(level.size)) for level in side}
            for side in (book.bids(), book.asks())
        ]
        assert found(exchange, symbol, tuple(sides), case.cut) is not None


@each()
async def test_instruments_are_listed_with_their_steps(case):
    async with running(case) as (feed, _, exchange):
        listed = {}
        for request in feed.venue.instrument_requests():
            answer = await feed.rest().request(request)
            assert answer.status == 200
            for item in feed.venue.parse_instruments(answer.body):
                listed[item.symbol] = item
        assert set(listed) == set(exchange.symbols)
        for symbol, item in listed.items():
            market = exchange.markets[symbol]
            assert item.active
            assert item.price_step in {None, Decimal(market.prices.step)} or (
                case.whole  # Hyperliquid's is a bound only
            )
            assert item.size_step is not None


# -- losses ----------------------------------------------------------------------------


@each(lambda case: not case.lossy and not case.whole)
async def test_lost_delta_withholds_the_book_before_the_next_change(case):
    async with running(case, seed=3) as (feed, server, exchange):
        await all_live(feed, server)
        symbol, other = case.symbols
        order = server.faults.inject("drop", symbol=symbol)
        gone = is_a(Desynced, symbol, cause=case.cause)
        await watched(case, feed, server, exchange, gone)
        assert order.count == 1
        with pytest.raises(BookNotLive):
            _ = feed[symbol].best_bid
        await watched(case, feed, server, exchange, is_a(Synced, symbol))
        await all_live(feed, server)
        proves(case, feed, exchange)
        alone = case.cause is not Cause.LOST  # of a connection: takes all its books
        assert feed.status(other).counts.desyncs == (0 if alone else 1)


@each(lambda case: case.lossy)
async def test_lost_delta_cannot_be_seen_where_only_the_order_is_known(case):
    """
    The book stays live and may be wrong until the next snapshot: the venue's status
    says ``ordered``, nothing pretends otherwise.
    """
    assert case.kind.facts.assurance is Assurance.ORDERED
    async with running(case) as (feed, server, exchange):
        await all_live(feed, server)
        symbol = case.symbols[0]
        server.faults.inject("drop", symbol=symbol)
        for _ in range(3):
            await until(feed, is_a(Changed, symbol), server)
        counts = feed.status(symbol).counts
        assert counts.desyncs == counts.gaps == 0
        assert counts.received == counts.applied + counts.stale + counts.discarded
        assert not is_right(case, feed, exchange, symbol)  # with this seed
        proves(case, feed, exchange, case.symbols[1])
        server.faults.inject("cut_1006")
        await until(feed, is_a(Desynced, symbol), server)
        await until(feed, is_a(Synced, symbol), server)
        proves(case, feed, exchange, symbol)


@each(lambda case: case.whole)
async def test_lost_frame_costs_nothing_where_each_is_a_whole_book(case):
    async with running(case) as (feed, server, exchange):
        await all_live(feed, server)
        symbol = case.symbols[0]
        order = server.faults.inject("drop", symbol=symbol)
        await drive(feed, server, lambda: order.count)
        for _ in range(5):
            await watched(case, feed, server, exchange, is_a(Changed, symbol))
        assert feed.status(symbol).counts.desyncs == 0


@each()
async def test_cut_connection_is_opened_again(case):
    async with running(case) as (feed, server, exchange):
        await all_live(feed, server)
        symbol = case.symbols[0]
        server.faults.inject("cut_1006")
        gone = is_a(Desynced, symbol, cause=Cause.DISCONNECTED)
        await watched(case, feed, server, exchange, gone)
        await watched(case, feed, server, exchange, is_a(Synced, symbol))
        await all_live(feed, server)
        proves(case, feed, exchange)
        assert feed.counts.disconnects == 1


@each(lambda case: not case.whole)
async def test_frame_cut_in_two_is_reported_and_never_passed_over(case):
    """Also where a lost delta stays unseen: one that cannot be read does not."""
    async with running(case) as (feed, server, exchange):
        await all_live(feed, server)
        symbol = case.symbols[0]
        server.faults.inject("malformed_json", symbol=symbol)

        def bad(event):
            return type(event) is Malformed

        await watched(case, feed, server, exchange, bad)
        await watched(case, feed, server, exchange, is_a(Desynced, symbol))
        await watched(case, feed, server, exchange, is_a(Synced, symbol))
        await all_live(feed, server)
        proves(case, feed, exchange)


@each(lambda case: case.whole)
async def test_frame_cut_in_two_is_reported_and_the_next_one_replaces_it(case):
    async with running(case) as (feed, server, exchange):
        await all_live(feed, server)
        server.faults.inject("malformed_json", symbol=case.symbols[0])
        await watched(
            case, feed, server, exchange, lambda event: type(event) is Malformed
        )
        await watched(case, feed, server, exchange, is_a(Changed, case.symbols[0]))
        proves(case, feed, exchange)


@each()
async def test_repeated_frame_changes_nothing(case):
    async with running(case) as (feed, server, exchange):
        await all_live(feed, server)
        symbol = case.symbols[0]
        order = server.faults.inject("repeat", symbol=symbol, times=3)
        await drive(feed, server, lambda: order.count == 3)
        for _ in range(5):
            await watched(case, feed, server, exchange, is_a(Changed, symbol))
        assert feed.status(symbol).counts.desyncs == 0


@each(lambda case: case.venue in {"okx", "bybit", "deribit", "kraken_futures"})
async def test_numbers_that_start_again(case):
    """OKX goes on in chain, Bybit sends a snapshot; elsewhere it costs a resync."""
    async with running(case) as (feed, server, exchange):
        await all_live(feed, server)
        symbol = case.symbols[0]
        before = feed[symbol].sequence
        order = server.faults.inject("sequence_reset", symbol=symbol)
        await drive(feed, server, lambda: order.count)

        def lower(_):
            live = feed.status(symbol).state is State.LIVE
            return live and feed[symbol].sequence < before

        await watched(case, feed, server, exchange, lower)
        proves(case, feed, exchange, symbol)
        told = case.venue in {"okx", "bybit"}
        assert feed.status(symbol).counts.desyncs == (0 if told else 1)


# -- what each venue has of its own ----------------------------------------------------


def case_of(venue):
    return next(case for case in CASES if case.venue == venue)


@pytest.mark.parametrize("venue", ["deribit", "htx"])
async def test_heartbeat_of_the_venue_is_answered(venue):
    """Both close on a client that leaves a request unanswered."""
    async with running(case_of(venue)) as (feed, server, _):
        await all_live(feed, server)
        connection = server.connections[0]
        for _ in range(4):
            before = len(connection.received)
            connection.perform(server.dialect.beat(connection.session))
            await drive(feed, server, lambda n=before: len(connection.received) > n)
        assert "test" in connection.received[-1] or "pong" in connection.received[-1]
        assert server.connections == (connection,)


async def test_each_connection_begins_with_a_token():
    """The dialect refuses a connection that comes without."""
    async with running(case_of("kucoin")) as (feed, server, _):
        await all_live(feed, server)
        server.faults.inject("cut_1006")
        await until(feed, is_a(Desynced, "BTC-USDT"), server)
        await all_live(feed, server)
        asked = [r.path for r in server.requests if r.path == "/api/v1/bullet-public"]
        assert len(asked) == server.opened_count == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(b"Internal Server Error", 500), id="500"),
        pytest.param(Answer(b"{}"), id="no token"),
        pytest.param(
            Answer(b'{"code":"429000","msg":"Too Many Requests"}', 429), id="429"
        ),
    ],
)
async def test_token_that_does_not_come_is_asked_for_again(answer):
    case = case_of("kucoin")
    exchange = Exchange(case.symbols, seed=1, levels=30)
    async with serve(exchange, case.venue, flow=False) as server:
        answers = [answer]
        known = server.dialect.rest

        def rest(request):
            return answers.pop() if answers else known(request)

        server.dialect.rest = rest  # type: ignore[method-assign]
        async with connect(
            case.kind,
            *case.symbols,
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            chance=lambda: 0.0,
        ) as feed:
            await all_live(feed, server)
            proves(case, feed, exchange)


@pytest.mark.parametrize("venue", ["okx", "bitstamp", "kraken"])
async def test_venue_that_announces_its_end(venue):
    case = case_of(venue)
    async with running(case) as (feed, server, exchange):
        await all_live(feed, server)
        server.announce_shutdown()
        seen = await until(
            feed, lambda event: type(event) in (Desynced, LineFilled), server
        )
        if type(seen[-1]) is Desynced:
            assert seen[-1].cause is Cause.HALTED
        else:
            proves(case, feed, exchange, case.symbols[0])
            assert server.opened_count == 2


@pytest.mark.parametrize(
    ("venue", "unknown"),
    [
        ("okx", "NOPE-USDT"),
        ("kraken", "NOPE/USD"),
        ("kraken_futures", "PF_NOPE"),
        ("deribit", "NOPE-PERPETUAL"),
        ("bybit", "NOPEUSDT"),
        ("htx", "nopeusdt"),
        ("mexc", "NOPEUSDT"),
        ("kucoin", "NOPE-USDT"),
        ("coinbase_exchange", "NOPE-USD"),
        ("coinbase", "NOPE-USD"),
    ],
)
async def test_unknown_symbol_is_an_error_for_the_caller(venue, unknown):
    case = case_of(venue)
    async with running(case, symbols=(unknown,)) as (feed, _, _):
        with pytest.raises(SubscriptionRejected):
            await feed.live(timeout=5.0)


async def test_full_channel_is_seeded_by_rest(tmp_path):
    """``orderbook.full``: its books are numbered by ``seq``, the exchange's changes."""
    path = tmp_path / "day.jsonl.gz"
    options = {"options": {"channel": "full"}, "record": path}
    async with running(case_of("bybit"), **options) as (feed, server, exchange):
        await all_live(feed, server)
        for symbol in feed.symbols:
            book = feed[symbol]
            levels = dict(book.bids()), dict(book.asks())
            assert levels == exchange.truth(symbol, book.sequence)
    replay = Replay(path)
    replay.run()
    assert all(sync.counts.snapshots for sync in replay.books.values())
    assert replay.books.keys() == set(feed.symbols)


@each()
async def test_recording_replays_to_the_same_books_and_counts(case, tmp_path):
    path = tmp_path / "day.jsonl.gz"
    async with running(case, record=path) as (feed, server, _):
        await all_live(feed, server)
        symbol = case.symbols[0]
        for kind in ("repeat", "drop", "malformed_json", "cut_1006"):
            server.faults.inject(kind, symbol=symbol)
            for _ in range(3):
                await until(feed, is_a(Changed, symbol), server)
            await all_live(feed, server)
    books = feed._engine.books  # closing took what was still to be taken
    replay = Replay(path)
    events = list(replay)
    assert any(type(event) is Synced for event in events)
    for name, sync in books.items():
        again = replay.books[name]
        assert again.book.sequence == sync.book.sequence
        assert again.status().counts == sync.status().counts
        for book in (again.book, sync.book):
            book.reveal()
        assert again.book == sync.book


# -- a symbol that ends the connection -------------------------------------------------


async def test_unknown_coin_takes_no_other_down_for_good(caplog):
    """Its venue closes the connection without a word: it gets one of its own."""
    case = next(case for case in CASES if case.venue == "hyperliquid")
    good = ("BTC", "ETH")

    def live(_):
        return all(feed.status(symbol).state is State.LIVE for symbol in good)

    async with running(case, symbols=("BTC", "NOPE", "ETH")) as (
        feed,
        server,
        exchange,
    ):
        await until(feed, lambda _: "NOPE ends the connection" in caplog.text, server)
        await until(feed, live, server)
        ended, lost = feed.counts.disconnects, []

        def again(event):
            lost.append(type(event) is Desynced and event.symbol in good)
            return feed.counts.disconnects >= ended + 2

        await until(feed, again, server)
        assert not any(lost)
        proves(case, feed, exchange, *good)


# -- everything at once ---------------------------------------------------------------

#: What cannot be seen where there is no number: lost frames (short of all), old ones.
UNSEEN = {Fault.DROP, Fault.REORDER, Fault.SEQUENCE_RESET, Fault.SILENCE}
#: What cannot be seen at all, and what stands still for seconds.
ELSEWHERE = {Fault.CORRUPT, Fault.HANG, Fault.STATUS_418, Fault.STATUS_429}


def plan_of(case, seed):
    kinds = set(Fault) - ELSEWHERE - (UNSEEN if case.lossy else set())
    if case.kind.facts.source is not Source.REST:
        kinds -= REST_FAULTS
    usual = {Fault.DROP, Fault.REORDER, Fault.REPEAT}
    short = {Fault.DELAY: 0.05, Fault.BURST: 0.1, Fault.REORDER: 0.2}
    long = dict.fromkeys((Fault.SILENCE, Fault.HALF_OPEN, Fault.SLOW_SNAPSHOT), 0.3)
    return FaultPlan(
        seed,
        {kind: 3 if kind in usual else 1 for kind in sorted(kinds)},
        every=0.6,
        rest=4.0,
        seconds={**short, **long},
    )


@each()
async def test_no_live_book_is_ever_wrong_in_a_storm_of_faults(case):
    plan = plan_of(case, seed=7)
    async with running(case, seed=7, faults=plan, silence=0.5) as (
        feed,
        server,
        exchange,
    ):
        checked = 0
        async with asyncio.timeout(20.0):
            for _ in range(160):
                server.step()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.005):
                        while True:
                            event = await feed.__anext__()
                            if type(event) in {Changed, Synced}:
                                proves(case, feed, exchange, event.symbol)
                                checked += 1
        plan.stop()
        await all_live(feed, server)
        proves(case, feed, exchange)
        assert checked > 50, server.faults_injected
        assert len(server.faults_injected) > 8, server.faults_injected
