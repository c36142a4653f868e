"""What the documents name must exist: files, tests, functions on the way of a payment, commands.

Method: read every Markdown file of the repository's own documents and look up each path in backticks, each test named
by ``file::test``, each relative link, and each ``dwaybank ...`` command.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from node.cli import app

REPOSITORY = Path(__file__).resolve().parents[3]
ROOMS = ("network", "ledger", "chaincode", "node", "gateway")
FOLDERS = (*ROOMS, "tests", "fixtures", "docs", "proto", "benchmarks", "deploy")

CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[A-Za-z0-9_./-]*")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"\bdwaybank ((?:[a-z][a-z0-9-]* ?)+)")
STEP = re.compile(r"^\| [^|]+ \| `([^`]+\.(?:py|sql))` \| `([A-Za-z_.]+)` \|$", re.MULTILINE)


def documents() -> list[Path]:
    found = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "fixtures").rglob("*.md")]
    return sorted(path.relative_to(REPOSITORY) for path in found)


def code_spans(text: str) -> Iterator[str]:
    """Texts in backticks, outside fenced blocks."""
    for match in CODE.finditer(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        yield match.group(1)


@cache
def known_commands() -> frozenset[tuple[str, ...]]:
    """Every command of ours, as the words that call it."""
    return frozenset(commands(typer.main.get_command(app)))


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command of a group and of the groups in it, as the words that call it."""
    for name, command in group.commands.items():
        yield (*before, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))


@pytest.mark.parametrize("document", documents(), ids=str)
def test_every_path_in_backticks_exists(document: Path) -> None:
    spans = [span.partition("::")[0] for span in code_spans((REPOSITORY / document).read_text(encoding="utf-8"))]
    named = [span for span in spans if PATH.fullmatch(span)]
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("document", documents(), ids=str)
def test_every_test_named_exists(document: Path) -> None:
    missing = []
    for span in code_spans((REPOSITORY / document).read_text(encoding="utf-8")):
        path, separator, name = span.partition("::")
        if separator and PATH.fullmatch(path) and f"def {name}(" not in (REPOSITORY / path).read_text(encoding="utf-8"):
            missing.append(span)
    assert missing == []


@pytest.mark.parametrize("document", documents(), ids=str)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    targets = LINK.findall(
        re.sub(r"```.*?```", "", (REPOSITORY / document).read_text(encoding="utf-8"), flags=re.DOTALL)
    )
    local = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (REPOSITORY / document.parent / target).exists()] == []


@pytest.mark.parametrize("document", documents(), ids=str)
def test_every_command_named_is_a_command(document: Path) -> None:
    known = known_commands()
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    places = [*code_spans(text), *re.findall(r"^ *(?:\$ )?(dwaybank .*)$", text, re.MULTILINE)]
    wrong = []
    for place in places:
        match = COMMAND.match(place)
        if match is None:
            continue
        words = tuple(match.group(1).split())
        groups = {command[:1] for command in known if len(command) > 1}
        needed = words[:2] if words[:1] in groups else words[:1]
        if needed not in known:
            wrong.append(place)
    assert wrong == []


def test_each_step_of_the_payment_is_where_the_tour_says() -> None:
    steps = STEP.findall((REPOSITORY / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    assert len(steps) > 30
    assert [f"{path}: {name}" for path, name in steps if not _defines(path, name)] == []


def _defines(path: str, name: str) -> bool:
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    if path.endswith(".sql"):
        return f"FUNCTION {name}(" in text
    scope: list[ast.stmt] = ast.parse(text).body
    for part in name.split("."):
        found = [
            statement
            for statement in scope
            if isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == part
        ]
        if not found:
            return False
        scope = found[0].body
    return True
