"""Makes blocks: hash, sign, append, make durable; one at a time, in a thread of its own.

Rules
- A block is announced to nobody before it is durable.
- After a failed write the next block takes the same number and the same predecessor.

Source: Fabric orderer/common/multichannel/blockwriter.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from network.block import header_hash, new_block, sign_block
from network.envelope import Signer
from node.orderer.block_store import BlockStore


class BlockWriter:
    """The only writer of one channel's block store.

    Args:
        store: holds at least the genesis block.
        signer: the orderer's identity.
        previous_hash: header hash of the last block stored.
        last_config: number of the newest configuration block.
    """

    def __init__(self, store: BlockStore, signer: Signer, previous_hash: bytes, last_config: int) -> None:
        self._store = store
        self._signer = signer
        self._previous_hash = previous_hash
        self._last_config = last_config

    def write(self, envelopes: Sequence[bytes], *, config: bool = False) -> bytes:
        """Make the next block of ``envelopes`` durable and return it, serialized.

        Args:
            envelopes: as received.
            config: whether they are one configuration transaction.
        Raises:
            BlockStoreWriteError: it could not be stored; nothing has changed.
            BlockStoreError: whether it is stored is unknown; no block may follow.
        """
        block = new_block(self._store.height, self._previous_hash, envelopes)
        # A configuration block names itself as the newest one.
        last_config = block.header.number if config else self._last_config
        sign_block(block, self._signer, last_config)
        data: bytes = block.SerializeToString()
        self._store.append(block.header.number, data)
        self._last_config = last_config
        self._previous_hash = header_hash(block.header)
        return data
