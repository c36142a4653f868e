"""Aim: an organization vouches for exactly the certificates Fabric's MSP would, and sees exactly the same roles.

Method: authorities and identities made in memory for each rule, one rule broken at a time; then every creator in the
blocks captured from a real network.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from fabric_protos.common import common_pb2
from fabric_protos.msp import msp_config_pb2, msp_principal_pb2

from network.certificates import Authorities, chain_identifier, unique_chain
from network.channel_config import ChannelConfig
from network.crypto_material import (
    VALIDITY,
    Authority,
    issue_certificate,
    issue_identity,
    low_s,
    new_authority,
    new_key,
)
from network.errors import (
    ConfigError,
    IdentityError,
    IdentityExpiredError,
    IdentityRevokedError,
    SignatureError,
    WireError,
)
from network.identity import Identity, parse_identity, serialize_identity
from network.msp import Msp, MspManager
from network.policy import SignedData, valid_signers
from network.policy_dsl import role_principal
from network.signing import CURVE_ORDERS, to_low_s
from tests.support.captured import NETWORKS, captured
from tests.support.der import der
from tests.support.members import START, Member, as_go, pem

A = Member("AMSP")
"""An organization with one root authority, shared by tests that do not change it."""

Principal = msp_principal_pb2.MSPPrincipal


def leaf(
    issuer: Authority,
    *extensions: x509.ExtensionType,
    critical: bool = False,
    start: object = START,
    units: tuple[str, ...] = ("client",),
    key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey | None = None,
) -> bytes:
    """Return the creator of a certificate with extensions of the test's choice."""
    names = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    builder = x509.CertificateBuilder().subject_name(x509.Name(names)).issuer_name(issuer.certificate.subject)
    builder = builder.public_key((key or new_key()).public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(START + VALIDITY)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return serialize_identity("AMSP", pem(builder.sign(issuer.key, hashes.SHA256())))


def intermediate(issuer: Authority, name: str = "ica.test", path_length: int | None = None) -> Authority:
    """Return an authority certified by another."""
    own = new_authority(name, "test", START)
    builder = x509.CertificateBuilder().subject_name(own.certificate.subject).issuer_name(issuer.certificate.subject)
    builder = builder.public_key(own.key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(START).not_valid_after(START + VALIDITY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    identifier = own.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(identifier, critical=False)
    return Authority(low_s(builder.sign(issuer.key, hashes.SHA256()), issuer.certificate), own.key)


def role(name: str, msp_id: str = "AMSP") -> Principal:
    return role_principal(msp_id, name)


def principal(kind: int, message: object) -> Principal:
    return Principal(principal_classification=kind, principal=message.SerializeToString())  # type: ignore[attr-defined]


# --- who is a member ---------------------------------------------------------------------------------------------


def test_identity_of_the_organization_is_valid_and_plays_its_role_only() -> None:
    msp = A.msp()
    identity = msp.deserialize(A.identity("peer").creator)
    msp.validate(identity)
    for satisfied in ("member", "peer"):
        msp.satisfies_principal(identity, role(satisfied))
    for refused in ("client", "admin", "orderer"):
        with pytest.raises(IdentityError, match=rf"does not contain OU \[{refused.upper()}\], MSP: \[AMSP\]"):
            msp.satisfies_principal(identity, role(refused))


def test_identity_of_a_foreign_authority_with_the_same_name_is_refused() -> None:
    foreign = Member("AMSP").identity("client")
    with pytest.raises(IdentityError, match="0 chains"):
        A.msp().deserialize(foreign.creator)


def test_identity_claiming_another_organization_is_refused() -> None:
    with pytest.raises(IdentityError, match="expected MSP ID AMSP, received BMSP"):
        A.msp().deserialize(issue_identity(A.authority, "BMSP", "x", ("client",), START).creator)


@pytest.mark.parametrize("units", [(), ("reviewer",), ("client", "peer"), ("admin", "client")])
def test_identity_without_exactly_one_role_unit_is_refused(units: tuple[str, ...]) -> None:
    with pytest.raises(IdentityError, match="exactly one is needed"):
        A.msp().validate(parse_identity(A.identity(*units).creator))


def test_identity_with_a_role_and_a_further_unit_is_valid() -> None:
    msp = A.msp()
    identity = msp.deserialize(A.identity("client", "reviewer").creator)
    msp.validate(identity)
    assert [unit.name for unit in msp.organizational_units(identity)] == ["client", "reviewer"]


def test_role_unit_certified_by_another_authority_of_the_same_msp_is_refused() -> None:
    second = new_authority("ca2.test", "test", START)
    msp = Msp.from_config(A.config(root_certs=[pem(second.certificate)]))
    msp.validate(parse_identity(A.identity("client").creator))
    with pytest.raises(IdentityError, match="certified by another authority"):
        msp.validate(parse_identity(issue_identity(second, "AMSP", "x", ("client",), START).creator))
    anyone = Msp.from_config(A.config(certifier=b"", root_certs=[pem(second.certificate)]))
    anyone.validate(parse_identity(issue_identity(second, "AMSP", "x", ("client",), START).creator))


def test_authority_cannot_act_as_an_identity() -> None:
    creator = serialize_identity("AMSP", pem(A.authority.certificate))
    with pytest.raises(IdentityError, match="cannot act as an identity"):
        A.msp().validate(parse_identity(creator))


def test_expiry_is_ignored_unless_the_time_is_given() -> None:
    msp = A.msp()
    signer = A.identity("client", not_after=START + timedelta(days=1))
    identity = msp.deserialize(signer.creator)
    msp.validate(identity)
    msp.validate(identity, START + timedelta(hours=23))
    for now in (START + timedelta(days=2), START - timedelta(days=1)):
        with pytest.raises(IdentityExpiredError, match="enroll again"):
            msp.validate(identity, now)
    with pytest.raises(IdentityExpiredError):
        MspManager([msp]).identity(signer.creator, START + timedelta(days=2))


def test_certificate_that_starts_before_its_authority_has_no_chain() -> None:
    with pytest.raises(IdentityError, match="0 chains"):
        A.msp().deserialize(leaf(A.authority, start=START - timedelta(days=1)))


_DIRECTORY = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")]))


@pytest.mark.parametrize(
    ("extension", "critical", "refused"),
    [
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False, False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), True, False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1"), b"{}"), True, True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1"), b"{}"), False, False),
        (x509.SubjectAlternativeName([_DIRECTORY]), True, True),
        (x509.SubjectAlternativeName([_DIRECTORY]), False, False),
        (x509.SubjectAlternativeName([_DIRECTORY, x509.DNSName("node.test")]), True, False),
        (x509.CRLDistributionPoints([x509.DistributionPoint([_DIRECTORY], None, None, None)]), True, False),
    ],
)
def test_extensions_of_a_leaf_count_as_in_gos_verifier(
    extension: x509.ExtensionType, critical: bool, refused: bool
) -> None:
    creator = leaf(A.authority, extension, critical=critical)
    if refused:
        with pytest.raises(IdentityError):
            A.msp().validate(parse_identity(creator))
    else:
        A.msp().validate(parse_identity(creator))


