"""Reads a statement file of any known format; the format is told from the bytes, never from the file's name."""

from __future__ import annotations

from ledger.errors import StatementFormatError
from ledger.reconciliation.camt053 import read_camt053
from ledger.reconciliation.csv_statement import read_csv_statements
from ledger.reconciliation.mt940 import read_mt940
from ledger.reconciliation.records import StatementFile
from ledger.reconciliation.statement_account import StatementAccounts
from ledger.statement_mapping import StatementMapping


def read_statement_file(
    data: bytes,
    accounts: StatementAccounts,
    *,
    mapping: StatementMapping | None = None,
    pseudonym_key: bytes | None = None,
) -> StatementFile:
    """Return the statements of a file.

    Args:
        data: the file as received.
        accounts: our account for each number of camt.053 and MT940.
        mapping: the file is CSV, and this is how to read it.
        pseudonym_key: secret for mappings with keyed pseudonyms.
    Raises:
        StatementFormatError: a place that cannot be understood, or a format that is not known.
        MappingError: the mapping does not fit.
    """
    if mapping is not None:
        return read_csv_statements(data, mapping, pseudonym_key=pseudonym_key)
    begin = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if begin == b"<" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return read_camt053(data, accounts)
    if begin in (b":", b"{"):
        return read_mt940(data, accounts)
    raise StatementFormatError(1, "", "file", "is neither camt.053 nor MT940: a CSV file needs a mapping")
