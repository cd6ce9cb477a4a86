"""How a command runs: until it is done, its time is over, or Ctrl-C is pressed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["drive", "run"]


def run(work: Coroutine[Any, Any, None]) -> signal.Signals | None:
    """
    Run ``work``; Ctrl-C and SIGTERM cancel it.

    What it has open, it closes on being cancelled; its result is best kept in an object
    that outlives it.

    Returns:
        The signal that ended it, if one did.

    """
    try:
        asyncio.run(_terminable(work))
    except KeyboardInterrupt:
        return signal.SIGINT
    except asyncio.CancelledError:
        return signal.SIGTERM
    return None


async def _terminable(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.current_task()
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        if task is not None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
    await work


async def drive(
    work: Coroutine[Any, Any, None], tick: Callable[[float], bool], interval: float
) -> None:
    """
    Run ``work`` until it ends, or ``tick`` says that all is done.

    Args:
        work: Fails the whole if it fails.
        tick: Called every ``interval`` seconds with the loop's time.
        interval: Seconds.

    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    try:
        while not task.done() and not tick(loop.time()):
            await asyncio.wait([task], timeout=interval)
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
