"""What other members disclosed to this organization, kept with its proof; and who looked at it, as a chain.

Rules:
- an entry is kept only after its bundle proved it; a later disclosure of the same entry says the same and is not kept;
- one that cannot be kept (an amount beyond what books hold, a zero character in a name) keeps no other from being kept;
- whoever is shown disclosed entries is written down before he sees them, with what he asked: each look's hash covers
  the one before, so that none can be taken out or changed unseen;
- nothing here is ever changed or removed by the node.

A look's hash: SHA-256 over the hash before (32 zero bytes at first) and the JSON text (keys sorted, no spaces, UTF-8)
of ``number``, ``looked_at`` (RFC 3339, UTC, microseconds), ``actor``, ``asked`` and ``shown``.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

import psycopg

from ledger.errors import InvalidValueError
from network.bundle import VerifiedEntry
from node.anchor.database import Connection, Database, run
from node.audit.errors import BadRequestError, UnknownEntryError
from node.compliance.decisions import SALT_BYTES, decode_decision

PAGE_SIZE = 100
NAME_LENGTH_MAX = 80

_PACKAGE = "node.audit"
_FIRST_HASH = bytes(32)
_LOOKING_LOCK = 0x100C


class Look(NamedTuple):
    """One look at disclosed entries.

    Args:
        number: from 1, without gap.
        looked_at: UTC.
        actor: who looked.
        asked: what was asked, JSON.
        shown: numbers of the entries shown, as ranges, by organization, JSON.
        hash: of this look and all before it.
    """

    number: int
    looked_at: datetime
    actor: str
    asked: str
    shown: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search that somebody gave a name.

    Args:
        search: JSON of the request.
    """

    name: str
    search: str
    saved_by: str
    saved_at: datetime


