"""The mutations are what they say, and the command tells what survives."""

from __future__ import annotations

import ast

from tests.mutants import __main__ as command
from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.mutations import mutations

SOURCE = '''
"""A module."""

def f(x: int = 1) -> int:
    """Docs with 7."""
    if x < 2 and x != 3:
        x += 1
    self.y = x + 4
    note(True)
    raise ValueError("not 5")
'''


def test_every_kind_of_lie_is_told_once():
    found = {mutation.name: mutation.source for mutation in mutations(SOURCE)}
    assert list(found) == [
        "f: if x < 2 and x != 3 -> if not (x < 2 and x != 3)",
        "f: x < 2 and x != 3 -> x < 2 or x != 3",
        "f: x < 2 -> x <= 2",
        "f: 2 -> 3",
        "f: x != 3 -> x == 3",
        "f: 3 -> 4",
        "f: x += 1 -> left out",
        "f: 1 -> 2",
        "f: self.y = x + 4 -> left out",
        "f: x + 4 -> x - 4",
        "f: 4 -> 5",
        "f: note(True) -> left out",
        "f: True -> False",
    ]
    truth = ast.unparse(ast.parse(SOURCE))
    for name, source in found.items():
        changed = [
            (a, b)
            for a, b in zip(truth.splitlines(), source.splitlines(), strict=True)
            if a != b
        ]
        assert len(changed) == 1, name


def test_statement_that_sets_two_things_sets_neither_when_left_out():
    source = "def f(self):\n    self.a = self.b = None\n"
    (found,) = mutations(source)
    assert found.name == "f: self.a = self.b = None -> left out"
    assert found.source.endswith("self.a, self.b = (self.a, self.b)")


def test_same_lie_twice_has_two_names():
    source = "def f():\n    return [1, 1]\n"
    assert [m.name for m in mutations(source)] == ["f: 1 -> 2", "f: 1 -> 2 (2)"]


def test_at_least_thirty_are_told_and_each_module_has_its_tests():
    told = 0
    for module, tests in command.TESTS.items():
        found = command._spread(module, None)
        assert len({mutation.source for mutation in found}) == len(found) >= 5
        ast.parse(found[0].source)
        told += len(found)
        for test in tests:
            assert (command.ROOT / "tests" / f"{test}.py").exists()
    assert told >= 30


def test_lie_is_noticed_or_not(tmp_path, monkeypatch, capsys):
    for folder in ("booksync", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "booksync" / "__init__.py").touch()
    text = "def one():\n    return 1\n\n\ndef two():\n    return 2\n"
    (tmp_path / "booksync" / "toy.py").write_text(text)
    test = "from booksync.toy import one\n\n\ndef test_one():\n    assert one() == 1\n"
    (tmp_path / "tests" / "test_toy.py").write_text(test)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "README.md").touch()
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "COPIED", ("booksync", "tests", "pyproject.toml"))
    monkeypatch.setattr(command, "TESTS", {"toy": ["test_toy"]})
    monkeypatch.setattr("sys.argv", ["mutants", "--jobs", "1"])
    assert command.main() == 1
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "1/2 killed     toy.one: 1 -> 2",
        "2/2 SURVIVED   toy.two: 2 -> 3",
        "2 mutants, 1 survived",
    ]
    monkeypatch.setitem(EQUIVALENT, "toy.two: 2 -> 3", "nobody asks")
    assert command.main() == 0
    assert "equivalent toy.two: 2 -> 3 (nobody asks)" in capsys.readouterr().out
