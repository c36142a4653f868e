"""A contract on Fabric's official shim for Node, run as a service by our peer, beside its twin on our own shim.

Aim: a Node contract runs on our peer as on Fabric's. Method: one organization's peer runs the contract in
``node_chaincode/contract.mjs`` (``fabric-shim`` 2.5.8), another the twin in a process of its own, the third the twin in
its own process; the policy wants all three endorsements, which must be equal byte for byte, so each call compares the
shims with one another. A fourth copy, of Node too, dials the regulator's peer.

To run it: Node 20.9 or later with npm on the PATH; see ``tests/support/node_packages.py``.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from chaincode.in_process import load
from chaincode.shim.server import ChaincodeServer
from network.client import CommittedTransaction
from network.envelope import MVCC_READ_CONFLICT
from network.errors import CommitError, EndorseError, GatewayError
from node.access import Members
from node.peer.chaincode_support import ExternalChaincode
from node.peer.connection_file import Connection
from node.peer.definition import approved_definition
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, PARTNER, REGULATOR, Material, make_material
from tests.support.node_packages import installed_packages
from tests.support.peer_network import CONTRACT, MEMBERS, PeerNetwork, host_tls, running_network, tls_roots
from tests.support.private_collections import collection_package

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

HERE = Path(__file__).parent / "node_chaincode"
TWIN = "tests.support.twin_contract:TwinContract"
ALL = "AND('DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"
NODE, SERVICE, DIALLED = "node_1.0:0011", "python_1.0:2233", "node_1.0:4455"
DOCUMENTS = {
    "car1": {"kind": "car", "owner": "anna", "size": 1},
    "car2": {"kind": "car", "owner": "berta", "size": 10},
    "car3": {"kind": "car", "owner": "anna", "size": 2.5, "tags": ["old", "red"]},
    "boat1": {"kind": "boat", "owner": "anna", "size": 30, "at": {"port": "Kiel"}},
}
MEMBERS_POLICY = "OR('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture(scope="module")
def contract_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which Node runs the contract."""
    folder = tmp_path_factory.mktemp("contract")
    # Module resolution starts from the script's own folder, so the script goes beside the packages' link.
    (folder / "node_modules").symlink_to(installed_packages(HERE))
    shutil.copy(HERE / "contract.mjs", folder / "contract.mjs")
    return folder


@contextlib.contextmanager
def node_contract(folder: Path, *arguments: str, **environment: str) -> Iterator[None]:
    """Run the contract with Node, until it listens or dials."""
    command = ["node", "contract.mjs", *arguments]
    variables = os.environ | environment
    with subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            while "listening" not in (line := process.stdout.readline()):
                assert line, f"the contract ended with status {process.wait()}"
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def node_port(contract_folder: Path) -> Iterator[int]:
    """The Node contract, listening."""
    port = free_port()
    with node_contract(contract_folder, NODE, f"127.0.0.1:{port}"):
        yield port


@pytest.fixture(scope="module")
def dialling(network: PeerNetwork, contract_folder: Path, material: Material) -> Iterator[None]:
    """The Node contract, dialling the regulator's peer with a certificate of that organization."""
    certificate, key = host_tls(material, REGULATOR)
    (contract_folder / "roots.pem").write_bytes(tls_roots(material))
    # This shim wants its own certificate and key as base64 of their PEM files.
    (contract_folder / "tls.crt").write_bytes(base64.b64encode(certificate))
    (contract_folder / "tls.key").write_bytes(base64.b64encode(key))
    address = f"localhost:{network.members[REGULATOR].port}"
    with node_contract(
        contract_folder,
        *("--peer.address", address, "--chaincode-id-name", DIALLED),
        CORE_PEER_TLS_ENABLED="true",
        CORE_PEER_TLS_ROOTCERT_FILE="roots.pem",
        CORE_TLS_CLIENT_CERT_PATH="tls.crt",
        CORE_TLS_CLIENT_KEY_PATH="tls.key",
    ):
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    node_port: int, material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    service = ChaincodeServer(load(TWIN), SERVICE, "127.0.0.1", 0)
    address = f"127.0.0.1:{await service.start()}"
    node = ExternalChaincode("twin", NODE, Connection(f"127.0.0.1:{node_port}"))
    by_member = {
        BANK: {"contracts": {"pc": CONTRACT}, "external_chaincodes": [node]},
        PARTNER: {
            "contracts": {"pc": CONTRACT},
            "external_chaincodes": [ExternalChaincode("twin", SERVICE, Connection(address))],
        },
        REGULATOR: {
            "contracts": {"pc": CONTRACT, "twin": TWIN},
            "external_chaincodes": [ExternalChaincode("dialled", DIALLED)],
            "authorize_chaincode": Members(REGULATOR, own_roots(material)).require_own,
        },
    }
    definitions = (
        replace(approved_definition("twin", "1.0", 1, ALL), collections=collection_package("shared", MEMBERS_POLICY)),
        approved_definition("pc", "1.0", 1, ALL),
        approved_definition("dialled", "1.0", 1, "OR('RegulatorMSP.peer')"),
    )
    folder = tmp_path_factory.mktemp("network")
    async with running_network(
        material, postgres_cluster, folder, "node", definitions=definitions, by_member=by_member
    ) as network:
        yield network
    await service.stop(0)


