"""Writes a prepared batch: one database transaction, few round trips, proved before it ends.

Order: rows of entries by COPY, where they are many; then, sent together: few rows by INSERT, texts, dated postings,
holds, events, kept refusals, the decider's records, the settlement of the batch and the commit. What the database does
not take undoes all of it.

All that can be made before the batch's turn comes is made then (``script_of``): between one commit and the next
nothing is left but to send it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from ledger import pack
from ledger.account_columns import NO_TIME
from ledger.canonical import batch_digest
from ledger.copy_rows import (
    COPY_END,
    COPY_HEAD,
    copy_statement,
    insert_statement,
    row_parameters,
)
from ledger.decision import Decider
from ledger.journal import microseconds
from ledger.outbox import record_events
from ledger.partitions import rows_by_partition
from ledger.prepared import HoldChanges, PreparedBatch
from ledger.refusal import signed_digest
from ledger.script import Executes, Script
from ledger.sending import Sending, WriterConnection

MARK_POSTINGS = 64
"""An account's chain of postings gets a mark about every so many."""


def send_rows(connection: psycopg.Connection[Any], batch: PreparedBatch) -> None:
    """Begin a batch's database transaction and send its rows, where they are many; ``write_batch`` goes on.

    Raises:
        psycopg.Error: nothing of it stands.
    """
    try:
        with connection.cursor(binary=True) as cursor:
            cursor.execute(b"BEGIN")
            for columns, rows in batch.rows.items():
                _copy(cursor, batch, columns, rows)
    except BaseException:
        roll_back(connection)
        raise


def roll_back(connection: psycopg.Connection[Any]) -> None:
    """Undo what stands in a connection's transaction, if the connection stands."""
    if not connection.closed:
        connection.rollback()


def write_batch(connection: WriterConnection, batch: PreparedBatch) -> None:
    """Write what else a batch changes, and commit.

    Args:
        connection: in autocommit mode; the one its rows were sent on, where they are many.
    Raises:
        psycopg.Error: the database refused it, or the connection was lost; nothing of it stands, or, where the
            connection was lost while it committed, that is unknown.
    """
    if batch.few:
        Sending(connection, batch.script.statements).wait()
        return
    with connection.cursor(binary=True) as cursor:
        try:
            with connection.pipeline():
                batch.script.run(cursor)
                cursor.execute(b"COMMIT")
        except BaseException:
            roll_back(connection)
            raise


def script_of(epoch: int, batch: PreparedBatch, decider: Decider, sign: Callable[[bytes], bytes]) -> Script:
    """Return what a batch that changes anything does after its rows were sent; few rows are among it.

    Args:
        sign: the writer's signature of a digest.
    """
    script = Script()
    if batch.few:
        for columns, rows in batch.rows.items():
            _insert(script, batch, columns, rows)
    _write_beside(script, epoch, batch)
    if batch.refusals:
        _record_refusals(script, epoch, batch, sign)
    digest = signature = b""
    if batch.accepted is not None:
        decider.in_commit(script, batch.accepted, batch.posted_at)
        digest = batch_digest(batch.first_seq, batch.last_seq, batch.accepted.leaves)
        signature = sign(digest)
    _settle(script, epoch, batch, digest, signature)
    return script


def _insert(script: Executes, batch: PreparedBatch, columns: tuple[str, ...], rows: Sequence[bytes]) -> None:
    for table, own in rows_by_partition(rows, batch.partitions):
        statement = insert_statement(table, columns)
        for row in own:
            script.execute(statement, row_parameters(row, columns), prepare=True)


def _copy(cursor: psycopg.Cursor[Any], batch: PreparedBatch, columns: tuple[str, ...], rows: Sequence[bytes]) -> None:
    for table, own in rows_by_partition(rows, batch.partitions):
        with cursor.copy(copy_statement(table, columns)) as copy:
            copy.write(b"".join((COPY_HEAD, *own, COPY_END)))


