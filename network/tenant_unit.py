"""The organizational unit with which a certificate of an organization speaks for a tenant inside it, and no more.

Whatever only looks like one is refused: a slip of the pen must not turn a tenant into the whole organization.
"""

from __future__ import annotations

from collections.abc import Iterable

TENANT_UNIT = "tenant:"
"""What the unit begins with; the tenant's name follows."""


def looks_like_tenant(unit: str) -> bool:
    """Whether a unit names a tenant, or was meant to."""
    return unit.strip().casefold().startswith("tenant")


def tenant_of(units: Iterable[str]) -> str:
    """Return the tenant that a certificate's units name; empty where they name none.

    Raises:
        ValueError: one looks like a tenant's and is none, or there are two.
    """
    named = [unit for unit in units if looks_like_tenant(unit)]
    if not named:
        return ""
    tenant = named[0].removeprefix(TENANT_UNIT)
    if len(named) > 1 or tenant in ("", named[0]):
        raise ValueError(f"name one tenant by a unit {TENANT_UNIT}NAME, or none")
    return tenant
