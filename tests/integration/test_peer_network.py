"""A network of our peers and our orderer, driven by a gateway client: endorse, order, validate, commit, tell.

Method: three organizations in one process over mutual TLS and PostgreSQL; every answer a client of Fabric relies on,
with the texts that Fabric's own scenario features assert.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from fabric_protos.common import common_pb2, ledger_pb2, policies_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2, proposal_response_pb2, query_pb2, snapshot_pb2, transaction_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from network import rpc
from network.block import header_hash, parse_block, transactions_filter
from network.client import CommittedTransaction
from network.envelope import DUPLICATE_TXID, ENDORSEMENT_POLICY_FAILURE, MVCC_READ_CONFLICT, seek_envelope
from network.errors import CommitError, EndorseError, GatewayError, RpcError, SubmitError
from network.explanation import ReadConflict
from network.policy import parse_signature_policy
from network.proposal import new_proposal, parse_proposal, signed_proposal
from network.rpc import StatusCode
from node.block_reading import READ_HERE_BYTES_MAX
from node.peer import private_blocks
from node.peer.conflicts import Conflicts
from node.peer.definition import approved_definition
from node.peer.endorser import SIMULATIONS_MAX
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, PARTNER, REGULATOR, Material, make_material
from tests.support.peer_network import CONTRACT, MEMBERS, POLICY, PeerNetwork, ask_peer, client_tls, running_network
from tests.support.private_collections import collection_package

pytestmark = pytest.mark.asyncio(loop_scope="module")


BILATERAL = "OR('DwaybankMSP.member', 'PartnerMSP.member')"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    collections = collection_package("bilateral", BILATERAL, member_only_read=True)
    definitions = (
        replace(approved_definition("pc", "1.0", 1, POLICY), collections=collections),
        approved_definition("any", "1.0", 1, "OR('DwaybankMSP.peer', 'PartnerMSP.peer')"),
        approved_definition("all", "1.0", 1, "AND('DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"),
        approved_definition("default", "1.0", 1),
    )
    contracts = {definition.name: CONTRACT for definition in definitions}
    folder = tmp_path_factory.mktemp("network")
    async with running_network(
        material, postgres_cluster, folder, "peers", definitions=definitions, contracts=contracts
    ) as network:
        yield network


async def endorsers_of(network: PeerNetwork, tx_id: str) -> set[str]:
    """Return who endorsed a committed transaction."""
    from network.envelope import parse_transaction

    record = await network.peer().transaction(tx_id)
    assert record is not None
    block = parse_block(await network.peer().block(record.block_number) or b"")
    parsed = parse_transaction(block.data.data[record.tx_number])
    return {network.peer().config.msps.deserialize(item.endorser).msp_id for item in parsed.endorsements}


# --- transactions -------------------------------------------------------------------------------------------------


async def test_submitted_transaction_is_committed_alike_on_every_peer(network: PeerNetwork) -> None:
    client = network.client()
    committed = await client.submit("pc", "Put", "k", "v")
    assert committed.result == b"v"
    await network.wait_for_height(committed.block_number + 1)
    assert len({network.peer(msp_id).commit_hash for msp_id in MEMBERS}) == 1
    assert len({network.peer(msp_id).current_block_hash for msp_id in MEMBERS}) == 1
    for msp_id in MEMBERS:
        assert await network.peer(msp_id).read_state("pc", "k") == b"v"
    assert await client.evaluate("pc", "Get", "k") == b"v"


async def test_evaluated_proposal_is_answered_and_not_endorsed(network: PeerNetwork) -> None:
    proposal = network.client().propose("pc", "Put", "never-ordered", "v")
    signature = network.material.signer(BANK).sign(proposal.message)
    parsed = parse_proposal(signed_proposal(proposal.message, signature))
    evaluated = await network.peer().endorser.process(parsed, evaluating=True)
    assert (evaluated.response.status, evaluated.response.payload) == (200, b"v")
    assert not evaluated.HasField("endorsement")
    assert not evaluated.payload
    endorsed = await network.peer().endorser.process(parsed)
    assert endorsed.response == evaluated.response
    assert endorsed.endorsement.endorser == network.members[BANK].settings.identity.creator
    assert endorsed.payload


@pytest.mark.parametrize(("chaincode", "count"), [("any", 1), ("pc", 2), ("default", 2), ("all", 3)])
async def test_gateway_collects_as_many_endorsements_as_the_policy_needs(
    network: PeerNetwork, chaincode: str, count: int
) -> None:
    committed = await network.client().submit(chaincode, "Put", "k", "v")
    endorsers = await endorsers_of(network, committed.tx_id)
    assert len(endorsers) == count
    assert BANK in endorsers


async def test_named_organizations_endorse(network: PeerNetwork) -> None:
    committed = await network.client().submit("pc", "Put", "n", "v", endorsing_organizations=[PARTNER, REGULATOR])
    assert await endorsers_of(network, committed.tx_id) == {PARTNER, REGULATOR}


async def test_too_few_named_organizations_commit_as_policy_failure(network: PeerNetwork) -> None:
    with pytest.raises(CommitError) as failure:
        await network.client().submit("pc", "Put", "under", "v", endorsing_organizations=[BANK])
    assert failure.value.validation_code == ENDORSEMENT_POLICY_FAILURE
    assert await network.peer().read_state("pc", "under") is None


async def test_concurrent_updates_of_one_key_commit_one_of_them(network: PeerNetwork) -> None:
    client = network.client()
    prepared = [await client.endorse("pc", "Update", "hot", str(number)) for number in range(3)]
    await asyncio.gather(*(client.submit_prepared(item) for item in prepared))
    statuses = await asyncio.gather(*(client.commit_status(item.tx_id) for item in prepared))
    assert sorted(status.code for status in statuses) == [0, MVCC_READ_CONFLICT, MVCC_READ_CONFLICT]


async def test_many_transactions_at_once_all_commit(network: PeerNetwork) -> None:
    client = network.client()
    committed = await asyncio.gather(*(client.submit("pc", "Put", f"many{n}", str(n)) for n in range(40)))
    await network.wait_for_height(max(item.block_number for item in committed) + 1)
    assert len({network.peer(msp_id).commit_hash for msp_id in MEMBERS}) == 1
    for number in range(40):
        assert await network.peer(REGULATOR).read_state("pc", f"many{number}") == str(number).encode()


async def test_same_transaction_submitted_twice_counts_once(network: PeerNetwork) -> None:
    client = network.client()
    prepared = await client.endorse("pc", "Put", "twice", "v")
    await client.submit_prepared(prepared)
    first = await client.commit_status(prepared.tx_id)
    await client.submit_prepared(prepared)
    again = await client.submit("pc", "Put", "after-twice", "v")
    assert (await client.commit_status(prepared.tx_id)) == first
    flags = b""
    for number in range(first.block_number + 1, again.block_number + 1):
        flags += transactions_filter(parse_block(await network.peer().block(number) or b""))
    assert DUPLICATE_TXID in flags


async def test_range_history_event_and_delete(network: PeerNetwork) -> None:
    client = network.client()
    await client.submit("pc", "PutMany", "r", "120")
    assert (await client.submit("pc", "CountRange", "r", "s")).result == b"120"
    assert (await client.submit("pc", "CountRange", "r0000", "r0010")).result == b"10"
    for value in ("one", "two"):
        last = await client.submit("pc", "Put", "h", value)
    deleted = await client.submit("pc", "Delete", "h")
    history = await client.evaluate("pc", "History", "h")
    assert history.startswith(f'[["{deleted.tx_id}","",true],["{last.tx_id}","two",false]'.encode())
    assert await client.evaluate("pc", "Get", "h") == b""


async def test_phantom_in_a_range_is_refused_at_commit(network: PeerNetwork) -> None:
    client = network.client()
    await client.submit("pc", "PutMany", "ph", "3")
    prepared = await client.endorse("pc", "CountRange", "ph", "pi")
    await client.submit("pc", "Put", "ph9", "new")
    await client.submit_prepared(prepared)
    assert (await client.commit_status(prepared.tx_id)).code == 12


async def lost_race(network: PeerNetwork, tx_id: str) -> ReadConflict:
    """Return the conflict by which a transaction lost, as every peer tells it alike."""
    told = {(await network.client(msp_id).commit_status(tx_id)).conflict for msp_id in MEMBERS}
    (conflict,) = told
    assert conflict is not None
    return conflict


async def test_lost_race_names_key_versions_and_the_transaction_that_won(network: PeerNetwork) -> None:
    client = network.client()
    first = await client.submit("pc", "Put", "race", "0")
    late = [await client.endorse("pc", "Update", "race", str(number)) for number in range(2)]
    winner = await client.submit("pc", "Update", "race", "w")
    await network.wait_for_height(winner.block_number + 1)
    for prepared in late:
        await client.submit_prepared(prepared)
        conflict = await lost_race(network, prepared.tx_id)
        assert (conflict.namespace, conflict.collection, conflict.key) == ("pc", "", "race")
        assert conflict.read is not None
        assert conflict.found is not None
        assert (conflict.read.block, conflict.found.block) == (first.block_number, winner.block_number)
        assert conflict.winner_tx_id == winner.tx_id


async def test_race_within_a_block_names_the_winner_in_the_log(
    network: PeerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "node.peer.channel._log", SimpleNamespace(info=lambda text, **fields: logged.append(fields), warning=print)
    )
    client = network.client()
    # Pairs over many keys, ordered at once: some pair stands in one block, its first transaction valid.
    prepared = [await client.endorse("pc", "Update", f"close{number // 2}", "1") for number in range(40)]
    await asyncio.gather(*(client.submit_prepared(item) for item in prepared))
    statuses = [await client.commit_status(item.tx_id) for item in prepared]
    won = {status.tx_id: status.block_number for status in statuses if status.code == 0}
    assert len(won) == 20
    in_block = {item["tx_id"]: item["winner"] for item in logged if "winner" in item}
    for status in statuses:
        if status.code == 0:
            continue
        assert status.conflict is not None
        winner = status.conflict.winner_tx_id
        same_block = won[winner] == status.block_number
        assert in_block.get(status.tx_id) == (winner if same_block else None)
    assert in_block, "no pair met in one block"


async def test_error_of_a_lost_race_names_who_won(network: PeerNetwork) -> None:
    client = network.client()
    outcomes = await asyncio.gather(
        *(client.submit("pc", "Update", "crowd", str(number)) for number in range(8)), return_exceptions=True
    )
    lost = [item for item in outcomes if isinstance(item, CommitError)]
    won = {item.tx_id for item in outcomes if isinstance(item, CommittedTransaction)}
    assert lost, "none of eight updates at once lost: they did not meet"
    for error in lost:
        assert error.conflict is not None
        assert error.conflict.key == "crowd"
        assert error.conflict.winner_tx_id in won
        assert error.conflict.winner_tx_id in str(error)
        assert error.block_number > 0


@pytest.mark.every_postgres
async def test_race_against_a_deletion_names_who_deleted(network: PeerNetwork) -> None:
    client = network.client()
    await client.submit("pc", "Put", "goes", "0")
    late = await client.endorse("pc", "Update", "goes", "1")
    deleted = await client.submit("pc", "Delete", "goes")
    await client.submit_prepared(late)
    conflict = await lost_race(network, late.tx_id)
    assert (conflict.key, conflict.found, conflict.winner_tx_id) == ("goes", None, deleted.tx_id)


@pytest.mark.every_postgres
async def test_race_that_is_no_longer_remembered_is_worked_out_from_the_history(network: PeerNetwork) -> None:
    client = network.client()
    await client.submit("pc", "Put", "old", "0")
    late = await client.endorse("pc", "Update", "old", "1")
    winner = await client.submit("pc", "Update", "old", "w")
    await client.submit_prepared(late)
    remembered = await lost_race(network, late.tx_id)
    for msp_id in MEMBERS:
        network.peer(msp_id).channel.conflicts = Conflicts(network.peer(msp_id).channel.reader, 1)
    await client.submit("pc", "Update", "old", "later")
    assert await lost_race(network, late.tx_id) == remembered
    assert remembered.winner_tx_id == winner.tx_id


async def test_phantom_names_the_key_that_appeared_and_who_wrote_it(network: PeerNetwork) -> None:
    client = network.client()
    await client.submit("pc", "PutMany", "pf", "3")
    prepared = await client.endorse("pc", "CountRange", "pf", "pg")
    winner = await client.submit("pc", "Put", "pf9", "new")
    await client.submit_prepared(prepared)
    conflict = await lost_race(network, prepared.tx_id)
    assert (conflict.key, conflict.range_end, conflict.read, conflict.winner_tx_id) == ("pf9", "pg", None, winner.tx_id)


async def test_valid_transaction_has_no_conflict(network: PeerNetwork) -> None:
    committed = await network.client().submit("pc", "Put", "calm", "1")
    assert (await network.client().commit_status(committed.tx_id)).conflict is None


async def test_chaincode_calls_chaincode_in_one_transaction(network: PeerNetwork) -> None:
    client = network.client()
    await client.submit("any", "Put", "seen", "by-any")
    assert await client.evaluate("pc", "CallOther", "any", "Get", "seen") == b"200 by-any"
    with pytest.raises(GatewayError):
        await client.evaluate("pc", "CallOther", "nonexistent", "Get", "seen")


async def test_call_of_another_chaincode_needs_that_ones_policy_too(network: PeerNetwork) -> None:
    client = network.client()
    committed = await client.submit("any", "CallOther", "all", "Get", "k")
    assert await endorsers_of(network, committed.tx_id) == set(MEMBERS)


# --- errors, as Fabric's scenario features assert them --------------------------------------------------------------


def details(error: GatewayError, network: PeerNetwork) -> set[tuple[str, str]]:
    """Return organization and text of each detail, after checking that its address is that peer's."""
    for item in error.details:
        assert item.address == network.members[item.msp_id].settings.address
    return {(item.msp_id, item.message) for item in error.details}


