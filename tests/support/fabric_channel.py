"""The genesis block of a channel, made by Fabric's ``configtxgen``: with Raft or with SmartBFT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from tests.support.fabric_programs import FabricTools

HOST = "127.0.0.1"

_SMART_BFT = {
    "RequestForwardTimeout": "5s",
    "RequestComplainTimeout": "20s",
    "RequestAutoRemoveTimeout": "3m0s",
    "ViewChangeResendInterval": "5s",
    "ViewChangeTimeout": "20s",
    "LeaderHeartbeatTimeout": "1m0s",
    "CollectTimeout": "1s",
    "IncomingMessageBufferSize": 200,
    "RequestPoolSize": 100_000,
    "LeaderHeartbeatCount": 10,
}


@dataclass(frozen=True)
class OrderingService:
    """Who orders, and how blocks are cut.

    Args:
        msp_id: the ordering organization.
        msp_folder: its verifying MSP folder.
        orderers: each one's port, and its folder with ``msp`` and ``tls``.
        byzantine: SmartBFT rather than Raft.
        batch_timeout: after which a block is cut, as Go writes durations.
        batch_size: transactions at which one is cut.
    """

    msp_id: str
    msp_folder: Path
    orderers: tuple[tuple[int, Path], ...]
    byzantine: bool = False
    batch_timeout: str = "200ms"
    batch_size: int = 100


def genesis_by_configtxgen(
    tools: FabricTools,
    channel_id: str,
    ordering: OrderingService,
    members: Mapping[str, Path],
    folder: Path,
    *,
    anchors: Mapping[str, int] = MappingProxyType({}),
) -> Path:
    """Have ``configtxgen`` make a genesis block; return its file.

    Args:
        members: MSP folder of each application organization, by MSP id.
        folder: where the profile and the block are written.
        anchors: ports of the peers by which other organizations' Go peers find this one's, by MSP id.
    """
    profile = _profile(ordering, members)
    for organization in profile["Application"]["Organizations"]:
        if organization["ID"] in anchors:
            organization["AnchorPeers"] = [{"Host": HOST, "Port": anchors[organization["ID"]]}]
    (folder / "configtx.yaml").write_text(yaml.safe_dump({"Profiles": {"Net": profile}}))
    block = folder / f"{channel_id}.block"
    arguments = ["-profile", "Net", "-channelID", channel_id, "-outputBlock", str(block), "-configPath", str(folder)]
    done = tools.run("configtxgen", arguments)
    assert done.status == 0, done.errors
    return block


def _profile(ordering: OrderingService, members: Mapping[str, Path]) -> dict[str, Any]:
    meta = {
        name: {"Type": "ImplicitMeta", "Rule": rule}
        for name, rule in (("Readers", "ANY Readers"), ("Writers", "ANY Writers"), ("Admins", "MAJORITY Admins"))
    }
    majority = {"Type": "ImplicitMeta", "Rule": "MAJORITY Endorsement"}
    roles = {"Readers": "member", "Writers": "member", "Admins": "admin"}
    organization = _organization(ordering.msp_id, ordering.msp_folder, roles)
    organization["OrdererEndpoints"] = [f"{HOST}:{port}" for port, _ in ordering.orderers]
    return {
        "Policies": meta,
        "Capabilities": {"V3_0": True},
        "Orderer": {
            "BatchTimeout": ordering.batch_timeout,
            "BatchSize": {
                "MaxMessageCount": ordering.batch_size,
                "AbsoluteMaxBytes": "10 MB",
                "PreferredMaxBytes": "2 MB",
            },
            "Capabilities": {"V2_0": True},
            "Organizations": [organization],
            "Policies": meta | {"BlockValidation": {"Type": "ImplicitMeta", "Rule": "ANY Writers"}},
        }
        | (_smart_bft(ordering) if ordering.byzantine else _raft(ordering)),
        "Application": {
            "Organizations": [
                _organization(msp_id, folder, roles | {"Endorsement": "peer"}) for msp_id, folder in members.items()
            ],
            "Capabilities": {"V2_5": True},
            "Policies": meta | {"LifecycleEndorsement": majority, "Endorsement": majority},
        },
    }


def _raft(ordering: OrderingService) -> dict[str, Any]:
    consenters = [{"Host": HOST, "Port": port} | _tls(folder) for port, folder in ordering.orderers]
    return {"OrdererType": "etcdraft", "EtcdRaft": {"Consenters": consenters}}


def _smart_bft(ordering: OrderingService) -> dict[str, Any]:
    consenters = [
        {"ID": number, "Host": HOST, "Port": port, "MSPID": ordering.msp_id}
        | {"Identity": str(next((folder / "msp" / "signcerts").iterdir()))}
        | _tls(folder)
        for number, (port, folder) in enumerate(ordering.orderers, 1)
    ]
    smart = _SMART_BFT | {"RequestBatchMaxInterval": ordering.batch_timeout}
    return {"OrdererType": "BFT", "SmartBFT": smart, "ConsenterMapping": consenters}


def _tls(folder: Path) -> dict[str, str]:
    certificate = str(folder / "tls" / "server.crt")
    return {"ClientTLSCert": certificate, "ServerTLSCert": certificate}


def _organization(msp_id: str, folder: Path, roles: Mapping[str, str]) -> dict[str, Any]:
    policies = {name: {"Type": "Signature", "Rule": f"OR('{msp_id}.{role}')"} for name, role in roles.items()}
    return {"Name": msp_id, "ID": msp_id, "MSPDir": str(folder), "Policies": policies}
