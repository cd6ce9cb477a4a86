"""Mutations that make no difference, and why; by ``module.name``."""

from __future__ import annotations

__all__ = ["EQUIVALENT"]

EQUIVALENT: dict[str, str] = {
    "sync._go_live: self._waiting = False -> left out": "loading did it before",
    "sync.__init__: False -> True (3)": "a book that is new has no deadline",
    "sync._move: self.dirty = True -> left out": (
        "who moves also asks, loads or forgets: that sets it"
    ),
    "budget.settle: 1 -> 2 (2)": "place -1 is the newest once more: it did not fit",
    "budget.observe: missing > 0 -> missing >= 0": "a weight of 0 counts nothing",
}