async def test_evaluation_the_chaincode_refuses_is_unknown_with_its_text(network: PeerNetwork) -> None:
    with pytest.raises(GatewayError) as failure:
        await network.client().evaluate("pc", "Fail")
    assert failure.value.code == StatusCode.UNKNOWN
    text = "chaincode response 400, refused: no such thing here"
    assert f"evaluate call to endorser returned error: {text}" in str(failure.value)
    assert details(failure.value, network) == {(BANK, text)}


async def test_submission_the_chaincode_refuses_is_aborted_with_details(network: PeerNetwork) -> None:
    with pytest.raises(EndorseError) as failure:
        await network.client().submit("pc", "Fail")
    assert failure.value.code == StatusCode.ABORTED
    assert "failed to endorse transaction, see attached details for more info" in str(failure.value)
    assert details(failure.value, network) == {(BANK, "chaincode response 400, refused: no such thing here")}


async def test_unknown_chaincode_has_no_metadata(network: PeerNetwork) -> None:
    with pytest.raises(EndorseError) as failure:
        await network.client().submit("nonexistent", "Put", "k", "v")
    assert failure.value.code == StatusCode.FAILED_PRECONDITION
    assert (
        "no combination of peers can be derived which satisfy the endorsement policy: "
        f"No metadata was found for chaincode nonexistent in channel {CHANNEL}" in str(failure.value)
    )
    with pytest.raises(GatewayError, match="no peers available to evaluate chaincode nonexistent") as evaluation:
        await network.client().evaluate("nonexistent", "Get", "k")
    assert evaluation.value.code == StatusCode.FAILED_PRECONDITION


