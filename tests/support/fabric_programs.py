"""Fabric's own programs: found by environment variables, never shipped.

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

    def peer(self, arguments: Sequence[str], *, port: int, msp_id: str, user: Path, roots: Path, tls: Path) -> Outcome:
        """Run ``peer`` as a user.

        Args:
            port: of the peer on this machine.
            user: folder with the user's ``msp``.
            roots: file with the TLS authority of the peer.
            tls: folder with ``client.crt`` and ``client.key``, which ours ask for.
        """
        return self.run(
            "peer",
            arguments,
            CORE_PEER_ADDRESS=f"127.0.0.1:{port}",
            CORE_PEER_LOCALMSPID=msp_id,
            CORE_PEER_MSPCONFIGPATH=str(user / "msp"),
            CORE_PEER_TLS_ENABLED="true",
            CORE_PEER_TLS_ROOTCERT_FILE=str(roots),
            CORE_PEER_TLS_CLIENTAUTHREQUIRED="true",
            CORE_PEER_TLS_CLIENTCERT_FILE=str(tls / "client.crt"),
            CORE_PEER_TLS_CLIENTKEY_FILE=str(tls / "client.key"),
        )

    def discover(
        self, arguments: Sequence[str], *, port: int, channel_id: str, msp_id: str, user: Path, roots: Path
    ) -> Outcome:
        """Run ``discover`` as a user, or skip the test where it was not built.

        Args:
            arguments: a query and its options.
            port: of the peer on this machine.
            channel_id: what is asked about.
            user: folder with the user's ``msp`` and ``tls``.
            roots: file with the TLS authority of the peer.
        """
        if not (self.programs / "discover").exists():
            pytest.skip(f"{self.programs} has no discover: go build ./cmd/discover in Fabric's source to run this")
        (key,) = (user / "msp" / "keystore").iterdir()
        (certificate,) = (user / "msp" / "signcerts").iterdir()
        options = ("--peerTLSCA", str(roots), "--MSP", msp_id, "--userKey", str(key), "--userCert", str(certificate))
        options += ("--tlsCert", str(user / "tls" / "client.crt"), "--tlsKey", str(user / "tls" / "client.key"))
        query, *more = arguments
        place = ("--server", f"127.0.0.1:{port}", "--channel", channel_id)
        return self.run("discover", [*options, query, *place, *more])

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
