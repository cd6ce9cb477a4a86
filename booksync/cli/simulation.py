"""What ``demo`` and ``simulate`` have in common: the embedded exchange to be made."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import random
from collections.abc import Iterable
from typing import Annotated

import typer

from booksync import venues
from booksync.errors import ConfigurationError
from booksync.testing import DIALECTS, Exchange, Lists

__all__ = ["FaultPreset", "Market"]

#: Coins for those who only say how many; more are made up.
COINS = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "LTC")
#: How venues spell a coin's market; most of them as Binance does.
USUAL = "{}USDT"
SPELLINGS = {
    "binance_coinm": "{}USD_PERP",
    "bitstamp": "{}usd",
    "coinbase": "{}-USD",
    "coinbase_exchange": "{}-USD",
    "deribit": "{}-PERPETUAL",
    "htx": "{}usdt",
    "hyperliquid": "{}",
    "kraken": "{}/USD",
    "kraken_futures": "PF_{}USD",
    "kucoin": "{}-USDT",
    "okx": "{}-USDT",
}


class FaultPreset(enum.StrEnum):
    """Plans of faults (``booksync.testing.PRESETS``)."""

    NONE = "none"
    DEFAULT = "default"
    HOSTILE = "hostile"


def _seed() -> int:
    return random.randrange(1_000_000)  # noqa: S311 - no secret


@dataclasses.dataclass(frozen=True, kw_only=True)
class Market:
    """The embedded exchange."""

    dialect: Annotated[
        str,
        typer.Option(
            "--dialect",
            "--venue",
            metavar="VENUE",
            help=f"Whose protocol: {', '.join(DIALECTS)}.",
        ),
    ] = "binance"
    symbols: Annotated[
        str,
        typer.Option(
            "--symbols",
            metavar="N|NAMES",
            help="How many markets, or their names with commas between.",
        ),
    ] = "3"
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Same seed, same exchange; by default random."),
    ] = None
    lists: Annotated[
        Lists,
        typer.Option(
            "--lists",
            help="What a delta lists: all levels touched, or the net changes.",
        ),
    ] = Lists.TOUCHED
    rate: Annotated[
        float,
        typer.Option(
            "--rate", min=0.1, max=10_000.0, help="Changes a second and market."
        ),
    ] = 100.0

    def exchange(self, *, most: int) -> Exchange:
        """
        Make it.

        Args:
            most: Markets allowed.

        Raises:
            ConfigurationError: If there is no such dialect, or a symbol is none.

        """
        if self.dialect not in DIALECTS:
            known = ", ".join(DIALECTS)
            raise ConfigurationError(
                f"the embedded exchange does not speak {self.dialect!r}: choose {known}"
            )
        symbols = self._symbols(most)
        if not 1 <= len(symbols) <= most:
            raise ConfigurationError(
                f"--symbols wants 1 to {most} markets, not {self.symbols}"
            )
        return Exchange(
            symbols,
            seed=_seed() if self.seed is None else self.seed,
            lists=self.lists,
            rate=self.rate,
        )

    def _symbols(self, most: int) -> list[str]:
        names: Iterable[str] = (name.strip() for name in self.symbols.split(","))
        if self.symbols.isdecimal():
            spelling = SPELLINGS.get(self.dialect, USUAL)
            more = (f"COIN{number}" for number in itertools.count(1))
            coins = itertools.islice(itertools.chain(COINS, more), most + 1)
            low = spelling.islower()
            names = (spelling.format(coin.lower() if low else coin) for coin in coins)
            names = itertools.islice(names, int(self.symbols))
        prepare = venues.get(self.dialect).prepare
        return list(dict.fromkeys(prepare(name) for name in names if name))
