"""Decisions: one for each entry, made before posting, recorded in the entry's own commit.

The canonical form of a decision record, version 1, is the ledger's manner: every field is 2 big-endian bytes of length,
then its bytes. Fields: tag, version (1), decision id (16), entry key (16), outcome (1), rules hash (32), decided at (8,
microseconds since 1970 UTC), reporting currency, reporting amount (8, minor units; absent where none could be had).

The leaf is the RFC 6962 leaf hash of ``salt ‖ canonical``. It stands in the entry's own canonical form, so a decision
can neither be exchanged nor moved to another entry; and in the epoch that the shared ledger anchors.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from ledger.account import AccountFacts, Side
from ledger.canonical import field
from ledger.journal import AcceptedEntry, Decision, NewEntry, Outcome, microseconds
from node.compliance.rules import RuleSet
from node.compliance.store import StoredDecision, insert_decisions

DOMAIN_TAG = b"dwaybank.node/decision"
VERSION = 1
ID_BYTES = 16
SALT_BYTES = 32

_PREFIX = field(DOMAIN_TAG) + field(bytes([VERSION])) + b"\x00\x10"
_DRAWN_BYTES = ID_BYTES + SALT_BYTES


class Record(NamedTuple):
    """What the record of a decision holds beside it (``ledger.journal.Decision.record``).

    Args:
        reporting_amount_minor: worth of the entry in the reporting currency; None where none could be had.
        salt: 32 random bytes; destroying them makes the leaf say nothing.
    """

    reporting_amount_minor: int | None
    salt: bytes


def encode_decision(
    decision_id: bytes,
    entry_key: bytes,
    outcome: int,
    rules: RuleSet,
    decided_at_us: int,
    reporting_amount_minor: int | None,
) -> bytes:
    """Return the canonical form of a decision record.

    Args:
        decision_id: 16 random bytes.
        entry_key: the entry's idempotency key, 16 bytes.
        outcome: number of the outcome.
        rules: the rules that decided.
        decided_at_us: microseconds since 1970 UTC.
        reporting_amount_minor: None for absent.
    """
    amount = b"" if reporting_amount_minor is None else reporting_amount_minor.to_bytes(8, "big")
    return b"".join(
        (
            _PREFIX,
            decision_id,
            field(entry_key),
            field(bytes([outcome])),
            field(rules.hash),
            field(decided_at_us.to_bytes(8, "big", signed=True)),
            field(rules.reporting_currency.encode("ascii")),
            field(amount),
        )
    )


def decision_leaf(salt: bytes, canonical: bytes) -> bytes:
    """Return the RFC 6962 leaf hash of a decision record: SHA-256(0x00 ‖ salt ‖ canonical)."""
    return hashlib.sha256(b"\x00" + salt + canonical).digest()


def decide(
    entry: NewEntry, accounts: Sequence[AccountFacts], rules: RuleSet, decided_at_us: int, drawn: bytes
) -> Decision:
    """Decide one entry.

    Args:
        entry: what is to be posted.
        accounts: the facts of its postings' accounts, in their order.
        rules: the rules that hold now.
        decided_at_us: microseconds since 1970 UTC.
        drawn: 48 random bytes, for id and salt.
    """
    debits = [
        (account.asset, posting.amount)
        for posting, account in zip(entry.postings, accounts, strict=True)
        if posting.side is Side.DEBIT
    ]
    amount = rules.reporting_amount(debits)
    outcome = rules.judge(amount)
    decision_id, salt = drawn[:ID_BYTES], drawn[ID_BYTES:]
    canonical = encode_decision(decision_id, entry.key.bytes, outcome, rules, decided_at_us, amount)
    return Decision(decision_id, outcome, decision_leaf(salt, canonical), Record(amount, salt))


class ComplianceDecider:
    """The rules as the writer of the books calls them (``ledger.journal.Decider``).

    Args:
        rules: the rules that hold.
        random_bytes: source of ids and salts.
    """

    def __init__(self, rules: RuleSet, random_bytes: Callable[[int], bytes]) -> None:
        self.rules = rules
        self._random_bytes = random_bytes

    def decide(
        self, entries: Sequence[NewEntry], accounts: Sequence[Sequence[AccountFacts]], now: datetime
    ) -> list[Decision]:
        """Return one decision for each entry, in order."""
        drawn = self._random_bytes(_DRAWN_BYTES * len(entries))
        decided_at_us = microseconds(now)
        return [
            decide(entry, facts, self.rules, decided_at_us, drawn[start : start + _DRAWN_BYTES])
            for entry, facts, start in zip(entries, accounts, range(0, len(drawn), _DRAWN_BYTES), strict=True)
        ]

    def in_commit(self, cursor: psycopg.Cursor[Any], accepted: Sequence[AcceptedEntry], now: datetime) -> None:
        """Write the decision records in the entries' own database transaction."""
        insert_decisions(cursor, self.rules, now, [_record(entry) for entry in accepted])


def _record(entry: AcceptedEntry) -> tuple[int, bytes, int, int | None, bytes, bytes]:
    decision = entry.decision
    amount, salt = decision.record
    return entry.seq, decision.id, decision.outcome, amount, salt, decision.leaf


def recompute_leaf(stored: StoredDecision, rules: RuleSet) -> bytes:
    """Return the leaf that a stored record leads to today; another than its own means the record was changed."""
    canonical = encode_decision(
        stored.decision_id,
        uuid.UUID(stored.entry_key).bytes,
        Outcome(stored.outcome),
        rules,
        microseconds(stored.decided_at),
        stored.reporting_amount_minor,
    )
    return decision_leaf(stored.salt, canonical)
