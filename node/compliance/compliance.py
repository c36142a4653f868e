"""The compliance part of a node: wires rules, decision records and epochs together."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path

from node.compliance.decisions import ComplianceDecider, encode_stored
from node.compliance.epochs import EpochBuilder
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

    def decision_record(self, seq: int) -> bytes | None:
        """Return the leaf data (salt and record) of an entry's decision; None where there is none."""
        stored = self._store.decision(seq)
        if stored is None:
            return None
        rules = json.loads(stored.rules_text)
        del rules["version"]
        return stored.salt + encode_stored(stored, parse_rules(rules))
