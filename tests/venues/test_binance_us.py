"""
Binance US: what differs from spot (``test_binance.py`` runs the family's tests).

Facts: binance-us-api-docs, rest-api.md and web-socket-streams.md @6b62304.
"""

from __future__ import annotations

import json

import pytest

from booksync.venues import Assurance
from booksync.venues.binance import Binance, BinanceUS
from tests.captures import needs_captures
from tests.venues.test_binance import (
    DELTA,
    SNAPSHOT,
    check_capture,
    check_floats,
    check_instruments,
    parse,
)


def test_it_speaks_as_spot_does() -> None:
    assert parse(DELTA, venue=BinanceUS()) == parse(DELTA, venue=Binance())
    ours, theirs = BinanceUS(), Binance()
    assert ours.parse_snapshot(SNAPSHOT, "A", 100) == theirs.parse_snapshot(
        SNAPSHOT, "A", 100
    )
    frames = ours.subscribe(["BTCUSD"], ours.session(), 0.0)
    assert frames == theirs.subscribe(["BTCUSD"], theirs.session(), 0.0)


def test_a_minute_holds_as_many_snapshots_as_the_venue_allows() -> None:
    """1,200 a minute at 1, 5, 10 or 50 each; spot's weights would cost five times."""
    venue = BinanceUS()
    request = venue.snapshot_request("BTCUSD")
    assert venue.limits.weight // request.weight == 120
    assert json.loads(json.dumps(request.params)) == {
        "symbol": "BTCUSD",
        "limit": "1000",
    }


def test_facts() -> None:
    assert BinanceUS.id == "binance_us"
    assert BinanceUS.facts.markets == "spot"
    assert BinanceUS.facts.assurance is Assurance.RANGED
    assert "binance-us" in BinanceUS.facts.url
    assert "2021" in BinanceUS.facts.verified
    assert BinanceUS.WS_URL != Binance.WS_URL
    assert BinanceUS.REST_URL != Binance.REST_URL


@needs_captures
@pytest.mark.parametrize("name", ["binanceus_spot_20210417", "binanceus_spot_20211012"])
def test_captures_end_in_the_oracles_books(name: str) -> None:
    check_capture(name, BinanceUS)


@needs_captures
@pytest.mark.parametrize("name", ["binanceus_spot_20210417", "binanceus_spot_20211012"])
def test_instruments_of_the_captures_fit_their_books(name: str) -> None:
    assert check_instruments(name, BinanceUS)


@needs_captures
def test_capture_has_the_same_books_in_floats() -> None:
    check_floats("binanceus_spot_20211012", BinanceUS)
