"""A peer's tables made anew from its blocks: the same rows as before, or untouched.

Method: three peers commit transactions of every kind, private values that expire and are purged among them; one is
stopped, its tables are compared before and after, and it goes on with the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from network.block import parse_block
from network.errors import CommitError
from node.peer.definition import approved_definition
from node.peer.errors import ChannelLockedError, MaintenanceError
from node.peer.maintenance.block_files import export_blocks
from node.peer.maintenance.replay import replay
from node.peer.snapshots.requests import SnapshotRequests, SnapshotSettings
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, Material, make_material
from tests.support.peer_network import CONTRACT, MEMBERS, POLICY, Member, PeerNetwork, running_network
from tests.support.private_collections import collection_package

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLES = {
    "block": "block_number, header_hash, previous_hash, commit_hash, tx_count, is_config, content",
    "transaction": "*",
    "state": "*",
    "private_state": "*",
    "expiry": "*",
    "history": "*",
    "private_write_set": "*",
    "private_purge": "*",
    "missing_private_set": "*",
}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    all_members = "OR('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')"
    # What expires has left the stored sets, and must neither come back nor be looked for.
    definitions = tuple(
        replace(
            approved_definition(name, "1.0", 1, POLICY),
            collections=collection_package("shared", all_members, **to_live),
        )
        for name, to_live in (("pc", {}), ("default", {"block_to_live": 2}))
    )
    folder = tmp_path_factory.mktemp("network")
    async with running_network(
        material,
        postgres_cluster,
        folder,
        "replay",
        definitions=definitions,
        contracts={"pc": CONTRACT, "default": CONTRACT},
    ) as network:
        await commit_much(network)
        yield network


async def commit_much(network: PeerNetwork) -> None:
    client = network.client()
    await client.submit("pc", "PutMany", "r", "40")
    await client.submit("pc", "CountRange", "r", "s")
    await client.submit("pc", "Delete", "r0003")
    await client.submit("pc", "Put", "k" * 1500, "long")
    for key in ("p1", "p2"):
        await client.submit(
            "pc", "PutPrivate", "shared", key, transient={"value": b"secret"}, endorsing_organizations=MEMBERS
        )
    await client.submit(
        "default", "PutPrivate", "shared", "brief", transient={"value": b"x"}, endorsing_organizations=MEMBERS
    )
    await client.submit("pc", "PurgePrivate", "shared", "p2", endorsing_organizations=MEMBERS)
    with pytest.raises(CommitError):
        await client.submit("pc", "Put", "few", "x", endorsing_organizations=[BANK])
    await client.submit("pc", "Emit", "paid", "5")
    await network.wait_for_height(network.peer().height)


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    with psycopg.connect(url) as connection:
        return {
            # A write set of which everything has expired is as good as none.
            table: sorted(
                row for row in connection.execute(_select(table)).fetchall() if row[-1] != b"" or table == "history"
            )
            for table in TABLES
        }


def _select(table: str) -> bytes:
    return f"SELECT {TABLES[table]} FROM channel.{table}".encode()


def creator(member: Member) -> bytes:
    return member.settings.identity.creator


@pytest_asyncio.fixture(loop_scope="module")
async def stopped(network: PeerNetwork) -> AsyncIterator[Member]:
    """The bank's peer, stopped; it is started again in the end and must catch up."""
    await network.wait_for_height(network.peer().height)
    member = network.members[BANK]
    await member.stop()
    yield member
    await member.start()
    await network.client("PartnerMSP").submit("pc", "Put", "after", "x", endorsing_organizations=MEMBERS[1:])
    await network.wait_for_height(network.peer("PartnerMSP").height)
    assert network.peer().commit_hash == network.peer("PartnerMSP").commit_hash


async def anew(member: Member, last_block: int | None = None) -> None:
    await asyncio.to_thread(replay, member.settings.database_url, CHANNEL, creator(member), last_block)


