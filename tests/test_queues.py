"""What waits is bounded: frames by backpressure, events by forgetting the oldest."""

from __future__ import annotations

import asyncio

import pytest

from booksync import queues
from booksync.events import Changed, Desynced, Gap, Synced
from booksync.inputs import Removed, Ticked
from booksync.messages import Delta
from booksync.queues import EventQueue, InputQueue
from booksync.states import Cause
from tests.virtual import run


async def settle():
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


def numbers(queue):
    """Take everything; say which frames these were."""
    found = []
    while (item := queue.take()) is not None:
        found.append(item[0])
    return found


# -- inputs ----------------------------------------------------------------------------


def test_inputs_come_out_in_the_order_of_arrival():
    async def main():
        queue = InputQueue()
        assert queue.take() is None
        await queue.put_frame(1, "a", 0.1)
        queue.put(Ticked(), 0.2)
        await queue.put_frame(2, b"b", 0.3)
        assert [queue.take() for _ in range(4)] == [
            (1, "a", 0.1),
            (Ticked(), 0.2),
            (2, b"b", 0.3),
            None,
        ]

    run(main())


def test_frames_wait_while_the_consumer_is_behind(monkeypatch):
    monkeypatch.setattr(queues, "MAX_INPUTS", 10)

    async def main():
        queue = InputQueue()
        arrived = []

        async def socket():
            for n in range(30):
                await queue.put_frame(n, "", 0.0)
                arrived.append(n)

        task = asyncio.create_task(socket())
        await settle()
        assert len(queue.items) == len(arrived) == 10
        assert [queue.take()[0] for _ in range(4)] == [0, 1, 2, 3]
        await settle()
        assert len(arrived) == 10  # not before half of them were taken
        assert queue.take()[0] == 4
        await settle()
        assert len(queue.items) == 10
        assert len(arrived) == 15
        taken = []
        while not task.done():
            taken += numbers(queue)
            await settle()
        assert taken + numbers(queue) == list(range(5, 30))

    run(main())


def test_large_frames_wait_for_their_bytes(monkeypatch):
    monkeypatch.setattr(queues, "MAX_INPUT_BYTES", 100)

    async def main():
        queue = InputQueue()
        task = asyncio.create_task(put_all(queue, ["x" * 60, b"x" * 60, "x" * 60, "y"]))
        await settle()
        assert len(queue.items) == 2
        queue.put(Ticked(), 0.0)
        assert queue.take()[1] == "x" * 60
        await settle()
        assert len(queue.items) == 2  # more than half of the bytes are still there
        assert queue.take()[1] == b"x" * 60
        await settle()
        assert task.done()
        assert len(queue.items) == 3
        assert [queue.take() is None for _ in range(4)] == [False] * 3 + [True]
        await put_all(queue, ["x" * 99, "y"])  # nothing was counted twice

    run(main())


async def put_all(queue, frames):
    for frame in frames:
        await queue.put_frame(1, frame, 0.0)


def test_no_socket_is_forgotten_when_there_is_room_again(monkeypatch):
    monkeypatch.setattr(queues, "MAX_INPUTS", 4)

    async def main():
        queue = InputQueue()

        async def socket(number):
            for _ in range(50):
                await queue.put_frame(number, "", 0.0)
                assert len(queue.items) <= 4

        tasks = [asyncio.create_task(socket(n)) for n in range(5)]
        taken = []
        while not all(task.done() for task in tasks):
            await settle()
            taken += numbers(queue)
        await asyncio.gather(*tasks)
        assert sorted(taken) == [n for n in range(5) for _ in range(50)]

    run(main())


def test_other_inputs_do_not_wait(monkeypatch):
    monkeypatch.setattr(queues, "MAX_INPUTS", 4)

    async def main():
        queue = InputQueue()
        for n in range(4):
            await queue.put_frame(n, "", 0.0)
        behind = asyncio.create_task(queue.put_frame(4, "", 0.0))
        await settle()
        for n in range(10):
            queue.put(Removed(str(n)), 0.0)
        assert len(queue.items) == 14
        while queue.take() is not None:
            await settle()
        assert behind.done()

    run(main())


def put(queue):
    queue.put(Ticked(), 0.0)


def put_frame(queue):
    asyncio.get_running_loop().create_task(queue.put_frame(1, "", 0.0))


def wake(queue):
    queue.wake()


