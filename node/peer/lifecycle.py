"""The system chaincode ``_lifecycle``: chaincodes an organization installed and approved, and the members agreed on.

Rules:
- definitions stand in the world state with Fabric's own keys and values, one key for each field, so that validators
  treat blocks of any Fabric network alike;
- an organization's approval stands in its implicit private collection; the other members see its hashes;
- what this peer's settings approve counts as an approval of its organization, without one on the channel (ADR 5);
- this peer endorses the commit of a definition only when its organization approves the very same definition; a
  majority of the members must endorse it (the channel's LifecycleEndorsement policy);
- what Fabric's peers read on the way is read here too, the hashes of all members' approvals included, because
  endorsements must be equal byte for byte.

Source: Fabric core/chaincode/lifecycle/{scc,lifecycle,serializer,endorsement_info,cache}.go.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.peer.lifecycle import lifecycle_pb2

from network.channel_acl import LOCAL_ROLES
from network.channel_config import ChannelConfig
from network.errors import PolicyError
from node.peer.chaincode_definition import LEGACY_LIFECYCLE, LIFECYCLE
from node.peer.collection_rules import check_collections, check_continuation
from node.peer.definition import DEFAULT_POLICY, DEFAULT_POLICY_PATH, Definition, definition_of
from node.peer.errors import ChaincodeError, StaleReadError, StateError
from node.peer.lifecycle_local import InstallFunctions, parse_argument, wrong_arguments
from node.peer.lifecycle_state import (
    OrganizationState,
    PublicState,
    approval_mismatches,
    committed_names,
    read_approval,
    read_package_id,
    read_sequence,
    read_whole_definition,
    write_approval,
    write_definition,
)
from node.peer.system_chaincode import NOT_FOUND, OK, LocalMembers, SystemResponse, failure, text_of
from node.peer.tx_simulator import TxSimulator

_NAME = re.compile(r"[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*")
_VERSION = re.compile(r"[A-Za-z0-9_.+-]+")
_SYSTEM_NAMES = ("cscc", "escc", "lscc", "qscc", "vscc")


@dataclass(frozen=True, slots=True)
class LifecycleCall:
    """One call of the lifecycle on a channel.

    Args:
        simulator: the transaction.
        config: channel configuration in force.
        creator: who proposed, serialized.
    """

    simulator: TxSimulator
    config: ChannelConfig
    creator: bytes


class Lifecycle:
    """The system chaincode of one channel.

    Args:
        msp_id: this peer's organization.
        approved: definitions that this organization's settings approve.
        installs: the functions that concern the peer rather than the channel.
        members: this organization's own members.
    """

    def __init__(
        self, msp_id: str, approved: Sequence[Definition], installs: InstallFunctions, members: LocalMembers
    ) -> None:
        self._msp_id = msp_id
        self._approved = {definition.name: definition for definition in approved}
        self._installs = installs
        self._members = members
        lc = lifecycle_pb2
        self._functions: dict[str, tuple[Any, Callable[[LifecycleCall, Any], Awaitable[Any]]]] = {
            "ApproveChaincodeDefinitionForMyOrg": (lc.ApproveChaincodeDefinitionForMyOrgArgs, self._approve),
            "QueryApprovedChaincodeDefinition": (lc.QueryApprovedChaincodeDefinitionArgs, self._query_approved),
            "QueryApprovedChaincodeDefinitions": (lc.QueryApprovedChaincodeDefinitionsArgs, self._query_all_approved),
            "CheckCommitReadiness": (lc.CheckCommitReadinessArgs, self._check_readiness),
            "CommitChaincodeDefinition": (lc.CommitChaincodeDefinitionArgs, self._commit),
            "QueryChaincodeDefinition": (lc.QueryChaincodeDefinitionArgs, self._query),
            "QueryChaincodeDefinitions": (lc.QueryChaincodeDefinitionsArgs, self._query_all),
        }

    def approves(self, definition: Definition) -> bool:
        """Say whether this organization's settings approve exactly this definition."""
        return self._approved.get(definition.name) == definition

    async def invoke(self, call: LifecycleCall, args: Sequence[bytes]) -> SystemResponse:
        """Run one function; refusals are answers, as of any chaincode."""
        if len(args) != 2:
            return wrong_arguments(args)
        name = text_of(args[0])
        try:
            self._authorize(call, f"{LIFECYCLE}/{name}")
        except (ChaincodeError, PolicyError) as error:
            return failure(f"Failed to authorize invocation due to failed ACL check: {error}")
        if name not in self._functions:
            return await self._installs.run(name, args[1])
        kind, function = self._functions[name]
        try:
            result = await function(call, parse_argument(name, kind, args[1]))
        except StaleReadError:
            raise
        except NotDefinedError as error:
            return SystemResponse(NOT_FOUND, str(error))
        except (ChaincodeError, StateError) as error:
            return failure(f"failed to invoke backing implementation of '{name}': {error}")
        return SystemResponse(OK, payload=result.SerializeToString())

    def _authorize(self, call: LifecycleCall, resource: str) -> None:
        if resource in LOCAL_ROLES:
            self._members.authorize(resource, call.creator)
            return
        policy = call.config.policy(call.config.acl_path(resource))
        policy.evaluate_identities([call.config.msps.deserialize(call.creator)])

    async def _approve(self, call: LifecycleCall, arguments: Any) -> Any:
        definition = await self._checked(call, arguments)
        package_id = arguments.source.local_package.package_id
        own = OrganizationState(call.simulator, self._msp_id)
        current = await read_sequence(call.simulator, definition.name)
        _check_next_or_current(definition, current)
        _require_default_policy(definition, call.config)
        if definition.sequence == current:
            await _check_unchanged(call.simulator, definition)
        approved = await read_approval(own, definition.name, definition.sequence)
        unchanged = approved is not None and not approved.difference(definition)
        if unchanged and await read_package_id(own, definition.approval_name) == package_id:
            raise ChaincodeError(_redefined(definition, current))
        await write_approval(own, definition, package_id)
        return lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgResult()

    async def _query_approved(self, call: LifecycleCall, arguments: Any) -> Any:
        own = OrganizationState(call.simulator, self._msp_id)
        name, sequence = arguments.name, arguments.sequence
        if not sequence:
            sequence = await read_sequence(call.simulator, name)
            # The next one counts where there is one: it is the newest.
            sequence += await read_approval(own, name, sequence + 1) is not None
        result = lifecycle_pb2.QueryApprovedChaincodeDefinitionResult()
        if not await self._describe_approval(own, name, sequence, result):
            raise ChaincodeError(
                f"could not fetch approved chaincode definition (name: '{name}', sequence: '{sequence}') on channel "
                f"'{call.config.channel_id}'"
            )
        return result

    async def _query_all_approved(self, call: LifecycleCall, arguments: Any) -> Any:
        own = OrganizationState(call.simulator, self._msp_id)
        result = lifecycle_pb2.QueryApprovedChaincodeDefinitionsResult()
        for stored in await own.names():
            name, _, sequence = stored.rpartition("#")
            described = result.approved_chaincode_definitions.add(name=name)
            await self._describe_approval(own, name, int(sequence), described)
        return result

    async def _describe_approval(self, own: OrganizationState, name: str, sequence: int, result: Any) -> bool:
        """Fill a result with an approval; say whether there is one."""
        definition = await read_approval(own, name, sequence)
        if definition is None:
            return False
        definition.describe(result)
        package_id = await read_package_id(own, definition.approval_name)
        if package_id is None:
            raise ChaincodeError(f"could not fetch chaincode-source metadata for {definition.approval_name}")
        if package_id:
            result.source.local_package.package_id = package_id
        else:
            result.source.unavailable.SetInParent()
        return True

    async def _commit(self, call: LifecycleCall, arguments: Any) -> Any:
        definition = await self._checked(call, arguments)
        mismatches = await self._check_next(call, definition)
        await write_definition(PublicState(call.simulator), definition)
        if mismatches.get(self._msp_id, [self._msp_id]):
            raise ChaincodeError(f"chaincode definition not agreed to by this org ({self._msp_id})")
        return lifecycle_pb2.CommitChaincodeDefinitionResult()

    async def _check_readiness(self, call: LifecycleCall, arguments: Any) -> Any:
        mismatches = await self._check_next(call, definition_of(arguments))
        result = lifecycle_pb2.CheckCommitReadinessResult(approvals=_approvals(mismatches))
        for msp_id, items in mismatches.items():
            if items:
                result.mismatches[msp_id].items.extend(items)
        return result

    async def _query(self, call: LifecycleCall, arguments: Any) -> Any:
        definition = await _defined(call.simulator, arguments.name)
        approvals = _approvals(await self._mismatches(call, definition))
        result = lifecycle_pb2.QueryChaincodeDefinitionResult(approvals=approvals)
        definition.describe(result)
        return result

    async def _query_all(self, call: LifecycleCall, arguments: Any) -> Any:
        result = lifecycle_pb2.QueryChaincodeDefinitionsResult()
        for name in await committed_names(call.simulator):
            described = result.chaincode_definitions.add(name=name)
            (await _defined(call.simulator, name)).describe(described)
        return result

    async def _checked(self, call: LifecycleCall, arguments: Any) -> Definition:
        """Return the definition of an approval or a commit, its form in order and its collections fitting."""
        definition = definition_of(arguments)
        try:
            _check_names(definition)
            check_collections(definition.collections, call.config)
            committed = await read_whole_definition(call.simulator, definition.name)
            if committed is None:
                await call.simulator.get_state(LEGACY_LIFECYCLE, definition.name)
            else:
                check_continuation(definition.collections, committed.collections)
        except ChaincodeError as error:
            raise ChaincodeError(f"error validating chaincode definition: {error}") from error
        return definition

    async def _check_next(self, call: LifecycleCall, definition: Definition) -> dict[str, list[str]]:
        """Require the next sequence; return what each member's approval differs in."""
        current = await read_sequence(call.simulator, definition.name)
        if definition.sequence != current + 1:
            raise ChaincodeError(
                f"requested sequence is {definition.sequence}, but new definition must be sequence {current + 1}"
            )
        _require_default_policy(definition, call.config)
        return await self._mismatches(call, definition)

    async def _mismatches(self, call: LifecycleCall, definition: Definition) -> dict[str, list[str]]:
        """Return what each member's approval differs in: the implicit collections tell, and our settings for us."""
        found = {
            msp_id: await approval_mismatches(OrganizationState(call.simulator, msp_id), definition)
            for msp_id in call.config.application_msp_ids
        }
        if self._msp_id in found and self.approves(definition):
            found[self._msp_id] = []
        return found


