"""Snapshots between our peer and Fabric's: the same bytes at the same block, and each begins a ledger from the other's.

Aim: an operator cannot tell whose snapshot it is. Method: on a channel of Fabric's orderers, two Go peers and ours
commit transactions of every kind; ``peer snapshot submitrequest`` asks a Go peer and ours for one block, still to come;
the folders are compared file by file and by ``ledgerutil compare``; then a peer of ours joins another database by the
Go peer's snapshot and by our own, a new Go peer by ours, and all go on to the same commit hash.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from network import rpc
from network.block import parse_block, recorded_commit_hash
from network.client import GatewayClient
from network.envelope import parse_transaction
from network.errors import CommitError
from network.genesis import ChannelSpec, genesis_block
from node.peer.peer import Peer
from node.peer.snapshots.files import ADDITIONAL_NAME, SIGNABLE_NAME
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, ORDERER, PARTNER, REGULATOR
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import Outcome
from tests.support.mixed_channel import NETWORKS, Mixed, mixed_channel
from tests.support.mixed_network import MEMBERS, start_our_peer
from tests.support.peer_network import utc_now

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

AHEAD = 3
"""Blocks between the last one and the one whose snapshot is asked for."""


@pytest.fixture(scope="module", params=list(NETWORKS))
def consensus(request: pytest.FixtureRequest) -> str:
    """The ordering service."""
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, consensus: str) -> Path:
    """Where everything lies."""
    return tmp_path_factory.mktemp(consensus)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mixed(consensus: str, postgres_cluster: PostgresCluster, folder: Path) -> AsyncIterator[Mixed]:
    async with mixed_channel(
        consensus,
        postgres_cluster,
        folder,
        f"snapshots_{consensus}",
        snapshots_folder=folder / "ours",
    ) as mixed:
        await commit_much(mixed)
        yield mixed


async def commit_much(mixed: Mixed) -> None:
    """Commit transactions of every kind, private data that expires and some that fail among them."""
    client = mixed.our_client
    everyone = {"endorsing_organizations": MEMBERS}
    await client.submit("twin", "PutMany", "r", "150")
    await client.submit("twin", "PutComposite", "kind", "a", "1", "x")
    await client.submit("twin", "Put", "Ünïcode-鍵", "wert", **everyone)
    await client.submit("twin", "Put", "long-" + "k" * 1500 + "b", "1", **everyone)
    await client.submit("twin", "Put", "long-" + "k" * 1500 + "a", "2", **everyone)
    await client.submit("twin", "Delete", "r0001", **everyone)
    await client.submit("twin", "Guard", "guarded", BANK, **everyone)
    for key in ("p1", "p2", "p3"):
        await client.submit("twin", "PutPrivate", "shared", key, transient={"value": b"secret"}, **everyone)
    await client.submit("twin", "PurgePrivate", "shared", "p2", **everyone)
    with pytest.raises(CommitError):
        await client.submit("twin", "Put", "few", "x", endorsing_organizations=[REGULATOR])
    await mixed.settle()


async def snapshot(mixed: Mixed, msp_id: str, command: str, *options: str) -> Outcome:
    """Run ``peer snapshot`` against a member's peer."""
    roots = ("--tlsRootCertFile", str(mixed.fabric.tls_roots(msp_id)))
    address = ("--peerAddress", f"{HOST}:{mixed.fabric.peers[msp_id]}")
    channel = ("-c", mixed.fabric.channel_id)
    return await asyncio.to_thread(mixed.fabric.peer, msp_id, "snapshot", command, *channel, *address, *roots, *options)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(mixed: Mixed, folder: Path) -> tuple[int, Path, Path]:
    """Both snapshots of one block that was still to come: its number, the Go peer's folder, ours."""
    number = mixed.ours.height - 1 + AHEAD
    for msp_id in (BANK, REGULATOR):
        asked = await snapshot(mixed, msp_id, "submitrequest", "-b", str(number))
        assert (asked.status, "Snapshot request submitted successfully" in asked.text) == (0, True), asked.text
        listed = await snapshot(mixed, msp_id, "listpending")
        assert f"Successfully got pending snapshot requests: [{number}]" in listed.output, listed.text
    for round in range(2 * AHEAD):
        await mixed.our_client.submit(
            "twin", "PutPrivate", "shared", f"q{round}", transient={"value": b"x"}, endorsing_organizations=MEMBERS
        )
    await mixed.settle()
    channel = mixed.fabric.channel_id
    theirs = folder / "network" / f"data-{BANK}" / "snapshots" / "completed" / channel / str(number)
    ours = folder / "ours" / "completed" / channel / str(number)
    await until(lambda: theirs.exists() and ours.exists())
    return number, theirs, ours


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = asyncio.get_running_loop().time() + 60
    while not holds():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.2)


