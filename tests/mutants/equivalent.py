"""Mutations that make no difference, and why; by ``module.name``."""

from __future__ import annotations

__all__ = ["EQUIVALENT"]

EQUIVALENT: dict[str, str] = {
    "sync.__init__: False -> True (3)": "a book that is new has no deadline",
    "sync.__init__: False -> True (8)": "without a loss there is no drift to tell",
    "sync.receive_snapshot: type(output) is Desynced -> type(output) is not Desynced": (
        "a crossed book gives nothing, or its loss and what follows from that"
    ),
    "sync.tick: self._quiet_at = None -> left out": "going live does it",
    "sync._apply: self._room < 0 -> self._room <= 0": "sides are looked at sooner",
    "sync._note_joined: self._settled = True -> left out": (
        "the long way has the same end"
    ),
    "sync._note_joined: True -> False": "the long way has the same end",
    "sync._go_live: self._settled = not self._fresh -> left out": (
        "the long way has the same end"
    ),
    "sync._watch: self._crossed > 0 -> self._crossed >= 0": "one look more",
    "sync._apply: 0 -> 1": "sides are looked at sooner",
    "sync.__init__: 0 -> 1 (5)": "loading sets it",
    "asking.ask: 30 -> 31": "both are longer than any pause may be",
    "succession.forget: self._comparisons.pop(symbol, None) -> left out": (
        "the next look ends it: the book is gone"
    ),
    "probing.pause: count >= 2 * ACTIVE -> count > 2 * ACTIVE": (
        "what is old counts half from one delta later"
    ),
    "connection.beat: pause > self.longest -> pause >= self.longest": (
        "a pause as long is the longest, too"
    ),
    "connection.patience: self.heard - self.paused_since > PAUSES -> "
    "self.heard - self.paused_since >= PAUSES": (
        "after exactly that long either may be said"
    ),
    "listening._dead: at.data.heard < since -> at.data.heard <= since": (
        "of what was heard at that very instant either may be said"
    ),
    "comparing.__init__: 0 -> 1": "what is wrong has been counted by then",
    "budget.settle: 1 -> 2 (2)": "place -1 is the newest once more: it did not fit",
    "budget.observe: missing > 0 -> missing >= 0": "a weight of 0 counts nothing",
}
