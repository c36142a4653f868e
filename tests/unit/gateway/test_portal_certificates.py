"""Logging in by certificate: the MSP decides, a unit gives the role, whoever is revoked is out at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import ConfigurationError, CredentialsError, ForbiddenError
from gateway.portal.certificates import CertificateLogin
from gateway.portal.config import Certificates
from gateway.portal.roles import Role
from network.crypto_material import Authority, OrganizationSpec, generate_organization, issue_identity, revoke

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 29, tzinfo=UTC)
UNITS = Certificates(msp_folder=Path("msp")).units


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    spec = OrganizationSpec(
        name="Regulator", msp_id="RegulatorMSP", domain="regulator.test", kind="peer", hosts=("node",),
        users=("User1",),
        others=(("Examiner", "portal:examiner"), ("Supervisor", "portal:supervisor")),
    )  # fmt: skip
    generate_organization(tmp_path, spec, BEGAN)
    return spec.folder(tmp_path)


def login(folder: Path, now: datetime = NOW) -> CertificateLogin:
    return CertificateLogin("RegulatorMSP", folder / "msp", UNITS, lambda: now)


def certificate_of(folder: Path, user: str) -> x509.Certificate:
    (path,) = (folder / "users" / f"{user}@regulator.test" / "msp" / "signcerts").glob("*.pem")
    return x509.load_pem_x509_certificate(path.read_bytes())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def issued(folder: Path, *units: str, not_after: datetime | None = None) -> bytes:
    made = issue_identity(Authority.load(folder / "ca"), "RegulatorMSP", "eve", units, BEGAN, not_after)
    return der(made.certificate)


def test_the_unit_gives_the_role(folder: Path) -> None:
    roles = {
        user: login(folder).person_of(der(certificate_of(folder, user))).role
        for user in ("Examiner", "Supervisor", "Admin")
    }
    assert roles == {"Examiner": Role.EXAMINER, "Supervisor": Role.SUPERVISOR, "Admin": Role.ADMINISTRATOR}


def test_certificate_without_a_role_or_with_several_is_refused(folder: Path) -> None:
    for certificate in (
        der(certificate_of(folder, "User1")),
        issued(folder, "client", "portal:examiner", "portal:supervisor"),
    ):
        with pytest.raises(ForbiddenError, match="exactly one of the units"):
            login(folder).person_of(certificate)


def test_certificate_of_another_authority_with_the_same_names_is_refused(folder: Path, tmp_path: Path) -> None:
    spec = OrganizationSpec(
        name="Regulator", msp_id="RegulatorMSP", domain="regulator.test", kind="peer", hosts=(),
        others=(("Examiner", "portal:examiner"),),
    )  # fmt: skip
    generate_organization(tmp_path / "forged", spec, BEGAN)
    forged = certificate_of(spec.folder(tmp_path / "forged"), "Examiner")
    with pytest.raises(CredentialsError, match="does not vouch"):
        login(folder).person_of(der(forged))


def test_expired_certificate_is_refused(folder: Path) -> None:
    expired = issued(folder, "client", "portal:examiner", not_after=NOW - timedelta(seconds=1))
    with pytest.raises(CredentialsError, match="enroll again"):
        login(folder).person_of(expired)


def test_certificate_that_no_role_of_the_network_vouches_for_is_refused(folder: Path) -> None:
    with pytest.raises(CredentialsError):
        login(folder).person_of(issued(folder, "portal:examiner"))


def test_whoever_is_revoked_while_the_portal_runs_is_refused_from_then_on(folder: Path) -> None:
    running, certificate = login(folder), certificate_of(folder, "Examiner")
    assert running.person_of(der(certificate)).name == "Examiner@regulator.test"
    revoke(folder, [certificate], NOW)
    with pytest.raises(CredentialsError, match="revoked"):
        running.person_of(der(certificate))
    assert running.person_of(der(certificate_of(folder, "Supervisor"))).role == Role.SUPERVISOR


def test_folder_that_is_no_msp_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"certificates\.msp_folder"):
        login(tmp_path)
