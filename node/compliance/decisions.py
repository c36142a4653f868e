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
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.account_columns import exact_total
from ledger.canonical import field
from ledger.copy_rows import cut
from ledger.decision import AcceptedEntries, Debits, Decisions
from ledger.errors import InvalidValueError
from ledger.journal import EPOCH, Outcome, microseconds
from ledger.money import AMOUNT_MAX
from ledger.script import Executes
from node.compliance.rules import RuleSet
from node.compliance.store import DecisionColumns, StoredDecision, insert_decisions

DOMAIN_TAG = b"dwaybank.node/decision"
VERSION = 1
ID_BYTES = 16
SALT_BYTES = 32

_PREFIX = field(DOMAIN_TAG) + field(bytes([VERSION])) + b"\x00\x10"
_DRAWN_BYTES = ID_BYTES + SALT_BYTES
_OUTCOME_FIELDS = {outcome: field(bytes([outcome])) for outcome in Outcome}


class Record(NamedTuple):
    """What the records of a batch hold beside its decisions (``ledger.decision.Decisions.record``).

    Args:
        worths: of each entry in minor units of the reporting currency; 0 where none could be had.
        salts: 32 random bytes for each, joined; destroying one makes its leaf say nothing.
    """

    worths: npt.NDArray[np.int64]
    salts: bytes


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


class DecisionRecord(NamedTuple):
    """What a decision record tells.

    Args:
        decision_id: 16 bytes.
        entry_key: idempotency key of the entry.
        outcome: what was decided.
        rules_hash: version of the rules, 32 bytes.
        decided_at: UTC.
        reporting_currency: its code.
        worth: of the entry in minor units of that currency; None where none could be had.
    """

    decision_id: bytes
    entry_key: uuid.UUID
    outcome: Outcome
    rules_hash: bytes
    decided_at: datetime
    reporting_currency: str
    worth: int | None


def decode_decision(canonical: bytes) -> DecisionRecord:
    """Return what a canonical decision record tells, if it is one, byte for byte.

    Raises:
        InvalidValueError: it is none.
    """
    tail, fields = canonical.removeprefix(_PREFIX[:-2]), []
    while tail:
        end = 2 + int.from_bytes(tail[:2], "big")
        fields.append(tail[2:end])
        tail = tail[end:]
    try:
        decision_id, key, outcome, rules_hash, time, currency, worth = fields
        found = DecisionRecord(
            decision_id,
            uuid.UUID(bytes=key),
            Outcome(int.from_bytes(outcome, "big")),
            rules_hash,
            EPOCH + timedelta(microseconds=int.from_bytes(time, "big", signed=True)),
            currency.decode("ascii"),
            int.from_bytes(worth, "big") if worth else None,
        )
        shared = field(rules_hash) + field(time) + field(currency)
        same = encode_decision(decision_id, key, found.outcome, shared, found.worth) == canonical
    except (ValueError, OverflowError) as error:
        raise InvalidValueError("decision record", canonical[:16], "is no record of version 1") from error
    if not same or len(decision_id) != ID_BYTES or len(rules_hash) != 32 or len(time) != 8:
        raise InvalidValueError("decision record", canonical[:16], "is no record of version 1")
    return found


def decision_leaf(salt: bytes, canonical: bytes) -> bytes:
    """Return the RFC 6962 leaf hash of a decision record: SHA-256(0x00 ‖ salt ‖ canonical)."""
    return hashlib.sha256(b"\x00" + salt + canonical).digest()


