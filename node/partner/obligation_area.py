"""The obligations part of a node: wires store, contract, drivers, watch and services together.

A bank drives, watches its partners and serves; a regulator watches everybody and takes part in disputes. A node whose
settings approve no contract ``settlement`` serves a sentence that says what to do, and does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Protocol

from network.rpc import Channel, Server
from node.access import Members
from node.partner.booked import EntryReader
from node.partner.credit_line import CreditLines
from node.partner.cycle_store import CycleStore
from node.partner.dispute_service import DisputeService
from node.partner.dispute_statements import DISPUTE_SERVICE, Statements
from node.partner.netting_driver import NettingBooks, NettingDriver
from node.partner.netting_service import NETTING_SERVICE, NettingService
from node.partner.obligation_breaks import Reconciler
from node.partner.obligation_chain import Gateway, SettlementChain
from node.partner.obligation_driver import ObligationDriver
from node.partner.obligation_events import ObligationEvents
from node.partner.obligation_service import OBLIGATION_SERVICE, ObligationService
from node.partner.obligation_serving import ObligationServing
from node.partner.obligation_store import ObligationStore
from node.partner.obligation_watch import InterbankWatch, Opener
from node.service import Service


class Books(EntryReader, NettingBooks, Protocol):
    """The organization's books."""


class ObligationArea:
    """An organization's obligations, as one part of its node.

    Args:
        own_msp_id: this organization.
        database_url: its database; schema ``partner`` must stand.
        gateway: the own peer's, as the organization's client; None where the contract is not approved.
        books: the organization's books; None for a regulator.
        findings: opens what the watch finds.
        partners: MSP ids of the banks it settles with.
        others: all other members' nodes by MSP id; the first that is no partner is the arbiter of a bank's obligations.
        members: who issued which client certificate.
        now: clock.
        random_bytes: source of salts and ids.
    """

    def __init__(
        self,
        own_msp_id: str,
        database_url: str,
        *,
        gateway: Gateway | None,
        books: Books | None,
        findings: Opener,
        partners: frozenset[str],
        others: Mapping[str, Channel],
        members: Members,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._own_msp_id = own_msp_id
        self._partners = partners
        self._now = now
        self._random_bytes = random_bytes
        self._arbiter = next((msp_id for msp_id in others if msp_id not in partners), "")
        self._store = ObligationStore(database_url)
        self._cycles = CycleStore(self._store)
        chain = SettlementChain(gateway, own_msp_id) if gateway is not None else None
        serving = ObligationServing(chain, members)
        statements = Statements(self._store, others, now=now, random_bytes=random_bytes)
        lines = CreditLines(own_msp_id, chain=chain, store=self._store, now=now) if chain is not None else None
        self.beyond_line = lines.refusal if lines is not None else None
        """Says why a partner may not owe more; None where the contract is not approved."""
        self._parts: list[Service] = []
        self._services: list[ObligationService | NettingService | DisputeService] = [
            DisputeService(own_msp_id, serving=serving, statements=statements, now=now, random_bytes=random_bytes)
        ]
        self.service_names = [DISPUTE_SERVICE]
        """For reflection."""
        if books is not None:
            self._make_bank(books, chain, serving)
        if chain is not None:
            sees_all = books is None
            self._parts.append(InterbankWatch(own_msp_id, chain=chain, findings=findings, sees_all=sees_all))
        self._running = AsyncExitStack()

    def register(self, server: Server) -> None:
        """Serve on the node's port."""
        for service in self._services:
            service.register(server)

    async def start(self) -> None:
        """Connect to the database and take up what is unfinished."""
        await self._store.open()
        self._running.push_async_callback(self._store.close)
        for part in self._parts:
            self._running.push_async_callback(part.stop)
            await part.start()

    async def stop(self) -> None:
        """Stop working and close every connection; nothing is lost."""
        await self._running.aclose()

    def _make_bank(self, books: Books, chain: SettlementChain | None, serving: ObligationServing) -> None:
        driver = netting = reconciler = None
        if chain is not None:
            driver = ObligationDriver(
                self._own_msp_id,
                store=self._store,
                chain=chain,
                books=books,
                arbiter=self._arbiter,
                now=self._now,
                random_bytes=self._random_bytes,
            )
            netting = NettingDriver(
                self._own_msp_id,
                store=self._store,
                cycles=self._cycles,
                chain=chain,
                books=books,
                arbiter=self._arbiter,
                now=self._now,
            )
            reconciler = Reconciler(self._own_msp_id, self._store, chain, books)
            self._parts += [driver, ObligationEvents(chain, driver.moved), netting]
        obligations = ObligationService(
            self._own_msp_id,
            partners=self._partners,
            store=self._store,
            serving=serving,
            driver=driver,
            reconciler=reconciler,
            arbiter=self._arbiter,
            now=self._now,
            random_bytes=self._random_bytes,
        )
        cycles = NettingService(
            self._own_msp_id,
            partners=self._partners,
            serving=serving,
            cycles=self._cycles,
            driver=netting,
            random_bytes=self._random_bytes,
        )
        self._services += [obligations, cycles]
        self.service_names += [OBLIGATION_SERVICE, NETTING_SERVICE]
