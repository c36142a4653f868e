"""Well-formed requests that mean harm: injections, impossible amounts, used ids, other members' certificates."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from network.errors import RpcError
from network.rpc import StatusCode
from network.topology import Organization
from node.own_node import (
    AUDIT,
    LEDGER,
    PROOFS,
    REPORTS,
    SETTLEMENT,
    audit_pb2,
    ledger_pb2,
    partner_pb2,
    proofs_pb2,
    report_pb2,
)
from tests.support.consortium import CREDIT, RunningConsortium, new_entry, stamp
from tests.support.customer import Customer
from tests.support.hostile import (
    INJECTIONS,
    OUR_FAULT,
    Method,
    assert_logs_are_clean,
    attack,
    nothing_changes,
    own_methods,
)

AMOUNTS = (
    "0", "-1", "+1", "1.5", "1e3", "0x10", "1_000", " 1", "1 ", "", "NaN", "Infinity", "٣", "１", "01", "-0",
    str(2**62), str(2**63), str(2**64), "9" * 40, "1\x00", "null",
)  # fmt: skip
FOR_ALL_MEMBERS = {
    "ReadTile", "ReadCheckpoint", "RecomputeLeaves", "Disclose", "ReadFindingText", "ReadReceipt", "OpenControlTotals",
    "ReadStatement",
}  # fmt: skip
BETWEEN_BANKS = "/dwaybank.partner.v1.PartnerService/"


async def code_of(
    consortium: RunningConsortium, bank: Organization, service: str, method: str, request: Message
) -> int:
    channel = consortium.foreign_channel(bank, bank)
    code, _ = await attack(channel, Method(f"/{service}/{method}", "unary"), request.SerializeToString())
    await channel.close()
    return code


@pytest.fixture
async def accounts(consortium: RunningConsortium) -> tuple[str, str]:
    """A customer's account with 1,000 minor units and the vault they came from."""
    reference = f"victim-{uuid.uuid4().hex[:8]}"
    await consortium.open_account(consortium.bank, reference)
    await consortium.deposit(consortium.bank, reference, 1_000)
    return reference, "cash-vault-EUR"


