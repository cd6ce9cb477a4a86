"""
The test-only venues, over every capture that only they read.

They stand for third parties' plug-ins: registered by reference, driven by the public
contract. Expected values are the oracles', the manifest's and the recorded frames'.
"""

from __future__ import annotations

import heapq
import json
import zlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from booksync import venues
from booksync.errors import ConfigurationError, MalformedMessage
from booksync.messages import (
    Delta,
    Lost,
    Message,
    Rejected,
    Reply,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues import Assurance, Source, Venue
from tests.capture_table import CASES, RETIRED, Case
from tests.captures import NaiveBook, frame, manifest, needs_captures, oracle, records

#: Those in which a lost delta shows itself in the numbers alone.
NUMBERED = sorted(
    name
    for name, case in RETIRED.items()
    if case.venue in ("ascendex", "bitdotcom", "blockchain", "dydx_v3", "hitbtc_v2")
)

#: The one capture without the client's frames.
CLIENTLESS = "kraken_v1_spot_xbtusd_20230830"


@pytest.fixture(autouse=True)
def _no_plugin_outlives_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venues, "_registered", dict(venues._registered))


def make(case: Case, numbers: type = Decimal) -> Venue:
    return case.load()(numbers=numbers, **case.kwargs)


def frames_of(name: str) -> list[str | bytes]:
    return [frame(record) for record in records(name) if record["dir"] == "in"]


def parsed(venue: Venue, frames: Sequence[str | bytes]) -> Iterator[Message]:
    session = venue.session()
    for text in frames:
        yield from venue.parse(text, session)


class Replay:
    """Books of one capture, and what its checksums said."""

    def __init__(self, venue: Venue, frames: Sequence[str | bytes]) -> None:
        self.venue = venue
        self.books: dict[str, NaiveBook] = {}
        self.snapshots = self.deltas = 0
        self.lost: list[Lost] = []
        self.checksums: list[bool] = []
        for message in parsed(venue, frames):
            self.take(message)

    def take(self, message: Message) -> None:
        if isinstance(message, Lost):
            self.lost.append(message)
        if not isinstance(message, Snapshot | Delta):
            return
        book = self.books.setdefault(message.symbol, NaiveBook())
        if isinstance(message, Snapshot):
            self.snapshots += 1
            book.load(message)
        else:
            self.deltas += 1
            book.take(message)
        if self.venue.keep is not None:
            book.cut(self.venue.keep)
        if message.checksum is not None:
            self.checksums.append(self.checksum(message.symbol) == message.checksum)

    def checksum(self, symbol: str) -> int:
        book, levels = self.books[symbol], self.venue.checksum_levels
        best = (
            heapq.nlargest(levels, book.sides["b"]),
            heapq.nsmallest(levels, book.sides["a"]),
        )
        bids, asks = (
            [(format(price, "f"), format(book.sides[side][price], "f")) for price in of]
            for side, of in zip("ba", best, strict=True)
        )
        return self.venue.checksum(bids, asks, symbol)

    @property
    def noticed(self) -> bool:
        return bool(self.lost) or any(book.gaps for book in self.books.values())


def entry(name: str) -> Any:
    return next(item for item in manifest() if item["name"] == name)


@needs_captures
def test_the_table_names_every_capture() -> None:
    assert sorted(CASES) == sorted(item["name"] for item in manifest())


@pytest.mark.parametrize("name", sorted(RETIRED))
def test_plugins_are_registered_by_reference(name: str) -> None:
    case = RETIRED[name]
    kind = case.load()
    assert kind.id == case.venue
    assert venues.get(case.venue) is kind
    assert case.load() is kind  # idempotent
    assert kind.facts.verified


def test_a_plugin_cannot_take_anothers_id() -> None:
    class Impostor(Venue):
        id = "kraken_v1"

    RETIRED["kraken_v1_spot_20210417"].load()
    with pytest.raises(ConfigurationError, match="kraken_v1"):
        venues.register(Impostor)


