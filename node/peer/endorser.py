"""Endorses proposals: checks who asks, simulates, signs.

Rules, Fabric's unless said:
- a proposal is refused before anything runs when its creator, signature or transaction id does not hold, when its id
  stands in a committed block, or when the channel's policy for proposals does not let its creator propose;
- an answer of status 400 or more is never endorsed; 500 and more carries what was simulated, for diagnosis;
- a simulation whose reads changed underneath is run again (ours: Go peers hold up the commit instead);
- expiry of the creator's certificate counts here, though not in validation.

Source: Fabric core/endorser/endorser.go, core/chaincode/chaincode_support.go, core/handlers/{auth,endorsement}.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from fabric_protos.peer import proposal_response_pb2

from network.errors import PolicyError
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
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.chaincode_state import ChaincodeState, Response
from node.peer.channel import Channel
from node.peer.contract_runner import ChaincodeRunner, Event, Invocation
from node.peer.endorsement_interest import interest_of
from node.peer.errors import ChaincodeError, PeerError, StaleReadError, StoreError
from node.peer.ledger_queries import LedgerQueries
from node.peer.lifecycle import Lifecycle, LifecycleCall
from node.peer.lifecycle_state import read_sequence
from node.peer.own_endorsements import OwnEndorsements
from node.peer.system_chaincode import (
    CSCC,
    QSCC,
    SYSTEM_CHAINCODES,
    SYSTEM_VERSION,
    ProposalRefusedError,
    verified_creator,
)
from node.peer.tx_simulator import TxSimulator

_log = structlog.get_logger(__name__)

ERROR_THRESHOLD = 400
"""Answers from this status on are not endorsed (shim.ERRORTHRESHOLD)."""

SERVER_ERROR = 500
"""Answers from this status on carry the simulation all the same (shim.ERROR)."""

SIMULATIONS_MAX = 5
"""Times a simulation is started anew when committed blocks change what it read."""

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
        own: where endorsements made are remembered.
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
        own: OwnEndorsements,
        distribute: Callable[[str, bytes], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._channel = channel
        self._identity = identity
        self.lifecycle = lifecycle
        self.approvals = approvals
        self._queries = queries
        self._runners = runners
        self._own = own
        self._distribute = distribute
        self._now = now

    def runner_of(self, code: str) -> ChaincodeRunner | None:
        """Return what runs a chaincode's code, by what :meth:`Approvals.code_of` gives; None where nothing does."""
        return next((runner for runner in self._runners if runner.has(code)), None)

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
        creator = self._check_creator(proposal)
        self._check_acl(proposal, creator)
        # The index is asked while the simulation runs; nothing leaves before its answer.
        if not evaluating:
            self._channel.notifier.follow(proposal.tx_id)
        known = self._channel.reader.transaction(proposal.tx_id)
        try:
            response = await self._endorse(proposal, creator, known, evaluating=evaluating)
            await self._require_new(proposal, known)
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

    def _check_creator(self, proposal: ParsedProposal) -> Identity:
        """Return the creator, whose signature holds."""
        msps = self._channel.config.msps
        return verified_creator(proposal, msps.deserialize, lambda identity: msps.validate(identity, self._now()))

    def _check_acl(self, proposal: ParsedProposal, creator: Identity) -> None:
        """Require the channel's policy for proposals; system chaincodes ask for themselves."""
        if proposal.chaincode in SYSTEM_CHAINCODES:
            return
        config = self._channel.config
        try:
            config.policy(config.acl_path("peer/Propose")).evaluate_identities([creator])
        except PolicyError as error:
            raise ProposalRefusedError(
                f"failed evaluating policy on signed data during check policy "
                f"[{config.acl_path('peer/Propose')}]: [{error}]"
            ) from error

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
        answer = proposal_response_pb2.Response(
            status=simulation.response.status,
            message=simulation.response.message,
            payload=simulation.response.payload,
        )
        if ERROR_THRESHOLD <= answer.status < SERVER_ERROR or (evaluating and simulation.results is NOTHING):
            return proposal_response_pb2.ProposalResponse(response=answer)
        event = b""
        if simulation.event is not None and answer.status < ERROR_THRESHOLD:
            event = chaincode_event(proposal.chaincode, proposal.tx_id, *simulation.event)
        payload = proposal_response_payload(
            proposal.proposal_hash,
            simulation.results.public,
            event,
            answer,
            proposal.chaincode,
            simulation.version,
        )
        if answer.status >= SERVER_ERROR:
            return proposal_response_pb2.ProposalResponse(
                response=answer, payload=payload, interest=simulation.interest
            )
        if simulation.results.private:
            await self._channel.store_transient(proposal.tx_id, simulation.results.private)
            await self._distribute(proposal.tx_id, simulation.results.private)
        signature = self._identity.sign(endorsement_message(payload, self._identity.creator))
        self._own.add(signature, payload)
        endorsement = proposal_response_pb2.Endorsement(endorser=self._identity.creator, signature=signature)
        return proposal_response_pb2.ProposalResponse(
            version=1, endorsement=endorsement, payload=payload, response=answer, interest=simulation.interest
        )

    async def _simulate(self, proposal: ParsedProposal, creator: Identity, *, evaluating: bool) -> _Simulation:
        """Run the proposal until its reads fit one committed height."""
        if proposal.chaincode in (QSCC, CSCC):
            answer = await self._queries.invoke(proposal.chaincode, proposal.args, proposal.creator)
            return _Simulation(answer, None, SYSTEM_VERSION, NOTHING, proposal_response_pb2.ChaincodeInterest())
        for _ in range(SIMULATIONS_MAX):
            simulator = self._channel.simulator(proposal.tx_id)
            try:
                simulation = await self._simulate_once(simulator, proposal, creator, evaluating=evaluating)
            except StaleReadError:
                continue
            finally:
                simulator.close()
            if not simulator.stale:
                return simulation
        raise ChaincodeError(
            f"error in simulation: what transaction {proposal.tx_id} reads was changed by committed blocks "
            f"{SIMULATIONS_MAX} times while it was simulated; propose it again"
        )

    async def _simulate_once(
        self, simulator: TxSimulator, proposal: ParsedProposal, creator: Identity, *, evaluating: bool
    ) -> _Simulation:
        call = _Call(self, simulator, proposal, creator)
        version = await call.version_of(proposal.chaincode)
        response, event = await call.run(proposal.chaincode, proposal.args)
        if evaluating and response.status < ERROR_THRESHOLD and not simulator.wrote_private:
            # Private writes go to other peers even from here, as in Fabric, and what fails there is told.
            return _Simulation(response, event, version, NOTHING, proposal_response_pb2.ChaincodeInterest())
        interest = await interest_of(simulator, self._channel)
        return _Simulation(response, event, version, simulator.finish(), interest)


