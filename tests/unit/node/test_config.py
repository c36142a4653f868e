"""Settings of chaincodes: what runs each, said in exactly one way. Files that a user asks for."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from node.config import ChaincodeSettings, write_file
from node.errors import ConfigurationError

DEFINED: dict[str, Any] = {"name": "cc", "version": "1.0", "sequence": 1, "endorsement_policy": ""}
SERVICE = {"package_id": "cc_1:00ff", "address": "localhost:9999"}


def test_contract_or_service_runs_a_chaincode() -> None:
    assert ChaincodeSettings(**DEFINED, contract="chaincode.audit:AuditContract").service is None
    found = ChaincodeSettings(**DEFINED, service=SERVICE).service
    assert found is not None
    assert (found.package_id, found.address, found.tls) == ("cc_1:00ff", "localhost:9999", True)


@pytest.mark.parametrize(
    ("ways", "text"),
    [
        ({}, "chaincode cc: give either contract or service"),
        ({"contract": "a:B", "service": SERVICE}, "chaincode cc: give either contract or service"),
        ({"service": SERVICE | {"package_id": "no-hash"}}, "package_id"),
        ({"service": SERVICE | {"address": "no-port"}}, "address"),
        ({"service": SERVICE | {"connection_file": "c.json"}}, "give address or connection_file, not both"),
    ],
)
def test_chaincode_that_runs_in_no_way_or_two_is_refused(ways: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        ChaincodeSettings(**DEFINED, **ways)


def test_file_that_does_not_fit_is_named_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    out = tmp_path / "evidence" / "bundle.json"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses the write half-way, as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ConfigurationError, match=r"bundle\.json cannot be written: File too large"):
            write_file(out, bytes(200_000), with_folder=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not out.exists()
    write_file(out, b"{}")
    assert out.read_bytes() == b"{}"


def test_file_in_whose_place_a_folder_stands_is_named_and_the_folder_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigurationError, match="out cannot be written: Is a directory"):
        write_file(tmp_path / "out", b"{}")
    assert (tmp_path / "out").is_dir()
