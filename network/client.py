"""An asyncio client of Fabric's Gateway service: invoke chaincode, follow events and blocks.

It works with any peer that serves ``gateway.Gateway`` (Fabric 2.4 and later, and this project's node), and uses nothing
of this project but ``network``. `docs/client.md` shows all of it.

Example:
    async with connect(Path("connection-profile.json")) as client:
        balance = await client.evaluate("basic", "GetBalance", "alice")
        committed = await client.submit("basic", "Transfer", "alice", "bob", "250")
        print(committed.tx_id, committed.block_number, committed.result)
        async for event in client.chaincode_events("basic", start_block=0):
            print(event.block_number, event.name, event.payload)

Rules
- A failure tells its stage: ``EndorseError`` (nothing happened), ``SubmitError`` (the orderer refused it, or its
  answer is unknown), ``CommitStatusError`` (it may yet commit), ``CommitError`` (it committed as invalid). All carry
  the transaction id, and ``details`` what single peers said.
- What the gateway hands back to sign is compared with what was proposed: it cannot have another transaction signed.
- Keys may stay elsewhere: give an ``OfflineIdentity``, take ``message`` of each stage's object to the key, and pass the
  signature to the next stage.
- Given several connections, a call goes on at another peer when one cannot be reached (``network.gateways``).
- Who submits many transactions a second follows the channel's blocks (``following_commits``) rather than ask for each.

Source: hyperledger/fabric-protos gateway/gateway.proto and peer/events.proto; fabric-gateway's documented behaviour.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2, transaction_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.checkpointer import Checkpoint, FileCheckpointer, InMemoryCheckpointer
from network.client_events import SERVICE, EventClient, EventKind, EventRequest, stage_error
from network.client_stages import (
    ChaincodeEvent,
    CommitStatus,
    CommittedTransaction,
    OfflineIdentity,
    PreparedTransaction,
    Proposal,
    SubmittedTransaction,
    Timeouts,
    result_of,
    validation_code_name,
)
from network.commit_follower import CommitFollower
from network.envelope import Signer, parse_transaction
from network.errors import (
    CommitError,
    CommitStatusError,
    EndorseError,
    GatewayError,
    RpcError,
    SubmitError,
    WireError,
)
from network.explanation import Difference, ErrorDetail, ReadConflict, read_commit_status
from network.proposal import NONCE_BYTES, new_proposal, parse_proposal, signed_proposal
from network.rpc import StatusCode

__all__ = [
    "ChaincodeEvent",
    "Checkpoint",
    "CommitStatus",
    "CommittedTransaction",
    "Difference",
    "ErrorDetail",
    "EventKind",
    "EventRequest",
    "FileCheckpointer",
    "GatewayClient",
    "InMemoryCheckpointer",
    "OfflineIdentity",
    "PreparedTransaction",
    "Proposal",
    "ReadConflict",
    "SubmittedTransaction",
    "Timeouts",
    "validation_code_name",
]

StageError = TypeVar("StageError", bound=GatewayError)
Clock = Callable[[], datetime]


class GatewayClient(EventClient):
    """A client of one channel through one peer's gateway, or whichever of several can be reached.

    Args:
        channel: connection to the peer, or to several in order of preference; they remain the caller's to close.
        identity: who signs; ``SigningIdentity``, ``OfflineIdentity``, or anything with ``creator`` and ``sign``.
        channel_id: Fabric channel.
        now: clock for the headers' timestamps.
        random_bytes: source of nonces.
        timeouts: see ``Timeouts``.
    """

    def __init__(
        self,
        channel: rpc.Channel | Sequence[rpc.Channel],
        identity: Signer,
        channel_id: str,
        now: Clock = lambda: datetime.now(UTC),
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        *,
        timeouts: Timeouts | None = None,
    ) -> None:
        super().__init__(channel, identity, channel_id, now, random_bytes)
        self._timeouts = timeouts or Timeouts()
        self._commits = CommitFollower()

    # --- transactions ------------------------------------------------------------------------------------------

    def propose(
        self, chaincode: str, function: str, *args: bytes | str, transient: Mapping[str, bytes] | None = None
    ) -> Proposal:
        """Return a proposal to call ``function``; nothing is sent. Text arguments are encoded as UTF-8."""
        encoded = [arg.encode() if isinstance(arg, str) else arg for arg in (function, *args)]
        nonce = self._random_bytes(NONCE_BYTES)
        tx_id, message = new_proposal(
            self.channel_id, chaincode, encoded, self._identity.creator, nonce, self._now(), transient or {}
        )
        return Proposal(tx_id, message)

    async def evaluate(
        self,
        chaincode: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        target_organizations: Sequence[str] = (),
    ) -> bytes:
        """Return what the function returns on one peer; nothing is ordered.

        Raises:
            GatewayError: the function refused, or no peer could run it.
        """
        proposal = self.propose(chaincode, function, *args, transient=transient)
        return await self.evaluate_proposal(proposal, target_organizations=target_organizations)

    async def evaluate_proposal(
        self, proposal: Proposal, signature: bytes | None = None, *, target_organizations: Sequence[str] = ()
    ) -> bytes:
        """Return what a proposal returns on one peer; ``signature`` is over ``proposal.message``.

        Raises:
            GatewayError: the function refused, or no peer could run it.
        """
        request = gateway_pb2.EvaluateRequest(
            transaction_id=proposal.tx_id,
            channel_id=self.channel_id,
            proposed_transaction=self._signed_proposal(proposal, signature),
            target_organizations=target_organizations,
        )
        reply = await self._call("Evaluate", request, self._timeouts.evaluate_s, proposal.tx_id, GatewayError)
        return bytes(_parse(gateway_pb2.EvaluateResponse, reply, proposal.tx_id, GatewayError).result.payload)

    async def endorse(
        self,
        chaincode: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: Sequence[str] = (),
    ) -> PreparedTransaction:
        """Collect the endorsements a call of ``function`` needs.

        Raises:
            EndorseError: the function refused, or no sufficient set of peers answered alike.
        """
        proposal = self.propose(chaincode, function, *args, transient=transient)
        return await self.endorse_proposal(proposal, endorsing_organizations=endorsing_organizations)

    async def endorse_proposal(
        self, proposal: Proposal, signature: bytes | None = None, *, endorsing_organizations: Sequence[str] = ()
    ) -> PreparedTransaction:
        """Collect the endorsements a proposal needs; ``signature`` is over ``proposal.message``.

        Raises:
            EndorseError: the function refused, or no sufficient set of peers answered alike.
        """
        signed = self._signed_proposal(proposal, signature)
        request = gateway_pb2.EndorseRequest(
            transaction_id=proposal.tx_id,
            channel_id=self.channel_id,
            proposed_transaction=signed,
            endorsing_organizations=endorsing_organizations,
        )
        reply = await self._call("Endorse", request, self._timeouts.endorse_s, proposal.tx_id, EndorseError)
        prepared = _parse(gateway_pb2.EndorseResponse, reply, proposal.tx_id, EndorseError).prepared_transaction
        result = _check_prepared(prepared, signed, proposal.tx_id)
        return PreparedTransaction(proposal.tx_id, result, prepared.payload)

    async def submit_prepared(
        self, prepared: PreparedTransaction, signature: bytes | None = None
    ) -> SubmittedTransaction:
        """Have an endorsed transaction ordered; ``signature`` is over ``prepared.message``.

        Raises:
            SubmitError: it was refused, or whether it was accepted is unknown.
        """
        if signature is None:
            signature = self._identity.sign(prepared.message)
        request = gateway_pb2.SubmitRequest(
            transaction_id=prepared.tx_id,
            channel_id=self.channel_id,
            prepared_transaction=common_pb2.Envelope(payload=prepared.message, signature=signature),
        )
        await self._call("Submit", request, self._timeouts.submit_s, prepared.tx_id, SubmitError)
        return SubmittedTransaction(prepared.tx_id, prepared.result)

    def commit_status_message(self, tx_id: str) -> bytes:
        """Return what an offline key must sign to ask for a transaction's outcome."""
        request = gateway_pb2.CommitStatusRequest(
            transaction_id=tx_id, channel_id=self.channel_id, identity=self._identity.creator
        )
        return bytes(request.SerializeToString())

    async def commit_status(self, tx_id: str, signature: bytes | None = None) -> CommitStatus:
        """Wait until the peer has committed a transaction, and return how it ended.

        Args:
            tx_id: transaction id.
            signature: over ``commit_status_message(tx_id)``, for an offline identity.
        Raises:
            CommitStatusError: the outcome could not be learned in time; the transaction may yet commit.
        """
        message = self.commit_status_message(tx_id)
        if signature is None:
            signature = self._identity.sign(message)
        request = gateway_pb2.SignedCommitStatusRequest(request=message, signature=signature)
        timeout_s = self._timeouts.commit_status_s
        reply = await self._call("CommitStatus", request, timeout_s, tx_id, CommitStatusError)
        try:
            return CommitStatus(tx_id, *read_commit_status(reply))
        except DecodeError as error:
            raise CommitStatusError("the gateway's reply is not a CommitStatusResponse", tx_id) from error

    async def submit_async(
        self,
        chaincode: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: Sequence[str] = (),
    ) -> SubmittedTransaction:
        """Have a call endorsed and ordered, without waiting for its outcome; ``commit_status`` tells it.

        Raises:
            EndorseError: see ``endorse``.
            SubmitError: see ``submit_prepared``.
        """
        prepared = await self.endorse(
            chaincode, function, *args, transient=transient, endorsing_organizations=endorsing_organizations
        )
        return await self.submit_prepared(prepared)

    async def submit(
        self,
        chaincode: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: Sequence[str] = (),
    ) -> CommittedTransaction:
        """Call ``function`` and return once its writes are committed.

        Raises:
            EndorseError: see ``endorse``.
            SubmitError: see ``submit_prepared``.
            CommitStatusError: see ``commit_status``.
            CommitError: it was committed as invalid; ``validation_code`` says why.
        """
        prepared = await self.endorse(
            chaincode, function, *args, transient=transient, endorsing_organizations=endorsing_organizations
        )
        with self._commits.expected(prepared.tx_id) as seen:
            await self.submit_prepared(prepared)
            block_number = await self._seen_valid(prepared.tx_id, seen) if seen is not None else None
        if block_number is None:
            status = await self.commit_status(prepared.tx_id)
            if status.code != transaction_pb2.VALID:
                raise _commit_error(status)
            block_number = status.block_number
        return CommittedTransaction(prepared.tx_id, block_number, prepared.result)

    @asynccontextmanager
    async def following_commits(self) -> AsyncGenerator[None, None]:
        """While inside, have ``submit`` learn from one stream of filtered blocks that transactions are valid.

        That spares a signed call for each transaction. Nothing else changes: what is not valid, and all while the
        stream has not begun or is broken, is asked for as ever. The identity must be one that may read blocks
        (``event/FilteredBlock``), and its key at hand.
        """
        following = asyncio.create_task(self._commits.follow(self.filtered_blocks))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    # --- inside ------------------------------------------------------------------------------------------------

    async def _seen_valid(self, tx_id: str, seen: asyncio.Future[int | None]) -> int | None:
        limit_s = self._timeouts.commit_status_s
        try:
            async with asyncio.timeout(limit_s):
                return await seen
        except TimeoutError as error:
            raise CommitStatusError(
                f"the transaction was in no block within {limit_s} s; it may yet commit",
                tx_id,
                StatusCode.DEADLINE_EXCEEDED,
            ) from error

    def _signed_proposal(self, proposal: Proposal, signature: bytes | None) -> proposal_pb2.SignedProposal:
        if signature is None:
            signature = self._identity.sign(proposal.message)
        return proposal_pb2.SignedProposal(proposal_bytes=proposal.message, signature=signature)

    async def _call(self, method: str, request: Any, timeout_s: float, tx_id: str, stage: type[StageError]) -> bytes:
        try:
            waits = stage is CommitStatusError
            return await self._gateways.unary(SERVICE + method, request.SerializeToString(), timeout_s, waits=waits)
        except RpcError as error:
            raise stage_error(stage, error, tx_id, method) from error


