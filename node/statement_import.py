"""``dwaybank import``: a bank statement file posted through the node, then compared with the books day by day.

Rules: the file is read several times as a stream, so memory never holds it; nothing is posted before all of it was
understood and held against the books; a movement's key follows from the mapping's name and the bank's own number, so
that a second import posts nothing twice; an import that breaks off leaves what was posted and can be begun again.
"""

from __future__ import annotations

import csv
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ledger.account import Side
from ledger.currency import refuse_other_digits
from ledger.money import format_decimal
from ledger.reconciliation import DayChange, Reconciliation, reconcile, recorded_days
from ledger.statement_import import AccountToOpen, Movement, entry_of, read_movements
from ledger.statement_mapping import StatementMapping, read_mapping
from network.rpc import RpcError, StatusCode
from network.topology import Consortium, Organization
from node.config import read_key
from node.errors import ConfigurationError
from node.home import Home
from node.own_node import LEDGER, OwnNode, ledger_pb2
from node.statement_repeats import RepeatCheck

BATCH_ENTRIES = 2000
ACCOUNTS_PER_CALL = 500
REFUSALS_SHOWN = 20
_SIDES = {Side.DEBIT: ledger_pb2.SIDE_DEBIT, Side.CREDIT: ledger_pb2.SIDE_CREDIT}