def baselines(account: str, vault: str) -> dict[str, Message]:
    """One sound request for every method of ours that takes text; each of its texts is replaced in turn."""
    later = stamp(datetime.now(UTC) + timedelta(hours=1))
    entry = new_entry(account, vault, 10, "rent")
    entry.settlement_id = "s-1"
    return {
        f"{LEDGER}/OpenAccount": ledger_pb2.OpenAccountRequest(
            account=account, asset="EUR", normal_side=CREDIT, floor_minor="0"
        ),
        f"{LEDGER}/GetAccount": ledger_pb2.GetAccountRequest(account=account),
        f"{LEDGER}/ListAccounts": ledger_pb2.ListAccountsRequest(prefix=account, page_token=account),
        f"{LEDGER}/GetEntry": ledger_pb2.GetEntryRequest(idempotency_key=str(uuid.uuid4())),
        f"{LEDGER}/GetStatement": ledger_pb2.GetStatementRequest(account=account, page_token="1"),
        f"{LEDGER}/PostEntries": ledger_pb2.PostEntriesRequest(entries=[entry]),
        f"{LEDGER}/PlaceHold": ledger_pb2.PlaceHoldRequest(
            hold_id=str(uuid.uuid4()), account=account, amount_minor="1", expires_at=later
        ),
        f"{LEDGER}/CaptureHold": ledger_pb2.CaptureHoldRequest(hold_id=str(uuid.uuid4()), entry=entry),
        f"{LEDGER}/ReleaseHold": ledger_pb2.ReleaseHoldRequest(hold_id=str(uuid.uuid4())),
        f"{SETTLEMENT}/SendPayment": partner_pb2.SendPaymentRequest(
            payment_id=str(uuid.uuid4()),
            debtor_account=account,
            receiver_msp_id="PartnerMSP",
            beneficiary_account="cust-x",
            asset="EUR",
            amount_minor="1",
            description="x",
        ),
        f"{SETTLEMENT}/AskStatus": partner_pb2.AskStatusRequest(partner_msp_id="PartnerMSP", settlement_id="s-1"),
        f"{SETTLEMENT}/ListEvidence": partner_pb2.ListEvidenceRequest(sender_msp_id="PartnerMSP", settlement_id="s-1"),
        f"{SETTLEMENT}/CancelPayment": partner_pb2.CancelPaymentRequest(payment_id=str(uuid.uuid4())),
        f"{SETTLEMENT}/ReturnPayment": partner_pb2.ReturnPaymentRequest(
            payment_id=str(uuid.uuid4()), partner_msp_id="PartnerMSP", settlement_id="s-1", reason="AC04"
        ),
        f"{SETTLEMENT}/RequestQuote": partner_pb2.RequestQuoteRequest(
            quote_id=str(uuid.uuid4()), partner_msp_id="PartnerMSP", asset="XXX", amount_minor="1", credited_asset="XXX"
        ),
        f"{SETTLEMENT}/FetchStatement": partner_pb2.FetchStatementRequest(
            partner_msp_id="PartnerMSP", asset="EUR", account=partner_pb2.ACCOUNT_KIND_VOSTRO
        ),
        f"{SETTLEMENT}/GetPayment": partner_pb2.GetPaymentRequest(payment_id=str(uuid.uuid4())),
        f"{AUDIT}/SearchAudit": audit_pb2.SearchAuditRequest(
            kind="log", organization="x", transaction_id="x", record_id="x", page_token="x"
        ),
        f"{AUDIT}/DemandDisclosure": audit_pb2.DemandDisclosureRequest(
            organization="PartnerMSP", seqs=[2**40], purpose="spot_check"
        ),
        f"{AUDIT}/FetchDisclosure": audit_pb2.FetchDisclosureRequest(demand_id="0" * 32, for_user="x"),
        f"{AUDIT}/AllowDemand": audit_pb2.AllowDemandRequest(demand_id="0" * 32, for_user="x"),
        f"{AUDIT}/RefuseDemand": audit_pb2.RefuseDemandRequest(demand_id="0" * 32, reason="too_wide"),
        f"{AUDIT}/ListDemands": audit_pb2.ListDemandsRequest(organization="x", state="waiting"),
        f"{AUDIT}/GetDisclosedDetails": audit_pb2.GetDisclosedDetailsRequest(organization="x", seq=1, for_user="x"),
        f"{AUDIT}/ListControlTotals": audit_pb2.ListControlTotalsRequest(organization="x"),
        f"{REPORTS}/MakeReport": report_pb2.MakeReportRequest(
            kind="large", day="2026-03-01", threshold_minor="1", asset="EUR", for_user="x"
        ),
        f"{REPORTS}/ListReports": report_pb2.ListReportsRequest(kind="daily"),
        f"{REPORTS}/GetReport": report_pb2.GetReportRequest(number=2**40, for_user="x"),
        f"{AUDIT}/Disclose": audit_pb2.DiscloseRequest(demand_id="0" * 32),
        f"{AUDIT}/AuditBooks": audit_pb2.AuditBooksRequest(organization="PartnerMSP"),
        f"{AUDIT}/ListReviews": audit_pb2.ListReviewsRequest(organization="x", status="x", page_token="x"),
        f"{AUDIT}/DecideReview": audit_pb2.DecideReviewRequest(record_id="0" * 32, reason="x"),
        f"{PROOFS}/ProveAccount": proofs_pb2.ProveAccountRequest(account=account, asset="EUR"),
        f"{PROOFS}/ProveConsistency": proofs_pb2.ProveConsistencyRequest(organization="x"),
        f"{PROOFS}/ProveFork": proofs_pb2.ProveForkRequest(organization="PartnerMSP", note=b"x"),
    }


def texts(message: Message) -> Iterator[tuple[Message, FieldDescriptor, str]]:
    """Every text field that is set in a message, with the message that holds it and its path."""
    for field, value in message.ListFields():
        if isinstance(value, str):
            yield message, field, field.name
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in [value] if isinstance(value, Message) else value:
                for holder, inner, path in texts(part):
                    yield holder, inner, f"{field.name}.{path}"


async def test_injections_in_every_text_field_are_refused_or_mean_nothing(
    consortium: RunningConsortium, accounts: tuple[str, str]
) -> None:
    wrong = []
    tried = 0
    async with nothing_changes(consortium):
        channel = consortium.foreign_channel(consortium.bank, consortium.bank)
        for path, message in baselines(*accounts).items():
            for holder, field, name in list(texts(message)):
                sound = getattr(holder, field.name)
                for injection in INJECTIONS:
                    if name.endswith(("description", "settlement_id")):
                        continue  # free texts, kept as they are: their own test is below
                    setattr(holder, field.name, injection)
                    code, _ = await attack(channel, Method(f"/{path}", "unary"), message.SerializeToString())
                    tried += 1
                    if code in OUR_FAULT or code in (StatusCode.UNKNOWN, StatusCode.DEADLINE_EXCEEDED):
                        wrong.append((path, name, injection[:30], code))
                setattr(holder, field.name, sound)
        await channel.close()
    assert tried > 300
    assert wrong == []


