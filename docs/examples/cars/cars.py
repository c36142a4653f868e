"""Who owns which car: the contract of docs/contracts.md.

Run it as that page says; a test does.
"""

from __future__ import annotations

from typing import Any

from chaincode.contract import Contract, reads_only
from chaincode.encoding import from_json, to_json
from chaincode.errors import AccessError, ConflictError, NotFoundError
from chaincode.shim.stub import ChaincodeStub


class CarsContract(Contract):
    """Cars, each with an owner; only the organization that registered a car may hand it on."""

    name = "cars"
    version = "1.0"

    async def register(self, stub: ChaincodeStub, car_id: str, owner: str) -> dict[str, Any]:
        """Register a car that nobody has registered yet."""
        if await stub.get_state(car_id):
            raise ConflictError(f"car {car_id} is registered already", "car_exists")
        car = {"kind": "car", "organization": stub.client_identity.msp_id, "owner": owner}
        await stub.put_state(car_id, to_json(car))
        return car

    async def transfer(self, stub: ChaincodeStub, car_id: str, owner: str) -> dict[str, Any]:
        """Hand a car on."""
        car = await self._car(stub, car_id)
        if car["organization"] != stub.client_identity.msp_id:
            raise AccessError(f"car {car_id} belongs to a client of {car['organization']}")
        previous, car["owner"] = car["owner"], owner
        await stub.put_state(car_id, to_json(car))
        stub.set_event("transferred", to_json({"car": car_id, "from": previous, "to": owner}))
        return car

    @reads_only
    async def owned_by(self, stub: ChaincodeStub, owner: str) -> list[str]:
        """Return the cars of one owner."""
        query = to_json({"selector": {"kind": "car", "owner": owner}}).decode()
        async with await stub.get_query_result(query) as cars:
            return [key async for key, _ in cars]

    async def _car(self, stub: ChaincodeStub, car_id: str) -> dict[str, Any]:
        found = await stub.get_state(car_id)
        if not found:
            raise NotFoundError(f"car {car_id} is not registered", "no_car")
        car: dict[str, Any] = from_json(found, f"car {car_id}")
        return car
