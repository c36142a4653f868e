"""The leaf of a posted entry equals the independent encoder's vector; rows of both forms are read back to theirs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import psycopg

from ledger.account import AccountFacts, Side
from ledger.audit import recompute_leaves
from ledger.journal import EPOCH, Decision, NewEntry, Outcome, Posting
from tests.support.books import Clock, PlainRules, open_accounts, open_writer, verify
from tests.support.canonical_vectors import FILES
from tests.support.journal import ROOM_FOR_ANY

FIRST, SECOND = (json.loads(FILES[version].read_text(encoding="utf-8"))["entries"] for version in FILES)
ACCOUNTS = "cash EUR debit -\nalice EUR credit -\nbob EUR credit -\nyen JPY debit -\ntaro JPY credit -"
OLD_ROW = """
    INSERT INTO ledger.entry (
        seq, key, request_hash, posted_at, effective_at, settlement_id, posting_account, posting_asset, posting_amount,
        posting_balance, posting_previous, description_commitment, decision_id, decision_outcome, decision_leaf, salt,
        leaf, form
    )
    SELECT %(seq)s, %(key)s, sha256('x'), to_timestamp(%(posted_at_us)s::numeric / 1000000),
        to_timestamp(%(effective_at_us)s::numeric / 1000000), nullif(%(settlement_id)s, ''),
        array_agg(account.id ORDER BY place), array_agg(asset_id ORDER BY place), array_agg(amount ORDER BY place),
        array_agg(0::bigint), array_agg(0::bigint), nullif(decode(%(description_commitment)s, 'hex'), ''),
        %(decision_id)s, %(outcome)s, decode(%(decision_leaf)s, 'hex'), decode(%(salt)s, 'hex'),
        decode(%(leaf)s, 'hex'), 1
    FROM unnest(%(accounts)s::text[], %(amounts)s::bigint[]) WITH ORDINALITY AS posting (reference, amount, place)
    JOIN ledger.account USING (reference)
"""


class VectorRules(PlainRules):
    """Decides what the vector says."""

    def decide(
        self, entries: Sequence[NewEntry], accounts: Sequence[Sequence[AccountFacts]], now: datetime
    ) -> list[Decision]:
        vector = SECOND[0]
        made = (
            bytes.fromhex(vector["decision_id"]),
            Outcome(vector["outcome"]),
            bytes.fromhex(vector["decision_leaf"]),
        )
        return [Decision(*made) for _ in entries]


def test_leaf_of_a_posted_entry_equals_the_vector(database_url: str) -> None:
    vector = SECOND[0]
    clock = Clock()
    clock.moment = EPOCH + timedelta(microseconds=vector["posted_at_us"])
    salt = bytes.fromhex(vector["salt"])
    with (
        open_writer(database_url, clock, VectorRules(), random_bytes=lambda count: salt[:count]) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        postings = tuple(Posting(a, Side[s.upper()], int(n)) for a, _, _, s, n in vector["postings"])
        (result,) = writer.post([NewEntry(uuid.UUID(vector["key"]), postings)])
        assert (result.seq, result.leaf.hex()) == (1, vector["leaf"])
        assert [leaf.leaf.hex() for leaf in recompute_leaves(connection, verify)] == [vector["leaf"]]


def test_rows_of_the_first_form_keep_their_leaves(database_url: str) -> None:
    with (
        open_writer(database_url, Clock(), PlainRules()),
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        connection.execute("SET session_replication_role = replica")
        connection.execute(ROOM_FOR_ANY)
        for vector in FIRST:
            signed = [(a, int(n) if side == "debit" else -int(n)) for a, _, _, side, n in vector["postings"]]
            accounts, amounts = zip(*signed, strict=True)
            connection.execute(OLD_ROW, vector | {"accounts": list(accounts), "amounts": list(amounts)})
        found = list(recompute_leaves(connection, verify))
        assert [(leaf.leaf.hex(), leaf.unchanged) for leaf in found] == [(v["leaf"], True) for v in FIRST]
