"""Which units of a certificate name a tenant: exactly one form does, and nothing that looks like it passes for none."""

from __future__ import annotations

import pytest

from network.tenant_unit import looks_like_tenant, tenant_of


@pytest.mark.parametrize(
    ("units", "tenant"),
    [
        ((), ""),
        (("client", "branch-12"), ""),
        (("the tenant:acme",), ""),
        (("tenant:acme",), "acme"),
        (("client", "tenant:acme"), "acme"),
        # Whose name it is, the books know: they know no such one.
        (("tenant: acme",), " acme"),
        (("tenant:tenant:acme",), "tenant:acme"),
    ],
)
def test_one_unit_names_a_tenant(units: tuple[str, ...], tenant: str) -> None:
    assert tenant_of(units) == tenant


@pytest.mark.parametrize(
    "units",
    [("tenant:acme", "tenant:bolt"), ("tenant:acme", "tenant:acme"), ("tenant:",), ("Tenant:acme",), ("TENANT:acme",),
     (" tenant:acme",), ("tenant",), ("tenant=acme",), ("Tenants",), ("\ttenant:acme",), ("tenant:acme", "tenants")],
)  # fmt: skip
def test_what_looks_like_a_tenants_unit_is_refused(units: tuple[str, ...]) -> None:
    assert any(map(looks_like_tenant, units))
    with pytest.raises(ValueError, match="name one tenant"):
        tenant_of(units)
