"""
Every venue that booksync knows, run through the conformance kit.

The samples are spoken by the dialects of the embedded exchange, or written by hand from
the sheets (see :mod:`tests.venues.samples`); neither knows the venue modules.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from booksync import venues
from booksync.messages import Delta, Lost, Snapshot
from booksync.testing import DIALECTS
from booksync.testing.conformance import CHECKS, check
from booksync.testing.conformance.kit import Kit
from booksync.venues import Assurance, Resync, Source
from tests.venues.samples import SPOKEN, WRITTEN

SAMPLES = {**SPOKEN, **WRITTEN}
#: Test-only plug-ins of other tests, registered in the same process.
SHIPPED = {
    name: kind
    for name, kind in venues.available().items()
    if kind.__module__.startswith("booksync.")
}


def venue_of(name):
    """``"bybit full"`` is about ``bybit``."""
    return name.partition(" ")[0]


@pytest.mark.parametrize("check_name", CHECKS)
@pytest.mark.parametrize("name", SAMPLES)
def test_venue_conforms(name, check_name):
    check(venues.get(venue_of(name)), SAMPLES[name](), check_name)


def blind(kind: Any) -> Any:
    """The same venue; each delta follows whatever came before, and nothing is lost."""

    class Blind(kind):  # type: ignore[misc]
        """Numbers its deltas as it pleases."""

        def setup(self):
            super().setup()
            self.seen: dict[str, int] = {}

        def parse(self, frame, session):
            found = super().parse(frame, session)
            return [self.linked(m) for m in found if type(m) is not Lost]

        def linked(self, message):
            if type(message) is Snapshot:
                self.seen[message.symbol] = message.sequence
            if type(message) is not Delta:
                return message
            prev = self.seen.get(message.symbol, message.prev)
            self.seen[message.symbol] = message.last
            return msgspec.structs.replace(message, prev=prev)

    return Blind


@pytest.mark.parametrize(
    "name",
    [name for name in SAMPLES if SHIPPED[venue_of(name)].facts.numbering is not None],
)
def test_kit_would_notice_if_a_venue_noticed_no_loss(name):
    kind, samples = venues.get(venue_of(name)), SAMPLES[name]()
    if Kit(kind, samples).made().facts.numbering is None:
        return  # by an option: only the order is known
    with pytest.raises(AssertionError, match="nobody noticed"):
        check(blind(kind), samples, "lost_delta_is_noticed")


def test_kit_would_notice_if_a_checksum_were_not_read():
    class Trusting(venues.get("kraken")):  # type: ignore[misc]
        """Takes the venue's word for it."""

        def parse(self, frame, session):
            found = super().parse(frame, session)
            return [
                msgspec.structs.replace(m, checksum=None) if type(m) is Delta else m
                for m in found
            ]

    with pytest.raises(AssertionError, match="nobody noticed"):
        check(Trusting, SAMPLES["kraken"](), "lost_delta_is_noticed")


def test_no_venue_is_left_out():
    assert {venue_of(name) for name in SAMPLES} == set(SHIPPED)


def test_venue_with_a_dialect_is_checked_against_it():
    """The dialects were written without a look at the modules: they come first."""
    assert {venue_of(name) for name in SPOKEN} == set(DIALECTS) & set(SHIPPED)


def test_every_kind_of_venue_has_a_dialect():
    kinds = {(SHIPPED[name].facts.source, SHIPPED[name].facts.assurance)
             for name in DIALECTS if name in SHIPPED}  # fmt: skip
    assert kinds >= {
        (Source.REST, Assurance.RANGED),
        (Source.REST, Assurance.CHAINED),
        (Source.REST, Assurance.ORDERED),
        (Source.STREAM, Assurance.CHAINED),
        (Source.STREAM, Assurance.COUNTED),
        (Source.STREAM, Assurance.CHECKSUMMED),
        (Source.STREAM, Assurance.ORDERED),
        (Source.REQUEST, Assurance.CHAINED),
        (Source.EVERY_FRAME, Assurance.ORDERED),
    }


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_say_all_that_the_venue_can(name):
    """No check passes for want of samples: what may be missing is named here."""
    samples, kind = SAMPLES[name](), venues.get(venue_of(name))
    venue = Kit(kind, samples).made()
    facts = venue.facts
    if facts.source is Source.STREAM and facts.resync is not Resync.RECONNECT:
        assert samples.again
    assert (samples.body is not None) is (facts.source is Source.REST)
    assert (samples.token is not None) is (venue.handshake() is not None)
    assert samples.book is not None
    if facts.acks:
        assert samples.ended
    if kind.heartbeat.interval is not None:
        assert samples.ignored or samples.asks
    silent = {"binance", "binance_us", "binance_usdm", "binance_coinm", "bitstamp"}
    silent |= {"kucoin", "hyperliquid"}  # unknown symbols: no answer, or the end
    assert samples.refused or venue_of(name) in silent
    # UTA instruments are those of the classic socket, which has samples of its own
    assert samples.instruments or name.endswith(" uta")


def test_slash_that_is_part_of_a_url_is_kept():
    """Base URLs lose theirs (``ws_url=``), so the module adds it."""
    for name, end in {"bitvavo": "/v2/", "gate": "/ws/v4/"}.items():
        venue = venues.get(name)()
        assert venue.stream_url(venue.WS_URL).endswith(end)
