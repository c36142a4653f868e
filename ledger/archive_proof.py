"""Proves a file of the archive by its own lines and the posting engine's public key. Pure but for the file.

Proved, as ``verify`` proves entries in the database (docs/verify-and-export.md):
- numbers without a gap, times that never go back;
- each entry: debits equal credits in every asset, accounts exist and count that asset, the leaf recomputed from the row
  is the stored one, a batch that the posting engine signed holds it;
- the balance after each posting follows from the one before it on the account, each posting names the account's entry
  before; from where accounts stood at the beginning to where they stand at the end;
- captures take from the held account; reversals are on the other side of what they take back, together never more than
  it, none of a reversal; linked entries stand one after the other;
- texts that stand are what their entries commit to.

Files are taken in the order of their entries; each goes on where the one before ended. A file alone begins with what it
says itself: what was reversed or linked before it, and whether accounts stood so, the files before it know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from ledger.archive_entry import Names, chain_of, octets, recompute
from ledger.archive_file import ArchiveLines, Values
from ledger.archive_record import KEY_COLUMNS, copy_line
from ledger.canonical import batch_digest, description_commitment, metadata_commitment
from ledger.ranges import AccountSum, Captured
from ledger.rows import EntryRow
from ledger.signed import BATCH_ENTRIES_MAX, Verify

_NOTHING = AccountSum(0, 0, 0, 0)
_PROGRESS_ENTRIES = 10_000


class Text(NamedTuple):
    """A text beside an entry; ``kind`` is ``"description"`` or ``"metadata"``."""

    kind: str
    values: Values


@dataclass(slots=True)
class Carried:
    """What one file leaves to the next.

    Args:
        last_seq: the newest entry taken; 0 before the first file.
        accounts, captures: as they stand there.
        originals: of entries that others take back, what remains by account, debit above zero, of striped accounts by
            the whole; None of a reversal.
        chain_seq: the chain of linked entries that the newest entry is of.
        posted_us: when the newest entry was posted.
    """

    last_seq: int = 0
    accounts: dict[int, AccountSum] = field(default_factory=dict)
    captures: dict[UUID, Captured] = field(default_factory=dict)
    originals: dict[int, dict[int, int] | None] = field(default_factory=dict)
    chain_seq: int | None = None
    posted_us: int | None = None


@dataclass(frozen=True, slots=True)
class ProvedArchive:
    """What a file was proved to hold.

    Args:
        opening, opening_holds: where the accounts and holds that its entries touch stood before.
        closing: where those accounts stand after.
        captured: what was captured of those holds, as far as its entries go.
        latest_us, posted_us, greatest_key, keys_sha256: as in ``ArchiveRecord``.
        reversed: entries of it that others take back, in it or after it.
        dated_sha256: over lines of account, number, effective time, time of posting and change, for each account of
            each entry that counts for another time, in the order of numbers and accounts.
        refusals: heads of the chain of refusals that entries carry, by number.
        texts: how many descriptions and metadata stand in it.
    """

    path: Path
    organization: str
    number: int
    first_seq: int
    last_seq: int
    opening: Mapping[int, AccountSum]
    opening_holds: Mapping[UUID, Captured]
    closing: Mapping[int, AccountSum]
    captured: Mapping[UUID, Captured]
    latest_us: int
    posted_us: int
    greatest_key: UUID
    file_bytes: int
    file_sha256: bytes
    keys_sha256: bytes
    reversed: frozenset[int]
    dated_sha256: bytes
    refusals: Mapping[int, bytes]
    texts: Mapping[str, int]

    @property
    def name(self) -> str:
        """What the file is called."""
        return self.path.name


def prove_archive(
    path: Path,
    verify: Verify,
    carried: Carried | None = None,
    progress: Callable[[int, int], None] = lambda done, whole: None,
    take_leaf: Callable[[int, bytes], None] = lambda seq, leaf: None,
) -> ProvedArchive:
    """Prove a file.

    Args:
        verify: whether a signature is the posting engine's.
        carried: what the files before it left; moves on to its end. None for a file alone.
        progress: called with entries proved and entries to prove.
        take_leaf: called with number and recomputed leaf of each entry.
    Raises:
        ArchiveRefusedError: something does not fit; names the line.
        OSError: the file cannot be read.
    """
    return _Proof(ArchiveLines(path), verify, carried, progress, take_leaf).run()


class _Batches:
    """Holds signed batches against leaves as both come."""

    def __init__(self, lines: ArchiveLines, verify: Verify) -> None:
        self._lines = lines
        self._verify = verify
        self._outside: dict[int, bytes] = {}
        self._open: tuple[int, int, bytes, bytes] | None = None
        self._leaves: list[bytes] = []

    def outside(self, seq: int, leaf: bytes) -> None:
        """Take the leaf of an entry outside the file."""
        self._outside[seq] = leaf

    def begin(self, values: Values, next_seq: int) -> None:
        """Take a batch whose first entry in the file comes next."""
        first, last = int(values["first_seq"] or ""), int(values["last_seq"] or "")
        digest, signature = octets(values["digest"]), octets(values["signature"])
        if self._open is not None or not first <= next_seq <= last < first + BATCH_ENTRIES_MAX:
            raise self._lines.refused(f"batch {first} does not follow the batch before it")
        self._open = (first, last, digest or b"", signature or b"")
        self._leaves = [self._outside.get(seq, b"") for seq in range(first, next_seq)]

    def take(self, seq: int, leaf: bytes) -> None:
        """Take the leaf of the next entry."""
        if self._open is None:
            raise self._lines.refused(f"entry {seq}: no batch that the posting engine signed holds it")
        self._leaves.append(leaf)
        if seq == self._open[1]:
            self.end()

    def end(self) -> None:
        """Judge the batch under way, with the leaves after the file where it goes on there."""
        if self._open is None:
            return
        first, last, digest, signature = self._open
        self._leaves += [self._outside.get(seq, b"") for seq in range(first + len(self._leaves), last + 1)]
        whole = all(len(leaf) == 32 for leaf in self._leaves)
        if (
            not whole
            or batch_digest(first, last, b"".join(self._leaves)) != digest
            or not self._verify(digest, signature)
        ):
            raise self._lines.refused(f"entries {first} to {last} are not what the posting engine signed")
        self._open = None


class _Proof:
    def __init__(
        self,
        lines: ArchiveLines,
        verify: Verify,
        carried: Carried | None,
        progress: Callable[[int, int], None],
        take_leaf: Callable[[int, bytes], None],
    ) -> None:
        self._lines = lines
        self._carried = carried if carried is not None else Carried()
        self._alone = carried is None
        self._progress = progress
        self._take_leaf = take_leaf
        self._names = Names()
        self._batches = _Batches(lines, verify)
        self._opening: dict[int, AccountSum] = {}
        self._opening_holds: dict[UUID, Captured] = {}
        self._texts: dict[int, list[Text]] = {}
        self._text_counts = {"description": 0, "metadata": 0}
        self._touched: set[int] = set()
        self._captured: set[UUID] = set()
        self._refusals: dict[int, bytes] = {}
        self._keys = hashlib.sha256()
        self._dated = hashlib.sha256()
        self._greatest = UUID(int=0)
        self._latest = 0
        self._count = 0
        self._reversed: frozenset[int] = frozenset()

    def run(self) -> ProvedArchive:
        lines = self._lines
        columns: dict[str, Sequence[str]] = {}
        for table, row in lines:
            if not columns:
                columns = dict(lines.header.tables)
                self._begin()
            values = dict(zip(columns[table], row, strict=True))
            try:
                self._take(table, values)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                raise lines.refused(f"the row of table {table} cannot be read ({error})") from error
        return self._finish()

    def _begin(self) -> None:
        header, carried = self._lines.header, self._carried
        if not 0 < header.first_seq <= header.last_seq:
            raise self._lines.refused("it holds no entries")
        if not self._alone and header.first_seq != carried.last_seq + 1:
            raise self._lines.refused(f"it does not go on after entry {carried.last_seq}: give all files, in order")
        carried.last_seq = header.first_seq - 1
        self._reversed = header.reversed

    def _take(self, table: str, values: Values) -> None:
        if self._names.take(table, values):
            return
        if table == "entry":
            self._entry(values)
        elif table == "batch":
            self._batches.begin(values, self._carried.last_seq + 1)
        elif table in self._text_counts:
            self._text_counts[table] += 1
            self._texts.setdefault(int(values["seq"] or ""), []).append(Text(table, values))
        elif table == "leaf":
            self._batches.outside(int(values["seq"] or ""), octets(values["leaf"]) or b"")
        else:
            self._open(table, values)

    def _open(self, table: str, values: Values) -> None:
        """Take where an account or hold stood before the file; the files before it must have left it so."""
        if table == "account_opening":
            account, balance = int(values["account_id"] or ""), int(values["balance"] or "")
            opening = AccountSum(balance, int(values["last_seq"] or ""), balance, int(values["posting_count"] or ""))
            self._opening[account] = opening
            if self._alone:
                self._carried.accounts[account] = opening
            fits = self._carried.accounts.get(account) == opening
        elif table == "hold_opening":
            hold = UUID(values["hold_id"] or "")
            captured = Captured(int(values["captured"] or ""), int(values["entry_seq"] or ""))
            self._opening_holds[hold] = captured
            if self._alone:
                self._carried.captures[hold] = captured
            fits = self._carried.captures.get(hold) == captured
        else:
            raise self._lines.refused(f"rows of table {table} do not stand in an archive")
        if not fits:
            raise self._lines.refused("the files before it leave it otherwise")

    def _entry(self, values: Values) -> None:
        lines, carried = self._lines, self._carried
        row, _, leaf = recompute(lines, values, self._names)
        if row.seq != carried.last_seq + 1:
            raise lines.refused(f"entry {carried.last_seq + 1} is missing: entry {row.seq} stands here")
        assert row.posted_at_us is not None
        if carried.posted_us is not None and row.posted_at_us < carried.posted_us:
            raise lines.refused(f"entry {row.seq}: was posted before the entry that it follows")
        self._batches.take(row.seq, leaf)
        self._take_leaf(row.seq, leaf)
        changes = self._postings(row, values)
        self._links(row, changes)
        self._check_texts(row)
        self._note(row, values, changes)
        carried.last_seq, carried.posted_us = row.seq, row.posted_at_us
        carried.chain_seq = row.chain_seq
        self._count += 1
        if self._count % _PROGRESS_ENTRIES == 0:
            self._progress(self._count, lines.header.last_seq - lines.header.first_seq + 1)

    def _postings(self, row: EntryRow, values: Values) -> dict[int, int]:
        """Take the postings; return for each account the sum of its own, debit above zero."""
        balances, previous = chain_of(values)
        assert row.accounts is not None
        assert row.assets is not None
        assert row.amounts is not None
        totals: dict[int | None, int] = {}
        changes: dict[int, int] = {}
        before: dict[int, AccountSum] = {}
        problem = ""
        for number, (account, asset, amount, balance, link) in enumerate(
            zip(row.accounts, row.assets, row.amounts, balances, previous, strict=True), 1
        ):
            assert account is not None
            assert amount is not None
            known = self._carried.accounts.get(account, _NOTHING)
            stood = before.setdefault(account, known)
            total = known.total + amount * self._names.signs[account]
            if balance != total:
                problem = problem or f"posting {number} leaves balance {balance}, its postings sum to {total}"
            if link != stood.seq:
                problem = problem or f"posting {number} points back to entry {link}, not to {stood.seq}"
            self._carried.accounts[account] = AccountSum(total, row.seq, total, known.posting_count + 1)
            totals[asset] = totals.get(asset, 0) + amount
            changes[account] = changes.get(account, 0) + amount
        if len(row.accounts) < 2 or any(totals.values()):
            problem = "its debits do not equal its credits"
        if problem:
            raise self._lines.refused(f"entry {row.seq}: {problem}")
        self._touched |= changes.keys()
        return changes

    def _links(self, row: EntryRow, changes: Mapping[int, int]) -> None:
        """Judge what an entry says of holds, of other entries, and of its chain."""
        carried = self._carried
        if row.hold_id is not None:
            account = self._names.holds.get(row.hold_id)
            taken = -changes.get(account, 0) * self._names.signs[account] if account is not None else 0
            if taken <= 0:
                raise self._lines.refused(f"entry {row.seq}: takes nothing from the account of hold {row.hold_id}")
            known = carried.captures.get(row.hold_id, Captured(0, 0))
            carried.captures[row.hold_id] = Captured(known.total + taken, row.seq)
            self._captured.add(row.hold_id)
        starts = row.chain_seq in (None, row.seq)
        alone_first = self._alone and row.seq == self._lines.header.first_seq
        if not starts and not alone_first and carried.chain_seq != row.chain_seq:
            raise self._lines.refused(f"entry {row.seq}: is no part of the chain of entry {row.chain_seq}")
        whole: dict[int, int] = {}
        for account, change in changes.items():
            whole[self._names.wholes[account]] = whole.get(self._names.wholes[account], 0) + change
        if row.reverses is not None:
            self._take_back(row, whole)
        if row.seq in self._reversed:
            carried.originals[row.seq] = None if row.reverses is not None else whole

    def _take_back(self, row: EntryRow, changes: Mapping[int, int]) -> None:
        assert row.reverses is not None
        if self._alone and row.reverses < self._lines.header.first_seq:
            return
        original = self._carried.originals.get(row.reverses)
        for account, change in changes.items():
            remains = original.get(account, 0) if original is not None else 0
            if original is None or change * remains >= 0 or abs(change) > abs(remains):
                raise self._lines.refused(
                    f"entry {row.seq}: takes back what entry {row.reverses} does not have, or more than remains of it"
                )
            original[account] = remains + change

    def _check_texts(self, row: EntryRow) -> None:
        for kind, values in self._texts.pop(row.seq, ()):
            salt = octets(values["salt"]) or b""
            if kind == "description":
                made, commitment = description_commitment(salt, values["description"] or ""), row.description_commitment
            else:
                pairs = json.loads(values["pairs"] or "")
                made, commitment = metadata_commitment(salt, sorted(pairs.items())), row.metadata_commitment
            if made != commitment:
                raise self._lines.refused(f"entry {row.seq}: its {kind} is not what it commits to")

    def _note(self, row: EntryRow, values: Values, changes: Mapping[int, int]) -> None:
        """Add the entry to what is told of the file as a whole."""
        assert row.key is not None
        assert row.posted_at_us is not None
        assert row.effective_at_us is not None
        self._keys.update(copy_line([values[name] for name in KEY_COLUMNS]))
        self._greatest = max(self._greatest, row.key)
        self._latest = max(self._latest, row.posted_at_us, row.effective_at_us)
        if row.refusals is not None:
            self._refusals[row.seq] = row.refusals
        if row.effective_at_us != row.posted_at_us:
            for account, change in sorted(changes.items()):
                told = (account, row.seq, row.effective_at_us, row.posted_at_us, change * self._names.signs[account])
                self._dated.update((" ".join(map(str, told)) + "\n").encode())

    def _finish(self) -> ProvedArchive:
        lines, carried = self._lines, self._carried
        header = lines.header
        self._batches.end()
        if carried.last_seq != header.last_seq:
            raise lines.refused(
                f"entry {carried.last_seq + 1} is missing: the file was to hold up to {header.last_seq}"
            )
        if self._texts:
            raise lines.refused(f"a text stands beside entry {min(self._texts)}, which is not in the file")
        told = {name: lines.seal.get(name) for name in ("entries", *self._text_counts)}
        if told != {"entries": self._count, **self._text_counts}:
            raise lines.refused("its numbers of entries and texts are not those of the lines above")
        self._check_openings()
        assert carried.posted_us is not None
        return ProvedArchive(
            path=lines.path,
            organization=header.organization,
            number=header.number,
            first_seq=header.first_seq,
            last_seq=header.last_seq,
            opening=self._opening,
            opening_holds=self._opening_holds,
            closing={account: carried.accounts[account] for account in self._touched},
            captured={hold: carried.captures[hold] for hold in self._captured},
            latest_us=self._latest,
            posted_us=carried.posted_us,
            greatest_key=self._greatest,
            file_bytes=lines.bytes,
            file_sha256=lines.whole.digest(),
            keys_sha256=self._keys.digest(),
            reversed=self._reversed,
            dated_sha256=self._dated.digest(),
            refusals=self._refusals,
            texts=self._text_counts,
        )

    def _check_openings(self) -> None:
        """An opening is told of what the entries touch, and of nothing else."""
        if not self._touched.issuperset(self._opening) or not self._captured.issuperset(self._opening_holds):
            raise self._lines.refused("it tells where an account or hold stood that none of its entries touches")