@pytest.mark.parametrize("is_authority", [False, True])
def test_certificate_that_begins_with_the_calendars_last_second_is_refused_and_spoils_nothing(
    is_authority: bool,
) -> None:
    key, name = new_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anyone")])
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(last).not_valid_after(last)
    builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    creator = serialize_identity("AMSP", pem(builder.sign(key, hashes.SHA256())))
    with pytest.raises(IdentityError, match="not valid at 9999-12-31"):
        A.msp().deserialize(creator)
    signer = A.identity("client")
    signed = [SignedData(b"m", creator, b"x"), SignedData(b"m", signer.creator, signer.sign(b"m"))]
    assert [identity.creator for identity in valid_signers(signed, MspManager([A.msp()]))] == [signer.creator]


def test_ed25519_identity_is_valid_only_where_the_channel_allows_it() -> None:
    creator = leaf(A.authority, key=Ed25519PrivateKey.generate())
    Msp(A.config()).validate(parse_identity(creator))
    with pytest.raises(IdentityError, match="V3_0"):
        Msp(A.config(), ed25519=False).validate(parse_identity(creator))


def test_p384_authority_and_identity_are_valid() -> None:
    member = Member("AMSP", new_authority("ca.test", "test", START, curve=ec.SECP384R1()))
    key = new_key(ec.SECP384R1())
    certificate = issue_certificate(
        member.authority, key.public_key(), "x", not_before=START, organizational_units=["client"]
    )
    member.msp().validate(parse_identity(serialize_identity("AMSP", pem(certificate))))


# --- low-S twins ---------------------------------------------------------------------------------------------------


def _twin(certificate: x509.Certificate) -> bytes:
    """Return the certificate's DER with the other S: equally valid, other bytes."""
    r, s = decode_dss_signature(certificate.signature)
    other = encode_dss_signature(r, CURVE_ORDERS["secp256r1"] - s)
    tbs, algorithm = certificate.tbs_certificate_bytes, bytes.fromhex("300a06082a8648ce3d040302")
    bits = bytes([3, len(other) + 1, 0]) + other
    body = tbs + algorithm + bits
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def test_certificate_with_the_larger_s_is_the_same_signer_as_its_twin() -> None:
    msp = A.msp()
    signer = A.identity("client")
    twin = x509.load_der_x509_certificate(_twin(signer.certificate))
    assert twin != signer.certificate
    identity = msp.deserialize(serialize_identity("AMSP", pem(twin)))
    assert identity.certificate == as_go(signer.certificate)
    assert identity.identifier == msp.deserialize(signer.creator).identifier
    msp.validate(parse_identity(identity.creator))


