"""The settings file of a reconciliation: our account for each number, and the matching rules in their order.

Everything is checked when the file is read; an unknown setting is refused by its path. ``docs/reconciliation.md`` shows
every setting with an example.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ledger.account import check_reference
from ledger.errors import InvalidValueError, MappingError
from ledger.money import SCALE_MAX, Asset
from ledger.reconciliation.rules import CANDIDATES, STANDARD_RULES, Agreement, MatchRule, Shape
from ledger.reconciliation.statement_account import StatementAccount, StatementAccounts, normal_number
from ledger.settings import Settings, minor_units, parse_settings, read_asset, read_text

RULES_MAX = 50

_SHAPES = {shape.value: shape for shape in Shape}
_AGREEMENTS = {place.value: place for place in Agreement}


@dataclass(frozen=True, slots=True)
class ReconciliationSettings:
    """What a settings file says.

    Args:
        rules: ``STANDARD_RULES`` where the file gives none.
        assets: all that accounts and tolerances count; ``ledger.currency.check_digits`` holds them against the books.
    """

    accounts: StatementAccounts
    rules: tuple[MatchRule, ...]
    assets: frozenset[Asset] = frozenset()


def read_settings(path: Path) -> ReconciliationSettings:
    """Return the settings in a YAML file.

    Raises:
        MappingError: not a file that can be read, not YAML, an unknown or missing setting, or a value that cannot be.
    """
    return parse_reconciliation_settings(read_text(path))


def parse_reconciliation_settings(text: str) -> ReconciliationSettings:
    """Return the settings of a YAML text; see ``read_settings``."""
    top = parse_settings(text)
    accounts = [_account(part) for part in top.parts("accounts")] if top.has("accounts") else []
    numbers = [normal_number(account.number) for account in accounts]
    if len(set(numbers)) != len(numbers):
        raise MappingError("accounts", "a number stands twice")
    assets = {account.asset for account in accounts} | _assets(top)
    scales = {asset.code: asset.scale for asset in assets}
    if len(scales) != len(assets):
        raise MappingError("accounts", "an asset stands there with two scales")
    rules: tuple[MatchRule, ...] = STANDARD_RULES
    if top.has("rules"):
        rules = tuple(_rule(part, scales) for part in top.parts("rules"))
        if not 1 <= len(rules) <= RULES_MAX or len({rule.name for rule in rules}) != len(rules):
            raise MappingError("rules", f"give 1 to {RULES_MAX} rules, each with a name of its own")
    top.refuse_rest()
    return ReconciliationSettings(StatementAccounts(accounts), rules, frozenset(assets))


def _account(part: Settings) -> StatementAccount:
    account = StatementAccount(part.text("number"), part.text("account"), read_asset(part.part("asset")))
    part.refuse_rest()
    try:
        check_reference(account.account)
    except InvalidValueError as error:
        raise MappingError(part.path("account"), error.reason) from error
    return account


def _assets(top: Settings) -> set[Asset]:
    """Assets whose digits the file gives beside its accounts, for the tolerances of rules over CSV files."""
    part = top.part("assets") if top.has("assets") else Settings({}, "assets")
    assets = {Asset(code, part.number(code)) for code in part.names()}
    for asset in assets:
        if not 0 <= asset.scale <= SCALE_MAX:
            raise MappingError(part.path(asset.code), f"give 0 to {SCALE_MAX} decimal digits")
    return assets


def _rule(part: Settings, scales: dict[str, int]) -> MatchRule:
    tolerance = {}
    if part.has("tolerance"):
        amounts = part.part("tolerance")
        for code in amounts.names():
            if code not in scales:
                raise MappingError(amounts.path(code), "is no asset of accounts or assets: its digits are not known")
            tolerance[code] = minor_units(amounts, code, Asset(code, scales[code])) or 0
    agree = frozenset(_AGREEMENTS[_one_of(part, name)] for name in part.texts("agree", ()))
    shape = _SHAPES[part.one_of("shape", tuple(_SHAPES))] if part.has("shape") else Shape.ONE_TO_ONE
    try:
        rule = MatchRule(
            name=part.text("name"),
            shape=shape,
            agree=agree,
            days=part.number("days", 0),
            booking_day=part.flag("booking_day"),
            same_day=part.flag("same_day"),
            same_amount=part.flag("same_amount"),
            tolerance=tolerance,
            parts=part.number("parts", 0),
            candidates=part.number("candidates", CANDIDATES),
        )
    except InvalidValueError as error:
        raise MappingError(part.path(error.field), error.reason) from error
    part.refuse_rest()
    return rule


def _one_of(part: Settings, name: str) -> str:
    if name not in _AGREEMENTS:
        raise MappingError(part.path("agree"), f"{name!r} must be one of {', '.join(_AGREEMENTS)}")
    return name
