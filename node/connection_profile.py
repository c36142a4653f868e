"""Writes an organization's Fabric common connection profile, so that any Fabric client can connect.

Form: JSON, version 1.0.0 of the profile that Fabric's SDKs and tools read, every path absolute, certificates by path.
Because a node asks for a client certificate, ``client.tlsCerts`` names the one to present.
"""

from __future__ import annotations

import json
from pathlib import Path

from network.topology import Consortium, Organization


def write_connection_profile(home: Path, consortium: Consortium, own: Organization, path: Path) -> None:
    """Write the profile of one organization.

    Args:
        home: data directory of the consortium.
        consortium: all members.
        own: the organization whose client identity the profile names.
        path: file to write.
    """
    user = _crypto(home, own) / "users" / f"User1@{own.domain}"
    profile = {
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
                "peers": {member.peer_host: {} for member in consortium.organizations},
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
                "url": f"grpcs://127.0.0.1:{consortium.orderer.port}",
                "grpcOptions": {"ssl-target-name-override": _orderer_name(consortium)},
                "tlsCACerts": {"path": str(_tls_authority(_orderer_crypto(home, consortium)))},
            }
        },
        "peers": {
            member.peer_host: {
                "url": f"grpcs://{member.peer_address}",
                "grpcOptions": {"ssl-target-name-override": member.peer_host},
                "tlsCACerts": {"path": str(_tls_authority(_crypto(home, member)))},
            }
            for member in consortium.organizations
        },
    }
    path.write_text(json.dumps(profile, indent=2) + "\n", encoding="utf-8")


def _crypto(home: Path, member: Organization) -> Path:
    return home / "crypto" / "peerOrganizations" / member.domain


def _orderer_crypto(home: Path, consortium: Consortium) -> Path:
    return home / "crypto" / "ordererOrganizations" / consortium.orderer.domain


def _orderer_name(consortium: Consortium) -> str:
    return f"{consortium.orderer.host}.{consortium.orderer.domain}"


def _tls_authority(crypto: Path) -> Path:
    return next((crypto / "msp" / "tlscacerts").glob("*.pem"))
