"""An answer to a demand on its way: signed by the organization that gives it, sealed to the key of who demanded.

The signature is inside the box, over the package's bytes: whoever opens it can show others who said what is in it, also
of what no commitment proves. The box is libsodium's sealed box (X25519, XSalsa20-Poly1305): only the key's holder opens
it, and who made it shows inside alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.message import DecodeError
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from network.errors import ProofError
from network.identity import SigningIdentity
from network.member_signature import DISCLOSURE, MemberSignature, sign_as_member, verify_member
from network.msp import MspManager
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb


@dataclass(frozen=True, slots=True)
class OwnMember:
    """This organization towards the others.

    Args:
        identity: what signs for it outside of transactions.
        msps: the channel's members, as its newest configuration has them.
    """

    identity: SigningIdentity
    msps: Callable[[], MspManager]


@dataclass(frozen=True, slots=True)
class OpenedPackage:
    """A package whose signature holds.

    Args:
        package: what was given.
        signed: the bytes that carry the signature; proof to others of who gave it.
    """

    package: pb.DisclosurePackage
    signed: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 of the signed bytes."""
        return hashlib.sha256(self.signed).digest()


def seal_package(package: pb.DisclosurePackage, identity: SigningIdentity, key: bytes) -> tuple[bytes, bytes]:
    """Return a package signed and sealed, and the SHA-256 of what is inside the box.

    Args:
        key: X25519 public key of who demanded.
    Raises:
        ProofError: ``wrong_disclosure_key``, when nothing can be sealed to it.
    """
    content = package.SerializeToString(deterministic=True)
    signature = sign_as_member(identity, DISCLOSURE, content)
    signed = pb.SignedDisclosure(
        package=content, creator=signature.creator, signature=signature.signature
    ).SerializeToString()
    return seal(signed, key), hashlib.sha256(signed).digest()


def seal(content: bytes, key: bytes) -> bytes:
    """Return content in a box that only the key's holder opens.

    Raises:
        ProofError: ``wrong_disclosure_key``, when nothing can be sealed to it.
    """
    try:
        return SealedBox(PublicKey(key)).encrypt(content)
    except (CryptoError, ValueError, TypeError) as error:
        raise ProofError("wrong_disclosure_key", f"nothing can be sealed to the key {key.hex()}") from error


def unseal(sealed: bytes, key: PrivateKey) -> bytes:
    """Return what is in a box.

    Raises:
        ProofError: ``wrong_seal``, when it was sealed to another key, or changed.
    """
    try:
        return SealedBox(key).decrypt(sealed)
    except (CryptoError, ValueError, TypeError) as error:
        raise ProofError("wrong_seal", "what was given is not sealed to this organization's key") from error


def open_package(
    sealed: bytes, key: PrivateKey, organization: str, msps: MspManager, now: datetime | None
) -> OpenedPackage:
    """Return a package once it is signed by the organization that was asked.

    Raises:
        ProofError: ``wrong_seal``, ``malformed_package``, ``wrong_signer`` or ``wrong_signature``.
    """
    content = unseal(sealed, key)
    try:
        signed = pb.SignedDisclosure.FromString(content)
        package = pb.DisclosurePackage.FromString(signed.package)
    except DecodeError as error:
        raise ProofError("malformed_package", "what was sealed is no signed package") from error
    signature = MemberSignature(signed.creator, signed.signature)
    signer = verify_member(signature, DISCLOSURE, signed.package, msps, now)
    if signer.msp_id != organization:
        raise ProofError("wrong_signer", f"the package is signed by {signer.msp_id}, not by {organization}")
    return OpenedPackage(package, content)
