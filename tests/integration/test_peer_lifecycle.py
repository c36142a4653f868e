"""The whole life of a chaincode on our peers: installed, approved by each member, committed, invoked, approved anew.

Method: three organizations over mutual TLS and PostgreSQL, whose settings approve nothing. Texts are Fabric's.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from fabric_protos.peer import proposal_response_pb2, query_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from chaincode.in_process import load
from chaincode.shim.server import ChaincodeServer
from network.block import parse_block
from network.client import GatewayClient
from network.errors import EndorseError, GatewayError, RpcError
from network.genesis import ChannelSpec, genesis_block
from node.peer.definition import Definition, approved_definition
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, ORDERER, PARTNER, REGULATOR, Material, make_material
from tests.support.joining_blocks import joining_blocks
from tests.support.packages import package, package_id, python_package, service_package
from tests.support.peer_network import CONTRACT, MEMBERS, POLICY, PeerNetwork, ask_peer, running_network
from tests.support.private_collections import collection_package

pytestmark = pytest.mark.asyncio(loop_scope="module")

PACKAGE = python_package("pc_1", CONTRACT)
PACKAGE_ID = package_id("pc_1", PACKAGE)
SERVICE_PORT = free_port()


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    folder = tmp_path_factory.mktemp("network")
    by_member = {msp_id: {"chaincode_values": {"port": str(SERVICE_PORT)}} for msp_id in MEMBERS}
    async with running_network(
        material, postgres_cluster, folder, "lifecycle", definitions=(), contracts={}, by_member=by_member
    ) as network:
        for msp_id in MEMBERS:
            assert (await install(network, msp_id, PACKAGE)).status == 200
        yield network


async def define(network: PeerNetwork, definition: Definition, package: str = PACKAGE_ID) -> None:
    """Have every member approve a definition, and commit it."""
    for msp_id in MEMBERS:
        await approve(network, msp_id, definition, package)
    await network.commit_definition(definition)


def admin(network: PeerNetwork, msp_id: str) -> GatewayClient:
    return network.client(msp_id, network.material.signer(msp_id, "Admin"))


async def install(network: PeerNetwork, msp_id: str, content: bytes) -> proposal_response_pb2.Response:
    arguments = lifecycle_pb2.InstallChaincodeArgs(chaincode_install_package=content).SerializeToString()
    return await ask(network, msp_id, "InstallChaincode", arguments)


async def ask(
    network: PeerNetwork, msp_id: str, function: str, arguments: bytes, user: str = "Admin"
) -> proposal_response_pb2.Response:
    """Ask a member's peer for what concerns no channel."""
    signer = network.material.signer(msp_id, user)
    answer = await ask_peer(network.channel(msp_id), signer, "_lifecycle", function.encode(), arguments)
    assert not answer.HasField("endorsement")
    return answer.response


async def approve(network: PeerNetwork, msp_id: str, definition: Definition, package: str) -> None:
    committed = await admin(network, msp_id).submit(
        "_lifecycle",
        "ApproveChaincodeDefinitionForMyOrg",
        definition.approve_arguments(package),
        endorsing_organizations=[msp_id],
    )
    await network.wait_for_height(committed.block_number + 1)


async def readiness(network: PeerNetwork, definition: Definition) -> Any:
    arguments = lifecycle_pb2.CheckCommitReadinessArgs.FromString(definition.commit_arguments()).SerializeToString()
    reply = await network.client().evaluate("_lifecycle", "CheckCommitReadiness", arguments)
    return lifecycle_pb2.CheckCommitReadinessResult.FromString(reply)


async def refusal(network: PeerNetwork, definition: Definition, package: str, msp_id: str = BANK) -> str:
    with pytest.raises(EndorseError) as failure:
        await approve(network, msp_id, definition, package)
    return str(failure.value)


