"""The synchronizer, one behaviour at a time."""

from __future__ import annotations

import pytest

from booksync.book import Book
from booksync.errors import BookNotLive
from booksync.events import (
    Changed,
    Desynced,
    FetchSnapshot,
    Gap,
    Halted,
    Malformed,
    Resubscribe,
    Resumed,
    Synced,
)
from booksync.messages import Delta, Snapshot
from booksync.policy import Policy, Way
from booksync.states import TRANSITIONS, Cause, Relation, Scope, State, relate
from booksync.sync import Synchronizer


def delta(prev, last, bids=(), asks=(), **more):
    return Delta("X", prev, last, bids, asks, **more)


def ranged(first, last, **more):
    """A delta as spot numbers it: the range ``[U, u]``."""
    return delta(first - 1, last, **more)


def snapshot(sequence, bids=(("9", "1"),), asks=(("10", "1"),), **more):
    return Snapshot("X", sequence, bids, asks, **more)


def live(sequence=100, **policy):
    """A synchronizer that joined at ``sequence``."""
    sync = Synchronizer("X", Policy(**policy))
    sync.connected(now=0.0)
    sync.receive(delta(sequence - 1, sequence), now=0.0)
    assert sync.receive_snapshot(snapshot(sequence), now=0.0, request=1)
    assert sync.live
    return sync


def stream(**policy):
    """A connected synchronizer of a venue whose stream sends the snapshot."""
    sync = Synchronizer("X", Policy(way=Way.RESUBSCRIBE, **policy))
    sync.connected(now=0.0)
    return sync


def kinds(outputs):
    return [type(output).__name__ for output in outputs]


def adds_up(sync):
    counts = sync.status().counts
    return counts.received == (
        counts.applied
        + counts.stale
        + counts.refused
        + counts.discarded
        + counts.buffered
    )


# -- the rule ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prev", "last", "expected"),
    [
        pytest.param(98, 99, Relation.STALE, id="ends before the book"),
        pytest.param(98, 100, Relation.STALE, id="ends at the book"),
        pytest.param(100, 102, Relation.NEXT, id="continues the book"),
        pytest.param(97, 102, Relation.OVERLAP, id="overlaps the book"),
        pytest.param(101, 102, Relation.GAP, id="starts after the book"),
        pytest.param(100, 100, Relation.NEXT, id="an empty sign of life"),
    ],
)
def test_relate(prev, last, expected):
    assert relate(delta(prev, last), sequence=100) is expected


def test_relate_takes_a_reset_in_chain_only():
    assert relate(delta(15, 3, reset=True), 15) is Relation.NEXT
    assert relate(delta(14, 3, reset=True), 15) is Relation.GAP


def test_levels_in_an_empty_range_are_stale():
    assert relate(delta(100, 100, [("9", "1")]), 100) is Relation.STALE


# -- venues/README.md, Appendix B ----------------------------------------------


def bridge(snapshot_at, deltas):
    """Buffer ``deltas``, then answer with a snapshot; then say what happened."""
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    for each in deltas:
        sync.receive(each, now=0.0)
    outputs = sync.receive_snapshot(snapshot(snapshot_at), now=1.0, request=1)
    return sync, outputs


@pytest.mark.parametrize(
    ("deltas", "stale", "applied", "last"),
    [
        pytest.param(
            [ranged(95, 98), ranged(99, 100), ranged(101, 103), ranged(104, 104)],
            2,
            2,
            104,
            id="1",
        ),
        pytest.param([ranged(99, 102), ranged(103, 105)], 0, 2, 105, id="2"),
        pytest.param(
            [ranged(101, 101), ranged(101, 101), ranged(102, 102)], 1, 2, 102, id="4"
        ),
        pytest.param(
            [delta(80, 90), delta(90, 100), delta(100, 120)], 2, 1, 120, id="7"
        ),
        pytest.param([delta(90, 105), delta(105, 115)], 0, 2, 115, id="8"),
        pytest.param(  # Bybit's full stream, reduced to its u
            [delta(8, 9), delta(9, 10), delta(10, 11)], 2, 1, 11, id="13"
        ),
    ],
)
def test_buffered_deltas_bridge_the_snapshot(deltas, stale, applied, last):
    at = 10 if last == 11 else 100
    sync, outputs = bridge(at, deltas)
    assert kinds(outputs) == ["Synced"]
    counts = sync.status().counts
    assert (counts.stale, counts.applied) == (stale, applied)
    assert sync.book.sequence == last
    assert not sync.unbridged


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param([ranged(102, 105)], id="3"),
        pytest.param([delta(110, 120)], id="9"),
        pytest.param([delta(1004, 1005)], id="21"),
    ],
)
def test_snapshot_that_is_too_old_is_fetched_again_and_the_buffer_kept(deltas):
    sync, outputs = bridge(100, deltas)
    assert kinds(outputs) == ["FetchSnapshot"]
    assert outputs[0].request == 2
    newer = snapshot(deltas[0].prev)
    assert kinds(sync.receive_snapshot(newer, now=2.0, request=2)) == ["Synced"]
    assert sync.book.sequence == deltas[0].last


@pytest.mark.parametrize(
    ("deltas", "hole"),
    [
        pytest.param([ranged(101, 102), ranged(104, 106)], (102, 103), id="5"),
        pytest.param([delta(90, 105), delta(130, 135)], (105, 130), id="10"),
        pytest.param(
            [delta(90, 100), delta(100, 117), delta(130, 140)], (117, 130), id="18"
        ),
    ],
)
def test_hole_among_buffered_deltas_is_a_gap(deltas, hole):
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    outputs = [output for each in deltas for output in sync.receive(each, now=0.0)]
    assert outputs == [Gap("X", expected=hole[0], got=hole[1])]
    outputs = sync.receive_snapshot(snapshot(100), now=1.0, request=1)
    assert kinds(outputs) == ["FetchSnapshot"]
    assert sync.status().counts.gaps == 1


