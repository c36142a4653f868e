"""Proves the chain of refusals from its rows as they stand now, and tells which head each entry has to carry.

Rules:
- rows are whatever an administrator left there; nothing here fails on one;
- a refusal is told by its number: changed, missing, put in, not signed, or not bound by the entry after it;
- what an entry carries is computed from the refusals that stand right before it, never believed: so a refusal that was
  changed shows in that entry's leaf to everyone who recomputes leaves, other organizations among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from ledger.canonical import LEAF_BYTES, SALT_BYTES, leaf_hash
from ledger.queries import query
from ledger.refusal import FIRST_HEAD, Kind, Refused, encode, next_head, signed_digest
from ledger.signed import Verify

ROWS_READ = 2_000

Problem = tuple[str, str]
"""What is wrong: subject, and one sentence."""


class RefusalRow(NamedTuple):
    """A row of ``refusal_rows``; anything may be None.

    Args:
        batch_first: first refusal of the batch that ends with this one.
        is_followed: whether the entry after it stands.
        bound: what that entry carries.
    """

    number: int
    after_seq: int | None
    at_us: int | None
    kind: int | None
    key: UUID | None
    code: str | None
    chained: bool | None
    request_hash: bytes | None
    actor: str | None
    salt: bytes | None
    head: bytes | None
    batch_first: int | None
    signature: bytes | None
    is_followed: bool
    bound: bytes | None


def carried_heads(connection: psycopg.Connection[Any], seqs: Sequence[int]) -> dict[int, bytes]:
    """Return the head that each of these entries has to carry, as far as refusals stand right before it."""
    if not seqs:
        return {}
    rows = _rows(connection, [seq - 1 for seq in seqs])
    groups: dict[int, list[RefusalRow]] = {}
    for row in rows:
        if row.after_seq is not None:
            groups.setdefault(row.after_seq + 1, []).append(row)
    before = [group[0].number - 1 for group in groups.values()]
    stored = {0: FIRST_HEAD} | dict(connection.execute(query("refusal_heads"), (before,)).fetchall())
    return {seq: _head_after(bytes(stored.get(group[0].number - 1) or b""), group) for seq, group in groups.items()}


def _rows(connection: psycopg.Connection[Any], after: list[int]) -> list[RefusalRow]:
    return [RefusalRow(*row) for row in connection.execute(query("refusal_rows"), {"after": after})]


def _head_after(head: bytes, group: Sequence[RefusalRow]) -> bytes:
    for row in group:
        head = next_head(head, _leaf(row))
    return head


def _leaf(row: RefusalRow) -> bytes:
    """Return the leaf that a row gives; nothing where it tells no refusal."""
    request_hash, salt = bytes(row.request_hash or b""), bytes(row.salt or b"")
    if len(request_hash) != LEAF_BYTES or len(salt) != SALT_BYTES:
        return b""
    match row:
        case RefusalRow(
            after_seq=int(after_seq), at_us=int(at_us), kind=int(kind), key=UUID() as key, code=str(code),
            chained=bool(chained), actor=str(actor),
        ):  # fmt: skip
            try:
                refused = Refused(after_seq, Kind(kind), key.bytes, code, chained, request_hash, actor)
                return leaf_hash(salt, encode(row.number, at_us, refused))
            except (OverflowError, ValueError):
                return b""
    return b""


def check_chain(connection: psycopg.Connection[Any], verify: Verify | None) -> Iterator[Problem]:
    """Yield what is wrong with the refusals, in their order.

    Args:
        connection: inside a transaction that sees everything as it stands at one moment.
        verify: whether a signature is the writer's; None leaves signatures unchecked.
    """
    walk = _Walk(verify)
    with connection.cursor(name="refusals") as cursor:
        cursor.itersize = ROWS_READ
        for row in cursor.execute(query("refusal_rows"), {"after": None}):
            yield from walk.take(RefusalRow(*row))
    yield from walk.finish()


class _Walk:
    """Goes through the refusals in the order of their numbers."""

    def __init__(self, verify: Verify | None) -> None:
        self._verify = verify
        self._before: RefusalRow | None = None
        self._covered = 0

    def take(self, row: RefusalRow) -> Iterator[Problem]:
        """Judge the next one."""
        before, self._before = self._before, row
        last, head = 0, FIRST_HEAD
        if before is not None and before.number > 0:
            last, head = before.number, bytes(before.head or b"")
        subject = f"refusal {row.number}"
        if before is not None and before.after_seq != row.after_seq:
            yield from _unbound(before)
        if row.number <= last:
            yield subject, "stands twice, or below number 1"
        elif row.number > last + 1:
            yield f"refusal {last + 1}", f"is missing: refusal {row.number} follows refusal {last}"
        elif _head_after(head, [row]) != row.head:
            yield subject, "its row does not give the head of the chain that stands with it"
        if before is not None and _goes_back(before, row):
            yield subject, "was judged before the refusal that it follows"
        if row.batch_first is not None:
            yield from self._judge_batch(row, row.batch_first)

    def _judge_batch(self, row: RefusalRow, first: int) -> Iterator[Problem]:
        covered, self._covered = self._covered, row.number
        if first != covered + 1:
            yield f"refusals {first} to {row.number}", f"do not follow those signed before, up to {covered}"
        elif self._verify is not None and not self._is_signed(self._verify, row, first):
            yield f"refusals {first} to {row.number}", "are not what the posting engine signed"

    def _is_signed(self, verify: Verify, row: RefusalRow, first: int) -> bool:
        head, signature = bytes(row.head or b""), bytes(row.signature or b"")
        return len(head) == LEAF_BYTES and verify(signed_digest(first, row.number, head), signature)

    def finish(self) -> Iterator[Problem]:
        """Judge what stands at the end."""
        if self._before is None:
            return
        yield from _unbound(self._before)
        if self._before.number > self._covered:
            yield f"refusal {self._covered + 1}", "no batch that the posting engine signed holds it"


def _unbound(row: RefusalRow) -> Iterator[Problem]:
    """Judge the last of those that one entry has to bind."""
    if row.is_followed and row.bound != row.head:
        yield f"refusal {row.number}", f"is not bound by entry {(row.after_seq or 0) + 1}, the first after it"


def _goes_back(before: RefusalRow, row: RefusalRow) -> bool:
    pairs = (before.after_seq, row.after_seq), (before.at_us, row.at_us)
    return any(first is not None and second is not None and second < first for first, second in pairs)
