"""Texts of others on a terminal: what a hostile bank signs, or a customer types, forges no line and moves no cursor."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from network.pb.dwaybank.audit.v1 import audit_pb2, report_pb2
from network.pb.dwaybank.partner.v1 import obligations_pb2
from node.commands import audit_disclosure, audit_entries, audit_findings, books, disputes, report
from node.commands.texts import shown

FORGED = "2026-11-30 12:00:00  closed    by RegulatorMSP   remedied"
HOSTILE = f"We booked it.\r\n{FORGED}\n\x1b[2J\x1b]0;owned\x07\x9b1A\u202eemordnilap\u2028{FORGED}"


def test_text_looks_like_nothing_but_itself() -> None:
    assert shown("Miete März, 100 € \U0001f3e6") == "Miete März, 100 € \U0001f3e6"
    assert shown("") == ""
    assert shown("a\x1b[2Jb\x07\x9b\u202e\u2028\t\\") == "a\\x1b[2Jb\\x07\\x9b\\u202e\\u2028\\t\\"
    assert shown("one\r\ntwo\nthree") == "one\n    two\n    three"


def _shown_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().out.split("\n")
    assert all(letter.isprintable() for line in lines for letter in line), lines
    assert not [line for line in lines if line.startswith(FORGED)]
    return [line for line in lines if FORGED in line]


def test_disclosed_texts_forge_no_line_of_the_examiners_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    customer = audit_pb2.DisclosedCustomer(account="cust-x", display_name=HOSTILE, email=HOSTILE)
    details = audit_pb2.DisclosedDetails(
        organization="DwaybankMSP", seq=7, description=HOSTILE, customers=[customer], unavailable=[HOSTILE]
    )
    audit_disclosure._show(details)
    assert len(_shown_lines(capsys)) == 8


def test_disclosed_entry_forges_no_line_of_a_search_and_no_row_of_a_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    postings = [{"side": "debit", "account": HOSTILE, "amount_minor": "1", "asset": HOSTILE}]
    told = json.dumps({"posted_at": "2026-11-30T12:00:00", "postings": postings})
    print(audit_entries._line(audit_pb2.FoundEntry(organization="DwaybankMSP", seq=7, fields_json=told)))
    assert len(_shown_lines(capsys)) == 4
    cells = [report_pb2.ReportCell(text=HOSTILE)]
    rows = [report_pb2.ReportRow(cells=cells)]
    report._print(report_pb2.ReportTable(title="Large", rests_on="x", columns=["accounts"], rows=rows))
    assert len(_shown_lines(capsys)) == 2


def test_statement_of_the_other_bank_forges_no_step_of_a_dispute(capsys: pytest.CaptureFixture[str]) -> None:
    step = obligations_pb2.DisputeStep(state="answered", by="PartnerMSP", commitment=b"x", statement=HOSTILE)
    disputes._show(obligations_pb2.Dispute(dispute_id="1", steps=[step]))
    assert len(_shown_lines(capsys)) == 2


def test_explanation_of_a_member_forges_no_step_of_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    step = audit_pb2.FindingStep(status="explained", explanation_commitment=b"x", explanation=HOSTILE)
    audit_findings._show(audit_pb2.AuditFinding(evidence=HOSTILE, steps=[step]))
    assert len(_shown_lines(capsys)) == 4


def test_description_forges_no_line_of_a_statement(capsys: pytest.CaptureFixture[str]) -> None:
    print(books._statement_line(datetime(2026, 1, 1, tzinfo=UTC), 7, "credit", ("1.00 EUR", "2.00 EUR"), HOSTILE))
    assert len(_shown_lines(capsys)) == 2
