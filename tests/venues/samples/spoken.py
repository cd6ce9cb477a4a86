"""
Samples that the dialects of the embedded exchange speak: no sockets, no faults.

The client's frames are the venue module's own, so a subscribe that the dialect does not
understand, or a frame that the module does not, shows itself: neither knows the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from booksync import venues
from booksync.testing import DIALECTS, Delta, Exchange
from booksync.testing.conformance import Samples
from booksync.testing.dialects.base import (
    Action,
    Answer,
    Ask,
    Frame,
    Request,
    Send,
    Session,
    Stream,
    Subscribe,
    Unsubscribe,
)
from booksync.venues import Source

__all__ = ["SPOKEN"]

STEPS = 12


class Speaker:
    """One connection of a dialect, and the venue module's side of it."""

    def __init__(self, venue: Any, exchange: Exchange, dialect: str) -> None:
        self.venue, self.exchange = venue, exchange
        self.dialect = DIALECTS[dialect](exchange)
        exchange.number(self.dialect.numbering, empty=self.dialect.empty)
        self.memory = venue.session()
        self.said: list[Frame] = []
        url = venue.stream_url("ws://x" + self.dialect.base_path, self.token)
        path, _, query = url.removeprefix("ws://x").partition("?")
        pairs = (pair.partition("=") for pair in query.split("&") if pair)
        parameters = {name: value for name, _, value in pairs}
        self.session = Session(1, path or "/", parameters)
        greeting = self.dialect.opens(self.session)
        assert greeting is not None, url
        self._do(greeting)

    @property
    def token(self) -> bytes | None:
        request = self.venue.handshake()
        return None if request is None else self.rest(request)

    def rest(self, request: Any) -> bytes:
        query = dict(request.params)
        asked = Request(request.method, request.path, query, request.body or b"")
        found = self.dialect.rest(asked)
        if isinstance(found, Answer):
            return found.body
        snapshot = self.exchange.snapshot_at(
            found.symbol, self.exchange.boundary(found.symbol), found.depth
        )
        return self.dialect.snapshot_body(snapshot, asked)

    def hear(self, frames: Iterable[Frame]) -> list[Frame]:
        """What the venue says to ``frames``."""
        before = len(self.said)
        for frame in frames:
            self._do(self.dialect.receive(self.session, frame))
        return self.said[before:]

    def beat(self) -> list[Frame]:
        before = len(self.said)
        self._do(self.dialect.beat(self.session))
        return self.said[before:]

    def subscribe(self, symbol: str) -> list[Frame]:
        greeting = self.venue.greet(self.memory, 0.0)
        wanted = self.venue.subscribe([symbol], self.memory, 0.0)
        return self.hear([*greeting, *wanted])

    def step(self, count: int = 1) -> list[Frame]:
        before = len(self.said)
        for _ in range(count):
            for delta in self.exchange.advance():
                for stream in tuple(self.session.streams.values()):
                    if stream.symbol == delta.market.symbol:
                        self._emit(self._frames(stream, delta))
        return self.said[before:]

    def _frames(self, stream: Stream, delta: Delta) -> list[Frame]:
        dialect, exchange = self.dialect, self.exchange
        if dialect.whole:
            return self._snapshot(stream)
        if stream.depth is not None:
            delta = exchange.window(delta, stream.depth, leaving=dialect.leaving)
        return dialect.delta(self.session, stream, delta)

    def _snapshot(self, stream: Stream, request: object = None) -> list[Frame]:
        symbol = stream.symbol or ""
        end = self.exchange.boundary(symbol)
        snapshot = self.exchange.snapshot_at(symbol, end, stream.depth)
        return self.dialect.snapshot(self.session, stream, snapshot, request)

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Send(frame):
                    self._emit([frame])
                case Subscribe(stream):
                    self.session.streams[stream.name] = stream
                    if stream.symbol is not None and self.dialect.snapshots:
                        self._emit(self._snapshot(stream))
                case Unsubscribe(name):
                    self.session.streams.pop(name, None)
                case Ask(stream, request):
                    self._emit(self._snapshot(stream, request))
                case _:
                    raise AssertionError(action)

    def _emit(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.said.append(self.dialect.seal(self.session, frame))
            self.session.sent += 1


@dataclass(frozen=True)
class Case:
    """Which venue, by which dialect, of which symbol."""

    venue: str
    symbol: str
    dialect: str = ""
    #: ``again`` is a restart of the numbering; else another subscription.
    resets: bool = False
    refuses: bool = True
    options: Mapping[str, str] = field(default_factory=dict)


def samples(case: Case) -> Samples:
    """Let the dialect speak."""
    kind = venues.get(case.venue)
    symbol = case.symbol
    exchange = Exchange([symbol], seed=5, levels=8, rate=60.0)
    venue = kind(options=case.options)
    speaker = Speaker(venue, exchange, case.dialect or case.venue)
    source = venue.facts.source
    speaker.subscribe(symbol)
    body = None
    for step in range(STEPS):
        if step == 2 and source is Source.REST:
            body = speaker.rest(venue.snapshot_request(symbol))
        if step == 2 and source is Source.REQUEST:
            speaker.hear([venue.snapshot_frame(symbol, speaker.memory, 0.0)])
        speaker.step()
    stream = tuple(speaker.said)
    bids, asks = exchange.truth(symbol, exchange.boundary(symbol))
    window = venue.keep or venue.facts.levels
    bids = dict(sorted(bids.items(), reverse=True)[:window])
    asks = dict(sorted(asks.items())[:window])
    listed = [speaker.rest(request) for request in venue.instrument_requests()]
    return Samples(
        symbol=symbol,
        stream=stream,
        body=body,
        again=_again(case),
        ended=_ended(case),
        refused=_refused(case) if case.refuses else (),
        asks=_asks(case),
        ignored=_ignored(case),
        closing=_closing(case),
        instruments=listed,
        token=speaker.token,
        book=tuple(  # type: ignore[arg-type]
            {str(price): str(size) for price, size in side.items()}
            for side in (bids, asks)
        ),
        options=case.options,
    )


def _spoken(case: Case) -> Speaker:
    """A speaker that has just said the whole stream."""
    exchange = Exchange([case.symbol], seed=5, levels=8, rate=60.0)
    venue = venues.get(case.venue)(options=case.options)
    speaker = Speaker(venue, exchange, case.dialect or case.venue)
    speaker.subscribe(case.symbol)
    for step in range(STEPS):
        if step == 2 and venue.facts.source is Source.REQUEST:
            frame = venue.snapshot_frame(case.symbol, speaker.memory, 0.0)
            speaker.hear([frame])
        speaker.step()
    return speaker


def _again(case: Case) -> list[Frame]:
    speaker = _spoken(case)
    venue, memory = speaker.venue, speaker.memory
    if venue.facts.source in {Source.REST, Source.REQUEST}:
        return []
    if case.resets:
        speaker.exchange.reset(case.symbol)
        return speaker.step(2)
    ended = speaker.hear(venue.unsubscribe([case.symbol], memory, 0.0))
    speaker.step(2)
    return [*ended, *speaker.hear(venue.subscribe([case.symbol], memory, 0.0))]


def _ended(case: Case) -> list[Frame]:
    speaker = _spoken(case)
    frames = speaker.venue.unsubscribe([case.symbol], speaker.memory, 0.0)
    return speaker.hear(frames)


def _refused(case: Case) -> list[Frame]:
    """What a venue says that has not this symbol, in answer to the subscribe alone."""
    venue = venues.get(case.venue)(options=case.options)
    speaker = Speaker(venue, Exchange(["OTHER"]), case.dialect or case.venue)
    speaker.hear(venue.greet(speaker.memory, 0.0))
    return speaker.hear(venue.subscribe([case.symbol], speaker.memory, 0.0))[:1]


def _asks(case: Case) -> list[tuple[Frame, Frame]]:
    """Let the venue ask; the answer is known from its sheet."""
    answer: Callable[[Frame], Frame] | None = ANSWERS.get(case.venue)
    if answer is None:
        return []
    return [(frame, answer(frame)) for frame in _spoken(case).beat()]


def _pong(case: str, frame: Frame) -> Frame:
    """``{"ping":1}`` is answered by ``{"pong":1}``."""
    return DIALECTS[case](Exchange(["X"])).unseal(frame).replace("ping", "pong")


ANSWERS: Mapping[str, Callable[[Frame], Frame]] = {
    "htx": partial(_pong, "htx"),
    # the fourth call of the connection: heartbeat, platform state, book
    "deribit": lambda _: '{"jsonrpc":"2.0","id":4,"method":"public/test","params":{}}',
}


def _ignored(case: Case) -> list[Frame]:
    speaker = _spoken(case)
    venue = speaker.venue
    if case.venue in ANSWERS:
        return []
    pings = (
        [] if venue.heartbeat.interval is None else [venue.ping(speaker.memory, 0.0)]
    )
    beats = [] if case.venue == "okx" else speaker.beat()  # OKX's are deltas
    return [*beats, *speaker.hear(pings)]


def _closing(case: Case) -> list[Frame]:
    speaker = _spoken(case)
    if case.venue == "kraken":  # a maintenance halts, and ends nothing
        return []
    before = len(speaker.said)
    speaker._do(speaker.dialect.shutdown(speaker.session))
    return speaker.said[before:]


CASES = {
    "binance": Case("binance", "BTCUSDT", refuses=False),
    "binance_us": Case("binance_us", "BTCUSDT", refuses=False),
    "binance_usdm": Case("binance_usdm", "BTCUSDT", refuses=False),
    "binance_coinm": Case("binance_coinm", "BTCUSD_PERP", refuses=False),
    "bitstamp": Case("bitstamp", "btcusd", refuses=False),
    "bybit": Case("bybit", "BTCUSDT", resets=True),
    "bybit loose": Case("bybit", "BTCUSDT", options={"strict_u": "no"}),
    "bybit full": Case(
        "bybit", "BTCUSDT", options={"channel": "full", "market": "linear"}
    ),
    "coinbase": Case("coinbase", "BTC-USD"),
    "coinbase_exchange": Case("coinbase_exchange", "BTC-USD"),
    "deribit": Case("deribit", "BTC-PERPETUAL"),
    "deribit agg2": Case("deribit", "BTC-PERPETUAL", options={"interval": "agg2"}),
    "htx": Case("htx", "btcusdt"),
    "hyperliquid": Case("hyperliquid", "BTC", refuses=False),
    "kraken": Case("kraken", "BTC/USD"),
    "kraken_futures": Case("kraken_futures", "PF_XBTUSD"),
    "kucoin": Case("kucoin", "BTC-USDT", refuses=False),
    "mexc": Case("mexc", "BTCUSDT"),
    "okx": Case("okx", "BTC-USDT", resets=True),
    "okx resubscribed": Case("okx", "BTC-USDT"),
}
#: Samples by name: the venue's id, and what is special.
SPOKEN: Mapping[str, Callable[[], Samples]] = {
    name: cache(partial(samples, case)) for name, case in CASES.items()
}
