"""The leaf of a posted entry equals the independent encoder's vector; rows of all forms are read back to theirs."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from ledger.account import Side
from ledger.audit import recompute_leaves
from ledger.canonical import VERSION, derive_salts, leaf_hash
from ledger.decision import AcceptedEntries, Decision, Decisions
from ledger.hold import HoldRelease
from ledger.journal import EPOCH, NewEntry, Outcome, Posting, transfer
from ledger.migrate import apply_migrations
from ledger.queries import SQL_FOLDER
from ledger.rows import read_accounts, read_rows, recompute_leaf
from tests.support.books import Clock, PlainRules, key, open_accounts, open_writer, verify
from tests.support.canonical_vectors import FILES

VECTORS = {version: json.loads(file.read_text(encoding="utf-8"))["entries"] for version, file in FILES.items()}
NEWEST = VECTORS[VERSION]
ACCOUNTS = "cash EUR debit -\nalice EUR credit -\nbob EUR credit -\nyen JPY debit -\ntaro JPY credit -"
OLD_ROW = """
    INSERT INTO ledger.entry (
        seq, key, request_hash, posted_at, effective_at, settlement_id, posting_account, posting_asset, posting_amount,
        posting_balance, posting_previous, description_commitment, decision_id, decision_outcome, decision_leaf, salt,
        leaf, form, actor_id, metadata_commitment, reverses, hold_id, chain_seq, refusals
    )
    SELECT %(seq)s, %(key)s, sha256('x'), to_timestamp(%(posted_at_us)s::numeric / 1000000),
        to_timestamp(%(effective_at_us)s::numeric / 1000000), nullif(%(settlement_id)s, ''),
        array_agg(account.id ORDER BY place), array_agg(asset_id ORDER BY place), array_agg(amount ORDER BY place),
        array_agg(0::bigint), array_agg(0::bigint), nullif(decode(%(description_commitment)s, 'hex'), ''),
        %(decision_id)s, %(outcome)s, decode(%(decision_leaf)s, 'hex'), decode(%(salt)s, 'hex'),
        decode(%(leaf)s, 'hex'), %(form)s, (SELECT id FROM ledger.actor WHERE name = %(actor)s),
        nullif(decode(%(metadata_commitment)s, 'hex'), ''), nullif(%(reverses)s, 0), nullif(%(hold_id)s, '')::uuid,
        nullif(%(chain_seq)s, 0), nullif(decode(%(refusals)s, 'hex'), '')
    FROM unnest(%(accounts)s::text[], %(amounts)s::bigint[]) WITH ORDINALITY AS posting (reference, amount, place)
    JOIN ledger.account USING (reference)