async def test_peers_that_answer_differently_are_named(network: PeerNetwork) -> None:
    with pytest.raises(EndorseError) as failure:
        await network.client().submit("pc", "Differ")
    assert failure.value.code == StatusCode.ABORTED
    assert "failed to collect enough transaction endorsements, see attached details for more info" in str(failure.value)
    text = "ProposalResponsePayloads do not match"
    assert details(failure.value, network) == {(PARTNER, text), (REGULATOR, text)}
    for detail in failure.value.details:
        (difference,) = detail.differences
        assert difference[:4] == ("write", "pc", "", "differ")
        assert int(difference.first) != int(difference.other)
    assert "write of 'differ' in pc" in str(failure.value)


async def test_wrong_signature_is_refused_with_creators_organization(network: PeerNetwork, material: Material) -> None:
    client = network.client()
    other = material.signer(PARTNER)
    text = f"error validating proposal: access denied: channel [{CHANNEL}] creator org [{BANK}]"
    proposal = client.propose("pc", "Get", "k")
    with pytest.raises(GatewayError) as failure:
        await client.evaluate_proposal(proposal, other.sign(proposal.message))
    assert failure.value.code == StatusCode.FAILED_PRECONDITION
    assert f"evaluate call to endorser returned error: {text}" in str(failure.value)
    assert details(failure.value, network) == {(BANK, text)}
    with pytest.raises(EndorseError) as refused:
        await client.endorse_proposal(proposal, other.sign(proposal.message))
    assert details(refused.value, network) == {(BANK, text)}


