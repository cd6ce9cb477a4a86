"""What Gate answers: the same in all channels of spot and futures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from booksync.messages import Closing, Message, Rejected
from booksync.venues.declared import acknowledged, partly

__all__ = ["Control", "Problem", "Result", "meaning", "result_of"]

#: The one error that says nothing of what was asked: the server's own.
SERVER_ERROR = 3
ALREADY_SUBSCRIBED = "Alert sub"


class Problem(Struct):
    """``{"code":2,"message":"…"}`` in frames, ``{"label":…,"message":…}`` in REST."""

    code: int | None = None
    label: str = ""
    message: str = ""


class Result(Struct):
    """As much of ``result`` as tells what a frame is about."""

    s: str = ""
    type: str = ""
    status: str = ""


class Control(Struct):
    """Whatever is not a readable push."""

    channel: str = ""
    event: str = ""
    id: int | None = None
    payload: Any = None
    error: Problem | None = None
    result: msgspec.Raw = msgspec.Raw(b"{}")


def result_of(control: Control) -> Result:
    """Read as much of ``result`` as can be read."""
    return partly(control.result, Result)


def meaning(
    control: Control, result: Result, symbols: tuple[str, ...]
) -> Sequence[Message]:
    """
    Say what the answer to a request means.

    Args:
        control: The answer.
        result: Of it.
        symbols: Whose request it was.

    """
    problem = control.error
    if problem is None and result.status != "fail":
        return (acknowledged(control.event, symbols),) if symbols else ()
    problem = problem or Problem()
    reason = f"{problem.message or result.status} (code {problem.code})"
    if problem.code == SERVER_ERROR:
        return (Closing(reason),)
    again = problem.message.startswith(ALREADY_SUBSCRIBED)
    if control.event == "unsubscribe" or again:
        return ()
    return (Rejected(symbols, reason),)
