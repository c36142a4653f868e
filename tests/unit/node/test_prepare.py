"""``dwaybank prepare``: a consortium made from a description that its operator wrote, with nothing started."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from network.topology import Consortium, load_consortium
from node.config import NodeConfig, load_settings
from node.errors import ConfigurationError
from tests.support.command_line import invoke


def prepare(*arguments: str) -> str:
    """Run the command; return what it printed."""
    done = invoke(["prepare", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def described(tmp_path: Path) -> Path:
    """Write the description of a consortium on peers and an orderer of Fabric's."""
    content = yaml.safe_load(prepare("--print", "--base-port", "23000"))
    content["orderer"]["external"] = True
    for number, organization in enumerate(content["organizations"]):
        organization["fabric_peer"] = f"127.0.0.1:{23500 + number}"
    path = tmp_path / "consortium.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_consortium_on_fabric_is_made_from_the_printed_description(tmp_path: Path) -> None:
    root = tmp_path / "home"
    assert "prepared" in prepare("--home", str(root), "--consortium", str(described(tmp_path)))
    consortium: Consortium = load_consortium(root / "consortium.yaml")
    assert consortium.orderer.external and consortium.on_fabric_peers
    assert load_settings(NodeConfig, root / "dwaybank" / "node.yaml").fabric_peer == "127.0.0.1:23500"
    peers = root / "crypto" / "peerOrganizations" / "dwaybank.test" / "peers"
    assert sorted(path.name for path in peers.iterdir()) == ["node.dwaybank.test", "peer.dwaybank.test"]


def test_default_consortium_is_prepared_and_a_second_time_refused(tmp_path: Path) -> None:
    root = tmp_path / "home"
    prepare("--home", str(root))
    assert not load_consortium(root / "consortium.yaml").on_fabric_peers
    with pytest.raises(ConfigurationError, match="holds a consortium already"):
        prepare("--home", str(root))


def test_file_and_port_exclude_each_other_and_a_bad_file_is_named(tmp_path: Path) -> None:
    file = described(tmp_path)
    with pytest.raises(ConfigurationError, match="give one of them"):
        prepare("--home", str(tmp_path / "a"), "--consortium", str(file), "--base-port", "23000")
    file.write_text("orderer: 5")
    with pytest.raises(ConfigurationError, match=r"consortium\.yaml"):
        prepare("--home", str(tmp_path / "b"), "--consortium", str(file))
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()
