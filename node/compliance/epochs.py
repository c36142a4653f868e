"""Epochs: runs of decisions that the shared ledger anchors under one root.

Rules:

- an epoch covers entries without a gap, all decided by the same rules, with at most ``FLAGS_MAX`` flagged;
- its root is the RFC 6962 root over the decision leaves in order of their entries;
- it is built once: a retry after a crash sends exactly what was sent before;
- what leaves the bank are the root, counts, the rules' hash and the random ids of flagged decisions; nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.journal import Outcome
from network import merkle
from node.compliance.errors import EpochError
from node.compliance.store import BuiltEpoch, ComplianceStore, EpochLeaf

FLAGS_MAX = 10_000
"""Flags the contract takes in one epoch."""

ENTRIES_MAX = 100_000
"""Entries of one epoch: bounds memory and the time to build it."""


@dataclass(frozen=True, slots=True)
class DecisionProof:
    """That a decision's leaf stands in an epoch.

    Args:
        epoch: number of the epoch.
        index: the leaf's place in it, from 0.
        size: leaves of the epoch.
        leaf: the decision's leaf.
        path: inclusion proof, lowest sibling first.
        root: root it leads to.
    """

    epoch: int
    index: int
    size: int
    leaf: bytes
    path: tuple[bytes, ...]
    root: bytes


class EpochBuilder:
    """Builds epochs for the anchorer, and proofs from them. Calls block.

    Args:
        store: decision records.
    """

    def __init__(self, store: ComplianceStore) -> None:
        self._store = store

    def build_epoch(self, number: int, from_seq: int, to_seq: int) -> dict[str, Any]:
        """Return epoch ``number`` from ``from_seq`` to at most ``to_seq``, as ``compliance:AnchorEpoch`` takes it.

        Args:
            number: one more than the last epoch on the shared ledger.
            from_seq: one more than the last entry it covers.
            to_seq: last entry the epoch may cover; the epoch may end before.
        Raises:
            EpochError: the range is empty, a decision is missing, or this epoch was built over another range.
        """
        built = self._store.epoch(number)
        if built is None:
            built = self._build(number, from_seq, to_seq)
        elif built.from_seq != from_seq:
            raise EpochError(
                f"epoch {number} was built from entry {built.from_seq}, but the shared ledger expects {from_seq}: "
                "this database belongs to another channel, or was restored from an old copy"
            )
        return _as_argument(built, self._read(built.from_seq, built.to_seq))

    def prove(self, seq: int) -> DecisionProof:
        """Return the proof that the decision of an entry stands in its epoch.

        Raises:
            EpochError: no epoch covers the entry yet, or the records no longer lead to the epoch's root.
        """
        number = self._store.epoch_of_entry(seq)
        built = self._store.epoch(number) if number is not None else None
        if built is None:
            raise EpochError(f"no epoch covers entry {seq} yet; ask again once it is anchored")
        leaves = [item.leaf for item in self._read(built.from_seq, built.to_seq)]
        if merkle.root(leaves) != built.root:
            raise EpochError(f"the decision records of epoch {built.number} no longer lead to its root")
        index = seq - built.from_seq
        path = tuple(merkle.inclusion_proof(leaves, index))
        return DecisionProof(built.number, index, len(leaves), leaves[index], path, built.root)

    def _build(self, number: int, from_seq: int, to_seq: int) -> BuiltEpoch:
        if to_seq < from_seq:
            raise EpochError(f"epoch {number} would be empty: entries {from_seq} to {to_seq}")
        decisions = _cut(self._read(from_seq, min(to_seq, from_seq + ENTRIES_MAX - 1)))
        root = merkle.root([item.leaf for item in decisions])
        rule_set_id = decisions[0].rule_set_id
        self._store.put_epoch(number, from_seq, decisions[-1].seq, root, rule_set_id)
        return BuiltEpoch(number, from_seq, decisions[-1].seq, root, self._store.rules_hash(rule_set_id))

    def _read(self, from_seq: int, to_seq: int) -> list[EpochLeaf]:
        decisions = self._store.leaves(from_seq, to_seq)
        for expected, item in enumerate(decisions, from_seq):
            if item.seq != expected:
                raise EpochError(f"entry {expected} has no decision record")
        if len(decisions) != to_seq - from_seq + 1:
            raise EpochError(f"entry {from_seq + len(decisions)} has no decision record")
        return decisions


def _cut(decisions: Sequence[EpochLeaf]) -> Sequence[EpochLeaf]:
    """Return the longest beginning with one rule set and no more flags than the contract takes."""
    flags = 0
    for count, item in enumerate(decisions):
        flags += item.outcome == Outcome.REQUIRES_MANUAL_REVIEW
        if item.rule_set_id != decisions[0].rule_set_id or flags > FLAGS_MAX:
            return decisions[:count]
    return decisions


def _as_argument(built: BuiltEpoch, decisions: Sequence[EpochLeaf]) -> dict[str, Any]:
    flags = [item.decision_id.hex() for item in decisions if item.outcome == Outcome.REQUIRES_MANUAL_REVIEW]
    return {
        "epoch": built.number,
        "from_seq": built.from_seq,
        "to_seq": built.to_seq,
        "root": base64.b64encode(built.root).decode("ascii"),
        "counts": {
            Outcome.AUTOMATED_APPROVAL.text: len(decisions) - len(flags),
            Outcome.REQUIRES_MANUAL_REVIEW.text: len(flags),
        },
        "rules_hash": built.rules_hash.hex(),
        "flags": flags,
    }
