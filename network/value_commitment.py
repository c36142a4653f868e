"""Commitments to amounts that add up: who sees only the commitments can still check that a net follows from the gross.

    C(v, r) = v_1·G(asset 1) + v_2·G(asset 2) + ... + r·H

- A commitment hides its amounts: ``r`` is 252 random bits. It binds: nobody knows how the bases hang together, so no
  other amounts open it (discrete logarithms on edwards25519).
- The sum of commitments is a commitment to the sums, asset by asset, under the sum of the blindings. So the net of a
  thousand obligations is checked with one opening, and no single amount is shown.
- Amounts may be negative: a net is what one owes less what he is owed. They wrap at the group's order, about 2^252;
  who commits to gross amounts checks first that each is an amount of money.

Form: 32 bytes, an edwards25519 point of the prime-order subgroup, or the neutral element for the empty sum.

Source: T. P. Pedersen, Non-Interactive and Information-Theoretic Secure Verifiable Secret Sharing (1991); group
operations are libsodium's, through PyNaCl.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache

from nacl import bindings
from nacl.exceptions import CryptoError

from network.errors import ProofError

POINT_BYTES = 32
SCALAR_BYTES = 32

NEUTRAL = (1).to_bytes(POINT_BYTES, "little")
"""The empty sum."""

ORDER = 2**252 + 27742317777372353535851937790883648493
"""Number of elements of the group (RFC 8032, section 5.1)."""

_TAG = b"dwaybank.node/value-commitment\x01"


def blinding_of(secret: bytes) -> int:
    """Return the blinding that a secret of 32 random bytes gives, so that one secret opens two kinds of commitments."""
    return int.from_bytes(hashlib.sha512(_TAG + b"blinding\x00" + secret).digest(), "little") % ORDER


def commit(amounts: Mapping[str, int], blinding: int) -> bytes:
    """Return the commitment to amounts.

    Args:
        amounts: minor units by asset code; may be negative; an asset that is not named counts as 0.
        blinding: secret; of a single commitment ``blinding_of``, of a sum the sum of the blindings.
    """
    parts = [_times(_base("asset", asset), amount) for asset, amount in sorted(amounts.items())]
    return add(*parts, _times(_base("blinding", ""), blinding))


def add(*commitments: bytes) -> bytes:
    """Return the sum of commitments.

    Raises:
        ProofError: ``malformed_commitment``, one is no point of the group.
    """
    total = NEUTRAL
    for commitment in commitments:
        point = require_point(commitment)
        if total == NEUTRAL:
            total = point
        elif point != NEUTRAL:
            total = bindings.crypto_core_ed25519_add(total, point)
    return total


def negate(commitment: bytes) -> bytes:
    """Return the commitment to the opposite amounts under the opposite blinding."""
    point = require_point(commitment)
    # The sign of the x coordinate is the highest bit (RFC 8032, section 5.1.2); the neutral element has x = 0.
    return point if point == NEUTRAL else point[:-1] + bytes([point[-1] ^ 0x80])


def opens(commitment: bytes, amounts: Mapping[str, int], blinding: int) -> bool:
    """Whether these amounts and this blinding are what a commitment stands for."""
    return commit(amounts, blinding) == require_point(commitment)


def total(amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the sum by asset, without those that come to nothing."""
    sums: dict[str, int] = {}
    for asset, amount in amounts:
        sums[asset] = sums.get(asset, 0) + amount
    return {asset: amount for asset, amount in sorted(sums.items()) if amount}


def require_point(commitment: bytes) -> bytes:
    """Return the bytes once they are an element of the group.

    Raises:
        ProofError: ``malformed_commitment``.
    """
    if commitment == NEUTRAL:
        return commitment
    try:
        valid = len(commitment) == POINT_BYTES and bindings.crypto_core_ed25519_is_valid_point(commitment)
    except (CryptoError, TypeError):
        valid = False
    if not valid:
        raise ProofError("malformed_commitment", "a value commitment is no point of the group")
    return commitment


def _times(base: bytes, factor: int) -> bytes:
    reduced = factor % ORDER
    if not reduced:
        return NEUTRAL
    return bindings.crypto_scalarmult_ed25519_noclamp(reduced.to_bytes(SCALAR_BYTES, "little"), base)


@cache
def _base(kind: str, name: str) -> bytes:
    """Return a generator nobody knows the logarithm of: the map of a hash into the group."""
    seed = hashlib.sha256(_TAG + f"{kind}\x00{name}".encode()).digest()
    return bindings.crypto_core_ed25519_from_uniform(seed)
