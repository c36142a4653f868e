"""What a gateway refuses before any chaincode is asked: the same request to a Go peer and to ours has the same answer.

Aim: clients, and whoever tests them, meet Fabric's codes and texts where a request is incomplete, not signed, or about
what is not there. Method: each request is sent to the bank's Go peer and to a peer of ours beside it.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2
from google.rpc import status_pb2

from network import rpc
from network.errors import RpcError
from network.identity import SigningIdentity
from network.proposal import compute_tx_id, new_proposal
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, REGULATOR
from tests.support.mixed_network import START_TIMEOUT_S
from tests.support.side_by_side import SideBySide, peers_side_by_side

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

DEFINED = {"any": ("--signature-policy", "OR('DwaybankMSP.member', 'RegulatorMSP.member')")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peers(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SideBySide]:
    folder = tmp_path_factory.mktemp("refusals")
    async with peers_side_by_side(folder, postgres_cluster, DEFINED, {}) as peers:
        await settled(peers)
        yield peers


@dataclass
class Maker:
    """Makes requests of somebody."""

    channel_id: str
    identity: SigningIdentity

    def proposal(self, chaincode: str = "any", channel: str = "", **changes: Any) -> proposal_pb2.SignedProposal:
        """Return a signed proposal; ``changes`` are to its fields."""
        _, content = new_proposal(
            channel or self.channel_id,
            chaincode,
            [b"Get", b"k"],
            self.identity.creator,
            secrets.token_bytes(24),
            datetime.now(UTC),
            **{name: changes.pop(name) for name in ("transient",) if name in changes},
        )
        signed = proposal_pb2.SignedProposal(proposal_bytes=content, signature=self.identity.sign(content))
        for name, value in changes.items():
            setattr(signed, name, value)
        return signed

    def signed(self, kind: Any, message: Any, signature: bytes | None = None) -> Any:
        """Return a signed request around a message."""
        content = message.SerializeToString()
        return kind(request=content, signature=self.identity.sign(content) if signature is None else signature)

    def status(self, signature: bytes | None = None, **fields: Any) -> Any:
        """Return a request for a commit status; fields given as None are left out."""
        values = {"transaction_id": "0" * 64, "channel_id": self.channel_id, "identity": self.identity.creator} | fields
        message = gateway_pb2.CommitStatusRequest(
            **{name: value for name, value in values.items() if value is not None}
        )
        return self.signed(gateway_pb2.SignedCommitStatusRequest, message, signature)

    def events(self, **fields: Any) -> Any:
        """Return a request for chaincode events."""
        values = {"chaincode_id": "any", "channel_id": self.channel_id, "identity": self.identity.creator} | fields
        message = gateway_pb2.ChaincodeEventsRequest(**values)
        return self.signed(gateway_pb2.SignedChaincodeEventsRequest, message)


Edit = Callable[[Any], object]


def altered(maker: Maker, **edits: Edit) -> proposal_pb2.SignedProposal:
    """Return a signed proposal after changes to the messages in it, each by its name, from the inside out."""
    proposal = proposal_pb2.Proposal.FromString(maker.proposal().proposal_bytes)
    header = common_pb2.Header.FromString(proposal.header)
    channel = common_pb2.ChannelHeader.FromString(header.channel_header)
    signer = common_pb2.SignatureHeader.FromString(header.signature_header)
    payload = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
    invocation = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input)

    def edited(name: str, message: Any) -> bytes:
        edits.get(name, lambda unchanged: None)(message)
        return bytes(message.SerializeToString())

    payload.input = edited("invocation", invocation)
    header.signature_header = edited("signer", signer)
    channel.tx_id = compute_tx_id(signer.nonce, signer.creator)
    header.channel_header = edited("channel", channel)
    proposal.header, proposal.payload = edited("header", header), edited("payload", payload)
    content = edited("proposal", proposal)
    return proposal_pb2.SignedProposal(proposal_bytes=content, signature=maker.identity.sign(content))


def put(field: str, value: Any) -> Edit:
    return lambda message: setattr(message, field, value)


def without(field: str, inside: str = "") -> Edit:
    return lambda message: (getattr(message, inside) if inside else message).ClearField(field)


def extension(**chaincode: str) -> Edit:
    named = proposal_pb2.ChaincodeHeaderExtension(chaincode_id=chaincode_pb2.ChaincodeID(**chaincode))
    return put("extension", named.SerializeToString())


def creator(msp_id: str, certificate: bytes) -> Edit:
    return put("creator", identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=certificate).SerializeToString())


MALFORMED: dict[str, dict[str, Edit]] = {
    "an empty header": {"proposal": put("header", b"")},
    "an unreadable header": {"proposal": put("header", b"\xff")},
    "an empty channel header": {"header": put("channel_header", b"")},
    "an unreadable channel header": {"header": put("channel_header", b"\xff")},
    "an empty signature header": {"header": put("signature_header", b"")},
    "an unreadable signature header": {"header": put("signature_header", b"\xff")},
    "an empty payload": {"proposal": put("payload", b"")},
    "an unreadable payload": {"proposal": put("payload", b"\xff")},
    "an unreadable invocation": {"payload": put("input", b"\xff")},
    "no chaincode specification": {"invocation": without("chaincode_spec")},
    "no chaincode in the invocation": {"invocation": without("chaincode_id", "chaincode_spec")},
    "no input": {"invocation": without("input", "chaincode_spec")},
    "another chaincode in the header": {"channel": extension(name="other")},
    "no name of the chaincode in the header": {"channel": extension()},
    "no chaincode in the header": {"channel": without("extension")},
    "an unreadable extension": {"channel": put("extension", b"\xff")},
    "a type of no proposal": {"channel": put("type", common_pb2.MESSAGE)},
    "a type of none": {"channel": put("type", 99)},
    "an epoch": {"channel": put("epoch", 5)},
    "a wrong id": {"channel": put("tx_id", "0" * 64)},
    "no id": {"channel": put("tx_id", "")},
    "no nonce": {"signer": without("nonce")},
    "no creator": {"signer": without("creator")},
    "an unreadable creator": {"signer": put("creator", b"\xff")},
    "a creator of nobody": {"signer": creator("NowhereMSP", b"x")},
    "a creator without a certificate": {"signer": creator(BANK, b"x")},
}
"""What is wrong with a proposal, and how it came to be."""


def endorse(proposal: Any, *organizations: str) -> Any:
    return gateway_pb2.EndorseRequest(proposed_transaction=proposal, endorsing_organizations=organizations)


def evaluate(proposal: Any, *organizations: str) -> Any:
    return gateway_pb2.EvaluateRequest(proposed_transaction=proposal, target_organizations=organizations)


def submit(channel_id: str, **envelope: bytes) -> Any:
    return gateway_pb2.SubmitRequest(channel_id=channel_id, prepared_transaction=common_pb2.Envelope(**envelope))


CASES: dict[str, tuple[str, Callable[[Maker], Any]]] = {
    "evaluate nothing": ("Evaluate", lambda make: gateway_pb2.EvaluateRequest()),
    "evaluate rubbish": ("Evaluate", lambda make: evaluate(make.proposal(proposal_bytes=b"\xff"))),
    "evaluate an empty proposal": ("Evaluate", lambda make: evaluate(make.proposal(proposal_bytes=b"\x1a\x00"))),
    "evaluate elsewhere": ("Evaluate", lambda make: evaluate(make.proposal(channel="other"))),
    "evaluate without a channel": ("Evaluate", lambda make: evaluate(Maker("", make.identity).proposal())),
    "evaluate what is not defined": ("Evaluate", lambda make: evaluate(make.proposal("nothing"))),
    "evaluate at nobody's": ("Evaluate", lambda make: evaluate(make.proposal(), "NowhereMSP")),
    "evaluate without a chaincode": ("Evaluate", lambda make: evaluate(make.proposal(""))),
    "endorse nothing": ("Endorse", lambda make: gateway_pb2.EndorseRequest()),
    "endorse rubbish": ("Endorse", lambda make: endorse(make.proposal(proposal_bytes=b"\xff"))),
    "endorse elsewhere": ("Endorse", lambda make: endorse(make.proposal(channel="other"))),
    "endorse what is not defined": ("Endorse", lambda make: endorse(make.proposal("nothing"))),
    "evaluate unsigned": ("Evaluate", lambda make: evaluate(make.proposal(signature=b""))),
    "evaluate signed wrongly": ("Evaluate", lambda make: evaluate(make.proposal(signature=b"x"))),
    "endorse without a channel": ("Endorse", lambda make: endorse(Maker("", make.identity).proposal())),
    "endorse unsigned": ("Endorse", lambda make: endorse(make.proposal(signature=b""))),
    "endorse an empty proposal": ("Endorse", lambda make: endorse(make.proposal(proposal_bytes=b"\x1a\x00"))),
    "endorse without a chaincode": ("Endorse", lambda make: endorse(make.proposal(""))),
    "endorse at nobody's": ("Endorse", lambda make: endorse(make.proposal(), "NowhereMSP")),
    "endorse elsewhere at nobody's": ("Endorse", lambda make: endorse(make.proposal(channel="other"), "NowhereMSP")),
    "endorse at nobody's and somebody's": ("Endorse", lambda make: endorse(make.proposal(), "NowhereMSP", BANK)),
    "submit nothing": ("Submit", lambda make: gateway_pb2.SubmitRequest()),
    "submit unsigned": ("Submit", lambda make: submit(make.channel_id, payload=b"x")),
    "submit elsewhere": ("Submit", lambda make: submit("other", payload=b"x", signature=b"x")),
    "submit nowhere": ("Submit", lambda make: submit("", payload=b"x", signature=b"x")),
    "submit rubbish": ("Submit", lambda make: submit(make.channel_id, payload=b"x", signature=b"x")),
    "status of nothing": ("CommitStatus", lambda make: gateway_pb2.SignedCommitStatusRequest()),
    "status without identity": ("CommitStatus", lambda make: make.status(identity=None)),
    "status without channel": ("CommitStatus", lambda make: make.status(channel_id=None)),
    "status without transaction": ("CommitStatus", lambda make: make.status(transaction_id=None)),
    "status elsewhere": ("CommitStatus", lambda make: make.status(channel_id="other")),
    "status for rubbish": ("CommitStatus", lambda make: make.status(identity=b"\xff")),
    "status of rubbish": ("CommitStatus", lambda make: gateway_pb2.SignedCommitStatusRequest(request=b"\xff")),
    "status with another's signature": ("CommitStatus", lambda make: make.status(signature=b"x")),
    "events of rubbish": ("ChaincodeEvents", lambda make: gateway_pb2.SignedChaincodeEventsRequest(request=b"\xff")),
    "events of nothing": ("ChaincodeEvents", lambda make: gateway_pb2.SignedChaincodeEventsRequest()),
    "events elsewhere": ("ChaincodeEvents", lambda make: make.events(channel_id="other")),
    "events for nobody": ("ChaincodeEvents", lambda make: make.events(identity=b"")),
    "events without channel": ("ChaincodeEvents", lambda make: make.events(channel_id="")),
    "events from the oldest": (
        "ChaincodeEvents",
        lambda make: make.events(start_position=ab_pb2.SeekPosition(oldest=ab_pb2.SeekOldest())),
    ),
}


def malformed(method: str, organizations: tuple[str, ...], edits: dict[str, Edit]) -> Callable[[Maker], Any]:
    ask = endorse if method == "Endorse" else evaluate
    return lambda make: ask(altered(make, **edits), *organizations)


CASES |= {
    f"{method} {'at its own ' if own else ''}with {what}": (method, malformed(method, own, edits))
    for method in ("Evaluate", "Endorse")
    for own in ((), ("own",))
    for what, edits in MALFORMED.items()
}


async def answer(channel: rpc.Channel, method: str, request: bytes) -> tuple[int, str, set[str]]:
    """Return code and text of a refusal, and the texts of its details."""
    path = f"/gateway.Gateway/{method}"
    with pytest.raises(RpcError) as refusal:
        if method == "ChaincodeEvents":
            async for _ in channel.server_stream(path, request, 10):
                raise AssertionError("the request was answered")
        else:
            await channel.unary(path, request, 10)
    told = refusal.value
    details = status_pb2.Status.FromString(told.details).details
    texts = {plain(gateway_pb2.ErrorDetail.FromString(detail.value).message) for detail in details}
    return told.code, plain(told.message), texts


def plain(text: str) -> str:
    """Return a text as both say it: Go's protobuf library puts now a space and now a hard space into its own, and each
    names its own organization."""
    return re.sub(r"org\(s\): (DwaybankMSP|RegulatorMSP)$", "org(s): own", text.replace("\xa0", " "))


ASKED_OF_ALL = "Evaluate with an unreadable signature header"
"""A case that a gateway takes to every peer it knows, one after the other."""


async def answers(peers: SideBySide, case: str) -> list[tuple[int, str, set[str]]]:
    """Return the Go peer's answer to a case, and ours."""
    method, make = CASES[case]
    request = make(Maker(peers.fabric.channel_id, peers.fabric.material.signer(BANK)))
    return [
        await answer(channel, method, owned(request, msp_id).SerializeToString())
        for channel, msp_id in ((peers.go_channel, BANK), (peers.our_channel, REGULATOR))
    ]


