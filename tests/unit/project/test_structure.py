"""The rules of the house, checked over every source file: who imports whom, how long things get, what is documented."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
ROOMS = ("network", "ledger", "chaincode", "node", "gateway")

MAY_IMPORT = {
    "network": set(),
    "ledger": set(),
    "chaincode": {"network"},
    "node": {"network", "ledger"},
    "gateway": {"network"},
}

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
LONGER_FOR_A_REASON: dict[str, str] = {}
"""``path`` or ``path:function`` -> why it is better in one piece."""

TRANSPORT = Path("network/rpc")


@cache
def source_files() -> list[tuple[Path, ast.Module]]:
    found = []
    for room in ROOMS:
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            relative = path.relative_to(REPOSITORY)
            if relative.parts[:2] != ("network", "pb"):
                found.append((relative, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imported_modules(tree: ast.Module) -> Iterator[str]:
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module is not None:
            yield statement.module


def test_rooms_import_one_way_only() -> None:
    wrong = [
        f"{path} imports {module}"
        for path, tree in source_files()
        for module in imported_modules(tree)
        if (room := module.split(".")[0]) in ROOMS and room != path.parts[0] and room not in MAY_IMPORT[path.parts[0]]
    ]
    assert wrong == []


def test_only_the_transport_imports_grpc() -> None:
    wrong = [
        f"{path} imports {module}"
        for path, tree in source_files()
        for module in imported_modules(tree)
        if module.split(".")[0].startswith("grpc") and TRANSPORT not in path.parents
    ]
    assert wrong == []


def test_no_file_or_function_outgrows_its_reader() -> None:
    long = []
    for path, tree in source_files():
        lines = len((REPOSITORY / path).read_text(encoding="utf-8").splitlines())
        if lines > FILE_LINES_MAX and str(path) not in LONGER_FOR_A_REASON:
            long.append(f"{path}: {lines} lines")
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                length = function_lines(function)
                name = f"{path}:{function.name}"
                if length > FUNCTION_LINES_MAX and name not in LONGER_FOR_A_REASON:
                    long.append(f"{name}: {length} lines")
    assert long == []


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    length = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        assert first.end_lineno is not None
        length -= first.end_lineno - first.lineno + 1
    return length


def test_every_module_and_public_name_is_documented() -> None:
    bare = []
    for path, tree in source_files():
        if ast.get_docstring(tree) is None and path.name != "__main__.py":
            bare.append(str(path))
        bare += [f"{path}:{node.name}" for node in public_definitions(tree) if ast.get_docstring(node) is None]
    assert bare == []


def public_definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


@pytest.mark.parametrize("room", ROOMS)
def test_modules_of_a_room_do_not_import_in_circles(room: str) -> None:
    graph: dict[str, set[str]] = {}
    for path, tree in source_files():
        if path.parts[0] != room:
            continue
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        graph[name] = {
            module
            for statement in run_time_statements(tree)
            for module in imported_modules(ast.Module([statement], []))
            if module.split(".")[0] == room
        }
    assert find_circle(graph) == []


def run_time_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Top-level statements, without imports made for type checkers only."""
    for statement in tree.body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the first circle of modules found, or nothing."""
    done: set[str] = set()

    def walk(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done or name not in graph:
            return []
        for other in sorted(graph[name]):
            if circle := walk(other, [*trail, name]):
                return circle
        done.add(name)
        return []

    for name in sorted(graph):
        if circle := walk(name, []):
            return circle
    return []


def test_repository_names_no_machine_and_no_secret() -> None:
    forbidden = ("/" + "work/", "BEGIN PRIVATE " + "KEY", "BEGIN EC PRIVATE " + "KEY")
    found = []
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for relative in listed.decode().split("\0"):
        path = REPOSITORY / relative
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="ignore")
            found += [f"{relative}: {word}" for word in forbidden if word in text]
    assert found == []
