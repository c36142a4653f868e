"""Endorses proposals: checks who asks, simulates, signs.

Rules, Fabric's unless said:
- a proposal is refused before anything runs when its creator, signature or transaction id does not hold, when its id
  stands in a committed block, or when the channel's policy for proposals does not let its creator propose;
- an answer of status 400 or more is never endorsed; 500 and more carries what was simulated, for diagnosis;
- a simulation whose reads changed underneath is run again (ours: Go peers hold up the commit instead);
- a chaincode called on another channel of this peer reads that channel's state, by that channel's definition, approvals
  and access rules; what it reads and writes there is no part of the transaction;
- expiry of the creator's certificate counts here, though not in validation; and a proposal must be of about now.

Source: Fabric core/endorser/endorser.go, core/chaincode/chaincode_support.go, core/handlers/{auth,endorsement}.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog
from fabric_protos.peer import proposal_response_pb2

from network import tracing
from network.channel_config import ChannelConfig
from network.errors import IdentityError, PolicyError
from network.identity import Identity, SigningIdentity
from network.proposal import (
    ParsedProposal,
    chaincode_event,
    endorsement_message,
    proposal_response_payload,
)
from network.rwset_builder import SimulationResults
from node.peer.approvals import Approvals, not_installed
from node.peer.block_store import TransactionRecord
from node.peer.chaincode_definition import LEGACY_LIFECYCLE, LIFECYCLE
from node.peer.chaincode_state import ChaincodeState, Response
from node.peer.channel import Channel
from node.peer.contract_runner import ChaincodeRunner, Event, Invocation
from node.peer.definition import Definition
from node.peer.endorsement_interest import interest_of
from node.peer.errors import ChaincodeError, PeerError, ReturnedErrorError, StaleReadError, StoreError
from node.peer.ledger_queries import LedgerQueries
from node.peer.lifecycle import Lifecycle, LifecycleCall
from node.peer.lifecycle_state import read_sequence
from node.peer.own_endorsements import OwnEndorsements
from node.peer.signature_checks import SignatureChecks
from node.peer.system_chaincode import (
    CSCC,
    QSCC,
    SYSTEM_CHAINCODES,
    SYSTEM_VERSION,
    ProposalRefusedError,
    refused_to_chaincodes,
    verified_creator,
)
from node.peer.tx_simulator import TxSimulator

_log = structlog.get_logger(__name__)

T = TypeVar("T")

ERROR_THRESHOLD = 400
"""Answers from this status on are not endorsed (shim.ERRORTHRESHOLD)."""

SERVER_ERROR = 500
"""Answers from this status on carry the simulation all the same (shim.ERROR)."""

SIMULATIONS_MAX = 5
"""Times a simulation is started anew when committed blocks change what it read."""

CHAINCODE_TO_CHAINCODE = "peer/ChaincodeToChaincode"
"""Resource whose access rule a call from one chaincode to another is held to, on the channel of the one called."""

LIFECYCLE_QUERIES = (b"Query", b"CheckCommitReadiness")
"""How the functions of the lifecycle begin that a chaincode may call; Fabric lets it call all of them."""

NOTHING = SimulationResults(b"", b"")
"""What a query of the ledger reads and writes by Fabric's account."""

INITIALIZED_KEY = "\x00\U0010ffffinitialized"
"""Key by which a chaincode that must be initialised knows its initialised version."""


@dataclass(frozen=True, slots=True)
class _Simulation:
    """What running a proposal came to."""

    response: Response
    event: Event | None
    version: str
    results: SimulationResults
    interest: proposal_response_pb2.ChaincodeInterest


