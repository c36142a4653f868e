"""The chart file: the rules of one book as an accountant writes them, in YAML. Every setting is checked, an unknown one
refused by its path; ``docs/chart-of-accounts.md`` shows all of them."""

from __future__ import annotations

from pathlib import Path

from ledger.account import MAIN_BOOK, Side, Terms
from ledger.chart import Chart, ChartRule
from ledger.errors import InvalidValueError, MappingError
from ledger.settings import Settings, parse_settings, read_text

_SIDES = {"debit": Side.DEBIT, "credit": Side.CREDIT}


def read_chart(path: Path) -> Chart:
    """Return the chart in a YAML file.

    Raises:
        MappingError: not a file that can be read, not YAML, an unknown or missing setting, or a value that cannot be.
    """
    return parse_chart(read_text(path))


def parse_chart(text: str) -> Chart:
    """Return the chart of a YAML text; see ``read_chart``."""
    top = parse_settings(text)
    rules = tuple(_rule(part) for part in top.parts("rules"))
    book, enforced = top.text("book", MAIN_BOOK), top.flag("enforced")
    top.refuse_rest()
    try:
        return Chart(book, rules, enforced)
    except InvalidValueError as error:
        raise MappingError("rules" if error.field != "book" else "book", str(error)) from error


def _rule(part: Settings) -> ChartRule:
    side = _SIDES[part.one_of("normal_side", tuple(_SIDES))]
    negative = part.flag("negative")
    # Without a floor of its own an account goes as low as the rule allows.
    unlimited = negative and not part.has("floor_minor")
    floor = None if unlimited else part.number("floor_minor", 0)
    ceiling = part.number("ceiling_minor") if part.has("ceiling_minor") else None
    pattern, assets = part.text("pattern"), tuple(part.texts("assets", ()))
    overdraft = part.number("overdraft_minor", 0)
    part.refuse_rest()
    try:
        return ChartRule(pattern, side, assets, negative, Terms(floor, overdraft, ceiling))
    except InvalidValueError as error:
        raise MappingError(part.path(error.field), str(error)) from error