async def test_package_is_installed_once_listed_and_handed_out(network: PeerNetwork) -> None:
    content = python_package("once_1", CONTRACT)
    package_id_of_it = package_id("once_1", content)
    installed = await install(network, BANK, content)
    result = lifecycle_pb2.InstallChaincodeResult.FromString(installed.payload)
    assert (installed.status, result.package_id, result.label) == (200, package_id_of_it, "once_1")
    again = await install(network, BANK, content)
    assert (again.status, again.message) == (
        500,
        "failed to invoke backing implementation of 'InstallChaincode': chaincode already successfully installed "
        f"(package ID '{package_id_of_it}')",
    )
    named = lifecycle_pb2.GetInstalledChaincodePackageArgs(package_id=package_id_of_it).SerializeToString()
    handed = await ask(network, BANK, "GetInstalledChaincodePackage", named)
    found = lifecycle_pb2.GetInstalledChaincodePackageResult.FromString(handed.payload)
    assert found.chaincode_install_package == content
    listed = await ask(network, BANK, "QueryInstalledChaincodes", b"")
    result = lifecycle_pb2.QueryInstalledChaincodesResult.FromString(listed.payload)
    assert (package_id_of_it, {}) in [(item.package_id, dict(item.references)) for item in result.installed_chaincodes]


@pytest.mark.parametrize(
    ("function", "arguments", "user", "text"),
    [
        ("InstallChaincode", b"", "Admin", "could not parse as a chaincode install package"),
        ("InstallChaincode", b"", "Node", "Failed to authorize invocation due to failed ACL check: Failed verifying"),
        ("QueryInstalledChaincodes", b"", "Node", "with policy \\[Admins\\]"),
        ("QueryInstalledChaincode", b"\n\x01x", "Admin", "could not find chaincode with package id 'x'"),
        ("GetInstalledChaincodePackage", b"\n\x01x", "Admin", "chaincode install package 'x' not found"),
        ("ApproveChaincodeDefinitionForMyOrg", b"", "Admin", "it needs a channel"),
        (
            "CommitChaincodeDefinition",
            b"",
            "Admin",
            r"local MSP principal during channelless check policy with policy \[/Channel/Application/Writers\]: \[MSP",
        ),
        ("Nothing", b"", "Admin", "Unmapped policy for _lifecycle/Nothing"),
        (
            "InstallChaincode",
            b"\xff",
            "Admin",
            r"could not decode input arg for \*lifecycle.Invocation.InstallChaincode: proto: cannot parse invalid",
        ),
    ],
)
async def test_function_of_the_peer_that_fails_says_why(
    network: PeerNetwork, function: str, arguments: bytes, user: str, text: str
) -> None:
    answer = await ask(network, BANK, function, arguments, user)
    assert answer.status == 500
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(answer.message)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (python_package("x", "no.such:Contract"), "'no.such:Contract' names no contract"),
        (python_package("x", "json:JSONDecoder"), "is not a subclass of chaincode.contract.Contract"),
        (package("x", "golang", {}), "this peer builds no code"),
        (package("x", "external", {}), "this peer takes no chaincodes that dial in"),
    ],
    ids=["no module", "no contract", "no type", "no address"],
)
async def test_package_that_cannot_run_is_not_installed(network: PeerNetwork, content: bytes, text: str) -> None:
    answer = await install(network, BANK, content)
    assert answer.status == 500
    assert text in answer.message
    listed = await ask(network, BANK, "QueryInstalledChaincodes", b"")
    found = lifecycle_pb2.QueryInstalledChaincodesResult.FromString(listed.payload).installed_chaincodes
    assert "x" not in {item.label for item in found}


async def test_members_of_others_may_not_ask_the_peer_itself(network: PeerNetwork) -> None:
    signer = network.material.signer(PARTNER, "Admin")
    with pytest.raises(RpcError, match="access denied"):
        await ask_peer(network.channel(BANK), signer, "_lifecycle", b"QueryInstalledChaincodes", b"")