async def test_peer_service_answers_a_refused_proposal_with_a_grpc_error(network: PeerNetwork) -> None:
    client = network.client()
    proposal = client.propose("pc", "Get", "k")
    request = signed_proposal(proposal.message, b"\x30\x06\x02\x01\x01\x02\x01\x01")
    with pytest.raises(RpcError, match="error validating proposal: access denied") as failure:
        await network.channel().unary("/protos.Endorser/ProcessProposal", request, 5)
    assert failure.value.code == StatusCode.UNKNOWN


@pytest.mark.parametrize(("channel_id", "chaincode"), [("other", "pc"), (CHANNEL, "")])
async def test_proposal_of_another_time_is_refused_whatever_else_is_wrong(
    network: PeerNetwork, channel_id: str, chaincode: str
) -> None:
    signer, times = network.material.signer(BANK), (datetime.now(UTC), datetime.now(UTC) - timedelta(hours=1))
    told = []
    for time in times:
        _, proposal = new_proposal(channel_id, chaincode, [b"Get"], signer.creator, b"n" * 24, time)
        try:
            request = signed_proposal(proposal, signer.sign(proposal))
            reply = await network.channel().unary("/protos.Endorser/ProcessProposal", request, 5)
            told.append(proposal_response_pb2.ProposalResponse.FromString(reply).response.message)
        except RpcError as refusal:
            told.append(refusal.message)
    assert "timestamp" not in told[0]
    assert told[1].startswith("request unauthorized due to incorrect timestamp")


async def test_committed_transaction_id_cannot_be_proposed_again(network: PeerNetwork) -> None:
    client = network.client()
    proposal = client.propose("pc", "Put", "again", "v")
    prepared = await client.endorse_proposal(proposal)
    await client.submit_prepared(prepared)
    await client.commit_status(prepared.tx_id)
    with pytest.raises(EndorseError, match="duplicate transaction found"):
        await client.endorse_proposal(proposal)


async def test_stranger_is_denied_everywhere(network: PeerNetwork, tmp_path_factory: pytest.TempPathFactory) -> None:
    stranger = make_material(tmp_path_factory.mktemp("stranger")).signer(BANK)
    client = network.client(signer=stranger)
    with pytest.raises(GatewayError, match="creator org unknown, creator is malformed"):
        await client.evaluate("pc", "Get", "k")
    with pytest.raises(GatewayError) as status:
        await client.commit_status("0" * 64)
    assert status.value.code == StatusCode.PERMISSION_DENIED
    with pytest.raises(GatewayError) as events:
        await anext(client.chaincode_events("pc", start_block=0))
    assert events.value.code == StatusCode.PERMISSION_DENIED
    with pytest.raises(GatewayError) as blocks:
        await anext(client.blocks(0))
    assert blocks.value.code == StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("method", "request_", "text"),
    [
        ("Evaluate", gateway_pb2.EvaluateRequest(), "a signed proposal is required"),
        ("Endorse", gateway_pb2.EndorseRequest(), "the proposed transaction must contain a signed proposal"),
        ("Submit", gateway_pb2.SubmitRequest(), "a prepared transaction is required"),
        ("CommitStatus", gateway_pb2.SignedCommitStatusRequest(), "a commit status request is required"),
        (
            "CommitStatus",
            gateway_pb2.SignedCommitStatusRequest(
                request=gateway_pb2.CommitStatusRequest(identity=b"x", channel_id=CHANNEL).SerializeToString()
            ),
            "transaction ID should not be empty",
        ),
        (
            "CommitStatus",
            gateway_pb2.SignedCommitStatusRequest(
                request=gateway_pb2.CommitStatusRequest(
                    identity=bytes(65_537), channel_id=CHANNEL, transaction_id="f" * 64
                ).SerializeToString()
            ),
            "identity: 65537 bytes, more than 65536",
        ),
    ],
)
async def test_incomplete_request_is_an_invalid_argument(
    network: PeerNetwork, method: str, request_: Any, text: str
) -> None:
    with pytest.raises(RpcError, match=text) as failure:
        await network.channel().unary(f"/gateway.Gateway/{method}", request_.SerializeToString(), 5)
    assert failure.value.code == StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("signature_header", "text"),
    [
        (None, "missing signature header"),
        (common_pb2.SignatureHeader(creator=bytes(65_537)), "signature_header.creator: 65537 bytes, more than 65536"),
    ],
)
async def test_request_for_a_snapshot_without_an_identity_of_somebody_is_refused(
    network: PeerNetwork, signature_header: common_pb2.SignatureHeader | None, text: str
) -> None:
    asked = snapshot_pb2.SnapshotRequest(signature_header=signature_header, channel_id=CHANNEL)
    signed = snapshot_pb2.SignedSnapshotRequest(request=asked.SerializeToString())
    with pytest.raises(RpcError, match=text) as failure:
        await network.channel().unary("/protos.Snapshot/Generate", signed.SerializeToString(), 5)
    assert failure.value.code == StatusCode.UNKNOWN


