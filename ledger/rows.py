"""Reads rows of ``ledger.entry`` that anyone may have changed: tells the entry each stands for, or that it is none.

Rules:
- nothing the writer remembers is trusted: account names and assets are read afresh, so that a changed name shows too;
- a row is whatever an administrator left there, triggers and constraints off: what cannot be an entry is a
  ``DamagedRowError``, never another exception.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from ledger.account import Side
from ledger.archived import refuse_archived_entry
from ledger.canonical import LEAF_BYTES, SALT_BYTES, CanonicalEntry, CanonicalPosting, encode_entry, leaf_hash
from ledger.errors import DamagedRowError
from ledger.journal import Outcome
from ledger.queries import query

SEQ_MIN, SEQ_MAX = -(2**63), 2**63 - 1
"""Numbers that fit the column, though entries begin at 1."""


class EntryRow(NamedTuple):
    """A row of ``canonical_rows``; everything but ``seq`` may be None."""

    seq: int
    key: UUID | None
    posted_at_us: int | None
    effective_at_us: int | None
    settlement_id: str | None
    accounts: list[int | None] | None
    assets: list[int | None] | None
    amounts: list[int | None] | None
    description_commitment: bytes | None
    decision_id: UUID | None
    outcome: int | None
    decision_leaf: bytes | None
    salt: bytes | None
    leaf: bytes | None
    form: int | None
    actor: str | None
    metadata_commitment: bytes | None
    reverses: int | None
    hold_id: UUID | None
    chain_seq: int | None
    refusals: bytes | None


class AccountNames(NamedTuple):
    """What an entry tells of an account."""

    reference: str
    asset: str
    scale: int
    asset_id: int


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What proves one entry to someone else."""

    seq: int
    salt: bytes
    canonical: bytes
    leaf: bytes
    decision_id: bytes


def read_rows(connection: psycopg.Connection[Any], first_seq: int, last_seq: int, count_max: int) -> list[EntryRow]:
    """Return rows numbered ``[first_seq, last_seq]``, in order; several may have one number."""
    return [EntryRow(*row) for row in connection.execute(query("canonical_rows"), (first_seq, last_seq, count_max))]


def read_accounts(connection: psycopg.Connection[Any], rows: Sequence[EntryRow]) -> dict[int, AccountNames]:
    """Return the accounts that rows name, by id; one that does not exist is left out."""
    ids = {number for row in rows for number in row.accounts or () if number is not None}
    return {row[0]: AccountNames(*row[1:]) for row in connection.execute(query("accounts_by_id"), (list(ids),))}


def canonical_entry(row: EntryRow, accounts: Mapping[int, AccountNames]) -> CanonicalEntry:
    """Return the entry that a row tells.

    Raises:
        DamagedRowError: it tells none.
    """
    try:
        return _entry(row, accounts)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedRowError(row.seq, str(error)) from error


def recompute_leaf(row: EntryRow, accounts: Mapping[int, AccountNames]) -> tuple[bytes, bytes]:
    """Return the canonical form of a row as it stands, and the leaf that it gives.

    Raises:
        DamagedRowError: the row tells no entry.
    """
    entry = canonical_entry(row, accounts)
    if row.salt is None or len(row.salt) != SALT_BYTES:
        raise DamagedRowError(row.seq, "its salt is not 32 bytes")
    try:
        canonical = encode_entry(entry)
    except (AttributeError, OverflowError, TypeError, ValueError, struct.error) as error:
        raise DamagedRowError(row.seq, str(error)) from error
    return canonical, leaf_hash(bytes(row.salt), canonical)


def disclose(connection: psycopg.Connection[Any], seq: int) -> Disclosure:
    """Return what proves one entry, from its row as it stands now.

    Raises:
        DamagedRowError: there is no such row, or it no longer gives the leaf that was posted.
        ArchivedError: it is archived.
    """
    return disclose_range(connection, seq, seq)[0]


