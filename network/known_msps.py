"""MSPs met lately: the same configuration gives the same one, with what it found out about identities.

A channel's configuration carries every organization's again whenever anything in it changes, and a proof carries them
with each configuration it rests on.
"""

from __future__ import annotations

from functools import lru_cache

from network.msp import Msp

KNOWN_MAX = 32
KNOWN_BYTES_MAX = 64 * 1024
"""MSPs kept, and the size of configuration up to which one is."""


def msp_of(config: bytes, *, ed25519: bool) -> Msp:
    """Return the MSP of a serialized ``MSPConfig``; see ``Msp`` for arguments and errors."""
    return _known(config, ed25519) if len(config) <= KNOWN_BYTES_MAX else Msp(config, ed25519=ed25519)


@lru_cache(KNOWN_MAX)
def _known(config: bytes, ed25519: bool) -> Msp:
    return Msp(config, ed25519=ed25519)