def test_vector_6_a_snapshot_waits_for_the_first_delta():
    sync, outputs = bridge(100, [])
    assert outputs == []
    assert sync.receive(ranged(101, 101), now=1.1) == [Synced("X", 101)]


@pytest.mark.parametrize(
    ("deltas", "hole"),
    [
        pytest.param([ranged(101, 102), ranged(104, 106)], (102, 103), id="5"),
        pytest.param([delta(100, 105), delta(130, 135)], (105, 130), id="10"),
        pytest.param([delta(100, 101), delta(101, 102), delta(104, 105)], (102, 104)),
    ],
)
def test_gap_on_a_live_book_is_seen_at_that_delta(deltas, hole):
    sync = live(100)
    *good, bad = deltas
    for each in good:
        assert kinds(sync.receive(each, now=1.0)) == ["Changed"]
    expected, got = hole
    assert sync.receive(bad, now=2.0) == [
        Desynced("X", Cause.GAP, expected=expected, got=got),
        FetchSnapshot("X", 2, 2.0),
    ]
    assert sync.counts.gaps == 1


@pytest.mark.parametrize("restart", [12, 1], ids=["11", "12"])
def test_snapshot_in_the_stream_replaces_the_book_whatever_its_number(restart):
    sync = stream()
    assert sync.receive_snapshot(snapshot(10), now=0.0) == [Synced("X", 10)]
    assert kinds(sync.receive(delta(10, 11), now=0.1)) == ["Changed"]
    again = snapshot(restart, bids=[("8", "5")])
    assert sync.receive_snapshot(again, now=0.2) == [Changed("X", message=again)]
    assert kinds(sync.receive(delta(restart, restart + 1), now=0.3)) == ["Changed"]
    assert [str(p) for p, _ in sync.book.bids()] == ["8"]
    assert sync.status().counts.gaps == 0


def test_vector_16_a_delta_without_levels_moves_the_sequence():
    sync = live(100)
    assert kinds(sync.receive(delta(100, 110), now=0.0)) == ["Changed"]
    assert kinds(sync.receive(delta(110, 111), now=0.0)) == ["Changed"]
    assert sync.book.sequence == 111


def test_vector_19_a_message_lost_on_the_connection_withholds_the_book():
    sync = live(100)
    assert sync.lost(3, 4, now=1.0)[0] == Desynced(
        "X", Cause.LOST, expected=3, got=4, scope=Scope.CONNECTION
    )


def test_vector_20_deltas_up_to_the_snapshots_time_are_dropped():
    sync, outputs = bridge(1000, [delta(998, 999), delta(999, 1000), delta(1000, 1001)])
    assert outputs == [Synced("X", 1001)]
    assert sync.status().counts.stale == 2


# -- joining -------------------------------------------------------------------


def test_new_book_awaits_nothing_and_has_nothing():
    sync = Synchronizer("X")
    assert (sync.awaited, sync.buffered, sync.fresh, sync.live) == (
        None,
        (),
        False,
        False,
    )
    assert sync.deadline() is None
    with pytest.raises(BookNotLive):
        _ = sync.book.best_bid


def test_connecting_asks_for_a_snapshot():
    assert Synchronizer("X").connected(now=3.0) == [FetchSnapshot("X", 1, 3.0)]


def test_connecting_twice_asks_once():
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    assert sync.connected(now=1.0) == []


def test_straddling_delta_joins_and_says_so():
    _, outputs = bridge(100, [delta(97, 102, [("9", "2")])])
    assert outputs == [Synced("X", 102, overlap=True)]


def test_straddling_delta_that_lists_all_it_touched_joins_exactly():
    sync = Synchronizer("X", Policy(exact_overlap=True))
    sync.connected(now=0.0)
    sync.receive(delta(97, 102), now=0.0)
    outputs = sync.receive_snapshot(snapshot(100), now=1.0, request=1)
    assert outputs == [Synced("X", 102)]


def test_overlap_after_the_join_is_a_gap():
    sync = live(100)
    sync.receive(delta(100, 102), now=1.0)
    assert sync.receive(delta(101, 103), now=1.1)[0] == Desynced(
        "X", Cause.GAP, expected=102, got=101
    )


def test_second_overlap_in_the_buffer_is_not_joined():
    _, outputs = bridge(100, [delta(97, 102), delta(101, 103)])
    assert kinds(outputs) == ["FetchSnapshot"]


def test_quiet_market_goes_live_unbridged_after_a_wait():
    sync, outputs = bridge(100, [])
    assert outputs == []
    assert sync.deadline() == 2.0
    assert sync.tick(now=1.9) == []
    assert sync.tick(now=2.0) == [Synced("X", 100, unbridged=True)]
    assert sync.status().unbridged
    assert kinds(sync.receive(delta(100, 101), now=3.0)) == ["Changed"]
    assert not sync.status().unbridged


def test_quiet_market_that_a_delta_joined_in_time_goes_live_once():
    sync, _ = bridge(100, [])
    assert kinds(sync.receive(delta(100, 101), now=1.5)) == ["Synced"]
    assert sync.tick(now=2.0) == []
    assert not sync.status().unbridged


def test_quiet_market_may_be_joined_by_a_straddling_delta():
    sync, _ = bridge(100, [])
    sync.tick(now=2.0)
    assert kinds(sync.receive(delta(98, 101), now=3.0)) == ["Changed"]
    assert sync.status().overlap
    assert kinds(sync.receive(delta(100, 102), now=3.0)) == [
        "Desynced",
        "FetchSnapshot",
    ]


