"""
Binance USD-M futures (``test_binance.py`` runs the family's tests).

Frames are those of the venue sheet, recorded 2021-07-22. Documented below
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
(read 2026-11).
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Snapshot
from booksync.venues import Assurance
from booksync.venues.binance_futures import BinanceCoinM, BinanceUsdM
from tests.captures import NaiveBook, needs_captures
from tests.venues.mangle import cut
from tests.venues.test_binance import (
    check_capture,
    check_floats,
    check_instruments,
    parse,
)

FUTURES = (BinanceUsdM, BinanceCoinM)

# Page Diff-Book-Depth-Streams (2026-11)
DELTA = (
    '{"stream":"sushiusdt@depth@100ms","data":{"e":"depthUpdate","E":1626992741037,'
    '"T":1626992741024,"s":"SUSHIUSDT","U":600859599090,"u":600859600917,'
    '"pu":600859598061,"b":[["7.5040","813"],["7.6090","0"]],'
    '"a":[["7.6150","1563"],["7.6220","3284"]]}}'
)
# Page How-to-manage-a-local-order-book-correctly (2026-11)
SNAPSHOT = (
    '{"lastUpdateId":600859605926,"E":1626992741264,"T":1626992741261,'
    '"bids":[["7.6110","6"],["7.6080","161"]],'
    '"asks":[["7.6120","297"],["7.6130","177"]]}'
)


def delta(first: Any, last: Any, previous: Any, symbol: str = "BTCUSDT") -> str:
    data = {"e": "depthUpdate", "s": symbol, "U": first, "u": last, "pu": previous}
    stream = f"{symbol.lower()}@depth@100ms"
    return json.dumps({"stream": stream, "data": {**data, "b": [], "a": []}})


@pytest.mark.parametrize("kind", FUTURES)
def test_delta_names_its_predecessor(kind: type[BinanceUsdM]) -> None:
    """``pu``, not ``U - 1``: between them are ids of other symbols."""
    assert parse(DELTA, venue=kind()) == [
        Delta(
            "SUSHIUSDT",
            600859598061,
            600859600917,
            [("7.5040", "813"), ("7.6090", "0")],
            [("7.6150", "1563"), ("7.6220", "3284")],
            time=1626992741.037,
        )
    ]


def test_keys_of_the_integration_of_2026_are_ignored() -> None:
    later = DELTA.replace('"pu"', '"ps":"SUSHIUSDT","st":1,"pu"')
    assert later != DELTA
    assert parse(later, venue=BinanceUsdM()) == parse(DELTA, venue=BinanceUsdM())


def test_snapshot_says_when_it_was_taken() -> None:
    assert BinanceUsdM().parse_snapshot(SNAPSHOT, "SUSHIUSDT", 1000) == Snapshot(
        "SUSHIUSDT",
        600859605926,
        [("7.6110", "6"), ("7.6080", "161")],
        [("7.6120", "297"), ("7.6130", "177")],
        depth=1000,
        time=1626992741.261,
    )


def test_cut_snapshot_is_malformed() -> None:
    for body in cut(SNAPSHOT):
        with pytest.raises(MalformedMessage) as caught:
            BinanceUsdM().parse_snapshot(body, "SUSHIUSDT", 1000)
        assert caught.value.symbol == "SUSHIUSDT"


@pytest.mark.parametrize("kind", FUTURES)
@pytest.mark.parametrize("numbers", [Decimal, float])
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(delta(1, 5, 5), id="goes nowhere"),
        pytest.param(delta(1, 5, 6), id="backwards"),
        pytest.param(delta(1, 5, -1), id="predecessor below zero"),
        pytest.param(delta(1, 5, None), id="predecessor is nothing"),
        pytest.param(delta(1, 5, "x"), id="predecessor is no number"),
        pytest.param(delta(1, 2**63, 1), id="a number too large"),
        pytest.param(delta(None, 5, 4), id="says not from where"),
        pytest.param(delta(1, 5, 4).replace(', "pu": 4', ""), id="a frame of spot"),
    ],
)
def test_malformed_frames_say_whose_they_are(
    kind: type[BinanceUsdM], numbers: type, frame: str
) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(frame, venue=kind(numbers=numbers))
    assert caught.value.symbol == "BTCUSDT"


def test_first_change_of_all_may_follow_number_zero() -> None:
    assert parse(delta(1, 5, 0), venue=BinanceUsdM()) == [
        Delta("BTCUSDT", 0, 5, [], [])
    ]


@pytest.mark.parametrize("kind", FUTURES)
@pytest.mark.parametrize(
    ("deltas", "sequence", "applied", "gaps"),
    [
        pytest.param(
            [(85, 90, 80), (95, 100, 90), (110, 120, 100)], 120, 1, [], id="7"
        ),
        pytest.param([(95, 105, 90), (111, 115, 105)], 115, 2, [], id="8"),
        pytest.param([(112, 120, 110)], 100, 0, [(100, 110)], id="9"),
        pytest.param([(95, 105, 90), (131, 135, 130)], 105, 1, [(105, 130)], id="10"),
    ],
)
def test_vectors(
    kind: type[BinanceUsdM],
    deltas: list[tuple[int, int, int]],
    sequence: int,
    applied: int,
    gaps: list[tuple[int, int]],
) -> None:
    """venues/README.md, Appendix B."""
    book, venue = NaiveBook(), kind()
    body = '{"lastUpdateId":100,"bids":[],"asks":[]}'
    book.load(venue.parse_snapshot(body, "BTCUSDT", 1000))
    for message in parse(*(delta(*numbers) for numbers in deltas), venue=venue):
        book.take(message)
    assert (book.sequence, book.applied, book.gaps) == (sequence, applied, gaps)


def test_books_have_a_route_of_their_own() -> None:
    """On another one the venue accepts the subscription and stays silent."""
    venue = BinanceUsdM()
    assert venue.stream_url("wss://host") == "wss://host/public/stream"


def test_facts() -> None:
    assert BinanceUsdM.id == "binance_usdm"
    assert BinanceUsdM.facts.markets == "USD-M futures"
    assert BinanceUsdM.facts.assurance is Assurance.CHAINED


@needs_captures
@pytest.mark.parametrize(
    "name",
    [
        "binance_usdm_20210722",
        "binance_usdm_btcusdt_20240718",
        "binance_usdm_btcusdt_20240808",
    ],
)
def test_captures_end_in_the_oracles_books(name: str) -> None:
    check_capture(name, BinanceUsdM)


@needs_captures
def test_instruments_of_the_capture_fit_their_books() -> None:
    assert check_instruments("binance_usdm_20210722", BinanceUsdM)


@needs_captures
def test_capture_has_the_same_books_in_floats() -> None:
    check_floats("binance_usdm_20210722", BinanceUsdM)
