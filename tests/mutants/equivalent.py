"""Mutations that make no difference, and why; by ``module.name``."""

from __future__ import annotations

__all__ = ["EQUIVALENT"]

EQUIVALENT: dict[str, str] = {
    "budget.observe: missing > 0 -> missing >= 0": "a weight of 0 counts nothing",
}
