"""Checks ECDSA signatures for a peer, as a process of its own: for ``signature_checks`` and ``block_signatures``.

It says one byte on the standard output when it is ready. Then each check comes on the standard input and is answered by
one byte, in order; the process ends with its input. It is told keys and digests only, knows no secret and decides
nothing but whether a signature holds.
"""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import sys
from typing import TYPE_CHECKING, cast

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from network.signing import failures_as_fabric

if TYPE_CHECKING:  # the process itself has no use for it
    from network.identity import Identity

MODULE = "node.peer.signature_process"

HOLDS, FAILS = b"\x01", b"\x00"

DIGEST_BYTES = 32

_HEAD = struct.Struct("!II")
"""Number of a key and length of the signature that follows its digest; or 0 and the length of a key that follows.

Keys have the numbers 1, 2 and so on in the order they are told."""

_READ_BYTES = 256 * 1024


def encode_key(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the record that makes a key known."""
    data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _HEAD.pack(0, len(data)) + data


def encode_check(key_number: int, digest: bytes, signature: bytes) -> bytes:
    """Return the record that asks whether a known key made a signature over a SHA-256 digest."""
    return _HEAD.pack(key_number, len(signature)) + digest + signature


class CheckEncoder:
    """Writes the checks for one process, which is told each key once."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, bytes], int] = {}

    @property
    def keys_told(self) -> int:
        """How many keys it was told."""
        return len(self._keys)

    def encode(self, identity: Identity, message: bytes, signature: bytes) -> bytes:
        """Return the records of a check; the identity is one that ``signs_usually``."""
        told = b""
        number = self._keys.get(identity.identifier)
        if number is None:
            number = self._keys[identity.identifier] = len(self._keys) + 1
            told = encode_key(cast(ec.EllipticCurvePublicKey, identity.public_key))
        return told + encode_check(number, hashlib.sha256(message).digest(), signature)


class Checks:
    """What was asked so far."""

    def __init__(self) -> None:
        self._keys: list[ec.EllipticCurvePublicKey] = []
        self._unread = b""

    def answers(self, data: bytes) -> bytes:
        """Return the answers to the checks that are whole with these bytes."""
        data, at, asked = self._unread + data, 0, []
        while len(data) - at >= _HEAD.size:
            number, length = _HEAD.unpack_from(data, at)
            begin = at + _HEAD.size
            end = begin + length + (DIGEST_BYTES if number else 0)
            if end > len(data):
                break
            if number:
                signature = begin + DIGEST_BYTES
                asked.append((self._keys[number - 1], data[begin:signature], data[signature:end]))
            else:
                key = load_der_public_key(data[begin:end])
                assert isinstance(key, ec.EllipticCurvePublicKey)
                self._keys.append(key)
            at = end
        self._unread = data[at:]
        return b"".join([FAILS if failure else HOLDS for failure in failures_as_fabric(asked)])


def main() -> None:
    """Answer until the input ends; an interrupt is for whoever asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    checks, given, told = Checks(), sys.stdin.fileno(), sys.stdout.fileno()
    os.write(told, HOLDS)
    while data := os.read(given, _READ_BYTES):
        answers = checks.answers(data)
        while answers:
            answers = answers[os.write(told, answers) :]


if __name__ == "__main__":
    main()
