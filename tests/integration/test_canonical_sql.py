"""The leaf that the SQL function makes equals the vector of the independent encoder, byte for byte."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta

import psycopg

from ledger.account import Side
from ledger.audit import recompute_leaves
from ledger.journal import EPOCH, Decision, NewEntry, Outcome, Posting
from tests.support.books import Clock, PlainRules, open_accounts, open_writer, verify
from tests.support.canonical_vectors import FILE

VECTORS = json.loads(FILE.read_text(encoding="utf-8"))


class VectorRules(PlainRules):
    """Decides what the vectors say."""

    def decide(self, entries, accounts, now):  # type: ignore[no-untyped-def]
        by_key = {vector["key"]: vector for vector in VECTORS["entries"]}
        found = [by_key[str(entry.key)] for entry in entries]
        return [
            Decision(bytes.fromhex(v["decision_id"]), Outcome(v["outcome"]), bytes.fromhex(v["decision_leaf"]))
            for v in found
        ]


def randomness() -> Iterator[bytes]:
    for vector in VECTORS["entries"]:
        yield bytes.fromhex(vector["salt"])
        if vector["description"]:
            yield bytes.fromhex(vector["description_salt"])


def test_leaves_made_in_sql_equal_the_vectors(database_url: str) -> None:
    drawn, clock = randomness(), Clock()
    with (
        open_writer(database_url, clock, VectorRules(), random_bytes=lambda count: next(drawn)) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(
            connection,
            "cash EUR debit -\nalice EUR credit -\nbob EUR credit -\nyen JPY debit -\ntaro JPY credit -",
        )
        for vector in VECTORS["entries"]:
            clock.moment = EPOCH + timedelta(microseconds=vector["posted_at_us"])
            postings = tuple(Posting(a, Side[s.upper()], int(n)) for a, _, _, s, n in vector["postings"])
            entry = NewEntry(
                uuid.UUID(vector["key"]),
                # The first vector posts nothing else to these accounts, so the second's large amounts fit.
                postings,
                effective_at=EPOCH + timedelta(microseconds=vector["effective_at_us"]),
                settlement_id=vector["settlement_id"],
                description=vector["description"],
            )
            if vector["seq"] == 2:
                connection.execute("ALTER TABLE ledger.account DISABLE TRIGGER USER")
                connection.execute("UPDATE ledger.account SET balance = 0")
            (result,) = writer.post([entry])
            assert (result.seq, result.leaf.hex()) == (vector["seq"], vector["leaf"]), result
        assert [leaf.leaf.hex() for leaf in recompute_leaves(connection, verify)] == [
            vector["leaf"] for vector in VECTORS["entries"]
        ]