def test_unbridged_book_is_withheld_if_the_next_delta_does_not_join():
    sync, _ = bridge(100, [])
    sync.tick(now=2.0)
    assert sync.receive(delta(105, 106), now=3.0)[0] == Desynced(
        "X", Cause.GAP, expected=100, got=105
    )


def test_snapshot_that_waits_is_too_old_if_the_first_delta_starts_after_it():
    sync, _ = bridge(100, [])
    assert kinds(sync.receive(delta(105, 106), now=1.1)) == ["FetchSnapshot"]
    assert sync.tick(now=2.0) == []  # it was waited for in vain
    assert kinds(sync.receive_snapshot(snapshot(105), 2.0, request=2)) == ["Synced"]


def test_snapshot_that_ends_where_the_buffer_ends_is_joined():
    _, outputs = bridge(100, [delta(90, 100)])
    assert outputs == [Synced("X", 100)]


def test_snapshot_ahead_of_the_buffer_waits_for_a_delta():
    sync, outputs = bridge(100, [delta(90, 95)])
    assert outputs == []
    assert sync.receive(delta(95, 101), now=1.2) == [Synced("X", 101, overlap=True)]


def test_end_of_input_settles_a_snapshot_that_waits():
    sync, _ = bridge(100, [])
    assert sync.settle(now=1.0) == [Synced("X", 100, unbridged=True)]
    assert sync.settle(now=1.0) == []


def test_snapshots_that_were_taken_and_those_that_were_late_are_counted():
    sync = live(100)
    assert sync.receive_snapshot(snapshot(50), now=5.1, request=1) == []
    counts = sync.status().counts
    assert (counts.requests, counts.snapshots, counts.late) == (1, 1, 1)


def test_snapshot_that_nobody_asked_for_is_joined_like_any_other():
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    sync.receive(delta(98, 101), now=0.0)
    assert sync.receive_snapshot(snapshot(90), now=1.0) == [
        FetchSnapshot("X", 2, 1.25, 1)  # too old
    ]
    (joined,) = sync.receive_snapshot(snapshot(98), now=1.0)
    assert joined == Synced("X", 101)


def test_snapshot_of_a_live_book_is_joined_once():
    sync = live(100)
    (changed,) = sync.receive_snapshot(snapshot(105), now=1.0)
    assert type(changed) is Changed
    assert kinds(sync.receive(delta(105, 106), now=1.0)) == ["Changed"]
    assert sync.receive(delta(104, 107), now=1.0)[0] == Desynced(
        "X", Cause.GAP, expected=106, got=104
    )


def test_answer_to_an_earlier_request_is_refused():
    sync = live(100)
    sync.receive(delta(101, 102), now=5.0)
    assert sync.receive_snapshot(snapshot(200), now=5.1, request=1) == []
    assert sync.status().counts.late == 1
    assert not sync.live


def test_second_answer_to_one_request_is_refused():
    sync = live(100)
    assert sync.receive_snapshot(snapshot(50), now=5.1, request=1) == []
    assert sync.book.sequence == 100


def test_second_answer_is_refused_while_the_first_waits_for_a_delta():
    sync, _ = bridge(100, [])
    assert sync.receive_snapshot(snapshot(50), now=1.1, request=1) == []
    assert sync.snapshot_failed(request=1, now=1.1) == []
    assert sync.tick(now=2.0) == [Synced("X", 100, unbridged=True)]


def test_failed_request_is_repeated_later_and_later():
    sync = Synchronizer("X", Policy(retry_min=1.0, retry_max=3.0))
    sync.connected(now=0.0)
    waits = []
    for request in range(1, 5):
        (again,) = sync.snapshot_failed(request, now=10.0)
        waits.append(again.at - 10.0)
    assert waits == [1.0, 2.0, 3.0, 3.0]


def test_backoff_starts_afresh_once_the_book_was_live():
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    sync.snapshot_failed(1, now=1.0)
    sync.receive(delta(99, 100), now=1.0)
    sync.receive_snapshot(snapshot(100), now=2.0, request=2)
    assert sync.live
    assert sync.receive(delta(101, 102), now=3.0)[1] == FetchSnapshot("X", 3, 3.0)


def test_failure_of_an_earlier_request_is_ignored():
    assert live(100).snapshot_failed(1, now=1.0) == []


def test_full_buffer_drops_its_oldest_and_counts_them():
    sync = Synchronizer("X", Policy(max_buffer=2))
    sync.connected(now=0.0)
    for n in range(5):
        sync.receive(delta(n, n + 1), now=0.0)
    counts = sync.status().counts
    assert (counts.discarded, counts.buffered) == (3, 2)
    assert adds_up(sync)
    assert kinds(sync.receive_snapshot(snapshot(2), 1.0, request=1)) == [
        "FetchSnapshot"
    ]
    assert kinds(sync.receive_snapshot(snapshot(3), 2.0, request=2)) == ["Synced"]


def test_buffer_is_bounded_by_levels_too():
    for most, left in ((3, 1), (4, 2), (5, 2)):
        sync = Synchronizer("X", Policy(max_buffer_levels=most))
        sync.connected(now=0.0)
        for n in range(4):
            sync.receive(delta(n, n + 1, [("9", "1")], [("10", "1")]), now=0.0)
        assert sync.status().counts.buffered == left
        sync.disconnected(now=1.0)
        sync.connected(now=2.0)
        for n in range(left):
            sync.receive(delta(n, n + 1, [("9", "1")], [("10", "1")]), now=2.0)
        assert sync.status().counts.buffered == left


