"""The mapping file: how the columns of one bank's statement file become entries.

Rules:
- a mapping is data, never code; every setting is checked when the file is read, and a wrong one is named by its path;
- an unknown setting is refused, because a misspelt one would silently do nothing.

``fixtures/mappings/README.md`` shows every setting with an example.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger.account import Side
from ledger.errors import MappingError
from ledger.money import Asset
from ledger.settings import Settings, minor_units, parse_settings, read_asset, read_text

NOT_BLANK = "*"
"""As a value in ``when``: any text but none."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SIDES = {"debit": Side.DEBIT, "credit": Side.CREDIT}


@dataclass(frozen=True, slots=True)
class TypeSign:
    """A column holds words for the direction.

    Args:
        credit: words that raise the customer's balance.
        debit: words that lower it.
    """

    column: str
    credit: frozenset[str]
    debit: frozenset[str]


@dataclass(frozen=True, slots=True)
class SignedAmount:
    """The amount itself carries the sign; above zero raises the customer's balance."""


@dataclass(frozen=True, slots=True)
class TwoColumns:
    """One column holds what raises the customer's balance, another what lowers it; one of them is blank."""

    credit: str
    debit: str


SignRule = TypeSign | SignedAmount | TwoColumns


@dataclass(frozen=True, slots=True)
class ContraRule:
    """The other side of movements that meet a condition.

    Args:
        when: column to the values it may have; empty for always.
        account: reference, with ``{column}`` where the row decides.
        normal_side: side of that account.
    """

    when: Mapping[str, frozenset[str]]
    account: str
    normal_side: Side


@dataclass(frozen=True, slots=True)
class StatementMapping:
    """How one bank's statement file is read.

    Args:
        name: names the source; part of every idempotency key, so that a file may be imported twice and posts once.
        column_names: names of the columns in their order when the file has no header line; empty otherwise.
        account_reference: reference of the customer's account, ``{account}`` being its number or pseudonym.
        keyed_pseudonyms: account numbers are replaced by a keyed hash; false when the file holds pseudonyms already.
        floor: lowest available balance of customers' accounts, None for no floor.
        balance_column: empty when the file records no balances.
        balance_rounding: minor units by which the bank rounded recorded balances.
    """

    name: str
    encoding: str
    delimiter: str
    quote: str
    column_names: tuple[str, ...]
    asset: Asset
    id_column: str
    account_column: str
    date_column: str
    date_form: str
    amount_column: str
    point: str
    balance_column: str
    balance_rounding: int
    sign: SignRule
    account_reference: str
    keyed_pseudonyms: bool
    floor: int | None
    contra: tuple[ContraRule, ...]
    description_columns: tuple[str, ...]

    def columns_used(self) -> set[str]:
        """Return the columns that the file must have."""
        used = {self.id_column, self.account_column, self.date_column, *self.description_columns}
        used |= {self.amount_column, self.balance_column} - {""}
        if isinstance(self.sign, TypeSign):
            used.add(self.sign.column)
        elif isinstance(self.sign, TwoColumns):
            used |= {self.sign.credit, self.sign.debit}
        for rule in self.contra:
            used |= set(rule.when) | set(placeholders(rule.account))
        return used


def placeholders(template: str) -> list[str]:
    """Return the columns that a reference template names."""
    return _PLACEHOLDER.findall(template)


def read_mapping(path: Path) -> StatementMapping:
    """Return the mapping in a YAML file.

    Raises:
        MappingError: not a file that can be read, not YAML, an unknown or missing setting, or a value that cannot be.
    """
    return parse_mapping(read_text(path))


def parse_mapping(text: str) -> StatementMapping:
    """Return the mapping of a YAML text; see ``read_mapping``."""
    top = parse_settings(text)
    columns, file = top.part("columns"), top.part("file")
    asset = read_asset(top.part("asset"))
    amount = columns.part("amount") if columns.has("amount") else Settings({"column": ""}, "columns.amount")
    balance = columns.part("balance") if columns.has("balance") else Settings({"column": ""}, "columns.balance")
    day, accounts = columns.part("date"), top.part("accounts")
    mapping = StatementMapping(
        name=top.text("name"),
        encoding=file.text("encoding", "utf-8"),
        delimiter=file.character("delimiter", ","),
        quote=file.character("quote", '"'),
        column_names=tuple(file.texts("column_names", ())),
        asset=asset,
        id_column=columns.text("id"),
        account_column=columns.text("account"),
        date_column=day.text("column"),
        date_form=day.text("form"),
        amount_column=amount.text("column"),
        point=amount.character("point", "."),
        balance_column=balance.text("column"),
        balance_rounding=minor_units(balance, "rounding", asset) or 0,
        sign=_sign(top.part("sign")),
        account_reference=accounts.text("reference"),
        keyed_pseudonyms=accounts.one_of("numbers", ("pseudonyms", "keyed")) == "keyed",
        floor=minor_units(accounts, "floor", asset),
        contra=tuple(_contra(rule) for rule in top.parts("contra")),
        description_columns=tuple(top.texts("description", ())),
    )
    for settings in (top, columns, file, amount, balance, day, accounts):
        settings.refuse_rest()
    _check(mapping)
    return mapping


def _check(mapping: StatementMapping) -> None:
    if placeholders(mapping.account_reference) != ["account"]:
        raise MappingError("accounts.reference", "must contain {account} once and no other {…}")
    if not mapping.amount_column and not isinstance(mapping.sign, TwoColumns):
        raise MappingError("columns.amount", "is missing")
    if mapping.amount_column and isinstance(mapping.sign, TwoColumns):
        raise MappingError("columns.amount", "has no meaning beside sign.credit_column and sign.debit_column")


def _sign(settings: Settings) -> SignRule:
    rule: SignRule
    if settings.has("credit_column") or settings.has("debit_column"):
        rule = TwoColumns(settings.text("credit_column"), settings.text("debit_column"))
    elif settings.has("column"):
        credit, debit = frozenset(settings.texts("credit")), frozenset(settings.texts("debit"))
        if credit & debit:
            raise MappingError(settings.path("credit"), f"{sorted(credit & debit)} stand on both sides")
        rule = TypeSign(settings.text("column"), credit, debit)
    else:
        settings.one_of("amount", ("signed",))
        rule = SignedAmount()
    settings.refuse_rest()
    return rule


def _contra(settings: Settings) -> ContraRule:
    when = settings.part("when") if settings.has("when") else Settings({}, "")
    conditions = {column: frozenset(when.texts(column)) for column in when.names()}
    side = settings.one_of("normal_side", tuple(_SIDES))
    rule = ContraRule(conditions, settings.text("account"), _SIDES[side])
    settings.refuse_rest()
    return rule