class NotDefinedError(ChaincodeError):
    """There is no definition of this name."""


async def _defined(simulator: TxSimulator, name: str) -> Definition:
    definition = await read_whole_definition(simulator, name)
    if definition is None:
        raise NotDefinedError(f"namespace {name} is not defined")
    return definition


def _approvals(mismatches: dict[str, list[str]]) -> dict[str, bool]:
    return {msp_id: not items for msp_id, items in mismatches.items()}


def _check_next_or_current(definition: Definition, current: int) -> None:
    requested = definition.sequence
    if requested == current == 0:
        raise ChaincodeError("requested sequence is 0, but first definable sequence number is 1")
    if requested < current:
        raise ChaincodeError(f"currently defined sequence {current} is larger than requested sequence {requested}")
    if requested > current + 1:
        raise ChaincodeError(
            f"requested sequence {requested} is larger than the next available sequence number {current + 1}"
        )


async def _check_unchanged(simulator: TxSimulator, definition: Definition) -> None:
    """Require that the approval of a definition in force is of that very definition."""
    committed = await _defined(simulator, definition.name)
    if difference := committed.difference(definition):
        raise ChaincodeError(
            f"attempted to redefine the current committed sequence ({definition.sequence}) for namespace "
            f"{definition.name} with different parameters: {difference}"
        )


