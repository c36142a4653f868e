"""A peer of ours on a network of Fabric's own orderers and peers: it endorses with them and comes to the same ledger.

Aim: Fabric 3.1 is the referee. Orderers (three of Raft, four of SmartBFT) and the peers of two organizations are
Fabric's, the third organization's peer is ours, the contract runs on our shim for all three. Method: ``peer`` defines a
chaincode with endorsements of both kinds; transactions of every kind go through both kinds of gateway, many of them
made to fail; then every block of the Go peer is compared with ours, flags and commit hash included.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from network.block import parse_block, transactions_filter
from network.envelope import (
    DUPLICATE_TXID,
    ENDORSEMENT_POLICY_FAILURE,
    MVCC_READ_CONFLICT,
    PHANTOM_READ_CONFLICT,
    VALID,
)
from network.errors import CommitError, SubmitError
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR
from tests.support.mixed_channel import NETWORKS, Mixed, mixed_channel
from tests.support.mixed_network import MEMBERS
from tests.support.mixed_scenario import (
    compare_blocks,
    endorse_together,
    lose_an_orderer,
    lose_another_orderer,
    submit_through_both_gateways,
)

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


async def test_both_kinds_of_gateway_submit_and_read(mixed: Mixed) -> None:
    await submit_through_both_gateways(mixed)


async def test_go_peers_and_ours_endorse_the_same_bytes(mixed: Mixed) -> None:
    await endorse_together(mixed)


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
    client = mixed.our_client
    updates = [await client.endorse("twin", "Bump", "hot") for _ in range(3)]
    assert sorted(await mixed.order(*updates)) == [VALID, MVCC_READ_CONFLICT, MVCC_READ_CONFLICT]
    await compare_blocks(mixed)
    assert mixed.ours.height > 20


async def test_lost_orderers_halt_the_network_and_fork_nothing(mixed: Mixed, consensus: str) -> None:
    """Three of four SmartBFT orderers, or two of three of Raft, go on, without the leader too; one fewer does not."""
    await lose_an_orderer(mixed, consensus)
    await lose_another_orderer(mixed)
