"""What a venue says, for one symbol: all that the kit needs of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Book", "Frame", "Samples"]

#: A text frame or a binary one, as it came off the wire.
Frame = str | bytes
#: Bids and asks, ``{price: size}`` as decimal text.
Book = tuple[Mapping[str, str], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """
    What a venue says, for one symbol.

    Frames may be recorded, or written by hand from the documentation. Only ``symbol``
    and ``stream`` are always needed.

    Args:
        symbol: The venue's own spelling.
        stream: The frames of one connection that subscribed ``symbol`` alone: what
            greets it, the acknowledgement, the snapshot where the stream sends one
            (or where it was asked for by a frame), then at least four deltas in chain
            (whole books where each frame is one).
        body: Answer to the snapshot request, where snapshots are fetched by REST. Its
            number is one that the deltas of ``stream`` reach or begin at.
        again: Frames after ``stream`` on the same connection that seed the book anew: a
            snapshot in mid-stream, numbers that start again and go on.
        ended: Frames after ``stream`` that confirm the end of the subscription.
        refused: Answers to the first subscribe that refuse the symbol, each on its own.
        asks: Frames that want an answer at once, each with this answer.
        ignored: Frames after ``stream`` that mean nothing: pongs, other channels.
        closing: Frames that announce the end of the connection, each on its own.
        halted: Frames after ``stream`` that stop the market.
        instruments: Answers to the venue's instrument requests.
        token: Answer to the handshake request, where there is one.
        book: The book after ``stream``, if known from elsewhere.
        depth: Snapshot depth to ask for; the venue's default if not given.
        options: The venue's own options.

    """

    symbol: str
    stream: Sequence[Frame]
    body: bytes | str | None = None
    again: Sequence[Frame] = ()
    ended: Sequence[Frame] = ()
    refused: Sequence[Frame] = ()
    asks: Sequence[tuple[Frame, Frame]] = ()
    ignored: Sequence[Frame] = ()
    closing: Sequence[Frame] = ()
    halted: Sequence[Frame] = ()
    instruments: Sequence[bytes | str] = ()
    token: bytes | None = None
    book: Book | None = None
    depth: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
