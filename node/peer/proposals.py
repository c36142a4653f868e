"""Takes every proposal to the endorser of its channel or, where it names none, to what the peer does by itself.

A proposal without a channel is judged by the peer's own organization rather than by a channel, and its answer is never
endorsed.

Source: Fabric core/endorser/endorser.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import structlog
from fabric_protos.peer import proposal_response_pb2

from network.errors import UnreadableHeadersError, WireError
from network.proposal import ParsedProposal, claimed_time, parse_proposal
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.endorser import Endorser, failure
from node.peer.errors import PeerError, StoreError
from node.peer.ledger_queries import LedgerQueries
from node.peer.lifecycle_local import InstallFunctions
from node.peer.system_chaincode import CSCC, QSCC, LocalMembers, ProposalRefusedError, SystemResponse

_log = structlog.get_logger(__name__)


class Proposals:
    """The proposals of one peer.

    Args:
        endorsers: by channel id.
        members: this peer's own organization.
        queries: the system chaincodes that read the ledger.
        installs: the functions of the lifecycle that need no channel.
    """

    def __init__(
        self,
        endorsers: Mapping[str, Endorser],
        members: LocalMembers,
        queries: LedgerQueries,
        installs: InstallFunctions,
    ) -> None:
        self._endorsers = endorsers
        self._members = members
        self._queries = queries
        self._installs = installs

    async def process(self, signed_proposal: bytes) -> proposal_response_pb2.ProposalResponse:
        """Endorse a proposal, or answer why not.

        Args:
            signed_proposal: serialized ``SignedProposal`` as received.
        Returns:
            endorsed, or with the status and text of what failed.
        Raises:
            ProposalRefusedError: nothing was run; the caller of the service gets a gRPC error.
        """
        try:
            proposal = parse_proposal(signed_proposal)
        except UnreadableHeadersError as error:
            raise ProposalRefusedError(str(error)) from error
        except WireError as error:
            # A Go peer looks at the time before it looks at the rest.
            with suppress(WireError):
                self._members.check_time(claimed_time(signed_proposal))
            raise ProposalRefusedError(str(error)) from error
        if not proposal.channel_id:
            return await self._process_local(proposal)
        endorser = self._endorsers.get(proposal.channel_id)
        if endorser is None:
            self._members.check_time(proposal.timestamp)
            return failure(f"channel '{proposal.channel_id}' not found")
        return await endorser.process(proposal)

    async def _process_local(self, proposal: ParsedProposal) -> proposal_response_pb2.ProposalResponse:
        await self._members.creator(proposal)
        try:
            answer = await self._answer(proposal)
        except StoreError as error:
            _log.error("database failed a proposal", tx_id=proposal.tx_id, reason=str(error))
            return failure("this peer's database does not answer; try again")
        except PeerError as error:
            return failure(str(error))
        response = proposal_response_pb2.Response(status=answer.status, message=answer.message, payload=answer.payload)
        return proposal_response_pb2.ProposalResponse(response=response)

    async def _answer(self, proposal: ParsedProposal) -> SystemResponse:
        if proposal.chaincode in (QSCC, CSCC):
            return await self._queries.invoke(proposal.chaincode, proposal.args, proposal.creator)
        if proposal.chaincode == LIFECYCLE:
            return await self._installs.invoke(proposal.args, proposal.creator, self._members)
        raise PeerError(
            f"make sure the chaincode {proposal.chaincode} has been successfully defined on channel  and try again: "
            "could not get channel config for channel ''"
        )
