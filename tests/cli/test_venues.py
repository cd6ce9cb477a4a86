"""``booksync venues``."""

from __future__ import annotations

import pytest

from booksync import venues
from booksync.cli.table import markdown, records


def test_table_names_every_venue_and_its_assurance(booksync):
    result = booksync("venues")
    assert result.code == 0
    assert not result.err
    for name, venue in venues.available().items():
        [line] = [line for line in result.out.splitlines() if line.split()[0] == name]
        assert venue.facts.assurance.value in line


def test_json_is_an_object_a_venue(booksync):
    result = booksync("venues", "--json")
    assert result.objects == records()


def test_markdown_is_the_table_of_the_readme(booksync):
    assert booksync("venues", "--markdown").out == markdown()


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A venue of somebody's own, in the current folder."""
    (tmp_path / "my_venue_module.py").write_text(
        "from booksync.venues.binance import Binance\n"
        "class Mine(Binance):\n"
        "    id = 'mine'\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", __import__("sys").path[:])
    monkeypatch.setattr(venues, "_registered", {})


@pytest.mark.usefixtures("plugin")
def test_plugin_of_the_current_folder_is_a_venue_for_the_run(booksync):
    result = booksync("venues", "--json", "--plugin", "my_venue_module:Mine")
    assert "mine" in [each["id"] for each in result.objects]


def test_plugin_that_does_not_run_is_told(booksync, tmp_path, monkeypatch):
    (tmp_path / "my_broken_module.py").write_text("nonsense = (")
    monkeypatch.syspath_prepend(tmp_path)
    result = booksync("venues", "--plugin", "my_broken_module:Mine")
    assert result.code == 2
    [line] = result.errors
    assert "my_broken_module" in line
    assert "SyntaxError" in line
