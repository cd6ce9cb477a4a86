"""One connection kept open, on a virtual clock and without a network."""

from __future__ import annotations

import asyncio

import pytest

from booksync import keeping
from booksync.budget import Budget
from booksync.errors import MalformedMessage, TransportError
from booksync.inputs import Closed, Compared, Opened, Subscribed
from booksync.keeping import LIFE_PART, Keeper
from booksync.spreading import spread
from booksync.states import Cause
from booksync.transport import Answer
from booksync.venues.facts import Heartbeat, Limits, Request
from tests.virtual import run


class FakeStream:
    """Gives frames as they are fed; ends, or raises, when it is told to."""

    def __init__(self):
        self.frames = asyncio.Queue()
        self.sent = []
        self.closed = 0
        self.deaf = False

    def end(self, error=None):
        self.frames.put_nowait(error)

    async def send(self, frame):
        if self.deaf:
            raise TransportError("deaf")
        self.sent.append((now(), frame))

    async def close(self):
        self.closed += 1
        raise OSError("already gone")  # must not matter

    async def __aiter__(self):
        while True:
            frame = await self.frames.get()
            if isinstance(frame, Exception):
                raise frame
            if frame is None:
                return
            yield frame


class FakeTransport:
    def __init__(self):
        self.streams = []
        self.opened = []
        self.errors = []

    async def stream(self, url, *, headers, frame_bytes):
        self.opened.append((now(), url))
        self.asked = (headers, frame_bytes)
        if self.errors:
            raise self.errors.pop(0)
        self.streams.append(FakeStream())
        return self.streams[-1]


class FakeVenue:
    id = "acme"
    heartbeat = Heartbeat()
    WS_HEADERS = {"user-agent": "x"}
    token = None

    def __init__(self, **limits):
        self.limits = Limits(**limits)

    def handshake(self):
        return None if self.token is None else Request(path="/token")

    def stream_url(self, base, answer=None):
        if answer == b"bad":
            raise MalformedMessage("no token in it")
        return base if answer is None else f"{base}?token={answer.decode()}"

    def ping(self, session, at):
        return f"ping {session} {at:.0f}"


class FakeHost:
    """What a keeper needs of its feed; keeps all that it is told."""

    ws_url = "wss://host"

    def __init__(self, group, venue=None, connects=None):
        self.group = group
        self.venue = venue or FakeVenue()
        self.transport = FakeTransport()
        self.connects = connects or Budget(1_000, 1.0)
        self.inputs = []
        self.frames = []
        self.full = False
        self.waited = []
        self.noted = []
        self.failures = []
        self.numbers = 0
        self.status = 200

    def clock(self):
        return now()

    def chance(self):
        return 0.0

    def put(self, given, at):
        self.inputs.append((at, given))

    def offer(self, number, raw):
        if self.full:
            return False
        self.frames.append((number, raw))
        return True

    async def put_frame(self, number, raw):
        self.waited.append((number, raw))

    def sent(self, number, url, frame):
        self.noted.append((number, url, frame))

    def session_of(self, number):
        return f"s{number}"

    def next_number(self):
        self.numbers += 1
        return self.numbers

    def unreachable(self, error):
        self.failures.append(str(error))

    def rest(self):
        return self

    async def request(self, request):
        return Answer(self.status, {}, self.venue.token, f"https://h{request.path}")

    def spawn(self, work):
        return self.group.create_task(work)


def now():
    return round(asyncio.get_running_loop().time(), 6)


def keep(script, venue=None, connects=None, line=0, kind=FakeHost):
    """Run a keeper of X and Y while ``script(host, keeper)`` does."""

    async def main():
        async with asyncio.TaskGroup() as group:
            host = kind(group, venue, connects)
            keeper = Keeper(host, ["X", "Y"], line)
            task = group.create_task(keeper.run())
            await asyncio.sleep(0.001)
            await script(host, keeper)
            task.cancel()
            await asyncio.wait([task])
        return host

    return run(main())


def events(host):
    return [given for _, given in host.inputs]


def opening_times(host):
    return [at for at, _ in host.transport.opened]


# -- a connection's life ---------------------------------------------------------------


