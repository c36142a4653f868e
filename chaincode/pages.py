"""Lists of records, a page at a time."""

from __future__ import annotations

from chaincode import keys
from chaincode.shim.stub import ChaincodeStub


async def page(stub: ChaincodeStub, kind: str, after: str, count_max: int) -> list[tuple[str, bytes]]:
    """Return keys and records of a kind in the order of their keys.

    Args:
        kind: as ``keys.under`` takes it.
        after: the key after which the page begins; empty for the first page.
        count_max: most records of a page.
    """
    start, end = keys.under(kind)
    found: list[tuple[str, bytes]] = []
    async with await stub.get_state_by_range(f"{after}\x00" if after else start, end) as records:
        async for key, value in records:
            found.append((key, value))
            if len(found) == count_max:
                break
    return found