def test_root_with_the_larger_s_is_trusted_in_its_low_s_form() -> None:
    twin = x509.load_der_x509_certificate(_twin(A.authority.certificate))
    member = Member("AMSP", Authority(twin, A.authority.key))
    msp = member.msp()
    assert msp.roots == (as_go(A.authority.certificate),)
    msp.validate(parse_identity(A.identity("client").creator))


# --- intermediates -------------------------------------------------------------------------------------------------


def test_identity_below_an_intermediate_is_valid_and_below_its_root_no_longer() -> None:
    below = intermediate(A.authority)
    msp = Msp.from_config(A.config(certifier=b"", intermediate_certs=[pem(below.certificate)]))
    identity = msp.deserialize(leaf(below))
    msp.validate(identity)
    (unit,) = msp.organizational_units(identity)
    assert unit.certifiers == chain_identifier((as_go(below.certificate), as_go(A.authority.certificate)))
    with pytest.raises(IdentityError, match="may not sign identities"):
        msp.validate(parse_identity(A.identity("client").creator))


def test_node_ous_of_an_intermediate_bind_members_to_it() -> None:
    below = intermediate(A.authority)
    config = A.config(certifier=pem(below.certificate), intermediate_certs=[pem(below.certificate)])
    Msp.from_config(config).validate(parse_identity(leaf(below)))


def test_path_length_of_an_authority_is_honoured() -> None:
    first = intermediate(A.authority, "first", path_length=0)
    second = intermediate(first, "second")
    chain = [pem(first.certificate), pem(second.certificate)]
    msp = Msp.from_config(A.config(certifier=b"", intermediate_certs=chain))
    with pytest.raises(IdentityError, match="0 chains"):
        msp.deserialize(leaf(second))


def test_certificate_with_two_chains_is_refused() -> None:
    """The intermediate's key is certified by two roots: it is unclear whose member its leaf is."""
    other = new_authority("other.test", "test", START)
    below = intermediate(A.authority)
    builder = x509.CertificateBuilder().subject_name(below.certificate.subject).issuer_name(other.certificate.subject)
    builder = builder.public_key(below.key.public_key()).serial_number(7).not_valid_before(START)
    for extension in below.certificate.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    twice = builder.not_valid_after(START + VALIDITY).sign(other.key, hashes.SHA256())
    config = A.config(
        certifier=b"", root_certs=[pem(other.certificate)], intermediate_certs=[pem(below.certificate), pem(twice)]
    )
    with pytest.raises(IdentityError, match="2 chains"):
        Msp.from_config(config).deserialize(leaf(below))