def _redefined(definition: Definition, current: int) -> str:
    if definition.sequence == current:
        return f"attempted to redefine the current committed sequence ({current}) for namespace {definition.name}"
    return (
        f"attempted to redefine uncommitted sequence ({definition.sequence}) for namespace {definition.name} with "
        "unchanged content"
    )


def _require_default_policy(definition: Definition, config: ChannelConfig) -> None:
    """Refuse a definition that refers to the channel's default policy where there is none."""
    if definition.endorsement_policy == DEFAULT_POLICY and config.policies.find(DEFAULT_POLICY_PATH) is None:
        raise ChaincodeError(
            f"could not set defaults for chaincode definition in channel {config.channel_id}: policy "
            f"'{DEFAULT_POLICY_PATH}' must be defined for channel '{config.channel_id}' before chaincode operations "
            "can be attempted"
        )


def _check_names(definition: Definition) -> None:
    name, version = definition.name, definition.version
    problem = ""
    if _NAME.fullmatch(name) is None:
        problem = (
            f"invalid chaincode name '{name}'. Names can only consist of alphanumerics, '_', and '-' and can only "
            "begin with alphanumerics"
        )
    elif name in _SYSTEM_NAMES:
        problem = f"chaincode name '{name}' is the name of a system chaincode"
    elif _VERSION.fullmatch(version) is None:
        problem = (
            f"invalid chaincode version '{version}'. Versions can only consist of alphanumerics, '_', '-', '+', and '.'"
        )
    if problem:
        raise ChaincodeError(problem)
