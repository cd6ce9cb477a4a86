"""
What every venue module must do, for yours too.

Give the kit what the venue says for one symbol, and it does the rest: it takes deltas
away, repeats them, cuts and mangles frames, starts connections anew.

```python
from booksync.testing.conformance import Samples, VenueConformance, check

SAMPLES = Samples(
    symbol="BTCUSDT",
    stream=[ACK, SNAPSHOT, DELTA_1, DELTA_2, DELTA_3, DELTA_4],
)


def test_my_venue():  # all at once, under any test runner
    check(MyVenue, SAMPLES)


class TestMyVenue(VenueConformance):  # or a pytest test for each check
    venue = MyVenue
    samples = SAMPLES
```

What is found raises :exc:`AssertionError` with a sentence that says what was expected,
of which frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from booksync.testing.conformance import behaviour, facts, frames
from booksync.testing.conformance.kit import Kit
from booksync.testing.conformance.samples import Samples
from booksync.venues.base import Venue

__all__ = ["CHECKS", "Samples", "VenueConformance", "check"]

#: Every check by its name, in the order in which they make sense.
CHECKS: Mapping[str, Callable[[Kit], None]] = {
    function.__name__: function
    for module in (facts, frames, behaviour)
    for function in module.CHECKS
}


def check(venue: type[Venue], samples: Samples, *only: str) -> None:
    """
    Run ``venue`` through every check, or through ``only`` these.

    Args:
        venue: The venue module's class.
        samples: What the venue says.
        only: Names out of :data:`CHECKS`.

    Raises:
        AssertionError: If the module does not do what it must.
        KeyError: If there is no such check.

    """
    kit = Kit(venue, samples)
    for name in only or CHECKS:
        CHECKS[name](kit)


class VenueConformance:
    """
    A pytest test for each check: inherit it in a class called ``Test…``.

    Fill in ``venue`` and ``samples``.
    """

    venue: ClassVar[type[Venue]]
    samples: ClassVar[Samples]


def _test(name: str) -> Callable[[VenueConformance], None]:
    def test(self: VenueConformance) -> None:
        check(self.venue, self.samples, name)

    test.__doc__ = CHECKS[name].__doc__
    return test


for _name in CHECKS:
    setattr(VenueConformance, f"test_{_name}", _test(_name))