@pytest.mark.parametrize("last_block", [None, 0], ids=["rebuilt", "reset"])
async def test_snapshots_asked_for_before_are_asked_for_no_more(
    stopped: Member, last_block: int | None, tmp_path: Path
) -> None:
    """A Go peer drops them with its databases; kept, they would be made while the blocks come again."""
    with psycopg.connect(stopped.settings.database_url) as connection:
        [(channel_no, height)] = connection.execute(
            "SELECT channel_no, max(block_number) + 1 FROM channel.block GROUP BY channel_no"
        ).fetchall()
        connection.execute("INSERT INTO channel.snapshot_request VALUES (%s, %s)", (channel_no, height + 5))
    await anew(stopped, last_block)
    requests = SnapshotRequests(SnapshotSettings(stopped.settings.database_url, CHANNEL, tmp_path))
    requests.open(channel_no, 0)
    assert requests.pending() == []


async def test_rebuilt_tables_are_the_same_row_for_row(stopped: Member) -> None:
    before = rows(stopped.settings.database_url)
    assert before["private_state"]
    assert before["private_write_set"]
    await anew(stopped)
    after = rows(stopped.settings.database_url)
    for table in TABLES:
        assert after[table] == before[table], table


async def test_rebuilding_repairs_what_someone_changed(stopped: Member) -> None:
    before = rows(stopped.settings.database_url)
    with psycopg.connect(stopped.settings.database_url) as connection:
        connection.execute("UPDATE channel.state SET value = 'forged' WHERE key = 'r0001'")
        connection.execute("DELETE FROM channel.history WHERE key = 'r0002'")
    assert rows(stopped.settings.database_url) != before
    await anew(stopped)
    assert rows(stopped.settings.database_url) == before


@pytest.mark.parametrize("last_block", [0, 5])
async def test_given_up_blocks_come_again_with_their_private_values(
    network: PeerNetwork, stopped: Member, last_block: int
) -> None:
    before = rows(stopped.settings.database_url)
    await anew(stopped, last_block)
    given_up = rows(stopped.settings.database_url)
    assert max(row[0] for row in given_up["block"]) == last_block
    assert given_up["block"] == before["block"][: last_block + 1]
    await stopped.start()
    await asyncio.wait_for(stopped.peer.wait_for_height(len(before["block"])), 30)
    await stopped.stop()
    after = rows(stopped.settings.database_url)
    # A set from which something was purged is no longer the one whose hash stands in its block, and is looked for. That
    # of the purge is another: it no longer names the key.
    gone = [row for row in before["private_write_set"] if row not in after["private_write_set"]]
    assert len(gone) <= 2
    for table in TABLES.keys() - {"private_write_set", "missing_private_set"}:
        assert after[table] == before[table], table


async def test_block_that_comes_to_something_else_changes_nothing(stopped: Member) -> None:
    url = stopped.settings.database_url
    with psycopg.connect(url) as connection:
        content = connection.execute("SELECT content FROM channel.block WHERE block_number = 4").fetchone()
        assert content is not None
        block = parse_block(content[0])
        block.metadata.metadata[2] = bytes([block.metadata.metadata[2][0] ^ 1])
        tampered = (block.SerializeToString(),)
        connection.execute("UPDATE channel.block SET content = %s WHERE block_number = 4", tampered)
    before = rows(url)
    with pytest.raises(MaintenanceError, match="block 4 as it is stored cannot be committed again: validation codes"):
        await anew(stopped)
    assert rows(url) == before
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE channel.block SET content = %s WHERE block_number = 4", content)


async def test_running_peer_and_missing_blocks_are_refused(network: PeerNetwork) -> None:
    member = network.members[BANK]
    url = member.settings.database_url
    with pytest.raises(ChannelLockedError, match="another process commits blocks"):
        await anew(member)
    for channel, last, text in (
        ("none", None, "channel 'none' is not in this database"),
        (CHANNEL, 10_000, "block 10000 is not in channel"),
    ):
        await member.stop()
        with pytest.raises(MaintenanceError, match=text):
            await asyncio.to_thread(replay, url, channel, creator(member), last)
        await member.start()


async def test_export_is_refused_where_something_is(network: PeerNetwork, tmp_path: Path) -> None:
    url = network.members[BANK].settings.database_url
    with pytest.raises(MaintenanceError, match="exists: name a folder that does not"):
        export_blocks(url, CHANNEL, tmp_path)
    with pytest.raises(MaintenanceError, match="channel 'none' is not in this database"):
        export_blocks(url, "none", tmp_path / "new")
    assert not (tmp_path / "new").exists()
