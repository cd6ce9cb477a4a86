"""
End to end over loopback: a server, and each client, in a process of its own.

``saturated``: as many frames as the client takes. The ratio is processor time per frame
against a bare client that receives with ``websockets``, decodes with msgspec into
floats and assigns to dicts; against a peer it is ours over theirs, so the inverse of
frames per second on one core. ``latency``: from the moment the server writes a frame to
the client's event, in microseconds, at a fixed rate; the ratio is our 99th percentile
over the bare client's. Rounds are interleaved.

Ours tells of each frame, and has the best prices read; as ``newest``, it hands out the
newest book (``conflate=True``), which is what the peers of ``GIVE_NEWEST`` do.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._timing import ratio
from benchmarks._workers import HERE, Failed, Worker
from benchmarks.peers import begun, interpreter, work_of
from benchmarks.workload import Workload, generated, recorded

__all__ = ["run"]

ROUNDS = 12
FRAMES = 3_000
RATES = (1_000, 5_000, 20_000)
SECONDS = 1.0
#: Frames of which delays are told, at least: a p99.9 is to be more than the worst one.
FEWEST = 5_000
#: Seconds behind at which a rate counts as more than the client, or server, can do.
LATE = 0.05
OURS = ("float", "decimal")
NEWEST = ("float newest", "decimal newest")
PEERS = ("ccxt.pro", "cryptofeed")
#: Peers whose user sees the newest book: frames that came meanwhile are in it.
GIVE_NEWEST = ("ccxt.pro",)

Answers = dict[str, list[dict[str, Any]]]


class Clients:
    """The server and its clients; who fails is left out and says why."""

    def __init__(self, path: Path, symbol: str, stack: contextlib.ExitStack) -> None:
        self.symbol = symbol
        self.failed: dict[str, str] = {}
        self._workers: dict[str, Worker] = {}
        self._stack = stack
        python = sys.executable
        self.server = self._started([python, "-m", "benchmarks._stream", str(path)])
        self.port = self.server.read()["port"]
        for name in ("bare", *OURS, *NEWEST):
            command = [python, "-m", "benchmarks._client", name]
            self._workers[name] = self._started(command)
        for name in PEERS:
            own = interpreter(name)
            if own is None:
                self.failed[name] = "not installed"
                continue
            command = [str(own), "-I", str(HERE / "_peer_feed.py"), name]
            self._workers[name] = self._started(command)

    def _started(self, command: Sequence[str]) -> Worker:
        worker = Worker(command)
        self._stack.callback(worker.close)
        return worker

    def ask(
        self, client: str, frames: int, rate: float | None = None
    ) -> dict[str, Any] | None:
        """Run one connection of ``client`` (``name`` or ``name/loop``)."""
        if client in self.failed or client.partition("/")[0] in self.failed:
            return None
        used = self.server.ask(rate=rate, frames=frames)["cpu"]
        try:
            answer = self._asked(client, frames, latency=rate is not None)
        except Failed as error:
            self.failed[client] = str(error)
            return None
        report = self.server.ask(report=True)
        answer["server_us"] = (report["cpu"] - used) / frames * 1e6
        answer["behind"] = report["behind"]
        answer["us"] = answer["cpu"] / answer["frames"] * 1e6
        answer["per_second"] = answer["frames"] / answer["wall"]
        return answer

    def _asked(self, client: str, frames: int, *, latency: bool) -> dict[str, Any]:
        name, _, loop = client.partition("/")
        return self._workers[name].ask(
            port=self.port,
            symbol=self.symbol,
            frames=frames,
            latency=latency,
            loop=loop or "asyncio",
        )

    def interleaved(
        self, names: Sequence[str], rounds: int, frames: int, rate: float | None
    ) -> Answers:
        found: Answers = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                answer = self.ask(name, frames, rate)
                if answer is not None:
                    found[name].append(answer)
        return {name: answers for name, answers in found.items() if answers}


def of(answers: Sequence[dict[str, Any]], key: str) -> list[float]:
    return [answer[key] for answer in answers]


def middle(answers: Sequence[dict[str, Any]], key: str) -> float:
    return round(median(of(answers, key)), 1)


def saturated(found: Answers, loops: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Ours against the bare client on the same loop, then against each peer."""
    for loop in loops:
        suffix = "" if loop == "asyncio" else f"/{loop}"
        bare = found[f"bare{suffix}"]
        for numbers in OURS:
            ours = found[f"{numbers}{suffix}"]
            yield {
                "case": f"{numbers}/saturated{suffix}",
                "ratio": ratio(of(ours, "us"), of(bare, "us")),
                "us_per_frame": middle(ours, "us"),
                "bare_us_per_frame": middle(bare, "us"),
                "frames_per_second": middle(ours, "per_second"),
                "bare_frames_per_second": middle(bare, "per_second"),
                "server_us_per_frame": middle(bare, "server_us"),
            }
    for peer in PEERS:
        for name in (*OURS, *(NEWEST if peer in GIVE_NEWEST else ())):
            if peer not in found:
                continue
            yield {
                "case": f"{name}/{peer}",
                "ratio": ratio(of(found[name], "us"), of(found[peer], "us")),
                "us_per_frame": middle(found[name], "us"),
                "peer_us_per_frame": middle(found[peer], "us"),
                "frames_per_second": middle(found[name], "per_second"),
                "peer_frames_per_second": middle(found[peer], "per_second"),
            }