def test_connection_is_opened_with_what_the_venue_wants():
    async def script(host, keeper):
        assert host.transport.opened == [(0.0, "wss://host")]
        assert host.transport.asked == ({"user-agent": "x"}, 123)
        assert keeper.number == 1
        assert events(host) == [Opened(1, ("X", "Y"), 2)]

    keep(script, FakeVenue(frame_bytes=123), line=2)


def test_frames_reach_the_host_under_the_connections_number():
    async def script(host, keeper):
        for frame in ("a", b"b"):
            host.transport.streams[0].frames.put_nowait(frame)
        await asyncio.sleep(1.0)
        assert host.frames == [(1, "a"), (1, b"b")]
        assert host.waited == []

    keep(script)


def test_frames_wait_only_where_the_host_has_no_room():
    async def script(host, keeper):
        host.full = True
        host.transport.streams[0].frames.put_nowait("a")
        await asyncio.sleep(1.0)
        assert (host.frames, host.waited) == ([], [(1, "a")])

    keep(script)


@pytest.mark.parametrize(
    ("error", "reason"), [(None, "closed"), (TransportError("code 1006"), "code 1006")]
)
def test_connection_that_ended_is_told_and_opened_again(error, reason):
    async def script(host, keeper):
        host.transport.streams[0].end(error)
        await asyncio.sleep(0.01)
        assert events(host)[1] == Closed(1, Cause.DISCONNECTED, reason)
        assert keeper.number is None
        assert host.transport.streams[0].closed == 1
        await asyncio.sleep(1.0)
        assert events(host)[2] == Opened(2, ("X", "Y"))
        assert keeper.number == 2

    keep(script)


def test_dropped_connection_says_why_and_the_next_is_not_blamed():
    async def script(host, keeper):
        keeper.link(keeper.number).drop(Cause.LOST)
        await asyncio.sleep(1.0)
        assert events(host)[1] == Closed(1, Cause.LOST, "lost")
        host.transport.streams[1].end()
        await asyncio.sleep(1.0)
        assert events(host)[3] == Closed(2, Cause.DISCONNECTED, "closed")

    keep(script)


def test_dropping_what_is_not_open_is_harmless():
    async def script(host, keeper):
        first = keeper.link(1)
        host.transport.streams[0].end()
        await asyncio.sleep(0.01)
        first.drop(Cause.LOST)
        await asyncio.sleep(1.0)
        host.transport.streams[1].end()
        await asyncio.sleep(0.01)
        assert events(host)[3].cause is Cause.DISCONNECTED

    keep(script)


def test_cancelled_keeper_closes_its_connection():
    async def script(host, keeper):
        pass

    host = keep(script)
    assert type(events(host)[-1]) is Closed
    assert host.transport.streams[0].closed == 1


# -- again and again -------------------------------------------------------------------


def test_waits_double_while_nothing_opens():
    async def script(host, keeper):
        host.transport.errors += [TransportError("refused")] * 3
        host.transport.streams[0].end()
        await asyncio.sleep(5.0)
        assert host.failures == ["refused"] * 3
        assert keeper.number == 2

    times = opening_times(keep(script))
    waits = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert waits == pytest.approx([0.126, 0.25, 0.5, 1.0], abs=0.01)


@pytest.mark.parametrize(
    ("progress", "waits"), [(False, [0.125, 0.25, 0.5]), (True, [0.125] * 3)]
)
def test_only_progress_begins_the_waits_afresh(progress, waits):
    async def script(host, keeper):
        for n in range(3):
            assert keeper.progress is False
            keeper.progress = progress
            host.transport.streams[n].end()
            await asyncio.sleep(1.0)
            assert keeper.number == n + 2

    host = keep(script)
    ended = [at for at, given in host.inputs if type(given) is Closed]
    found = [b - a for a, b in zip(ended, opening_times(host)[1:], strict=False)]
    assert found == pytest.approx(waits)


def test_connection_attempts_stay_within_the_venues_limit():
    async def script(host, keeper):
        host.transport.errors += [TransportError("refused")] * 100
        host.transport.streams[0].end()
        await asyncio.sleep(300.0)

    times = opening_times(keep(script, connects=Budget(2, 60.0)))
    assert len(times) > 6
    for start in times:
        assert len([t for t in times if 0 <= t - start < 60.0]) <= 2


# -- symbols ---------------------------------------------------------------------------


