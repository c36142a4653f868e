"""Writes an organization's Fabric common connection profile, so that any Fabric client can connect.

Form: JSON, version 1.0.0 of the profile that Fabric's SDKs and tools read, every path absolute, certificates by path.
Because a node asks for a client certificate, ``client.tlsCerts`` names the one to present.

Fabric's ``peer`` dials an address as the profile has it, without the scheme that the SDKs want before it: it has a file
of its own. It asks those peers of a channel that are said to endorse; SDKs take that for granted.

Source: Fabric internal/peer/common/networkconfig.go, internal/peer/lifecycle/chaincode/client_connections.go.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from network.topology import Consortium, Organization

FOR_CLIENTS, FOR_PEER_COMMAND = "connection-profile.json", "connection-profile-peer.json"

_SCHEME = "grpcs://"


def write_connection_profiles(home: Path, consortium: Consortium, own: Organization, folder: Path) -> None:
    """Write the profiles of one organization: for clients, and for Fabric's ``peer --connectionProfile``.

    Args:
        home: data directory of the consortium.
        consortium: all members.
        own: the organization whose client identity the profiles name.
        folder: where to write them.
    """
    for name, scheme in ((FOR_CLIENTS, _SCHEME), (FOR_PEER_COMMAND, "")):
        profile = _profile(home, consortium, own, scheme)
        (folder / name).write_text(json.dumps(profile, indent=2) + "\n", encoding="utf-8")


def _profile(home: Path, consortium: Consortium, own: Organization, scheme: str) -> dict[str, Any]:
    user = _crypto(home, own) / "users" / f"User1@{own.domain}"
    return {
        "name": f"{consortium.channel}-{own.name}",
        "version": "1.0.0",
        "client": {
            "organization": own.name,
            "connection": {"timeout": {"peer": {"endorser": "30"}}},
            "tlsCerts": {
                "client": {
                    "cert": {"path": str(user / "tls" / "client.crt")},
                    "key": {"path": str(user / "tls" / "client.key")},
                }
            },
        },
        "channels": {
            consortium.channel: {
                "orderers": [_orderer_name(consortium)],
                "peers": {member.peer_host: {"endorsingPeer": True} for member in consortium.organizations},
            }
        },
        "organizations": {
            member.name: {
                "mspid": member.msp_id,
                "peers": [member.peer_host],
                "cryptoPath": str(_crypto(home, member) / "users" / ("{username}@" + member.domain) / "msp"),
            }
            for member in consortium.organizations
        },
        "orderers": {
            _orderer_name(consortium): {
                "url": f"{scheme}127.0.0.1:{consortium.orderer.port}",
                "grpcOptions": {"ssl-target-name-override": _orderer_name(consortium)},
                "tlsCACerts": {"path": str(_tls_authority(_orderer_crypto(home, consortium)))},
            }
        },
        "peers": {
            member.peer_host: {
                "url": f"{scheme}{member.peer_address}",
                "grpcOptions": {"ssl-target-name-override": member.peer_host},
                "tlsCACerts": {"path": str(_tls_authority(_crypto(home, member)))},
            }
            for member in consortium.organizations
        },
    }


def _crypto(home: Path, member: Organization) -> Path:
    return home / "crypto" / "peerOrganizations" / member.domain


def _orderer_crypto(home: Path, consortium: Consortium) -> Path:
    return home / "crypto" / "ordererOrganizations" / consortium.orderer.domain


def _orderer_name(consortium: Consortium) -> str:
    return f"{consortium.orderer.host}.{consortium.orderer.domain}"


def _tls_authority(crypto: Path) -> Path:
    return next((crypto / "msp" / "tlscacerts").glob("*.pem"))