"""


class VectorRules(PlainRules):
    """Decides what the vector says."""

    def decide(self, entries: AcceptedEntries, now: datetime) -> Decisions:
        vector = NEWEST[0]
        made = Decision(
            bytes.fromhex(vector["decision_id"]),
            Outcome(vector["outcome"]),
            bytes.fromhex(vector["decision_leaf"]),
        )
        return Decisions.of([made for _ in entries.entries])


def test_leaf_of_a_posted_entry_equals_the_vector(database_url: str) -> None:
    vector = NEWEST[0]
    clock = Clock()
    clock.moment = EPOCH + timedelta(microseconds=vector["posted_at_us"])
    secret = bytes.fromhex(vector["salt"])
    salt = hashlib.sha256(b"dwaybank.node/salt\x01" + secret + bytes([0] * 7 + [1])).digest()
    expected = leaf_hash(salt, bytes.fromhex(vector["canonical"]))
    with (
        open_writer(database_url, clock, VectorRules(), random_bytes=lambda count: secret[:count]) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        postings = tuple(Posting(a, Side[s.upper()], int(n)) for a, _, _, s, n in vector["postings"])
        (result,) = writer.post([NewEntry(uuid.UUID(vector["key"]), postings)])
        assert (result.seq, result.leaf) == (1, expected)
        assert [leaf.leaf for leaf in recompute_leaves(connection, verify)] == [expected]


def test_salts_follow_in_the_database_as_they_do_in_the_writer(database_url: str) -> None:
    with (
        open_writer(database_url, Clock(), PlainRules(), random_bytes=os.urandom) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        for first in (1, 3):
            writer.post([transfer(key(first + n), "cash", "alice", 5) for n in range(2)])
        batches = connection.execute("SELECT first_seq, salt_secret FROM ledger.batch ORDER BY first_seq").fetchall()
        assert [first for first, _ in batches] == [1, 3] and batches[0][1] != batches[1][1]
        salts = b"".join(derive_salts(secret, first, 2) for first, secret in batches)
        assert b"".join(row.salt or b"" for row in read_rows(connection, 1, 4, 4)) == salts
        shown = connection.execute("SELECT salt FROM ledger.entry_view ORDER BY seq").fetchall()
        assert b"".join(row[0] for row in shown) == salts
        assert len({salts[at : at + 32] for at in range(0, 128, 32)}) == 4
        # A row that has a salt of its own keeps it.
        (own,) = connection.execute("SELECT ledger.salt_of('own', 1, sha256('x'))").fetchone() or (b"",)
        assert own == b"own"
        kept = "SELECT count(*) FROM ledger.entry WHERE salt IS NULL AND effective_at IS NULL"
        assert connection.execute(kept).fetchone() == (4,)
        assert all(leaf.unchanged for leaf in recompute_leaves(connection, verify))


@pytest.mark.parametrize("form", FILES)
def test_rows_of_all_forms_keep_their_leaves(database_url: str, form: int) -> None:
    nothing = {"actor": "", "metadata_commitment": "", "reverses": 0, "hold_id": "", "chain_seq": 0, "refusals": ""}
    with (
        open_writer(database_url, Clock(), PlainRules()),
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        connection.execute("SET session_replication_role = replica")
        connection.execute("INSERT INTO ledger.actor (name) VALUES ('gateway:7')")
        for vector in VECTORS[form]:
            signed = [(a, int(n) if side == "debit" else -int(n)) for a, _, _, side, n in vector["postings"]]
            accounts, amounts = zip(*signed, strict=True)
            given = {"form": form, "accounts": list(accounts), "amounts": list(amounts)}
            connection.execute(OLD_ROW, nothing | vector | given)
        rows = read_rows(connection, 1, 2, 3)
        found = [recompute_leaf(row, read_accounts(connection, rows)) for row in rows]
        assert [(form.hex(), leaf.hex()) for form, leaf in found] == [
            (v["canonical"], v["leaf"]) for v in VECTORS[form]
        ]
        # No refusals stand that the second entry of form 3 could bind: its leaf is told as changed.
        unchanged = [leaf.unchanged for leaf in recompute_leaves(connection, verify)]
        assert unchanged == [True, form < VERSION]


def test_rows_from_before_refusals_keep_their_leaves_and_the_books_go_on(
    empty_database_url: str, tmp_path: Path
) -> None:
    for file in (SQL_FOLDER / "migrations").iterdir():
        if file.name < "0020":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    row = OLD_ROW.replace(", chain_seq, refusals", ", chain_seq")
    row = row.replace("nullif(%(chain_seq)s, 0), nullif(decode(%(refusals)s, 'hex'), '')", "nullif(%(chain_seq)s, 0)")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        apply_migrations(connection, "ledger", tmp_path)
        connection.execute(
            "CREATE TABLE ledger.entry_1 (LIKE ledger.entry_form INCLUDING DEFAULTS INCLUDING CONSTRAINTS);"
            "ALTER TABLE ledger.entry_1 ADD PRIMARY KEY (seq), ADD UNIQUE (key);"
            "ALTER TABLE ledger.entry ATTACH PARTITION ledger.entry_1 FOR VALUES FROM (1) TO (1001);"
            "INSERT INTO ledger.partition (first_seq, last_seq, table_name) VALUES (1, 1000, 'entry_1')"
        )
        connection.execute("SET session_replication_role = replica")
        for reference, asset, side in (line.split()[:3] for line in ACCOUNTS.splitlines()):
            connection.execute(
                "INSERT INTO ledger.account (reference, asset_id, normal_side, opened_at)"
                " SELECT %s, id, %s, now() FROM ledger.asset WHERE code = %s",
                (reference, Side[side.upper()], asset),
            )
        connection.execute("INSERT INTO ledger.actor (name) VALUES ('gateway:7')")
        for vector in VECTORS[2]:
            signed = [(a, int(n) if side == "debit" else -int(n)) for a, _, _, side, n in vector["postings"]]
            accounts, amounts = zip(*signed, strict=True)
            connection.execute(row, vector | {"form": 2, "accounts": list(accounts), "amounts": list(amounts)})
        connection.execute("UPDATE ledger.head SET next_seq = 3, signed_seq = 2")
        connection.execute("SET session_replication_role = origin")
    with open_writer(empty_database_url) as writer, psycopg.connect(empty_database_url, autocommit=True) as connection:
        writer.post([HoldRelease(key(1)), transfer(key(2), "cash", "alice", 5)])
        rows = connection.execute("SELECT seq, form, refusals IS NOT NULL FROM ledger.entry ORDER BY seq").fetchall()
        assert rows == [(1, 2, False), (2, 2, False), (3, 3, True)]
        found = list(recompute_leaves(connection, verify))
        assert [leaf.leaf.hex() for leaf in found[:2]] == [vector["leaf"] for vector in VECTORS[2]]
        assert all(leaf.unchanged for leaf in found)
        for statement in (
            "SET refusals = sha256('x') WHERE seq = 2",
            "SET form = 4",
            "SET refusals = 'x' WHERE seq = 3",
        ):
            with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
                connection.execute("SET LOCAL session_replication_role = replica")
                connection.execute(f"UPDATE ledger.entry {statement}".encode())