async def test_command_line_is_refused_alike(mixed: Mixed) -> None:
    """Every refusal in the same words, whichever peer it comes from."""
    far = str(mixed.ours.height + 1000)
    for command, options in (
        ("submitrequest", ("-b", "1")),
        ("cancelrequest", ("-b", far)),
        ("submitrequest", ("-b", far)),
        ("submitrequest", ("-b", far)),
        ("cancelrequest", ("-b", far)),
        ("listpending", ()),
    ):
        theirs, ours = [await snapshot(mixed, msp_id, command, *options) for msp_id in (BANK, REGULATOR)]
        assert (ours.status, ours.output) == (theirs.status, theirs.output)
        assert error_of(ours) == error_of(theirs)


def error_of(outcome: Outcome) -> str:
    return outcome.errors.partition("Error: ")[2].partition("\n")[0]


async def test_snapshots_of_both_kinds_of_peer_are_equal_byte_for_byte(
    mixed: Mixed, made: tuple[int, Path, Path]
) -> None:
    number, theirs, ours = made
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (theirs, ours)]
    assert contents[0].keys() == contents[1].keys()
    for name in contents[0]:
        assert contents[0][name] == contents[1][name], name
    assert {SIGNABLE_NAME, ADDITIONAL_NAME, "private_state_hashes.data", "confighistory.data"} <= contents[0].keys()
    assert json.loads(contents[1][SIGNABLE_NAME])["last_block_number"] == number


async def test_ledgerutil_finds_them_equal(mixed: Mixed, made: tuple[int, Path, Path], folder: Path) -> None:
    results = folder / "compared"
    results.mkdir()
    arguments = ["compare", str(made[1]), str(made[2]), "-o", str(results)]
    compared = await asyncio.to_thread(mixed.fabric.tools.run, "ledgerutil", arguments)
    assert "Both snapshot public state and private state hashes were the same" in compared.output, compared.text


@pytest.mark.parametrize("kind", ["theirs", "ours"])
async def test_our_peer_joins_by_either_snapshot_and_goes_on(
    mixed: Mixed, made: tuple[int, Path, Path], kind: str, postgres_cluster: PostgresCluster, consensus: str
) -> None:
    number, theirs, ours = made
    channel = mixed.fabric.channel_id
    async with AsyncExitStack() as stack:
        _, port = await newcomer(mixed, postgres_cluster, f"joined_{kind}_{consensus}", stack)
        previous, mixed.fabric.peers[REGULATOR] = mixed.fabric.peers[REGULATOR], port
        stack.callback(mixed.fabric.peers.__setitem__, REGULATOR, previous)
        await join(mixed, REGULATOR, theirs if kind == "theirs" else ours)
        await went_on(mixed, REGULATOR, number)
        height = await height_of(mixed, REGULATOR)
        assert height == mixed.ours.height
        client = client_of(mixed, port, stack)
        async for block in client.blocks(number + 1, stop=height - 1):
            known = parse_block(await mixed.ours.block(block.header.number) or b"")
            assert recorded_commit_hash(block) == recorded_commit_hash(known)
        tx_id = parse_transaction(parse_block(await mixed.ours.block(number - 1) or b"").data.data[0]).tx_id
        for function, argument, text in (
            ("GetTransactionByID", tx_id, f"details for the TXID [{tx_id}] not available."),
            ("GetBlockByNumber", str(number), f"cannot serve block [{number}]."),
        ):
            query = ("chaincode", "query", "-C", channel, "-n", "qscc", "-c", call(function, channel, argument))
            asked = await asyncio.to_thread(mixed.fabric.peer, REGULATOR, *query)
            assert asked.status and text in asked.text, asked.text


def call(*arguments: str) -> str:
    return json.dumps({"Args": list(arguments)})