@pytest.mark.parametrize("bids", [True, False])
def test_book_may_have_so_many_levels_a_side_and_no_more(bids):
    def level(n, price, size="1"):
        levels = [(price, size)]
        sides = (levels, ()) if bids else ((), levels)
        return sync.receive(delta(n, n + 1, *sides), now=1.0)

    sync = live(100, max_levels=3)
    for n, price in enumerate(("8", "7") if bids else ("11", "12")):
        assert kinds(level(100 + n, price)) == ["Changed"]
    for n in range(102, 110):  # no level more
        assert kinds(level(n, "7" if bids else "12", str(n))) == ["Changed"]
    outputs = level(110, "6" if bids else "13")
    assert outputs[0] == Malformed("X", "more than 3 levels")
    assert kinds(outputs) == ["Malformed", "Desynced", "FetchSnapshot"]


def test_levels_of_a_snapshot_count_from_there():
    sync = stream(max_levels=4)
    sync.receive_snapshot(snapshot(100), now=0.0)
    sync.receive(delta(100, 101, [("9", "2")]), now=1.0)
    sync.receive_snapshot(snapshot(102, [(p, "1") for p in "9876"]), now=2.0)
    outputs = sync.receive(delta(102, 103, [("5", "1")]), now=3.0)
    assert outputs[0] == Malformed("X", "more than 4 levels")


# -- from a checkpoint -----------------------------------------------------------


def restored(*, fresh=False):
    sync = Synchronizer("X")
    sync.restore(snapshot(100, time=50.0), [], (3, False), 5.0, fresh=fresh)
    return sync


def test_live_book_goes_on_from_a_checkpoint():
    sync = restored()
    status = sync.status(now=7.0)
    assert (status.state, status.sequence, status.age) == (State.LIVE, 100, 2.0)
    assert sync.asked == (3, False)
    assert kinds(sync.receive(delta(100, 101, [("9", "4")]), now=8.0)) == ["Changed"]
    assert str(sync.book.best_bid.size) == "4"


def test_checkpoint_knows_whether_a_straddling_delta_may_join():
    (changed,) = restored(fresh=True).receive(delta(98, 101), now=6.0)
    assert type(changed) is Changed
    assert restored().receive(delta(98, 101), now=6.0)[0] == Desynced(
        "X", Cause.GAP, expected=100, got=98
    )


def test_checkpoint_knows_the_venues_time():
    assert restored().receive(delta(3, 4, time=50.0), now=6.0) == []
    assert restored().receive(delta(3, 4, time=51.0), now=6.0)[0] == Desynced(
        "X", Cause.RESET, expected=100, got=4
    )


def test_book_that_waits_goes_on_from_a_checkpoint():
    sync = Synchronizer("X")
    held = [delta(98, 99), delta(99, 101)]
    sync.restore(None, held, (4, True), 5.0, fresh=False)
    assert (sync.state, sync.awaited) == (State.SYNCING, 4)
    assert sync.receive_snapshot(snapshot(99), now=6.0, request=4) == [Synced("X", 101)]
    assert sync.counts.received == 2
    assert adds_up(sync)


# -- trust ---------------------------------------------------------------------


def test_withheld_book_cannot_be_read_and_says_why():
    sync = live(100)
    book = sync.book
    sync.receive(delta(101, 102), now=5.0)
    with pytest.raises(BookNotLive, match="gap") as caught:
        _ = book.best_bid
    assert (caught.value.symbol, caught.value.cause) == ("X", "gap")


def test_delta_that_showed_the_gap_is_kept_for_the_next_snapshot():
    sync = live(100)
    sync.receive(delta(101, 102, [("9", "7")]), now=5.0)
    assert kinds(sync.receive_snapshot(snapshot(101), 5.1, request=2)) == ["Synced"]
    assert sync.book.sequence == 102
    assert str(sync.book.best_bid.size) == "7"


def test_repeated_delta_is_stale_and_harmless():
    sync = live(100)
    sync.receive(delta(100, 101), now=1.0)
    assert sync.receive(delta(100, 101), now=1.0) == []
    assert sync.status().counts.stale == 2  # and the one before the snapshot
    assert adds_up(sync)


def test_nothing_but_stale_deltas_means_that_the_numbers_started_again():
    sync = live(100, stale_deltas=3)
    sync.receive(delta(100, 101), now=1.0)
    for n in range(2):
        assert sync.receive(delta(n, n + 1), now=1.0) == []
    assert kinds(sync.receive(delta(2, 3), now=1.0)) == ["Desynced", "FetchSnapshot"]
    assert sync.cause is Cause.RESET


def test_stale_deltas_for_long_mean_the_same():
    sync = live(100)
    sync.receive(delta(100, 101), now=1.0)
    assert sync.receive(delta(1, 2), now=50.0) == []
    assert sync.receive(delta(2, 3), now=59.9) == []
    assert kinds(sync.receive(delta(2, 3), now=60.0)) == ["Desynced", "FetchSnapshot"]


def test_applied_delta_between_stale_ones_proves_the_numbering():
    sync = live(100, stale_deltas=2)
    for n in range(100, 110):
        assert kinds(sync.receive(delta(n, n + 1), now=1.0)) == ["Changed"]
        assert sync.receive(delta(n, n + 1), now=1.0) == []


def test_newer_time_with_an_older_number_is_a_reset_at_once():
    sync = live(100)
    sync.receive(delta(100, 101, time=50.0), now=1.0)
    outputs = sync.receive(delta(3, 4, time=51.0), now=1.1)
    assert outputs[0] == Desynced("X", Cause.RESET, expected=101, got=4)


@pytest.mark.parametrize(
    ("prev", "last", "time"),
    [
        pytest.param(99, 100, 49.0, id="older"),
        pytest.param(99, 100, 50.0, id="at the same time"),
        pytest.param(100, 101, 51.0, id="the newest, sent again later"),
        pytest.param(99, 100, None, id="without a time"),
    ],
)
def test_number_that_is_not_newer_is_a_repeat_unless_its_time_says_else(
    prev, last, time
):
    sync = live(100)
    sync.receive(delta(100, 101, time=50.0), now=1.0)
    assert sync.receive(delta(prev, last, time=time), now=1.1) == []


