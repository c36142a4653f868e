"""Our gateway client with a real Fabric network: peers and orderer of version 3.1, nothing of ours between.

Aim: all that `docs/client.md` promises holds against the peers it was made for. Our contract runs there as a service.
What is needed to run it stands in tests/support/fabric_network.py; it skips otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from network.checkpointer import FileCheckpointer
from network.client import (
    CommittedTransaction,
    EventKind,
    GatewayClient,
    OfflineIdentity,
    PreparedTransaction,
    Proposal,
)
from network.client_events import BEHIND_S
from network.connection_profile import ConnectionProfile, connect
from network.envelope import MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT, parse_transaction, unsigned_envelope
from network.errors import CommitError, EndorseError, GatewayError
from network.rpc import StatusCode
from tests.support.counting_client import CountingClient
from tests.support.fabric_network import CHANNEL, MSP_IDS, PEER_PORTS, FabricNetwork, running_fabric

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

CONTRACT = "tests.support.peer_contract:PeerContract"
COLLECTION = {
    "name": "bilateral",
    "policy": "OR('DwaybankMSP.member','PartnerMSP.member')",
    "requiredPeerCount": 0,
    "maxPeerCount": 2,
    "blockToLive": 0,
    "memberOnlyRead": True,
}


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricNetwork]:
    folder = tmp_path_factory.mktemp("fabric")
    (folder / "collections.json").write_text(json.dumps([COLLECTION]))
    with running_fabric(folder / "net", CONTRACT, folder / "collections.json") as network:
        yield network


async def gossip_knows_everybody(fabric: FabricNetwork, profile: Path, name: str) -> None:
    """Wait until a peer's gateway can ask the peers of all organizations: they find one another while they start."""
    async with (
        connect(profile, CHANNEL, identity=fabric.identity(name), organizations=[name]) as client,
        asyncio.timeout(60),
    ):
        while True:
            try:
                await client.endorse("pc", "Get", "none", endorsing_organizations=list(MSP_IDS.values()))
                return
            except EndorseError:
                await asyncio.sleep(0.5)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(fabric: FabricNetwork) -> AsyncIterator[GatewayClient]:
    """A client by a profile as fabric-samples writes it, of DwayBank's and then the partner's peer."""
    path = fabric.folder / "connection.json"
    path.write_text(json.dumps(fabric.profile("dwaybank")))
    for name in ("dwaybank", "partner"):
        await gossip_knows_everybody(fabric, path, name)
    identity = fabric.identity("dwaybank")
    async with connect(path, CHANNEL, identity=identity, organizations=["dwaybank", "partner"]) as made:
        yield made


async def test_submit_evaluate_and_status(client: GatewayClient) -> None:
    committed = await client.submit("pc", "Put", "k", "v")
    assert committed.result == b"v"
    assert await client.evaluate("pc", "Get", "k") == b"v"
    status = await client.commit_status(committed.tx_id)
    assert (status.code, status.block_number, status.conflict) == (0, committed.block_number, None)
    submitted = await client.submit_async("pc", "Put", "k", "w")
    assert submitted.result == b"w"
    assert (await client.commit_status(submitted.tx_id)).code == 0


async def test_yaml_profile_connects_too(fabric: FabricNetwork) -> None:
    path = fabric.folder / "connection.yaml"
    path.write_text(yaml.safe_dump(fabric.profile("partner")))
    async with connect(path, CHANNEL, identity=fabric.identity("partner")) as client:
        assert await client.evaluate("pc", "Get", "none") == b""


async def test_commits_are_followed_in_the_channels_blocks(fabric: FabricNetwork, client: GatewayClient) -> None:
    await client.evaluate("pc", "Get", "none")  # all peers know one another by now
    channels = ConnectionProfile(fabric.folder / "connection.json").channels(["dwaybank"])
    following = CountingClient(channels, fabric.identity("dwaybank"), CHANNEL)
    try:
        async with following.following_commits():
            await following.until_followed()
            committed = await asyncio.gather(*(following.submit("pc", "Put", f"key-{n}", "v") for n in range(20)))
            assert following.asked == []
        for item in committed:
            assert (await client.commit_status(item.tx_id))[1:] == (0, item.block_number, None)
    finally:
        for channel in channels:
            await channel.close()


