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
#: Entry points that gave no venue, by name: they must not take the others down.
_broken: dict[str, str] = {}


def register(venue: type[Venue]) -> type[Venue]:
    """
    Add a venue for the life of this process; usable as a class decorator.

    Raises:
        ConfigurationError: If it is not a venue, has no id, or another one has it.

    """
    if not _is_venue(venue):
        raise ConfigurationError(
            f"not a subclass of booksync.venues.Venue with an id: {venue!r}"
        )
    if available().get(venue.id, venue) is not venue:
        raise ConfigurationError(f"there is already a venue {venue.id!r}")
    _registered[venue.id] = venue
    return venue


def load(reference: str) -> type[Venue]:
    """
    Import and register the venue ``"module:attribute"``.

    Raises:
        ConfigurationError: If there is no such module, attribute or venue, or the
            module cannot be imported.

    """
    module, _, attribute = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # noqa: BLE001 - a module may do anything
        reason = f"{type(error).__name__}: {error}"
        raise ConfigurationError(
            f"cannot load plugin {reference!r}: {reason}"
        ) from None
    return register(found)


def _is_venue(value: object) -> bool:
    is_kind = isinstance(value, type) and issubclass(value, Venue)
    return is_kind and bool(getattr(value, "id", ""))


@cache
def _discovered() -> dict[str, type[Venue]]:
    found: dict[str, type[Venue]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            own = getattr(value, "__module__", None) == module.__name__
            if own and _is_venue(value) and "id" in vars(value):
                found[value.id] = value
    _broken.clear()
    for point in entry_points(group=GROUP):
        try:
            venue = point.load()
        except Exception as error:  # noqa: BLE001 - a module may do anything
            _broken[point.name] = f"{point.value}: {error!r}"
            continue
        if _is_venue(venue):
            found.setdefault(venue.id, venue)
        else:
            _broken[point.name] = f"{point.value}: not a subclass of Venue with an id"
    return found


def available() -> dict[str, type[Venue]]:
    """All venues by id, in order of their ids."""
    return dict(sorted({**_discovered(), **_registered}.items()))


def get(name: str) -> type[Venue]:
    """
    Return the venue called ``name``.

    Raises:
        ConfigurationError: If there is none; names the nearest ones, or says why the
            entry point of that name gave none.

    """
    venues = available()
    if name in venues:
        return venues[name]
    if name in _broken:
        raise ConfigurationError(
            f"the plugin of the venue {name!r} is broken: {_broken[name]}"
        )
    near = difflib.get_close_matches(name, venues, n=3)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise ConfigurationError(
        f"there is no venue {name!r}{hint}; `booksync venues` lists them all"
    )