CROSSING = [("11", "1")]


def test_crossed_book_is_withheld_once_it_persists():
    sync = live(100, crossed_deltas=3)
    assert kinds(sync.receive(delta(100, 101, CROSSING), now=1.0)) == ["Changed"]
    assert kinds(sync.receive(delta(101, 102), now=1.1)) == ["Changed"]
    outputs = sync.receive(delta(102, 103), now=1.2)
    assert kinds(outputs) == ["Desynced", "FetchSnapshot"]  # nobody can read a change
    assert sync.counts.applied == 3
    assert sync.cause is Cause.CROSSED


def test_book_that_is_crossed_from_the_first_counts_from_there():
    sync = stream(crossed_deltas=3)
    crossed = snapshot(100, bids=CROSSING)
    assert sync.receive_snapshot(crossed, now=1.0) == [Synced("X", 100)]
    assert kinds(sync.receive(delta(100, 101), now=1.0)) == ["Changed"]
    assert kinds(sync.receive(delta(101, 102), now=1.0))[0] == "Desynced"


def test_crossed_book_is_withheld_after_a_while_without_deltas():
    sync = live(100, crossed_seconds=2.0)
    sync.receive(delta(100, 101, CROSSING), now=1.0)
    assert sync.deadline() == 3.0
    assert kinds(sync.tick(now=3.0)) == ["Desynced", "FetchSnapshot"]


def test_book_that_uncrosses_is_forgiven():
    sync = live(100, crossed_deltas=2)
    sync.receive(delta(100, 101, CROSSING), now=1.0)
    sync.receive(delta(101, 102, [("11", "0")]), now=1.1)
    assert sync.deadline() is None
    assert kinds(sync.receive(delta(102, 103, CROSSING), now=1.2)) == ["Changed"]


def test_crossing_is_no_fault_where_it_is_part_of_the_market():
    sync = live(100, suspicious=False, crossed_deltas=1)
    assert kinds(sync.receive(delta(100, 101, CROSSING), now=1.0)) == ["Changed"]


@pytest.mark.parametrize("size", ["NaN", "-1", "Infinity", "x", ""])
def test_delta_with_an_impossible_level_is_refused_and_costs_one_resync(size):
    sync = live(100)
    outputs = sync.receive(delta(100, 101, [("9", size)]), now=1.0)
    assert kinds(outputs) == ["Malformed", "Desynced", "FetchSnapshot"]
    assert outputs[0].symbol == "X"
    assert sync.status().counts.refused == 1
    assert adds_up(sync)


def test_impossible_level_in_the_buffer_is_refused_while_joining():
    sync, outputs = bridge(100, [delta(100, 101, [("9", "NaN")])])
    assert kinds(outputs) == ["Malformed", "FetchSnapshot"]
    assert adds_up(sync)


def test_impossible_level_in_a_snapshot_is_refused():
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    bad = snapshot(100, bids=[("-1", "1")])
    outputs = sync.receive_snapshot(bad, now=1.0, request=1)
    assert kinds(outputs) == ["Malformed", "FetchSnapshot"]
    assert isinstance(outputs[0], Malformed)


def checks_for(*values):
    """A checksum that comes out as ``values``, one after another."""
    iterator = iter(values)
    return lambda _bids, _asks, _symbol: next(iterator)


def test_checksum_that_differs_withholds_the_book():
    sync = stream(checksum=checks_for(7, 8, 9))
    assert kinds(sync.receive_snapshot(snapshot(1, checksum=7), now=0.0)) == ["Synced"]
    assert kinds(sync.receive(delta(1, 2, checksum=8), now=0.1)) == ["Changed"]
    outputs = sync.receive(delta(2, 3, checksum=1), now=0.2)
    assert outputs == [Desynced("X", Cause.CHECKSUM, got=1), Resubscribe("X", 0.2)]
    counts = sync.status().counts
    assert (counts.checksums_passed, counts.checksums_failed) == (2, 1)


def test_checksum_of_the_standing_book_is_compared():
    sync = stream(checksum=checks_for(5, 5))
    sync.receive_snapshot(snapshot(1), now=0.0)
    assert sync.checked(5, now=0.1) == []
    assert kinds(sync.checked(6, now=0.2)) == ["Desynced", "Resubscribe"]


def test_checksum_reads_texts_best_first():
    seen = []

    def compute(bids, asks, symbol):
        seen.append((list(bids), list(asks), symbol))
        return 1

    sync = stream(checksum=compute, checksum_levels=1)
    bids = [("8.10", "2.0"), ("9.10", "1.50")]
    sync.receive_snapshot(snapshot(1, bids, [("10", "1e0")], checksum=1), now=0.0)
    assert seen[0][0] == [("9.10", "1.50")]
    assert seen[0][2] == "X"


def test_distrust_by_somebody_else_costs_a_resync():
    outputs = live(100).distrust(Cause.MALFORMED, now=1.0)
    assert kinds(outputs) == ["Desynced", "FetchSnapshot"]


# -- streams that send their own snapshots -------------------------------------


def test_stream_waits_for_its_snapshot_and_drops_deltas_before_it():
    sync = stream()
    assert sync.receive(delta(1, 2), now=0.0) == []
    assert sync.status().counts.discarded == 1
    assert sync.receive_snapshot(snapshot(5), now=0.1) == [Synced("X", 5)]
    assert adds_up(sync)


def test_snapshot_that_does_not_come_is_asked_for_again():
    sync = stream(snapshot_wait=4.0)
    assert sync.deadline() == 4.0
    (again,) = sync.tick(now=4.0)
    assert isinstance(again, Resubscribe)
    assert again.attempt == 1
    assert sync.deadline() == again.at + 4.0