def delays(found: Answers, rate: float) -> Iterator[dict[str, Any]]:
    bare = found["bare"]
    for name, answers in found.items():
        if name == "bare":
            continue
        late = max(of(answers, "behind"))
        yield {
            "case": f"{name}/latency",
            "ratio": ratio(of(answers, "p99"), of(bare, "p99")),
            "rate": rate,
            "us_per_frame": middle(answers, "us"),
            **{key: middle(answers, key) for key in ("p50", "p99", "p999")},
            **{f"bare_{key}": middle(bare, key) for key in ("p50", "p99", "p999")},
            "sustained": late < LATE and middle(answers, "p50") < LATE * 1e6,
        }


def fell(
    failed: dict[str, str], known: Iterable[str], on: str
) -> Iterator[dict[str, Any]]:
    """Peers that failed and were not told of; ours must not."""
    for name, why in failed.items():
        if name.partition("/")[0] not in PEERS:
            raise AssertionError(f"{name}: {why}")
        if name not in known:
            yield {"workload": on, "case": name, "ratio": None, "skipped": why}


def run(
    *,
    rounds: int = ROUNDS,
    frames: int = FRAMES,
    rates: Sequence[int] = RATES,
    seconds: float = SECONDS,
    fewest: int = FEWEST,
    workload: Workload | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield saturation against the bare client and peers, then latency by rate."""
    workload = workload or recorded("binance_spot_btcusdt_20240808", "binance")
    workload = workload or generated(levels=1_000, name="generated-1000")
    common = {"benchmark": "feed"}
    loops = ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]
    names = [
        name if loop == "asyncio" else f"{name}/{loop}"
        for loop in loops
        for name in ("bare", *OURS)
    ]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = Path(folder) / "work.json"
        # Only what follows the snapshot: the stream begins there.
        work = work_of(begun(workload))._replace(before=[])
        path.write_text(json.dumps(work._asdict()))
        clients = Clients(path, workload.symbol, stack)
        found = clients.interleaved([*names, *NEWEST, *PEERS], rounds, frames, None)
        told = dict(clients.failed)
        lost = list(fell(told, (), workload.name))
        for record in [*saturated(found, loops), *lost]:
            yield {**common, "workload": workload.name, **record}
        for rate in rates:
            count = max(int(rate * seconds), fewest)
            few = clients.interleaved(["bare", *OURS, *PEERS], 1, count, rate)
            on = f"{workload.name}@{rate}/s"
            lost = list(fell(clients.failed, told, on))
            told.update(clients.failed)
            for record in [*lost, *delays(few, rate)]:
                yield {**common, "workload": on, **record}