def client_of(mixed: Mixed, port: int, stack: AsyncExitStack) -> GatewayClient:
    channel = rpc.Channel(f"{HOST}:{port}", mixed.fabric.client_tls(REGULATOR))
    stack.push_async_callback(channel.close)
    return GatewayClient(channel, mixed.fabric.material.signer(REGULATOR), mixed.fabric.channel_id)


async def newcomer(mixed: Mixed, cluster: PostgresCluster, name: str, stack: AsyncExitStack) -> tuple[Peer, int]:
    """Start another peer of the regulator's, whose own channel is a different one and has no orderer."""
    material = mixed.fabric.material
    nowhere = tuple(f"{HOST}:{free_port()}" for _ in mixed.fabric.orderers)
    orderers = replace(material.org(ORDERER), orderer_endpoints=nowhere)
    spec = ChannelSpec(
        "elsewhere",
        orderer_orgs=(orderers,),
        application_orgs=tuple(material.org(msp_id) for msp_id in MEMBERS),
    )
    return await start_our_peer(
        mixed.fabric,
        REGULATOR,
        cluster.create_database(name),
        stack,
        others=(BANK, PARTNER),
        channel_id="elsewhere",
        genesis=genesis_block(spec).SerializeToString(deterministic=True),
    )


async def join(mixed: Mixed, msp_id: str, folder: Path) -> None:
    """Have a member's peer join by a snapshot, and wait until it has."""
    joined = await asyncio.to_thread(
        mixed.fabric.peer, msp_id, "channel", "joinbysnapshot", "--snapshotpath", str(folder)
    )
    assert joined.status == 0, joined.text
    for _ in range(100):
        status = await asyncio.to_thread(mixed.fabric.peer, msp_id, "channel", "joinbysnapshotstatus")
        if "No joinbysnapshot operation is in progress" in status.output:
            return
        assert f"A joinbysnapshot operation is in progress for snapshot at {folder}" in status.output, status.text
        await asyncio.sleep(0.2)
    raise AssertionError("joining does not end")


async def height_of(mixed: Mixed, msp_id: str) -> int:
    info = await asyncio.to_thread(mixed.fabric.peer, msp_id, "channel", "getinfo", "-c", mixed.fabric.channel_id)
    return int(json.loads(info.output.removeprefix("Blockchain info: "))["height"]) if info.status == 0 else 0


async def went_on(mixed: Mixed, msp_id: str, number: int) -> None:
    """Commit two more blocks and wait until a member's peer has them."""
    await mixed.our_client.submit("twin", "Put", "after", str(number), endorsing_organizations=[BANK, REGULATOR])
    await mixed.our_client.submit(
        "twin", "PutPrivate", "shared", "after", transient={"value": b"x"}, endorsing_organizations=[BANK, REGULATOR]
    )
    await mixed.settle()
    deadline = asyncio.get_running_loop().time() + 60
    while await height_of(mixed, msp_id) < mixed.ours.height:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.3)


async def test_go_peer_joins_by_our_snapshot_and_goes_on(
    mixed: Mixed, made: tuple[int, Path, Path], folder: Path
) -> None:
    """The partner's Go peer is started anew with nothing, and joins by what our peer made."""
    number, _, ours = made
    fabric = mixed.fabric
    await asyncio.to_thread(fabric.stop, f"peer-{PARTNER}")
    shutil.rmtree(folder / "network" / f"data-{PARTNER}")
    await asyncio.to_thread(fabric.start_peer, PARTNER, fabric.peers[PARTNER])
    await join(mixed, PARTNER, ours)
    await went_on(mixed, PARTNER, number)
    async with AsyncExitStack() as stack:
        channel = rpc.Channel(f"{HOST}:{fabric.peers[PARTNER]}", fabric.client_tls(PARTNER))
        stack.push_async_callback(channel.close)
        client = GatewayClient(channel, fabric.material.signer(PARTNER), fabric.channel_id, utc_now)
        height = mixed.ours.height
        async for block in client.blocks(number + 1, stop=height - 1):
            known = parse_block(await mixed.ours.block(block.header.number) or b"")
            assert recorded_commit_hash(block) == recorded_commit_hash(known) != b""
            assert block.metadata.metadata[2] == known.metadata.metadata[2]
