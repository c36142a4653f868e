"""Compares the file of an archive with the log that its organization anchored: what an audit of books cannot recompute.

The file is proved by itself first (``ledger.archive_proof``); each leaf recomputed from its rows is held against the
anchored one. Signatures of the posting engine are not judged: what other members mirrored when it was anchored says
more. Works on the node's own database, beside the node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ledger.archive_file import ArchiveLines
from ledger.archive_proof import ProvedArchive, prove_archive
from ledger.audit import FINDINGS_MAX
from ledger.errors import ArchiveRefusedError
from node.anchor.database import Database
from node.anchor.store import LogStore, MirrorStore
from node.audit.anchored_log import mirrored_leaves, own_leaves
from node.audit.books_audit import CHANGED, INSERTED, BookFinding, Leaves
from node.audit.index import AuditIndex


@dataclass(frozen=True, slots=True)
class ArchiveAudit:
    """What an audit of a file found."""

    proved: ProvedArchive
    findings: Sequence[BookFinding]
    anchored_size: int


def audit_archive(
    url: str,
    own: str,
    path: Path,
    *,
    now: Callable[[], datetime],
    progress: Callable[[int, int], None] = lambda done, whole: None,
) -> ArchiveAudit:
    """Audit a file of the own archive, or of another member's that he gave. Blocks.

    Args:
        url: of this node's database.
        own: this organization.
        path: the file; it says whose it is.
        now: the clock, UTC.
    Raises:
        ArchiveRefusedError: the file does not prove by itself.
        NotYetError: nothing of its organization is anchored, or mirrored here, yet.
        MirrorError: this node's copy of the log is not sound.
        OSError: the file cannot be read.
    """
    organization = organization_of(path)
    database = Database(url)
    database.open()
    findings: list[BookFinding] = []

    def compare(seq: int, leaf: bytes) -> None:
        if len(findings) >= FINDINGS_MAX:
            return
        if seq > len(anchored):
            findings.append(BookFinding(INSERTED, seq, "the entry was archived, and never anchored"))
        elif leaf != anchored[seq - 1]:
            findings.append(BookFinding(CHANGED, seq, "the archived row does not give the leaf that was anchored"))

    try:
        index = AuditIndex(database, now)
        anchored: Leaves
        if organization == own:
            anchored = own_leaves(LogStore(database), index, organization)
        else:
            anchored = mirrored_leaves(MirrorStore(database), index, organization)
        proved = prove_archive(path, lambda digest, signature: True, progress=progress, take_leaf=compare)
    finally:
        database.close()
    return ArchiveAudit(proved, findings, len(anchored))


def organization_of(path: Path) -> str:
    """Return whose books a file of the archive is of, as it says itself.

    Raises:
        ArchiveRefusedError: it is no file of the archive.
        OSError: it cannot be read.
    """
    lines = ArchiveLines(path)
    next(iter(lines), None)
    if not lines.header.organization:
        raise ArchiveRefusedError(f"file {path}", "it does not say whose books it is of")
    return lines.header.organization
