"""What a chaincode may ask a peer for: the same requests to a Go peer and to ours have the same replies and read sets.

Aim: a contract's endorsements by Go peers and by ours are equal byte for byte, odd requests and refusals included.
Method: a chaincode that sends what the proposal tells it (``tests/support/scripted_chaincode.py``) serves the
regulator's Go peer and a peer of ours of the same identity; each proposal goes to both, and all that they answer is
compared: status, text, what was endorsed. ``tests/integration/test_chaincode_requests.py`` holds ours to the same
facts without Fabric's programs.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from fabric_protos.peer import proposal_response_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from network import rpc
from network.client import GatewayClient
from network.errors import GatewayError, RpcError
from network.proposal import new_proposal, signed_proposal
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, REGULATOR
from tests.support.fabric_channel import HOST
from tests.support.scripted_chaincode import (
    ScriptedChaincode,
    call,
    following,
    get,
    get_hash,
    get_range,
    guard,
    put,
    script,
)
from tests.support.side_by_side import SideBySide, peers_side_by_side

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

ANY = ("--signature-policy", "OR('DwaybankMSP.peer', 'RegulatorMSP.peer')")
DEFINED = {"asked": ANY, "other": ANY, "begins": (*ANY, "--init-required")}
COLLECTIONS = {
    "asked": [
        {"name": "shared", "policy": "OR('DwaybankMSP.member', 'RegulatorMSP.member')", "memberOnlyRead": True},
        {"name": "bank", "policy": "OR('DwaybankMSP.member')", "memberOnlyRead": True, "memberOnlyWrite": True},
    ]
}
IMPLICIT = "_implicit_org_RegulatorMSP"
DEFINITION = lifecycle_pb2.QueryChaincodeDefinitionArgs(name="none").SerializeToString()

CASES: dict[str, tuple[str, tuple[str, str], dict[str, Any]]] = {
    "own implicit collection": ("asked", script(put("k", "v", IMPLICIT), get("k", IMPLICIT)), {}),
    "hash in an implicit collection": ("asked", script(get_hash("k", IMPLICIT)), {}),
    "another's implicit collection": ("asked", script(put("k", "v", "_implicit_org_PartnerMSP")), {}),
    "nobody's implicit collection": (
        "asked",
        script(put("k", "v", "_implicit_org_NoneMSP"), get("k", "_implicit_org_NoneMSP")),
        {},
    ),
    "collections": ("asked", script(put("k", "v", "shared"), get("k", "bank"), put("k", "v", "none")), {}),
    "private data while initialised": (
        "begins",
        script(put("k", "v", IMPLICIT), get("k", IMPLICIT), get_hash("k", "x"), get_range("", "", "x"), put("a", "b")),
        {"is_init": True},
    ),
    "not initialised": ("begins", script(get("k")), {}),
    "initialised without need": ("asked", script(put("k", "v")), {"is_init": True}),
    "error in the place of an answer": ("asked", script(put("k", "v"), error="out of order"), {}),
    "call": ("asked", script(call("other", *script(put("k", "v")))), {}),
    "call that is refused": ("asked", script(call("other", *script(put("k", "v"), status=404))), {}),
    "call that ends in an error": ("asked", script(put("k", "v"), call("other", *script(error="out of order"))), {}),
    "call of what is not defined": ("asked", script(call("none"), call("")), {}),
    "call of what is not initialised": ("asked", script(call("begins", *script(get("k")))), {}),
    "call of a ledger query": ("asked", script(call("qscc", "GetChainInfo", "anchors")), {}),
    "call of a configuration query": ("asked", script(call("cscc", "GetConfigBlock", "anchors")), {}),
    "call of a lifecycle query": (
        "asked",
        script(call("_lifecycle", "QueryChaincodeDefinition", DEFINITION), call("_lifecycle", "QueryNothing", "")),
        {},
    ),
    "page by a bookmark alone": ("asked", script(get_range("m", "n", bookmark="m005"), following(0)), {}),
    "page of less than none": ("asked", script(get_range("m", "n", size=-1), following(0)), {}),
    "page": ("asked", script(get_range("m", "n", size=5), get_range("m", "n", size=120, bookmark="m100")), {}),
    "range in batches": ("asked", script(get_range("m", "n"), following(0), following(0), following(0)), {}),
    **{f"status {status}": ("asked", script(put("k", "v"), status=status), {}) for status in (0, 399, 400, 499, 500)},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peers(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SideBySide]:
    folder, ports = tmp_path_factory.mktemp("stream"), {name: free_port() for name in DEFINED}
    async with AsyncExitStack() as stack:
        running = peers_side_by_side(folder, postgres_cluster, DEFINED, COLLECTIONS, ports)
        peers = await stack.enter_async_context(running)
        for name, port in ports.items():
            service = ScriptedChaincode(peers.packages[name], port)
            await service.start()
            stack.push_async_callback(service.stop)
        # The Go peer of the regulator's organization, which has the identity that ours has.
        tls = peers.fabric.client_tls(BANK)
        peers.go_channel = rpc.Channel(f"{HOST}:{peers.fabric.peers[REGULATOR]}", tls)
        stack.push_async_callback(peers.go_channel.close)
        client = GatewayClient(peers.go_channel, peers.fabric.material.signer(BANK), peers.fabric.channel_id)
        await client.submit("asked", *script(*(put(f"m{number:03}", "x") for number in range(250))))
        for event in (("first", "1"), ("", "2"), ("third", "3")):
            done = await client.submit("asked", *script(put("told", event[1]), event=event))
        ours = GatewayClient(peers.our_channel, peers.fabric.material.signer(BANK), peers.fabric.channel_id)
        await ours.commit_status(done.tx_id)
        yield peers


async def answers(peers: SideBySide, chaincode: str, args: Sequence[str], **options: Any) -> list[Any]:
    """Return what the Go peer and ours answer to one proposal, without their signatures."""
    signer = peers.fabric.material.signer(BANK)
    now, nonce = datetime.now(UTC), secrets.token_bytes(24)
    encoded = [arg.encode() for arg in args]
    tx_id, proposal = new_proposal(peers.fabric.channel_id, chaincode, encoded, signer.creator, nonce, now, **options)
    request = signed_proposal(proposal, signer.sign(proposal))
    found = []
    for channel in (peers.go_channel, peers.our_channel):
        reply = await channel.unary("/protos.Endorser/ProcessProposal", request, 30)
        answer = proposal_response_pb2.ProposalResponse.FromString(reply)
        text = answer.response.message.replace(tx_id, "<id>")
        endorsed = bool(answer.endorsement.signature)
        found.append((answer.response.status, text, answer.response.payload.decode(), answer.payload, endorsed))
    return found


@pytest.mark.parametrize("case", CASES)
async def test_replies_and_endorsements_are_the_same(peers: SideBySide, case: str) -> None:
    chaincode, args, options = CASES[case]
    theirs, ours = await answers(peers, chaincode, args, **options)
    assert ours == theirs


async def test_proposal_of_another_time_is_refused_alike(peers: SideBySide) -> None:
    signer, time = peers.fabric.material.signer(BANK), datetime.now(UTC) - timedelta(minutes=16)
    nonce = secrets.token_bytes(24)
    _, proposal = new_proposal(peers.fabric.channel_id, "asked", [b"Run"], signer.creator, nonce, time)
    request, texts = signed_proposal(proposal, signer.sign(proposal)), set()
    for channel in (peers.go_channel, peers.our_channel):
        with pytest.raises(RpcError) as failure:
            await channel.unary("/protos.Endorser/ProcessProposal", request, 30)
        texts.add((failure.value.code, re.sub("peer time [^,]*", "peer time", failure.value.message)))
    assert len(texts) == 1
    assert "request unauthorized due to incorrect timestamp" in str(texts)


async def test_key_policy_that_is_none_is_refused_alike(peers: SideBySide) -> None:
    client = GatewayClient(peers.go_channel, peers.fabric.material.signer(BANK), peers.fabric.channel_id)
    done = await client.submit("asked", *script(put("broken", "x"), guard("broken", b"no policy")))
    ours = GatewayClient(peers.our_channel, peers.fabric.material.signer(BANK), peers.fabric.channel_id)
    await ours.commit_status(done.tx_id)
    found = await answers(peers, "asked", script(put("broken", "x")))
    beginning = "error in simulation: error unmarshalling SignaturePolicyEnvelope: "
    assert [(status, text.startswith(beginning)) for status, text, *_ in found] == [(500, True), (500, True)]


SYSTEM_CASES = {
    "block of no number": ("qscc", "GetBlockByNumber", "anchors", "x1"),
    "block of a number too large": ("qscc", "GetBlockByNumber", "anchors", str(2**64)),
    "block that is not there": ("qscc", "GetBlockByNumber", "anchors", "007777"),
    "hash of no block": ("qscc", "GetBlockByHash", "anchors", "ab"),
    "channels, to a stranger": ("cscc", "GetChannels"),
    "approval by a stranger": ("_lifecycle", "ApproveChaincodeDefinitionForMyOrg", ""),
}


@pytest.mark.parametrize("case", SYSTEM_CASES)
async def test_system_chaincodes_refuse_in_the_same_words(peers: SideBySide, case: str) -> None:
    chaincode, *args = SYSTEM_CASES[case]
    theirs, ours = await answers(peers, chaincode, args)
    assert (theirs[0], ours) == (500, theirs)


async def test_events_without_a_name_are_told_to_nobody(peers: SideBySide) -> None:
    for channel in (peers.go_channel, peers.our_channel):
        client = GatewayClient(channel, peers.fabric.material.signer(BANK), peers.fabric.channel_id)
        events = client.chaincode_events("asked", start_block=0)
        assert [(await anext(events)).name for _ in range(2)] == ["first", "third"]
        await events.aclose()


async def test_ledger_query_that_fails_is_evaluated_once_and_endorsed_by_nobody(peers: SideBySide) -> None:
    texts = []
    for channel in (peers.go_channel, peers.our_channel):
        client = GatewayClient(channel, peers.fabric.material.signer(BANK), peers.fabric.channel_id)
        with pytest.raises(GatewayError) as evaluated:
            await client.evaluate("qscc", "GetChainInfo", "none")
        with pytest.raises(GatewayError) as endorsed:
            await client.endorse("qscc", "GetChainInfo", peers.fabric.channel_id)
        texts.append([str(failure.value).partition(" (")[0] for failure in (evaluated, endorsed)])
        assert len(evaluated.value.details) == 1
    assert texts[0] == texts[1]
