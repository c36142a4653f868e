"""What a chaincode may ask our peer for, and what stands in the read set then: facts that a Go peer gave.

Method: a chaincode that sends what the proposal tells it (``tests/support/scripted_chaincode.py``) behind the bank's
peer. ``tests/interop/test_stream_like_fabric.py`` holds a Go peer beside ours to the same, where Fabric's programs are.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from network.errors import EndorseError, GatewayError, RpcError
from network.proposal import new_proposal, signed_proposal
from network.rwset import parse_rwset
from node.peer.chaincode_support import ExternalChaincode
from node.peer.connection_file import Connection
from node.peer.definition import approved_definition
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, make_material
from tests.support.fabric_channel import HOST
from tests.support.peer_network import PeerNetwork, ask_peer, running_network, utc_now
from tests.support.scripted_chaincode import (
    Request,
    ScriptedChaincode,
    call,
    get,
    get_hash,
    get_range,
    guard,
    put,
    script,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = ("asked", "other", "begins")
IMPLICIT = f"_implicit_org_{BANK}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    folder, ports = tmp_path_factory.mktemp("requests"), {name: free_port() for name in NAMES}
    definitions = {name: approved_definition(name, "1.0", 1, "OR('DwaybankMSP.peer')") for name in NAMES}
    definitions["begins"] = replace(definitions["begins"], init_required=True)
    services = [ExternalChaincode(name, name, Connection(f"{HOST}:{port}", None)) for name, port in ports.items()]
    async with AsyncExitStack() as stack:
        for name, port in ports.items():
            service = ScriptedChaincode(name, port)
            await service.start()
            stack.push_async_callback(service.stop)
        running = running_network(
            make_material(folder / "crypto"),
            postgres_cluster,
            folder,
            "requests",
            definitions=tuple(definitions.values()),
            contracts={},
            by_member={BANK: {"external_chaincodes": services}},
        )
        network = await stack.enter_async_context(running)
        await network.client().submit("asked", *script(*(put(f"m{number:03}", "x") for number in range(150))))
        yield network


async def told(network: PeerNetwork, *requests: Request) -> str:
    """Return the peer's replies to these requests."""
    return (await network.client().evaluate("asked", *script(*requests))).decode()


async def proposed(
    network: PeerNetwork, chaincode: str, args: tuple[str, str], *, is_init: bool = False
) -> proposal_response_pb2.ProposalResponse:
    """Return what the bank's peer answers to a proposal."""
    signer, encoded = network.material.signer(BANK), [arg.encode() for arg in args]
    nonce = secrets.token_bytes(24)
    _, content = new_proposal(CHANNEL, chaincode, encoded, signer.creator, nonce, utc_now(), is_init=is_init)
    request = signed_proposal(content, signer.sign(content))
    reply = await network.channel().unary("/protos.Endorser/ProcessProposal", request, 20)
    return proposal_response_pb2.ProposalResponse.FromString(reply)


def reads_of(answer: proposal_response_pb2.ProposalResponse) -> set[tuple[str, str]]:
    """Return namespace and key of the public reads that an answer endorses."""
    payload = proposal_response_pb2.ProposalResponsePayload.FromString(answer.payload)
    results = proposal_pb2.ChaincodeAction.FromString(payload.extension).results
    return {(item.namespace, read.key) for item in parse_rwset(results).namespaces for read in item.reads}


@pytest.mark.parametrize("request_", [put("k", "v", IMPLICIT), get("k", IMPLICIT), get_hash("k", IMPLICIT)])
async def test_use_of_an_implicit_collection_reads_the_whole_definition(
    network: PeerNetwork, request_: Request
) -> None:
    """Go peers do, so an endorsement without these reads would be equal to none of theirs."""
    answer = await proposed(network, "asked", script(request_))
    fields = ("Collections", "EndorsementInfo", "Sequence", "ValidationInfo")
    assert reads_of(answer) == {
        ("_lifecycle", "namespaces/metadata/asked"),
        *(("_lifecycle", f"namespaces/fields/asked/{field}") for field in fields),
    }


async def test_chaincode_that_is_not_found_was_looked_for_in_the_lifecycle_before_too(network: PeerNetwork) -> None:
    answer = await proposed(network, "asked", script(call("none")))
    assert ("lscc", "none") in reads_of(answer)


async def test_chaincode_is_initialised_when_it_is_to_be_and_only_then(network: PeerNetwork) -> None:
    early = await proposed(network, "begins", script(get("k")))
    assert early.response.status == 500
    assert early.response.message.endswith(
        ": invalid invocation: chaincode 'begins' has not been initialized for this version, must call as init first"
    )
    needless = await proposed(network, "asked", script(put("k", "v")), is_init=True)
    assert not needless.endorsement.signature
    assert needless.response.message.endswith(
        ": invalid invocation: chaincode 'asked' does not require initialization but called as init"
    )
    requests = (put("k", "v", IMPLICIT), get("k", IMPLICIT), get_hash("k", IMPLICIT), get_range("", "", IMPLICIT))
    begun = await proposed(network, "begins", script(*requests, put("k", "v")), is_init=True)
    replies = begun.response.payload.decode().splitlines()
    refused = [line.endswith("private data APIs are not allowed in chaincode Init()") for line in replies]
    assert refused == [True, True, True, True, False]
    assert begun.endorsement.signature


async def test_error_in_the_place_of_an_answer_reaches_client_and_caller(network: PeerNetwork) -> None:
    answer = await proposed(network, "asked", script(put("k", "v"), error="out of order"))
    assert answer.response.message == "error in simulation: transaction returned with failure: out of order"
    # As the called chaincode's last message, not as a refusal of the peer's.
    assert await told(network, call("other", *script(error="out of order"))) == "ERROR out of order"