def test_more_symbols_are_told_at_once_if_it_is_open_and_with_the_next_else():
    async def script(host, keeper):
        keeper.subscribe(["Z"])
        assert events(host)[1] == Subscribed(1, ("Z",))
        host.transport.streams[0].end()
        await asyncio.sleep(0.01)
        keeper.subscribe(["W"])
        await asyncio.sleep(1.0)
        assert events(host)[3:] == [Opened(2, ("X", "Y", "Z", "W"))]

    keep(script)


def test_symbols_are_divided():
    assert spread([], 2) == []
    assert spread(list("ABCDE"), 2) == [["A", "B"], ["C", "D"], ["E"]]
    assert spread(["A"], 100) == [["A"]]


# -- sending ---------------------------------------------------------------------------


def test_frames_are_sent_in_order_and_at_the_venues_pace():
    async def script(host, keeper):
        keeper.link(keeper.number).send(("a", b"b", "c"))
        await asyncio.sleep(10.0)
        times = [at for at, _ in host.transport.streams[0].sent]
        assert [frame for _, frame in host.transport.streams[0].sent] == [
            "a",
            b"b",
            "c",
        ]
        assert times == pytest.approx([0.001, 0.501, 1.001])
        assert host.noted == [(1, "wss://host", frame) for frame in ("a", b"b", "c")]

    keep(script, FakeVenue(messages=2.0))


def test_too_much_to_send_costs_the_connection(monkeypatch):
    monkeypatch.setattr(keeping, "MAX_OUTBOX", 3)

    async def script(host, keeper):
        keeper.link(keeper.number).send(("a", "b", "c"))
        await asyncio.sleep(0)
        assert keeper.number == 1
        keeper.link(keeper.number).send(("d", "e", "f", "g"))
        await asyncio.sleep(1.0)
        assert keeper.number == 2
        assert host.transport.streams[1].sent == []  # what waited is forgotten

    keep(script)


def test_socket_that_takes_nothing_is_left_to_its_reader():
    async def script(host, keeper):
        host.transport.streams[0].deaf = True
        keeper.link(keeper.number).send(("a",))
        await asyncio.sleep(1.0)
        assert keeper.number == 1
        assert host.noted == []
        host.transport.streams[0].end(TransportError("reset"))
        await asyncio.sleep(1.0)
        assert keeper.number == 2

    keep(script)


def test_pings_go_at_their_interval_until_the_connection_ends():
    async def script(host, keeper):
        await asyncio.sleep(70.0)
        first = host.transport.streams[0]
        first.end()
        await asyncio.sleep(25.0)
        assert [frame for _, frame in first.sent] == [
            "ping s1 20",
            "ping s1 40",
            "ping s1 60",
        ]
        assert [frame for _, frame in host.transport.streams[1].sent] == ["ping s2 90"]

    venue = FakeVenue()
    venue.heartbeat = Heartbeat(interval=20.0)
    keep(script, venue)


# -- a connection that is replaced before it ends --------------------------------------


@pytest.mark.parametrize(("line", "part"), [(0, LIFE_PART), (1, LIFE_PART - 0.1)])
def test_connection_is_replaced_before_the_venue_ends_it(line, part):
    async def script(host, keeper):
        await asyncio.sleep(1_000.0 * part - 1.0)
        assert len(events(host)) == 1
        await asyncio.sleep(2.0)
        assert events(host)[1:] == [Opened(2, ("X", "Y"), line, succeeds=1)]
        assert keeper.number == 1  # both are open
        keeper.link(1).drop(Cause.CLOSING)  # as the host does, once the books are
        await asyncio.sleep(0.01)
        assert events(host)[2] == Closed(1, Cause.CLOSING, "closing")
        assert keeper.number == 2
        await asyncio.sleep(1_000.0 * part + 1.0)  # and so on, for ever
        assert events(host)[3:] == [Opened(3, ("X", "Y"), line, succeeds=2)]

    keep(script, FakeVenue(lifetime=1_000.0), line=line)


def test_chance_moves_the_time_of_replacement():
    class Late(FakeHost):
        def chance(self):
            return 0.5

    async def script(host, keeper):
        await asyncio.sleep(938.0)
        assert len(events(host)) == 1
        await asyncio.sleep(4.0)
        assert len(events(host)) == 2

    keep(script, FakeVenue(lifetime=1_000.0), kind=Late)


