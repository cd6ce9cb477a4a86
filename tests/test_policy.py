"""The defaults of a policy hold together, and nobody changes one afterwards."""

from __future__ import annotations

import msgspec
import pytest

from booksync.policy import Policy, Way

NUMBERS = [
    "checksum_levels",
    "max_buffer",
    "max_buffer_levels",
    "quiet_wait",
    "snapshot_wait",
    "crossed_deltas",
    "crossed_seconds",
    "stale_deltas",
    "stale_seconds",
    "old_snapshots",
    "retry_min",
    "retry_max",
]


def test_defaults_trust_the_least():
    policy = Policy()
    assert policy.way is Way.FETCH
    assert not policy.exact_overlap  # nobody showed that deltas list all they touch
    assert policy.suspicious
    assert not policy.newest
    assert policy.checksum is None


def test_nothing_is_audited_or_aged_unless_asked_for():
    policy = Policy()
    assert policy.max_age is None
    assert policy.answer_wait is None
    assert policy.ring == 0


@pytest.mark.parametrize("name", NUMBERS)
def test_limits_are_above_zero(name):
    assert getattr(Policy(), name) > 0


def test_limits_hold_together():
    policy = Policy()
    assert policy.retry_min < policy.retry_max
    assert policy.quiet_wait < policy.snapshot_wait
    assert policy.max_buffer <= policy.max_buffer_levels
    assert policy.crossed_deltas < policy.stale_deltas  # venues/README.md, Appendix A


def test_stale_deltas_mean_a_reset_as_the_venue_sheets_propose():
    """About 100 in a row, or 10 s of them: venues/README.md, Appendix A."""
    policy = Policy()
    assert (policy.stale_deltas, policy.stale_seconds) == (100, 10.0)


def test_every_limit_is_checked_here():
    others = {"way", "exact_overlap", "suspicious", "checksum", "newest"}
    optional = {"answer_wait", "max_age", "max_levels", "ring"}
    optional |= {"refresh", "refresh_pause", "probe_after"}
    assert set(Policy.__struct_fields__) == {*NUMBERS, *others, *optional}


def test_policy_is_immutable_and_a_value():
    policy = Policy(way=Way.WAIT)
    with pytest.raises(AttributeError):
        policy.way = Way.FETCH  # type: ignore[misc]
    assert policy == Policy(way=Way.WAIT)
    assert msgspec.structs.replace(policy, ring=5) != policy


def test_settings_are_named():
    with pytest.raises(TypeError):
        Policy(Way.FETCH)
    with pytest.raises(TypeError, match="no_such_setting"):
        Policy(no_such_setting=1)  # type: ignore[call-arg]


def test_ways_are_labels():
    assert {way.value for way in Way} == {"fetch", "resubscribe", "reconnect", "wait"}