class Endorser:
    """Endorses proposals for one channel.

    Args:
        channel: channel.
        identity: this peer's signing identity.
        lifecycle: the system chaincode of that name.
        approvals: which definitions this organization approves, and what runs them.
        queries: the system chaincodes that read the ledger.
        runners: what runs chaincodes here, asked in this order.
        channels: the endorser of each channel this peer is on, for chaincodes that call one of another channel.
        own: where endorsements made are remembered.
        checks: of the signatures of those who propose.
        distribute: hands private write sets to the members' peers; refuses by raising ChaincodeError.
        now: UTC clock, for the expiry of creators.
    """

    def __init__(
        self,
        channel: Channel,
        identity: SigningIdentity,
        *,
        lifecycle: Lifecycle,
        approvals: Approvals,
        queries: LedgerQueries,
        runners: Sequence[ChaincodeRunner],
        channels: Mapping[str, Endorser],
        own: OwnEndorsements,
        checks: SignatureChecks,
        distribute: Callable[[str, bytes], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._channel = channel
        self._identity = identity
        self.lifecycle = lifecycle
        self.approvals = approvals
        self._queries = queries
        self._runners = runners
        self._channels = channels
        self._own = own
        self._checks = checks
        self._distribute = distribute
        self._now = now

    def runner_of(self, code: str) -> ChaincodeRunner | None:
        """Return what runs a chaincode's code, by what :meth:`Approvals.code_of` gives; None where nothing does."""
        for runner in self._runners:
            if runner.has(code):
                return runner
        return None

    def on_channel(self, channel_id: str) -> Endorser | None:
        """Return this peer's endorser of another channel, None where the peer is not on it."""
        return self._channels.get(channel_id)

    async def endorses(self, chaincode: str) -> bool:
        """Say whether this peer would endorse a chaincode: it is defined, approved by this organization, and here."""
        if chaincode in SYSTEM_CHAINCODES:
            return True
        definition = await self._channel.committed_definition(chaincode)
        try:
            return definition is not None and self.runner_of(await self.approvals.code_of(definition)) is not None
        except ChaincodeError:
            return False

    async def process(
        self, proposal: ParsedProposal, *, evaluating: bool = False
    ) -> proposal_response_pb2.ProposalResponse:
        """Endorse a proposal of this channel whose form is in order, or answer why not.

        Args:
            evaluating: only the chaincode's answer is wanted: where it succeeds, nothing else is made, and not signed.
        Returns:
            endorsed, or with the status and text of what failed.
        Raises:
            ProposalRefusedError: nothing was run; the caller of the service gets a gRPC error.
        """
        creator = await self._check_creator(proposal)
        self._check_acl(proposal, creator)
        # The index is asked while the simulation runs; nothing leaves before its answer.
        if not evaluating:
            self._channel.notifier.follow(proposal.tx_id)
        known = self._channel.reader.transaction(proposal.tx_id)
        try:
            response = await self._endorse(proposal, creator, known, evaluating=evaluating)
        except ProposalRefusedError:
            raise
        except StoreError as error:
            # The database's own words are for the log: they may name hosts and roles.
            _log.error("database failed a proposal", tx_id=proposal.tx_id, reason=str(error))
            response = failure("this peer's database does not answer; try again, or ask another peer")
        except PeerError as error:
            _log.warning("proposal failed", chaincode=proposal.chaincode, tx_id=proposal.tx_id, reason=str(error))
            response = failure(str(error))
        finally:
            if not known.cancel() and not known.cancelled():
                known.exception()  # heard here where nobody has waited for it
        return response

    async def _check_creator(self, proposal: ParsedProposal) -> Identity:
        """Return the creator, whose signature holds."""
        msps = self._channel.config.msps
        return await verified_creator(proposal, self._now(), msps.deserialize, msps.validate, self._checks.verify)

    def _check_acl(self, proposal: ParsedProposal, creator: Identity) -> None:
        """Require the channel's policy for proposals; system chaincodes ask for themselves."""
        if proposal.chaincode in SYSTEM_CHAINCODES:
            return
        config = self._channel.config
        try:
            config.policy(config.acl_path("peer/Propose")).evaluate_identities([creator])
        except PolicyError as error:
            raise ProposalRefusedError(config.acl_refusal("peer/Propose", error)) from error

    async def _require_new(self, proposal: ParsedProposal, known: asyncio.Future[TransactionRecord | None]) -> None:
        is_new = await known is None
        self._channel.notifier.settle(proposal.tx_id, is_new=is_new)
        if not is_new:
            raise ProposalRefusedError(
                f"duplicate transaction found [{proposal.tx_id}]. Creator [{proposal.creator.hex()}]"
            )

    async def _endorse(
        self,
        proposal: ParsedProposal,
        creator: Identity,
        known: asyncio.Future[TransactionRecord | None],
        *,
        evaluating: bool,
    ) -> proposal_response_pb2.ProposalResponse:
        simulation = await self._simulate(proposal, creator, evaluating=evaluating)
        await self._require_new(proposal, known)
        # One message with its parts inside it: each message made by itself is memory by itself.
        response = proposal_response_pb2.ProposalResponse()
        answer = response.response
        answer.status = simulation.response.status
        answer.message = simulation.response.message
        answer.payload = simulation.response.payload
        succeeded = answer.status < ERROR_THRESHOLD
        if ERROR_THRESHOLD <= answer.status < SERVER_ERROR or (
            evaluating and succeeded and simulation.results is NOTHING
        ):
            return response
        event = b""
        if simulation.event is not None and succeeded:
            event = chaincode_event(proposal.chaincode, proposal.tx_id, *simulation.event)
        response.payload = payload = proposal_response_payload(
            proposal.proposal_hash,
            simulation.results.public,
            event,
            answer,
            proposal.chaincode,
            simulation.version,
        )
        response.interest.CopyFrom(simulation.interest)
        if answer.status >= SERVER_ERROR:
            return response
        if simulation.results.private:
            await self._channel.store_transient(proposal.tx_id, simulation.results.private)
            await self._distribute(proposal.tx_id, simulation.results.private)
        signature = self._identity.sign(endorsement_message(payload, self._identity.creator))
        self._own.add(signature, payload)
        response.version = 1
        response.endorsement.endorser = self._identity.creator
        response.endorsement.signature = signature
        return response

    async def _simulate(self, proposal: ParsedProposal, creator: Identity, *, evaluating: bool) -> _Simulation:
        """Run the proposal until its reads fit one committed height."""
        if proposal.chaincode in (QSCC, CSCC):
            answer = await self._queries.invoke(proposal.chaincode, proposal.args, proposal.creator)
            return _Simulation(answer, None, SYSTEM_VERSION, NOTHING, proposal_response_pb2.ChaincodeInterest())

        async def simulate(simulator: TxSimulator) -> _Simulation:
            call = _Call(self, simulator, proposal, creator)
            version = await call.version_of(proposal.chaincode)
            response, event = await call.run_proposed()
            if evaluating and response.status < ERROR_THRESHOLD and not simulator.wrote_private:
                # Private writes go to other peers even from here, as in Fabric, and what fails there is told.
                return _Simulation(response, event, version, NOTHING, proposal_response_pb2.ChaincodeInterest())
            interest = await interest_of(simulator, self._channel)
            return _Simulation(response, event, version, simulator.finish(), interest)

        return await self._until_it_fits(proposal.tx_id, simulate)

    async def answer_other_channel(self, proposal: ParsedProposal, chaincode: str, args: Sequence[bytes]) -> Response:
        """Run a chaincode of this channel for a proposal of another; what it read and wrote is dropped.

        Raises:
            ChaincodeError: the proposal's creator may not, or the chaincode gave no answer.
        """
        try:
            creator = self._channel.config.msps.deserialize(proposal.creator)
        except IdentityError as error:
            # As Fabric says it: whoever is unknown on a channel satisfies none of its policies.
            _check_may_call(self._channel.config, [])
            raise ChaincodeError(str(error)) from error

        async def simulate(simulator: TxSimulator) -> Response:
            return await _Call(self, simulator, proposal, creator).run_called(chaincode, args)

        return await self._until_it_fits(proposal.tx_id, simulate)

    async def _until_it_fits(self, tx_id: str, simulate: Callable[[TxSimulator], Awaitable[T]]) -> T:
        """Simulate, again where committed blocks changed what was read meanwhile."""
        for _ in range(SIMULATIONS_MAX):
            simulator = self._channel.simulator(tx_id)
            try:
                simulation = await simulate(simulator)
            except StaleReadError:
                continue
            finally:
                simulator.close()
            if not simulator.stale:
                return simulation
        raise ChaincodeError(
            f"error in simulation: what transaction {tx_id} reads was changed by committed blocks "
            f"{SIMULATIONS_MAX} times while it was simulated; propose it again"
        )


class _Call:
    """One proposal while it is simulated: the chaincode it invokes, and those that one invokes."""

    def __init__(self, endorser: Endorser, simulator: TxSimulator, proposal: ParsedProposal, creator: Identity) -> None:
        self._endorser = endorser
        self._simulator = simulator
        self._proposal = proposal
        self._creator = creator
        self._channel = endorser._channel
        self._found: dict[str, tuple[Definition, str, ChaincodeRunner]] = {}

    async def version_of(self, chaincode: str) -> str:
        """Return the version of a chaincode's committed definition, which this organization must approve.

        Raises:
            ChaincodeError: not defined, not approved here, or its code is not here.
        """
        if chaincode == LIFECYCLE:
            return SYSTEM_VERSION
        try:
            definition = await self._find(chaincode)
        except ChaincodeError as error:
            raise ChaincodeError(
                f"make sure the chaincode {chaincode} has been successfully defined on channel "
                f"{self._channel.channel_id} and try again: {error}"
            ) from error
        return definition.version

    async def _find(self, chaincode: str) -> Definition:
        """Return a chaincode's committed definition, and take note of what runs it."""
        sequence = await read_sequence(self._simulator, chaincode)
        definition = await self._channel.definition(chaincode, sequence) if sequence else None
        if definition is None:
            # Fabric looks for one of its older lifecycle then, and that read stands in the read set.
            await self._simulator.get_state(LEGACY_LIFECYCLE, chaincode)
            raise ChaincodeError(f"chaincode {chaincode} not found")
        code = await self._endorser.approvals.code_of(definition)
        runner = self._endorser.runner_of(code)
        if runner is None:
            raise not_installed(chaincode)
        self._found[chaincode] = (definition, code, runner)
        return definition

    async def run_proposed(self) -> tuple[Response, Event | None]:
        """Run the chaincode that the proposal names.

        Raises:
            ChaincodeError: it gave no answer.
        """
        proposal = self._proposal
        if proposal.chaincode == LIFECYCLE:
            return await self._run_lifecycle(proposal.args), None
        try:
            await self._check_init(proposal.chaincode, is_init=proposal.is_init)
            return await self._run(proposal.chaincode, proposal.args, is_init=proposal.is_init)
        except ReturnedErrorError as error:
            raise ChaincodeError(f"error in simulation: {error}") from error
        except ChaincodeError as error:
            text = f"error in simulation: failed to execute transaction {proposal.tx_id}: {error}"
            raise ChaincodeError(text) from error

    async def _run(self, chaincode: str, args: Sequence[bytes], *, is_init: bool) -> tuple[Response, Event | None]:
        """Run a chaincode that was found, in this transaction, on this channel."""
        state = ChaincodeState(
            self._simulator,
            chaincode,
            creator=self._creator,
            config=self._channel.config,
            invoke=self._run_other,
            is_init=is_init,
        )
        _, code, runner = self._found[chaincode]
        invocation = Invocation(
            channel_id=self._channel.channel_id,
            tx_id=self._proposal.tx_id,
            chaincode=chaincode,
            code=code,
            args=args,
            signed_proposal=self._proposal.signed_proposal,
            is_init=is_init,
        )
        try:
            with tracing.span("simulate", chaincode=chaincode, tx_id=self._proposal.tx_id):
                return await runner.execute(invocation, state)
        except ChaincodeError as error:
            if self._simulator.stale:
                raise StaleReadError(str(error)) from error
            raise

    async def _run_lifecycle(self, args: Sequence[bytes]) -> Response:
        call = LifecycleCall(self._simulator, self._channel.config, self._proposal.creator)
        return await self._endorser.lifecycle.invoke(call, args)

    async def _run_other(self, name: str, args: Sequence[bytes], channel: str) -> Response:
        """Run a chaincode that a chaincode calls; its event does not count, as in Fabric."""
        called, _, other_channel = name.partition("/")
        channel = channel or other_channel
        if channel in ("", self._channel.channel_id):
            return await self.run_called(called, args)
        other = self._endorser.on_channel(channel)
        if other is None:
            raise ChaincodeError(f"Failed to get policy manager for channel [{channel}]")
        return await other.answer_other_channel(self._proposal, called, args)

    async def run_called(self, chaincode: str, args: Sequence[bytes]) -> Response:
        """Run a chaincode of this channel that a chaincode calls, if the creator may have it called.

        Raises:
            ReturnedErrorError: it gave an error in the place of an answer.
            ChaincodeError: not allowed, not defined, or no answer.
        """
        if chaincode == LIFECYCLE and args and args[0].startswith(LIFECYCLE_QUERIES):
            return await self._run_lifecycle(args)
        if chaincode in SYSTEM_CHAINCODES:
            return refused_to_chaincodes(chaincode, self._proposal.chaincode)
        _check_may_call(self._channel.config, [self._creator])
        try:
            await self._find(chaincode)
        except ChaincodeError as error:
            raise ChaincodeError(
                f"execute failed: invalid invocation: [channel {self._channel.channel_id}] failed to get chaincode "
                f"container info for {chaincode}: {error}"
            ) from error
        try:
            await self._check_init(chaincode, is_init=False)
            response, _ = await self._run(chaincode, args, is_init=False)
        except ReturnedErrorError:
            raise
        except ChaincodeError as error:
            raise ChaincodeError(f"execute failed: {error}") from error
        return response

    async def _check_init(self, chaincode: str, *, is_init: bool) -> None:
        """Enforce that a chaincode that was found is initialised exactly once for each version, if it is to be at all.

        Raises:
            ChaincodeError: it is not the time to call it so.
        """
        definition = self._found[chaincode][0]
        place = f"invalid invocation: chaincode '{chaincode}'"
        if not definition.init_required:
            if is_init:
                raise ChaincodeError(f"{place} does not require initialization but called as init")
            return
        version = definition.version.encode()
        initialized = await self._simulator.get_state(chaincode, INITIALIZED_KEY) == version
        if is_init and initialized:
            raise ChaincodeError(f"{place} is already initialized but called as init")
        if is_init:
            self._simulator.put_state(chaincode, INITIALIZED_KEY, version)
        elif not initialized:
            raise ChaincodeError(f"{place} has not been initialized for this version, must call as init first")


def _check_may_call(config: ChannelConfig, creators: Sequence[Identity]) -> None:
    """Require that a channel lets a creator have its chaincodes called by others."""
    try:
        config.policy(config.acl_path(CHAINCODE_TO_CHAINCODE)).evaluate_identities(creators)
    except PolicyError as error:
        raise ChaincodeError(config.acl_refusal(CHAINCODE_TO_CHAINCODE, error)) from error


def failure(text: str) -> proposal_response_pb2.ProposalResponse:
    """Return the answer to a proposal that could not be run."""
    answer = proposal_response_pb2.Response(status=SERVER_ERROR, message=text)
    return proposal_response_pb2.ProposalResponse(response=answer)
