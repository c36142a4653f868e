"""The last part of a transaction's trace: from its submission at this peer until its block is durable here.

A block belongs to no call; so the trace a transaction was submitted in is kept until it is committed.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from network import tracing
from node.peer.committer import CommittedBlock

WAITING_MAX = 10_000
"""Submitted transactions that are remembered; the oldest are forgotten first."""


class CommitTraces:
    """The transactions of one channel that were submitted here in a trace."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def submitted(self, tx_id: str) -> None:
        """Take note of a transaction that the ordering service has accepted."""
        if parent := tracing.traceparent():
            self._waiting[tx_id] = parent, time.time_ns()
            if len(self._waiting) > WAITING_MAX:
                self._waiting.popitem(last=False)

    def committed(self, channel_id: str, block: CommittedBlock) -> None:
        """Record the commit of those that are in a block."""
        if not self._waiting:
            return
        for transaction, flag in zip(block.validation.transactions, block.validation.flags, strict=True):
            submitted = self._waiting.pop(transaction.tx_id, None)
            if submitted is not None:
                parent, start_ns = submitted
                about = {"channel": channel_id, "tx_id": transaction.tx_id}
                tracing.record("commit", parent, start_ns, **about, block=block.number, validation_code=flag)