async def test_commit_status_waits_until_its_deadline(network: PeerNetwork) -> None:
    client = network.client()
    message = client.commit_status_message("f" * 64)
    signature = network.material.signer(BANK).sign(message)
    request = gateway_pb2.SignedCommitStatusRequest(request=message, signature=signature)
    with pytest.raises(RpcError) as failure:
        await network.channel().unary("/gateway.Gateway/CommitStatus", request.SerializeToString(), 0.3)
    assert failure.value.code == StatusCode.DEADLINE_EXCEEDED


# --- events and blocks ----------------------------------------------------------------------------------------------


async def test_events_replay_from_a_block_and_after_a_transaction(network: PeerNetwork) -> None:
    client = network.client()
    sent = [await client.submit("pc", "Emit", "paid", str(number)) for number in range(3)]
    await client.submit("any", "Emit", "other", "not ours")
    async with aclosing(client.chaincode_events("pc", start_block=sent[0].block_number)) as events:
        found = [await anext(events) for _ in range(3)]
    assert [(event.tx_id, event.name, event.payload) for event in found] == [
        (item.tx_id, "paid", str(number).encode()) for number, item in enumerate(sent)
    ]
    resumed = client.chaincode_events("pc", start_block=0, after_tx_id=sent[0].tx_id)
    async with aclosing(resumed) as events:
        assert (await anext(events)).tx_id == sent[1].tx_id


async def test_new_events_arrive_as_they_commit(network: PeerNetwork) -> None:
    client = network.client()
    async with aclosing(client.chaincode_events("pc")) as events:
        waiting = asyncio.ensure_future(anext(events))
        sent = []
        async with asyncio.timeout(20):
            # What is committed before the peer has read the request is not told.
            while not waiting.done():
                sent.append((await client.submit("pc", "Emit", "live", "now")).tx_id)
                await asyncio.wait({waiting}, timeout=0.2)
        assert (await waiting).tx_id in sent


async def test_blocks_replay_whole_and_filtered(network: PeerNetwork) -> None:
    client = network.client()
    sent = await client.submit("pc", "Emit", "secret-name", "secret-payload")
    blocks = [block async for block in client.blocks(0, stop=sent.block_number)]
    assert [block.header.number for block in blocks] == list(range(sent.block_number + 1))
    assert blocks[-1].SerializeToString() == await network.peer().block(sent.block_number)
    filtered = [block async for block in client.filtered_blocks(0, stop=sent.block_number)]
    assert [block.number for block in filtered] == list(range(sent.block_number + 1))
    transactions = {item.txid: item for item in filtered[-1].filtered_transactions}
    event = transactions[sent.tx_id].transaction_actions.chaincode_actions[0].chaincode_event
    assert (event.event_name, event.payload) == ("secret-name", b"")
    assert b"secret-payload" not in filtered[-1].SerializeToString()


async def raw_deliver(network: PeerNetwork, envelope: bytes) -> list[events_pb2.DeliverResponse]:
    """Send one seek request and return all replies up to the status."""

    async def requests() -> AsyncIterator[bytes]:
        yield envelope

    replies = []
    async with aclosing(network.channel().bidi("/protos.Deliver/Deliver", requests(), 5)) as stream:
        async for reply in stream:
            replies.append(events_pb2.DeliverResponse.FromString(reply))
            if replies[-1].WhichOneof("Type") == "status":
                break
    return replies


def seek(network: PeerNetwork, **changes: Any) -> bytes:
    channel = network.channel()
    late_by = changes.pop("late_by", timedelta())
    fields: dict[str, Any] = {
        "nonce": b"n" * 24,
        "timestamp": datetime.now(UTC) - late_by,
        "start": 0,
        "stop": 0,
        "tls_cert_hash": channel.tls_certificate_hash,
    } | changes
    return bytes(seek_envelope(CHANNEL, network.material.signer(BANK), **fields).SerializeToString())


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"late_by": timedelta(minutes=16)}, 400),
        ({"late_by": timedelta(minutes=-16)}, 400),
        ({"tls_cert_hash": b""}, 400),
        ({"tls_cert_hash": b"x" * 32}, 400),
        ({"start": 3, "stop": 2}, 400),
        ({"start": 10_000, "stop": 10_001}, 404),
        ({"start": 1, "stop": 10_000, "fail_if_not_ready": True}, 404),
    ],
)
async def test_deliver_answers_each_request_with_fabrics_status(
    network: PeerNetwork, changes: dict[str, Any], status: int
) -> None:
    replies = await raw_deliver(network, seek(network, **changes))
    assert replies[-1].status == status


async def test_filtered_block_without_its_data_is_refused(network: PeerNetwork) -> None:
    async def requests(number: int) -> AsyncIterator[bytes]:
        yield seek(network, start=number, stop=number, headers_only=True)

    for number, kinds in ((0, ["filtered_block", "status"]), (1, ["status"])):
        async with aclosing(network.channel().bidi("/protos.Deliver/DeliverFiltered", requests(number), 5)) as stream:
            replies = [events_pb2.DeliverResponse.FromString(reply) async for reply in stream]
        assert [reply.WhichOneof("Type") for reply in replies] == kinds
    assert replies[0].status == 400


