"""Who signed: a creator's bytes, the certificate inside, and the private half of our own identities.

Rules kept here:

* `creator` is always the bytes as received; equality of identities is decided by their MSP from the certificate.
* Parsing trusts nothing. Only `network.msp` says whether an organization vouches for the certificate.
* The first PEM block counts, whatever its label, as in Fabric: a stricter reading would judge some transactions
  differently from the other peers.

Source: Fabric 3.1 msp/mspimpl.go (deserializeIdentityInternal), msp/identities.go; proto msp/identities.proto.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fabric_protos.msp import identities_pb2
from google.protobuf.message import DecodeError

from network.errors import IdentityError, SignatureError, WireError
from network.go_certificate import Certificate
from network.messages import read_message
from network.signing import SHA2, PublicKey, failures_as_fabric, sign, verify_as_fabric

X509_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises over malformed certificates and revocation lists."""

KNOWN_MAX = 128
KNOWN_BYTES_MAX = 8192
"""Certificates kept parsed, and the size up to which one is: a configuration names the same few again and again."""

CREATOR_BYTES_MAX = 64 * 1024
"""Longest identity that is read for somebody who asks for something; certificates have a few thousand bytes."""

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"\n-----END ", b"-----"
_HEADERS = re.compile(rb"(?:[^\n:]*+:[^\n]*+(?:\n|\Z))*+")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@dataclass(frozen=True, slots=True)
class Identity:
    """A creator with its certificate parsed.

    Attributes:
        creator: serialized identity exactly as received.
        msp_id: the organization it claims.
        certificate: the X.509 certificate; in the canonical low-S form once an MSP has vouched for it.
        public_key: the key its signatures are checked with.
        identifier: MSP ID and SHA-256 of the certificate: two creators with one identifier are one signer.
        hash_family: of the hashes its organization has signatures checked by.
    """

    creator: bytes
    msp_id: str
    certificate: Certificate
    public_key: PublicKey
    identifier: tuple[str, bytes] = field(compare=False)
    hash_family: str = SHA2

    @property
    def signs_usually(self) -> bool:
        """Whether its signatures are ECDSA over SHA-256, as nearly all are: many are checked in one go."""
        return isinstance(self.public_key, ec.EllipticCurvePublicKey) and self.hash_family == SHA2

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check that this identity signed the message, by the rule all Fabric peers share.

        Raises:
            SignatureError: absent, malformed, high-S, or by another key.
        """
        verify_as_fabric(self.public_key, message, signature, self.hash_family)


Verify = Callable[[Identity, bytes, bytes], None]
"""Requires that an identity signed a message with a signature; raises as :meth:`Identity.verify` does."""


def signature_failures(signed: Sequence[tuple[Identity, bytes, bytes]]) -> list[SignatureError | None]:
    """Return what ``Identity.verify`` would raise of each of many signatures, or None; together they cost less.

    Args:
        signed: identities that ``signs_usually`` is true of, each with a message and a signature.
    """
    return failures_as_fabric(
        [
            (cast(ec.EllipticCurvePublicKey, identity.public_key), hashlib.sha256(message).digest(), signature)
            for identity, message, signature in signed
        ]
    )


def check_creator_size(creator: bytes, name: str) -> None:
    """Refuse an identity that nobody has, before it is read: an oddly written one is read slowly, whoever sent it.

    Identities in blocks are not asked this: all peers judge a transaction alike, whatever stands in it.

    Args:
        creator: of a request, as received.
        name: of the field it came in.
    Raises:
        WireError: it is too large.
    """
    if len(creator) > CREATOR_BYTES_MAX:
        raise WireError(f"{name}: {len(creator)} bytes, more than {CREATOR_BYTES_MAX}")


def parse_identity(creator: bytes) -> Identity:
    """Read a creator; nothing is said about trust.

    Args:
        creator: serialized ``msp.SerializedIdentity``.
    Returns:
        the identity with its certificate as sent.
    Raises:
        WireError: the bytes are not a ``SerializedIdentity``.
        IdentityError: no certificate inside, or one with a key Fabric does not know.
    Source: Fabric msp/mspimpl.go, DeserializeIdentity.
    """
    try:
        serialized = read_message(identities_pb2.SerializedIdentity, creator)
    except DecodeError as error:
        raise WireError("SerializedIdentity: the creator's bytes are not that message") from error
    certificate = parse_certificate(serialized.id_bytes)
    return with_certificate(creator, serialized.mspid, certificate)


def msp_id_of(creator: bytes) -> str:
    """Return the organization that a creator claims.

    Raises:
        WireError: the bytes are not a ``SerializedIdentity``.
    """
    try:
        return str(read_message(identities_pb2.SerializedIdentity, creator).mspid)
    except DecodeError as error:
        raise WireError("SerializedIdentity: the creator's bytes are not that message") from error


def with_certificate(creator: bytes, msp_id: str, certificate: Certificate, hash_family: str = SHA2) -> Identity:
    """Build an identity around a certificate already parsed.

    Raises:
        IdentityError: the certificate's key is of a kind Fabric does not know.
    """
    key = public_key_of(certificate)
    return Identity(creator, msp_id, certificate, key, (msp_id, certificate.digest), hash_family)


def public_key_of(certificate: Certificate) -> PublicKey:
    """Return the certificate's key.

    Raises:
        IdentityError: neither ECDSA nor Ed25519.
    """
    key = certificate.public_key
    if not isinstance(key, ec.EllipticCurvePublicKey | Ed25519PublicKey):
        raise IdentityError("certificate's key is RSA or of an unknown kind; Fabric identities are ECDSA or Ed25519")
    return key


def parse_certificate(pem: bytes) -> Certificate:
    """Read the first PEM block as a certificate, whatever its label.

    Raises:
        IdentityError: no PEM block, or no certificate in it.
    Source: Fabric msp/mspimpl.go, getCertFromPem.
    """
    return _known_certificate(pem) if len(pem) <= KNOWN_BYTES_MAX else _parse_certificate(pem)


def _parse_certificate(pem: bytes) -> Certificate:
    der = first_pem_block(pem)
    if der is None:
        raise IdentityError("identity holds no PEM block; its id_bytes must be a PEM certificate")
    return Certificate.read(der)


_known_certificate = lru_cache(KNOWN_MAX)(_parse_certificate)


def first_pem_block(pem: bytes) -> bytes | None:
    """Return the content of the first well-formed PEM block, whatever its label, or None."""
    block = first_labelled_block(pem)
    return None if block is None else block[1]


def first_labelled_block(pem: bytes) -> tuple[bytes, bytes] | None:
    """Return label and content of the first well-formed PEM block, or None; in time that grows with the length alone.

    What counts as one must be what Go's decoder says, or peers judge one transaction differently: the last BEGIN line
    before an END line belongs to it, and lines with a colon right after a BEGIN line are its headers.

    Source: Go 1.27, encoding/pem, Decode.
    """
    trailer = 0
    while (end := pem.find(_END, trailer)) >= 0:
        before, trailer = trailer, end + len(_END)
        begin = pem.rfind(_BEGIN, before, end)
        if begin != before and (begin < 0 or pem[begin - 1 : begin] != b"\n"):
            continue
        label, first = _line(pem, begin + len(_BEGIN))
        if not label.endswith(_DASHES):
            continue
        headers = _HEADERS.match(pem, first)
        assert headers is not None
        body = headers.end()
        if body > trailer:
            # The END line itself reads as a header.
            return None
        # Headers end on a line of their own, before that of the END.
        if (headers[0] and body > end) or _line(pem, trailer)[0] != label:
            continue
        content = pem[body:end].translate(None, b" \t\r\n")
        if _is_base64(content):
            return label.removesuffix(_DASHES), base64.b64decode(content)
    return None


def _is_base64(text: bytes) -> bool:
    """Say whether Go decodes it: Python's own check lets a superfluous ``=`` pass."""
    plain = text.rstrip(b"=")
    return len(text) % 4 == 0 and len(text) - len(plain) <= 2 and not plain.translate(None, _ALPHABET)