def test_audit_opens_a_second_connection_until_the_host_is_done_with_it():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        audit = asyncio.create_task(keeper.audit(30.0))
        await asyncio.sleep(1.0)
        assert events(host)[1:] == [Opened(2, ("X", "Y"), succeeds=1, audits=True)]
        keeper.link(2).drop(Cause.CLOSING)  # as the host does, once it has compared
        await asyncio.sleep(1.0)
        assert audit.done()
        assert events(host)[2:] == [Closed(2, Cause.CLOSING, "closing")]
        assert keeper.number == 1
        assert keeper.link(2) is None

    keep(script)


def test_audit_has_an_end():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        audit = asyncio.create_task(keeper.audit(30.0))
        await asyncio.sleep(29.0)
        assert len(events(host)) == 2
        await asyncio.sleep(2.0)
        assert events(host)[2:] == [Compared("X"), Compared("Y")]
        keeper.link(2).drop(Cause.CLOSING)
        await audit

    keep(script)


def test_auditor_takes_the_place_of_a_connection_that_ends():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        audit = asyncio.create_task(keeper.audit(30.0))
        await asyncio.sleep(1.0)
        host.transport.streams[0].end()
        await audit
        await asyncio.sleep(60.0)
        assert keeper.number == 2
        assert len(host.transport.opened) == 2

    keep(script)


def test_connection_that_will_end_is_not_audited():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        keeper.rotate(1)
        await keeper.audit(30.0)
        await asyncio.sleep(40.0)
        assert events(host)[1:] == [Opened(2, ("X", "Y"), succeeds=1)]

    keep(script)


def test_audit_that_cannot_connect_is_left_undone():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        host.transport.errors = [TransportError("no")]
        await keeper.audit(30.0)
        assert len(events(host)) == 1
        assert keeper.number == 1

    keep(script)


def test_announced_end_opens_another_connection_once():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        keeper.rotate(1)
        keeper.rotate(1)
        keeper.rotate(77)  # nobody's
        await asyncio.sleep(10.0)
        assert events(host)[1:] == [Opened(2, ("X", "Y"), succeeds=1)]

    keep(script)


def test_connection_stays_while_its_replacement_fails():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        host.transport.errors = [TransportError("no"), TransportError("no")]
        keeper.rotate(1)
        await asyncio.sleep(0.2)
        assert opening_times(host) == [0.0, 100.001, 100.126]
        await asyncio.sleep(5.0)
        assert events(host)[1:] == [Opened(2, ("X", "Y"), succeeds=1)]
        host.transport.streams[1].end()
        await asyncio.sleep(5.0)
        assert events(host)[2:] == [
            Closed(2, Cause.DISCONNECTED, "closed"),
            Opened(3, ("X", "Y"), succeeds=1),
        ]
        assert keeper.number == 1

    keep(script)


def test_replacement_that_is_open_goes_on_when_the_first_ends():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        keeper.rotate(1)
        await asyncio.sleep(0.01)
        host.transport.streams[0].end()
        await asyncio.sleep(60.0)
        assert events(host)[1:] == [
            Opened(2, ("X", "Y"), succeeds=1),
            Closed(1, Cause.DISCONNECTED, "closed"),
        ]
        assert keeper.number == 2
        assert len(host.transport.opened) == 2

    keep(script)


def test_replacement_that_opens_too_late_is_closed():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        slow = asyncio.Event()
        stream = host.transport.stream

        async def late(url, **more):
            if len(host.transport.opened) == 1:
                host.transport.stream = stream
                await slow.wait()
            return await stream(url, **more)

        host.transport.stream = late
        keeper.rotate(1)
        await asyncio.sleep(0.01)
        host.transport.streams[0].end()
        await asyncio.sleep(5.0)  # another was opened meanwhile, as ever
        slow.set()
        await asyncio.sleep(5.0)
        assert events(host)[1:] == [
            Closed(1, Cause.DISCONNECTED, "closed"),
            Opened(2, ("X", "Y")),
        ]
        assert host.transport.streams[2].closed == 1

    keep(script)


def test_replacement_obeys_the_limit_on_connects():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        keeper.rotate(1)
        await asyncio.sleep(150.0)
        assert opening_times(host) == [0.0]
        await asyncio.sleep(60.0)
        assert len(opening_times(host)) == 2

    keep(script, connects=Budget(1, 300.0))


