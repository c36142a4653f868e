"""Errors of ``ledger``, one tree, one class for each reason a caller may treat differently.

A posting that is refused is no error: it is a ``ResultCode`` (see ``journal``), because the rest of its batch goes on.

    LedgerError
    ├── InvalidValueError     a value that can never be valid; carries ``field`` and ``value``
    │   └── ChartRefusedError an account that the chart of its book does not know; carries ``rule`` and ``code``
    ├── NotFoundError         an account, entry or hold that the books do not have
    ├── ArchivedError         what is asked is in a file of the archive; says which
    ├── ArchiveRefusedError   a file of the archive, or a wish to make one, with something that does not fit
    ├── ConflictError         an account or hold that stands already with other properties
    ├── FencedError           another writer took the books over; this one may never commit again
    ├── StaleCopyError        the books are not as the writer's copy of them said; posting again will know
    ├── BooksUnavailableError the database cannot be reached or refuses the work; nothing is known to be lost
    │   └── ClockLeaptError   this machine's clock leapt forward: nothing is dated by it
    ├── DamagedRowError       a row of the books that tells no entry any more; carries ``seq`` and ``reason``
    ├── CheckpointError       a verification's checkpoint that is not of these books; carries ``path``
    ├── ImportRefusedError    a file of books with something that does not fit; carries ``line`` and ``reason``
    ├── MappingError          a statement mapping file that cannot be understood; names the setting
    └── StatementFormatError  a line of a statement that cannot be understood; carries ``line``, ``column``, ``value``
"""

from __future__ import annotations


class LedgerError(Exception):
    """Base of every error raised by ``ledger``."""


class InvalidValueError(LedgerError):
    """A value can never be valid.

    Args:
        field: name of the field as its sender knows it.
        value: the offending value; shown shortened.
        reason: what is wrong and what would be right.
    """

    def __init__(self, field: str, value: object, reason: str) -> None:
        super().__init__(f"{field} {shorten(value)}: {reason}")
        self.field = field
        self.value = value
        self.reason = reason


class ChartRefusedError(InvalidValueError):
    """The chart of a book does not know such an account.

    Args:
        reference: the account.
        book: code of the book.
        rule: pattern of the rule that decides over it; empty when none fits.
        code: ``"no_rule"``, ``"wrong_side"``, ``"wrong_asset"`` or ``"negative_not_allowed"``.
    """

    def __init__(self, reference: str, book: str, rule: str, code: str) -> None:
        if code == "no_rule":
            reason = f"the chart of book {book!r} has no rule for it"
        else:
            reason = f"rule {rule!r} of book {book!r} refuses it: {code.replace('_', ' ')}"
        super().__init__("account", reference, reason)
        self.rule = rule
        self.code = code


class DamagedRowError(LedgerError):
    """A row of the books tells no entry any more: someone changed it past every rule.

    Args:
        seq: its number.
        reason: what is wrong with it.
    """

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"entry {seq}: {reason}")
        self.seq = seq
        self.reason = reason


class NotFoundError(LedgerError):
    """The books have no such account, entry or hold."""


class ArchivedError(LedgerError):
    """Only archived entries could answer; the message says which file holds them and what may be asked instead."""


class ArchiveRefusedError(LedgerError):
    """A file of the archive that does not fit, or entries that may not be archived; nothing was changed.

    Args:
        subject: what is wrong: a file, with the line where there is one, or entries.
        reason: one sentence.
    """

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject}: {reason}")
        self.subject = subject
        self.reason = reason


class ConflictError(LedgerError):
    """The same name stands already for something with other properties."""


class StaleCopyError(LedgerError):
    """The books are not as the writer's copy said; nothing was posted, and posting the same again reads them anew."""


class FencedError(LedgerError):
    """Another writer has taken over: its epoch is newer than ours.

    Args:
        epoch: the epoch this writer held.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__(f"another writer took the books over (our epoch was {epoch}): this process must stop posting")
        self.epoch = epoch


class BooksUnavailableError(LedgerError):
    """The database cannot be reached or refuses the work; whoever asks again with the same key is safe."""


class ClockLeaptError(BooksUnavailableError):
    """This machine's clock leapt forward: nothing is dated by it until it is set right or believed anew."""


class CheckpointError(LedgerError):
    """A checkpoint file that a verification cannot go on from.

    Args:
        path: the file.
        reason: what is wrong with it.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"checkpoint {path}: {reason}; remove it to verify everything from the beginning")
        self.path = path


class ImportRefusedError(LedgerError):
    """A file of whole books, or the place they were to go, does not fit; nothing was imported.

    Args:
        line: line number in the file, from 1; 0 where no line is at fault.
        reason: what is wrong.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}; nothing was imported" if line else f"{reason}; nothing was imported")
        self.line = line
        self.reason = reason


class MappingError(LedgerError):
    """A statement mapping cannot be understood.

    Args:
        setting: path of the setting inside the file.
        reason: what is wrong and what would be right.
    """

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"mapping setting {setting}: {reason}")
        self.setting = setting


class StatementFormatError(LedgerError):
    """A line of a statement cannot be understood.

    Args:
        line: line number in the file, from 1.
        column: column name, empty for the line as a whole.
        value: the offending text.
        reason: what is wrong.
    """

    def __init__(self, line: int, column: str, value: str, reason: str) -> None:
        where = f"line {line}, column {column!r}" if column else f"line {line}"
        super().__init__(f"{where}: {shorten(value)} {reason}")
        self.line = line
        self.column = column
        self.value = value
        self.reason = reason


def shorten(value: object, length_max: int = 60) -> str:
    """Return the value quoted for a message, cut where a hostile sender made it long."""
    text = repr(value)
    return text if len(text) <= length_max else f"{text[: length_max - 1]}…"