def test_gap_in_a_stream_resubscribes_and_drops_until_the_snapshot():
    sync = stream()
    sync.receive_snapshot(snapshot(5), now=0.0)
    outputs = sync.receive(delta(6, 7), now=0.1)
    assert kinds(outputs) == ["Desynced", "Resubscribe"]
    assert sync.receive(delta(7, 8), now=0.2) == []
    assert kinds(sync.receive_snapshot(snapshot(9), now=0.3)) == ["Synced"]
    assert sync.counts.requests == 1
    assert adds_up(sync)


def test_overlap_is_never_allowed_where_the_stream_sends_the_snapshot():
    sync = stream()
    sync.receive_snapshot(snapshot(5), now=0.0)
    assert kinds(sync.receive(delta(4, 6), now=0.1)) == ["Desynced", "Resubscribe"]


def test_every_frame_a_snapshot_drops_older_ones():
    sync = Synchronizer("X", Policy(way=Way.WAIT, newest=True))
    sync.connected(now=0.0)
    sync.receive_snapshot(snapshot(5), now=0.0)
    assert sync.receive_snapshot(snapshot(4), now=0.1) == []
    assert kinds(sync.receive_snapshot(snapshot(6), now=0.2)) == ["Changed"]
    assert kinds(sync.receive_snapshot(snapshot(6), now=0.3)) == ["Changed"]


def test_periodic_snapshot_that_does_not_come_is_asked_for():
    sync = Synchronizer("X", Policy(way=Way.WAIT, snapshot_wait=90.0))
    sync.connected(now=0.0)
    sync.receive_snapshot(snapshot(5), now=0.0)
    assert kinds(sync.receive(delta(6, 7), now=1.0)) == ["Desynced"]
    assert sync.tick(now=90.9) == []
    assert kinds(sync.tick(now=91.0)) == ["Resubscribe"]


def test_fault_while_a_periodic_snapshot_is_awaited_asks_for_nothing():
    sync = Synchronizer("X", Policy(way=Way.WAIT, snapshot_wait=90.0))
    sync.connected(now=0.0)
    sync.distrust(Cause.MALFORMED, now=1.0)
    assert kinds(sync.distrust(Cause.MALFORMED, now=2.0)) == []


def test_every_frame_a_snapshot_is_not_asked_for():
    sync = Synchronizer("X", Policy(way=Way.WAIT, newest=True, snapshot_wait=90.0))
    sync.connected(now=0.0)
    assert sync.tick(now=90.0) == []


def test_request_frame_without_an_answer_is_repeated():
    sync = Synchronizer("X", Policy(answer_wait=5.0))
    sync.connected(now=0.0)
    assert sync.awaited == 1
    assert sync.tick(now=5.0) == [FetchSnapshot("X", 2, 5.25, 1)]


# -- ends ----------------------------------------------------------------------


def test_snapshot_that_came_is_waited_for_no_more():
    sync = Synchronizer("X", Policy(answer_wait=5.0, quiet_wait=50.0))
    (asked,) = sync.connected(0.0)
    made = Snapshot("X", 10, [("9", "1")], [("10", "1")])
    assert sync.receive_snapshot(made, 1.0, request=asked.request) == []
    assert sync.deadline() == 51.0


def test_disconnect_withholds_and_forgets():
    sync = live(100)
    assert sync.disconnected(now=1.0) == [
        Desynced("X", Cause.DISCONNECTED, scope=Scope.CONNECTION)
    ]
    assert sync.disconnected(now=1.0) == []
    assert sync.receive(delta(100, 101), now=1.0) == []
    assert sync.receive_snapshot(snapshot(200), now=1.0) == []
    assert adds_up(sync)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda sync: sync.disconnected(1.0), id="disconnected"),
        pytest.param(lambda sync: sync.halted(Halted("X", ""), 1.0), id="halted"),
        pytest.param(lambda sync: sync.rejected(1.0), id="rejected"),
        pytest.param(lambda sync: sync.retired(1.0), id="retired"),
    ],
)
def test_end_lets_go_of_what_was_buffered(end):
    sync = Synchronizer("X", Policy(answer_wait=5.0))
    sync.connected(now=0.0)
    sync.receive(delta(9, 10), now=0.5)
    sync.receive(delta(10, 11), now=0.5)
    assert sync.status().counts.buffered == 2
    end(sync)
    assert (sync.state, sync.buffered, sync.deadline()) == (State.OFFLINE, (), None)
    assert (sync.status().counts.buffered, sync.status().counts.discarded) == (0, 2)
    assert adds_up(sync)


def test_retired_book_counts_nothing_as_buffered_any_more():
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    sync.receive(delta(9, 10), now=0.5)
    assert sync.status().counts.buffered == 1
    sync.retired(1.0)
    assert sync.counts.buffered == 0  # who takes its place adds these


def test_retired_book_cannot_be_read():
    sync = live(100)
    sync.retired(1.0)
    assert (sync.state, sync.cause) == (State.OFFLINE, Cause.CLOSING)
    with pytest.raises(BookNotLive, match="closing"):
        _ = sync.book.best_bid
    assert sync.counts.desyncs == 0
    sync.retired(2.0)  # idempotent
    assert sync.since == 1.0


def test_reconnecting_asks_afresh():
    sync = live(100)
    sync.disconnected(now=1.0)
    assert sync.connected(now=2.0) == [FetchSnapshot("X", 2, 2.0)]


