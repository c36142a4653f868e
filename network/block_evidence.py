"""Blocks inside a signed file: enough of a channel to know, years later, whose certificates counted at a block.

A file carries block 0, every configuration block up to the block it speaks of, and that block, each as base64 under its
number. The last one names the newest configuration under its orderers' signature, so that none can be left out.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from network.block import header_hash
from network.bundle_channel import ChannelEvidence
from network.bundle_json import decode_base64
from network.errors import ProofError
from network.msp import MspManager

FILE_BYTES_MAX = 64 * 1024 * 1024
BLOCKS_MAX = 256

_BLOCK_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class BlockEvidence:
    """A channel up to one block, checked against the hash of its genesis block."""

    channel: ChannelEvidence
    block_number: int

    @property
    def block_hash(self) -> bytes:
        """Header hash of that block."""
        return header_hash(self.channel.block(self.block_number).header)

    @property
    def msps(self) -> MspManager:
        """The channel's members once that block was committed."""
        return self.channel.config_after(self.block_number).msps


def blocks_value(blocks: Mapping[int, bytes]) -> dict[str, str]:
    """Return the JSON form of blocks."""
    return {str(number): base64.b64encode(block).decode() for number, block in sorted(blocks.items())}


def open_blocks(value: Any, block_number: int, genesis_hash: bytes, malformed: str) -> BlockEvidence:
    """Read and check the blocks of a file that speaks of one of them.

    Args:
        malformed: reason of the error for what is no JSON form of blocks.
    Raises:
        ProofError: ``malformed``, ``missing_block``, or what the blocks are refused for.
    """
    if not isinstance(value, dict) or not 1 <= len(value) <= BLOCKS_MAX:
        raise ProofError(malformed, f"blocks is not an object of 1 to {BLOCKS_MAX}")
    blocks = dict(_read_block(number, text, malformed) for number, text in value.items())
    if block_number not in blocks or max(blocks) != block_number:
        raise ProofError("missing_block", f"the file's last block must be {block_number}, of which it speaks")
    return BlockEvidence(ChannelEvidence(genesis_hash, blocks, {}), block_number)


def _read_block(number: str, text: Any, malformed: str) -> tuple[int, bytes]:
    if not _BLOCK_NUMBER.fullmatch(number):
        raise ProofError(malformed, f"{number[:20]!r} is no block number")
    try:
        return int(number), decode_base64(text)
    except ValueError as error:
        raise ProofError(malformed, f"block {number} is {error}") from error
