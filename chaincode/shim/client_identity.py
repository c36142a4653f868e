"""Who called: the client identity library of Fabric's shims.

The peer has already verified the creator's certificate and signature before it runs a contract, so this module only
reads; it decides nothing about trust. It reads certificates as the peers do, which is as Go does: an identity that
they let through must not fail here, where a contract in Go reads it.

Source: fabric-chaincode-go pkg/cid/cid.go; Fabric CA attribute extension (OID 1.2.3.4.5.6.7.8.1).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cached_property

from fabric_protos.msp import identities_pb2
from google.protobuf.message import DecodeError

from chaincode.errors import StateError
from network.errors import IdentityError
from network.go_certificate import Certificate
from network.go_values import read_subject
from network.identity import parse_certificate
from network.messages import read_message

ATTRIBUTES_OID = "1.2.3.4.5.6.7.8.1"
"""Extension in which Fabric CA stores enrolment attributes, as JSON ``{"attrs": {name: value}}``."""

_NAME_ORDER = (
    ("2.5.4.6", "C", False),
    ("2.5.4.10", "O", False),
    ("2.5.4.11", "OU", False),
    ("2.5.4.7", "L", False),
    ("2.5.4.8", "ST", False),
    ("2.5.4.9", "STREET", False),
    ("2.5.4.17", "POSTALCODE", False),
    ("2.5.4.3", "CN", True),
    ("2.5.4.5", "SERIALNUMBER", True),
)
"""Attribute types in the order Go writes a name, its label, and whether only the last value counts."""


def _escape(value: str) -> str:
    escaped = "".join("\\" + char if char in ',+"\\<>;' else char for char in value)
    if escaped[:1] in (" ", "#"):
        escaped = "\\" + escaped
    if value.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped


def _distinguished_name(attributes: tuple[tuple[str, str], ...]) -> str:
    """Return the name as Go's ``pkix.Name`` prints it: grouped by type, most specific first (RFC 2253)."""
    parts = []
    for oid, label, last_only in _NAME_ORDER:
        values = [value for kind, value in attributes if kind == oid]
        if last_only:
            values = values[-1:]
        if values:
            parts.append("+".join(f"{label}={_escape(value)}" for value in values))
    return ",".join(reversed(parts))


@dataclass(frozen=True)
class ClientIdentity:
    """The creator of the proposal, parsed.

    Args:
        creator: serialized identity exactly as in the proposal's signature header.
        msp_id: the organization's MSP id.
        certificate: the creator's X.509 certificate; ``der`` holds its bytes, for a library of the contract's own.
    """

    creator: bytes
    msp_id: str
    certificate: Certificate

    @classmethod
    def from_creator(cls, creator: bytes) -> ClientIdentity:
        """Parse a serialized identity.

        Raises:
            StateError: when it is no X.509 identity.
        """
        try:
            identity = read_message(identities_pb2.SerializedIdentity, creator)
            certificate = parse_certificate(identity.id_bytes)
        except (DecodeError, IdentityError):
            raise StateError("the proposal's creator is not an X.509 identity") from None
        if not identity.mspid:
            raise StateError("the proposal's creator names no MSP")
        return cls(creator, identity.mspid, certificate)

    @cached_property
    def id(self) -> str:
        """``x509::<subject>::<issuer>`` in base64: stays the same when the certificate is renewed."""
        subject = _distinguished_name(self.certificate.attributes)
        issuer = _distinguished_name(read_subject(self.certificate.issuer))
        return base64.b64encode(f"x509::{subject}::{issuer}".encode()).decode()

    @cached_property
    def organizational_units(self) -> tuple[str, ...]:
        """Values of the subject's OU attributes, in the certificate's order."""
        return tuple(self.certificate.units)

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Fabric CA's enrolment attributes; empty when the certificate carries none.

        Raises:
            StateError: when the extension is there but is not what Fabric CA writes.
        """
        extension = self.certificate.extensions.get(ATTRIBUTES_OID)
        if extension is None:
            return {}
        try:
            attributes = json.loads(extension)["attrs"]
            if not all(isinstance(value, str) for value in attributes.values()):
                raise ValueError("an attribute is not text")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StateError("the certificate's attribute extension is malformed") from None
        return dict(attributes)

    def has_organizational_unit(self, unit: str) -> bool:
        """Tell whether the certificate's subject carries this OU."""
        return unit in self.organizational_units

    def attribute(self, name: str) -> str | None:
        """Return an enrolment attribute, None when absent."""
        return self.attributes.get(name)

    def assert_attribute(self, name: str, value: str) -> None:
        """Require an enrolment attribute.

        Raises:
            StateError: when it is absent or another.
        """
        found = self.attribute(name)
        if found != value:
            raise StateError(f"attribute {name!r} is {found!r}, but {value!r} is required")
