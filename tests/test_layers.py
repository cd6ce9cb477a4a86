"""Imports obey the one direction; the core has no I/O, clock, chance or log."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "booksync"

#: What each module may import of booksync. Nothing else may.
MAY = {
    "errors": "",
    "backoff": "",
    "budget": "",
    "scheduling": "budget",
    "sharing": "budget errors telling",
    "messages": "",
    "states": "messages",
    "policy": "",
    "events": "messages states",
    "inputs": "states",
    "status": "states",
    "exact": "errors",
    "side": "errors exact messages",
    "spelling": "exact",
    "text_side": "errors exact side spelling",
    "results": "exact",
    "grouping": "exact",
    "exporting": "errors exact",
    "queries": "errors exact exporting grouping results side",
    "frozen": "exact queries side",
    "book": "errors exact frozen messages queries results side text_side",
    "edge": "book exact",
    "probing": "auditing book errors messages sync",
    "lateness": "",
    "auditing": "book errors events exact messages",
    "comparing": "auditing book events",
    "asking": "events policy",
    "buffering": "messages",
    "sync": (
        "asking auditing book buffering edge errors events lateness messages policy "
        "frozen states status"
    ),
    "venues": "errors messages",
    "arbitration": "auditing book events frozen states status sync",
    "seeding": "exact inputs messages sync",
    "flight": "inputs recording",
    "shelf": "arbitration book events policy sync venues",
    "connection": "probing sync",
    "succession": (
        "arbitration auditing comparing connection events inputs shelf states sync"
    ),
    "straggling": "arbitration sync",
    "listening": "connection events messages probing shelf straggling venues",
    "answering": "errors events inputs messages shelf sync venues",
    "engine": (
        "answering connection errors events inputs listening messages policy probing "
        "seeding shelf states status succession sync venues"
    ),
    "recording": "errors inputs",
    "replaying": (
        "arbitration book engine errors events inputs recording states sync venues"
    ),
    "framing": "",
    "transport": "errors framing venues",
    "queues": "events inputs",
    "fetching": "errors events inputs scheduling telling transport venues",
    "telling": "errors events",
    "pooling": "budget scheduling sharing",
    "keeping": "backoff budget errors inputs states telling transport venues",
    "metrics": "budget errors feed states status",
    "settings": "budget errors venues",
    "spreading": "events keeping",
    "noting": "events flight inputs queues recording states",
    "driving": (
        "arbitration engine errors events fetching inputs noting queues spreading "
        "states sync telling"
    ),
    "feed": (
        "book budget driving engine errors events fetching inputs keeping noting "
        "pooling frozen queues scheduling settings spreading states status "
        "transport venues"
    ),
}
KIT = {"engine", "events", "inputs", "states", "sync", "venues"}
SHELL = {
    "framing",
    "transport",
    "queues",
    "fetching",
    "keeping",
    "sharing",
    "pooling",
    "spreading",
    "noting",
    "driving",
    "telling",
    "feed",
    "cli",
    "testing",
}
IMPURE = {
    "asyncio", "httpx", "logging", "random", "socket", "sqlite3", "threading",
    "time", "websockets",
}  # fmt: skip
NETWORK = {"websockets": {"framing", "transport", "testing"}, "httpx": {"transport"}}


def modules():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found.append(pytest.param(path, parts, id=".".join(parts)))
    return found


def imported(path):
    """Every module that ``path`` imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def own(name):
    """``booksync.venues.base`` -> ``venues``; ``None`` for others' modules."""
    parts = name.split(".")
    if parts[0] != "booksync" or len(parts) < 2:
        return None
    known = (PACKAGE / f"{parts[1]}.py").exists() or (PACKAGE / parts[1]).is_dir()
    return parts[1] if known else None


@pytest.mark.parametrize(("path", "parts"), modules())
def test_imports_obey_the_direction(path, parts):
    room = parts[0]
    if room in ("__init__", "__main__", "cli"):
        return
    found = {own(name) for name in imported(path)} - {None, room}
    if room == "testing":
        # The conformance kit drives venue modules; the exchange never sees one.
        kit = parts[1:2] == ("conformance",)
        assert found <= {"messages", "errors"} | (KIT if kit else set())
        return
    assert room in MAY, f"{room} has no place in the direction yet"
    allowed = set(MAY[room].split())
    assert found <= allowed, f"{'.'.join(parts)} imports {found - allowed}"


@pytest.mark.parametrize(("path", "parts"), modules())
def test_core_is_pure(path, parts):
    if parts[0] in SHELL or parts[0] in ("__init__", "__main__", "demo"):
        return
    roots = {name.partition(".")[0] for name in imported(path)}
    assert not roots & IMPURE


@pytest.mark.parametrize(("path", "parts"), modules())
def test_network_libraries_are_known_in_one_place(path, parts):
    roots = {name.partition(".")[0] for name in imported(path)}
    for library, rooms in NETWORK.items():
        assert library not in roots or parts[0] in rooms


def test_venue_modules_know_messages_and_errors_only():
    for path in (PACKAGE / "venues").glob("*.py"):
        if path.stem == "__init__":
            continue
        for name in imported(path):
            if name.startswith("booksync."):
                assert name.split(".")[1] in ("errors", "messages", "venues"), name


def test_a_venue_shares_code_with_its_own_exchange_only():
    common = {"base", "declared", "facts", "venues"}
    seen = 0
    for path in (PACKAGE / "venues").glob("[!_]*.py"):
        own = path.stem.partition("_")[0]
        for name in imported(path):
            module = name.rpartition("booksync.venues.")[2].split(".")[0]
            if not name.startswith("booksync.venues.") or module in common:
                continue
            seen += 1
            assert module.startswith(("_", own)), f"{path.name} imports {name}"
    assert seen > 10


def test_no_venue_is_named_in_shared_code():
    venues = {
        path.stem
        for path in (PACKAGE / "venues").glob("*.py")
        if path.stem not in ("__init__", "base", "facts")
    }
    assert "binance" in venues
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        if room in ("venues", "testing", "cli", "demo.py"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef
                          | ast.AsyncFunctionDef)
            and node.body and isinstance(node.body[0], ast.Expr)
        }  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in docstrings:
                named = isinstance(node.value, str) and node.value.lower() in venues
                assert not named, f"{path.name}:{node.lineno} names {node.value!r}"
            if isinstance(node, ast.Name):
                assert node.id.lower() not in venues, f"{path.name}:{node.lineno}"
