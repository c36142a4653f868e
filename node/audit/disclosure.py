"""Disclosure on demand, the side that is asked: what is given, to whom, and what is refused.

Rules:
- only a demand that the own peer committed is answered, only to who made it, and only where the settings name him a
  supervisor;
- what is given is signed by this organization and sealed to the key the demand names; that it was given is kept first;
- a demand that this organization refused on the shared ledger gets nothing; where the settings say so, one gets nothing
  until somebody here allowed it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from nacl.public import PrivateKey

from ledger.canonical import decode_entry
from network.audit_record import AUDIT
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from node.anchor.anchorer import Gateway
from node.anchor.books import Books
from node.audit.customers import CustomerSource
from node.audit.demand_store import ALLOWED, ANSWERED, REFUSED, Demand, DemandStore
from node.audit.details import CUSTOMER, DESCRIPTION
from node.audit.errors import BadRequestError, NotYetError, RefusedError, UnknownEntryError
from node.audit.indexer import Indexer
from node.audit.proofs import ProofBuilder
from node.audit.sealing import OwnMember, seal_package

DEMAND_WAIT_S = 10.0
"""How long this side waits for its own peer to commit a demand."""

BUNDLES_BYTES_MAX = 80 * 1024 * 1024
"""Bundles of one demand together: they travel in one message."""

ATTEST_WAIT_S = 15.0
"""How long this side waits for all entries of a demand to be attested."""

REASONS = ("erased", "no_legal_basis", "not_kept", "privileged", "too_wide", "other")

_DEMAND_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class DisclosureSettings:
    """How demands are made and answered here.

    Args:
        key: what answers to this organization's own demands are sealed to.
        supervisors: organizations whose demands are answered.
        at_once: whether a demand is answered without anybody here allowing it.
    """

    key: PrivateKey
    supervisors: frozenset[str] = frozenset()
    at_once: bool = True


def check_demand_id(demand_id: str) -> str:
    """Return a demand's id.

    Raises:
        BadRequestError: it is none.
    """
    if not _DEMAND_ID.fullmatch(demand_id):
        raise BadRequestError("demand_id: give the 32 hex digits of the demand's record")
    return demand_id


class Disclosures:
    """Answers demands.

    Args:
        proofs, books: the own entries; None for an organization without books, which has nothing to give.
    """

    def __init__(
        self,
        member: OwnMember,
        settings: DisclosureSettings,
        *,
        gateway: Gateway,
        demands: DemandStore,
        indexer: Indexer,
        proofs: ProofBuilder | None,
        books: Books | None,
        customers: CustomerSource,
        now: Callable[[], datetime],
    ) -> None:
        self._member = member
        self._msp_id = member.identity.msp_id
        self._settings = settings
        self._gateway = gateway
        self._demands = demands
        self._indexer = indexer
        self._proofs = proofs
        self._books = books
        self._customers = customers
        self._now = now

    async def disclose(self, caller: str, demand_id: str) -> bytes:
        """Return what a demand asks this organization for, signed and sealed.

        Args:
            caller: organization behind the connection.
        Raises:
            BadRequestError: not a demand's id, or more than fits one answer.
            UnknownEntryError: no such demand stands on the shared ledger.
            RefusedError: the demand is another's, or addressed to another; he is no supervisor; it was refused.
            NotYetError: nobody here allowed it yet, or this organization keeps no books.
            AnchorError: an entry cannot be proved; says which.
        """
        check_demand_id(demand_id)
        self.require_supervisor(caller)
        demand = await self._find(demand_id)
        if demand.organization != self._msp_id or demand.demanding_organization != caller:
            raise RefusedError(f"demand {demand_id} is not one of {caller} to {self._msp_id}")
        key = await self._allowed_key(demand)
        bundles = await self._bundles(demand.seqs)
        details = await asyncio.to_thread(self._details, demand)
        package = pb.DisclosurePackage(demand_id=demand_id, organization=self._msp_id, bundles=bundles, details=details)
        sealed, digest = await asyncio.to_thread(seal_package, package, self._member.identity, key)
        await asyncio.to_thread(self._demands.keep_given, demand_id, digest, self._now())
        return sealed

    def require_supervisor(self, caller: str) -> None:
        """Let only those pass whom the settings name.

        Raises:
            RefusedError: they do not name him.
        """
        if caller not in self._settings.supervisors:
            raise RefusedError(
                f"{caller} is not among the supervisors that {self._msp_id} answers: its node.yaml names them, "
                f"such as `supervisors: [{caller}]`"
            )

    async def allow(self, demand_id: str, user: str) -> None:
        """Let a demand be answered from now on.

        Raises:
            BadRequestError, UnknownEntryError, RefusedError: it cannot be allowed.
        """
        await self._own_demand(demand_id)
        await asyncio.to_thread(self._demands.allow, demand_id, user, self._now())

    async def refuse(self, demand_id: str, reason: str) -> str:
        """Refuse a demand on the shared ledger, for all to see; return the transaction's id.

        Raises:
            BadRequestError, UnknownEntryError, RefusedError: it cannot be refused.
            GatewayError: the contract refused.
        """
        if reason not in REASONS:
            raise BadRequestError(f"reason: {reason[:40]!r} is none of {', '.join(REASONS)}")
        demand = await self._own_demand(demand_id)
        if demand.state == ANSWERED:
            raise RefusedError(f"demand {demand_id} was answered before: it cannot be refused any more")
        committed = await self._gateway.submit(AUDIT, "RefuseDemand", demand_id, reason)
        return str(committed.tx_id)

    async def _own_demand(self, demand_id: str) -> Demand:
        demand = await asyncio.to_thread(self._demands.find, check_demand_id(demand_id))
        if demand is None:
            raise UnknownEntryError(f"demand {demand_id} does not stand on the shared ledger")
        if demand.organization != self._msp_id:
            raise RefusedError(f"demand {demand_id} asks {demand.organization}, not {self._msp_id}")
        if demand.state == REFUSED:
            raise RefusedError(f"demand {demand_id} was refused before: {demand.reason}")
        return demand

    async def _allowed_key(self, demand: Demand) -> bytes:
        if demand.reason:
            raise RefusedError(
                f"{self._msp_id} refused demand {demand.demand_id} on the shared ledger: {demand.reason}"
            )
        if not self._settings.at_once and demand.state not in (ALLOWED, ANSWERED):
            raise NotYetError(f"demand {demand.demand_id} waits until somebody at {self._msp_id} allows or refuses it")
        key = demand.sealed_to or await asyncio.to_thread(self._demands.key_of, demand.demanding_organization)
        if not key:
            raise RefusedError(f"{demand.demanding_organization} has registered no key that an answer is sealed to")
        return key

    async def _bundles(self, seqs: Sequence[int]) -> list[bytes]:
        if self._proofs is None:
            raise NotYetError(f"{self._msp_id} keeps no books on this node")
        deadline = asyncio.get_running_loop().time() + ATTEST_WAIT_S
        bundles: list[bytes] = []
        for seq in seqs:
            left = max(0.0, deadline - asyncio.get_running_loop().time())
            bundles.append(await self._proofs.build(seq, left))
            if sum(map(len, bundles)) > BUNDLES_BYTES_MAX:
                raise BadRequestError("seqs: their bundles are too large for one answer, demand fewer entries at once")
        return bundles

    def _details(self, demand: Demand) -> list[pb.DisclosedDetails]:
        if not {DESCRIPTION, CUSTOMER} & set(demand.scope):
            return []
        return [self._details_of(demand, seq) for seq in demand.seqs]

    def _details_of(self, demand: Demand, seq: int) -> pb.DisclosedDetails:
        assert self._books is not None, "bundles were made before"
        entry = decode_entry(self._books.disclose(seq).canonical)
        details = pb.DisclosedDetails(organization=self._msp_id, seq=seq, demand_id=demand.demand_id)
        if DESCRIPTION in demand.scope and entry.description_commitment:
            told = self._books.description(seq)
            if told is None:
                details.unavailable.append(DESCRIPTION)
            else:
                details.description_salt, details.description = told
        if CUSTOMER in demand.scope:
            accounts = sorted({posting.account for posting in entry.postings})
            customers = self._customers.customers_of(demand.demand_id, accounts)
            if customers is None:
                details.unavailable.append(CUSTOMER)
            else:
                details.customers.extend(customers)
        return details

    async def _find(self, demand_id: str) -> Demand:
        """Return a demand once the own peer committed it; the asker's peer may be ahead."""
        deadline = asyncio.get_running_loop().time() + DEMAND_WAIT_S
        while True:
            found = await asyncio.to_thread(self._demands.find, demand_id)
            if found is not None:
                return found
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise UnknownEntryError(f"demand {demand_id} does not stand on the shared ledger")
            await self._indexer.wait(min(left, 0.25))