def disclose_range(connection: psycopg.Connection[Any], first_seq: int, last_seq: int) -> list[Disclosure]:
    """Return what proves each entry of a range that is not empty, from its row as it stands now, in order.

    Raises:
        DamagedRowError: a row is not there, or no longer gives the leaf that was posted.
        ArchivedError: one is archived.
    """
    # One more than there should be: a number that stands twice is found before any entry is.
    rows = read_rows(connection, first_seq, last_seq, last_seq - first_seq + 2)
    accounts = read_accounts(connection, rows)
    found = {row.seq: row for row in rows}
    twice = Counter(row.seq for row in rows)
    disclosed = []
    for seq in range(first_seq, last_seq + 1):
        if seq not in found:
            refuse_archived_entry(connection, seq)
            raise DamagedRowError(seq, "it does not stand in the books")
        if twice[seq] > 1:
            raise DamagedRowError(seq, "it stands in the books twice")
        disclosed.append(_disclosed(found[seq], accounts))
    return disclosed


def _disclosed(row: EntryRow, accounts: Mapping[int, AccountNames]) -> Disclosure:
    canonical, leaf = recompute_leaf(row, accounts)
    if row.leaf is None or leaf != bytes(row.leaf):
        raise DamagedRowError(row.seq, "it no longer reads as it was posted")
    assert row.salt is not None
    assert row.decision_id is not None
    return Disclosure(row.seq, bytes(row.salt), canonical, leaf, row.decision_id.bytes)


def _entry(row: EntryRow, accounts: Mapping[int, AccountNames]) -> CanonicalEntry:
    if row.key is None or row.posted_at_us is None or row.effective_at_us is None or row.decision_id is None:
        raise ValueError("a key, time or decision is null or none that an entry can have")
    if row.accounts is None or row.assets is None or row.amounts is None or row.outcome is None:
        raise ValueError("its postings are null or no plain list, or its outcome is null")
    if row.settlement_id == "" or row.decision_leaf is None or len(row.decision_leaf) != LEAF_BYTES:
        raise ValueError("a text or a hash has a length that no entry has")
    if any(
        len(given) != LEAF_BYTES
        for given in (row.description_commitment, row.metadata_commitment, row.refusals)
        if given is not None
    ):
        raise ValueError("the commitment to its description, metadata or refusals is not 32 bytes")
    if row.form not in (1, 2, 3) or row.actor is None:
        raise ValueError("its form is unknown, or its actor is nobody")
    if row.form < 3 and row.refusals is not None:
        raise ValueError("it binds refusals, which its form cannot")
    postings = [
        _posting(accounts, number, asset, amount)
        for number, asset, amount in zip(row.accounts, row.assets, row.amounts, strict=True)
    ]
    return CanonicalEntry(
        seq=row.seq,
        key=row.key,
        posted_at_us=row.posted_at_us,
        effective_at_us=row.effective_at_us,
        postings=tuple(postings),
        settlement_id=row.settlement_id or "",
        description_commitment=bytes(row.description_commitment or b""),
        decision_id=row.decision_id.bytes,
        outcome=Outcome(row.outcome),
        decision_leaf=bytes(row.decision_leaf),
        version=row.form,
        actor=row.actor,
        metadata_commitment=bytes(row.metadata_commitment or b""),
        reverses=row.reverses,
        hold_id=row.hold_id,
        chain_seq=row.chain_seq,
        refusals=bytes(row.refusals or b""),
    )


def _posting(
    accounts: Mapping[int, AccountNames], number: int | None, asset_id: int | None, amount: int | None
) -> CanonicalPosting:
    account = accounts.get(number) if number is not None else None
    if account is None or asset_id != account.asset_id or not amount:
        raise ValueError("a posting names no account, or one of another asset, or no amount")
    side = Side.DEBIT if amount > 0 else Side.CREDIT
    return CanonicalPosting(account.reference, account.asset, account.scale, side, abs(amount))