def own_roots(material: Material) -> dict[str, list[bytes]]:
    """Return the regulator's TLS authority, by which its peer knows its own chaincodes."""
    folder = material.org(REGULATOR).msp_folder / "tlscacerts"
    return {REGULATOR: [path.read_bytes() for path in folder.glob("*.pem")]}


async def submit(
    network: PeerNetwork, function: str, *args: str, transient: dict[str, bytes] | None = None
) -> CommittedTransaction:
    """Have all three shims endorse a call, and wait until every peer has committed it."""
    committed = await network.client().submit("twin", function, *args, transient=transient)
    await network.wait_for_height(committed.block_number + 1)
    return committed


async def each(network: PeerNetwork, function: str, *args: str) -> str:
    """Evaluate a call on every peer; return the one answer all give."""
    answers = {
        await network.client(msp_id).evaluate("twin", function, *args, target_organizations=[msp_id])
        for msp_id in MEMBERS
    }
    assert len(answers) == 1, answers
    return answers.pop().decode()


async def test_values_are_put_read_and_deleted(network: PeerNetwork) -> None:
    assert (await submit(network, "Put", "k", "v")).result == b"v"
    assert await each(network, "Get", "k") == "v"
    await submit(network, "Delete", "k")
    assert await each(network, "Get", "k") == ""
    assert len({network.peer(msp_id).commit_hash for msp_id in MEMBERS}) == 1


async def test_ranges_are_read_and_recorded_alike(network: PeerNetwork) -> None:
    await submit(network, "PutMany", "r", "250")
    found = (await submit(network, "Range", "r", "s")).result.decode()
    assert found.count("=") == 250
    assert (await submit(network, "Range", "", "r0002")).result.decode().endswith("r0000=x,r0001=x")


async def test_pages_go_on_from_their_bookmark(network: PeerNetwork) -> None:
    await submit(network, "PutMany", "p", "5")
    first, count, bookmark = (await each(network, "Page", "p", "q", "3", "")).split("|")
    assert (first, count) == ("p0000=x,p0001=x,p0002=x", "3")
    rest, count, _ = (await each(network, "Page", "p", "q", "3", bookmark)).split("|")
    assert (rest, count) == ("p0003=x,p0004=x", "2")


async def put_documents(network: PeerNetwork) -> None:
    for key, document in DOCUMENTS.items():
        await submit(network, "Put", key, json.dumps(document, sort_keys=True, separators=(",", ":")))


def keys_of(text: str) -> list[str]:
    return [part.partition("=")[0] for part in re.split(r",(?=\w+=)", text) if part]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"selector": {"owner": "anna"}}, ["boat1", "car1", "car3"]),
        ({"selector": {"kind": "car", "size": {"$gt": 1, "$lt": 10}}}, ["car3"]),
        ({"selector": {"$or": [{"tags": {"$in": ["red"]}}, {"at.port": "Kiel"}]}}, ["boat1", "car3"]),
        ({"selector": {"owner": {"$regex": "^b"}}, "fields": ["owner"]}, ["car2"]),
        ({"selector": {"kind": "car"}, "sort": [{"size": "desc"}]}, ["car2", "car3", "car1"]),
        # A limit is the page's, never the query's, as on Fabric's peers.
        ({"selector": {"kind": "car"}, "limit": 1, "skip": 1, "use_index": "any"}, ["car1", "car2", "car3"]),
        ({"selector": {"kind": "plane"}}, []),
    ],
)
async def test_rich_queries_find_the_same_and_record_it_alike(
    network: PeerNetwork, query: dict[str, object], keys: list[str]
) -> None:
    await put_documents(network)
    found = (await submit(network, "Query", json.dumps(query))).result.decode()
    assert keys_of(found) == keys
    if query.get("fields"):
        assert found == 'car2={"owner":"berta"}'


async def test_rich_query_pages_and_bookmarks_are_the_same(network: PeerNetwork) -> None:
    await put_documents(network)
    query = json.dumps({"selector": {"size": {"$gt": 0}}, "sort": [{"size": "asc"}]})
    found, bookmark = [], ""
    for _ in range(4):
        page, count, bookmark = (await each(network, "QueryPage", query, "2", bookmark)).split("|")
        found += keys_of(page)
        assert count == str(len(keys_of(page)))
    assert found == ["car1", "car3", "car2", "boat1"]
    nothing = json.dumps({"selector": {"size": {"$gt": 1000}}})
    assert await each(network, "QueryPage", nothing, "2", "") == "|0|nil"