async def test_hostile_descriptions_are_kept_as_they_are(
    consortium: RunningConsortium, accounts: tuple[str, str]
) -> None:
    victim, vault = accounts
    kept = [text for text in INJECTIONS if "\x00" not in text and len(text) <= 140]
    for text in INJECTIONS:
        entry = new_entry(victim, vault, 1, text)
        entry.settlement_id = text[:64]
        request = ledger_pb2.PostEntriesRequest(entries=[entry])
        code = await code_of(consortium, consortium.bank, LEDGER, "PostEntries", request)
        assert (code == StatusCode.OK) == (text in kept) or code == StatusCode.INVALID_ARGUMENT, text[:30]
    async with consortium.node(consortium.bank) as node:
        reply = await node.call(
            LEDGER, "GetStatement", ledger_pb2.GetStatementRequest(account=victim), ledger_pb2.GetStatementResponse
        )
    assert [line.description for line in reply.lines if line.description][::-1] == [
        text for text in kept if text in {line.description for line in reply.lines}
    ]
    assert "'; DROP TABLE ledger.entry; --" in {line.description for line in reply.lines}
    await consortium.settled()
    assert_logs_are_clean(consortium)


async def test_impossible_amounts_are_refused_everywhere(
    consortium: RunningConsortium, accounts: tuple[str, str]
) -> None:
    victim, vault = accounts
    wrong = []
    later = stamp(datetime.now(UTC) + timedelta(hours=1))
    async with nothing_changes(consortium):
        for amount in AMOUNTS:
            requests = {
                (LEDGER, "PostEntries"): ledger_pb2.PostEntriesRequest(entries=[new_entry(vault, victim, amount)]),
                (LEDGER, "PlaceHold"): ledger_pb2.PlaceHoldRequest(
                    hold_id=str(uuid.uuid4()), account=victim, amount_minor=amount, expires_at=later
                ),
                (SETTLEMENT, "SendPayment"): partner_pb2.SendPaymentRequest(
                    payment_id=str(uuid.uuid4()),
                    debtor_account=victim,
                    receiver_msp_id=consortium.partner.msp_id,
                    beneficiary_account="cust-x",
                    asset="EUR",
                    amount_minor=amount,
                ),
            }
            for (service, method), request in requests.items():
                code = await code_of(consortium, consortium.bank, service, method, request)
                if code != StatusCode.INVALID_ARGUMENT:
                    wrong.append((method, amount, code))
    assert wrong == []


async def test_largest_amounts_never_overflow_an_account(
    consortium: RunningConsortium, accounts: tuple[str, str]
) -> None:
    victim, vault = accounts
    largest = 2**62 - 1
    async with nothing_changes(consortium):
        results = await consortium.post(consortium.bank, *(new_entry(vault, victim, largest) for _ in range(3)))
        assert {result.code for result in results}.isdisjoint({"posted", "exists"}), results
        entry = new_entry(vault, victim, 5)
        entry.postings[1].amount_minor = "6"
        unbalanced = ledger_pb2.PostEntriesRequest(entries=[entry])
        assert await refused_or_code(consortium, unbalanced) not in ("posted", "exists")
        many = ledger_pb2.PostEntriesRequest(entries=[new_entry(vault, victim, 1) for _ in range(10_001)])
        assert await code_of(consortium, consortium.bank, LEDGER, "PostEntries", many) == StatusCode.INVALID_ARGUMENT


async def refused_or_code(consortium: RunningConsortium, request: ledger_pb2.PostEntriesRequest) -> str:
    async with consortium.node(consortium.bank) as node:
        try:
            reply = await node.call(LEDGER, "PostEntries", request, ledger_pb2.PostEntriesResponse)
        except RpcError as error:
            assert error.code == StatusCode.INVALID_ARGUMENT
            return "refused"
    return str(reply.results[0].code)


