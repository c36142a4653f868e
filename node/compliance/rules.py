"""The bank's screening rules: read strictly, identified by the hash of one canonical form.

The rule so far is the amount rule: what an entry debits, converted at the bank's reference rates into its reporting
currency, goes to manual review when it is strictly above the threshold. What cannot be converted exactly by the
rules - an asset without a rate, or with another scale than the rate was made for - goes to manual review too.

Rates are ratios of integers; no float enters. A rule set's hash is SHA-256 of a domain tag and its JSON with sorted
keys and compact separators; every decision carries it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from ledger.journal import Outcome
from ledger.money import AMOUNT_MAX, ASSET_CODE, SCALE_MAX, Asset
from node.compliance.errors import RulesError

RULES_TAG = b"dwaybank.node/rules\x01"
FILE_BYTES_MAX = 256 * 1024
RATE_PART_MAX = 10**18

_FIELDS = {"reporting_currency", "reporting_scale", "review_threshold_minor", "rates"}


@dataclass(frozen=True, slots=True)
class Rate:
    """A reference rate.

    Args:
        scale: decimal digits of the asset the rate was made for.
        numerator: minor units of the reporting currency ...
        denominator: ... that so many minor units of the asset are worth.
    """

    scale: int
    numerator: int
    denominator: int


@dataclass(frozen=True)
class RuleSet:
    """One version of the rules.

    Args:
        reporting_currency: code of the currency in which entries are judged.
        reporting_scale: its decimal digits.
        review_threshold_minor: worth above which a person must look, minor units.
        rates: by asset code; the reporting currency needs none.
    """

    reporting_currency: str
    reporting_scale: int
    review_threshold_minor: int
    rates: Mapping[str, Rate]

    @cached_property
    def text(self) -> str:
        """The one JSON form of the rules."""
        rates = {
            code: {"denominator": rate.denominator, "numerator": rate.numerator, "scale": rate.scale}
            for code, rate in self.rates.items()
        }
        fields = {
            "rates": rates,
            "reporting_currency": self.reporting_currency,
            "reporting_scale": self.reporting_scale,
            "review_threshold_minor": self.review_threshold_minor,
            "version": 1,
        }
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @cached_property
    def hash(self) -> bytes:
        """What identifies this version: SHA-256 of ``RULES_TAG`` and :attr:`text`."""
        return hashlib.sha256(RULES_TAG + self.text.encode()).digest()

    def reporting_amount(self, debits: Iterable[tuple[Asset, int]]) -> int | None:
        """Return the worth of an entry in minor units of the reporting currency, rounded up.

        Rounding up keeps "strictly above a whole threshold" exact.

        Args:
            debits: asset and amount of each debit.
        Returns:
            None where an asset has no fitting rate, or the worth leaves the range of amounts.
        """
        whole = 0
        parts: Fraction | None = None
        for asset, amount in debits:
            if asset.code == self.reporting_currency:
                if asset.scale != self.reporting_scale:
                    return None
                whole += amount
                continue
            rate = self.rates.get(asset.code)
            if rate is None or rate.scale != asset.scale:
                return None
            part = Fraction(amount * rate.numerator, rate.denominator)
            parts = part if parts is None else parts + part
        total = whole if parts is None else whole - (-parts.numerator // parts.denominator)
        return total if total <= AMOUNT_MAX else None

    def is_reporting(self, asset: Asset) -> bool:
        """Whether amounts of this asset are their own worth."""
        return asset.code == self.reporting_currency and asset.scale == self.reporting_scale

    def judge(self, reporting_amount_minor: int | None) -> Outcome:
        """Return the outcome for an entry of this worth."""
        if reporting_amount_minor is None or reporting_amount_minor > self.review_threshold_minor:
            return Outcome.REQUIRES_MANUAL_REVIEW
        return Outcome.AUTOMATED_APPROVAL

    def judge_all(self, worths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return the numbers of the outcomes for entries of these worths; 0 is an entry without."""
        reviewed = (worths == 0) | (worths > self.review_threshold_minor)
        outcomes = np.where(reviewed, Outcome.REQUIRES_MANUAL_REVIEW, Outcome.AUTOMATED_APPROVAL)
        return outcomes.astype(np.uint8)


def load_rules(path: Path) -> RuleSet:
    """Read a rules file (YAML or JSON).

    Raises:
        RulesError: naming the file and the setting.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise RulesError(f"rules file {path} cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise RulesError(f"rules file {path} is larger than {FILE_BYTES_MAX} bytes")
    try:
        content = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RulesError(f"rules file {path} is not YAML: {str(error).splitlines()[0]}") from error
    try:
        return parse_rules(content)
    except RulesError as error:
        raise RulesError(f"rules file {path}: {error}") from None


def parse_rules(content: object) -> RuleSet:
    """Return the rule set that plain values describe.

    Raises:
        RulesError: a setting is missing, unknown, or not of its kind.
    """
    settings = _mapping("the file", content, _FIELDS)
    currency = settings["reporting_currency"]
    if not isinstance(currency, str) or not ASSET_CODE.fullmatch(currency):
        raise RulesError(f"reporting_currency is {currency!r}, not an asset code such as EUR")
    rates = settings["rates"]
    if not isinstance(rates, dict):
        raise RulesError("rates is not a mapping of asset codes")
    if currency in rates:
        raise RulesError(f"rates.{currency}: the reporting currency needs no rate; remove it")
    return RuleSet(
        reporting_currency=currency,
        reporting_scale=_integer("reporting_scale", settings["reporting_scale"], 0, SCALE_MAX),
        review_threshold_minor=_integer("review_threshold_minor", settings["review_threshold_minor"], 0, AMOUNT_MAX),
        rates=MappingProxyType({code: _rate(code, rates[code]) for code in rates}),
    )


def _rate(code: object, content: object) -> Rate:
    if not isinstance(code, str) or not ASSET_CODE.fullmatch(code):
        raise RulesError(f"rates: {code!r} is not an asset code (quote codes that YAML takes for something else)")
    parts = _mapping(f"rates.{code}", content, {"scale", "numerator", "denominator"})
    return Rate(
        scale=_integer(f"rates.{code}.scale", parts["scale"], 0, SCALE_MAX),
        numerator=_integer(f"rates.{code}.numerator", parts["numerator"], 1, RATE_PART_MAX),
        denominator=_integer(f"rates.{code}.denominator", parts["denominator"], 1, RATE_PART_MAX),
    )


def _mapping(setting: str, content: object, fields: set[str]) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise RulesError(f"{setting} is not a mapping with {', '.join(sorted(fields))}")
    for name in sorted(fields - set(content)):
        raise RulesError(f"{setting} lacks {name}")
    for name in content:
        if name not in fields:
            raise RulesError(f"{setting} has the unknown setting {name!r}; known are {', '.join(sorted(fields))}")
    return content


def _integer(setting: str, value: object, least: int, most: int) -> int:
    # A boolean is an integer to Python; "yes" is a boolean to YAML.
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RulesError(f"{setting} is {value!r}, not a whole number from {least} to {most}")
    return value
