"""The determinism lint: what a contract's source may not contain, because endorsers could come to different results.

Found, each with file, line and the way out:

- imports outside the short list of modules known to be deterministic (no clock, random source, system, network);
- floats: literals, ``float()``, true division, ``round()``;
- iteration over sets, and sets turned into sequences other than by ``sorted()``: their order differs by process;
- builtins whose result differs by process or machine: ``hash``, ``id``, ``open``, ``eval``, ``exec``, ``input`` ...;
- the present time by ``datetime.now()`` and its kin, ``dict.popitem()``, JSON made without the canonical writer;
- state kept between transactions: ``global``, assignment to ``self`` outside ``__init__``.

It reads source and proves nothing: two endorsers that execute the same transaction remain the judge.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULES_ALLOWED = frozenset(
    {
        "__future__",
        "base64",
        "binascii",
        "collections.abc",
        "dataclasses",
        "datetime",
        "enum",
        "hashlib",
        "re",
        "types",
        "typing",
    }
)
"""Modules of the standard library that a contract may import."""

PACKAGES_ALLOWED = ("chaincode", "network")
"""Our own rooms; what contracts use of them is pure."""

_BUILTINS_REFUSED = frozenset(
    {
        "__import__",
        "breakpoint",
        "complex",
        "dir",
        "eval",
        "exec",
        "float",
        "globals",
        "hash",
        "id",
        "input",
        "locals",
        "open",
        "print",
        "round",
        "vars",
    }
)
_METHODS_REFUSED = {
    "now": "use stub.get_timestamp(), the same at every endorser",
    "utcnow": "use stub.get_timestamp(), the same at every endorser",
    "today": "use stub.get_timestamp(), the same at every endorser",
    "fromtimestamp": "it depends on the machine's time zone; use stub.get_timestamp()",
    "popitem": "take keys by name",
    "dumps": "use chaincode.encoding.to_json, which has one form for one value",
}
_ORDER_MAKERS = frozenset({"list", "tuple", "enumerate", "zip", "map", "filter", "iter", "next", "reversed"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in a contract's source that must go.

    Args:
        file: name of the file.
        line: from 1.
        message: what it is and what to do instead.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def check_source(source: str, file: str = "<contract>") -> list[Finding]:
    """Return what in the source could make endorsers differ, by line.

    Raises:
        SyntaxError: when it is no Python.
    """
    tree = ast.parse(source, file)
    checker = _Checker(_set_names(tree))
    checker.visit(tree)
    return [Finding(file, line, message) for line, message in sorted(checker.found)]


def check_file(path: Path) -> list[Finding]:
    """Return :func:`check_source` of a file."""
    return check_source(path.read_text(encoding="utf-8"), str(path))


def _is_set(node: ast.expr, names: frozenset[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(attr="union" | "intersection" | "difference" | "symmetric_difference")):
            return True
        case ast.Name(id=name):
            return name in names
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return _is_set(left, names) or _is_set(right, names)
    return False


def _assignments(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield target, node.value
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            yield node.target, node.value


def _set_names(tree: ast.AST) -> frozenset[str]:
    """Return names that are given a set anywhere in the file: strict, and good enough for files of this size."""
    names: frozenset[str] = frozenset()
    while True:
        more = {
            target.id for target, value in _assignments(tree) if isinstance(target, ast.Name) and _is_set(value, names)
        }
        if more <= names:
            return names
        names |= more


class _Checker(ast.NodeVisitor):
    """Collects findings as (line, message)."""

    def __init__(self, set_names: frozenset[str]) -> None:
        self.found: set[tuple[int, str]] = set()
        self._set_names = set_names
        self._function = ""

    def _add(self, node: ast.AST, message: str) -> None:
        self.found.add((getattr(node, "lineno", 0), message))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check_module(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._check_module(node, node.module or ".")

    def _check_module(self, node: ast.AST, name: str) -> None:
        if name not in MODULES_ALLOWED and name.partition(".")[0] not in PACKAGES_ALLOWED:
            self._add(node, f"imports {name}, which is not known to be deterministic")

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, (float, complex)):
            self._add(node, f"holds the float {node.value}; use integers in minor units")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div):
            self._add(node, "divides into a float; use // and say how the rest is treated")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.op, ast.Div):
            self._add(node, "divides into a float; use // and say how the rest is treated")
        self._check_target(node.target)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id in _BUILTINS_REFUSED:
            self._add(node, f"uses {node.id}(), whose result may differ by process or machine")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in _METHODS_REFUSED:
            self._add(node, f"uses .{node.attr}: {_METHODS_REFUSED[node.attr]}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        orders = isinstance(node.func, ast.Name) and node.func.id in _ORDER_MAKERS
        joins = isinstance(node.func, ast.Attribute) and node.func.attr in ("join", "extend")
        if (orders or joins) and any(_is_set(argument, self._set_names) for argument in node.args):
            self._add(node, "gives a set an order, which differs by process; use sorted()")
        if (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "pop"
            and _is_set(node.func.value, self._set_names)
        ):
            self._add(node, "takes an arbitrary item of a set; use min() or max()")
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._check_iteration(node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._check_iteration(node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._check_iteration(node.iter)
        self.generic_visit(node)

    def _check_iteration(self, iterated: ast.expr) -> None:
        if _is_set(iterated, self._set_names):
            self._add(iterated, "iterates over a set, whose order differs by process; use sorted()")

    def visit_Global(self, node: ast.Global) -> None:
        self._add(node, "keeps state in a global name between transactions; use the ledger's state")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer, self._function = self._function, node.name
        self.generic_visit(node)
        self._function = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._check_target(target)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._check_target(node.target)
        self.generic_visit(node)

    def _check_target(self, target: ast.expr) -> None:
        while isinstance(target, (ast.Attribute, ast.Subscript)):
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                if self._function != "__init__":
                    self._add(target, f"keeps state in self.{target.attr} between transactions; use the ledger's state")
                return
            target = target.value
