"""
What a feed counts, for Prometheus; needs the extra ``booksync[metrics]``.

```python
import prometheus_client
from booksync import metrics

prometheus_client.start_http_server(9000)
async with booksync.connect("binance", "BTCUSDT") as feed:
    metrics.collect(feed)
    ...
```

Nothing is counted twice and nothing is done while frames arrive: the feed's own counts
are read when Prometheus asks, in whichever thread it does. ``booksync/dashboard.json``
is a dashboard for Grafana; ``python -m booksync.metrics --dashboard`` prints it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from booksync.errors import ConfigurationError
from booksync.states import FAULTS, TRANSITIONS, State

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector

    from booksync.feed import Feed
    from booksync.status import Status

__all__ = ["METRICS", "Meaning", "collect", "dashboard", "uncollect"]


class Meaning(NamedTuple):
    """
    What a metric says.

    Args:
        help: For people.
        labels: Besides those that all have, ``venue`` and ``feed``.
        counter: It only goes up; its name ends in ``_total``.

    """

    help: str
    labels: tuple[str, ...] = ()
    counter: bool = False


def _counter(text: str, *labels: str) -> Meaning:
    return Meaning(text, labels, counter=True)


def _gauge(text: str, *labels: str) -> Meaning:
    return Meaning(text, labels)


#: Every metric by its name, without ``_total``.
METRICS: Mapping[str, Meaning] = {
    # of a feed
    "booksync_frames": _counter("Frames received."),
    "booksync_malformed": _counter("Frames, bodies and levels that were of no use."),
    "booksync_foreign": _counter("Messages for symbols that were not subscribed."),
    "booksync_late_frames": _counter("Frames of a connection already given up."),
    "booksync_connects": _counter("Connections opened."),
    "booksync_disconnects": _counter("Connections that ended."),
    "booksync_connections": _gauge("Connections open now."),
    "booksync_conflated": _counter("Changes that were no event of their own."),
    "booksync_inputs_waiting": _gauge("Frames and answers not taken in yet."),
    "booksync_events_waiting": _gauge("Events that the user has not taken."),
    "booksync_budget_used": _gauge("Request weight that counts now."),
    "booksync_budget_limit": _gauge("Request weight that the venue allows."),
    "booksync_budget_stopped_seconds": _gauge("For how long the venue says stop."),
    "booksync_requests_waiting": _gauge("Snapshot requests not sent yet."),
    "booksync_books": _gauge("Books by state.", "state"),
    # of a book
    "booksync_book_state": _gauge(
        "1 for what the book is, and why.", "symbol", "state", "cause"
    ),
    "booksync_book_unbridged": _gauge(
        "Whether no delta has joined the snapshot yet.", "symbol"
    ),
    "booksync_book_overlap": _gauge(
        "Whether a straddling delta joined it, which may be inexact.", "symbol"
    ),
    "booksync_book_waiting": _gauge(
        "Whether an old book is served until another line has caught up.", "symbol"
    ),
    "booksync_book_message_age_seconds": _gauge(
        "Time since its last message.", "symbol"
    ),
    "booksync_book_withheld_seconds": _counter(
        "Time that it could not be read after it had first been live.", "symbol"
    ),
    "booksync_book_deltas_received": _counter("Deltas received.", "symbol"),
    "booksync_book_deltas": _counter(
        "Deltas by what became of them.", "symbol", "outcome"
    ),
    "booksync_book_deltas_buffered": _gauge(
        "Deltas that wait for a snapshot.", "symbol"
    ),
    "booksync_book_gaps": _counter("Deltas that showed a hole before them.", "symbol"),
    "booksync_book_desyncs": _counter(
        "Times that the live book was withheld.", "symbol", "cause"
    ),
    "booksync_book_resyncs": _counter(
        "Times that a fault cost a snapshot.", "symbol", "cause"
    ),
    "booksync_book_snapshot_requests": _counter("Snapshots asked for.", "symbol"),
    "booksync_book_snapshots": _counter("Snapshots received.", "symbol"),
    "booksync_book_snapshots_late": _counter(
        "Answers refused because something newer had been asked for.", "symbol"
    ),
    "booksync_book_checksums": _counter("Checksums compared.", "symbol", "result"),
    "booksync_book_audits": _counter("Audits made.", "symbol", "result"),
}
OUTCOMES = ("applied", "stale", "refused", "discarded")
FEED_COUNTS = (
    "frames", "malformed", "foreign", "late_frames", "connects", "disconnects",
)  # fmt: skip

#: Why a live book is withheld; which faults cost a snapshot.
CAUSES = {"desyncs": tuple(TRANSITIONS[State.LIVE]), "resyncs": FAULTS}

Sample = tuple[str, tuple[str, ...], float]


def collect(
    feed: Feed, registry: CollectorRegistry | None = None, *, name: str | None = None
) -> None:
    """
    Let ``registry`` read what ``feed`` counts, until :func:`uncollect`. Idempotent.

    A feed that nobody holds any more is forgotten by itself.

    Args:
        feed: Whose counts.
        registry: Where to; by default the one of ``prometheus_client``.
        name: Value of the label ``feed``, to tell feeds of one venue apart; by default
            the venue's id, then with a number.

    Raises:
        ConfigurationError: If the extra ``metrics`` is not installed, or another feed
            has this name.

    """
    registry = _registry(registry)
    collector = _collectors.get(registry)
    if collector is None:
        collector = _Collector()
        registry.register(cast("Collector", collector))
        _collectors[registry] = collector
    collector.add(feed, name)


def uncollect(feed: Feed, registry: CollectorRegistry | None = None) -> None:
    """Undo :func:`collect`. Idempotent."""
    registry = _registry(registry)
    collector = _collectors.get(registry)
    if collector is not None and collector.remove(feed):
        del _collectors[registry]
        registry.unregister(cast("Collector", collector))


def dashboard() -> Path:
    """Return where the dashboard for Grafana stands, to be imported there."""
    return Path(__file__).with_name("dashboard.json")


def _prometheus() -> Any:  # noqa: ANN401 - a module
    try:
        import prometheus_client.core  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError(
            "metrics need the extra: pip install 'booksync[metrics]'"
        ) from None
    return prometheus_client


def _registry(registry: CollectorRegistry | None) -> CollectorRegistry:
    found: CollectorRegistry = _prometheus().REGISTRY if registry is None else registry
    return found


class _Collector:
    """All feeds of one registry: a metric must not be told twice."""

    def __init__(self) -> None:
        self._core = _prometheus().core
        self._feeds: dict[str, weakref.ref[Feed]] = {}

    def add(self, feed: Feed, name: str | None) -> None:
        """Read ``feed`` from now on."""
        held = dict(self._held())
        if any(found is feed for found in held.values()):
            return
        if name in held:
            raise ConfigurationError(f"another feed is collected as {name!r}")
        held[name or _free(feed.venue.id, held)] = feed
        self._feeds = {key: weakref.ref(found) for key, found in held.items()}

    def remove(self, feed: Feed) -> bool:
        """Read ``feed`` no longer; say whether none is left."""
        self._feeds = {
            key: weakref.ref(found) for key, found in self._held() if found is not feed
        }
        return not self._feeds

    def _held(self) -> Iterator[tuple[str, Feed]]:
        for name, reference in list(self._feeds.items()):
            feed = reference()
            if feed is not None:
                yield name, feed

    def describe(self) -> list[Metric]:
        """Give every metric, without values (the registry asks at the start)."""
        return list(self._families().values())

    def collect(self) -> list[Metric]:
        """Read every feed."""
        families = self._families()
        for name, feed in self._held():
            for metric, labels, value in _samples(feed):
                families[metric].add_metric([feed.venue.id, name, *labels], value)
        return list(families.values())

    def _families(self) -> dict[str, Any]:
        core = self._core
        return {
            name: (
                core.CounterMetricFamily if meaning.counter else core.GaugeMetricFamily
            )(name, meaning.help, labels=["venue", "feed", *meaning.labels])
            for name, meaning in METRICS.items()
        }


_collectors: weakref.WeakKeyDictionary[CollectorRegistry, _Collector] = (
    weakref.WeakKeyDictionary()
)


def _free(venue: str, taken: Mapping[str, object]) -> str:
    """
    Name a feed after its venue.

    >>> _free("acme", {}), _free("acme", {"acme": 1, "acme-2": 1})
    ('acme', 'acme-3')
    """
    if venue not in taken:
        return venue
    numbered = (f"{venue}-{number}" for number in itertools.count(2))
    return next(name for name in numbered if name not in taken)


# -- reading a feed, in whichever thread: only what changes as a whole -----------------


def _samples(feed: Feed) -> Iterator[Sample]:
    counts = feed.counts
    for name in FEED_COUNTS:
        yield f"booksync_{name}", (), getattr(counts, name)
    yield "booksync_connections", (), counts.connects - counts.disconnects
    yield "booksync_conflated", (), feed.conflated
    yield from _load(feed)
    states = dict.fromkeys(State, 0)
    for symbol in feed.symbols:
        try:
            status = feed.status(symbol)
        except KeyError:  # removed meanwhile
            continue
        states[status.state] += 1
        yield from _of_book(status)
    for state, count in states.items():
        yield "booksync_books", (state.value,), count


def _load(feed: Feed) -> Iterator[Sample]:
    """Read how full the feed's queues and its budget are."""
    yield "booksync_inputs_waiting", (), len(feed._inputs.items)  # noqa: SLF001
    yield "booksync_events_waiting", (), len(feed._events)  # noqa: SLF001
    fetcher = feed._fetcher  # noqa: SLF001
    if fetcher is None:
        return
    # A copy: to forget what is over is its owner's business alone.
    budget, now = fetcher.queue.budget.copy(), feed.clock()
    stopped = max(0.0, budget.stopped_until - now)
    yield "booksync_requests_waiting", (), fetcher.waiting
    yield "booksync_budget_used", (), budget.used(now)
    yield "booksync_budget_limit", (), budget.limit
    yield "booksync_budget_stopped_seconds", (), stopped


