"""The accounting tables of ``tests/support/accounting_cases.py``, played everywhere.

Every case runs on the model, on the bare rules, and on the real books, request by request and in batches as large as
the case allows: all must answer the same codes and leave the same balances.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ledger.journal import ResultCode
from node.postgres import PostgresCluster
from tests.support.accounting_cases import TABLES
from tests.support.accounting_table import Case, read_cases
from tests.support.database_stage import DatabaseStage, EmptyLedgers
from tests.support.ledger_model import CODES
from tests.support.ledger_stage import ModelStage, play
from tests.support.rules_stage import RulesStage
from tests.support.shared_data import REPOSITORY

CASES = read_cases(TABLES)

in_batches = pytest.mark.parametrize("one_by_one", [True, False], ids=["one by one", "in batches"])
every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@in_batches
@every_case
def test_model_answers_as_the_table_says(case: Case, one_by_one: bool) -> None:
    play(case, ModelStage(), one_by_one=one_by_one)


@in_batches
@every_case
def test_rules_answer_as_the_table_says(case: Case, one_by_one: bool) -> None:
    play(case, RulesStage(), one_by_one=one_by_one)


@pytest.fixture(scope="module")
def empty_ledgers(postgres_cluster: PostgresCluster) -> Iterator[EmptyLedgers]:
    ledgers = EmptyLedgers(postgres_cluster)
    yield ledgers
    ledgers.close()


@in_batches
@every_case
def test_books_answer_as_the_table_says(case: Case, one_by_one: bool, empty_ledgers: EmptyLedgers) -> None:
    with empty_ledgers.fresh(case.partition_entries) as url, DatabaseStage(url) as stage:
        play(case, stage, one_by_one=one_by_one)
        assert stage.findings() == []


def test_tables_show_every_code() -> None:
    shown = {step.code for case in CASES for step in case.steps}
    assert set(CODES) <= shown


def test_document_and_model_list_the_codes_of_the_books_in_their_precedence() -> None:
    document = (REPOSITORY / "docs" / "result-codes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `([a-z_]+)` \|", document, flags=re.MULTILINE)
    assert rows == [(str(code.value), code.text) for code in ResultCode]
    assert [code.text for code in ResultCode] == list(CODES)