async def test_named_organizations_endorse(client: GatewayClient) -> None:
    prepared = await client.endorse("pc", "Put", "named", "v", endorsing_organizations=["PartnerMSP", "RegulatorMSP"])
    endorsers = b"".join(item.endorser for item in parse_transaction(_envelope(prepared)).endorsements)
    assert b"PartnerMSP" in endorsers
    assert b"RegulatorMSP" in endorsers
    assert b"DwaybankMSP" not in endorsers


def _envelope(prepared: PreparedTransaction) -> bytes:
    return bytes(unsigned_envelope(prepared.message).SerializeToString())


async def test_keys_may_stay_elsewhere(fabric: FabricNetwork, client: GatewayClient) -> None:
    vault = fabric.identity("dwaybank")
    folder = fabric.organization("dwaybank") / "users" / "User1@dwaybank.test" / "msp" / "signcerts"
    identity = OfflineIdentity("DwaybankMSP", next(folder.glob("*.pem")).read_bytes())
    async with connect(fabric.folder / "connection.json", CHANNEL, identity=identity) as offline:
        proposal = Proposal.from_message(offline.propose("pc", "Emit", "offline", "1").message)
        prepared = await offline.endorse_proposal(proposal, vault.sign(proposal.message))
        prepared = PreparedTransaction.from_message(prepared.message)
        await offline.submit_prepared(prepared, vault.sign(prepared.message))
        message = offline.commit_status_message(prepared.tx_id)
        status = await offline.commit_status(prepared.tx_id, vault.sign(message))
        assert status.code == 0
        request = offline.chaincode_events_request("pc", start_block=status.block_number)
        async with aclosing(offline.signed_events(request, vault.sign(request.message))) as events:
            assert (await anext(events)).name == "offline"
        for kind in (EventKind.BLOCKS, EventKind.FILTERED_BLOCKS, EventKind.BLOCKS_WITH_PRIVATE_DATA):
            request = offline.blocks_request(kind, 1, stop=2)
            signature = vault.sign(request.message)
            assert len([item async for item in offline.signed_events(request, signature)]) == 2


async def test_events_go_on_after_a_checkpoint(client: GatewayClient, tmp_path: Path) -> None:
    sent = [(await client.submit("pc", "Emit", "counted", str(number))) for number in range(4)]
    seen = []
    for _ in range(2):
        checkpoint = FileCheckpointer(tmp_path / "checkpoint")
        start = sent[0].block_number
        async with aclosing(client.chaincode_events("pc", start_block=start, checkpoint=checkpoint)) as events:
            for _ in range(2):
                event = await anext(events)
                seen.append((event.tx_id, event.payload))
                checkpoint.checkpoint_chaincode_event(event)
    assert seen == [(item.tx_id, str(number).encode()) for number, item in enumerate(sent)]


async def test_blocks_of_each_kind_are_delivered_from_a_checkpoint(client: GatewayClient, tmp_path: Path) -> None:
    checkpoint = FileCheckpointer(tmp_path / "checkpoint")
    checkpoint.checkpoint_block(0)
    private = await client.submit("pc", "PutPrivate", "bilateral", "p", transient={"value": b"secret"})
    stop = private.block_number
    whole = [block.header.number async for block in client.blocks(checkpoint=checkpoint, stop=stop)]
    filtered = [block.number async for block in client.filtered_blocks(checkpoint=checkpoint, stop=stop)]
    with_data = [item async for item in client.blocks_with_private_data(checkpoint=checkpoint, stop=stop)]
    assert whole == filtered == [item.block.header.number for item in with_data] == list(range(1, stop + 1))
    assert b"secret" in with_data[-1].private_data_map[0].SerializeToString()


async def test_next_block_is_the_one_committed_next(client: GatewayClient) -> None:
    async with aclosing(client.blocks()) as blocks:
        following = asyncio.ensure_future(anext(blocks))
        await asyncio.sleep(0.5)
        assert not following.done()
        committed = await client.submit("pc", "Put", "next", "v")
        assert (await following).header.number == committed.block_number


