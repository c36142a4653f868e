"""Payments between banks become obligations that both booked alike; a bank that anchors another booking is found.

Method: real processes, customers over HTTP, operators by the command line; the dishonest operator uses his bank's own
certificate and calls the contract himself.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from network.client import GatewayClient
from network.identity import SigningIdentity
from network.obligation import ObligationDetails, obligation_id_of
from network.rpc import RpcError, StatusCode
from network.topology import Organization
from node.own_node import AUDIT, NETTING, OBLIGATIONS, audit_pb2, obligations_pb2
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

    async def mine(bank: Organization) -> dict[str, obligations_pb2.Obligation]:
        """Obligations of this test: other journeys of the same consortium have theirs."""
        found = await obligations(consortium, bank)
        return {each.obligation_id: each for each in found if each.amount_minor in ("40123", "15321")}

    async def agreed() -> bool:
        here, there = await mine(consortium.bank), await mine(consortium.partner)
        states = {(each.state, each.books) for each in (*here.values(), *there.values())}
        return len(here) == len(there) == 2 and states == {("agreed", "agreed")}

    await eventually(agreed, "both payments are agreed and booked alike")
    own = await mine(consortium.bank)
    assert set(own) == set(await mine(consortium.partner))

    done = consortium.command("partner", "reconcile", "--json")
    differing = {json.loads(line)["obligation"]["obligation_id"] for line in done.stdout.splitlines()}
    assert differing.isdisjoint(own), done.stdout + done.stderr
    for member in consortium.consortium.organizations:
        text = b"".join(await consortium.blocks(member))
        assert b"40123" not in text
        assert next(iter(own)).encode() in text, "the search finds what is there"


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


async def test_nodes_that_die_right_after_a_payment_bring_it_onto_the_shared_ledger_when_they_are_back(
    consortium: RunningConsortium, sign_up: SignUp
) -> None:
    ada, eve = await sign_up(consortium.bank, "ada"), await sign_up(consortium.partner, "eve")
    await consortium.deposit(consortium.bank, ada.account, 4_242)
    before = consortium.processes()
    await ada.pay(eve, 4_242, "invoice 5")
    for name in ("dwaybank-node", "partner-node"):
        os.kill(before[name]["pid"], signal.SIGKILL)
    await consortium.until_restarted(before, ("dwaybank-node", "partner-node"))

    async def agreed() -> bool:
        found = [
            each
            for bank in (consortium.bank, consortium.partner)
            for each in await obligations(consortium, bank)
            if each.amount_minor == "4242"
        ]
        return [(each.state, each.books) for each in found] == [("agreed", "agreed")] * 2

    await eventually(agreed, "the payment is one obligation, booked alike", 60)


async def test_netting_cycle_ends_what_both_owe_and_books_only_the_net(
    consortium: RunningConsortium, sign_up: SignUp
) -> None:
    ada, eve = await sign_up(consortium.bank, "ada"), await sign_up(consortium.partner, "eve")
    await consortium.deposit(consortium.bank, ada.account, 90_000)
    await ada.pay(eve, 50_000, "invoice 2")
    await eve.pay(ada, 20_000, "invoice 3")
    banks = (consortium.bank, consortium.partner)

    async def agreed() -> bool:
        found = [each for bank in banks for each in await obligations(consortium, bank)]
        mine = [each for each in found if each.amount_minor in ("50000", "20000")]
        return len(mine) == 4 and all(each.books == "agreed" for each in mine)

    await eventually(agreed, "all payments are agreed and booked alike")
    opened = consortium.command("partner", "net-open", consortium.partner.msp_id, "--cut-off", "4", "--settle", "120")
    cycle_id = opened.stdout.split()[0]

    async def cycle(bank: Organization) -> obligations_pb2.GetCycleResponse:
        request = obligations_pb2.GetCycleRequest(cycle_id=cycle_id)
        async with consortium.node(bank) as node:
            return await node.call(NETTING, "GetCycle", request, obligations_pb2.GetCycleResponse)

    async def settled() -> bool:
        return all([(await cycle(bank)).cycle.note.endswith("netted") for bank in banks])

    await eventually(settled, "the cycle is settled and booked by both", 60)
    here, there = [await cycle(bank) for bank in banks]
    assert (here.cycle.state, here.sums_hold, there.sums_hold) == ("settled", True, True)
    assert [(each.asset, int(each.amount_minor)) for each in here.net] == [
        (each.asset, -int(each.amount_minor)) for each in there.net
    ]
    assert here.cycle.count >= 2
    # What is owed outside the books now is the net, and the same at both banks.
    paid = [int((await consortium.account(bank, "interbank-settlement-EUR")).balance_minor) for bank in banks]
    assert paid[0] == -paid[1] == -int(here.net[0].amount_minor)
    for bank in banks:
        assert all(row.agree for row in await consortium.compare_positions(bank))
    shown = consortium.command("partner", "net-cycle", cycle_id)
    assert shown.returncode == 0, shown.stderr
    assert f"net EUR    {here.net[0].amount_minor}" in shown.stdout
    assert cycle_id in consortium.command("partner", "net-cycles", "--org", "partner").stdout

    async def ended() -> bool:
        found = await obligations(consortium, consortium.bank)
        return {each.state for each in found if each.amount_minor in ("50000", "20000")} == {"settled"}

    await eventually(ended, "the obligations are settled")


async def test_dispute_is_read_by_the_three_whom_it_concerns_and_decided_by_the_regulator(
    consortium: RunningConsortium, sign_up: SignUp
) -> None:
    ada, eve = await sign_up(consortium.bank, "ada"), await sign_up(consortium.partner, "eve")
    await consortium.deposit(consortium.bank, ada.account, 1_000)
    await ada.pay(eve, 1_000, "invoice 4")

    async def agreed() -> str:
        found = await obligations(consortium, consortium.bank)
        return found[-1].obligation_id if (found[-1].state, found[-1].books) == ("agreed", "agreed") else ""

    obligation_id = await eventually(agreed, "the payment is agreed")
    words = "Paid twice: see our letter of Monday."
    opened = consortium.command("partner", "open-dispute", obligation_id, "duplicate", "--statement", words)
    assert opened.returncode == 0, opened.stderr
    dispute_id = opened.stdout.split()[0]
    as_partner, as_regulator = ("--org", "partner"), ("--org", "regulator")
    shown = consortium.command("partner", "dispute", dispute_id, *as_partner)
    assert words in shown.stdout, shown.stdout + shown.stderr
    answered = consortium.command("partner", "dispute", dispute_id, "--answer", "It was paid once.", *as_partner)
    assert answered.returncode == 0, answered.stderr
    assert consortium.command("partner", "dispute", dispute_id, "--escalate").returncode == 0

    async def arrived() -> bool:
        return dispute_id in consortium.command("partner", "disputes", "--state", "escalated", *as_regulator).stdout

    await eventually(arrived, "the regulator sees the dispute")
    for said in (words, "It was paid once."):
        assert said in consortium.command("partner", "dispute", dispute_id, *as_regulator).stdout
    early = consortium.command("partner", "dispute", dispute_id, "--resolve", "upheld", *as_partner)
    assert early.returncode == 1
    assert "does not resolve" in early.stderr
    ended = consortium.command("partner", "dispute", dispute_id, "--resolve", "rejected", *as_regulator)
    assert "resolved" in ended.stdout, ended.stderr
    for member in consortium.consortium.organizations:
        assert words.encode() not in b"".join(await consortium.blocks(member))


async def test_payment_versus_payment_is_settled_when_both_banks_say_so_and_not_before(
    consortium: RunningConsortium,
) -> None:
    partner = consortium.partner.msp_id
    proposed = consortium.command("partner", "exchange", partner, "EUR", "1000000", "USD", "1084300")
    assert proposed.returncode == 0, proposed.stderr
    give, take = (line.split()[0] for line in proposed.stdout.splitlines())
    as_partner = ("--org", "partner")

    def state(obligation_id: str) -> str:
        return consortium.command("partner", "obligation", obligation_id).stdout.split()[1]

    async def arrived() -> bool:
        shown = consortium.command("partner", "obligation", take, *as_partner).stdout
        return f"{partner} owes {consortium.bank.msp_id} 1084300 USD" in shown and give in shown

    await eventually(arrived, "the partner reads what is proposed")
    assert give in consortium.command("partner", "reconcile", *as_partner).stdout, "somebody must look at it"
    agreed = consortium.command("partner", "obligation", take, "--step", "agree", *as_partner)
    assert agreed.returncode == 0, agreed.stderr

    async def both(wanted: str) -> bool:
        return state(give) == state(take) == wanted

    await eventually(lambda: both("agreed"), "both are agreed")
    assert consortium.command("partner", "obligation", take, "--step", "settle").returncode == 0
    assert await both("agreed"), "one bank's word settles neither"
    debtor = consortium.command("partner", "obligation", give, "--step", "settle")
    assert debtor.returncode == 1, "nor does the debtor's"
    assert consortium.command("partner", "obligation", give, "--step", "settle", *as_partner).returncode == 0
    await eventually(lambda: both("settled"), "both are settled")
    for org in ("dwaybank", "partner"):
        assert give not in consortium.command("partner", "reconcile", "--org", org).stdout