@needs_captures
@pytest.mark.parametrize("name", sorted(RETIRED))
def test_replay_ends_in_the_oracles_books(name: str) -> None:
    expected, facts = oracle(name)["instruments"], entry(name)
    replay = Replay(make(RETIRED[name]), frames_of(name))
    assert {symbol: book.digest() for symbol, book in replay.books.items()} == {
        symbol: final["full_sha256"] for symbol, final in expected.items()
    }
    assert not replay.noticed
    assert replay.snapshots == facts["book_snapshots"]
    assert replay.deltas == facts["book_deltas"]
    assert len(replay.checksums) == (facts["checksums_passed"] or 0)
    assert all(replay.checksums)


@needs_captures
@pytest.mark.parametrize("name", sorted(RETIRED))
def test_fresh_sessions_and_floats_give_the_same_messages(name: str) -> None:
    frames = frames_of(name)
    exact = list(parsed(make(RETIRED[name]), frames))
    assert list(parsed(make(RETIRED[name]), frames)) == exact
    floats = list(parsed(make(RETIRED[name], float), frames))
    assert len(floats) == len(exact)
    for one, other in zip(exact, floats, strict=True):
        assert type(one) is type(other)
        if isinstance(one, Snapshot | Delta) and isinstance(other, Snapshot | Delta):
            assert numbers(one.bids) == numbers(other.bids)
            assert numbers(one.asks) == numbers(other.asks)


def numbers(levels: Any) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in levels]