async def test_deliver_newest_is_one_block(network: PeerNetwork) -> None:
    envelope = seek(network)
    from network.envelope import signed_payload

    info = ab_pb2.SeekInfo()
    info.start.newest.SetInParent()
    info.stop.newest.SetInParent()
    envelope = signed_payload(
        common_pb2.DELIVER_SEEK_INFO,
        CHANNEL,
        info.SerializeToString(),
        network.material.signer(BANK),
        nonce=b"n" * 24,
        timestamp=datetime.now(UTC),
        tls_cert_hash=network.channel().tls_certificate_hash,
    ).SerializeToString()
    replies = await raw_deliver(network, envelope)
    assert [reply.WhichOneof("Type") for reply in replies] == ["block", "status"]
    assert replies[0].block.header.number == network.peer().height - 1


# --- lifecycle ------------------------------------------------------------------------------------------------------


async def test_definition_that_is_not_approved_is_not_endorsed(network: PeerNetwork) -> None:
    other = approved_definition("all", "2.0", 2, POLICY)
    with pytest.raises(EndorseError) as failure:
        await network.client().submit("_lifecycle", "CommitChaincodeDefinition", other.commit_arguments())
    text = "chaincode definition not agreed to by this org (DwaybankMSP)"
    assert any(text in message for _, message in details(failure.value, network))


async def test_definition_out_of_sequence_is_refused(network: PeerNetwork) -> None:
    again = approved_definition("any", "1.0", 1, "OR('DwaybankMSP.peer', 'PartnerMSP.peer')")
    with pytest.raises(EndorseError, match="requested sequence is 1, but new definition must be sequence 2"):
        await network.client().submit("_lifecycle", "CommitChaincodeDefinition", again.commit_arguments())


async def test_committed_definitions_can_be_queried(network: PeerNetwork) -> None:
    client = network.client()
    arguments = lifecycle_pb2.QueryChaincodeDefinitionArgs(name="pc").SerializeToString()
    reply = await client.evaluate("_lifecycle", "QueryChaincodeDefinition", arguments)
    result = lifecycle_pb2.QueryChaincodeDefinitionResult.FromString(reply)
    assert (result.sequence, result.version, result.validation_plugin) == (1, "1.0", "vscc")
    assert dict(result.approvals) == {BANK: True, PARTNER: False, REGULATOR: False}
    reply = await client.evaluate("_lifecycle", "QueryChaincodeDefinitions", b"")
    names = {
        item.name for item in lifecycle_pb2.QueryChaincodeDefinitionsResult.FromString(reply).chaincode_definitions
    }
    assert names == {"pc", "any", "all", "default"}
    missing = lifecycle_pb2.QueryChaincodeDefinitionArgs(name="none").SerializeToString()
    with pytest.raises(GatewayError, match="chaincode response 404, namespace none is not defined"):
        await client.evaluate("_lifecycle", "QueryChaincodeDefinition", missing)


# --- private data and key policies ----------------------------------------------------------------------------------


async def private_block(network: PeerNetwork, msp_id: str, number: int) -> events_pb2.BlockAndPrivateData:
    """Ask the bank's peer, as a client of some organization, for one block with private data."""
    channel = rpc.Channel(f"localhost:{network.members[BANK].port}", client_tls(network.material, msp_id))
    envelope = seek_envelope(
        CHANNEL,
        network.material.signer(msp_id),
        nonce=b"n" * 24,
        timestamp=datetime.now(UTC),
        start=number,
        stop=number,
        tls_cert_hash=channel.tls_certificate_hash,
    ).SerializeToString()

    async def requests() -> AsyncIterator[bytes]:
        yield envelope

    try:
        async with aclosing(channel.bidi("/protos.Deliver/DeliverWithPrivateData", requests(), 5)) as stream:
            return events_pb2.DeliverResponse.FromString(await anext(stream)).block_and_private_data
    finally:
        await channel.close()


async def test_private_value_stays_with_the_members_that_endorsed(network: PeerNetwork) -> None:
    client = network.client()
    committed = await client.submit("pc", "PutPrivate", "bilateral", "p", transient={"value": b"top-secret"})
    assert await endorsers_of(network, committed.tx_id) == {BANK, PARTNER}
    await network.wait_for_height(committed.block_number + 1)
    for msp_id in MEMBERS:
        assert b"top-secret" not in (await network.peer(msp_id).block(committed.block_number) or b"")
    assert await client.evaluate("pc", "GetPrivate", "bilateral", "p") == b"top-secret"
    assert await network.client(PARTNER).evaluate("pc", "GetPrivate", "bilateral", "p") == b"top-secret"
    with pytest.raises(GatewayError):
        await network.client(REGULATOR).evaluate("pc", "GetPrivate", "bilateral", "p")
    for msp_id, seen in ((BANK, True), (REGULATOR, False)):
        delivered = await private_block(network, msp_id, committed.block_number)
        assert (b"top-secret" in delivered.SerializeToString()) == seen
        assert delivered.block.header.number == committed.block_number


