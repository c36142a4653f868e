"""Writes ``fixtures/proofs/log.json``: a log's proofs and signed heads, for verifiers written by others.

``python -m tests.support.log_vectors FOLDER``. Every value follows from the leaf data and the two seeds.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from network.checkpoint import COSIGNATURE_V1, Checkpoint, cosign, sign_checkpoint, verifier_key
from network.merkle import consistency_proof, inclusion_proof, leaf_hash, root

SIZES = (1, 2, 3, 7, 8, 255, 256, 257, 300)
ORIGIN = "dwaybank.node/log/DwaybankMSP"
WITNESS = "dwaybank.node/witness/RegulatorMSP"
LOG_SEED = bytes(31) + b"\x01"
WITNESS_SEED = bytes(31) + b"\x02"
TIME = 1_700_000_000


def leaf_data(index: int) -> bytes:
    return b"leaf " + str(index).encode()


def vectors() -> dict[str, Any]:
    """Return everything the file holds."""
    leaves = [leaf_hash(leaf_data(index)) for index in range(max(SIZES))]
    log_key, witness_key = SigningKey(LOG_SEED), SigningKey(WITNESS_SEED)
    note = sign_checkpoint(Checkpoint(ORIGIN, 300, root(leaves)), ORIGIN, log_key)
    return {
        "leaf_data": "the bytes 'leaf N', N the index in decimal",
        "roots": {str(size): _encode(root(leaves[:size])) for size in SIZES},
        "inclusion": [
            {"index": index, "size": size, "proof": [_encode(node) for node in inclusion_proof(leaves[:size], index)]}
            for size in SIZES
            for index in sorted({0, size // 2, size - 1})
        ],
        "consistency": [
            {
                "old_size": old,
                "new_size": new,
                "proof": [_encode(node) for node in consistency_proof(leaves[:new], old)],
            }
            for old in SIZES
            for new in SIZES
            if old <= new
        ],
        "log_seed": LOG_SEED.hex(),
        "log_key": verifier_key(ORIGIN, log_key),
        "note": note.decode(),
        "witness_seed": WITNESS_SEED.hex(),
        "witness_key": verifier_key(WITNESS, witness_key, COSIGNATURE_V1),
        "time": TIME,
        "cosignature": cosign(note, WITNESS, witness_key, TIME),
    }


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


if __name__ == "__main__":
    text = json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"
    (Path(sys.argv[1]) / "log.json").write_text(text, encoding="utf-8")
