"""A consortium on disk, generated as the product does it: certificates, genesis block, and the identities inside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fabric_protos.common import common_pb2

from network.channel_config import ChannelConfig
from network.crypto_material import OrganizationSpec, generate_organization
from network.genesis import ChannelSpec, OrgSpec, genesis_block
from network.identity import SigningIdentity

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("dwaybank", "partner", "regulator")


def msp_id(name: str) -> str:
    return f"{name.capitalize()}MSP"


@dataclass(frozen=True)
class GeneratedChannel:
    """Certificates under ``root``, and the channel made of them."""

    root: Path
    spec: ChannelSpec
    block: common_pb2.Block

    @property
    def config(self) -> ChannelConfig:
        return ChannelConfig.from_block(self.block)

    def folder(self, name: str) -> Path:
        kind = "orderer" if name == "orderer" else "peer"
        return self.root / f"{kind}Organizations" / f"{name}.test"

    def user(self, name: str, user: str = "Admin") -> SigningIdentity:
        path = self.folder(name) / "users" / f"{user}@{name}.test" / "msp"
        return SigningIdentity.from_msp_folder(path, msp_id(name))


def organization_spec(name: str) -> OrganizationSpec:
    """Return what is generated for an organization; "orderer" runs the ordering service."""
    if name == "orderer":
        return OrganizationSpec("Orderer", "OrdererMSP", "orderer.test", "orderer", ("orderer",))
    return OrganizationSpec(name, msp_id(name), f"{name}.test", "peer", ("node",), ("User1",), ("Reviewer",))


def generate_channel(root: Path) -> GeneratedChannel:
    """Generate a consortium of three and its ordering service."""
    for name in ("orderer", *NAMES):
        generate_organization(root, organization_spec(name), START)
    spec = ChannelSpec(
        "anchors",
        (OrgSpec("OrdererMSP", root / "ordererOrganizations/orderer.test/msp", ("127.0.0.1:7050",)),),
        tuple(
            OrgSpec(msp_id(name), root / f"peerOrganizations/{name}.test/msp", anchor_peers=("127.0.0.1:7051",))
            for name in NAMES
        ),
    )
    return GeneratedChannel(root, spec, genesis_block(spec))
