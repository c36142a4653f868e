"""Mutation testing of the rules: makes one small mistake at a time and asks the fast tests whether they notice.

    python tests/mutation/run.py [--every N] [ledger/rules.py ...] > mutation.json

Method: every place of a module's syntax tree where one token could be wrong gives a mutant: a comparison one off or
turned round, ``and`` for ``or``, a lost ``not``, plus for minus, a number one more or less, another result code, a call
left out. Each runs in a process of its own, forked from one that has the libraries loaded; the module is compiled from
the changed tree, nothing is written. One that passes the tests survives: a test is missing, or it means the same.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).resolve().parents[2]

JUDGES = (
    "tests/unit/ledger/test_accounting_tables.py",
    "tests/unit/ledger/test_batch.py",
    "tests/property/test_ledger_semantics.py",
)
SCOPE, REFUSAL = "tests/unit/ledger/test_scope.py", "tests/unit/ledger/test_refusal.py"
RUNS = "tests/property/test_runs.py"
TESTS = {
    "ledger/rules.py": (*JUDGES, SCOPE, REFUSAL, RUNS),
    "ledger/state.py": ("tests/unit/ledger/test_state.py", *JUDGES, RUNS),
    "ledger/batch.py": (*JUDGES, SCOPE, REFUSAL, RUNS),
    "ledger/run_judge.py": (RUNS, *JUDGES),
    "ledger/run_holds.py": (RUNS, *JUDGES),
    "ledger/scope.py": (SCOPE,),
    "ledger/refusal.py": (REFUSAL, RUNS),
    "ledger/hold.py": ("tests/unit/ledger/test_hold.py", *JUDGES),
    "ledger/monitors.py": ("tests/unit/ledger/test_monitors.py", "tests/property/test_monitor_properties.py"),
    "ledger/money.py": ("tests/unit/ledger/test_money.py",),
    "ledger/portions.py": ("tests/unit/ledger/test_portions.py",),
}
"""The tests that are asked, for each module: those that need no database."""

SELECTED = "not books_answer and not model"
TIMEOUT_S = 120

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
}  # fmt: skip
CODES = (
    "POSTED", "EXISTS", "EXISTS_WITH_DIFFERENT_BODY", "ACCOUNT_NOT_FOUND", "ASSET_MISMATCH", "UNBALANCED",
    "PERIOD_CLOSED", "ENTRY_NOT_FOUND", "ENTRY_ARCHIVED", "EXCEEDS_ORIGINAL", "HOLD_NOT_FOUND", "HOLD_NOT_PLACED",
    "HOLD_EXPIRED", "HOLD_MISMATCH", "ACCOUNT_CLOSED", "ACCOUNT_FROZEN", "DEADLINE_PASSED", "BALANCE_OVERFLOW",
    "EXCEEDS_AVAILABLE", "EXCEEDS_CEILING", "LINKED_FAILED",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Args:
        place: module and line.
        mistake: what is wrong now.
        tree: the whole module with it.
    """

    place: str
    mistake: str
    tree: ast.Module


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of its lines."""
    tree = ast.parse((REPOSITORY / module).read_text(encoding="utf-8"))
    decoration = {inner for node in ast.walk(tree) for outer in _decorators(node) for inner in ast.walk(outer)}
    for index, node in enumerate(ast.walk(tree)):
        if node in decoration:
            continue
        for number, mistake in enumerate(_mistakes(node)):
            changed = copy.deepcopy(tree)
            _make(_node(changed, index), number)
            yield Mutant(f"{module}:{getattr(node, 'lineno', 0)}", mistake, ast.fix_missing_locations(changed))


def _decorators(node: ast.AST) -> list[ast.expr]:
    """Whether a class is frozen or has slots is no rule: a mistake there changes no answer."""
    return getattr(node, "decorator_list", [])


def _node(tree: ast.AST, index: int) -> ast.AST:
    return next(node for number, node in enumerate(ast.walk(tree)) if number == index)


def _mistakes(node: ast.AST) -> list[str]:
    """Say which mistakes can be made at a node; ``_make`` makes them by their number in this list."""
    match node:
        case ast.Compare(ops=ops):
            return [f"{type(op).__name__} -> {COMPARISONS[type(op)].__name__}" for op in ops]
        case ast.BoolOp(op=op):
            return ["and -> or" if isinstance(op, ast.And) else "or -> and"]
        case ast.UnaryOp(op=ast.Not()):
            return ["not left out"]
        case ast.UnaryOp(op=ast.USub()):
            return ["minus left out"]
        case ast.BinOp(op=op) if type(op) in OPERATORS:
            return [f"{type(op).__name__} -> {OPERATORS[type(op)].__name__}"]
        case ast.AugAssign(op=op) if type(op) in OPERATORS:
            return [f"{type(op).__name__}= -> {OPERATORS[type(op)].__name__}="]
        case ast.Constant(value=bool() as value):
            return [f"{value} -> {not value}"]
        case ast.Constant(value=int() as value):
            return [f"{value} -> {value + 1}", f"{value} -> {value - 1}"]
        case ast.Attribute(value=ast.Name(id="ResultCode"), attr=code) if code in CODES:
            return [f"{code} -> {_other(code)}"]
        case ast.Expr(value=ast.Call()):
            return [f"left out: {ast.unparse(node)}"]
    return []


def _other(code: str) -> str:
    return CODES[(CODES.index(code) + 1) % len(CODES)]


def _make(node: ast.AST, number: int) -> None:
    match node:
        case ast.Compare():
            node.ops[number] = COMPARISONS[type(node.ops[number])]()
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.UnaryOp():
            # Twice "not", or plus: the tree keeps its shape, so that numbers of nodes stay true.
            node.op = ast.UAdd() if isinstance(node.op, ast.USub) else _twice_not(node)
        case ast.BinOp() | ast.AugAssign():
            node.op = OPERATORS[type(node.op)]()
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant(value=int()):
            node.value += 1 if number == 0 else -1
        case ast.Attribute():
            node.attr = _other(node.attr)
        case ast.Expr():
            node.value = ast.Constant(None)


def _twice_not(node: ast.UnaryOp) -> ast.Not:
    node.operand = ast.UnaryOp(ast.Not(), node.operand)
    return ast.Not()


class OneModule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a tree instead of its file."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self._name = name
        self._tree = tree

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._tree, f"<{self._name}>", "exec"), module.__dict__)


def survives(module: str, tree: ast.Module) -> bool:
    """Whether the tests pass with this tree in place of the module."""
    child = os.fork()
    if child == 0:
        signal.alarm(TIMEOUT_S)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os._exit(_test(module, tree))
    _, status = os.waitpid(child, 0)
    return status == 0


def _test(module: str, tree: ast.Module) -> int:
    import pytest
    from hypothesis import Phase, settings

    sys.meta_path.insert(0, OneModule(module.removesuffix(".py").replace("/", "."), tree))
    settings.register_profile("mutation", derandomize=True, database=None, phases=(Phase.generate,), deadline=None)
    settings.load_profile("mutation")
    # No fixtures of all tests: they load the whole node, and the judges need no server.
    options = ["-x", "-q", "--noconftest", "--runxfail", "--assert=plain", "-p", "no:cacheprovider", "-k", SELECTED]
    return int(pytest.main([*options, *TESTS[module]]))


def main() -> None:
    """Run the mutants of the modules named, or of all, and print what survived and the score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("modules", nargs="*", default=list(TESTS), metavar="module")
    parser.add_argument("--every", type=int, default=1, help="only each so manieth mutant")
    chosen = parser.parse_args()
    os.chdir(REPOSITORY)
    sys.path.insert(0, str(REPOSITORY))
    import hypothesis.stateful  # noqa: F401 - loaded once, before the forks
    import nacl.signing  # noqa: F401
    import numpy  # noqa: F401
    import psycopg.types.json  # noqa: F401
    import pytest  # noqa: F401

    began = time.monotonic()
    report: dict[str, object] = {}
    for module in chosen.modules:
        original = ast.parse((REPOSITORY / module).read_text(encoding="utf-8"))
        if not survives(module, original):
            sys.exit(f"{module}: the tests fail without any mutation: nothing can be said")
        mutants = list(mutants_of(module))[:: chosen.every]
        left = []
        for mutant in mutants:
            if survives(module, mutant.tree):
                left.append({"place": mutant.place, "mistake": mutant.mistake})
                print(f"survived: {mutant.place} {mutant.mistake}", file=sys.stderr, flush=True)
        killed = len(mutants) - len(left)
        report[module] = {
            "mutants": len(mutants), "killed": killed, "score": round(killed / len(mutants), 3), "survived": left,
        }  # fmt: skip
    report["seconds"] = round(time.monotonic() - began)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
