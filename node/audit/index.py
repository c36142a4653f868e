"""The searchable index of the shared ledger's audit records, in the organization's own database."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

import structlog

from network.audit_record import record_key
from node.anchor.database import Database, run
from node.audit.pages import limit_of, read_place, split, whole, word
from node.audit.records import AuditRecord, BlockRecords

UNSTORED_BLOCKS_MAX = 500
"""Blocks without records that are read before the position is stored: what a crash may cost in reading again."""

CLOCK_AHEAD = timedelta(minutes=1)
"""How far a witness's clock may run ahead of this node's: verifiers bear some more, and refuse a whole bundle that has
a cosignature of a time to come. So that one member's wrong time spoils no other's proofs, such a one counts as none."""

logger = structlog.get_logger(__name__)

_PACKAGE = "node.audit"
NEWEST = (2**62, 2**30, "")
"""A place before all records: block, transaction, key."""

_ID_KINDS = ("flag", "review", "demand", "refusal", "finding")


class Position(NamedTuple):
    """How far the blocks were read."""

    next_block: int
    block_hash: bytes
    commit_hash: bytes


_BEGIN = Position(0, b"", b"")


class AnchorSizes(NamedTuple):
    """How far an organization's log is on the shared ledger."""

    anchored: int
    attested: int


class Landmarks(NamedTuple):
    """Blocks that decide how others are judged, up to some block."""

    configs: tuple[int, ...]
    definitions: dict[str, tuple[tuple[int, int], ...]]
    """For each contract, block and position of the transactions that defined it, oldest first."""


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """What to search for; empty fields let everything through."""

    kind: str = ""
    organization: str = ""
    entry_seq: int = 0
    transaction_id: str = ""
    record_id: str = ""
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReviewState:
    """A flagged compliance decision and where it stands."""

    record_id: str
    organization: str
    status: str
    reviewer: str
    recorded_at: datetime


def counts_until(now: datetime) -> int:
    """Return up to which time a cosignature counts, POSIX seconds."""
    return int((now + CLOCK_AHEAD).timestamp())


