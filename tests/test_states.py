"""The table of moves is whole and closed; a delta stands to a book in one way."""

from __future__ import annotations

import itertools

import pytest

from booksync.messages import Delta
from booksync.states import (
    ENDINGS,
    FAULTS,
    TRANSITIONS,
    Cause,
    Relation,
    Scope,
    State,
    relate,
)

MOVES = [
    (state, cause, to)
    for state, moves in TRANSITIONS.items()
    for cause, to in moves.items()
]


def reachable(start):
    """Every state that some run of causes leads to."""
    found, new = {start}, {start}
    while new:
        new = {to for state, _, to in MOVES if state in new} - found
        found |= new
    return found


# -- the table -------------------------------------------------------------------------


def test_every_state_has_moves_and_every_cause_makes_one():
    assert TRANSITIONS.keys() == set(State)
    assert {cause for _, cause, _ in MOVES} == set(Cause)


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_reached_from_every_state(state):
    assert reachable(state) == set(State)


def test_only_a_join_makes_a_book_live_and_only_while_syncing():
    assert [(s, c) for s, c, to in MOVES if to is State.LIVE] == [
        (State.SYNCING, Cause.JOINED)
    ]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", ENDINGS)
def test_every_ending_ends_in_every_state(state, cause):
    assert TRANSITIONS[state][cause] is State.OFFLINE


@pytest.mark.parametrize("cause", FAULTS)
def test_fault_withholds_a_book_but_does_not_connect_one(cause):
    assert TRANSITIONS[State.LIVE][cause] is State.SYNCING
    assert TRANSITIONS[State.SYNCING][cause] is State.SYNCING
    assert cause not in TRANSITIONS[State.OFFLINE]


def test_nothing_leaves_offline_but_a_connection_or_a_market_that_is_back():
    left = {c for s, c, to in MOVES if s is State.OFFLINE and to is not s}
    assert left == {Cause.CONNECTED, Cause.RESUMED}


def test_age_is_told_of_a_live_book_only():
    assert [s for s, c, _ in MOVES if c is Cause.AGED] == [State.LIVE]


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        (State.OFFLINE, Cause.JOINED),
        (State.OFFLINE, Cause.GAP),
        (State.OFFLINE, Cause.RETRY),
        (State.SYNCING, Cause.CONNECTED),
        (State.SYNCING, Cause.AGED),
        (State.LIVE, Cause.JOINED),
        (State.LIVE, Cause.RETRY),
        (State.LIVE, Cause.CONNECTED),
        (State.LIVE, Cause.RESUMED),
    ],
)
def test_every_other_move_is_a_bug(state, cause):
    with pytest.raises(KeyError):
        TRANSITIONS[state][cause]


def test_kinds_of_causes_do_not_overlap():
    rest = {Cause.CONNECTED, Cause.JOINED, Cause.RETRY, Cause.AGED, Cause.RESUMED}
    assert len(set(FAULTS)) == len(FAULTS)
    assert len(set(ENDINGS)) == len(ENDINGS)
    assert not set(FAULTS) & set(ENDINGS)
    assert set(Cause) == {*FAULTS, *ENDINGS, *rest}


@pytest.mark.parametrize("kind", [State, Cause, Scope, Relation])
def test_values_are_labels(kind):
    """One lower-case word each: they stand in logs, metrics and JSON."""
    values = [member.value for member in kind]
    assert len(set(values)) == len(values)
    assert values == [member.name.lower() for member in kind]


# -- the rule --------------------------------------------------------------------------


def delta(prev, last, *, levels=False, reset=False):
    return Delta("X", prev, last, [("1", "1")] if levels else [], [], reset=reset)


def expected(prev, last, sequence):
    """The rule as design.md words it."""
    if last <= sequence:
        return Relation.STALE
    if prev < sequence:
        return Relation.OVERLAP
    return Relation.NEXT if prev == sequence else Relation.GAP


def test_every_small_delta_stands_as_the_rule_says():
    numbers = range(6)
    for prev, last, sequence in itertools.product(numbers, repeat=3):
        if prev < last:
            found = relate(delta(prev, last), sequence)
            assert found is expected(prev, last, sequence), (prev, last, sequence)
            assert relate(delta(prev, last, levels=True), sequence) is found


@pytest.mark.parametrize(
    ("number", "levels", "relation"),
    [
        pytest.param(5, False, Relation.NEXT, id="a sign of life"),
        pytest.param(5, True, Relation.STALE, id="with levels it repeats something"),
        pytest.param(4, False, Relation.STALE, id="an old sign of life"),
        pytest.param(6, False, Relation.GAP, id="a sign of life of later"),
    ],
)
def test_delta_that_covers_nothing(number, levels, relation):
    assert relate(delta(number, number, levels=levels), 5) is relation


def test_asks_are_levels_too():
    assert relate(Delta("X", 5, 5, [], [("1", "1")]), 5) is Relation.STALE


@pytest.mark.parametrize("last", [0, 3, 5, 9])
def test_announced_reset_need_only_be_in_chain(last):
    assert relate(delta(5, last, reset=True), 5) is Relation.NEXT
    for prev in (0, 4, 6):
        assert relate(delta(prev, last, reset=True), 5) is Relation.GAP