async def test_system_chaincodes_answer_chaincodes(network: PeerNetwork) -> None:
    argument = lifecycle_pb2.QueryChaincodeDefinitionArgs(name="none").SerializeToString()
    answer = await told(network, call("_lifecycle", "QueryChaincodeDefinition", argument))
    assert answer.startswith("COMPLETED")
    assert answer.endswith("namespace none is not defined")
    for name in ("qscc", "cscc"):
        answer = await told(network, call(name, "GetChainInfo", CHANNEL))
        assert answer.startswith("COMPLETED")
        assert f"Rejecting invoke of {name.upper()} from another chaincode" in answer
    refused = await told(network, call("_lifecycle", "CommitChaincodeDefinition", b""))
    assert "Rejecting invoke of _LIFECYCLE from another chaincode" in refused


async def test_page_without_a_size_holds_all_that_follows(network: PeerNetwork) -> None:
    assert (await told(network, get_range("m", "n", bookmark="m005"))).startswith("145 results")
    assert (await told(network, get_range("m", "n", size=-1))).startswith("150 results")


async def test_key_policy_that_is_none_is_an_answer(network: PeerNetwork) -> None:
    await network.client().submit("asked", *script(put("broken", "x"), guard("broken", b"no policy")))
    answer = await proposed(network, "asked", script(put("broken", "y")))
    assert answer.response.status == 500
    assert "error unmarshalling SignaturePolicyEnvelope" in answer.response.message


async def test_event_without_a_name_is_told_to_nobody(network: PeerNetwork) -> None:
    for name in ("first", "", "third"):
        await network.client().submit("asked", *script(put("told", name), event=(name, "x")))
    events = network.client().chaincode_events("asked", start_block=0)
    assert [(await anext(events)).name for _ in range(2)] == ["first", "third"]
    await events.aclose()


async def test_refusal_of_a_ledger_query_is_final_and_its_answer_endorsed_by_nobody(network: PeerNetwork) -> None:
    with pytest.raises(GatewayError, match="chaincode response 500, Invalid chain ID, none") as failure:
        await network.client().evaluate("qscc", "GetChainInfo", "none")
    assert len(failure.value.details) == 1
    with pytest.raises(EndorseError, match=f"No metadata was found for chaincode qscc in channel {CHANNEL}"):
        await network.client().endorse("qscc", "GetChainInfo", CHANNEL)


@pytest.mark.parametrize("apart", [timedelta(minutes=-16), timedelta(minutes=16)])
@pytest.mark.parametrize("channel_id", [CHANNEL, ""])
async def test_proposal_of_another_time_is_refused(network: PeerNetwork, apart: timedelta, channel_id: str) -> None:
    """Contracts take a proposal's time for the transaction's: a client may not choose it."""
    signer, time = network.material.signer(BANK), utc_now() + apart
    _, content = new_proposal(channel_id, "qscc", [b"GetChainInfo"], signer.creator, secrets.token_bytes(24), time)
    request = signed_proposal(content, signer.sign(content))
    with pytest.raises(RpcError, match=f"incorrect timestamp {time:%Y-%m-%dT%H:%M:%SZ}, peer time .*timewindow 15m0s"):
        await network.channel().unary("/protos.Endorser/ProcessProposal", request, 20)


async def test_expired_client_is_told_so(network: PeerNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = network.material.signer(BANK).certificate
    later = certificate.not_valid_after_utc + timedelta(minutes=1)
    monkeypatch.setattr(network.peer(BANK).endorser, "_now", lambda: later)
    signer = network.material.signer(BANK)
    _, content = new_proposal(CHANNEL, "asked", [b"Run"], signer.creator, secrets.token_bytes(24), later)
    request = signed_proposal(content, signer.sign(content))
    with pytest.raises(RpcError, match="proposal client identity expired"):
        await network.channel().unary("/protos.Endorser/ProcessProposal", request, 20)


async def test_what_a_client_calls_decorations_reaches_no_chaincode(network: PeerNetwork) -> None:
    """They are the peer's to add: a contract may rest on them."""
    signer, nonce = network.material.signer(BANK), secrets.token_bytes(24)
    arguments = [arg.encode() for arg in script(get("k"))]
    _, content = new_proposal(CHANNEL, "asked", arguments, signer.creator, nonce, utc_now())
    decorated = with_decoration(content, "role", b"auditor")
    request = signed_proposal(decorated, signer.sign(decorated))
    reply = await network.channel().unary("/protos.Endorser/ProcessProposal", request, 20)
    assert proposal_response_pb2.ProposalResponse.FromString(reply).response.payload == b"RESPONSE "


def with_decoration(content: bytes, name: str, value: bytes) -> bytes:
    """Return a proposal with a decoration in its input."""
    proposal = proposal_pb2.Proposal.FromString(content)
    payload = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
    invocation = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input)
    invocation.chaincode_spec.input.decorations[name] = value
    payload.input = invocation.SerializeToString()
    proposal.payload = payload.SerializeToString()
    return bytes(proposal.SerializeToString())


async def test_folder_that_no_system_has_is_refused(network: PeerNetwork) -> None:
    signer = network.material.signer(BANK, "Admin")
    answer = await ask_peer(network.channel(), signer, "cscc", b"JoinChainBySnapshot", b"a\x00b")
    assert answer.response.status == 500
    assert "cannot create ledger from snapshot a\x00b: " in answer.response.message
