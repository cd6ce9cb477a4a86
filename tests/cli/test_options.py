"""Options that are declared once and taken by many."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Annotated

import pytest
import typer

from booksync.cli.options import Network, Settings, grouped, parsed
from booksync.errors import ConfigurationError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    left: Annotated[int, typer.Option("--left")] = 1
    right: str | None = None


@grouped
def command(*, name: str, pair: Pair, loud: bool = False) -> int:
    """Do it."""
    return len(name) + pair.left + len(pair.right or "") + loud


def test_fields_of_a_dataclass_become_options():
    parameters = inspect.signature(command).parameters
    assert list(parameters) == ["name", "left", "right", "loud"]
    assert parameters["left"].default == 1
    assert command.__doc__ == "Do it."


def test_what_was_given_arrives_as_one_object():
    assert command(name="ab", left=10, right="xyz", loud=True) == 16


def test_pairs_are_read():
    assert parsed(["a=b", " c = d=e"]) == {"a": "b", "c": "d=e"}
    assert parsed(None) == {}


@pytest.mark.parametrize("text", ["a", "=b", ""])
def test_what_is_no_pair_is_refused(text):
    settings = Settings(option=[text])
    with pytest.raises(ConfigurationError, match="key=value"):
        _ = settings.options


@pytest.mark.parametrize("proxy", ["me", "ftp://x", "http://", "127.0.0.1:80"])
def test_what_is_no_proxy_is_refused(proxy):
    with pytest.raises(ConfigurationError, match="not a proxy"):
        Network(proxy=proxy).transport()


def test_proxy_and_plain_are_handed_on():
    transport = Network(proxy="http://me:1", allow_plain=True).transport()
    assert transport.proxy == "http://me:1"
    assert transport.allow_plain
