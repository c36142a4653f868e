"""A consortium's data directory: made once, found again, never made over somebody else's files."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from network.identity import SigningIdentity
from network.topology import Consortium, default_consortium
from node.chaincodes import definitions
from node.config import NodeConfig, OrdererConfig, load_settings
from node.errors import ConfigurationError
from node.home import CLIENTS, FREE_BYTES_MIN, Home, open_home, prepare_home, replace_secret, write_secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Consortium]:
    root = tmp_path_factory.mktemp("home") / "consortium"
    return prepare_home(root, lambda: default_consortium(30_000), NOW, {})


def no_new_consortium() -> Consortium:
    raise AssertionError("an existing home must not be made again")


def test_home_is_found_again_and_not_rewritten(prepared: tuple[Home, Consortium]) -> None:
    home, consortium = prepared
    before = {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.is_file()}
    again, found = prepare_home(home.root, no_new_consortium, NOW, {})
    assert (again, found) == (home, consortium)
    assert {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("left", ["orderer/blocks", "dwaybank/postgres", "dwaybank/secrets/owner.url"])
def test_home_that_ran_and_lost_its_description_keeps_its_keys(tmp_path: Path, left: str) -> None:
    home, consortium = prepare_home(tmp_path / "home", lambda: default_consortium(30_000), NOW, {})
    (home.root / left).mkdir()
    described = home.consortium_file.read_bytes()
    home.consortium_file.unlink()
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    with pytest.raises(ConfigurationError, match=rf"consortium.yaml is missing, and .*{left} shows"):
        prepare_home(home.root, no_new_consortium, NOW, {})
    assert {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()} == before
    home.consortium_file.write_bytes(described)
    assert prepare_home(home.root, no_new_consortium, NOW, {}) == (home, consortium)


def test_home_is_on_disk_whole_before_the_file_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, fsync, marked = set[Path](), os.fsync, tmp_path / "home" / "consortium.yaml"

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        assert not marked.exists() or Path(f"/proc/self/fd/{descriptor}").readlink() == marked.parent
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", noted)
    home, _ = prepare_home(tmp_path / "home", lambda: default_consortium(30_000), NOW, {})
    assert {tmp_path, home.root, *home.root.rglob("*"), home.root / "consortium.new"} - {marked} <= synced


def test_two_who_make_a_home_at_once_make_one(tmp_path: Path) -> None:
    made = []

    def described() -> Consortium:
        made.append(None)
        time.sleep(0.2)
        return default_consortium(30_000)

    with ThreadPoolExecutor(2) as threads:
        homes = [threads.submit(prepare_home, tmp_path / "home", described, NOW, {}) for _ in range(2)]
    assert homes[0].result() == homes[1].result()
    assert len(made) == 1


def test_every_key_and_secret_is_its_owners_alone(prepared: tuple[Home, Consortium]) -> None:
    home, _ = prepared
    secret = [
        path
        for path in home.root.rglob("*")
        if path.is_file() and (path.name.endswith(("_sk", ".key", ".url")) or path.parent.name == "keystore")
    ]
    assert len(secret) > 30
    assert [path for path in secret if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_settings_of_every_process_can_be_read_and_name_files_that_exist(prepared: tuple[Home, Consortium]) -> None:
    home, consortium = prepared
    orderer = load_settings(OrdererConfig, home.orderer / "orderer.yaml")
    assert orderer.genesis_block.exists()
    for member in consortium.organizations:
        config = load_settings(NodeConfig, home.organization(member) / "node.yaml")
        SigningIdentity.from_msp_folder(config.msp_folder, config.msp_id)
        SigningIdentity.from_msp_folder(config.reviewer_msp_folder, config.msp_id)
        assert len(config.tls.roots_by_msp()) == 4
        assert config.commits_definitions == (member == consortium.organizations[0])
        assert {partner.msp_id for partner in config.partners} == {
            other.msp_id
            for other in consortium.organizations
            if other != member and member.role == other.role == "bank"
        }


def test_connection_profile_names_files_that_exist_and_every_member(prepared: tuple[Home, Consortium]) -> None:
    home, consortium = prepared
    for member in consortium.organizations:
        profile = json.loads((home.organization(member) / "connection-profile.json").read_text())
        assert profile["client"]["organization"] == member.name
        assert set(profile["organizations"]) == {other.name for other in consortium.organizations}
        for peer in profile["peers"].values():
            assert Path(peer["tlsCACerts"]["path"]).exists()
        for part in profile["client"]["tlsCerts"]["client"].values():
            assert Path(part["path"]).exists()
        own = profile["organizations"][member.name]["cryptoPath"].replace("{username}", CLIENTS[0])
        SigningIdentity.from_msp_folder(Path(own), member.msp_id)


def test_profile_for_fabrics_peer_command_differs_in_its_addresses(prepared: tuple[Home, Consortium]) -> None:
    home, consortium = prepared
    for member in consortium.organizations:
        folder = home.organization(member)
        own = json.loads((folder / "connection-profile-peer.json").read_text())
        for endpoint in (*own["peers"].values(), *own["orderers"].values()):
            host, port = endpoint["url"].split(":")
            assert (host, port.isdecimal()) == ("127.0.0.1", True)
            endpoint["url"] = f"grpcs://{host}:{port}"
        assert own == json.loads((folder / "connection-profile.json").read_text())
        [channel] = own["channels"].values()
        assert all(peer["endorsingPeer"] for peer in channel["peers"].values())


def test_half_made_home_is_made_anew(tmp_path: Path) -> None:
    root = tmp_path / "home"
    prepare_home(root, lambda: default_consortium(30_000), NOW, {})
    (root / "consortium.yaml").unlink()
    shutil.rmtree(root / "channel")
    home, _ = prepare_home(root, lambda: default_consortium(30_000), NOW, {})
    assert home.genesis.exists()
    assert open_home(root)[0] == home


def test_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, FREE_BYTES_MIN - 1))
    with pytest.raises(ConfigurationError, match="MiB free and a consortium needs"):
        prepare_home(tmp_path / "home", lambda: default_consortium(30_000), NOW, {})
    assert not (tmp_path / "home" / "crypto").exists()


def test_database_url_for_an_unknown_organization_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="names nobody"):
        prepare_home(tmp_path / "home", lambda: default_consortium(30_000), NOW, {"nobody": "postgresql://x"})


def test_missing_home_is_answered_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="start one with `dwaybank up"):
        open_home(tmp_path / "absent")


def test_contracts_with_collections_are_approved_with_them_by_every_member(prepared: tuple[Home, Consortium]) -> None:
    home, consortium = prepared
    for member in consortium.organizations:
        config = load_settings(NodeConfig, home.organization(member) / "node.yaml")
        by_name = {definition.name: definition for definition in definitions(config.chaincodes)}
        assert list(by_name["settlement"].static_collections()) == ["pair_DwaybankMSP_PartnerMSP"]
        assert by_name["audit"].collections == by_name["compliance"].collections == b""


def test_secret_whose_writing_was_cut_short_is_made_whole_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.key"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_secret(path, b"first")
    assert list(tmp_path.iterdir()) == []
    write_secret(path, b"second")
    write_secret(path, b"third")
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secret_put_over_one_that_others_could_read_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "node.url"
    path.touch(mode=0o644)
    replace_secret(path, b"postgresql://")
    assert path.read_bytes() == b"postgresql://"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
