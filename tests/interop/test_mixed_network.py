"""A peer of ours on a network of Fabric's own orderers and peers: it endorses with them and comes to the same ledger.

Aim: Fabric 3.1 is the referee. Orderers (three of Raft, four of SmartBFT) and the peers of two organizations are
Fabric's, the third organization's peer is ours, the contract runs on our shim for all three. Method: ``peer`` defines a
chaincode with endorsements of both kinds; transactions of every kind go through both kinds of gateway, many of them
made to fail; then every block of the Go peer is compared with ours, flags and commit hash included.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from fabric_protos.common import common_pb2

from network.block import header_hash, parse_block, transactions_filter
from network.envelope import (
    DUPLICATE_TXID,
    ENDORSEMENT_POLICY_FAILURE,
    MVCC_READ_CONFLICT,
    PHANTOM_READ_CONFLICT,
    VALID,
)
from network.errors import CommitError, CommitStatusError, EndorseError, GatewayError, SubmitError
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR
from tests.support.mixed_channel import NETWORKS, Mixed, mixed_channel
from tests.support.mixed_network import MEMBERS

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module", params=list(NETWORKS))
def consensus(request: pytest.FixtureRequest) -> str:
    """The ordering service."""
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mixed(
    consensus: str, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mixed]:
    async with mixed_channel(
        consensus, postgres_cluster, tmp_path_factory.mktemp(consensus), f"mixed_{consensus}", watch_interval_s=0.5
    ) as mixed:
        yield mixed


async def through_go(mixed: Mixed, function: str, *args: str, **options: object) -> bytes:
    """Submit through the Go peer's gateway, which learns of other peers only after a moment."""
    for attempt in range(60):
        try:
            return (await mixed.go_client.submit("twin", function, *args, **options)).result
        except EndorseError as error:
            if attempt == 59 or "no combination of peers" not in str(error):
                raise
            await asyncio.sleep(0.5)
    raise AssertionError("unreachable")


async def test_both_kinds_of_gateway_submit_and_read(mixed: Mixed) -> None:
    assert await through_go(mixed, "Put", "k", "go") == b"go"
    await mixed.settle()
    assert await mixed.our_client.evaluate("twin", "Get", "k", target_organizations=[REGULATOR]) == b"go"
    assert (await mixed.our_client.submit("twin", "Put", "k", "ours")).result == b"ours"
    await mixed.settle()
    assert await mixed.go_client.evaluate("twin", "Get", "k") == b"ours"


async def test_go_peers_and_ours_endorse_the_same_bytes(mixed: Mixed) -> None:
    """Our gateway compares the answers byte for byte; ``all`` asks every organization."""
    client = mixed.our_client
    calls = [
        ("PutMany", "r", "150"),
        ("Range", "r", "s"),
        ("PutComposite", "kind", "a", "1", "x"),
        ("Partial", "kind", "a"),
        ("Who",),
        ("Emit", "paid", "5"),
        ("Delete", "r0001"),
        ("History", "k"),
        ("Guard", "guarded", BANK),
    ]
    for call in calls:
        committed = await client.submit("twin", *call, endorsing_organizations=MEMBERS)
        await mixed.settle()
        assert committed.block_number > 0
    pages = {
        await client.evaluate("twin", "Page", "r", "s", "7", "r0003", target_organizations=[msp_id])
        for msp_id in MEMBERS
    }
    assert len(pages) == 1


async def test_private_data_has_the_same_hashes(mixed: Mixed) -> None:
    transient = {"value": b"secret"}
    for key in ("p1", "p2"):
        await mixed.our_client.submit(
            "twin", "PutPrivate", "shared", key, transient=transient, endorsing_organizations=MEMBERS
        )
    await mixed.settle()
    hashes = {
        await mixed.our_client.evaluate("twin", "HashPrivate", "shared", "p1", target_organizations=[msp_id])
        for msp_id in MEMBERS
    }
    assert len(hashes) == 1
    await mixed.our_client.submit("twin", "DeletePrivate", "shared", "p1", endorsing_organizations=MEMBERS)
    await mixed.our_client.submit("twin", "PurgePrivate", "shared", "p2", endorsing_organizations=MEMBERS)
    # What was not deleted leaves the state by its time to live, on every peer with the same block.
    await mixed.our_client.submit(
        "twin", "PutPrivate", "shared", "p3", transient=transient, endorsing_organizations=MEMBERS
    )
    for number in range(6):
        await mixed.our_client.submit("twin", "Put", "time", str(number))
    await mixed.settle()
    for msp_id in (BANK, REGULATOR):
        found = await mixed.our_client.evaluate("twin", "HashPrivate", "shared", "p3", target_organizations=[msp_id])
        assert found == b""


