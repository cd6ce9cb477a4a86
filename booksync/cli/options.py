"""Options that several commands take: declared once, each with its help."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any, get_type_hints

import typer

from booksync import venues
from booksync.errors import ConfigurationError
from booksync.feed import Feed, connect
from booksync.transport import Transport
from booksync.venues.base import Venue

__all__ = [
    "AsJson",
    "Network",
    "Numbers",
    "Rest",
    "Seconds",
    "Settings",
    "Symbols",
    "VenueId",
    "examples",
    "grouped",
    "load_plugins",
    "opened",
]

#: Schemes of proxies.
PROXIES = ("http", "https", "socks5", "socks5h")


def _venue_ids() -> list[str]:
    return list(venues.available())


VenueId = Annotated[
    str,
    typer.Argument(
        metavar="VENUE",
        help="A venue's id; `booksync venues` lists them.",
        autocompletion=_venue_ids,
    ),
]
Symbols = Annotated[
    list[str],
    typer.Argument(metavar="SYMBOL", help="Symbols in the venue's own spelling."),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print JSON on stdout, an object a line, and no more."),
]
Seconds = Annotated[
    float | None,
    typer.Option("--seconds", min=0.0, help="End after so long; else on Ctrl-C."),
]


def load_plugins(references: Iterable[str] | None) -> None:
    """
    Add venues for this run; modules are looked for in the current folder, too.

    Raises:
        ConfigurationError: If one cannot be loaded.

    """
    for reference in references or ():
        if os.getcwd() not in sys.path:  # noqa: PTH109 - what sys.path holds
            sys.path.insert(0, os.getcwd())  # noqa: PTH109
        try:
            venues.load(reference)
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever its module does wrong
            raise ConfigurationError(
                f"cannot load plugin {reference!r}: {error!r}"
            ) from None


def parsed(options: Iterable[str] | None) -> dict[str, str]:
    """
    Read ``key=value`` options.

    Raises:
        ConfigurationError: If one is not of that form.

    """
    found: dict[str, str] = {}
    for option in options or ():
        key, equals, value = option.partition("=")
        if not equals or not key.strip():
            raise ConfigurationError(f"--option wants key=value, not {option!r}")
        found[key.strip()] = value.strip()
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a venue is told."""

    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="KEY=VALUE", help="An option of the venue; repeatable."
        ),
    ] = None
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            "--plugin",
            metavar="MODULE:ATTRIBUTE",
            help="Add a venue of your own for this run; repeatable.",
        ),
    ] = None

    def venue(self, name: str) -> type[Venue]:
        """Load the plugins, and find the venue called ``name``."""
        load_plugins(self.plugin)
        return venues.get(name)

    @property
    def options(self) -> dict[str, str]:
        """The venue's options."""
        return parsed(self.option)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numbers:
    """What numbers become."""

    floats: Annotated[
        bool, typer.Option("--float", help="Numbers as float: faster, not exact.")
    ] = False

    @property
    def kind(self) -> type[Decimal | float]:
        """The type of prices and sizes."""
        return float if self.floats else Decimal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rest:
    """How a venue's requests reach it."""

    rest_url: Annotated[
        str | None,
        typer.Option("--rest-url", metavar="URL", help="In place of the venue's own."),
    ] = None
    proxy: Annotated[
        str | None,
        typer.Option(
            "--proxy", metavar="URL", help="A proxy; else as the environment says."
        ),
    ] = None
    allow_plain: Annotated[
        bool,
        typer.Option(
            "--allow-plain", help="Allow ws:// and http:// beyond this machine."
        ),
    ] = False

    def transport(self) -> Transport:
        """
        Make the transport.

        Raises:
            ConfigurationError: If the proxy is none.

        """
        scheme, slashes, host = (self.proxy or "http://-").partition("://")
        if not slashes or not host or scheme not in PROXIES:
            raise ConfigurationError(
                f"not a proxy: {self.proxy!r} (it must begin with http:// or the like)"
            )
        return Transport(proxy=self.proxy, allow_plain=self.allow_plain)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(Rest):
    """How a venue's streams and requests reach it."""

    ws_url: Annotated[
        str | None,
        typer.Option("--ws-url", metavar="URL", help="In place of the venue's own."),
    ] = None
    depth: Annotated[
        int | None,
        typer.Option("--depth", help="Levels a side to ask snapshots for."),
    ] = None
    lines: Annotated[
        int,
        typer.Option("--lines", help="Connections that carry each symbol: 1 or 2."),
    ] = 1
    audit_every: Annotated[
        float | None,
        typer.Option(
            "--audit-every",
            metavar="SECONDS",
            min=0.001,
            help="Compare each live book with a snapshot so often.",
        ),
    ] = None
    max_age: Annotated[
        float | None,
        typer.Option(
            "--max-age",
            metavar="SECONDS",
            min=0.001,
            help="Withhold a book that heard nothing for so long.",
        ),
    ] = None
    flight: Annotated[
        str | None,
        typer.Option(
            "--flight",
            metavar="FOLDER",
            help="Write there what led to a fault, as a recording.",
        ),
    ] = None


def opened(
    venue: str,
    symbols: list[str],
    settings: Settings,
    network: Network,
    numbers: Numbers,
    **more: Any,  # noqa: ANN401 - handed on
) -> Feed:
    """
    Make the feed that the options ask for.

    Raises:
        ConfigurationError: As :func:`booksync.connect`.

    """
    return connect(
        settings.venue(venue),
        *symbols,
        numbers=numbers.kind,
        depth=network.depth,
        lines=network.lines,
        audit_every=network.audit_every,
        max_age=network.max_age,
        flight=network.flight,
        ws_url=network.ws_url,
        rest_url=network.rest_url,
        options=settings.options,
        transport=network.transport(),
        **more,
    )


def examples(*lines: str) -> str:
    """Write the end of a command's help."""
    return "\n\n".join(("Examples:", *lines))


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """
    Let ``command`` take dataclasses: each field becomes an option of its own.

    A parameter whose annotation is a dataclass is replaced by the fields; what the user
    gave for them arrives as one object.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {
        name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)
    }

    @functools.wraps(command)
    def flat(**given: Any) -> int:  # noqa: ANN401
        for name, kind in groups.items():
            own = {f.name: given.pop(f.name) for f in dataclasses.fields(kind)}
            given[name] = kind(**own)
        return command(**given)

    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _fields(groups[name])
        else:
            changed = parameter.replace(
                kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]
            )
            parameters.append(changed)
    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {p.name: p.annotation for p in parameters}
    return flat


def _fields(kind: Any) -> list[inspect.Parameter]:  # noqa: ANN401 - a dataclass
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(kind)
    ]
