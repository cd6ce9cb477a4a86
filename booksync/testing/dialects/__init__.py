"""Venues' protocols, seen from the venue: ``DIALECTS`` finds them by name."""

from __future__ import annotations

import importlib
import pkgutil

from booksync.testing.dialects.base import Dialect

__all__ = ["DIALECTS", "Dialect"]


def _found() -> dict[str, type[Dialect]]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found: dict[str, type[Dialect]] = {}
    queue = list(Dialect.__subclasses__())
    for dialect in queue:
        queue.extend(dialect.__subclasses__())
        if "name" in vars(dialect):
            found[dialect.name] = dialect
    return dict(sorted(found.items()))


#: All dialects by the name of the venue that they imitate.
DIALECTS: dict[str, type[Dialect]] = _found()
