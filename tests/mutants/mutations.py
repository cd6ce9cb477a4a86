"""
Mutations of a module: one small change each, found in its syntax tree.

They are made from the present source by what stands there, not by line numbers, so they
survive any edit; a mutation's name is what it does to which expression.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Mutation", "mutations"]

#: What each comparison becomes.
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
}  # fmt: skip


class Mutation(NamedTuple):
    """
    One changed module.

    Args:
        name: ``function: before -> after``, unique in its module.
        source: The whole module, changed.

    """

    name: str
    source: str


def mutations(
    source: str, *, every: int | None = None, count: int | None = None
) -> Iterator[Mutation]:
    """
    Yield mutations of a module, in the order of its source.

    Args:
        source: The module.
        every: Each so many of them; all by default.
        count: So many at least, from all over the module, if it has as many.

    """
    tree = ast.parse(source)
    found = [(f, n, c) for f, n in _nodes(tree) if (c := _change(n)) is not None]
    step = every or (max(len(found) // count, 1) if count else 1)
    seen: dict[str, int] = {}
    for at, (function, node, change) in enumerate(found):
        before, kept = _short(node), copy.copy(node.__dict__)
        name = f"{function}: {before} -> {change(node)}"
        seen[name] = seen.get(name, 0) + 1
        if at % step == 0:
            text = ast.unparse(ast.fix_missing_locations(tree))
            again = f" ({seen[name]})" if seen[name] > 1 else ""
            yield Mutation(name + again, text)
        node.__dict__.clear()
        node.__dict__.update(kept)


def _nodes(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield what functions do, but not their docstrings and annotations."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for statement in function.body:
            for node in _inside(statement):
                yield function.name, node


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.Assert | ast.Raise):
        return  # found by itself; for tests; the words of an error
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    yield node
    for name, value in ast.iter_fields(node):
        if name == "annotation":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _inside(child)


Change = Callable[[ast.AST], str]


def _change(node: ast.AST) -> Change | None:
    """Choose what is done to a node; nothing to most."""
    if isinstance(node, ast.Constant):
        kinds: dict[type, Change] = {bool: _opposite, int: _one_more}
        return kinds.get(type(node.value))
    known = {
        ast.Compare: _compare, ast.BoolOp: _boolean, ast.If: _negate,
        ast.IfExp: _negate, ast.While: _negate, ast.BinOp: _arithmetic,
        ast.AugAssign: _nothing, ast.Expr: _nothing, ast.Assign: _nothing,
    }  # fmt: skip
    change = known.get(type(node))
    return change if change is not None and _fits(node) else None


def _fits(node: ast.AST) -> bool:
    match node:
        case ast.Compare(ops=ops):
            return len(ops) == 1 and type(ops[0]) in COMPARISONS
        case ast.BinOp(op=op):
            return type(op) in ARITHMETIC
        case ast.Expr(value=value):
            return isinstance(value, ast.Call)
        case ast.Assign(targets=targets):
            return isinstance(targets[0], ast.Attribute)
        case _:
            return True


def _compare(node: ast.AST) -> str:
    assert isinstance(node, ast.Compare)
    node.ops = [COMPARISONS[type(node.ops[0])]()]
    return _short(node)


def _boolean(node: ast.AST) -> str:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
    return _short(node)


def _negate(node: ast.AST) -> str:
    assert isinstance(node, ast.If | ast.IfExp | ast.While)
    node.test = ast.UnaryOp(ast.Not(), node.test)
    return _short(node)


def _arithmetic(node: ast.AST) -> str:
    assert isinstance(node, ast.BinOp)
    node.op = ARITHMETIC[type(node.op)]()
    return _short(node)


def _opposite(node: ast.AST) -> str:
    assert isinstance(node, ast.Constant)
    node.value = not node.value
    return _short(node)


def _one_more(node: ast.AST) -> str:
    assert isinstance(node, ast.Constant)
    assert isinstance(node.value, int)
    node.value += 1
    return _short(node)


def _nothing(node: ast.AST) -> str:
    """Leave a statement out."""
    if isinstance(node, ast.AugAssign):
        node.value = ast.Constant(0)
    elif isinstance(node, ast.Assign):  # of all that are set, each to itself
        names = ",".join(ast.unparse(target) for target in node.targets)
        (same,) = ast.parse(f"({names},) = ({names},)").body
        assert isinstance(same, ast.Assign)
        node.targets, node.value = same.targets, same.value
    elif isinstance(node, ast.Expr):
        node.value = ast.Constant(None)
    return "left out"


def _short(node: ast.AST) -> str:
    """Name an expression; of a statement with a body, its condition."""
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        return f"if {ast.unparse(node.test)}"
    return " ".join(ast.unparse(node).split())[:90]
