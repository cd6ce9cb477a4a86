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

**uta** needs no token and sends its own snapshot of 500 levels; the venue deletes what
leaves them. A second subscribe gives no second snapshot, so a resync unsubscribes
first; that this is enough is not confirmed, hence the option ``resync``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
from msgspec import Meta, Struct

from booksync.errors import MalformedMessage, SubscriptionRejected
from booksync.messages import (
    Closing,
    Delta,
    Levels,
    Message,
    Rejected,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.venues.base import UNREADABLE, Venue
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

__all__ = ["Count", "Kucoin", "Session"]

N = TypeVar("N")
Count = Annotated[int, Meta(ge=0, le=2**62)]
OK = "200000"
UNKNOWN_SYMBOL = "900001"
#: Subscription errors that repeating does not cure: bad topic, login, no such topic.
REFUSED = {400, 403, 404, 406}
UTA_DEPTH = "increment@10ms"
UTA_LEVELS = 500
NANO = 1_000_000_000
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


class Window(Struct, Generic[N], gc=False):
    """``{"s":"BTC-USDT","O":5,"C":7,"M":<ns>,"b":[["66532.4","0.09"]],"a":[]}``."""

    s: str
    O: Count  # noqa: E741 - the venue's name
    C: Count
    b: list[tuple[N, N]] | None = None
    a: list[tuple[N, N]] | None = None
    M: Count = 0


class UtaPush(Struct, Generic[N], gc=False):
    """``{"T":"obu.SPOT","dp":"increment@10ms","t":"delta","d":{…}}``."""

    T: str
    dp: str
    t: Literal["snapshot", "delta"]
    d: Window[N]


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


class Problem(Struct):
    """``{"code":"900001","msg":"symbol not exists"}``."""

    code: str
    msg: str = ""


class Named(Struct):
    """As much of ``d`` as tells whose it is."""

    s: str = ""


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


class Server(Struct):
    """One of ``instanceServers``."""

    endpoint: str


class Bullet(Struct, rename="camel"):
    """``data`` of the token request."""

    token: str
    instance_servers: list[Server]


class Market(Struct, rename="camel"):
    """``{"symbol":"BTC-USDT","priceIncrement":"0.1","enableTrading":true,…}``."""

    symbol: str
    price_increment: Decimal | None = None
    base_increment: Decimal | None = None
    enable_trading: bool = True


class Session:
    """The requests of one connection: id -> (whether it subscribes, symbols)."""

    __slots__ = ("requests",)

    def __init__(self) -> None:
        self.requests: dict[str, tuple[bool, tuple[str, ...]]] = {}

    def add(self, symbols: Sequence[str], *, subscribe: bool) -> str:
        """Give the next request its id."""
        number = str(len(self.requests) + 1)
        self.requests[number] = (subscribe, tuple(symbols))
        return number


class Kucoin(Venue):
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
        """Make the decoders for the number type and the socket."""
        self._uta = self.options["socket"] == "uta"
        self._control = self.decoder(Control)
        self._bullet = self.decoder(Answer, Bullet)
        self._setup_market()
        self._read = self._read_classic
        if self._uta:
            self._topic = f"obu.{self.TRADE_TYPE}"
            self._push = self.decoder(UtaPush, self.text)
            self._read = self._read_uta
            vars(self)["facts"] = msgspec.structs.replace(
                self.facts,
                source=Source.STREAM,
                resync=Resync(self.options["resync"]),
                levels=UTA_LEVELS,
                verified="",
            )

    def _setup_market(self) -> None:
        self._push = self.decoder(Push, self.text)
        self._book = self.decoder(Answer, Book[self.text])  # type: ignore[name-defined]
        self._listing = self.decoder(Answer, list[Market])

    @classmethod
    def prepare(cls, symbol: str) -> str:
        """Upper case, with a dash: ``BTC-USDT``."""
        return super().prepare(symbol).upper()

    def session(self) -> Session:
        """Ids of this connection's requests."""
        return Session()

    def handshake(self) -> Request | None:
        """``POST /api/v1/bullet-public``: each classic connection needs a token."""
        if self._uta:
            return None
        return Request(path="/api/v1/bullet-public", method="POST", weight=10)

    def stream_url(self, base: str, answer: bytes | None = None) -> str:
        """
        ``<endpoint>?token=…&connectId=…``; the endpoint changes, the answer names it.

        The connection's id is made from the token, which is another each time.
        """
        if self._uta:
            return self.UTA_URL if base == self.WS_URL else base
        bullet: Bullet = self.decode(self._bullet, answer or b"").data
        if not bullet.instance_servers:
            raise MalformedMessage("the token came without a server")
        own = bullet.instance_servers[0].endpoint if base == self.WS_URL else base
        connection = zlib.crc32(bullet.token.encode())
        return f"{own}?token={quote(bullet.token, safe='')}&connectId={connection}"

    def subscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """``{"id":"1","type":"subscribe","topic":"/market/level2:BTC-USDT",…}``."""
        return self._frames(symbols, session, subscribe=True)

    def unsubscribe(
        self, symbols: Sequence[str], session: Session, now: float
    ) -> list[str | bytes]:
        """The same with ``unsubscribe``."""
        return self._frames(symbols, session, subscribe=False)

    def _frames(
        self, symbols: Sequence[str], session: Session, *, subscribe: bool
    ) -> list[str | bytes]:
        frames: list[str | bytes] = []
        step = 1 if self._uta else self.limits.symbols_per_frame
        for start in range(0, len(symbols), step):
            part = symbols[start : start + step]
            number = session.add(part, subscribe=subscribe)
            make = self._uta_frame if self._uta else self._classic_frame
            request = make(number, ",".join(part), subscribe=subscribe)
            frames.append(msgspec.json.encode(request).decode())
        return frames

    def _classic_frame(
        self, number: str, symbols: str, *, subscribe: bool
    ) -> dict[str, Any]:
        kind = "subscribe" if subscribe else "unsubscribe"
        private = {"privateChannel": False} if subscribe else {}
        topic = self.TOPIC + symbols
        return {"id": number, "type": kind, "topic": topic, **private, "response": True}

    def _uta_frame(
        self, number: str, symbol: str, *, subscribe: bool
    ) -> dict[str, Any]:
        return {
            "id": number,
            "action": "SUBSCRIBE" if subscribe else "UNSUBSCRIBE",
            "channel": "obu",
            "tradeType": self.TRADE_TYPE,
            "symbol": symbol,
            "depth": UTA_DEPTH,
        }

    def ping(self, session: Session, now: float) -> str:
        """``{"id":"1700000000000","type":"ping"}``."""
        return f'{{"id":"{int(now * 1000)}","type":"ping"}}'

    def parse(self, frame: str | bytes, session: Session) -> Sequence[Message]:
        """Read a delta, a snapshot (UTA), an acknowledgement or an error."""
        try:
            push = self._push.decode(frame)
        except UNREADABLE as error:
            return self._parse_other(frame, session, str(error))
        return self._read(push)

    def _read_classic(self, push: Any) -> Sequence[Message]:
        """``{"sequenceStart":15,"sequenceEnd":19,"changes":{…}}``."""
        data: Update[Any] = push.data
        symbol, first, last = data.symbol, data.sequence_start, data.sequence_end
        if push.topic != self.TOPIC + symbol:
            raise MalformedMessage(f"{symbol!r} on the topic {push.topic!r}")
        if not 0 < first <= last:
            raise MalformedMessage(f"sequenceStart={first}, sequenceEnd={last}", symbol)
        bids, asks = _levels(data.changes.bids), _levels(data.changes.asks)
        return (Delta(symbol, first - 1, last, bids, asks, data.time / 1000 or None),)

    def _read_uta(self, push: UtaPush[Any]) -> Sequence[Message]:
        """``"t":"snapshot"`` replaces the book; its ``O`` equals its ``C``."""
        if (push.T, push.dp) != (self._topic, UTA_DEPTH):
            return ()
        data = push.d
        if not data.O <= data.C:
            raise MalformedMessage(f"O={data.O}, C={data.C}", data.s)
        time = data.M / NANO or None
        if push.t == "delta":
            bids, asks = data.b or [], data.a or []
            return (Delta(data.s, data.O - 1, data.C, bids, asks, time),)
        if data.b is None or data.a is None:
            raise MalformedMessage("a snapshot without one of its sides", data.s)
        return (Snapshot(data.s, data.C, data.b, data.a, UTA_LEVELS, time),)

    def _parse_other(
        self, frame: str | bytes, session: Session, problem: str
    ) -> Sequence[Message]:
        control: Control = self.decode(self._control, frame)
        if control.topic.startswith(self.TOPIC) or control.dp == UTA_DEPTH:
            symbol = control.topic.removeprefix(self.TOPIC) or self._named(control)
            raise MalformedMessage(problem, symbol or None)
        if control.type == "error" or control.result is False:
            return self._refused(control, session)
        if control.type == "ack" or control.result is True:
            return self._confirmed(control, session)
        return ()  # welcome, pong, another channel

    def _named(self, control: Control) -> str:
        try:
            return msgspec.json.decode(control.d, type=Named).s
        except UNREADABLE:
            return ""

    def _confirmed(self, control: Control, session: Session) -> Sequence[Message]:
        known = session.requests.get(str(control.id))
        if known is None:
            return ()
        subscribed, symbols = known
        return (Subscribed(symbols) if subscribed else Unsubscribed(symbols),)

    def _refused(self, control: Control, session: Session) -> Sequence[Message]:
        """Unless repeating is hopeless, a new connection tries again."""
        subscribed, symbols = session.requests.get(str(control.id), (True, ()))
        words = control.data or control.message or control.reason
        reason = f"{words} (code {control.code})"
        if not subscribed:
            return ()
        if control.result is False or control.code in REFUSED:
            return (Rejected(symbols, reason),)
        return (Closing(reason),)

    def snapshot_request(self, symbol: str) -> Request:
        """``GET /api/v1/market/orderbook/level2_100?symbol=BTC-USDT``."""
        depth = self.depth or self.default_depth
        path = f"/api/v1/market/orderbook/level2_{depth}"
        weight = 2 if depth == self.DEPTHS[0] else 4
        return Request(path=path, params={"symbol": symbol}, weight=weight)

    def parse_snapshot(
        self, body: bytes | str, symbol: str, depth: int | None
    ) -> Snapshot:
        """A market before its first trade has the sequence -1 or 0, and no level."""
        try:
            book = self._book.decode(body).data
        except UNREADABLE as error:
            self._raise_if_unknown(body, symbol)
            raise MalformedMessage(f"snapshot: {error}", symbol) from None
        time = book.time / 1000 or book.ts / NANO or None
        sequence = max(book.sequence, 0)
        return Snapshot(symbol, sequence, book.bids, book.asks, depth, time)

    def _raise_if_unknown(self, body: bytes | str, symbol: str) -> None:
        try:
            problem = msgspec.json.decode(body, type=Problem, strict=False)
        except UNREADABLE:
            return
        if problem.code == UNKNOWN_SYMBOL:
            raise SubscriptionRejected(symbol, f"{problem.msg} (code {problem.code})")

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

    def instrument_requests(self) -> Sequence[Request]:
        """``GET /api/v2/symbols``."""
        return (Request(path="/api/v2/symbols", weight=4),)

    def parse_instruments(self, body: bytes | str) -> list[Instrument]:
        """``priceIncrement`` and ``baseIncrement``."""
        markets: list[Market] = self.decode(self._listing, body).data
        return [
            Instrument(
                symbol=market.symbol,
                price_step=market.price_increment,
                size_step=market.base_increment,
                active=market.enable_trading,
            )
            for market in markets
        ]


def _levels(changes: list[tuple[Any, Any, int]]) -> Levels:
    """In order of their numbers, without those whose price is 0."""
    if len(changes) > 1:
        changes = sorted(changes, key=itemgetter(2))
    return [(price, size) for price, size, _ in changes if not is_marker(price)]


def is_marker(price: str | float) -> bool:
    """Whether a price of ``0`` says: this number changed no level."""
    if isinstance(price, str):
        return "0" in price and not price.strip("0.")
    return price == 0
