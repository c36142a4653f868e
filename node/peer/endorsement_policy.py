"""The policies that a transaction's endorsements must satisfy, compiled once for each configuration of the channel.

A policy that cannot be compiled is a policy that nothing satisfies, as it is in Fabric: what its bytes are was agreed
on by the members, and every peer reads them alike.

Source: Fabric core/policy/application.go, core/chaincode/lifecycle/{lifecycle,deployedcc_infoprovider}.go,
core/common/validation/statebased/vpmanagerimpl.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from fabric_protos.common import configtx_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2
from google.protobuf.message import DecodeError

from network.channel_config import ChannelConfig, application_policy
from network.errors import PolicyError
from network.identity import Identity
from network.messages import read_message
from network.policy import Policy, SignaturePolicy
from network.policy_dsl import n_out_of, role_principal

LIFECYCLE_POLICY = "/Channel/Application/LifecycleEndorsement"
IMPLICIT_COLLECTION_PREFIX = "_implicit_org_"
_POLICIES_MAX = 10_000


class EndorsementPolicies:
    """The policies of one channel configuration.

    Args:
        config: configuration in force.
    """

    def __init__(self, config: ChannelConfig) -> None:
        self._config = config
        self._application: dict[bytes, Policy | PolicyError] = {}
        self._key_level: dict[bytes, Policy | PolicyError] = {}
        self._organizations: dict[str, str] | None = None

    def check_application(self, policy: bytes, endorsers: Sequence[Identity]) -> None:
        """Check a serialized ``ApplicationPolicy``, from a definition or a collection.

        Raises:
            PolicyError: it is not satisfied, or cannot be.
        """
        compiled = self._application.get(policy)
        if compiled is None:
            compiled = self._application[policy] = self._compile_application(policy)
        _check(compiled, endorsers)

    def check_key(self, policy: bytes, endorsers: Sequence[Identity]) -> None:
        """Check a key's own policy, a serialized ``SignaturePolicyEnvelope``.

        Raises:
            PolicyError: it is not satisfied, or cannot be.
        """
        compiled = self._key_level.get(policy)
        if compiled is None:
            if len(self._key_level) >= _POLICIES_MAX:
                self._key_level.clear()
            compiled = self._key_level[policy] = self._compile_key(policy)
        _check(compiled, endorsers)

    def check_lifecycle(self, endorsers: Sequence[Identity]) -> None:
        """Check the policy under which chaincodes are approved and committed.

        Raises:
            PolicyError: it is not satisfied.
        """
        try:
            policy = self._config.policy(LIFECYCLE_POLICY)
        except PolicyError:
            policy = self._majority_of_members()
        policy.evaluate_identities(endorsers)

    def check_implicit_collection(self, msp_id: str, endorsers: Sequence[Identity]) -> None:
        """Check the policy of an organization's implicit private collection.

        Raises:
            PolicyError: it is not satisfied, or the organization is not on the channel.
        """
        group = self._group_of(msp_id)
        try:
            policy = self._config.policy(f"/Channel/Application/{group}/Endorsement")
        except PolicyError:
            policy = self._members(1, [msp_id])
        policy.evaluate_identities(endorsers)

    def _compile_application(self, policy: bytes) -> Policy | PolicyError:
        try:
            return application_policy(self._config, policy)
        except PolicyError as error:
            return error

    def _compile_key(self, policy: bytes) -> Policy | PolicyError:
        try:
            envelope = read_message(policies_pb2.SignaturePolicyEnvelope, policy)
            # Fabric reads it once more like this, so that its gates may be nested one less deep than elsewhere.
            wrapped = policies_pb2.ApplicationPolicy()
            wrapped.signature_policy.CopyFrom(envelope)
            return application_policy(self._config, wrapped.SerializeToString())
        except DecodeError:
            # Fabric's peers stop the channel here; one contract's mistake should not have that power.
            return PolicyError("VALIDATION_PARAMETER: the bytes are not a SignaturePolicyEnvelope")
        except PolicyError as error:
            return error

    def _majority_of_members(self) -> Policy:
        msp_ids = self._config.application_msp_ids
        return self._members(len(msp_ids) // 2 + 1, msp_ids)

    def _members(self, n: int, msp_ids: Sequence[str]) -> Policy:
        rules = [policies_pb2.SignaturePolicy(signed_by=index) for index in range(len(msp_ids))]
        principals = [role_principal(msp_id, "member") for msp_id in msp_ids]
        envelope = policies_pb2.SignaturePolicyEnvelope(rule=n_out_of(n, rules), identities=principals)
        return SignaturePolicy(envelope, self._config.msps)

    def _group_of(self, msp_id: str) -> str:
        if self._organizations is None:
            self._organizations = _application_groups(self._config)
        group = self._organizations.get(msp_id)
        if group is None:
            raise PolicyError(f"organization {msp_id!r} has no peers on channel {self._config.channel_id}")
        return group


def implicit_collection_owner(collection: str) -> str:
    """Return the organization whose implicit collection this is; empty for a collection that was defined."""
    if not collection.startswith(IMPLICIT_COLLECTION_PREFIX):
        return ""
    return collection.removeprefix(IMPLICIT_COLLECTION_PREFIX)


def _check(policy: Policy | PolicyError, endorsers: Sequence[Identity]) -> None:
    if isinstance(policy, PolicyError):
        raise PolicyError(str(policy)) from policy
    policy.evaluate_identities(endorsers)


def _application_groups(config: ChannelConfig) -> dict[str, str]:
    root = configtx_pb2.ConfigEnvelope.FromString(config.envelope).config.channel_group
    groups = {}
    for name, group in root.groups["Application"].groups.items():
        msp = msp_config_pb2.MSPConfig.FromString(group.values["MSP"].value)
        groups[msp_config_pb2.FabricMSPConfig.FromString(msp.config).name] = name
    return groups
