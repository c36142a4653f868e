"""Two banks that settle with one another: their collection, who must endorse what binds both, and their private input.

What is private comes in the proposal's transient map, as JSON, and is never an argument: arguments stay in blocks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from chaincode.callers import require_client
from chaincode.encoding import decode_hex, from_json
from chaincode.errors import AccessError, ArgumentError
from chaincode.keys import require_organization
from chaincode.shim.key_endorsement import KeyEndorsementPolicy, Role
from chaincode.shim.stub import ChaincodeStub
from network.obligation import ID_BYTES, pair_collection, pair_of

BATCH_MAX = 100
"""Most obligations that one transaction changes."""

TRANSIENT_BYTES_MAX = 256 * 1024

_PLAIN = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Pair:
    """The caller and the other bank.

    Args:
        caller: MSP id of who signed the proposal.
        other: MSP id of the other bank.
    """

    caller: str
    other: str

    @property
    def banks(self) -> list[str]:
        """Both, in their order."""
        return list(pair_of(self.caller, self.other))

    @property
    def collection(self) -> str:
        """Their private collection."""
        return pair_collection(self.caller, self.other)

    @property
    def policy(self) -> bytes:
        """Key-level policy: a peer of each bank must endorse."""
        return policy_of(self.banks)


def policy_of(organizations: list[str]) -> bytes:
    """Return the key-level policy that asks for a peer of each organization."""
    policy = KeyEndorsementPolicy()
    policy.add_organizations(Role.PEER, *organizations)
    return policy.policy()


def require_pair(stub: ChaincodeStub, counterparty: str) -> Pair:
    """Return the caller's organization and the other bank.

    Raises:
        AccessError: the caller is no client.
        ArgumentError: the other is the caller itself, or no name a collection can have.
    """
    caller = require_client(stub)
    require_organization(counterparty, "counterparty")
    if counterparty == caller:
        raise ArgumentError("counterparty is the caller's own organization")
    for name in (caller, counterparty):
        if not _PLAIN.fullmatch(name):
            raise ArgumentError(f"{name[:80]!r} has characters that no private collection's name may have")
    return Pair(caller, counterparty)


def pair_of_record(record: dict[str, Any], caller: str) -> Pair:
    """Return the pair of a record's two banks, seen from the caller.

    Raises:
        AccessError: the caller is neither.
    """
    first, second = record["banks"]
    if caller not in (first, second):
        raise AccessError(f"only {first} and {second}, whom it binds, may do this")
    return Pair(caller, second if caller == first else first)


def private_input(stub: ChaincodeStub, name: str) -> Any:
    """Return JSON of the transient map.

    Raises:
        ArgumentError: it is absent, too long or no strict JSON.
    """
    data = stub.get_transient().get(name)
    if data is None:
        raise ArgumentError(f"the transient map has no {name!r}: what is private is given there, not as an argument")
    if len(data) > TRANSIENT_BYTES_MAX:
        raise ArgumentError(f"{name} in the transient map has more than {TRANSIENT_BYTES_MAX} bytes")
    return from_json(data, name)


def require_id(value: object, what: str = "obligation_id") -> str:
    """Return an id of 16 bytes in hex."""
    if not isinstance(value, str):
        raise ArgumentError(f"{what} is no text")
    decode_hex(value, what, ID_BYTES)
    return value


def require_batch(items: list[Any], what: str) -> list[Any]:
    """Return items once there are 1 to ``BATCH_MAX`` of them."""
    if not 1 <= len(items) <= BATCH_MAX:
        raise ArgumentError(f"{what} has {len(items)} items; 1 to {BATCH_MAX} are accepted")
    return items


def require_ids(ids: list[Any]) -> list[str]:
    """Return ids, each once."""
    found = [require_id(each) for each in require_batch(ids, "ids")]
    if len(set(found)) != len(found):
        raise ArgumentError("ids names an obligation twice")
    return found
