"""The contract the network benchmark calls: as little business rule as possible, so that the network is measured."""

from __future__ import annotations

from chaincode.contract import Contract, reads_only
from chaincode.shim.stub import ChaincodeStub


class BenchmarkContract(Contract):
    """One write or one read of one key."""

    name = "benchmark"

    async def put(self, stub: ChaincodeStub, key: str, value: bytes) -> None:
        """Write a value; callers use each key once, so that no two transactions conflict."""
        await stub.put_state(key, value)

    @reads_only
    async def get(self, stub: ChaincodeStub, key: str) -> bytes:
        """Return a value, empty where absent."""
        return await stub.get_state(key)
