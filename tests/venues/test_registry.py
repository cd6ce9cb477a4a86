"""Which venues there are: found in the package, in entry points, registered by hand."""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from booksync import venues
from booksync.errors import ConfigurationError
from booksync.venues import Venue
from booksync.venues.backpack import Backpack
from booksync.venues.binance import Binance
from booksync.venues.declared import DeclaredVenue


class Other(Backpack):
    """A venue of somebody else's."""

    id = "other"


class Impostor(Backpack):
    """Another venue with a name that is taken."""

    id = "binance"


class Nameless(Venue):
    """A venue that forgot its id."""


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A registry of its own: nothing that a test adds is left behind."""
    monkeypatch.setattr(venues, "_registered", {})
    venues._discovered.cache_clear()
    yield
    venues._discovered.cache_clear()


@pytest.fixture
def module(monkeypatch):
    """A module to load venues from; tests fill it."""
    made = ModuleType("their_venues")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def install(monkeypatch, **points):
    """Pretend that packages with these entry points (name=value) are installed."""
    groups = []

    def entry_points(*, group):
        groups.append(group)
        return [EntryPoint(name, value, group) for name, value in points.items()]

    monkeypatch.setattr(venues, "entry_points", entry_points)
    venues._discovered.cache_clear()
    return groups


# -- available -------------------------------------------------------------------------


def test_venues_are_sorted_by_id_and_each_is_under_its_own():
    found = venues.available()
    assert list(found) == sorted(found)
    assert all(kind.id == name for name, kind in found.items())
    assert all(issubclass(kind, Venue) for kind in found.values())


def test_every_venue_class_of_the_package_is_found():
    """Counted another way: by every subclass that a module of the package defines."""
    defined = set()
    for info in pkgutil.iter_modules(venues.__path__):
        name = f"booksync.venues.{info.name}"
        defined |= {
            value
            for value in vars(importlib.import_module(name)).values()
            if isinstance(value, type)
            and issubclass(value, Venue)
            and value.__module__ == name
            and value not in {Venue, DeclaredVenue}
        }
    ours = {
        k for k in venues.available().values() if k.__module__.startswith("booksync.")
    }
    assert ours == defined
    assert len(ours) > 30
    assert {"binance", "binance_us", "binance_usdm", "binance_coinm"} <= {
        kind.id for kind in ours
    }


def test_base_class_is_no_venue():
    assert Venue not in venues.available().values()


def test_answer_is_the_callers_own():
    venues.available().clear()
    assert "binance" in venues.available()


# -- get -------------------------------------------------------------------------------


def test_get_gives_the_class():
    assert venues.get("binance") is Binance


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("binanse", "(did you mean binance", id="a slip"),
        pytest.param("Binance", "(did you mean binance", id="upper case"),
        pytest.param("binance-usdm", "(did you mean binance_usdm", id="a hyphen"),
        pytest.param("gate-futures", "(did you mean gate_futures or ", id="several"),
    ],
)
def test_unknown_venue_is_told_its_neighbours(name, hint):
    with pytest.raises(ConfigurationError) as caught:
        venues.get(name)
    assert f"there is no venue '{name}' {hint}" in str(caught.value)
    assert str(caught.value).count("\n") == 0
    assert "`booksync venues`" in str(caught.value)


@pytest.mark.parametrize("name", ["zzzzzz", "", "\x1b[31m"])
def test_venue_without_neighbours_has_no_hint(name):
    with pytest.raises(ConfigurationError) as caught:
        venues.get(name)
    assert "did you mean" not in str(caught.value)
    assert str(caught.value).isprintable()


# -- register --------------------------------------------------------------------------


def test_registered_venue_is_available_and_in_order():
    assert venues.register(Other) is Other
    assert venues.get("other") is Other
    assert list(venues.available()) == sorted(venues.available())


def test_register_decorates():
    @venues.register
    class Decorated(Backpack):
        id = "decorated"

    assert venues.get("decorated") is Decorated


def test_registering_twice_is_harmless():
    venues.register(Other)
    assert venues.register(Other) is Other
    assert venues.register(Binance) is Binance


@pytest.mark.parametrize(
    "kind", [pytest.param(Impostor, id="of ours"), pytest.param(Other, id="of theirs")]
)
def test_name_that_is_taken_is_refused(kind):
    venues.register(Other)
    twin = type("Twin", (Backpack,), {"id": kind.id})
    before = venues.available()
    with pytest.raises(ConfigurationError, match=f"already a venue '{kind.id}'"):
        venues.register(twin)
    assert venues.available() == before


def test_subclass_without_a_name_of_its_own_is_refused():
    heir = type("Heir", (Binance,), {})
    with pytest.raises(ConfigurationError, match="already a venue 'binance'"):
        venues.register(heir)


@pytest.mark.parametrize("value", [None, 3, "binance", object, Backpack()])
def test_what_is_no_venue_is_refused(value):
    with pytest.raises(ConfigurationError, match="not a subclass"):
        venues.register(value)


@pytest.mark.parametrize("kind", [Nameless, Venue])
def test_venue_without_a_name_is_refused(kind):
    with pytest.raises(ConfigurationError):
        venues.register(kind)


# -- load ------------------------------------------------------------------------------


def test_loaded_venue_is_registered(module):
    module.Other = Other
    assert venues.load("their_venues:Other") is Other
    assert venues.get("other") is Other
    assert venues.load("their_venues:Other") is Other


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        pytest.param("", "Empty module name", id="nothing"),
        pytest.param(":Other", "Empty module name", id="no module"),
        pytest.param("their_venues", "has no attribute ''", id="no attribute"),
        pytest.param("their_venues:", "has no attribute ''", id="empty attribute"),
        pytest.param("their_venues:Nowhere", "'Nowhere'", id="attribute that is not"),
        pytest.param("their_venues:a.b", "'a.b'", id="attribute of an attribute"),
        pytest.param("no.such.module:X", "No module named 'no'", id="no such module"),
    ],
)
@pytest.mark.usefixtures("module")
def test_reference_that_leads_nowhere_is_refused(reference, reason):
    with pytest.raises(ConfigurationError) as caught:
        venues.load(reference)
    assert str(caught.value).startswith(f"cannot load plugin {reference!r}: ")
    assert reason in str(caught.value)


def test_loaded_object_must_be_a_venue_with_a_name_of_its_own(module):
    module.thing, module.Impostor = object(), Impostor
    with pytest.raises(ConfigurationError, match="not a subclass"):
        venues.load("their_venues:thing")
    with pytest.raises(ConfigurationError, match="already a venue"):
        venues.load("their_venues:Impostor")
    assert venues.get("binance") is Binance


BROKEN = {
    "syntax": "def (",
    "name": "nowhere",
    "value": "1 / 0",
    "import": "import no_such_module",
}


@pytest.fixture
def broken(tmp_path, monkeypatch, request):
    """Name of a module that cannot be imported."""
    name = f"broken_plugin_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(request.param)
    monkeypatch.syspath_prepend(tmp_path)
    return name


_numbers = itertools.count()


@pytest.mark.parametrize("broken", [BROKEN["import"]], indirect=True)
def test_module_that_misses_another_is_refused(broken):
    with pytest.raises(ConfigurationError, match="No module named 'no_such_module'"):
        venues.load(f"{broken}:X")


@pytest.mark.parametrize(
    "broken",
    [pytest.param(BROKEN[k], id=k) for k in ("syntax", "name", "value")],
    indirect=True,
)
def test_module_that_cannot_be_imported_is_refused(broken):
    with pytest.raises(ConfigurationError, match="cannot load plugin"):
        venues.load(f"{broken}:X")


def test_relative_module_is_refused():
    with pytest.raises(ConfigurationError):
        venues.load("..plugins:X")


# -- entry points ----------------------------------------------------------------------


def test_third_party_venue_is_found_by_its_entry_point(module, monkeypatch):
    module.Other = Other
    groups = install(monkeypatch, theirs="their_venues:Other")
    assert venues.get("other") is Other
    assert groups == ["booksync.venues"]


def test_venues_are_looked_for_once(module, monkeypatch):
    module.Other = Other
    groups = install(monkeypatch, theirs="their_venues:Other")
    for _ in range(3):
        venues.available()
    assert len(groups) == 1


def test_entry_point_does_not_take_the_name_of_a_venue(module, monkeypatch):
    module.Impostor = Impostor
    install(monkeypatch, binance="their_venues:Impostor")
    assert venues.get("binance") is Binance


def test_venue_of_an_entry_point_cannot_be_replaced(module, monkeypatch):
    module.Other = Other
    install(monkeypatch, theirs="their_venues:Other")
    twin = type("Twin", (Backpack,), {"id": "other"})
    with pytest.raises(ConfigurationError, match="already a venue"):
        venues.register(twin)
    assert venues.register(Other) is Other


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("no_such_module:X", id="no module"),
        pytest.param("their_venues:Nowhere", id="no attribute"),
        pytest.param("their_venues:thing", id="no venue"),
        pytest.param("their_venues:Nameless", id="no name"),
        pytest.param("their_venues", id="a module"),
    ],
)
def test_broken_entry_point_harms_nobody_else(module, monkeypatch, value):
    module.Other, module.Nameless, module.thing = Other, Nameless, object()
    install(monkeypatch, broken=value, theirs="their_venues:Other")
    assert venues.get("binance") is Binance
    assert venues.get("other") is Other


@pytest.mark.parametrize(
    "broken", [pytest.param(v, id=k) for k, v in BROKEN.items()], indirect=True
)
def test_entry_point_that_cannot_be_imported_harms_nobody_else(broken, monkeypatch):
    install(monkeypatch, broken=f"{broken}:X")
    assert venues.get("binance") is Binance


# -- size ------------------------------------------------------------------------------

FILES = sorted(Path(venues.__file__).parent.glob("*.py"))
#: "About 150": what a venue does, without what it documents, imports and declares.
MOST = 150
SHARED = {"base", "declared", "facts", "__init__"}


def own_lines(path):
    """Lines of code but docstrings, comments, imports, ``facts`` and ``limits``."""
    source = path.read_text(encoding="utf-8")
    left = {
        number
        for number, line in enumerate(source.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    for node in ast.walk(ast.parse(source)):
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        names = [
            target.id
            for target in getattr(node, "targets", ())
            if isinstance(target, ast.Name)
        ]
        stated = {"facts", "limits", "heartbeat", "__all__"} & set(names)
        if text or stated or isinstance(node, ast.Import | ast.ImportFrom):
            assert isinstance(node, ast.stmt)
            left -= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(left)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_venue_file_is_small(path):
    assert own_lines(path) <= MOST or path.stem in SHARED
