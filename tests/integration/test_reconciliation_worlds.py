"""Small worlds in a real database: statements and entries arrive in turns, a run after each, decisions in between.

Whatever arrives: matches of earlier runs stay, a second run changes nothing, every movement and every posting stands in
one live match or one exception that waits, and the differences of both add up to what statement and books differ by.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ledger.account import Side
from ledger.errors import ConflictError
from ledger.journal import NewEntry, Posting
from ledger.posting import Writer
from ledger.reconciliation import (
    STANDARD_RULES,
    Decision,
    ExceptionState,
    ExternalRecord,
    ExternalStatement,
    MatchRule,
    Shape,
    StatementFile,
    decide_exceptions,
    import_statement_file,
    list_exceptions,
    list_matches,
    run_reconciliation,
    take_apart,
)
from tests.support.books import START, key, open_accounts, open_writer

Connection = psycopg.Connection[Any]
FIRST = date(2026, 3, 1)
RULES = (
    *STANDARD_RULES,
    MatchRule("rounding", days=1, tolerance={"EUR": 1}),
    MatchRule("the day's equal ones", Shape.MANY_TO_MANY, same_day=True, same_amount=True),
    MatchRule("parts", Shape.ONE_TO_MANY, days=1, parts=3),
)
WAITING = (ExceptionState.OPEN, ExceptionState.EXPLAINED)
DECIDED = (ExceptionState.EXPLAINED, ExceptionState.MATCHED_BY_HAND, ExceptionState.WRITTEN_OFF)


class World:
    """One account, its statements of five days each, and its entries."""

    def __init__(self, number: int, writer: Writer, connection: Connection) -> None:
        self.random = random.Random(number)
        self.account, self.contra = f"nostro-{number}", f"contra-{number}"
        open_accounts(connection, f"{self.account} EUR debit -\n{self.contra} EUR credit -")
        self.number, self.writer, self.connection = number, writer, connection
        self.posted = self.received = self.statements = 0
        self.seqs = 0

    def change(self) -> int:
        return self.random.choice([-7, -3, -2, 1, 2, 3, 4, 5, 9])

    def reference(self) -> str:
        return self.random.choice(["", "", "A", "B", "C"])

    def post(self) -> None:
        entries = []
        for _ in range(self.random.randint(0, 6)):
            change = self.change()
            sides = (Side.DEBIT, Side.CREDIT) if change > 0 else (Side.CREDIT, Side.DEBIT)
            legs = tuple(
                Posting(name, side, abs(change)) for name, side in zip((self.account, self.contra), sides, strict=True)
            )
            day = FIRST + timedelta(days=self.random.randint(0, 14))
            when = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            self.seqs += 1
            entry_key = key(self.number * 1000 + self.seqs)
            entries.append(NewEntry(entry_key, legs, settlement_id=self.reference(), effective_at=when))
            self.posted += change
        assert all(result.code.text == "posted" for result in self.writer.post(entries))

    def receive(self) -> None:
        first = FIRST + timedelta(days=5 * self.statements)
        self.statements += 1
        name = f"S{self.statements}"
        records = []
        for place in range(1, self.random.randint(0, 6) + 1):
            day = first + timedelta(days=self.random.randint(0, 4))
            references = tuple({self.reference()} - {""})
            records.append(ExternalRecord(f"{name}#{place}", place, self.change(), day, day, references, "somebody"))
        total = sum(record.change for record in records)
        statement = ExternalStatement(
            self.account,
            "EUR",
            name,
            first,
            first + timedelta(days=4),
            self.received,
            self.received + total,
            tuple(records),
        )
        self.received += total
        digest = hashlib.sha256(f"{self.account} {name}".encode()).digest()
        file = StatementFile(digest, "mt940", (statement,))
        assert import_statement_file(self.connection, file, actor="a", now=START).new_records == len(records)

    def run(self) -> None:
        before = {match.id: match for match in list_matches(self.connection, account=self.account, count_max=1000)}
        run_reconciliation(self.connection, RULES, actor="a", now=START, accounts=[self.account])
        after = {match.id: match for match in list_matches(self.connection, account=self.account, count_max=1000)}
        assert before.items() <= after.items()
        again = run_reconciliation(self.connection, RULES, actor="a", now=START, accounts=[self.account])
        assert again.run is None

    def decide(self) -> None:
        waiting = list_exceptions(self.connection, account=self.account, count_max=1000)
        if waiting and self.random.random() < 0.7:
            self._decide(self.random.choice(waiting).id, Decision.EXPLAINED)
        equal = [item.id for item in waiting if item.difference == 0 and item.records]
        if equal and self.random.random() < 0.5:
            item = self.random.choice(equal)
            if item in {other.id for other in list_exceptions(self.connection, account=self.account)}:
                self._decide(item, Decision.MATCHED_BY_HAND)
        self._write_off()
        decided = list_exceptions(self.connection, account=self.account, states=DECIDED, count_max=1000)
        if decided and self.random.random() < 0.3:
            self._decide(self.random.choice(decided).id, Decision.REOPENED)
        matches = list_matches(self.connection, account=self.account)
        found = [match for match in matches if match.run is not None]
        if found and self.random.random() < 0.3:
            take_apart(self.connection, self.random.choice(found).id, actor="a", reason="r", now=START)

    def _write_off(self) -> None:
        """Try to write an exception off by any posting of its amount, whatever else holds that posting."""
        waiting = list_exceptions(self.connection, account=self.account, states=WAITING, count_max=1000)
        seqs = {
            change: seq
            for seq, change in self.connection.execute(
                "SELECT seq, CASE side WHEN 1 THEN amount ELSE -amount END FROM ledger.posting_view WHERE account = %s",
                (self.account,),
            )
        }
        for item in waiting:
            if item.difference in seqs and self.random.random() < 0.5:
                with suppress(ConflictError):
                    self._decide(item.id, Decision.WRITTEN_OFF, entry_seq=seqs[item.difference])

    def _decide(self, exception: int, decision: Decision, **more: Any) -> None:
        decide_exceptions(self.connection, [exception], decision, actor="a", reason="r", now=START, **more)

    def check(self) -> None:
        matches = list_matches(self.connection, account=self.account, count_max=1000)
        waiting = list_exceptions(self.connection, account=self.account, states=WAITING, count_max=1000)
        records = Counter(record for place in (*matches, *waiting) for record in place.records)
        postings = Counter(posting for place in (*matches, *waiting) for posting in place.postings)
        stored = self.connection.execute(
            "SELECT record.id FROM ledger.external_record AS record JOIN ledger.account ON account.id = account_id"
            " WHERE account.reference = %s",
            (self.account,),
        ).fetchall()
        assert records == Counter(id_ for (id_,) in stored)
        covered = self.connection.execute(
            "SELECT seq, number FROM ledger.posting_view WHERE account = %s AND effective_at < %s",
            (self.account, datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=5 * self.statements)),
        ).fetchall()
        assert max(postings.values(), default=1) == 1
        assert set(postings) >= {(seq, number) for seq, number in covered}
        if self.statements == 3:
            # All days are covered now: what waits, and what tolerances let pass, is the whole difference.
            explained = sum(match.difference for match in matches) + sum(item.difference for item in waiting)
            assert explained == self.received - self.posted


@pytest.mark.parametrize("seeds", [range(10), range(10, 20)], ids=["first", "second"])
def test_whatever_arrives_everything_stands_somewhere_once(database_url: str, seeds: range) -> None:
    with open_writer(database_url) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        for seed in seeds:
            world = World(seed, writer, connection)
            for _ in range(3):
                world.post()
                world.receive()
                world.run()
                world.check()
                world.decide()
            world.post()
            world.run()
            world.check()
