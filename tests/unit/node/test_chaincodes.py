"""Chaincodes in a node's settings: what runs where, what their files say, and what may be wrong.

Method: the settings of a generated home, with their chaincodes replaced.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from fabric_protos.peer import collection_pb2

from network.rpc import ClientTls
from network.topology import default_consortium
from node.chaincodes import contracts, definitions, external_chaincodes
from node.config import NodeConfig, load_settings
from node.errors import ConfigurationError
from node.home import prepare_home
from node.peer.chaincode_support import ExternalChaincode
from node.peer.connection_file import Connection

DEFINED = {"version": "1.0", "sequence": 1, "endorsement_policy": "OR('DwaybankMSP.peer')"}
COLLECTION = {"name": "shared", "policy": "OR('DwaybankMSP.member', 'PartnerMSP.member')"}
PACKAGE = "assets_1.0:0011"
OWN_TLS = ClientTls(b"OWN")


@pytest.fixture(scope="module")
def settings_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("home")
    home, consortium = prepare_home(root, lambda: default_consortium(20_000), datetime(2026, 1, 1, tzinfo=UTC), {})
    return (home.organization(consortium.organizations[0]) / "node.yaml").read_text()


class Settings:
    """A settings file with other chaincodes, beside the files it names."""

    def __init__(self, text: str, folder: Path) -> None:
        self._text = text
        self._folder = folder

    def load(self, *chaincodes: dict[str, Any], **changes: Any) -> NodeConfig:
        fields = yaml.safe_load(self._text) | {"chaincodes": [DEFINED | item for item in chaincodes]} | changes
        (self._folder / "node.yaml").write_text(yaml.safe_dump(fields))
        return load_settings(NodeConfig, self._folder / "node.yaml")

    def write(self, name: str, content: object) -> str:
        (self._folder / name).write_text(json.dumps(content))
        return name


@pytest.fixture
def settings(settings_text: str, tmp_path: Path) -> Settings:
    return Settings(settings_text, tmp_path)


def test_each_chaincode_runs_where_the_settings_say(settings: Settings) -> None:
    connection = settings.write(
        "connection.json",
        {
            "address": "{{.host}}:9999",
            "dial_timeout": "10s",
            "tls_required": True,
            "client_auth_required": True,
            "root_cert": "R",
            "client_cert": "C",
            "client_key": "K",
            "domain": "cc.example",
        },
    )
    config = settings.load(
        {"name": "inside", "contract": "chaincode.audit:AuditContract"},
        {"name": "dialled", "service": {"package_id": PACKAGE, "connection_file": connection}},
        {"name": "by_address", "service": {"package_id": "third:1", "address": "h:1"}},
        {"name": "in_clear", "service": {"package_id": "fourth:1", "address": "h:2", "tls": False}},
        {"name": "dialling", "service": {"package_id": "other:1"}},
        chaincode_values={"host": "cc"},
        chaincode_port=7052,
    )
    assert contracts(config.chaincodes) == {"inside": "chaincode.audit:AuditContract"}
    tls = ClientTls(b"R", b"C", b"K")
    assert external_chaincodes(config, OWN_TLS) == [
        ExternalChaincode("dialled", PACKAGE, Connection("cc:9999", tls, "cc.example", 10.0)),
        ExternalChaincode("by_address", "third:1", Connection("h:1", OWN_TLS)),
        ExternalChaincode("in_clear", "fourth:1", Connection("h:2")),
        ExternalChaincode("dialling", "other:1"),
    ]
    names = [item.name for item in definitions(config.chaincodes)]
    assert names == ["inside", "dialled", "by_address", "in_clear", "dialling"]


def test_collections_are_those_of_fabrics_command(settings: Settings) -> None:
    full = {
        "name": "guarded",
        "policy": "OR('DwaybankMSP.member')",
        "requiredPeerCount": 1,
        "maxPeerCount": 3,
        "blockToLive": 7,
        "memberOnlyRead": True,
        "memberOnlyWrite": True,
        "endorsementPolicy": {"signaturePolicy": "OR('DwaybankMSP.peer')"},
    }
    reference = {**COLLECTION, "name": "by_channel", "endorsementPolicy": {"channelConfigPolicy": "/Channel/Writers"}}
    name = settings.write("collections.json", [COLLECTION, full, reference])
    config = settings.load({"name": "cc", "contract": "a:B", "collections_file": name})
    package = collection_pb2.CollectionConfigPackage.FromString(definitions(config.chaincodes)[0].collections)
    plain, guarded, by_channel = (item.static_collection_config for item in package.config)
    assert (plain.name, plain.required_peer_count, plain.maximum_peer_count, plain.block_to_live) == ("shared", 0, 1, 0)
    assert not plain.HasField("endorsement_policy")
    assert (guarded.required_peer_count, guarded.maximum_peer_count, guarded.block_to_live) == (1, 3, 7)
    assert guarded.member_only_read
    assert guarded.member_only_write
    assert guarded.endorsement_policy.HasField("signature_policy")
    assert by_channel.endorsement_policy.channel_config_policy_reference == "/Channel/Writers"


def test_chaincode_that_dials_needs_a_port(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="chaincode 'cc' is to dial this peer, which has no port for it"):
        external_chaincodes(settings.load({"name": "cc", "service": {"package_id": PACKAGE}}), OWN_TLS)


def test_connection_file_that_cannot_be_used_is_named(settings: Settings) -> None:
    name = settings.write("connection.json", {"address": ""})
    config = settings.load({"name": "cc", "service": {"package_id": PACKAGE, "connection_file": name}})
    with pytest.raises(ConfigurationError, match=r"chaincode 'cc': .*connection.json: .*address not provided"):
        external_chaincodes(config, OWN_TLS)
    missing = settings.load({"name": "cc", "service": {"package_id": PACKAGE, "connection_file": "nowhere.json"}})
    with pytest.raises(ConfigurationError, match=r"nowhere.json cannot be read"):
        external_chaincodes(missing, OWN_TLS)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({}, "file: Input should be a valid list"),
        ([{"name": "shared"}], "0.policy: Field required"),
        ([COLLECTION | {"policy": "OR("}], "collection 'shared'"),
        ([COLLECTION | {"blockToLive": -1}], "0.blockToLive"),
        ([COLLECTION | {"maxPeers": 1}], "0.maxPeers: Extra inputs"),
        (
            [COLLECTION | {"endorsementPolicy": {"signaturePolicy": "OR('A.peer')", "channelConfigPolicy": "/C"}}],
            "not both",
        ),
    ],
)
def test_collections_file_that_cannot_be_used_says_why(settings: Settings, content: object, text: str) -> None:
    name = settings.write("collections.json", content)
    config = settings.load({"name": "cc", "contract": "a:B", "collections_file": name})
    with pytest.raises(ConfigurationError, match=f"chaincode 'cc': .*{text}"):
        definitions(config.chaincodes)