async def test_definition_is_approved_committed_and_run(network: PeerNetwork) -> None:
    definition = approved_definition("life", "1.0", 1, POLICY)
    ready = await readiness(network, definition)
    assert dict(ready.approvals) == dict.fromkeys(MEMBERS, False)
    assert [(msp_id, list(found.items)) for msp_id, found in sorted(ready.mismatches.items())] == [
        (msp_id, ["ChaincodeParameters"]) for msp_id in MEMBERS
    ]
    await approve(network, BANK, definition, PACKAGE_ID)
    await approve(network, PARTNER, replace(definition, version="1.1"), PACKAGE_ID)
    ready = await readiness(network, definition)
    assert dict(ready.approvals) == {BANK: True, PARTNER: False, REGULATOR: False}
    assert list(ready.mismatches[PARTNER].items) == ["EndorsementInfo"]
    with pytest.raises(EndorseError, match="failed to collect enough transaction endorsements"):
        await network.client().submit("_lifecycle", "CommitChaincodeDefinition", definition.commit_arguments())
    await approve(network, PARTNER, definition, PACKAGE_ID)
    await approve(network, REGULATOR, definition, PACKAGE_ID)
    assert dict((await readiness(network, definition)).approvals) == dict.fromkeys(MEMBERS, True)
    await network.commit_definition(definition)
    committed = await network.client().submit("life", "Put", "k", "v")
    await network.wait_for_height(committed.block_number + 1)
    assert await network.client(REGULATOR).evaluate("life", "Get", "k") == b"v"
    assert len({network.peer(msp_id).commit_hash for msp_id in MEMBERS}) == 1


async def test_approvals_and_their_packages_can_be_queried(network: PeerNetwork) -> None:
    await define(network, approved_definition("asked", "1.0", 1, POLICY))
    client = admin(network, BANK)
    arguments = lifecycle_pb2.QueryApprovedChaincodeDefinitionArgs(name="asked").SerializeToString()
    reply = await client.evaluate("_lifecycle", "QueryApprovedChaincodeDefinition", arguments)
    found = lifecycle_pb2.QueryApprovedChaincodeDefinitionResult.FromString(reply)
    assert (found.sequence, found.version, found.source.local_package.package_id) == (1, "1.0", PACKAGE_ID)
    reply = await client.evaluate("_lifecycle", "QueryApprovedChaincodeDefinitions", b"")
    listed = lifecycle_pb2.QueryApprovedChaincodeDefinitionsResult.FromString(reply).approved_chaincode_definitions
    assert ("asked", 1) in [(item.name, item.sequence) for item in listed]
    arguments = lifecycle_pb2.QueryInstalledChaincodeArgs(package_id=PACKAGE_ID).SerializeToString()
    answer = await ask(network, BANK, "QueryInstalledChaincode", arguments)
    references = lifecycle_pb2.QueryInstalledChaincodeResult.FromString(answer.payload).references
    assert ("asked", "1.0") in [(item.name, item.version) for item in references[CHANNEL].chaincodes]
    arguments = lifecycle_pb2.QueryApprovedChaincodeDefinitionArgs(name="none").SerializeToString()
    with pytest.raises(
        GatewayError, match=r"could not fetch approved chaincode definition \(name: 'none', sequence: '0'"
    ):
        await client.evaluate("_lifecycle", "QueryApprovedChaincodeDefinition", arguments)
    with pytest.raises(GatewayError, match="Failed to authorize invocation due to failed ACL check"):
        await network.client().evaluate("_lifecycle", "QueryApprovedChaincodeDefinition", arguments)


