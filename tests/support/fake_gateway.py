"""A gateway for tests of its clients: endorses whatever is proposed, remembers what was asked, misbehaves when told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_event_pb2, events_pb2, proposal_response_pb2

from network import rpc
from network.envelope import Endorsement, prepared_transaction
from network.identity import parse_identity
from network.proposal import ParsedProposal, parse_proposal, proposal_response_payload


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
        self.events_until = 5
        """Last block whose events the stream gives before it ends with ``refusal``, or waits."""
        self.height = 5
        """Blocks that Deliver has; a stream that reaches it ends with ``refusal``, or waits."""

    def register(self, server: rpc.Server) -> None:
        server.unary("/gateway.Gateway/Evaluate", self.evaluate)
        server.unary("/gateway.Gateway/Endorse", self.endorse)
        server.unary("/gateway.Gateway/Submit", self.submit)
        server.unary("/gateway.Gateway/CommitStatus", self.commit_status)
        server.server_stream("/gateway.Gateway/ChaincodeEvents", self.events)
        server.bidi("/protos.Deliver/Deliver", self.deliver)
        server.bidi("/protos.Deliver/DeliverFiltered", self.deliver)
        server.bidi("/protos.Deliver/DeliverWithPrivateData", self.deliver)

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
        start, after = asked.start_position.specified.number, asked.after_transaction_id
        for block in (3, 5):
            if start <= block <= self.events_until and after != f"tx{block}":
                event = chaincode_event_pb2.ChaincodeEvent(
                    chaincode_id="basic", tx_id=f"tx{block}", event_name="Paid", payload=b"p"
                )
                yield gateway_pb2.ChaincodeEventsResponse(events=[event], block_number=block).SerializeToString()
        await self._end_of_stream()

    async def deliver(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        envelope = common_pb2.Envelope.FromString(await anext(requests))
        payload = common_pb2.Payload.FromString(envelope.payload)
        signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
        parse_identity(signer.creator).verify(envelope.payload, envelope.signature)
        self.seeks.append(ab_pb2.SeekInfo.FromString(payload.data))
        if self.deliver_status == common_pb2.SUCCESS:
            seek = self.seeks[-1]
            start = seek.start.specified.number if seek.start.HasField("specified") else self.height
            if start > self.height:
                yield events_pb2.DeliverResponse(status=common_pb2.NOT_FOUND).SerializeToString()
                return
            for number in range(start, min(self.height, seek.stop.specified.number + 1)):
                yield _delivered(call.method, number)
            if seek.stop.specified.number >= self.height:
                await self._end_of_stream()
        yield events_pb2.DeliverResponse(status=self.deliver_status).SerializeToString()

    async def _end_of_stream(self) -> None:
        self._refuse("Stream")
        await asyncio.Event().wait()

    def _receive(self, signed: object, tx_id: str) -> None:
        proposal = parse_proposal(signed.SerializeToString())  # type: ignore[attr-defined]
        assert proposal.tx_id == tx_id
        parse_identity(proposal.creator).verify(proposal.proposal_bytes, proposal.signature)
        self.proposals.append(proposal)
        self._refuse("Endorse")

    def _refuse(self, stage: str) -> None:
        if self.refusal is not None and self.refusal.message.startswith(stage):
            raise self.refusal


def _delivered(method: str, number: int) -> bytes:
    response = events_pb2.DeliverResponse()
    if method.endswith("Filtered"):
        response.filtered_block.number = number
    elif method.endswith("PrivateData"):
        response.block_and_private_data.block.header.number = number
        response.block_and_private_data.private_data_map[0].data_model = 0
    else:
        response.block.header.number = number
    # A number of 0 would leave the message empty.
    response.SetInParent()
    return bytes(response.SerializeToString())


@asynccontextmanager
async def serving(gateway: FakeGateway, port: int = 0) -> AsyncIterator[tuple[rpc.Channel, rpc.Server]]:
    """Run a gateway in the clear; give a connection to it and its server."""
    server = rpc.Server("127.0.0.1", port, None)
    gateway.register(server)
    connection = rpc.Channel(f"127.0.0.1:{await server.start()}", None)
    try:
        yield connection, server
    finally:
        await connection.close()
        await server.stop(0)
