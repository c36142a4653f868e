"""Runs contracts for tests in two ways that must not differ: in process, and over a real chaincode stream.

`Channel of one`: every call is a transaction that commits at once when its status is below 400, as on a network where
all endorsers agree.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from fabric_protos.peer import chaincode_pb2, proposal_response_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message

from chaincode.contract import Contract
from chaincode.in_process import execute
from chaincode.shim.server import CONNECT, ChaincodeServer
from network.rpc import Channel
from tests.support.contract_state import NOW, CommittedState, signed_proposal
from tests.support.stream_peer import CHANNEL, StreamPeer


@dataclass(frozen=True)
class Outcome:
    """What a transaction came to."""

    status: int
    message: str
    payload: bytes
    event: tuple[str, bytes] | None

    @property
    def code(self) -> str:
        """The stable code a refusal begins with."""
        return self.message.partition(":")[0]

    def json(self) -> Any:
        """The payload, parsed; the transaction must have succeeded."""
        assert self.status == 200, self.message
        return json.loads(self.payload)


class Runner(Protocol):
    """One way of running contracts."""

    async def run(
        self, contract: Contract, tx_id: str, args: list[bytes], proposal: bytes, state: CommittedState
    ) -> Outcome: ...


class InProcessRunner:
    """Calls the contract in this process."""

    async def run(
        self, contract: Contract, tx_id: str, args: list[bytes], proposal: bytes, state: CommittedState
    ) -> Outcome:
        response, event = await execute(
            contract, channel_id=CHANNEL, tx_id=tx_id, args=args, signed_proposal=proposal, state=state
        )
        return Outcome(response.status, response.message, response.payload, event)


class StreamRunner:
    """Serves each contract on a port of its own and calls it as a peer does."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._peers: dict[int, StreamPeer] = {}

    async def run(
        self, contract: Contract, tx_id: str, args: list[bytes], proposal: bytes, state: CommittedState
    ) -> Outcome:
        if id(contract) not in self._peers:
            self._peers[id(contract)] = await self._stack.enter_async_context(connected_peer(contract, state))
        message = await self._peers[id(contract)].invoke(tx_id, args, proposal, state=state)
        return outcome_of(message)


def outcome_of(message: Message) -> Outcome:
    """Return what a transaction's last message says."""
    assert message.type == Message.COMPLETED, message
    response = proposal_response_pb2.Response.FromString(message.payload)
    event = message.chaincode_event
    attached = (event.event_name, event.payload) if message.HasField("chaincode_event") else None
    return Outcome(response.status, response.message, response.payload, attached)


@asynccontextmanager
async def connected_peer(contract: Contract, state: CommittedState) -> AsyncIterator[StreamPeer]:
    """Serve a contract on a loopback port and connect a peer to it, with a Fabric 3 peer's default features."""
    server = ChaincodeServer(contract, f"{contract.name}:0123", "127.0.0.1", 0)
    port = await server.start()
    channel = Channel(f"127.0.0.1:{port}", None)
    features = chaincode_pb2.ChaincodeAdditionalParams(
        use_write_batch=True, max_size_write_batch=1000, use_get_multiple_keys=True, max_size_get_multiple_keys=1000
    )
    peer = StreamPeer(state, features)
    reader = asyncio.create_task(peer.read(channel.bidi(CONNECT, peer.outgoing(), None)))
    try:
        async with asyncio.timeout(20):
            await peer.ready.wait()
        yield peer
    finally:
        peer.hang_up()
        await asyncio.gather(reader, return_exceptions=True)
        await channel.close()
        await server.stop(0)


class ContractLedger:
    """One contract's world state and the way to call it."""

    def __init__(self, contract: Contract, runner: Runner) -> None:
        self.contract = contract
        self.runner = runner
        self.state = CommittedState()
        self.count = 0

    async def submit(
        self,
        creator: bytes,
        function: str,
        *args: str | bytes,
        tx_id: str = "",
        timestamp: datetime = NOW,
        transient: dict[str, bytes] | None = None,
    ) -> Outcome:
        """Run a transaction; commit it when it is endorsed."""
        self.count += 1
        tx_id = tx_id or f"tx{self.count}"
        encoded = [arg if isinstance(arg, bytes) else arg.encode("utf-8", "surrogateescape") for arg in args]
        proposal = signed_proposal(creator, timestamp=timestamp, transient=transient)
        outcome = await self.runner.run(self.contract, tx_id, [function.encode(), *encoded], proposal, self.state)
        if outcome.status < 400:
            self.state.commit(tx_id, timestamp)
        else:
            self.state.discard()
        return outcome

    def stored(self, key: str) -> Any:
        """Return the JSON stored under a key."""
        return json.loads(self.state.values[("", key)])
