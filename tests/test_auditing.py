"""The shadow of a live book: what an audit may say, and what it must not."""

from __future__ import annotations

import pytest

from booksync.events import (
    Audited,
    Check,
    Desynced,
    Drift,
    FetchSnapshot,
    Malformed,
    Synced,
    Verdict,
)
from booksync.messages import Delta, Snapshot
from booksync.policy import Policy, Way
from booksync.states import Cause
from booksync.sync import Synchronizer


def delta(prev, last, bids=(), asks=()):
    return Delta("X", prev, last, bids, asks)


def snapshot(sequence, bids=(("9", "1"), ("8", "2")), depth=None):
    return Snapshot("X", sequence, bids, [("10", "1")], depth=depth)


def live(depth=None, **policy):
    sync = Synchronizer("X", Policy(ring=16, **policy))
    sync.connected(now=0.0)
    sync.receive(delta(99, 100), now=0.0)
    sync.receive_snapshot(snapshot(100, depth=depth), now=0.0, request=1)
    for n in range(100, 105):
        sync.receive(delta(n, n + 1, [("9", str(n))]), now=1.0)
    assert sync.live
    return sync


def audited(verdict, **more):
    fields = {"sequence": 105, "compared": 3, "differing": 0} | more
    return Audited("X", verdict=verdict, **fields)


def test_snapshot_at_the_books_sequence_that_equals_it_matches():
    sync = live()
    assert sync.audit(snapshot(105, [("9", "104"), ("8", "2")]), now=2.0) == [
        audited(Verdict.MATCHED)
    ]
    assert sync.live
    assert sync.status().counts.audits == 1


def test_deltas_that_joined_are_remembered_too():
    sync = Synchronizer("X", Policy(ring=16))
    sync.connected(now=0.0)
    sync.receive(delta(100, 101, [("9", "5")]), now=0.0)
    sync.receive(delta(101, 102, [("8", "7")]), now=0.0)
    sync.receive_snapshot(snapshot(100), now=0.0, request=1)
    (event,) = sync.audit(snapshot(101, [("9", "5"), ("8", "2")]), now=1.0)
    assert event == audited(Verdict.MATCHED, sequence=102)


def test_older_snapshot_is_brought_forward_by_what_is_remembered():
    sync = live()
    outputs = sync.audit(snapshot(102, [("9", "101"), ("8", "2")]), now=2.0)
    assert outputs == [audited(Verdict.MATCHED)]


def test_level_that_differs_costs_a_resync():
    sync = live()
    outputs = sync.audit(snapshot(105, [("9", "104"), ("8", "3")]), now=2.0)
    assert outputs == [
        audited(Verdict.DIFFERING, differing=1),
        Desynced("X", Cause.DRIFT),
        FetchSnapshot("X", 2, 2.0),
    ]


def test_level_that_only_one_of_them_has_differs():
    sync = live()
    (event, *_) = sync.audit(snapshot(105, [("9", "104")]), now=2.0)
    assert (event.verdict, event.differing) == (Verdict.DIFFERING, 1)


def test_snapshot_older_than_what_is_remembered_proves_nothing():
    sync = live()
    (event,) = sync.audit(snapshot(50), now=2.0)
    assert event.verdict is Verdict.INCONCLUSIVE
    assert sync.live
    assert sync.status().counts.inconclusive == 1


def test_snapshot_inside_a_delta_proves_nothing_if_it_differs():
    sync = live()
    sync.receive(delta(105, 110, [("9", "7")]), now=1.0)
    (event,) = sync.audit(snapshot(107, [("9", "6"), ("8", "3")]), now=2.0)
    assert event.verdict is Verdict.INCONCLUSIVE
    (event,) = sync.audit(snapshot(107, [("9", "6"), ("8", "2")]), now=2.0)
    assert event.verdict is Verdict.MATCHED


def test_snapshot_inside_a_delta_that_lists_all_it_touched_is_exact():
    sync = live(exact_overlap=True)
    sync.receive(delta(105, 110, [("9", "7")]), now=1.0)
    (event, *_) = sync.audit(snapshot(107, [("9", "6"), ("8", "3")]), now=2.0)
    assert event.verdict is Verdict.DIFFERING


def test_snapshot_ahead_of_the_book_waits_for_it():
    sync = live()
    assert sync.audit(snapshot(107, [("9", "7"), ("8", "2")]), now=2.0) == []
    assert len(sync.receive(delta(105, 106), now=2.1)) == 1
    outputs = sync.receive(delta(106, 107, [("9", "7")]), now=2.2)
    assert outputs[1:] == [audited(Verdict.MATCHED, sequence=107)]


