"""Verifies bundles of every version and kind, many of one channel at the price of one.

What bundles of one channel share is checked once: the blocks, as long as they are the same bytes, with every
transaction and head on them that held. So the first bundle costs its channel, and each further one only its own part.

Usage without network or database: ``python -m network.bundle_verifier FILE --genesis HASH``. Statements and periods
need a reader of entries besides, which this room does not have: ``dwaybank verify`` has it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from network.bundle import Describe, VerifiedEntry, verify_entry
from network.bundle_channel import ChannelEvidence
from network.bundle_claims import VerifiedClaim, verify_claim
from network.bundle_entries import ReadEntry
from network.bundle_format import VERSION as ENTRY_VERSION
from network.bundle_format import BundleContent, parse_bundle, read_entry_bundle
from network.bundle_head import HeadVerifier, Witness
from network.bundle_many import VERSION as MANY_VERSION
from network.bundle_many import ManyContent
from network.bundle_many_form import read_many
from network.bundle_parts import TransactionRef, read_bundle_json, require_version
from network.errors import ProofError

CHANNELS_KEPT = 4
"""Sets of blocks whose checks are remembered."""

Proved = VerifiedEntry | VerifiedClaim


def read_bundle(data: bytes) -> BundleContent | ManyContent:
    """Take a bundle of any version apart.

    Raises:
        ProofError: ``bundle_too_large``, ``malformed_json``, ``unknown_version``, ``unknown_kind`` or
            ``malformed_bundle``.
    """
    outer = read_bundle_json(data)
    version = require_version(outer, ENTRY_VERSION, MANY_VERSION)
    return read_entry_bundle(outer) if version == ENTRY_VERSION else read_many(outer)


@dataclass(frozen=True, slots=True)
class _Channel:
    """Blocks that held, and what was asked of them."""

    blocks: Mapping[int, bytes]
    definitions: list[tuple[str, Sequence[TransactionRef]]]
    """In their order: they are checked in it."""
    evidence: ChannelEvidence
    heads: HeadVerifier


class BundleVerifier:
    """Verifies bundles for someone who trusts one genesis block.

    Args:
        genesis_hash: header hash of the channel's block 0.
        witnesses_min: other members that must vouch for each checkpoint.
        describe, read: read entries' canonical bytes; None where nobody does.
    """

    def __init__(
        self,
        genesis_hash: bytes,
        *,
        witnesses_min: int = 1,
        describe: Describe | None = None,
        read: ReadEntry | None = None,
    ) -> None:
        self._genesis_hash = genesis_hash
        self._witnesses_min = witnesses_min
        self._describe = describe
        self._read = read
        self._channels: list[_Channel] = []

    def verify(self, bundle: bytes, now: datetime | None = None) -> Proved:
        """Return what a bundle proves.

        Args:
            now: refuses witness times later than this; None to leave times unchecked.
        Raises:
            ProofError: it proves nothing; ``reason`` is one of the codes in ``docs/proof-format.md``.
            ValueError: it needs a reader of entries.
        """
        content = read_bundle(bundle)
        if isinstance(content, BundleContent):
            return self._entry(content, now)
        channel = self._channel(content.blocks, content.definitions)
        return verify_claim(
            content, channel.evidence, channel.heads, witnesses_min=self._witnesses_min, read=self._read, now=now
        )

    def verify_entry(self, bundle: bytes, now: datetime | None = None) -> VerifiedEntry:
        """Return the entry that a bundle proves; as ``verify``, and ``unknown_version`` for any other claim."""
        return self._entry(parse_bundle(bundle), now)

    def _entry(self, content: BundleContent, now: datetime | None) -> VerifiedEntry:
        channel = self._channel(content.blocks, content.definitions)
        return verify_entry(
            content, channel.evidence, channel.heads,
            witnesses_min=self._witnesses_min, describe=self._describe, now=now,
        )  # fmt: skip

    def _channel(self, blocks: Mapping[int, bytes], definitions: Mapping[str, Sequence[TransactionRef]]) -> _Channel:
        ordered = list(definitions.items())
        for known in self._channels:
            if known.blocks == blocks and known.definitions == ordered:
                return known
        evidence = ChannelEvidence(self._genesis_hash, blocks, definitions)
        found = _Channel(blocks, ordered, evidence, HeadVerifier(evidence))
        self._channels = [found, *self._channels[: CHANNELS_KEPT - 1]]
        return found


def witnesses_report(witnesses: Sequence[Witness]) -> list[dict[str, str]]:
    """Return witnesses as programs are told of them."""
    return [{"organization": witness.organization, "time": witness.time.isoformat()} for witness in witnesses]


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one bundle file and write the outcome as JSON; 0 when it proves its claim, 1 when not, 2 for misuse."""
    parser = argparse.ArgumentParser(prog="python -m network.bundle_verifier", description="Verify a bundle offline.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--genesis", required=True, help="header hash of block 0, 64 hex digits")
    parser.add_argument("--witnesses", type=int, default=1, help="other members that must vouch (default 1)")
    options = parser.parse_args(arguments)
    try:
        verifier = BundleVerifier(bytes.fromhex(options.genesis), witnesses_min=options.witnesses)
        proved = verifier.verify(options.file.read_bytes(), datetime.now(UTC))
    except ProofError as error:
        sys.stdout.write(json.dumps({"valid": False, "reason": error.reason, "message": str(error)}) + "\n")
        return 1
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(json.dumps(_report(proved)) + "\n")
    return 0


def _report(proved: Proved) -> dict[str, Any]:
    told: dict[str, Any] = {"valid": True, "channel": proved.channel_id, "organization": proved.organization}
    if isinstance(proved, VerifiedEntry):
        return told | {
            "state": proved.state,
            "seq": proved.seq,
            "leaf": proved.leaf.hex(),
            "log_size": proved.log_size,
            "block_number": proved.block_number,
            "block_hash": proved.block_hash.hex(),
            "transaction_id": proved.transaction_id,
            "witnesses": witnesses_report(proved.witnesses),
            "decision": proved.decision_record is not None,
        }
    told |= {"kind": proved.kind, "word": list(proved.word)}
    if proved.range is not None:
        told |= {"from": proved.range.first, "to": proved.range.last, "withheld": proved.range.withheld}
    return told | {"heads": [{"size": head.size, "root": head.root.hex()} for head in proved.heads]}


if __name__ == "__main__":
    raise SystemExit(main())
