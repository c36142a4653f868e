"""Disclosure on demand, the side that asks: whoever looks leaves a record on the shared ledger first.

Nothing that a member gives is shown or kept before all of it was proved: who signed it, each entry against its anchored
log, its free text against the entry's commitment, people against the entry's accounts. A proved entry that cannot be
kept is shown once and told in a finding; the others are kept.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from nacl.public import PrivateKey

from network.audit_record import AUDIT
from network.bundle import VerifiedEntry
from network.bundle_verifier import BundleVerifier
from network.errors import GatewayError, ProofError
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from node.anchor.anchorer import Gateway
from node.audit.demand_store import Demand, DemandStore
from node.audit.details import SCOPES, DetailStore, check_details
from node.audit.disclosed import DisclosedEntries
from node.audit.disclosure import check_demand_id
from node.audit.entry_fields import describe_entry
from node.audit.errors import BadRequestError, RefusedError, UnknownEntryError
from node.audit.finding_text import keepable
from node.audit.findings import Findings, already_opened
from node.audit.sealing import OpenedPackage, OwnMember, open_package

logger = structlog.get_logger(__name__)

SEQS_MAX = 200
"""Entries of one demand: their bundles travel in one message."""

_PURPOSE = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Discloser(Protocol):
    """The other side of a demand."""

    async def disclose(self, demand_id: str) -> bytes:
        """Return what a demand asks for, signed and sealed."""
        ...


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What a demand brought: one verified bundle for each entry, in the order asked, and what came beside them."""

    demand_id: str
    transaction_id: str
    bundles: tuple[bytes, ...]
    details: tuple[pb.DisclosedDetails, ...]


@dataclass(frozen=True, slots=True)
class _Proved:
    entries: Sequence[VerifiedEntry]
    bundles: Mapping[int, bytes]
    details: Sequence[pb.DisclosedDetails]
    digest: bytes


