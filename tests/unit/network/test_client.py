"""The gateway client against a gateway written for the test.

Aim: every stage's request is what Fabric's gateway expects, every failure names its stage and carries what was said,
and a gateway that hands back another transaction gets no signature.
Method: a small gateway over the real transport, which endorses, and misbehaves when told to. The client against the
real peer is tested in tests/integration, the official client in tests/interop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from google.protobuf import any_pb2
from google.rpc import status_pb2

from network import rpc
from network.client import (
    ErrorDetail,
    EventKind,
    GatewayClient,
    InMemoryCheckpointer,
    OfflineIdentity,
    PreparedTransaction,
    Proposal,
    SubmittedTransaction,
    Timeouts,
    validation_code_name,
)
from network.errors import (
    CommitError,
    CommitStatusError,
    EndorseError,
    GatewayError,
    IdentityError,
    SubmitError,
    WireError,
)
from network.identity import SigningIdentity, parse_identity
from network.proposal import ParsedProposal, parse_proposal
from tests.support.certificates import Authority
from tests.support.fake_gateway import FakeGateway, serving

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CHANNEL = "anchors"


@pytest.fixture(scope="module")
def identity() -> SigningIdentity:
    return SigningIdentity.from_pem("BankMSP", *Authority("bank").issue("user"))


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def channel(gateway: FakeGateway) -> AsyncIterator[rpc.Channel]:
    async with serving(gateway) as (connection, _):
        yield connection


@pytest.fixture
def client(channel: rpc.Channel, identity: SigningIdentity) -> GatewayClient:
    return GatewayClient(channel, identity, CHANNEL, lambda: NOW)


def refused(stage: str) -> rpc.RpcError:
    detail = any_pb2.Any()
    detail.Pack(gateway_pb2.ErrorDetail(address="peer:7051", msp_id="PartnerMSP", message="not allowed"))
    status = status_pb2.Status(code=10, message="failed", details=[detail])
    return rpc.RpcError(10, f"{stage}: failed", status.SerializeToString())


async def test_evaluate_sends_the_signed_proposal_and_returns_the_result(
    client: GatewayClient, gateway: FakeGateway
) -> None:
    result = await client.evaluate("basic", "Get", "älice", b"\x00", transient={"secret": b"s"})
    assert result == b"Get|\xc3\xa4lice|\x00"
    proposal = gateway.proposals[0]
    assert (proposal.channel_id, proposal.chaincode, proposal.timestamp) == (CHANNEL, "basic", NOW)
    assert proposal.transient == {"secret": b"s"}


async def test_two_proposals_never_share_an_id(client: GatewayClient) -> None:
    assert client.propose("basic", "Get").tx_id != client.propose("basic", "Get").tx_id


async def test_submit_signs_the_endorsed_transaction_and_returns_its_block(
    client: GatewayClient, gateway: FakeGateway, identity: SigningIdentity
) -> None:
    committed = await client.submit("basic", "Pay", "1")
    assert (committed.block_number, committed.result) == (7, b"result")
    assert committed.tx_id == gateway.proposals[0].tx_id == gateway.status_requests[0].transaction_id
    envelope = gateway.submitted[0]
    parse_identity(identity.creator).verify(envelope.payload, envelope.signature)


@pytest.mark.parametrize(
    ("stage", "error"), [("Endorse", EndorseError), ("Submit", SubmitError), ("CommitStatus", CommitStatusError)]
)
async def test_failure_names_its_stage_its_transaction_and_what_each_peer_said(
    client: GatewayClient, gateway: FakeGateway, stage: str, error: type[GatewayError]
) -> None:
    gateway.refusal = refused(stage)
    with pytest.raises(error, match="PartnerMSP at peer:7051: not allowed") as caught:
        await client.submit("basic", "Pay")
    assert caught.value.transaction_id == gateway.proposals[0].tx_id
    assert caught.value.code == 10
    assert caught.value.details == (ErrorDetail("peer:7051", "PartnerMSP", "not allowed"),)


async def test_invalid_transaction_is_a_commit_error_with_its_code(client: GatewayClient, gateway: FakeGateway) -> None:
    gateway.code = 11
    with pytest.raises(CommitError, match=r"MVCC_READ_CONFLICT \(11\) in block 7") as caught:
        await client.submit("basic", "Pay")
    assert caught.value.validation_code == 11


async def test_evaluate_beyond_its_time_fails_with_deadline_exceeded(
    channel: rpc.Channel, gateway: FakeGateway, identity: SigningIdentity
) -> None:
    gateway.hang = True
    client = GatewayClient(channel, identity, CHANNEL, lambda: NOW, timeouts=Timeouts(evaluate_s=0.2))
    with pytest.raises(GatewayError) as caught:
        await client.evaluate("basic", "Get")
    assert caught.value.code == rpc.StatusCode.DEADLINE_EXCEEDED


async def test_gateway_that_swaps_the_transaction_gets_no_signature(
    client: GatewayClient, gateway: FakeGateway, identity: SigningIdentity
) -> None:
    def other(proposal: ParsedProposal) -> ParsedProposal:
        forged = client.propose("basic", "PayEverything")
        signed = gateway_pb2.EndorseRequest()
        signed.proposed_transaction.proposal_bytes = forged.message
        signed.proposed_transaction.signature = identity.sign(forged.message)
        return parse_proposal(signed.proposed_transaction.SerializeToString())

    gateway.swap = other
    with pytest.raises(EndorseError, match="another transaction than the one proposed"):
        await client.submit("basic", "Pay", "1")
    assert gateway.submitted == []


async def test_offline_key_signs_each_stage_and_the_client_never_holds_it(
    channel: rpc.Channel, gateway: FakeGateway
) -> None:
    certificate, key = Authority("bank").issue("user")
    vault = SigningIdentity.from_pem("BankMSP", certificate, key)
    client = GatewayClient(channel, OfflineIdentity("BankMSP", certificate), CHANNEL, lambda: NOW)
    proposal = client.propose("basic", "Pay")
    prepared = await client.endorse_proposal(proposal, vault.sign(proposal.message))
    submitted = await client.submit_prepared(prepared, vault.sign(prepared.message))
    assert submitted == SubmittedTransaction(proposal.tx_id, b"result")
    status = await client.commit_status(submitted.tx_id, vault.sign(client.commit_status_message(submitted.tx_id)))
    assert (status.code, status.block_number) == (0, 7)
    assert await client.evaluate_proposal(proposal, vault.sign(proposal.message)) == b"Pay"
    with pytest.raises(IdentityError, match="offline"):
        await client.evaluate("basic", "Get")
    with pytest.raises(IdentityError, match="offline"):
        await anext(client.chaincode_events("basic"))
    with pytest.raises(IdentityError, match="offline"):
        await anext(client.blocks(0))


async def test_requests_for_events_can_be_signed_elsewhere(channel: rpc.Channel, gateway: FakeGateway) -> None:
    certificate, key = Authority("bank").issue("user")
    vault = SigningIdentity.from_pem("BankMSP", certificate, key)
    client = GatewayClient(channel, OfflineIdentity("BankMSP", certificate), CHANNEL, lambda: NOW)
    request = client.chaincode_events_request("basic", start_block=3, after_tx_id="tx2")
    async with aclosing(client.signed_events(request, vault.sign(request.message))) as events:
        assert (await anext(events)).tx_id == "tx3"
    assert gateway.event_requests[0].after_transaction_id == "tx2"
    for kind in (EventKind.BLOCKS, EventKind.FILTERED_BLOCKS, EventKind.BLOCKS_WITH_PRIVATE_DATA):
        request = client.blocks_request(kind, 1, stop=2)
        items = [item async for item in client.signed_events(request, vault.sign(request.message))]
        assert len(items) == 2
        assert type(items[0]).__name__ in {"Block", "FilteredBlock", "BlockAndPrivateData"}


async def test_stages_can_go_on_in_another_process(channel: rpc.Channel, gateway: FakeGateway) -> None:
    identity = SigningIdentity.from_pem("BankMSP", *Authority("bank").issue("user"))
    first, second = (GatewayClient(channel, identity, CHANNEL, lambda: NOW) for _ in range(2))
    proposal = first.propose("basic", "Pay")
    assert Proposal.from_message(proposal.message) == proposal
    prepared = await second.endorse_proposal(Proposal.from_message(proposal.message))
    assert PreparedTransaction.from_message(prepared.message) == prepared
    await first.submit_prepared(PreparedTransaction.from_message(prepared.message))
    assert len(gateway.submitted) == 1
    for damaged in (b"", b"\xff", prepared.message):
        with pytest.raises(WireError):
            Proposal.from_message(damaged)
    for damaged in (b"", b"\xff", proposal.message):
        with pytest.raises(WireError):
            PreparedTransaction.from_message(damaged)


async def test_events_resume_after_the_place_given_and_a_broken_stream_is_an_error(
    client: GatewayClient, gateway: FakeGateway
) -> None:
    gateway.refusal = rpc.RpcError(14, "Stream: peer stops")
    seen = []
    with pytest.raises(GatewayError, match="peer stops"):
        async for event in client.chaincode_events("basic", start_block=3, after_tx_id="tx2"):
            seen.append((event.block_number, event.tx_id, event.name, event.payload))  # noqa: PERF401 - kept up to the failure
    assert seen == [(3, "tx3", "Paid", b"p"), (5, "tx5", "Paid", b"p")]
    asked = gateway.event_requests[0]
    assert (asked.chaincode_id, asked.start_position.specified.number) == ("basic", 3)
    assert asked.after_transaction_id == "tx2"
    await anext(client.chaincode_events("basic"))
    assert gateway.event_requests[1].start_position.WhichOneof("Type") == "next_commit"


async def test_checkpoint_decides_where_events_begin(client: GatewayClient, gateway: FakeGateway) -> None:
    checkpoint = InMemoryCheckpointer()
    async with aclosing(client.chaincode_events("basic", start_block=2, checkpoint=checkpoint)) as events:
        checkpoint.checkpoint_chaincode_event(await anext(events))
    assert gateway.event_requests[0].start_position.specified.number == 2
    async with aclosing(client.chaincode_events("basic", start_block=2, checkpoint=checkpoint)) as events:
        assert (await anext(events)).tx_id == "tx5"
    asked = gateway.event_requests[1]
    assert (asked.start_position.specified.number, asked.after_transaction_id) == (3, "tx3")


async def test_checkpoint_decides_where_blocks_begin(client: GatewayClient, gateway: FakeGateway) -> None:
    checkpoint = InMemoryCheckpointer()
    streams = (client.blocks, client.filtered_blocks, client.blocks_with_private_data)
    for number, stream in enumerate(streams):
        async with aclosing(stream(0, checkpoint=checkpoint)) as blocks:
            await anext(blocks)
        assert gateway.seeks[-1].start.specified.number == number
        checkpoint.checkpoint_block(number)


async def test_blocks_of_each_kind_come_from_deliver_by_a_signed_seek(
    client: GatewayClient, gateway: FakeGateway
) -> None:
    assert [block.header.number async for block in client.blocks(3, stop=4)] == [3, 4]
    assert [block.number async for block in client.filtered_blocks(4, stop=4)] == [4]
    async with aclosing(client.blocks_with_private_data(2)) as found:
        (block,) = [await anext(found)]
    assert (block.block.header.number, list(block.private_data_map)) == (2, [0])
    assert gateway.seeks[0].start.specified.number == 3
    assert gateway.seeks[0].stop.specified.number == 4
    assert gateway.seeks[2].stop.specified.number == 2**64 - 1
    gateway.refusal = rpc.RpcError(14, "Stream: nothing new")
    with pytest.raises(GatewayError, match="nothing new"):
        await anext(client.blocks())
    assert gateway.seeks[3].start.WhichOneof("Type") == "next_commit"


async def test_who_may_not_follow_blocks_asks_for_each_commit(client: GatewayClient, gateway: FakeGateway) -> None:
    gateway.deliver_status = common_pb2.FORBIDDEN
    async with client.following_commits():
        for _ in range(2):
            committed = await client.submit("basic", "Pay", "1")
            assert committed.tx_id == gateway.status_requests[-1].transaction_id
    assert len(gateway.seeks) >= 1


async def test_deliver_refused_is_an_error_with_the_matching_code(client: GatewayClient, gateway: FakeGateway) -> None:
    gateway.deliver_status = common_pb2.FORBIDDEN
    with pytest.raises(GatewayError, match=r"FORBIDDEN \(403\)") as caught:
        [_ async for _ in client.blocks(0)]
    assert caught.value.code == rpc.StatusCode.PERMISSION_DENIED


def test_unknown_validation_code_still_has_a_name() -> None:
    assert validation_code_name(11) == "MVCC_READ_CONFLICT"
    assert validation_code_name(12_345) == "code 12345"


def test_clock_is_used_for_every_proposal(channel: rpc.Channel, identity: SigningIdentity) -> None:
    moments = iter([NOW, NOW + timedelta(seconds=1)])
    client = GatewayClient(channel, identity, CHANNEL, lambda: next(moments))
    first, second = client.propose("basic", "Get"), client.propose("basic", "Get")
    assert first.message != second.message
    assert next(moments, None) is None
