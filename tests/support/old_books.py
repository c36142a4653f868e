"""Books as releases before the partitioned journal left them: made by their migrations, rows written by plain SQL."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg

from ledger.canonical import batch_digest
from ledger.migrate import apply_migrations
from ledger.queries import SQL_FOLDER
from ledger.rows import read_accounts, read_rows, recompute_leaf
from tests.support.books import START, key, sign

LAST_MIGRATION = 13
"""The newest one of a release whose journal is one table."""

_ACCOUNTS = """
    INSERT INTO ledger.account (reference, asset_id, normal_side, balance, last_seq, posting_count, opened_at)
    SELECT reference, asset.id, side, %(total)s, %(last)s, %(last)s, %(at)s
    FROM (VALUES ('cash', 1), ('alice', 2)) AS given (reference, side)
    JOIN ledger.asset ON asset.code = 'EUR'
    ORDER BY side
"""
_LISTED = """
    INSERT INTO ledger.entry (
        seq, key, request_hash, posted_at, effective_at, posting_account, posting_asset, posting_amount,
        posting_balance, posting_previous, decision_id, decision_outcome, decision_leaf, salt, leaf, form
    )
    SELECT %(seq)s, %(key)s, %(hash)s, %(at)s, %(at)s, ARRAY[1, 2], ARRAY[id, id], ARRAY[%(n)s, -%(n)s],
        ARRAY[%(sum)s, %(sum)s], ARRAY[%(before)s, %(before)s], %(key)s, 1, %(hash)s, %(hash)s, %(hash)s, 1
    FROM ledger.asset WHERE code = 'EUR'
"""
_PLAIN = """
    INSERT INTO ledger.entry (
        seq, key, request_hash, posted_at, effective_at, debit_account, credit_account, asset_id, amount,
        debit_balance, credit_balance, debit_previous, credit_previous, decision_id, decision_outcome, decision_leaf,
        salt, leaf
    )
    SELECT %(seq)s, %(key)s, substring(%(hash)s::bytea FOR 16), %(at)s, %(at)s, 1, 2, id, %(n)s, %(sum)s, %(sum)s,
        %(before)s, %(before)s, %(key)s, 1, %(hash)s, %(hash)s, %(hash)s
    FROM ledger.asset WHERE code = 'EUR'
"""
_BATCH = "INSERT INTO ledger.batch VALUES (%(seq)s, %(seq)s, 1, %(hash)s, %(hash)s || %(hash)s)"


def make_old_books(connection: psycopg.Connection, folder: Path, count: int) -> None:
    """Fill a new ledger of that release: debits of cash and credits of alice, entry n of n minor units.

    Args:
        connection: to an empty database, in autocommit mode, of a superuser.
        folder: empty; the old migrations are copied there.
        count: entries; the first half in the form of the first release.
    """
    for file in (SQL_FOLDER / "migrations").iterdir():
        if file.name.endswith(".sql") and int(file.name[:4]) <= LAST_MIGRATION:
            (folder / file.name).write_bytes(file.read_bytes())
    apply_migrations(connection, "ledger", folder)
    connection.execute("SET session_replication_role = replica")
    total = 0
    for seq in range(1, count + 1):
        total += seq
        row = {"seq": seq, "key": key(seq), "hash": bytes(32), "n": seq, "sum": total, "before": seq - 1}
        row["at"] = START + timedelta(seconds=seq)
        connection.execute(_LISTED if seq <= count // 2 else _PLAIN, row)
        connection.execute(_BATCH, row)
    if count:
        connection.execute(_ACCOUNTS, {"total": total, "last": count, "at": START})
        connection.execute(
            "UPDATE ledger.head SET next_seq = %s, signed_seq = %s, posted_at = %s, epoch = 1",
            (count + 1, count, START + timedelta(seconds=count)),
        )
    connection.execute("SET session_replication_role = origin")


def sign_old_books(connection: psycopg.Connection, count: int) -> None:
    """Give the entries their leaves and signatures, once the ledger can be read as it is today."""
    connection.execute("SET session_replication_role = replica")
    rows = read_rows(connection, 1, count, count)
    accounts = read_accounts(connection, rows)
    for row in rows:
        _, leaf = recompute_leaf(row, accounts)
        connection.execute("UPDATE ledger.entry SET leaf = %s WHERE seq = %s", (leaf, row.seq))
        digest = batch_digest(row.seq, row.seq, leaf)
        renewed = (digest, sign(digest), row.seq)
        connection.execute("UPDATE ledger.batch SET digest = %s, signature = %s WHERE first_seq = %s", renewed)
    connection.execute("SET session_replication_role = origin")
