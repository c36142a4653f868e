"""The gateway client against a gateway written for the test.

Aim: every stage's request is what Fabric's gateway expects, every failure names its stage and carries what was said,
and a gateway that hands back another transaction gets no signature.
Method: a small gateway over the real transport, which endorses, and misbehaves when told to. The client against the
real peer is tested in tests/integration, the official client in tests/interop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_event_pb2, events_pb2, proposal_response_pb2
from google.protobuf import any_pb2
from google.rpc import status_pb2

from network import rpc
from network.client import (
    ErrorDetail,
    GatewayClient,
    OfflineIdentity,
    SubmittedTransaction,
    Timeouts,
    validation_code_name,
)
from network.envelope import Endorsement, prepared_transaction
from network.errors import CommitError, CommitStatusError, EndorseError, GatewayError, IdentityError, SubmitError
from network.identity import SigningIdentity, parse_identity
from network.proposal import ParsedProposal, parse_proposal, proposal_response_payload
from tests.support.certificates import Authority

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CHANNEL = "anchors"


class FakeGateway:
    """Endorses whatever is proposed, and remembers what it was asked."""

    def __init__(self) -> None:
        self.proposals: list[ParsedProposal] = []
        self.submitted: list[common_pb2.Envelope] = []
        self.status_requests: list[gateway_pb2.CommitStatusRequest] = []
        self.event_requests: list[gateway_pb2.ChaincodeEventsRequest] = []
        self.seeks: list[ab_pb2.SeekInfo] = []
        self.refusal: rpc.RpcError | None = None
        self.code = 0
        self.swap: Callable[[ParsedProposal], ParsedProposal] = lambda proposal: proposal
        self.deliver_status = common_pb2.SUCCESS
        self.hang = False

    def register(self, server: rpc.Server) -> None:
        server.unary("/gateway.Gateway/Evaluate", self.evaluate)
        server.unary("/gateway.Gateway/Endorse", self.endorse)
        server.unary("/gateway.Gateway/Submit", self.submit)
        server.unary("/gateway.Gateway/CommitStatus", self.commit_status)
        server.server_stream("/gateway.Gateway/ChaincodeEvents", self.events)
        server.bidi("/protos.Deliver/Deliver", self.deliver)
        server.bidi("/protos.Deliver/DeliverFiltered", self.deliver)

    async def evaluate(self, request: bytes, call: rpc.Call) -> bytes:
        if self.hang:
            await asyncio.Event().wait()
        message = gateway_pb2.EvaluateRequest.FromString(request)
        self._receive(message.proposed_transaction, message.transaction_id)
        reply = gateway_pb2.EvaluateResponse()
        reply.result.payload = b"|".join(self.proposals[-1].args)
        return bytes(reply.SerializeToString())

    async def endorse(self, request: bytes, call: rpc.Call) -> bytes:
        message = gateway_pb2.EndorseRequest.FromString(request)
        self._receive(message.proposed_transaction, message.transaction_id)
        proposal = self.swap(self.proposals[-1])
        response = proposal_response_pb2.Response(status=200, payload=b"result")
        payload = proposal_response_payload(proposal.proposal_hash, b"", b"", response, proposal.chaincode, "1.0")
        prepared = prepared_transaction(proposal, payload, [Endorsement(b"endorser", b"signature")])
        reply = gateway_pb2.EndorseResponse(prepared_transaction=common_pb2.Envelope(payload=prepared))
        return bytes(reply.SerializeToString())

    async def submit(self, request: bytes, call: rpc.Call) -> bytes:
        self._refuse("Submit")
        self.submitted.append(gateway_pb2.SubmitRequest.FromString(request).prepared_transaction)
        return b""

    async def commit_status(self, request: bytes, call: rpc.Call) -> bytes:
        self._refuse("CommitStatus")
        signed = gateway_pb2.SignedCommitStatusRequest.FromString(request)
        asked = gateway_pb2.CommitStatusRequest.FromString(signed.request)
        parse_identity(asked.identity).verify(signed.request, signed.signature)
        self.status_requests.append(asked)
        return bytes(gateway_pb2.CommitStatusResponse(result=self.code, block_number=7).SerializeToString())

    async def events(self, request: bytes, call: rpc.Call) -> AsyncIterator[bytes]:
        signed = gateway_pb2.SignedChaincodeEventsRequest.FromString(request)
        asked = gateway_pb2.ChaincodeEventsRequest.FromString(signed.request)
        parse_identity(asked.identity).verify(signed.request, signed.signature)
        self.event_requests.append(asked)
        for block in (3, 5):
            event = chaincode_event_pb2.ChaincodeEvent(
                chaincode_id="basic", tx_id=f"tx{block}", event_name="Paid", payload=b"p"
            )
            yield gateway_pb2.ChaincodeEventsResponse(events=[event], block_number=block).SerializeToString()
        raise rpc.RpcError(14, "peer stops")

    async def deliver(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        envelope = common_pb2.Envelope.FromString(await anext(requests))
        payload = common_pb2.Payload.FromString(envelope.payload)
        signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
        parse_identity(signer.creator).verify(envelope.payload, envelope.signature)
        self.seeks.append(ab_pb2.SeekInfo.FromString(payload.data))
        if self.deliver_status == common_pb2.SUCCESS:
            block = common_pb2.Block(header=common_pb2.BlockHeader(number=4))
            filtered = events_pb2.FilteredBlock(channel_id=CHANNEL, number=4)
            if call.method.endswith("Filtered"):
                yield events_pb2.DeliverResponse(filtered_block=filtered).SerializeToString()
            else:
                yield events_pb2.DeliverResponse(block=block).SerializeToString()
        yield events_pb2.DeliverResponse(status=self.deliver_status).SerializeToString()

    def _receive(self, signed: object, tx_id: str) -> None:
        proposal = parse_proposal(signed.SerializeToString())  # type: ignore[attr-defined]
        assert proposal.tx_id == tx_id
        parse_identity(proposal.creator).verify(proposal.proposal_bytes, proposal.signature)
        self.proposals.append(proposal)
        self._refuse("Endorse")

    def _refuse(self, stage: str) -> None:
        if self.refusal is not None and self.refusal.message.startswith(stage):
            raise self.refusal


@pytest.fixture(scope="module")
def identity() -> SigningIdentity:
    return SigningIdentity.from_pem("BankMSP", *Authority("bank").issue("user"))


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def channel(gateway: FakeGateway) -> AsyncIterator[rpc.Channel]:
    server = rpc.Server("127.0.0.1", 0, None)
    gateway.register(server)
    connection = rpc.Channel(f"127.0.0.1:{await server.start()}", None)
    yield connection
    await connection.close()
    await server.stop(0)


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


async def test_events_resume_after_the_checkpoint_given_and_a_broken_stream_is_an_error(
    client: GatewayClient, gateway: FakeGateway
) -> None:
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


async def test_blocks_and_filtered_blocks_come_from_deliver_by_a_signed_seek(
    client: GatewayClient, gateway: FakeGateway
) -> None:
    assert [block.header.number async for block in client.blocks(4, stop=4)] == [4]
    assert [block.number async for block in client.filtered_blocks(4)] == [4]
    assert gateway.seeks[0].start.specified.number == gateway.seeks[0].stop.specified.number == 4
    assert gateway.seeks[1].stop.specified.number == 2**64 - 1


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
