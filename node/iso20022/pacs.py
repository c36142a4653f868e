"""Grammar of the messages between banks: pacs.008, pacs.009, pacs.002 and pacs.004, versions of 2019.

Each holds one transaction. What is not supported, and so refused by name: groups of transactions, charges, currency
exchange, cover payments, intermediaries, clearing systems, regulatory reporting, taxes, supplementary data.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from node.iso20022.content import (
    ChargeBearer,
    CustomerCreditTransfer,
    InstitutionCreditTransfer,
    PaymentReturn,
    SettlementMethod,
    SettlementPriority,
    Status,
    StatusReport,
)
from node.iso20022.grammar import MISSING, Choice, Computed, Finding, Inside, Money, Part, Record, Step
from node.iso20022.parts import (
    ACCOUNT,
    AGENT,
    CODE,
    MAX35,
    ORIGINAL,
    PARTY,
    PAYMENT_TYPE,
    REASON,
    SEVERAL,
    STRUCTURED_REMITTANCE,
)
from node.iso20022.values import COUNT, DATE, MOMENT, UETR, code_of, free_text

AGENTS: tuple[Part, ...] = (Part("InstgAgt", "instructing_agent", AGENT), Part("InstdAgt", "instructed_agent", AGENT))
BOTH_AGENTS = (
    Part("InstgAgt", "instructing_agent", AGENT, required=True),
    Part("InstdAgt", "instructed_agent", AGENT, required=True),
)
SETTLEMENT_PRIORITY = Part("SttlmPrty", "settlement_priority", code_of(SettlementPriority))
CHARGE_BEARER = code_of(ChargeBearer)
DAY_OR_MOMENT = Choice((("Dt", date, DATE), ("DtTm", datetime, MOMENT)))


def _one(_: Any) -> int:
    return 1


def _header(*more: Step) -> Inside:
    return Inside(
        "GrpHdr",
        (
            Part("MsgId", "message_id", MAX35, required=True),
            Part("CreDtTm", "created_at", MOMENT, required=True),
            *more,
        ),
        required=True,
    )


SETTLEMENT_HEADER = _header(
    Computed("NbOfTxs", COUNT, _one, code="AM18", required=True),
    Inside(
        "SttlmInf",
        (
            Part("SttlmMtd", "settlement_method", code_of(SettlementMethod), required=True),
            Part("SttlmAcct", "settlement_account", ACCOUNT),
        ),
        required=True,
    ),
)

PAYMENT_IDS = (
    Inside(
        "PmtId",
        (
            Part("InstrId", "instruction_id", MAX35),
            Part("EndToEndId", "end_to_end_id", MAX35, required=True),
            Part("TxId", "transaction_id", MAX35),
            Part("UETR", "uetr", UETR, required=True),
        ),
        required=True,
    ),
    Part("PmtTpInf", "payment_type", PAYMENT_TYPE),
    Part("IntrBkSttlmAmt", "amount", Money(), required=True),
    Part("IntrBkSttlmDt", "settlement_date", DATE, required=True),
    SETTLEMENT_PRIORITY,
)


def _paid_in_full(transfer: CustomerCreditTransfer) -> Iterator[Finding]:
    told = transfer.instructed_amount
    if told is not None and told != transfer.amount:
        reason = (
            f"is not the settled {transfer.amount.text} {transfer.amount.asset.code}: no charge and no exchange here"
        )
        yield Finding("CdtTrfTxInf/InstdAmt", f"{told.text} {told.asset.code}", reason, "AM09")


CUSTOMER_CREDIT_TRANSFER = Record(
    CustomerCreditTransfer,
    (
        SETTLEMENT_HEADER,
        Inside(
            "CdtTrfTxInf",
            (
                *PAYMENT_IDS,
                Part("AccptncDtTm", "accepted_at", MOMENT),
                Part("InstdAmt", "instructed_amount", Money()),
                Part("ChrgBr", "charge_bearer", CHARGE_BEARER, required=True),
                *BOTH_AGENTS,
                Part("UltmtDbtr", "ultimate_debtor", PARTY),
                Part("Dbtr", "debtor", PARTY, required=True),
                Part("DbtrAcct", "debtor_account", ACCOUNT),
                Part("DbtrAgt", "debtor_agent", AGENT, required=True),
                Part("CdtrAgt", "creditor_agent", AGENT, required=True),
                Part("Cdtr", "creditor", PARTY, required=True),
                Part("CdtrAcct", "creditor_account", ACCOUNT),
                Part("UltmtCdtr", "ultimate_creditor", PARTY),
                Part("Purp", "purpose", CODE),
                Inside(
                    "RmtInf",
                    (
                        Part("Ustrd", "remittance", free_text(140), most=SEVERAL),
                        Part("Strd", "references", STRUCTURED_REMITTANCE, most=SEVERAL),
                    ),
                ),
            ),
            required=True,
        ),
    ),
    rule=_paid_in_full,
)

INSTITUTION_CREDIT_TRANSFER = Record(
    InstitutionCreditTransfer,
    (
        SETTLEMENT_HEADER,
        Inside(
            "CdtTrfTxInf",
            (
                *PAYMENT_IDS,
                *BOTH_AGENTS,
                Part("Dbtr", "debtor", AGENT, required=True),
                Part("DbtrAcct", "debtor_account", ACCOUNT),
                Part("DbtrAgt", "debtor_agent", AGENT),
                Part("CdtrAgt", "creditor_agent", AGENT),
                Part("Cdtr", "creditor", AGENT, required=True),
                Part("CdtrAcct", "creditor_account", ACCOUNT),
                Part("Purp", "purpose", CODE),
                Inside("RmtInf", (Part("Ustrd", "remittance", free_text(140), most=SEVERAL),)),
            ),
            required=True,
        ),
    ),
)


def _rejected_with_reason(report: StatusReport) -> Iterator[Finding]:
    if report.status is Status.REJECTED and not report.reasons:
        yield Finding("TxInfAndSts/TxSts", report.status, "must say why: give a StsRsnInf", MISSING)


STATUS_REPORT = Record(
    StatusReport,
    (
        _header(),
        Inside(
            "TxInfAndSts",
            (
                Part("StsId", "status_id", MAX35),
                *ORIGINAL,
                Part("TxSts", "status", code_of(Status), required=True),
                Part("StsRsnInf", "reasons", REASON, most=SEVERAL),
                Part("AccptncDtTm", "accepted_at", MOMENT),
                Part("FctvIntrBkSttlmDt", "settled_on", DAY_OR_MOMENT),
                Part("AcctSvcrRef", "servicer_reference", MAX35),
                *AGENTS,
            ),
            required=True,
        ),
    ),
    rule=_rejected_with_reason,
)


def _returns_at_most_the_original(returned: PaymentReturn) -> Iterator[Finding]:
    original = returned.original_amount
    if original is None:
        return
    given_back = returned.returned_amount
    if given_back.asset != original.asset:
        reason = f"is not in {original.asset.code}, the currency of the payment"
        yield Finding("TxInf/RtrdIntrBkSttlmAmt", given_back.asset.code, reason, "AM03")
    elif given_back.minor > original.minor:
        yield Finding(
            "TxInf/RtrdIntrBkSttlmAmt", given_back.text, f"is more than the payment's {original.text}", "AM09"
        )


PAYMENT_RETURN = Record(
    PaymentReturn,
    (
        SETTLEMENT_HEADER,
        Inside(
            "TxInf",
            (
                Part("RtrId", "return_id", MAX35),
                *ORIGINAL,
                Part("OrgnlIntrBkSttlmAmt", "original_amount", Money()),
                Part("OrgnlIntrBkSttlmDt", "original_settlement_date", DATE),
                Part("RtrdIntrBkSttlmAmt", "returned_amount", Money(), required=True),
                Part("IntrBkSttlmDt", "settlement_date", DATE, required=True),
                SETTLEMENT_PRIORITY,
                Part("ChrgBr", "charge_bearer", CHARGE_BEARER),
                *AGENTS,
                Part("RtrRsnInf", "reasons", REASON, required=True, most=SEVERAL),
            ),
            required=True,
        ),
    ),
    rule=_returns_at_most_the_original,
)
