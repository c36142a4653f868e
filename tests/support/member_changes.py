"""Changes of who is on a channel, as administrators make them: organizations come and go, authorities change."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2

from network import rpc
from network.block import last_config_number, parse_block
from network.channel_config import config_of_block
from network.config_delta import config_delta, sign_update
from network.crypto_material import Authority, OrganizationSpec, generate_organization, issue_identity, revoke
from network.genesis import ChannelSpec, OrgSpec, genesis_block
from network.identity import SigningIdentity
from network.msp_folder import read_msp_config
from node.peer.gateway.endorsers import PeerEndpoint
from node.ports import free_port
from tests.support.consortium_in_memory import BANK, CHANNEL, DOMAINS, ORDERER, PARTNER, REGULATOR, START, Material
from tests.support.ordering import broadcast
from tests.support.peer_network import Member, PeerNetwork, client_tls, tls_roots

FOURTH = "FourthMSP"
_DOMAIN = "fourth.test"

Change = Callable[[configtx_pb2.ConfigGroup], None]
"""Makes of the configuration in force the one that is wanted."""


@dataclass(frozen=True)
class Fourth:
    """An organization that is on no channel yet."""

    folder: Path

    @classmethod
    def generated(cls, root: Path) -> Fourth:
        """Generate it below the others' certificates, so that their servers know its TLS authority."""
        spec = OrganizationSpec(
            name=_DOMAIN, msp_id=FOURTH, domain=_DOMAIN, kind="peer", hosts=("node",), users=("Node",)
        )
        generate_organization(root, spec, START)
        return cls(spec.folder(root))

    def signer(self, user: str = "Node") -> SigningIdentity:
        """Return its peer, or a user."""
        place = f"peers/node.{_DOMAIN}" if user == "peer" else f"users/{user}@{_DOMAIN}"
        return SigningIdentity.from_msp_folder(self.folder / place / "msp", FOURTH)

    def group(self, material: Material) -> configtx_pb2.ConfigGroup:
        """Return what the configuration of a channel with the others' orderer says of it."""
        own = OrgSpec(FOURTH, self.folder / "msp")
        spec = ChannelSpec("any", orderer_orgs=(material.org(ORDERER),), application_orgs=(own,))
        return group_of(genesis_block(spec).SerializeToString()).groups["Application"].groups[FOURTH]

    def member(self, network: PeerNetwork, database_url: str) -> Member:
        """Return its peer, not started, knowing the bank's."""
        tls = self.folder / "peers" / f"node.{_DOMAIN}" / "tls"
        certificate, key = (tls / "server.crt").read_bytes(), (tls / "server.key").read_bytes()
        roots, port, bank = tls_roots(network.material), free_port(), network.members[BANK]
        settings = replace(
            bank.settings,
            database_url=database_url,
            identity=self.signer("peer"),
            local_msp=read_msp_config(self.folder / "msp", FOURTH),
            address=f"localhost:{port}",
            other_peers=[PeerEndpoint(f"localhost:{bank.port}", BANK)],
            client_tls=rpc.ClientTls(roots, certificate, key),
        )
        return Member(FOURTH, settings, port, rpc.ServerTls(certificate, key, roots))


def group_of(block: bytes) -> configtx_pb2.ConfigGroup:
    """Return the root group of a configuration block."""
    _, envelope = config_of_block(parse_block(block))
    return configtx_pb2.ConfigEnvelope.FromString(envelope).config.channel_group


async def order_change(network: PeerNetwork, change: Change, signers: Sequence[SigningIdentity]) -> tuple[int, str]:
    """Have a change ordered, signed by these administrators; return the orderer's answer once every peer has it."""
    peer, chain = network.peer(), network.orderer.orderer.chains[CHANNEL]
    await network.wait_for_height(chain.height)
    newest = parse_block(await peer.block(peer.height - 1) or b"")
    number = last_config_number(newest) if newest.header.number else 0
    current = group_of(await peer.block(number) or b"")
    wanted = configtx_pb2.ConfigGroup()
    wanted.CopyFrom(current)
    change(wanted)
    envelope = sign_update(config_delta(CHANNEL, current, wanted), signers, datetime.now(UTC), secrets.token_bytes)
    orderer = rpc.Channel(f"localhost:{network.orderer.port}", client_tls(network.material, ORDERER))
    try:
        ((status, info),) = await broadcast(orderer, [envelope.SerializeToString()])
    finally:
        await orderer.close()
    await network.wait_for_height(chain.height)
    return status, info


