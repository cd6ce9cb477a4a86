"""What a module exports is sorted, complete and documented."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import booksync

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(booksync.__path__, "booksync.")
    if not info.name.endswith("__main__") and ".cli" not in info.name
)


@pytest.mark.parametrize("name", ["booksync", *MODULES])
def test_exports_are_sorted_and_there(name):
    module = importlib.import_module(name)
    exported = module.__all__ if hasattr(module, "__all__") else []
    assert len(set(exported)) == len(exported)
    for each in exported:
        assert hasattr(module, each), each


@pytest.mark.parametrize("name", booksync.__all__)
def test_public_names_are_documented(name):
    if name == "Event":
        return  # a union
    assert getattr(booksync, name).__doc__
