"""What a feed was asked for, checked and completed by what its venue says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from booksync.budget import Budget
from booksync.errors import ConfigurationError
from booksync.venues.base import Venue
from booksync.venues.facts import Numbering, Source

__all__ = ["OnStale", "Settings"]

OnStale = Literal["raise", "wait", "last"]

#: Deltas of each book remembered where books are audited.
RING = 256


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The options of :func:`booksync.connect` that a feed keeps; see there."""

    audit_every: float | None
    flight: str | Path | None
    lines: int
    on_stale: OnStale
    conflate: bool
    record: str | Path | None
    ws_url: str
    rest_url: str
    silence: float | None
    policy: Mapping[str, Any]
    budget: Any  # Budget | str | Path | None, which msgspec has no schema for

    def fit(self, venue: Venue, *, max_age: float | None) -> Settings:
        """
        Return what they come to at a venue.

        Args:
            venue: Whose URLs are the default, and whose facts must allow the options.
            max_age: The shorthand for the policy's.

        Raises:
            ConfigurationError: If an option is impossible, or is so at this venue.

        """
        if self.on_stale not in ("raise", "wait", "last"):
            raise ConfigurationError(
                f"on_stale cannot be {self.on_stale!r}: raise, wait or last"
            )
        if self.lines not in (1, 2):
            raise ConfigurationError(f"lines must be 1 or 2, not {self.lines}")
        by_symbol = venue.facts.numbering is Numbering.SYMBOL
        if self.lines > 1 and venue.facts.source is Source.REST and not by_symbol:
            raise ConfigurationError(
                f"{venue.id} does not number its deltas: lines=1 only"
            )
        return msgspec.structs.replace(
            self,
            ws_url=self.ws_url or venue.WS_URL,
            rest_url=self.rest_url or venue.REST_URL,
            policy=self._policy(max_age),
        )

    def _policy(self, max_age: float | None) -> dict[str, Any]:
        chosen = dict(self.policy)
        if max_age is not None:
            chosen["max_age"] = max_age
        if self.audit_every is not None:
            chosen.setdefault("ring", RING)
        return chosen

    @property
    def own_budget(self) -> Budget | None:
        """The budget that the user made."""
        return self.budget if isinstance(self.budget, Budget) else None

    @property
    def budget_file(self) -> str | Path:
        """The file of a budget that processes share; empty if they don't."""
        if self.budget is None or isinstance(self.budget, Budget):
            return ""
        found: str | Path = self.budget
        return found
