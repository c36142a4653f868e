"""What docs/operations.md says to a home whose gateway has a certificate that opens everything, done as it stands.

Method: a certificate as older homes gave their gateways; the page's command beside a running consortium; the two lines
it prints in the place of the two in a copy of ``gateway.yaml``, with which a gateway then serves a customer.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import yaml

from network.crypto_material import add_tls_client
from network.errors import RpcError
from network.rpc import StatusCode
from node.own_node import LEDGER, ledger_pb2
from node.ports import free_port
from tests.support.consortium import RunningConsortium
from tests.support.gateway_client import CustomerAgent
from tests.support.gateway_process import gateway_process, until_ready
from tests.support.shared_data import REPOSITORY

COMMAND = re.compile(r"^dwaybank (gateway-certificate --org dwaybank --name (\S+))$", re.MULTILINE)


async def list_accounts(consortium: RunningConsortium, user: str) -> None:
    async with consortium.node(consortium.bank, user) as node:
        await node.call(LEDGER, "ListAccounts", ledger_pb2.ListAccountsRequest(), ledger_pb2.ListAccountsResponse)


async def test_an_older_homes_gateway_gets_a_certificate_that_opens_no_more_than_it_needs(
    consortium: RunningConsortium, tmp_path: Path
) -> None:
    (page,) = COMMAND.finditer((REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8"))
    old = add_tls_client(consortium.home.crypto(consortium.bank), "GatewayOfBefore", ("client",), datetime.now(UTC))
    settings = yaml.safe_load((consortium.home.organization(consortium.bank) / "gateway.yaml").read_text())
    port = free_port()
    settings["listen"]["port"], settings["operations"]["port"] = port, free_port()
    settings["tls"] |= {"certificate": str(old / "tls" / "client.crt"), "key": str(old / "tls" / "client.key")}

    made = consortium.command(*page[1].split())
    assert made.returncode == 0, made.stderr
    again = consortium.command(*page[1].split())
    assert again.returncode == 1 and "exists; choose another name" in again.stderr
    with pytest.raises(RpcError, match="not for gateways") as refused:
        await list_accounts(consortium, page[2])
    assert refused.value.code == StatusCode.PERMISSION_DENIED

    kept = yaml.safe_dump(settings, sort_keys=False)
    changed = re.sub(r"^  certificate: \S+\n  key: \S+\n", made.stdout, kept, count=1, flags=re.MULTILINE)
    assert str(old) not in changed
    file = tmp_path / "gateway.yaml"
    file.write_text(changed)
    with gateway_process(file):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            await until_ready(client)
            customer = await CustomerAgent(client, f"{uuid.uuid4().hex}@example.org").sign_up()
            assert await customer.open_account()
