"""Methods of ``SettlementService`` that order nothing: who the partners are, and what is asked of them.

Each answer of a partner is handed on with what he signed, so that whoever asked can keep it and show it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime

from ledger.errors import InvalidValueError
from ledger.money import parse_amount_minor, parse_balance_minor
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, Server
from node.access import Members
from node.partner.errors import PartnerUnavailableError, UnknownPartnerError
from node.partner.link import RpcPartnerLink
from node.partner.messages import evidence_of, timestamp
from node.partner.partner_service import guarded, guarded_stream, parsed
from node.partner.settlement_service import SETTLEMENT_SERVICE, check_uuid
from node.partner.store import SettlementStore
from node.partner.usage import LimitedUse


class PartnerQuestions:
    """Serves the organization's own programs.

    Args:
        links: the partner banks by MSP id.
        use: what partners may do here, and have done.
        members: who issued which client certificate.
        store: keeps received quotes.
        now: clock.
    """

    def __init__(
        self,
        links: Mapping[str, RpcPartnerLink],
        use: LimitedUse,
        members: Members,
        store: SettlementStore,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._now = now
        self._links = links
        self._use = use
        self._members = members

    def register(self, server: Server) -> None:
        """Serve on a port."""
        for method, handler in (
            ("ListPartners", self.list_partners),
            ("RequestQuote", self.request_quote),
            ("FetchStatement", self.fetch_statement),
            ("AskStatus", self.ask_status),
            ("ListEvidence", self.list_evidence),
        ):
            server.unary(f"/{SETTLEMENT_SERVICE}/{method}", guarded(handler))
        following = self._members.admitted(guarded_stream(self.follow_partner))
        server.server_stream(f"/{SETTLEMENT_SERVICE}/FollowPartner", following)

    async def list_partners(self, request: bytes, call: Call) -> bytes:
        """Tell of each partner whether he answers, and what he may do here and has done."""
        self._members.require_own(call)
        parsed(partner_pb2.ListPartnersRequest, request)
        reply = partner_pb2.ListPartnersResponse()
        for msp_id, link in sorted(self._links.items()):
            standing = reply.partners.add(msp_id=msp_id)
            try:
                standing.version = await link.version(anew=True)
                standing.reachable = True
            except PartnerUnavailableError as error:
                standing.problem = str(error)
            await self._add_limits(standing)
        return reply.SerializeToString()

    async def request_quote(self, request: bytes, call: Call) -> bytes:
        """Ask a partner for a quote and keep what he signed."""
        self._members.require_own(call)
        asked = parsed(partner_pb2.RequestQuoteRequest, request)
        check_uuid(asked.quote_id, "quote_id")
        parse_amount_minor(asked.amount_minor, "amount_minor")
        payload = partner_pb2.QuoteRequest(
            quote_id=asked.quote_id,
            asset=asked.asset,
            amount_minor=asked.amount_minor,
            credited_asset=asked.credited_asset or asked.asset,
        )
        quote, signed = await self._link(asked.partner_msp_id).ask("GetQuote", payload, partner_pb2.Quote)
        if quote.quote_id != asked.quote_id:
            raise PartnerUnavailableError(f"{asked.partner_msp_id}: the answer is quote {quote.quote_id[:64]!r}")
        await self._store.keep_received_quote(quote.quote_id, evidence_of("quote", signed), self._now())
        return partner_pb2.RequestQuoteResponse(quote=quote, signed=signed).SerializeToString()

    async def fetch_statement(self, request: bytes, call: Call) -> bytes:
        """Fetch a page of the account that a partner keeps for us."""
        self._members.require_own(call)
        asked = parsed(partner_pb2.FetchStatementRequest, request)
        query = partner_pb2.StatementQuery(
            asset=asked.asset, account=asked.account, from_seq=asked.from_seq, page_size=asked.page_size
        )
        if asked.HasField("since"):
            query.since.CopyFrom(asked.since)
        if asked.HasField("until"):
            query.until.CopyFrom(asked.until)
        link = self._link(asked.partner_msp_id)
        page, signed = await link.ask("GetVostroStatement", query, partner_pb2.StatementAnswer)
        if (page.asset, page.account) != (asked.asset, asked.account):
            raise PartnerUnavailableError(f"{asked.partner_msp_id}: the answer is the statement of another account")
        _check_amounts(asked.partner_msp_id, page)
        return partner_pb2.FetchStatementResponse(page=page, signed=signed).SerializeToString()

    async def ask_status(self, request: bytes, call: Call) -> bytes:
        """Ask a partner how a settlement of ours with him stands."""
        self._members.require_own(call)
        asked = parsed(partner_pb2.AskStatusRequest, request)
        query = partner_pb2.Query(settlement_id=asked.settlement_id)
        answer, signed = await self._link(asked.partner_msp_id).ask("QuerySettlement", query, partner_pb2.QueryAnswer)
        return partner_pb2.AskStatusResponse(answer=answer, signed=signed).SerializeToString()

    async def list_evidence(self, request: bytes, call: Call) -> bytes:
        """Return what the other bank signed for a settlement."""
        self._members.require_own(call)
        asked = parsed(partner_pb2.ListEvidenceRequest, request)
        for field in ("sender_msp_id", "settlement_id"):
            if "\x00" in getattr(asked, field):
                raise InvalidValueError(field, getattr(asked, field), "plain text only")
        reply = partner_pb2.ListEvidenceResponse()
        for kept, received_at in await self._store.evidence(asked.sender_msp_id, asked.settlement_id):
            signed = partner_pb2.SignedMessage(payload=kept.payload, creator=kept.creator, signature=kept.signature)
            reply.evidence.add(kind=kept.kind, signed=signed, received_at=timestamp(received_at))
        return reply.SerializeToString()

    async def follow_partner(self, request: bytes, call: Call) -> AsyncGenerator[bytes, None]:
        """Hand on what a partner tells, checked, until he ends the stream."""
        self._members.require_own(call)
        asked = parsed(partner_pb2.FollowPartnerRequest, request)
        async with aclosing(self._link(asked.partner_msp_id).follow(asked.after_sequence)) as updates:
            async for update, signed in updates:
                yield partner_pb2.FollowPartnerResponse(update=update, signed=signed).SerializeToString()

    async def _add_limits(self, standing: partner_pb2.PartnerStanding) -> None:
        limits, usage = self._use.limits(standing.msp_id), await self._use.usage(standing.msp_id)
        for asset in sorted({*limits.single, *limits.daily, *usage.agreed}):
            standing.limits.add(
                asset=asset,
                single_minor=str(limits.single[asset]) if asset in limits.single else "",
                daily_minor=str(limits.daily[asset]) if asset in limits.daily else "",
                used_minor=str(usage.agreed.get(asset, 0)),
            )
        standing.open = usage.open_count
        standing.open_max = limits.open_max
        standing.calls_per_s = limits.calls_per_s
        standing.calls_burst = limits.calls_burst

    def _link(self, msp_id: str) -> RpcPartnerLink:
        if msp_id not in self._links:
            known = ", ".join(sorted(self._links)) or "none"
            raise UnknownPartnerError(f"partner_msp_id {msp_id!r}: not a partner bank of this node (known: {known})")
        return self._links[msp_id]


def _check_amounts(partner: str, page: partner_pb2.StatementAnswer) -> None:
    try:
        parse_balance_minor(page.balance_minor, "balance_minor")
        for line in page.lines:
            parse_balance_minor(line.change_minor, "change_minor")
            parse_balance_minor(line.balance_minor, "balance_minor")
    except InvalidValueError as error:
        raise PartnerUnavailableError(f"{partner}: GetVostroStatement: the answer: {error}") from error
