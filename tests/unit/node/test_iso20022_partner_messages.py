"""Orders from bank to bank, returns and vostro statements as messages: each is valid, and says what was done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ledger.account import Side
from ledger.errors import InvalidValueError
from ledger.statements import StatementLine
from node.iso20022 import read_message, write_message
from node.iso20022.catalogue import type_of
from node.iso20022.content import (
    Account,
    AccountNotification,
    AccountStatement,
    Agent,
    Code,
    InstitutionCreditTransfer,
    OtherId,
    PaymentReturn,
    StatementAccount,
    StatusReport,
)
from node.iso20022.currencies import CURRENCIES
from node.iso20022.directory import Directory, parse_directory
from node.iso20022.errors import UnsupportedOrderError
from node.iso20022.partner_messages import (
    ReturnedPayment,
    agent_of,
    bank_order,
    return_message,
    vostro_message,
)
from node.iso20022.settlements import Outcome, order_of, outcome_message
from node.iso20022.statements import Period
from node.iso20022.values import Amount
from node.partner.settlement import SenderState
from tests.support.iso20022 import BANK, EURO, PARTNER, TRANSFER, UETR, schema_error
from tests.support.shared_data import REPOSITORY

DIRECTORY = parse_directory((REPOSITORY / "fixtures" / "iso20022" / "directory.yaml").read_text(encoding="utf-8"))
DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)
ORDER = bank_order(
    DIRECTORY,
    "PartnerMSP",
    debtor_account="bank-settlement-EUR",
    creditor_account="bank-settlement-EUR",
    amount=Amount(1_000_00, EURO),
    uetr=UETR,
    day=DAY,
    message_id="M1",
    now=NOW,
)
RETURNED = ReturnedPayment(str(UETR), 12_550, EURO, "AC04", NOW, "11111111-2222-4333-8444-555555555555", "PartnerMSP")


def _valid(message: Any) -> Any:
    written = write_message(message)
    assert schema_error(type_of(message), written) == ""
    assert read_message(written) == message
    return message


def test_order_from_bank_to_bank_is_read_as_the_payment_it_was_written_for() -> None:
    assert _valid(ORDER).instructing_agent == Agent(bic="DWAYDEFF", lei="9845000000DWAYBANK05")
    order = order_of(ORDER, DIRECTORY, DAY)
    assert (order.payment_id, order.receiver_msp_id) == (UETR, "PartnerMSP")
    assert (order.debtor_account, order.beneficiary_account) == ("bank-settlement-EUR", "bank-settlement-EUR")
    assert (order.asset, order.amount) == ("EUR", 1_000_00)
    assert order.not_carried == ("CdtTrfTxInf/PmtId/EndToEndId",)


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"debtor": PARTNER}, "CdtTrfTxInf/Dbtr", "RC03"),
        ({"debtor_agent": PARTNER}, "CdtTrfTxInf/DbtrAgt", "RC03"),
        ({"creditor": BANK}, "CdtTrfTxInf/Cdtr", "RC04"),
        ({"creditor": Agent(bic="NEDSZAJJ")}, "CdtTrfTxInf/Cdtr", "RC04"),
        ({"creditor_agent": BANK}, "CdtTrfTxInf/CdtrAgt", "RC04"),
        ({"instructed_agent": BANK}, "CdtTrfTxInf/InstdAgt", "AGNT"),
        ({"debtor_account": None}, "CdtTrfTxInf/DbtrAcct/Id", "AC02"),
        ({"debtor_account": Account(OtherId("bank-other-EUR"))}, "CdtTrfTxInf/DbtrAcct/Id", "AC02"),
        ({"settlement_date": date(2026, 3, 3)}, "CdtTrfTxInf/IntrBkSttlmDt", "DT04"),
    ],
)
def test_order_from_bank_to_bank_that_would_do_something_else_is_refused(
    change: dict[str, Any], path: str, code: str
) -> None:
    with pytest.raises(UnsupportedOrderError) as refused:
        order_of(replace(ORDER, **change), DIRECTORY, DAY)
    assert (refused.value.path, refused.value.code) == (path, code)


@pytest.mark.parametrize("state", SenderState)
def test_every_state_of_a_payment_from_bank_to_bank_has_an_answer(state: SenderState) -> None:
    refusal = "account_closed" if state in (SenderState.ABORTED, SenderState.RETURNED) else ""
    answer = _valid(outcome_message(ORDER, Outcome(state, refusal), message_id="A1", now=NOW))
    assert isinstance(answer, PaymentReturn if state is SenderState.RETURNED else StatusReport)
    assert answer.original_message_name == "pacs.009.001.08"


def test_return_names_the_payment_by_its_uetr_and_by_what_its_message_called_it() -> None:
    message = _valid(return_message(RETURNED, TRANSFER, DIRECTORY, message_id="R1", now=NOW))
    assert (message.original_uetr, message.original_message_id) == (UETR, TRANSFER.message_id)
    assert (message.returned_amount, message.reasons[0].code) == (TRANSFER.amount, Code("AC04"))
    assert message.original_end_to_end_id == TRANSFER.end_to_end_id
    alone = _valid(return_message(RETURNED, None, DIRECTORY, message_id="R1", now=NOW))
    assert (alone.original_uetr, alone.original_message_id) == (UETR, "NOTPROVIDED")


def test_return_beside_the_message_of_another_payment_is_not_written() -> None:
    other = replace(RETURNED, settlement_id="11111111-2222-4333-8444-555555555555")
    with pytest.raises(InvalidValueError, match="UETR"):
        return_message(other, TRANSFER, DIRECTORY, message_id="R1", now=NOW)


def test_bank_without_a_name_is_not_written() -> None:
    with pytest.raises(InvalidValueError, match="neither BIC nor LEI"):
        agent_of(Directory("DwaybankMSP", {"PRTNFRPP": "PartnerMSP"}), "DwaybankMSP")


def _line(seq: int, side: Side, amount: int, balance: int) -> StatementLine:
    at = NOW - timedelta(hours=1)
    return StatementLine(seq, side, amount, balance, at, at, str(UETR), "")


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("notification", [False, True])
def test_vostro_statement_begins_where_its_first_line_did(side: Side, notification: bool) -> None:
    other = Side.CREDIT if side is Side.DEBIT else Side.DEBIT
    lines = [_line(4, side, 300, 1_300), _line(9, other, 50, 1_250)]
    account = StatementAccount(OtherId("vostro-DwaybankMSP-EUR"), EURO, servicer=Agent(bic="PRTNFRPP"))
    period = Period(NOW - timedelta(days=1), NOW - timedelta(minutes=1), "S1", NOW)
    message = _valid(vostro_message(account, side, lines, period, notification=notification))
    assert isinstance(message, AccountNotification if notification else AccountStatement)
    assert [entry.amount.minor for entry in message.entries] == [300, 50]
    assert all(entry.details is not None and entry.details.uetr == UETR for entry in message.entries)
    if isinstance(message, AccountStatement):
        assert [balance.amount.minor for balance in message.balances] == [1_000, 1_250]


def test_amount_of_another_currency_stays_in_it() -> None:
    yen = replace(ORDER, amount=Amount(5, CURRENCIES["JPY"]))
    assert isinstance(yen, InstitutionCreditTransfer)
    assert order_of(yen, DIRECTORY, DAY).asset == "JPY"
