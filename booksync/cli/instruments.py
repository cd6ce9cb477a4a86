"""``booksync instruments``: the markets that a venue lists."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from booksync.cli.options import AsJson, Rest, Settings, VenueId, examples, grouped
from booksync.cli.output import Grid, cell, complain, emit, show
from booksync.cli.running import run
from booksync.errors import ConfigurationError, TransportError
from booksync.exact import canonical
from booksync.transport import Transport
from booksync.venues.base import Venue
from booksync.venues.facts import Instrument

__all__ = ["EPILOG", "instruments"]

EPILOG = examples(
    "booksync instruments binance",
    "booksync instruments bybit --option market=linear --like BTC",
    "booksync instruments binance --active --json",
)

HTTP_OK = 200
#: Characters of a venue's own words that are told.
WORDS = 160


@grouped
def instruments(
    *,
    venue: VenueId,
    settings: Settings,
    rest: Rest,
    like: Annotated[
        str,
        typer.Option("--like", metavar="TEXT", help="Only symbols that contain it."),
    ] = "",
    active: Annotated[
        bool, typer.Option("--active", help="Only those that trade now.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """
    List a venue's instruments: symbol, price step, size step, whether it trades.

    Exit status: 0, 1 if the venue cannot be reached or lists none, 2 if the options are
    wrong, 130 after Ctrl-C.
    """
    made = settings.venue(venue)(options=settings.options)
    found: list[Instrument] = []
    stopped = run(_fetch(made, rest.transport(), rest.rest_url or made.REST_URL, found))
    if stopped is not None:
        return 128 + stopped
    wanted = [
        each
        for each in found
        if like.upper() in each.symbol.upper() and (each.active or not active)
    ]
    if as_json:
        for each in wanted:
            emit(_record(each))
    else:
        show(Grid([_row(each) for each in wanted], words={"symbol", "active"}))
    if not wanted:
        complain(f"{made.id} lists no such instrument ({len(found)} in all)")
        return 1
    return 0


async def _fetch(
    venue: Venue, transport: Transport, url: str, found: list[Instrument]
) -> None:
    requests = venue.instrument_requests()
    if not requests:
        raise ConfigurationError(f"{venue.id} does not list its instruments")
    rest = transport.rest(url)
    try:
        for request in requests:
            answer = await rest.request(request)
            if answer.status != HTTP_OK:
                words = answer.body.decode("utf-8", "replace")[:WORDS]
                raise TransportError(f"{answer.url}: HTTP {answer.status}: {words}")
            found += venue.parse_instruments(answer.body)
    finally:
        await rest.close()


def _record(instrument: Instrument) -> dict[str, object]:
    steps = instrument.price_step, instrument.size_step
    price, size = (None if step is None else canonical(step) for step in steps)
    return {
        "symbol": instrument.symbol,
        "price_step": price,
        "size_step": size,
        "active": instrument.active,
    }


def _row(instrument: Instrument) -> dict[str, Text]:
    record = _record(instrument)
    record["active"] = "yes" if instrument.active else "no"
    named = ((name.replace("_", " "), value) for name, value in record.items())
    return {name: cell("-" if value is None else value) for name, value in named}
