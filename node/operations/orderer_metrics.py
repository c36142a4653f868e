"""What an orderer counts: envelopes and chains, under Fabric's names.

Source: Fabric orderer/common/broadcast/metrics.go, orderer/common/multichannel/metrics.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fabric_protos.common import common_pb2

from network.operations.metrics import Metrics

TRANSACTION = "ENDORSER_TRANSACTION"
CONFIG_UPDATE = "CONFIG_UPDATE"
_SUCCESS = "SUCCESS"

ACTIVE = 1
"""Fabric's ``participation_status``: the chain is ordered here."""

CONSENTER = 1
"""Fabric's ``participation_consensus_relation``: this node decides on the order."""


class Refusal(Protocol):
    """Why an envelope was not ordered."""

    @property
    def status(self) -> int:
        """``common.Status`` number."""


class HasHeight(Protocol):
    """A chain, as far as it is counted."""

    @property
    def height(self) -> int:
        """Number of durable blocks."""


class BroadcastMetrics:
    """Envelopes as they come and as they are answered."""

    def __init__(self, metrics: Metrics) -> None:
        labels = ["channel", "type", "status"]
        self._validate = metrics.histogram(
            "broadcast_validate_duration", "The time to validate a transaction in seconds.", labels
        )
        self._enqueue = metrics.histogram(
            "broadcast_enqueue_duration", "The time to enqueue a transaction in seconds.", labels
        )
        self._processed = metrics.counter("broadcast_processed_count", "The number of transactions processed.", labels)

    def checked(self, channel_id: str, kind: str, seconds: float) -> None:
        """Count an envelope that passed the checks."""
        self._validate.of(channel_id, kind, _SUCCESS).observe(seconds)

    def refused(self, channel_id: str, kind: str, status: int, seconds: float) -> None:
        """Count an envelope that did not pass the checks."""
        labels = channel_id, kind, _status_name(status)
        self._validate.of(*labels).observe(seconds)
        self._processed.of(*labels).value += 1

    def ended(self, channel_id: str, kind: str, refusal: Refusal | None, seconds: float) -> None:
        """Count an envelope whose block is durable, or failed; here that is when it is answered."""
        labels = channel_id, kind, _SUCCESS if refusal is None else _status_name(refusal.status)
        self._enqueue.of(*labels).observe(seconds)
        self._processed.of(*labels).value += 1


class ChainMetrics:
    """The chains as they stand.

    Args:
        metrics: where.
        chains: by channel id.
    """

    def __init__(self, metrics: Metrics, chains: Mapping[str, HasHeight]) -> None:
        self._chains = chains
        self._height = metrics.gauge("ledger_blockchain_height", "Height of the chain in blocks.", ["channel"])
        self._status = metrics.gauge(
            "participation_status",
            "The channel participation status of the node: 0 if inactive, 1 if active.",
            ["channel"],
        )
        self._relation = metrics.gauge(
            "participation_consensus_relation",
            "The channel participation consensus relation of the node: 0 if other, 1 if consenter.",
            ["channel"],
        )
        metrics.before_scrape(self._refresh)

    async def _refresh(self) -> None:
        for channel_id, chain in self._chains.items():
            self._height.of(channel_id).value = chain.height
            self._status.of(channel_id).value = ACTIVE
            self._relation.of(channel_id).value = CONSENTER


def _status_name(status: int) -> str:
    try:
        return str(common_pb2.Status.Name(status))
    except ValueError:
        return str(status)