def _write_beside(script: Executes, epoch: int, batch: PreparedBatch) -> None:
    """Write what few entries have, and holds."""
    if batch.descriptions:
        seqs, salts, texts = zip(*batch.descriptions, strict=True)
        columns = (pack.pack_int8(seqs), pack.pack_hashes(salts), pack.pack_texts(texts))
        script.execute(b"SELECT ledger.describe_entries(%s, %s, %s, %s)", (epoch, *columns))
    if batch.metadata:
        seqs, salts, pairs = zip(*batch.metadata, strict=True)
        given = [Jsonb(dict(each)) for each in pairs]
        script.execute(
            b"SELECT ledger.add_metadata(%s, %s, %s, %s)", (epoch, pack.pack_int8(seqs), pack.pack_hashes(salts), given)
        )
    if batch.dated:
        accounts, times, numbers, changes = zip(*batch.dated, strict=True)
        dated = (
            pack.pack_int8(accounts),
            pack.pack_times(np.array([microseconds(moment) for moment in times])),
            pack.pack_int8(numbers),
            pack.pack_int8(changes),
        )
        script.execute(b"SELECT ledger.add_dated_postings(%s, %s, %s, %s, %s, %s)", (epoch, batch.posted_at, *dated))
    _write_holds(script, epoch, batch)
    if batch.events:
        record_events(script, epoch, batch.events, batch.posted_at)


def _record_refusals(script: Executes, epoch: int, batch: PreparedBatch, sign: Callable[[bytes], bytes]) -> None:
    refused = [each.refused for each in batch.refusals]
    last = batch.first_refusal + len(refused) - 1
    script.execute(
        b"SELECT ledger.record_refusals(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            epoch,
            batch.posted_at,
            batch.first_refusal,
            batch.refusals_before if batch.first_refusal > 1 else None,
            pack.pack_int8([each.after_seq for each in refused]),
            pack.pack_int2([each.kind for each in refused]),
            pack.pack_uuids([each.key for each in refused]),
            pack.pack_texts([each.code for each in refused]),
            pack.pack_int2([each.chained for each in refused]),
            pack.pack_hashes([each.request_hash for each in refused]),
            pack.pack_texts([each.actor for each in refused]),
            pack.pack_hashes([each.salt for each in batch.refusals]),
            pack.pack_hashes([each.head for each in batch.refusals]),
            sign(signed_digest(batch.first_refusal, last, batch.refusals[-1].head)),
        ),
        prepare=True,
    )


def _write_holds(script: Executes, epoch: int, batch: PreparedBatch) -> None:
    changes = batch.holds
    if changes is None:
        return
    new, others = changes.only(changes.is_new), changes.only(~changes.is_new)
    if len(new.id):
        times = pack.pack_times(new.placed_us), pack.pack_times(new.expires_us)
        statement = b"SELECT ledger.place_holds(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        script.execute(statement, (epoch, *_holds(new, batch.posted_at), *times), prepare=True)
        by_tenants = new.only(new.tenant > 0)
        if len(by_tenants.id):
            placed = pack.pack_uuids(by_tenants.id.tobytes()), pack.pack_int2(by_tenants.tenant)
            script.execute(b"SELECT ledger.note_tenant_holds(%s, %s, %s)", (epoch, *placed))
    if len(others.id):
        statement = b"SELECT ledger.change_holds(%s, %s, %s, %s, %s, %s, %s, %s)"
        script.execute(statement, (epoch, *_holds(others, batch.posted_at)), prepare=True)


def _holds(holds: HoldChanges, posted_at: datetime) -> tuple[Any, ...]:
    # Placed holds have no end; the functions leave it out for them.
    ended = np.where(holds.ended_us == NO_TIME, microseconds(posted_at), holds.ended_us)
    return (
        pack.pack_uuids(holds.id.tobytes()),
        pack.pack_int8(holds.account_id),
        pack.pack_int8(holds.amount),
        pack.pack_int8(holds.captured),
        pack.pack_int2(holds.state),
        pack.pack_times(ended),
        pack.pack_int8(holds.entry_seq),
    )


def _settle(script: Executes, epoch: int, batch: PreparedBatch, digest: bytes, signature: bytes) -> None:
    changes = batch.accounts
    assert changes is not None
    marked = changes.count_before // MARK_POSTINGS != changes.posting_count // MARK_POSTINGS
    columns = (
        changes.id, changes.balance_before, changes.balance, changes.held_before, changes.held, changes.terms,
        changes.last_seq, changes.posting_count, changes.id[marked], changes.posting_count[marked],
        changes.last_seq[marked],
    )  # fmt: skip
    script.execute(
        b"SELECT ledger.settle_batch(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            epoch,
            batch.posted_at,
            batch.closed_before,
            batch.first_seq,
            batch.last_seq,
            *map(pack.pack_int8, columns),
            digest,
            signature,
            batch.salt_secret or None,
        ),
        prepare=True,
    )
