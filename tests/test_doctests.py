"""Every example in a docstring of the package is true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import booksync

#: The command line has its own tests: its examples are shell sessions.
MODULES = ["booksync"] + sorted(
    info.name
    for info in pkgutil.walk_packages(booksync.__path__, "booksync.")
    if not info.name.endswith("__main__") and ".cli" not in info.name
)
FEWEST = 50


def examples_of(name):
    module = importlib.import_module(name)
    return [test for test in doctest.DocTestFinder().find(module) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    runner = doctest.DocTestRunner(verbose=False)
    report = []
    for test in examples_of(name):
        runner.run(test, out=report.append)
    assert not runner.summarize(verbose=False).failed, "".join(report)


def test_examples_are_found():
    examples = sum(len(test.examples) for name in MODULES for test in examples_of(name))
    assert examples >= FEWEST
