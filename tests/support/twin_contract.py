"""The twin of ``tests/interop/node_chaincode/contract.mjs``: the same functions, by our own shim.

Every function of the stub that both have is used once, and its result written or returned as text.
"""

from __future__ import annotations

from chaincode.contract import Contract
from chaincode.shim.key_endorsement import KeyEndorsementPolicy, Role
from chaincode.shim.stub import ChaincodeStub


class TwinContract(Contract):
    """State, ranges, pages, composite keys, history, events, key policies, private data, other chaincodes."""

    name = "twin"

    async def put(self, stub: ChaincodeStub, key: str, value: str) -> str:
        await stub.put_state(key, value.encode())
        return value

    async def get(self, stub: ChaincodeStub, key: str) -> str:
        return (await stub.get_state(key)).decode()

    async def bump(self, stub: ChaincodeStub, key: str) -> str:
        count = int(await stub.get_state(key) or b"0") + 1
        await stub.put_state(key, str(count).encode())
        return str(count)

    async def delete(self, stub: ChaincodeStub, key: str) -> str:
        await stub.del_state(key)
        return ""

    async def put_many(self, stub: ChaincodeStub, prefix: str, count: int) -> str:
        for number in range(count):
            await stub.put_state(f"{prefix}{number:04}", b"x")
        return str(count)

    async def range(self, stub: ChaincodeStub, start: str, end: str) -> str:
        async with await stub.get_state_by_range(start, end) as rows:
            found = ",".join([f"{key}={value.decode()}" async for key, value in rows])
        await stub.put_state("range", found.encode())
        return found

    async def page(self, stub: ChaincodeStub, start: str, end: str, size: int, bookmark: str) -> str:
        rows, page = await stub.get_state_by_range_with_pagination(start, end, size, bookmark)
        async with rows:
            found = ",".join([f"{key}={value.decode()}" async for key, value in rows])
        return f"{found}|{page.fetched_records_count}|{page.bookmark}"

    async def query(self, stub: ChaincodeStub, query: str) -> str:
        async with await stub.get_query_result(query) as rows:
            found = ",".join([f"{key}={value.decode()}" async for key, value in rows])
        await stub.put_state("query", found.encode())
        return found

    async def query_page(self, stub: ChaincodeStub, query: str, size: int, bookmark: str) -> str:
        rows, page = await stub.get_query_result_with_pagination(query, size, bookmark)
        async with rows:
            found = ",".join([f"{key}={value.decode()}" async for key, value in rows])
        return f"{found}|{page.fetched_records_count}|{page.bookmark}"

    async def query_private(self, stub: ChaincodeStub, collection: str, query: str) -> str:
        async with await stub.get_private_data_query_result(collection, query) as rows:
            return ",".join([f"{key}={value.decode()}" async for key, value in rows])

    async def put_composite(self, stub: ChaincodeStub, kind: str, one: str, two: str, value: str) -> str:
        await stub.put_state(stub.create_composite_key(kind, [one, two]), value.encode())
        return ""

    async def partial(self, stub: ChaincodeStub, kind: str, one: str) -> str:
        found = []
        async with await stub.get_state_by_partial_composite_key(kind, [one]) as rows:
            async for key, value in rows:
                object_type, attributes = stub.split_composite_key(key)
                found.append(f"{object_type}/{'/'.join(attributes)}={value.decode()}")
        await stub.put_state("partial", ",".join(found).encode())
        return ",".join(found)

    async def history(self, stub: ChaincodeStub, key: str) -> str:
        changes = await stub.get_history_for_key(key)
        return ",".join(f"{item.tx_id}:{item.value.decode()}:{str(item.is_delete).lower()}" for item in changes)

    async def emit(self, stub: ChaincodeStub, name: str, payload: str) -> str:
        stub.set_event(name, payload.encode())
        await stub.put_state("emitted", name.encode())
        return ""

    async def who(self, stub: ChaincodeStub) -> str:
        msp_id = stub.client_identity.msp_id
        stamp = stub.get_tx_timestamp()
        text = f"{msp_id} {stub.get_tx_id()} {stub.get_channel_id()} {stamp.seconds}.{stamp.nanos}"
        await stub.put_state("who", text.encode())
        return msp_id

    async def guard(self, stub: ChaincodeStub, key: str, msp_id: str) -> str:
        policy = KeyEndorsementPolicy()
        policy.add_organizations(Role.MEMBER, msp_id)
        await stub.set_state_validation_parameter(key, policy.policy())
        await stub.put_state(key, b"guarded")
        return ""

    async def guards(self, stub: ChaincodeStub, key: str) -> str:
        policy = await stub.get_state_validation_parameter(key)
        return ",".join(KeyEndorsementPolicy(policy).organizations())

    async def call(self, stub: ChaincodeStub, chaincode: str, name: str, argument: str) -> str:
        answer = await stub.invoke_chaincode(chaincode, [name.encode(), argument.encode()])
        return f"{answer.status} {answer.payload.decode()}"

    async def put_private(self, stub: ChaincodeStub, collection: str, key: str) -> str:
        await stub.put_private_data(collection, key, stub.get_transient()["value"])
        return ""

    async def get_private(self, stub: ChaincodeStub, collection: str, key: str) -> str:
        return (await stub.get_private_data(collection, key)).decode()

    async def hash_private(self, stub: ChaincodeStub, collection: str, key: str) -> str:
        return (await stub.get_private_data_hash(collection, key)).hex()

    async def range_private(self, stub: ChaincodeStub, collection: str, start: str, end: str) -> str:
        async with await stub.get_private_data_by_range(collection, start, end) as rows:
            return ",".join([f"{key}={value.decode()}" async for key, value in rows])

    async def delete_private(self, stub: ChaincodeStub, collection: str, key: str) -> str:
        await stub.del_private_data(collection, key)
        return ""

    async def purge_private(self, stub: ChaincodeStub, collection: str, key: str) -> str:
        await stub.purge_private_data(collection, key)
        return ""
