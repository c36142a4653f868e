"""Proves the books range by range: what a range of entries proves by itself, and what only the ranges before it can.

Rules:
- a range is read once and says all that later ranges need: so ranges can be read in any order, by anyone, at once;
- ``Carried`` takes them in ascending order: the sum, newest entry, last balance and number of postings of each account
  so far, and the captures of each hold that is not over;
- rows are whatever an administrator left there; nothing here fails on one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, islice
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from ledger.canonical import description_commitment, metadata_commitment
from ledger.queries import query
from ledger.refusal_chain import check_chain
from ledger.rows import SEQ_MAX, SEQ_MIN
from ledger.signed import Verify
from ledger.state import PLACED

RANGE_ENTRIES = 20_000
ACCOUNTS_READ = 10_000
FINDINGS_MAX = 10_000

_SEQUENCE, _ENTRY, _BESIDE, _BALANCE, _FIRST, _ACCOUNT, _MARK, _CAPTURE = range(1, 9)
_DEBIT = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in the books.

    Args:
        seq: the entry; 0 where none is concerned.
        subject: ``"entry 12"``, ``"account customer:7"`` or ``"head"``.
        problem: one sentence.
    """

    seq: int
    subject: str
    problem: str


class Bounds(NamedTuple):
    """A range of numbers; together with all others it covers every number there can be.

    Args:
        after: number of the row before the first one, archived or not; 0 for none.
        row_count: rows in the range.
    """

    first: int
    last: int
    after: int
    row_count: int


@dataclass(frozen=True, slots=True)
class RangeFacts:
    """What a range says.

    Args:
        findings: what it proves wrong by itself, in order.
        open_rows: rows of ``verify_range`` and ``verify_events`` that ``Carried`` judges.
    """

    findings: Sequence[Finding]
    open_rows: Sequence[tuple[Any, ...]]


def next_bounds(
    connection: psycopg.Connection[Any], before: Bounds | None, last: int = SEQ_MAX, count_max: int = RANGE_ENTRIES
) -> Bounds | None:
    """Return the range after another: ``count_max`` rows, or all that is left up to ``last``, rows or none.

    Args:
        before: None for the first one, which begins at the lowest number there can be.
    Returns:
        None when nothing is left.
    """
    first = SEQ_MIN if before is None else before.last + 1
    if first > last:
        return None
    row = connection.execute(query("verify_bounds"), {"first": first, "last": last, "count": count_max}).fetchone()
    assert row is not None
    newest, count, archived = row
    return Bounds(first, newest if count == count_max else last, archived if before is None else before.last, count)


def read_range(connection: psycopg.Connection[Any], bounds: Bounds) -> RangeFacts:
    """Prove what a range proves by itself."""
    rows = connection.execute(query("verify_range"), bounds._asdict()).fetchall()
    rows += connection.execute(query("verify_events"), bounds._asdict()).fetchall()
    told = sorted((row[1], row[0], row[7]) for row in rows if row[0] <= _BESIDE)
    findings = [_finding(seq, text) for seq, _, text in told]
    findings += check_texts(connection, bounds)
    open_rows = sorted((row for row in rows if row[0] > _BESIDE), key=lambda row: (row[1], row[2], row[0]))
    return RangeFacts(findings, open_rows)


def _finding(seq: int, text: str) -> Finding:
    subject, _, problem = text.partition("\t")
    return Finding(seq, subject, problem)


def check_texts(connection: psycopg.Connection[Any], bounds: Bounds) -> Iterator[Finding]:
    """Yield descriptions and metadata that are not what their entries commit to."""
    for seq, kind, salt, description, pairs, commitment in connection.execute(query("verify_texts"), bounds._asdict()):
        if kind == 1:
            name, made = "description", description_commitment(bytes(salt), description)
        else:
            name, made = "metadata", metadata_commitment(bytes(salt), sorted(pairs.items()))
        if commitment is None or made != bytes(commitment):
            yield Finding(seq, f"entry {seq}", f"its {name} is not what it commits to")


class AccountSum(NamedTuple):
    """An account up to some entry.

    Args:
        total: sum of its postings, on its normal side.
        balance: what its newest posting says it left; None where it says nothing.
    """

    total: int
    seq: int
    balance: int | None
    posting_count: int


