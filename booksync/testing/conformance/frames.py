"""Frames become messages: all kinds, the same each time, and never an exception."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, get_args

from booksync.errors import MalformedMessage, SubscriptionRejected
from booksync.messages import (
    Closing,
    Delta,
    Halted,
    Lost,
    Message,
    Rejected,
    Reply,
    Snapshot,
    Subscribed,
    Unsubscribed,
)
from booksync.testing.conformance.kit import Kit, require, shown
from booksync.testing.conformance.mangle import kind_of, mangled
from booksync.testing.conformance.samples import Frame
from booksync.venues.facts import Instrument, Source

__all__ = ["CHECKS"]

#: Deltas that a stream must have at least.
DELTAS = 4
MESSAGES = get_args(Message)
IN_STREAM = {Source.STREAM, Source.REQUEST, Source.EVERY_FRAME}


def stream_says_everything(kit: Kit) -> None:
    """The stream has an acknowledgement, a snapshot and deltas, of the symbol."""
    facts = kit.made().facts
    messages = [message for found in kit.messages for message in found]
    _typed(messages, "the stream")
    lost = [message for message in messages if type(message) is Lost]
    require(not lost, f"the stream itself has a hole: {lost[:1]}")
    named = [m.symbols for m in messages if type(m) is Subscribed]
    acked = any(kit.symbol in symbols for symbols in named)
    require(acked or not facts.acks, "no frame of the stream confirms the subscription")
    books = [m for m in messages if isinstance(m, Snapshot | Delta)]
    symbols = {message.symbol for message in books}
    require(symbols == {kit.symbol}, f"books of {symbols}, not of {kit.symbol!r}")
    if facts.source in IN_STREAM:
        whole = any(type(message) is Snapshot for message in books)
        require(whole, f"snapshots come in the stream ({facts.source}), and none did")
    count = len(kit.deltas)
    require(count >= DELTAS, f"{count} deltas in the stream: {DELTAS} are needed")
    for delta in (m for m in books if type(m) is Delta):
        right = delta.prev <= delta.last or delta.reset
        require(right, f"a delta that goes back, and is no reset: {delta}")


def fresh_session_gives_the_same_messages(kit: Kit) -> None:
    """Nothing is kept but in the session: not in the venue, its class or module."""
    venue, frames = kit.made(), kit.samples.stream
    first = kit.parsed(venue, frames)
    require(first == kit.parsed(venue, frames), "the second session differs")
    require(first == kit.parsed(kit.made(), frames), "another instance differs")
    both: list[list[list[Message]]] = [[], []]
    sessions = [kit.session(venue), kit.session(venue)]
    for frame in frames:
        for which, session in enumerate(sessions):
            both[which] += kit.parsed(venue, [frame], session)
    require(both == [first, first], "two sessions at once disturb each other")


def floats_equal_decimals(kit: Kit) -> None:
    """``numbers=float`` reads the same levels as ``numbers=Decimal``."""
    frames = kit.samples.stream
    exact = kit.parsed(kit.made(), frames)
    rough = kit.parsed(kit.made(float), frames)
    bodies: tuple[list[Any], ...] = ([], [])
    if kit.samples.body is not None:
        for numbers, found in zip((Decimal, float), bodies, strict=True):
            venue = kit.made(numbers)
            found += [venue.parse_snapshot(kit.body, kit.symbol, venue.depth)]
    for left, right in zip([*exact, bodies[0]], [*rough, bodies[1]], strict=True):
        require(
            [_rounded(message) for message in left]
            == [_rounded(message) for message in right],
            f"as Decimal {left}, as float {right}",
        )


def other_frames_are_understood(kit: Kit) -> None:
    """Refusals, requests to answer, endings, halts, and what means nothing."""
    samples = kit.samples
    for frame in samples.refused:
        found = _after(kit, [frame], stream=False)
        kinds = {type(message) for message in found}
        require(Rejected in kinds, f"not refused: {found}, of {shown(frame)}")
        for message in found:
            named = message.symbols if type(message) is Rejected else ()
            require(set(named) <= {kit.symbol}, f"refuses {named} of {shown(frame)}")
    for frame, answer in samples.asks:
        found = _after(kit, [frame])
        require(found == [Reply(answer)], f"answers {found} to {shown(frame)}")
    for frame in samples.ignored:
        found = _after(kit, [frame])
        require(not found, f"makes {found} of {shown(frame)}")
    for frame in samples.closing:
        kinds = {type(message) for message in _after(kit, [frame])}
        require(Closing in kinds, f"does not see the end in {shown(frame)}")
    if samples.halted:
        found = _after(kit, samples.halted)
        halted = any(type(m) is Halted and m.symbol == kit.symbol for m in found)
        require(halted, f"not halted: {found}")


def subscriptions_begin_and_end(kit: Kit) -> None:
    """Frames name their symbols, few enough in each; the end is confirmed."""
    venue, limits = kit.made(), kit.kind.limits
    names = [f"q{number:04}{kit.symbol}" for number in range(limits.symbols)]
    frames = venue.subscribe(names, venue.session(), 0.0)
    _sendable([*venue.greet(venue.session(), 0.0), *frames])
    seen = 0
    for frame in frames:
        mentioned = sum(name.lower() in _words(frame) for name in names)
        fits = mentioned <= limits.symbols_per_frame
        require(fits, f"{mentioned} symbols in one frame: {shown(frame)}")
        seen += mentioned
    require(seen >= len(names), f"{len(names)} symbols to subscribe, {seen} are named")
    session = kit.session(venue)
    kit.parsed(venue, kit.samples.stream, session)
    _sendable(venue.unsubscribe([kit.symbol], session, 0.0))
    if kit.samples.ended:
        parsed = kit.parsed(venue, kit.samples.ended, session)
        found = [message for messages in parsed for message in messages]
        ended = [m.symbols for m in found if type(m) is Unsubscribed]
        require((kit.symbol,) in ended, f"the end is not confirmed: {found}")
    again = venue.subscribe([kit.symbol], session, 0.0)
    require(again, "a symbol that was left cannot be subscribed again")
    if kit.kind.heartbeat.interval is not None:
        _sendable([venue.ping(session, 0.0)])


def malformed_frames_raise_nothing_else(kit: Kit) -> None:
    """Whatever is broken in a frame: :exc:`MalformedMessage`, or typed messages."""
    venue, samples = kit.made(), kit.samples
    stream = list(samples.stream)
    others = [
        *samples.again,
        *samples.ended,
        *samples.refused,
        *(frame for frame, _ in samples.asks),
        *samples.ignored,
        *samples.closing,
        *samples.halted,
    ]
    seen: set[str] = set()
    for place, frame in enumerate([*stream, *others]):
        kind = kind_of(frame)
        if kind in seen:
            continue
        seen.add(kind)
        session = kit.session(venue)
        kit.parsed(venue, stream[:place], session)
        for broken in mangled(frame):
            _typed(_safely(venue.parse, broken, session), shown(broken))
    require(
        kit.parsed(venue, stream) == kit.messages,
        "after broken frames on other sessions a fresh one differs",
    )


def malformed_bodies_raise_nothing_else(kit: Kit) -> None:
    """Likewise for the answers to requests."""
    venue, samples = kit.made(), kit.samples
    readers: list[tuple[Frame, Callable[[Any], Any]]] = [
        (body, venue.parse_instruments) for body in samples.instruments
    ]
    if samples.body is not None:

        def read(body: bytes) -> list[Snapshot]:
            return [venue.parse_snapshot(body, kit.symbol, venue.depth)]

        readers.append((kit.body, read))
    if samples.token is not None:

        def connect(token: bytes) -> list[str]:
            return [venue.stream_url(venue.WS_URL, token)]

        readers.append((samples.token, connect))
    for body, reader in readers:
        for broken in mangled(body):
            if reader == venue.parse_instruments or isinstance(broken, bytes):
                _safely(reader, broken)


def instruments_are_listed(kit: Kit) -> None:
    """The list of instruments has the samples' symbol, and positive steps."""
    if not kit.samples.instruments:
        return
    listed = kit.instruments
    require(kit.symbol in listed, f"{kit.symbol!r} is not among {list(listed)[:10]}")
    for item in listed.values():
        require(type(item) is Instrument, f"not an instrument: {item}")
        for step in filter(None, (item.price_step, item.size_step)):
            right = type(step) is Decimal and step.is_finite() and step > 0
            require(right, f"{item.symbol}: a step of {step!r}")