class Demands:
    """Makes demands and takes their answers.

    Args:
        key: what answers are sealed to.
        members: the other members' nodes, by organization.
        genesis_hash: what every bundle must lead back to.
        kept, details: where what was disclosed is kept.
        findings: where an answer that proves nothing is told; None where this organization supervises nobody.
    """

    def __init__(
        self,
        member: OwnMember,
        key: PrivateKey,
        *,
        gateway: Gateway,
        members: Mapping[str, Discloser],
        genesis_hash: bytes,
        demands: DemandStore,
        kept: DisclosedEntries,
        details: DetailStore,
        findings: Findings | None,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._member = member
        self._key = key
        self._gateway = gateway
        self._members = members
        self._genesis_hash = genesis_hash
        self._demands = demands
        self._kept = kept
        self._details = details
        self._findings = findings
        self._now = now
        self._random_bytes = random_bytes

    async def demand(
        self, organization: str, seqs: Sequence[int], purpose: str, user: str, scope: Sequence[str] = ()
    ) -> Disclosed:
        """Write a demand on the shared ledger, fetch what it asks for, check all of it and keep it.

        Args:
            user: who demands, and is shown the entries.
            scope: of ``SCOPES``; ``entry`` is always meant.
        Raises:
            BadRequestError: a field cannot be used; nothing was written.
            GatewayError: the demand could not be written.
            RpcError: the organization does not answer or refuses; fetch again later.
            ProofError: what it gave does not prove what was demanded.
        """
        wanted = _check_demand(seqs, purpose, scope)
        member = self._member_node(organization)
        demand_id = self._random_bytes(16).hex()
        arguments = (demand_id, organization, json.dumps(sorted(seqs)), purpose, json.dumps(wanted))
        committed = await self._gateway.submit(AUDIT, "Demand", *arguments)
        proved = await self._fetched(member, demand_id, organization, sorted(seqs), wanted)
        await self._keep(demand_id, organization, proved, user)
        return _disclosed(demand_id, committed.tx_id, proved, seqs)

    async def fetch(self, demand_id: str, user: str) -> Disclosed:
        """Ask again for what a demand of this organization asks; entries by ascending number.

        Raises:
            UnknownEntryError: there is no such demand here.
            RefusedError: it is another organization's.
            RpcError, ProofError: as for a new demand.
        """
        demand = await self._own_demand(demand_id)
        member = self._member_node(demand.organization)
        proved = await self._fetched(member, demand_id, demand.organization, demand.seqs, demand.scope)
        await self._keep(demand_id, demand.organization, proved, user)
        return _disclosed(demand_id, demand.transaction_id, proved, demand.seqs)

    def details_of(self, organization: str, seq: int, user: str) -> list[pb.DisclosedDetails]:
        """Return what demands brought beside an entry, after writing down who looks. Blocks."""
        found = self._details.of_entry(organization, seq)
        self._kept.note_look(user, {"details": {}}, [(organization, seq)] if found else [], self._now())
        return found

    async def _own_demand(self, demand_id: str) -> Demand:
        demand = await asyncio.to_thread(self._demands.find, check_demand_id(demand_id))
        if demand is None:
            raise UnknownEntryError(f"demand {demand_id} does not stand on the shared ledger")
        if demand.demanding_organization != self._member.identity.msp_id:
            raise RefusedError(f"demand {demand_id} is one of {demand.demanding_organization}")
        return demand

    def _member_node(self, organization: str) -> Discloser:
        member = self._members.get(organization)
        if member is None:
            raise BadRequestError(f"organization: {organization!r} is no other member whose node is known here")
        return member

    async def _fetched(
        self, member: Discloser, demand_id: str, organization: str, seqs: Sequence[int], scope: Sequence[str]
    ) -> _Proved:
        sealed = await member.disclose(demand_id)
        opened: OpenedPackage | None = None
        try:
            opened = await asyncio.to_thread(
                open_package, sealed, self._key, organization, self._member.msps(), self._now()
            )
            return await asyncio.to_thread(self._proved, opened, demand_id, organization, seqs, scope)
        except ProofError as error:
            told = f"what {organization} gave proves nothing: {error.reason}: {error}"
            await self._tell_unsound(demand_id, organization, told, opened.digest if opened is not None else None)
            raise

    def _proved(
        self, opened: OpenedPackage, demand_id: str, organization: str, seqs: Sequence[int], scope: Sequence[str]
    ) -> _Proved:
        package = opened.package
        if (package.demand_id, package.organization) != (demand_id, organization):
            raise ProofError("wrong_package", f"{organization} gave the answer to another demand")
        bundles = dict(zip(seqs, package.bundles, strict=False))
        verifier = BundleVerifier(self._genesis_hash, describe=describe_entry)
        entries = [self._checked(verifier, bundles.get(seq), organization, seq) for seq in seqs]
        details = {each.seq: each for each in package.details}
        if len(details) != len(package.details) or sorted(details) != (list(seqs) if len(scope) > 1 else []):
            raise ProofError("not_disclosed", f"{organization} gave details of other entries than were demanded")
        for entry in entries:
            assert entry.fields is not None, "bundles are verified with a reader of canonical forms"
            if (told := details.get(entry.seq)) is None:
                continue
            if (told.organization, told.demand_id) != (organization, demand_id):
                raise ProofError("wrong_package", f"{organization} gave details of another demand")
            check_details(told, entry.fields, scope)
        return _Proved(entries, bundles, [details[seq] for seq in sorted(details)], opened.digest)

    def _checked(self, verifier: BundleVerifier, bundle: bytes | None, organization: str, seq: int) -> VerifiedEntry:
        if bundle is None:
            raise ProofError("not_disclosed", f"{organization} gave no bundle for entry {seq}")
        entry = verifier.verify_entry(bundle, self._now())
        if (entry.organization, entry.seq) != (organization, seq):
            raise ProofError("wrong_entry", f"{organization} gave another entry's bundle for entry {seq}")
        return entry

    async def _keep(self, demand_id: str, organization: str, proved: _Proved, user: str) -> None:
        unkept = await asyncio.to_thread(self._kept_but, demand_id, proved, user)
        if unkept:
            told = "; ".join(f"entry {seq}: {reason}" for seq, reason in sorted(unkept.items()))
            evidence = f"what {organization} gave cannot be kept: {told}"
            await self._tell_unsound(demand_id, organization, evidence, proved.digest)

    def _kept_but(self, demand_id: str, proved: _Proved, user: str) -> dict[int, str]:
        """Keep an answer and note who sees it; return the entries that cannot be kept, each with its reason."""
        now = self._now()
        entries = [(entry, proved.bundles[entry.seq]) for entry in proved.entries]
        unkept = self._kept.keep(demand_id, entries, now)
        self._details.keep(demand_id, proved.details, now)
        self._demands.keep_fetched(demand_id, proved.digest, now)
        shown = [(entry.organization, entry.seq) for entry in proved.entries]
        self._kept.note_look(user, {"demand": {"demand_id": demand_id}}, shown, now)
        return unkept

    async def _tell_unsound(self, demand_id: str, organization: str, told: str, digest: bytes | None) -> None:
        signed = f"SHA-256 of the package it signed: {digest.hex()}; " if digest is not None else ""
        evidence = keepable(f"{signed}{told}")[:1_000]
        logger.warning("disclosure_unsound", organization=organization, demand_id=demand_id, reason=evidence)
        if self._findings is None:
            return
        try:
            await self._findings.open(organization, "unsound_disclosure", f"demand/{demand_id}", evidence)
        except GatewayError as refused:
            if not already_opened(refused):
                logger.warning("finding_not_opened", organization=organization, reason=str(refused))


def _disclosed(demand_id: str, transaction_id: str, proved: _Proved, seqs: Sequence[int]) -> Disclosed:
    return Disclosed(demand_id, transaction_id, tuple(proved.bundles[seq] for seq in seqs), tuple(proved.details))


def _check_demand(seqs: Sequence[int], purpose: str, scope: Sequence[str]) -> list[str]:
    if not 1 <= len(seqs) <= SEQS_MAX or len(set(seqs)) != len(seqs) or min(seqs) < 1:
        raise BadRequestError(f"seqs: give 1 to {SEQS_MAX} different entry numbers from 1")
    if not _PURPOSE.fullmatch(purpose):
        raise BadRequestError(
            "purpose: give a code of 1 to 40 lower-case letters, digits and '_', such as 'supervisory_review': "
            "it stays on the shared ledger for ever"
        )
    unknown = sorted(set(scope) - set(SCOPES))
    if unknown:
        raise BadRequestError(f"scope: {unknown[0][:40]!r} is none of {', '.join(SCOPES)}")
    return [each for each in SCOPES if each in scope or each == SCOPES[0]]
