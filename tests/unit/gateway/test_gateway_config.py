"""The configuration file: what is wrong is named, what is right is frozen, nothing else is read.

Method: a good file, then one change at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from gateway.__main__ import main
from gateway.config import ASSET_CODE, load_config, read_secret
from gateway.errors import ConfigurationError
from gateway.schemas import OpenAccountRequest
from ledger import money

GOOD: dict[str, Any] = {
    "listen": {"host": "127.0.0.1", "port": 8080},
    "database_url": "postgresql://gateway@localhost/dwaybank",
    "node": {"address": "127.0.0.1:7051"},
    "tls": {"certificate": "tls/client.crt", "key": "tls/client.key", "roots": "/roots.pem"},
    "jwt_secret_file": "secrets/jwt",
    "organization": {"msp_id": "DwaybankMSP", "display_name": "DwayBank"},
    "assets": [{"code": "EUR", "scale": 2}],
}


def _write(folder: Path, **changes: Any) -> Path:
    path = folder / "gateway.yaml"
    fields = {name: value for name, value in (GOOD | changes).items() if value is not None}
    path.write_text(yaml.safe_dump(fields))
    return path


def test_good_file_is_read_with_paths_beside_it(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path))
    assert config.tls is not None
    assert config.tls.certificate == tmp_path / "tls/client.crt"
    assert config.tls.roots == Path("/roots.pem")
    assert config.jwt_secret_file == tmp_path / "secrets/jwt"
    with pytest.raises(ValidationError):
        config.listen.port = 1


def test_environment_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://attacker@elsewhere/x")
    monkeypatch.setenv("PARTNERS", '[{"msp_id": "EvilMSP", "display_name": "x"}]')
    config = load_config(_write(tmp_path))
    assert config.database_url == GOOD["database_url"] and config.partners == ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"listen": {"port": 70_000}}, "listen.port"),
        ({"listen": {"port": "high"}}, "listen.port"),
        ({"database_url": "mysql://x"}, "database_url"),
        ({"node": {"address": "nowhere"}}, "node.address"),
        ({"organization": {"msp_id": "a b", "display_name": "x"}}, "organization.msp_id"),
        ({"assets": []}, "assets"),
        ({"assets": [{"code": "eur", "scale": 2}]}, "assets.0.code"),
        ({"jwt_secret_file": None}, "jwt_secret_file"),
        ({"trusted_proxies": ["10.0.0.1/8"]}, r"trusted_proxies\.0: .*'10\.0\.0\.1/8'.*host bits"),
        ({"trusted_proxies": ["proxy.bank.example"]}, r"trusted_proxies\.0: .*proxy\.bank\.example"),
        ({"trusted_proxies": ["0.0.0.0/0"]}, r"trusted_proxies\.0: .*everybody"),
        ({"trusted_proxies": "10.0.0.0/8"}, "trusted_proxies"),
        ({"server_tls": {"certificate": "a"}}, "server_tls.key"),
        ({"debug": True}, "debug"),
    ],
)
def test_wrong_field_is_named(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        load_config(_write(tmp_path, **change))


def test_every_code_of_the_books_may_be_an_asset_of_customers(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, assets=[{"code": "G2", "scale": 3}]))
    assert OpenAccountRequest(asset=config.assets[0].code).asset == "G2"
    assert f"^{money.ASSET_CODE.pattern}$" == ASSET_CODE


@pytest.mark.parametrize("content", ["", "- a", "a: [", "\x00", "text"])
def test_file_that_is_no_configuration_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"gateway\.yaml"):
        load_config(path)


def test_missing_file_ends_the_program_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(tmp_path / "none.yaml")]) == 2
    shown = capsys.readouterr().err
    assert "cannot be read" in shown and shown.count("\n") == 1


def test_secret_shorter_than_its_digest_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "jwt"
    secret.write_bytes(b"x" * 31)
    with pytest.raises(ConfigurationError, match="31 bytes"):
        read_secret(secret)
    secret.write_bytes(b"x" * 32 + b"\n")
    assert read_secret(secret) == b"x" * 32
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_secret(tmp_path / "none")