def worths_of(rules: RuleSet, debits: Debits) -> npt.NDArray[np.int64]:
    """Return the worth of each entry in minor units of the reporting currency; 0 where none could be had."""
    starts = np.flatnonzero(np.diff(debits.entry, prepend=-1))
    if all(map(rules.is_reporting, debits.assets)) and exact_total(debits.amount) <= AMOUNT_MAX // 2:
        totals: npt.NDArray[np.int64] = np.add.reduceat(debits.amount, starts)
        return totals
    worths = []
    for start, end in pairwise([*starts.tolist(), len(debits.entry)]):
        listed = zip(debits.asset[start:end].tolist(), debits.amount[start:end].tolist(), strict=True)
        worths.append(rules.reporting_amount([(debits.assets[asset], amount) for asset, amount in listed]) or 0)
    return np.array(worths, np.int64)


class ComplianceDecider:
    """The rules as the writer of the books calls them (``ledger.decision.Decider``).

    Args:
        rules: the rules that hold.
        random_bytes: source of ids and salts.
    """

    def __init__(self, rules: RuleSet, random_bytes: Callable[[int], bytes]) -> None:
        self.rules = rules
        self._random_bytes = random_bytes

    def decide(self, entries: AcceptedEntries, now: datetime) -> Decisions:
        """Return one decision for each entry, in order."""
        count = len(entries)
        drawn = np.frombuffer(self._random_bytes(_DRAWN_BYTES * count), np.uint8).reshape(count, _DRAWN_BYTES)
        ids, salts = drawn[:, :ID_BYTES].tobytes(), drawn[:, ID_BYTES:].tobytes()
        worths = worths_of(self.rules, entries.debits)
        outcomes = self.rules.judge_all(worths)
        shared = shared_fields(self.rules, microseconds(now))
        leaves = b"".join(_leaves(entries.keys, ids, salts, outcomes, shared, worths))
        return Decisions(ids, outcomes.tobytes(), leaves, Record(worths, salts))

    def in_commit(self, script: Executes, accepted: AcceptedEntries, now: datetime) -> None:
        """Write the decision records in the entries' own database transaction."""
        decisions = accepted.decisions
        worths, salts = decisions.record
        seqs = np.arange(accepted.first_seq, accepted.first_seq + len(accepted))
        rows = DecisionColumns(seqs, decisions.ids, decisions.outcomes, worths, salts, decisions.leaves)
        insert_decisions(script, self.rules, now, rows)


def _leaves(
    keys: bytes,
    ids: bytes,
    salts: bytes,
    outcomes: npt.NDArray[np.uint8],
    shared: bytes,
    worths: npt.NDArray[np.int64],
) -> Iterator[bytes]:
    """Yield the leaf of each record: ``decision_leaf`` of ``encode_decision``, laid out for all at once."""
    form = np.dtype(
        [
            ("zero", "u1"), ("salt", f"V{SALT_BYTES}"), ("prefix", f"V{len(_PREFIX)}"), ("id", f"V{ID_BYTES}"),
            ("key_length", ">u2"), ("key", "V16"), ("outcome_length", ">u2"), ("outcome", "u1"),
            ("shared", f"V{len(shared)}"), ("worth_length", ">u2"), ("worth", ">i8"),
        ]
    )  # fmt: skip
    records = np.zeros(len(outcomes), form)
    for name, joined in (("salt", salts), ("id", ids), ("key", keys)):
        records[name] = np.frombuffer(joined, form[name])
    records["prefix"], records["shared"] = np.void(_PREFIX), np.void(shared)
    records["key_length"], records["outcome_length"] = 16, 1
    records["outcome"] = outcomes
    records["worth_length"] = np.where(worths > 0, 8, 0)
    records["worth"] = worths
    for record, worth in zip(cut(records), worths.tolist(), strict=True):
        yield hashlib.sha256(record if worth else record[:-8]).digest()


def encode_stored(stored: StoredDecision, rules: RuleSet) -> bytes:
    """Return the canonical form of a stored record; its leaf differs from the stored one where it was changed."""
    shared = shared_fields(rules, microseconds(stored.decided_at))
    key, outcome = uuid.UUID(stored.entry_key).bytes, Outcome(stored.outcome)
    return encode_decision(stored.decision_id, key, outcome, shared, stored.reporting_amount_minor)
