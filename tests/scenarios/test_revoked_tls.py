"""A TLS certificate that was lost: an update of the channel ends what it opens, at a running consortium.

Method: a client of the bank works; the bank's administrator brings its TLS authority's revocation list to the channel
through the orderer, as any tool does; the client is refused on the connection it has, its stream of events ends, others
go on.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

import pytest
from cryptography import x509
from fabric_protos.common import configtx_pb2

from network.block import last_config_number, parse_block
from network.config_delta import config_delta, sign_update
from network.crypto_material import add_tls_client, revoke
from network.errors import RpcError
from network.identity import SigningIdentity
from network.pb.dwaybank.ledger.v1 import events_pb2, ledger_pb2
from network.role_unit import Role
from network.rpc import Channel, ClientTls, StatusCode
from node.own_node import EVENTS, LEDGER, OwnNode
from tests.support.consortium import RunningConsortium, eventually
from tests.support.member_changes import group_of, revoking
from tests.support.ordering import broadcast


async def test_lost_tls_certificate_opens_nothing_once_the_channel_revokes_it(consortium: RunningConsortium) -> None:
    folder, now = consortium.home.crypto(consortium.bank), datetime.now(UTC)
    tls = add_tls_client(folder, "Leaver", (Role.OPERATOR,), now) / "tls"
    await consortium.open_account(consortium.bank, "leavers-desk")
    lost = x509.load_pem_x509_certificate((tls / "client.crt").read_bytes())
    async with consortium.node(consortium.bank, "Leaver") as leaver:
        assert (await _refusal(leaver)) is None
        following = asyncio.create_task(_follow(leaver))
        await _change(consortium, revoke(folder, [lost], now, tls=True).read_bytes())

        async def refused() -> bool:
            error = await _refusal(leaver)
            return error is not None and error.code == StatusCode.UNAUTHENTICATED and "is revoked" in error.message

        await eventually(refused, "the lost certificate is refused")
        ended = await asyncio.wait_for(following, 10)
        assert (ended.code, "is revoked" in ended.message) == (StatusCode.UNAUTHENTICATED, True)
    assert (await consortium.account(consortium.bank, "leavers-desk")).asset == "EUR"


async def _refusal(node: OwnNode) -> RpcError | None:
    request = ledger_pb2.GetAccountRequest(account="leavers-desk")
    try:
        await node.call(LEDGER, "GetAccount", request, ledger_pb2.GetAccountResponse)
    except RpcError as error:
        return error
    return None


async def _follow(node: OwnNode) -> RpcError:
    """Follow the events of the books, which has no end, until the node ends it; return how."""
    request = events_pb2.FollowOutboxRequest().SerializeToString()
    with pytest.raises(RpcError) as ended:
        async for _ in node.channel.server_stream(f"/{EVENTS}/FollowOutbox", request, None):
            pass
    return ended.value


async def _change(consortium: RunningConsortium, revocation_list: bytes) -> None:
    """Have the bank's administrator bring a list to the channel."""
    blocks = await consortium.blocks(consortium.bank)
    newest = parse_block(blocks[-1])
    current = group_of(blocks[last_config_number(newest) if newest.header.number else 0])
    wanted = configtx_pb2.ConfigGroup()
    wanted.CopyFrom(current)
    revoking(revocation_list)(wanted)
    user = consortium.home.user(consortium.bank, "Admin")
    administrator = SigningIdentity.from_msp_folder(user / "msp", consortium.bank.msp_id)
    update = config_delta(consortium.consortium.channel, current, wanted)
    envelope = sign_update(update, [administrator], datetime.now(UTC), secrets.token_bytes)
    roots = (consortium.home.orderer_crypto(consortium.consortium) / "tlsca").glob("*-cert.pem")
    tls = ClientTls(
        next(roots).read_bytes(), (user / "tls" / "client.crt").read_bytes(), (user / "tls" / "client.key").read_bytes()
    )
    orderer = Channel(f"127.0.0.1:{consortium.consortium.orderer.port}", tls)
    try:
        assert await broadcast(orderer, [envelope.SerializeToString()]) == [(200, "")]
    finally:
        await orderer.close()