@pytest.mark.parametrize("action", [put, put_frame, wake])
@pytest.mark.parametrize("seconds", [None, 100.0])
def test_wait_ends_as_soon_as_something_comes(action, seconds):
    async def main():
        queue, loop = InputQueue(), asyncio.get_running_loop()
        action(queue)  # what came before was seen by take()
        await settle()
        waiting = asyncio.create_task(queue.wait(seconds))
        await settle()
        assert not waiting.done()
        loop.call_later(3.0, action, queue)
        await waiting
        assert loop.time() == pytest.approx(3.0)

    run(main())


@pytest.mark.parametrize(("seconds", "reached"), [(5.0, 5.0), (0.0, 0.0), (-1.0, 0.0)])
def test_wait_ends_after_its_time(seconds, reached):
    async def main():
        queue = InputQueue()
        await queue.wait(seconds)
        assert asyncio.get_running_loop().time() == pytest.approx(reached, abs=1e-6)

    run(main())


def test_timer_of_a_wait_that_ended_does_not_end_the_next():
    async def main():
        queue, loop = InputQueue(), asyncio.get_running_loop()
        loop.call_later(1.0, queue.wake)
        await queue.wait(2.0)
        await queue.wait(10.0)
        assert loop.time() == pytest.approx(11.0)

    run(main())


def test_several_may_wait_and_one_that_is_cancelled_does_not_matter():
    async def main():
        queue = InputQueue()
        tasks = [asyncio.create_task(queue.wait(None)) for _ in range(3)]
        await settle()
        tasks[0].cancel()
        await settle()
        assert not tasks[1].done()
        queue.wake()
        queue.wake()  # idempotent
        await asyncio.gather(*tasks[1:])

    run(main())


# -- events ----------------------------------------------------------------------------


def changed(symbol, last):
    return Changed(symbol, message=Delta(symbol, last - 1, last, [], []))


def drained(queue):
    found = []
    while (event := queue.take()) is not None:
        found.append(event)
    assert len(queue) == 0
    return found


def test_events_come_out_in_order_each_as_its_own():
    queue = EventQueue(conflate=False)
    events = [Synced("X", 1), changed("X", 2), changed("X", 3), changed("Y", 1)]
    queue.add(events[0])
    for event in events[1:]:
        queue.change(event)
    assert len(queue) == 4
    assert drained(queue) == events
    assert queue.conflated == 0
    assert queue.take() is None


def test_waiting_changes_of_a_book_become_one_the_newest():
    queue = EventQueue(conflate=True)
    for last in (1, 2, 3):
        queue.change(changed("X", last))
        queue.change(changed("Y", last * 10))
    assert len(queue) == 2
    assert queue.conflated == 4
    assert drained(queue) == [changed("X", 3), changed("Y", 30)]
    queue.change(changed("X", 4))  # what was taken is not conflated with
    assert drained(queue) == [changed("X", 4)]
    assert queue.conflated == 4


def test_events_of_trust_are_never_conflated():
    queue = EventQueue(conflate=True)
    events = [Synced("X", 1), Desynced("X", Cause.GAP), Synced("X", 9)]
    for event in events:
        queue.add(event)
    assert drained(queue) == events
    assert queue.conflated == 0


@pytest.mark.parametrize("conflate", [True, False])
def test_oldest_event_goes_when_too_many_wait(monkeypatch, conflate):
    monkeypatch.setattr(queues, "MAX_EVENTS", 5)
    queue = EventQueue(conflate=conflate)
    for n in range(12):
        queue.add(Gap("X", expected=n, got=n))
    assert len(queue) == 5
    assert queue.conflated == 7
    assert [event.expected for event in drained(queue)] == [7, 8, 9, 10, 11]


def test_changes_do_not_take_the_room_of_events(monkeypatch):
    monkeypatch.setattr(queues, "MAX_EVENTS", 3)
    queue = EventQueue(conflate=True)
    for symbol in "ABCD":
        queue.change(changed(symbol, 1))
    for n in range(3):
        queue.add(Gap("X", expected=n, got=n))
    assert len(queue) == 7
    assert queue.conflated == 0
    for n in range(3, 9):
        queue.add(Gap("X", expected=n, got=n))
        assert len(queue) <= 7
    queue.change(changed("A", 2))  # the change that was forgotten is really so
    found = drained(queue)
    assert found[-1] == changed("A", 2)
    assert [event.expected for event in found[:-1]][-3:] == [6, 7, 8]


def test_changes_can_be_dropped():
    for conflate in (True, False):
        queue = EventQueue(conflate=conflate)
        queue.drop_changes()
        queue.add(Synced("X", 1))
        queue.change(changed("X", 2))
        queue.change(changed("Y", 3))
        queue.drop_changes()
        assert queue.conflated == 2
        queue.change(changed("X", 4))
        assert drained(queue) == [Synced("X", 1), changed("X", 4)]
