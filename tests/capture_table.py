"""
Which venue reads which capture: one row for every name in ``MANIFEST.json``.

A row without a plug-in is read by a venue that booksync ships, one with a plug-in by
a test-only venue under ``tests/retired``, registered as a third party would do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from booksync import venues


@dataclass(frozen=True, kw_only=True)
class Case:
    """How a capture is read: the venue's id, and how its module is made."""

    venue: str
    plugin: str | None = None
    depth: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def kwargs(self) -> dict[str, Any]:
        """Constructor arguments of the venue, besides ``numbers``."""
        return {"depth": self.depth, "options": dict(self.options)}

    def load(self) -> type[venues.Venue]:
        """The venue's class; registers the plug-in where there is one."""
        return venues.load(self.plugin) if self.plugin else venues.get(self.venue)


def _retired(module: str, attribute: str, **kwargs: Any) -> Case:
    return Case(venue=module, plugin=f"tests.retired.{module}:{attribute}", **kwargs)


CASES: dict[str, Case] = {
    # Binance
    "binance_spot_20210404": Case(venue="binance"),
    "binance_spot_20210417": Case(venue="binance"),
    "binance_spot_20211012": Case(venue="binance"),
    "binance_spot_btcusdt_20240808": Case(venue="binance"),
    "binanceus_spot_20210417": Case(venue="binance_us"),
    "binanceus_spot_20211012": Case(venue="binance_us"),
    "binance_usdm_20210722": Case(venue="binance_usdm"),
    "binance_usdm_btcusdt_20240718": Case(venue="binance_usdm"),
    "binance_usdm_btcusdt_20240808": Case(venue="binance_usdm"),
    "binance_coinm_20210722": Case(venue="binance_coinm"),
    "binance_coinm_btcusd_20240808": Case(venue="binance_coinm"),
    # the other protocols that are current
    "bitfinex_20210417": Case(venue="bitfinex"),
    "bitmex_20210722": Case(venue="bitmex"),
    "bitstamp_20220105": Case(venue="bitstamp"),
    "bybit_v5_xrpusdt_20241201": Case(venue="bybit", options={"market": "linear"}),
    "coinbase_exchange_20210417_a": Case(venue="coinbase_exchange"),
    "deribit_20210405": Case(venue="deribit"),
    "gateio_futures_20230524_a": Case(venue="gate_futures"),
    "gateio_spot_20210422_a": Case(venue="gate"),
    "hyperliquid_btc_20250126": Case(venue="hyperliquid"),
    "kraken_futures_20210722": Case(venue="kraken_futures"),
    "kraken_v2_spot_btcusd_20230730": Case(venue="kraken", depth=10),
    "kucoin_spot_20210425_a": Case(venue="kucoin"),
    "okcoin_v5_20230527": Case(venue="okx"),
    "okx_v5_20220513": Case(venue="okx"),
    # the oracle's books are the venue's integers
    "phemex_20210703_a": Case(venue="phemex", options={"scale": "wire"}),
    "poloniex_spot_20220821_a": Case(venue="poloniex"),
    "upbit_20210417": Case(venue="upbit"),
    # protocols that no shipped venue reads
    "ascendex_spot_20210417": _retired("ascendex", "AscendEX"),
    "bitdotcom_20211219": _retired(
        "bitdotcom", "BitDotCom", options={"market": "derivatives"}
    ),
    "bitdotcom_spot_20240107": _retired("bitdotcom", "BitDotCom"),
    "bitflyer_20211212": _retired("bitflyer", "BitFlyer"),
    "bitget_v1_spot_20220407": _retired("bitget_v1", "BitgetV1"),
    "blockchain_20210722": _retired("blockchain", "BlockchainCom"),
    "bybit_v2_linear_20210417": _retired("bybit_v2", "BybitV2"),
    "delta_20211129": _retired("delta", "DeltaExchange"),
    "dydx_v3_20211028": _retired("dydx_v3", "DYdXV3"),
    "gemini_20210624": _retired("gemini_v2", "GeminiV2"),
    "hitbtc_v2_20210715": _retired("hitbtc_v2", "HitBTCV2"),
    "htx_spot_20210417": _retired("htx_step0", "HTXStep0"),
    "htx_swap_linear_20220219": _retired(
        "htx_step0", "HTXStep0", options={"market": "swap"}
    ),
    "kraken_v1_spot_20210417": _retired("kraken_v1", "KrakenV1", depth=1000),
    "kraken_v1_spot_xbtusd_20230830": _retired("kraken_v1", "KrakenV1", depth=10),
    "okex_v3_20210417": _retired("okex_v3", "OKExV3"),
}

RETIRED = {name: case for name, case in CASES.items() if case.plugin}
