"""The compliance part of a node: wires rules, decision records and epochs together."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from node.compliance.decisions import ComplianceDecider, encode_stored
from node.compliance.epochs import EpochBuilder
from node.compliance.errors import DecisionStoreError
from node.compliance.rules import load_rules, parse_rules
from node.compliance.store import ComplianceStore


class Compliance:
    """Rules as the writer calls them, epochs as the anchorer asks for them, records as proofs need them.

    Args:
        database_url: the organization's database; schema ``compliance`` is migrated already.
        rules_file: the rules that hold from this start on.
    """

    def __init__(self, database_url: str, rules_file: Path) -> None:
        self._store = ComplianceStore(database_url)
        self.decider = ComplianceDecider(load_rules(rules_file), secrets.token_bytes)
        self.epochs = EpochBuilder(self._store)
        self.decisions = DecisionRecords(self._store)

    async def start(self) -> None:
        """Connect."""
        await asyncio.to_thread(self._store.open)

    async def stop(self) -> None:
        """Give the connections back."""
        await asyncio.to_thread(self._store.close)


class DecisionRecords:
    """Decisions as their leaves commit to them. Calls block."""

    def __init__(self, store: ComplianceStore) -> None:
        self._store = store

    def violations(self) -> list[tuple[int, str]]:
        """Return entries and decisions that do not fit together, with what is wrong."""
        return self._store.violations()

    def decision_leaves(self, from_seq: int, to_seq: int) -> list[bytes]:
        """Return the leaves of the decisions of a range of entries, in order.

        Raises:
            DecisionStoreError: one of them is missing.
        """
        found = self._store.leaves(from_seq, to_seq)
        if [each.seq for each in found] != list(range(from_seq, to_seq + 1)):
            raise DecisionStoreError(f"decisions of entries {from_seq} to {to_seq} are missing: audit the books")
        return [each.leaf for each in found]

    def seqs_of_flagged(self, decision_ids: Sequence[bytes]) -> dict[bytes, int]:
        """Return the numbers of the entries behind flagged decisions, as far as they are the own books'."""
        found = {number: self._store.flagged_seq(number) for number in decision_ids}
        return {number: seq for number, seq in found.items() if seq is not None}

    def decision_record(self, seq: int) -> bytes | None:
        """Return the leaf data (salt and record) of an entry's decision; None where there is none."""
        stored = self._store.decision(seq)
        if stored is None:
            return None
        rules = json.loads(stored.rules_text)
        del rules["version"]
        return stored.salt + encode_stored(stored, parse_rules(rules))