def test_halted_market_is_withheld_until_it_resumes():
    sync = live(100)
    halted = Halted("X", "delisted")
    assert sync.halted(halted, now=1.0) == [Desynced("X", Cause.HALTED), halted]
    with pytest.raises(BookNotLive, match="halted"):
        _ = sync.book.best_bid
    resumed = Resumed("X")
    assert kinds(sync.resumed(resumed, now=2.0)) == ["Resumed", "FetchSnapshot"]
    assert sync.resumed(resumed, now=2.0) == [resumed]


def test_rejected_symbol_stays_offline():
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    assert sync.rejected(now=1.0) == []
    assert sync.connected(now=2.0) == []
    assert sync.state is State.OFFLINE


@pytest.mark.parametrize("cause", [Cause.GAP, Cause.LOST, Cause.CHECKSUM, Cause.RESET])
def test_faults_while_offline_change_nothing(cause):
    sync = Synchronizer("X")
    assert sync.distrust(cause, now=0.0) == []
    assert sync.lost(1, 2, now=0.0) == []


def test_last_live_book_is_kept_on_request():
    sync = Synchronizer("X", book=Book("X"), keep_last=True)
    sync.connected(now=0.0)
    sync.receive(delta(99, 100), now=0.0)
    sync.receive_snapshot(snapshot(100), now=0.0, request=1)
    sync.receive(delta(101, 102), now=1.0)
    assert str(sync.last.best_bid.price) == "9"


def test_half_a_change_is_not_kept_as_the_last_live_book():
    sync = Synchronizer("X", book=Book("X"), keep_last=True)
    sync.connected(now=0.0)
    sync.receive(delta(99, 100), now=0.0)
    sync.receive_snapshot(snapshot(100), now=0.0, request=1)
    broken = Delta("X", 100, 101, [("9", "77"), ("8", "NaN")], [])
    sync.receive(broken, now=1.0)
    assert sync.cause is Cause.MALFORMED
    assert sync.last is None


def test_every_state_can_go_offline():
    for state in State:
        assert TRANSITIONS[state][Cause.DISCONNECTED] is State.OFFLINE


def test_only_a_join_makes_a_book_live():
    live_by = {
        cause
        for moves in TRANSITIONS.values()
        for cause, state in moves.items()
        if state is State.LIVE
    }
    assert live_by == {Cause.JOINED}


def test_status_says_age_and_since():
    sync = live(100)
    sync.receive(delta(100, 101), now=4.0)
    status = sync.status(now=6.5)
    assert (status.age, status.since, status.sequence) == (2.5, 0.0, 101)
    assert status.state is State.LIVE


def test_age_counts_from_whatever_was_heard_last():
    sync = Synchronizer("X")
    assert sync.status(now=1.0).age is None
    sync.connected(now=1.0)
    assert sync.status(now=9.0).age == 8.0
    sync.receive(delta(99, 100), now=2.0)
    assert sync.status(now=9.0).age == 7.0
    sync.receive_snapshot(snapshot(100), now=3.0, request=1)
    assert sync.status(now=9.0).age == 6.0
    sync.receive(delta(100, 101), now=4.0)
    assert sync.status(now=9.0).age == 5.0
    sync.receive(delta(101, 102), now=5.0)
    assert sync.status(now=9.0).age == 4.0
    sync.receive(delta(100, 101), now=6.0)  # stale
    assert sync.status(now=9.0).age == 3.0


def test_repr_is_observable_state():
    assert repr(live(100)) == "<Synchronizer X live@100>"


# -- numbers that start again while a snapshot is on its way --------------------


def test_numbers_that_start_again_while_waiting_empty_the_buffer():
    """Found by `booksync demo --seed 5`: the old numbers' buffer was kept for ever."""
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    sync.receive(delta(1000, 1010, time=10.0), now=0.0)
    sync.receive(delta(5, 6, time=11.0), now=0.1)
    assert sync.receive_snapshot(snapshot(5), 0.2, request=1) == [Synced("X", 6)]
    assert adds_up(sync)


def test_repeated_delta_in_the_buffer_does_not_empty_it():
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    sync.receive(delta(100, 101, time=10.0), now=0.0)
    sync.receive(delta(101, 102, time=11.0), now=0.1)
    sync.receive(delta(100, 101, time=10.0), now=0.2)
    assert sync.status().counts.buffered == 3


def test_snapshots_that_stay_too_old_mean_that_the_numbers_started_again():
    sync = Synchronizer("X", Policy(old_snapshots=3))
    sync.connected(now=0.0)
    sync.receive(delta(1000, 1010), now=0.0)
    sync.receive(delta(5, 6), now=0.1)
    for request in range(1, 4):
        again = sync.receive_snapshot(snapshot(5), 0.2, request=request)
        assert kinds(again) == ["FetchSnapshot"]
    sync.receive(delta(6, 7), now=0.3)
    assert kinds(sync.receive_snapshot(snapshot(6), 0.4, request=4)) == ["Synced"]
    assert adds_up(sync)


def test_so_many_snapshots_must_be_too_old_for_each_buffer():
    sync = Synchronizer("X", Policy(old_snapshots=3))
    sync.connected(now=0.0)
    left = []
    for request in range(1, 8):
        if not sync.buffered:
            sync.receive(delta(1000, 1010), now=0.0)
        sync.receive_snapshot(snapshot(5), 0.2, request=request)
        left.append(len(sync.buffered))
    assert left == [1, 1, 0, 1, 1, 0, 1]


def test_numbers_that_start_again_are_told_by_the_time_of_what_joined():
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    sync.receive(delta(100, 101, time=50.0), now=0.0)
    sync.receive_snapshot(snapshot(100), now=0.1, request=1)
    assert sync.receive(delta(3, 4, time=50.0), now=0.2) == []
    assert sync.receive(delta(3, 4, time=51.0), now=0.3)[0] == Desynced(
        "X", Cause.RESET, expected=101, got=4
    )


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda sync: sync.lost(1, 3, 0.1), id="lost"),
        pytest.param(lambda sync: sync.distrust(Cause.MALFORMED, 0.1), id="distrust"),
    ],
)
def test_fault_of_the_stream_ends_what_was_buffered(fault):
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    sync.receive(delta(100, 101), now=0.0)
    fault(sync)
    assert sync.buffered == ()
    assert adds_up(sync)


