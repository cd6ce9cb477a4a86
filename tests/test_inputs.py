"""Inputs are values, and the words of a recording that never change."""

from __future__ import annotations

import msgspec
import pytest

from booksync import inputs
from booksync.states import Cause

#: As they stand in recordings that exist.
WORDS = {
    "open": ({"conn": 1, "symbols": ["X"]}, inputs.Opened(1, ("X",))),
    "close": ({"conn": 1}, inputs.Closed(1, Cause.DISCONNECTED, "")),
    "subscribe": ({"conn": 1, "symbols": ["X"]}, inputs.Subscribed(1, ("X",))),
    "remove": ({"symbol": "X"}, inputs.Removed("X")),
    "ask": ({"symbol": "X", "request": 2}, inputs.Asked("X", 2)),
    "compare": ({"symbol": "X"}, inputs.Compared("X")),
    "resubscribe": ({"symbol": "X"}, inputs.Resubscribed("X")),
    "answer": (
        {"symbol": "X", "request": 2, "status": 200},
        inputs.Answered("X", 2, 200, None, "", b"", audit=False),
    ),
    "failed": ({"symbol": "X", "request": 2}, inputs.Failed("X", 2, "")),
    "tick": ({}, inputs.Ticked()),
}


@pytest.mark.parametrize("word", WORDS)
def test_words_of_existing_recordings_are_understood(word):
    fields, given = WORDS[word]
    record = {"t": 1.0, "ch": "event", "event": word, **fields}
    assert msgspec.convert(record, inputs.Input) == given
    assert msgspec.to_builtins(given) == {"event": word, **fields_of(fields)}


def fields_of(fields):
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}


def test_every_input_has_its_word():
    assert {type(given) for _, given in WORDS.values()} == set(inputs.Input.__args__)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"event": "unknown"},
        {"event": "open"},
        {"event": "open", "conn": "1", "symbols": []},
        {"event": "close", "conn": 1, "cause": "weather"},
    ],
)
def test_what_is_no_input_is_refused(record):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(record, inputs.Input)


@pytest.mark.parametrize("given", [given for _, given in WORDS.values()])
def test_inputs_do_not_change(given):
    for name in given.__struct_fields__ or ("anything",):
        with pytest.raises(AttributeError):
            setattr(given, name, None)
