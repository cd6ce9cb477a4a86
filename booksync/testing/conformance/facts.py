"""A venue's facts are complete, agree with one another, and hold for every option."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from urllib.parse import urlencode

from booksync.errors import ConfigurationError
from booksync.testing.conformance.kit import Kit, require
from booksync.venues.base import Venue
from booksync.venues.facts import Assurance, Resync, Source

__all__ = ["CHECKS"]

ID = re.compile(r"[a-z][a-z0-9_]*")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
NUMBERED = {Assurance.CHAINED, Assurance.COUNTED, Assurance.RANGED}
#: What may bring a new snapshot, by where snapshots come from.
RESYNCS = {
    Source.REST: {Resync.FETCH},
    Source.REQUEST: {Resync.FETCH},
    Source.STREAM: {Resync.RESUBSCRIBE, Resync.RECONNECT, Resync.WAIT},
    Source.EVERY_FRAME: {Resync.WAIT, Resync.RECONNECT},
}


def facts_are_complete(kit: Kit) -> None:
    """Id, URLs, source and date are there, and of the right form."""
    kind, facts = kit.kind, kit.kind.facts
    require(ID.fullmatch(kind.id), f"id {kind.id!r}: lower case, digits, underscores")
    require(kind.__doc__, f"{kind.__name__} has no docstring")
    require(facts.markets, "facts.markets is empty")
    require(facts.url.startswith("https://"), f"facts.url {facts.url!r} is not https")
    require(DATE.fullmatch(facts.date), f"facts.date {facts.date!r}: not YYYY-MM-DD")
    date.fromisoformat(facts.date)
    require(
        facts.verified or facts.unverified,
        "neither facts.verified nor facts.unverified says anything",
    )
    require(kind.WS_URL.startswith("wss://"), f"WS_URL {kind.WS_URL!r} is not wss")
    asks = kit.made().instrument_requests() or facts.source is Source.REST
    rest = kind.REST_URL
    require(rest.startswith("https://") or not asks, f"REST_URL {rest!r} is not https")
    for url in (kind.WS_URL, rest):
        require(not url.endswith("/"), f"{url!r}: base URLs end without a slash")


def facts_agree(kit: Kit) -> None:
    """Assurance, numbering, source, resync and checksum fit, whatever the options."""
    for name, venue in _variants(kit):
        facts = venue.facts
        numbered = facts.numbering is not None
        require(
            numbered is (facts.assurance in NUMBERED),
            f"{name}: {facts.assurance} does not go with numbering {facts.numbering}",
        )
        require(
            facts.resync in RESYNCS[facts.source],
            f"{name}: {facts.resync} does not go with {facts.source}",
        )
        waits = (facts.source, facts.resync) == (Source.STREAM, Resync.WAIT)
        every = facts.snapshot_every
        require(
            (every is not None and every > 0) is waits,
            f"{name}: snapshot_every {every} does not go with {facts.resync}",
        )
        hashed = facts.checksum is not None
        require(
            hashed or facts.assurance is not Assurance.CHECKSUMMED,
            f"{name}: checksummed without a checksum",
        )
        own = type(venue).checksum is not Venue.checksum
        require(own or not hashed, f"{name}: checksum() is not there")
        require(venue.checksum_levels > 0, f"{name}: checksum_levels")
        require(venue.keep is None or venue.keep > 0, f"{name}: keep {venue.keep}")
        levels = facts.levels
        require(levels is None or levels > 0, f"{name}: facts.levels {levels}")


def limits_are_positive(kit: Kit) -> None:
    """Every limit allows something."""
    limits, heartbeat = kit.kind.limits, kit.kind.heartbeat
    for name in limits.__struct_fields__:
        value = getattr(limits, name)
        fine = value is None or isinstance(value, str) or value > 0
        require(fine, f"limits.{name} is {value}")
    require(
        limits.symbols_per_frame <= limits.symbols,
        "limits: more symbols in a frame than on a connection",
    )
    require(heartbeat.silence > 0, "heartbeat.silence must be positive")
    interval = heartbeat.interval
    require(interval is None or interval > 0, "heartbeat.interval must be positive")


def depths_and_options_are_checked(kit: Kit) -> None:
    """Each depth and option can be had; others are refused."""
    kind = kit.kind
    if kind.DEPTHS and kind.default_depth is not None:
        require(kind.default_depth in kind.DEPTHS, "default_depth is not in DEPTHS")
    for depth in kind.DEPTHS:
        made = _made(kit, depth=depth, options={})
        require(made is not None or kind.OPTIONS, f"depth {depth} is refused")
    if kind.DEPTHS:
        require(_made(kit, depth=-1, options={}) is None, "depth -1 is not refused")
    for name, values in kind.OPTIONS.items():
        require(values == () or "" not in values, f"option {name} may be empty")
    require(
        _made(kit, options={"no such option": "x"}) is None,
        "an option that is none is not refused",
    )
    require(kind().options.keys() >= _defaults(kit).keys(), "defaults are missing")
    for name, venue in _variants(kit):
        again = _made(kit, depth=venue.depth, options=venue.options)
        same = again is not None and (again.depth, again.keep, again.facts) == (
            venue.depth,
            venue.keep,
            venue.facts,
        )
        require(same, f"{name}: with its own depth and options it is another")


def symbols_are_prepared(kit: Kit) -> None:
    """The samples' symbol is spelled as the venue does; what is none is refused."""
    prepared = kit.kind.prepare(kit.symbol)
    require(prepared == kit.symbol, f"prepare({kit.symbol!r}) gives {prepared!r}")
    for wrong in ("", " ", "A B", "A\n", "A" * 1000):
        try:
            kit.kind.prepare(wrong)
        except ConfigurationError:
            continue
        raise AssertionError(f"prepare({wrong[:20]!r}) is not refused")


