"""Talks to an organization's own node as the command line and the demo do: gRPC with a user's TLS certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeVar

from google.protobuf.message import Message

from network.pb.dwaybank.audit.v1 import audit_pb2, proofs_pb2, report_pb2
from network.pb.dwaybank.ledger.v1 import events_pb2, ledger_pb2, periods_pb2, tenants_pb2
from network.pb.dwaybank.partner.v1 import obligations_pb2, partner_pb2
from network.rpc import Channel
from network.rpc.tls_files import read_client_tls
from network.topology import Consortium, Organization
from node.home import Home, tls_roots

LEDGER = "dwaybank.ledger.v1.LedgerService"
PERIODS = "dwaybank.ledger.v1.PeriodService"
EVENTS = "dwaybank.ledger.v1.EventService"
TENANTS = "dwaybank.ledger.v1.TenantService"
AUDIT = "dwaybank.audit.v1.AuditService"
PROOFS = "dwaybank.audit.v1.ProofService"
REPORTS = "dwaybank.audit.v1.ReportService"
SETTLEMENT = "dwaybank.partner.v1.SettlementService"
OBLIGATIONS = "dwaybank.partner.v1.ObligationService"
NETTING = "dwaybank.partner.v1.NettingService"
DISPUTES = "dwaybank.partner.v1.DisputeService"

Reply = TypeVar("Reply", bound=Message)

__all__ = [
    "AUDIT", "DISPUTES", "EVENTS", "LEDGER", "NETTING", "OBLIGATIONS", "PERIODS", "PROOFS", "REPORTS", "SETTLEMENT",
    "TENANTS", "OwnNode", "audit_pb2", "events_pb2", "ledger_pb2", "obligations_pb2", "partner_pb2", "periods_pb2",
    "proofs_pb2", "report_pb2", "tenants_pb2",
]  # fmt: skip


class OwnNode:
    """A connection to a node; use as ``async with``."""

    def __init__(self, home: Home, consortium: Consortium, organization: Organization, user: str = "Admin") -> None:
        self.organization = organization
        tls = home.user(organization, user) / "tls"
        roots = tls_roots(home, consortium)[organization.msp_id]
        self._channel = Channel(
            f"127.0.0.1:{organization.node_port}",
            read_client_tls(tls / "client.crt", tls / "client.key", roots),
        )

    async def __aenter__(self) -> OwnNode:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    @property
    def channel(self) -> Channel:
        """The connection itself, for Fabric's services."""
        return self._channel

    async def call(
        self, service: str, method: str, request: Message, reply: type[Reply], timeout_s: float = 30.0
    ) -> Reply:
        """Make one unary call.

        Raises:
            RpcError: as the node answered.
        """
        answer = await self._channel.unary(f"/{service}/{method}", request.SerializeToString(), timeout_s)
        return reply.FromString(answer)

    async def pages(self, service: str, method: str, request: Any, reply: type[Reply]) -> AsyncIterator[Reply]:
        """Make one call for each page of a list, to its end; the request's page size holds for each."""
        while True:
            page = await self.call(service, method, request, reply)
            yield page
            request.page_token = page.next_page_token  # type: ignore[attr-defined]
            if not request.page_token:
                return

    async def stream(
        self, service: str, method: str, request: Message, reply: type[Reply], timeout_s: float | None = None
    ) -> AsyncIterator[Reply]:
        """Make one call that streams its answers."""
        path = f"/{service}/{method}"
        async for answer in self._channel.server_stream(path, request.SerializeToString(), timeout_s):
            yield reply.FromString(answer)
