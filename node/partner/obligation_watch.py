"""Opens a finding about each bank whose booking is not what it agreed to, as the shared ledger says.

A bank watches its own partners, a regulator everybody. The finding is ``interbank_difference`` about
``obligation/ID``; the same is opened once, also over a restart, because its id follows from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import structlog

from network.errors import GatewayError
from node.background import BackgroundWork, Waits
from node.errors import NodeError
from node.partner.obligation_chain import SettlementChain

log = structlog.get_logger(__name__)

INTERVAL_S = 2.0
KIND = "interbank_difference"


class Opener(Protocol):
    """Findings on the shared ledger; ``node.audit.findings.Findings`` is one."""

    def was_opened(self, organization: str, kind: str, subject: str) -> bool:
        """Whether this organization opened a finding about a matter before. Blocks."""
        ...

    async def open(self, organization: str, kind: str, subject: str, evidence: str) -> dict[str, Any]:
        """Open a finding."""
        ...


class Difference(NamedTuple):
    """A finding to be opened."""

    organization: str
    subject: str
    evidence: str


class InterbankWatch(BackgroundWork):
    """Watches until stopped.

    Args:
        own_msp_id: this organization.
        chain: the contract.
        findings: opens what is found.
        sees_all: whether it watches obligations of others too.
        interval_s: time between two looks.
    """

    def __init__(
        self,
        own_msp_id: str,
        *,
        chain: SettlementChain,
        findings: Opener,
        sees_all: bool,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._own_msp_id = own_msp_id
        self._chain = chain
        self._findings = findings
        self._sees_all = sees_all
        self._interval_s = interval_s
        self._waits = Waits(log, "interbank_watch_waits", "info")

    async def watch(self) -> list[Difference]:
        """Look at all that diverged, open what is new, and return it.

        Raises:
            GatewayError: the own peer does not answer, or a finding could not be opened.
        """
        opened, after = [], ""
        while page := await self._chain.read("ListDiverged", after):
            after = page[-1]["obligation_id"]
            for found in self._found(page):
                if not await asyncio.to_thread(self._findings.was_opened, found.organization, KIND, found.subject):
                    await self._findings.open(found.organization, KIND, found.subject, found.evidence)
                    log.warning("interbank_difference", organization=found.organization, subject=found.subject)
                    opened.append(found)
        return opened

    def _found(self, page: list[dict[str, Any]]) -> list[Difference]:
        return [
            Difference(bank, f"obligation/{record['obligation_id']}", _evidence(record, bank))
            for record in page
            if self._sees_all or self._own_msp_id in record["banks"]
            for bank in _differing(record)
            if bank != self._own_msp_id
        ]

    async def _run(self) -> None:
        while True:
            try:
                await self.watch()
            except (GatewayError, NodeError) as error:
                self._waits.tell(error)
            except Exception as error:  # the root of the watch's task: it must outlive one bad record
                log.error("interbank_watch_failed", exc_info=error)
            else:
                self._waits.over()
            await asyncio.sleep(self._interval_s)


def _differing(record: Mapping[str, Any]) -> list[str]:
    return [bank for bank, said in sorted(record["bookings"].items()) if said[-1]["booking"] != record["commitment"]]


def _evidence(record: Mapping[str, Any], bank: str) -> str:
    said = record["bookings"][bank][-1]
    agreed = [step["transaction_id"] for step in record["steps"] if step["state"] in ("proposed", "agreed")]
    return (
        f"{bank} anchored booking {said['booking']} in transaction {said['transaction_id']}; both banks stand by "
        f"commitment {record['commitment']} in {', '.join(agreed)}"
    )
