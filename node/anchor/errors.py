"""Errors of ``node.anchor`` and ``node.audit``.

NodeError
└── AnchorError
    ├── SealError        a row of the books that may not enter the log; names the row
    ├── InArchiveError   an entry that stands in a file of the archive; says which
    ├── LogError         stored tiles or checkpoints that do not fit together
    │   └── NotSealedError   an entry that is not the one in the log
    └── MirrorError      another member's log that does not match what it anchored
"""

from __future__ import annotations

from node.errors import NodeError


class AnchorError(NodeError):
    """Base of what goes wrong between the books and the shared ledger."""


class SealError(AnchorError):
    """A row of the books may not enter the log."""


class InArchiveError(AnchorError):
    """An entry stands in a file of the archive, not in the books."""


class LogError(AnchorError):
    """Stored tiles or checkpoints do not fit together."""


class NotSealedError(LogError):
    """An entry is not the one in the log."""


class MirrorError(AnchorError):
    """Another member's log does not match what it anchored."""
