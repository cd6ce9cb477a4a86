"""
Binance COIN-M futures: what differs from USD-M.

Frames are those of the venue sheet, recorded 2021-07-22. Documented below
https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams
(read 2026-11).
``test_binance.py`` and ``test_binance_usdm.py`` run what is shared.
"""

from __future__ import annotations

import pytest

from booksync.errors import MalformedMessage
from booksync.messages import Delta, Snapshot
from booksync.venues.binance_futures import BinanceCoinM, BinanceUsdM
from tests.captures import needs_captures
from tests.venues.test_binance import (
    check_capture,
    check_floats,
    check_instruments,
    parse,
)

# Page Diff-Book-Depth-Streams (2026-11)
DELTA = (
    '{"stream":"bchusd_perp@depth@100ms","data":{"e":"depthUpdate","E":1626916403873,'
    '"T":1626916403864,"s":"BCHUSD_PERP","ps":"BCHUSD","U":167006084465,'
    '"u":167006084895,"pu":167006084238,"b":[["427.27","0"],["427.53","260"]],'
    '"a":[["427.90","669"],["427.91","24"]]}}'
)
# Page How-to-manage-a-local-order-book-correctly (2026-11)
SNAPSHOT = (
    '{"lastUpdateId":167006089178,"E":1626916404580,"T":1626916404574,'
    '"symbol":"BCHUSD_PERP","pair":"BCHUSD","bids":[["427.90","169"],["427.89","515"]],'
    '"asks":[["427.95","150"],["427.97","130"]]}'
)


def test_delta_names_its_predecessor() -> None:
    assert parse(DELTA, venue=BinanceCoinM()) == [
        Delta(
            "BCHUSD_PERP",
            167006084238,
            167006084895,
            [("427.27", "0"), ("427.53", "260")],
            [("427.90", "669"), ("427.91", "24")],
            time=1626916403.873,
        )
    ]


def test_pair_is_not_the_symbol() -> None:
    """``ps`` names the pair of several contracts; only ``s`` says which."""
    other = DELTA.replace('"s":"BCHUSD_PERP"', '"s":"BCHUSD_210924"')
    with pytest.raises(MalformedMessage):
        parse(other, venue=BinanceCoinM())


def test_snapshot_says_when_it_was_taken() -> None:
    assert BinanceCoinM().parse_snapshot(SNAPSHOT, "BCHUSD_PERP", 100) == Snapshot(
        "BCHUSD_PERP",
        167006089178,
        [("427.90", "169"), ("427.89", "515")],
        [("427.95", "150"), ("427.97", "130")],
        depth=100,
        time=1626916404.574,
    )


def test_snapshot_of_another_contract_is_malformed() -> None:
    with pytest.raises(MalformedMessage) as caught:
        BinanceCoinM().parse_snapshot(SNAPSHOT, "BCHUSD_210924", 100)
    assert caught.value.symbol == "BCHUSD_210924"


def test_delivery_contracts_are_subscribed_in_lower_case() -> None:
    venue = BinanceCoinM()
    symbols = ["BTCUSD_PERP", "BTCUSD_261225"]
    assert venue.subscribe(symbols, venue.session(), 0.0) == [
        (
            '{"method":"SUBSCRIBE","params":["btcusd_perp@depth@100ms",'
            '"btcusd_261225@depth@100ms"],"id":1}'
        )
    ]


def test_books_are_not_on_the_route_of_usd_m() -> None:
    assert BinanceCoinM().stream_url("wss://host") == "wss://host/stream"
    assert BinanceCoinM().snapshot_request("A").path == "/dapi/v1/depth"


def test_facts_say_what_is_not_confirmed() -> None:
    assert BinanceCoinM.id == "binance_coinm"
    assert BinanceCoinM.facts.markets == "COIN-M futures"
    unconfirmed = set(BinanceCoinM.facts.unverified)
    assert unconfirmed > set(BinanceUsdM.facts.unverified)
    assert any("per connection" in text for text in unconfirmed)


@needs_captures
@pytest.mark.parametrize(
    "name", ["binance_coinm_20210722", "binance_coinm_btcusd_20240808"]
)
def test_captures_end_in_the_oracles_books(name: str) -> None:
    check_capture(name, BinanceCoinM)


@needs_captures
def test_instruments_of_the_capture_fit_their_books() -> None:
    found = check_instruments("binance_coinm_20210722", BinanceCoinM)
    assert any(symbol.endswith("_PERP") for symbol in found)


@needs_captures
def test_capture_has_the_same_books_in_floats() -> None:
    check_floats("binance_coinm_20210722", BinanceCoinM)
