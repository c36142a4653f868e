"""The leaves of anchored logs: the own one, and copies of others', each held against the root on the shared ledger."""

from __future__ import annotations

from network.audit_record import record_key
from node.anchor.errors import MirrorError
from node.anchor.store import LogStore, MirrorStore
from node.audit.books_audit import anchored_leaves
from node.audit.errors import NotYetError
from node.audit.index import AuditIndex


def own_leaves(store: LogStore, index: AuditIndex, organization: str) -> list[bytes]:
    """Return the own anchored log, once it hashes to what the shared ledger holds. Blocks.

    Raises:
        NotYetError: nothing is anchored yet.
        MirrorError: it does not hash to that.
    """
    size = index.anchor_sizes(organization).anchored
    record = index.record(record_key("checkpoint", organization, size)) if size else None
    if record is None:
        raise NotYetError(f"nothing of {organization} is anchored yet")
    return anchored_leaves(store.read_tile, size, record.anchored_root(), "the stored log")


def mirrored_leaves(mirrors: MirrorStore, index: AuditIndex, organization: str) -> list[bytes]:
    """Return the copy of another's log, once it hashes to what the shared ledger holds. Blocks.

    Returns:
        Nothing where the log was served wrongly from its beginning: that is told beside it.
    Raises:
        NotYetError: nothing of it is mirrored yet.
        MirrorError: the copy is not sound.
    """
    head = mirrors.head(organization)
    if not head.size and mirrors.findings(organization):
        return []
    if not head.size:
        raise NotYetError(f"no anchored log of {organization} has been mirrored here yet")
    record = index.record(record_key("checkpoint", organization, head.size))
    if record is None or record.anchored_root() != head.root:
        raise MirrorError(f"this node's copy of the log of {organization} has a head that was never anchored")
    reader = mirrors.tile_reader(organization)
    return anchored_leaves(reader, head.size, head.root, f"this node's copy of the log of {organization}")
