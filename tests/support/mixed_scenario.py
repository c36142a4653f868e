"""What a channel with peers and orderers of both kinds must hold: told to whoever starts one, held by the tests.

Each function brings something about, asserts what must come of it, and returns a sentence about what was seen.
"""

from __future__ import annotations

import asyncio
import secrets

from fabric_protos.common import common_pb2

from network.block import header_hash, parse_block
from network.errors import CommitStatusError, EndorseError, GatewayError, SubmitError
from tests.support.consortium_in_memory import BANK, REGULATOR
from tests.support.mixed_channel import Mixed
from tests.support.mixed_network import MEMBERS

CALLS = [
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
"""Of the twin contract: one of each kind."""

_ELECTION_S = 60
_DISCOVERY_TRIES = 60


async def submit_through_go(mixed: Mixed, function: str, *args: str) -> bytes:
    """Submit through the Go peer's gateway, which learns of other peers only after a moment; return the answer."""
    for attempt in range(_DISCOVERY_TRIES):
        try:
            return (await mixed.go_client.submit("twin", function, *args)).result
        except EndorseError as error:
            if attempt == _DISCOVERY_TRIES - 1 or "no combination of peers" not in str(error):
                raise
            await asyncio.sleep(0.5)
    raise AssertionError("unreachable")


async def submit_through_both_gateways(mixed: Mixed) -> str:
    """What one kind of gateway has committed, the other reads."""
    assert await submit_through_go(mixed, "Put", "k", "go") == b"go"
    await mixed.settle()
    assert await mixed.our_client.evaluate("twin", "Get", "k", target_organizations=[REGULATOR]) == b"go"
    assert (await mixed.our_client.submit("twin", "Put", "k", "ours")).result == b"ours"
    await mixed.settle()
    assert await mixed.go_client.evaluate("twin", "Get", "k") == b"ours"
    return f"height {mixed.ours.height} at both"


async def endorse_together(mixed: Mixed) -> str:
    """Every organization's peer endorses every kind of call; our gateway compares the answers byte for byte."""
    for call in CALLS:
        committed = await mixed.our_client.submit("twin", *call, endorsing_organizations=MEMBERS)
        await mixed.settle()
        assert committed.block_number > 0
    pages = {
        await mixed.our_client.evaluate("twin", "Page", "r", "s", "7", "r0003", target_organizations=[msp_id])
        for msp_id in MEMBERS
    }
    assert len(pages) == 1
    return f"{len(CALLS)} kinds of call, {len(MEMBERS)} equal endorsements each"


async def compare_blocks(mixed: Mixed) -> str:
    """Compare every block of the Go peer with ours; not the signatures, for each keeps those its orderer had."""
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
    assert compared == height
    return f"{compared} blocks, commit hash {mixed.ours.commit_hash.hex()[:16]}"


async def lose_an_orderer(mixed: Mixed, consensus: str) -> str:
    """Kill one orderer, of Raft the leader: the others go on."""
    before = mixed.ours.current_block_hash
    lost = f"orderer{await asyncio.to_thread(mixed.fabric.leader)}" if consensus == "raft" else "orderer3"
    await asyncio.to_thread(mixed.fabric.stop, lost)
    async with asyncio.timeout(_ELECTION_S):
        while True:
            try:
                await mixed.our_client.submit("twin", "Put", "fewer", secrets.token_hex(4))
            except (SubmitError, CommitStatusError):
                await asyncio.sleep(1)
            else:
                break
    await mixed.settle()
    assert mixed.ours.current_block_hash != before
    return f"{lost} killed, height {mixed.ours.height} at both"


async def lose_another_orderer(mixed: Mixed) -> str:
    """Kill a second orderer: too few are left, nothing is ordered, and nobody tells another story."""
    height = mixed.ours.height
    lost = next(name for name in mixed.fabric.processes if name.startswith("orderer"))
    await asyncio.to_thread(mixed.fabric.stop, lost)
    try:
        await mixed.our_client.submit("twin", "Put", "halted", "x")
    except GatewayError as error:
        refusal = str(error)
    else:
        raise AssertionError("a transaction was committed without a quorum of orderers")
    assert (mixed.ours.height, await mixed.go_height(), mixed.ours.stopped) == (height, height, None)
    # Our peer asked all orderers for headers: those that died or lagged behind told no other story.
    text = await mixed.metrics.text()
    assert 'fault="forged"' not in text
    assert 'fault="equivocated"' not in text
    return f"{lost} killed too, height {height} at both: {refusal.partition(';')[0][:90]}"
