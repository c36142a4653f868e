"""The same contract in the peer's process, as a service, and dialling in: three peers that must endorse alike.

Method: each of three organizations runs the contract in another way, and the policy wants all three endorsements, equal
byte for byte; then the streams break, and strangers try to register.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from fabric_protos.peer import chaincode_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage

from chaincode.in_process import load
from chaincode.shim.client import serve_forever
from chaincode.shim.server import ChaincodeServer
from network import rpc
from network.errors import EndorseError, GatewayError, RpcError
from network.rpc import StatusCode
from node.access import Members
from node.peer.chaincode_support import ExternalChaincode
from node.peer.connection_file import Connection
from node.peer.definition import approved_definition
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR, Material, make_material
from tests.support.peer_contract import PeerContract
from tests.support.peer_network import CONTRACT, MEMBERS, PeerNetwork, client_tls, host_tls, running_network, tls_roots

pytestmark = pytest.mark.asyncio(loop_scope="module")

PACKAGE = "pc_1.0:0123456789abcdef"
EXECUTE_TIMEOUT_S = 4.0
ALL = "AND('DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"


class Processes:
    """The two external chaincodes, as far as a test breaks them."""

    def __init__(self, material: Material) -> None:
        self.port = free_port()
        self._material = material
        self.server: ChaincodeServer | None = None
        self.dialling: asyncio.Task[None] | None = None

    async def start_service(self) -> None:
        tls = rpc.ServerTls(*host_tls(self._material, PARTNER), tls_roots(self._material))
        self.server = ChaincodeServer(load(CONTRACT), PACKAGE, "127.0.0.1", self.port, tls)
        await self.server.start()

    async def stop_service(self) -> None:
        assert self.server is not None
        await self.server.stop(0)

    def start_dialling(self, port: int) -> None:
        channel = rpc.Channel(f"localhost:{port}", client_tls(self._material, REGULATOR))
        self.dialling = asyncio.create_task(serve_forever(load(CONTRACT), PACKAGE, channel))

    async def stop_dialling(self) -> None:
        assert self.dialling is not None
        self.dialling.cancel()
        await asyncio.gather(self.dialling, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until the contract, which has no events for it, has come so far."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(
    material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[PeerNetwork, Processes]]:
    processes = Processes(material)
    await processes.start_service()
    roots = {
        msp_id: [next(material.root.glob(f"*/{material.org(msp_id).msp_folder.parent.name}/tlsca/*.pem")).read_bytes()]
        for msp_id in MEMBERS
    }
    connection = Connection(f"localhost:{processes.port}", client_tls(material, PARTNER))
    service = ExternalChaincode("pc", PACKAGE, connection)
    by_member = {
        PARTNER: {"contracts": {}, "external_chaincodes": [service]},
        REGULATOR: {
            "contracts": {},
            "external_chaincodes": [ExternalChaincode("pc", PACKAGE)],
            "execute_timeout_s": EXECUTE_TIMEOUT_S,
            "authorize_chaincode": Members(REGULATOR, roots).require_own,
        },
    }
    folder = tmp_path_factory.mktemp("network")
    definitions = (approved_definition("pc", "1.0", 1, ALL),)
    async with running_network(
        material, postgres_cluster, folder, "stream", definitions=definitions, by_member=by_member
    ) as network:
        processes.start_dialling(network.members[REGULATOR].port)
        yield network, processes
        await processes.stop_dialling()
    await processes.stop_service()


async def test_all_three_ways_endorse_every_function_alike(started: tuple[PeerNetwork, Processes]) -> None:
    client = started[0].client()
    assert (await client.submit("pc", "Put", "k", "v")).result == b"v"
    assert (await client.submit("pc", "Update", "k", "w")).result == b"v"
    await client.submit("pc", "PutMany", "r", "250")
    assert (await client.submit("pc", "CountRange", "r", "s")).result == b"250"
    assert (await client.submit("pc", "CountRange", "", "")).result == b"252"
    await client.submit("pc", "Emit", "paid", "5")
    await client.submit("pc", "Delete", "k")
    history = await client.submit("pc", "History", "k")
    assert history.result.count(b"[") == 4
    await started[0].wait_for_height(history.block_number + 1)
    assert len({started[0].peer(msp_id).commit_hash for msp_id in MEMBERS}) == 1


@pytest.mark.parametrize("member", [PARTNER, REGULATOR])
async def test_failures_reach_the_client_as_from_a_contract_in_process(
    started: tuple[PeerNetwork, Processes], member: str
) -> None:
    network, _ = started
    texts = set()
    for msp_id in (BANK, member):
        with pytest.raises(GatewayError) as failure:
            await network.client(msp_id).evaluate("pc", "Fail")
        texts.add(str(failure.value).split(" (")[0])
    assert len(texts) == 1
    with pytest.raises(GatewayError):
        await network.client(member).evaluate("pc", "Crash")


async def test_calls_at_the_same_time_do_not_disturb_one_another(started: tuple[PeerNetwork, Processes]) -> None:
    client = started[0].client()
    committed = await asyncio.gather(*(client.submit("pc", "Put", f"p{n}", str(n)) for n in range(30)))
    assert [item.result for item in committed] == [str(n).encode() for n in range(30)]


async def test_hung_calls_stop_neither_commits_nor_other_calls_and_end_in_time(
    started: tuple[PeerNetwork, Processes],
) -> None:
    network, _ = started
    regulator = network.client(REGULATOR)
    loop = asyncio.get_running_loop()
    begun, before = loop.time(), PeerContract.asleep
    hung = [
        asyncio.ensure_future(regulator.evaluate("pc", "Sleep", "60", target_organizations=[REGULATOR]))
        for _ in range(20)
    ]
    await until(lambda: PeerContract.asleep == before + len(hung))
    for number in range(3):
        # Each needs the regulator's endorsement, over the very stream on which the other calls hang, and its commit.
        committed = await network.client().submit("pc", "Put", "while hung", str(number))
        await network.wait_for_height(committed.block_number + 1)
    assert await regulator.evaluate("pc", "Get", "while hung", target_organizations=[REGULATOR]) == b"2"
    assert not any(call.done() for call in hung)
    assert loop.time() - begun < EXECUTE_TIMEOUT_S
    failures = await asyncio.gather(*hung, return_exceptions=True)
    assert all("timeout expired while executing transaction" in str(failure) for failure in failures), failures
    assert loop.time() - begun < 2 * EXECUTE_TIMEOUT_S
    assert await regulator.evaluate("pc", "Get", "while hung", target_organizations=[REGULATOR]) == b"2"


async def test_service_that_stops_fails_at_once_and_serves_again_when_back(
    started: tuple[PeerNetwork, Processes],
) -> None:
    network, processes = started
    client, before = network.client(PARTNER), PeerContract.asleep
    sleeping = asyncio.ensure_future(client.evaluate("pc", "Sleep", "20", target_organizations=[PARTNER]))
    await until(lambda: PeerContract.asleep > before)
    await processes.stop_service()
    with pytest.raises(GatewayError) as failure:
        await sleeping
    assert "chaincode stream terminated" in str(failure.value)
    assert failure.value.code == StatusCode.ABORTED
    await processes.start_service()
    async with asyncio.timeout(20):
        while True:
            try:
                assert await client.evaluate("pc", "Get", "none", target_organizations=[PARTNER]) == b""
                break
            except GatewayError:
                await asyncio.sleep(0.2)


async def test_missing_chaincode_is_named_and_another_peer_evaluates(started: tuple[PeerNetwork, Processes]) -> None:
    network, processes = started
    await processes.stop_dialling()
    client = network.client(REGULATOR)
    assert await client.evaluate("pc", "Get", "none") == b""
    with pytest.raises(EndorseError) as failure:
        await client.submit("pc", "Put", "k", "v")
    assert f"could not launch chaincode {PACKAGE}" in str(failure.value)
    processes.start_dialling(network.members[REGULATOR].port)
    await client.submit("pc", "Put", "k", "v")


async def register(network: PeerNetwork, material: Material, msp_id: str, *messages: ChaincodeMessage) -> None:
    """Dial the regulator's peer as a chaincode of some organization and send messages until it hangs up."""
    channel = rpc.Channel(f"localhost:{network.members[REGULATOR].port}", client_tls(material, msp_id))

    async def requests() -> AsyncIterator[bytes]:
        for message in messages:
            yield message.SerializeToString()
        await asyncio.sleep(5)

    try:
        async for _ in channel.bidi("/protos.ChaincodeSupport/Register", requests(), 5):
            continue
    finally:
        await channel.close()


def registration(package_id: str) -> ChaincodeMessage:
    payload = chaincode_pb2.ChaincodeID(name=package_id).SerializeToString()
    return ChaincodeMessage(type=ChaincodeMessage.REGISTER, payload=payload)


async def test_only_own_known_and_single_chaincodes_register(
    started: tuple[PeerNetwork, Processes], material: Material
) -> None:
    network, _ = started
    with pytest.raises(RpcError, match="this service answers RegulatorMSP only") as stranger:
        await register(network, material, BANK, registration(PACKAGE))
    assert stranger.value.code == StatusCode.PERMISSION_DENIED
    with pytest.raises(RpcError, match="install it first"):
        await register(network, material, REGULATOR, registration("unknown:1"))
    await network.client(REGULATOR).evaluate("pc", "Get", "none", target_organizations=[REGULATOR])
    with pytest.raises(RpcError, match="duplicate chaincodeID"):
        await register(network, material, REGULATOR, registration(PACKAGE))
    with pytest.raises(RpcError, match="before REGISTER") as protocol:
        await register(network, material, REGULATOR, ChaincodeMessage(type=ChaincodeMessage.GET_STATE))
    assert protocol.value.code == StatusCode.INVALID_ARGUMENT
