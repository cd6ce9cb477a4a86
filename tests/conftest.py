"""Profiles of the property tests; the loop of the asynchronous ones."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

from tests.busy import is_over_sockets, over_sockets

# A shell that starts us in the background has SIGINT ignored, and so would every
# program that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("dev", max_examples=100, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture
def anyio_backend():
    return "asyncio"


def pytest_collection_modifyitems(items):
    for item in items:
        if is_over_sockets(item) and item.get_closest_marker("flaky") is None:
            item.add_marker(over_sockets)
