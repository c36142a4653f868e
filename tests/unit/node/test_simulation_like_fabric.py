"""Simulations give the very bytes that Fabric's own peers endorsed.

Method: before each captured block, its valid transactions are simulated here with their own arguments, on the state as
it was; the test contract of the captured network is written again in a few lines. Private writes, whose values were
never captured, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from fabric_protos.peer import chaincode_pb2, proposal_pb2

from network.envelope import VALID, ParsedTransaction, parse_transaction
from network.rwset import StateKey, parse_rwset
from node.peer.chaincode_state import ChaincodeState, Response
from node.peer.errors import ChaincodeError
from node.peer.history import KeyModification
from node.peer.installed import InstalledPackages
from node.peer.lifecycle import Lifecycle, LifecycleCall
from node.peer.lifecycle_local import InstallFunctions
from node.peer.lifecycle_state import read_sequence
from node.peer.progress import Progress
from node.peer.reader import DatabaseThread
from node.peer.signature_checks import SignatureChecks
from node.peer.state import MemoryState
from node.peer.system_chaincode import LocalMembers
from node.peer.tx_simulator import TxSimulator
from node.peer.world_state import StateRange, StateValue
from tests.support.captured import NETWORKS, Replay, captured, replayed

LEFT_OUT = {b"PutPrivate"}
CAPTURED_AT = datetime(2026, 11, 23, tzinfo=UTC)


class Committed:
    """Reads a state in memory as simulations read the database."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def known(self, key: StateKey) -> tuple[StateValue | None, int] | None:
        return None

    async def state(self, key: StateKey) -> tuple[StateValue | None, int]:
        entry = self._state.entry(key)
        return None if entry is None else StateValue(entry.value, entry.metadata, entry.version), 1

    async def private_value(self, key: StateKey) -> tuple[StateValue | None, int]:
        return None, 1

    async def state_range(self, namespace: str, start: bytes, end: bytes, limit: int) -> StateRange:
        rows = []
        for key, version in self._state.versions_in_range(namespace, start, end):
            rows.append((key, StateValue(self._state.entries[StateKey(namespace, "", key)].value, b"", version)))
        more = len(rows) > limit
        return StateRange(tuple(rows[:limit]), 1, rows[limit][0] if more else None)

    async def private_range(self, namespace: str, collection: str, start: bytes, end: bytes, limit: int) -> StateRange:
        return StateRange((), 1, None)

    async def history(self, namespace: str, key: str) -> list[KeyModification]:
        return []


def arguments(transaction: ParsedTransaction) -> list[bytes]:
    payload = proposal_pb2.ChaincodeProposalPayload.FromString(transaction.chaincode_proposal_payload)
    return list(chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input).chaincode_spec.input.args)


async def run_contract(state: ChaincodeState, arguments: Sequence[bytes], policy: bytes) -> None:
    """Do what the captured network's contract did."""
    function = arguments[0].decode()
    texts = [argument.decode() for argument in arguments[1:]]
    if function in ("Put", "Update"):
        if function == "Update":
            await state.get_state("", texts[0])
        await state.put_state("", texts[0], arguments[2])
    elif function == "Del":
        await state.del_state("", texts[0])
    elif function == "Many":
        for number in range(120):
            await state.put_state("", f"{texts[0]}{number:04}", arguments[2])
    elif function == "Range":
        scan = await state.range_query("", texts[0], texts[1], 0, "")
        count = len([key async for key, _ in scan])
        await state.put_state("", texts[2], str(count).encode())
    elif function == "Composite":
        await state.put_state("", "\x00" + "\x00".join(texts) + "\x00", "/".join(texts).encode())
    elif function == "Event":
        await state.put_state("", f"event:{texts[0]}", arguments[2])
    elif function == "KeyPolicy":
        await state.put_state_metadata("", texts[0], "VALIDATION_PARAMETER", policy)
    elif function == "HashPrivate":
        found = await state.get_private_data_hash(*texts)
        await state.put_state("", f"hash:{texts[1]}", found.hex().encode())
    elif function == "DelPrivate":
        await state.del_state(*texts)
    elif function == "PurgePrivate":
        await state.purge_private_data(*texts)
    else:
        raise AssertionError(f"the captured contract has no function {function}")


async def no_other(name: str, args: Sequence[bytes], channel: str) -> Response:
    raise ChaincodeError("the captured contract calls no other")


async def simulate_lifecycle(replay: Replay, transaction: ParsedTransaction, simulator: TxSimulator) -> bytes:
    """Run the lifecycle as the peer of the organization that proposed."""
    msp_id = replay.config.msps.deserialize(transaction.creator).msp_id
    members = LocalMembers(replay.config.msps.msps[msp_id], lambda: CAPTURED_AT, SignatureChecks())
    packages = InstalledPackages(DatabaseThread("none", ""), {}, lambda package: None)
    lifecycle = Lifecycle(msp_id, (), InstallFunctions(packages, no_references), members)
    call = LifecycleCall(simulator, replay.config, transaction.creator)
    answer = await lifecycle.invoke(call, arguments(transaction))
    assert answer.status == 200, answer.message
    return simulator.finish().public


async def no_references() -> dict[str, dict[str, list[tuple[str, str]]]]:
    return {}


async def simulate(replay: Replay, transaction: ParsedTransaction) -> bytes:
    simulator = TxSimulator(transaction.tx_id, Committed(replay.state), Progress(1, b"", b""))
    args = arguments(transaction)
    if transaction.chaincode == "_lifecycle":
        return await simulate_lifecycle(replay, transaction, simulator)
    creator = replay.config.msps.deserialize(transaction.creator)
    state = ChaincodeState(simulator, transaction.chaincode, creator=creator, config=replay.config, invoke=no_other)
    metadata = [write for space in transaction.rwset.namespaces for write in space.metadata_writes]
    await read_sequence(simulator, transaction.chaincode)
    await run_contract(state, args, metadata[0].entries[0][1] if metadata else b"")
    return simulator.finish().public


@pytest.mark.parametrize("network", NETWORKS)
async def test_every_captured_simulation_gives_the_same_bytes(network: str) -> None:
    replay = replayed(network, 1)
    compared: set[bytes] = set()
    for number in range(1, len(captured(network).blocks)):
        block = captured(network).block(number)
        for envelope, flag in zip(block.data.data, captured(network).flags(number), strict=True):
            transaction = parse_transaction(envelope)
            if flag != VALID or transaction.is_config or arguments(transaction)[0] in LEFT_OUT:
                continue
            expected = proposal_pb2.ChaincodeAction.FromString(transaction.action).results
            results = await simulate(replay, transaction)
            assert parse_rwset(results) == parse_rwset(expected), (number, arguments(transaction)[:2])
            assert results == expected, (number, arguments(transaction)[:2])
            compared.add(arguments(transaction)[0])
        replay.take(block)
    assert len(compared) == 13
