"""What a peer counts: proposals, blocks and transactions, under Fabric's names.

Source: Fabric core/endorser/metrics.go, core/ledger/kvledger/metrics.go, common/ledger/blkstorage/metrics.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_response_pb2

from network.client_stages import validation_code_name
from network.operations.metrics import Counter, Metrics
from network.proposal import ParsedProposal
from node.peer.committer import CommittedBlock
from node.peer.endorser import Endorser
from node.peer.system_chaincode import ProposalRefusedError

LEDGER_SECONDS = (0.005, 0.01, 0.015, 0.05, 0.1, 1.0, 10.0)
"""Upper bounds of the ledger's durations in Fabric."""

_REFUSED_FROM = 400
_DUPLICATE = "duplicate transaction found"
_ACL = "failed evaluating policy"


class LedgerMetrics:
    """Blocks as they are committed."""

    def __init__(self, metrics: Metrics) -> None:
        self._height = metrics.gauge("ledger_blockchain_height", "Height of the chain in blocks.", ["channel"])
        self._processing = metrics.histogram(
            "ledger_block_processing_time",
            "Time taken in seconds for ledger block processing.",
            ["channel"],
            LEDGER_SECONDS,
        )
        self._storage = metrics.histogram(
            "ledger_blockstorage_and_pvtdata_commit_time",
            "Time taken in seconds for committing the block and private data to storage.",
            ["channel"],
            LEDGER_SECONDS,
        )
        self._transactions = metrics.counter(
            "ledger_transaction_count",
            "Number of transactions processed.",
            ["channel", "transaction_type", "chaincode", "validation_code"],
        )
        self._cells: dict[tuple[str, int, str, str, int], Counter] = {}

    def opened(self, channel_id: str, height: int) -> None:
        """Take note of a channel and its height."""
        self._height.of(channel_id).value = height

    def committed(self, channel_id: str, block: CommittedBlock) -> None:
        """Count a block."""
        self._height.of(channel_id).value = block.number + 1
        self._processing.of(channel_id).observe(block.processing_s)
        self._storage.of(channel_id).observe(block.storage_s)
        for transaction, flag in zip(block.validation.transactions, block.validation.flags, strict=True):
            key = (channel_id, transaction.type, transaction.chaincode, transaction.chaincode_version, flag)
            cell = self._cells.get(key)
            if cell is None:
                cell = self._cell(key)
            cell.value += 1

    def _cell(self, key: tuple[str, int, str, str, int]) -> Counter:
        channel_id, kind, chaincode, version, flag = key
        name = f"{chaincode}:{version}" if chaincode else "unknown"
        cell = self._transactions.of(channel_id, _type_name(kind), name, validation_code_name(flag))
        # Names in transactions are anybody's: no more of them are kept than the family keeps cells.
        if len(self._cells) < 1_000:
            self._cells[key] = cell
        return cell


class OrdererMetrics:
    """The ordering service as a peer sees it: who may be asked for blocks, and what orderers did that they must not."""

    def __init__(self, metrics: Metrics) -> None:
        self._addresses = metrics.gauge(
            "dwaybank_orderer_addresses", "Addresses that blocks may be asked of.", ["channel"]
        )
        self._faults = metrics.counter(
            "dwaybank_orderer_faults",
            "Blocks that an orderer forged, withheld, or gave differently to others.",
            ["channel", "orderer", "fault"],
        )

    def known(self, channel_id: str, addresses: int) -> None:
        """Take note of how many addresses a channel's blocks may be asked of."""
        self._addresses.of(channel_id).value = addresses

    def count(self, channel_id: str, orderer: str, fault: str) -> None:
        """Count a fault."""
        self._faults.of(channel_id, orderer, fault).value += 1


