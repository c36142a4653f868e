"""The contract by which our shim is compared on both kinds of peer: the twin, and what its Node brother has none of."""

from __future__ import annotations

from chaincode.errors import ContractError
from chaincode.shim.stub import ChaincodeStub
from tests.support.twin_contract import TwinContract


class ShimContract(TwinContract):
    """Other channels, write batches, several keys in one request, failures, private key-level policies."""

    name = "shim"

    async def call_on(self, stub: ChaincodeStub, channel: str, chaincode: str, call: str) -> str:
        """Make a call, its words apart by ``;``, to a chaincode of another channel; write what it answered here."""
        answer = await stub.invoke_chaincode(chaincode, [word.encode() for word in call.split(";")], channel)
        await stub.put_state("answered", answer.payload)
        return f"{answer.status} {answer.payload.decode()}"

    async def call_back(self, stub: ChaincodeStub, channel: str, chaincode: str, key: str) -> str:
        """Have a chaincode of another channel read a key."""
        answer = await stub.invoke_chaincode(chaincode, [b"Get", key.encode()], channel)
        return f"{answer.status} {answer.payload.decode()}"

    async def both(self, stub: ChaincodeStub, one: str, other: str) -> str:
        """Read two keys at once."""
        return ",".join(value.decode() for value in await stub.get_multiple_states(one, other))

    async def batch(self, stub: ChaincodeStub, prefix: str, count: int) -> str:
        """Write many keys in one batch, with an event."""
        stub.start_write_batch()
        for number in range(count):
            await stub.put_state(f"{prefix}{number:04}", str(number).encode())
        await stub.finish_write_batch()
        stub.set_event("batch", str(count).encode())
        return str(count)

    async def own_write(self, stub: ChaincodeStub, key: str) -> str:
        """Read a key that was just written: the value before is found."""
        await stub.put_state(key, b"mine")
        return (await stub.get_state(key)).decode()

    async def page_and_write(self, stub: ChaincodeStub, start: str, end: str) -> str:
        """Write, then ask for a page: refused."""
        await stub.put_state("page", b"x")
        return await self.page(stub, start, end, 2, "")

    async def refuse(self, stub: ChaincodeStub, reason: str) -> str:
        """Fail."""
        raise ContractError("refused", reason)

    async def guard_private(self, stub: ChaincodeStub, collection: str, key: str, policy_of: str) -> str:
        """Give a private key the policy of a public one."""
        policy = await stub.get_state_validation_parameter(policy_of)
        await stub.set_private_data_validation_parameter(collection, key, policy)
        return ""

    async def guards_private(self, stub: ChaincodeStub, collection: str, key: str) -> str:
        """Say whether a private key has a policy of its own."""
        return str(bool(await stub.get_private_data_validation_parameter(collection, key)))

    async def tell_time(self, stub: ChaincodeStub) -> str:
        """Return what the proposal says of its caller and time."""
        stamp = stub.get_tx_timestamp()
        names = (stub.get_tx_id(), stub.get_channel_id(), stub.client_identity.msp_id)
        return " ".join([*names, f"{stamp.seconds}.{stamp.nanos}", stub.get_binding().hex()])
