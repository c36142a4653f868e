"""From a pacs.008 to an order, and from a settlement's outcome to its answer.

Aim: an order is made only where the settlement does exactly what the message asks, what the partner does not hear of is
named, and every state a settlement can have gives a valid answer about the right payment.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from ledger.errors import MappingError
from ledger.journal import ResultCode
from node.iso20022 import describe_message, read_message, write_message
from node.iso20022.catalogue import type_of
from node.iso20022.content import (
    Account,
    Agent,
    Code,
    CustomerCreditTransfer,
    Iban,
    OtherId,
    PaymentReturn,
    Proprietary,
    SettlementMethod,
    Status,
    StatusReport,
)
from node.iso20022.currencies import CURRENCIES
from node.iso20022.directory import Directory, parse_directory
from node.iso20022.errors import UnacceptableMessageError, UnsupportedOrderError
from node.iso20022.settlements import Outcome, order_of, outcome_message, rejection
from node.partner.settlement import SenderState
from tests.support.iso20022 import BANK, IBANS, NOON, PARTNER, TRANSFER, UETR, schema_error
from tests.support.shared_data import REPOSITORY

DIRECTORY = parse_directory((REPOSITORY / "fixtures" / "iso20022" / "directory.yaml").read_text(encoding="utf-8"))
DAY = date(2026, 3, 2)
LATER = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)


def test_order_says_what_the_message_asks_and_lists_what_it_leaves_out() -> None:
    order = order_of(TRANSFER, DIRECTORY, DAY)
    assert (order.payment_id, order.receiver_msp_id) == (UETR, "PartnerMSP")
    assert (order.debtor_account, order.beneficiary_account) == ("cust-erika", "cust-jean")
    assert (order.asset, order.amount, order.description) == ("EUR", 12550, "Invoice 4711")
    paths = [path for path, _ in describe_message(TRANSFER)]
    assert set(order.not_carried) < set(paths)
    assert {"CdtTrfTxInf/Dbtr/Nm", "CdtTrfTxInf/PmtId/EndToEndId"} < set(order.not_carried)
    assert not any("Amt" in path or "Acct" in path or "BICFI" in path for path in order.not_carried)


def test_second_line_of_remittance_is_named_as_left_out() -> None:
    order = order_of(replace(TRANSFER, remittance=("one", "two")), DIRECTORY, DAY)
    assert order.description == "one"
    assert "CdtTrfTxInf/RmtInf/Ustrd[2]" in order.not_carried


OTHER = Agent(bic="NEDSZAJJ")
REFUSED = {
    "over the partner's books": (
        {"settlement_method": SettlementMethod.INSTRUCTED_AGENT},
        "GrpHdr/SttlmInf/SttlmMtd",
        "AG03",
    ),
    "over an account it names": ({"settlement_account": Account(OtherId("1"))}, "GrpHdr/SttlmInf/SttlmAcct", "CH17"),
    "tomorrow": ({"settlement_date": date(2026, 3, 3)}, "CdtTrfTxInf/IntrBkSttlmDt", "DT04"),
    "yesterday": ({"settlement_date": date(2026, 3, 1)}, "CdtTrfTxInf/IntrBkSttlmDt", "DT05"),
    "from another bank": ({"instructing_agent": PARTNER}, "CdtTrfTxInf/InstgAgt", "AGNT"),
    "for another bank's customer": ({"debtor_agent": PARTNER}, "CdtTrfTxInf/DbtrAgt", "RC03"),
    "to a bank nobody listed": ({"creditor_agent": OTHER}, "CdtTrfTxInf/CdtrAgt", "RC04"),
    "to ourselves": ({"creditor_agent": BANK}, "CdtTrfTxInf/CdtrAgt", "RC04"),
    "a BIC and a LEI of two banks": (
        {"creditor_agent": Agent(bic=PARTNER.bic, lei=BANK.lei)},
        "CdtTrfTxInf/CdtrAgt",
        "RC04",
    ),
    "over a third bank": ({"instructed_agent": OTHER}, "CdtTrfTxInf/InstdAgt", "AGNT"),
    "from no account": ({"debtor_account": None}, "CdtTrfTxInf/DbtrAcct/Id", "AC02"),
    "from an account nobody listed": ({"debtor_account": Account(Iban(IBANS[1]))}, "CdtTrfTxInf/DbtrAcct/Id", "AC02"),
    "to no account": ({"creditor_account": None}, "CdtTrfTxInf/CdtrAcct/Id", "AC03"),
    "to an IBAN nobody listed": ({"creditor_account": Account(Iban(IBANS[1]))}, "CdtTrfTxInf/CdtrAcct/Id", "AC03"),
    "to what is no reference": ({"creditor_account": Account(OtherId("a b"))}, "CdtTrfTxInf/CdtrAcct/Id", "AC03"),
    "to a number of a scheme": (
        {"creditor_account": Account(OtherId("1", scheme=Proprietary("X")))},
        "CdtTrfTxInf/CdtrAcct/Id",
        "AC03",
    ),
    "to an account in dollars": (
        {"creditor_account": Account(OtherId("cust-jean"), CURRENCIES["USD"])},
        "CdtTrfTxInf/CdtrAcct/Ccy",
        "AM03",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_order_that_would_do_something_else_is_refused(name: str) -> None:
    change, path, code = REFUSED[name]
    with pytest.raises(UnsupportedOrderError) as refused:
        order_of(replace(TRANSFER, **change), DIRECTORY, DAY)  # type: ignore[arg-type]
    assert (refused.value.path, refused.value.code) == (path, code)
    answer = rejection(write_message(TRANSFER), refused.value, message_id="A1", now=LATER)
    assert answer is not None
    assert valid(answer).reasons[0].code == Code(code)  # type: ignore[union-attr]


def valid(answer: StatusReport | PaymentReturn) -> StatusReport | PaymentReturn:
    written = write_message(answer)
    assert schema_error(type_of(answer), written) == ""
    assert read_message(written) == answer
    return answer


@pytest.mark.parametrize("state", SenderState)
def test_every_state_of_a_settlement_has_an_answer(state: SenderState) -> None:
    refusal = "account_closed" if state in (SenderState.ABORTED, SenderState.RETURNED) else ""
    refusal = "deadline_passed" if state is SenderState.EXPIRED else refusal
    answer = valid(outcome_message(TRANSFER, Outcome(state, refusal, 7), message_id="A1", now=LATER))
    assert (answer.original_message_id, answer.original_uetr) == (TRANSFER.message_id, UETR)
    assert (answer.instructing_agent, answer.instructed_agent) == (PARTNER, BANK)
    if isinstance(answer, PaymentReturn):
        assert state is SenderState.RETURNED
        assert answer.returned_amount == TRANSFER.amount
        assert answer.reasons[0].code == Code("AC04")
        return
    rejected = {SenderState.ABORTED: "AC04", SenderState.EXPIRED: "AB05"}
    assert (answer.status is Status.REJECTED) == (state in rejected)
    assert [reason.code for reason in answer.reasons] == ([Code(rejected[state])] if state in rejected else [])
    assert (answer.status is Status.CREDITED) == (state is SenderState.COMPLETED)


@pytest.mark.parametrize("refusal", [*(code.text for code in ResultCode), "something new", "x" * 3000, "a\nb"])
@pytest.mark.parametrize("state", [SenderState.ABORTED, SenderState.RETURNED])
def test_every_refusal_of_the_books_can_be_told(refusal: str, state: SenderState) -> None:
    answer = valid(outcome_message(TRANSFER, Outcome(state, refusal), message_id="A1", now=LATER))
    (reason,) = answer.reasons
    assert reason.texts
    assert isinstance(reason.code, Code)
    if reason.code == Code("NARR"):
        assert "".join(reason.texts)[:10] == refusal.replace("\n", " ")[:10]


def refused_message(data: bytes) -> UnacceptableMessageError:
    with pytest.raises(UnacceptableMessageError) as refused:
        read_message(data)
    return refused.value


def test_refused_message_is_answered_about_the_payment_it_names() -> None:
    data = write_message(TRANSFER).replace(b"<ChrgBr>", b"<XchgRate>1.1</XchgRate><ChrgBr>")
    answer = rejection(data, refused_message(data), message_id="A1", now=LATER)
    assert answer is not None
    assert isinstance(valid(answer), StatusReport)
    assert (answer.original_message_id, answer.original_message_name) == ("DWAY-2026-0001", "pacs.008.001.08")
    assert (answer.original_end_to_end_id, answer.original_uetr) == ("INVOICE-4711", UETR)
    assert answer.status is Status.REJECTED
    assert "CdtTrfTxInf/XchgRate" in "".join(answer.reasons[0].texts)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<Document", b"<Document<"),
        (b"<MsgId>DWAY-2026-0001</MsgId>", b""),
        (b"<MsgId>DWAY-2026-0001</MsgId>", b"<MsgId>1</MsgId><MsgId>2</MsgId>"),
        (b"<MsgId>DWAY-2026-0001", b"<MsgId>" + b"x" * 36),
    ],
)
def test_message_that_does_not_say_which_it_is_has_no_answer(old: bytes, new: bytes) -> None:
    data = write_message(TRANSFER).replace(old, new)
    assert rejection(data, refused_message(data), message_id="A1", now=LATER) is None


def test_message_whose_other_names_are_unsound_is_answered_without_them() -> None:
    data = write_message(TRANSFER).replace(b"7f1c3f4e-52a6-4c1b", b"7f1c3f4e-52a6-1c1b").replace(b"INVOICE-4711", b"")
    answer = rejection(data, refused_message(data), message_id="A1", now=LATER)
    assert answer is not None
    valid(answer)
    assert (answer.original_uetr, answer.original_end_to_end_id) == (None, None)


def test_directory_knows_a_head_office_by_both_forms_of_its_bic() -> None:
    assert DIRECTORY.bank(Agent(bic="PRTNFRPPXXX")) == "PartnerMSP"
    assert DIRECTORY.bank(Agent(bic="PRTNFRPP500")) is None
    assert DIRECTORY.bank(Agent(bic="DWAYDEFF", lei=BANK.lei)) == "DwaybankMSP"
    assert Directory("A").bank(Agent()) is None


BANKS = "own: A\nbanks: [{msp_id: A, names: [DEUTDEFF]}]"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("own: A\nbanks: []", "own"),
        ("own: A\nbanks: [{msp_id: A, names: [DEUTDEF]}]", "banks[0].names"),
        ("own: A\nbanks: [{msp_id: A, names: [529900T8BM49AURSDO56]}]", "banks[0].names"),
        ("own: A\nbanks: [{msp_id: A, names: [DEUTDEFF, DEUTDEFFXXX]}]", "stands twice"),
        ("own: A\nbanks: [{msp_id: A, names: [DEUTDEFF], city: B}]", "banks[0].city"),
        (f"{BANKS}\naccounts: [{{number: '1', account: 'a b'}}]", "accounts[0].account"),
        (
            f"{BANKS}\naccounts: [{{number: 'a', account: b}}, {{number: A, account: c}}]",
            "accounts[1].number",
        ),
        (f"{BANKS}\nother: 1", "other"),
    ],
)
def test_directory_that_is_wrong_is_refused_by_its_setting(text: str, told: str) -> None:
    with pytest.raises(MappingError, match=told.replace("[", r"\[")):
        parse_directory(text)


def test_a_transfer_is_what_the_fixture_holds() -> None:
    message = read_message((REPOSITORY / "fixtures" / "iso20022" / "payment-order.pacs008.xml").read_bytes())
    assert isinstance(message, CustomerCreditTransfer)
    assert message == TRANSFER
    assert message.created_at == NOON
