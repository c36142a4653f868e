"""Private values between our peers: handed over at endorsement, fetched when missing, erased when their time is over.

Method: three organizations over mutual TLS and PostgreSQL. Two of them share collections; one peer endorses alone, so
the other has nothing but what it is given. The partner's port is closed to make it miss something. Every table that
could hold a value is searched for those that must not be there.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.peer import collection_pb2

from network import rpc
from network.errors import EndorseError, GatewayError, RpcError
from network.identity import SigningIdentity
from network.pb.dwaybank.peer.v1 import private_data_pb2 as pb
from network.rpc import StatusCode
from node.peer import reconciler
from node.peer.database import Connection, Parameters, fetch, migrate
from node.peer.definition import approved_definition
from node.peer.private_requests import signed_request
from node.peer.private_service import PULL, PUSH
from node.peer.snapshots.exporter import SnapshotFolders, export_snapshot
from node.peer.snapshots.files import SnapshotMetadata
from node.peer.snapshots.importer import import_snapshot
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, PARTNER, REGULATOR, Material, make_material
from tests.support.peer_network import CONTRACT, MEMBERS, PeerNetwork, client_tls, running_network
from tests.support.private_collections import collection_package

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANY = "OR('DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"
BILATERAL = "OR('DwaybankMSP.member', 'PartnerMSP.member')"
TABLES = (("private_state", "value"), ("private_write_set", "content"), ("transient_write_set", "content"))


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    package = collection_pb2.CollectionConfigPackage()
    for name, fields in (
        ("pushed", {"required_peer_count": 1, "maximum_peer_count": 2}),
        ("lazy", {"maximum_peer_count": 0}),
        ("offered", {"maximum_peer_count": 1}),
        ("short", {"required_peer_count": 1, "maximum_peer_count": 1, "block_to_live": 2}),
    ):
        package.MergeFromString(collection_package(name, BILATERAL, member_only_read=True, **fields))
    definition = replace(approved_definition("pc", "1.0", 1, ANY), collections=package.SerializeToString())
    folder = tmp_path_factory.mktemp("network")
    async with running_network(
        material, postgres_cluster, folder, "exchange", definitions=(definition,), contracts={"pc": CONTRACT}
    ) as network:
        yield network


async def put(network: PeerNetwork, collection: str, key: str, value: bytes) -> int:
    """Have the bank's peer alone endorse a private value; return the block."""
    committed = await network.client().submit(
        "pc", "PutPrivate", collection, key, transient={"value": value}, endorsing_organizations=[BANK]
    )
    await network.wait_for_height(committed.block_number + 1)
    return committed.block_number


async def read(network: PeerNetwork, msp_id: str, collection: str, key: str) -> bytes:
    client = network.client(msp_id)
    return await client.evaluate("pc", "GetPrivate", collection, key, target_organizations=[msp_id])


async def until_read(network: PeerNetwork, msp_id: str, collection: str, key: str, value: bytes) -> None:
    """Wait until a peer has a value."""
    async with asyncio.timeout(20):
        while True:
            try:
                assert await read(network, msp_id, collection, key) == value
                return
            except GatewayError:
                await asyncio.sleep(0.1)


