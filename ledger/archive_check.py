"""Holds files of the archive, once proved, against the books they came from. Reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from ledger.archive_file import first_of
from ledger.archive_proof import Carried, ProvedArchive, prove_archive
from ledger.archive_state import Archive
from ledger.queries import query
from ledger.ranges import AccountSum, Captured, Finding
from ledger.refusal_chain import carried_heads
from ledger.signed import Verify


def check_files(
    connection: psycopg.Connection[Any],
    archives: Sequence[Archive],
    paths: Sequence[Path],
    verify: Verify,
    progress: Callable[[int, int], None] = lambda done, whole: None,
) -> Iterator[tuple[ProvedArchive, list[Finding]]]:
    """Prove files of the archive; yield each with what of the books does not fit to it.

    Args:
        archives: those that stand.
        paths: any of their files. Given from the first one on without a gap, each is proved from where the one before
            it ends, and with the last of them the border too.
    Raises:
        ArchiveRefusedError: a file does not prove.
        OSError: a file cannot be read.
    """
    ordered = sorted(paths, key=first_of)
    carried = Carried()
    for path in ordered:
        goes_on = first_of(path) == carried.last_seq + 1
        proved = prove_archive(path, verify, carried if goes_on else None, progress)
        if not goes_on:
            carried = Carried(last_seq=-1)
        found = list(_check(connection, archives, proved))
        if archives and carried.last_seq == archives[-1].record.last_seq:
            found += _check_border(connection, carried)
        yield proved, found


def _check(
    connection: psycopg.Connection[Any], archives: Sequence[Archive], proved: ProvedArchive
) -> Iterator[Finding]:
    first, last = proved.first_seq, proved.last_seq
    subject = f"file {proved.path.name}"
    record = next((a.record for a in archives if a.record.file_sha256 == proved.file_sha256), None)
    if record is None:
        yield Finding(first, subject, f"its SHA-256, {proved.file_sha256.hex()}, is that of no archive of these books")
        return
    told = (record.number, record.first_seq, record.last_seq, record.latest_us, record.posted_us, record.greatest_key)
    found = (proved.number, first, last, proved.latest_us, proved.posted_us, proved.greatest_key)
    if told != found or record.keys_sha256 != proved.keys_sha256:
        yield Finding(first, subject, "its record in the books does not tell what is in it")
    if _dated_digest(connection, first, last) != proved.dated_sha256:
        yield Finding(first, subject, "dated postings of its entries are not in the books as they were posted")
    seqs = sorted(proved.refusals)
    heads = carried_heads(connection, seqs)
    for seq in seqs:
        if heads.get(seq, b"") != proved.refusals[seq]:
            yield Finding(seq, f"entry {seq}", "binds other refusals than stand in the books before it")
    if archives[-1].record is record:
        yield from _check_closing(connection, proved)


def _dated_digest(connection: psycopg.Connection[Any], first: int, last: int) -> bytes:
    digest = hashlib.sha256()
    with connection.cursor() as cursor:
        for row in cursor.execute(query("dated_lines"), (first, last)):
            digest.update((row[0] + "\n").encode())
    return digest.digest()


def _check_closing(connection: psycopg.Connection[Any], proved: ProvedArchive) -> Iterator[Finding]:
    """Compare where the newest file leaves its accounts with where the books say that they stood."""
    kept = _openings(connection)
    for account, known in proved.closing.items():
        if kept.get(account) != known:
            yield Finding(proved.last_seq, f"account number {account}", "did not stand at the border as the books say")


def _check_border(connection: psycopg.Connection[Any], carried: Carried) -> Iterator[Finding]:
    """Compare the border with what all the files leave."""
    kept = _openings(connection)
    for account in sorted(kept.keys() - carried.accounts.keys()):
        yield Finding(carried.last_seq, f"account number {account}", "stands at the border, and no file touches it")
    holds = connection.execute(b"SELECT hold_id, captured, entry_seq FROM ledger.hold_opening")
    for hold, captured, entry_seq in holds:
        if carried.captures.get(hold) != Captured(captured, entry_seq):
            yield Finding(carried.last_seq, f"hold {hold}", "was not captured so far before the border")
    for seq, reverses, account, change in connection.execute(query("reversals_over_border"), (carried.last_seq,)):
        original = carried.originals.get(reverses)
        remains = original.get(account, 0) if original is not None else 0
        if original is None or change * remains >= 0 or abs(change) > abs(remains):
            problem = f"takes back what entry {reverses} does not have, or more than remains of it"
            yield Finding(seq, f"entry {seq}", problem)
        elif original is not None:
            original[account] = remains + int(change)


def _openings(connection: psycopg.Connection[Any]) -> dict[int, AccountSum]:
    rows = connection.execute(b"SELECT account_id, balance, last_seq, posting_count FROM ledger.account_opening")
    return {account: AccountSum(balance, seq, balance, count) for account, balance, seq, count in rows}