def test_book_that_a_snapshot_ahead_refutes_does_not_change_before():
    sync = live()
    sync.audit(snapshot(106, [("9", "6"), ("8", "3")]), now=2.0)
    outputs = sync.receive(delta(105, 106, [("9", "6")]), now=2.1)
    assert outputs == [
        audited(Verdict.DIFFERING, sequence=106, differing=1),
        Desynced("X", Cause.DRIFT),
        FetchSnapshot("X", 2, 2.1),
    ]


def test_snapshot_that_waits_is_forgotten_with_the_book():
    sync = live()
    sync.audit(snapshot(107), now=2.0)
    sync.receive(delta(106, 108), now=2.1)
    sync.receive_snapshot(snapshot(108), now=2.2, request=2)
    assert len(sync.receive(delta(108, 109), now=2.3)) == 1


def test_nothing_is_brought_forward_over_what_was_lost():
    sync = live()
    sync.receive(delta(107, 108), now=2.1)
    sync.receive_snapshot(snapshot(108, [("9", "1"), ("8", "9")]), now=2.2, request=2)
    sync.receive(delta(108, 109), now=2.3)
    (event,) = sync.audit(snapshot(103, [("9", "102"), ("8", "2")]), now=3.0)
    assert event.verdict is Verdict.INCONCLUSIVE


def test_snapshot_that_waited_is_compared_once():
    sync = live()
    sync.audit(snapshot(106, [("9", "6"), ("8", "2")]), now=2.0)
    assert len(sync.receive(delta(105, 106, [("9", "6")]), now=2.1)) == 2
    assert sync.receive(delta(105, 106), now=2.2) == []  # stale: the next goes slowly
    assert len(sync.receive(delta(106, 107), now=2.3)) == 1


def test_only_levels_inside_both_windows_are_compared():
    sync = live(depth=2)  # the book is complete down to 8
    sync.receive(delta(105, 106, [("7", "9")]), now=1.0)  # known, not complete there
    levels = [("9", "104"), ("8", "2"), ("6", "5")]
    (event, *_) = sync.audit(snapshot(106, levels), now=2.0)
    assert (event.verdict, event.compared) == (Verdict.MATCHED, 3)


def test_book_that_matches_takes_the_wider_window():
    sync = live(depth=2)
    levels = [("9", "104"), ("8", "2"), ("7", "5"), ("6", "5")]
    sync.audit(snapshot(105, levels, depth=4), now=2.0)
    assert str(sync.book.window.bid) == "6"
    assert str(sync.book.size_at("bid", 7)) == "5"
    sync.book.check()


def test_levels_that_an_audit_brought_count_as_others_do():
    sync = live(depth=2, max_levels=4)
    levels = [("9", "104"), ("8", "2"), ("7", "5"), ("6", "5")]
    sync.audit(snapshot(105, levels, depth=4), now=2.0)
    outputs = sync.receive(delta(105, 106, [("5", "1")]), now=3.0)
    assert outputs[0] == Malformed("X", "more than 4 levels")


def test_audit_that_agrees_clears_the_doubt_of_an_overlap():
    sync = Synchronizer("X", Policy(ring=16))
    sync.connected(now=0.0)
    sync.receive(delta(98, 101), now=0.0)
    sync.receive_snapshot(snapshot(100), now=0.0, request=1)
    assert sync.status().overlap
    sync.audit(snapshot(101), now=1.0)
    assert not sync.status().overlap


@pytest.mark.parametrize("bad", [[("9", "NaN")], [("-1", "1")]])
def test_snapshot_that_no_book_can_hold_proves_nothing(bad):
    (event,) = live().audit(snapshot(105, bad), now=2.0)
    assert event.verdict is Verdict.INCONCLUSIVE


def test_book_that_is_not_live_is_not_audited():
    sync = live()
    sync.receive(delta(106, 107), now=2.0)
    assert sync.audit(snapshot(105), now=2.0) == []


# -- how wrong the book was ------------------------------------------------------------


def resynced(sync, made, *, request=2, now=5.0):
    (event,) = sync.receive_snapshot(made, now=now, request=request)
    assert type(event) is Synced
    return event.drift


def lossy(*, at=3.0):
    """A book at 105 that missed (105, 107]; (107, 109] waits."""
    sync = live()
    sync.receive(delta(107, 108, [("9", "7")]), now=at)
    sync.receive(delta(108, 109, [("7", "3")]), now=at)
    assert not sync.live
    return sync


def test_drift_is_what_went_missing_and_was_not_mended_since():
    # What was lost changed 8 and 9; 9 was told anew. 7 differs in neither.
    made = snapshot(108, [("9", "7"), ("8", "5")])
    assert resynced(lossy(), made) == Drift(compared=4, differing=1, seconds=2.0)