def _check_prepared(prepared: common_pb2.Envelope, signed: proposal_pb2.SignedProposal, tx_id: str) -> bytes:
    """Return the transaction's result, after making sure that it is the one proposed."""
    proposal = parse_proposal(signed_proposal(signed.proposal_bytes, signed.signature))
    # What it reads and writes is the endorsers' word, with which nothing here can be compared.
    transaction = parse_transaction(prepared.SerializeToString(), with_rwset=False)
    if transaction.header_flag or transaction.body_flag:
        raise EndorseError("the gateway returned a transaction that is not well-formed; do not trust it", tx_id)
    payload = common_pb2.Payload.FromString(prepared.payload)
    same_header = (
        payload.header.SerializeToString() == common_pb2.Header.FromString(proposal.header).SerializeToString()
    )
    if not same_header or transaction.chaincode_proposal_payload != proposal.payload_for_transaction:
        raise EndorseError("the gateway returned another transaction than the one proposed; do not trust it", tx_id)
    try:
        return result_of(transaction.action)
    except WireError as error:
        raise EndorseError("the gateway returned a transaction without a readable result", tx_id) from error


def _commit_error(status: CommitStatus) -> CommitError:
    name = validation_code_name(status.code)
    text = f"transaction {status.tx_id} was committed as {name} ({status.code}) in block {status.block_number}"
    if status.conflict is not None:
        text += f": {status.conflict}"
    return CommitError(text, status.tx_id, status.code, status.block_number, status.conflict)


def _parse(kind: Any, data: bytes, tx_id: str, stage: type[StageError]) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise stage(f"the gateway's reply is not a {kind.DESCRIPTOR.name}", tx_id) from error
