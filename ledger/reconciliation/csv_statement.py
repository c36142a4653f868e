"""Reads statements of many accounts from one CSV file, through the mapping that also imports it into books.

A movement's references are the bank's own number and the idempotency key of the entry that ``dwaybank import`` makes of
it, so that a file which was imported is reconciled by key, and one which was not, by what else agrees.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict

from ledger.errors import StatementFormatError
from ledger.reconciliation.records import ExternalRecord, ExternalStatement, StatementFile
from ledger.reconciliation.statement_account import check_bytes, check_count
from ledger.statement_import import Movement, entry_key, read_movements
from ledger.statement_mapping import StatementMapping


def read_csv_statements(data: bytes, mapping: StatementMapping, *, pseudonym_key: bytes | None = None) -> StatementFile:
    """Return one statement for each account of the file, covering the days from the file's first to its last.

    Args:
        data: the file as received.
        mapping: how to read it; its name and a movement's number are what the movement is known by.
        pseudonym_key: secret for mappings with keyed pseudonyms.
    Raises:
        StatementFormatError: at the first line that cannot be understood, or if there is none.
        MappingError: the mapping does not fit the file.
    """
    check_bytes(data)
    digest = hashlib.sha256(data).digest()
    by_account: dict[str, list[Movement]] = defaultdict(list)
    movements = read_movements(io.BytesIO(data), mapping, pseudonym_key=pseudonym_key)
    for count, movement in enumerate(movements, start=1):
        check_count(movement.line, mapping.id_column, count)
        by_account[movement.account.reference].append(movement)
    if not by_account:
        raise StatementFormatError(1, "", "", "holds no movement")
    days = [movement.day for movements in by_account.values() for movement in movements]
    first, last = min(days), max(days)
    name = f"{mapping.name} {digest.hex()[:32]}"
    return StatementFile(
        digest,
        "csv",
        tuple(
            ExternalStatement(
                account=account,
                asset=mapping.asset.code,
                reference=name,
                first_day=first,
                last_day=last,
                opening=None,
                closing=None,
                records=tuple(_record(movement, mapping) for movement in movements),
            )
            for account, movements in by_account.items()
        ),
    )


def _record(movement: Movement, mapping: StatementMapping) -> ExternalRecord:
    return ExternalRecord(
        key=f"{mapping.name} {movement.id}",
        number=movement.line,
        change=movement.change,
        value_day=movement.day,
        booking_day=movement.day,
        references=tuple(sorted({movement.id, str(entry_key(movement, mapping))})),
        counterparty=movement.description,
    )