_NOTHING = AccountSum(0, 0, 0, 0)


class Captured(NamedTuple):
    """What entries took of a hold so far, and the newest that did."""

    total: int
    seq: int


@dataclass(slots=True)
class Carried:
    """What ranges leave to those after them.

    Args:
        accounts: by id; None is the account of postings that name none.
        captures: by hold, as long as it may be captured further.
    """

    accounts: dict[int | None, AccountSum] = field(default_factory=dict)
    captures: dict[UUID, Captured] = field(default_factory=dict)

    @classmethod
    def at_border(cls, connection: psycopg.Connection[Any]) -> Carried:
        """Return what archived entries left to those after them (``ledger.archive_state`` proves it)."""
        accounts = connection.execute(
            b"SELECT account_id, balance, last_seq, posting_count FROM ledger.account_opening"
        )
        holds = connection.execute(b"SELECT hold_id, captured, entry_seq FROM ledger.hold_opening")
        return cls(
            {account: AccountSum(balance, seq, balance, count) for account, balance, seq, count in accounts},
            {hold: Captured(total, seq) for hold, total, seq in holds},
        )

    def take(self, facts: RangeFacts) -> list[Finding]:
        """Judge the range after all that were taken before; return its findings in order."""
        found = list(facts.findings)
        changed: dict[int | None, AccountSum] = {}
        for row in facts.open_rows:
            kind, seq, number, account, first, second, third, _ = row
            known = self.accounts.get(account, _NOTHING)
            if kind == _BALANCE:
                found += _balance_finding(seq, number, first, known.total + _int(second))
            elif kind == _FIRST:
                found += _first_findings(seq, number, known, row)
            elif kind == _MARK:
                if first is None or first != known.posting_count:
                    found.append(Finding(seq, f"entry {seq}", _MARKED))
            elif kind == _CAPTURE:
                found += self._capture(row)
            else:
                balance = None if second is None else int(second)
                changed[account] = AccountSum(known.total + _int(first), seq, balance, known.posting_count + int(third))
        self.accounts |= changed
        # An entry first, then the batch that begins with it.
        return sorted(found, key=lambda finding: (finding.seq, finding.subject.startswith("batch"), finding.problem))

    def _capture(self, row: tuple[Any, ...]) -> list[Finding]:
        _, seq, is_last, _, taken, told, amount, hold = row
        if taken is None or taken <= 0:
            return [Finding(seq, f"entry {seq}", f"takes nothing from the account of hold {hold}, which it captures")]
        total = self.captures.get(UUID(hold), Captured(0, 0)).total + int(taken)
        self.captures[UUID(hold)] = Captured(total, seq)
        remaining = 0 if is_last else int(amount) - total
        if told is None or told == remaining:
            return []
        problem = f"its event tells that {told} of hold {hold} remained, it was {remaining}"
        return [Finding(seq, f"entry {seq}", problem)]

    def settle_captures(self, connection: psycopg.Connection[Any], *, at_end: bool) -> list[Finding]:
        """Compare captures with their holds and forget those that are over.

        Args:
            at_end: every entry was taken, as the connection sees them: holds that are not over must agree too.
        """
        found = []
        rows = connection.execute(query("verify_captures"), (list(self.captures),)).fetchall()
        for hold, captured, entry_seq, state in rows:
            known = self.captures[hold]
            if known == (captured, entry_seq):
                if state != PLACED:
                    del self.captures[hold]
            elif at_end:
                found.append(
                    Finding(
                        known.seq,
                        f"hold {hold}",
                        f"says {captured} was captured, the newest time by entry {entry_seq}; "
                        f"the entries that name it took {known.total}, the newest is entry {known.seq}",
                    )
                )
        return found


_MARKED = "is marked at another place of its account's chain, or at another time, than it has"


def _int(value: Decimal | int | None) -> int:
    return 0 if value is None else int(value)


def _balance_finding(seq: int, number: int, balance: Decimal | None, expected: int) -> list[Finding]:
    # After a changed amount every later sum differs: only the posting that breaks the chain is named.
    if balance == expected:
        return []
    said = "null" if balance is None else str(balance)
    problem = f"posting {number} leaves balance {said}, its postings sum to {expected}"
    return [Finding(seq, f"entry {seq}", problem)]


