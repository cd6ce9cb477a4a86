"""
Where fuzzing begins: frames of the venue's own tests, samples of its wire schemas, and
recorded frames where they are at hand (cut to a few levels, and never written down).
"""

from __future__ import annotations

import ast
import base64
import importlib
import inspect
import itertools
import json
import string
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect as schema

from booksync import venues
from booksync.errors import VenueError
from tests import captures
from tests.capture_table import CASES
from tests.fuzz.cases import MOST_RECORDS, Case, Kind, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

#: Elements to which a recorded list is cut.
SHORT = 4
#: Recorded frames that are looked at, and kept of each capture.
LOOKED_AT, KEPT = 400, 10

#: How the modules begin that only a venue's own module imports.
PRIVATE = "booksync.venues._"

#: Frames of venues whose tests name none; see the module of each venue for sources.
BUILT_IN = {
    "binance": """
{"result":null,"id":1}
{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1672515782136,"s":"BTCUSDT","U":157,"u":160,"pu":156,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}}
{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1672515782236,"s":"BTCUSDT","U":161,"u":162,"pu":160,"b":[["0.0024","0"]],"a":[]}}
{"lastUpdateId":160,"E":1589436922972,"T":1589436922959,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}
{"error":{"code":2,"msg":"Invalid request"},"id":1}
{"stream":"!x","data":{"e":"serverShutdown","E":1672515782136}}
{"code":-1121,"msg":"Invalid symbol."}
{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.01"},{"filterType":"LOT_SIZE","stepSize":"0.00001"}]}]}
""",
}


def of(venue: str, *, recorded: bool = True) -> list[Case]:
    """
    Cases of one venue: at least one, the same at each call.

    Args:
        venue: Its id.
        recorded: Take recorded frames too, where they are at hand.

    """
    kind = venues.get(venue)
    frames = [*_built_in(kind), *_samples(kind)]
    found = [Case(2, tuple(part)) for part in _in_parts(kind(), frames)]
    if recorded:
        found += [case for name in CASES for case in _recorded(venue, name)]
    return found or [Case(2, (Record(Kind.TEXT, b"{}"),))]


