"""Aim: a node whose settings approve no contract ``settlement`` says what to do about it, and does nothing else wrong.

Method: the real services behind a port of their own, with no contract behind them, on a real database.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from ledger.schema import migrate as migrate_ledger
from network.pb.dwaybank.partner.v1 import obligations_pb2 as pb
from network.rpc import Call, RpcError, StatusCode
from node.access import Members
from node.partner.database import migrate as migrate_partner
from node.partner.obligation_area import ObligationArea
from node.postgres import PostgresCluster
from tests.support.banks import Handlers
from tests.support.members import Member, pem
from tests.support.peer_network import utc_now

OWN, PARTNER = "DwaybankMSP", "PartnerMSP"


class NoBooks:
    """Books that nobody may need here."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the books were asked: {name}")


@pytest.fixture
async def handlers(postgres_cluster: PostgresCluster) -> AsyncIterator[dict[str, Any]]:
    url = postgres_cluster.create_database(f"later_{uuid.uuid4().hex[:8]}")
    with psycopg.connect(url) as connection:
        migrate_ledger(connection)
        migrate_partner(connection)
    tls = Member(OWN)
    area = ObligationArea(
        OWN,
        url,
        gateway=None,
        books=NoBooks(),
        findings=NoBooks(),
        partners=frozenset({PARTNER}),
        others={},
        members=Members(OWN, {OWN: [pem(tls.authority.certificate)]}),
        now=utc_now,
        random_bytes=secrets.token_bytes,
    )
    found: dict[str, Any] = {}
    area.register(Handlers(found))  # type: ignore[arg-type]
    await area.start()
    certificate = pem(tls.identity("client").certificate)
    assert area.beyond_line is None

    async def call(method: str, request: Any) -> bytes:
        answer: bytes = await found[method](request.SerializeToString(), Call(method, None, certificate, "127.0.0.1:1"))
        return answer

    yield {"call": call, **found}
    await area.stop()


async def test_every_method_that_needs_the_contract_says_where_to_add_it(handlers: dict[str, Any]) -> None:
    cycle = pb.OpenCycleRequest(partner_msp_ids=[PARTNER])
    cycle.cut_off.FromDatetime(utc_now())
    cycle.settle_by.FromDatetime(utc_now())
    requests = {
        "GetObligation": pb.GetObligationRequest(obligation_id="00" * 16),
        "MoveObligation": pb.MoveObligationRequest(obligation_id="00" * 16, step="settle"),
        "Reconcile": pb.ReconcileRequest(),
        "GetTerms": pb.GetTermsRequest(partner_msp_id=PARTNER),
        "SetTerm": pb.SetTermRequest(partner_msp_id=PARTNER, kind="limit", asset="EUR", value="1"),
        "OpenCycle": cycle,
        "ListCycles": pb.ListCyclesRequest(),
        "GetCycle": pb.GetCycleRequest(cycle_id="00" * 16),
        "OpenDispute": pb.OpenDisputeRequest(obligation_id="00" * 16, reason="amount", statement="x"),
        "ListDisputes": pb.ListDisputesRequest(),
        "GetDispute": pb.GetDisputeRequest(dispute_id="00" * 16),
    }
    for method, request in requests.items():
        with pytest.raises(RpcError, match=r"docs/settlement\.md") as refused:
            await handlers["call"](method, request)
        assert refused.value.code == StatusCode.FAILED_PRECONDITION, method
        assert "node.yaml" in refused.value.message


async def test_what_this_bank_settled_is_listed_without_the_contract(handlers: dict[str, Any]) -> None:
    reply = await handlers["call"]("ListObligations", pb.ListObligationsRequest())
    assert not pb.ListObligationsResponse.FromString(reply).obligations


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("GetObligation", pb.GetObligationRequest(obligation_id="zz"), "obligation_id"),
        ("MoveObligation", pb.MoveObligationRequest(obligation_id="00" * 16, step="forget"), "step"),
        ("ListObligations", pb.ListObligationsRequest(page_size=501), "page_size"),
        ("ListObligations", pb.ListObligationsRequest(page_token="x"), "page_token"),
        ("ListObligations", pb.ListObligationsRequest(page_token="W10="), "page_token"),
        ("ListObligations", pb.ListObligationsRequest(partner_msp_id="NobodyMSP"), "partner_msp_id"),
        ("SetTerm", pb.SetTermRequest(partner_msp_id=PARTNER, kind="mood"), "kind"),
        ("SetTerm", pb.SetTermRequest(partner_msp_id=PARTNER, kind="limit", asset="eur", value="1"), "asset"),
        ("OpenCycle", pb.OpenCycleRequest(), "partner_msp_ids"),
        ("OpenCycle", pb.OpenCycleRequest(partner_msp_ids=[OWN]), "partner_msp_ids"),
        ("OpenDispute", pb.OpenDisputeRequest(obligation_id="00" * 16, answer_within_s=-1), "answer_within_s"),
        ("OpenDispute", pb.OpenDisputeRequest(obligation_id="00" * 16, statement="x" * 4001), "statement"),
        ("OpenDispute", pb.OpenDisputeRequest(obligation_id="00" * 16, statement="a\x00b"), "statement"),
    ],
)
async def test_fields_that_cannot_be_used_are_refused_by_name(
    handlers: dict[str, Any], method: str, request_: Any, field: str
) -> None:
    with pytest.raises(RpcError) as refused:
        await handlers["call"](method, request_)
    assert refused.value.code == StatusCode.INVALID_ARGUMENT
    assert field in refused.value.message
