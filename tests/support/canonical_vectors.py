"""Makes the vectors of the canonical forms from docs/adr/0003, 0015 and 0018 alone: shares no code with ``ledger``.

Run ``python tests/support/canonical_vectors.py`` to rebuild ``fixtures/ledger/canonical-v1.json`` to ``-v3.json`` and
``refusals-v1.json``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "ledger"
FILES = {version: FOLDER / f"canonical-v{version}.json" for version in (1, 2, 3)}
REFUSALS_FILE = FOLDER / "refusals-v1.json"

ENTRIES: list[dict[str, Any]] = [
    {
        "what": "two postings, nothing optional",
        "seq": 1,
        "key": "0190b6a0-5e7f-7c11-8000-3b1f6f0c2a55",
        "posted_at_us": 1772442000000000,
        "effective_at_us": 1772442000000000,
        "postings": [["cash", "EUR", 2, "debit", "1250"], ["alice", "EUR", 2, "credit", "1250"]],
        "settlement_id": "",
        "description": "",
        "outcome": 1,
    },
    {
        "what": "two assets, settlement, description beyond ASCII, effective before 1970",
        "seq": 2,
        "key": "ffffffff-ffff-ffff-ffff-fffffffffffe",
        "posted_at_us": 1772442000000001,
        "effective_at_us": -86400000000,
        "postings": [
            ["cash", "EUR", 2, "debit", "4611686018427387903"],
            ["alice", "EUR", 2, "credit", "4611686018427387902"],
            ["bob", "EUR", 2, "credit", "1"],
            ["yen", "JPY", 0, "debit", "7"],
            ["taro", "JPY", 0, "credit", "7"],
        ],
        "settlement_id": "DwaybankMSP/2026-03-02/17",
        "description": "Miete März, 2. Rate",
        "outcome": 2,
    },
]

EXTENSIONS: list[dict[str, Any]] = [
    {"actor": "", "metadata": {}, "reverses": 0, "hold_id": "", "chain_seq": 0},
    {
        "actor": "gateway:7",
        "metadata": {"invoice": "2026-031", "note": "Miete März"},
        "reverses": 1,
        "hold_id": "0190b6a0-5e7f-7c11-8000-3b1f6f0c2a99",
        "chain_seq": 2,
    },
]
"""What version 2 adds to the two entries."""

REFUSALS: list[dict[str, Any]] = [
    {
        "what": "an entry, nobody named",
        "after_seq": 0,
        "at_us": 1772442000000000,
        "kind": 1,
        "key": "0190b6a0-5e7f-7c11-8000-3b1f6f0c2a77",
        "code": "exceeds_available",
        "chained": False,
        "actor": "",
    },
    {
        "what": "a hold, in a chain",
        "after_seq": 1,
        "at_us": 1772442000000001,
        "kind": 2,
        "key": "0190b6a0-5e7f-7c11-8000-3b1f6f0c2a99",
        "code": "account_frozen",
        "chained": True,
        "actor": "",
    },
    {
        "what": "an entry with an actor, before 1970",
        "after_seq": 2**40,
        "at_us": -1,
        "kind": 1,
        "key": "ffffffff-ffff-ffff-ffff-fffffffffffe",
        "code": "period_closed",
        "chained": False,
        "actor": "gateway:7",
    },
]
"""Refusals one after the other."""


def field(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def number(value: int, size: int) -> bytes:
    return field(value.to_bytes(size, "big", signed=True))


def canonical(
    version: int, entry: dict[str, Any], commitment: bytes, decision_id: bytes, decision_leaf: bytes
) -> bytes:
    parts = [
        field(b"dwaybank.node/entry"),
        number(version, 1),
        number(entry["seq"], 8),
        field(bytes.fromhex(entry["key"].replace("-", ""))),
        number(entry["posted_at_us"], 8),
        number(entry["effective_at_us"], 8),
        number(len(entry["postings"]), 2),
    ]
    for account, asset, scale, side, amount in entry["postings"]:
        parts += [
            field(account.encode()),
            field(asset.encode()),
            number(scale, 1),
            number({"debit": 1, "credit": 2}[side], 1),
            number(int(amount), 16),
        ]
    parts += [field(entry["settlement_id"].encode()), field(commitment)]
    parts += [field(decision_id), number(entry["outcome"], 1), field(decision_leaf)]
    return b"".join(parts)


def extension(added: dict[str, Any], metadata_commitment: bytes) -> bytes:
    return b"".join(
        (
            field(added["actor"].encode()),
            field(metadata_commitment),
            number(added["reverses"], 8) if added["reverses"] else field(b""),
            field(bytes.fromhex(added["hold_id"].replace("-", ""))),
            number(added["chain_seq"], 8) if added["chain_seq"] else field(b""),
        )
    )


def vector(version: int, index: int, entry: dict[str, Any], added: dict[str, Any]) -> dict[str, Any]:
    salt, description_salt, metadata_salt = (bytes([base + index]) * 32 for base in (0, 0x40, 0x60))
    decision_id, decision_leaf = bytes([0x80 + index]) * 16, bytes([0xC0 + index]) * 32
    text = entry["description"].encode()
    commitment = hashlib.sha256(b"dwaybank.node/description\x01" + description_salt + text).digest() if text else b""
    form = canonical(version, entry, commitment, decision_id, decision_leaf)
    more: dict[str, Any] = {}
    if version >= 2:
        pairs = ",".join(f'"{name}":"{value}"' for name, value in sorted(added["metadata"].items()))
        object_text = ("{" + pairs + "}").encode()
        metadata = (
            hashlib.sha256(b"dwaybank.node/metadata\x01" + metadata_salt + object_text).digest() if pairs else b""
        )
        form += extension(added, metadata)
        more = added | {
            "metadata_salt": metadata_salt.hex() if pairs else "",
            "metadata_commitment": metadata.hex(),
        }
    if version >= 3:
        # Only the second entry binds refusals.
        head = bytes([0xE0 + index]) * 32 if index == 2 else b""
        form += field(head)
        more |= {"refusals": head.hex()}
    return (
        entry
        | {
            "salt": salt.hex(),
            "description_salt": description_salt.hex() if text else "",
            "description_commitment": commitment.hex(),
            "decision_id": decision_id.hex(),
            "decision_leaf": decision_leaf.hex(),
        }
        | more
        | {"canonical": form.hex(), "leaf": hashlib.sha256(b"\x00" + salt + form).hexdigest()}
    )


def vectors(version: int) -> dict[str, Any]:
    both = zip(ENTRIES, EXTENSIONS, strict=True)
    entries = [vector(version, index, entry, added) for index, (entry, added) in enumerate(both, 1)]
    leaves = b"".join(bytes.fromhex(entry["leaf"]) for entry in entries)
    head = b"dwaybank.node/batch\x01" + (1).to_bytes(8, "big") + len(entries).to_bytes(8, "big")
    return {"entries": entries, "batch_digest": hashlib.sha256(head + leaves).hexdigest()}


def refusal_form(number_of_refusal: int, refusal: dict[str, Any], request_hash: bytes) -> bytes:
    return b"".join(
        (
            field(b"dwaybank.node/refusal"),
            number(1, 1),
            number(number_of_refusal, 8),
            number(refusal["after_seq"], 8),
            number(refusal["at_us"], 8),
            number(refusal["kind"], 1),
            field(bytes.fromhex(refusal["key"].replace("-", ""))),
            field(refusal["code"].encode()),
            number(int(refusal["chained"]), 1),
            field(request_hash),
            field(refusal["actor"].encode()),
        )
    )


def refusal_vectors() -> dict[str, Any]:
    head = bytes(32)
    told = []
    for index, refusal in enumerate(REFUSALS, 1):
        salt, request_hash = bytes([index]) * 32, bytes([0xA0 + index]) * 32
        form = refusal_form(index, refusal, request_hash)
        leaf = hashlib.sha256(b"\x00" + salt + form).digest()
        head = hashlib.sha256(b"dwaybank.node/refusals\x01" + head + leaf).digest()
        given = refusal | {"number": index, "salt": salt.hex(), "request_hash": request_hash.hex()}
        told.append(given | {"form": form.hex(), "leaf": leaf.hex(), "head": head.hex()})
    numbers = (1).to_bytes(8, "big") + len(told).to_bytes(8, "big")
    signed = hashlib.sha256(b"dwaybank.node/refusals-signed\x01" + numbers + head).hexdigest()
    return {"refusals": told, "signed_digest": signed}


if __name__ == "__main__":
    text_of_refusals = json.dumps(refusal_vectors(), indent=1) + "\n"
    REFUSALS_FILE.write_text(text_of_refusals, encoding="utf-8")
    for number_of_version, file in FILES.items():
        text_of_file = json.dumps(vectors(number_of_version), indent=1, ensure_ascii=False) + "\n"
        file.write_text(text_of_file, encoding="utf-8")