@needs_captures
@pytest.mark.parametrize("name", NUMBERED)
def test_one_lost_delta_is_noticed(name: str) -> None:
    case, frames = RETIRED[name], frames_of(name)
    venue = make(case)
    assert venue.facts.assurance in (Assurance.CHAINED, Assurance.COUNTED)
    session, joined = venue.session(), dict[str, int]()
    positions: list[tuple[int, str]] = []
    for position, text in enumerate(frames):
        for message in venue.parse(text, session):
            if isinstance(message, Snapshot):
                joined.setdefault(message.symbol, message.sequence)
            elif isinstance(message, Delta) and message.last > joined.get(
                message.symbol, message.last
            ):
                positions.append((position, message.symbol))
    # The last delta of a symbol has no successor that could tell; dYdX waits for 50.
    final = {symbol: position for position, symbol in positions}
    patience = 51 if case.venue == "dydx_v3" else 0
    removable = [
        position
        for position, symbol in positions
        if position < final[symbol] and position + patience < len(frames)
    ]
    chosen = removable[:: max(1, len(removable) // 25)]
    assert len(chosen) >= 15
    for position in chosen:
        replay = Replay(make(case), frames[:position] + frames[position + 1 :])
        assert replay.noticed, position


@needs_captures
@pytest.mark.parametrize("name", sorted(RETIRED))
def test_broken_frames_raise_one_error(name: str) -> None:
    """Cut and misspelt frames: a malformed message, or nothing at all."""
    venue = make(RETIRED[name])
    raised = 0
    books = [record["raw"] for record in records(name) if record["dir"] == "in"]
    longest = sorted(books, key=len)
    for text in (*books[:20], *books[-20:], longest[0], longest[-1]):
        for broken in variants(text):
            try:
                venue.parse(broken, venue.session())
            except MalformedMessage:
                raised += 1
    assert raised > 150


def variants(text: str) -> Iterator[str | bytes]:
    yield from (text[: len(text) * part // 5] for part in range(5))
    yield text.encode()[:-1] + b"\xff"
    yield text + "]"
    yield text.replace('"0', '"x').replace(":1", ":null")
    yield text.replace('"price"', '"p"').replace('"size"', '"s"')
    yield text.replace("[[", "[7,[").replace("[{", "[7,{")


@needs_captures
@pytest.mark.parametrize("name", sorted(set(RETIRED) - {CLIENTLESS}))
def test_subscriptions_are_those_recorded(name: str) -> None:
    """Each frame that we would send was sent, but for the other channels in it."""
    case, symbols = RETIRED[name], entry(name)["instruments"]
    venue = make(case)
    session = venue.session()
    ours = [json.loads(text) for text in venue.subscribe(symbols, session, 0.0)]
    assert ours
    sent = [r["raw"] for r in records(name) if r["dir"] == "out"]
    assert sent
    wanted = {word for request in ours for word in words(request)}
    theirs = {word for text in sent for word in words(json.loads(text))}
    assert wanted - theirs <= {"booksync"}  # our request id
    ended = venue.unsubscribe(symbols, session, 0.0)
    assert ended != venue.subscribe(symbols, session, 0.0)
    assert len(ended) == len(ours)


def words(value: Any) -> Iterator[str]:
    """Every text in a request; texts that are lists or pairs taken apart."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from words(item)
    elif isinstance(value, list):
        for item in value:
            yield from words(item)
    elif isinstance(value, str):
        yield from value.replace(":", ",").split(",")


def one(case: Case, text: str | bytes) -> list[Message]:
    venue = make(case)
    return list(venue.parse(text, venue.session()))


ASCENDEX = RETIRED["ascendex_spot_20210417"]
BITGET = RETIRED["bitget_v1_spot_20220407"]
BLOCKCHAIN = RETIRED["blockchain_20210722"]
BYBIT = RETIRED["bybit_v2_linear_20210417"]
DELTA = RETIRED["delta_20211129"]
DYDX = RETIRED["dydx_v3_20211028"]
HTX = RETIRED["htx_spot_20210417"]
KRAKEN = RETIRED["kraken_v1_spot_xbtusd_20230830"]
OKEX = RETIRED["okex_v3_20210417"]


@pytest.mark.parametrize(
    ("case", "text", "message"),
    [
        # as recorded, for these symbols
        pytest.param(
            ASCENDEX,
            '{"m":"sub","ch":"depth:DIVI/USDT","code":0}',
            Subscribed(("DIVI/USDT",)),
            id="ascendex ack",
        ),
        pytest.param(
            ASCENDEX, '{"m":"ping","hp":3}', Reply('{"op":"pong"}'), id="ascendex ping"
        ),
        pytest.param(
            BITGET,
            '{"event":"subscribe","arg":{"instType":"sp","channel":"books",'
            '"instId":"CULTUSDT"}}',
            Subscribed(("CULTUSDT",)),
            id="bitget ack",
        ),
        pytest.param(
            BLOCKCHAIN,
            '{"seqnum":0,"event":"subscribed","channel":"l2","symbol":"ALGO-BTC",'
            '"batching":false}',
            Subscribed(("ALGO-BTC",)),
            id="blockchain ack",
        ),
        pytest.param(
            BYBIT,
            '{"success":true,"ret_msg":"","conn_id":"x","request":{"op":"subscribe",'
            '"args":["orderBookL2_25.BCHUSDT"]}}',
            Subscribed(("BCHUSDT",)),
            id="bybit ack",
        ),
        pytest.param(
            DELTA,
            '{"type":"subscriptions","channels":[{"name":"all_trades","symbols":["A"]},'
            '{"name":"l2_orderbook","symbols":["P-BNB-600-291121"]}]}',
            Subscribed(("P-BNB-600-291121",)),
            id="delta ack",
        ),
        pytest.param(
            DYDX,
            '{"type":"unsubscribed","connection_id":"x","message_id":0,'
            '"channel":"v3_orderbook","id":"ETH-USD"}',
            Unsubscribed(("ETH-USD",)),
            id="dydx end",
        ),
        pytest.param(
            HTX, '{"ping":1618678073643}', Reply('{"pong":1618678073643}'), id="htx"
        ),
        pytest.param(
            HTX,
            '{"id":1,"status":"ok","subbed":"market.trioeth.depth.step0","ts":1}',
            Subscribed(("trioeth",)),
            id="htx ack",
        ),
        pytest.param(
            HTX,
            '{"status":"error","err-code":"bad-request","err-msg":"invalid symbol"}',
            Rejected((), "invalid symbol"),
            id="htx error",
        ),
        pytest.param(
            KRAKEN,
            '{"channelID":336,"channelName":"book-10","event":"subscriptionStatus",'
            '"pair":"XBT/USD","status":"subscribed","subscription":{"depth":10}}',
            Subscribed(("XBT/USD",)),
            id="kraken ack",
        ),
        pytest.param(
            KRAKEN,
            '{"errorMessage":"Currency pair not supported","event":'
            '"subscriptionStatus","pair":"NO/PE","status":"error"}',
            Rejected(("NO/PE",), "Currency pair not supported"),
            id="kraken error",
        ),
        pytest.param(
            OKEX,
            '{"event":"subscribe","channel":"option/depth_l2_tbt:BTC-USD-210423-C"}',
            Subscribed(("BTC-USD-210423-C",)),
            id="okex ack",
        ),
    ],
)
def test_answers(case: Case, text: str, message: Message) -> None:
    assert one(case, text) == [message]


def test_deflate_frames_are_inflated() -> None:
    text = b'{"event":"subscribe","channel":"spot/depth_l2_tbt:LON-ETH"}'
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(text) + packer.flush()
    assert one(OKEX, packed) == [Subscribed(("LON-ETH",))]
    for broken in (packed[:-1], b"", b"\xff" + packed):
        with pytest.raises(MalformedMessage):
            one(OKEX, broken)


@needs_captures
def test_gzip_frames_are_what_was_recorded_as_text() -> None:
    for name in ("htx_spot_20210417", "htx_swap_linear_20220219"):
        case = RETIRED[name]
        chosen = [r for r in records(name) if r["dir"] == "in"][:40]
        assert all(isinstance(frame(record), bytes) for record in chosen)
        packed = list(parsed(make(case), [frame(record) for record in chosen]))
        assert packed == list(parsed(make(case), [record["raw"] for record in chosen]))
        assert make(case).facts.source is Source.EVERY_FRAME


def dydx(number: int, kind: str = "channel_data", contents: str = "") -> str:
    contents = contents or '{"offset":"5","bids":[],"asks":[["4","1"]]}'
    return (
        f'{{"type":"{kind}","message_id":{number},"id":"ETH-USD",'
        f'"channel":"v3_orderbook","contents":{contents}}}'
    )


def test_dydx_waits_for_numbers_out_of_order() -> None:
    venue = make(DYDX)
    late = [*range(10), *range(12, 60), 10, 11, *range(60, 130)]
    found = list(parsed(venue, [dydx(number) for number in late]))
    assert not any(isinstance(message, Lost) for message in found)
    assert len(found) == 130
    chain = [message for message in found if isinstance(message, Delta)]
    assert all(a.last == b.prev < b.last for a, b in pairwise(chain))


def test_dydx_gives_a_number_up_once_after_50_messages() -> None:
    venue = make(DYDX)
    found = list(parsed(venue, [dydx(number) for number in range(200) if number != 70]))
    assert [m for m in found if isinstance(m, Lost)] == [Lost(70, 121)]


def test_dydx_gives_a_wide_hole_up_at_once() -> None:
    found = list(parsed(make(DYDX), [dydx(0), dydx(2**60), dydx(2**60 + 1)]))
    assert [m for m in found if isinstance(m, Lost)] == [Lost(1, 2**60)]


def test_dydx_ignores_levels_with_an_older_offset() -> None:
    whole = '{"bids":[],"asks":[{"price":"4","offset":"9","size":"2"}]}'
    older = '{"offset":"8","bids":[["3","1"]],"asks":[["4","0"]]}'
    newer = '{"offset":"10","bids":[],"asks":[["4","7"]]}'
    _, *found = parsed(
        make(DYDX), [dydx(0, "subscribed", whole), dydx(1, contents=older),
        dydx(2, contents=newer), dydx(2, contents=newer)]
    )  # fmt: skip
    assert found == [
        Delta("ETH-USD", 0, 1, [("3", "1")], []),
        Delta("ETH-USD", 1, 2, [], [("4", "7")]),
    ]


def test_blockchain_counts_all_frames_of_a_connection() -> None:
    def book(number: int, event: str = "updated", channel: str = "l2") -> str:
        return (
            f'{{"seqnum":{number},"event":"{event}","channel":"{channel}","symbol":"A",'
            '"bids":[],"asks":[],"timestamp":"2021-07-22T22:39:23.637085Z"}'
        )

    frames = [
        book(0, "snapshot"),
        book(1, "updated", "trades"),
        book(2),
        book(2),
        book(4),
    ]
    found = list(parsed(make(BLOCKCHAIN), frames))
    assert [type(message).__name__ for message in found] == [
        "Snapshot",
        "Delta",
        "Lost",
        "Delta",
    ]
    assert found[2] == Lost(3, 4)
    assert [(m.prev, m.last) for m in found if isinstance(m, Delta)] == [(0, 2), (2, 4)]
