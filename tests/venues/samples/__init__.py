"""
What each venue says, for the conformance kit.

``spoken`` lets the dialects of the embedded exchange speak, which were written from
the venue sheets without a look at the venue modules; ``written`` holds frames written
by hand from the sheets, for venues that have no dialect.
"""

from tests.venues.samples.spoken import SPOKEN
from tests.venues.samples.written import WRITTEN

__all__ = ["SPOKEN", "WRITTEN"]
