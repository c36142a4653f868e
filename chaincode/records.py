"""Reading and stamping records: what the parts of contract ``audit`` share."""

from __future__ import annotations

from typing import Any

from chaincode.encoding import format_time, from_json
from chaincode.errors import NotFoundError
from chaincode.shim.stub import ChaincodeStub


def stamp(stub: ChaincodeStub) -> dict[str, str]:
    """Return the transaction's id and (client-given) time, the same at every endorser."""
    return {"transaction_id": stub.get_tx_id(), "timestamp": format_time(stub.get_timestamp())}


async def existing(stub: ChaincodeStub, key: str, message: str) -> dict[str, Any]:
    """Return the record under a key.

    Raises:
        NotFoundError: there is none; says ``message``.
    """
    value = await stub.get_state(key)
    if not value:
        raise NotFoundError(message)
    record: dict[str, Any] = from_json(value)
    return record