class DeliveryMetrics:
    """Whether anybody gives blocks.

    Args:
        silences_s: gives for how many seconds nobody was reached who does, by channel.
    """

    def __init__(self, metrics: Metrics, silences_s: Callable[[], Mapping[str, float]]) -> None:
        self._silent = metrics.gauge(
            "dwaybank_delivery_silent_seconds",
            "For how long nobody was reached who gives blocks; 0 while a stream stands.",
            ["channel"],
        )
        self._silences_s = silences_s
        metrics.before_scrape(self._refresh)

    async def _refresh(self) -> None:
        self._silent.forget()
        for channel_id, seconds in self._silences_s().items():
            self._silent.of(channel_id).value = seconds


class EndorserMetrics:
    """Proposals as they are endorsed or refused."""

    def __init__(self, metrics: Metrics) -> None:
        labels = ["channel", "chaincode"]
        self.received = metrics.counter("endorser_proposals_received", "The number of proposals received.").of()
        self.successful = metrics.counter("endorser_successful_proposals", "The number of successful proposals.").of()
        self.invalid = metrics.counter(
            "endorser_proposal_validation_failures",
            "The number of proposals that have failed initial validation.",
        ).of()
        self._acl = metrics.counter(
            "endorser_proposal_acl_failures", "The number of proposals that failed ACL checks.", labels
        )
        self._duplicate = metrics.counter(
            "endorser_duplicate_transaction_failures",
            "The number of failed proposals due to duplicate transaction ID.",
            labels,
        )
        self._simulation = metrics.counter(
            "endorser_proposal_simulation_failures", "The number of failed proposal simulations", labels
        )
        self._endorsement = metrics.counter(
            "endorser_endorsement_failures", "The number of failed endorsements.", [*labels, "chaincodeerror"]
        )
        self._duration = metrics.histogram(
            "endorser_proposal_duration", "The time to complete a proposal.", [*labels, "success"]
        )

    def refused(self, proposal: ParsedProposal, error: ProposalRefusedError) -> None:
        """Count a proposal that was not run."""
        text = str(error)
        if text.startswith(_DUPLICATE):
            self._duplicate.of(proposal.channel_id, proposal.chaincode).value += 1
        elif text.startswith(_ACL):
            self._acl.of(proposal.channel_id, proposal.chaincode).value += 1
        else:
            self.invalid.value += 1

    def answered(
        self, proposal: ParsedProposal, response: proposal_response_pb2.ProposalResponse, seconds: float
    ) -> None:
        """Count a proposal that was run."""
        names = proposal.channel_id, proposal.chaincode
        success = response.response.status < _REFUSED_FROM
        if success:
            self.successful.value += 1
        elif response.response.status == 500 and not response.payload:
            self._simulation.of(*names).value += 1
        else:
            self._endorsement.of(*names, "true").value += 1
        self._duration.of(*names, "true" if success else "false").observe(seconds)


class MeasuredEndorser(Endorser):
    """An endorser whose proposals are counted.

    Args:
        metrics: where.
        arguments, parts: of :class:`Endorser`.
    """

    def __init__(self, metrics: EndorserMetrics, *arguments: Any, **parts: Any) -> None:
        super().__init__(*arguments, **parts)
        self._metrics = metrics

    async def process(
        self, proposal: ParsedProposal, *, evaluating: bool = False
    ) -> proposal_response_pb2.ProposalResponse:
        """Endorse a proposal, as :class:`Endorser` does, and count what comes of it."""
        metrics = self._metrics
        metrics.received.value += 1
        begun = perf_counter()
        try:
            response = await super().process(proposal, evaluating=evaluating)
        except ProposalRefusedError as error:
            metrics.refused(proposal, error)
            raise
        metrics.answered(proposal, response, perf_counter() - begun)
        return response


class PeerMetrics:
    """All that one peer counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.ledger = LedgerMetrics(metrics)
        self.endorser = EndorserMetrics(metrics)
        self.orderers = OrdererMetrics(metrics)


def _type_name(kind: int) -> str:
    try:
        return str(common_pb2.HeaderType.Name(kind))
    except ValueError:
        return "unknown"
