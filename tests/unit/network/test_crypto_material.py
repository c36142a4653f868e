"""Aim: generated certificates are laid out and shaped like cryptogen's, and private keys stay private.

Method: one generated organization, compared with certificates that cryptogen made for the captured network.
"""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from fabric_protos.common import common_pb2

from network.channel_config import ChannelConfig
from network.crypto_material import (
    AUTHORITY_VALIDITY,
    VALIDITY,
    Authority,
    OrganizationSpec,
    add_tls_client,
    add_tls_server,
    add_user,
    generate_organization,
    issue_identity,
    new_authority,
    revoke,
)
from network.errors import ConfigError, IdentityError, IdentityExpiredError, IdentityRevokedError
from network.identity import SigningIdentity, parse_identity
from network.msp import Msp
from network.msp_folder import read_msp_config
from network.signing import CURVE_ORDERS
from tests.support.captured import captured
from tests.support.generated_channel import START
from tests.support.shared_data import shared_data

SPEC = OrganizationSpec("Partner", "PartnerMSP", "partner.test", "peer", ("node",), ("User1",), ("Reviewer",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crypto")
    generate_organization(root, SPEC, START)
    return SPEC.folder(root)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def shape(certificate: x509.Certificate) -> list[object]:
    """Return what two certificates of one kind have in common."""
    extensions = [
        (extension.oid.dotted_string, extension.critical, _content(extension.value))
        for extension in certificate.extensions
    ]
    names = [attribute.oid.dotted_string for attribute in certificate.subject]
    algorithm = certificate.signature_algorithm_oid.dotted_string
    return [
        names,
        sorted(extensions, key=str),
        algorithm,
        certificate.not_valid_after_utc - certificate.not_valid_before_utc,
    ]


def _content(value: x509.ExtensionType) -> object:
    """Return an extension's value where it does not name one organization or key."""
    if isinstance(value, x509.KeyUsage):
        return value
    if isinstance(value, x509.ExtendedKeyUsage):
        return [usage.dotted_string for usage in value]
    return value if isinstance(value, x509.BasicConstraints) else None


def test_files_are_where_cryptogen_puts_them(folder: Path) -> None:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    trust = ("cacerts/ca.partner.test-cert.pem", "tlscacerts/tlsca.partner.test-cert.pem", "config.yaml")
    expected = {f"msp/{name}" for name in trust}
    expected |= {f"{ca}/{name}" for ca in ("ca", "tlsca") for name in ("priv_sk", f"{ca}.partner.test-cert.pem")}
    members = {f"users/{user}@partner.test": "client" for user in ("Admin", "User1", "Reviewer")}
    for member, kind in {**members, "peers/node.partner.test": "server"}.items():
        name = member.split("/")[1]
        expected |= {f"{member}/msp/{file}" for file in (*trust, f"signcerts/{name}-cert.pem", "keystore/priv_sk")}
        expected |= {f"{member}/tls/{file}" for file in ("ca.crt", f"{kind}.crt", f"{kind}.key")}
    assert found == expected


def test_private_keys_are_readable_by_their_owner_only(folder: Path) -> None:
    keys = [path for path in folder.rglob("*") if path.name == "priv_sk" or path.suffix == ".key"]
    assert len(keys) == 10
    for key in keys:
        assert key.stat().st_mode & 0o777 == 0o600
        assert b"PRIVATE KEY" in key.read_bytes()


def test_certificates_have_the_shape_of_cryptogens(folder: Path) -> None:
    config = ChannelConfig.from_block(captured("raft").block(0))
    msp = config.msps.msps["PartnerMSP"]
    root = x509.load_der_x509_certificate(msp.roots[0].der)
    # But for how long authorities are valid: what they issue can be renewed.
    longer = [AUTHORITY_VALIDITY]
    assert shape(certificate(folder / "ca" / "ca.partner.test-cert.pem")) == shape(root)[:-1] + longer
    tls_root = x509.load_pem_x509_certificate(msp.tls_roots[0])
    assert shape(certificate(folder / "tlsca" / "tlsca.partner.test-cert.pem")) == shape(tls_root)[:-1] + longer
    user = _first_creator_of("PartnerMSP")
    assert shape(certificate(folder / "users/User1@partner.test/msp/signcerts/User1@partner.test-cert.pem")) == shape(
        user
    )


def _first_creator_of(msp_id: str) -> x509.Certificate:
    """Return the certificate of a client that cryptogen made."""
    channel = captured("raft")
    for number in range(6, len(channel.blocks)):
        payload = common_pb2.Payload.FromString(
            common_pb2.Envelope.FromString(channel.block(number).data.data[0]).payload
        )
        identity = parse_identity(common_pb2.SignatureHeader.FromString(payload.header.signature_header).creator)
        units = identity.certificate.units
        if identity.msp_id == msp_id and units[0] == "client":
            return x509.load_der_x509_certificate(identity.certificate.der)
    raise LookupError(msp_id)


def test_signatures_in_certificates_are_low_s(folder: Path) -> None:
    for path in folder.rglob("*-cert.pem"):
        assert decode_dss_signature(certificate(path).signature)[1] <= CURVE_ORDERS["secp256r1"] // 2


def test_members_have_their_roles_and_reviewers_their_unit(folder: Path) -> None:
    msp = Msp.from_config(read_msp_config(folder / "msp", "PartnerMSP"))
    expected = {
        "users/Admin@partner.test": ["admin"],
        "users/User1@partner.test": ["client"],
        "users/Reviewer@partner.test": ["client", "reviewer"],
        "peers/node.partner.test": ["peer"],
    }
    for path, units in expected.items():
        signer = SigningIdentity.from_msp_folder(folder / path / "msp", "PartnerMSP")
        identity = msp.deserialize(signer.creator)
        msp.validate(identity, START + timedelta(days=1))
        assert [unit.name for unit in msp.organizational_units(identity)] == units
        with pytest.raises(IdentityExpiredError):
            msp.validate(identity, START + VALIDITY + timedelta(seconds=1))


def test_host_certificate_names_the_host_and_loopback(folder: Path) -> None:
    server = certificate(folder / "peers/node.partner.test/tls/server.crt")
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names is not None
    assert names.get_values_for_type(x509.DNSName) == ["node.partner.test", "node", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_host_and_user_certificates_make_mutual_tls(tmp_path: Path) -> None:
    generate_organization(tmp_path, SPEC, START)
    folder = SPEC.folder(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(
        folder / "peers/node.partner.test/tls/server.crt", folder / "peers/node.partner.test/tls/server.key"
    )
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(folder / "msp/tlscacerts/tlsca.partner.test-cert.pem")
    client = ssl.create_default_context(cafile=str(folder / "msp/tlscacerts/tlsca.partner.test-cert.pem"))
    user = folder / "users/User1@partner.test/tls"
    client.load_cert_chain(user / "client.crt", user / "client.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname="node.partner.test")
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert near.version() == far.version() == "TLSv1.3"
    assert far.getpeercert(binary_form=True) == certificate(user / "client.crt").public_bytes(
        serialization.Encoding.DER
    )


def test_orderer_organization_has_orderers(tmp_path: Path) -> None:
    spec = OrganizationSpec("Orderer", "OrdererMSP", "orderer.test", "orderer", ("orderer",))
    generate_organization(tmp_path, spec, START)
    folder = tmp_path / "ordererOrganizations" / "orderer.test"
    signer = SigningIdentity.from_msp_folder(folder / "orderers/orderer.orderer.test/msp", "OrdererMSP")
    msp = Msp.from_config(read_msp_config(folder / "msp", "OrdererMSP"))
    assert msp.has_role(msp.deserialize(signer.creator), "orderer")


def test_nothing_that_exists_is_overwritten(tmp_path: Path) -> None:
    generate_organization(tmp_path, SPEC, START)
    with pytest.raises(ConfigError, match="exists"):
        generate_organization(tmp_path, SPEC, START)
    with pytest.raises(ConfigError, match="choose another name"):
        add_user(SPEC.folder(tmp_path), "User1", ("client",), START)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../evil", "a/b", "a\nb", "a\x00b", "a b", "é", "x" * 60, "-x", "a@b@c"]
)
def test_a_name_that_is_no_folders_or_no_certificates_is_refused_and_makes_nothing(tmp_path: Path, name: str) -> None:
    generate_organization(tmp_path, SPEC, START)
    folder = SPEC.folder(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for add in (
        lambda: add_user(folder, name, ("client",), START),
        lambda: add_tls_client(folder, name, ("client",), START),
        lambda: add_tls_server(folder, name, START),
    ):
        with pytest.raises(ConfigError, match=r"use letters, digits, .* 64 characters in all"):
            add()
    assert sorted(tmp_path.rglob("*")) == before


def test_added_user_is_a_member(tmp_path: Path) -> None:
    generate_organization(tmp_path, SPEC, START)
    added = add_user(SPEC.folder(tmp_path), "User2", ("client",), START)
    signer = SigningIdentity.from_msp_folder(added / "msp", "PartnerMSP")
    Msp.from_config(read_msp_config(SPEC.folder(tmp_path) / "msp", "PartnerMSP")).validate(
        parse_identity(signer.creator)
    )


def test_revocations_add_up_in_one_list(tmp_path: Path) -> None:
    generate_organization(tmp_path, SPEC, START)
    folder = SPEC.folder(tmp_path)
    signers = [
        SigningIdentity.from_msp_folder(folder / f"users/{user}@partner.test/msp", "PartnerMSP")
        for user in ("User1", "Reviewer", "Admin")
    ]
    for signer in signers[:2]:
        path = revoke(folder, [signer.certificate], START)
    assert len(x509.load_pem_x509_crl(path.read_bytes())) == 2
    msp = Msp.from_config(read_msp_config(folder / "msp", "PartnerMSP"))
    for signer in signers[:2]:
        with pytest.raises(IdentityRevokedError):
            msp.validate(parse_identity(signer.creator))
    msp.validate(parse_identity(signers[2].creator))


def test_identity_issued_by_a_foreign_authority_of_the_same_name_is_no_member(folder: Path) -> None:
    authority = Authority.load(folder / "ca")
    msp = Msp.from_config(read_msp_config(folder / "msp", "PartnerMSP"))
    msp.validate(parse_identity(issue_identity(authority, "PartnerMSP", "x", ("client",), START).creator))
    foreign = new_authority(authority.name, "partner.test", START)
    with pytest.raises(IdentityError):
        msp.validate(parse_identity(issue_identity(foreign, "PartnerMSP", "x", ("client",), START).creator))


def test_authority_that_is_not_there_is_a_configuration_error(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match="does not hold an authority"):
        Authority.load(tmp_path)
    (tmp_path / "x-cert.pem").write_bytes((folder / "ca/ca.partner.test-cert.pem").read_bytes())
    (tmp_path / "priv_sk").write_bytes(b"none")
    with pytest.raises(ConfigError, match="does not hold an authority"):
        Authority.load(tmp_path)


# --- MSP folders ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["raft", "bft"])
def test_folder_gives_the_bytes_that_configtxgen_put_into_the_genesis_block(network: str) -> None:
    folders = shared_data(f"fabric-captured/{network}/msp")
    root = ChannelConfig.from_block(captured(network).block(0)).group()
    for name, kind in (
        ("dwaybank", "Application"),
        ("partner", "Application"),
        ("regulator", "Application"),
        ("orderer", "Orderer"),
    ):
        msp_id = f"{name.capitalize()}MSP"
        assert read_msp_config(folders / name, msp_id) == root.groups[kind].groups[msp_id].values["MSP"].value


def test_folder_without_authority_or_with_a_broken_config_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match="cacerts"):
        read_msp_config(tmp_path, "X")
    (tmp_path / "cacerts").mkdir()
    (tmp_path / "cacerts" / "readme.txt").write_text("no certificate")
    with pytest.raises(ConfigError, match="no PEM certificate"):
        read_msp_config(tmp_path, "X")
    (tmp_path / "cacerts" / "ca.pem").write_bytes((folder / "ca/ca.partner.test-cert.pem").read_bytes())
    for text, reason in (
        ("a: [", "not YAML"),
        ("- a", "must hold a mapping"),
        ("OrganizationalUnitIdentifiers: [{Certificate: cacerts/none.pem}]", "not there"),
    ):
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(ConfigError, match=reason):
            read_msp_config(tmp_path, "X")


def test_folder_with_units_and_without_node_ous_is_read(tmp_path: Path, folder: Path) -> None:
    for name in ("cacerts", "admincerts"):
        (tmp_path / name).mkdir()
    (tmp_path / "cacerts" / "ca.pem").write_bytes((folder / "ca/ca.partner.test-cert.pem").read_bytes())
    user = "users/User1@partner.test/msp/signcerts/User1@partner.test-cert.pem"
    (tmp_path / "admincerts" / "admin.pem").write_bytes((folder / user).read_bytes())
    units = "[{Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: client}]"
    (tmp_path / "config.yaml").write_text(f"OrganizationalUnitIdentifiers: {units}\nNodeOUs: {{Enable: false}}\n")
    msp = Msp.from_config(read_msp_config(tmp_path, "PartnerMSP"))
    assert not msp.node_ous
    msp.validate(
        parse_identity(SigningIdentity.from_msp_folder(folder / "users/User1@partner.test/msp", "PartnerMSP").creator)
    )
    with pytest.raises(IdentityError, match="recognizes"):
        peer = SigningIdentity.from_msp_folder(folder / "peers/node.partner.test/msp", "PartnerMSP")
        msp.validate(parse_identity(peer.creator))