def test_forged_certificate_is_refused_again_and_the_real_one_stands_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who signed whom is remembered: of one pair only, and of as many as there is room for."""
    monkeypatch.setattr("network.certificates.VERIFIED_MAX", 1)
    real = A.identity("client")
    builder = x509.CertificateBuilder().subject_name(real.certificate.subject).issuer_name(real.certificate.issuer)
    builder = builder.public_key(real.certificate.public_key()).serial_number(real.certificate.serial_number)
    builder = builder.not_valid_before(START).not_valid_after(START + VALIDITY)
    for extension in real.certificate.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    forged = pem(builder.sign(new_authority("other.test", "test", START).key, hashes.SHA256()))
    for _ in range(3):
        A.msp().validate(parse_identity(real.creator))
        with pytest.raises(IdentityError, match="0 chains"):
            A.msp().deserialize(serialize_identity("AMSP", forged))


# --- revocation ----------------------------------------------------------------------------------------------------


def test_revoked_identity_is_refused_but_still_read() -> None:
    signer, other = A.identity("client"), A.identity("client")
    msp = A.msp(revocation_list=[A.crl(signer.certificate)])
    identity = msp.deserialize(signer.creator)
    with pytest.raises(IdentityRevokedError):
        msp.validate(identity)
    with pytest.raises(IdentityError, match="revoked"):
        msp.satisfies_principal(identity, role("member"))
    msp.validate(msp.deserialize(other.creator))


def test_revocation_list_not_signed_by_the_authority_revokes_nothing() -> None:
    signer = A.identity("client")
    forger = new_authority("ca.test", "test", START)
    A.msp(revocation_list=[A.crl(signer.certificate, signer=forger)]).validate(parse_identity(signer.creator))


def test_revocation_list_without_authority_key_identifier_leaves_nobody_valid() -> None:
    msp = A.msp(revocation_list=[A.crl(identified=False)])
    with pytest.raises(IdentityError, match="authority key identifier"):
        msp.validate(parse_identity(A.identity("client").creator))


def test_revocation_list_of_another_authority_is_passed_over() -> None:
    signer, other = A.identity("client"), Member("AMSP")
    A.msp(revocation_list=[other.crl(signer.certificate)]).validate(parse_identity(signer.creator))


def test_revoked_intermediate_makes_the_configuration_unusable() -> None:
    below = intermediate(A.authority)
    crl = A.crl(below.certificate)
    with pytest.raises(ConfigError, match="revoked"):
        Msp.from_config(A.config(certifier=b"", intermediate_certs=[pem(below.certificate)], revocation_list=[crl]))


def test_revoked_tls_intermediate_makes_the_configuration_unusable() -> None:
    below = intermediate(A.authority)
    tls = {"tls_root_certs": [pem(A.authority.certificate)], "tls_intermediate_certs": [pem(below.certificate)]}
    msp = A.msp(**tls)
    assert (msp.tls_roots, msp.tls_intermediates) == ((pem(A.authority.certificate),), (pem(below.certificate),))
    with pytest.raises(ConfigError, match="revoked"):
        A.msp(**tls, revocation_list=[A.crl(below.certificate)])


def test_rsa_authority_may_issue_and_revoke_ecdsa_identities() -> None:
    key = rsa.generate_private_key(65537, 2048)
    template = A.authority.certificate
    builder = x509.CertificateBuilder().subject_name(template.subject).issuer_name(template.subject)
    builder = builder.public_key(key.public_key()).serial_number(3).not_valid_before(START)
    for extension in template.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    member = Member("AMSP", Authority(builder.not_valid_after(START + VALIDITY).sign(key, hashes.SHA256()), key))
    creator = leaf(member.authority)
    identity = parse_identity(creator)
    member.msp().validate(identity)
    with pytest.raises(IdentityRevokedError):
        member.msp(revocation_list=[member.crl(x509.load_der_x509_certificate(identity.certificate.der))]).validate(
            identity
        )


# --- principals ----------------------------------------------------------------------------------------------------


def _identity(*units: str, msp: Msp) -> Identity:
    return msp.deserialize(A.identity(*units).creator)


def test_organizational_unit_principal_wants_name_and_certifiers() -> None:
    msp = A.msp()
    reviewer = _identity("client", "reviewer", msp=msp)
    unit = msp_principal_pb2.OrganizationUnit(
        msp_identifier="AMSP",
        organizational_unit_identifier="reviewer",
        certifiers_identifier=chain_identifier((as_go(A.authority.certificate),)),
    )
    msp.satisfies_principal(reviewer, principal(Principal.ORGANIZATION_UNIT, unit))
    with pytest.raises(IdentityError, match="not in the unit"):
        msp.satisfies_principal(_identity("client", msp=msp), principal(Principal.ORGANIZATION_UNIT, unit))
    unit.certifiers_identifier = b"other"
    with pytest.raises(IdentityError, match="not in the unit"):
        msp.satisfies_principal(reviewer, principal(Principal.ORGANIZATION_UNIT, unit))


def test_identity_principal_wants_this_certificate() -> None:
    msp = A.msp()
    one, other = _identity("peer", msp=msp), _identity("peer", msp=msp)
    named = Principal(principal_classification=Principal.IDENTITY, principal=one.creator)
    msp.satisfies_principal(one, named)
    with pytest.raises(IdentityError, match="not the one"):
        msp.satisfies_principal(other, named)


def test_combined_principal_wants_all_its_parts() -> None:
    msp = A.msp()
    client = _identity("client", msp=msp)
    nested = principal(Principal.COMBINED, msp_principal_pb2.CombinedPrincipal(principals=[role("client")]))
    both = msp_principal_pb2.CombinedPrincipal(principals=[role("member"), nested])
    msp.satisfies_principal(client, principal(Principal.COMBINED, both))
    both.principals.append(role("admin"))
    with pytest.raises(IdentityError, match="The identity is not an admin under this MSP"):
        msp.satisfies_principal(client, principal(Principal.COMBINED, both))
    with pytest.raises(IdentityError, match="empty"):
        msp.satisfies_principal(client, principal(Principal.COMBINED, msp_principal_pb2.CombinedPrincipal()))


def test_combined_principals_are_taken_apart_at_any_depth() -> None:
    """What a policy of a key may hold, every peer must judge, and Go's stack is deeper than Python's."""
    msp = A.msp()
    client = _identity("client", msp=msp)
    inside = {"member": role("member"), "admin": role("admin")}
    for _ in range(3_000):
        for name, deepest in inside.items():
            combined = msp_principal_pb2.CombinedPrincipal(principals=[deepest])
            inside[name] = principal(Principal.COMBINED, combined)
    msp.satisfies_principal(client, inside["member"])
    with pytest.raises(IdentityError):
        msp.satisfies_principal(client, inside["admin"])


def test_anonymity_principal_is_satisfied_by_the_nominal_only() -> None:
    msp = A.msp()
    client = _identity("client", msp=msp)
    nominal = msp_principal_pb2.MSPIdentityAnonymity()
    msp.satisfies_principal(client, principal(Principal.ANONYMITY, nominal))
    nominal.anonymity_type = msp_principal_pb2.MSPIdentityAnonymity.ANONYMOUS
    with pytest.raises(IdentityError, match="anonymous"):
        msp.satisfies_principal(client, principal(Principal.ANONYMITY, nominal))


@pytest.mark.parametrize(
    "named",
    [
        Principal(principal_classification=9),
        Principal(principal_classification=Principal.ROLE, principal=b"\xff"),
        role("member", "BMSP"),
        principal(Principal.ORGANIZATION_UNIT, msp_principal_pb2.OrganizationUnit(msp_identifier="BMSP")),
        principal(Principal.ROLE, msp_principal_pb2.MSPRole(msp_identifier="AMSP", role=99)),
    ],
)
def test_principal_of_another_organization_or_kind_is_never_satisfied(named: Principal) -> None:
    msp = A.msp()
    for _ in range(2):  # the second time the verdict comes from memory
        with pytest.raises(IdentityError):
            msp.satisfies_principal(_identity("client", msp=msp), named)


def test_listed_administrator_counts_without_the_admin_unit() -> None:
    signer = A.identity("client")
    msp = A.msp(admins=[pem(signer.certificate)])
    msp.satisfies_principal(msp.deserialize(signer.creator), role("admin"))


def test_without_node_ous_roles_are_member_and_the_listed_administrators() -> None:
    admin, plain = A.identity(), A.identity()
    msp = A.msp(node_ous=False, admins=[pem(admin.certificate)])
    msp.satisfies_principal(msp.deserialize(admin.creator), role("admin"))
    identity = msp.deserialize(plain.creator)
    msp.satisfies_principal(identity, role("member"))
    for refused in ("admin", "client", "peer", "orderer"):
        with pytest.raises(IdentityError):
            msp.satisfies_principal(identity, role(refused))


def test_recognized_units_bind_members() -> None:
    units = [
        msp_config_pb2.FabricOUIdentifier(
            certificate=pem(A.authority.certificate), organizational_unit_identifier="treasury"
        )
    ]
    msp = A.msp(organizational_unit_identifiers=units)
    msp.validate(parse_identity(A.identity("client", "treasury").creator))
    with pytest.raises(IdentityError, match="recognizes"):
        msp.validate(parse_identity(A.identity("client").creator))


# --- set-up --------------------------------------------------------------------------------------------------------


def _stranger() -> bytes:
    return pem(new_authority("stranger", "test", START).certificate)


def _empty_roots() -> bytes:
    config = msp_config_pb2.FabricMSPConfig(name="AMSP").SerializeToString()
    return msp_config_pb2.MSPConfig(config=config).SerializeToString()


def _off(**fields: object) -> bytes:
    """Return a configuration whose units are switched off."""
    outer = msp_config_pb2.MSPConfig.FromString(A.config(admins=[_leaf_pem()], **fields))
    config = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
    config.fabric_node_ous.enable = False
    return msp_config_pb2.MSPConfig(config=config.SerializeToString()).SerializeToString()


def _signer(certificate: bytes) -> msp_config_pb2.SigningIdentityInfo:
    return msp_config_pb2.SigningIdentityInfo(public_signer=certificate)


def _leaf_pem() -> bytes:
    return pem(A.identity("client").certificate)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (lambda: b"\xff", "not a Fabric MSP configuration"),
        (lambda: msp_config_pb2.MSPConfig(type=1).SerializeToString(), "type 1"),
        (lambda: msp_config_pb2.MSPConfig().SerializeToString(), "name is empty"),
        (lambda: _empty_roots(), "root_certs is empty"),
        (lambda: A.config(root_certs=[b"nothing"]), "no PEM block"),
        (lambda: A.config(root_certs=[_leaf_pem()]), "no authority above|listed as an authority|is a root"),
        (lambda: A.config(intermediate_certs=[_stranger()]), "0 chains|listed"),
        (lambda: A.config(certifier=_stranger()), "no authority of this organization|0 chains"),
        (lambda: _off(certifier=_stranger()), "no authority of this organization|0 chains"),
        (lambda: A.config(node_ous=False), "no administrator"),
        (lambda: A.config(node_ous=False, admins=[_stranger()]), "cannot act as an identity|0 chains"),
        (lambda: A.config(admins=[pem(A.identity("peer").certificate)]), r"admins\[0\]"),
        (lambda: A.config(signing_identity=_signer(_leaf_pem())), "names no key"),
        (lambda: A.config(signing_identity=_signer(b"")), "no PEM block"),
        (lambda: A.config(revocation_list=[b"nothing"]), "revocation list"),
        (lambda: A.config(revocation_list=[b"\n" + A.crl()]), "revocation list"),
        (lambda: A.config(revocation_list=[A.crl().replace(b"X509 CRL", b"CERTIFICATE")]), "revocation list"),
        (lambda: A.config(tls_root_certs=[_leaf_pem()]), "listed as an authority"),
        (
            lambda: A.config(crypto_config=msp_config_pb2.FabricCryptoConfig(identity_identifier_hash_function="MD5")),
            "'MD5', which is unknown",
        ),
    ],
)
def test_unusable_configuration_is_refused_with_its_reason(config: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Msp.from_config(config())


def _extended(authority: Authority, *extensions: x509.Extension[x509.ExtensionType]) -> Authority:
    """Return an authority issued again with more extensions."""
    template = authority.certificate
    builder = x509.CertificateBuilder().subject_name(template.subject).issuer_name(template.subject)
    builder = builder.public_key(authority.key.public_key()).serial_number(9).not_valid_before(START)
    for extension in (*template.extensions, *extensions):
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return Authority(builder.not_valid_after(START + VALIDITY).sign(authority.key, hashes.SHA256()), authority.key)


def _critical(value: x509.ExtensionType) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical=True, value=value)


def _named(authority: Authority, *extensions: x509.ExtensionType, name: str = "") -> bytes:
    """Return the creator of a client with extensions of its own."""
    names = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "client")]
    names += [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
    builder = x509.CertificateBuilder().subject_name(x509.Name(names)).issuer_name(authority.certificate.subject)
    builder = builder.public_key(new_key().public_key()).serial_number(1).not_valid_before(START)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.not_valid_after(START + VALIDITY).sign(authority.key, hashes.SHA256())
    return serialize_identity("AMSP", pem(certificate))


DNS = x509.DNSName


@pytest.mark.parametrize(
    ("constraints", "extensions", "name", "held"),
    [
        (([DNS("a.test")], None), [x509.SubjectAlternativeName([DNS("x.a.test")])], "", True),
        (([DNS("a.test")], None), [x509.SubjectAlternativeName([DNS("xa.test")])], "", False),
        (([DNS("a.test")], None), [x509.SubjectAlternativeName([DNS("A.TEST"), x509.RFC822Name("x@b")])], "", True),
        ((None, [DNS("a.test")]), [x509.SubjectAlternativeName([DNS("b.test")])], "", True),
        ((None, [DNS("x.a.test")]), [x509.SubjectAlternativeName([DNS("*.a.test")])], "", False),
        (([DNS(".a.test")], None), [x509.SubjectAlternativeName([DNS("a.test")])], "", False),
        (([x509.RFC822Name("a.test")], None), [x509.SubjectAlternativeName([x509.RFC822Name("u@A.test")])], "", True),
        (
            ([x509.RFC822Name("u@a.test")], None),
            [x509.SubjectAlternativeName([x509.RFC822Name("v@a.test")])],
            "",
            False,
        ),
        (
            ([x509.UniformResourceIdentifier("a.test")], None),
            [x509.SubjectAlternativeName([x509.UniformResourceIdentifier("https://x.a.test:1/")])],
            "",
            True,
        ),
        (
            ([x509.UniformResourceIdentifier("a.test")], None),
            [x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:x")])],
            "",
            False,
        ),
        (
            ([x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))], None),
            [x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("10.9.8.7"))])],
            "",
            True,
        ),
        (
            (None, [x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))]),
            [x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("10.9.8.7"))])],
            "",
            False,
        ),
        (([DNS("a.test")], None), [], "no host", True),
        (([DNS("a.test")], None), [], "x.a.test", False),
    ],
)
def test_names_are_bound_by_the_constraints_above_them(
    constraints: tuple[list[x509.GeneralName] | None, list[x509.GeneralName] | None],
    extensions: list[x509.ExtensionType],
    name: str,
    *,
    held: bool,
) -> None:
    """Verdicts of a Go peer; where it takes the configuration, so must this one, or it stops there."""
    authority = _extended(A.authority, _critical(x509.NameConstraints(*constraints)))
    msp = Member("AMSP", authority).msp()
    creator = _named(authority, *extensions, name=name)
    if held:
        msp.validate(msp.deserialize(creator))
    else:
        with pytest.raises(IdentityError):
            msp.deserialize(creator)


@pytest.mark.parametrize(
    ("demanded", "mapped", "policy", "held"),
    [
        (1, None, "1.2.3", True),
        (2, None, None, True),
        (1, None, None, False),
        (0, None, None, False),
        (0, None, "1.2.4", False),
        (0, ("1.2.3", "1.2.4"), "1.2.4", True),
        (0, ("1.2.3", "1.2.4"), "1.2.3", False),
        (0, ("1.2.3", "2.5.29.32.0"), "1.2.3", False),
    ],
)
def test_policies_hold_along_a_chain_as_an_intermediate_demands(
    demanded: int, mapped: tuple[str, str] | None, policy: str | None, *, held: bool
) -> None:
    def policies(*names: str) -> x509.CertificatePolicies:
        return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(name), None) for name in names])

    demands = x509.PolicyConstraints(require_explicit_policy=demanded, inhibit_policy_mapping=None)
    more: list[x509.ExtensionType] = [demands, policies("1.2.3")]
    if mapped:
        pair = b"".join(_sequence(6, x509.ObjectIdentifier(name)) for name in mapped)
        more.append(
            x509.UnrecognizedExtension(
                x509.ObjectIdentifier("2.5.29.33"), b"\x30%c\x30%c" % (len(pair) + 2, len(pair)) + pair
            )
        )
    below = intermediate(A.authority)
    template = below.certificate
    builder = x509.CertificateBuilder().subject_name(template.subject).issuer_name(template.issuer)
    builder = builder.public_key(below.key.public_key()).serial_number(9).not_valid_before(START)
    for extension in (*template.extensions, *(_critical(value) for value in more)):
        builder = builder.add_extension(extension.value, critical=extension.critical)
    signed = builder.not_valid_after(START + VALIDITY).sign(A.authority.key, hashes.SHA256())
    msp = Msp.from_config(A.config(certifier=b"", intermediate_certs=[pem(signed)]))
    creator = _named(Authority(signed, below.key), *([policies(policy)] if policy else []))
    if held:
        msp.validate(msp.deserialize(creator))
    else:
        with pytest.raises(IdentityError, match="0 chains"):
            msp.deserialize(creator)


def _sequence(tag: int, name: x509.ObjectIdentifier) -> bytes:
    arcs = [int(arc) for arc in name.dotted_string.split(".")]
    content = bytes([40 * arcs[0] + arcs[1], *arcs[2:]])
    return bytes([tag, len(content)]) + content


def test_chain_is_searched_no_longer_than_by_go() -> None:
    """Every certificate of one name could be above every other; an administrator puts in as many as he likes."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "same")])
    key = new_key()
    many = []
    for number in range(30):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(number + 1).not_valid_before(START).not_valid_after(START + VALIDITY)
        builder = builder.add_extension(x509.SubjectAlternativeName([DNS(f"x{number}")]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        many.append(as_go(builder.sign(key, hashes.SHA256())))
    with pytest.raises(IdentityError, match="0 chains"):
        unique_chain(many[0], Authorities.of([as_go(A.authority.certificate)], many))


def _authority_without(extension: type[x509.ExtensionType], replacement: x509.ExtensionType | None = None) -> Authority:
    """Return A's authority issued again with one extension left out or replaced."""
    template, key = A.authority.certificate, A.authority.key
    builder = x509.CertificateBuilder().subject_name(template.subject).issuer_name(template.subject)
    builder = builder.public_key(key.public_key()).serial_number(4).not_valid_before(START)
    values = [item.value for item in template.extensions if not isinstance(item.value, extension)]
    for value in [*values, *([replacement] if replacement else [])]:
        builder = builder.add_extension(value, critical=False)
    certificate = builder.not_valid_after(START + VALIDITY).sign(key, hashes.SHA256())
    return Authority(low_s(certificate, certificate), key)


def test_authority_without_key_identifier_is_refused() -> None:
    with pytest.raises(ConfigError, match="no subject key identifier"):
        Member("AMSP", _authority_without(x509.SubjectKeyIdentifier)).msp()


def test_authority_that_may_not_sign_certificates_vouches_for_nobody() -> None:
    usage = A.identity("client").certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    member = Member("AMSP", _authority_without(x509.KeyUsage, usage))
    with pytest.raises(ConfigError):
        member.msp().validate(parse_identity(member.identity("client").creator))


# --- the channel's organizations -----------------------------------------------------------------------------------


def test_manager_reads_each_creator_by_its_own_organization() -> None:
    b = Member("BMSP")
    manager = MspManager([A.msp(), b.msp(), A.msp()])
    signer = b.identity("client")
    identity = manager.identity(signer.creator)
    assert identity is manager.identity(signer.creator)
    manager.satisfies_principal(identity, role("client", "BMSP"))
    with pytest.raises(IdentityError, match="not a member of this channel"):
        manager.identity(Member("CMSP").identity("client").creator)
    with pytest.raises(WireError):
        manager.identity(b"\xff")


def test_memory_of_verdicts_is_bounded_and_forgetting_changes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("network.msp._CACHE_MAX", 2)
    manager = MspManager([A.msp()])
    signers = [A.identity("client") for _ in range(5)]
    for _ in range(2):
        for signer in signers:
            identity = manager.identity(signer.creator)
            manager.satisfies_principal(identity, role("client"))
            with pytest.raises(IdentityError):
                manager.satisfies_principal(identity, role("peer"))


def test_manager_refuses_two_definitions_of_one_organization() -> None:
    with pytest.raises(ConfigError, match="defined twice"):
        MspManager([A.msp(), Member("AMSP").msp()])


@pytest.mark.parametrize("network", NETWORKS)
def test_every_creator_and_endorser_of_the_captured_blocks_is_valid(network: str) -> None:
    channel = captured(network)
    msps = ChannelConfig.from_block(channel.block(0)).msps
    seen: set[str] = set()
    for number in range(1, len(channel.blocks)):
        for data in channel.block(number).data.data:
            envelope = common_pb2.Envelope.FromString(data)
            header = common_pb2.Payload.FromString(envelope.payload).header
            creator = common_pb2.SignatureHeader.FromString(header.signature_header).creator
            identity = msps.identity(creator)
            identity.verify(envelope.payload, envelope.signature)
            seen.add(identity.msp_id)
    assert seen == {"DwaybankMSP", "PartnerMSP", "RegulatorMSP", "OrdererMSP"}


@pytest.mark.parametrize("family", ["", "SHA2", "SHA3", "BLAKE"])
def test_signatures_are_checked_by_the_hash_that_the_organization_chose(family: str) -> None:
    """Its administrator may choose alone, and Fabric's peers go by it."""
    member = Member("S")
    msp = member.msp(crypto_config=msp_config_pb2.FabricCryptoConfig(signature_hash_family=family))
    signer = member.identity("peer")
    identity = msp.deserialize(signer.creator)
    algorithms = {"SHA2": hashes.SHA256(), "SHA3": hashes.SHA3_256()}
    key = ec.generate_private_key(ec.SECP256R1())
    identity = dataclasses.replace(identity, public_key=key.public_key())
    for name, algorithm in algorithms.items():
        signature = to_low_s(key.curve, key.sign(b"message", ec.ECDSA(algorithm)))
        if name == (family or "SHA2"):
            identity.verify(b"message", signature)
        else:
            with pytest.raises(SignatureError):
                identity.verify(b"message", signature)


@pytest.mark.parametrize(
    ("function", "algorithm"),
    [("", "sha256"), ("SHA256", "sha256"), ("SHA384", "sha384"), ("SHA3_256", "sha3_256"), ("SHA3_384", "sha3_384")],
)
def test_authorities_of_units_are_named_by_the_hash_that_the_organization_chose(function: str, algorithm: str) -> None:
    member = Member("S")
    crypto = msp_config_pb2.FabricCryptoConfig(identity_identifier_hash_function=function)
    msp = member.msp(crypto_config=crypto)
    identity = msp.deserialize(member.identity("peer").creator)
    msp.validate(identity)
    [unit] = msp.organizational_units(identity)
    authority = member.authority.certificate.public_bytes(serialization.Encoding.DER)
    assert unit.certifiers == hashlib.new(algorithm, authority).digest()


def with_high_s(certificate: x509.Certificate, behind: bytes = b"") -> bytes:
    """Return a certificate with the other signature that is as good, and with more behind it, as PEM."""
    first, second = decode_dss_signature(certificate.signature)
    high = max(second, CURVE_ORDERS["secp256r1"] - second)
    algorithm = der(0x30, bytes.fromhex("06082a8648ce3d040302"))
    signature = der(0x03, b"\0" + encode_dss_signature(first, high))
    content = base64.encodebytes(der(0x30, certificate.tbs_certificate_bytes, algorithm, signature, behind))
    return b"-----BEGIN CERTIFICATE-----\n" + content + b"-----END CERTIFICATE-----\n"


def test_what_stands_behind_a_signature_with_a_high_s_keeps_a_certificate_out_of_proofs() -> None:
    """Its canonical form, which peers judge by, has lost it; the other verifier reads it as it came."""
    organization = Member("BankMSP")
    certificate = organization.identity("client").certificate
    for behind, is_taken in ((b"", True), (der(0x05), False)):
        manager = MspManager([organization.msp()])
        creator = serialize_identity("BankMSP", with_high_s(certificate, behind))
        manager.identity(creator)
        proofs = MspManager([organization.msp()])
        proofs.only_plain = True
        if is_taken:
            proofs.identity(creator)
        else:
            with pytest.raises(IdentityError, match="stands in no proof"):
                proofs.identity(creator)
        root = with_high_s(organization.authority.certificate, behind)
        assert organization.msp(root_certs=[root]).is_plain == is_taken
