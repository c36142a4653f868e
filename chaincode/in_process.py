"""Running a contract inside the peer's own process: the same class and stub as over the chaincode stream.

A peer loads this module by name from its configuration, gives its simulator as the state, and so spares a hop for
every state access.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

from chaincode.contract import ERROR, Contract
from chaincode.errors import ChaincodeError, StateError
from chaincode.shim.state_access import StateAccess
from chaincode.shim.stub import ChaincodeResponse, ChaincodeStub

Event = tuple[str, bytes]
"""Name and payload of a chaincode event."""


def load(path: str) -> Contract:
    """Import a contract class and make one instance.

    Args:
        path: ``<module>:<class>``, e.g. ``chaincode.audit:AuditContract``.
    Raises:
        ChaincodeError: when the path names no contract class, or its module cannot be imported.
    """
    module_name, _, class_name = path.partition(":")
    try:
        contract = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ChaincodeError(f"{path!r} names no contract (expected '<module>:<class>'): {error}") from None
    except Exception as error:  # the module is its author's code: whatever it raises is a fault of it, not of ours
        raise ChaincodeError(f"{path!r}: its module cannot be imported: {type(error).__name__}: {error}") from error
    if not (isinstance(contract, type) and issubclass(contract, Contract)):
        raise ChaincodeError(f"{path!r} is not a subclass of chaincode.contract.Contract")
    return contract()


async def execute(
    contract: Contract,
    *,
    channel_id: str,
    tx_id: str,
    args: Sequence[bytes],
    signed_proposal: bytes,
    state: StateAccess,
    decorations: Mapping[str, bytes] | None = None,
    is_init: bool = False,
) -> tuple[ChaincodeResponse, Event | None]:
    """Invoke a contract once; never raises.

    Args:
        contract: from :func:`load`; one instance serves any number of invocations at the same time.
        channel_id: the proposal's channel.
        tx_id: the proposal's transaction id.
        args: arguments, the function's name first.
        signed_proposal: serialized ``SignedProposal`` whose signature the peer has verified.
        state: the peer's simulator for this transaction.
        decorations: what the peer's decorators added to the input.
        is_init: run the contract's initialization instead of a function.
    Returns:
        The response, and the event when one was set (also with a failed response: the peer decides).
    """
    try:
        stub = ChaincodeStub(channel_id, tx_id, args, signed_proposal, state, decorations)
    except StateError as error:
        return ChaincodeResponse(ERROR, f"bad_proposal: {error}", b""), None
    try:
        response = await (contract.initialize(stub) if is_init else contract.invoke(stub))
        if response.status < 400:
            await stub.finish_write_batch()
        return response, stub.event
    except StateError as error:
        return ChaincodeResponse(ERROR, f"state_error: {error}", b""), None
    finally:
        stub.close()
