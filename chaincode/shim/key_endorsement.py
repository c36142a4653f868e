"""Key-level endorsement policies: which organizations must endorse any change of one key.

Source: fabric-chaincode-go pkg/statebased/statebasedimpl.go (same bytes for the same organizations).
"""

from __future__ import annotations

from enum import Enum

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2
from google.protobuf.message import DecodeError

from chaincode.errors import StateError


class Role(Enum):
    """What an endorser must be in its organization."""

    MEMBER = msp_principal_pb2.MSPRole.MEMBER
    PEER = msp_principal_pb2.MSPRole.PEER


class KeyEndorsementPolicy:
    """A policy that asks for one endorsement of every organization listed.

    Args:
        policy: serialized ``SignaturePolicyEnvelope`` to start from, e.g. of ``get_state_validation_parameter``.
    Raises:
        StateError: when ``policy`` is no such message.
    """

    def __init__(self, policy: bytes = b"") -> None:
        self._roles: dict[str, int] = {}
        try:
            envelope = policies_pb2.SignaturePolicyEnvelope.FromString(policy)
            for principal in envelope.identities:
                if principal.principal_classification == msp_principal_pb2.MSPPrincipal.ROLE:
                    role = msp_principal_pb2.MSPRole.FromString(principal.principal)
                    self._roles[role.msp_identifier] = role.role
        except DecodeError:
            raise StateError("key-level policy is not a SignaturePolicyEnvelope") from None

    def add_organizations(self, role: Role, *msp_ids: str) -> None:
        """Require an endorsement of each organization by a member in ``role``."""
        for msp_id in msp_ids:
            self._roles[msp_id] = role.value

    def delete_organizations(self, *msp_ids: str) -> None:
        """Drop organizations; unknown ones are ignored."""
        for msp_id in msp_ids:
            self._roles.pop(msp_id, None)

    def organizations(self) -> list[str]:
        """Return the MSP ids listed, sorted."""
        return sorted(self._roles)

    def policy(self) -> bytes:
        """Return the serialized policy for ``set_state_validation_parameter``."""
        rules = [policies_pb2.SignaturePolicy(signed_by=index) for index in range(len(self._roles))]
        n_out_of = policies_pb2.SignaturePolicy.NOutOf(n=len(rules), rules=rules)
        principals = [
            msp_principal_pb2.MSPPrincipal(
                principal_classification=msp_principal_pb2.MSPPrincipal.ROLE,
                principal=msp_principal_pb2.MSPRole(msp_identifier=msp_id, role=self._roles[msp_id]).SerializeToString(
                    deterministic=True
                ),
            )
            for msp_id in self.organizations()
        ]
        envelope = policies_pb2.SignaturePolicyEnvelope(
            version=0, rule=policies_pb2.SignaturePolicy(n_out_of=n_out_of), identities=principals
        )
        serialized: bytes = envelope.SerializeToString(deterministic=True)
        return serialized