def _line(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the line that begins at a place, without the space at its end, and where the next one begins."""
    end = data.find(b"\n", at)
    if end < 0:
        return data[at:].rstrip(b" \t"), len(data)
    return data[at:end].removesuffix(b"\r").rstrip(b" \t"), end + 1


class SigningIdentity:
    """An identity of ours: a certificate with its private key.

    Attributes:
        msp_id: organization.
        certificate: public half.
        creator: serialized identity, the bytes that go into every header.
    """

    def __init__(self, msp_id: str, certificate_pem: bytes, key: ec.EllipticCurvePrivateKey) -> None:
        self.msp_id = msp_id
        public_key = public_key_of(parse_certificate(certificate_pem))
        self.certificate = x509.load_pem_x509_certificate(certificate_pem)
        self.creator = serialize_identity(msp_id, certificate_pem)
        self._key = key
        if public_key != key.public_key():
            raise IdentityError(f"private key does not belong to the certificate of {msp_id}; pair them again")

    @classmethod
    def from_pem(cls, msp_id: str, cert_pem: bytes, key_pem: bytes) -> SigningIdentity:
        """Build one from PEM texts.

        Args:
            msp_id: organization.
            cert_pem: certificate; these bytes go into the creator unchanged.
            key_pem: unencrypted private key (PKCS#8 or SEC 1).
        Raises:
            IdentityError: not a certificate, not an ECDSA key, or the two do not belong together.
        """
        try:
            key = serialization.load_pem_private_key(key_pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise IdentityError(f"private key of {msp_id} is not an unencrypted PEM key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise IdentityError(f"private key of {msp_id} is {type(key).__name__}; give an ECDSA key")
        return cls(msp_id, cert_pem, key)

    @classmethod
    def from_msp_folder(cls, path: Path, msp_id: str) -> SigningIdentity:
        """Load ``signcerts/*`` and ``keystore/*_sk`` of a local MSP folder as cryptogen and Fabric CA write it.

        Raises:
            IdentityError: a file is missing or cannot be read, there is more than one, or they do not belong together.
        """
        certificate = _only_file(path / "signcerts", "*.pem")
        key = _only_file(path / "keystore", "*")
        try:
            return cls.from_pem(msp_id, certificate.read_bytes(), key.read_bytes())
        except OSError as error:
            raise IdentityError(f"file {error.filename} cannot be read: {error.strerror}") from error
        except IdentityError as error:
            raise IdentityError(f"MSP folder {path}: {error}") from error

    def sign(self, message: bytes) -> bytes:
        """Return the low-S DER signature of the message."""
        return sign(self._key, message)

    def __repr__(self) -> str:
        return f"SigningIdentity({self.msp_id!r}, {self.certificate.subject.rfc4514_string()!r})"


def serialize_identity(msp_id: str, certificate_pem: bytes) -> bytes:
    """Return the creator bytes of a certificate.

    Source: Fabric msp/identities.go, NewSerializedIdentity.
    """
    serialized: bytes = identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=certificate_pem).SerializeToString()
    return serialized


def _only_file(folder: Path, pattern: str) -> Path:
    files = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if len(files) != 1:
        raise IdentityError(f"{folder} holds {len(files)} files of {pattern}; exactly one is needed")
    return files[0]
