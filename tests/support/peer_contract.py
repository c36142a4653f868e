"""A contract that does, on request, whatever a peer must be able to bear."""

from __future__ import annotations

import asyncio
import time

from chaincode.contract import Contract
from chaincode.errors import ContractError
from chaincode.shim.stub import ChaincodeStub


class PeerContract(Contract):
    """Writes, reads, ranges, events, private data; also fails, hangs and differs from peer to peer."""

    name = "pc"
    calls = 0
    asleep = 0

    async def put(self, stub: ChaincodeStub, key: str, value: str) -> str:
        await stub.put_state(key, value.encode())
        return value

    async def get(self, stub: ChaincodeStub, key: str) -> str:
        return (await stub.get_state(key)).decode()

    async def update(self, stub: ChaincodeStub, key: str, value: str) -> str:
        before = (await stub.get_state(key)).decode()
        await stub.put_state(key, value.encode())
        return before

    async def delete(self, stub: ChaincodeStub, key: str) -> None:
        await stub.del_state(key)

    async def put_many(self, stub: ChaincodeStub, prefix: str, count: int) -> None:
        for number in range(count):
            await stub.put_state(f"{prefix}{number:04}", b"x")

    async def count_range(self, stub: ChaincodeStub, start: str, end: str) -> str:
        async with await stub.get_state_by_range(start, end) as rows:
            found = [key async for key, _ in rows]
        await stub.put_state("count", str(len(found)).encode())
        return str(len(found))

    async def emit(self, stub: ChaincodeStub, name: str, payload: str) -> None:
        stub.set_event(name, payload.encode())
        await stub.put_state(f"event:{name}", payload.encode())

    async def history(self, stub: ChaincodeStub, key: str) -> list[object]:
        return [
            [change.tx_id, change.value.decode(), change.is_delete] for change in await stub.get_history_for_key(key)
        ]

    async def key_policy(self, stub: ChaincodeStub, key: str) -> None:
        await stub.set_state_validation_parameter(key, stub.get_transient()["policy"])
        await stub.put_state(key, b"guarded")

    async def put_private(self, stub: ChaincodeStub, collection: str, key: str) -> None:
        await stub.put_private_data(collection, key, stub.get_transient()["value"])

    async def put_private_pair(self, stub: ChaincodeStub, collection: str, key: str, other: str) -> None:
        await stub.put_private_data(collection, key, stub.get_transient()["value"])
        await stub.put_private_data(collection, other, stub.get_transient()["other"])

    async def get_private(self, stub: ChaincodeStub, collection: str, key: str) -> str:
        return (await stub.get_private_data(collection, key)).decode()

    async def purge_private(self, stub: ChaincodeStub, collection: str, key: str) -> None:
        await stub.purge_private_data(collection, key)

    async def call_other(self, stub: ChaincodeStub, chaincode: str, function: str, argument: str) -> str:
        response = await stub.invoke_chaincode(chaincode, [function.encode(), argument.encode()])
        return f"{response.status} {response.payload.decode()}"

    async def fail(self, stub: ChaincodeStub) -> None:
        raise ContractError("refused", "no such thing here")

    async def crash(self, stub: ChaincodeStub) -> None:
        raise RuntimeError("a fault of the contract")

    async def sleep(self, stub: ChaincodeStub, seconds: int) -> None:
        PeerContract.asleep += 1
        await asyncio.sleep(seconds)

    async def spin(self, stub: ChaincodeStub) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            pass

    async def differ(self, stub: ChaincodeStub) -> None:
        PeerContract.calls += 1
        await stub.put_state("differ", str(PeerContract.calls).encode())
