"""Aim: the lint names every construct that could make endorsers differ, and our contracts hold none of them.

Method: one line of source for each construct, harmless neighbours beside it; then the contracts themselves.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import chaincode
from chaincode.contract import Contract
from chaincode.determinism import check_file, check_source

FOLDER = Path(chaincode.__file__).parent
RUNTIME = {"__init__.py", "__main__.py", "contract.py", "determinism.py", "in_process.py"}
"""Modules that run contracts rather than being used by them; all others are checked."""
WRITER = {"encoding.py"}
"""The canonical writer itself, the only module that may call ``json``."""


def messages(source: str) -> str:
    return "\n".join(str(finding) for finding in check_source(source))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import time", "imports time"),
        ("import random", "imports random"),
        ("from os import environ", "imports os"),
        ("import socket", "imports socket"),
        ("import asyncio", "imports asyncio"),
        ("import json", "imports json"),
        ("from . import x", "imports ."),
        ("import secrets, re", "imports secrets"),
        ("a = 0.1", "float 0.1"),
        ("a = 1e3", "float 1000.0"),
        ("a = 1j", "float 1j"),
        ("a = b / c", "divides into a float"),
        ("a /= 2", "divides into a float"),
        ("a = float('1')", "uses float()"),
        ("a = round(b)", "uses round()"),
        ("f = sorted(a, key=hash)", "uses hash()"),
        ("a = id(b)", "uses id()"),
        ("open('x')", "uses open()"),
        ("for x in {1, 2}: pass", "iterates over a set"),
        ("for x in set(y): pass", "iterates over a set"),
        ("a = [x for x in frozenset(y)]", "iterates over a set"),
        ("a = {x for x in y}\nfor z in a: pass", "iterates over a set"),
        ("a = set(y)\nb = a\nfor z in b: pass", "iterates over a set"),
        ("a: set[int] = set()\nfor z in a | b: pass", "iterates over a set"),
        ("for x in a.union(b): pass", "iterates over a set"),
        ("f(*set(y))", "iterates over a set"),
        ("a = list(set(y))", "gives a set an order"),
        ("a = ','.join({'a', 'b'})", "gives a set an order"),
        ("a = set(y)\na.pop()", "arbitrary item"),
        ("a = datetime.now()", ".now"),
        ("a = date.today()", ".today"),
        ("a = datetime.fromtimestamp(5)", ".fromtimestamp"),
        ("a.popitem()", ".popitem"),
        ("a = anything.dumps(b)", "to_json"),
        ("def f():\n    global a", "global name"),
        ("class A:\n    async def f(self):\n        self.a = 1", "self.a between"),
        ("class A:\n    async def f(self):\n        self.a['x'] = 1", "self.a between"),
        ("class A:\n    async def f(self):\n        self.a += 1", "self.a between"),
        ("class A:\n    async def f(self):\n        self.a: int = 1", "self.a between"),
    ],
)
def test_lint_when_source_could_differ_then_named_with_line(source: str, expected: str) -> None:
    found = check_source(source)
    assert len(found) == 1, found
    assert expected in found[0].message
    assert found[0].line == source.count("\n") + 1


@pytest.mark.parametrize(
    "source",
    [
        "import re\nfrom datetime import datetime\nfrom chaincode import keys",
        "a = b // c\nb = 5 % 3",
        "for x in sorted(set(y)): pass",
        "a = len(set(y)) == len(y)\nb = x in {1, 2}",
        "for key, value in record.items(): pass",
        "class A:\n    def __init__(self):\n        self.a = 1",
        "class A:\n    async def f(self, stub):\n        a = 1\n        a += 2\n        b['x'] = a",
        "a = list.pop(b)",
    ],
)
def test_lint_when_source_is_deterministic_then_silent(source: str) -> None:
    assert messages(source) == ""


def test_lint_when_run_over_our_contracts_then_silent() -> None:
    checked = sorted(path for path in FOLDER.glob("*.py") if path.name not in RUNTIME | WRITER)
    assert {"audit.py", "compliance.py"} <= {path.name for path in checked}
    assert [str(finding) for path in checked for finding in check_file(path)] == []
    writer = [str(finding) for finding in check_file(FOLDER / "encoding.py")]
    assert all("json" in finding for finding in writer)


def test_lint_when_a_contract_class_exists_then_its_file_is_checked() -> None:
    # A contract derives from the base, or from one of ours, all of which are named so.
    is_contract = re.compile(rf"^class \w+\((\w+, )*\w*{Contract.__name__}\):", re.MULTILINE).search
    sources = [path for path in FOLDER.rglob("*.py") if is_contract(path.read_text(encoding="utf-8"))]
    contracts = {path.relative_to(FOLDER).as_posix() for path in sources} - RUNTIME
    assert contracts >= {"audit.py", "compliance.py", "disclosure.py", "findings.py"}
    assert all("/" not in name for name in contracts)
