"""The connection to the database is cut at every single message of a posting, in both directions, whole and torn.

Method: a proxy between writer and server counts the protocol's messages of one mixed batch, then the same batch is
posted again and again with the cut one message later. After each cut the batch stands as a whole or not at all; what
was acknowledged stands; the same requests posted again by a successor give first or second answers, never a double; and
the books prove themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ledger.audit import recompute_leaves, verify_books
from ledger.errors import BooksUnavailableError
from ledger.posting import Writer
from node.books.books import Books
from node.postgres import PostgresCluster
from tests.support.accounting_table import START, read_command
from tests.support.books import Clock, new_writer, verify
from tests.support.cutting_proxy import TO_CLIENT, TO_SERVER, CuttingProxy
from tests.support.database_stage import DatabaseStage, EmptyLedgers, answer_of
from tests.support.ledger_model import Account, Answer, Entry, LedgerModel, Place, Release, Request
from tests.support.ledger_stage import real_key, real_request

ACCOUNTS = {
    "cash": Account("EUR", "debit", floor=None),
    "alice": Account("EUR", "credit"),
    "bob": Account("EUR", "credit"),
    "fees": Account("EUR", "credit"),
}

FUNDING = "1: Dr cash 900, Cr alice 900"

BATCH = """
    2: Dr cash 500, Cr alice 500
    3: Dr alice 20, Cr bob 15, Cr fees 5; text rent; by teller; with channel=web
    4: Dr cash 30, Cr bob 30; effective 2026-02-01
    H1: hold 100 of alice until 60s
    5: Dr alice 40, Cr bob 40; captures H1; linked
    6: Dr alice 9999, Cr bob 9999
    5: Dr alice 40, Cr bob 40; captures H1
    7: Dr alice 10, Cr cash 10; reverses #1
    8: Dr bob 5, Cr fees 5; linked
    H1: release
    1: Dr cash 900, Cr alice 900
"""


def requests_of(text: str) -> list[Request]:
    commands = [read_command(line.strip()) for line in text.strip().splitlines()]
    return [command for command in commands if isinstance(command, Entry | Place | Release)]


REQUESTS = requests_of(BATCH)
REAL = [real_request(request) for request in REQUESTS]


class Truth:
    """What the books must hold and answer, from the model."""

    def __init__(self) -> None:
        self.model = LedgerModel()
        for name, account in ACCOUNTS.items():
            self.model.open_account(name, account)
        self.model.post(requests_of(FUNDING), START)
        self.first = self.model.post(REQUESTS, START)
        first = len(self.model.refusals)
        self.second = self.model.post(REQUESTS, START)
        refused = [(real_key(kept.request), kept.code) for kept in self.model.refusals]
        self.refused = refused[:first], refused[first:]


TRUTH = Truth()


@pytest.fixture(scope="module")
def empty_ledgers(postgres_cluster: PostgresCluster) -> Iterator[EmptyLedgers]:
    ledgers = EmptyLedgers(postgres_cluster)
    yield ledgers
    ledgers.close()


def prepare_ledger(url: str) -> None:
    with DatabaseStage(url) as stage:
        for name, account in ACCOUNTS.items():
            stage.open_account(name, account)
        stage.post(requests_of(FUNDING))


def post_through(proxy: CuttingProxy, direction: str | None, count: int, *, torn: bool) -> list[Answer] | None:
    """Post the batch with a cut; return the answers, None where the connection was lost before."""
    writer = new_writer(proxy.url)
    try:
        writer.open()
        writer.dry_run(REAL)  # accounts are learnt, so that what is counted is the posting alone
        proxy.arm(direction, count, torn=torn)
        return [answer_of(result) for result in writer.post(REAL)]
    except BooksUnavailableError:
        return None
    finally:
        writer.close()


def check(url: str, answers: list[Answer] | None, *, stood: int = 0) -> None:
    """A successor posts the same again; then the books must be those of the model.

    Args:
        stood: how often the batch stood, first or again, before that which gave these answers.
    """
    with DatabaseStage(url) as successor:
        again = successor.post(REQUESTS)
        if answers is None:
            assert again in (TRUTH.first, TRUTH.second)
        else:
            assert (answers, again) == (TRUTH.first, TRUTH.second)
    check_books(url, stood + 1 + (again == TRUTH.second))


def check_books(url: str, stood: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute("SELECT reference, balance, held FROM ledger.account").fetchall()
        assert {row[0]: row[1:] for row in rows} == {
            name: (TRUTH.model.balance(name), TRUTH.model.held(name)) for name in ACCOUNTS
        }
        assert verify_books(connection, verify) == []
        check_refusals(connection, stood)
        leaves = list(recompute_leaves(connection, verify))
        assert [leaf.seq for leaf in leaves] == list(range(1, len(TRUTH.model.entries) + 1))
        assert all(leaf.covered and leaf.unchanged for leaf in leaves)


def check_refusals(connection: psycopg.Connection[Any], stood: int) -> None:
    """Each time the batch stood, first or again, its refusals were kept once."""
    kept = connection.execute("SELECT key, code FROM ledger.refusal ORDER BY number").fetchall()
    first, second = TRUTH.refused
    assert kept == first + second * (stood - 1)


def count_messages(ledgers: EmptyLedgers) -> dict[str, int]:
    with ledgers.fresh() as url, CuttingProxy(url) as proxy:
        prepare_ledger(url)
        answers = post_through(proxy, None, 0, torn=False)
        counts = dict(proxy.counts)
        check(url, answers)
    return counts


@pytest.mark.faults
@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
def test_connection_cut_at_any_message_loses_and_doubles_nothing(
    empty_ledgers: EmptyLedgers, direction: str, torn: bool
) -> None:
    count = count_messages(empty_ledgers)[direction]
    assert count > 20
    lost = 0
    # A message cut in the middle differs little from one cut before: every third is enough.
    steps = range(0, count, 3 if torn else 1)
    for step in steps:
        with empty_ledgers.fresh() as url, CuttingProxy(url) as proxy:
            prepare_ledger(url)
            answers = post_through(proxy, direction, step, torn=torn)
            assert proxy.has_cut
            lost += answers is None
            check(url, answers)
    # Only what comes after the server's last word on the commit may be cut without anyone's notice.
    assert lost > len(steps) - 10


@pytest.mark.faults
@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
async def test_engine_mends_a_connection_cut_at_any_message(empty_ledgers: EmptyLedgers, direction: str) -> None:
    count = count_messages(empty_ledgers)[direction]
    for step in range(0, count, 5):
        with empty_ledgers.fresh() as url, CuttingProxy(url) as proxy:
            prepare_ledger(url)
            writer: Writer = new_writer(proxy.url)
            books = Books(url, writer, now=Clock())
            await books.start()
            try:
                proxy.arm(direction, step)
                answers = [answer_of(result) for result in await books.post_batch(REAL)]
            finally:
                await books.stop()
            assert answers in (TRUTH.first, TRUTH.second)
            check(url, TRUTH.first, stood=int(answers == TRUTH.second))
