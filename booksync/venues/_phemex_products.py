"""Phemex's list of products: their steps, and the scales of its integers."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal

from msgspec import Struct

from booksync.messages import Levels
from booksync.venues.facts import Instrument

__all__ = ["Listing", "instrument", "units"]

#: Powers of ten that any price or size is scaled by.
MAX_SCALE = 18
#: Holds every scaled number whole.
EXACT = Context(prec=60)


class Product(Struct):
    """A market: perpetuals have steps as numbers, spot as ``"0.01 LINK"``."""

    symbol: str
    status: str = ""
    priceScale: int | None = None  # noqa: N815 - the venue's names
    tickSize: Decimal | None = None  # noqa: N815
    lotSize: Decimal | None = None  # noqa: N815
    qtyStepSize: Decimal | None = None  # noqa: N815
    quoteTickSize: str = ""  # noqa: N815
    quoteTickSizeEv: Decimal | None = None  # noqa: N815
    baseTickSize: str = ""  # noqa: N815
    baseTickSizeEv: Decimal | None = None  # noqa: N815


class Products(Struct):
    """COIN-M and spot stand apart from USDT-M and USDC-M."""

    products: list[Product] = []
    perpProductsV2: list[Product] = []  # noqa: N815


class Listing(Struct):
    """Answer of ``/public/products``."""

    data: Products


def _power(ratio: Decimal) -> int:
    power = ratio.adjusted()
    if ratio != Decimal((0, (1,), power)):
        raise ValueError(f"{ratio} is not a power of ten")
    return power


def instrument(product: Product, *, scaled: bool) -> Instrument:
    """
    Read one product.

    Args:
        product: As listed.
        scaled: Its book is sent as integers.

    Raises:
        ValueError: If its scales are beyond reason.

    """
    price, size = product.tickSize, product.qtyStepSize or product.lotSize
    price_scale, size_scale = product.priceScale, 0
    if product.quoteTickSizeEv and product.baseTickSizeEv:  # spot
        price = Decimal(product.quoteTickSize.partition(" ")[0])
        size = Decimal(product.baseTickSize.partition(" ")[0])
        price_scale = _power(product.quoteTickSizeEv / price)
        size_scale = _power(product.baseTickSizeEv / size)
    if max(abs(price_scale or 0), abs(size_scale)) > MAX_SCALE:
        raise ValueError(f"{product.symbol}: scales {price_scale}, {size_scale}")
    scales = {"price_scale": price_scale, "size_scale": size_scale}
    return Instrument(
        symbol=product.symbol,
        price_step=price,
        size_step=size,
        active=product.status == "Listed",
        extra=scales if scaled and price_scale is not None else {},
    )


def units(
    pairs: Iterable[tuple[int, int]],
    price_scale: int,
    size_scale: int,
    numbers: type[Decimal | float],
) -> Levels:
    """
    Make levels of integers: each is its number times a power of ten.

    Args:
        pairs: Price and size, as sent.
        price_scale: The power for prices; 4 if 381030000 means 38103.
        size_scale: The power for sizes.
        numbers: What to make: ``Decimal``, exactly, or ``float``.

    """
    if numbers is float:
        price_unit, size_unit = 10**price_scale, 10**size_scale
        return [(price / price_unit, size / size_unit) for price, size in pairs]
    return [
        (
            Decimal(price).scaleb(-price_scale, EXACT),
            Decimal(size).scaleb(-size_scale, EXACT),
        )
        for price, size in pairs
    ]
