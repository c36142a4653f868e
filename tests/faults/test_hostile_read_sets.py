"""Transactions that name very many keys and that nobody endorsed: what they cost a peer is bounded, against processes.

Method: an honest proposal is endorsed and its result exchanged for one of the attacker's, which the endorsements do not
cover; he signs that and hands it to the orderer. What a peer reads is counted by its database.
"""

from __future__ import annotations

import asyncio
import secrets

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from network.client import GatewayClient
from network.envelope import ENDORSEMENT_POLICY_FAILURE
from network.identity import SigningIdentity
from network.messages import read_message
from network.rpc import Channel, ClientTls
from network.rwset import (
    HashedCollection,
    HashedRead,
    KvRead,
    KvWrite,
    NamespaceRwset,
    TxRwset,
    key_hash,
    serialize_rwset,
)
from network.topology import Organization
from tests.support.consortium import RunningConsortium, eventually
from tests.support.hostile import Method, assert_logs_are_clean, attack

MANY = 10_000
FEW = MANY // 5
STATISTICS_S = 1.2
"""A PostgreSQL backend tells what it has read with the first transaction that ends a second after it last did."""

SETS = {
    "reads": NamespaceRwset("audit", reads=tuple(KvRead(f"k{number}", None) for number in range(MANY))),
    "writes": NamespaceRwset("audit", writes=tuple(KvWrite(f"k{number}", b"v") for number in range(MANY))),
    "hashed reads": NamespaceRwset(
        "audit",
        collections=(HashedCollection("c", tuple(HashedRead(key_hash(str(number)), None) for number in range(MANY))),),
    ),
}
MANY_NAMESPACES = TxRwset(tuple(NamespaceRwset(f"n{number}", writes=(KvWrite("k", b"v"),)) for number in range(MANY)))


def keys_looked_up(consortium: RunningConsortium, member: Organization) -> int:
    """Return how many keys of the state a member's database has looked up so far."""
    with consortium.superuser(member) as database:
        row = database.execute(
            "SELECT sum(idx_scan)::bigint FROM pg_stat_user_tables WHERE schemaname = 'channel' "
            "AND (relname = 'state' OR relname LIKE 'state\\_%')"
        ).fetchone()
    assert row is not None
    return int(row[0])


def with_result(payload: bytes, rwset: TxRwset) -> bytes:
    """Return a transaction's payload with another read/write set under the same endorsements."""
    outer = read_message(common_pb2.Payload, payload)
    transaction = read_message(transaction_pb2.Transaction, outer.data)
    action = read_message(transaction_pb2.ChaincodeActionPayload, transaction.actions[0].payload)
    response = read_message(proposal_response_pb2.ProposalResponsePayload, action.action.proposal_response_payload)
    result = read_message(proposal_pb2.ChaincodeAction, response.extension)
    result.results = serialize_rwset(rwset)
    response.extension = result.SerializeToString()
    action.action.proposal_response_payload = response.SerializeToString()
    transaction.actions[0].payload = action.SerializeToString()
    outer.data = transaction.SerializeToString()
    return bytes(outer.SerializeToString())


@pytest.mark.parametrize("what", [*SETS, "namespaces"])
async def test_keys_of_a_transaction_that_nobody_endorsed_are_not_read(
    consortium: RunningConsortium, what: str
) -> None:
    folder = consortium.home.user(consortium.bank, "User1")
    attacker = SigningIdentity.from_msp_folder(folder / "msp", consortium.bank.msp_id)
    roots = next((consortium.home.orderer_crypto(consortium.consortium) / "tlsca").glob("*-cert.pem")).read_bytes()
    tls = ClientTls(roots, *((folder / "tls" / name).read_bytes() for name in ("client.crt", "client.key")))
    orderer = Channel(f"127.0.0.1:{consortium.consortium.orderer.port}", tls)
    node = consortium.foreign_channel(consortium.bank, consortium.bank)
    client = GatewayClient(node, attacker, consortium.consortium.channel)

    async def endorsed() -> tuple[str, bytes]:
        arguments = (secrets.token_hex(16), consortium.partner.msp_id, "[1]", "spot_check", '["entry"]')
        prepared = await client.endorse("audit", "Demand", *arguments)
        return prepared.tx_id, prepared.message

    async def code_of(tx_id: str, payload: bytes) -> int:
        envelope = common_pb2.Envelope(payload=payload, signature=attacker.sign(payload))
        broadcast = Method("/orderer.AtomicBroadcast/Broadcast", "bidi")
        _, replies = await attack(orderer, broadcast, envelope.SerializeToString())
        assert [ab_pb2.BroadcastResponse.FromString(reply).status for reply in replies] == [common_pb2.SUCCESS]
        return (await client.commit_status(tx_id)).code

    async def honest() -> None:
        """Have each member's peer commit a transaction, and with it tell what it has read before."""
        await asyncio.sleep(STATISTICS_S)
        assert await code_of(*(await endorsed())) == 0
        await consortium.settled()

    members = consortium.consortium.organizations
    await honest()
    before = {member.name: keys_looked_up(consortium, member) for member in members}
    tx_id, payload = await endorsed()
    rwset = TxRwset((SETS[what],)) if what in SETS else MANY_NAMESPACES
    assert await code_of(tx_id, with_result(payload, rwset)) == ENDORSEMENT_POLICY_FAILURE
    await honest()

    async def told() -> bool:
        return all(keys_looked_up(consortium, member) > before[member.name] for member in members)

    await eventually(told, "every database has told what was read")
    read = {member.name: keys_looked_up(consortium, member) - before[member.name] for member in members}
    assert max(read.values()) < FEW, read
    assert_logs_are_clean(consortium)
    await node.close()
    await orderer.close()