def tokens(venue: str) -> list[str]:
    """Short texts of the modules that read this venue: words of its protocol."""
    trees = [ast.parse(inspect.getsource(m)) for m in _modules(venues.get(venue))]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    found = {
        node.value: None
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and 0 < len(node.value) < 40
        and "\n" not in node.value
    }
    fields = {
        node.target.id: None
        for node in nodes
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return [*found, *fields]


def _modules(kind: type[venues.Venue]) -> list[ModuleType]:
    """The venue's own, those of venues that it is made of, and their private ones."""
    found: list[ModuleType] = []
    for base in kind.__mro__:
        module = inspect.getmodule(base)
        if module is not None and module not in found and "id" in vars(base):
            found.append(module)
            found += [
                value
                for value in vars(module).values()
                if inspect.ismodule(value) and value.__name__.startswith(PRIVATE)
            ]
    return found


def _in_parts(venue: venues.Venue, frames: list[bytes]) -> Iterator[list[Record]]:
    """All frames as they come, and those that are answers' bodies as such."""
    records = [Record(_kind(frame), frame) for frame in frames]
    for start in range(0, len(records), 4):
        yield records[start : start + 4]
    for at, record in enumerate(records):
        yield [record, records[at - 1], record]
        if _accepts(venue.parse_snapshot, record.data, "BTC-USD", venue.depth):
            body = record.data
            yield [Record(Kind.SNAPSHOT, body), *records[:4], Record(Kind.AUDIT, body)]
        if _accepts(venue.parse_instruments, record.data):
            yield [Record(Kind.INSTRUMENTS, record.data), *records[:2]]


def _accepts(parse: Callable[..., Any], *given: Any) -> bool:
    try:
        return bool(parse(*given))
    except (VenueError, AssertionError):  # some venues have no such answers
        return False


def _kind(frame: bytes) -> Kind:
    text = frame[:1] in (b"{", b"[", b'"') or frame.isascii()
    return Kind.TEXT if text else Kind.BINARY


# -- the tests' own frames -------------------------------------------------------------


def _built_in(kind: type[venues.Venue]) -> Iterator[bytes]:
    for read_by in _modules(kind):
        stem = read_by.__name__.rpartition(".")[2]
        yield from BUILT_IN.get(stem, "").strip().encode().splitlines()
        try:
            module = importlib.import_module(f"tests.venues.test_{stem}")
        except ImportError:
            continue
        for name, value in vars(module).items():
            if name.isupper():
                for item in value if isinstance(value, tuple | list) else (value,):
                    yield from _frames(item)


def _frames(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str) and value[:1] in ("{", "["):
        yield value.encode()


# -- a sample of each wire schema ------------------------------------------------------


def _samples(kind: type[venues.Venue]) -> Iterator[bytes]:
    for module in _modules(kind):
        yield from _samples_of(module)


def _samples_of(module: ModuleType) -> Iterator[bytes]:
    for value in vars(module).values():
        own = getattr(value, "__module__", None) == module.__name__
        if own and isinstance(value, type) and issubclass(value, msgspec.Struct):
            variables = getattr(value, "__parameters__", ())
            wire: Any = value
            if variables:
                wire = wire[(str,) * len(variables)]
            yield json.dumps(_sample(schema.type_info(wire))).encode()


PLAIN: dict[Any, Any] = {
    schema.IntType: 5,
    schema.FloatType: 1.5,
    schema.BoolType: True,
    schema.NoneType: None,
    schema.StrType: "BTC-USD",
    schema.DecimalType: "1.5",
    schema.AnyType: "x",
    schema.RawType: {},
    schema.DictType: {},
}


def _sample(info: Any, depth: int = 0) -> Any:
    """A value that the schema takes."""
    if depth > 8 or type(info) in PLAIN:
        return PLAIN.get(type(info))
    found: Any = None
    match info:
        case schema.LiteralType(values=values):
            found = values[0]
        case schema.UnionType(types=kinds):
            found = _sample(kinds[0], depth + 1)
        case schema.TupleType(item_types=kinds):
            found = [_sample(kind, depth + 1) for kind in kinds]
            found = ["1.5" if part == "BTC-USD" else part for part in found]  # a level
        case schema.StructType(fields=fields):
            names = [field.encode_name for field in fields]
            inside = [_sample(field.type, depth + 1) for field in fields]
            named = dict(zip(names, inside, strict=True))
            found = inside if info.array_like else named
        case schema.Metadata(type=inner):
            found = _sample(inner, depth + 1)
        case _ if hasattr(info, "item_type"):
            found = [_sample(info.item_type, depth + 1)]
        case _:
            pass
    return found


# -- recorded frames -------------------------------------------------------------------


def _recorded(venue: str, name: str) -> Iterator[Case]:
    case = CASES[name]
    path = captures.ROOT / "data" / f"{name}.jsonl.gz"
    if case.plugin or case.venue != venue or not path.exists():
        return
    shapes: dict[str, Record] = {}
    for record in itertools.islice(captures.records(name), LOOKED_AT):
        if record["dir"] == "in" and record["raw"]:
            shapes.setdefault(_shape(record), _shortened(record))
    kept = list(shapes.values())[:KEPT]
    answers = path.with_name(f"{name}.instruments.json")
    if answers.exists():
        for answer in json.loads(answers.read_text())[:1]:
            data = json.dumps(_cut(answer["data"])).encode()
            kept.insert(0, Record(Kind.INSTRUMENTS, data))
    for start in range(0, len(kept), MOST_RECORDS):
        yield Case(0b10, tuple(kept[start : start + MOST_RECORDS]))


def _shape(record: dict[str, Any]) -> str:
    """As much of a frame as tells its kind: its letters, without numbers."""
    kept = string.ascii_letters + '":{['
    letters = [c for c in record["raw"][:400] if c in kept]
    return f"{record['ch']} {''.join(letters)[:120]}"


def _shortened(record: dict[str, Any]) -> Record:
    if record["ch"] == "http":
        return Record(Kind.SNAPSHOT, _short(record["raw"]))
    if "b64" in record:
        return Record(Kind.BINARY, base64.b64decode(record["b64"]))
    return Record(Kind.TEXT, _short(record["raw"]))


def _short(raw: str) -> bytes:
    try:
        document = json.loads(raw, parse_float=str)
    except ValueError:
        return raw.encode()
    return raw.encode() if len(raw) < 2_000 else json.dumps(_cut(document)).encode()


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_cut(child) for child in value[:SHORT]]
    return value