@dataclass(slots=True)
class ImportReport:
    """What became of a statement file."""

    file: str
    asset_code: str
    asset_scale: int
    posted: int = 0
    existed: int = 0
    refused: int = 0
    refusals: list[str] = field(default_factory=list)
    decisions: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    reconciliation: Reconciliation | None = None

    @property
    def per_second(self) -> int:
        """Movements posted in a second, reading and account opening included."""
        return round((self.posted + self.existed) / self.seconds) if self.seconds else 0

    def sentence(self) -> str:
        """The outcome for people."""
        parts = [f"{self.posted} movements posted"]
        if self.existed:
            parts.append(f"{self.existed} posted before")
        if self.refused:
            parts.append(f"{self.refused} REFUSED, first: {self.refusals[0]}")
        compared = self.reconciliation
        if compared is not None:
            parts.append(
                f"{compared.day_count} end-of-day balances compared with the bank's: {len(compared.breaks)} differ; "
                f"{compared.agreeing_account_count} of {compared.account_count} accounts agree throughout"
            )
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """The outcome for programs; every break is listed."""
        compared = self.reconciliation
        return {
            "file": self.file,
            "posted": self.posted,
            "posted_before": self.existed,
            "refused": self.refused,
            "refusals": self.refusals,
            "decisions": dict(self.decisions),
            "seconds": round(self.seconds, 2),
            "account_days_compared": compared.day_count if compared else 0,
            "accounts": compared.account_count if compared else 0,
            "accounts_agreeing": compared.agreeing_account_count if compared else 0,
            "breaks": [list(row) for row in self.break_rows()],
        }

    def break_rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Account, day, recorded, computed, difference of every break."""
        for found in self.reconciliation.breaks if self.reconciliation else ():
            amounts = (found.recorded, found.computed, found.recorded - found.computed)
            recorded, computed, difference = (format_decimal(amount, self.asset_scale) for amount in amounts)
            yield found.account, found.day.isoformat(), recorded, computed, difference


async def import_and_reconcile(
    home: Home,
    consortium: Consortium,
    organization: Organization,
    statement: Path,
    mapping_file: Path,
    breaks: Path | None,
    console: Console | None = None,
    *,
    may_repeat: bool = False,
) -> ImportReport:
    """Post a statement file and reconcile it.

    Args:
        home, consortium, organization: whose books.
        statement: the file.
        mapping_file: explains it.
        breaks: where to write every break as CSV.
        console: shows progress when given.
        may_repeat: movements may stand in the books under other keys: the bank truly booked them twice.
    Raises:
        ConfigurationError: a file cannot be read or written.
        LedgerError: the mapping or a line cannot be understood; names setting or line, column and value. Or movements
            stand in the books under other keys, or the books count the mapping's asset with other digits.
        RpcError: the node does not answer.
    """
    mapping = read_mapping(mapping_file)
    source = _Source(statement, mapping, read_key(home.secret(organization, "pseudonym.key")))
    report = ImportReport(str(statement), mapping.asset.code, mapping.asset.scale)
    started = time.monotonic()
    async with OwnNode(home, consortium, organization) as node:
        accounts = await _post(node, source, report, console, may_repeat=may_repeat)
        report.seconds = time.monotonic() - started
        if mapping.balance_column and not report.refused:
            changes = await _day_changes(node, accounts)
            report.reconciliation = reconcile(
                recorded_days(source.movements()), changes, rounding=mapping.balance_rounding
            )
    if breaks is not None:
        _write_breaks(breaks, report)
    return report


class _Source:
    """A statement file that can be read more than once."""

    def __init__(self, path: Path, mapping: StatementMapping, pseudonym_key: bytes) -> None:
        self._path = path
        self.mapping = mapping
        self._pseudonym_key = pseudonym_key

    def movements(self) -> Iterator[Movement]:
        try:
            with self._path.open("rb") as file:
                yield from read_movements(file, self.mapping, pseudonym_key=self._pseudonym_key)
        except OSError as error:
            raise ConfigurationError(f"statement file {self._path} cannot be read: {error.strerror}") from error

    def line_count(self) -> int:
        try:
            with self._path.open("rb") as file:
                return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
        except OSError as error:
            raise ConfigurationError(f"statement file {self._path} cannot be read: {error.strerror}") from error


async def _post(
    node: OwnNode, source: _Source, report: ImportReport, console: Console | None, *, may_repeat: bool = False
) -> list[str]:
    """Post every movement in the file's order; return the customers' accounts."""
    if not may_repeat:
        await RepeatCheck(node, source.movements, source.mapping).refuse_repeats()
    opened: dict[str, None] = {}
    customers: dict[str, None] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=console is None, transient=True) as progress:
        task = progress.add_task("posting movements", total=source.line_count())
        movements = source.movements()
        while batch := list(itertools.islice(movements, BATCH_ENTRIES)):
            for movement in batch:
                customers[movement.account.reference] = None
                for account in (movement.account, movement.contra):
                    if account.reference not in opened:
                        await _open(node, account, source.mapping)
                        opened[account.reference] = None
            request = ledger_pb2.PostEntriesRequest(entries=[_entry(movement, source.mapping) for movement in batch])
            reply = await node.call(LEDGER, "PostEntries", request, ledger_pb2.PostEntriesResponse, 120)
            _count(report, batch, reply)
            progress.advance(task, len(batch))
    return list(customers)


async def _open(node: OwnNode, account: AccountToOpen, mapping: StatementMapping) -> None:
    request = ledger_pb2.OpenAccountRequest(
        account=account.reference,
        asset=account.asset,
        normal_side=_SIDES[account.normal_side],
        floor_minor="" if account.floor is None else str(account.floor),
    )
    try:
        opened = (await node.call(LEDGER, "OpenAccount", request, ledger_pb2.OpenAccountResponse)).account
    except RpcError as error:
        if error.code != StatusCode.ALREADY_EXISTS:
            raise
        # Whoever opened it gave it terms, a place, names or stripes of its own: those are no matter of a statement's.
        asked = ledger_pb2.GetAccountRequest(account=account.reference)
        opened = (await node.call(LEDGER, "GetAccount", asked, ledger_pb2.GetAccountResponse)).account
        if (opened.asset, opened.normal_side) != (request.asset, request.normal_side):
            raise
    refuse_other_digits(mapping.asset, opened.scale, "asset.scale")


def _entry(movement: Movement, mapping: StatementMapping) -> ledger_pb2.NewEntry:
    entry = entry_of(movement, mapping)
    message = ledger_pb2.NewEntry(
        idempotency_key=str(entry.key),
        postings=[
            ledger_pb2.Posting(account=leg.account, side=_SIDES[leg.side], amount_minor=str(leg.amount))
            for leg in entry.postings
        ],
        description=entry.description,
    )
    if entry.effective_at is not None:
        message.effective_at.FromDatetime(entry.effective_at)
    return message


def _count(report: ImportReport, batch: list[Movement], reply: ledger_pb2.PostEntriesResponse) -> None:
    for movement, result in zip(batch, reply.results, strict=True):
        if result.code == "posted":
            report.posted += 1
            report.decisions[result.decision] += 1
        elif result.code == "exists":
            report.existed += 1
        else:
            report.refused += 1
            if len(report.refusals) < REFUSALS_SHOWN:
                report.refusals.append(f"line {movement.line}: {result.code}: {result.message}")


async def _day_changes(node: OwnNode, accounts: list[str]) -> list[DayChange]:
    changes = []
    for first in range(0, len(accounts), ACCOUNTS_PER_CALL):
        request = ledger_pb2.ListDayChangesRequest(accounts=accounts[first : first + ACCOUNTS_PER_CALL])
        reply = await node.call(LEDGER, "ListDayChanges", request, ledger_pb2.ListDayChangesResponse, 120)
        changes += [
            DayChange(change.account, date.fromisoformat(change.day), int(change.change_minor))
            for change in reply.changes
        ]
    return sorted(changes, key=lambda change: change.day)


def _write_breaks(path: Path, report: ImportReport) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("account", "day", "recorded", "computed", "difference"))
            writer.writerows(report.break_rows())
    except OSError as error:
        raise ConfigurationError(f"file {path} cannot be written: {error.strerror}") from error
