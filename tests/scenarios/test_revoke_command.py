"""Certificates that are revoked by the command: their holders are refused by the whole channel, others go on.

Method: at a running consortium a client of the bank works, with TLS and as an identity; the command takes each from it;
so with an identity that was renewed, by the number it had before.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from network.client import GatewayClient
from network.crypto_material import add_user
from network.errors import GatewayError, RpcError
from network.identity import SigningIdentity
from network.role_unit import Role
from network.rpc import StatusCode
from node.own_node import LEDGER, ledger_pb2
from tests.support.consortium import RunningConsortium, eventually


def number_of(consortium: RunningConsortium, holder: str, use: str) -> str:
    rows = json.loads(consortium.command("certificates", "list", "--org", "dwaybank", "--json").stdout)
    (found,) = (row["serial"] for row in rows if (row["holder"], row["use"]) == (holder, use))
    return str(found)


def revoke(consortium: RunningConsortium, serial: str) -> None:
    for _ in range(2):
        # A second time it is so already.
        done = consortium.command("certificates", "revoke", serial, "--org", "dwaybank")
        assert done.returncode == 0 and f"number {serial}: revoked on channel" in done.stdout, done.stderr


async def refusal_as_identity(consortium: RunningConsortium, identity: SigningIdentity) -> str:
    """Return why another member's peer refuses what somebody signs; empty where it does not."""
    async with consortium.node(consortium.partner) as node:
        client = GatewayClient(node.channel, identity, consortium.consortium.channel)
        try:
            await client.evaluate("cscc", "GetConfigBlock", consortium.consortium.channel)
        except GatewayError as error:
            return str(error)
    return ""


async def refusal_of_tls(consortium: RunningConsortium, user: str) -> StatusCode | None:
    request = ledger_pb2.ListAccountsRequest()
    try:
        async with consortium.node(consortium.bank, user) as node:
            await node.call(LEDGER, "ListAccounts", request, ledger_pb2.ListAccountsResponse)
    except RpcError as error:
        return StatusCode(error.code)
    return None


def identity_in(user: Path) -> SigningIdentity:
    return SigningIdentity.from_msp_folder(user / "msp", "DwaybankMSP")


async def test_whoever_holds_a_revoked_certificate_is_refused_by_every_member(consortium: RunningConsortium) -> None:
    folder, operator = consortium.home.crypto(consortium.bank), (Role.OPERATOR,)
    clerk = add_user(folder, "LostClerk", ("client",), datetime.now(UTC), tls_units=operator)
    assert await refusal_of_tls(consortium, "LostClerk") is None
    revoke(consortium, number_of(consortium, clerk.name, "TLS client"))

    async def refused() -> bool:
        return await refusal_of_tls(consortium, "LostClerk") == StatusCode.UNAUTHENTICATED

    await eventually(refused, "the lost TLS certificate is refused")
    assert await refusal_as_identity(consortium, identity_in(clerk)) == ""
    revoke(consortium, number_of(consortium, clerk.name, "identity"))

    async def unknown() -> bool:
        return bool(await refusal_as_identity(consortium, identity_in(clerk)))

    await eventually(unknown, "the lost identity is refused")
    assert "access denied" in await refusal_as_identity(consortium, identity_in(clerk))
    renewing = consortium.command("certificates", "renew", "--force", "--org", "dwaybank")
    assert renewing.returncode == 1 and renewing.stderr.count("it is revoked") == 2
    await consortium.settled()


async def test_stolen_identity_that_was_renewed_is_revoked_by_its_old_number(consortium: RunningConsortium) -> None:
    user = consortium.home.user(consortium.bank, "User1")
    stolen, number = identity_in(user), number_of(consortium, user.name, "identity")
    consortium.command("certificates", "renew", "--force", "--org", "dwaybank")
    assert number_of(consortium, user.name, "identity") != number
    revoke(consortium, number)

    async def refused() -> bool:
        return bool(await refusal_as_identity(consortium, stolen))

    await eventually(refused, "the stolen identity is refused")
    assert await refusal_as_identity(consortium, identity_in(user)) == ""


@pytest.mark.parametrize("holder", ["node.dwaybank.test", "Node@dwaybank.test"])
async def test_what_the_consortium_runs_with_is_not_revoked(consortium: RunningConsortium, holder: str) -> None:
    refused = consortium.command("certificates", "revoke", number_of(consortium, holder, "identity"))
    assert refused.returncode == 1 and f"{holder} is in use here" in refused.stderr
