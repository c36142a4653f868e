"""Fabric's programs as the administrators of a running consortium of ours use them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from network.topology import Consortium, Organization
from node.home import Home
from tests.support.fabric_channel import OrderingService, genesis_by_configtxgen
from tests.support.fabric_programs import FabricTools, Outcome


@dataclass(frozen=True)
class ConsortiumTools:
    """Fabric's programs as the administrators of a running consortium use them."""

    tools: FabricTools
    home: Home
    consortium: Consortium

    def peer(self, organization: str, *arguments: str, user: str = "Admin") -> Outcome:
        """Run ``peer`` as a user of an organization, against that organization's own peer."""
        member = self.consortium.organization(organization)
        return self.tools.peer(
            arguments,
            port=member.node_port,
            msp_id=member.msp_id,
            user=self.home.user(member, user),
            roots=self.peer_roots(member),
            tls=self._client_tls(member),
        )

    def discover(self, organization: str, *arguments: str) -> Outcome:
        """Run ``discover`` as an organization's administrator against its own peer, about the consortium's channel."""
        member = self.consortium.organization(organization)
        return self.tools.discover(
            arguments,
            port=member.node_port,
            channel_id=self.consortium.channel,
            msp_id=member.msp_id,
            user=self.home.user(member, "Admin"),
            roots=self.peer_roots(member),
        )

    def peer_as_orderer(self, *arguments: str) -> Outcome:
        """Run ``peer`` as the orderer organization's administrator, for what goes to the orderer only."""
        orderer = self.consortium.orderer
        admin = self.home.orderer_crypto(self.consortium) / "users" / f"Admin@{orderer.domain}"
        return self.tools.peer(
            arguments,
            port=orderer.port,
            msp_id=orderer.msp_id,
            user=admin,
            roots=self.orderer_roots(),
            tls=admin / "tls",
        )

    def osnadmin(self, *arguments: str) -> Outcome:
        """Run ``osnadmin`` as the orderer organization's administrator."""
        crypto = self.home.orderer_crypto(self.consortium)
        tls = crypto / "users" / f"Admin@{self.consortium.orderer.domain}" / "tls"
        orderer = ("-o", f"127.0.0.1:{self.consortium.orderer.admin_port}", "--ca-file", str(self.orderer_roots()))
        client = ("--client-cert", str(tls / "client.crt"), "--client-key", str(tls / "client.key"))
        return self.tools.run("osnadmin", [*arguments, *orderer, *client])

    def ordering(self, organization: str) -> list[str]:
        """Return the options by which ``peer`` reaches our orderer as a member."""
        tls = self._client_tls(self.consortium.organization(organization))
        return [
            *("-o", f"127.0.0.1:{self.consortium.orderer.port}", "--tls", "--cafile", str(self.orderer_roots())),
            *("--clientauth", "--certfile", str(tls / "client.crt"), "--keyfile", str(tls / "client.key")),
        ]

    def endorsing(self, *organizations: str) -> list[str]:
        """Return the options that name the peers to endorse."""
        options = []
        for name in organizations:
            member = self.consortium.organization(name)
            options += ["--peerAddresses", f"127.0.0.1:{member.node_port}"]
            options += ["--tlsRootCertFiles", str(self.peer_roots(member))]
        return options

    def peer_roots(self, member: Organization) -> Path:
        """Return the file with an organization's TLS authority."""
        return self.home.crypto(member) / "msp" / "tlscacerts" / f"tlsca.{member.domain}-cert.pem"

    def orderer_roots(self) -> Path:
        """Return the file with the orderer organization's TLS authority."""
        crypto = self.home.orderer_crypto(self.consortium)
        return crypto / "msp" / "tlscacerts" / f"tlsca.{self.consortium.orderer.domain}-cert.pem"

    def configtxgen(self, channel_id: str, folder: Path) -> Path:
        """Have ``configtxgen`` make the genesis block of another channel of the same consortium; return its file."""
        orderer = self.consortium.orderer
        crypto = self.home.orderer_crypto(self.consortium)
        host = crypto / "orderers" / f"{orderer.host}.{orderer.domain}"
        members = {member.msp_id: self.home.crypto(member) / "msp" for member in self.consortium.organizations}
        ordering = OrderingService(orderer.msp_id, crypto / "msp", ((orderer.port, host),))
        return genesis_by_configtxgen(self.tools, channel_id, ordering, members, folder)

    def _client_tls(self, member: Organization) -> Path:
        return self.home.user(member, "Admin") / "tls"