def test_symbols_added_during_a_replacement_go_to_both():
    async def script(host, keeper):
        await asyncio.sleep(100.0)
        keeper.rotate(1)
        await asyncio.sleep(0.01)
        keeper.subscribe(["Z"])
        assert events(host)[2:] == [Subscribed(1, ("Z",)), Subscribed(2, ("Z",))]

    keep(script)


def test_farewell_of_a_young_connection_is_not_obeyed_at_once():
    async def script(host, keeper):
        for number in range(1, 5):
            keeper.rotate(number)
            await asyncio.sleep(2.0)
            keeper.link(number).drop(Cause.CLOSING)
            await asyncio.sleep(0.001)
        waits = [at - 2.002 * n for n, at in enumerate(opening_times(host)[1:])]
        assert waits == pytest.approx([0.126, 0.25, 0.5, 1.0], abs=0.01)

    keep(script)


def test_lines_that_share_a_turn_are_replaced_one_after_another():
    async def main():
        async with asyncio.TaskGroup() as group:
            host = FakeHost(group)
            turn = asyncio.Lock()
            lines = [Keeper(host, ["X"], line, turn) for line in range(2)]
            tasks = [group.create_task(line.run()) for line in lines]
            await asyncio.sleep(100.0)
            for keeper, number in zip(lines, (1, 2), strict=True):
                keeper.rotate(number)
            await asyncio.sleep(50.0)
            assert events(host)[2:] == [Opened(3, ("X",), 0, succeeds=1)]
            lines[0].link(1).drop(Cause.CLOSING)
            await asyncio.sleep(0.01)
            assert events(host)[4:] == [Opened(4, ("X",), 1, succeeds=2)]
            for task in tasks:
                task.cancel()

    run(main())


# -- the handshake ---------------------------------------------------------------------


def test_each_connection_has_a_handshake_of_its_own():
    venue = FakeVenue()
    venue.token = b"one"

    async def script(host, keeper):
        venue.token = b"two"
        host.transport.streams[0].end()
        await asyncio.sleep(1.0)
        assert [url for _, url in host.transport.opened] == [
            "wss://host?token=one",
            "wss://host?token=two",
        ]

    keep(script, venue)


@pytest.mark.parametrize(
    ("status", "token", "failure"),
    [
        (500, b"x", "/token: HTTP status 500"),
        (200, b"bad", "/token: no token in it"),
    ],
)
def test_handshake_that_fails_is_made_again(status, token, failure):
    venue = FakeVenue()
    venue.token = b"one"

    async def script(host, keeper):
        host.status, venue.token = status, token
        host.transport.streams[0].end()
        await asyncio.sleep(0.2)
        assert host.failures == [failure]
        host.status, venue.token = 200, b"two"
        await asyncio.sleep(1.0)
        assert keeper.number == 2

    keep(script, venue)


# -- a symbol for which the venue closes the connection --------------------------------


def blame(symbols, *closes):
    """What a keeper gives up, and what it has left, after ``closes``."""
    keeper = Keeper(None, list(symbols))
    found = [keeper.blamed(set(waiting)) for waiting in closes]
    return "".join(symbol or "-" for symbol in found), "".join(keeper.symbols)


@pytest.mark.parametrize(
    ("symbols", "closes", "expected"),
    [
        pytest.param("AXB", ["XB", "X"], ("-X", "AB"), id="in the middle"),
        pytest.param("XAB", ["XAB", "X"], ("-X", "AB"), id="first"),
        pytest.param("ABX", ["X", "X"], ("-X", "AB"), id="last"),
        pytest.param("AX", ["X", "", "X"], ("---", "AX"), id="all well between"),
        pytest.param("XA", ["XA", "AX", "XA"], ("---", "AX"), id="nobody confirmed"),
        pytest.param("X", ["X", "X", "X"], ("---", "X"), id="alone"),
        pytest.param(
            "XYA", ["XYA", "YAX", "XY", "Y"], ("--XY", "A"), id="two, one after another"
        ),
        pytest.param("AX", ["X", "XZ"], ("-X", "A"), id="one that was removed"),
    ],
)
def test_symbol_blamed_twice_is_given_up_where_others_work(symbols, closes, expected):
    assert blame(symbols, *closes) == expected