async def test_document_that_a_rich_query_gave_may_not_change_before_the_commit(network: PeerNetwork) -> None:
    await put_documents(network)
    client = network.client()
    prepared = await client.endorse("twin", "Query", json.dumps({"selector": {"owner": "berta"}}))
    await submit(network, "Put", "car2", '{"owner":"carla"}')
    await client.submit_prepared(prepared)
    assert (await client.commit_status(prepared.tx_id)).code == MVCC_READ_CONFLICT


async def test_rich_queries_over_private_data(network: PeerNetwork) -> None:
    for key, owner in (("d1", "anna"), ("d2", "berta")):
        value = json.dumps({"owner": owner}).encode()
        await submit(network, "PutPrivate", "shared", key, transient={"value": value})
    query = json.dumps({"selector": {"owner": "berta"}})
    assert keys_of(await each(network, "QueryPrivate", "shared", query)) == ["d2"]
    with pytest.raises(GatewayError, match="selector: operator"):
        await each(network, "Query", json.dumps({"selector": {"a": {"$where": "x"}}}))


@pytest.mark.usefixtures("dialling")
async def test_node_contract_that_dials_its_peer_works_as_the_service_does(network: PeerNetwork) -> None:
    client = network.client(REGULATOR)
    async with asyncio.timeout(20):
        while True:
            try:
                assert (await client.submit("dialled", "Put", "k", '{"a":1}')).result == b'{"a":1}'
                break
            except EndorseError:
                await asyncio.sleep(0.2)
    assert (await client.submit("dialled", "PutMany", "m", "250")).result == b"250"
    assert len((await client.submit("dialled", "Range", "m", "n")).result.split(b",")) == 250
    assert (await client.submit("dialled", "Query", '{"selector":{"a":1}}')).result == b'k={"a":1}'
    assert (await client.evaluate("dialled", "History", "k")).endswith(b'{"a":1}:false')


async def test_composite_keys_are_found_by_their_first_parts(network: PeerNetwork) -> None:
    for one, two in (("a", "1"), ("a", "2"), ("ab", "1")):
        await submit(network, "PutComposite", "kind", one, two, one + two)
    assert (await submit(network, "Partial", "kind", "a")).result == b"kind/a/1=a1,kind/a/2=a2"


async def test_history_and_events_carry_the_same(network: PeerNetwork) -> None:
    first = await submit(network, "Put", "h", "1")
    last = await submit(network, "Delete", "h")
    assert await each(network, "History", "h") == f"{last.tx_id}::true,{first.tx_id}:1:false"
    await submit(network, "Emit", "paid", "5")


async def test_creator_transaction_and_time_are_told_alike(network: PeerNetwork) -> None:
    committed = await submit(network, "Who")
    assert committed.result == b"DwaybankMSP"
    told = await network.peer().read_state("twin", "who")
    assert told is not None
    assert told.decode().startswith(f"DwaybankMSP {committed.tx_id} {CHANNEL} ")


async def test_key_policies_are_the_same_bytes(network: PeerNetwork) -> None:
    await submit(network, "Guard", "g", PARTNER)
    assert await each(network, "Guards", "g") == PARTNER
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await network.client().submit("twin", "Put", "g", "x", endorsing_organizations=[BANK, REGULATOR])


async def test_chaincode_calls_another(network: PeerNetwork) -> None:
    await network.client().submit("pc", "Put", "other", "seen")
    assert (await submit(network, "Call", "pc", "Get", "other")).result == b"200 seen"


async def test_private_values_are_kept_read_and_erased(network: PeerNetwork) -> None:
    for key in ("p1", "p2"):
        await submit(network, "PutPrivate", "shared", key, transient={"value": b"secret " + key.encode()})
    assert await each(network, "GetPrivate", "shared", "p1") == "secret p1"
    assert await each(network, "HashPrivate", "shared", "p1") == hashlib.sha256(b"secret p1").hexdigest()
    assert await each(network, "RangePrivate", "shared", "p", "q") == "p1=secret p1,p2=secret p2"
    await submit(network, "DeletePrivate", "shared", "p1")
    await submit(network, "PurgePrivate", "shared", "p2")
    assert await each(network, "RangePrivate", "shared", "p", "q") == ""


async def test_refusal_reaches_the_client(network: PeerNetwork) -> None:
    with pytest.raises(GatewayError, match="chaincode response 500, refused: functions"):
        await network.client().evaluate("twin", "NoSuch", target_organizations=[BANK])
    with pytest.raises(EndorseError, match="collection"):
        await submit(network, "GetPrivate", "none", "k")
