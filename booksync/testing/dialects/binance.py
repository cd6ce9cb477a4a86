# ruff: noqa: ANN401, ARG002 - ids are whatever a client sends
"""
Binance spot, US, USD-M and COIN-M, as their sheets describe them.

From ``venues/binance_spot.md`` (binance-spot-api-docs of 2026-07-21),
``binance_usdm.md`` and ``binance_coinm.md``. A stream called ``@100ms`` is cut at every
interval of the exchange, the slower ones at multiples of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import msgspec

from booksync.testing.cut import Delta, Numbering, Snapshot
from booksync.testing.dialects.base import (
    Action,
    Answer,
    Close,
    Dialect,
    Frame,
    Request,
    Send,
    Session,
    Stream,
    Subscribe,
    Unsubscribe,
    Wanted,
)

__all__ = ["Binance", "BinanceCoinM", "BinanceUS", "BinanceUsdM"]

_STREAM = re.compile(r"([a-z0-9_]+)@depth(?:@(\d+ms))?")
_SYMBOL = re.compile(r"[A-Z0-9_.-]{1,20}")
_MAX_ID = 36


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _error(code: int, text: str, id_: Any = None) -> Send:
    return Send(_json({"code": code, "msg": text, "id": id_}))


def _refuse(code: int, text: str) -> Answer:
    body = msgspec.json.encode({"code": code, "msg": text})
    return Answer(body, 400, {"Content-Type": "application/json;charset=UTF-8"})


class Binance(Dialect):
    """Spot: ``U`` and ``u`` are contiguous; ``GET /api/v3/depth``."""

    name: ClassVar[str] = "binance"
    numbering = Numbering.SYMBOL
    ping_every: ClassVar[float | None] = 20.0
    pong_within: ClassVar[float] = 60.0
    messages: ClassVar[int | None] = 5
    weight: ClassVar[int] = 6000
    weight_header: ClassVar[str | None] = "X-MBX-USED-WEIGHT-1M"
    essential: ClassVar[tuple[str, ...]] = ("U", "u", "b", "a")
    #: Streams allowed on one connection.
    streams: ClassVar[int] = 1024
    #: Intervals between deltas, by the speed in the stream's name.
    speeds: ClassVar[dict[str | None, int]] = {None: 10, "1000ms": 10, "100ms": 1}
    #: Places that prices and sizes are padded to.
    places: ClassVar[tuple[int | None, int | None]] = (8, 8)
    routes: ClassVar[tuple[str, ...]] = ("",)
    api: ClassVar[str] = "/api/v3"
    #: ``(largest limit, weight)``, for snapshots.
    weights: ClassVar[tuple[tuple[int, int], ...]] = (
        (100, 5),
        (500, 25),
        (1000, 50),
        (5000, 250),
    )
    info_weight: ClassVar[int] = 20
    default_limit: ClassVar[int] = 100

    # -- the stream -----------------------------------------------------------------

    def opens(self, session: Session) -> Iterable[Action] | None:
        """Accept ``/ws[/<stream>…]`` and ``/stream[?streams=<a>/<b>]``."""
        for route in self.routes:
            kind, _, rest = session.path.removeprefix(route).strip("/").partition("/")
            if session.path.startswith(route) and kind in {"ws", "stream"}:
                session.memory["combined"] = kind == "stream"
                names = rest if kind == "ws" else session.query.get("streams", "")
                return self._subscribe(session, [n for n in names.split("/") if n])
        return None

    def receive(self, session: Session, frame: Frame) -> Iterator[Action]:
        """Answer SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS."""
        try:
            message = msgspec.json.decode(frame)
        except msgspec.DecodeError as error:
            yield _error(3, f"Invalid JSON: {error}")
            return
        if not isinstance(message, dict):
            yield _error(2, "Invalid request: expected an object")
            return
        id_, names = message.get("id"), message.get("params", [])
        if not (id_ is None or isinstance(id_, int) or _short(id_)):
            yield _error(2, "Invalid request: request ID must be an unsigned integer")
            return
        method = message.get("method")
        if method == "LIST_SUBSCRIPTIONS":
            yield Send(_json({"result": list(session.streams), "id": id_}))
            return
        if method not in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            text = f"unknown variant `{method}`, expected one of `SUBSCRIBE`"
            yield _error(2, f"Invalid request: {text}, `UNSUBSCRIBE`", id_)
            return
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            yield _error(2, "Invalid request: params must be a list of strings", id_)
            return
        if method == "SUBSCRIBE":
            yield from self._subscribe(session, names)
        else:
            yield from (Unsubscribe(name) for name in names)
        yield Send(_json({"result": None, "id": id_}))

    def _subscribe(self, session: Session, names: list[str]) -> Iterator[Action]:
        if len(session.streams.keys() | set(names)) > self.streams:
            yield Close(1008, "Too many streams")
            return
        yield from (Subscribe(self._stream(session, name)) for name in names)

    def _stream(self, session: Session, name: str) -> Stream:
        """Unknown streams are acknowledged, and silent."""
        found = _STREAM.fullmatch(name)
        silent = Stream(name, None)
        if not found or found[2] not in self.speeds or "/market/" in session.path:
            return silent
        symbol = found[1].upper()
        every = self.speeds[found[2]]
        known = symbol in self.exchange.markets
        return Stream(name, symbol, every) if known else silent

    def delta(self, session: Session, stream: Stream, delta: Delta) -> list[Frame]:
        """Write a ``depthUpdate``."""
        market = delta.market
        data = {
            "e": "depthUpdate",
            **self._times(session, delta.time),
            "s": market.symbol,
            **self._ids(delta),
            "b": self.pairs(market, delta.bids, self.places),
            "a": self.pairs(market, delta.asks, self.places),
        }
        combined = session.memory["combined"]
        return [_json({"stream": stream.name, "data": data} if combined else data)]

    def _times(self, session: Session, time: float) -> dict[str, int]:
        micro = session.query.get("timeUnit", "").upper() == "MICROSECOND"
        return {"E": int(time * (1e6 if micro else 1e3))}

    def _ids(self, delta: Delta) -> dict[str, Any]:
        return {"U": delta.first, "u": delta.last}

    def shutdown(self, session: Session) -> Iterator[Action]:
        """Send ``serverShutdown``."""
        data = {"e": "serverShutdown", "E": int(self.exchange.now * 1000)}
        combined = session.memory["combined"]
        yield Send(
            _json({"stream": "!serverShutdown", "data": data} if combined else data)
        )

    # -- REST -----------------------------------------------------------------------

    def rest(self, request: Request) -> Answer | Wanted:
        """Understand ``depth`` and ``exchangeInfo``."""
        if request.path == f"{self.api}/exchangeInfo":
            return self._info(request)
        if request.path == f"{self.api}/depth":
            return self._depth(request)
        return Answer(b'{"code":-1000,"msg":"No such path."}', 404)

    def _depth(self, request: Request) -> Answer | Wanted:
        symbol = request.query.get("symbol", "")
        if not symbol:
            text = "was not sent, was empty/null, or malformed."
            return _refuse(-1102, f"Mandatory parameter 'symbol' {text}")
        if not _SYMBOL.fullmatch(symbol):
            return _refuse(-1100, "Illegal characters found in parameter 'symbol'.")
        if symbol not in self.exchange.markets:
            return _refuse(-1121, "Invalid symbol.")
        return self._wanted(symbol, request.query.get("limit", str(self.default_limit)))

    def _wanted(self, symbol: str, text: str) -> Answer | Wanted:
        if not text.isdecimal() or not self._limit(int(text)):
            return self._bad_limit(text)
        limit = self._limit(int(text))
        weight = next(w for largest, w in self.weights if limit <= largest)
        return Wanted(symbol, limit, weight)

    def _limit(self, limit: int) -> int:
        """Clip a limit; 0 if it is none."""
        return min(limit, self.weights[-1][0])

    def _bad_limit(self, text: str) -> Answer:
        return _refuse(-1100, f"Illegal characters found in parameter 'limit': {text}")

    def snapshot_body(self, snapshot: Snapshot, request: Request) -> bytes:
        """Write the answer to ``depth``."""
        market = snapshot.market
        return msgspec.json.encode(
            {
                "lastUpdateId": snapshot.last,
                **self._snapshot_extra(snapshot),
                "bids": self.pairs(market, snapshot.bids, self.places),
                "asks": self.pairs(market, snapshot.asks, self.places),
            }
        )

    def _snapshot_extra(self, snapshot: Snapshot) -> dict[str, Any]:
        return {}

    def _info(self, request: Request) -> Answer:
        wanted = request.query.get("symbol")
        if wanted is not None and wanted not in self.exchange.markets:
            return _refuse(-1121, "Invalid symbol.")
        symbols = [
            self._listed(s) for s in self.exchange.symbols if wanted in {None, s}
        ]
        body = msgspec.json.encode({"timezone": "UTC", "symbols": symbols})
        return Answer(body, weight=self.info_weight)

    def _listed(self, symbol: str) -> dict[str, Any]:
        market = self.exchange.markets[symbol]
        tick = market.prices.text(1, self.places[0])
        step = market.sizes.text(1, self.places[1])
        return {
            "symbol": symbol,
            "status": "TRADING",
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "tickSize": tick},
                {"filterType": "LOT_SIZE", "minQty": step, "stepSize": step},
            ],
        }

    def refusal(self, status: int, until: float) -> bytes:
        """Write the body of a 429 or 418."""
        text = "Too much request weight used; please use WebSocket Streams."
        if status == 418:  # noqa: PLR2004
            text = (
                f"Way too much request weight used; IP banned until {until * 1000:.0f}."
            )
        return msgspec.json.encode({"code": -1003, "msg": text})


class BinanceUS(Binance):
    """The same protocol; other weights, pings and budget."""

    name: ClassVar[str] = "binance_us"
    ping_every = 180.0
    pong_within = 600.0
    weight = 1200
    weights = ((100, 1), (500, 5), (1000, 10), (5000, 50))
    info_weight = 10


class BinanceUsdM(Binance):
    """USD-M futures: one counter for the whole engine, ``pu`` links the deltas."""

    name: ClassVar[str] = "binance_usdm"
    numbering = Numbering.ENGINE
    ping_every = 180.0
    pong_within = 600.0
    messages = 10
    weight = 2400
    essential = ("U", "u", "pu", "b", "a")
    speeds: ClassVar[dict[str | None, int]] = {None: 3, "500ms": 5, "100ms": 1}
    places: ClassVar[tuple[int | None, int | None]] = (None, None)
    routes: ClassVar[tuple[str, ...]] = ("/public", "/market", "")
    api: ClassVar[str] = "/fapi/v1"
    weights = ((50, 2), (100, 5), (500, 10), (1000, 20))
    info_weight = 1
    default_limit = 500
    limits: ClassVar[frozenset[int]] = frozenset({5, 10, 20, 50, 100, 500, 1000})

    def _ids(self, delta: Delta) -> dict[str, Any]:
        return {"U": delta.first, "u": delta.last, "pu": delta.prev}

    def _times(self, session: Session, time: float) -> dict[str, int]:
        return {"E": int(time * 1e3) + 3, "T": int(time * 1e3)}

    def _limit(self, limit: int) -> int:
        return limit if limit in self.limits else 0

    def _bad_limit(self, text: str) -> Answer:
        return _refuse(-4021, f"{text} is not valid depth limit.")

    def _snapshot_extra(self, snapshot: Snapshot) -> dict[str, Any]:
        time = int(snapshot.time * 1e3)
        return {"E": time + 3, "T": time}


class BinanceCoinM(BinanceUsdM):
    """COIN-M futures: as USD-M, with the pair."""

    name: ClassVar[str] = "binance_coinm"
    routes: ClassVar[tuple[str, ...]] = ("",)
    api: ClassVar[str] = "/dapi/v1"
    streams = 200

    def _ids(self, delta: Delta) -> dict[str, Any]:
        return {"ps": delta.market.symbol.partition("_")[0], **super()._ids(delta)}

    def _snapshot_extra(self, snapshot: Snapshot) -> dict[str, Any]:
        symbol = snapshot.market.symbol
        pair = symbol.partition("_")[0]
        return {**super()._snapshot_extra(snapshot), "symbol": symbol, "pair": pair}


def _short(id_: Any) -> bool:
    return isinstance(id_, str) and len(id_) <= _MAX_ID