def _after(kit: Kit, frames: Sequence[Frame], *, stream: bool = True) -> list[Message]:
    """Give the messages of ``frames`` on a connection that had the stream."""
    venue = kit.made()
    session = kit.session(venue)
    if stream:
        kit.parsed(venue, kit.samples.stream, session)
    parsed = kit.parsed(venue, frames, session)
    found = [message for messages in parsed for message in messages]
    _typed(found, shown(frames[0]))
    return found


def _safely(call: Callable[..., Any], *arguments: Any) -> Sequence[Any]:  # noqa: ANN401
    try:
        found: Sequence[Any] = call(*arguments)
    except (MalformedMessage, SubscriptionRejected):
        return ()
    except Exception as error:
        raise AssertionError(
            f"{type(error).__name__} escaped: {error}; of {shown(arguments[0])}"
        ) from error
    require(isinstance(found, list | tuple), f"not a list or tuple: {found!r}")
    return found


def _typed(messages: Sequence[Any], origin: str) -> None:
    for message in messages:
        right = isinstance(message, MESSAGES)
        require(right, f"not a message: {message!r}, of {origin}")
        for level in _levels(message):
            pair = len(level) == 2 and all(  # noqa: PLR2004
                isinstance(number, str | float | int | Decimal) for number in level
            )
            require(pair, f"not a level: {level!r}, of {origin}")


def _levels(message: Any) -> Iterator[Any]:  # noqa: ANN401 - any message
    if isinstance(message, Snapshot | Delta):
        yield from message.bids
        yield from message.asks


def _rounded(message: Message) -> Any:  # noqa: ANN401 - what can be compared
    if not isinstance(message, Snapshot | Delta):
        return message
    sides = [
        [(float(price), float(size)) for price, size in side]
        for side in (message.bids, message.asks)
    ]
    numbers = [message.sequence] if type(message) is Snapshot else []
    if type(message) is Delta:
        numbers = [message.prev, message.last]
    return message.symbol, numbers, sides, message.time, message.checksum


def _sendable(frames: Sequence[Frame]) -> None:
    for frame in frames:
        right = type(frame) in {str, bytes} and len(frame) > 0
        require(right, f"cannot be sent: {frame!r}")


def _words(frame: Frame) -> str:
    text = frame if isinstance(frame, str) else frame.decode(errors="replace")
    try:
        return json.dumps(json.loads(text), ensure_ascii=False).lower()
    except ValueError:
        return text.lower()


CHECKS = (
    stream_says_everything,
    fresh_session_gives_the_same_messages,
    floats_equal_decimals,
    other_frames_are_understood,
    subscriptions_begin_and_end,
    instruments_are_listed,
    malformed_frames_raise_nothing_else,
    malformed_bodies_raise_nothing_else,
)
