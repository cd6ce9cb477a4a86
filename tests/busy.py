"""What a machine that is too busy may fail, and only that."""

from __future__ import annotations

import pytest

__all__ = ["over_sockets", "real_time"]

#: For a test in which something must have happened after so many seconds of real time,
#: since what it tests is made of them (a command with ``--seconds``, a benchmark, a
#: forecast): it is tried again, and that is told (``-ra``).
real_time = pytest.mark.flaky(reruns=3, reruns_delay=2)

#: For real sockets and processes: with ten busy programs on two cores, one such test in
#: 500 still fails (who is served first, or a timeout of the code itself).
over_sockets = pytest.mark.flaky(reruns=2, reruns_delay=2)

#: Where these are; all other tests must pass at once.
FOLDERS = {"benchmarks", "cli", "fuzz", "testing"}
MODULES = {
    "test_comparing", "test_crowd", "test_feed", "test_feed_dialects", "test_framing",
    "test_hostile", "test_metrics", "test_mutants", "test_refusals", "test_rotation",
    "test_sharing", "test_telling", "test_transport",
}  # fmt: skip


def is_over_sockets(item: pytest.Item) -> bool:
    """Whether a test uses sockets or processes, by where it stands."""
    return item.path.parent.name in FOLDERS or item.path.stem in MODULES