def _first_findings(seq: int, number: int, known: AccountSum, row: tuple[Any, ...]) -> list[Finding]:
    _, _, _, _, previous, balance, change, _ = row
    found = []
    follows = change is not None and known.balance is not None and balance == known.balance + change
    if change is not None and not follows:
        found += _balance_finding(seq, number, balance, known.total + int(change))
    if previous != known.seq:
        said = "null" if previous is None else str(previous)
        problem = f"posting {number} points back to entry {said}, not to {known.seq}"
        found.append(Finding(seq, f"entry {seq}", problem))
    return found


@dataclass(slots=True)
class Standing:
    """Accounts and head at the end.

    Args:
        findings: those of the head and of rows without a number, of refusals, then those of accounts and holds.
        account_count: accounts read.
        totals: by asset id, the sums of debit and credit balances.
    """

    findings: list[Finding] = field(default_factory=list)
    account_count: int = 0
    totals: dict[int, tuple[int, int]] = field(default_factory=dict)


def read_standing(connection: psycopg.Connection[Any], carried: Carried, verify: Verify | None = None) -> Standing:
    """Compare head, refusals, accounts and holds with all the entries.

    Args:
        connection: inside a transaction that sees just those that were taken.
        verify: whether a signature is the writer's; None leaves those of refusals unchecked.
    """
    standing = Standing()
    standing.findings = [Finding(0, *row) for row in connection.execute(query("verify_head"), (FINDINGS_MAX,))]
    problems = chain(
        check_chain(connection, verify), connection.execute(query("refusal_batches_unmet"), (FINDINGS_MAX,))
    )
    standing.findings += [Finding(0, *row) for row in islice(problems, FINDINGS_MAX)]
    after = SEQ_MIN
    while True:
        rows = connection.execute(query("verify_accounts"), {"after": after, "count": ACCOUNTS_READ}).fetchall()
        for row in rows:
            standing.findings += _account_findings(row, carried.accounts.get(row[0], _NOTHING))
            debit, credit = standing.totals.get(row[2], (0, 0))
            on_debit = (row[4] >= 0) == (row[3] == _DEBIT)
            amount = abs(row[4])
            standing.totals[row[2]] = (debit + amount, credit) if on_debit else (debit, credit + amount)
        standing.account_count += len(rows)
        if len(rows) < ACCOUNTS_READ:
            break
        after = rows[-1][0]
    standing.findings += carried.settle_captures(connection, at_end=True)
    for name in ("verify_holds", "verify_steps", "verify_histories", "verify_reconciliation"):
        standing.findings += [Finding(*row) for row in connection.execute(query(name), (FINDINGS_MAX,))]
    return standing


def _account_findings(row: tuple[Any, ...], known: AccountSum) -> Iterator[Finding]:
    _, reference, _, _, balance, last_seq, posting_count, held, placed, *fitting = row
    terms_fit, within, placed_fit, stripes_fit = fitting
    subject = f"account {reference}"
    if balance != known.total:
        yield Finding(0, subject, f"has balance {balance}, its postings sum to {known.total}")
    if (last_seq, posting_count) != (known.seq, known.posting_count):
        yield Finding(0, subject, "does not name its newest entry or its number of postings")
    if held != placed:
        yield Finding(0, subject, f"holds {held}, its placed holds sum to {placed}")
    if not terms_fit:
        yield Finding(0, subject, "its terms are not those that the history of its changes ends with")
    if not within:
        yield Finding(0, subject, "stands below its floor or above its ceiling")
    if not placed_fit:
        yield Finding(0, subject, "stands in another book than it was opened in")
    if not stripes_fit:
        yield Finding(0, subject, "and its stripes are not alike, or not as many as it says")


def prove_ranges(connection: psycopg.Connection[Any], verify: Verify | None = None) -> list[Finding]:
    """Prove the books range after range on one connection, whose transaction sees them as they stand at one moment."""
    carried, found = Carried.at_border(connection), list[Finding]()
    bounds = next_bounds(connection, None)
    while bounds is not None and len(found) < FINDINGS_MAX:
        found += carried.take(read_range(connection, bounds))
        found += carried.settle_captures(connection, at_end=False)
        bounds = next_bounds(connection, bounds)
    return (found + read_standing(connection, carried, verify).findings)[:FINDINGS_MAX]
