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
    tests = examples_of(name)
    by_name = {test.name: test for test in tests}
    for test in tests:
        owner = by_name.get(test.name.rpartition(".")[0])
        for example in owner.examples if owner else ():
            exec(example.source, test.globs)
        runner.run(test, out=report.append)
    assert not runner.summarize(verbose=False).failed, "".join(report)


def test_every_query_has_an_example():
    found = {test.name for test in examples_of("booksync.queries")}
    queries = booksync.Book.__mro__[1]
    assert queries.__name__ == "Queries"
    names = {
        name
        for name, value in vars(queries).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    }
    without = {n for n in names if f"booksync.queries.Queries.{n}" not in found}
    assert without == {"frozen_sides"}  # not asked by users


def test_examples_are_found():
    examples = sum(len(test.examples) for name in MODULES for test in examples_of(name))
    assert examples >= FEWEST