async def test_transactions_made_to_fail_fail_alike(mixed: Mixed, consensus: str) -> None:
    client = mixed.our_client
    await client.submit("twin", "Put", "hot", "0")
    await client.submit("twin", "PutMany", "z", "4")
    await mixed.settle()
    with pytest.raises(CommitError) as failure:
        await client.submit("twin", "Put", "few", "x", endorsing_organizations=[REGULATOR])
    assert failure.value.validation_code == ENDORSEMENT_POLICY_FAILURE
    with pytest.raises(CommitError) as failure:
        await client.submit("twin", "Put", "guarded", "x", endorsing_organizations=[PARTNER, REGULATOR])
    assert failure.value.validation_code == ENDORSEMENT_POLICY_FAILURE
    prepared = [await client.endorse("twin", "Range", "z", "zz") for _ in range(2)]
    await client.submit("twin", "Put", "z9", "new")
    assert PHANTOM_READ_CONFLICT in await mixed.order(*prepared)
    first = await client.endorse("twin", "Put", "once", "x")
    assert await mixed.order(first) == [VALID]
    if consensus == "bft":
        with pytest.raises(SubmitError, match="request already processed"):
            await client.submit_prepared(first)
    else:
        await client.submit_prepared(first)
    await client.submit("twin", "Put", "after", "x")
    await mixed.settle()
    assert (await flags(mixed)).count(DUPLICATE_TXID) == (1 if consensus == "raft" else 0)


async def test_endorsement_that_was_tampered_with_counts_for_nothing(mixed: Mixed) -> None:
    prepared = await mixed.our_client.endorse("twin", "Put", "forged", "x")
    message = prepared.message
    place = len(message) - 3
    forged = replace(prepared, message=message[:place] + bytes([message[place] ^ 1]) + message[place + 1 :])
    assert await mixed.order(forged) == [ENDORSEMENT_POLICY_FAILURE]


async def flags(mixed: Mixed) -> bytes:
    """Return the flags of all transactions, as our peer gives them."""
    found = b""
    for number in range(1, mixed.ours.height):
        found += transactions_filter(parse_block(await mixed.ours.block(number) or b""))
    return found


async def test_every_block_has_the_same_flags_and_commit_hash(mixed: Mixed) -> None:
    """All but the signatures is compared: each peer keeps those that the orderer it asked had."""
    client = mixed.our_client
    updates = [await client.endorse("twin", "Bump", "hot") for _ in range(3)]
    assert sorted(await mixed.order(*updates)) == [VALID, MVCC_READ_CONFLICT, MVCC_READ_CONFLICT]
    await mixed.settle()
    height = mixed.ours.height
    compared = 0
    async for theirs in mixed.go_client.blocks(0, stop=height - 1):
        number = theirs.header.number
        ours = parse_block(await mixed.ours.block(number) or b"")
        assert header_hash(ours.header) == header_hash(theirs.header)
        assert ours.data == theirs.data
        for slot in (common_pb2.TRANSACTIONS_FILTER, common_pb2.COMMIT_HASH):
            assert ours.metadata.metadata[slot] == theirs.metadata.metadata[slot], (number, slot)
        compared += 1
    assert compared == height > 20


async def test_lost_orderers_halt_the_network_and_fork_nothing(mixed: Mixed, consensus: str) -> None:
    """Three of four SmartBFT orderers, or two of three of Raft, go on, without the leader too; one fewer does not."""
    fabric, before = mixed.fabric, mixed.ours.current_block_hash
    lost = f"orderer{await asyncio.to_thread(fabric.leader)}" if consensus == "raft" else "orderer3"
    await asyncio.to_thread(fabric.stop, lost)
    await submitted_in_time(mixed, "Put", "fewer", secrets.token_hex(4))
    await mixed.settle()
    assert mixed.ours.current_block_hash != before
    height = mixed.ours.height
    await asyncio.to_thread(fabric.stop, next(name for name in fabric.processes if name.startswith("orderer")))
    with pytest.raises(GatewayError):
        await mixed.our_client.submit("twin", "Put", "halted", "x")
    assert (mixed.ours.height, await mixed.go_height(), mixed.ours.stopped) == (height, height, None)
    # Our peer asked all orderers for headers: those that died or lagged behind told no other story.
    text = await mixed.metrics.text()
    assert 'fault="forged"' not in text
    assert 'fault="equivocated"' not in text


async def submitted_in_time(mixed: Mixed, *call: str) -> None:
    """Submit, again while a new leader is elected."""
    async with asyncio.timeout(60):
        while True:
            try:
                await mixed.our_client.submit("twin", *call)
            except (SubmitError, CommitStatusError):
                await asyncio.sleep(1)
            else:
                return
