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
_OUTCOME_FIELDS = {outcome: field(bytes([outcome])) for outcome in Outcome}


class Record(NamedTuple):
    """What the record of a decision holds beside it (``ledger.journal.Decision.record``).

    Args:
        reporting_amount_minor: worth of the entry in the reporting currency; None where none could be had.
        salt: 32 random bytes; destroying them makes the leaf say nothing.
    """

    reporting_amount_minor: int | None
    salt: bytes


def shared_fields(rules: RuleSet, decided_at_us: int) -> bytes:
    """Return the fields that all decisions of one batch have in common: rules hash, time, reporting currency."""
    time = decided_at_us.to_bytes(8, "big", signed=True)
    return field(rules.hash) + field(time) + field(rules.reporting_currency.encode("ascii"))


def encode_decision(
    decision_id: bytes, entry_key: bytes, outcome: Outcome, shared: bytes, reporting_amount_minor: int | None
) -> bytes:
    """Return the canonical form of a decision record.

    Args:
        decision_id: 16 random bytes.
        entry_key: the entry's idempotency key, 16 bytes.
        outcome: what was decided.
        shared: ``shared_fields`` of the rules and the time.
        reporting_amount_minor: None for absent.
    """
    amount = b"\x00\x00" if reporting_amount_minor is None else b"\x00\x08" + reporting_amount_minor.to_bytes(8, "big")
    return b"".join((_PREFIX, decision_id, b"\x00\x10", entry_key, _OUTCOME_FIELDS[outcome], shared, amount))


def decision_leaf(salt: bytes, canonical: bytes) -> bytes:
    """Return the RFC 6962 leaf hash of a decision record: SHA-256(0x00 ‖ salt ‖ canonical)."""
    return hashlib.sha256(b"\x00" + salt + canonical).digest()


def decide(entry: NewEntry, accounts: Sequence[AccountFacts], rules: RuleSet, shared: bytes, drawn: bytes) -> Decision:
    """Decide one entry.

    Args:
        entry: what is to be posted.
        accounts: the facts of its postings' accounts, in their order.
        rules: the rules that hold now.
        shared: ``shared_fields`` of them.
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
    canonical = encode_decision(decision_id, entry.key.bytes, outcome, shared, amount)
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
        shared = shared_fields(self.rules, microseconds(now))
        return [
            decide(entry, facts, self.rules, shared, drawn[start : start + _DRAWN_BYTES])
            for entry, facts, start in zip(entries, accounts, range(0, len(drawn), _DRAWN_BYTES), strict=True)
        ]

    def in_commit(self, cursor: psycopg.Cursor[Any], accepted: Sequence[AcceptedEntry], now: datetime) -> None:
        """Write the decision records in the entries' own database transaction."""
        insert_decisions(cursor, self.rules, now, [_record(entry) for entry in accepted])


def _record(entry: AcceptedEntry) -> tuple[int, bytes, int, int | None, bytes, bytes]:
    decision = entry.decision
    amount, salt = decision.record
    return entry.seq, decision.id, decision.outcome, amount, salt, decision.leaf


def encode_stored(stored: StoredDecision, rules: RuleSet) -> bytes:
    """Return the canonical form of a stored record; its leaf differs from the stored one where it was changed."""
    shared = shared_fields(rules, microseconds(stored.decided_at))
    key, outcome = uuid.UUID(stored.entry_key).bytes, Outcome(stored.outcome)
    return encode_decision(stored.decision_id, key, outcome, shared, stored.reporting_amount_minor)
