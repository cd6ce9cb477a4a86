"""What a machine that is too busy may fail, and only that."""

from __future__ import annotations

import pytest

__all__ = ["real_time"]

#: For a test in which something must have happened after so many seconds of real time,
#: since what it tests is made of them (a command with ``--seconds``, a benchmark, a
#: forecast): it is tried again, and that is told (``-ra``). All others must pass at
#: once, however slowly.
real_time = pytest.mark.flaky(reruns=3, reruns_delay=2)
