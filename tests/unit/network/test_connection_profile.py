"""Connection profiles: ours, those of fabric-samples in both forms, and ones that a person got wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from network.client import OfflineIdentity
from network.connection_profile import ConnectionProfile, connect
from network.errors import ConfigError, IdentityError
from network.rpc import certificate_hash
from network.topology import default_consortium
from node.home import prepare_home
from tests.support.certificates import Authority

CERTIFICATE, KEY = Authority("bank").issue("user")
OFFLINE = OfflineIdentity("Org1MSP", CERTIFICATE)


def sample() -> dict[str, Any]:
    """Return a profile of the form that fabric-samples' test network writes."""
    name = "peer0.org1.example.com"
    return {
        "name": "test-network-org1",
        "version": "1.0.0",
        "client": {"organization": "Org1", "connection": {"timeout": {"peer": {"endorser": "300"}}}},
        "organizations": {
            "Org1": {"mspid": "Org1MSP", "peers": [name], "certificateAuthorities": ["ca.org1.example.com"]}
        },
        "peers": {
            name: {
                "url": "grpcs://localhost:7051",
                "tlsCACerts": {"pem": CERTIFICATE.decode()},
                "grpcOptions": {"ssl-target-name-override": name, "hostnameOverride": name},
            }
        },
        "certificateAuthorities": {
            "ca.org1.example.com": {"url": "https://localhost:7054", "tlsCACerts": {"pem": [CERTIFICATE.decode()]}}
        },
    }


def written(folder: Path, profile: object) -> Path:
    path = folder / "connection-org1.json"
    path.write_text(json.dumps(profile))
    return path


@pytest.mark.parametrize("form", [json.dumps, yaml.safe_dump])
async def test_profile_of_fabric_samples_names_its_peer_without_mutual_tls(tmp_path: Path, form: Any) -> None:
    path = tmp_path / "connection-org1"
    path.write_text(form(sample()))
    profile = ConnectionProfile(path)
    (channel,) = profile.channels()
    assert channel.address == "localhost:7051"
    assert channel.tls_certificate_hash == b""
    async with connect(profile, "mychannel", identity=OFFLINE) as client:
        assert client.channel_id == "mychannel"
    with pytest.raises(ConfigError, match=r"names 0 channels; say which one is meant"):
        profile.channel_id()
    with pytest.raises(ConfigError, match=r"organizations.Org1.cryptoPath is missing; pass an identity"):
        profile.identity("User1")


async def test_profile_written_by_up_needs_nothing_else(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    home, consortium = prepare_home(tmp_path / "home", lambda: default_consortium(30_000), now, {})
    bank, partner, _ = consortium.organizations
    path = home.organization(bank) / "connection-profile.json"
    profile = ConnectionProfile(path)
    assert profile.channel_id() == "anchors"
    assert profile.identity("User1").msp_id == "DwaybankMSP"
    assert "User1@dwaybank.test" in repr(profile.identity("User1"))
    assert profile.identity("Admin", "partner").msp_id == "PartnerMSP"
    (channel,) = profile.channels()
    assert channel.address == f"127.0.0.1:{bank.node_port}"
    own = home.user(bank, "User1") / "tls" / "client.crt"
    assert channel.tls_certificate_hash == certificate_hash(own.read_bytes())
    both = profile.channels(["partner", "dwaybank"])
    assert [item.address for item in both] == [f"127.0.0.1:{item.node_port}" for item in (partner, bank)]
    async with connect(path) as client:
        assert client.propose("audit", "Get").tx_id
    with pytest.raises(IdentityError, match=r"Nobody@dwaybank\.test"):
        profile.identity("Nobody")


def test_address_in_the_clear_and_paths_beside_the_profile(tmp_path: Path) -> None:
    profile = sample()
    peer = profile["peers"]["peer0.org1.example.com"]
    (tmp_path / "ca.pem").write_bytes(CERTIFICATE)
    peer["tlsCACerts"] = {"path": "ca.pem"}
    assert len(ConnectionProfile(written(tmp_path, profile)).channels()) == 1
    profile["peers"]["peer0.org1.example.com"] = {"url": "grpc://localhost:7051"}
    assert len(ConnectionProfile(written(tmp_path, profile)).channels()) == 1


def test_only_organization_is_the_clients_own_when_it_names_none(tmp_path: Path) -> None:
    profile = sample()
    del profile["client"]
    assert len(ConnectionProfile(written(tmp_path, profile)).channels()) == 1


def remove(*path: str) -> Any:
    def change(profile: dict[str, Any]) -> None:
        *above, last = path
        for part in above:
            profile = profile[part]
        del profile[last]

    return change


def put(value: object, *path: str) -> Any:
    def change(profile: dict[str, Any]) -> None:
        *above, last = path
        for part in above:
            profile = profile[part]
        profile[last] = value

    return change


PEER = ("peers", "peer0.org1.example.com")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (remove("peers"), "peers: Field required"),
        (remove("organizations"), "organizations: Field required"),
        (remove("organizations", "Org1", "mspid"), r"organizations\.Org1\.mspid"),
        (put("localhost:7051", *PEER, "url"), r"peers\.peer0\.org1\.example\.com\.url"),
        (put("grpcs://localhost", *PEER, "url"), r"peers\.peer0\.org1\.example\.com\.url"),
        (remove(*PEER, "tlsCACerts"), r"tlsCACerts is missing for a grpcs address"),
        (put({}, *PEER, "tlsCACerts"), r"tlsCACerts has neither pem nor path"),
        (put({"path": "none.pem"}, *PEER, "tlsCACerts"), r"tlsCACerts\.path: .*none\.pem cannot be read"),
        (put(["peer1"], "organizations", "Org1", "peers"), r"peers\.peer1 is missing, though an organization has it"),
        (put([], "organizations", "Org1", "peers"), r"organizations\.Org1 has no peers"),
        (put("Org9", "client", "organization"), r"no organization 'Org9'; it has Org1"),
    ],
)
def test_profile_with_a_wrong_field_is_refused_by_its_name(tmp_path: Path, change: Any, words: str) -> None:
    profile = sample()
    change(profile)
    with pytest.raises(ConfigError, match=words):
        ConnectionProfile(written(tmp_path, profile)).channels()


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\xff", b"[]", b""])
def test_file_that_is_no_profile_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"profile\.json"):
        ConnectionProfile(path)
    with pytest.raises(ConfigError, match=r"absent\.json cannot be read"):
        ConnectionProfile(tmp_path / "absent.json")
