"""Statements of a database transaction, taken down as a cursor would take them, to be run when its turn comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class Executes(Protocol):
    """Whatever takes statements: a ``Script``, or a cursor of psycopg."""

    def execute(self, statement: bytes, arguments: Sequence[Any] = ..., /, *, prepare: bool | None = ...) -> object:
        """Run a statement, or take it down; its result is of no concern."""


class Statement(NamedTuple):
    """A statement with its arguments; ``prepare`` as psycopg takes it."""

    text: bytes
    arguments: Sequence[Any]
    prepare: bool | None


class Script:
    """Statements in the order they were given."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []

    def execute(self, statement: bytes, arguments: Sequence[Any] = (), /, *, prepare: bool | None = None) -> None:
        """Take a statement down."""
        self.statements.append(Statement(statement, arguments, prepare))

    def run(self, cursor: Executes) -> None:
        """Run all of them."""
        for text, arguments, prepare in self.statements:
            cursor.execute(text, arguments, prepare=prepare)