def _of_book(status: Status) -> Iterator[Sample]:
    symbol, counts = status.symbol, status.counts
    for name, value in _trust(status).items():
        yield f"booksync_book_{name}", (symbol,), value
    yield "booksync_book_state", (symbol, status.state.value, status.cause.value), 1
    for outcome in OUTCOMES:
        yield "booksync_book_deltas", (symbol, outcome), getattr(counts, outcome)
    for fault in ("desyncs", "resyncs"):
        for cause, count in _by_cause(status, fault).items():
            yield f"booksync_book_{fault}", (symbol, cause), count
    for result in ("passed", "failed"):
        count = getattr(counts, f"checksums_{result}")
        yield "booksync_book_checksums", (symbol, result), count
    yield "booksync_book_audits", (symbol, "decided"), counts.audits
    yield "booksync_book_audits", (symbol, "inconclusive"), counts.inconclusive


def _trust(status: Status) -> dict[str, float]:
    counts = status.counts
    found: dict[str, float | None] = {
        "unbridged": status.unbridged,
        "overlap": status.overlap,
        "waiting": status.waiting,
        "message_age_seconds": status.age,
        "withheld_seconds": status.withheld,
        "deltas_received": counts.received,
        "deltas_buffered": counts.buffered,
        "gaps": counts.gaps,
        "snapshot_requests": counts.requests,
        "snapshots": counts.snapshots,
        "snapshots_late": counts.late,
    }
    return {name: value for name, value in found.items() if value is not None}


def _by_cause(status: Status, fault: str) -> dict[str, int]:
    """
    Tell a count by cause.

    All causes are told from the start: Prometheus takes no first value for a rise.
    """
    by = status.desyncs_by if fault == "desyncs" else status.resyncs_by
    return {cause.value: by.get(cause, 0) for cause in CAUSES[fault]}


def main(arguments: list[str] | None = None) -> None:
    """Print the dashboard, or where it stands."""
    parser = argparse.ArgumentParser(
        prog="python -m booksync.metrics",
        description="A dashboard of booksync's metrics, for Grafana.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dashboard", action="store_true", help="print the dashboard")
    what.add_argument("--path", action="store_true", help="print where it stands")
    chosen = parser.parse_args(arguments)
    text = str(dashboard()) if chosen.path else dashboard().read_text("utf-8").rstrip()
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
