"""The endorsements this peer made lately, so that its validator need not verify its own signatures again.

Bounded: what was forgotten is simply verified. Used by the endorser's and the validator's threads at once.

Source: measured, 49 microseconds of every transaction at its own endorser.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

REMEMBERED_MAX = 20_000
"""Endorsements kept; more than any channel has in flight."""


class OwnEndorsements:
    """Signatures by this peer and what they cover."""

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = Lock()

    def add(self, signature: bytes, payload: bytes) -> None:
        """Remember that this peer signed ``payload``."""
        digest = hashlib.sha256(payload).digest()
        with self._lock:
            self._digests[signature] = digest
            if len(self._digests) > REMEMBERED_MAX:
                self._digests.popitem(last=False)

    def made(self, signature: bytes, payload: bytes) -> bool:
        """Say whether this peer made this signature over exactly this payload; a second question gets no."""
        digest = hashlib.sha256(payload).digest()
        with self._lock:
            return self._digests.pop(signature, None) == digest
