"""Settings of chaincodes: what runs each, said in exactly one way."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from node.config import ChaincodeSettings

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
