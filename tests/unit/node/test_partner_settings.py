"""What ``node.yaml`` says of partners becomes limits and terms; what it may not say is refused by field."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from node.config import Partner
from node.partner.from_settings import partner_limits, partner_terms
from node.partner.limits import MemberLimits
from node.partner.quotes import Fee, QuoteTerms


def _partner(**more: Any) -> Partner:
    return Partner.model_validate({"msp_id": "PartnerMSP", "address": "partner.example:7051"} | more)


def test_partner_named_with_nothing_else_has_the_defaults() -> None:
    assert partner_limits([_partner()]) == {"PartnerMSP": MemberLimits()}
    assert partner_terms([_partner()]) == {"PartnerMSP": QuoteTerms()}


def test_limits_and_quotes_are_taken_as_written() -> None:
    partner = _partner(
        limits={
            "single_minor": {"EUR": 5},
            "daily_minor": {"EUR": 9},
            "open_max": 0,
            "calls_per_s": 0.5,
            "calls_burst": 2,
        },
        quotes={"fees": {"EUR": {"flat_minor": 30, "basis_points": 10}}, "rate_source": "ECB", "valid_s": 90},
    )
    assert partner_limits([partner])["PartnerMSP"] == MemberLimits({"EUR": 5}, {"EUR": 9}, 0, 0.5, 2)
    terms = partner_terms([partner])["PartnerMSP"]
    assert (terms.fee("EUR", 1_000), terms.fee("USD", 1_000)) == (31, 0)
    assert (terms.fees["EUR"], terms.rate_source, terms.lifetime) == (Fee(30, 10), "ECB", timedelta(seconds=90))


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("limits", "single_minor", {"EUR": 0}),
        ("limits", "daily_minor", {"EUR": -1}),
        ("limits", "single_minor", {"eur": 5}),
        ("limits", "daily_minor", {"EUR ": 5}),
        ("quotes", "fees", {"Eur": {"flat_minor": 1}}),
        ("limits", "open_max", -1),
        ("limits", "calls_per_s", -0.1),
        ("limits", "calls_burst", 0),
        ("limits", "unknown", 1),
        ("quotes", "fees", {"EUR": {"basis_points": 10_001}}),
        ("quotes", "fees", {"EUR": {"flat_minor": -1}}),
        ("quotes", "valid_s", 0),
        ("quotes", "rate_age_max_s", 0),
    ],
)
def test_setting_that_cannot_be_meant_is_refused_by_field(part: str, field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        _partner(**{part: {field: value}})
    assert refused.value.errors()[0]["loc"][:2] == (part, field)
