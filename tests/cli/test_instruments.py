"""``booksync instruments``, against the embedded exchange."""

from __future__ import annotations

import pytest

from booksync.errors import ConfigurationError
from booksync.venues.binance import Binance


def rest(exchange):
    return "--rest-url", exchange.server.rest_url


def test_json_is_an_object_an_instrument(booksync, exchange):
    result = booksync("instruments", "binance", *rest(exchange), "--json")
    assert result.code == 0
    assert result.objects == [
        {
            "symbol": "BTCUSDT",
            "price_step": "0.01",
            "size_step": "0.00001",
            "active": True,
        },
        {
            "symbol": "ETHUSDT",
            "price_step": "0.01",
            "size_step": "0.0001",
            "active": True,
        },
    ]


def test_table_lists_them(booksync, exchange):
    result = booksync("instruments", "binance", *rest(exchange), "--like", "eth")
    lines = [line.split() for line in result.out.splitlines()]
    assert ["ETHUSDT", "0.01", "0.0001", "yes"] in lines
    assert not any("BTCUSDT" in line for line in lines)


def test_nothing_found_is_told(booksync, exchange):
    result = booksync("instruments", "binance", *rest(exchange), "--like", "XYZ")
    assert result.code == 1
    assert result.errors == ["booksync: binance lists no such instrument (2 in all)"]


def test_unreachable_host_is_told_in_one_line(booksync):
    result = booksync("instruments", "binance", "--rest-url", "http://127.0.0.1:1")
    assert result.code == 1
    [line] = result.errors
    assert "http://127.0.0.1:1" in line


def test_venue_that_refuses_is_told_in_its_own_words(booksync, exchange):
    url = exchange.server.rest_url + "/nosuch"
    result = booksync("instruments", "binance", "--rest-url", url)
    assert result.code == 1
    [line] = result.errors
    assert "HTTP 404" in line
    assert "No such path" in line


def test_venue_without_a_list_is_told(booksync, monkeypatch):
    monkeypatch.setattr(Binance, "instrument_requests", lambda _: ())
    result = booksync("instruments", "binance")
    assert result.code == 2
    assert "does not list" in result.err


def test_option_of_the_venue_is_checked(booksync):
    with pytest.raises(ConfigurationError):
        Binance(options={"market": "x"})
    result = booksync("instruments", "binance", "--option", "market=x")
    assert result.code == 2
