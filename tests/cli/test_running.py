"""Runs end when they are done, when told, and on signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from booksync.cli.running import drive, run


async def forever():
    await asyncio.Event().wait()


def test_run_that_ends_by_itself_was_not_stopped():
    done = []

    async def work():
        done.append(1)

    assert run(work()) is None
    assert done


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_signal_cancels_the_work_and_is_told(sign):
    closed = []

    async def work():
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), sign)
        try:
            await forever()
        finally:
            closed.append(1)

    assert run(work()) == sign
    assert closed


def test_error_of_the_work_is_raised():
    async def work():
        raise LookupError

    with pytest.raises(LookupError):
        run(work())


def test_drive_ticks_until_told_to_stop_and_cancels_the_work():
    ended = []

    async def work():
        try:
            await forever()
        finally:
            ended.append(1)

    times = []

    def tick(now):
        times.append(now)
        return len(times) == 3

    run(drive(work(), tick, 0.001))
    assert len(times) == 3
    assert times == sorted(times)
    assert ended


def test_drive_ends_with_the_work():
    async def work():
        pass

    run(drive(work(), lambda _: False, 10.0))


def test_drive_raises_what_the_work_and_the_ticks_raise():
    async def work():
        raise LookupError

    def tick(_):
        raise ZeroDivisionError

    with pytest.raises(LookupError):
        run(drive(work(), lambda _: False, 10.0))
    with pytest.raises(ZeroDivisionError):
        run(drive(forever(), tick, 10.0))
