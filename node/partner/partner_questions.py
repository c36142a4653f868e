"""Methods of ``SettlementService`` that order nothing: who the partners are, and what is asked of them.

Each answer of a partner is handed on with what he signed, so that whoever asked can keep it and show it.
"""

from __future__ import annotations

from collections.abc import Mapping

from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, Server
from node.access import Members
from node.partner.errors import PartnerUnavailableError, UnknownPartnerError
from node.partner.link import RpcPartnerLink
from node.partner.partner_service import guarded, parsed
from node.partner.settlement_service import SETTLEMENT_SERVICE
from node.partner.usage import LimitedUse


class PartnerQuestions:
    """Serves the organization's own programs.

    Args:
        links: the partner banks by MSP id.
        use: what partners may do here, and have done.
        members: who issued which client certificate.
    """

    def __init__(self, links: Mapping[str, RpcPartnerLink], use: LimitedUse, members: Members) -> None:
        self._links = links
        self._use = use
        self._members = members

    def register(self, server: Server) -> None:
        """Serve on a port."""
        server.unary(f"/{SETTLEMENT_SERVICE}/ListPartners", guarded(self.list_partners))

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
