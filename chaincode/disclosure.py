"""Demands for disclosure, on the shared ledger: whoever looks leaves a record, and so does whoever refuses.

Rules every endorser applies:

- a demand says who demands, of whom, which entries, for which purpose and how much (its scope); it names the key that
  its answer is sealed to, the one its organization had registered by then;
- a key is registered by a client of its organization; a newer one takes its place for demands to come;
- only the organization that is asked refuses, once, with a reason;
- nothing that could name a person is stored: ids are random, purposes, scopes and reasons are codes.

What is disclosed never comes here: it goes from node to node, sealed.

State (JSON): ``demand~<id>``, ``refusal~<demand id>``, ``disclosure_key~<msp>``.
"""

from __future__ import annotations

import re
from typing import Any

from chaincode import keys
from chaincode.callers import require_client
from chaincode.contract import Contract, reads_only
from chaincode.encoding import decode_hex, from_json, to_json
from chaincode.errors import AccessError, ArgumentError, ConflictError
from chaincode.records import existing, stamp
from chaincode.shim.stub import ChaincodeStub

DEMAND_SEQS_MAX = 1000
RECORD_ID_BYTES = 16
KEY_BYTES = 32

SCOPES = ("entry", "description", "customer")
"""What may be demanded of an entry: itself with its proof, its free text, who stands behind its accounts."""

REASONS = ("erased", "no_legal_basis", "not_kept", "privileged", "too_wide", "other")
"""Why a demand is refused. What there is to say beyond is said in the finding that follows."""

_PURPOSE = re.compile(r"[a-z][a-z0-9_]{0,39}")


class DisclosureContract(Contract):
    """Registers keys, records demands and refusals."""

    async def register_disclosure_key(self, stub: ChaincodeStub, key: str) -> dict[str, Any]:
        """Register the key that answers to the caller's organization are sealed to; by a client of it.

        Args:
            key: X25519 public key, hex; takes the place of one registered before.
        """
        organization = require_client(stub)
        decode_hex(key, "key", KEY_BYTES)
        value = await stub.get_state(keys.disclosure_key(organization))
        before: dict[str, Any] = from_json(value) if value else {"key": "", "number": 0}
        if before["key"] == key:
            raise ConflictError(f"organization {organization} has registered this key before", "registered")
        record = {"organization": organization, "key": key, "number": before["number"] + 1, **stamp(stub)}
        await stub.put_state(keys.disclosure_key(organization), to_json(record))
        return record

    async def demand(
        self, stub: ChaincodeStub, demand_id: str, organization: str, seqs: list[int], purpose: str, scope: list[str]
    ) -> dict[str, Any]:
        """Record that the caller's organization demands disclosure of entries; by a client of any organization.

        Args:
            demand_id: 16 random bytes in hex.
            organization: whose entries.
            seqs: JSON list of 1 to 1,000 entry numbers, ascending.
            purpose: a code such as ``supervisory_review``; free text could name a person and would stay for ever.
            scope: JSON list of some of ``SCOPES``, each once and in their order; ``entry`` is always among them.
        """
        demanding = require_client(stub)
        decode_hex(demand_id, "demand_id", RECORD_ID_BYTES)
        keys.require_organization(organization)
        _require_seqs(seqs)
        _require_scope(scope)
        if not _PURPOSE.fullmatch(purpose):
            raise ArgumentError("purpose is not a code of 1 to 40 lower-case letters, digits and '_' (no free text)")
        if await stub.get_state(keys.demand(demand_id)):
            raise ConflictError(f"demand {demand_id} exists; take a fresh random id", "demand_exists")
        key = await stub.get_state(keys.disclosure_key(demanding))
        record = {
            "demand_id": demand_id,
            "organization": organization,
            "demanding_organization": demanding,
            "seqs": seqs,
            "purpose": purpose,
            "scope": scope,
            # Empty where none is registered: such a demand is on record, and nobody can answer it.
            "sealed_to": from_json(key)["key"] if key else "",
            **stamp(stub),
        }
        await stub.put_state(keys.demand(demand_id), to_json(record))
        stub.set_event("Demand", to_json({"demand_id": demand_id, "organization": organization}))
        return record

    async def refuse_demand(self, stub: ChaincodeStub, demand_id: str, reason: str) -> dict[str, Any]:
        """Refuse a demand; by a client of the organization that is asked, once.

        Args:
            reason: one of ``REASONS``.
        """
        organization = require_client(stub)
        if reason not in REASONS:
            raise ArgumentError(f"reason is {reason[:40]!r}, not one of {', '.join(REASONS)}")
        demand = await self.get_demand(stub, demand_id)
        if demand["organization"] != organization:
            raise AccessError(f"only {demand['organization']}, which is asked, refuses this demand")
        if await stub.get_state(keys.refusal(demand_id)):
            raise ConflictError(f"demand {demand_id} was refused before", "already_refused")
        record = {
            "demand_id": demand_id,
            "organization": organization,
            "demanding_organization": demand["demanding_organization"],
            "reason": reason,
            **stamp(stub),
        }
        await stub.put_state(keys.refusal(demand_id), to_json(record))
        stub.set_event("Refusal", to_json({"demand_id": demand_id, "organization": organization}))
        return record

    @reads_only
    async def get_demand(self, stub: ChaincodeStub, demand_id: str) -> dict[str, Any]:
        """Return a demand for disclosure; anyone on the channel may call."""
        decode_hex(demand_id, "demand_id", RECORD_ID_BYTES)
        return await existing(stub, keys.demand(demand_id), f"there is no demand {demand_id}")

    @reads_only
    async def get_disclosure_key(self, stub: ChaincodeStub, organization: str) -> dict[str, Any]:
        """Return an organization's registered key; anyone on the channel may call."""
        keys.require_organization(organization)
        message = f"organization {organization} has registered no disclosure key"
        return await existing(stub, keys.disclosure_key(organization), message)


def _require_seqs(seqs: list[int]) -> None:
    if not 1 <= len(seqs) <= DEMAND_SEQS_MAX:
        raise ArgumentError(f"seqs has {len(seqs)} numbers; 1 to {DEMAND_SEQS_MAX} are accepted")
    last = 0
    for seq in seqs:
        # A boolean is an integer to Python, but not to other readers of the record.
        if not isinstance(seq, int) or isinstance(seq, bool) or seq <= last:
            raise ArgumentError(f"seqs holds {str(seq)[:40]!r} where an entry number above {last} must stand")
        last = seq


def _require_scope(scope: list[str]) -> None:
    known = [each for each in SCOPES if each in scope]
    if scope != known or SCOPES[0] not in scope:
        raise ArgumentError(
            f"scope is {str(scope)[:80]}: give {SCOPES[0]} and any of {', '.join(SCOPES[1:])}, each once, in this order"
        )
