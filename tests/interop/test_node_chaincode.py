"""A contract on Fabric's official shim for Node, run as a service by our peer, beside its twin on our own shim.

Aim: a Node contract runs on our peer as on Fabric's. Method: one organization's peer runs the contract in
``node_chaincode/contract.mjs`` (``fabric-shim`` 2.5.8), another the twin in a process of its own, the third the twin in
its own process; the policy wants all three endorsements, which must be equal byte for byte, so each call compares the
shims with one another.

To run it: Node 20.9 or later with npm on the PATH; see ``tests/support/node_packages.py``.
"""

from __future__ import annotations

import hashlib
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
from network.errors import CommitError, EndorseError, GatewayError
from node.peer.chaincode_support import ExternalChaincode
from node.peer.connection_file import Connection
from node.peer.definition import approved_definition
from node.postgres import PostgresCluster, free_port
from tests.support.consortium_in_memory import BANK, CHANNEL, PARTNER, REGULATOR, Material, make_material
from tests.support.node_packages import installed_packages
from tests.support.peer_network import CONTRACT, MEMBERS, PeerNetwork, running_network
from tests.support.private_collections import collection_package

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

HERE = Path(__file__).parent / "node_chaincode"
TWIN = "tests.support.twin_contract:TwinContract"
ALL = "AND('DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"
NODE, SERVICE = "node_1.0:0011", "python_1.0:2233"
MEMBERS_POLICY = "OR('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture(scope="module")
def node_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The Node contract, listening."""
    folder = tmp_path_factory.mktemp("contract")
    # Module resolution starts from the script's own folder, so the script goes beside the packages' link.
    (folder / "node_modules").symlink_to(installed_packages(HERE))
    shutil.copy(HERE / "contract.mjs", folder / "contract.mjs")
    port = free_port()
    command = ["node", "contract.mjs", NODE, f"127.0.0.1:{port}"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            while "listening" not in (line := process.stdout.readline()):
                assert line, f"the contract ended with status {process.wait()}"
            yield port
        finally:
            process.terminate()


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
        REGULATOR: {"contracts": {"pc": CONTRACT, "twin": TWIN}},
    }
    definitions = (
        replace(approved_definition("twin", "1.0", 1, ALL), collections=collection_package("shared", MEMBERS_POLICY)),
        approved_definition("pc", "1.0", 1, ALL),
    )
    folder = tmp_path_factory.mktemp("network")
    async with running_network(
        material, postgres_cluster, folder, "node", definitions=definitions, by_member=by_member
    ) as network:
        yield network
    await service.stop(0)


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