def test_deltas_that_the_snapshot_has_already_are_written_over_the_old_book():
    made = snapshot(109, [("9", "7"), ("8", "2"), ("7", "3")])
    assert resynced(lossy(), made) == Drift(compared=4, differing=0, seconds=2.0)


def test_drift_is_compared_inside_both_windows():
    made = snapshot(108, [("9", "7"), ("8", "2")], depth=2)
    found = resynced(lossy(), made)  # 7 lies beyond the new window
    assert found == Drift(compared=3, differing=0, seconds=2.0)


def test_first_book_replaces_none():
    sync = Synchronizer("X", Policy(way=Way.RESUBSCRIBE))
    sync.connected(now=0.0)
    assert sync.receive_snapshot(snapshot(100), now=1.0) == [Synced("X", 100)]


def test_book_in_a_stream_is_compared_as_it_was():
    sync = Synchronizer("X", Policy(way=Way.RESUBSCRIBE))
    sync.connected(now=0.0)
    sync.receive_snapshot(snapshot(100), now=1.0)
    sync.disconnected(now=2.0)
    sync.connected(now=3.0)
    (event,) = sync.receive_snapshot(snapshot(200, [("9", "4")]), now=4.0)
    assert event.drift == Drift(compared=3, differing=2, seconds=2.0)


def test_book_that_was_withheld_for_its_age_alone_has_no_drift_later():
    sync = Synchronizer("X", Policy(way=Way.RESUBSCRIBE, max_age=5.0))
    sync.connected(now=0.0)
    sync.receive_snapshot(snapshot(100), now=0.0)
    sync.tick(now=5.0)
    assert len(sync.receive(delta(100, 101), now=6.0)) == 2  # live again
    sync.receive_snapshot(snapshot(110), now=7.0)
    sync.receive(delta(110, 111, [("9", "nan")]), now=8.0)
    assert sync.receive_snapshot(snapshot(120), now=9.0) == [Synced("X", 120)]


def test_only_the_book_that_was_served_is_compared():
    """A snapshot that is too old to join is none that anybody read."""
    sync = lossy()
    old = snapshot(103, [("9", "1"), ("8", "5")])
    outputs = sync.receive_snapshot(old, 4.0, request=2)
    assert [type(output) for output in outputs] == [FetchSnapshot]
    made = snapshot(108, [("9", "7"), ("8", "5")])
    found = resynced(sync, made, request=3)
    assert found == Drift(compared=4, differing=1, seconds=2.0)


@pytest.mark.parametrize("wrong", [[("9", "nan")], [("-9", "1")]])
def test_book_that_a_malformed_delta_spoiled_is_not_compared(wrong):
    sync = live()
    sync.receive(delta(105, 106, wrong), now=3.0)
    sync.receive(delta(106, 107), now=3.0)
    assert resynced(sync, snapshot(106)) is None


def test_malformed_delta_that_the_snapshot_makes_stale_ends_the_comparison():
    sync = live()
    sync.receive(delta(107, 108, [("9", "nan")]), now=3.0)
    sync.receive(delta(108, 109), now=3.0)
    assert resynced(sync, snapshot(108)) is None


def test_only_the_best_levels_are_read():
    bids = [(str(10_000 - n), "1") for n in range(2_000)]
    sync = Synchronizer("X", Policy(way=Way.RESUBSCRIBE))
    sync.connected(now=0.0)
    ask = [("10001", "1")]
    sync.receive_snapshot(Snapshot("X", 1, bids, ask), now=1.0)
    sync.disconnected(now=2.0)
    sync.connected(now=3.0)
    other = [(price, "2") for price, _ in bids]
    (event,) = sync.receive_snapshot(Snapshot("X", 9, other, ask), now=4.0)
    assert event.drift == Drift(compared=201, differing=200, seconds=2.0)


# -- the window ------------------------------------------------------------------------


LEVELS = [(str(100 - n), "1") for n in range(10)]


def near_the_edge(**policy):
    """A live book at 64 whose best bid came from 100 to 93; its window ends at 91."""
    sync = Synchronizer("X", Policy(refresh=0.5, refresh_pause=30.0, **policy))
    sync.connected(now=0.0)
    sync.receive(delta(-1, 0), now=0.0)
    made = Snapshot("X", 0, LEVELS, [("101", "1")], depth=10)
    sync.receive_snapshot(made, now=0.0, request=1)
    assert sync.book.window.bid == 91
    gone = [(price, "0") for price, _ in LEVELS[:7]]
    for n in range(63):
        outputs = sync.receive(delta(n, n + 1, gone), now=1.0)
        assert [type(e).__name__ for e in outputs] == ["Changed"]
    outputs = sync.receive(delta(63, 64, gone), now=1.0)
    assert outputs[1:] == [Check("X")]
    return sync


