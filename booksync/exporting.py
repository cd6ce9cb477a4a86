"""Levels for numpy and pandas, where they are installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from booksync.errors import ConfigurationError
from booksync.exact import Level

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["as_array", "as_frame"]


def as_array(levels: Sequence[Level]) -> np.ndarray:
    """Make an array of shape ``(levels, 2)``, float64. O(n)."""
    rows = [(float(price), float(size)) for price, size in levels]
    array: np.ndarray = _imported("numpy").array(rows).reshape(-1, 2)
    return array


def as_frame(bids: Sequence[Level], asks: Sequence[Level]) -> pd.DataFrame:
    """Make a data frame with the columns side, price and size. O(n)."""
    rows = [("bid", *level) for level in bids] + [("ask", *level) for level in asks]
    frame: pd.DataFrame = _imported("pandas").DataFrame(
        rows, columns=["side", "price", "size"]
    )
    return frame


def _imported(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return __import__(name)
    except ImportError:
        raise ConfigurationError(
            f"this needs {name}: pip install 'booksync[frames]'"
        ) from None
