"""The endorsements this peer made lately, so that its validator need not verify its own signatures again.

Bounded: what was forgotten is simply verified. Used by the endorser's and the validator's threads at once.

Source: measured, 49 microseconds of every transaction at its own endorser.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

REMEMBERED_MAX = 20_000
"""Endorsements kept; more than any channel has in flight."""


class OwnEndorsements:
    """Signatures by this peer and what they cover."""

    def __init__(self) -> None:
        self._payloads: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = Lock()

    def add(self, signature: bytes, payload: bytes) -> None:
        """Remember that this peer signed ``payload``."""
        with self._lock:
            self._payloads[signature] = payload
            if len(self._payloads) > REMEMBERED_MAX:
                self._payloads.popitem(last=False)

    def made(self, signature: bytes, payload: bytes) -> bool:
        """Say whether this peer made this signature over exactly this payload; a second question gets no."""
        with self._lock:
            return self._payloads.pop(signature, None) == payload