def below(sequence):
    bids = [(str(93 - n), "1") for n in range(10)]
    return Snapshot("X", sequence, bids, [("101", "1")], depth=10)


def test_match_widens_the_window_of_a_book_that_stays_live():
    sync = near_the_edge()
    for n in range(64, 70):  # while the answer is on its way
        sync.receive(delta(n, n + 1, [("93", str(n))]), now=1.0)
    (event,) = sync.audit(below(64), now=1.5)
    assert event.verdict is Verdict.MATCHED
    assert sync.live
    assert (sync.book.window.bid, sync.book.sequence) == (84, 70)
    assert sync.book.size_at("bid", 93) == 69


def test_answer_may_stand_before_the_delta_that_made_it_ask():
    """A venue's REST servers may be a moment behind its stream."""
    (event,) = near_the_edge().audit(below(63), now=1.5)
    assert event.verdict is Verdict.MATCHED
    (event,) = near_the_edge().audit(below(62), now=1.5)
    assert event.verdict is Verdict.INCONCLUSIVE


def test_window_is_asked_for_once_until_the_pause_is_over():
    sync = near_the_edge()
    found = [sync.receive(delta(n, n + 1), now=30.9) for n in range(64, 64 + 64)]
    assert not any(Check("X") in outputs for outputs in found)
    found = [sync.receive(delta(n, n + 1), now=31.0) for n in range(128, 128 + 64)]
    assert [Check("X") in outputs for outputs in found] == [False] * 63 + [True]


def test_part_that_must_be_left_is_of_the_newest_window():
    sync = near_the_edge()
    bids = [(str(93 - n), "1") for n in range(20)]
    sync.audit(Snapshot("X", 64, bids, [("101", "1")], depth=20), now=1.5)
    assert sync.book.window.bid == 74
    gone = [(price, "0") for price, _ in bids[:11]]  # the best is 82: 8 of 19 are left
    found = [sync.receive(delta(n, n + 1, gone), now=99.0) for n in range(64, 128)]
    assert Check("X") in found[-1]


def test_wider_window_is_not_asked_for_again():
    sync = near_the_edge()
    sync.audit(below(64), now=1.5)
    for n in range(64, 64 + 128):
        assert Check("X") not in sync.receive(delta(n, n + 1), now=99.0)


def test_snapshot_that_differs_near_the_edge_costs_a_resync():
    sync = near_the_edge()
    made = Snapshot("X", 64, [("93", "9")], [("101", "1")], depth=10)
    (event, *rest) = sync.audit(made, now=1.5)
    assert event.verdict is Verdict.DIFFERING
    assert Desynced("X", Cause.DRIFT) in rest


def test_deltas_are_remembered_only_while_an_answer_is_awaited():
    assert not Synchronizer("X").remembers
    assert Synchronizer("X", Policy(ring=1)).remembers
    sync = near_the_edge()
    assert sync.remembers
    sync.audit(below(64), now=1.5)
    assert not sync.remembers
    sync = near_the_edge()
    sync.disconnected(now=2.0)
    assert not sync.remembers
    assert near_the_edge(ring=8).remembers


def test_nothing_is_brought_forward_over_deltas_that_were_not_remembered():
    """What came between two answers is a hole, though both its ends were known."""
    sync = near_the_edge()
    sync.receive(delta(64, 65, [("93", "5")]), now=1.0)
    sync.audit(Snapshot("X", 9, [("93", "NaN")], [], depth=10), now=1.5)
    for n in range(65, 128):
        sync.receive(delta(n, n + 1, [("92", str(n))]), now=40.0)
    assert sync.remembers  # asked again, at 128
    sync.receive(delta(128, 129, [("93", "6")]), now=40.0)
    (event,) = sync.audit(below(64), now=41.0)
    assert event.verdict is Verdict.INCONCLUSIVE
    assert sync.live


def test_policy_without_refresh_never_asks():
    sync = Synchronizer("X", Policy())
    sync.connected(now=0.0)
    sync.receive(delta(-1, 0), now=0.0)
    made = Snapshot("X", 0, LEVELS, [("101", "1")], depth=10)
    sync.receive_snapshot(made, now=0.0, request=1)
    gone = [(price, "0") for price, _ in LEVELS[:9]]
    for n in range(128):
        assert Check("X") not in sync.receive(delta(n, n + 1, gone), now=1.0)