class _Call:
    """One proposal while it is simulated: the chaincode it invokes, and those that one invokes."""

    def __init__(self, endorser: Endorser, simulator: TxSimulator, proposal: ParsedProposal, creator: Identity) -> None:
        self._endorser = endorser
        self._simulator = simulator
        self._proposal = proposal
        self._creator = creator
        self._channel = endorser._channel
        self._runners: dict[str, tuple[str, ChaincodeRunner]] = {}

    async def version_of(self, chaincode: str) -> str:
        """Return the version of a chaincode's committed definition, which this organization must approve.

        Raises:
            ChaincodeError: not defined, not approved here, or its code is not here.
        """
        if chaincode == LIFECYCLE:
            return SYSTEM_VERSION
        advice = f"make sure the chaincode {chaincode} has been successfully defined on channel "
        advice += f"{self._channel.channel_id} and try again"
        sequence = await read_sequence(self._simulator, chaincode)
        definition = await self._channel.definition(chaincode, sequence) if sequence else None
        if definition is None:
            raise ChaincodeError(f"{advice}: chaincode {chaincode} not found")
        try:
            code = await self._endorser.approvals.code_of(definition)
            runner = self._endorser.runner_of(code)
            if runner is None:
                raise not_installed(chaincode)
        except ChaincodeError as error:
            raise ChaincodeError(f"{advice}: {error}") from error
        self._runners[chaincode] = (code, runner)
        if definition.init_required:
            await self._check_initialized(chaincode, definition.version)
        return definition.version

    async def run(self, chaincode: str, args: Sequence[bytes]) -> tuple[Response, Event | None]:
        """Run a chaincode in this transaction.

        Raises:
            ChaincodeError: it gave no answer.
        """
        if chaincode == LIFECYCLE:
            return await self._run_lifecycle(args), None
        state = ChaincodeState(
            self._simulator,
            chaincode,
            creator=self._creator,
            config=self._channel.config,
            invoke=self._run_other,
        )
        code, runner = self._runners[chaincode]
        invocation = Invocation(
            channel_id=self._proposal.channel_id,
            tx_id=self._proposal.tx_id,
            chaincode=chaincode,
            code=code,
            args=args,
            signed_proposal=self._proposal.signed_proposal,
            is_init=self._proposal.is_init,
            decorations=self._proposal.decorations,
        )
        try:
            return await runner.execute(invocation, state)
        except ChaincodeError as error:
            if self._simulator.stale:
                raise StaleReadError(str(error)) from error
            text = f"error in simulation: failed to execute transaction {self._proposal.tx_id}: {error}"
            raise ChaincodeError(text) from error

    async def _run_lifecycle(self, args: Sequence[bytes]) -> Response:
        call = LifecycleCall(self._simulator, self._channel.config, self._proposal.creator)
        return await self._endorser.lifecycle.invoke(call, args)

    async def _run_other(self, name: str, args: Sequence[bytes], channel: str) -> Response:
        """Run a chaincode that a chaincode calls; its event does not count, as in Fabric."""
        called, _, other_channel = name.partition("/")
        channel = channel or other_channel
        if channel not in ("", self._channel.channel_id):
            raise ChaincodeError(f"failed to find ledger for channel: {channel}")
        if called in SYSTEM_CHAINCODES:
            raise ChaincodeError(f"system chaincode {called} cannot be invoked from a chaincode")
        config = self._channel.config
        try:
            config.policy(config.acl_path("peer/ChaincodeToChaincode")).evaluate_identities([self._creator])
        except PolicyError as error:
            raise ChaincodeError(f"{called} may not be invoked by this creator: {error}") from error
        await self.version_of(called)
        response, _ = await self.run(called, args)
        return response

    async def _check_initialized(self, chaincode: str, version: str) -> None:
        """Enforce that a chaincode is initialised exactly once for each version."""
        initialized = await self._simulator.get_state(chaincode, INITIALIZED_KEY) == version.encode()
        if self._proposal.is_init and initialized:
            raise ChaincodeError(f"chaincode '{chaincode}' is already initialized but called as init")
        if self._proposal.is_init:
            self._simulator.put_state(chaincode, INITIALIZED_KEY, version.encode())
        elif not initialized:
            raise ChaincodeError(
                f"chaincode '{chaincode}' has not been initialized for this version, must call as init first"
            )


def failure(text: str) -> proposal_response_pb2.ProposalResponse:
    """Return the answer to a proposal that could not be run."""
    answer = proposal_response_pb2.Response(status=SERVER_ERROR, message=text)
    return proposal_response_pb2.ProposalResponse(response=answer)