@contextmanager
def database(network: PeerNetwork, msp_id: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(network.members[msp_id].settings.database_url, autocommit=True) as connection:
        yield connection


def expiries(url: str) -> list[tuple[Any, ...]]:
    """Return what leaves the state of a peer, and when."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT * FROM channel.expiry ORDER BY expiring_block, key").fetchall()


def places(network: PeerNetwork, msp_id: str, value: str) -> set[str]:
    """Return the tables of an organization that hold a value anywhere."""
    with database(network, msp_id) as connection:
        return {
            table
            for table, column in TABLES
            if connection.execute(
                f"SELECT 1 FROM channel.{table} WHERE position(%s IN encode({column}, 'escape')) > 0".encode(), (value,)
            ).fetchone()
        }


def missing(network: PeerNetwork, msp_id: str) -> int:
    with database(network, msp_id) as connection:
        row = connection.execute("SELECT count(*) FROM channel.missing_private_set").fetchone()
        assert row is not None
        return int(row[0])


async def test_value_endorsed_by_one_member_is_at_once_with_the_other_and_nobody_else(network: PeerNetwork) -> None:
    await put(network, "pushed", "k", b"for-two-members")
    assert await read(network, PARTNER, "pushed", "k") == b"for-two-members"
    with pytest.raises(GatewayError, match="does not have read access permission"):
        await read(network, REGULATOR, "pushed", "k")
    assert places(network, PARTNER, "for-two-members") == {"private_state", "private_write_set"}
    assert places(network, REGULATOR, "for-two-members") == set()
    assert [missing(network, msp_id) for msp_id in MEMBERS] == [0, 0, 0]


async def test_value_that_was_not_pushed_is_fetched_after_the_commit(network: PeerNetwork) -> None:
    await put(network, "lazy", "k", b"fetched-first")
    await until_read(network, PARTNER, "lazy", "k", b"fetched-first")
    assert missing(network, PARTNER) == 0
    assert places(network, PARTNER, "fetched-first") == {"private_state", "private_write_set"}
    assert places(network, REGULATOR, "fetched-first") == set()


async def test_too_few_takers_mean_no_endorsement(network: PeerNetwork) -> None:
    partner = network.members[PARTNER]
    await partner.server.stop(0)
    try:
        with pytest.raises(EndorseError, match="requires 1 other peers to have it, and 0 of 1 that are known took it"):
            await put(network, "pushed", "k", b"nobody-takes-this")
        assert await read(network, BANK, "pushed", "k") == b"for-two-members"
    finally:
        await serve_again(network)


async def serve_again(network: PeerNetwork) -> None:
    partner = network.members[PARTNER]
    partner.server = rpc.Server("127.0.0.1", partner.port, partner.tls)
    partner.peer.register(partner.server)
    await partner.server.start()


async def test_member_that_was_away_catches_up_with_what_is_current_and_what_was(network: PeerNetwork) -> None:
    partner = network.members[PARTNER]
    await partner.stop()
    height = network.peer(BANK).height
    for value in (b"away-one", b"away-two"):
        committed = await network.client().submit(
            "pc", "PutPrivate", "offered", "away", transient={"value": value}, endorsing_organizations=[BANK]
        )
    await partner.start()
    await network.wait_for_height(committed.block_number + 1)
    await until_read(network, PARTNER, "offered", "away", b"away-two")
    assert committed.block_number > height
    assert places(network, PARTNER, "away-one") == {"private_write_set"}
    await network.found_again(lambda: put(network, "pushed", "again", b"with-the-other"))


def kept_sets(network: PeerNetwork, msp_id: str, word: str) -> list[tuple[int, bytes]]:
    """Return block and content of the private write sets an organization keeps that hold a word."""
    with database(network, msp_id) as connection:
        rows = connection.execute("SELECT block_number, content FROM channel.private_write_set").fetchall()
    return [(number, content) for number, content in rows if word.encode() in content]


def forge(network: PeerNetwork, msp_id: str, block: int, content: bytes) -> None:
    """Have an organization's peer hand out something else than it keeps."""
    with database(network, msp_id) as connection:
        connection.execute(
            "UPDATE channel.private_write_set SET content = %s WHERE block_number = %s", (content, block)
        )


def asked_in_vain(network: PeerNetwork, msp_id: str) -> bool:
    with database(network, msp_id) as connection:
        return connection.execute("SELECT 1 FROM channel.missing_private_set WHERE tries > 0").fetchone() is not None


async def test_rest_of_a_purged_set_comes_if_it_is_true_and_whole_and_names_no_purged_key(network: PeerNetwork) -> None:
    partner = network.members[PARTNER]
    await partner.stop()
    values = {"value": b"purged-away", "other": b"rest-stays"}
    await network.client().submit(
        "pc", "PutPrivatePair", "offered", "key-gone", "key-rest", transient=values, endorsing_organizations=[BANK]
    )
    purged = await network.client().submit("pc", "PurgePrivate", "offered", "key-gone", endorsing_organizations=[BANK])
    await network.peer(BANK).wait_for_height(purged.block_number + 1)
    ((block, rest),) = kept_sets(network, BANK, "key-rest")
    message = rwset_pb2.TxPvtReadWriteSet.FromString(rest)
    message.ns_pvt_rwset[0].collection_pvt_rwset[0].rwset = b""
    for forged in (rest.replace(b"rest-stays", b"rest-lies!"), message.SerializeToString()):
        forge(network, BANK, block, forged)
        with database(network, PARTNER) as connection:
            connection.execute("UPDATE channel.missing_private_set SET tries = 0")
        await partner.start()
        await network.wait_for_height(purged.block_number + 1)
        async with asyncio.timeout(20):
            while not asked_in_vain(network, PARTNER):  # noqa: ASYNC110 - it happens in the database
                await asyncio.sleep(0.05)
        with pytest.raises(GatewayError, match="private data matching public hash version is not available"):
            await read(network, PARTNER, "offered", "key-rest")
        await partner.stop()
    forge(network, BANK, block, rest)
    await partner.start()
    await until_read(network, PARTNER, "offered", "key-rest", b"rest-stays")
    assert missing(network, PARTNER) == 0
    for word in ("purged-away", "key-gone"):
        assert [places(network, msp_id, word) for msp_id in MEMBERS] == [set(), set(), set()]
    await network.found_again(lambda: put(network, "pushed", "again", b"with-the-other"))


async def test_connection_lost_at_any_step_of_storing_what_came_costs_another_round_only(
    network: PeerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[list[str]] = []
    lost_at = 0

    def fetch_or_lose(connection: Connection, name: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        if name == "delete_missing_private":
            tries.append([])
        if tries and name != "read_missing_private":
            tries[-1].append(name)
            if len(tries) == 1 and len(tries[0]) == lost_at:
                with database(network, PARTNER) as other:
                    other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        return fetch(connection, name, parameters)

    async def store(value: bytes) -> Sequence[list[str]]:
        tries.clear()
        await put(network, "lazy", "step", value)
        await until_read(network, PARTNER, "lazy", "step", value)
        return tries.copy()

    monkeypatch.setattr(reconciler, "fetch", fetch_or_lose)
    (steps,) = await store(b"nothing-lost")
    assert len(steps) >= 4
    for lost_at in range(1, len(steps) + 1):
        value = b"lost-at-%d" % lost_at
        assert await store(value) == [steps[:lost_at], steps]
        assert missing(network, PARTNER) == 0
        assert places(network, PARTNER, value.decode()) == {"private_state", "private_write_set"}


async def test_time_to_live_erases_every_copy(network: PeerNetwork) -> None:
    await put(network, "short", "k", b"short-lived")
    assert places(network, BANK, "short-lived") == places(network, PARTNER, "short-lived") != set()
    await put(network, "short", "other", b"longer-lived")
    for number in range(3):
        committed = await network.client().submit("pc", "Put", "time", str(number))
    await network.wait_for_height(committed.block_number + 1)
    for msp_id in (BANK, PARTNER):
        assert places(network, msp_id, "short-lived") == set()
        assert await read(network, msp_id, "short", "k") == b""


class Stranger:
    """A peer, or somebody who would like to be one, asking the bank's peer."""

    def __init__(self, network: PeerNetwork, msp_id: str, identity: SigningIdentity | None = None) -> None:
        self.channel = rpc.Channel(f"localhost:{network.members[BANK].port}", client_tls(network.material, msp_id))
        self.identity = identity or network.material.signer(msp_id, "peer")

    async def pull(self, block: int, tls_certificate_hash: bytes | None = None) -> pb.PullPrivateDataResponse:
        wanted = pb.PrivateWriteSetId(block_number=block, tx_number=0, namespace="pc", collection="pushed")
        payload = pb.WantedWriteSets(
            channel_id=CHANNEL,
            wanted=[wanted],
            tls_certificate_hash=self.channel.tls_certificate_hash
            if tls_certificate_hash is None
            else tls_certificate_hash,
        )
        request = pb.PullPrivateDataRequest(signed=signed_request(payload, self.identity))
        reply = await self.channel.unary(PULL, request.SerializeToString(), 5)
        return pb.PullPrivateDataResponse.FromString(reply)

    async def push(self, channel_id: str, write_set: bytes) -> None:
        payload = pb.PushedWriteSet(
            channel_id=channel_id,
            tx_id="t" * 64,
            write_set=write_set,
            tls_certificate_hash=self.channel.tls_certificate_hash,
        )
        request = pb.PushPrivateDataRequest(signed=signed_request(payload, self.identity))
        await self.channel.unary(PUSH, request.SerializeToString(), 5)


async def test_only_members_peers_get_values_and_only_over_their_own_connection(network: PeerNetwork) -> None:
    block = await put(network, "pushed", "asked", b"asked-for")
    member = Stranger(network, PARTNER)
    assert b"asked-for" in (await member.pull(block)).SerializeToString()
    regulator = Stranger(network, REGULATOR)
    assert (await regulator.pull(block)).SerializeToString() == b""
    for caller, certificate, text, code in (
        # A request that the partner signed, shown by the regulator.
        (Stranger(network, REGULATOR, member.identity), member.channel.tls_certificate_hash, "not that of this", 7),
        (Stranger(network, PARTNER, network.material.signer(PARTNER)), None, "goes to peers only", 7),
    ):
        with pytest.raises(RpcError, match=text) as refusal:
            await caller.pull(block, certificate)
        assert refusal.value.code == code
        await caller.channel.close()
    forged = Stranger(network, PARTNER)
    forged.identity = replace_creator(network.material.signer(REGULATOR, "peer"), member.identity)
    with pytest.raises(RpcError) as refusal:
        await forged.pull(block)
    assert refusal.value.code == StatusCode.UNAUTHENTICATED
    forged.identity.creator = bytes(65_537)
    with pytest.raises(RpcError, match="creator: 65537 bytes, more than 65536"):
        await forged.pull(block)
    with pytest.raises(RpcError, match="not on channel 'other'"):
        await member.push("other", b"")
    with pytest.raises(RpcError, match="write_set"):
        await member.push(CHANNEL, b"\xff")
    with pytest.raises(RpcError, match="no member of any of the collections"):
        await member.push(CHANNEL, b"")
    for stranger in (member, regulator, forged):
        await stranger.channel.close()


class _Pretender:
    """Signs with one key and shows another's certificate."""

    def __init__(self, signer: SigningIdentity, shown: SigningIdentity) -> None:
        self._signer = signer
        self.creator = shown.creator

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(message)


def replace_creator(signer: SigningIdentity, shown: SigningIdentity) -> Any:
    return _Pretender(signer, shown)


async def test_pushed_values_that_no_block_asks_for_are_never_kept(network: PeerNetwork) -> None:
    """A member pushes other values under the id of a transaction that is endorsed elsewhere."""
    client = network.client()
    prepared = await client.endorse(
        "pc", "PutPrivate", "offered", "slipped", transient={"value": b"true-value"}, endorsing_organizations=[BANK]
    )
    assert hashlib.sha256(b"true-value").digest() in prepared.message
    with database(network, PARTNER) as connection:
        connection.execute(
            """
            INSERT INTO channel.transient_write_set
            SELECT channel_no, tx_id, sha256('x'), decode(replace(encode(content, 'hex'), %s, %s), 'hex'), 0
            FROM channel.transient_write_set WHERE tx_id = %s
            """,
            (b"true-value".hex(), b"fake-value".hex(), prepared.tx_id),
        )
    await client.submit_prepared(prepared)
    status = await client.commit_status(prepared.tx_id)
    await network.wait_for_height(status.block_number + 1)
    assert await read(network, PARTNER, "offered", "slipped") == b"true-value"
    assert places(network, PARTNER, "fake-value") == set()


async def test_values_of_before_a_snapshot_are_asked_of_the_other_members(
    network: PeerNetwork, postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    """The partner's and the regulator's peers begin anew, from a snapshot of the bank's."""
    await put(network, "pushed", "old", b"before-replaced")
    await put(network, "pushed", "old", b"before-the-snapshot")
    await put(network, "pushed", "other", b"before-it-too")
    await put(network, "short", "brief", b"before-it-expires")
    bank = network.members[BANK]
    number = network.peer(BANK).height - 1
    folder = export_snapshot(bank.settings.database_url, 1, CHANNEL, number, SnapshotFolders(tmp_path), lambda: False)
    assert folder is not None
    for msp_id in (PARTNER, REGULATOR):
        member = network.members[msp_id]
        await member.stop()
        url = postgres_cluster.create_database(f"begun_{msp_id.lower()}")
        with psycopg.connect(url) as owner:
            migrate(owner)
        metadata = SnapshotMetadata.read(folder)
        import_snapshot(url, folder, metadata, datetime.now(UTC), member.settings.identity.creator)
        assert expiries(url) == expiries(bank.settings.database_url) != []
        member.settings = replace(member.settings, database_url=url)
    # A member that lies is not believed.
    ((block, content),) = kept_sets(network, BANK, "before-it-too")
    forge(network, BANK, block, content.replace(b"before-it-too", b"before-it-all"))
    for msp_id in (PARTNER, REGULATOR):
        await network.members[msp_id].start()
    await until_read(network, PARTNER, "pushed", "old", b"before-the-snapshot")
    with pytest.raises(GatewayError, match="private data matching public hash version is not available"):
        await read(network, PARTNER, "pushed", "other")
    forge(network, BANK, block, content)
    await until_read(network, PARTNER, "pushed", "other", b"before-it-too")
    assert places(network, PARTNER, "before-replaced") == set()
    for word in ("before-the-snapshot", "before-it-too"):
        assert places(network, PARTNER, word) == {"private_state", "private_write_set"}
        assert places(network, REGULATOR, word) == set()
    assert missing(network, REGULATOR) == 0
    await network.found_again(lambda: put(network, "pushed", "after", b"goes-on"))
    assert await read(network, PARTNER, "pushed", "after") == b"goes-on"
