"""Two banks whose payments become obligations on a real channel: books, drivers, and a gateway that a test may cut."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from network.client import CommittedTransaction, GatewayClient
from network.client_stages import ChaincodeEvent
from network.topology import default_consortium
from node.collections_file import collections_text, parse_collections
from node.partner.credit_line import CreditLines
from node.partner.cycle_store import CycleStore
from node.partner.netting_driver import NettingDriver
from node.partner.obligation import Recorded
from node.partner.obligation_breaks import Reconciler
from node.partner.obligation_chain import SettlementChain
from node.partner.obligation_driver import ObligationDriver
from node.partner.obligation_store import ObligationStore
from node.peer.definition import approved_definition
from node.postgres import PostgresCluster
from tests.support.banks import Bank
from tests.support.consortium_in_memory import REGULATOR, make_material
from tests.support.peer_network import PeerNetwork, running_network


@asynccontextmanager
async def settling_network(
    cluster: PostgresCluster, folder: Path, name: str, **network_options: Any
) -> AsyncIterator[PeerNetwork]:
    """Run three members whose channel has the contracts ``settlement`` and ``audit``, as a new consortium has them.

    Args:
        network_options: further ones of ``running_network``.
    """
    described = [each for each in default_consortium().chaincodes if each.name in ("settlement", "audit")]
    definitions = tuple(
        replace(
            approved_definition(each.name, each.version, each.sequence, each.endorsement_policy),
            collections=parse_collections(collections_text(each.collections).encode()) if each.collections else b"",
        )
        for each in described
    )
    contracts = {each.name: each.contract for each in described}
    crypto, network = folder / "crypto", folder / "network"
    network.mkdir(parents=True)
    async with running_network(
        make_material(crypto), cluster, network, name, definitions=definitions, contracts=contracts, **network_options
    ) as running:
        yield running


class CutGateway:
    """The own peer's gateway; ``before`` and ``after`` may lose a transaction or its answer."""

    def __init__(self, client: GatewayClient, network: PeerNetwork) -> None:
        self._client = client
        self._network = network
        self.before: Callable[[str], None] = lambda function: None
        self.after: Callable[[str], None] = lambda function: None
        self.submitted: list[str] = []

    async def evaluate(self, chaincode: str, function: str, *args: bytes | str, **more: Any) -> bytes:
        """Evaluate."""
        return await self._client.evaluate(chaincode, function, *args, **more)

    def chaincode_events(self, chaincode: str, **more: Any) -> AsyncGenerator[ChaincodeEvent, None]:
        """Listen."""
        return self._client.chaincode_events(chaincode, **more)

    async def submit(
        self,
        chaincode: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: Sequence[str] = (),
    ) -> CommittedTransaction:
        """Submit, and wait until every peer has it."""
        self.before(function)
        committed = await self._client.submit(
            chaincode, function, *args, transient=transient, endorsing_organizations=endorsing_organizations
        )
        await self._network.wait_for_height(committed.block_number + 1)
        self.submitted.append(function)
        self.after(function)
        return committed


class BankOnChannel:
    """One bank with its obligations; ``restart`` leaves nothing but its database.

    Args:
        bank: books and settlement.
        network: the channel.
    """

    def __init__(self, bank: Bank, network: PeerNetwork) -> None:
        self.bank = bank
        self.msp_id = bank.msp_id
        self._network = network

    async def start(self) -> None:
        """Come up with nothing but the database."""
        self.store = ObligationStore(self.bank.url)
        await self.store.open()
        self.gateway = CutGateway(self._network.client(self.msp_id, now=self.bank.clock), self._network)
        self.chain = SettlementChain(self.gateway, self.msp_id)
        self.driver = ObligationDriver(
            self.msp_id,
            store=self.store,
            chain=self.chain,
            books=self.bank._books,
            arbiter=REGULATOR,
            now=self.bank.clock,
            random_bytes=os.urandom,
        )
        self.cycles = CycleStore(self.store)
        self.netting = NettingDriver(
            self.msp_id,
            store=self.store,
            cycles=self.cycles,
            chain=self.chain,
            books=self.bank.books,
            arbiter=REGULATOR,
            now=self.bank.clock,
        )
        lines = CreditLines(self.msp_id, chain=self.chain, store=self.store, now=self.bank.clock)
        self.bank.credit = lines.refusal
        self.reconciler = Reconciler(self.msp_id, self.store, self.chain, self.bank._books)

    async def stop(self) -> None:
        """Go down."""
        await self.store.close()

    async def work(self, rounds: int = 1) -> None:
        """Do what is unfinished, waiting for no pause."""
        for _ in range(rounds):
            await self.store.wake(self.bank.clock())
            await self.driver.work_once()

    async def rows(self) -> list[Recorded]:
        """Return all obligations of this bank."""
        return await self.store.listed(count_max=500)
