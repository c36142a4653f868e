"""Schema ``compliance``: decision records, the rules behind them, epochs as built.

Writing happens in the posting commit only (:func:`insert_decisions`), and when an epoch is built. Calls block; services
run them in threads. No row is ever changed or removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from ledger import pack
from ledger.migrate import apply_migrations
from ledger.script import Executes
from node.compliance.errors import DecisionStoreError
from node.compliance.rules import RuleSet

_POOL_SIZE = 2


class DecisionColumns(NamedTuple):
    """Records to be written, by columns; ids (16), outcomes (1), salts and leaves (32 bytes each) are joined.

    Args:
        seqs: numbers of the entries.
        worths: in the reporting currency; 0 for none.
    """

    seqs: npt.NDArray[np.int64]
    ids: bytes
    outcomes: bytes
    worths: npt.NDArray[np.int64]
    salts: bytes
    leaves: bytes


@dataclass(frozen=True, slots=True)
class EpochLeaf:
    """What an epoch needs of one decision."""

    seq: int
    outcome: int
    rule_set_id: int
    decision_id: bytes
    leaf: bytes


@dataclass(frozen=True, slots=True)
class BuiltEpoch:
    """An epoch as it was built."""

    number: int
    from_seq: int
    to_seq: int
    root: bytes
    rules_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """One decision record in full.

    Args:
        seq: the entry's number.
        decision_id: its random id.
        entry_key: the entry's idempotency key, as text.
        outcome: number of the outcome.
        rules_text: canonical JSON of the rules that decided.
        reporting_amount_minor: worth of the entry; None where none could be had.
        decided_at: time of the decision, which is the entry's.
        salt: of the leaf.
        leaf: as recorded.
    """

    seq: int
    decision_id: bytes
    entry_key: str
    outcome: int
    rules_text: str
    reporting_amount_minor: int | None
    decided_at: datetime
    salt: bytes
    leaf: bytes


def migrate(connection: psycopg.Connection[Any]) -> None:
    """Bring schema ``compliance`` up to date; schema ``ledger`` must be so already."""
    apply_migrations(connection, "compliance", files("node.compliance") / "sql" / "migrations")


@cache
def statement(name: str) -> bytes:
    """Return the text of ``sql/queries/<name>.sql``."""
    return (files("node.compliance") / "sql" / "queries" / f"{name}.sql").read_bytes()


def insert_decisions(script: Executes, rules: RuleSet, decided_at: datetime, rows: DecisionColumns) -> None:
    """Write decision records, and their rules where new, with one statement inside the caller's transaction.

    Args:
        script: of the posting commit, on a connection that knows packed arrays (``pack.register``).
        rules: the rules that decided all of them.
        decided_at: time of the decisions.
        rows: in the order of their entries.
    """
    columns = (
        pack.pack_int8(rows.seqs),
        pack.pack_uuids(rows.ids),
        pack.pack_int2(np.frombuffer(rows.outcomes, np.uint8)),
        # The function reads 0, which is no entry's worth, as null.
        pack.pack_int8(rows.worths),
        pack.pack_hashes(rows.salts),
        pack.pack_hashes(rows.leaves),
    )
    script.execute(statement("record_decisions"), (rules.hash, rules.text, decided_at, *columns), prepare=True)


class ComplianceStore:
    """A few pooled connections to the decision records.

    Args:
        url: the organization's database.
    """

    def __init__(self, url: str) -> None:
        self._pool: ConnectionPool[psycopg.Connection[tuple[Any, ...]]] = ConnectionPool(
            url,
            min_size=1,
            max_size=_POOL_SIZE,
            open=False,
            timeout=10,
            kwargs={"options": "-c application_name=dwaybank-compliance -c jit=off"},
        )

    def open(self) -> None:
        """Connect; calls may follow."""
        self._pool.open()

    def close(self) -> None:
        """Give every connection back."""
        self._pool.close()

    def leaves(self, from_seq: int, to_seq: int) -> list[EpochLeaf]:
        """Return what epochs need of the decisions in a range, by seq."""
        rows = self._fetch("leaves", {"from_seq": from_seq, "to_seq": to_seq})
        return [EpochLeaf(seq, outcome, rules, key.bytes, bytes(leaf)) for seq, outcome, rules, key, leaf in rows]

    def rules_hash(self, rule_set_id: int) -> bytes:
        """Return the hash of the rules with this number."""
        return bytes(self._fetch("rule_set", {"id": rule_set_id})[0][0])

    def epoch(self, number: int) -> BuiltEpoch | None:
        """Return an epoch that was built before."""
        for found, first, last, root, rules_hash in self._fetch("epoch", {"number": number}):
            return BuiltEpoch(found, first, last, bytes(root), bytes(rules_hash))
        return None

    def epoch_of_entry(self, seq: int) -> int | None:
        """Return the number of the epoch built over an entry's decision."""
        rows = self._fetch("epoch_of_entry", {"seq": seq})
        return int(rows[0][0]) if rows else None

    def put_epoch(self, number: int, from_seq: int, to_seq: int, root: bytes, rule_set_id: int) -> None:
        """Keep an epoch, so that a retry sends the same."""
        self._fetch(
            "put_epoch",
            {"number": number, "from_seq": from_seq, "to_seq": to_seq, "root": root, "rule_set_id": rule_set_id},
        )

    def decision(self, seq: int) -> StoredDecision | None:
        """Return the decision record of an entry, in full."""
        for row in self._fetch("decision", {"seq": seq}):
            found, key, entry_key, outcome, text, amount, decided_at, salt, leaf = row
            return StoredDecision(
                found, key.bytes, entry_key, outcome, text, amount, decided_at, bytes(salt), bytes(leaf)
            )
        return None

    def flagged_seq(self, decision_id: bytes) -> int | None:
        """Return the entry behind a flagged record's random id; None where the books are another's."""
        rows = self._fetch("flagged", {"decision_id": decision_id.hex()})
        return int(rows[0][0]) if rows else None

    def violations(self, count: int = 100) -> list[tuple[int, str]]:
        """Return entries and decisions that do not fit together, first ones first; empty when all is well."""
        return [(int(seq), str(text)) for seq, text in self._fetch("violations", {"count": count})]

    def _fetch(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        try:
            with self._pool.connection() as connection:
                cursor = connection.execute(statement(name), parameters)
                return cursor.fetchall() if cursor.description is not None else []
        except (psycopg.Error, PoolTimeout) as error:
            reason = str(error).strip().split("\n")[0]
            raise DecisionStoreError(f"the database refused a statement of the decision records: {reason}") from error
