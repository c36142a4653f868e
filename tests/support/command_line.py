"""Our commands run in this process, made as the console script makes them: the one that is called alone."""

from __future__ import annotations

from collections.abc import Sequence

from typer.testing import CliRunner, Result

from node.cli import app, narrowed


def invoke(words: Sequence[str], *, catch_exceptions: bool = False) -> Result:
    """Run a command; return how it ended and what it printed."""
    return CliRunner().invoke(narrowed(app, words), words, catch_exceptions=catch_exceptions)
