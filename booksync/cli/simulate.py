"""``booksync simulate``: the embedded exchange alone, for other clients."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from booksync.cli.options import AsJson, Seconds, examples, grouped
from booksync.cli.output import Progress, emit, say
from booksync.cli.running import drive, run
from booksync.cli.simulation import FaultPreset, Market
from booksync.errors import TransportError
from booksync.testing import Exchange, Server, serve

__all__ = ["EPILOG", "simulate"]

EPILOG = examples(
    "booksync simulate",
    "booksync simulate --dialect binance_usdm --symbols BTCUSDT,ETHUSDT --port 9443",
    "booksync simulate --symbols 200 --rate 20 --faults hostile --seed 7",
)

MOST = 5_000
TICK = 0.25
#: Symbols told by name.
NAMED = 5

Port = Annotated[
    int,
    typer.Option(
        "--port", min=0, max=65535, help="Where to listen; 0 = any free port."
    ),
]
RestPort = Annotated[
    int | None,
    typer.Option(
        "--rest-port",
        min=0,
        max=65535,
        help="A port of its own for requests; by default the same one.",
    ),
]


@grouped
def simulate(
    *,
    market: Market,
    port: Port = 0,
    rest_port: RestPort = None,
    faults: Annotated[
        FaultPreset,
        typer.Option("--faults", help="What it does to frames and answers."),
    ] = FaultPreset.NONE,
    seconds: Seconds = None,
    as_json: AsJson = False,
) -> int:
    """
    Run the embedded exchange on loopback, for any client of the venue it imitates.

    Exit status: 0 after Ctrl-C or --seconds, 1 if it cannot listen, 2 if the options
    are wrong.
    """
    simulation = Simulation(market.exchange(most=MOST), market.dialect, as_json=as_json)
    with Progress(simulation.picture, simulation.line, every=10.0) as progress:
        run(simulation.run((port, rest_port), faults.value, seconds, progress))
    if as_json:
        emit({"event": "stopped", **simulation.counts()})
    else:
        say(simulation.line())
    return 0


class Simulation:
    """
    One run; what it counted stays readable when it is over.

    Args:
        exchange: The markets.
        dialect: Whose protocol.
        as_json: Print JSON, not text.

    """

    def __init__(self, exchange: Exchange, dialect: str, *, as_json: bool) -> None:
        self.exchange = exchange
        self.dialect = dialect
        self._as_json = as_json
        self._server: Server | None = None
        self._requests = 0

    async def run(
        self,
        ports: tuple[int, int | None],
        faults: str,
        seconds: float | None,
        progress: Progress,
    ) -> None:
        """
        Serve for so long, or for ever.

        Raises:
            TransportError: If a port cannot be had.

        """
        port, rest_port = ports
        try:
            async with serve(
                self.exchange, self.dialect, faults=faults, port=port
            ) as server:
                if rest_port is None:
                    await self._serve(server, seconds, progress)
                    return
                host = "127.0.0.1"
                more = await asyncio.start_server(server.accept, host, rest_port)
                rest_port = more.sockets[0].getsockname()[1]
                server.rest_url = f"http://{host}:{rest_port}"
                try:
                    await self._serve(server, seconds, progress)
                finally:
                    more.close()
        except OSError as error:
            raise TransportError(f"cannot listen: {error.strerror or error}") from None

    async def _serve(
        self, server: Server, seconds: float | None, progress: Progress
    ) -> None:
        self._server = server
        self._announce(server)
        end: float | None = None

        def tick(now: float) -> bool:
            nonlocal end
            end = now + seconds if end is None and seconds is not None else end
            progress.tick(now)
            return end is not None and now >= end

        await drive(asyncio.Event().wait(), tick, TICK)  # type: ignore[arg-type]

    def _announce(self, server: Server) -> None:
        symbols = self.exchange.symbols
        if self._as_json:
            told = {"dialect": self.dialect, "seed": self.exchange.seed}
            urls = {"ws_url": server.ws_url, "rest_url": server.rest_url}
            emit({"event": "serving", **told, **urls, "symbols": list(symbols)})
            return
        more = f" and {len(symbols) - NAMED} more" if len(symbols) > NAMED else ""
        named = ", ".join(symbols[:NAMED])
        say(f"{self.dialect}, seed {self.exchange.seed}: {named}{more}", style="bold")
        say(f"websocket  {server.ws_url}")
        say(f"REST       {server.rest_url}")
        say("connect with, for example:")
        say(
            f"  booksync watch {self.dialect} {symbols[0]} --ws-url {server.ws_url} "
            f"--rest-url {server.rest_url}"
        )

    def counts(self) -> dict[str, Any]:
        """Count what happened."""
        server = self._server
        markets = self.exchange.markets.values()
        return {
            "changes": sum(market.sequence for market in markets),
            "connections": 0 if server is None else server.opened_count,
            "requests": 0 if server is None else len(server.requests),
            "faults": {} if server is None else server.faults_injected,
        }

    def line(self) -> str:
        """Say the counts in a line."""
        counts = self.counts()
        faults = ", ".join(f"{k} {n}" for k, n in sorted(counts["faults"].items()))
        return (
            f"{counts['changes']} changes, {counts['connections']} connections, "
            f"{counts['requests']} requests, faults: {faults or 'none'}"
        )

    def picture(self) -> RenderableType:
        """Draw the counts."""
        now = len(self._server.connections) if self._server else 0
        return Text(f"{self.line()}; {now} clients now")