class DisclosedEntries:
    """Disclosed entries, looks and saved searches in the organization's own database. Calls block."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, demand_id: str, entries: Sequence[tuple[VerifiedEntry, bytes]], now: datetime) -> dict[int, str]:
        """Keep entries with the bundles that proved them, each on its own.

        Returns:
            By number, why an entry cannot be kept: a member may have anchored what no books hold.
        """
        unkept = {}
        with self._database.transaction() as connection, connection.transaction():
            for entry, bundle in entries:
                try:
                    with connection.transaction():
                        _keep_entry(connection, entry, demand_id, bundle, now)
                except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as error:
                    unkept[entry.seq] = str(error).split("\n", 1)[0]
        return unkept

    def bundle(self, organization: str, seq: int) -> bytes:
        """Return the bundle that proved an entry.

        Raises:
            UnknownEntryError: it was not disclosed.
        """
        rows = self._database.fetch("disclosed_bundle", (organization, seq), _PACKAGE)
        if not rows:
            raise UnknownEntryError(f"entry {seq} of {organization} was not disclosed to this organization: demand it")
        return zlib.decompress(rows[0][0])

    def note_look(self, actor: str, asked: Mapping[str, Any], shown: Sequence[tuple[str, int]], now: datetime) -> None:
        """Write down that somebody is about to see disclosed entries; nothing where there are none."""
        if not shown:
            return
        with self._database.transaction() as connection:
            # Whoever writes a look waits for the one before: each follows from exactly one.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOOKING_LOCK,))
            number, before = _last_look(connection)
            look = Look(number + 1, now, actor, _json(asked), _json(ranges_of(shown)), b"")
            run(connection, "put_look", (*look[:-1], look_hash(before, look)), _PACKAGE)

    def looks(self, before: int = 0, page_size: int = PAGE_SIZE) -> list[Look]:
        """Return a page of looks, newest first, that stand before a number; 0 begins with the newest."""
        rows = self._database.fetch("looks", {"before": before or 2**62, "limit": page_size}, _PACKAGE)
        return [Look(*row) for row in rows]

    def broken_look(self) -> int:
        """Return the number of the first look that does not follow from the one before it; 0 where all do."""
        expected, before = 1, _FIRST_HASH
        for look in self._looks_from_first():
            if look.number != expected or look.hash != look_hash(before, look):
                return expected
            expected, before = expected + 1, look.hash
        return 0

    def _looks_from_first(self) -> Iterator[Look]:
        after = 0
        while rows := self._database.fetch("looks_after", {"after": after, "limit": PAGE_SIZE}, _PACKAGE):
            yield from (Look(*row) for row in rows)
            after = rows[-1][0]

    def save_search(self, name: str, search: Mapping[str, Any], actor: str, now: datetime) -> None:
        """Give a search a name; one that has it is replaced.

        Raises:
            BadRequestError: the name cannot be used.
        """
        if not name or len(name) > NAME_LENGTH_MAX or not name.isprintable() or name != name.strip():
            raise BadRequestError(f"name: {name[:40]!r}: give 1 to {NAME_LENGTH_MAX} printable characters")
        self._database.fetch("put_saved_search", (name, _json(search), actor, now), _PACKAGE)

    def saved_searches(self) -> list[SavedSearch]:
        """Return all saved searches by name."""
        return [SavedSearch(*row) for row in self._database.fetch("saved_searches", (), _PACKAGE)]

    def drop_search(self, name: str) -> None:
        """Forget a saved search.

        Raises:
            UnknownEntryError: there is none of this name.
        """
        if not self._database.fetch("drop_saved_search", (name,), _PACKAGE):
            raise UnknownEntryError(f"no search is saved under {name[:40]!r}: list them first")


def look_hash(before: bytes, look: Look) -> bytes:
    """Return the hash of a look that follows another; the form stands above."""
    told = {
        "number": look.number,
        "looked_at": look.looked_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": look.actor,
        "asked": look.asked,
        "shown": look.shown,
    }
    return hashlib.sha256(before + _json(told).encode()).digest()


def ranges_of(entries: Sequence[tuple[str, int]]) -> dict[str, list[list[int]]]:
    """Return entries as ranges of numbers, both ends in, by organization."""
    found: dict[str, list[list[int]]] = {}
    for organization, numbered in groupby(sorted(set(entries)), key=lambda entry: entry[0]):
        ranges: list[list[int]] = []
        for _, seq in numbered:
            if ranges and ranges[-1][1] == seq - 1:
                ranges[-1][1] = seq
            else:
                ranges.append([seq, seq])
        found[organization] = ranges
    return found


def _keep_entry(connection: Connection, entry: VerifiedEntry, demand_id: str, bundle: bytes, now: datetime) -> None:
    if not run(connection, "put_disclosed_entry", _row(entry, demand_id, bundle, now), _PACKAGE):
        return
    for place, posting in enumerate(_fields(entry)["postings"]):
        row = (entry.organization, entry.seq, place, posting["account"], posting["asset"], posting["side"])
        run(connection, "put_disclosed_posting", (*row, int(posting["amount_minor"])), _PACKAGE)


def _last_look(connection: Connection) -> tuple[int, bytes]:
    rows = run(connection, "last_look", (), _PACKAGE)
    return (int(rows[0][0]), bytes(rows[0][1])) if rows else (0, _FIRST_HASH)


def _row(entry: VerifiedEntry, demand_id: str, bundle: bytes, now: datetime) -> tuple[Any, ...]:
    fields = _fields(entry)
    rules_hash = worth = None
    # A member's rules may record decisions in a form that is not known here; they are searched by what the entry says.
    with suppress(InvalidValueError):
        record = decode_decision((entry.decision_record or b"")[SALT_BYTES:])
        rules_hash, worth = record.rules_hash.hex(), record.worth
    return (
        entry.organization, entry.seq, demand_id, now, entry.leaf, fields["posted_at"], fields["effective_at"],
        fields["settlement_id"], fields["key"], fields["decision"], fields["decision_id"], rules_hash, worth,
        _json(fields), zlib.compress(bundle),
    )  # fmt: skip


def _fields(entry: VerifiedEntry) -> Mapping[str, Any]:
    assert entry.fields is not None, "bundles are verified with a reader of canonical forms"
    return entry.fields


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
