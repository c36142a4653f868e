"""What a gateway refuses before any chaincode is asked: the same request to a Go peer and to ours has the same answer.

Aim: clients, and whoever tests them, meet Fabric's codes and texts where a request is incomplete, not signed, or about
what is not there. Method: each request is sent to the bank's Go peer and to a peer of ours beside it.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import proposal_pb2

from network import rpc
from network.errors import RpcError
from network.identity import SigningIdentity
from network.proposal import new_proposal
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK
from tests.support.side_by_side import SideBySide, peers_side_by_side

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

DEFINED = {"any": ("--signature-policy", "OR('DwaybankMSP.member', 'RegulatorMSP.member')")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peers(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SideBySide]:
    folder = tmp_path_factory.mktemp("refusals")
    async with peers_side_by_side(folder, postgres_cluster, DEFINED, {}) as peers:
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
    "events from the oldest": (
        "ChaincodeEvents",
        lambda make: make.events(start_position=ab_pb2.SeekPosition(oldest=ab_pb2.SeekOldest())),
    ),
}


async def answer(channel: rpc.Channel, method: str, request: Any) -> tuple[int, str]:
    """Return code and text of a refusal."""
    path = f"/gateway.Gateway/{method}"
    with pytest.raises(RpcError) as refusal:
        if method == "ChaincodeEvents":
            async for _ in channel.server_stream(path, request.SerializeToString(), 10):
                raise AssertionError("the request was answered")
        else:
            await channel.unary(path, request.SerializeToString(), 10)
    # Go's protobuf library puts now a space and now a hard space into its texts.
    return refusal.value.code, refusal.value.message.replace("\xa0", " ")


@pytest.mark.parametrize("case", CASES)
async def test_refusals_are_the_same(peers: SideBySide, case: str) -> None:
    method, make = CASES[case]
    maker = Maker(peers.fabric.channel_id, peers.fabric.material.signer(BANK))
    theirs = await answer(peers.go_channel, method, make(maker))
    assert await answer(peers.our_channel, method, make(maker)) == theirs
