"""Fabric's own programs, run against a consortium of ours: found by environment variables, never shipped.

``FABRIC_BIN`` names a folder with ``peer orderer configtxgen cryptogen osnadmin configtxlator ledgerutil`` of version
3.1, ``FABRIC_SAMPLE_CFG`` one with its sample ``core.yaml`` and ``orderer.yaml``.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from network.topology import Consortium, Organization
from node.home import Home

TIMEOUT_S = 60


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit status, and what it wrote to standard output and standard error."""

    status: int
    output: str
    errors: str

    @property
    def text(self) -> str:
        """Both together."""
        return self.output + self.errors


def fabric_folder(variable: str, holds: str) -> Path:
    """Return the folder a variable names; skip the test where it is not set."""
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: name the folder that holds Fabric 3.1's {holds} to run this")
    assert Path(value).is_dir(), f"{variable}={value} is no folder"
    return Path(value).resolve()


@dataclass(frozen=True)
class FabricTools:
    """Fabric's programs.

    Args:
        programs: folder with the binaries.
        settings: folder with the sample settings.
    """

    programs: Path
    settings: Path

    @classmethod
    def found(cls) -> FabricTools:
        """Return them, or skip the test."""
        programs = fabric_folder("FABRIC_BIN", "binaries (peer, orderer, configtxgen, osnadmin, ...)")
        return cls(programs, fabric_folder("FABRIC_SAMPLE_CFG", "sample core.yaml and orderer.yaml"))

    def run(self, program: str, arguments: Sequence[str], **environment: str) -> Outcome:
        """Run a program to its end."""
        defaults = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "FABRIC_CFG_PATH": str(self.settings),
            "FABRIC_LOGGING_SPEC": "error",
        }
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            env=defaults | environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class ConsortiumTools:
    """Fabric's programs as the administrators of a running consortium use them."""

    tools: FabricTools
    home: Home
    consortium: Consortium

    def peer(self, organization: str, *arguments: str, user: str = "Admin") -> Outcome:
        """Run ``peer`` as a user of an organization, against that organization's own peer."""
        member = self.consortium.organization(organization)
        tls = self._client_tls(member)
        return self.tools.run(
            "peer",
            arguments,
            CORE_PEER_ADDRESS=f"127.0.0.1:{member.node_port}",
            CORE_PEER_LOCALMSPID=member.msp_id,
            CORE_PEER_MSPCONFIGPATH=str(self.home.user(member, user) / "msp"),
            CORE_PEER_TLS_ENABLED="true",
            CORE_PEER_TLS_ROOTCERT_FILE=str(self.peer_roots(member)),
            CORE_PEER_TLS_CLIENTAUTHREQUIRED="true",
            CORE_PEER_TLS_CLIENTCERT_FILE=str(tls / "client.crt"),
            CORE_PEER_TLS_CLIENTKEY_FILE=str(tls / "client.key"),
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
        (folder / "configtx.yaml").write_text(yaml.safe_dump(self._configtx()))
        block = folder / f"{channel_id}.block"
        arguments = ["-profile", "Net", "-channelID", channel_id, "-outputBlock", str(block)]
        done = self.tools.run("configtxgen", [*arguments, "-configPath", str(folder)])
        assert done.status == 0, done.errors
        return block

    def _client_tls(self, member: Organization) -> Path:
        return self.home.user(member, "Admin") / "tls"

    def _configtx(self) -> dict[str, object]:
        orderer = self.consortium.orderer
        crypto = self.home.orderer_crypto(self.consortium)
        server = crypto / "orderers" / f"{orderer.host}.{orderer.domain}" / "tls" / "server.crt"
        meta = {
            name: {"Type": "ImplicitMeta", "Rule": rule}
            for name, rule in (("Readers", "ANY Readers"), ("Writers", "ANY Writers"), ("Admins", "MAJORITY Admins"))
        }
        majority = {"Type": "ImplicitMeta", "Rule": "MAJORITY Endorsement"}
        consenter = {
            "Host": "127.0.0.1",
            "Port": orderer.port,
            "ClientTLSCert": str(server),
            "ServerTLSCert": str(server),
        }
        ordering = _organization(
            orderer.msp_id, crypto / "msp", {"Readers": "member", "Writers": "member", "Admins": "admin"}
        )
        ordering["OrdererEndpoints"] = [f"127.0.0.1:{orderer.port}"]
        roles = {"Readers": "member", "Writers": "member", "Admins": "admin", "Endorsement": "peer"}
        members = [
            _organization(member.msp_id, self.home.crypto(member) / "msp", roles)
            for member in self.consortium.organizations
        ]
        return {
            "Profiles": {
                "Net": {
                    "Policies": meta,
                    "Capabilities": {"V3_0": True},
                    "Orderer": {
                        "OrdererType": "etcdraft",
                        "BatchTimeout": "200ms",
                        "BatchSize": {"MaxMessageCount": 100, "AbsoluteMaxBytes": "10 MB", "PreferredMaxBytes": "2 MB"},
                        "Capabilities": {"V2_0": True},
                        "Organizations": [ordering],
                        "Policies": meta | {"BlockValidation": {"Type": "ImplicitMeta", "Rule": "ANY Writers"}},
                        "EtcdRaft": {"Consenters": [consenter]},
                    },
                    "Application": {
                        "Organizations": members,
                        "Capabilities": {"V2_5": True},
                        "Policies": meta | {"LifecycleEndorsement": majority, "Endorsement": majority},
                    },
                }
            }
        }


def _organization(msp_id: str, folder: Path, roles: dict[str, str]) -> dict[str, object]:
    policies = {name: {"Type": "Signature", "Rule": f"OR('{msp_id}.{role}')"} for name, role in roles.items()}
    return {"Name": msp_id, "ID": msp_id, "MSPDir": str(folder), "Policies": policies}
