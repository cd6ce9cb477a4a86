"""
An exchange that you can break: for rehearsing gaps, and for booksync itself.

```python
from booksync.testing import Exchange, serve

exchange = Exchange(["BTCUSDT", "ETHUSDT"], seed=1)
async with serve(exchange, "binance", faults="hostile") as server:
    print(server.ws_url, server.rest_url)  # a real venue, as far as a client can tell
    server.faults.inject("drop", symbol="BTCUSDT")
    ...
    bids, asks = exchange.truth_at("BTCUSDT", book.sequence)
```

:mod:`booksync.testing.conformance` runs venue modules, yours too, through what every
one must do.
"""

from booksync.testing.cut import Delta, Lists, Numbering, Placement, Snapshot
from booksync.testing.dialects import DIALECTS, Dialect
from booksync.testing.exchange import Exchange
from booksync.testing.faults import (
    PRESETS,
    REST_FAULTS,
    STREAM_FAULTS,
    Fault,
    FaultPlan,
    Faults,
)
from booksync.testing.market import Forgotten, Spec
from booksync.testing.rest import Budget
from booksync.testing.server import Server, serve
from booksync.testing.truth import Truth

__all__ = [
    "DIALECTS",
    "PRESETS",
    "REST_FAULTS",
    "STREAM_FAULTS",
    "Budget",
    "Delta",
    "Dialect",
    "Exchange",
    "Fault",
    "FaultPlan",
    "Faults",
    "Forgotten",
    "Lists",
    "Numbering",
    "Placement",
    "Server",
    "Snapshot",
    "Spec",
    "Truth",
    "serve",
]
