"""Aim: creators are read as Fabric reads them, and private keys only pair with their own certificates.

Method: identities issued in memory; PEM text bent in the ways Go's decoder accepts or refuses.
"""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2

from network.crypto_material import OrganizationSpec, generate_organization, new_key
from network.errors import IdentityError, SignatureError, WireError
from network.identity import (
    KNOWN_BYTES_MAX,
    SigningIdentity,
    first_pem_block,
    parse_certificate,
    parse_identity,
    serialize_identity,
)
from tests.support.members import START, Member, as_go, pem


def test_parsed_identity_verifies_what_its_key_signed() -> None:
    signer = Member("AMSP").identity("client")
    identity = parse_identity(signer.creator)
    assert (identity.msp_id, identity.creator, identity.certificate) == (
        "AMSP",
        signer.creator,
        as_go(signer.certificate),
    )
    identity.verify(b"text", signer.sign(b"text"))
    with pytest.raises(SignatureError):
        identity.verify(b"text", signer.sign(b"other"))


def test_identities_around_one_certificate_are_one_signer_whatever_their_bytes() -> None:
    signer = Member("AMSP").identity("client")
    longer = serialize_identity("AMSP", b"comment\n" + pem(signer.certificate))
    assert parse_identity(longer).identifier == parse_identity(signer.creator).identifier
    other = serialize_identity("BMSP", pem(signer.certificate))
    assert parse_identity(other).identifier != parse_identity(signer.creator).identifier


def test_certificate_met_again_is_not_read_again_but_what_is_larger_than_one_is_not_kept() -> None:
    certificate = pem(Member("AMSP").identity("client").certificate)
    assert parse_certificate(certificate) is parse_certificate(certificate)
    padded = b"x" * KNOWN_BYTES_MAX + b"\n" + certificate
    assert parse_certificate(padded) == parse_certificate(certificate)
    assert parse_certificate(padded) is not parse_certificate(padded)


def test_creator_that_is_no_message_is_a_wire_error() -> None:
    with pytest.raises(WireError, match="SerializedIdentity"):
        parse_identity(b"\xff\xff")


@pytest.mark.parametrize(
    "id_bytes", [b"", b"no pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_creator_without_certificate_is_refused(id_bytes: bytes) -> None:
    with pytest.raises(IdentityError):
        parse_identity(identities_pb2.SerializedIdentity(mspid="AMSP", id_bytes=id_bytes).SerializeToString())


def test_certificate_with_an_rsa_key_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    )
    signed = certificate.not_valid_before(START).not_valid_after(START).sign(key, hashes.SHA256())
    with pytest.raises(IdentityError, match="RSA"):
        parse_identity(serialize_identity("AMSP", pem(signed)))


def _rebuilt(**changes: bytes) -> bytes:
    """Return the creator of a certificate with bytes replaced by others of the same length."""
    der = Member("AMSP").identity("client").certificate.public_bytes(serialization.Encoding.DER)
    for old, new in ((bytes.fromhex(name[1:]), value) for name, value in changes.items()):
        assert old in der
        assert len(old) == len(new)
        der = der.replace(old, new, 1)
    text = base64.encodebytes(der)
    return serialize_identity("AMSP", b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"_a003020102": bytes.fromhex("a003020107")},  # version
        {"_06082a8648ce3d030107": bytes.fromhex("06082a8648ce3d030177")},  # curve
        {"_0603551d13": bytes.fromhex("0603551d0f")},  # basic constraints become a second key usage
        {"_06035504030c": bytes.fromhex("060355040305")},  # a name that is no text
    ],
)
def test_certificate_with_an_unreadable_part_is_refused_at_once(changes: dict[str, bytes]) -> None:
    parse_identity(_rebuilt())
    with pytest.raises(IdentityError, match=r"can be read|Go reads"):
        parse_identity(_rebuilt(**changes))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_certificate_with_a_negative_serial_number_is_refused() -> None:
    serial = bytes.fromhex("02147f" + "00" * 19)
    key = new_key()
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(0x7F << 152).not_valid_before(START).not_valid_after(START)
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    assert serial in der
    text = base64.encodebytes(der.replace(serial, b"\x02\x14\x80" + serial[3:], 1))
    creator = serialize_identity("AMSP", b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n")
    with pytest.raises(IdentityError, match="negative serial number"):
        parse_identity(creator)


def test_certificate_with_a_compressed_key_is_refused() -> None:
    key = new_key().public_key()
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key)
    builder = builder.serial_number(1).not_valid_before(START).not_valid_after(START)
    der = builder.sign(new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    whole = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    info = der[der.index(whole) - 26 : der.index(whole) + len(whole)]
    assert info[:2] == b"\x30\x59"
    shorter = b"\x30\x39" + info[2:-68] + b"\x03\x22\x00" + point
    tbs = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    inner = tbs[3 if tbs[1] == 0x81 else 4 :].replace(info, shorter)
    rest = der[der.index(tbs) + len(tbs) :]
    text = base64.encodebytes(_sequence(_sequence(inner) + rest))
    creator = serialize_identity("AMSP", b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n")
    with pytest.raises(IdentityError, match="compressed point"):
        parse_identity(creator)


def _sequence(content: bytes) -> bytes:
    length = len(content)
    head = (
        bytes([length]) if length < 0x80 else bytes([0x81, length]) if length < 0x100 else b"\x82" + length.to_bytes(2)
    )
    return b"\x30" + head + content


def test_first_pem_block_takes_any_label_skips_what_is_broken_and_reads_headers() -> None:
    good = b"-----BEGIN ANYTHING-----\nName: value\n\nAQID\n-----END ANYTHING-----\n"
    broken = b"-----BEGIN A-----\n!!!!\n-----END A-----\n"
    assert first_pem_block(broken + b"text\n" + good) == b"\x01\x02\x03"
    assert first_pem_block(good.replace(b"\n", b"\r\n")) == b"\x01\x02\x03"
    assert first_pem_block(b"-----BEGIN A-----\nAQID\n-----END B-----\n") is None
    assert first_pem_block(b"x-----BEGIN A-----\nAQID\n-----END A-----\n") is None


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (b"-----BEGIN A-----\n-----BEGIN B-----\nAQID\n-----END B-----\n-----END A-----\n", b"\x01\x02\x03"),
        (b"-----BEGIN A-----\nName: value\nAQID\n-----END A-----\n", b"\x01\x02\x03"),
        (b"-----BEGIN A-----\nAQID-----END A-----\n", None),
        (b"-----BEGIN A-----\nAQID\n-----END B-----\n-----END A-----\n", None),
        (b"-----BEGIN A-----\n-----END A:-----\n-----BEGIN B-----\nAQID\n-----END B-----\n", None),
        (b"-----BEGIN A-----\n-----END A-----", b""),
        (b"-----BEGIN A-----\nAQID=\n-----END A-----\n", None),
        (b"-----BEGIN A-----\nAQ==\nAQID\n-----END A-----\n", None),
    ],
)
def test_first_pem_block_is_the_one_that_go_finds(text: bytes, content: bytes | None) -> None:
    # What Go 1.27's pem.Decode says of each.
    assert first_pem_block(text) == content


