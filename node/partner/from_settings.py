"""What ``node.yaml`` says of partners, as this room takes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from node.config import Partner
from node.partner.limits import MemberLimits
from node.partner.quotes import Fee, QuoteTerms


def partner_limits(partners: Sequence[Partner]) -> dict[str, MemberLimits]:
    """Return what each partner may do, by MSP id."""
    return {
        partner.msp_id: MemberLimits(
            single=partner.limits.single_minor,
            daily=partner.limits.daily_minor,
            open_max=partner.limits.open_max,
            calls_per_s=partner.limits.calls_per_s,
            calls_burst=partner.limits.calls_burst,
        )
        for partner in partners
    }


def partner_terms(partners: Sequence[Partner]) -> dict[str, QuoteTerms]:
    """Return on what terms each partner is quoted to, by MSP id."""
    return {
        partner.msp_id: QuoteTerms(
            fees={asset: Fee(fee.flat_minor, fee.basis_points) for asset, fee in partner.quotes.fees.items()},
            rate_source=partner.quotes.rate_source,
            rate_age_max=timedelta(seconds=partner.quotes.rate_age_max_s),
            lifetime=timedelta(seconds=partner.quotes.valid_s),
        )
        for partner in partners
    }