async def test_approval_that_may_not_be_given_is_refused(network: PeerNetwork) -> None:
    first = approved_definition("strict", "1.0", 1, POLICY)
    second, third = replace(first, sequence=2), replace(first, sequence=3)
    zero = approved_definition("new", "1.0", 0, POLICY)
    await define(network, first)
    texts = [
        await refusal(network, first, PACKAGE_ID),
        await refusal(network, replace(first, version="9"), PACKAGE_ID),
        await refusal(network, third, PACKAGE_ID),
        await refusal(network, zero, PACKAGE_ID),
        await refusal(network, replace(zero, sequence=1, name="bad name"), PACKAGE_ID),
        await refusal(network, replace(zero, sequence=1, name="qscc"), PACKAGE_ID),
        await refusal(network, replace(zero, sequence=1, version="a b"), PACKAGE_ID),
    ]
    expected = [
        "attempted to redefine the current committed sequence (1) for namespace strict",
        "with different parameters: expected Version '1.0' does not match passed Version '9'",
        "requested sequence 3 is larger than the next available sequence number 2",
        "requested sequence is 0, but first definable sequence number is 1",
        "error validating chaincode definition: invalid chaincode name 'bad name'",
        "chaincode name 'qscc' is the name of a system chaincode",
        "invalid chaincode version 'a b'",
    ]
    assert [text for text, wanted in zip(texts, expected, strict=True) if wanted not in text] == []
    await approve(network, BANK, second, PACKAGE_ID)
    text = "attempted to redefine uncommitted sequence (2) for namespace strict with unchanged content"
    assert text in await refusal(network, second, PACKAGE_ID)
    await approve(network, PARTNER, second, PACKAGE_ID)
    await network.commit_definition(second)
    assert "currently defined sequence 2 is larger than requested sequence 1" in await refusal(
        network, first, PACKAGE_ID
    )


async def test_member_that_has_not_approved_the_new_definition_does_not_endorse(network: PeerNetwork) -> None:
    first = approved_definition("late", "1.0", 1, POLICY)
    definition = replace(first, sequence=2)
    await define(network, first)
    for msp_id in (BANK, PARTNER):
        await approve(network, msp_id, definition, PACKAGE_ID)
    await network.commit_definition(definition)

    async def refused() -> str:
        with pytest.raises(EndorseError) as failure:
            await network.client().submit("late", "Put", "k", "w", endorsing_organizations=[REGULATOR])
        return str(failure.value)

    assert "at sequence 2 on channel 'anchors' has not yet been approved by this org" in await refused()
    with pytest.raises(GatewayError, match="no peers available to evaluate chaincode late"):
        await network.client(REGULATOR).evaluate("late", "Get", "k", target_organizations=[REGULATOR])
    # An approval without a package says: do not run it here.
    await approve(network, REGULATOR, definition, "")
    assert "chaincode definition for 'late' exists, but chaincode is not installed" in await refused()
    await approve(network, REGULATOR, definition, PACKAGE_ID)
    committed = await network.client().submit("late", "Put", "k", "w", endorsing_organizations=[REGULATOR, BANK])
    await network.wait_for_height(committed.block_number + 1)


async def test_chaincode_as_a_service_is_dialled_once_it_is_invoked(network: PeerNetwork) -> None:
    content = service_package("svc_1", address="localhost:{{.port}}", dial_timeout="3s", tls_required=False)
    package = package_id("svc_1", content)
    definition = approved_definition("svc", "1.0", 1, POLICY)
    for msp_id in MEMBERS:
        assert (await install(network, msp_id, content)).status == 200
    await define(network, definition, package)
    with pytest.raises(EndorseError, match="could not launch chaincode svc_1"):
        await network.client().submit("svc", "Put", "k", "v")
    server = ChaincodeServer(load(CONTRACT), package, "127.0.0.1", SERVICE_PORT)
    await server.start()
    try:
        assert (await network.client().submit("svc", "Put", "k", "v")).result == b"v"
        assert (await network.client().submit("svc", "Update", "k", "w")).result == b"v"
    finally:
        await server.stop(0)


