"""Disclosure on demand, both sides: whoever looks leaves a record on the shared ledger first.

- Own side: writes the demand, asks the organization named in it, and believes no bundle before it verified it.
- Other side: serves bundles only for a demand its own peer committed, addressed to it, and only to whom wrote it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from network.audit_record import AUDIT, record_key
from network.bundle import VerifiedEntry, verify_bundle
from network.errors import ProofError
from node.anchor.anchorer import Gateway
from node.audit.disclosed import DisclosedEntries
from node.audit.entry_fields import describe_entry
from node.audit.errors import BadRequestError, RefusedError, UnknownEntryError
from node.audit.index import AuditIndex
from node.audit.indexer import Indexer
from node.audit.proofs import ProofBuilder

SEQS_MAX = 200
"""Entries of one demand: their bundles travel in one message."""

DEMAND_WAIT_S = 10.0
"""How long the other side waits for its own peer to commit a demand."""

BUNDLES_BYTES_MAX = 80 * 1024 * 1024
"""Bundles of one demand together: they travel in one message."""

ATTEST_WAIT_S = 15.0
"""How long the other side waits for all entries of a demand to be attested."""

_PURPOSE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DEMAND_ID = re.compile(r"[0-9a-f]{32}")


class Discloser(Protocol):
    """The other side of a demand."""

    async def disclose(self, demand_id: str) -> list[bytes]:
        """Return the bundles that a demand asks for."""
        ...


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What a demand brought: one verified bundle for each entry, in the order asked."""

    demand_id: str
    transaction_id: str
    bundles: tuple[bytes, ...]


class Demands:
    """Own side.

    Args:
        members: the other members' nodes, by organization.
        genesis_hash: what every bundle must lead back to.
        kept: where what was disclosed is kept, with its proof.
    """

    def __init__(
        self,
        gateway: Gateway,
        members: Mapping[str, Discloser],
        genesis_hash: bytes,
        kept: DisclosedEntries,
        *,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._gateway = gateway
        self._members = members
        self._genesis_hash = genesis_hash
        self._kept = kept
        self._now = now
        self._random_bytes = random_bytes

    async def demand(self, organization: str, seqs: Sequence[int], purpose: str, user: str) -> Disclosed:
        """Write a demand on the shared ledger, fetch what it asks for, check every bundle and keep it.

        Args:
            user: who demands, and is shown the entries.
        Raises:
            BadRequestError: a field cannot be used; nothing was written.
            GatewayError: the demand could not be written.
            RpcError: the organization does not answer or refuses.
            ProofError: a bundle does not prove what was demanded.
        """
        _check_demand(seqs, purpose)
        member = self._members.get(organization)
        if member is None:
            raise BadRequestError(f"organization: {organization!r} is no other member whose node is known here")
        demand_id = self._random_bytes(16).hex()
        encoded = json.dumps(sorted(seqs))
        committed = await self._gateway.submit(AUDIT, "Demand", demand_id, organization, encoded, purpose)
        bundles = dict(zip(sorted(seqs), await member.disclose(demand_id), strict=False))
        entries = [await asyncio.to_thread(self._checked, bundles.get(seq), organization, seq) for seq in seqs]
        proved = [(entry, bundles[entry.seq]) for entry in entries]
        await asyncio.to_thread(self._keep, demand_id, proved, user)
        return Disclosed(demand_id, committed.tx_id, tuple(bundles[seq] for seq in seqs))

    def _keep(self, demand_id: str, proved: Sequence[tuple[VerifiedEntry, bytes]], user: str) -> None:
        now = self._now()
        self._kept.keep(demand_id, proved, now)
        shown = [(entry.organization, entry.seq) for entry, _ in proved]
        self._kept.note_look(user, {"demand": {"demand_id": demand_id}}, shown, now)

    def _checked(self, bundle: bytes | None, organization: str, seq: int) -> VerifiedEntry:
        if bundle is None:
            raise ProofError("not_disclosed", f"{organization} gave no bundle for entry {seq}")
        entry = verify_bundle(bundle, self._genesis_hash, describe=describe_entry, now=self._now())
        if (entry.organization, entry.seq) != (organization, seq):
            raise ProofError("wrong_entry", f"{organization} gave another entry's bundle for entry {seq}")
        return entry


class Disclosures:
    """Other side."""

    def __init__(self, msp_id: str, index: AuditIndex, indexer: Indexer, proofs: ProofBuilder) -> None:
        self._msp_id = msp_id
        self._index = index
        self._indexer = indexer
        self._proofs = proofs

    async def disclose(self, caller: str, demand_id: str) -> list[bytes]:
        """Return the bundles a demand asks this organization for, by ascending entry number.

        Args:
            caller: organization behind the connection.
        Raises:
            BadRequestError: not a demand's id.
            UnknownEntryError: no such demand stands on the shared ledger.
            RefusedError: the demand is another's, or addressed to another.
            AnchorError: an entry cannot be proved; says which.
        """
        if not _DEMAND_ID.fullmatch(demand_id):
            raise BadRequestError("demand_id: give the 32 hex digits of the demand's record")
        demand = await self._find(demand_id)
        if demand["organization"] != self._msp_id or demand["demanding_organization"] != caller:
            raise RefusedError(f"demand {demand_id} is not one of {caller} to {self._msp_id}")
        deadline = asyncio.get_running_loop().time() + ATTEST_WAIT_S
        bundles = []
        for seq in demand["seqs"]:
            left = max(0.0, deadline - asyncio.get_running_loop().time())
            bundles.append(await self._proofs.build(int(seq), left))
            if sum(map(len, bundles)) > BUNDLES_BYTES_MAX:
                raise BadRequestError("seqs: their bundles are too large for one answer, demand fewer entries at once")
        return bundles

    async def _find(self, demand_id: str) -> dict[str, Any]:
        """Return a demand once the own peer committed it; the asker's peer may be ahead."""
        key = record_key("demand", demand_id)
        deadline = asyncio.get_running_loop().time() + DEMAND_WAIT_S
        while True:
            record = await asyncio.to_thread(self._index.record, key)
            if record is not None:
                body: dict[str, Any] = json.loads(record.body)
                return body
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise UnknownEntryError(f"demand {demand_id} does not stand on the shared ledger")
            await self._indexer.wait(min(left, 0.25))


def _check_demand(seqs: Sequence[int], purpose: str) -> None:
    if not 1 <= len(seqs) <= SEQS_MAX or len(set(seqs)) != len(seqs) or min(seqs) < 1:
        raise BadRequestError(f"seqs: give 1 to {SEQS_MAX} different entry numbers from 1")
    if not _PURPOSE.fullmatch(purpose):
        raise BadRequestError(
            "purpose: give a code of 1 to 40 lower-case letters, digits and '_', such as 'supervisory_review': "
            "it stays on the shared ledger for ever"
        )
