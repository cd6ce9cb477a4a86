"""
KuCoin spot: the classic socket (token, REST snapshot) and the UTA one, by option.

Facts: Kucoin/kucoin-api-docs @7f01bbe, kucoin.com/docs-new/3470068w0 (spot increment),
/3470221w0 (UTA ``obu``) and /error-code/websocket (read 2026-11), a third party's probe
of UTA futures (2026-09-22), and recorded classic frames of 2021.

Both number each symbol's changes one by one and say the first and the last of a delta:
it carries ``(first - 1, last]``.

**classic** (the default: seen on frames) lists each change with its own number. 35 % of
the recorded ones have the price ``"0"``: they hold a number and no level, so they are
left out only after the delta's range is known. Without an API key the snapshot has at
most 100 levels, while deltas cover the whole book.

**uta** sends its own snapshot: see :mod:`booksync.venues._kucoin_uta`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage
from booksync.messages import Closing, Delta, Levels, Message, Snapshot
from booksync.venues import _kucoin_token as token
from booksync.venues import _kucoin_uta as uta
from booksync.venues.base import Count
from booksync.venues.declared import DeclaredVenue, Operation, Requests
from booksync.venues.facts import (
    Assurance,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = ["Kucoin"]

N = TypeVar("N")
UNKNOWN_SYMBOL = "900001"
#: Subscription errors that repeating does not cure: bad topic, login, no such topic.
REFUSED = {400, 403, 404, 406}
LEVEL2 = re.compile(r"/(?:orderbook/level2(?:_(\d+))?|level2/(?:snapshot|depth(\d+)))$")


class Changes(Struct, Generic[N], gc=False):
    """``{"asks":[["244.351","150","1613277183875"]],"bids":[]}``."""

    asks: list[tuple[N, N, int]]
    bids: list[tuple[N, N, int]]


class Update(Struct, Generic[N], gc=False, rename="camel"):
    """``data`` of a classic delta; ``time`` since 2022-09."""

    symbol: str
    sequence_start: Count
    sequence_end: Count
    changes: Changes[N]
    time: Count = 0


class Push(Struct, Generic[N], gc=False):
    """``{"topic":"/market/level2:BTC-USDT","type":"message","data":{…}}``."""

    topic: str
    data: Update[N]


class Book(Struct, Generic[N]):
    """``data`` of a REST snapshot; spot says ``time`` (ms), futures ``ts`` (ns)."""

    sequence: Annotated[int, Meta(ge=-1, le=2**62)]
    bids: list[tuple[N, N]]
    asks: list[tuple[N, N]]
    time: Count = 0
    ts: Count = 0


class Answer(Struct, Generic[N]):
    """``{"code":"200000","data":{…}}``."""

    code: Literal["200000"]
    data: N


BookAnswer = Answer[Book[N]]


class Problem(Struct):
    """``{"code":"900001","msg":"symbol not exists"}``."""

    code: str
    msg: str = ""


class Control(Struct):
    """Whatever is not a delta, of either socket."""

    id: int | str | None = None
    type: str = ""
    topic: str = ""
    code: int | None = None
    data: Any = None
    result: bool | None = None
    message: str = ""
    reason: str = ""
    dp: str = ""
    d: msgspec.Raw = msgspec.Raw(b"{}")


class Market(Struct, rename="camel"):
    """``{"symbol":"BTC-USDT","priceIncrement":"0.1","enableTrading":true,…}``."""

    symbol: str
    price_increment: Decimal | None = None
    base_increment: Decimal | None = None
    enable_trading: bool = True


class Kucoin(DeclaredVenue):
    """KuCoin spot."""

    id = "kucoin"
    facts = Facts(
        markets="spot",
        source=Source.REST,
        assurance=Assurance.RANGED,
        numbering=Numbering.SYMBOL,
        resync=Resync.FETCH,
        verified="classic: joins, continuity, final books and best prices: 2021",
        unverified=(
            "classic: whether a delta of many changes lists all touched levels",
            "option socket=uta: every frame of it (no recording)",
            "option socket=uta: whether unsubscribe and subscribe bring a snapshot",
            "REST weight budget",
        ),
        url="https://www.kucoin.com/docs-new/3470068w0",
        date="2026-11-01",
    )
    limits = Limits(
        symbols=100,  # of 300 topics (classic) and 600 (UTA)
        symbols_per_frame=50,
        messages=8.0,  # of 100 in 10 s, pings count
        connects=25,
        connects_window=60.0,
        weight=1_000,  # of 2,000, unconfirmed
        weight_window=30.0,
    )
    # The answer to a ping is due within 10 s; one every 18 s.
    heartbeat = Heartbeat(interval=18.0, silence=40.0)
    WS_URL = "wss://ws-api-spot.kucoin.com"
    REST_URL = "https://api.kucoin.com"
    PUSH: ClassVar[Any] = Push
    LISTING: ClassVar[Any] = Answer[list[Market]]
    CONTROL, BOOK, PROBLEM = Control, BookAnswer, Problem
    LISTINGS = (Request(path="/api/v2/symbols", weight=4),)
    CASE = "upper"
    DEPTHS: ClassVar[tuple[int, ...]] = (20, 100)
    default_depth: ClassVar[int | None] = 100
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "socket": ("classic", "uta"),
        "resync": ("resubscribe", "reconnect"),
    }
    UTA_URL = "wss://x-push-spot.kucoin.com"
    TOPIC = "/market/level2:"
    TRADE_TYPE = "SPOT"

    def setup(self) -> None:
        """``socket=uta`` is another stream, with its own snapshots."""
        super().setup()
        self._uta = self.options["socket"] == "uta"
        if self._uta:
            self._push = self.decoder(uta.Push, self.text)
            self.symbols_per_frame = 1
            self.amend(resync=Resync(self.options["resync"]), **uta.FACTS)

    def handshake(self) -> Request | None:
        """Each classic connection needs a token."""
        return None if self._uta else token.REQUEST

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """The classic endpoint changes: the answer names it."""
        own = base == self.WS_URL
        if self._uta:
            return self.UTA_URL if own else base
        return token.endpoint(answer, None if own else base)

    def request(
        self, operation: Operation, symbols: Sequence[str], number: int, now: float
    ) -> object:
        """``{"id":"1","type":"subscribe","topic":"/market/level2:BTC-USDT",…}``."""
        if self._uta:
            return uta.request(operation, symbols[0], number, self.TRADE_TYPE)
        private = {"privateChannel": False} if operation == "subscribe" else {}
        topic = self.TOPIC + ",".join(symbols)
        kind = {"id": str(number), "type": operation, "topic": topic}
        return {**kind, **private, "response": True}

    def ping(self, session: Requests, now: float) -> str:
        """``{"id":"1700000000000","type":"ping"}``."""
        return f'{{"id":"{int(now * 1000)}","type":"ping"}}'

    def read_push(self, push: Any, session: Requests) -> Sequence[Message]:
        """``{"sequenceStart":15,"sequenceEnd":19,"changes":{…}}``."""
        if self._uta:
            return uta.read(push, self.TRADE_TYPE)
        data: Update[Any] = push.data
        symbol, first, last = data.symbol, data.sequence_start, data.sequence_end
        if push.topic != self.TOPIC + symbol:
            raise MalformedMessage(f"{symbol!r} on the topic {push.topic!r}")
        if not 0 < first <= last:
            raise MalformedMessage(f"sequenceStart={first}, sequenceEnd={last}", symbol)
        bids, asks = _levels(data.changes.bids), _levels(data.changes.asks)
        return (Delta(symbol, first - 1, last, bids, asks, data.time / 1000 or None),)

    def read_control(
        self, control: Control, session: Requests, problem: str
    ) -> Sequence[Message]:
        """Unless repeating is hopeless, a new connection tries again."""
        if control.topic.startswith(self.TOPIC) or control.dp == uta.DEPTH:
            symbol = control.topic.removeprefix(self.TOPIC) or uta.named(control.d)
            raise MalformedMessage(problem, symbol or None)
        if control.type == "error" or control.result is False:
            words = control.data or control.message or control.reason
            reason = f"{words} (code {control.code})"
            refusal = session.refused(control.id, reason)
            final = control.result is False or control.code in REFUSED
            return refusal if final or not refusal else (Closing(reason),)
        if control.type == "ack" or control.result is True:
            return session.confirmed(control.id)
        return ()  # welcome, pong, another channel

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /api/v1/market/orderbook/level2_100?symbol=BTC-USDT``."""
        path = f"/api/v1/market/orderbook/level2_{self.depth}"
        weight = 2 if self.depth == self.DEPTHS[0] else 4
        return Request(path=path, params={"symbol": symbol}, weight=weight)

    def read_book(self, book: Any, symbol: str, depth: int | None) -> Snapshot:
        """A market before its first trade has the sequence -1 or 0, and no level."""
        data: Book[Any] = book.data
        time = data.time / 1000 or data.ts / uta.NANO or None
        sequence = max(data.sequence, 0)
        return Snapshot(symbol, sequence, data.bids, data.asks, depth, time)

    def unknown(self, problem: Problem) -> str | None:
        """Only that there is no such symbol is for good."""
        known = problem.code != UNKNOWN_SYMBOL
        return None if known else f"{problem.msg} (code {problem.code})"

    def snapshot_symbol(self, url: str) -> str | None:
        """``…/orderbook/level2``, ``level2_100``, ``level2/snapshot``, …."""
        parts = urlsplit(url)
        symbols = parse_qs(parts.query).get("symbol")
        return symbols[0] if symbols and LEVEL2.search(parts.path) else None

    def snapshot_depth(self, url: str) -> int | None:
        """The path says it; without a number it is the whole book."""
        found = LEVEL2.search(urlsplit(url).path)
        depth = found and (found[1] or found[2])
        return int(depth) if depth else None

    def listed(self, answer: Answer[Any]) -> Iterable[Instrument]:
        """``priceIncrement`` and ``baseIncrement``."""
        for market in answer.data:
            yield Instrument(
                symbol=market.symbol,
                price_step=market.price_increment,
                size_step=market.base_increment,
                active=market.enable_trading,
            )


def _levels(changes: list[tuple[Any, Any, int]]) -> Levels:
    """In order of their numbers, without those whose price is 0."""
    changes = sorted(changes, key=itemgetter(2))
    return [(price, size) for price, size, _ in changes if not is_marker(price)]


def is_marker(price: str | float) -> bool:
    """Whether a price of ``0`` says: this number changed no level."""
    if isinstance(price, str):
        return "0" in price and not price.strip("0.")
    return price == 0