def change_msp(msp_id: str, change: Callable[[msp_config_pb2.FabricMSPConfig], None]) -> Change:
    """Return a change of one organization's MSP."""

    def changed(group: configtx_pb2.ConfigGroup) -> None:
        value = group.groups["Application"].groups[msp_id].values["MSP"]
        config = msp_config_pb2.MSPConfig.FromString(value.value)
        fabric = msp_config_pb2.FabricMSPConfig.FromString(config.config)
        change(fabric)
        config.config = fabric.SerializeToString()
        value.value = config.SerializeToString()

    return changed


def with_authority(pem: bytes) -> Callable[[msp_config_pb2.FabricMSPConfig], None]:
    """Return the change by which an organization trusts another authority of its own too."""

    def changed(msp: msp_config_pb2.FabricMSPConfig) -> None:
        msp.root_certs.append(pem)
        units = msp.fabric_node_ous
        # Units were those of the first authority's certificates; now of either's.
        for unit in (units.client_ou_identifier, units.peer_ou_identifier, units.admin_ou_identifier):
            unit.certificate = b""
        units.orderer_ou_identifier.certificate = b""

    return changed


def without_first_authority(msp: msp_config_pb2.FabricMSPConfig) -> None:
    """Trust the first authority no more, nor administrators that are named."""
    del msp.root_certs[0]


def adding(group: configtx_pb2.ConfigGroup) -> Change:
    """Return the change that adds the fourth organization, by what a configuration says of it."""
    return lambda wanted: wanted.groups["Application"].groups[FOURTH].CopyFrom(group)


def removing(wanted: configtx_pb2.ConfigGroup) -> None:
    """Remove the fourth organization."""
    del wanted.groups["Application"].groups[FOURTH]


def revoking(pem: bytes) -> Change:
    """Return the change by which the bank publishes a list of revoked certificates."""
    return change_msp(BANK, lambda msp: msp.revocation_list.append(pem))


def another_regulator(root: Path) -> Material:
    """Generate the regulator anew below another root: the same names under another authority."""
    spec = OrganizationSpec(
        name="regulator", msp_id=REGULATOR, domain=DOMAINS[REGULATOR], kind="peer", hosts=("node",), users=("Node",)
    )
    generate_organization(root, spec, START)
    return Material(root)


def authority_of(material: Material) -> bytes:
    """Return the certificate of the regulator's authority."""
    (path,) = (material.org(REGULATOR).msp_folder / "cacerts").iterdir()
    return path.read_bytes()


def new_client_of_the_bank(material: Material) -> SigningIdentity:
    """Issue a certificate by the bank's authority."""
    folder = material.root / "peerOrganizations" / DOMAINS[BANK]
    return issue_identity(Authority.load(folder / "ca"), BANK, "leaver", ["client"], START)


def revocation_list(material: Material, *certificates: x509.Certificate) -> bytes:
    """Return a list of certificates that the bank's authority has revoked."""
    folder = material.root / "peerOrganizations" / DOMAINS[BANK]
    return revoke(folder, certificates, datetime.now(UTC)).read_bytes()


async def change_all(network: PeerNetwork, folder: Path) -> None:
    """Make one change of each kind."""
    fourth = Fourth.generated(folder / "fourth").group(network.material)
    authority = authority_of(another_regulator(folder / "regulator"))
    leaver = new_client_of_the_bank(network.material)
    for change, signers in (
        (adding(fourth), (BANK, PARTNER)),
        (removing, (BANK, PARTNER, REGULATOR)),
        (change_msp(REGULATOR, with_authority(authority)), (REGULATOR,)),
        (revoking(revocation_list(network.material, leaver.certificate)), (BANK,)),
    ):
        assert await order_change(network, change, administrators(network, *signers)) == (200, "")


def administrators(network: PeerNetwork, *msp_ids: str) -> list[SigningIdentity]:
    """Return administrators of members."""
    return [network.material.signer(msp_id, "Admin") for msp_id in msp_ids or (BANK, PARTNER, REGULATOR)]