async def settled(peers: SideBySide) -> None:
    """Wait until the Go peer has found the others: before, it has nobody else to ask where its own peer fails."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            theirs, ours = await answers(peers, ASKED_OF_ALL)
            if ours == theirs:
                return
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("case", CASES)
async def test_refusals_are_the_same(peers: SideBySide, case: str) -> None:
    theirs, ours = await answers(peers, case)
    assert ours == theirs


def owned(request: Any, msp_id: str) -> Any:
    """Return a request that names this organization, which is that of the peer asked, where it says "own"."""
    request = type(request).FromString(request.SerializeToString())
    for field in ("endorsing_organizations", "target_organizations"):
        if getattr(request, field, None) == ["own"]:
            getattr(request, field)[:] = [msp_id]
    return request


@pytest.mark.parametrize("method", ["Evaluate", "Endorse", "Submit", "CommitStatus", "ChaincodeEvents"])
async def test_what_is_no_request_is_refused_the_same(peers: SideBySide, method: str) -> None:
    theirs = await answer(peers.go_channel, method, b"\xff")
    assert await answer(peers.our_channel, method, b"\xff") == theirs


def late(header: Any) -> None:
    header.timestamp.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
    header.channel_id = "other"


PROPOSALS: dict[str, Callable[[Maker], Any]] = {
    "nothing": lambda make: proposal_pb2.SignedProposal(),
    "rubbish": lambda make: make.proposal(proposal_bytes=b"\xff"),
    "an empty proposal": lambda make: make.proposal(proposal_bytes=b"\x1a\x00"),
    "another channel": lambda make: make.proposal(channel="other"),
    "what is not defined": lambda make: make.proposal("nothing"),
    "no chaincode": lambda make: make.proposal(""),
    "no signature": lambda make: make.proposal(signature=b""),
    "another signature": lambda make: make.proposal(signature=b"x"),
    "another time elsewhere": lambda make: altered(make, channel=late),
    "another time and epoch": lambda make: altered(
        make, channel=lambda header: (late(header), put("epoch", 5)(header))
    ),
    **{what: partial(altered, **edits) for what, edits in MALFORMED.items() if "in the invocation" not in what},
}


@pytest.mark.parametrize("what", PROPOSALS)
async def test_proposals_to_a_peer_itself_are_refused_the_same(peers: SideBySide, what: str) -> None:
    request = PROPOSALS[what](Maker(peers.fabric.channel_id, peers.fabric.material.signer(BANK)))
    answers = []
    for channel in (peers.go_channel, peers.our_channel):
        try:
            reply = await channel.unary("/protos.Endorser/ProcessProposal", request.SerializeToString(), 10)
        except RpcError as refusal:
            answers.append((refusal.code, undated(refusal.message)))
        else:
            response = proposal_response_pb2.ProposalResponse.FromString(reply).response
            answers.append((response.status, undated(response.message)))
    assert answers[1] == answers[0]


def undated(text: str) -> str:
    return re.sub(r"peer time \S+,", "peer time now,", plain(text))
