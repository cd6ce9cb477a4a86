"""
The venues that booksync knows: one file each, discovered, not listed.

A third party registers a venue by an entry point of the group ``booksync.venues``
that names a subclass of :class:`~booksync.venues.base.Venue`::

    [project.entry-points."booksync.venues"]
    my_venue = "my_package.my_venue:MyVenue"
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from booksync.errors import ConfigurationError
from booksync.venues.base import Venue, bounded_gunzip
from booksync.venues.facts import (
    Assurance,
    Crossing,
    Facts,
    Heartbeat,
    Instrument,
    Limits,
    Lists,
    Numbering,
    Request,
    Resync,
    Source,
)

__all__ = [
    "Assurance",
    "Crossing",
    "Facts",
    "Heartbeat",
    "Instrument",
    "Limits",
    "Lists",
    "Numbering",
    "Request",
    "Resync",
    "Source",
    "Venue",
    "available",
    "bounded_gunzip",
    "get",
    "load",
    "register",
]

GROUP = "booksync.venues"

_registered: dict[str, type[Venue]] = {}


def register(venue: type[Venue]) -> type[Venue]:
    """
    Add a venue for the life of this process; usable as a class decorator.

    Raises:
        ConfigurationError: If it is not a venue, or another one has its id.

    """
    if not _is_venue(venue):
        raise ConfigurationError(f"not a subclass of booksync.venues.Venue: {venue!r}")
    if available().get(venue.id, venue) is not venue:
        raise ConfigurationError(f"there is already a venue {venue.id!r}")
    _registered[venue.id] = venue
    return venue


def load(reference: str) -> type[Venue]:
    """
    Import and register the venue ``"module:attribute"``.

    Raises:
        ConfigurationError: If there is no such module, attribute or venue.

    """
    module, _, attribute = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"cannot load plugin {reference!r}: {error}") from None
    return register(found)


def _is_venue(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Venue)


@cache
def _discovered() -> dict[str, type[Venue]]:
    found: dict[str, type[Venue]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            own = getattr(value, "__module__", None) == module.__name__
            if own and _is_venue(value) and "id" in vars(value):
                found[value.id] = value
    for point in entry_points(group=GROUP):
        venue = point.load()
        found.setdefault(venue.id, venue)
    return found


def available() -> dict[str, type[Venue]]:
    """All venues by id, in order of their ids."""
    return dict(sorted({**_discovered(), **_registered}.items()))


def get(name: str) -> type[Venue]:
    """
    Return the venue called ``name``.

    Raises:
        ConfigurationError: If there is none; names the nearest ones.

    """
    venues = available()
    if name in venues:
        return venues[name]
    near = difflib.get_close_matches(name, venues, n=3)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise ConfigurationError(
        f"there is no venue {name!r}{hint}; `booksync venues` lists them all"
    )
