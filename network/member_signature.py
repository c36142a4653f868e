"""An organization's signature over something it says outside of transactions: that of its node.

Receipts, answers to demands and reports carry it. It is made with the certificate of the organization's peer, which no
person and no tenant has. What is signed is ``dwaybank.node/<domain>\\x01`` and the content's
bytes: the domain keeps a signature over one kind of thing from being shown under another, and the first byte keeps it
from being shown under a message of Fabric's (no protobuf message begins with an end of a group).

JSON form: ``{"creator": base64, "signature": base64}``, the identity as transactions carry it and DER.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from network.bundle_json import decode_base64
from network.errors import IdentityError, ProofError, SignatureError, WireError
from network.identity import Identity, SigningIdentity
from network.msp import MspManager

RECEIPT = "receipt/1"
DISCLOSURE = "disclosure/1"
REPORT = "report/1"

CREATOR_BYTES_MAX = 16_384
"""A node's identity has one to four thousand bytes; to look for a certificate in megabytes takes hours."""

_FIELDS = {"creator", "signature"}


@dataclass(frozen=True, slots=True)
class MemberSignature:
    """Who signed, as the bytes of the identity, and the signature."""

    creator: bytes
    signature: bytes

    def as_json(self) -> dict[str, str]:
        """Return the JSON form."""
        return {
            "creator": base64.b64encode(self.creator).decode(),
            "signature": base64.b64encode(self.signature).decode(),
        }


def signing_input(domain: str, content: bytes) -> bytes:
    """Return the bytes that are signed."""
    return f"dwaybank.node/{domain}".encode() + b"\x01" + content


def sign_as_member(identity: SigningIdentity, domain: str, content: bytes) -> MemberSignature:
    """Return an organization's signature over content."""
    return MemberSignature(identity.creator, identity.sign(signing_input(domain, content)))


def verify_member(
    signature: MemberSignature, domain: str, content: bytes, msps: MspManager, now: datetime | None = None
) -> Identity:
    """Return who signed, once a member's authority vouches for it as a node's and the signature holds.

    Args:
        now: UTC time to check expiry against; None for what was signed long ago.
    Raises:
        ProofError: ``wrong_signer`` or ``wrong_signature``.
    """
    if len(signature.creator) > CREATOR_BYTES_MAX:
        raise ProofError("wrong_signer", f"an identity of {len(signature.creator)} bytes is no node's")
    try:
        identity = msps.identity(signature.creator, now)
    except (IdentityError, WireError) as error:
        raise ProofError("wrong_signer", f"the signer is no member: {error}") from error
    msp = msps.msps[identity.msp_id]
    if msp.node_ous and not msp.has_role(identity, "peer"):
        raise ProofError("wrong_signer", f"the signer's certificate of {identity.msp_id} is not that of a node")
    try:
        identity.verify(signing_input(domain, content), signature.signature)
    except SignatureError as error:
        raise ProofError("wrong_signature", f"the signature of {identity.msp_id} does not hold: {error}") from error
    return identity


def read_signature(value: Any) -> MemberSignature:
    """Read the JSON form.

    Raises:
        ProofError: ``malformed_signature``.
    """
    if not isinstance(value, Mapping) or set(value) != _FIELDS:
        raise ProofError("malformed_signature", f"a signature has the fields {', '.join(sorted(_FIELDS))}")
    try:
        return MemberSignature(decode_base64(value["creator"]), decode_base64(value["signature"]))
    except ValueError as error:
        raise ProofError("malformed_signature", f"a signature's field is {error}") from error