def test_withheld_is_the_time_without_a_book():
    sync = live(100)
    sync.receive(delta(101, 102), now=2.0)
    assert sync.status(now=3.5).withheld == 1.5
    sync.receive_snapshot(snapshot(101), now=5.0, request=2)
    status = sync.status(now=9.0)
    assert (status.withheld, status.desyncs_by) == (3.0, {Cause.GAP: 1})
    assert (status.counts.desyncs, status.counts.resyncs) == (1, 1)
    assert status.resyncs_by == {Cause.GAP: 1}


def test_doubts_about_a_book_end_with_it():
    sync, _ = bridge(100, [])
    sync.tick(now=2.0)
    assert sync.status().unbridged
    sync.distrust(Cause.DRIFT, now=3.0)
    assert not sync.status().unbridged
    sync, _ = bridge(100, [delta(98, 101)])
    assert sync.status().overlap
    sync.distrust(Cause.DRIFT, now=3.0)
    assert not sync.status().overlap


def test_stale_deltas_before_a_resync_do_not_count_after_it():
    sync = live(100, stale_deltas=3)
    for now in (1.0, 1.1):
        assert sync.receive(delta(1, 2), now=now) == []
    sync.distrust(Cause.DRIFT, now=1.2)
    sync.receive_snapshot(snapshot(100), now=1.3, request=2)
    sync.tick(now=2.3)
    for now in (2.4, 2.5):
        assert sync.receive(delta(1, 2), now=now) == []
    assert sync.receive(delta(1, 2), now=2.6)[0].cause is Cause.RESET


def test_crossing_is_forgotten_with_the_book():
    sync = live(100, crossed_seconds=1.0)
    sync.receive(delta(100, 101, CROSSING), now=2.0)
    sync.receive(delta(102, 103), now=2.5)
    assert sync.tick(now=3.0) == []
    assert sync.cause is Cause.GAP


def test_cause_of_a_book_that_was_never_live_is_the_retry():
    sync = Synchronizer("X")
    sync.connected(now=0.0)
    assert sync.cause is Cause.CONNECTED
    sync.snapshot_failed(request=1, now=1.0)
    assert sync.cause is Cause.RETRY
    sync = live(100)
    sync.receive(delta(101, 102), now=1.0)
    sync.snapshot_failed(request=2, now=2.0)
    assert sync.cause is Cause.GAP


def test_who_keeps_the_timer_is_told_when_the_deadline_changes():
    policy = Policy(answer_wait=5.0, quiet_wait=1.0, crossed_seconds=1.0)
    sync = Synchronizer("X", policy)
    steps = [
        (lambda: sync.connected(now=0.0), 5.0),
        (lambda: sync.receive_snapshot(snapshot(100), now=1.0, request=1), 2.0),
        (lambda: sync.receive(delta(100, 101), now=1.5), None),  # joined
        (lambda: sync.receive(delta(101, 102, CROSSING), now=2.0), 3.0),
        (lambda: sync.receive(delta(102, 103, [("11", "0")]), now=2.5), None),
        (lambda: sync.receive(delta(104, 105), now=3.0), 8.0),  # a gap
        (lambda: sync.disconnected(now=4.0), None),
    ]
    for step, deadline in steps:
        sync.dirty = False
        step()
        assert (sync.dirty, sync.deadline()) == (True, deadline)


# -- age -----------------------------------------------------------------------


def test_old_book_is_withheld_until_the_next_message_that_fits():
    sync = live(100, max_age=5.0)
    sync.receive(delta(100, 101), now=1.0)
    assert sync.deadline() == 6.0
    assert sync.tick(now=6.0) == [Desynced("X", Cause.AGED)]
    with pytest.raises(BookNotLive, match="aged"):
        _ = sync.book.best_bid
    assert sync.receive(delta(99, 100), now=7.0) == []
    assert kinds(sync.receive(delta(101, 102), now=8.0)) == ["Synced", "Changed"]
    assert sync.status().counts.requests == 1
    assert adds_up(sync)


def test_book_that_is_live_again_is_asked_for_its_age_no_more():
    sync = stream(max_age=5.0)
    sync.receive_snapshot(snapshot(100, time=0.0), now=0.0)
    sync.receive(delta(100, 101, time=0.5), now=0.5)
    assert kinds(sync.tick(now=5.5)) == ["Desynced"]
    assert kinds(sync.receive(delta(101, 102, time=8.0), now=8.0)) == [
        "Synced",
        "Changed",
    ]
    late = snapshot(103, time=1.0)
    assert kinds(sync.receive_snapshot(late, now=9.0)) == ["Changed"]


def test_old_book_that_missed_something_is_built_again():
    sync = live(100, max_age=5.0)
    sync.receive(delta(100, 101), now=1.0)
    sync.tick(now=6.0)
    outputs = sync.receive(delta(103, 104), now=8.0)
    assert kinds(outputs) == ["Gap", "FetchSnapshot"]
    assert sync.counts.gaps == 1
    assert adds_up(sync)


def test_snapshot_in_the_stream_that_crosses_for_good_changes_nothing_readable():
    sync = live(100, crossed_deltas=1)
    crossed = Snapshot("X", 200, [("12", "1")], [("11", "1")])
    assert kinds(sync.receive_snapshot(crossed, now=1.0)) == [
        "Desynced",
        "FetchSnapshot",
    ]
