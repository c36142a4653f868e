"""The obligations part of a node: wires store, contract, driver, watch and service together.

A bank drives, watches its partners and serves; a regulator only watches. A node whose settings approve no contract
``settlement`` serves a sentence that says what to do, and does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from network.rpc import Server
from node.access import Members
from node.partner.obligation_breaks import Reconciler
from node.partner.obligation_chain import Gateway, SettlementChain
from node.partner.obligation_driver import EntryReader, ObligationDriver
from node.partner.obligation_service import ObligationService
from node.partner.obligation_store import ObligationStore
from node.partner.obligation_watch import InterbankWatch, Opener


class ObligationArea:
    """A bank's obligations, as one part of its node.

    Args:
        own_msp_id: this bank.
        database_url: the organization's database; schema ``partner`` must stand.
        gateway: the own peer's, as the organization's client; None where the contract is not approved.
        books: the organization's books.
        findings: opens what the watch finds.
        partners: MSP ids of the banks it settles with.
        others: MSP ids of all other members; the first that is no partner is the arbiter.
        members: who issued which client certificate.
        now: clock.
        random_bytes: source of salts.
    """

    def __init__(
        self,
        own_msp_id: str,
        database_url: str,
        *,
        gateway: Gateway | None,
        books: EntryReader,
        findings: Opener,
        partners: frozenset[str],
        others: Sequence[str],
        members: Members,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = ObligationStore(database_url)
        chain = SettlementChain(gateway, own_msp_id) if gateway is not None else None
        self.driver: ObligationDriver | None = None
        self.watch: InterbankWatch | None = None
        reconciler = None
        if chain is not None:
            arbiter = next((msp_id for msp_id in others if msp_id not in partners), "")
            self.driver = ObligationDriver(
                own_msp_id,
                store=self._store,
                chain=chain,
                books=books,
                arbiter=arbiter,
                now=now,
                random_bytes=random_bytes,
            )
            self.watch = InterbankWatch(own_msp_id, chain=chain, findings=findings, sees_all=False)
            reconciler = Reconciler(own_msp_id, self._store, chain, books)
        self._service = ObligationService(
            own_msp_id,
            partners=partners,
            store=self._store,
            chain=chain,
            driver=self.driver,
            reconciler=reconciler,
            members=members,
            random_bytes=random_bytes,
        )

    def register(self, server: Server) -> None:
        """Serve on the node's port."""
        self._service.register(server)

    async def start(self) -> None:
        """Connect to the database and take up what is unfinished."""
        await self._store.open()
        if self.driver is not None and self.watch is not None:
            await self.driver.start()
            await self.watch.start()

    async def stop(self) -> None:
        """Stop working and close every connection; nothing is lost."""
        if self.driver is not None and self.watch is not None:
            await self.watch.stop()
            await self.driver.stop()
        await self._store.close()
