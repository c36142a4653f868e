"""Interbank exposure: what banks owe one another, as far as this organization may see it.

Two sources, told apart: obligations of contract ``settlement`` whose private details this organization's own peer
holds, each checked against its public commitment; and entries disclosed to this organization that moved accounts
between banks.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from network.errors import GatewayError, ProofError
from network.obligation import ObligationDetails
from node.reports.report import Part, Period, Proof, Table, figure, text
from node.reports.source import InterbankSum, ReportSource

OWED = ("agreed", "netting")
"""States in which something is owed."""

OBLIGATIONS_MAX = 20_000
"""Standing obligations that one report opens and proves, each with its details; those that have ended do not count."""
AT_ONCE = 16


class Obligations(Protocol):
    """Contract ``settlement`` as the own peer answers; ``node.partner.obligation_chain.SettlementChain`` is one."""

    async def read(self, function: str, *args: str) -> Any:
        """Return what a function returns, parsed."""
        ...

    async def details(self, obligation_id: str) -> ObligationDetails:
        """Return an obligation's details."""
        ...


@dataclass(frozen=True, slots=True)
class Owed:
    """An obligation that stands, with its proved details."""

    record: Mapping[str, Any]
    details: ObligationDetails


@dataclass(frozen=True, slots=True)
class ObligationView:
    """What this organization sees of obligations.

    Args:
        owed: standing ones whose details open their commitments.
        hidden: standing ones whose details are not to be had here.
        wrong: ids of those whose details open another commitment.
        reason: why nothing can be said; empty where it can.
    """

    owed: tuple[Owed, ...] = ()
    hidden: int = 0
    wrong: tuple[str, ...] = ()
    reason: str = ""


async def read_obligations(chain: Obligations) -> ObligationView:
    """Return the obligations that stand now."""
    standing: list[Mapping[str, Any]] = []
    after = ""
    try:
        while page := await chain.read("ListObligations", after):
            standing += [record for record in page if record["state"] in OWED]
            after = page[-1]["obligation_id"]
            if len(standing) > OBLIGATIONS_MAX:
                return ObligationView(reason=f"more than {OBLIGATIONS_MAX} of them stand")
    except GatewayError as error:
        return ObligationView(reason=f"the contract does not answer: {str(error)[:200]}")
    limit = asyncio.Semaphore(AT_ONCE)

    async def opened(record: Mapping[str, Any]) -> ObligationDetails | None:
        async with limit:
            try:
                return await chain.details(record["obligation_id"])
            except (GatewayError, ProofError):
                return None

    found = list(zip(standing, await asyncio.gather(*map(opened, standing)), strict=True))
    told = [(record, details) for record, details in found if details is not None]
    fits = [(record, details) for record, details in told if details.commitment.hex() == record["commitment"]]
    wrong = {record["obligation_id"] for record, _ in told} - {record["obligation_id"] for record, _ in fits}
    owed = tuple(Owed(record, details) for record, details in fits)
    return ObligationView(owed, len(found) - len(told), tuple(sorted(wrong)))


def exposure_part(source: ReportSource, period: Period, view: ObligationView) -> Part:
    """Return who owes whom: by obligations as they stand now, and by disclosed entries up to the end of a time."""
    disclosed = source.interbank(period.ends_at)
    shown = tuple((each.organization, int(seq)) for each in disclosed for seq in each.seqs)
    return Part((_of_obligations(view), _of_entries(disclosed)), shown)


def _of_obligations(view: ObligationView) -> Table:
    sums: dict[tuple[str, str, str], list[Owed]] = defaultdict(list)
    for each in view.owed:
        sums[each.details.debtor, each.details.creditor, each.details.asset].append(each)
    rows = []
    for (debtor, creditor, asset), owed in sorted(sums.items()):
        gross = sum(each.details.amount for each in owed)
        back = sum(each.details.amount for each in sums.get((creditor, debtor, asset), []))
        proofs = [_proof(each.record) for each in owed]
        figures = (figure(each, *proofs) for each in (len(owed), gross, max(0, gross - back)))
        rows.append((text(debtor), text(creditor), text(asset), *figures))
    rests_on = (
        "Obligations of contract settlement that are agreed or in a netting cycle, as they stand now; each one's "
        "private details, held by this organization's own peer, open its public commitment. Minor units."
    )
    if view.reason:
        rests_on = f"No obligations could be read: {view.reason}."
    elif view.hidden or view.wrong:
        rests_on += f" Not in it: {view.hidden} whose details are not to be had here"
        rests_on += f", {len(view.wrong)} whose details open another commitment: {', '.join(view.wrong[:5])}."
    columns = ("Owes", "Is owed", "Asset", "Obligations", "Gross", "Net")
    return Table("Interbank exposure: obligations", rests_on, columns, tuple(rows))


def _of_entries(disclosed: Sequence[InterbankSum]) -> Table:
    rows = []
    for each in disclosed:
        kind, _, rest = each.account.partition("-")
        partner = rest.removesuffix(f"-{each.asset}")
        owed = each.credits - each.debits if kind == "vostro" else each.debits - each.credits
        debtor, creditor = (each.organization, partner) if kind == "vostro" else (partner, each.organization)
        proofs = [
            Proof(f"entry {seq} of {each.organization}", bundle=f"{each.organization}/{seq}") for seq in each.seqs
        ]
        rows.append((text(debtor), text(creditor), text(each.asset), text(each.organization), figure(owed, *proofs)))
    rests_on = (
        "Movements on accounts between banks (vostro, nostro) in entries disclosed to this organization: each as the "
        "bank named in column Books has it, in minor units. Entries that were not demanded are not in it."
    )
    columns = ("Owes", "Is owed", "Asset", "Books", "Moved")
    return Table("Interbank exposure: disclosed entries", rests_on, columns, tuple(rows))


def _proof(record: Mapping[str, Any]) -> Proof:
    step = record["steps"][-1]
    return Proof(
        f"obligation {record['obligation_id']}, {record['state']}",
        transaction_id=step["transaction_id"],
        record=f"obligation~{record['obligation_id']}",
    )
