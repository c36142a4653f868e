"""``dwaybank.audit.v1.AuditService``, the part about what members' nodes vouch for: receipts and control totals."""

from __future__ import annotations

import asyncio

from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.audit.control_totals import OpenedTotals, OwnTotals, TotalsStore
from node.audit.receipts import KeptReceipt, Receipts, ReceiptStore
from node.audit.serving import Serving, number, text, timestamp


class ReceiptService:
    """Serves receipts and control totals.

    Args:
        receipts: makes and asks for them.
        kept: receipts that are kept.
        own_totals: opens this organization's.
        totals: those that others opened.
        members: tells who calls.
    """

    def __init__(
        self, receipts: Receipts, kept: ReceiptStore, own_totals: OwnTotals, totals: TotalsStore, members: Members
    ) -> None:
        self._receipts = receipts
        self._kept = kept
        self._own_totals = own_totals
        self._totals = totals
        self._members = members

    def register(self, server: Server) -> None:
        """Offer all methods of this part."""
        serving = Serving(server, self._members)
        serving.own("GetReceipt", pb.GetReceiptRequest, self._get_receipt)
        serving.own("ListReceipts", pb.ListReceiptsRequest, self._list_receipts)
        serving.own("ListControlTotals", pb.ListControlTotalsRequest, self._list_control_totals)
        serving.members("ReadReceipt", pb.ReadReceiptRequest, self._read_receipt)
        serving.members("OpenControlTotals", pb.OpenControlTotalsRequest, self._open_control_totals)

    async def _get_receipt(self, request: pb.GetReceiptRequest) -> pb.GetReceiptResponse:
        found = await self._receipts.collect(number("block_number", request.block_number, 0))
        return pb.GetReceiptResponse(
            document=found.document,
            block_number=found.block_number,
            organizations=found.organizations,
            missing=found.missing,
        )

    async def _list_receipts(self, request: pb.ListReceiptsRequest) -> pb.ListReceiptsResponse:
        token = text("page_token", request.page_token)
        found, next_token = await asyncio.to_thread(self._kept.page, request.page_size, token)
        return pb.ListReceiptsResponse(receipts=[_receipt(each) for each in found], next_page_token=next_token)

    async def _list_control_totals(self, request: pb.ListControlTotalsRequest) -> pb.ListControlTotalsResponse:
        organization, token = text("organization", request.organization), text("page_token", request.page_token)
        found, next_token = await asyncio.to_thread(self._totals.page, organization, request.page_size, token)
        return pb.ListControlTotalsResponse(totals=[_totals(each) for each in found], next_page_token=next_token)

    async def _read_receipt(self, caller: str, request: pb.ReadReceiptRequest) -> pb.ReadReceiptResponse:
        del caller
        own = await self._receipts.own(number("block_number", request.block_number, 1))
        return pb.ReadReceiptResponse(receipt=own.text().encode())

    async def _open_control_totals(
        self, caller: str, request: pb.OpenControlTotalsRequest
    ) -> pb.OpenControlTotalsResponse:
        opening = await asyncio.to_thread(self._own_totals.open, caller, number("size", request.size, 1))
        return pb.OpenControlTotalsResponse(totals=opening.totals, salt=opening.salt)


def _receipt(kept: KeptReceipt) -> pb.KeptReceipt:
    return pb.KeptReceipt(
        block_number=kept.block_number,
        organization=kept.organization,
        received_at=timestamp(kept.received_at),
        agrees=kept.agrees,
        receipt=kept.receipt,
    )


def _totals(opened: OpenedTotals) -> pb.OpenedTotals:
    return pb.OpenedTotals(
        organization=opened.organization,
        size=opened.size,
        opened_at=timestamp(opened.opened_at),
        totals=[
            pb.ControlTotal(asset=asset, debits_minor=str(sums.debits), credits_minor=str(sums.credits))
            for asset, sums in sorted(opened.totals.items())
        ],
        block_number=opened.block_number,
        transaction_id=opened.transaction_id,
    )
