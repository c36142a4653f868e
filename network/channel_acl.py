"""Which policy guards which service of a peer, where the channel's configuration does not say otherwise.

Source: Fabric 3.1 core/aclmgmt/defaultaclprovider.go and resources/resources.go.
"""

from __future__ import annotations

from types import MappingProxyType

from network.errors import PolicyError

READERS = "/Channel/Application/Readers"
"""Guards what is only read."""

WRITERS = "/Channel/Application/Writers"
"""Guards what may change the ledger."""

CHANNEL_DEFAULTS = MappingProxyType(
    {
        "_lifecycle/CommitChaincodeDefinition": WRITERS,
        "_lifecycle/QueryChaincodeDefinition": WRITERS,
        "_lifecycle/QueryChaincodeDefinitions": WRITERS,
        "_lifecycle/CheckCommitReadiness": WRITERS,
        "lscc/ChaincodeExists": READERS,
        "lscc/GetDeploymentSpec": READERS,
        "lscc/GetChaincodeData": READERS,
        "lscc/GetInstantiatedChaincodes": READERS,
        "lscc/GetCollectionsConfig": READERS,
        "qscc/GetChainInfo": READERS,
        "qscc/GetBlockByNumber": READERS,
        "qscc/GetBlockByHash": READERS,
        "qscc/GetTransactionByID": READERS,
        "qscc/GetBlockByTxID": READERS,
        "cscc/GetConfigBlock": READERS,
        "cscc/GetChannelConfig": READERS,
        "peer/Propose": WRITERS,
        "peer/ChaincodeToChaincode": WRITERS,
        "event/Block": READERS,
        "event/FilteredBlock": READERS,
        "gateway/CommitStatus": READERS,
        "gateway/ChaincodeEvents": READERS,
    }
)
"""Policy path by resource; a channel's configuration may name another."""

LOCAL_ROLES = MappingProxyType(
    {
        "_lifecycle/InstallChaincode": "admin",
        "_lifecycle/QueryInstalledChaincode": "admin",
        "_lifecycle/GetInstalledChaincodePackage": "admin",
        "_lifecycle/QueryInstalledChaincodes": "admin",
        "_lifecycle/ApproveChaincodeDefinitionForMyOrg": "admin",
        "_lifecycle/QueryApprovedChaincodeDefinition": "admin",
        "_lifecycle/QueryApprovedChaincodeDefinitions": "admin",
        "snapshot/submitrequest": "admin",
        "snapshot/cancelrequest": "admin",
        "snapshot/listpending": "admin",
        "lscc/Install": "admin",
        "lscc/GetInstalledChaincodes": "admin",
        "cscc/JoinChain": "admin",
        "cscc/JoinChainBySnapshot": "admin",
        "cscc/JoinBySnapshotStatus": "admin",
        "cscc/GetChannels": "member",
    }
)
"""Role in the peer's own organization by resource; no configuration can change these."""


def refusal_text(path: str, channel_id: str, error: PolicyError) -> str:
    """Return Fabric's text for whom a policy keeps out.

    Args:
        path: of the policy.
        channel_id: named where the policy is Fabric's default for the resource; empty where the channel chose it.
        error: what the policy lacks.
    Source: Fabric core/aclmgmt/resourceprovider.go, core/policy/policy.go.
    """
    if not channel_id:
        return f"failed evaluating policy on signed data during check policy [{path}]: [{error}]"
    place = f"on channel [{channel_id}] with policy [{path}]"
    return f"Failed evaluating policy on signed data during check policy {place}: [{error}]"