class AuditIndex:
    """Audit records of the own peer's committed blocks. Calls block.

    The position in the database may lag behind the one told by :meth:`position`, over blocks that hold nothing for the
    index: after a crash they are read again, and again there is nothing in them.

    Args:
        now: the clock, UTC.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._position: Position | None = None
        self._stored_next = 0
        self._first_read = Lock()

    def position(self) -> Position:
        """Return how far the blocks were read."""
        with self._first_read:
            if self._position is None:
                rows = self._fetch("position")
                self._position = Position(rows[0][0], bytes(rows[0][1]), bytes(rows[0][2])) if rows else _BEGIN
                self._stored_next = self._position.next_block
            return self._position

    def skip(self, found: BlockRecords) -> bool:
        """Move past a block that holds nothing, without asking the database; False when it must be applied."""
        if found.records or found.landmarks or self._position is None:
            return False
        if found.number + 1 - self._stored_next >= UNSTORED_BLOCKS_MAX:
            return False
        self._position = _after(found)
        return True

    def apply(self, found: BlockRecords) -> None:
        """Add one block's records; the position moves in the same database transaction."""
        with self._database.transaction() as connection:
            for item in found.records:
                row = (
                    item.block_number, item.tx_number, item.namespace, item.key, item.kind, item.organization,
                    item.transaction_id, item.recorded_at, item.from_seq, item.to_seq, item.signer, item.body,
                )  # fmt: skip
                if not run(connection, "put_record", row, _PACKAGE):
                    logger.warning("audit_record_written_again", block=item.block_number, key=item.key)
            for mark in found.landmarks:
                run(connection, "put_landmark", (found.number, mark.tx_number, mark.kind, mark.name), _PACKAGE)
            run(connection, "put_position", _after(found), _PACKAGE)
        self._position = _after(found)
        self._stored_next = found.number + 1

    def search(self, wanted: SearchFilter, page_size: int, page_token: str) -> tuple[list[AuditRecord], str]:
        """Return a page of records, newest first, and the token of the next page (empty for none).

        Raises:
            PageTokenError: the token is not one of ours.
        """
        limit = limit_of(page_size)
        block, tx, key = read_place(page_token, whole, whole, word) if page_token else NEWEST
        parameters = {
            "block": block,
            "tx": tx,
            "key": key,
            "kind": wanted.kind,
            "organization": wanted.organization,
            "transaction_id": wanted.transaction_id,
            "keys": _record_keys(wanted.record_id),
            "recorded_from": wanted.recorded_from,
            "recorded_to": wanted.recorded_to,
            "entry_seq": wanted.entry_seq,
            "limit": limit + 1,
        }
        records = [_record(row) for row in self._fetch("search_records", parameters)]
        return split(records, limit, lambda last: (last.block_number, last.tx_number, last.key))

    def record(self, key: str) -> AuditRecord | None:
        """Return the newest writing of a record."""
        return _first(self._fetch("record_by_key", (key,)))

    def checkpoint_covering(self, organization: str, seq: int) -> AuditRecord | None:
        """Return the oldest anchored head that covers an entry; one that another member cosigned, if there is one."""
        for attested in (True, False):
            asked = {"organization": organization, "seq": seq, "attested": attested, "until": self.until()}
            found = self._fetch("checkpoint_covering", asked)
            if found:
                return _record(found[0])
        return None

    def first_checkpoint_covering(self, organization: str, seq: int) -> AuditRecord | None:
        """Return the oldest anchored head that covers an entry, cosigned or not."""
        asked = {"organization": organization, "seq": seq, "attested": False, "until": 0}
        return _first(self._fetch("checkpoint_covering", asked))

    def checkpoint_up_to(self, organization: str, size: int) -> AuditRecord | None:
        """Return the newest anchored head of at most so many entries; one that another member cosigned, if any is."""
        for attested in (True, False):
            asked = {"organization": organization, "size": size, "attested": attested, "until": self.until()}
            found = self._fetch("checkpoint_up_to", asked)
            if found:
                return _record(found[0])
        return None

    def newest_checkpoints(self, but: str) -> list[AuditRecord]:
        """Return the newest anchored head of every organization other than ``but``."""
        return [_record(row) for row in self._fetch("newest_checkpoints", (but,))]

    def epoch_covering(self, organization: str, seq: int) -> AuditRecord | None:
        """Return the anchored epoch that covers an entry's decision."""
        return _first(self._fetch("epoch_covering", (organization, seq)))

    def decided_up_to(self, organization: str) -> int:
        """Return the number of the newest entry whose compliance decision is anchored; 0 for none."""
        return int(self._fetch("decided_up_to", (organization,))[0][0])

    def cosignatures(self, organization: str, size: int) -> list[AuditRecord]:
        """Return the cosignatures under one anchored head, but those of a time to come."""
        return [_record(row) for row in self._fetch("cosignatures", (organization, size, self.until()))]

    def anchor_sizes(self, organization: str) -> AnchorSizes:
        """Return how far an organization's log is anchored and attested."""
        return AnchorSizes(*self._fetch("anchor_sizes", (organization, organization, self.until()))[0])

    def checkpoint_count(self, organization: str) -> int:
        """Return how many heads an organization anchored."""
        return int(self._fetch("checkpoint_count", (organization,))[0][0])

    def landmarks(self, up_to: int) -> Landmarks:
        """Return the configuration blocks and contract definitions up to a block."""
        configs: list[int] = []
        definitions: dict[str, tuple[tuple[int, int], ...]] = {}
        for block, tx, kind, name in self._fetch("landmarks", (up_to,)):
            if kind == "config":
                configs.append(block)
            else:
                definitions[name] = (*definitions.get(name, ()), (block, tx))
        return Landmarks(tuple(configs), definitions)

    def reviews(self, organization: str, status: str, page_size: int, page_token: str) -> tuple[list[ReviewState], str]:
        """Return a page of flagged decisions by record id, and the token of the next page (empty for none)."""
        limit = limit_of(page_size)
        after = record_key("flag", page_token) if page_token else ""
        parameters = {"organization": organization, "status": status, "after": after, "limit": limit + 1}
        found = [_review(row) for row in self._fetch("reviews", parameters)]
        return found[:limit], found[limit - 1].record_id if len(found) > limit else ""

    def keep_review_reason(self, record_id: str, commitment: bytes, salt: bytes, reason: str) -> None:
        """Keep a reviewer's reason before its commitment is shown."""
        self._fetch("put_review_reason", (record_id, commitment, salt, reason))

    def until(self) -> int:
        """Return up to which time a cosignature counts now, POSIX seconds."""
        return counts_until(self._now())

    def _fetch(self, name: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        return self._database.fetch(name, parameters, _PACKAGE)


def _after(found: BlockRecords) -> Position:
    return Position(found.number + 1, found.block_hash, found.commit_hash)


def _record(row: Sequence[Any]) -> AuditRecord:
    return AuditRecord(*row)


def _first(rows: list[tuple[Any, ...]]) -> AuditRecord | None:
    return _record(rows[0]) if rows else None


def _review(row: Sequence[Any]) -> ReviewState:
    key, organization, body, reviewer, recorded_at = row
    status = str(json.loads(body)["status"])
    return ReviewState(key.partition("~")[2], organization, status, reviewer or "", recorded_at)


def _record_keys(record_id: str) -> list[str]:
    """Return the keys a record id may stand for: a whole key, or the id of a flag, review or demand."""
    if not record_id:
        return []
    return [record_id, *(record_key(kind, record_id) for kind in _ID_KINDS)]
