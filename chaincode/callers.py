"""Who may call: the rules that contracts ask of a proposal's creator.

The peer has verified signature and certificate against the organization's MSP before the contract runs. Roles are
organizational units of the certificate, as Fabric's NodeOUs name them.
"""

from __future__ import annotations

from chaincode.errors import AccessError, ArgumentError
from chaincode.keys import require_organization
from chaincode.shim.stub import ChaincodeStub

CLIENT_UNITS = ("client", "admin")
"""Units of which a caller must carry one: a peer's or orderer's certificate never speaks for its organization here."""

REVIEWER_UNIT = "reviewer"
"""Unit of the people who decide manual reviews."""


def require_client(stub: ChaincodeStub) -> str:
    """Return the caller's MSP id once the caller is a client of its organization.

    Raises:
        AccessError: when the certificate carries none of ``CLIENT_UNITS``, or the MSP id cannot stand in a key.
    """
    identity = stub.client_identity
    if not any(identity.has_organizational_unit(unit) for unit in CLIENT_UNITS):
        raise AccessError("only certificates with organizational unit 'client' or 'admin' may call this")
    try:
        return require_organization(identity.msp_id)
    except ArgumentError as error:
        raise AccessError(f"the caller's MSP id cannot be used: {error}") from None


def require_reviewer(stub: ChaincodeStub) -> str:
    """Return the caller's MSP id once the caller is a reviewer of its organization.

    Raises:
        AccessError: when the caller is no client, or its certificate lacks ``REVIEWER_UNIT``.
    """
    organization = require_client(stub)
    if not stub.client_identity.has_organizational_unit(REVIEWER_UNIT):
        raise AccessError(f"only certificates with organizational unit {REVIEWER_UNIT!r} may decide reviews")
    return organization
