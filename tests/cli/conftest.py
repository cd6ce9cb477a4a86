"""The embedded exchange in a thread of its own; the command line in this process."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from booksync.cli.app import run
from booksync.testing import Exchange, serve

SYMBOLS = ("BTCUSDT", "ETHUSDT")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def objects(self):
        """What ``--json`` printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def errors(self):
        return self.err.splitlines()


class Running:
    """An exchange that a command in this process can connect to."""

    def __init__(self, symbols=SYMBOLS, dialect="binance"):
        self.symbols, self.dialect = symbols, dialect
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.server: Any = None
        self.loop: Any = None

    async def _serve(self):
        self.loop = asyncio.get_running_loop()
        self.done = asyncio.Event()
        # A snapshot at a boundary joins at once: runs can be short.
        markets = Exchange(self.symbols, seed=1, levels=30, snapshot="boundary")
        async with serve(markets, self.dialect) as server:
            self.server = server
            self.ready.set()
            await self.done.wait()

    @property
    def urls(self):
        return "--ws-url", self.server.ws_url, "--rest-url", self.server.rest_url

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(60.0)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.done.set)
        self.thread.join()


@pytest.fixture(scope="session")
def exchange():
    with Running() as running:
        yield running


@pytest.fixture
def booksync(capsys):
    """Run the command line: ``booksync("venues", "--json")``."""

    def call(*args):
        code = run([str(arg) for arg in args])
        return Result(code, *capsys.readouterr())

    before = logging.getLogger().handlers[:], logging.getLogger().level
    yield call
    logging.getLogger().handlers[:], logging.getLogger().level = before[0], before[1]


@pytest.fixture
def spawn():
    """Start the command line as a process of its own."""
    started = []

    def start(*args):
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "booksync", *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