async def test_failure_tells_stage_code_transaction_and_what_each_peer_said(client: GatewayClient) -> None:
    refusal = "chaincode response 400, refused: no such thing here"
    with pytest.raises(EndorseError) as endorse:
        await client.submit("pc", "Fail")
    assert endorse.value.code == StatusCode.ABORTED
    assert len(endorse.value.transaction_id) == 64
    (detail,) = endorse.value.details
    assert detail[:3] == (f"127.0.0.1:{PEER_PORTS['dwaybank']}", "DwaybankMSP", refusal)
    with pytest.raises(GatewayError, match=refusal) as evaluate:
        await client.evaluate("pc", "Fail")
    assert evaluate.value.code == StatusCode.UNKNOWN
    with pytest.raises(EndorseError, match="No metadata was found for chaincode nonexistent") as unknown:
        await client.submit("nonexistent", "Get")
    assert unknown.value.code == StatusCode.FAILED_PRECONDITION


async def test_mismatch_carries_fabrics_text(client: GatewayClient) -> None:
    # Counted once more at one peer than at the others.
    await client.evaluate("pc", "Differ", target_organizations=[MSP_IDS["dwaybank"]])
    with pytest.raises(EndorseError, match="failed to collect enough transaction endorsements") as failure:
        await client.submit("pc", "Differ")
    assert failure.value.details
    assert {detail.message for detail in failure.value.details} == {"ProposalResponsePayloads do not match"}
    assert all(detail.differences == () for detail in failure.value.details)


async def test_lost_race_has_its_code(client: GatewayClient) -> None:
    prepared = [await client.endorse("pc", "Update", "hot", str(number)) for number in range(2)]
    await asyncio.gather(*(client.submit_prepared(item) for item in prepared))
    assert sorted([(await client.commit_status(item.tx_id)).code for item in prepared]) == [0, MVCC_READ_CONFLICT]
    outcomes = await asyncio.gather(
        *(client.submit("pc", "Update", "hot", str(number)) for number in range(4)), return_exceptions=True
    )
    lost = [item for item in outcomes if isinstance(item, CommitError)]
    assert lost
    for error in lost:
        assert (error.validation_code, error.conflict) == (MVCC_READ_CONFLICT, None)
        assert error.block_number > 0
    ranged = await client.endorse("pc", "CountRange", "ph", "pi")
    await client.submit("pc", "Put", "ph1", "new")
    await client.submit_prepared(ranged)
    assert (await client.commit_status(ranged.tx_id)).code == PHANTOM_READ_CONFLICT


async def test_block_that_is_far_away_is_not_found(client: GatewayClient) -> None:
    with pytest.raises(GatewayError, match="NOT_FOUND") as failure:
        await anext(client.blocks(1_000_000))
    assert failure.value.code == StatusCode.NOT_FOUND


async def submit_without_the_first(client: GatewayClient, value: str) -> CommittedTransaction:
    """Have the two other organizations endorse; the peers' gossip may take a while to find who is left."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await client.submit(
                    "pc", "Emit", "after", value, endorsing_organizations=["PartnerMSP", "RegulatorMSP"]
                )
            except EndorseError as error:
                if "failed to find any endorsing peers" not in str(error):
                    raise
                await asyncio.sleep(0.5)


async def test_peer_that_is_killed_is_replaced_by_the_next(fabric: FabricNetwork, client: GatewayClient) -> None:
    """Last of all: the network is one peer short afterwards."""
    first = await client.submit("pc", "Emit", "before", "0")
    async with (
        aclosing(client.chaincode_events("pc", start_block=first.block_number)) as events,
        aclosing(client.filtered_blocks(first.block_number)) as blocks,
    ):
        assert (await anext(events)).tx_id == first.tx_id
        assert (await anext(blocks)).number == first.block_number
        fabric.kill_peer("dwaybank")
        later = [await submit_without_the_first(client, str(number)) for number in range(3)]
        async with asyncio.timeout(BEHIND_S + 20):
            assert [(await anext(events)).tx_id for _ in later] == [item.tx_id for item in later]
            numbers = [(await anext(blocks)).number for _ in later]
    assert numbers == [first.block_number + offset for offset in (1, 2, 3)]
    assert (await client.commit_status(later[-1].tx_id)).code == 0