@pytest.mark.every_postgres
async def test_purged_value_is_gone_from_the_whole_database(network: PeerNetwork) -> None:
    client = network.client()
    for value in (b"purge-me-one", b"purge-me-two"):
        await client.submit("pc", "PutPrivate", "bilateral", "purged", transient={"value": value})
    kept = await client.submit("pc", "PutPrivate", "bilateral", "kept", transient={"value": b"keep-me"})
    purged = await client.submit("pc", "PurgePrivate", "bilateral", "purged")
    await network.wait_for_height(purged.block_number + 1)
    assert b"keep-me" in (await private_block(network, BANK, kept.block_number)).SerializeToString()
    for msp_id in (BANK, PARTNER):
        with psycopg.connect(network.members[msp_id].settings.database_url) as connection:
            for table, column in (
                ("private_state", "value"),
                ("private_write_set", "content"),
                ("transient_write_set", "content"),
            ):
                holds = f"position('purge-me' IN encode({column}, 'escape')) > 0"
                found = connection.execute(f"SELECT count(*) FROM channel.{table} WHERE {holds}".encode()).fetchone()
                assert found == (0,)


async def test_private_value_of_an_evaluation_is_kept_by_the_members_as_fabrics_peers_keep_it(
    network: PeerNetwork,
) -> None:
    value = b"evaluated-only"
    client = network.client()
    await client.evaluate(
        "pc", "PutPrivate", "bilateral", "evaluated", transient={"value": value}, target_organizations=[BANK]
    )
    with psycopg.connect(network.members[BANK].settings.database_url) as connection:
        kept = connection.execute("SELECT content FROM channel.transient_write_set").fetchall()
    assert any(value in content for (content,) in kept)
    assert await network.peer().read_state("pc", "evaluated") is None


async def test_undefined_collection_is_refused(network: PeerNetwork) -> None:
    with pytest.raises(GatewayError):
        await network.client().submit("pc", "PutPrivate", "unknown", "p", transient={"value": b"v"})


async def test_key_policy_brings_in_its_organization(network: PeerNetwork) -> None:
    client = network.client()
    policy: policies_pb2.SignaturePolicyEnvelope = parse_signature_policy("AND('RegulatorMSP.peer')")
    guarded = await client.submit("any", "KeyPolicy", "guarded", transient={"policy": policy.SerializeToString()})
    await network.wait_for_height(guarded.block_number + 1)
    committed = await client.submit("any", "Put", "guarded", "new")
    assert REGULATOR in await endorsers_of(network, committed.tx_id)
    with pytest.raises(CommitError) as failure:
        await client.submit("any", "Put", "guarded", "x", endorsing_organizations=[BANK])
    assert failure.value.validation_code == ENDORSEMENT_POLICY_FAILURE


# --- the network's own troubles -------------------------------------------------------------------------------------


async def test_peer_down_is_replaced_by_another_organizations(network: PeerNetwork) -> None:
    partner = network.members[PARTNER]
    await partner.stop()
    try:
        committed = await network.client().submit("pc", "Put", "without-partner", "v")
        assert await endorsers_of(network, committed.tx_id) == {BANK, REGULATOR}
        with pytest.raises(EndorseError, match="failed to collect enough transaction endorsements"):
            await network.client().submit("all", "Put", "without-partner", "v")
    finally:
        await partner.start()
    await network.wait_for_height(committed.block_number + 1)
    assert await network.peer(PARTNER).read_state("pc", "without-partner") == b"v"
    await network.found_again(lambda: network.client().submit("all", "Put", "with-partner", "v"))


async def test_busy_key_is_simulated_again_until_it_fits(network: PeerNetwork) -> None:
    client = network.client()
    rounds = await asyncio.gather(
        *(client.submit("pc", "Put", "busy", str(number)) for number in range(20)),
        *(client.evaluate("pc", "CallOther", "any", "Get", "busy") for _ in range(20)),
    )
    assert len(rounds) == 40
    assert SIMULATIONS_MAX > 1