@pytest.mark.parametrize("line", [b"-----BEGIN A-----\n", b"-----BEGIN A-----\n!\n-----END A-----\n", b"a: b\n"])
def test_first_pem_block_of_a_hostile_creator_takes_no_time(line: bytes) -> None:
    text = b"-----BEGIN A-----\n" + line * (150_000 // len(line))
    begun = time.process_time()
    assert first_pem_block(text) is None
    # A scan of the rest for each BEGIN takes twenty seconds.
    assert time.process_time() - begun < 2


def test_signing_identity_with_anothers_key_is_refused() -> None:
    signer = Member("AMSP").identity("client")
    with pytest.raises(IdentityError, match="pair them again"):
        SigningIdentity("AMSP", pem(signer.certificate), new_key())


def test_signing_identity_from_unusable_key_names_the_organization() -> None:
    certificate = pem(Member("AMSP").identity("client").certificate)
    with pytest.raises(IdentityError, match="AMSP"):
        SigningIdentity.from_pem("AMSP", certificate, b"no key")
    ed25519 = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(IdentityError, match="give an ECDSA key"):
        SigningIdentity.from_pem("AMSP", certificate, ed25519)


def test_signing_identity_is_loaded_from_an_msp_folder(tmp_path: Path) -> None:
    spec = OrganizationSpec("A", "AMSP", "a.test", "peer", ("node",))
    generate_organization(tmp_path, spec, START)
    folder = spec.folder(tmp_path) / "peers" / "node.a.test" / "msp"
    signer = SigningIdentity.from_msp_folder(folder, "AMSP")
    parse_identity(signer.creator).verify(b"text", signer.sign(b"text"))
    assert "AMSP" in repr(signer)
    (folder / "signcerts" / "node.a.test-cert.pem").unlink()
    with pytest.raises(IdentityError, match="holds 0 files"):
        SigningIdentity.from_msp_folder(folder, "AMSP")


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1()])
def test_certificate_with_a_key_on_a_curve_that_go_does_not_know_is_refused(curve: ec.EllipticCurve) -> None:
    """Fabric's peers refuse a configuration with such an authority as a whole."""
    key = ec.generate_private_key(curve)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(START).not_valid_after(START)
    certificate = builder.sign(key, hashes.SHA256())
    with pytest.raises(IdentityError, match="which Go does not know"):
        parse_certificate(certificate.public_bytes(serialization.Encoding.PEM))
