"""Payments between banks become obligations that both booked alike; a bank that anchors another booking is found.

Method: real processes, customers over HTTP, operators by the command line; the dishonest operator uses his bank's own
certificate and calls the contract himself.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from network.client import GatewayClient
from network.identity import SigningIdentity
from network.obligation import ObligationDetails, obligation_id_of
from network.rpc import RpcError, StatusCode
from network.topology import Organization
from node.own_node import AUDIT, OBLIGATIONS, audit_pb2, obligations_pb2
from node.partner.obligation_chain import SettlementChain, time_text
from tests.support.consortium import RunningConsortium, eventually
from tests.support.customer import Customer

SignUp = Callable[[Organization, str], Awaitable[Customer]]


async def obligations(consortium: RunningConsortium, bank: Organization) -> list[obligations_pb2.Obligation]:
    request = obligations_pb2.ListObligationsRequest(page_size=500)
    async with consortium.node(bank) as node:
        reply = await node.call(OBLIGATIONS, "ListObligations", request, obligations_pb2.ListObligationsResponse)
    return list(reply.obligations)


async def test_payments_both_ways_are_agreed_and_booked_alike_on_the_shared_ledger(
    consortium: RunningConsortium, sign_up: SignUp
) -> None:
    ada, eve = await sign_up(consortium.bank, "ada"), await sign_up(consortium.partner, "eve")
    await consortium.deposit(consortium.bank, ada.account, 90_000)
    await ada.pay(eve, 40_123, "invoice 1")
    await eve.pay(ada, 15_321, "refund")

    async def agreed() -> bool:
        found = [each for bank in (consortium.bank, consortium.partner) for each in await obligations(consortium, bank)]
        return len(found) >= 4 and all((each.state, each.books) == ("agreed", "agreed") for each in found)

    await eventually(agreed, "all payments are agreed and booked alike")
    own = {(each.obligation_id, each.amount_minor) for each in await obligations(consortium, consortium.bank)}
    assert own == {
        (each.obligation_id, each.amount_minor) for each in await obligations(consortium, consortium.partner)
    }
    assert {"40123", "15321"} <= {amount for _, amount in own}

    done = consortium.command("partner", "reconcile")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 breaks" in done.stdout
    for member in consortium.consortium.organizations:
        text = b"".join(await consortium.blocks(member))
        assert b"40123" not in text
        assert next(iter(own))[0].encode() in text, "the search finds what is there"


async def test_bank_that_anchors_another_booking_is_found_by_its_partner_and_the_regulator(
    consortium: RunningConsortium,
) -> None:
    bank, partner, regulator = consortium.bank, consortium.partner, consortium.regulator
    reference = secrets.token_hex(16)
    told = ObligationDetails(
        partner.msp_id, bank.msp_id, "EUR", 700_000, datetime.now(UTC).date(), reference, secrets.token_bytes(32)
    )
    other = ObligationDetails(partner.msp_id, bank.msp_id, "EUR", 7_000, told.value_date, told.reference, told.salt)
    obligation_id = obligation_id_of(partner.msp_id, reference)
    async with consortium.node(partner) as node:
        identity = SigningIdentity.from_msp_folder(consortium.home.user(partner, "Admin") / "msp", partner.msp_id)
        chain = SettlementChain(GatewayClient(node.channel, identity, consortium.consortium.channel), partner.msp_id)
        deadline = datetime.now(UTC) + timedelta(hours=1)
        await chain.propose(bank.msp_id, regulator.msp_id, deadline, [(obligation_id, told, other.commitment.hex())])

    for watcher in (bank, regulator):

        async def opened(watcher: Organization = watcher) -> bool:
            request = audit_pb2.ListFindingsRequest(organization=partner.msp_id)
            async with consortium.node(watcher) as node:
                reply = await node.call(AUDIT, "ListFindings", request, audit_pb2.ListFindingsResponse)
            return any(
                (each.kind, each.subject, each.opened_by)
                == ("interbank_difference", f"obligation/{obligation_id}", watcher.msp_id)
                for each in reply.findings
            )

        await eventually(opened, f"{watcher.msp_id} opened a finding")

    shown = consortium.command("partner", "reconcile", "--json")
    assert shown.returncode == 1
    breaks = [json.loads(line) for line in shown.stdout.splitlines()]
    [found] = [each for each in breaks if each["obligation"]["obligation_id"] == obligation_id]
    assert found["kind"] == "unknown_here"
    assert [(said["by"], said["fits"]) for said in found["bookings"]] == [(partner.msp_id, False)]
    cancelled = consortium.command("partner", "obligation", obligation_id, "--step", "cancel")
    assert "cancelled" in cancelled.stdout, cancelled.stdout + cancelled.stderr
    assert "700000 EUR" in consortium.command("partner", "obligation", obligation_id).stdout
    assert time_text(deadline).startswith("20")


async def test_terms_are_set_from_the_command_line_and_read_by_both_banks(consortium: RunningConsortium) -> None:
    partner = consortium.partner.msp_id
    assert consortium.command("partner", "term", partner, "limit", "CZK", "5000000").returncode == 0
    assert consortium.command("partner", "term", partner, "cut_off", "CZK", "16:30").returncode == 0
    for org, other in (("dwaybank", partner), ("partner", consortium.bank.msp_id)):
        shown = consortium.command("partner", "terms", other, "--org", org)
        lines = [line.split() for line in shown.stdout.splitlines()]
        assert ["limit", "DwaybankMSP", "CZK", "5000000"] in lines, shown
        assert ["cut_off", "DwaybankMSP", "CZK", "16:30"] in lines
    refused = consortium.command("partner", "term", partner, "limit", "CZK", "much")
    assert refused.returncode == 1
    assert "whole number" in refused.stderr


async def test_only_the_own_organization_asks_about_obligations(consortium: RunningConsortium) -> None:
    channel = consortium.foreign_channel(consortium.bank, consortium.partner)
    for method in ("ListObligations", "GetObligation", "MoveObligation", "Reconcile", "GetTerms", "SetTerm"):
        try:
            await channel.unary(f"/{OBLIGATIONS}/{method}", b"", 5)
        except RpcError as error:
            assert error.code == StatusCode.PERMISSION_DENIED, method
        else:
            raise AssertionError(f"{method} answered another bank")
    await channel.close()