async def test_upgraded_service_is_asked_and_the_old_one_no_more(network: PeerNetwork) -> None:
    port = free_port()
    versions = [
        service_package(f"up_{number}", address=f"localhost:{port}", dial_timeout="1s", tls_required=False)
        for number in (1, 2)
    ]
    packages = [package_id(f"up_{number}", content) for number, content in enumerate(versions, 1)]
    for content in versions:
        for msp_id in MEMBERS:
            assert (await install(network, msp_id, content)).status == 200
    client = network.client()
    old = ChaincodeServer(load(CONTRACT), packages[0], "127.0.0.1", port)
    await old.start()
    try:
        await define(network, approved_definition("up", "1.0", 1, POLICY), packages[0])
        assert (await client.submit("up", "Put", "k", "v")).result == b"v"
        # The process is still that of the old package, where the new one says that it listens.
        await define(network, approved_definition("up", "2.0", 2, POLICY), packages[1])
        with pytest.raises(EndorseError, match="could not launch chaincode up_2"):
            await client.submit("up", "Put", "k", "w")
    finally:
        await old.stop(0)
    new = ChaincodeServer(load(CONTRACT), packages[1], "127.0.0.1", port)
    await new.start()
    try:
        assert (await client.submit("up", "Update", "k", "w")).result == b"v"
    finally:
        await new.stop(0)
    await asyncio.sleep(2)
    dialled = 0

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dialled
        dialled += 1
        writer.close()

    async with await asyncio.start_server(count, "127.0.0.1", port):
        await asyncio.sleep(2)
    # Neither package is asked for, so neither is looked for.
    assert dialled == 0
    again = ChaincodeServer(load(CONTRACT), packages[1], "127.0.0.1", port)
    await again.start()
    try:
        assert (await client.submit("up", "Update", "k", "x")).result == b"w"
    finally:
        await again.stop(0)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "_x"}, "invalid collection name '_x'"),
        ({"name": "a" * 40 + "!"}, "invalid collection name"),
        ({"required_peer_count": 2}, "maximum peer count (1) cannot be less than the required peer count (2)"),
        ({"maximum_peer_count": -1, "required_peer_count": -1}, "requiredPeerCount (-1) cannot be less than zero"),
        ({"policy": "OR('ElsewhereMSP.member')"}, "collection member 'ElsewhereMSP' is not part of the channel"),
        ({"policy": "AND('DwaybankMSP.member', 'PartnerMSP.member')"}, "is not an OR concatenation, NOutOf 2"),
        ({"policy": ""}, "collection member policy is not set for collection 'c'"),
        ({"times": 2}, "collection-name: c -- found duplicate in collection configuration"),
    ],
)
async def test_collection_that_cannot_be_kept_is_refused(
    network: PeerNetwork, changes: dict[str, Any], text: str
) -> None:
    definition = replace(approved_definition("coll", "1.0", 1, POLICY), collections=collections(**changes))
    refused = await refusal(network, definition, "")
    assert "error validating chaincode definition: " in refused
    assert text in refused


async def test_collection_may_not_go_nor_change_how_long_it_lives(network: PeerNetwork) -> None:
    first = replace(approved_definition("kept", "1.0", 1, POLICY), collections=collections(block_to_live=5))
    for msp_id in (BANK, PARTNER):
        await approve(network, msp_id, first, "")
    await network.commit_definition(first)
    second = replace(first, sequence=2)
    assert "the BlockToLive in an existing collection [c] modified. Existing value [5]" in await refusal(
        network, replace(second, collections=collections(block_to_live=6)), ""
    )
    assert "existing collection [c] missing in the proposed collection configuration" in await refusal(
        network, replace(second, collections=collections(name="d")), ""
    )
    assert "does not contain previously defined collections" in await refusal(
        network, replace(second, collections=b""), ""
    )


def collections(policy: str = "OR('DwaybankMSP.member')", *, name: str = "c", times: int = 1, **changes: Any) -> bytes:
    """Return one collection as it may be approved, but for the changes."""
    return collection_package(name, policy, times=times, **({"maximum_peer_count": 1} | changes))


