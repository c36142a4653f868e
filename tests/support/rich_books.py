"""Books with everything an entry, a hold and an account can have, in some seventy entries; and a copy for each use."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg

from ledger.account import Side
from ledger.canonical import batch_digest
from ledger.hold import HoldRelease, NewHold
from ledger.journal import NewEntry, Posting, transfer
from ledger.money import AMOUNT_MAX
from ledger.posting import AccountTerms
from ledger.rows import read_accounts, read_rows, recompute_leaf
from tests.support.books import START, Clock, PlainRules, key, open_accounts, open_writer, sign
from tests.support.server import CopyingCluster

ACCOUNTS = (
    "cash EUR debit -\nalice EUR credit -\nbob EUR credit -\nfees EUR credit -\nyen JPY debit -\ntaro JPY credit -"
)
HOLD, OTHER_HOLD, FREED_HOLD = key(9001), key(9002), key(9003)
LAST = 75
"""Number of the newest entry; account cash has its mark at the one three before it."""
REFUSALS = 5
"""Number of the newest refusal: one before entry 31, three in two batches before entry 70, one after all entries."""

_names = itertools.count(1)


def fill(url: str) -> None:
    """Post the books."""
    clock = Clock()
    with (
        open_writer(url, clock, PlainRules()) as writer,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        for number in range(1, 61):
            clock.move(seconds=1)
            writer.post([transfer(key(number), "cash", "alice" if number % 3 else "bob", 100 + number)])
            if number == 30:
                writer.post([transfer(key(9100), "alice", "bob", AMOUNT_MAX)])
        clock.move(seconds=1)
        three = (Posting("alice", Side.DEBIT, 700), Posting("bob", Side.CREDIT, 650), Posting("fees", Side.CREDIT, 50))
        two_assets = (
            Posting("cash", Side.DEBIT, 11),
            Posting("alice", Side.CREDIT, 11),
            Posting("yen", Side.DEBIT, 1900),
            Posting("taro", Side.CREDIT, 1900),
        )
        writer.post([NewEntry(key(61), three, settlement_id="s-1", actor="clerk-7"), NewEntry(key(62), two_assets)])
        texts = {"description": "rent", "metadata": (("invoice", "4711"), ("unit", "Zürich"))}
        writer.post([transfer(key(63), "cash", "alice", 9, effective_at=START - timedelta(days=3), **texts)])
        writer.post([transfer(key(64), "alice", "bob", 5, linked=True), transfer(key(65), "bob", "alice", 2)])
        writer.post(
            [transfer(key(66), "bob", "alice", 3, reverses=64), transfer(key(67), "bob", "alice", 2, reverses=64)]
        )
        deadline = START + timedelta(days=1)
        writer.post([NewHold(number, "alice", 500, deadline) for number in (HOLD, OTHER_HOLD, FREED_HOLD)])
        writer.post([transfer(key(68), "alice", "bob", 40, hold_id=HOLD)])
        writer.post(
            [transfer(key(69), "alice", "bob", 60, hold_id=OTHER_HOLD, hold_final=True), HoldRelease(FREED_HOLD)]
        )
        clock.move(seconds=1)
        unknown = transfer(key(9101), "alice", "bob", 1, hold_id=key(9999), actor="clerk-7")
        writer.post([unknown, transfer(key(9102), "bob", "alice", 9, reverses=64, linked=True), HoldRelease(HOLD)])
        writer.post([HoldRelease(OTHER_HOLD), transfer(key(70), "alice", "bob", 30, hold_id=HOLD)])
        terms = AccountTerms(status="open", floor=-1000, overdraft=0, ceiling=10**9)
        assert writer.set_account_terms("bob", terms, "clerk-7") == "changed"
        for number in range(71, LAST + 1):
            (last,) = writer.post([transfer(key(number), "cash", "alice", 1)])
        assert last.seq == LAST
        writer.post([NewHold(HOLD, "alice", 501, deadline)])


AGE = """
    UPDATE ledger.entry SET posting_account = ARRAY[debit_account, credit_account],
        posting_asset = ARRAY[asset_id, asset_id], posting_amount = ARRAY[amount, -amount],
        posting_balance = ARRAY[debit_balance, credit_balance],
        posting_previous = ARRAY[debit_previous, credit_previous], debit_account = NULL, credit_account = NULL,
        asset_id = NULL, amount = NULL, debit_balance = NULL, credit_balance = NULL, debit_previous = NULL,
        credit_previous = NULL, form = 1, request_hash = sha256(leaf)
    WHERE seq <= %s
"""


def age(url: str, last_seq: int) -> None:
    """Turn entries up to one into what the first release wrote: arrays, form 1, its leaf, signed by the writer."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(AGE, (last_seq,))
        rows = read_rows(connection, 1, last_seq, last_seq)
        accounts = read_accounts(connection, rows)
        for row in rows:
            _, leaf = recompute_leaf(row, accounts)
            connection.execute("UPDATE ledger.entry SET leaf = %s WHERE seq = %s", (leaf, row.seq))
            digest = batch_digest(row.seq, row.seq, leaf)
            renewed = (digest, sign(digest), row.seq)
            connection.execute("UPDATE ledger.batch SET digest = %s, signature = %s WHERE first_seq = %s", renewed)


class Copies:
    """One database that is filled once; each use gets a copy of its own.

    Args:
        cluster: where.
        fill: with what, given its URL.
    """

    def __init__(self, cluster: CopyingCluster, fill: Callable[[str], None] = fill) -> None:
        self._cluster = cluster
        self._name = f"rich_{next(_names)}"
        fill(cluster.create_database(self._name))

    @contextmanager
    def copy(self) -> Iterator[str]:
        """Yield the URL of a copy; it is dropped afterwards."""
        name = f"{self._name}_{next(_names)}"
        yield self._cluster.copy_database(self._name, name)
        self._cluster.drop_database(name)

    def close(self) -> None:
        """Drop the first one."""
        self._cluster.drop_database(self._name)