def urls_are_made(kit: Kit) -> None:
    """Handshake, stream and snapshot requests can be made, and read back."""
    venue = kit.made()
    handshake = venue.handshake()
    token = kit.samples.token
    require(
        (handshake is None) is (token is None), "the handshake needs a token sample"
    )
    url = venue.stream_url(venue.WS_URL, token)
    require(url.startswith("wss://"), f"stream_url gives {url!r}")
    here = venue.stream_url("ws://127.0.0.1:80", token)
    require(here.startswith("ws://127.0.0.1:80"), f"stream_url leaves its base: {here}")
    requests = [*venue.instrument_requests(), *([handshake] if handshake else [])]
    if venue.facts.source is Source.REST:
        request = kit.request("facts.source is REST")
        requests.append(request)
        full = f"https://example.com{request.path}?{urlencode(request.params)}"
        found = venue.snapshot_symbol(full)
        require(found == kit.symbol, f"snapshot_symbol({full!r}) gives {found!r}")
        depth = venue.snapshot_depth(full)
        require(depth == venue.depth, f"snapshot_depth({full!r}) gives {depth}")
        fits = 0 < request.weight <= venue.limits.weight
        require(fits, f"a snapshot's weight is {request.weight}")
    for request in requests:
        require(request.path.startswith("/"), f"path {request.path!r}")
    other = "https://example.com/no/such/path?x=1"
    require(venue.snapshot_symbol(other) is None, f"snapshot_symbol({other!r})")


def _defaults(kit: Kit) -> Mapping[str, str]:
    return {name: values[0] for name, values in kit.kind.OPTIONS.items() if values}


def _variants(kit: Kit) -> Iterator[tuple[str, Venue]]:
    """Make the venue with each value of each option in turn, where it can be."""
    for name, values in {"": (None,), **kit.kind.OPTIONS}.items():
        for value in values:
            options = {} if value is None else {name: value}
            venue = _made(kit, options=options)
            if venue is not None:
                yield (f"{kit.kind.id} {name}={value}" if name else kit.kind.id), venue


def _made(
    kit: Kit, *, options: Mapping[str, str], depth: int | None = None
) -> Venue | None:
    """Make the venue; ``None`` if it refuses."""
    try:
        return kit.kind(depth=depth, options=options, instruments=kit.instruments)
    except ConfigurationError:
        return None


CHECKS = (
    facts_are_complete,
    facts_agree,
    limits_are_positive,
    depths_and_options_are_checked,
    symbols_are_prepared,
    urls_are_made,
)