async def test_used_ids_stand_for_what_they_first_named(
    consortium: RunningConsortium, accounts: tuple[str, str]
) -> None:
    victim, vault = accounts
    key, hold_id = str(uuid.uuid4()), str(uuid.uuid4())
    entry = new_entry(vault, victim, 100, key=key)
    first = (await consortium.post(consortium.bank, entry))[0]
    later = stamp(datetime.now(UTC) + timedelta(hours=1))
    hold = ledger_pb2.PlaceHoldRequest(hold_id=hold_id, account=victim, amount_minor="50", expires_at=later)
    async with consortium.node(consortium.bank) as node:
        placed = await node.call(LEDGER, "PlaceHold", hold, ledger_pb2.PlaceHoldResponse)
    assert (first.code, placed.code) == ("posted", "placed")

    async with nothing_changes(consortium):
        again = await consortium.post(consortium.bank, entry, entry)
        other = await consortium.post(consortium.bank, new_entry(vault, victim, 101, key=key))
        upper = await consortium.post(consortium.bank, new_entry(vault, victim, 102, key=key.upper()))
        hold.amount_minor = "51"
        async with consortium.node(consortium.bank) as node:
            reused = await node.call(LEDGER, "PlaceHold", hold, ledger_pb2.PlaceHoldResponse)
    assert [(result.code, result.seq) for result in again] == [("exists", first.seq)] * 2
    assert {other[0].code, upper[0].code} == {"exists_with_different_body"}
    assert reused.code not in ("placed", "exists"), reused
    account = await consortium.account(consortium.bank, victim)
    assert (account.balance_minor, account.held_minor) == ("1100", "50")


async def test_payment_id_used_for_another_order_is_refused(
    consortium: RunningConsortium, accounts: tuple[str, str]
) -> None:
    victim, _ = accounts
    request = partner_pb2.SendPaymentRequest(
        payment_id=str(uuid.uuid4()),
        debtor_account=victim,
        receiver_msp_id=consortium.partner.msp_id,
        beneficiary_account="cust-nobody",
        asset="EUR",
        amount_minor="10",
    )
    async with consortium.node(consortium.bank) as node:
        sent = await node.call(SETTLEMENT, "SendPayment", request, partner_pb2.SendPaymentResponse)
    assert (sent.payment.state, sent.payment.refusal) == ("aborted", "account_not_found")
    async with nothing_changes(consortium):
        for change in ({"amount_minor": "11"}, {"beneficiary_account": "cust-other"}, {"description": "other"}):
            other = partner_pb2.SendPaymentRequest()
            other.CopyFrom(request)
            other.MergeFrom(partner_pb2.SendPaymentRequest(**change))
            code = await code_of(consortium, consortium.bank, SETTLEMENT, "SendPayment", other)
            assert code == StatusCode.ALREADY_EXISTS, change


async def test_other_members_certificates_open_no_own_service(consortium: RunningConsortium) -> None:
    wrong = []
    async with nothing_changes(consortium):
        for client in (consortium.partner, consortium.regulator):
            for user in ("Admin", "Gateway", "Reviewer"):
                channel = consortium.foreign_channel(consortium.bank, client, user)
                for method in own_methods():
                    if method.path.split("/")[2] in FOR_ALL_MEMBERS or method.path.startswith(BETWEEN_BANKS):
                        continue
                    code, replies = await attack(channel, method, b"")
                    if code != StatusCode.PERMISSION_DENIED or replies:
                        wrong.append((client.name, method.path, code))
                await channel.close()
    assert wrong == []


async def test_gateway_takes_no_injection_by_path_or_body(consortium: RunningConsortium) -> None:
    customer = Customer(consortium.bank, "mallory")
    await customer.sign_up()
    async with nothing_changes(consortium):
        for text in (*INJECTIONS[:-1], "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/secrets", "%00", "%ff%fe"):
            quoted = "/" + (text if text.startswith(("%", "..%")) and "%s" not in text else quote(text, safe=""))
            for path in (f"/accounts{quoted}", f"/accounts{quoted}/balance", f"/transfers{quoted}"):
                answer = await customer.http.get(path)
                assert answer.status_code in (400, 404, 405, 422), (path, answer.status_code)
                assert "root:" not in answer.text
                assert "Traceback" not in answer.text
        for text in INJECTIONS:
            login = await customer.http.post("/auth/login", json={"email": text, "password": text[:100]})
            assert login.status_code in (400, 401, 413, 422, 429), (text[:30], login.text)
            assert "access_token" not in login.text
            body = {"debtor_account": text, "creditor_account": text, "asset": "EUR", "amount_minor": "1"}
            key = {"Idempotency-Key": str(uuid.uuid4())}
            order = await customer.http.post("/transfers", json=body, headers=key)
            assert order.status_code in (404, 413, 422), (text[:30], order.text)
        for amount in AMOUNTS:
            body = {"debtor_account": customer.account, "creditor_account": customer.account, "asset": "EUR"}
            order = await customer.http.post(
                "/transfers", json=body | {"amount_minor": amount}, headers={"Idempotency-Key": str(uuid.uuid4())}
            )
            assert order.status_code == 422, (amount, order.text)
        large = await customer.http.post("/auth/login", content=b"[" * 3_000_000)
        assert large.status_code in (400, 413, 422)
    await customer.close()
