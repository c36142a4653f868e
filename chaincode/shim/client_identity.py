"""Who called: the client identity library of Fabric's shims.

The peer has already verified the creator's certificate and signature before it runs a contract, so this module only
reads; it decides nothing about trust.

Source: fabric-chaincode-go pkg/cid/cid.go; Fabric CA attribute extension (OID 1.2.3.4.5.6.7.8.1).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2
from google.protobuf.message import DecodeError

from chaincode.errors import StateError

ATTRIBUTES_OID = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
"""Extension in which Fabric CA stores enrolment attributes, as JSON ``{"attrs": {name: value}}``."""

_NAME_ORDER = (
    (NameOID.COUNTRY_NAME, "C", False),
    (NameOID.ORGANIZATION_NAME, "O", False),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "OU", False),
    (NameOID.LOCALITY_NAME, "L", False),
    (NameOID.STATE_OR_PROVINCE_NAME, "ST", False),
    (NameOID.STREET_ADDRESS, "STREET", False),
    (NameOID.POSTAL_CODE, "POSTALCODE", False),
    (NameOID.COMMON_NAME, "CN", True),
    (NameOID.SERIAL_NUMBER, "SERIALNUMBER", True),
)
"""Attribute types in the order Go writes a name, its label, and whether only the last value counts."""


def _escape(value: str) -> str:
    escaped = "".join("\\" + char if char in ',+"\\<>;' else char for char in value)
    if escaped[:1] in (" ", "#"):
        escaped = "\\" + escaped
    if value.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped


def _distinguished_name(name: x509.Name) -> str:
    """Return the name as Go's ``pkix.Name`` prints it: grouped by type, most specific first (RFC 2253)."""
    parts = []
    for oid, label, last_only in _NAME_ORDER:
        values = [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]
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
        certificate: the creator's X.509 certificate.
    """

    creator: bytes
    msp_id: str
    certificate: x509.Certificate

    @classmethod
    def from_creator(cls, creator: bytes) -> ClientIdentity:
        """Parse a serialized identity.

        Raises:
            StateError: when it is no X.509 identity.
        """
        try:
            identity = identities_pb2.SerializedIdentity.FromString(creator)
            certificate = x509.load_pem_x509_certificate(identity.id_bytes)
        except (DecodeError, ValueError):
            raise StateError("the proposal's creator is not an X.509 identity") from None
        if not identity.mspid:
            raise StateError("the proposal's creator names no MSP")
        return cls(creator, identity.mspid, certificate)

    @cached_property
    def id(self) -> str:
        """``x509::<subject>::<issuer>`` in base64: stays the same when the certificate is renewed."""
        subject = _distinguished_name(self.certificate.subject)
        issuer = _distinguished_name(self.certificate.issuer)
        return base64.b64encode(f"x509::{subject}::{issuer}".encode()).decode()

    @cached_property
    def organizational_units(self) -> tuple[str, ...]:
        """Values of the subject's OU attributes, in the certificate's order."""
        attributes = self.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        return tuple(str(attribute.value) for attribute in attributes)

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Fabric CA's enrolment attributes; empty when the certificate carries none.

        Raises:
            StateError: when the extension is there but is not what Fabric CA writes.
        """
        try:
            extension = self.certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID)
        except x509.ExtensionNotFound:
            return {}
        try:
            assert isinstance(extension.value, x509.UnrecognizedExtension)
            attributes = json.loads(extension.value.value)["attrs"]
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