async def test_large_block_with_private_data_keeps_nobody_waiting(
    network: PeerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = await network.client().submit("pc", "PutPrivate", "bilateral", "l", transient={"value": b"in-a-thread"})
    await network.wait_for_height(committed.block_number + 1)
    channel = network.peer(BANK).channel
    block = parse_block(await network.peer(BANK).block(committed.block_number) or b"")
    block.data.data.append(bytes(READ_HERE_BYTES_MAX))
    readers: list[threading.Thread] = []

    def read(content: bytes) -> common_pb2.Block:
        readers.append(threading.current_thread())
        return parse_block(content)

    monkeypatch.setattr(private_blocks, "parse_block", read)
    reader = channel.config.msps.deserialize(network.material.signer(BANK).creator)
    reply = await private_blocks.block_with_private_data(channel, block.SerializeToString(), reader)
    assert readers != [threading.main_thread()]
    found = events_pb2.DeliverResponse.FromString(reply).block_and_private_data
    assert found.block == block
    assert b"in-a-thread" in found.private_data_map[0].SerializeToString()


async def test_connection_without_a_members_certificate_is_refused(
    network: PeerNetwork, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = make_material(tmp_path_factory.mktemp("tls"))
    tls = replace(client_tls(stranger, BANK), roots_pem=client_tls(network.material, BANK).roots_pem)
    channel = rpc.Channel(f"localhost:{network.members[BANK].port}", tls)
    with pytest.raises(RpcError) as failure:
        await channel.unary("/gateway.Gateway/Evaluate", b"", 3)
    await channel.close()
    assert failure.value.code in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)


async def test_peers_at_different_heights_are_asked_again(network: PeerNetwork) -> None:
    client = network.client()
    for number in range(25):
        # Sent as soon as one peer has committed the one before, while the others may not have it yet.
        await client.submit("all", "Update", "chased", str(number))
    await client.submit("pc", "Update", "other-peer", "1")
    assert (await network.client(PARTNER).submit("pc", "Update", "other-peer", "2")).result == b"1"


async def test_orderer_that_restarts_is_found_again(network: PeerNetwork) -> None:
    client = network.client()
    await network.orderer.stop()
    with pytest.raises(SubmitError, match="no orderers could successfully process transaction") as failure:
        await client.submit("pc", "Put", "unordered", "v")
    assert failure.value.code == StatusCode.UNAVAILABLE
    assert await client.evaluate("pc", "Get", "unordered") == b""
    await network.orderer.start()
    async with asyncio.timeout(20):
        while True:
            try:
                committed = await client.submit("pc", "Put", "ordered", "v")
                break
            except SubmitError:
                await asyncio.sleep(0.1)
        await network.wait_for_height(committed.block_number + 1)


async def test_database_connections_that_break_are_opened_again(network: PeerNetwork) -> None:
    client = network.client()
    for member in network.members.values():
        with psycopg.connect(member.settings.database_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    committed = await client.submit("pc", "Put", "after-break", "v")
    await network.wait_for_height(committed.block_number + 1)
    assert await client.evaluate("pc", "Get", "after-break") == b"v"
    assert len({network.peer(msp_id).commit_hash for msp_id in MEMBERS}) == 1


# --- what command lines ask -----------------------------------------------------------------------------------------


async def test_ledger_can_be_queried_as_fabrics_command_line_does(network: PeerNetwork) -> None:
    client = network.client()
    committed = await client.submit("pc", "Put", "queried", "v")
    content = await network.peer().block(committed.block_number)
    assert content is not None
    info = ledger_pb2.BlockchainInfo.FromString(await client.evaluate("qscc", "GetChainInfo", CHANNEL))
    assert (info.height, info.currentBlockHash) == (network.peer().height, network.peer().current_block_hash)
    by_number = await client.evaluate("qscc", "GetBlockByNumber", CHANNEL, str(committed.block_number))
    by_hash = await client.evaluate("qscc", "GetBlockByHash", CHANNEL, header_hash(parse_block(content).header))
    by_id = await client.evaluate("qscc", "GetBlockByTxID", CHANNEL, committed.tx_id)
    assert by_number == by_hash == by_id == content
    found = await client.evaluate("qscc", "GetTransactionByID", CHANNEL, committed.tx_id)
    processed = transaction_pb2.ProcessedTransaction.FromString(found)
    assert processed.validationCode == 0
    assert processed.transactionEnvelope.SerializeToString() in parse_block(content).data.data
    assert await client.evaluate("cscc", "GetConfigBlock", CHANNEL) == await network.peer().block(0)


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        ("GetBlockByNumber", [CHANNEL, "9999"], "no such block number"),
        ("GetBlockByNumber", [CHANNEL, "-1"], "Failed to parse block number"),
        ("GetBlockByNumber", [CHANNEL], "missing 3rd argument"),
        ("GetTransactionByID", [CHANNEL, "none"], "no such transaction ID"),
        ("GetBlockByHash", [CHANNEL, "none"], "no such block hash"),
        ("GetChainInfo", ["other"], "Invalid chain ID, other"),
        ("GetBlockByNumber", [CHANNEL, "9" * 5000], "Failed to parse block number"),
        ("GetBlockByNumber", [CHANNEL, str(2**63 - 1)], f"error no such block number .{2**63 - 1}. in index"),
        ("GetBlockByNumber", [CHANNEL, b"\xff\x01\n\xc2\xad"], r'parsing "\\xff\\x01\\n\\u00ad": invalid syntax'),
        ("GetTransactionByID", [CHANNEL, b"\xff"], "failed to marshal response: string field contains invalid UTF-8"),
        ("Unknown", [CHANNEL, ""], "access denied for .Unknown..anchors.: .Unmapped policy for qscc/Unknown."),
    ],
)
@pytest.mark.every_postgres
async def test_ledger_query_that_fails_says_why(
    network: PeerNetwork, function: str, arguments: list[str | bytes], text: str
) -> None:
    with pytest.raises(GatewayError, match=text):
        await network.client().evaluate("qscc", function, *arguments)


async def test_question_about_no_channel_is_refused_in_fabrics_words(network: PeerNetwork) -> None:
    answer = await ask_peer(network.channel(), network.material.signer(BANK), "cscc", b"GetConfigBlock", b"")
    path = "/Channel/Application/Readers"
    assert answer.response.message == (
        "access denied for [GetConfigBlock][]: Failed getting local MSP principal during channelless check policy with "
        f"policy [{path}]: [MSP Principal role [{path}] not recognized]"
    )


async def test_channels_are_told_to_own_members_only(network: PeerNetwork) -> None:
    response = await ask_peer(network.channel(), network.material.signer(BANK), "cscc", b"GetChannels")
    assert response.response.status == 200
    assert not response.HasField("endorsement")
    channels = query_pb2.ChannelQueryResponse.FromString(response.response.payload).channels
    assert [item.channel_id for item in channels] == [CHANNEL]
    with pytest.raises(RpcError, match=r"access denied: channel \[\] creator org unknown, creator is malformed"):
        await ask_peer(network.channel(), network.material.signer(PARTNER), "cscc", b"GetChannels")
