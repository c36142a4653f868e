"""The interbank part of a node: wires store, driver, receiver, services and worker together."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from network.identity import SigningIdentity
from network.msp import MspManager
from network.rpc import Channel, Server
from node.access import Members
from node.partner.books import Books
from node.partner.driver import SettlementDriver
from node.partner.limits import MemberLimits
from node.partner.link import PARTNER_SERVICE, RpcPartnerLink
from node.partner.messages import MessageVerifier
from node.partner.partner_questions import PartnerQuestions
from node.partner.partner_service import PartnerService
from node.partner.quote_desk import QuoteDesk
from node.partner.quotes import QuoteTerms
from node.partner.receiver import CREDITED_ACCOUNT_PREFIXES, CreditCheck, SettlementReceiver
from node.partner.settlement_service import HOLD_LIFETIME, SETTLEMENT_SERVICE, SettlementService
from node.partner.store import SettlementStore
from node.partner.updates import UpdateStreams
from node.partner.usage import LimitedUse
from node.partner.worker import SettlementWorker

SERVICE_NAMES = (PARTNER_SERVICE, SETTLEMENT_SERVICE)
"""For reflection."""


class PartnerArea:
    """Settlement with partner banks, as one part of a node.

    Args:
        database_url: the organization's database; schema ``partner`` must stand (``node.partner.database.migrate``).
        books: the organization's books.
        identity: signs our messages to partners.
        partners: connections to the partner banks' nodes by MSP id; this part closes them.
        members: who issued which client certificate.
        msps: the channel's MSPs as its newest configuration has them.
        now: clock.
        limits: what each partner may do here, by MSP id; one not named has the defaults.
        terms: on what terms it is quoted to.
        beyond_line: says why a partner may not owe more; None where nothing bounds it.
        hold_lifetime: how long money stays held for a partner that does not answer.
        account_prefixes: beginnings of the references of accounts that other banks may credit.
    """

    def __init__(
        self,
        database_url: str,
        *,
        books: Books,
        identity: SigningIdentity,
        partners: Mapping[str, Channel],
        members: Members,
        msps: Callable[[], MspManager],
        now: Callable[[], datetime],
        limits: Mapping[str, MemberLimits] | None = None,
        terms: Mapping[str, QuoteTerms] | None = None,
        beyond_line: CreditCheck | None = None,
        hold_lifetime: timedelta = HOLD_LIFETIME,
        account_prefixes: tuple[str, ...] = CREDITED_ACCOUNT_PREFIXES,
    ) -> None:
        self._store = SettlementStore(database_url)
        self._channels = dict(partners)
        verifier = MessageVerifier(identity.msp_id, partners=frozenset(partners), members=members, msps=msps, now=now)
        links = {
            msp_id: RpcPartnerLink(channel, msp_id, identity, verifier=verifier, now=now)
            for msp_id, channel in partners.items()
        }
        use = LimitedUse(self._store, limits or {}, now=now)
        driver = SettlementDriver(self._store, books, links, now=now)
        receiver = SettlementReceiver(
            self._store,
            books,
            now=now,
            random_bytes=secrets.token_bytes,
            use=use,
            terms=terms,
            beyond_line=beyond_line,
            account_prefixes=account_prefixes,
        )
        desk = QuoteDesk(self._store, books, terms or {}, now=now)
        updates = UpdateStreams(self._store, monotonic=time.monotonic)
        self._partner_service = PartnerService(verifier, receiver, identity, use, desk, updates, now=now)
        self._settlement_service = SettlementService(
            self._store, books, driver, links, members, now=now, hold_lifetime=hold_lifetime
        )
        self._questions = PartnerQuestions(links, use, members, self._store, now=now)
        self._worker = SettlementWorker(self._store, driver, receiver, now=now)

    def register(self, server: Server) -> None:
        """Serve both services on the node's port."""
        self._partner_service.register(server)
        self._settlement_service.register(server)
        self._questions.register(server)

    async def start(self) -> None:
        """Connect to the database and take up what is unfinished."""
        await self._store.open()
        await self._worker.start()

    async def stop(self) -> None:
        """Stop working and close every connection; nothing is lost."""
        await self._worker.stop()
        await self._settlement_service.stop()
        for channel in self._channels.values():
            await channel.close()
        await self._store.close()
