"""Damaged settings, keys, certificates and URLs: the process says in one line which file it is and what to do.

Method: a home as `dwaybank prepare` makes it; one of its files is spoiled, and the process that reads it is started.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import Tls
from network.errors import ConfigError, NetworkError
from network.topology import default_consortium, load_consortium
from node.config import KEY_BYTES, read_key, read_url
from node.errors import ConfigurationError
from node.home import Home, prepare_home
from node.start import read_status

NOISE = bytes(range(128, 228))
OWN = "crypto/peerOrganizations/dwaybank.test"
HOST = f"{OWN}/peers/node.dwaybank.test"
OTHER = "crypto/peerOrganizations/partner.test/peers/node.partner.test"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("home") / "prepared"
    prepare_home(root, lambda: default_consortium(30_000), datetime.now(UTC), {})
    for organization in ("dwaybank", "partner"):
        (root / organization / "secrets" / "node.url").write_text("postgresql://node:secret@127.0.0.1:9/none")
    return root


@pytest.mark.parametrize(
    ("file", "content", "way_out"),
    [
        ("dwaybank/node.yaml", NOISE, "is not YAML"),
        ("dwaybank/node.yaml", b"peers: [a", "is not YAML"),
        ("dwaybank/node.yaml", b"", "valid dictionary"),
        ("dwaybank/secrets/node.url", b"", "put back the file of the newest backup"),
        ("dwaybank/secrets/node.url", NOISE, "put back the file of the newest backup"),
        (f"{HOST}/tls/server.crt", b"", "holds no PEM certificate"),
        (f"{HOST}/tls/server.crt", b"-----BEGIN CERTIFICATE-----\n", "holds no PEM certificate"),
        (f"{HOST}/tls/server.key", b"", "put back the two that were issued together"),
        (f"{HOST}/tls/server.key", f"{OTHER}/tls/server.key", "put back the two that were issued together"),
        (f"{OWN}/msp/tlscacerts/tlsca.dwaybank.test-cert.pem", NOISE, "holds no PEM certificate"),
        (f"{HOST}/msp/keystore/priv_sk", b"", "is not an unencrypted PEM key"),
        (f"{HOST}/msp/signcerts/node.dwaybank.test-cert.pem", b"", "must be a PEM certificate"),
    ],
)
def test_node_names_the_file_and_the_way_out(
    prepared: Path, tmp_path: Path, file: str, content: bytes | str, way_out: str
) -> None:
    home = tmp_path / "home"
    shutil.copytree(prepared, home)
    settings = home / "dwaybank" / "node.yaml"
    settings.write_text(settings.read_text().replace(str(prepared), str(home)))
    (home / file).write_bytes(content if isinstance(content, bytes) else (home / content).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "node", "node", "--config", settings],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.strip().splitlines()
    named = (home / file).parent.parent if "/msp/" in file and "tlscacerts" not in file else home / file
    assert line.startswith("node: ") and str(named) in line and way_out in line


@pytest.mark.parametrize("length", [0, 31, 33])
def test_key_of_another_length_is_named(tmp_path: Path, length: int) -> None:
    file = tmp_path / "log.key"
    file.write_bytes(bytes(length))
    with pytest.raises(ConfigurationError, match=rf"log\.key holds {length} bytes, not 32: put back"):
        read_key(file)
    file.write_bytes(bytes(KEY_BYTES))
    assert read_key(file) == bytes(KEY_BYTES)


def test_database_url_is_none_that_the_library_would_complete(tmp_path: Path) -> None:
    file = tmp_path / "owner.url"
    for text in ("", "  \n", "host=db.example", "mysql://db.example/bank"):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=r"owner\.url holds no database URL"):
            read_url(file)
    file.write_text("postgresql://owner:secret@db.example/bank\n")
    assert read_url(file) == "postgresql://owner:secret@db.example/bank"


def test_gateway_names_a_tls_file(prepared: Path, tmp_path: Path) -> None:
    tls = prepared / OWN / "users" / "Gateway@dwaybank.test" / "tls"
    roots = prepared / OWN / "msp" / "tlscacerts" / "tlsca.dwaybank.test-cert.pem"
    assert Tls(certificate=tls / "client.crt", key=tls / "client.key", roots=roots).client().key_pem
    empty = tmp_path / "client.key"
    empty.touch()
    with pytest.raises(NetworkError, match=str(empty)):
        Tls(certificate=tls / "client.crt", key=empty, roots=roots).client()


def test_consortium_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "consortium.yaml"
    file.write_bytes(NOISE)
    with pytest.raises(ConfigError, match=r"consortium\.yaml is not YAML"):
        load_consortium(file)


@pytest.mark.parametrize("content", ["", '{"pid": 1', "[]"])
def test_status_that_a_crash_cut_short_is_none(tmp_path: Path, content: str) -> None:
    home = Home(tmp_path)
    home.run.mkdir()
    (home.run / "status.json").write_text(content)
    assert read_status(home) == {}