async def test_joined_channel_outlives_the_peer(network: PeerNetwork) -> None:
    await define(network, approved_definition("stays", "1.0", 1, POLICY))
    committed = await network.client().submit("stays", "Put", "k", "w")
    spec = ChannelSpec(
        "second",
        orderer_orgs=(replace(network.material.org(ORDERER), orderer_endpoints=("127.0.0.1:1",)),),
        application_orgs=tuple(network.material.org(msp_id) for msp_id in MEMBERS),
    )
    genesis = genesis_block(spec).SerializeToString(deterministic=True)
    member = network.members[REGULATOR]
    signer = network.material.signer(REGULATOR, "Admin")

    async def call(*args: bytes, chaincode: str = "cscc", user: Any = signer) -> proposal_response_pb2.Response:
        return (await ask_peer(network.channel(REGULATOR), user, chaincode, *args)).response

    refused = await call(b"JoinChain", genesis, user=network.material.signer(REGULATOR))
    assert refused.status == 500
    assert "access denied for [JoinChain][second]: [Failed verifying" in refused.message
    # The block is looked at first, and then who asks.
    bad = await call(b"JoinChain", b"no block", user=network.material.signer(REGULATOR))
    assert (bad.status, bad.message.partition(",")[0]) == (500, "Failed to reconstruct the genesis block")
    unfit = joining_blocks(genesis)["Application capability V9"]
    bad = await call(b"JoinChain", unfit, user=network.material.signer(REGULATOR))
    assert bad.message.endswith("[Application capability V9 is required but not supported]")
    later = parse_block(genesis)
    later.header.number = 3
    assert (await call(b"JoinChain", later.SerializeToString())).message == (
        "cannot create ledger from genesis block: expected block number=0, received block number=3"
    )
    assert (await call(b"JoinChain", genesis)).status == 200
    again = await call(b"JoinChain", genesis)
    assert again.message == (
        "cannot create ledger from genesis block: ledger [second] already exists with state [ACTIVE]"
    )
    await member.stop()
    await member.start()
    channels = query_pb2.ChannelQueryResponse.FromString((await call(b"GetChannels")).payload).channels
    assert [item.channel_id for item in channels] == [CHANNEL, "second"]
    block = await call(b"GetBlockByNumber", b"second", b"0", chaincode="qscc")
    assert block.status == 200
    listed = await ask(network, REGULATOR, "QueryInstalledChaincodes", b"")
    found = lifecycle_pb2.QueryInstalledChaincodesResult.FromString(listed.payload).installed_chaincodes
    assert PACKAGE_ID in {item.package_id for item in found}
    await network.wait_for_height(committed.block_number + 1)
    assert await network.client(REGULATOR).evaluate("stays", "Get", "k") == b"w"


async def test_indexes_of_a_package_are_made_once_the_chaincode_is_defined(network: PeerNetwork) -> None:
    metadata = "META-INF/statedb/couchdb"
    random_name = secrets.token_hex(8_000)
    code = {
        "contract.json": json.dumps({"contract": CONTRACT}).encode(),
        # One that cannot be made, its name being longer than an index keeps, stops none of the others.
        f"{metadata}/indexes/long.json": json.dumps({"index": {"fields": [random_name]}}).encode(),
        f"{metadata}/indexes/owner.json": b'{"index": {"fields": ["owner", {"size": "desc"}]}, "type": "json"}',
        f"{metadata}/collections/shared/indexes/size.json": b'{"index": {"fields": ["size"]}, "name": "size"}',
    }
    content = package("indexed_1", "python", code)
    url = network.members[BANK].settings.database_url
    for msp_id in MEMBERS:
        assert (await install(network, msp_id, content)).status == 200
    with psycopg.connect(url, autocommit=True) as database:
        assert indexes(database) == []
        collections = collection_package("shared", "OR('DwaybankMSP.member')", maximum_peer_count=1)
        definition = replace(approved_definition("indexed", "1.0", 1, POLICY), collections=collections)
        await define(network, definition, package_id("indexed_1", content))
        for _ in range(200):
            if len(indexes(database)) == 2:
                break
            await asyncio.sleep(0.05)
        public, private = indexes(database)
    assert "channel.state " in public
    assert "'{owner}'::text[]" in public
    assert "'{size}'::text[]" in public
    assert "namespace = 'indexed'" in public
    assert "channel.private_state " in private
    assert "collection = 'shared'" in private


def indexes(database: psycopg.Connection) -> list[str]:
    """Return the definitions of the indexes that packages declared."""
    rows = database.execute(
        "SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'document\\_%' AND schemaname = 'channel'"
    )
    found = [row[0] for row in rows if "document_index_" not in row[0]]
    return sorted(found, key=lambda text: "private_state" in text)
