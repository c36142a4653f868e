"""The examples of docs/events.md give what the page says, and its table names every kind that the code has."""

from __future__ import annotations

import doctest
from pathlib import Path

from ledger import event

PAGE = Path(__file__).resolve().parents[3] / "docs" / "events.md"


def test_examples_of_the_page_give_what_it_says() -> None:
    examples = doctest.DocTestParser().get_doctest(PAGE.read_text(encoding="utf-8"), {}, "events.md", str(PAGE), 0)
    assert len(examples.examples) > 8
    result = doctest.DocTestRunner().run(examples)
    assert result.failed == 0


def test_every_kind_is_explained() -> None:
    kinds = [value for name, value in vars(event).items() if name.isupper() and isinstance(value, str)]
    assert len(kinds) >= 7
    text = PAGE.read_text(encoding="utf-8")
    assert [kind for kind in kinds if f"| `{kind}` |" not in text] == []
